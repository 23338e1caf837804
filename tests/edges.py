"""Results at the edges of what a report can hold: empty, constant, tied, single, null, upside down; for tests."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import synthetic
from layergrid import stats
from layergrid.artifacts import Baseline, Estimate, GridResult, HeldOut, Results, Selection, Winner

LAYERS = tuple(range(9))


@cache
def base() -> Results:
    """The synthetic results, made once."""
    return synthetic.results()


@cache
def strong() -> Results:
    """A signal that stands out everywhere but at the end."""
    return of(synthetic.grid_result(strength=2.0))


def of(one: GridResult) -> Results:
    """A report around one grid."""
    return replace(base(), grids=(one,))


def held() -> HeldOut:
    """The held-out scores of the synthetic grid."""
    found = base().grids[0].held_out
    assert found is not None
    return found


def scored(
    cells: np.ndarray, layers: tuple[int, ...] = LAYERS, positions: tuple[str, ...] = synthetic.FIFTEEN
) -> Results:
    """A report whose cells have these scores [L, P, n] on the synthetic rows."""
    return of(synthetic.from_scores(replace(held(), cells=cells), "errors", layers, positions))


@cache
def null() -> Results:
    return of(synthetic.grid_result(strength=0.0, seed=3))


@cache
def constant() -> Results:
    return scored(np.tile(held().cells[5:6, 5:6], (9, 15, 1)))


@cache
def all_missing() -> Results:
    return scored(np.full_like(held().cells, np.nan))


@cache
def no_scores_differ() -> Results:
    return scored(np.zeros_like(held().cells))


@cache
def one_by_one() -> Results:
    return scored(held().cells[5:6, 5:6], (5,), ("exact_answer_last",))


@cache
def one_position() -> Results:
    return scored(held().cells[:, 5:6], LAYERS, ("exact_answer_last",))


@cache
def one_layer() -> Results:
    return scored(held().cells[5:6], (5,))


@cache
def missing_columns() -> Results:
    cells = held().cells.copy()
    cells[:, 7:9] = np.nan
    return scored(cells)


@cache
def all_tied() -> Results:
    """Every cell differs a little from every other, and none can be told from the highest."""
    rng = np.random.default_rng(1)
    base = held().cells[5, 5]
    return scored((base + 0.02 * rng.normal(size=held().cells.shape)).astype(np.float32))


@cache
def all_below_chance() -> Results:
    """Every cell orders the rows the wrong way round."""
    rng = np.random.default_rng(2)
    return scored((rng.normal(size=held().cells.shape) - 1.0 * held().labels).astype(np.float32))


@cache
def fold_at_the_end() -> Results:
    cells = held().cells.copy()
    cells[5, 5] = 10 * held().labels + np.random.default_rng(0).normal(size=len(held().labels))
    return scored(cells)


@cache
def below_the_best_baseline() -> Results:
    h = held()
    strong = 3 * h.labels + np.random.default_rng(0).normal(size=len(h.labels))
    with_strong = replace(h, baselines={**h.baselines, "exact_logprob_mean": strong})
    return of(synthetic.from_scores(with_strong, "errors", LAYERS, synthetic.FIFTEEN))


@cache
def nothing_but_values() -> Results:
    """Without nested best, baselines, held-out scores or tests, as a grid of another kind may be."""
    one = base().grids[0]
    grid = replace(one.grid, p_adjusted=np.full(one.grid.value.shape, np.nan), settings={})
    return of(GridResult(grid))


@cache
def unbounded() -> Results:
    """Another quantity: no chance level, no bounds, a unit, other names."""
    one = base().grids[0]
    quantity = replace(
        one.grid.quantity, name="surprisal", sentence="Each cell is a surprisal.", subject="tokens", claim="", low=None,
        high=None, chance=None, unit="nats", positive="",
    )  # fmt: skip
    grid = replace(
        one.grid, quantity=quantity, metric="surprisal", value=100 * one.grid.value, low=100 * one.grid.low,
        high=100 * one.grid.high, p_adjusted=np.full(one.grid.value.shape, np.nan), settings={},
    )  # fmt: skip
    return of(GridResult(grid))


@cache
def two_grids() -> Results:
    found = base()
    return replace(found, grids=(*found.grids, synthetic.grid_result(name="length", layers=5, n=200, seed=4)))


@cache
def weighed() -> Results:
    """A permutation test, additions, single positions, a control task, layer 0 and an untrained model beside."""
    return of(synthetic.weighed(base().grids[0]))


@cache
def weighed_null() -> Results:
    return of(synthetic.weighed(null().grids[0]))


@cache
def highest_in_the_noise() -> Results:
    """The two highest cells of all vary so much under relabelling that they are not above chance; lower ones are."""
    rng = np.random.default_rng(11)
    cells = held().cells.copy()
    cells[1, 9] = 2.6 * held().labels + rng.normal(size=len(held().labels))  # of a silent position
    cells[2, 5] = 2.2 * held().labels + rng.normal(size=len(held().labels))  # at the position of the highest
    one = scored(cells).grids[0]
    return of(synthetic.weighed(one, wide=((1, 9), (2, 5)), states=False))


def _settled(**more: object) -> Results:
    """The grid with a permutation test and other settings of how it was split."""
    one = synthetic.weighed(base().grids[0], states=False)
    return of(replace(one, grid=replace(one.grid, settings={**one.grid.settings, **more})))


@cache
def repeated() -> Results:
    return _settled(repeats=4, near_duplicates={"mode": "report", "rows": 2, "clusters": 1}, ridge_penalty=1.0)


@cache
def fixed_split() -> Results:
    found = _settled(validation="fixed", folds=1, train_rows=900, select_rows=120, leaked_rows=2, probe="ridge",
                     near_duplicates={"mode": "ignore", "rows": 0, "clusters": 0})  # fmt: skip
    one = found.grids[0]
    assert one.selection is not None
    assert one.permutation is not None
    chosen = replace(one.selection, winners=one.selection.winners[:1])
    return of(replace(one, selection=chosen, permutation=replace(one.permutation, statistic="held-out", fixed=0)))


@cache
def parity() -> Results:
    one = _settled(validation="parity", folds=1, train_rows=800, penalties=[1.0], correction="Holm", test="").grids[0]
    baselines = tuple(replace(b, difference=None) for b in one.baselines)
    one = replace(one, selection=None, permutation=None, by_position=(), additions=(), control=None)
    return of(replace(one, baselines=baselines))


@cache
def several_classes() -> Results:
    return of(synthetic.classes_result())


@cache
def a_number() -> Results:
    return of(synthetic.value_result())


@cache
def explained_variance() -> Results:
    return of(synthetic.value_result(metric=stats.R2))


@cache
def two_sites() -> Results:
    """Two grids on the same rows, folds and labels."""
    one = base().grids[0]
    rng = np.random.default_rng(9)
    cells = (0.7 * held().cells + 0.9 * rng.normal(size=held().cells.shape)).astype(np.float32)
    other = synthetic.from_scores(replace(held(), cells=cells), "mlp", LAYERS, synthetic.FIFTEEN)
    return replace(base(), grids=(one, other))


@cache
def no_positions() -> Results:
    return scored(held().cells[:, :0], LAYERS, ())


def flipped(results: Results) -> Results:
    """The printed values themselves turned: every AUROC is one minus itself, its interval turned with it."""
    return replace(results, grids=tuple(map(_flipped, results.grids)))


def _flipped(one: GridResult) -> GridResult:
    grid = replace(one.grid, value=1 - one.grid.value, low=1 - one.grid.high, high=1 - one.grid.low)
    baselines = tuple(
        Baseline(b.name, b.label, _turned(b.estimate, 1), _turned(b.difference, 0), b.reason) for b in one.baselines
    )
    selection = one.selection
    if selection is not None:
        winners = tuple(Winner(w.fold, w.layer, w.position, w.penalty, 1 - w.value) for w in selection.winners)
        selection = Selection(_turned(selection.estimate, 1), winners)
    h = one.held_out
    if h is not None:
        h = replace(h, cells=-h.cells, nested=-h.nested, baselines={k: -v for k, v in h.baselines.items()})
    return GridResult(grid, selection, baselines, h)


def _turned(e: Estimate | None, at: float) -> Estimate | None:
    return None if e is None else Estimate(at - e.value, at - e.high, at - e.low, e.level, e.n)


EDGES = {
    f.__name__: f
    for f in (
        base, null, constant, all_missing, no_scores_differ, one_by_one, one_position, one_layer, missing_columns,
        all_tied, all_below_chance, fold_at_the_end, below_the_best_baseline, nothing_but_values, unbounded, two_grids,
        no_positions, weighed, weighed_null, highest_in_the_noise, several_classes,
        a_number, explained_variance, two_sites,
    )
}  # fmt: skip
SETTLED = {f.__name__: f for f in (repeated, fixed_split, parity)}  # other settings than their scores follow from
