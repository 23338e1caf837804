"""Facts of single classes beside the map that joins them: what each reaches where the grid is highest; no contrast.

A map of a class holds the AUROC of that class against the rest, whatever the measure of the grid.
"""

from __future__ import annotations

import math

from layergrid import text
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

NAMED = 6  # classes that a caption names


def derive(view: View, ledger: Ledger) -> None:
    """Writes which classes have maps of their own, and their range at the highest cell."""
    facets = [f for f in view.grid.facets if f.role == "class"]
    if view.grid.contrast or len(facets) < 2:
        return
    names = [text.visible(f.name) for f in facets]
    listed = text.listed(names) if len(names) <= NAMED else text.counted(len(names), "class", "classes")
    ledger.add("classes", "size", {"text": listed}, value=len(names))
    if not view.named:
        return
    values = [float(f.value[view.peaks[0]]) for f in facets]
    if not all(map(math.isfinite, values)) or min(values) == max(values):
        return
    low, high = values.index(min(values)), values.index(max(values))
    a, b = (text.number(values[k], view.digits) for k in (low, high))
    clause = f"single classes against the rest lie between AUROC {a} ({names[low]}) and {b} ({names[high]})"
    ledger.add("classes.spread", "range", {"text": clause, "Text": text.capital(clause)},
               cells=view.points(view.peaks[:1]), low=values[low], high=values[high], n=len(values))  # fmt: skip
