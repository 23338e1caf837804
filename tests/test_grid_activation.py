from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layergrid.describing as describing
from layergrid.artifacts import GridResult
from layergrid.grids.activation import ActivationGrid
from layergrid.kinds import GridKind, Inputs, Needs, known
from probe_inputs import make, permuted, with_status, with_values

MEASURES = ("norm", "relative_norm", "largest_share")


def compute(inputs: Inputs, **options: Any) -> GridResult:
    return ActivationGrid(**options).compute(inputs)


def states(inputs: Inputs) -> np.ndarray:
    return np.asarray(inputs.activations["residual"].values, dtype=np.float64)


def wanted(measure: str, values: np.ndarray) -> np.ndarray:
    """Each row's value [L, P, n] from states [L, P, n, D], as the words say it."""
    norms = np.linalg.norm(values, axis=-1)
    if measure == "norm":
        return norms
    if measure == "relative_norm":
        return np.asarray(norms / norms.max(axis=1, keepdims=True))
    return np.asarray((np.abs(values).max(axis=-1) / norms) ** 2)


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("measure", MEASURES)
def test_every_row_holds_what_the_words_say(measure: str) -> None:
    inputs = make(n=50, group_size=2)
    result = compute(inputs, measure=measure)
    kept = result.measured
    assert kept is not None
    index = [inputs.examples.ids.index(name) for name in kept.example_ids]
    np.testing.assert_allclose(kept.cells, wanted(measure, states(inputs)[:, :, index]), rtol=1e-6)
    np.testing.assert_allclose(result.grid.value, kept.cells.mean(axis=-1, dtype=np.float64), rtol=1e-12)
    assert result.grid.metric == measure
    assert result.grid.settings["methods"]["measure"].endswith(".")


@pytest.mark.parametrize("measure", MEASURES)
def test_states_read_a_few_rows_at_a_time_are_the_same(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = make(n=50)
    whole = compute(inputs, measure=measure)
    monkeypatch.setattr(describing, "BLOCK", 20)
    assert compute(inputs, measure=measure).grid.value.tobytes() == whole.grid.value.tobytes()


@given(st.integers(0, 200), st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_a_factor_scales_norms_and_leaves_shares_alone(seed: int, factor: float) -> None:
    inputs = make(n=12, layers=1, seed=seed)

    def scale(values: np.ndarray) -> None:
        values *= np.float32(factor)

    scaled = with_values(inputs, scale)
    for measure in MEASURES:
        first, other = compute(inputs, measure=measure).grid, compute(scaled, measure=measure).grid
        np.testing.assert_allclose(other.value, first.value * (factor if measure == "norm" else 1), rtol=1e-4)


@given(st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_a_rotation_leaves_norms_alone_and_shares_lie_between_one_dimension_and_an_even_spread(seed: int) -> None:
    inputs = make(n=12, layers=1, seed=seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0].astype(np.float32)

    def rotate(values: np.ndarray) -> None:
        values[...] = values @ turn

    turned = with_values(inputs, rotate)
    for measure in ("norm", "relative_norm"):
        np.testing.assert_allclose(
            compute(turned, measure=measure).grid.value, compute(inputs, measure=measure).grid.value, rtol=1e-5
        )
    kept = compute(turned, measure="largest_share").measured
    assert kept is not None
    assert (kept.cells >= 1 / 6 - 1e-6).all()
    assert (kept.cells <= 1).all()


def test_the_largest_norm_of_a_row_is_one() -> None:
    kept = compute(make(n=40), measure="relative_norm").measured
    assert kept is not None
    np.testing.assert_array_equal(kept.cells.max(axis=1), np.ones((3, 40), dtype=np.float32))


def test_a_single_dimension_that_holds_all_has_a_share_of_one() -> None:
    def spike(values: np.ndarray) -> None:
        values[1, 1] = 0
        values[1, 1, :, 4] = -3

    g = compute(with_values(make(n=20), spike), measure="largest_share").grid
    assert (g.value[1, 1], g.low[1, 1], g.high[1, 1]) == (1.0, 1.0, 1.0)


def test_a_planted_difference_between_the_classes_is_found_where_it_was_planted() -> None:
    g = compute(make(n=400, strength=4.0), contrast="error").grid
    above = g.low > 0
    assert above.tolist() == [[False] * 3, [False, True, False], [False, True, False]]
    assert g.contrast == "wrong answers - right answers"
    assert {f.name for f in g.facets} == {"wrong answers", "right answers"}
    assert g.quantity.low is None
    assert g.quantity.chance == 0.0


def test_the_same_rows_in_another_order_give_the_same_bits() -> None:
    inputs = make(n=60, group_size=2)
    other = permuted(inputs, np.random.default_rng(0).permutation(60))
    for measure in MEASURES:
        first, second = compute(inputs, measure=measure), compute(other, measure=measure)
        assert first.grid.value.tobytes() == second.grid.value.tobytes()
        assert first.grid.low.tobytes() == second.grid.low.tobytes()


# ---------------------------------------------------------------- statuses


def test_a_position_that_is_missing_takes_no_part_in_relative_norms() -> None:
    def gone(status: np.ndarray) -> None:
        status[:, 2] = "missing"

    def large(values: np.ndarray) -> None:
        values[:, 2] *= 1000

    g = compute(with_values(with_status(make(n=30), gone), large), measure="relative_norm").grid
    assert set(g.status[:, 2]) == {"missing"}
    assert (g.value[:, :2] > 0.5).all()


def test_a_state_of_zeros_has_a_norm_and_no_share() -> None:
    def nothing(values: np.ndarray) -> None:
        values[2, 0, 4] = 0

    inputs = with_values(make(n=30), nothing)
    assert set(compute(inputs).grid.status.ravel()) == {"ok"}
    assert set(compute(inputs, measure="relative_norm").grid.status.ravel()) == {"ok"}
    g = compute(inputs, measure="largest_share").grid
    assert (g.status[2, 0], g.reason[2, 0]) == (
        "constant",
        "1 of 30 examples have a state of zeros, which has no largest share",
    )


def test_an_example_whose_states_are_all_zeros_has_no_relative_norm() -> None:
    def nothing(values: np.ndarray) -> None:
        values[2, :, [4, 6]] = 0

    g = compute(with_values(make(n=30), nothing), measure="relative_norm").grid
    assert set(g.status[2]) == {"constant"}
    assert set(g.reason[2]) == {"2 of 30 examples have states of zeros at all compared positions"}
    assert set(g.status[:2].ravel()) == {"ok"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_no_number_spoils_its_cell_and_whatever_is_measured_by_it(bad: float) -> None:
    def spoil(values: np.ndarray) -> None:
        values[1, 1, 5, 0] = bad

    inputs = with_values(make(n=30), spoil)
    for measure in ("norm", "largest_share"):
        g = compute(inputs, measure=measure).grid
        assert g.status[1].tolist() == ["ok", "not_finite", "ok"]
    g = compute(inputs, measure="relative_norm").grid
    assert set(g.status[1]) == {"not_finite"}  # the largest norm of that row is not known
    assert set(g.status[[0, 2]].ravel()) == {"ok"}


def test_a_layer_without_the_site_is_lacking_and_says_why() -> None:
    inputs = make(n=20)
    a = replace(inputs.activations["residual"], site="attention_out", lacking={1: "block 1 has no attention"})
    result = compute(replace(inputs, activations={"attention_out": a}), site="attention_out", measure="relative_norm")
    g = result.grid
    assert set(g.status[1]) == {"lacking"}
    assert set(g.reason[1]) == {"block 1 has no attention"}
    assert np.isnan(g.value[1]).all()
    assert np.isfinite(g.value[[0, 2]]).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", [0, 1])
def test_no_example_and_one_example_raise_nothing(n: int, measure: str) -> None:
    def drop(status: np.ndarray) -> None:
        status[n:, 0] = "missing"
        status[:n, 0] = "ok"
        status[0, 1] = "missing" if n == 0 else "ok"
        status[1:, 1] = "ok"

    inputs = with_status(make(n=3), drop)
    if n == 0:
        inputs = with_status(inputs, lambda status: status.__setitem__((0, 0), "ok"))
    g = compute(inputs, measure=measure).grid
    assert set(g.status.ravel()) == {"ok" if n else "too_few"}
    assert np.isfinite(g.value).all() == bool(n)
    assert np.isnan(g.low).all()


# ---------------------------------------------------------------- parameters and words


def test_one_head_is_read_out_of_its_part_of_the_width() -> None:
    inputs = make(n=20)
    a = replace(inputs.activations["residual"], site="head_out", heads=3)
    g = compute(replace(inputs, activations={"head_out": a}), site="head_out", head=2).grid
    np.testing.assert_allclose(g.value, np.linalg.norm(states(inputs)[..., 4:6], axis=-1).mean(axis=-1), rtol=1e-6)
    assert g.head == "2"
    assert "output of attention head 2" in g.quantity.sentence


def test_labels_are_needed_for_a_contrast_alone() -> None:
    assert ActivationGrid(layers=(1, 2)).needs() == Needs(frozenset({"residual"}), (1, 2))
    assert ActivationGrid(contrast="error").needs().labels


@pytest.mark.parametrize("measure", MEASURES)
def test_the_words_say_what_a_cell_is_and_what_it_is_not(measure: str) -> None:
    q = compute(make(n=10), measure=measure).grid.quantity
    assert q.sentence.startswith("Each cell is the mean ")
    assert q.sentence.endswith(".")
    assert q.caution.endswith(".")
    assert q.chance is None
    assert (q.low, q.high) == (0.0, None if measure == "norm" else 1.0)
    assert measure == "largest_share" or "not how much the model uses it" in q.caution


def test_cells_are_counted_as_they_are_done() -> None:
    seen: list[tuple[int, int]] = []
    compute(replace(make(n=10), progress=lambda done, total: seen.append((done, total))))
    assert seen == [(3, 9), (6, 9), (9, 9)]


def test_the_kind_is_known_by_its_name() -> None:
    assert known(GridKind)["activation"] is ActivationGrid
