"""The probes of a cell with fewer rows than about twice its features, all from one Gram matrix; it knows no report.

Folds, penalties and relabellings share the products K of the standard features; each training set is a block of it.
Work is done in single precision and judged by a bound of the objective's excess; what does not pass is solved again in
double precision. Threads of the linear algebra are the caller's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.direct import refine, solve_directly
from layergrid.probes.dual import TOLERANCE, Duals, excess, solve_path
from layergrid.probes.lockstep import solve_many
from layergrid.probes.scaling import Scaling
from layergrid.probes.solving import Array, Direction, Solution, Task

_TOGETHER = 256  # labellings solved in lockstep
_SINGLE = 1e4  # condition of a ridge system up to which single precision serves
_SHARP = 1e4  # diagonal of K over the ridge from which its rounding to single precision shows


class GramSolver:
    """The solver of cells with many features, in as many unknowns as training rows; memory 4 n (n + d) bytes and more.

    A training set of one class has no finite intercept: its scores are NaN, and it is not converged.
    """

    def __init__(self, features: Floats) -> None:
        self._features = np.asarray(features)
        if self._features.dtype != np.float32:
            self._features = self._features.astype(np.float64, copy=False)
        self._scaling = Scaling.of(self._features)
        self._z = self._scaling.standard(self._features, np.float32)
        self._kernel: Floats = self._z @ self._z.T

    @cached_property
    def _sharp(self) -> Floats:
        """The Gram matrix in double precision, made when first it is needed."""
        z = self._scaling.standard(self._features, np.float64)
        found: Floats = z @ z.T
        return found

    # ---------------------------------------------------------------- logistic

    def paths(self, tasks: Sequence[Task], penalties: Sequence[float]) -> list[Solution]:
        """Logistic probes of every task at every penalty, in any order; no task depends on another."""
        order = np.unique(1 / np.asarray(penalties, dtype=np.float64), return_inverse=True)
        return [self._path(task, *order) for task in tasks]

    def _path(self, task: Task, inverse: Array, order: Ints) -> Solution:
        sign = _signs(task.y[task.train])
        if abs(sign.sum()) == len(sign):
            return _nothing(len(order), len(task.test))
        costs = inverse / len(task.train)
        duals, scores, converged = self._solved(task, sign, costs)
        return Solution(scores[order], converged[order], duals.steps[order])

    def _solved(self, task: Task, sign: Floats, costs: Array) -> tuple[Duals, Floats, Bools]:
        """Probes of one task for increasing costs, scores of its test rows, and which are good."""
        block = _block(self._kernel, task.train, task.train)
        duals = solve_path(block, sign, costs.tolist())
        excesses = _judged(block, sign, duals, costs)
        scores: Floats = duals.a @ _block(self._kernel, task.test, task.train).T + duals.b[:, None].astype(np.float32)
        bad = np.flatnonzero(~(excesses <= TOLERANCE))
        if len(bad):
            duals, scores, excesses = self._refined(task, sign, costs, bad, (duals, scores, excesses))
            bad = np.flatnonzero(~(excesses <= TOLERANCE))
        if len(bad):
            duals, scores, excesses = self._again(task, sign, costs, bad, (duals, scores, excesses))
        return duals, scores.astype(np.float32, copy=False), excesses <= TOLERANCE

    def _refined(
        self, task: Task, sign: Floats, costs: Array, bad: Ints, before: tuple[Duals, Floats, Array]
    ) -> tuple[Duals, Floats, Array]:
        """What single precision brought near, by residuals in double precision; what was good stays as it is."""
        block, outside = _block(self._kernel, task.train, task.train), _block(self._kernel, task.test, task.train)
        duals, scores, excesses = before
        a, b, steps = duals.a.astype(np.float64), duals.b.astype(np.float64), duals.steps.copy()
        for r in bad:
            a[r], b[r], taken = refine(block, sign, float(costs[r]), a[r], float(b[r]))
            steps[r] += taken
            f = block.astype(np.float64) @ a[r] + b[r]
            excesses[r] = excess(f[None], sign, a[r][None], b[r : r + 1], costs[r : r + 1], block.diagonal())[0]
            scores[r] = outside.astype(np.float64) @ a[r] + b[r]
        return Duals(a, b, steps), scores, excesses

    def _again(
        self, task: Task, sign: Floats, costs: Array, bad: Ints, before: tuple[Duals, Floats, Array]
    ) -> tuple[Duals, Floats, Array]:
        """What single precision did not solve, in double precision; what was good stays as it is."""
        block = _block(self._sharp, task.train, task.train)
        exact = solve_directly(block, sign, costs[bad].tolist())
        duals, scores, excesses = before
        a, b, steps = duals.a.astype(np.float64), duals.b.astype(np.float64), duals.steps.copy()
        a[bad], b[bad], steps[bad] = exact.a, exact.b, steps[bad] + exact.steps
        scores[bad] = exact.a @ _block(self._sharp, task.test, task.train).T + exact.b[:, None]
        excesses[bad] = _judged(block, sign.astype(np.float64), exact, costs[bad])
        return Duals(a, b, steps), scores, excesses

    def relabelled(self, train: Ints, test: Ints, y: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Logistic probes of many labellings `y` [B, n] at once: scores float32 [B, t], converged [B]."""
        signs, cost = _signs(y[:, train]), 1 / (len(train) * penalty)
        both = np.abs(signs.sum(axis=1)) < len(train)
        scores = np.full((len(y), len(test)), np.nan, dtype=np.float32)
        converged = np.zeros(len(y), dtype=bool)
        block, outside = _block(self._kernel, train, train), _block(self._kernel, test, train)
        for start in range(0, len(y), _TOGETHER):
            rows = np.flatnonzero(both[start : start + _TOGETHER]) + start
            duals = solve_many(block, signs[rows], cost)
            scores[rows] = duals.a @ outside.T + duals.b[:, None]
            converged[rows] = _judged(block, signs[rows], duals, np.full(len(rows), cost)) <= TOLERANCE
        for row in np.flatnonzero(both & ~converged):
            task = Task(train, test, y[row])
            _, one, good = self._solved(task, signs[row], np.array([cost]))
            scores[row], converged[row] = one[0], good[0]
        return scores, converged

    # ---------------------------------------------------------------- ridge

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """The matrix float32 [t, m] that makes ridge predictions of the test rows from any training targets [m].

        Kernel ridge on the block centred over the training rows, so that the intercept is free and rows sum to 1.
        """
        ridge = len(train) * penalty
        kernel = self._enough(ridge)
        inside, outside = _centred(_block(kernel, train, train), _block(kernel, test, train))
        found = _ridge(inside, outside, ridge)
        found -= found.mean(axis=1, keepdims=True) - 1 / len(train)
        return found.astype(np.float32, copy=False)

    def _enough(self, ridge: float) -> Floats:
        """The Gram matrix in the precision that a ridge asks for."""
        return self._sharp if float(self._kernel.diagonal().max()) > _SHARP * ridge else self._kernel

    # ---------------------------------------------------------------- weights

    def direction(self, train: Ints, y: Floats, penalty: float, probe: str) -> Direction:
        """One `probe` (logistic, ridge, mean_difference) of targets `y` [n], in units of the features as given."""
        if probe == "logistic":
            return self._logistic(train, np.asarray(y, dtype=bool), penalty)
        targets = np.asarray(y, dtype=np.float64)[train]
        deviations = targets - targets.mean()
        if probe == "ridge":
            ridge = len(train) * penalty
            inside, _ = _centred(_block(self._enough(ridge), train, train).astype(np.float64, copy=False), None)
            a = _ridge(inside, deviations[None], ridge)[0]
            a -= a.mean()
            level, weights = float(targets.mean()), self._weights(train, a)
            level -= float(self._weights(train, np.full(len(train), 1 / len(train))) @ weights)
        else:
            high, low = (self._weights(train, (targets == side) / np.sum(targets == side)) for side in (1, 0))
            weights, level = high - low, -float((high - low) @ (high + low)) / 2
        outward, change = self._scaling.outward(weights)
        return Direction(outward, level + change)

    def _logistic(self, train: Ints, y: Bools, penalty: float) -> Direction:
        sign = _signs(y[train])
        if abs(sign.sum()) == len(sign):
            return Direction(np.full(self._z.shape[1], np.nan), float("nan"), False)
        none = np.empty(0, dtype=np.int64)
        duals, _, converged = self._solved(Task(train, none, y), sign, np.array([1 / (len(train) * penalty)]))
        outward, change = self._scaling.outward(self._weights(train, duals.a[0]))
        return Direction(outward, float(duals.b[0]) + change, bool(converged[0]))

    def _weights(self, train: Ints, a: Floats) -> Array:
        """The sum [d] of the standard training rows, `a` [m] of each."""
        total = np.zeros(self._z.shape[1])
        for start in range(0, len(train), 256):
            rows = train[start : start + 256]
            part = a[start : start + 256].astype(np.float64) @ self._z[rows].astype(np.float64)
            total += part
        return total


def _signs(y: Bools) -> Floats:
    return np.where(y, np.float32(1), np.float32(-1))


def _block(kernel: Floats, rows: Ints, columns: Ints) -> Floats:
    return kernel.take(rows, axis=0).take(columns, axis=1)


def _nothing(penalties: int, rows: int) -> Solution:
    scores = np.full((penalties, rows), np.nan, dtype=np.float32)
    return Solution(scores, np.zeros(penalties, dtype=bool), np.zeros(penalties, dtype=np.int64))


def _judged(block: Floats, sign: Floats, duals: Duals, costs: Array) -> Array:
    """The excess of each probe's objective, from products made afresh."""
    f = duals.a @ block + duals.b[:, None].astype(block.dtype)
    return excess(f, sign, duals.a, duals.b, costs, block.diagonal())


def _centred(inside: Floats, outside: Floats | None) -> tuple[Floats, Floats]:
    """Blocks [m, m] and [t, m] of products with the mean of the training rows taken away, in their place."""
    outside = inside[:0] if outside is None else outside
    means = inside.mean(axis=0, dtype=np.float64).astype(inside.dtype)
    outside -= outside.mean(axis=1, keepdims=True, dtype=np.float64).astype(inside.dtype)
    inside -= means[:, None]
    for block in (inside, outside):
        block -= means
        block += means.mean()
    return inside, outside


def _ridge(inside: Floats, rows: Floats, ridge: float) -> Floats:
    """`rows` [t, m] times the inverse of K + ridge I, in single precision where that serves."""
    from scipy.linalg import cho_factor, cho_solve

    largest = float(np.abs(inside).sum(axis=1).max())  # bounds the largest eigenvalue
    if inside.dtype == np.float32 and largest > _SINGLE * ridge:
        inside, rows = inside.astype(np.float64), rows.astype(np.float64)
    inside.flat[:: len(inside) + 1] += ridge
    factor = cho_factor(inside.T, lower=True, overwrite_a=True, check_finite=False)
    found: Floats = cho_solve(factor, rows.T, overwrite_b=True, check_finite=False).T
    return found
