"""Turns prompts into ids, and kept ids back into characters; it knows no template and no answer.

Ids are the truth. A prompt is encoded once, and its offsets are taken in the same call; the characters of a completion
come from decoding its own ids, never from tokenising text again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from layergrid.artifacts import Bools, Ints
from layergrid.kinds import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Decode = Callable[[list[int]], str]


class TokenText(NamedTuple):
    """The characters of one sequence of T tokens."""

    text: str  # the prompt as the model saw it, then the completion decoded without special tokens
    offsets: Ints  # int32 [T, 2]: characters of `text` that a token covers, blank before a word included
    pieces: tuple[str, ...]  # T strings to show: those characters, or a special token's name
    special: Bools  # bool [T]


# ---------------------------------------------------------------- prompts to ids


def tokenizable(prompt: str) -> str:
    """The prompt as a tokenizer can read it: each lone surrogate, which no encoding holds, becomes U+FFFD.

    The length stays the same, so that offsets hold in both.
    """
    return LONE_SURROGATE.sub(REPLACEMENT, prompt)


def with_lone_surrogates(prompts: Sequence[str]) -> int:
    """How many prompts hold lone surrogates, and so reach the model with U+FFFD in their place."""
    return sum(LONE_SURROGATE.search(prompt) is not None for prompt in prompts)


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], *, add_special_tokens: bool = True
) -> list[tuple[Ints, Ints]]:
    """For each prompt its ids, int32 [T], and their characters of `tokenizable(prompt)`, int32 [T, 2].

    Special tokens stand as the tokenizer adds them and cover (0, 0); a dialogue that spells its own out is encoded with
    `add_special_tokens` false. Nothing is cut or padded. Raises BadInput where the tokenizer cannot give offsets, or
    where a prompt has no token at all.
    """
    if not tokenizer.is_fast:
        raise BadInput(
            f"{type(tokenizer).__name__} gives no character offsets; use a model whose folder holds a tokenizer.json "
            "(a fast tokenizer)"
        )
    if not prompts:
        return []
    encoded: Any = tokenizer(
        [tokenizable(prompt) for prompt in prompts],
        add_special_tokens=add_special_tokens,
        return_offsets_mapping=True,
        return_attention_mask=False,
        padding=False,
        truncation=False,
        verbose=False,
    )
    for i, ids in enumerate(encoded["input_ids"]):
        if not ids:
            raise BadInput(
                f"prompt {i + 1} of {len(prompts)} has no tokens ({prompts[i][:40]!r}), and the tokenizer adds none at "
                "its start; write a prompt that is not empty"
            )
    return [
        (np.asarray(ids, dtype=np.int32), np.asarray(offsets, dtype=np.int32).reshape(-1, 2))
        for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]


# ---------------------------------------------------------------- ids to characters


def completion_offsets(
    tokenizer: PreTrainedTokenizerBase,
    prompt_ids: Sequence[int] | Ints,
    completion_ids: Sequence[int] | Ints,
    *,
    prompt: str | None = None,
    prompt_offsets: Ints | None = None,
    continues: bool = True,
) -> TokenText:
    """The whole text of a prompt and its completion, and the characters that each of the T tokens covers.

    `prompt` is the text and `prompt_offsets` the offsets that `encode_prompts` gave; without them the prompt is decoded
    from its ids, which is not the text that was written where a tokenizer lower-cases or drops blanks. The completion's
    text is what its ids add to the decoded prompt; clean-up is off, so that later tokens never change earlier text. A
    completion that a second stack wrote does not continue the prompt (`continues` false): its ids are decoded alone.

    A token that holds only some bytes of a character covers that character, and so do the tokens that hold the others.
    Special tokens that the tokenizer or the model added cover nothing (start = stop); one that the prompt's text spells
    out covers its own characters. Blanks that a tokenizer leaves between two tokens of the prompt belong to the second.
    """
    before, after = [int(i) for i in prompt_ids], [int(i) for i in completion_ids]
    special = np.array([i in _special_ids(tokenizer) for i in (*before, *after)], dtype=np.bool_)
    names: Any = tokenizer.convert_ids_to_tokens([*before, *after])

    # The fast tokenizer itself: the wrapper's decode is the same without its clean-up, at several times the cost.
    backend: Any = tokenizer.backend_tokenizer

    def decode(ids: list[int]) -> str:
        return str(backend.decode(ids, skip_special_tokens=True))

    given = prompt is not None and prompt_offsets is not None
    if prompt is None or prompt_offsets is None:
        text, spans = decoded_spans(decode, [], before)
    else:
        text = tokenizable(prompt)
        spans = _closed(text, prompt_offsets)
    reply, written = decoded_spans(decode, before if continues else [], after)
    spans += [(len(text) + a, len(text) + b) for a, b in written]
    text += reply
    for i in np.flatnonzero(special):
        if i >= len(before) or not given:
            spans[i] = (spans[i][0], spans[i][0])
    pieces = tuple(
        str(name) if is_special else text[a:b] for name, is_special, (a, b) in zip(names, special, spans, strict=True)
    )
    return TokenText(text, np.array(spans, dtype=np.int32).reshape(-1, 2), pieces, special)


@lru_cache(maxsize=4)
def _special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    added: Mapping[int, Any] = tokenizer.added_tokens_decoder
    return frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}


def _closed(text: str, offsets: Ints) -> list[tuple[int, int]]:
    """Offsets of a prompt without gaps of blanks, and in order: what covers nothing stands where the last one ended."""
    spans: list[tuple[int, int]] = []
    end = 0
    for start, stop in offsets.tolist():
        if text[end:start].isspace():
            start = end
        spans.append((start, stop) if stop > start else (end, end))
        end = max(end, stop)
    return spans


def decoded_spans(decode: Decode, context: list[int], ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text that `ids` add after `context`, and the characters of it that each id covers.

    Decodes the few tokens since the last whole character, with the tokens before them for the blank that a decoder
    drops at its start. Where the pieces do not add up to the whole (byte-fallback decoders that change their mind over
    broken bytes), it decodes every prefix instead: quadratic, but exact by definition.
    """
    whole, base = decode(context + ids), decode(context)
    text, spans = _in_windows(decode, context[-8:], ids)
    if whole == base + text:
        return text, spans
    drafts = [decode(context + ids[: k + 1]) for k in range(len(ids))]
    return _attribute(base, drafts)


def _in_windows(decode: Decode, context: list[int], ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
    text, spans, done, left = "", list[tuple[int, int]](), 0, context
    while done < len(ids):
        drafts, end = list[str](), done
        while end < len(ids) and (end == done or drafts[-1].endswith(REPLACEMENT)):
            end += 1
            drafts.append(decode(left + ids[done:end]))
        added, found = _attribute(decode(left), drafts)
        spans += [(len(text) + a, len(text) + b) for a, b in found]
        text += added
        fresh = ids[done:end]
        # What decodes to nothing alone (a special token, a blank that is dropped) is no context for what comes next.
        left, done = (fresh if added.strip() or decode(fresh) else left + fresh), end
    return text, spans


def _attribute(base: str, drafts: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """What the last of growing drafts adds to `base`, and which characters of it each draft's last token covers.

    Characters that a draft shares with the last one are settled, and stay so where byte fallback shows them as broken
    for a while; a draft that goes on after them ends inside the next. A token that changes nothing after a replacement
    character holds more of the same broken bytes.
    """
    if not drafts:
        return "", []
    final = drafts[-1]
    origin = _shared(base, final)
    spans, start = [], origin
    for k, draft in enumerate(drafts):
        here = max(start, _shared(draft, final))
        inside = len(draft) > here and here < len(final)
        broken = start == here > origin and not inside and draft.endswith(REPLACEMENT) and draft == drafts[k - 1]
        spans.append((start - broken - origin, here + inside - origin))
        start = here
    return final[origin:], spans


def _shared(a: str, b: str) -> int:
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
