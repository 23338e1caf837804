"""Grids as long tables, Parquet and CSV, one row per cell and map; it knows the columns and what no number means."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import foreign
from layergrid.archive.parquet import escaped, numbers, read_parquet, texts
from layergrid.artifacts import CellStatus, Facet, Grid

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "model", "dataset", "grid", "site", "head", "contrast", "layer", "position", "metric", "value", "low", "high",
    "level", "n", "n_positive", "p_adjusted", "status", "reason",
)  # fmt: skip
_MAP = ("value", "low", "high")  # what a facet has of its own
_FLOATS = (*_MAP, "p_adjusted")
_INTS = ("n", "n_positive")
_WORDS = ("status", "reason")
CELLS = (*_FLOATS, *_INTS, *_WORDS)  # the columns that differ from cell to cell; the others repeat the grid's card
LISTED = 20  # differences of a CSV file that are told one by one

# ---------------------------------------------------------------- cells


def columns(grid: Grid) -> dict[str, list[Any]]:
    """The columns of COLUMNS: the cells in the order of layers, then positions, and again for each facet.

    Rows of a facet bear its name as `head` or, for a class or a reference, as `contrast`. They have no counts and no
    p-value; where such a row has no number, its status is the cell's, or `missing` where the cell has one.
    """
    maps = 1 + len(grid.facets)
    size = len(grid.layers) * len(grid.positions)
    heads = [f.name if f.role == "head" else grid.head for f in grid.facets]
    contrasts = [grid.contrast if f.role == "head" else f.name for f in grid.facets]
    states = [_states(grid, facet) for facet in grid.facets]
    none = [None] * (size * len(grid.facets))
    found = {
        **{name: [getattr(grid, name)] * (maps * size) for name in ("model", "dataset", "site", "metric")},
        "grid": [grid.name] * (maps * size),
        "head": _each(size, grid.head, *heads),
        "contrast": _each(size, grid.contrast, *contrasts),
        "layer": [int(layer) for layer in grid.layers for _ in grid.positions] * maps,
        "position": list(grid.positions) * (len(grid.layers) * maps),
        **{name: _flat(getattr(one, name) for one in (grid, *grid.facets)) for name in _MAP},
        "level": [float(grid.level)] * (maps * size),
        "p_adjusted": _flat([grid.p_adjusted]) + [math.nan] * len(none),
        **{name: _flat([getattr(grid, name)]) + none for name in _INTS},
        "status": _flat([grid.status, *(status for status, _ in states)]),
        "reason": _flat([grid.reason, *(reason for _, reason in states)]),
    }
    return {name: found[name] for name in COLUMNS}


def _each(size: int, *values: Any) -> list[Any]:
    return [value for value in values for _ in range(size)]


def _flat(arrays: Iterable[Any]) -> list[Any]:
    return [one for array in arrays for one in array.ravel().tolist()]


def _states(grid: Grid, facet: Facet) -> tuple[Any, Any]:
    """Status and reason of each cell of a facet."""
    there, cell = ~np.isnan(facet.value), ~grid.has_value
    status = np.where(there, CellStatus.OK.value, np.where(cell, grid.status, CellStatus.MISSING.value))
    return status, np.where(~there & cell, grid.reason, "")


def _written(values: list[Any]) -> list[Any]:
    """A column of texts as UTF-8 can hold it; most columns repeat a few of them."""
    known = {value: escaped(value) for value in set(values)}
    return [known[value] for value in values]


def _texts(name: str) -> bool:
    return name not in _FLOATS + _INTS + ("layer", "level")


def long(grid: Grid) -> pa.Table:
    """The rows of a grid as an Arrow table."""
    import pyarrow as pa

    kinds = {**dict.fromkeys((*_FLOATS, "level"), pa.float64()), **dict.fromkeys((*_INTS, "layer"), pa.int64())}
    return pa.table(
        {
            name: pa.array(_written(values) if _texts(name) else values, type=kinds.get(name, pa.string()))
            for name, values in columns(grid).items()
        }
    )


def read_long(grid: Grid, path: Path) -> Grid:
    """The grid with its arrays, and those of its facets, from its file; what else stands there must agree with it."""
    table = read_parquet(path)
    if tuple(table.column_names) != COLUMNS:
        foreign(path, f"has not the columns {', '.join(COLUMNS)}")
    shape = (len(grid.layers), len(grid.positions))
    size, maps = math.prod(shape), 1 + len(grid.facets)
    if table.num_rows != size * maps:
        also = f" in {maps} maps" if grid.facets else ""
        foreign(path, f"has {table.num_rows} rows where the grid has {size} cells{also}")
    main = table.slice(0, size)
    found: dict[str, Any] = {name: numbers(main, name, np.float64, path).reshape(shape) for name in _FLOATS}
    found |= {name: numbers(main, name, np.int64, path).reshape(shape) for name in _INTS}
    found |= {name: np.array(texts(main, name, path), dtype=np.str_).reshape(shape) for name in _WORDS}
    further = [
        {name: numbers(table.slice(i * size, size), name, np.float64, path).reshape(shape) for name in _MAP}
        for i in range(1, maps)
    ]
    found["facets"] = tuple(replace(facet, **one) for facet, one in zip(grid.facets, further, strict=True))
    whole = Grid(**{f.name: found.get(f.name, getattr(grid, f.name)) for f in fields(grid)})
    _agree(table, long(whole), size, path)
    return whole


def _agree(table: pa.Table, wanted: pa.Table, size: int, path: Path) -> None:
    """Columns that follow from the grid's card, and all of a facet that is not its own, as they are written."""
    for name in COLUMNS:
        there, right = (one.column(name).slice(size if name in CELLS else 0) for one in (table, wanted))
        if name == "p_adjusted":
            agrees = bool(np.isnan(numbers(table, name, np.float64, path)[size:]).all())
        else:
            agrees = name in _MAP or there.equals(right)
        if not agrees:
            foreign(path, f"does not agree with results.json in the column {name!r}")


# ---------------------------------------------------------------- comma-separated values


def csv_of(grid: Grid) -> str:
    """The grid as CSV: full precision, nothing where a number is missing, lines ended by a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    shown = [
        _written(values) if _texts(name) else [_csv_cell(one) for one in values]
        for name, values in columns(grid).items()
    ]
    # A lone carriage return ends a line for readers, yet the library does not quote it.
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    returns = any("\r" in one for values in shown for one in set(values))
    for row in zip(*shown, strict=True):
        (quoting if returns and any("\r" in one for one in row) else writer).writerow(row)
    return out.getvalue()


def _csv_cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(value)


def csv_differences(path: Path, grid: Grid) -> list[str]:
    """Where a CSV file says something else than the grid: one sentence each, with the row."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            written = stream.read()
        right = csv_of(grid)
        if written == right:
            return []
        there = list(csv.reader(io.StringIO(written, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        return [f"{path}: cannot be read ({error})"]
    wanted = list(csv.reader(io.StringIO(right, newline="")))
    if len(there) != len(wanted):
        return [f"{path}: has {len(there)} rows where the grid has {len(wanted)}, the header counted"]
    found = []
    for line, (row, correct) in enumerate(zip(there, wanted, strict=True), start=1):
        if len(row) != len(correct):
            found.append(f"{path}, row {line}: has {len(row)} columns in place of {len(correct)}")
            continue
        cells = zip(COLUMNS, row, correct, strict=True)
        found += [f"{path}, row {line}: {c} is {a!r}, but {b!r} in the grid" for c, a, b in cells if a != b]
    if len(found) > LISTED:
        return [*found[:LISTED], f"{path}: differs from the grid in {len(found) - LISTED} further places"]
    return found


def without_arrays(grid: Grid) -> dict[str, Any]:
    """The fields of a grid that its table does not hold; facets as their names, roles and labels."""
    kept = {f.name: getattr(grid, f.name) for f in fields(grid) if f.name not in (*CELLS, "tied_with_best")}
    return {**kept, "facets": [{"name": f.name, "role": f.role, "label": f.label} for f in grid.facets]}


def empty_arrays() -> Mapping[str, Any]:
    """Arrays of no cell, by the fields of Grid that hold arrays."""
    return {name: np.zeros(0) for name in (*CELLS, "tied_with_best")}
