"""Rows that must not be parted, across all sets of rows, and the folds of all of them; it knows no feature.

Two rows are of one group where their data say so, where their prompts are nearly the same, and wherever a chain of such
rows joins them, be it through another set. A group is held out everywhere at once.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Ints
from layergrid.duplicates import TEMPLATE, WORD, near_duplicates
from layergrid.probes import assign_folds, group_codes
from layergrid.probing.rows import joined
from layergrid.selection import unfit_fold
from layergrid.stats import Split
from layergrid.transfer.domains import FINE, Rows, Trouble, why_unfit

MANY, LEAST = (1, 10), 10  # a word that this share of a set's texts has, and so many, is no mark of one question


@dataclass(frozen=True)
class Grouped:
    """Groups and folds of each set of rows, numbered alike in all of them."""

    groups: tuple[Ints, ...]  # of each set int [n]
    folds: tuple[Ints, ...]  # likewise; -1 in a set that cannot be split
    troubles: tuple[Trouble, ...]
    near: tuple[int, int]  # rows that are near-duplicates of another, and their clusters
    across: int  # groups that stand in more than one data set


def grouped(sets: Sequence[Rows], folds: int, seed: int) -> Grouped:
    """Groups across sets, and folds that keep them whole and balance the classes of every set."""
    order = sorted(range(len(sets)), key=lambda k: sets[k].names)  # the order in which they are named decides nothing
    ends = np.cumsum([0, *(len(sets[k].index) for k in order)])
    codes, near = _codes([sets[k] for k in order])
    of = {k: codes[ends[i] : ends[i + 1]] for i, k in enumerate(order)}
    troubles = [why_unfit(one, of[k], folds) for k, one in enumerate(sets)]
    numbers: dict[int, Ints] = {k: np.full(len(sets[k].index), -1, dtype=np.int64) for k in order}
    fit = [k for k in order if troubles[k] == FINE]
    if fit:
        strata = np.concatenate([2 * i + sets[k].labels.astype(np.int64) for i, k in enumerate(fit)])
        whole = assign_folds(strata, group_codes(list(map(str, np.concatenate([of[k] for k in fit])))), folds, seed)
        for k, part in zip(fit, np.split(whole, np.cumsum([len(of[k]) for k in fit])[:-1]), strict=True):
            numbers[k] = part
            troubles[k] = _lacking(sets[k], of[k], part, folds)
    return Grouped(
        tuple(of[k] for k in range(len(sets))), tuple(numbers[k] for k in range(len(sets))), tuple(troubles), near,
        _across(sets, of),
    )  # fmt: skip


def _lacking(rows: Rows, groups: Ints, folds: Ints, k: int) -> Trouble:
    """Why a set cannot be judged in the folds that it got: some hold too little of it."""
    if len(np.unique(folds)) < k:
        return "too_few", f"its rows stand in {len(np.unique(folds))} of {k} folds"
    return unfit_fold(Split(rows.labels, groups, folds), rows.words) or FINE


def _across(sets: Sequence[Rows], of: dict[int, Ints]) -> int:
    """How many groups stand in more than one data set."""
    having: Counter[int] = Counter()
    for name in sorted({one.names[1] for one in sets}):
        mine = [of[k] for k, one in enumerate(sets) if one.names[1] == name]
        having.update(np.unique(np.concatenate(mine)).tolist())
    return sum(count > 1 for count in having.values())


# ---------------------------------------------------------------- what belongs together


def _codes(sets: Sequence[Rows]) -> tuple[Ints, tuple[int, int]]:
    """The group of every row of all sets, one after the other, and the rows and clusters of near-duplicates."""
    codes = group_codes([name for one in sets for name in _named(one)])
    told = {one.names[1]: one for one in sets}  # two models may read one data set: its prompts count once
    texts = [_prompts(one) for one in sets]
    if not any(map(any, texts)):
        return codes, (0, 0)
    bare = [text for one in texts for text in without_template(one)]
    clusters = near_duplicates(bare)
    start = 0
    for one in texts:  # as a grid would find them in a set by itself
        own = near_duplicates(one)
        codes = joined(codes, _apart(own, start, len(bare)))
        start += len(one)
    counted = _alike(told, sets, clusters)
    return joined(codes, clusters), counted


def _named(rows: Rows) -> list[str]:
    """The groups of rows as the data name them; numbers of rows say nothing of rows of another source."""
    examples = rows.read.inputs.examples
    of = "" if rows.read.shared else f"{examples.source}\0"
    return [f"{of}{examples.groups[i]}" for i in rows.index]


def _prompts(rows: Rows) -> list[str]:
    s = rows.read.inputs.sequences
    return [s.texts[i][: int(s.prompt_chars[i])] for i in rows.index]


def _apart(own: Ints, start: int, n: int) -> Ints:
    """Clusters of one set's rows among all rows; every other row stands for itself."""
    found = np.arange(n) + len(own)
    found[start : start + len(own)] = own
    return found


def _alike(told: dict[str, Rows], sets: Sequence[Rows], clusters: Ints) -> tuple[int, int]:
    """How many rows of the data sets are like another, and in how many clusters."""
    start, kept = 0, []
    for one in sets:
        if told[one.names[1]] is one:
            kept.append(clusters[start : start + len(one.index)])
        start += len(one.index)
    counts = np.unique(np.concatenate(kept), return_counts=True)[1]
    return int(counts[counts > 1].sum()), int(np.count_nonzero(counts > 1))


def without_template(texts: Sequence[str]) -> list[str]:
    """Texts less the words that many of them have, so that a template of one set joins none of its rows among others.

    Many is a tenth of the texts, at least ten, at most nine tenths. A text that is nothing else stays as it is.
    """
    bags = [Counter(WORD.findall(unicodedata.normalize("NFKC", text).casefold())) for text in texts]
    having = Counter((word, k) for bag in bags for word, count in bag.items() for k in range(1, count + 1))
    n = len(texts)
    many = max(n * MANY[0] / MANY[1], min(LEAST, n * TEMPLATE[0] / TEMPLATE[1]), 2)
    shared = Counter(word for (word, _), texts_with in having.items() if texts_with >= many)
    left = (" ".join(sorted((bag - shared).elements())) for bag in bags)
    return [short or text for short, text in zip(left, texts, strict=True)]
