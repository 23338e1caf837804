"""Logistic probes of many labellings of one training set at once; it knows only a kernel.

The systems are those of `dual`, one a labelling, solved side by side as the rows of matrices: one factor a Newton step,
of the geometric mean of the labellings' weights, preconditions them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.dual import (
    EASY,
    FORCING,
    MAX_PRODUCTS,
    MAX_STEPS,
    Duals,
    Factor,
    enough,
    objective,
    settled,
    weighed,
)


@dataclass(frozen=True)
class _Points:
    """Probes on the way, one a labelling: dual coefficients, their products with the kernel, intercepts."""

    a: Floats  # [B, m]
    u: Floats  # [B, m]
    b: Floats  # [B]

    def of(self, rows: Ints) -> _Points:
        return _Points(self.a[rows], self.u[rows], self.b[rows])

    @property
    def f(self) -> Floats:
        return self.u + self.b[:, None]

    def moved(self, size: Floats, da: Floats, du: Floats, db: Floats) -> _Points:
        return _Points(self.a + size[:, None] * da, self.u + size[:, None] * du, self.b + size * db)


def solve_many(kernel: Floats, signs: Floats, cost: float) -> Duals:
    """Probes of a float32 kernel [m, m] and of labellings [B, m] of both classes each, at one cost C.

    Nothing here says whether they are good: see `dual.excess`.
    """
    positive = np.count_nonzero(signs > 0, axis=1)
    prior = np.log(positive / (signs.shape[1] - positive)).astype(np.float32)
    found = _Points(np.zeros_like(signs), np.zeros_like(signs), prior)
    steps, calm = np.zeros(len(signs), dtype=np.int64), np.zeros(len(signs), dtype=np.int64)
    left = np.arange(len(signs))
    for _ in range(MAX_STEPS):
        points, t = found.of(left), signs[left]
        s, r = weighed(points.f, t, points.a, cost)
        gap = 0.5 * np.einsum("bi,bi->b", r, r) / objective(points.f, points.u, t, points.a, cost)
        going = ~enough(gap, calm[left])
        left, s, r = left[going], s[going], r[going]
        if not len(left):
            break
        points, settled_now = _step(kernel, signs[left], found.of(left), cost, (s, r))
        calm[left] = np.where(settled_now, calm[left] + 1, 0)
        _put((found.a, found.u, found.b), left, (points.a, points.u, points.b))
        steps[left] += 1
    return Duals(found.a, found.b, steps)


def _step(
    kernel: Floats, signs: Floats, points: _Points, cost: float, system: tuple[Floats, Floats]
) -> tuple[_Points, Bools]:
    """The points a Newton step further, halved where they must be, and which of them have settled."""
    s, r = system
    factor = None
    if cost * float(kernel.diagonal().mean()) / 4 >= EASY:
        factor = Factor(kernel, np.exp(np.log(s).mean(axis=0)))
        factor = factor if factor.good else None
    x, du, db = _conjugate(kernel, s, r, factor)
    da = s * x
    length = np.abs(du + db[:, None]).max(axis=1)
    size = _sizes(points, signs, cost, (da, du, db), length)
    return points.moved(size, da, du, db), settled(length, np.abs(points.f).max(axis=1))


def _sizes(points: _Points, signs: Floats, cost: float, step: tuple[Floats, Floats, Floats], length: Floats) -> Floats:
    """Sizes of the steps [B]: long ones are halved until the objective falls."""
    size = np.ones(len(signs), dtype=np.float32)
    left = np.flatnonzero(length > 1)
    old = points.of(left)
    before = objective(old.f, old.u, signs[left], old.a, cost)
    for _ in range(14):
        new = points.of(left).moved(size[left], *(part[left] for part in step))
        worse = ~(objective(new.f, new.u, signs[left], new.a, cost) <= before)
        left, before = left[worse], before[worse]
        if not len(left):
            break
        size[left] /= 2
    return size


class _Preconditioner:
    """A shared factor rescaled to each labelling's weights [B, m], or the identity, and the projections s'x = 0."""

    def __init__(self, factor: Factor | None, s: Floats) -> None:
        self._s, self._factor = s, factor
        self._ratio = s if factor is None else factor.s / s
        self._guide = s if factor is None else factor.h * self._ratio
        self._total = np.einsum("bi,bi->b", s, s) if factor is None else np.full(len(s), factor.total, dtype=s.dtype)

    def of(self, rows: Bools) -> _Preconditioner:
        """That of some of the labellings."""
        return _Preconditioner(self._factor, self._s[rows])

    def __call__(self, r: Floats) -> tuple[Floats, Floats]:
        """The preconditioned residuals, and what the intercepts take of `r`, which is subtracted in its place."""
        db = np.einsum("bi,bi->b", self._guide, r) / self._total
        z = db[:, None] * self._s
        r -= z
        if self._factor is None:
            return r, db
        np.multiply(r, self._ratio, out=z)
        z = self._factor.solve(z)
        z *= self._ratio
        return z, db


def _conjugate(kernel: Floats, s: Floats, r: Floats, factor: Factor | None) -> tuple[Floats, Floats, Floats]:
    """x, K s x and db of all Newton systems with residuals `r` [B, m], which are overwritten.

    Once half of the systems are solved, the others go on without them.
    """
    inverse = _Preconditioner(factor, s)
    z, db = inverse(r)
    x, u, p = np.zeros_like(r), np.zeros_like(r), z.copy()
    rz = np.einsum("bi,bi->b", r, z)
    goal = FORCING**2 * rz
    found, rows = (np.empty_like(x), np.empty_like(x), np.empty_like(db)), np.arange(len(s))
    for _ in range(MAX_PRODUCTS):
        left = rz > goal
        if np.count_nonzero(left) <= len(left) / 2:
            _put(found, rows, (x, u, db))
            rows, s, r, x, u, p, db, rz, goal = (part[left] for part in (rows, s, r, x, u, p, db, rz, goal))
            if not len(rows):
                return found
            inverse, left = inverse.of(left), np.ones(len(rows), dtype=bool)
        sp = s * p
        kp = sp @ kernel
        q = np.multiply(s, kp, out=sp)
        q += p
        alpha = (_quotient(rz, np.einsum("bi,bi->b", p, q)) * left)[:, None]  # what is solved stays as it is
        q *= alpha
        r -= q
        kp *= alpha
        u += kp
        x += np.multiply(alpha, p, out=q)
        z, more = inverse(r)
        db += more
        before, rz = rz, np.einsum("bi,bi->b", r, z)
        p *= _quotient(rz, before)[:, None]
        p += z
    _put(found, rows, (x, u, db))
    return found


def _put(wholes: tuple[Floats, ...], rows: Ints, parts: tuple[Floats, ...]) -> None:
    for whole, part in zip(wholes, parts, strict=True):
        whole[rows] = part


def _quotient(above: Floats, below: Floats) -> Floats:
    """The quotient of what is positive, and 0 where nothing is left to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
