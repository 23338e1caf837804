"""The value of held-out scores over k folds, its interval and test, and paired differences; it knows no model or grid.

The target of every k-fold estimate is the mean population value of the K fitted scorers, K / r in each of r repeats.
Its value is the mean of the folds' values, because the scores of different folds are not on one scale. Its variance is

    mean over folds of their clustered variances  x  (1 / k + w / (k - 1)),    k = K / r,

where the first term is that of k independent folds and the second stands for the training rows that the folds share
(Nadeau & Bengio 2003, with n_test / n_train = 1 / (k - 1)), with w = 1 but for intervals of (macro) AUROCs.

What correlates the folds is that a pair of rows in different folds counts in both, once as a training row and once as a
held-out one. Scorers that know nothing owe all their variance to such pairs; those that know the direction owe it to
single rows, which count once. So w = max(1/2, 2 sqrt(A (1 - A))) for an AUROC of A: 1 at chance, and at least 1/2
because scorers of many features owe much to pairs at any AUROC. With w = 1, 95 % intervals near 0.95 cover 99.4 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.stats.base import NAN, Array
from layergrid.stats.metrics import AUROC, Metric, Target


@dataclass(frozen=True)
class Split:
    """Rows with their targets, groups and folds, on which scores are compared."""

    labels: Target  # [n]: bool (True is the positive class), codes of classes, or numbers
    groups: Ints  # int [n]
    folds: Ints  # int [n], 0 to K - 1: the fold in which a row is held out; repeat by repeat
    metric: Metric = AUROC
    repeats: int = 1

    @cached_property
    def rows(self) -> tuple[Ints, ...]:
        """Row numbers of each fold, K arrays."""
        return tuple(np.flatnonzero(self.folds == k) for k in range(int(self.folds.max()) + 1))

    @property
    def k(self) -> int:
        """The number of folds in all."""
        return len(self.rows)

    @property
    def inflation(self) -> float:
        """What the mean fold variance is multiplied by: 1 / k + 1 / (k - 1) for k folds a repeat, 1 for one fold."""
        return self.inflation_at(None)

    def inflation_at(self, value: float | None) -> float:
        """The inflation for a scorer that reaches `value`, its second term times the share w (see the module).

        Raises ValueError where the folds cannot be shared out among the repeats.
        """
        k, rest = divmod(self.k, self.repeats)
        if rest:
            raise ValueError(f"{self.k} folds are not {self.repeats} repeats of the same number of folds")
        share = 1.0 if value is None else self.metric.overlap(value)
        return 1 / k + share / (k - 1) if k > 1 else 1.0

    @cached_property
    def trials(self) -> float:
        """Binomial trials that a mean is worth at the boundary: those of its folds, on average, over the inflation.

        A fold's are its groups, of the smaller class for an AUROC. NaN for metrics that are no share.
        """
        trials = self.metric.trials
        if trials is None:
            return NAN
        return float(np.mean([trials(self.labels[rows], self.groups[rows]) for rows in self.rows])) / self.inflation


@dataclass(frozen=True)
class Scored:
    """One scorer, evaluated fold by fold."""

    values: Array  # [K]
    components: Array  # [n], of each row inside its fold
    metric: Metric = AUROC

    @property
    def aurocs(self) -> Array:
        """The values of the folds [K], by their older name."""
        return self.values

    @property
    def value(self) -> float:
        """The mean over folds."""
        return float(self.values.mean())

    @property
    def at_boundary(self) -> bool:
        """Whether a fold stands at an end of the metric's range, where its variance is 0 and says nothing."""
        return bool(np.isin(self.values, (self.metric.low, self.metric.high)).any())


@dataclass(frozen=True)
class Interval:
    """A k-fold value with its two-sided interval (one-sided at the boundary); NaN bounds: none can be given."""

    value: float
    low: float
    high: float
    p: float = NAN  # one-sided against chance; NaN: no test
    boundary: bool = False


def evaluate(split: Split, scores: Floats) -> Scored:
    """Values and components of held-out scores [n], or [C, n] of C classes, in each fold."""
    components = np.empty(len(split.folds))
    values = np.empty(split.k)
    for k, rows in enumerate(split.rows):
        target, own = split.labels[rows], scores[..., rows]
        components[rows] = split.metric.components(target, own)
        values[k] = split.metric.value(target, own)
    return Scored(values, components, split.metric)


def mean_interval(split: Split, scored: Scored, level: float, chance: float | None = None) -> Interval:
    """The k-fold interval of a mean, with normal quantiles on the metric's scale: logit, identity or Fisher's z.

    The p-value is one-sided against `chance` (default: the metric's; an accuracy has none of its own), by the distance
    on that scale over the standard error with the whole inflation, which is due where nothing is known. Where a fold of
    a share stands at 0 or 1 the bound is one-sided (`boundary_interval`). Bounds are NaN where nothing varies: scores
    that are constant in every fold, or a fold at an end of the range of another metric.
    """
    value, metric = scored.value, split.metric
    level_of_chance = metric.chance if chance is None else chance
    if scored.at_boundary:
        if metric.trials is None:
            return Interval(value, NAN, NAN)
        return boundary_interval(value, split.trials, level, level_of_chance)
    variance = fold_variance(split, scored.components)
    if not variance > 0:
        return Interval(value, NAN, NAN)
    error = float(np.sqrt(variance)) / metric.spread(value)
    middle = metric.forward(value)
    reach = quantile(level) * error * float(np.sqrt(split.inflation_at(value) / split.inflation))
    p = NAN if level_of_chance is None else NormalDist().cdf((metric.forward(level_of_chance) - middle) / error)
    return Interval(value, metric.backward(middle - reach), metric.backward(middle + reach), p)


def boundary_interval(value: float, trials: float, level: float, chance: float | None = 0.5) -> Interval:
    """A one-sided Clopper-Pearson bound for a share near 0 or 1, as if of `trials` trials; one-sided p against chance.

    No AUROC varies more than A (1 - A) / min(n1, n0) (van Dantzig 1951; Birnbaum & Klose 1957), which is the variance
    of a share of min(n1, n0) trials; `Split.trials` divides that number by the k-fold inflation and counts groups, not
    rows. Clopper & Pearson 1934, in the form of beta quantiles, which need no whole numbers.
    """
    from scipy.special import betainc, betaincinv

    wins = value * trials
    losses = trials - wins
    p = NAN if chance is None else float(betainc(wins, losses + 1, chance)) if wins > 0 else 1.0
    if value >= 0.5:
        return Interval(value, float(betaincinv(wins, losses + 1, 1 - level)), 1.0, p, boundary=True)
    return Interval(value, 0.0, float(betaincinv(wins + 1, losses, level)), p, boundary=True)


def difference_interval(split: Split, a: Scored, b: Scored, level: float) -> Interval:
    """The k-fold interval of the paired difference `a` minus `b`, on its own scale, held inside its range.

    Paired on rows: the variance is that of the difference of the components. Bounds are NaN where a fold of either
    stands at an end of the metric's range, because that fold's variance is not known, and where the difference does
    not vary at all.
    """
    value = a.value - b.value
    variance = fold_variance(split, a.components - b.components)
    if a.at_boundary or b.at_boundary or not variance > 0:
        return Interval(value, NAN, NAN)
    reach = quantile(level) * float(np.sqrt(variance))
    widest = split.metric.high - split.metric.low
    return Interval(value, max(-widest, value - reach), min(widest, value + reach))


def fold_variance(split: Split, components: Floats) -> float:
    """Variance of a k-fold mean: the mean clustered variance of the folds times the split's inflation."""
    parts = [split.metric.variance(split.labels[r], split.groups[r], components[r]) for r in split.rows]
    return float(np.mean(parts)) * split.inflation


def quantile(level: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)
