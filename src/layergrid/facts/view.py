"""A grid as the rules look at it: which cells hold a value, pass the test, belong together; it states no fact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layergrid import stats, text
from layergrid.artifacts import Bools, DataCard, Facet, Floats, Grid, GridPoint, GridResult
from layergrid.facts import groups as grouping
from layergrid.facts.groups import Group as Group
from layergrid.facts.pairs import Pairs

Index = tuple[int, int]  # row and column of a cell
SPOKEN = 24  # tokens of one text that are spoken of one by one


@dataclass(frozen=True)
class View:
    """One grid with what several rules need of it."""

    result: GridResult
    card: DataCard | None = None  # of the grid's data set, where it has one

    @property
    def grid(self) -> Grid:
        """The grid itself."""
        return self.result.grid

    @property
    def classes(self) -> tuple[str, str]:
        """Words for the labels False and True of the rows; empty where they have none."""
        return self.card.classes if self.card is not None else DataCard.classes

    @cached_property
    def described(self) -> bool:
        """Whether cells describe what is there: no cell was chosen, no row held out, nothing set beside baselines."""
        one = self.result
        return one.selection is None and one.held_out is None and not one.baselines

    @cached_property
    def ok(self) -> Bools:
        """Cells with a finite value, bool [L, P]."""
        return np.asarray(self.grid.has_value & np.isfinite(self.grid.value))

    @cached_property
    def bounded(self) -> Bools:
        """Cells with an interval, bool [L, P]."""
        return np.asarray(self.ok & np.isfinite(self.grid.low) & np.isfinite(self.grid.high))

    @cached_property
    def digits(self) -> int:
        """Digits after the point that the typical interval of the grid bears, or without one the size of its values."""
        half = (self.grid.high - self.grid.low)[self.bounded] / 2
        largest = float(np.abs(self.grid.value[self.ok]).max()) if self.ok.any() else 0.0
        if not half.size:
            return text.precision(largest / 50, least=0 if largest >= 100 else 2)
        least = 2 if not self.described else 1 if largest >= 10 else 2
        return text.precision(float(np.median(half)), least=0 if largest >= 100 else least)

    def places(self, low: float, high: float) -> int:
        """Digits for one estimate: those of the grid, or more where values of very different size share it (ranks)."""
        if not self.described or self.digits >= 2 or not np.isfinite([low, high]).all():
            return self.digits
        return max(self.digits, text.precision((high - low) / 2, least=0))

    def finer(self, low: float, high: float) -> int:
        """Digits for a difference: its paired interval is often much shorter than those of the cells."""
        if not self.described or not np.isfinite([low, high]).all():
            return self.digits
        return max(self.digits, text.precision((high - low) / 2, least=0))

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
    def speaking(self) -> Bools:
        """Cells that may be called high, bool [L, P]: where any is above chance those that are, else all with a value.

        A cell inside the noise is neither a peak nor the end of a band.
        """
        return self.above if self.tested and self.above.any() else self.ok

    @cached_property
    def noise(self) -> Bools:
        """Cells of a tested grid that are not above chance after correction, bool [L, P]."""
        return np.asarray(self.ok & ~self.above & self.tested)

    def called(self, columns: Sequence[int], several: bool = False) -> str:
        """What the highest of some cells is called: of those above chance, where one inside the noise reads so."""
        inside = self.sign * self.grid.value[:, columns]
        loud, quiet = (
            float(np.where(mask[:, columns], inside, -np.inf).max(initial=-np.inf))
            for mask in (self.speaking, self.ok & ~self.speaking)
        )
        noun = "cells" if several else "cell"
        return f"{self.extreme} {noun} above chance" if -np.inf < loud <= quiet else f"{self.extreme} {noun}"

    @cached_property
    def veiled(self) -> bool:
        """Whether a cell inside the noise reads as high as the highest cell that is above chance."""
        return self.called(range(len(self.grid.positions))) != f"{self.extreme} cell"

    @cached_property
    def silent(self) -> bool:
        """Whether cells were tested and none is above chance."""
        return self.tested and not bool(self.above.any())

    @cached_property
    def ties(self) -> Bools:
        """Cells that a paired interval cannot tell from the highest that may be called so, itself included."""
        if not self.veiled:
            return np.asarray(self.grid.tied_with_best & self.ok)
        found = np.zeros_like(self.ok)
        for i, j in np.argwhere(self.ok):
            gap = self.difference(self.peaks[0], (int(i), int(j)))
            found[i, j] = gap is None or not (gap.low > 0 or gap.high < 0)
        return found

    @property
    def sign(self) -> int:
        """1 where a higher value is more of what is measured, -1 where it is less (a rank)."""
        return 1 if self.grid.quantity.higher_is == "more" else -1

    @property
    def extreme(self) -> str:
        """The word for the cell that stands out: the one with most of what is measured."""
        return "highest" if self.sign > 0 else "lowest"

    @property
    def opposite(self) -> str:
        """The word for the cell at the other end."""
        return "lowest" if self.sign > 0 else "highest"

    @cached_property
    def peaks(self) -> tuple[Index, ...]:
        """All cells that hold exactly the highest value (the lowest, where less is more) and are not inside the noise.

        Where no cell is above chance the highest of all, of which nothing may be said (`named`).
        """
        return self._extremes(self.sign, self.speaking)

    @cached_property
    def valleys(self) -> tuple[Index, ...]:
        """All cells at the other end."""
        return self._extremes(-self.sign, self.ok)

    def _extremes(self, sign: int, mask: Bools) -> tuple[Index, ...]:
        if not mask.any():
            return ()
        top = (sign * self.grid.value[mask]).max()
        return tuple((int(i), int(j)) for i, j in np.argwhere(mask & (sign * self.grid.value == top)))

    @cached_property
    def named(self) -> bool:
        """Whether a highest cell may be spoken of: not on a constant grid, not where no cell is above chance.

        Of differences some of whose intervals are known, only where the highest has one, which lies above zero.
        """
        if not self.peaks or self.constant or self.silent:
            return False
        first = self.peaks[0]
        if not self.grid.contrast or not self.bounded.any():
            return True
        return bool(self.grid.low[first] > 0)

    @property
    def noun(self) -> str:
        """What a column is: a token of one text, or a position."""
        return "token" if self.grid.text_of else "position"

    def shown(self, j: int) -> str:
        """A position as a sentence calls it."""
        return grouping.shown(self.grid, j)

    def point(self, index: Index) -> GridPoint:
        """Layer and position of a cell."""
        return self.grid.layers[index[0]], self.grid.positions[index[1]]

    def points(self, indices: Sequence[Index]) -> tuple[GridPoint, ...]:
        """Layers and positions of cells."""
        return tuple(self.point(i) for i in indices)

    @cached_property
    def spoken(self) -> tuple[int, ...]:
        """Columns that have facts of their own: all, or of a long text those tokens with the highest values."""
        columns = range(len(self.grid.positions))
        if not self.grid.text_of or len(columns) <= SPOKEN:
            return tuple(columns)
        tops = np.where(self.ok, self.sign * self.grid.value, -np.inf).max(axis=0, initial=-np.inf)
        return tuple(sorted(int(j) for j in np.argsort(-tops, kind="stable")[:SPOKEN]))

    def column(self, j: int) -> list[int]:
        """Rows of the cells of a position that hold a value."""
        return [int(i) for i in np.flatnonzero(self.ok[:, j])]

    def peak(self, columns: Sequence[int]) -> Index | None:
        """The highest cell of some positions (the first of equals), or None where none of theirs may be called so."""
        values = np.where(self.speaking[:, columns], self.sign * self.grid.value[:, columns], -np.inf)
        if not self.speaking[:, columns].any():
            return None
        i, j = np.unravel_index(int(np.argmax(values)), values.shape)
        return int(i), int(columns[int(j)])

    @cached_property
    def split(self) -> stats.Split | None:
        """The held-out rows, where scores of a known metric were kept."""
        held, metric = self.result.held_out, stats.METRICS.get(self.grid.metric)
        if held is None or not held.example_ids or metric is None:
            return None
        groups = np.unique(np.array(held.groups, dtype=object), return_inverse=True)[1]
        target: stats.Target = held.labels if held.target is None else held.target
        if held.classes:
            target = target.astype(np.int64)
        return stats.Split(target, groups, held.folds, metric, held.repeats)

    @cached_property
    def _scored(self) -> dict[Index, stats.Scored]:
        return {}

    def scores(self, index: Index) -> Floats | None:
        """Held-out scores of a cell [n], or [C, n] of C classes; None where none were kept."""
        held = self.result.held_out
        if held is None:
            return None
        return np.stack([held.by_class[c][index] for c in held.classes]) if held.by_class else held.cells[index]

    def gap(self, a: Floats, b: Floats) -> stats.Interval | None:
        """Paired difference of two held-out scorers, `a` minus `b`; None where the rows or a score are lacking."""
        if self.split is None or np.isnan(a).any() or np.isnan(b).any():
            return None
        one, other = (stats.evaluate(self.split, scores) for scores in (a, b))
        return stats.difference_interval(self.split, one, other, self.grid.level)

    def reference(self, facet: Facet) -> str:
        """A reference as a sentence calls it, with its article."""
        label = text.visible(facet.label)
        article = "" if label.split(" ")[0] in {"the", "a", "an"} else "the "
        return f"the same difference in {label}" if self.grid.contrast else f"{article}{label}"

    @cached_property
    def pairs(self) -> Pairs | None:
        """The measured rows, where they bear intervals."""
        measured = self.result.measured
        if measured is None or len(set(measured.groups)) < 2:
            return None
        return Pairs(measured, bool(self.grid.contrast), self.grid.level, int(self.grid.settings.get("seed", 0)))

    @property
    def paired(self) -> bool:
        """Whether differences of two cells have intervals."""
        return self.split is not None or self.pairs is not None

    def difference(self, a: Index, b: Index) -> stats.Interval | None:
        """Paired difference of two cells, `a` minus `b`, from their rows; None where no rows were kept."""
        if self.pairs is not None:
            self.compare([(a, b)])
            return self._compared[a, b]
        if self.split is None:
            return None
        for index in (a, b):
            scores = self.scores(index)
            if scores is None or np.isnan(scores).any():
                return None
            if index not in self._scored:
                self._scored[index] = stats.evaluate(self.split, scores)
        return stats.difference_interval(self.split, self._scored[a], self._scored[b], self.grid.level)

    @cached_property
    def _compared(self) -> dict[tuple[Index, Index], stats.Interval | None]:
        return {}

    def compare(self, couples: Iterable[tuple[Index, Index]]) -> None:
        """Works out the differences of many pairs of measured cells at once, which is quicker than one by one."""
        new = [couple for couple in dict.fromkeys(couples) if couple not in self._compared]
        if self.pairs is not None and new:
            rows = np.stack([self.pairs.cell(a) - self.pairs.cell(b) for a, b in new])
            self._compared.update(zip(new, self.pairs.intervals(rows), strict=True))

    def beside(self, index: Index, facet: str) -> stats.Interval | None:
        """Paired difference of a cell from its value in a facet; None where the facet's rows were not kept."""
        if self.pairs is None or facet not in self.pairs.measured.facets:
            return None
        return self.pairs.difference(self.pairs.cell(index), self.pairs.facet(facet, index))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Positions that belong together: those with a shared prefix, those counted from the end, and the rest."""
        return grouping.groups(self.grid)
