"""Facts of what the probe adds to simpler predictors, and of how it stands beside other states; they know no cell."""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import Addition, Baseline
from layergrid.facts.best import baseline_key
from layergrid.facts.ledger import Ledger, against_zero, difference_forms, estimate_forms
from layergrid.facts.view import View

UNTRAINED = "untrained"  # in the name of the baseline that is a model of the same shape


def derive(view: View, ledger: Ledger) -> None:
    """Writes a fact for each addition, and one for each baseline that is made of states."""
    for one in view.result.additions:
        if math.isfinite(one.difference.value):
            _addition(view, one, ledger)
    for b in view.result.baselines:
        if b.sees == "states" and b.estimate is not None and b.difference is not None:
            _states(view, b, ledger)


def _addition(view: View, one: Addition, ledger: Ledger) -> None:
    d = one.difference
    relation = against_zero(d.low, d.high)
    forms = difference_forms(d.value, d.low, d.high, view.digits)
    size, the = forms["text"], _the(view)
    clause = {
        "above": f"the probe raises {the} by {size}",
        "below": f"the probe lowers {the} by {size}",
        "cannot be told from": "the probe adds nothing that can be told: the difference is " + size,
    }.get(relation, f"the probe changes {the} by {forms['signed']}, without an interval")
    label = text.visible(one.label)
    alone, together = (estimate_forms(e, view.digits) for e in (one.alone, one.together))
    forms |= {
        "label": label,
        "Label": text.capital(label),
        "clause": clause,
        "alone": alone["text"],
        "value": alone["value"],
        "together": together["text"],
        "word": relation,
        "adds": f"{size} {relation}" if relation in {"above", "below"} else relation,
        "none": "nothing that can be told" if relation == "cannot be told from" else "",
    }
    ledger.add(f"addition.{text.slug(one.name)}", "addition", forms, value=d.value, low=d.low, high=d.high, n=d.n,
               relation=relation)  # fmt: skip


def _the(view: View) -> str:
    """The quantity as the object of a verb: "the AUROC", "the rank correlation"."""
    return f"the {view.grid.quantity.name}"


def _states(view: View, b: Baseline, ledger: Ledger) -> None:
    """What it means that the nested best stands above other states, or cannot be told from them."""
    d, label = b.difference, text.visible(b.label)
    if d is None or b.estimate is None or not (relation := against_zero(d.low, d.high)):
        return
    size = difference_forms(d.value, d.low, d.high, view.digits)["text"]
    untrained = UNTRAINED in b.name
    if untrained:
        would = "these rows do not settle whether the architecture alone, with nothing learnt, would do as well"
        beyond = "the architecture alone does not account for it"
    else:
        would = "these rows do not settle whether knowing which token stands there would do as well"
        beyond = "which token stands there does not account for it"
    forms = {
        "label": label,
        "Label": text.capital(label),
        "text": f"{size} {relation}" if relation != "cannot be told from" else relation,
        "estimate": estimate_forms(b.estimate, view.digits)["text"],
        "clause": would if relation != "above" else beyond,
        "short": would if relation != "above" else "",
        "word": relation,
    }
    ledger.add(f"states.{text.slug(b.name)}", "paired difference", forms, value=d.value, low=d.low, high=d.high, n=d.n,
               relation=relation, of=["nested", baseline_key(b)])  # fmt: skip
