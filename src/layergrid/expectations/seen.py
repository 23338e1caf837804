"""A number that a bound is held against, and the verdict on one or many of them; it knows no grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layergrid.artifacts import GridPoint
from layergrid.spec import Limits

NAN = math.nan
NO_INTERVAL = "it has no interval"


@dataclass(frozen=True)
class Seen:
    """One number with its interval, or why there is none."""

    value: float = NAN
    low: float = NAN
    high: float = NAN
    n: int = 0  # rows that it rests on
    what: str = ""  # which of several it is: "layer 3, last_q"
    cells: tuple[GridPoint, ...] = ()
    reason: str = ""  # why there is no number


@dataclass(frozen=True)
class Asked:
    """All numbers that one expectation speaks of."""

    subject: str  # "errors: nested best"
    seen: tuple[Seen, ...]
    every: bool = True  # whether all must keep the bound, or one of them
    grid: str = ""  # that the cells stand in; empty: of no grid
    level: float = NAN  # of the intervals
    counts: bool = False  # numbers are counts of rows


@dataclass(frozen=True)
class Verdict:
    """Whether a bound is kept, and by which of the numbers that is decided."""

    met: bool
    decisive: Seen
    judged: float  # the number of it that was held against the bound; NaN: there is none
    limit: float
    failing: tuple[Seen, ...]
    reason: str  # why it could not be judged


def ends(one: Seen, by: str) -> tuple[float, float]:
    """What is held against `at_least`, and what against `at_most`."""
    found = {"estimate": (one.value, one.value), "low": (one.low, one.low), "high": (one.high, one.high)}
    return found.get(by, (one.low, one.high))


def verdict(asked: Asked, bound: Limits, by: str) -> Verdict:
    """The verdict; of all that are needed the worst decides, else the best; one that is missing is worst."""
    seen = asked.seen or (Seen(reason="there is nothing to judge"),)
    slack = [bound.slack(*ends(one, by)) for one in seen]
    met = [one >= 0 for one in slack]  # NaN is not
    order = [-math.inf if math.isnan(one) else one for one in slack]
    at = order.index(min(order) if asked.every else max(order))
    decisive = seen[at]
    judged, limit = _side(decisive, bound, by)
    return Verdict(
        met=all(met) if asked.every else any(met),
        decisive=decisive,
        judged=judged,
        limit=limit,
        failing=tuple(one for one, good in zip(seen, met, strict=True) if not good),
        reason=_reason(decisive, by) if math.isnan(slack[at]) else "",
    )


def _side(one: Seen, bound: Limits, by: str) -> tuple[float, float]:
    """The end of the number that is nearest to its limit, or furthest beyond it, and that limit."""
    low, high = ends(one, by)
    if bound.at_least is None or bound.at_most is None:
        return (high if bound.at_least is None else low), bound.limit
    below, above = low - bound.at_least, bound.at_most - high
    return (high, bound.at_most) if above < below else (low, bound.at_least)


def _reason(one: Seen, by: str) -> str:
    if one.reason:
        return one.reason
    return NO_INTERVAL if by != "estimate" and math.isfinite(one.value) else "it has no value"


def cells_of(seen: Sequence[Seen]) -> tuple[GridPoint, ...]:
    """The cells of several numbers, each once."""
    return tuple(dict.fromkeys(cell for one in seen for cell in one.cells))
