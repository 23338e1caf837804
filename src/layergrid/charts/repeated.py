"""Draws small maps of a grid, as the chart kind `multiples` asks for them; it knows no page and no statistic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layergrid import text
from layergrid.artifacts import Figure, Floats, Grid, GridResult, Results
from layergrid.charts import colourbar, families, mapped, names, panels
from layergrid.charts import frame as shared
from layergrid.charts import scale as scales
from layergrid.charts.frame import BAR_GAP
from layergrid.charts.panels import Panels
from layergrid.charts.scale import Scale
from layergrid.facts.view import View
from layergrid.kinds import BadInput
from layergrid.theme import Theme

if TYPE_CHECKING:
    from layergrid.charts.multiples import Multiples, Role

MOST, MOST_CELLS = 40, 16_000  # small maps and cells of one figure: a page holds no more, and a browser draws no more
# Role -> part of the figure's name; a member is a grid of a family.
FIGURES = {"head": "heads", "class": "classes", "reference": "references", "member": "family"}
TITLES = {
    "head": "{} by layer and {} in each head", "class": "{} by layer and {} in each class",
    "reference": "{} by layer and {}, beside what it is compared with", "both": "{} by layer and {} in both reports",
    "grids": "{} by layer and {} in both grids",
    "member": "{} by layer and {} in each grid of a matrix",
}  # fmt: skip


@dataclass(frozen=True)
class Small:
    """One small map: its title and its values [L, P]."""

    title: str
    value: Floats


def draw(chart: Multiples, results: Results, theme: Theme) -> Figure:
    """All small maps with one colour bar as one Vega-Lite specification of fixed size."""
    one, role, every = _found(chart, results)
    grid = one.grid
    drawn = _fitting_a_page(every, grid)
    frame = shared.frame(grid, theme, chart.layers_from, chart.layer_order, chart.tick, chart.transpose, False)
    token = chart.token_title or names.position_word(grid)
    sizes = panels.arrange(frame, theme, len(drawn), text.visible(chart.layer_title), text.visible(token))
    values = np.stack([m.value for m in drawn])
    over = one.sides[0].grid if one.sides else _of_one_class(grid) if role == "class" else grid
    scale = scales.of(over, theme, chart.scheme, chart.domain, values)
    title = text.visible(chart.legend_title) or colourbar.title(over.quantity.name, over.quantity.unit)
    words = [m.title for m in drawn]
    bar = colourbar.Bar(sizes.width + BAR_GAP, min(sizes.height, 248), title, -sizes.left)
    if not (colourbar.aside(bar, theme) and sizes.clear(words)):
        bar = replace(bar, base=-panels.HEAD - 8.0)  # above the titles of the maps
    layers = [
        *_cells(drawn, sizes, theme, scale, View(one).digits, title),
        *sizes.titles(words),
        *sizes.axes(),
        *colourbar.draw(bar, theme, scale, scales.finite(grid, values)),
    ]
    note = _note(drawn, every, role, bool(np.isnan(values).any()), scale.log)
    top, bottom = max(panels.ABOVE, round(colourbar.above(bar, theme))), sizes.below
    about = mapped.said(grid, frame, View(one).digits, _tells(grid, title))
    spec = {
        "usermeta": {"layergrid": {"note": note, **_places(sizes, words), **about}},
        **shared.outer(theme, sizes.width, sizes.height, (sizes.left, top, sizes.right, bottom)),
        "layer": layers,
    }
    return Figure(
        name=f"{grid.name}.{FIGURES[role]}",
        grid=grid.name,
        title=TITLES[_told(one, role)].format(text.capital(over.quantity.name), names.position_word(grid).lower()),
        alternative=f"Small heatmaps of {text.visible(grid.name)}: {grid.quantity.name} by layer and "
        f"{names.position_word(grid).lower()}; {text.listed(words)}.",
        spec=spec,
        width=sizes.left + sizes.width + sizes.right,
        height=round(top + sizes.height + bottom),
    )


def _told(one: GridResult, role: str) -> str:
    """Which title the maps have: of a difference both sides, of reports or of grids of one."""
    return role if not one.sides else "grids" if one.grid.settings.get("between") == "grids" else "both"


def _found(chart: Multiples, results: Results) -> tuple[GridResult, Role | Literal["member"], list[Small]]:
    """The grid whose axes the maps have, what they are, and all of them; of a family a map a grid."""
    family = families.named(results, chart.grid)
    if family is None:
        one = shared.pick(results, chart.grid, "multiples")
        role = _role(chart, one.grid)
        return one, role, _maps(chart, one.grid, role)
    if chart.role is not None:
        raise BadInput(f"figures: multiples: {family.name!r} is several grids; remove role {chart.role!r}")
    one, maps = families.as_one(results, family)
    kept = [Small(*found) for found in maps if not chart.show or any(fnmatchcase(found[0], g) for g in chart.show)]
    if not kept:
        known = text.listed([title for title, _ in maps])
        raise BadInput(f"figures: multiples: 'show' matches no map of {family.name!r}: {known}")
    return one, "member", kept


def _role(chart: Multiples, grid: Grid) -> Role:
    """The role that is drawn; raises BadInput where the grid has no such maps."""
    found = [role for role in FIGURES if any(facet.role == role for facet in grid.facets)]
    if not found or (chart.role is not None and chart.role not in found):
        have = f"only {text.listed(found)}" if found else "none at all"
        raise BadInput(f"figures: multiples: grid {grid.name!r} has no maps of role {chart.role or 'any'!r}, {have}")
    return chart.role or found[0]  # type: ignore[return-value]  # the keys of FIGURES are the roles


def _maps(chart: Multiples, grid: Grid, role: Role) -> list[Small]:
    """The maps of a role that `show` names; raises BadInput for a name that none has."""
    facets = [facet for facet in grid.facets if facet.role == role]
    for glob in chart.show:
        if not any(fnmatchcase(facet.name, glob) for facet in facets):
            known = text.listed([facet.name for facet in facets][:40])
            raise BadInput(f"figures: multiples: {glob!r} matches no map of grid {grid.name!r}: {known}")
    kept = [f for f in facets if not chart.show or any(fnmatchcase(f.name, glob) for glob in chart.show)]
    found = [Small(text.visible(f.label), f.value) for f in kept]
    if role == "reference":
        found.insert(0, Small(text.visible(grid.quantity.name), np.where(grid.has_value, grid.value, np.nan)))
    return found


def _of_one_class(grid: Grid) -> Grid:
    """The grid of a contrast as its classes have it: no cell is a difference, and zero stands for nothing."""
    name = grid.quantity.name.removeprefix("difference in ")
    return replace(grid, contrast="", quantity=replace(grid.quantity, name=name, chance=None))


def _fitting_a_page(every: Sequence[Small], grid: Grid) -> list[Small]:
    """The maps, or as many as a page and a browser can draw: those with the highest cells, in their order."""
    most = max(1, min(MOST, MOST_CELLS // max(1, grid.value.size)))
    if len(every) <= most:
        return list(every)
    sign = 1.0 if grid.quantity.higher_is == "more" else -1.0
    highest = [float(np.max(sign * m.value, initial=-np.inf, where=np.isfinite(m.value))) for m in every]
    kept = sorted(sorted(range(len(every)), key=lambda k: -highest[k])[:most])
    return [every[k] for k in kept]


def _note(drawn: Sequence[Small], every: Sequence[Small], role: str, gaps: bool, log: bool) -> str:
    """What the caption adds: one scale, a logarithmic one, maps left out, cells without a value."""
    said = ["All maps are on one scale."] if len(drawn) > 1 else []
    if log:
        said.append(scales.SAID)
    if len(drawn) < len(every):
        what = "grids" if role == "member" else FIGURES[role]
        said.append(f"{len(drawn)} of {len(every)} {what} are shown: those with the highest cells.")
    if gaps:
        said.append("Grey: no value.")
    return " ".join(said)


def _tells(grid: Grid, title: str) -> list[tuple[str, str]]:
    """The fields of a cell that the page tells, with their titles."""
    return [("map", "map"), ("position", "token" if grid.labels else "position"), ("layer", "layer"), ("shown", title)]


def _places(sizes: Panels, words: Sequence[str]) -> dict[str, Any]:
    """How a page finds a cell: as in a single map, with the corner and the title of each map."""
    wide, high = sizes.cell
    turned = sizes.frame.transpose
    step, row = (high, wide) if turned else (wide, high)
    return {
        "order": sizes.frame.rows, "step": round(step, 4), "row": round(row, 4),
        "across": "layer" if turned else "position",
        "maps": [[*sizes.place(k), word] for k, word in enumerate(words)], "columns": sizes.columns,
    }  # fmt: skip


def _rows(drawn: Sequence[Small], sizes: Panels, digits: int) -> list[dict[str, Any]]:
    """One row of data a map and layer, with the pixels of its first cell and an array over positions."""
    kept = shared.fine(np.stack([one.value for one in drawn]), digits)
    rows = []
    for k, one in enumerate(drawn):
        for i, number in enumerate(sizes.frame.numbers):
            left, top = sizes.corner(k, i, 0)
            value = [shared.compact(v, digits, kept) for v in one.value[i]]
            rows.append({"map": one.title, "layer": number, "left": left, "top": top, "value": value})
    return rows


def _cells(
    drawn: Sequence[Small], sizes: Panels, theme: Theme, scale: Scale, digits: int, title: str
) -> list[dict[str, Any]]:
    """All cells of all maps at their pixels."""
    frame, grid, (wide, high) = sizes.frame, sizes.frame.grid, sizes.cell
    rows = _rows(drawn, sizes, digits)
    words = names.whole_labels(grid) if grid.labels else frame.names
    side, along = ("top", "left") if frame.transpose else ("left", "top")
    step, other_step = (high, wide) if frame.transpose else (wide, high)
    transform: list[dict[str, Any]] = [
        {"calculate": json.dumps(list(range(len(words)))), "as": "at"},
        {"calculate": json.dumps(words), "as": "position"},
        {"flatten": ["at", "position", "value"]},
        {"calculate": f"datum.{side} + datum.at * {round(step, 4)}", "as": "a"},
        {"calculate": f"datum.a + {round(step, 4)}", "as": "b"},
        {"calculate": f"datum.{along} + {round(other_step, 4)}", "as": "c"},
        {"calculate": f"isValid(datum.value) ? format(datum.value, ',.{digits}f') : 'no value'", "as": "shown"},
    ]
    ends = (shared.pixels("a"), {"field": "b"}), (shared.pixels(along), {"field": "c"})
    (x, x2), (y, y2) = ends[::-1] if frame.transpose else ends
    tooltip = [{"field": f, "type": "nominal", "title": word} for f, word in _tells(grid, title)]
    encoding = {"x": x, "x2": x2, "y": y, "y2": y2, "tooltip": tooltip}
    colour, grey = scale.colour("value"), theme.colour("missing")
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "isValid(datum.value)"}],
            "mark": {"type": "rect", "strokeWidth": 0.5},
            "encoding": {**encoding, "fill": colour, "stroke": colour},
        },
        {
            "transform": [{"filter": "!isValid(datum.value)"}],
            "mark": {"type": "rect", "strokeWidth": 0.5, "fill": grey, "stroke": grey},
            "encoding": encoding,
        },
    ]
    gaps = any(v is None for row in rows for v in row["value"])
    return [{"data": {"values": rows}, "transform": transform, "layer": layers if gaps else layers[:1]}]
