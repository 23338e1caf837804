"""Twelve grids of 33 layers by 25 positions with intervals, rows and tests: the size by which the page is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import synthetic
from layergrid.artifacts import GridResult, Results

TWENTY_FIVE = (*synthetic.FIFTEEN, *(f"-{k}" for k in range(18, 8, -1)))


def grids(many: int = 12) -> tuple[GridResult, ...]:
    """Grids alike in shape and different in every number; the first is computed, the others depart from it."""
    first = synthetic.grid_result(name="errors_0", layers=33, positions=TWENTY_FIVE, n=200)
    found = [first]
    for k in range(1, many):
        moved = np.random.default_rng(k).normal(0, 0.03, first.grid.value.shape)
        value, low, high = (np.clip(a + moved, 0.0, 1.0) for a in (first.grid.value, first.grid.low, first.grid.high))
        found.append(replace(first, grid=replace(first.grid, name=f"errors_{k}", value=value, low=low, high=high)))
    return tuple(found)


def results(many: int = 12) -> Results:
    return replace(synthetic.results(n=200), grids=grids(many))
