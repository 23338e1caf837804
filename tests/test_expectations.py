"""What a spec expects is held against the grid: by estimate or bound, of the nested best or of a cell."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from layergrid.artifacts import Results
from layergrid.expectations import judge
from layergrid.kinds import BadInput
from layergrid.spec import Bound, CellBound, Expectation
from synthetic import grid_result

GRID = grid_result(layers=5, n=200)
NESTED = GRID.selection.estimate
CELL = {"layer": 3, "position": "exact_answer_last"}


def verdict(result=GRID, **fields):
    return judge((Expectation(grid="errors", **fields),), of(result))[0]


def of(*grids, **fields):
    """Results with these grids, and whatever else is given."""
    plain = {"title": "t", "seed": 0, "models": (), "data": (), "illustrations": (), "tables": ()}
    return Results(grids=grids, **{**plain, **fields})


@pytest.mark.parametrize("by", ["estimate", "low", "high"])
@pytest.mark.parametrize(("side", "shift", "met"), [
    ("at_least", -0.01, True), ("at_least", 0.01, False), ("at_least", 0.0, True),
    ("at_most", 0.01, True), ("at_most", -0.01, False), ("at_most", 0.0, True),
])  # fmt: skip
def test_the_nested_best_is_held_against_the_bound_by_what_the_spec_names(by, side, shift, met):
    observed = {"estimate": NESTED.value, "low": NESTED.low, "high": NESTED.high}[by]
    found = verdict(nested_best=Bound(**{side: observed + shift}, by=by))
    assert (found.met, found.observed, found.bound) == (met, observed, observed + shift)


@pytest.mark.parametrize("by", ["estimate", "low", "high"])
def test_a_cell_is_found_by_its_layer_number_and_position_name(by):
    grid = GRID.grid
    at = grid.layers.index(3), grid.positions.index("exact_answer_last")
    observed = {"estimate": grid.value, "low": grid.low, "high": grid.high}[by][at]
    assert verdict(cell=CellBound(**CELL, at_least=0, by=by)).observed == observed


def test_the_sentence_says_what_is_bounded_how_and_by_which_number():
    said = verdict(nested_best=Bound(at_least=0.605, by="low")).sentence
    assert said == "errors: nested best, lower bound of the interval, at least 0.605"
    said = verdict(cell=CellBound(**CELL, at_most=0.7)).sentence
    assert said == "errors: cell at layer 3, exact_answer_last at most 0.7"


@pytest.mark.parametrize("side", ["at_least", "at_most"])
def test_a_value_that_is_missing_meets_nothing(side):
    without = replace(GRID, selection=None)
    found = verdict(without, nested_best=Bound(**{side: 0.5}))
    assert not found.met
    assert math.isnan(found.observed)


def test_a_layer_that_the_model_lacks_is_told_with_those_that_it_has():
    with pytest.raises(BadInput, match=r"expect\.0: grid 'errors' has no cell at layer 40.*run from 0 to 4"):
        verdict(cell=CellBound(layer=40, position="last_q", at_least=0.5))


def test_expectations_keep_their_order():
    two = tuple(Expectation(grid="errors", nested_best=Bound(at_least=x)) for x in (0.9, 0.1))
    assert [one.bound for one in judge(two, of(GRID))] == [0.9, 0.1]
