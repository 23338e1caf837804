"""A map whose positions go on in further bands, as the lines of a text do; it knows pixels, no value."""

from __future__ import annotations

import json
from typing import Any

from layergrid.charts import frame as shared
from layergrid.charts.axes import Axes
from layergrid.charts.frame import Frame


def transform(sizes: Frame) -> list[dict[str, Any]]:
    """Vega transforms after the flattening of `at`, the index of a position: the pixels of each cell."""
    per, step, row = sizes.per, round(sizes.step, 4), round(sizes.row, 4)
    order = [sizes.rows.index(i) for i in range(len(sizes.grid.layers))]
    numbers = json.dumps(sizes.numbers)
    return [
        {"calculate": f"(datum.at % {per}) * {step}", "as": "a"},
        {"calculate": f"datum.a + {step}", "as": "b"},
        {
            "calculate": f"floor(datum.at / {per}) * {sizes.pitch} + "
            f"{json.dumps(order)}[indexof({numbers}, datum.layer)] * {row}",
            "as": "c",
        },
        {"calculate": f"datum.c + {row}", "as": "d"},
        {"calculate": f"datum.a + {round(sizes.step / 2, 4)}", "as": "middle"},
        {"calculate": f"datum.c + {round(sizes.row / 2, 4)}", "as": "centre"},
    ]


def encodings() -> dict[str, Any]:
    """The encodings of a cell by its pixels."""
    return {"x": shared.pixels("a"), "x2": {"field": "b"}, "y": shared.pixels("c"), "y2": {"field": "d"}}


def middle() -> dict[str, Any]:
    """The encodings of the middle of a cell."""
    return {"x": shared.pixels("middle"), "y": shared.pixels("centre")}


def axes(axes_: Axes) -> list[dict[str, Any]]:
    """Layer numbers at the left of every band, labels of positions below it, with ticks where some have no label."""
    sizes, theme = axes_.sizes, axes_.theme
    grid, size = sizes.grid, axes_.position_label
    numbers, ticks = [], []
    for band in range(sizes.bands):
        for i in sizes.ticks:
            y = band * sizes.pitch + (sizes.rows.index(i) + 0.5) * sizes.row
            numbers.append((str(sizes.numbers[i]), -6.0, y))
            ticks.append((-3.0, y, 0.0, y))
    labels = []
    for j in axes_.shown:
        x, y = sizes.corner(sizes.rows[-1], j) if grid.layers else (0.0, 0.0)
        labels.append((sizes.labels[j], x + sizes.step / 2, y + sizes.row + 5))
        if axes_.thinned:
            ticks.append((x + sizes.step / 2, y + sizes.row, x + sizes.step / 2, y + sizes.row + 3))
    face = theme.faces["token" if sizes.face == "mono" else "figure"]
    rules = {
        "data": {"values": [dict(zip("abcd", (round(v, 2) for v in tick), strict=True)) for tick in ticks]},
        "mark": {"type": "rule", "stroke": theme.colour("secondary"), "strokeWidth": 0.6, "tooltip": None},
        "encoding": {"x": shared.pixels("a"), "y": shared.pixels("b"), "x2": {"field": "c"}, "y2": {"field": "d"}},
    }
    small = min(theme.sizes["label"], 9.0)
    return [
        rules,
        shared.text_marks(theme, numbers, align="right", fontSize=small),
        shared.text_marks(theme, labels, align="right", angle=270, fontSize=size, font=face),
    ]
