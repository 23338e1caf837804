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

    A false answer differs from the right one in a single digit and has as many of them, so that neither its length nor
    its size gives it away.
    """
    rng = random.Random(seed)  # noqa: S311 (arithmetic questions, no secrets)
    sums = evaluation_sums(count)
    return [Statement(one, _wrong(one.answer, rng) if i % 2 else one.answer) for i, one in enumerate(sums)]


def _wrong(answer: int, rng: random.Random) -> int:
    digits = str(answer)
    at = rng.randrange(len(digits))
    others = [d for d in "0123456789" if d != digits[at] and (d != "0" or at > 0 or len(digits) == 1)]
    return int(digits[:at] + rng.choice(others) + digits[at + 1 :])
