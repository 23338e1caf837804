"""Draws a grid by layer, as the chart kind `profile` asks for it; it knows no page and computes no statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergrid import text
from layergrid.artifacts import Facet, Figure, Grid, Results
from layergrid.charts import colourbar, lines, names
from layergrid.charts import frame as shared
from layergrid.charts import scale as scales
from layergrid.charts.frame import TOP, WIDE, WIDTH, Frame
from layergrid.charts.lines import Plot
from layergrid.kinds import BadInput
from layergrid.theme import Theme, faces

if TYPE_CHECKING:
    from layergrid.charts.profile import Profile

MOST = 4
AXIS, RIGHT, BELOW = 34, 10, 36  # pixels left, right and below of the plot
LOW = 128  # pixels: the height of a profile below a transposed map


def draw(chart: Profile, results: Results, theme: Theme) -> Figure:
    """The profile as one Vega-Lite specification of fixed size; its layer axis is that of the grid's map."""
    one = shared.pick(results, chart.grid, "profile")
    grid = one.grid
    sizes = shared.frame(grid, theme, chart.layers_from, chart.layer_order, chart.tick, chart.transpose, False)
    chosen = tuple(_chosen(chart, grid))
    reference = next((facet for facet in grid.facets if facet.role == "reference"), None)
    drawn = _drawn(grid, chosen, reference)
    log = chart.domain is None and scales.logarithmic(grid, scales.finite(grid))
    domain = chart.domain or _domain(grid, drawn, log)
    width, height = (sizes.width, LOW) if chart.transpose else (_plot_width(sizes), sizes.height)
    left, right = (sizes.left, sizes.right) if chart.transpose else (_left(sizes, theme), RIGHT)
    plot = Plot(one, sizes, theme, chosen, domain, log, width, height, 6 if chart.transpose else RIGHT, reference)
    rules = _rules(grid, domain)
    layers = [
        lines.empty(plot),
        *(layer for rule in rules for layer in lines.rule(plot, *rule)),
        *lines.lines(plot),
        *lines.named(plot, [value for value, _, _ in rules]),
        *lines.titles(plot, colourbar.title(grid.quantity.name, grid.quantity.unit), left, chart.layer_title),
    ]
    spec = {
        "usermeta": {"layergrid": {"note": lines.note(plot)}},
        **shared.outer(theme, width, height, (left, TOP, right, BELOW)),
        "layer": layers,
    }
    return Figure(
        name=f"{grid.name}.profile",
        grid=grid.name,
        title=f"{grid.quantity.name} by layer",
        alternative=f"Line chart of {text.visible(grid.name)}: {grid.quantity.name} by layer at "
        f"{text.listed(plot.titles) or 'no position'}.",
        spec=spec,
        width=left + width + right,
        height=TOP + height + BELOW,
    )


def _chosen(chart: Profile, grid: Grid) -> list[int]:
    """Indices of the positions to draw; raises BadInput for one that the grid lacks."""
    for name in chart.positions:
        if name not in grid.positions:
            near = text.nearest(name, grid.positions)
            hint = f"; did you mean {near!r}?" if near else f"; it has {text.listed(grid.positions)}"
            raise BadInput(f"figures: profile: grid {grid.name!r} has no position {name!r}{hint}")
    if chart.positions:
        return [grid.positions.index(name) for name in chart.positions]
    return telling(grid)


def telling(grid: Grid) -> list[int]:
    """The position of the highest cell, the highest of each other family, then the next highest; at most four.

    In a contrast the cells furthest from zero count as highest.
    """
    sign = 1.0 if grid.quantity.higher_is == "more" else -1.0
    values = np.where(grid.has_value, np.abs(grid.value) if grid.contrast else sign * grid.value, -np.inf)
    heights = values.max(axis=0) if len(grid.layers) else np.zeros(0)
    order = sorted((j for j in range(len(grid.positions)) if np.isfinite(heights[j])), key=lambda j: -heights[j])
    first: dict[str, int] = {}
    for j in order:
        first.setdefault(names.family(grid.positions[j]), j)
    heads = list(first.values())
    return [*heads, *(j for j in order if j not in heads)][:MOST]


def _left(sizes: Frame, theme: Theme) -> int:
    """Room for the layer numbers."""
    widest = max((faces.width(str(n), "sans", theme.sizes["label"]) for n in sizes.numbers), default=0.0)
    return max(AXIS, round(widest) + 12)


def _plot_width(sizes: Frame) -> int:
    """Beside the map where it leaves room, else across the page below it."""
    free = (WIDE if sizes.wide else WIDTH) - (0 if sizes.alone else sizes.total + 6)
    return min(420, max(150, free - AXIS - RIGHT))


def _drawn(grid: Grid, chosen: tuple[int, ...], reference: Facet | None) -> list[float]:
    """All finite values that the profile draws."""
    columns = list(chosen)
    parts = [np.where(grid.has_value, grid.value, np.nan), grid.low, grid.high]
    parts += [reference.value] if reference is not None else []
    return [float(v) for part in parts for v in np.ravel(part[:, columns]) if np.isfinite(v)]


def _domain(grid: Grid, drawn: list[float], log: bool) -> tuple[float, float]:
    """Round ends around all that is drawn, the level of no information included."""
    if log:
        positive = [v for v in drawn if v > 0]
        return scales.decades(min(positive), max(positive))
    values = [*drawn, *(value for value in (_level(grid),) if value is not None)]
    if not drawn:
        return scales.natural_domain(grid)
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), scales.TINY):
        half = max(0.05, 0.1 * abs(low))
        low, high = low - half, low + half
    step = scales.step(low, high, 6)
    return scales.plain(np.floor(low / step * 2 + 1e-9) * step / 2), scales.plain(
        np.ceil(high / step * 2 - 1e-9) * step / 2
    )


def _level(grid: Grid) -> float | None:
    """The value of no information: no difference in a contrast, chance elsewhere; None where there is none."""
    return 0.0 if grid.contrast else grid.quantity.chance


def _rules(grid: Grid, domain: tuple[float, float]) -> list[tuple[float, str, bool]]:
    """Straight lines: the level of no information, dashed and named, or zero where the axis goes across it."""
    level = _level(grid)
    if level is not None:
        return [(level, "no difference" if grid.contrast else "chance", True)]
    return [(0.0, "", False)] if domain[0] < 0 < domain[1] else []
