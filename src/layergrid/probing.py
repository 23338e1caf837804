"""The steps of a probe grid: rows that are compared, fitted cells, the nested best, baselines; it knows no YAML.

probes.py fits, stats.py judges, selection.py chooses; the kind `probe` says what is asked and what a cell means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from layergrid.artifacts import (
    Activations,
    Baseline,
    Bools,
    CellStatus,
    Floats,
    Grid,
    Ints,
    PositionStatus,
    Selection,
    Winner,
)
from layergrid.baselines import BUILT_IN, built_in_scores, column_features, why_no_scores
from layergrid.kinds import Inputs
from layergrid.probes import CellFit, Plan, assign_folds, canonical_order, fit_cell, fit_cells, group_codes, no_fit
from layergrid.selection import (
    NOTHING_VARIES,
    CellValues,
    as_estimate,
    choose,
    compared,
    compose,
    unfit,
    unfit_fold,
)
from layergrid.stats import Split, difference_interval, evaluate, mean_interval
from layergrid.text import listed


class Asked(Protocol):
    """The parameters of the kind that are read here."""

    @property
    def predict(self) -> Literal["error", "correct", "label"]:
        """The positive class."""

    @property
    def folds(self) -> int:
        """Number of folds."""

    @property
    def statuses(self) -> tuple[PositionStatus, ...]:
        """Statuses of positions that count."""

    @property
    def baselines(self) -> tuple[str | dict[str, tuple[str, ...]], ...]:
        """Names, or columns by name."""

    def states(self, inputs: Inputs) -> Activations:
        """What the probe reads."""


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Rows:
    """The examples that are compared, in canonical order, and how they are split."""

    index: Ints  # int [n]: example numbers
    labels: Bools  # bool [n]: True is the positive class
    groups: Ints  # int [n]
    positions: Bools  # bool [P]: the position takes part
    split: Split | None  # None where the rows cannot be split
    trouble: tuple[str, str] = ("", "")  # the status and reason of all cells then


def compared_rows(asked: Asked, inputs: Inputs) -> Rows:
    """The rows that count at all compared positions, in an order that only their content decides, and their folds."""
    columns = _columns(asked, inputs)
    present = asked.states(inputs).present[:, columns]
    chosen = compared(inputs.positions.status, present, [s.value for s in asked.statuses])
    contents = [np.asarray(inputs.sequences.ids[i], dtype="<i4").tobytes() for i in chosen.rows]
    order = canonical_order(contents, [inputs.examples.ids[i] for i in chosen.rows], inputs.seed)
    index = chosen.rows[order]
    positive, *words = inputs.labels.positive(asked.predict)
    labels, classes = np.asarray(positive[index]), (words[0], words[1])
    groups = group_codes([inputs.examples.groups[i] for i in index])
    split = None
    trouble = unfit(labels, groups, asked.folds, classes)
    if trouble is None:
        split = Split(labels, groups, assign_folds(labels, groups, asked.folds, inputs.seed))
        trouble = unfit_fold(split, classes)
    if trouble is not None:
        return Rows(index, labels, groups, chosen.positions, None, trouble)
    return Rows(index, labels, groups, chosen.positions, split)


def _columns(asked: Asked, inputs: Inputs) -> list[int]:
    """Where the grid's positions stand in the activations."""
    stored = asked.states(inputs).positions
    return [stored.index(name) for name in inputs.positions.names]


# ---------------------------------------------------------------- cells


def fit_all(asked: Asked, inputs: Inputs, rows: Rows, plan: Plan) -> list[CellFit]:
    """One fit a cell, layer by layer; positions that no example has are not fitted."""
    activations = asked.states(inputs)
    columns = _columns(asked, inputs)
    cells = [(layer, p) for layer in range(len(activations.layers)) for p in range(len(columns))]
    kept = [(layer, p) for layer, p in cells if rows.positions[p]]
    where = [(layer, columns[p]) for layer, p in kept]
    found = dict(zip(kept, fit_cells(activations.values, where, rows.index, plan, inputs.progress), strict=True))
    return [found.get(cell) or no_fit(plan, *_missing(asked, inputs, cell[1])) for cell in cells]


def _missing(asked: Asked, inputs: Inputs, position: int) -> tuple[CellStatus, str]:
    names, counts = np.unique(inputs.positions.status[:, position], return_counts=True)
    having = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    wanted = listed([s.value for s in asked.statuses], "or")
    return CellStatus.MISSING, f"no example has this position with status {wanted}: {having}"


def outcomes(
    asked: Asked, inputs: Inputs, rows: Rows, fits: list[CellFit], values: CellValues | None
) -> list[tuple[str, str]]:
    """Status and reason of each cell, layer by layer."""
    if values is None:
        layers = len(asked.states(inputs).layers)
        one = [rows.trouble if p else _missing(asked, inputs, i) for i, p in enumerate(rows.positions)]
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


def nested_best(grid: Grid, split: Split, fits: list[CellFit], scores: Floats) -> tuple[Selection | None, Floats]:
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


def scored_baselines(asked: Asked, inputs: Inputs, rows: Rows, plan: Plan) -> list[tuple[str, str, Floats | str]]:
    """Name, label and scores [n] of each baseline, or why it has none; columns are fitted on the folds of the cells.

    Built-in baselines speak of answers and of their being wrong; they are left out where labels come from a column.
    """
    found: list[tuple[str, str, Floats | str]] = []
    for entry in asked.baselines:
        if isinstance(entry, str):
            if asked.predict == "label" or not inputs.sequences.written:
                continue
            wrongness = built_in_scores(entry, inputs.sequences, inputs.labels, rows.index)
            signed = wrongness if asked.predict == "error" else -wrongness
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


def beside_nested(name: str, label: str, found: Floats | str, split: Split, nested: Floats, level: float) -> Baseline:
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
