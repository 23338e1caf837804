from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from layergrid.stats import (
    Split,
    auroc,
    boundary_interval,
    clustered_variance,
    difference_interval,
    evaluate,
    fold_variance,
    holm,
    mean_interval,
    midranks,
    placements,
)

# Few distinct scores, so that most examples hold ties.
TIED = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def wins(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Positive x negative: 1 where the positive row scores higher, 0.5 where they tie."""
    gap = scores[labels][:, None] - scores[~labels][None, :]
    return (gap > 0) + 0.5 * (gap == 0)


def delong(labels: np.ndarray, scores: np.ndarray) -> float:
    """DeLong's variance from the table of wins."""
    table = wins(labels, scores)
    return float(
        np.var(table.mean(axis=1), ddof=1) / table.shape[0] + np.var(table.mean(axis=0), ddof=1) / table.shape[1]
    )


def obuchowski(labels: np.ndarray, groups: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Obuchowski's covariance of two AUROCs, term by term as the paper writes it."""
    m, n = int(labels.sum()), int((~labels).sum())
    names = sorted(set(groups.tolist()))
    x = {key: [] for key in "ab"}
    y = {key: [] for key in "ab"}
    for key, scores in (("a", a), ("b", b)):
        table = wins(labels, scores)
        v10, v01, area = table.mean(axis=1), table.mean(axis=0), table.mean()
        for g in names:
            mine, theirs = groups[labels] == g, groups[~labels] == g
            x[key].append(v10[mine].sum() - mine.sum() * area)
            y[key].append(v01[theirs].sum() - theirs.sum() * area)
    i, i10, i01 = len(names), len(set(groups[labels].tolist())), len(set(groups[~labels].tolist()))
    s10 = i10 / ((i10 - 1) * m) * np.dot(x["a"], x["b"])
    s01 = i01 / ((i01 - 1) * n) * np.dot(y["a"], y["b"])
    s11 = i / (i - 1) * (np.dot(x["a"], y["b"]) + np.dot(x["b"], y["a"]))
    return float(s10 / m + s01 / n + s11 / (m * n))


def example(seed: int, n: int = 60, groups: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    return labels, np.round(rng.normal(size=n) + labels, 1), rng.integers(0, groups, size=n)


def folded(seed: int, n: int = 300, shift: float = 1.0, k: int = 5) -> tuple[Split, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3 == 0
    return Split(labels, np.arange(n), (np.arange(n) // 3) % k), rng.normal(size=n) + shift * labels


# ---------------------------------------------------------------- AUROC


@settings(deadline=None)
@given(TIED)
def test_auroc_equals_scikit_learns_with_ties(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(deadline=None)
@given(TIED)
def test_turning_scores_round_turns_the_auroc_round(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)


def test_constant_scores_have_an_auroc_of_exactly_one_half() -> None:
    assert auroc(np.array([True, False, False]), np.zeros(3)) == 0.5


def test_midranks_share_the_mean_of_tied_ranks() -> None:
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


def test_auroc_refuses_one_class_and_nan() -> None:
    with pytest.raises(ValueError, match="both classes"):
        auroc(np.array([True, True]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="NaN"):
        auroc(np.array([True, False]), np.array([1.0, np.nan]))


# ---------------------------------------------------------------- DeLong, clustered


@settings(deadline=None)
@given(TIED)
def test_placements_are_the_row_and_column_means_of_all_comparisons(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    found, table = placements(labels, scores), wins(labels, scores)
    np.testing.assert_allclose(found[labels], table.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found[~labels], table.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_clustered_variance_of_single_rows_is_delongs(seed: int) -> None:
    labels, scores, _ = example(seed)
    found = clustered_variance(labels, np.arange(len(labels)), placements(labels, scores))
    assert found == pytest.approx(delong(labels, scores), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_clustered_variance_is_obuchowskis(seed: int) -> None:
    labels, scores, groups = example(seed)
    found = clustered_variance(labels, groups, placements(labels, scores))
    assert found == pytest.approx(obuchowski(labels, groups, scores, scores), rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_of_a_difference_is_that_of_both_minus_twice_their_covariance(seed: int) -> None:
    labels, a, groups = example(seed)
    b = 0.5 * a + np.random.default_rng(seed + 99).normal(size=len(a))
    found = clustered_variance(labels, groups, placements(labels, a) - placements(labels, b))
    parts = [obuchowski(labels, groups, *pair) for pair in ((a, a), (b, b), (a, b))]
    assert found == pytest.approx(parts[0] + parts[1] - 2 * parts[2], rel=1e-9)


def test_doubling_every_row_inside_its_group_leaves_the_clustered_variance_alone() -> None:
    labels, scores, _ = example(3)
    once = clustered_variance(labels, np.arange(len(labels)), placements(labels, scores))
    both = np.tile(labels, 2), np.tile(scores, 2)
    twice = clustered_variance(both[0], np.tile(np.arange(len(labels)), 2), placements(*both))
    assert twice == pytest.approx(once, rel=1e-12)


def test_a_class_in_one_group_has_no_variance() -> None:
    labels = np.array([True, True, False, False])
    assert np.isnan(clustered_variance(labels, np.array([0, 0, 1, 2]), placements(labels, np.arange(4.0))))


# ---------------------------------------------------------------- k folds


def test_the_value_is_the_mean_of_the_folds_own_aurocs() -> None:
    split, scores = folded(0)
    shifted = scores + 1000 * split.folds  # scores of different folds are not on one scale
    by_hand = np.mean([roc_auc_score(split.labels[split.folds == k], scores[split.folds == k]) for k in range(5)])
    assert evaluate(split, shifted).value == pytest.approx(by_hand, abs=1e-12)


def test_the_interval_is_the_logit_of_the_value_with_the_inflated_fold_variance() -> None:
    split, scores = folded(1)
    scored = evaluate(split, scores)
    mean = np.mean([delong(split.labels[split.folds == k], scores[split.folds == k]) for k in range(5)])
    spread = scored.value * (1 - scored.value)
    logit = np.log(scored.value / (1 - scored.value))
    found = mean_interval(split, scored, 0.95)
    reach = 1.959963984540054 * np.sqrt(mean * (1 / 5 + 2 * np.sqrt(spread) / 4)) / spread
    bounds = 1 / (1 + np.exp(-(logit + np.array([-1, 1]) * reach)))
    error = np.sqrt(mean * (1 / 5 + 1 / 4)) / spread  # the test keeps the whole term for shared training rows
    assert (found.low, found.high) == pytest.approx(tuple(bounds), abs=1e-12)
    assert found.p == pytest.approx(NormalDist().cdf(-logit / error), rel=1e-12)
    assert not found.boundary


def test_the_interval_of_turned_scores_is_the_interval_turned() -> None:
    split, scores = folded(2)
    one, other = (mean_interval(split, evaluate(split, s), 0.9) for s in (scores, -scores))
    assert (other.value, other.low, other.high) == pytest.approx((1 - one.value, 1 - one.high, 1 - one.low), abs=1e-12)
    assert other.p == pytest.approx(1 - one.p, abs=1e-12)


def test_a_paired_difference_is_much_surer_than_two_intervals_of_correlated_scores() -> None:
    split, scores = folded(3)
    near = scores + 0.05 * np.random.default_rng(0).normal(size=len(scores))
    a, b = evaluate(split, scores), evaluate(split, near)
    paired = difference_interval(split, a, b, 0.95)
    alone = mean_interval(split, a, 0.95)
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < (alone.high - alone.low) / 5
    by_hand = 1.959963984540054 * np.sqrt(fold_variance(split, a.components - b.components))
    assert paired.high - paired.value == pytest.approx(by_hand, rel=1e-12)


def test_the_difference_is_clamped_to_its_range() -> None:
    labels = np.arange(30) % 2 == 0
    split = Split(labels, np.arange(30), np.arange(30) // 10)
    good = np.where(labels, 1.0, 0.0)
    good[[0, 10, 20]] = 0.5  # one tie at most a fold, so that no fold stands at 1
    good[[1, 11, 21]] = 0.5
    found = difference_interval(split, evaluate(split, good), evaluate(split, -good), 0.95)
    assert found.value == pytest.approx(0.96)
    assert found.high == 1.0
    assert -1 <= found.low < found.value


def test_a_fold_at_one_gives_a_one_sided_bound_and_no_paired_interval() -> None:
    split, scores = folded(4)
    perfect = np.where(split.folds == 0, split.labels * 10.0, scores)
    found = mean_interval(split, evaluate(split, perfect), 0.95)
    assert found.boundary
    assert found.high == 1.0
    assert 0.5 < found.low < found.value
    paired = difference_interval(split, evaluate(split, perfect), evaluate(split, scores), 0.95)
    assert np.isnan([paired.low, paired.high]).all()
    assert paired.value > 0


def test_the_boundary_bound_is_clopper_and_pearsons_on_the_trials_that_the_smaller_class_is_worth() -> None:
    split, _ = folded(5)  # 20 positive and 40 negative rows a fold
    assert split.trials == pytest.approx(20 / (1 / 5 + 1 / 4))
    perfect = mean_interval(split, evaluate(split, split.labels * 1.0), 0.95)
    assert perfect.low == pytest.approx(0.05 ** (1 / split.trials), rel=1e-9)
    assert perfect.p == pytest.approx(0.5**split.trials, rel=1e-9)
    worst = mean_interval(split, evaluate(split, split.labels * -1.0), 0.95)
    assert (worst.low, worst.high, worst.p) == pytest.approx((0.0, 1 - perfect.low, 1.0), abs=1e-9)


def test_the_boundary_bound_holds_the_binomial_tail_at_its_level() -> None:
    low = boundary_interval(0.9, 20.0, 0.95).low
    from scipy.stats import binom

    assert binom.sf(17, 20, low) == pytest.approx(0.05, abs=1e-9)


def test_scores_that_are_constant_in_every_fold_get_no_interval() -> None:
    split, _ = folded(6)
    found = mean_interval(split, evaluate(split, split.folds * 1.0), 0.95)
    assert found.value == 0.5
    assert np.isnan([found.low, found.high, found.p]).all()


def test_groups_make_the_interval_wider_when_their_rows_agree() -> None:
    split, scores = folded(7, n=150)
    pairs = Split(np.tile(split.labels, 2), np.tile(split.groups, 2), np.tile(split.folds, 2))
    rows = Split(pairs.labels, np.arange(300), pairs.folds)
    doubled = np.tile(scores, 2)
    wide = mean_interval(pairs, evaluate(pairs, doubled), 0.95)
    narrow = mean_interval(rows, evaluate(rows, doubled), 0.95)
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_the_term_for_shared_training_rows_fades_from_all_at_chance_to_half() -> None:
    split, _ = folded(8)
    assert split.inflation_at(0.5) == split.inflation == 1 / 5 + 1 / 4
    assert split.inflation_at(0.8) == pytest.approx(1 / 5 + 0.8 / 4)
    assert split.inflation_at(0.99) == split.inflation_at(0.01) == 1 / 5 + 1 / 8


# ---------------------------------------------------------------- Holm


def test_holm_steps_down_and_never_falls() -> None:
    p = np.array([[0.01, 0.04], [np.nan, 0.03]])
    found = holm(p)
    np.testing.assert_allclose(found, [[0.03, 0.06], [np.nan, 0.06]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_p_value_and_bonferroni(values: list[float]) -> None:
    p = np.array(values)
    found = holm(p)
    assert (found >= p - 1e-15).all()
    assert (found <= np.minimum(1, p * len(p)) + 1e-15).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()


# ---------------------------------------------------------------- calibration of fixed scorers


def test_the_k_fold_interval_of_fixed_scores_covers_their_auroc() -> None:
    truth, hits, runs = NormalDist().cdf(1 / np.sqrt(2)), 0, 150
    for seed in range(runs):
        split, scores = folded(1000 + seed, n=150)
        found = mean_interval(split, evaluate(split, scores), 0.95)
        hits += found.low <= truth <= found.high
    assert hits / runs >= 0.93
