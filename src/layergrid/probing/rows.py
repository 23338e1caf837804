"""Which rows a probe grid compares, what they are to predict, and how they are split; it knows no feature."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Examples, Ints
from layergrid.kinds import BadInput, Inputs
from layergrid.probes import SELECT, TRAIN, assign_folds, canonical_order, group_codes
from layergrid.probes.parity import published_split
from layergrid.probing.asked import Asked, Target
from layergrid.selection import compared, unfit, unfit_fold
from layergrid.stats import Split
from layergrid.text import listed, plural

TENTHS = 10
PARTS = {"train": TRAIN, "select": SELECT, "test": 0}
SAME_PART = {"training": "train", "validation": "select", "valid": "select", "val": "select", "dev": "select"}


@dataclass(frozen=True)
class Rows:
    """The examples that are compared, in canonical order, and how they are split."""

    index: Ints  # int [n]: example numbers
    target: Target  # of these rows
    groups: Ints  # int [n]
    positions: Bools  # bool [P]: the position takes part
    folds: Ints = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))  # int [r, n]; see probes.cells.Plan
    judged: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # int [m]: rows that are scored
    split: Split | None = None  # of the judged rows; None where the rows cannot be split
    trouble: tuple[str, str] = ("", "")  # the status and reason of all cells then
    near: tuple[int, int] = (0, 0)  # rows that are near-duplicates of another, and their clusters
    leaked: int = 0  # rows left out of training because the test rows hold their group

    @property
    def labels(self) -> Bools:
        """Bool [n]: the positive class; all False where there is none."""
        return np.asarray(self.target.values if self.target.binary else np.zeros(len(self.index)), dtype=bool)


def compared_rows(asked: Asked, inputs: Inputs) -> Rows:
    """The rows that count at all compared positions, in an order that only their content decides, and their folds."""
    present = asked.states(inputs).present[:, columns_of(asked, inputs)]
    chosen = compared(inputs.positions.status, present, [s.value for s in asked.statuses])
    contents = [np.asarray(inputs.sequences.ids[i], dtype="<i4").tobytes() for i in chosen.rows]
    order = canonical_order(contents, [inputs.examples.ids[i] for i in chosen.rows], inputs.seed)
    index = chosen.rows[order]
    whole = asked.target(inputs)
    target = Target(whole.values[index], whole.classes, whole.words)
    if not (target.binary or target.classes) and len(index):
        target = _in_units(target)
    groups = group_codes([inputs.examples.groups[i] for i in index])
    groups, near = _near_duplicates(asked, inputs, index, groups)
    return _split(asked, inputs, Rows(index, target, groups, chosen.positions, near=near))


def columns_of(asked: Asked, inputs: Inputs) -> list[int]:
    """Where the grid's positions stand in the activations."""
    stored = asked.states(inputs).positions
    return [stored.index(name) for name in inputs.positions.names]


def missing(asked: Asked, inputs: Inputs, position: int) -> tuple[CellStatus, str]:
    """Status and reason of a position that no example has."""
    names, counts = np.unique(inputs.positions.status[:, position], return_counts=True)
    having = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    wanted = listed([s.value for s in asked.statuses], "or")
    return CellStatus.MISSING, f"no example has this position with status {wanted}: {having}"


def _in_units(target: Target) -> Target:
    """Numbers as distances from their mean in standard deviations: a large offset would drown them in rounding."""
    centre, unit = float(target.values.mean()), float(target.values.std())
    if not unit > 0:
        return target
    return replace(target, values=(target.values - centre) / unit, centre=centre, unit=unit)


# ---------------------------------------------------------------- near-duplicates


def _near_duplicates(asked: Asked, inputs: Inputs, index: Ints, groups: Ints) -> tuple[Ints, tuple[int, int]]:
    """Groups [n] with near-duplicate prompts joined where the grid asks for it, and how many rows and clusters."""
    s = inputs.sequences
    if asked.near_duplicates == "ignore" or len(index) == 0 or not any(s.texts):
        return groups, (0, 0)
    from layergrid.duplicates import near_duplicates

    clusters = near_duplicates([s.texts[i][: int(s.prompt_chars[i])] for i in index])
    _, counts = np.unique(clusters, return_counts=True)
    several = counts > 1
    near = (int(counts[several].sum()), int(np.count_nonzero(several)))
    return (joined(groups, clusters) if asked.near_duplicates == "group" else groups), near


def joined(groups: Ints, clusters: Ints) -> Ints:
    """Groups such that rows that share either a group or a cluster share one, numbered as they first appear."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, first = len(groups), int(groups.max(initial=-1)) + 1
    width = first + int(clusters.max(initial=-1)) + 1
    rows = np.arange(n)
    ends = np.concatenate((n + groups, n + first + clusters))
    graph = coo_array((np.ones(2 * n), (np.concatenate((rows, rows)), ends)), shape=(n + width, n + width))
    _, found = connected_components(graph, directed=False)
    return group_codes([str(code) for code in found[:n]])


# ---------------------------------------------------------------- folds and fixed splits


def _split(asked: Asked, inputs: Inputs, rows: Rows) -> Rows:
    """The same rows with their folds, or with what stands in the way."""
    trouble = unfit_target(asked, rows)
    if trouble is None and asked.parity is not None:
        return _checked(asked, rows, published_split(len(rows.index), inputs.seed)[None])
    if trouble is None and asked.shares is not None:
        folds, leaked = _fixed(asked, inputs, rows)
        return _checked(asked, replace(rows, leaked=leaked), folds[None])
    if trouble is not None:
        return replace(rows, trouble=trouble)
    strata = _strata(rows.target, asked.folds)
    folds = np.stack(
        [assign_folds(strata, rows.groups, asked.folds, seed) for seed in _seeds(inputs.seed, asked.repeats)]
    )
    return _checked(asked, rows, folds)


def _seeds(seed: int, repeats: int) -> list[int]:
    """The seed itself first, so that more repeats keep the first assignment."""
    return [seed, *(int(s) for s in np.random.SeedSequence(seed).generate_state(max(0, repeats - 1)))][:repeats]


def _strata(target: Target, folds: int) -> Ints:
    """What folds are balanced by: classes, or as many equal parts of a ranked number as there are folds."""
    if target.binary or target.classes:
        return np.asarray(target.values, dtype=np.int64)
    ranks = np.argsort(np.argsort(target.values, kind="stable"), kind="stable")
    strata = max(1, min(folds, len(ranks) // folds))  # each of at least as many rows as there are folds
    return np.asarray(ranks * strata // max(1, len(ranks)), dtype=np.int64)


def unfit_target(asked: Asked, rows: Rows) -> tuple[str, str] | None:
    """Status and reason where rows cannot be split at all."""
    need = asked.folds if asked.shares is None and asked.parity is None else 1
    need = TENTHS // 2 if isinstance(asked.shares, tuple) else need  # parts are made of tenths, each with both classes
    target, groups = rows.target, rows.groups
    if len(rows.index) == 0:
        return CellStatus.TOO_FEW.value, "no example counts at all compared positions at once"
    if target.binary:
        what = "a split in tenths needs" if isinstance(asked.shares, tuple) else ""
        return unfit(rows.labels, groups, need, target.words, what)
    if np.ptp(target.values) == 0:
        same = target.classes[int(target.values[0])] if target.classes else f"{target.values[0]:g}"
        return CellStatus.ONE_CLASS.value, f"all {len(rows.index)} compared examples have the value {same}"
    for code, word in enumerate(target.classes):
        found = len(np.unique(groups[target.values == code]))
        if found < 2 * need:
            wanted = f"{plural(need, 'fold')} need" if asked.shares is None else "a split in tenths needs"
            reason = f"the class {word!r} stands in too few groups: {found} ({wanted} at least {2 * need})"
            return CellStatus.TOO_FEW.value, reason
    if len(np.unique(groups)) < 2 * need:
        return CellStatus.TOO_FEW.value, f"too few groups: {len(np.unique(groups))} ({2 * need} are needed)"
    return None


def _fixed(asked: Asked, inputs: Inputs, rows: Rows) -> tuple[Ints, int]:
    """A fixed split, int [n] of PARTS, and how many rows of groups in the test part were taken out of the others."""
    if isinstance(asked.shares, str):
        found = named_parts(asked.shares, inputs.examples, inputs.name)[rows.index]
        test = np.isin(rows.groups, rows.groups[found == 0]) & (found != 0)
        selected = np.isin(rows.groups, rows.groups[found == SELECT]) & (found == TRAIN)
        found[test | selected] = LEFT_OUT
        return found, int(np.count_nonzero(test | selected))
    cuts = np.round(np.cumsum(asked.shares or ()) * TENTHS).astype(np.int64)
    tenth = assign_folds(_strata(rows.target, TENTHS), rows.groups, TENTHS, inputs.seed)
    return np.array([TRAIN, SELECT, 0])[np.searchsorted(cuts, tenth, side="right")], 0


LEFT_OUT = -3  # in neither part of a fixed split


def named_parts(column: str, examples: Examples, grid: str) -> Ints:
    """The part that a column of the data names for each example, int [N]. Raises BadInput for another word."""
    found = np.empty(len(examples.ids), dtype=np.int64)
    for i, value in enumerate(examples.columns[column]):
        word = str(value).strip().lower()
        part = SAME_PART.get(word, word)
        if part not in PARTS:
            raise BadInput(
                f"grids.{grid}.split: column {column!r} of data set {examples.name!r} says {word!r} for "
                f"example {examples.ids[i]!r}; expected train, select or test"
            )
        found[i] = PARTS[part]
    return found


def _checked(asked: Asked, rows: Rows, folds: Ints) -> Rows:
    """Rows with their folds, unless some part came out without two groups of a class."""
    fixed = asked.shares is not None or asked.parity is not None
    trouble = _unfit_parts(rows.target, folds[0], asked.parity is None) if fixed else None
    if trouble is not None:
        return replace(rows, trouble=trouble)
    judged = np.flatnonzero(folds[0] == 0) if fixed else np.tile(np.arange(len(rows.index)), len(folds))
    numbers = folds[0][judged] if fixed else (folds + np.arange(len(folds))[:, None] * (folds.max() + 1)).ravel()
    target = rows.target
    labels = rows.labels if target.binary else target.values
    split = Split(labels[judged], rows.groups[judged], numbers, asked.judge, len(folds))
    trouble = unfit_fold(split, target.words) if target.binary else _unfit_part(target, split)
    if trouble is not None:
        return replace(rows, trouble=trouble)
    return replace(rows, folds=folds, judged=judged, split=split)


def _unfit_parts(target: Target, parts: Ints, selects: bool) -> tuple[str, str] | None:
    """Status and reason where a part of a fixed split is empty, lacks a class, or holds a single value."""
    for part, word in ((TRAIN, "train"), (SELECT, "select"), (0, "test")):
        if part == SELECT and not selects:
            continue
        values = target.values[parts == part]
        lost = len(values) == 0
        if target.binary or target.classes:
            lost = lost or len(np.unique(values)) < max(2, len(target.classes))
        elif not lost:
            lost = bool(np.ptp(values) == 0)
        if lost:
            what = "rows" if len(values) == 0 else "every class" if target.binary or target.classes else "two values"
            return CellStatus.TOO_FEW.value, f"the {word} part of the fixed split does not hold {what}"
    return None


def _unfit_part(target: Target, split: Split) -> tuple[str, str] | None:
    """Status and reason where a fold lacks groups of a class, or holds one value only."""
    for k, rows in enumerate(split.rows):
        for code, word in enumerate(target.classes):
            found = len(np.unique(split.groups[rows[split.labels[rows] == code]]))
            if found < 2:
                return CellStatus.TOO_FEW.value, f"groups with {word} in fold {k}: {found} (two are needed)"
        if len(np.unique(split.groups[rows])) < 2 or np.ptp(np.asarray(split.labels[rows], dtype=float)) == 0:
            return CellStatus.TOO_FEW.value, f"fold {k} holds fewer than two groups or a single value"
    return None


def outcomes_without_values(asked: Asked, inputs: Inputs, rows: Rows) -> list[tuple[str, str]]:
    """Status and reason of each cell, layer by layer, where rows could not be split."""
    layers = len(asked.states(inputs).layers)
    one = [rows.trouble if p else missing(asked, inputs, i) for i, p in enumerate(rows.positions)]
    return [(str(status), reason) for status, reason in one] * layers
