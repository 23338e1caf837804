"""Probes of all folds and penalties of a cell, and of all cells; it knows rows and classes, never a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Floats, Ints
from layergrid.probes.newton import MAX_STEPS, TOLERANCE, Array, fit_path
from layergrid.stats import auroc

_SPAWN_WORK = 2e10  # floating point operations below which starting worker processes costs more than it saves


@dataclass(frozen=True)
class Plan:
    """What every cell of a grid shares: the rows' classes and folds, the penalties, the solver's limits."""

    labels: Bools  # bool [n]
    folds: Ints  # int [n], 0 to K - 1
    penalties: tuple[float, ...]  # R
    tolerance: float = TOLERANCE
    max_steps: int = MAX_STEPS

    @property
    def k(self) -> int:
        """The number of folds."""
        return int(self.folds.max()) + 1


@dataclass(frozen=True)
class CellFit:
    """The held-out scores of one cell, its penalty chosen inside each training fold."""

    status: str  # ok, constant, not_finite or not_converged
    reason: str  # why there are no scores
    scores: Floats  # float32 [n]; NaN where the status is not ok
    penalties: Array  # [K]: chosen inside the training folds of fold k
    inner: Array  # [K]: the inner AUROC of that penalty, by which cells are compared in fold k
    unconverged: int = 0  # fits that did not reach the tolerance; their penalties were not eligible


def fit_cell(features: Floats, plan: Plan) -> CellFit:
    """Held-out scores of one cell's features [n, d].

    For the outer fold k, each penalty is scored on every other fold j by a probe that saw neither k nor j; the same
    probe, with the two folds exchanged, serves the outer fold j. A penalty with a fit that did not converge is not
    eligible in the folds it concerns; without any eligible penalty, or where the outer fit itself does not converge,
    the cell has no value. Between equal inner AUROCs the stronger penalty wins. One BLAS thread is used, so that sums
    are made in the same order whatever calls this.
    """
    import scipy.linalg  # noqa: F401 - its BLAS must be loaded before its threads can be pinned
    from threadpoolctl import threadpool_limits

    x = np.asarray(features, dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(x).all(axis=1)))
    if bad:
        return no_fit(plan, CellStatus.NOT_FINITE, f"{bad} of {len(x)} examples have NaN or infinite values")
    if not np.ptp(x, axis=0).any():
        return no_fit(plan, CellStatus.CONSTANT, "the values are the same in all examples")
    with threadpool_limits(limits=1, user_api="blas"):
        inner, failed = _inner_aurocs(x, plan)
        return _outer(x, plan, inner, failed)


def _outer(x: Array, plan: Plan, inner: Array, failed: int) -> CellFit:
    scores = np.full(len(x), np.nan, dtype=np.float32)
    chosen, best = np.full(plan.k, np.nan), np.full(plan.k, np.nan)
    for k in range(plan.k):
        r = _strongest_best(inner[k], plan.penalties)
        out = plan.folds == k
        path = None
        if r is not None:
            path = fit_path(x[~out], plan.labels[~out], plan.penalties[r : r + 1], plan.tolerance, plan.max_steps)
            failed += int(not path.converged[0])
        if r is None or path is None or not path.converged[0]:
            reason = f"fits that did not reach the tolerance in {plan.max_steps} Newton steps: {failed}"
            return no_fit(plan, CellStatus.NOT_CONVERGED, reason, failed)
        scores[out] = path.scores(x[out])[0]
        chosen[k], best[k] = plan.penalties[r], inner[k, r]
    return CellFit(CellStatus.OK.value, "", scores, chosen, best, failed)


def _inner_aurocs(x: Array, plan: Plan) -> tuple[Array, int]:
    """Mean inner AUROC [K, R] of each outer fold and penalty, NaN where a fit did not converge, and how many did not.

    Scores pass through float32, as the saved ones do, so that ties are the same everywhere.
    """
    found = np.zeros((plan.k, plan.k, len(plan.penalties)))
    failed = 0
    for a, b in combinations(range(plan.k), 2):
        train = (plan.folds != a) & (plan.folds != b)
        path = fit_path(x[train], plan.labels[train], plan.penalties, plan.tolerance, plan.max_steps)
        failed += int(np.count_nonzero(~path.converged))
        for outer, inner in ((a, b), (b, a)):
            rows = plan.folds == inner
            scores = path.scores(x[rows]).astype(np.float32)
            values = np.array([auroc(plan.labels[rows], s) for s in scores])
            found[outer, inner] = np.where(path.converged, values, np.nan)
    return np.round(found.sum(axis=1) / (plan.k - 1), 12), failed  # equal means must not differ by their rounding


def _strongest_best(inner: Array, penalties: Sequence[float]) -> int | None:
    """The penalty of the highest inner AUROC; the stronger of equals; None where none is eligible."""
    eligible = [r for r in range(len(penalties)) if not np.isnan(inner[r])]
    return max(eligible, key=lambda r: (inner[r], penalties[r]), default=None)


def no_fit(plan: Plan, status: CellStatus, reason: str, unconverged: int = 0) -> CellFit:
    """A cell without scores, and why."""
    nothing = np.full(plan.k, np.nan)
    return CellFit(
        status.value, reason, np.full(len(plan.labels), np.nan, dtype=np.float32), nothing, nothing, unconverged
    )


# ---------------------------------------------------------------- all cells


def fit_cells(
    values: Floats,
    cells: Sequence[tuple[int, int]],
    rows: Ints,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> list[CellFit]:
    """`fit_cell` for the cells (l, p) of activations `values` [L, P, N, D] at the rows of the plan, in their order.

    `workers` processes with one BLAS thread each (default: one per core, and none at all for small work); the result
    does not depend on their number. Memory-mapped activations are read by the workers themselves.
    """
    import joblib

    if workers is None:
        workers = joblib.cpu_count() if _work(len(cells), len(rows), values.shape[-1], plan) > _SPAWN_WORK else 1
    fits = []
    for fit in _mapped(values, cells, rows, plan, min(workers, max(1, len(cells)))):
        fits.append(fit)
        if progress is not None:
            progress(len(fits), len(cells))
    return fits


def _mapped(
    values: Floats, cells: Sequence[tuple[int, int]], rows: Ints, plan: Plan, workers: int
) -> Iterator[CellFit]:
    import joblib

    if workers == 1:
        for layer, position in cells:
            yield _fit_one(values, layer, position, rows, plan)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="4*n_jobs")
        yield from parallel(joblib.delayed(_fit_one)(values, layer, p, rows, plan) for layer, p in cells)


def _fit_one(values: Floats, layer: int, position: int, rows: Ints, plan: Plan) -> CellFit:
    return fit_cell(values[layer, position][rows], plan)


def _work(cells: int, n: int, d: int, plan: Plan) -> float:
    """A rough count of floating point operations: five Newton steps a fit."""
    fits = plan.k * (plan.k - 1) / 2 * len(plan.penalties) + plan.k
    return cells * fits * 5 * n * min(n, d) ** 2
