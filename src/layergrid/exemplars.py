"""Which examples a report shows beside their held-out scores: some at random, and the surest; it knows no page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from layergrid import placements
from layergrid.artifacts import GridResult, Labels, Sequences
from layergrid.cards import drawn
from layergrid.placements import Placements

FULL, FEW = 8, 2  # examples of one of the first sets of answers, and of one of those after them
SETS, MORE = 2, 4  # sets of answers in full, and with a few examples
RANDOM = 3  # of each label where no probe stands on the answers
BY_CHANCE = "drawn at random"
MISTAKE, CALL = "the surest mistake of the probe", "the surest right call of the probe"
OVER, UNDER = "the highest overestimate", "the highest underestimate"

Chosen = tuple[int, str]  # the number of an example, and why it is shown


def room(place: int) -> int:
    """How many examples of the set of answers at a place (from 0) in the report are shown."""
    return FULL if place < SETS else FEW if place < SETS + MORE else 0


def chosen(
    sequences: Sequences, labels: Labels, grids: Iterable[GridResult], seed: int, most: int = FULL
) -> tuple[Chosen, ...]:
    """At most `most` examples, class by class: what the nested probe of the first grid is surest of, then a draw.

    For each class the surest mistake and the surest right call, as far as there are any, then as many of each label
    drawn at random; without a probe a draw alone. The draw is decided by the digest of the seed and the prompt, and
    equals in it by that of the text, so that neither the order nor the names of rows change it.
    """
    order = sorted(range(len(sequences.example_ids)), key=lambda i: drawn(sequences, i, seed))
    found = next((p for p in map(placements.of, grids) if p is not None), None)
    surest = _surest(found, sequences.example_ids, order)[:most] if found is not None else []
    taken = {i for i, _ in surest}
    classes = [[i for i in order if labels.correct[i] == side] for side in (False, True)] if labels.known else [order]
    each = most if found is not None else RANDOM
    left = [[i for i in rows if i not in taken] for rows in classes]
    spare = _shares([len(rows) for rows in left], each, most - len(surest))
    by_chance = [(i, BY_CHANCE) for rows, n in zip(left, spare, strict=True) for i in rows[:n]]
    every = [*surest, *by_chance]
    return tuple(sorted(every, key=lambda one: bool(labels.correct[one[0]]))) if labels.known else tuple(every)


def _shares(there: Sequence[int], each: int, most: int) -> list[int]:
    """How many of each class are drawn: as many of each, and where one lacks them the other fills in."""
    total = min(most, each * len(there))
    found = [min(n, total // len(there)) for n in there]
    for k, n in enumerate(there):
        found[k] += min(n - found[k], total - sum(found))
    return found


def _surest(found: Placements, ids: Sequence[str], order: Sequence[int]) -> list[Chosen]:
    """The examples of which the nested probe is surest, mistakes first; equals in the order of the draw."""
    rows = [(i, found.nested[ids[i]]) for i in order if ids[i] in found.nested]
    if found.binary:
        parts = (
            _both([(i, v if found.positive(ids[i]) else 1 - v) for i, v in rows if found.positive(ids[i]) == side])
            for side in (True, False)
        )
        return sorted(chain.from_iterable(parts), key=lambda one: one[1] != MISTAKE)
    if found.held.classes:
        return _both(rows)
    gaps = [(i, v - found.truth[ids[i]]) for i, v in rows if ids[i] in found.truth]
    ends = [(OVER, 1), (UNDER, -1)]
    extremes = [(_first_best(gaps, sign), why, sign) for why, sign in ends] if gaps else []
    return [(i, why) for (i, gap), why, sign in extremes if sign * gap > 0]


def _both(told: Sequence[tuple[int, float]]) -> list[Chosen]:
    """The surest mistake and the surest right call, of examples with how firmly they are told rightly (0 to 1)."""
    if not told:
        return []
    (worst, low), (best, high) = _first_best(told, -1), _first_best(told, 1)
    return [
        *([(worst, MISTAKE)] if low < 0.5 else []),
        *([(best, CALL)] if high > 0.5 else []),
    ]


def _first_best(found: Sequence[tuple[int, float]], sign: int) -> tuple[int, float]:
    """The first of those with the highest value (of the lowest, where the sign is -1)."""
    return found[int(np.argmax([sign * value for _, value in found]))]
