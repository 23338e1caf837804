"""Newton's method for a batch of logistic probes on a torch device, all fits in step and each until it has converged.

It knows rows, classes and penalties; what coefficients are, and how a step is solved, is the affair of a `Space`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from layergrid.artifacts import Bools, Ints
from layergrid.probes.solving import Array

if TYPE_CHECKING:
    from torch import Tensor

MARGIN = 1e-3  # change of the margins that a further step would bring, where the margins are of order 10 or less
GAP = 2.5e-7  # of the objective: the distance from the optimum that the gradient may still allow
MAX_STEPS = 60
_FLOAT32_STEPS = 12  # after so many steps a fit gets factors in float64
_FLOOR = 1e-7  # least curvature of a row, a quarter being the greatest


class Space(Protocol):
    """What coefficients [T, k] mean for margins and weights, and how a step is solved."""

    z: Tensor  # float32 [n, d]
    width: int  # k

    def linear(self, c: Tensor, /) -> Tensor:
        """Margins without the intercept [T, n]."""

    def square(self, c: Tensor, linear: Tensor, /) -> Tensor:
        """Squared lengths of the weights [T]."""

    def step(self, c: Tensor, slope: Tensor, curvature: Tensor, penalty: float, exact: bool, /) -> tuple[Tensor, ...]:
        """Newton's step of coefficients and intercepts, and whether the factor exists."""

    def bound(self, c: Tensor, slope: Tensor, curvature: Tensor, penalty: float, /) -> Tensor:
        """How far the objective may be above its minimum [T]."""

    def weights(self, c: Array, /) -> Array:
        """Weights [T, d] of coefficients [T, k]."""

    def mean(self, rows: Ints, /) -> Array:
        """Mean features [d] of some rows."""

    def hat(self, train: Ints, test: Ints, ridge: float, /) -> Tensor:
        """Ridge predictions [t, m] of centred targets, float64."""

    def ridge(self, train: Ints, targets: Array, ridge: float, /) -> Array:
        """Ridge weights [d] of centred targets [m]."""


@dataclass(frozen=True)
class Fits:
    """The fits of one penalty."""

    coefficients: Array  # [T, k]
    intercepts: Array  # [T]
    margins: Array  # [T, n]
    converged: Bools  # [T]
    steps: Ints  # [T]

    @classmethod
    def joined(cls, parts: Sequence[Fits]) -> Fits:
        """The fits of all parts."""
        names = ("coefficients", "intercepts", "margins", "converged", "steps")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Problem:
    """A batch of logistic probes."""

    space: Space
    sign: Tensor  # float64 [T, n]
    inside: Tensor  # bool [T, n]: training rows

    def at(self, which: Tensor) -> Problem:
        """Some fits of the batch."""
        return Problem(self.space, self.sign[which], self.inside[which])

    def slopes(self, margins: Tensor) -> tuple[Tensor, Tensor]:
        """First and second derivatives of the mean losses in the margins [T, n]; 0 outside the training rows."""
        import torch

        m = self.inside.sum(1, keepdim=True).double()
        miss = torch.sigmoid(-self.sign * margins)
        curvature = (miss * (1 - miss)).clamp_min(_FLOOR)
        return -self.sign * miss * self.inside / m, curvature * self.inside / m

    def objective(self, c: Tensor, linear: Tensor, b: Tensor, penalty: float) -> Tensor:
        """Penalised mean losses [T]."""
        from torch.nn.functional import softplus

        losses = softplus(-self.sign * (linear + b[:, None])) * self.inside
        found: Tensor = losses.sum(1) / self.inside.sum(1) + 0.5 * penalty * self.space.square(c, linear)
        return found

    def largest(self, values: Tensor) -> Tensor:
        """The largest |value| among each fit's training rows [T]."""
        largest: Tensor = (values.abs() * self.inside).amax(1)
        return largest


def path(problem: Problem, penalties: Sequence[float]) -> list[Fits]:
    """The fits of a batch at each penalty, from strong to weak, each from the one before."""
    import torch

    positive = ((problem.sign > 0) & problem.inside).sum(1).double() / problem.inside.sum(1)
    b = torch.log(positive / (1 - positive))
    c = torch.zeros((len(b), problem.space.width), dtype=torch.float64, device=b.device)
    found: dict[int, Fits] = {}
    for r in np.argsort(-np.asarray(penalties, dtype=float), kind="stable"):
        c, b, converged, steps = _newton(problem, c, b, float(penalties[r]))
        margins = problem.space.linear(c) + b[:, None]
        found[int(r)] = Fits(*(each.cpu().numpy() for each in (c, b, margins, converged, steps)))
    return [found[r] for r in range(len(penalties))]


def _newton(problem: Problem, c: Tensor, b: Tensor, penalty: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Newton's method on every fit of the batch until each has converged: coefficients, intercepts, flags, steps."""
    import torch

    c, b = c.clone(), b.clone()
    converged = torch.zeros(len(b), dtype=torch.bool, device=b.device)
    steps = torch.full((len(b),), MAX_STEPS, dtype=torch.int64, device=b.device)
    left = torch.arange(len(b), device=b.device)
    for step in range(1, MAX_STEPS + 1):
        part = problem.at(left)
        c[left], b[left], done = _advance(part, c[left], b[left], penalty, step > _FLOAT32_STEPS)
        steps[left[done]] = step
        converged[left[done]] = True
        left = left[~done]
        if not len(left):
            break
    return c, b, converged, steps


def _advance(part: Problem, c: Tensor, b: Tensor, penalty: float, exact: bool) -> tuple[Tensor, Tensor, Tensor]:
    """One step of every fit, halved until it lowers the objective, and which fits have converged."""
    import torch

    linear = part.space.linear(c)
    slope, curvature = part.slopes(linear + b[:, None])
    dc, db, exists = part.space.step(c, slope, curvature, penalty, exact)
    exists = exists & torch.isfinite(dc).all(1) & torch.isfinite(db)
    dc, db = torch.where(exists[:, None], dc, 0.0), torch.where(exists, db, 0.0)
    turn = part.space.linear(dc)
    moved = part.largest(turn + db[:, None])
    size = torch.ones_like(b)
    before = part.objective(c, linear, b, penalty)
    for _ in range(30):
        now = part.objective(c + size[:, None] * dc, linear + size[:, None] * turn, b + size * db, penalty)
        long = (moved > 1) & ~(now < before)
        if not long.any():
            break
        size = torch.where(long, size / 2, size)
    c, b, linear = c + size[:, None] * dc, b + size * db, linear + size[:, None] * turn
    margins = linear + b[:, None]
    allowed = MARGIN * (0.1 * part.largest(margins)).clamp_min(1)
    slope, curvature = part.slopes(margins)
    bound = part.space.bound(c, slope, curvature, penalty)
    small = torch.maximum(0.05 * moved, 0.5 * moved**2) < allowed
    return c, b, exists & small & (size == 1) & (bound <= GAP * part.objective(c, linear, b, penalty))
