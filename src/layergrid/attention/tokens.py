"""Which tokens of which examples are asked for, and where what was read belongs; it knows arrays, and runs nothing."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import AttentionRows, Bools, Ints, Positions, PositionStatus, Sequences
from layergrid.attention.rows import Asked, Reduced, Taken
from layergrid.attention.stacks import Stack
from layergrid.kinds import AttentionNeed, BadInput
from layergrid.models.feeding import places


@dataclass(frozen=True)
class Question:
    """What is asked of each example, in places of the stack that is read."""

    index: Ints  # [N]: the examples among the sequences; of one text, that one alone
    example_ids: tuple[str, ...]  # N
    lengths: Ints  # [N]: tokens that the stack reads
    queries: Ints  # [N, Q, 2]: first token and one past the last, as the stack counts; -1 where there is none
    keys: Ints | None  # [N, K, 2]; None: every token of the one example is a key
    query_names: tuple[str, ...]  # Q
    names: tuple[str, ...]  # K
    labels: tuple[str, ...]  # K
    run: Ints  # which of the N have a query
    drop: bool
    device: Any  # of the tensors that the model is given


def question(stack: Stack, sequences: Sequences, positions: Positions, need: AttentionNeed) -> Question:
    """The question that a need amounts to; raises BadInput where it names an example or position that is not there."""
    query_names, names = _named(positions, need.queries), _named(positions, need.keys)
    queries = _places(stack, sequences, positions, query_names)
    index = np.arange(len(sequences.ids))
    labels, keys = names, None
    if need.text or need.first:
        index = index[_example(sequences, positions, query_names, need) :][:1]
        labels = tuple(text.token(piece) for i in index for piece in stack.tokens(sequences, int(i)))
        names = tuple(f"{i}:{piece}" for i, piece in enumerate(labels))
    else:
        keys = _places(stack, sequences, positions, names)
    queries = queries[index]
    return Question(
        index, tuple(sequences.example_ids[i] for i in index), np.array([len(stack.read[i]) for i in index]), queries,
        keys, query_names, names, labels, np.flatnonzero((queries[:, :, 0] >= 0).any(axis=1)), need.sink == "drop",
        stack.loaded.device,
    )  # fmt: skip


def _example(sequences: Sequences, positions: Positions, queries: tuple[str, ...], need: AttentionNeed) -> int:
    """The example whose tokens are the keys: the named one, or the first with all the positions that look."""
    if need.first:
        columns = [positions.names.index(name) for name in queries]
        return int((positions.status[:, columns] == PositionStatus.OK.value).all(axis=1).argmax())
    if need.text not in sequences.example_ids:
        near = text.nearest(need.text, sequences.example_ids)
        raise BadInput(f"there is no example {need.text!r}" + (f"; did you mean {near!r}?" if near else ""))
    return sequences.example_ids.index(need.text)


def _named(positions: Positions, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The positions that names or globs choose, in the order of the positions; BadInput where one chooses none."""
    for pattern in patterns:
        if pattern not in positions.names and not fnmatch.filter(positions.names, pattern):
            near = text.nearest(pattern, positions.names)
            raise BadInput(f"there is no position {pattern!r}" + (f"; did you mean {near!r}?" if near else ""))
    return tuple(
        name for name in positions.names if any(name == one or fnmatch.fnmatchcase(name, one) for one in patterns)
    )


def _places(stack: Stack, sequences: Sequences, positions: Positions, names: tuple[str, ...]) -> Ints:
    """Int [N, names, 2]: first token and one past the last, as the stack counts; -1 where it reads none of them."""
    columns = [positions.names.index(name) for name in names]
    return np.stack(places(positions, sequences, stack.name), axis=2)[:, columns]


def ask(asked: Question, batch: Ints) -> Asked:
    """The rows and keys of a batch of examples, as tensors."""
    import torch

    batch = np.searchsorted(asked.index, batch)
    tokens = int(asked.lengths[batch].max())
    spans = asked.queries[batch]
    lists = [np.unique(np.concatenate([np.arange(a, b) for a, b in one if a >= 0])) for one in spans]
    rows = np.stack([np.resize(one, max(map(len, lists))) for one in lists])
    own = np.arange(rows.shape[1]) < np.array([len(one) for one in lists])[:, None]  # the rest only fill up
    inside = (rows[:, None] >= spans[:, :, :1]) & (rows[:, None] < spans[:, :, 1:]) & own[:, None]
    share = inside / np.maximum(1, inside.sum(axis=2, keepdims=True))
    places = np.arange(tokens)
    keys = None
    if asked.keys is not None:
        found = asked.keys[batch]
        inside = (places[:, None] >= found[:, None, :, 0]) & (places[:, None] < found[:, None, :, 1])
        keys = torch.from_numpy(inside.astype(np.float32)).to(asked.device)
    return Asked(
        rows=torch.from_numpy(rows).to(asked.device),
        share=torch.from_numpy(share.astype(np.float32)).to(asked.device),
        keys=keys,
        real=torch.from_numpy(places < asked.lengths[batch][:, None]).to(asked.device),
        drop=asked.drop,
    )


class Table:
    """Collects what was read of batches, and makes one artifact of it."""

    def __init__(self, asked: Question, layers: frozenset[int]) -> None:
        """Nothing is known yet."""
        self.asked = asked
        self.layers = layers
        self.found: dict[int, list[tuple[Ints, Reduced]]] = {layer: [] for layer in layers}
        self.changed: dict[int, str] = {}
        self.ahead = False

    def take(self, batch: Ints, taken: Taken) -> None:
        """What one forward pass over these examples gave."""
        batch = np.searchsorted(self.asked.index, batch)
        self.ahead |= taken.ahead
        self.changed.update(taken.changed)
        for layer, reduced in taken.found.items():
            self.found[layer].append((batch, reduced))

    def rows(self, layers: tuple[int, ...], lacking: Mapping[int, str]) -> AttentionRows:
        """All of it; layers without attention are NaN and said to be lacking."""
        heads = max((one.values.shape[1] for found in self.found.values() for _, one in found), default=1)
        queries, keys, n = len(self.asked.query_names), len(self.asked.names), len(self.asked.example_ids)
        values = np.full((len(layers), heads, queries, keys, n), np.nan, dtype=np.float32)
        rest = np.full((3, len(layers), heads, queries, n), np.nan, dtype=np.float32)
        for i, layer in enumerate(layers):
            for batch, one in self.found.get(layer, ()):
                own = one.values.shape[1]
                values[i, :own][..., batch] = np.moveaxis(one.values, 0, -1)
                for part, found in enumerate((one.entropy, one.first, one.mass)):
                    rest[part, i, :own][..., batch] = np.moveaxis(found, 0, -1)
        attendable = self._attendable()
        values[:, :, ~attendable] = np.nan
        if self.asked.drop:
            values[:, :, self._only_first()] = np.nan
        return AttentionRows(
            layers, heads, self.asked.query_names, self.asked.names, self.asked.labels, self.asked.example_ids, values,
            rest[0], rest[1], rest[2], attendable, {**lacking, **self.changed},
        )  # fmt: skip

    def _keys(self) -> Ints:
        """Int [N, K, 2]: places of the keys."""
        if self.asked.keys is not None:
            return self.asked.keys
        places = np.arange(len(self.asked.names))
        every = np.stack([places, places + 1], axis=1)
        return np.broadcast_to(every, (len(self.asked.example_ids), *every.shape))

    def _attendable(self) -> Bools:
        """Bool [Q, K, N]: both are there, and the key does not begin after the query's end, if that matters."""
        keys, queries = self._keys()[:, None], self.asked.queries[:, :, None]
        there = (keys[..., 0] >= 0) & (queries[..., 0] >= 0)
        found: Bools = there if self.ahead else there & (keys[..., 0] < queries[..., 1])
        return np.moveaxis(found, 0, -1)

    def _only_first(self) -> Bools:
        """Bool [Q, K, N]: the key is the first token alone."""
        last = self._keys()[:, None, :, 1]
        found = np.broadcast_to(last == 1, (len(last), self.asked.queries.shape[1], last.shape[2]))
        return np.moveaxis(found, 0, -1)
