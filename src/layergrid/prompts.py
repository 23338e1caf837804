"""Turns columns into prompts, prompts into ids, and kept ids back into characters; it knows no model and no answer.

Ids are the truth. A prompt is encoded once, and its offsets are taken in the same call; the characters of a completion
come from decoding its own ids, never from tokenising text again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import numpy as np
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from layergrid.artifacts import Bools, Examples, Ints
from layergrid.kinds import BadInput
from layergrid.text import listed, nearest, visible

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# What a template can raise while it runs on one row, beside Jinja's own errors.
TEMPLATE_FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)

Decode = Callable[[list[int]], str]


class TokenText(NamedTuple):
    """The characters of one sequence of T tokens."""

    text: str  # the prompt as the model saw it, then the completion decoded without special tokens
    offsets: Ints  # int32 [T, 2]: characters of `text` that a token covers, blank before a word included
    pieces: tuple[str, ...]  # T strings to show: those characters, or a special token's name
    special: Bools  # bool [T]


# ---------------------------------------------------------------- templates


def _finalize(value: object) -> object:
    if value is None:
        raise TypeError("a value that it prints is null; write {{ column or '' }} where null is meant to print nothing")
    return value


def _environment() -> ImmutableSandboxedEnvironment:
    # Prompts are plain text for a model: escaping for HTML would change what it reads. Pages escape for themselves.
    return ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        finalize=_finalize,
    )


def render(template: str, examples: Examples) -> tuple[str, ...]:
    """One prompt per example. Columns are names; `row["any column"]` reaches names that Jinja cannot spell.

    Values are only ever inserted, never read as templates. Raises BadInput where the template is malformed, names a
    column that the data set lacks, prints a null or fails on a row.
    """
    environment = _environment()
    try:
        tree = environment.parse(template)
        compiled = environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise BadInput(_syntax(template, examples.name, error)) from None
    wanted = meta.find_undeclared_variables(tree)
    prompts = []
    for i in range(len(examples.ids)):
        row = examples.row(i)
        try:
            prompts.append(compiled.render({"row": row, **row}))
        except jinja2.UndefinedError as error:
            raise BadInput(_undefined(wanted, examples, i, str(error.message))) from None
        except (jinja2.TemplateError, *TEMPLATE_FAULTS) as error:
            raise BadInput(f"{_where(examples, i)}: the prompt template failed: {error}") from None
    return tuple(prompts)


def _where(examples: Examples, i: int) -> str:
    return f"data set {examples.name!r}, example {visible(examples.ids[i])}"


def _syntax(template: str, dataset: str, error: jinja2.TemplateSyntaxError) -> str:
    lines = template.splitlines()
    shown = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else ""
    return (
        f"data set {dataset!r}, prompt template, line {error.lineno}: {error.message}\n    {visible(shown)}\n"
        "A column is written {{ name }}; literal braces are written {{ '{{' }}."
    )


def _undefined(wanted: set[str], examples: Examples, i: int, message: str) -> str:
    missing = sorted(name for name in wanted - set(examples.columns) if name != "row" and repr(name) in message)
    if not missing:
        return f"{_where(examples, i)}: the prompt template failed: {message}; {known_columns('', examples.columns)}"
    return (
        f"data set {examples.name!r}: the prompt names {missing[0]!r}, which is no column of {examples.source}; "
        f"{known_columns(missing[0], examples.columns)}"
    )


def known_columns(wanted: str, columns: Iterable[str]) -> str:
    """What to say after a column that does not exist: those that do, and the nearest of them to `wanted`."""
    names = list(columns)
    near = nearest(wanted, names)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"the columns are {listed(repr(name) for name in names)}.{hint}"


# ---------------------------------------------------------------- prompts to ids


def tokenizable(prompt: str) -> str:
    """The prompt as a tokenizer can read it: each lone surrogate, which no encoding holds, becomes U+FFFD.

    The length stays the same, so that offsets hold in both.
    """
    return LONE_SURROGATE.sub(REPLACEMENT, prompt)


def with_lone_surrogates(prompts: Sequence[str]) -> int:
    """How many prompts hold lone surrogates, and so reach the model with U+FFFD in their place."""
    return sum(LONE_SURROGATE.search(prompt) is not None for prompt in prompts)


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[tuple[Ints, Ints]]:
    """For each prompt its ids, int32 [T], and their characters of `tokenizable(prompt)`, int32 [T, 2].

    Special tokens stand as the tokenizer adds them and cover (0, 0). Nothing is cut or padded. Raises BadInput where
    the tokenizer cannot give offsets, or where a prompt has no token at all.
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
) -> TokenText:
    """The whole text of a prompt and its completion, and the characters that each of the T tokens covers.

    `prompt` is the text and `prompt_offsets` the offsets that `encode_prompts` gave; without them the prompt is decoded
    from its ids, which is not the text that was written where a tokenizer lower-cases or drops blanks. The completion's
    text is what its ids add to the decoded prompt; clean-up is off, so that later tokens never change earlier text.

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
    reply, written = decoded_spans(decode, before, after)
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
