"""Reads the residual stream at chosen tokens in one forward pass; it knows nothing of labels, prompts or grids.

Layer 0 is what enters the first block (the embedding output), layer i is the raw output of block i, before any final
norm. The batches are fixed before the run, padded on the right; inside each block's hook the chosen tokens are picked
from its output, so that nothing of shape [batch, tokens, width] outlives its layer; the language-model head never runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Activations, Floats, Ints, Positions, Sequences
from layergrid.kinds import BadInput
from layergrid.models import Loaded, accepts, blocks

if TYPE_CHECKING:
    import torch

VERSION = 1  # part of the stage's key: raise it when the captured numbers change
SITES = ("residual",)
BATCH_TOKENS = 8192

Progress = Callable[[int, int], None]  # examples done, examples in all
Take = Callable[[int, "torch.Tensor"], None]  # layer, states [batch, tokens, D]


def capture(
    loaded: Loaded,
    sequences: Sequences,
    positions: Positions,
    folder: Path,
    *,
    sites: Sequence[str] = SITES,
    layers: Sequence[int] | None = None,
    batch_tokens: int = BATCH_TOKENS,
    progress: Progress = lambda *_: None,
) -> dict[str, Activations]:
    """Activations by site, float32 [L, P, N, D], in `folder`/SITE.npy and memory-mapped from there.

    A position that spans several tokens is their mean. NaN and infinity stay as they are. `layers` None means all,
    0 to the number of blocks; a batch holds at most `batch_tokens` tokens, padding counted.

    Raises:
        BadInput: a site or layer that the model does not have, or a sequence longer than its context.
        BuildError: the blocks of the model cannot be told.
    """
    for site in sites:
        if site not in SITES:
            raise BadInput(f"site {site!r} is not known; known: {', '.join(SITES)}")
    chosen = _layers(loaded, layers)
    _check_lengths(loaded, sequences)
    present = positions.start >= 0
    lengths = np.array([len(ids) for ids in sequences.ids], dtype=np.int64)
    path = folder / "residual.npy"
    _reserve(path, (len(chosen), len(positions.names), len(lengths), loaded.card.width))
    with_tokens = np.flatnonzero(present.any(axis=1))
    batches = plan(lengths, with_tokens, batch_tokens)
    done = 0
    progress(0, len(with_tokens))
    for batch in batches:
        spots = _spots(positions, batch)
        # Opened for each batch, so that written pages do not stay in this process.
        values = np.lib.format.open_memmap(path, mode="r+")
        for index, states in enumerate(_states(loaded, sequences, batch, spots, chosen)):
            values[index, spots.position, batch[spots.row]] = spots.means(states)
        del values
        done += len(batch)
        progress(done, len(with_tokens))
    whole = np.lib.format.open_memmap(path, mode="r")
    return {"residual": Activations("residual", chosen, positions.names, sequences.example_ids, whole, present)}


def plan(lengths: Ints, chosen: Ints, batch_tokens: int) -> tuple[Ints, ...]:
    """Batches of example indices, longest first, equals in order; each at most `batch_tokens` with its padding.

    A sequence that is longer than the budget gets a batch of its own.
    """
    order = chosen[np.argsort(-lengths[chosen], kind="stable")]
    batches: list[Ints] = []
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return tuple(batches)


# ---------------------------------------------------------------- which tokens


@dataclass(frozen=True)
class _Spots:
    """The tokens of one batch that are read, each once, and the cells [position, example] that they fill."""

    rows: Ints  # [G] row of the batch
    tokens: Ints  # [G] token of that row; (row, token) pairs are unique
    row: Ints  # [E] row of the batch that a filled cell belongs to
    position: Ints  # [E] its position
    members: Ints  # [M] indices into G: the tokens of the first cell, then of the second, ...
    starts: Ints  # [E] where each cell's tokens begin in `members`

    def means(self, states: Floats) -> Floats:
        """States of the tokens [G, D] -> states of the cells [E, D], float32."""
        picked = states[self.members]
        if len(self.members) == len(self.starts):
            return picked
        counts = np.diff(np.append(self.starts, len(self.members)))
        return np.add.reduceat(picked, self.starts, axis=0) / counts[:, None].astype(np.float32)


def _spots(positions: Positions, batch: Ints) -> _Spots:
    start, stop = positions.start[batch].astype(np.int64), positions.stop[batch].astype(np.int64)
    row, position = np.nonzero(start >= 0)
    first = start[row, position]
    counts = stop[row, position] - first
    if (counts < 1).any():
        raise ValueError("a position that is present covers at least one token")
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    pairs = np.stack([np.repeat(row, counts), np.repeat(first, counts) + within], axis=1)
    unique, members = np.unique(pairs, axis=0, return_inverse=True)
    return _Spots(unique[:, 0], unique[:, 1], row, position, members.reshape(-1), starts)


# ---------------------------------------------------------------- the forward pass


def _states(
    loaded: Loaded, sequences: Sequences, batch: Ints, spots: _Spots, layers: tuple[int, ...]
) -> Iterator[Floats]:
    """The states of the batch's spots, float32 [G, D], layer by layer in the order of `layers`."""
    import torch

    ids, mask = _padded(loaded, [sequences.ids[i] for i in batch])
    rows, tokens = torch.from_numpy(spots.rows), torch.from_numpy(spots.tokens)
    taken: dict[int, torch.Tensor] = {}

    def take(layer: int, states: torch.Tensor) -> None:
        # Indexing with tensors copies: the block's own output can go.
        taken[layer] = states[rows.to(states.device), tokens.to(states.device)]

    base = loaded.model.base_model
    options = {"use_cache": False} if accepts(base, "use_cache") else {}
    with torch.inference_mode(), watch(loaded, layers, take):
        base(input_ids=ids, attention_mask=mask, **options)
    for layer in layers:
        yield taken.pop(layer).float().cpu().numpy()


def _padded(loaded: Loaded, rows: Sequence[Ints]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and attention mask, int64 [batch, tokens], on the model's device."""
    import torch

    ids = torch.full((len(rows), max(len(row) for row in rows)), loaded.pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
        mask[i, : len(row)] = 1
    return ids.to(loaded.device), mask.to(loaded.device)


@contextmanager
def watch(loaded: Loaded, layers: Sequence[int], take: Take) -> Iterator[None]:
    """While it lasts, `take` gets each of these layers' states [batch, tokens, D]; afterwards the hooks are gone."""
    found = blocks(loaded)

    def entering(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        take(0, args[0] if args else kwargs["hidden_states"])

    def leaving(layer: int) -> Callable[[Any, Any, Any], None]:
        def hook(_: Any, __: Any, output: Any) -> None:
            take(layer, output[0] if isinstance(output, tuple) else output)

        return hook

    with ExitStack() as hooks:
        for layer in layers:
            if layer == 0:
                handle = found[0].register_forward_pre_hook(entering, with_kwargs=True)
            else:
                handle = found[layer - 1].register_forward_hook(leaving(layer))
            hooks.callback(handle.remove)
        yield


# ---------------------------------------------------------------- checks and storage


def _layers(loaded: Loaded, wanted: Sequence[int] | None) -> tuple[int, ...]:
    last = loaded.card.layers
    if wanted is None:
        return tuple(range(last + 1))
    outside = sorted({layer for layer in wanted if not 0 <= layer <= last})
    if outside:
        raise BadInput(
            f"model {loaded.card.name} has no {text.layers(outside)}; its layers go from 0 (embedding) to {last}"
        )
    return tuple(sorted(set(wanted)))


def _check_lengths(loaded: Loaded, sequences: Sequences) -> None:
    for name, ids in zip(sequences.example_ids, sequences.ids, strict=True):
        if loaded.context is not None and len(ids) > loaded.context:
            raise BadInput(
                f"example {name!r} has {len(ids)} tokens; the context of model {loaded.card.name} is {loaded.context}"
            )


def _reserve(path: Path, shape: tuple[int, ...]) -> None:
    """An .npy of zeros; its space is taken at once, since a full disk would otherwise kill the process on a write."""
    empty = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    del empty
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
