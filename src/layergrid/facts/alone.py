"""Facts of what each position reaches alone, its layer chosen inside the folds; they know no single cell.

These compare positions without the optimism of their highest cells, which the rows themselves pick.
"""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import Estimate
from layergrid.facts.ledger import Ledger, against_zero, difference_forms, estimate_forms
from layergrid.facts.view import View

GAPS = "paired difference of positions"  # the rule of the gaps below the best position


def derive(view: View, ledger: Ledger) -> None:
    """Writes the nested value of each position, the best of them, and how far the others stand from it."""
    found = estimates(view)
    for j, e in found.items():
        forms = estimate_forms(e, view.digits) | {"position": view.shown(j)}
        forms["valued"] = f"{view.shown(j)} ({forms['text']})"
        chance = view.grid.quantity.chance
        relation = against_zero(e.low - chance, e.high - chance) if chance is not None else ""
        ledger.add(key(view, j), "nested position", forms, value=e.value, low=e.low, high=e.high, n=e.n,
                   relation=relation)  # fmt: skip
    top = best(view)
    if top is None:
        return
    loud = [j for j in found if view.peak([j]) is not None]
    above = " with a cell above chance" if len(loud) < len(found) else ""
    forms = {
        "position": view.shown(top),
        "optimistic": f"it is the highest of {text.counted(len(loud), view.noun)}{above} on these rows",
    }
    ledger.add("positions.best", "best position", forms, value=found[top].value, n=len(loud), of=[key(view, top)])
    for j in found:
        if j != top:
            _gap(view, j, top, ledger)


def key(view: View, j: int) -> str:
    """The key of a position's nested value."""
    return f"at.{text.slug(view.grid.positions[j])}.nested"


def estimates(view: View) -> dict[int, Estimate]:
    """The nested value of each position that has one, of those that are spoken of."""
    every = view.result.by_position
    if len(every) != len(view.grid.positions):
        return {}
    found = {j: every[j] for j in view.spoken}
    return {j: e for j, e in found.items() if e is not None and math.isfinite(e.value)}


def best(view: View) -> int | None:
    """The position with the highest nested value of those with a cell that is not inside the noise.

    None where chance could be its value, or where there is a single position.
    """
    every = estimates(view)
    found = {j: e for j, e in every.items() if view.peak([j]) is not None}
    if len(every) < 2 or not found or view.silent:
        return None
    top = max(found, key=lambda j: (view.sign * found[j].value, -j))
    chance, e = view.grid.quantity.chance, found[top]
    clear = chance is None or (math.isfinite(e.low) and e.low > chance)
    return top if clear else None


def difference(view: View, j: int, top: int) -> Estimate | None:
    """The nested value of a position less that of another, paired on the rows."""
    held = view.result.held_out
    if held is None or held.by_position is None:
        return None
    gap = view.gap(held.by_position[j], held.by_position[top])
    return None if gap is None else Estimate(gap.value, gap.low, gap.high, view.grid.level, len(held.example_ids))


def _gap(view: View, j: int, top: int, ledger: Ledger) -> None:
    gap = difference(view, j, top)
    if gap is None or not (relation := against_zero(gap.low, gap.high)):
        return
    forms = difference_forms(gap.value, gap.low, gap.high, view.digits) | {"word": relation}
    forms["relation"] = f"{forms['text']} {relation}" if relation != "cannot be told from" else relation
    n = int(view.grid.n[view.ok].max()) if view.ok.any() else gap.n
    ledger.add(f"{key(view, j)}.gap", GAPS, forms, value=gap.value, low=gap.low, high=gap.high, n=n, relation=relation,
               of=[key(view, j), key(view, top)])  # fmt: skip
