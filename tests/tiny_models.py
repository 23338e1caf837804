"""Random causal language models of several families, loud enough for peaked attention and layers that differ."""

from __future__ import annotations

import functools
from typing import Any

from layergrid.models import Loaded, wrap

LAYERS = 4
WIDTH = 32
CONTEXT = 96
BOS, EOS = "<s>", "</s>"
FAMILIES = ("llama", "qwen3", "mistral", "gpt2", "gpt_neox", "opt")
TEXT = (
    "Question: What is 47 minus 38? Answer: 47 minus 38 equals 9, and that is my final answer.\n"
    "Who wrote it? It was written long ago, in 1843, by a woman who knew more than the machine did. "
    "The quick brown fox jumps over the lazy dog; 4 plus 5 times 6 is 34."
)


@functools.cache
def tokenizer(pad: bool = False) -> Any:
    """A byte-level BPE fast tokenizer of about 300 tokens that puts <s> first; no pad token unless asked for."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    special = [BOS, EOS, *(["<pad>"] if pad else [])]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([TEXT], trainer=trainer)
    made.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    names = {"bos_token": BOS, "eos_token": EOS, **({"pad_token": "<pad>"} if pad else {})}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def config(family: str, **changes: Any) -> Any:
    """A configuration of the family, 4 layers of width 32."""
    import transformers

    words = {"vocab_size": len(tokenizer()), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
    usual = {
        **words, "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
    }  # fmt: skip
    grouped = {**usual, "num_key_value_heads": 2}
    made = {
        "llama": (transformers.LlamaConfig, grouped),
        "qwen3": (transformers.Qwen3Config, {**grouped, "head_dim": 8}),
        "mistral": (transformers.MistralConfig, {**grouped, "sliding_window": 6}),
        "gpt2": (transformers.GPT2Config, {**words, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4,
                                           "n_positions": CONTEXT}),
        "gpt_neox": (transformers.GPTNeoXConfig, usual),
        "opt": (transformers.OPTConfig, {**words, "hidden_size": WIDTH, "ffn_dim": 64, "num_hidden_layers": LAYERS,
                                         "num_attention_heads": 4, "max_position_embeddings": CONTEXT,
                                         "word_embed_proj_dim": WIDTH}),
    }[family]  # fmt: skip
    return made[0](**{**made[1], **changes})


def model(family: str = "llama", seed: int = 0, **changes: Any) -> Any:
    """A model of the family whose matrices are drawn large enough for every layer to change the stream."""
    import torch
    from transformers import AutoModelForCausalLM

    made = AutoModelForCausalLM.from_config(config(family, **changes)).eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.dim() < 2:
                continue
            loud = 2.5 if any(part in name for part in ("q_proj", "k_proj", "query_key_value", "c_attn")) else 1.2
            embeds = any(part in name for part in ("embed", "wte", "wpe"))
            size = 1.0 if embeds else loud / WIDTH**0.5
            weight.copy_(size * torch.randn(weight.shape, generator=draw))
    return made


def loaded(family: str = "llama", seed: int = 0, pad: bool = False, **changes: Any) -> Loaded:
    """Such a model with its tokenizer, as `models.load` would return them."""
    return wrap(
        model(family, seed, **changes), tokenizer(pad), name="tiny", address=f"random:{family}", revision=str(seed)
    )


def save(folder: Any, family: str = "llama", **changes: Any) -> Any:
    """Writes such a model to a folder in the Hugging Face format; returns the folder."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model(family, **changes).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
