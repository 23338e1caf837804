"""AUROC of held-out scores, means and medians over grouped rows, their intervals and tests; it knows no model or grid.

The target of every k-fold estimate is the mean population AUROC of the K fitted scorers. Its value is the mean of the
per-fold AUROCs, because the scores of different folds are not on one scale. Its variance is

    mean over folds of the clustered DeLong variance  x  (1 / K + 1 / (K - 1)),

where the first term is that of K independent folds and the second stands for the training rows that the folds share
(Nadeau & Bengio 2003, with n_test / n_train = 1 / (K - 1)). DeLong: DeLong, DeLong & Clarke-Pearson 1988 in the fast
form of Sun & Xu 2014; rows of one group: Obuchowski 1997.

Means, medians and their differences between classes hold for rows as they are, without folds (last part of this file).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Bools, Floats, Ints

Array = npt.NDArray[np.float64]
NAN = float("nan")


# ---------------------------------------------------------------- one set of rows


def midranks(scores: Floats) -> Array:
    """Ranks of `scores` [n] from 1 to n; equal scores share the mean of their ranks."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(ordered)])))
    ranks = np.empty(len(ordered))
    ranks[order] = np.repeat(starts + (lengths + 1) / 2, lengths)
    return ranks


def auroc(labels: Bools, scores: Floats) -> float:
    """Mann-Whitney AUROC with mid-ranks: the chance that a positive row scores higher, ties counted as halves.

    Constant scores give exactly 0.5. Raises ValueError where a class is absent or a score is NaN.
    """
    positive, negative = _counts(labels, scores)
    ranks = midranks(scores)[labels].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def placements(labels: Bools, scores: Floats) -> Array:
    """DeLong's structural components [n]: for each row the share of the other class that it beats, ties as halves.

    Positive rows hold V10, negative rows V01; the mean over either class is the AUROC.
    """
    positive, negative = _counts(labels, scores)
    ranks = midranks(scores)
    found = np.empty(len(scores))
    found[labels] = (ranks[labels] - midranks(scores[labels])) / negative
    found[~labels] = 1 - (ranks[~labels] - midranks(scores[~labels])) / positive
    return found


def _counts(labels: Bools, scores: Floats) -> tuple[int, int]:
    positive = int(np.count_nonzero(labels))
    negative = len(labels) - positive
    if positive == 0 or negative == 0:
        raise ValueError("the AUROC needs rows of both classes")
    if np.isnan(scores).any():
        raise ValueError("the AUROC needs scores that are not NaN")
    return positive, negative


def clustered_variance(labels: Bools, groups: Ints, components: Floats) -> float:
    """Variance of an AUROC from its placements [n], rows of one group kept together (Obuchowski 1997).

    It is linear in products of placements, so the placements of one scorer minus those of another give the variance
    of the paired difference. With one row per group it is DeLong's. NaN with fewer than two groups of a class.
    """
    codes, count = _codes(groups)
    sums = {}
    for positive in (True, False):
        rows = labels == positive
        n = np.bincount(codes[rows], minlength=count)
        centred = np.bincount(codes[rows], components[rows], minlength=count) - n * components[rows].mean()
        sums[positive] = (centred / rows.sum(), int(np.count_nonzero(n)))
    (high, m), (low, n_low) = sums[True], sums[False]
    if m < 2 or n_low < 2:
        return NAN
    between = 2 * count / (count - 1) * float(high @ low)  # groups that hold rows of both classes
    return max(0.0, m / (m - 1) * float(high @ high) + n_low / (n_low - 1) * float(low @ low) + between)


def _codes(groups: Ints) -> tuple[Ints, int]:
    names, codes = np.unique(groups, return_inverse=True)
    return codes, len(names)


# ---------------------------------------------------------------- k folds


@dataclass(frozen=True)
class Split:
    """Rows with their classes, groups and folds, on which scores are compared."""

    labels: Bools  # bool [n], True is the positive class
    groups: Ints  # int [n]
    folds: Ints  # int [n], 0 to K - 1: the fold in which a row is held out

    @cached_property
    def rows(self) -> tuple[Ints, ...]:
        """Row numbers of each fold, K arrays."""
        return tuple(np.flatnonzero(self.folds == k) for k in range(int(self.folds.max()) + 1))

    @property
    def k(self) -> int:
        """The number of folds."""
        return len(self.rows)

    @property
    def inflation(self) -> float:
        """What the mean fold variance is multiplied by: 1 / K + 1 / (K - 1)."""
        return 1 / self.k + 1 / (self.k - 1)

    @cached_property
    def trials(self) -> float:
        """Binomial trials that a mean AUROC is worth at the boundary: groups of the smaller class, over inflation."""
        smaller = [
            min(len(np.unique(self.groups[rows[self.labels[rows] == positive]])) for positive in (True, False))
            for rows in self.rows
        ]
        return float(np.mean(smaller)) / self.inflation


@dataclass(frozen=True)
class Scored:
    """One scorer, evaluated fold by fold."""

    aurocs: Array  # [K]
    components: Array  # [n], DeLong placements inside each row's fold

    @property
    def value(self) -> float:
        """The mean over folds."""
        return float(self.aurocs.mean())

    @property
    def at_boundary(self) -> bool:
        """Whether a fold stands at 0 or 1, where DeLong's variance is 0 and says nothing."""
        return bool(np.isin(self.aurocs, (0.0, 1.0)).any())


@dataclass(frozen=True)
class Interval:
    """A k-fold value with its two-sided interval (one-sided at the boundary); NaN bounds: none can be given."""

    value: float
    low: float
    high: float
    p: float = NAN  # one-sided against 0.5
    boundary: bool = False


def evaluate(split: Split, scores: Floats) -> Scored:
    """AUROC and placements of held-out scores [n] in each fold."""
    components = np.empty(len(scores))
    aurocs = np.empty(split.k)
    for k, rows in enumerate(split.rows):
        components[rows] = placements(split.labels[rows], scores[rows])
        aurocs[k] = auroc(split.labels[rows], scores[rows])
    return Scored(aurocs, components)


def mean_interval(split: Split, scored: Scored, level: float) -> Interval:
    """The k-fold interval of a mean AUROC, on the logit scale: se / (A (1 - A)), normal quantiles.

    The p-value is that of the same statistic, logit(A) over its standard error, one-sided against 0.5. Where a fold
    stands at 0 or 1 the bound is one-sided (`boundary_interval`). NaN where every fold's scores are constant.
    """
    value = scored.value
    if scored.at_boundary:
        return boundary_interval(value, split.trials, level)
    variance = fold_variance(split, scored.components)
    if not variance > 0:
        return Interval(value, NAN, NAN)
    error = float(np.sqrt(variance)) / (value * (1 - value))
    middle = float(np.log(value / (1 - value)))
    reach = quantile(level) * error
    p = NormalDist().cdf(-middle / error)
    return Interval(value, _expit(middle - reach), _expit(middle + reach), p)


def boundary_interval(value: float, trials: float, level: float) -> Interval:
    """A one-sided Clopper-Pearson bound for an AUROC near 0 or 1, as if it were a share of `trials` successes.

    No AUROC varies more than A (1 - A) / min(n1, n0) (van Dantzig 1951; Birnbaum & Klose 1957), which is the variance
    of a share of min(n1, n0) trials; `Split.trials` divides that number by the k-fold inflation and counts groups, not
    rows. Clopper & Pearson 1934, in the form of beta quantiles, which need no whole numbers.
    """
    from scipy.special import betainc, betaincinv

    wins = value * trials
    losses = trials - wins
    p = float(betainc(wins, losses + 1, 0.5)) if wins > 0 else 1.0
    if value >= 0.5:
        return Interval(value, float(betaincinv(wins, losses + 1, 1 - level)), 1.0, p, boundary=True)
    return Interval(value, 0.0, float(betaincinv(wins + 1, losses, level)), p, boundary=True)


def difference_interval(split: Split, a: Scored, b: Scored, level: float) -> Interval:
    """The k-fold interval of the paired difference `a` minus `b`, on its own scale, held inside [-1, 1].

    Paired on rows: the variance is that of the difference of the placements. Bounds are NaN where a fold of either
    stands at 0 or 1, because that fold's variance is not known, and where the difference does not vary at all.
    """
    value = a.value - b.value
    variance = fold_variance(split, a.components - b.components)
    if a.at_boundary or b.at_boundary or not variance > 0:
        return Interval(value, NAN, NAN)
    reach = quantile(level) * float(np.sqrt(variance))
    return Interval(value, max(-1.0, value - reach), min(1.0, value + reach))


def fold_variance(split: Split, components: Floats) -> float:
    """Variance of a k-fold mean: the mean clustered variance of the folds times the split's inflation."""
    parts = [clustered_variance(split.labels[r], split.groups[r], components[r]) for r in split.rows]
    return float(np.mean(parts)) * split.inflation


def quantile(level: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _expit(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


# ---------------------------------------------------------------- many tests


def holm(p: Floats) -> Array:
    """Holm's step-down adjustment (Holm 1979) over all entries that are not NaN, in the shape of `p`."""
    adjusted = np.full(p.shape, NAN)
    tested = ~np.isnan(p)
    values = p[tested]
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    back = np.empty(len(values))
    back[order] = np.minimum(1.0, steps)
    adjusted[tested] = back
    return adjusted


# ---------------------------------------------------------------- means and medians over rows, many cells at once

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
    codes, count = _codes(groups)
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
    codes, count = _codes(groups)
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
