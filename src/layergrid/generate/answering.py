"""Sequences of answers that stand in the data: as the model's own tokens, with their log-probabilities.

Nothing is generated. Ids are taken as they are. A text becomes tokens that go on after the prompt's own and decode to
that very text; where a tokenizer cannot spell it, what its tokens do spell is kept, and the row is marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Ints, Sequences
from layergrid.generate.columns import Answered
from layergrid.generate.decoding import KEEPS_NOTHING, Completion, Progress
from layergrid.generate.room import check_given_vocabulary, check_writes, no_room, too_long
from layergrid.generate.scoring import Row, score
from layergrid.generate.texts import encoded_as, sequences_of
from layergrid.kinds import Shards
from layergrid.models import Loaded
from layergrid.prompts import ChatSpec, completion_offsets, tokenizable


@dataclass(frozen=True)
class Spelt:
    """An answer as tokens."""

    ids: Ints  # int32 [T]
    exact: bool  # they decode to the answer's text
    stopped: bool  # they end with a stop token, or nobody knows


def given(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompts: Sequence[str],
    answers: Answered,
    *,
    chat: ChatSpec | None = None,
    leave_out: bool = False,
    batch_tokens: int | None = None,
    progress: Progress = lambda *_: None,
    shards: Shards = KEEPS_NOTHING,
) -> Sequences:
    """The given answers after their prompts, with log-probabilities from one forward pass; `Sequences.given` is set.

    With `leave_out` the sequences are those of the rows that fit into the context, if any do.

    Raises:
        BadInput: the model cannot write, a prompt is empty, an id is none of the model's, a prompt and its answer are
            longer than the context, or there is no chat template that takes a prompt.
        BuildError: as `scoring.score`.
    """
    check_writes(loaded)
    texts, encoded = encoded_as(loaded, example_ids, prompts, "prompt", chat)
    texts, encoded = _as_given(loaded, example_ids, texts, encoded, answers.prompt_ids)
    before = [ids for ids, _ in encoded]
    if answers.ids:
        check_given_vocabulary(loaded, example_ids, answers.ids, answers.column)
        spelt = _from_ids(loaded, answers.ids)
    else:
        parts = zip(texts, encoded, answers.texts, strict=True)
        spelt = [spell(loaded, text, ids, offsets, answer) for text, (ids, offsets), answer in parts]
    long = too_long(loaded, before, [one.ids for one in spelt])
    if long and (not leave_out or len(long) == len(spelt)):
        raise no_room(loaded, example_ids, long, len(before[long[0]]), len(spelt[long[0]].ids))
    kept = sorted({*range(len(spelt))} - {*long})
    example_ids, texts = [example_ids[i] for i in kept], [texts[i] for i in kept]
    encoded, spelt = [encoded[i] for i in kept], [spelt[i] for i in kept]
    rows = [Row.of(ids, one.ids) for ids, one in zip((ids for ids, _ in encoded), spelt, strict=True)]
    logprobs = score(loaded, example_ids, rows, batch_tokens=batch_tokens, progress=progress, shards=shards)
    completions = [
        Completion(one.ids, values[:, 0], one.stopped) for one, values in zip(spelt, logprobs, strict=True)
    ]  # fmt: skip
    return sequences_of(
        loaded, example_ids, texts, encoded, completions, written=True, given=answers.column,
        inexact=np.array([not one.exact for one in spelt], dtype=np.bool_),
    )  # fmt: skip


def _as_given(
    loaded: Loaded, example_ids: Sequence[str], texts: Sequence[str], encoded: list[tuple[Ints, Ints]],
    prompt_ids: Sequence[Ints],
) -> tuple[Sequence[str], list[tuple[Ints, Ints]]]:  # fmt: skip
    """Prompts whose ids are given too: where these are not those of the text, the text is what they decode to."""
    if not prompt_ids:
        return texts, encoded
    check_given_vocabulary(loaded, example_ids, prompt_ids, "prompt_ids")
    shown, found = list(texts), list(encoded)
    for i, ids in enumerate(prompt_ids):
        if not np.array_equal(ids, encoded[i][0]):
            decoded = completion_offsets(loaded.tokenizer, ids, [])
            shown[i], found[i] = decoded.text, (ids, decoded.offsets)
    return shown, found


# ---------------------------------------------------------------- ids


def _from_ids(loaded: Loaded, many: Sequence[Ints]) -> list[Spelt]:
    """Ids without the padding that stands after a stop token; where no answer has one, none is taken as cut short."""
    stops = sorted(loaded.stop_ids)
    kept = [_without_padding(loaded, ids) for ids in many]
    ends = [bool(len(ids)) and int(ids[-1]) in stops for ids in kept]
    known = any(ends)
    return [Spelt(ids, exact=True, stopped=end or not known) for ids, end in zip(kept, ends, strict=True)]


def _without_padding(loaded: Loaded, ids: Ints) -> Ints:
    stops = sorted(loaded.stop_ids)
    filling = {*stops, loaded.pad_id, loaded.tokenizer.pad_token_id}
    ends = np.flatnonzero(np.isin(ids, stops))
    first = int(ends[0]) + 1 if len(ends) else len(ids)
    return ids[:first] if filling >= {*ids[first:].tolist()} else ids


# ---------------------------------------------------------------- text


def spell(loaded: Loaded, prompt: str, prompt_ids: Ints, prompt_offsets: Ints, answer: str) -> Spelt:
    """An answer as tokens after the prompt's.

    The first way of tokenising it that decodes to the very text is taken: with the prompt before it, if that leaves the
    prompt's own tokens as they are; alone; or after a short text whose tokens are known. Else what it reads as alone.
    """
    text = tokenizable(answer)
    if not text:
        return Spelt(np.empty(0, dtype=np.int32), exact=not answer, stopped=True)
    alone = loaded.design == "encoder-decoder"
    first: Ints | None = None
    for ids in _ways(loaded, "" if alone else prompt, text):
        first = ids if first is None else first
        found = completion_offsets(
            loaded.tokenizer, prompt_ids, ids, prompt=prompt, prompt_offsets=prompt_offsets, continues=not alone
        )
        if found.text[len(prompt) :] == text:
            return Spelt(ids, exact=text == answer, stopped=True)
    return Spelt(np.empty(0, dtype=np.int32) if first is None else first, exact=False, stopped=True)


def _ways(loaded: Loaded, prompt: str, text: str) -> Iterator[Ints]:
    """Ways to tokenise a text that goes on after a prompt, those first that are most like how it would be written."""

    def encode(some: str) -> list[int]:
        return list(map(int, loaded.tokenizer(tokenizable(some), add_special_tokens=False, verbose=False)["input_ids"]))

    for before in (prompt, "", "\n", ".", "a", "0"):
        start, whole = encode(before) if before else [], encode(before + text)
        if whole[: len(start)] == start:
            yield np.array(whole[len(start) :], dtype=np.int32)
    yield np.array([i for character in text for i in encode(character)], dtype=np.int32)
