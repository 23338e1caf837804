"""Facts that compare cells, positions, grids or references, recomputed from rows; it knows no other facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Fact, Floats, GridPoint, GridResult, HeldOut, Measured, Results
from layergrid.facts import prefixes
from layergrid.verify import folds
from layergrid.verify import measured as described
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import Notes

CELLS = "paired cells"  # the rule of facts that compare two cells
POSITIONS = "paired difference of positions"  # of those that compare the best layers of two positions
GRIDS = "paired difference of grids"  # of those that compare the nested bests of two grids
REFERENCE = "paired reference"  # of those that compare a cell with its value in a reference
REFERENCES = "paired references"  # of those that count the cells above, below, or not told from a reference
MEAN = "mean of cells"  # of those that give the mean of a set of cells
MEANS = "paired means"  # of those that compare two such sets, which they name
Gaps = dict[GridPoint, Bounded]  # each cell less its value in a reference
RELATIONS = {"above": 1, "below": -1, "cannot be told from": 0}


def check(results: Results, derived: Sequence[Fact], where: str, notes: Notes) -> None:
    """Every such fact, by the definitions of `numbers` and `means` and not by the engine."""
    grids = {r.grid.name: r for r in results.grids}
    bests = {f"{prefix}.nested": r for prefix, r in zip(prefixes(results), results.grids, strict=True)}
    known: dict[tuple[str, str], Gaps] = {}
    by_id = {fact.id: fact for fact in derived}
    for fact in derived:
        if fact.rule == GRIDS:
            _check_grids(fact, [bests.get(one) for one in fact.of], where, notes)
        result = grids.get(fact.grid)
        if result is None:
            continue
        if fact.rule == REFERENCES and result.measured is not None:
            _check_count(fact, result, result.measured, known, where, notes)
        elif (gap := _of_sets(fact, result, by_id) or _recomputed(fact, result)) is not None:
            scale = 0.0 if result.measured is None else described.largest(result.measured.cells)
            _agree(fact, gap, "held-out scores" if result.measured is None else "rows", scale, where, notes)


def _agree(fact: Fact, gap: Bounded, rows: str, scale: float, where: str, notes: Notes) -> None:
    value = fact.value if isinstance(fact.value, int | float) else None
    pairs = ((value, gap.value), (fact.low, gap.low), (fact.high, gap.high))
    if not all(same(a, b) or (a is not None and described.agree(a, b, scale)) for a, b in pairs):
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
    if fact.rule == POSITIONS and result.held_out is not None:
        return _of_positions(fact, result, result.held_out)
    if fact.rule == REFERENCE and len(fact.cells) == 1 and result.measured is not None:
        name = _reference(fact, result, result.measured)
        return None if name is None else _beside(result, result.measured, name, fact.cells[0])
    return None


def _of_sets(fact: Fact, result: GridResult, by_id: Mapping[str, Fact]) -> Bounded | None:
    """The mean of a set of cells in each row, or that of one set less that of another; None of any other fact."""
    measured = result.measured
    if measured is None or fact.rule not in {MEAN, MEANS} or (fact.rule == MEAN and fact.low is None):
        return None
    sets = [by_id[one].cells for one in fact.of] if fact.rule == MEANS else [fact.cells]
    rows = [sum(_rows(result, measured.cells, cell) for cell in cells) / len(cells) for cells in sets]
    return described.sample(result.grid, measured).estimate(rows[0] - (rows[1] if len(rows) > 1 else 0.0))


def _from_scores(fact: Fact, result: GridResult, held: HeldOut) -> Bounded:
    grid = result.grid
    at = [(grid.layers.index(layer), grid.positions.index(position)) for layer, position in fact.cells]
    one, other = (folds.cell(held, *index) for index in at)
    return _gap(result, held, one, other)


def _gap(result: GridResult, held: HeldOut, one: Floats, other: Floats) -> Bounded:
    """The paired difference of two sets of scores on the rows of a grid."""
    split = folds.split(held, result.grid.metric)
    return folds.difference(split, folds.score(split, one), folds.score(split, other), result.grid.level)


def _of_positions(fact: Fact, result: GridResult, held: HeldOut) -> Bounded | None:
    """The best layer of a position less that of another, which the fact names by the facts of their values."""
    ends = {f".at.{text.slug(name)}.nested": j for j, name in enumerate(result.grid.positions)}
    found = [next((j for end, j in ends.items() if one.endswith(end)), None) for one in fact.of]
    if held.by_position is None or len(found) != 2 or found[0] is None or found[1] is None:
        return Bounded(math.nan, math.nan, math.nan)
    return _gap(result, held, held.by_position[found[0]], held.by_position[found[1]])


def _check_grids(fact: Fact, pair: list[GridResult | None], where: str, notes: Notes) -> None:
    """The nested best of a grid less that of another on the same rows, which the fact names by their facts."""
    gap = Bounded(math.nan, math.nan, math.nan)
    if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
        one, other = pair[0].held_out, pair[1].held_out
        if one is not None and other is not None and _same_rows(pair[0], pair[1], one, other):
            gap = _gap(pair[0], one, one.nested, other.nested)
    _agree(fact, gap, "held-out scores", 0.0, where, notes)


def _same_rows(a: GridResult, b: GridResult, one: HeldOut, other: HeldOut) -> bool:
    """Whether two grids were judged by one metric on the same rows, folds and targets."""

    def rows(held: HeldOut) -> list[Any]:
        target = held.labels if held.target is None else held.target
        return [held.example_ids, held.groups, held.classes, held.repeats, held.folds.tolist(), target.tolist()]

    return (a.grid.metric, a.grid.level) == (b.grid.metric, b.grid.level) and rows(one) == rows(other)


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
