"""A small model that recites: after a cue it writes what follows it by heart, so that tests decide what is answered.

Its stream differs a little from example to example, by random attention, so that probes have something to read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WIDTH, LAYERS, CONTEXT = 64, 2, 160
BEGIN, END = "<s>", "</s>"


def tokenizer(pieces: Sequence[str]) -> Any:
    """One token a byte, and one for each of the pieces."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate([BEGIN, END, *alphabet])}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    made.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=BEGIN, eos_token=END)


def save(folder: Path, answers: Mapping[str, Sequence[str]], spoilt: str = "") -> Path:
    """Writes a model that answers each cue, the last token of a prompt, with its pieces; every piece has one successor.

    `spoilt` names a token whose embedding is not a number.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    follows = {a: b for cue, pieces in answers.items() for a, b in zip((cue, *pieces), (*pieces, END), strict=True)}
    words = tokenizer(list(dict.fromkeys([*follows, *follows.values()])))
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=2, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=1, pad_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    ids = words.get_vocab()
    with torch.no_grad():
        embedding = torch.randn(len(words), WIDTH)
        head = torch.zeros(len(words), WIDTH)
        for one, other in follows.items():
            head[ids[other]] += embedding[ids[one]]
        if spoilt:
            embedding[ids[spoilt]] = torch.nan
        model.model.embed_tokens.weight.copy_(embedding)
        model.lm_head.weight.copy_(head)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def rows(
    n: int, cues: Sequence[str], golds: Sequence[str], question: str = "What is number {i}?"
) -> list[dict[str, str]]:
    """Questions that end with one cue after the other; every third one has another right answer than most."""
    return [
        {"question": question.replace("{i}", str(i)), "cue": cues[i % len(cues)], "answer": golds[i % 3 == 0]}
        for i in range(n)
    ]


def write_csv(path: Path, found: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return path


def write_jsonl(path: Path, found: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")
    return path
