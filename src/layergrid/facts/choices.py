"""Facts of how a grid was split, fitted and chosen, in words that a paper could print; from its settings alone.

What the settings do not say is not spoken of: grids with plain folds read as they always did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from layergrid import text
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

PROBES = {
    "logistic": "logistic regressions with an L2 penalty and a free intercept",
    "ridge": "ridge regressions with a free intercept",
    "mean_difference": "differences of the class means, onto which the states are projected; they have no penalty",
}
FEW = 8  # classes that are named one by one


def derive(view: View, ledger: Ledger) -> None:
    """Writes what is chosen and where, how rows are split, and what is fitted to which target."""
    settings = view.grid.settings
    validation = str(settings.get("validation", "folds"))
    _choice(settings, validation, ledger)
    if validation == "parity":
        _parity(settings, ledger)
    elif validation == "fixed":
        _fixed(settings, ledger)
    repeats = settings.get("repeats", 1)
    if validation == "folds" and isinstance(repeats, int) and repeats > 1:
        _repeats(repeats, settings, ledger)
    _near_duplicates(settings, ledger)
    _ends(view, settings, ledger)
    _fitted(view, settings, ledger)


def _choice(settings: Mapping[str, Any], validation: str, ledger: Ledger) -> None:
    """What is chosen apart from the rows that score it, and where."""
    penalties = settings.get("penalties", (0, 0))
    alone = settings.get("probe") == "mean_difference" or len(penalties) == 1
    what = "layer and position" if alone else "layer, position and penalty"
    own = "layer" if alone else "layer and penalty"
    forms = {
        "what": what,
        "What": text.capital(what),
        "when": f"when {what} are chosen inside the training folds and scored on the fold left out",
        "how": f"{what} are chosen inside the training folds, and the choice is scored outside",
        "own": f"its own {own} chosen inside the training folds",
    }
    if validation == "fixed":
        forms |= {
            "when": f"when {what} are chosen on rows kept for that and scored on the test rows",
            "how": f"{what} are chosen on rows kept for that, and the choice is scored on the test rows",
            "own": f"its own {own} chosen on rows kept for that",
        }
    ledger.name("choice", **forms)


def _counts(settings: Mapping[str, Any], *names: str) -> dict[str, int]:
    return {name: int(settings[name]) for name in names if isinstance(settings.get(name), int)}


def _fixed(settings: Mapping[str, Any], ledger: Ledger) -> None:
    """One split into rows that train, choose and test."""
    counts = _counts(settings, "train_rows", "select_rows", "rows")
    uses = (("train_rows", "to train"), ("select_rows", "to choose on"), ("rows", "to test"))
    shown = [f"{text.count(counts[name])} {use}" for name, use in uses if name in counts]
    clause = f"rows are split once, by classes and groups: {text.listed(shown)}"
    leaked = int(settings.get("leaked_rows", 0))
    if leaked:
        clause += f"; {text.plural(leaked, 'row')} of groups that stand among the test rows are left out of training"
    forms = {
        "text": clause,
        "Text": text.capital(clause),
        "rest": "one split of the rows, in which the test rows choose nothing",
        "chosen": "the rows kept for choosing",
    }
    ledger.add("validation", "setting", forms, value="fixed")


def _parity(settings: Mapping[str, Any], ledger: Ledger) -> None:
    """The published recipe, with what is wrong with it."""
    counts = _counts(settings, "train_rows", "rows")
    shown = [f"{text.count(counts[name])} {use} rows" for name, use in (("train_rows", "training"), ("rows", "test"))
             if name in counts]  # fmt: skip
    split = f"one split into {text.listed(shown)}" if shown else "one split"
    recipe = f"validation is that of the published recipe, kept to reproduce its figures: {split}, one penalty, and no "
    recipe += "nested choice"
    faults = (
        "its faults are known: one split, so that each figure hangs on which rows it tests; features that are not "
        "scaled; groups of rows that the split may part; a solver that stops before it has converged; and a highest "
        "cell that is read off the test rows that pick it, so that its value is too high"
    )
    forms = {
        "text": recipe,
        "Text": text.capital(recipe),
        "Faults": text.capital(faults),
        "rest": "one split of the rows, by the published recipe, and their highest cell is picked by its test rows",
    }
    ledger.add("validation", "setting", forms, value="parity")


def _repeats(repeats: int, settings: Mapping[str, Any], ledger: Ledger) -> None:
    folds = text.counted(int(settings.get("folds", 0)), "fold")
    clause = (
        f"the folds are drawn anew {text.words(repeats)} times; repeats are averaged, and the interval is that of one "
        "repeat, because repeats are not independent"
    )
    forms = {
        "text": text.counted(repeats, "repeat"),
        "Clause": text.capital(clause),
        "rest": f"{text.words(repeats)} assignments of rows to {folds}",
    }
    ledger.add("repeats", "setting", forms, value=repeats)


def _near_duplicates(settings: Mapping[str, Any], ledger: Ledger) -> None:
    found = settings.get("near_duplicates")
    if not isinstance(found, Mapping):
        return
    mode, rows, clusters = str(found.get("mode", "")), int(found.get("rows", 0)), int(found.get("clusters", 0))
    if mode == "ignore":
        clause = "near-duplicates are not looked for"
    elif not rows:
        clause = "no rows are near-duplicates of others"
    else:
        them = f"{text.plural(rows, 'row')} {'is a near-duplicate' if rows == 1 else 'are near-duplicates'} of others"
        clause = f"{them} ({text.plural(clusters, 'cluster')})"
        clause += (
            "; rows of one cluster stay together in each split"
            if mode == "group" and settings.get("validation") != "parity"
            else "; they are not kept together, so that a probe may be tested on what it was trained on"
        )
    forms = {"text": clause, "Text": text.capital(clause)}
    if "tested on what" in clause:
        forms["leak"] = f"{text.capital(them)}, and a probe may be tested on what it was trained on"
    ledger.add("near_duplicates", "setting", forms, value=rows, n=clusters)


def _ends(view: View, settings: Mapping[str, Any], ledger: Ledger) -> None:
    """That most folds choose the weakest or the strongest penalty: the range may be too narrow."""
    chosen = [w.penalty for w in view.result.selection.winners] if view.result.selection is not None else []
    known = sorted(settings.get("penalties", ()))
    for word, end in (("weakest", known[:1]), ("strongest", known[-1:])):
        count = sum(math.isclose(p, e, rel_tol=1e-9) for p in chosen for e in end)
        if len(known) > 1 and 2 * count > len(chosen):
            clause = (
                f"{text.counted(count, 'fold')} of {text.words(len(chosen))} {'chooses' if count == 1 else 'choose'} "
            )
            clause += f"the {word} penalty, so that a wider range may do better"
            ledger.add("penalties.end", "count", {"Text": text.capital(clause)}, value=count, n=len(chosen))


def _fitted(view: View, settings: Mapping[str, Any], ledger: Ledger) -> None:
    """The probes, the target that they are fitted to, and what the metric is."""
    probe, target = str(settings.get("probe", "")), str(settings.get("target", "binary"))
    if probe in PROBES:
        shown = PROBES[probe] + (", each of a class against the rest" if target == "classes" else "")
        ledger.add("probe", "setting", {"text": shown, "Text": f"Probes are {shown}"}, value=probe)
    held = view.result.held_out
    classes = held.classes if held is not None else ()
    if target == "classes" and classes:
        named = text.listed(classes) if len(classes) <= FEW else ""
        clause = f"the target has {text.counted(len(classes), 'class', 'classes')}" + (f": {named}" if named else "")
        clause = text.visible(clause)
        ledger.add("target", "setting", {"text": clause, "Text": text.capital(clause)}, value=len(classes))
    elif target == "value":
        column = text.visible(str(settings.get("column", "")))
        clause = f"the target is a number{f', the column {column}' if column else ''}"
        forms = {"text": clause, "Text": text.capital(clause), "by": "ranges of the target"}
        ledger.add("target", "setting", forms)
    meant = _metric(view, settings)
    if meant:
        ledger.add("metric", "setting", {"text": meant, "Text": text.capital(meant)})


def _metric(view: View, settings: Mapping[str, Any]) -> str:
    """What the measure is, where it is not a single AUROC."""
    majority = settings.get("majority")
    share = f", {text.number(float(majority))}" if isinstance(majority, float) else ""
    return {
        "macro_auroc": "the macro AUROC is the mean over classes of the AUROC of one class against the rest, and "
        "classes weigh alike",
        "accuracy": f"the accuracy is the share of rows whose class has the highest score; chance is the share of the "
        f"largest class{share}",
        "r2": f"{view.grid.quantity.name} is 1 less the squared error over the squared distance from the mean of the "
        "rows left out; below 0 that mean would do better",
        "rank_correlation": "the rank correlation is Spearman's, of the target and the scores of the rows left out",
    }.get(view.grid.metric, "")
