"""Joins attention rows over queries and heads, and tells why a cell has no value; it knows no model and no YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import AttentionRows, CellStatus, Floats, Ints, Positions
from layergrid.describing import FacetRows, Rows
from layergrid.text import listed


def over_queries(found: AttentionRows, looking: Sequence[int], index: Ints) -> Floats:
    """The mean [L, H, K, n] over the queries that can look at a key; NaN where none can."""
    able = found.attendable[list(looking)][..., index]
    number = able.sum(axis=0)
    total = np.zeros((*found.values.shape[:2], *number.shape), dtype=np.float32)
    for q, can in zip(looking, able, strict=True):
        total += np.where(can, found.values[:, :, q][..., index], 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))


def joined(values: Floats, heads: str | int) -> tuple[Floats, list[FacetRows]]:
    """Values [L, H, P, n] over heads [L, P, n]: `mean`, `max`, one head, or `each`: the mean with every head beside it.

    Heads that a layer does not have are NaN throughout and do not count.
    """
    has = ~np.asarray(np.isnan(values).all(axis=(2, 3), keepdims=True))
    if isinstance(heads, int):
        return values[:, heads], []
    if heads == "max":
        return np.where(has, values, -np.inf).max(axis=1) + np.where(has.any(axis=1), 0, np.nan), []
    with np.errstate(invalid="ignore"):
        mean = np.where(has, values, 0).sum(axis=1) / has.sum(axis=1)
    one = range(values.shape[1] if heads == "each" else 0)
    return mean, [FacetRows(str(h), "head", f"head {h}", values[:, h]) for h in one]


@dataclass(frozen=True)
class Cells:
    """Which cells have no value because of what attention is."""

    positions: Positions  # P of the grid: keys, or queries
    found: AttentionRows  # its keys or queries are these
    chosen: Rows
    looking: Sequence[int]  # queries that some example has
    entropy: bool = False  # cells are those of queries
    from_second: bool = False  # the first token of a sequence is left out

    def statuses(self) -> dict[tuple[int, int], tuple[CellStatus, str]]:
        """Status and reason by index of layer and position."""
        columns = {p: why for p in range(len(self.positions.names)) if (why := self._column(p))}
        cells = {(i, p): why for i in range(len(self.found.layers)) for p, why in columns.items()}
        for i, layer in enumerate(self.found.layers):
            if layer in self.found.lacking:
                why = CellStatus.LACKING, self.found.lacking[layer]
                cells |= {(i, p): why for p in range(len(self.positions.names))}
        return cells

    def _column(self, p: int) -> tuple[CellStatus, str] | None:
        """Why no layer has a value at a position, if so."""
        source = listed(self.found.queries)
        if not self.looking:
            return CellStatus.MISSING, f"no example that counts has {source}, from which attention is read"
        if not self.chosen.positions[p] or not len(self.chosen.index):
            return None
        n = len(self.chosen.index)
        if self.entropy:
            few = int(np.isnan(self.found.entropy[:, :, p][..., self.chosen.index]).all(axis=(0, 1)).sum())
            why = f"there are fewer than two tokens to look at from there in {_part(few, n)}"
            return (CellStatus.MISSING, why) if few else None
        if self.from_second:
            first = int(np.count_nonzero(self.positions.stop[self.chosen.index, p] == 1))
            if first:
                return CellStatus.MISSING, f"it is the first token, which is left out, in {_part(first, n)}"
        after = int(n - self.found.attendable[list(self.looking), p][:, self.chosen.index].any(axis=0).sum())
        why = f"{self.positions.names[p]} comes after {source} in {_part(after, n)}"
        return (CellStatus.NOT_ATTENDABLE, why) if after else None


def _part(some: int, n: int) -> str:
    return f"{some} of {n} examples" if some < n else "all examples" if n > 1 else "the example"
