from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import families
import tiny_models
from layergrid import lens
from layergrid.kinds import BadInput, BuildError
from layergrid.models import blocks, wrap

CAPPED = {"gemma2": {"final_logit_softcapping": 5.0}, "opt": {"word_embed_proj_dim": 24}}
SCALED = {
    "cohere": ("CohereConfig", {"logit_scale": 0.0625}),
    "granite": ("GraniteConfig", {"logits_scaling": 8.0, "residual_multiplier": 0.5, "embedding_multiplier": 4.0}),
}
PROJECTED = "opt, projected"
FAMILIES = (*families.DECODERS, PROJECTED, *SCALED, *families.ENCODERS, *families.PAIRS, *families.HYBRIDS, "rwkv")
NORMS = {
    "llama": "model.norm", "gpt2": "transformer.ln_f", "gemma2": "model.norm", "gpt_neox": "gpt_neox.final_layer_norm",
    "bloom": "transformer.ln_f", "t5": "decoder.final_layer_norm", "opt": "model.decoder.final_layer_norm",
}  # fmt: skip


def load(family):
    """A tiny model of a family; with soft-capping, scales and projections that bite."""
    if family in SCALED:
        return _scaled(family)
    if family == PROJECTED:
        return _wrapped(families.model("opt", **CAPPED["opt"]))
    return _wrapped(families.model("gemma2", **CAPPED["gemma2"])) if family == "gemma2" else families.loaded(family)


def _wrapped(model):
    return wrap(model, families.tokenizer(), name="tiny", address="random:0", revision="0")


def _scaled(family):
    import torch
    import transformers

    name, words = SCALED[family]
    usual = {
        "vocab_size": 304, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 96, "bos_token_id": 0, "eos_token_id": 1,
        "pad_token_id": None,
    }  # fmt: skip
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**usual, **words)).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return _wrapped(made.requires_grad_(False))


def own(loaded, ids, module=None):
    """The model's own logits of `ids` [1, T], float64 [T, V], and what its last block (or `module`) put out, [T, D]."""
    import torch

    taken = []
    handle = (module or blocks(loaded)[-1]).register_forward_hook(lambda _, __, output: taken.append(output))
    ids = torch.from_numpy(np.asarray(ids, dtype=np.int64)[None])
    try:
        with torch.inference_mode():
            if loaded.design == "encoder-decoder":
                out = loaded.model(input_ids=torch.tensor([[5, 9, 17, 3]]), decoder_input_ids=ids)
            else:
                out = loaded.model(input_ids=ids)
    finally:
        handle.remove()
    last = taken[-1]
    states = last[0] if isinstance(last, tuple) else last
    return out.logits[0].double().numpy(), states[0].float().numpy()


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


IDS = np.array([0, 40, 7, 91, 133, 40, 250, 299, 12])


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return load(request.param)


def test_the_last_blocks_raw_output_gives_the_models_own_logits(family):
    logits, states = own(family, IDS)
    read = lens.readout(family)
    vocabulary = logits.shape[1]
    found = np.stack([read(np.repeat(one[None], vocabulary, 0), np.arange(vocabulary))[0] for one in states[:3]])
    # Log-probabilities of a whole row tell the logits up to a constant.
    centred = logits[:3] - logits[:3].mean(axis=1, keepdims=True)
    error = np.abs(found - found.mean(axis=1, keepdims=True) - centred).max() / np.abs(centred).max()
    assert error <= 1e-4
    np.testing.assert_allclose(found, log_softmax(logits[:3]), atol=1e-4 * np.abs(logits).max())


def test_ranks_count_the_tokens_that_are_more_probable(family):
    logits, states = own(family, IDS)
    targets = np.arange(len(IDS)) * 17 % logits.shape[1]
    _, ranks = lens.readout(family)(states, targets)
    assert ranks.tolist() == [1 + int((row > row[t]).sum()) for row, t in zip(logits, targets, strict=True)]


def test_an_earlier_layer_is_not_read_as_the_last(family):
    logits, states = own(family, IDS, blocks(family)[0])
    if len(set(blocks(family))) > 1:
        others = (IDS + 50) % logits.shape[1]  # tied embeddings make a token's own probability large in every layer
        found, _ = lens.readout(family)(states, others)
        assert np.abs(found - log_softmax(logits)[np.arange(len(IDS)), others]).max() > 0.2 * logits.std()


@pytest.mark.parametrize("name", NORMS)
def test_the_final_norm_runs_once_and_no_block_runs(name):
    loaded = load(name)
    _, states = own(loaded, IDS)
    read = lens.readout(loaded)
    calls = []
    norm = loaded.model.get_submodule(NORMS[name]).register_forward_hook(lambda *_: calls.append("norm"))
    inside = [
        module.register_forward_hook(lambda *_: calls.append("block"))
        for block in blocks(loaded)
        for module in block.modules()
        if module is not block
    ]
    calls.clear()  # telling the blocks runs the model too
    read(states, IDS)
    for handle in (norm, *inside):
        handle.remove()
    assert calls == ["norm"]


def test_soft_capping_and_projections_of_these_models_bite():
    assert np.abs(own(load("gemma2"), IDS)[0]).max() < 5.0
    assert np.abs(own(families.loaded("gemma2"), IDS)[0]).max() > 5.0
    assert load(PROJECTED).model.get_output_embeddings().in_features == 24


def test_tokens_of_equal_logit_share_the_better_rank():
    import torch

    loaded = tiny_models.loaded()
    head = loaded.model.get_output_embeddings().weight
    with torch.no_grad():
        head[10:20] = head[10]
    logits, states = own(loaded, IDS)
    above = int((logits[-1] > logits[-1, 10]).sum())
    _, ranks = lens.readout(loaded)(np.repeat(states[-1:], 10, 0), np.arange(10, 20))
    assert ranks.tolist() == [above + 1] * 10


def test_the_most_probable_token_has_rank_one_and_the_least_the_last():
    logits, states = own(tiny_models.loaded(), IDS)
    read = lens.readout(tiny_models.loaded())
    assert set(read(states, logits.argmax(axis=1))[1]) == {1}
    assert set(read(states, logits.argmin(axis=1))[1]) == {logits.shape[1]}


def test_chunks_change_nothing(monkeypatch):
    loaded = tiny_models.loaded()
    states = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    targets = np.arange(50)
    whole = lens.readout(loaded)(states, targets)
    monkeypatch.setattr(lens, "CHUNK", 7 * loaded.vocabulary)
    parts = lens.readout(loaded)(states, targets)
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-5)
    np.testing.assert_array_equal(parts[1], whole[1])


def test_no_more_logits_than_a_chunk_are_made_at_once(monkeypatch):
    loaded = tiny_models.loaded()
    read = lens.readout(loaded)
    sizes = []
    handle = loaded.model.get_output_embeddings().register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
    monkeypatch.setattr(lens, "CHUNK", 20 * loaded.vocabulary)
    read(np.zeros((90, 32), np.float32), np.zeros(90, np.int64))
    handle.remove()
    assert max(sizes) == 20 * loaded.vocabulary
    assert sum(sizes) == 90 * loaded.vocabulary


def test_states_that_are_no_numbers_have_no_probability_and_rank_zero():
    states = np.ones((3, 32), np.float32)
    states[1, 4] = np.nan
    found, ranks = lens.readout(tiny_models.loaded())(states, np.array([3, 3, 3]))
    assert np.isnan(found).tolist() == [False, True, False]
    assert ranks[1] == 0
    assert (ranks[[0, 2]] > 0).all()


def test_no_states_are_read_as_none():
    found, ranks = lens.readout(tiny_models.loaded())(np.zeros((0, 32), np.float32), np.zeros(0, np.int64))
    assert (found.shape, ranks.shape) == ((0,), (0,))


def test_states_that_may_not_be_written_to_are_read_and_left_as_they_are(tmp_path):
    path = tmp_path / "states.npy"
    np.save(path, np.ones((2, 32), np.float32))
    mapped = np.load(path, mmap_mode="r")
    found, _ = lens.readout(tiny_models.loaded())(mapped, np.array([1, 1]))
    assert np.isfinite(found).all()


def test_half_precision_reads_what_the_half_precision_model_says():
    import torch

    loaded = tiny_models.loaded()
    loaded.model.to(torch.bfloat16)
    logits, states = own(loaded, IDS)
    found, _ = lens.readout(loaded)(states, IDS)
    np.testing.assert_allclose(found, log_softmax(logits)[np.arange(len(IDS)), IDS], atol=0.05)


def forwards(loaded):
    return [vars(block).get("forward") for block in blocks(loaded)]


def hooks(loaded):
    return [
        len(registry)
        for module in loaded.model.modules()
        for registry in (module._forward_hooks, module._forward_pre_hooks)
    ]


def test_the_model_is_as_before_afterwards_and_after_an_error():
    loaded = tiny_models.loaded()
    logits, states = own(loaded, IDS)
    before = hooks(loaded)
    read = lens.readout(loaded)
    read(states, IDS)
    head = loaded.model.get_output_embeddings().register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        read(states, IDS)
    with pytest.raises(ZeroDivisionError):
        lens.readout(loaded)
    head.remove()
    assert hooks(loaded) == before
    assert forwards(loaded) == [None] * 4
    np.testing.assert_array_equal(own(loaded, IDS)[0], logits)


def test_a_forward_that_another_library_put_on_a_block_is_put_back():
    loaded = tiny_models.loaded()
    block = blocks(loaded)[1]
    plain, calls = block.forward, []

    def placed(*args, **kwargs):
        calls.append(1)
        return plain(*args, **kwargs)

    block.forward = placed
    read = lens.readout(loaded)
    calls.clear()
    read(np.ones((2, 32), np.float32), np.array([1, 2]))
    assert calls == []
    assert vars(block)["forward"] is placed


def test_a_model_without_a_head_is_refused_with_what_to_do():
    from transformers import AutoModel

    plain = _wrapped(AutoModel.from_config(families.config("bert")).eval())
    with pytest.raises(BadInput, match=r"model tiny: BertModel has no language-model head, .* saved with its head"):
        lens.readout(plain)


def test_a_model_whose_logits_do_not_follow_from_its_last_block_is_refused():
    loaded = tiny_models.loaded()
    # Something that reads an earlier layer beside the last one.
    seen = []
    first = blocks(loaded)[0].register_forward_hook(lambda _, __, output: seen.append(output))
    norm = loaded.model.model.norm.register_forward_hook(lambda _, __, output: output + seen[-1])
    with pytest.raises(BuildError, match=r"cannot read LlamaForCausalLM: the logits .* not its own \(relative error"):
        lens.readout(loaded)
    for handle in (first, norm):
        handle.remove()


def test_logits_that_are_no_numbers_are_refused():
    loaded = tiny_models.loaded()
    loaded.model.model.norm.weight.data[3] = float("nan")
    with pytest.raises(BuildError, match="cannot read LlamaForCausalLM"):
        lens.readout(loaded)


def test_text_is_encoded_without_special_tokens_and_with_its_characters():
    ids, offsets = lens.readout(tiny_models.loaded()).encode("Answer: 47 minus")
    tokenizer = tiny_models.tokenizer()
    assert tokenizer.decode(ids) == "Answer: 47 minus"
    assert tokenizer.bos_token_id not in ids
    assert offsets.shape == (len(ids), 2)
    assert (offsets[0, 0], offsets[-1, 1]) == (0, 16)
    lone, _ = lens.readout(tiny_models.loaded()).encode("\ud800")
    assert len(lone)


def test_a_late_readout_loads_its_model_once_and_only_when_it_is_used():
    loads = []

    def load_now():
        loads.append(1)
        return tiny_models.loaded()

    late = lens.late(load_now)
    assert loads == []
    states = np.ones((2, 32), np.float32)
    found, ranks = late(states, np.array([1, 2]))
    expected, expected_ranks = lens.readout(tiny_models.loaded())(states, np.array([1, 2]))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(ranks, expected_ranks)
    assert late.encode("47")[0].tolist() == lens.readout(tiny_models.loaded()).encode("47")[0].tolist()
    assert loads == [1]


def test_a_head_that_refuses_some_tokens_gives_them_no_probability():
    import torch

    loaded = tiny_models.loaded()
    mask = torch.zeros(loaded.vocabulary)
    mask[200:] = float("-inf")
    handle = loaded.model.get_output_embeddings().register_forward_hook(lambda _, __, out: out + mask)
    found, ranks = lens.readout(replace(loaded))(np.ones((2, 32), np.float32), np.array([210, 5]))
    handle.remove()
    assert found[0] == -np.inf
    assert ranks[0] == 201
    assert np.isfinite(found[1])
