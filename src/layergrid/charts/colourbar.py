"""The colour scale of a map and its bar; it knows sizes and colours, no cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Grid
from layergrid.charts import frame as shared
from layergrid.charts.frame import BAR, BAR_GAP, Frame
from layergrid.theme import Theme

RECTS = 64


def colour(field: str, stops: tuple[str, ...], domain: tuple[float, float]) -> dict[str, Any]:
    """The encoding of a value by the stops, evenly over the domain; values outside take the colour of the end."""
    scale = {
        "domain": [round(float(x), 6) for x in np.linspace(*domain, len(stops))],
        "range": list(stops), "clamp": True, "interpolate": "rgb",
    }  # fmt: skip
    return {"field": field, "type": "quantitative", "scale": scale, "legend": None}


def step(low: float, high: float, most: int) -> float:
    """The least of 1, 2 and 5 times a power of ten that divides a range into at most so many parts."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * k for k in (1, 2, 5, 10) if size * k >= rough * 0.999)


def ticks(domain: tuple[float, float], most: int = 6) -> list[float]:
    """Round values inside a domain, its ends included where they are round."""
    low, high = domain
    size = step(low, high, most)
    first = math.ceil(low / size - 1e-9)
    return [round(k * size, 10) for k in range(first, math.floor(high / size + 1e-9) + 1)]


def digits(values: list[float]) -> int:
    """Decimals that tell ticks apart: one where that does."""
    return next((d for d in (1, 2, 3, 4) if all(abs(v - round(v, d)) < 1e-9 for v in values)), 4)


def labels(values: list[float], grid: Grid, domain: tuple[float, float]) -> list[str]:
    """One decimal where that tells the ticks apart, more where not; a clamped end gets its sign."""
    decimals = digits(values)
    found = grid.value[grid.has_value]
    below, above = bool((found < domain[0]).any()), bool((found > domain[1]).any())
    words = []
    for value in values:
        sign = "\N{LESS-THAN OR EQUAL TO}" if below and abs(value - domain[0]) < 1e-9 else ""
        sign = "\N{GREATER-THAN OR EQUAL TO}" if above and abs(value - domain[1]) < 1e-9 else sign
        words.append(sign + text.number(value, decimals))
    return words


def draw(
    grid: Grid, sizes: Frame, theme: Theme, stops: tuple[str, ...], domain: tuple[float, float]
) -> list[dict[str, Any]]:
    """The bar as tall as the map: plain rects, because gradients vanish in some PDF viewers; its title stands above."""
    left, height = sizes.width + BAR_GAP, sizes.height
    low, high = domain
    edges = [height - k * height / RECTS for k in range(RECTS + 1)]
    rects = [
        {"value": round(low + (high - low) * (k + 0.5) / RECTS, 6), "top": round(edges[k + 1], 2),
         "bottom": round(edges[k], 2)}
        for k in range(RECTS)
    ]  # fmt: skip
    encoding = colour("value", stops, domain)
    bar = {
        "data": {"values": rects},
        "mark": {"type": "rect", "strokeWidth": 0.5, "tooltip": None},
        "encoding": {
            "x": {"value": left}, "x2": {"value": left + BAR}, "y": shared.pixels("top"),
            "y2": {"field": "bottom"}, "fill": encoding, "stroke": encoding,
        },
    }  # fmt: skip
    values = ticks(domain, max(2, min(6, height // 24)))
    words = labels(values, grid, domain)
    places = [height * (high - value) / (high - low) for value in values]
    x = left + BAR + 6
    written = shared.text_marks(theme, [(word, x, y) for word, y in zip(words, places, strict=True)])
    title = {"fontWeight": 600, "fontSize": theme.sizes["title"], "align": "left"}
    name = shared.text_mark(theme, text.visible(grid.quantity.name), left - 2, -14, **title)
    return [bar, _ticks(left + BAR, places, theme), written, name]


def _ticks(x: float, places: list[float], theme: Theme) -> dict[str, Any]:
    return {
        "data": {"values": [{"top": round(y, 2)} for y in places]},
        "mark": {"type": "rule", "stroke": theme.colour("secondary"), "strokeWidth": 0.6},
        "encoding": {"x": {"value": x}, "x2": {"value": x + 3}, "y": shared.pixels("top")},
    }
