"""Means and medians over grouped rows and their differences between classes, many cells at once; no folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.stats.base import NAN, Array, codes_of

RESAMPLES = 1000  # of whole groups, for intervals of medians


@dataclass(frozen=True)
class Estimates:
    """Values of C cells with two-sided intervals; NaN bounds: none can be given. Bounds are held inside no range."""

    value: Array  # [C]
    low: Array
    high: Array


def grouped_mean(values: Floats, groups: Ints, level: float) -> Estimates:
    """Means of `values` [C, n] over rows, with Student's t over groups [n] (Cameron & Miller 2015, section II).

    With e_g the sum of the residuals of group g and G groups, the variance of a mean over n rows is
    G / (G - 1) sum_g e_g^2 / n^2, and t has G - 1 degrees of freedom: with one row a group, the interval of the
    textbook. Fewer than two groups have no interval; values that are all equal have one without width.
    """
    x = np.asarray(values, dtype=np.float64)
    codes, count = codes_of(groups)
    value = _means(x)
    if count < 2:
        return Estimates(value, np.full(len(x), NAN), np.full(len(x), NAN))
    sums = _group_sums(x - value[:, None], codes, count) / x.shape[1]
    reach = student(level, count - 1) * np.sqrt(count / (count - 1) * (sums**2).sum(axis=1))
    return Estimates(value, value - reach, value + reach)


def grouped_gap(values: Floats, labels: Bools, groups: Ints, level: float) -> Estimates:
    """Mean of `values` [C, n] over rows of `labels` [n] True less that over the others; groups may hold both.

    With a_g the sum of the residuals of group g's True rows over their number in all, b_g that of its other rows, and
    G1, G0, G groups with True rows, with others, in all, the variance is (Obuchowski 1997)

        G1 / (G1 - 1) sum a_g^2 + G0 / (G0 - 1) sum b_g^2 - 2 G / (G - 1) sum a_g b_g,

    never less than G / (G - 1) sum (a_g - b_g)^2: with one row a group it is Welch's, with every group in both classes
    that of paired differences. Student's t has min(G1, G0) - 1 degrees of freedom: never more than Welch's, and as many
    as there are where a class is rare or groups are pairs. A class with fewer than two groups leaves no interval.
    """
    x = np.asarray(values, dtype=np.float64)
    codes, count = codes_of(groups)
    means, sums, held = [], [], []
    for side in (labels, ~labels):
        mean = _means(x[:, side])
        residuals = np.where(side, x - mean[:, None], 0.0)
        means.append(mean)
        sums.append(_group_sums(residuals, codes, count) / max(1, int(np.count_nonzero(side))))
        held.append(len(np.unique(codes[side])))
    value = means[0] - means[1]
    if min(held) < 2:
        return Estimates(value, np.full(len(x), NAN), np.full(len(x), NAN))
    (a, b), (one, other) = sums, held
    between = 2 * count / (count - 1) * (a * b).sum(axis=1)
    variance = one / (one - 1) * (a**2).sum(axis=1) + other / (other - 1) * (b**2).sum(axis=1) - between
    reach = student(level, min(held) - 1) * np.sqrt(np.maximum(variance, 0.0))  # below 0 by rounding alone
    return Estimates(value, value - reach, value + reach)


def grouped_median(
    values: Floats, groups: Ints, level: float, seed: int, labels: Bools | None = None, resamples: int = RESAMPLES
) -> Estimates:
    """Medians of `values` [C, n], or of labels True less of the others, with percentiles over resampled groups.

    Resample r draws G of the G groups, numbered as they first appear among the rows, by the r-th call of
    `numpy.random.default_rng(seed).integers(G, size=G)`; the rows of a group count as often as it was drawn, and the
    median of an even number of rows is the mean of the middle two. Bounds are the (1 - level) / 2 and (1 + level) / 2
    quantiles of the resampled medians, interpolated linearly; resamples that lack a class are left out. Fewer than two
    groups (of a class) have no interval.
    """
    x = np.asarray(values, dtype=np.float64)
    codes = _first_codes(groups)
    count = int(codes.max(initial=-1)) + 1
    sides = [np.ones(x.shape[1], dtype=bool)] if labels is None else [labels, ~labels]
    none = np.full(len(x), NAN)
    value = np.subtract.reduce([np.median(x[:, side], axis=1) if side.any() else none for side in sides])
    if min(len(np.unique(codes[side])) for side in sides) < 2:
        return Estimates(value, none, none)
    draws = np.random.default_rng(seed)
    drawn = np.empty((resamples, count), dtype=np.float32)  # counts, exact below 2^24, in a form that multiplies fast
    for r in range(resamples):
        drawn[r] = np.bincount(draws.integers(count, size=count), minlength=count)
    bounds = np.full((len(x), 2), NAN)
    tails = ((1 - level) / 2, (1 + level) / 2)
    for c in np.flatnonzero(~np.isnan(value)):
        found = np.subtract.reduce([_resampled(x[c, side], codes[side], drawn) for side in sides])
        bounds[c] = np.quantile(found[~np.isnan(found)], tails)
    return Estimates(value, bounds[:, 0], bounds[:, 1])


def student(level: float, freedom: int) -> float:
    """The quantile of Student's t of a two-sided interval: 1.98 for 0.95 and 99 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _means(x: Array) -> Array:
    """Means of [C, n] over rows, NaN where there are none; a constant is its own mean, without rounding."""
    if x.shape[1] == 0:
        return np.full(len(x), NAN)
    first = x[:, 0]
    return np.asarray(first + (x - first[:, None]).mean(axis=1))


def _group_sums(x: Array, codes: Ints, count: int) -> Array:
    """Sums of [C, n] over the rows of each group, [C, G]; groups are numbered without gaps."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(count))
    return np.asarray(np.add.reduceat(x[:, order], starts, axis=1))


def _first_codes(groups: Ints) -> Ints:
    """Groups numbered as they first appear."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes])


def _resampled(x: Array, codes: Ints, drawn: Floats) -> Array:
    """The median of `x` [n] in each resample, whose groups count as often as `drawn` [R, G] says; NaN without rows."""
    order, n, total, found = np.argsort(x, kind="stable"), len(x), _drawn_rows(codes, drawn), np.full(len(drawn), NAN)
    codes, some = codes[order], total > 0
    reach = 4 * int(np.sqrt(n) + 1)  # of a window of ranks around the middle, which grows until it holds every median
    while some.any():
        low, high = max(0, n // 2 - reach), min(n, n // 2 + reach)
        before, middle = _drawn_rows(codes[:low], drawn)[some, None], total[some, None]
        twice = 2 * (before + np.cumsum(drawn[:, codes[low:high]][some], axis=1))
        if high - low == n or ((2 * before < middle) & (twice[:, -1:] > middle)).all():
            below, above = (twice < middle).sum(axis=1), (twice <= middle).sum(axis=1)
            found[some] = (x[order[low + below]] + x[order[low + above]]) / 2
            break
        reach *= 4
    return found


def _drawn_rows(codes: Ints, drawn: Floats) -> Floats:
    """How many of some rows each resample holds, their groups counted as often as they were drawn."""
    return np.asarray(drawn @ np.bincount(codes, minlength=drawn.shape[1]).astype(drawn.dtype))
