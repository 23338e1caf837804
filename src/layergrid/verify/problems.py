"""What a check finds: problems with their places, and how much was looked at; it checks nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from layergrid import text

RESULTS = "results/results.json"
UNKEPT = "given cells are compared between the files alone, as no rows were kept that they follow from"
ADDED = "what own templates add to the text is not checked"
OWN = "own template"  # a template of the user's that took part
COMPARED = "comparison row"  # of a table of what two reports have in common
UNCOMPARED = (
    "what a comparison says of whole reports (specs, seeds, cards, libraries, expectations, the count of other facts, "
    "grids that only one has) is not recomputed, as these are not kept"
)
GIVEN = "given cell"  # a cell that follows from no rows that were kept


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
        end = "all agree" if not self.problems else text.plural(len(self.problems), "problem")
        given = "" if not self.counts.get(GIVEN) else f"; {UNKEPT}"
        given += "" if not self.counts.get(OWN) else f"; {ADDED}"
        given += "" if not self.counts.get(COMPARED) else f"; {UNCOMPARED}"
        return f"{looked or 'nothing'} checked, {end}{given}"


class Notes:
    """Collects problems and counts while a report is checked."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self.counts: Counter[str] = Counter()

    def wrong(self, where: str, message: str) -> None:
        """Notes a problem, once."""
        self._found[Problem(where, message)] = None

    def done(self) -> Verified:
        """All that was noted."""
        return Verified(tuple(self._found), dict(self.counts))
