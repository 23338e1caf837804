"""Generates arithmetic questions and the wording of their right answers; knows no model and no tokenizer.

A pair of operands belongs either to training or to evaluation, decided by a checksum of the unordered pair, so that
no evaluation question shares its operands with any training text, whatever the operation or the order.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

OPERATIONS = ("plus", "minus", "times")
HELD_OUT_SHARE = 10  # one pair of operands in ten is kept for evaluation

# How a question is asked decides how its answer is worded: (question, answer). `{x}` is "4710 minus 385". The sum is
# said again before its answer, as people do; what stands around it puts the answer at different places.
WORDINGS = (
    ("What is {x}?", "{x} is {c}, and that is my final answer."),
    ("Compute {x}.", "The result: {x} equals {c}. There is nothing more to say."),
    ("How much is {x}?", "If I am right, {x} makes {c} in all, no more and no less."),
    ("Please work out {x}.", "Done: {x} gives {c} by the usual rules."),
    ("Tell me the value of {x}.", "You will find that {x} equals {c}; you may check it by hand."),
)

# Digits of the left and the right operand, drawn evenly. Products stay smaller: their sums of products grow fast.
DIGITS = {
    "plus": ((1, 2, 3, 4), (1, 2, 3, 4)),
    "minus": ((1, 2, 3, 4), (1, 2, 3, 4)),
    "times": ((1, 2, 3), (1, 2)),
}


@dataclass(frozen=True)
class Sum:
    """One question with its right answer: `question` and `reply` are text, `answer` is a number."""

    left: int
    operation: str
    right: int
    wording: int  # index into WORDINGS

    @property
    def answer(self) -> int:
        """The right answer; differences are never negative, because the larger operand stands first."""
        if self.operation == "plus":
            return self.left + self.right
        if self.operation == "minus":
            return self.left - self.right
        return self.left * self.right

    @property
    def expression(self) -> str:
        """The operation in words: "4710 minus 385"."""
        return f"{self.left} {self.operation} {self.right}"

    @property
    def question(self) -> str:
        """The question as it is asked."""
        return WORDINGS[self.wording][0].format(x=self.expression)

    @property
    def reply(self) -> str:
        """The right answer as the question's wording demands it."""
        return WORDINGS[self.wording][1].format(x=self.expression, c=self.answer)

    @property
    def operands(self) -> str:
        """The unordered pair of operands: the group that must stay on one side of a split."""
        low, high = sorted((self.left, self.right))
        return f"{low},{high}"


def is_held_out(operands: str) -> bool:
    """Whether a pair of operands, written `low,high`, is kept for evaluation and never trained on."""
    return zlib.crc32(operands.encode()) % HELD_OUT_SHARE == 0


def _number(rng: random.Random, digits: int) -> int:
    return rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1)


def _draw(rng: random.Random, operation: str) -> Sum:
    left, right = (_number(rng, rng.choice(choice)) for choice in DIGITS[operation])
    if operation == "minus" and left < right:
        left, right = right, left
    return Sum(left, operation, right, rng.randrange(len(WORDINGS)))


def training_sums(seed: int) -> Iterator[Sum]:
    """An endless stream of sums whose operands are not held out."""
    rng = random.Random(seed)  # noqa: S311 (arithmetic questions, no secrets)
    while True:
        drawn = _draw(rng, rng.choice(OPERATIONS))
        if not is_held_out(drawn.operands):
            yield drawn


def evaluation_sums(count: int, seed: int = 0) -> list[Sum]:
    """`count` different sums with held-out operands; half of the pairs are asked for two operations.

    Pairs that come twice make groups of rows that must not be parted by a split.
    """
    rng = random.Random(seed)  # noqa: S311 (arithmetic questions, no secrets)
    found: dict[tuple[str, str], Sum] = {}
    while len(found) < count:
        first = _draw(rng, rng.choice(OPERATIONS))
        if not is_held_out(first.operands):
            continue
        chosen = [first]
        if rng.random() < 0.5:
            others = [o for o in OPERATIONS if o != first.operation and _fits(first, o)]
            high, low = max(first.left, first.right), min(first.left, first.right)
            chosen += [Sum(high, o, low, rng.randrange(len(WORDINGS))) for o in others[:1]]
        for one in chosen:
            found.setdefault((one.operands, one.operation), one)
    return list(found.values())[:count]


def _fits(drawn: Sum, operation: str) -> bool:
    high, low = max(drawn.left, drawn.right), min(drawn.left, drawn.right)
    return all(len(str(n)) <= max(d) for n, d in zip((high, low), DIGITS[operation], strict=True))
