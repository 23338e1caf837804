"""Facts of what a grid is set beside: how its cells compare with a reference that is no finding (mismatched examples).

A value is high only beside what it would be without what is looked for, so that these come before any superlative.
"""

from __future__ import annotations

import math

import numpy as np

from layergrid import text
from layergrid.artifacts import Facet
from layergrid.facts.best import cell
from layergrid.facts.ledger import Ledger, against_zero, difference_forms, estimate_forms
from layergrid.facts.view import Index, View

RELATIONS = ("above", "cannot be told from", "below")


def derive(view: View, ledger: Ledger) -> None:
    """Writes, for each reference, in how many cells the paired difference lies above it, and the widest gap."""
    for facet in view.grid.facets:
        if facet.role == "reference":
            key = f"reference.{text.slug(facet.name)}"
            ledger.name(key, label=view.reference(facet))
            (_compared if _rows(view, facet) else _ordered)(view, facet, key, ledger)
            _at_highest(view, facet, key, ledger)


def _rows(view: View, facet: Facet) -> bool:
    return view.pairs is not None and facet.name in view.pairs.measured.facets


def _cells(view: View, facet: Facet) -> list[Index]:
    """Cells that have a value here and in the reference."""
    return [(int(i), int(j)) for i, j in np.argwhere(view.ok & np.isfinite(facet.value))]


def _compared(view: View, facet: Facet, key: str, ledger: Ledger) -> None:
    """How many cells stand above, below or neither, by the interval of the paired difference; the widest of each."""
    found: dict[str, list[tuple[float, Index]]] = {relation: [] for relation in RELATIONS}
    for index in _cells(view, facet):
        gap = view.beside(index, facet.name)
        if gap is not None and (relation := against_zero(gap.low, gap.high)):
            found[relation].append((gap.value, index))
    n = sum(map(len, found.values()))
    if not n:
        return
    for relation in RELATIONS:
        hits = found[relation]
        name = relation.split(" ", 1)[0]
        clause = _share(len(hits), n, f"{relation} ") if relation != "cannot be told from" else _untold(len(hits), n)
        forms = {"text": clause, "Text": text.capital(clause), "word": relation, "of": _of(len(hits), n)}
        verb = "" if relation == "cannot be told from" else "stands " if len(hits) == 1 else "stand "
        every = "it" if n == 1 else "both" if n == 2 else f"all {text.words(n)}"
        forms["more"] = f"{every if len(hits) == n else text.words(len(hits))} {verb}{relation} it"
        if n == 1 and relation == "cannot be told from":
            forms["more"] = "the two cannot be told apart"
        cells = view.points([index for _, index in hits])
        ledger.add(f"{key}.{name}", "paired references", forms, cells=cells, value=len(hits), n=n, relation=relation,
                   of=[key])  # fmt: skip
        if hits and relation != "cannot be told from":
            widest = max(hits, key=lambda one: abs(one[0]))[1]
            _gap(view, facet, widest, f"{key}.{name}.widest", ledger)


def _share(k: int, n: int, relation: str) -> str:
    """How many of n cells stand so: "three of the nine cells stand above"."""
    if n == 1:
        return f"the only cell {'stands' if k else 'does not stand'} {relation}".rstrip()
    if k == 0:
        return f"{'neither of the two' if n == 2 else f'none of the {text.words(n)}'} cells stands {relation}".rstrip()
    if k == n:
        return f"{'both' if n == 2 else f'all {text.words(n)}'} cells stand {relation}".rstrip()
    return f"{text.words(k)} of the {text.words(n)} cells {'stands' if k == 1 else 'stand'} {relation}".rstrip()


def _untold(k: int, n: int) -> str:
    return f"{text.words(k)} of the {text.words(n)} cells cannot be told from" if n > 1 else "it cannot be told from"


def _of(k: int, n: int) -> str:
    return f"{text.count(k)} of {text.count(n)}"


def _gap(view: View, facet: Facet, index: Index, key: str, ledger: Ledger) -> None:
    """One cell beside the reference, paired on the rows."""
    gap = view.beside(index, facet.name)
    if gap is None or not math.isfinite(gap.low):
        return
    relation = against_zero(gap.low, gap.high)
    forms = difference_forms(gap.value, gap.low, gap.high, view.finer(gap.low, gap.high))
    clause = f"{forms['text']} {relation}" if relation != "cannot be told from" else relation
    forms |= {
        "relation": clause,
        "value": text.number(float(view.grid.value[index]), view.digits),
        "beside": text.number(float(facet.value[index]), view.digits),
        "where": f"{view.shown(index[1])} in {text.layers([view.grid.layers[index[0]]])}",
    }
    ledger.add(key, "paired reference", forms, cells=[view.point(index)], value=gap.value, low=gap.low, high=gap.high,
               n=int(view.grid.n[index]), relation=relation)  # fmt: skip


def _ordered(view: View, facet: Facet, key: str, ledger: Ledger) -> None:
    """Without rows: how many values lie above those of the reference, and no word on how sure that is."""
    cells = _cells(view, facet)
    hits = [index for index in cells if view.grid.value[index] > facet.value[index]]
    if cells:
        clause = _share(len(hits), len(cells), "above")
        forms = {"text": clause, "Text": text.capital(clause), "of": _of(len(hits), len(cells)), "word": "above"}
        ledger.add(f"{key}.values", "values", forms, cells=view.points(hits), value=len(hits), n=len(cells))


def _at_highest(view: View, facet: Facet, key: str, ledger: Ledger) -> None:
    """What the reference is where the grid is highest."""
    if not view.named or len(view.peaks) > 1 or not np.isfinite(facet.value[view.peaks[0]]):
        return  # of equal cells each stands beside a value of its own
    index = view.peaks[0]
    low, high = (float(a[index]) for a in (facet.low, facet.high))
    e = cell(view, index)
    there = estimate_forms(type(e)(float(facet.value[index]), low, high, e.level, e.n), view.digits)
    ledger.add(f"{key}.there", "reference", there, cells=[view.point(index)], value=float(facet.value[index]),
               low=low, high=high, of=["highest"])  # fmt: skip
    if _rows(view, facet):
        _gap(view, facet, index, f"{key}.gap", ledger)
