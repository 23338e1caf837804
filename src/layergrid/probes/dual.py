"""Logistic probes of one training set along its penalties, solved in as many unknowns as rows; it knows only a kernel.

With K the products of the training rows, signs t = +-1 and C = 1 / (rows x penalty), a probe is a vector `a` of dual
coefficients that sums to 0 and an intercept b: f = K a + b are the log-odds, and a = C t expit(-t f) at the optimum.
Newton's method solves (I + s K s) x + s db = R with s'x = 0, where s^2 = C expit(f) expit(-f), da = s x and
R = (C t expit(-t f) - a) / s: by conjugate gradients in single precision, preconditioned by the Cholesky factor of
earlier weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.solving import Array

TOLERANCE = 1e-6  # most by which an objective may exceed the least one, as a share of it
MAX_STEPS = 40
_FLOOR = 1e-7  # least weight of a row, as a share of C
FORCING = 0.05**2  # of the preconditioned residual, at which conjugate gradients stop
MAX_PRODUCTS = 60  # conjugate gradient steps to a Newton step
EASY = 0.5  # C mean(diag K) / 4 below which a factor costs more than it saves
_KEPT = 2  # penalties that one factor serves
_ENOUGH = 1e-9  # excess of the objective at which no further step is taken
_ROUNDING = 4 * 2.0**-24  # relative rounding of an inner product in single precision


@dataclass(frozen=True)
class Duals:
    """Probes of one training set [m], in the order of the costs or labellings."""

    a: Floats  # [R, m]
    b: Floats  # [R]
    steps: Ints  # int64 [R]


@dataclass(frozen=True)
class Point:
    """A probe on the way: dual coefficients, their products with the kernel, intercept."""

    a: Floats
    u: Floats
    b: float

    def moved(self, size: float, da: Floats, du: Floats, db: float) -> Point:
        """The point a step further."""
        return Point(self.a + size * da, self.u + size * du, self.b + size * db)


def weighed(f: Floats, sign: Floats, a: Floats, cost: float | Array) -> tuple[Floats, Floats]:
    """The roots s of the rows' weights and the residual R of log-odds `f`; of one probe [m] or of many [B, m]."""
    from scipy.special import expit

    miss = expit(-sign * f)  # the probability of the class that the row does not have
    s = np.sqrt(cost * np.maximum(miss * (1 - miss), _FLOOR))
    return s, (cost * miss * sign - a) / s


def objective(f: Floats, u: Floats, sign: Floats, a: Floats, cost: float | Array) -> Floats:
    """C x sum of log-losses + |w|^2 / 2 of one probe [m] or of many [B, m], summed in double precision."""
    losses = np.logaddexp(0, -sign * f).sum(axis=-1, dtype=np.float64)
    found: Floats = cost * losses + 0.5 * np.einsum("...i,...i->...", a, u, dtype=np.float64)
    return found


def excess(f: Floats, sign: Floats, a: Floats, b: Floats, costs: Array, diagonal: Floats) -> Array:
    """By how much the objectives of probes [R, m] may exceed the least ones, as shares of these: float64 [R].

    R'R / 2 is the duality gap to second order; the rest is what rounding of the kernel, whose diagonal has the largest
    entries, may hide of it. Log-odds `f` are to be products made afresh, for updates drift.
    """
    f, a, cost = f.astype(np.float64), a.astype(np.float64), costs[:, None]
    s, r = weighed(f, sign, a, cost)
    hidden = s * a * diagonal * (_ROUNDING if diagonal.dtype == np.float32 else 0.0)
    gap = 0.5 * ((r * r).sum(axis=-1) + (hidden * hidden).sum(axis=-1))
    found = gap / objective(f, f - b[:, None], sign, a, costs)
    return np.where(np.isfinite(found), found, np.inf)


def settled(length: Floats | float, largest: Floats | float) -> Bools:
    """Whether a Newton step that changed log-odds by `length` at most, the `largest` of them being that, was the last.

    The next would change them by a half of its square, or by what conjugate gradients left undone.
    """
    return np.asarray(np.maximum(0.05 * length, 0.5 * length**2) < 1e-3 * np.maximum(1.0, 0.1 * largest))


def cold(sign: Floats) -> Point:
    """No weight, and the intercept of the prior."""
    positive = np.count_nonzero(sign > 0)
    return Point(np.zeros_like(sign), np.zeros_like(sign), float(np.log(positive / (len(sign) - positive))))


class Factor:
    """The inverse of I + s K s at the weights of its making; `good` is False where rounding left it indefinite."""

    def __init__(self, kernel: Floats, s: Floats) -> None:
        from scipy.linalg import lapack

        matrix = kernel * s
        matrix *= s[:, None]
        matrix.flat[:: len(s) + 1] += 1
        self.lower, info = lapack.spotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        self.s, self.good = s, info == 0
        if self.good:
            self.h = self.solve(s[None].copy())[0]
            self.total = float(s @ self.h)

    def solve(self, rows: Floats) -> Floats:
        """(I + s K s)^-1 of each of the rows [B, m], in their place."""
        from scipy.linalg import blas

        if len(rows) == 1:
            one = blas.strsv(self.lower, rows[0], lower=1, overwrite_x=1)
            return np.asarray(blas.strsv(self.lower, one, lower=1, trans=1, overwrite_x=1))[None]
        columns = blas.strsm(1.0, self.lower, rows.T, lower=1, overwrite_b=1)
        return np.asarray(blas.strsm(1.0, self.lower, columns, lower=1, trans_a=1, overwrite_b=1).T)


class Preconditioner:
    """A factor rescaled to present weights, or the identity, and the projection that keeps s'x = 0."""

    def __init__(self, factor: Factor | None, s: Floats) -> None:
        self._s, self._factor = s, factor
        self.exact = factor is not None and factor.s is s
        self._ratio = None if factor is None or self.exact else factor.s / s
        if factor is None:
            self._guide, self._total = s, float(s @ s)
        else:
            self._guide = factor.h if self._ratio is None else factor.h * self._ratio
            self._total = factor.total

    def __call__(self, r: Floats) -> tuple[Floats, float]:
        """The preconditioned residual, and what the intercept takes of `r`, which is subtracted in its place."""
        db = float(self._guide @ r) / self._total
        r -= db * self._s
        if self._factor is None:
            return r, db
        if self._ratio is None:
            return self._factor.solve(r[None].copy())[0], db
        z = self._factor.solve((r * self._ratio)[None])[0]
        z *= self._ratio
        return z, db


def conjugate(kernel: Floats, s: Floats, r: Floats, inverse: Preconditioner) -> tuple[Floats, Floats, float, int]:
    """x, K s x and db of the Newton system with residual `r`, which is overwritten, and the products that it took."""
    z, db = inverse(r)
    if inverse.exact:
        return z, np.dot(kernel, s * z), db, 1
    x, u, p = np.zeros_like(r), np.zeros_like(r), z.copy()
    rz = float(r @ z)
    goal, count = FORCING * rz, 0
    while rz > goal and count < MAX_PRODUCTS:
        kp = np.dot(kernel, s * p)
        q = s * kp
        q += p
        alpha = rz / float(p @ q)
        x += alpha * p
        u += alpha * kp
        q *= alpha
        r -= q
        z, more = inverse(r)
        db += more
        before, rz = rz, float(r @ z)
        p *= rz / before
        p += z
        count += 1
    return x, u, db, count


def solve_path(kernel: Floats, sign: Floats, costs: Sequence[float]) -> Duals:
    """Probes of a float32 kernel [m, m] and signs float32 [m] of both classes for increasing costs C.

    Nothing here says whether they are good: see `excess`.
    """
    return _Path(kernel, sign).solve(costs)


class _Path:
    """Newton's method along the costs, its factor and its earlier solutions."""

    def __init__(self, kernel: Floats, sign: Floats) -> None:
        self._kernel, self._sign = kernel, sign
        self._scale = float(kernel.diagonal().mean(dtype=np.float64)) / 4
        self._factor: Factor | None = None
        self._served = 0
        self._points: list[tuple[float, Point]] = []

    def solve(self, costs: Sequence[float]) -> Duals:
        steps = []
        for cost in costs:
            point, taken = self._newton(self._start(cost), cost)
            self._points.append((float(np.log(cost)), point))
            self._served += 1
            steps.append(taken)
        points = [point for _, point in self._points]
        return Duals(np.stack([p.a for p in points]), np.array([p.b for p in points]), np.array(steps, dtype=np.int64))

    def _start(self, cost: float) -> Point:
        """The better of the last solution and the polynomial in log C through the last three."""
        if not self._points:
            return cold(self._sign)
        known = self._points[-3:]
        last = known[-1][1]
        if len(known) == 1:
            return last
        where, at = [place for place, _ in known], float(np.log(cost))
        a, u, b = np.zeros_like(last.a), np.zeros_like(last.u), 0.0
        for i, (place, point) in enumerate(known):
            share = float(np.prod([(at - other) / (place - other) for j, other in enumerate(where) if j != i]))
            a += share * point.a
            u += share * point.u
            b += share * point.b
        guess = Point(a, u, b)
        return guess if self._objective(guess, cost) < self._objective(last, cost) else last

    def _objective(self, point: Point, cost: float) -> float:
        return float(objective(point.u + point.b, point.u, self._sign, point.a, cost))

    def _newton(self, point: Point, cost: float) -> tuple[Point, int]:
        stale = self._factor is None or self._served >= _KEPT
        lengths: list[float] = []
        for step in range(1, MAX_STEPS + 1):
            f = point.u + point.b
            s, r = weighed(f, self._sign, point.a, cost)
            if 0.5 * float(r @ r) <= _ENOUGH * self._objective(point, cost):
                return point, step - 1
            if stale and cost * self._scale >= EASY:
                self._factor, self._served = Factor(self._kernel, s), 0
                if not self._factor.good:
                    self._factor = None
            x, u, db, _ = conjugate(self._kernel, s, r, Preconditioner(self._factor, s))
            point, length = self._moved(point, cost, s * x, u, db)
            if settled(length, float(np.abs(f).max())):
                return point, step
            lengths.append(length)
            stale = len(lengths) > 3 and lengths[-1] > lengths[-4] / 2
        return point, MAX_STEPS

    def _moved(self, point: Point, cost: float, da: Floats, du: Floats, db: float) -> tuple[Point, float]:
        """The point a Newton step further, halved on the objective where it is large; and the largest change of f."""
        length = float(np.abs(du + db).max())
        size = 1.0
        if length > 1:
            before = self._objective(point, cost)
            while size > 1e-4 and not self._objective(point.moved(size, da, du, db), cost) <= before:
                size /= 2
        return point.moved(size, da, du, db), length * size
