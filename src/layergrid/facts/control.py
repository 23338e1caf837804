"""Facts of a control task, a random label for each token: how selective a probe is where tokens recur.

Where one token stands everywhere, or none recurs, a control task says nothing, and that is said.
"""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import Control, Estimate
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import Index, View

NAMED = 6  # positions that are named where the task says nothing


def derive(view: View, ledger: Ledger) -> None:
    """Writes the selectivity at the highest cell of each position, and where there can be none."""
    control = view.result.control
    if control is None:
        return
    draws = text.counted(control.draws, "draw")
    task = f"a random label for each token, {draws} of labels (Hewitt & Liang 2019)"
    ledger.add("control", "setting", {"text": task, "cell": f"{view.extreme} cell"}, value=control.draws)
    for j in view.spoken:
        _at(view, control, j, ledger)
    for name, columns, clause in _mute(view, control):
        listed = text.listed(view.shown(j) for j in columns)
        if len(columns) > NAMED:
            listed = f"{text.words(len(columns))} {view.noun}s"
        forms = {"text": listed, "why": clause}
        ledger.add(f"control.{name}", "no selectivity", forms, value=len(columns), n=len(view.grid.positions))


def recurs(control: Control, j: int) -> bool:
    """Whether tokens recur at a position, so that a control task can be learnt and generalises."""
    return control.types[j] > 1 and control.shared[j] > 0


def judged(view: View, j: int) -> Index | None:
    """The cell whose selectivity is told of a position: its highest, unless that is inside the noise."""
    index = view.peak([j])
    return None if index is None or not view.named else index


def selectivity(view: View, control: Control, index: Index) -> Estimate | None:
    """The selectivity of a cell with its interval; None where it has none."""
    if not math.isfinite(control.selectivity[index]):
        return None
    value, low, high = (float(a[index]) for a in (control.selectivity, control.low, control.high))
    return Estimate(value, low, high, view.grid.level, int(view.grid.n[index]))


def _at(view: View, control: Control, j: int, ledger: Ledger) -> None:
    index = judged(view, j)
    e = None if index is None or not recurs(control, j) else selectivity(view, control, index)
    if index is None or e is None:
        return
    relation = against_zero(e.low, e.high)
    forms = difference_forms(e.value, e.low, e.high, view.digits)
    shared = text.percent(control.shared[j])
    forms |= {
        "clause": f"{forms['text']} {relation}" if relation in {"above", "below"} else relation,
        "where": f"{view.shown(j)} in {text.layers([view.grid.layers[index[0]]])}",
        "task": text.number(float(view.grid.value[index]), view.digits),
        "control": text.number(float(control.value[index]), view.digits),
        "recur": f"{text.plural(control.types[j], 'distinct token')} stand there and {shared} of the rows left out "
        "have one that their training rows have too",
    }
    ledger.add(f"at.{text.slug(view.grid.positions[j])}.control", "selectivity", forms, cells=[view.point(index)],
               value=e.value, low=e.low, high=e.high, n=e.n, relation=relation)  # fmt: skip


def _mute(view: View, control: Control) -> list[tuple[str, list[int], str]]:
    """Positions at which the task says nothing: with a single token, and with tokens of which none recurs."""
    one = [j for j in view.spoken if control.types[j] == 1]
    new = [j for j in view.spoken if control.types[j] > 1 and not control.shared[j] > 0]
    found = [("single", one, "the same token stands in every row"),
             ("unshared", new, "no row left out has a token that its training rows have")]  # fmt: skip
    return [entry for entry in found if entry[1]]
