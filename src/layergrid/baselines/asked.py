"""The model's own word on its answer as a score, with its sign fixed in advance; how it was asked is not known here."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.stats import Array
from layergrid.text import plural

LABEL = "P(True), the model asked whether its own answer is right"
SIGN = "lower P(True) counts as wrong"
NOT_ASKED = "the model was not asked"


def p_true_scores(values: Floats | None, reason: str, rows: Ints) -> Array | str:
    """Wrongness float64 [n], higher where the model doubts its answer; or why these rows cannot be compared by it."""
    if values is None:
        return NOT_ASKED
    found = -np.asarray(values, dtype=np.float64)[rows]
    missing = int(np.count_nonzero(~np.isfinite(found)))
    if missing:
        have = "has" if missing == 1 else "have"
        return f"{missing} of {plural(len(found), 'example')} {have} no value" + (f": {reason}" if reason else "")
    return "the value is the same in all examples" if len(found) and np.ptp(found) == 0 else found
