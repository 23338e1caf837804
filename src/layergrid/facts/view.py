"""A grid as the rules look at it: which cells hold a value, pass the test, belong together; it states no fact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layergrid import stats, text
from layergrid.artifacts import Bools, Grid, GridPoint, GridResult

Index = tuple[int, int]  # row and column of a cell


@dataclass(frozen=True)
class Group:
    """Positions that belong together by their names."""

    key: str  # "exact_answer"; "from.end" and "all.other", whose dots no name can hold
    label: str  # "the exact-answer tokens"
    columns: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """One grid with what several rules need of it."""

    result: GridResult

    @property
    def grid(self) -> Grid:
        """The grid itself."""
        return self.result.grid

    @cached_property
    def ok(self) -> Bools:
        """Cells with a finite value, bool [L, P]."""
        return np.asarray(self.grid.has_value & np.isfinite(self.grid.value))

    @cached_property
    def digits(self) -> int:
        """Digits after the point that the typical interval of the grid bears."""
        half = (self.grid.high - self.grid.low)[self.ok] / 2
        half = half[np.isfinite(half)]
        large = bool(self.ok.any() and np.nanmax(np.abs(self.grid.value[self.ok])) >= 100)
        return text.precision(float(np.median(half)) if half.size else math.nan, least=0 if large else 2)

    @cached_property
    def tested(self) -> bool:
        """Whether any cell was tested against chance."""
        return self.grid.quantity.chance is not None and bool(np.isfinite(self.grid.p_adjusted[self.ok]).any())

    @cached_property
    def above(self) -> Bools:
        """Cells above chance after correction, bool [L, P]."""
        p = np.where(self.ok, self.grid.p_adjusted, np.nan)
        with np.errstate(invalid="ignore"):
            low = p < 1 - self.grid.level - 1e-12  # as the heatmap marks them
            return np.asarray(low & self.tested & (self.grid.value > (self.grid.quantity.chance or 0.0)))

    @cached_property
    def constant(self) -> bool:
        """Whether more than one cell holds a value and all values are equal."""
        values = self.grid.value[self.ok]
        return values.size > 1 and float(values.min()) == float(values.max())

    @cached_property
    def peaks(self) -> tuple[Index, ...]:
        """All cells that hold exactly the highest value."""
        if not self.ok.any():
            return ()
        top = self.grid.value[self.ok].max()
        return tuple((int(i), int(j)) for i, j in np.argwhere(self.ok & (self.grid.value == top)))

    @property
    def named(self) -> bool:
        """Whether a highest cell may be spoken of: not on a constant grid, and not where no cell is above chance."""
        return bool(self.peaks) and not self.constant and (not self.tested or bool(self.above.any()))

    @property
    def most(self) -> str:
        """The superlative of the claim at the highest cell."""
        return "most" if self.grid.quantity.higher_is == "more" else "least"

    def point(self, index: Index) -> GridPoint:
        """Layer and position of a cell."""
        return self.grid.layers[index[0]], self.grid.positions[index[1]]

    def points(self, indices: Sequence[Index]) -> tuple[GridPoint, ...]:
        """Layers and positions of cells."""
        return tuple(self.point(i) for i in indices)

    def column(self, j: int) -> list[int]:
        """Rows of the cells of a position that hold a value."""
        return [int(i) for i in np.flatnonzero(self.ok[:, j])]

    def peak(self, columns: Sequence[int]) -> Index | None:
        """The highest cell of some positions (the first of equals), or None where they hold no value."""
        values = np.where(self.ok[:, columns], self.grid.value[:, columns], -np.inf)
        if not self.ok[:, columns].any():
            return None
        i, j = np.unravel_index(int(np.argmax(values)), values.shape)
        return int(i), int(columns[int(j)])

    @cached_property
    def split(self) -> stats.Split | None:
        """The held-out rows, where scores were kept."""
        held = self.result.held_out
        if held is None or len(held.labels) == 0 or self.grid.metric != "auroc":
            return None
        groups = np.unique(np.array(held.groups, dtype=object), return_inverse=True)[1]
        return stats.Split(held.labels, groups, held.folds)

    @cached_property
    def _scored(self) -> dict[Index, stats.Scored]:
        return {}

    def difference(self, a: Index, b: Index) -> stats.Interval | None:
        """Paired difference of two cells, `a` minus `b`, from their held-out scores; None where there are none."""
        if self.split is None or self.result.held_out is None:
            return None
        for index in (a, b):
            if index not in self._scored:
                self._scored[index] = stats.evaluate(self.split, self.result.held_out.cells[index])
        return stats.difference_interval(self.split, self._scored[a], self._scored[b], self.grid.level)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Positions that belong together: those with a shared prefix, those counted from the end, and the rest."""
        names = self.grid.positions
        end = [j for j, name in enumerate(names) if _from_end(name) is not None]
        rest = [j for j in range(len(names)) if j not in end]
        found = []
        for word in dict.fromkeys(names[j].split("_")[0] for j in rest):
            members = [j for j in rest if names[j].split("_")[0] == word]
            prefix = _prefix([names[j] for j in members])
            if len(members) > 1 and prefix.strip("_ "):
                found.append(Group(text.slug(prefix), f"the {prefix.replace('_', '-')} tokens", tuple(members)))
        other = [j for j in rest if not any(j in group.columns for group in found)]
        if other:
            found.append(Group("all.other", _other([names[j] for j in other], bool(found or end)), tuple(other)))
        if end:
            found.append(Group("from.end", _end([names[j] for j in end]), tuple(end)))
        return tuple(sorted(found, key=lambda group: group.columns[0]))


def _from_end(name: str) -> int | None:
    """The number of a position that is counted from the end ("-8" -> -8)."""
    return int(name) if name.startswith("-") and name[1:].isascii() and name[1:].isdigit() else None


def _prefix(names: Sequence[str]) -> str:
    """The words that all names share from the start: exact_answer_first, exact_answer_last -> exact_answer."""
    shared = []
    for words in zip(*(name.split("_") for name in names), strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "_".join(shared)


def _other(names: Sequence[str], beside: bool) -> str:
    """Positions without a group of their own; a single one is called by its name."""
    if len(names) == 1:
        return names[0]
    return f"the {'other ' if beside else ''}{text.words(len(names))} positions"


def _end(names: Sequence[str]) -> str:
    counted = sorted(int(name) for name in names)
    if counted == list(range(-len(counted), 0)):
        return "the last token" if len(counted) == 1 else f"the last {text.words(len(counted))} tokens"
    return f"token {names[0]} from the end" if len(names) == 1 else f"tokens {text.listed(names)} from the end"
