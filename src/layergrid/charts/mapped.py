"""Draws the map of a grid, as the chart kind `heatmap` asks for it; it knows no page and computes no statistic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid import text
from layergrid.artifacts import CellStatus, Figure, Grid, GridResult, Ints, Results
from layergrid.charts import bands, colourbar, marks, names
from layergrid.charts import frame as shared
from layergrid.charts import scale as scales
from layergrid.charts.axes import Axes
from layergrid.charts.frame import BAR_GAP, TOP, Frame
from layergrid.charts.scale import Scale
from layergrid.facts.view import View
from layergrid.kinds import BadInput
from layergrid.theme import Theme

if TYPE_CHECKING:
    from layergrid.charts.heatmap import Heatmap

BAR_MOST = 440  # pixels: the tallest colour bar


def draw(chart: Heatmap, results: Results, theme: Theme) -> Figure:
    """The map with its colour bar as one Vega-Lite specification of fixed size."""
    one = shared.pick(results, chart.grid, "heatmap")
    grid = one.grid
    sizes = shared.frame(grid, theme, chart.layers_from, chart.layer_order, chart.tick, chart.transpose)
    token = chart.token_title or names.position_word(grid)
    axes = Axes(sizes, theme, text.visible(chart.layer_title), text.visible(token))
    scale = scales.of(grid, theme, chart.scheme, chart.domain)
    title = text.visible(chart.legend_title) or colourbar.title(grid.quantity.name, grid.quantity.unit)
    bar = colourbar.Bar(sizes.width + BAR_GAP, min(sizes.height, BAR_MOST), title, -sizes.left)
    start = -sizes.left + 20 if sizes.transpose else 0.0
    top = max(TOP, round(colourbar.above(bar, theme)))
    notes = marks.wrapped(marks.notes(grid, scale), theme, sizes.width + sizes.right - start)
    below = sizes.height + axes.depth
    bottom = axes.depth + marks.LINE * len(notes)
    layers = [
        *_cells(one, sizes, axes, theme, scale),
        *marks.hatching(grid, sizes, theme),
        *marks.boxes(_runs(chart, grid), sizes, theme),
        *marks.diamond(grid, sizes, theme, scale),
        *colourbar.draw(bar, theme, scale, scales.finite(grid)),
        *axes.titles(),
        *(bands.axes(axes) if sizes.bands > 1 else []),
        *marks.legend(notes, theme, start, below),
    ]
    about = said(grid, sizes, View(one).digits, _tells(grid))
    spec = {
        "usermeta": {"layergrid": {"note": _note(chart, sizes, axes, scale), **_places(sizes), **about}},
        **shared.outer(theme, sizes.width, sizes.height, (sizes.left, top, sizes.right, bottom)),
        "layer": layers,
    }
    where = f"layer and {names.position_word(grid).lower()}"
    return Figure(
        name=f"{grid.name}.heatmap",
        grid=grid.name,
        title=f"{text.capital(grid.quantity.name)} by {where}",
        alternative=f"Heatmap of {text.visible(grid.name)}: {grid.quantity.name} by {where}.",
        spec=spec,
        width=round(sizes.total),
        height=round(top + sizes.height + bottom),
    )


def _note(chart: Heatmap, sizes: Frame, axes: Axes, scale: Scale) -> str:
    """What the box holds, a scale that is no plain one, labels left out, layers that text numbers otherwise."""
    grid = sizes.grid
    whole = names.whole_labels(grid)
    runs = [[whole[i] for i in (a, b)] for a, b in _runs(chart, grid)]
    words = [a if a == b else f"{a} to {b}" for a, b in runs]
    said = [f"Box: {text.listed(words)}."] if words else []
    if scale.log:
        said.append(scales.SAID)
    if sizes.bands > 1:
        said.append(f"The columns go on from band to band, {sizes.per} in each.")
    if axes.thinned:
        said.append(f"One label in {axes.shown[1] if len(axes.shown) > 1 else len(grid.positions)} is shown.")
    if sizes.shift < 0:
        said.append("Blocks are numbered from 0 in the figure, as in published ones, and from 1 in text and tables.")
    elif sizes.shift:
        said.append(f"Layers are numbered from {sizes.shift} in the figure, from 0 in text and tables.")
    return " ".join(said)


def _runs(chart: Heatmap, grid: Grid) -> list[tuple[int, int]]:
    """Runs of neighbouring positions inside the box; raises BadInput where a glob matches none."""
    for glob in chart.box:
        if not any(fnmatchcase(name, glob) for name in grid.positions):
            known = text.listed(grid.positions[:40])
            raise BadInput(f"figures: heatmap: box {glob!r} matches no position of grid {grid.name!r}: {known}")
    inside = [i for i, name in enumerate(grid.positions) if any(fnmatchcase(name, glob) for glob in chart.box)]
    return text.runs(inside)


def _places(sizes: Frame) -> dict[str, Any]:
    """How a page finds a cell: layers in the order drawn, sizes of a layer and of a position, which goes across."""
    across = "layer" if sizes.transpose else "position"
    found = {"order": sizes.rows, "step": round(sizes.step, 4), "row": round(sizes.row, 4), "across": across}
    return found | ({"per": sizes.per, "pitch": sizes.pitch} if sizes.bands > 1 else {})


def said(grid: Grid, sizes: Frame, digits: int, tells: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What a page says of a cell: the grid's own names and numbers, the fields of a row of data with their titles."""
    shown = {"labels": names.whole_labels(grid)} if grid.labels else {}
    shift = {"shift": sizes.shift} if sizes.shift else {}
    told = {"tells": [[field, text.visible(title)] for field, title in tells], "digits": digits}
    return {"grid": grid.name, "layers": list(grid.layers), "positions": sizes.names, **shown, **shift, **told}


def _cells(one: GridResult, sizes: Frame, axes: Axes, theme: Theme, scale: Scale) -> list[dict[str, Any]]:
    """Cells with a value, each stroked in its own colour so that no hairline shows; grey ones; dots; the two axes."""
    grid, colour = one.grid, scale.colour("value")
    dots = marks.dots(grid, scale)
    data, transform = _data(one, sizes, dots)
    places = axes.encodings() if sizes.bands == 1 else bands.encodings()
    middle = places if sizes.bands == 1 else bands.middle()
    encoding = {**places, "tooltip": _tooltip(grid)}
    grey = theme.colour("missing")
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "isValid(datum.value)"}],
            "mark": {"type": "rect", "strokeWidth": 0.7},
            "encoding": {**encoding, "fill": colour, "stroke": colour},
        }
    ]
    if not grid.has_value.all():
        layers.append(
            {
                "transform": [{"filter": "!isValid(datum.value)"}],
                "mark": {"type": "rect", "strokeWidth": 0.7, "fill": grey, "stroke": grey},
                "encoding": encoding,
            }
        )
    layers += marks.dotted(dots, sizes, theme, scale, middle)
    return [{"data": data, "transform": transform, "layer": layers}]


def _data(one: GridResult, sizes: Frame, dots: Ints) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row a layer with arrays over positions, and the transforms that flatten them and word the tooltip."""
    grid, digits = one.grid, View(one).digits
    kept = shared.fine(scales.finite(grid), digits)
    arrays: dict[str, list[list[Any]]] = {
        name: [[shared.compact(v, digits, kept) for v in row] for row in values]
        for name, values in (
            ("value", np.where(grid.has_value, grid.value, np.nan)), ("low", grid.low), ("high", grid.high),
        )
    }  # fmt: skip
    arrays |= {
        "n": grid.n.tolist(),
        "positive": grid.n_positive.tolist(),
        "dot": dots.tolist(),
        "status": grid.status.tolist(),
        "note": [
            [marks.status_words(s, r) for s, r in zip(a, b, strict=True)]
            for a, b in zip(grid.status, grid.reason, strict=True)
        ],
    }
    transform: list[dict[str, Any]] = [{"calculate": json.dumps(sizes.names), "as": "position"}]
    fields = ["position"]
    if sizes.bands > 1:
        transform.append({"calculate": json.dumps(list(range(len(grid.positions)))), "as": "at"})
        fields.append("at")
    if grid.labels:
        transform.append({"calculate": json.dumps(names.whole_labels(grid)), "as": "label"})
        fields.append("label")
    constants = []
    for name, rows in arrays.items():
        if name != "value" and len({json.dumps(v) for row in rows for v in row}) == 1:
            constants.append({"calculate": json.dumps(rows[0][0]), "as": name})
        else:
            fields.append(name)
    own = [name for name in fields if name in arrays]
    values = [{"layer": sizes.numbers[i], **{name: arrays[name][i] for name in own}} for i in range(len(grid.layers))]
    shown = f"isValid(datum.value) ? {shared.estimate(digits)} : 'no value'"
    transform += [{"flatten": fields}, *constants, {"calculate": shown, "as": "shown"}]
    transform += bands.transform(sizes) if sizes.bands > 1 else []
    return {"values": values}, transform


def _tooltip(grid: Grid) -> list[dict[str, Any]]:
    return [{"field": field, "type": "nominal", "title": text.visible(title)} for field, title in _tells(grid)]


def _tells(grid: Grid) -> list[tuple[str, str]]:
    """The fields of a cell that the page tells, with their titles."""
    percent = f", {round(100 * grid.level)} % interval" if np.isfinite(grid.low).any() else ""
    quantity = colourbar.title(grid.quantity.name, grid.quantity.unit)
    shown = [("label", "token")] if grid.labels else []
    shown += [("position", "position"), ("layer", "layer"), ("shown", quantity + percent)]
    if (grid.n > 1).any():
        shown.append(("n", "n"))
    if grid.quantity.positive and (grid.n_positive > 0).any():
        shown.append(("positive", f"of which {grid.quantity.positive}"))
    if not (grid.status == CellStatus.OK.value).all():
        shown.append(("note", "status"))
    return shown
