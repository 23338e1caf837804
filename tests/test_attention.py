from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import families
from families import DECODERS, ENCODERS, HYBRIDS, PAIRS
from layergrid.artifacts import AttentionRows, Positions, Sequences
from layergrid.attention import attention
from layergrid.attention.stacks import implementation
from layergrid.kinds import AttentionNeed, BadInput, BuildError
from layergrid.text import EN_DASH
from test_capture import sequences

LENGTHS = (5, 17, 9, 1, 30, 9)
NAMES = ("first", "three", "middle", "last")
SPANS = ((0, 1), (2, 5), (4, 5), (-1, 0))
OFF_INTERFACE = ("falcon", "falcon_new", "bloom", "deberta_v2")
WITHOUT_SINKS = tuple(f for f in (*DECODERS, *ENCODERS) if f != "gpt_oss")
CLOSE = 1e-4  # of the largest weight


def positions(lengths=LENGTHS, spans=SPANS, names=NAMES) -> Positions:
    """Spans counted from the start, or from the end where negative; missing where they do not fit."""
    start = np.full((len(lengths), len(spans)), -1, np.int32)
    stop = start.copy()
    for i, n in enumerate(lengths):
        for p, (a, b) in enumerate(spans):
            a, b = (a, b) if a >= 0 else (n + a, n + b)
            if 0 <= a < b <= n:
                start[i, p], stop[i, p] = a, b
    return Positions(names, start, stop, np.where(start < 0, "missing", "ok"))


def need(**words) -> AttentionNeed:
    return AttentionNeed(**{"queries": ("last", "three"), "keys": NAMES, **words})


def read(family: str, need: AttentionNeed, given: Sequences | None = None, **words) -> AttentionRows:
    given = given or sequences(LENGTHS)
    lengths = tuple(len(ids) for ids in given.ids)
    return attention(families.loaded(family), given, positions(lengths), need, **{"batch_tokens": 64, **words})


def official(family: str, ids: np.ndarray) -> list[np.ndarray]:
    """transformers' own attention of one unpadded sequence, eager: one array [H, T, T] for each layer that has any."""
    import torch

    loaded = families.loaded(family)
    with implementation(loaded.model, "eager"), torch.inference_mode():
        ids = torch.from_numpy(ids[None].astype(np.int64))
        found = loaded.model.base_model(input_ids=ids, output_attentions=True).attentions
    return [one[0].double().numpy() for one in found if one is not None]


def spans_of(i: int, name: str, lengths=LENGTHS) -> slice | None:
    where, p = positions(lengths), NAMES.index(name)
    return slice(where.start[i, p], where.stop[i, p]) if where.start[i, p] >= 0 else None


def expected(whole: np.ndarray, i: int, rows: AttentionRows, *, ahead: bool = False) -> np.ndarray:
    """Weights [H, Q, K] of example `i` from whole rows [H, T, T]; NaN where no weight can fall."""
    found = np.full((whole.shape[0], len(rows.queries), len(rows.keys)), np.nan)
    for q, query in enumerate(rows.queries):
        for k, key in enumerate(rows.keys):
            a, b = spans_of(i, query), spans_of(i, key)
            if a is not None and b is not None and (ahead or b.start < a.stop):
                found[:, q, k] = whole[:, a].mean(axis=1)[:, b].sum(axis=1)
    return found


def state(model) -> list:
    """What a run must leave as it was: implementations and hooks."""
    kept = [getattr(one.config, "_attn_implementation", None) for one in model.modules() if hasattr(one, "config")]
    return kept + [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS, "jamba", "qwen3_next"])
def test_weights_equal_the_models_own_eager_attention(family):
    rows = read(family, need())
    assert rows.values.dtype == np.float32
    assert rows.layers == (1, 2, 3, 4)
    peak = 0.0
    for i, ids in enumerate(sequences(LENGTHS).ids):
        whole = official(family, ids)
        here = [n for n, layer in enumerate(rows.layers) if layer not in rows.lacking]
        assert len(whole) == len(here) == rows.layers[-1] - len(rows.lacking)
        for n, own in zip(here, whole, strict=True):
            wanted = expected(own, i, rows, ahead=family in ENCODERS)
            found = rows.values[n, :, :, :, i]
            assert np.array_equal(np.isnan(found), np.isnan(wanted))
            assert np.nanmax(np.abs(found - wanted), initial=0) <= CLOSE * own.max()
            peak = max(peak, own[:, -1].max() if len(ids) > 8 else 0)
    assert peak > 0.6  # so that a wrong layer, head or token would be seen


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt_oss", "bloom", "modernbert", "deberta_v2"])
def test_padded_batches_give_what_single_examples_give(family):
    together, alone = read(family, need(), batch_tokens=1000), read(family, need(), batch_tokens=1)
    for name in ("values", "entropy", "first", "mass"):
        np.testing.assert_allclose(getattr(together, name), getattr(alone, name), atol=CLOSE, err_msg=name)
    np.testing.assert_array_equal(together.attendable, alone.attendable)


@pytest.mark.parametrize("family", ["llama", "bert", "bloom"])
def test_layers_are_chosen_and_none_stands_for_another(family):
    whole, some = read(family, need()), read(family, need(), layers=(2, 4))
    assert some.layers == (2, 4)
    np.testing.assert_array_equal(some.values, whole.values[[1, 3]])
    for a in range(4):
        for b in range(a):
            assert np.nanmax(np.abs(whole.values[a] - whole.values[b])) > 0.1


def test_a_future_key_is_not_attendable_and_not_zero():
    rows = read("llama", need(queries=("three",), keys=("last", "first")))
    assert rows.keys == ("first", "last")
    assert (rows.values[:, :, 0, 0, 1] > 0).all()
    assert np.isnan(rows.values[:, :, 0, 1, 1]).all()
    assert rows.attendable[0, :, 1].tolist() == [True, False]


def test_an_example_without_the_query_has_no_numbers_and_is_not_attendable():
    rows = read("llama", need(queries=("three",)))
    assert np.isnan(rows.values[..., 3]).all()
    assert np.isnan(rows.mass[..., 3]).all()
    assert not rows.attendable[..., 3].any()


@pytest.mark.parametrize("family", ["mistral", "gemma2"])
def test_keys_outside_a_sliding_window_get_exactly_nothing(family):
    rows = read(family, need(queries=("last",), keys=("first",)))
    far = rows.values[0, :, 0, 0, 4]  # the first layer of both slides; the first of 30 tokens is far behind
    assert (far == 0).all()


def test_the_rows_of_a_model_with_sinks_add_up_to_less_than_one():
    rows = read("gpt_oss", need())
    mass = rows.mass[~np.isnan(rows.mass)]
    assert mass.max() <= 1 + 1e-6
    assert mass.min() < 0.95
    whole = official("gpt_oss", sequences(LENGTHS).ids[1])
    wanted = np.stack([one[:, -1].sum(axis=-1) for one in whole])
    np.testing.assert_allclose(rows.mass[:, :, rows.queries.index("last"), 1], wanted, atol=CLOSE)


@pytest.mark.parametrize("family", WITHOUT_SINKS)
def test_rows_add_up_to_one_and_no_weight_falls_on_padding(family):
    rows = read(family, need())
    mass = rows.mass[~np.isnan(rows.mass)]
    np.testing.assert_allclose(mass, 1, atol=1e-5)


# ---------------------------------------------------------------- two stacks


def pair_sequences(family: str) -> Sequences:
    return replace(sequences(LENGTHS), prompt_tokens=np.array([3, 9, 5, 1, 12, 4], np.int32))


def official_pair(family: str, given: Sequences, i: int):
    """Attention of encoder and decoder of one example: what the encoder reads, what the decoder reads."""
    import torch

    loaded, cut = families.loaded(family), int(given.prompt_tokens[i])
    prompt = torch.from_numpy(given.ids[i][None, :cut].astype(np.int64))
    start = loaded.model.config.decoder_start_token_id
    read = np.concatenate([[start], given.ids[i][cut:]])[None].astype(np.int64)
    with implementation(loaded.model, "eager"), torch.inference_mode():
        out = loaded.model(input_ids=prompt, decoder_input_ids=torch.from_numpy(read), output_attentions=True)
    return ([one[0].numpy() for one in found] for found in (out.encoder_attentions, out.decoder_attentions))


@pytest.mark.parametrize("family", PAIRS)
def test_the_encoder_reads_the_prompt_and_the_decoder_its_start_token_and_the_completion(family):
    given = pair_sequences(family)
    where = positions(spans=((1, 2), (2, 3), (-2, -1), (-1, 0)), names=("a", "b", "c", "d"))
    loaded = families.loaded(family)
    asked = AttentionNeed(queries=("b", "d"), keys=("a", "b", "c", "d"))
    inside = attention(loaded, given, where, replace(asked, stack="encoder"), batch_tokens=64)
    after = attention(loaded, given, where, replace(asked, stack="decoder"), batch_tokens=64)
    assert (len(inside.layers), len(after.layers)) == (families.ENCODER_LAYERS, families.LAYERS)
    for i in (1, 4):
        cut, size = int(given.prompt_tokens[i]), len(given.ids[i])
        encoder, decoder = official_pair(family, given, i)
        for n, own in enumerate(encoder):
            found = inside.values[n, :, 0, :, i]
            np.testing.assert_allclose(found[:, :2], own[:, 2, [1, 2]], atol=CLOSE)
            assert np.isnan(found[:, 2:]).all()
        for n, own in enumerate(decoder):
            found, last = after.values[n, :, 1, :, i], size - cut
            np.testing.assert_allclose(found[:, 2:], own[:, last, [last - 1, last]], atol=CLOSE)
            assert np.isnan(found[:, :2]).all()
            np.testing.assert_allclose(after.first[n, :, 1, i], own[:, last, 0], atol=CLOSE)


@pytest.mark.parametrize("family", PAIRS)
def test_the_first_token_of_a_decoder_is_its_start_token(family):
    given = pair_sequences(family)
    asked = AttentionNeed(queries=("last",), text="q1", stack="decoder")
    rows = attention(families.loaded(family), given, positions(), asked)
    start = families.loaded(family).tokenizer.convert_ids_to_tokens(
        families.loaded(family).model.config.decoder_start_token_id
    )
    assert rows.keys[0] == f"0:{start}"
    assert len(rows.keys) == 17 - 9 + 1


def test_a_stack_must_be_named_where_there_are_two_and_only_there():
    with pytest.raises(BadInput, match="an encoder and a decoder; write `stack: encoder` or `decoder`"):
        read("t5", need())
    with pytest.raises(BadInput, match="has one stack of blocks; leave out `stack: encoder`"):
        read("llama", need(stack="encoder"))


# ---------------------------------------------------------------- one text


def test_the_tokens_of_a_text_are_keys_in_order_and_repeats_stay_apart():
    given = replace(sequences(LENGTHS), pieces=tuple((" the", "\n", " the", "a", "b") * 6 for _ in LENGTHS))
    given = replace(given, pieces=tuple(p[:n] for p, n in zip(given.pieces, LENGTHS, strict=True)))
    rows = read("llama", AttentionNeed(queries=("last", "three"), text="q2"), given)
    assert rows.example_ids == ("q2",)
    assert rows.keys[:4] == ("0:␣the", "1:↵", "2:␣the", "3:a")
    assert rows.key_labels[:4] == ("␣the", "↵", "␣the", "a")
    assert len(set(rows.keys)) == 9
    own = official("llama", given.ids[2])
    for n, one in enumerate(own):
        np.testing.assert_allclose(rows.values[n, :, rows.queries.index("last"), :, 0], one[:, -1], atol=CLOSE)
        three = rows.values[n, :, rows.queries.index("three"), :, 0]
        np.testing.assert_allclose(three[:, :5], one[:, 2:5].mean(axis=1)[:, :5], atol=CLOSE)
        assert np.isnan(three[:, 5:]).all()


def test_only_the_example_of_the_text_is_run():
    ran = []
    loaded = families.loaded("llama")
    handle = loaded.model.base_model.embed_tokens.register_forward_hook(lambda _, args, __: ran.append(args[0].shape))
    try:
        read("llama", AttentionNeed(queries=("last",), text="q4"))
    finally:
        handle.remove()
    assert ran[-1] == (1, 30)
    assert max(len(one) and one[1] for one in ran if one[0] == 1) == 30
    assert (1, 17) not in ran


def test_the_first_text_is_the_first_that_has_every_position_that_looks():
    given = sequences((2, 2, 9, 17))
    rows = read("llama", AttentionNeed(queries=("three", "last"), first=True), given)
    assert rows.example_ids == ("q2",)


def test_an_unknown_example_or_position_is_named_with_the_nearest():
    with pytest.raises(BadInput, match="there is no example 'q11'; did you mean 'q1'"):
        read("llama", AttentionNeed(queries=("last",), text="q11"))
    with pytest.raises(BadInput, match="there is no position 'lst'; did you mean 'last'"):
        read("llama", need(queries=("lst",)))


def test_globs_choose_positions():
    rows = read("llama", need(queries=("l*",), keys=("*",)))
    assert (rows.queries, rows.keys) == (("last",), NAMES)


# ---------------------------------------------------------------- entropy, first token, sink


def entropies(own: np.ndarray, allowed: int) -> np.ndarray:
    shares = own / own.sum(axis=-1, keepdims=True)
    logs = np.log(np.where(shares > 0, shares, 1))
    return -(shares * logs).sum(axis=-1) / math.log(allowed)


def test_entropy_is_that_of_the_row_over_the_log_of_the_number_of_keys():
    rows = read("llama", need(queries=("last",), keys=()))
    assert rows.values.shape == (4, 4, 1, 0, 6)
    own = official("llama", sequences(LENGTHS).ids[1])
    wanted = np.stack([entropies(one[:, -1], 17) for one in own])
    np.testing.assert_allclose(rows.entropy[:, :, 0, 1], wanted, atol=CLOSE)
    known = rows.entropy[~np.isnan(rows.entropy)]
    assert known.min() >= 0
    assert known.max() <= 1
    assert np.isnan(rows.entropy[..., 3]).all()  # one token alone
    assert np.ptp(known) > 0.3


@pytest.mark.parametrize(("family", "layer", "allowed"), [("mistral", 0, 6), ("gemma2", 1, 17), ("gpt_oss", 1, 17)])
def test_a_sliding_layer_counts_the_keys_in_its_window(family, layer, allowed):
    rows = read(family, need(queries=("last",), keys=()))
    own = official(family, sequences(LENGTHS).ids[1])[layer]
    np.testing.assert_allclose(rows.entropy[layer, :, 0, 1], entropies(own[:, -1], allowed), atol=CLOSE)


def test_a_uniform_row_has_entropy_one():
    import torch

    made = families.model("llama")
    for name, weight in made.named_parameters():
        if "q_proj" in name:
            weight.zero_()
    loaded = replace(families.loaded("llama"), model=made)
    with torch.inference_mode():
        rows = attention(loaded, sequences(LENGTHS), positions(), need())
    known = rows.entropy[~np.isnan(rows.entropy)]
    assert known[rows.entropy[~np.isnan(rows.entropy)] > 0.99].size > 0
    np.testing.assert_allclose(rows.entropy[:, :, rows.queries.index("last"), 1], 1, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "bert", "bloom", "gpt_oss"])
def test_without_the_first_token_the_rest_of_the_row_adds_up_to_one(family):
    kept, dropped = read(family, need()), read(family, need(sink="drop"))
    last, i = kept.queries.index("last"), 1
    for n, own in enumerate(official(family, sequences(LENGTHS).ids[i])):
        row = own[:, -1].copy()
        row[:, 0] = 0
        row /= row.sum(axis=-1, keepdims=True)
        wanted = np.stack([row[:, 2:5].sum(axis=1), row[:, 4], row[:, -1]], axis=1)
        np.testing.assert_allclose(dropped.values[n, :, last, 1:, i], wanted, atol=CLOSE)
        keys = 6 if family == "gpt_oss" and n % 2 == 0 else 16  # its other layers look back six tokens
        np.testing.assert_allclose(dropped.entropy[n, :, last, i], entropies(row, keys), atol=CLOSE)
    np.testing.assert_array_equal(kept.first, dropped.first)
    np.testing.assert_array_equal(kept.mass, dropped.mass)
    assert np.isnan(dropped.values[:, :, :, 0]).all()
    assert np.isnan(dropped.values[..., 3]).all()  # the only token of the example is its first


@pytest.mark.parametrize("family", ["llama", "bert", "bloom"])
def test_the_weight_on_the_first_token_is_kept_beside(family):
    rows = read(family, need())
    for n, own in enumerate(official(family, sequences(LENGTHS).ids[1])):
        np.testing.assert_allclose(rows.first[n, :, rows.queries.index("last"), 1], own[:, -1, 0], atol=CLOSE)


# ---------------------------------------------------------------- value weights and rollout


def output_weight(family: str, layer: int) -> np.ndarray:
    """W_O as [input, output]."""
    block = families.loaded(family).model.get_submodule(PATHS[family][0])[layer]
    module = block.get_submodule(PATHS[family][1])
    weight = module.weight.double().numpy()
    return weight if type(module).__name__ == "Conv1D" else weight.T


PATHS = {
    "llama": ("model.layers", "self_attn.o_proj"),
    "gpt2": ("transformer.h", "attn.c_proj"),
    "bert": ("bert.encoder.layer", "attention.output.dense"),
    "gemma2": ("model.layers", "self_attn.o_proj"),
    "phi3": ("model.layers", "self_attn.o_proj"),
    "gpt_oss": ("model.layers", "self_attn.o_proj"),
    "opt": ("model.decoder.layers", "self_attn.out_proj"),
}


def value_vectors(family: str, ids: np.ndarray) -> list[np.ndarray]:
    """The value vectors [heads, T, d] of each layer, as the model hands them to eager attention, heads repeated."""
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    from layergrid.attention.reading import eager_function

    loaded, kept = families.loaded(family), []

    def note(module, query, key, value, mask, **options):
        kept.append(value[0].repeat_interleave(query.shape[1] // value.shape[1], dim=0).double().numpy())
        return eager_function(module)(module, query, key, value, mask, **options)

    AttentionInterface.register("note_values", note)
    AttentionMaskInterface.register("note_values", eager_mask)
    with implementation(loaded.model, "note_values"), torch.inference_mode():
        loaded.model.base_model(input_ids=torch.from_numpy(ids[None].astype(np.int64)))
    return kept


@pytest.mark.parametrize("family", sorted(PATHS))
def test_value_weights_are_the_norms_of_the_weighted_values_behind_the_output_projection(family):
    rows = read(family, need(weighting="value"))
    ids, last = sequences(LENGTHS).ids[1], rows.queries.index("last")
    plain = read(family, need())
    for n, (own, values) in enumerate(zip(official(family, ids), value_vectors(family, ids), strict=True)):
        heads, tokens, width = values.shape
        weight = output_weight(family, n).reshape(heads, width, -1)
        norms = np.array([
            [np.linalg.norm(own[h, -1, j] * (values[h, j] @ weight[h])) for j in range(tokens)] for h in range(heads)
        ])  # fmt: skip
        shares = norms / norms.sum(axis=1, keepdims=True)
        wanted = np.stack([shares[:, 0], shares[:, 2:5].sum(axis=1), shares[:, 4], shares[:, -1]], axis=1)
        np.testing.assert_allclose(rows.values[n, :, last, :, 1], wanted, atol=CLOSE)
    np.testing.assert_allclose(rows.mass, plain.mass, atol=CLOSE)
    assert np.nanmax(np.abs(rows.values - plain.values)) > 0.05


def test_value_weights_are_not_claimed_where_a_gate_stands_before_the_output_projection():
    rows = read("qwen3_next", need(weighting="value"))
    assert sorted(rows.lacking) == [1, 2, 3, 4]
    assert "changed before the output projection" in rows.lacking[2]
    assert "no attention" in rows.lacking[1]
    assert np.isnan(rows.values).all()


def test_value_weights_are_refused_where_values_do_not_show():
    with pytest.raises(BadInput, match="BloomForCausalLM does not show the value vectors"):
        read("bloom", need(weighting="value"))


@pytest.mark.parametrize("family", ["llama", "gpt_oss", "bloom", "bert"])
def test_rollout_is_the_product_over_layers_of_half_attention_and_half_identity(family):
    rows = read(family, need(weighting="rollout"))
    assert rows.heads == 1
    for i in (0, 1):
        product = np.eye(LENGTHS[i])
        for n, own in enumerate(official(family, sequences(LENGTHS).ids[i])):
            step = 0.5 * own.mean(axis=0) + 0.5 * np.eye(LENGTHS[i])
            product = (step / step.sum(axis=1, keepdims=True)) @ product
            wanted = expected(product[None], i, rows, ahead=family == "bert")
            np.testing.assert_allclose(rows.values[n, :, :, :, i], wanted, atol=CLOSE)
    np.testing.assert_allclose(rows.mass[~np.isnan(rows.mass)], 1, atol=1e-5)


def test_rollout_of_chosen_layers_runs_through_all_layers_below():
    whole, some = read("llama", need(weighting="rollout")), read("llama", need(weighting="rollout"), layers=(3,))
    np.testing.assert_array_equal(some.values[0], whole.values[2])


def test_rollout_is_refused_where_a_layer_has_no_attention():
    with pytest.raises(BadInput, match=f"layers 1{EN_DASH}2 and 4 have no attention"):
        read("jamba", need(weighting="rollout"))


# ---------------------------------------------------------------- models without attention


def test_a_model_without_attention_is_told_so():
    with pytest.raises(BadInput, match="model tiny has no attention: its blocks \\(MambaBlock\\) have none"):
        read("mamba", need())


@pytest.mark.parametrize("family", [f for f in HYBRIDS if f != "mamba"])
def test_layers_without_attention_are_lacking_with_a_reason(family):
    rows = read(family, need())
    assert rows.lacking
    for layer, why in rows.lacking.items():
        assert "no attention" in why
        assert np.isnan(rows.values[layer - 1]).all()


def test_the_embedding_has_no_attention():
    with pytest.raises(BadInput, match="layer 0 is the embedding, which has no attention"):
        read("llama", need(), layers=(0,))
    assert read("llama", need(), layers="0..2").layers == (1, 2)
    with pytest.raises(BadInput, match="has no layer 5"):
        read("llama", need(), layers=(5,))


def test_a_text_longer_than_the_context_is_named():
    with pytest.raises(BadInput, match="'q0' has 129 tokens; the context of model tiny is 128"):
        read("llama", need(), sequences((129, 3)))


# ---------------------------------------------------------------- what a reading leaves alone


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "bloom", "bert", "qwen3_next"])
@pytest.mark.parametrize("weighting", ["weight", "rollout"])
def test_the_states_of_the_model_are_the_same_while_rows_are_read(family, weighting):
    import torch

    if family == "qwen3_next" and weighting == "rollout":
        weighting = "value"
    loaded, seen = families.loaded(family), []
    ids = torch.from_numpy(sequences(LENGTHS).ids[4][None].astype(np.int64))
    with torch.inference_mode():
        wanted = loaded.model.base_model(input_ids=ids)[0].numpy()
    given = sequences(LENGTHS)
    handle = loaded.model.base_model.register_forward_hook(lambda _, __, out: seen.append(out[0].numpy()))
    try:
        attention(loaded, given, positions(), need(weighting=weighting), batch_tokens=1)
    finally:
        handle.remove()
    found = next(one for one in seen[::-1] if one.shape == wanted.shape)
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("family", ["llama", "bloom", "gpt_oss", "bert", "t5"])
def test_the_implementation_and_the_hooks_are_as_before_also_after_an_error(family):
    loaded = families.loaded(family)
    before = state(loaded.model)
    words = {"stack": "encoder"} if family == "t5" else {}
    given = pair_sequences(family)
    attention(loaded, given, positions(), need(**words))
    assert state(loaded.model) == before
    last = [m for m in loaded.model.modules() if not list(m.children()) and list(m.parameters())][1]
    handle = last.register_forward_pre_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            attention(loaded, given, positions(), need(**words))
    finally:
        handle.remove()
    assert state(loaded.model) == before


def test_the_language_model_head_never_runs():
    for family, words in (("llama", {}), ("bloom", {}), ("t5", {"stack": "decoder"})):
        loaded, calls = families.loaded(family), []
        handle = loaded.model.get_output_embeddings().register_forward_hook(lambda *_, calls=calls: calls.append(1))
        attention(loaded, pair_sequences(family), positions(), need(**words))
        handle.remove()
        assert calls == []


def test_nothing_quadratic_outlives_its_layer():
    import gc
    import weakref

    loaded, weights, alive = families.loaded("bloom"), [], []

    def put_out(_, __, output):
        if output[1] is not None:
            weights.append(weakref.ref(output[1]))

    def begin(*_):
        gc.collect()
        alive.append(sum(one() is not None for one in weights))

    blocks = loaded.model.transformer.h
    handles = [block.self_attention.register_forward_hook(put_out) for block in blocks]
    handles += [block.register_forward_pre_hook(begin) for block in blocks]
    try:
        attention(loaded, sequences((120,)), positions((120,)), need())
    finally:
        for handle in handles:
            handle.remove()
    assert len(weights) >= 4
    assert alive[-4:] == [0, 0, 0, 0]


# ---------------------------------------------------------------- batches and failures


def test_a_batch_that_memory_does_not_hold_is_halved():
    import torch

    loaded, tried = families.loaded("llama"), []

    def refuse(_, args, kwargs):
        ids = kwargs["input_ids"]
        tried.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = loaded.model.base_model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        rows = attention(loaded, sequences(LENGTHS), positions(), need(), batch_tokens=1000)
    finally:
        handle.remove()
    assert max(tried) == 6
    np.testing.assert_allclose(rows.values, read("llama", need()).values, atol=CLOSE)


def test_one_example_that_memory_does_not_hold_is_a_clear_error():
    import torch

    loaded = families.loaded("llama")

    def refuse(_, args, kwargs):
        if kwargs["input_ids"].shape[1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = loaded.model.base_model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        with pytest.raises(BuildError, match="memory"):
            attention(loaded, sequences(LENGTHS), positions(), need())
    finally:
        handle.remove()


def test_progress_counts_up_to_the_examples_that_are_run():
    seen = []
    read("llama", need(queries=("three",)), progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 5)
    assert seen[-1] == (5, 5)
    assert seen == sorted(seen)


def test_where_no_example_has_a_query_nothing_is_run_and_all_is_nan():
    rows = read("llama", need(queries=("three",)), sequences((2, 1)))
    assert np.isnan(rows.values).all()
    assert rows.values.shape == (4, 1, 1, 4, 2)


def test_weights_that_do_not_give_the_output_of_attention_are_an_error(monkeypatch):
    from layergrid.attention import reading

    own = reading.eager_function

    def without_window(module):
        def eager(module, query, key, value, mask, **options):
            if key.shape[2] > 9:  # longer than the trial
                mask = mask.clamp(min=-1)
            return own(module)(module, query, key, value, mask, **options)

        return eager

    monkeypatch.setattr(reading, "eager_function", without_window)
    with pytest.raises(BuildError, match="do not give the output of its attention"):
        read("mistral", need())


def test_a_family_whose_rows_disagree_with_its_output_is_read_eagerly(monkeypatch):
    from layergrid.attention import reading

    exact, own = read("llama", need()), reading.eager_function
    monkeypatch.setattr(
        reading, "eager_function",
        lambda module: lambda *args, scaling, **options: own(module)(*args, scaling=2 * scaling, **options),
    )  # fmt: skip
    np.testing.assert_allclose(read("llama", need()).values, exact.values, atol=CLOSE)


def test_half_precision_gives_float32_rows_close_to_the_exact_ones():
    import torch

    exact = read("llama", need())
    loaded = replace(families.loaded("llama"), model=families.model("llama").to(torch.bfloat16))
    rough = attention(loaded, sequences(LENGTHS), positions(), need(), batch_tokens=64)
    assert rough.values.dtype == np.float32
    difference = np.abs(rough.values[0] - exact.values[0])
    assert 0 < np.nanmax(difference) < 0.1
