"""The chart kind `profile`: a grid's value by layer for a few positions; it knows no page and computes no statistic."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
from pydantic import Field

from layergrid import text
from layergrid.artifacts import Figure, Floats, Grid, Results
from layergrid.charts import colourbar, layout
from layergrid.charts import frame as shared
from layergrid.charts.frame import TOP, WIDTH, Frame
from layergrid.kinds import BadInput, ChartKind
from layergrid.theme import Theme, faces

MOST = 4
AXIS, RIGHT, BELOW = 34, 10, 36  # pixels left, right and below of the plot
COLOURS = {"answer": ("accent", "soft", "accent", "soft"), "other": ("counter",) * 4, "end": ("muted",) * 4}


class Profile(ChartKind):
    """Value by layer, the layer axis upright as in the map beside it: a line and an interval band a position.

    Left to itself it draws the position of the highest cell, then the highest position of each other family (exact
    answer, counted from the end, the rest), then the next highest positions, up to four.
    """

    kind: Literal["profile"] = "profile"
    positions: tuple[str, ...] = Field((), description="the positions to draw; left out: four by the rule")
    domain: tuple[float, float] | None = Field(None, description="ends of the value axis; left out: what is drawn")
    tick: int = Field(2, ge=1, description="a tick every so many layers")
    layers_from: Literal[0, 1] = Field(0, description="the number of the first layer as shown")
    layer_order: Literal["top", "bottom"] = Field("top", description="where layer 0 stands")

    def draw(self, results: Results, theme: Theme) -> Figure:
        """The profile as one Vega-Lite specification of fixed size, as high as the map of the same grid."""
        grid = shared.pick(results, self.grid, "profile").grid
        sizes = shared.frame(grid, theme, self.layers_from, self.layer_order, self.tick)
        chosen = self._chosen(grid)
        width = _plot_width(sizes)
        domain = self.domain or _domain(grid, chosen)
        colours = _colours(grid, chosen, theme)
        axes = _encodings(grid, sizes, theme, domain, width)
        layers = [
            _empty(*axes, domain),
            *_chance(grid, sizes, theme, domain, width),
            *_lines(grid, sizes, chosen, colours, axes),
            *_names(grid, sizes, theme, chosen, colours, domain, width),
        ]
        spec = {**shared.outer(theme, width, sizes.height, (AXIS, TOP, RIGHT, BELOW)), "layer": layers}
        return Figure(
            name=f"{grid.name}.profile",
            grid=grid.name,
            title=f"{grid.quantity.name} by layer",
            alternative=f"Line chart of {text.visible(grid.name)}: {grid.quantity.name} by layer at "
            f"{text.listed([text.visible(grid.positions[j]) for j in chosen]) or 'no position'}.",
            spec=shared.checked(spec),
            width=AXIS + width + RIGHT,
            height=TOP + sizes.height + BELOW,
        )

    def _chosen(self, grid: Grid) -> list[int]:
        """Indices of the positions to draw; raises BadInput for one that the grid lacks."""
        for name in self.positions:
            if name not in grid.positions:
                near = text.nearest(name, grid.positions)
                hint = f"; did you mean {near!r}?" if near else f"; it has {text.listed(grid.positions)}"
                raise BadInput(f"figures: profile: grid {grid.name!r} has no position {name!r}{hint}")
        if self.positions:
            return [grid.positions.index(name) for name in self.positions]
        return telling(grid)


def telling(grid: Grid) -> list[int]:
    """The position of the highest cell, the highest of each other family, then the next highest; at most four."""
    sign = 1.0 if grid.quantity.higher_is == "more" else -1.0
    values = np.where(grid.has_value, sign * grid.value, -np.inf)
    heights = values.max(axis=0) if len(grid.layers) else np.zeros(0)
    order = sorted((j for j in range(len(grid.positions)) if np.isfinite(heights[j])), key=lambda j: -heights[j])
    first: dict[str, int] = {}
    for j in order:
        first.setdefault(shared.family(grid.positions[j]), j)
    heads = list(first.values())
    return [*heads, *(j for j in order if j not in heads)][:MOST]


def _plot_width(sizes: Frame) -> int:
    """Beside the map where it leaves room, else across the page below it."""
    free = WIDTH - (0 if sizes.alone else sizes.total + 6)
    return min(420, max(150, free - AXIS - RIGHT))


def _domain(grid: Grid, chosen: list[int]) -> tuple[float, float]:
    """Round ends around all that is drawn, chance included."""
    drawn = [grid.value[:, chosen], grid.low[:, chosen], grid.high[:, chosen]]
    values = [float(v) for part in drawn for v in np.ravel(part) if np.isfinite(v)]
    values += [grid.quantity.chance] if grid.quantity.chance is not None else []
    if not values:
        return (grid.quantity.low or 0.0, grid.quantity.high or 1.0)
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.05, high + 0.05
    step = colourbar.step(low, high, 6)
    return (
        round(np.floor(low / step * 2 + 1e-9) * step / 2, 10),
        round(np.ceil(high / step * 2 - 1e-9) * step / 2, 10),
    )


def _colours(grid: Grid, chosen: list[int], theme: Theme) -> list[str]:
    """Colour means the family of a position: blue the exact answer, orange other tokens, grey those from the end."""
    seen: dict[str, int] = {}
    colours = []
    for j in chosen:
        kind = shared.family(grid.positions[j])
        colours.append(theme.colour(COLOURS[kind][min(3, seen.get(kind, 0))]))
        seen[kind] = seen.get(kind, 0) + 1
    return colours


def _dashes(grid: Grid, chosen: list[int]) -> list[list[float]]:
    """Lines of one colour differ by their dashes."""
    patterns: list[list[float]] = [[1, 0], [5, 2], [2, 1.6], [7, 2, 1.5, 2]]
    seen: dict[str, int] = {}
    found = []
    for j in chosen:
        kind = shared.family(grid.positions[j])
        k = seen.get(kind, 0)
        seen[kind] = k + 1
        found.append(patterns[k // len(set(COLOURS[kind]))])
    return found


def _fitting(name: str, wide: float, size: float) -> str:
    """A name with part of its middle left out where it would cover the plot; its end tells more than its start."""
    kept = name
    for start in range(len(name) // 3, 2, -1):
        if faces.width(kept, "sans-semibold", size) <= wide:
            break
        kept = f"{name[:start]}\N{HORIZONTAL ELLIPSIS}{name[-max(2 * start, 6) :]}"
    return kept


def _encodings(
    grid: Grid, sizes: Frame, theme: Theme, domain: tuple[float, float], width: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Value across and layer down, with their axes; layer numbers stand where the map has them."""
    n = len(grid.layers)
    values = colourbar.ticks(domain, max(2, min(6, width // 22)))
    every = {"labelFlush": False, "labelOverlap": False}
    axis_x = {
        "title": text.visible(grid.quantity.name), "values": values, "format": f",.{colourbar.digits(values)}f",
        "grid": True, "gridColor": theme.colour("grid"), "gridWidth": 0.7, "ticks": False, "labelPadding": 5,
        "titleX": width / 2, "titleY": 26, "titleAnchor": "middle", "titleBaseline": "middle", "orient": "bottom",
        **every,
    }  # fmt: skip
    numbers = "[" + ",".join(f"'{number}'" for number in sizes.numbers) + "]"
    axis_y = {"title": None, "values": sizes.ticks, "labelExpr": f"{numbers}[datum.value]", "labelPadding": 3, **every}
    across = {"domain": list(domain), "nice": False, "zero": False, "clamp": True}
    down = {"domain": [-0.5, n - 0.5], "reverse": sizes.layer_order == "top", "nice": False, "zero": False}
    x = {"field": "value", "type": "quantitative", "scale": across, "axis": axis_x}
    y = {"field": "row", "type": "quantitative", "scale": down, "axis": axis_y}
    return x, y


def _empty(x: dict[str, Any], y: dict[str, Any], domain: tuple[float, float]) -> dict[str, Any]:
    """An unseen mark that carries the axes, so that they stand even where no position has a value."""
    return {
        "data": {"values": [{"value": sum(domain) / 2, "row": 0}]},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": {"x": x, "y": y},
    }


def _chance(grid: Grid, sizes: Frame, theme: Theme, domain: tuple[float, float], width: int) -> list[dict[str, Any]]:
    chance = grid.quantity.chance
    if chance is None or not domain[0] <= chance <= domain[1]:
        return []
    x = round(width * (chance - domain[0]) / (domain[1] - domain[0]), 2)
    rule = {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "stroke": theme.colour("secondary"), "strokeWidth": 0.8, "strokeDash": [3, 2]},
        "encoding": {"x": {"value": x}, "y": {"value": 0}, "y2": {"value": sizes.height}},
    }
    size = theme.sizes["mark"]
    half = faces.width("chance", "sans", size) / 2
    at = max(half - 4, min(width - half, x))
    word = shared.text_mark(theme, "chance", at, -8, align="center", color=theme.colour("secondary"), fontSize=size)
    return [rule, word]


def _lines(
    grid: Grid, sizes: Frame, chosen: list[int], colours: list[str], axes: tuple[dict[str, Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Faint interval bands below, lines above them, the first position on top; lone layers become points."""
    if not chosen:
        return []
    data, transform = _data(grid, sizes, chosen)
    names = [sizes.names[j] for j in chosen]
    backwards = {"domain": names[::-1], "range": colours[::-1]}
    colour = {"field": "position", "type": "nominal", "scale": backwards, "legend": None}
    value, y = axes
    percent = f"{text.visible(grid.quantity.name)}, {round(100 * grid.level)} % interval"
    fields = (("position", "position"), ("layer", "layer"), ("shown", percent), ("n", "n"))
    band = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "orient": "horizontal", "opacity": 0.13, "tooltip": None},
        "encoding": {"x": {**value, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
    }
    dashes = {"domain": names, "range": _dashes(grid, chosen)}
    line = {
        "mark": {"type": "line", "strokeWidth": 1.5, "invalid": "break-paths-show-domains", "strokeJoin": "round",
                 "tooltip": None},
        "encoding": {"x": value, "y": y, "color": colour,
                     "strokeDash": {"field": "position", "type": "nominal", "scale": dashes, "legend": None},
                     "order": {"field": "row", "type": "quantitative"}},
    }  # fmt: skip
    point = {  # seen where no line can be drawn, else only felt by the pointer
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "point", "shape": "circle", "filled": True, "size": 26},
        "encoding": {
            "x": value, "y": y, "color": colour,
            "opacity": {"field": "lone", "type": "quantitative", "legend": None,
                        "scale": {"domain": [0, 1], "range": [0, 1]}},
            "tooltip": [{"field": f, "type": "nominal", "title": title} for f, title in fields],
        },
    }  # fmt: skip
    return [{"data": data, "transform": transform, "layer": [band, line, point]}]


def _data(grid: Grid, sizes: Frame, chosen: list[int]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row a position with arrays over layers; `lone` is 1 where no neighbour has a value for a line to reach."""
    rows = []
    for j in reversed(chosen):
        has = np.concatenate([[False], grid.has_value[:, j], [False]])
        lone = has[1:-1] & ~has[:-2] & ~has[2:]
        valued = np.where(grid.has_value[:, j], grid.value[:, j], np.nan)
        arrays = {"value": valued, "low": grid.low[:, j], "high": grid.high[:, j]}
        rows.append(
            {
                "position": sizes.names[j],
                **{name: [shared.compact(v) for v in values] for name, values in arrays.items()},
                "n": grid.n[:, j].tolist(),
                "lone": lone.astype(int).tolist(),
            }
        )
    between = "isValid(datum.low) && isValid(datum.high)"
    shown = (
        f"format(datum.value, ',.2f') + ({between} ? ' [' + format(datum.low, ',.2f') + ', ' + "
        "format(datum.high, ',.2f') + ']' : '')"
    )
    transform: list[dict[str, Any]] = [
        {"calculate": json.dumps(list(range(len(grid.layers)))), "as": "row"},
        {"calculate": json.dumps(sizes.numbers), "as": "layer"},
        {"flatten": ["row", "layer", "value", "low", "high", "n", "lone"]},
        {"calculate": shown, "as": "shown"},
    ]
    return {"values": rows}, transform


def _names(
    grid: Grid, sizes: Frame, theme: Theme, chosen: list[int], colours: list[str], domain: tuple[float, float],
    width: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Names beside their lines, in their colours, with a short leader where they stand off."""
    size = theme.sizes["mark"]
    low, high = domain

    def curve(values: Floats) -> list[tuple[float, float]]:
        across = [width * (float(v) - low) / (high - low) for v in values]
        return [(across[i], (at + 0.5) * sizes.row) for at, i in enumerate(sizes.rows) if np.isfinite(across[i])]

    curves = [curve(np.where(grid.has_value[:, j], grid.value[:, j], np.nan)) for j in chosen]
    names = [_fitting(sizes.names[j], 0.72 * width, size) for j in chosen]
    boxes = [(faces.width(name, "sans-semibold", size) + 5, size + 4) for name in names]
    chance = curve(np.full(len(grid.layers), np.nan if grid.quantity.chance is None else grid.quantity.chance))
    area = layout.Box(2, 3, width + RIGHT, sizes.height - 3)
    layers = []
    for name, colour, (box, point) in zip(names, colours, layout.beside(curves, boxes, area, [chance]), strict=True):
        middle = (box.top + box.bottom) / 2
        start = layout.rim(box, point)
        if (start[0] - point[0]) ** 2 + (start[1] - point[1]) ** 2 > 36:
            layers.append(_leader(start, point, colour))
        layers.append(
            shared.text_mark(theme, name, round(box.left + 2.5, 1), round(middle, 1), color=colour, fontSize=size,
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
