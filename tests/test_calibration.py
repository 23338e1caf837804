"""Simulations with a known truth: family-wise error, coverage, nested selection; some twenty minutes of one core.

Probes are kernel ridge with a free intercept, at the penalty of the permutation test of grids, refitted for every fold
and every relabelling. One inverse of the bordered Gram matrix of all rows serves every fold: the predictions of the
rows o that a fit leaves out are -B_oo^-1 B_or y_r, where B is the block of the inverse that belongs to rows (the
identity behind PRESS). Relabellings number 199 here, not 999: the test is exact for any number, and 199 leave the level
.05 attainable.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import get_lapack_funcs
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from layergrid.probes import assign_folds, ridge_penalty
from layergrid.probes.preparing import prepare
from layergrid.selection import choose, compose
from layergrid.stats import (
    Split,
    aurocs,
    difference_interval,
    evaluate,
    max_statistic,
    mean_interval,
    relabellings,
    standardised,
)

pytestmark = pytest.mark.slow

SEEDS = [1, 2, 3]  # not chosen for what they give
N, K = 200, 5
CELLS, RELABELLINGS = 100, 199


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}", flush=True)


# ---------------------------------------------------------------- ridge probes, all folds of many cells at once


def inverses(grams: np.ndarray, penalty: float) -> np.ndarray:
    """The blocks [..., n, n] of the inverses of [[K + penalty I, 1], [1', 0]] that belong to the rows."""
    n = grams.shape[-1]
    factor, invert = get_lapack_funcs(("potrf", "potri"), dtype=grams.dtype)
    found = np.empty(grams.shape, dtype=grams.dtype)
    upper = np.triu_indices(n, 1)
    for own, gram in zip(found.reshape(-1, n, n), grams.reshape(-1, n, n), strict=True):
        root, failed = factor(gram + penalty * np.eye(n, dtype=gram.dtype), lower=1)
        inner, unsolved = invert(root, lower=1)
        assert failed == unsolved == 0
        inner[upper] = inner.T[upper]
        ones = inner.sum(axis=0)
        own[:] = inner - np.outer(ones, ones / ones.sum())
    return found


def hats(blocks: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The matrices [..., t, n - t] that predict the rows `out` from the targets of all others."""
    rest = np.setdiff1d(np.arange(blocks.shape[-1]), out)
    return -np.linalg.solve(blocks[..., out[:, None], out], blocks[..., out[:, None], rest])


def predicted(blocks: np.ndarray, out: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The predictions [..., t] of the rows `out` by probes of the others' `labels` [n]."""
    known = np.where(np.isin(np.arange(len(labels)), out), 0, labels).astype(blocks.dtype)
    return -np.linalg.solve(blocks[..., out[:, None], out], (blocks[..., out, :] @ known)[..., None])[..., 0]


def weights(blocks: np.ndarray, filled: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The weights [..., d] of the probes of targets `filled` [..., n], in which left-out rows hold their predictions.

    A row that is predicted exactly takes no dual weight, so that they are the probes of the other rows.
    """
    dual = blocks @ filled[..., None].astype(blocks.dtype)
    return (dual.swapaxes(-1, -2) @ x)[..., 0, :]


def stratified(labels: np.ndarray) -> np.ndarray:
    """Folds [n] for rows that are drawn alike, of which any stratified split is a random one."""
    folds = np.empty(len(labels), dtype=np.int64)
    for side in (labels, ~labels):
        folds[side] = np.arange(np.count_nonzero(side)) % K
    return folds


def test_the_shortcut_predicts_what_ridge_probes_fitted_on_the_other_rows_predict() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, y, out = rng.normal(size=(40, 60)), rng.normal(size=40), np.arange(3, 40, 5)
    rest = np.setdiff1d(np.arange(40), out)
    blocks, probe = inverses(x @ x.T, 7.0), Ridge(alpha=7.0).fit(x[rest], y[rest])
    np.testing.assert_allclose(hats(blocks, out) @ y[rest], probe.predict(x[out]), atol=1e-10)
    found, filled = predicted(blocks, out, y), y.copy()
    np.testing.assert_allclose(found, probe.predict(x[out]), atol=1e-10)
    filled[out] = found
    np.testing.assert_allclose(weights(blocks, filled, x), probe.coef_, atol=1e-10)


@pytest.mark.parametrize("d", [30, 90], ids=["fewer features than rows", "more"])
def test_the_shortcut_has_the_hat_matrix_of_the_probes_that_grids_use(d: int) -> None:
    rng = np.random.default_rng(1)
    x, out = rng.normal(size=(60, d)), np.arange(2, 60, 5)
    x, rest = x / x.std(axis=0), np.setdiff1d(np.arange(60), out)
    found = prepare(x).hat(rest, out, ridge_penalty(d) / len(rest))
    np.testing.assert_allclose(found, hats(inverses(x @ x.T, ridge_penalty(d)), out), atol=1e-5)


# ---------------------------------------------------------------- family-wise error


def grouped_walk(rng: np.random.Generator, d: int, groups: np.ndarray, steps: float) -> np.ndarray:
    """Gram matrices float32 [C, n, n] of one random walk of states over cells; rows of a group share half the variance.

    Neighbouring cells correlate by `steps`.
    """
    count = int(groups.max()) + 1

    def fresh() -> np.ndarray:
        own = rng.standard_normal((len(groups), d), dtype=np.float32)
        return np.float32(np.sqrt(0.5)) * (own + rng.standard_normal((count, d), dtype=np.float32)[groups])

    state, found = fresh(), np.empty((CELLS, len(groups), len(groups)), dtype=np.float32)
    for c in range(CELLS):
        if c:
            state = np.float32(steps) * state + np.float32(np.sqrt(1 - steps**2)) * fresh()
        found[c] = state @ state.T
    return found


def adjusted(grams: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int, d: int) -> tuple[float, float]:
    """The smallest adjusted p-value over the cells, and the highest AUROC."""
    folds = assign_folds(labels, groups, K, seed)
    drawn = np.concatenate((np.arange(N)[None], relabellings(labels, groups, folds, RELABELLINGS, seed)))
    blocks = inverses(grams, ridge_penalty(d))
    values = np.zeros((CELLS, RELABELLINGS + 1))
    for k in range(K):
        out = np.flatnonzero(folds == k)
        many = labels[drawn]
        targets = many[:, folds != k].astype(np.float32).T
        scores = (hats(blocks, out) @ targets).transpose(0, 2, 1)
        sides = np.broadcast_to(many[:, out], scores.shape)
        values += aurocs(sides.reshape(-1, len(out)), scores.reshape(-1, len(out))).reshape(values.shape) / K
    return float(np.nanmin(max_statistic(standardised(values))[0])), float(values[:, 0].max())


def null_run(seed: int, mixed: bool) -> tuple[float, float]:
    """One run in which labels know nothing: 30 % positive, groups of one to four."""
    rng = np.random.default_rng([seed, 1])  # not the stream that relabellings draw from
    groups = np.repeat(np.arange(N), rng.integers(1, 5, size=N))[:N]
    labels = (rng.random(N) < 0.3) if mixed else (rng.random(N) < 0.3)[groups]
    return adjusted(grouped_walk(rng, 512, groups, 0.9), labels, groups, seed, 512)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("mixed", "runs"), [(False, 400), (True, 400)], ids=["whole groups", "mixed groups"])
def test_the_family_of_cells_is_rejected_no_more_often_than_the_level(
    seed: int, mixed: bool, runs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = np.array([null_run(1_000_000 * seed + r, mixed) for r in range(runs)])
    rate = float((found[:, 0] <= 0.05).mean())
    what = "mixed in groups" if mixed else "constant in groups"
    say(capsys, f"family-wise error, labels {what}, seed {seed}, {runs} runs: {rate:.4f}; "
                f"highest of {CELLS} null AUROCs: mean {found[:, 1].mean():.3f}")  # fmt: skip
    assert found[:, 1].mean() > 0.57  # the naive best misleads
    assert rate <= 0.075


# ---------------------------------------------------------------- coverage

SHIFTS = {
    50: {0.5: 0.0, 0.65: 0.95, 0.8: 1.62, 0.95: 2.78},
    500: {0.5: 0.0, 0.65: 1.5, 0.8: 2.35, 0.95: 3.55},
}


def covered_runs(seed: int, d: int, shift: float, runs: int) -> np.ndarray:
    """Truth, value, bounds, boundary, true difference and its bounds of `runs` pairs of cells, [runs, 8].

    Two classes, 30 % positive, normal with unit covariance, `shift` apart along one feature: a direction w has the
    AUROC Phi(w . shift / (sqrt 2 |w|)). The states of both cells share half of their variance.
    """
    rng = np.random.default_rng([seed, d, round(100 * shift)])
    labels = np.arange(N) % 10 < 3
    folds = stratified(labels)
    split = Split(labels, np.arange(N), folds)
    found = np.empty((runs, 8))
    for r in range(runs):
        shared = rng.standard_normal((2, N, d), dtype=np.float32)
        x = np.stack((shared[0], np.float32(np.sqrt(0.5)) * (shared[0] + shared[1])))
        x[..., 0] += np.float32(shift) * labels
        blocks = inverses(x @ x.transpose(0, 2, 1), ridge_penalty(d))
        scores, truth = np.empty((2, N), dtype=np.float32), np.zeros((2, K))
        for k in range(K):
            out = np.flatnonzero(folds == k)
            scores[:, out] = predicted(blocks, out, labels)
            w = weights(blocks, np.where(folds == k, scores, labels), x)
            truth[:, k] = ndtr(w[:, 0] * shift / np.sqrt(2) / np.linalg.norm(w, axis=1))
        scored = [evaluate(split, s) for s in scores]
        one = mean_interval(split, scored[0], 0.95)
        gap = difference_interval(split, scored[0], scored[1], 0.95)
        means = truth.mean(axis=1)
        found[r] = means[0], one.value, one.low, one.high, one.boundary, means[0] - means[1], gap.low, gap.high
    return found


@pytest.mark.parametrize("near", [0.5, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("d", [50, 500])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_interval_covers_the_mean_population_auroc_of_the_probes(
    seed: int, d: int, near: float, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, value, low, high, boundary, gap, less, more = covered_runs(seed, d, SHIFTS[d][near], 1000).T
    coverage = float(((low <= truth) & (truth <= high)).mean())
    given = ~np.isnan(less)
    paired = float(((less <= gap) & (gap <= more))[given].mean())
    say(capsys, f"coverage, d = {d}, mean true AUROC {truth.mean():.3f}, seed {seed}: {coverage:.3f} (bias "
                f"{(value - truth).mean():+.4f}, error {(value - truth).std():.4f}, at the boundary "
                f"{boundary.mean():.3f}); differences {paired:.3f} of {given.sum()}")  # fmt: skip
    assert truth.mean() == pytest.approx(near, abs=0.015)
    assert 0.92 <= coverage <= 0.99
    assert paired >= 0.92


# ---------------------------------------------------------------- nested selection


def nested_run(seed: int, d: int, shift: float) -> tuple[float, float, float]:
    """Nested estimate less its truth, whether its interval covers, naive best less its truth; over equal cells."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % 10 < 3
    folds = stratified(labels)
    split = Split(labels, np.arange(N), folds)
    x = rng.standard_normal((CELLS, N, d), dtype=np.float32)
    x[..., 0] += np.float32(shift) * labels
    blocks = inverses(x @ x.transpose(0, 2, 1), ridge_penalty(d))
    scores, inner, truth = np.empty((CELLS, N), dtype=np.float32), np.zeros((CELLS, K)), np.empty((CELLS, K))
    for k in range(K):
        out = np.flatnonzero(folds == k)
        scores[:, out] = predicted(blocks, out, labels)
        w = weights(blocks, np.where(folds == k, scores, labels), x)
        truth[:, k] = ndtr(w[:, 0] * shift / np.sqrt(2) / np.linalg.norm(w, axis=1))
    for a, b in combinations(range(K), 2):
        out = np.flatnonzero((folds == a) | (folds == b))
        both = predicted(blocks, out, labels)
        for outer, scored in ((a, b), (b, a)):
            rows = folds[out] == scored
            inner[:, outer] += aurocs(labels[out][rows], both[:, rows]) / (K - 1)
    winners = choose(inner, np.ones(CELLS, dtype=bool))
    nested = mean_interval(split, evaluate(split, compose(split, scores, winners)), 0.95)
    true = float(truth[winners, np.arange(K)].mean())
    values = np.mean([aurocs(labels[r], scores[:, r]) for r in split.rows], axis=0)
    best = int(values.argmax())
    return nested.value - true, float(nested.low <= true <= nested.high), float(values[best] - truth[best].mean())


@pytest.mark.parametrize("shift", [0.0, 1.0], ids=["nothing to find", "a signal in every cell"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_nested_best_is_unbiased_where_the_naive_best_is_not(
    seed: int, shift: float, capsys: pytest.CaptureFixture[str]
) -> None:
    found = np.array([nested_run(1_000_000 * seed + r, 50, shift) for r in range(60)])
    bias, covered, naive = found.mean(axis=0)
    error = float(found[:, 0].std() / np.sqrt(len(found)))
    say(capsys, f"nested best of {CELLS} equal cells, shift {shift}, seed {seed}: bias {bias:+.4f} +- {error:.4f}, "
                f"coverage {covered:.2f}; naive best: {naive:+.4f}")  # fmt: skip
    assert abs(bias) <= 0.01 + 2 * error
    assert covered >= 0.9
    assert naive > 0.05
