"""Writes results into a report's folder and reads them back without loss; it knows what no number means.

    results/results.json            everything but the arrays: cards, quantities, settings, selections, tables, ...
    results/GRID.held_out.parquet   scores of the rows held out: one row per example, one column per cell
    results/GRID.measured.parquet   values that cells are means of: one row per example, all cells in one list
    results/GRID.cells.parquet      of a permutation test and a control task: one row per cell, no facets
    results/GRID.maxima.parquet     the largest statistic of each relabelling
    results/GRID.directions.safetensors   weights, intercepts and penalties of fitted probes
    results/sides/GRID/0 and 1      of a difference of two reports: both grids with their rows, in folders like these
    grids/GRID.parquet, GRID.csv    one row per cell, in the order of layers, then positions; then those of each facet
    matrices/                       of transfers, see `matrices`

A row of a facet bears the facet's name in the column `head` or `contrast`. Lists of measured values have the order of
the grid's table; of a data frame np.stack(frame["cells"]).reshape(-1, layers, positions) has them all, and so of each
column `facet.NAME`.

The Parquet files are what is read: a number changed there is the number that `read` returns. Equal results give equal
bytes. Text that UTF-8 cannot hold (lone surrogates) is written as backslash escapes and read back as it was.
"""

from __future__ import annotations

import math
import typing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from layergrid.archive import beside
from layergrid.archive.directions import read_directions, write_directions
from layergrid.archive.documents import FORMAT, decode, decode_fields, encode, foreign, list_of, read_json, write_json
from layergrid.archive.held_out import held_out_table, layout_of, read_held_out
from layergrid.archive.matrices import csv_problems as matrix_csv_problems
from layergrid.archive.matrices import matrix_file, read_matrix, write_matrix
from layergrid.archive.measured import measured_tables, read_measured
from layergrid.archive.naming import stem
from layergrid.archive.parquet import write_parquet
from layergrid.archive.tables import COLUMNS, csv_differences, csv_of, empty_arrays, long, read_long, without_arrays
from layergrid.artifacts import Control, Directions, Facet, Grid, GridResult, Matrix, Measured, Permutation, Results

WITH_ARRAYS = ("grids", "matrices")  # fields of the results whose arrays have files of their own


def write(results: Results, folder: Path) -> None:
    """Writes results into a report's folder, which may be empty or not there yet. Grids have different names."""
    names = [one.grid.name for one in results.grids]
    if len(set(names)) < len(names):
        raise ValueError(f"grids have different names: {names}")
    card = {
        "format": FORMAT,
        **{f.name: encode(getattr(results, f.name)) for f in fields(results) if f.name not in WITH_ARRAYS},
    }
    card["grids"] = [_write_result(one, folder) for one in results.grids]
    if results.matrices:
        card["matrices"] = [write_matrix(one, folder) for one in results.matrices]
    write_json(folder / "results" / "results.json", card)


def read(folder: Path) -> Results:
    """The results of a report's folder.

    Raises:
        BadInput: a file is missing, damaged, or from something else; the message names it.
    """
    path = folder / "results" / "results.json"
    card = read_json(path)
    grids = tuple(_read_result(one, folder, path) for one in list_of(card.pop("grids", None), path))
    matrices = tuple(read_matrix(one, folder, path) for one in list_of(card.pop("matrices", []), path))
    return decode_fields(Results, {**card, "grids": []}, str(path), grids=grids, matrices=matrices)


def write_grid(result: GridResult, folder: Path) -> None:
    """Writes one grid's result into a folder, in the files of a report and `results/GRID.json`."""
    write_json(folder / _card_file(result.grid.name), {"format": FORMAT, **_write_result(result, folder)})


def read_grid(folder: Path, name: str) -> GridResult:
    """The result of the grid of that name that `write_grid` wrote. Raises BadInput like `read`."""
    path = folder / _card_file(name)
    return _read_result(read_json(path), folder, path)


def write_transfer(matrix: Matrix, folder: Path) -> None:
    """Writes one matrix into a folder, in the files of a report and `results/NAME.matrix.json`."""
    write_json(folder / _part_file(matrix.name, MATRIX), {"format": FORMAT, **write_matrix(matrix, folder)})


def read_transfer(folder: Path, name: str) -> Matrix:
    """The matrix of that name that `write_transfer` wrote. Raises BadInput like `read`."""
    path = folder / _part_file(name, MATRIX)
    return read_matrix(read_json(path), folder, path)


def csv_problems(folder: Path, grid: Grid) -> list[str]:
    """Where the CSV file of a grid says something else than the grid: one sentence each; empty if nowhere."""
    return csv_differences(folder / grid_file(grid.name, "csv"), grid)


def grid_file(name: str, suffix: str) -> str:
    """The relative path of a grid's file: "grids/errors.csv". No name of a grid leads out of the folder."""
    return f"grids/{stem(name)}.{suffix}"


def _card_file(name: str) -> str:
    return f"results/{stem(name)}.json"


def _part_file(name: str, part: str) -> str:
    return f"results/{stem(name)}.{part}"


def side_folder(name: str, side: int) -> str:
    """The relative path of the folder that holds one of the two grids whose difference a grid is."""
    return f"results/sides/{stem(name)}/{side}"


# ---------------------------------------------------------------- one grid


HELD_OUT, MEASURED, CELLS, MAXIMA = (f"{part}.parquet" for part in ("held_out", "measured", "cells", "maxima"))
DIRECTIONS = "directions.safetensors"
MATRIX = "matrix.json"


def _write_result(result: GridResult, folder: Path) -> dict[str, Any]:
    """Writes the arrays; returns the JSON object of everything else."""
    grid, held, measured = result.grid, result.held_out, result.measured
    for part in ("grids", "results"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_parquet([long(grid)], folder / grid_file(grid.name, "parquet"))
    (folder / grid_file(grid.name, "csv")).write_text(csv_of(grid), encoding="utf-8", newline="")
    if held is not None:
        write_parquet([held_out_table(grid, held)], folder / _part_file(grid.name, HELD_OUT))
    if measured is not None:
        write_parquet(measured_tables(measured), folder / _part_file(grid.name, MEASURED))
    _write_beside(result, folder)
    return {
        **{name: encode(value) for name, value in without_arrays(grid).items()},
        "tied_with_best": grid.tied_with_best.tolist(),
        **{name: encode(getattr(result, name)) for name in PLAIN},
        "held_out": None if held is None else layout_of(held),
        "measured": None
        if measured is None
        else {"facets": encode(list(measured.facets)), "statistic": measured.statistic},
        "permutation": beside.permutation_card(result.permutation),
        "control": beside.control_card(result.control),
        "directions": result.directions is not None,
        "sides": [_write_result(one, folder / side_folder(grid.name, k)) for k, one in enumerate(result.sides)],
    }


def _write_beside(result: GridResult, folder: Path) -> None:
    grid, permutation, control = result.grid, result.permutation, result.control
    if permutation is not None or control is not None:
        table = beside.cells_table(grid, permutation, control)
        write_parquet([table], folder / _part_file(grid.name, CELLS))
    if permutation is not None:
        write_parquet([beside.maxima_table(permutation)], folder / _part_file(grid.name, MAXIMA))
    if result.directions is not None:
        write_directions(result.directions, folder / _part_file(grid.name, DIRECTIONS))


PLAIN = ("selection", "baselines", "by_position", "additions")  # fields of a result that hold no array
EMPTY: dict[str, list[Any]] = {"by_position": [], "additions": [], "sides": []}  # what an older report does not say
ELSEWHERE = ("held_out", "measured", "permutation", "control", "directions", "sides")


def _read_result(card: Any, folder: Path, path: Path) -> GridResult:
    if not isinstance(card, dict) or not isinstance(card.get("name"), str):
        foreign(path, "describes a grid that has no name")
    card = dict(card)
    where = f"{path}, grid {card['name']!r}"
    rest = {name: card.pop(name, EMPTY.get(name)) for name in ("tied_with_best", *PLAIN, *ELSEWHERE)}
    facets = _read_facets(card.pop("facets", []), where)
    grid = decode_fields(Grid, card, where, **empty_arrays(), facets=facets)
    grid = read_long(grid, folder / grid_file(grid.name, "parquet"))
    tied = np.array(decode(tuple[tuple[bool, ...], ...], rest["tied_with_best"], where), dtype=np.bool_)
    if tied.size != math.prod(grid.value.shape):
        foreign(path, f"does not say for each cell of grid {grid.name!r} whether it is tied with the best")
    hints = typing.get_type_hints(GridResult)
    plain = {name: decode(hints[name], rest[name], f"{where}, {name}") for name in PLAIN}
    if len(plain["by_position"]) not in (0, len(grid.positions)):
        foreign(where, "has not one estimate for each position")
    permutation, control = _read_beside(grid, rest, folder, where)
    held = rest["held_out"]
    return GridResult(
        grid=replace(grid, tied_with_best=tied.reshape(grid.value.shape)),
        **plain,
        held_out=None if held is None else read_held_out(grid, held, folder / _part_file(grid.name, HELD_OUT), where),
        measured=_read_measured(grid, rest["measured"], folder, where),
        permutation=permutation,
        control=control,
        directions=_read_directions(grid, rest["directions"], folder, where),
        sides=tuple(
            _read_result(one, folder / side_folder(grid.name, k), path)
            for k, one in enumerate(list_of(rest["sides"], path))
        ),
    )


def _read_beside(
    grid: Grid, rest: dict[str, Any], folder: Path, where: str
) -> tuple[Permutation | None, Control | None]:
    """The permutation test and the control task, which share a table of cells."""
    test, control = (decode(dict[str, Any] | None, rest[name], where) for name in ("permutation", "control"))
    if test is None and control is None:
        return None, None
    columns = [*([] if test is None else [beside.OBSERVED]), *([] if control is None else beside.CONTROL.values())]
    cells = beside.read_cells(grid, columns, folder / _part_file(grid.name, CELLS))
    maxima = folder / _part_file(grid.name, MAXIMA)
    return (
        None if test is None else beside.read_permutation(test, cells[beside.OBSERVED], maxima, where),
        None if control is None else beside.read_control(control, grid, cells, where),
    )


def _read_directions(grid: Grid, there: Any, folder: Path, where: str) -> Directions | None:
    found = decode(bool | None, there, f"{where}, directions")
    return read_directions(grid, folder / _part_file(grid.name, DIRECTIONS)) if found else None


def _read_facets(found: Any, where: str) -> tuple[Facet, ...]:
    """Facets without their numbers, which stand in the grid's table."""
    cards = decode(tuple[dict[str, Any], ...], found, f"{where}, facets")
    empty = {name: np.zeros(0) for name in ("value", "low", "high")}
    return tuple(decode_fields(Facet, card, f"{where}, facets", **empty) for card in cards)


def _read_measured(grid: Grid, card: Any, folder: Path, where: str) -> Measured | None:
    if card is None:
        return None
    found = card if isinstance(card, dict) else {}
    names = decode(tuple[str, ...], found.get("facets"), f"{where}, measured")
    hint = typing.get_type_hints(Measured)["statistic"]
    statistic = decode(hint, found.get("statistic"), f"{where}, measured")
    return read_measured(grid, names, statistic, folder / _part_file(grid.name, MEASURED))


__all__ = [
    "COLUMNS", "csv_of", "csv_problems", "grid_file", "matrix_csv_problems", "matrix_file", "read", "read_grid",
    "read_transfer", "side_folder", "write", "write_grid", "write_transfer",
]  # fmt: skip
