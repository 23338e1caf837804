"""The difference of two k-fold values whose folds, rows or labels are not the same; it knows no model and no grid.

The value of k folds is a mean of the folds' values, so that to first order it is a sum over rows: a row moves its own
fold by its influence there (of an AUROC its placement less the mean of its class, over the rows of that class: DeLong,
DeLong & Clarke-Pearson 1988), and the mean by that over K. A row that stands in different folds of two such values has
an influence on each, whatever the folds are, and on their difference that of one less that of the other. Summed over
the rows of a group these are independent, and the variance is the sum of their squares (Obuchowski 1997).

That is the variance of independent folds. What the training rows owe to each other multiplies it by
f = k (1 / k + 1 / (k - 1)), as in `kfold` (Nadeau & Bengio 2003); each side is multiplied by the root of its own f.
Where rows, folds and labels are the same and every row is its own group, this is `kfold.difference_interval`.
Where they are not, influences are taken in different folds, whose placements bear the noise of the other class's few
rows in each: they do not cancel, and the interval is too long rather than too short.
"""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Bools, Ints
from layergrid.stats.base import NAN, Array
from layergrid.stats.kfold import Interval, Scored, Split, quantile
from layergrid.stats.metrics import AUROC, MACRO_AUROC


def across_interval(one: Split, a: Scored, other: Split, b: Scored, level: float) -> Interval:
    """The interval of `a` on the rows of `one` less `b` on those of `other`; groups of both are numbered alike.

    Bounds are NaN where a fold of either stands at an end of the metric's range, where a fold holds fewer than two
    groups of a class, and where nothing varies.
    """
    value = a.value - b.value
    size = int(max(one.groups.max(initial=0), other.groups.max(initial=0))) + 1
    sums = _by_group(one, a, size) - _by_group(other, b, size)
    variance = float(sums @ sums)
    if a.at_boundary or b.at_boundary or not variance > 0:
        return Interval(value, NAN, NAN)
    reach = quantile(level) * float(np.sqrt(variance))
    widest = one.metric.high - one.metric.low
    return Interval(value, max(-widest, value - reach), min(widest, value + reach))


def _by_group(split: Split, scored: Scored, size: int) -> Array:
    """What the rows of each group do to a k-fold mean [G], times the root of what shared training rows add."""
    folds = split.k // split.repeats
    factor = float(np.sqrt(folds * split.inflation))
    return np.asarray(factor * np.bincount(split.groups, row_influences(split, scored), minlength=size))


def row_influences(split: Split, scored: Scored) -> Array:
    """The influence of each row on the mean over folds [n], with the small-sample factor of its class in its fold.

    The factor is the root of G / (G - 1) for G groups of the class in the fold (in all, of metrics without classes):
    squared influences then sum to an unbiased variance. NaN where G is less than two.
    """
    found = np.zeros(len(split.folds))
    for rows in split.rows:
        for mine in _classes(split, rows):
            inside = rows[mine]
            groups = len(np.unique(split.groups[inside]))
            own = scored.components[inside]
            middle = 0.0 if split.metric is MACRO_AUROC else own.mean()  # whose influences have mean 0 over all classes
            over = len(inside) if split.metric is AUROC else len(rows)
            found[inside] = (own - middle) / over * (np.sqrt(groups / (groups - 1)) if groups > 1 else NAN)
    return np.asarray(found / split.k)


def _classes(split: Split, rows: Ints) -> list[Bools]:
    """Which rows of a fold belong to each class; all together for metrics that know none."""
    if split.metric not in (AUROC, MACRO_AUROC):
        return [np.ones(len(rows), dtype=np.bool_)]
    target = split.labels[rows]
    return [np.asarray(target == one) for one in np.unique(target)]
