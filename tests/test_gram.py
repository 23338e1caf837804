"""Probes from one Gram matrix against Newton's method in double precision and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from converged import folds, loss, scaled
from layergrid.probes.gram import GramSolver
from layergrid.probes.solving import Task
from layergrid.stats import auroc

PENALTIES = tuple(np.geomspace(1e-4, 10, 8))


def cell(n: int = 120, d: int = 200, steep: bool = True, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [n, d] of a flat or a falling spectrum, turned at random, and classes of a planted direction."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, d))
    if steep:
        x = x / np.sqrt(np.arange(1, d + 1)) @ np.linalg.qr(random.standard_normal((d, d)))[0]
    signal = x @ x.T @ random.standard_normal(n)
    return x.astype(np.float32), signal / signal.std() + 0.5 * random.logistic(size=n) > 0


def rotated(z: np.ndarray) -> np.ndarray:
    """The same products of rows in as few columns as there are rows."""
    if z.shape[0] >= z.shape[1]:
        return z
    return np.linalg.qr(z.T)[1].T


def least(z: np.ndarray, y: np.ndarray, penalties) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Converged weights, intercepts and objectives, by scikit-learn's Newton solver."""
    from sklearn.linear_model import LogisticRegression

    found = []
    for penalty in penalties:
        probe = LogisticRegression(C=1 / (len(y) * penalty), solver="newton-cholesky", tol=1e-10, max_iter=1000)
        probe.fit(z, y)
        w, b = probe.coef_[0], float(probe.intercept_[0])
        found.append((w, b, loss(z, y, w, b, penalty)))
    w, b, value = zip(*found, strict=True)
    return np.array(w), np.array(b), np.array(value)


def check(x: np.ndarray, y: np.ndarray, tasks: list[Task], penalties=PENALTIES, tied: bool = False) -> None:
    """Objectives within 1e-6 of the least, AUROC within 5e-4 unless rows are tied, all converged."""
    solver, z = GramSolver(x), rotated(scaled(x))
    solutions = solver.paths(tasks, penalties)
    for task, solution in zip(tasks, solutions, strict=True):
        assert solution.converged.all()
        assert solution.scores.dtype == np.float32
        w, b, best = least(z[task.train], task.y[task.train], penalties)
        for r, penalty in enumerate(penalties):
            exact = z[task.test] @ w[r] + b[r]
            apart = abs(auroc(task.y[task.test], solution.scores[r]) - auroc(task.y[task.test], exact))
            assert tied or apart <= 5e-4
            assert np.abs(solution.scores[r] - exact).max() <= 2e-3 * max(1, np.abs(exact).max())
            found = solver.direction(task.train, task.y, penalty, "logistic")
            spread = np.where(np.ptp(x, axis=0) == 0, 0, x.std(axis=0, dtype=np.float64))
            inner = found.weights * spread
            level = found.intercept + float(found.weights @ x.mean(axis=0, dtype=np.float64))
            reached = loss(scaled(x)[task.train], task.y[task.train], inner, level, penalty)
            assert (reached - best[r]) / best[r] <= 1e-6


@pytest.mark.parametrize("steep", [True, False])
@pytest.mark.parametrize("shape", [(120, 200), (120, 61)])
def test_objectives_are_the_least_and_ranks_those_of_a_converged_solution(steep, shape):
    x, y = cell(*shape, steep=steep)
    check(x, y, folds(y))


def test_one_dimension_a_thousand_times_the_others_changes_nothing():
    x, y = cell()
    x[:, 7] *= 1000
    x[:, 9] += 1000
    check(x, y, folds(y)[:2])


def test_duplicated_and_constant_features_and_rows_are_solved():
    x, y = cell(n=80, d=100)
    wide = np.concatenate((x, x, np.full((80, 5), 3.3, dtype=np.float32)), axis=1)
    wide, both = np.concatenate((wide, wide[:40])), np.concatenate((y, ~y[:40]))  # twins of opposite classes
    check(wide, both, folds(both)[:2], np.geomspace(1e-6, 10, 6), tied=True)


def test_separable_classes_and_weak_penalties_are_solved():
    x, y = cell(n=60, d=300, steep=False)
    x += 2 * np.where(y, 1, -1)[:, None].astype(np.float32)
    check(x, y, folds(y)[:2], np.geomspace(1e-7, 1, 6))


def test_three_training_rows_of_each_class_are_enough():
    x, y = cell(n=40, d=90)
    train = np.concatenate((np.flatnonzero(y)[:3], np.flatnonzero(~y)[:3]))
    check(x, y, [Task(train, np.setdiff1d(np.arange(40), train), y)])


def test_penalties_may_come_in_any_order_and_twice():
    x, y = cell()
    solver, tasks = GramSolver(x), folds(y)
    order = [3, 0, 7, 7, 5, 1]
    one = solver.paths(tasks, [PENALTIES[r] for r in order])
    sorted_ = solver.paths(tasks, sorted({PENALTIES[r] for r in order}))
    again = np.searchsorted(sorted({PENALTIES[r] for r in order}), [PENALTIES[r] for r in order])
    for a, b in zip(one, sorted_, strict=True):
        assert np.array_equal(a.scores, b.scores[again])
        assert np.array_equal(a.steps, b.steps[again])
    near = solver.paths(tasks[:1], [0.1, np.nextafter(0.1, 1), 0.05])[0]
    assert near.converged.all()
    assert np.abs(near.scores[0] - near.scores[1]).max() < 1e-3


def test_the_same_bytes_come_twice_whatever_else_is_asked():
    x, y = cell()
    tasks = folds(y)
    together = GramSolver(x).paths(tasks, PENALTIES)
    solver = GramSolver(x.copy())
    solver.relabelled(tasks[0].train, tasks[0].test, y[None], 0.1)
    alone = [solver.paths([task], PENALTIES)[0] for task in reversed(tasks)][::-1]
    for a, b in zip(together, alone, strict=True):
        assert a.scores.tobytes() == b.scores.tobytes()
    assert solver.hat(tasks[0].train, tasks[0].test, 1.0).tobytes() == (
        GramSolver(x).hat(tasks[0].train, tasks[0].test, 1.0).tobytes()
    )


def test_double_precision_input_gives_what_single_precision_does_and_may_be_huge_or_tiny():
    x, y = cell()
    task = folds(y)[:1]
    plain = GramSolver(x).paths(task, PENALTIES)[0].scores
    assert np.abs(GramSolver(x.astype(np.float64)).paths(task, PENALTIES)[0].scores - plain).max() < 1e-3
    powers = np.ldexp(1.0, np.linspace(-900, 900, x.shape[1]).astype(int))  # squares over- and underflow
    assert np.abs(GramSolver(x * powers).paths(task, PENALTIES)[0].scores - plain).max() < 1e-3
    huge = (x / np.abs(x).max() * 3e38).astype(np.float32)  # differences overflow
    assert np.abs(GramSolver(huge).paths(task, PENALTIES)[0].scores - plain).max() < 1e-3


def test_training_rows_of_one_class_have_no_probe_and_say_so():
    x, y = cell()
    task = Task(np.flatnonzero(y), np.flatnonzero(~y), y)
    solver = GramSolver(x)
    (found,) = solver.paths([task], PENALTIES)
    assert np.isnan(found.scores).all()
    assert not found.converged.any()
    scores, converged = solver.relabelled(task.train, task.test, np.stack((y, np.roll(y, 1))), 0.1)
    assert converged.tolist() == [False, True]
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1]).all()
    assert not solver.direction(task.train, y, 0.1, "logistic").converged


def test_what_single_precision_cannot_solve_is_solved_in_double_precision():
    x, y = cell(n=100, d=60, steep=True)
    x[:, 30:] = x[:, :30] + 1e-3 * x[:, 30:]  # nearly the same features twice
    solver = GramSolver(x)
    task = folds(y)[:1]
    assert all(solver.paths(task, [10.0])[0].converged)
    assert "_sharp" not in vars(solver)
    check(x, y, task, [1e-7, 1e-9])
    assert solver.paths(task, [1e-7, 1e-9])[0].converged.all()
    assert "_sharp" in vars(solver)


@pytest.mark.parametrize("penalty", [1e-4, 0.01, 1.0])
def test_many_labellings_at_once_give_what_each_gives_alone(penalty):
    x, y = cell()
    task = folds(y)[0]
    random = np.random.default_rng(3)
    labels = np.array([random.permutation(y) for _ in range(300)])
    solver = GramSolver(x)
    scores, converged = solver.relabelled(task.train, task.test, labels, penalty)
    assert converged.all()
    assert scores.dtype == np.float32
    for row in range(0, 300, 23):
        alone = solver.paths([Task(task.train, task.test, labels[row])], [penalty])[0].scores[0]
        assert np.abs(scores[row] - alone).max() <= 2e-3 * max(1, np.abs(alone).max())
        assert abs(auroc(y[task.test], scores[row]) - auroc(y[task.test], alone)) <= 5e-4


@pytest.mark.parametrize("penalty", [1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("d", [200, 61])
def test_the_hat_matrix_predicts_as_ridge_regression_does(penalty, d):
    from sklearn.linear_model import Ridge

    x, y = cell(d=d)
    task, z = folds(y)[1], scaled(x)
    target = np.random.default_rng(5).standard_normal(len(y)) + y
    hat = GramSolver(x).hat(task.train, task.test, penalty)
    assert hat.dtype == np.float32
    assert np.abs(hat.sum(axis=1) - 1).max() < 1e-4
    ridge = Ridge(alpha=len(task.train) * penalty, solver="svd").fit(z[task.train], target[task.train])
    exact = ridge.predict(z[task.test])
    assert np.abs(hat @ target[task.train] - exact).max() <= 2e-3 * np.ptp(exact)


def test_directions_give_the_scores_in_units_of_the_features():
    from sklearn.linear_model import Ridge

    x, y = cell()
    x[:, 3] = x[:, 3] * 50 + 20
    x[:, 4] = 2.5
    task, solver, z = folds(y)[2], GramSolver(x), scaled(x)
    logistic = solver.direction(task.train, y, 0.02, "logistic")
    expected = solver.paths([task], [0.02])[0].scores[0]
    assert np.abs(x[task.test] @ logistic.weights + logistic.intercept - expected).max() < 1e-3
    assert logistic.weights[4] == 0
    target = np.random.default_rng(5).standard_normal(len(y)) + 3 * y
    ridge = solver.direction(task.train, target, 0.02, "ridge")
    exact = Ridge(alpha=0.02 * len(task.train)).fit(z[task.train], target[task.train])
    assert np.allclose(ridge.weights @ x[task.test].T + ridge.intercept, exact.predict(z[task.test]), atol=1e-4)
    difference = solver.direction(task.train, y, 0.0, "mean_difference")
    high, low = (z[task.train][y[task.train] == side].mean(axis=0) for side in (True, False))
    midway = (z[task.test] - (high + low) / 2) @ (high - low)
    assert np.allclose(x[task.test] @ difference.weights + difference.intercept, midway, atol=1e-3)


def test_a_cell_of_a_thousand_rows_is_solved_in_single_precision_alone():
    x, y = cell(n=1000, d=1500, steep=False)
    solver, task = GramSolver(x), folds(y, 5)[0]
    (found,) = solver.paths([task], PENALTIES)
    assert found.converged.all()
    assert "_sharp" not in vars(solver)
    z = rotated(scaled(x))
    w, b, _ = least(z[task.train], y[task.train], PENALTIES[::7])
    for r, exact in zip((0, 7), w @ z[task.test].T + b[:, None], strict=True):
        assert abs(auroc(y[task.test], found.scores[r]) - auroc(y[task.test], exact)) <= 5e-4
