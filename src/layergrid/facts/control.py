"""Facts of a control task, a random label for each token: how selective a probe is where tokens recur.

Where one token stands everywhere, or none recurs, a control task says nothing, and that is said.
"""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import Control, Estimate
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import Index, View

MOST = "more than 99 %"
NAMED = 6  # positions that are named where the task says nothing


def derive(view: View, ledger: Ledger) -> None:
    """Writes the selectivity at the highest cell of each position, and where there can be none."""
    control = view.result.control
    if control is None:
        return
    draws = text.counted(control.draws, "draw")
    task = f"a random label for each token, {draws}, Hewitt & Liang 2019"
    less = "the value of the task less that of the control task"
    forms = {"text": task, "cell": f"{view.extreme} cell", "less": less}
    forms["Is"] = f"Selectivity, the probe less the control task ({task}), is"
    forms["Caption"] = f"selectivity of its {view.extreme} cell: the task less {task}"
    ledger.add("control", "setting", forms, value=control.draws)
    for j in view.spoken:
        _at(view, control, j, ledger)
    told = [j for j in view.spoken if ledger.get(_key(view, j)) is not None]
    facts = [ledger.get(_key(view, j)) for j in told]
    _recur(control, told, all(one is not None and one.relation == "below" for one in facts), ledger)
    for name, columns, clause in _mute(view, control):
        listed = text.listed(view.shown(j) for j in columns)
        if len(columns) > NAMED:
            listed = f"{text.words(len(columns))} {view.noun}s"
        forms = {"text": listed, "why": clause}
        ledger.add(f"control.{name}", "no selectivity", forms, value=len(columns), n=len(view.grid.positions))


def recurs(control: Control, j: int) -> bool:
    """Whether tokens recur at a position, so that a control task can be learnt and generalises."""
    return control.types[j] > 1 and control.shared[j] > 0


def share(of_rows: float) -> str:
    """A share of rows; one that is not the whole is not printed as if it were."""
    shown = text.percent(of_rows)
    return MOST if of_rows < 1 and shown == text.percent(1.0) else shown


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
    task, beside = (text.number(float(a[index]), view.digits) for a in (view.grid.value, control.value))
    sized = text.estimate(e.value, e.low, e.high, view.digits)
    forms |= {
        "sized": f"{sized}, which cannot be told from zero," if relation == "cannot be told from" else sized,
        "where": f"{view.shown(j)} in {text.layers([view.grid.layers[index[0]]])}",
        "pair": f"{task} less {beside}",
    }
    ledger.add(_key(view, j), "selectivity", forms, cells=[view.point(index)],
               value=e.value, low=e.low, high=e.high, n=e.n, relation=relation)  # fmt: skip


def _key(view: View, j: int) -> str:
    return f"at.{text.slug(view.grid.positions[j])}.control"


def _recur(control: Control, columns: list[int], below: bool, ledger: Ledger) -> None:
    """How tokens recur where selectivity is told, and what it means where all of it is `below` zero."""
    if not columns:
        return
    types, shared = [control.types[j] for j in columns], [control.shared[j] for j in columns]
    few, many = min(types), max(types)
    least = share(min(shared))
    tokens = text.plural(few, "distinct token") if few == many else f"{few} to {text.plural(many, 'distinct token')}"
    part = least if min(shared) == max(shared) or least == MOST else f"at least {least}"
    have = "every row left out has" if min(shared) == 1 else f"{part} of the rows left out have"
    where = "there" if len(columns) == 1 else "at each of these positions"
    clause = f"{tokens} stand {where}, and {have} one that its training rows have too"
    if min(shared) < 1:
        clause = clause.replace("one that its", "one that their")
    if below:
        clause += "; below zero, random labels of so few tokens are easier to learn than the task"
    ledger.add("control.recur", "recurrence", {"text": clause}, low=min(shared), high=max(shared), n=len(columns))


def _mute(view: View, control: Control) -> list[tuple[str, list[int], str]]:
    """Positions at which the task says nothing: with a single token, and with tokens of which none recurs."""
    one = [j for j in view.spoken if control.types[j] == 1]
    new = [j for j in view.spoken if control.types[j] > 1 and not control.shared[j] > 0]
    found = [("single", one, "the same token stands in every row"),
             ("unshared", new, "no row left out has a token that its training rows have")]  # fmt: skip
    return [entry for entry in found if entry[1]]
