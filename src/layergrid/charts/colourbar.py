"""The bar that explains the colours of a map; it knows sizes and a scale, no cells but those beyond its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layergrid import text
from layergrid.artifacts import Floats
from layergrid.charts import frame as shared
from layergrid.charts import names
from layergrid.charts.frame import BAR, BAR_LABELS
from layergrid.charts.scale import Scale, digits
from layergrid.theme import Theme, faces

RECTS = 64
APART = 11.0  # pixels between the labels of the bar


@dataclass(frozen=True)
class Bar:
    """Where a bar stands: its left side, its height from the top of the plot, and how far left its title may reach.

    `base` is the middle of a title of one line.
    """

    left: float
    height: int
    title: str
    reach: float = 0.0
    base: float = -14.0


def draw(place: Bar, theme: Theme, scale: Scale, values: Floats) -> list[dict[str, Any]]:
    """The bar as plain rects, because gradients vanish in some PDF viewers; its title stands above it."""
    left, height = place.left, place.height
    edges = [height - k * height / RECTS for k in range(RECTS + 1)]
    rects = [
        {"value": shared.short(scale.at((k + 0.5) / RECTS)), "top": round(edges[k + 1], 2),
         "bottom": round(edges[k], 2)}
        for k in range(RECTS)
    ]  # fmt: skip
    encoding = scale.colour("value")
    bar = {
        "data": {"values": rects},
        "mark": {"type": "rect", "strokeWidth": 0.5, "tooltip": None},
        "encoding": {
            "x": {"value": left}, "x2": {"value": left + BAR}, "y": shared.pixels("top"),
            "y2": {"field": "bottom"}, "fill": encoding, "stroke": encoding,
        },
    }  # fmt: skip
    marked = labels(scale, values, height)
    places = [height * (1 - scale.share(value)) for value, _ in marked]
    x, size = left + BAR + 6, theme.sizes["label"]
    widest = max(faces.width(word, "sans", size) for _, word in marked)
    size = round(min(size, max(7.0, size * (BAR_LABELS - 6) / widest)), 2)
    rows = [(word, x, y) for (_, word), y in zip(marked, places, strict=True)]
    written = shared.text_marks(theme, rows, fontSize=size)
    return [bar, _ticks(left + BAR, places, theme), written, *_title(place, theme)]


def labels(scale: Scale, values: Floats, height: float) -> list[tuple[float, str]]:
    """Values to mark, with their words: both ends, and round values between; a clamped end gets its sign.

    A round value too near to an end that is not round gives way to it.
    """
    low, high = scale.domain
    round_ones = scale.ticks(max(2, min(6, int(height // 24))))
    near = APART / max(APART, height)
    kept = [v for v in round_ones if all(abs(scale.share(v) - scale.share(end)) >= near for end in (low, high))]
    decimals = digits([*kept, *(end for end in (low, high) if any(abs(end - v) < 1e-9 for v in round_ones))] or [low])
    below, above = bool((values < low).any()), bool((values > high).any())
    found = []
    for value in (low, *kept, high):
        sign = "\N{LESS-THAN OR EQUAL TO}" if below and value == low else ""
        sign = "\N{GREATER-THAN OR EQUAL TO}" if above and value == high else sign
        plain = abs(value - round(value, decimals)) < 1e-9 and not scale.log and abs(value) < 10_000
        found.append((value, sign + (text.number(value, decimals) if plain else _short(value))))
    return found


def title(name: str, unit: str) -> str:
    """What a bar or a value axis is called: the quantity with its unit."""
    return text.visible(f"{name} ({unit})" if unit else name)


def _short(value: float) -> str:
    """A value that is not on the bar's common decimals: "0.375", "1,000", "50k"."""
    if abs(value) >= 10_000:
        return text.trimmed(value / 1000, 1) + "k"
    return text.trimmed(value, 4)


def aside(place: Bar, theme: Theme) -> bool:
    """Whether the title has room right of the plot, above the bar alone."""
    words, room = faces.printable(place.title, "sans"), BAR + BAR_LABELS + 2
    return faces.width(words, "sans-semibold", theme.sizes["title"]) <= room


def above(place: Bar, theme: Theme) -> float:
    """Pixels above the plot that the title takes."""
    return 12.0 - _heights(place, len(_lines(place, theme)))[0]


def _lines(place: Bar, theme: Theme) -> list[str]:
    """The title in one line, or in as many as a narrow figure needs to hold it whole."""
    size, room = theme.sizes["title"], place.left + BAR + BAR_LABELS - place.reach
    lines = names.lines(faces.printable(place.title, "sans"), room, size)
    return [names.fitting(line, room, size) for line in lines]


def _heights(place: Bar, n: int) -> list[float]:
    """The middle of each line, from the top down: two lines take little more room than one."""
    return [place.base + (0 if n == 1 else 5) - 11 * (n - 1 - k) for k in range(n)]


def _title(place: Bar, theme: Theme) -> list[dict[str, Any]]:
    """The title above the bar, from its left side; a long one ends at the right side of its labels."""
    lines = _lines(place, theme)
    x, align = (place.left - 2, "left") if aside(place, theme) else (place.left + BAR + BAR_LABELS, "right")
    bold = {"fontWeight": 600, "fontSize": theme.sizes["title"], "align": align}
    heights = _heights(place, len(lines))
    return [shared.text_mark(theme, line, x, y, **bold) for line, y in zip(lines, heights, strict=True)]


def _ticks(x: float, places: list[float], theme: Theme) -> dict[str, Any]:
    return {
        "data": {"values": [{"top": round(y, 2)} for y in places]},
        "mark": {"type": "rule", "stroke": theme.colour("secondary"), "strokeWidth": 0.6},
        "encoding": {"x": {"value": x}, "x2": {"value": x + 3}, "y": shared.pixels("top")},
    }
