"""Logistic probes of few features, solved by Newton's method with a Cholesky factor in double precision.

A probe minimises (1/n) sum of log-losses + penalty / 2 |w|^2 on features standardised by its own training rows, the
intercept free (glmnet's convention; scikit-learn's C is 1 / (n penalty)). The solver is Newton's method with a Cholesky
factor, warm-started along the penalties from strong to weak. Where the width exceeds the rows, the features are first
rotated onto the span of the training rows, which changes neither losses nor penalties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.solving import Array, Direction, Solution, Task

TOLERANCE = 1e-8  # largest entry of the gradient of the penalised mean loss, on standardised features
MAX_STEPS = 100
_EXACT = 1e-10  # predicted decrease of the loss below which rounding hides progress: take the whole Newton step


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
    return NewtonSolver(x, tolerance, max_steps).path(np.arange(len(x)), y, penalties)


class NewtonSolver:
    """The solver of cells with few features: exact, in double precision.

    Where the width exceeds the rows, the features are first rotated onto the span of the rows, which changes neither
    losses nor penalties.
    """

    def __init__(self, features: Floats, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS) -> None:
        x = np.asarray(features, dtype=np.float64)
        self.tolerance, self.max_steps = tolerance, max_steps
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0)
        self.scale[np.ptp(x, axis=0) == 0] = np.inf  # a constant feature takes no weight, whatever rounding leaves
        self.z = (x - self.mean) / self.scale
        self.basis: Array | None = None
        if self.z.shape[1] > self.z.shape[0]:
            self.basis, triangle = np.linalg.qr(self.z.T)
            self.z = triangle.T

    def _outward(self, inner: Array, intercepts: Array, converged: Bools, steps: Ints) -> Path:
        """Probes [R, d] of the standardised and rotated features in units of the features as given."""
        weights = (inner if self.basis is None else inner @ self.basis.T) / self.scale
        return Path(weights, intercepts - weights @ self.mean, converged, steps)

    def path(self, train: Ints, y: Bools, penalties: Sequence[float]) -> Path:
        """Logistic probes of the training rows, one a penalty."""
        return self._outward(*self._inner(train, y, penalties))

    def _inner(self, train: Ints, y: Bools, penalties: Sequence[float]) -> tuple[Array, Array, Bools, Ints]:
        labels = y[train]
        if labels.all() or not labels.any():
            raise ValueError("a probe needs training rows of both classes")
        found = _newton_path(self.z[train], labels, penalties, self.tolerance, self.max_steps)
        return found.weights, found.intercepts, found.converged, found.steps

    def paths(self, tasks: Sequence[Task], penalties: Sequence[float]) -> list[Solution]:
        """Logistic probes of every task at every penalty."""
        solved = []
        for task in tasks:
            weights, intercepts, converged, steps = self._inner(task.train, task.y, penalties)
            scores = weights @ self.z[task.test].T + intercepts[:, None]
            solved.append(Solution(scores.astype(np.float32), converged, steps))
        return solved

    def relabelled(self, train: Ints, test: Ints, y: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Logistic probes of many labellings `y` [B, n], one by one: scores float32 [B, t], converged [B]."""
        found = [self.paths([Task(train, test, one)], [penalty])[0] for one in y]
        return np.stack([one.scores[0] for one in found]), np.array([one.converged[0] for one in found])

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """Ridge predictions of the test rows are this matrix [t, m] times the training targets [m]."""
        from scipy.linalg import cho_factor, cho_solve

        m = len(train)
        mean = self.z[train].mean(axis=0)
        inside, outside = self.z[train] - mean, self.z[test] - mean
        gram = inside.T @ inside
        gram.flat[:: len(gram) + 1] += m * penalty
        found = outside @ cho_solve(cho_factor(gram), inside.T) + 1 / m
        return np.asarray(found, dtype=np.float32)

    def direction(self, train: Ints, y: Floats, penalty: float, probe: str) -> Direction:
        """One probe in units of the features as given."""
        from scipy.linalg import cho_factor, cho_solve

        if probe == "logistic":
            one = self.path(train, np.asarray(y, dtype=bool), [penalty])
            return Direction(one.weights[0], float(one.intercepts[0]), bool(one.converged[0]))
        targets = np.asarray(y, dtype=np.float64)[train]
        mean = self.z[train].mean(axis=0)
        inside = self.z[train] - mean
        pull = inside.T @ (targets - targets.mean()) / len(train)
        if probe == "ridge":
            gram = inside.T @ inside / len(train)
            gram.flat[:: len(gram) + 1] += penalty
            inner, level = cho_solve(cho_factor(gram), pull), float(targets.mean())
            level -= float(inner @ mean)
        else:
            high, low = (self.z[train][targets == side].mean(axis=0) for side in (1, 0))
            inner, level = high - low, -float((high - low) @ (high + low)) / 2
        found = self._outward(inner[None], np.array([level]), np.array([True]), np.array([0]))
        return Direction(found.weights[0], float(found.intercepts[0]))


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
