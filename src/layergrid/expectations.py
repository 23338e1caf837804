"""Judges what a spec expects of its results; it knows neither how results came to be nor how they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from layergrid.artifacts import Estimate, ExpectationResult, GridResult
from layergrid.kinds import BadInput
from layergrid.spec import Expectation
from layergrid.text import trimmed

BY = {"estimate": "", "low": ", lower bound of the interval,", "high": ", upper bound of the interval,"}


def judge(expectations: tuple[Expectation, ...], results: Mapping[str, GridResult]) -> tuple[ExpectationResult, ...]:
    """Each expectation met or not; a value that is missing meets nothing.

    Raises:
        BadInput: an expectation names a layer or position that the grid lacks.
    """
    return tuple(_judge(one, results[one.grid], f"expect.{i}") for i, one in enumerate(expectations))


def _judge(one: Expectation, result: GridResult, where: str) -> ExpectationResult:
    bound = one.bound
    subject = f"{one.grid}: nested best"
    observed = _by(result.selection.estimate, bound.by) if result.selection else float("nan")
    if one.cell is not None:
        grid = result.grid
        subject = f"{one.grid}: cell at layer {one.cell.layer}, {one.cell.position}"
        if one.cell.layer not in grid.layers or one.cell.position not in grid.positions:
            raise BadInput(
                f"{where}: grid {one.grid!r} has no cell at layer {one.cell.layer}, position {one.cell.position!r}; "
                f"its layers run from {grid.layers[0]} to {grid.layers[-1]}"
            )
        at = grid.layers.index(one.cell.layer), grid.positions.index(one.cell.position)
        observed = {"estimate": grid.value, "low": grid.low, "high": grid.high}[bound.by][at]
    side = "at least" if bound.at_least is not None else "at most"
    sentence = f"{subject}{BY[bound.by]} {side} {trimmed(bound.limit)}"
    return ExpectationResult(sentence, bound.met(float(observed)), float(observed), bound.limit)


def _by(estimate: Estimate, which: str) -> float:
    return {"estimate": estimate.value, "low": estimate.low, "high": estimate.high}[which]
