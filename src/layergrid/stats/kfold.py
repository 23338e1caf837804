"""The AUROC of held-out scores over k folds, its interval and test, and paired differences; it knows no model or grid.

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

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.stats.base import NAN, Array
from layergrid.stats.ranks import auroc, clustered_variance, placements


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
