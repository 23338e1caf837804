"""Which token ids go into which stack of a model, and in which batches, padded on the right; it runs nothing.

Of a model with two stacks the encoder reads the prompt and the decoder its start token, then the completion. A token
keeps the index that it has in prompt and completion together; here it is turned into its place in its own stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layergrid.artifacts import Ints, Positions, Sequences
from layergrid.kinds import BadInput, BuildError
from layergrid.models import Loaded

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Feeding:
    """The token ids of every example, stack by stack, in the order in which the stacks run."""

    ids: Mapping[str, tuple[Ints, ...]]  # stack -> N arrays; "" where the model has one stack
    pad_id: int

    @property
    def lengths(self) -> Ints:
        """Tokens of every example in every stack, int64 [N, S]."""
        return np.array([[len(one) for one in stack] for stack in self.ids.values()], dtype=np.int64).T

    def padded(self, batch: Ints, device: torch.device) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Stack -> ids and attention mask of a batch of examples, padded on the right, int64 [batch, tokens]."""
        return {stack: self._padded([ids[i] for i in batch], device) for stack, ids in self.ids.items()}

    def _padded(self, rows: Sequence[Ints], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        ids = torch.full((len(rows), max(len(row) for row in rows)), self.pad_id)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
            mask[i, : len(row)] = 1
        return ids.to(device), mask.to(device)


def feeding(loaded: Loaded, sequences: Sequences, *, decoder: bool = True) -> Feeding:
    """What a model reads of these sequences; without `decoder` the encoder of two stacks alone.

    Raises:
        BadInput: a sequence is longer than the context of the stack that reads it.
        BuildError: the decoder of two stacks has no start token.
    """
    if loaded.design != "encoder-decoder":
        ids = {"": sequences.ids}
    else:
        starts = sequences.prompt_tokens.tolist()
        ids = {"encoder": tuple(one[:n] for one, n in zip(sequences.ids, starts, strict=True))}
        if decoder:
            if loaded.start_id is None:
                raise BuildError(f"model {loaded.card.name}: its configuration names no start token of the decoder")
            first = np.array([loaded.start_id], dtype=np.int32)
            ids["decoder"] = tuple(
                np.concatenate([first, one[n:]]) for one, n in zip(sequences.ids, starts, strict=True)
            )
    for stack, rows in ids.items():
        _check_lengths(loaded, stack, sequences.example_ids, rows)
    return Feeding(ids, loaded.pad_id)


def places(positions: Positions, sequences: Sequences, stack: str) -> tuple[Ints, Ints]:
    """First and one past the last token of every position in what one stack reads, int64 [N, P]; -1 where it is not.

    A position that does not lie whole in the stack's part of a sequence is not in it.
    """
    start, stop = positions.start.astype(np.int64), positions.stop.astype(np.int64)
    prompt = sequences.prompt_tokens.astype(np.int64)[:, None]
    here, shift = start >= 0, np.zeros_like(prompt)
    if stack == "encoder":
        here = here & (stop <= prompt)
    elif stack == "decoder":
        here, shift = here & (start >= prompt), 1 - prompt
    return np.where(here, start + shift, -1), np.where(here, stop + shift, -1)


def plan(lengths: Ints, chosen: Ints, batch_tokens: int, *, pad: bool = True) -> tuple[Ints, ...]:
    """Batches of example indices, longest first, equals in order; each at most `batch_tokens` with its padding.

    `lengths` [N, S] are the tokens of every stack. An example that is longer than the budget gets a batch of its own.
    Without `pad` only examples of equal lengths come together.
    """
    keys = (*(-lengths[chosen].T), -lengths[chosen].sum(axis=1))  # the last one counts first
    order = chosen[np.lexsort(keys)]
    batches: list[Ints] = []
    start = 0
    widest = np.zeros(lengths.shape[1], dtype=np.int64)
    for end, example in enumerate(order):
        wider = np.maximum(widest, lengths[example])
        too_many = (end + 1 - start) * int(wider.sum()) > batch_tokens
        if end > start and (too_many or not (pad or np.array_equal(widest, lengths[example]))):
            batches.append(order[start:end])
            start, wider = end, lengths[example]
        widest = wider
    return (*batches, order[start:]) if len(order) else ()


def _check_lengths(loaded: Loaded, stack: str, names: Sequence[str], rows: Sequence[Ints]) -> None:
    context = loaded.encoder_context if stack == "encoder" else loaded.context
    what = f"the {stack} of model" if stack else "model"
    for name, ids in zip(names, rows, strict=True):
        if context is not None and len(ids) > context:
            raise BadInput(
                f"example {name!r} has {len(ids)} tokens; the context of {what} {loaded.card.name} is {context}"
            )
