"""Writes the model's greedy completion of every prompt, keeps its ids and log-probabilities; it grades nothing.

Decoding is this module's own loop over the model's logits, so that nothing in a model's generation configuration
(sampling, temperature, penalties, forced or suppressed tokens) changes an answer; only its stop tokens are honoured.
The batches are fixed before the run, padded on the left; only the chosen token's log-probability is kept of each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layergrid.artifacts import Floats, Ints, Sequences
from layergrid.kinds import BadInput, BuildError
from layergrid.models import Loaded, accepts
from layergrid.prompts import completion_offsets, encode_prompts

if TYPE_CHECKING:
    import torch

VERSION = 1  # part of the stage's key: raise it when a completion or its log-probabilities change

Progress = Callable[[int, int], None]  # prompts done, prompts in all


@dataclass(frozen=True)
class Completion:
    """What the model wrote after one prompt."""

    ids: Ints  # int32 [tokens], the stop token included
    logprobs: Floats  # float32 [tokens], natural logarithms
    stopped: bool  # the model ended it itself


def generate(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    batch: int,
    progress: Progress = lambda *_: None,
) -> Sequences:
    """The greedy completion of every prompt, in the order of the prompts.

    Raises:
        BadInput: a prompt that is empty, or too long to leave `max_new_tokens` of the model's context.
        BuildError: the model's logits are not numbers, or it cannot decode step by step.
    """
    for name, prompt in zip(example_ids, prompts, strict=True):
        if not prompt.strip():
            raise BadInput(f"example {name!r}: its prompt is empty; check the template and the columns that it names")
    encoded = encode_prompts(loaded.tokenizer, prompts)
    ids = [one for one, _ in encoded]
    completions = greedy(loaded, example_ids, ids, max_new_tokens=max_new_tokens, batch=batch, progress=progress)
    spelt = [
        completion_offsets(loaded.tokenizer, before, after.ids, prompt=prompt, prompt_offsets=offsets)
        for prompt, (before, offsets), after in zip(prompts, encoded, completions, strict=True)
    ]
    return Sequences(
        example_ids=tuple(example_ids),
        ids=tuple(np.concatenate([before, after.ids]) for before, after in zip(ids, completions, strict=True)),
        offsets=tuple(one.offsets for one in spelt),
        pieces=tuple(one.pieces for one in spelt),
        special=tuple(one.special for one in spelt),
        texts=tuple(one.text for one in spelt),
        prompt_tokens=np.array([len(one) for one in ids], dtype=np.int32),
        prompt_chars=np.array([len(prompt) for prompt in prompts], dtype=np.int32),
        logprobs=tuple(one.logprobs for one in completions),
        stopped=np.array([one.stopped for one in completions], dtype=np.bool_),
    )


def plan(lengths: Sequence[int], batch: int) -> tuple[tuple[int, ...], ...]:
    """Batches of prompt indices: longest prompts first, equals in order, `batch` of them at a time."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    return tuple(tuple(order[start : start + batch]) for start in range(0, len(order), batch))


def greedy(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompt_ids: Sequence[Ints],
    *,
    max_new_tokens: int,
    batch: int,
    progress: Progress = lambda *_: None,
) -> tuple[Completion, ...]:
    """The completions of encoded prompts, in their order: the most probable token at every step, a tie's lowest id."""
    _check(loaded, example_ids, prompt_ids, max_new_tokens)
    found: dict[int, Completion] = {}
    progress(0, len(prompt_ids))
    for members in plan([len(ids) for ids in prompt_ids], batch):
        ids, logprobs = _decode(loaded, [prompt_ids[i] for i in members], max_new_tokens)
        for row, i in enumerate(members):
            found[i] = _cut(loaded, ids[row], logprobs[row])
            if np.isnan(found[i].logprobs).any():
                raise BuildError(
                    f"example {example_ids[i]!r}: the logits of model {loaded.card.name} are not numbers (NaN); "
                    f"it runs in {loaded.card.dtype}: try dtype float32, or check its weights"
                )
        progress(len(found), len(prompt_ids))
    return tuple(found[i] for i in range(len(prompt_ids)))


def _decode(loaded: Loaded, rows: Sequence[Ints], max_new_tokens: int) -> tuple[Ints, Floats]:
    """Chosen ids, int32, and their log-probabilities, float32, [batch, steps]; rows run on past their own stop."""
    import torch

    model = loaded.model
    taken = accepts(model, "position_ids", "logits_to_keep", "past_key_values")
    if "past_key_values" not in taken:
        raise BuildError(f"{type(model).__name__} has no cache of keys and values; it cannot be decoded here yet")
    ids, mask = _padded(loaded, rows)
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    stops = torch.tensor(sorted(loaded.stop_ids), dtype=torch.long, device=loaded.device)
    ended = torch.zeros(len(rows), dtype=torch.bool, device=loaded.device)
    cache, chosen, logprobs = None, [], []
    with torch.inference_mode():
        for _ in range(max_new_tokens):
            options = {"position_ids": places, "logits_to_keep": 1}
            out = model(
                input_ids=ids,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                **{name: value for name, value in options.items() if name in taken},
            )
            logits = out.logits[:, -1].float()
            ids = logits.argmax(dim=1, keepdim=True)
            chosen.append(ids)
            logprobs.append(logits.gather(1, ids) - logits.logsumexp(dim=1, keepdim=True))
            ended |= torch.isin(ids[:, 0], stops)
            if bool(ended.all()):
                break
            cache = out.past_key_values
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            places = places[:, -1:] + 1
    return (
        torch.cat(chosen, dim=1).to(torch.int32).cpu().numpy(),
        torch.cat(logprobs, dim=1).cpu().numpy(),
    )


def _padded(loaded: Loaded, rows: Sequence[Ints]) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and attention mask, int64 [batch, tokens], on the model's device."""
    import torch

    ids = torch.full((len(rows), max(len(row) for row in rows)), loaded.pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, -len(row) :] = torch.from_numpy(row.astype(np.int64))
        mask[i, -len(row) :] = 1
    return ids.to(loaded.device), mask.to(loaded.device)


def _cut(loaded: Loaded, ids: Ints, logprobs: Floats) -> Completion:
    """One row up to and with its first stop token."""
    ends = np.flatnonzero(np.isin(ids, sorted(loaded.stop_ids)))
    length = int(ends[0]) + 1 if len(ends) else len(ids)
    return Completion(ids[:length].copy(), logprobs[:length].copy(), bool(len(ends)))


def _check(loaded: Loaded, example_ids: Sequence[str], prompt_ids: Sequence[Ints], max_new_tokens: int) -> None:
    if max_new_tokens < 1:
        raise BadInput(f"max_new_tokens is {max_new_tokens}; a completion needs at least 1 token")
    name = loaded.card.name
    room = (loaded.context or 10**12) - max_new_tokens
    long = [(example, len(ids)) for example, ids in zip(example_ids, prompt_ids, strict=True) if len(ids) > room]
    if long:
        example, length = long[0]
        others = f"; so do {len(long) - 1} other prompts of {len(prompt_ids)}" if len(long) > 1 else ""
        raise BadInput(
            f"example {example!r}: its prompt has {length} tokens, and with max_new_tokens {max_new_tokens} that "
            f"exceeds the context of model {name}, {loaded.context} tokens{others}; shorten the prompt or "
            "max_new_tokens"
        )
    for example, ids in zip(example_ids, prompt_ids, strict=True):
        if int(ids.max()) >= loaded.vocabulary:
            raise BadInput(
                f"example {example!r}: the tokenizer gives token {int(ids.max())}, but model {name} knows only "
                f"{loaded.vocabulary}; its tokenizer and its weights do not belong together"
            )
