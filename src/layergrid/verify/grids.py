"""Recomputes the cells of a grid from its held-out scores and holds them against the files; it reads no prose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergrid import archive
from layergrid.artifacts import HAS_VALUE, CellStatus, Grid, GridResult, HeldOut
from layergrid.verify import beside, differences, folds, measured, nested, numbers
from layergrid.verify.folds import Folds, Scorer
from layergrid.verify.judging import METRICS
from layergrid.verify.measured import named
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import GIVEN, RESULTS, Notes

Cell = tuple[int, str]
PERMUTED = "max-statistic permutation"  # the setting `correction` of a grid whose p-values come from relabellings
EQUAL = 1e-12  # means that differ by less may be equal, whatever the order of their sums


@dataclass(frozen=True)
class Scored:
    """The cells of a grid as their held-out scores give them."""

    result: GridResult
    held: HeldOut
    folds: Folds
    cells: Mapping[Cell, Scorer]  # those with scores

    @property
    def rows(self) -> int:
        """Examples that are scored, each counted once."""
        return len(self.held.folds) // self.held.repeats


def check(result: GridResult, folder: Path, notes: Notes) -> None:
    """One grid: its cells in all files, and whatever follows from its measured values or its held-out scores."""
    grid, held = result.grid, result.held_out
    _compare_csv(folder, grid, notes)
    if result.sides:
        for k, side in enumerate(result.sides):
            check(side, folder / archive.side_folder(grid.name, k), notes)
        differences.check(result, notes)
    elif result.measured is not None:
        notes.counts["cell"] += grid.value.size
        measured.check(result, result.measured, notes)
    elif held is not None and grid.metric in METRICS and held.folds.size:
        notes.counts["cell"] += grid.value.size
        _check_held_out(result, held, notes)
    else:
        notes.counts[GIVEN] += grid.value.size * (1 + len(grid.facets))
        _check_given(grid, notes)
    beside.check(result, notes)


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
    if not _repeats_agree(result.grid, held, notes):
        return
    split = folds.split(held, result.grid.metric)
    scored = Scored(result, held, split, _cells(result.grid, held, split))
    _compare_cells(scored, notes)
    _compare_classes(scored, notes)
    _compare_ties(scored, notes)
    nested.check(result, held, split, notes)
    _compare_settings(scored, notes)


def _repeats_agree(grid: Grid, held: HeldOut, notes: Notes) -> bool:
    """Whether every repeat holds the same examples, and as many folds of its own, numbered one after the other."""
    r, n = held.repeats, len(held.folds)
    m, k = n // r, (int(held.folds.max()) + 1) // r
    target = (held.labels if held.target is None else held.target).tolist()
    rows = list(zip(held.example_ids, held.groups, target, strict=True))
    whole = n == m * r and int(held.folds.min()) >= 0
    for j in range(r if whole else 0):
        part = slice(j * m, (j + 1) * m)
        whole = whole and rows[part] == rows[:m]
        whole = whole and sorted({int(f) for f in held.folds[part]}) == list(range(j * k, (j + 1) * k))
    if not whole:
        notes.wrong(RESULTS, f"{grid.name}: the held-out rows are not {r} repeats of the same examples and folds")
    return whole


def _cells(grid: Grid, held: HeldOut, split: Folds) -> dict[Cell, Scorer]:
    found = {}
    for i, layer in enumerate(grid.layers):
        for j, position in enumerate(grid.positions):
            scores = folds.cell(held, i, j)
            if folds.can_be_judged(held, grid.metric, scores):
                found[layer, position] = folds.score(split, scores)
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


def _compare_cells(scored: Scored, notes: Notes) -> None:
    grid, held = scored.result.grid, scored.held
    where = archive.grid_file(grid.name, "parquet")
    found = {
        cell: folds.bounds(scored.folds, scorer, grid.level, grid.quantity.chance)
        for cell, scorer in scored.cells.items()
    }
    valued = {cell: b for cell, b in found.items() if not math.isnan(b.low)}
    adjusted = _adjusted(scored.result, valued, notes)
    for cell, row in _stored(grid).items():
        if row["status"] in HAS_VALUE:
            if cell not in valued:
                notes.wrong(where, f"{named(cell)}: has the value {row['value']!r}, but its scores give none")
                continue
            b = valued[cell]
            wanted = {"value": b.value, "low": b.low, "high": b.high, "n": scored.rows}
            wanted |= {"n_positive": int(held.labels.sum()) // held.repeats, "p_adjusted": adjusted[cell]}
            for column, value in wanted.items():
                if not same(row[column], value):
                    notes.wrong(where, f"{named(cell)}: {column} is {row[column]!r}, its scores give {value!r}")
        elif cell in valued and row["status"] != CellStatus.NOT_CONVERGED.value:
            notes.wrong(
                where, f"{named(cell)}: has the status {row['status']}, but its scores give {valued[cell].value!r}"
            )
        elif not same(row["value"], None):
            notes.wrong(where, f"{named(cell)}: has the status {row['status']} and yet the value {row['value']!r}")


def _adjusted(result: GridResult, valued: Mapping[Cell, Bounded], notes: Notes) -> dict[Cell, float]:
    """The p-value of each cell by the correction that the settings name; NaN where no cell was tested."""
    grid, none = result.grid, dict.fromkeys(valued, math.nan)
    correction = grid.settings.get("correction", "Holm")
    if correction == PERMUTED:
        if result.permutation is None:
            if not np.isnan(grid.p_adjusted).all():
                notes.wrong(RESULTS, f"{grid.name}: its p-values come from relabellings, of which none are there")
            return none
        return none | {cell: p for cell, p in beside.p_values(grid, result.permutation).items() if cell in valued}
    if correction == "Holm" and not np.isnan(grid.p_adjusted).all():
        return dict(zip(valued, numbers.holm([b.p for b in valued.values()]), strict=True))
    return none


def _compare_classes(scored: Scored, notes: Notes) -> None:
    """The map of each class: how well it is told from all others."""
    grid, held = scored.result.grid, scored.held
    where = archive.grid_file(grid.name, "parquet")
    for facet in grid.facets:
        if facet.role != "class" or facet.name not in held.by_class:
            notes.wrong(RESULTS, f"{grid.name}: {facet.label} has a map, but no held-out scores")
            continue
        split = folds.one_class(held, facet.name)
        for i, layer in enumerate(grid.layers):
            for j, position in enumerate(grid.positions):
                scores, b = held.by_class[facet.name][i, j], Bounded(math.nan, math.nan, math.nan)
                if not np.isnan(scores).any():
                    b = folds.bounds(split, folds.score(split, scores), grid.level)
                value = math.nan if math.isnan(b.low) else b.value
                for column, right in (("value", value), ("low", b.low), ("high", b.high)):
                    stored = getattr(facet, column)[i, j].item()
                    if not same(stored, right):
                        cell = f"{facet.label}, {named((layer, position))}"
                        notes.wrong(where, f"{cell}: {column} is {stored!r}, its scores give {right!r}")
                notes.counts["facet cell"] += 1


def _compare_ties(scored: Scored, notes: Notes) -> None:
    """Ties of cells that hold a value with the best one; of several that are best but for rounding, with any.

    Two cells may swap where the interval ends at zero but for rounding.
    """
    grid = scored.result.grid
    cells = {
        (layer, position): bool(grid.tied_with_best[i, j])
        for i, layer in enumerate(grid.layers)
        for j, position in enumerate(grid.positions)
        if grid.status[i, j] in HAS_VALUE and (layer, position) in scored.cells
    }
    if not cells:
        return
    top = max(scored.cells[cell].value for cell in cells)
    troubles: list[list[str]] = []
    for best in (cell for cell in cells if scored.cells[cell].value > top - EQUAL):
        troubles.append(_untied(scored, best, cells))
        if not troubles[-1]:
            break
    for trouble in min(troubles, key=len):
        notes.wrong(RESULTS, f"{grid.name}: {trouble}")
    notes.counts["paired difference"] += len(cells)


def _untied(scored: Scored, best: Cell, cells: Mapping[Cell, bool]) -> list[str]:
    """The cells whose tie with this one is not what their scores give."""
    found = []
    for cell, tied in cells.items():
        gap = folds.difference(scored.folds, scored.cells[best], scored.cells[cell], scored.result.grid.level)
        wanted = cell == best or math.isnan(gap.low) or gap.low <= 0
        if wanted != tied and not abs(gap.low) < 1e-9:
            found.append(f"{named(cell)}: tied with the best is {tied}, its scores give {wanted}")
    return found


def _compare_settings(scored: Scored, notes: Notes) -> None:
    """The counts that the methods print."""
    grid, held = scored.result.grid, scored.held
    wanted: dict[str, Any] = {
        "rows": scored.rows,
        "folds": len(scored.folds.rows) // held.repeats,
        "repeats": held.repeats,
        "n_groups": len(set(held.groups)),
        "cells_tested": int(np.isfinite(grid.p_adjusted).sum()),
        "level": grid.level,
    }
    permutation = scored.result.permutation
    if permutation is not None:
        wanted |= {"permutations": len(permutation.maxima), "relabelled": permutation.statistic}
    if len(scored.folds.rows) > 1:  # of a fixed split, rows that are not scored count too
        wanted |= _of_all_rows(scored)
    for key, value in wanted.items():
        stored = grid.settings.get(key, value)
        if stored != value and not (isinstance(value, float) and same(stored, value)):
            notes.wrong(RESULTS, f"{grid.name}: the setting {key} is {stored!r}, the held-out scores give {value!r}")
    metric, quantity = scored.folds.metric, grid.quantity
    low = metric.low if quantity.low is None and math.isinf(metric.low) else quantity.low
    if low != metric.low or quantity.high != metric.high:
        notes.wrong(RESULTS, f"{grid.name}: the range is {quantity.low!r} to {quantity.high!r}, not that of its metric")
    chance = metric.chance
    chance = grid.settings.get("majority", grid.quantity.chance) if chance is None else chance
    if not same(grid.quantity.chance, chance):
        notes.wrong(RESULTS, f"{grid.name}: chance is {grid.quantity.chance!r}, not {chance!r}")


def _of_all_rows(scored: Scored) -> dict[str, Any]:
    """What follows where every compared row is scored: the share of the largest class, and the rows in all."""
    settings, held = scored.result.grid.settings, scored.held
    found: dict[str, Any] = {"inner_folds": len(scored.folds.rows) // held.repeats - 1}
    if held.classes and held.target is not None:
        codes = held.target.tolist()
        found["majority"] = max(codes.count(code) for code in set(codes)) / len(codes)
    dropped = [settings.get(key) for key in ("dropped_correct", "dropped_wrong")]
    if all(isinstance(one, int) for one in dropped):
        found["rows_in_all"] = scored.rows + sum(one for one in dropped if isinstance(one, int))
    return found
