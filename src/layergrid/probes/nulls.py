"""The metric of one cell under many relabellings, probes refitted for each; it knows no other cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.probes.scoring import Fitter
from layergrid.probes.solving import Array, Targets
from layergrid.stats.batch import many_values
from layergrid.stats.metrics import Metric

How = Literal["ridge", "logistic", "held-out"]
BATCH = 256  # relabellings whose scores are held at once


@dataclass(frozen=True)
class Relabelling:
    """Which row's label each row takes, in each of B relabellings, and what is refitted."""

    rows: Ints  # int [B, n]
    how: How  # a ridge or a logistic probe refitted; or the fitted probes as they are, for a fixed split
    penalty: float  # of the refitted probe, which no label enters


def ridge_penalty(width: int) -> float:
    """Lambda of the ridge probe of the test, over the number of training rows: the mean squared length of a row.

    Features have unit variance, so that their number is that length, and m lambda equals the mean of the Gram diagonal.
    """
    return float(width)


def null_values(
    fitter: Fitter, relabelling: Relabelling, folds: Ints, classes: int, metric: Metric, scores: Floats, judged: Ints
) -> Array:
    """The metric [B + 1], mean over folds; the true labels come first.

    `scores` [T, m] of the `judged` rows serve where probes are not refitted.
    """
    n = len(folds)
    rows = np.concatenate((np.arange(n)[None], relabelling.rows))
    target = fitter.columns[0] if not classes else fitter.columns.argmax(axis=0)
    if relabelling.how == "held-out":
        return held_out_values(target, relabelling, metric, scores, judged, classes)
    total = np.zeros(len(rows))
    count = int(folds.max()) + 1
    for k in range(count):
        train, test = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
        total += _refitted(fitter, relabelling, rows, train, test, target, classes, metric)
    return total / count


def held_out_values(
    target: Targets, relabelling: Relabelling, metric: Metric, scores: Floats, judged: Ints, classes: int
) -> Array:
    """The metric [B + 1] of scores [T, m] as they are, the labels of the judged rows exchanged: for a fixed split."""
    rows = np.concatenate((np.arange(len(target))[None], relabelling.rows))
    many = np.broadcast_to(scores[:, None], (len(scores), len(rows), scores.shape[1]))
    return _values(metric, target[rows[:, judged]], many, classes)


def _refitted(
    fitter: Fitter, relabelling: Relabelling, rows: Ints, train: Ints, test: Ints, target: Targets, classes: int,
    metric: Metric,
) -> Array:  # fmt: skip
    """The metric [B + 1] on one fold's rows, by probes of every relabelling of the others."""
    hat = fitter.hat(train, test, relabelling.penalty / len(train)).T if relabelling.how == "ridge" else None
    found = np.empty(len(rows))
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        if hat is not None:
            many = np.stack([column[part[:, train]].astype(np.float32) @ hat for column in fitter.columns])
        else:
            solved = [
                fitter.solver.relabelled(train, test, column[part], relabelling.penalty) for column in fitter.columns
            ]
            many = np.stack([np.where(good[:, None], scores, np.nan) for scores, good in solved])
        found[start : start + BATCH] = _values(metric, target[part[:, test]], many, classes)
    return found


def _values(metric: Metric, targets: Targets, scores: Floats, classes: int) -> Array:
    """The metric [B] of scores [T, B, t] for targets [B, t]."""
    return many_values(metric, targets, scores if classes else scores[0])
