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
_FLOORS = {"float32": 1e-7, "float64": 1e-15}  # least weight of a row, as a share of C
FORCING = 0.05  # share of the preconditioned residual's length at which conjugate gradients stop
MAX_PRODUCTS = 60  # conjugate gradient steps to a Newton step
EASY = 1.0  # C mean(diag K) / 4 below which a factor costs more than it saves
_WORTH = 55  # a factor of m rows is made where m / 55 products went into the penalty before
_MANY = 4  # products to a step that says that the factor is of other weights
_APART = 1e-3  # in log C, below which one of two solutions says nothing about the way
_REMEMBERED = 4  # earlier solutions in whose span a penalty begins
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


def weighed(f: Floats, sign: Floats, a: Floats, cost: float | Array, precision: str = "") -> tuple[Floats, Floats]:
    """The roots s of the rows' weights and the residual R of log-odds `f`; of one probe [m] or of many [B, m]."""
    from scipy.special import expit

    miss = expit(-sign * f)  # the probability of the class that the row does not have
    s = np.sqrt(cost * np.maximum(miss * (1 - miss), _FLOORS[precision or f.dtype.name]))
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
    s, r = weighed(f, sign, a, cost, diagonal.dtype.name)
    hidden = s * a * diagonal * (_ROUNDING if diagonal.dtype == np.float32 else 0.0)
    gap = 0.5 * ((r * r).sum(axis=-1) + (hidden * hidden).sum(axis=-1))
    value = objective(f, f - b[:, None], sign, a, costs)  # negative where rounding left the kernel indefinite
    found: Array = np.divide(gap, value, out=np.full(len(gap), np.inf), where=np.isfinite(gap) & (value > 0))
    return found


def settled(length: Floats | float, largest: Floats | float) -> Bools:
    """Whether a Newton step that changed log-odds by `length` at most, the `largest` of them being that, was the last.

    The next would change them by a half of its square, or by what conjugate gradients left undone.
    """
    return np.asarray(np.maximum(FORCING * length, 0.5 * length**2) < 1e-3 * np.maximum(1.0, 0.1 * largest))


def enough(gap: Floats | float, calm: Ints | int) -> Bools:
    """Whether a point needs no further step, whose `gap` is that share of the objective.

    `calm` counts the last steps after which log-odds had `settled`: where two do not close the gap, rounding holds it.
    """
    small = (gap >= 0) & (gap <= np.where(np.asarray(calm) > 0, 0.1 * TOLERANCE, _ENOUGH))
    return np.asarray(small | (np.asarray(calm) > 1))


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
    goal, count = FORCING**2 * rz, 0
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
        self._spent = 0  # products since the last factor or penalty
        self._known: list[tuple[float, Point]] = []

    def solve(self, costs: Sequence[float]) -> Duals:
        points, steps = [], []
        for cost in costs:
            point, taken = self._newton(self._start(cost), cost)
            place = float(np.log(cost))
            if self._known and place - self._known[-1][0] < _APART:
                self._known.pop()
            self._known.append((place, point))
            points.append(point)
            steps.append(taken)
        return Duals(np.stack([p.a for p in points]), np.array([p.b for p in points]), np.array(steps, dtype=np.int64))

    def _start(self, cost: float) -> Point:
        """The best of the last solution, the polynomial in log C through the last three, and one more.

        That is a Newton step from the polynomial in the span of the last four, which costs hardly more than a product.
        """
        if not self._known:
            return cold(self._sign)
        known = self._known[-_REMEMBERED:]
        shares = _extrapolated([place for place, _ in known][-3:], float(np.log(cost)))
        shares = np.concatenate((np.zeros(len(known) - len(shares)), shares))
        a, u = (np.stack([getattr(point, part) for _, point in known]) for part in ("a", "u"))
        b = float(shares @ [point.b for _, point in known])
        guesses = [known[-1][1], self._spanned(a, u, shares, b), self._reduced(a, u, shares, b, cost)]
        best = min(guesses, key=lambda point: self._objective(point, cost))
        return Point(best.a, np.dot(self._kernel, best.a), best.b)  # sums of sums would carry their rounding along

    @staticmethod
    def _spanned(a: Floats, u: Floats, shares: Array, b: float) -> Point:
        shares = shares.astype(a.dtype)
        return Point(shares @ a, shares @ u, b)

    def _reduced(self, a: Floats, u: Floats, shares: Array, b: float, cost: float) -> Point:
        """One Newton step in the shares of earlier solutions `a` [k, m] and in the intercept."""
        design = np.concatenate((u, np.ones_like(u[:1])))
        s, pull = weighed(shares.astype(u.dtype) @ u + b, self._sign, np.zeros_like(a[0]), cost)
        size = len(a)
        products = (a @ u.T).astype(np.float64)
        slope = -(design @ (s * pull)).astype(np.float64)
        slope[:size] += products @ shares
        rooted = design * s
        curvature = (rooted @ rooted.T).astype(np.float64)
        curvature[:size, :size] += products
        curvature.flat[:: size + 2] *= 1 + 1e-6  # solutions of like penalties are nearly parallel
        change = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        return self._spanned(a, u, shares - change[:size], b - float(change[size]))

    def _objective(self, point: Point, cost: float) -> float:
        return float(objective(point.u + point.b, point.u, self._sign, point.a, cost))

    def _newton(self, point: Point, cost: float) -> tuple[Point, int]:
        stale, self._spent = self._spent > len(self._sign) / _WORTH, 0
        lengths: list[float] = []
        calm = 0
        for step in range(1, MAX_STEPS + 1):
            f = point.u + point.b
            s, r = weighed(f, self._sign, point.a, cost)
            if step > 1 and enough(0.5 * float(r @ r) / self._objective(point, cost), calm):
                return point, step - 1
            if (stale or self._factor is None) and cost * self._scale >= EASY:
                self._refactor(s)
            x, u, db, products = conjugate(self._kernel, s, r, Preconditioner(self._factor, s))
            self._spent += products
            point, length, size = self._moved(point, cost, s * x, u, db)
            calm = calm + 1 if settled(length, float(np.abs(f).max())) else 0
            lengths.append(length)
            stale = size < 0.1 or (products > _MANY and len(lengths) > 3 and lengths[-1] > lengths[-4] / 2)
        return point, MAX_STEPS

    def _refactor(self, s: Floats) -> None:
        factor = Factor(self._kernel, s)
        self._factor, self._spent = factor if factor.good else None, 0

    def _moved(self, point: Point, cost: float, da: Floats, du: Floats, db: float) -> tuple[Point, float, float]:
        """The point a step further, halved where it is long; the whole step's change of f, and the share taken."""
        length = float(np.abs(du + db).max())
        size = 1.0
        if length > 1:
            before = self._objective(point, cost)
            while size > 1e-4 and not self._objective(point.moved(size, da, du, db), cost) <= before:
                size /= 2
        return point.moved(size, da, du, db), length, size


def _extrapolated(places: Sequence[float], at: float) -> Array:
    """The share that each place has in the polynomial through all of them at another place."""
    return np.array([
        np.prod([(at - other) / (place - other) for j, other in enumerate(places) if j != i])
        for i, place in enumerate(places)
    ])  # fmt: skip
