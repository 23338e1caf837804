"""What fitting one cell gives; it knows neither how it was fitted nor what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from layergrid.artifacts import Floats
from layergrid.probes.solving import Array, Direction


@dataclass(frozen=True)
class CellFit:
    """The held-out scores of one cell, its penalty chosen inside each training fold."""

    status: str  # ok, constant, not_finite or not_converged
    reason: str  # why there are no scores
    scores: Floats  # float32 [T, m] of the judged rows; NaN where the status is not ok
    penalties: Array  # [K]: chosen inside the training rows of fold k; NaN where there is nothing to choose
    inner: Array  # [K]: the inner value of that penalty, by which cells are compared in fold k
    within: Floats  # float32 [K, n]: inner scores of the first column at that penalty; NaN outside of the inner rows
    unconverged: int  # fits that did not reach the tolerance
    null: Array = field(
        default_factory=lambda: np.empty(0)
    )  # [B + 1]: the metric of each relabelling, the true one first
    control: Floats | None = None  # float32 [draws, m]: scores of probes of the control task
    direction: Direction | None = None  # of the probe of all rows (of the training rows of a fixed split)
    penalty: float = float("nan")  # its penalty: the one that most folds chose, the stronger of equals
