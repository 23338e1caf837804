"""Probes carried over: against scikit-learn, what is shared between sets, and what has no value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from carried import among_positions, asked, matrix, named, read, two
from layergrid.artifacts import Domain, Matrix
from layergrid.kinds import BadInput
from layergrid.transfer.domains import Read
from layergrid.transfer.grouping import without_template
from probe_inputs import make, permuted, with_status, with_values, with_wrong


def rows_of(read: Read, domain: Domain) -> np.ndarray:
    """Where the rows of a domain stand among the examples."""
    return np.array([read.inputs.examples.ids.index(one) for one in domain.example_ids])


def oracle(source: Read, target: Read, found: Matrix, s: int, t: int, penalties: tuple[float, ...]) -> np.ndarray:
    """Scores by scikit-learn on the same folds, layer and position: scaled by the source's training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    one, other = found.domains[s], found.domains[t]
    scores = np.full(len(other.folds), np.nan)
    for k in range(int(one.folds.max()) + 1):
        (chosen,) = [c for c in found.chosen if c.source == one.name and c.fold == k]
        place = source.states.layers.index(chosen.layer), source.states.positions.index(chosen.position)
        x, z = (r.states.values[place][rows_of(r, d)].astype(float) for r, d in ((source, one), (target, other)))
        train = one.folds != k
        mean, spread = x[train].mean(axis=0), x[train].std(axis=0)
        x, z = (x - mean) / spread, (z - mean) / spread
        values = []
        for penalty in penalties:
            inner = []
            for j in set(one.folds.tolist()) - {k}:
                own = train & (one.folds != j)
                model = LogisticRegression(C=1 / (own.sum() * penalty), tol=1e-8).fit(x[own], one.labels[own])
                test = one.folds == j
                inner.append(roc_auc_score(one.labels[test], model.decision_function(x[test])))
            values.append(np.mean(inner))
        assert chosen.value == pytest.approx(max(values), abs=1e-9)
        assert chosen.penalty == max(p for p, v in zip(penalties, values, strict=True) if v > max(values) - 1e-9)
        model = LogisticRegression(C=1 / (train.sum() * chosen.penalty), tol=1e-8).fit(x[train], one.labels[train])
        scores[other.folds == k] = model.decision_function(z[other.folds == k])
    return scores


@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_scores_and_values_are_those_of_scikit_learn_scaled_and_chosen_on_the_source_alone(pair):
    from sklearn.metrics import roc_auc_score

    s, t = pair
    reads = two(90, strength=1.0)
    spec = asked(positions=("exact_answer_last", "-1"))
    found = matrix(spec, *reads)
    wanted = oracle(reads[s], reads[t], found, s, t, spec.penalty_values)
    target = found.domains[t]
    assert np.abs(target.scores[s] - wanted).max() < 1e-4
    folds = [roc_auc_score(target.labels[target.folds == k], wanted[target.folds == k]) for k in range(3)]
    assert found.raw.value[s, t] == pytest.approx(np.mean(folds), abs=1e-9)


def test_the_order_of_rows_and_of_data_sets_changes_nothing():
    rng = np.random.default_rng(5)
    reads = two(80)
    mixed = [read(permuted(one.inputs, rng.permutation(80))) for one in reads]
    first, other = matrix(asked(), *reads), matrix(asked(), *mixed)
    turned = matrix(asked(datasets=("products", "sums")), *reads[::-1])
    for a, b in zip(first.domains, other.domains, strict=True):
        assert a.example_ids == b.example_ids
        assert a.groups == b.groups
        assert np.array_equal(a.folds, b.folds)
        assert np.array_equal(a.scores, b.scores)
    assert np.array_equal(first.raw.value, other.raw.value)
    assert np.array_equal(first.raw.value, turned.raw.value[::-1, ::-1])
    assert first.chosen == other.chosen


def leaks(found: Matrix) -> list[str]:
    """Groups of which some row is scored by a probe that was trained on another of its rows."""
    held: dict[str, set[int]] = {}
    for domain in found.domains:
        for group, fold in zip(domain.groups, domain.folds.tolist(), strict=True):
            held.setdefault(group, set()).add(fold)
    return [group for group, folds in held.items() if len(folds) > 1]


def test_questions_that_stand_in_both_sets_are_never_trained_on_and_scored():
    rng = np.random.default_rng(2)
    towns = [f"Which river flows through the town of place{i}a{i * 7}? " for i in range(100)]
    worded = [f"Tell me: which river flows through the town of place{i}a{i * 7}? " for i in rng.permutation(100)]
    reads = read(named(make(100), "rivers", towns)), read(named(make(100, seed=1), "told", worded))
    found = matrix(asked(datasets=("rivers", "told")), *reads)
    assert leaks(found) == []
    where = {d.name: dict(zip(d.example_ids, zip(d.groups, d.folds, strict=True), strict=True)) for d in found.domains}
    for i, town in enumerate(towns):
        place = town.rpartition(" of ")[2]
        j = next(j for j, other in enumerate(worded) if other.endswith(place))
        assert where["rivers"][f"q{i:04d}"] == where["told"][f"q{j:04d}"], town
    assert found.settings["groups_across"] == 100


def test_groups_of_a_column_are_shared_between_sets_and_numbers_of_rows_are_not():
    one = named(make(60), "sums")
    other = replace(two(60)[1].inputs, examples=replace(two(60)[1].inputs.examples, groups=one.examples.groups))
    shared = matrix(asked(), read(one), read(other))
    apart = matrix(asked(), read(one, shared=False), read(other, shared=False))
    assert shared.settings["groups_across"] == 60
    assert apart.settings["groups_across"] == 0
    assert leaks(shared) == []


def test_a_template_of_one_set_joins_none_of_its_rows():
    texts = [f"Context: the usual long introduction of every question. Who painted picture{i}x{i}?" for i in range(40)]
    assert without_template(texts) == [f"{i}x{i}" for i in range(40)]


def test_what_a_target_holds_changes_nothing_that_is_chosen_on_a_source():
    first, other = two(90)
    far = read(with_values(other.inputs, lambda values: np.multiply(values, 1000, out=values)))
    spec = asked(positions=("exact_answer_last", "-1"))
    a, b = matrix(spec, first, other), matrix(spec, first, far)
    assert [c for c in a.chosen if c.source == "sums"] == [c for c in b.chosen if c.source == "sums"]
    assert np.array_equal(a.domains[0].scores[0], b.domains[0].scores[0])
    assert not np.allclose(a.domains[1].scores[0], b.domains[1].scores[0])


def test_a_direction_that_turns_around_between_positions_scores_below_chance():
    def turn(values):
        values[1:, 2] = -values[1:, 1]

    found = matrix(among_positions(layers=(1, 2)), read(with_values(named(make(140, strength=2.5), "sums"), turn)))
    assert found.names == ("last_q", "exact_answer_last", "-1")
    assert found.raw.high[1, 2] < 0.5 < found.raw.low[1, 1]
    assert found.raw.low[0, 1] < 0.5 < found.raw.high[0, 1]  # no signal where it is trained
    assert found.lost.low[1, 2] > 0
    assert np.isnan(found.lost.value[1, 1])
    assert {c.layer for c in found.chosen if c.source == "exact_answer_last"} <= {1, 2}


def test_over_layers_each_layer_is_trained_on_and_scored_by_itself():
    found = matrix(asked(over="layers", datasets=("sums",)), read(named(make(120, strength=2.5), "sums")))
    assert found.names == ("0", "1", "2")
    assert all(c.layer == int(c.source) for c in found.chosen)
    assert found.raw.low[1, 2] > 0.5  # the same feature bears the signal at both
    assert found.raw.low[1, 0] < 0.5 < found.raw.high[1, 0]


def test_differences_from_baselines_are_paired_with_the_best_one_of_the_target():
    found = matrix(asked(), *two(120))
    for t, best in enumerate(found.best):
        values = {one.name: one.estimate.value for one in found.baselines[t] if one.estimate}
        assert best == max(values, key=values.get)
        assert np.allclose(found.over_baseline.value[:, t], found.raw.value[:, t] - values[best])
        assert (found.over_baseline.low[:, t] < found.over_baseline.value[:, t]).all()
    assert "p_true" not in found.domains[0].baselines  # the model was not asked


def test_models_of_different_widths_are_refused():
    one, other = named(make(60), "sums"), named(make(60, width=5), "sums", model="large")
    spec = asked(over="models", models=("tiny", "large"), datasets=("sums",))
    with pytest.raises(BadInput, match=r"transfer.carried: .*'tiny' have 6 numbers and those of 'large' 5"):
        matrix(spec, read(one), read(other))


def test_models_of_one_width_are_scored_on_each_others_states_of_the_same_questions():
    one = named(make(120, strength=2.5), "sums")
    spec = asked(over="models", models=("tiny", "large"), datasets=("sums",), layers=(1, 2))
    found = matrix(spec, read(one), read(replace(one, model="large")))
    assert found.names == ("tiny", "large")
    assert np.allclose(found.raw.value, found.raw.value[0, 0])
    assert found.settings["groups_across"] == 0  # of one data set
    assert leaks(found) == []


def test_a_set_of_one_class_is_told_and_the_others_keep_their_values():
    one, other = two(90)
    right = read(with_wrong(other.inputs, np.zeros(90, dtype=bool)))
    found = matrix(asked(), one, right)
    assert found.status.tolist() == [["ok", "one_class"], ["one_class", "one_class"]]
    assert found.reason[1, 0] == "of the source: all 90 compared examples are right answers"
    assert np.isfinite(found.raw.value[0, 0])
    assert np.isnan(found.raw.value[[0, 1, 1], [1, 0, 1]]).all()


def test_a_position_that_no_example_has_is_a_domain_without_values_and_costs_no_row():
    def lose(status):
        status[:, 0] = "missing"

    found = matrix(among_positions(layers=(1, 2)), read(with_status(named(make(90), "sums"), lose)))
    assert set(found.status[0]) == {"missing"}
    assert "no example has this position" in found.reason[0, 0]
    assert found.n == (90, 90, 90)
    assert np.isfinite(found.raw.value[1:, 1:]).all()


def test_states_that_are_not_finite_in_a_target_leave_the_source_its_own_value():
    def spoil(values):
        values[:, 1, 3] = np.inf

    one, other = two(90)
    found = matrix(asked(layers=(1, 2)), one, read(with_values(other.inputs, spoil)))
    assert found.status.tolist() == [["ok", "not_finite"], ["not_finite", "not_finite"]]


@pytest.mark.slow
def test_the_number_of_processes_changes_no_number(monkeypatch):
    reads = two(90)
    alone = matrix(asked(positions=("exact_answer_last", "-1")), *reads)
    monkeypatch.setattr("layergrid.transfer.fitting.SPAWN_WORK", 0)
    spread = matrix(asked(positions=("exact_answer_last", "-1")), *reads)
    assert all(np.array_equal(a.scores, b.scores) for a, b in zip(alone.domains, spread.domains, strict=True))
    assert alone.chosen == spread.chosen
