"""Inputs of a probe grid with a planted signal, for its tests; no model is involved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from layergrid.artifacts import Activations, Examples, Labels, Positions, Sequences
from layergrid.kinds import Inputs

POSITIONS = ("last_q", "exact_answer_last", "-1")


def make(
    n: int = 160,
    layers: int = 3,
    width: int = 6,
    strength: float = 1.5,
    seed: int = 0,
    group_size: int = 1,
    positive: float = 0.4,
    positions: tuple[str, ...] = POSITIONS,
) -> Inputs:
    """`n` examples whose wrong answers shift one feature at layers above 0 and at `exact_answer_last` only."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(n) < positive
    values = rng.normal(size=(layers, len(positions), n, width)).astype(np.float32)
    for layer in range(1, layers):
        values[layer, positions.index("exact_answer_last"), :, 0] += strength * wrong
    ids = tuple(f"q{i:04d}" for i in range(n))
    groups = tuple(f"g{i // group_size:04d}" for i in range(n))
    left = rng.integers(1, 5, size=n)
    columns: dict[str, Any] = {
        "left_digits": tuple(int(v) for v in left),
        "right_digits": tuple(int(v) for v in rng.integers(1, 5, size=n) + 2 * wrong),
        "operation": tuple("plus" if v % 2 else "times" for v in left),
        "pair": groups,
    }
    return Inputs(
        name="errors",
        model="tiny",
        examples=Examples("sums", "builtin:arithmetic", ids, groups, columns, "sha256:0"),
        sequences=sequences(rng, n, wrong),
        labels=Labels(
            "numeric", "the last number", np.tile([8, 12], (n, 1)).astype(np.int32), ("4325",) * n, ~wrong, ("",) * n
        ),
        positions=Positions(
            positions,
            np.zeros((n, len(positions)), dtype=np.int32),
            np.ones((n, len(positions)), dtype=np.int32),
            np.full((n, len(positions)), "ok", dtype="<U12"),
        ),
        activations={
            "residual": Activations(
                "residual", tuple(range(layers)), positions, ids, values, np.ones((n, len(positions)), dtype=bool)
            )
        },
        seed=0,
    )


def sequences(rng: np.random.Generator, n: int, wrong: np.ndarray) -> Sequences:
    """Three prompt tokens, then "It is 4325" as four tokens or more and a stop token; wrong answers are less likely."""
    lengths = 4 + rng.integers(0, 4, size=n)
    ids, offsets, special, logprobs = [], [], [], []
    for i in range(n):
        tokens = 3 + int(lengths[i])
        ids.append(np.concatenate(([i // 50, i % 50], rng.integers(0, 50, size=tokens - 2))).astype(np.int32))
        offsets.append(np.stack((2 * np.arange(tokens), 2 * np.arange(tokens) + 2), axis=1).astype(np.int32))
        flags = np.zeros(tokens, dtype=bool)
        flags[-1] = True
        special.append(flags)
        logprobs.append((-rng.exponential(0.2, size=tokens - 3) * (1 + wrong[i])).astype(np.float32))
    return Sequences(
        tuple(f"q{i:04d}" for i in range(n)),
        tuple(ids),
        tuple(offsets),
        tuple(("x",) * len(v) for v in ids),
        tuple(special),
        tuple(f"{i:04d} It is 4325" for i in range(n)),
        np.full(n, 3, dtype=np.int32),
        np.full(n, 5, dtype=np.int32),
        tuple(logprobs),
        np.ones(n, dtype=bool),
    )


def permuted(inputs: Inputs, order: np.ndarray) -> Inputs:
    """The same examples in another order."""
    e, s, a = inputs.examples, inputs.sequences, inputs.activations["residual"]

    def pick(values: Any) -> tuple[Any, ...]:
        return tuple(values[i] for i in order)

    return replace(
        inputs,
        examples=replace(
            e, ids=pick(e.ids), groups=pick(e.groups), columns={k: pick(v) for k, v in e.columns.items()}
        ),
        sequences=replace(
            s, example_ids=pick(s.example_ids), ids=pick(s.ids), offsets=pick(s.offsets), pieces=pick(s.pieces),
            special=pick(s.special), texts=pick(s.texts), prompt_tokens=s.prompt_tokens[order],
            prompt_chars=s.prompt_chars[order], logprobs=pick(s.logprobs), stopped=s.stopped[order],
        ),
        labels=replace(
            inputs.labels, spans=inputs.labels.spans[order], answers=pick(inputs.labels.answers),
            correct=inputs.labels.correct[order], reasons=pick(inputs.labels.reasons),
        ),
        positions=replace(
            inputs.positions, start=inputs.positions.start[order], stop=inputs.positions.stop[order],
            status=inputs.positions.status[order],
        ),
        activations={
            "residual": replace(
                a, example_ids=pick(a.example_ids), values=a.values[:, :, order], present=a.present[order]
            )
        },
    )  # fmt: skip


def with_values(inputs: Inputs, change: Any) -> Inputs:
    """The same inputs after `change(values)` on a copy of the activations [L, P, N, D]."""
    a = inputs.activations["residual"]
    values = a.values.copy()
    change(values)
    return replace(inputs, activations={"residual": replace(a, values=values)})


def with_status(inputs: Inputs, change: Any) -> Inputs:
    """The same inputs after `change(status)` on a copy of the position statuses [N, P]."""
    status = inputs.positions.status.copy()
    change(status)
    return replace(inputs, positions=replace(inputs.positions, status=status))


def with_wrong(inputs: Inputs, wrong: np.ndarray) -> Inputs:
    """The same inputs with other labels."""
    return replace(inputs, labels=replace(inputs.labels, correct=~wrong))
