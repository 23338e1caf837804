"""Placement values of held-out scores: against brute force, by fold, by repeat, for every sort of target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from layergrid import placements, stats
from layergrid.artifacts import Estimate


def brute(scores, positive, folds):
    """The share of rows of the other class in the fold that score lower, row by row."""
    found = []
    for i in range(len(scores)):
        others = [
            j
            for j in range(len(scores))
            if folds[j] == folds[i] and positive[j] != positive[i] and scores[j] == scores[j]
        ]
        told = [1.0 if scores[j] < scores[i] else 0.5 if scores[j] == scores[i] else 0.0 for j in others]
        found.append(sum(told) / len(told) if told and scores[i] == scores[i] else np.nan)
    return np.array(found)


ROWS = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.nan]), st.booleans(), st.integers(0, 2)), min_size=1, max_size=25
)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_a_placement_is_the_share_of_the_other_class_below_in_the_same_fold(rows):
    scores, positive, folds = (np.array(column) for column in zip(*rows, strict=True))
    np.testing.assert_allclose(placements.placement(scores, positive, folds), brute(scores, positive, folds))


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_a_rank_is_the_share_of_the_other_rows_of_the_fold_with_a_lower_value(rows):
    values, _, folds = (np.array(column) for column in zip(*rows, strict=True))
    found = placements.rank(values, folds)
    for i, value in enumerate(values):
        others = [v for j, v in enumerate(values) if j != i and folds[j] == folds[i] and v == v]
        told = [1.0 if v < value else 0.5 if v == value else 0.0 for v in others]
        expected = sum(told) / len(told) if told and value == value else np.nan
        np.testing.assert_allclose(found[i], expected)


def test_over_the_positive_rows_of_a_fold_placements_average_to_its_auroc():
    rng = np.random.default_rng(0)
    scores, labels, folds = rng.normal(size=200).round(1), rng.random(200) < 0.4, np.arange(200) % 4
    found = placements.placement(scores, labels, folds)
    means = [found[labels & (folds == k)].mean() for k in range(4)]
    split = stats.Split(labels, np.arange(200), folds)
    np.testing.assert_allclose(means, stats.evaluate(split, scores).aurocs)


@pytest.fixture(scope="module")
def result():
    return synthetic.grid_result(n=120)


def test_a_grid_without_held_out_scores_or_without_a_chosen_cell_has_none(result):
    assert placements.of(replace(result, held_out=None)) is None
    nothing = replace(result.held_out, nested=np.full(120, np.nan))
    assert placements.of(replace(result, held_out=nothing)) is None


def test_an_example_has_the_placement_of_its_row(result):
    held = result.held_out
    found = placements.of(result)
    expected = brute(held.nested, held.labels, held.folds)
    assert [found.nested[f"q{i}"] for i in range(120)] == pytest.approx(expected)
    assert found.binary
    assert [found.positive(f"q{i}") for i in range(120)] == held.labels.tolist()


def test_a_report_without_nested_scores_of_positions_shows_those_of_the_highest_cell(result):
    held = result.held_out
    best = int(result.grid.value[:, 5].argmax())
    at = placements.of(result).at(5)
    expected = brute(held.cells[best, 5], held.labels, held.folds)
    assert [at[f"q{i}"].value for i in range(120)] == pytest.approx(expected)
    assert {one.layers for one in at.values()} == {(best,)}


def composed(result, layers):
    """The same with scores of positions that take another layer in each fold."""
    held = result.held_out
    scores = np.empty((len(result.grid.positions), len(held.folds)))
    for fold, layer in enumerate(layers):
        scores[:, held.folds == fold] = held.cells[layer][:, held.folds == fold]
    return replace(result, held_out=replace(held, by_position=scores))


def test_the_layer_of_a_position_is_that_which_the_examples_fold_chose(result):
    layers = (3, 1, 4, 1, 5)
    at = placements.of(composed(result, layers)).at(2)
    assert [at[f"q{i}"].layers for i in range(10)] == [(layers[i % 5],) for i in range(10)]


def test_no_layer_is_told_where_several_have_the_scores_that_were_taken(result):
    cells = result.held_out.cells.copy()
    rows = result.held_out.folds == 1
    cells[4][:, rows] = cells[1][:, rows]
    twins = replace(result, held_out=replace(result.held_out, cells=cells))
    at = placements.of(composed(twins, (3, 4, 4, 1, 5))).at(2)
    assert [at[f"q{i}"].layers for i in range(5)] == [(3,), (), (4,), (1,), (5,)]


def test_layers_of_several_classes_are_told_apart_by_the_scores_of_every_class():
    one = synthetic.classes_result(layers=3, n=150)
    held = one.held_out
    first, *_ = held.classes
    by_class = {name: cells.copy() for name, cells in held.by_class.items()}
    by_class[first][2] = by_class[first][1]
    taken = np.stack([cells[2] for cells in by_class.values()]).transpose(1, 0, 2).astype(np.float64)
    given = replace(held, by_class=by_class, by_position=taken)
    assert {e.layers for e in placements.of(replace(one, held_out=given)).at(1).values()} == {(2,)}
    for cells in by_class.values():
        cells[1] = cells[2]
    given = replace(held, by_class=by_class, by_position=taken)
    assert {e.layers for e in placements.of(replace(one, held_out=given)).at(1).values()} == {()}


def test_repeats_of_an_example_are_averaged_and_their_layers_listed(result):
    one = composed(result, (3, 1, 4, 1, 5))
    held = one.held_out
    twice = replace(
        held, example_ids=held.example_ids * 2, groups=held.groups * 2, labels=np.tile(held.labels, 2),
        folds=np.concatenate((held.folds, (held.folds + 1) % 5 + 5)), cells=np.tile(held.cells, 2),
        nested=np.tile(held.nested, 2), by_position=None, repeats=2,
    )  # fmt: skip
    both = replace(result, held_out=twice)
    first, second = (brute(held.nested, held.labels, folds) for folds in (held.folds, (held.folds + 1) % 5 + 5))
    found = placements.of(both)
    assert [found.nested[f"q{i}"] for i in range(120)] == pytest.approx((first + second) / 2)
    spread = np.empty((15, 240))
    layers = (3, 1, 4, 1, 5, 2, 2, 2, 2, 2)
    for fold, layer in enumerate(layers):
        spread[:, twice.folds == fold] = twice.cells[layer][:, twice.folds == fold]
    again = placements.of(replace(result, held_out=replace(twice, by_position=spread))).at(0)
    assert again["q0"].layers == (2, 3)
    cells = twice.cells.copy()
    cells[6][:, twice.folds == 6] = cells[2][:, twice.folds == 6]
    unclear = placements.of(replace(result, held_out=replace(twice, cells=cells, by_position=spread))).at(0)
    assert unclear["q0"].layers == ()  # one of its two layers is not known
    assert unclear["q1"].layers == again["q1"].layers


def test_of_several_classes_the_score_of_a_rows_own_class_is_placed():
    one = synthetic.classes_result(layers=3, n=150)
    held, found = one.held_out, placements.of(one)
    for code in range(3):
        expected = brute(held.nested[code], held.target == code, held.folds)
        mine = np.flatnonzero(held.target == code)
        assert [found.nested[f"q{i}"] for i in mine] == pytest.approx(expected[mine])
    assert not found.binary
    best = int(one.grid.value[:, 1].argmax())
    stacked = np.stack([held.by_class[word][best, 1] for word in held.classes])
    expected = [brute(stacked[int(held.target[i])], held.target == held.target[i], held.folds)[i] for i in range(20)]
    assert [found.at(1)[f"q{i}"].value for i in range(20)] == pytest.approx(expected)


def test_of_a_number_predictions_and_truth_have_ranks():
    one = synthetic.value_result(layers=3, n=100)
    found = placements.of(one)
    expected = placements.rank(one.held_out.target, one.held_out.folds)
    assert [found.truth[f"q{i}"] for i in range(100)] == pytest.approx(expected)
    assert set(found.nested) == set(found.truth)


def test_a_position_tells_where_its_nested_interval_is_above_chance(result):
    def estimate(low):
        return Estimate(0.6, low, 0.7, 0.95, 120)

    told = (estimate(0.52), None, estimate(0.48), estimate(float("nan")), *[estimate(0.6)] * 11)
    found = placements.of(replace(result, by_position=told))
    assert [found.tells(j) for j in range(5)] == [True, False, False, False, True]


def test_without_nested_intervals_a_position_tells_where_a_cell_is_above_chance():
    null = placements.of(synthetic.grid_result(n=150, strength=0.0))
    strong = placements.of(synthetic.grid_result(n=300, strength=2.0))
    assert not any(null.tells(j) for j in range(15))
    assert strong.tells(5)
