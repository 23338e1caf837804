"""Fitted directions at work: applied to other activations, and compared with each other; it knows no file."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Directions, Floats


def scores(directions: Directions, values: Floats) -> Floats:
    """Scores float32 [L, P, N] of activations [L, P, N, D] of the same layers, positions and width, by each probe.

    Log-odds of a logistic probe, predictions of a ridge probe; NaN where a cell has no direction. Raises ValueError
    where the shapes do not fit.
    """
    weights = directions.weights
    if np.ndim(values) != 4 or (*np.shape(values)[:2], np.shape(values)[3]) != weights.shape:
        raise ValueError(
            f"directions of shape {weights.shape} (L, P, D) read activations [L, P, N, D], not {np.shape(values)}"
        )
    found = np.empty(np.shape(values)[:3], dtype=np.float32)
    for i, j in np.ndindex(found.shape[:2]):
        found[i, j] = np.asarray(values[i, j], dtype=np.float32) @ weights[i, j] + directions.intercepts[i, j]
    return found


def cosines(directions: Directions) -> Floats:
    """Cosine similarity float64 [L, P, L, P] of the directions of every two cells; NaN where one has none."""
    weights = directions.weights.astype(np.float64)
    lengths = np.linalg.norm(weights, axis=-1, keepdims=True)
    unit = weights / np.where(lengths > 0, lengths, np.nan)
    layers, positions, width = unit.shape
    flat = unit.reshape(-1, width)
    found = np.clip(flat @ flat.T, -1.0, 1.0).reshape(layers, positions, layers, positions)
    return np.asarray(found)
