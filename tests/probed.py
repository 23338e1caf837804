"""Results of small probe grids that hold all that one may hold, every number following from scores; for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import synthetic
from layergrid import selection, stats
from layergrid.artifacts import (
    Addition,
    Baseline,
    Control,
    Directions,
    Estimate,
    Facet,
    Grid,
    GridResult,
    HeldOut,
    Permutation,
    Results,
    Selection,
    Winner,
)

LAYERS, POSITIONS = (0, 1, 4), ("last_q", "-1")
NAMES = {
    "auroc": "AUROC", "macro_auroc": "macro AUROC", "accuracy": "accuracy", "r2": "R2",
    "rank_correlation": "rank correlation",
}  # fmt: skip


def target(metric: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, tuple[str, ...]]:
    """What is predicted [n], and the words for its codes."""
    if metric in ("macro_auroc", "accuracy"):
        return rng.choice(3, size=n, p=[0.45, 0.3, 0.25]), ("dog", "cat", "fish")
    return (np.round(rng.normal(size=n), 1) if metric in ("r2", "rank_correlation") else rng.random(n) < 0.4), ()


def result(metric: str = "auroc", repeats: int = 1, folds: int = 4, m: int = 160, seed: int = 0) -> GridResult:
    """One grid with repeats, positions alone, additions, a permutation test, a control task and directions.

    One fold is a fixed split. Rows of one group stand in one fold.
    """
    rng = np.random.default_rng(seed)
    truth, classes = target(metric, m, rng)
    group = np.arange(m) // 2
    fold = np.concatenate([(group + rng.permutation(80)[0] * j) % folds + j * folds for j in range(repeats)])
    truth, group, n = np.tile(truth, repeats), np.tile(group, repeats), m * repeats
    shape, wide = (len(LAYERS), len(POSITIONS)), (len(classes),) if classes else ()
    signal = np.stack([truth == c for c in range(len(classes))]) if classes else np.asarray(truth, float)
    strength = np.linspace(0.5, 1.6, shape[0] * shape[1]).reshape(*shape, *[1] * signal.ndim)
    noise = 0.5 if metric in ("r2", "rank_correlation") else 1.0
    scores = (strength * signal + noise * rng.normal(size=(*shape, *wide, n))).astype(np.float32)
    split = stats.Split(truth, group, fold, stats.METRICS[metric], repeats)
    binary = metric == "auroc"
    held = HeldOut(
        tuple(f"q{i % m}" for i in range(n)), tuple(f"g{g}" for g in group), truth if binary else np.zeros(n, bool),
        fold, scores[:, :, 0] if classes else scores, np.full((*wide, n), np.nan), {}, repeats=repeats,
        target=None if binary else truth.astype(float), classes=classes,
        by_class={name: scores[:, :, c] for c, name in enumerate(classes)},
    )  # fmt: skip
    return _completed(held, split, scores.reshape(-1, *wide, n), rng)


def _completed(held: HeldOut, split: stats.Split, scores: np.ndarray, rng: np.random.Generator) -> GridResult:
    """The grid and all that stands beside it."""
    shape, cells = (len(LAYERS), len(POSITIONS)), len(scores)
    values = selection.evaluate_cells(split, scores, 0.95)
    null = rng.normal(size=(cells, 100))
    null[:, 0] += np.linspace(0, 4, cells)
    tested = stats.standardised(null)
    p, maxima = stats.max_statistic(tested)
    inner = values.value[:, None] + 0.1 * rng.normal(size=(cells, split.k))
    column = np.arange(cells) % shape[1]
    positions = [nested(split, scores, np.where((column == j)[:, None], inner, -9)) for j in range(shape[1])]
    estimate, chosen, winners = nested(split, scores, inner)
    beside = {name: chosen * 0.5 + rng.normal(size=chosen.shape) for name in ("length", "logprobs", "logprobs+probe")}
    held = replace(held, nested=chosen, by_position=np.stack([one for _, one, _ in positions]), baselines=beside)
    ends = [interval(split, beside[name]) for name in beside]
    control = 0.5 + 0.01 * rng.normal(size=shape)
    grid = _grid(held, split, values, shape, p)
    selective = grid.value - control
    return GridResult(
        grid,
        Selection(estimate, tuple(
            Winner(k, LAYERS[c // shape[1]], POSITIONS[c % shape[1]], 0.01, float(value))
            for k, (c, value) in enumerate(zip(winners, stats.evaluate(split, chosen).values, strict=True))
        )),
        (Baseline("length", "length of the answer", ends[0], difference(split, chosen, beside["length"])),),
        held,
        by_position=tuple(one for one, _, _ in positions),
        additions=(Addition("logprobs", "the log-probabilities", ends[1], ends[2],
                            difference(split, beside["logprobs+probe"], beside["logprobs"])),),
        permutation=Permutation("ridge", tested[:, 0].reshape(shape), maxima, 0.71, 0.8, 2),
        control=Control(control, selective, selective - 0.1, selective + 0.1, 5, (3, 9), (0.9, 0.25)),
        directions=Directions(rng.normal(size=(*shape, 4)).astype("f4"), rng.normal(size=shape).astype("f4"),
                              np.full(shape, 0.01)),
    )  # fmt: skip


def _grid(held: HeldOut, split: stats.Split, values: Any, shape: tuple[int, int], p: np.ndarray) -> Grid:
    m, metric = len(held.labels) // held.repeats, split.metric.name
    majority = float(np.bincount(split.labels).max() / len(split.labels)) if held.classes else np.nan
    return Grid(
        name="errors", model="tiny", dataset="sums", kind="probe", site="residual", metric=metric,
        quantity=replace(
            synthetic.QUANTITY, name=NAMES[metric], chance=majority if metric == "accuracy" else split.metric.chance,
            low=None if metric == "r2" else split.metric.low, high=1.0,
        ),
        layers=LAYERS, positions=POSITIONS, value=values.value.reshape(shape), low=values.low.reshape(shape),
        high=values.high.reshape(shape), level=0.95, n=np.full(shape, m),
        n_positive=np.full(shape, int(held.labels.sum()) // held.repeats), p_adjusted=p.reshape(shape),
        status=np.where(values.boundary, "boundary", "ok").reshape(shape), reason=np.full(shape, ""),
        tied_with_best=values.tied_with_best.reshape(shape), facets=_facets(held, split, shape),
        settings={
            "predict": "column" if held.target is not None else "error", "column": "kind" if held.target is not None
            else "", "target": "classes" if held.classes else "value" if held.target is not None else "binary",
            "probe": "logistic", "validation": "folds" if split.k > 1 else "fixed", "folds": split.k // held.repeats,
            "repeats": held.repeats, "inner_folds": split.k // held.repeats - 1, "group": "pair", "n_groups": m // 2,
            "rows": m, "rows_in_all": m + 5, "dropped_correct": 2, "dropped_wrong": 3, "statuses": ["ok"],
            "penalties": [0.01, 1.0], "seed": 0, "cells_tested": p.size, "positions_left_out": [], "level": 0.95,
            "correction": "max-statistic permutation", "permutations": 99, "relabelled": "ridge",
            **({"majority": majority} if held.classes else {}),
            **({"train_rows": 300, "select_rows": 100} if split.k == 1 else {}),
        },
    )  # fmt: skip


def _facets(held: HeldOut, split: stats.Split, shape: tuple[int, int]) -> tuple[Facet, ...]:
    found = []
    for c, name in enumerate(held.classes):
        one = stats.Split(split.labels == c, split.groups, split.folds, stats.AUROC, held.repeats)
        values = selection.evaluate_cells(one, held.by_class[name].reshape(-1, len(held.folds)), 0.95)
        maps = (getattr(values, field).reshape(shape) for field in ("value", "low", "high"))
        found.append(Facet(name, "class", f"{name} against the rest", *maps))
    return tuple(found)


def nested(split: stats.Split, scores: np.ndarray, inner: np.ndarray) -> tuple[Estimate, np.ndarray, np.ndarray]:
    """The estimate, the scores and the cells that the folds chose by their inner values [cells, K]."""
    winners = inner.argmax(axis=0)
    chosen = np.empty(scores.shape[1:])
    for k, rows in enumerate(split.rows):
        chosen[..., rows] = scores[winners[k]][..., rows]
    return interval(split, chosen), chosen, winners


def interval(split: stats.Split, scores: np.ndarray) -> Estimate:
    """The estimate of some scores."""
    found = stats.mean_interval(split, stats.evaluate(split, scores), 0.95)
    return Estimate(found.value, found.low, found.high, 0.95, len(split.folds) // split.repeats)


def difference(split: stats.Split, a: np.ndarray, b: np.ndarray) -> Estimate:
    """The paired difference of two sets of scores."""
    found = stats.difference_interval(split, stats.evaluate(split, a), stats.evaluate(split, b), 0.95)
    return Estimate(found.value, found.low, found.high, 0.95, len(split.folds) // split.repeats)


def results(one: GridResult, *others: GridResult) -> Results:
    """A report around some grids."""
    return replace(synthetic.results(layers=2, n=60), grids=(one, *others))


KINDS = {
    "auroc": lambda: result(), "repeats": lambda: result(repeats=3), "fixed split": lambda: result(folds=1),
    "classes": lambda: result("macro_auroc", repeats=2), "accuracy": lambda: result("accuracy"),
    "number": lambda: result("r2", repeats=2), "ranks": lambda: result("rank_correlation"),
    "ranks of a fixed split": lambda: result("rank_correlation", folds=1),
}  # fmt: skip
