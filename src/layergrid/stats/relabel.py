"""Relabellings for permutation tests: which rows' labels each row takes; it knows no score.

Under the null the label vectors of groups of one size are exchangeable inside a fold. To exchange them whole keeps the
number of rows of each class in every fold, the labels that stand together in a group, and how labels go with sizes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layergrid.artifacts import Ints
from layergrid.stats.metrics import Target

STREAM = 0x6C61626C  # beside the seed, so that data or folds drawn with the same seed share no random number with it


def relabellings(labels: Target, groups: Ints, folds: Ints, count: int, seed: int) -> Ints:
    """Row numbers int [B, n]: in relabelling b, row i takes the label of row found[b, i].

    Among the groups of one size in a fold, all orders are as likely; so are all orders of the rows inside a group,
    drawn where a group of that size and fold holds different labels. A group with rows in several folds counts in each
    by the rows that it has there. The draws depend on the order of the rows and on which rows are grouped, not on the
    groups' names: rows should stand in canonical order, and `folds` should be those of one repeat.
    """
    draws = np.random.default_rng([seed, STREAM])
    found = np.tile(np.arange(len(folds)), (count, 1))
    for rows in _strata(groups, folds):
        many, size = rows.shape
        if many == 1:
            continue
        taken = rows[draws.random((count, many)).argsort(axis=1)]  # [B, groups, size]
        if size > 1 and (labels[rows] != labels[rows][:, :1]).any():
            inside = draws.random((count, many, size)).argsort(axis=2)
            taken = np.take_along_axis(taken, inside, axis=2)
        found[:, rows.ravel()] = taken.reshape(count, -1)
    return found


def unmoved(groups: Ints, folds: Ints) -> int:
    """The number of rows that no relabelling moves, because no other group of their fold has their size."""
    return sum(rows.size for rows in _strata(groups, folds) if len(rows) == 1)


def _strata(groups: Ints, folds: Ints) -> Iterator[Ints]:
    """The rows of the groups of each size in each fold, int [groups, size]; groups as they first appear in the rows."""
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        _, first, codes, sizes = np.unique(groups[rows], return_index=True, return_inverse=True, return_counts=True)
        rank = np.argsort(np.argsort(first))[codes]  # of each row's group, by first appearance
        ordered = rows[np.argsort(rank, kind="stable")]
        sizes = sizes[np.argsort(first)]
        starts = np.cumsum(sizes) - sizes
        for size in np.unique(sizes):
            yield ordered[starts[sizes == size][:, None] + np.arange(size)]
