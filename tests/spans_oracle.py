"""The prefix-decoding oracle: which characters a token adds, and which tokens an answer needs, by definition alone.

Token i covers the characters by which the decoding of ids 0 to i is longer than that of ids 0 to i - 1. A token that
leaves a character unfinished covers that character too, and so do all tokens until it is whole. Quadratic, and free of
windows, of offsets of a tokenizer and of everything that the package does to be fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

BROKEN = "\N{REPLACEMENT CHARACTER}"


class Grown(NamedTuple):
    """The text of tokens, one by one: after token i `whole[i]` characters are there, and maybe part of another."""

    text: str
    whole: list[int]
    unfinished: list[bool]

    def covers(self) -> list[tuple[int, int]]:
        """Characters [start, stop) of each token."""
        starts = [0, *self.whole[:-1]]
        return [(start, end + part) for start, end, part in zip(starts, self.whole, self.unfinished, strict=True)]

    def run(self, start: int, stop: int) -> tuple[int, int]:
        """The first token that holds some of characters [start, stop), and the token with which they are all there."""
        first = next(i for i, (a, b) in enumerate(self.covers()) if b > max(a, start))
        return first, next(i for i, there in enumerate(self.whole) if there >= stop)


def grown(decode: Callable[[list[int]], str], context: Sequence[int], ids: Sequence[int]) -> Grown:
    """What `ids` add after `context`, token by token."""
    base = decode([*context])
    texts = [decode([*context, *ids[: i + 1]]) for i in range(len(ids))]
    final = texts[-1] if texts else base
    there, whole, unfinished = len(base), [], []
    for text in texts:
        # Where bytes stand alone, characters that were whole may show as broken again until the next one is.
        there = max(there, next((i for i, (a, b) in enumerate(zip(text, final, strict=False)) if a != b), len(text)))
        whole.append(there - len(base))
        unfinished.append(text.endswith(BROKEN) and there < len(final))
    return Grown(final[len(base) :], whole, unfinished)
