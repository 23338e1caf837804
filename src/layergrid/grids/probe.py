"""The kind `probe`: how well a linear probe tells wrong from right answers, at each layer and position.

It knows what is compared and what a cell means; probes.py fits, stats.py judges, selection.py chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from layergrid.artifacts import (
    Baseline,
    Bools,
    CellStatus,
    Examples,
    Floats,
    Grid,
    GridResult,
    HeldOut,
    Ints,
    PositionStatus,
    Quantity,
    Selection,
    Winner,
)
from layergrid.baselines import BUILT_IN, built_in_scores, check_columns, column_features, why_no_scores
from layergrid.kinds import GridKind, Inputs, Needs
from layergrid.probes import (
    TOLERANCE,
    CellFit,
    Plan,
    assign_folds,
    canonical_order,
    fit_cell,
    fit_cells,
    group_codes,
    no_fit,
)
from layergrid.selection import (
    NOTHING_VARIES,
    CellValues,
    as_estimate,
    choose,
    compared,
    compose,
    evaluate_cells,
    unfit,
    unfit_fold,
)
from layergrid.stats import Split, difference_interval, evaluate, mean_interval
from layergrid.text import listed, nearest

SITES = {"residual": "residual stream"}
CLASSES = {"error": ("wrong answers", "right answers"), "correct": ("right answers", "wrong answers")}  # positive first
METHODS = {
    "solver": "Newton's method with a Cholesky factor, warm-started from strong to weak penalties",
    "tolerance": f"every entry of the gradient of the penalised mean loss at most {TOLERANCE:g}",
    "scaling": "each feature centred and divided by its standard deviation over the training rows of the fold",
    "interval": "mean of the folds' AUROCs; variance: mean of their DeLong variances, rows of one group clustered, "
    "times 1/K + 1/(K-1) for K folds; normal quantiles on the logit scale; differences paired on rows, on their own "
    "scale; where a fold stands at 0 or 1, a one-sided Clopper-Pearson bound",
    "test": "one-sided against 0.5, by the logit of the AUROC over the standard error of the interval",
}

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Entry = str | dict[str, tuple[str, ...]]


class PenaltyRange(BaseModel):
    """Penalties evenly spaced on a logarithmic scale, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    start: Positive = Field(1e-4, alias="from", description="Weakest penalty.")
    to: Positive = Field(10.0, description="Strongest penalty.")
    count: int = Field(8, ge=1, le=100, description="How many, evenly spaced on a logarithmic scale.")

    @property
    def values(self) -> tuple[float, ...]:
        """The penalties from weak to strong."""
        low, high = sorted((self.start, self.to))
        return tuple(float(v) for v in np.geomspace(low, high, self.count))


class ProbeGrid(GridKind):
    """AUROC of a standardised logistic probe in every cell, its penalty chosen inside the training folds."""

    version: ClassVar[int] = 2
    kind: Literal["probe"] = "probe"
    predict: Literal["error", "correct"] = Field(
        "error", description="Positive class: `error` (wrong answers) or `correct` (right answers)."
    )
    site: Literal["residual"] = Field(
        "residual", description="What the probe reads: the residual stream, layer 0 being the embedding output."
    )
    folds: int = Field(5, ge=3, le=20, description="Folds, by label and group; selection is nested inside them.")
    penalties: PenaltyRange | Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        PenaltyRange(),
        description="Penalties to choose from inside the training folds, {from, to, count} or a list: lambda of "
        "(1/n) sum log-loss + lambda/2 |w|^2; scikit-learn's C is 1/(n lambda).",
    )
    statuses: Annotated[tuple[PositionStatus, ...], Field(min_length=1)] = Field(
        (PositionStatus.OK,), description="Rows are compared where every position has one of these statuses."
    )
    baselines: tuple[Entry, ...] = Field(
        tuple(BUILT_IN),
        description=f"Simpler predictors on the same rows and folds: {', '.join(BUILT_IN)}; or columns, as "
        "{operand sizes: [left_digits, right_digits]}.",
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    @field_validator("baselines")
    @classmethod
    def _baselines_make_sense(cls, value: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [name for entry in value for name in ([entry] if isinstance(entry, str) else entry)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the baseline {name!r} stands twice")
        for entry in value:
            if isinstance(entry, str) and entry not in BUILT_IN:
                near = nearest(entry, BUILT_IN)
                hint = f"; did you mean {near!r}?" if near else "."
                known = listed(repr(name) for name in BUILT_IN)
                raise ValueError(f"unknown baseline {entry!r}{hint} Known are {known}; or give {{name: [columns]}}")
            if isinstance(entry, dict) and not (entry and all(entry.values())):
                raise ValueError("a baseline of columns is a name with at least one column: {name: [columns]}")
        return value

    @property
    def penalty_values(self) -> tuple[float, ...]:
        """The penalties, lambda of the mean loss, each once, from weak to strong."""
        given = self.penalties.values if isinstance(self.penalties, PenaltyRange) else self.penalties
        return tuple(sorted(set(given)))

    @property
    def column_baselines(self) -> dict[str, tuple[str, ...]]:
        """Baselines made of declared columns: name -> columns."""
        return {name: columns for e in self.baselines if isinstance(e, dict) for name, columns in e.items()}

    def sees(self, baseline: str) -> str:
        """What a baseline is made of: the question, for declared columns, or the completion."""
        return "question" if baseline in self.column_baselines else "completion"

    def check(self, examples: Examples, grid: str) -> None:
        """Raises BadInput where a baseline names a column that the data lack; worth calling before any model runs."""
        for name, columns in self.column_baselines.items():
            check_columns(columns, examples, f"grids.{grid}.baselines, {name!r}")

    def needs(self) -> Needs:
        """One site, all layers, the grid's own positions."""
        return Needs(sites=frozenset({self.site}), positions=self.positions)

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all compared positions, then the nested best and the baselines."""
        self.check(inputs.examples, inputs.name)
        rows = _rows(self, inputs)
        split = rows.split
        if split is None:
            return GridResult(_grid(self, inputs, rows, [], None))
        plan = Plan(split.labels, split.folds, self.penalty_values)
        fits = _fit(self, inputs, rows, plan)
        scores = np.stack([fit.scores for fit in fits])
        values = evaluate_cells(split, scores, self.level)
        scores[np.isnan(values.value)] = np.nan
        grid = _grid(self, inputs, rows, fits, values)
        selection, nested = _nested(grid, split, fits, scores)
        judged = _baselines(self, inputs, rows, plan)
        return GridResult(
            grid,
            selection,
            tuple(
                replace(_compare(name, label, found, split, nested, self.level), sees=self.sees(name))
                for name, label, found in judged
            ),
            HeldOut(
                example_ids=tuple(inputs.examples.ids[i] for i in rows.index),
                groups=tuple(inputs.examples.groups[i] for i in rows.index),
                labels=split.labels,
                folds=split.folds,
                cells=scores.reshape(*grid.value.shape, -1),
                nested=nested,
                baselines={name: found for name, _, found in judged if not isinstance(found, str)},
            ),
        )


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class _Rows:
    """The examples that are compared, in canonical order, and how they are split."""

    index: Ints  # int [n]: example numbers
    labels: Bools  # bool [n]: True is the positive class
    groups: Ints  # int [n]
    positions: Bools  # bool [P]: the position takes part
    split: Split | None  # None where the rows cannot be split
    trouble: tuple[str, str] = ("", "")  # the status and reason of all cells then


def _rows(kind: ProbeGrid, inputs: Inputs) -> _Rows:
    columns = _columns(kind, inputs)
    present = inputs.activations[kind.site].present[:, columns]
    chosen = compared(inputs.positions.status, present, [s.value for s in kind.statuses])
    contents = [np.asarray(inputs.sequences.ids[i], dtype="<i4").tobytes() for i in chosen.rows]
    order = canonical_order(contents, [inputs.examples.ids[i] for i in chosen.rows], inputs.seed)
    index = chosen.rows[order]
    labels = np.asarray(inputs.labels.correct[index] == (kind.predict == "correct"))
    groups = group_codes([inputs.examples.groups[i] for i in index])
    split = None
    trouble = unfit(labels, groups, kind.folds, CLASSES[kind.predict])
    if trouble is None:
        split = Split(labels, groups, assign_folds(labels, groups, kind.folds, inputs.seed))
        trouble = unfit_fold(split, CLASSES[kind.predict])
    if trouble is not None:
        return _Rows(index, labels, groups, chosen.positions, None, trouble)
    return _Rows(index, labels, groups, chosen.positions, split)


def _columns(kind: ProbeGrid, inputs: Inputs) -> list[int]:
    """Where the grid's positions stand in the activations."""
    stored = inputs.activations[kind.site].positions
    return [stored.index(name) for name in inputs.positions.names]


# ---------------------------------------------------------------- cells


def _fit(kind: ProbeGrid, inputs: Inputs, rows: _Rows, plan: Plan) -> list[CellFit]:
    """One fit a cell, layer by layer; positions that no example has are not fitted."""
    activations = inputs.activations[kind.site]
    columns = _columns(kind, inputs)
    cells = [(layer, p) for layer in range(len(activations.layers)) for p in range(len(columns))]
    kept = [(layer, p) for layer, p in cells if rows.positions[p]]
    where = [(layer, columns[p]) for layer, p in kept]
    found = dict(zip(kept, fit_cells(activations.values, where, rows.index, plan, inputs.progress), strict=True))
    return [found.get(cell) or no_fit(plan, *_missing(kind, inputs, cell[1])) for cell in cells]


def _missing(kind: ProbeGrid, inputs: Inputs, position: int) -> tuple[CellStatus, str]:
    names, counts = np.unique(inputs.positions.status[:, position], return_counts=True)
    having = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    wanted = listed([s.value for s in kind.statuses], "or")
    return CellStatus.MISSING, f"no example has this position with status {wanted}: {having}"


def _grid(kind: ProbeGrid, inputs: Inputs, rows: _Rows, fits: list[CellFit], values: CellValues | None) -> Grid:
    """The grid itself; without values every cell holds the rows' trouble."""
    activations = inputs.activations[kind.site]
    shape = (len(activations.layers), len(inputs.positions.names))
    blank = np.full(shape, np.nan)
    takes_part = np.broadcast_to(rows.positions, shape)
    status, reason = zip(*_outcomes(kind, inputs, rows, fits, values), strict=True)
    return Grid(
        name=inputs.name, model=inputs.model, dataset=inputs.examples.name, kind=kind.kind, site=kind.site,
        metric="auroc", quantity=quantity(kind), layers=activations.layers, positions=inputs.positions.names,
        value=blank if values is None else values.value.reshape(shape),
        low=blank if values is None else values.low.reshape(shape),
        high=blank if values is None else values.high.reshape(shape),
        level=kind.level,
        n=np.where(takes_part, len(rows.index), 0),
        n_positive=np.where(takes_part, int(rows.labels.sum()), 0),
        p_adjusted=blank if values is None else values.p_adjusted.reshape(shape),
        status=np.array(status).reshape(shape),
        reason=np.array(reason).reshape(shape),
        tied_with_best=np.zeros(shape, dtype=bool) if values is None else values.tied_with_best.reshape(shape),
        settings=_settings(kind, inputs, rows, fits, values),
    )  # fmt: skip


def _outcomes(
    kind: ProbeGrid, inputs: Inputs, rows: _Rows, fits: list[CellFit], values: CellValues | None
) -> list[tuple[str, str]]:
    """Status and reason of each cell, layer by layer."""
    if values is None:
        layers = len(inputs.activations[kind.site].layers)
        one = [rows.trouble if p else _missing(kind, inputs, i) for i, p in enumerate(rows.positions)]
        return [(str(status), reason) for status, reason in one] * layers
    found = []
    for c, fit in enumerate(fits):
        if values.constant[c]:
            found.append((CellStatus.CONSTANT.value, NOTHING_VARIES))
        elif values.boundary[c]:
            found.append((CellStatus.BOUNDARY.value, ""))
        else:
            found.append((fit.status, fit.reason))
    return found


# ---------------------------------------------------------------- the nested best and the baselines


def _nested(grid: Grid, split: Split, fits: list[CellFit], scores: Floats) -> tuple[Selection | None, Floats]:
    """The nested best with each fold's winner, and its held-out scores [n]; None and NaN where no cell has a value."""
    eligible = grid.has_value.ravel()
    if not eligible.any():
        return None, np.full(len(split.labels), np.nan)
    winners = choose(np.stack([fit.inner for fit in fits]), eligible)
    nested = compose(split, scores, winners)
    scored = evaluate(split, nested)
    estimate = as_estimate(mean_interval(split, scored, grid.level), grid.level, len(nested))
    layers, positions = np.unravel_index(winners, grid.value.shape)
    return Selection(
        estimate,
        tuple(
            Winner(k, grid.layers[layers[k]], grid.positions[positions[k]], float(fits[c].penalties[k]), float(value))
            for k, (c, value) in enumerate(zip(winners, scored.aurocs, strict=True))
        ),
    ), nested


def _baselines(kind: ProbeGrid, inputs: Inputs, rows: _Rows, plan: Plan) -> list[tuple[str, str, Floats | str]]:
    """Name, label and scores [n] of each baseline, or why it has none; columns are fitted on the folds of the cells."""
    found: list[tuple[str, str, Floats | str]] = []
    for entry in kind.baselines:
        if isinstance(entry, str):
            wrongness = built_in_scores(entry, inputs.sequences, inputs.labels, rows.index)
            signed = wrongness if kind.predict == "error" else -wrongness
            found.append((entry, BUILT_IN[entry].label, why_no_scores(wrongness) or signed))
            continue
        for name, columns in entry.items():
            features, reason = column_features(columns, inputs.examples, rows.index)
            scores: Floats | str = reason
            if features is not None:
                fit = fit_cell(features, plan)
                scores = fit.reason or fit.scores.astype(np.float64)
            found.append((name, f"{name} ({', '.join(columns)})", scores))
    return found


def _compare(name: str, label: str, found: Floats | str, split: Split, nested: Floats, level: float) -> Baseline:
    """A baseline's estimate, and the paired difference of the nested best from it."""
    if isinstance(found, str):
        return Baseline(name, label, None, None, found)
    scored = evaluate(split, found)
    interval = mean_interval(split, scored, level)
    if np.isnan(interval.low):
        return Baseline(name, label, None, None, NOTHING_VARIES)
    difference = None
    if not np.isnan(nested).any():
        paired = difference_interval(split, evaluate(split, nested), scored, level)
        difference = as_estimate(paired, level, len(found))
    return Baseline(name, label, as_estimate(interval, level, len(found)), difference)


# ---------------------------------------------------------------- what a report says of it


def quantity(kind: ProbeGrid) -> Quantity:
    """What a cell is, in words."""
    positive, negative = CLASSES[kind.predict]
    return Quantity(
        name="AUROC",
        sentence="Each cell is the held-out AUROC, averaged over the folds, of a linear probe that reads the "
        f"{SITES[kind.site]} at one layer and one token position and tells {positive.split()[0]} from {negative}.",
        subject="errors" if kind.predict == "error" else "right answers",
        claim="decodable",
        low=0.0,
        high=1.0,
        chance=0.5,
        positive=positive,
    )


def _settings(
    kind: ProbeGrid, inputs: Inputs, rows: _Rows, fits: list[CellFit], values: CellValues | None
) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    dropped = np.setdiff1d(np.arange(len(inputs.examples.ids)), rows.index)
    right = int(np.count_nonzero(inputs.labels.correct[dropped]))
    names = inputs.positions.names
    return {
        "predict": kind.predict,
        "folds": kind.folds,
        "inner_folds": kind.folds - 1,
        "group": _group_column(inputs.examples),
        "n_groups": len(np.unique(rows.groups)),
        "rows": len(rows.index),
        "rows_in_all": len(inputs.examples.ids),
        "dropped_correct": right,
        "dropped_wrong": len(dropped) - right,
        "statuses": [s.value for s in kind.statuses],
        "penalties": list(kind.penalty_values),
        "seed": inputs.seed,
        "cells_tested": 0 if values is None else int(np.count_nonzero(~np.isnan(values.value))),
        "positions_left_out": [name for name, kept in zip(names, rows.positions, strict=True) if not kept],
        "correction": "Holm",
        "level": kind.level,
        "unconverged_fits": sum(fit.unconverged for fit in fits),
        "baseline_signs": {e: BUILT_IN[e].sign for e in kind.baselines if isinstance(e, str)},
        **METHODS,
    }


def _group_column(examples: Examples) -> str:
    """The column that groups rows, found by its values; empty where each row is its own group or none has them."""
    if len(set(examples.groups)) == len(examples.groups):
        return ""
    matching = (name for name, values in examples.columns.items() if tuple(map(str, values)) == examples.groups)
    return next(matching, "")
