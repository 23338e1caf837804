"""The tables of transfers: every pair with its intervals, and what was chosen on the sources; they know no markup."""

from __future__ import annotations

from collections import Counter

import numpy as np

from layergrid import text
from layergrid.artifacts import Bounded, Matrix, Results
from layergrid.facts.ledger import clear_of_zero
from layergrid.facts.matrices import AT
from layergrid.render.sheets import Sheet

MOST = 144  # pairs of a table


def sheets(results: Results) -> list[Sheet]:
    """A table or two a matrix."""
    found = []
    for matrix in results.matrices:
        found += [_pairs(matrix), *_chosen(matrix)]
    return found


def _pairs(matrix: Matrix) -> Sheet:
    """A row a pair: its value, what is over the best baseline, and what is over the target's own probe."""
    at, names = AT[matrix.over], [text.visible(one) for one in matrix.names]
    rows = []
    for t, target in enumerate(names):
        for s, source in enumerate(names):
            if matrix.has_value[s, t]:
                own = "cross-validated" if s == t else _number(matrix.lost, s, t, flip=True)
                rows.append((source, target, _number(matrix.raw, s, t, sign=False),
                             _number(matrix.over_baseline, s, t), own, text.count(matrix.n[t])))  # fmt: skip
            else:
                why = text.visible(str(matrix.reason[s, t]))
                rows.append((source, target, f"none: {why}", "", "", text.count(matrix.n[t])))
    level = text.percent(matrix.level)
    columns = (f"Trained {at}", f"Scored {at}", f"{matrix.quantity.name} [{level} interval]", "Less best baseline",
               "Less own probe", "Rows")  # fmt: skip
    left_out = (set() if any(matrix.best) else {3}) | ({5} if len(set(matrix.n)) == 1 else set())
    kept = [i for i in range(len(columns)) if i not in left_out]
    notes = [f"All on {text.plural(matrix.n[0], 'row')}."] if 5 in left_out else []
    notes += [f"The first {MOST} of {len(rows)} pairs."] if len(rows) > MOST else []
    return Sheet(
        f"{matrix.name}.transfer", f"Pairs of the transfer {text.visible(matrix.name)}",
        tuple(columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows[:MOST]),
        tuple((False, False, True, True, True, True)[i] for i in kept),
        note=" ".join(notes),
    )  # fmt: skip


def _number(found: Bounded, s: int, t: int, sign: bool = True, flip: bool = False) -> str:
    """A number with its interval; `flip`: with the opposite sign."""
    value, low, high = (float(getattr(found, part)[s, t]) for part in ("value", "low", "high"))
    if not np.isfinite(value):
        return ""
    if flip:
        value, low, high = -value, -high, -low
    digits = clear_of_zero(low, high, 2) if sign else 2
    shown = text.signed(value, digits) if sign else text.number(value, digits)
    return f"{shown} {text.interval(low, high, digits)}" if np.isfinite([low, high]).all() else shown


def _chosen(matrix: Matrix) -> list[Sheet]:
    """A row a source: what its folds chose, where there was a choice of a layer or a position."""
    layers, positions = (len(matrix.settings.get(key, ())) > 1 for key in ("layers", "positions"))
    layers, positions = layers and matrix.over != "layers", positions and matrix.over != "positions"
    if not (layers or positions) or not matrix.chosen:
        return []
    rows = []
    for name in matrix.names:
        mine = [one for one in matrix.chosen if one.source == name]
        counts = Counter((one.layer, one.position) for one in mine)
        said = [_cell(*cell, layers, positions, times, len(mine)) for cell, times in counts.most_common()]
        ends = sorted({one.penalty for one in mine})
        penalties = " to ".join(f"{one:.2g}" for one in dict.fromkeys([*ends[:1], *ends[-1:]]))
        rows.append((text.visible(name), ", ".join(said), penalties))
    title = f"What the folds chose on each source of {text.visible(matrix.name)}"
    columns = ("Source", "Layer and position" if layers and positions else "Layer" if layers else "Position", "Penalty")
    return [Sheet(f"{matrix.name}.transfer.chosen", title, columns, tuple(rows), (False, False, True))]


def _cell(layer: int, position: str, layers: bool, positions: bool, times: int, of: int) -> str:
    where = [f"layer {layer}"] * layers + [text.visible(position)] * positions
    count = "" if times == of else f" ({times} of {of})"
    return f"{' at '.join(where)}{count}"
