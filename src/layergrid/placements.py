"""Held-out scores of single rows in a unit that all folds share: the share of rows they are above; it knows no page.

The probes of two folds score on two scales. Within its fold, a row's placement value is the share of the rows of the
other class that score lower, ties by half; over the positive rows of a fold it averages to the fold's AUROC (DeLong,
DeLong & Clarke-Pearson 1988).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layergrid.artifacts import Bools, Floats, GridResult, HeldOut, Ints


def placement(scores: Floats, positive: Bools, folds: Ints) -> Floats:
    """Float64 [n]: the share of the rows of the other class in the same fold that score lower, ties by half.

    NaN where a row has no score, or its fold no scored row of the other class.
    """
    found = np.full(len(scores), np.nan)
    for fold in np.unique(folds):
        for side in (True, False):
            mine = np.flatnonzero((folds == fold) & (positive == side))
            others = scores[(folds == fold) & (positive != side)]
            found[mine] = _share_below(scores[mine], others)
    return found


def rank(values: Floats, folds: Ints) -> Floats:
    """Float64 [n]: the share of the other rows in the same fold that have a lower value, ties by half; NaN as above."""
    found = np.full(len(values), np.nan)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        there = int(np.isfinite(values[rows]).sum())
        if there > 1:  # a row ties with itself, which counts for a half
            found[rows] = (_share_below(values[rows], values[rows]) * there - 0.5) / (there - 1)
    return found


def _share_below(values: Floats, others: Floats) -> Floats:
    known = np.sort(others[np.isfinite(others)])
    if not len(known):
        return np.full(len(values), np.nan)
    below, upto = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    return np.asarray(np.where(np.isfinite(values), (below + upto) / (2 * len(known)), np.nan), dtype=np.float64)


@dataclass(frozen=True)
class Placed:
    """The placement of one example, the mean over repeats, and the layers that scored it, where all are known."""

    value: float
    layers: tuple[int, ...] = ()


class Placements:
    """The held-out scores of one grid's rows, by example.

    Of two classes a row is placed among the other class, so that a positive row is told rightly above one half and a
    negative one below. Of several classes the score of a row's own class is placed among all other rows, which is told
    rightly above one half. Of a number the prediction has its rank among all rows, as the number itself has in `truth`.
    """

    def __init__(self, result: GridResult, held: HeldOut) -> None:
        self.result, self.held = result, held

    @property
    def binary(self) -> bool:
        """Whether there are two classes, one of them positive."""
        return self.held.target is None

    @cached_property
    def rows(self) -> Mapping[str, tuple[int, ...]]:
        """The rows of each example, one a repeat."""
        found: dict[str, list[int]] = {}
        for i, name in enumerate(self.held.example_ids):
            found.setdefault(name, []).append(i)
        return {name: tuple(rows) for name, rows in found.items()}

    @cached_property
    def nested(self) -> Mapping[str, float]:
        """The placement of each example by the probes that nested selection chose; those without one are left out."""
        return self._by_example(self._placed(self.held.nested))

    @cached_property
    def truth(self) -> Mapping[str, float]:
        """Of a number: its rank among the rows of the fold."""
        if self.held.target is None or self.held.classes:
            return {}
        return self._by_example(rank(np.asarray(self.held.target, dtype=np.float64), self.held.folds))

    def positive(self, example: str) -> bool:
        """Whether an example that was compared is of the positive class."""
        return bool(self.held.labels[self.rows[example][0]])

    def at(self, position: int) -> Mapping[str, Placed]:
        """The placement of each example by the probes of one position alone, with their layers.

        They are of the layer that each fold chose; in a report that does not hold those, of the highest cell's layer.
        """
        grid, held = self.result.grid, self.held
        if held.by_position is not None:
            scores, layers = held.by_position[position], self._layers(position)
        else:
            column = np.where(grid.has_value[:, position], grid.value[:, position], -np.inf)
            if not np.isfinite(column).any():
                return {}
            best = int(column.argmax())
            scores = np.stack([self._cells(name)[best, position] for name in held.classes or ("",)])
            scores = scores if held.classes else scores[0]
            layers = np.full(len(held.example_ids), best)
        placed = self._by_example(self._placed(scores))
        return {
            name: Placed(value, tuple(sorted({grid.layers[i] for i in of_rows})) if min(of_rows) >= 0 else ())
            for name, value in placed.items()
            for of_rows in [[int(layers[i]) for i in self.rows[name]]]
        }

    def tells(self, position: int) -> bool:
        """Whether the probe at a position is above chance: its nested interval, else some cell after correction."""
        one, chance = self.result, self.result.grid.quantity.chance
        if chance is None:
            return True
        if len(one.by_position) == len(one.grid.positions):
            found = one.by_position[position]
            return found is not None and np.isfinite(found.low) and found.low > chance
        with np.errstate(invalid="ignore"):
            clear = (one.grid.p_adjusted[:, position] < 1 - one.grid.level) & (one.grid.value[:, position] > chance)
        return bool(clear.any())

    def _placed(self, scores: Floats) -> Floats:
        """Float64 [n] of scores [n], or [C, n] of classes."""
        held = self.held
        values = np.asarray(scores, dtype=np.float64)
        if held.target is None:
            return placement(values, held.labels, held.folds)
        if not held.classes:
            return rank(values, held.folds)
        found = np.full(len(held.example_ids), np.nan)
        for code in range(len(held.classes)):
            mine = held.target == code
            found[mine] = placement(values[code], mine, held.folds)[mine]
        return found

    def _by_example(self, placed: Floats) -> dict[str, float]:
        many = {name: rows for name, rows in self.rows.items() if len(rows) > 1}  # the others are their own means
        means = {name: float(placed[rows[0]]) for name, rows in self.rows.items()}
        means |= {name: float(np.mean(placed[list(rows)])) for name, rows in many.items()}
        return {name: value for name, value in means.items() if np.isfinite(value)}

    def _cells(self, name: str) -> Floats:
        return self.held.by_class[name] if name else self.held.cells

    def _layers(self, position: int) -> Ints:
        """Int [n]: the index of the layer whose held-out scores a fold took at a position.

        -1 where no layer has those scores, or several have: which of them was chosen is not told then.
        """
        held = self.held
        found = np.full(len(held.example_ids), -1)
        if held.by_position is None:
            return found
        taken = held.by_position[position].reshape(-1, len(found))  # [C, n], one line where there are no classes
        cells = np.stack([self._cells(name)[:, position] for name in held.classes or ("",)])  # [C, L, n]
        for fold in np.unique(held.folds):
            rows = held.folds == fold
            same = (cells[..., rows] == taken[:, None, rows].astype(cells.dtype)).all(axis=(0, 2))
            if np.count_nonzero(same) == 1:
                found[rows] = int(same.argmax())
        return found


def of(result: GridResult) -> Placements | None:
    """The placements of a grid's rows; None where nothing was held out or no cell was chosen."""
    held = result.held_out
    if held is None or not len(held.example_ids) or not np.isfinite(held.nested).any():
        return None
    return Placements(result, held)
