"""AUROC, intervals and paired differences by their definitions, pair by pair; it shares no code with the engine.

Slow and plain on purpose: every pair of a positive and a negative row is compared, every group is summed in turn.
The formulas: DeLong, DeLong & Clarke-Pearson 1988 for the placements; Obuchowski 1997 for rows of one group; the mean
fold variance times 1/K + 1/(K - 1) on the logit scale; Clopper & Pearson 1934 where a fold stands at 0 or 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
NAN = math.nan


@dataclass(frozen=True)
class Rows:
    """The rows of one fold: class and group of each."""

    index: npt.NDArray[np.intp]
    positive: npt.NDArray[np.bool_]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Scorer:
    """One scorer on all folds: its AUROC in each, and the placement of every row (positive rows first)."""

    folds: tuple[float, ...]
    placements: tuple[tuple[Array, Array], ...]

    @property
    def value(self) -> float:
        """The mean over folds."""
        return sum(self.folds) / len(self.folds)

    @property
    def at_end(self) -> bool:
        """Whether a fold stands at 0 or 1."""
        return any(a in (0.0, 1.0) for a in self.folds)


@dataclass(frozen=True)
class Bounded:
    """A value with bounds and a one-sided p-value against 0.5; NaN where there is none."""

    value: float
    low: float
    high: float
    p: float = NAN


def split(labels: npt.NDArray[np.bool_], groups: tuple[str, ...], folds: npt.NDArray[np.integer]) -> tuple[Rows, ...]:
    """The rows of each fold, in order of the folds' numbers."""
    found = []
    for k in sorted({int(f) for f in folds}):
        index = np.flatnonzero(np.asarray(folds) == k)
        found.append(Rows(index, np.asarray(labels)[index], tuple(groups[i] for i in index)))
    return tuple(found)


def score(folds: tuple[Rows, ...], scores: npt.NDArray[np.floating]) -> Scorer:
    """Compares every positive row of a fold with every negative one; a tie counts as half a win."""
    values, placements = [], []
    for rows in folds:
        own = np.asarray(scores, dtype=np.float64)[rows.index]
        high, low = own[rows.positive], own[~rows.positive]
        wins = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
        values.append(float(wins.mean()))
        placements.append((wins.mean(axis=1), wins.mean(axis=0)))
    return Scorer(tuple(values), tuple(placements))


def variance(folds: tuple[Rows, ...], placements: tuple[tuple[Array, Array], ...]) -> float:
    """Variance of the mean over folds of AUROCs, or of their differences, from placements."""
    total = sum(_fold_variance(rows, *parts) for rows, parts in zip(folds, placements, strict=True))
    k = len(folds)
    return total / k * (1 / k + 1 / (k - 1))


def _fold_variance(rows: Rows, high: Array, low: Array) -> float:
    """Obuchowski's variance: sums of centred placements by group, within classes and between them."""
    by_group: dict[str, list[float]] = {}
    seen: tuple[set[str], set[str]] = (set(), set())
    at = [0, 0]
    means = (float(high.mean()), float(low.mean()))
    for group, positive in zip(rows.groups, rows.positive, strict=True):
        side = 0 if positive else 1
        placement = float((high, low)[side][at[side]])
        at[side] += 1
        seen[side].add(group)
        by_group.setdefault(group, [0.0, 0.0])[side] += (placement - means[side]) / len((high, low)[side])
    if min(len(seen[0]), len(seen[1])) < 2:
        return NAN
    within = sum(len(seen[s]) / (len(seen[s]) - 1) * sum(sums[s] ** 2 for sums in by_group.values()) for s in (0, 1))
    between = 2 * len(by_group) / (len(by_group) - 1) * sum(sums[0] * sums[1] for sums in by_group.values())
    return max(0.0, within + between)


def bounds(folds: tuple[Rows, ...], scorer: Scorer, level: float) -> Bounded:
    """The interval of a mean AUROC and its p-value."""
    a = scorer.value
    if scorer.at_end:
        return _at_end(folds, a, level)
    spread = variance(folds, scorer.placements)
    if not spread > 0:
        return Bounded(a, NAN, NAN)
    middle, error = math.log(a / (1 - a)), math.sqrt(spread) / (a * (1 - a))
    reach = NormalDist().inv_cdf(0.5 + level / 2) * error
    low, high = (1 / (1 + math.exp(-(middle + side * reach))) for side in (-1, 1))
    return Bounded(a, low, high, NormalDist().cdf(-middle / error))


def _at_end(folds: tuple[Rows, ...], a: float, level: float) -> Bounded:
    """A one-sided bound, as for a share of as many trials as the folds hold groups of their smaller class."""
    k = len(folds)
    smaller = []
    for rows in folds:
        sides = [{g for g, p in zip(rows.groups, rows.positive, strict=True) if p == side} for side in (True, False)]
        smaller.append(min(len(side) for side in sides))
    trials = sum(smaller) / k / (1 / k + 1 / (k - 1))
    wins = a * trials
    p = _beta(0.5, wins, trials - wins + 1) if wins > 0 else 1.0
    if a >= 0.5:
        return Bounded(a, quantile(1 - level, wins, trials - wins + 1), 1.0, p)
    return Bounded(a, 0.0, quantile(level, wins + 1, trials - wins), p)


def _beta(x: float, a: float, b: float) -> float:
    from scipy.special import betainc

    return float(betainc(a, b, x))


def quantile(q: float, a: float, b: float) -> float:
    """The beta quantile, by halving the unit interval."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(middle, a, b) < q else (low, middle)
    return (low + high) / 2


def difference(folds: tuple[Rows, ...], a: Scorer, b: Scorer, level: float) -> Bounded:
    """The paired difference `a` minus `b` on its own scale; no bounds where it does not vary or a fold is at an end."""
    gap = a.value - b.value
    if a.at_end or b.at_end:
        return Bounded(gap, NAN, NAN)
    pairs = zip(a.placements, b.placements, strict=True)
    spread = variance(folds, tuple((x[0] - y[0], x[1] - y[1]) for x, y in pairs))
    if not spread > 0:
        return Bounded(gap, NAN, NAN)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(spread)
    return Bounded(gap, max(-1.0, gap - reach), min(1.0, gap + reach))


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjustment; NaN stays NaN."""
    tested = sorted((value, i) for i, value in enumerate(p) if not math.isnan(value))
    adjusted, running = [NAN] * len(p), 0.0
    for rank, (value, i) in enumerate(tested):
        running = max(running, value * (len(tested) - rank))
        adjusted[i] = min(1.0, running)
    return adjusted


def same(a: float | None, b: float | None, tolerance: float = 1e-7) -> bool:
    """Whether two numbers are equal but for rounding; NaN and None are equal to each other."""
    x, y = (NAN if v is None else float(v) for v in (a, b))
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return abs(x - y) <= tolerance * max(1e-3, abs(x), abs(y))
