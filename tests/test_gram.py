"""Probes from one Gram matrix against Newton's method in double precision and against scikit-learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from layergrid.probes.gram import GramSolver
from layergrid.probes.newton import fit_path
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


def folds(y: np.ndarray, k: int = 4) -> list[Task]:
    """Each k-th row held out."""
    place = np.arange(len(y)) % k
    return [Task(np.flatnonzero(place != one), np.flatnonzero(place == one), y) for one in range(k)]


def scaled(x: np.ndarray) -> np.ndarray:
    """Features divided by their standard deviations over all rows, constant ones 0."""
    x = x.astype(np.float64)
    spread = np.where(np.ptp(x, axis=0) == 0, np.inf, x.std(axis=0))
    return (x - x.mean(axis=0)) / spread


def rotated(z: np.ndarray) -> np.ndarray:
    """The same products of rows in as few columns as there are rows."""
    if z.shape[0] >= z.shape[1]:
        return z
    return np.linalg.qr(z.T)[1].T


def loss(z: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, penalty: float) -> float:
    margins = np.where(y, 1, -1) * (z @ w + b)
    return float(np.logaddexp(0, -margins).mean() + penalty / 2 * w @ w)


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


def check(x: np.ndarray, y: np.ndarray, tasks: list[Task], penalties=PENALTIES) -> None:
    """Objectives within 1e-6 of the least, AUROC within 5e-4, all converged."""
    solver, z = GramSolver(x), rotated(scaled(x))
    solutions = solver.paths(tasks, penalties)
    for task, solution in zip(tasks, solutions, strict=True):
        assert solution.converged.all()
        assert solution.scores.dtype == np.float32
        w, b, best = least(z[task.train], task.y[task.train], penalties)
        for r, penalty in enumerate(penalties):
            exact = z[task.test] @ w[r] + b[r]
            assert abs(auroc(task.y[task.test], solution.scores[r]) - auroc(task.y[task.test], exact)) <= 5e-4
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
