"""What the charts of one grid share: sizes, axes, names as shown, families of positions; it draws nothing itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from layergrid import text
from layergrid.artifacts import Bools, Floats, Grid, GridResult, Results
from layergrid.charts import names
from layergrid.kinds import BadInput
from layergrid.theme import Theme, faces

WIDTH = 634  # pixels at 96 dpi: the column of an A4 page
WIDE = 896  # pixels: what a landscape page of A4 and of Letter holds
TOP = 26  # above the plot: the colour bar's title
LEFT = 42  # layer numbers and their title
BAR_GAP, BAR, BAR_LABELS = 14, 11, 32
WIDEST_MAP, WIDER_MAP = 336, 596  # beside a profile, on an upright page and on a landscape one
BESIDE_MOST, BAND_MOST = 30, 72  # positions that leave room for a profile beside them; that stand in one band
ACROSS_MOST = 64  # positions that have labels of full size beside a profile on a landscape page
BANDS_HEIGHT, BAND_LEAST, BAND_GAP = 420, 3.2, 14  # pixels: all bands of cells; a layer in them; between bands
PITCH = 9.2  # pixels of a layer where each has a number
TALLEST, DEEPEST = 420, 840  # pixels: a plot where each layer has a number; one of many positions, down the page
SMALLEST = 6.0  # pixels: a label that can still be read
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


def fine(values: Floats, decimals: int) -> int:
    """Digits after the point that keep four significant ones of the largest value, and two more than are printed."""
    found = np.abs(values[np.isfinite(values)])
    largest = float(found.max()) if found.size else 1.0
    return max(decimals + 2, min(12, 3 - math.floor(math.log10(max(largest, 1e-12)))))


def compact(value: float, decimals: int = 2, digits_kept: int = 4) -> float | None:
    """A number for the page's data: short, rounding as it did before to so many decimals; None where not finite."""
    if not math.isfinite(value):
        return None
    for digits in (digits_kept, digits_kept + 2, digits_kept + 5):
        short_one = round(float(value), digits)
        if f"{short_one:.{decimals}f}" == f"{value:.{decimals}f}" and not _tie(short_one, decimals):
            return short_one
    return float(f"{value:.{decimals}f}")


def _tie(value: float, decimals: int) -> bool:
    """Whether a value lies midway between two that are shown, where other languages round away from zero."""
    return bool((value * 2 * 10**decimals) % 2 == 1)


def estimate(digits: int) -> str:
    """A Vega expression that writes `datum.value` with its interval from `low` to `high`, where it has one."""
    one = f"format(datum.{{}}, ',.{digits}f')"
    value, low, high = (one.format(name) for name in ("value", "low", "high"))
    between = "isValid(datum.low) && isValid(datum.high)"
    return f"{value} + ({between} ? ' [' + {low} + ', ' + {high} + ']' : '')"


def short(value: float) -> float:
    """A number with six significant digits."""
    return float(f"{float(value):.6g}")


@dataclass(frozen=True)
class Frame:
    """Sizes of the charts of one grid, so that the map and the profile beside it share their layer axis.

    Layers go down and positions to the right; transposed, layers go to the right, the first at the left, and positions
    down. `row` is the size of a layer and `step` that of a position, whichever way they go. Many positions go on in
    further bands below the first, as the lines of a text do.
    """

    grid: Grid
    layers_from: int
    layer_order: Order
    tick: int
    plot: float  # the theme's height for a grid of many layers
    label: float  # the theme's size of axis labels
    transpose: bool = False
    in_bands: bool = True  # whether many positions may go on in further bands

    @cached_property
    def bands(self) -> int:
        """How many bands the positions take: as many as leave every label readable, while a page holds them."""
        n, layers = len(self.grid.positions), max(1, len(self.grid.layers))
        if self.transpose or not self.in_bands or n <= BAND_MOST:
            return 1
        one = max(40.0, BAND_LEAST * layers) + self.reach + BAND_GAP
        return max(1, min(math.ceil(n / BAND_MOST), int(DEEPEST / one)))

    @cached_property
    def per(self) -> int:
        """Positions in a band."""
        return max(1, math.ceil(len(self.grid.positions) / self.bands))

    @cached_property
    def reach(self) -> float:
        """Pixels that the longest label of a position takes beside the plot."""
        size = self.label if self.transpose else min(self.label, 8.0)
        return max((faces.width(word, self.face, size) for word in self.labels), default=0.0) + 8

    @property
    def band(self) -> float:
        """Height of the cells of a band."""
        return self.row * max(1, len(self.grid.layers))

    @property
    def pitch(self) -> float:
        """From the top of a band to that of the next."""
        return round(self.band + self.reach + BAND_GAP, 2)

    @cached_property
    def row(self) -> float:
        """Size of a layer."""
        n = max(1, len(self.grid.layers))
        if self.transpose:
            return min(24.0 if n > 1 else 40.0, (WIDTH - self.left - self.right) / n)
        if self.bands > 1:
            return max(BAND_LEAST, min(22.0, BANDS_HEIGHT / self.bands / n))
        least = min(PITCH, TALLEST / n) if self.tick == 1 else 3.6
        return max(least, min(22.0 if n > 1 else 40.0, self.plot / n))

    @cached_property
    def step(self) -> float:
        """Size of a position."""
        n = max(1, len(self.grid.positions))
        if self.transpose:
            return min(17.0 if n > 1 else 40.0, DEEPEST / n)
        widest = WIDTH - LEFT - self.right if self.alone else WIDER_MAP if self.wide else WIDEST_MAP
        return min(26.0 if self.grid.text_of else 36.0, widest / self.per)

    @cached_property
    def width(self) -> int:
        """Width of the map."""
        return round(self.row * max(1, len(self.grid.layers)) if self.transpose else self._along)

    @cached_property
    def height(self) -> int:
        """Height of the plot."""
        return round(self._along if self.transpose else (self.bands - 1) * self.pitch + self.band)

    @property
    def _along(self) -> float:
        return self.step * (max(1, len(self.grid.positions)) if self.transpose else self.per)

    @cached_property
    def left(self) -> int:
        """Pixels left of the plot: layer numbers and their title, or names of positions and theirs."""
        if not self.transpose:
            return LEFT
        size = pitched(self.label, min(17.0, DEEPEST / max(1, len(self.grid.positions))))
        longest = max((faces.width(word, self.face, size) for word in self.labels), default=0.0)
        return min(WIDTH // 2, round(longest) + 8 + 20)

    @property
    def right(self) -> int:
        """Pixels right of the plot: the colour bar and its labels."""
        return BAR_GAP + BAR + BAR_LABELS

    @property
    def wide(self) -> bool:
        """Whether map and profile stand side by side across a landscape page: no column bears so many positions."""
        upright = not self.transpose and not self.grid.text_of
        return upright and BESIDE_MOST < len(self.grid.positions) <= ACROSS_MOST

    @property
    def alone(self) -> bool:
        """Whether the map takes the whole width, so that its profile stands below instead of beside it."""
        return self.transpose or bool(self.grid.text_of) or len(self.grid.positions) > ACROSS_MOST

    @cached_property
    def names(self) -> list[str]:
        """Positions as told apart, in the grid's order."""
        return names.shown_names(self.grid.positions)

    @cached_property
    def labels(self) -> list[str]:
        """Positions as the axis shows them; labels of tokens may repeat."""
        return names.labels(self.grid)

    @property
    def face(self) -> str:
        """The face of the positions' labels."""
        return names.face(self.grid)

    @cached_property
    def rows(self) -> list[int]:
        """Indices of the grid's layers from the top down, or from the left to the right."""
        n = range(len(self.grid.layers))
        return list(n if self.transpose or self.layer_order == "top" else reversed(n))

    @property
    def shift(self) -> int:
        """What is added to a layer's number: sites that belong to blocks count from one as they are.

        A grid that follows the published recipe has its blocks counted from 0, as the published figures have.
        """
        blocks = not (0 in self.grid.layers or self.grid.site.endswith("residual"))
        if blocks and self.grid.settings.get("validation") == "parity":
            return -1
        return self.layers_from if 0 in self.grid.layers or self.grid.site.endswith("residual") else 0

    @cached_property
    def numbers(self) -> list[int]:
        """Layer numbers as shown, in the grid's order."""
        return [layer + self.shift for layer in self.grid.layers]

    @cached_property
    def layer_label(self) -> float:
        """Size of the layers' numbers: a little smaller where all that are asked for fit across only so."""
        wide = self._number(self.label) + 2.5
        room = self.tick * self.row
        return self.label if not self.transpose or room >= wide else max(8.0, self.label * room / wide)

    def _number(self, size: float) -> float:
        return max((faces.width(str(number), "sans", size) for number in self.numbers), default=0.0)

    @cached_property
    def ticks(self) -> list[int]:
        """Indices of the layers that get a tick: every `tick`-th, more sparsely where labels would touch."""
        every, room = self.tick, self._number(self.layer_label) + 2 if self.transpose else 9
        while every * self.row < room - 0.01:
            every += self.tick
        first = self.grid.layers[0] if self.grid.layers else 0
        return [i for i, layer in enumerate(self.grid.layers) if (layer - first) % every == 0]

    @property
    def total(self) -> int:
        """Width of the map with its axis and colour bar."""
        return self.left + self.width + self.right

    def corner(self, i: int, j: int) -> tuple[float, float]:
        """Left and top of the cell of layer index `i` and position index `j`."""
        along = self.rows.index(i) * self.row
        if self.transpose:
            return along, j * self.step
        band, column = divmod(j, self.per)
        return column * self.step, band * self.pitch + along

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell."""
        return (self.row, self.step) if self.transpose else (self.step, self.row)


def pitched(size: float, pitch: float) -> float:
    """The size of labels that stand one a pitch, down to the smallest that can be read."""
    return round(min(size, max(SMALLEST, 0.92 * pitch)), 2)


def frame(
    grid: Grid, theme: Theme, layers_from: int, layer_order: Order, tick: int, transpose: bool = False,
    in_bands: bool = True,
) -> Frame:  # fmt: skip
    """The frame of a grid in a theme."""
    plot, label = theme.sizes["plot"], theme.sizes["label"]
    return Frame(grid, layers_from, layer_order, tick, plot, label, transpose, in_bands)


def peak(grid: Grid, among: Bools | None = None) -> tuple[int, int] | None:
    """Indices of the cell of most claim `among` [L, P] some: the highest, or the lowest where less is more, or None."""
    among = grid.has_value if among is None else among & grid.has_value
    if not among.any():
        return None
    sign = 1.0 if grid.quantity.higher_is == "more" else -1.0
    values = np.where(among, sign * grid.value, -np.inf)
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
