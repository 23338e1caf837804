"""Runs tasks one after the other, in this process; it knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from layergrid.kinds import Executor


class Serial(Executor):
    """One task at a time."""

    kind: Literal["serial"] = "serial"

    def map(
        self, task: Callable[[Any, Callable[[Any], None]], Any], items: list[Any], hear: Callable[[Any], None]
    ) -> list[Any]:
        """The results, or the errors in their places."""
        results: list[Any] = []
        for item in items:
            try:
                results.append(task(item, hear))
            except Exception as error:  # whoever asked for the results sorts the errors out
                results.append(error)
        return results
