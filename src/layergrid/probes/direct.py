"""Logistic probes of one training set in double precision, for what single precision cannot solve; slow and sure.

The system is that of `dual`. A solution that single precision brought near is refined: residuals in double precision,
a factor in single (iterative refinement, Wilkinson 1963). Otherwise every Newton step makes its own factor, and is
halved until the objective falls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Floats
from layergrid.probes.dual import Duals, Factor, Preconditioner, cold, objective, weighed
from layergrid.probes.solving import Array

MAX_STEPS = 100
_GAP = 1e-12  # excess of the objective, as a share of it, at which the search ends
REFINED = 1e-8  # excess at which a refinement ends
_NEAR = 1e-2  # excess from which on the objective is too far from its least value to be refined
_ROUNDS = 12
_RISE = 10.0  # from one cost to the next on the way to the first


def solve_directly(kernel: Floats, sign: Floats, costs: Sequence[float]) -> Duals:
    """Probes of a float64 kernel [m, m] and signs [m] of both classes for increasing costs C; see `dual.excess`."""
    sign = sign.astype(np.float64)
    start = cold(sign)
    a, b = start.a, start.b
    first = 1 / float(kernel.diagonal().mean())
    while first < costs[0] / _RISE:  # from afar Newton's method takes many short steps
        a, b, _ = _newton(kernel, sign, first, a, b)
        first *= _RISE
    found, intercepts, steps = [], [], []
    for cost in costs:
        a, b, taken = _newton(kernel, sign, cost, a, b)
        found.append(a)
        intercepts.append(b)
        steps.append(taken)
    return Duals(np.stack(found), np.array(intercepts), np.array(steps, dtype=np.int64))


def refine(kernel: Floats, sign: Floats, cost: float, a: Floats, b: float) -> tuple[Array, float, int]:
    """Dual coefficients and intercept near a solution of a float32 kernel [m, m], brought nearer, and the steps taken.

    The kernel is read in double precision; its own rounding remains. Ends where the excess does not fall any more.
    """
    wide, signs = kernel.astype(np.float64), sign.astype(np.float64)
    best, level, factor = (a.astype(np.float64), float(b)), np.inf, None
    at = best
    for step in range(_ROUNDS):
        f = wide @ at[0] + at[1]
        s, r = weighed(f, signs, at[0], cost, "float32")
        gap = 0.5 * float(r @ r) / float(objective(f, f - at[1], signs, at[0], cost))
        if not gap < level / 2 or gap > _NEAR:
            return *best, step
        best, level = at, gap
        if gap <= REFINED:
            return *best, step
        rooted, length = s.astype(np.float32), float(np.sqrt(r @ r))
        factor = factor or Factor(kernel, rooted)
        if not factor.good:
            return *best, step
        x, db = Preconditioner(factor, rooted)((r / length).astype(np.float32))
        at = (at[0] + s * (x * length), at[1] + db * length)
    return *best, _ROUNDS


def _newton(kernel: Floats, sign: Floats, cost: float, a: Floats, b: float) -> tuple[Floats, float, int]:
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    u = kernel @ a
    for step in range(MAX_STEPS):
        s, r = weighed(u + b, sign, a, cost)
        before = float(objective(u + b, u, sign, a, cost))
        if 0.5 * float(r @ r) <= _GAP * before:
            return a, b, step
        matrix = s[:, None] * kernel * s
        matrix.flat[:: len(s) + 1] += 1
        try:
            factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:  # weights so uneven that rounding hides the identity: what is there is judged as it is
            return a, b, step
        h, x = cho_solve(factor, np.stack((s, r), axis=1), check_finite=False).T
        db = float(s @ x) / float(s @ h)
        da = s * (x - db * h)
        du = kernel @ da
        size = 1.0
        while size > 1e-6 and not (
            objective(u + b + size * (du + db), u + size * du, sign, a + size * da, cost) <= before
        ):
            size /= 2
        if size <= 1e-6:  # the objective is flat to the last digit
            return a, b, step
        a, b = a + size * da, b + size * db
        u = kernel @ a
    return a, b, MAX_STEPS
