"""Sequences of prompts that a model completes, or of texts that it only reads; it grades nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Bools, Ints, Sequences
from layergrid.generate.decoding import KEEPS_NOTHING, Completion, Progress, greedy
from layergrid.generate.room import LEAVE_OUT, check_vocabulary, check_writes, others
from layergrid.kinds import BadInput, Shards
from layergrid.models import Loaded
from layergrid.prompts import ChatSpec, check_start, completion_offsets, dialogues, encode_prompts, told


def generate(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    batch: int,
    progress: Progress = lambda *_: None,
    chat: ChatSpec | None = None,
    shards: Shards = KEEPS_NOTHING,
) -> Sequences:
    """The greedy completion of every prompt, in the order of the prompts; with `chat` each is a dialogue.

    Each batch is kept in `shards`, and taken from there where an earlier run left it.

    Raises:
        BadInput: the model cannot write, a prompt is empty, or too long to leave `max_new_tokens` of the model's
            context, or there is no chat template that takes it.
        BuildError: the model's logits are not numbers, or it cannot decode step by step.
    """
    check_writes(loaded)
    texts, encoded = encoded_as(loaded, example_ids, prompts, "prompt", chat)
    completions = greedy(
        loaded, example_ids, [one for one, _ in encoded], max_new_tokens=max_new_tokens, batch=batch,
        progress=progress, shards=shards,
    )  # fmt: skip
    return sequences_of(loaded, example_ids, texts, encoded, completions, written=True)


def read(
    loaded: Loaded, example_ids: Sequence[str], prompts: Sequence[str], *, chat: ChatSpec | None = None
) -> Sequences:
    """Texts as they are given, all of them prompt: nothing is written after them. With `chat` each is a dialogue.

    Raises BadInput where a text is empty or longer than the model's context, or no chat template takes it.
    """
    texts, encoded = encoded_as(loaded, example_ids, prompts, "text", chat)
    limit = loaded.encoder_context if loaded.design == "encoder-decoder" else loaded.context
    long = [
        (name, len(ids)) for name, (ids, _) in zip(example_ids, encoded, strict=True) if len(ids) > (limit or 10**12)
    ]
    if long:
        name, length = long[0]
        raise BadInput(
            f"example {name!r}: its text has {length} tokens, longer than the context of model {loaded.card.name}, "
            f"{limit} tokens{others(len(long), len(encoded), 'text')}; shorten it, or write "
            f"{LEAVE_OUT}"
        )
    nothing = Completion(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32), stopped=True)
    return sequences_of(loaded, example_ids, texts, encoded, [nothing] * len(encoded), written=False)


def dialogue(loaded: Loaded, chat: ChatSpec | None) -> str:
    """How prompts become dialogues, in sentences for a report; empty where they do not. Raises BadInput."""
    return told(loaded.tokenizer, chat) if chat is not None else ""


def encoded_as(
    loaded: Loaded, example_ids: Sequence[str], prompts: Sequence[str], what: str, chat: ChatSpec | None
) -> tuple[Sequence[str], list[tuple[Ints, Ints]]]:
    """The texts that the model sees, and the ids [T] and offsets [T, 2] of each."""
    for name, prompt in zip(example_ids, prompts, strict=True):
        if not prompt.strip():
            raise BadInput(f"example {name!r}: its {what} is empty; check the template and the columns that it names")
    texts = prompts if chat is None else dialogues(loaded.tokenizer, example_ids, prompts, chat)
    encoded = encode_prompts(loaded.tokenizer, texts, add_special_tokens=chat is None)
    if chat is not None:
        check_start(loaded.tokenizer, example_ids, [ids for ids, _ in encoded])
    check_vocabulary(loaded, example_ids, [ids for ids, _ in encoded])
    return texts, encoded


def sequences_of(
    loaded: Loaded,
    example_ids: Sequence[str],
    texts: Sequence[str],
    encoded: Sequence[tuple[Ints, Ints]],
    completions: Sequence[Completion],
    *,
    written: bool,
    given: str = "",
    inexact: Bools | None = None,
) -> Sequences:
    """What was read and written as ids, with the characters that each of them covers."""
    alone = loaded.design == "encoder-decoder"
    spelt = [
        completion_offsets(
            loaded.tokenizer, before, after.ids, prompt=text, prompt_offsets=offsets, continues=not alone
        )
        for text, (before, offsets), after in zip(texts, encoded, completions, strict=True)
    ]  # fmt: skip
    return Sequences(
        example_ids=tuple(example_ids),
        ids=tuple(np.concatenate([before, after.ids]) for (before, _), after in zip(encoded, completions, strict=True)),
        offsets=tuple(one.offsets for one in spelt),
        pieces=tuple(one.pieces for one in spelt),
        special=tuple(one.special for one in spelt),
        texts=tuple(one.text for one in spelt),
        prompt_tokens=np.array([len(ids) for ids, _ in encoded], dtype=np.int32),
        prompt_chars=np.array([len(text) for text in texts], dtype=np.int32),
        logprobs=tuple(one.logprobs for one in completions),
        stopped=np.array([one.stopped for one in completions], dtype=np.bool_),
        written=written,
        given=given,
        inexact=inexact,
    )
