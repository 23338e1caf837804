"""Facts of two reports beside each other, read from the tables of a comparison; they compute nothing anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import Results, Scalar, Table
from layergrid.facts.ledger import Ledger, against_zero, clear_of_zero, difference_forms
from layergrid.facts.view import View

KEY = "comparison"
NESTED = "difference of nested bests"
Row = Mapping[str, Scalar]
PAIRED = {
    "folds": "paired on the rows, which stand in the same folds",
    "across": "paired on the rows, each in the folds of its own report",
    "rows": "paired on the rows",
    "": "",
}
LISTED = 8
NAMED = 3  # cells without an interval that are named one by one


def tables(results: Results) -> dict[str, list[Row]]:
    """The tables of a comparison by name, rows by column; empty where the results compare nothing."""
    found = {table.name: _rows(table) for table in results.tables}
    return found if {"labels", "pairs", "nested", "unmatched", "counts"} <= set(found) else {}


def _rows(table: Table) -> list[Row]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def derive(results: Results, seen: Sequence[View], prefixes: Sequence[str], ledger: Ledger) -> None:
    """Writes what the reports are called, how much of them agrees, and the differences of their nested bests."""
    found = tables(results)
    if not found:
        return
    names = [text.visible(str(row["label"])) for row in found["labels"]]
    ledger.name(KEY, a=names[0], b=names[1], text=f"{names[1]} less {names[0]}", both="in both reports",
                order="the largest difference first")  # fmt: skip
    _counts(found["counts"], ledger)
    _agreement(found, ledger)
    _lone(found["unmatched"], names, ledger)
    views = {view.grid.name: view for view in seen}
    keys = dict(zip((view.grid.name for view in seen), prefixes, strict=True))
    for row in found["pairs"]:
        _pair(row, names, keys[str(row["grid"])], ledger)
        _unbounded(views[str(row["grid"])], keys[str(row["grid"])], ledger)
    for row in found["nested"]:
        _nested(row, keys[str(row["grid"])], views[str(row["grid"])], ledger)


def _counts(rows: Sequence[Row], ledger: Ledger) -> None:
    """How many headline facts, other facts and settings are not the same."""
    for row in rows:
        what, changed, every = str(row["what"]), int(row["changed"] or 0), int(row["all"] or 0)
        noun = what.removesuffix("s")
        k, n = text.words(changed) if changed else "none", text.words(every)
        forms = {
            "text": f"{k} of {n} {noun if every == 1 else what}" if every else f"no {what}",
            "verb": "differs" if changed <= 1 else "differ",
            "differ": "differ", "count": text.count(changed), "plural": text.counted(changed, noun),
        }  # fmt: skip
        forms["Text"] = text.capital(forms["text"])
        ledger.add(f"{KEY}.{what.replace(' ', '_')}", "count", forms, value=changed, n=every)


def _agreement(found: Mapping[str, Sequence[Row]], ledger: Ledger) -> None:
    """Whether the reports agree in every cell, and how many cells are exactly what they were."""
    cells = sum(int(row["cells"] or 0) for row in found["pairs"])
    same = sum(int(row["unchanged"] or 0) for row in found["pairs"])
    if not cells:
        what = "cell" if found["pairs"] or any(row["side"] == "both" for row in found["unmatched"]) else "grid"
        ledger.add(f"{KEY}.cells", "count", {"None": f"The reports have no {what} in common"}, value=0, n=0)
        return
    forms = {
        "text": text.share(same, cells, "cell", "unchanged"),
        "count": f"{text.count(same)} of {text.count(cells)}",
    }
    if same == cells and not found["unmatched"]:
        forms["alike"] = "the reports agree in every cell"
    elif same == cells:
        forms["alike"] = "the reports agree in every cell that both have"
    forms |= {name.capitalize(): text.capital(forms[name]) for name in ("text", "alike") if name in forms}
    ledger.add(f"{KEY}.cells", "count", forms, value=same, n=cells)


def _lone(rows: Sequence[Row], names: Sequence[str], ledger: Ledger) -> None:
    """What only one of the reports has."""
    for side, name in zip("ab", names, strict=True):
        mine = [text.visible(f"the {row['what']} {row['name']}") for row in rows if row["side"] == side]
        if mine:
            more = [f"{text.words(len(mine) - LISTED)} more"] if len(mine) > LISTED else []
            shown = f"Only {name} has {text.listed([*mine[:LISTED], *more])}"
            ledger.add(f"{KEY}.only.{side}", "count", {"Text": shown}, value=len(mine))
    apart = [text.visible(str(row["name"])) for row in rows if row["side"] == "both"]
    if apart:
        verb = "is" if len(apart) == 1 else "are"
        noun = "grid" if len(apart) == 1 else "grids"
        shown = f"The {noun} {text.listed(apart)} {verb} in both, but not of one quantity over the same cells"
        ledger.add(f"{KEY}.apart", "count", {"Text": shown}, value=len(apart))


def _pair(row: Row, names: Sequence[str], prefix: str, ledger: Ledger) -> None:
    """The examples that two grids have in common, how differences are paired, and the cells that are unchanged."""
    n, rows_a, rows_b = (int(row[key] or 0) for key in ("examples", "rows_a", "rows_b"))
    cells, same = int(row["cells"] or 0), int(row["unchanged"] or 0)
    rows = f"{text.plural(n, 'example')} that both reports compare"
    if n and not n == rows_a == rows_b:
        rows = f"{text.plural(n, 'example')} in both, "
        rows += f"of {text.count(rows_a)} in {names[0]} and {text.count(rows_b)} in {names[1]}"
    forms = {
        "text": rows if n else "", "how": PAIRED[str(row["paired"])],
        "why": "" if n else f"the differences have no interval: {text.visible(str(row['why']))}",
        "unchanged": text.share(same, cells, "cell", "unchanged"),
    }  # fmt: skip
    forms |= {"Unchanged": text.capital(forms["unchanged"]), "Why": text.capital(forms["why"])}
    ledger.add(f"{prefix}.compared", "pairs", forms, value=same, n=n or None)


def _unbounded(view: View, prefix: str, ledger: Ledger) -> None:
    """Which differences of paired rows have no interval, where they vary: few by their names, many by their number."""
    bare = [(int(i), int(j)) for i, j in np.argwhere(view.ok & ~view.bounded)]
    if view.constant or not bare or not view.grid.settings.get("paired"):
        return
    total = int(view.ok.sum())
    clause = (
        f"{text.words(len(bare))} of {text.plural(total, 'cell')} {'has' if len(bare) == 1 else 'have'} no interval"
    )
    if len(bare) == total:
        clause = f"the difference has no interval in {'the only cell' if total == 1 else f'any of {total} cells'}"
    elif len(bare) <= NAMED:
        clause += f": {text.listed(f'{view.shown(j)} in {text.layers([view.grid.layers[i]])}' for i, j in bare)}"
    forms = {"text": clause, "Text": text.capital(clause)}
    ledger.add(f"{prefix}.compared.unbounded", "count", forms, cells=view.points(bare), value=len(bare), n=total)


def _nested(row: Row, prefix: str, view: View, ledger: Ledger) -> None:
    """The nested best of both and their difference."""
    a, b, gap = (float(row[key] or 0.0) for key in ("a", "b", "difference"))
    low, high = (math.nan if row[key] is None else float(row[key] or 0.0) for key in ("low", "high"))
    relation = against_zero(low, high)
    digits = clear_of_zero(low, high, view.digits)
    forms = difference_forms(gap, low, high, digits)
    forms |= {"The": "The nested best", "best": "nested best"}
    forms |= {"a": text.number(a, digits), "b": text.number(b, digits), "verdict": _verdict(gap, low, high, digits)}
    forms["interval"] = f"{text.percent(view.grid.level)} interval {forms['range']}" if "range" in forms else ""
    ledger.add(f"{prefix}.compared.nested", NESTED, forms, value=gap, low=low, high=high, n=int(row["n"] or 0) or None,
               relation=relation)  # fmt: skip


def _verdict(gap: float, low: float, high: float, digits: int) -> str:
    """What the interval permits to say."""
    relation = against_zero(low, high)
    if gap == 0 and not relation:
        return "the same in both"
    if relation in {"above", "below"}:
        size = difference_forms(gap, low, high, digits)["text"]
        return f"{'higher' if relation == 'above' else 'lower'} by {size}"
    shown = text.estimate(gap, low, high, digits)
    end = "which cannot be told from none" if relation else "whose interval is not known"
    return f"a difference of {shown}, {end}"
