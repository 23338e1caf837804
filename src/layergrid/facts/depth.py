"""Facts of where along the layers values stand: ranges by depth, and which position leads in which layer.

They hold of the values as they are; whether others of the same sort would do likewise is not theirs to say.
"""

from __future__ import annotations

import numpy as np

from layergrid import text
from layergrid.facts.ledger import Ledger, against_zero
from layergrid.facts.view import Index, View

PARTS = 3  # parts of the depth whose ranges are told
LEAST = 6  # layers that this needs
LEADERS = 3  # leading positions, or sets of them, that are named
RUNS = 4  # runs of layers that are told one by one
TOGETHER = 3  # positions that lead a layer together and are named


def derive(view: View, ledger: Ledger) -> None:
    """Writes the ranges by depth and the leaders of grids that describe."""
    if not view.described or not view.ok.any() or view.constant:
        return
    rows = [i for i in range(len(view.grid.layers)) if view.ok[i].any()]
    if len(rows) >= LEAST:
        _parts(view, rows, ledger)
    if not view.grid.contrast and len(view.grid.positions) > 1 and len(rows) > 1:
        _leaders(view, rows, ledger)


def _parts(view: View, rows: list[int], ledger: Ledger) -> None:
    """The range of values in the first, the middle and the last third of the layers."""
    for number, part in enumerate(np.array_split(np.array(rows), PARTS)):
        inside = np.zeros_like(view.ok)
        inside[part] = view.ok[part]
        values = view.grid.value[inside]
        low, high = float(values.min()), float(values.max())
        layers = text.layers([view.grid.layers[int(i)] for i in part])
        a, b = (text.number(v, view.digits) for v in (low, high))
        clause = f"between {a} and {b}" if a != b else f"at {a}"
        forms = {"text": f"{clause} in {layers}"}
        ends = (np.where(inside, view.grid.value, np.inf).argmin(), np.where(inside, view.grid.value, -np.inf).argmax())
        cells = [view.point(divmod(int(k), inside.shape[1])) for k in dict.fromkeys(ends)]
        ledger.add(f"depth.{number}", "range", forms, cells=cells, low=low, high=high, n=int(values.size))


def _leaders(view: View, rows: list[int], ledger: Ledger) -> None:
    """Which position holds the highest value of each layer, by how many layers it leads.

    Where cells can be compared, a layer counts only if its highest can be told from the next by a paired interval.
    """
    led: dict[tuple[int, ...], list[int]] = {}
    view.compare(couple for i in rows if (couple := _next(view, i)) is not None)
    for i in rows:
        if first := _first(view, i):
            led.setdefault(first, []).append(i)
    named = sorted((c for c in led if len(c) <= TOGETHER), key=lambda c: (-len(led[c]), led[c][0]))[:LEADERS]
    if not named or (not view.paired and 2 * sum(len(led[c]) for c in named) < len(rows)):
        return  # of most layers it would say nothing
    named.sort(key=lambda columns: led[columns][0])
    names = {c: text.listed(view.shown(j) for j in c) for c in named}
    parts = [f"{names[c]} in {_where(view, led[c])}" for c in named]
    told = sum(len(led[c]) for c in named)
    joint = (text.listed if all(len(c) == 1 for c in named) else "; ".join)(parts)
    clause = f"the {view.extreme} value of a layer stands at {joint}{_rest(view, led, told, len(rows))}"
    if len(led) == 1 and told == len(rows):
        clause = f"in every layer the {view.extreme} value stands at {names[named[0]]}"
    forms = {"text": clause, "Text": text.capital(clause)}
    cells = [view.point((i, j)) for c in named for i in led[c] for j in c]
    ledger.add("leaders", "leaders", forms, cells=cells, value=told, n=len(rows), relation=view.extreme)


def _where(view: View, rows: list[int]) -> str:
    """Layers in few runs, or how many they are."""
    layers = [view.grid.layers[i] for i in rows]
    return text.layers(layers) if len(text.runs(layers)) <= RUNS else text.counted(len(rows), "layer")


def _rest(view: View, led: dict[tuple[int, ...], list[int]], told: int, layers: int) -> str:
    """What is said of the layers whose leaders are not named."""
    counted = sum(map(len, led.values()))
    elsewhere, untold = counted - told, layers - counted
    alone = all(len(columns) == 1 for columns in led)
    found = []
    if elsewhere or (untold and not view.paired):
        many = elsewhere if view.paired else elsewhere + untold
        plain = "it stands elsewhere" if alone and (view.paired or not untold) else "it stands elsewhere or at several"
        found.append(f"in {_other(many, not (untold and view.paired))} {plain}")
    if untold and view.paired:
        found.append(f"in {_other(untold, not elsewhere)} it cannot be told from the next")
    return f"; {text.listed(found)}" if found else ""


def _other(k: int, whole: bool) -> str:
    noun = "layer" if k == 1 else "layers"
    if whole:
        return f"the other {noun}" if k == 1 else f"the other {text.words(k)} {noun}"
    return f"{text.words(k)} {noun}"


def _first(view: View, i: int) -> tuple[int, ...]:
    """The positions that hold the highest value of a layer; none where all are equal or it cannot be told."""
    columns = np.flatnonzero(view.ok[i])
    values = view.sign * view.grid.value[i, columns]
    first = tuple(int(j) for j in columns[values == values.max()])
    if len(first) == len(columns):
        return ()
    if view.paired:
        couple = _next(view, i)
        gap = view.difference(*couple) if couple is not None else None
        if gap is None or against_zero(gap.low, gap.high) not in {"above", "below"}:
            return ()
    return first


def _next(view: View, i: int) -> tuple[Index, Index] | None:
    """The highest cell of a layer and the one after it, unless they are equal."""
    columns = np.flatnonzero(view.ok[i])
    values = view.sign * view.grid.value[i, columns]
    if len(columns) < 2:
        return None
    first, after = (int(k) for k in np.argsort(-values, kind="stable")[:2])
    if values[first] == values[after]:
        return None
    return (i, int(columns[first])), (i, int(columns[after]))
