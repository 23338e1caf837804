"""The examples that two grids have in common, and differences paired on them; it knows no cell's place and no words.

Examples are matched by id. Rows are clustered by both groupings at once: two rows belong together where either grid
groups them, or a chain of such groups joins them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from layergrid import stats
from layergrid.artifacts import Floats, GridResult, HeldOut, Ints, Measured
from layergrid.facts.pairs import Pairs

FEWEST = 2  # groups of a class in every fold, below which nothing can be said on the common rows


@dataclass(frozen=True)
class Common:
    """The held-out rows of two grids that belong to the examples that both have, each in its own folds."""

    first: stats.Split
    second: stats.Split
    kept: tuple[Ints, Ints]  # indices of those rows among the rows of either
    examples: int
    whole: bool  # neither side has a row that the other lacks
    alike: bool  # rows, folds and labels are the same, in the same order

    def scored(self, side: int, scores: Floats) -> stats.Scored:
        """All scores of a side, [n] or [C, n], on the common rows."""
        return stats.evaluate((self.first, self.second)[side], scores[..., self.kept[side]])

    def difference(self, b: stats.Scored, a: stats.Scored, level: float) -> stats.Interval:
        """`b` of the second side less `a` of the first, with the estimator that their folds permit."""
        if self.alike:
            return stats.difference_interval(self.second, b, a, level)
        return stats.across_interval(self.second, b, self.first, a, level)


def common(a: HeldOut, b: HeldOut, metric: str) -> Common | str:
    """The common rows of two grids judged by one metric, or why they cannot be paired."""
    judged = stats.METRICS.get(metric)
    if judged is None:
        return f"the metric {metric} has no paired differences"
    if a.classes != b.classes:
        return "the classes are not the same"
    shared = set(a.example_ids) & set(b.example_ids)
    if not shared:
        return "no example is in both"
    whole = shared == set(a.example_ids) == set(b.example_ids)
    kept = tuple(np.array([i for i, one in enumerate(h.example_ids) if one in shared]) for h in (a, b))
    clusters = joined(a, b, shared)
    splits = []
    for held, rows in zip((a, b), kept, strict=True):
        target: stats.Target = held.labels if held.target is None else held.target
        target = target.astype(np.int64) if held.classes else target
        groups = np.array([clusters[held.example_ids[i]] for i in rows])
        splits.append(stats.Split(target[rows], groups, held.folds[rows], judged, held.repeats))
        if not enough(splits[-1], int(held.folds.max()) + 1, len(held.classes)):
            return "too few examples are in both"
    return Common(splits[0], splits[1], (kept[0], kept[1]), len(shared), whole, whole and _alike(a, b))


def enough(split: stats.Split, folds: int, classes: int) -> bool:
    """Whether every fold still holds groups enough of every class to be judged with an interval."""
    if split.k < folds:
        return False
    for rows in split.rows:
        target, groups = split.labels[rows], split.groups[rows]
        sides = [np.ones(len(rows), dtype=np.bool_)]
        if split.metric is stats.MACRO_AUROC:
            sides = [target == c for c in range(classes)]
        elif split.metric is stats.AUROC:
            sides = [np.asarray(target, dtype=np.bool_), ~np.asarray(target, dtype=np.bool_)]
        if any(len(np.unique(groups[side])) < FEWEST for side in sides):
            return False
    return True


def _alike(a: HeldOut, b: HeldOut) -> bool:
    """Whether two grids were scored on the same rows, folds, groups and targets, in the same order."""
    words = [(h.example_ids, h.groups, h.repeats) for h in (a, b)]
    numbers = [(h.labels, h.folds, h.labels if h.target is None else h.target) for h in (a, b)]
    return words[0] == words[1] and all(np.array_equal(x, y) for x, y in zip(*numbers, strict=True))


def joined(a: HeldOut | Measured, b: HeldOut | Measured, shared: set[str]) -> dict[str, int]:
    """The cluster of each shared example: groups of either side that share an example are one."""
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def root(node: tuple[int, str]) -> tuple[int, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    sides = [dict(zip(one.example_ids, one.groups, strict=True)) for one in (a, b)]
    order = [one for one in dict.fromkeys(a.example_ids) if one in shared]
    for one in order:
        parent[root((0, sides[0][one]))] = root((1, sides[1][one]))
    numbers: dict[tuple[int, str], int] = {}
    return {one: numbers.setdefault(root((0, sides[0][one])), len(numbers)) for one in order}


@dataclass(frozen=True)
class Independent:
    """Two grids whose examples have nothing to do with each other, such as those of two sources."""

    why: str  # in a clause: "the examples come from different sources"
    examples: tuple[int, int]  # of either side
    positives: tuple[int, int] = (0, 0)

    @staticmethod
    def bounds(b: tuple[float, float, float], a: tuple[float, float, float]) -> tuple[float, float]:
        """Bounds of `b` less `a` from the value and bounds of each: variances recovered from limits.

        Zou & Donner 2008, "Construction of confidence limits about effect measures: a general approach", MOVER.
        NaN where a side has no interval.
        """
        gap = b[0] - a[0]
        return gap - math.hypot(b[0] - b[1], a[2] - a[0]), gap + math.hypot(b[2] - b[0], a[0] - a[1])


def labels_that_differ(a: GridResult, b: GridResult) -> int:
    """How many examples of both grids have another label or target in one than in the other."""
    if a.held_out is None or b.held_out is None:
        return 0
    sides = [
        dict(zip(h.example_ids, (h.labels if h.target is None else h.target).tolist(), strict=True))
        for h in (a.held_out, b.held_out)
    ]
    return sum(sides[0][one] != sides[1][one] for one in sides[0].keys() & sides[1].keys())


def disjoint(a: HeldOut | Measured | None, b: HeldOut | Measured | None) -> bool:
    """Whether two grids of one source have neither an example nor a group in common, such as two halves of a file."""
    if a is None or b is None:
        return False
    return not set(a.example_ids) & set(b.example_ids) and not set(a.groups) & set(b.groups)


def unrelated(a: HeldOut | Measured | None, b: HeldOut | Measured | None, why: str) -> Independent | str:
    """The rows of two grids of different sources; where none were kept, why nothing is known of them."""
    if a is None or b is None:
        return "no rows were kept"
    sides = [dict(zip(one.example_ids, one.labels.tolist(), strict=True)) for one in (a, b)]
    counts = [len(side) for side in sides]
    positives = [sum(map(bool, side.values())) for side in sides]
    return Independent(why, (counts[0], counts[1]), (positives[0], positives[1]))


# ---------------------------------------------------------------- measured rows


@dataclass(frozen=True)
class Described:
    """The measured rows of two grids on the examples that both have, in one order."""

    first: Measured
    second: Measured
    contrast: bool
    level: float
    seed: int
    whole: bool

    @cached_property
    def pairs(self) -> Pairs:
        """The rows of the first side with the clusters of both."""
        return Pairs(self.first, self.contrast, self.level, self.seed)

    def difference(self, b: Floats, a: Floats) -> stats.Interval | None:
        """The statistic of the row differences of one cell, `b` less `a`, on the rows where both have a value."""
        return self.pairs.difference(np.asarray(b, dtype=np.float64), np.asarray(a, dtype=np.float64))

    def value(self, rows: Floats) -> stats.Interval | None:
        """The statistic of the rows of one cell."""
        return self.pairs.difference(np.asarray(rows, dtype=np.float64), np.zeros(len(rows)))


def described(a: Measured, b: Measured, contrast: bool, level: float, seed: int) -> Described | str:
    """The common rows of two grids that describe, or why they cannot be paired."""
    if a.statistic != b.statistic:
        return f"one holds {a.statistic}s and the other {b.statistic}s"
    repeated = (
        max(Counter(a.example_ids).values(), default=0) > 1 or max(Counter(b.example_ids).values(), default=0) > 1
    )
    shared = set(a.example_ids) & set(b.example_ids)
    if not shared or repeated:
        return "no example is in both" if not shared else "examples stand in several rows"
    order = [one for one in a.example_ids if one in shared]
    clusters = joined(a, b, shared)
    groups = tuple(str(clusters[one]) for one in order)
    sides = []
    for held in (a, b):
        at = {one: i for i, one in enumerate(held.example_ids)}
        rows = np.array([at[one] for one in order])
        sides.append(replace(held, example_ids=tuple(order), groups=groups, labels=held.labels[rows],
                             cells=held.cells[..., rows], facets={}))  # fmt: skip
    if contrast and not np.array_equal(sides[0].labels, sides[1].labels):
        return "examples belong to other classes"
    if len(set(groups)) < FEWEST:
        return "too few examples are in both"
    whole = len(order) == len(a.example_ids) == len(b.example_ids)
    return Described(sides[0], sides[1], contrast, level, seed, whole)
