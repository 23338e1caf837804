"""Values over folds with intervals and paired differences, by definition; it shares no code with the engine.

The variance of a mean over folds is the mean variance of the folds times 1/k + 1/(k - 1), with k folds a repeat; of one
fold in all it is its own. In the interval of one AUROC the second term counts in part: by twice the root of A (1 - A),
and by a half at least. Intervals are symmetric on the scale of the metric; where a fold stands at an end of the
range of a share, the bound is Clopper's & Pearson's of 1934.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from layergrid.artifacts import Floats, HeldOut
from layergrid.verify.judging import METRICS, Metric, Rows
from layergrid.verify.numbers import NAN, Array, Bounded, beta, quantile


@dataclass(frozen=True)
class Folds:
    """The rows of all folds in order, how they are judged, and how many assignments to folds there are."""

    rows: tuple[Rows, ...]
    metric: Metric
    repeats: int = 1

    def inflation(self, part: float = 1.0) -> float:
        """What the mean variance of the folds is multiplied by; `part` of the term for shared training rows counts."""
        k = len(self.rows) // self.repeats
        return 1.0 if k < 2 else 1 / k + part / (k - 1)

    def mean(self, values: list[float]) -> float:
        """The mean over folds."""
        return sum(values) / len(self.rows)


@dataclass(frozen=True)
class Scorer:
    """One scorer on all folds: its value in each, and the component of every row."""

    folds: tuple[float, ...]
    components: tuple[Array, ...]

    @property
    def value(self) -> float:
        """The mean over folds."""
        return sum(self.folds) / len(self.folds)


def split(held: HeldOut, metric: str) -> Folds:
    """The rows of each fold, in order of the folds' numbers."""
    target = np.asarray(held.labels if held.target is None else held.target, dtype=np.float64)
    found = []
    for k in sorted({int(f) for f in held.folds}):
        index = np.flatnonzero(np.asarray(held.folds) == k)
        found.append(Rows(index, target[index], tuple(held.groups[i] for i in index)))
    return Folds(tuple(found), METRICS[metric], held.repeats)


def one_class(held: HeldOut, name: str) -> Folds:
    """The same rows with one class against the rest."""
    target = np.asarray(held.target if held.target is not None else held.labels)
    mine = target == held.classes.index(name)
    return split(replace(held, labels=mine, target=None), "auroc")


def cell(held: HeldOut, i: int, j: int) -> Array:
    """The held-out scores of one cell: [n], or [C, n] of several classes."""
    if held.by_class:
        return np.stack([held.by_class[name][i, j] for name in held.classes]).astype(np.float64)
    return np.asarray(held.cells[i, j], dtype=np.float64)


def can_be_judged(held: HeldOut, metric: str, scores: Floats) -> bool:
    """Whether scores are there, and as many for each row as the metric reads."""
    wide = (len(held.classes),) if held.classes and metric in ("macro_auroc", "accuracy") else ()
    return scores.shape == (*wide, len(held.folds)) and not np.isnan(scores).any()


def score(folds: Folds, scores: Floats) -> Scorer:
    """Judges every fold by itself."""
    own = np.asarray(scores, dtype=np.float64)
    found = [folds.metric.judge(rows, own[..., rows.index]) for rows in folds.rows]
    return Scorer(tuple(value for value, _ in found), tuple(components for _, components in found))


def variance(folds: Folds, components: tuple[Array, ...]) -> float:
    """Variance of the mean over folds, or of a difference of two, from components."""
    if any(np.isnan(own).any() for own in components):
        return NAN
    parts = [folds.metric.variance(rows, own) for rows, own in zip(folds.rows, components, strict=True)]
    return folds.mean(parts) * folds.inflation()


def at_end(folds: Folds, scorer: Scorer) -> bool:
    """Whether a fold stands at an end of the range."""
    return any(value in (folds.metric.low, folds.metric.high) for value in scorer.folds)


def bounds(folds: Folds, scorer: Scorer, level: float, chance: float | None = None) -> Bounded:
    """The interval of a mean, and its p-value against chance."""
    a, metric = scorer.value, folds.metric
    if at_end(folds, scorer):
        return _at_end(folds, a, level, chance)
    spread = variance(folds, scorer.components)
    if not spread > 0:
        return Bounded(a, NAN, NAN)
    middle, error = _to(metric, a), math.sqrt(spread) * _slope(metric, a)
    part = max(0.5, 2 * math.sqrt(a * (1 - a))) if metric.placed else 1.0
    shorter = math.sqrt(folds.inflation(part) / folds.inflation())
    reach = NormalDist().inv_cdf(0.5 + level / 2) * error * shorter
    p = NAN if chance is None else NormalDist().cdf((_to(metric, chance) - middle) / error)
    return Bounded(a, _back(metric, middle - reach), _back(metric, middle + reach), p)


def _to(metric: Metric, value: float) -> float:
    if metric.scale == "logit":
        return -math.inf if value <= 0 else math.inf if value >= 1 else math.log(value / (1 - value))
    return math.atanh(value) if metric.scale == "fisher" else value


def _slope(metric: Metric, value: float) -> float:
    """How much faster than the value it moves on its scale."""
    if metric.scale == "logit":
        return 1 / (value * (1 - value))
    return 1 / (1 - value * value) if metric.scale == "fisher" else 1.0


def _back(metric: Metric, value: float) -> float:
    if metric.scale == "logit":
        return (1 + math.tanh(value / 2)) / 2
    return math.tanh(value) if metric.scale == "fisher" else value


def _at_end(folds: Folds, a: float, level: float, chance: float | None) -> Bounded:
    """A one-sided bound, as for a share of as many trials as the folds hold groups (of their smaller class)."""
    if folds.metric.trials is None:
        return Bounded(a, NAN, NAN)
    trials = folds.mean([float(folds.metric.trials(rows)) for rows in folds.rows]) / folds.inflation()
    wins = a * trials
    p = NAN if chance is None else beta(chance, wins, trials - wins + 1) if wins > 0 else 1.0
    if a >= 0.5:
        return Bounded(a, quantile(1 - level, wins, trials - wins + 1), 1.0, p)
    return Bounded(a, 0.0, quantile(level, wins + 1, trials - wins), p)


def difference(folds: Folds, a: Scorer, b: Scorer, level: float) -> Bounded:
    """The paired difference `a` minus `b` on its own scale; no bounds where it does not vary or a fold is at an end."""
    gap = a.value - b.value
    if at_end(folds, a) or at_end(folds, b):
        return Bounded(gap, NAN, NAN)
    spread = variance(folds, tuple(x - y for x, y in zip(a.components, b.components, strict=True)))
    if not spread > 0:
        return Bounded(gap, NAN, NAN)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(spread)
    widest = folds.metric.high - folds.metric.low
    return Bounded(gap, max(-widest, gap - reach), min(widest, gap + reach))
