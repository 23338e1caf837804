"""Lines, bands and names of a profile, layers going down or to the right; it knows pixels and chooses no position."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Facet, Floats, GridResult
from layergrid.charts import colourbar, layout, names
from layergrid.charts import frame as shared
from layergrid.charts.frame import Frame
from layergrid.charts.scale import digits as decimals
from layergrid.charts.scale import finite, log_ticks, place, ticks
from layergrid.facts.view import View
from layergrid.theme import Theme, faces

COLOURS = {"answer": ("accent", "soft", "accent", "soft"), "other": ("counter",) * 4, "end": ("muted",) * 4}
BESIDE = 44  # pixels left of the area: the title of a value axis
DASHES: tuple[tuple[float, ...], ...] = ((1, 0), (5, 2), (2, 1.6), (7, 2, 1.5, 2))


@dataclass(frozen=True)
class Plot:
    """The area of a profile, and the chosen positions in it."""

    one: GridResult
    sizes: Frame
    theme: Theme
    chosen: tuple[int, ...]
    domain: tuple[float, float]
    log: bool
    width: int
    height: int
    right: int  # pixels right of the area that a name may run into
    reference: Facet | None = None  # drawn as a thin second line of each position

    def point(self, at: int, value: float) -> tuple[float, float]:
        """Pixels of a value at the layer that is drawn as the `at`-th."""
        share, along = place(value, self.domain, self.log), (at + 0.5) * self.sizes.row
        return (along, self.height * (1 - share)) if self.sizes.transpose else (self.width * share, along)

    @property
    def titles(self) -> list[str]:
        """What each chosen position is called."""
        grid = self.one.grid
        found = names.distinct(names.labels(grid)) if grid.labels else self.sizes.names
        return [found[j] for j in self.chosen]

    @property
    def _families(self) -> list[tuple[str, int]]:
        """The family of each chosen position, and how many of it come before."""
        kinds = [names.family(self.one.grid.positions[j]) for j in self.chosen]
        return [(kind, kinds[:k].count(kind)) for k, kind in enumerate(kinds)]

    @property
    def colours(self) -> list[str]:
        """Colour means the family of a position: blue the exact answer, orange others, grey the end."""
        return [self.theme.colour(COLOURS[kind][min(3, k)]) for kind, k in self._families]

    @property
    def dashes(self) -> list[list[float]]:
        """Lines of one colour differ by their dashes."""
        return [list(DASHES[min(3, k // len(set(COLOURS[kind])))]) for kind, k in self._families]

    def _format(self, values: Sequence[float]) -> str:
        """How the value axis writes its numbers: thousands as "1k" where there are many powers of ten."""
        if self.log:
            return "~s" if min(values) >= 1 else ",~r"
        return f",.{decimals(values)}f"

    def axes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Encodings of value and layer, with their axes; layer numbers stand where the map has them."""
        grid, sizes = self.one.grid, self.sizes
        room = self.height if sizes.transpose else self.width
        most = max(2, min(6, room // (22 if not sizes.transpose else 26)))
        values = log_ticks(self.domain, most) if self.log else ticks(self.domain, most)
        every = {"labelFlush": False, "labelOverlap": False}
        across = {
            "title": None, "values": values, "grid": True, "gridColor": self.theme.colour("grid"), "gridWidth": 0.7,
            "format": self._format(values), "ticks": False, "labelPadding": 5, **every,
            "orient": "left" if sizes.transpose else "bottom",
        }  # fmt: skip
        numbers = "[" + ",".join(f"'{number}'" for number in sizes.numbers) + "]"
        down: dict[str, Any] = {"title": None, "values": sizes.ticks, "labelExpr": f"{numbers}[datum.value]",
                                "labelPadding": 3, "orient": "left", **every}  # fmt: skip
        if sizes.transpose:
            down |= {"orient": "bottom", "labelAngle": 0, "labelFontSize": round(sizes.layer_label, 2)}
        scale = {"domain": list(self.domain), "nice": False, "clamp": True}
        scale |= {"type": "log"} if self.log else {"zero": False}
        top = not sizes.transpose and sizes.layer_order == "top"
        rows = {"domain": [-0.5, len(grid.layers) - 0.5], "reverse": top, "nice": False, "zero": False}
        return (
            {"field": "value", "type": "quantitative", "scale": scale, "axis": across},
            {"field": "row", "type": "quantitative", "scale": rows, "axis": down},
        )


def encoding(plot: Plot, value: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """Value and layer as x and y, or as y and x."""
    return {"x": layer, "y": value} if plot.sizes.transpose else {"x": value, "y": layer}


def empty(plot: Plot) -> dict[str, Any]:
    """An unseen mark that carries the axes, so that they stand even where no position has a value."""
    return {
        "data": {"values": [{"value": plot.domain[1], "row": 0}]},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": encoding(plot, *plot.axes()),
    }


def titles(plot: Plot, name: str, left: int, layer_title: str) -> list[dict[str, Any]]:
    """The title of the value axis; where layers go across, theirs as well."""
    size = plot.theme.sizes["title"]
    bold = {"align": "center", "fontWeight": 600, "fontSize": size}
    if not plot.sizes.transpose:
        wide = faces.width(name, "sans-semibold", size)
        at = max(min(plot.width / 2, plot.width + plot.right - wide / 2), wide / 2 - left)
        return [shared.text_mark(plot.theme, name, round(at, 1), plot.height + 26, **bold)]
    name = names.fitting(name, plot.height + 40, size)
    return [
        shared.text_mark(plot.theme, name, max(-left + 9, -BESIDE), plot.height / 2, angle=270, **bold),
        shared.text_mark(plot.theme, layer_title, plot.width / 2, plot.height + 27, **bold),
    ]


def rule(plot: Plot, value: float, word: str, dashed: bool) -> list[dict[str, Any]]:
    """A line at a value with its word beyond the area's end; none where the value lies outside."""
    share = place(value, plot.domain, plot.log)
    if not 0 <= share <= 1:
        return []
    theme, size = plot.theme, plot.theme.sizes["mark"]
    stroke = {"type": "rule", "stroke": theme.colour("secondary"), "strokeWidth": 0.8 if dashed else 0.6}
    stroke |= {"strokeDash": [3, 2]} if dashed else {}
    grey = {"color": theme.colour("secondary"), "fontSize": size}
    if plot.sizes.transpose:
        y = round(plot.height * (1 - share), 2)
        ends = {"x": {"value": 0}, "x2": {"value": plot.width}, "y": {"value": y}}
        said = shared.text_mark(theme, word, plot.width + 4, y, **grey)
    else:
        x = round(plot.width * share, 2)
        ends = {"x": {"value": x}, "y": {"value": 0}, "y2": {"value": plot.height}}
        half = faces.width(word, "sans", size) / 2
        at = max(half - 4, min(plot.width + plot.right - half, x))
        said = shared.text_mark(theme, word, at, -8, align="center", **grey)
    line = {"data": {"values": [{}]}, "mark": stroke, "encoding": ends}
    return [line, said] if word else [line]


def lines(plot: Plot) -> list[dict[str, Any]]:
    """Faint interval bands below, lines above them, the first position on top; lone layers become points."""
    if not plot.chosen:
        return []
    grid, (value, layer) = plot.one.grid, plot.axes()
    data, transform = _data(plot)
    colour = {"field": "position", "type": "nominal", "legend": None,
              "scale": {"domain": plot.titles[::-1], "range": plot.colours[::-1]}}  # fmt: skip
    dash = {"field": "position", "type": "nominal", "legend": None,
            "scale": {"domain": plot.titles, "range": plot.dashes}}  # fmt: skip
    order = {"field": "row", "type": "quantitative"}
    percent = f", {round(100 * grid.level)} % interval" if np.isfinite(grid.low).any() else ""
    quantity = colourbar.title(grid.quantity.name, grid.quantity.unit) + percent
    fields = [("position", "position"), ("layer", "layer"), ("shown", quantity)]
    fields += [("n", "n")] if (grid.n > 1).any() else []
    sides = encoding(plot, {**value, "field": "low"}, layer)
    sides["y2" if plot.sizes.transpose else "x2"] = {"field": "high"}
    stroke = {"type": "line", "invalid": "break-paths-show-domains", "strokeJoin": "round", "tooltip": None}
    band = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "orient": "vertical" if plot.sizes.transpose else "horizontal", "opacity": 0.13,
                 "tooltip": None},
        "encoding": {**sides, "color": colour},
    }  # fmt: skip
    line = {
        "mark": {**stroke, "strokeWidth": 1.5},
        "encoding": {**encoding(plot, value, layer), "color": colour, "strokeDash": dash, "order": order},
    }
    second_line = {
        "mark": {**stroke, "strokeWidth": 0.9, "strokeDash": [1.5, 1.5], "opacity": 0.9},
        "encoding": {**encoding(plot, {**value, "field": "reference"}, layer), "color": colour, "order": order},
    }
    point = {  # seen where no line can be drawn, else only felt by the pointer
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "point", "shape": "circle", "filled": True, "size": 26},
        "encoding": {
            **encoding(plot, value, layer), "color": colour,
            "opacity": {"field": "lone", "type": "quantitative", "legend": None,
                        "scale": {"domain": [0, 1], "range": [0, 1]}},
            "tooltip": [{"field": f, "type": "nominal", "title": title} for f, title in fields],
        },
    }  # fmt: skip
    drawn = [band, *([second_line] if plot.reference is not None else []), line, point]
    return [{"data": data, "transform": transform, "layer": drawn}]


def _data(plot: Plot) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row a position with arrays over layers; `lone` is 1 where no neighbour has a value for a line to reach."""
    grid, digits = plot.one.grid, View(plot.one).digits
    kept = shared.fine(finite(grid), digits)
    rows = []
    for j, title in reversed(list(zip(plot.chosen, plot.titles, strict=True))):
        has = np.concatenate([[False], grid.has_value[:, j], [False]])
        lone = has[1:-1] & ~has[:-2] & ~has[2:]
        valued = np.where(grid.has_value[:, j], grid.value[:, j], np.nan)
        arrays = {"value": valued, "low": grid.low[:, j], "high": grid.high[:, j]}
        if plot.reference is not None:
            arrays["reference"] = plot.reference.value[:, j]
        rows.append(
            {
                "position": title,
                **{name: [shared.compact(v, digits, kept) for v in values] for name, values in arrays.items()},
                "n": grid.n[:, j].tolist(),
                "lone": lone.astype(int).tolist(),
            }
        )
    fields = [name for name in rows[0] if name != "position"]
    transform: list[dict[str, Any]] = [
        {"calculate": json.dumps(list(range(len(grid.layers)))), "as": "row"},
        {"calculate": json.dumps(plot.sizes.numbers), "as": "layer"},
        {"flatten": ["row", "layer", *fields]},
        {"calculate": shared.estimate(digits), "as": "shown"},
    ]
    return {"values": rows}, transform


def named(plot: Plot, constants: Sequence[float]) -> list[dict[str, Any]]:
    """Names beside their lines, in their colours, with a short leader where they stand off; clear of straight lines."""
    grid, size = plot.one.grid, plot.theme.sizes["mark"]

    def curve(values: Floats) -> list[tuple[float, float]]:
        rows = plot.sizes.rows
        return [plot.point(at, float(values[i])) for at, i in enumerate(rows) if np.isfinite(values[i])]

    curves = [curve(np.where(grid.has_value[:, j], grid.value[:, j], np.nan)) for j in plot.chosen]
    straight = [curve(np.full(len(grid.layers), value)) for value in constants]
    second = [] if plot.reference is None else [curve(plot.reference.value[:, j]) for j in plot.chosen]
    words = [names.fitting(name, 0.72 * plot.width, size) for name in plot.titles]
    boxes = [(faces.width(word, "sans-semibold", size) + 5, size + 4) for word in words]
    area = layout.Box(2, 3, plot.width + plot.right, plot.height - 3)
    layers = []
    placed = layout.beside(curves, boxes, area, [*straight, *second])
    for word, colour, (box, point) in zip(words, plot.colours, placed, strict=True):
        middle = (box.top + box.bottom) / 2
        start = layout.rim(box, point)
        if (start[0] - point[0]) ** 2 + (start[1] - point[1]) ** 2 > 36:
            layers.append(_leader(start, point, colour))
        layers.append(
            shared.text_mark(plot.theme, word, round(box.left + 2.5, 1), round(middle, 1), color=colour, fontSize=size,
                             fontWeight=600, tooltip=None)
        )  # fmt: skip
    return layers


def _leader(start: tuple[float, float], end: tuple[float, float], colour: str) -> dict[str, Any]:
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "stroke": colour, "strokeWidth": 0.6, "opacity": 0.8},
        "encoding": {
            "x": {"value": round(start[0], 1)}, "y": {"value": round(start[1], 1)},
            "x2": {"value": round(end[0], 1)}, "y2": {"value": round(end[1], 1)},
        },
    }  # fmt: skip


def note(plot: Plot) -> str:
    """What the thin lines are, and a value axis that is no plain one, for the caption."""
    said = [] if plot.reference is None else [f"Dotted: {text.visible(plot.reference.label)}."]
    return " ".join([*said, *(["The value axis is logarithmic."] if plot.log else [])])
