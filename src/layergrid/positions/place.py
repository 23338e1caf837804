"""Where one position stands in one sequence, and how characters become tokens; it knows no name of a position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from layergrid.artifacts import Ints, Positions, PositionStatus


class Place(NamedTuple):
    """Token indices [start, stop) with their status; -1, -1 where no token stands."""

    start: int
    stop: int
    status: PositionStatus


def absent(status: PositionStatus = PositionStatus.MISSING) -> Place:
    """No token, and why: `missing` where nothing else is known to be wrong."""
    return Place(-1, -1, PositionStatus.MISSING if status is PositionStatus.OK else status)


def one(index: int, status: PositionStatus = PositionStatus.OK) -> Place:
    """A single token."""
    return Place(index, index + 1, status)


def covering(offsets: Ints, start: int, stop: int) -> tuple[int, int] | None:
    """The shortest run of tokens [first, end) that covers characters [start, stop); None where none holds any of them.

    A character split over several tokens needs all of them; tokens that cover nothing are never an end of the run.
    """
    import numpy as np

    held = np.flatnonzero((offsets[:, 0] < stop) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0]))
    return (int(held[0]), int(held[-1]) + 1) if held.size and stop > start else None


def gathered(name: str, places: Sequence[Place]) -> Positions:
    """The positions of one name in N examples."""
    import numpy as np

    return Positions(
        names=(name,),
        start=np.array([[place.start] for place in places], dtype=np.int32).reshape(-1, 1),
        stop=np.array([[place.stop] for place in places], dtype=np.int32).reshape(-1, 1),
        status=np.array([[place.status.value] for place in places], dtype=np.str_).reshape(-1, 1),
    )
