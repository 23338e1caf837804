"""Recomputes the differences of two reports from the rows of both, by code of its own; it reads no prose.

A row has an influence on the value of each report: what its fold owes it, over the number of folds. Differences of
these are summed over the rows that either report groups together, and squared. Where both hold out the same rows in the
same folds, the folds' own variances of the paired components serve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from layergrid import archive
from layergrid.artifacts import HAS_VALUE, Floats, GridResult, HeldOut, Measured, Results
from layergrid.verify import folds, measured
from layergrid.verify.judging import METRICS
from layergrid.verify.means import Sample
from layergrid.verify.measured import named
from layergrid.verify.numbers import Array, Bounded, same
from layergrid.verify.problems import RESULTS, Notes

COUNTED = "report difference"
Index = npt.NDArray[np.intp]
UNKNOWN = Bounded(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Pair:
    """The common rows of two grids: of held-out scores in both reports, or of measured values in one order."""

    held: tuple[HeldOut, ...] = ()
    rows: tuple[Index, ...] = ()  # which of each side's rows they are
    clusters: Mapping[str, int] = field(default_factory=dict)  # example -> cluster
    sample: Sample | None = None
    independent: bool = False  # no example is in both: bounds follow from those of both sides

    @property
    def alike(self) -> bool:
        """Whether rows, folds, groups and labels of both are the same."""
        if not self.held:
            return False
        one, other = ((h.example_ids, h.groups, h.repeats, h.folds.tolist(), _target(h).tolist()) for h in self.held)
        return one == other


def check(result: GridResult, notes: Notes) -> None:
    """Every cell of a difference, both its maps and its counts, from the grids whose difference it is."""
    grid, (a, b) = result.grid, result.sides
    where = archive.grid_file(grid.name, "parquet")
    pair = _pair(result)
    if grid.settings.get("paired") == "folds" and not pair.alike:
        notes.wrong(RESULTS, f"{grid.name}: says that both reports have the same folds, which they have not")
    scale = max((measured.largest(m.cells) for m in (a.measured, b.measured) if m is not None), default=0.0)
    for i, layer in enumerate(grid.layers):
        for j, position in enumerate(grid.positions):
            at = [(g.grid.layers.index(layer), g.grid.positions.index(position)) for g in (a, b)]
            gap, first, second = _cell(a, b, at[0], at[1], pair)
            if str(grid.status[i, j]) not in HAS_VALUE:
                gap = UNKNOWN if _lacks(a, at[0]) or _lacks(b, at[1]) else gap
            maps = (("", grid, gap), (grid.facets[0].label, grid.facets[0], first),
                    (grid.facets[1].label, grid.facets[1], second))  # fmt: skip
            for label, held, right in maps:
                for column in ("value", "low", "high"):
                    stored, wanted = getattr(held, column)[i, j].item(), getattr(right, column)
                    if not measured.agree(stored, wanted, scale):
                        cell = f"{label}, {named((layer, position))}" if label else named((layer, position))
                        notes.wrong(where, f"{cell}: {column} is {stored!r}, the rows of both reports give {wanted!r}")
            notes.counts[COUNTED] += 1


def _pair(result: GridResult) -> Pair:
    """What the two sides of a difference have in common, as far as it says that they are paired."""
    paired = result.grid.settings.get("paired")
    return Pair(independent=True) if paired == "independent" else common(*result.sides) if paired else Pair()


def _apart(second: Bounded, first: Bounded) -> Bounded:
    """The second less the first, whose errors are independent (Zou & Donner 2008)."""
    gap = second.value - first.value
    below = math.sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    above = math.sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return Bounded(gap, gap - below, gap + above)


def _lacks(side: GridResult, at: tuple[int, int]) -> bool:
    return math.isnan(side.grid.value[at])


def check_bests(results: Results, notes: Notes) -> None:
    """The table of nested bests: both, and their differences."""
    sides = {one.grid.name: one for one in results.grids if one.sides}
    for table in results.tables:
        for row in table.rows if table.name == "nested" and sides else ():
            found = dict(zip(table.columns, row, strict=True))
            pair = sides.get(str(found["grid"]))
            right = _nested(pair) if pair else (math.nan, math.nan, UNKNOWN)
            gap = right[2]
            wanted = {"a": right[0], "b": right[1], "difference": gap.value, "low": gap.low, "high": gap.high}
            for column, value in wanted.items():
                stored = found[column]
                if not same(stored if isinstance(stored, int | float) else None, value):
                    notes.wrong(
                        RESULTS, f"nested best of {found['grid']}: {column} is {stored!r}, the rows give {value!r}"
                    )
            notes.counts[COUNTED] += 1


def _nested(result: GridResult) -> tuple[float, float, Bounded]:
    a, b = result.sides
    values = [math.nan if s.selection is None else s.selection.estimate.value for s in (a, b)]
    plain = Bounded(values[1] - values[0], math.nan, math.nan)
    pair = _pair(result)
    if pair.independent and a.selection is not None and b.selection is not None:
        first, second = (Bounded(e.value, e.low, e.high) for e in (a.selection.estimate, b.selection.estimate))
        return values[0], values[1], _apart(second, first)
    if not pair.held or a.held_out is None or b.held_out is None:
        return values[0], values[1], plain
    scores = (a.held_out.nested, b.held_out.nested)
    if any(np.isnan(one).any() for one in scores):
        return values[0], values[1], plain
    gap, one, other = _of_scores(pair, scores, a.grid.metric, a.grid.level)
    return one, other, gap


def check_within(results: Results, notes: Notes) -> None:
    """Differences of grids of one report: that their sides are these grids, and the nested bests that they note."""
    named = {one.grid.name: one for one in results.grids}
    for result in results.grids:
        if result.grid.settings.get("between") != "grids":
            continue
        where = archive.grid_file(result.grid.name, "parquet")
        for side, name in zip(result.sides, result.grid.settings["difference"], strict=True):
            own = named.get(str(name))
            if own is None or own.grid.name != side.grid.name:
                notes.wrong(where, f"is a difference from {name}, which is no grid of this report")
            elif not (np.array_equal(own.grid.value, side.grid.value, equal_nan=True) and _same_rows(own, side)):
                notes.wrong(where, f"is a difference from {name} with other cells or rows than that grid has")
        stored = result.grid.settings.get("nested") or {}
        first, second, gap = _nested(result)
        wanted = {"a": first, "b": second, "difference": gap.value, "low": gap.low, "high": gap.high}
        for column, value in wanted.items() if stored else ():
            if not same(stored.get(column), value):
                notes.wrong(where, f"nested best: {column} is {stored.get(column)!r}, the rows give {value!r}")
            notes.counts[COUNTED] += 1


def _same_rows(one: GridResult, other: GridResult) -> bool:
    """Whether two results hold the same scores or values of the same examples."""
    mine, theirs = (r.held_out or r.measured for r in (one, other))
    if mine is None or theirs is None:
        return mine is theirs
    same_cells = mine.cells.shape == theirs.cells.shape and np.array_equal(mine.cells, theirs.cells, equal_nan=True)
    return same_cells and mine.example_ids == theirs.example_ids


# ---------------------------------------------------------------- rows in common


def common(a: GridResult, b: GridResult) -> Pair:
    """The rows of the examples that both have."""
    one, other = (s.held_out or s.measured for s in (a, b))
    if one is None or other is None:
        return Pair()
    shared = set(one.example_ids) & set(other.example_ids)
    clusters = _clusters(one, other, shared)
    if isinstance(one, HeldOut) and isinstance(other, HeldOut):
        kept = tuple(
            np.array([i for i, e in enumerate(h.example_ids) if e in shared], dtype=np.intp) for h in (one, other)
        )
        held = tuple(_taken(h, rows) for h, rows in zip((one, other), kept, strict=True))
        return Pair(held, kept, clusters) if shared else Pair()
    if isinstance(one, Measured) and isinstance(other, Measured) and shared:
        order = [e for e in one.example_ids if e in shared]
        rows = [np.array([h.example_ids.index(e) for e in order], dtype=np.intp) for h in (one, other)]
        sample = replace(measured.sample(a.grid, one), groups=tuple(str(clusters[e]) for e in order),
                         positive=one.labels[rows[0]] if a.grid.contrast else None)  # fmt: skip
        return Pair((), tuple(rows), clusters, sample)
    return Pair()


def _target(held: HeldOut) -> Array:
    return np.asarray(held.labels if held.target is None else held.target, dtype=np.float64)


def _taken(held: HeldOut, rows: Index) -> HeldOut:
    """The card of some rows; scores are taken from the whole."""
    return replace(
        held, example_ids=tuple(held.example_ids[i] for i in rows), groups=tuple(held.groups[i] for i in rows),
        labels=held.labels[rows], folds=held.folds[rows], target=None if held.target is None else held.target[rows],
    )  # fmt: skip


def _clusters(one: HeldOut | Measured, other: HeldOut | Measured, shared: set[str]) -> dict[str, int]:
    """Examples that a chain of groups joins have one number: the smallest spreads until nothing moves."""
    order = [e for e in dict.fromkeys(one.example_ids) if e in shared]
    found = {e: i for i, e in enumerate(order)}
    sides = [dict(zip(h.example_ids, h.groups, strict=True)) for h in (one, other)]
    moved = True
    while moved:
        moved = False
        for groups in sides:
            least: dict[str, int] = {}
            for e in order:
                least[groups[e]] = min(least.get(groups[e], found[e]), found[e])
            for e in order:
                moved, found[e] = moved or least[groups[e]] < found[e], least[groups[e]]
    return found


# ---------------------------------------------------------------- cells


def _cell(
    a: GridResult, b: GridResult, mine: tuple[int, int], theirs: tuple[int, int], pair: Pair
) -> tuple[Bounded, Bounded, Bounded]:
    """The difference of a cell, and what it is in either report."""
    first, second = (
        Bounded(*(float(getattr(s.grid, c)[at]) for c in ("value", "low", "high")))
        for s, at in ((a, mine), (b, theirs))
    )
    plain = Bounded(second.value - first.value, math.nan, math.nan)
    if pair.independent:
        return _apart(second, first), first, second
    if math.isnan(plain.value) or not pair.rows:
        return plain, first, second
    if pair.sample is not None and a.measured is not None and b.measured is not None:
        return _of_rows(pair, pair.sample, (a.measured, b.measured), (mine, theirs), (first, second))
    if not pair.held or a.held_out is None or b.held_out is None:
        return plain, first, second
    scores = (folds.cell(a.held_out, *mine), folds.cell(b.held_out, *theirs))
    if any(np.isnan(one).any() for one in scores):
        return plain, first, second
    gap, _, _ = _of_scores(pair, scores, a.grid.metric, a.grid.level)
    if not _whole(pair, a.held_out, b.held_out):
        splits = [folds.split(_clustered(h, pair), a.grid.metric) for h in pair.held]
        judged = [folds.score(s, one[..., rows]) for s, one, rows in zip(splits, scores, pair.rows, strict=True)]
        first, second = (folds.bounds(s, one, a.grid.level) for s, one in zip(splits, judged, strict=True))
    return gap, first, second


def _whole(pair: Pair, one: HeldOut, other: HeldOut) -> bool:
    return [len(r) for r in pair.rows] == [len(one.example_ids), len(other.example_ids)]


def _clustered(held: HeldOut, pair: Pair) -> HeldOut:
    return replace(held, groups=tuple(str(pair.clusters[e]) for e in held.example_ids))


def _of_rows(
    pair: Pair,
    sample: Sample,
    both: tuple[Measured, Measured],
    at: Sequence[tuple[int, int]],
    saved: tuple[Bounded, Bounded],
) -> tuple[Bounded, Bounded, Bounded]:
    one, other = (m.cells[i][rows].astype(np.float64) for m, i, rows in zip(both, at, pair.rows, strict=True))
    gap = sample.estimate(other - one)
    if np.array_equal(one, other, equal_nan=True):
        gap = Bounded(0.0, math.nan, math.nan)
    if [len(r) for r in pair.rows] == [len(m.example_ids) for m in both]:
        return gap, saved[0], saved[1]
    return gap, sample.estimate(one), sample.estimate(other)


def _of_scores(pair: Pair, scores: Sequence[Floats], metric: str, level: float) -> tuple[Bounded, float, float]:
    """The second less the first on the common rows, and the values of both."""
    own = [np.asarray(one, dtype=np.float64)[..., rows] for one, rows in zip(scores, pair.rows, strict=True)]
    if pair.alike:
        split = folds.split(_clustered(pair.held[1], pair), metric)
        first, second = (folds.score(split, one) for one in own)
        return folds.difference(split, second, first, level), first.value, second.value
    splits = [folds.split(_clustered(h, pair), metric) for h in pair.held]
    judged = [folds.score(s, one) for s, one in zip(splits, own, strict=True)]
    gap = judged[1].value - judged[0].value
    sums: dict[str, float] = {}
    for sign, split, scorer in ((-1.0, splits[0], judged[0]), (1.0, splits[1], judged[1])):
        for cluster, moved in _influences(split, scorer, metric).items():
            sums[cluster] = sums.get(cluster, 0.0) + sign * moved
    spread = math.fsum(one**2 for one in sums.values())
    ended = any(folds.at_end(s, one) for s, one in zip(splits, judged, strict=True))
    if ended or not spread > 0:
        return Bounded(gap, math.nan, math.nan), judged[0].value, judged[1].value
    widest = METRICS[metric].high - METRICS[metric].low
    reach = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(spread)
    return Bounded(gap, max(-widest, gap - reach), min(widest, gap + reach)), judged[0].value, judged[1].value


def _influences(split: folds.Folds, scorer: folds.Scorer, metric: str) -> dict[str, float]:
    """How much the rows of each cluster move a mean over folds, with what their training rows owe to each other."""
    found: dict[str, float] = {}
    k = len(split.rows) // split.repeats
    shared = math.sqrt(k * split.inflation())
    for rows, components in zip(split.rows, scorer.components, strict=True):
        classed = metric in ("auroc", "macro_auroc")
        for code in sorted(set(rows.target.tolist())) if classed else [None]:
            mine = np.ones(len(components), dtype=np.bool_) if code is None else rows.target == code
            groups = rows.held(mine)
            middle = 0.0 if metric == "macro_auroc" else float(components[mine].mean())
            over = int(mine.sum()) if metric == "auroc" else len(components)
            unbiased = math.sqrt(groups / (groups - 1)) if groups > 1 else math.nan
            for at in np.flatnonzero(mine):
                moved = (float(components[at]) - middle) / over * unbiased * shared / len(split.rows)
                found[rows.groups[at]] = found.get(rows.groups[at], 0.0) + moved
    return found
