"""What keeps parts of a result while it is made, so that a stage can go on from them; it knows no folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Shards(Protocol):
    """Parts of a result that is being made, which survive the end of the process: each is whole or not there.

    A name stands for one computation, such as one batch: whoever takes a part must make the same of it every time.
    """

    def get(self, name: str) -> Mapping[str, np.ndarray[Any, Any]] | None:
        """The arrays of a part that an earlier run put there, byte for byte; None where there is none."""

    def put(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Keeps the arrays of a part. A disk that is full raises OSError."""


class NoShards:
    """Keeps nothing: what is interrupted starts again."""

    def get(self, name: str) -> Mapping[str, np.ndarray[Any, Any]] | None:  # noqa: ARG002 - the protocol's name
        """None."""
        return None

    def put(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Nothing."""
