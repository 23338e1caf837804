from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from layergrid.stats import Estimates, grouped_gap, grouped_mean, grouped_median, student


def one(found: Estimates) -> tuple[float, float, float]:
    return float(found.value[0]), float(found.low[0]), float(found.high[0])


def assert_same(found: Estimates, value: float, low: float, high: float) -> None:
    assert one(found) == pytest.approx((value, low, high), rel=1e-10, abs=1e-12)


def drawn(n: int, groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that resemble each other within groups, two classes that groups may mix, groups of unequal size."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, size=n)
    return rng.normal(size=n) + rng.normal(size=groups)[group], group, rng.random(n) < 0.4


# ---------------------------------------------------------------- means


def plain_mean(x: np.ndarray, groups: np.ndarray, level: float) -> tuple[float, float, float]:
    """The interval as the formula is written, group by group."""
    names = sorted(set(groups.tolist()))
    value = math.fsum(x) / len(x)
    squares = math.fsum(math.fsum(x[groups == g] - value) ** 2 for g in names)
    variance = len(names) / (len(names) - 1) * squares / len(x) ** 2
    reach = float(scipy_stats.t.ppf((1 + level) / 2, len(names) - 1)) * math.sqrt(variance)
    return value, value - reach, value + reach


@pytest.mark.parametrize(("n", "groups", "level"), [(5, 2, 0.95), (40, 7, 0.9), (300, 120, 0.99)])
def test_a_mean_has_the_interval_that_the_formula_writes(n: int, groups: int, level: float) -> None:
    x, group, _ = drawn(n, groups)
    assert_same(grouped_mean(x[None], group, level), *plain_mean(x, group, level))


def test_with_one_row_a_group_a_mean_has_the_interval_of_the_textbook() -> None:
    x, _, _ = drawn(30, 5)
    wanted = scipy_stats.ttest_1samp(x, 0.0).confidence_interval(0.95)
    assert_same(grouped_mean(x[None], np.arange(30), 0.95), float(x.mean()), wanted.low, wanted.high)


def test_groups_of_equal_size_have_the_interval_of_their_means() -> None:
    x, _, _ = drawn(60, 5)
    group = np.repeat(np.arange(12), 5)
    wanted = scipy_stats.ttest_1samp(x.reshape(12, 5).mean(axis=1), 0.0).confidence_interval(0.95)
    assert_same(grouped_mean(x[None], group, 0.95), float(x.mean()), wanted.low, wanted.high)


def test_many_cells_at_once_are_each_cell_by_itself() -> None:
    rng = np.random.default_rng(0)
    x, (_, group, labels) = rng.normal(size=(6, 50)), drawn(50, 9)
    for judge in (
        lambda v: grouped_mean(v, group, 0.95),
        lambda v: grouped_gap(v, labels, group, 0.95),
        lambda v: grouped_median(v, group, 0.95, 3, labels),
    ):
        whole = judge(x)
        for c in range(6):
            assert_same(judge(x[c : c + 1]), whole.value[c], whole.low[c], whole.high[c])


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30), st.floats(-1e3, 1e3), st.floats(0.1, 1e3))
@settings(max_examples=60, deadline=None)
def test_a_shift_and_a_factor_carry_over_to_value_and_interval(x: list[float], shift: float, factor: float) -> None:
    rows, group = np.array(x), np.arange(len(x)) // 2
    first, moved = grouped_mean(rows[None], group, 0.95), grouped_mean((rows * factor + shift)[None], group, 0.95)
    slack = 1e-9 * (abs(shift) + factor * float(np.abs(rows).max(initial=1.0)))
    for a, b in zip(one(first), one(moved), strict=True):
        assert b == pytest.approx(a * factor + shift, abs=slack)


@given(st.integers(2, 40), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_neither_the_order_of_rows_nor_the_names_of_groups_matter_to_means(n: int, seed: int) -> None:
    x, group, _ = drawn(n, 5, seed)
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_allclose(
        one(grouped_mean(x[None], group, 0.95)), one(grouped_mean(x[order][None], -7 * group[order], 0.95)), atol=1e-10
    )


def test_one_group_leaves_a_value_without_an_interval() -> None:
    for n in (1, 4):
        found = one(grouped_mean(np.arange(n, dtype=float)[None], np.zeros(n, dtype=int), 0.95))
        assert found[0] == np.arange(n).mean()
        assert np.isnan(found[1:]).all()


def test_equal_values_have_an_interval_without_width_and_without_rounding() -> None:
    assert one(grouped_mean(np.full((1, 49), 0.1), np.arange(49), 0.95)) == (0.1, 0.1, 0.1)


def test_a_cell_with_a_value_that_is_no_number_has_none() -> None:
    x = np.array([[1.0, np.nan, 2.0], [1.0, 2.0, 3.0]])
    found = grouped_mean(x, np.arange(3), 0.95)
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()
    assert found.value[1] == 2.0


# ---------------------------------------------------------------- differences of class means


def test_with_one_row_a_group_a_difference_has_welchs_variance() -> None:
    x, _, labels = drawn(60, 5)
    value, low, high = one(grouped_gap(x[None], labels, np.arange(60), 0.95))
    welch = scipy_stats.ttest_ind(x[labels], x[~labels], equal_var=False)
    assert value == pytest.approx(x[labels].mean() - x[~labels].mean())
    fewer = min(int(labels.sum()), int((~labels).sum())) - 1
    assert fewer <= welch.df
    assert (high - low) / 2 == pytest.approx(student(0.95, fewer) * abs(value / welch.statistic))


def test_groups_that_are_pairs_of_both_classes_have_the_paired_interval() -> None:
    x, _, _ = drawn(40, 3)
    labels, group = np.arange(40) % 2 == 0, np.arange(40) // 2
    wanted = scipy_stats.ttest_rel(x[labels], x[~labels]).confidence_interval(0.95)
    assert_same(
        grouped_gap(x[None], labels, group, 0.95), x[labels].mean() - x[~labels].mean(), wanted.low, wanted.high
    )


def test_a_difference_has_the_variance_that_the_formula_writes() -> None:
    x, group, labels = drawn(80, 13, 4)
    names = sorted(set(group.tolist()))
    high, low = x[labels].mean(), x[~labels].mean()
    a = [sum(x[i] - high for i in range(80) if group[i] == g and labels[i]) / labels.sum() for g in names]
    b = [sum(x[i] - low for i in range(80) if group[i] == g and not labels[i]) / (~labels).sum() for g in names]
    many, one_class, other = len(names), len(set(group[labels])), len(set(group[~labels]))
    variance = one_class / (one_class - 1) * sum(v * v for v in a) + other / (other - 1) * sum(v * v for v in b)
    variance -= 2 * many / (many - 1) * sum(v * w for v, w in zip(a, b, strict=True))
    reach = float(scipy_stats.t.ppf(0.975, min(one_class, other) - 1)) * math.sqrt(variance)
    assert_same(grouped_gap(x[None], labels, group, 0.95), high - low, high - low - reach, high - low + reach)


def test_a_class_in_one_group_leaves_a_difference_without_an_interval() -> None:
    x, _, _ = drawn(10, 3)
    labels, group = np.arange(10) < 3, np.array([0, 0, 0, *range(7)])
    value, low, high = one(grouped_gap(x[None], labels, group, 0.95))
    assert value == pytest.approx(x[:3].mean() - x[3:].mean())
    assert np.isnan([low, high]).all()


def test_turning_the_classes_turns_the_sign() -> None:
    x, group, labels = drawn(50, 9)
    there, back = grouped_gap(x[None], labels, group, 0.95), grouped_gap(x[None], ~labels, group, 0.95)
    assert_same(back, -there.value[0], -there.high[0], -there.low[0])


# ---------------------------------------------------------------- medians


def plain_medians(
    x: np.ndarray, groups: np.ndarray, level: float, seed: int, labels: np.ndarray | None, resamples: int
) -> np.ndarray:
    """Percentiles of medians of rows that are really put together, resample by resample."""
    names = list(dict.fromkeys(groups.tolist()))
    rows = {g: np.flatnonzero(groups == g) for g in names}
    draws, found = np.random.default_rng(seed), []
    for _ in range(resamples):
        kept = np.concatenate([rows[names[k]] for k in draws.integers(len(names), size=len(names))])
        if labels is None:
            found.append(np.median(x[kept]))
        elif labels[kept].any() and not labels[kept].all():
            found.append(np.median(x[kept][labels[kept]]) - np.median(x[kept][~labels[kept]]))
    return np.quantile(found, [(1 - level) / 2, (1 + level) / 2])


@pytest.mark.parametrize(("n", "groups"), [(24, 3), (41, 41), (200, 4), (900, 300)])
@pytest.mark.parametrize("whole", [False, True], ids=["distinct", "tied"])
def test_medians_are_those_of_rows_put_together_anew(n: int, groups: int, whole: bool) -> None:
    x, group, labels = drawn(n, groups, n)
    x = np.round(x) if whole else x
    found = grouped_median(x[None], group, 0.9, 7, resamples=150)
    assert_same(found, float(np.median(x)), *plain_medians(x, group, 0.9, 7, None, 150))
    found = grouped_median(x[None], group, 0.9, 7, labels, resamples=150)
    gap = float(np.median(x[labels]) - np.median(x[~labels]))
    assert_same(found, gap, *plain_medians(x, group, 0.9, 7, labels, 150))


def test_one_large_group_among_small_ones_moves_medians_far_and_they_are_still_found() -> None:
    x = np.concatenate([np.linspace(0, 1, 2000), np.linspace(5, 6, 60)])
    group = np.concatenate([np.zeros(2000, dtype=int), np.arange(1, 61)])
    found = grouped_median(x[None], group, 0.95, 1, resamples=200)
    assert_same(found, float(np.median(x)), *plain_medians(x, group, 0.95, 1, None, 200))
    assert found.high[0] > 5


def test_another_seed_draws_other_groups_and_the_same_seed_the_same() -> None:
    x, group, _ = drawn(60, 20)
    first, again, other = (one(grouped_median(x[None], group, 0.95, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_one_group_leaves_a_median_without_an_interval() -> None:
    value, low, high = one(grouped_median(np.array([[1.0, 2.0, 4.0]]), np.zeros(3, dtype=int), 0.95, 0))
    assert value == 2.0
    assert np.isnan([low, high]).all()


# ---------------------------------------------------------------- coverage


@pytest.mark.slow
@pytest.mark.parametrize("design", ["single", "clustered", "unequal", "few groups"])
def test_intervals_of_means_hold_the_truth_as_often_as_they_say(design: str) -> None:
    rng = np.random.default_rng(11)
    sizes = {"single": [1] * 60, "clustered": [5] * 40, "unequal": [*range(1, 41)], "few groups": [6] * 6}[design]
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(4000, len(sizes)))[:, group] + rng.normal(size=(4000, len(group)))
    found = grouped_mean(x, group, 0.95)
    assert 0.92 < np.mean((found.low <= 0) & (found.high >= 0)) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("design", ["balanced", "rare class", "mixed groups", "pairs"])
def test_intervals_of_differences_hold_the_truth_as_often_as_they_say(design: str) -> None:
    rng = np.random.default_rng(12)
    group = np.repeat(np.arange(60), 3)
    labels = {
        "balanced": group % 2 == 0,
        "rare class": group < 7,
        "mixed groups": rng.random(180) < 0.3,
        "pairs": np.arange(180) % 3 == 0,
    }[design]
    x = rng.normal(size=(4000, 60))[:, group] + rng.normal(size=(4000, 180)) * np.where(labels, 2, 1)
    found = grouped_gap(x, labels, group, 0.95)
    assert 0.92 < np.mean((found.low <= 0) & (found.high >= 0)) < 0.98


@pytest.mark.slow
def test_intervals_of_medians_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(13)
    group = np.repeat(np.arange(80), 2)
    x = rng.normal(size=(600, 80))[:, group] + rng.exponential(size=(600, 160)) - np.log(2)
    truth = float(np.median(rng.normal(size=10**6) + rng.exponential(size=10**6) - np.log(2)))
    found = grouped_median(x, group, 0.95, 0, resamples=400)
    assert 0.92 < np.mean((found.low <= truth) & (found.high >= truth)) < 0.98
