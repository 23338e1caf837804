"""Bounds on many cells, differences, baselines, rows and shares against numbers recomputed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

import described
import edges
import synthetic
from layergrid.artifacts import DataCard, ExpectationResult, GridResult, Results, Table
from layergrid.expectations import check_layers, judge
from layergrid.kinds import BadInput
from layergrid.spec import Expectation

FOUR = synthetic.FIFTEEN[3:7]
GRID = synthetic.weighed(synthetic.grid_result(layers=5, positions=FOUR, n=200), relabellings=99, states=False)
FIRST, LAST = "exact_answer_first", "exact_answer_last"


def verdict(results: Results | GridResult = GRID, **fields) -> ExpectationResult:
    whole = results if isinstance(results, Results) else of(results)
    asked = {} if {"missing", "truncated", "accuracy"} & set(fields) else {"grid": whole.grids[0].grid.name}
    return judge((Expectation.model_validate({**asked, **fields}),), whole)[0]


def of(*grids: GridResult, **fields) -> Results:
    plain = {"title": "t", "seed": 0, "models": (), "data": (), "illustrations": (), "tables": ()}
    return Results(grids=grids, **{**plain, **fields})


def without(result: GridResult, cell: tuple[int, int], status: str = "missing") -> GridResult:
    """The same grid with a cell that has no value."""
    grid = result.grid
    arrays = {name: getattr(grid, name).copy() for name in ("value", "low", "high", "status", "reason")}
    for name in ("value", "low", "high"):
        arrays[name][cell] = math.nan
    arrays["status"], arrays["reason"] = arrays["status"].astype("U20"), arrays["reason"].astype("U40")
    arrays["status"][cell], arrays["reason"][cell] = status, "no example has it"
    return replace(result, grid=replace(grid, **arrays))


# ---------------------------------------------------------------- many cells


def test_all_of_many_cells_are_needed_and_the_worst_of_them_is_told():
    values = GRID.grid.value[1:4]
    worst = float(values.min())
    cell = {"layer": "1..3", "position": "exact_answer_*", "at_least": worst}
    found = verdict(cell=cell)
    assert (found.met, found.observed, found.failing) == (True, worst, ())
    assert len(found.cells) == 3 * 4
    found = verdict(cell={**cell, "at_least": worst + 1e-9})
    i, j = np.unravel_index(values.argmin(), values.shape)
    assert (found.met, found.observed, found.cells) == (False, worst, ((int(i) + 1, FOUR[j]),))
    assert found.at == f"layer {i + 1}, {FOUR[j]}"
    assert found.failing == (f"layer {i + 1}, {FOUR[j]} ({worst:.3f})",)


def test_any_of_many_cells_is_enough_and_the_best_of_them_is_told():
    best = float(GRID.grid.value.max())
    cell = {"layer": "every", "position": "every", "needs": "any"}
    assert verdict(cell={**cell, "at_least": best}).met
    found = verdict(cell={**cell, "at_least": best + 1e-9})
    assert (found.met, found.observed) == (False, best)
    assert len(found.cells) == len(found.failing) == 20
    below = verdict(cell={**cell, "at_most": float(GRID.grid.low.min()), "by": "low"})
    assert (below.met, len(below.cells)) == (True, 1)


def test_a_cell_without_a_value_is_never_met_with_its_status_as_the_reason():
    holed = without(GRID, (0, 0))
    cell = {"layer": "0..1", "position": FOUR[0], "at_least": 0}
    found = verdict(holed, cell=cell)
    assert (found.met, found.at) == (False, f"layer 0, {FOUR[0]}")
    assert found.reason == f"layer 0, {FOUR[0]} has the status missing: no example has it"
    assert found.failing == (f"layer 0, {FOUR[0]} (no value)",)
    assert math.isnan(found.observed)
    assert verdict(holed, cell={**cell, "needs": "any"}).met
    assert not verdict(holed, cell={**cell, "layer": 0, "at_most": 1}).met


def test_layers_and_positions_that_a_grid_lacks_are_told():
    for written, said in (("3..9", "layer 5"), ([1, 7], "layer 7"), (9, "layer 9")):
        with pytest.raises(
            BadInput, match=rf"expect\.0: grid 'errors' has no cell at {said}; its layers run from 0 to 4"
        ):
            verdict(cell={"layer": written, "position": LAST, "at_least": 0})
    for written in ("exact_answer_lst", "last_*"):
        with pytest.raises(BadInput, match=r"expect\.0: grid 'errors' has no position '"):
            verdict(cell={"layer": 1, "position": written, "at_least": 0})
    with pytest.raises(BadInput, match="did you mean 'exact_answer_last'"):
        verdict(difference={"of": {"position": "exact_answer_lst"}, "minus": {"position": LAST}, "at_least": 0})


def test_layers_beyond_the_model_are_told_before_it_runs():
    for fields in (
        {"cell": {"layer": "2..9", "position": "x", "at_least": 0}},
        {"cell": {"layer": [1, 9], "position": "x", "at_least": 0}},
        {"difference": {"of": {"layer": 9, "position": "x"}, "minus": {"position": "x"}, "at_least": 0}},
    ):
        one = Expectation.model_validate({"grid": "errors", **fields})
        check_layers((one,), ["errors"], 9)
        check_layers((one,), ["another"], 8)
        with pytest.raises(BadInput, match="no layer 9; its layers run from 0, the embedding output, to 8"):
            check_layers((one,), ["errors"], 8)


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize(("by", "low", "high"), [
    ("estimate", "value", "value"), ("low", "low", "low"), ("high", "high", "high"), ("interval", "low", "high"),
])  # fmt: skip
def test_two_limits_are_kept_at_equality_and_not_beyond(by, low, high):
    e = GRID.selection.estimate
    least, most = getattr(e, low), getattr(e, high)
    assert verdict(nested_best={"at_least": least, "at_most": most, "by": by}).met
    found = verdict(nested_best={"at_least": np.nextafter(least, 2), "at_most": 2, "by": by})
    assert (found.met, found.observed, found.bound) == (False, least, np.nextafter(least, 2))
    found = verdict(nested_best={"at_least": -2, "at_most": np.nextafter(most, -2), "by": by})
    assert (found.met, found.observed, found.bound) == (False, most, np.nextafter(most, -2))


def test_an_interval_that_is_not_there_meets_nothing_but_its_estimate_may():
    chosen = GRID.selection
    bare = replace(GRID, selection=replace(chosen, estimate=replace(chosen.estimate, low=math.nan, high=math.nan)))
    assert verdict(bare, nested_best={"at_least": 0}).met
    for by in ("low", "high", "interval"):
        found = verdict(bare, nested_best={"at_least": 0, "by": by})
        assert (found.met, found.reason) == (False, "it has no interval")
        assert found.value == chosen.estimate.value


def test_a_grid_without_a_value_is_never_met_with_its_reason():
    empty = edges.all_missing().grids[0]
    for fields in ({"nested_best": {"at_most": 1}}, {"beats": {"at_most": 1}}, {"rows": {"at_least": 0}}):
        found = verdict(empty, **fields)
        assert not found.met
        assert found.reason


# ---------------------------------------------------------------- differences, by hand


def placements(labels, scores):
    """DeLong's components of an AUROC, by comparing every pair."""
    wins = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
    return wins.mean(axis=1), wins.mean(axis=0)


def paired(one, other):
    """The mean over folds of the difference of two AUROCs, with the interval of DeLong's paired variance."""
    held, values, variances = GRID.held_out, [], []
    for k in range(5):
        rows = held.folds == k
        mine, theirs = (placements(held.labels[rows], scores[rows]) for scores in (one, other))
        values.append(mine[0].mean() - theirs[0].mean())
        variances.append(sum((a - b).var(ddof=1) / len(a) for a, b in zip(mine, theirs, strict=True)))
    reach = NormalDist().inv_cdf(0.975) * math.sqrt(np.mean(variances) * (1 / 5 + 1 / 4))
    return np.mean(values), np.mean(values) - reach, np.mean(values) + reach


def scores_of(side):
    held, grid = GRID.held_out, GRID.grid
    if "position" not in side:
        return held.nested
    j = grid.positions.index(side["position"])
    return held.by_position[j] if "layer" not in side else held.cells[side["layer"], j].astype(float)


@pytest.mark.parametrize(("of_", "minus"), [
    ({"position": LAST}, {"position": FIRST}),
    ({"layer": 3, "position": LAST}, {"layer": 0, "position": LAST}),
    ({"position": LAST}, {"layer": 1, "position": FIRST}),
    ({}, {"position": FIRST}),
])  # fmt: skip
def test_a_difference_is_the_paired_one_of_the_same_rows(of_, minus):
    value, low, high = paired(scores_of(of_), scores_of(minus))
    for by, wanted in (("estimate", value), ("low", low), ("high", high)):
        sides = {"of": of_, "minus": minus, "by": by}
        found = verdict(difference={**sides, "at_least": wanted - 1e-9})
        assert found.met
        assert found.observed == pytest.approx(wanted, abs=1e-12)
        assert not verdict(difference={**sides, "at_least": wanted + 1e-9}).met
        assert verdict(difference={**sides, "at_most": wanted + 1e-9}).met
    assert found.n == 200


def test_a_difference_names_its_sides_and_the_cells_of_their_positions():
    found = verdict(difference={"of": {"position": LAST}, "minus": {"layer": 2, "position": FIRST}, "at_least": 0})
    assert found.sentence == "errors: exact_answer_last less layer 2, exact_answer_first at least 0"
    assert set(found.cells) == {(layer, LAST) for layer in range(5)} | {(2, FIRST)}


def test_grids_on_the_same_rows_are_compared_and_others_are_not():
    other = replace(GRID, grid=replace(GRID.grid, name="flipped"), held_out=replace(
        GRID.held_out, nested=GRID.held_out.by_position[0]))  # fmt: skip
    asked = Expectation.model_validate(
        {"grid": "errors", "difference": {"of": {}, "minus": {"grid": "flipped"}, "at_least": 0}}
    )
    found = judge((asked,), of(GRID, other))[0]
    assert found.value == pytest.approx(paired(GRID.held_out.nested, GRID.held_out.by_position[0])[0])
    assert found.subject == "errors: nested best of errors less nested best of flipped"
    elsewhere = synthetic.grid_result(name="flipped", layers=5, positions=FOUR, n=200, seed=9)
    found = judge((asked,), of(GRID, elsewhere))[0]
    assert not found.met
    assert "same rows" in found.reason


def test_cells_that_describe_are_compared_row_by_row():
    one = described.activation(layers=4)
    grid, rows = one.grid, one.measured.cells.astype(float)
    sides = {"of": {"layer": 3, "position": grid.positions[1]}, "minus": {"layer": 0, "position": grid.positions[1]}}
    value, low, high = described.mean(rows[3, 1] - rows[0, 1], one.measured.groups, grid.level)
    found = verdict(one, difference={**sides, "at_least": value - 1e-6})
    assert found.met
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high))


def test_a_difference_of_cells_one_of_which_has_no_value_says_which():
    sides = {"of": {"layer": 0, "position": FOUR[0]}, "minus": {"layer": 1, "position": FOUR[0]}}
    found = verdict(without(GRID, (0, 0)), difference={**sides, "at_most": 2})
    assert not found.met
    assert found.reason.startswith(f"layer 0, {FOUR[0]} has the status missing")


# ---------------------------------------------------------------- baselines


def test_a_baseline_is_beaten_by_the_paired_difference_of_the_nested_best():
    for name in GRID.held_out.baselines:
        if name.startswith("logprobs"):
            continue
        value, low, _ = paired(GRID.held_out.nested, GRID.held_out.baselines[name])
        found = verdict(beats={"baseline": name, "at_least": low - 1e-9, "by": "low"})
        assert found.met
        assert (found.value, found.observed) == pytest.approx((value, low))
        assert not verdict(beats={"baseline": name, "at_least": low + 1e-9, "by": "low"}).met


def test_the_best_baseline_is_the_highest_and_a_glob_needs_all_that_it_names():
    values = {b.name: b.estimate.value for b in GRID.baselines}
    best = max(values, key=values.get)
    found = verdict(beats={"at_least": -1})
    assert (found.met, found.at) == (True, best)
    assert found.subject == "errors: nested best less the best baseline"
    gaps = {b.name: b.difference.value for b in GRID.baselines}
    found = verdict(beats={"baseline": "*", "at_least": min(gaps.values()) + 1e-9})
    assert (found.met, found.at, len(found.failing)) == (False, min(gaps, key=gaps.get), 1)
    assert verdict(beats={"baseline": "*", "at_least": min(gaps.values())}).met


def test_a_baseline_that_is_not_there_or_has_no_value_is_never_beaten():
    found = verdict(beats={"baseline": "answer_lenth", "at_least": -1})
    assert not found.met
    assert found.reason.startswith("the grid has no baseline 'answer_lenth'; it has ")
    assert "did you mean 'answer_length'" in found.reason
    first = replace(GRID.baselines[0], estimate=None, difference=None, reason="it is the same in all rows")
    lacking = replace(GRID, baselines=(first, *GRID.baselines[1:]))
    found = verdict(lacking, beats={"baseline": first.name, "at_most": 1})
    assert (found.met, "it is the same in all rows" in found.reason) == (False, True)
    assert verdict(replace(GRID, baselines=()), beats={"at_most": 1}).reason == "the grid has no baselines"


# ---------------------------------------------------------------- rows and shares


def test_rows_are_counted_in_all_and_by_class():
    wrong = int(GRID.held_out.labels.sum())
    for of_, wanted in (("all", 200), ("wrong answers", wrong), ("right answers", 200 - wrong), ("smallest", wrong)):
        assert verdict(rows={"of": of_, "at_least": wanted}).met
        found = verdict(rows={"of": of_, "at_least": wanted + 1})
        assert (found.met, found.observed) == (False, wanted)
    found = verdict(rows={"of": "wrong answer", "at_least": 1})
    assert (found.met, "its classes are wrong answers and right answers" in found.reason) == (False, True)


def test_repeated_assignments_count_each_row_once():
    held = GRID.held_out
    twice = replace(
        held, example_ids=held.example_ids * 2, groups=held.groups * 2, labels=np.tile(held.labels, 2), repeats=2
    )
    found = verdict(replace(GRID, held_out=twice), rows={"of": "wrong answers", "at_least": 1})
    assert found.observed == held.labels.sum()
    assert verdict(replace(GRID, held_out=twice), rows={"at_most": 200}).met


def test_classes_of_several_sorts_are_counted_by_their_words():
    one = synthetic.classes_result()
    counts = np.bincount(one.held_out.target.astype(int))
    for k, word in enumerate(one.held_out.classes):
        assert verdict(one, rows={"of": word, "at_least": 0}).observed == counts[k]
    found = verdict(one, rows={"of": "smallest", "at_least": 0})
    assert (found.observed, found.at) == (counts.min(), one.held_out.classes[counts.argmin()])


CARD = replace(
    edges.base().data[0], name="sums", model="tiny", n=200, n_correct=150, truncated_correct=1, truncated_wrong=3
)
ROWS = (
    ("a", "correct", "ok", 150), ("a", "wrong", "ok", 40), ("a", "wrong", "not_found", 10),
    ("b", "correct", "ok", 150), ("b", "wrong", "ok", 50),
)  # fmt: skip
TABLE = Table("positions", ("position", "label", "status", "count"), ROWS)
DATA = of(data=(CARD,), tables=(TABLE,))


@pytest.mark.parametrize(("asked", "wanted"), [
    ({"missing": {"position": "a"}}, 10 / 200), ({"missing": {"position": "b"}}, 0.0),
    ({"truncated": {}}, 4 / 200), ({"accuracy": {}}, 150 / 200),
])  # fmt: skip
def test_a_share_is_that_of_all_examples(asked, wanted):
    (key, fields), = asked.items()  # fmt: skip
    for dataset in ("sums", ""):
        found = verdict(DATA, dataset=dataset, **{key: {**fields, "at_most": wanted}})
        assert (found.met, found.observed, found.n) == (True, wanted, 200)
        assert verdict(DATA, dataset=dataset, **{key: {**fields, "at_least": wanted}}).met
        assert not verdict(DATA, dataset=dataset, **{key: {**fields, "at_least": wanted + 1e-9}}).met


def test_of_several_positions_each_must_keep_the_bound_and_the_worst_is_told():
    found = verdict(DATA, missing={"at_most": 0.04})
    assert (found.met, found.observed, found.at, found.failing) == (False, 0.05, "a", ("a (0.050)",))
    assert verdict(DATA, missing={"position": ["a", "b"], "at_most": 0.05}).met


def test_shares_that_cannot_be_known_are_never_met():
    labelled = replace(CARD, classes=("false", "true"), rule="", written=False)
    for fields, why in (({"accuracy": {"at_least": 0}}, "no answers were graded"),
                        ({"truncated": {"at_most": 1}}, "no answers were written")):  # fmt: skip
        found = verdict(of(data=(labelled,), tables=(TABLE,)), dataset="sums", **fields)
        assert (found.met, found.reason) == (False, why)
    found = verdict(of(data=(replace(CARD, n=0),), tables=(TABLE,)), truncated={"at_most": 1})
    assert (found.met, found.reason) == (False, "there are no examples")
    found = verdict(DATA, missing={"position": "aa", "at_most": 1})
    assert (found.met, "no position 'aa'" in found.reason) == (False, True)
    assert not verdict(of(), dataset="sums", accuracy={"at_most": 1}).met


def test_a_model_without_positions_keeps_no_bound_on_every_one_whatever_another_does():
    none = replace(TABLE, rows=())
    both = of(data=(CARD, replace(CARD, model="big")), tables=(TABLE, none))
    found = verdict(both, dataset="sums", missing={"at_most": 0.5})
    assert (found.met, found.reason) == (False, "there are no positions")


def test_answers_of_several_models_must_all_keep_the_bound():
    other = replace(CARD, model="big", n_correct=100)
    both = of(data=(CARD, other), tables=(TABLE, TABLE))
    found = verdict(both, dataset="sums", accuracy={"at_least": 0.6})
    assert (found.met, found.at, found.observed, found.failing) == (False, "big", 0.5, ("big (0.500)",))
    assert DataCard.classes == ("wrong answers", "right answers")


def test_the_authors_name_and_reason_and_the_bound_itself_are_kept():
    found = verdict(nested_best={"at_least": 0.5, "by": "low"}, name="signal", because="so we said")
    assert (found.name, found.because, found.where) == ("signal", "so we said", "expect.0")
    assert found.asked == {
        "grid": "errors", "nested_best": {"at_least": 0.5, "by": "low"}, "name": "signal", "because": "so we said"
    }  # fmt: skip
    assert (found.at_least, found.at_most, found.by) == (0.5, None, "low")
