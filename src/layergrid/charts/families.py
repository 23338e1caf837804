"""The grids of a family as small maps over one pair of axes, for a figure on one scale; it draws nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layergrid import text
from layergrid.artifacts import CellStatus, Family, Floats, Grid, GridResult, Results
from layergrid.facts.families import alike
from layergrid.kinds import BadInput


def named(results: Results, name: str) -> Family | None:
    """The family of a name, where no grid has it."""
    if any(one.grid.name == name for one in results.grids):
        return None
    return next((one for one in results.families if one.name == name), None)


def as_one(results: Results, family: Family) -> tuple[GridResult, list[tuple[str, Floats]]]:
    """A grid over all layers and positions of the members, called as the family, and each member's values [L, P] on it.

    The grid holds the cells of the first member and no claim of its own. Raises BadInput for fewer than two members of
    one quantity.
    """
    members = alike(results, family)
    if len(members) < 2:
        raise BadInput(f"figures: multiples: of the grids of {family.name!r} no two hold values of one quantity")
    grids = [grid for _, grid in members]
    layers = tuple(sorted({layer for grid in grids for layer in grid.layers}))
    positions = _merged([grid.positions for grid in grids])
    first = grids[0]

    def over(grid: Grid, values: Floats) -> Floats:
        found = np.full((len(layers), len(positions)), np.nan)
        rows, columns = [layers.index(i) for i in grid.layers], [positions.index(p) for p in grid.positions]
        found[np.ix_(rows, columns)] = np.where(grid.has_value, values, np.nan)
        return found

    value, low, high = (over(first, values) for values in (first.value, first.low, first.high))
    there = np.isfinite(value)
    status = np.where(there, CellStatus.OK.value, CellStatus.TOO_FEW.value)
    nothing = np.zeros(value.shape, dtype=np.int64)
    made = replace(
        first, name=family.name, layers=layers, positions=positions, value=value, low=low, high=high, n=nothing,
        n_positive=nothing, p_adjusted=np.full(value.shape, np.nan), status=status,
        reason=np.full(value.shape, "", dtype="U1"), tied_with_best=np.zeros(value.shape, dtype=np.bool_), facets=(),
        labels=first.labels if positions == first.positions else (), settings={},
    )  # fmt: skip
    return GridResult(made), [(text.visible(words), over(grid, grid.value)) for words, grid in members]


def _merged(orders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """All positions: in the order of the member that has most, those that it lacks after the one they follow."""
    found = list(sorted(orders, key=len)[-1])
    for order in orders:
        for k, one in enumerate(order):
            if one not in found:
                found.insert(found.index(order[k - 1]) + 1 if k else 0, one)
    return tuple(found)
