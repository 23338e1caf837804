"""Which rows are compared, which cell each fold chooses, which tie with the best; it knows scores, never probes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Estimate, Examples, Floats, Ints, Strings
from layergrid.stats import Array, Interval, Scored, Split, difference_interval, evaluate, holm, mean_interval

NOTHING_VARIES = "the held-out scores are the same for all examples of a fold"


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Compared:
    """The examples that count at every compared position, and the positions that no example has."""

    rows: Ints  # int [n]: example numbers
    positions: Bools  # bool [P]: some example has the position; the others are left out of the comparison
    counting: Ints  # int [P]: examples that count at each position


def compared(status: Strings, present: Bools, statuses: Collection[str]) -> Compared:
    """Rows whose `status` [N, P] is one of `statuses`, with a token `present` [N, P], at every position compared."""
    counts: Bools = np.isin(status, list(statuses)) & present
    positions: Bools = np.asarray(counts.any(axis=0))
    rows = np.flatnonzero(counts[:, positions].all(axis=1)) if positions.any() else np.empty(0, dtype=np.int64)
    return Compared(rows, positions, counts.sum(axis=0))


def group_column(examples: Examples) -> str:
    """The column that groups rows, found by its values; empty where each row is its own group or none has them."""
    if len(set(examples.groups)) == len(examples.groups):
        return ""
    matching = (name for name, values in examples.columns.items() if tuple(map(str, values)) == examples.groups)
    return next(matching, "")


def unfit(labels: Bools, groups: Ints, folds: int, words: tuple[str, str], what: str = "") -> tuple[str, str] | None:
    """Status and reason where rows cannot be split into `folds`; `words` name the positive and the negative class.

    `what` says what needs so many groups, where it is not the folds.

    Every fold must hold two groups of each class, or its variance is not defined.
    """
    if len(labels) == 0:
        return CellStatus.TOO_FEW.value, "no example counts at all compared positions at once"
    for positive, word in ((True, words[0]), (False, words[1])):
        if (labels == positive).all():
            return CellStatus.ONE_CLASS.value, f"all {len(labels)} compared examples are {word}"
    for positive, word in ((True, words[0]), (False, words[1])):
        found = len(np.unique(groups[labels == positive]))
        if found < 2 * folds:
            need = f"{what or f'{folds} folds need'} at least {2 * folds}"
            return CellStatus.TOO_FEW.value, f"{word} stand in too few groups: {found} ({need})"
    return None


def unfit_fold(split: Split, words: tuple[str, str]) -> tuple[str, str] | None:
    """Status and reason where a fold came out with fewer than two groups of a class, because groups are large."""
    for k, rows in enumerate(split.rows):
        for positive, word in ((True, words[0]), (False, words[1])):
            found = len(np.unique(split.groups[rows[split.labels[rows] == positive]]))
            if found < 2:
                reason = f"groups with {word} in fold {k}: {found} (two are needed)"
                return CellStatus.TOO_FEW.value, reason
    return None


# ---------------------------------------------------------------- cells


@dataclass(frozen=True)
class CellValues:
    """The values of C cells on one split; NaN where a cell has none."""

    value: Array  # [C]
    low: Array
    high: Array
    p_adjusted: Array  # Holm over the cells with a value
    boundary: Bools  # [C]: a fold stands at 0 or 1, so the interval is one-sided
    constant: Bools  # [C]: had scores, but the same for all examples of each fold; no value
    tied_with_best: Bools  # [C]


def evaluate_cells(split: Split, scores: Floats, level: float, chance: float | None = None) -> CellValues:
    """Value, interval, p-value and ties of held-out scores [C, n]; cells without scores are rows of NaN.

    Of a target with classes the scores are [C, classes, n]; `chance` is what an accuracy is tested against.
    """
    count = len(scores)
    scored: dict[int, Scored] = {}
    found = {}
    constant = np.zeros(count, dtype=bool)
    for c in map(int, np.flatnonzero(~np.isnan(scores).any(axis=tuple(range(1, scores.ndim))))):
        one = evaluate(split, scores[c])
        interval = mean_interval(split, one, level, chance)
        if np.isnan(interval.low):
            constant[c] = True
        else:
            scored[c], found[c] = one, interval
    value, low, high, p = (np.full(count, np.nan) for _ in range(4))
    boundary = np.zeros(count, dtype=bool)
    for c, i in found.items():
        value[c], low[c], high[c], p[c], boundary[c] = i.value, i.low, i.high, i.p, i.boundary
    return CellValues(value, low, high, holm(p), boundary, constant, _tied(split, scored, count, level))


def _tied(split: Split, scored: dict[int, Scored], count: int, level: float) -> Bools:
    """Cells whose paired difference from the highest holds 0; also those for which no interval can be given."""
    tied = np.zeros(count, dtype=bool)
    if scored:
        best = max(scored, key=lambda c: (scored[c].value, -c))
        for c, one in scored.items():
            interval = difference_interval(split, scored[best], one, level)
            tied[c] = c == best or np.isnan(interval.low) or interval.low <= 0
    return tied


# ---------------------------------------------------------------- the nested best


def choose(inner: Floats, eligible: Bools) -> Ints:
    """The cell [K] with the highest inner AUROC `inner` [C, K] of each fold, among `eligible` [C]; the first of equals.

    `inner` must come from inside each training fold (Cawley & Talbot 2010).
    """
    ranked = np.where(eligible[:, None], inner, -np.inf)
    return np.asarray(ranked.argmax(axis=0), dtype=np.int64)


def compose(split: Split, scores: Floats, winners: Ints) -> Array:
    """Held-out scores float64 [n] (or [classes, n]) of the procedure: in each fold those of the cell that it chose."""
    found = np.empty(scores.shape[1:], dtype=np.float64)
    for k, rows in enumerate(split.rows):
        found[..., rows] = scores[winners[k]][..., rows]
    return found


def as_estimate(interval: Interval, level: float, n: int) -> Estimate:
    """An interval with its nominal level and number of rows."""
    return Estimate(interval.value, interval.low, interval.high, level, n)
