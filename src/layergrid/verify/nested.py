"""Recomputes the nested best, the best of each position, baselines and what probes add to them from their scores."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Addition, Estimate, Floats, Grid, GridResult, HeldOut
from layergrid.verify import folds
from layergrid.verify.folds import Folds, Scorer
from layergrid.verify.measured import named
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import RESULTS, Notes

JOINED = "+probe"  # ends the name of a baseline that was fitted together with the probe


def check(result: GridResult, held: HeldOut, split: Folds, notes: Notes) -> None:
    """All estimates of a grid that are not of its cells."""
    nested = _compare_nested(result, held, split, notes)
    _compare_baselines(result, held, split, nested, notes)
    _compare_positions(result, held, split, notes)
    for addition in result.additions:
        _compare_addition(result.grid, addition, held, split, notes)


def _compare_nested(result: GridResult, held: HeldOut, split: Folds, notes: Notes) -> Scorer | None:
    grid, selection = result.grid, result.selection
    if selection is None:
        return None
    nested = _scorer(f"{grid.name}: nested best", grid, held, held.nested, split, notes)
    if nested is None:
        return None
    _agree(f"{grid.name}: nested best", selection.estimate, _bounds(grid, split, nested), grid, held, notes)
    notes.counts["estimate"] += 1
    if [winner.fold for winner in selection.winners] != list(range(len(split.rows))):
        notes.wrong(RESULTS, f"{grid.name}: has not one winner for each fold")
        return nested
    for k, winner in enumerate(selection.winners):
        name = f"{grid.name}: winner of fold {winner.fold}"
        cell = named((winner.layer, winner.position))
        if not same(winner.value, nested.folds[k]):
            notes.wrong(RESULTS, f"{name}: value is {winner.value!r}, its scores give {nested.folds[k]!r}")
        if winner.layer not in grid.layers or winner.position not in grid.positions:
            notes.wrong(RESULTS, f"{name}: {cell} is no cell of the grid")
            continue
        own = folds.cell(held, grid.layers.index(winner.layer), grid.positions.index(winner.position))
        index = split.rows[k].index
        if not _equal(own[..., index], held.nested[..., index]):
            notes.wrong(RESULTS, f"{name}: the nested scores are not those of {cell}")
    return nested


def _scorer(name: str, grid: Grid, held: HeldOut, scores: Floats | None, split: Folds, notes: Notes) -> Scorer | None:
    """The scores of an estimate, judged; None, and a note, where they are not there."""
    if scores is None or not folds.can_be_judged(held, grid.metric, scores):
        notes.wrong(RESULTS, f"{name}: has a value, but no held-out scores")
        return None
    return folds.score(split, scores)


def _bounds(grid: Grid, split: Folds, scorer: Scorer) -> Bounded:
    return folds.bounds(split, scorer, grid.level, grid.quantity.chance)


def _equal(a: Floats, b: Floats) -> bool:
    """Whether two arrays of scores are the same but for rounding."""
    x, y = (np.asarray(one, dtype=np.float64) for one in (a, b))
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-7, atol=1e-10, equal_nan=True))


def _compare_baselines(result: GridResult, held: HeldOut, split: Folds, nested: Scorer | None, notes: Notes) -> None:
    grid = result.grid
    for baseline in result.baselines:
        name = f"{grid.name}: baseline {baseline.name}"
        if baseline.estimate is None:
            continue
        scorer = _scorer(name, grid, held, held.baselines.get(baseline.name), split, notes)
        if scorer is None:
            continue
        _agree(name, baseline.estimate, _bounds(grid, split, scorer), grid, held, notes)
        notes.counts["estimate"] += 1
        if baseline.difference is not None and nested is not None:
            gap = folds.difference(split, nested, scorer, grid.level)
            _agree(f"{name}: difference", baseline.difference, gap, grid, held, notes)
            notes.counts["paired difference"] += 1


def _compare_positions(result: GridResult, held: HeldOut, split: Folds, notes: Notes) -> None:
    """The best layer of each position, chosen fold by fold: its estimate, and that its scores are those of a layer."""
    grid = result.grid
    if held.by_position is not None and len(result.by_position) != len(grid.positions):
        notes.wrong(RESULTS, f"{grid.name}: has scores of each position, but not one estimate for each")
        return
    for j, (position, estimate) in enumerate(zip(grid.positions, result.by_position, strict=False)):
        name = f"{grid.name}: best layer at {position}"
        scores = None if held.by_position is None else held.by_position[j]
        if estimate is None:
            if scores is not None and folds.can_be_judged(held, grid.metric, scores):
                notes.wrong(RESULTS, f"{name}: has held-out scores, but no value")
            continue
        scorer = _scorer(name, grid, held, scores, split, notes)
        if scorer is None or scores is None:
            continue
        _agree(name, estimate, _bounds(grid, split, scorer), grid, held, notes)
        notes.counts["estimate"] += 1
        for k, rows in enumerate(split.rows):
            own = scores[..., rows.index]
            if not any(_equal(folds.cell(held, i, j)[..., rows.index], own) for i in range(len(grid.layers))):
                notes.wrong(RESULTS, f"{name}: the scores of fold {k} are those of no layer")


def _compare_addition(grid: Grid, addition: Addition, held: HeldOut, split: Folds, notes: Notes) -> None:
    """What the probe adds to a baseline: the baseline alone, both together, and the difference."""
    name = f"{grid.name}: added to {addition.name}"
    alone, together = (
        _scorer(name, grid, held, held.baselines.get(one), split, notes)
        for one in (addition.name, addition.name + JOINED)
    )
    if alone is None or together is None:
        return
    _agree(f"{name}: alone", addition.alone, _bounds(grid, split, alone), grid, held, notes)
    _agree(f"{name}: together", addition.together, _bounds(grid, split, together), grid, held, notes)
    gap = folds.difference(split, together, alone, grid.level)
    _agree(f"{name}: difference", addition.difference, gap, grid, held, notes)
    notes.counts["estimate"] += 2
    notes.counts["paired difference"] += 1


def _agree(name: str, stored: Estimate, found: Bounded, grid: Grid, held: HeldOut, notes: Notes) -> None:
    for column, a, b in (
        ("value", stored.value, found.value),
        ("low", stored.low, found.low),
        ("high", stored.high, found.high),
        ("n", stored.n, len(held.folds) // held.repeats),
        ("level", stored.level, grid.level),
    ):
        if not same(a, b):
            notes.wrong(RESULTS, f"{name}: {column} is {a!r}, its scores give {b!r}")
