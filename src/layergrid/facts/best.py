"""Facts of the best cell: the nested estimate, the highest cell, the folds' winners, the ties, the baselines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import Baseline, CellStatus, Estimate, Selection
from layergrid.facts.ledger import Ledger, against_zero, clear_of_zero, difference_forms, estimate_forms
from layergrid.facts.view import Index, View

FLATTERED = (
    "Among several baselines, a choice by value is made on the rows that score them, which flatters it; the nested "
    "estimate picks its cell on other rows"
)
NAMED = 3  # baselines that a sentence names one by one


def derive(view: View, ledger: Ledger) -> None:
    """Writes what may be said of the best."""
    selection = view.result.selection
    if selection is not None and math.isfinite(selection.estimate.value):
        _nested(view, selection, ledger)
    if view.constant:
        _constant(view, ledger)
    if view.peaks and not view.silent:
        _highest(view, ledger)
        if view.named and int(view.ok.sum()) > 1:
            _tied(view, ledger)
    if view.described and view.named:
        _lowest(view, ledger)
    _baselines(view, ledger)


def _nested(view: View, selection: Selection, ledger: Ledger) -> None:
    e = selection.estimate
    cells = tuple(dict.fromkeys((w.layer, w.position) for w in selection.winners))
    forms = estimate_forms(e, view.digits) | {"n": f"n = {text.count(e.n)}"}
    forms |= {"the": "the nested best", "The": "The nested best"}
    ledger.add("nested", "nested", forms, cells=cells, value=e.value, low=e.low, high=e.high, n=e.n)
    chance = view.grid.quantity.chance
    if chance is not None:
        relation = against_zero(e.low - chance, e.high - chance)
        shown = text.trimmed(chance, 3)
        forms = {"text": f"{relation} chance ({shown})", "short": f"{relation} chance"} if relation else {}
        if relation:
            forms["clause"] = f"{'and ' if relation == 'cannot be told from' else ''}{forms['text']}"
        if relation and relation != "above":
            forms["evidence"] = "no evidence"
        if relation in {"above", "below"}:
            size = difference_forms(e.value - chance, e.low - chance, e.high - chance, view.digits)["text"]
            forms["full"] = f"{size} {relation} chance"
        of = ["nested", "chance"]
        ledger.add("nested.chance", "relation", forms, value=e.value - chance, relation=relation, of=of)
    if selection.winners:
        _winners(view, selection, ledger)


def _winners(view: View, selection: Selection, ledger: Ledger) -> None:
    """Which cell each fold chose: positions by how many folds chose them, with their layers."""
    winners = selection.winners
    by_position = Counter(w.position for w in winners)
    order = sorted(by_position, key=lambda p: (-by_position[p], view.grid.positions.index(p)))
    chosen = {p: text.layers([w.layer for w in winners if w.position == p]) for p in order}
    shown = [text.visible(p) for p in order]
    k = len(winners)
    if len(order) == 1:
        every = "the only fold chooses" if k == 1 else f"{'both' if k == 2 else f'all {text.words(k)}'} folds choose"
        every = "the rows kept for choosing pick" if view.grid.settings.get("validation") == "fixed" else every
        clause = f"{every} {shown[0]}, in {chosen[order[0]]}"
    else:
        parts: list[str] = []
        for name, p in zip(shown, order, strict=True):
            verb = "chooses" if by_position[p] == 1 else "choose"
            lead = (
                f"of the {text.words(k)} folds, {text.words(by_position[p])} {verb}"
                if not parts
                else text.words(by_position[p])
            )
            parts.append(f"{lead} {name} ({chosen[p]})")
        clause = text.listed(parts)
    forms = {"text": clause, "Text": text.capital(clause), "position": shown[0] if len(order) == 1 else ""}
    cells = tuple(dict.fromkeys((w.layer, w.position) for w in winners))
    ledger.add("winners", "winners", forms, cells=cells, value=by_position[order[0]], n=k, of=["nested"])


def _highest(view: View, ledger: Ledger) -> None:
    i, j = view.peaks[0]
    e = cell(view, (i, j))
    where = _where(view, view.peaks)
    the = "the only cell" if view.ok.sum() == 1 else _best(view)
    claim = view.grid.quantity.claim
    forms = cell_forms(view, e) | {
        "where": where,
        "at": _at(view, view.peaks),
        "the": the,
        "a": f"a {view.extreme} cell",
        "is": f"is {view.extreme}",
        "lone": "the only cell" if view.ok.sum() == 1 else "",
        "The": text.capital(the),
        "reads": "reads" if len(view.peaks) == 1 else "read",
        "optimistic": "it was chosen on the rows that score it, so that its value is optimistic"
        if len(view.peaks) == 1
        else "they were chosen on the rows that score them, so that their value is optimistic",
        "single": view.extreme if view.named else "",
        "least": "least is most" if view.sign < 0 else "",
        "beside": _beside(view, view.peaks),
        "holds": _holds(view, (i, j)),
        "superlative": f"most {claim}" if view.named and claim and not view.veiled else "",
    }
    ledger.add("highest", "highest", forms, cells=view.points(view.peaks), value=e.value, low=e.low, high=e.high, n=e.n)


def _best(view: View) -> str:
    """The highest cell or cells with their article."""
    return f"the {view.called(range(len(view.grid.positions)), len(view.peaks) > 1)}"


def _constant(view: View, ledger: Ledger) -> None:
    e, n = cell(view, view.peaks[0]), int(view.ok.sum())
    every = "both" if n == 2 else f"all {text.words(n)}"
    clause = f"{every} cells hold the same value, {text.number(e.value, view.digits)}, and none is singled out"
    ledger.add("constant", "constant grid", {"text": clause, "Text": text.capital(clause)}, value=e.value, n=n)


def _where(view: View, cells: Sequence[Index]) -> str:
    """Where equal cells stand: the layers of one position, the positions of one layer, or at how many positions."""
    columns = sorted({j for _, j in cells})
    layers = [view.grid.layers[i] for i, _ in cells]
    if len(columns) == 1 and len(text.runs(layers)) <= NAMED:
        return f"{view.shown(columns[0])} in {text.layers(layers)}"
    if len(columns) <= NAMED and len(set(layers)) == 1:
        return f"{text.listed(view.shown(j) for j in columns)} in {text.layers(layers[:1])}"
    return f"at {text.counted(len(columns), view.noun)}"


def _at(view: View, cells: Sequence[Index]) -> str:
    """The same with its preposition."""
    where = _where(view, cells)
    return f"in {text.words(len(cells))} cells" if where.startswith("at ") else f"at {where}"


def _holds(view: View, index: Index) -> str:
    """Where the interval of a highest difference lies that is not above zero, or that only others have one."""
    if not view.grid.contrast or view.named or view.constant or not view.bounded.any():
        return ""
    if not view.bounded[index]:
        return "whose interval is not known"
    return "whose interval lies below zero" if view.grid.high[index] < 0 else "whose interval holds zero"


def _beside(view: View, cells: Sequence[Index]) -> str:
    """What the references are at one cell or at equal ones: "the cosine of mismatched examples is 0.88 there"."""
    found = []
    for f in view.grid.facets:
        there = [float(f.value[index]) for index in cells if f.role == "reference" and math.isfinite(f.value[index])]
        if there:
            low, high = (text.number(end, view.digits) for end in (min(there), max(there)))
            found.append(f"{view.reference(f)} is {low if low == high else f'between {low} and {high}'} there")
    return text.listed(found)


def _lowest(view: View, ledger: Ledger) -> None:
    """The cell at the other end of the values; not of one text, nor where it prints as the end of the scale."""
    e = cell(view, view.valleys[0])
    end = view.grid.quantity.low if view.sign > 0 else view.grid.quantity.high
    if view.grid.text_of or (
        end is not None and cell_forms(view, e)["value"] == text.number(end, view.places(e.low, e.high))
    ):
        return
    one = len(view.valleys) == 1
    the = f"the {view.opposite} {'cell' if one else 'cells'}"
    forms = cell_forms(view, e) | {
        "where": _where(view, view.valleys),
        "at": _at(view, view.valleys),
        "the": the,
        "The": text.capital(the),
        "single": view.opposite,
        "is": f"is {view.opposite}",
        "reads": "reads" if one else "read",
    }
    ledger.add("lowest", "lowest", forms, cells=view.points(view.valleys), value=e.value, low=e.low, high=e.high, n=e.n)


def _tied(view: View, ledger: Ledger) -> None:
    """Cells that a paired interval cannot tell from the highest, which does not count itself."""
    if not view.paired:
        return
    mask = view.ties
    first = view.peaks[0]
    best = _best(view)
    if view.grid.status[first] == CellStatus.BOUNDARY.value:
        return  # no paired interval exists there, so that nothing could be told from it
    others = [(int(i), int(j)) for i, j in np.argwhere(mask) if (int(i), int(j)) not in view.peaks]
    total = int(view.ok.sum()) - len(view.peaks)
    clear = [c for c in others if not view.noise[c]]  # those inside the noise are counted, and not named
    columns = sorted({j for _, j in clear})
    noun = "cell" if len(others) == 1 else "cells"
    full = ""
    if not others:
        clause = f"every other cell can be told from {best}"
    elif len(others) == total:
        clause = f"no other cell can be told from {best}"
    else:
        clause = f"{text.words(len(others))} other {noun} cannot be told from {best}"
        spread = _spread(view, clear)
        full = f"{text.words(len(others))} other {noun}, at {spread}, cannot be told from {best}"
        if len(clear) < len(others):
            full = f"{clause}, {text.words(len(clear)) if clear else 'none'} of them above chance"
            full += f", at {spread}" if clear else ""
    if others:
        ledger.add(
            "tied.count",
            "ties",
            {"text": f"{text.count(len(others))} {noun}"},
            cells=view.points(others),
            value=len(others),
        )
    only = columns == [first[1]] and len(clear) == len(others)
    run = text.layers([view.grid.layers[i] for i, _ in [*others, first]]) if only else ""
    forms = {
        "text": clause,
        "full": full or clause,
        "Full": text.capital(full or clause),
        "run": run,
        "position": view.shown(first[1]) if only else "",
        "relation": "cannot be told from" if others else "can be told from",
        "all": "no other cell" if others and len(others) == total else "",
        "alone": "" if others else "every other cell can be told from it",
    }
    points = view.points([first, *others])
    ledger.add(
        "tied", "ties", forms, cells=points, value=len(others), n=total, relation=forms["relation"], of=["highest"]
    )


def _spread(view: View, cells: Sequence[Index]) -> str:
    """Where cells stand: positions with their layers, or how many positions."""
    columns = sorted({j for _, j in cells})
    where = {j: text.layers([view.grid.layers[i] for i, c in cells if c == j]) for j in columns}
    named = [f"{view.shown(j)} ({where[j]})" for j in columns]
    return text.listed(named) if len(columns) <= 4 else f"{text.words(len(columns))} {view.noun}s"


def cell_forms(view: View, e: Estimate) -> dict[str, str]:
    """The forms of a cell's estimate, with the digits that it bears."""
    digits = view.places(e.low, e.high)
    return estimate_forms(e, clear_of_zero(e.low, e.high, digits) if view.grid.contrast else digits)


def cell(view: View, index: Index) -> Estimate:
    """The estimate of one cell."""
    grid = view.grid
    return Estimate(
        float(grid.value[index]), float(grid.low[index]), float(grid.high[index]), grid.level, int(grid.n[index])
    )


def _baselines(view: View, ledger: Ledger) -> None:
    valued = [b for b in view.result.baselines if b.estimate is not None and math.isfinite(b.estimate.value)]
    for b in view.result.baselines:
        _baseline(view, b, ledger)
    if not valued:
        return
    top = max(b.estimate.value for b in valued if b.estimate)
    best = [b for b in valued if b.estimate and b.estimate.value == top]
    shown = text.visible(best[0].label)
    forms = {"label": shown, "named": f"the best of {text.words(len(valued))} baselines", "the": "the best baseline"}
    if len(valued) == 1:
        forms |= {"named": "the only baseline", "the": "the baseline"}
    if len(best) > 1:
        forms = {
            "label": text.visible(text.listed(b.label for b in best)),
            "named": "the best baselines",
            "the": "the best baselines",
        }
    forms |= {"Named": text.capital(forms["named"])}
    if len(valued) > 1:
        forms["flattered"] = FLATTERED
    one = len(best) == 1
    forms |= {"orders": "orders" if one else "order", "it": "it" if one else "them"}
    forms["alone"] = f"{'does' if one else 'do'} not account for it by {'itself' if one else 'themselves'}"
    forms |= {"verb": "reaches" if len(best) == 1 else "reach", "The": text.capital(forms["the"])}
    forms |= estimate_forms(best[0].estimate, view.digits) if best[0].estimate else {}
    forms["states"] = "states" if best[0].sees == "states" else ""
    e = best[0].estimate
    low, high = (e.low, e.high) if e else (None, None)
    ledger.add(
        "best_baseline", "best baseline", forms, value=top, low=low, high=high, of=[baseline_key(b) for b in best]
    )
    d = best[0].difference
    if d is not None and math.isfinite(d.value):
        _difference(view, "gain", d, ledger, ["nested", "best_baseline"])
    _verdicts(valued, ledger)
    _question_only(valued, ledger)


def _question_only(valued: Sequence[Baseline], ledger: Ledger) -> None:
    """The best baseline that sees the question alone, where the nested best does not stand above it."""
    level: list[tuple[float, Baseline, str]] = []
    for b in valued:
        relation = against_zero(b.difference.low, b.difference.high) if b.difference else ""
        if b.sees == "question" and b.estimate and relation in {"cannot be told from", "below"}:
            level.append((b.estimate.value, b, relation))
    if not level:
        return
    _, best, relation = max(level, key=lambda one: one[0])
    clause = {"cannot be told from": "cannot be told from the nested best", "below": "order the rows better"}
    forms = {"Label": text.capital(text.visible(best.label)), "clause": clause[relation]}
    ledger.add("question_only", "paired difference", forms, relation=relation, of=["nested", baseline_key(best)])


def baseline_key(b: Baseline) -> str:
    """The key of a baseline's fact."""
    return f"baseline.{text.slug(b.name)}"


def _baseline(view: View, b: Baseline, ledger: Ledger) -> None:
    label = text.visible(b.label)
    if b.estimate is None or not math.isfinite(b.estimate.value):
        forms = {"label": label, "reason": f"{label} ({text.visible(b.reason)})" if b.reason else label}
        ledger.add(baseline_key(b), "baseline without a value", forms)
        return
    e = b.estimate
    forms = estimate_forms(e, view.digits)
    named = f"{label} {forms['text']}"
    ledger.add(
        baseline_key(b),
        "baseline",
        forms | {"label": label, "named": named},
        value=e.value,
        low=e.low,
        high=e.high,
        n=e.n,
    )
    if b.difference is not None and math.isfinite(b.difference.value):
        _difference(view, f"over.{text.slug(b.name)}", b.difference, ledger, ["nested", baseline_key(b)])


def _difference(view: View, key: str, d: Estimate, ledger: Ledger, of: Sequence[str]) -> None:
    forms = difference_forms(d.value, d.low, d.high, view.digits)
    relation = against_zero(d.low, d.high)
    size = forms["text"]
    if relation in {"above", "below"}:
        forms |= {"relation": f"{size} {relation}", "word": relation}
        if relation == "below":
            forms["converse"] = f"better than the nested best, by {size}"
    elif relation:
        forms |= {"relation": relation, "word": relation, "difference": f"difference is {size}"}
    else:
        forms |= {"difference": f"difference is {forms['signed']}, without an interval"}
        forms |= {"of": f"difference of {forms['signed']}, without an interval"}
    if "range" in forms:
        forms["interval"] = f"{text.percent(d.level)} interval {forms['range']}"
    ledger.add(key, "paired difference", forms, value=d.value, low=d.low, high=d.high, n=d.n, relation=relation, of=of)


def _verdicts(valued: Sequence[Baseline], ledger: Ledger) -> None:
    """Over which baselines the nested best stands above, below, or cannot be told from them."""
    found: dict[str, list[str]] = {"above": [], "cannot be told from": [], "below": []}
    for b in valued:
        if b.difference is not None:
            relation = against_zero(b.difference.low, b.difference.high)
            if relation:
                found[relation].append(text.visible(b.label))
    for relation, labels in found.items():
        if not labels:
            continue
        n, k = len(valued), len(labels)
        if k < n:
            counted = f"{text.words(k)} of the {text.words(n)} baselines"
            whom = text.listed(labels) if k <= NAMED else counted
        elif n == 1:
            whom = f"the only baseline, {labels[0]}"
        else:
            every = "both" if n == 2 else f"all {text.words(n)}"
            whom = "any baseline" if relation == "cannot be told from" else f"{every} baselines"
        key = "over_all." + relation.split(" ", 1)[0]
        forms = {"text": f"{relation} {whom}"}
        ledger.add(key, "paired differences", forms, value=len(labels), n=len(valued), relation=relation)
