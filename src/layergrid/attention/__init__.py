"""Reads rows of attention weights at chosen tokens, layer by layer and head by head; it knows no labels and no grids.

Only the rows of the query tokens are computed, by the model's own eager function, and reduced at once to the keys that
are asked for: nothing of shape [tokens, tokens] outlives its layer, except for rollout, which is a product of such. The
attention of layer i is that of block i, counted from 1. The language-model head never runs.

rows        sums over keys, entropy, value weights and rollout, of tensors
reading     the hooks
trial       which way the weights of a model can be read at all
tokens      which tokens are asked for, and what the values become
stacks      the tokens that a stack reads, and how it is run
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layergrid import text
from layergrid.artifacts import AttentionRows, Ints, Positions, Sequences
from layergrid.attention.reading import Reading, watching
from layergrid.attention.rows import Asked
from layergrid.attention.stacks import Stack, find_stack, halving, implementation, plan
from layergrid.attention.tokens import Question, Table, ask, question
from layergrid.attention.trial import Way, find_way
from layergrid.kinds import AttentionNeed, BadInput, LayerChoice, chosen_layers
from layergrid.models import Loaded

__all__ = ["VERSION", "attention"]

VERSION = 1  # part of the stage's key: raise it when the numbers change

Progress = Callable[[int, int], None]  # examples done, examples in all


def attention(
    loaded: Loaded,
    sequences: Sequences,
    positions: Positions,
    need: AttentionNeed,
    *,
    layers: LayerChoice = "all",
    batch_tokens: int = 8192,
    progress: Progress = lambda *_: None,
) -> AttentionRows:
    """Attention from the positions `need.queries` to `need.keys`, or to every token of the example `need.text`.

    A query that spans several tokens is the mean of their rows, weights on a key that spans several are summed. A key
    can be attended to unless its first token comes after the query's last one, in a model that looks back only. With
    `sink: drop` the first token of the sequence is left out and each row made to add up to 1 again; a key that is this
    token alone is NaN then. Entropy is that of the row, made to add up to 1, over the log of the number of keys that
    the layer lets it look at (those inside a sliding window).

    weighting: `weight`, the attention weight; `value`, the norm of alpha_ij W_O v_j of each head over its sum over j,
    without biases (Kobayashi et al. 2020, EMNLP); `rollout`, the product over layers of (A + I) / 2, where A is the
    mean over heads, rows made to add up to 1 (Abnar & Zuidema 2020, ACL): one "head", memory quadratic in the tokens.
    `mass` is always the sum of the weights themselves, except for rollout.

    In a model with two stacks the encoder reads the prompt; the decoder reads its start token, then the completion, and
    its first token is that start token.

    Batches are padded on the right, at most `batch_tokens` tokens each, and halved where memory does not hold them.
    The model's own implementation of attention is in place again afterwards.

    Raises:
        BadInput: the model has no attention, no such layer or stack, or a sequence is longer than its context.
        BuildError: its attention weights cannot be read, or do not agree with its output.
    """
    stack = find_stack(loaded, need.stack)
    chosen = _layers(stack, layers)
    asked = question(stack, sequences, positions, need)
    _check_lengths(stack, asked)
    way = find_way(stack, sequences, asked, need.weighting)
    lacking = {layer: why for layer, why in way.lacking.items() if layer in chosen}
    wanted = frozenset(chosen) - frozenset(lacking)
    table = Table(asked, wanted)
    maps: dict[int, Any] = {}
    done = 0
    progress(0, len(asked.run))

    def one(batch: Ints) -> None:
        nonlocal done
        reading = _read(stack, sequences, way, ask(asked, batch), wanted, need.weighting, maps, asked.index[batch])
        table.take(batch, reading)
        done += len(batch)
        progress(done, len(asked.run))

    if wanted:
        for batch in plan(asked.lengths, asked.run, batch_tokens):
            halving(batch, one)
    return table.rows(chosen, lacking)


def _read(
    stack: Stack,
    sequences: Sequences,
    way: Way,
    asked: Asked,
    wanted: frozenset[int],
    weighting: str,
    maps: dict[int, Any],
    batch: Ints,
) -> Reading:
    """One forward pass over a batch; raises BuildError where a layer's attention did not come by."""
    outputs = {i: one.output for i, one in enumerate(stack.parts, 1) if one.output is not None}
    reading = Reading(asked, wanted, weighting, outputs, maps, plain=way.plain)
    blocks = {i: one.block for i, one in enumerate(stack.parts, 1)}
    with implementation(stack.loaded.model, way.name), watching(reading, blocks, eager=way.eager):
        stack.run(sequences, batch, way.options)
    way.check(reading.seen)
    return reading


def _layers(stack: Stack, choice: LayerChoice) -> tuple[int, ...]:
    name, last = stack.loaded.card.name, len(stack.parts)
    found = chosen_layers(choice, last, name)
    if found == (0,):
        raise BadInput(
            f"model {name}: layer 0 is the embedding, which has no attention; its layers go from 1 to {last}"
        )
    return tuple(layer for layer in found if layer > 0)


def _check_lengths(stack: Stack, asked: Question) -> None:
    loaded = stack.loaded
    for i in asked.run:
        size = int(asked.lengths[i])
        if loaded.context is not None and size > loaded.context:
            raise BadInput(
                f"example {asked.example_ids[i]!r} has {text.plural(size, 'token')}; the context of model "
                f"{loaded.card.name} is {loaded.context}"
            )
