"""Scores of the three probes (logistic, ridge, difference of means) from one solver; it knows no fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from layergrid.artifacts import Bools, Floats, Ints
from layergrid.probes.solving import Solver, Targets, Task

Probe = Literal["logistic", "ridge", "mean_difference"]
Job = tuple[Ints, Ints]  # training rows, rows to score


@dataclass(frozen=True)
class Fitter:
    """The probes of one cell for T columns of targets."""

    features: Floats  # [n, d]
    solver: Solver
    columns: Targets  # [T, n]: bool, or float for ridge
    probe: Probe

    def penalties(self, wanted: Sequence[float]) -> Sequence[float]:
        """The penalties that make a difference: a difference of means has none."""
        return (float("nan"),) if self.probe == "mean_difference" else wanted

    def scores(self, jobs: Sequence[Job], penalties: Sequence[float]) -> list[tuple[Floats, Bools]]:
        """Of each job scores float32 [R, T, t], and whether all T fits of a penalty converged, bool [R]."""
        if self.probe == "logistic":
            return self._logistic(jobs, penalties)
        linear = self._ridge if self.probe == "ridge" else self._difference
        found = [linear(*job, penalties) for job in jobs]
        return [(one, np.asarray(np.isfinite(one).all(axis=(1, 2)))) for one in found]

    def _logistic(self, jobs: Sequence[Job], penalties: Sequence[float]) -> list[tuple[Floats, Bools]]:
        tasks = [Task(train, test, column) for train, test in jobs for column in self.columns]
        solved, t = self.solver.paths(tasks, penalties), len(self.columns)
        groups = [solved[i : i + t] for i in range(0, len(solved), t)]
        return [
            (np.stack([s.scores for s in group], axis=1), np.logical_and.reduce([s.converged for s in group]))
            for group in groups
        ]

    def _ridge(self, train: Ints, test: Ints, penalties: Sequence[float]) -> Floats:
        targets = self.columns[:, train].astype(np.float32)
        return np.stack([targets @ self.hat(train, test, penalty).T for penalty in penalties])

    def hat(self, train: Ints, test: Ints, penalty: float) -> Floats:
        """The solver's ridge matrix [t, m]; NaN where the ridge is too weak for a factor."""
        try:
            return self.solver.hat(train, test, penalty)
        except np.linalg.LinAlgError:
            return np.full((len(test), len(train)), np.nan, dtype=np.float32)

    def _difference(self, train: Ints, test: Ints, _: Sequence[float]) -> Floats:
        found = [self.solver.direction(train, column, 0.0, "mean_difference") for column in self.columns]
        weights = np.stack([one.weights for one in found])
        levels = np.array([[one.intercept] for one in found])
        return np.asarray((weights @ self.features[test].T.astype(np.float64) + levels)[None], dtype=np.float32)

    def relabelled(self, train: Ints, test: Ints, labels: Bools, penalty: float) -> tuple[Floats, Bools]:
        """Scores float32 [B, t] of many labellings [B, n] by the same probe, and which converged."""
        if self.probe == "logistic":
            return self.solver.relabelled(train, test, labels, penalty)
        other = Fitter(self.features, self.solver, labels, self.probe)
        ((scores, converged),) = other.scores([(train, test)], [penalty])
        return scores[0], np.broadcast_to(converged, len(labels))
