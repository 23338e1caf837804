"""Facts that compare cells with each other or with a reference, recomputed from rows; it knows no other facts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Fact, GridPoint, GridResult, HeldOut, Measured, Results
from layergrid.verify import folds
from layergrid.verify import measured as described
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import Notes

CELLS = "paired cells"  # the rule of facts that compare two cells
REFERENCE = "paired reference"  # of those that compare a cell with its value in a reference
REFERENCES = "paired references"  # of those that count the cells above, below, or not told from a reference
Gaps = dict[GridPoint, Bounded]  # each cell less its value in a reference
RELATIONS = {"above": 1, "below": -1, "cannot be told from": 0}


def check(results: Results, derived: Sequence[Fact], where: str, notes: Notes) -> None:
    """Every such fact, by the definitions of `numbers` and `means` and not by the engine."""
    grids = {r.grid.name: r for r in results.grids}
    known: dict[tuple[str, str], Gaps] = {}
    for fact in derived:
        result = grids.get(fact.grid)
        if result is None:
            continue
        if fact.rule == REFERENCES and result.measured is not None:
            _check_count(fact, result, result.measured, known, where, notes)
        elif (gap := _recomputed(fact, result)) is not None:
            value = fact.value if isinstance(fact.value, int | float) else None
            scale = 0.0 if result.measured is None else described.largest(result.measured.cells)
            pairs = ((value, gap.value), (fact.low, gap.low), (fact.high, gap.high))
            if not all(same(a, b) or (a is not None and described.agree(a, b, scale)) for a, b in pairs):
                rows = "held-out scores" if result.measured is None else "rows"
                notes.wrong(where, f"{fact.id}: is {value!r}, the {rows} give {gap.value!r}")
            notes.counts["paired difference"] += 1


def _recomputed(fact: Fact, result: GridResult) -> Bounded | None:
    """The difference that a fact speaks of; None where it speaks of none, or no rows were kept."""
    if fact.rule == CELLS and len(fact.cells) == 2:
        if result.held_out is not None:
            return _from_scores(fact, result, result.held_out)
        if result.measured is not None:
            one, other = (_rows(result, result.measured.cells, cell) for cell in fact.cells)
            return described.sample(result.grid, result.measured).estimate(one - other)
    if fact.rule == REFERENCE and len(fact.cells) == 1 and result.measured is not None:
        name = _reference(fact, result, result.measured)
        return None if name is None else _beside(result, result.measured, name, fact.cells[0])
    return None


def _from_scores(fact: Fact, result: GridResult, held: HeldOut) -> Bounded:
    grid = result.grid
    split = folds.split(held, grid.metric)
    at = [(grid.layers.index(layer), grid.positions.index(position)) for layer, position in fact.cells]
    one, other = (folds.score(split, folds.cell(held, *index)) for index in at)
    return folds.difference(split, one, other, grid.level)


def _rows(result: GridResult, cells: Any, cell: tuple[int, str]) -> Any:
    grid = result.grid
    return cells[grid.layers.index(cell[0]), grid.positions.index(cell[1])].astype(np.float64)


def _reference(fact: Fact, result: GridResult, measured: Measured) -> str | None:
    """The name of the facet that a fact's id speaks of."""
    parts = f"{fact.id}."
    names = [f.name for f in result.grid.facets if f.role == "reference" and f.name in measured.facets]
    found = [name for name in names if f".reference.{text.slug(name)}." in parts]
    return max(found, key=len, default=None)


def _beside(result: GridResult, measured: Measured, name: str, cell: GridPoint) -> Bounded:
    """The paired difference of a cell from its value in a reference."""
    gap = _rows(result, measured.cells, cell) - _rows(result, measured.facets[name], cell)
    return described.sample(result.grid, measured).estimate(gap)


def _check_count(
    fact: Fact, result: GridResult, measured: Measured, known: dict[tuple[str, str], Gaps], where: str, notes: Notes
) -> None:
    """The cells that a fact counts as above a reference, below it, or not to be told from it."""
    name = _reference(fact, result, measured)
    if name is None:
        return
    key = (result.grid.name, name)
    if key not in known:
        points = ((layer, position) for layer in result.grid.layers for position in result.grid.positions)
        known[key] = {point: _beside(result, measured, name, point) for point in points}
        notes.counts["paired difference"] += len(known[key])
    wanted = [point for point, gap in known[key].items() if _side(gap) == RELATIONS.get(fact.relation)]
    if sorted(wanted) != sorted(fact.cells) or fact.value != len(wanted):
        notes.wrong(where, f"{fact.id}: counts {fact.value!r} cells, the rows give {len(wanted)}")


def _side(gap: Bounded) -> int | None:
    """On which side of zero an interval lies: 1 above, -1 below, 0 on both; None where there is none."""
    if math.isnan(gap.low):
        return None
    return 1 if gap.low > 0 else -1 if gap.high < 0 else 0
