"""Scores of simpler predictors on the rows and folds of a grid, and what the probe adds to one; it judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.baselines import BUILT_IN, built_in_scores, column_features, why_no_scores
from layergrid.baselines import asked as model_asked
from layergrid.baselines.completion import logprob_features
from layergrid.baselines.question import question_features
from layergrid.kinds import Inputs
from layergrid.probes import SELECT, CellFit, Plan, fit_cell
from layergrid.probes.newton import NewtonSolver
from layergrid.probes.solving import Task
from layergrid.probing.names import LAYER_0, LOGPROBS, P_TRUE, QUESTION, UNTRAINED
from layergrid.probing.rows import Rows

FITTED: Mapping[str, tuple[str, str]] = {  # name -> a readable phrase, what it sees
    QUESTION: ("lengths and words of the question", "question"),
    LOGPROBS: ("all log-probabilities of the answer together", "completion"),
    LAYER_0: ("the embedding's output", "states"),
    UNTRAINED: ("an untrained model of the same shape", "states"),
}
STACKED_PENALTY = 1e-3  # of the few features of `logprobs`
NO_ANSWERS = "it speaks of answers being wrong, and the target is a column"
NOBODY_KNOWS = "nobody knows whether the given answers were cut"
NO_ROWS = "the published recipe keeps no rows on which a penalty could be chosen"


@dataclass(frozen=True)
class Predictor:
    """A baseline with its scores on the judged rows, or why it has none."""

    name: str
    label: str
    sees: str
    scores: Floats | str  # float64 [m] or [C, m]


def without_states(
    entries: Sequence[str | dict[str, tuple[str, ...]]], insists: bool, predict: str, inputs: Inputs, rows: Rows,
    plan: Plan,
) -> list[Predictor]:  # fmt: skip
    """The baselines that read no activation, in the order in which they are asked for.

    Built-in baselines speak of answers and of their being wrong; where labels come from a column they are left out, or
    have a row that says so where somebody asked for them by name.
    """
    graded = speaks_of_answers(predict, inputs)
    found = []
    for entry in entries:
        if isinstance(entry, dict):
            found += [_columns(name, columns, inputs, rows, plan) for name, columns in entry.items()]
        elif entry in BUILT_IN and graded:
            found.append(_built_in(entry, predict, inputs, rows))
        elif entry == P_TRUE and graded:
            found.append(_asked(predict, inputs, rows))
        elif insists and not graded and (entry in BUILT_IN or entry in (LOGPROBS, P_TRUE)):
            label = BUILT_IN[entry].label if entry in BUILT_IN else FITTED.get(entry, (model_asked.LABEL,))[0]
            found.append(Predictor(entry, label, "completion", NO_ANSWERS))
        elif entry == QUESTION and any(inputs.sequences.texts):
            found.append(_fitted(QUESTION, _question(inputs, rows), plan))
    return found


def speaks_of_answers(predict: str, inputs: Inputs) -> bool:
    """Whether labels are those of graded answers that the model wrote."""
    return predict in ("error", "correct") and inputs.sequences.written


def _built_in(name: str, predict: str, inputs: Inputs, rows: Rows) -> Predictor:
    wrongness = built_in_scores(name, inputs.sequences, inputs.labels, rows.index)[rows.judged]
    signed = wrongness if predict == "error" else -wrongness
    why = why_no_scores(wrongness, name)
    why = NOBODY_KNOWS if name == "truncation" and not inputs.sequences.ends_known else why
    return Predictor(name, BUILT_IN[name].label, "completion", why or signed)


def _asked(predict: str, inputs: Inputs, rows: Rows) -> Predictor:
    """What the model says of its own answers, where it was asked."""
    found = model_asked.p_true_scores(inputs.p_true, inputs.p_true_reason, rows.index[rows.judged])
    signed = found if isinstance(found, str) or predict == "error" else -found
    return Predictor(P_TRUE, model_asked.LABEL, "completion", signed)


def _columns(name: str, columns: tuple[str, ...], inputs: Inputs, rows: Rows, plan: Plan) -> Predictor:
    features, reason = column_features(columns, inputs.examples, rows.index)
    one = _fitted(QUESTION, reason if features is None else features, plan)
    return replace(one, name=name, label=f"{name} ({', '.join(columns)})")


def _question(inputs: Inputs, rows: Rows) -> Floats:
    s = inputs.sequences
    return question_features([s.texts[i][: int(s.prompt_chars[i])] for i in rows.index])[0]


def _fitted(name: str, features: Floats | str, plan: Plan) -> Predictor:
    """Features fitted by the grid's own probe on its own folds."""
    label, sees = FITTED[name]
    if isinstance(features, str):
        return Predictor(name, label, sees, features)
    if plan.parity:
        return Predictor(name, label, sees, NO_ROWS)
    fit = fit_cell(features, replace(plan, relabelling=None, controls=(), directions=False))
    scores = fit.scores if plan.classes else fit.scores[0]
    return Predictor(name, label, sees, fit.reason or scores.astype(np.float64))


# ---------------------------------------------------------------- log-probabilities, and what the probe adds to them


def logprobs(
    inputs: Inputs, rows: Rows, plan: Plan, fits: Sequence[CellFit], winners: Ints
) -> tuple[Predictor, tuple[Floats, Floats] | None]:
    """The log-probabilities alone; and scores float64 [m] without and with the nested probe's score beside them.

    Both are logistic probes on standardised features. The probe's score of a training row comes from a probe of the
    cell and penalty that the fold chose, trained without that row's fold; of a held-out row from the fold's own probe
    (stacking, Wolpert 1992); of a fixed split both are fitted on the rows for selection. None where no cell was chosen
    (`winners` is empty) or a fit does not converge.
    """
    features, reason = logprob_features(inputs.sequences, inputs.labels, rows.index)
    if features is None:
        return Predictor(LOGPROBS, *FITTED[LOGPROBS], reason), None
    if plan.parity:
        return Predictor(LOGPROBS, *FITTED[LOGPROBS], NO_ROWS), None
    alone, base, together = (np.full(len(plan.judged), np.nan) for _ in range(3))
    for k in range(plan.rounds):
        train, out, at = _parts(plan, k)
        base[at] = alone[at] = _stacked(features, train, out, plan)
        if plan.fixed:  # by itself it may learn from the training rows, which the probe has seen
            alone[at] = _stacked(features, np.flatnonzero((plan.folds[0] < 0) & (plan.folds[0] >= SELECT)), out, plan)
        if len(winners):
            fit = fits[winners[k]]
            beside = fit.within[k].astype(np.float64)
            beside[out] = fit.scores[0, at]
            together[at] = _stacked(np.column_stack((features, beside)), train, out, plan)
    if np.isnan(alone).any():
        return Predictor(LOGPROBS, *FITTED[LOGPROBS], "a fit of the log-probabilities did not converge"), None
    both = None if np.isnan(together).any() or np.isnan(base).any() else (base, together)
    return Predictor(LOGPROBS, *FITTED[LOGPROBS], alone), both


def _parts(plan: Plan, k: int) -> tuple[Ints, Ints, Ints]:
    """The rows that round k fits on and those that it holds out, and where these stand among the judged rows."""
    repeat, fold = divmod(k, plan.k)
    folds = plan.folds[repeat]
    out = np.flatnonzero(folds == fold)
    if plan.fixed:  # the probe has seen the training rows
        return np.flatnonzero(folds == SELECT), out, np.arange(len(out))
    return np.flatnonzero(folds != fold), out, repeat * len(folds) + out


def _stacked(features: Floats, train: Ints, out: Ints, plan: Plan) -> Floats:
    """Log-odds of the rows held out by one small probe; NaN where it does not converge or lacks a class."""
    rows = np.concatenate((train, out))
    y = np.asarray(plan.target[rows], dtype=bool)
    task = Task(np.arange(len(train)), np.arange(len(train), len(rows)), y)
    if not len(train) or y[task.train].all() or not y[task.train].any():
        return np.full(len(out), np.nan)
    (found,) = NewtonSolver(features[rows]).paths([task], [STACKED_PENALTY])
    return np.where(found.converged[0], found.scores[0].astype(np.float64), np.nan)
