"""The kind `probe`: how well a linear probe tells wrong from right answers, at each layer and position.

It knows the parameters and what a cell means; probing.py takes the steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from layergrid.artifacts import Examples, Grid, GridResult, HeldOut, Labels, PositionStatus, Quantity
from layergrid.baselines import BUILT_IN, check_columns
from layergrid.describing import group_column
from layergrid.kinds import Inputs, Needs, StateGrid
from layergrid.probes import TOLERANCE, CellFit, Plan
from layergrid.probing import (
    Rows,
    beside_nested,
    compared_rows,
    fit_all,
    nested_best,
    outcomes,
    scored_baselines,
)
from layergrid.selection import CellValues, evaluate_cells
from layergrid.text import listed, nearest, power, site_name

METHODS = {
    "solver": "Newton's method with a Cholesky factor, warm-started from strong to weak penalties",
    "tolerance": f"every entry of the gradient of the penalised mean loss at most {power(TOLERANCE)}",
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


class ProbeGrid(StateGrid):
    """AUROC of a standardised logistic probe in every cell, its penalty chosen inside the training folds."""

    version: ClassVar[int] = 4
    selects: ClassVar[bool] = True
    kind: Literal["probe"] = "probe"
    predict: Literal["error", "correct", "label"] = Field(
        "error",
        description="Positive class: `error` (wrong answers) or `correct` (right answers) of what the model wrote; "
        "`label` for a data set with a label column, and its default there.",
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
        """One site of the chosen layers, and labels."""
        return replace(super().needs(), labels=True)

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all compared positions, then the nested best and the baselines."""
        self.check(inputs.examples, inputs.name)
        rows = compared_rows(self, inputs)
        split = rows.split
        if split is None:
            return GridResult(_grid(self, inputs, rows, [], None))
        plan = Plan(split.labels, split.folds, self.penalty_values)
        fits = fit_all(self, inputs, rows, plan)
        scores = np.stack([fit.scores for fit in fits])
        values = evaluate_cells(split, scores, self.level)
        scores[np.isnan(values.value)] = np.nan
        grid = _grid(self, inputs, rows, fits, values)
        selection, nested = nested_best(grid, split, fits, scores)
        judged = scored_baselines(self, inputs, rows, plan)
        return GridResult(
            grid,
            selection,
            tuple(
                replace(beside_nested(name, label, found, split, nested, self.level), sees=self.sees(name))
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


# ---------------------------------------------------------------- what a report says of it


def _grid(kind: ProbeGrid, inputs: Inputs, rows: Rows, fits: list[CellFit], values: CellValues | None) -> Grid:
    """The grid itself; without values every cell holds the rows' trouble."""
    activations = kind.states(inputs)
    shape = (len(activations.layers), len(inputs.positions.names))
    blank = np.full(shape, np.nan)
    takes_part = np.broadcast_to(rows.positions, shape)
    status, reason = zip(*outcomes(kind, inputs, rows, fits, values), strict=True)
    return Grid(
        name=inputs.name, model=inputs.model, dataset=inputs.examples.name, kind=kind.kind, site=kind.site,
        head="" if kind.head is None else str(kind.head),
        metric="auroc", quantity=quantity(kind, inputs.labels), layers=activations.layers,
        positions=inputs.positions.names,
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


def quantity(kind: ProbeGrid, labels: Labels) -> Quantity:
    """What a cell is, in words."""
    _, positive, negative = labels.positive(kind.predict)
    told = positive if kind.predict == "label" else positive.split()[0]
    return Quantity(
        name="AUROC",
        sentence="Each cell is the held-out AUROC, averaged over the folds, of a linear probe that reads the "
        f"{site_name(kind.site, kind.head)} at one layer and one token position and tells {told} from {negative}.",
        subject="errors" if kind.predict == "error" else positive,
        claim="decodable",
        low=0.0,
        high=1.0,
        chance=0.5,
        positive=positive,
        caution="It is the success of a read-out: neither an attention weight nor the size of an activation.",
    )


def _settings(
    kind: ProbeGrid, inputs: Inputs, rows: Rows, fits: list[CellFit], values: CellValues | None
) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    dropped = np.setdiff1d(np.arange(len(inputs.examples.ids)), rows.index)
    right = int(np.count_nonzero(inputs.labels.correct[dropped]))
    names = inputs.positions.names
    return {
        "predict": kind.predict,
        "folds": kind.folds,
        "inner_folds": kind.folds - 1,
        "group": group_column(inputs.examples),
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
