"""Facts of single heads beside the map that joins them: which is highest where, and how far they differ."""

from __future__ import annotations

from collections import Counter

import numpy as np

from layergrid import text
from layergrid.artifacts import Facet
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import Index, View

JOINED = {"mean": "are means over heads", "max": "are the highest over heads"}


def derive(view: View, ledger: Ledger) -> None:
    """Writes how heads are joined, the highest value of a single head, and the range over heads at the highest cell."""
    if view.grid.head:
        shown = JOINED.get(view.grid.head, f"are of head {text.visible(view.grid.head)}")
        ledger.add("head", "setting", {"text": shown})
    heads = [f for f in view.grid.facets if f.role == "head"]
    if len(heads) < 2 or not any(np.isfinite(f.value).any() for f in heads):
        return
    values = np.stack([f.value for f in heads])
    ledger.add("heads", "size", {"text": text.counted(len(heads), "head")}, value=len(heads))
    _highest(view, heads, values, ledger)
    _leading(view, heads, values, ledger)
    if view.named:
        _spread(view, heads, values, view.peaks[0], ledger)


def _highest(view: View, heads: list[Facet], values: np.ndarray, ledger: Ledger) -> None:
    """The highest value that a single head has, where only one has it."""
    top = np.nanmax(view.sign * values)
    found = np.argwhere(view.sign * values == top)
    if len(found) > 1:
        return
    h, i, j = (int(x) for x in found[0])
    low, high = float(heads[h].low[i, j]), float(heads[h].high[i, j])
    shown = text.estimate(float(values[h, i, j]), low, high, view.digits)
    forms = {
        "text": shown,
        "head": text.visible(heads[h].label),
        "where": f"{view.shown(j)} in {text.layers([view.grid.layers[i]])}",
        "the": f"the {view.extreme} value of a single head",
        "The": f"The {view.extreme} value of a single head",
    }
    ledger.add("heads.highest", "heads", forms, cells=[view.point((i, j))], value=float(values[h, i, j]), low=low,
               high=high, relation=view.extreme)  # fmt: skip


def _leading(view: View, heads: list[Facet], values: np.ndarray, ledger: Ledger) -> None:
    """The head that is the highest in more than half of the cells, where there is one."""
    cells = [(int(i), int(j)) for i, j in np.argwhere(np.isfinite(values).all(axis=0))]
    led: Counter[int] = Counter()
    for i, j in cells:
        here = view.sign * values[:, i, j]
        first = np.flatnonzero(here == here.max())
        if len(first) == 1:
            led[int(first[0])] += 1
    if not led or len(cells) < 2:
        return
    h, k = led.most_common(1)[0]
    if 2 * k <= len(cells):
        return
    label = text.visible(heads[h].label)
    clause = f"{label} has the {view.extreme} value in {text.words(k)} of the {text.words(len(cells))} cells"
    if k == len(cells):
        clause = f"{label} has the {view.extreme} value in every cell"
    ledger.add("heads.leading", "heads", {"text": clause, "Text": text.capital(clause)}, value=k, n=len(cells),
               relation=view.extreme)  # fmt: skip


def _spread(view: View, heads: list[Facet], values: np.ndarray, index: Index, ledger: Ledger) -> None:
    """The range over heads at one cell."""
    here = values[(slice(None), *index)]
    if not np.isfinite(here).all() or here.min() == here.max():
        return
    low, high = int(np.argmin(here)), int(np.argmax(here))
    a, b = (text.number(float(here[h]), view.digits) for h in (low, high))
    first, last = (text.visible(heads[h].label) for h in (low, high))
    clause = f"single heads lie between {a} ({first}) and {b} ({last})"
    ledger.add("heads.spread", "range", {"text": clause}, cells=[view.point(index)], low=float(here[low]),
               high=float(here[high]), n=len(heads))  # fmt: skip
