"""The numeric grader: the last number of the first sentence, or of its box; it converts no units and reads no words."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import Field

from layergrid.artifacts import Scalar
from layergrid.graders.golds import Located
from layergrid.graders.numbers import boxes, numbers, right_numbers, value_of
from layergrid.graders.scopes import PARTS, Chars, Within, part
from layergrid.text import trimmed


class NumericGrader(Located):
    """Takes the last number of the first sentence, and compares numbers: 5 is 5.0, $5 and 10/2, and is not 15."""

    rule: ClassVar[str] = "the last number of the first sentence of the completion, or of its last LaTeX box"
    kind: Literal["numeric"] = "numeric"
    take: Literal["last", "first"] = Field("last", description="Which number of that part is the answer.")
    within: Within = Field(
        "first_sentence",
        description="The part of the completion that is looked at: `first_sentence`, `first_line`, `last_line` or "
        "`all`. Where the completion has a LaTeX box, as in \\boxed{5}, the last box is looked at instead.",
    )
    tolerance: float = Field(
        0.0, ge=0, lt=1, description="How far a right number may be off, as a share of the right one; 0: not at all."
    )

    @property
    def stated(self) -> str:
        """Which number of which part."""
        rule = f"the {self.take} number of {PARTS[self.within]}, or of its last LaTeX box"
        return f"{rule}; in right answers, the first number that is right" if self.label_dependent else rule

    @property
    def compared(self) -> str:
        """As numbers."""
        near = f", {trimmed(100 * self.tolerance)}% off at most" if self.tolerance else ""
        return f"compared as numbers, whatever their units{near}; any number of a list of right answers is right"

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:  # noqa: ARG002 - of the base
        """Characters of the number: digits with an optional sign, thousands commas, decimals, an exponent; a fraction.

        The full stop that ends a sentence is no part of it. A box without a number holds no answer.
        """
        boxed = boxes(completion)
        start, stop = boxed[-1] if boxed else part(completion, self.within)
        found = list(numbers(completion, start, stop))
        return found[-1 if self.take == "last" else 0] if found else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether both are the same number; BadInput where the gold answer does not hold exactly one number."""
        right = right_numbers(gold)
        spans = list(numbers(answer))
        value = value_of(answer[slice(*spans[0])]) if len(spans) == 1 else None
        return value is not None and any(self._near(value, one) for one in right)

    def _near(self, value: Fraction, right: Fraction) -> bool:
        return abs(value - right) <= Fraction(str(self.tolerance)) * abs(right)

    def find_gold(self, completion: str, golds: tuple[Scalar, ...]) -> Chars | None:
        """Characters of the first number of the completion that is right."""
        return next(
            (span for span in numbers(completion) if any(self.agrees(completion[slice(*span)], g) for g in golds)), None
        )
