"""Numbers that several checks share: beta quantiles, Holm's steps, equality but for rounding; it knows no rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
NAN = math.nan


@dataclass(frozen=True)
class Bounded:
    """A value with bounds and a one-sided p-value against chance; NaN where there is none."""

    value: float
    low: float
    high: float
    p: float = NAN


def beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function."""
    from scipy.special import betainc

    return float(betainc(a, b, x))


def quantile(q: float, a: float, b: float) -> float:
    """The beta quantile, by halving the unit interval."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if beta(middle, a, b) < q else (low, middle)
    return (low + high) / 2


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjustment; NaN stays NaN."""
    tested = sorted((value, i) for i, value in enumerate(p) if not math.isnan(value))
    adjusted, running = [NAN] * len(p), 0.0
    for rank, (value, i) in enumerate(tested):
        running = max(running, value * (len(tested) - rank))
        adjusted[i] = min(1.0, running)
    return adjusted


def same(a: float | None, b: float | None, tolerance: float = 1e-7) -> bool:
    """Whether two numbers are equal but for rounding; NaN and None are equal to each other."""
    x, y = (NAN if v is None else float(v) for v in (a, b))
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= tolerance * max(1e-3, abs(x), abs(y))
