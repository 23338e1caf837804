"""Facts of how many tests are corrected, and of what a permutation test over all cells could find; no cell is judged.

Which correction it is comes from the settings and from the test that the grid bears, never from its kind.
"""

from __future__ import annotations

import math

import numpy as np

from layergrid import text
from layergrid.artifacts import Permutation
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

TEST = "max-statistic permutation test"
REFITTED = {"ridge": "ridge probes", "logistic": "logistic probes"}
SOURCE = "Westfall & Young 1993"


def derive(view: View, ledger: Ledger) -> None:
    """Writes the permutation test, the rows that it cannot move, and the smallest value that it would find."""
    test = view.result.permutation
    if test is None or not view.tested:
        return
    _test(view, test, ledger)
    if test.fixed:
        verb, its = ("keeps", "its") if test.fixed == 1 else ("keep", "their")
        labels = "label" if test.fixed == 1 else "labels"
        clause = f"{text.counted(test.fixed, 'row')} {verb} {its} {labels} in every relabelling, because no other "
        clause += f"group of {its} fold has {its} group's size"
        forms = {"text": clause, "Text": text.capital(clause)}
        ledger.add("permutation.fixed", "count", forms, value=test.fixed, n=_rows(view))
    if math.isfinite(test.detectable):
        _detectable(view, test, ledger)


def write_correction(view: View, ledger: Ledger) -> None:
    """The fact "correction": what a cell above chance is above chance after."""
    settings, test = view.grid.settings, view.result.permutation
    correction = text.visible(str(settings.get("correction", "")))
    corrected = f"after {correction} correction" if correction else "after correction"
    tests = int(settings.get("cells_tested", np.isfinite(view.grid.p_adjusted).sum()))
    whole = tests == int(view.ok.sum())
    forms = {"text": corrected, "over": corrected if whole else f"{corrected} over {text.plural(tests, 'cell')}"}
    if test is not None:
        forms["text"] = f"after a {TEST}"
        cells = "" if whole else f"over {text.plural(tests, 'cell')}, "
        forms["over"] = f"{forms['text']} ({cells}{text.count(test.maxima.size)} relabellings{_how(view, test)})"
    forms |= {"name": correction, "tests": f"{text.plural(tests, 'one-sided test')} against chance"}
    ledger.add("correction", "setting", forms, value=tests)


def _probes(view: View, test: Permutation) -> str:
    """The probes that are refitted: named where they are not those of the cells."""
    own = str(view.grid.settings.get("probe", "")) == test.statistic
    return "probes" if own else REFITTED.get(test.statistic, "probes")


def _how(view: View, test: Permutation) -> str:
    if test.statistic == "held-out":
        return " of the held-out labels under fixed probes"
    return f", {_probes(view, test)} refitted for each"


def _test(view: View, test: Permutation, ledger: Ledger) -> None:
    """What the test does, in words that a paper could print."""
    count, name = text.count(test.maxima.size), view.grid.quantity.name
    if test.statistic == "held-out":
        what = f"the labels of the rows left out are exchanged {count} times under fixed probes, which is valid for a"
        what += " single split"
    else:
        what = f"labels are exchanged {count} times inside the folds, whole groups with groups of equal size, and "
        what += f"{_probes(view, test)} are refitted in every cell for each relabelling"
    statistic = (
        f"a cell's statistic is {_statistic(view, test, name)}, less the mean over the relabellings and divided "
    )
    statistic += "by their standard deviation"
    p = "its p is the share of relabellings, the observed one counted in, whose highest statistic over all cells is at "
    p += "least as high"
    forms = {
        "text": what,
        "Text": text.capital(what),
        "Statistic": text.capital(statistic),
        "p": p,
        "by": f"by a {TEST} ({SOURCE})",
        "Other": text.capital(_other(view, test)),
    }
    ledger.add("permutation", "setting", forms, value=test.maxima.size, n=_rows(view))


def _statistic(view: View, test: Permutation, name: str) -> str:
    """What is computed for the true labels as for every relabelling."""
    if test.statistic == "held-out":
        return f"its {name}"
    probe = (
        "a ridge probe whose penalty no label enters (times the training rows it is the mean squared length of a row)"
    )
    if test.statistic == "logistic":
        penalty = view.grid.settings.get("relabel_penalty")
        at = f" at penalty {text.power(float(penalty))}" if isinstance(penalty, float) else ""
        probe = f"a logistic probe{at}"
    repeats = view.grid.settings.get("repeats", 1)
    first = " on the folds of the first repeat" if isinstance(repeats, int) and repeats > 1 else ""
    return f"the {name} of {probe}{first}, for the true labels as for all others"


def _other(view: View, test: Permutation) -> str:
    """That the probes of the test are not those whose values the cells show."""
    own = str(view.grid.settings.get("probe", ""))
    if test.statistic == "held-out" or own in ("", test.statistic):
        return ""
    penalty = _ridge(view, test)
    refitted = REFITTED.get(test.statistic, test.statistic) + (f" ({penalty})" if penalty else "")
    return f"the test refits {refitted}, while cells show {_shown(own)}"


def _shown(probe: str) -> str:
    return {"mean_difference": "differences of class means"}.get(probe, f"{text.visible(probe)} probes")


def _ridge(view: View, test: Permutation) -> str:
    penalty = view.grid.settings.get("ridge_penalty")
    if test.statistic != "ridge" or not isinstance(penalty, int | float) or isinstance(penalty, bool):
        return ""
    return f"penalty {text.power(float(penalty))}"


def _detectable(view: View, test: Permutation, ledger: Ledger) -> None:
    """The smallest value that these rows show in a cell with the stated power, after correction."""
    name = view.grid.quantity.name
    article = "an" if name[:1] in "AEIOUaeiouR" else "a"
    shown = text.number(test.detectable)
    n, power = _rows(view), text.percent(test.power)
    clause = f"with {text.plural(n, 'row')} {article} {name} of {shown} or more in a cell would be found with {power} "
    clause += "power after correction; weaker signals would be missed more often"
    how = "this follows from the critical value and the spread of the relabellings, and the variance of Hanley & McNeil"
    how += " 1982"
    forms = {"text": shown, "clause": clause, "Clause": text.capital(clause), "how": how}
    ledger.add("detectable", "detectable", forms, value=test.detectable, low=test.power, n=n)


def _rows(view: View) -> int:
    return int(view.grid.n[view.ok].max())
