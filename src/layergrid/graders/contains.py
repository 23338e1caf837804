"""The contains grader: the answer is right that has a right one in it as whole words; it knows no synonyms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from layergrid.artifacts import Scalar
from layergrid.graders.golds import Located
from layergrid.graders.normalising import place, squad
from layergrid.graders.patterns import LONGEST, QUOTED, checked, search
from layergrid.graders.scopes import PARTS, Chars, Within, after_lead_ins, part, quoted, trimmed
from layergrid.kinds import BadInput


class ContainsGrader(Located):
    """Takes the first line without what leads in to it; it is right where the gold answer or an alias stands in it."""

    rule: ClassVar[str] = (
        'the first line of the completion without a lead-in such as "The answer is", quotation marks around it and '
        "punctuation at its end"
    )
    kind: Literal["contains"] = "contains"
    within: Within = Field(
        "first_line",
        description="The part of the completion that is the exact answer: `first_line`, `first_sentence`, `last_line` "
        "or `all`.",
    )
    after: str = Field(
        "",
        max_length=LONGEST,
        description="A regular expression: the answer begins behind its first match; without a match there is none.",
    )
    lead_ins: bool = Field(
        True, description='Leave "The answer is", "Sure!", "A:", "It is" and their like out of the exact answer.'
    )
    quoted: bool = Field(False, description="The answer is the first quoted text of that part, where it quotes any.")

    @field_validator("after")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return checked(value)

    @property
    def stated(self) -> str:
        """Which part, and what is left out of it."""
        where = PARTS[self.within] + (f" behind the first match of {QUOTED.format(self.after)}" if self.after else "")
        lead = 'a lead-in such as "The answer is", ' if self.lead_ins else ""
        rule = f"{where} without {lead}quotation marks around it and punctuation at its end"
        if self.quoted:
            rule = f"the first quoted text of {where}, or where nothing is quoted, {rule}"
        return (
            f"{rule}; in right answers, the first place where a right answer stands" if self.label_dependent else rule
        )

    @property
    def compared(self) -> str:
        """Whole words."""
        return "right where a right answer stands in it as whole words, without case, punctuation and articles"

    def golds(self, example: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        """Those that hold a letter or a digit; where none does, all, of which it can be said."""
        found = super().golds(example)
        return tuple(one for one in found if squad(str(one))) or found

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:  # noqa: ARG002 - of the base
        """Characters of the part without what leads in, quotation marks around all of it, and trailing punctuation."""
        start = 0
        if self.after:
            found = search(self.after, completion)
            if found is None:
                return None
            start = found[1]
        if self.lead_ins and self.within != "last_line":
            start = after_lead_ins(completion, start, len(completion))
        start, stop = part(completion, self.within, start)
        if self.lead_ins and self.within == "last_line":
            start = after_lead_ins(completion, start, stop)
        inside = quoted(completion, start, stop) if self.quoted else None
        start, stop = trimmed(completion, *(inside or (start, stop)))
        return (start, stop) if start < stop else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether the right answer stands in the found one; BadInput where it holds no letter and no digit."""
        right = "" if gold is None else str(gold)
        if not squad(right):
            raise BadInput(f"the right answer {gold!r} holds no letter and no digit; the contains grader needs some")
        return place(right, answer) is not None

    def find_gold(self, completion: str, golds: tuple[Scalar, ...]) -> Chars | None:
        """Characters of the first place in the completion where a right answer stands."""
        return min((found for g in golds if (found := place(str(g), completion)) is not None), default=None)
