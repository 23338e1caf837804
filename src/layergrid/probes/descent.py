"""Newton's method with preconditioned conjugate gradients for one probe after another, from strong to weak penalties.

Each fit is a generator that yields the products it needs (see `products`), so that many fits advance together; it knows
its own rows and targets, and neither scales features nor scores anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Floats, Ints
from layergrid.probes.products import COLUMNS, COLUMNS_EXACT, FROM, ONTO, ROWS, ROWS_EXACT, Fit, Real
from layergrid.probes.solving import Array

MARGIN = 1e-3  # change of the margins that a further step would bring, where the margins are of order 10 or less
GAP = 2.5e-7  # of the objective: the distance from the optimum that the gradient may still promise
MAX_STEPS = 60
_MAX_INNER = 400
_FLOOR = 1e-7  # least curvature of a row, a quarter being the greatest: rows far from the boundary still count


class Loss(Protocol):
    """Losses of the training rows; rows outside have slope and curvature 0."""

    def value(self, margins: Array) -> float:
        """Mean loss of the training rows."""

    def slopes(self, margins: Array) -> tuple[Array, Array]:
        """First and second derivatives of the mean loss in each row's margin [n]."""

    def start(self) -> float:
        """The intercept that is best without features."""

    def largest(self, values: Array) -> float:
        """The largest |value| among the training rows."""


@dataclass(frozen=True)
class Logistic:
    """Log-loss of the classes `sign` [n], +1 or -1."""

    train: Ints
    sign: Array

    def value(self, margins: Array) -> float:
        """Mean log-loss."""
        return float(np.logaddexp(0, -(self.sign * margins)[self.train]).mean())

    def slopes(self, margins: Array) -> tuple[Array, Array]:
        """Slopes from the probability of the class that a row has not, never as a difference of two near 1."""
        from scipy.special import expit

        sign, m = self.sign[self.train], len(self.train)
        miss = expit(-sign * margins[self.train])
        slope, curvature = np.zeros(len(margins)), np.zeros(len(margins))
        slope[self.train] = -sign * miss / m
        curvature[self.train] = np.maximum(miss * (1 - miss), _FLOOR) / m
        return slope, curvature

    def start(self) -> float:
        """The log-odds of the training rows."""
        positive = float((self.sign[self.train] > 0).mean())
        return float(np.log(positive / (1 - positive)))

    def largest(self, values: Array) -> float:
        """The largest |value| among the training rows."""
        return float(np.abs(values[self.train]).max())


@dataclass(frozen=True)
class Squared:
    """Half the squared error of the targets `y` [n]."""

    train: Ints
    y: Array

    def value(self, margins: Array) -> float:
        """Half the mean squared error."""
        return float(((margins - self.y)[self.train] ** 2).mean() / 2)

    def slopes(self, margins: Array) -> tuple[Array, Array]:
        """Residuals and ones, over the number of training rows."""
        m = len(self.train)
        slope, curvature = np.zeros(len(margins)), np.zeros(len(margins))
        slope[self.train] = (margins - self.y)[self.train] / m
        curvature[self.train] = 1 / m
        return slope, curvature

    def start(self) -> float:
        """The mean target."""
        return float(self.y[self.train].mean())

    def largest(self, values: Array) -> float:
        """The largest |value| among the training rows."""
        return float(np.abs(values[self.train]).max())


@dataclass(frozen=True)
class Basis:
    """Orthonormal directions [k, d] that hold most of the features' variance, and some rows' coordinates in them."""

    directions: Floats | None  # None: the axes themselves
    rows: Ints  # [s]: the rows whose coordinates are held; not those that chose the directions
    coordinates: Floats  # float32 [s, k]
    rest: float  # mean variance of the features along the other d - k directions

    def factor(self, curvature: Array, penalty: float) -> Preconditioner:
        """Hessian along the directions, estimated on the held rows, and one number for all other directions."""
        from scipy.linalg import lapack

        total, own = float(curvature.sum()), curvature[self.rows]
        if not own.sum():  # none of the held rows is a training row
            own = np.full(len(self.rows), 1.0)
        own = own * (total / own.sum())
        mean = own @ self.coordinates / total
        weighted = (self.coordinates - mean.astype(np.float32)) * np.sqrt(own, dtype=np.float64).astype(np.float32)[
            :, None
        ]
        hessian = weighted.T @ weighted
        base = penalty + total * self.rest
        for lift in (0.0, 1e-5, 1e-3):  # penalties below the rounding of the Hessian
            ridge = np.float32(penalty + lift * float(hessian.diagonal().max()))
            lifted = hessian.copy()
            lifted.flat[:: len(lifted) + 1] += ridge
            triangle, info = lapack.spotrf(lifted, lower=1, clean=0)
            if info == 0:
                return Preconditioner(triangle, base, self.directions is None)
        return Preconditioner(None, base + float(hessian.diagonal().max()), True)


@dataclass(frozen=True)
class Preconditioner:
    """An approximate inverse of a Hessian."""

    triangle: Real | None  # float32 [k, k]: Cholesky factor along the directions
    base: float  # curvature along the others
    whole: bool  # the directions are the axes

    def apply(self, vector: Real) -> Fit[Real]:
        """The vector that the approximate Hessian takes to `vector` [d]."""
        from scipy.linalg import lapack

        if self.triangle is None:
            return np.asarray(vector / self.base, dtype=vector.dtype)
        if self.whole:
            found, _ = lapack.spotrs(self.triangle, vector.astype(np.float32, copy=False), lower=1)
            return np.asarray(found, dtype=vector.dtype)
        along = yield (ONTO, vector)
        inner, _ = lapack.spotrs(self.triangle, along, lower=1)
        base = vector.dtype.type(self.base)
        back = yield (FROM, inner - along / np.float32(self.base))
        return np.asarray(back + vector / base, dtype=vector.dtype)


@dataclass
class Point:
    """Where a fit stands."""

    w: Array  # [d]
    b: float
    margins: Array  # [n]

    def moved(self, size: float, way: Way) -> Point:
        """The point `size` steps along a way."""
        return Point(self.w + size * way.w, self.b + size * way.b, self.margins + size * way.margins)


@dataclass
class Way:
    """A step: of the weights, of the intercept, and what it does to the margins."""

    w: Array
    b: float
    margins: Array
    slope: float  # of the objective along the step


@dataclass(frozen=True)
class Fitted:
    """One probe on the scaled features."""

    weights: Array  # [d]
    intercept: float
    margins: Array  # [n], of all rows
    converged: bool
    steps: int


@dataclass
class Descent:
    """The fits of one training set along penalties."""

    loss: Loss
    basis: Basis
    d: int
    margin: float = MARGIN
    gap: float = GAP
    max_steps: int = MAX_STEPS
    exact: bool = field(default=False, init=False)  # products in float64, once those in float32 have stalled

    @property
    def real(self) -> type[np.floating[Any]]:
        """The type of the vectors that are multiplied."""
        return np.float64 if self.exact else np.float32

    def path(self, penalties: Sequence[float], n: int) -> Fit[list[Fitted]]:
        """A probe a penalty, in the order given; each starts from the next stronger."""
        start = self.loss.start()
        point = Point(np.zeros(self.d), start, np.full(n, start))
        found: dict[int, Fitted] = {}
        for r in np.argsort(-np.asarray(penalties, dtype=float), kind="stable"):
            point, converged, steps = yield from self._newton(point, float(penalties[r]))
            found[int(r)] = Fitted(point.w, point.b, point.margins, converged, steps)
        return [found[r] for r in range(len(penalties))]

    def _newton(self, point: Point, penalty: float) -> Fit[tuple[Point, bool, int]]:
        self.exact = False
        last, failures, moved, share = np.inf, 0, np.inf, 0.3
        for step in range(1, self.max_steps + 1):
            slope, curvature = self.loss.slopes(point.margins)
            inverse = self.basis.factor(curvature, penalty)
            gradient = yield from self._gradient(point, slope, curvature, penalty)
            share = self._share(point, moved, share)
            way = yield from self._way(slope, curvature, gradient, inverse, penalty, share)
            point, size, moved = self._search(point, way, penalty)
            if size < 1 or not max(share * moved, 0.5 * moved**2) < self._allowed(point):
                continue
            point = yield from self._fresh(point)
            gap = yield from self._gap(point, inverse, penalty)
            if gap <= self.gap * self._objective(point, penalty):
                return point, True, step
            failures += 1
            if not gap < 0.5 * last and failures > 1:
                if self.exact and failures > 4:
                    return point, False, step
                self.exact = True
            last = gap
        return (yield from self._fresh(point)), False, self.max_steps

    def _share(self, point: Point, moved: float, share: float) -> float:
        """The part of a step's error that its inner iteration may leave: no less than the next step would leave anyhow.

        Newton's steps square what is left (about a sixth of the square, for margins), and keep that part.
        """
        if not np.isfinite(moved):
            return 0.3
        ahead = share * moved + min(moved, 0.17 * moved**2)
        last = 0.6 * self._allowed(point) / ahead  # with this part the step would be the last
        return min(last, 0.3) if last >= 0.01 else float(np.clip(0.15 * ahead, 0.03, 0.3))

    def _allowed(self, point: Point) -> float:
        return self.margin * max(1.0, 0.1 * self.loss.largest(point.margins))

    def _objective(self, point: Point, penalty: float) -> float:
        return self.loss.value(point.margins) + 0.5 * penalty * float(point.w @ point.w)

    def _gradient(self, point: Point, slope: Array, curvature: Array, penalty: float) -> Fit[Real]:
        """The gradient [d] once the intercept has taken its own best step."""
        off = slope - curvature * (slope.sum() / curvature.sum())
        found = yield (COLUMNS_EXACT if self.exact else COLUMNS, off)
        return np.asarray(found + penalty * point.w, dtype=self.real)

    def _fresh(self, point: Point) -> Fit[Point]:
        """The same point, its margins computed anew from the weights."""
        margins = yield (ROWS_EXACT if self.exact else ROWS, point.w)
        return Point(point.w, point.b, margins.astype(np.float64) + point.b)

    def _gap(self, point: Point, inverse: Preconditioner, penalty: float) -> Fit[float]:
        """How far the objective is above its minimum, by the gradient in the metric of the preconditioner."""
        slope, curvature = self.loss.slopes(point.margins)
        gradient = yield from self._gradient(point, slope, curvature, penalty)
        step = yield from inverse.apply(gradient)
        return float(gradient @ step) / 2 + float(slope.sum() ** 2 / curvature.sum()) / 2

    def _way(
        self, slope: Array, curvature: Array, gradient: Real, inverse: Preconditioner, penalty: float, share: float
    ) -> Fit[Way]:
        """Newton's step by conjugate gradients, until the preconditioned residual has fallen to `share`."""
        rows, columns = (ROWS_EXACT, COLUMNS_EXACT) if self.exact else (ROWS, COLUMNS)
        total, ridge = float(curvature.sum()), self.real(penalty)
        x = np.zeros(self.d)
        margins, shift = np.zeros(len(slope)), -float(slope.sum()) / total
        residual = -gradient
        smooth = yield from inverse.apply(residual)
        p, norm = smooth, float(residual @ smooth)
        enough = share**2 * norm
        for _ in range(_MAX_INNER):
            if not norm > max(enough, 0.0):
                break
            zp = (yield (rows, p)).astype(np.float64)
            mean = float(curvature @ zp) / total
            zp -= mean
            hp = (yield (columns, curvature * zp)) + ridge * p
            size = norm / float(p @ hp)
            if not np.isfinite(size) or size <= 0:  # rounding has used up the curvature
                break
            x += size * p
            margins += size * zp
            shift -= size * mean
            residual = residual - self.real(size) * hp
            smooth = yield from inverse.apply(residual)
            before, norm = norm, float(residual @ smooth)
            p = smooth + self.real(norm / before) * p
        decrease = float(gradient @ x) - float(slope.sum()) ** 2 / total
        return Way(x, shift, margins - float(slope.sum()) / total, decrease)

    def _search(self, point: Point, way: Way, penalty: float) -> tuple[Point, float, float]:
        """The first of the steps 1, 1/2, 1/4 ... that lowers the objective enough; small ones are not searched."""
        moved = self.loss.largest(way.margins)
        size = 1.0
        if moved > 1:
            before = self._objective(point, penalty)
            while size > 1e-6:
                if self._objective(point.moved(size, way), penalty) <= before + 1e-4 * size * way.slope:
                    break
                size /= 2
        return point.moved(size, way), size, size * moved


def basis(z: Floats, k: int = 200, sample: int = 800, held: int = 1500) -> Basis:
    """A basis for features z [n, d]: the first k principal directions of `sample` rows, judged on `held` others.

    A factor of all d features takes two to five times as long at d = 256 to 768, so the axes serve only up to d = k.
    """
    from scipy.linalg import eigh

    n, d = z.shape
    order: npt.NDArray[np.int64] = np.random.default_rng(0).permutation(n)
    if d <= k:
        rows = np.sort(order[:held])
        return Basis(None, rows, z[rows], 0.0)
    sample, held = min(sample, n // 2), min(held, n - n // 2)
    k = min(k, sample // 2)
    chosen = z[np.sort(order[:sample])]
    values, vectors = eigh(chosen @ chosen.T, subset_by_index=[sample - k, sample - 1], check_finite=False)
    kept = values > 1e-4 * values[-1]
    directions = np.ascontiguousarray((chosen.T @ (vectors[:, kept] / np.sqrt(values[kept]))).T, dtype=np.float32)
    rows = np.sort(order[sample : sample + held])
    coordinates = z[rows] @ directions.T
    along = float(np.square(coordinates, dtype=np.float64).sum(axis=1).mean())
    return Basis(directions, rows, coordinates, max(d - along, 1e-3 * d) / (d - len(directions)))
