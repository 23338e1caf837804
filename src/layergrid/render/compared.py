"""The tables of two reports beside each other, as plain strings; they know no markup and no figure."""

from __future__ import annotations

import numpy as np

from layergrid import text
from layergrid.artifacts import GridResult, Results, Scalar
from layergrid.facts import differences
from layergrid.facts.ledger import clear_of_zero
from layergrid.facts.view import View
from layergrid.render.sheets import Sheet

MOST = 30  # cells and settings that a table lists
SAID = {"changed_facts": ("Fact", "Facts that changed"), "changed_settings": ("Setting", "Settings that changed")}


def sheets(results: Results) -> list[Sheet]:
    """A table of cells for each grid of differences, then those of facts and settings; none of other reports."""
    found = differences.tables(results)
    if not found:
        return []
    a, b = (str(row["label"]) for row in found["labels"])
    many = len(results.grids) > 1
    found_sheets = [cells(one, (a, b), many) for one in results.grids if one.sides]
    for name, (head, title) in SAID.items():
        rows = tuple((_shown(row.get(head.lower())), _shown(row["a"]), _shown(row["b"])) for row in found.get(name, ()))
        found_sheets.append(Sheet(name, title, (head, a, b), rows, (False, False, False)))
    return found_sheets


def _shown(value: Scalar) -> str:
    return str(value) if value not in (None, "") else "\N{EN DASH}"


def cells(one: GridResult, labels: tuple[str, str], many: bool) -> Sheet:
    """The cells whose interval leaves out zero, or without intervals those that differ most."""
    grid, view = one.grid, View(one)
    with np.errstate(invalid="ignore"):
        kept = view.bounded & ((grid.low > 0) | (grid.high < 0)) if view.bounded.any() else view.ok & (grid.value != 0)
    order = sorted(map(tuple, np.argwhere(kept).tolist()), key=lambda at: -abs(grid.value[at]))
    rows = []
    for i, j in order[:MOST]:
        low, high = float(grid.low[i, j]), float(grid.high[i, j])
        digits = clear_of_zero(low, high, view.digits)
        gap = text.signed(float(grid.value[i, j]), digits)
        gap += f" {text.interval(low, high, digits)}" if np.isfinite([low, high]).all() else ""
        sides = [text.number(float(facet.value[i, j]), digits) for facet in grid.facets]
        rows.append((view.shown(j), str(grid.layers[i]), *sides, gap))
    of = f" of {grid.name}" if many else ""
    note = f"The first {MOST} of {len(order)} cells." if len(order) > MOST else ""
    columns = ("Position", "Layer", *labels, "Difference")
    return Sheet(f"{grid.name}.differences", f"Cells that differ{of}", columns, tuple(rows),
                 (False, True, True, True, True), note=note)  # fmt: skip
