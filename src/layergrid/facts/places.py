"""Facts of single positions and of groups of positions: their highest cells, the layers beside them, and the gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import CellStatus
from layergrid.facts import bands
from layergrid.facts.best import cell, cell_forms
from layergrid.facts.groups import Group
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.shape import range_forms, write_share
from layergrid.facts.view import Index, View

FOLLOWING = 4  # positions of a large group that are named after the first


def derive(view: View, ledger: Ledger) -> None:
    """Writes the facts of each position, then of each group, then the gaps between them."""
    tops = {j: view.peak([j]) for j in view.spoken} if view.named else {}
    view.compare(
        (top, (i, j))
        for j, top in tops.items()
        if top
        for i in view.column(j)
        if i != top[0] and _within_reach(view, top, (i, j))
    )
    for j in view.spoken:
        _position(view, j, f"at.{text.slug(view.grid.positions[j])}", ledger)
    for group in view.groups:
        _group(view, group, f"group.{group.key}", ledger)
    if view.named:
        _contrasts(view, ledger)


def _cells(view: View, columns: Sequence[int]) -> list[Index]:
    return [(i, j) for i in range(len(view.grid.layers)) for j in columns]


def _values(view: View, columns: Sequence[int], key: str, label: str, ledger: Ledger) -> bool:
    """The range of some columns and their share above chance; False where they hold no value."""
    columns = list(columns)
    values = view.grid.value[:, columns][view.ok[:, columns]]
    if not values.size:
        return False
    low, high = float(values.min()), float(values.max())
    ledger.add(
        f"{key}.range",
        "range",
        range_forms(low, high, view.digits, int(values.size)),
        low=low,
        high=high,
        n=int(values.size),
    )
    if view.tested:
        write_share(view, ledger, f"{key}.above", _cells(view, columns), text.visible(label))
    return True


def _peak(view: View, columns: Sequence[int], key: str, ledger: Ledger) -> Index | None:
    """The highest cell of some columns, unless nothing there is above chance or all values are equal."""
    columns = list(columns)
    index = view.peak(columns)
    if index is None or not view.named:
        return None
    if view.grid.contrast and view.bounded[index] and not view.grid.low[index] > 0:
        return None
    same = [c for c in _cells(view, columns) if view.speaking[c] and view.grid.value[c] == view.grid.value[index]]
    if len(same) == int(view.ok[:, columns].sum()) > 1:
        return None
    e = cell(view, index)
    position = view.shown(index[1])
    rows = [view.grid.layers[i] for i, j in same if j == index[1]]
    holders = _holders(view, same)
    layers, several = text.layers(rows), len(rows) > 1 or len({j for _, j in same}) > 1
    the = "the only cell" if int(view.ok[:, columns].sum()) == 1 else f"the {view.called(columns, several)}"
    forms = cell_forms(view, e) | {
        "position": position,
        "holders": holders,
        "layers": layers,
        "where": f"{position} in {layers}",
        "the": the,
        "Several": f"The {view.called(columns, True)}",
        "The": text.capital(the),
        "stands": "stand" if several else "stands",
        "that": "those" if several else "that",
        "value_in": f"{cell_forms(view, e)['text']} in {layers}",
    }
    ledger.add(f"{key}.peak", "peak", forms, cells=view.points(same), value=e.value, low=e.low, high=e.high, n=e.n)
    return index


def _holders(view: View, same: Sequence[Index]) -> str:
    """Positions that hold equal highest cells in the same layers, or how many do; empty where there is one."""
    columns = sorted({j for _, j in same})
    if len(columns) < 2:
        return ""
    rows = {j: [i for i, c in same if c == j] for j in columns}
    listed = text.listed(view.shown(j) for j in columns)
    named = listed if len(columns) <= FOLLOWING else text.counted(len(columns), view.noun)
    runs = {j: text.layers([view.grid.layers[i] for i in rows[j]]) for j in columns}
    if len(set(runs.values())) == 1:
        return f"{named} hold the highest cells in {runs[columns[0]]}".replace("highest", view.extreme)
    return f"{named} hold equal {view.extreme} cells"


def _position(view: View, j: int, key: str, ledger: Ledger) -> None:
    ledger.name(key, name=view.shown(j))
    if not _values(view, [j], key, view.shown(j), ledger):
        return
    index = _peak(view, [j], key, ledger)
    if index is not None and len(view.column(j)) > 1:
        _band(view, index, key, ledger)


def _band(view: View, peak: Index, key: str, ledger: Ledger) -> None:
    """The layers of one position that cannot be told from its highest: paired intervals, or a stated distance."""
    i0, j = peak
    grid = view.grid
    paired = view.paired and grid.status[peak] != CellStatus.BOUNDARY.value
    beside = [i for i in view.column(j) if i != i0]
    if paired:
        rows = [i0, *(i for i, _ in _cannot_tell(view, peak, [(i, j) for i in beside]))]
    else:
        reach = bands.near(view) * (1 + 1e-9)
        rows = [i0, *(i for i in beside if abs(grid.value[peak] - grid.value[i, j]) <= reach)]
    noisy = [i for i in rows if view.noise[i, j]]
    if noisy:
        _band_above(view, peak, [i for i in rows if i not in noisy], paired, key, ledger)
        return
    layers = text.layers([grid.layers[i] for i in rows])
    top = sum(bool(grid.value[i, j] == grid.value[peak]) for i in rows)  # equal ones, which are the highest together
    others, it = len(rows) - top, "it" if top == 1 else "them"
    every = others == len(view.column(j)) - top
    if paired:
        relation = "can be told from" if not others else "cannot be told from"
        clause = f"{layers} cannot be told from {it}" if others else f"every other layer can be told from {it}"
        if every:
            clause = f"no layer can be told from {it}"
    else:
        relation = "within"
        near = f"within {text.trimmed(bands.near(view))} of {it}"
        clause = f"{layers} stand {near}" if others else f"no other layer stands {near}"
        if others and not bands.told(view, j):
            return
    forms = {"text": clause, "layers": layers, "short": f"near it {layers}" if others and not paired else ""}
    points = view.points([(i, j) for i in sorted(rows)])
    ledger.add(f"{key}.band", "band", forms, cells=points, value=others, relation=relation, of=[f"{key}.peak"])


def _band_above(view: View, peak: Index, rows: Sequence[int], paired: bool, key: str, ledger: Ledger) -> None:
    """The band where layers inside the noise stand as near to the peak: of those above chance alone."""
    clear = [i for i in view.column(peak[1]) if not view.noise[i, peak[1]]]
    layers, others = text.layers([view.grid.layers[i] for i in rows]), len(rows) - 1
    near = "cannot be told from it" if paired else f"stand within {text.trimmed(bands.near(view))} of it"
    far = "can be told from it" if paired else f"stands farther than {text.trimmed(bands.near(view))} from it"
    if len(clear) == 1:
        clause = "no other layer is above chance"
    elif not others:
        clause = f"every other layer above chance {far}"
    elif others == len(clear) - 1:
        clause = f"{layers}, all that are above chance, {near}"
    else:
        clause = f"of the layers above chance, {layers.partition(' ')[2]} {near}"
    relation = ("cannot be told from" if others else "can be told from") if paired else "within"
    points = view.points([(i, peak[1]) for i in sorted(rows)])
    forms = {"text": clause, "layers": layers}
    ledger.add(f"{key}.band", "band", forms, cells=points, value=others, relation=relation, of=[f"{key}.peak"])


def _cannot_tell(view: View, a: Index, others: Sequence[Index]) -> list[Index]:
    """Cells whose paired interval with `a` holds zero; without one they cannot be told apart either.

    Cells whose distance exceeds the widths of their own intervals together are told apart without the paired interval.
    """
    near = [b for b in others if _within_reach(view, a, b)]
    view.compare((a, b) for b in near)
    found = [(b, view.difference(a, b)) for b in near]
    return [b for b, gap in found if gap is not None and against_zero(gap.low, gap.high) not in {"above", "below"}]


def _within_reach(view: View, a: Index, b: Index) -> bool:
    grid = view.grid
    gap = abs(float(grid.value[a] - grid.value[b]))
    reach = float(np.nan_to_num(grid.high[a] - grid.low[a]) + np.nan_to_num(grid.high[b] - grid.low[b]))
    return gap <= max(reach, bands.near(view))


def _group(view: View, group: Group, key: str, ledger: Ledger) -> None:
    names = [view.shown(j) for j in group.columns]
    size = len(names)
    ledger.name(key, label=group.label, Label=text.capital(group.label), names=text.listed(names))
    ledger.add(
        f"{key}.size",
        "size",
        {"text": text.counted(size, view.noun), "cells": text.plural(len(_cells(view, group.columns)), "cell")},
        value=size,
    )
    if _values(view, group.columns, key, group.label, ledger):
        index = _peak(view, group.columns, key, ledger)
        if index is not None and view.described and size > FOLLOWING + 1:
            _ranked(view, group, index, key, ledger)


def _ranked(view: View, group: Group, first: Index, key: str, ledger: Ledger) -> None:
    """Of a large group the next positions by their highest values, and what those of the rest do not pass."""
    peaks = [view.peak([j]) for j in group.columns if j != first[1]]
    order = sorted((p for p in peaks if p is not None), key=lambda p: -view.sign * float(view.grid.value[p]))
    rest = order[FOLLOWING:]
    if not rest:
        return
    bound = text.number(float(view.grid.value[rest[0]]), view.digits)
    others = f"the other {text.words(len(rest))} {view.noun}s" if len(rest) > 1 else f"the last {view.noun}"
    clause = f"at {others} no value is {'higher' if view.sign > 0 else 'lower'} than {bound}"
    ledger.add(
        f"{key}.ranked",
        "ranking",
        {"text": clause, "Rest": text.capital(clause)},
        cells=view.points(order[:FOLLOWING]),
        value=len(order),
    )


def _contrasts(view: View, ledger: Ledger) -> None:
    """The gap of each position below the highest cell of its group, and of each group below the highest cell of all."""
    top = view.peaks[0]
    tops = {group.key: view.peak(group.columns) for group in view.groups}
    view.compare((peak, top) for peak in tops.values() if peak)
    singles = [(view.peak([j]), tops[group.key]) for group in view.groups for j in group.columns if j in view.spoken]
    view.compare((mine, peak) for mine, peak in singles if mine and peak and mine[1] != peak[1])
    for group in view.groups:
        peak = tops[group.key]
        if peak is None or ledger.get(f"group.{group.key}.peak") is None:
            continue
        if peak[1] != top[1]:
            _gap(view, f"group.{group.key}.gap", peak, top, ledger)
        for j in group.columns:
            key = f"at.{text.slug(view.grid.positions[j])}"
            mine = view.peak([j])
            if j != peak[1] and mine is not None and ledger.get(f"{key}.peak") is not None:
                _gap(view, f"{key}.gap", mine, peak, ledger)
        _even(view, group, f"group.{group.key}.even", ledger)


def _even(view: View, group: Group, key: str, ledger: Ledger) -> None:
    """The other positions of a group whose highest cells cannot be told from that of the group."""
    gaps = {j: ledger.get(f"at.{text.slug(view.grid.positions[j])}.gap") for j in group.columns}
    even = {j: gap for j, gap in gaps.items() if gap is not None and gap.relation == "cannot be told from"}
    if even:
        cells = [cell for gap in even.values() for cell in gap.cells[:1]]
        forms = {"text": "which cannot be told from it"}
        ledger.add(key, "ties", forms, cells=cells, value=len(even), relation="cannot be told from")


def _gap(view: View, key: str, a: Index, b: Index, ledger: Ledger) -> None:
    found = view.difference(a, b)
    if found is None or not math.isfinite(found.low):
        return
    forms = difference_forms(found.value, found.low, found.high, view.finer(found.low, found.high))
    relation = against_zero(found.low, found.high)
    clause = f"{forms['text']} {relation} it" if relation != "cannot be told from" else "cannot be told from it"
    forms |= {"clause": clause, "word": relation, "relation": f"{forms['text']} {relation}"}
    cells = view.points([a, b])
    ledger.add(
        key,
        "paired cells",
        forms,
        cells=cells,
        value=found.value,
        low=found.low,
        high=found.high,
        n=int(view.grid.n[a]),
        relation=relation,
    )
