from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from layergrid.probes import (
    CellFit,
    Plan,
    assign_folds,
    canonical_order,
    fit_cell,
    fit_cells,
    fit_path,
    group_codes,
)
from layergrid.probes import (
    Path as ProbePath,
)
from layergrid.stats import Split, evaluate, mean_interval

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)


def planted(n: int, d: int, strength: float, seed: int, steep: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, d] with a shift of the positive class along the first feature; `steep` is the spectrum's power."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 5 < 2
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -steep
    x[:, 0] += strength * y
    return x, y


def by_scikit_learn(
    x: np.ndarray, y: np.ndarray, penalty: float, scaled_by: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Weights and intercept in units of the features as given, from scikit-learn at a tight tolerance."""
    scaler = StandardScaler().fit(x if scaled_by is None else scaled_by)
    model = LogisticRegression(C=1 / (len(y) * penalty), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(scaler.transform(x), y)
    weights = model.coef_[0] / scaler.scale_
    return weights, float(model.intercept_[0] - weights @ scaler.mean_)


# ---------------------------------------------------------------- the solver


@pytest.mark.parametrize(("n", "d"), [(120, 5), (90, 60), (50, 120)], ids=["narrow", "square", "wider than rows"])
@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_a_probe_has_the_coefficients_of_scikit_learn(n: int, d: int, penalty: float) -> None:
    x, y = planted(n, d, 1.0, seed=n)
    path = fit_path(x, y, [penalty])
    weights, intercept = by_scikit_learn(x, y, penalty)
    assert path.converged.all()
    np.testing.assert_allclose(path.weights[0], weights, atol=1e-5, rtol=1e-5)
    assert path.intercepts[0] == pytest.approx(intercept, abs=1e-5)


@pytest.mark.parametrize("d", [7, 80], ids=["narrow", "wider than rows"])
def test_warm_starts_along_the_penalties_change_nothing(d: int) -> None:
    x, y = planted(60, d, 0.8, seed=1)
    together = fit_path(x, y, PENALTIES)
    for r, penalty in enumerate(PENALTIES):
        alone = fit_path(x, y, [penalty])
        np.testing.assert_allclose(together.weights[r], alone.weights[0], atol=1e-6)


def test_penalties_keep_the_order_in_which_they_are_given() -> None:
    x, y = planted(80, 4, 1.0, seed=2)
    up, down = fit_path(x, y, PENALTIES), fit_path(x, y, PENALTIES[::-1])
    np.testing.assert_array_equal(up.weights, down.weights[::-1])
    assert (np.diff(np.abs(up.weights[:, 0])) < 0).all()


def test_one_feature_a_thousand_times_the_others_gives_the_same_scores() -> None:
    x, y = planted(100, 6, 1.0, seed=3)
    large = x.copy()
    large[:, 2] = 1000 * large[:, 2] + 5e4
    one, other = fit_path(x, y, PENALTIES), fit_path(large, y, PENALTIES)
    assert other.converged.all()
    np.testing.assert_allclose(one.scores(x), other.scores(large), atol=1e-7)


def test_a_feature_that_is_constant_in_training_takes_no_weight() -> None:
    x, y = planted(100, 4, 1.0, seed=4)
    x[:, 3] = 0.1
    path = fit_path(x, y, PENALTIES)
    assert path.converged.all()
    assert (path.weights[:, 3] == 0).all()


def test_perfectly_separable_classes_converge() -> None:
    x, y = planted(100, 4, 50.0, seed=5)
    path = fit_path(x, y, [1e-6, 1e-4, 1.0])
    assert path.converged.all()
    assert all(roc_auc_score(y, s) == 1 for s in path.scores(x))


def test_a_duplicated_feature_shares_its_weight() -> None:
    x, y = planted(100, 3, 1.0, seed=6)
    path = fit_path(np.concatenate((x, x[:, :1]), axis=1), y, PENALTIES)
    assert path.converged.all()
    np.testing.assert_allclose(path.weights[:, 0], path.weights[:, 3], rtol=1e-6)


def test_the_intercept_is_free_so_that_mean_probability_equals_the_share_of_positives() -> None:
    x, y = planted(100, 3, 1.0, seed=7)
    scores = fit_path(x, y, [0.5]).scores(x)[0]
    assert (1 / (1 + np.exp(-scores))).mean() == pytest.approx(y.mean(), abs=1e-7)


def test_too_few_steps_are_reported_as_not_converged() -> None:
    x, y = planted(100, 3, 1.0, seed=8)
    path = fit_path(x, y, [1e-4], max_steps=1)
    assert path.converged.tolist() == [False]
    assert path.steps.tolist() == [1]


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        fit_path(np.ones((3, 1)), np.ones(3, dtype=bool), [1.0])


# ---------------------------------------------------------------- folds


def folds_of(order: np.ndarray, names: list[str], seed: int = 0) -> dict[str, int]:
    """The fold of each example of a fixed data set with groups of one to four, its rows in `order`."""
    rng = np.random.default_rng(11)
    groups = np.repeat(np.arange(60), rng.integers(1, 5, size=60))
    labels = rng.random(len(groups)) < 0.3
    rows = order[order < len(groups)]
    contents = [f"text {i}".encode() for i in rows]
    canonical = canonical_order(contents, [str(i) for i in rows], seed)
    rows = rows[canonical]
    codes = group_codes([names[g] for g in groups[rows]])
    folds = assign_folds(labels[rows], codes, 5, seed)
    return {str(i): int(k) for i, k in zip(rows, folds, strict=True)}


NAMES = [f"g{i}" for i in range(60)]


def test_neither_the_order_of_rows_nor_the_names_of_groups_moves_an_example_to_another_fold() -> None:
    first = folds_of(np.arange(240), NAMES)
    rng = np.random.default_rng(5)
    assert folds_of(rng.permutation(240), NAMES) == first
    assert folds_of(rng.permutation(240), [str(v) for v in rng.permutation(1000)[:60]]) == first


def test_another_seed_gives_other_folds() -> None:
    assert folds_of(np.arange(240), NAMES, seed=1) != folds_of(np.arange(240), NAMES, seed=0)


def test_groups_stay_whole_and_classes_are_balanced() -> None:
    rng = np.random.default_rng(12)
    groups = np.repeat(np.arange(100), rng.integers(1, 5, size=100))
    labels = rng.random(len(groups)) < 0.3
    folds = assign_folds(labels, groups, 5, 0)
    assert all(len(set(folds[groups == g])) == 1 for g in range(100))
    shares = [labels[folds == k].mean() for k in range(5)]
    assert max(shares) - min(shares) < 0.03
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 6


def test_rows_of_equal_content_are_ordered_by_name() -> None:
    order = canonical_order([b"a", b"a", b"a"], ["z", "x", "y"], 0)
    assert order.tolist() == [1, 2, 0]


# ---------------------------------------------------------------- one cell


def cell_plan(n: int = 100, penalties: tuple[float, ...] = PENALTIES, **limits: float) -> tuple[np.ndarray, Plan]:
    x, y = planted(n, 5, 1.2, seed=20)
    return x.astype(np.float32), Plan(y, assign_folds(y, np.arange(n), 5, 0)[None], penalties, **limits)  # type: ignore[arg-type]


def test_held_out_scores_come_from_probes_that_saw_neither_the_row_nor_chose_by_it() -> None:
    x, plan = cell_plan()
    fit, folds = fit_cell(x, plan), plan.folds[0]
    wide = x.astype(np.float64)
    for k in range(5):
        out = folds == k
        inner = np.zeros(len(PENALTIES))
        within = np.full((len(PENALTIES), len(x)), np.nan)
        for j in set(range(5)) - {k}:
            held = folds == j
            for r, penalty in enumerate(PENALTIES):
                weights, intercept = by_scikit_learn(wide[~out & ~held], plan.target[~out & ~held], penalty, wide)
                within[r, held] = wide[held] @ weights + intercept
                inner[r] += roc_auc_score(plan.target[held], within[r, held]) / 4
        best = int(np.flatnonzero(inner >= inner.max() - 1e-12)[-1])
        assert fit.penalties[k] == PENALTIES[best]
        assert fit.inner[k] == pytest.approx(inner[best], abs=1e-9)
        np.testing.assert_allclose(fit.within[k], within[best], atol=1e-5)
        weights, intercept = by_scikit_learn(wide[~out], plan.target[~out], PENALTIES[best], wide)
        np.testing.assert_allclose(fit.scores[0, out], wide[out] @ weights + intercept, atol=1e-5)


def test_labels_of_a_fold_never_reach_its_own_scores_or_penalty() -> None:
    x, plan = cell_plan()
    turned, folds = plan.target.copy(), plan.folds[0]
    turned[folds == 2] ^= True
    one, other = fit_cell(x, plan), fit_cell(x, Plan(turned, plan.folds, plan.penalties))
    np.testing.assert_array_equal(one.scores[0, folds == 2], other.scores[0, folds == 2])
    assert one.penalties[2] == other.penalties[2]
    assert (one.scores[0, folds == 1] != other.scores[0, folds == 1]).any()


@pytest.mark.parametrize("d", [40, 300], ids=["narrow", "wider than rows"])
def test_scaling_by_all_rows_agrees_with_scaling_inside_the_fold(d: int) -> None:
    rng = np.random.default_rng(3)
    x, y = planted(240, d, 1.5, seed=21)
    x *= rng.lognormal(size=d)
    folds = assign_folds(y, np.arange(240), 5, 0)
    fit = fit_cell(x, Plan(y, folds[None], (0.3,)))
    gaps = []
    for k in range(5):
        out = folds == k
        weights, intercept = by_scikit_learn(x[~out], y[~out], 0.3)
        inside = roc_auc_score(y[out], x[out] @ weights + intercept)
        gaps.append(roc_auc_score(y[out], fit.scores[0, out]) - inside)
    assert abs(np.mean(gaps)) < 0.005


def test_a_cell_with_values_that_are_not_finite_counts_the_examples() -> None:
    x, plan = cell_plan()
    x[3, 1], x[3, 2], x[7, 0] = np.nan, np.nan, np.inf
    fit = fit_cell(x, plan)
    assert (fit.status, fit.reason) == ("not_finite", "2 of 100 examples have NaN or infinite values")
    assert np.isnan(fit.scores).all()


def test_a_cell_whose_values_do_not_differ_is_constant() -> None:
    _, plan = cell_plan()
    assert fit_cell(np.full((100, 3), 0.1, dtype=np.float32), plan).status == "constant"


def test_a_cell_is_not_converged_where_no_penalty_is() -> None:
    x, plan = cell_plan(max_steps=1)
    fit = fit_cell(x, plan)
    assert fit.status == "not_converged"
    assert fit.reason == "fits that did not reach the tolerance: 40"
    assert np.isnan(fit.scores).all()


def test_penalties_that_did_not_converge_are_not_eligible_and_are_counted() -> None:
    x, plan = cell_plan(penalties=(1e-6, 1e3), max_steps=2)  # two steps suffice for the strong penalty alone
    fit = fit_cell(x, plan)
    assert fit.status == "ok"
    assert fit.penalties.tolist() == [1e3] * 5
    assert fit.unconverged == 10


def test_an_overflowing_float32_width_is_solved_in_float64() -> None:
    x, plan = cell_plan()
    fit = fit_cell((x * np.float32(1e30)).astype(np.float32), plan)
    np.testing.assert_allclose(fit.scores, fit_cell(x, plan).scores, atol=1e-4)


# ---------------------------------------------------------------- all cells


def same(a: CellFit, b: CellFit) -> bool:
    return a.scores.tobytes() == b.scores.tobytes() and a.inner.tobytes() == b.inner.tobytes()


def test_the_number_of_workers_changes_no_bit_and_memory_maps_serve(tmp_path: Path) -> None:
    rng = np.random.default_rng(30)
    x, plan = cell_plan()
    values = rng.normal(size=(2, 2, 130, 5)).astype(np.float32)
    rows = rng.permutation(130)[:100]
    values[1, 1, rows] = x
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    seen: list[tuple[int, int]] = []
    alone = fit_cells(values, cells, rows, plan, workers=1)
    several = fit_cells(mapped, cells, rows, plan, lambda done, total: seen.append((done, total)), workers=2)
    assert all(same(a, b) for a, b in zip(alone, several, strict=True))
    assert same(alone[3], fit_cell(x, plan))
    assert not same(alone[0], alone[1])
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_path_scores_new_rows_with_its_weights() -> None:
    path = ProbePath(np.array([[1.0, -1.0]]), np.array([0.5]), np.array([True]), np.array([1]))
    assert path.scores(np.array([[2.0, 1.0], [0.0, 0.0]])).tolist() == [[1.5, 0.5]]


# ---------------------------------------------------------------- calibration


def one_run(seed: int, n: int, d: int, shift: float, penalty: float) -> tuple[float, float, float]:
    """Population AUROC of the fitted probes, averaged over folds, and the interval's bounds; groups of one to four.

    Both classes are normal with unit covariance, `shift` apart, so that a direction w has the AUROC
    Phi(w . shift / (sqrt 2 |w|)). Rows of a group share half of their variance.
    """
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n), rng.integers(1, 5, size=n))[:n]
    y = rng.random(n) < 0.3
    x = np.sqrt(0.5) * (rng.normal(size=(n, d)) + rng.normal(size=(n, d))[groups])
    x[:, 0] += shift * y
    split = Split(y, groups, assign_folds(y, groups, 5, seed))
    scores, truth = np.empty(n), np.empty(5)
    for k in range(5):
        out = split.folds == k
        path = fit_path(x[~out], y[~out], [penalty])
        scores[out] = path.scores(x[out])[0]
        w = path.weights[0]
        truth[k] = NormalDist().cdf(w[0] * shift / np.sqrt(2) / np.linalg.norm(w))
    found = mean_interval(split, evaluate(split, scores), 0.95)
    return float(truth.mean()), found.low, found.high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("d", "penalty", "shift", "near"),
    [
        (60, 0.05, 0.0, 0.5), (60, 0.05, 1.0, 0.65), (60, 0.05, 1.8, 0.8), (60, 0.05, 3.2, 0.95),
        (400, 0.3, 0.0, 0.5), (400, 0.3, 1.8, 0.65), (400, 0.3, 4.0, 0.8),
    ],
)  # fmt: skip
def test_the_k_fold_interval_covers_the_mean_population_auroc_of_the_probes(
    d: int, penalty: float, shift: float, near: float
) -> None:
    runs = [one_run(5000 + seed, 200, d, shift, penalty) for seed in range(400)]
    assert np.mean([truth for truth, _, _ in runs]) == pytest.approx(near, abs=0.03)
    coverage = np.mean([low <= truth <= high for truth, low, high in runs])
    assert 0.92 <= coverage <= 0.995
