"""What simpler predictors see: answer length, token log-probabilities, declared columns; they know no hidden state.

The sign of a built-in baseline is fixed in advance, never read off the data: a longer answer, or one that the model
gave less probability, counts as more likely wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Examples, Floats, Ints, Labels, Scalar, Sequences
from layergrid.kinds import BadInput
from layergrid.stats import Array
from layergrid.text import listed, nearest

NAN = float("nan")


@dataclass(frozen=True)
class BuiltIn:
    """A baseline that needs no fit."""

    label: str  # a readable phrase
    sign: str  # what was assumed in advance
    wrongness: Callable[[Sequences, Labels, int], float]  # of one example: higher means more likely wrong


def _answer_length(sequences: Sequences, _: Labels, i: int) -> float:
    return float(np.count_nonzero(~sequences.special[i][int(sequences.prompt_tokens[i]) :]))


def _mean(values: Floats) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else NAN


def _min(values: Floats) -> float:
    return float(np.min(values)) if len(values) else NAN


def exact_answer_logprobs(sequences: Sequences, labels: Labels, i: int) -> Floats:
    """Log-probabilities of the completion's tokens that cover a character of the exact answer; empty without one."""
    start, stop = (int(v) for v in labels.spans[i])
    prompt = int(sequences.prompt_tokens[i])
    offsets = sequences.offsets[i][prompt:]
    covers = (offsets[:, 0] < stop) & (offsets[:, 1] > start) & ~sequences.special[i][prompt:]
    if start < 0:
        covers[:] = False
    found: Floats = sequences.logprobs[i][covers]
    return found


BUILT_IN: Mapping[str, BuiltIn] = {
    "answer_length": BuiltIn("length of the answer in tokens", "longer answers count as wrong", _answer_length),
    "logprob_mean": BuiltIn(
        "mean log-probability of the answer",
        "lower log-probability counts as wrong",
        lambda sequences, _, i: -_mean(sequences.logprobs[i]),
    ),
    "logprob_min": BuiltIn(
        "minimum log-probability of the answer",
        "lower log-probability counts as wrong",
        lambda sequences, _, i: -_min(sequences.logprobs[i]),
    ),
    "exact_logprob_mean": BuiltIn(
        "mean log-probability of the exact answer",
        "lower log-probability counts as wrong",
        lambda sequences, labels, i: -_mean(exact_answer_logprobs(sequences, labels, i)),
    ),
    "exact_logprob_min": BuiltIn(
        "minimum log-probability of the exact answer",
        "lower log-probability counts as wrong",
        lambda sequences, labels, i: -_min(exact_answer_logprobs(sequences, labels, i)),
    ),
}


def built_in_scores(name: str, sequences: Sequences, labels: Labels, rows: Ints) -> Array:
    """Wrongness float64 [n] by the built-in baseline `name`; NaN where an example has none."""
    return np.array([BUILT_IN[name].wrongness(sequences, labels, int(i)) for i in rows], dtype=np.float64)


def why_no_scores(scores: Array) -> str:
    """Why scores cannot be compared; empty where they can."""
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        return f"{missing} of {len(scores)} examples have no value"
    if len(scores) and np.ptp(scores) == 0:
        return "the value is the same in all examples"
    return ""


# ---------------------------------------------------------------- columns


def check_columns(columns: Sequence[str], examples: Examples, where: str) -> None:
    """Raises BadInput, naming the nearest column, where the data set lacks one of `columns`."""
    for column in columns:
        if column not in examples.columns:
            near = nearest(column, examples.columns)
            hint = f"; did you mean {near!r}?" if near else "."
            raise BadInput(
                f"{where}: the data set {examples.name!r} has no column {column!r}{hint} "
                f"It has {listed(repr(c) for c in examples.columns) or 'no columns'}."
            )


def column_features(columns: Sequence[str], examples: Examples, rows: Ints) -> tuple[Array | None, str]:
    """Features [n, d] of `columns` at `rows`, or None and why not: numbers as they are, text as one column a value.

    Truth values count as numbers. A value that is absent, not finite, or a column that mixes text and numbers is a
    reason to give no number rather than a guess.
    """
    blocks = []
    for column in columns:
        values = [examples.columns[column][int(i)] for i in rows]
        missing = sum(_is_missing(v) for v in values)
        if missing:
            return None, f"column {column!r} has no value in {missing} of {len(values)} examples"
        texts = sum(isinstance(v, str) for v in values)
        if texts not in (0, len(values)):
            return None, f"column {column!r} mixes text and numbers"
        blocks.append(_one_hot(values) if texts else np.array([[float(v or 0)] for v in values]))
    return np.concatenate(blocks, axis=1), ""


def _is_missing(value: Scalar) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _one_hot(values: Sequence[Scalar]) -> Array:
    kinds = sorted({str(v) for v in values})
    return np.array([[float(v == kind) for kind in kinds] for v in values])
