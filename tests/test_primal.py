"""Probes of many rows, and probes on a torch device, against Newton's method in double precision and scikit-learn."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from converged import folds, loss, scaled
from layergrid.probes import primal
from layergrid.probes.device import TorchSolver
from layergrid.probes.primal import PrimalSolver
from layergrid.probes.solving import Task
from layergrid.stats import auroc

PENALTIES = (10.0, 1e-1, 1e-2, 1e-3, 1e-4)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threadpool_limits(1):
        yield


def on_cpu(features: np.ndarray) -> TorchSolver:
    return TorchSolver(features, "cpu")


either = pytest.mark.parametrize("made", [PrimalSolver, on_cpu], ids=["primal", "torch"])


def cell(n: int, d: int, steep: bool = True, seed: int = 0, strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [n, d] of a flat or a falling spectrum, turned at random, and classes of a planted direction."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, d))
    score = x[:, :10] @ random.standard_normal(10)
    if steep:
        x = x / np.arange(1, d + 1) @ np.linalg.qr(random.standard_normal((d, d)))[0]
    return x.astype(np.float32), strength * score / score.std() + random.logistic(size=n) > 0.5


def least(z: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Converged weights and intercept, by scikit-learn's Newton solver."""
    probe = LogisticRegression(C=1 / (len(y) * penalty), solver="newton-cholesky", tol=1e-9, max_iter=1000)
    probe.fit(z, y)
    return probe.coef_[0], float(probe.intercept_[0])


def check(solver: PrimalSolver | TorchSolver, x: np.ndarray, y: np.ndarray, penalties=PENALTIES) -> None:
    """All converged; held-out scores and AUROC those of a converged solution; objectives the least within 1e-6."""
    z, tasks = scaled(x), folds(y)
    for task, solution in zip(tasks, solver.paths(tasks, penalties), strict=True):
        assert solution.converged.all()
        assert solution.scores.dtype == np.float32
        for r, penalty in enumerate(penalties):
            w, b = least(z[task.train], y[task.train], penalty)
            exact = z[task.test] @ w + b
            assert abs(auroc(y[task.test], solution.scores[r]) - auroc(y[task.test], exact)) <= 5e-4
            assert np.abs(solution.scores[r] - exact).max() <= 4e-3 * max(1, np.abs(exact).max())
            best = loss(z[task.train], y[task.train], w, b, penalty)
            found = solver.direction(task.train, y, penalty, "logistic")
            inner = found.weights * x.std(axis=0, dtype=np.float64)
            level = found.intercept + float(found.weights @ x.mean(axis=0, dtype=np.float64))
            assert loss(z[task.train], y[task.train], inner, level, penalty) <= best * (1 + 1e-6)
            assert found.converged


@either
@pytest.mark.parametrize("steep", [True, False], ids=["steep", "flat"])
@pytest.mark.parametrize("shape", [(500, 60), (700, 300)], ids=["few features", "many features"])
def test_objectives_are_the_least_and_ranks_those_of_a_converged_solution(made, steep, shape):
    x, y = cell(*shape, steep=steep)
    check(made(x), x, y)


def test_rows_fewer_than_features_have_the_same_probes_on_a_device():
    x, y = cell(90, 120)
    check(on_cpu(x), x, y)


@either
def test_a_feature_a_thousand_times_the_others_twins_and_constants_change_no_accuracy(made):
    x, y = cell(600, 280)
    x[:, 3] *= 1000
    x[:, 7] = x[:, 8]
    x[:, 10] = 5
    x += 3
    check(made(x), x, y, (1e-1, 1e-3))
    assert made(x).direction(np.arange(600), y, 1e-2, "logistic").weights[10] == 0


@either
def test_separable_classes_converge(made):
    x, y = cell(500, 280, steep=False)
    x[:, 0] += 30 * y
    check(made(x), x, y, (1e-2, 1e-4, 1e-6))


@either
def test_the_order_of_penalties_is_the_order_of_the_answers(made):
    x, y = cell(500, 280)
    solver, tasks = made(x), folds(y)
    order = [2, 0, 4, 1, 3]
    straight = solver.paths(tasks, PENALTIES)
    mixed = solver.paths(tasks, [PENALTIES[r] for r in order])
    for one, other in zip(straight, mixed, strict=True):
        np.testing.assert_array_equal(one.scores[order], other.scores)
        np.testing.assert_array_equal(one.steps[order], other.steps)


@either
def test_the_same_call_gives_the_same_bytes(made):
    x, y = cell(500, 280)
    one, other = (made(x).paths(folds(y), PENALTIES) for _ in range(2))
    assert [each.scores.tobytes() for each in one] == [each.scores.tobytes() for each in other]


@either
def test_a_probe_does_not_depend_on_what_else_is_asked(made):
    x, y = cell(500, 280)
    solver, tasks = made(x), folds(y, 5)
    together = solver.paths(tasks, PENALTIES)
    for task, found in zip(tasks, together, strict=True):
        alone = solver.paths([task], PENALTIES)[0]
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-3 * max(1, np.abs(found.scores).max()))


@either
def test_relabelled_probes_are_the_probes_of_each_labelling(made):
    x, y = cell(500, 280)
    solver, random = made(x), np.random.default_rng(1)
    train, test = np.arange(350), np.arange(350, 500)
    labels = np.stack([random.permutation(y) for _ in range(70)])
    scores, converged = solver.relabelled(train, test, labels, 1e-2)
    assert converged.all()
    assert scores.shape == (70, 150)
    z = scaled(x)
    for b in (0, 31, 69):
        w, level = least(z[train], labels[b][train], 1e-2)
        np.testing.assert_allclose(scores[b], z[test] @ w + level, atol=5e-3)


@either
@pytest.mark.parametrize("rows", [400, 150], ids=["rows above the width", "rows below the width"])
@pytest.mark.parametrize("penalty", [1.0, 1e-3])
def test_the_hat_matrix_predicts_what_scikit_learn_does(made, rows, penalty):
    x, _ = cell(500, 280)
    train, test = np.arange(rows), np.arange(rows, 500)
    hat = made(x).hat(train, test, penalty)
    z, targets = scaled(x), np.random.default_rng(2).standard_normal((rows, 5))
    expected = Ridge(alpha=rows * penalty).fit(z[train], targets).predict(z[test])
    assert hat.dtype == np.float32
    np.testing.assert_allclose(hat @ targets, expected, atol=1e-4)
    np.testing.assert_allclose(hat.sum(axis=1), 1, atol=1e-5)


@either
@pytest.mark.parametrize("real", [True, False], ids=["real targets", "classes"])
def test_a_ridge_direction_is_that_of_scikit_learn(made, real):
    x, y = cell(500, 280)
    targets = 40 * x[:, 0].astype(np.float64) + 7 if real else y
    train = np.arange(400)
    found = made(x).direction(train, targets, 1e-2, "ridge")
    z = scaled(x)
    ridge = Ridge(alpha=400 * 1e-2).fit(z[train], targets[train].astype(float))
    assert found.converged
    given = x.astype(np.float64) @ found.weights + found.intercept
    np.testing.assert_allclose(given, ridge.predict(z), atol=2e-3 * np.std(targets))


@either
def test_a_difference_of_means_points_from_the_one_class_to_the_other(made):
    x, y = cell(300, 70)
    train, z = np.arange(200), scaled(x)
    found = made(x).direction(train, y, 1.0, "mean_difference")
    high, low = z[train][y[train]].mean(axis=0), z[train][~y[train]].mean(axis=0)
    np.testing.assert_allclose(found.weights * x.std(axis=0, dtype=np.float64), high - low, atol=1e-6)
    expected = (z - (high + low) / 2) @ (high - low)
    np.testing.assert_allclose(x.astype(np.float64) @ found.weights + found.intercept, expected, atol=1e-4)


@either
def test_impossible_wishes_are_refused_with_a_reason(made):
    x, y = cell(60, 20)
    with pytest.raises(ValueError, match="both classes"):
        made(x).paths([Task(np.flatnonzero(y), np.arange(3), y)], [1.0])
    with pytest.raises(ValueError, match="no probe is called"):
        made(x).direction(np.arange(60), y, 1.0, "svm")
    with pytest.raises(ValueError, match="constant"):
        made(np.ones((5, 3), np.float32))
    x[3, 4] = np.nan
    with pytest.raises(ValueError, match="finite"):
        made(x)


def test_a_fit_that_may_not_step_far_enough_says_that_it_has_not_converged():
    x, y = cell(500, 280)
    solution = PrimalSolver(x, max_steps=1).paths(folds(y), [1e-4])[0]
    assert not solution.converged.any()
    assert np.isfinite(solution.scores).all()


def test_where_float32_is_not_enough_float64_goes_on():
    x, y = cell(400, 280)
    task = folds(y)[0]
    w, b = least(scaled(x)[task.train], y[task.train], 1e-4)
    exact = scaled(x)[task.test] @ w + b
    usual, close = (PrimalSolver(x, **limits).paths([task], [1e-4])[0] for limits in ({}, {"gap": 1e-10}))
    assert close.converged.all()
    assert close.steps[0] > usual.steps[0]
    assert np.abs(close.scores - exact).max() < 0.5 * np.abs(usual.scores - exact).max()


def test_half_precision_and_memory_maps_are_read_as_they_are(tmp_path):
    x, y = cell(400, 280)
    half = x.astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    mapped = PrimalSolver(np.load(tmp_path / "half.npy", mmap_mode="r")).paths(folds(y), [1e-2])
    plain = PrimalSolver(half.astype(np.float32)).paths(folds(y), [1e-2])
    for one, other in zip(mapped, plain, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_memory_is_one_copy_of_the_features_and_little_more():
    random = np.random.default_rng(0)
    x = random.standard_normal((12_000, 512), dtype=np.float32)
    y = x[:, 0] + random.standard_normal(12_000) > 0
    tracemalloc.start()
    found = PrimalSolver(x).paths(folds(y, 5), [1e-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(each.converged.all() for each in found)
    assert peak <= x.nbytes + 25e6


def test_a_hat_matrix_of_wide_features_is_summed_in_float32_and_ranks_alike(monkeypatch):
    x, y = cell(500, 280)
    train, test = np.arange(400), np.arange(400, 500)
    doubled = PrimalSolver(x).hat(train, test, 1e-2) @ y[:400]
    monkeypatch.setattr(primal, "_NARROW", 100)
    single = PrimalSolver(x).hat(train, test, 1e-2) @ y[:400]
    assert not np.array_equal(single, doubled)
    np.testing.assert_allclose(single, doubled, atol=1e-3)
    assert abs(auroc(y[test], single) - auroc(y[test], doubled)) <= 5e-4
