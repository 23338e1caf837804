"""Many tests at once; it knows no statistic."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Floats
from layergrid.stats.base import NAN, Array


def holm(p: Floats) -> Array:
    """Holm's step-down adjustment (Holm 1979) over all entries that are not NaN, in the shape of `p`."""
    adjusted = np.full(p.shape, NAN)
    tested = ~np.isnan(p)
    values = p[tested]
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    back = np.empty(len(values))
    back[order] = np.minimum(1.0, steps)
    adjusted[tested] = back
    return adjusted
