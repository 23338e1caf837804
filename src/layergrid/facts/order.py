"""Whether values go in an order over layers, and in which shape; numbers in, words out: it knows no grid.

Any row of numbers has a highest one, and something on either side of it. A shape is told only of values whose order is
far from a random one: Bartels' rank version of von Neumann's ratio (1982),

    sum (R[i+1] - R[i])^2 / sum (R[i] - mean R)^2,

is 2 on average for values in random order, with variance 20 / (5 n + 7), and small where neighbours are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from layergrid.artifacts import Floats

CLEAR = 0.8  # size of the rank correlation of value and layer from which on values rise or fall
LIMB = 1 / 3  # share of a profile's own range that each side of a turn must pass
FLAT = 0.1  # share of the range of all values below which a profile stays level
LEAST = 7  # values that an order far from random needs
LAYERS = 5  # layers that a shape needs
SIDE = 3  # layers on a side of a turn, the turn among them
ALARM = 0.025  # share of grids of pure noise in which some profile may pass for ordered
RISES, FALLS, PEAKS, DIPS, LEVEL = "rises", "falls", "rises and then falls", "falls and then rises", "stays level"


@dataclass(frozen=True)
class Shape:
    """What values do over layers, and at which of them they turn."""

    name: str
    turn: int = -1


def ranks(values: Floats) -> Floats:
    """Ranks from 0, ties by their mean."""
    return np.array([float(np.sum(values < v) + (np.sum(values == v) - 1) / 2) for v in values])


def correlation(values: Floats) -> float:
    """Spearman's correlation of values with their order, ties by mean ranks; NaN where all are equal."""
    found = ranks(values)
    if len(set(found)) < 2:
        return math.nan
    return float(np.corrcoef(np.arange(len(values), dtype=float), found)[0, 1])


def ratio(values: Floats) -> float:
    """The rank von Neumann ratio; NaN where all values are equal."""
    found = ranks(values)
    spread = float(((found - found.mean()) ** 2).sum())
    return float((np.diff(found) ** 2).sum()) / spread if spread else math.nan


def bound(n: int, many: int) -> float:
    """The ratio that the most ordered of `many` rows of n values in random order stays above, but for ALARM."""
    return 2 - NormalDist().inv_cdf(1 - ALARM / max(many, 1)) * math.sqrt(20 / (5 * n + 7))


def ordered(values: Floats, many: int) -> bool:
    """Whether the order of values is far from a random one, where `many` such profiles are looked at."""
    return len(values) >= LEAST and ratio(values) <= bound(len(values), many)


def shape(values: Floats, reach: float, sure: bool) -> Shape | None:
    """The shape of a profile in a grid whose values span `reach`; None where none is clear.

    `sure`: its values are in no random order, or their range is wide beside what is known of their noise.
    """
    own = float(values.max() - values.min()) if len(values) else 0.0
    if len(values) < LAYERS or own == 0 or reach == 0:
        return None
    if own < FLAT * reach:
        return Shape(LEVEL)
    if not sure:
        return None
    for sign, name in ((1, PEAKS), (-1, DIPS)):
        turn = _turn(sign * values, own)
        if turn is not None:
            return Shape(name, turn)
    rho, ends = correlation(values), abs(float(values[-1] - values[0]))
    return Shape(RISES if rho > 0 else FALLS) if abs(rho) >= CLEAR and ends >= LIMB * own else None


def _turn(values: Floats, own: float) -> int | None:
    """Where values turn from rising to falling: both sides ordered, and each a third of the range or more."""
    at = int(np.argmax(values))
    up, down = values[: at + 1], values[at:]
    if min(len(up), len(down)) < SIDE or min(values[at] - values[0], values[at] - values[-1]) < LIMB * own:
        return None
    return at if correlation(up) >= CLEAR and correlation(down) <= -CLEAR else None
