"""Results with a planted signal, for tests of everything after the waist; no model is involved."""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import (
    Baseline,
    DataCard,
    Estimate,
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
    """One grid whose cells are the mean per-fold AUROC of its held-out scores; intervals are rough but ordered."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.38
    fold = np.arange(n) % folds
    shape = (layers, len(positions))
    shared = rng.normal(size=n)
    noise = 0.6 * shared + 0.8 * rng.normal(size=(*shape, n))
    scores = (noise + strength * signal(*shape)[..., None] * labels).astype(np.float32)
    value = np.array(
        [[np.mean([auroc(labels[fold == k], s[fold == k]) for k in range(folds)]) for s in row] for row in scores]
    )
    width = 1.96 * np.sqrt(np.maximum(value * (1 - value), 0.01) / (0.25 * n)) * 0.9
    best = np.unravel_index(np.argmax(value), shape)
    z = (value - 0.5) / (width / 1.96)
    p = np.minimum(1.0, np.array([0.5 * np.vectorize(_erfc)(x / np.sqrt(2)) for x in z]) * value.size)
    grid = Grid(
        name=name, model="tiny", dataset="sums", kind="probe", site="residual", metric="auroc", quantity=QUANTITY,
        layers=tuple(range(layers)), positions=positions, value=value, low=np.maximum(value - width, 0),
        high=np.minimum(value + width, 1), level=0.95, n=np.full(shape, n), n_positive=np.full(shape, int(labels.sum())),
        p_adjusted=p, status=np.full(shape, "ok"), reason=np.full(shape, ""),
        tied_with_best=value > value[best] - 0.02,
        settings={
            "predict": "error", "folds": folds, "inner_folds": folds - 1, "group": "operands", "n_groups": n - 20,
            "rows": n, "rows_in_all": n + 38, "dropped_correct": 10, "dropped_wrong": 28, "statuses": ["ok"],
            "penalties": [float(x) for x in np.geomspace(1e-5, 1, 8)], "seed": 0, "cells_tested": int(value.size),
            "positions_left_out": [], "correction": "Holm", "level": 0.95,
        },
    )  # fmt: skip
    nested = scores[best].astype(np.float64)
    point = float(value[best]) - 0.01
    estimate = Estimate(point, point - 0.04, point + 0.035, 0.95, n)
    winners = tuple(Winner(k, int(best[0]), positions[best[1]], 0.01, point) for k in range(folds))
    base = {"operand sizes": 0.6, "answer_length": 0.3, "exact_logprob_mean": 0.9}
    base_scores = {key: rng.normal(size=n) + strength * w * labels for key, w in base.items()}
    baselines = []
    for key, values in base_scores.items():
        a = float(np.mean([auroc(labels[fold == k], values[fold == k]) for k in range(folds)]))
        labelled = {
            "operand sizes": "operand sizes (left_digits, right_digits)",
            "answer_length": "length of the answer in tokens",
            "exact_logprob_mean": "mean log-probability of the exact answer",
        }[key]
        baselines.append(
            Baseline(
                key, labelled, Estimate(a, a - 0.05, a + 0.05, 0.95, n),
                Estimate(point - a, point - a - 0.06, point - a + 0.06, 0.95, n),
            )
        )  # fmt: skip
    held = HeldOut(
        tuple(f"q{i}" for i in range(n)), tuple(f"g{i}" for i in range(n)), labels, fold, scores, nested, base_scores
    )
    return GridResult(grid, Selection(estimate, winners), tuple(baselines), held)


def _erfc(x: float) -> float:
    import math

    return math.erfc(x)


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
