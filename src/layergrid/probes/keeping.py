"""Fitted cells as arrays and back, so that they outlive the process; it fits nothing and knows no folder.

Cells that follow one another are kept together, as many as were worth about a second: a part for every small cell would
cost more than the cell.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from layergrid.kinds import Shards
from layergrid.probes.fits import CellFit
from layergrid.probes.solving import Direction

Arrays = Mapping[str, np.ndarray[Any, Any]]

WORTH = 1.0  # seconds between two parts
_DIRECTION = "direction."
_WORDS = ("status", "reason")  # as bytes of UTF-8: NumPy's own strings lose a NUL at their end
_NUMBERS = {"unconverged": np.int64, "penalty": np.float64}


class Kept:
    """The cells of a grid that `shards` holds under a name, and those that are still to be fitted."""

    def __init__(self, shards: Shards, name: str, cells: int) -> None:
        """Reads what is there of `cells` cells."""
        self.shards, self.name, self.cells = shards, name, cells
        self.found: dict[int, CellFit] = {}
        cell = 0
        while cell < cells:
            part = shards.get(self._part(cell))
            fits = [] if part is None else _group(part)
            self.found |= dict(enumerate(fits, start=cell))
            cell += max(1, len(fits))

    @property
    def missing(self) -> list[int]:
        """The cells that are not there, in order."""
        return [cell for cell in range(self.cells) if cell not in self.found]

    def filled(self, fits: Iterable[CellFit]) -> Iterator[CellFit]:
        """All cells in order; `fits` are those of the missing ones, which are kept as they come."""
        fresh, waiting = iter(fits), list[CellFit]()
        before = time.monotonic()
        for cell in range(self.cells):
            if cell in self.found:
                before = self._put(cell, waiting)
                yield self.found[cell]
                continue
            fit = laid_out(next(fresh))
            waiting.append(fit)
            if time.monotonic() - before >= WORTH:
                before = self._put(cell + 1, waiting)
            yield fit
        self._put(self.cells, waiting)

    def _put(self, stop: int, waiting: list[CellFit]) -> float:
        """Keeps the cells before `stop` that wait, and says when."""
        if waiting:
            self.shards.put(self._part(stop - len(waiting)), _joined(waiting))
            waiting.clear()
        return time.monotonic()

    def _part(self, first: int) -> str:
        return f"{self.name}-{first}"


def laid_out(fit: CellFit) -> CellFit:
    """The same with each array in C order, as it comes back: sums of other orders differ in their last digits."""
    return unpacked(packed(fit))


def packed(fit: CellFit) -> dict[str, np.ndarray[Any, Any]]:
    """A fit as arrays by the names of its fields; what is None has no array."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for one in fields(fit):
        value = getattr(fit, one.name)
        if one.name in _WORDS:
            arrays[one.name] = np.frombuffer(value.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        elif one.name in _NUMBERS:
            arrays[one.name] = np.array(value, dtype=_NUMBERS[one.name])
        elif isinstance(value, Direction):
            arrays |= {f"{_DIRECTION}{part.name}": np.asarray(getattr(value, part.name)) for part in fields(value)}
        elif value is not None:
            arrays[one.name] = value
    return {name: np.ascontiguousarray(one).reshape(np.shape(one)) for name, one in arrays.items()}


def unpacked(arrays: Arrays) -> CellFit:
    """The fit that `packed` made these arrays of."""
    whole: dict[str, Any] = {name: one for name, one in arrays.items() if not name.startswith(_DIRECTION)}
    whole |= {name: arrays[name].tobytes().decode("utf-8", "surrogatepass") for name in _WORDS}
    whole |= {name: arrays[name].item() for name in _NUMBERS}
    parts = {name.removeprefix(_DIRECTION): one for name, one in arrays.items() if name.startswith(_DIRECTION)}
    if parts:
        whole["direction"] = Direction(parts["weights"], parts["intercept"].item(), parts["converged"].item())
    return CellFit(**whole)


def _joined(fits: Sequence[CellFit]) -> dict[str, np.ndarray[Any, Any]]:
    return {f"{i}.{name}": one for i, fit in enumerate(fits) for name, one in packed(fit).items()}


def _group(part: Arrays) -> list[CellFit]:
    cells: dict[int, dict[str, np.ndarray[Any, Any]]] = {}
    for name, one in part.items():
        number, _, field = name.partition(".")
        cells.setdefault(int(number), {})[field] = one
    return [unpacked(cells[i]) for i in range(len(cells))]
