"""How far two reports are apart at most, and what only one of them has; it knows no interval and no cause."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from layergrid.artifacts import GridResult, Results
from layergrid.comparing.grids import comparable, unmatched

Labels = tuple[str, str]
Value = tuple[str, float]  # where, and what stands there; NaN: no value


@dataclass(frozen=True)
class Apart:
    """The largest difference of two reports with its place, and everything that cannot be held against a tolerance."""

    largest: float  # 0 where nothing can be compared
    where: str
    lacking: tuple[str, ...]  # a clause for each thing that only one side has
    changed: tuple[str, ...] = ()  # a clause for each cell that has a value in both, but not by one status
    numbers: int = 0  # how many numbers were compared
    grids: int = 0  # how many grids are in both by name

    def passes(self, tolerance: float) -> bool:
        """Whether nothing is lacking and no value is further apart than the tolerance, whatever became of statuses."""
        return not self.lacking and self.largest <= tolerance


def apart(a: Results, b: Results, labels: Labels) -> Apart:
    """The largest absolute difference of any cell, facet, nested best or baseline of grids of the same name."""
    lacking: list[str] = []
    changed: list[str] = []
    found: list[tuple[float, str]] = []
    both = {one.grid.name for one in a.grids} & {one.grid.name for one in b.grids}
    theirs = {one.grid.name: one for one in b.grids}
    for one in a.grids:
        other = theirs.pop(one.grid.name, None)
        if other is None:
            lacking.append(f"grid {one.grid.name} is only in {labels[0]}")
        elif not comparable(one.grid, other.grid):
            lacking.append(f"grid {one.grid.name} holds other quantities, layers or positions in {labels[1]}")
        else:
            sides = {"a": labels[0], "b": labels[1]}
            lacking += [
                f"{what} {name} of {one.grid.name} is only in {sides[s]}" for what, name, s in unmatched(one, other)
            ]
            _of_cells(one, other, labels, found, (lacking, changed))
            _of_bests(one, other, labels, found, lacking)
    lacking += [f"grid {name} is only in {labels[1]}" for name in theirs]
    largest, where = max(found, key=lambda pair: pair[0], default=(0.0, ""))
    return Apart(largest, where, tuple(lacking), tuple(changed), len(found), len(both))


def _of_cells(
    a: GridResult, b: GridResult, labels: Labels, found: list[tuple[float, str]], told: tuple[list[str], list[str]]
) -> None:
    """Cells, and their maps of classes, heads and references; `told` takes what is lacking, then what changed."""
    lacking, changed = told
    one, other = a.grid, b.grid
    maps = {facet.name: facet for facet in other.facets}
    if set(maps) != {facet.name for facet in one.facets}:
        lacking.append(f"{one.name} has not the same further maps in both")
    for i, layer in enumerate(one.layers):
        for j, position in enumerate(one.positions):
            if layer not in other.layers or position not in other.positions:
                continue
            at = (other.layers.index(layer), other.positions.index(position))
            where = f"{one.name}, layer {layer} at {position}"
            _two(float(one.value[i, j]), float(other.value[at]), where, labels, found, lacking)
            statuses = str(one.status[i, j]), str(other.status[at])
            if statuses[0] != statuses[1] and math.isnan(one.value[i, j]) == math.isnan(other.value[at]):
                changed.append(
                    f"{where} is {_status(statuses[0])} in {labels[0]}, {_status(statuses[1])} in {labels[1]}"
                )
            for facet in one.facets:
                if facet.name in maps:
                    pair = float(facet.value[i, j]), float(maps[facet.name].value[at])
                    _two(*pair, f"{where}, {facet.label}", labels, found, lacking)


def _status(name: str) -> str:
    return name.replace("_", " ")


def _two(
    first: float, second: float, where: str, labels: Labels, found: list[tuple[float, str]], lacking: list[str]
) -> None:
    """Takes the difference of two numbers, or that only one of them is there; none of both is alike."""
    if math.isnan(first) != math.isnan(second):
        lacking.append(f"{where} has a value in {labels[math.isnan(first)]} only")
    elif not math.isnan(first):
        found.append((0.0 if first == second else abs(second - first), where))


def _of_bests(a: GridResult, b: GridResult, labels: Labels, found: list[tuple[float, str]], lacking: list[str]) -> None:
    """The nested best, that of each position, and every baseline."""
    one, other = dict(_bests(a)), dict(_bests(b))
    for name in dict.fromkeys([*one, *other]):
        where = f"{a.grid.name}, {name}"
        if name in one and name in other:
            _two(one[name], other[name], where, labels, found, lacking)
        else:
            lacking.append(f"{where} is only in {labels[0] if name in one else labels[1]}")


def _bests(result: GridResult) -> Iterator[Value]:
    if result.selection is not None:
        yield "nested best", result.selection.estimate.value
    for position, estimate in zip(result.grid.positions, result.by_position, strict=False):
        yield f"nested best of {position}", math.nan if estimate is None else estimate.value
    for baseline in result.baselines:
        estimate = baseline.estimate
        yield f"baseline {baseline.name}", math.nan if estimate is None else estimate.value
