"""What the charts of one grid share: sizes, axes, names as shown, families of positions; it draws nothing itself."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from layergrid import text
from layergrid.artifacts import Grid, GridResult, Results
from layergrid.kinds import BadInput
from layergrid.theme import Theme, faces

WIDTH = 634  # pixels at 96 dpi: the column of an A4 page
TOP = 26  # above the plot: the colour bar's title
LEFT = 42  # layer numbers and their title
BAR_GAP, BAR, BAR_LABELS = 14, 11, 32
WIDEST_MAP = 336  # beside a profile
WIDEST_ALONE = WIDTH - LEFT - BAR_GAP - BAR - BAR_LABELS
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # the name of a language, never fetched

Order = Literal["top", "bottom"]


def pick(results: Results, name: str, chart: str) -> GridResult:
    """The grid that a chart draws: the named one, or the only one; raises BadInput."""
    known = [one.grid.name for one in results.grids]
    if not name and len(known) == 1:
        return results.grids[0]
    if name in known:
        return results.grids[known.index(name)]
    near = text.nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    raise BadInput(f"figures: {chart} needs `grid`, one of {text.listed(known) or 'none'}, not {name!r}{hint}")


def family(position: str) -> str:
    """What a position counts from: "answer" (the exact answer), "end" (the end, -8 to -1) or "other"."""
    if re.fullmatch(r"-\d+", position):
        return "end"
    return "answer" if position.startswith("exact_answer") else "other"


def shown_name(name: str, limit: int = 36) -> str:
    """A position's name as figures print it: only bundled glyphs, the middle of a very long one left out."""
    name = faces.printable(name, "sans")
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def shown_names(names: Sequence[str]) -> list[str]:
    """Names as shown, still distinct."""
    found: list[str] = []
    for name in names:
        shown, k = shown_name(name), 2
        while shown in found:
            shown, k = f"{shown_name(name)} ({k})", k + 1
        found.append(shown)
    return found


def compact(value: float) -> float | None:
    """A number for the page's data: short, rounding as it did before to two digits, None where it is not finite."""
    if not math.isfinite(value):
        return None
    for digits in (4, 6, 9):
        short = round(float(value), digits)
        if f"{short:.2f}" == f"{value:.2f}" and not _tie(short):
            return short
    return float(f"{value:.2f}")


def _tie(value: float) -> bool:
    """Whether a value lies midway between two hundredths, where other languages round away from zero."""
    return (value * 200) % 2 == 1


@dataclass(frozen=True)
class Frame:
    """Sizes of the charts of one grid, so that the map and the profile beside it share their layer axis."""

    grid: Grid
    layers_from: int
    layer_order: Order
    tick: int
    plot: float  # the theme's height for a grid of many layers

    @cached_property
    def row(self) -> float:
        """Height of a layer."""
        n = max(1, len(self.grid.layers))
        return max(3.6, min(22.0 if n > 1 else 40.0, self.plot / n))

    @property
    def height(self) -> int:
        """Height of the plot."""
        return round(self.row * max(1, len(self.grid.layers)))

    @property
    def alone(self) -> bool:
        """Whether the grid is so wide that its profile stands below instead of beside it."""
        return len(self.grid.positions) > 30

    @cached_property
    def step(self) -> float:
        """Width of a position."""
        widest = WIDEST_ALONE if self.alone else WIDEST_MAP
        return min(36.0, widest / max(1, len(self.grid.positions)))

    @property
    def width(self) -> int:
        """Width of the map."""
        return round(self.step * max(1, len(self.grid.positions)))

    @property
    def names(self) -> list[str]:
        """Positions as shown, left to right."""
        return shown_names(self.grid.positions)

    @property
    def rows(self) -> list[int]:
        """Indices of the grid's layers from the top row down."""
        n = range(len(self.grid.layers))
        return list(n if self.layer_order == "top" else reversed(n))

    @property
    def numbers(self) -> list[int]:
        """Layer numbers as shown, in the grid's order."""
        return [layer + self.layers_from for layer in self.grid.layers]

    @property
    def ticks(self) -> list[int]:
        """Indices of the layers that get a tick: every `tick`-th, more sparsely where labels would touch."""
        every = self.tick
        while every * self.row < 9:
            every += self.tick
        first = self.grid.layers[0] if self.grid.layers else 0
        return [i for i, layer in enumerate(self.grid.layers) if (layer - first) % every == 0]

    @property
    def total(self) -> int:
        """Width of the map with its axis and colour bar."""
        return LEFT + self.width + BAR_GAP + BAR + BAR_LABELS


def frame(grid: Grid, theme: Theme, layers_from: int, layer_order: Order, tick: int) -> Frame:
    """The frame of a grid in a theme."""
    return Frame(grid, layers_from, layer_order, tick, theme.sizes["plot"])


def peak(grid: Grid) -> tuple[int, int] | None:
    """Indices of the cell of most claim: the highest, or the lowest where less is more; None where none has a value."""
    if not grid.has_value.any():
        return None
    sign = 1.0 if grid.quantity.higher_is == "more" else -1.0
    values = np.where(grid.has_value, sign * grid.value, -np.inf)
    i, j = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(i), int(j)


def text_mark(theme: Theme, string: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """A layer that writes one string at pixels of the plot."""
    mark = {"type": "text", "text": string, "font": theme.faces["figure"], "fontSize": theme.sizes["label"],
            "baseline": "middle", "align": "left", "color": theme.colour("ink"), **more}  # fmt: skip
    return {"data": {"values": [{}]}, "mark": mark, "encoding": {"x": {"value": x}, "y": {"value": y}}}


def text_marks(theme: Theme, rows: Sequence[tuple[str, float, float]], **more: Any) -> dict[str, Any]:
    """A layer that writes many strings, each at its pixels of the plot: (string, x, y)."""
    mark = {"type": "text", "font": theme.faces["figure"], "fontSize": theme.sizes["label"], "baseline": "middle",
            "align": "left", "color": theme.colour("ink"), **more}  # fmt: skip
    values = [{"text": string, "left": round(x, 2), "top": round(y, 2)} for string, x, y in rows]
    encoding = {"x": pixels("left"), "y": pixels("top"), "text": {"field": "text", "type": "nominal"}}
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def pixels(name: str) -> dict[str, Any]:
    """The encoding of a field that already holds pixels."""
    return {"field": name, "type": "quantitative", "scale": None, "axis": None}


def outer(theme: Theme, width: int, height: int, padding: tuple[float, float, float, float]) -> dict[str, Any]:
    """The top of every specification; padding is left, top, right, bottom, and nothing is measured at run time."""
    left, top, right, bottom = padding
    return {
        "$schema": SCHEMA,
        "config": theme.vega(),
        "width": width,
        "height": height,
        "autosize": {"type": "none", "contains": "content"},
        "padding": {"left": left, "top": top, "right": right, "bottom": bottom},
        "background": "transparent",
    }


def checked(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification, as it is, once Altair's schema of Vega-Lite has accepted it as a whole.

    (Building the chart from Altair's objects checks every part on its own and takes five times as long.)
    """
    from altair.vegalite.v6.schema.core import TopLevelLayerSpec

    TopLevelLayerSpec.validate(spec)
    return spec
