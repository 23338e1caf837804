"""The AUROC of one set of rows, its placements and its variance (DeLong, Obuchowski); it knows no fold."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.stats.base import NAN, Array, codes_of


def midranks(scores: Floats) -> Array:
    """Ranks of `scores` [n] from 1 to n; equal scores share the mean of their ranks."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(ordered)])))
    ranks = np.empty(len(ordered))
    ranks[order] = np.repeat(starts + (lengths + 1) / 2, lengths)
    return ranks


def auroc(labels: Bools, scores: Floats) -> float:
    """Mann-Whitney AUROC with mid-ranks: the chance that a positive row scores higher, ties counted as halves.

    Constant scores give exactly 0.5. Raises ValueError where a class is absent or a score is NaN.
    """
    positive, negative = _counts(labels, scores)
    ranks = midranks(scores)[labels].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def placements(labels: Bools, scores: Floats) -> Array:
    """DeLong's structural components [n]: for each row the share of the other class that it beats, ties as halves.

    Positive rows hold V10, negative rows V01; the mean over either class is the AUROC.
    """
    positive, negative = _counts(labels, scores)
    ranks = midranks(scores)
    found = np.empty(len(scores))
    found[labels] = (ranks[labels] - midranks(scores[labels])) / negative
    found[~labels] = 1 - (ranks[~labels] - midranks(scores[~labels])) / positive
    return found


def _counts(labels: Bools, scores: Floats) -> tuple[int, int]:
    positive = int(np.count_nonzero(labels))
    negative = len(labels) - positive
    if positive == 0 or negative == 0:
        raise ValueError("the AUROC needs rows of both classes")
    if np.isnan(scores).any():
        raise ValueError("the AUROC needs scores that are not NaN")
    return positive, negative


def clustered_variance(labels: Bools, groups: Ints, components: Floats) -> float:
    """Variance of an AUROC from its placements [n], rows of one group kept together (Obuchowski 1997).

    It is linear in products of placements, so the placements of one scorer minus those of another give the variance
    of the paired difference. With one row per group it is DeLong's. NaN with fewer than two groups of a class.
    """
    codes, count = codes_of(groups)
    sums = {}
    for positive in (True, False):
        rows = labels == positive
        n = np.bincount(codes[rows], minlength=count)
        centred = np.bincount(codes[rows], components[rows], minlength=count) - n * components[rows].mean()
        sums[positive] = (centred / rows.sum(), int(np.count_nonzero(n)))
    (high, m), (low, n_low) = sums[True], sums[False]
    if m < 2 or n_low < 2:
        return NAN
    between = 2 * count / (count - 1) * float(high @ low)  # groups that hold rows of both classes
    return max(0.0, m / (m - 1) * float(high @ high) + n_low / (n_low - 1) * float(low @ low) + between)
