"""What an answer shows without its hidden states: its length, whether it was cut, its tokens' log-probabilities.

The sign of a built-in baseline is fixed in advance, never read off the data: a longer answer, one that was cut, or one
that the model gave less probability, counts as more likely wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Floats, Ints, Labels, Sequences
from layergrid.stats import Array

NAN = float("nan")


@dataclass(frozen=True)
class BuiltIn:
    """A baseline that needs no fit."""

    label: str  # a readable phrase
    sign: str  # what was assumed in advance
    wrongness: Callable[[Sequences, Labels, int], float]  # of one example: higher means more likely wrong
    same: Callable[[float], str] = lambda _: "the value is the same in all examples"  # what that one value says


def _answer_length(sequences: Sequences, _: Labels, i: int) -> float:
    return float(np.count_nonzero(~sequences.special[i][int(sequences.prompt_tokens[i]) :]))


def _mean(values: Floats) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else NAN


def _min(values: Floats) -> float:
    return float(np.min(values)) if len(values) else NAN


def _max(values: Floats) -> float:
    return float(np.max(values)) if len(values) else NAN


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


def _of_logprobs(label: str, summary: Callable[[Floats], float], exact: bool) -> BuiltIn:
    """A summary of log-probabilities, of the exact answer or of all that the model wrote; less counts as wrong."""

    def wrongness(sequences: Sequences, labels: Labels, i: int) -> float:
        return -summary(exact_answer_logprobs(sequences, labels, i) if exact else sequences.logprobs[i])

    what = "exact answer" if exact else "answer"
    return BuiltIn(f"{label} log-probability of the {what}", "lower log-probability counts as wrong", wrongness)


BUILT_IN: Mapping[str, BuiltIn] = {
    "answer_length": BuiltIn("length of the answer in tokens", "longer answers count as wrong", _answer_length),
    "truncation": BuiltIn(
        "cut at the limit of new tokens",
        "answers that were cut count as wrong",
        lambda sequences, _, i: float(not sequences.stopped[i]),
        lambda cut: "every answer was cut" if cut else "no answer was cut",
    ),
    "logprob_mean": _of_logprobs("mean", _mean, False),
    "logprob_min": _of_logprobs("minimum", _min, False),
    "logprob_max": _of_logprobs("maximum", _max, False),
    "exact_logprob_mean": _of_logprobs("mean", _mean, True),
    "exact_logprob_min": _of_logprobs("minimum", _min, True),
    "exact_logprob_max": _of_logprobs("maximum", _max, True),
}


def built_in_scores(name: str, sequences: Sequences, labels: Labels, rows: Ints) -> Array:
    """Wrongness float64 [n] by the built-in baseline `name`; NaN where an example has none."""
    return np.array([BUILT_IN[name].wrongness(sequences, labels, int(i)) for i in rows], dtype=np.float64)


def why_no_scores(scores: Array, name: str = "") -> str:
    """Why the scores of the built-in baseline `name` cannot be compared; empty where they can."""
    missing = int(np.count_nonzero(~np.isfinite(scores)))
    if missing:
        return f"{missing} of {len(scores)} examples have no value"
    if len(scores) and np.ptp(scores) == 0:
        return BUILT_IN[name].same(float(scores[0])) if name in BUILT_IN else "the value is the same in all examples"
    return ""


# ---------------------------------------------------------------- log-probabilities as features

SUMMARIES = (_min, _mean, _max)


def logprob_features(sequences: Sequences, labels: Labels, rows: Ints) -> tuple[Floats | None, str]:
    """Features float64 [n, d] of the answers' log-probabilities at `rows`, for a fit; or None and why not.

    Minimum, mean and maximum over the whole answer and, where some example has one, over the exact answer. Examples
    without an exact answer keep their rows: they take the mean of the others, and one more column tells them apart.
    """
    whole = [sequences.logprobs[int(i)] for i in rows]
    empty = sum(len(values) == 0 for values in whole)
    if empty:
        return None, f"{empty} of {len(rows)} examples have no log-probabilities"
    unknown = sum(not np.isfinite(values).all() for values in whole)
    if unknown:
        return None, f"{unknown} of {len(rows)} examples have log-probabilities that are not finite"
    blocks = [_summaries(whole)]
    exact = _summaries([exact_answer_logprobs(sequences, labels, int(i)) for i in rows])
    found = np.isfinite(exact[:, 0])
    if found.any():
        blocks.append(np.where(found[:, None], exact, exact[found].mean(axis=0)))
        blocks += [] if found.all() else [found[:, None].astype(np.float64)]
    return np.concatenate(blocks, axis=1), ""


def _summaries(rows: Iterable[Floats]) -> Array:
    return np.array([[summary(values) for summary in SUMMARIES] for values in rows], dtype=np.float64).reshape(-1, 3)
