"""Grids and held-out scores as Parquet and CSV, one row per cell or per example; it knows the columns of both."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import AGAIN, foreign
from layergrid.artifacts import Grid, HeldOut
from layergrid.kinds import BadInput
from layergrid.text import visible

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "model", "dataset", "grid", "site", "head", "contrast", "layer", "position", "metric", "value", "low", "high",
    "level", "n", "n_positive", "p_adjusted", "status", "reason",
)  # fmt: skip
_FLOATS = ("value", "low", "high", "p_adjusted")
_INTS = ("n", "n_positive")
_WORDS = ("status", "reason")
CELLS = (*_FLOATS, *_INTS, *_WORDS)  # the columns that differ from cell to cell; the others repeat the grid's card

# ---------------------------------------------------------------- cells


def rows(grid: Grid) -> list[dict[str, Any]]:
    """One row per cell, the columns of COLUMNS, in the order of layers, then positions."""
    card = {
        "model": grid.model, "dataset": grid.dataset, "grid": grid.name, "site": grid.site, "head": grid.head,
        "contrast": grid.contrast, "metric": grid.metric, "level": float(grid.level),
    }  # fmt: skip
    found = []
    for i, layer in enumerate(grid.layers):
        for j, position in enumerate(grid.positions):
            cell = {name: getattr(grid, name)[i, j].item() for name in CELLS}
            row = {**card, "layer": int(layer), "position": position, **cell}
            found.append({name: row[name] for name in COLUMNS})
    return found


def long(grid: Grid) -> pa.Table:
    """The rows of a grid as an Arrow table."""
    import pyarrow as pa

    kinds = {**dict.fromkeys((*_FLOATS, "level"), pa.float64()), **dict.fromkeys((*_INTS, "layer"), pa.int64())}
    found = rows(grid)
    columns = {
        name: pa.array([_escaped(row[name]) for row in found], type=kinds.get(name, pa.string())) for name in COLUMNS
    }
    return pa.table(columns)


def read_long(grid: Grid, path: Path) -> dict[str, Any]:
    """The arrays [L, P] of a grid, from its file; whatever else stands there must agree with the grid's card."""
    table = _read_parquet(path)
    if tuple(table.column_names) != COLUMNS:
        foreign(path, f"has not the columns {', '.join(COLUMNS)}")
    shape = (len(grid.layers), len(grid.positions))
    if table.num_rows != math.prod(shape):
        foreign(path, f"has {table.num_rows} rows where the grid has {math.prod(shape)} cells")
    found: dict[str, Any] = {}
    for name in _FLOATS:
        found[name] = _numbers(table, name, np.float64, path).reshape(shape)
    for name in _INTS:
        found[name] = _numbers(table, name, np.int64, path).reshape(shape)
    for name in _WORDS:
        found[name] = np.array(_texts(table, name, path), dtype=np.str_).reshape(shape)
    card = {name: [row[name] for row in rows(_with(grid, found))] for name in COLUMNS if name not in CELLS}
    for name, wanted in card.items():
        there = (
            _numbers(table, name, np.float64, path).tolist()
            if name in ("level", "layer")
            else _texts(table, name, path)
        )
        if there != wanted:
            foreign(path, f"does not agree with results.json in the column {name!r}")
    return found


def _with(grid: Grid, cells: Mapping[str, Any]) -> Grid:
    return Grid(**{f.name: cells.get(f.name, getattr(grid, f.name)) for f in fields(grid)})


# ---------------------------------------------------------------- held-out scores


def _wide_names(grid: Grid, baselines: Iterable[str]) -> list[str]:
    cells = [f"cell.{layer}.{position}" for layer in grid.layers for position in grid.positions]
    names = ["example_id", "group", "label", "fold", "nested", *(f"baseline.{one}" for one in baselines), *cells]
    return [visible(name) for name in names]  # a column's name may hold no NUL; its place decides what it is


def wide(grid: Grid, held: HeldOut) -> pa.Table:
    """Held-out scores as an Arrow table: one row per example, a column per baseline and per cell."""
    import pyarrow as pa

    n = len(held.example_ids)
    arrays = [
        pa.array([_escaped(one) for one in held.example_ids], type=pa.string()),
        pa.array([_escaped(one) for one in held.groups], type=pa.string()),
        pa.array(held.labels, type=pa.bool_()),
        pa.array(held.folds, type=pa.int64()),
        pa.array(held.nested, type=pa.float64()),
        *(pa.array(one, type=pa.float64()) for one in held.baselines.values()),
        *(pa.array(one) for one in held.cells.reshape(math.prod(held.cells.shape[:2]), n)),
    ]
    return pa.Table.from_arrays(arrays, names=_wide_names(grid, held.baselines))


def read_wide(grid: Grid, baselines: tuple[str, ...], path: Path) -> HeldOut:
    """The held-out scores of a grid, from their file. Raises BadInput where it is not theirs."""
    table = _read_parquet(path)
    names = _wide_names(grid, baselines)
    if table.column_names != names:
        foreign(path, "has not one column for each cell of its grid and each baseline of results.json")
    count = len(names) - 5 - len(baselines)
    cells = [_numbers(table, i, None, path) for i in range(len(names) - count, len(names))]
    shape = (len(grid.layers), len(grid.positions), table.num_rows)
    return HeldOut(
        example_ids=tuple(_texts(table, "example_id", path)),
        groups=tuple(_texts(table, "group", path)),
        labels=_numbers(table, "label", np.bool_, path),
        folds=_numbers(table, "fold", np.int64, path),
        cells=np.stack(cells).reshape(shape) if cells else np.zeros(shape, np.float32),
        nested=_numbers(table, "nested", np.float64, path),
        baselines={one: _numbers(table, 5 + i, np.float64, path) for i, one in enumerate(baselines)},
    )


# ---------------------------------------------------------------- comma-separated values


def csv_of(grid: Grid) -> str:
    """The grid as CSV: full precision, nothing where a number is missing, lines ended by a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_csv_cell(row[name]) for name in COLUMNS] for row in rows(grid))
    return out.getvalue()


def csv_differences(path: Path, grid: Grid) -> list[str]:
    """Where a CSV file says something else than the grid: one sentence each, with the row."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            there = list(csv.reader(stream))
    except (OSError, ValueError, csv.Error) as error:
        return [f"{path}: cannot be read ({error})"]
    wanted = list(csv.reader(io.StringIO(csv_of(grid), newline="")))
    if len(there) != len(wanted):
        return [f"{path}: has {len(there)} rows where the grid has {len(wanted)}, the header counted"]
    found = []
    for line, (row, right) in enumerate(zip(there, wanted, strict=True), start=1):
        if len(row) != len(right):
            found.append(f"{path}, row {line}: has {len(row)} columns in place of {len(right)}")
            continue
        cells = zip(COLUMNS, row, right, strict=True)
        found += [f"{path}, row {line}: {c} is {a!r}, but {b!r} in the grid" for c, a, b in cells if a != b]
    return found


def _csv_cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return str(_escaped(value))


# ---------------------------------------------------------------- Parquet


def write_parquet(table: pa.Table, path: Path) -> None:
    """Writes a table; equal tables give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(table, path, compression="zstd", use_dictionary=words, write_statistics=False, store_schema=False)


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(f"{path}: is missing; {AGAIN}")
    try:
        # One file, read as it stands: no schema of a data set is inferred from the names of folders.
        return pq.ParquetFile(path).read()
    except (OSError, ValueError, pa.ArrowException) as error:
        first = (str(error).splitlines() or [""])[0]
        raise BadInput(f"{path}: is damaged or no Parquet file ({first}); {AGAIN}") from error


def _numbers(table: pa.Table, column: str | int, dtype: Any, path: Path) -> Any:
    """One column as an array; `dtype` None keeps its own floating type."""
    import pyarrow.types as kinds

    found = table.column(column)
    kind = found.type
    if kinds.is_boolean(kind) != (dtype is np.bool_) or not (
        kinds.is_boolean(kind) or kinds.is_integer(kind) or kinds.is_floating(kind)
    ):
        foreign(path, f"has no numbers of the right kind in the column {table.column_names[_index(table, column)]!r}")
    if found.null_count and dtype in (np.bool_, np.int64):
        foreign(path, f"has empty cells in the column {table.column_names[_index(table, column)]!r}")
    array = found.to_numpy()
    return np.array(array, dtype=dtype or array.dtype)


def _index(table: pa.Table, column: str | int) -> int:
    return column if isinstance(column, int) else table.column_names.index(column)


def _texts(table: pa.Table, column: str, path: Path) -> list[str]:
    try:
        found = table.column(column).to_pylist()
    except ValueError:  # bytes that are no UTF-8
        found = [None]
    if not all(isinstance(one, str) for one in found):
        foreign(path, f"has something else than texts in the column {column!r}")
    return [_unescaped(one) for one in found]


# A lone surrogate becomes \udXXX. A backslash that stands before such an escape, or before text that looks like one, is
# doubled, so that every text comes back as it was.
_TO_ESCAPE = re.compile(r"(\\*)([\ud800-\udfff])|(\\+)(?=u[dD][89abAB][0-9a-fA-F]{2}|u[dD][c-fC-F][0-9a-fA-F]{2})")
_ESCAPED = re.compile(r"(\\+)(u[dD][89a-fA-F][0-9a-fA-F]{2})")


def _escaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _TO_ESCAPE.sub(lambda m: m[3] * 2 if m[3] else f"{m[1] * 2}\\u{ord(m[2]):04x}", value)


def _unescaped(value: str) -> str:
    def back(match: re.Match[str]) -> str:
        slashes, code = match[1], match[2]
        half = "\\" * (len(slashes) // 2)
        return half + (chr(int(code[1:], 16)) if len(slashes) % 2 else code)

    return _ESCAPED.sub(back, value)
