"""The chart kind `heatmap`: one grid as a map of layers by positions; it knows no page and computes no statistic."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from layergrid import text
from layergrid.artifacts import HAS_VALUE, Bools, CellStatus, Figure, Grid, Results
from layergrid.charts import colourbar as bar
from layergrid.charts import frame as shared
from layergrid.charts.frame import BAR, BAR_GAP, BAR_LABELS, LEFT, TOP, Frame
from layergrid.kinds import BadInput, ChartKind
from layergrid.theme import Theme, faces

HATCHES = {  # status -> strokes across a cell of side 1, so that statuses differ without colour
    CellStatus.MISSING: ("/",),
    CellStatus.ONE_CLASS: ("\\",),
    CellStatus.TOO_FEW: ("/", "\\"),
    CellStatus.NOT_FINITE: ("|", "-"),
    CellStatus.CONSTANT: ("-",),
    CellStatus.NOT_CONVERGED: ("|",),
}
STROKES = {"/": (0.0, 1.0, 1.0, 0.0), "\\": (0.0, 0.0, 1.0, 1.0), "|": (0.5, 0.0, 0.5, 1.0), "-": (0.0, 0.5, 1.0, 0.5)}
WORDS = {
    CellStatus.MISSING: "no such token", CellStatus.ONE_CLASS: "one class only", CellStatus.TOO_FEW: "too few rows",
    CellStatus.NOT_FINITE: "not finite", CellStatus.CONSTANT: "constant activations",
    CellStatus.NOT_CONVERGED: "not converged",
}  # fmt: skip


class Heatmap(ChartKind):
    """A map of one grid: colour is value; a box around a group, a diamond at the highest, dots inside the noise."""

    kind: Literal["heatmap"] = "heatmap"
    scheme: str = Field("blues", description="a colour scheme of the theme")
    domain: tuple[float, float] | None = Field(
        None, description="values of the two ends of the scale; left out: from chance to the highest possible value"
    )
    box: tuple[str, ...] = Field((), description="names or globs of the positions to draw a black box around")
    tick: int = Field(2, ge=1, description="a tick every so many layers")
    layers_from: Literal[0, 1] = Field(0, description="the number of the first layer as shown")
    layer_order: Literal["top", "bottom"] = Field("top", description="where layer 0 stands")

    @field_validator("box", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("domain")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (np.isfinite(value).all() and value[0] < value[1]):
            raise ValueError("domain must be two finite numbers, the smaller first")
        return value

    def draw(self, results: Results, theme: Theme) -> Figure:
        """The map with its colour bar as one Vega-Lite specification of fixed size."""
        grid = shared.pick(results, self.grid, "heatmap").grid
        sizes = shared.frame(grid, theme, self.layers_from, self.layer_order, self.tick)
        domain = self.domain or natural_domain(grid)
        notes = _notes(grid, domain)
        label = min(theme.sizes["label"], max(5.0, sizes.step * 0.92))
        depth = max((faces.width(name, "sans", label) for name in sizes.names), default=0.0) + 8
        title_at, title_down = _axis_title(sizes, label, theme)
        bottom = max(depth, title_down + 8) + 4 + 17 * len(notes)
        layers = [
            *_cells(grid, sizes, theme, theme.scheme(self.scheme), domain, label),
            *_hatching(grid, sizes, theme),
            *_boxes(self._runs(grid), sizes, theme),
            *_diamond(grid, sizes, theme, theme.scheme(self.scheme), domain),
            *bar.draw(grid, sizes, theme, theme.scheme(self.scheme), domain),
            shared.text_mark(theme, "Token position", title_at, sizes.height + title_down, align="center",
                             fontWeight=600, fontSize=theme.sizes["title"]),
            *_legend(notes, theme, sizes.height + max(depth, title_down + 8) + 4),
        ]  # fmt: skip
        right = BAR_GAP + BAR + BAR_LABELS
        where = {"note": self._note(grid), "order": sizes.rows, "step": sizes.step, "row": sizes.row}
        spec = {
            "usermeta": {"layergrid": where},
            **shared.outer(theme, sizes.width, sizes.height, (LEFT, TOP, right, bottom)),
            "layer": layers,
        }
        return Figure(
            name=f"{grid.name}.heatmap",
            grid=grid.name,
            title=f"{grid.quantity.name} by layer and token position",
            alternative=f"Heatmap of {text.visible(grid.name)}: {grid.quantity.name} by layer and token position.",
            spec=shared.checked(spec),
            width=round(LEFT + sizes.width + right),
            height=round(TOP + sizes.height + bottom),
        )

    def _note(self, grid: Grid) -> str:
        """What the box holds and how layers are numbered where the text numbers them otherwise, for the caption."""
        runs = [[grid.positions[i] for i in (a, b)] for a, b in self._runs(grid)]
        words = [a if a == b else f"{a} to {b}" for a, b in runs]
        said = [f"Box: {text.listed(words)}."] if words else []
        if self.layers_from:
            said.append(f"Layers are numbered from {self.layers_from} in the figure, from 0 in text and tables.")
        return " ".join(said)

    def _runs(self, grid: Grid) -> list[tuple[int, int]]:
        """Runs of neighbouring positions inside the box; raises BadInput where a glob matches none."""
        for glob in self.box:
            if not any(fnmatchcase(name, glob) for name in grid.positions):
                known = text.listed(grid.positions)
                raise BadInput(f"figures: heatmap: box {glob!r} matches no position of grid {grid.name!r}: {known}")
        inside = [i for i, name in enumerate(grid.positions) if any(fnmatchcase(name, glob) for glob in self.box)]
        return text.runs(inside)


def natural_domain(grid: Grid) -> tuple[float, float]:
    """From chance (or the lowest possible value) to the highest possible value; what is unbounded, from the cells."""
    q, values = grid.quantity, grid.value[grid.has_value]
    low = q.chance if q.chance is not None and q.higher_is == "more" else q.low
    low = low if low is not None else (float(values.min()) if values.size else 0.0)
    high = q.high if q.high is not None else (float(values.max()) if values.size else 1.0)
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _notes(grid: Grid, domain: tuple[float, float]) -> list[tuple[CellStatus | None, str]]:
    """Lines below the map: statuses without value, then cells outside of the scale."""
    counts = {status: int((grid.status == status.value).sum()) for status in HATCHES}
    lines: list[tuple[CellStatus | None, str]] = [
        (status, f"{WORDS[status]}: {text.plural(n, 'cell')}") for status, n in counts.items() if n
    ]
    values = grid.value[grid.has_value]
    for n, word, bound in (
        (int((values < domain[0]).sum()), "below", domain[0]),
        (int((values > domain[1]).sum()), "above", domain[1]),
    ):
        if n:
            end = text.number(bound)
            lines.append((None, f"{text.plural(n, 'cell')} {word} {end} drawn in the colour of {end}"))
    return lines


def _cells(
    grid: Grid, sizes: Frame, theme: Theme, stops: tuple[str, ...], domain: tuple[float, float], label: float
) -> list[dict[str, Any]]:
    """Cells with a value, each stroked in its own colour so that no hairline shows; grey ones; dots; the two axes."""
    colour = bar.colour("value", stops, domain)
    data, transform = _data(grid, sizes)
    encoding = {**_axes(sizes, label), "tooltip": _tooltip(grid)}
    grey, muted = theme.colour("missing"), theme.colour("muted")
    side = max(0.8, min(1.9, 0.2 * sizes.row, 0.2 * sizes.step))
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
    if _inside_noise(grid).any():
        layers.append(
            {
                "transform": [{"filter": "datum.dot == 1"}],
                "mark": {"type": "point", "shape": "circle", "filled": True, "fill": muted, "opacity": 0.85,
                         "size": round(side**2, 2), "tooltip": None},
                "encoding": {"x": encoding["x"], "y": encoding["y"]},
            }
        )  # fmt: skip
    return [{"data": data, "transform": transform, "layer": layers}]


def _axes(sizes: Frame, label: float) -> dict[str, Any]:
    numbers = sizes.numbers
    across = {"title": None, "labelAngle": -90, "labelAlign": "right", "labelBaseline": "middle", "ticks": False,
              "labelPadding": 5, "labelFontSize": round(label, 2), "orient": "bottom"}  # fmt: skip
    down = {"title": "Layer", "values": [numbers[i] for i in sizes.ticks], "labelPadding": 3, "format": "d",
            "titleX": -LEFT + 9, "titleY": sizes.height / 2, "titleAngle": -90, "titleBaseline": "middle",
            "titleAnchor": "middle"}  # fmt: skip
    return {
        "x": {"field": "position", "type": "ordinal", "axis": across,
              "scale": {"domain": sizes.names, "padding": 0, "round": False}},
        "y": {"field": "layer", "type": "ordinal", "axis": down,
              "scale": {"domain": [numbers[i] for i in sizes.rows], "padding": 0, "round": False}},
    }  # fmt: skip


def _inside_noise(grid: Grid) -> Bools:
    """Bool [L, P]: tested cells that cannot be told from chance after correction."""
    with np.errstate(invalid="ignore"):
        return grid.has_value & (grid.p_adjusted >= 1 - grid.level - 1e-12)


def _data(grid: Grid, sizes: Frame) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row a layer with arrays over positions, and the transforms that flatten them and word the tooltip."""
    arrays: dict[str, list[list[Any]]] = {
        "value": [[shared.compact(v) for v in row] for row in np.where(grid.has_value, grid.value, np.nan)],
        "low": [[shared.compact(v) for v in row] for row in grid.low],
        "high": [[shared.compact(v) for v in row] for row in grid.high],
        "n": grid.n.tolist(),
        "positive": grid.n_positive.tolist(),
        "dot": _inside_noise(grid).astype(int).tolist(),
        "note": [
            [_note(s, r) for s, r in zip(a, b, strict=True)] for a, b in zip(grid.status, grid.reason, strict=True)
        ],
    }
    transform: list[dict[str, Any]] = [{"calculate": json.dumps(sizes.names), "as": "position"}]
    fields = ["position"]
    constants = []
    for name, rows in arrays.items():
        if name != "value" and len({json.dumps(v) for row in rows for v in row}) == 1:
            constants.append({"calculate": json.dumps(rows[0][0]), "as": name})
        else:
            fields.append(name)
    values = [
        {"layer": sizes.numbers[i], **{name: arrays[name][i] for name in fields[1:]}} for i in range(len(grid.layers))
    ]
    between = "isValid(datum.low) && isValid(datum.high)"
    shown = (
        f"isValid(datum.value) ? format(datum.value, ',.2f') + ({between} ? ' [' + format(datum.low, ',.2f') + ', ' + "
        "format(datum.high, ',.2f') + ']' : '') : 'no value'"
    )
    transform += [{"flatten": fields}, *constants, {"calculate": shown, "as": "shown"}]
    return {"values": values}, transform


def _note(status: str, reason: str) -> str:
    if status == CellStatus.OK.value:
        return ""
    words = WORDS.get(CellStatus(status), "one-sided interval: folds stand at the bound")
    return f"{words}: {text.visible(reason)}" if reason else words


def _tooltip(grid: Grid) -> list[dict[str, Any]]:
    percent = f", {round(100 * grid.level)} % interval"
    shown = [("position", "position"), ("layer", "layer"), ("shown", grid.quantity.name + percent), ("n", "n")]
    if grid.quantity.positive:
        shown.append(("positive", f"of which {grid.quantity.positive}"))
    if not (grid.status == CellStatus.OK.value).all():
        shown.append(("note", "status"))
    return [{"field": field, "type": "nominal", "title": text.visible(title)} for field, title in shown]


def _hatching(grid: Grid, sizes: Frame, theme: Theme) -> list[dict[str, Any]]:
    """Strokes over the cells without a value."""
    segments = []
    for at, i in enumerate(sizes.rows):
        for j in range(len(grid.positions)):
            if str(grid.status[i, j]) not in HAS_VALUE:
                strokes = HATCHES[CellStatus(str(grid.status[i, j]))]
                segments += [_stroke(s, j * sizes.step, at * sizes.row, sizes.step, sizes.row) for s in strokes]
    return [_segments(segments, theme)] if segments else []


def _stroke(name: str, x: float, y: float, width: float, height: float) -> dict[str, float]:
    a, b, c, d = STROKES[name]
    ends = {"a": x + a * width, "b": y + b * height, "c": x + c * width, "d": y + d * height}
    return {key: round(value, 2) for key, value in ends.items()}


def _segments(segments: list[dict[str, float]], theme: Theme) -> dict[str, Any]:
    return {
        "data": {"values": segments},
        "mark": {"type": "rule", "stroke": theme.colour("missing_ink"), "strokeWidth": 0.6},
        "encoding": {
            "x": shared.pixels("a"), "y": shared.pixels("b"), "x2": {"field": "c"}, "y2": {"field": "d"},
        },
    }  # fmt: skip


def _boxes(runs: list[tuple[int, int]], sizes: Frame, theme: Theme) -> list[dict[str, Any]]:
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rect", "filled": False, "stroke": theme.colour("box"), "strokeWidth": 1.2},
            "encoding": {
                "x": {"value": round(a * sizes.step, 2)}, "x2": {"value": round((b + 1) * sizes.step, 2)},
                "y": {"value": 0}, "y2": {"value": sizes.height},
            },
        }
        for a, b in runs
    ]  # fmt: skip


def _diamond(
    grid: Grid, sizes: Frame, theme: Theme, stops: tuple[str, ...], domain: tuple[float, float]
) -> list[dict[str, Any]]:
    """A small diamond at the highest cell, light on a strong colour and dark on a pale one."""
    best = shared.peak(grid)
    if best is None:
        return []
    share = min(1.0, max(0.0, (float(grid.value[best]) - domain[0]) / (domain[1] - domain[0])))
    under = stops[round(share * (len(stops) - 1))]
    ink = theme.colour("pale") if _luminance(under) < 0.42 else theme.colour("box")
    side = max(3.0, min(8.0, 0.55 * sizes.step, 0.8 * sizes.row))
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "point", "shape": "diamond", "filled": False, "stroke": ink, "strokeWidth": 1.1,
                     "size": round(side**2, 1), "opacity": 1},
            "encoding": {"x": {"value": round((best[1] + 0.5) * sizes.step, 2)},
                         "y": {"value": round((sizes.rows.index(best[0]) + 0.5) * sizes.row, 2)}},
        }
    ]  # fmt: skip


def _luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" without the gamma's fine print: 0 black, 1 white."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)


def _axis_title(sizes: Frame, label: float, theme: Theme) -> tuple[float, float]:
    """Where "Token position" stands: below the shortest labels, as near to the middle as they allow (pixels)."""
    depths = [faces.width(name, "sans", label) + 8 for name in sizes.names]
    half = faces.width("Token position", "sans-semibold", theme.sizes["title"]) / 2 + 4
    middle, size = sizes.width / 2, theme.sizes["title"]

    def depth(x: float) -> float:
        reach = [d for j, d in enumerate(depths) if x - half < (j + 1) * sizes.step and j * sizes.step < x + half]
        return max(reach, default=0.0) + size

    places = [middle] if sizes.width < 2 * half else [middle, *np.arange(half, sizes.width - half + 0.5, 2.0)]
    x = min(places, key=lambda place: (round(depth(place)), abs(place - middle)))
    return round(float(x), 1), round(depth(x), 1)


def _legend(notes: list[tuple[CellStatus | None, str]], theme: Theme, top: float) -> list[dict[str, Any]]:
    """A line a note: a swatch with the status's hatching, then words."""
    layers: list[dict[str, Any]] = []
    for k, (status, words) in enumerate(notes):
        y, left = top + 17 * k, 0.0
        if status is not None:
            grey = theme.colour("missing")
            layers.append(
                {
                    "data": {"values": [{}]},
                    "mark": {"type": "rect", "fill": grey, "stroke": grey},
                    "encoding": {"x": {"value": 0}, "x2": {"value": 18}, "y": {"value": y}, "y2": {"value": y + 11}},
                }
            )
            layers.append(_segments([_stroke(s, 0, y, 18, 11) for s in HATCHES[status]], theme))
            left = 24.0
        layers.append(shared.text_mark(theme, words, left, y + 6, color=theme.colour("secondary")))
    return layers
