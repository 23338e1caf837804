"""The control task: random labels by token, and how selective a probe is beside it (Hewitt & Liang 2019); no solver."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Bools, Control, Floats, Ints
from layergrid.kinds import Inputs
from layergrid.probes import CellFit
from layergrid.probing.rows import Rows
from layergrid.stats import Split, quantile
from layergrid.stats.ranks import placements


def types(inputs: Inputs, rows: Rows) -> list[list[bytes]]:
    """The token ids at each position, for each compared row; empty where a row has no token there."""
    start, stop, ids = inputs.positions.start, inputs.positions.stop, inputs.sequences.ids
    return [
        [np.asarray(ids[i][max(0, start[i, p]) : max(0, stop[i, p])], dtype="<i4").tobytes() for i in rows.index]
        for p in range(len(inputs.positions.names))
    ]


def labels(found: Sequence[Sequence[bytes]], share: float, draws: int, seed: int) -> tuple[Bools, ...]:
    """Random labels bool [draws, n] for each position: one a type, true with probability `share`.

    A label is decided by a digest of the seed, the draw and the token, so that no order of rows matters.
    """
    many = []
    for column in found:
        one = np.empty((draws, len(column)), dtype=bool)
        for draw in range(draws):
            known = {kind: _drawn(kind, draw, seed) < share for kind in set(column)}
            one[draw] = [known[kind] for kind in column]
        many.append(one)
    return tuple(many)


def _drawn(kind: bytes, draw: int, seed: int) -> float:
    digest = hashlib.sha256(f"layergrid control {seed} {draw}:".encode() + kind).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def judged(
    inputs: Inputs,
    rows: Rows,
    split: Split,
    scores: Floats,
    fits: Sequence[CellFit],
    controls: tuple[Bools, ...],
    level: float,
) -> Control:
    """Values of the control task and selectivity in every cell whose held-out `scores` [cells, m] are there."""
    shape = (len(fits) // len(controls), len(controls))
    found = np.full((4, len(fits)), np.nan)
    for c, fit in enumerate(fits):
        if fit.control is not None and not np.isnan(scores[c]).any():
            drawn = controls[c % len(controls)][:, rows.judged]
            found[:, c] = _selectivity(split, scores[c], drawn, fit.control, level)
    value, selectivity, low, high = found.reshape(4, *shape)
    kinds = types(inputs, rows)
    return Control(
        value, selectivity, low, high, len(controls[0]), tuple(len(set(one)) for one in kinds),
        tuple(_shared(one, rows) for one in kinds),
    )  # fmt: skip


def _shared(kinds: Sequence[bytes], rows: Rows) -> float:
    """The share of held-out rows whose type also stands in their training rows."""
    names = np.array(kinds, dtype=object)
    folds, seen = rows.folds[0], []
    for k in range(int(folds.max()) + 1):
        known = set(names[(folds != k) & (folds >= -1)])
        seen += [kind in known for kind in names[folds == k]]
    return float(np.mean(seen)) if seen else float("nan")


def _selectivity(
    split: Split, scores: Floats, drawn: Bools, controlled: Floats, level: float
) -> tuple[float, float, float, float]:
    """Value of the control task, selectivity and its bounds; NaN where no draw has both classes in every fold.

    The variance is that of the difference of influence functions, summed over groups, times the split's inflation.
    """
    usable = [d for d in range(len(drawn)) if not np.isnan(controlled[d]).any() and _both(split, drawn[d])]
    if not usable:
        return (float("nan"),) * 4
    gaps, values, variances = [], [], []
    for rows in split.rows:
        task, own = _influence(split.labels[rows], scores[rows])
        many = [_influence(drawn[d][rows], controlled[d][rows]) for d in usable]
        control = float(np.mean([value for value, _ in many]))
        beside = own - np.mean([influence for _, influence in many], axis=0)
        _, codes = np.unique(split.groups[rows], return_inverse=True)
        sums = np.bincount(codes, beside)
        gaps.append(task - control)
        values.append(control)
        variances.append(len(sums) / max(1, len(sums) - 1) * float(sums @ sums))
    gap = float(np.mean(gaps))
    reach = quantile(level) * float(np.sqrt(np.mean(variances) * split.inflation))
    return float(np.mean(values)), gap, max(-1.0, gap - reach), min(1.0, gap + reach)


def _both(split: Split, labelled: Bools) -> bool:
    return all(labelled[rows].any() and not labelled[rows].all() for rows in split.rows)


def _influence(truth: Bools, scores: Floats) -> tuple[float, Floats]:
    """The AUROC of one fold and what each row adds to its deviation."""
    placed = placements(np.asarray(truth, dtype=bool), scores)
    value = float(placed[truth].mean())
    count: Ints = np.where(truth, truth.sum(), (~truth).sum())
    return value, (placed - value) / count
