"""Reads rows of attention weights at chosen tokens, layer by layer and head by head; it knows no labels and no grids.

Only the rows of the query tokens are computed, by the model's own eager function, and reduced at once to the keys that
are asked for: nothing of shape [tokens, tokens] outlives its layer, except for rollout, which is a product of such. The
attention of layer i is that of block i, counted from 1. The language-model head never runs.

rows        sums over keys, entropy, value weights and rollout, of tensors
reading     the hooks
trial       which way the weights of a model can be read at all
tokens      which tokens are asked for, and what the values become
stacks      the tokens that a stack reads, and how it is run
keeping     what was taken of a batch, as arrays
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layergrid import text
from layergrid.artifacts import AttentionRows, Ints, Positions, Sequences
from layergrid.attention.keeping import packed, unpacked
from layergrid.attention.stacks import Stack, find_stack
from layergrid.attention.tokens import Table, ask, question
from layergrid.attention.trial import find_way
from layergrid.kinds import AttentionNeed, BadInput, BuildError, LayerChoice, NoShards, Shards, chosen_layers
from layergrid.models import Loaded, memory
from layergrid.models.feeding import plan
from layergrid.models.memory import name_of
from layergrid.models.tracing import padding_matters

__all__ = ["VERSION", "attention"]

VERSION = 1  # part of the stage's key: raise it when the numbers change
_KEEPS_NOTHING = NoShards()

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
    shards: Shards = _KEEPS_NOTHING,
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
    Each is kept in `shards`, and taken from there where an earlier run left it.
    The model's own implementation of attention is in place again afterwards.

    Raises:
        BadInput: the model has no attention, no such layer or stack, or a sequence is longer than its context.
        BuildError: its attention weights cannot be read, or do not agree with its output.
    """
    stack = find_stack(loaded, sequences, need.stack)
    chosen = _layers(stack, layers)
    asked = question(stack, sequences, positions, need)
    way = find_way(stack, asked, need.weighting)
    lacking = {layer: why for layer, why in way.lacking.items() if layer in chosen}
    wanted = frozenset(chosen) - frozenset(lacking)
    table, maps = Table(asked, wanted), dict[int, Any]()

    def run(batch: Ints) -> None:
        kept = shards.get(name_of(batch))
        if kept is not None:
            table.take(batch, unpacked(kept))
            return
        reading = way.reading(stack, ask(asked, batch), wanted, need.weighting, maps)
        way.read(stack, batch, reading)
        table.take(batch, reading.taken)
        shards.put(name_of(batch), packed(reading.taken))

    lengths, done = stack.feed.lengths, 0
    examples = asked.index[asked.run] if wanted else asked.index[:0]
    pad = not (len(examples) > 1 and padding_matters(loaded, tuple(stack.feed.ids)))
    batches = plan(lengths, examples, batch_tokens, pad=pad)
    progress(0, len(examples))
    for batch, fitted in memory.in_halves(
        batches, lambda rows: len(rows) * int(lengths[rows].max(axis=0).sum()), run, shards
    ):
        if not fitted:
            raise BuildError(
                f"memory does not hold the attention of example {sequences.example_ids[batch[0]]!r}, "
                f"{text.plural(int(lengths[batch[0]].sum()), 'token')} long; read shorter texts, or use another device"
            )
        done += len(batch)
        progress(done, len(examples))
    return table.rows(chosen, lacking)


def _layers(stack: Stack, choice: LayerChoice) -> tuple[int, ...]:
    name, last = stack.loaded.card.name, len(stack.parts)
    found = chosen_layers(choice, last, name)
    if found == (0,):
        raise BadInput(
            f"model {name}: layer 0 is the embedding, which has no attention; its layers go from 1 to {last}"
        )
    return tuple(layer for layer in found if layer > 0)
