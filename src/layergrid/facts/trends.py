"""Facts of which positions rise, fall or turn with depth, by declared rules; no interval is looked for here."""

from __future__ import annotations

import math

import numpy as np

from layergrid import text
from layergrid.facts import bands, order
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

NAMED = 6  # positions that a trend names one by one
NO_TREND = "no clear trend in one direction"
NO_SHAPE = "no clear trend"
DEEP = {order.RISES: "rises with depth", order.FALLS: "falls with depth"}


def derive(view: View, ledger: Ledger) -> None:
    """Writes what each position does over layers, and which do the same; not of the tokens of one text."""
    if not view.ok.any() or view.constant or view.grid.text_of:
        return
    judged = [j for j in range(len(view.grid.positions)) if len(view.column(j)) >= order.LAYERS]
    found: dict[str, list[int]] = {}
    for j in judged:
        found.setdefault(_position(view, j, len(judged), ledger), []).append(j)
    if not judged:
        return
    ledger.add("trend.rule", "constant", {"text": text.trimmed(order.CLEAR), "rule": _rule(view)}, value=order.CLEAR)
    for key, name in (("rises", order.RISES), ("falls", order.FALLS), ("peaks", order.PEAKS), ("dips", order.DIPS)):
        if columns := found.get(name, []):
            forms = {"text": f"{DEEP.get(name, name)} at {_listed(view, columns, len(judged))}", "verb": name}
            ledger.add(f"trend.{key}", "trend", forms, cells=_cells(view, columns), value=len(columns), relation=name)
    if unclear := found.get(NO_SHAPE, []):
        forms = {"text": _unclear(len(unclear), len(judged), view)}
        ledger.add("trend.unclear", "trend", forms, value=len(unclear), n=len(judged), relation=NO_SHAPE)


def _position(view: View, j: int, many: int, ledger: Ledger) -> str:
    """What one position does, as a fact; the word for it."""
    grid, rows = view.grid, view.column(j)
    values = grid.value[rows, j]
    rho = order.correlation(values)
    half = float(np.nanmedian((grid.high - grid.low)[rows, j])) / 2 if np.isfinite(grid.high[rows, j]).any() else 0.0
    wide = float(values.max() - values.min()) > half and (not view.tested or bool(view.above[:, j].any()))
    name = NO_SHAPE
    if wide and view.described:
        sure = bands.sure(view, [j], many)
        found = order.shape(values, bands.reach(view), sure)
        name = NO_SHAPE if found is None or found.name == order.LEVEL else found.name
        if name == NO_SHAPE and abs(rho) >= order.CLEAR and sure:
            name = order.RISES if rho > 0 else order.FALLS  # small beside the range of all values, and yet in order
    elif wide and abs(rho) >= order.CLEAR:
        name = order.RISES if rho > 0 else order.FALLS
    forms = {"text": name, "rho": text.number(rho) if math.isfinite(rho) else "undefined"}
    ledger.add(f"at.{text.slug(grid.positions[j])}.trend", "trend", forms, cells=_cells(view, [j]), value=rho,
               n=len(rows), relation=name)  # fmt: skip
    return name


def _rule(view: View) -> str:
    """What decides, in words."""
    rule = f"a rank correlation of value and layer whose size reaches {text.trimmed(order.CLEAR)}"
    if view.described:
        rule += " (where values turn, on either side of the turn) and values that are far from a random order"
        rule += ", or range over more than two intervals" if view.bounded.any() else ""
    elif view.bounded.any():
        rule += ", and a range wider than half an interval"
    return rule + (", at positions with a cell that passes the test" if view.tested else "")


def _listed(view: View, columns: list[int], judged: int) -> str:
    if len(columns) <= NAMED:
        return text.listed(view.shown(j) for j in columns)
    part = f"{text.words(len(columns))} of the {text.words(judged)}"
    return f"{f'all {text.words(judged)}' if len(columns) == judged else part} {view.noun}s"


def _unclear(unclear: int, judged: int, view: View) -> str:
    trend = NO_SHAPE if view.described else NO_TREND
    if unclear == judged:
        return f"{trend} at any {view.noun}" if judged > 1 else trend
    return f"{trend} at the other {view.noun if unclear == 1 else f'{text.words(unclear)} {view.noun}s'}"


def _cells(view: View, columns: list[int]) -> tuple[tuple[int, str], ...]:
    return view.points([(i, j) for j in columns for i in view.column(j)])
