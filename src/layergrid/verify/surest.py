"""Checks that examples called the surest of a probe are those at the ends of its nested scores; it knows no page."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Floats, HeldOut, Illustration, Results
from layergrid.exemplars import BY_CHANCE, CALL, MISTAKE, OVER, UNDER
from layergrid.verify.problems import RESULTS, Notes

SLACK = 1e-9  # means over repeats in another order
SIGNS = {MISTAKE: -1, CALL: 1, OVER: 1, UNDER: -1}


def check(results: Results, notes: Notes) -> None:
    """Every example whose reason is its score, in the first probe grid of its model and data set that chose a cell.

    Where there is no such grid, there is nothing to check.
    """
    probes: dict[tuple[str, str], HeldOut] = {}
    for one in results.grids:
        held = one.held_out
        if held is not None and len(held.example_ids) and np.isfinite(held.nested).any():
            probes.setdefault((one.grid.model, one.grid.dataset), held)
    told: dict[tuple[str, str], Firmness] = {}
    for example in results.examples:
        key = example.model, example.dataset
        if key in probes and example.why != BY_CHANCE:
            notes.counts["chosen example"] += 1
            firm = told.setdefault(key, Firmness(probes[key]))
            if wrong := firm.problem(example):
                notes.wrong(RESULTS, f"example {example.example_id} of {' on '.join(key)}: {wrong}")


class Firmness:
    """How far each example's nested score lies on the right side of the middle, by a count over pairs of rows.

    Of a number: how far the rank of its prediction lies above that of the number itself.
    """

    def __init__(self, held: HeldOut) -> None:
        self.ends = (OVER, UNDER) if held.target is not None and not held.classes else (MISTAKE, CALL)
        by_row = _numbers(held) if self.ends[0] == OVER else _classes(held)
        rows: dict[str, list[int]] = {}
        for i, name in enumerate(held.example_ids):
            rows.setdefault(name, []).append(i)
        means = {name: float(np.mean(by_row[index])) for name, index in rows.items()}
        self.told = {name: value for name, value in means.items() if np.isfinite(value)}
        self.labels = {name: bool(held.labels[index[0]]) for name, index in rows.items()}

    def problem(self, example: Illustration) -> str:
        """What is wrong with the reason for which an example is shown; empty where it holds."""
        why, name = example.why, example.example_id
        if why not in self.ends:
            return f"is shown as {why!r}, which no example of this probe can be"
        if name not in self.told:
            return f"is shown as {why}, and has no nested score"
        sign = SIGNS[why]
        own = sign * self.told[name]
        rivals = (sign * value for other, value in self.told.items() if self.labels[other] == self.labels[name])
        if own <= 0:
            return f"is shown as {why}, and its nested score lies on the other side"
        return f"is shown as {why}, and another example is further out" if max(rivals) > own + SLACK else ""


def _classes(held: HeldOut) -> Floats:
    """Float64 [n]: the share of the other rows of the fold from which a row is told rightly, less one half."""
    binary = held.target is None
    codes = (held.labels if held.target is None else held.target).astype(int)
    scores = np.stack((-held.nested, held.nested)) if binary else held.nested
    found = np.empty(len(codes))
    for fold in np.unique(held.folds):
        for code in np.unique(codes):
            inside = held.folds == fold
            others = scores[code][inside & (codes != code)]
            for i in np.flatnonzero(inside & (codes == code)):
                found[i] = _share(scores[code, i], others) - 0.5
    return found


def _numbers(held: HeldOut) -> Floats:
    """Float64 [n]: the rank of the prediction in its fold less that of the number."""
    found = np.empty(len(held.folds))
    true = np.asarray(held.target, dtype=np.float64)
    for fold in np.unique(held.folds):
        rows = np.flatnonzero(held.folds == fold)
        for i in rows:
            others = rows[rows != i]
            found[i] = _share(held.nested[i], held.nested[others]) - _share(true[i], true[others])
    return found


def _share(value: float, others: Floats) -> float:
    known = others[np.isfinite(others)]
    if not np.isfinite(value) or not len(known):
        return float("nan")
    return float(np.mean(known < value) + np.mean(known == value) / 2)
