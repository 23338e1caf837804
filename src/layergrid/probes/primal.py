"""Probes of cells with many rows: Newton's method on the weights, no matrix of rows by rows, one copy of the features.

All training sets, penalties or labellings of a call share each pass over the features. It knows rows and targets,
never folds or grids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.descent import GAP, MAX_STEPS, Basis, Descent, Fitted, Logistic, Loss, Squared, basis
from layergrid.probes.products import Products, Real, together
from layergrid.probes.scaling import Scaling
from layergrid.probes.solving import Array, Direction, Solution, Task

_BLOCK = 512  # rows multiplied at a time
_SHARP = 1e4  # diagonal of the Gram matrix over the ridge from which single precision does not serve
_NARROW = 1024  # width up to which products of features are summed in float64
_ENTRIES = 2**21  # entries of a row-long vector of all fits that advance together


class PrimalSolver:
    """The probes of features [n, d], float16 to float64, an array or memory map; kept as float32, scaled and centred.

    A fit has converged where its objective is above the least by no more than `gap` of itself, by the gradient.
    Raises ValueError where features are not finite or all constant.
    """

    def __init__(self, features: npt.NDArray[Any], max_steps: int = MAX_STEPS, gap: float = GAP):
        self._scaling = Scaling.of(features)
        if not np.isfinite(self._scaling.mean).all():
            raise ValueError("features must be finite")
        if not self._scaling.inverse.any():
            raise ValueError("all features are constant")
        self._z = self._scaling.standard(features, np.float32)
        self._basis: Basis = basis(self._z)
        self._max_steps, self._gap = max_steps, gap
        self._products = Products(self._z, self._basis.directions)

    def paths(self, tasks: Sequence[Task], penalties: Sequence[float]) -> list[Solution]:
        """Logistic probes of every task at every penalty; ValueError where a class is absent."""
        losses = [_logistic(task.train, task.y) for task in tasks]
        found = []
        for task, fits in zip(tasks, self._solve(losses, penalties), strict=True):
            scores = np.stack([fit.margins[task.test] for fit in fits]).astype(np.float32)
            converged = np.array([fit.converged for fit in fits])
            found.append(Solution(scores, converged, np.array([fit.steps for fit in fits], dtype=np.int64)))
        return found

    def relabelled(self, train: Ints, test: Ints, y: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Logistic probes of many labellings `y` [B, n] at once: scores float32 [B, t], converged [B]."""
        scores = np.empty((len(y), len(test)), dtype=np.float32)
        converged = np.empty(len(y), dtype=bool)
        for b, fits in enumerate(self._solve([_logistic(train, labels) for labels in y], [penalty])):
            scores[b], converged[b] = fits[0].margins[test], fits[0].converged
        return scores, converged

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """The matrix float32 [t, m] that makes ridge predictions of the test rows from any training targets [m]."""
        from scipy.linalg import cho_factor, cho_solve

        own, others = self._z[train], self._z[test]
        m, mean = len(train), own.mean(axis=0)
        own -= mean
        others -= mean
        wide = own.shape[1] > m
        rows = own.T if wide else own
        gram = _gram(rows)
        if gram.dtype == np.float32 and float(gram.diagonal().max()) > _SHARP * m * penalty:
            gram = _gram(rows, exact=True)  # rounding to single precision would show beside so weak a ridge
        gram.flat[:: len(gram) + 1] += m * penalty
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        real = gram.dtype
        side = own.astype(real) @ others.T.astype(real) if wide else others.T.astype(real)
        solved = cho_solve(factor, side, overwrite_b=True, check_finite=False)
        found: Floats = solved.T.astype(np.float32)
        if not wide:
            found = found @ own.T
        found += np.float32(1 / m) - found.mean(axis=1, keepdims=True)
        return np.asarray(found, dtype=np.float32)

    def direction(self, train: Ints, y: Floats, penalty: float, probe: str) -> Direction:
        """One `probe` (logistic, ridge, mean_difference) of targets `y` [n], in units of the features as given."""
        if probe == "logistic":
            fit = next(self._solve([_logistic(train, np.asarray(y) > 0)], [penalty]))[0]
            return self._as_given(fit.weights, fit.intercept, fit.converged)
        if probe == "ridge":
            targets = np.asarray(y, dtype=np.float64)
            spread = float(targets[train].std()) or 1.0  # the stopping rule is for margins of order 1
            fit = next(self._solve([Squared(train, targets / spread)], [penalty]))[0]
            return self._as_given(fit.weights * spread, fit.intercept * spread, fit.converged)
        if probe == "mean_difference":
            positive = np.asarray(y)[train] > 0
            high, low = (self._z[train[rows]].mean(axis=0, dtype=np.float64) for rows in (positive, ~positive))
            weights = high - low
            return self._as_given(weights, -float(weights @ (high + low)) / 2, True)
        raise ValueError(f"no probe is called {probe!r}; there are logistic, ridge and mean_difference")

    def _solve(self, losses: Sequence[Loss], penalties: Sequence[float]) -> Iterator[list[Fitted]]:
        n, d = self._z.shape
        size = int(np.clip(_ENTRIES // n, 8, 64))
        for first in range(0, len(losses), size):
            part = losses[first : first + size]
            descents = [Descent(loss, self._basis, d, gap=self._gap, max_steps=self._max_steps) for loss in part]
            yield from together(self._products, [each.path(penalties, n) for each in descents])

    def _as_given(self, weights: Array, intercept: float, converged: bool) -> Direction:
        given, shift = self._scaling.outward(weights)
        return Direction(given, intercept + shift, converged)


def _logistic(train: Ints, y: Bools) -> Logistic:
    if y[train].all() or not y[train].any():
        raise ValueError("a probe needs training rows of both classes")
    return Logistic(train, np.where(y, 1.0, -1.0))


def _gram(z: Floats, exact: bool = False) -> Real:
    """The lower triangle of z'z: float64 where it is cheap or asked for, as a weak penalty does, else float32."""
    from scipy.linalg import blas

    real = np.float64 if exact or z.shape[1] <= _NARROW else np.float32
    product = blas.dsyrk if real is np.float64 else blas.ssyrk
    found = np.zeros((z.shape[1], z.shape[1]), dtype=real, order="F")
    for first in range(0, len(z), _BLOCK):
        block = z[first : first + _BLOCK].T.astype(real, copy=False)
        found = product(1.0, block, beta=1.0, c=found, lower=1, overwrite_c=1)
    return np.asarray(found)
