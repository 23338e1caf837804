"""Tables without anything to find, and tables at the edges, from fixed seeds; for tests of words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import described
import edges
import edges_described
import synthetic
from layergrid.artifacts import Results

NAMES = (*synthetic.FIFTEEN, "A and B", "13", "the_correct", "x", "y", "z")


def given(value: np.ndarray, **changes: object) -> Results:
    quantity = replace(described.GIVEN, **changes) if changes else described.GIVEN
    layers, positions = tuple(range(value.shape[0])), NAMES[: value.shape[1]]
    return edges_described.of(edges_described.given(value, layers, positions, quantity, "noise"))


def noise(seed: int) -> Results:
    """Values in no order: uniform, normal, or rounded so that many are equal; of any size."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(3, 34)), int(rng.integers(1, 16))
    value = (rng.random(shape), rng.normal(size=shape), np.round(rng.random(shape), 1))[seed % 3]
    return given(value)


def _sparse(rng: np.random.Generator, share: float) -> np.ndarray:
    value = rng.random((9, 6))
    value[rng.random(value.shape) < share] = np.nan
    return value


def _holes(rng: np.random.Generator) -> np.ndarray:
    value = rng.random((12, 8))
    value[4:7], value[:, 2] = np.nan, np.nan
    return value


def odd(seed: int) -> Results:
    """The twenty tables at the edges, one for each number below 20."""
    rng = np.random.default_rng(1000 + seed)
    made = (
        lambda: np.full((6, 5), 0.5), lambda: np.zeros((4, 3)), lambda: rng.random((1, 8)), lambda: rng.random((8, 1)),
        lambda: rng.random((1, 1)), lambda: np.full((5, 4), np.nan), lambda: np.empty((0, 3)), lambda: np.empty((3, 0)),
        lambda: _holes(rng), lambda: _sparse(rng, 0.3), lambda: _sparse(rng, 0.9), lambda: 1e12 * rng.random((9, 5)),
        lambda: 1e-12 * rng.random((9, 5)), lambda: -rng.random((9, 5)), lambda: rng.normal(size=(33, 15)) * 1e5,
        lambda: np.round(rng.random((9, 9))), lambda: np.tile(rng.random((9, 1)), (1, 5)),
        lambda: np.tile(rng.random((1, 5)), (9, 1)), lambda: np.where(np.eye(8) > 0, 1.0, 0.0),
        lambda: rng.random((2, 2)),
    )  # fmt: skip
    return given(made[seed]())


def null(seed: int) -> Results:
    """A probe's grid of scores that tell nothing."""
    return edges.of(synthetic.grid_result(layers=6, n=150, strength=0.0, seed=seed))


FIFTY = {f"noise {k}": (lambda k=k: noise(k)) for k in range(24)}
FIFTY |= {f"odd {k}": (lambda k=k: odd(k)) for k in range(20)}
FIFTY |= {f"null {k}": (lambda k=k: null(k)) for k in range(6)}
