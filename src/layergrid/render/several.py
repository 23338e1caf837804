"""The tables of several models, data sets or sites beside each other, as plain strings; they know no markup."""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import Estimate, GridResult, Results
from layergrid.facts.ledger import clear_of_zero
from layergrid.render import compared
from layergrid.render.sheets import Sheet

CHOSEN = {"model": "Model", "dataset": "Data set", "site": "Site"}
GAPS = {
    "folds": "paired, same folds", "across": "paired, own folds", "rows": "paired", "independent": "not paired",
    "": "no interval",
}  # fmt: skip


def sheets(results: Results) -> list[Sheet]:
    """One table of all grids of all families with a nested best, one of their differences, and cells that differ."""
    apart = [one for one in results.grids if one.grid.settings.get("between") == "grids"]
    cells = [compared.cells(one, _sides(one), True) for one in apart]
    return [*_bests(results), *_differences(apart), *cells]


def _sides(one: GridResult) -> tuple[str, str]:
    minus, of = one.grid.settings["difference"]
    return str(minus), str(of)


def _bests(results: Results) -> list[Sheet]:
    """A row a grid: its nested best, the best baseline, their paired difference, rows, and right answers among them."""
    grids = {one.grid.name: one for one in results.grids}
    found = [
        (family, member, grids[member.grid])
        for family in results.families
        for member in family.members
        if member.grid in grids and grids[member.grid].selection is not None
    ]
    if len(found) < 2:
        return []
    axes = list(dict.fromkeys(["model", "dataset", "site", *(axis for family, _, _ in found for axis in family.axes)]))
    values = [_chosen(one, dict(member.choices)) for _, member, one in found]
    axes = [axis for axis in axes if len({v.get(axis, "") for v in values}) > 1 or axis in ("model", "dataset")]
    many = len({family.name for family, _, _ in found}) > 1
    rows = []
    for (family, _, one), chosen in zip(found, values, strict=True):
        rows.append((*([family.name] if many else []), *(chosen.get(axis, "") for axis in axes), *_numbers(one)))
    metrics = {one.grid.quantity.name for _, _, one in found}
    levels = {text.percent(one.grid.level) for _, _, one in found}
    best = f"Nested {metrics.pop() if len(metrics) == 1 else 'best'}"
    best += f" [{levels.pop()} interval]" if len(levels) == 1 else " [interval]"
    heads = (*(["Grid"] if many else []), *(CHOSEN.get(axis, axis) for axis in axes), best, "Best baseline",
             "Its value", "Nested best minus it", "Rows", "Right")  # fmt: skip
    words = len(axes) + many
    return [
        Sheet("several", "Nested bests beside each other", heads, tuple(rows),
              (*[False] * words, True, False, True, True, True, True),
              note="Right: right answers among the rows; empty where answers are not graded. Whether two rows can be "
              "told apart is for a difference to say: intervals of single rows do not say it.")
    ]  # fmt: skip


def _chosen(one: GridResult, choices: dict[str, str]) -> dict[str, str]:
    """What a grid reads: its card, and the choices of its matrix that the card does not hold."""
    card = {"model": one.grid.model, "dataset": one.grid.dataset, "site": one.grid.site}
    return {**{key: word for key, word in choices.items() if key not in card}, **card}


def _numbers(one: GridResult) -> tuple[str, ...]:
    e = one.selection.estimate if one.selection is not None else None
    valued = [b for b in one.baselines if b.estimate is not None and math.isfinite(b.estimate.value)]
    best = max(valued, key=lambda b: b.estimate.value if b.estimate else -math.inf, default=None)
    rows = int(one.grid.settings.get("rows", 0) or (e.n if e else 0))
    return (
        _shown(e), best.label if best else "", _shown(best.estimate) if best else "",
        _shown(best.difference, True) if best else "", text.count(rows), _right(one, rows),
    )  # fmt: skip


def _right(one: GridResult, rows: int) -> str:
    """Right answers among the rows that are compared, where answers are graded."""
    positive = int(one.grid.n_positive.max(initial=0))
    predicted = one.grid.settings.get("predict")
    if predicted not in ("error", "correct"):
        return ""
    return text.count(rows - positive if predicted == "error" else positive)


def _differences(apart: list[GridResult]) -> list[Sheet]:
    """A row a difference of two nested bests, with how it is paired."""
    rows = []
    for one in apart:
        row = one.grid.settings.get("nested") or {}
        if row:
            low, high = (math.nan if row[end] is None else float(row[end]) for end in ("low", "high"))
            minus, of = _sides(one)
            gap = Estimate(float(row["difference"]), low, high, one.grid.level, int(row["n"] or 0))
            rows.append(
                (of, minus, _shown(gap, True), GAPS[str(one.grid.settings.get("paired", ""))], text.count(gap.n))
            )
    heads = ("Grid", "Less", "Difference of nested bests", "Pairs", "Examples")
    return [Sheet("several.differences", "Differences of nested bests", heads, tuple(rows),
                  (False, False, True, False, True))]  # fmt: skip


def _shown(e: Estimate | None, sign: bool = False) -> str:
    """An estimate with its interval; nothing where there is none."""
    if e is None or not math.isfinite(e.value):
        return ""
    digits = clear_of_zero(e.low, e.high, 2) if sign else 2
    shown = text.signed(e.value, digits) if sign else text.number(e.value, digits)
    known = math.isfinite(e.low) and math.isfinite(e.high)
    return f"{shown} {text.interval(e.low, e.high, digits)}" if known else shown
