"""Greedy decoding, step by step, in batches that are fixed before the run; it knows ids alone, no text.

Decoding is this module's own loop over the model's logits, so that nothing in a model's generation configuration
(sampling, temperature, penalties, forced or suppressed tokens) changes an answer; only its stop tokens are honoured.
Only the chosen token's log-probability is kept of each step. Of a model with two stacks the encoder reads the prompt,
and the decoder writes the completion after a start token that is not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.generate.room import check_room
from layergrid.kinds import BuildError, NoShards, Shards
from layergrid.models import Loaded, accepts
from layergrid.models.caches import grow_in_place

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]  # prompts done, prompts in all
Advance = Callable[
    ["torch.Tensor | None"], "torch.Tensor"
]  # tokens chosen last [batch, 1] or None -> logits [batch, V]

KEEPS_NOTHING = NoShards()
_CACHES = ("past_key_values", "cache_params", "state")  # how forward methods call what they keep between steps
_TRIAL = 8  # tokens of the trial run that tells whether padding on the left changes anything


@dataclass(frozen=True)
class Completion:
    """What the model wrote after one prompt."""

    ids: Ints  # int32 [tokens], the stop token included
    logprobs: Floats  # float32 [tokens], natural logarithms
    stopped: bool  # the model ended it itself


def plan(lengths: Sequence[int], batch: int, *, equal: bool = False) -> tuple[tuple[int, ...], ...]:
    """Batches of prompt indices: longest prompts first, equals in order, `batch` of them at a time.

    With `equal` the prompts of a batch are of one length, for models that padding would disturb.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    runs = [order] if not equal else [[i for i in order if lengths[i] == n] for n in sorted(set(lengths), reverse=True)]
    return tuple(tuple(run[start : start + batch]) for run in runs for start in range(0, len(run), batch))


def greedy(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompt_ids: Sequence[Ints],
    *,
    max_new_tokens: int,
    batch: int,
    progress: Progress = lambda *_: None,
    shards: Shards = KEEPS_NOTHING,
) -> tuple[Completion, ...]:
    """The completions of encoded prompts, in their order: the most probable token at every step, a tie's lowest id."""
    check_room(loaded, example_ids, prompt_ids, max_new_tokens)
    found: dict[int, Completion] = {}
    lengths = [len(ids) for ids in prompt_ids]
    # Encoders stand padded on the right, which disturbs none; their decoders start together.
    equal = loaded.design == "decoder" and bool(lengths) and disturbed_by_padding(loaded, prompt_ids[0])
    progress(0, len(prompt_ids))
    for members in plan(lengths, batch, equal=equal):
        rows = [prompt_ids[i] for i in members]
        name = _shard(members, rows, max_new_tokens)
        kept = shards.get(name)
        ids, logprobs = (kept["ids"], kept["logprobs"]) if kept else _decode(loaded, rows, max_new_tokens)
        for row, i in enumerate(members):
            found[i] = _cut(loaded, ids[row], logprobs[row])
            if np.isnan(found[i].logprobs).any():
                raise BuildError(
                    f"example {example_ids[i]!r}: the logits of model {loaded.card.name} are not numbers (NaN); "
                    f"it runs in {loaded.card.dtype}: try dtype float32, or check its weights"
                )
        if not kept:
            shards.put(name, {"ids": ids, "logprobs": logprobs})
        progress(len(found), len(prompt_ids))
    return tuple(found[i] for i in range(len(prompt_ids)))


def _shard(members: Sequence[int], rows: Sequence[Ints], max_new_tokens: int) -> str:
    """The name of what is kept of a batch: its first member, and a digest of all that was planned of it."""
    planned = repr((max_new_tokens, members, [row.tolist() for row in rows]))
    return f"batch-{members[0]}-{hashlib.sha256(planned.encode('ascii')).hexdigest()[:20]}"


def _decode(loaded: Loaded, rows: Sequence[Ints], max_new_tokens: int) -> tuple[Ints, Floats]:
    """Chosen ids, int32, and their log-probabilities, float32, [batch, steps]; rows run on past their own stop."""
    import torch

    stops = torch.tensor(sorted(loaded.stop_ids), dtype=torch.long, device=loaded.device)
    ended = torch.zeros(len(rows), dtype=torch.bool, device=loaded.device)
    chosen: list[torch.Tensor] = []
    logprobs: list[torch.Tensor] = []
    with torch.inference_mode():
        two = loaded.design == "encoder-decoder"
        advance = beside(loaded, rows) if two else after(loaded, rows, max_new_tokens)
        for _ in range(max_new_tokens):
            logits = advance(chosen[-1] if chosen else None).float()
            ids = logits.argmax(dim=1, keepdim=True)
            logprobs.append(logits.gather(1, ids) - logits.logsumexp(dim=1, keepdim=True))
            chosen.append(ids.to(loaded.device))
            ended |= torch.isin(chosen[-1][:, 0], stops)
            if bool(ended.all()):
                break
    return (
        torch.cat(chosen, dim=1).to(torch.int32).cpu().numpy(),
        torch.cat(logprobs, dim=1).cpu().numpy(),
    )


def after(loaded: Loaded, rows: Sequence[Ints], steps: int = 1) -> Advance:
    """The steps of a decoder that goes on after the prompts, which stand padded on the left."""
    import torch

    model, kept = loaded.model, _cache_name(loaded)
    taken = accepts(model, "position_ids", "logits_to_keep", "attention_mask")
    prompt, mask = padded_rows(loaded, rows, left=True)
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = None

    def advance(ids: torch.Tensor | None) -> torch.Tensor:
        nonlocal mask, places, cache
        if ids is not None:
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            places = places[:, -1:] + 1
        options = {"position_ids": places, "logits_to_keep": 1, "attention_mask": mask}
        if ids is not None and kept != "past_key_values":
            del options["attention_mask"]  # a state has no places of its own, and the new token is never masked
        options = {name: value for name, value in options.items() if name in taken} | {kept: cache}
        out = model(input_ids=prompt if ids is None else ids, use_cache=True, **options)
        cache = getattr(out, kept)
        if ids is None:
            grow_in_place(cache, steps)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    return advance


def beside(loaded: Loaded, rows: Sequence[Ints]) -> Advance:
    """The steps of a decoder beside an encoder, which reads the prompts once, padded on the right."""
    import torch

    model, kept = loaded.model, _cache_name(loaded)
    prompt, mask = padded_rows(loaded, rows, left=False)
    encoded = model.get_encoder()(input_ids=prompt, attention_mask=mask, return_dict=True)
    start = torch.full((len(rows), 1), int(loaded.start_id or 0), device=loaded.device)
    cache = None

    def advance(ids: torch.Tensor | None) -> torch.Tensor:
        nonlocal cache
        out = model(
            encoder_outputs=encoded,
            attention_mask=mask,
            decoder_input_ids=start if ids is None else ids,
            use_cache=True,
            **{kept: cache},
        )
        cache = getattr(out, kept)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    return advance


def _cache_name(loaded: Loaded) -> str:
    """What the model's forward method calls what it keeps between steps."""
    taken = accepts(loaded.model, *_CACHES)
    if not taken:
        raise BuildError(
            f"{type(loaded.model).__name__} keeps nothing between steps ({', '.join(_CACHES)}); it cannot be decoded "
            "here yet"
        )
    return next(name for name in _CACHES if name in taken)


def disturbed_by_padding(loaded: Loaded, prompt: Ints) -> bool:
    """Whether masked tokens before a prompt change its logits, as in recurrent models that read them all the same.

    A trial on the first tokens of one prompt tells. It also decodes one token more, and raises BuildError where that is
    not what the model says of the same tokens read at once.
    """
    import torch

    # Few bits round each batch in their own way; what is not meant to agree is off by half or more.
    padded, stepped = (1e-3, 5e-3) if loaded.card.dtype in ("float32", "float64") else (0.2, 0.5)
    row = prompt[:_TRIAL]
    wide = min(2 * _TRIAL, loaded.context or 2 * _TRIAL)
    with torch.inference_mode():
        advance = after(loaded, [row])
        alone = advance(None)
        behind = after(loaded, [row, np.resize(row, wide)])(None)
        token = alone.argmax(dim=1, keepdim=True)
        step = advance(token.to(loaded.device))
        whole = after(loaded, [np.append(row, token.cpu().numpy()[0])])(None)
    if _apart(step, whole) > stepped:
        raise BuildError(
            f"model {loaded.card.name}: the logits of {type(loaded.model).__name__} after one more token differ from "
            "those of the same tokens read at once; it cannot be decoded step by step here"
        )
    return _apart(behind[:1], alone) > padded


def _apart(some: torch.Tensor, others: torch.Tensor) -> float:
    """The largest difference between logits, relative to the largest of the others."""
    return float((some.float() - others.float()).abs().max()) / (float(others.float().abs().max()) or 1.0)


def padded_rows(loaded: Loaded, rows: Sequence[Ints], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded ids and attention mask, int64 [batch, tokens], on the model's device."""
    import torch

    ids = torch.full((len(rows), max(len(row) for row in rows)), loaded.pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        where = slice(-len(row), None) if left else slice(0, len(row))
        ids[i, where] = torch.from_numpy(row.astype(np.int64))
        mask[i, where] = 1
    return ids.to(loaded.device), mask.to(loaded.device)


def _cut(loaded: Loaded, ids: Ints, logprobs: Floats) -> Completion:
    """One row up to and with its first stop token."""
    ends = np.flatnonzero(np.isin(ids, sorted(loaded.stop_ids)))
    length = int(ends[0]) + 1 if len(ends) else len(ids)
    return Completion(ids[:length].copy(), logprobs[:length].copy(), bool(len(ends)))
