"""Facts of two grids of one report beside each other: their nested bests, paired where rows, folds and labels agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import GridResult, HeldOut
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import View

GRIDS = "paired difference of grids"


def derive(views: Sequence[View], prefixes: Sequence[str], ledger: Ledger) -> None:
    """Writes the nested best of each grid less that of the highest of those on the same rows, folds and labels."""
    seen: set[int] = set()
    for first in range(len(views)):
        alike = [k for k in range(len(views)) if k == first or comparable(views[first].result, views[k].result)]
        if first in seen or len(alike) < 2:
            continue
        seen |= set(alike)
        top = max(alike, key=lambda k: (_value(views[k]), -k))
        for k in alike:
            if k != top:
                _gap(views[top], views[k], prefixes[top], prefixes[k], ledger)


def key(top: str, other: str) -> str:
    """The key of the difference of two grids, by the prefixes of their facts."""
    return f"difference.{top}.{other}"


def comparable(a: GridResult, b: GridResult) -> bool:
    """Whether the nested bests of two grids can be paired: one measure, the same rows, folds, groups and labels."""
    if a is b or not (a.held_out and b.held_out and a.selection and b.selection):
        return False
    whole = not any(np.isnan(held.nested).any() for held in (a.held_out, b.held_out))
    return whole and same_rows(a, b)


def same_rows(a: GridResult, b: GridResult) -> bool:
    """Whether held-out scores of two grids can be paired: one measure, the same rows, folds, groups and labels."""
    one, other = a.held_out, b.held_out
    if one is None or other is None:
        return False
    return (
        (a.grid.metric, a.grid.level) == (b.grid.metric, b.grid.level)
        and _names(one) == _names(other)
        and all(np.array_equal(x, y) for x, y in zip(_numbers(one), _numbers(other), strict=True))
    )


def _names(held: HeldOut) -> tuple[object, ...]:
    return held.example_ids, held.groups, held.classes, held.repeats


def _numbers(held: HeldOut) -> tuple[np.ndarray, ...]:
    return held.labels, held.folds, held.labels if held.target is None else held.target


def _value(view: View) -> float:
    chosen = view.result.selection
    return view.sign * chosen.estimate.value if chosen is not None else -math.inf


def _gap(top: View, view: View, first: str, other: str, ledger: Ledger) -> None:
    one, two = top.result.held_out, view.result.held_out
    if one is None or two is None:
        return
    gap = top.gap(one.nested, two.nested)
    if gap is None or not (relation := against_zero(gap.low, gap.high)):
        return
    digits = max(top.digits, view.digits)
    forms = difference_forms(gap.value, gap.low, gap.high, digits)
    forms["relation"] = f"{forms['text']} {relation}" if relation != "cannot be told from" else relation
    forms |= {"a": text.visible(top.grid.name), "b": text.visible(view.grid.name), "same": "the same rows and folds",
              "best": "the nested best"}  # fmt: skip
    if top.grid.name == view.grid.name:
        forms |= {"a": text.visible(f"{top.grid.name} of {top.grid.model} on {top.grid.dataset}"),
                  "b": text.visible(f"{view.grid.name} of {view.grid.model} on {view.grid.dataset}")}  # fmt: skip
    forms["difference"] = f"the difference is {forms['text']}" if relation == "cannot be told from" else ""
    ledger.add(key(first, other), GRIDS, forms, value=gap.value, low=gap.low, high=gap.high,
               n=len(set(one.example_ids)), relation=relation, of=[f"{first}.nested", f"{other}.nested"])  # fmt: skip
