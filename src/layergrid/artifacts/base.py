"""Array types and statuses that all artifacts share; they hold no data.

Who only reads a spec does without numpy: the artifacts import it where they compute.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Ints = npt.NDArray[np.integer[Any]]
    Bools = npt.NDArray[np.bool_]
    Strings = npt.NDArray[np.str_]
else:
    Floats = Ints = Bools = Strings = Any
Scalar = str | int | float | bool | None  # one entry of a data set's column or of a table
GridPoint = tuple[int, str]  # layer, position


class PositionStatus(StrEnum):
    """What became of one position in one example. Only `ok` counts unless a spec says otherwise."""

    OK = "ok"
    MISSING = "missing"  # the example has no such token (no exact answer found, nothing after the answer, no match)
    IN_PROMPT = "in_prompt"  # counted from the end, it reaches back into the prompt
    TRUNCATED = "truncated"  # the completion was cut at max_new_tokens, so its end is not the end
    COLLAPSED = "collapsed"  # it falls onto the token of another position (before_first onto last_q)


class CellStatus(StrEnum):
    """What became of one cell of a grid. A cell that is not `ok` or `boundary` holds NaN and a reason."""

    OK = "ok"
    BOUNDARY = "boundary"  # a value with a one-sided interval, because folds stand at 0 or 1
    MISSING = "missing"  # no example has this position
    ONE_CLASS = "one_class"  # all labels are equal
    TOO_FEW = "too_few"  # too few rows or groups of a class for the folds
    NOT_FINITE = "not_finite"  # some activations are NaN or infinite
    CONSTANT = "constant"  # the activations do not differ between examples
    NOT_CONVERGED = "not_converged"  # the solver did not reach its tolerance
    LACKING = "lacking"  # the model has no such part in this layer (no attention in a state-space block)
    REFERENCE = "reference"  # the cell compares something with itself
    NOT_ATTENDABLE = "not_attendable"  # the key comes after the query, so that no weight can fall on it


HAS_VALUE = frozenset({CellStatus.OK.value, CellStatus.BOUNDARY.value})
