"""What a solver of probes is asked, and what it answers; how it solves is its own affair.

A solver holds the features of one cell, prepared once; training sets, penalties and relabellings share that work. The
features of all solvers are divided by their standard deviations over all rows of the cell, which no label enters.
A logistic probe minimises (1/n) sum of log-losses + penalty / 2 |w|^2 over the n training rows, its intercept free
(glmnet's convention; scikit-learn's C is 1 / (n penalty)); a ridge probe the same with half the squared errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Bools, Floats, Ints

Array = npt.NDArray[np.float64]
Targets = npt.NDArray[Any]  # bool, codes of classes, or numbers


@dataclass(frozen=True)
class Task:
    """One training set of a cell and the rows that it is scored on."""

    train: Ints  # int [m]: row numbers
    test: Ints  # int [t]: row numbers
    y: Bools  # bool [n], of all rows of the cell: True is the positive class


@dataclass(frozen=True)
class Solution:
    """The logistic probes of one task, one a penalty, in the order in which the penalties were given."""

    scores: Floats  # float32 [R, t]: log-odds of the test rows
    converged: Bools  # bool [R]: the stated tolerance was reached
    steps: Ints  # int [R]: Newton steps


@dataclass(frozen=True)
class Direction:
    """One probe in units of the features as given."""

    weights: Array  # [d]
    intercept: float
    converged: bool = True


class Solver(Protocol):
    """The probes of one cell's features [n, d]."""

    def paths(self, tasks: Sequence[Task], penalties: Sequence[float]) -> list[Solution]:
        """Logistic probes of every task at every penalty."""

    def relabelled(self, train: Ints, test: Ints, y: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Logistic probes of many labellings `y` [B, n] at once: scores float32 [B, t], converged [B]."""

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """The matrix float32 [t, m] that makes ridge predictions of the test rows from any training targets [m].

        The intercept is free, so that its rows sum to 1.
        """

    def direction(self, train: Ints, y: Floats, penalty: float, probe: str) -> Direction:
        """One `probe` (logistic, ridge, mean_difference) of targets `y` [n], bool or float."""
