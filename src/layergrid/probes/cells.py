"""Probes of all folds, penalties and relabellings of a cell, and of all cells; it knows targets, never a report.

For the outer fold k, each penalty is scored on every other fold j by a probe that saw neither k nor j; the same probe,
with the two folds exchanged, serves the outer fold j. Of a fixed split, penalties are scored on the rows for selection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from layergrid.artifacts import Bools, CellStatus, Floats, Ints
from layergrid.kinds import NoShards, Shards
from layergrid.probes.fits import CellFit
from layergrid.probes.keeping import Kept
from layergrid.probes.newton import MAX_STEPS
from layergrid.probes.nulls import Relabelling, held_out_values, null_values
from layergrid.probes.preparing import prepare
from layergrid.probes.scoring import Fitter, Probe
from layergrid.probes.solving import Array, Targets
from layergrid.stats.metrics import AUROC, Metric

_SPAWN_WORK = 2e10  # floating point operations below which starting worker processes costs more than it saves
_KEEPS_NOTHING = NoShards()
TRAIN, SELECT = -1, -2  # instead of a fold, in a fixed split; the rows of fold 0 are scored


@dataclass(frozen=True)
class Plan:
    """What every cell of a grid shares: the target, who is held out when, the penalties, the relabellings."""

    target: Targets  # [n]: bool, codes of classes (int), or real values
    folds: Ints  # int [r, n]: of r repeats the fold that holds each row out, 0 to K - 1; or one fixed split, see TRAIN
    penalties: tuple[float, ...]  # R
    classes: int = 0  # C where the target holds codes; 0 elsewhere
    metric: Metric = AUROC
    probe: Probe = "logistic"
    relabelling: Relabelling | None = None
    controls: tuple[Bools, ...] = ()  # of each position bool [draws, n]: random labels, one a token id
    device: str = "cpu"
    max_steps: int = MAX_STEPS
    stacks: bool = True  # whether inner scores are kept, for what is fitted on top of them
    directions: bool = False  # whether the probe of all rows is kept
    parity: bool = False  # one fixed split as in the published recipe: unscaled, one penalty, a solver that stops early

    @property
    def fixed(self) -> bool:
        """Whether one split into training, selection and test rows takes the place of folds."""
        return bool((self.folds < 0).any())

    @property
    def k(self) -> int:
        """Folds of one repeat."""
        return int(self.folds.max()) + 1

    @property
    def rounds(self) -> int:
        """Folds of all repeats."""
        return self.k * len(self.folds)

    @cached_property
    def columns(self) -> Targets:
        """What probes are trained on, [T, n]: the target itself, or one class against the rest in each of C rows."""
        if self.classes:
            return np.asarray(self.target == np.arange(self.classes)[:, None])
        return self.target[None]

    @cached_property
    def judged(self) -> Ints:
        """The rows that are scored, int [m]: all of them once in each repeat, or the test rows of a fixed split."""
        if self.fixed:
            return np.flatnonzero(self.folds[0] == 0)
        return np.tile(np.arange(len(self.target)), len(self.folds))


def fit_cell(features: Floats, plan: Plan, position: int = 0) -> CellFit:
    """Held-out scores of one cell's features [n, d].

    A penalty with a fit that did not converge is not eligible in the folds it concerns; without any eligible penalty,
    or where the outer fit itself does not converge, the cell has no value. Between equal inner values the stronger
    penalty wins. One BLAS thread is used, so that sums are made in the same order whatever calls this.
    """
    import scipy.linalg  # noqa: F401 - its BLAS must be loaded before its threads can be pinned
    from threadpoolctl import threadpool_limits

    x = np.asarray(features)
    bad = int(np.count_nonzero(~np.isfinite(x).all(axis=1)))
    if bad:
        return no_fit(plan, CellStatus.NOT_FINITE, f"{bad} of {len(x)} examples have NaN or infinite values")
    if not np.ptp(x, axis=0).any():
        return no_fit(plan, CellStatus.CONSTANT, "the values are the same in all examples")
    with threadpool_limits(limits=1, user_api="blas"):
        if plan.parity:
            from layergrid.probes.parity import fit_as_published

            scores, stopped = fit_as_published(x, plan.target, plan.folds[0])
            null = np.empty(0)
            if plan.relabelling is not None:
                null = held_out_values(plan.target, plan.relabelling, plan.metric, scores[None], plan.judged, 0)
            nothing = np.full(1, np.nan)
            empty = np.full((1, len(x)), np.nan, dtype=np.float32)
            return CellFit(CellStatus.OK.value, "", scores[None], nothing, nothing, empty, stopped, null)
        fitter = Fitter(x, prepare(x, plan.device, plan.max_steps), plan.columns, plan.probe)
        return _fit(fitter, plan, position)


def _fit(fitter: Fitter, plan: Plan, position: int) -> CellFit:
    rounds = [_fixed(fitter, plan)] if plan.fixed else [_folds(fitter, plan, folds) for folds in plan.folds]
    failed = sum(one.failed for one in rounds)
    if any(one.scores is None for one in rounds):
        reason = f"fits that did not reach the tolerance: {failed}"
        return no_fit(plan, CellStatus.NOT_CONVERGED, reason, failed)
    scores = np.concatenate([one.scores for one in rounds if one.scores is not None], axis=1)
    penalties = np.concatenate([one.penalties for one in rounds])
    null = np.empty(0)
    if plan.relabelling is not None:
        null = null_values(fitter, plan.relabelling, plan.folds[0], plan.classes, plan.metric, scores, plan.judged)
    control = _control(fitter, plan, penalties, plan.controls[position]) if plan.controls else None
    penalty, direction = float("nan"), None
    if plan.directions:
        penalty = max(penalties, key=lambda one: (np.count_nonzero(penalties == one), one))
        train = np.flatnonzero(plan.folds[0] == TRAIN) if plan.fixed else np.arange(len(plan.target))
        direction = fitter.solver.direction(train, plan.target, penalty, plan.probe)
    within = np.concatenate([one.within for one in rounds]) if plan.stacks else np.empty((plan.rounds, 0), np.float32)
    return CellFit(
        CellStatus.OK.value, "", scores, penalties, np.concatenate([one.inner for one in rounds]), within, failed, null,
        control, direction, penalty,
    )  # fmt: skip


# ---------------------------------------------------------------- one repeat


@dataclass(frozen=True)
class _Round:
    """What one assignment to folds gives."""

    scores: Floats | None  # float32 [T, m]; None where no penalty converged
    penalties: Array  # [K]
    inner: Array  # [K]
    within: Floats  # float32 [K, n]
    failed: int


def _folds(fitter: Fitter, plan: Plan, folds: Ints) -> _Round:
    """Penalties by pairs of folds left out, then the probes of each training part."""
    k, n = plan.k, len(plan.target)
    rows = [np.flatnonzero(folds == j) for j in range(k)]
    pairs = list(combinations(range(k), 2))
    jobs = [(np.flatnonzero((folds != a) & (folds != b)), np.concatenate((rows[a], rows[b]))) for a, b in pairs]
    values = np.zeros((k, k, len(fitter.penalties(plan.penalties))))
    kept = np.full((k, values.shape[2], n), np.nan, dtype=np.float32)
    failed = 0
    for (a, b), (scores, converged) in zip(pairs, fitter.scores(jobs, plan.penalties), strict=True):
        failed += int(np.count_nonzero(~converged))
        cut = len(rows[a])
        for outer, inner, part in ((a, b, scores[..., cut:]), (b, a, scores[..., :cut])):
            values[outer, inner] = _values(plan, rows[inner], part, converged)
            kept[outer][:, rows[inner]] = part[:, 0]
    inner = np.round(values.sum(axis=1) / (k - 1), 12)  # equal means must not differ by their rounding
    chosen = [_strongest_best(one, fitter.penalties(plan.penalties)) for one in inner]
    trains = [np.flatnonzero(folds != j) for j in range(k)]
    out, lost = _outer(fitter, plan, list(zip(trains, rows, strict=True)), chosen)
    return _settled(fitter, plan, out, chosen, inner, kept, failed + lost)


def _fixed(fitter: Fitter, plan: Plan) -> _Round:
    """One training part; penalties by the rows for selection."""
    folds = plan.folds[0]
    train, select, test = (np.flatnonzero(folds == part) for part in (TRAIN, SELECT, 0))
    ((scores, converged),) = fitter.scores([(train, np.concatenate((select, test)))], plan.penalties)
    part = scores[..., : len(select)]
    inner = np.round(_values(plan, select, part, converged), 12)[None]
    kept = np.full((1, len(part), len(folds)), np.nan, dtype=np.float32)
    kept[0][:, select] = part[:, 0]
    chosen = [_strongest_best(inner[0], fitter.penalties(plan.penalties))]
    found = None if chosen[0] is None else np.full((scores.shape[1], len(folds)), np.nan, dtype=np.float32)
    if found is not None:
        found[:, test] = scores[chosen[0], :, len(select) :]
    return _settled(fitter, plan, found, chosen, inner, kept, int(np.count_nonzero(~converged)))


def _outer(
    fitter: Fitter, plan: Plan, jobs: list[tuple[Ints, Ints]], chosen: Sequence[int | None]
) -> tuple[Floats | None, int]:
    """Scores [T, n] of the rows held out, each fold at its penalty; None and how many fits failed where some did."""
    if any(r is None for r in chosen):
        return None, 0
    found = np.full((len(plan.columns), len(plan.target)), np.nan, dtype=np.float32)
    failed = 0
    for r in sorted({r for r in chosen if r is not None}):
        mine = [job for job, c in zip(jobs, chosen, strict=True) if c == r]
        for (_, test), (scores, converged) in zip(mine, fitter.scores(mine, plan.penalties[r : r + 1]), strict=True):
            failed += int(not converged[0])
            found[:, test] = scores[0]
    return (None if failed else found), failed


def _settled(
    fitter: Fitter,
    plan: Plan,
    out: Floats | None,
    chosen: Sequence[int | None],
    inner: Array,
    kept: Floats,
    failed: int,
) -> _Round:
    """What is kept of a round: the chosen penalty of each fold, its inner value and its inner scores."""
    if out is None or any(r is None for r in chosen):
        nothing = np.full(len(chosen), np.nan)
        return _Round(None, nothing, nothing, kept[:, 0], failed)
    at = [r for r in chosen if r is not None]
    penalties = np.array([fitter.penalties(plan.penalties)[r] for r in at])
    places = np.arange(len(at))
    judged = plan.judged if plan.fixed else np.arange(len(plan.target))
    return _Round(out[:, judged], penalties, inner[places, at], kept[places, at], failed)


def _values(plan: Plan, rows: Ints, scores: Floats, converged: Bools) -> Array:
    """The metric [R] of scores [R, T, t] of some rows; NaN where a fit did not converge."""
    target = plan.target[rows]
    return np.array([
        plan.metric.value(target, one if plan.classes else one[0]) if good else np.nan
        for one, good in zip(scores, converged, strict=True)
    ])  # fmt: skip


def _strongest_best(inner: Array, penalties: Sequence[float]) -> int | None:
    """The penalty of the highest inner value; the stronger of equals; None where none is eligible."""
    eligible = [r for r in range(len(penalties)) if not np.isnan(inner[r])]
    return max(eligible, key=lambda r: (inner[r], penalties[r]), default=None)


def _control(fitter: Fitter, plan: Plan, penalties: Array, labels: Bools) -> Floats:
    """Scores [draws, m] of probes of the control task, at the penalties that the task itself chose.

    A draw that lacks a class in some training part, or does not converge there, has NaN.
    """
    parts = []
    for j, folds in enumerate(plan.folds):
        found = np.full((len(labels), len(folds)), np.nan, dtype=np.float32)
        for k in range(plan.k):
            test = np.flatnonzero(folds == k)
            train = np.flatnonzero(folds == TRAIN) if plan.fixed else np.flatnonzero(folds != k)
            both = labels[:, train].any(axis=1) & ~labels[:, train].all(axis=1)
            if both.any():
                scores, converged = fitter.relabelled(train, test, labels[both], float(penalties[j * plan.k + k]))
                found[np.ix_(both, test)] = np.where(converged[:, None], scores, np.nan)
        parts.append(found[:, plan.judged] if plan.fixed else found)
    whole = np.concatenate(parts, axis=1)
    whole[np.isnan(whole).any(axis=1)] = np.nan
    return whole


def no_fit(plan: Plan, status: CellStatus, reason: str, unconverged: int = 0) -> CellFit:
    """A cell without scores, and why."""
    nothing = np.full(plan.rounds, np.nan)
    empty = np.full((len(plan.columns), len(plan.judged)), np.nan, dtype=np.float32)
    within = np.full((plan.rounds, len(plan.target)), np.nan, dtype=np.float32)
    return CellFit(status.value, reason, empty, nothing, nothing, within, unconverged)


# ---------------------------------------------------------------- all cells


def fit_cells(
    values: Floats,
    cells: Sequence[tuple[int, int]],
    rows: Ints,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
    places: Sequence[int] = (),
    shards: Shards = _KEEPS_NOTHING,
    name: str = "cells",
) -> list[CellFit]:
    """`fit_cell` for the cells (l, p) of activations `values` [L, P, N, D] at the rows of the plan, in their order.

    `workers` processes with one BLAS thread each (default: one per core, and none at all for small work or a GPU); the
    result does not depend on their number. Memory-mapped activations are read by the workers themselves. `places` says
    for each cell which of the plan's control labels are its own. Cells are kept in `shards` under a `name` that stands
    for all else that decides them, and those that are there already are not fitted.
    """
    import joblib

    kept = Kept(shards, name, len(cells))
    if workers is None:
        work = _work(len(kept.missing), len(rows), values.shape[-1], plan)
        workers = joblib.cpu_count() if work > _SPAWN_WORK and plan.device == "cpu" else 1
    where = [(*cell, place) for cell, place in zip(cells, places or [0] * len(cells), strict=True)]
    missing = [where[cell] for cell in kept.missing]
    fits = []
    for fit in kept.filled(_mapped(values, missing, rows, plan, min(workers, max(1, len(missing))))):
        fits.append(fit)
        if progress is not None:
            progress(len(fits), len(cells))
    return fits


def _mapped(
    values: Floats, cells: Sequence[tuple[int, int, int]], rows: Ints, plan: Plan, workers: int
) -> Iterator[CellFit]:
    import joblib

    if workers == 1:
        for cell in cells:
            yield _fit_one(values, cell, rows, plan)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="4*n_jobs")
        yield from parallel(joblib.delayed(_fit_one)(values, cell, rows, plan) for cell in cells)


def _fit_one(values: Floats, cell: tuple[int, int, int], rows: Ints, plan: Plan) -> CellFit:
    layer, position, place = cell
    return fit_cell(values[layer, position][rows], plan, place)


def _work(cells: int, n: int, d: int, plan: Plan) -> float:
    """A rough count of floating point operations: five Newton steps a fit, two products a relabelling."""
    fits = plan.rounds * ((plan.k - 1) / 2 * len(plan.penalties) + 1)
    relabelled = 0 if plan.relabelling is None else 2 * n * n * len(plan.relabelling.rows)
    return cells * (fits * 5 * n * min(n, d) ** 2 + relabelled)


__all__ = ["SELECT", "TRAIN", "CellFit", "Plan", "fit_cell", "fit_cells", "no_fit"]
