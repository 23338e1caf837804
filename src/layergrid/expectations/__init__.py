"""Judges what a spec expects of its results; it knows neither how results came to be nor how they are shown.

seen      a number that a bound is held against, and the verdict on one or many
cells     cells, nested bests and rows of a grid as such numbers
gaps      paired differences of positions, cells and grids, and from baselines
shares    shares of a data set
telling   verdicts for manifests and terminals
junit     the verdicts as junit.xml
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from layergrid.artifacts import DataCard, ExpectationResult, GridResult, Results
from layergrid.expectations import cells, gaps
from layergrid.expectations.seen import Asked, Seen, cells_of, ends, verdict
from layergrid.expectations.shares import shares
from layergrid.expectations.telling import as_json, told
from layergrid.kinds import BadInput
from layergrid.spec import Expectation, Limits
from layergrid.spec.expecting import LAYERS, OF_DATA
from layergrid.text import count, number, trimmed

BY = {
    "estimate": "", "low": ", lower bound of the interval,", "high": ", upper bound of the interval,",
    "interval": ", the whole interval,",
}  # fmt: skip


def judge(expectations: Sequence[Expectation], results: Results) -> tuple[ExpectationResult, ...]:
    """Each expectation met or not; a value or an interval that is missing meets nothing.

    Raises:
        BadInput: an expectation names a layer or position that the grid lacks.
    """
    return tuple(judged(one, results, f"expect.{i}") for i, one in enumerate(expectations))


def judged(one: Expectation, results: Results, where: str) -> ExpectationResult:
    """One expectation, judged; `where` is its place in the spec. Raises BadInput like `judge`."""
    asked, bound = _asked(one, results, where), one.bound
    by = str(getattr(bound, "by", "estimate"))
    found = verdict(asked, bound, by)
    seen = found.decisive
    about = found.failing if not found.met else asked.seen if asked.every else _meeting(asked, found.failing)
    return ExpectationResult(
        sentence=f"{asked.subject}{BY[by]} {_limits(bound)}",
        met=found.met,
        observed=found.judged,
        bound=found.limit,
        value=seen.value,
        low=seen.low,
        high=seen.high,
        level=asked.level,
        n=seen.n,
        by=by,  # type: ignore[arg-type]  # one of `Which`
        at_least=bound.at_least,
        at_most=bound.at_most,
        where=where,
        subject=asked.subject,
        at=seen.what,
        name=one.name or "",
        because=one.because or "",
        reason=found.reason,
        grid=asked.grid,
        cells=cells_of(about),
        failing=tuple(_named(f, by, asked.counts) for f in found.failing) if len(asked.seen) > 1 else (),
        counts=asked.counts,
        asked=one.model_dump(mode="json", exclude_defaults=True),
    )


def _meeting(asked: Asked, failing: Sequence[Seen]) -> tuple[Seen, ...]:
    return tuple(one for one in asked.seen if one not in failing)


def _asked(one: Expectation, results: Results, where: str) -> Asked:
    """The numbers that an expectation speaks of."""
    if one.subject in OF_DATA:
        return shares(one, results)
    grids = {result.grid.name: result for result in results.grids}
    result = grids[one.grid]
    if one.cell is not None:
        return cells.cells(result, one.cell, where)
    if one.difference is not None:
        return gaps.difference(one.grid, grids, one.difference, where)
    if one.beats is not None:
        return gaps.beats(result, one.beats)
    if one.rows is not None:
        return cells.rows(result, _card(result, results), one.rows)
    return cells.nested_best(result)


def _card(result: GridResult, results: Results) -> DataCard | None:
    of = (result.grid.model, result.grid.dataset)
    return next((card for card in results.data if (card.model, card.name) == of), None)


def _limits(bound: Limits) -> str:
    """A bound in words: "at least 0.7", "between 0.7 and 0.9"."""
    if bound.at_least is not None and bound.at_most is not None:
        return f"between {trimmed(bound.at_least)} and {trimmed(bound.at_most)}"
    return f"at {'least' if bound.at_most is None else 'most'} {trimmed(bound.limit)}"


def _named(one: Seen, by: str, counts: bool) -> str:
    """One of several that fail, with its number."""
    low, high = ends(one, by)
    shown = [_number(end, counts) for end in dict.fromkeys((low, high)) if math.isfinite(end)]
    return f"{one.what} ({' to '.join(shown) if shown else 'no value'})"


def _number(value: float, counts: bool) -> str:
    return count(int(value)) if counts else number(value, 3)


# ---------------------------------------------------------------- before a model runs


def check_layers(expectations: Sequence[Expectation], grids: Collection[str], layers: int) -> None:
    """Raises BadInput where a cell of one of the grids lies beyond a model of so many blocks."""
    for i, one in enumerate(expectations):
        named = [one.cell.layer] if one.cell is not None and one.grid in grids else []
        if one.difference is not None:
            sides = (one.difference.of, one.difference.minus)
            named += [side.layer for side in sides if side.layer is not None and (side.grid or one.grid) in grids]
        for layer in (n for written in named for n in _numbers(written)):
            if layer > layers:
                raise BadInput(
                    f"expect.{i}: grid {one.grid!r} has no layer {layer}; its layers run from 0, the embedding output, "
                    f"to {layers}"
                )


def _numbers(written: object) -> list[int]:
    """The layers that are written as numbers, of a range its end."""
    if isinstance(written, tuple):
        return [n for one in written for n in _numbers(one)]
    bounds = LAYERS.fullmatch(written) if isinstance(written, str) else None
    return [int(bounds[2])] if bounds else [written] if isinstance(written, int) else []


__all__ = ["as_json", "check_layers", "judge", "judged", "told"]
