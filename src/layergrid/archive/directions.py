"""Fitted directions as a safetensors file, to be applied by other programs; it knows no probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layergrid.archive.documents import AGAIN, foreign
from layergrid.artifacts import Directions, Floats, Grid
from layergrid.kinds import BadInput

NAMES = ("intercepts", "penalties", "weights")


def write_directions(directions: Directions, path: Path) -> None:
    """Writes the tensors `weights` [L, P, D], `intercepts` and `penalties` [L, P]; equal ones give equal bytes."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(getattr(directions, name)) for name in NAMES}, path)


def read_directions(grid: Grid, path: Path) -> Directions:
    """The directions of a grid, from their file. Raises BadInput where it is not theirs."""
    found = _tensors(path)
    shape = (len(grid.layers), len(grid.positions))
    fits = sorted(found) == list(NAMES) and all(
        values.dtype.kind == "f" and values.shape[:2] == shape and values.ndim == 2 + (name == "weights")
        for name, values in found.items()
    )
    if not fits:
        foreign(path, "has not the weights, the intercept and the penalty of each cell of its grid")
    return Directions(found["weights"], found["intercepts"], found["penalties"])


def _tensors(path: Path) -> dict[str, Floats]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise BadInput(f"{path}: is missing; {AGAIN}")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise BadInput(f"{path}: is damaged or no safetensors file ({first}); {AGAIN}") from error
