"""Facts of weights on tokens: on how few of a text half of each layer's sum stands, and what the first token takes."""

from __future__ import annotations

import numpy as np

from layergrid import text
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View

NAMED = 3  # tokens that are named where half of a layer's sum stands on them
LEAST = 4  # tokens that a text needs


def derive(view: View, ledger: Ledger) -> None:
    """Writes the share of the first token, where a grid gives it, and how many tokens hold half of the sum."""
    _first(view, ledger)
    _half(view, ledger)


def _first(view: View, ledger: Ledger) -> None:
    """The share of a row of weights that falls on the first token of a sequence, unless it is left out."""
    share = view.grid.settings.get("first_token_weight")
    if view.grid.settings.get("sink") != "keep" or not isinstance(share, int | float) or not view.ok.any():
        return
    shown = text.number(float(share), 2)
    clause = f"on average {shown} of a row of weights falls on the first token of the sequence"
    ledger.add("first_token", "setting", {"text": clause, "Text": text.capital(clause)}, value=float(share))


def _half(view: View, ledger: Ledger) -> None:
    """How many tokens hold half of a layer's sum, of values that cannot be negative."""
    if not view.grid.text_of or view.constant or view.grid.quantity.low != 0 or len(view.grid.positions) < LEAST:
        return
    held: dict[int, tuple[int, ...]] = {}
    for i in range(len(view.grid.layers)):
        columns = np.flatnonzero(view.ok[i])
        values = view.grid.value[i, columns]
        if columns.size >= LEAST and values.min() >= 0 and values.sum() > 0:
            order = np.argsort(-values, kind="stable")
            many = int(np.searchsorted(np.cumsum(values[order]), values.sum() / 2 * (1 - 1e-9))) + 1
            held[i] = tuple(int(columns[k]) for k in order[:many])
    if len(held) < 2:
        return
    sizes = {i: len(columns) for i, columns in held.items()}
    few, many = min(sizes.values()), max(sizes.values())
    fewest = [i for i in sizes if sizes[i] == few]
    clause = f"half of the sum over tokens stands on {_on(view, few)} in {_layers(view, fewest)}"
    on = {frozenset(held[i]) for i in fewest}
    if len(on) == 1 and few <= NAMED:
        clause += f" ({text.listed(view.shown(j) for j in sorted(on.pop()))})"
    if many > few:
        clause += f", and on {text.words(many)} in {_layers(view, [i for i in sizes if sizes[i] == many])}"
    cells = [view.point((i, j)) for i in fewest for j in held[i]]
    forms = {"text": clause, "Text": text.capital(clause)}
    ledger.add("half", "half of the sum", forms, cells=cells, value=few, low=few, high=many, n=len(held))


def _on(view: View, k: int) -> str:
    return f"{text.words(k)} of the {text.words(len(view.grid.positions))} tokens"


def _layers(view: View, rows: list[int]) -> str:
    return text.layers([view.grid.layers[i] for i in rows])
