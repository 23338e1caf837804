"""Facts of what a grid holds: its quantity, its size, its rows, its empty cells, and how many cells pass the test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import CellStatus, DataCard, Quantity
from layergrid.facts import permuted
from layergrid.facts.ledger import Ledger
from layergrid.facts.sources import by_label
from layergrid.facts.view import View

FEW = 5  # rows left out from which on their shares by label are stated
BECAUSE = {
    CellStatus.MISSING: "no example has the position with a status that counts",
    CellStatus.ONE_CLASS: "all labels are equal",
    CellStatus.TOO_FEW: "too few rows of a class for the folds",
    CellStatus.NOT_FINITE: "activations that are not finite",
    CellStatus.CONSTANT: "activations that do not differ between examples",
    CellStatus.NOT_CONVERGED: "the solver did not converge",
    CellStatus.LACKING: "the model has no such part there",
    CellStatus.REFERENCE: "what is compared is the reference itself",
    CellStatus.NOT_ATTENDABLE: "the key comes after the query, so that no weight can fall on it",
}
NAMED = 8  # positions without a value that are named one by one
LISTED = 24  # tokens of one text that are named one by one


def derive(view: View, ledger: Ledger) -> None:
    """Writes the facts of one grid's outline."""
    grid = view.grid
    stack, _, bare = grid.site.rpartition(".")
    site = text.site_name(grid.site, grid.head) if bare in text.SITES else stack
    ledger.name(
        "grid", name=grid.name, model=grid.model, dataset=grid.dataset,
        site=f"the {site}" if site else "",
        text=_text(view), contrast=grid.contrast.replace(" - ", " minus "),
    )  # fmt: skip
    _quantity(grid.quantity, bool(grid.contrast), ledger)
    _size(view, ledger)
    _rows(view, ledger)
    _empty(view, ledger)
    if view.ok.any():
        _range(view, ledger)
        _above(view, ledger)
        if view.described and not view.paired and not (view.result.sides and view.bounded.any()):
            _certainty(view, ledger)


def _quantity(quantity: Quantity, contrast: bool, ledger: Ledger) -> None:
    unit = f" {quantity.unit}" if quantity.unit else ""
    first = quantity.name.split(" ")[0]
    the = quantity.name if any(c.isupper() for c in first) else f"the {quantity.name}"
    ledger.name(
        "quantity",
        name=quantity.name,
        Name=text.capital(quantity.name),
        Bare=text.capital(quantity.name.removeprefix("difference in ")),
        the=the,
        The=text.capital(the),
        unit=quantity.unit,
        subject=quantity.subject,
        Subject=text.capital(quantity.subject),
        claim=quantity.claim,
        positive=quantity.positive,
        Positive=text.capital(quantity.positive),
        sentence=quantity.sentence.rstrip("."),
        caution=quantity.caution.rstrip("."),
    )
    if quantity.chance is not None:
        shown = text.trimmed(quantity.chance, 3)
        forms = {"text": shown + unit, "named": f"chance ({shown}{unit})", "clause": f"chance is {shown}{unit}"}
        if contrast:
            forms |= {"named": f"no difference ({shown})", "clause": f"{shown} means no difference"}
        forms["Clause"] = text.capital(forms["clause"])
        ledger.add("chance", "constant", forms, value=quantity.chance)
    low, high = quantity.low, quantity.high
    if low is not None and high is not None:
        shown = f"{text.trimmed(low)} to {text.trimmed(high)}{unit}"
        ledger.add("bounds", "constant", {"text": f"from {shown}"}, low=low, high=high)
    elif low is not None or high is not None:
        end = (
            f"{text.trimmed(low)}{unit} upwards" if low is not None else f"{text.trimmed(high or 0.0)}{unit} downwards"
        )
        ledger.add("bounds", "constant", {"text": f"from {end}"}, low=low, high=high)


def _size(view: View, ledger: Ledger) -> None:
    grid = view.grid
    layers, positions = len(grid.layers), len(grid.positions)
    cells = layers * positions
    noun = "token" if grid.text_of else "position"
    by = f"{text.plural(layers, 'layer')} by {text.plural(positions, noun)}"
    full = f"{by}, {text.plural(cells, 'cell')}" if min(layers, positions) > 1 else by
    ledger.add(
        "shape",
        "size",
        {"text": by, "full": full, "cells": text.plural(cells, "cell"), "words": text.counted(cells, "cell")},
        value=cells,
    )
    if layers:
        ledger.add(
            "layers", "size", {"text": text.layers(grid.layers), "count": text.plural(layers, "layer")}, value=layers
        )
        ledger.add("layers.first", "layer", {"text": text.layers(grid.layers[:1])}, value=grid.layers[0])
    end = [grid.positions[j] for g in view.groups if g.key == "from.end" for j in g.columns]
    forms = {
        "count": text.plural(positions, noun),
        "text": _names(view),
        "run": text.visible(f"{end[0]} to {end[-1]}" if len(end) > 2 else text.listed(end)),
        "Counts": "" if not end else "The name" if len(end) == 1 else "The names",
        "counts": "" if not end else "counts" if len(end) == 1 else "count",
    }
    ledger.add("positions", "size", forms, value=positions)
    left_out = [str(name) for name in grid.settings.get("positions_left_out", ())]
    if left_out:
        shown = text.visible(text.listed(left_out))
        verb = (
            "is left out: no example has it with a status that counts"
            if len(left_out) == 1
            else "are left out: no example has one of them with a status that counts"
        )
        ledger.add(
            "left_out",
            "size",
            {"text": shown, "Clause": f"The {'position' if len(left_out) == 1 else 'positions'} {shown} {verb}"},
            value=len(left_out),
        )


def _text(view: View) -> str:
    """The one example whose tokens are the positions, in words."""
    noun = "text" if view.card is not None and not view.card.written else "example"
    return f"{noun} {view.grid.text_of}" if view.grid.text_of else ""


def _names(view: View) -> str:
    """The positions in order; of a long text, or of very many, the ends."""
    names = [view.shown(j) for j in range(len(view.grid.positions))]
    if view.grid.text_of and len(names) > LISTED:
        return f"{names[0]} to {names[-1]}"
    if len(names) > 2 * LISTED:
        return f"{names[0]}, {names[1]} and so on to {names[-1]}"
    return text.listed(names)


def _rows(view: View, ledger: Ledger) -> None:
    grid = view.grid
    n, positive = grid.n[view.ok], grid.n_positive[view.ok]
    if n.size and n.max() > 0:
        low, high = int(n.min()), int(n.max())
        few, many = int(positive.min()), int(positive.max())
        rows = text.plural(high, "row") if low == high else f"{text.span(low, high, 0)} rows"
        marked = text.count(many) if few == many else text.span(few, many, 0)
        one = low == high and few == many
        share = many / high if one and high else float("nan")
        ledger.add("rows", "size", {"text": rows, "count": rows.rsplit(" ", 1)[0]}, value=high, low=low, high=high)
        forms = {"text": marked, "percent": text.percent(share) if one and high else ""}
        ledger.add("rows.positive", "size", forms, value=many, low=few, high=many)
    settings = grid.settings
    if "dropped_correct" in settings and "dropped_wrong" in settings:
        right, wrong = int(settings["dropped_correct"]), int(settings["dropped_wrong"])
        total = right + wrong
        kept = _kept_wrong(view)
        shares = f"{text.percent(wrong / total)} of the rows left out are {_wrong(view)}" if total >= FEW else ""
        if shares and kept is not None:
            shares += f", against {text.percent(kept)} of the rows kept"
        ledger.add(
            "dropped",
            "by label",
            {
                "text": text.plural(total, "row"),
                "words": text.counted(total, "row"),
                "count": text.count(total),
                "split": by_label(right, wrong, view.classes),
                "percent": text.percent(wrong / total) if total else "",
                "of": f"{text.count(total)} of {text.plural(int(settings.get('rows_in_all', 0)), 'row')}",
                "shares": shares,
                "is": "is" if total == 1 else "are",
            },
            value=total,
            n=int(settings.get("rows_in_all", 0)) or None,
        )
    elif "rows" in settings and "rows_in_all" in settings:
        _left_out(int(settings["rows_in_all"]) - int(settings["rows"]), int(settings["rows_in_all"]), ledger)
    if "rows_in_all" in settings:
        every = int(settings["rows_in_all"])
        ledger.add("rows.all", "size", {"text": text.plural(every, "row"), "count": text.count(every)}, value=every)


def _left_out(lost: int, total: int, ledger: Ledger) -> None:
    """Rows left out where they have no labels."""
    forms = {
        "text": text.plural(lost, "row"),
        "words": text.counted(lost, "row"),
        "count": text.count(lost),
        "of": f"{text.count(lost)} of {text.plural(total, 'row')}",
        "is": "is" if lost == 1 else "are",
    }
    ledger.add("dropped", "count", forms, value=lost, n=total)


def _wrong(view: View) -> str:
    """The class whose label is False, as the rest of a sentence that begins with a share."""
    return "wrong" if view.classes == DataCard.classes else text.visible(view.classes[0])


def _rest(n: int) -> str:
    if n == 0:
        return ""
    return "the cell that is not above chance" if n == 1 else f"the {text.words(n)} cells that are not above chance"


def _lead(k: int, n: int) -> str:
    return f"of {text.counted(n, 'cell')}, {text.words(k)} {'is' if k == 1 else 'are'} above chance"


def _kept_wrong(view: View) -> float | None:
    """The share of wrong answers among the rows that are compared, where the setting `predict` tells the classes."""
    n, positive = view.grid.n[view.ok], view.grid.n_positive[view.ok]
    predict = view.grid.settings.get("predict")
    if (
        not n.size
        or n.min() != n.max()
        or positive.min() != positive.max()
        or predict not in {"error", "correct", "label"}
    ):
        return None
    share = float(positive[0] / n[0])
    return share if predict == "error" else 1 - share


def _empty(view: View, ledger: Ledger) -> None:
    status = np.where(view.grid.has_value & ~view.ok, CellStatus.NOT_FINITE.value, view.grid.status)
    total = status.size
    for kind, why in BECAUSE.items():
        cells = [(int(i), int(j)) for i, j in np.argwhere(status == kind.value)]
        if cells:
            given = {str(view.grid.reason[c]) for c in cells} - {""}
            if (view.described or kind is CellStatus.CONSTANT) and len(given) == 1:
                why = text.visible(given.pop().rstrip("."))
            where = _columns(view, cells)
            forms = {"text": f"{text.counted(len(cells), 'cell')} ({why}{where})", "why": why}
            ledger.add(f"empty.{kind.value}", "no value", forms, cells=view.points(cells), value=len(cells))
    lost = int((~view.ok).sum())
    clause = text.share(lost, total, "cell", "without a value") if lost else "every cell holds a value"
    clause = clause if total else "the grid has no cells"
    forms = {"text": clause, "Text": text.capital(clause), "count": text.count(lost)}
    forms["lost"] = f"{text.counted(lost, 'cell')} without a value" if lost else ""
    ledger.add("empty", "no value", forms, value=lost, n=total)
    held = int((status == CellStatus.BOUNDARY.value).sum())
    if held:
        cells = [(int(i), int(j)) for i, j in np.argwhere(status == CellStatus.BOUNDARY.value)]
        verb = "has" if held == 1 else "have"
        shown = text.counted(held, "cell")
        clause = text.capital(f"{shown} {verb} a fold at the end of the scale, and so a bound on one side only")
        forms = {"text": shown, "clause": clause}
        ledger.add("boundary", "one-sided", forms, cells=view.points(cells), value=held)


def _columns(view: View, cells: Sequence[tuple[int, int]]) -> str:
    """Text such as ", at -8 and -7" where cells fill whole columns of the grid, else nothing."""
    columns = sorted({j for _, j in cells})
    whole = len(cells) == len(columns) * len(view.grid.layers)
    if not whole or len(columns) == len(view.grid.positions):
        return ""
    return f", at {text.listed(view.shown(j) for j in columns)}" if len(columns) <= NAMED else ""


def _range(view: View, ledger: Ledger) -> None:
    values = view.grid.value[view.ok]
    low, high = float(values.min()), float(values.max())
    ledger.add(
        "range", "range", range_forms(low, high, view.digits, int(values.size)), low=low, high=high, n=int(values.size)
    )
    chance = view.grid.quantity.chance
    if chance is not None and not view.grid.contrast:
        below = [(int(i), int(j)) for i, j in np.argwhere(view.ok & (view.grid.value < chance))]
        clause = text.share(len(below), int(view.ok.sum()), "cell", "below chance")
        forms = {"text": text.capital(clause), "words": text.counted(len(below), "cell")}
        ledger.add("below_chance", "share", forms, cells=view.points(below), value=len(below), relation="below")


def _certainty(view: View, ledger: Ledger) -> None:
    """What is known of how sure the values are, where no two cells can be compared with an interval."""
    measured, given = view.result.measured, not view.grid.model
    if view.bounded.any():
        clause = "the intervals of single cells are as they were given, and " if given else ""
        clause += "differences between cells have none" if given else "differences between cells have no interval"
    elif view.grid.text_of:
        clause = "these are the values of a single text, so that no interval can be given"
    elif given or measured is None:
        clause = (
            f"no interval {'was given' if given else 'is known'}, so that the order of values is all that can be told"
        )
    elif len(measured.example_ids) == 1:
        clause = "these are the values of a single row, so that no interval can be given"
    else:
        clause = "all rows belong to one group, so that no interval can be given"
    ledger.add("certainty", "no interval", {"text": clause, "Text": text.capital(clause)}, value=0)


def range_forms(low: float, high: float, digits: int, n: int) -> dict[str, str]:
    """The forms of a range of n values: "stays between a and b", or what may be said where they print alike."""
    shown = text.number(low, digits)
    if n == 1:
        return {"text": shown, "lie": f"value is {shown}", "stays": f"is {shown}"}
    if shown == text.number(high, digits):
        return {"text": shown, "lie": f"values round to {shown}", "stays": f"stays at {shown}"}
    between = f"between {shown} and {text.number(high, digits)}"
    return {"text": between, "lie": f"values lie {between}", "stays": f"stays {between}"}


def _above(view: View, ledger: Ledger) -> None:
    if not view.tested:
        return
    permuted.write_correction(view, ledger)
    write_share(view, ledger, "above", [(i, j) for i in range(view.ok.shape[0]) for j in range(view.ok.shape[1])])


def write_share(view: View, ledger: Ledger, key: str, cells: Sequence[tuple[int, int]], label: str = "") -> None:
    """How many of some cells are above chance after correction, and from which layer on."""
    ok = [c for c in cells if view.ok[c]]
    hits = [c for c in ok if view.above[c]]
    if not ok:
        return
    clause = text.share(len(hits), len(ok), "cell", "above chance")
    forms = {
        "text": f"{clause} after correction",
        "Text": text.capital(f"{clause} after correction"),
        "clause": clause,
        "lead": text.capital(clause if len(hits) in {0, len(ok)} else _lead(len(hits), len(ok))),
        "of": f"{text.count(len(hits))} of {text.count(len(ok))}",
        "relation": "above",
        "not": _rest(len(ok) - len(hits)),
        "at": label,
        "zero": "" if hits else "no cell is above chance" if len(ok) > 1 else "the only cell is not above chance",
        "none": f"none of them at {label}" if label and not hits else "",
        "nor": f"none at {label}" if label and not hits else "",
    }
    ledger.add(key, "share", forms, cells=view.points(hits), value=len(hits), n=len(ok), relation="above")
    rows = sorted({i for i, _ in hits})
    first = min((i for i, _ in ok), default=0)
    if hits and rows[0] > first:
        layer = text.layers([view.grid.layers[rows[0]]])
        one = len(hits) == 1
        forms = {
            "text": layer,
            "clause": f"in {layer}" if one else f"none of them before {layer}",
            "silent": f"no cell before {layer} is above chance",
        }
        earliest = view.points([c for c in hits if c[0] == rows[0]])
        ledger.add(
            f"{key}.earliest",
            "earliest",
            forms,
            cells=earliest,
            value=view.grid.layers[rows[0]],
            relation="before",
            of=[key],
        )
