"""Writes results into a report's folder and reads them back without loss; it knows what no number means.

    results/results.json            everything but the arrays: cards, quantities, settings, selections, tables, ...
    results/GRID.held_out.parquet   scores of the rows held out: one row per example, one column per cell
    grids/GRID.parquet, GRID.csv    one row per cell, in the order of layers, then positions

The Parquet files are what is read: a number changed there is the number that `read` returns. Equal results give equal
bytes. Text that UTF-8 cannot hold (lone surrogates) is written as backslash escapes and read back as it was.
"""

from __future__ import annotations

import math
import re
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from layergrid.archive.documents import FORMAT, decode, decode_fields, encode, foreign, list_of, read_json, write_json
from layergrid.archive.tables import (
    CELLS,
    COLUMNS,
    csv_differences,
    csv_of,
    long,
    read_long,
    read_wide,
    rows,
    wide,
    write_parquet,
)
from layergrid.artifacts import Grid, GridResult, Results


def write(results: Results, folder: Path) -> None:
    """Writes results into a report's folder, which may be empty or not there yet. Grids have different names."""
    names = [one.grid.name for one in results.grids]
    if len(set(names)) < len(names):
        raise ValueError(f"grids have different names: {names}")
    card = {
        "format": FORMAT,
        **{f.name: encode(getattr(results, f.name)) for f in fields(results) if f.name != "grids"},
    }
    card["grids"] = [_write_result(one, folder) for one in results.grids]
    write_json(folder / "results" / "results.json", card)


def read(folder: Path) -> Results:
    """The results of a report's folder.

    Raises:
        BadInput: a file is missing, damaged, or from something else; the message names it.
    """
    path = folder / "results" / "results.json"
    card = read_json(path)
    grids = tuple(_read_result(one, folder, path) for one in list_of(card.pop("grids", None), path))
    return decode_fields(Results, {**card, "grids": []}, str(path), grids=grids)


def write_grid(result: GridResult, folder: Path) -> None:
    """Writes one grid's result into a folder, in the files of a report and `results/GRID.json`."""
    write_json(folder / _card_file(result.grid.name), {"format": FORMAT, **_write_result(result, folder)})


def read_grid(folder: Path, name: str) -> GridResult:
    """The result of the grid of that name that `write_grid` wrote. Raises BadInput like `read`."""
    path = folder / _card_file(name)
    return _read_result(read_json(path), folder, path)


def csv_problems(folder: Path, grid: Grid) -> list[str]:
    """Where the CSV file of a grid says something else than the grid: one sentence each; empty if nowhere."""
    return csv_differences(folder / grid_file(grid.name, "csv"), grid)


def grid_file(name: str, suffix: str) -> str:
    """The relative path of a grid's file: "grids/errors.csv". No name of a grid leads out of the folder."""
    return f"grids/{_stem(name)}.{suffix}"


def _card_file(name: str) -> str:
    return f"results/{_stem(name)}.json"


def _held_out_file(name: str) -> str:
    return f"results/{_stem(name)}.held_out.parquet"


def _stem(name: str) -> str:
    """A file name that stands for one grid's name only."""
    safe = re.sub(r"[^\w.-]|^\.", lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), name)
    return safe or "%"


# ---------------------------------------------------------------- one grid


def _write_result(result: GridResult, folder: Path) -> dict[str, Any]:
    """Writes the arrays; returns the JSON object of everything else."""
    grid = result.grid
    for part in ("grids", "results"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_parquet(long(grid), folder / grid_file(grid.name, "parquet"))
    (folder / grid_file(grid.name, "csv")).write_text(csv_of(grid), encoding="utf-8", newline="")
    if result.held_out is not None:
        write_parquet(wide(grid, result.held_out), folder / _held_out_file(grid.name))
    card = {f.name: encode(getattr(grid, f.name)) for f in fields(grid) if f.name not in (*CELLS, "tied_with_best")}
    return {
        **card,
        "tied_with_best": grid.tied_with_best.tolist(),
        "selection": encode(result.selection),
        "baselines": encode(result.baselines),
        "held_out": None if result.held_out is None else {"baselines": encode(list(result.held_out.baselines))},
    }


def _read_result(card: Any, folder: Path, path: Path) -> GridResult:
    if not isinstance(card, dict) or not isinstance(card.get("name"), str):
        foreign(path, "describes a grid that has no name")
    card = dict(card)
    where = f"{path}, grid {card['name']!r}"
    rest = {name: card.pop(name, None) for name in ("tied_with_best", "selection", "baselines", "held_out")}
    empty = {name: np.zeros(0) for name in (*CELLS, "tied_with_best")}
    grid = decode_fields(Grid, card, where, **empty)
    shape = (len(grid.layers), len(grid.positions))
    cells = read_long(grid, folder / grid_file(grid.name, "parquet"))
    tied = np.array(decode(tuple[tuple[bool, ...], ...], rest["tied_with_best"], where), dtype=np.bool_)
    if tied.size != math.prod(shape):
        foreign(path, f"does not say for each cell of grid {grid.name!r} whether it is tied with the best")
    grid = decode_fields(Grid, card, where, **cells, tied_with_best=tied.reshape(shape))
    hints = typing.get_type_hints(GridResult)
    held = rest["held_out"]
    if held is not None:
        names = decode(tuple[str, ...], held.get("baselines") if isinstance(held, dict) else None, where)
        held = read_wide(grid, names, folder / _held_out_file(grid.name))
    return GridResult(
        grid,
        decode(hints["selection"], rest["selection"], where),
        decode(hints["baselines"], rest["baselines"], where),
        held,
    )


__all__ = ["COLUMNS", "csv_of", "csv_problems", "grid_file", "read", "read_grid", "rows", "write", "write_grid"]
