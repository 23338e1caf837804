"""Every site of every family against what transformers itself and modules named by hand here say."""

from __future__ import annotations

import numpy as np
import pytest

import families
from families import DECODERS, ENCODERS, HYBRIDS, LAYERS, PAIRS, WIDTH
from layergrid.artifacts import Positions
from layergrid.capture import capture
from layergrid.kinds import SITES, BadInput, BuildError
from layergrid.models import architecture
from test_capture import difference, sequences

TOLERANCE = 1e-4
LENGTHS, PROMPTS = (4, 13, 21, 7), (3, 9, 12, 2)
LONGEST = max(LENGTHS)

# family -> the last norm, which transformers has applied to the last hidden state; "" where it has not.
NORMS = {
    **dict.fromkeys(DECODERS, "model.norm"), **dict.fromkeys(ENCODERS, ""), "modernbert": "model.final_norm",
    "gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm", "opt": "model.decoder.final_layer_norm",
    "falcon": "transformer.ln_f", "falcon_new": "transformer.ln_f", "bloom": "transformer.ln_f",
    "mamba": "backbone.norm_f", "jamba": "model.final_layernorm", "qwen3_next": "model.norm", "rwkv": "rwkv.ln_out",
    "t5.encoder": "encoder.final_layer_norm", "t5.decoder": "decoder.final_layer_norm",
    "bart.encoder": "", "bart.decoder": "",
}  # fmt: skip

# family -> block, then what attention_out, head_out, mlp_in and mlp_out are: a module in it and a side of that module.
USUAL = ("model.layers.{}", "self_attn>", ">self_attn.o_proj", "post_attention_layernorm>", "mlp>")
NORMED_AFTER = ("model.layers.{}", ">post_attention_layernorm", ">self_attn.o_proj", "pre_feedforward_layernorm>",
                ">post_feedforward_layernorm")  # fmt: skip
BERT = ("{}.encoder.layer.{{}}", "attention.output.dense>", "attention.self>", "attention.output>", "output.dense>")
BART = ("model.{}.layers.{{}}", "self_attn>", ">self_attn.out_proj", ">fc1", "fc2>")
T5 = ("{}.block.{{}}", "layer.0.SelfAttention>", ">layer.0.SelfAttention.o", "layer.{}.layer_norm>",
      "layer.{}.DenseReluDense>")  # fmt: skip
FALCON = ("transformer.h.{}", "self_attention>", ">self_attention.dense", ">mlp", "mlp>")
NAMED = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "phi3", "mixtral", "gpt_oss", "qwen3_next"), USUAL),
    "gemma2": NORMED_AFTER,
    "gemma3": NORMED_AFTER,
    "olmo2": ("model.layers.{}", ">post_attention_layernorm", ">self_attn.o_proj", ">mlp", "mlp>"),
    "gpt2": ("transformer.h.{}", "attn>", ">attn.c_proj", "ln_2>", "mlp>"),
    "gpt_neox": ("gpt_neox.layers.{}", "attention>", ">attention.dense", "post_attention_layernorm>", "mlp>"),
    "opt": ("model.decoder.layers.{}", "self_attn>", ">self_attn.out_proj", "final_layer_norm>", "fc2>"),
    "falcon": FALCON,
    "falcon_new": FALCON,
    "bloom": ("transformer.h.{}", "self_attention.dense>", ">self_attention.dense", "post_attention_layernorm>",
              "mlp.dense_4h_to_h>"),
    "bert": tuple(part.format("bert") for part in BERT[:1]) + BERT[1:],
    "roberta": tuple(part.format("roberta") for part in BERT[:1]) + BERT[1:],
    "deberta_v2": tuple(part.format("deberta") for part in BERT[:1]) + BERT[1:],
    "modernbert": ("model.layers.{}", "attn>", ">attn.Wo", "mlp_norm>", "mlp>"),
    "albert": ("albert.encoder.albert_layer_groups.0.albert_layers.0", "attention.dense>", ">attention.dense", ">ffn",
               "ffn_output>"),
    "jamba": ("model.layers.{}", "self_attn>", ">self_attn.o_proj", "pre_ff_layernorm>", "feed_forward>"),
    "t5.encoder": (T5[0].format("encoder"), *T5[1:3], *(part.format(1) for part in T5[3:])),
    "t5.decoder": (T5[0].format("decoder"), *T5[1:3], *(part.format(2) for part in T5[3:])),
    "bart.encoder": (BART[0].format("encoder"), *BART[1:]),
    "bart.decoder": (BART[0].format("decoder"), *BART[1:]),
}  # fmt: skip
OUTPUT_PROJECTION = {
    "gpt2": "attn.c_proj", "gpt_neox": "attention.dense", "opt": "self_attn.out_proj",
    "falcon": "self_attention.dense", "falcon_new": "self_attention.dense", "bloom": "self_attention.dense",
    "modernbert": "attn.Wo", "albert": "attention.dense",
    **dict.fromkeys(("bert", "roberta", "deberta_v2"), "attention.output.dense"),
    **dict.fromkeys(("t5.encoder", "t5.decoder"), "layer.0.SelfAttention.o"),
    **dict.fromkeys(("bart.encoder", "bart.decoder"), "self_attn.out_proj"),
}  # fmt: skip
# family -> the norm of a block that comes after everything
POST_NORM = {
    **dict.fromkeys(("bert", "roberta", "deberta_v2"), "output.LayerNorm"), "albert": "full_layer_layer_norm",
    **dict.fromkeys(("bart.encoder", "bart.decoder"), "final_layer_norm"),
}  # fmt: skip
ATTENTION_LAYERS = {"jamba": (3,), "qwen3_next": (2, 4)}
PLAIN = (*DECODERS, *ENCODERS, *HYBRIDS, "rwkv")
STACKED = (*PLAIN, *(f"{pair}.{stack}" for pair in PAIRS for stack in ("encoder", "decoder")))


def every_token() -> Positions:
    """One position for each token, first to last."""
    place = np.tile(np.arange(LONGEST, dtype=np.int32), (len(LENGTHS), 1))
    there = place < np.array(LENGTHS)[:, None]
    start, stop = np.where(there, place, -1), np.where(there, place + 1, -1)
    return Positions(tuple(f"t{i}" for i in range(LONGEST)), start, stop, np.where(there, "ok", "missing"))


def texts():
    from dataclasses import replace

    return replace(sequences(LENGTHS), prompt_tokens=np.array(PROMPTS, np.int32))


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Family or family.stack -> site -> activations at every token, one padded batch; each family is run once."""
    known = {}

    def take(name):
        family, _, stack = name.partition(".")
        if name not in known:
            loaded = families.loaded(family)
            have = [site for site in SITES if any(site in one.taps for one in architecture.parts(loaded, stack))]
            sites = [f"{stack}.{site}" if stack else site for site in have]
            found = capture(loaded, texts(), every_token(), tmp_path_factory.mktemp(family), sites=sites)
            known[name] = {site.rpartition(".")[2]: one for site, one in found.items()}
        return known[name]

    return take


def inputs(name, i):
    """What transformers is fed with for example `i`, unpadded."""
    import torch

    loaded, ids = families.loaded(name.partition(".")[0]), texts().ids[i].astype(np.int64)
    if "." not in name:
        return {"input_ids": torch.from_numpy(ids[None])}
    after = np.concatenate([[loaded.model.config.decoder_start_token_id], ids[PROMPTS[i] :]])
    return {"input_ids": torch.from_numpy(ids[None, : PROMPTS[i]]), "decoder_input_ids": torch.from_numpy(after[None])}


def tokens(name, i):
    """Indices into example `i` of the tokens that the stack reads, and of those in what it is fed with."""
    if name.endswith("encoder"):
        return np.arange(PROMPTS[i]), np.arange(PROMPTS[i])
    if name.endswith("decoder"):
        return np.arange(PROMPTS[i], LENGTHS[i]), np.arange(1, LENGTHS[i] - PROMPTS[i] + 1)
    return np.arange(LENGTHS[i]), np.arange(LENGTHS[i])


def official(name, i):
    """transformers' own hidden states [.., T, D] of example `i`, run alone without padding."""
    import torch

    family, _, stack = name.partition(".")
    with torch.inference_mode():
        out = families.loaded(family).model(**inputs(name, i), output_hidden_states=True)
    return [one[0].numpy() for one in out[f"{stack}_hidden_states" if stack else "hidden_states"]]


def apply(module, states):
    import torch

    with torch.inference_mode():
        return module(torch.from_numpy(np.ascontiguousarray(states))).numpy()


def blocks_of(name):
    return 3 if name.endswith("encoder") else LAYERS


@pytest.mark.parametrize("name", STACKED)
def test_residual_states_equal_transformers_own_hidden_states(name, taken):
    found, last = taken(name)["residual"], blocks_of(name)
    assert found.layers == tuple(range(last + 1))
    for i in range(len(LENGTHS)):
        here, there = tokens(name, i)
        expected = official(name, i)
        before = 1 if name in ("mamba", "rwkv") else 0  # their states begin with what the first block puts out
        for layer in range(before, last):
            assert difference(found.values[layer, here, i], expected[layer - before][there]) < TOLERANCE
        if NORMS[name]:
            norm = families.loaded(name.partition(".")[0]).model.get_submodule(NORMS[name])
            raw = found.values[last, here, i]
            assert difference(apply(norm, raw), expected[-1][there]) < TOLERANCE
            assert difference(raw, expected[-1][there]) > 0.05
        else:
            assert difference(found.values[last, here, i], expected[-1][there]) < TOLERANCE


@pytest.mark.parametrize("name", STACKED)
def test_no_two_layers_are_alike_so_that_a_swap_would_be_seen(name, taken):
    values = taken(name)["residual"].values
    for a in range(len(values)):
        for b in range(a):
            assert difference(values[a], values[b]) > 100 * TOLERANCE


@pytest.mark.parametrize("name", DECODERS)
def test_states_under_left_padding_equal_those_captured_under_right_padding(name, taken):
    import torch

    loaded, found = families.loaded(name), taken(name)["residual"]
    ids = torch.full((len(LENGTHS), LONGEST), loaded.pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(texts().ids):
        ids[i, LONGEST - len(row) :] = torch.from_numpy(row.astype(np.int64))
        mask[i, LONGEST - len(row) :] = 1
    places = {} if name == "bloom" else {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    with torch.inference_mode():
        out = loaded.model(ids, attention_mask=mask, output_hidden_states=True, **places)
    for layer in range(LAYERS):
        for i, n in enumerate(LENGTHS):
            expected = out.hidden_states[layer][i, LONGEST - n :].numpy()
            assert difference(found.values[layer, :n, i], expected) < TOLERANCE


@pytest.mark.parametrize("name", DECODERS + ENCODERS)
def test_attention_is_peaked_so_that_a_wrong_mask_would_be_seen(name):
    loaded = families.loaded(name)
    with families.eager(loaded):
        rows = loaded.model(**inputs(name, 2), output_attentions=True).attentions
    highest = np.array([one[0, :, 5:].amax(-1).mean() for one in rows])
    assert (highest > 0.3).all()
    assert (highest < 0.999).all()


# ---------------------------------------------------------------- the other sites


class Oracle:
    """What goes into and comes out of modules named by hand, for one example run alone."""

    def __init__(self, name, i):
        import torch

        family = name.partition(".")[0]
        model, self.seen, handles = families.loaded(family).model, {}, []
        block, *sites = NAMED[name]
        self.blocks = [model.get_submodule(block.format(layer)) for layer in range(blocks_of(name))]
        self.paths = dict(zip(("attention_out", "head_out", "mlp_in", "mlp_out"), sites, strict=True))
        for path in {path.strip(">") for path in sites} | {""}:
            for one in dict.fromkeys(self.blocks):
                if path and not has(one, path):
                    continue
                module = one.get_submodule(path)
                handles.append(module.register_forward_hook(self.keep(path), with_kwargs=True))
        with torch.inference_mode():
            model(**inputs(name, i))
        for handle in handles:
            handle.remove()

    def keep(self, path):
        def hook(module, args, kwargs, output):
            given = args[0] if args else kwargs["hidden_states"]
            output = output[0] if isinstance(output, tuple) else output
            runs = self.seen.setdefault(path, [])
            # Copies: falcon adds its attention onto the tensor that its MLP gave.
            runs.append((module, given.squeeze(0).numpy().copy(), output.squeeze(0).numpy().copy()))

        return hook

    def site(self, site, layer):
        """States [T, D] of the block of this layer; None where the named module is not in it."""
        path = self.paths[site]
        runs = self.seen[path.strip(">")]
        if len(set(self.blocks)) == 1:
            return runs[layer - 1][1 if path.startswith(">") else 2]
        block = self.blocks[layer - 1]
        if not has(block, path.strip(">")):
            return None
        wanted = block.get_submodule(path.strip(">"))
        (run,) = (run for run in runs if run[0] is wanted)
        return run[1 if path.startswith(">") else 2]


def has(block, path):
    return path in dict(block.named_modules())


@pytest.mark.parametrize("name", NAMED)
def test_every_site_equals_what_modules_named_by_hand_take_and_give(name, taken):
    found = taken(name)
    assert set(found) == set(SITES)
    for i in range(len(LENGTHS)):
        here, there = tokens(name, i)
        oracle = Oracle(name, i)
        for site in ("attention_out", "head_out", "mlp_in", "mlp_out"):
            assert found[site].layers == tuple(range(1, blocks_of(name) + 1))
            for layer in found[site].layers:
                values, expected = found[site].values[layer - 1, here, i], oracle.site(site, layer)
                if expected is None:
                    assert site in ("attention_out", "head_out")
                    assert layer not in ATTENTION_LAYERS[name]
                    assert not values.any()
                else:
                    assert difference(values, expected[there]) < TOLERANCE


@pytest.mark.parametrize("name", NAMED)
def test_head_out_through_the_output_projection_is_attention_out(name, taken):
    found, loaded = taken(name), families.loaded(name.partition(".")[0])
    heads = 2 if name == "bart.encoder" else families.HEADS
    assert found["head_out"].heads == heads
    assert found["attention_out"].heads == 0
    assert found["head_out"].values.shape[-1] == (64 if name == "gemma" else WIDTH)
    for layer in ATTENTION_LAYERS.get(name, range(1, blocks_of(name) + 1)):
        block = loaded.model.get_submodule(NAMED[name][0].format(layer - 1))
        projection = block.get_submodule(OUTPUT_PROJECTION.get(name, "self_attn.o_proj"))
        present = found["head_out"].present.T
        through = apply(projection, found["head_out"].values[layer - 1][present])
        assert difference(through, found["attention_out"].values[layer - 1][present]) < TOLERANCE


@pytest.mark.parametrize("name", sorted({*NAMED} - {"gemma2", "gemma3", "olmo2", "t5.decoder", *POST_NORM}))
def test_a_block_before_whose_parts_the_norms_stand_adds_attention_out_and_mlp_out(name, taken):
    found = taken(name)
    stream = found["residual"].values
    for layer in ATTENTION_LAYERS.get(name, range(1, blocks_of(name) + 1)):
        added = found["attention_out"].values[layer - 1] + found["mlp_out"].values[layer - 1]
        assert difference(stream[layer - 1] + added, stream[layer]) < TOLERANCE


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "olmo2"])
def test_where_norms_stand_after_the_parts_their_outputs_add_up_only_through_them(name, taken):
    found, loaded = taken(name), families.loaded(name)
    stream, present = found["residual"].values, found["residual"].present.T
    for layer in range(1, LAYERS + 1):
        block = loaded.model.get_submodule(f"model.layers.{layer - 1}")
        parts = [found[site].values[layer - 1][present] for site in ("attention_out", "mlp_out")]
        norms = [block.post_attention_layernorm, block.post_feedforward_layernorm]
        added = sum(apply(norm, part) for norm, part in zip(norms, parts, strict=True))
        assert difference(stream[layer - 1][present] + added, stream[layer][present]) < TOLERANCE
        assert difference(stream[layer - 1][present] + sum(parts), stream[layer][present]) > 0.05


@pytest.mark.parametrize("name", POST_NORM)
def test_where_a_norm_stands_after_the_sum_the_block_is_that_norm_of_mlp_in_and_mlp_out(name, taken):
    found, loaded = taken(name), families.loaded(name.partition(".")[0])
    for layer in range(1, blocks_of(name) + 1):
        norm = loaded.model.get_submodule(NAMED[name][0].format(layer - 1)).get_submodule(POST_NORM[name])
        present = found["residual"].present.T
        added = sum(found[site].values[layer - 1][present] for site in ("mlp_in", "mlp_out"))
        assert difference(apply(norm, added), found["residual"].values[layer][present]) < TOLERANCE


# ---------------------------------------------------------------- what cannot be told


@pytest.mark.parametrize("name", ["mamba", "rwkv"])
def test_a_model_without_attention_gets_its_residual_stream_and_words_for_the_rest(name, taken, tmp_path):
    loaded = families.loaded(name)
    assert set(taken(name)) == {"residual"}
    block = type(architecture.parts(loaded)[0].block).__name__
    reasons = {"attention_out": "no attention over all tokens", "mlp_out": "no attention after which its MLP could be"}
    for site, word in reasons.items():
        with pytest.raises(BadInput, match=f"tiny has no {site} in the chosen layers: a {block} block has {word}"):
            capture(loaded, texts(), every_token(), tmp_path, sites=["residual", site])


@pytest.mark.parametrize("name", ATTENTION_LAYERS)
def test_blocks_without_attention_are_lacking_and_those_with_it_keep_their_layer(name, taken):
    found = taken(name)
    without = sorted({*range(1, LAYERS + 1)} - {*ATTENTION_LAYERS[name]})
    for site in ("attention_out", "head_out"):
        assert sorted(found[site].lacking) == without
        assert all("has no attention" in why for why in found[site].lacking.values())
        assert not found[site].values[[layer - 1 for layer in without]].any()
    assert found["mlp_out"].lacking == {}


def test_an_mlp_that_is_not_two_maps_is_lacking_rather_than_a_wrong_tensor(tmp_path):
    loaded = families.loaded("mobilebert")
    for one in architecture.parts(loaded):
        assert set(one.taps) == {"residual", "attention_out", "head_out"}
        assert one.lacking["mlp_in"] == "what follows the attention of a MobileBertLayer block is not one MLP"


def test_a_model_that_padding_would_change_is_run_without_it(tmp_path):
    found = capture(families.loaded("mobilebert"), texts(), every_token(), tmp_path)["residual"]
    for i in range(len(LENGTHS)):
        for layer, expected in enumerate(official("mobilebert", i)):
            assert difference(found.values[layer, : LENGTHS[i], i], expected) < TOLERANCE


@pytest.mark.parametrize("name", ["diffllama", "convbert"])
def test_heads_that_do_not_stand_side_by_side_are_lacking_rather_than_cut_wrongly(name):
    for one in architecture.parts(families.loaded(name)):
        assert set(one.taps) == {*SITES} - {"head_out"}
        assert one.output is None
        assert "is not fed with" in one.lacking["head_out"]


def test_a_model_that_a_short_text_changes_is_refused():
    with pytest.raises(BuildError, match="BigBirdForMaskedLM changes its own parts when a text is short"):
        architecture.parts(families.loaded("big_bird"))


@pytest.mark.parametrize("name", ["llama", "bloom", "bert"])  # of the two ways in which transformers collects
def test_no_state_is_kept_where_the_configuration_asks_for_all_of_them(name, monkeypatch):
    import torch

    from layergrid.models.tracing import forward

    loaded, seen = families.loaded(name), []
    monkeypatch.setattr(loaded.model.config, "output_hidden_states", True)
    handle = loaded.model.base_model.register_forward_hook(lambda _module, _args, output: seen.append(output))
    ids = torch.arange(6)[None]
    with torch.inference_mode():
        forward(loaded.model, {"": (ids, torch.ones_like(ids))})
        loaded.model.base_model(ids)
    handle.remove()
    assert [one.hidden_states is None for one in seen] == [True, False]


@pytest.mark.parametrize("vocabulary", [24, 304])
def test_the_trial_keeps_to_the_tokens_that_a_model_knows(vocabulary):
    from layergrid.models import wrap

    model = families.model("llama", vocab_size=vocabulary)
    found = architecture.parts(wrap(model, families.tokenizer(), name="small", address="random:llama", revision="0"))
    assert all(set(one.taps) == set(SITES) for one in found)


def test_a_model_that_cannot_be_run_on_tokens_alone_is_told_with_its_own_words():
    with pytest.raises(BuildError, match=r"cannot be run on tokens and a mask alone \(ValueError: Input language unk"):
        architecture.parts(families.loaded("xmod"))


def test_states_that_are_not_batch_by_tokens_are_refused(tmp_path):
    with pytest.raises(BuildError, match=r"block 1 \(XLNetLayer\) does not have the shape \[batch, tokens, width\]"):
        capture(families.loaded("xlnet"), texts(), every_token(), tmp_path)


def test_a_block_that_all_layers_share_is_read_once_for_each():
    found = architecture.parts(families.loaded("albert"))
    assert len(found) == LAYERS
    assert len({id(one.block) for one in found}) == 1
