"""The math grader: an expression, equal to the right one by math-verify; it does no mathematics itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Literal

from pydantic import Field

from layergrid.artifacts import Examples, Scalar
from layergrid.graders.equality import EQUAL, SECONDS, UNREAD, Verifier, installed
from layergrid.graders.golds import Aliased, blank, held, listed_items
from layergrid.graders.numbers import boxes, numbers
from layergrid.graders.scopes import PARTS, Chars, Within, part, trimmed
from layergrid.kinds import BadInput

# $...$ as pandoc reads it, so that "$5 and $6" are prices: no blank inside the signs, no digit behind the second.
FORMULA = re.compile(
    r"\$\$(?P<display>[^$]{1,1000})\$\$|(?<![\\$\d])\$(?P<dollars>[^\s$](?:[^$\n]{0,998}[^\s$\\])?)\$(?!\d)"
    r"|\\\((?P<round>[^\n]{1,1000}?)\\\)|\\\[(?P<square>.{1,1000}?)\\\]",
    re.DOTALL,
)


class MathGrader(Aliased):
    """Takes the last boxed expression, formula or number, and compares it as mathematics: 3/4 is 0.75.

    It needs the package math-verify: `pip install "layergrid[math]"`.
    """

    rule: ClassVar[str] = "the last LaTeX box of the completion; without a box, the last formula, else the last number"
    libraries: ClassVar[tuple[str, ...]] = ("math-verify", "latex2sympy2_extended", "sympy")
    keeps: ClassVar[bool] = True
    kind: Literal["math"] = "math"
    take: Literal["last", "first"] = Field("last", description="Which box, formula or number is taken.")
    within: Within = Field(
        "all",
        description="Where formulas and numbers are looked for: `all`, `last_line`, `first_line` or `first_sentence`; "
        "a box counts anywhere.",
    )

    @property
    def stated(self) -> str:
        """Box, formula or number."""
        where = PARTS[self.within]
        rule = f"the {self.take} LaTeX box of the completion; without a box, the {self.take} formula of {where}"
        return f"{rule}; without a formula, its {self.take} number"

    @property
    def compared(self) -> str:
        """By math-verify."""
        late = f"what takes it more than {SECONDS:.0f} s is taken for different"
        return f"compared as a mathematical expression, by math-verify; {late}"

    def golds(self, example: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        """As the column has them: "[1, 2]" is an interval here, and "[9.0]" the number; aliases may be lists."""
        gold = example[self.gold]
        items = listed_items(gold) if not blank(gold) else []
        first = tuple(items) if items is not None and len(items) < 2 else (gold,)
        rest = (one for column in self.aliases for one in held(example[column]))
        return tuple(dict.fromkeys(one for one in (*first, *rest) if not blank(one)))

    def check(self, examples: Examples) -> None:
        """Raises BadInput where math-verify is not installed, or a column of aliases is missing."""
        if not installed():
            raise BadInput(
                f"data set {examples.name!r}: the math grader needs the package math-verify, which is not installed; "
                'install it with `pip install "layergrid[math]"`, or use the numeric grader'
            )
        super().check(examples)

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:  # noqa: ARG002 - of the base
        """Characters inside the box or the formula's signs, or those of the number."""
        which = -1 if self.take == "last" else 0
        inside = [span for span in (trimmed(completion, *one) for one in boxes(completion)) if span[0] < span[1]]
        if not inside:
            start, stop = part(completion, self.within)
            formulas = (one.span(one.lastgroup or 0) for one in FORMULA.finditer(completion, start, stop))
            inside = [span for span in (trimmed(completion, *one) for one in formulas) if span[0] < span[1]]
            inside = inside or list(numbers(completion, start, stop))
        return inside[which] if inside else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether math-verify calls them equal within its limit; BadInput where it reads nothing in the right one."""
        if blank(gold):
            raise BadInput(f"the right answer {gold!r} is empty; the math grader needs an expression")
        right = str(gold).strip()
        if not answer or answer == right:
            return bool(answer)
        said = _verifier().compare(right, answer)
        if said == UNREAD:
            raise BadInput(f"math-verify reads no expression in the right answer {gold!r}")
        return said == EQUAL


@cache
def _verifier() -> Verifier:
    return Verifier()
