"""Facts of bands of layers: how near to a peak they reach, and which at either end of the depth stay low.

Where differences have no interval, near is a stated share of the range of values; so is low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layergrid import text
from layergrid.facts import order
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

SHARE = 0.1  # share of the range of values within which layers stand near a peak, where grids describe
SCORES = 0.02  # the same of grids of scores, of the range of the quantity
LOW = 1 / 3  # share of the range of values below which layers stay low
CELLS = 9  # cells that layers which stay low need
RUN = 3  # and layers
NICE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)  # of these, times a power of ten, near is one
WIDE = 2  # intervals of a cell that a range must pass where the order of values does not tell it from noise


def derive(view: View, ledger: Ledger) -> None:
    """Writes how near is near, and the layers at either end in which every value is low."""
    shown = text.trimmed(near(view))
    share = "about a tenth of the range of values" if view.described else "a fiftieth of the range"
    forms = {"text": shown, "Rule": f"Layers near a highest cell are those within {shown} of it, {share}"}
    if view.sign < 0:
        forms["Rule"] = f"Layers near a lowest cell are those within {shown} of it, {share}"
    ledger.add("near", "constant", forms, value=near(view))
    if view.described and view.ok.any() and not view.constant and not view.silent and not view.grid.contrast:
        _low(view, ledger)


def reach(view: View) -> float:
    """The range of all values."""
    values = view.grid.value[view.ok]
    return float(values.max() - values.min()) if values.size else 0.0


def near(view: View) -> float:
    """How far from a peak a layer of its band may stand."""
    if view.described:
        return _round(SHARE * reach(view))
    quantity = view.grid.quantity
    bounded = quantity.low is not None and quantity.high is not None
    return float(f"{SCORES * ((quantity.high or 0.0) - (quantity.low or 0.0) if bounded else reach(view)):.2g}")


def _round(value: float) -> float:
    """The round number nearest to a positive value, an eighth of it away at most."""
    if value <= 0 or not math.isfinite(value):
        return 0.0
    size = 10.0 ** math.floor(math.log10(value))
    return float(f"{size * min(NICE, key=lambda k: abs(k - value / size)):.2g}")


def told(view: View, j: int) -> bool:
    """Whether a band of layers may be told of a position."""
    return not view.described or sure(view, [j], len(view.spoken))


def sure(view: View, columns: Sequence[int], many: int) -> bool:
    """Whether the mean over some positions may be given a shape, where `many` such means are looked at.

    Their order over layers is far from a random one, or their range is wider than two intervals of a cell.
    """
    rows = [i for i in range(len(view.grid.layers)) if view.ok[i, list(columns)].all()]
    if not rows:
        return False
    at = np.ix_(rows, list(columns))
    values, widths = view.grid.value[at].mean(axis=1), (view.grid.high - view.grid.low)[at]
    known = bool(np.isfinite(widths).all())
    if known and float(values.max() - values.min()) > WIDE * float(np.median(widths)):
        return True
    return order.ordered(values, many)


def _low(view: View, ledger: Ledger) -> None:
    """The first layers, and the last, in which every value stands in the lowest third of the range.

    Some value of at least half of the other layers stands above that, else a lone high value would make all low.
    """
    grid = view.grid
    rows = [i for i in range(len(grid.layers)) if view.ok[i].any()]
    values = grid.value[view.ok]
    limit = float(values.min()) + LOW * reach(view)
    tops = [float(grid.value[i][view.ok[i]].max()) for i in rows]
    for name, step in (("first", 1), ("last", -1)):
        order_of = list(zip(rows, tops, strict=True))[::step]
        run = next((k for k, (_, top) in enumerate(order_of) if top > limit), len(order_of))
        others = [top for _, top in order_of[run:]]
        cells = [(i, j) for i, _ in order_of[:run] for j in range(len(grid.positions)) if view.ok[i, j]]
        if run < RUN or len(cells) < CELLS or 2 * sum(top > limit for top in others) < len(others) or not others:
            continue
        top = max(float(grid.value[c]) for c in cells)
        shown = at_most(top, view.digits)
        layers = text.layers([grid.layers[i] for i, _ in order_of[:run]])
        clause = f"in {layers} no value exceeds {shown}"
        forms = {"text": clause, "Text": text.capital(clause), "short": clause.removeprefix("in ")}
        ledger.add(f"low.{name}", "low layers", forms, cells=view.points(sorted(cells)), value=top, n=len(cells),
                   relation="below")  # fmt: skip


def at_most(value: float, digits: int) -> str:
    """A bound that is not below the value as it is printed: 0.604 with two digits is at most 0.61."""
    shown = text.number(value, digits)
    if float(f"{value:.{digits}f}") < value - 1e-12 * abs(value):
        shown = text.number(math.ceil(value * 10**digits) / 10**digits, digits)
    return shown
