"""The probe of a source's training rows: scaled by them, everything chosen among them; it knows no target.

Of the rows outside of a fold each of the other folds is held out in turn, for every penalty at every cell; the highest
mean AUROC decides, and the probe of that cell and penalty is fitted on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Floats, Ints
from layergrid.probes.preparing import prepare
from layergrid.probes.scoring import Fitter
from layergrid.probes.solving import Array, Direction
from layergrid.stats import AUROC

SPAWN_WORK = 2e10  # floating point operations below which starting processes costs more than it saves


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


@dataclass(frozen=True)
class Job:
    """What the probe of one source and fold is made from."""

    values: Floats  # [L, P, N, D] of the source
    cells: tuple[tuple[int, int], ...]  # (layer, position) to choose from
    rows: Ints  # int [m]: examples to train on
    labels: Bools  # bool [m]
    folds: Ints  # int [m]: which of them are held out together, to choose by
    penalties: tuple[float, ...]

    def features(self, cell: int) -> Floats:
        """The states [m, D] at one of the cells."""
        layer, position = self.cells[cell]
        return np.asarray(self.values[layer, position][self.rows])


def fitted(jobs: Sequence[Job]) -> Iterator[Probe | Failed]:
    """`trained` for each job, in order; by a process a core where there is much to do, which changes no number."""
    import joblib

    work = sum(len(job.cells) * 25 * len(job.penalties) * len(job.rows) * min(len(job.rows), _width(job)) ** 2
               for job in jobs)  # fmt: skip
    workers = min(joblib.cpu_count(), len(jobs)) if work > SPAWN_WORK else 1
    if workers <= 1:
        yield from map(trained, jobs)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2*n_jobs")
        yield from parallel(joblib.delayed(trained)(job) for job in jobs)


def _width(job: Job) -> int:
    return int(job.values.shape[-1])


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS thread, so that sums have one order."""
    import scipy.linalg  # noqa: F401 - its BLAS must be loaded before its threads can be pinned
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def trained(job: Job) -> Probe | Failed:
    """The probe of one source and fold. Of equal cells the first is chosen, of equal penalties the strongest."""
    best: tuple[float, int, float] | None = None
    lost, why = 0, (CellStatus.CONSTANT.value, "the values are the same in all training examples")
    with one_thread():
        for cell in range(len(job.cells)):
            x = job.features(cell)
            if not np.isfinite(x).all():
                why = (CellStatus.NOT_FINITE.value, "some training examples have NaN or infinite values")
                continue
            if not np.ptp(x, axis=0).any():
                continue
            values, failed = _inner(x, job.labels, job.folds, job.penalties)
            lost += failed
            eligible = [r for r in range(len(job.penalties)) if not np.isnan(values[r])]
            if not eligible:
                why = (CellStatus.NOT_CONVERGED.value, f"fits that did not reach the tolerance: {lost}")
                continue
            r = max(eligible, key=lambda r: (values[r], job.penalties[r]))
            if best is None or values[r] > best[0]:
                best = float(values[r]), cell, job.penalties[r]
        if best is None:
            return Failed(*why, lost)
        value, cell, penalty = best
        every, y = np.arange(len(job.rows)), job.labels.astype(np.float64)
        direction = prepare(job.features(cell)).direction(every, y, penalty, "logistic")
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
