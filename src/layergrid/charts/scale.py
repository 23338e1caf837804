"""From values to colours: the domain of a map, its scheme and its ticks; it knows grids and colours, draws nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from layergrid.artifacts import Floats, Grid
from layergrid.theme import Theme

FAINT = 0.1  # values beyond zero by less than this share of the other side make no second side
DECADES = 100  # an unbounded scale whose highest value is so many times its lowest is logarithmic
NICE = (1, 2, 5, 10)
SAID = "Colours are on a logarithmic scale."  # in the caption of a map whose colours are
TINY = 1e-300  # what is smaller is drawn as zero


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` over colour stops; values outside take the colour of the end."""

    low: float
    high: float
    stops: tuple[str, ...]
    log: bool = False

    @property
    def domain(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def share(self, value: float) -> float:
        """Where a value stands from the low end (0) to the high one (1), by value or by its logarithm; clamped."""
        return min(1.0, max(0.0, place(value, self.domain, self.log)))

    def at(self, share: float) -> float:
        """The value at a share of the way from the low end to the high one."""
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    @cached_property
    def knots(self) -> list[float]:
        """The values of the stops: evenly over the scale; of a scheme with two sides the middle one stands at zero."""
        n = len(self.stops)
        if two_sided(self.stops) and self.low < 0 < self.high:
            half = n // 2
            return [*np.linspace(self.low, 0, half + 1), *np.linspace(0, self.high, half + 1)[1:]]
        return [self.at(k / (n - 1)) for k in range(n)]

    def stop(self, value: float) -> str:
        """The stop nearest to a value."""
        return self.stops[min(range(len(self.stops)), key=lambda k: abs(self.knots[k] - value))]

    def colour(self, field: str) -> dict[str, Any]:
        """The encoding of a field's values by the stops."""
        scale = {
            "domain": [plain(float(x)) for x in self.knots],
            "range": list(self.stops), "clamp": True, "interpolate": "rgb", **({"type": "log"} if self.log else {}),
        }  # fmt: skip
        return {"field": field, "type": "quantitative", "scale": scale, "legend": None}

    def ticks(self, most: int = 6) -> list[float]:
        """Round values inside the domain."""
        return log_ticks(self.domain, most) if self.log else ticks(self.domain, most)


def of(grid: Grid, theme: Theme, scheme: str, domain: tuple[float, float] | None, drawn: Floats | None = None) -> Scale:
    """The scale of a map: the domain and scheme that a chart names, else those that suit what is drawn.

    Where less is more of the claim and no scheme is named, low values take the strong colours.
    """
    values = finite(grid, drawn)
    low, high = domain or natural_domain(grid, drawn)
    log = domain is None and logarithmic(grid, values)
    if scheme:
        return Scale(low, high, theme.scheme(scheme), log)
    crosses = low < 0 < high and min(-low, high) > FAINT * max(-low, high)
    wanted = theme.families["two_sided" if crosses else family(grid)]
    stops = theme.scheme(wanted if wanted in theme.schemes else next(iter(theme.schemes)))
    return Scale(low, high, stops[::-1] if grid.quantity.higher_is == "less" and not crosses else stops, log)


def family(grid: Grid) -> str:
    """The family of a quantity, which decides the colours of its maps where they do not go across zero."""
    if grid.quantity.family:
        return grid.quantity.family
    return "chance" if grid.quantity.chance is not None else "other"


def finite(grid: Grid, drawn: Floats | None = None) -> Floats:
    """All values of a grid's cells, or of other maps over them."""
    values = grid.value[grid.has_value] if drawn is None else np.ravel(drawn)
    return np.asarray(values[np.isfinite(values)], float)


def two_sided(stops: Sequence[str]) -> bool:
    """Whether a scheme is palest in its middle."""
    if len(stops) < 3 or len(stops) % 2 == 0:
        return False
    middle = luminance(stops[len(stops) // 2])
    return middle > luminance(stops[0]) + 0.1 and middle > luminance(stops[-1]) + 0.1


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" without the gamma's fine print: 0 black, 1 white."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)


def logarithmic(grid: Grid, values: Floats) -> bool:
    """Whether values call for a logarithmic scale: positive, of no fixed upper end that is near, over two decades."""
    high = grid.quantity.high
    if grid.contrast or grid.quantity.chance is not None or not values.size or values.min() < TINY:
        return False
    return (high is None or high > 10 * DECADES) and bool(values.max() >= DECADES * values.min())


def natural_domain(grid: Grid, drawn: Floats | None = None) -> tuple[float, float]:
    """The ends of a scale that suits a grid, or other maps over its cells.

    From chance to the highest possible value where there is a chance level. Contrasts, and values well on both sides
    of zero, get equal ends around zero. Other bounded quantities go from end to end (from zero where no value is
    below it), to a round number where all values are under half of that. Unbounded ones have round ends.
    """
    q, values = grid.quantity, finite(grid, drawn)
    if not grid.contrast and q.chance is not None:
        return _bounded(grid, values, q.chance if q.higher_is == "more" else q.low)
    if not values.size:
        return (-1.0, 1.0) if grid.contrast else _bounded(grid, values, q.low)
    low, high = float(values.min()), float(values.max())
    if grid.contrast or (low < 0 < high and min(-low, high) > FAINT * max(-low, high)):
        end = rounded_up(max(-low, high)) or 1.0
        return -end, end
    if logarithmic(grid, values):
        return decades(low, high)
    if q.low is not None and q.high is not None and q.high <= 10 * DECADES:
        start = q.low if q.low >= 0 or low < -high else -rounded_up(-low)
        tight = high < start + 0.5 * (q.high - start)
        return _apart(start, rounded_up(high) if tight and start == 0 and high > 0 else q.high)
    return _unbounded(grid, low, high)


def _bounded(grid: Grid, values: Floats, low: float | None) -> tuple[float, float]:
    high = grid.quantity.high
    low = low if low is not None else (float(values.min()) if values.size else 0.0)
    return _apart(low, high if high is not None else (float(values.max()) if values.size else 1.0))


def _unbounded(grid: Grid, low: float, high: float) -> tuple[float, float]:
    """Round ends; from the lowest possible value, or from zero, where the values are not far from it."""
    floor = grid.quantity.low if grid.quantity.low is not None else (0.0 if low >= 0 else None)
    if floor is not None and low - floor <= 0.5 * (high - floor):
        low = floor
    if high - low <= max(TINY, 1e-9 * max(abs(low), abs(high))):
        return _apart(low, low)
    size = step(low, high, 6)
    start = low if low == floor else plain(math.floor(low / size + 1e-9) * size)
    return _apart(start, plain(math.ceil(high / size - 1e-9) * size))


def _apart(low: float, high: float) -> tuple[float, float]:
    half = max(0.5, 0.1 * abs(low))
    return (low, high) if low < high else (low - half, low + half)


def place(value: float, domain: tuple[float, float], log: bool = False) -> float:
    """Where a value stands from the low end of a domain (0) to the high one (1); outside of that range too."""
    low, high = domain
    if log:
        if value <= 0:
            return -math.inf
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def plain(value: float) -> float:
    """A value without the last digits, which sums and products leave."""
    return float(f"{value:.10g}") + 0.0


def step(low: float, high: float, most: int) -> float:
    """The least of 1, 2 and 5 times a power of ten that divides a range into at most so many parts."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * k for k in NICE if size * k >= rough * 0.999)


def rounded_up(value: float) -> float:
    """The least round number at or above a positive value, a tenth of its power of ten at most above it."""
    if value < TINY:
        return 0.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(plain(size * k) for k in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if size * k >= value * (1 - 1e-9))


def decades(low: float, high: float) -> tuple[float, float]:
    """Ends of a logarithmic axis around two positive values."""
    return _decade(low, down=True), _decade(high, down=False)


def _decade(value: float, down: bool) -> float:
    """The next of 1, 2 and 5 times a power of ten, below a positive value or above it."""
    size = 10.0 ** math.floor(math.log10(value))
    if down:
        return float(max(plain(size * k) for k in NICE if size * k <= value * (1 + 1e-9)))
    return float(min(plain(size * k) for k in NICE if size * k >= value * (1 - 1e-9)))


def ticks(domain: tuple[float, float], most: int = 6) -> list[float]:
    """Round values inside a domain, its ends included where they are round."""
    low, high = domain
    size = step(low, high, most)
    first = math.ceil(low / size - 1e-9)
    return [plain(k * size) for k in range(first, math.floor(high / size + 1e-9) + 1)]


def log_ticks(domain: tuple[float, float], most: int = 6) -> list[float]:
    """Powers of ten inside a domain, with 2 and 5 times them where there is room, fewer where there is none."""
    low, high = domain
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        found = [plain(f * 10.0**p) for p in powers for f in factors]
        inside = [v for v in found if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]


def digits(values: Sequence[float]) -> int:
    """Decimals that tell ticks apart: none for whole numbers that go beyond one, else at least one."""
    if all(abs(v - round(v)) < 1e-9 for v in values) and max((abs(v) for v in values), default=0) > 1:
        return 0
    near = 1e-6 * max((abs(v) for v in values), default=0)
    return next((d for d in range(1, 9) if all(abs(v - round(v, d)) <= near for v in values)), 9)
