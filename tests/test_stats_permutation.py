from __future__ import annotations

from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as scipy_stats

from layergrid.stats import (
    ACCURACY,
    AUROC,
    MACRO_AUROC,
    METRICS,
    R2,
    RANK_CORRELATION,
    Metric,
    Split,
    auroc,
    aurocs,
    critical,
    detectable,
    evaluate,
    hanley_mcneil,
    many_values,
    max_statistic,
    relabellings,
    standardised,
    unmoved,
)

ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40)


# ---------------------------------------------------------------- many AUROCs at once


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, (6, 14), elements=st.sampled_from([-np.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 3.0, np.inf]))
)
def test_many_aurocs_are_the_aurocs_of_each_row_to_the_last_bit(scores: np.ndarray) -> None:
    labels = np.random.default_rng(len(np.unique(scores))).permuted(np.tile(np.arange(14) < 5, (6, 1)), axis=1)
    assert aurocs(labels, scores).tolist() == [auroc(y, s) for y, s in zip(labels, scores, strict=True)]
    assert aurocs(labels[0], scores).tolist() == [auroc(labels[0], s) for s in scores]


@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_many_aurocs_of_larger_samples_hold_with_and_without_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    scores = np.round(rng.normal(size=(40, 500)), decimals).astype(np.float32)
    labels = rng.random((40, 500)) < 0.3
    np.testing.assert_array_equal(aurocs(labels, scores), [auroc(y, s) for y, s in zip(labels, scores, strict=True)])


def test_a_row_with_a_nan_score_is_nan_and_alone_in_it() -> None:
    scores = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])
    found = aurocs(np.array([False, True, True]), scores)
    assert np.isnan(found[0])
    assert found[1] == 1.0


def test_a_row_without_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        aurocs(np.array([[True, False], [True, True]]), np.zeros((2, 2)))


def test_the_block_in_which_rows_are_sorted_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from layergrid.stats import batch

    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(50, 20)), rng.random((50, 20)) < 0.5
    labels[:, 0], labels[:, 1] = True, False
    whole = aurocs(labels, scores)
    monkeypatch.setattr(batch, "_BLOCK", 70)
    assert aurocs(labels, scores).tolist() == whole.tolist()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_many_values_are_the_values_of_each_row(metric: Metric) -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(size=(3, 20, 30)), 1).astype(np.float32)
    targets = rng.permuted(np.tile(np.arange(30) % 3, (20, 1)), axis=1)
    if metric is not MACRO_AUROC and metric is not ACCURACY:
        scores = scores[0]
        targets = targets == 0 if metric is AUROC else targets * 0.7
    if metric in (R2, RANK_CORRELATION):
        targets[1] = 0.7  # does not vary
    found = many_values(metric, targets, scores)
    np.testing.assert_allclose(
        found, [metric.value(y, scores[..., b, :]) for b, y in enumerate(targets)], rtol=1e-6, atol=1e-9
    )
    scores[..., 4, 2] = np.nan
    turned = many_values(metric, targets, scores)
    assert np.isnan(turned[4])
    assert turned[5] == found[5]


def test_many_accuracies_of_two_classes_are_judged_at_0() -> None:
    scores = np.array([[0.1, -0.1, 0.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    targets = np.array([[True, False, True, False], [True, True, False, False]])
    assert many_values(ACCURACY, targets, scores).tolist() == [0.5, 0.5]


# ---------------------------------------------------------------- relabellings


def vectors(labels: np.ndarray, groups: np.ndarray, folds: np.ndarray) -> list[tuple[int, tuple[int, ...]]]:
    """The labels of each group in each fold, sorted, with the fold."""
    names = sorted(set(zip(folds.tolist(), groups.tolist(), strict=True)))
    return sorted((k, tuple(sorted(labels[(folds == k) & (groups == g)].tolist()))) for k, g in names)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(0, 1000))
def test_relabellings_keep_every_folds_and_sizes_counts_and_whole_label_vectors(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    groups, folds, labels = np.array(rows).T
    found = relabellings(labels, groups, folds, 6, seed)
    assert (np.sort(found, axis=1) == np.arange(len(rows))).all()  # each row gives its label once
    assert (folds[found] == folds).all()
    for one in found:
        assert vectors(labels[one], groups, folds) == vectors(labels, groups, folds)
        together = [set(groups[one[(folds == k) & (groups == g)]]) for k, g in set(zip(folds, groups, strict=True))]
        assert all(len(givers) == 1 for givers in together)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 1000))
def test_the_names_of_groups_change_no_relabelling(rows: list[tuple[int, int, int]], seed: int) -> None:
    groups, folds, labels = np.array(rows).T
    names = np.random.default_rng(seed).permutation(100)[:13]
    assert (relabellings(labels, groups, folds, 4, seed) == relabellings(labels, names[groups], folds, 4, seed)).all()


def test_the_same_seed_gives_the_same_relabellings_and_another_others() -> None:
    groups, folds, labels = np.arange(40) // 2, np.arange(40) // 8, np.arange(40) % 3 == 0
    one, same, other = (relabellings(labels, groups, folds, 5, seed) for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_a_group_whose_size_is_alone_in_its_fold_keeps_its_labels_and_is_counted() -> None:
    groups = np.array([0, 0, 0, 1, 2, 3, 3, 4, 4])
    folds = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    labels = np.array([1, 0, 1, 0, 1, 1, 1, 0, 0])
    assert unmoved(groups, folds) == 3
    found = relabellings(labels, groups, folds, 50, 0)
    assert (found[:, :3] == [0, 1, 2]).all()
    assert len(np.unique(found, axis=0)) == 4  # two orders of the single rows, two of the pairs


def test_every_arrangement_of_groups_is_as_likely() -> None:
    labels = np.array([0, 1, 2, 3])
    found = relabellings(labels, np.arange(4), np.zeros(4, dtype=int), 24_000, 5)
    kinds, counts = np.unique(found, axis=0, return_counts=True)
    assert len(kinds) == 24
    assert scipy_stats.chisquare(counts).pvalue > 1e-4


def test_rows_inside_a_group_change_places_only_where_their_labels_differ() -> None:
    groups, folds = np.arange(8) // 2, np.zeros(8, dtype=int)
    alike, mixed = np.array([1, 1, 0, 0, 1, 1, 0, 0]), np.array([1, 0, 0, 1, 1, 1, 0, 0])
    assert (np.diff(relabellings(alike, groups, folds, 200, 1).reshape(200, 4, 2), axis=2) == 1).all()
    assert (np.diff(relabellings(mixed, groups, folds, 200, 1).reshape(200, 4, 2), axis=2) == -1).any()


# ---------------------------------------------------------------- the maximum


def test_statistics_are_standardised_with_the_observed_column_and_cells_without_spread_are_nan() -> None:
    values = np.array([[0.8, 0.5, 0.4, 0.5], [0.1, 0.1, 0.1, 0.1], [0.3, np.nan, 0.2, 0.1]])
    found = standardised(values)
    np.testing.assert_allclose(found[0], (values[0] - values[0].mean()) / values[0].std(), atol=1e-8)
    assert np.isnan(found[1:]).all()
    assert np.isnan(standardised(np.full((1, 7), 0.1 + 0.2))).all()


def test_the_adjusted_p_counts_maxima_that_reach_the_statistic_as_its_definition_says() -> None:
    rng = np.random.default_rng(3)
    values = np.round(rng.normal(size=(7, 100)), 1)
    values[2] = 1.0
    statistics = standardised(values)
    p, maxima = max_statistic(statistics)
    by_hand = [max(row for row in column if not np.isnan(row)) for column in statistics[:, 1:].T]
    assert maxima.tolist() == by_hand
    for c in (0, 1, 3, 4, 5, 6):
        assert p[c] == (1 + sum(m >= statistics[c, 0] for m in by_hand)) / 100
    assert np.isnan(p[2])


def test_without_a_tested_cell_there_is_no_p_and_no_critical_value() -> None:
    p, maxima = max_statistic(standardised(np.ones((2, 20))))
    assert np.isnan(p).all()
    assert np.isnan(maxima).all()
    assert critical(maxima, 0.05) == np.inf


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5, 1.0]), st.integers(5, 60))
def test_a_statistic_beyond_the_critical_value_is_one_with_a_small_enough_p(seed: int, alpha: float, b: int) -> None:
    statistics = np.round(np.random.default_rng(seed).normal(size=(30, b + 1)), 1)
    p, maxima = max_statistic(statistics)
    # One part in 10^12: p is a ratio of whole numbers, alpha need not be.
    assert ((p <= alpha + 1e-12) == (statistics[:, 0] > critical(maxima, alpha))).all()


def test_on_a_tiny_case_the_p_value_is_that_of_full_enumeration_and_of_scipy() -> None:
    rng = np.random.default_rng(7)
    labels = np.array([True, True, True, False, False, False, False])
    scores = np.round(rng.normal(size=(3, 7)) + 1.2 * labels, 1)
    order = np.array(list(permutations(range(7))))
    everything = standardised(np.array([aurocs(labels[order], np.tile(s, (len(order), 1))) for s in scores]))
    reached = everything.max(axis=0) >= everything[:, :1]  # the identity stands first and counts among its own
    exact = reached.mean(axis=1)
    p, _ = max_statistic(everything)
    np.testing.assert_allclose(p, exact, atol=1e-12)
    drawn = np.concatenate((np.arange(7)[None], relabellings(labels, np.arange(7), np.zeros(7, dtype=int), 20_000, 1)))
    sampled, _ = max_statistic(standardised(np.array([aurocs(labels[drawn], np.tile(s, (20_001, 1))) for s in scores])))
    np.testing.assert_allclose(sampled, exact, atol=0.015)
    alone, _ = max_statistic(standardised(np.array([aurocs(labels[order], np.tile(scores[0], (len(order), 1)))])))
    oracle = scipy_stats.permutation_test(
        (scores[0][labels], scores[0][~labels]),
        lambda a, b: float(np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))),
        alternative="greater",
        n_resamples=np.inf,
    )
    assert alone[0] == pytest.approx(oracle.pvalue, abs=1e-12)


def test_over_all_labellings_of_a_tiny_case_at_most_a_share_alpha_has_a_p_of_alpha_or_less() -> None:
    groups = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5, 6])
    folds = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    labels = np.array([1, 1, 0, 0, 1, 0, 1, 0, 0, 1], dtype=bool)
    scores = np.random.default_rng(8).normal(size=(4, 10))
    split = Split(labels, groups, folds)
    kinds = np.unique(labels[relabellings(labels, groups, folds, 400, 2)], axis=0)
    assert len(kinds) == 2 * 2 * 2  # the pairs and the single rows of fold 0, the single rows of fold 1
    values = np.array(
        [np.mean([aurocs(kinds[:, r], np.tile(s[r], (len(kinds), 1))) for r in split.rows], axis=0) for s in scores]
    )
    smallest = []
    for b in range(len(kinds)):
        turned = np.concatenate((values[:, b : b + 1], np.delete(values, b, axis=1)), axis=1)
        smallest.append(np.nanmin(max_statistic(standardised(turned))[0]))
    for alpha in np.arange(1, 9) / 8:
        assert np.mean(np.array(smallest) <= alpha + 1e-12) <= alpha + 1e-12
    assert min(smallest) == 1 / 8


# ---------------------------------------------------------------- what could be found


def test_hanley_and_mcneils_variance_at_chance_is_that_of_ranks() -> None:
    for m, n in ((5, 8), (30, 70)):
        assert hanley_mcneil(0.5, m, n) == pytest.approx((m + n + 1) / (12 * m * n), rel=1e-12)


def split_of(n: int, k: int = 5) -> Split:
    return Split(np.arange(n) % 10 < 3, np.arange(n), (np.arange(n) // 10) % k)


def test_the_detectable_auroc_solves_its_equation() -> None:
    split = split_of(500)
    found = detectable(split, 3.0, 0.9)
    null = np.sqrt(hanley_mcneil(0.5, 30, 70) * (1 / 5 + 1 / 4))
    error = np.sqrt(hanley_mcneil(found, 30, 70) * split.inflation_at(found))
    assert found == pytest.approx(0.5 + 3 * null + NormalDist().inv_cdf(0.9) * error, abs=1e-7)
    assert detectable(split, 3.0, 0.9, spread=null) == pytest.approx(found, abs=1e-9)


def test_more_rows_and_a_milder_correction_can_detect_less() -> None:
    few, many = detectable(split_of(200), 3.0), detectable(split_of(2000), 3.0)
    assert 0.5 < detectable(split_of(2000), 1.645) < many < few < 1


def test_nothing_is_detectable_without_a_class_with_too_few_rows_or_for_another_metric() -> None:
    split = split_of(50)
    assert np.isnan(detectable(Split(np.arange(50) == 0, split.groups, split.folds), 3.0))
    assert np.isnan(detectable(split_of(50), 4.0))
    assert np.isnan(detectable(split, np.inf))
    assert np.isnan(detectable(Split(split.labels, split.groups, split.folds, ACCURACY), 2.0))


def test_at_the_detectable_auroc_four_in_five_samples_of_fixed_scorers_exceed_the_threshold() -> None:
    rng = np.random.default_rng(12)
    labels = np.arange(200) % 10 < 3
    split = Split(labels, np.arange(200), np.zeros(200, dtype=int))  # a fixed split, whose inflation is exact
    threshold = 3.0 * np.sqrt(hanley_mcneil(0.5, 60, 140))
    shift = np.sqrt(2) * NormalDist().inv_cdf(detectable(split, 3.0))
    found = [evaluate(split, rng.normal(size=200) + shift * labels).value for _ in range(400)]
    assert np.mean(np.array(found) > 0.5 + threshold) == pytest.approx(0.8, abs=0.06)
