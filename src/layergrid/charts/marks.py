"""What a map shows beside its colours: hatching, boxes, a diamond, dots and the lines that explain them."""

from __future__ import annotations

from typing import Any

import numpy as np

from layergrid import text
from layergrid.artifacts import HAS_VALUE, Bools, CellStatus, Grid, Ints
from layergrid.charts import frame as shared
from layergrid.charts import names
from layergrid.charts.frame import Frame
from layergrid.charts.scale import Scale, luminance
from layergrid.theme import Theme

HATCHES = {  # status -> strokes across a cell of side 1, so that statuses differ without colour
    CellStatus.MISSING: ("/",),
    CellStatus.ONE_CLASS: ("\\",),
    CellStatus.TOO_FEW: ("/", "\\"),
    CellStatus.NOT_FINITE: ("|", "-"),
    CellStatus.CONSTANT: ("-",),
    CellStatus.NOT_CONVERGED: ("|",),
    CellStatus.LACKING: ("upper /", "lower /"),
    CellStatus.REFERENCE: ("upper -", "lower -"),
    CellStatus.NOT_ATTENDABLE: (),  # half of a square map: plain, so that it steps back
}
STROKES = {
    "/": (0.0, 1.0, 1.0, 0.0), "\\": (0.0, 0.0, 1.0, 1.0), "|": (0.5, 0.0, 0.5, 1.0), "-": (0.0, 0.5, 1.0, 0.5),
    "upper /": (0.0, 0.6, 0.6, 0.0), "lower /": (0.4, 1.0, 1.0, 0.4),
    "upper -": (0.0, 0.34, 1.0, 0.34), "lower -": (0.0, 0.66, 1.0, 0.66),
}  # fmt: skip
WORDS = {
    CellStatus.MISSING: "no such token", CellStatus.ONE_CLASS: "one class only", CellStatus.TOO_FEW: "too few rows",
    CellStatus.NOT_FINITE: "not finite", CellStatus.CONSTANT: "constant activations",
    CellStatus.NOT_CONVERGED: "not converged", CellStatus.LACKING: "no such part in this layer",
    CellStatus.REFERENCE: "compared with itself", CellStatus.NOT_ATTENDABLE: "comes after the token that looks",
}  # fmt: skip
DARK = 0.42  # luminance below which marks on a cell are pale
LINE, SWATCH = 17, 18.0  # pixels of an explaining line; of the piece of hatching before it

Note = tuple[CellStatus | None, str]
Line = tuple[CellStatus | None, str, float]  # of a note: with its swatch, the words, pixels to their left


def status_words(status: str, reason: str) -> str:
    """What the tooltip says of a cell that is not simply ok."""
    if status == CellStatus.OK.value:
        return ""
    words = WORDS.get(CellStatus(status), "one-sided interval: folds stand at the bound")
    return f"{words}: {text.visible(reason)}" if reason else words


def inside_noise(grid: Grid) -> Bools:
    """Bool [L, P]: tested cells that are not above chance after correction; of a contrast, intervals that hold zero."""
    with np.errstate(invalid="ignore"):
        if grid.contrast:
            return np.asarray(grid.has_value & (grid.low <= 0) & (grid.high >= 0))
        low = grid.value <= (grid.quantity.chance or 0.0)
        return grid.has_value & np.isfinite(grid.p_adjusted) & ((grid.p_adjusted >= 1 - grid.level - 1e-12) | low)


def dots(grid: Grid, scale: Scale) -> Ints:
    """Int [L, P]: 1 where a cell inside the noise has a dark dot, 2 where it is dark itself and has a pale one."""
    found = inside_noise(grid).astype(np.int64)
    for i, j in np.argwhere(found > 0):
        found[i, j] += luminance(scale.stop(float(grid.value[i, j]))) < DARK
    return found


def _on(scale: Scale, theme: Theme, role: str) -> str:
    """The colour of a mark on cells. Where the scheme is the same in the dark, the mark's colour is the same there too.

    A page in the dark exchanges the theme's colours by how they are written, and leaves what is written otherwise.
    """
    colour, turned = theme.colour(role), theme.darkened()
    if any(turned.get(stop, stop) != stop for stop in scale.stops):
        return colour
    return "rgb({}, {}, {})".format(*bytes.fromhex(colour.removeprefix("#")))


def dotted(found: Ints, sizes: Frame, theme: Theme, scale: Scale, middle: dict[str, Any]) -> list[dict[str, Any]]:
    """A dot in the `middle` of each cell inside the noise, large enough to be seen in print (0.3 mm)."""
    if not found.any():
        return []
    side = max(1.3, min(2.6, 0.2 * sizes.row, 0.2 * sizes.step))
    fill: dict[str, Any] = {"value": _on(scale, theme, "secondary")}
    if (found == 2).any():
        fill["condition"] = {"test": "datum.dot == 2", "value": _on(scale, theme, "pale")}
    return [
        {
            "transform": [{"filter": "datum.dot > 0"}],
            "mark": {"type": "point", "shape": "circle", "filled": True, "opacity": 0.9, "size": round(side**2, 2),
                     "tooltip": None, "strokeWidth": 0},
            "encoding": {**middle, "fill": fill},
        }
    ]  # fmt: skip


def notes(grid: Grid, scale: Scale) -> list[Note]:
    """Lines below the map: statuses without value, then cells outside of the scale."""
    counts = {status: int((grid.status == status.value).sum()) for status in HATCHES}
    lines: list[Note] = [(status, f"{WORDS[status]}: {text.plural(n, 'cell')}") for status, n in counts.items() if n]
    values = grid.value[grid.has_value]
    for n, word, bound in (
        (int((values < scale.low).sum()), "below", scale.low),
        (int((values > scale.high).sum()), "above", scale.high),
    ):
        if n:
            end = text.number(bound) if round(bound, 2) == bound else text.trimmed(bound)
            lines.append((None, f"{text.plural(n, 'cell')} {word} {end} drawn in the colour of {end}"))
    return lines


def hatching(grid: Grid, sizes: Frame, theme: Theme) -> list[dict[str, Any]]:
    """Strokes over the cells without a value."""
    segments = []
    for i in sizes.rows:
        for j in range(len(grid.positions)):
            if str(grid.status[i, j]) not in HAS_VALUE:
                strokes = HATCHES[CellStatus(str(grid.status[i, j]))]
                segments += [_stroke(s, *sizes.corner(i, j), *sizes.cell) for s in strokes]
    return [_segments(segments, theme)] if segments else []


def _stroke(name: str, x: float, y: float, width: float, height: float) -> dict[str, float]:
    a, b, c, d = STROKES[name]
    ends = {"a": x + a * width, "b": y + b * height, "c": x + c * width, "d": y + d * height}
    return {key: round(value, 2) for key, value in ends.items()}


def _segments(segments: list[dict[str, float]], theme: Theme) -> dict[str, Any]:
    return {
        "data": {"values": segments},
        "mark": {"type": "rule", "stroke": theme.colour("missing_ink"), "strokeWidth": 0.6, "tooltip": None},
        "encoding": {
            "x": shared.pixels("a"), "y": shared.pixels("b"), "x2": {"field": "c"}, "y2": {"field": "d"},
        },
    }  # fmt: skip


def boxes(runs: list[tuple[int, int]], sizes: Frame, theme: Theme) -> list[dict[str, Any]]:
    """A black line around each run of neighbouring positions, over all layers."""
    found = []
    per = len(sizes.grid.positions) if sizes.transpose else sizes.per
    for start, stop, band in _in_bands(runs, per):
        along = ({"value": round(start * sizes.step, 2)}, {"value": round((stop + 1) * sizes.step, 2)})
        top = band * sizes.pitch if band else 0
        across = ({"value": top}, {"value": sizes.width if sizes.transpose else round(top + sizes.band, 2)})
        (x, x2), (y, y2) = (across, along) if sizes.transpose else (along, across)
        found.append(
            {
                "data": {"values": [{}]},
                "mark": {"type": "rect", "filled": False, "stroke": theme.colour("box"), "strokeWidth": 1.2},
                "encoding": {"x": x, "x2": x2, "y": y, "y2": y2},
            }
        )
    return found


def _in_bands(runs: list[tuple[int, int]], per: int) -> list[tuple[int, int, int]]:
    """Runs of positions cut where a band ends: first and last place in the band, and the band."""
    return [
        (max(a - band * per, 0), min(b - band * per, per - 1), band)
        for a, b in runs
        for band in range(a // per, b // per + 1)
    ]


def diamond(grid: Grid, sizes: Frame, theme: Theme, scale: Scale) -> list[dict[str, Any]]:
    """A small diamond at the cell of most claim, light on a strong colour and dark on a pale one.

    Of a tested grid a cell above chance; without one there is no diamond.
    """
    tested = grid.has_value & np.isfinite(grid.p_adjusted)
    best = shared.peak(grid, tested & ~inside_noise(grid) if tested.any() else grid.has_value)
    if best is None:
        return []
    dark = luminance(scale.stop(float(grid.value[best]))) < DARK
    ink = _on(scale, theme, "pale" if dark else "box")
    (x, y), (wide, high) = sizes.corner(*best), sizes.cell
    side = max(3.0, min(8.0, 0.55 * sizes.step, 0.8 * sizes.row))
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "point", "shape": "diamond", "filled": False, "stroke": ink, "strokeWidth": 1.1,
                     "size": round(side**2, 1), "opacity": 1, "tooltip": None},
            "encoding": {"x": {"value": round(x + wide / 2, 2)}, "y": {"value": round(y + high / 2, 2)}},
        }
    ]  # fmt: skip


def wrapped(lines: list[Note], theme: Theme, room: float) -> list[Line]:
    """The notes as lines that fit so many pixels across; a line that goes on stands under the words above it."""
    found: list[Line] = []
    for status, words in lines:
        indent = 0.0 if status is None else SWATCH + 6.0
        parts = names.lines(words, room - indent, theme.sizes["label"], "sans")
        found += [(status if k == 0 else None, part, indent) for k, part in enumerate(parts)]
    return found


def legend(lines: list[Line], theme: Theme, left: float, top: float) -> list[dict[str, Any]]:
    """The notes below a map: a swatch with the status's hatching where a note is of one, then words."""
    layers: list[dict[str, Any]] = []
    for k, (status, words, indent) in enumerate(lines):
        y = top + LINE * k
        if status is not None:
            grey = theme.colour("missing")
            layers.append(
                {
                    "data": {"values": [{}]},
                    "mark": {"type": "rect", "fill": grey, "stroke": grey},
                    "encoding": {"x": {"value": left}, "x2": {"value": left + SWATCH}, "y": {"value": y},
                                 "y2": {"value": y + 11}},
                }
            )  # fmt: skip
            if HATCHES[status]:
                layers.append(_segments([_stroke(s, left, y, SWATCH, 11) for s in HATCHES[status]], theme))
        layers.append(shared.text_mark(theme, words, left + indent, y + 6, color=theme.colour("secondary")))
    return layers
