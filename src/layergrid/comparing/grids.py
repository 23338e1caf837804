"""The difference of two grids as a grid: its cells, both sides as maps, their nested bests; it knows no report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layergrid import stats
from layergrid.artifacts import HAS_VALUE, CellStatus, Facet, Floats, Grid, GridResult, Quantity, Scalar
from layergrid.comparing.rows import Common, Described, Independent, common, described

PAIR_COLUMNS = ("grid", "examples", "rows_a", "rows_b", "paired", "why", "cells", "unchanged", "metric")
NESTED_COLUMNS = ("grid", "a", "b", "difference", "low", "high", "n")
DIFFERENCE = "difference in "
Index = tuple[int, int]
Rows = Common | Described | Independent | str  # what two grids have in common; a text: why nothing can be paired
Triple = tuple[float, float, float]
NONE: Triple = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Made:
    """The difference of two grids with its rows of the tables."""

    result: GridResult
    row: tuple[Scalar, ...]  # of PAIR_COLUMNS
    nested: tuple[Scalar, ...]  # of NESTED_COLUMNS; empty where one side has no nested best


def comparable(a: Grid, b: Grid) -> bool:
    """Whether cells of two grids may be taken from each other: one measure, and some layer and position in both."""
    same = (a.metric, a.quantity.name, a.quantity.unit) == (b.metric, b.quantity.name, b.quantity.unit)
    return same and bool(set(a.layers) & set(b.layers)) and bool(set(a.positions) & set(b.positions))


def unmatched(a: GridResult, b: GridResult) -> list[tuple[str, str, str]]:
    """Layers and positions that only one side has: what, its name, which side."""
    found = []
    for what, mine, theirs in (
        ("layer", a.grid.layers, b.grid.layers),
        ("position", a.grid.positions, b.grid.positions),
    ):
        found += [(what, str(one), "a") for one in mine if one not in theirs]
        found += [(what, str(one), "b") for one in theirs if one not in mine]
    return found


def difference(
    a: GridResult, b: GridResult, labels: tuple[str, str], unlike: str | Independent, between: str = "reports"
) -> Made | None:
    """`b` less `a` on the layers and positions that both have, in the order of `a`; None where nothing can be compared.

    `unlike`: why equal ids are not the same example; empty: they are; Independent: no example of one side has to do
    with one of the other. Facets are both sides, on the rows that the difference is made of. `between`: what is
    compared, plural: reports, or grids of one.
    """
    if not comparable(a.grid, b.grid):
        return None
    rows = unlike or pairing(a, b)
    layers = tuple(one for one in a.grid.layers if one in b.grid.layers)
    positions = tuple(one for one in a.grid.positions if one in b.grid.positions)
    axes = layers, positions
    found = _cells(a, b, labels, rows, axes, between)
    grid = _grid(a, b, labels, rows, axes, found, between)
    bare = tuple(replace(one, directions=None, control=None) for one in (a, b))
    row = (
        a.grid.name, 0 if isinstance(rows, str) else _examples(rows), _compared(a), _compared(b), how(rows),
        rows if isinstance(rows, str) else "", found.valued, found.unchanged, a.grid.metric,
    )  # fmt: skip
    return Made(GridResult(grid, sides=bare), row, nested_difference(a, b, rows))


@dataclass
class _Found:
    """The cells of a difference while they are filled in."""

    maps: dict[str, Any]  # "difference", "a", "b" -> value, low and high [3, L, P]
    status: Any  # [L, P]
    reason: Any
    valued: int = 0  # cells that hold a value on some side
    unchanged: int = 0  # of them those with exactly the same value on both


def _cells(
    a: GridResult, b: GridResult, labels: tuple[str, str], rows: Rows,
    axes: tuple[tuple[int, ...], tuple[str, ...]], between: str,
) -> _Found:  # fmt: skip
    """Every cell of the difference, and of both sides."""
    shape = (len(axes[0]), len(axes[1]))
    maps = {name: np.full((3, *shape), np.nan) for name in ("difference", "a", "b")}
    found = _Found(maps, np.full(shape, CellStatus.OK.value, dtype="U16"), np.full(shape, "", dtype=object))
    for i, layer in enumerate(axes[0]):
        for j, position in enumerate(axes[1]):
            mine, theirs = _index(a.grid, layer, position), _index(b.grid, layer, position)
            lacking = _lacking((a.grid, b.grid), (mine, theirs), labels, between)
            cell = cell_difference(a, b, mine, theirs, rows)
            one, other = float(a.grid.value[mine]), float(b.grid.value[theirs])
            found.valued += math.isfinite(one) or math.isfinite(other)
            found.unchanged += one == other
            for name, triple in zip(maps, cell, strict=True):
                maps[name][:, i, j] = triple
            if lacking or math.isnan(cell[0][0]):
                maps["difference"][:, i, j] = np.nan
                few = (CellStatus.TOO_FEW.value, "too few examples are in both")
                found.status[i, j], found.reason[i, j] = lacking or few
    return found


def pairing(a: GridResult, b: GridResult) -> Rows:
    """The rows that two grids have in common, or why there are none to pair."""
    if a.grid.contrast != b.grid.contrast or a.grid.text_of != b.grid.text_of:
        return "the cells are not of the same classes" if a.grid.contrast != b.grid.contrast else "the texts differ"
    if a.held_out is not None and b.held_out is not None:
        return common(a.held_out, b.held_out, a.grid.metric)
    if a.measured is not None and b.measured is not None:
        seed = int(a.grid.settings.get("seed", 0))
        return described(a.measured, b.measured, bool(a.grid.contrast), a.grid.level, seed)
    return "no rows were kept"


def how(rows: Rows) -> str:
    """The word for how differences are paired: "folds" where they are the same, "across" folds, "rows", or not."""
    if isinstance(rows, str):
        return ""
    if isinstance(rows, Independent):
        return "independent"
    return "rows" if isinstance(rows, Described) else "folds" if rows.alike else "across"


def _compared(one: GridResult) -> int:
    """How many examples a grid compares."""
    kept = one.held_out or one.measured
    return 0 if kept is None else len(set(kept.example_ids))


def _examples(rows: Common | Described | Independent) -> int:
    """How many examples a difference rests on."""
    if isinstance(rows, Independent):
        return sum(rows.examples)
    return rows.examples if isinstance(rows, Common) else len(rows.first.example_ids)


def _index(grid: Grid, layer: int, position: str) -> Index:
    return grid.layers.index(layer), grid.positions.index(position)


def _lacking(
    grids: tuple[Grid, Grid], at: tuple[Index, Index], labels: tuple[str, str], between: str
) -> tuple[str, str] | None:
    """Status and reason of a cell that has no value on a side: those of the first side that has none."""
    found: list[tuple[str, str] | None] = []
    for grid, index in zip(grids, at, strict=True):
        status = str(grid.status[index])
        if status in HAS_VALUE and math.isfinite(grid.value[index]):
            found.append(None)
        else:
            status = CellStatus.NOT_FINITE.value if status in HAS_VALUE else status
            found.append((status, str(grid.reason[index]) or status.replace("_", " ")))
    if found[0] is not None and found[0] == found[1]:
        return found[0][0], f"in both {between}: {found[0][1]}"
    told = ((one, label) for one, label in zip(found, labels, strict=True) if one is not None)
    return next(((one[0], f"in {label}: {one[1]}") for one, label in told), None)


# ---------------------------------------------------------------- one cell


def cell_difference(
    a: GridResult, b: GridResult, mine: Index, theirs: Index, rows: Rows
) -> tuple[Triple, Triple, Triple]:
    """The difference of a cell and both sides, each a value with its bounds."""
    saved = tuple(
        (float(g.value[at]), float(g.low[at]), float(g.high[at])) for g, at in ((a.grid, mine), (b.grid, theirs))
    )
    plain = (saved[1][0] - saved[0][0], math.nan, math.nan)
    if isinstance(rows, str) or math.isnan(plain[0]):
        return plain, saved[0], saved[1]
    if isinstance(rows, Independent):
        return (plain[0], *rows.bounds(saved[1], saved[0])), saved[0], saved[1]
    if isinstance(rows, Described):
        return _of_rows(rows, (mine, theirs), saved)
    return _of_scores(rows, (scores(a, mine), scores(b, theirs)), saved, a.grid.level)


def scores(result: GridResult, index: Index) -> Floats | None:
    """The held-out scores of a cell, [n] or [C, n]."""
    held = result.held_out
    if held is None:
        return None
    return np.stack([held.by_class[c][index] for c in held.classes]) if held.by_class else held.cells[index]


def _of_scores(
    rows: Common, found: Sequence[Floats | None], saved: Sequence[Triple], level: float
) -> tuple[Triple, Triple, Triple]:
    one, other = found
    if one is None or other is None or np.isnan(one).any() or np.isnan(other).any():
        return (saved[1][0] - saved[0][0], math.nan, math.nan), saved[0], saved[1]
    first, second = rows.scored(0, one), rows.scored(1, other)
    gap = rows.difference(second, first, level)
    if rows.whole:
        return (saved[1][0] - saved[0][0], gap.low, gap.high), saved[0], saved[1]
    sides = [stats.mean_interval(split, s, level) for split, s in ((rows.first, first), (rows.second, second))]
    return (gap.value, gap.low, gap.high), _triple(sides[0]), _triple(sides[1])


def _of_rows(rows: Described, at: tuple[Index, Index], saved: Sequence[Triple]) -> tuple[Triple, Triple, Triple]:
    one, other = rows.first.cells[at[0]], rows.second.cells[at[1]]
    gap = _triple(rows.difference(other, one))
    if np.array_equal(one, other, equal_nan=True):
        gap = (0.0, math.nan, math.nan)  # nothing varies, so that there is no interval
    if rows.whole:
        return gap, saved[0], saved[1]
    return gap, _triple(rows.value(one)), _triple(rows.value(other))


def _triple(found: stats.Interval | None) -> Triple:
    return NONE if found is None else (found.value, found.low, found.high)


def nested_difference(a: GridResult, b: GridResult, rows: Rows) -> tuple[Scalar, ...]:
    """A row of the table of nested bests: both on the common rows with their difference; empty without them."""
    if not (a.selection and b.selection):
        return ()
    values = (a.selection.estimate.value, b.selection.estimate.value)
    if not all(map(math.isfinite, values)):
        return ()
    gap: Triple = (values[1] - values[0], math.nan, math.nan)
    n = 0
    if isinstance(rows, Common) and a.held_out and b.held_out:
        one, other = a.held_out.nested, b.held_out.nested
        if not (np.isnan(one).any() or np.isnan(other).any()):
            first, second = rows.scored(0, one), rows.scored(1, other)
            found = rows.difference(second, first, a.grid.level)
            values = values if rows.whole else (first.value, second.value)
            gap, n = (values[1] - values[0], found.low, found.high), rows.examples
    elif isinstance(rows, Independent):
        bests = (a.selection.estimate, b.selection.estimate)
        sides = [(e.value, e.low, e.high) for e in bests]
        gap, n = (gap[0], *rows.bounds(sides[1], sides[0])), sum(rows.examples)
    return a.grid.name, values[0], values[1], gap[0], *(None if math.isnan(x) else x for x in gap[1:]), n


# ---------------------------------------------------------------- the grid


def _grid(
    a: GridResult, b: GridResult, labels: tuple[str, str], rows: Rows,
    axes: tuple[tuple[int, ...], tuple[str, ...]], found: _Found, between: str,
) -> Grid:  # fmt: skip
    """The card and arrays of a difference."""
    maps, status, reason = found.maps, found.status, found.reason.astype(np.str_)
    one = a.grid
    value, low, high = maps["difference"]
    top = np.nanmax(value) if np.isfinite(value).any() else math.nan
    n = 0 if isinstance(rows, str) else _examples(rows)
    positive = 0 if isinstance(rows, str) else _positives(rows)
    valued = np.isin(status, list(HAS_VALUE))
    facets = tuple(Facet(label, "class", label, *maps[side]) for label, side in zip(labels, ("a", "b"), strict=True))
    models = dict.fromkeys((one.model, b.grid.model))
    columns = [one.positions.index(position) for position in axes[1]]
    return replace(
        one, model=one.model if len(models) == 1 else "", dataset=one.dataset if one.dataset == b.grid.dataset else "",
        kind="difference", quantity=of_difference(one.quantity, labels, between), layers=axes[0], positions=axes[1],
        value=value, low=low, high=high, n=np.where(valued, n, 0), n_positive=np.where(valued, positive, 0),
        p_adjusted=np.full(value.shape, np.nan), status=status, reason=np.where(valued, "", reason),
        tied_with_best=np.isfinite(value) & (value == top), settings=_settings(a, b, labels, rows, between),
        contrast=f"{labels[1]} - {labels[0]}", facets=facets,
        labels=tuple(one.labels[j] for j in columns) if one.labels else (),
    )  # fmt: skip


def _positives(rows: Common | Described | Independent) -> int:
    """Examples of the positive class, by the labels of the first side; of different examples those of both."""
    if isinstance(rows, Independent):
        return sum(rows.positives)
    if isinstance(rows, Described):
        return int(rows.first.labels.sum())
    binary = rows.first.labels.dtype == np.bool_
    return int(rows.first.labels.sum()) // rows.first.repeats if binary else 0


def of_difference(q: Quantity, labels: tuple[str, str], between: str = "reports") -> Quantity:
    """What a cell of a difference is: the quantity of the second report less that of the first."""
    wide = None if q.low is None or q.high is None else q.high - q.low
    already = q.name.startswith(DIFFERENCE)
    return replace(
        q, name=f"change of the {q.name}" if already else f"{DIFFERENCE}{q.name}",
        sentence=f"Each cell is the {q.name} of {labels[1]} less that of {labels[0]}, at one layer and one position.",
        subject=f"differences in {q.name}", claim="", low=None if wide is None else -wide, high=wide, chance=0.0,
        higher_is="more", positive="",
        caution=f"A difference between two {between} does not say which of their settings made it.",
    )  # fmt: skip


def _settings(a: GridResult, b: GridResult, labels: tuple[str, str], rows: Rows, between: str) -> dict[str, Any]:
    """What the methods say: how rows are matched and paired."""
    found: dict[str, Any] = {"difference": list(labels), "paired": how(rows), "level": a.grid.level}
    found |= {} if between == "reports" else {"between": between}
    if isinstance(rows, str):
        return found | {"methods": {"pairs": f"The differences have no interval: {rows}"}}
    found["interval"] = INTERVALS[how(rows)].format(between=between)
    if isinstance(rows, Independent):
        return found | {
            "apart": rows.why,
            "methods": {"matched": f"No example of the two {between} is paired: {rows.why}"},
        }
    if isinstance(rows, Described):
        found |= {"statistic": rows.first.statistic, "seed": rows.seed}
    if rows.whole:
        mine, theirs = a.grid.settings, b.grid.settings
        found |= {key: mine[key] for key in ROWS if key in mine and mine[key] == theirs.get(key)}
    matched = f"Examples of the two {between} are matched by their ids"
    if not rows.whole:
        matched += "; the maps of both, and their difference, are those of the examples in both"
    return found | {"methods": {"matched": matched}}


ROWS = (
    "predict", "rows", "rows_in_all", "dropped_correct", "dropped_wrong", "group", "n_groups", "statuses",
)  # settings that hold of a difference where they hold of both  # fmt: skip
INTERVALS = {
    "folds": "differences paired on rows, which both {between} hold out in the same folds; variance: mean of the "
    "folds' clustered variances of the differences of components (of an AUROC DeLong's placements), times 1/K + "
    "1/(K-1) for K folds",
    "across": "the {between} hold rows out in folds of their own, so that a row has an influence on the value of "
    "either (of an AUROC DeLong's placement in its fold, centred); variance: squared sums of the differences of "
    "influences over the rows of a group, each side times K(1/K + 1/(K-1)) for its K folds; where folds differ the "
    "interval is rather too long",
    "rows": "the differences of the rows, with the estimator of the grids: groups of either side are kept together",
    "independent": "no example of one of the {between} is paired with one of the other, and their errors are taken as "
    "independent; the interval of a difference follows from those of both sides (MOVER, Zou & Donner 2008)",
}
