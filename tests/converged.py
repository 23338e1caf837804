"""What probes are held against: folds, features scaled as all solvers scale them, and the objective itself."""

from __future__ import annotations

import numpy as np

from layergrid.probes.solving import Task


def folds(y: np.ndarray, k: int = 4) -> list[Task]:
    """Each k-th row held out."""
    place = np.arange(len(y)) % k
    return [Task(np.flatnonzero(place != one), np.flatnonzero(place == one), y) for one in range(k)]


def scaled(x: np.ndarray) -> np.ndarray:
    """Features divided by their standard deviations over all rows, constant ones 0."""
    x = x.astype(np.float64)
    spread = np.where(np.ptp(x, axis=0) == 0, np.inf, x.std(axis=0))
    return (x - x.mean(axis=0)) / spread


def loss(z: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, penalty: float) -> float:
    margins = np.where(y, 1, -1) * (z @ w + b)
    return float(np.logaddexp(0, -margins).mean() + penalty / 2 * w @ w)
