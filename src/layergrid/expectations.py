"""Judges what a spec expects of its results; it knows neither how results came to be nor how they are shown."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict

from layergrid.artifacts import Estimate, ExpectationResult, GridResult
from layergrid.kinds import BadInput
from layergrid.spec import Expectation
from layergrid.text import number, trimmed

BY = {"estimate": "", "low": ", lower bound of the interval,", "high": ", upper bound of the interval,"}


def judge(expectations: tuple[Expectation, ...], results: Mapping[str, GridResult]) -> tuple[ExpectationResult, ...]:
    """Each expectation met or not; a value that is missing meets nothing.

    Raises:
        BadInput: an expectation names a layer or position that the grid lacks.
    """
    return tuple(_judge(one, results[one.grid], f"expect.{i}") for i, one in enumerate(expectations))


def check_layers(expectations: tuple[Expectation, ...], grids: Collection[str], layers: int) -> None:
    """Raises BadInput where a cell of one of the grids lies beyond a model of so many blocks."""
    for i, one in enumerate(expectations):
        if one.grid in grids and one.cell is not None and one.cell.layer > layers:
            raise BadInput(
                f"expect.{i}: grid {one.grid!r} has no layer {one.cell.layer}; its layers run from 0, the embedding "
                f"output, to {layers}"
            )


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


def as_json(one: ExpectationResult) -> dict[str, object]:
    """An expectation as JSON, which knows no NaN: a value that is missing is null."""
    return {**asdict(one), "observed": one.observed if math.isfinite(one.observed) else None}


def told(judged: Mapping[str, object]) -> str:
    """A saved expectation that is not met, in words."""
    observed = judged["observed"]
    return f"{judged['sentence']}; observed: {number(observed, 3) if isinstance(observed, float) else 'no value'}"
