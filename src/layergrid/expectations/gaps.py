"""Paired differences of positions, cells and grids, and from baselines, as numbers for bounds; it judges none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from layergrid import stats
from layergrid.artifacts import Baseline, Floats, GridPoint, GridResult
from layergrid.expectations.cells import cell, chosen_layers, without_best
from layergrid.expectations.seen import Asked, Seen
from layergrid.facts import between
from layergrid.facts.view import View
from layergrid.kinds import BadInput
from layergrid.spec import BaselineBound, DifferenceBound, Side
from layergrid.spec.expecting import BEST
from layergrid.spec.naming import Naming
from layergrid.text import nearest

OTHER_ROWS = "the two grids do not compare the same rows in the same folds by one measure"
NO_INTERVAL = "the difference has no interval"


# ---------------------------------------------------------------- one side less the other


def difference(own: str, grids: Mapping[str, GridResult], asked: DifferenceBound, where: str) -> Asked:
    """`of` less `minus` on the same rows; of a position alone its best layer, chosen inside the training folds.

    Raises:
        BadInput: a side names a layer or position that its grid lacks.
    """
    sides = [(side, grids[side.grid or own]) for side in (asked.of, asked.minus)]
    points = [_point(side, result, where) for side, result in sides]
    same = sides[0][1].grid.name == sides[1][1].grid.name
    words = [_words(side, "" if same else result.grid.name) for side, result in sides]
    grid = sides[0][1].grid
    shared = tuple(at for (side, result), many in zip(sides, points, strict=True) for at in many if result.grid is grid)
    gap = _gap(sides, points)
    seen = Seen(gap.value, gap.low, gap.high, gap.n, cells=tuple(dict.fromkeys(shared)), reason=gap.reason)
    return Asked(f"{own}: {words[0]} less {words[1]}", (seen,), grid=grid.name, level=grid.level)


def _words(side: Side, grid: str) -> str:
    """A side in words: "last_q", "layer 3, last_q", "nested best of errors"."""
    cell_ = f"layer {side.layer}, {side.position}" if side.layer is not None else side.position
    return f"{cell_ or 'nested best'}{f' of {grid}' if grid else ''}"


def _point(side: Side, result: GridResult, where: str) -> tuple[GridPoint, ...]:
    """The cells of a side: one, those of a position, or those that the nested best chose."""
    if side.position is None:
        winners = result.selection.winners if result.selection else ()
        return tuple(dict.fromkeys((w.layer, w.position) for w in winners))
    grid = result.grid
    if side.position not in grid.positions:
        raise BadInput(f"{where}: grid {grid.name!r} has {Naming(grid.positions).unknown(side.position)}")
    layers = grid.layers if side.layer is None else chosen_layers(grid, side.layer, where)
    return tuple((layer, side.position) for layer in layers)


def _gap(sides: list[tuple[Side, GridResult]], points: list[tuple[GridPoint, ...]]) -> Seen:
    (side, one), (_, other) = sides
    lacking = [why for (s, result), many in zip(sides, points, strict=True) if (why := _lacking(s, result, many))]
    if lacking:
        return Seen(reason=lacking[0])
    if one.grid is not other.grid and not between.same_rows(one, other):
        return Seen(reason=OTHER_ROWS)
    view = View(one)
    if one.measured is not None and other.measured is not None and side.layer is not None:
        rows = [_measured(result, many[0]) for (_, result), many in zip(sides, points, strict=True)]
        found = view.pairs.difference(*rows) if view.pairs is not None and one.grid is other.grid else None
        return _seen(found, len(one.measured.example_ids))
    scores = [_scores(s, result, many) for (s, result), many in zip(sides, points, strict=True)]
    if scores[0] is None or scores[1] is None:
        return Seen(reason="no scores were kept that the difference follows from")
    held = one.held_out
    return _seen(view.gap(scores[0], scores[1]), len(set(held.example_ids)) if held is not None else 0)


def _seen(found: stats.Interval | None, n: int) -> Seen:
    if found is None:
        return Seen(reason="the rows have no scores or values that could be paired")
    reason = "" if math.isfinite(found.low) else NO_INTERVAL
    return Seen(found.value, found.low, found.high, n, reason=reason)


def _lacking(side: Side, result: GridResult, points: tuple[GridPoint, ...]) -> str:
    """Why a side has no number."""
    if side.layer is not None:
        return cell(result.grid, points[0]).reason
    if result.selection is None or not math.isfinite(result.selection.estimate.value):
        return without_best(result)
    if side.position is not None:
        j = result.grid.positions.index(points[0][1])
        if not result.by_position or result.by_position[j] is None:
            return f"{points[0][1]} has no nested best of its own"
    return ""


def _scores(side: Side, result: GridResult, points: tuple[GridPoint, ...]) -> Floats | None:
    """The held-out scores of a side, [n] or [C, n]."""
    held = result.held_out
    if held is None:
        return None
    if side.position is None:
        return held.nested
    j = result.grid.positions.index(points[0][1])
    if side.layer is None:
        return None if held.by_position is None else held.by_position[j]
    return View(result).scores((result.grid.layers.index(side.layer), j))


def _measured(result: GridResult, at: GridPoint) -> Floats:
    grid, measured = result.grid, result.measured
    if measured is None:
        return np.empty(0)
    return np.asarray(measured.cells[grid.layers.index(at[0]), grid.positions.index(at[1])], dtype=np.float64)


# ---------------------------------------------------------------- less a baseline


def beats(result: GridResult, asked: BaselineBound) -> Asked:
    """The nested best less a baseline, less the highest of them, or less each that a glob names."""
    grid, known = result.grid, {one.name: one for one in result.baselines}
    named = [name for name in known if fnmatchcase(name, asked.baseline)]
    if asked.baseline in known:
        named = [asked.baseline]
    elif asked.baseline == BEST:
        named = _best(result)
    words = f"the baseline {asked.baseline}"
    if asked.baseline == BEST and BEST not in known:
        words = "the best baseline"
    elif asked.baseline not in known and len(named) != 1:
        words = f"every baseline {asked.baseline}"
    seen = tuple(_over(result, known[name], asked.baseline != name) for name in named)
    return Asked(
        f"{grid.name}: nested best less {words}", seen or (_no_baseline(result, asked),), True, grid.name, grid.level
    )


def _best(result: GridResult) -> list[str]:
    """The baseline with the highest estimate; the first of equals."""
    valued = {b.name: b.estimate.value for b in result.baselines if b.estimate and math.isfinite(b.estimate.value)}
    return [max(valued, key=lambda name: valued[name])] if valued else []


def _no_baseline(result: GridResult, asked: BaselineBound) -> Seen:
    names = [one.name for one in result.baselines]
    if not names:
        return Seen(reason="the grid has no baselines")
    if asked.baseline == BEST:
        return Seen(reason="no baseline has a value")
    like = nearest(asked.baseline, names)
    hint = f"; did you mean {like!r}?" if like else ""
    return Seen(reason=f"the grid has no baseline {asked.baseline!r}; it has {', '.join(names)}{hint}")


def _over(result: GridResult, baseline: Baseline, named: bool) -> Seen:
    """The nested best less one baseline, `named` where it is one of several."""
    what = baseline.name if named else ""
    if result.selection is None:
        return Seen(what=what, reason=without_best(result))
    found = baseline.difference
    if found is None or not math.isfinite(found.value):
        reason = f": {baseline.reason}" if baseline.reason else ""
        return Seen(what=what, reason=f"the baseline {baseline.name} has no value{reason}")
    cells = tuple(dict.fromkeys((w.layer, w.position) for w in result.selection.winners))
    reason = "" if math.isfinite(found.low) else NO_INTERVAL
    return Seen(found.value, found.low, found.high, found.n, what, cells, reason)
