"""Recomputes every number of a grid from its held-out scores and holds it against the files; it reads no prose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layergrid import archive
from layergrid.artifacts import HAS_VALUE, CellStatus, Estimate, Grid, GridResult, HeldOut
from layergrid.verify import measured, numbers
from layergrid.verify.measured import named
from layergrid.verify.numbers import Bounded, Rows, Scorer, same
from layergrid.verify.problems import GIVEN, RESULTS, Notes

Cell = tuple[int, str]


def check(result: GridResult, folder: Path, notes: Notes) -> None:
    """One grid: its cells in all files, and whatever follows from its measured values or its held-out scores."""
    grid, held = result.grid, result.held_out
    _compare_csv(folder, grid, notes)
    if result.measured is not None:
        notes.counts["cell"] += grid.value.size
        measured.check(result, result.measured, notes)
    elif held is not None and grid.metric == "auroc" and held.labels.size:
        notes.counts["cell"] += grid.value.size
        _check_held_out(result, held, notes)
    else:
        notes.counts[GIVEN] += grid.value.size * (1 + len(grid.facets))
        _check_given(grid, notes)


def _check_given(grid: Grid, notes: Notes) -> None:
    """Cells that follow from no rows: a number where the status says so, and the best among those that are tied."""
    where = archive.grid_file(grid.name, "parquet")
    for cell, row in _stored(grid).items():
        if math.isnan(row["value"]) != (row["status"] not in HAS_VALUE):
            notes.wrong(where, f"{named(cell)}: has the status {row['status']} and the value {row['value']!r}")
    sign = -1.0 if grid.quantity.higher_is == "less" else 1.0
    top = max((v for v in (sign * grid.value).ravel().tolist() if not math.isnan(v)), default=math.inf)
    for cell, value, tied in zip(
        _stored(grid), grid.value.ravel().tolist(), grid.tied_with_best.ravel().tolist(), strict=True
    ):
        if (sign * value == top and not tied) or (tied and math.isnan(value)):
            notes.wrong(RESULTS, f"{grid.name}: {named(cell)}: tied with the best is {tied}, its value is {value!r}")


def _check_held_out(result: GridResult, held: HeldOut, notes: Notes) -> None:
    """The cells, the nested best, the baselines and their differences."""
    stored = _stored(result.grid)
    folds = numbers.split(held.labels, held.groups, held.folds)
    scorers = _cells(result, held, folds)
    _compare_cells(result, folds, scorers, stored, notes)
    _compare_ties(result, folds, scorers, notes)
    nested = _compare_nested(result, held, folds, notes)
    _compare_baselines(result, held, folds, nested, notes)
    _compare_settings(result, held, notes)


def _cells(result: GridResult, held: HeldOut, folds: tuple[Rows, ...]) -> dict[Cell, Scorer]:
    found = {}
    for i, layer in enumerate(result.grid.layers):
        for j, position in enumerate(result.grid.positions):
            scores = held.cells[i, j]
            if not any(map(math.isnan, scores.tolist())):
                found[layer, position] = numbers.score(folds, scores)
    return found


def _stored(grid: Grid) -> dict[Cell, dict[str, Any]]:
    """The cells as the Parquet file holds them."""
    columns = ("value", "low", "high", "n", "n_positive", "p_adjusted", "status")
    return {
        (layer, position): {name: getattr(grid, name)[i, j].item() for name in columns}
        for i, layer in enumerate(grid.layers)
        for j, position in enumerate(grid.positions)
    }


def _compare_csv(folder: Path, grid: Grid, notes: Notes) -> None:
    where = archive.grid_file(grid.name, "csv")
    for problem in archive.csv_problems(folder, grid):
        notes.wrong(where, problem.removeprefix(str(folder / where)).lstrip(":, "))


# ---------------------------------------------------------------- cells


def _compare_cells(
    result: GridResult,
    folds: tuple[Rows, ...],
    scorers: Mapping[Cell, Scorer],
    stored: Mapping[Cell, Any],
    notes: Notes,
) -> None:
    where = archive.grid_file(result.grid.name, "parquet")
    n = sum(len(rows.index) for rows in folds)
    positive = sum(int(rows.positive.sum()) for rows in folds)
    found = {cell: numbers.bounds(folds, scorer, result.grid.level) for cell, scorer in scorers.items()}
    valued = {cell: b for cell, b in found.items() if not math.isnan(b.low)}
    adjusted = dict(zip(valued, numbers.holm([b.p for b in valued.values()]), strict=True))
    for cell, row in stored.items():
        if row["status"] in HAS_VALUE:
            if cell not in valued:
                notes.wrong(where, f"{named(cell)}: has the value {row['value']!r}, but its scores give none")
                continue
            b = valued[cell]
            wanted = {"value": b.value, "low": b.low, "high": b.high, "n": n, "n_positive": positive}
            if not math.isnan(row["p_adjusted"]):
                wanted["p_adjusted"] = adjusted[cell]
            for column, value in wanted.items():
                if not same(row[column], value):
                    notes.wrong(where, f"{named(cell)}: {column} is {row[column]!r}, its scores give {value!r}")
        elif cell in valued and row["status"] != CellStatus.NOT_CONVERGED.value:
            notes.wrong(
                where, f"{named(cell)}: has the status {row['status']}, but its scores give {valued[cell].value!r}"
            )
        elif not same(row["value"], None):
            notes.wrong(where, f"{named(cell)}: has the status {row['status']} and yet the value {row['value']!r}")


def _compare_ties(result: GridResult, folds: tuple[Rows, ...], scorers: Mapping[Cell, Scorer], notes: Notes) -> None:
    """Ties of cells that hold a value; two cells may swap where the interval ends at zero but for rounding."""
    grid = result.grid
    cells = [
        ((layer, position), bool(grid.tied_with_best[i, j]))
        for i, layer in enumerate(grid.layers)
        for j, position in enumerate(grid.positions)
        if grid.status[i, j] in HAS_VALUE and (layer, position) in scorers
    ]
    if not cells:
        return
    best = max((cell for cell, _ in cells), key=lambda cell: scorers[cell].value)
    for cell, tied in cells:
        gap = numbers.difference(folds, scorers[best], scorers[cell], grid.level)
        wanted = cell == best or math.isnan(gap.low) or gap.low <= 0
        if wanted != tied and not abs(gap.low) < 1e-9:
            notes.wrong(RESULTS, f"{grid.name}: {named(cell)}: tied with the best is {tied}, its scores give {wanted}")
    notes.counts["paired difference"] += len(cells)


# ---------------------------------------------------------------- the nested best and the baselines


def _compare_nested(result: GridResult, held: HeldOut, folds: tuple[Rows, ...], notes: Notes) -> Scorer | None:
    grid, selection = result.grid, result.selection
    if selection is None:
        return None
    nested = numbers.score(folds, held.nested)
    _agree(f"{grid.name}: nested best", selection.estimate, numbers.bounds(folds, nested, grid.level), notes)
    notes.counts["estimate"] += 1
    for k, (winner, rows) in enumerate(zip(selection.winners, folds, strict=False)):
        name = f"{grid.name}: winner of fold {winner.fold}"
        if not same(winner.value, nested.folds[k]):
            notes.wrong(RESULTS, f"{name}: value is {winner.value!r}, its scores give {nested.folds[k]!r}")
        if winner.layer not in grid.layers or winner.position not in grid.positions:
            notes.wrong(RESULTS, f"{name}: {named((winner.layer, winner.position))} is no cell of the grid")
            continue
        own = held.cells[grid.layers.index(winner.layer), grid.positions.index(winner.position)][rows.index]
        if not all(same(float(a), float(b)) for a, b in zip(own, held.nested[rows.index], strict=True)):
            notes.wrong(RESULTS, f"{name}: the nested scores are not those of {named((winner.layer, winner.position))}")
    return nested


def _compare_baselines(
    result: GridResult, held: HeldOut, folds: tuple[Rows, ...], nested: Scorer | None, notes: Notes
) -> None:
    grid = result.grid
    for baseline in result.baselines:
        name = f"{grid.name}: baseline {baseline.name}"
        scores = held.baselines.get(baseline.name)
        if baseline.estimate is None:
            continue
        if scores is None or any(map(math.isnan, scores.tolist())):
            notes.wrong(RESULTS, f"{name}: has a value, but no held-out scores")
            continue
        scorer = numbers.score(folds, scores)
        _agree(name, baseline.estimate, numbers.bounds(folds, scorer, grid.level), notes)
        notes.counts["estimate"] += 1
        if baseline.difference is not None and nested is not None:
            gap = numbers.difference(folds, nested, scorer, grid.level)
            _agree(f"{name}: difference", baseline.difference, gap, notes)
            notes.counts["paired difference"] += 1


def _agree(name: str, stored: Estimate, found: Bounded, notes: Notes) -> None:
    for column, a, b in (
        ("value", stored.value, found.value),
        ("low", stored.low, found.low),
        ("high", stored.high, found.high),
    ):
        if not same(a, b):
            notes.wrong(RESULTS, f"{name}: {column} is {a!r}, its scores give {b!r}")


def _compare_settings(result: GridResult, held: HeldOut, notes: Notes) -> None:
    """The counts that the methods print."""
    wanted = {
        "rows": len(held.labels),
        "folds": len({int(f) for f in held.folds}),
        "n_groups": len(set(held.groups)),
        "cells_tested": int(result.grid.has_value.sum()),
    }
    for key, value in wanted.items():
        stored = result.grid.settings.get(key, value)
        if stored != value:
            notes.wrong(
                RESULTS, f"{result.grid.name}: the setting {key} is {stored!r}, the held-out scores give {value!r}"
            )
