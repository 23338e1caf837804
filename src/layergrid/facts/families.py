"""Facts of grids that differ in model, data set or another choice: ranges of their bests, paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from layergrid import text
from layergrid.artifacts import Family, Grid, Results
from layergrid.facts.ledger import Ledger, against_zero, clear_of_zero, difference_forms
from layergrid.facts.view import View

BETWEEN = "difference of grids"  # the rule of the differences of nested bests
KEY = "family"  # what the ids of a family's facts start with
ALL = "families.many"  # the id of what holds of all differences together
PAIRED = {
    "folds": "paired on the rows, which stand in the same folds",
    "across": "paired on the rows, each in the folds of its own grid",
    "rows": "paired on the rows",
}
NOUNS = {"model": "the model", "dataset": "the data set", "site": "the site"}


def alike(results: Results, family: Family) -> list[tuple[str, Grid]]:
    """The members that hold values of one quantity with the first that holds any, each with its words."""
    grids = {one.grid.name: one.grid for one in results.grids}
    found = [(one.words, grids[one.grid]) for one in family.members if one.grid in grids]
    found = [(words, grid) for words, grid in found if grid.has_value.any() and not grid.text_of]
    kinds = [(grid.metric, grid.quantity.name, grid.quantity.unit, bool(grid.contrast)) for _, grid in found]
    return [one for one, kind in zip(found, kinds, strict=True) if kind == kinds[0]]


def key(name: str) -> str:
    """The id of a family's range."""
    return f"{KEY}.{text.slug(name)}"


def derive(results: Results, seen: Sequence[View], prefixes: Sequence[str], ledger: Ledger) -> None:
    """Writes how far the nested bests of each family reach, and every difference of two grids of the report."""
    views = {view.grid.name: view for view in seen}
    names = dict(zip((view.grid.name for view in seen), prefixes, strict=True))
    for family in results.families:
        _range(family, results, views, names, ledger)
    found = [view for view in seen if view.grid.settings.get("between") == "grids"]
    for view in found:
        _rows(view, names[view.grid.name], ledger)
        _nested(view, _words(view.grid, results), names, ledger)
    bests = [view for view in found if view.grid.settings.get("nested")]
    if len(bests) > 1:
        forms = {"text": f"the intervals of the {text.words(len(bests))} differences of nested bests hold one by one, "
                 "without correction for their number"}  # fmt: skip
        ledger.add(ALL, "count", forms | {"Text": text.capital(forms["text"])}, value=len(bests))


def _range(
    family: Family, results: Results, views: Mapping[str, View], names: Mapping[str, str], ledger: Ledger
) -> None:
    """Between which members the nested bests lie; which of them can be told apart is for differences to say."""
    words = {one.grid: text.visible(one.words) for one in family.members}
    held = [views[grid.name] for _, grid in alike(results, family)]
    bests = [(view.result.selection.estimate, view) for view in held if view.result.selection is not None]
    bests = [(e, view) for e, view in bests if math.isfinite(e.value)]
    if len(bests) < 2:
        return
    (least, one), (most, other) = (pick(bests, key=lambda found: found[0].value) for pick in (min, max))
    digits = max(view.digits for _, view in bests)
    low, high = (text.number(e.value, digits) for e in (least, most))
    span = f"lie between {low} ({words[one.grid.name]}) and {high} ({words[other.grid.name]})"
    span = f"are {low} for all" if low == high else span
    forms = {
        "text": span, "name": text.visible(family.name), "quantity": one.grid.quantity.name,
        "grids": f"{text.words(len(bests))} grids", "Grids": text.capital(f"{text.words(len(bests))} grids"),
        "which": f"which differ in {text.listed([NOUNS.get(axis, text.visible(axis)) for axis in _moving(family)])}",
    }  # fmt: skip
    of = [f"{names[view.grid.name]}.nested" for _, view in bests]
    ledger.add(key(family.name), KEY, forms, value=most.value - least.value, low=least.value, high=most.value,
               n=len(bests), of=of)  # fmt: skip


def _moving(family: Family) -> list[str]:
    """The keys in which members differ."""
    return [axis for k, axis in enumerate(family.axes) if len({one.choices[k][1] for one in family.members}) > 1]


def _words(grid: Grid, results: Results) -> tuple[str, str, str]:
    """What is taken from what, and what both have in common: by choices where one family has both, else by names."""
    minus, of = (str(name) for name in grid.settings["difference"])
    for family in results.families:
        choices = {one.grid: one.choices for one in family.members}
        if minus in choices and of in choices:
            pairs = list(zip(choices[of], choices[minus], strict=True))
            apart = [(a[1], b[1]) for a, b in pairs if a != b]
            common = ", ".join(a[1] for a, b in pairs if a == b)
            said = ", ".join(a for a, _ in apart), ", ".join(b for _, b in apart)
            return text.visible(said[0]), text.visible(said[1]), text.visible(common)
    return f"the grid {text.visible(of)}", f"the grid {text.visible(minus)}", ""


def _how(grid: Grid) -> str:
    """How the differences of a grid are paired, or why they are not."""
    settings = grid.settings
    if settings.get("paired") == "independent":
        return f"not paired, because {settings.get('apart') or 'the examples come from different data'}"
    return PAIRED.get(str(settings.get("paired", "")), "")


def _rows(view: View, prefix: str, ledger: Ledger) -> None:
    """The examples that both grids compare, how differences are paired, and how many have another label."""
    settings = view.grid.settings
    n, minus, of = (int(one) for one in settings["examples"])
    paired = str(settings.get("paired", ""))
    if paired == "independent":
        shown = f"{text.plural(of, 'example')} less {text.count(minus)} others"
    else:
        shown = f"{text.plural(n, 'example')} that both grids compare"
        shown += "" if n == of == minus else f", of {text.count(of)} and {text.count(minus)}"
    why = str(settings.get("methods", {}).get("pairs", ""))
    differ = int(settings.get("labels_differ", 0))
    forms = {"text": shown if paired else "", "how": _how(view.grid), "Why": why}
    if differ:
        forms["labels"] = f"{text.words(differ)} of these {text.plural(n, 'example')} "
        forms["labels"] += f"{'has' if differ == 1 else 'have'} another label in one grid than in the other"
        forms["Labels"] = text.capital(forms["labels"])
    ledger.add(f"{prefix}.compared", "pairs", forms, value=differ, n=n or None)


def _nested(view: View, words: tuple[str, str, str], names: Mapping[str, str], ledger: Ledger) -> None:
    """The difference of the nested bests of two grids, and what its interval permits to say."""
    row = view.grid.settings.get("nested") or {}
    if not row:
        return
    gap, a, b = (float(row[one]) for one in ("difference", "a", "b"))
    low, high = (math.nan if row[one] is None else float(row[one]) for one in ("low", "high"))
    relation = against_zero(low, high)
    digits = clear_of_zero(low, high, view.digits)
    forms = difference_forms(gap, low, high, digits)
    verdict = {
        "above": f"stands {forms['text']} above", "below": f"stands {forms['text']} below",
        "cannot be told from": "cannot be told from",
    }.get(relation, "stands beside")  # fmt: skip
    of, minus, common = words
    sides = f"{text.number(b, digits)} beside {text.number(a, digits)}"
    end = "" if relation in ("above", "below") else f", the difference being {text.estimate(gap, low, high, digits)}"
    end += "" if relation else ", whose interval is not known"
    if not relation and gap == 0:
        verdict, sides, end = "is the same as", text.number(a, digits), ""
    forms |= {
        "clause": f"the nested best of {of} {verdict} that of {minus} ({sides}){end}",
        "of": of, "minus": minus, "at": f"for {common}" if common else "", "paired": _how(view.grid),
    }  # fmt: skip
    minus_name, of_name = (str(one) for one in view.grid.settings["difference"])
    sources = [f"{names[name]}.nested" for name in (of_name, minus_name) if name in names]
    ledger.add(f"{names[view.grid.name]}.compared.nested", BETWEEN, forms, value=gap, low=low, high=high,
               n=int(row["n"] or 0) or None, relation=relation, of=sources)  # fmt: skip
