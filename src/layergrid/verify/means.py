"""Means and medians of rows with intervals over groups, by definition; it shares no code with the engine.

Rows without a number are left out. The formulas: Cameron & Miller 2015 for means, with G - 1 degrees of freedom;
Obuchowski 1997 for differences of two classes that may share groups, with as many degrees of freedom as the class in
fewer groups has groups, less one; percentiles of resampled groups for medians. Student's t comes from the incomplete
beta function, by halving an interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Floats
from layergrid.verify.numbers import NAN, Array, Bounded, quantile

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sample:
    """The rows of a grid without their values: group and class of each, and how values are summed up."""

    groups: tuple[str, ...]
    positive: npt.NDArray[np.bool_] | None  # the class from which the other is subtracted; None: no contrast
    level: float
    median: bool = False
    seed: int = 0  # of the resamples of medians
    resamples: int = 0

    @cached_property
    def _codes(self) -> Codes:
        return numbered(self.groups)

    def of(self, side: npt.NDArray[np.bool_]) -> Sample:
        """The rows of one class alone, without a contrast."""
        kept = tuple(g for g, s in zip(self.groups, side, strict=True) if s)
        return Sample(kept, None, self.level, self.median, self.seed, self.resamples)

    def estimate(self, values: Floats) -> Bounded:
        """Value and interval of one cell's rows [n]; NaN where there is none."""
        kept = np.isfinite(values)
        own = np.asarray(values, dtype=np.float64)[kept]
        codes = self._codes if kept.all() else numbered(g for g, k in zip(self.groups, kept, strict=True) if k)
        sides = [np.ones(len(own), dtype=np.bool_)]
        if self.positive is not None:
            sides = [self.positive[kept], ~self.positive[kept]]
        if not all(side.any() for side in sides):
            return Bounded(NAN, NAN, NAN)
        if self.median:
            return self._median(own, codes, sides)
        return _mean(own, codes, self.level) if len(sides) == 1 else _gap(own, codes, sides[0], self.level)

    def _median(self, values: Array, codes: Codes, sides: list[npt.NDArray[np.bool_]]) -> Bounded:
        value = _less([middle(np.sort(values[side])) for side in sides])
        if min(_held(codes[side]) for side in sides) < 2:
            return Bounded(value, NAN, NAN)
        count = int(codes.max()) + 1
        ordered = [(np.sort(values[side]), codes[side][np.argsort(values[side], kind="stable")]) for side in sides]
        found = []
        for weights in _drawn(self.seed, count, self.resamples):
            parts = [np.repeat(own, weights[where]) for own, where in ordered]
            if all(part.size for part in parts):
                found.append(_less([middle(part) for part in parts]))
        low, high = np.quantile(found, [(1 - self.level) / 2, (1 + self.level) / 2])
        return Bounded(value, float(low), float(high))


def numbered(groups: Iterable[str]) -> Codes:
    """Groups by number, in the order in which they first appear."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(group, len(seen)) for group in groups], dtype=np.intp)


@lru_cache(maxsize=4)
def _drawn(seed: int, groups: int, resamples: int) -> list[npt.NDArray[np.int32]]:
    """How often each group is drawn in each resample."""
    draws = np.random.default_rng(seed)
    drawn = (draws.integers(groups, size=groups) for _ in range(resamples))
    return [np.bincount(one, minlength=groups).astype(np.int32) for one in drawn]


def _held(codes: Codes) -> int:
    """How many groups some rows have."""
    return int(np.count_nonzero(np.bincount(codes)))


def middle(ordered: Array) -> float:
    """The median of sorted values."""
    n = len(ordered)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def _less(parts: list[float]) -> float:
    return parts[0] if len(parts) == 1 else parts[0] - parts[1]


def _sums(residuals: Array, codes: Codes) -> Array:
    return np.asarray(np.bincount(codes, weights=residuals, minlength=int(codes.max()) + 1), dtype=np.float64)


def _mean(values: Array, codes: Codes, level: float) -> Bounded:
    value, groups = math.fsum(values) / len(values), int(codes.max()) + 1
    if groups < 2:
        return Bounded(value, NAN, NAN)
    sums = _sums(values - value, codes)
    reach = student(level, groups - 1) * math.sqrt(groups / (groups - 1) * float(sums @ sums)) / len(values)
    return Bounded(value, value - reach, value + reach)


def _gap(values: Array, codes: Codes, positive: npt.NDArray[np.bool_], level: float) -> Bounded:
    means, sums, held = [], [], []
    for side in (positive, ~positive):
        own = values[side]
        mean = math.fsum(own) / len(own)
        means.append(mean)
        sums.append(_sums(np.where(side, values - mean, 0.0), codes) / len(own))
        held.append(_held(codes[side]))
    value, groups = means[0] - means[1], int(codes.max()) + 1
    if min(held) < 2:
        return Bounded(value, NAN, NAN)
    within = sum(g / (g - 1) * float(s @ s) for g, s in zip(held, sums, strict=True))
    between = 2 * groups / (groups - 1) * float(sums[0] @ sums[1])
    reach = student(level, min(held) - 1) * math.sqrt(max(0.0, within - between))
    return Bounded(value, value - reach, value + reach)


@cache
def student(level: float, freedom: int) -> float:
    """The t that a two-sided interval of this level reaches to: I(f / (f + t^2); f/2, 1/2) is 1 - level."""
    x = quantile(1 - level, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)
