"""Results with a planted signal, for tests of everything after the waist; no model is involved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layergrid import selection, stats
from layergrid.artifacts import (
    Baseline,
    DataCard,
    Grid,
    GridResult,
    HeldOut,
    Illustration,
    ModelCard,
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
