"""Means and medians over rows as a grid: rows that are compared, intervals over groups, contrasts; it knows no YAML.

A kind brings one number for each example in each cell (a norm, a cosine, an attention weight); what it means is the
kind's affair. What a cell, an interval and a tie are is written at `describe`, and in words in `Grid.settings`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from layergrid.artifacts import (
    Activations,
    Bools,
    CellStatus,
    Contrast,
    Facet,
    Floats,
    Grid,
    GridResult,
    Ints,
    Measured,
    PositionStatus,
    Quantity,
)
from layergrid.kinds import BadInput, Inputs
from layergrid.probes import canonical_order, group_codes
from layergrid.selection import compared, group_column
from layergrid.stats import RESAMPLES, Estimates, grouped_gap, grouped_mean, grouped_median
from layergrid.text import listed

Statistic = Literal["mean", "median"]
CellStatuses = Mapping[tuple[int, int], tuple[CellStatus, str]]  # index of layer and of position -> status, reason

UNHELD = "bounds are not held inside the range of the quantity"
INTERVALS = {
    ("mean", False): "Student's t with G - 1 degrees of freedom for G groups; variance of a mean over n rows: "
    "G / (G - 1) times the sum over groups of the squared sum of the group's residuals, over n squared "
    f"(Cameron & Miller 2015); {UNHELD}",
    ("mean", True): "variance of a difference of class means: G1 / (G1 - 1) sum a^2 + G0 / (G0 - 1) sum b^2 - "
    "2 G / (G - 1) sum ab over groups, where a is the sum of a group's residuals in the first class over the rows of "
    "that class, b that in the other, and G1, G0, G count the groups with the first class, with the other, and all "
    f"(Obuchowski 1997); Student's t with min(G1, G0) - 1 degrees of freedom; {UNHELD}",
    ("median", False): f"percentiles of the medians of {RESAMPLES:,} resamples of whole groups",
    ("median", True): f"percentiles of the differences of class medians of {RESAMPLES:,} resamples of whole groups",
}
TIES = "a cell ties with the best where the interval of the paired difference, row by row, holds 0"


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Rows:
    """The examples that are compared, in an order that only their content decides."""

    index: Ints  # int [n]: example numbers
    groups: Ints  # int [n], numbered as they first appear
    labels: Bools  # bool [n]: the class from which a contrast subtracts the other; all False without a contrast
    positions: Bools  # bool [P]: some example has the position; the others are left out of the comparison
    words: tuple[str, str] = ("", "")  # that class and the other in words; empty without a contrast
    statuses: tuple[str, ...] = (PositionStatus.OK.value,)  # statuses of positions that count
    missing: tuple[str, ...] = ()  # P: why a position is left out; empty where it is not

    @property
    def contrasts(self) -> bool:
        """Whether cells are differences of two classes."""
        return self.words != ("", "")


def rows(inputs: Inputs, present: Bools, statuses: Collection[str], contrast: Contrast = "none") -> Rows:
    """The rows whose status counts and whose token is `present` [N, P] at every position compared.

    The columns of `present` are `inputs.positions.names`. A position that no example has drops no row. Raises BadInput
    for a contrast of examples without labels.
    """
    wanted = tuple(str(PositionStatus(s)) for s in statuses)
    chosen = compared(inputs.positions.status, present, wanted)
    ids = [inputs.examples.ids[i] for i in chosen.rows]
    contents = [b""] * len(ids)
    if len(inputs.sequences.ids) == len(inputs.examples.ids):  # precomputed activations come without tokens
        contents = [np.asarray(inputs.sequences.ids[i], dtype="<i4").tobytes() for i in chosen.rows]
    index = chosen.rows[canonical_order(contents, ids, inputs.seed)]
    labels, words = np.zeros(len(index), dtype=np.bool_), ("", "")
    if contrast != "none":
        if not inputs.labels.known:
            raise BadInput(
                f"grids.{inputs.name}.contrast: data set {inputs.examples.name} has no labels to contrast; give it a "
                "grader or a label column, or write contrast: none"
            )
        positive, *found = inputs.labels.positive(contrast)
        labels, words = np.asarray(positive[index]), (found[0], found[1])
    return Rows(
        index=index,
        groups=group_codes([inputs.examples.groups[i] for i in index]),
        labels=labels,
        positions=chosen.positions,
        words=words,
        statuses=wanted,
        missing=tuple(
            "" if kept else _missing(inputs, p, wanted) for p, kept in enumerate(chosen.positions)
        ),
    )  # fmt: skip


def _missing(inputs: Inputs, position: int, statuses: tuple[str, ...]) -> str:
    names, counts = np.unique(inputs.positions.status[:, position], return_counts=True)
    if set(names) & set(statuses):
        return "no example with this position has what the grid reads there"
    having = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True)) or "no examples"
    return f"no example has this position with status {listed(statuses, 'or')}: {having}"


def _trouble(chosen: Rows) -> tuple[CellStatus, str] | None:
    """Why no cell has a value, if so."""
    if len(chosen.index) == 0:
        return CellStatus.TOO_FEW, "no example counts at all compared positions at once"
    for side, word in zip((True, False), chosen.words, strict=True):
        if chosen.contrasts and (chosen.labels == side).all():
            return CellStatus.ONE_CLASS, f"all {len(chosen.labels)} compared examples are {word}"
    return None


# ---------------------------------------------------------------- states

BLOCK = 2**18  # numbers in memory at once as float64: they stay in the processor's cache


def columns(states: Activations, inputs: Inputs) -> list[int]:
    """Where the grid's positions stand in the activations."""
    return [states.positions.index(name) for name in inputs.positions.names]


def lacking(
    states: Activations, layers: Sequence[int], positions: int
) -> dict[tuple[int, int], tuple[CellStatus, str]]:
    """The status of the cells of layers in which the model has no such site."""
    return {
        (i, p): (CellStatus.LACKING, states.lacking[layer])
        for i, layer in enumerate(layers)
        for p in range(positions)
        if layer in states.lacking
    }


def blocks(width: int, count: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers, each of which fits in a block."""
    step = max(1, BLOCK // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


# ---------------------------------------------------------------- cells


@dataclass(frozen=True)
class FacetRows:
    """The rows of one further map over the cells: of a head, or of what the grid is compared with."""

    name: str
    role: Literal["head", "reference"]
    label: str
    values: Floats  # [L, P, n]


def describe(
    inputs: Inputs,
    *,
    kind: str,
    site: str,
    metric: str,
    quantity: Quantity,
    layers: Sequence[int],
    values: Floats,
    rows: Rows,
    level: float,
    contrast: Contrast = "none",
    head: str = "",
    statistic: Statistic = "mean",
    facets: Sequence[FacetRows] = (),
    cell_status: CellStatuses | None = None,
    settings: Mapping[str, Any] | None = None,
    labels: tuple[str, ...] = (),
    text_of: str = "",
) -> GridResult:
    """The grid of `values` [L, P, n], one number a row of `rows`, over `layers` and `inputs.positions`.

    Everything follows from the rows kept in Measured, as float32. A cell is their mean (or median); of a contrast, that
    over the rows with label True less that over the others; `stats.grouped_mean`, `grouped_gap` and `grouped_median`
    define value and interval, the last with `inputs.seed`. Facets of role head and reference are the same of their own
    rows; those of role class are the mean (median) over the rows of a class, from the cells' rows. The best cell is
    that with the most of the quantity's claim: the highest, or the lowest where less is more, the first of equals. A
    cell is tied with it where the interval of the same statistic of the row differences, best less cell (cell less best
    where less is more), does not lie above 0; also where that has no interval.

    `quantity` is that of one class; a contrast makes its own of it (`contrasted`). `cell_status` says which cells have
    no value for a reason of the kind's. A cell with a row that is not finite has no value, and all its rows become NaN.
    """
    names = inputs.positions.names
    shape = (len(layers), len(names))
    if values.shape != (*shape, len(rows.index)):
        raise ValueError(f"values of shape {values.shape}, expected {(*shape, len(rows.index))}")
    status, reason = _statuses(values, rows, cell_status or {})
    ok = status == CellStatus.OK.value
    cells = _kept(values, ok)
    sides = rows.labels if rows.contrasts else None
    judge = _Judge(rows.groups, sides, level, statistic, inputs.seed)
    found = judge(cells)
    taking = np.broadcast_to(rows.positions, shape)
    shown = contrasted(quantity, rows.words) if rows.contrasts else quantity
    further = {f.name: _kept(f.values, ok) for f in facets}
    grid = Grid(
        name=inputs.name, model=inputs.model, dataset=inputs.examples.name, kind=kind, site=site, metric=metric,
        quantity=shown, layers=tuple(layers), positions=names,
        value=found.value, low=found.low, high=found.high, level=level,
        n=np.where(taking, len(rows.index), 0),
        n_positive=np.where(taking, int(rows.labels.sum()), 0),
        p_adjusted=np.full(shape, np.nan), status=status, reason=reason,
        tied_with_best=_tied(cells, found.value, judge, shown.higher_is == "less"),
        settings=_settings(inputs, rows, level, contrast, statistic) | {"beyond_range": _beyond(found, shown)}
        | dict(settings or {}),
        head=head, contrast=" - ".join(rows.words) if rows.contrasts else "",
        facets=(
            *(_facet(f.name, f.role, f.label, judge(further[f.name])) for f in facets),
            *_of_classes(cells, rows, judge),
        ),
        labels=labels, text_of=text_of,
    )  # fmt: skip
    return GridResult(grid, measured=_measured(inputs, rows, cells, further, statistic))


def _of_classes(cells: Floats, rows: Rows, judge: _Judge) -> tuple[Facet, ...]:
    """The mean (median) of each class of a contrast; none where nothing is contrasted."""
    if not rows.contrasts:
        return ()
    sides = zip(rows.words, (rows.labels, ~rows.labels), strict=True)
    return tuple(_facet(word, "class", word, judge.one_class(cells, side)) for word, side in sides)


def _measured(
    inputs: Inputs, rows: Rows, cells: Floats, facets: Mapping[str, Floats], statistic: Statistic
) -> Measured:
    """What is kept of every row."""
    return Measured(
        example_ids=tuple(inputs.examples.ids[i] for i in rows.index),
        groups=tuple(inputs.examples.groups[i] for i in rows.index),
        labels=rows.labels,
        cells=cells,
        facets=facets,
        statistic=statistic,
    )


def contrasted(quantity: Quantity, words: tuple[str, str]) -> Quantity:
    """The quantity of a difference: its sentence speaks of both classes, no difference is 0, the range is signed."""
    both = quantity.low is not None and quantity.high is not None
    opening, what = "Each cell is ", quantity.sentence
    difference = f"{opening}the difference, {words[0]} minus {words[1]}, in "
    reach = (quantity.high or 0.0) - (quantity.low or 0.0)
    return replace(
        quantity,
        name=f"difference in {quantity.name}",
        sentence=what.replace(opening, difference, 1)
        if what.startswith(opening)
        else f"{what.rstrip('.')}, for {words[0]} minus that for {words[1]}.",
        subject=f"differences in {quantity.name}",
        claim="positive",
        low=-reach if both else None,
        high=reach if both else None,
        chance=0.0,
        positive=words[0],
        higher_is="more",
    )


def _statuses(values: Floats, chosen: Rows, given: CellStatuses) -> tuple[Any, Any]:
    """Status and reason of each cell [L, P]: the kind's own, then what the rows lack, then what the numbers lack."""
    trouble, n = _trouble(chosen), len(chosen.index)
    found = np.empty(values.shape[:2], dtype=object)
    for i, j in np.ndindex(found.shape):
        bad = 0 if trouble else int(np.count_nonzero(~np.isfinite(values[i, j])))
        if (i, j) in given:
            found[i, j] = given[i, j]
        elif not chosen.positions[j]:
            found[i, j] = CellStatus.MISSING, chosen.missing[j]
        elif trouble:
            found[i, j] = trouble
        elif bad:
            found[i, j] = CellStatus.NOT_FINITE, f"{bad} of {n} examples have NaN or infinite values"
        else:
            found[i, j] = CellStatus.OK, ""
    status = np.array([str(one) for one, _ in found.ravel()], dtype=np.str_).reshape(found.shape)
    return status, np.array([why for _, why in found.ravel()], dtype=np.str_).reshape(found.shape)


def _kept(values: Floats, ok: Bools) -> Floats:
    """Rows as they are kept: float32, NaN in cells without a value and in cells with a row that is not finite."""
    cells = np.array(values, dtype=np.float32)
    cells[~(ok & np.isfinite(cells).all(axis=-1))] = np.nan
    return cells


@dataclass(frozen=True)
class _Judge:
    """Value and interval of cells [L, P, n], by one statistic."""

    groups: Ints
    labels: Bools | None  # None: no contrast
    level: float
    statistic: Statistic
    seed: int

    def __call__(self, cells: Floats) -> Estimates:
        """Arrays [L, P]; NaN where a cell holds NaN."""
        flat = cells.reshape(int(np.prod(cells.shape[:-1])), cells.shape[-1])  # -1 would not tell, without rows
        arrays = np.full((3, len(flat)), np.nan)
        kept = np.flatnonzero(~np.isnan(flat).any(axis=1)) if flat.shape[1] else np.empty(0, dtype=np.int64)
        if len(kept):
            one = self._estimates(flat[kept])
            arrays[:, kept] = one.value, one.low, one.high
        return Estimates(*arrays.reshape(3, *cells.shape[:-1]))

    def one_class(self, cells: Floats, side: Bools) -> Estimates:
        """The same of the rows of one class, without a contrast."""
        return replace(self, groups=self.groups[side], labels=None)(cells[..., side])

    def _estimates(self, values: Floats) -> Estimates:
        if self.statistic == "median":
            return grouped_median(values, self.groups, self.level, self.seed, self.labels)
        if self.labels is None:
            return grouped_mean(values, self.groups, self.level)
        return grouped_gap(values, self.labels, self.groups, self.level)


def _tied(cells: Floats, value: Floats, judge: _Judge, less: bool) -> Bools:
    """Cells [L, P] that cannot be told from the best, which is the highest, or the lowest where `less` is more."""
    if np.isnan(value).all():
        return np.zeros(value.shape, dtype=np.bool_)
    sign = -1.0 if less else 1.0
    best = np.unravel_index(int(np.nanargmax(sign * value)), value.shape)
    gap = judge(sign * (cells[best].astype(np.float64) - cells.astype(np.float64)))
    tied = ~np.isnan(value) & ~(gap.low > 0)
    tied[best] = True
    return np.asarray(tied)


def _beyond(found: Estimates, quantity: Quantity) -> int:
    """Cells whose interval reaches beyond the range of the quantity."""
    low = -np.inf if quantity.low is None else quantity.low
    high = np.inf if quantity.high is None else quantity.high
    return int(np.count_nonzero((found.low < low) | (found.high > high)))


def _facet(name: str, role: Literal["head", "class", "reference"], label: str, found: Estimates) -> Facet:
    return Facet(name, role, label, found.value, found.low, found.high)


# ---------------------------------------------------------------- what a report says of it


def _settings(inputs: Inputs, chosen: Rows, level: float, contrast: Contrast, statistic: Statistic) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    every = len(inputs.examples.ids)
    dropped = np.setdiff1d(np.arange(every), chosen.index)
    split = {}
    if inputs.labels.known:
        right = int(np.count_nonzero(inputs.labels.correct[dropped]))
        split = {"dropped_correct": right, "dropped_wrong": len(dropped) - right}
    names = inputs.positions.names
    return {
        "statistic": statistic,
        "contrast": contrast,
        "rows": len(chosen.index),
        "rows_in_all": every,
        **split,
        "statuses": list(chosen.statuses),
        "group": group_column(inputs.examples),
        "n_groups": len(np.unique(chosen.groups)),
        "positions_left_out": [name for name, kept in zip(names, chosen.positions, strict=True) if not kept],
        "level": level,
        "interval": INTERVALS[statistic, chosen.contrasts],
        "ties": TIES,
        "seed": inputs.seed,
        **({"resamples": RESAMPLES} if statistic == "median" else {}),
    }
