"""Log-probabilities of tokens that are known already, from one forward pass over each sequence; nothing is chosen.

A row is a prompt and its completion, at each place of which one or more tokens are asked for: the completion's own, or
alternatives to it. Of a model with two stacks the encoder reads the prompt and the decoder the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.generate.decoding import KEEPS_NOTHING, Progress, disturbed_by_padding, padded_rows
from layergrid.kinds import BuildError, Shards
from layergrid.models import Loaded, accepts, memory
from layergrid.models.feeding import plan

if TYPE_CHECKING:
    import torch

BATCH_TOKENS = {"cpu": 2048}
BATCH_TOKENS_ELSEWHERE = 16384
MOST_LOGITS = 2**28  # numbers of one batch: a gigabyte of float32


@dataclass(frozen=True)
class Row:
    """A prompt, what follows it, and the tokens whose log-probabilities are wanted where each of these stands."""

    prompt: Ints  # [P]
    completion: Ints  # [T]
    wanted: Ints  # [T, A]

    @classmethod
    def of(cls, prompt: Ints, completion: Ints) -> Row:
        """The completion's own tokens are wanted."""
        return cls(prompt, completion, np.asarray(completion)[:, None])


def score(
    loaded: Loaded,
    example_ids: Sequence[str],
    rows: Sequence[Row],
    *,
    batch_tokens: int | None = None,
    progress: Progress = lambda *_: None,
    shards: Shards = KEEPS_NOTHING,
) -> tuple[Floats, ...]:
    """Natural log-probabilities float32 [T, A] of each row; of a row without a completion [0, A].

    Each batch of at most `batch_tokens` tokens (None: what suits the device) is kept in `shards`. Raises BuildError
    where the logits are not numbers or one row alone does not fit into memory.
    """
    lengths = np.array([[len(row.prompt), len(row.completion)] for row in rows], dtype=np.int64).reshape(-1, 2)
    some = np.flatnonzero(lengths[:, 1] > 0)
    found = {i: np.empty((0, row.wanted.shape[1]), np.float32) for i, row in enumerate(rows)}

    def run(batch: Ints) -> None:
        name = memory.name_of(batch)
        kept = shards.get(name)
        values = kept["logprobs"] if kept is not None else _scored(loaded, [rows[i] for i in batch])
        if kept is None:
            shards.put(name, {"logprobs": values})
        ends = np.cumsum([len(rows[i].completion) for i in batch])
        found.update(zip(batch.tolist(), np.split(values, ends[:-1]), strict=True))

    budget = batch_tokens or BATCH_TOKENS.get(loaded.device.type, BATCH_TOKENS_ELSEWHERE)
    pad = loaded.design != "decoder" or not len(some) or not disturbed_by_padding(loaded, rows[some[0]].prompt)
    whole = lengths if loaded.design == "encoder-decoder" else lengths.sum(axis=1, keepdims=True)
    batches = plan(whole, some, min(budget, MOST_LOGITS // loaded.vocabulary), pad=pad)
    done = len(rows) - len(some)
    progress(done, len(rows))
    for batch, fitted in memory.in_halves(batches, lambda one: int(lengths[one].sum()), run, shards):
        if not fitted:
            raise _too_large(loaded, example_ids[batch[0]], int(lengths[batch[0]].sum()))
        _check_numbers(loaded, [(example_ids[i], found[i]) for i in batch])
        done += len(batch)
        progress(done, len(rows))
    return tuple(found[i] for i in range(len(rows)))


def _too_large(loaded: Loaded, example: str, tokens: int) -> BuildError:
    return BuildError(
        f"example {example!r}: its {tokens} tokens do not fit into the memory of {loaded.device} beside model "
        f"{loaded.card.name}; take shorter texts or a smaller dtype"
    )


def _check_numbers(loaded: Loaded, scored: Sequence[tuple[str, Floats]]) -> None:
    for name, values in scored:
        if np.isnan(values).any():
            raise BuildError(
                f"example {name!r}: the logits of model {loaded.card.name} are not numbers (NaN); "
                f"it runs in {loaded.card.dtype}: try dtype float32, or check its weights"
            )


def _scored(loaded: Loaded, rows: Sequence[Row]) -> Floats:
    """Of all rows after each other, float32 [sum of T, A]."""
    import torch

    with torch.inference_mode():
        logits, starts = _beside(loaded, rows) if loaded.design == "encoder-decoder" else _after(loaded, rows)
        parts = []
        for i, row in enumerate(rows):
            mine = logits[i, starts[i] : starts[i] + len(row.completion)].float()  # one row at a time: float32 is large
            wanted = torch.from_numpy(row.wanted.astype(np.int64)).to(mine.device)
            parts.append((mine.gather(1, wanted) - mine.logsumexp(dim=1, keepdim=True)).cpu().numpy())
    return np.concatenate(parts)


def _after(loaded: Loaded, rows: Sequence[Row]) -> tuple[torch.Tensor, list[int]]:
    """Logits of a decoder that goes on after the prompt, and where those of each row's first token stand.

    Rows stand padded on the left, as where the model writes itself, and the last token is read in vain: it would say
    what comes after the completion.
    """
    taken = accepts(loaded.model, "position_ids", "logits_to_keep", "attention_mask", "use_cache")
    ids, mask = padded_rows(loaded, [np.concatenate([row.prompt, row.completion]) for row in rows], left=True)
    keep = 1 + max(len(row.completion) for row in rows)
    options: dict[str, Any] = {
        "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0), "logits_to_keep": keep, "attention_mask": mask,
        "use_cache": False,
    }  # fmt: skip
    logits = loaded.model(input_ids=ids, **{name: value for name, value in options.items() if name in taken}).logits
    return logits, [logits.shape[1] - 1 - len(row.completion) for row in rows]


def _beside(loaded: Loaded, rows: Sequence[Row]) -> tuple[torch.Tensor, list[int]]:
    """Logits of a decoder beside an encoder: it reads its start token and the completion without its last token."""
    prompt, mask = padded_rows(loaded, [row.prompt for row in rows], left=False)
    first = np.array([loaded.start_id or 0], dtype=np.int32)
    written, _ = padded_rows(loaded, [np.concatenate([first, row.completion[:-1]]) for row in rows], left=False)
    logits = loaded.model(input_ids=prompt, attention_mask=mask, decoder_input_ids=written, use_cache=False).logits
    return logits, [0] * len(rows)
