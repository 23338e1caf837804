"""Draws sources by targets of a transfer, as the chart kind `matrix` asks for it; it computes no statistic.

Where cells are wide enough their values are printed, and no bar of colours is needed; else each map has one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Bools, Bounded, Figure, Matrix, Results
from layergrid.charts import colourbar, marks, names
from layergrid.charts import frame as shared
from layergrid.charts.frame import BAR, BAR_GAP, BAR_LABELS, WIDTH
from layergrid.charts.scale import Scale, luminance, rounded_up
from layergrid.facts.matrices import AT, NOUNS
from layergrid.kinds import BadInput
from layergrid.theme import Theme, faces

if TYPE_CHECKING:
    from layergrid.charts.matrix import MatrixMap

HEAD, APART, TITLE = 20, 26, 17  # pixels: a map's title; between maps; an axis' title
LARGEST, TALLEST = 62.0, 30.0  # width and height of a cell, at most
PRINTED = 21.0  # width of a cell in which a value can be printed
BESIDE = 6  # domains up to which both maps stand side by side
DIGITS, MARGIN = 2, 4  # decimals of a value; pixels right of the maps


@dataclass(frozen=True)
class Small:
    """One of the maps: its numbers and colours."""

    title: str
    found: Bounded
    scale: Scale
    sure: Bools  # [S, T]: the interval leaves out what says nothing: chance, or zero
    pale: tuple[bool, ...]  # of each stop of the colours: a value stands out better in the pale colour


@dataclass(frozen=True)
class Sizes:
    """Where the maps stand, in pixels."""

    matrix: Matrix
    theme: Theme
    maps: int

    @cached_property
    def labels(self) -> list[str]:
        """Domains as the axes show them."""
        return names.distinct([names.shown_name(text.visible(one), 26) for one in self.matrix.names])

    @cached_property
    def longest(self) -> float:
        """The longest label."""
        return max(faces.width(word, "sans", self.theme.sizes["label"]) for word in self.labels)

    @property
    def beside(self) -> bool:
        """Whether the maps stand side by side; else one above the other."""
        return self.maps > 1 and len(self.labels) <= BESIDE

    @property
    def left(self) -> int:
        """Pixels left of the maps."""
        return round(self.longest) + 10 + TITLE

    @cached_property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell."""
        across = 2 if self.beside else 1
        bars = 0 if self.beside else BAR_GAP + BAR + BAR_LABELS
        wide = (WIDTH - self.left - (across - 1) * APART - max(bars, MARGIN)) / across / len(self.labels)
        wide = min(LARGEST, wide)
        return round(wide, 2), round(min(TALLEST, max(wide, 9.0)), 2)

    @property
    def printed(self) -> bool:
        """Whether values are printed in the cells."""
        return self.cell[0] >= PRINTED

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of one map."""
        return self.cell[0] * len(self.labels), self.cell[1] * len(self.labels)

    @property
    def upright(self) -> bool:
        """Whether labels of targets stand upright, because cells are narrower than they are."""
        return self.longest > self.cell[0] - 4

    @property
    def below(self) -> float:
        """Pixels below a map."""
        return (self.longest + 10 if self.upright else 17) + TITLE

    def place(self, k: int) -> tuple[float, float]:
        """Left and top of the k-th map."""
        if self.beside:
            return round(k * (self.size[0] + APART), 2), 0.0
        return 0.0, round(k * (self.size[1] + self.below + HEAD), 2)

    @property
    def whole(self) -> tuple[int, int]:
        """Width and height of all maps, the first title and the last labels apart."""
        x, y = self.place(self.maps - 1)
        return round(x + self.size[0]), round(y + self.size[1])

    @property
    def right(self) -> int:
        """Pixels right of the maps."""
        return MARGIN if self.printed else BAR_GAP + BAR + BAR_LABELS


def paler(theme: Theme, scheme: str) -> tuple[bool, ...]:
    """Of each stop of a scheme whether figures on it are pale: where their contrast is the better one in both modes."""
    light, dark = theme.schemes[scheme]

    def least(role: str, k: int) -> float:
        return min(_contrast(theme.light[role], light[k]), _contrast(theme.dark[role], dark[k]))

    return tuple(least("pale", k) > least("ink", k) for k in range(len(light)))


def _contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def pick(results: Results, name: str) -> Matrix:
    """The matrix that a chart draws: the named one, or the only one; raises BadInput."""
    known = [one.name for one in results.matrices]
    if not name and len(known) == 1:
        return results.matrices[0]
    if name in known:
        return results.matrices[known.index(name)]
    near = text.nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    raise BadInput(f"figures: matrix needs `transfer`, one of {text.listed(known) or 'none'}, not {name!r}{hint}")


def draw(chart: MatrixMap, results: Results, theme: Theme) -> Figure:
    """Both maps as one Vega-Lite specification of fixed size."""
    matrix = pick(results, chart.transfer)
    maps = _maps(chart, matrix, theme)
    sizes = Sizes(matrix, theme, len(maps))
    width, height = sizes.whole
    layers = [_cells(maps, sizes, theme), _diagonal(sizes, theme), *_words(maps, sizes, theme)]
    if not sizes.printed:
        for k, one in enumerate(maps):
            layers += _bar(one, sizes, theme, sizes.place(k)[1])
    top, bottom = HEAD + 6, round(sizes.below)
    about = {
        "grid": matrix.name, "layers": list(range(len(sizes.labels))), "positions": list(sizes.labels),
        "tells": [[field, text.visible(title)] for field, title in _tells(matrix)], "digits": DIGITS,
        "order": list(range(len(sizes.labels))), "step": sizes.cell[0], "row": sizes.cell[1], "across": "position",
        "maps": [[*sizes.place(k), one.title] for k, one in enumerate(maps)], "columns": 2 if sizes.beside else 1,
    }  # fmt: skip
    spec = {
        "usermeta": {"layergrid": {"note": _note(maps, sizes), **about}},
        **shared.outer(theme, width, height, (sizes.left, top, sizes.right, bottom)),
        "layer": layers,
    }
    nouns = NOUNS[matrix.over]
    return Figure(
        name=f"{matrix.name}.matrix", grid=matrix.name, title=f"{matrix.quantity.name} by {nouns} of training and "
        "of scoring", alternative=f"Matrix of {text.visible(matrix.name)}.", spec=spec,
        width=sizes.left + width + sizes.right, height=round(top + height + bottom),
    )  # fmt: skip


def _maps(chart: MatrixMap, matrix: Matrix, theme: Theme) -> list[Small]:
    """Raw values, and differences from the best baseline where some target has one."""
    chance = matrix.quantity.chance or 0.5
    scheme = chart.scheme or theme.families["chance"]
    raw, gap = matrix.raw, matrix.over_baseline
    with np.errstate(invalid="ignore"):
        sure = np.asarray((raw.low > chance) | (raw.high < chance))
        apart = np.asarray((gap.low > 0) | (gap.high < 0))
    found = [Small(matrix.quantity.name, raw, Scale(*chart.domain, theme.scheme(scheme), False), sure,
                   paler(theme, scheme))]  # fmt: skip
    values = gap.value[np.isfinite(gap.value)]
    if chart.baseline and values.size:
        end = max(0.05, rounded_up(float(np.abs(values).max())))
        sides = theme.families["two_sided"]
        scale = Scale(-end, end, theme.scheme(sides), False)
        found.append(Small("less the best baseline", gap, scale, apart, paler(theme, sides)))
    return found


def _note(maps: Sequence[Small], sizes: Sizes) -> str:
    """What marks mean."""
    said = []
    if sizes.printed:
        what = "chance, or zero" if len(maps) > 1 else "chance"
        said.append(f"Bold: the interval leaves out {what}.")
    if any(not np.isfinite(one.found.value).all() for one in maps):
        said.append("Grey: no value.")
    return " ".join(said)


def _tells(matrix: Matrix) -> list[tuple[str, str]]:
    """The fields of a cell that the page tells, with their titles."""
    at = AT[matrix.over]
    found = [("map", "map"), ("source", f"trained {at}"), ("position", f"scored {at}"),
             ("shown", f"{matrix.quantity.name}, {round(100 * matrix.level)} % interval"), ("n", "n"),
             ("positive", f"of which {matrix.quantity.positive}")]  # fmt: skip
    found += [("baseline", "best baseline")] if any(matrix.best) else []
    return [*found, ("note", "status")] if not matrix.has_value.all() else found


# ---------------------------------------------------------------- layers


def _rows(maps: Sequence[Small], sizes: Sizes) -> list[dict[str, Any]]:
    """One row of data a map and source, with the pixels of its first cell and arrays over targets."""
    matrix, rows = sizes.matrix, []
    for k, one in enumerate(maps):
        kept = shared.fine(one.found.value[np.isfinite(one.found.value)], DIGITS)
        left, top = sizes.place(k)
        for s, name in enumerate(sizes.labels):
            row: dict[str, Any] = {
                "map": one.title, "source": name, "left": left, "top": round(top + s * sizes.cell[1], 2),
            }  # fmt: skip
            for part in ("value", "low", "high"):
                row[part] = [shared.compact(v, DIGITS, kept) for v in getattr(one.found, part)[s]]
            row["sure"] = one.sure[s].astype(int).tolist()
            row["pale"] = [
                int(np.isfinite(v) and one.pale[one.scale.stops.index(one.scale.stop(float(v)))])
                for v in one.found.value[s]
            ]
            row["n"], row["positive"] = list(matrix.n), matrix.n_positive.tolist()
            row["baseline"] = [_baseline(matrix, t) for t in range(len(sizes.labels))]
            row["note"] = [marks.status_words(a, b) for a, b in zip(matrix.status[s], matrix.reason[s], strict=True)]
            rows.append(row)
    return rows


def _baseline(matrix: Matrix, t: int) -> str:
    found = next((one.label for one in matrix.baselines[t] if one.name == matrix.best[t]), "")
    return text.visible(found)


def _cells(maps: Sequence[Small], sizes: Sizes, theme: Theme) -> dict[str, Any]:
    """All cells of all maps at their pixels, each map in its colours, with their values where there is room."""
    wide, high = sizes.cell
    arrays = ["position", "at", "value", "low", "high", "sure", "pale", "n", "positive", "baseline", "note"]
    shown = f"isValid(datum.value) ? {shared.estimate(DIGITS)} : 'no value'"
    transform: list[dict[str, Any]] = [
        {"calculate": json.dumps(sizes.labels), "as": "position"},
        {"calculate": json.dumps(list(range(len(sizes.labels)))), "as": "at"},
        {"flatten": arrays},
        {"calculate": f"datum.left + datum.at * {wide}", "as": "a"},
        {"calculate": f"datum.a + {wide}", "as": "b"},
        {"calculate": f"datum.top + {high}", "as": "c"},
        {"calculate": f"datum.a + {round(wide / 2, 2)}", "as": "x"},
        {"calculate": f"datum.top + {round(high / 2 + 0.5, 2)}", "as": "y"},
        {"calculate": shown, "as": "shown"},
    ]
    tooltip = [{"field": f, "type": "nominal", "title": word} for f, word in _tells(sizes.matrix)]
    encoding = {"x": shared.pixels("a"), "x2": {"field": "b"}, "y": shared.pixels("top"), "y2": {"field": "c"},
                "tooltip": tooltip}  # fmt: skip
    layers: list[dict[str, Any]] = []
    for one in maps:
        colour = one.scale.colour("value")
        only = f"datum.map === {json.dumps(one.title)}"
        layers.append(
            {
                "transform": [{"filter": f"isValid(datum.value) && {only}"}],
                "mark": {"type": "rect", "strokeWidth": 0.5},
                "encoding": {**encoding, "fill": colour, "stroke": colour},
            }
        )
        layers += [_printed(theme, sizes, only, sure, one.title) for sure in (0, 1)] if sizes.printed else []
    grey = theme.colour("missing")
    mark = {"type": "rect", "strokeWidth": 0.5, "fill": grey, "stroke": grey}
    layers.append({"transform": [{"filter": "!isValid(datum.value)"}], "mark": mark, "encoding": encoding})
    return {
        "data": {"values": _rows(maps, sizes)}, "transform": transform, "layer": layers,
        "resolve": {"scale": {"fill": "independent", "stroke": "independent"}},
    }  # fmt: skip


def _printed(theme: Theme, sizes: Sizes, only: str, sure: int, title: str) -> dict[str, Any]:
    """The values of cells: bold where the interval leaves out what says nothing, pale on strong colours."""
    size = min(theme.sizes["label"] + 0.5, sizes.cell[0] * 0.38, sizes.cell[1] * 0.8)
    mark = {"type": "text", "font": theme.faces["figure"], "fontSize": round(size, 2), "baseline": "middle",
            "align": "center", "fontWeight": 700 if sure else 400, "tooltip": None}  # fmt: skip
    plus = "" if title == sizes.matrix.quantity.name else "+"
    colour = {
        "condition": {"test": "datum.pale === 1", "value": theme.colour("pale")}, "value": theme.colour("ink"),
    }  # fmt: skip
    return {
        "transform": [
            {"filter": f"isValid(datum.value) && datum.sure === {sure} && {only}"},
            {"calculate": f"format(datum.value, '{plus}.{DIGITS}f')", "as": "word"},
        ],
        "mark": mark,
        "encoding": {"x": shared.pixels("x"), "y": shared.pixels("y"), "text": {"field": "word", "type": "nominal"},
                     "color": colour},
    }  # fmt: skip


def _diagonal(sizes: Sizes, theme: Theme) -> dict[str, Any]:
    """A frame around the cells where training and scoring are of one domain."""
    (wide, high), rows = sizes.cell, []
    for k in range(sizes.maps):
        left, top = sizes.place(k)
        rows += [
            {"a": round(left + i * wide + 0.75, 2), "b": round(left + (i + 1) * wide - 0.75, 2),
             "top": round(top + i * high + 0.75, 2), "bottom": round(top + (i + 1) * high - 0.75, 2)}
            for i in range(len(sizes.labels))
        ]  # fmt: skip
    mark = {"type": "rect", "fill": None, "fillOpacity": 0, "stroke": theme.colour("box"), "strokeWidth": 1.5,
            "tooltip": None}  # fmt: skip
    encoding = {"x": shared.pixels("a"), "x2": {"field": "b"}, "y": shared.pixels("top"), "y2": {"field": "bottom"}}
    return {"data": {"values": rows}, "mark": mark, "encoding": encoding}


def _words(maps: Sequence[Small], sizes: Sizes, theme: Theme) -> list[dict[str, Any]]:
    """Titles of the maps and of both axes, and the names of sources and targets."""
    (wide, high), (width, height) = sizes.cell, sizes.size
    noun = " layer" if sizes.matrix.over == "layers" else ""
    at, bold = AT[sizes.matrix.over] + noun, {"fontWeight": 600, "fontSize": theme.sizes["title"]}
    sources, targets, titles, axes, sides = [], [], [], [], []
    for k, one in enumerate(maps):
        left, top = sizes.place(k)
        titles.append((text.capital(one.title), left, top - HEAD / 2))
        axes.append((f"Scored {at}", left + width / 2, top + height + sizes.below - TITLE / 2 + 2))
        targets += [
            (word, left + (i + 0.5) * wide, top + height + (6 if sizes.upright else 11))
            for i, word in enumerate(sizes.labels)
        ]
        if left == 0:
            sources += [(word, left - 6, top + (i + 0.5) * high) for i, word in enumerate(sizes.labels)]
            sides.append((f"Trained {at}", -sizes.left + TITLE / 2 + 1, top + height / 2))
    turned = {"angle": 270, "align": "right"} if sizes.upright else {"align": "center"}
    return [
        shared.text_marks(theme, sources, align="right"),
        shared.text_marks(theme, targets, **turned),
        shared.text_marks(theme, titles, **bold),
        shared.text_marks(theme, axes, align="center", **bold),
        shared.text_marks(theme, sides, align="center", angle=270, **bold),
    ]


def _bar(one: Small, sizes: Sizes, theme: Theme, top: float) -> list[dict[str, Any]]:
    """The bar of a map's colours, where no values are printed."""
    bar = colourbar.Bar(round(sizes.size[0]) + BAR_GAP, round(min(sizes.size[1], 248)), "")
    return [_moved(layer, top) for layer in colourbar.draw(bar, theme, one.scale, one.found.value.ravel())]


def _moved(layer: dict[str, Any], down: float) -> dict[str, Any]:
    """A layer of marks at pixels, moved down."""
    rows = [
        {name: round(v + down, 2) if name in ("top", "bottom") else v for name, v in row.items()}
        for row in layer["data"]["values"]
    ]
    encoding = {
        name: {"value": one["value"] + down} if name in ("y", "y2") and "value" in one else one
        for name, one in layer["encoding"].items()
    }
    return {**layer, "data": {"values": rows}, "encoding": encoding}
