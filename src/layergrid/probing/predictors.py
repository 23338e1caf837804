"""Scores of simpler predictors on the rows and folds of a grid, and what the probe adds to one; it judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.baselines import BUILT_IN, built_in_scores, column_features, why_no_scores
from layergrid.kinds import Inputs
from layergrid.probes import CellFit, Plan, fit_cell
from layergrid.probes.cells import TRAIN
from layergrid.probes.newton import NewtonSolver
from layergrid.probes.solving import Task
from layergrid.probing.rows import Rows

QUESTION, LOGPROBS, LAYER_0, UNTRAINED = "question", "logprobs", "layer_0", "untrained"
FITTED: Mapping[str, tuple[str, str]] = {  # name -> a readable phrase, what it sees
    QUESTION: ("lengths and words of the question", "question"),
    LOGPROBS: ("log-probabilities of the answer, fitted together", "completion"),
    LAYER_0: ("layer 0, the embedding", "states"),
    UNTRAINED: ("the same model, untrained", "states"),
}
STACKED_PENALTY = 1e-3  # of the few features of `added`


@dataclass(frozen=True)
class Predictor:
    """A baseline with its scores on the judged rows, or why it has none."""

    name: str
    label: str
    sees: str
    scores: Floats | str  # float64 [m] or [C, m]


def without_states(
    entries: Sequence[str | dict[str, tuple[str, ...]]], predict: str, inputs: Inputs, rows: Rows, plan: Plan
) -> list[Predictor]:
    """The baselines that read no activation, in the order in which they are asked for.

    Built-in baselines speak of answers and of their being wrong; they are left out where labels come from a column.
    """
    graded = predict in ("error", "correct") and inputs.sequences.written
    found = []
    for entry in entries:
        if isinstance(entry, dict):
            found += [_columns(name, columns, inputs, rows, plan) for name, columns in entry.items()]
        elif entry in BUILT_IN and graded:
            found.append(_built_in(entry, predict, inputs, rows))
        elif entry == QUESTION and any(inputs.sequences.texts):
            found.append(_fitted(QUESTION, _question(inputs, rows), plan))
        elif entry == LOGPROBS and graded:
            features, reason = _logprobs(inputs, rows)
            found.append(_fitted(LOGPROBS, reason if features is None else features, plan))
    return found


def _built_in(name: str, predict: str, inputs: Inputs, rows: Rows) -> Predictor:
    wrongness = built_in_scores(name, inputs.sequences, inputs.labels, rows.index)[rows.judged]
    signed = wrongness if predict == "error" else -wrongness
    return Predictor(name, BUILT_IN[name].label, "completion", why_no_scores(wrongness) or signed)


def _columns(name: str, columns: tuple[str, ...], inputs: Inputs, rows: Rows, plan: Plan) -> Predictor:
    features, reason = column_features(columns, inputs.examples, rows.index)
    one = _fitted(QUESTION, reason if features is None else features, plan)
    return replace(one, name=name, label=f"{name} ({', '.join(columns)})")


def _question(inputs: Inputs, rows: Rows) -> Floats:
    from layergrid.baselines.question import question_features

    s = inputs.sequences
    return question_features([s.texts[i][: int(s.prompt_chars[i])] for i in rows.index])[0]


def _logprobs(inputs: Inputs, rows: Rows) -> tuple[Floats | None, str]:
    from layergrid.baselines.completion import logprob_features

    return logprob_features(inputs.sequences, inputs.labels, rows.index)


def _fitted(name: str, features: Floats | str, plan: Plan) -> Predictor:
    """Features fitted by the grid's own probe on its own folds."""
    label, sees = FITTED[name]
    if isinstance(features, str):
        return Predictor(name, label, sees, features)
    fit = fit_cell(features, replace(plan, relabelling=None, controls=(), parity=False))
    scores = fit.scores if plan.classes else fit.scores[0]
    return Predictor(name, label, sees, fit.reason or scores.astype(np.float64))


# ---------------------------------------------------------------- what the probe adds


def added(
    inputs: Inputs, rows: Rows, plan: Plan, fits: Sequence[CellFit], winners: Ints
) -> tuple[Floats, Floats] | str:
    """Scores float64 [m] of the log-probabilities alone, and of them with the nested probe's score beside them.

    Both are logistic probes on standardised features. The probe's score of a training row comes from a probe of the
    cell and penalty that the fold chose, trained without that row's fold; of a held-out row from the fold's own probe
    (stacking, Wolpert 1992). A reason where there is nothing to fit.
    """
    features, reason = _logprobs(inputs, rows)
    if features is None:
        return reason
    alone, together = (np.full(len(plan.judged), np.nan) for _ in range(2))
    for k in range(plan.rounds):
        folds, fit = plan.folds[k // plan.k], fits[winners[k]]
        out = np.flatnonzero(folds == k % plan.k)
        train = np.flatnonzero(~np.isnan(fit.within[k]) & (folds != TRAIN))
        offset = 0 if plan.fixed else (k // plan.k) * len(folds)
        at = np.arange(len(out)) if plan.fixed else offset + out
        beside = fit.within[k].astype(np.float64)
        beside[out] = fit.scores[0, at]
        for found, columns in ((alone, features), (together, np.column_stack((features, beside)))):
            scores = _stacked(columns, train, out, plan)
            if scores is None:
                return "a fit of the log-probabilities did not converge"
            found[at] = scores
    return alone, together


def _stacked(features: Floats, train: Ints, out: Ints, plan: Plan) -> Floats | None:
    """Log-odds of the rows held out by one small probe; None where it does not converge."""
    rows = np.concatenate((train, out))
    y = np.asarray(plan.target[rows], dtype=bool)
    task = Task(np.arange(len(train)), np.arange(len(train), len(rows)), y)
    if y[task.train].all() or not y[task.train].any():
        return None
    (found,) = NewtonSolver(features[rows]).paths([task], [STACKED_PENALTY])
    return found.scores[0].astype(np.float64) if found.converged[0] else None
