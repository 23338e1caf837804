"""Probes on a torch device: all training sets or labellings of a call as one batch of Cholesky factors.

Steps are solved in float32, and what they leave is computed in float64, so that rounding slows the steps but does not
move their end; where float32 is not enough, the factors are float64 too. Settings of torch are left alone; sums are in
a fixed order. It knows rows and targets, never folds or grids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.batched import Fits, Problem, Space, path
from layergrid.probes.scaling import Scaling
from layergrid.probes.solving import Array, Direction, Solution, Task

if TYPE_CHECKING:
    from torch import Tensor

_BYTES = 1 << 30  # of the factors of one batch
_ROWS = 4096  # rows at once, where features and not their Gram matrix are kept
_MOST_ROWS = 12_000  # rows whose Gram matrix is kept


class TorchSolver:
    """The probes of features [n, d] on a torch `device`; a Gram matrix is kept where rows are few, else the features.

    Raises ValueError where features are not finite or all constant.
    """

    def __init__(self, features: Floats, device: str = "cuda"):
        import torch

        self._scaling = Scaling.of(features)
        if not np.isfinite(self._scaling.mean).all():
            raise ValueError("features must be finite")
        if not self._scaling.inverse.any():
            raise ValueError("all features are constant")
        z = torch.from_numpy(self._scaling.standard(features, np.float32)).to(device)
        n, d = z.shape
        self._space: Space = _Rows(z) if n <= min(1.5 * d, _MOST_ROWS) else _Weights(z)

    def paths(self, tasks: Sequence[Task], penalties: Sequence[float]) -> list[Solution]:
        """Logistic probes of every task at every penalty; ValueError where a class is absent."""
        if not tasks:
            return []
        fits = self._fit([task.train for task in tasks], np.stack([task.y for task in tasks]), penalties)
        return [
            Solution(
                np.stack([fit.margins[t][task.test] for fit in fits]).astype(np.float32),
                np.array([fit.converged[t] for fit in fits]),
                np.array([fit.steps[t] for fit in fits], dtype=np.int64),
            )
            for t, task in enumerate(tasks)
        ]

    def relabelled(self, train: Ints, test: Ints, y: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Logistic probes of many labellings `y` [B, n] at once: scores float32 [B, t], converged [B]."""
        fit = self._fit([train] * len(y), y, [penalty])[0]
        return fit.margins[:, test].astype(np.float32), fit.converged

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """The matrix float32 [t, m] that makes ridge predictions of the test rows from any training targets [m]."""
        found = self._space.hat(train, test, len(train) * penalty)
        found = found + (1 / len(train) - found.mean(dim=1, keepdim=True))
        return np.asarray(found.cpu().numpy(), dtype=np.float32)

    def direction(self, train: Ints, y: Floats, penalty: float, probe: str) -> Direction:
        """One `probe` (logistic, ridge, mean_difference) of targets `y` [n], in units of the features as given."""
        if probe == "logistic":
            fit = self._fit([train], np.asarray(y)[None] > 0, [penalty])[0]
            return self._as_given(self._space.weights(fit.coefficients)[0], fit.intercepts[0], bool(fit.converged[0]))
        if probe == "ridge":
            targets = np.asarray(y, dtype=np.float64)[train]
            weights = self._space.ridge(train, targets - targets.mean(), len(train) * penalty)
            return self._as_given(weights, float(targets.mean() - self._space.mean(train) @ weights))
        if probe == "mean_difference":
            positive = np.asarray(y)[train] > 0
            high, low = self._space.mean(train[positive]), self._space.mean(train[~positive])
            return self._as_given(high - low, -float((high - low) @ (high + low)) / 2)
        raise ValueError(f"no probe is called {probe!r}; there are logistic, ridge and mean_difference")

    def _as_given(self, weights: Array, intercept: float, converged: bool = True) -> Direction:
        given, shift = self._scaling.outward(weights)
        return Direction(given, float(intercept) + shift, converged)

    def _fit(self, train: Sequence[Ints], y: Bools, penalties: Sequence[float]) -> list[Fits]:
        """The fits of each training set and labelling at each penalty, in the order given."""
        import torch

        inside = np.zeros((len(train), y.shape[1]), dtype=bool)
        for own, rows in zip(inside, train, strict=True):
            own[rows] = True
        if not ((y & inside).any(axis=1) & (~y & inside).any(axis=1)).all():
            raise ValueError("a probe needs training rows of both classes")
        device, size = self._space.z.device, max(1, _BYTES // (4 * self._space.width**2))
        parts = []
        for first in range(0, len(train), size):
            own_rows = torch.from_numpy(inside[first : first + size]).to(device)
            sign = torch.from_numpy(np.where(y[first : first + size], 1.0, -1.0)).to(device)
            parts.append(path(Problem(self._space, sign, own_rows), penalties))
        return [Fits.joined([part[r] for part in parts]) for r in range(len(penalties))]


@dataclass
class _Rows:
    """Coefficients of the rows: weights are Z'a, margins K a + b with the Gram matrix K."""

    z: Tensor  # float32 [n, d]

    def __post_init__(self) -> None:
        self.width = self.z.shape[0]
        wide = self.z.double()  # sums of products in single precision would hide weak directions from a weak ridge
        self._gram = wide @ wide.T
        self._gram32 = self._gram.float()

    def linear(self, a: Tensor) -> Tensor:
        """Margins without the intercept [T, n]."""
        return a @ self._gram

    def square(self, a: Tensor, linear: Tensor) -> Tensor:
        """Squared lengths of the weights [T]."""
        return (a * linear).sum(1)

    def step(self, a: Tensor, slope: Tensor, curvature: Tensor, penalty: float, exact: bool) -> tuple[Tensor, ...]:
        """Newton's step of coefficients and intercepts, and whether the factor exists."""
        import torch

        root = (curvature / penalty).sqrt()
        rest = torch.where(root > 0, (-slope / penalty - a) / root.clamp_min(1e-300), 0.0)
        gram = self._gram if exact else self._gram32
        s = root.to(gram.dtype)
        matrix = s[:, :, None] * gram * s[:, None, :]
        matrix.diagonal(dim1=1, dim2=2).add_(1)
        factor, info = torch.linalg.cholesky_ex(matrix)
        solved = torch.cholesky_solve(torch.stack((rest, root), 2).to(gram.dtype), factor).double()
        shift = ((root * solved[:, :, 0]).sum(1) + a.sum(1)) / (root * solved[:, :, 1]).sum(1)
        return root * (solved[:, :, 0] - shift[:, None] * solved[:, :, 1]), shift, info == 0

    def bound(self, a: Tensor, slope: Tensor, curvature: Tensor, penalty: float) -> Tensor:
        """How far the objective may be above its minimum [T]: strong convexity, by the gradient's length."""
        total = curvature.sum(1)
        rest = penalty * a + slope - curvature * (slope.sum(1) / total)[:, None]
        return self.square(rest, self.linear(rest)) / (2 * penalty) + slope.sum(1) ** 2 / (2 * total)

    def weights(self, a: Array) -> Array:
        """Weights [T, d] of coefficients [T, n]."""
        import torch

        return np.asarray((torch.from_numpy(a).to(self.z.device) @ self.z.double()).cpu().numpy())

    def mean(self, rows: Ints) -> Array:
        """Mean features [d] of some rows."""
        return _mean(self.z, rows)

    def hat(self, train: Ints, test: Ints, ridge: float) -> Tensor:
        """Ridge predictions [t, m] of centred targets, float64."""
        import torch

        own, others = (torch.from_numpy(rows).to(self.z.device) for rows in (train, test))
        cross, column = self._gram[others][:, own], self._gram[own][:, own].mean(0)
        cross = cross - column - cross.mean(1, keepdim=True) + column.mean()
        return torch.cholesky_solve(cross.T, self._factor(own, ridge)).T

    def ridge(self, train: Ints, targets: Array, ridge: float) -> Array:
        """Ridge weights [d] of centred targets [m]."""
        import torch

        own = torch.from_numpy(train).to(self.z.device)
        y = torch.from_numpy(targets).to(self.z.device)[:, None]
        dual = torch.cholesky_solve(y, self._factor(own, ridge))[:, 0]
        return np.asarray(((dual - dual.mean()) @ self.z[own].double()).cpu().numpy())

    def _factor(self, own: Tensor, ridge: float) -> Tensor:
        import torch

        gram = self._gram[own][:, own]
        column = gram.mean(0)
        gram = gram - column - column[:, None] + column.mean()
        gram.diagonal().add_(ridge)
        factor: Tensor = torch.linalg.cholesky(gram)
        return factor


@dataclass
class _Weights:
    """Coefficients are the weights; the features are kept, and multiplied by blocks of rows."""

    z: Tensor  # float32 [n, d]

    def __post_init__(self) -> None:
        self.width = self.z.shape[1]

    def parts(self, values: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of rows of the features, and the columns of `values` that belong to them."""
        for first in range(0, len(self.z), _ROWS):
            yield self.z[first : first + _ROWS], values[:, first : first + _ROWS]

    def linear(self, w: Tensor) -> Tensor:
        """Margins without the intercept [T, n]."""
        import torch

        return torch.cat([w @ part.double().T for part, _ in self.parts(w)], 1)

    def square(self, w: Tensor, _linear: Tensor) -> Tensor:
        """Squared lengths of the weights [T]."""
        return (w * w).sum(1)

    def columns(self, values: Tensor) -> Tensor:
        """Z'u of vectors [T, n]."""
        import torch

        found = torch.zeros((len(values), self.width), dtype=torch.float64, device=values.device)
        for part, own in self.parts(values):
            found += own @ part.double()
        return found

    def step(self, w: Tensor, slope: Tensor, curvature: Tensor, penalty: float, exact: bool) -> tuple[Tensor, ...]:
        """Newton's step of weights and intercepts, and whether the factor exists."""
        import torch

        total, centre = curvature.sum(1), self.columns(curvature)
        real = torch.float64 if exact else torch.float32
        middle = (centre / total[:, None]).to(real)
        matrix = torch.zeros((len(w), self.width, self.width), dtype=real, device=w.device)
        for part, own in self.parts(curvature):
            for found, root, mean in zip(matrix, own.sqrt().to(real), middle, strict=True):
                rooted = (part.to(real) - mean) * root[:, None]
                found.addmm_(rooted.T, rooted)
        matrix.diagonal(dim1=1, dim2=2).add_(penalty)
        factor, info = torch.linalg.cholesky_ex(matrix)
        gradient = self._reduced(w, slope, curvature, penalty)
        step = -torch.cholesky_solve(gradient.to(real)[:, :, None], factor)[:, :, 0].double()
        return step, -(slope.sum(1) + (centre * step).sum(1)) / total, info == 0

    def bound(self, w: Tensor, slope: Tensor, curvature: Tensor, penalty: float) -> Tensor:
        """How far the objective may be above its minimum [T]: strong convexity, by the gradient's length."""
        gradient = self._reduced(w, slope, curvature, penalty)
        return (gradient**2).sum(1) / (2 * penalty) + slope.sum(1) ** 2 / (2 * curvature.sum(1))

    def _reduced(self, w: Tensor, slope: Tensor, curvature: Tensor, penalty: float) -> Tensor:
        """The gradient once the intercept has taken its own best step."""
        off = slope - curvature * (slope.sum(1) / curvature.sum(1))[:, None]
        return self.columns(off) + penalty * w

    def weights(self, w: Array) -> Array:
        """Weights [T, d]."""
        return w

    def mean(self, rows: Ints) -> Array:
        """Mean features [d] of some rows."""
        return _mean(self.z, rows)

    def hat(self, train: Ints, test: Ints, ridge: float) -> Tensor:
        """Ridge predictions [t, m] of centred targets, float64."""
        import torch

        own, others = (self.z[torch.from_numpy(rows).to(self.z.device)].double() for rows in (train, test))
        mean = own.mean(0)
        own, others = own - mean, others - mean
        return torch.cholesky_solve(others.T, self._factor(own, ridge)).T @ own.T

    def ridge(self, train: Ints, targets: Array, ridge: float) -> Array:
        """Ridge weights [d] of centred targets [m]."""
        import torch

        own = self.z[torch.from_numpy(train).to(self.z.device)].double()
        own = own - own.mean(0)
        side = own.T @ torch.from_numpy(targets).to(own.device)
        return np.asarray(torch.cholesky_solve(side[:, None], self._factor(own, ridge))[:, 0].cpu().numpy())

    def _factor(self, own: Tensor, ridge: float) -> Tensor:
        import torch

        matrix = own.T @ own
        matrix.diagonal().add_(ridge)
        factor: Tensor = torch.linalg.cholesky(matrix)
        return factor


def _mean(z: Tensor, rows: Ints) -> Array:
    import torch

    return np.asarray(z[torch.from_numpy(rows).to(z.device)].double().mean(0).cpu().numpy())
