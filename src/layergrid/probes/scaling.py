"""Features divided by their standard deviations over all rows of a cell; no label and no fold enters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Floats
from layergrid.probes.solving import Array

_ROWS = 32  # rows taken to double precision at once
_SAFE = 2.0**400  # entries whose square, and whose inverse's square, double precision holds with room to spare


@dataclass(frozen=True)
class Scaling:
    """What makes features [n, d] standard: (x / unit - mean) x inverse; constant features become 0."""

    mean: Array  # [d], in units of `unit`
    inverse: Array  # [d]: of the standard deviation, in units of `unit`; 0 of a constant feature
    unit: Array | None = None  # [d]: powers of two, only where entries are so large or small that squares overflow

    @classmethod
    def of(cls, features: Floats) -> Scaling:
        """Moments in double precision about the first row, so that neither large means nor large values spoil them."""
        n, d = features.shape
        unit = None if features.dtype == np.float32 else _unit(features)
        first = _doubled(features[:1], unit)[0]
        total, squares = np.zeros(d), np.zeros(d)
        for start in range(0, n, _ROWS):
            part = _doubled(features[start : start + _ROWS], unit)
            part -= first
            total += part.sum(axis=0)
            part *= part
            squares += part.sum(axis=0)
        constant = squares == 0  # exactly: so are the differences from the first row
        variance = np.where(constant, 1.0, squares / n - (total / n) ** 2)
        return cls(first + total / n, np.where(constant, 0.0, 1 / np.sqrt(variance)), unit)

    def standard(self, features: Floats, dtype: type[np.floating]) -> Floats:
        """The features [n, d], centred and divided; sums in double precision, the result in `dtype`."""
        found = np.empty(features.shape, dtype=dtype)
        for start in range(0, len(features), _ROWS):
            part = _doubled(features[start : start + _ROWS], self.unit)
            part -= self.mean
            part *= self.inverse
            found[start : start + _ROWS] = part
        return found

    def outward(self, weights: Array) -> tuple[Array, float]:
        """Weights [d] of standard features in units of the features as given, and what the intercept changes by."""
        scaled = weights * self.inverse
        return scaled if self.unit is None else scaled / self.unit, -float(scaled @ self.mean)


def _doubled(part: Floats, unit: Array | None) -> Array:
    found = np.array(part, dtype=np.float64)
    if unit is not None:
        found /= unit
    return found


def _unit(features: Floats) -> Array | None:
    """Powers of two [d] near the largest entries; None where squares are safe without."""
    largest = np.maximum(features.max(axis=0), -features.min(axis=0)).astype(np.float64)
    used = largest[largest > 0]
    if not used.size or (used.max() < _SAFE and used.min() > 1 / _SAFE):
        return None
    return np.asarray(np.ldexp(1.0, np.clip(np.frexp(largest)[1], -500, 1000)))
