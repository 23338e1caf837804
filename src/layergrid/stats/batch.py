"""Metrics of many rows of scores at once; it knows no fold and no relabelling."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.stats.base import NAN, Array
from layergrid.stats.metrics import ACCURACY, AUROC, MACRO_AUROC, R2, Metric, Target

_BLOCK = 1 << 20  # scores that are sorted at once, so that memory stays bounded


def aurocs(labels: Bools, scores: Floats) -> Array:
    """The AUROC of each row of `scores` [B, t] against its own labels [B, t] or the same labels [t], ties as halves.

    Scores are read as float32. Wins are counted as whole numbers, so that the result is that of `auroc` on the same
    float32 scores. A row with a NaN score has the value NaN. Raises ValueError where a row lacks a class.
    """
    values = np.asarray(scores, dtype=np.float32)
    sides = np.broadcast_to(np.asarray(labels, dtype=bool), values.shape)
    step = max(1, _BLOCK // max(1, values.shape[1]))
    found = np.empty(len(values))
    for start in range(0, len(values), step):
        found[start : start + step] = _aurocs(sides[start : start + step], values[start : start + step])
    return found


def _aurocs(sides: Bools, values: Floats) -> Array:
    positive = np.count_nonzero(sides, axis=1).astype(np.int64)
    negative = sides.shape[1] - positive
    if (positive == 0).any() or (negative == 0).any():
        raise ValueError("the AUROC needs rows of both classes")
    order = _ordered(values)
    order <<= 1
    key = np.sort(order | sides, axis=1)  # equal scores: negatives first
    wins = 2 * _negatives_below(key & 1, positive)
    tied = np.flatnonzero((key[:, 1:] - key[:, :-1] == 1).any(axis=1))  # some scores of both classes are equal
    tied = tied[((key[tied, 1:] >> 1) == (key[tied, :-1] >> 1)).any(axis=1)]
    if len(tied):
        turned = np.sort(order[tied] | ~sides[tied], axis=1)  # equal scores: positives first
        strictly = _negatives_below(1 - (turned & 1), positive[tied])
        wins[tied] = wins[tied] // 2 + strictly
    found = wins / (2 * positive * negative)
    found[np.isnan(values).any(axis=1)] = NAN
    return np.asarray(found)


def _ordered(values: Floats) -> Ints:
    """Integers int64 in the order of float32 values, equal where they are: their bits, negative ones turned round."""
    bits = (values + np.float32(0)).view(np.int32)  # -0 + 0 is 0, whose bits differ from those of -0
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


def _negatives_below(sides: Ints, positive: Ints) -> Ints:
    """Negative rows before each positive one, summed: from 0 and 1 in order [B, t] and how many are 1 [B].

    The places of the positive rows, less those that the positive rows before them take.
    """
    places = sides @ np.arange(sides.shape[1])
    return np.asarray(places - positive * (positive - 1) // 2)


def many_values(metric: Metric, targets: Target, scores: Floats) -> Array:
    """A metric of B scorers at once: `targets` [B, t] against scores [B, t], or [C, B, t] of C classes.

    The same numbers as `metric.value` of each, to rounding; of scores read as float32 for AUROCs. NaN where a score is
    NaN, and where a coefficient of numbers has no value.
    """
    if metric is AUROC:
        return aurocs(targets, scores)
    if metric is MACRO_AUROC:
        return np.asarray(np.mean([aurocs(targets == c, own) for c, own in enumerate(scores)], axis=0))
    if metric is ACCURACY:
        classes = scores.ndim == 3
        hits = (scores.argmax(axis=0) if classes else scores > 0) == targets
        bad = np.isnan(scores).any(axis=(0, 2) if classes else 1)
        return np.where(bad, NAN, hits.mean(axis=1))
    return _r2s(targets, scores) if metric is R2 else _rank_correlations(targets, scores)


def _r2s(targets: Target, scores: Floats) -> Array:
    y = np.asarray(targets, dtype=np.float64)
    total = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    total[~(np.ptp(y, axis=1) > 0)] = NAN
    return np.asarray(1 - ((y - scores) ** 2).sum(axis=1) / total)


def _rank_correlations(targets: Target, scores: Floats) -> Array:
    from scipy.stats import rankdata

    x, y = (rankdata(v, axis=1) - (v.shape[1] + 1) / 2 for v in (np.asarray(targets), scores))
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    spread[~(spread > 0)] = NAN
    return np.asarray(np.clip((x * y).sum(axis=1) / spread, -1.0, 1.0))
