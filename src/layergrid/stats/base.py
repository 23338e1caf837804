"""Arrays of the statistics and what all of them use; it knows no estimate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Ints

Array = npt.NDArray[np.float64]
NAN = float("nan")


def codes_of(groups: Ints) -> tuple[Ints, int]:
    """Groups numbered from 0, int [n], and how many there are."""
    names, codes = np.unique(groups, return_inverse=True)
    return codes, len(names)
