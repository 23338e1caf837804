"""Facts of what groups of positions do over layers, and of groups beside each other, on average over their positions.

Where rows are known they carry paired intervals; where they are not they are values, and no finding beyond the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import Floats
from layergrid.facts import bands, order
from layergrid.facts.groups import Group
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import Index, View

MEANS = "paired means"  # the rule of facts that compare the means of two sets of cells, which they name
MEAN = "mean of cells"  # the rule of those sets
Shown = tuple[Group, list[int]]  # a group, and its columns that hold a value


def derive(view: View, ledger: Ledger) -> None:
    """Writes the shape of each group over layers, then how the groups stand to each other."""
    spoken = view.described and not view.silent and not view.constant and not view.grid.text_of
    if not spoken or not view.ok.any() or (view.grid.contrast and not view.named):
        return
    shown = _shown(view)
    rows = [i for i in range(len(view.grid.layers)) if all(view.ok[i, j] for _, columns in shown for j in columns)]
    for group, columns in shown:
        _shape(view, group, columns, len(shown), ledger)
    if len(shown) > 1 and rows and not view.grid.contrast:
        _apart(view, shown, rows, ledger)


def _shown(view: View) -> list[Shown]:
    found = [(group, [j for j in group.columns if view.ok[:, j].any()]) for group in view.groups]
    return [(group, columns) for group, columns in found if columns]


def _mean(view: View, cells: Sequence[Index]) -> float:
    return float(np.mean([view.grid.value[c] for c in cells]))


def _rows_of(view: View, cells: Sequence[Index]) -> Floats | None:
    """The mean of some cells in each row [n]; None where no rows are known."""
    return None if view.pairs is None else np.mean([view.pairs.cell(c) for c in cells], axis=0)


def _set(view: View, key: str, cells: Sequence[Index], ledger: Ledger) -> float:
    """Names a set of cells by its mean, with an interval where rows are known; gives the mean."""
    value, low, high = _mean(view, cells), math.nan, math.nan
    mine = _rows_of(view, cells)
    if view.pairs is not None and mine is not None:
        found = view.pairs.difference(mine, np.zeros_like(mine))
        if found is not None:
            value, low, high = found.value, found.low, found.high
    forms = {"text": text.estimate(value, low, high, view.digits)}
    ledger.add(key, MEAN, forms, cells=view.points(list(cells)), value=value, low=low, high=high, n=len(cells))
    return value


def _difference(
    view: View, key: str, sets: tuple[str, str], cells: tuple[Sequence[Index], Sequence[Index]], ledger: Ledger
) -> str:
    """The mean of one set of cells less that of another, paired on the rows; what it permits to say."""
    one, other = (_rows_of(view, c) for c in cells)
    if view.pairs is None or one is None or other is None:
        return ""
    gap = view.pairs.difference(one, other)
    relation = "" if gap is None else against_zero(gap.low, gap.high)
    if gap is None or not relation:
        return ""
    forms = difference_forms(gap.value, gap.low, gap.high, view.finer(gap.low, gap.high)) | {"word": relation}
    stands = f"stands {forms['text']} {relation}" if relation != "cannot be told from" else relation
    forms |= {"stands": stands, "stand": stands.replace("stands", "stand", 1), "beside": stands.removeprefix("stands ")}
    moves = "rises" if gap.value > 0 else "falls"
    if relation != "cannot be told from":
        forms["moves"] = f"{moves} by {forms['text']}"
    ledger.add(key, MEANS, forms, value=gap.value, low=gap.low, high=gap.high, n=int(np.isfinite(one - other).sum()),
               relation=relation, of=sets)  # fmt: skip
    return relation


# ---------------------------------------------------------------- over layers


def profile(view: View, columns: Sequence[int]) -> tuple[list[int], Floats]:
    """The layers in which all of some positions have a value, and the mean over these positions in each."""
    rows = [i for i in range(len(view.grid.layers)) if view.ok[i, list(columns)].all()]
    return rows, view.grid.value[np.ix_(rows, list(columns))].mean(axis=1) if rows else np.empty(0)


def _shape(view: View, group: Group, columns: list[int], many: int, ledger: Ledger) -> None:
    """What the mean over a group's positions does from the first layer to the last."""
    rows, values = profile(view, columns)
    found = order.shape(values, bands.reach(view), bands.sure(view, columns, many))
    if found is None:
        return
    key = f"group.{group.key}.shape"
    if found.name == order.LEVEL:
        _level(view, key, [(i, j) for i in rows for j in columns], values, ledger)
        return
    stops = [0, *([found.turn] if found.turn > 0 else []), len(rows) - 1]
    cells = [[(rows[at], j) for j in columns] for at in stops]
    sets = [f"{key}.{k}" for k in range(len(stops))]
    for one, inside in zip(sets, cells, strict=True):
        _set(view, one, inside, ledger)
    layers = [f"layer {view.grid.layers[rows[at]]}" for at in stops]
    if view.paired:
        parts = [_step(view, sets, cells, k, ledger) for k in range(1, len(stops))]
        if not all(parts):
            return
        parts = [f"{part} from {layers[k]} to {layers[k + 1]}" for k, part in enumerate(parts)]
    else:
        shown = [f"{text.number(float(values[at]), view.digits)} in {w}" for at, w in zip(stops, layers, strict=True)]
        first, *rest = found.name.split(" and then ")
        parts = [f"{first} from {shown[0]} to {shown[1]}", *(f"{then} to {shown[2]}" for then in rest)]
    forms = {
        "text": text.listed(parts),
        "name": found.name,
        "band": _band(view, rows, values) if len(columns) > 1 else "",
    }
    every = view.points([cell for inside in cells for cell in inside])
    ledger.add(key, "shape", forms, cells=every, value=found.name, n=len(rows), relation=found.name, of=sets)


def _level(view: View, key: str, cells: list[Index], values: Floats, ledger: Ledger) -> None:
    """A mean whose range is small beside that of all values."""
    a, b = (text.number(float(v), view.digits) for v in (values.min(), values.max()))
    forms = {"text": f"{order.LEVEL}, {f'between {a} and {b}' if a != b else f'at {a}'}"}
    ledger.add(key, "shape", forms, cells=view.points(cells), value=order.LEVEL, n=len(values), relation=order.LEVEL)


def _step(view: View, sets: list[str], cells: list[list[Index]], k: int, ledger: Ledger) -> str:
    """How far the mean moves to a stop from the one before it; empty where its interval does not leave out zero."""
    key = f"{sets[k]}.step"
    _difference(view, key, (sets[k], sets[k - 1]), (cells[k], cells[k - 1]), ledger)
    fact = ledger.get(key)
    return "" if fact is None else fact.forms.get("moves", "")


def _band(view: View, rows: list[int], values: Floats) -> str:
    """The layers in which the mean stands near its highest (the lowest, where less is more)."""
    signed = view.sign * values
    top, near = int(np.argmax(signed)), bands.near(view)
    inside = [rows[k] for k in range(len(rows)) if signed[top] - signed[k] <= near * (1 + 1e-9)]
    if len(inside) < order.SIDE or len(inside) == len(rows):
        return ""
    layers = text.layers([view.grid.layers[i] for i in inside])
    return f"{layers} stand within {text.trimmed(near)} of the {view.extreme} mean"


# ---------------------------------------------------------------- groups beside each other


def _apart(view: View, shown: list[Shown], rows: list[int], ledger: Ledger) -> None:
    """The group with the highest mean beside each other, over the layers in which all have values."""
    cells = {group.key: [(i, j) for i in rows for j in columns] for group, columns in shown}
    means = {key: _set(view, f"group.{key}.mean", inside, ledger) for key, inside in cells.items()}
    if max(means.values()) - min(means.values()) < order.FLAT * bands.reach(view):
        return
    ranked = sorted(shown, key=lambda one: -view.sign * means[one[0].key])
    top, *others = ranked
    for other in others:
        pair = (f"group.{top[0].key}.mean", f"group.{other[0].key}.mean")
        _difference(view, f"group.{other[0].key}.apart", pair, (cells[top[0].key], cells[other[0].key]), ledger)
    _clear(view, ranked, rows, ledger)
    if not view.paired:
        parts = [f"{text.number(means[g.key], view.digits)} at {g.label}" for g, _ in ranked]
        layers = text.layers([view.grid.layers[i] for i in rows])
        clause = f"the mean over {layers} is {text.listed(parts)}"
        forms = {"text": clause, "Text": text.capital(clause)}
        every = [cell for inside in cells.values() for cell in inside]
        ledger.add("means", "values", forms, cells=view.points(every), value=means[top[0].key], n=len(rows),
                   of=[f"group.{g.key}.mean" for g, _ in shown])  # fmt: skip


def _clear(view: View, ranked: list[Shown], rows: list[int], ledger: Ledger) -> None:
    """The layers in which every value of the groups with the highest means passes every value of the others.

    Groups are parted where that holds in most layers, and it is told where it holds in half of them or more.
    """
    value = view.sign * view.grid.value
    found: list[list[int]] = []
    sides = [([c for _, one in ranked[:k] for c in one], [c for _, one in ranked[k:] for c in one])
             for k in range(1, len(ranked))]  # fmt: skip
    for high, low in sides:
        found.append([i for i in rows if value[i, high].min() > value[i, low].max()])
    k = max(range(len(found)), key=lambda one: len(found[one]))
    clear = found[k]
    if 2 * len(clear) < len(rows) or len(clear) < order.SIDE:
        return
    every = len(clear) == len(rows) == len(view.grid.layers)
    layers = "in every layer" if every else f"in {text.layers([view.grid.layers[i] for i in clear])}"
    one, other = (text.listed(g.label for g, _ in part) for part in (ranked[: k + 1], ranked[k + 1 :]))
    clause = f"{layers} every value at {one} lies {'above' if view.sign > 0 else 'below'} every value at {other}"
    points = view.points([(i, j) for i in clear for j in (*sides[k][0], *sides[k][1])])
    ledger.add("clear", "values apart", {"text": clause, "Text": text.capital(clause)}, cells=points, value=len(clear),
               n=len(rows), relation="above" if view.sign > 0 else "below",
               of=[f"group.{g.key}.mean" for g, _ in ranked])  # fmt: skip
