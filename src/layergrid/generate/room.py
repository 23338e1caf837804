"""Checks that a model can write, that it knows every token, and that prompts leave room; it runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.artifacts import Ints
from layergrid.kinds import BadInput
from layergrid.models import Loaded

LEAVE_OUT = "`long: leave_out` to leave such rows out and count them"


def check_writes(loaded: Loaded) -> None:
    """Raises BadInput where a model can write no completion."""
    if not loaded.writes:
        why = "is an encoder" if loaded.design == "encoder" else "has no language-model head"
        raise BadInput(
            f"model {loaded.card.name} ({loaded.card.architecture}) {why} and writes no answers; give it texts with a "
            "label instead: name the column that tells them apart in 'label', in place of 'grade' and 'generate'"
        )


def check_room(loaded: Loaded, example_ids: Sequence[str], prompt_ids: Sequence[Ints], max_new_tokens: int) -> None:
    """Raises BadInput where prompts or completions do not fit: into one context, or each into that of its stack."""
    if max_new_tokens < 1:
        raise BadInput(f"max_new_tokens is {max_new_tokens}; a completion needs at least 1 token")
    name, limit, taken = loaded.card.name, loaded.context, max_new_tokens
    if loaded.design == "encoder-decoder":
        if max_new_tokens + 1 > (loaded.context or 10**12):
            raise BadInput(
                f"max_new_tokens is {max_new_tokens}; with its start token that exceeds the context of the decoder of "
                f"model {name}, {loaded.context} tokens"
            )
        limit, taken = loaded.encoder_context, 0
    room = (limit or 10**12) - taken
    long = [(example, len(ids)) for example, ids in zip(example_ids, prompt_ids, strict=True) if len(ids) > room]
    if long:
        example, length = long[0]
        also = others(len(long), len(prompt_ids), "prompt")
        if not taken:
            raise BadInput(
                f"example {example!r}: its prompt has {length} tokens, longer than the context of the encoder of model "
                f"{name}, {limit} tokens{also}; shorten the prompt, or write {LEAVE_OUT}"
            )
        raise BadInput(
            f"example {example!r}: its prompt has {length} tokens, and with max_new_tokens {max_new_tokens} that "
            f"exceeds the context of model {name}, {limit} tokens{also}; shorten the prompt or max_new_tokens, or "
            f"write {LEAVE_OUT}"
        )


def others(long: int, total: int, what: str) -> str:
    """That others have the same fault as the one that a message names; empty where it is the only one."""
    return f"; so do {long - 1} other {what}s of {total}" if long > 1 else ""


def check_vocabulary(loaded: Loaded, example_ids: Sequence[str], prompt_ids: Sequence[Ints]) -> None:
    """Raises BadInput where the tokenizer gives a token that the model's embedding does not have."""
    for example, ids in zip(example_ids, prompt_ids, strict=True):
        if int(ids.max()) >= loaded.vocabulary:
            raise BadInput(
                f"example {example!r}: the tokenizer gives token {int(ids.max())}, but model {loaded.card.name} knows "
                f"only {loaded.vocabulary}; its tokenizer and its weights do not belong together"
            )


def check_given_vocabulary(loaded: Loaded, example_ids: Sequence[str], many: Sequence[Ints], column: str) -> None:
    """Raises BadInput where an id that stands in the data is none of the model's."""
    for example, ids in zip(example_ids, many, strict=True):
        if len(ids) and int(ids.max()) >= loaded.vocabulary:
            raise BadInput(
                f"example {example!r}: column {column!r} holds token {int(ids.max())}, but model {loaded.card.name} "
                f"knows only {loaded.vocabulary}; these ids are of another tokenizer: name that model, or give the "
                "answers as text"
            )


def too_long(loaded: Loaded, prompt_ids: Sequence[Ints], answer_ids: Sequence[Ints]) -> list[int]:
    """Rows whose prompt and given answer are longer than the context, or one of them than that of its own stack."""
    lengths = enumerate(zip(map(len, prompt_ids), map(len, answer_ids), strict=True))
    whole, first = loaded.context or 10**12, loaded.encoder_context or 10**12
    if loaded.design == "encoder-decoder":
        return [i for i, (before, after) in lengths if before > first or after + 1 > whole]
    return [i for i, (before, after) in lengths if before + after > whole]


def no_room(loaded: Loaded, example_ids: Sequence[str], long: Sequence[int], before: int, after: int) -> BadInput:
    """What to say of rows that are too long, the first of which has so many tokens."""
    limit = f"{loaded.context} tokens"
    if loaded.design == "encoder-decoder":
        limit = f"{loaded.encoder_context} tokens of the encoder and {loaded.context} of the decoder"
    return BadInput(
        f"example {example_ids[long[0]]!r}: its prompt has {before} tokens and its given answer {after}, more than the "
        f"context of model {loaded.card.name}, {limit}{others(len(long), len(example_ids), 'row')}; "
        "'long: leave_out' leaves out what does not fit, and counts it"
    )
