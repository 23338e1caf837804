from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score, roc_auc_score

from layergrid.artifacts import GridResult
from layergrid.grids.probe import ProbeGrid
from layergrid.kinds import BadInput, Inputs
from layergrid.verify import grids as verify_grids
from layergrid.verify.problems import Notes
from probe_inputs import make, permuted, with_values, with_wrong

FEW: dict[str, Any] = {"penalties": (0.01, 0.1), "baselines": (), "permutations": 99}


WITHOUT = ("probe", "mean_difference")  # has no penalty


def compute(inputs: Inputs, **options: Any) -> GridResult:
    free = "parity" in options or WITHOUT in options.items()
    own = {k: v for k, v in FEW.items() if not (free and k == "penalties")}
    return ProbeGrid(**{**own, **options}).compute(inputs)


def with_column(inputs: Inputs, **columns: Any) -> Inputs:
    e = inputs.examples
    return replace(inputs, examples=replace(e, columns={**e.columns, **{k: tuple(v) for k, v in columns.items()}}))


def shifted(inputs: Inputs, by: np.ndarray) -> Inputs:
    """The same inputs, feature 0 of layers above 0 moved at `exact_answer_last`."""
    a = inputs.activations["residual"]
    values = a.values.copy()
    values[1:, 1, :, 0] += by.astype(np.float32)
    return replace(inputs, activations={"residual": replace(a, values=values)})


# ---------------------------------------------------------------- repeats


def test_repeats_average_the_folds_of_several_assignments_and_promise_no_more_rows() -> None:
    inputs = make(n=120)
    once, twice = compute(inputs), compute(inputs, repeats=2)
    held = twice.held_out
    assert held is not None
    assert (held.repeats, len(held.folds), int(held.folds.max())) == (2, 240, 9)
    assert held.example_ids[:120] == held.example_ids[120:]
    assert (held.folds[:120] != held.folds[120:] - 5).any()
    folds = [held.folds == k for k in range(10)]
    expected = np.mean([roc_auc_score(held.labels[rows], held.cells[1, 1][rows]) for rows in folds])
    assert twice.grid.value[1, 1] == pytest.approx(expected, abs=1e-12)
    assert (twice.grid.n == 120).all()
    assert twice.selection is not None
    assert (twice.selection.estimate.n, len(twice.selection.winners)) == (120, 10)
    width, before = (g.high[1, 1] - g.low[1, 1] for g in (twice.grid, once.grid))
    assert width == pytest.approx(before, rel=0.35)
    assert once.held_out is not None
    np.testing.assert_array_equal(once.held_out.cells, held.cells[..., :120])


# ---------------------------------------------------------------- a fixed split


def test_a_fixed_split_trains_chooses_and_tests_on_rows_of_their_own() -> None:
    result = compute(make(n=200, group_size=2, strength=2.0), split={"train": 0.5, "select": 0.2, "test": 0.3})
    held, settings = result.held_out, result.grid.settings
    assert held is not None
    counts = (settings["train_rows"], settings["select_rows"], settings["rows"])
    assert sum(counts) == 200
    assert counts[0] == pytest.approx(100, abs=6)
    assert (len(held.labels), set(held.folds.tolist())) == (counts[2], {0})
    assert all(held.groups.count(group) == 2 for group in held.groups)
    assert result.grid.value[2, 1] == pytest.approx(roc_auc_score(held.labels, held.cells[2, 1]), abs=1e-12)
    assert result.selection is not None
    assert [w.position for w in result.selection.winners] == ["exact_answer_last"]
    assert result.permutation is not None
    assert result.permutation.statistic == "held-out"
    assert result.grid.p_adjusted[2, 1] <= 0.05


def test_a_column_names_the_parts_and_groups_of_the_test_rows_leave_the_others() -> None:
    parts = ["train"] * 80 + ["Validation"] * 40 + ["test"] * 40
    inputs = with_column(make(n=160), part=parts)
    e = inputs.examples
    groups = list(e.groups)
    groups[0] = groups[150]
    result = compute(replace(inputs, examples=replace(e, groups=tuple(groups))), split={"column": "part"})
    settings = result.grid.settings
    assert (settings["train_rows"], settings["select_rows"], settings["rows"], settings["leaked_rows"]) == (
        79,
        40,
        40,
        1,
    )
    with pytest.raises(BadInput, match=r"grids\.errors\.split: column 'part' .* says 'dev set' for example 'q0005'"):
        compute(with_column(inputs, part=[*parts[:5], "Dev set", *parts[6:]]), split={"column": "part"})
    with pytest.raises(BadInput, match="did you mean 'part'"):
        compute(inputs, split={"column": "parts"})


# ---------------------------------------------------------------- the published recipe


def test_parity_is_scikit_learns_own_fit_on_one_split_without_scaling() -> None:
    inputs = make(n=200, strength=2.0)
    result = compute(inputs, parity="llms-know")
    held = result.held_out
    assert held is not None
    assert (len(held.labels), result.selection, result.grid.settings["train_rows"]) == (40, None, 160)
    at = {name: i for i, name in enumerate(inputs.examples.ids)}
    test = [at[name] for name in held.example_ids]
    train = np.setdiff1d(np.arange(200), test)
    x, y = inputs.activations["residual"].values[2, 1], ~inputs.labels.correct
    model = LogisticRegression().fit(x[train], y[train])
    assert result.grid.value[2, 1] == pytest.approx(roc_auc_score(y[test], model.decision_function(x[test])), abs=1e-9)
    assert "as they are" in result.grid.settings["scaling"]


def test_the_published_recipe_is_tested_under_its_fitted_probes() -> None:
    result = compute(make(n=200, strength=2.0), parity="llms-know", permutations=99)
    assert result.permutation is not None
    assert result.permutation.statistic == "held-out"
    assert result.grid.p_adjusted[2, 1] <= 0.05 < result.grid.p_adjusted[0, 0]


# ---------------------------------------------------------------- near-duplicates


def doubled(inputs: Inputs) -> Inputs:
    """Every two rows ask the same."""
    s = inputs.sequences
    texts = tuple(f"What follows {i // 2:04d} apples? It is 4325" for i in range(len(s.texts)))
    chars = np.array([text.index("?") + 2 for text in texts], dtype=np.int32)
    return replace(inputs, sequences=replace(s, texts=texts, prompt_chars=chars))


def test_near_duplicates_are_held_out_together_unless_the_spec_says_otherwise() -> None:
    inputs = doubled(make(n=120))
    grouped, reported = compute(inputs), compute(inputs, near_duplicates="report")
    assert grouped.grid.settings["near_duplicates"] == {"mode": "group", "rows": 120, "clusters": 60}
    assert (grouped.grid.settings["n_groups"], reported.grid.settings["n_groups"]) == (60, 120)
    for result, whole in ((grouped, True), (reported, False)):
        held = result.held_out
        assert held is not None
        folds = dict(zip(held.example_ids, held.folds.tolist(), strict=True))
        pairs = [(folds[f"q{i:04d}"], folds[f"q{i + 1:04d}"]) for i in range(0, 120, 2)]
        assert all(a == b for a, b in pairs) == whole
    ignored = compute(inputs, near_duplicates="ignore")
    assert ignored.grid.settings["near_duplicates"]["rows"] == 0


# ---------------------------------------------------------------- other targets


@pytest.fixture(scope="module")
def topics() -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, size=180)
    inputs = with_column(make(n=180, strength=0.0), topic=np.array(["art", "law", "sea"])[codes])
    inputs = shifted(inputs, 1.5 * codes)
    a = inputs.activations["residual"]
    values = a.values.copy()
    values[1:, 1, :, 1] += 2.0 * (codes == 1)
    return replace(inputs, activations={"residual": replace(a, values=values)}), codes


def test_classes_are_told_apart_one_against_the_rest(topics) -> None:
    result = compute(topics[0], predict={"column": "topic"})
    g, held = result.grid, result.held_out
    assert held is not None
    assert (g.metric, g.quantity.name, g.quantity.chance) == ("macro_auroc", "macro AUROC", 0.5)
    assert held.classes == ("art", "law", "sea")
    folds = [held.folds == k for k in range(5)]
    told = [(held.target == c, held.by_class[name][2, 1]) for c, name in enumerate(held.classes)]
    by_hand = np.mean([np.mean([roc_auc_score(y[rows], s[rows]) for y, s in told]) for rows in folds])
    assert g.value[2, 1] == pytest.approx(by_hand, abs=1e-12)
    assert g.value[2, 1] > 0.7
    assert g.p_adjusted[2, 1] <= 0.05 < g.p_adjusted[0, 0]
    assert [(f.name, f.role) for f in g.facets] == [("art", "class"), ("law", "class"), ("sea", "class")]
    assert result.selection is not None
    assert {w.position for w in result.selection.winners} == {"exact_answer_last"}


def test_the_accuracy_of_classes_is_held_against_the_majority(topics) -> None:
    result = compute(topics[0], predict={"column": "topic"}, metric="accuracy")
    held, g = result.held_out, result.grid
    assert held is not None
    folds = [held.folds == k for k in range(5)]
    by_hand = np.mean([(held.cells[2, 1][rows] == held.target[rows]).mean() for rows in folds])
    assert g.value[2, 1] == pytest.approx(by_hand, abs=1e-12)
    assert g.quantity.chance == pytest.approx(np.bincount(topics[1]).max() / 180)


@pytest.mark.parametrize("metric", ["r2", "rank_correlation"])
def test_a_number_is_predicted_by_a_ridge_probe(metric: str) -> None:
    rng = np.random.default_rng(5)
    size = rng.normal(size=160)
    inputs = shifted(with_column(make(n=160, strength=0.0), size=size.tolist()), 2 * size)
    result = compute(inputs, predict={"column": "size", "as": "number"}, metric=metric)
    held, g = result.held_out, result.grid
    assert held is not None
    assert held.target is not None
    judge = r2_score if metric == "r2" else lambda y, f: spearmanr(y, f)[0]
    by_hand = np.mean([judge(held.target[held.folds == k], held.cells[2, 1][held.folds == k]) for k in range(5)])
    assert g.value[2, 1] == pytest.approx(by_hand, abs=1e-6)
    assert (g.quantity.chance, g.settings["probe"], g.settings["target"]) == (0.0, "ridge", "value")
    assert g.low[2, 1] > 0.3
    assert g.p_adjusted[2, 1] <= 0.05 < g.p_adjusted[0, 0]


def test_numbers_of_a_csv_file_are_numbers_though_they_are_read_as_text() -> None:
    rng = np.random.default_rng(5)
    size = rng.normal(size=160).round(3)
    inputs = shifted(make(n=160, strength=0.0), 2 * size)
    options = {"predict": {"column": "size", "as": "number"}, "baselines": ({"itself": ("size",)},)}
    one = compute(with_column(inputs, size=size.tolist()), **options)
    other = compute(with_column(inputs, size=[str(v) for v in size]), **options)
    assert one.grid.value.tobytes() == other.grid.value.tobytes()
    assert other.baselines[0].estimate is not None
    assert other.baselines[0].estimate.value > 0.99


@pytest.mark.parametrize("width", [6, 300], ids=["few features", "many"])
def test_a_number_far_from_zero_is_predicted_as_well_as_one_near_it(width: int) -> None:
    rng = np.random.default_rng(6)
    size = rng.normal(size=120)
    inputs = shifted(make(n=120, width=width, strength=0.0), 3 * size)
    options = {"predict": {"column": "size", "as": "number"}, "directions": True, "permutations": 0}
    near = compute(with_column(inputs, size=size.tolist()), **options)
    far = compute(with_column(inputs, size=(1.7e9 + 1000 * size).tolist()), **options)
    np.testing.assert_allclose(far.grid.value, near.grid.value, atol=1e-5)
    assert near.directions is not None
    assert far.directions is not None
    np.testing.assert_allclose(far.directions.weights[2, 1], 1000 * near.directions.weights[2, 1], rtol=2e-3, atol=0.1)


@pytest.mark.parametrize("n", [8, 11, 15, 20, 24, 40, 80, 95])
@pytest.mark.parametrize("split", [None, {"train": 0.5, "select": 0.2, "test": 0.3}], ids=["folds", "tenths"])
def test_few_rows_with_a_number_have_values_or_a_status(n: int, split: Any) -> None:
    inputs = with_column(make(n=n), size=np.random.default_rng(n).normal(size=n).tolist())
    options = {} if split is None else {"split": split}
    g = compute(inputs, predict={"column": "size", "as": "number"}, permutations=0, **options).grid
    assert set(g.status.ravel()) <= {"ok", "too_few"}
    assert (np.isfinite(g.value) == (g.status == "ok")).all()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["train"] * 60 + ["select"] * 60, "the test part of the fixed split does not hold rows"),
        (["test"] * 120, "the train part of the fixed split does not hold rows"),
        (["train"] * 60 + ["test"] * 60, "the select part of the fixed split does not hold rows"),
    ],
    ids=["no test", "all test", "no selection"],
)
def test_a_part_that_a_column_leaves_empty_is_a_status(parts: list[str], said: str) -> None:
    inputs = with_column(make(n=120), part=parts, topic=["a", "b", "c"] * 40, size=list(range(120)))
    for predict in ("error", {"column": "topic"}, {"column": "size", "as": "number"}):
        g = compute(inputs, predict=predict, split={"column": "part"}).grid
        assert set(g.status.ravel()) == {"too_few"}
        assert set(g.reason.ravel()) == {said}


def test_a_class_that_no_training_row_has_is_a_status() -> None:
    parts = ["train"] * 60 + ["select"] * 30 + ["test"] * 30
    topic = ["a", "b"] * 30 + ["a", "b", "c"] * 20
    inputs = with_column(make(n=120), part=parts, topic=topic)
    g = compute(inputs, predict={"column": "topic"}, split={"column": "part"}).grid
    assert set(g.reason.ravel()) == {"the train part of the fixed split does not hold every class"}


def test_of_a_fixed_split_the_log_probabilities_learn_from_all_rows_that_are_not_tested() -> None:
    inputs = make(n=400)
    fixed = compute(inputs, baselines=("logprobs",), split={"train": 0.7, "select": 0.1, "test": 0.2}, permutations=0)
    (alone,), (added,) = fixed.baselines, fixed.additions
    assert (alone.name, added.name) == ("logprobs", "logprobs.selected")
    assert alone.estimate is not None
    assert alone.estimate.value != added.alone.value
    held = fixed.held_out
    assert held is not None
    assert set(held.baselines) == {"logprobs", "logprobs.selected", "logprobs.selected+probe"}


def test_a_ridge_too_weak_to_be_solved_is_a_status() -> None:
    inputs = make(n=80, width=200)

    def doubled_features(values: np.ndarray) -> None:
        values[..., 100:] = values[..., :100]

    g = compute(with_values(inputs, doubled_features), probe="ridge", penalties=(1e-30,), permutations=0).grid
    assert set(g.status.ravel()) <= {"ok", "not_converged"}


def test_a_baseline_that_was_asked_for_and_cannot_be_says_why() -> None:
    inputs = with_column(make(n=120), topic=["a", "b"] * 60)
    result = compute(inputs, predict={"column": "topic"}, baselines=("answer_length", "logprobs"))
    assert [(b.name, b.estimate) for b in result.baselines] == [("answer_length", None), ("logprobs", None)]
    assert all("the target is a column" in b.reason for b in result.baselines)
    usual = ProbeGrid(predict={"column": "topic"}, permutations=0, penalties=(0.1,)).compute(inputs)
    assert {b.name for b in usual.baselines} <= {"question", "layer_0"}


def test_a_column_that_is_predicted_may_have_no_hole() -> None:
    inputs = make(n=60)
    holed = with_column(inputs, size=[1.0] * 59 + [None])
    with pytest.raises(BadInput, match=r"'size'.* no value in 1 of 60 rows, the first 'q0059'"):
        compute(holed, predict={"column": "size", "as": "number"})
    with pytest.raises(BadInput, match="no number of a size to reckon with in row 'q0000'; write 'as: classes'"):
        compute(with_column(inputs, size=["a"] * 60), predict={"column": "size", "as": "number"})
    same = compute(with_column(inputs, size=[2.5] * 60), predict={"column": "size", "as": "number"})
    assert set(same.grid.status.ravel()) == {"one_class"}
    assert "have the value 2.5" in str(same.grid.reason[0, 0])


# ---------------------------------------------------------------- other probes


def test_ridge_and_difference_of_means_find_what_is_planted() -> None:
    inputs = make(n=160, strength=2.0)
    for probe in ("ridge", "mean_difference"):
        g = compute(inputs, probe=probe).grid
        assert g.value[2, 1] > 0.75
        assert abs(g.value[0, 0] - 0.5) < 0.2


def test_the_difference_of_means_scores_by_the_class_means_of_the_training_rows() -> None:
    inputs = make(n=100, strength=2.0)
    held = compute(inputs, probe="mean_difference").held_out
    assert held is not None
    order = [inputs.examples.ids.index(name) for name in held.example_ids]
    x = inputs.activations["residual"].values[1, 1][order].astype(np.float64)
    z = x / x.std(axis=0)
    out = held.folds == 3
    w = z[~out & held.labels].mean(axis=0) - z[~out & ~held.labels].mean(axis=0)
    scores = z[out] @ w
    np.testing.assert_allclose(np.argsort(scores), np.argsort(held.cells[1, 1][out]))


# ---------------------------------------------------------------- the permutation test


def test_adjusted_p_values_count_the_relabellings_whose_maximum_reaches_a_cell() -> None:
    result = compute(make(n=120), permutations=199)
    test = result.permutation
    assert test is not None
    assert (test.statistic, test.maxima.shape, test.observed.shape) == ("ridge", (199,), (3, 3))
    for cell in np.ndindex(3, 3):
        reached = (test.maxima >= test.observed[cell]).sum()
        assert result.grid.p_adjusted[cell] == (1 + reached) / 200
    assert 0.55 < test.detectable < 0.95


def test_a_logistic_probe_may_be_refitted_instead() -> None:
    result = compute(make(n=80, strength=2.5), relabel="logistic", permutations=19)
    assert result.permutation is not None
    assert result.permutation.statistic == "logistic"
    assert result.grid.p_adjusted[2, 1] == 0.05


def test_neither_the_order_of_rows_nor_the_names_of_groups_changes_a_p_value() -> None:
    inputs = make(n=120, group_size=2)
    one = compute(inputs, control=2)
    other = compute(permuted(inputs, np.random.default_rng(1).permutation(120)), control=2)
    e = inputs.examples
    renamed = compute(replace(inputs, examples=replace(e, groups=tuple(f"x{g[::-1]}" for g in e.groups))), control=2)
    for result in (other, renamed):
        assert result.grid.p_adjusted.tobytes() == one.grid.p_adjusted.tobytes()
        assert result.permutation is not None
        assert one.permutation is not None
        assert result.permutation.maxima.tobytes() == one.permutation.maxima.tobytes()
        assert result.control is not None
        assert one.control is not None
        assert result.control.value.tobytes() == one.control.value.tobytes()


def test_too_few_relabellings_for_the_level_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 19 at level"):
        ProbeGrid(permutations=10)
    assert compute(make(n=80), permutations=0).grid.settings["correction"] == "Holm"


# ---------------------------------------------------------------- the control task


def test_a_probe_that_reads_the_token_alone_is_not_selective() -> None:
    inputs = make(n=240, strength=0.0)
    rng = np.random.default_rng(2)
    token = rng.integers(0, 6, size=240)
    s, a = inputs.sequences, inputs.activations["residual"]
    ids = tuple(np.concatenate(([t], old[1:])).astype(np.int32) for t, old in zip(token, s.ids, strict=True))
    values = a.values.copy()
    values[:, 1] = np.eye(6, dtype=np.float32)[token] + 0.01 * values[:, 1]
    wrong = token < 3
    inputs = with_wrong(
        replace(inputs, sequences=replace(s, ids=ids), activations={"residual": replace(a, values=values)}), wrong
    )
    result = compute(inputs, control=8)
    control = result.control
    assert control is not None
    assert (control.types[1], control.draws) == (6, 8)
    assert control.shared[1] == 1.0
    assert result.grid.value[1, 1] > 0.95
    assert control.value[1, 1] > 0.8
    assert control.selectivity[1, 1] < 0.2
    np.testing.assert_allclose(control.selectivity, result.grid.value - control.value, atol=1e-12)
    assert (control.low <= control.selectivity).all()


# ---------------------------------------------------------------- baselines by states, and what is added


def test_layer_0_and_the_log_probabilities_are_beaten_by_a_planted_signal() -> None:
    result = compute(make(n=200, strength=1.2), baselines=("layer_0", "logprobs", "question"))
    named = {b.name: b for b in result.baselines}
    assert set(named) == {"layer_0", "logprobs", "question"}
    assert named["layer_0"].sees == "states"
    assert named["layer_0"].difference is not None
    assert named["layer_0"].difference.low > 0
    (added,) = result.additions
    assert added.difference.low > 0
    assert added.together.value == pytest.approx(added.alone.value + added.difference.value)
    held = result.held_out
    assert held is not None
    folds = [held.folds == k for k in range(5)]
    scores = held.baselines["logprobs+probe"]
    assert added.together.value == pytest.approx(
        np.mean([roc_auc_score(held.labels[rows], scores[rows]) for rows in folds]), abs=1e-12
    )


def test_an_untrained_model_is_one_more_baseline_where_its_states_are_given() -> None:
    inputs = make(n=160, strength=1.2)
    without = make(n=160, strength=0.0, seed=0).activations
    result = compute(replace(inputs, untrained=without), baselines=("untrained",))
    (one,) = result.baselines
    assert (one.name, one.sees) == ("untrained", "states")
    assert one.difference is not None
    assert one.difference.low > 0
    assert ProbeGrid(baselines=("untrained",)).needs().untrained


def test_each_position_has_a_nested_value_of_its_own() -> None:
    result = compute(make(n=160, strength=2.5))
    held = result.held_out
    assert held is not None
    assert held.by_position is not None
    assert held.by_position.shape == (3, 160)
    values = [one.value if one else np.nan for one in result.by_position]
    assert int(np.argmax(values)) == 1
    folds = [held.folds == k for k in range(5)]
    by_hand = np.mean([roc_auc_score(held.labels[rows], held.by_position[1][rows]) for rows in folds])
    assert values[1] == pytest.approx(by_hand, abs=1e-12)


# ---------------------------------------------------------------- what does not go together, and too little of it


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metric": "r2"}, "does not fit what is predicted; write auroc"),
        ({"predict": {"column": "x", "as": "number"}, "probe": "logistic"}, "a ridge probe"),
        ({"predict": {"column": "x"}, "control": 3}, "'control' cannot go with a target that is not binary"),
        ({"split": {"train": 0.65, "select": 0.2, "test": 0.15}}, "tenths"),
        ({"split": {"train": 0.6, "select": 0.3, "test": 0.3}}, "add up to 1.2, not to 1"),
        ({"split": {"train": 0.8, "test": 0.2}}, "has three shares"),
        ({"split": {"train": 0.8, "column": "part"}}, "by a column or by shares; remove 'train'"),
        ({"split": {"column": "part"}, "folds": 4}, "'folds' cannot go with 'split'"),
        ({"permutations": 0, "relabel": "logistic"}, "'relabel' cannot go with 'permutations: 0'"),
        ({"probe": "mean_difference", "penalties": (1.0,)}, "'penalties' cannot go with a difference of means"),
        ({"split": {"train": 0.6, "select": 0.2, "test": 0.2}, "repeats": 2}, "in the place of folds"),
        ({"parity": "llms-know", "probe": "ridge"}, "'probe' cannot go with 'parity'"),
        ({"predict": {"column": "x"}, "directions": True}, "'directions' cannot go with more than two classes"),
        ({"baselines": ({"layer_0": ("x",)},)}, "needs another name"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ProbeGrid(**options)


@pytest.mark.parametrize("n", [0, 1, 3, 12])
def test_so_few_rows_are_a_status_and_no_number(n: int) -> None:
    inputs = make(n=max(n, 1), positions=("last_q", "exact_answer_last"))
    if n == 0:
        inputs = replace(inputs, positions=replace(inputs.positions, status=np.array([["missing"] * 2])))
    result = compute(inputs)
    assert set(result.grid.status.ravel()) <= {"too_few", "one_class", "missing"}
    assert np.isnan(result.grid.value).all()
    assert all(result.grid.reason.ravel())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"repeats": 2},
        {"split": {"train": 0.5, "select": 0.2, "test": 0.3}},
        {"parity": "llms-know"},
        {"control": 3},
    ],
    ids=["folds", "repeats", "fixed", "parity", "control"],
)
def test_verify_agrees_with_every_number(options: dict[str, Any], tmp_path) -> None:
    from layergrid import archive

    result = compute(make(n=160, strength=2.0), **{"baselines": ("answer_length", "logprobs", "layer_0"), **options})
    archive.write_grid(result, tmp_path)
    notes = Notes()
    verify_grids.check(archive.read_grid(tmp_path, "errors"), tmp_path, notes)
    assert notes.done().problems == ()
    assert notes.counts["cell"] == 9


# ---------------------------------------------------------------- states wider than rows


@pytest.fixture(scope="module")
def wide() -> GridResult:
    def spoil(values: np.ndarray) -> None:
        values[0, 0, 5, 3] = np.nan
        values[0, 0, 6, 3] = np.inf
        values[0, 1] = 7.0
        values[0, 2, :, 150:] = values[0, 2, :, :150]  # every feature twice
        values[1, 0, :, 0] *= 1000
        values[1, 2, :, 1:40] = 3.5  # some features constant
        values[2, 2] += 5.0 * ~make(n=120, width=300).labels.correct[:, None]

    return compute(with_values(make(n=120, width=300, strength=2.0), spoil), permutations=99)


def test_a_wide_cell_with_odd_values_has_a_number_or_a_named_status(wide) -> None:
    g = wide.grid
    assert (str(g.status[0, 0]), str(g.reason[0, 0])) == (
        "not_finite", "2 of 120 examples have NaN or infinite values",
    )  # fmt: skip
    assert str(g.status[0, 1]) == "constant"
    others = [(0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert {str(g.status[cell]) for cell in others} == {"ok"}
    assert all(np.isfinite([g.value[cell], g.low[cell], g.high[cell], g.p_adjusted[cell]]).all() for cell in others)
    assert (str(g.status[2, 2]), g.value[2, 2], g.high[2, 2]) == ("boundary", 1.0, 1.0)
    assert g.p_adjusted[2, 2] <= 0.05
    assert wide.selection is not None


def test_a_wide_cell_finds_what_a_converged_probe_finds(wide) -> None:
    held = wide.held_out
    assert held is not None
    inputs = make(n=120, width=300, strength=2.0)
    order = [inputs.examples.ids.index(name) for name in held.example_ids]
    x = inputs.activations["residual"].values[2, 1][order].astype(np.float64)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    for k in range(5):
        out = held.folds == k
        found = [
            LogisticRegression(C=1 / ((~out).sum() * penalty), tol=1e-10, max_iter=5000)
            .fit(z[~out], held.labels[~out])
            .decision_function(z[out])
            for penalty in (0.01, 0.1)
        ]
        assert min(np.abs(one - held.cells[2, 1][out]).max() for one in found) < 5e-3
