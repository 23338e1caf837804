from __future__ import annotations

import functools
import json
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from layergrid.artifacts import GridResult
from layergrid.grids.probe import ProbeGrid
from layergrid.kinds import BadInput, GridKind, Inputs, known
from layergrid.probes import fit_path
from layergrid.probing import fitting
from probe_inputs import POSITIONS, make, permuted, with_status, with_values, with_wrong

FEW = {"penalties": (0.01, 0.1)}  # two penalties keep tests short


def compute(inputs: Inputs, **options: Any) -> GridResult:
    return ProbeGrid(**{**FEW, **options}).compute(inputs)


@pytest.fixture(scope="module")
def planted() -> GridResult:
    baselines = ("answer_length", "exact_logprob_mean", {"operand sizes": ("left_digits", "right_digits")})
    return compute(make(), baselines=baselines)


def status_of(result: GridResult) -> dict[tuple[int, str], tuple[str, str]]:
    g = result.grid
    return {
        (layer, position): (str(g.status[i, p]), str(g.reason[i, p]))
        for i, layer in enumerate(g.layers)
        for p, position in enumerate(g.positions)
    }


def assert_nothing_in(result: GridResult, layer: int, position: str) -> None:
    g = result.grid
    cell = g.layers.index(layer), g.positions.index(position)
    assert np.isnan([g.value[cell], g.low[cell], g.high[cell], g.p_adjusted[cell]]).all()
    assert not g.tied_with_best[cell]
    if result.held_out is not None:
        assert np.isnan(result.held_out.cells[cell]).all()


# ---------------------------------------------------------------- the numbers


def test_the_planted_signal_is_found_where_it_was_planted(planted: GridResult) -> None:
    g = planted.grid
    assert g.value.shape == (3, 3)
    strong = g.p_adjusted < 0.01
    assert strong.tolist() == [[False] * 3, [False, True, False], [False, True, False]]
    assert (g.low[strong] > 0.6).all()
    assert (g.n == 160).all()
    assert planted.selection is not None
    assert {w.position for w in planted.selection.winners} == {"exact_answer_last"}
    assert all(w.layer in (1, 2) for w in planted.selection.winners)


def test_the_held_out_scores_suffice_to_recompute_every_cell_the_nested_best_and_the_baselines(
    planted: GridResult,
) -> None:
    held = planted.held_out
    assert held is not None
    assert held.cells.dtype == np.float32

    def mean_auroc(scores: np.ndarray) -> float:
        folds = [held.folds == k for k in range(5)]
        return float(np.mean([roc_auc_score(held.labels[rows], scores[rows]) for rows in folds]))

    for cell in np.ndindex(3, 3):
        assert planted.grid.value[cell] == pytest.approx(mean_auroc(held.cells[cell]), abs=1e-12)
    assert planted.selection is not None
    assert planted.selection.estimate.value == pytest.approx(mean_auroc(held.nested), abs=1e-12)
    for winner in planted.selection.winners:
        rows = held.folds == winner.fold
        cell = planted.grid.layers.index(winner.layer), planted.grid.positions.index(winner.position)
        np.testing.assert_array_equal(held.nested[rows], held.cells[cell][rows])
        assert winner.value == pytest.approx(roc_auc_score(held.labels[rows], held.nested[rows]), abs=1e-12)
    for baseline in planted.baselines:
        assert baseline.estimate is not None
        assert baseline.difference is not None
        assert baseline.estimate.value == pytest.approx(mean_auroc(held.baselines[baseline.name]), abs=1e-12)
        gap = planted.selection.estimate.value - baseline.estimate.value
        assert baseline.difference.value == pytest.approx(gap, abs=1e-12)
        assert baseline.difference.low < gap < baseline.difference.high


def test_held_out_rows_carry_the_labels_groups_and_ids_of_their_examples(planted: GridResult) -> None:
    held, inputs = planted.held_out, make()
    assert held is not None
    where = [inputs.examples.ids.index(name) for name in held.example_ids]
    assert sorted(where) == list(range(160))
    np.testing.assert_array_equal(held.labels, ~inputs.labels.correct[where])
    assert held.groups == tuple(inputs.examples.groups[i] for i in where)
    assert (planted.grid.n_positive == int(held.labels.sum())).all()


def test_predicting_right_answers_mirrors_the_classes_and_the_fixed_signs(planted: GridResult) -> None:
    mirrored = compute(make(), predict="correct", baselines=("answer_length", "exact_logprob_mean"))
    np.testing.assert_allclose(mirrored.grid.value, planted.grid.value, atol=1e-9)
    assert (mirrored.grid.n_positive == 160 - planted.grid.n_positive).all()
    for one, other in zip(mirrored.baselines, planted.baselines, strict=False):
        assert one.estimate is not None
        assert other.estimate is not None
        assert one.estimate.value == pytest.approx(other.estimate.value, abs=1e-12)
    assert mirrored.grid.quantity.subject == "right answers"
    assert mirrored.grid.quantity.positive == "right answers"
    assert mirrored.grid.quantity.sentence.endswith("tells right from wrong answers.")


def test_the_highest_cell_ties_with_itself_and_chance_cells_do_not(planted: GridResult) -> None:
    g = planted.grid
    best = np.unravel_index(np.nanargmax(g.value), g.value.shape)
    assert g.tied_with_best[best]
    assert not g.tied_with_best[0].any()


def test_under_the_null_no_cell_is_called_significant_and_the_nested_best_is_near_chance() -> None:
    nested, rejected = [], 0
    for seed in range(12):
        result = compute(make(n=100, strength=0.0, seed=seed, width=4), baselines=(), penalties=(0.1,))
        rejected += bool((result.grid.p_adjusted < 0.05).any())
        assert result.selection is not None
        nested.append(result.selection.estimate.value)
    assert rejected <= 2
    assert 0.42 < np.mean(nested) < 0.58


# ---------------------------------------------------------------- what must not matter


def bits(result: GridResult) -> list[bytes | object]:
    g, held = result.grid, result.held_out
    assert held is not None
    arrays = [g.value, g.low, g.high, g.p_adjusted, g.tied_with_best, held.folds, held.cells, held.nested]
    return [a.tobytes() for a in arrays] + [held.example_ids, result.selection, result.baselines, dict(g.settings)]


def test_the_same_seed_gives_the_same_bits_whatever_the_order_of_the_rows() -> None:
    inputs = make(n=100, group_size=2)
    first = compute(inputs)
    assert bits(compute(inputs)) == bits(first)
    for seed in range(3):
        assert bits(compute(permuted(inputs, np.random.default_rng(seed).permutation(100)))) == bits(first)


def test_the_names_of_groups_do_not_matter() -> None:
    inputs = make(n=100, group_size=2)
    names = [str(v) for v in np.random.default_rng(1).permutation(500)]
    renamed = tuple(names[int(g[1:])] for g in inputs.examples.groups)
    other = compute(replace(inputs, examples=replace(inputs.examples, groups=renamed)))
    first = compute(inputs)
    assert bits(other)[:-1] == bits(first)[:-1]


def test_another_seed_gives_other_folds() -> None:
    inputs = make(n=100)
    assert bits(compute(replace(inputs, seed=1)))[5:7] != bits(compute(inputs))[5:7]


def test_rows_of_a_group_are_held_out_together() -> None:
    held = compute(make(n=120, group_size=3)).held_out
    assert held is not None
    fold_of: dict[str, set[int]] = {}
    for group, fold in zip(held.groups, held.folds, strict=True):
        fold_of.setdefault(group, set()).add(int(fold))
    assert all(len(folds) == 1 for folds in fold_of.values())


def test_positions_may_stand_in_another_order_in_the_activations() -> None:
    inputs = make(n=100)
    a = inputs.activations["residual"]
    turned = replace(a, positions=a.positions[::-1], values=a.values[:, ::-1], present=a.present[:, ::-1])
    assert bits(compute(replace(inputs, activations={"residual": turned}))) == bits(compute(inputs))


# ---------------------------------------------------------------- statuses


def test_a_position_that_no_example_has_is_missing_and_drops_no_row() -> None:
    def gone(status: np.ndarray) -> None:
        status[:, 2] = "truncated"
        status[0, 2] = "missing"

    result = compute(with_status(make(n=100), gone))
    reason = "no example has this position with status ok: 1 missing, 99 truncated"
    assert status_of(result)[1, "-1"] == ("missing", reason)
    assert_nothing_in(result, 1, "-1")
    assert result.grid.n[:, 2].tolist() == [0, 0, 0]
    assert result.grid.n[:, 0].tolist() == [100, 100, 100]
    assert result.grid.settings["positions_left_out"] == ["-1"]
    assert result.grid.settings["cells_tested"] == 6


def test_rows_without_a_counting_status_at_every_position_are_dropped_and_counted_by_label() -> None:
    inputs = make(n=120)
    wrong = np.flatnonzero(~inputs.labels.correct)[:7]
    right = np.flatnonzero(inputs.labels.correct)[:3]

    def drop(status: np.ndarray) -> None:
        status[wrong, 1] = "collapsed"
        status[right, 0] = "in_prompt"

    changed = with_status(inputs, drop)
    result = compute(changed)
    found = {k: result.grid.settings[k] for k in ("rows", "rows_in_all", "dropped_correct", "dropped_wrong")}
    assert found == {"rows": 110, "rows_in_all": 120, "dropped_correct": 3, "dropped_wrong": 7}
    kept = compute(changed, statuses=("ok", "collapsed", "in_prompt"))
    assert kept.grid.settings["rows"] == 120


def test_a_row_whose_token_is_absent_is_dropped_whatever_its_status() -> None:
    inputs = make(n=100)
    a = inputs.activations["residual"]
    present = a.present.copy()
    present[4, 1] = False
    result = compute(replace(inputs, activations={"residual": replace(a, present=present)}))
    assert result.held_out is not None
    assert "q0004" not in result.held_out.example_ids


def test_rows_that_never_count_everywhere_at_once_leave_too_few() -> None:
    def clash(status: np.ndarray) -> None:
        status[::2, 0] = "missing"
        status[1::2, 1] = "missing"

    result = compute(with_status(make(n=100), clash))
    assert set(status_of(result).values()) == {("too_few", "no example counts at all compared positions at once")}


def test_one_class_is_named() -> None:
    result = compute(with_wrong(make(n=60), np.zeros(60, dtype=bool)))
    assert set(status_of(result).values()) == {("one_class", "all 60 compared examples are right answers")}
    assert_nothing_in(result, 1, "exact_answer_last")
    assert (result.selection, result.held_out, result.baselines) == (None, None, ())
    assert (result.grid.n == 60).all()


def test_too_few_groups_of_a_class_are_counted() -> None:
    result = compute(with_wrong(make(n=60, group_size=2), np.arange(60) < 18))
    reason = "wrong answers stand in too few groups: 9 (5 folds need at least 10)"
    assert set(status_of(result).values()) == {("too_few", reason)}


def test_a_fold_left_with_one_group_of_a_class_has_too_few() -> None:
    inputs = make(n=64)
    groups = tuple("large" if i < 30 else f"g{i}" for i in range(64))  # one group holds most of the wrong answers
    wrong = (np.arange(64) < 30) | (np.arange(64) >= 55)
    result = compute(with_wrong(replace(inputs, examples=replace(inputs.examples, groups=groups)), wrong))
    statuses = set(status_of(result).values())
    assert len(statuses) == 1
    status, reason = statuses.pop()
    assert status == "too_few"
    assert "groups with" in reason


def test_three_examples_are_too_few_and_raise_nothing() -> None:
    result = compute(with_wrong(make(n=3), np.array([True, False, True])))
    assert {status for status, _ in status_of(result).values()} == {"too_few"}


def test_activations_that_are_not_finite_spoil_their_cell_alone_and_are_counted() -> None:
    def spoil(values: np.ndarray) -> None:
        values[1, 1, 5] = np.nan
        values[1, 1, 9, 0] = np.inf

    result = compute(with_values(make(n=100), spoil))
    reason = "2 of 100 examples have NaN or infinite values"
    assert status_of(result)[1, "exact_answer_last"] == ("not_finite", reason)
    assert_nothing_in(result, 1, "exact_answer_last")
    assert {s for cell, (s, _) in status_of(result).items() if cell != (1, "exact_answer_last")} == {"ok"}


def test_constant_activations_are_a_status_and_no_one_half() -> None:
    def flatten(values: np.ndarray) -> None:
        values[0, 0] = 0.25

    result = compute(with_values(make(n=100), flatten))
    assert status_of(result)[0, "last_q"] == ("constant", "the values are the same in all examples")
    assert_nothing_in(result, 0, "last_q")
    assert result.grid.settings["cells_tested"] == 8


def test_a_cell_that_cannot_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "Plan", functools.partial(fitting.Plan, max_steps=1))
    result = compute(make(n=100), penalties=(1e-4,))
    status, reason = status_of(result)[1, "exact_answer_last"]
    assert status == "not_converged"
    assert reason.startswith("fits that did not reach the tolerance: ")
    assert_nothing_in(result, 1, "exact_answer_last")
    assert result.selection is None
    assert result.grid.settings["unconverged_fits"] > 0
    assert result.baselines[0].estimate is not None
    assert result.baselines[0].difference is None


def test_perfectly_separable_cells_stand_at_the_boundary_with_a_one_sided_bound() -> None:
    result = compute(make(n=100, strength=50.0))
    assert status_of(result)[1, "exact_answer_last"] == ("boundary", "")
    assert result.grid.value[1, 1] == 1.0
    assert result.grid.high[1, 1] == 1.0
    assert 0.7 < result.grid.low[1, 1] < 0.95
    assert result.grid.p_adjusted[1, 1] < 0.01
    assert result.grid.tied_with_best[1, 1]
    assert result.grid.tied_with_best[2, 1]
    assert result.selection is not None
    assert (result.selection.estimate.value, result.selection.estimate.high) == (1.0, 1.0)
    assert np.isnan(result.baselines[0].difference.low)  # type: ignore[union-attr]  # a difference exists


# ---------------------------------------------------------------- baselines


def test_baselines_have_readable_labels_and_their_signs_in_the_settings(planted: GridResult) -> None:
    assert [b.label for b in planted.baselines] == [
        "length of the answer in tokens",
        "mean log-probability of the exact answer",
        "operand sizes (left_digits, right_digits)",
    ]
    assert planted.grid.settings["baseline_signs"] == {
        "answer_length": "longer answers count as wrong",
        "exact_logprob_mean": "lower log-probability counts as wrong",
    }


def test_a_baseline_of_columns_finds_what_its_columns_tell(planted: GridResult) -> None:
    sizes = planted.baselines[2].estimate
    assert sizes is not None
    assert sizes.low > 0.6  # right_digits was made larger for wrong answers


def test_text_columns_serve_as_baselines() -> None:
    inputs = make(n=100)
    words = tuple("yes" if c else "no" for c in np.where(np.arange(100) % 10 == 0, True, inputs.labels.correct))
    columns = {**inputs.examples.columns, "word": words}
    told = compute(
        replace(inputs, examples=replace(inputs.examples, columns=columns)), baselines=({"word": ("word",)},)
    )
    assert told.baselines[0].estimate is not None
    assert told.baselines[0].estimate.value > 0.85


def test_a_baseline_without_values_has_a_reason_and_no_number() -> None:
    inputs = make(n=100)
    spans = inputs.labels.spans.copy()
    spans[:4] = -1
    columns = {**inputs.examples.columns, "same": (1,) * 100, "hole": (None,) + (1.5,) * 99}
    changed = replace(
        inputs,
        labels=replace(inputs.labels, spans=spans),
        examples=replace(inputs.examples, columns=columns),
    )
    result = compute(changed, baselines=("exact_logprob_min", {"same": ("same",)}, {"hole": ("hole",)}))
    assert [(b.estimate, b.difference, b.reason) for b in result.baselines] == [
        (None, None, "4 of 100 examples have no value"),
        (None, None, "the values are the same in all examples"),
        (None, None, "column 'hole' has no value in 1 of 100 examples"),
    ]
    assert result.held_out is not None
    assert dict(result.held_out.baselines) == {}


def test_a_column_that_the_data_lack_is_bad_input_that_can_be_checked_before_the_model_runs() -> None:
    grid = ProbeGrid(baselines=({"sizes": ("left_digts",)},))
    with pytest.raises(BadInput, match=r"grids\.errors\.baselines, 'sizes'.*did you mean 'left_digits'"):
        grid.check(make(n=10).examples, "errors")
    with pytest.raises(BadInput, match="left_digts"):
        grid.compute(make(n=10))


# ---------------------------------------------------------------- parameters


def test_the_kind_is_known_by_its_name() -> None:
    assert known(GridKind)["probe"] is ProbeGrid


def test_a_range_of_penalties_is_even_on_a_logarithmic_scale() -> None:
    grid = ProbeGrid.model_validate({"penalties": {"from": "1e-4", "to": 1, "count": 5}})
    np.testing.assert_allclose(grid.penalty_values, [1e-4, 1e-3, 1e-2, 1e-1, 1], rtol=1e-12)
    assert ProbeGrid.model_validate({"penalties": [1, 0.1, 1]}).penalty_values == (0.1, 1.0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"penalties": []}, "penalties"),
        ({"penalties": [0.0]}, "greater than 0"),
        ({"penalties": {"from": 1, "until": 2}}, "until"),
        ({"folds": 2}, "greater than or equal to 3"),
        ({"statuses": []}, "statuses"),
        ({"statuses": ["okay"]}, "'ok'"),
        ({"predict": "errors"}, "'error'"),
        ({"baselines": ["answer_lenght"]}, "did you mean 'answer_length'"),
        ({"baselines": ["answer_length", "answer_length"]}, "stands twice"),
        ({"baselines": [{"sizes": []}]}, "at least one column"),
        ({"level": 1.0}, "less than 1"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_was_expected(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ProbeGrid.model_validate(wrong)


def test_the_settings_are_json_and_complete(planted: GridResult) -> None:
    settings = planted.grid.settings
    assert json.loads(json.dumps(settings)) == settings
    expected = {
        "predict", "folds", "inner_folds", "group", "n_groups", "rows", "rows_in_all", "dropped_correct",
        "dropped_wrong", "statuses", "penalties", "seed", "cells_tested", "positions_left_out", "correction", "level",
        "solver", "tolerance", "scaling", "interval",
    }  # fmt: skip
    assert expected <= set(settings)
    assert (settings["folds"], settings["inner_folds"], settings["correction"]) == (5, 4, "max-statistic permutation")


def test_the_column_that_groups_rows_is_named() -> None:
    assert compute(make(n=100, group_size=2), baselines=()).grid.settings["group"] == "pair"
    assert compute(make(n=100), baselines=()).grid.settings["group"] == ""


def test_progress_counts_the_cells() -> None:
    seen: list[tuple[int, int]] = []
    compute(replace(make(n=60), progress=lambda done, total: seen.append((done, total))), baselines=())
    assert seen == [(i, 9) for i in range(1, 10)]


def test_the_grid_asks_for_one_site_of_the_chosen_layers_and_for_labels() -> None:
    needs = ProbeGrid(positions=("exact_*",)).needs()
    assert (needs.sites, needs.layers, needs.labels) == (frozenset({"residual"}), "all", True)
    assert compute(make(n=60), baselines=()).grid.positions == POSITIONS


# ---------------------------------------------------------------- calibration

WIDE = tuple(f"p{i}" for i in range(10))


def correlated(seed: int, strength: float) -> Inputs:
    """Forty cells that share half of their variance, the same shift of the first feature in each; groups of two."""
    inputs = make(n=200, layers=4, width=12, strength=0.0, seed=seed, group_size=2, positive=0.3,
                  positions=("exact_answer_last", *WIDE[1:]))  # fmt: skip
    shared = np.random.default_rng(seed + 10_000).normal(size=(200, 12))

    def change(values: np.ndarray) -> None:
        values[:] = np.sqrt(0.5) * (values + shared)
        values[..., 0] += strength * ~inputs.labels.correct

    return with_values(inputs, change)


def truths(inputs: Inputs, result: GridResult, cells: list[tuple[int, int]], penalty: float) -> list[float]:
    """The population AUROC of the probe of each fold's cell."""
    held = result.held_out
    assert held is not None
    rows = np.array([inputs.examples.ids.index(name) for name in held.example_ids])
    found = []
    for k, (layer, position) in enumerate(cells):
        train = held.folds != k
        x = inputs.activations["residual"].values[layer, position][rows[train]].astype(np.float64)
        w = fit_path(x, held.labels[train], [penalty]).weights[0]
        found.append(NormalDist().cdf(float(w[0] / np.linalg.norm(w)) * STRENGTH / np.sqrt(2)))
    return found


STRENGTH = 0.8


@pytest.mark.slow
def test_the_family_of_cells_is_rejected_no_more_often_than_the_level_under_the_null() -> None:
    found = [compute(correlated(s, 0.0), baselines=(), penalties=(0.1,)) for s in range(200)]
    assert np.mean([bool((r.grid.p_adjusted < 0.05).any()) for r in found]) <= 0.075
    assert np.mean([np.nanmax(r.grid.value) for r in found]) > 0.57  # the naive best misleads
    nested = [r.selection.estimate.value for r in found if r.selection is not None]
    assert abs(np.mean(nested) - 0.5) < 0.01 + 2 * np.std(nested) / np.sqrt(len(nested))


@pytest.mark.slow
def test_the_nested_best_is_unbiased_and_covered_where_the_naive_best_is_not() -> None:
    nested, naive, covered = [], [], []
    for seed in range(200):
        inputs = correlated(300 + seed, STRENGTH)
        result = compute(inputs, baselines=(), penalties=(0.1,))
        g, s = result.grid, result.selection
        assert s is not None
        truth = np.mean(truths(inputs, result, [(w.layer, g.positions.index(w.position)) for w in s.winners], 0.1))
        nested.append(s.estimate.value - truth)
        covered.append(s.estimate.low <= truth <= s.estimate.high)
        best = np.unravel_index(np.nanargmax(g.value), g.value.shape)
        same = [(int(best[0]), int(best[1]))] * 5
        naive.append(float(np.nanmax(g.value) - np.mean(truths(inputs, result, same, 0.1))))
    assert abs(np.mean(nested)) < 0.01 + 2 * np.std(nested) / np.sqrt(200)
    assert np.mean(naive) > 0.03
    assert np.mean(covered) >= 0.92
