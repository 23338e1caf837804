"""Facts of how values change over layers, by declared rules: rises, falls, departures of single cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layergrid import text
from layergrid.facts.ledger import Ledger, against_zero, difference_forms
from layergrid.facts.view import Index, View

Array = npt.NDArray[np.floating]
DEPARTURE = 6  # multiple of the median departure from which on a cell is called a departure
CELLS = 8  # departures that the median needs
NOISE = 0.02  # share of the range of values that a departure must pass


def derive(view: View, ledger: Ledger) -> None:
    """Writes changes towards and from the highest layer, and departures, with the rules that decide them."""
    if not view.ok.any() or view.constant:
        return
    if view.named:
        view.compare(couple for j in view.spoken for couple in _ends(view, j).values())
        for j in view.spoken:
            _changes(view, j, ledger)
            if view.described and not view.paired:
                _way(view, j, ledger)
    _departures(view, ledger)


# ---------------------------------------------------------------- rises and falls


def _changes(view: View, j: int, ledger: Ledger) -> None:
    """From the first layer to the highest and from there to the last, where a paired interval leaves out zero."""
    key = f"at.{text.slug(view.grid.positions[j])}"
    if ledger.get(f"{key}.peak") is not None:
        for name, (to, start) in _ends(view, j).items():
            _change(view, f"{key}.{name}", to, start, ledger)


def _ends(view: View, j: int) -> dict[str, tuple[Index, Index]]:
    """What is compared for a rise and for a fall: the highest layer with the first, the last with the highest."""
    rows, peak = view.column(j), view.peak([j])
    if peak is None:
        return {}
    found = {"rise": (peak, (rows[0], j)), "fall": ((rows[-1], j), peak)}
    return {name: (to, start) for name, (to, start) in found.items() if to != start}


def _change(view: View, key: str, to: Index, start: Index, ledger: Ledger) -> None:
    found = view.difference(to, start)
    if found is None or against_zero(found.low, found.high) not in {"above", "below"}:
        return
    relation = "rises" if found.value > 0 else "falls"
    forms = difference_forms(found.value, found.low, found.high, view.finer(found.low, found.high))
    a, b = (view.grid.layers[start[0]], view.grid.layers[to[0]])
    forms |= {
        "Span": f"From layer {a} to layer {b}",
        "position": view.shown(to[1]),
        "clause": f"{relation} by {forms['text']}",
        "full": f"{relation} by {forms['text']} from layer {a} to layer {b}",
    }
    ledger.add(
        key, "paired cells", forms, cells=view.points([to, start]), value=found.value, low=found.low, high=found.high,
        n=int(view.grid.n[to]), relation=relation,
    )  # fmt: skip


def _way(view: View, j: int, ledger: Ledger) -> None:
    """Where no interval can be given: the values at the first layer, at the highest and at the last, as they stand."""
    key = f"at.{text.slug(view.grid.positions[j])}"
    rows, peak = view.column(j), view.peak([j])
    if peak is None or len(rows) < 2 or ledger.get(f"{key}.peak") is None:
        return
    top = [i for i in rows if view.grid.value[i, j] == view.grid.value[peak]]
    stops = [[i] for i in rows[:1] if i not in top] + [top] + [[i] for i in rows[-1:] if i not in top]
    shown = {i: text.number(float(view.grid.value[i, j]), view.digits) for i in rows}
    parts = [f"{shown[one[0]]} in {text.layers([view.grid.layers[i] for i in one])}" for one in stops]
    if len(parts) < 2 or top != list(range(top[0], top[-1] + 1)):
        return
    cells = [(i, j) for one in stops for i in one]
    clause = (
        f"goes from {' to '.join(parts)}" if len(parts) < 3 else f"goes from {parts[0]} to {parts[1]} and {parts[2]}"
    )
    ledger.add(f"{key}.way", "values", {"text": clause}, cells=view.points(cells), value=len(stops))


# ---------------------------------------------------------------- departures


def _departures(view: View, ledger: Ledger) -> None:
    """Cells that stand apart from both neighbouring layers, in multiples of the median step from layer to layer.

    A step that lasts, such as that from the embedding to the first block, is no departure; a lone spike is one.
    """
    grid = view.grid
    distance, near = _apart(np.where(view.ok, grid.value, np.nan))
    steps = np.abs(np.diff(np.where(view.ok, grid.value, np.nan), axis=0))
    judged = int(np.isfinite(distance).sum())
    median = float(np.median(steps[np.isfinite(steps)])) if judged >= CELLS else 0.0
    threshold = DEPARTURE * median
    values = grid.value[view.ok]
    least = NOISE * float(values.max() - values.min()) if view.described else 0.0
    if median == 0 or threshold < least:
        ledger.add("departure.rule", "anomaly rule", {"unjudged": _unjudged(judged, median)}, n=judged)
        return
    shown = text.number(threshold, text.precision(threshold, least=min(2, view.digits)))
    outside = "outside of its interval and " if view.bounded.any() else ""
    rule = (
        f"both neighbouring layers lie on one side of it, {outside}at least {shown} away, "
        f"which is {text.words(DEPARTURE)} times the median step from layer to layer"
    )
    forms = {"text": shown, "rule": rule}
    ledger.add("departure.rule", "anomaly rule", forms, value=DEPARTURE, high=threshold, n=judged)
    with np.errstate(invalid="ignore"):
        apart = (np.abs(distance) >= threshold) & ~((grid.low <= near) & (near <= grid.high))
    found = [(int(i), int(j)) for j, i in np.argwhere(apart.T)]
    hits = [c for c in found if not view.noise[c]]
    hits.sort(key=lambda c: -abs(distance[c]))
    which = text.counted(len(hits), "cell") if hits else "no cell"
    which += " above chance" if len(found) > len(hits) else ""  # one inside the noise is no departure
    clause = f"{which} {'meets' if len(hits) <= 1 else 'meet'} this rule"
    stands = "stands" if len(hits) <= 1 else "stand"
    brief = f"{which} {stands} as far as {shown} from both neighbouring layers, on one side of them"
    forms = {"text": clause, "Text": text.capital(clause), "Brief": text.capital(brief)}
    of = ["departure.rule"]
    ledger.add("departures", "anomaly", forms, cells=view.points(hits), value=len(hits), n=judged, of=of)
    for c in hits:
        _departure(view, c, float(distance[c]), float(near[c]), ledger)


def _unjudged(judged: int, median: float) -> str:
    """Why the rule for departures is not applied."""
    if judged < CELLS:
        there = "there is none" if not judged else f"there {'is' if judged == 1 else 'are'} {text.words(judged)}"
        return f"needs {text.words(CELLS)} cells with a layer of the grid on either side, and {there}"
    if median == 0:
        return "needs a median step from layer to layer other than zero"
    return f"needs {text.words(DEPARTURE)} median steps to be at least {text.percent(NOISE)} of the range of values"


def _apart(value: Array) -> tuple[Array, Array]:
    """Signed distance [L, P] of each cell from the nearer of its neighbours, and that neighbour's value.

    The distance is 0 unless both lie on one side of it, NaN where one of the three has no value.
    """
    distance, near = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    before, here, after = value[:-2], value[1:-1], value[2:]
    near[1:-1] = np.where(np.abs(here - before) <= np.abs(here - after), before, after)
    known = np.isfinite(before) & np.isfinite(here) & np.isfinite(after)
    one_side = (here - before) * (here - after) > 0
    distance[1:-1] = np.where(known, np.where(one_side, here - near[1:-1], 0.0), np.nan)
    return distance, near


def _departure(view: View, c: Index, distance: float, near: float, ledger: Ledger) -> None:
    layer, position = view.point(c)
    shown = view.shown(c[1])
    relation = "above" if distance > 0 else "below"
    value, low, high = (float(a[c]) for a in (view.grid.value, view.grid.low, view.grid.high))
    size = text.number(abs(distance), view.digits)
    forms = {
        "where": f"{shown} in layer {layer}",
        "text": text.estimate(value, low, high, view.digits),
        "relation": f"{size} {relation}",
        "full": f"{size} {relation} the nearer of its neighbours ({text.number(near, view.digits)})",
    }
    key = f"departure.{layer}.{text.slug(position)}"
    ledger.add(key, "anomaly", forms, cells=[view.point(c)], value=distance, relation=relation, of=["departure.rule"])
