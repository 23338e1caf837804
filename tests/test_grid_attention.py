from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from layergrid.artifacts import AttentionRows, CellStatus, GridResult, Positions
from layergrid.grids.attention import AttentionGrid
from layergrid.kinds import AttentionNeed, BadInput, GridKind, Inputs, Outline, known
from probe_inputs import make

NAMES = ("first", "last_q", "answer", "-1")
PLACES = ((0, 1), (5, 6), (7, 9), (10, 11))
LAYERS, HEADS, TOKENS, N = 3, 4, 11, 40


def weights(seed: int = 0) -> np.ndarray:
    """Causal attention [L, H, N, T, T] of every example."""
    scores = np.random.default_rng(seed).normal(size=(LAYERS, HEADS, N, TOKENS, TOKENS)) * 2
    scores = np.where(np.tril(np.ones((TOKENS, TOKENS), dtype=bool)), scores, -np.inf)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def read(need: AttentionNeed, own: np.ndarray) -> AttentionRows:
    """What the engine gives for a need, by plain loops over whole attention."""
    text = bool(need.text) or need.first
    keys = [(f"{t}:t{t % 3}", t, t + 1) for t in range(TOKENS)] if text else [
        (name, *PLACES[NAMES.index(name)]) for name in (NAMES if need.keys == ("*",) else need.keys)
    ]  # fmt: skip
    queries = [name for name in NAMES if name in need.queries]
    n = 1 if text else N
    own = own[:, :, :n]
    first = own[..., 0].copy()
    mass = own.sum(axis=-1)
    if need.sink == "drop":
        own = own.copy()
        own[..., 0] = 0
        own[..., 1:, :] /= own[..., 1:, :].sum(axis=-1, keepdims=True)
    spans = [PLACES[NAMES.index(name)] for name in queries]
    rows = np.stack([own[..., a:b, :].mean(axis=-2) for a, b in spans], axis=2)  # [L, H, Q, N, T]
    values = (
        np.stack([rows[..., a:b].sum(axis=-1) for _, a, b in keys], axis=3)
        if keys
        else np.zeros((*rows.shape[:3], 0, n))
    )
    attendable = np.array([[a < stop for _, a, _ in keys] for _, stop in spans], dtype=bool)
    attendable = np.repeat(attendable.reshape(len(queries), len(keys), 1), n, axis=2)
    values[:, :, ~attendable] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(rows > 0, rows * np.log(rows), 0).sum(axis=-1)
    entropy = entropy / np.log([max(2, stop - (need.sink == "drop")) for _, stop in spans])[:, None]
    names = tuple(name for name, _, _ in keys)
    return AttentionRows(
        layers=(1, 2, 3), heads=HEADS, queries=tuple(queries), keys=names,
        key_labels=tuple(name.partition(":")[2] for name in names) if text else names,
        example_ids=("q0000",) if text else tuple(f"q{i:04d}" for i in range(N)),
        values=values.astype(np.float32), entropy=entropy.astype(np.float32),
        first=np.stack([first[..., a:b].mean(axis=-1) for a, b in spans], axis=2).astype(np.float32),
        mass=np.stack([mass[..., a:b].mean(axis=-1) for a, b in spans], axis=2).astype(np.float32),
        attendable=attendable,
    )  # fmt: skip


def inputs(seed: int = 0) -> Inputs:
    made = make(n=N, group_size=2)
    start, stop = (np.tile(np.array(PLACES, np.int32)[:, end], (N, 1)) for end in (0, 1))
    where = Positions(NAMES, start, stop, np.full((N, len(NAMES)), "ok", dtype="<U12"))
    return replace(made, name="looks", positions=where, activations={})


def compute(given: Inputs | None = None, rows: Any = None, **options: Any) -> GridResult:
    kind = AttentionGrid(**options)
    given = given or inputs()
    need = kind.needs().attention
    assert need is not None
    found = read(need, weights())
    return kind.compute(replace(given, attention=rows(found) if rows else found))


def kept_rows(result: GridResult) -> list[int]:
    assert result.measured is not None
    return [int(name[1:]) for name in result.measured.example_ids]


def refused(message: str, **options: Any) -> None:
    with pytest.raises(ValidationError, match=message):
        AttentionGrid(**options)


# ---------------------------------------------------------------- the numbers


def test_it_is_a_grid_kind_whose_keys_from_and_to_name_positions() -> None:
    assert known(GridKind)["attention"] is AttentionGrid
    assert AttentionGrid.position_keys == ("from", "to")
    assert AttentionGrid.model_validate({"kind": "attention", "from": -1}).queries == ("-1",)


@pytest.mark.parametrize("heads", ["mean", "max", 2])
def test_a_cell_is_the_mean_over_examples_of_the_weight_joined_over_heads(heads: Any) -> None:
    result = compute(queries=("-1",), heads=heads)
    own = weights()[:, :, :, 10]  # [L, H, N, T]
    assert result.measured is not None
    for p, (a, b) in enumerate(PLACES):
        each = own[..., a:b].sum(axis=-1)
        one = {"mean": each.mean(axis=1), "max": each.max(axis=1), 2: each[:, 2]}[heads]
        np.testing.assert_allclose(result.measured.cells[:, p], one[:, kept_rows(result)], rtol=1e-5)
        np.testing.assert_allclose(result.grid.value[:, p], one.mean(axis=1), rtol=1e-5)
    assert result.grid.head == str(heads)
    assert (result.grid.status == "ok").all()
    assert (result.grid.low < result.grid.value).all()
    assert result.grid.metric == "weight"
    assert result.grid.site == "attention"


def test_each_head_stands_beside_the_mean_of_all() -> None:
    result = compute(queries=("-1",), heads="each")
    assert [(f.name, f.role, f.label) for f in result.grid.facets] == [(str(h), "head", f"head {h}") for h in range(4)]
    assert result.grid.head == "mean"
    np.testing.assert_allclose(np.mean([f.value for f in result.grid.facets], axis=0), result.grid.value, rtol=1e-5)
    one = compute(queries=("-1",), heads=3)
    np.testing.assert_allclose(result.grid.facets[3].value, one.grid.value, rtol=1e-6)
    np.testing.assert_allclose(result.grid.facets[3].low, one.grid.low, rtol=1e-6)


def test_a_key_after_the_query_is_not_attendable_and_holds_no_number() -> None:
    grid = compute(queries=("last_q",)).grid
    assert grid.status[0].tolist() == ["ok", "ok", "not_attendable", "not_attendable"]
    assert np.isnan(grid.value[:, 2:]).all()
    assert grid.reason[0, 2] == "answer comes after last_q in all examples"


def test_a_key_that_comes_after_the_query_in_some_examples_has_no_value_either() -> None:
    def some_later(found: AttentionRows) -> AttentionRows:
        able, values = found.attendable.copy(), found.values.copy()
        able[:, 2, :7], values[:, :, :, 2, :7] = False, np.nan
        return replace(found, attendable=able, values=values)

    grid = compute(rows=some_later, queries=("-1",)).grid
    assert grid.status[0, 2] == "not_attendable"
    assert grid.reason[0, 2] == "answer comes after -1 in 7 of 40 examples"
    assert grid.status[0, 1] == "ok"


def test_several_positions_that_look_are_averaged_over_those_that_can() -> None:
    result = compute(queries=("last_q", "-1"))
    early, late = (weights()[:, :, :, t].mean(axis=1) for t in (5, 10))
    np.testing.assert_allclose(result.grid.value[:, 0], ((early + late) / 2)[..., 0].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(result.grid.value[:, 2], late[..., 7:9].sum(axis=-1).mean(axis=1), rtol=1e-5)
    assert "from last_q and -1, averaged" in result.grid.quantity.sentence


def test_entropy_has_the_positions_that_look_as_its_axis() -> None:
    result = compute(queries=("last_q", "-1"), measure="entropy")
    assert result.grid.positions == ("last_q", "-1")
    for p, t in enumerate((5, 10)):
        row = weights()[:, :, :, t, : t + 1]
        wanted = -(row * np.log(row)).sum(axis=-1).mean(axis=1) / np.log(t + 1)
        np.testing.assert_allclose(result.grid.value[:, p], wanted.mean(axis=1), rtol=1e-5)
    assert result.grid.quantity.name == "attention entropy"


def test_entropy_of_one_token_alone_is_said_to_be_missing() -> None:
    def alone(found: AttentionRows) -> AttentionRows:
        return replace(found, entropy=np.full_like(found.entropy, np.nan))

    grid = compute(rows=alone, queries=("first",), measure="entropy").grid
    assert (grid.status == "missing").all()
    assert grid.reason[0, 0] == "there are fewer than two tokens to look at from there in all examples"


def test_without_the_first_token_the_position_that_is_it_has_no_value() -> None:
    grid = compute(queries=("-1",), sink="drop").grid
    assert grid.status[0].tolist() == ["missing", "ok", "ok", "ok"]
    assert "it is the first token, which is left out" in grid.reason[0, 0]
    own = weights()[:, :, :, 10, 1:]
    wanted = (own / own.sum(axis=-1, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(grid.value[:, 1], wanted[..., 4].mean(axis=1), rtol=1e-5)
    assert "the first token is left out, and the rest adds up to 1" in grid.quantity.sentence
    held = weights()[:, :, :, 10, 0].mean()
    assert grid.settings["methods"]["sink"].endswith(f"it held {held:.2f} of a row on average.")
    assert grid.settings["first_token_weight"] == pytest.approx(held, rel=1e-5)


def test_rows_that_add_up_to_less_than_one_are_told() -> None:
    def leaking(found: AttentionRows) -> AttentionRows:
        return replace(found, mass=found.mass * np.float32(0.9))

    assert "Rows add up to 0.90 on average" in compute(rows=leaking).grid.settings["methods"]["row_sum"]
    assert "row_sum" not in compute().grid.settings["methods"]


def test_a_contrast_is_the_difference_of_two_means() -> None:
    given = inputs()
    result = compute(given, queries=("-1",), contrast="error")
    own = weights()[:, :, :, 10].mean(axis=1)[..., 5]
    wrong = ~given.labels.correct
    np.testing.assert_allclose(
        result.grid.value[:, 1], own[:, wrong].mean(axis=1) - own[:, ~wrong].mean(axis=1), rtol=1e-4, atol=1e-7
    )
    assert result.grid.contrast == "wrong answers - right answers"
    assert [f.role for f in result.grid.facets] == ["class", "class"]
    assert AttentionGrid(contrast="error").needs().labels


def test_rows_count_only_where_the_position_that_looks_counts() -> None:
    given = inputs()
    status = given.positions.status.copy()
    status[:6, 3] = "truncated"
    given = replace(given, positions=replace(given.positions, status=status))
    result = compute(given, queries=("-1",), to=("last_q",))
    assert result.grid.positions == ("last_q",)
    assert sorted(kept_rows(result)) == list(range(6, 40))
    every = compute(given, queries=("-1",), to=("last_q",), statuses=("ok", "truncated"))
    assert len(kept_rows(every)) == 40


def test_a_position_that_looks_and_is_in_no_example_leaves_no_number() -> None:
    given = inputs()
    status = given.positions.status.copy()
    status[:, 3] = "missing"
    grid = compute(replace(given, positions=replace(given.positions, status=status)), queries=("-1",)).grid
    assert (grid.status == "missing").all()
    assert grid.reason[0, 0] == "no example that counts has -1, from which attention is read"


def test_layers_without_attention_are_lacking_with_their_reason() -> None:
    def hybrid(found: AttentionRows) -> AttentionRows:
        values = found.values.copy()
        values[1] = np.nan
        return replace(found, values=values, lacking={2: "a Mamba block has no attention"})

    grid = compute(rows=hybrid, queries=("-1",)).grid
    assert grid.status[:, 0].tolist() == ["ok", "lacking", "ok"]
    assert grid.reason[1, 3] == "a Mamba block has no attention"


def test_heads_that_a_layer_does_not_have_do_not_count() -> None:
    def fewer(found: AttentionRows) -> AttentionRows:
        values = found.values.copy()
        values[0, 2:] = np.nan
        return replace(found, values=values)

    own = weights()[0, :2, :, 10, 5]
    assert compute(rows=fewer, queries=("-1",)).grid.value[0, 1] == pytest.approx(own.mean(), rel=1e-5)
    highest = compute(rows=fewer, queries=("-1",), heads="max").grid.value[0, 1]
    assert highest == pytest.approx(own.max(axis=0).mean(), rel=1e-5)


# ---------------------------------------------------------------- one text


def test_the_tokens_of_a_text_are_the_axis_in_order_without_intervals() -> None:
    result = compute(queries=("-1",), text=True)
    grid = result.grid
    assert grid.positions == tuple(f"{t}:t{t % 3}" for t in range(TOKENS))
    assert grid.labels == tuple(f"t{t % 3}" for t in range(TOKENS))
    assert grid.text_of == "q0000"
    np.testing.assert_allclose(grid.value, weights()[:, :, 0, 10].mean(axis=1), rtol=1e-5)
    assert np.isnan(grid.low).all()
    assert np.isnan(grid.high).all()
    assert (grid.n == 1).all()
    assert result.measured is not None
    assert result.measured.example_ids == ("q0000",)
    assert (grid.settings["rows"], grid.settings["rows_in_all"]) == (1, 1)
    assert (grid.settings["dropped_correct"], grid.settings["dropped_wrong"]) == (0, 0)


def test_tokens_after_the_one_that_looks_are_not_attendable() -> None:
    grid = compute(queries=("last_q",), text="q0000").grid
    assert grid.status[0].tolist() == ["ok"] * 6 + ["not_attendable"] * 5
    assert grid.reason[0, 6] == "6:t0 comes after last_q in the example"


def test_a_text_with_every_head_has_a_map_for_each() -> None:
    grid = compute(queries=("-1",), text=True, heads="each").grid
    np.testing.assert_allclose(grid.facets[2].value, weights()[:, 2, 0, 10], rtol=1e-5)


def test_a_dropped_first_token_has_no_place_on_the_axis() -> None:
    grid = compute(queries=("-1",), text=True, sink="drop").grid
    assert grid.positions[0] == "1:t1"
    np.testing.assert_allclose(grid.value.sum(axis=1), 1, rtol=1e-5)


def test_a_part_of_a_longer_text_is_shown() -> None:
    grid = compute(queries=("-1",), text=True, tokens="3..5").grid
    assert grid.positions == ("3:t0", "4:t1", "5:t2")
    np.testing.assert_allclose(grid.value, weights()[:, :, 0, 10, 3:6].mean(axis=1), rtol=1e-5)


def test_a_text_with_more_tokens_than_an_axis_holds_is_refused_with_a_part_to_choose() -> None:
    def long(found: AttentionRows) -> AttentionRows:
        keys = tuple(f"{i}:x" for i in range(500))
        shape = (LAYERS, HEADS, 1, 500, 1)
        return replace(
            found, keys=keys, key_labels=("x",) * 500, values=np.zeros(shape, np.float32),
            attendable=np.ones((1, 500, 1), dtype=bool),
        )  # fmt: skip

    with pytest.raises(BadInput, match=r"500 tokens to show, and at most 400 fit on an axis; .* tokens: 0..399"):
        compute(rows=long, queries=("-1",), text=True)
    assert len(compute(rows=long, queries=("-1",), text=True, tokens="90..489").grid.positions) == 400
    with pytest.raises(BadInput, match="has 500 tokens, numbered from 0 to 499; none of them is shown by 600"):
        compute(rows=long, queries=("-1",), text=True, tokens="600..700")


def test_a_text_without_the_position_that_looks_has_no_numbers_and_says_so() -> None:
    def nothing(found: AttentionRows) -> AttentionRows:
        blank = {name: np.full_like(getattr(found, name), np.nan) for name in ("values", "entropy", "first", "mass")}
        return replace(found, **blank, attendable=np.zeros_like(found.attendable))

    grid = compute(rows=nothing, queries=("-1",), text=True).grid
    assert (grid.status == "missing").all()
    assert "has -1, from which attention is read" in grid.reason[0, 0]


# ---------------------------------------------------------------- what it asks for and what it says


def test_the_need_says_what_is_read() -> None:
    def need(**options: Any) -> AttentionNeed:
        found = AttentionGrid(**options).needs().attention
        assert found is not None
        return found

    assert need() == AttentionNeed(("last_q",), ("*",))
    assert need(to=("answer", "-1")).keys == ("answer", "-1")
    assert need(positions=("answer",)).keys == ("answer",)
    assert need(text=True) == AttentionNeed(("last_q",), first=True)
    assert need(text=17) == AttentionNeed(("last_q",), text="17")
    assert need(measure="entropy").keys == ()
    assert need(weighting="rollout", sink="drop", stack="decoder") == AttentionNeed(
        ("last_q",), ("*",), weighting="rollout", sink="drop", stack="decoder"
    )
    assert AttentionGrid(layers="2..3").needs().layers == "2..3"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "mean attention weight, averaged over the heads of one layer, from last_q on one token position"),
        (
            {"text": True},
            "attention weight, averaged over the heads of one layer, from last_q on one token of the",
        ),
        ({"heads": 3}, "mean attention weight of head 3 of one layer, from last_q on one token position"),
        ({"heads": "max"}, "mean attention weight, the highest over the heads of one layer, from last_q on one token"),
        ({"weighting": "value"}, "mean value-weighted attention, averaged over the heads of one layer, from last_q"),
        ({"weighting": "rollout"}, "mean attention rollout up to one layer, from last_q on one token position"),
        ({"measure": "entropy"}, "mean entropy of the attention weights, averaged over the heads of one layer, from"),
    ],
)
def test_the_sentence_says_what_a_cell_is(options: dict[str, Any], words: str) -> None:
    quantity = compute(**options).grid.quantity
    assert quantity.sentence.startswith(f"Each cell is the {words}")
    assert (quantity.low, quantity.high, quantity.claim) == (0.0, 1.0, "")
    assert "depend" in quantity.caution


def test_the_methods_define_the_weighting() -> None:
    methods = compute(weighting="value").grid.settings["methods"]
    assert "alpha_ij W_O v_j" in methods["value"]
    assert "biases of the projection are left out" in methods["value"]
    assert "(A + I) / 2" in compute(weighting="rollout").grid.settings["methods"]["rollout"]
    assert all(sentence.endswith(".") for sentence in methods.values())


def test_combinations_that_make_no_sense_are_refused() -> None:
    refused("entropy is that of attention weights", measure="entropy", weighting="value")
    refused("has no token that is looked at", measure="entropy", text=True)
    refused("has no token that is looked at", measure="entropy", to=("answer",))
    refused("the axis is the tokens of one example", text=True, to=("answer",))
    refused("has no contrast", text=True, contrast="error")
    refused("add 'text: true'", tokens="3..4")
    refused("rollout joins the heads", weighting="rollout", heads="each")
    refused("remove 'positions'", to=("answer",), positions=("answer",))
    refused("at least 1 item", queries=())
    refused("greater than or equal to 0", heads=-1)


def test_an_example_that_the_data_lack_is_named_before_a_model_runs() -> None:
    examples = inputs().examples
    with pytest.raises(BadInput, match="data set sums has no example 'q001'; did you mean 'q00"):
        AttentionGrid(text="q001").check(examples, "looks")
    with pytest.raises(BadInput, match="ids are such as 'q0000'; or write text: true"):
        AttentionGrid(text=77).check(examples, "looks")
    AttentionGrid(text="q0007").check(examples, "looks")
    AttentionGrid(text=True).check(examples, "looks")


def test_what_a_model_lacks_is_told_before_it_is_loaded() -> None:
    def told(message: str, outline: Outline, **options: Any) -> None:
        with pytest.raises(BadInput, match=message):
            AttentionGrid(**options).check_model(outline, "tiny", "looks")

    plain, pair = Outline(4, heads=8), Outline(4, encoder_layers=3, heads=8)
    told("grids.looks: model tiny has no attention", Outline(4, attention=False))
    told("grids.looks.heads: model tiny has no head 8; its heads go from 0 to 7", plain, heads=8)
    told("grids.looks.layers: model tiny has no layer 5", plain, layers=(5,))
    told("grids.looks.layers: layer 0 is the embedding, which has no attention; use 1 to 4", plain, layers=(0,))
    told("grids.looks.stack: model tiny has two stacks; write encoder or decoder", pair)
    told("grids.looks.stack: model tiny has one stack; leave out stack: encoder", plain, stack="encoder")
    told("grids.looks.layers: model tiny has no layer 4", pair, stack="encoder", layers=(4,))
    AttentionGrid(heads=7, layers="0..4").check_model(plain, "tiny", "looks")
    AttentionGrid(stack="decoder", layers=(4,)).check_model(pair, "tiny", "looks")


def test_a_head_that_the_model_turns_out_not_to_have_is_named() -> None:
    with pytest.raises(BadInput, match="model tiny has no head 4; its heads go from 0 to 3"):
        compute(heads=4)


def test_a_dumped_grid_reads_back_the_same() -> None:
    made = AttentionGrid(queries=("-1",), positions=("answer",))
    assert AttentionGrid.model_validate(made.model_dump()) == made
    assert CellStatus.NOT_ATTENDABLE.value == "not_attendable"
