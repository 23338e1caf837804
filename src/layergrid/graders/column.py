"""The column grader: the data say which answers are right; it judges none and knows no right answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from layergrid.artifacts import Examples, Label, Scalar
from layergrid.graders.golds import blank, require
from layergrid.graders.scopes import PARTS, Chars, Within, part, trimmed
from layergrid.kinds import BadInput, Grader, occurrence_of

TRUE, FALSE = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")


class ColumnGrader(Grader):
    """Takes right and wrong from a column of the data, and where the exact answer stands from another, if there is one.

    It is for answers that the data hold and that were graded before; nothing holds it against the text.
    """

    rule: ClassVar[str] = "the first line of the completion; whether it is right is said by a column of the data"
    kind: Literal["column"] = "column"
    gold: str = Field("", description="The column that holds the right answer, for readers alone; it is not compared.")
    column: str = Field(min_length=1, description="The column that says which answers are right.")
    values: tuple[Scalar, ...] = Field(
        (), description="Values of it that mean right; left out: true, yes, 1 and their spellings."
    )
    answer: str = Field(
        "",
        description="The column that holds the exact answer, a text of the completion; where it is blank or does not "
        "stand there, none was found.",
    )
    take: Literal["first", "last"] = Field(
        "first", description="Which occurrence of that text is the exact answer, where it stands more than once."
    )
    within: Within = Field(
        "first_line",
        description="Without `answer`: the part of the completion that is the exact answer, `first_line`, "
        "`first_sentence`, `last_line` or `all`.",
    )

    @property
    def stated(self) -> str:
        """Which occurrence of the column's text, or which part."""
        if not self.answer:
            return f"{PARTS[self.within]}, without quotation marks around it and punctuation at its end"
        found = f"the text of column {self.answer}, chosen in a way that is not known here"
        return f"{found}, at its {self.take} occurrence in the completion as whole words"

    @property
    def compared(self) -> str:
        """Not at all."""
        return f"not compared with anything: column {self.column} of the data says whether it is right"

    def options(self, example: Mapping[str, Scalar]) -> tuple[str, ...]:
        """The text that the data give as exact answer, if they give one."""
        given = example[self.answer] if self.answer else None
        return () if blank(given) else (str(given).strip(),)

    def golds(self, example: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        """What the column says."""
        return (example[self.column],)

    def check(self, examples: Examples) -> None:
        """Raises BadInput where a column is missing."""
        require(examples, self.column, "column")
        if self.answer:
            require(examples, self.answer, "answer")

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:
        """Characters of the given text in the completion, or without a column of them, of a part of it."""
        if not self.answer:
            start, stop = trimmed(completion, *part(completion, self.within))
            return (start, stop) if start < stop else None
        found = [span for text in options for span in _standing(text, completion)]
        return found[0 if self.take == "first" else -1] if found else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether the column's value means right; BadInput where it means neither."""
        if blank(gold):
            raise BadInput("it is empty; give every row a value")
        spelled = str(gold).strip()
        if self.values:
            return any(gold == one or spelled == str(one) for one in self.values)
        if spelled.lower() not in (*TRUE, *FALSE):
            raise BadInput(f"{gold!r} is neither true nor false; name the 'values' that mean right")
        return spelled.lower() in TRUE

    def grade(self, example: Mapping[str, Scalar], completion: str) -> Label:
        """Right is what the column calls right, with an exact answer or without."""
        options = self.options(example)
        span, correct = self.find(completion, options), self.agrees("", example[self.column])
        if span is None:
            given = f"{options[0]!r} does not stand in the completion" if options else "the data give none"
            return Label(None, None, correct, f"found no exact answer: {given}")
        reason = "" if correct else f"column {self.column} says {example[self.column]!r}"
        return Label(span, completion[slice(*span)], correct, reason, occurrence_of(completion, span))


def _standing(text: str, completion: str) -> list[Chars]:
    """Where a text stands in the completion: as whole words, or where it never does, anywhere."""
    before = r"(?<!\w)(?<!\d[.,])" if text[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if text[-1].isalnum() else ""
    for pattern in (before + re.escape(text) + after, re.escape(text)):
        if found := [one.span() for one in re.finditer(pattern, completion)]:
            return found
    return []
