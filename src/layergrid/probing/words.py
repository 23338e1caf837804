"""What a report says of a probe grid: its quantity and the settings of its methods; it computes no statistic."""

from __future__ import annotations

from typing import Any

import numpy as np

from layergrid.artifacts import Labels, Quantity
from layergrid.baselines import BUILT_IN
from layergrid.baselines.asked import SIGN
from layergrid.kinds import Inputs
from layergrid.probes import CellFit
from layergrid.probes.preparing import HOW, TOLERANCES, solver_name
from layergrid.probing.asked import Asked, Target
from layergrid.probing.fitting import relabel_penalty
from layergrid.probing.names import P_TRUE
from layergrid.probing.predictors import speaks_of_answers
from layergrid.probing.rows import Rows
from layergrid.selection import group_column
from layergrid.text import site_name

SCALED = "each feature divided by its standard deviation over all compared rows, whose labels play no part in it"
SHARED = "times 1/K + w/(K-1) for K folds, w the larger of 1/2 and 2 sqrt(A(1-A)) at value A"
WHOLE = "times 1/K + 1/(K-1) for K folds"
INTERVAL = {
    "auroc": f"mean of the folds' AUROCs; variance: mean of their DeLong variances, rows of one group clustered, "
    f"{SHARED}; normal quantiles on the logit scale; differences paired on rows, on their own scale, "
    "w being 1; where a fold stands at 0 or 1, a one-sided Clopper-Pearson bound",
    "macro_auroc": "mean of the folds' macro AUROCs; variance: mean of the folds' clustered variances of their "
    f"influence functions, {SHARED}; normal quantiles on the logit scale",
    "accuracy": "mean of the folds' accuracies; variance: mean of the folds' variances, rows of one group clustered, "
    f"{WHOLE}; normal quantiles on the logit scale",
    "r2": "mean of the folds' values; variance: mean of the folds' clustered variances of the influence function of "
    f"R2, {WHOLE}; normal quantiles",
    "rank_correlation": "mean of the folds' Spearman coefficients; variance: mean of the folds' clustered variances "
    f"of their influence function, {WHOLE}; normal quantiles on Fisher's scale",
}
SCALES = {"logit": "the logit scale", "identity": "the scale of the values", "fisher": "Fisher's scale"}
NAMES = {
    "auroc": "AUROC", "macro_auroc": "macro AUROC", "accuracy": "accuracy", "r2": "R\N{SUPERSCRIPT TWO}",
    "rank_correlation": "rank correlation",
}  # fmt: skip
PROBES = {
    "logistic": "a linear probe", "ridge": "a linear (ridge) probe",
    "mean_difference": "a difference-of-means probe",
}  # fmt: skip
HELD_OUT = "permuted over the test rows under the fitted probes"
REFITTED = {
    "ridge": "ridge probes refitted for every relabelling",
    "logistic": "logistic probes refitted for every relabelling",
}


def quantity(asked: Asked, inputs: Inputs, target: Target, majority: float) -> Quantity:
    """What a cell is, in words."""
    name, metric = NAMES[asked.judge.name], asked.judge
    held = "held-out" if asked.shares is None and asked.parity is None else "test"
    over = ", averaged over the folds," if held == "held-out" else ""
    reads = f"reads the {site_name(*_site(asked))} at one layer and one token position"
    if target.binary:
        what, subject, positive = _binary(asked, inputs.labels, target)
    elif target.classes:
        what, subject, positive = f"tells the classes of {_column(asked)} apart", f"classes of {_column(asked)}", ""
    else:
        what, subject, positive = f"predicts {_column(asked)}", f"values of {_column(asked)}", ""
    chance = metric.chance if metric.name != "accuracy" else majority
    return Quantity(
        name=name,
        sentence=f"Each cell is the {held} {name}{over} of {PROBES[asked.fitted]} that {reads} and {what}.",
        subject=subject,
        claim="decodable",
        low=metric.low if np.isfinite(metric.low) else None,
        high=metric.high,
        chance=chance,
        positive=positive,
        caution="It is the success of a read-out: neither an attention weight nor the size of an activation.",
    )


def _site(asked: Asked) -> tuple[str, int | None]:
    return str(getattr(asked, "site", "residual")), getattr(asked, "head", None)


def _column(asked: Asked) -> str:
    return str(getattr(asked, "column", ""))


def _binary(asked: Asked, labels: Labels, target: Target) -> tuple[str, str, str]:
    positive, negative = target.words
    told = positive.split()[0] if asked.predicts in ("error", "correct") and positive in labels.classes else positive
    return f"tells {told} from {negative}", "errors" if asked.predicts == "error" else positive, positive


def settings(
    asked: Asked, inputs: Inputs, rows: Rows, fits: list[CellFit], tested: int, majority: float
) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    validation = "parity" if asked.parity else "fixed" if asked.shares else "folds"
    judged = len(np.unique(rows.judged)) if len(rows.judged) else len(rows.index)
    found = {
        "predict": asked.predicts,
        "column": _column(asked),
        "target": "binary" if rows.target.binary else "classes" if rows.target.classes else "value",
        "probe": asked.fitted,
        "validation": validation,
        "rows": judged,
        "permutations": asked.permutations,
        "penalties": _penalties(asked),
        "seed": inputs.seed,
        "cells_tested": tested,
        "level": asked.level,
        "unconverged_fits": sum(fit.unconverged for fit in fits),
        "correction": "Holm" if not asked.permutations else "max-statistic permutation" if tested else "",
        "baseline_signs": _signs(asked, inputs),
    }
    found |= _of_rows(asked, inputs, rows) | _of_split(asked, rows, validation) | _methods(asked, inputs, rows)
    if asked.permutations:
        found["relabelled"] = asked.relabel if validation == "folds" else "held-out"
        if found["relabelled"] == "logistic":
            found["relabel_penalty"] = relabel_penalty(asked)
    if rows.target.classes:
        found["majority"] = majority
    return found


def _signs(asked: Asked, inputs: Inputs) -> dict[str, str]:
    """What counts as wrong by each baseline whose sign was fixed in advance."""
    known = {name: one.sign for name, one in BUILT_IN.items()} | {P_TRUE: SIGN}
    if not speaks_of_answers(asked.predicts, inputs):
        return {}
    return {entry: known[entry] for entry in asked.baselines if isinstance(entry, str) and entry in known}


def _penalties(asked: Asked) -> list[float]:
    if asked.parity or asked.fitted == "mean_difference":
        return [1.0] if asked.parity else []
    return list(asked.penalty_values)


def _of_rows(asked: Asked, inputs: Inputs, rows: Rows) -> dict[str, Any]:
    names = inputs.positions.names
    dropped = np.setdiff1d(np.arange(len(inputs.examples.ids)), rows.index)
    right = int(np.count_nonzero(inputs.labels.correct[dropped])) if inputs.labels.known else 0
    near, clusters = rows.near
    return {
        "group": group_column(inputs.examples),
        "n_groups": len(np.unique(rows.groups[rows.judged] if rows.split is not None else rows.groups)),
        "rows_in_all": len(inputs.examples.ids),
        "dropped_correct": right,
        "dropped_wrong": len(dropped) - right,
        "statuses": [s.value for s in asked.statuses],
        "positions_left_out": [name for name, kept in zip(names, rows.positions, strict=True) if not kept],
        "near_duplicates": {"mode": asked.near_duplicates, "rows": near, "clusters": clusters},
    }


def _of_split(asked: Asked, rows: Rows, validation: str) -> dict[str, Any]:
    if validation == "folds":
        return {"folds": asked.folds, "inner_folds": asked.folds - 1, "repeats": asked.repeats}
    from layergrid.probes import SELECT, TRAIN

    parts = rows.folds[0] if len(rows.folds) else np.empty(0)
    counts = {"train_rows": int((parts == TRAIN).sum()), "select_rows": int((parts == SELECT).sum())}
    return {"folds": 1, "repeats": 1, **counts, "leaked_rows": rows.leaked}


def _fixed_interval(asked: Asked) -> str:
    name = asked.judge.name
    variance = "DeLong's variance" if name == "auroc" else "the variance of the influence function"
    end = "; at 0 or 1 a one-sided Clopper-Pearson bound" if asked.judge.trials is not None else ""
    scale = SCALES[asked.judge.scale]
    return f"{variance} on the test rows, rows of one group clustered; normal quantiles on {scale}{end}"


def _methods(asked: Asked, inputs: Inputs, rows: Rows) -> dict[str, str]:
    """Phrases that the methods paragraph prints."""
    fixed = asked.shares is not None or asked.parity is not None
    found = {
        "interval": _fixed_interval(asked) if fixed else INTERVAL[asked.judge.name],
        "scaling": SCALED,
        "test": "one-sided against chance, by the estimate over its standard error on the scale of the interval",
    }
    if asked.permutations:
        how = HELD_OUT if fixed else REFITTED[asked.relabel]
        found["test"] = (
            "the maximum over cells of standardised values; labels exchanged between groups of one size in a fold, "
            f"{how}"
        )
    if asked.parity:
        found["scaling"] = "features as they are"
        found["solver"] = "scikit-learn's logistic regression with its defaults (C = 1, lbfgs, at most 100 iterations)"
        return found
    if asked.fitted == "logistic":
        name = solver_name(len(rows.index), asked.states(inputs).values.shape[-1], asked.device)
        found |= {"solver": HOW[name], "tolerance": TOLERANCES[name]}
    elif asked.fitted == "ridge":
        found["solver"] = "the normal equations, by a Cholesky factor"
    return found
