"""Tiny random models of every common family, made from their configurations, loud enough for peaked attention.

Weights are drawn so that attention is peaked, every layer changes the stream by a good part of itself, and no norm is
the identity: a state read one layer off, or on the wrong side of a norm, is far from the right one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from layergrid.models import Loaded, wrap
from tiny_models import tokenizer

LAYERS, WIDTH, HEADS, CONTEXT = 4, 32, 4, 128
ENCODER_LAYERS = 3  # of the pairs: another number than the decoder's, so that a mix-up is seen

DECODERS = (
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gpt2", "gpt_neox", "opt", "phi3", "olmo2",
    "falcon", "falcon_new", "bloom", "mixtral", "gpt_oss",
)  # fmt: skip
ENCODERS = ("bert", "roberta", "modernbert", "deberta_v2", "albert")
PAIRS = ("t5", "bart")  # an encoder and a decoder
ODD_ENCODERS = ("mobilebert", "convbert", "big_bird", "xmod")  # parts of them cannot be told
HYBRIDS = ("mamba", "jamba", "qwen3_next")  # state-space blocks, or some blocks without attention


def config(family: str, **changes: Any) -> Any:
    """The configuration of a family: 4 blocks of width 32 with 4 heads."""
    import transformers

    name, words = _CONFIGS[family]
    return getattr(transformers, name)(**{**_WORDS, **words, **changes})


_WORDS: dict[str, Any] = {"vocab_size": 304, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
_USUAL: dict[str, Any] = {
    "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "max_position_embeddings": CONTEXT,
}  # fmt: skip
_GROUPED: dict[str, Any] = {**_USUAL, "num_key_value_heads": 2}
_WINDOWS: dict[str, Any] = {
    **_GROUPED, "head_dim": 8, "sliding_window": 6,
    "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
}  # fmt: skip
_FALCON: dict[str, Any] = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
                           "max_position_embeddings": CONTEXT, "ffn_hidden_size": 64}  # fmt: skip
_ENCODER: dict[str, Any] = {**_USUAL, "pad_token_id": 1, "eos_token_id": 2}
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _GROUPED),
    "mistral": ("MistralConfig", {**_GROUPED, "sliding_window": 6}),
    "qwen2": ("Qwen2Config", _GROUPED),
    "qwen3": ("Qwen3Config", {**_GROUPED, "head_dim": 8}),
    "gemma": ("GemmaConfig", {**_GROUPED, "head_dim": 16}),
    "gemma2": ("Gemma2Config", {**_WINDOWS, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 8.0}),
    "gemma3": ("Gemma3TextConfig", {**_WINDOWS, "query_pre_attn_scalar": 8}),
    "gpt2": ("GPT2Config", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": CONTEXT}),
    "gpt_neox": ("GPTNeoXConfig", _USUAL),
    "opt": ("OPTConfig", {"hidden_size": WIDTH, "ffn_dim": 64, "num_hidden_layers": LAYERS,
                          "num_attention_heads": HEADS, "max_position_embeddings": CONTEXT,
                          "word_embed_proj_dim": WIDTH}),
    "phi3": ("Phi3Config", _GROUPED),
    "olmo2": ("Olmo2Config", _GROUPED),
    "falcon": ("FalconConfig", {**_FALCON, "alibi": False, "multi_query": True, "parallel_attn": True}),
    "falcon_new": ("FalconConfig", {**_FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "bloom": ("BloomConfig", {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS}),
    "mixtral": ("MixtralConfig", {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "gpt_oss": ("GptOssConfig", {**_WINDOWS, "num_local_experts": 4, "num_experts_per_tok": 2,
                                 "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
    "bert": ("BertConfig", _ENCODER),
    "roberta": ("RobertaConfig", _ENCODER),
    "modernbert": ("ModernBertConfig", {**_ENCODER, "cls_token_id": 0, "sep_token_id": 2, "local_attention": 6,
                                        "reference_compile": False}),
    "deberta_v2": ("DebertaV2Config", {**_ENCODER, "relative_attention": True, "position_buckets": 8,
                                       "pos_att_type": ["p2c", "c2p"], "share_att_key": False, "type_vocab_size": 0}),
    "albert": ("AlbertConfig", {**_ENCODER, "embedding_size": 16}),
    "t5": ("T5Config", {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": ENCODER_LAYERS, "num_heads": HEADS,
                        "num_decoder_layers": LAYERS, "feed_forward_proj": "gated-gelu", "pad_token_id": 2,
                        "decoder_start_token_id": 2, "relative_attention_max_distance": 16,
                        "relative_attention_num_buckets": 8}),
    "bart": ("BartConfig", {"d_model": WIDTH, "encoder_layers": ENCODER_LAYERS, "decoder_layers": LAYERS,
                            "encoder_attention_heads": 2, "decoder_attention_heads": HEADS, "encoder_ffn_dim": 64,
                            "decoder_ffn_dim": 64, "max_position_embeddings": CONTEXT, "pad_token_id": 2,
                            "decoder_start_token_id": 1}),
    "mamba": ("MambaConfig", {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "state_size": 8, "time_step_rank": 4}),
    "jamba": ("JambaConfig", {**_GROUPED, "attn_layer_period": 4, "attn_layer_offset": 2, "expert_layer_period": 2,
                              "expert_layer_offset": 1, "num_experts": 4, "num_experts_per_tok": 2, "mamba_d_state": 8,
                              "mamba_dt_rank": 4}),
    "qwen3_next": ("Qwen3NextConfig", {**_GROUPED, "head_dim": 8, "linear_num_key_heads": 2,
                                       "linear_num_value_heads": 4, "linear_key_head_dim": 8,
                                       "linear_value_head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
                                       "moe_intermediate_size": 32,
                                       "shared_expert_intermediate_size": 32,
                                       "layer_types": ["linear_attention", "full_attention"] * 2}),
    "rwkv": ("RwkvConfig", {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "context_length": CONTEXT}),
    "mobilebert": ("MobileBertConfig", {**_ENCODER, "embedding_size": 16, "intra_bottleneck_size": 16,
                                        "true_hidden_size": 16}),
    "diffllama": ("DiffLlamaConfig", _USUAL),
    "convbert": ("ConvBertConfig", {**_ENCODER, "embedding_size": WIDTH}),
    "big_bird": ("BigBirdConfig", _ENCODER),
    "xmod": ("XmodConfig", _ENCODER),
    "xlnet": ("XLNetConfig", {"d_model": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 64}),
}  # fmt: skip

_QUERIES_AND_KEYS = (
    "q_proj", "k_proj", "query_key_value", "c_attn", "qkv_proj", "Wqkv", ".query.", ".key.", "query_proj", "key_proj",
    "Attention.q.", "Attention.k.",
)  # fmt: skip
_EMBEDDINGS = ("embed", "wte", "wpe", "shared.weight")
_LEFT_ALONE = ("A_log", "dt_proj", "dt_bias", "conv1d", "x_proj", "relative_attention_bias", "time_")


def model(family: str, seed: int = 0, **changes: Any) -> Any:
    """A model of the family, with its head, in evaluation mode; the same weights for the same seed."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    made_by = {**dict.fromkeys((*ENCODERS, *ODD_ENCODERS), AutoModelForMaskedLM),
               **dict.fromkeys(PAIRS, AutoModelForSeq2SeqLM)}.get(family, AutoModelForCausalLM)  # fmt: skip
    torch.manual_seed(seed)  # of what is left as the family draws it
    made = made_by.from_config(config(family, **changes)).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(seed)
    for name, weight in made.named_parameters():
        if any(part in name for part in _LEFT_ALONE):
            continue
        noise = torch.randn(weight.shape, generator=draw)
        if weight.dim() < 2:
            weight.add_(0.3 * noise + any(part in name for part in ("q_norm", "k_norm")))
        elif any(part in name for part in _EMBEDDINGS):
            weight.copy_(noise)
        else:
            loud = 2.5 if any(part in name for part in _QUERIES_AND_KEYS) and family != "t5" else 1.2
            weight.copy_(loud / WIDTH**0.5 * noise)
    return made


@functools.cache
def loaded(family: str, seed: int = 0) -> Loaded:
    """Such a model with a tokenizer, as `models.load` would return them; shared by tests, which leave it as it is."""
    return wrap(model(family, seed), tokenizer(), name="tiny", address=f"random:{family}", revision=str(seed))


@contextmanager
def eager(loaded: Loaded) -> Iterator[None]:
    """While it lasts, attention is computed by the model's own eager function, which alone returns its weights."""
    import torch

    before = loaded.model.config._attn_implementation
    loaded.model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            yield
    finally:
        loaded.model.set_attn_implementation(before)
