from __future__ import annotations

import pickle
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from layergrid.stats import (
    ACCURACY,
    AUROC,
    MACRO_AUROC,
    METRICS,
    R2,
    RANK_CORRELATION,
    Metric,
    Split,
    boundary_interval,
    difference_interval,
    evaluate,
    fold_variance,
    mean_interval,
)

NUMBERS = [R2, RANK_CORRELATION]
Z = 1.959963984540054


def rows_for(metric: Metric, n: int, seed: int, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A target [n] and scores of it, with ties."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=n)
    if metric is MACRO_AUROC:
        y = np.arange(n) % 3
        return y, np.round(rng.normal(size=(3, n)) + strength * (y == np.arange(3)[:, None]), 1)
    if metric in NUMBERS:
        y = np.round(rng.normal(size=n), 1)
        return y, np.round(0.4 * strength * y + 0.7 * noise, 1)
    y = np.arange(n) % 3 == 0
    return y, np.round(noise + strength * (y - 0.5), 1)


def weighted(metric: Metric, target: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> float:
    """The metric of rows that count with `weights`, straight from its definition."""
    w = weights / weights.sum()

    def area(y: np.ndarray, s: np.ndarray) -> float:
        pairs = np.outer(w[y], w[~y])
        gap = s[y][:, None] - s[~y][None, :]
        return float((pairs * ((gap > 0) + 0.5 * (gap == 0))).sum() / pairs.sum())

    if metric is AUROC:
        return area(target, scores)
    if metric is MACRO_AUROC:
        return float(np.mean([area(target == c, scores[c]) for c in range(len(scores))]))
    if metric is ACCURACY:
        return float((w * ((scores > 0) == target)).sum())
    if metric is R2:
        return 1 - float((w * (target - scores) ** 2).sum() / (w * (target - (w * target).sum()) ** 2).sum())
    shares = []
    for x in (target, scores):
        gap = x[:, None] - x[None, :]
        shares.append(((gap > 0) + 0.5 * (gap == 0)) @ w)
    a, b = (s - (w * s).sum() for s in shares)
    return float((w * a * b).sum() / np.sqrt((w * a * a).sum() * (w * b * b).sum()))


def split_for(metric: Metric, seed: int, n: int = 240, k: int = 4, repeats: int = 1) -> tuple[Split, np.ndarray]:
    target, scores = rows_for(metric, n, seed)
    return Split(target, np.arange(n) // 2, (np.arange(n) // 6) % k, metric, repeats), scores


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_its_definition_with_equal_weights(metric: Metric) -> None:
    target, scores = rows_for(metric, 60, 1)
    assert metric.value(target, scores) == pytest.approx(weighted(metric, target, scores, np.ones(60)), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=30))
def test_the_rank_correlation_is_scipys_spearman_with_ties(rows: list[tuple[int, int]]) -> None:
    y, f = np.array(rows, dtype=float).T
    found = RANK_CORRELATION.value(y, f)
    if np.ptp(y) == 0 or np.ptp(f) == 0:
        assert np.isnan(found)
        assert np.isnan(RANK_CORRELATION.components(y, f)).all()
    else:
        assert found == pytest.approx(scipy_stats.spearmanr(y, f).statistic, abs=1e-12)


def test_the_other_values_are_scikit_learns() -> None:
    y, s = rows_for(MACRO_AUROC, 90, 2)
    one = np.exp(s) / np.exp(s).sum(axis=0)
    assert MACRO_AUROC.value(y, one) == pytest.approx(roc_auc_score(y, one.T, multi_class="ovr"), abs=1e-12)
    assert ACCURACY.value(y, s) == pytest.approx(accuracy_score(y, s.argmax(axis=0)), abs=1e-12)
    y, s = rows_for(ACCURACY, 90, 2)
    assert ACCURACY.value(y, s) == pytest.approx(accuracy_score(y, s > 0), abs=1e-12)
    y, s = rows_for(R2, 90, 2)
    assert R2.value(y, s) == pytest.approx(r2_score(y, s), abs=1e-12)


def test_r2_of_the_mean_is_0_and_of_a_target_that_does_not_vary_nan() -> None:
    y = np.array([1.0, 2.0, 6.0])
    assert R2.value(y, np.full(3, 3.0)) == 0
    assert np.isnan(R2.value(np.full(3, 0.1), y))
    assert np.isnan(R2.components(np.full(3, 0.1), y)).all()


def test_a_class_without_rows_and_scores_that_are_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        MACRO_AUROC.value(np.array([0, 1, 1]), np.zeros((3, 3)))
    for metric in (AUROC, ACCURACY, RANK_CORRELATION):
        with pytest.raises(ValueError, match="NaN"):
            metric.value(np.array([True, False, True]), np.array([1.0, np.nan, 0.0]))


# ---------------------------------------------------------------- influences and variances


@pytest.mark.parametrize("metric", [MACRO_AUROC, ACCURACY, R2, RANK_CORRELATION], ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(3))
def test_components_are_the_derivative_of_the_metric_in_the_weight_of_a_row(metric: Metric, seed: int) -> None:
    n, step = 45, 1e-5
    target, scores = rows_for(metric, n, seed)
    found = metric.components(target, scores)
    rows = np.eye(n) * step
    slopes = [
        (weighted(metric, target, scores, 1 + r) - weighted(metric, target, scores, 1 - r)) / (2 * step) for r in rows
    ]
    np.testing.assert_allclose(found, n * np.array(slopes), atol=1e-6)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_two_classes_have_the_value_and_the_variance_of_one_auroc() -> None:
    y, s = rows_for(AUROC, 80, 4)
    groups = np.random.default_rng(0).integers(0, 30, size=80)
    both = np.stack((-s, s))
    assert MACRO_AUROC.value(y.astype(int), both) == pytest.approx(AUROC.value(y, s), abs=1e-12)
    found = MACRO_AUROC.variance(y.astype(int), groups, MACRO_AUROC.components(y.astype(int), both))
    assert found == pytest.approx(AUROC.variance(y, groups, AUROC.components(y, s)), rel=1e-10)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_variance_is_that_of_the_metric_over_many_samples(metric: Metric) -> None:
    n, found, values = 150, [], []
    for seed in range(400):
        rng = np.random.default_rng([seed, 9])
        noise = rng.normal(size=(3, n))
        if metric is MACRO_AUROC:
            y = np.arange(n) % 3
            scores = noise + (y == np.arange(3)[:, None])
        elif metric in NUMBERS:
            y = rng.normal(size=n)
            scores = 0.5 * y + 0.5 * noise[0]
        else:
            y = np.arange(n) % 2 == 0
            scores = noise[0] + y - 0.5
        values.append(metric.value(y, scores))
        found.append(metric.variance(y, np.arange(n), metric.components(y, scores)))
    assert np.mean(found) == pytest.approx(np.var(values), rel=0.2)  # Monte Carlo error of a variance: 7 %


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_doubling_rows_inside_their_groups_leaves_the_variance_alone(metric: Metric) -> None:
    target, scores = rows_for(metric, 60, 5)
    once = metric.variance(target, np.arange(60), metric.components(target, scores))
    both = np.tile(target, 2), np.tile(scores, 2)
    twice = metric.variance(both[0], np.tile(np.arange(60), 2), metric.components(*both))
    assert twice == pytest.approx(once, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_one_group_has_no_variance(metric: Metric) -> None:
    target, scores = rows_for(metric, 12, 6)
    assert np.isnan(metric.variance(target, np.zeros(12, dtype=int), metric.components(target, scores)))


def test_the_variance_of_an_accuracy_is_the_binomial_one_without_bias() -> None:
    y, s = rows_for(ACCURACY, 50, 7)
    share = ACCURACY.value(y, s)
    found = ACCURACY.variance(y, np.arange(50), ACCURACY.components(y, s))
    assert found == pytest.approx(share * (1 - share) / 49, rel=1e-12)


# ---------------------------------------------------------------- over folds


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_interval_is_symmetric_on_the_scale_of_the_metric(metric: Metric) -> None:
    split, scores = split_for(metric, 0)
    scored = evaluate(split, scores)
    found = mean_interval(split, scored, 0.95, 0.6 if metric is ACCURACY else None)
    scale, slope = {
        "logit": (lambda v: np.log(v / (1 - v)), 1 / (scored.value * (1 - scored.value))),
        "fisher": (np.arctanh, 1 / (1 - scored.value**2)),
        "identity": (lambda v: v, 1.0),
    }[metric.scale]
    error = slope * np.sqrt(fold_variance(split, scored.components))
    middle = scale(scored.value)
    reach = Z * error * np.sqrt(split.inflation_at(scored.value) / split.inflation)
    assert (scale(found.low), scale(found.high)) == pytest.approx((middle - reach, middle + reach), abs=1e-9)
    chance = 0.6 if metric is ACCURACY else metric.chance
    assert found.p == pytest.approx(NormalDist().cdf((scale(chance) - middle) / error), abs=1e-9)
    parts = [metric.value(split.labels[split.folds == k], scores[..., split.folds == k]) for k in range(4)]
    np.testing.assert_allclose(scored.values, parts)
    assert scored.aurocs is scored.values


def test_an_accuracy_without_a_stated_chance_has_no_test() -> None:
    split, scores = split_for(ACCURACY, 1)
    assert np.isnan(mean_interval(split, evaluate(split, scores), 0.95).p)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_paired_differences_use_the_difference_of_components(metric: Metric) -> None:
    split, scores = split_for(metric, 2)
    near = scores + 0.05 * np.random.default_rng(1).normal(size=scores.shape)
    a, b = evaluate(split, scores), evaluate(split, near)
    paired, alone = difference_interval(split, a, b, 0.95), mean_interval(split, a, 0.95)
    reach = Z * np.sqrt(fold_variance(split, a.components - b.components))
    assert (paired.low, paired.high) == pytest.approx((paired.value - reach, paired.value + reach), abs=1e-12)
    assert paired.high - paired.low < 0.8 * (alone.high - alone.low)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_order_of_rows_and_the_names_of_groups_change_no_interval(metric: Metric) -> None:
    split, scores = split_for(metric, 3)
    order = np.random.default_rng(2).permutation(len(split.folds))
    names = np.random.default_rng(3).permutation(1000)[:240]
    moved = Split(split.labels[order], names[split.groups[order]], split.folds[order], metric)
    one = mean_interval(split, evaluate(split, scores), 0.9, 0.4)
    other = mean_interval(moved, evaluate(moved, scores[..., order]), 0.9, 0.4)
    assert (one.value, one.low, one.high, one.p) == pytest.approx(
        (other.value, other.low, other.high, other.p), abs=1e-12
    )


def test_repeats_share_their_folds_inflation_and_do_not_divide_the_variance() -> None:
    split, scores = split_for(AUROC, 4)
    twice = Split(
        np.tile(split.labels, 2),
        np.tile(split.groups, 2),
        np.concatenate((split.folds, split.folds + 4)),
        AUROC,
        repeats=2,
    )
    assert twice.inflation == split.inflation == 1 / 4 + 1 / 3
    one = mean_interval(split, evaluate(split, scores), 0.95)
    both = mean_interval(twice, evaluate(twice, np.tile(scores, 2)), 0.95)
    assert (both.value, both.low, both.high) == pytest.approx((one.value, one.low, one.high), abs=1e-12)
    assert twice.trials == split.trials
    with pytest.raises(ValueError, match="8 folds are not 3 repeats"):
        _ = Split(twice.labels, twice.groups, twice.folds, AUROC, repeats=3).inflation


def test_one_fold_is_a_fixed_split_whose_variance_is_delongs() -> None:
    target, scores = rows_for(AUROC, 90, 8)
    split = Split(target, np.arange(90), np.zeros(90, dtype=int))
    scored = evaluate(split, scores)
    found = fold_variance(split, scored.components)
    assert split.inflation == 1
    assert found == AUROC.variance(target, np.arange(90), AUROC.components(target, scores))
    assert split.trials == 30


# ---------------------------------------------------------------- boundaries


@pytest.mark.parametrize(("metric", "trials"), [(AUROC, 20), (MACRO_AUROC, 20), (ACCURACY, 60)], ids=lambda m: str(m))
def test_a_share_at_one_keeps_the_one_sided_bound(metric: Metric, trials: int) -> None:
    n = 240
    y = np.arange(n) % 3
    target = y if metric is MACRO_AUROC else y == 0
    scores = (y == np.arange(3)[:, None]) * 1.0 if metric is MACRO_AUROC else np.where(y == 0, 1.0, -1.0)
    split = Split(target, np.arange(n), np.arange(n) // 60, metric)
    assert split.trials == pytest.approx(trials / (1 / 4 + 1 / 3))
    found = mean_interval(split, evaluate(split, scores), 0.95, 0.5)
    assert (found.value, found.high, found.boundary) == (1.0, 1.0, True)
    assert found.low == pytest.approx(0.05 ** (1 / split.trials), rel=1e-9)
    assert found.p == pytest.approx(0.5**split.trials, rel=1e-6)


def test_the_p_value_at_the_boundary_is_against_the_chance_that_is_given() -> None:
    from scipy.stats import binom

    assert boundary_interval(0.9, 20.0, 0.95, 0.7).p == pytest.approx(binom.sf(17, 20, 0.7), abs=1e-12)
    assert np.isnan(boundary_interval(0.9, 20.0, 0.95, None).p)


@pytest.mark.parametrize("metric", NUMBERS, ids=lambda m: m.name)
def test_numbers_that_are_predicted_exactly_have_a_value_and_no_bounds(metric: Metric) -> None:
    split, _ = split_for(metric, 5)
    found = mean_interval(split, evaluate(split, split.labels), 0.95)
    assert found.value == pytest.approx(1)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(split.trials)


@pytest.mark.parametrize("metric", NUMBERS, ids=lambda m: m.name)
def test_a_fold_in_which_the_target_does_not_vary_leaves_no_number(metric: Metric) -> None:
    split, scores = split_for(metric, 6)
    flat = Split(np.where(split.folds == 1, 0.3, split.labels), split.groups, split.folds, metric)
    found = mean_interval(flat, evaluate(flat, scores), 0.95)
    assert np.isnan([found.value, found.low, found.high, found.p]).all()


# ---------------------------------------------------------------- coverage of fixed scorers


@pytest.mark.parametrize("metric", [MACRO_AUROC, ACCURACY, R2, RANK_CORRELATION], ids=lambda m: m.name)
def test_the_interval_of_fixed_scores_covers_the_true_value(metric: Metric) -> None:
    rng = np.random.default_rng(11)
    n, runs, hits = 200, 150, 0
    truth = {
        "macro_auroc": NormalDist().cdf(1 / np.sqrt(2)),
        "accuracy": NormalDist().cdf(0.5),
        "r2": 0.5,
        "rank_correlation": 6 / np.pi * np.arcsin(np.sqrt(0.5) / 2),
    }[metric.name]
    for _ in range(runs):
        if metric is MACRO_AUROC:
            target = np.arange(n) % 3
            scores = rng.normal(size=(3, n)) + (target == np.arange(3)[:, None])
        elif metric is ACCURACY:
            target = np.arange(n) % 2 == 0
            scores = rng.normal(size=n) + target - 0.5
        else:
            scores = rng.normal(size=n)
            target = scores + rng.normal(size=n)
        split = Split(target, np.arange(n), np.arange(n) // 50, metric)
        found = mean_interval(split, evaluate(split, scores), 0.95)
        hits += found.low <= truth <= found.high
    assert hits / runs >= 0.93


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_itself_after_a_journey_to_another_process(metric: Metric) -> None:
    assert pickle.loads(pickle.dumps(metric)) is metric  # noqa: S301 - its own bytes
