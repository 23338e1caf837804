"""Recomputes the tables of a comparison from the grids of both reports; it knows nothing of what those grids lack.

Rows, cells, nested bests, headline facts and settings of grids follow from the sides of a comparison. What a comparison
says of whole reports does not: their specs, seeds, cards and libraries, expectations, the count of other facts, and
grids that only one of them has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from layergrid import facts
from layergrid.artifacts import GridResult, HeldOut, Measured, Results, Scalar
from layergrid.comparing import changes
from layergrid.verify.problems import COMPARED, RESULTS, Notes

NEEDED = ("labels", "pairs", "nested", "unmatched", changes.FACTS, changes.SETTINGS, changes.COUNTS)
Row = Mapping[str, Scalar]
Found = Mapping[str, Sequence[Row]]


def check(results: Results, notes: Notes) -> None:
    """Every table of a comparison, as far as it follows from the grids of both reports."""
    found = {t.name: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in results.tables}
    made = [one for one in results.grids if one.sides and one.grid.settings.get("between") != "grids"]
    if not made and not {"labels", "pairs"} <= set(found):
        return
    lacking = [name for name in NEEDED if name not in found]
    for name in lacking:
        notes.wrong(RESULTS, f"a comparison has no table {name}")
    if lacking:
        return
    _same_rows("pairs", found["pairs"], [_pair(one, found) for one in made], notes)
    _same_rows(
        "nested", [_shortly(row) for row in found["nested"]], [row for one in made for row in _nested(one)], notes
    )
    axes = [row for row in found["unmatched"] if row["what"] in ("layer", "position")]
    _same_rows("unmatched", axes, [row for one in made for row in _unmatched(one)], notes)
    for one in made:
        _changes(one, results, found, notes)
    _counts(found, notes)


def _same_rows(name: str, stored: Sequence[Row], wanted: Sequence[Row], notes: Notes) -> None:
    """Whether a table holds the rows that the grids give, whatever their order."""
    for row in wanted:
        if row not in stored:
            notes.wrong(RESULTS, f"the table {name} lacks the row {list(row.values())!r}, which both reports give")
    for row in stored:
        if row not in wanted or stored.count(row) > wanted.count(row):
            notes.wrong(
                RESULTS, f"the table {name} holds the row {list(row.values())!r}, which the reports do not give"
            )
    notes.counts[COMPARED] += len(wanted)


# ---------------------------------------------------------------- rows, cells and bests


def _rows(one: GridResult) -> HeldOut | Measured | None:
    return one.held_out or one.measured


def _ids(one: GridResult) -> set[str]:
    kept = _rows(one)
    return set() if kept is None else set(kept.example_ids)


def _pair(one: GridResult, found: Found) -> Row:
    """The row of a pair of grids; why differences are not paired is for the comparison to say, not whether."""
    a, b = one.sides
    paired = str(one.grid.settings.get("paired", ""))
    layers, positions = ([x for x in mine if x in theirs] for mine, theirs in (
        (a.grid.layers, b.grid.layers), (a.grid.positions, b.grid.positions)))  # fmt: skip
    cells = [
        tuple(float(g.grid.value[g.grid.layers.index(layer), g.grid.positions.index(position)]) for g in (a, b))
        for layer in layers
        for position in positions
    ]
    told = next((str(row["why"]) for row in found["pairs"] if row["grid"] == one.grid.name), "")
    return {
        "grid": one.grid.name, "examples": len(_ids(a) & _ids(b)) if paired else 0,
        "rows_a": len(_ids(a)), "rows_b": len(_ids(b)), "paired": paired, "why": "" if paired else told or "a reason",
        "cells": sum(any(map(math.isfinite, pair)) for pair in cells),
        "unchanged": sum(first == second for first, second in cells), "metric": a.grid.metric,
    }  # fmt: skip


def _shortly(row: Row) -> Row:
    """A row of nested bests without the numbers, which are checked where they are recomputed."""
    return {"grid": row["grid"], "n": row["n"]}


def _nested(one: GridResult) -> list[Row]:
    """Which grid has a difference of nested bests, and over how many examples."""
    a, b = one.sides
    bests = [math.nan if side.selection is None else side.selection.estimate.value for side in (a, b)]
    if not all(map(math.isfinite, bests)):
        return []
    held = [side.held_out for side in (a, b)]
    whole = all(h is not None and not np.isnan(h.nested).any() for h in held)
    return [{"grid": one.grid.name, "n": len(_ids(a) & _ids(b)) if whole and one.grid.settings.get("paired") else 0}]


def _unmatched(one: GridResult) -> list[Row]:
    """Layers and positions that only one side has."""
    a, b = (side.grid for side in one.sides)
    rows: list[Row] = []
    for what, mine, theirs in (("layer", a.layers, b.layers), ("position", a.positions, b.positions)):
        for side, own, other in (("a", mine, theirs), ("b", theirs, mine)):
            rows += [{"what": what, "name": f"{one.grid.name}: {x}", "side": side} for x in own if x not in other]
    return rows


# ---------------------------------------------------------------- what changed


def _changes(one: GridResult, results: Results, found: Found, notes: Notes) -> None:
    """Headline facts and settings of a grid, drawn anew from both sides."""
    alone = [replace(results, grids=(side,), tables=(), expectations=(), illustrations=()) for side in one.sides]
    heads = [f"{prefix}.{key}" for side in alone for prefix in facts.prefixes(side) for key in changes.HEADLINES]
    derived = [{fact.id: fact for fact in facts.derive(side)} for side in alone]
    rows: list[Row] = [
        dict(zip(("fact", "a", "b"), row, strict=True))
        for row in changes.changed_facts(derived[0], derived[1], list(dict.fromkeys(heads)))
    ]
    _same_rows(changes.FACTS, [row for row in found[changes.FACTS] if row["fact"] in heads], rows, notes)
    mine = f"{one.grid.name}: "
    rows = [
        dict(zip(("setting", "a", "b"), row, strict=True))
        for row in changes.changed_settings(alone[0], alone[1])
        if row[0].startswith(mine)
    ]
    stored = [row for row in found[changes.SETTINGS] if str(row["setting"]).startswith(mine)]
    _same_rows(changes.SETTINGS, stored, rows, notes)


def _counts(found: Found, notes: Notes) -> None:
    """The counts beside the tables: as many as there are rows, and none above what there is."""
    counted = {str(row["what"]): (int(row["changed"] or 0), int(row["all"] or 0)) for row in found[changes.COUNTS]}
    if set(counted) != {"headline facts", "other facts", "settings"} or len(counted) != len(found[changes.COUNTS]):
        notes.wrong(RESULTS, f"the table counts holds {sorted(counted)}, not headline facts, other facts and settings")
        return
    for what, table in (("headline facts", changes.FACTS), ("settings", changes.SETTINGS)):
        if counted[what][0] != len(found[table]):
            message = f"the table counts has {counted[what][0]} changed {what}, {table} lists {len(found[table])}"
            notes.wrong(RESULTS, message)
    for what, (changed, every) in counted.items():
        if not 0 <= changed <= every:
            notes.wrong(RESULTS, f"the table counts has {changed} changed {what} of {every}")
