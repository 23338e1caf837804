"""Recomputes a grid from the values of its examples and holds it against the files; it reads no prose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from layergrid import archive
from layergrid.artifacts import HAS_VALUE, Facet, Floats, Grid, GridPoint, GridResult, Measured
from layergrid.verify.means import Sample
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import RESULTS, Notes

ROUNDING = 1e-11  # of the largest value: what sums in another order may differ by


def sample(grid: Grid, measured: Measured) -> Sample:
    """The rows of a grid and how its cells sum them up."""
    return Sample(
        groups=measured.groups,
        positive=np.asarray(measured.labels) if grid.contrast else None,
        level=grid.level,
        median=measured.statistic == "median",
        seed=_whole(grid, "seed"),
        resamples=_whole(grid, "resamples"),
    )


def _whole(grid: Grid, key: str) -> int:
    found = grid.settings.get(key, 0)
    return found if isinstance(found, int) and found >= 0 else 0


def check(result: GridResult, measured: Measured, notes: Notes) -> None:
    """One grid: its cells and facets in the table, its ties and the counts of its methods, from its rows."""
    grid = result.grid
    whole = sample(grid, measured)
    if whole.median and not whole.resamples:
        notes.wrong(RESULTS, f"{grid.name}: the settings do not say how many resamples the intervals of medians have")
        return
    scale = largest(measured.cells)
    found = {point: whole.estimate(rows) for point, _, rows in _each(grid, measured.cells)}
    _compare_cells(grid, measured, found, scale, notes)
    _compare_facets(grid, measured, whole, scale, notes)
    _compare_ties(grid, measured, whole, found, scale, notes)
    _compare_settings(grid, measured, notes)


def _each(grid: Grid, cells: Floats) -> Iterator[tuple[GridPoint, tuple[int, int], Floats]]:
    for i, layer in enumerate(grid.layers):
        for j, position in enumerate(grid.positions):
            yield (layer, position), (i, j), cells[i, j]


def largest(cells: Floats) -> float:
    """The largest finite value of rows [L, P, n], whatever its sign."""
    return max((float(np.abs(one[np.isfinite(one)]).max(initial=0.0)) for one in cells), default=0.0)


def agree(a: float | None, b: float, scale: float) -> bool:
    """Whether two numbers are equal but for rounding in rows whose largest value is `scale`."""
    return same(a, b) or (a is not None and abs(a - b) <= ROUNDING * scale)


# ---------------------------------------------------------------- cells and facets


def _compare_cells(
    grid: Grid, measured: Measured, found: Mapping[GridPoint, Bounded], scale: float, notes: Notes
) -> None:
    where = archive.grid_file(grid.name, "parquet")
    for point, at, rows in _each(grid, measured.cells):
        cell, right, name = {c: getattr(grid, c)[at].item() for c in _COLUMNS}, found[point], named(point)
        if cell["status"] not in HAS_VALUE:
            if not math.isnan(right.value):
                notes.wrong(where, f"{name}: has the status {cell['status']}, but its rows give {right.value!r}")
            elif not all(math.isnan(cell[column]) for column in ("value", "low", "high")):
                notes.wrong(where, f"{name}: has the status {cell['status']} and yet the value {cell['value']!r}")
            continue
        if math.isnan(right.value):
            notes.wrong(where, f"{name}: has the value {cell['value']!r}, but its rows give none")
            continue
        kept = np.isfinite(rows)
        wanted = {
            "value": right.value, "low": right.low, "high": right.high, "n": int(kept.sum()),
            "n_positive": int(measured.labels[kept].sum()), "p_adjusted": math.nan,
        }  # fmt: skip
        for column, value in wanted.items():
            if not agree(cell[column], value, 0 if column.startswith("n") else scale):
                notes.wrong(where, f"{name}: {column} is {cell[column]!r}, its rows give {value!r}")


_COLUMNS = ("value", "low", "high", "n", "n_positive", "p_adjusted", "status")


def _compare_facets(grid: Grid, measured: Measured, whole: Sample, scale: float, notes: Notes) -> None:
    classes = [facet for facet in grid.facets if facet.role == "class"]
    if classes and " - ".join(facet.name for facet in classes) != grid.contrast:
        notes.wrong(RESULTS, f"{grid.name}: its classes are not those of the contrast {grid.contrast!r}")
        return
    for facet, side in zip(classes, (measured.labels, ~measured.labels), strict=False):
        _compare_facet(grid, facet, measured.cells[..., side], whole.of(side), scale, notes)
    for facet in (f for f in grid.facets if f.role != "class"):
        if facet.name not in measured.facets:
            notes.wrong(RESULTS, f"{grid.name}: {facet.label} has a map, but no rows")
            continue
        rows = measured.facets[facet.name]
        _compare_facet(grid, facet, rows, whole, largest(rows), notes)


def _compare_facet(grid: Grid, facet: Facet, cells: Floats, rows_of: Sample, scale: float, notes: Notes) -> None:
    where = archive.grid_file(grid.name, "parquet")
    for point, at, rows in _each(grid, cells):
        right = rows_of.estimate(rows)
        for column in ("value", "low", "high"):
            stored, value = getattr(facet, column)[at].item(), getattr(right, column)
            if not agree(stored, value, scale):
                notes.wrong(where, f"{facet.label}, {named(point)}: {column} is {stored!r}, its rows give {value!r}")
        notes.counts["facet cell"] += 1


def named(point: GridPoint) -> str:
    """A cell as a problem calls it."""
    return f"layer {point[0]} at {point[1]}"


# ---------------------------------------------------------------- ties and counts


def _compare_ties(
    grid: Grid, measured: Measured, whole: Sample, found: Mapping[GridPoint, Bounded], scale: float, notes: Notes
) -> None:
    """Ties of the cells that hold a value with the best one; of several that are best but for rounding, with any."""
    sign = -1.0 if grid.quantity.higher_is == "less" else 1.0
    cells = [one for one in _each(grid, measured.cells) if not math.isnan(found[one[0]].value)]
    if not cells:
        return
    top = max(sign * found[point].value for point, _, _ in cells)
    troubles: list[list[str]] = []
    for best, _, leading in cells:
        if sign * found[best].value < top - ROUNDING * scale:
            continue
        troubles.append([])
        for point, at, rows in cells:
            gap = whole.estimate(sign * (leading.astype(np.float64) - rows.astype(np.float64)))
            wanted, tied = point == best or not gap.low > 0, bool(grid.tied_with_best[at])
            if wanted != tied and not abs(gap.low) <= ROUNDING * scale:
                troubles[-1].append(f"{named(point)}: tied with the best is {tied}, its rows give {wanted}")
        if not troubles[-1]:
            break
    for trouble in min(troubles, key=len):
        notes.wrong(RESULTS, f"{grid.name}: {trouble}")
    for (layer, position), at, _ in _each(grid, measured.cells):
        if grid.tied_with_best[at] and math.isnan(found[layer, position].value):
            notes.wrong(RESULTS, f"{grid.name}: {named((layer, position))}: is tied with the best and has no value")
    notes.counts["paired difference"] += len(cells)


def _compare_settings(grid: Grid, measured: Measured, notes: Notes) -> None:
    """The counts that the methods print."""
    low, high = (math.nan if end is None else end for end in (grid.quantity.low, grid.quantity.high))
    wanted = {
        "rows": len(measured.example_ids),
        "n_groups": len(set(measured.groups)),
        "statistic": measured.statistic,
        "level": grid.level,
        "beyond_range": int(((grid.low < low) | (grid.high > high)).sum()),
    }
    parts = [grid.settings.get(key) for key in ("dropped_correct", "dropped_wrong", "rows_in_all")]
    known = [one for one in parts if isinstance(one, int)]
    if len(known) == len(parts) and len(measured.example_ids) + known[0] + known[1] != known[2]:
        notes.wrong(RESULTS, f"{grid.name}: the rows that were dropped and those that are there are not all rows")
    for key, value in wanted.items():
        stored = grid.settings.get(key, value)
        if stored != value:
            notes.wrong(RESULTS, f"{grid.name}: the setting {key} is {stored!r}, its rows give {value!r}")
