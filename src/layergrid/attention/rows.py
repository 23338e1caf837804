"""Reduces rows of attention weights to what a grid needs of them; it knows tensors, never a model.

Letters: B batch, H heads, R rows (query tokens), Q queries, T tokens (keys), K keys asked for, d width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layergrid.artifacts import Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Asked:
    """The rows and keys that one batch is asked for."""

    rows: torch.Tensor  # int64 [B, R]: query tokens; short lists are filled up with one of their own
    share: torch.Tensor  # float32 [B, Q, R]: a query is the mean of its rows; zeros where an example lacks it
    keys: torch.Tensor | None  # float32 [B, T, K]: 1 where a token belongs to a key; None: every token is a key
    real: torch.Tensor  # bool [B, T]: False where a sequence is filled up
    drop: bool  # the first token is left out and the row renormalised

    def on(self, device: Any) -> Asked:
        """The same on another device."""
        keys = None if self.keys is None else self.keys.to(device)
        return replace(
            self, rows=self.rows.to(device), share=self.share.to(device), keys=keys, real=self.real.to(device)
        )


@dataclass(frozen=True)
class Reduced:
    """What stays of one layer of one batch: NumPy arrays, NaN where an example lacks the query."""

    values: Floats  # float32 [B, H, Q, K]
    entropy: Floats  # float32 [B, H, Q]
    first: Floats  # float32 [B, H, Q]
    mass: Floats  # float32 [B, H, Q]


@dataclass(frozen=True)
class Taken:
    """What stays of one batch."""

    found: Mapping[int, Reduced]  # by layer
    changed: Mapping[int, str]  # layers where value weighting is not defined -> why
    ahead: bool  # some key after its query could be looked at


class Sums:
    """Adds up rows, a part of them at a time, so that what is held at once does not grow with the length of spans."""

    def __init__(self, asked: Asked) -> None:
        """Nothing is added up yet."""
        self.asked = asked
        self.looked: Any = 0.0  # [B, H, Q, T]
        self.first: Any = 0.0  # [B, H, Q]
        self.mass: Any = 0.0
        self.hollow: Any = 0.0  # above 0 where some row of a query has no weight left
        self.attendable: Any = False  # [B, H or 1, Q, T]

    def add(
        self, part: slice, weights: torch.Tensor, allowed: torch.Tensor | None, mass: torch.Tensor | None = None
    ) -> None:
        """Weights [B, H, r, T] of the rows `part` of those asked for, r of R.

        `allowed` (bool, broadcast to [B, H, r, T]) says which keys a row may look at; None: all real ones. `mass`
        [B, H, r] is the sum of the plain weights where `weights` are shares of something else.
        """
        import torch

        share, weights = self.asked.share[..., part], weights.float()
        self.mass = self.mass + torch.einsum(_MEAN, share, weights.sum(-1) if mass is None else mass.float())
        self.first = self.first + torch.einsum(_MEAN, share, weights[..., 0])
        if self.asked.drop:
            weights = weights.clone()
            weights[..., 0] = 0
            total = weights.sum(-1, keepdim=True)
            self.hollow = self.hollow + torch.einsum(_MEAN, share, total[..., 0].eq(0).float())
            weights = weights / total.masked_fill(total == 0, 1)
        self.looked = self.looked + torch.einsum("bqr,bhrt->bhqt", share, weights)
        if allowed is None:
            self.attendable = self.asked.real[:, None, None, :]
        else:
            rows = allowed.expand(len(share), -1, share.shape[2], -1).float()
            self.attendable = self.attendable | torch.einsum("bqr,bhrt->bhqt", share, rows).gt(0)

    def reduced(self) -> Reduced:
        """What the rows amount to.

        Entropy is that of the weights over the attendable keys, made to add up to 1, over the logarithm of the number
        of those keys; NaN where there are fewer than two.
        """
        missing = self.asked.share.sum(-1).eq(0)[:, None, :]
        hollow = missing | (self.hollow > 0)
        values = self.looked if self.asked.keys is None else self.looked @ self.asked.keys[:, None]
        return Reduced(
            _kept(values, hollow[..., None]),
            _kept(self._entropy(), hollow),
            _kept(self.first, missing),
            _kept(self.mass, missing),
        )

    def _entropy(self) -> torch.Tensor:
        import torch

        attendable = self.attendable & self.asked.real[:, None, None, :]
        number = attendable.sum(-1)
        if self.asked.drop:
            number = number - attendable[..., 0].long()
        shares = self.looked / self.looked.sum(-1, keepdim=True)
        found: torch.Tensor = torch.special.entr(shares).sum(-1) / number.clamp(min=2).log()
        found = found.clamp(0, 1)  # beyond these bounds by rounding alone
        return found.masked_fill(number < 2, math.nan)


_MEAN = "bqr,bhr->bhq"


def _kept(found: torch.Tensor, blank: torch.Tensor) -> Floats:
    kept: Floats = found.masked_fill(blank, math.nan).cpu().numpy()
    return kept


# ---------------------------------------------------------------- value weighting


def output_maps(output: Any, heads: int, like: torch.Tensor) -> torch.Tensor:
    """For each head, R of W_O = Q R: float32 [H, d, d], so that |W_O v| = |R v|; the projection's bias is left out.

    The columns of W_O are what the projection makes of unit vectors, less what it makes of zero: true of any linear
    module, transposed or quantized. `like` [.., H d] is an input of it.
    """
    import torch

    units = torch.eye(like.shape[-1], device=like.device, dtype=like.dtype)
    columns = output(units).float() - output(torch.zeros_like(units[:1])).float()
    return torch.stack([_triangle(part) for part in columns.view(heads, -1, columns.shape[-1]).transpose(1, 2)])


def _triangle(columns: torch.Tensor) -> torch.Tensor:
    """R [d, d] of columns [D, d]; where D is smaller than d it is filled up with zeros."""
    import torch

    found = torch.linalg.qr(columns.double(), mode="r").R.float()
    return torch.nn.functional.pad(found, (0, 0, 0, columns.shape[1] - len(found)))


def value_norms(value: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """|W_O v_j| of each head and key, [B, H, T], from values [B, key/value heads, T, d] and `output_maps` [H, d, d].

    Heads that share a key/value head stand next to each other.
    """
    import torch

    groups = len(maps) // value.shape[1]
    shared = value.float().repeat_interleave(groups, dim=1)
    found: torch.Tensor = torch.linalg.vector_norm(shared @ maps.transpose(1, 2), dim=-1)
    return found


def value_shares(weights: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """Norms of alpha_ij W_O v_j over their sum over j: [B, H, R, T] (Kobayashi et al. 2020)."""
    scaled = weights.float() * norms[:, :, None, :]
    shares: torch.Tensor = scaled / scaled.sum(-1, keepdim=True)
    return shares


# ---------------------------------------------------------------- rollout


def roll(before: torch.Tensor | None, mean: torch.Tensor) -> torch.Tensor:
    """Rollout after one more layer, [B, T, T]: (A / 2 + I / 2), its rows adding up to 1, times what was before.

    `mean` is the layer's attention, mean over heads [B, T, T] (Abnar & Zuidema 2020).
    """
    import torch

    step = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1], device=mean.device)
    step = step / step.sum(-1, keepdim=True)
    return step if before is None else step @ before
