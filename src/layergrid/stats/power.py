"""The smallest AUROC that a split could show after correction; it knows counts of rows, no score."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from layergrid.artifacts import Ints
from layergrid.stats.base import NAN
from layergrid.stats.kfold import Split
from layergrid.stats.metrics import AUROC


def hanley_mcneil(value: float, positive: float, negative: float) -> float:
    """Variance of an AUROC from counts alone (Hanley & McNeil 1982): scores are exponential in both classes.

    (A (1 - A) + (n1 - 1) (Q1 - A^2) + (n0 - 1) (Q2 - A^2)) / (n1 n0), with Q1 = A / (2 - A) and Q2 = 2 A^2 / (1 + A).
    """
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    own = value * (1 - value) + (positive - 1) * (q1 - value**2) + (negative - 1) * (q2 - value**2)
    return own / (positive * negative)


def detectable(split: Split, threshold: float, power: float = 0.8, spread: float | None = None) -> float:
    """The smallest true AUROC whose estimate exceeds chance by `threshold` null standard deviations with this `power`.

    `threshold` is the critical value of the corrected test (`many.critical`). With v(A) the mean over folds of Hanley
    and McNeil's variance times `Split.inflation_at`, n1 and n0 counting groups of each class in a fold, it solves

        A - 1/2 = threshold s + z_power sqrt(v(A)),    s = `spread`, or sqrt(v(1/2)) where none is given.

    `spread` is the standard deviation over relabellings where they have been made. True is the mean population AUROC
    of the fitted probes. NaN for other metrics, without both classes in a fold, and where nothing below 1 would do.
    """
    if split.metric is not AUROC or not np.isfinite(threshold):
        return NAN
    counts = [_class_groups(split, rows) for rows in split.rows]
    if min(min(pair) for pair in counts) < 1:
        return NAN

    def error(value: float) -> float:
        return float(np.sqrt(np.mean([hanley_mcneil(value, *pair) for pair in counts]) * split.inflation_at(value)))

    reach, z = threshold * (error(0.5) if spread is None else spread), NormalDist().inv_cdf(power)

    def missing(value: float) -> float:
        return 0.5 + reach + z * error(value) - value

    return _root(missing)


def _class_groups(split: Split, rows: Ints) -> tuple[int, int]:
    positive = np.asarray(split.labels[rows], dtype=bool)
    return len(np.unique(split.groups[rows[positive]])), len(np.unique(split.groups[rows[~positive]]))


def _root(missing: Callable[[float], float]) -> float:
    """Where `missing` falls through 0 between 1/2 and 1, by halving; NaN where it does not."""
    low, high = 0.5, 1.0
    if missing(high) >= 0:
        return NAN
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if missing(middle) > 0 else (low, middle)
    return high
