"""The chart kind `tokens`: one real example with its tokens and positions, drawn as SVG of real text; it knows no page.

Characters that the bundled fonts lack are drawn as escapes, so that the strip is the same on every machine.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from layergrid import text
from layergrid.artifacts import Figure, Illustration, Results
from layergrid.charts import names
from layergrid.kinds import BadInput, ChartKind
from layergrid.theme import Theme, faces

if TYPE_CHECKING:
    from layergrid.charts import strip

LEFT = 52  # pixels: the column of "Prompt" and "Answer"
HIGH, LEVEL, DROP, BETWEEN = 17.0, 11.0, 5.0, 9.0  # pixels: a token, a line of names, to the first names, between rows
ROLES = {"answer": "accent", "other": "counter", "end": "muted"}


class Tokens(ChartKind):
    """One example as the model saw it: tokens that touch, the exact answer in a box, positions named by leaders."""

    kind: Literal["tokens"] = "tokens"
    dataset: str = Field("", description="the data set whose example is drawn; left out: the first one")

    def draw(self, results: Results, theme: Theme) -> Figure:
        """The strip as SVG that needs nothing outside of itself."""
        from layergrid.charts import strip
        from layergrid.charts.frame import WIDTH

        one = self._pick(results)
        places = _places(one)
        shown = [faces.printable(text.token(piece), "mono") or "\N{MIDDLE DOT}" for piece in one.pieces]
        n = len(shown)
        parts = [(0, one.prompt_tokens), (one.prompt_tokens, n)] if one.written else [(0, n)]
        size = _size(theme.sizes["token"], shown, parts, WIDTH - LEFT)
        measures = strip.Measures(faces.width("0", "mono", size), theme.sizes["mark"], WIDTH - LEFT)
        arranged = strip.arrange(shown, parts, places, measures)
        pen = _Pen(theme, one, size)
        y = 3.0
        for heading, rows in zip(("Prompt", "Answer") if one.written else ("Text",), arranged, strict=True):
            if rows:
                pen.heading(heading, y)
            for row in rows:
                y = pen.row(row, y)
        height = round(y - BETWEEN + 2)
        return Figure(
            name="tokens" if self._first(results, one) else f"{one.dataset}.tokens",
            grid="",
            title="One example with its tokens and positions",
            alternative=_alternative(one),
            spec=None,
            svg=_svg(pen.body, WIDTH, height),
            width=WIDTH,
            height=height,
        )

    def _pick(self, results: Results) -> Illustration:
        known = [one.dataset for one in results.illustrations]
        if not self.dataset and results.illustrations:
            return results.illustrations[0]
        if self.dataset in known:
            return results.illustrations[known.index(self.dataset)]
        near = text.nearest(self.dataset, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise BadInput(f"figures: tokens has no example of data set {self.dataset!r}, only of {known}{hint}")

    @staticmethod
    def _first(results: Results, one: Illustration) -> bool:
        return one is results.illustrations[0]


def _size(base: float, shown: list[str], parts: list[tuple[int, int]], room: float) -> float:
    """Up to a fifth larger than the theme's size where prompt and answer fit on a line each, in so many pixels."""
    longest = max((sum(len(s) for s in shown[a:b]) for a, b in parts), default=1)
    fitting = room / max(1.0, longest * faces.width("0", "mono", 1.0))
    return round(max(base, min(1.2 * base, fitting - 0.005)), 2)


def _places(one: Illustration) -> list[strip.Place]:
    """Positions that stand somewhere, those on the same tokens together, in the order of the text."""
    found: dict[tuple[int, int], list[str]] = {}
    for name, start, stop, _ in one.positions:
        if 0 <= start < stop <= len(one.pieces):
            found.setdefault((start, stop), []).append(name)
    return [(tuple(names), start, stop) for (start, stop), names in sorted(found.items())]


def _alternative(one: Illustration) -> str:
    parts = [("Prompt", one.pieces[: one.prompt_tokens]), ("Answer", one.pieces[one.prompt_tokens :])]
    parts = parts if one.written else [("Text", one.pieces)]
    said = [f"{word}: {text.visible(''.join(pieces).replace(chr(10), ' '))}" for word, pieces in parts]
    listed = text.listed([text.visible(name) for found, _, _ in _places(one) for name in found])
    return f"{' '.join(said)} Positions in the order of the text: {listed or 'none'}."


def _svg(body: list[str], width: int, height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "".join([head, *body, "</svg>"])


class _Pen:
    """Writes the parts of a strip. Colours stand as attributes for print and as classes for a page's own modes."""

    def __init__(self, theme: Theme, one: Illustration, size: float) -> None:
        self.theme, self.one, self.size = theme, one, size
        self.body: list[str] = []
        self.roles = {i: self._role(found) for found, start, stop in _places(one) for i in range(start, stop)}

    @staticmethod
    def _role(positions: tuple[str, ...]) -> str:
        """The first family among a token's positions, the exact answer before others."""
        families = [names.family(name) for name in positions]
        return ROLES[min(families, key=["answer", "other", "end"].index)]

    def fill(self, role: str) -> str:
        """Attributes that fill with a colour role."""
        return f'class="fill-{role.replace("_", "-")}" fill="{self.theme.colour(role)}"'

    def words(self, x: float, y: float, string: str, face: str, size: float, role: str, weight: int = 400) -> str:
        """One string; blanks kept."""
        family = escape(self.theme.faces[face])
        heavy = f' font-weight="{weight}"' if weight != 400 else ""
        return (
            f'<text x="{x:.2f}" y="{y:.2f}" font-family="{family}" font-size="{size:g}"{heavy} {self.fill(role)}>'
            f"{escape(string)}</text>"
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, role: str, width: float) -> str:
        """One straight stroke."""
        stroke = f'class="stroke-{role.replace("_", "-")}" stroke="{self.theme.colour(role)}" stroke-width="{width:g}"'
        return f'<line x1="{x0:.2f}" y1="{y0:.2f}" x2="{x1:.2f}" y2="{y1:.2f}" {stroke}/>'

    def heading(self, word: str, y: float) -> None:
        """A word at the left."""
        self.body.append(self.words(0, y + 12, word, "figure", self.theme.sizes["mark"] + 0.5, "secondary", 600))

    def row(self, row: strip.Row, y: float) -> float:
        """Tokens and names of one line; returns where the next one starts."""
        for cell in row.cells:
            self._token(cell, y)
        self._exact(row, y)
        for name in row.names:
            self._name(name, y)
        names = DROP + LEVEL * row.levels if row.names else 0.0
        return y + HIGH + names + BETWEEN

    def _token(self, cell: strip.Cell, y: float) -> None:
        role = self.roles.get(cell.index)
        left, width = LEFT + cell.left + 0.4, cell.right - cell.left - 0.8
        inside = self.one.exact is not None and self.one.exact[0] <= cell.index < self.one.exact[1]
        if cell.index >= 0:
            tint = "accent_tint" if inside else f"{role}_tint" if role else "faint"
            box = f'<rect x="{left:.2f}" y="{y:.2f}" width="{width:.2f}" height="{HIGH:g}" rx="1.5" {self.fill(tint)}/>'
            self.body.append(box)
        special = cell.index < 0 or self.one.special[cell.index]
        ink = "accent_ink" if inside else f"{role}_ink" if role else "muted_ink" if special else "ink"
        self.body.append(self.words(LEFT + cell.left, y + 12.4, cell.shown, "token", self.size, ink))

    def _exact(self, row: strip.Row, y: float) -> None:
        """The box around the exact answer, the sign that the map uses for its group."""
        if self.one.exact is None:
            return
        inside = [cell for cell in row.cells if self.one.exact[0] <= cell.index < self.one.exact[1]]
        if inside:
            left, right = LEFT + inside[0].left - 0.2, LEFT + inside[-1].right + 0.2
            self.body.append(
                f'<rect x="{left:.2f}" y="{y - 0.6:.2f}" width="{right - left:.2f}" height="{HIGH + 1.2:.2f}" rx="1.5" '
                f'fill="none" class="stroke-box" stroke="{self.theme.colour("box")}" stroke-width="1.1"/>'
            )

    def _name(self, name: strip.Name, y: float) -> None:
        role = self._role(name.positions)
        flag, bottom = name.flag, y + HIGH
        top = bottom + DROP + LEVEL * flag.level
        self.body.append(self.line(LEFT + flag.anchor, bottom + 1.2, LEFT + flag.anchor, top + 1.5, role, 0.7))
        size = self.theme.sizes["mark"]
        self.body.append(self.words(LEFT + flag.left, top + 8.6, name.shown, "figure", size, f"{role}_ink", 600))
