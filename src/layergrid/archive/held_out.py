"""Held-out scores as Parquet, one row per example and repeat; it knows neither probes nor statistics.

The columns, in this order; those in brackets are there where the scores have them:

    example_id, group, label, fold
    [target]                         the value, or the code of the class, that the probes predict
    nested, [baseline.NAME]          of several classes nested.CLASS, baseline.NAME.CLASS in their place
    [position.POSITION]              of several classes position.POSITION.CLASS
    cell.LAYER.POSITION
    [class.CLASS.LAYER.POSITION]     one class against the rest

A column's place decides what it is: a name may hold no NUL, and is written with its escapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import decode, encode, foreign
from layergrid.archive.parquet import escaped, numbers, read_parquet, texts
from layergrid.artifacts import Floats, Grid, HeldOut
from layergrid.text import visible

if TYPE_CHECKING:
    import pyarrow as pa

FIXED = ("example_id", "group", "label", "fold")


@dataclass(frozen=True)
class Layout:
    """What results.json says of the columns; an older report says nothing but the baselines."""

    baselines: tuple[str, ...]
    repeats: int = 1
    target: bool = False
    classes: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    by_position: bool = False


def layout_of(held: HeldOut) -> dict[str, Any]:
    """What results.json says of held-out scores."""
    return {
        "baselines": encode(list(held.baselines)),
        "repeats": held.repeats,
        "target": held.target is not None,
        "classes": encode(list(held.classes)),
        "by_class": encode(list(held.by_class)),
        "by_position": held.by_position is not None,
    }


def held_out_table(grid: Grid, held: HeldOut) -> pa.Table:
    """Held-out scores as an Arrow table: one row per example and repeat."""
    import pyarrow as pa

    n = len(held.example_ids)
    double: list[tuple[str, Floats]] = [] if held.target is None else [("target", held.target)]
    double += _spread("nested", held.nested, held.classes)
    for name, scores in held.baselines.items():
        double += _spread(f"baseline.{name}", scores, held.classes)
    if held.by_position is not None:
        for position, scores in zip(grid.positions, held.by_position, strict=True):
            double += _spread(f"position.{position}", scores, held.classes)
    own = [*_maps("cell", grid, held.cells, n)]
    for name, scores in held.by_class.items():
        own += _maps(f"class.{name}", grid, scores, n)
    arrays = [
        pa.array([escaped(one) for one in held.example_ids], type=pa.string()),
        pa.array([escaped(one) for one in held.groups], type=pa.string()),
        pa.array(held.labels, type=pa.bool_()),
        pa.array(held.folds, type=pa.int64()),
        *(pa.array(one, type=pa.float64()) for _, one in double),
        *(pa.array(one) for _, one in own),
    ]
    return pa.Table.from_arrays(arrays, names=[*FIXED, *(visible(name) for name, _ in (*double, *own))])


def _spread(name: str, scores: Floats, classes: tuple[str, ...]) -> list[tuple[str, Floats]]:
    """One column, or of several classes one for each."""
    if scores.ndim == 1:
        return [(name, scores)]
    return [(f"{name}.{one}", own) for one, own in zip(classes, scores, strict=True)]


def _maps(stem: str, grid: Grid, scores: Floats, n: int) -> list[tuple[str, Floats]]:
    """A column for each cell."""
    return list(zip(_cells(stem, grid), scores.reshape(math.prod(scores.shape[:2]), n), strict=True))


def _cells(stem: str, grid: Grid) -> list[str]:
    return [f"{stem}.{layer}.{position}" for layer in grid.layers for position in grid.positions]


# ---------------------------------------------------------------- reading


def read_held_out(grid: Grid, card: Any, path: Path, where: str) -> HeldOut:
    """The held-out scores of a grid, from their file and what results.json says of it.

    Raises BadInput where the file is not theirs.
    """
    layout: Layout = decode(Layout, card, where)
    if layout.repeats < 1:
        foreign(where, f"says that there are {layout.repeats} repeats")
    table = read_parquet(path)
    columns = _Columns(table, path)
    columns.skip(FIXED)
    target = columns.take(["target"], np.float64)[0] if layout.target else None
    nested = columns.spread("nested", layout.classes)
    baselines = {one: columns.spread(f"baseline.{one}", layout.classes) for one in layout.baselines}
    alone = [columns.spread(f"position.{one}", layout.classes) for one in grid.positions if layout.by_position]
    maps = [columns.take(_cells(stem, grid)) for stem in ("cell", *(f"class.{one}" for one in layout.by_class))]
    columns.end()
    if len({one.shape for one in alone}) > 1:
        foreign(path, "has the classes of some positions and not of others")
    shape = (len(grid.layers), len(grid.positions), table.num_rows)
    cells, *by_class = (np.stack(one).reshape(shape) if one else np.zeros(shape, np.float32) for one in maps)
    return HeldOut(
        example_ids=tuple(texts(table, "example_id", path)),
        groups=tuple(texts(table, "group", path)),
        labels=numbers(table, "label", np.bool_, path),
        folds=numbers(table, "fold", np.int64, path),
        cells=cells,
        nested=nested,
        baselines=baselines,
        repeats=layout.repeats,
        target=target,
        classes=layout.classes,
        by_class=dict(zip(layout.by_class, by_class, strict=True)),
        by_position=(np.stack(alone) if alone else np.zeros((0, *nested.shape))) if layout.by_position else None,
    )


class _Columns:
    """The columns of a table from left to right; each must bear the name that it is asked for by."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        self._table, self._path, self._at = table, path, 0
        self._names = list(table.column_names)  # pyarrow makes them anew each time

    def skip(self, names: Iterable[str]) -> None:
        """Passes columns that are read by their names."""
        for name in names:
            self._must(name)

    def take(self, names: Iterable[str], dtype: Any = None) -> list[Floats]:
        """The next columns as arrays; `dtype` None keeps their own floating type."""
        return [numbers(self._table, self._must(name), dtype, self._path) for name in names]

    def spread(self, name: str, classes: tuple[str, ...]) -> Floats:
        """One column as [n], or of several classes the columns of each as [C, n]."""
        if self._next == visible(name) or not classes:
            return self.take([name], np.float64)[0]
        return np.stack(self.take([f"{name}.{one}" for one in classes], np.float64))

    def end(self) -> None:
        """Says where columns are left over."""
        if self._next is not None:
            self._foreign()

    @property
    def _next(self) -> str | None:
        return self._names[self._at] if self._at < len(self._names) else None

    def _must(self, name: str) -> int:
        if self._next != visible(name):
            self._foreign()
        self._at += 1
        return self._at - 1

    def _foreign(self) -> None:
        what = "has not one column for each cell of its grid and each baseline of results.json, in their order"
        foreign(self._path, what)
