"""Logistic probes of many labellings of one training set at once; it knows only a kernel.

The systems are those of `dual`, one a labelling, solved side by side as the rows of matrices: one factor a Newton step,
of the geometric mean of the labellings' weights, preconditions them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.dual import EASY, FORCING, MAX_PRODUCTS, MAX_STEPS, Duals, Factor, objective, settled, weighed


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
    steps = np.zeros(len(signs), dtype=np.int64)
    left = np.arange(len(signs))
    for _ in range(MAX_STEPS):
        if not len(left):
            break
        points, done = _step(kernel, signs[left], found.of(left), cost)
        found.a[left], found.u[left], found.b[left] = points.a, points.u, points.b
        steps[left] += 1
        left = left[~done]
    return Duals(found.a, found.b, steps)


def _step(kernel: Floats, signs: Floats, points: _Points, cost: float) -> tuple[_Points, Bools]:
    """The points a Newton step further, halved where they must be, and which of them have settled."""
    f = points.f
    s, r = weighed(f, signs, points.a, cost)
    factor = None
    if cost * float(kernel.diagonal().mean()) / 4 >= EASY:
        factor = Factor(kernel, np.exp(np.log(s).mean(axis=0)))
        factor = factor if factor.good else None
    x, du, db = _conjugate(kernel, s, r, factor)
    da = s * x
    length = np.abs(du + db[:, None]).max(axis=1)
    size = _sizes(points, signs, cost, (da, du, db), length)
    return points.moved(size, da, du, db), settled(length * size, np.abs(f).max(axis=1))


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


def _conjugate(kernel: Floats, s: Floats, r: Floats, factor: Factor | None) -> tuple[Floats, Floats, Floats]:
    """x, K s x and db of all Newton systems with residuals `r` [B, m], which are overwritten."""
    guide = s if factor is None else factor.h * (factor.s / s)
    total = (s * s).sum(axis=1) if factor is None else np.full(len(s), factor.total, dtype=np.float32)

    def precondition() -> tuple[Floats, Floats]:
        db = np.einsum("bi,bi->b", guide, r) / total
        np.subtract(r, db[:, None] * s, out=r)
        if factor is None:
            return r, db
        z = factor.solve(r * (factor.s / s))
        z *= factor.s / s
        return z, db

    z, db = precondition()
    x, u, p = np.zeros_like(r), np.zeros_like(r), z.copy()
    rz = np.einsum("bi,bi->b", r, z)
    goal = FORCING * rz
    for _ in range(MAX_PRODUCTS):
        if not (rz > goal).any():
            break
        kp = (s * p) @ kernel
        q = s * kp + p
        alpha = _quotient(rz, np.einsum("bi,bi->b", p, q))
        alpha[rz <= goal] = 0  # what is solved stays as it is
        x += alpha[:, None] * p
        u += alpha[:, None] * kp
        r -= alpha[:, None] * q
        z, more = precondition()
        db += more
        before, rz = rz, np.einsum("bi,bi->b", r, z)
        p *= _quotient(rz, before)[:, None]
        p += z
    return x, u, db


def _quotient(above: Floats, below: Floats) -> Floats:
    """The quotient of what is positive, and 0 where nothing is left to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
