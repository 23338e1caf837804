"""Logistic probes over folds and penalties, solved to a stated tolerance; it knows rows and classes, never a report.

A probe minimises (1/n) sum of log-losses + penalty / 2 |w|^2 on features standardised by its own training rows, the
intercept free (glmnet's convention; scikit-learn's C is 1 / (n penalty)). The solver is Newton's method with a Cholesky
factor, warm-started along the penalties from strong to weak. Where the width exceeds the rows, the features are first
rotated onto the span of the training rows, which changes neither losses nor penalties.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Bools, CellStatus, Floats, Ints
from layergrid.stats import auroc

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-8  # largest entry of the gradient of the penalised mean loss, on standardised features
MAX_STEPS = 100
_EXACT = 1e-10  # predicted decrease of the loss below which rounding hides progress: take the whole Newton step
_SPAWN_WORK = 2e10  # floating point operations below which starting worker processes costs more than it saves


# ---------------------------------------------------------------- folds


def canonical_order(contents: Sequence[bytes], names: Sequence[str], seed: int) -> Ints:
    """Row numbers sorted by a digest of the seed and each row's content, so that their order in the file is forgotten.

    Rows of equal content are sorted by name. Folds are to be assigned, and sums to be made, in this order.
    """
    salt = f"layergrid folds {seed}:".encode()
    keys = [(hashlib.sha256(salt + content).digest(), name) for content, name in zip(contents, names, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def group_codes(groups: Sequence[str]) -> Ints:
    """Groups numbered as they first appear, int [n], so that their names are forgotten."""
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(g, len(codes)) for g in groups], dtype=np.int64)


def assign_folds(labels: Bools, groups: Ints, folds: int, seed: int) -> Ints:
    """The fold in which each row is held out, int [n], 0 to `folds` - 1: groups whole, classes balanced.

    scikit-learn's StratifiedGroupKFold, shuffled with the seed, on rows in canonical order and groups by their codes.
    Raises ValueError where there are fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    found = np.empty(len(labels), dtype=np.int64)
    for k, (_, rows) in enumerate(splitter.split(groups[:, None], labels, groups)):
        found[rows] = k
    return found


# ---------------------------------------------------------------- one training set


@dataclass(frozen=True)
class Path:
    """The probes of one training set, one per penalty, in units of the features as given."""

    weights: Array  # [R, d]
    intercepts: Array  # [R]
    converged: Bools  # [R]: the gradient reached the tolerance
    steps: Ints  # [R]: Newton steps taken

    def scores(self, x: Array) -> Array:
        """Log-odds of the positive class [R, m] for rows `x` [m, d]."""
        scores: Array = self.weights @ x.T + self.intercepts[:, None]
        return scores


def fit_path(
    x: Array, y: Bools, penalties: Sequence[float], tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> Path:
    """Probes of rows `x` [n, d] and classes `y` [n] for each penalty, in the order given; features may be constant.

    Raises ValueError where a class is absent, where no finite intercept exists.
    """
    if y.all() or not y.any():
        raise ValueError("a probe needs training rows of both classes")
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[np.ptp(x, axis=0) == 0] = np.inf  # a constant feature takes no weight, whatever rounding leaves of it
    z = (x - mean) / scale
    basis = None
    if z.shape[1] > z.shape[0]:
        basis, triangle = np.linalg.qr(z.T)
        z = triangle.T
    solved = _newton_path(z, y, penalties, tolerance, max_steps)
    inner = solved.weights if basis is None else solved.weights @ basis.T
    weights = inner / scale
    return Path(weights, solved.intercepts - weights @ mean, solved.converged, solved.steps)


def _newton_path(z: Array, y: Bools, penalties: Sequence[float], tolerance: float, max_steps: int) -> Path:
    n, d = z.shape
    design = np.concatenate((z, np.ones((n, 1))), axis=1)
    sign = np.where(y, 1.0, -1.0)
    start = np.zeros(d + 1)
    start[d] = np.log(y.sum() / (~y).sum())
    found = np.empty((len(penalties), d + 1))
    converged = np.zeros(len(penalties), dtype=bool)
    steps = np.zeros(len(penalties), dtype=np.int64)
    for r in np.argsort(-np.asarray(penalties, dtype=float), kind="stable"):
        ridge = np.full(d + 1, float(penalties[r]))
        ridge[d] = 0.0
        start, converged[r], steps[r] = _newton(design, sign, ridge, start, tolerance, max_steps)
        found[r] = start
    return Path(found[:, :d], found[:, d], converged, steps)


def _newton(
    design: Array, sign: Array, ridge: Array, start: Array, tolerance: float, max_steps: int
) -> tuple[Array, bool, int]:
    """Newton's method with halved steps: coefficients [d + 1], whether the gradient is within tolerance, steps."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve
    from scipy.special import expit

    n = len(sign)
    w, margins = start, sign * (design @ start)
    for step in range(max_steps + 1):
        miss = expit(-margins)  # the probability of the class that the row does not have
        gradient = ridge * w - design.T @ (sign * miss) / n
        if np.abs(gradient).max() <= tolerance:
            return w, True, step
        if step == max_steps:
            break
        rooted = design * np.sqrt(miss * (1 - miss) / n)[:, None]
        hessian = rooted.T @ rooted
        hessian.flat[:: len(w) + 1] += ridge
        try:
            direction = -cho_solve(cho_factor(hessian, check_finite=False), gradient, check_finite=False)
        except LinAlgError:  # numerically singular: the caller reports it as not converged
            return w, False, step
        w, margins = _search(design, sign, ridge, w, margins, direction, float(gradient @ direction))
    return w, False, max_steps


def _search(
    design: Array, sign: Array, ridge: Array, w: Array, margins: Array, direction: Array, slope: float
) -> tuple[Array, Array]:
    """The first of the steps 1, 1/2, 1/4 ... that lowers the loss enough (Armijo), with its margins."""
    turn = sign * (design @ direction)
    size = 1.0
    if -slope > _EXACT:
        before = _loss(margins, ridge, w)
        while size > 1e-6 and _loss(margins + size * turn, ridge, w + size * direction) > before + 1e-4 * size * slope:
            size /= 2
    return w + size * direction, margins + size * turn


def _loss(margins: Array, ridge: Array, w: Array) -> float:
    return float(np.logaddexp(0, -margins).mean() + 0.5 * (ridge * w) @ w)


# ---------------------------------------------------------------- all folds of one cell


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
