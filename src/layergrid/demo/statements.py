"""Generates sums with an answer that is said to be right: half of them are; knows no model and no tokenizer."""

from __future__ import annotations

import random
from dataclasses import dataclass

from layergrid.demo.questions import WORDINGS, Sum, evaluation_sums


@dataclass(frozen=True)
class Statement:
    """A sum with the answer that is stated for it."""

    sum: Sum
    stated: int

    @property
    def is_true(self) -> bool:
        """Whether the stated answer is the right one."""
        return self.stated == self.sum.answer

    @property
    def reply(self) -> str:
        """The stated answer in the words that the question's wording demands."""
        return WORDINGS[self.sum.wording][1].format(x=self.sum.expression, c=self.stated)


def statements(count: int, seed: int = 0) -> list[Statement]:
    """`count` statements over held-out operands, every second one false.

    A false answer is any other number of as many digits as the right one, so that its length does not give it away.
    """
    rng = random.Random(seed)  # noqa: S311 (arithmetic questions, no secrets)
    sums = evaluation_sums(count)
    return [Statement(one, _wrong(one.answer, rng) if i % 2 else one.answer) for i, one in enumerate(sums)]


def _wrong(answer: int, rng: random.Random) -> int:
    digits = len(str(answer))
    others = range(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
    while (drawn := rng.choice(others)) == answer:
        pass
    return drawn
