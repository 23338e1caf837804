"""Reads chosen sites of chosen layers at chosen tokens in one forward pass; it knows nothing of labels or grids.

Layer 0 of the residual stream is what enters the first block (the embedding output), layer i is the raw output of block
i, before any final norm; the other sites of layer i belong to block i. The batches are fixed before the run, padded on
the right (but for models that padding would change), and halved only where memory is full. Inside each module's hook
the chosen tokens are picked from its states, so that nothing of shape [batch, tokens, width] outlives its layer; the
language-model head never runs. `values` keeps the files.

Of a model with two stacks the encoder reads the prompt and the decoder the completion, after its start token; the token
indices of positions keep their meaning, and a position is present in the stack that reads all of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Activations, Bools, Ints, Positions, Sequences
from layergrid.capture.values import Files, Held, spots_of
from layergrid.kinds import SITES, STACKS, BadInput, BuildError, LayerChoice, NoShards, Shards, chosen_layers
from layergrid.models import Loaded, architecture, memory, tracing
from layergrid.models.architecture import Parts
from layergrid.models.feeding import feeding, places, plan

if TYPE_CHECKING:
    import torch

VERSION = 2  # part of the stage's key: raise it when the captured numbers change
# Tokens in a batch by kind of device, padding counted: a CPU is fastest where a batch's states stay in its caches.
BATCH_TOKENS = {"cpu": 1024}
BATCH_TOKENS_ELSEWHERE = 8192
_KEEPS_NOTHING = NoShards()

Progress = Callable[[int, int], None]  # examples done, examples in all
Feeds = Mapping[str, tuple["torch.Tensor", "torch.Tensor"]]  # stack -> ids and mask [batch, tokens]
Take = Callable[[str, int, "torch.Tensor"], None]  # site, index of the layer, states [batch, tokens, D]


def capture(
    loaded: Loaded,
    sequences: Sequences,
    positions: Positions,
    folder: Path,
    *,
    sites: Sequence[str] = ("residual",),
    layers: Sequence[LayerChoice] = ("all",),
    batch_tokens: int | None = None,
    progress: Progress = lambda *_: None,
    shards: Shards = _KEEPS_NOTHING,
) -> dict[str, Activations]:
    """Activations by site, float32 [L, P, N, D], in `folder`/SITE.npy and memory-mapped from there.

    A position that spans several tokens is their mean. NaN and infinity stay as they are. The layers are the union of
    the choices, for a site other than residual without layer 0; a batch holds at most `batch_tokens` tokens, padding
    counted (None: what suits the device). Layers whose block has no such part are in `lacking`.

    Where `folder` and `shards` are those of a capture that was ended, its finished batches are not run again.

    Raises:
        BadInput: a site or layer that the model does not have, or a sequence longer than its context.
        BuildError: the blocks of the model cannot be told, or one sequence alone does not fit into memory.
    """
    wanted = _wanted(loaded, sites, layers)
    stacks = tuple(dict.fromkeys(one.stack for one in wanted))
    feed = feeding(loaded, sequences, decoder="decoder" in stacks)
    where = {stack: places(positions, sequences, stack) for stack in stacks}
    with_tokens = np.flatnonzero(np.any([(start >= 0).any(axis=1) for start, _ in where.values()], axis=0))
    cells = (len(positions.names), len(sequences.ids))
    files = Files(folder, {one.site: (len(one.layers), *cells, one.width) for one in wanted}, with_tokens, shards)

    def run(batch: Ints) -> None:
        spots = {stack: spots_of(start[batch], stop[batch]) for stack, (start, stop) in where.items()}
        if not files.kept(batch, spots):
            held = Held(files, batch, spots)
            _read(loaded, feed.padded(batch, loaded.device), wanted, held.take)
            held.finish()

    lengths, done = feed.lengths, 0
    pad = len(np.unique(lengths[with_tokens], axis=0)) < 2 or not tracing.padding_matters(loaded, tuple(feed.ids))
    budget = batch_tokens or BATCH_TOKENS.get(loaded.device.type, BATCH_TOKENS_ELSEWHERE)
    batches = plan(lengths, with_tokens, budget, pad=pad)
    progress(0, len(with_tokens))
    for batch, fitted in memory.in_halves(
        batches, lambda rows: len(rows) * int(lengths[rows].max(axis=0).sum()), run, shards
    ):
        if not fitted:
            raise _too_long(loaded, sequences, int(batch[0]))
        done += len(batch)
        progress(done, len(with_tokens))
    present = {stack: start >= 0 for stack, (start, _) in where.items()}
    return {one.site: one.activations(files, sequences, positions, present[one.stack]) for one in wanted}


# ---------------------------------------------------------------- which sites and layers


@dataclass(frozen=True)
class _Wanted:
    """One site of the chosen layers, and where it is read."""

    site: str  # "encoder.mlp_out"
    stack: str  # "encoder"; empty where there is one stack
    layers: tuple[int, ...]
    taps: Mapping[tuple[Any, str], tuple[int | None, ...]]  # what is hooked; see `_turns`
    width: int
    heads: int
    lacking: Mapping[int, str]
    ends: bool  # the stack's last block is read

    def activations(self, files: Files, sequences: Sequences, positions: Positions, present: Bools) -> Activations:
        """The finished artifact."""
        values = files.open(self.site)
        ids, names = sequences.example_ids, positions.names
        return Activations(self.site, self.layers, names, ids, values, present, self.heads, self.lacking)


def _wanted(loaded: Loaded, sites: Sequence[str], choices: Sequence[LayerChoice]) -> tuple[_Wanted, ...]:
    """Every site once, in the order in which the stacks run."""
    paired = loaded.design == "encoder-decoder"
    known = tuple(f"{stack}.{site}" for stack in STACKS for site in SITES) if paired else SITES
    for site in sites:
        if site not in known:
            raise BadInput(_unknown(loaded, site, known))
    stacks = {site.rpartition(".")[0] for site in sites}
    last = {one: loaded.card.encoder_layers if one == "encoder" else loaded.card.layers for one in stacks}
    found = []
    for stack in sorted(stacks, key=("", *STACKS).index):
        layers = _layers(loaded, choices, last[stack], max(last.values()))
        parts = architecture.parts(loaded, stack)
        of_stack = dict.fromkeys(site for site in sites if site.rpartition(".")[0] == stack)
        found += [_site(loaded, site, parts, layers) for site in of_stack]
    return tuple(found)


def _unknown(loaded: Loaded, site: str, known: Sequence[str]) -> str:
    """What to write in place of a site that the model does not have."""
    name, plain = loaded.card.name, site.rpartition(".")[2]
    if plain in SITES and plain == site:
        return (
            f"model {name} has an encoder and a decoder: write 'encoder.{site}' or 'decoder.{site}' for site {site!r}"
        )
    if plain in SITES:
        return f"model {name} has one stack of blocks: write {plain!r} for site {site!r}"
    near = text.nearest(site, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"site {site!r} is not known; known: {', '.join(known)}{hint}"


def _layers(loaded: Loaded, choices: Sequence[LayerChoice], last: int, most: int) -> tuple[int, ...]:
    """The union of the choices in a stack of `last` blocks; a choice may be meant for another of `most`."""
    found: set[int] = set()
    for choice in choices:
        try:
            found |= set(chosen_layers(choice, last, loaded.card.name))
        except BadInput:
            if last == most:
                raise
            found |= {layer for layer in chosen_layers(choice, most, loaded.card.name) if layer <= last}
    return tuple(sorted(found))


def _site(loaded: Loaded, site: str, parts: Sequence[Parts], layers: tuple[int, ...]) -> _Wanted:
    """Where one site is read in the chosen layers; raises BadInput where none of them has it."""
    stack, _, plain = site.rpartition(".")
    if plain != "residual":
        layers = tuple(layer for layer in layers if layer > 0)
    taps = {layer: parts[max(layer, 1) - 1].taps.get(plain) for layer in layers}
    lacking = {layer: parts[layer - 1].lacking[plain] for layer, tap in taps.items() if tap is None}
    if len(lacking) == len(layers):
        why = next(iter(lacking.values()), "layer 0, the embedding, has the residual stream alone")
        raise BadInput(f"model {loaded.card.name} has no {plain} in the chosen layers: {why}")
    widths = {tap.width: layer for layer, tap in taps.items() if tap is not None}
    heads = {parts[layer - 1].heads: layer for layer, tap in taps.items() if tap is not None and plain == "head_out"}
    for what, several in (("a width of", widths), ("heads:", heads)):
        if len(several) > 1:
            found = text.listed(f"{number} in layer {layer}" for number, layer in several.items())
            raise BadInput(f"model {loaded.card.name}: {site} has {what} {found}; choose layers that are alike")
    return _Wanted(
        site=site,
        stack=stack,
        layers=layers,
        taps=_turns(parts, plain, layers),
        width=next(iter(widths)),
        heads=next(iter(heads), 0),
        lacking=lacking,
        ends=layers[-1] == len(parts),
    )


def _turns(
    parts: Sequence[Parts], plain: str, layers: tuple[int, ...]
) -> dict[tuple[Any, str], tuple[int | None, ...]]:
    """Module and side -> what each of its runs in a forward pass is: an index into `layers`, or None."""
    index = {layer: i for i, layer in enumerate(layers)}
    turns: dict[tuple[Any, str], tuple[int | None, ...]] = {}
    if plain == "residual" and 0 in index:
        turns[parts[0].block, "input"] = (index[0], *(None for one in parts[1:] if one.block is parts[0].block))
    for layer, one in enumerate(parts, start=1):
        tap = one.taps.get(plain)
        if tap is not None:
            key = (tap.module, tap.side)
            turns[key] = (*turns.get(key, ()), index.get(layer))
    return turns


# ---------------------------------------------------------------- the forward pass


class _Enough(Exception):
    """All chosen layers have been read: the rest of the forward pass is not run."""


def _read(loaded: Loaded, feeds: Feeds, wanted: Sequence[_Wanted], take: Take) -> None:
    """One forward pass; `take` gets the states of every chosen layer as they come."""
    import torch

    left = sum(index is not None for one in wanted for turns in one.taps.values() for index in turns)
    last = tuple(feeds)[-1]
    partial = not any(one.ends for one in wanted if one.stack == last)

    def taken(one: _Wanted, index: int, states: torch.Tensor) -> None:
        nonlocal left
        take(one.site, index, _rectangular(loaded, states, feeds[one.stack][0]))
        left -= 1
        if partial and left == 0:
            raise _Enough

    with torch.inference_mode(), _hooks(wanted, taken), suppress(_Enough):
        tracing.forward(loaded.model, feeds)
    if left:
        raise BuildError(
            f"model {loaded.card.name}: {text.plural(left, 'part')} of its blocks did not run; what runs depends on "
            "the tokens, and this architecture cannot be read yet"
        )


@contextmanager
def _hooks(wanted: Sequence[_Wanted], taken: Callable[[_Wanted, int, torch.Tensor], None]) -> Iterator[None]:
    """While it lasts, `taken` gets what goes into and out of the hooked modules; afterwards the hooks are gone."""

    def entering(one: _Wanted, turns: Iterator[int | None]) -> Callable[[Any, Any, Any], None]:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            index = next(turns)
            if index is not None:
                taken(one, index, tracing.given(args, kwargs))

        return hook

    def leaving(one: _Wanted, turns: Iterator[int | None]) -> Callable[[Any, Any, Any], None]:
        def hook(_: Any, __: Any, output: Any) -> None:
            index = next(turns)
            if index is not None:
                taken(one, index, tracing.gave(output))

        return hook

    with ExitStack() as handles:
        for one in wanted:
            for (module, side), turns in one.taps.items():
                if all(index is None for index in turns):
                    continue
                if side == "input":
                    handle = module.register_forward_pre_hook(entering(one, iter(turns)), with_kwargs=True)
                else:
                    handle = module.register_forward_hook(leaving(one, iter(turns)))
                handles.callback(handle.remove)
        yield


def _rectangular(loaded: Loaded, states: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """States [batch, tokens, D], whatever way a module lines up the tokens."""
    if states.shape[:-1] not in (ids.shape, (ids.numel(),)):
        raise BuildError(
            f"model {loaded.card.name}: states of shape {tuple(states.shape)} where [batch, tokens, width] is "
            f"{list(ids.shape)} and a width; this architecture cannot be read yet"
        )
    return states.reshape(*ids.shape, states.shape[-1])


# ---------------------------------------------------------------- memory


def _too_long(loaded: Loaded, sequences: Sequences, example: int) -> BuildError:
    return BuildError(
        f"example {sequences.example_ids[example]!r}: its {len(sequences.ids[example])} tokens do not fit into the "
        f"memory of {loaded.device} beside model {loaded.card.name}; take shorter texts or a smaller dtype"
    )
