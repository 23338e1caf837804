"""What held-out scores are judged by: AUROC, accuracy, R2, rank correlation; it knows one set of rows and no fold.

Every metric has a value, one component a row, and a clustered variance that is made of products of components, so that
the components of one scorer less those of another give the variance of their paired difference. The components of the
AUROC are DeLong's placements; those of the others are values of the influence function, the derivative of the metric in
the weight of a row times the number of rows (Hampel 1974), whose mean is 0. Rows of one group are summed first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.stats.base import NAN, Array, codes_of
from layergrid.stats.ranks import auroc, clustered_variance, midranks, placements

Target = npt.NDArray[Any]  # [n]: bool (True is the positive class), integer codes of classes, or numbers


@dataclass(frozen=True)
class Metric:
    """A metric of scores [n] (or [C, n], one row a class) against a target [n]."""

    name: str  # "auroc"
    scale: Literal["logit", "identity", "fisher"]  # on which its intervals are symmetric
    low: float  # the range of its values
    high: float
    chance: float | None  # its value without information; None: it depends on the rows
    value: Callable[[Target, Floats], float]
    components: Callable[[Target, Floats], Array]  # [n]
    variance: Callable[[Target, Ints, Floats], float]  # of target, groups [n] and components; NaN: not known
    trials: Callable[[Target, Ints], float] | None = (
        None  # binomial trials that bound its variance; None: no such bound
    )

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], Metric], tuple[str]]:
        """The one metric of that name, so that it is itself in another process too."""
        return _named, (self.name,)

    def forward(self, value: float) -> float:
        """A value on the scale of the intervals."""
        if self.scale == "logit":
            return float(np.log(value / (1 - value)))
        return float(np.arctanh(value)) if self.scale == "fisher" else value

    def backward(self, value: float) -> float:
        """The inverse of `forward`."""
        if self.scale == "logit":
            return float(1 / (1 + np.exp(-value)))
        return float(np.tanh(value)) if self.scale == "fisher" else value

    def spread(self, value: float) -> float:
        """What a standard error is divided by on the scale of the intervals (the delta method)."""
        if self.scale == "logit":
            return value * (1 - value)
        return 1 - value**2 if self.scale == "fisher" else 1.0

    def overlap(self, value: float) -> float:
        """The share of the term for shared training rows that is due in the interval of a k-fold mean (see kfold).

        max(1/2, 2 sqrt(A (1 - A))) for an AUROC A, 1 for other metrics.
        """
        if self.scale == "logit" and self.chance == 0.5:
            return max(0.5, 2 * float(np.sqrt(value * (1 - value))))
        return 1.0


# ---------------------------------------------------------------- AUROC


def _auroc(target: Target, scores: Floats) -> float:
    return auroc(np.asarray(target, dtype=bool), scores)


def _placements(target: Target, scores: Floats) -> Array:
    return placements(np.asarray(target, dtype=bool), scores)


def _obuchowski(target: Target, groups: Ints, components: Floats) -> float:
    return clustered_variance(np.asarray(target, dtype=bool), groups, components)


def _smaller_class(target: Target, groups: Ints) -> float:
    """Groups of the smaller class: no AUROC varies more than A (1 - A) over them."""
    return float(min(len(np.unique(groups[np.asarray(target, dtype=bool) == side])) for side in (True, False)))


# ---------------------------------------------------------------- macro AUROC


def macro_auroc(target: Target, scores: Floats) -> float:
    """The mean over classes of the AUROC of scores [C, n], row c telling class c from all others; classes weigh alike.

    Raises ValueError where one of the C classes has no row.
    """
    return float(np.mean([auroc(target == c, scores[c]) for c in range(len(scores))]))


def macro_influences(target: Target, scores: Floats) -> Array:
    """The mean over classes of the influence functions of their AUROCs [n].

    With V the placements of class c, A its AUROC and p its share of the rows: (V - A) / p for rows of the class and
    (V - A) / (1 - p) for the others.
    """
    found = np.zeros(scores.shape[1])
    for c, own in enumerate(scores):
        mine = target == c
        v, share = placements(mine, own), mine.mean()
        found += (v - v[mine].mean()) / np.where(mine, share, 1 - share)
    return found / len(scores)


def macro_variance(target: Target, groups: Ints, components: Floats) -> float:
    """Obuchowski's clustered variance with more than two classes.

    With s_gc the sum of the components of the rows of group g in class c over n, G_c the groups that hold class c and G
    those in all, it is the sum over classes of G_c / (G_c - 1) sum_g s_gc^2 and over pairs of classes of
    G / (G - 1) sum_g s_gc s_gd: for two classes that of one AUROC. NaN with fewer than two groups of a class.
    """
    codes, count = codes_of(groups)
    sums, held = [], []
    for c in np.unique(target):
        rows = target == c
        sums.append(np.bincount(codes[rows], components[rows], minlength=count) / len(target))
        held.append(len(np.unique(codes[rows])))
    if min(held) < 2:
        return NAN
    own = sum(m / (m - 1) * float(s @ s) for s, m in zip(sums, held, strict=True))
    alone = sum(float(s @ s) for s in sums)
    together = np.sum(sums, axis=0)
    return max(0.0, own + count / (count - 1) * (float(together @ together) - alone))


def _smallest_class(target: Target, groups: Ints) -> float:
    return min(_smaller_class(target == c, groups) for c in np.unique(target))


# ---------------------------------------------------------------- means over rows


def influence_variance(_target: Target, groups: Ints, components: Floats) -> float:
    """G / (G - 1) sum over groups of the squared sums of components, over n^2; NaN with fewer than two groups.

    Components are centred first, so that a mean of zeros and ones and its influences have the same variance.
    """
    codes, count = codes_of(groups)
    if count < 2:
        return NAN
    sums = np.bincount(codes, components - components.mean(), minlength=count) / len(components)
    return count / (count - 1) * float(sums @ sums)


def accuracy(target: Target, scores: Floats) -> float:
    """The share of rows whose class is chosen: the highest of scores [C, n], the first of equals; or [n] above 0.

    One row of scores is read as log-odds of the positive class, or as a ridge prediction of -1 and 1.
    """
    return float(_hits(target, scores).mean())


def accuracy_influences(target: Target, scores: Floats) -> Array:
    """1 or 0 for a right or a wrong row, less the accuracy [n]."""
    hits = _hits(target, scores).astype(np.float64)
    return np.asarray(hits - hits.mean())


def _hits(target: Target, scores: Floats) -> Bools:
    if np.isnan(scores).any():
        raise ValueError("the accuracy needs scores that are not NaN")
    chosen = scores > 0 if scores.ndim == 1 else scores.argmax(axis=0)
    return np.asarray(chosen == target)


def _all_groups(_target: Target, groups: Ints) -> float:
    return float(len(np.unique(groups)))


# ---------------------------------------------------------------- numbers


def r2(target: Target, scores: Floats) -> float:
    """1 - sum (y - f)^2 / sum (y - mean y)^2, the mean being that of the rows given; NaN where y does not vary."""
    y = np.asarray(target, dtype=np.float64)
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - scores) ** 2).sum()) / total if np.ptp(y) > 0 else NAN


def r2_influences(target: Target, scores: Floats) -> Array:
    """The influence function of R2 [n], by the delta method for a ratio of means.

    With e = y - f, v the variance of y (over n) and R the value: ((1 - R) (y - mean y)^2 - e^2) / v. NaN where y does
    not vary.
    """
    y = np.asarray(target, dtype=np.float64)
    if not np.ptp(y) > 0:
        return np.full(len(y), NAN)
    squares, errors = (y - y.mean()) ** 2, (y - scores) ** 2
    return np.asarray((errors.sum() / squares.sum() * squares - errors) / squares.mean())


def rank_correlation(target: Target, scores: Floats) -> float:
    """Spearman's coefficient: the correlation of mid-ranks; NaN where the target or the scores do not vary."""
    x, y = _mid_shares(np.asarray(target)), _mid_shares(scores)
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return min(1.0, max(-1.0, float(x @ y) / spread)) if spread > 0 else NAN


def rank_influences(target: Target, scores: Floats) -> Array:
    """The influence function of Spearman's coefficient [n], with ties; NaN where the target or the scores do not vary.

    With F and G the mid-distribution functions less 1/2 and c = E F(X) G(Y), the influence of a row (x, y) on c is

        F(x) G(y) + E[G(Y) s(X - x)] + E[F(X) s(Y - y)] - 3 c,    s(u) = 1, 1/2, 0 for u > 0, u = 0, u < 0,

    whose second and third term are there because every rank moves with the row (Croux & Dehon 2010, eq. 5, without
    ties). The variances a of F(X) and b of G(Y) have the same with both arguments alike, and the coefficient
    r = c / sqrt(a b) has influence(c) / sqrt(a b) - r / 2 (influence(a) / a + influence(b) / b).
    """
    x, y = _mid_shares(np.asarray(target)), _mid_shares(scores)
    if not (np.ptp(x) > 0 and np.ptp(y) > 0):
        return np.full(len(x), NAN)
    c, a, b = float(np.mean(x * y)), float(np.mean(x * x)), float(np.mean(y * y))
    root = np.sqrt(a * b)
    of_c = x * y + _beyond(x, y) + _beyond(y, x) - 3 * c
    of_a = x * x + 2 * _beyond(x, x) - 3 * a
    of_b = y * y + 2 * _beyond(y, y) - 3 * b
    return np.asarray(of_c / root - c / root / 2 * (of_a / a + of_b / b))


def _mid_shares(values: Target) -> Array:
    """The mid-distribution function less 1/2 at each row [n]."""
    if np.isnan(values).any():
        raise ValueError("a rank correlation needs values that are not NaN")
    return np.asarray((midranks(values) - 0.5) / len(values) - 0.5)


def _beyond(x: Array, h: Array) -> Array:
    """For each row [n] the mean over all rows of `h` where `x` is larger, and half of it where it is equal."""
    names, codes = np.unique(x, return_inverse=True)
    sums = np.bincount(codes, h, minlength=len(names))
    above = sums.sum() - np.cumsum(sums)
    return np.asarray((above + sums / 2)[codes] / len(x))


AUROC = Metric("auroc", "logit", 0.0, 1.0, 0.5, _auroc, _placements, _obuchowski, _smaller_class)
MACRO_AUROC = Metric(
    "macro_auroc", "logit", 0.0, 1.0, 0.5, macro_auroc, macro_influences, macro_variance, _smallest_class
)
ACCURACY = Metric("accuracy", "logit", 0.0, 1.0, None, accuracy, accuracy_influences, influence_variance, _all_groups)
R2 = Metric("r2", "identity", -np.inf, 1.0, 0.0, r2, r2_influences, influence_variance)
RANK_CORRELATION = Metric(
    "rank_correlation", "fisher", -1.0, 1.0, 0.0, rank_correlation, rank_influences, influence_variance
)
METRICS: Mapping[str, Metric] = {m.name: m for m in (AUROC, MACRO_AUROC, ACCURACY, R2, RANK_CORRELATION)}


def _named(name: str) -> Metric:
    return METRICS[name]
