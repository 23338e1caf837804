"""AUROC of held-out scores, its k-fold intervals, tests and corrections; it knows no probe, model or grid.

The target of every k-fold estimate is the mean population AUROC of the K fitted scorers. Its value is the mean of the
per-fold AUROCs, because the scores of different folds are not on one scale. Its variance is

    mean over folds of the clustered DeLong variance  x  (1 / K + 1 / (K - 1)),

where the first term is that of K independent folds and the second stands for the training rows that the folds share
(Nadeau & Bengio 2003, with n_test / n_train = 1 / (K - 1)). DeLong: DeLong, DeLong & Clarke-Pearson 1988 in the fast
form of Sun & Xu 2014; rows of one group: Obuchowski 1997.
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
