"""What a check finds: problems with their places, and how much was looked at; it checks nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from layergrid import text


@dataclass(frozen=True)
class Problem:
    """One thing that does not agree."""

    where: str  # "grids/errors.parquet", "report.html, line 120"
    message: str


@dataclass(frozen=True)
class Verified:
    """What was checked in a report, and what did not agree."""

    problems: tuple[Problem, ...]
    counts: Mapping[str, int]  # things -> how many were checked

    @property
    def sentence(self) -> str:
        """One line for a terminal."""
        looked = text.listed(text.plural(n, thing) for thing, n in self.counts.items() if n)
        if not self.problems:
            return f"{looked or 'nothing'} checked, all agree"
        return f"{looked or 'nothing'} checked, {text.plural(len(self.problems), 'problem')}"


class Notes:
    """Collects problems and counts while a report is checked."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()

    def wrong(self, where: str, message: str) -> None:
        """Notes a problem, once."""
        problem = Problem(where, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def done(self) -> Verified:
        """All that was noted."""
        return Verified(tuple(self.problems), dict(self.counts))
