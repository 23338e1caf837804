"""From rows to fitted cells: the plan that all cells share, and one fit a cell; it judges nothing."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Bools
from layergrid.kinds import BadInput, Inputs
from layergrid.probes import CellFit, Plan, Relabelling, fit_cells, no_fit, ridge_penalty
from layergrid.probing import control
from layergrid.probing.asked import Asked
from layergrid.probing.names import LOGPROBS
from layergrid.probing.rows import Rows, columns_of, missing
from layergrid.stats.relabel import relabellings, unmoved


def plan_of(asked: Asked, inputs: Inputs, rows: Rows) -> Plan:
    """What all cells share. Raises BadInput for a GPU that is not there."""
    _check_device(asked, inputs)
    target = rows.target
    many: tuple[float, ...] = asked.penalty_values
    relabelling = None
    if asked.permutations:
        relabelling = relabelled(asked, inputs, rows)
    controls: tuple[Bools, ...] = ()
    if asked.control and target.binary and any(len(ids) for ids in inputs.sequences.ids):
        share = float(np.mean(rows.labels))
        controls = control.labels(control.types(inputs, rows), share, asked.control, inputs.seed)
    return Plan(
        target=rows.labels if target.binary else target.values, folds=rows.folds, penalties=many,
        classes=len(target.classes), metric=asked.judge, probe=asked.fitted, relabelling=relabelling,
        controls=controls, device=asked.device, directions=asked.directions,
        stacks=LOGPROBS in asked.baselines, parity=asked.parity is not None,
    )  # fmt: skip


def relabelled(asked: Asked, inputs: Inputs, rows: Rows) -> Relabelling:
    """The relabellings of the first repeat's folds; of a fixed split the probes stay as they are."""
    values = rows.labels if rows.target.binary else rows.target.values
    drawn = relabellings(values, rows.groups, rows.folds[0], asked.permutations, inputs.seed)
    if (rows.folds < 0).any():
        return Relabelling(drawn.astype(np.int32), "held-out", 0.0)
    if asked.relabel == "logistic":
        return Relabelling(drawn.astype(np.int32), "logistic", relabel_penalty(asked))
    return Relabelling(drawn.astype(np.int32), "ridge", ridge_penalty(asked.states(inputs).values.shape[-1]))


def relabel_penalty(asked: Asked) -> float:
    """The penalty of logistic probes that are refitted: the middle one of those asked for, which no label enters."""
    return asked.penalty_values[len(asked.penalty_values) // 2]


def fixed_rows(rows: Rows) -> int:
    """Judged rows that no relabelling moves."""
    inside = rows.folds[0] >= 0
    return unmoved(rows.groups[inside], rows.folds[0][inside])


def fit_all(asked: Asked, inputs: Inputs, rows: Rows, plan: Plan, name: str = "cells") -> list[CellFit]:
    """One fit a cell, layer by layer; positions that no example has are not fitted.

    Finished cells outlive the process in the inputs' shards under a `name`, one for each plan and states of a grid.
    """
    activations = asked.states(inputs)
    columns = columns_of(asked, inputs)
    cells = [(layer, p) for layer in range(len(activations.layers)) for p in range(len(columns))]
    kept = [(layer, p) for layer, p in cells if rows.positions[p]]
    where = [(layer, columns[p]) for layer, p in kept]
    fits = fit_cells(
        activations.values,
        where,
        rows.index,
        plan,
        inputs.progress,
        places=[p for _, p in kept] if plan.controls else (),
        shards=inputs.shards,
        name=name,
    )
    found = dict(zip(kept, fits, strict=True))
    return [found.get(cell) or no_fit(plan, *missing(asked, inputs, cell[1])) for cell in cells]


def _check_device(asked: Asked, inputs: Inputs) -> None:
    if asked.device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise BadInput(
            f"grids.{inputs.name}.device: {asked.device!r} was asked for, and this machine has no CUDA device that "
            "torch can use; leave the field out"
        )
