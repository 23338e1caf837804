"""Facts of steps from one layer to the next that a position takes and the others do not; they know no shape."""

from __future__ import annotations

import numpy as np

from layergrid import text
from layergrid.artifacts import Floats
from layergrid.facts import bands
from layergrid.facts.changes import CELLS, DEPARTURE
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import Index, View

OTHERS = 2  # positions beside one that a step is held against
LEAST = 0.2  # share of the range of values that a step must pass the others' by
FIFTH = "a fifth of the range of values"
STEP = "lone step"  # the rule of these facts


def derive(view: View, ledger: Ledger) -> None:
    """Writes the steps that depart from those of the other positions between the same layers.

    A cell that departs from both of its neighbours is told as such, and not as two steps.
    """
    found = _apart(view)
    if found is None:
        return
    steps, apart, threshold, why = found
    shown = text.number(threshold, text.precision(threshold, least=min(2, view.digits)))
    rule = f"it differs from the median step of the rest of the {view.noun}s by at least {shown} ({why})"
    ends = ", and where it ends the interval leaves out what their step gives" if view.bounded.any() else ""
    rule += f"{', and' if not ends else ','} none of these takes half of it{ends}"
    ledger.add("lone.rule", "anomaly rule", {"rule": rule}, value=DEPARTURE, high=threshold)
    departed = ledger.get("departures")
    told = set(departed.cells) if departed is not None else set()
    hits = [(int(i), int(j)) for i, j in np.argwhere(np.abs(apart) >= threshold)]
    hits = [c for c in hits if _lone(steps[c[0]], c[1]) and not _inside(view, c, apart)]
    every = len(hits)
    hits = [c for c in hits if not told & {view.point(c), view.point((c[0] + 1, c[1]))}]
    hits.sort(key=lambda c: -abs(apart[c]))
    clause = f"{text.counted(len(hits), 'step')} {'meets' if len(hits) == 1 else 'meet'} this rule"
    clause = clause if hits else f"no {'other step' if every else 'step'} meets this rule"
    cells = dict.fromkeys(view.point(c) for i, j in hits for c in ((i, j), (i + 1, j)))
    forms = {"text": clause, "Text": text.capital(clause)}
    ledger.add("lone", STEP, forms, cells=cells, value=len(hits), of=["lone.rule"])
    for c in hits:
        _step(view, c, float(apart[c]), ledger)


def _apart(view: View) -> tuple[Floats, Floats, float, str] | None:
    """Steps [L - 1, P], each less the median of the other positions', the size that stands out, and whose it is."""
    if view.constant or view.silent or view.grid.text_of or min(view.ok.shape, default=0) < OTHERS:
        return None
    steps = np.diff(np.where(view.ok, view.grid.value, np.nan), axis=0)
    known = np.isfinite(steps)
    median = float(np.median(np.abs(steps[known]))) if known.sum() >= CELLS else 0.0
    if median == 0:
        return None
    apart = np.full(steps.shape, np.nan)
    for i, j in np.argwhere(known):
        others = np.delete(steps[i], j)
        others = others[np.isfinite(others)]
        if len(others) >= OTHERS:
            apart[i, j] = steps[i, j] - float(np.median(others))
    if not np.isfinite(apart).any():
        return None
    many, wide = DEPARTURE * median, LEAST * bands.reach(view)
    why = f"{text.words(DEPARTURE)} times the median step from layer to layer" if many >= wide else FIFTH
    return steps, apart, max(many, wide), why


def _lone(steps: Floats, j: int) -> bool:
    """Whether no other position takes half of a position's step between the same layers."""
    others = np.delete(steps, j)
    return not bool((others[np.isfinite(others)] * np.sign(steps[j]) >= abs(steps[j]) / 2).any())


def _inside(view: View, c: Index, apart: Floats) -> bool:
    """Whether the cell after a step could be where the others' step leads, or either end is inside the noise."""
    after = (c[0] + 1, c[1])
    led = float(view.grid.value[after]) - float(apart[c])
    with np.errstate(invalid="ignore"):
        return bool(view.grid.low[after] <= led <= view.grid.high[after]) or bool(view.noise[c] or view.noise[after])


def _step(view: View, c: Index, apart: float, ledger: Ledger) -> None:
    """One such step: from where to where, and what the others do."""
    grid, after = view.grid, (c[0] + 1, c[1])
    a, b = (
        text.estimate(float(grid.value[k]), float(grid.low[k]), float(grid.high[k]), view.digits) for k in (c, after)
    )
    own = float(grid.value[after] - grid.value[c])
    relation = "rises" if own > 0 else "falls"
    others = own - apart
    shown = text.number(abs(others), view.digits)
    rest = f"{'rises' if others > 0 else 'falls'} by {shown}" if float(shown.replace(",", "")) else "does not change"
    start, stop = (text.layers([grid.layers[i]]) for i in (c[0], after[0]))
    the = (
        grid.quantity.name
        if any(x.isupper() for x in grid.quantity.name.split(" ")[0])
        else f"the {grid.quantity.name}"
    )
    clause = f"at {view.shown(c[1])} {the} {relation} from {a} in {start} to {b} in {stop}"
    forms = {
        "text": clause,
        "At": text.capital(clause),
        "others": f"the median of the rest {rest}",
        "verb": relation,
    }
    ledger.add(f"lone.{grid.layers[c[0]]}.{text.slug(grid.positions[c[1]])}", "anomaly", forms,
               cells=view.points([c, after]), value=apart, relation=relation, of=["lone.rule"])  # fmt: skip
