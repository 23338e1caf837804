"""Many tests at once: Holm's adjustment, and the maximum over all of them by permutation; it knows no statistic."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Floats
from layergrid.stats.base import NAN, Array

_DECIMALS = 9  # of standardised statistics: relabellings with equal values must not differ by their rounding


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


def standardised(values: Floats) -> Array:
    """Statistics [C, B + 1] of C cells, each less its mean over all columns, over their standard deviation.

    Column 0 is the observed labelling, which counts among the relabellings, so that under the null all columns are
    alike (and the test exact). A cell with a NaN, or with the same value in all columns, is NaN throughout. Rounded
    to nine decimals.
    """
    x = np.asarray(values, dtype=np.float64)
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    spread[~(np.ptp(x, axis=1) > 0)] = NAN  # whatever rounding leaves of values that are all equal
    return np.asarray(np.round(centred / spread, _DECIMALS))


def max_statistic(statistics: Floats) -> tuple[Array, Array]:
    """Adjusted one-sided p-values [C] and the maxima over cells [B] of `standardised` statistics [C, B + 1].

    p of a cell is (1 + #{maxima >= its observed statistic}) / (B + 1) (Westfall & Young 1993; Nichols & Holmes 2002);
    NaN for cells that are NaN. Without any cell the maxima are NaN.
    """
    tested = ~np.isnan(statistics).any(axis=1)
    p = np.full(len(statistics), NAN)
    b = statistics.shape[1] - 1
    if not tested.any():
        return p, np.full(b, NAN)
    maxima = statistics[tested, 1:].max(axis=0)
    reached = b - np.searchsorted(np.sort(maxima), statistics[tested, 0], side="left")
    p[tested] = (1 + reached) / (b + 1)
    return p, np.asarray(maxima)


def critical(maxima: Floats, alpha: float) -> float:
    """The value that a statistic must exceed for an adjusted p of at most `alpha`; infinite where B is too small.

    p <= alpha where at most alpha (B + 1) - 1 maxima reach the statistic.
    """
    allowed = int(np.floor(alpha * (len(maxima) + 1) + 1e-9)) - 1
    if allowed < 0 or np.isnan(maxima).any():
        return float("inf")
    return float(np.sort(maxima)[::-1][allowed]) if allowed < len(maxima) else float("-inf")
