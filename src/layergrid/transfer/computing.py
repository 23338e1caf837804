"""From answers to a matrix: domains, folds, probes of every source, and what they reach on every target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from layergrid.artifacts import CellStatus, Choice, Domain, Floats, Ints, Matrix, Strings
from layergrid.spec import TransferSpec
from layergrid.transfer import judging, words
from layergrid.transfer.domains import FINE, Laid, Place, Read, Trouble, features, lay
from layergrid.transfer.fitting import Failed, Job, Probe, fitted, one_thread, scored
from layergrid.transfer.grouping import Grouped, grouped

Progress = Callable[[int, int], None]
OK = CellStatus.OK.value


def compute(name: str, asked: TransferSpec, reads: Sequence[Read], seed: int, progress: Progress) -> Matrix:
    """The matrix of a transfer, from the answers that it reads in the order of `asked.pairs`.

    Raises BadInput where what it reads does not fit together.
    """
    laid = lay(asked, reads, name)
    groups = grouped(laid.rows, asked.folds, seed)
    troubles = [_trouble(groups, place) for place in laid.places]
    probes = _probes(asked, laid, groups, troubles, progress)
    with one_thread():
        status, reason, scores = _scores(asked, laid, groups, troubles, probes)
    found = [judging.baseline_scores(asked.baselines, asked.predict, rows) for rows in laid.rows]
    domains = tuple(_domain(laid, groups, place, scores[t], found[place.rows]) for t, place in enumerate(laid.places))
    beside = [
        judging.baselines(one, found[place.rows], asked.level) if trouble == FINE else ()
        for one, place, trouble in zip(domains, laid.places, troubles, strict=True)
    ]
    best = [judging.best_of(one) for one in beside]
    raw, over, lost = judging.judged(domains, status, reason, best, asked.level)
    return Matrix(
        name=name, over=asked.over, site=asked.site, head="" if asked.head is None else str(asked.head),
        metric="auroc", quantity=words.quantity(asked, laid), level=asked.level, domains=domains, raw=raw,
        over_baseline=over, lost=lost,
        n_positive=np.array([int(one.labels.sum()) for one in domains], dtype=np.int64),
        status=status.astype(np.str_), reason=reason.astype(np.str_), best=tuple(best), baselines=tuple(beside),
        chosen=tuple(_choices(laid, probes)), settings=words.settings(asked, laid, groups, probes, seed),
    )  # fmt: skip


def _trouble(groups: Grouped, place: Place) -> Trouble:
    """Why nothing can be trained on a domain or scored on it."""
    if place.trouble != FINE:
        return place.trouble
    if not place.cells:
        return CellStatus.MISSING.value, "no position or layer is common to all that are compared"
    return groups.troubles[place.rows]


def _probes(
    asked: TransferSpec, laid: Laid, groups: Grouped, troubles: Sequence[Trouble], progress: Progress
) -> dict[tuple[int, int], Probe | Failed]:
    """The probe of each source and fold; none of a source in trouble."""
    jobs: dict[tuple[int, int], Job] = {}
    for s, place in enumerate(laid.places):
        rows, folds = laid.rows[place.rows], groups.folds[place.rows]
        for k in range(asked.folds if troubles[s] == FINE else 0):
            train = np.flatnonzero(folds != k)
            jobs[s, k] = Job(rows.read.states.values, place.cells, rows.index[train], rows.labels[train], folds[train],
                             asked.penalty_values)  # fmt: skip
    found: dict[tuple[int, int], Probe | Failed] = {}
    for key, probe in zip(jobs, fitted(list(jobs.values())), strict=True):
        found[key] = probe
        progress(len(found), len(jobs))
    return found


def _scores(
    asked: TransferSpec, laid: Laid, groups: Grouped, troubles: Sequence[Trouble],
    probes: Mapping[tuple[int, int], Probe | Failed],
) -> tuple[Strings, Strings, list[Floats]]:  # fmt: skip
    """Status and reason [S, T] of each pair, and of each target scores float32 [S, n]."""
    size = len(laid.places)
    status, reason = np.full((size, size), "", dtype=object), np.full((size, size), "", dtype=object)
    scores = []
    for t, target in enumerate(laid.places):
        folds = groups.folds[target.rows]
        own = np.full((size, len(folds)), np.nan, dtype=np.float32)
        for s in range(size):
            mine = [probes.get((s, k)) for k in range(asked.folds)]
            state, why = _between(troubles[s], troubles[t], mine)
            if state == OK:
                own[s] = _held_out(laid, target, folds, [one for one in mine if isinstance(one, Probe)])
                bad = int(np.count_nonzero(~np.isfinite(own[s])))
                if bad:
                    own[s] = np.nan
                    state, why = CellStatus.NOT_FINITE.value, f"{bad} of {len(folds)} examples have no finite score"
            status[s, t], reason[s, t] = state, why
        scores.append(own)
    return status, reason, scores


def _held_out(laid: Laid, target: Place, folds: Ints, probes: Sequence[Probe]) -> Floats:
    """Scores float32 [n] of a target's rows, each by the probe that was trained outside of its fold."""
    found = np.full(len(folds), np.nan, dtype=np.float32)
    for k, probe in enumerate(probes):
        rows = np.flatnonzero(folds == k)
        found[rows] = scored(probe, features(laid, target, probe.cell, rows))
    return found


def _between(source: Trouble, target: Trouble, probes: Sequence[Probe | Failed | None]) -> Trouble:
    """Status and reason of a pair before it is scored."""
    if target != FINE:
        return target
    if source != FINE:
        return source[0], f"of the source: {source[1]}"
    failed = next((one for one in probes if isinstance(one, Failed)), None)
    return (OK, "") if failed is None else (failed.status, f"of the source: {failed.reason}")


def _domain(laid: Laid, groups: Grouped, place: Place, scores: Floats, found: Mapping[str, Floats | str]) -> Domain:
    rows = laid.rows[place.rows]
    model, dataset = rows.names
    return Domain(
        name=place.name, model=model, dataset=dataset,
        example_ids=tuple(rows.read.inputs.examples.ids[i] for i in rows.index),
        groups=tuple(map(str, groups.groups[place.rows].tolist())), labels=rows.labels,
        folds=groups.folds[place.rows], scores=scores,
        baselines={name: own for name, own in found.items() if not isinstance(own, str)},
    )  # fmt: skip


def _choices(laid: Laid, probes: Mapping[tuple[int, int], Probe | Failed]) -> list[Choice]:
    found = []
    for (s, k), one in sorted(probes.items()):
        if isinstance(one, Probe):
            place = laid.places[s]
            states = laid.rows[place.rows].read.states
            layer, position = place.cells[one.cell]
            found.append(
                Choice(place.name, k, states.layers[layer], states.positions[position], one.penalty, one.value)
            )
    return found
