"""A probe grid's result from its fitted cells: values, nested best, baselines, what is added; it knows no YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layergrid.artifacts import Addition, Directions, Estimate, Facet, Floats, Grid, GridResult, HeldOut, Permutation
from layergrid.kinds import Inputs
from layergrid.probes import CellFit, Plan
from layergrid.probing import control, fitting, judging
from layergrid.probing.asked import Asked, Target
from layergrid.probing.judging import Nested, at_positions, beside_nested, difference, nested_best
from layergrid.probing.names import LAYER_0, LOGPROBS, UNTRAINED
from layergrid.probing.predictors import FITTED, Predictor, logprobs, speaks_of_answers, without_states
from layergrid.probing.rows import Rows
from layergrid.selection import CellValues, as_estimate, evaluate_cells
from layergrid.stats import Split, evaluate, mean_interval
from layergrid.stats.metrics import ACCURACY, AUROC


def values_of(
    asked: Asked, rows: Rows, fits: Sequence[CellFit], shape: tuple[int, int]
) -> tuple[CellValues, Floats, Permutation | None]:
    """The cells' values, their held-out scores, and the permutation test where there is one."""
    split = _split(rows)
    scores = judging.stacked(fits, len(rows.target.classes))
    values = evaluate_cells(split, scores, asked.level, majority(rows) if asked.judge is ACCURACY else None)
    scores[np.isnan(values.value)] = np.nan
    if not asked.permutations:
        return values, scores, None
    tested = ~np.isnan(values.value) & np.array([len(fit.null) > 0 and np.ptp(fit.null) > 0 for fit in fits])
    if not tested.any():
        return replace(values, p_adjusted=np.full(len(fits), np.nan)), scores, None
    how = "held-out" if (rows.folds < 0).any() else asked.relabel
    test, p = judging.permutation(fits, tested, shape, split, asked.level, how, fitting.fixed_rows(rows))
    return replace(values, p_adjusted=p), scores, test


def majority(rows: Rows) -> float:
    """The share of the largest class among the judged rows; NaN without rows."""
    values = rows.target.values[rows.judged] if rows.split is not None else rows.target.values
    counts = np.unique(values, return_counts=True)[1]
    return float(counts.max() / counts.sum()) if len(counts) else float("nan")


def result(
    asked: Asked, inputs: Inputs, rows: Rows, plan: Plan, fits: list[CellFit], grid: Grid, scores: Floats,
    test: Permutation | None,
) -> GridResult:  # fmt: skip
    """Everything of the grid beside its cells."""
    split = _split(rows)
    every = np.ones(len(fits), dtype=bool)
    nested = nested_best(grid, split, fits, scores, every)
    positions = at_positions(grid, split, fits, scores) if nested.selection is not None else []
    predictors = [
        *without_states(asked.baselines, asked.insists, asked.predicts, inputs, rows, plan),
        *_by_states(asked, inputs, rows, plan, fits, grid, scores),
    ]
    additions: tuple[Addition, ...] = ()
    more: dict[str, Floats] = {}
    if LOGPROBS in asked.baselines and speaks_of_answers(asked.predicts, inputs):
        alone, both = logprobs(inputs, rows, plan, fits, nested.winners)
        predictors.append(alone)
        additions, more = _addition(split, f"{LOGPROBS}.selected" if plan.fixed else LOGPROBS, both, asked.level)
    baselines = tuple(
        beside_nested(one.name, one.label, one.scores, split, nested.scores, grid.level, one.sees) for one in predictors
    )
    held = {one.name: one.scores for one in predictors if not isinstance(one.scores, str)} | more
    return GridResult(
        grid,
        nested.selection,
        baselines,
        _held_out(inputs, rows, plan, grid, scores, nested, positions, held),
        by_position=tuple(one.selection.estimate if one.selection else None for one in positions),
        additions=additions,
        permutation=test,
        directions=_directions(fits, rows.target, grid) if asked.directions else None,
        control=control.judged(inputs, rows, split, scores, fits, plan.controls, grid.level) if plan.controls else None,
    )


def _split(rows: Rows) -> Split:
    if rows.split is None:
        raise ValueError("rows that cannot be split have no values")
    return rows.split


def _held_out(
    inputs: Inputs, rows: Rows, plan: Plan, grid: Grid, scores: Floats, nested: Nested, positions: Sequence[Nested],
    held: dict[str, Floats],
) -> HeldOut:  # fmt: skip
    split, shape = _split(rows), grid.value.shape
    examples = [inputs.examples.ids[i] for i in rows.index]
    codes = rows.groups[rows.judged]
    names = _group_names(inputs, rows)
    classes = rows.target.classes
    cells = scores if not classes else _chosen(scores)
    return HeldOut(
        example_ids=tuple(examples[j] for j in rows.judged),
        groups=tuple(names[c] for c in codes),
        labels=rows.labels[rows.judged],
        folds=split.folds,
        cells=cells.reshape(*shape, -1),
        nested=nested.scores,
        baselines=held,
        repeats=len(plan.folds),
        target=None if rows.target.binary else np.asarray(rows.target.values[rows.judged], dtype=np.float64),
        classes=classes,
        by_class={name: scores[:, c].reshape(*shape, -1) for c, name in enumerate(classes)},
        by_position=np.stack([one.scores for one in positions]) if positions else None,
    )


def _group_names(inputs: Inputs, rows: Rows) -> list[str]:
    """A name for each group: that of the first row's group in the data, which near-duplicates may have joined."""
    names: dict[int, str] = {}
    for code, i in zip(rows.groups.tolist(), rows.index.tolist(), strict=True):
        names.setdefault(code, inputs.examples.groups[i])
    return [names[code] for code in range(len(names))]


def _chosen(scores: Floats) -> Floats:
    """The class of the highest score, float32 [cells, m]; NaN where there is none."""
    lost = np.isnan(scores).any(axis=1)
    found: Floats = np.nan_to_num(scores).argmax(axis=1).astype(np.float32)
    found[lost] = np.nan
    return found


def class_facets(asked: Asked, rows: Rows, scores: Floats, shape: tuple[int, int]) -> tuple[Facet, ...]:
    """A map for each class of how well it is told from the rest."""
    found = []
    for c, name in enumerate(rows.target.classes):
        split = _split(rows)
        one = Split(np.asarray(split.labels == c), split.groups, split.folds, AUROC, split.repeats)
        values = evaluate_cells(one, scores[:, c], asked.level)
        found.append(
            Facet(
                name, "class", f"{name} against the rest", values.value.reshape(shape), values.low.reshape(shape),
                values.high.reshape(shape),
            )
        )  # fmt: skip
    return tuple(found)


# ---------------------------------------------------------------- baselines that read states


def _by_states(
    asked: Asked, inputs: Inputs, rows: Rows, plan: Plan, fits: list[CellFit], grid: Grid, scores: Floats
) -> list[Predictor]:
    found = []
    split = _split(rows)
    if LAYER_0 in asked.baselines and grid.layers[0] == 0 and len(grid.layers) > 1:
        first = np.arange(len(fits)) < len(grid.positions)
        found.append(_predictor(LAYER_0, nested_best(grid, split, fits, scores, first), plan))
    states = inputs.untrained.get(asked.states(inputs).site) if UNTRAINED in asked.baselines else None
    if states is not None:
        quiet = replace(plan, relabelling=None, controls=(), directions=False)
        others = fitting.fit_all(asked, replace(inputs, activations=inputs.untrained), rows, quiet, UNTRAINED)
        theirs = judging.stacked(others, len(rows.target.classes))
        valued = ~np.isnan(theirs).any(axis=tuple(range(1, theirs.ndim))).reshape(grid.value.shape)
        shadow = replace(grid, status=np.where(valued, "ok", "missing"))
        found.append(_predictor(UNTRAINED, nested_best(shadow, split, others, theirs, valued.ravel()), plan))
    return found


def _predictor(name: str, nested: Nested, plan: Plan) -> Predictor:
    label, sees = FITTED[name]
    why = (
        "the published recipe chooses no cell inside the training rows" if plan.parity else "no cell of it has a value"
    )
    return Predictor(name, label, sees, nested.scores if nested.selection is not None else why)


# ---------------------------------------------------------------- what the probe adds, and its directions


def _addition(
    split: Split, name: str, both: tuple[Floats, Floats] | None, level: float
) -> tuple[tuple[Addition, ...], dict[str, Floats]]:
    """The log-probabilities with the probe against them alone; nothing where either has no scores."""
    if both is None:
        return (), {}
    alone, together = both
    gap = difference(split, together, alone, level)
    if gap is None:
        return (), {}
    found = Addition(
        name, "the log-probabilities", _estimate(split, alone, level), _estimate(split, together, level), gap
    )
    return (found,), {name: alone, f"{name}+probe": together}


def _estimate(split: Split, scores: Floats, level: float) -> Estimate:
    interval = mean_interval(split, evaluate(split, scores), level)
    return as_estimate(interval, level, scores.shape[-1] // split.repeats)


def _directions(fits: Sequence[CellFit], target: Target, grid: Grid) -> Directions | None:
    """NaN where a cell has no direction; None where none has."""
    widths = {len(fit.direction.weights) for fit in fits if fit.direction is not None}
    if not widths:
        return None
    (width,) = widths
    weights = np.full((len(fits), width), np.nan, dtype=np.float32)
    intercepts = np.full(len(fits), np.nan, dtype=np.float32)
    valued = grid.has_value.ravel()
    for c, fit in enumerate(fits):
        if fit.direction is not None and fit.direction.converged and valued[c]:
            weights[c] = fit.direction.weights * target.unit
            intercepts[c] = fit.direction.intercept * target.unit + target.centre
    shape = grid.value.shape
    penalties = np.where(valued, [fit.penalty for fit in fits], np.nan).reshape(shape)
    return Directions(weights.reshape(*shape, width), intercepts.reshape(shape), penalties)
