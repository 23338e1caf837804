"""Paired differences of cells from the rows that they describe; it knows neither layers nor what a value means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layergrid import stats
from layergrid.artifacts import Floats, Ints, Measured


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
        row = a - b
        kept = np.isfinite(row)
        labels = self.measured.labels[kept]
        if not kept.any() or (self.contrast and (labels.all() or not labels.any())):
            return None
        row, codes = row[None, kept], self.codes[kept]
        if self.measured.statistic == "median":
            found = stats.grouped_median(row, codes, self.level, self.seed, labels if self.contrast else None)
        elif self.contrast:
            found = stats.grouped_gap(row, labels, codes, self.level)
        else:
            found = stats.grouped_mean(row, codes, self.level)
        return stats.Interval(float(found.value[0]), float(found.low[0]), float(found.high[0]))
