"""Paired differences of cells from the rows that they describe; it knows neither layers nor what a value means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layergrid import stats
from layergrid.artifacts import Bools, Floats, Ints, Measured


@dataclass(frozen=True)
class Pairs:
    """Measured rows with what every difference between them needs."""

    measured: Measured
    contrast: bool  # cells are differences of the two classes
    level: float
    seed: int  # of the resamples of medians

    @cached_property
    def codes(self) -> Ints:
        """The group of each row as a number [n], in the order in which they first appear."""
        numbers = {name: k for k, name in enumerate(dict.fromkeys(self.measured.groups))}
        return np.array([numbers[name] for name in self.measured.groups], dtype=np.int64)

    def cell(self, index: tuple[int, int]) -> Floats:
        """The rows of one cell [n]."""
        return np.asarray(self.measured.cells[index], dtype=np.float64)

    def facet(self, name: str, index: tuple[int, int]) -> Floats:
        """The rows of one cell of a facet [n]."""
        return np.asarray(self.measured.facets[name][index], dtype=np.float64)

    def difference(self, a: Floats, b: Floats) -> stats.Interval | None:
        """The statistic of the row differences `a` minus `b` [n], on the rows where both have a value.

        None where no row (of a class, in a contrast) has both; NaN bounds where no interval can be given.
        """
        return self.intervals((a - b)[None])[0]

    def intervals(self, rows: Floats) -> list[stats.Interval | None]:
        """The same of several row differences [C, n], at once where all have values: medians share their resamples."""
        if not np.isfinite(rows).all():
            return [self._one(row) for row in rows]
        return self._intervals(rows, np.ones(rows.shape[1], dtype=np.bool_))

    def _one(self, row: Floats) -> stats.Interval | None:
        kept = np.isfinite(row)
        labels = self.measured.labels[kept]
        if not kept.any() or (self.contrast and (labels.all() or not labels.any())):
            return None
        return self._intervals(row[None, kept], kept)[0]

    def _intervals(self, rows: Floats, kept: Bools) -> list[stats.Interval | None]:
        labels, codes = self.measured.labels[kept], self.codes[kept]
        if self.measured.statistic == "median":
            found = stats.grouped_median(rows, codes, self.level, self.seed, labels if self.contrast else None)
        elif self.contrast:
            found = stats.grouped_gap(rows, labels, codes, self.level)
        else:
            found = stats.grouped_mean(rows, codes, self.level)
        triples = zip(found.value, found.low, found.high, strict=True)
        return [stats.Interval(float(value), float(low), float(high)) for value, low, high in triples]
