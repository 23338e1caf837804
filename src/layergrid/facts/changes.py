"""Facts of how values change over layers, by declared rules: trends, rises and falls, departures of single cells."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from layergrid import text
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import Index, View

TREND = 0.8  # rank correlation of value and layer from which on a trend is stated
NO_TREND = "no clear trend in one direction"
LAYERS = 5  # layers that a trend needs
DEPARTURE = 6  # multiple of the median departure from which on a cell is called a departure
CELLS = 8  # departures that the median needs


def derive(view: View, ledger: Ledger) -> None:
    """Writes trends, changes towards and from the highest layer, and departures, with the rules that decide them."""
    if not view.ok.any() or view.constant:
        return
    _trends(view, ledger)
    if view.named:
        for j in range(len(view.grid.positions)):
            _changes(view, j, ledger)
    _departures(view, ledger)


# ---------------------------------------------------------------- trends


def rank_correlation(values: npt.NDArray[np.floating]) -> float:
    """Spearman's correlation of values with their order, ties by mean ranks; NaN where all are equal."""
    order = np.arange(len(values), dtype=float)
    ranks = np.array([float(np.sum(values < v) + (np.sum(values == v) - 1) / 2) for v in values])
    if len(set(ranks)) < 2:
        return math.nan
    return float(np.corrcoef(order, ranks)[0, 1])


def _trends(view: View, ledger: Ledger) -> None:
    grid = view.grid
    rising: list[int] = []
    falling: list[int] = []
    judged = [j for j in range(len(grid.positions)) if len(view.column(j)) >= LAYERS]
    for j in judged:
        rows = view.column(j)
        values = grid.value[rows, j]
        rho = rank_correlation(values)
        half = (
            float(np.nanmedian((grid.high - grid.low)[rows, j])) / 2 if np.isfinite(grid.high[rows, j]).any() else 0.0
        )
        clear = abs(rho) >= TREND and float(values.max() - values.min()) > half
        if clear:
            (rising if rho > 0 else falling).append(j)
        relation = ("rises" if rho > 0 else "falls") if clear else "no clear trend"
        shown = text.number(rho) if math.isfinite(rho) else "undefined"
        cells = view.points([(i, j) for i in rows])
        key = f"at.{text.slug(grid.positions[j])}.trend"
        ledger.add(
            key, "trend", {"text": relation, "rho": shown}, cells=cells, value=rho, n=len(rows), relation=relation
        )
    if not judged:
        return
    size = f"whose size reaches {text.trimmed(TREND)}"
    rule = f"a rank correlation of value and layer {size}, and a range wider than half an interval"
    ledger.add("trend.rule", "constant", {"text": text.trimmed(TREND), "rule": rule}, value=TREND)
    for key, columns, verb in (("rises", rising, "rises"), ("falls", falling, "falls")):
        if columns:
            listed = text.visible(text.listed(grid.positions[j] for j in columns))
            where = f"{verb} with depth at {listed}"
            ledger.add(
                f"trend.{key}",
                "trend",
                {"text": where, "verb": verb},
                cells=_columns(view, columns),
                value=len(columns),
                relation=verb,
            )
    unclear = len(judged) - len(rising) - len(falling)
    if unclear:
        ledger.add(
            "trend.unclear",
            "trend",
            {"text": _unclear(unclear, len(judged))},
            value=unclear,
            n=len(judged),
            relation="no clear trend",
        )


def _unclear(unclear: int, judged: int) -> str:
    if unclear == judged:
        return f"{NO_TREND} at any position" if judged > 1 else NO_TREND
    return f"{NO_TREND} at the other {'position' if unclear == 1 else f'{text.words(unclear)} positions'}"


def _columns(view: View, columns: list[int]) -> tuple[tuple[int, str], ...]:
    return view.points([(i, j) for j in columns for i in view.column(j)])


# ---------------------------------------------------------------- rises and falls


def _changes(view: View, j: int, ledger: Ledger) -> None:
    """From the first layer to the highest and from there to the last, where a paired interval leaves out zero."""
    key = f"at.{text.slug(view.grid.positions[j])}"
    rows = view.column(j)
    peak = view.peak([j])
    if peak is None or ledger.get(f"{key}.peak") is None:
        return
    for name, a, b in (("rise", rows[0], peak[0]), ("fall", peak[0], rows[-1])):
        if a != b:
            _change(view, f"{key}.{name}", (b, j), (a, j), ledger)


def _change(view: View, key: str, to: Index, start: Index, ledger: Ledger) -> None:
    found = view.difference(to, start)
    if found is None or against_zero(found.low, found.high) not in {"above", "below"}:
        return
    relation = "rises" if found.value > 0 else "falls"
    forms = difference_forms(found.value, found.low, found.high, view.digits)
    a, b = (view.grid.layers[start[0]], view.grid.layers[to[0]])
    forms |= {
        "Span": f"From layer {a} to layer {b}",
        "position": text.visible(view.grid.positions[to[1]]),
        "clause": f"{relation} by {forms['text']}",
        "full": f"{relation} by {forms['text']} from layer {a} to layer {b}",
    }
    ledger.add(
        key, "paired cells", forms, cells=view.points([to, start]), value=found.value, low=found.low, high=found.high,
        n=int(view.grid.n[to]), relation=relation,
    )  # fmt: skip


# ---------------------------------------------------------------- departures


def _departures(view: View, ledger: Ledger) -> None:
    """Cells far from the mean of the two neighbouring layers, in multiples of the median distance in this grid."""
    grid = view.grid
    found: dict[Index, tuple[float, float]] = {}
    for j in range(len(grid.positions)):
        for i in range(1, len(grid.layers) - 1):
            if view.ok[i - 1 : i + 2, j].all():
                mean = float(grid.value[i - 1, j] + grid.value[i + 1, j]) / 2
                found[i, j] = (float(grid.value[i, j]) - mean, mean)
    median = float(np.median([abs(d) for d, _ in found.values()])) if len(found) >= CELLS else 0.0
    if median == 0:
        ledger.add("departure.rule", "anomaly rule", {"unjudged": "too few layers that differ"}, n=len(found))
        return
    rule = f"{text.words(DEPARTURE)} times the median distance in the grid"
    threshold = DEPARTURE * median
    shown = text.number(threshold, text.precision(threshold, least=2))
    forms = {
        "text": rule,
        "threshold": shown,
        "both": f"{shown}, {rule}, and is exceeded by neither of theirs",
        "two": "the two neighbouring layers",
    }
    ledger.add("departure.rule", "anomaly rule", forms, value=DEPARTURE, high=threshold, n=len(found))
    hits = [c for c, (d, mean) in found.items() if abs(d) >= threshold and not grid.low[c] <= mean <= grid.high[c]]
    sizes = {c: abs(d) for c, (d, _) in found.items()}
    hits = [c for c in hits if sizes[c] >= max(sizes.get((c[0] + side, c[1]), 0.0) for side in (-1, 1))]
    hits.sort(key=lambda c: -abs(found[c][0]))
    which = text.counted(len(hits), "cell") if hits else "no cell"
    clause = f"{which} {'passes' if len(hits) <= 1 else 'pass'} the threshold"
    forms = {"text": clause, "Text": text.capital(clause)}
    ledger.add(
        "departures", "anomaly", forms, cells=view.points(hits), value=len(hits), n=len(found), of=["departure.rule"]
    )
    for c in hits:
        _departure(view, c, *found[c], ledger)


def _departure(view: View, c: Index, distance: float, mean: float, ledger: Ledger) -> None:
    layer, position = view.point(c)
    relation = "above" if distance > 0 else "below"
    value, low, high = (float(a[c]) for a in (view.grid.value, view.grid.low, view.grid.high))
    forms = {
        "where": f"{text.visible(position)} in layer {layer}",
        "text": text.estimate(value, low, high, view.digits),
        "mean": text.number(mean, view.digits),
        "relation": f"{text.number(abs(distance), view.digits)} {relation}",
        "full": f"{text.number(abs(distance), view.digits)} {relation} their mean",
    }
    key = f"departure.{layer}.{text.slug(position)}"
    ledger.add(key, "anomaly", forms, cells=[view.point(c)], value=distance, relation=relation, of=["departure.rule"])
