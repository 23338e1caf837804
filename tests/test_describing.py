from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layergrid.artifacts import CellStatus, Facet, GridResult, Labels, Quantity, Sequences
from layergrid.describing import FacetRows, Rows, contrasted, describe, rows
from layergrid.kinds import BadInput, Inputs
from layergrid.stats import grouped_gap, grouped_mean, grouped_median
from probe_inputs import POSITIONS, make, permuted, with_status, with_wrong

NORM = Quantity(
    name="norm", sentence="Each cell is the mean norm.", subject="states", claim="large", low=0.0, high=None,
    chance=None, caution="Size is no use.",
)  # fmt: skip
SHARE = replace(NORM, name="share", high=1.0)
LAYERS = (0, 1, 2)


def present(inputs: Inputs) -> np.ndarray:
    return np.asarray(inputs.activations["residual"].present)


def norms(inputs: Inputs, index: np.ndarray) -> np.ndarray:
    """Something that differs from cell to cell and from row to row: norms [L, P, n]."""
    return np.asarray(np.linalg.norm(inputs.activations["residual"].values[:, :, index], axis=-1))


def described(inputs: Inputs, values: np.ndarray | None = None, contrast: Any = "none", **more: Any) -> GridResult:
    chosen = rows(inputs, present(inputs), ["ok"], contrast)
    values = norms(inputs, chosen.index) if values is None else values
    return describe(
        inputs, kind="activation", site="residual", metric="norm", layers=LAYERS, values=values, rows=chosen,
        **{"level": 0.95, "quantity": NORM, "contrast": contrast} | more,
    )  # fmt: skip


def again(result: GridResult, cell: tuple[int, int], **more: Any) -> tuple[float, float, float]:
    """A cell's value and interval made anew from nothing but the kept rows."""
    kept = result.measured
    assert kept is not None
    codes = np.unique(np.array(kept.groups), return_inverse=True)[1]
    x = kept.cells[cell][None].astype(np.float64)
    found = grouped_gap(x, kept.labels, codes, 0.95) if result.grid.contrast else grouped_mean(x, codes, 0.95)
    return float(found.value[0]), float(found.low[0]), float(found.high[0])


def shown(result: GridResult, cell: tuple[int, int]) -> tuple[float, float, float]:
    g = result.grid
    return float(g.value[cell]), float(g.low[cell]), float(g.high[cell])


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("contrast", ["none", "error"])
def test_the_kept_rows_suffice_to_make_every_cell_anew(contrast: str) -> None:
    result = described(make(group_size=2), contrast=contrast)
    assert result.measured is not None
    assert result.measured.cells.dtype == np.float32
    for cell in np.ndindex(3, 3):
        assert shown(result, cell) == pytest.approx(again(result, cell), rel=1e-12)


def test_a_contrast_subtracts_right_answers_from_wrong_ones_and_shows_both() -> None:
    inputs = make(group_size=2)
    result = described(inputs, contrast="error")
    g, wrong = result.grid, ~inputs.labels.correct
    values = norms(inputs, np.arange(160)).astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(g.value, values[..., wrong].mean(axis=-1) - values[..., ~wrong].mean(axis=-1))
    assert g.contrast == "wrong answers - right answers"
    assert (g.n_positive == wrong.sum()).all()
    assert [(f.name, f.role, f.label) for f in g.facets] == [
        ("wrong answers", "class", "wrong answers"), ("right answers", "class", "right answers"),
    ]  # fmt: skip
    np.testing.assert_allclose(g.facets[0].value - g.facets[1].value, g.value, atol=1e-12)
    codes = np.array([inputs.examples.groups.index(name) for name in inputs.examples.groups])
    one = grouped_mean(values[1, 1][None, wrong], codes[wrong], 0.95)
    assert g.facets[0].low[1, 1] == pytest.approx(one.low[0])
    assert g.facets[0].high[1, 1] == pytest.approx(one.high[0])


def test_a_contrast_the_other_way_round_turns_sign_and_words() -> None:
    one, other = (described(make(), contrast=c) for c in ("error", "correct"))
    np.testing.assert_allclose(one.grid.value, -other.grid.value, atol=1e-12)
    np.testing.assert_allclose(one.grid.low, -other.grid.high, atol=1e-12)
    assert other.grid.contrast == "right answers - wrong answers"


def test_a_label_column_names_the_classes_of_a_contrast() -> None:
    inputs = make()
    labels = replace(inputs.labels, classes=("false statements", "true statements"))
    g = described(replace(inputs, labels=labels), contrast="label").grid
    assert g.contrast == "true statements - false statements"
    assert g.quantity.positive == "true statements"
    assert (
        g.quantity.sentence == "Each cell is the difference, true statements minus false statements, in the mean norm."
    )


def test_medians_come_with_the_seed_of_the_study() -> None:
    inputs = make(group_size=2)
    result = described(inputs, statistic="median")
    kept = result.measured
    assert kept is not None
    assert kept.statistic == "median"
    codes = np.unique(np.array(kept.groups), return_inverse=True)[1]
    found = grouped_median(kept.cells[2, 1][None], codes, 0.95, inputs.seed)
    assert shown(result, (2, 1)) == pytest.approx((found.value[0], found.low[0], found.high[0]), rel=1e-12)
    assert described(replace(inputs, seed=5), statistic="median").grid.low[2, 1] != result.grid.low[2, 1]
    assert result.grid.settings["resamples"] == 1000
    assert result.grid.settings["statistic"] == "median"


# ---------------------------------------------------------------- ties


@pytest.mark.parametrize("less", [False, True])
def test_a_cell_ties_with_the_best_where_the_paired_difference_holds_zero(less: bool) -> None:
    inputs = make(n=80)
    rng = np.random.default_rng(0)
    own = 5 * rng.normal(size=80)  # rows differ far more than cells: unpaired intervals would tell nothing apart
    means = np.array([[0.0, 0.1, 1.0], [3.0, 2.99, 1.0], [2.0, 0.0, 0.0]])
    values = (-means if less else means)[..., None] + own + 0.2 * rng.normal(size=(3, 3, 80))
    quantity = replace(NORM, higher_is="less" if less else "more", low=None)
    g = described(inputs, values, quantity=quantity).grid
    assert g.tied_with_best.tolist() == [[False] * 3, [True, True, False], [False] * 3]


def test_ties_are_those_of_row_differences_in_a_contrast_too() -> None:
    result = described(make(n=100, strength=2.0), contrast="error")
    kept, g = result.measured, result.grid
    assert kept is not None
    best = np.unravel_index(int(np.argmax(g.value)), g.value.shape)
    for cell in np.ndindex(3, 3):
        gap = grouped_gap(
            (kept.cells[best].astype(float) - kept.cells[cell])[None], kept.labels, np.arange(100), 0.95
        )  # fmt: skip
        assert g.tied_with_best[cell] == (cell == best or not gap.low[0] > 0)


def test_without_intervals_nothing_can_be_told_from_the_best() -> None:
    inputs = make(n=6, group_size=6)
    g = described(inputs).grid
    assert np.isfinite(g.value).all()
    assert np.isnan(g.low).all()
    assert (g.status == "ok").all()
    assert g.tied_with_best.all()


# ---------------------------------------------------------------- statuses


def test_one_example_has_values_without_intervals() -> None:
    g = described(make(n=1)).grid
    assert np.isfinite(g.value).all()
    assert np.isnan(g.low).all()
    assert np.isnan(g.high).all()
    assert (g.status == "ok").all()
    assert (g.n == 1).all()


def test_rows_that_are_not_finite_spoil_their_cell_alone_and_are_counted() -> None:
    inputs = make(n=50)
    values = norms(inputs, np.arange(50))
    values[1, 2, 3], values[1, 2, 7] = np.nan, np.inf
    result = described(inputs, values)
    assert (result.grid.status[1, 2], result.grid.reason[1, 2]) == (
        "not_finite", "2 of 50 examples have NaN or infinite values",
    )  # fmt: skip
    assert np.isnan(result.grid.value[1, 2])
    assert result.measured is not None
    assert np.isnan(result.measured.cells[1, 2]).all()
    assert np.count_nonzero(result.grid.status == "ok") == 8
    assert not result.grid.tied_with_best[1, 2]


def test_a_position_that_no_example_has_is_missing_and_drops_no_row() -> None:
    def gone(status: np.ndarray) -> None:
        status[:, 2] = "truncated"
        status[0, 2] = "missing"

    g = described(with_status(make(n=50), gone)).grid
    reason = "no example has this position with status ok: 1 missing, 49 truncated"
    assert g.status[:, 2].tolist() == ["missing"] * 3
    assert g.reason[0, 2] == reason
    assert g.n.tolist() == [[50, 50, 0]] * 3
    assert g.settings["positions_left_out"] == ["-1"]


def test_a_position_whose_token_the_site_does_not_read_is_missing_too() -> None:
    inputs = make(n=20)
    a = inputs.activations["residual"]
    there = a.present.copy()
    there[:, 0] = False
    g = described(replace(inputs, activations={"residual": replace(a, present=there)})).grid
    assert set(g.status[:, 0]) == {"missing"}
    assert g.reason[0, 0] == "no example with this position has what the grid reads there"


def test_rows_that_never_count_everywhere_at_once_leave_too_few() -> None:
    def clash(status: np.ndarray) -> None:
        status[::2, 0] = "missing"
        status[1::2, 1] = "missing"

    result = described(with_status(make(n=30), clash), contrast="error")
    assert set(result.grid.status.ravel()) == {"too_few"}
    assert set(result.grid.reason.ravel()) == {"no example counts at all compared positions at once"}
    assert result.measured is not None
    assert result.measured.cells.shape == (3, 3, 0)


def test_a_contrast_of_one_class_is_named() -> None:
    g = described(with_wrong(make(n=30), np.zeros(30, dtype=bool)), contrast="error").grid
    assert set(g.status.ravel()) == {"one_class"}
    assert set(g.reason.ravel()) == {"all 30 compared examples are right answers"}
    assert np.isnan(g.value).all()
    assert np.isnan(g.facets[1].value).all()


def test_a_class_in_one_group_leaves_a_contrast_without_intervals() -> None:
    g = described(with_wrong(make(n=30, group_size=3), np.arange(30) < 3), contrast="error").grid
    assert np.isfinite(g.value).all()
    assert np.isnan(g.low).all()
    assert set(g.status.ravel()) == {"ok"}


def test_a_kinds_own_statuses_go_before_all_others() -> None:
    inputs = make(n=30)
    values = norms(inputs, np.arange(30))
    own = {(0, p): (CellStatus.LACKING, "no attention here") for p in range(3)}
    g = described(inputs, values, cell_status=own | {(2, 1): (CellStatus.REFERENCE, "itself")}).grid
    assert set(g.status[0]) == {"lacking"}
    assert (g.status[2, 1], g.reason[2, 1]) == ("reference", "itself")
    assert np.isnan(g.value[0]).all()
    assert np.isnan(g.value[2, 1])
    assert np.isfinite(g.value[1]).all()


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values of shape \(3, 3, 5\), expected \(3, 3, 30\)"):
        described(make(n=30), np.zeros((3, 3, 5)))


# ---------------------------------------------------------------- rows


def test_rows_without_a_counting_status_at_every_position_are_dropped_and_counted_by_label() -> None:
    inputs = make(n=60)
    wrong, right = np.flatnonzero(~inputs.labels.correct)[:7], np.flatnonzero(inputs.labels.correct)[:3]

    def drop(status: np.ndarray) -> None:
        status[wrong, 1] = "collapsed"
        status[right, 0] = "in_prompt"

    changed = with_status(inputs, drop)
    found = described(changed).grid.settings
    assert [found[k] for k in ("rows", "rows_in_all", "dropped_correct", "dropped_wrong")] == [50, 60, 3, 7]
    assert len(rows(changed, present(changed), ["ok", "collapsed", "in_prompt"]).index) == 60


def test_without_labels_rows_are_dropped_without_classes_and_a_contrast_is_refused() -> None:
    inputs = make(n=20)
    nothing = Labels("", "", np.full((20, 2), -1), (None,) * 20, np.zeros(20, dtype=bool), ("",) * 20, ("", ""))
    inputs = replace(inputs, labels=nothing)
    g = described(inputs).grid
    assert "dropped_wrong" not in g.settings
    assert (g.n_positive == 0).all()
    with pytest.raises(BadInput, match=r"grids\.errors\.contrast: data set sums has no labels to contrast"):
        described(inputs, contrast="error")


def test_the_same_rows_in_another_order_give_the_same_bits() -> None:
    inputs = make(n=60, group_size=2)
    for options in ({}, {"contrast": "error"}, {"statistic": "median"}):
        first = described(inputs, **options)
        other = described(permuted(inputs, np.random.default_rng(3).permutation(60)), **options)
        for name in ("value", "low", "high", "tied_with_best"):
            assert getattr(first.grid, name).tobytes() == getattr(other.grid, name).tobytes()
        assert first.measured is not None
        assert other.measured is not None
        assert first.measured.example_ids == other.measured.example_ids
        assert first.measured.cells.tobytes() == other.measured.cells.tobytes()


def test_examples_without_tokens_are_ordered_by_their_ids() -> None:
    inputs = make(n=40)
    bare = replace(inputs, sequences=Sequences.none(inputs.examples.ids))
    turned = permuted(inputs, np.random.default_rng(1).permutation(40))
    turned = replace(turned, sequences=Sequences.none(turned.examples.ids))

    def ids(one: Inputs) -> list[str]:
        return [one.examples.ids[i] for i in rows(one, present(one), ["ok"]).index]

    assert ids(bare) == ids(turned)
    assert sorted(ids(bare)) == sorted(inputs.examples.ids)


# ---------------------------------------------------------------- facets, settings, words


def facet(result: GridResult, name: str) -> Facet:
    return next(f for f in result.grid.facets if f.name == name)


def test_facets_of_heads_and_references_are_kept_row_by_row() -> None:
    inputs = make(n=40)
    rng = np.random.default_rng(0)
    more = rng.normal(size=(3, 3, 40))
    more[0, 1, 5] = np.nan
    for contrast in ("none", "error"):
        result = described(
            inputs, contrast=contrast, facets=(FacetRows("2", "head", "head 2", more),),
            cell_status={(2, 2): (CellStatus.REFERENCE, "itself")},
        )  # fmt: skip
        kept = result.measured
        assert kept is not None
        one = facet(result, "2")
        assert (one.role, one.label) == ("head", "head 2")
        assert np.isnan([one.value[0, 1], one.low[0, 1], one.value[2, 2]]).all()
        assert np.isnan(kept.facets["2"][0, 1]).all()
        assert np.isnan(kept.facets["2"][2, 2]).all()
        x = kept.facets["2"][1, 1].astype(np.float64)
        wanted = x[kept.labels].mean() - x[~kept.labels].mean() if contrast == "error" else x.mean()
        assert one.value[1, 1] == pytest.approx(wanted)


def test_settings_say_how_everything_was_made() -> None:
    inputs = make(n=60, group_size=2)
    found = described(inputs, contrast="error", settings={"methods": {"measure": "Norms are Euclidean."}}).grid.settings
    assert found["group"] == "pair"
    assert found["n_groups"] == 30
    assert found["statuses"] == ["ok"]
    assert found["level"] == 0.95
    assert found["seed"] == 0
    assert found["statistic"] == "mean"
    assert found["contrast"] == "error"
    assert found["methods"] == {"measure": "Norms are Euclidean."}
    assert "min(G1, G0) - 1 degrees of freedom" in found["interval"]
    assert "resamples" not in found


def test_intervals_beyond_the_range_are_counted_and_not_cut() -> None:
    inputs = make(n=20)
    values = np.full((3, 3, 20), 0.5) + 0.01 * np.random.default_rng(0).normal(size=(3, 3, 20))
    values[1, 1] = np.arange(20) == 0  # mean 0.05: the interval reaches below 0
    g = described(inputs, values, quantity=SHARE).grid
    assert g.low[1, 1] < 0
    assert g.settings["beyond_range"] == 1


def test_a_contrast_makes_a_quantity_of_differences() -> None:
    words = ("wrong answers", "right answers")
    one = contrasted(SHARE, words)
    assert (one.low, one.high, one.chance, one.name) == (-1.0, 1.0, 0.0, "difference in share")
    assert one.sentence == "Each cell is the difference, wrong answers minus right answers, in the mean norm."
    assert one.caution == SHARE.caution
    assert (contrasted(NORM, words).low, contrasted(NORM, words).high) == (None, None)
    other = contrasted(replace(NORM, sentence="Cells hold norms.", higher_is="less"), words)
    assert other.sentence == "Cells hold norms, for wrong answers minus that for right answers."
    assert other.higher_is == "more"


def test_a_grid_of_one_text_keeps_its_labels() -> None:
    g = described(make(n=1), labels=("The", " cat", "\n"), text_of="q0000").grid
    assert (g.labels, g.text_of, g.positions) == (("The", " cat", "\n"), "q0000", POSITIONS)


def test_rows_speak_of_a_contrast_only_where_there_is_one() -> None:
    inputs = make(n=20)
    assert not rows(inputs, present(inputs), ["ok"]).contrasts
    chosen: Rows = rows(inputs, present(inputs), ["ok"], "correct")
    assert chosen.contrasts
    assert chosen.words == ("right answers", "wrong answers")
    np.testing.assert_array_equal(chosen.labels, inputs.labels.correct[chosen.index])
