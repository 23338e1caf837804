"""The regex grader: the exact answer is what a pattern finds; it is compared in a form that has a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from layergrid.artifacts import Scalar
from layergrid.graders.exact import same
from layergrid.graders.golds import Aliased
from layergrid.graders.normalising import squad
from layergrid.graders.numbers import numbers, right_numbers, value_of
from layergrid.graders.patterns import LONGEST, QUOTED, checked, search
from layergrid.graders.scopes import Chars
from layergrid.kinds import BadInput

FORMS = {
    "text": "as texts; case, runs of blanks and trailing punctuation make no difference",
    "words": "as words, without case, punctuation and articles",
    "number": "as numbers, whatever their units",
    "verbatim": "character by character",
}
COMPARED: dict[str, Callable[[str], str]] = {"text": same, "words": squad, "verbatim": str}


class RegexGrader(Aliased):
    """Takes what a group of a regular expression matches, and compares it in a named form."""

    rule: ClassVar[str] = "what a pattern matches first in the completion"
    libraries: ClassVar[tuple[str, ...]] = ("regex",)
    kind: Literal["regex"] = "regex"
    pattern: str = Field(
        min_length=1,
        max_length=LONGEST,
        description="The regular expression. A group named `answer` is the exact answer, else the first group, else "
        "the whole match. A search that takes more than 2 seconds ends the build.",
    )
    take: Literal["first", "last"] = Field("first", description="Which match is taken.")
    compare: Literal["text", "words", "number", "verbatim"] = Field(
        "text",
        description="How it is compared: `text` without case, runs of blanks and trailing punctuation; `words` also "
        "without other punctuation and articles, as SQuAD does; `number` by value; `verbatim` character by character.",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return checked(value)

    @property
    def stated(self) -> str:
        """The pattern, and which match."""
        return f"what the pattern {QUOTED.format(self.pattern)} matches {self.take} in the completion"

    @property
    def compared(self) -> str:
        """By the form's sentence."""
        return f"compared {FORMS[self.compare]}"

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:  # noqa: ARG002 - of the base
        """Characters of the group, in the first or last match where it holds any."""
        return search(self.pattern, completion, last=self.take == "last", group=self._group)

    @property
    def _group(self) -> int | str:
        import re

        found = re.compile(self.pattern)
        return "answer" if "answer" in found.groupindex else min(found.groups, 1)

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether both have the same form; BadInput where nothing is left of the right one."""
        if self.compare == "number":
            right = right_numbers(gold)
            spans = list(numbers(answer))
            return len(spans) == 1 and value_of(answer[slice(*spans[0])]) in right
        form = COMPARED[self.compare]
        wanted = "" if gold is None else form(str(gold))
        if not wanted:
            raise BadInput(f"the right answer {gold!r} holds nothing to compare {FORMS[self.compare]}")
        return form(answer) == wanted
