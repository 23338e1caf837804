"""Recomputes the pairs of a transfer from its held-out scores and holds them against the files; it reads no prose.

Beside the numbers: that rows of one group stand in one fold, wherever they are, and that the best baseline of a target
is the one with the highest value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from layergrid import archive
from layergrid.artifacts import HAS_VALUE, Domain, HeldOut, Matrix
from layergrid.artifacts import Bounded as Stored
from layergrid.verify import folds
from layergrid.verify.folds import Folds, Scorer
from layergrid.verify.numbers import NAN, Bounded, same
from layergrid.verify.problems import RESULTS, Notes

NONE = Bounded(NAN, NAN, NAN)


def check(matrix: Matrix, folder: Path, notes: Notes) -> None:
    """One matrix: its pairs in both files, its baselines, and its folds."""
    where = archive.matrix_file(matrix.name, "csv")
    for problem in archive.matrix_csv_problems(folder, matrix):
        notes.wrong(where, problem.removeprefix(str(folder / where)).lstrip(":, "))
    _check_folds(matrix, notes)
    for t, domain in enumerate(matrix.domains):
        notes.counts["pair"] += len(matrix.domains)
        _check_target(matrix, t, domain, notes)


def _check_folds(matrix: Matrix, notes: Notes) -> None:
    """Rows of one group are held out together in all domains, or a probe has seen what it is scored on."""
    seen: dict[str, int] = {}
    for domain in matrix.domains:
        for group, fold in zip(domain.groups, domain.folds.tolist(), strict=True):
            if fold >= 0 and seen.setdefault(group, fold) != fold:
                notes.wrong(RESULTS, f"{matrix.name}: rows of the group {group!r} stand in two folds")
                return


def _check_target(matrix: Matrix, t: int, domain: Domain, notes: Notes) -> None:
    """One column: its values, its differences from the best baseline and from the diagonal."""
    where = archive.matrix_file(matrix.name, "parquet")
    if not len(domain.folds) or int(domain.folds.min()) < 0:
        if np.isin(matrix.status[:, t], list(HAS_VALUE)).any():
            notes.wrong(where, f"scored on {domain.name}: has values, but its rows stand in no folds")
        return
    held = _held(domain)
    split = folds.split(held, matrix.metric)
    scorers = {
        s: folds.score(split, own) for s, own in enumerate(domain.scores) if folds.can_be_judged(held, "auroc", own)
    }
    base = _check_baselines(matrix, t, domain, held, split, notes)
    if matrix.n_positive[t] != int(domain.labels.sum()):
        notes.wrong(where, f"scored on {domain.name}: n_positive is {matrix.n_positive[t]}, not {domain.labels.sum()}")
    for s, source in enumerate(matrix.names):
        name = f"trained on {source}, scored on {domain.name}"
        scorer = scorers.get(s)
        found = NONE if scorer is None else folds.bounds(split, scorer, matrix.level, matrix.quantity.chance)
        there = bool(np.isin(matrix.status[s, t], list(HAS_VALUE)))
        if there != (not math.isnan(found.low)):
            notes.wrong(where, f"{name}: has the status {matrix.status[s, t]}, its scores give {found.value!r}")
            continue
        found = found if there else NONE
        _agree(where, f"{name}: ", matrix.raw, (s, t), found, notes)
        gap = folds.difference(split, scorer, base, matrix.level) if there and scorer and base else NONE
        _agree(where, f"{name}: over_baseline_", matrix.over_baseline, (s, t), gap, notes)
        own = scorers.get(t) if matrix.status[t, t] in HAS_VALUE else None
        lost = folds.difference(split, own, scorer, matrix.level) if there and own and scorer and s != t else NONE
        _agree(where, f"{name}: lost_", matrix.lost, (s, t), lost, notes)


def _held(domain: Domain) -> HeldOut:
    """The rows of a domain as held-out rows of a grid without cells."""
    return HeldOut(domain.example_ids, domain.groups, domain.labels, domain.folds, np.empty((0, 0, 0)), np.empty(0), {})


def _check_baselines(
    matrix: Matrix, t: int, domain: Domain, held: HeldOut, split: Folds, notes: Notes
) -> Scorer | None:
    """The baselines of a target; the best of them, by which pairs are judged."""
    found: dict[str, tuple[float, Scorer]] = {}
    for one in matrix.baselines[t]:
        scores = domain.baselines.get(one.name)
        if one.estimate is None:
            continue
        name = f"{matrix.name}: {one.name} on {domain.name}"
        if scores is None or not folds.can_be_judged(held, "auroc", scores):
            notes.wrong(RESULTS, f"{name}: has a value, but no scores")
            continue
        scorer = folds.score(split, scores)
        right = folds.bounds(split, scorer, matrix.level, matrix.quantity.chance)
        notes.counts["estimate"] += 1
        for part in ("value", "low", "high"):
            if not same(getattr(one.estimate, part), getattr(right, part)):
                notes.wrong(RESULTS, f"{name}: {part} is {getattr(one.estimate, part)!r}, its scores give "
                            f"{getattr(right, part)!r}")  # fmt: skip
        found[one.name] = (scorer.value, scorer)
    return _best(matrix, t, found, notes)


def _best(matrix: Matrix, t: int, found: Mapping[str, tuple[float, Scorer]], notes: Notes) -> Scorer | None:
    best = matrix.best[t]
    top = max((value for value, _ in found.values()), default=NAN)
    if (best in found) != bool(found) or (found and not same(found[best][0], top)):
        notes.wrong(RESULTS, f"{matrix.name}: {best!r} is not the best baseline on {matrix.names[t]}")
        return None
    return found[best][1] if best in found else None


def _agree(where: str, name: str, stored: Stored, pair: tuple[int, int], found: Bounded, notes: Notes) -> None:
    for part in ("value", "low", "high"):
        there, right = float(getattr(stored, part)[pair]), getattr(found, part)
        if not same(there, right):
            notes.wrong(where, f"{name}{part} is {there!r}, its scores give {right!r}")
