"""The probe of a source's training rows: scaled by them, everything chosen among them; it knows no target.

Of the rows outside of a fold each of the other folds is held out in turn, for every penalty at every cell; the highest
mean AUROC decides, and the probe of that cell and penalty is fitted on all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Floats, Ints
from layergrid.probes.preparing import prepare
from layergrid.probes.scoring import Fitter
from layergrid.probes.solving import Array, Direction
from layergrid.stats import AUROC

Reader = Callable[[int, Ints], Floats]  # cell, rows -> states [m, D]


@dataclass(frozen=True)
class Probe:
    """What a source's training rows gave."""

    cell: int  # its place among the cells
    penalty: float
    value: float  # mean AUROC over the inner folds
    direction: Direction  # in units of the states as they are
    unconverged: int = 0  # fits that did not reach the tolerance


@dataclass(frozen=True)
class Failed:
    """Why there is no probe."""

    status: str
    reason: str
    unconverged: int = 0


def trained(
    read: Reader, cells: int, rows: Ints, labels: Bools, folds: Ints, penalties: tuple[float, ...]
) -> Probe | Failed:
    """The probe of the training rows `rows` [m] of a source with n rows; `labels` and `folds` are [n].

    Of equal cells the first is chosen, of equal penalties the strongest. One BLAS thread, so that sums have one order.
    """
    import scipy.linalg  # noqa: F401 - its BLAS must be loaded before its threads can be pinned
    from threadpoolctl import threadpool_limits

    best: tuple[float, int, float] | None = None
    lost, why = 0, (CellStatus.CONSTANT.value, "the values are the same in all training examples")
    with threadpool_limits(limits=1, user_api="blas"):
        for cell in range(cells):
            x = read(cell, rows)
            if not np.isfinite(x).all():
                why = (CellStatus.NOT_FINITE.value, "some training examples have NaN or infinite values")
                continue
            if not np.ptp(x, axis=0).any():
                continue
            values, failed = _inner(x, labels[rows], folds[rows], penalties)
            lost += failed
            eligible = [r for r in range(len(penalties)) if not np.isnan(values[r])]
            if not eligible:
                why = (CellStatus.NOT_CONVERGED.value, f"fits that did not reach the tolerance: {lost}")
                continue
            r = max(eligible, key=lambda r: (values[r], penalties[r]))
            if best is None or values[r] > best[0]:
                best = float(values[r]), cell, penalties[r]
        if best is None:
            return Failed(*why, lost)
        value, cell, penalty = best
        x = read(cell, rows)
        direction = prepare(x).direction(np.arange(len(rows)), labels[rows].astype(np.float64), penalty, "logistic")
    if not direction.converged:
        return Failed(CellStatus.NOT_CONVERGED.value, f"fits that did not reach the tolerance: {lost + 1}", lost + 1)
    return Probe(cell, penalty, value, direction, lost)


def _inner(x: Floats, y: Bools, folds: Ints, penalties: tuple[float, ...]) -> tuple[Array, int]:
    """Mean AUROC [R] over the inner folds, NaN where a fit did not converge, and how many did not."""
    parts = np.unique(folds)
    jobs = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in parts]
    values, failed = np.zeros(len(penalties)), 0
    found = Fitter(x, prepare(x), y[None], "logistic").scores(jobs, penalties)
    for (_, test), (scores, converged) in zip(jobs, found, strict=True):
        failed += int(np.count_nonzero(~converged))
        own = [AUROC.value(y[test], one[0]) if good else np.nan for one, good in zip(scores, converged, strict=True)]
        values += own
    return np.round(values / len(parts), 12), failed  # equal means must not differ by their rounding


def scored(probe: Probe, x: Floats) -> Floats:
    """Log-odds float32 [m] of states [m, D] by a probe, scaled as its own training rows were; NaN where none are."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = x.astype(np.float64) @ probe.direction.weights + probe.direction.intercept
    return np.where(np.isfinite(x).all(axis=1), found, np.nan).astype(np.float32)
