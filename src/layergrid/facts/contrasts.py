"""Facts of grids whose cells are differences of two classes: in how many cells, and on which side, zero is left out.

Intervals are those of single cells: how many would leave out zero if nothing differed is told beside, and no cell by
itself is claimed to differ.
"""

from __future__ import annotations

import numpy as np

from layergrid import text
from layergrid.artifacts import Bools
from layergrid.facts.best import cell, cell_forms
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import Index, View

SIDES = (("above", 1), ("below", -1))


def derive(view: View, ledger: Ledger) -> None:
    """Writes on which side of zero the intervals of single cells lie, of all cells and of each group."""
    if not view.grid.contrast or not view.ok.any():
        return
    one, other = words(view)
    ledger.name("contrast", text=f"{one} minus {other}", one=one, other=other)
    everywhere = np.ones_like(view.ok)
    if not view.bounded.any():
        _signs(view, ledger)
        return
    _sides(view, everywhere, "contrast", ledger)
    for group in view.groups:
        inside = np.zeros_like(view.ok)
        inside[:, group.columns] = True
        _sides(view, inside, f"group.{group.key}.contrast", ledger)
    _by_chance(view, ledger)
    for side, sign in SIDES:
        _farthest(view, side, sign, ledger)


def words(view: View) -> tuple[str, str]:
    """The two classes of a contrast, that from which the other is taken first."""
    one, _, other = view.grid.contrast.partition(" - ")
    return text.visible(one), text.visible(other or "the others")


def beyond(view: View, sign: int) -> Bools:
    """Cells whose interval lies on one side of zero, bool [L, P]."""
    with np.errstate(invalid="ignore"):
        return np.asarray(view.bounded & (view.grid.low > 0 if sign > 0 else view.grid.high < 0))


def _sides(view: View, inside: Bools, key: str, ledger: Ledger) -> None:
    """How many of some cells have an interval above zero, how many below, and in how many it holds zero."""
    n = int((view.bounded & inside).sum())
    if not n:
        return
    up, down = (int((beyond(view, sign) & inside).sum()) for _, sign in SIDES)
    counted = [f"above zero in {_of(up, n)}" if up else "", f"below zero in {_of(down, n)}" if down else ""]
    found = [part for part in counted if part]
    if not found:
        clause = f"holds zero in {_every(n)}"
    elif up + down == n and not (up and down):
        clause = f"lies {'above' if up else 'below'} zero in {_every(n)}"
    else:
        if len(found) == 2:
            found[1] = f"below zero in {text.words(down)}"
        clause = f"lies {text.listed(found)}"
    parts = [f"{text.count(k)} {side}" for k, side in ((up, "above"), (down, "below")) if k]
    forms = {
        "text": clause,
        "short": f"{text.listed(parts) or 'none on either side'} of {text.plural(n, 'cell')}",
        "off": f"{text.count(up + down)} of {text.count(n)}",
        "leaves": "leaves out zero",
        "none": "" if up + down else "none",
        "dots": _dotted(n - up - down),
    }
    cells = view.points([(int(i), int(j)) for i, j in np.argwhere((beyond(view, 1) | beyond(view, -1)) & inside)])
    relation = "above" if up > down else "below" if down else "cannot be told from"
    ledger.add(key if key != "contrast" else "contrast.sides", "sides of zero", forms, cells=cells, value=up + down,
               low=down, high=up, n=n, relation=relation)  # fmt: skip


def _of(k: int, n: int) -> str:
    return f"{text.words(k)} of the {text.words(n)} cells" if n > 1 else "the only cell"


def _dotted(n: int) -> str:
    """The cells that bear a dot, in a caption."""
    return f"the {text.words(n)} cells whose interval holds zero" if n > 1 else "the cell whose interval holds zero" * n


def _every(n: int) -> str:
    return "the only cell" if n == 1 else "both cells" if n == 2 else f"all {text.words(n)} cells"


def _by_chance(view: View, ledger: Ledger) -> None:
    """How many intervals would leave out zero if no cell differed: the share that the level leaves."""
    n = int(view.bounded.sum())
    expected = (1 - view.grid.level) * n
    shown = text.trimmed(expected, 1 if expected < 10 else 0)
    forms = {
        "text": f"about {shown} of {text.count(n)} would leave out zero by chance if no cell differed",
        "lone": "a lone cell whose interval leaves out zero is weak evidence",
    }
    ledger.add("contrast.chance", "expected", forms, value=expected, n=n)


def _farthest(view: View, side: str, sign: int, ledger: Ledger) -> None:
    """The cell farthest from zero among those whose interval lies on this side of it."""
    mask = beyond(view, sign)
    if not mask.any():
        return
    i, j = np.unravel_index(int(np.argmax(np.where(mask, sign * view.grid.value, -np.inf))), mask.shape)
    index: Index = (int(i), int(j))
    e = cell(view, index)
    layer, _ = view.point(index)
    more = words(view)[0 if sign > 0 else 1]
    forms = cell_forms(view, e) | {
        "where": f"{view.shown(index[1])} in {text.layers([layer])}",
        "more": _classes(view, index) or f"more for {more}",
    }
    key = f"contrast.{side}"
    ledger.add(key, "farthest", forms, cells=[view.point(index)], value=e.value, low=e.low, high=e.high, n=e.n,
               relation=side)  # fmt: skip


def _classes(view: View, index: Index) -> str:
    """What the cell is in each class: "9.4 for wrong answers, 8.8 for right answers"."""
    found = [f for f in view.grid.facets if f.role == "class" and np.isfinite(f.value[index])]
    return text.listed(
        f"{text.number(float(f.value[index]), view.digits)} for {text.visible(f.label)}" for f in found[:2]
    )


def _signs(view: View, ledger: Ledger) -> None:
    """Without intervals: how many differences are above zero and how many below."""
    values = view.grid.value[view.ok]
    up, down, n = int((values > 0).sum()), int((values < 0).sum()), int(values.size)
    parts = [f"above zero in {_of(up, n)}" if up else "", f"below zero in {_of(down, n)}" if down else ""]
    clause = f"lie {text.listed(p for p in parts if p)}" if up or down else f"are zero in {_every(n)}"
    ledger.add("contrast.signs", "signs", {"text": clause}, value=up, low=down, n=n)
