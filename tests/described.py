"""Descriptive results with known shapes, for tests of everything after the waist; no model is involved.

Unlike a probe's grid (`synthetic`), a descriptive grid has no held-out scores: each cell is a mean over the examples of
a value that each of them has. Every builder returns a GridResult whose cells, intervals, ties and facets follow from
its `measured` rows by the plain code of this file, which shares nothing with the engine:

    activation()    norms: a mean per cell, no upper bound, one example whose value is missing
    contrast()      norms of wrong answers less those of right ones, signed, with a facet for each class
    similarity()    cosine with a reference position: that cell is `reference`; a facet for mismatched examples
    heads()         attention, mean over heads, a facet for each head; layers from 1, one layer that lacks attention,
                    keys that cannot be attended to
    one_text()      attention over the tokens of one example: repeated and blank labels, no intervals
    table()         a ready table: no model, no data, no rows, numbers as they were given

`results(*grids)` puts grids into whole Results with the cards that belong to them; `everything()` holds all six.
`from_rows` makes a grid of any rows: values [L, P, n], groups, classes, facets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

import synthetic
from layergrid.artifacts import DataCard, Facet, Grid, GridResult, Measured, ModelCard, Quantity, Results

Part = tuple[Literal["head", "reference"], str, np.ndarray]  # role, label, rows [L, P, n]
WRONG, RIGHT = "wrong answers", "right answers"
SEVEN = synthetic.FIFTEEN[:7]

NORM = Quantity(
    name="norm",
    sentence="Each cell is the mean Euclidean norm of the residual stream at one layer and one token position.",
    subject="norms",
    claim="large",
    low=0.0,
    high=None,
    chance=None,
    caution="A large norm does not say that a token matters more.",
)
GAP = replace(
    NORM,
    name="difference in norm",
    sentence="Each cell is the mean Euclidean norm of the residual stream on wrong answers less that on right ones.",
    subject="differences in norm",
    claim="different",
    low=None,
    chance=0.0,
    positive=WRONG,
)
COSINE = Quantity(
    name="cosine",
    sentence="Each cell is the mean cosine between the residual stream at one position and at last_q, in one layer.",
    subject="representations",
    claim="similar",
    low=-1.0,
    high=1.0,
    chance=None,
    caution="States of any two texts share directions, so that a cosine far above 0 is no likeness by itself.",
)
WEIGHT = Quantity(
    name="attention",
    sentence="Each cell is the mean attention weight that the exact answer's last token puts on one position.",
    subject="attention",
    claim="attended to",
    low=0.0,
    high=1.0,
    chance=None,
    caution="An attention weight is no measure of importance.",
)
GIVEN = Quantity(
    name="score",
    sentence="Each cell is a number of the table.",
    subject="scores",
    claim="high",
    low=None,
    high=None,
    chance=None,
)

# ---------------------------------------------------------------- the plain code


def sums(residuals: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """The sum of `residuals` [n] in each group."""
    found: dict[str, float] = {}
    for group, one in zip(groups, residuals, strict=True):
        found[group] = found.get(group, 0.0) + float(one)
    return found


def finite(values: np.ndarray, groups: Sequence[str]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """The values that are numbers, their groups, and which they are [n]."""
    kept = np.isfinite(values)
    return values[kept].astype(np.float64), [g for g, k in zip(groups, kept, strict=True) if k], kept


def mean(values: np.ndarray, groups: Sequence[str], level: float) -> tuple[float, float, float]:
    """The mean of the finite values with its interval over groups (G - 1 degrees of freedom)."""
    own, names, _ = finite(values, groups)
    if not own.size:
        return math.nan, math.nan, math.nan
    value = float(own.mean())
    parts = sums((own - value) / own.size, names).values()
    count = len(parts)
    if count < 2:
        return value, math.nan, math.nan
    reach = student.ppf(0.5 + level / 2, count - 1) * math.sqrt(count / (count - 1) * sum(e**2 for e in parts))
    return value, value - reach, value + reach


def gap(values: np.ndarray, groups: Sequence[str], labels: np.ndarray, level: float) -> tuple[float, float, float]:
    """The mean of one class less that of the other; groups may hold both (Obuchowski 1997)."""
    own, names, kept = finite(values, groups)
    side = labels[kept]
    if not side.any() or side.all():
        return math.nan, math.nan, math.nan
    means, parts = [], []
    for one in (side, ~side):
        means.append(float(own[one].mean()))
        inside = [g for g, s in zip(names, one, strict=True) if s]
        parts.append(sums((own[one] - means[-1]) / one.sum(), inside))
    value, (a, b) = means[0] - means[1], parts
    if min(len(a), len(b)) < 2:
        return value, math.nan, math.nan
    count = len({*a, *b})
    within = sum(len(one) / (len(one) - 1) * sum(e**2 for e in one.values()) for one in (a, b))
    between = 2 * count / (count - 1) * sum(a[g] * b[g] for g in a if g in b)
    reach = student.ppf(0.5 + level / 2, min(len(a), len(b)) - 1) * math.sqrt(max(0.0, within - between))
    return value, value - reach, value + reach


def summary(rows: np.ndarray, groups: Sequence[str], labels: np.ndarray | None, level: float) -> np.ndarray:
    """Value, low and high of every cell [3, L, P] of rows [L, P, n]."""
    found = np.full((3, *rows.shape[:2]), np.nan)
    for i, j in np.ndindex(rows.shape[:2]):
        found[:, i, j] = mean(rows[i, j], groups, level) if labels is None else gap(rows[i, j], groups, labels, level)
    return found


def tied(rows: np.ndarray, found: np.ndarray, groups: Sequence[str], labels: np.ndarray | None, level: float) -> Any:
    """Cells whose paired difference from the highest has an interval that holds 0 [L, P]; without one, all of them."""
    kept = np.zeros(rows.shape[:2], dtype=np.bool_)
    if not np.isfinite(found[0]).any():
        return kept
    best = np.unravel_index(np.nanargmax(found[0]), kept.shape)
    for i, j in np.argwhere(np.isfinite(found[0])):
        difference = (rows[best].astype(np.float64) - rows[i, j])[None, None]
        low = summary(difference, groups, labels, level)[1, 0, 0]
        kept[i, j] = (i, j) == tuple(best) or math.isnan(low) or low <= 0
    return kept


# ---------------------------------------------------------------- grids


def from_rows(
    rows: np.ndarray,
    *,
    quantity: Quantity = NORM,
    name: str = "norms",
    layers: tuple[int, ...] | None = None,
    positions: tuple[str, ...] | None = None,
    groups: tuple[str, ...] | None = None,
    labels: np.ndarray | None = None,
    facets: Mapping[str, Part] | None = None,
    statuses: Mapping[tuple[int, int], tuple[str, str]] | None = None,
    level: float = 0.95,
    **card: Any,
) -> GridResult:
    """A grid of rows [L, P, n].

    With `labels` [n] cells are differences of the classes, True less False, and each class becomes a facet. `facets`:
    name -> role, label, rows [L, P, n]. `statuses`: index of a cell -> status and reason; its rows become NaN.
    """
    count = rows.shape[2]
    groups = groups or tuple(f"g{i // 2}" for i in range(count))
    layers = tuple(range(rows.shape[0])) if layers is None else layers
    positions = positions or synthetic.FIFTEEN[: rows.shape[1]]
    rows = rows.astype(np.float32)
    status = np.where(np.isfinite(rows).any(axis=2), "ok", "missing").astype("U16")
    reason = np.where(status == "ok", "", "no example has this position").astype("U80")
    for (i, j), (word, why) in (statuses or {}).items():
        rows[i, j], status[i, j], reason[i, j] = np.nan, word, why
    found = summary(rows, groups, labels, level)
    maps = []
    kept: dict[str, np.ndarray] = {}
    for key, (role, label, more) in (facets or {}).items():
        kept[key] = np.where((status == "ok")[..., None], more, np.nan).astype(np.float32)
        maps.append(Facet(key, role, label, *summary(kept[key], groups, labels, level)))
    if labels is not None:
        for word, side in ((WRONG, labels), (RIGHT, ~labels)):
            one = summary(np.where(side, rows, np.nan), groups, None, level)
            maps.append(Facet(word, "class", word, *one))
    classes = np.zeros(count, dtype=np.bool_) if labels is None else labels
    beyond = (found[1] < _end(quantity.low)) | (found[2] > _end(quantity.high))
    settings = _settings(count, groups, level, labels is not None) | {"beyond_range": int(beyond.sum())}
    grid = Grid(
        name=name, model=card.pop("model", "tiny"), dataset=card.pop("dataset", "sums"),
        kind=card.pop("kind", "activation"), site=card.pop("site", "residual"), metric=card.pop("metric", "norm"),
        quantity=quantity, layers=layers, positions=positions, value=found[0], low=found[1], high=found[2],
        level=level, n=np.isfinite(rows).sum(axis=2),
        n_positive=np.isfinite(rows[..., classes]).sum(axis=2), p_adjusted=np.full(rows.shape[:2], np.nan),
        status=status, reason=reason, tied_with_best=tied(rows, found, groups, labels, level),
        settings=settings | card.pop("settings", {}),
        contrast="" if labels is None else f"{WRONG} - {RIGHT}", facets=tuple(maps), **card,
    )  # fmt: skip
    ids = tuple(f"q{i}" for i in range(count))
    return GridResult(grid, measured=Measured(ids, groups, classes, rows, kept))


def _end(end: float | None) -> float:
    return math.nan if end is None else end


def _settings(rows: int, groups: Sequence[str], level: float, contrasts: bool) -> dict[str, Any]:
    dropped = {"dropped_correct": 10, "dropped_wrong": 28} if contrasts else {}
    return {
        "rows": rows, "rows_in_all": rows + 38, **dropped, "statuses": ["ok"], "n_groups": len(set(groups)),
        "group": "operands", "level": level, "positions_left_out": [], "seed": 0, "statistic": "mean",
        "contrast": "error" if contrasts else "none",
        "interval": "Student's t with G - 1 degrees of freedom for G groups",
        "methods": {"measure": "Norms are Euclidean."},
    }  # fmt: skip


def _bump(layers: int, positions: int) -> np.ndarray:
    return synthetic.signal(layers, positions)


def activation(layers: int = 9, positions: tuple[str, ...] = SEVEN, n: int = 240, seed: int = 0) -> GridResult:
    """Norms that grow with depth and stand out at the exact answer; the first example lacks one value."""
    rng = np.random.default_rng(seed)
    own = np.repeat(rng.normal(size=(n + 1) // 2), 2)[:n]  # rows of one group resemble each other
    rows = 8 + np.arange(layers)[:, None, None] + 3 * _bump(layers, len(positions))[..., None]
    rows = rows + 0.5 * own + 0.5 * rng.normal(size=(layers, len(positions), n))
    rows[0, 0, 0] = np.nan
    return from_rows(rows, positions=positions)


def contrast(layers: int = 9, positions: tuple[str, ...] = SEVEN, n: int = 240, seed: int = 1) -> GridResult:
    """Norms that differ between wrong and right answers at the exact answer, and by the other sign before it."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.38
    planted = 0.6 * _bump(layers, len(positions)) - 0.35
    rows = 9 + planted[..., None] * labels + 0.6 * rng.normal(size=(layers, len(positions), n))
    return from_rows(rows, quantity=GAP, name="gaps", positions=positions, labels=labels)


def similarity(layers: int = 9, positions: tuple[str, ...] = SEVEN, n: int = 160, seed: int = 2) -> GridResult:
    """Cosines with the first position, which is the reference, and those of mismatched examples."""
    rng = np.random.default_rng(seed)
    shape = (layers, len(positions), n)
    rows = np.clip(0.35 + 0.3 * _bump(*shape[:2])[..., None] + 0.1 * rng.normal(size=shape), -1, 1)
    apart = np.clip(0.3 + 0.1 * rng.normal(size=shape), -1, 1)
    same = {(i, 0): ("reference", "every state is compared with this position") for i in range(layers)}
    return from_rows(
        rows, quantity=COSINE, name="likeness", positions=positions, statuses=same, kind="similarity", metric="cosine",
        facets={"mismatched": ("reference", "cosine of mismatched examples", apart)},
    )  # fmt: skip


def heads(layers: int = 8, count: int = 4, n: int = 120, seed: int = 3) -> GridResult:
    """Attention from the exact answer to seven positions by `count` heads; layer 3 has none, one key comes later."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(0.2 + _bump(layers, len(SEVEN))[0], size=(count, layers, n)).transpose(0, 1, 3, 2)
    statuses = {(2, j): ("lacking", "layer 3 has no attention") for j in range(len(SEVEN))}
    later = {(i, 6): ("not_attendable", "exact_answer_after_last comes after the query") for i in range(layers)}
    parts: dict[str, Part] = {str(h): ("head", f"head {h}", weights[h]) for h in range(count)}
    return from_rows(
        weights.mean(axis=0), quantity=WEIGHT, name="looks", layers=tuple(range(1, layers + 1)), positions=SEVEN,
        statuses=later | statuses, facets=parts, kind="attention", site="attention", metric="weight", head="mean",
    )  # fmt: skip


PIECES = ("<s>", "The", " cat", " saw", " the", " cat", " \n", "  ", " and", " the", " dog", ".")


def one_text(layers: int = 6, pieces: tuple[str, ...] = PIECES, seed: int = 4) -> GridResult:
    """Attention of the last token over the tokens of one example, in order; one row, therefore no interval."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(len(pieces), 0.5), size=layers)[..., None]
    one = from_rows(
        rows, quantity=WEIGHT, name="text", layers=tuple(range(1, layers + 1)), groups=("q0",),
        positions=tuple(str(i) for i in range(len(pieces))), kind="attention", site="attention", metric="weight",
        head="mean", text_of="q0",
    )  # fmt: skip
    return replace(one, grid=replace(one.grid, labels=pieces))


def table(layers: int = 6, positions: tuple[str, ...] = SEVEN, seed: int = 5) -> GridResult:
    """Numbers as a table gave them, with bounds, without rows; it belongs to no model and no data set."""
    rng = np.random.default_rng(seed)
    value = rng.normal(size=(layers, len(positions)))
    shape = value.shape
    grid = Grid(
        name="given", model="", dataset="", kind="table", site="", metric="score", quantity=GIVEN,
        layers=tuple(range(layers)), positions=positions, value=value, low=value - 0.3, high=value + 0.3, level=0.95,
        n=np.zeros(shape, dtype=np.int64), n_positive=np.zeros(shape, dtype=np.int64),
        p_adjusted=np.full(shape, np.nan), status=np.full(shape, "ok"), reason=np.full(shape, ""),
        tied_with_best=value == value.max(), settings={"source": "scores.csv", "level": 0.95},
    )  # fmt: skip
    return GridResult(grid)


# ---------------------------------------------------------------- results

BUILDERS: dict[str, Callable[[], GridResult]] = {
    "activation": activation, "contrast": contrast, "similarity": similarity, "heads": heads, "one_text": one_text,
    "table": table,
}  # fmt: skip


def results(*grids: GridResult) -> Results:
    """A whole report's results around grids; a grid without model or data set adds no card."""
    base = synthetic.results(layers=2, positions=("last_q", "-1"), n=60, folds=3)
    models = tuple(
        ModelCard(name, "builtin:arithmetic", "Llama", 8, 128, 1_700_000, "float32", "sha256:0123456789abcdef", heads=4)
        for name in dict.fromkeys(r.grid.model for r in grids)
        if name
    )
    data = tuple(
        DataCard(name, "builtin:arithmetic", "sha256:feedbeef", model, 438, 270, 420, "operands",
                 "the last number of the first sentence of the completion", 0, 8, 0, 3,
                 "Question: {{ question }}\nAnswer:", 32)
        for model, name in dict.fromkeys((r.grid.model, r.grid.dataset) for r in grids)
        if name
    )  # fmt: skip
    return replace(
        base, title="What the states of a small model look like", models=models, data=data, grids=grids,
        illustrations=base.illustrations if data else (), tables=base.tables if data else (),
    )  # fmt: skip


def everything() -> Results:
    """All six kinds of grid in one report."""
    return results(*(build() for build in BUILDERS.values()))
