"""Values that cells are means of as Parquet, one row per example; it knows no statistic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layergrid.archive.documents import foreign
from layergrid.archive.parquet import escaped, numbers, read_groups, texts
from layergrid.artifacts import Grid, Measured
from layergrid.text import visible

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 16 << 20  # of measured values in one row group


def _measured_names(facets: Iterable[str]) -> list[str]:
    return ["example_id", "group", "label", "cells", *(visible(f"facet.{one}") for one in facets)]


def measured_tables(measured: Measured) -> Iterator[pa.Table]:
    """Measured values as Arrow tables of some rows each: one row per example.

    The column `cells` holds a list per example, its value in every cell in the order of layers, then positions; so does
    a column for each facet. (A column per cell would take minutes where one text is a grid of ten thousand cells.)
    """
    import pyarrow as pa

    maps = [measured.cells, *measured.facets.values()]
    size, n = math.prod(measured.cells.shape[:2]), len(measured.example_ids)
    step = max(1, GROUP_BYTES // max(1, measured.cells.itemsize * size * len(maps)))
    kinds = [pa.list_(pa.field("item", pa.from_numpy_dtype(one.dtype), nullable=False)) for one in maps]
    types = [pa.string(), pa.string(), pa.bool_(), *kinds]
    names = _measured_names(measured.facets)
    schema = pa.schema([pa.field(a, b, nullable=False) for a, b in zip(names, types, strict=True)])
    for start in range(0, max(1, n), step):
        rows = slice(start, min(n, start + step))
        taken = [np.ascontiguousarray(one.reshape(size, n)[:, rows].T) for one in maps]
        arrays = [
            pa.array([escaped(one) for one in measured.example_ids[rows]], type=pa.string()),
            pa.array([escaped(one) for one in measured.groups[rows]], type=pa.string()),
            pa.array(measured.labels[rows], type=pa.bool_()),
            *(_lists(one, kind) for one, kind in zip(taken, kinds, strict=True)),
        ]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _lists(values: Any, kind: pa.DataType) -> pa.Array:
    """The rows of an array as lists of equal length."""
    import pyarrow as pa

    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(values.shape[1])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()), type=kind)


def read_measured(grid: Grid, facets: tuple[str, ...], statistic: Literal["mean", "median"], path: Path) -> Measured:
    """The measured values of a grid, from their file. Raises BadInput where it is not theirs."""
    names = _measured_names(facets)
    size = len(grid.layers) * len(grid.positions)
    words: tuple[list[str], list[str]] = ([], [])
    labels: list[Any] = []
    parts: list[list[Any]] = [[] for _ in names[3:]]
    for table in read_groups(path):
        if table.column_names != names:
            foreign(path, "has not one column for the cells of its grid and for each facet of results.json")
        for found, name in zip(words, names, strict=False):
            found += texts(table, name, path)
        labels.append(numbers(table, "label", np.bool_, path))
        for found, column in zip(parts, range(3, len(names)), strict=True):
            found.append(_values(table, column, size, path))
    shape = (len(grid.layers), len(grid.positions), len(words[0]))
    cells, *further = (np.concatenate(found, axis=1).reshape(shape) for found in parts)
    return Measured(
        example_ids=tuple(words[0]),
        groups=tuple(words[1]),
        labels=np.concatenate(labels),
        cells=cells,
        facets=dict(zip(facets, further, strict=True)),
        statistic=statistic,
    )


def _values(table: pa.Table, column: int, size: int, path: Path) -> Any:
    """The lists of one column as an array [cells, rows]."""
    import pyarrow as pa

    found = table.column(column).combine_chunks()
    kind = found.type
    if not (pa.types.is_list(kind) and pa.types.is_floating(kind.value_type)) or found.null_count:
        foreign(path, f"has no lists of numbers in the column {table.column_names[column]!r}")
    values = found.flatten()
    if values.null_count or not (found.value_lengths().to_numpy() == size).all():
        foreign(path, f"has not one number for each cell of its grid in the column {table.column_names[column]!r}")
    return values.to_numpy().reshape(len(found), size).T
