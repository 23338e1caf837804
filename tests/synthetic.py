"""Results with a planted signal, for tests of everything after the waist; no model is involved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layergrid import selection, stats
from layergrid.artifacts import (
    Addition,
    Baseline,
    Control,
    DataCard,
    Estimate,
    Facet,
    Grid,
    GridResult,
    HeldOut,
    Illustration,
    ModelCard,
    Permutation,
    Quantity,
    Results,
    Selection,
    Table,
    Winner,
)

FIFTEEN = (
    "last_q", "first_answer", "second_answer", "exact_answer_before_first", "exact_answer_first",
    "exact_answer_last", "exact_answer_after_last", "-8", "-7", "-6", "-5", "-4", "-3", "-2", "-1",
)  # fmt: skip

QUANTITY = Quantity(
    name="AUROC",
    sentence="Each cell is the held-out AUROC of a linear probe that reads the residual stream at one layer and one "
    "token position and tells wrong from right answers.",
    subject="errors",
    claim="decodable",
    low=0.0,
    high=1.0,
    chance=0.5,
    positive="wrong answers",
)

LABELS = {
    "operand sizes": "operand sizes (left_digits, right_digits)",
    "answer_length": "length of the answer in tokens",
    "exact_logprob_mean": "mean log-probability of the exact answer",
    "layer_0": "layer 0, the embedding",
    "untrained": "the same model, untrained",
}


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mann-Whitney by brute force, ties as halves."""
    difference = scores[labels][:, None] - scores[~labels][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def signal(layers: int, positions: int) -> np.ndarray:
    """A planted bump: strongest at the exact answer in the middle layers, none at the end."""
    depth = np.exp(-(((np.arange(layers) - 0.55 * layers) / (0.3 * layers)) ** 2))
    weight = np.array([0.5, 0.4, 0.4, 0.7, 0.9, 1.3, 1.1] + [0.15] * 50)[:positions]
    return 1.1 * depth[:, None] * weight[None, :]


def grid_result(
    name: str = "errors",
    layers: int = 9,
    positions: tuple[str, ...] = FIFTEEN,
    n: int = 400,
    seed: int = 0,
    strength: float = 1.0,
    folds: int = 5,
) -> GridResult:
    """One grid whose values, intervals, ties, nested best and baselines all follow from its held-out scores."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.38
    fold = np.arange(n) % folds
    shape = (layers, len(positions))
    shared = rng.normal(size=n)
    noise = 0.6 * shared + 0.8 * rng.normal(size=(*shape, n))
    scores = (noise + strength * signal(*shape)[..., None] * labels).astype(np.float32)
    base = {"operand sizes": 0.6, "answer_length": 0.3, "exact_logprob_mean": 0.9}
    base_scores = {key: rng.normal(size=n) + strength * w * labels for key, w in base.items()}
    held = HeldOut(
        tuple(f"q{i}" for i in range(n)), tuple(f"g{i}" for i in range(n)), labels, fold, scores,
        np.full(n, np.nan), base_scores,
    )  # fmt: skip
    return from_scores(held, name=name, layers=tuple(range(layers)), positions=positions)


def from_scores(held: HeldOut, name: str, layers: tuple[int, ...], positions: tuple[str, ...]) -> GridResult:
    """A grid computed from held-out scores; the winner of a fold is the highest cell on the other folds."""
    n, k, shape = len(held.labels), int(held.folds.max()) + 1, (len(layers), len(positions))
    split = stats.Split(held.labels, np.unique(np.array(held.groups), return_inverse=True)[1], held.folds)
    flat = held.cells.reshape(-1, n)
    cells = selection.evaluate_cells(split, flat, 0.95)
    kept = np.isfinite(cells.value)
    status = np.where(np.isnan(flat).any(axis=1), "missing", np.where(cells.constant, "constant", "ok"))
    status = np.where(cells.boundary, "boundary", status)
    reason = np.where(status == "missing", "no example has this position", "")
    reason = np.where(status == "constant", selection.NOTHING_VARIES, reason)
    grid = Grid(
        name=name, model="tiny", dataset="sums", kind="probe", site="residual", metric="auroc", quantity=QUANTITY,
        layers=layers, positions=positions, value=cells.value.reshape(shape), low=cells.low.reshape(shape),
        high=cells.high.reshape(shape), level=0.95, n=np.full(shape, n),
        n_positive=np.full(shape, int(held.labels.sum())), p_adjusted=cells.p_adjusted.reshape(shape),
        status=status.reshape(shape), reason=reason.reshape(shape),
        tied_with_best=cells.tied_with_best.reshape(shape),
        settings={
            "predict": "error", "folds": k, "inner_folds": k - 1, "group": "operands",
            "n_groups": len(set(held.groups)), "rows": n, "rows_in_all": n + 38, "dropped_correct": 10,
            "dropped_wrong": 28, "statuses": ["ok"], "penalties": [float(x) for x in np.geomspace(1e-5, 1, 8)],
            "seed": 0, "cells_tested": int(kept.sum()), "positions_left_out": [], "correction": "Holm", "level": 0.95,
        },
    )  # fmt: skip
    if not kept.any():
        none = tuple(Baseline(key, LABELS.get(key, key), None, None, "no cell has a value") for key in held.baselines)
        return GridResult(grid, None, none, held)
    folds = np.array(
        [stats.evaluate(split, s).aurocs if ok else np.full(k, -1.0) for s, ok in zip(flat, kept, strict=True)]
    )
    chosen = np.array([int(np.argmax(np.delete(folds, f, axis=1).mean(axis=1))) for f in range(k)])
    held = replace(held, nested=selection.compose(split, flat, chosen))
    nested = stats.evaluate(split, held.nested)
    winners = tuple(
        Winner(f, layers[c // shape[1]], positions[c % shape[1]], 0.01, float(folds[c, f]))
        for f, c in enumerate(chosen)
    )
    estimate = selection.as_estimate(stats.mean_interval(split, nested, 0.95), 0.95, n)
    baselines = []
    for key, values in held.baselines.items():
        one = stats.evaluate(split, values)
        difference = stats.difference_interval(split, nested, one, 0.95)
        mine = stats.mean_interval(split, one, 0.95)
        baselines.append(
            Baseline(
                key, LABELS.get(key, key), selection.as_estimate(mine, 0.95, n),
                selection.as_estimate(difference, 0.95, n),
            )
        )  # fmt: skip
    return GridResult(grid, Selection(estimate, winners), tuple(baselines), held)


# ---------------------------------------------------------------- what stands beside the cells


def weighed(
    one: GridResult, relabellings: int = 999, wide: tuple[tuple[int, int], ...] = (), states: bool = True
) -> GridResult:
    """A grid with a permutation test, additions, single positions, a control task and other states beside it.

    All but relabelled values and control tasks follows from its held-out scores; cells that are `wide` have relabelled
    values so far apart that they are inside the noise.
    """
    held = one.held_out
    assert held is not None
    split = stats.Split(held.labels, np.unique(np.array(held.groups), return_inverse=True)[1], held.folds)
    held, by_position = _alone(one, held, split)
    held, additions = _added(one, held, split)
    grid, test = _permuted(one.grid, split, relabellings, wide)
    held, others = _states(one, held, split) if states else (held, ())
    one = replace(one, baselines=(*one.baselines, *others))
    return replace(one, grid=grid, held_out=held, by_position=by_position, additions=additions, permutation=test,
                   control=_control(grid))  # fmt: skip


def _alone(one: GridResult, held: HeldOut, split: stats.Split) -> tuple[HeldOut, tuple[Estimate | None, ...]]:
    """Each position alone: in every fold its layer that is highest on the other folds."""
    found, estimates = [], []
    for j in range(len(one.grid.positions)):
        cells = held.cells[:, j]
        if np.isnan(cells).any():
            found.append(np.full(cells.shape[1], np.nan))
            estimates.append(None)
            continue
        folds = np.array([stats.evaluate(split, s).values for s in cells])
        chosen = np.array([int(np.argmax(np.delete(folds, f, axis=1).mean(axis=1))) for f in range(split.k)])
        found.append(selection.compose(split, cells, chosen))
        interval = stats.mean_interval(split, stats.evaluate(split, found[-1]), one.grid.level)
        estimates.append(selection.as_estimate(interval, one.grid.level, len(held.labels)))
    return replace(held, by_position=np.stack(found)), tuple(estimates)


def _added(one: GridResult, held: HeldOut, split: stats.Split) -> tuple[HeldOut, tuple[Addition, ...]]:
    """The log-probabilities, alone and with the nested scores added on a common scale."""
    alone = np.asarray(held.baselines["exact_logprob_mean"], dtype=np.float64)
    together = alone / alone.std() + (held.nested - held.nested.mean()) / held.nested.std()
    scored = [stats.evaluate(split, s) for s in (alone, together)]
    level, n = one.grid.level, len(held.labels)
    estimates = [selection.as_estimate(stats.mean_interval(split, s, level), level, n) for s in scored]
    gap = selection.as_estimate(stats.difference_interval(split, scored[1], scored[0], level), level, n)
    addition = Addition("logprobs", "the log-probabilities", estimates[0], estimates[1], gap)
    both = {**held.baselines, "logprobs": alone, "logprobs+probe": together}
    return replace(held, baselines=both), (addition,)


def _states(one: GridResult, held: HeldOut, split: stats.Split) -> tuple[HeldOut, tuple[Baseline, ...]]:
    """Layer 0, which holds little, and an untrained model that orders the rows much as the nested best does."""
    rng, n, level = np.random.default_rng(10), len(held.labels), one.grid.level
    nested = stats.evaluate(split, held.nested)
    scores = {"layer_0": rng.normal(size=n) + 0.1 * held.labels, "untrained": held.nested + 0.3 * rng.normal(size=n)}
    found = []
    for name, own in scores.items():
        scored = stats.evaluate(split, own)
        mine = selection.as_estimate(stats.mean_interval(split, scored, level), level, n)
        gap = selection.as_estimate(stats.difference_interval(split, nested, scored, level), level, n)
        found.append(Baseline(name, LABELS[name], mine, gap, sees="states"))
    return replace(held, baselines={**held.baselines, **scores}), tuple(found)


def _permuted(
    grid: Grid, split: stats.Split, relabellings: int, wide: tuple[tuple[int, int], ...]
) -> tuple[Grid, Permutation]:
    """Values under relabellings drawn around 0.5, and the test that they make."""
    kept = np.isfinite(grid.value)
    null = np.full((grid.value.size, relabellings + 1), np.nan)
    rng = np.random.default_rng(5)
    shared = rng.normal(size=relabellings)
    for c in np.flatnonzero(kept.ravel()):
        null[c, 0] = grid.value.ravel()[c]
        spread = 0.3 if np.unravel_index(c, grid.value.shape) in wide else 0.03
        null[c, 1:] = 0.5 + spread * (0.6 * shared + 0.8 * rng.normal(size=relabellings))
    t = stats.standardised(null)
    p, maxima = stats.max_statistic(t)
    middle = float(np.nanmedian(null[kept.ravel()].std(axis=1))) if kept.any() else None
    found = stats.detectable(split, stats.critical(maxima, 1 - grid.level), 0.8, middle)
    test = Permutation("ridge", t[:, 0].reshape(grid.value.shape), maxima, found, 0.8, fixed=3)
    settings = {
        **grid.settings, "correction": "max-statistic permutation", "permutations": relabellings, "probe": "logistic",
        "relabelled": "ridge", "validation": "folds", "repeats": 1, "target": "binary", "column": "",
        "near_duplicates": {"mode": "group", "rows": 14, "clusters": 6}, "test": "the maximum over cells",
    }  # fmt: skip
    return replace(grid, p_adjusted=p.reshape(grid.value.shape), settings=settings), test


def _control(grid: Grid) -> Control:
    """A control task near chance; one position with a single token, the last eight with tokens of which none recurs."""
    rng = np.random.default_rng(6)
    types = tuple(1 if name == "last_q" else 30 + 5 * j for j, name in enumerate(grid.positions))
    shared = tuple(0.0 if name.startswith("-") else 0.9 for name in grid.positions)
    value = np.where(np.isfinite(grid.value), 0.5 + 0.05 * rng.random(grid.value.shape), np.nan)
    value[:, [kind == 1 for kind in types]] = np.nan
    gap = grid.value - value
    return Control(value, gap, gap - 0.07, gap + 0.07, 5, types, shared)


# ---------------------------------------------------------------- other targets


def classes_result(name: str = "topic", layers: int = 6, n: int = 300, strength: float = 1.0) -> GridResult:
    """A grid of three classes, judged by the macro AUROC, with a map for each class."""
    rng = np.random.default_rng(7)
    words, positions = ("animals", "plants", "rocks"), FIFTEEN[3:9]
    codes = rng.integers(3, size=n)
    shape = (layers, len(positions))
    shift = strength * signal(layers, 12)[:, 3:9]
    scores = rng.normal(size=(*shape, 3, n)) + shift[..., None, None] * (codes == np.arange(3)[:, None])
    by_class = {word: scores[:, :, c].astype(np.float32) for c, word in enumerate(words)}
    held = HeldOut(
        tuple(f"q{i}" for i in range(n)), tuple(f"g{i}" for i in range(n)), np.zeros(n, dtype=bool), np.arange(n) % 5,
        scores.argmax(axis=2).astype(np.float32), np.full((3, n), np.nan), {}, target=codes.astype(np.float64),
        classes=words, by_class=by_class,
    )  # fmt: skip
    split = stats.Split(codes, np.arange(n), held.folds, stats.MACRO_AUROC)
    quantity = replace(
        QUANTITY, name="macro AUROC", subject="classes of topic", positive="",
        sentence="Each cell is the held-out macro AUROC, averaged over the folds, of a linear probe that tells the "
        "classes of topic apart.",
    )  # fmt: skip
    one = _other(name, held, split, scores.reshape(-1, 3, n), positions, quantity, {"target": "classes"})
    facets = []
    for c, word in enumerate(words):
        own = stats.Split(codes == c, np.arange(n), held.folds)
        cells = selection.evaluate_cells(own, by_class[word].reshape(-1, n), 0.95)
        parts = (a.reshape(shape) for a in (cells.value, cells.low, cells.high))
        facets.append(Facet(word, "class", f"{word} against the rest", *parts))
    return replace(one, grid=replace(one.grid, facets=tuple(facets)))


def value_result(
    name: str = "length", metric: stats.Metric = stats.RANK_CORRELATION, layers: int = 6, n: int = 300
) -> GridResult:
    """A grid whose probes predict a number, judged by the rank correlation or by R2."""
    rng = np.random.default_rng(8)
    positions, target = FIFTEEN[3:9], rng.normal(size=n)
    weight = np.clip(signal(layers, 12)[:, 3:9], 0, 0.9)[..., None]
    scores = (weight * target + 0.4 * rng.normal(size=(layers, len(positions), n))).astype(np.float32)
    held = HeldOut(
        tuple(f"q{i}" for i in range(n)), tuple(f"g{i}" for i in range(n)), np.zeros(n, dtype=bool), np.arange(n) % 5,
        scores, np.full(n, np.nan), {"answer_length": rng.normal(size=n) + 0.3 * target}, target=target,
    )  # fmt: skip
    split = stats.Split(target, np.arange(n), held.folds, metric)
    shown = {"r2": "R\N{SUPERSCRIPT TWO}"}.get(metric.name, "rank correlation")
    quantity = replace(
        QUANTITY, name=shown, subject="values of length", positive="", chance=0.0, high=1.0,
        low=metric.low if np.isfinite(metric.low) else None,
        sentence=f"Each cell is the held-out {shown}, averaged over the folds, of a linear probe that predicts length.",
    )  # fmt: skip
    return _other(
        name, held, split, scores.reshape(-1, n), positions, quantity, {"target": "value", "column": "length"}
    )


def _other(
    name: str, held: HeldOut, split: stats.Split, flat: np.ndarray, positions: tuple[str, ...], quantity: Quantity,
    more: dict[str, object],
) -> GridResult:  # fmt: skip
    """A grid by any metric, its nested best and its baselines, from held-out scores [cells, (C,) n]."""
    shape = (len(flat) // len(positions), len(positions))
    cells = selection.evaluate_cells(split, flat, 0.95)
    n = len(held.example_ids)
    settings = {
        "predict": "column", "probe": "ridge", "folds": 5, "inner_folds": 4, "repeats": 1, "validation": "folds",
        "group": "", "n_groups": n, "rows": n, "rows_in_all": n, "statuses": ["ok"], "penalties": [0.01, 0.1, 1.0],
        "seed": 0, "cells_tested": len(flat), "positions_left_out": [], "correction": "Holm", "level": 0.95, **more,
    }  # fmt: skip
    grid = Grid(
        name=name, model="tiny", dataset="sums", kind="probe", site="residual", metric=split.metric.name,
        quantity=quantity, layers=tuple(range(shape[0])), positions=positions, value=cells.value.reshape(shape),
        low=cells.low.reshape(shape), high=cells.high.reshape(shape), level=0.95, n=np.full(shape, n),
        n_positive=np.zeros(shape, dtype=int), p_adjusted=cells.p_adjusted.reshape(shape),
        status=np.full(shape, "ok"), reason=np.full(shape, ""), tied_with_best=cells.tied_with_best.reshape(shape),
        settings=settings,
    )  # fmt: skip
    folds = np.array([stats.evaluate(split, s).values for s in flat])
    chosen = np.array([int(np.argmax(np.delete(folds, f, axis=1).mean(axis=1))) for f in range(split.k)])
    held = replace(held, nested=selection.compose(split, flat, chosen))
    nested = stats.evaluate(split, held.nested)
    winners = tuple(
        Winner(f, int(c // shape[1]), positions[c % shape[1]], 0.1, float(nested.values[f]))
        for f, c in enumerate(chosen)
    )
    estimate = selection.as_estimate(stats.mean_interval(split, nested, 0.95), 0.95, n)
    baselines = []
    for key, values in held.baselines.items():
        scored = stats.evaluate(split, values)
        mine = selection.as_estimate(stats.mean_interval(split, scored, 0.95), 0.95, n)
        gap = selection.as_estimate(stats.difference_interval(split, nested, scored, 0.95), 0.95, n)
        baselines.append(Baseline(key, LABELS.get(key, key), mine, gap))
    return GridResult(grid, Selection(estimate, winners), tuple(baselines), held)


def upside_down(given: Results) -> Results:
    """The same rows with every score negated: every AUROC becomes one minus itself, intervals flipped."""
    turned = []
    for r in given.grids:
        assert r.held_out is not None
        held = replace(
            r.held_out,
            cells=-r.held_out.cells,
            baselines={key: -np.asarray(values) for key, values in r.held_out.baselines.items()},
        )
        turned.append(from_scores(held, r.grid.name, r.grid.layers, r.grid.positions))
    return replace(given, grids=tuple(turned))


def results(**options: object) -> Results:
    """A whole report's results around one grid."""
    one = grid_result(**options)  # type: ignore[arg-type]
    pieces = (
        "<s>", "Question", ":", " What", " is", " 4", "7", "1", "0", " minus", " 3", "8", "5", "?", "\n", "Answer", ":",
        " 4", "7", "1", "0", " minus", " 3", "8", "5", " equals", " 4", "3", "2", "5", ",", " and", " that", " is",
        " my", " final", " answer", ".", "</s>",
    )  # fmt: skip
    special = tuple(p in {"<s>", "</s>"} for p in pieces)
    where = {
        "last_q": 16, "first_answer": 17, "second_answer": 18, "exact_answer_before_first": 25,
        "exact_answer_first": 26, "exact_answer_last": 29, "exact_answer_after_last": 30,
        **{str(-k): len(pieces) - k for k in range(8, 0, -1)},
    }  # fmt: skip
    return Results(
        title="Where does a small model know that its answer is wrong?",
        seed=0,
        models=(
            ModelCard("tiny", "builtin:arithmetic", "Llama", 8, 128, 1_700_000, "float32", "sha256:0123456789abcdef"),
        ),
        data=(
            DataCard("sums", "builtin:arithmetic", "sha256:feedbeef", "tiny", 438, 270, 420, "operands",
                     "the last number of the first sentence of the completion", 0, 8, 0, 3,
                     "Question: {{ question }}\nAnswer:", 32),
        ),
        grids=(one,),
        illustrations=(
            Illustration("sums", "q7", pieces, special, 17, (26, 30),
                         tuple((k, v, v + 1, "ok") for k, v in where.items()), True, "4325", "4325"),
        ),
        tables=(
            Table("positions", ("position", "label", "status", "count"),
                  tuple((p, lab, "ok", 200) for p in one.grid.positions for lab in ("correct", "wrong"))),
        ),
        spec_name="arithmetic",
        spec_digest="sha256:abcdef0123456789",
        versions={"torch": "2.13.0", "transformers": "5.23.0", "scikit-learn": "1.9.1"},
    )  # fmt: skip
