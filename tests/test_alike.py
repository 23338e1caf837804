from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

import layergrid.describing.alike as module
from layergrid.describing.alike import Directions, Form, Gram, Plan, Side, cka_values, cosines


def side(states: np.ndarray) -> Side:
    return Side(lambda rows: states[rows].astype(np.float64), len(states), states.shape[1])


def compared(
    x: np.ndarray,
    y: np.ndarray,
    form: Form = "plain",
    groups: np.ndarray | None = None,
    pools: np.ndarray | None = None,
) -> module.Cosines:
    groups = np.arange(len(x)) if groups is None else groups
    pools = np.zeros(len(x), dtype=np.int64) if pools is None else pools
    plan = Plan.of(groups, pools, x.shape[1])
    return cosines(Directions(side(x), form, plan), Directions(side(y), form, plan))


def cka(x: np.ndarray, y: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    order = np.arange(len(x))
    return cka_values(Gram(side(x), order), Gram(side(y), order), order if blocks is None else blocks)


def one_block(x: np.ndarray, y: np.ndarray) -> float:
    return float(cka(x, y, np.zeros(len(x), dtype=np.int64))[0])


def drawn(n: int = 40, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two sides that share a part of each row, and a direction that all rows share."""
    rng = np.random.default_rng(seed)
    shared, all_rows = rng.normal(size=(n, width)), 2 * rng.normal(size=width)
    return shared + rng.normal(size=(n, width)) + all_rows, shared + rng.normal(size=(n, width)) + all_rows


# ---------------------------------------------------------------- cosines


def test_cosines_are_those_of_scikit_learn() -> None:
    x, y = drawn()
    np.testing.assert_allclose(compared(x, y).own, np.diag(cosine_similarity(x, y)), atol=1e-12)
    centred = np.diag(cosine_similarity(x - x.mean(axis=0), y - y.mean(axis=0)))
    np.testing.assert_allclose(compared(x, y, "centred").own, centred, atol=1e-12)


def test_a_correlation_is_that_of_numpy_over_the_dimensions() -> None:
    x, y = drawn()
    wanted = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(compared(x, y, "correlation").own, wanted, atol=1e-12)


@pytest.mark.parametrize("form", ["plain", "centred", "correlation"])
@pytest.mark.parametrize("block", [1, 64, 2**18], ids=["row by row", "few rows", "at once"])
def test_mismatched_values_are_those_of_all_pairs_of_other_groups(
    form: Form, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    x, y = drawn(30)
    rng = np.random.default_rng(1)
    groups, pools = rng.integers(0, 9, size=30), (rng.random(30) < 0.4).astype(np.int64)
    found = compared(x, y, form, groups, pools)
    if form == "centred":
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    elif form == "correlation":
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    table = cosine_similarity(x, y)
    np.testing.assert_allclose(found.own, np.diag(table), atol=1e-12)
    for pool in (0, 1):
        rows = np.flatnonzero(pools == pool)
        apart = groups[rows][:, None] != groups[rows][None, :]
        inside = np.where(apart, table[np.ix_(rows, rows)], 0.0)
        a, b = inside.sum(axis=1) / apart.sum(axis=1), inside.sum(axis=0) / apart.sum(axis=0)
        np.testing.assert_allclose(found.mismatched[rows], a + b - b.mean(), atol=1e-12)
        assert found.mismatched[rows].mean() == pytest.approx(a.mean())


def test_a_pool_of_one_group_has_no_mismatched_pairs() -> None:
    x, y = drawn(6)
    found = compared(x, y, groups=np.zeros(6, dtype=np.int64))
    assert np.isnan(found.mismatched).all()
    assert np.isfinite(found.own).all()
    assert (found.not_finite, found.undefined) == (0, 0)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.sampled_from(["plain", "centred", "correlation"]))
@settings(max_examples=40, deadline=None)
def test_neither_a_factor_nor_a_common_rotation_changes_a_cosine(seed: int, factor: float, form: Form) -> None:
    x, y = drawn(12, 5, seed)
    first = compared(x, y, form)
    scaled = compared(factor * x, y, form)
    np.testing.assert_allclose(scaled.own, first.own, atol=1e-9)
    np.testing.assert_allclose(scaled.mismatched, first.mismatched, atol=1e-9)
    if form != "correlation":
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
        turned = compared(x @ turn, y @ turn, form)
        np.testing.assert_allclose(turned.own, first.own, atol=1e-9)
        np.testing.assert_allclose(turned.mismatched, first.mismatched, atol=1e-9)


def test_a_state_and_its_multiple_are_wholly_alike_and_its_opposite_wholly_unlike() -> None:
    x, _ = drawn()
    for form in ("plain", "centred", "correlation"):
        np.testing.assert_allclose(compared(x, 3 * x, form).own, 1.0, atol=1e-12)
        np.testing.assert_allclose(compared(x, -2 * x, form).own, -1.0, atol=1e-12)


def test_states_without_a_direction_and_states_that_are_no_numbers_are_counted_apart() -> None:
    x, y = drawn()
    x, y = x.copy(), y.copy()
    x[3], x[5, 2], y[5], y[8, 0] = 0.0, np.nan, 0.0, np.inf
    found = compared(x, y)
    assert (found.not_finite, found.undefined) == (2, 1)
    assert np.flatnonzero(np.isnan(found.own)).tolist() == [3, 5, 8]
    level = np.ones((40, 12))
    assert compared(level, level, "correlation").undefined == 40


def test_rounding_of_equal_states_is_no_direction() -> None:
    rng = np.random.default_rng(0)
    same = np.tile(rng.normal(size=12) * 100, (40, 1))
    noisy = (same * (1 + 1e-8 * rng.normal(size=same.shape))).astype(np.float32)
    assert compared(noisy, drawn()[1], "centred").undefined == 40


@pytest.mark.slow
def test_intervals_of_mismatched_pairs_hold_the_truth_as_often_as_they_say() -> None:
    from layergrid.stats import grouped_mean

    rng = np.random.default_rng(5)
    centre = np.array([1.5, 0.5, 0.0, 0.0])

    def sides(n: int) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(size=(n, 4))
        return centre + shared + rng.normal(size=(n, 4)), centre + shared + rng.normal(size=(n, 4))

    x, y = sides(200_000)
    truth = float(np.mean(np.sum(x * y[::-1], axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y[::-1], axis=1)))
    hits = []
    for _ in range(1500):
        found = grouped_mean(compared(*sides(60)).mismatched[None], np.arange(60), 0.95)
        hits.append(found.low[0] <= truth <= found.high[0])
    assert 0.92 < np.mean(hits) < 0.98


# ---------------------------------------------------------------- CKA


def unbiased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, on whole matrices."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    third = 2 / (n - 2) * (ones @ k @ m @ ones)
    return float(
        (np.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2)) - third) / (n * (n - 3))
    )


def plain_cka(x: np.ndarray, y: np.ndarray) -> float:
    k, m = x @ x.T, y @ y.T
    return unbiased_hsic(k, m) / float(np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m)))


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.sum((x.T @ y) ** 2) / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y))


def test_debiased_cka_is_that_of_the_formula() -> None:
    x, y = drawn(50)
    assert one_block(x, y) == pytest.approx(plain_cka(x, y), abs=1e-5)


@pytest.mark.parametrize("block", [8, 2**18], ids=["few rows", "at once"])
def test_pseudo_values_are_those_of_a_jackknife_that_leaves_out_whole_groups(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    x, y = drawn(40)
    blocks = np.sort(np.random.default_rng(2).integers(0, 7, size=40))
    whole = plain_cka(x, y)
    wanted = np.empty(40)
    for b in range(7):
        share = 40 / np.count_nonzero(blocks == b)
        wanted[blocks == b] = share * whole - (share - 1) * plain_cka(x[blocks != b], y[blocks != b])
    np.testing.assert_allclose(cka(x, y, blocks), wanted, atol=1e-4)


def test_identical_turned_and_scaled_states_have_a_cka_of_one() -> None:
    x, _ = drawn(30, 50)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 50)))[0]
    assert one_block(x, x) == pytest.approx(1.0, abs=1e-12)
    assert one_block(x, 7 * x @ turn + 3) == pytest.approx(1.0, abs=1e-5)


def test_independent_states_of_many_dimensions_have_a_debiased_cka_near_zero_and_a_plain_one_near_one() -> None:
    rng = np.random.default_rng(0)
    found, biased = [], []
    for _ in range(20):
        x, y = rng.normal(size=(2, 30, 2000))
        found.append(one_block(x, y))
        biased.append(biased_cka(x, y))
    assert abs(np.mean(found)) < 0.1
    assert np.mean(biased) > 0.9


@given(st.integers(0, 1000), st.floats(1e-2, 1e2))
@settings(max_examples=25, deadline=None)
def test_neither_a_factor_nor_a_shift_nor_a_rotation_of_one_side_changes_cka(seed: int, factor: float) -> None:
    x, y = drawn(20, 5, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    assert one_block(factor * x @ turn + 5 * factor, y) == pytest.approx(one_block(x, y), abs=1e-4)


def test_too_few_rows_outside_a_block_leave_no_cka() -> None:
    x, y = drawn(5)
    assert np.isnan(one_block(x[:3], y[:3]))
    assert np.isnan(cka(x, y, np.array([0, 0, 1, 1, 1]))).all()
    assert np.isfinite(cka(x, y)).any()


def test_equal_states_are_called_constant_and_broken_ones_not_finite() -> None:
    x, _ = drawn(10)
    order = np.arange(10)
    assert Gram(side(np.tile(x[0], (10, 1))), order).constant
    assert Gram(side(np.zeros((10, 4))), order).constant
    assert not Gram(side(x), order).constant
    broken = x.copy()
    broken[4, 1] = np.nan
    assert Gram(side(broken), order).finite.tolist() == [i != 4 for i in range(10)]


@pytest.mark.slow
def test_jackknife_intervals_of_cka_hold_the_truth_as_often_as_they_say() -> None:
    from layergrid.stats import grouped_mean

    rng = np.random.default_rng(6)
    scale = np.array([3.0, 2.0, 1.0, 1.0, 1.0])

    def sides(n: int) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(size=(n, 5)) * scale
        return shared + rng.normal(size=(n, 5)), shared + rng.normal(size=(n, 5))

    a, b = scale**2 + 1, scale**2  # population: tr(Sxy Syx) / (|Sxx| |Syy|)
    truth = float(np.sum(b**2) / np.sum(a**2))
    hits = []
    for _ in range(600):
        found = grouped_mean(cka(*sides(120))[None], np.arange(120), 0.95)
        hits.append(found.low[0] <= truth <= found.high[0])
    assert 0.92 < np.mean(hits) < 0.98
