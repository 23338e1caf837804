"""Checks the permutation test, the control task and the directions of a grid against its cells; it reads no prose.

p-values follow from the statistics of the test. Those statistics, the control task and the directions follow from fits
that are not kept: of them it checks what must hold between the numbers, and the digests of the files guard the rest.
"""

from __future__ import annotations

import math

import numpy as np

from layergrid.artifacts import Bools, Control, Directions, Floats, Grid, GridPoint, GridResult, Permutation
from layergrid.verify.measured import named
from layergrid.verify.numbers import same
from layergrid.verify.problems import RESULTS, Notes


def check(result: GridResult, notes: Notes) -> None:
    """Whatever of the three a grid has."""
    if result.permutation is not None:
        _check_permutation(result.grid, result.permutation, notes)
    if result.control is not None:
        _check_control(result.grid, result.control, notes)
    if result.directions is not None:
        _check_directions(result.grid, result.directions, notes)


# ---------------------------------------------------------------- permutations


def p_values(grid: Grid, permutation: Permutation) -> dict[GridPoint, float]:
    """The share of relabellings, the true one counted, whose largest statistic is at least that of the cell."""
    found = {}
    for cell, observed in _each(grid, permutation.observed):
        reached = sum(1 for one in permutation.maxima.tolist() if one >= observed)
        found[cell] = math.nan if math.isnan(observed) else (1 + reached) / (len(permutation.maxima) + 1)
    return found


def _each(grid: Grid, values: Floats | Bools) -> list[tuple[GridPoint, float]]:
    cells = [(layer, position) for layer in grid.layers for position in grid.positions]
    return list(zip(cells, values.ravel().tolist(), strict=True))


def _check_permutation(grid: Grid, permutation: Permutation, notes: Notes) -> None:
    """Statistics that may be: standardised over B + 1 labellings, none lies further out than the root of B."""
    b, quantity = len(permutation.maxima), grid.quantity
    name = f"{grid.name}: permutation test"
    tested = permutation.observed[np.isfinite(permutation.observed)]
    for value in [*tested.tolist(), *(permutation.maxima.tolist() if tested.size else ())]:
        if not abs(value) <= math.sqrt(b) + 1e-6:
            notes.wrong(RESULTS, f"{name}: {value!r} is no standardised statistic of {b} relabellings")
    low = -math.inf if quantity.low is None else quantity.low
    floor, high = low if quantity.chance is None else quantity.chance, quantity.high
    if not math.isnan(permutation.detectable) and not (
        floor <= permutation.detectable <= (math.inf if high is None else high)
    ):
        notes.wrong(RESULTS, f"{name}: the detectable value {permutation.detectable!r} is out of range")
    if not 0 < permutation.power < 1:
        notes.wrong(RESULTS, f"{name}: the power {permutation.power!r} is no probability")
    if permutation.fixed < 0:
        notes.wrong(RESULTS, f"{name}: {permutation.fixed} rows are fixed")
    notes.counts["permuted statistic"] += tested.size + b


# ---------------------------------------------------------------- the control task


def _check_control(grid: Grid, control: Control, notes: Notes) -> None:
    """Selectivity is the value of a cell less that of the control task, inside its own interval."""
    low, high = (math.nan if end is None else end for end in (grid.quantity.low, grid.quantity.high))
    rows = zip(
        _each(grid, grid.value), *(_each(grid, getattr(control, f)) for f in ("value", "selectivity", "low", "high")),
        strict=True,
    )  # fmt: skip
    for (cell, value), (_, task), (_, selectivity), (_, lower), (_, upper) in rows:
        name = f"{grid.name}: control task, {named(cell)}"
        if not same(selectivity, value - task):
            notes.wrong(RESULTS, f"{name}: selectivity is {selectivity!r}, the values give {value - task!r}")
        if task < low or task > high:
            notes.wrong(RESULTS, f"{name}: the value {task!r} is out of range")
        if math.isnan(lower) != math.isnan(upper) or lower > selectivity or selectivity > upper:
            notes.wrong(RESULTS, f"{name}: the interval from {lower!r} to {upper!r} does not hold {selectivity!r}")
        notes.counts["control value"] += not math.isnan(selectivity)
    if control.draws < 1 or min(control.types, default=0) < 0:
        notes.wrong(RESULTS, f"{grid.name}: control task: counts of draws and of types cannot be negative")
    for position, share in zip(grid.positions, control.shared, strict=True):
        if not math.isnan(share) and not 0 <= share <= 1:
            notes.wrong(RESULTS, f"{grid.name}: control task at {position}: the share {share!r} is none")


# ---------------------------------------------------------------- directions


def _check_directions(grid: Grid, directions: Directions, notes: Notes) -> None:
    """A direction is there in whole or not at all."""
    whole = np.isfinite(directions.weights).all(axis=2) & np.isfinite(directions.intercepts)
    none = np.isnan(directions.weights).all(axis=2) & np.isnan(directions.intercepts)
    for (cell, there), (_, lacking) in zip(_each(grid, whole), _each(grid, none), strict=True):
        if not (there or lacking):
            notes.wrong(RESULTS, f"{grid.name}: the direction of {named(cell)} is not one")
        notes.counts["direction"] += bool(there)
