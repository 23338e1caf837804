"""The cells' values, the nested best (of all cells, of each position, of layer 0) and the baselines; it fits nothing.

selection.py chooses and stats judges; here their answers are put into the words of the waist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import (
    Baseline,
    Bools,
    CellStatus,
    Estimate,
    Floats,
    Grid,
    Ints,
    Permutation,
    Selection,
    Winner,
)
from layergrid.probes import CellFit
from layergrid.selection import NOTHING_VARIES, CellValues, as_estimate, choose, compose
from layergrid.stats import Split, difference_interval, evaluate, mean_interval
from layergrid.stats.base import Array
from layergrid.stats.many import critical, max_statistic, standardised
from layergrid.stats.power import detectable

POWER = 0.8


def stacked(fits: Sequence[CellFit], classes: int) -> Floats:
    """Held-out scores of all cells: float32 [cells, m], or [cells, C, m] of C classes."""
    whole = np.stack([fit.scores for fit in fits])
    return whole if classes else whole[:, 0]


def outcomes(fits: Sequence[CellFit], values: CellValues) -> list[tuple[str, str]]:
    """Status and reason of each cell."""
    found = []
    for c, fit in enumerate(fits):
        if values.constant[c]:
            found.append((CellStatus.CONSTANT.value, NOTHING_VARIES))
        elif values.boundary[c]:
            found.append((CellStatus.BOUNDARY.value, ""))
        else:
            found.append((fit.status, fit.reason))
    return found


# ---------------------------------------------------------------- the nested best


@dataclass(frozen=True)
class Nested:
    """A selection with the cells that it chose and its held-out scores."""

    selection: Selection | None
    scores: Floats  # float64 [m] or [C, m]; NaN where no cell could be chosen
    winners: Ints  # int [K]: cells, layer by layer; empty where there is none


def nested_best(grid: Grid, split: Split, fits: Sequence[CellFit], scores: Floats, among: Bools) -> Nested:
    """The nested best `among` some cells [cells], with each fold's winner."""
    eligible = grid.has_value.ravel() & among
    inner = np.stack([fit.inner for fit in fits])
    eligible &= ~np.isnan(inner).any(axis=1)
    if not eligible.any():
        return Nested(None, np.full(scores.shape[1:], np.nan), np.empty(0, dtype=np.int64))
    winners = choose(inner, eligible)
    found = compose(split, scores, winners)
    scored = evaluate(split, found)
    n = scores.shape[-1] // split.repeats
    estimate = as_estimate(mean_interval(split, scored, grid.level), grid.level, n)
    layers, positions = np.unravel_index(winners, grid.value.shape)
    rows = tuple(
        Winner(k, grid.layers[layers[k]], grid.positions[positions[k]], float(fits[c].penalties[k]), float(value))
        for k, (c, value) in enumerate(zip(winners, scored.values, strict=True))
    )
    return Nested(Selection(estimate, rows), found, winners)


def at_positions(grid: Grid, split: Split, fits: Sequence[CellFit], scores: Floats) -> list[Nested]:
    """The nested best of each position, its layer chosen inside the training folds."""
    column = np.broadcast_to(np.arange(len(grid.positions)), grid.value.shape).ravel()
    return [nested_best(grid, split, fits, scores, column == j) for j in range(len(grid.positions))]


# ---------------------------------------------------------------- the permutation test


def permutation(
    fits: Sequence[CellFit], tested: Bools, shape: tuple[int, int], split: Split, level: float, how: str, fixed: int
) -> tuple[Permutation, Array]:
    """The max-statistic test over the `tested` cells [cells], and their adjusted p-values [cells]."""
    count = max(len(fit.null) for fit in fits)
    null = np.full((len(fits), count), np.nan)
    for c in map(int, np.flatnonzero(tested)):
        null[c] = fits[c].null
    t = standardised(null)
    p, maxima = max_statistic(t)
    found = Permutation(
        statistic=how,
        observed=t[:, 0].reshape(shape),
        maxima=maxima,
        detectable=detectable(split, critical(maxima, 1 - level), POWER, _spread(null)),
        power=POWER,
        fixed=fixed,
    )
    return found, p


def _spread(null: Floats) -> float | None:
    """The standard deviation over relabellings of the cell in the middle."""
    tested = ~np.isnan(null).any(axis=1)
    return float(np.median(null[tested].std(axis=1))) if tested.any() else None


# ---------------------------------------------------------------- baselines


def beside_nested(
    name: str, label: str, found: Floats | str, split: Split, nested: Floats, level: float, sees: str
) -> Baseline:
    """A baseline's estimate, and the paired difference of the nested best from it."""
    if isinstance(found, str):
        return Baseline(name, label, None, None, found, sees)
    scored = evaluate(split, found)
    interval = mean_interval(split, scored, level)
    n = found.shape[-1] // split.repeats
    if np.isnan(interval.low):
        return Baseline(name, label, None, None, NOTHING_VARIES, sees)
    return Baseline(name, label, as_estimate(interval, level, n), difference(split, nested, found, level), sees=sees)


def difference(split: Split, one: Floats, other: Floats, level: float) -> Estimate | None:
    """The paired difference `one` minus `other` of two sets of scores; None where either has none."""
    if np.isnan(one).any() or np.isnan(other).any():
        return None
    paired = difference_interval(split, evaluate(split, one), evaluate(split, other), level)
    return as_estimate(paired, level, one.shape[-1] // split.repeats)
