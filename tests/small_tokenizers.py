"""Tokenizers made by hand, one for each way that real ones spell text, and sequences written with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from layergrid.artifacts import Sequences
from layergrid.prompts import completion_offsets, encode_prompts, tokenizable

SPECIAL = BEGIN, END, PAD = ("<s>", "</s>", "<pad>")
UNKNOWN = "[UNK]"
WORDS = ("Sum", "ĠIt", "Ġis", "Ġequals", "Ġand", "Ġor", "Ġthe", "Ġanswer", "Paris", *(f"Ġ{d}" for d in range(10)))


def fast(tokenizer: Tokenizer, **options: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD, **options)


def byte_pairs(alphabet: Sequence[str], words: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of an alphabet and of every beginning of some words, with the merges that build them."""
    merges = list(dict.fromkeys((word[:i], word[i]) for word in words for i in range(1, len(word))))
    tokens = dict.fromkeys([*SPECIAL, *alphabet, *(a + b for a, b in merges)])
    return {token: i for i, token in enumerate(tokens)}, merges


def byte_level(trim: bool = False) -> Any:
    """GPT-2's way: blanks belong to the word behind, characters may be split into bytes. Digits stand alone.

    With `trim`, offsets leave the blank out, as GPT-2's own do.
    """
    vocabulary, merges = byte_pairs(sorted(pre_tokenizers.ByteLevel.alphabet()), WORDS)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    words = pre_tokenizers.Split(Regex(r" ?\d| ?\p{L}+| ?[^\s\p{L}\d]|\s"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    begin = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), begin]) if trim else begin
    return fast(tokenizer)


def metaspace() -> Any:
    """SentencePiece's way with byte fallback: the decoder drops the first blank; unknown characters become bytes."""
    letters = [*"▁abcdefghijklmnopqrstuvwxyzSPITQA0123456789.,:;?!\nÀéü"]
    words = [word.replace("Ġ", "▁") for word in WORDS]
    vocabulary, merges = byte_pairs([*(f"<0x{b:02X}>" for b in range(256)), *letters], words)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return fast(tokenizer)


def wordpiece() -> Any:
    """BERT's way: lower case, `##` inside words, blanks that no token holds, clean-up while decoding."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = [
        "sum",
        "it",
        "is",
        "equals",
        "the",
        "answer",
        "play",
        "##ing",
        "##ed",
        *letters,
        *(f"##{c}" for c in letters),
    ]
    tokens = dict.fromkeys([*SPECIAL, UNKNOWN, *words, *".,:;?!'()"])
    tokenizer = Tokenizer(models.WordPiece(vocab={t: i for i, t in enumerate(tokens)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return fast(tokenizer, unk_token=UNKNOWN)


def ids_of(tokenizer: Any, pieces: str) -> list[int]:
    """The ids of tokens written as `" It| is| 4|3|</s>"`, whether or not the tokenizer would cut the text so."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[piece.replace(" ", "Ġ").replace("\n", "Ċ")] for piece in pieces.split("|")] if pieces else []


def raw(text: str) -> str:
    """Text as byte-level tokens, one a byte, for `ids_of`."""
    return "|".join(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0])


def written(tokenizer: Any, rows: Sequence[tuple[str, Sequence[int], bool]]) -> Sequences:
    """Sequences of (prompt, ids of the completion, whether the model ended it itself)."""
    prompts = [prompt for prompt, _, _ in rows]
    encoded = encode_prompts(tokenizer, prompts)
    spelt = [
        completion_offsets(tokenizer, before, after, prompt=prompt, prompt_offsets=offsets)
        for (before, offsets), (prompt, after, _) in zip(encoded, rows, strict=True)
    ]
    return Sequences(
        example_ids=tuple(str(i + 1) for i in range(len(rows))),
        ids=tuple(np.array([*b, *a], np.int32) for (b, _), (_, a, _) in zip(encoded, rows, strict=True)),
        offsets=tuple(one.offsets for one in spelt),
        pieces=tuple(one.pieces for one in spelt),
        special=tuple(one.special for one in spelt),
        texts=tuple(one.text for one in spelt),
        prompt_tokens=np.array([len(ids) for ids, _ in encoded], np.int32),
        prompt_chars=np.array([len(tokenizable(prompt)) for prompt in prompts], np.int32),
        logprobs=tuple(np.zeros(len(after), np.float32) for _, after, _ in rows),
        stopped=np.array([stopped for _, _, stopped in rows], np.bool_),
    )
