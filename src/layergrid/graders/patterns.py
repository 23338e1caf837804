"""Regular expressions that a spec writes and completions are searched with, bounded in size and time."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from layergrid.kinds import BuildError
from layergrid.text import count

QUOTED = "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}"  # as sentences show a pattern
LONGEST = 1000  # characters of a pattern
LARGEST = 20_000  # items of a pattern once its counted repetitions are written out
SECONDS = 2.0  # of one search


def checked(pattern: str) -> str:
    """The pattern, if it is one for Python's re that does not grow beyond measure; else ValueError.

    It is searched by the package regex, which reads the same language and can stop after a time.
    """
    if len(pattern) > LONGEST:
        raise ValueError(f"is {count(len(pattern))} characters long; a pattern has at most {count(LONGEST)}")
    try:
        re.compile(pattern)
        size = _size(importlib.import_module("re._parser").parse(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if size > LARGEST:
        raise ValueError(
            "repeats repetitions that are counted, which makes it too large; bound them less, or use + or *"
        )
    return pattern


def _size(node: Any) -> int:
    """How many items a parsed pattern has once counted repetitions are written out."""
    codes = importlib.import_module("re._constants")
    if isinstance(node, tuple) and len(node) == 2 and node[0] in (
        codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT,
    ):  # fmt: skip
        low, high, body = node[1]
        return max(int(low), 1 if high == codes.MAXREPEAT else int(high)) * _size(body)
    if isinstance(node, tuple | list) or hasattr(node, "data"):
        return max(1, sum(_size(one) for one in node))
    return 1


def search(pattern: str, text: str, *, last: bool = False, group: int | str = 0) -> tuple[int, int] | None:
    """Characters of the group in the first match, or the last, in which it holds something; None where there is none.

    Raises BuildError where the search takes too long.
    """
    try:
        found = None
        for match in _compiled(pattern)(text, timeout=SECONDS):
            if match.start(group) < match.end(group):
                found = match.span(group)
                if not last:
                    break
    except TimeoutError:
        raise BuildError(
            f"the pattern {pattern!r} takes more than {SECONDS:.0f} s on a completion of {count(len(text))} "
            "characters; write it without repetitions inside of repetitions, and without parts that can match the "
            "same text"
        ) from None
    return found


@cache
def _compiled(pattern: str) -> Callable[..., Any]:
    found: Callable[..., Any] = importlib.import_module("regex").compile(pattern).finditer  # it has no types
    return found
