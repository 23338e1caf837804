from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics.pairwise import cosine_similarity

import layergrid.grids.similarity as module
import probe_inputs
from layergrid.artifacts import GridResult, Positions, Sequences
from layergrid.grids.likeness import JACKKNIFE
from layergrid.grids.similarity import SimilarityGrid, with_layers_below
from layergrid.kinds import BadInput, GridKind, Inputs, LayerRange, chosen_layers, known
from layergrid.stats import grouped_mean
from probe_inputs import POSITIONS, permuted, with_status, with_values, with_wrong
from spec_texts import MINIMAL, error, read

MEASURES = ("cosine", "centred_cosine", "correlation", "cka")


def kind(**options: Any) -> SimilarityGrid:
    return SimilarityGrid.model_validate({"with": "last_q"} | options)


def compute(inputs: Inputs, **options: Any) -> GridResult:
    return kind(**options).compute(inputs)


def make(**more: Any) -> Inputs:
    """Inputs whose positions are one token each, the first at the first token."""
    inputs = probe_inputs.make(**more)
    start = np.tile(np.arange(len(inputs.positions.names), dtype=np.int32), (len(inputs.examples.ids), 1))
    return replace(inputs, positions=replace(inputs.positions, start=start, stop=start + 1))


def met(inputs: Inputs, rows: slice = slice(None)) -> Inputs:
    """The same where the last position is the token of the first in some rows, and its states are those as well."""
    start = inputs.positions.start.copy()
    start[rows, -1] = start[rows, 0]

    def same(values: np.ndarray) -> None:
        values[:, -1, rows] = values[:, 0, rows]

    return replace(with_values(inputs, same), positions=replace(inputs.positions, start=start, stop=start + 1))


def alike(n: int = 60, layers: int = 3, share: float = 0.8, **more: Any) -> Inputs:
    """States at every position share a part with the first one in the same row, and a direction with all rows."""
    inputs = make(n=n, layers=layers, **more)
    rng = np.random.default_rng(9)

    def mix(values: np.ndarray) -> None:
        values[:, 1:] += share * values[:, :1]
        values += 2 * rng.normal(size=values.shape[-1]).astype(np.float32)

    return with_values(inputs, mix)


def kept_rows(inputs: Inputs, result: GridResult) -> list[int]:
    assert result.measured is not None
    return [inputs.examples.ids.index(name) for name in result.measured.example_ids]


def wanted(measure: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The table of all pairs [n, n], as scikit-learn and numpy have it."""
    if measure == "centred_cosine":
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    elif measure == "correlation":
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    return np.asarray(cosine_similarity(x, y))


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("measure", ["cosine", "centred_cosine", "correlation"])
def test_each_row_is_compared_with_its_own_reference_and_with_those_of_other_groups(measure: str) -> None:
    inputs = alike(group_size=2)
    result = compute(inputs, measure=measure)
    kept, g = result.measured, result.grid
    assert kept is not None
    states = inputs.activations["residual"].values[:, :, kept_rows(inputs, result)].astype(np.float64)
    codes = np.unique(np.array(kept.groups), return_inverse=True)[1]
    apart = codes[:, None] != codes[None, :]
    facet = g.facets[0]
    for layer, position in ((0, 1), (2, 2)):
        table = wanted(measure, states[layer, position], states[layer, 0])
        np.testing.assert_allclose(kept.cells[layer, position], np.diag(table), atol=1e-6)
        assert facet.value[layer, position] == pytest.approx(table[apart].mean(), abs=1e-6)
        assert g.value[layer, position] == pytest.approx(np.diag(table).mean(), abs=1e-6)
    assert (facet.name, facet.role) == ("mismatched", "reference")
    assert facet.label == f"{measure.replace('_', ' ')} of mismatched examples"


def test_the_reference_position_is_compared_with_nothing() -> None:
    g = compute(alike()).grid
    assert set(g.status[:, 0]) == {"reference"}
    assert set(g.reason[:, 0]) == {"every state is compared with that at last_q"}
    assert np.isnan(g.value[:, 0]).all()
    assert np.isnan(g.facets[0].value[:, 0]).all()
    assert set(g.status[:, 1:].ravel()) == {"ok"}


def test_a_cell_stands_above_mismatched_examples_only_where_something_is_shared() -> None:
    for share, above in ((0.8, True), (0.0, False)):
        kept = compute(alike(n=300, share=share)).measured
        assert kept is not None
        gap = kept.cells[:, 1:].astype(np.float64) - kept.facets["mismatched"][:, 1:]
        low = grouped_mean(gap.reshape(6, 300), np.arange(300), 0.99).low
        assert (low > 0).all() == above
        assert kept.facets["mismatched"][:, 1:].mean() > 0.5  # the direction that all rows share


def test_the_centred_form_takes_away_what_all_rows_share() -> None:
    inputs = alike(n=300, share=0.0)
    assert (compute(inputs).grid.value[:, 1:] > 0.5).all()
    assert (np.abs(compute(inputs, measure="centred_cosine").grid.value[:, 1:]) < 0.12).all()


def test_cka_is_near_zero_for_independent_states_and_one_for_turned_ones() -> None:
    inputs = make(n=40, layers=2, width=400)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(400, 400)))[0].astype(np.float32)

    def turned(values: np.ndarray) -> None:
        values[:, 2] = 3 * values[:, 0] @ turn

    g = compute(with_values(inputs, turned), measure="cka").grid
    assert (np.abs(g.value[:, 1]) < 0.2).all()
    assert (g.low[:, 1] < 0).all()
    np.testing.assert_allclose(g.value[:, 2], 1.0, atol=1e-4)
    assert g.quantity.chance == 0.0
    assert g.facets == ()


def test_cka_rows_of_a_group_carry_its_pseudo_value_and_their_mean_is_the_cell() -> None:
    result = compute(alike(group_size=3), measure="cka")
    kept = result.measured
    assert kept is not None
    for group in set(kept.groups):
        mine = [i for i, name in enumerate(kept.groups) if name == group]
        assert len({float(v) for v in kept.cells[1, 1, mine]}) == 1
    codes = np.unique(np.array(kept.groups), return_inverse=True)[1]
    found = grouped_mean(kept.cells[1, 1][None], codes, 0.95)
    assert result.grid.value[1, 1] == pytest.approx(found.value[0])
    assert result.grid.low[1, 1] == pytest.approx(found.low[0])
    assert result.grid.settings["n_groups"] == 20
    assert result.grid.settings["group"] == "pair"


def test_many_groups_are_left_out_in_random_blocks_that_part_no_group() -> None:
    inputs = alike(n=500, group_size=2)
    result = compute(inputs, measure="cka")
    kept, found = result.measured, result.grid.settings
    assert kept is not None
    assert len(set(kept.groups)) == found["n_groups"] == JACKKNIFE
    assert found["groups_in_all"] == 250
    assert found["group"] == ""
    assert f"{JACKKNIFE} random blocks" in found["methods"]["jackknife"]
    blocks = dict(zip(kept.example_ids, kept.groups, strict=True))
    for i in range(0, 500, 2):
        assert blocks[f"q{i:04d}"] == blocks[f"q{i + 1:04d}"]
    sizes = np.unique(np.array(kept.groups), return_counts=True)[1]
    assert set(sizes) == {4, 6}


def test_a_contrast_of_cka_is_that_of_the_classes_by_themselves() -> None:
    inputs = alike(n=120)
    result = compute(inputs, measure="cka", contrast="error")
    one, other = result.grid.facets
    assert (one.name, other.name) == ("wrong answers", "right answers")
    wrong = ~inputs.labels.correct
    for facet, side in ((one, wrong), (other, ~wrong)):

        def drop(status: np.ndarray, side: np.ndarray = side) -> None:
            status[~side] = "missing"

        alone = compute(with_status(inputs, drop), measure="cka").grid
        np.testing.assert_allclose(facet.value[:, 1:], alone.value[:, 1:], atol=0.02)
    np.testing.assert_allclose(result.grid.value, one.value - other.value, atol=1e-6)


def test_mismatched_examples_of_a_contrast_come_from_the_same_class() -> None:
    inputs = alike(n=80)
    result = compute(inputs, contrast="error")
    kept = result.measured
    assert kept is not None
    states = inputs.activations["residual"].values[1][:, kept_rows(inputs, result)].astype(np.float64)
    means = []
    for side in (kept.labels, ~kept.labels):
        table = cosine_similarity(states[1][side], states[0][side])
        means.append((table.sum() - np.trace(table)) / (side.sum() * (side.sum() - 1)))
    facet = next(f for f in result.grid.facets if f.name == "mismatched")
    assert facet.value[1, 1] == pytest.approx(means[0] - means[1], abs=1e-6)
    assert result.grid.settings["methods"]["mismatched"].endswith("Pairs are made inside each class.")


def test_the_same_rows_in_another_order_give_the_same_bits() -> None:
    inputs = alike(n=60, group_size=2)
    for measure in MEASURES:
        first = compute(inputs, measure=measure)
        other = compute(permuted(inputs, np.random.default_rng(2).permutation(60)), measure=measure)
        assert first.grid.value.tobytes() == other.grid.value.tobytes()
        assert first.grid.low.tobytes() == other.grid.low.tobytes()


# ---------------------------------------------------------------- updates


def test_updates_are_compared_with_those_of_the_block_before() -> None:
    inputs = make(n=50, layers=4)
    result = SimilarityGrid(of="updates").compute(inputs)
    assert result.grid.layers == (2, 3)
    assert result.measured is not None
    states = inputs.activations["residual"].values[:, :, kept_rows(inputs, result)].astype(np.float64)
    for i, layer in enumerate((2, 3)):
        for p in range(3):
            update, before = states[layer, p] - states[layer - 1, p], states[layer - 1, p] - states[layer - 2, p]
            table = cosine_similarity(update, before)
            np.testing.assert_allclose(result.measured.cells[i, p], np.diag(table), atol=1e-6)
            apart = (table.sum() - np.trace(table)) / (50 * 49)
            assert result.grid.facets[0].value[i, p] == pytest.approx(apart, abs=1e-6)
    assert set(result.grid.status.ravel()) == {"ok"}
    assert "the block before adds there" in result.grid.quantity.sentence


@pytest.mark.parametrize(("measure", "name"), [("cosine", "cosine of updates"), ("cka", "debiased CKA of updates")])
def test_the_name_of_what_a_cell_holds_tells_updates_from_states(measure: str, name: str) -> None:
    updates, states = (kind(measure=measure, of=of) for of in ("updates", "states"))
    assert module.quantity(updates).name == name
    assert module.quantity(states).name == name.removesuffix(" of updates")
    facets = compute(alike(), measure="cosine", of="updates").grid.facets
    assert facets[0].label == "cosine of updates in mismatched examples"


@pytest.mark.parametrize("measure", MEASURES)
def test_beside_a_reference_nothing_is_told_of_the_other_positions_among_themselves(measure: str) -> None:
    told = "Each position is compared with last_q only; how alike the other positions are to each other is not told."
    assert module.quantity(kind(measure=measure)).caution.endswith(told)
    assert "only" not in module.quantity(SimilarityGrid(of="updates")).caution


def test_updates_may_be_compared_with_those_at_a_reference() -> None:
    inputs = make(n=50, layers=3)
    result = compute(inputs, of="updates")
    assert result.grid.layers == (1, 2)
    assert set(result.grid.status[:, 0]) == {"reference"}
    assert result.measured is not None
    states = inputs.activations["residual"].values[:, :, kept_rows(inputs, result)].astype(np.float64)
    table = cosine_similarity(states[2, 1] - states[1, 1], states[2, 0] - states[1, 0])
    np.testing.assert_allclose(result.measured.cells[1, 1], np.diag(table), atol=1e-6)


@pytest.mark.parametrize("choice", ["all", "3..6", "6..3", (0, 1, 5), LayerRange(start=2, every=4), LayerRange(to=3)])
@pytest.mark.parametrize("reference", ["", "last_q"])
def test_needs_ask_for_all_layers_below_those_chosen(choice: Any, reference: str) -> None:
    grid = SimilarityGrid(of="updates", layers=choice, reference=reference)
    asked = set(chosen_layers(grid.needs().layers, 8, "tiny"))
    for layer in chosen_layers(choice, 8, "tiny"):
        assert {layer - k for k in range(grid.below + 1) if layer >= k} <= asked
    assert with_layers_below(choice, 0) == choice


def test_only_the_chosen_layers_become_rows_of_the_grid() -> None:
    inputs = make(n=20, layers=7)
    a = inputs.activations["residual"]
    for choice, layers in (((3, 5), (3, 5)), (LayerRange(start=2, every=2), (2, 4, 6)), ("0..3", (2, 3))):
        grid = SimilarityGrid(of="updates", layers=choice)
        read = [i for i in a.layers if i in chosen_layers(grid.needs().layers, 6, "tiny")]
        given = replace(a, layers=tuple(read), values=a.values[read])
        assert grid.compute(replace(inputs, activations={"residual": given})).grid.layers == layers


@pytest.mark.parametrize("choice", [(0, 1), "1..0", LayerRange(to=1)])
def test_layers_without_any_below_are_refused(choice: Any) -> None:
    with pytest.raises(ValidationError, match="updates start at layer 2, and 'layers' goes up to 1"):
        SimilarityGrid(of="updates", layers=choice)
    assert compute(make(n=10), of="updates", layers=choice).grid.layers == (1,)


def test_a_model_without_the_layers_below_is_refused() -> None:
    with pytest.raises(BadInput, match=r"grids\.errors\.layers: no layer chosen has two layers below .* at layer 2"):
        SimilarityGrid(of="updates").compute(make(n=10, layers=2))


# ---------------------------------------------------------------- statuses


def test_rows_need_the_reference_position_too() -> None:
    def gone(status: np.ndarray) -> None:
        status[:5, 0] = "truncated"

    g = compute(with_status(alike(n=40), gone)).grid
    assert g.settings["rows"] == 35


def test_a_reference_that_no_example_has_leaves_nothing() -> None:
    def gone(status: np.ndarray) -> None:
        status[:, 0] = "missing"

    result = compute(with_status(alike(n=20), gone))
    assert set(result.grid.status.ravel()) == {"missing"}
    assert set(result.grid.reason.ravel()) == {
        "no example has the reference position last_q with a status that counts"
    }  # fmt: skip


def test_a_reference_outside_the_grid_counts_by_its_own_status() -> None:
    inputs = alike(n=30)
    whole = inputs.positions

    def only(names: tuple[str, ...], status: np.ndarray) -> Positions:
        columns = [POSITIONS.index(name) for name in names]
        return Positions(names, whole.start[:, columns], whole.stop[:, columns], status[:, columns])

    status = whole.status.copy()
    status[:4, 0] = "truncated"
    some = replace(inputs, positions=only(("-1",), status), all_positions=only(POSITIONS, status))
    g = compute(some).grid
    assert (g.positions, g.settings["rows"]) == (("-1",), 26)
    assert set(g.status.ravel()) == {"ok"}
    inside = compute(replace(inputs, positions=only(POSITIONS, status))).grid
    np.testing.assert_array_equal(g.value[:, 0], inside.value[:, 2])


def test_an_unknown_reference_is_named_with_those_that_are_there() -> None:
    with pytest.raises(BadInput, match=r"grids\.errors\.with: no position is named 'lastq'; known: last_q, exact"):
        compute(make(n=10), **{"with": "lastq"})


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        ("cosine", "1 of 30 examples have a state that is zero, so that it has no direction"),
        (
            "correlation",
            "1 of 30 examples have a state that is the same in all dimensions, so that it has no direction",
        ),
    ],
)
def test_a_state_without_a_direction_leaves_its_cell_without_a_value(measure: str, reason: str) -> None:
    def flatten(values: np.ndarray) -> None:
        values[1, 1, 7] = 0 if measure == "cosine" else 2

    g = compute(with_values(alike(n=30), flatten), measure=measure).grid
    assert (g.status[1, 1], g.reason[1, 1]) == ("constant", reason)
    assert np.isnan(g.facets[0].value[1, 1])
    assert np.isfinite(g.value[1, 2])


@pytest.mark.parametrize("measure", ["centred_cosine", "cka"])
def test_states_that_are_the_same_in_all_examples_are_constant(measure: str) -> None:
    def same(values: np.ndarray) -> None:
        values[0, 2] = values[0, 2, 0]

    inputs = with_values(alike(n=30), same)
    g = compute(inputs, measure=measure).grid
    reason = "the states are the same in all compared examples, here or at last_q"
    assert (g.status[0, 2], g.reason[0, 2]) == ("constant", reason)
    assert set(g.status[1:, 1:].ravel()) == {"ok"}
    assert set(compute(inputs).grid.status[:, 2]) == {"ok"}  # the plain cosine is defined


@pytest.mark.parametrize("measure", MEASURES)
def test_states_that_are_no_numbers_spoil_their_cells_and_are_counted(measure: str) -> None:
    def spoil(values: np.ndarray) -> None:
        values[1, 1, 4, 0] = np.nan
        values[2, 0, 8, 0] = np.inf  # in the reference: nothing in that layer can be compared

    g = compute(with_values(alike(n=30), spoil), measure=measure).grid
    assert g.status.tolist() == [["reference", "ok", "ok"], ["reference", "not_finite", "ok"],
                                 ["reference", "not_finite", "not_finite"]]  # fmt: skip
    assert g.reason[1, 1] == "1 of 30 examples have NaN or infinite values"


@pytest.mark.parametrize("measure", MEASURES)
def test_one_group_has_values_without_intervals_or_mismatched_examples(measure: str) -> None:
    inputs = alike(n=12)
    one = replace(inputs, examples=replace(inputs.examples, groups=("g",) * 12))
    g = compute(one, measure=measure).grid
    assert np.isfinite(g.value[:, 1:]).all()
    assert np.isnan(g.low).all()
    assert g.facets == ()
    assert "mismatched" not in g.settings["methods"]


def test_one_example_has_cosines_and_no_cka() -> None:
    g = compute(alike(n=1)).grid
    assert np.isfinite(g.value[:, 1:]).all()
    assert set(compute(alike(n=1), measure="centred_cosine").grid.status[:, 1]) == {"constant"}
    assert set(compute(alike(n=1), measure="cka").grid.status[:, 1]) <= {"constant", "too_few"}


def test_few_examples_outside_a_group_are_too_few_for_cka() -> None:
    g = compute(alike(n=6, group_size=3), measure="cka").grid
    assert set(g.status[:, 1:].ravel()) == {"too_few"}
    assert g.reason[0, 1].startswith("debiased CKA needs 4 examples outside each group")


@pytest.mark.parametrize("measure", MEASURES)
def test_a_contrast_of_one_class_is_named(measure: str) -> None:
    g = compute(with_wrong(alike(n=30), np.ones(30, dtype=bool)), measure=measure, contrast="error").grid
    assert set(g.status[:, 1:].ravel()) == {"one_class"}
    assert set(g.reason[:, 1:].ravel()) == {"all 30 compared examples are wrong answers"}


def test_positions_that_never_count_at_once_leave_too_few() -> None:
    def clash(status: np.ndarray) -> None:
        status[::2, 1] = "missing"
        status[1::2, 2] = "missing"

    for measure in MEASURES:
        g = compute(with_status(alike(n=10), clash), measure=measure).grid
        assert set(g.status[:, 1:].ravel()) == {"too_few"}
        assert np.isnan(g.value).all()


def test_a_position_that_is_never_there_together_with_the_reference_is_left_out() -> None:
    def clash(status: np.ndarray) -> None:
        status[::2, 0] = "missing"
        status[1::2, 1] = "missing"

    g = compute(with_status(alike(n=20), clash)).grid
    assert set(g.status[:, 1]) == {"missing"}
    assert set(g.reason[:, 1]) == {"no example with this position has what the grid reads there"}
    assert (g.settings["rows"], set(g.status[:, 2])) == (10, {"ok"})


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("of", ["states", "updates"])
def test_a_position_on_the_references_token_in_every_row_is_compared_with_itself(measure: str, of: str) -> None:
    g = compute(met(alike(n=30)), measure=measure, of=of).grid
    assert set(g.status[:, 2]) == {"reference"}
    assert set(g.reason[:, 2]) == {"the same token as last_q in every compared example"}
    assert np.isnan(g.value[:, 2]).all()
    assert set(g.status[:, 1]) == {"ok"}


def test_a_position_that_is_elsewhere_in_one_compared_row_is_compared() -> None:
    g = compute(met(alike(n=30), slice(1, None))).grid
    assert set(g.status[:, 2]) == {"ok"}

    def gone(status: np.ndarray) -> None:
        status[0, 1] = "missing"

    g = compute(with_status(met(alike(n=30), slice(1, None)), gone)).grid  # the row is not among those compared
    assert set(g.status[:, 2]) == {"reference"}


def test_a_reference_outside_the_grid_is_known_by_its_token_too() -> None:
    inputs = met(alike(n=30))
    whole = inputs.positions
    last = Positions(("-1",), whole.start[:, 2:], whole.stop[:, 2:], whole.status[:, 2:])
    assert set(compute(replace(inputs, positions=last, all_positions=whole)).grid.status.ravel()) == {"reference"}


def test_of_rows_without_known_tokens_no_position_is_taken_for_the_reference() -> None:
    inputs = met(alike(n=30))
    g = compute(replace(inputs, sequences=Sequences.none(inputs.examples.ids))).grid
    assert set(g.status[:, 2]) == {"ok"}


def test_updates_of_successive_blocks_are_compared_on_any_token() -> None:
    assert set(SimilarityGrid(of="updates").compute(met(alike(n=30, layers=4))).grid.status.ravel()) == {"ok"}


# ---------------------------------------------------------------- parameters and words


def test_states_need_something_to_be_compared_with() -> None:
    with pytest.raises(ValidationError, match="'with' is missing"):
        SimilarityGrid()


def test_a_spec_names_the_reference_under_with() -> None:
    def grid(written: str) -> Any:
        return read(MINIMAL.replace("errors: probe", f"errors: {written}")).grids["errors"]

    assert grid("{kind: similarity, with: -1}").reference == "-1"
    assert grid("{kind: similarity, with: last_q, positions: [-2, -1]}").positions == ("-2", "-1")
    found = error(MINIMAL.replace("errors: probe", "errors: {kind: similarity, with: lastq}"))
    assert "no position 'lastq'" in found
    assert "did you mean 'last_q'?" in found
    assert "'with' is missing" in error(MINIMAL.replace("errors: probe", "errors: similarity"))


def test_updates_are_of_the_residual_stream() -> None:
    with pytest.raises(ValidationError, match="remove 'site: mlp_out'"):
        SimilarityGrid(of="updates", site="mlp_out")
    assert SimilarityGrid(of="updates", site="decoder.residual").below == 2


@pytest.mark.parametrize("measure", MEASURES)
def test_the_words_say_what_is_compared_with_what(measure: str) -> None:
    q = compute(alike(n=20), measure=measure).grid.quantity
    assert q.sentence.startswith("Each cell is the ")
    assert "at one token position and at last_q, in one layer" in q.sentence
    assert q.high == 1.0
    assert q.low == (0.0 if measure == "cka" else -1.0)
    assert q.caution


def test_a_contrast_needs_labels_and_states_do_not() -> None:
    assert kind(contrast="error").needs().labels
    assert not kind().needs().labels


def test_the_kind_and_the_key_that_names_a_position_are_known() -> None:
    assert known(GridKind)["similarity"] is SimilarityGrid
    assert SimilarityGrid.position_keys == ("with",)
    assert kind().reference == "last_q"
