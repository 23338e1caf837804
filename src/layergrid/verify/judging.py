"""What scores are judged by, from definitions; it shares no code with the engine.

Plain on purpose. A metric has a value and a component for each row, from which a variance over groups follows.
AUROC: DeLong, DeLong & Clarke-Pearson 1988 for the placements, Obuchowski 1997 for rows of one group. All others: the
influence of each row on the value, that is, how the value changes with the weight of the row (Hampel 1974).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layergrid.artifacts import Floats
from layergrid.verify.means import numbered
from layergrid.verify.numbers import NAN, Array

END = 1e-12  # a correlation that comes so near to 1 is 1


@dataclass(frozen=True)
class Rows:
    """The rows of one fold: where they stand, what is true of each, and its group."""

    index: npt.NDArray[np.intp]
    target: Array  # 1 or 0 for two classes, codes of several, or numbers
    groups: tuple[str, ...]

    @cached_property
    def codes(self) -> npt.NDArray[np.intp]:
        """The group of each row by number."""
        return numbered(self.groups)

    def held(self, side: npt.NDArray[np.bool_]) -> int:
        """How many groups some of the rows have."""
        return len(np.unique(self.codes[side]))

    def sums(self, values: Array, side: npt.NDArray[np.bool_]) -> Array:
        """The sum over some rows of each group."""
        found = np.bincount(self.codes[side], values[side], minlength=int(self.codes.max()) + 1)
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True)
class Metric:
    """How one fold is judged, and on which scale intervals are symmetric."""

    judge: Callable[[Rows, Array], tuple[float, Array]]  # value and components [n] of scores [n] or [C, n]
    variance: Callable[[Rows, Array], float]
    scale: str = "logit"
    low: float = 0.0
    high: float = 1.0
    trials: Callable[[Rows], int] | None = None  # groups that bound the variance of a share
    placed: bool = False  # an AUROC, or a mean of them
    chance: float | None = None  # the value without information; None: the share of the largest class


def shares(values: Floats, others: Floats) -> Array:
    """For each value the share of the others that lie below it; one that is equal counts as half."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(others)))


def _larger(count: int) -> float:
    """What makes the variance of so many groups unbiased."""
    return count / (count - 1)


# ---------------------------------------------------------------- two classes


def _placed(positive: npt.NDArray[np.bool_], scores: Floats) -> tuple[float, Array]:
    """AUROC and placements: of each row the share of the other class that stands on the right side of it."""
    if positive.all() or not positive.any():
        return NAN, np.full(len(scores), NAN)
    found = np.empty(len(scores))
    found[positive] = shares(scores[positive], scores[~positive])
    found[~positive] = shares(-scores[~positive], -scores[positive])
    return float(found[positive].mean()), found


def _auroc(rows: Rows, scores: Array) -> tuple[float, Array]:
    return _placed(rows.target == 1, scores)


def _auroc_variance(rows: Rows, placements: Array) -> float:
    """Sums of centred placements by group, within the classes and between them."""
    positive = rows.target == 1
    centred = placements.copy()
    for side in (positive, ~positive):
        centred[side] = (centred[side] - centred[side].mean()) / side.sum()
    return _by_class(rows, positive.astype(np.float64), centred)


def _by_class(rows: Rows, classes: Array, parts: Array) -> float:
    """The variance of a sum of parts [n], the rows of a group kept together and each class corrected for itself."""
    sides = [classes == c for c in np.unique(classes)]
    held = [rows.held(side) for side in sides]
    if min(held) < 2:
        return NAN
    own = [rows.sums(parts, side) for side in sides]
    within = sum(_larger(count) * float(one @ one) for count, one in zip(held, own, strict=True))
    between = sum(float(own[c] @ own[d]) for c in range(len(own)) for d in range(len(own)) if c != d)
    return max(0.0, within + _larger(len(set(rows.groups))) * between)


def _smaller(rows: Rows, positive: npt.NDArray[np.bool_]) -> int:
    return min(rows.held(side) for side in (positive, ~positive))


# ---------------------------------------------------------------- several classes


def _macro(rows: Rows, scores: Array) -> tuple[float, Array]:
    """The mean over classes of the AUROC of each against the rest, and the mean of their influences."""
    values, influence = [], np.zeros(len(rows.index))
    for code, own in enumerate(scores):
        mine = rows.target == code
        value, placements = _placed(mine, own)
        values.append(value)
        weight = np.where(mine, mine.mean(), 1 - mine.mean())
        influence += (placements - value) / weight
    return sum(values) / len(values), influence / len(values)


def _macro_variance(rows: Rows, influence: Array) -> float:
    return _by_class(rows, rows.target, influence / len(influence))


def _accuracy(rows: Rows, scores: Array) -> tuple[float, Array]:
    """The share of rows whose class has the highest score, or whose single score lies on its side of zero."""
    chosen = np.argmax(scores, axis=0) if scores.ndim == 2 else scores > 0
    right = (chosen == rows.target).astype(np.float64)
    return float(right.mean()), right - right.mean()


# ---------------------------------------------------------------- numbers


def _explained(rows: Rows, scores: Array) -> tuple[float, Array]:
    """R2 against the mean of the fold, and its influences: a ratio of two means, differentiated."""
    missed, off = (rows.target - scores) ** 2, (rows.target - rows.target.mean()) ** 2
    if len(set(rows.target.tolist())) < 2:
        return NAN, np.full(len(missed), NAN)
    left = float(missed.mean() / off.mean())
    return 1 - left, (left * (off - off.mean()) - (missed - missed.mean())) / off.mean()


def _ranked(rows: Rows, scores: Array) -> tuple[float, Array]:
    """Spearman's coefficient and its influences; a row moves the ranks of all others with it (Croux & Dehon 2010)."""
    x, y = rows.target, scores
    if min(len(set(x.tolist())), len(set(y.tolist()))) < 2:
        return NAN, np.full(len(x), NAN)
    f, g = shares(x, x) - 0.5, shares(y, y) - 0.5
    (joint, of_joint), (one, of_one), (other, of_other) = (
        _product(x, f, y, g), _product(x, f, x, f), _product(y, g, y, g),
    )  # fmt: skip
    value = joint / math.sqrt(one * other)
    value = math.copysign(1.0, value) if abs(value) > 1 - END else value
    return value, of_joint / math.sqrt(one * other) - value / 2 * (of_one / one + of_other / other)


def _product(x: Array, f: Array, y: Array, g: Array) -> tuple[float, Array]:
    """The mean of f(x) g(y), both distribution functions less a half, and the influence of each row on it."""
    mean = float((f * g).mean())
    return mean, f * g + _above(x, g) + _above(y, f) - 3 * mean


def _above(values: Array, weights: Array) -> Array:
    """For each row the mean weight of the rows above it; a row that is equal counts as half."""
    order = np.argsort(values)
    up_to_rank = np.concatenate(([0.0], np.cumsum(weights[order])))
    below, up_to = (up_to_rank[np.searchsorted(values[order], values, side)] for side in ("left", "right"))
    return np.asarray((up_to_rank[-1] - (below + up_to) / 2) / len(values))


def _plain_variance(rows: Rows, influence: Array) -> float:
    """The variance of a mean of influences, summed by group."""
    whole = np.ones(len(influence), dtype=np.bool_)
    by_group = rows.sums((influence - influence.mean()) / len(influence), whole)
    return _larger(len(by_group)) * float(by_group @ by_group) if len(by_group) > 1 else NAN


METRICS: Mapping[str, Metric] = {
    "auroc": Metric(
        _auroc, _auroc_variance, trials=lambda rows: _smaller(rows, rows.target == 1), placed=True, chance=0.5
    ),
    "macro_auroc": Metric(
        _macro,
        _macro_variance,
        trials=lambda rows: min(_smaller(rows, rows.target == c) for c in set(rows.target)),
        placed=True,
        chance=0.5,
    ),
    "accuracy": Metric(_accuracy, _plain_variance, trials=lambda rows: len(set(rows.groups))),
    "r2": Metric(_explained, _plain_variance, "identity", -math.inf, chance=0.0),
    "rank_correlation": Metric(_ranked, _plain_variance, "fisher", -1.0, chance=0.0),
}
