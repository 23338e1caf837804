"""What is kept of each cell beside its value: the permutation test and the control task; it judges neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import decode_fields, encode, foreign
from layergrid.archive.parquet import escaped, numbers, read_parquet, texts
from layergrid.artifacts import Control, Floats, Grid, Permutation

if TYPE_CHECKING:
    import pyarrow as pa

CONTROL = {"value": "control", "selectivity": "selectivity", "low": "selectivity_low", "high": "selectivity_high"}
OBSERVED = "observed"


def cells_table(grid: Grid, permutation: Permutation | None, control: Control | None) -> pa.Table:
    """One row per cell, in the order of layers, then positions."""
    import pyarrow as pa

    shape = (len(grid.layers), len(grid.positions))
    maps: dict[str, Floats] = {} if permutation is None else {OBSERVED: permutation.observed}
    if control is not None:
        maps |= {column: getattr(control, name) for name, column in CONTROL.items()}
    for name, values in maps.items():
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape}, the grid {shape}")
    layers, positions = _cells(grid)
    arrays = {
        "layer": pa.array(layers, type=pa.int64()),
        "position": pa.array([escaped(one) for one in positions], type=pa.string()),
        **{name: pa.array(values.ravel(), type=pa.float64()) for name, values in maps.items()},
    }
    return pa.table(arrays)


def _cells(grid: Grid) -> tuple[list[int], list[str]]:
    layers = [int(layer) for layer in grid.layers for _ in grid.positions]
    return layers, list(grid.positions) * len(grid.layers)


def maxima_table(permutation: Permutation) -> pa.Table:
    """One row per relabelling."""
    import pyarrow as pa

    return pa.table({"maximum": pa.array(permutation.maxima, type=pa.float64())})


def permutation_card(permutation: Permutation | None) -> dict[str, Any] | None:
    """What results.json says of a permutation test."""
    return None if permutation is None else _rest(permutation, ("observed", "maxima"))


def control_card(control: Control | None) -> dict[str, Any] | None:
    """What results.json says of a control task."""
    return None if control is None else _rest(control, tuple(CONTROL))


def _rest(one: Permutation | Control, arrays: tuple[str, ...]) -> dict[str, Any]:
    return {name: encode(value) for name, value in vars(one).items() if name not in arrays}


# ---------------------------------------------------------------- reading


def read_cells(grid: Grid, columns: list[str], path: Path) -> dict[str, Floats]:
    """The columns [L, P] of a grid's further table. Raises BadInput where it is not the grid's."""
    table = read_parquet(path)
    if table.column_names != ["layer", "position", *columns]:
        foreign(path, f"has not the columns layer, position, {', '.join(columns)}")
    layers, positions = _cells(grid)
    found = numbers(table, "layer", np.int64, path).tolist(), texts(table, "position", path)
    if found != (layers, positions):
        foreign(path, "does not agree with results.json in the cells of its grid")
    shape = (len(grid.layers), len(grid.positions))
    return {name: numbers(table, name, np.float64, path).reshape(shape) for name in columns}


def read_permutation(card: Mapping[str, Any], observed: Floats, path: Path, where: str) -> Permutation:
    """A permutation test, from results.json and the file of its maxima."""
    table = read_parquet(path)
    if table.column_names != ["maximum"]:
        foreign(path, "has not the column maximum")
    maxima = numbers(table, "maximum", np.float64, path)
    return decode_fields(Permutation, card, f"{where}, permutation", observed=observed, maxima=maxima)


def read_control(card: Mapping[str, Any], grid: Grid, cells: Mapping[str, Floats], where: str) -> Control:
    """A control task, from results.json and the columns of its cells."""
    arrays = {name: cells[column] for name, column in CONTROL.items()}
    found = decode_fields(Control, card, f"{where}, control", **arrays)
    if not len(found.types) == len(found.shared) == len(grid.positions):
        foreign(f"{where}, control", "does not say of each position how many types of tokens stand there")
    return found
