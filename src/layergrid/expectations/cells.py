"""Cells, nested bests and rows of one grid as numbers that bounds are held against; it judges none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from layergrid.artifacts import DataCard, Grid, GridPoint, GridResult
from layergrid.expectations.seen import Asked, Seen
from layergrid.kinds import BadInput
from layergrid.spec import CellBound, RowsBound
from layergrid.spec.expecting import ALL, EVERY, LAYERS, SMALLEST, said_layers
from layergrid.spec.naming import Naming
from layergrid.text import EN_DASH, listed


def nested_best(result: GridResult) -> Asked:
    """The nested best of a grid, with the cells that its folds chose."""
    name, chosen = result.grid.name, result.selection
    if chosen is None:
        seen = Seen(reason=without_best(result))
    else:
        e = chosen.estimate
        cells = tuple(dict.fromkeys((w.layer, w.position) for w in chosen.winners))
        seen = Seen(e.value, e.low, e.high, e.n, cells=cells)
    return Asked(f"{name}: nested best", (seen,), grid=name, level=result.grid.level)


def without_best(result: GridResult) -> str:
    """Why a grid has no nested best."""
    if result.grid.has_value.any():
        return "the grid chooses no best cell"
    reasons = sorted(set(result.grid.reason.ravel().tolist()) - {""})
    return f"no cell of the grid has a value ({'; '.join(reasons)})" if reasons else "no cell of the grid has a value"


def cells(result: GridResult, asked: CellBound, where: str) -> Asked:
    """The cells that layers and positions name.

    Raises:
        BadInput: they name a layer or position that the grid lacks.
    """
    grid = result.grid
    layers, positions = chosen_layers(grid, asked.layer, where), chosen_positions(grid, asked.position, where)
    if isinstance(asked.layer, int) and isinstance(asked.position, str) and len(positions) == 1 and _plain(asked):
        subject = f"{grid.name}: cell at layer {asked.layer}, {positions[0]}"
    else:
        quantifier = "every" if asked.needs == "all" else "some"
        subject = f"{grid.name}: {quantifier} cell at {_said_layers(asked)}, {_said_positions(asked)}"
    seen = tuple(cell(grid, (layer, position)) for layer in layers for position in positions)
    seen = (replace(seen[0], what=""),) if len(seen) == 1 else seen
    return Asked(subject, seen, asked.needs == "all", grid.name, grid.level)


def _plain(asked: CellBound) -> bool:
    return isinstance(asked.position, str) and asked.position != EVERY and not Naming.is_glob(asked.position)


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _said_layers(asked: CellBound) -> str:
    named = [LAYERS.sub(rf"\1{EN_DASH}\2", str(one)) for one in _several(asked.layer)]
    if named == [EVERY]:
        return "all layers"
    return f"{'layer' if isinstance(asked.layer, int) else 'layers'} {listed(named)}"


def _said_positions(asked: CellBound) -> str:
    return said(asked.position, "all positions")


def said(position: str | tuple[str, ...], every: str) -> str:
    """Positions as they were written."""
    named = [str(one) for one in _several(position)]
    return every if named == [EVERY] else listed(named)


def chosen_layers(grid: Grid, written: object, where: str) -> tuple[int, ...]:
    """The layers of a grid that an expectation names, in the grid's order; raises BadInput where it lacks one."""
    found: set[int] = set()
    for one in _several(written):
        bounds = LAYERS.fullmatch(one) if isinstance(one, str) else None
        named = (
            range(int(bounds[1]), int(bounds[2]) + 1) if bounds else grid.layers if one == EVERY else (int(str(one)),)
        )
        for layer in named:
            if layer not in grid.layers:
                raise BadInput(f"{where}: grid {grid.name!r} has no cell at layer {layer}; {said_layers(grid.layers)}")
            found.add(layer)
    return tuple(layer for layer in grid.layers if layer in found)


def chosen_positions(grid: Grid, written: str | tuple[str, ...], where: str) -> tuple[str, ...]:
    """The positions of a grid that an expectation names, in the grid's order; raises BadInput where it lacks one."""
    found = matched(grid.positions, written)
    if isinstance(found, str):
        raise BadInput(f"{where}: grid {grid.name!r} has {found}")
    return found


def matched(names: tuple[str, ...], written: str | tuple[str, ...]) -> tuple[str, ...] | str:
    """The names that names, globs, ranges and "every" mean, in their own order; or what is wrong with one of them."""
    naming, found = Naming(names), set[str]()
    for one in map(str, _several(written)):
        if one in names:
            found.add(one)
        elif one == EVERY:
            found |= set(names)
        else:
            some = naming.matching(one)
            if not some or not set(some) <= set(names):
                return naming.unknown(one)
            found |= set(some)
    return tuple(name for name in names if name in found)


def cell(grid: Grid, at: GridPoint) -> Seen:
    """One cell, or why it has no value."""
    i, j = grid.layers.index(at[0]), grid.positions.index(at[1])
    value, low, high = (float(array[i, j]) for array in (grid.value, grid.low, grid.high))
    what, reason = f"layer {at[0]}, {at[1]}", ""
    if not grid.has_value[i, j] or not math.isfinite(value):
        status = str(grid.status[i, j])
        why = str(grid.reason[i, j])
        reason = f"{what} has the status {status.replace('_', ' ')}" + (f": {why}" if why else "")
        value = low = high = math.nan
    return Seen(value, low, high, int(grid.n[i, j]), what, (at,), reason)


# ---------------------------------------------------------------- rows


def rows(result: GridResult, card: DataCard | None, asked: RowsBound) -> Asked:
    """How many different examples a grid compares, in all or of a class."""
    name = result.grid.name
    words = {ALL: "rows compared", SMALLEST: "rows of the smallest class"}.get(asked.of, f"rows of {asked.of}")
    counts = by_class(result, card)
    seen = Seen(reason=without_best(result)) if not result.grid.has_value.any() else _counted(counts, asked.of)
    return Asked(f"{name}: {words}", (seen,), grid=name, counts=True)


def _counted(counts: dict[str, int], of: str) -> Seen:
    classes = {word: count for word, count in counts.items() if word != ALL}
    if of == SMALLEST and classes:
        word = min(classes, key=lambda one: classes[one])
        return Seen(float(classes[word]), n=counts[ALL], what=word)
    if of in counts:
        return Seen(float(counts[of]), n=counts[ALL])
    known = f"its classes are {listed(classes)}" if classes else "its rows have no classes"
    return Seen(reason=f"the grid has no class {of!r}; {known}" if of != SMALLEST else known)


def by_class(result: GridResult, card: DataCard | None) -> dict[str, int]:
    """Different examples that a grid compares: in all, and by the words of their classes where they have some."""
    grid, kept = result.grid, result.held_out or result.measured
    if kept is None:
        n = int(grid.n[grid.has_value].min()) if grid.has_value.any() else 0
        return {ALL: n}
    found = {ALL: len(set(kept.example_ids))}
    held = result.held_out
    if held is not None and held.classes and held.target is not None:
        codes = held.target.astype(np.int64)
        return found | {word: int((codes == k).sum()) // held.repeats for k, word in enumerate(held.classes)}
    repeats = held.repeats if held is not None else 1
    positive, negative = _words(grid, card)
    binary = bool(positive) and (held is None or held.target is None) and bool(grid.contrast or grid.quantity.positive)
    if binary:
        true = int(kept.labels.sum()) // repeats
        found |= {positive: true, negative: len(kept.labels) // repeats - true}
    return found


def _words(grid: Grid, card: DataCard | None) -> tuple[str, str]:
    """Words for the positive class and the other; empty where rows have none."""
    classes = card.classes if card is not None else DataCard.classes
    first, _, second = grid.contrast.partition(" - ")
    if second:
        return first, second
    positive = grid.quantity.positive
    others = [word for word in classes if word != positive]
    return positive, others[0] if positive and others else ("other rows" if positive else "")
