"""Writes results into a report's folder and reads them back without loss; it knows what no number means.

    results/results.json            everything but the arrays: cards, quantities, settings, selections, tables, ...
    results/GRID.held_out.parquet   scores of the rows held out: one row per example, one column per cell
    results/GRID.measured.parquet   values that cells are means of: one row per example, all cells in one list
    grids/GRID.parquet, GRID.csv    one row per cell, in the order of layers, then positions; then those of each facet

A row of a facet bears the facet's name in the column `head` or `contrast`. Lists of measured values have the order of
the grid's table; of a data frame np.stack(frame["cells"]).reshape(-1, layers, positions) has them all, and so of each
column `facet.NAME`.

The Parquet files are what is read: a number changed there is the number that `read` returns. Equal results give equal
bytes. Text that UTF-8 cannot hold (lone surrogates) is written as backslash escapes and read back as it was.
"""

from __future__ import annotations

import math
import re
import typing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from layergrid.archive.documents import FORMAT, decode, decode_fields, encode, foreign, list_of, read_json, write_json
from layergrid.archive.parquet import write_parquet
from layergrid.archive.scores import held_out_table, measured_tables, read_held_out, read_measured
from layergrid.archive.tables import COLUMNS, csv_differences, csv_of, empty_arrays, long, read_long, without_arrays
from layergrid.artifacts import Facet, Grid, GridResult, HeldOut, Measured, Results


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


def _scores_file(name: str, part: str) -> str:
    return f"results/{_stem(name)}.{part}.parquet"


def _stem(name: str) -> str:
    """A file name that stands for one grid's name only."""
    safe = re.sub(r"[^\w.-]|^\.", lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), name)
    return safe or "%"


# ---------------------------------------------------------------- one grid


def _write_result(result: GridResult, folder: Path) -> dict[str, Any]:
    """Writes the arrays; returns the JSON object of everything else."""
    grid, held, measured = result.grid, result.held_out, result.measured
    for part in ("grids", "results"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_parquet([long(grid)], folder / grid_file(grid.name, "parquet"))
    (folder / grid_file(grid.name, "csv")).write_text(csv_of(grid), encoding="utf-8", newline="")
    if held is not None:
        write_parquet([held_out_table(grid, held)], folder / _scores_file(grid.name, "held_out"))
    if measured is not None:
        write_parquet(measured_tables(measured), folder / _scores_file(grid.name, "measured"))
    return {
        **{name: encode(value) for name, value in without_arrays(grid).items()},
        "tied_with_best": grid.tied_with_best.tolist(),
        "selection": encode(result.selection),
        "baselines": encode(result.baselines),
        "held_out": None if held is None else {"baselines": encode(list(held.baselines))},
        "measured": None
        if measured is None
        else {"facets": encode(list(measured.facets)), "statistic": measured.statistic},
    }


def _read_result(card: Any, folder: Path, path: Path) -> GridResult:
    if not isinstance(card, dict) or not isinstance(card.get("name"), str):
        foreign(path, "describes a grid that has no name")
    card = dict(card)
    where = f"{path}, grid {card['name']!r}"
    rest = {name: card.pop(name, None) for name in ("tied_with_best", "selection", "baselines", "held_out", "measured")}
    facets = _read_facets(card.pop("facets", []), where)
    grid = decode_fields(Grid, card, where, **empty_arrays(), facets=facets)
    grid = read_long(grid, folder / grid_file(grid.name, "parquet"))
    tied = np.array(decode(tuple[tuple[bool, ...], ...], rest["tied_with_best"], where), dtype=np.bool_)
    if tied.size != math.prod(grid.value.shape):
        foreign(path, f"does not say for each cell of grid {grid.name!r} whether it is tied with the best")
    hints = typing.get_type_hints(GridResult)
    return GridResult(
        replace(grid, tied_with_best=tied.reshape(grid.value.shape)),
        decode(hints["selection"], rest["selection"], where),
        decode(hints["baselines"], rest["baselines"], where),
        _read_held_out(grid, rest["held_out"], folder, where),
        _read_measured(grid, rest["measured"], folder, where),
    )


def _read_facets(found: Any, where: str) -> tuple[Facet, ...]:
    """Facets without their numbers, which stand in the grid's table."""
    cards = decode(tuple[dict[str, Any], ...], found, f"{where}, facets")
    empty = {name: np.zeros(0) for name in ("value", "low", "high")}
    return tuple(decode_fields(Facet, card, f"{where}, facets", **empty) for card in cards)


def _read_held_out(grid: Grid, card: Any, folder: Path, where: str) -> HeldOut | None:
    if card is None:
        return None
    names = decode(tuple[str, ...], card.get("baselines") if isinstance(card, dict) else None, where)
    return read_held_out(grid, names, folder / _scores_file(grid.name, "held_out"))


def _read_measured(grid: Grid, card: Any, folder: Path, where: str) -> Measured | None:
    if card is None:
        return None
    found = card if isinstance(card, dict) else {}
    names = decode(tuple[str, ...], found.get("facets"), f"{where}, measured")
    hint = typing.get_type_hints(Measured)["statistic"]
    statistic = decode(hint, found.get("statistic"), f"{where}, measured")
    return read_measured(grid, names, statistic, folder / _scores_file(grid.name, "measured"))


__all__ = ["COLUMNS", "csv_of", "csv_problems", "grid_file", "read", "read_grid", "write", "write_grid"]
