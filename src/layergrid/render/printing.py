"""The PDF: the same content typeset for paper, with vector charts; the same bytes on every machine."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from markupsafe import Markup

from layergrid.artifacts import Figure
from layergrid.render import attaching, listing
from layergrid.render.content import Content
from layergrid.render.drawing import svg
from layergrid.render.environment import environment
from layergrid.render.press import BUNDLED, DRAWN, Press
from layergrid.render.sizing import BOTTOM, FIRST, SIDE, TOP, Sizes
from layergrid.render.words import Hypertext, authored, code, printed
from layergrid.theme import faces

ROOT = re.compile(r":root\s*\{([^{}]*)\}")
PROPERTY = re.compile(r"--([\w-]+)\s*:\s*([^;{}]+)")
USED = re.compile(r"var\(--([\w-]+)\)")


def pdf(content: Content, paper: str, standard: str = "tagged", drawn: Callable[[int], str] | None = None) -> bytes:
    """The document as PDF/UA-1 ("tagged"), or as PDF/A-3 with every grid inside it as CSV ("archive").

    `drawn` gives the figures as SVG by their number, counted from 0; they are drawn here where it is left out.
    The first page answers alone: where its figures would not fit, their charts are drawn a little smaller, and in full
    on the next page where even that does not help. Raises BuildError where it asks for anything outside itself.
    """
    charts = drawn or cache(lambda number: svg(content.figures[number]))
    with _in_one_go():
        sizes = Sizes(paper, content.blocks, frozenset(block.number for block in content.first))
        sheets = (faces.print_css(BUNDLED), styles(content, paper), listing.labels(content))
        press = Press(*sheets, drawn=lambda name: charts(int(name)), standard=standard)
        first = html(content, sizes, whole=False)
        fitting = (scale for scale in FIRST if len(press.laid_out(first, sizes.css(scale)).pages) == 1)
        made = press.laid_out(html(content, sizes), sizes.css(next(fitting, 1.0)))
        return press.written(made, attaching.grids(content.results) if standard == "archive" else ())


@contextmanager
def _in_one_go() -> Iterator[None]:
    """Without collections of garbage, which go through all boxes of a layout again and again and find none."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def html(content: Content, sizes: Sizes, whole: bool = True) -> str:
    """The print document before layout: no script, figures as images with alternative text; or its first page only."""
    writer = Hypertext((printed(name) for name in content.names), printed, paper=True, works=content.references)
    places = {f.name: k for k, f in enumerate(content.figures)}
    env = environment(
        True,
        content.templates,
        words=writer.words,
        sentence=writer.sentence,
        paragraph=writer.paragraph,
        visible=printed,
        code=code(printed),
        authored=authored,
        image=lambda figure: _address(figure, places),
    )
    return env.get_template("report.print.html.j2").render(
        content=content,
        whole=whole,
        paper=True,
        landscape=sizes.wide,
        listed=listing.of(content),
        columns=listing.columns(content, sizes.paper),
    )


def styles(content: Content, paper: str) -> str:
    """The style sheet of print, without faces and without the sizes of charts."""
    env = environment(True, content.templates)
    made = env.get_template("print.css.j2").render(
        theme=content.theme,
        shades=content.shades,
        paper=paper,
        margins=f"{TOP:g}mm {SIDE:g}mm {BOTTOM:g}mm",
        content=content,
        columns=listing.columns(content, paper),
    )
    return _settled(made, "".join(content.templates.values()))


def _settled(sheet: str, own: str) -> str:
    """The sheet with the properties of its root written out, which WeasyPrint would work out for each element anew.

    One that is set again somewhere, in the sheet or in the user's `own` templates, stays as it is.
    """
    root = dict(PROPERTY.findall("".join(ROOT.findall(sheet))))
    times = Counter(name for name, _ in PROPERTY.findall(sheet + own))
    once = {name: value for name, value in root.items() if times[name] == 1}
    return USED.sub(lambda used: once.get(used[1], used[0]), sheet)


def _address(figure: Figure, places: dict[str, int]) -> Markup:
    return Markup(f"{DRAWN}{places[figure.name]}")  # noqa: S704 - a number
