"""The PDF: the same content typeset for paper, with vector charts; the same bytes on every machine."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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


def pdf(content: Content, paper: str, standard: str = "tagged") -> bytes:
    """The document as PDF/UA-1 ("tagged"), or as PDF/A-3 with every grid inside it as CSV ("archive").

    The first page answers alone: where its figures would not fit, their charts are drawn a little smaller, and in full
    on the next page where even that does not help. Raises BuildError where it asks for anything outside itself.
    """
    figures = [f for block in content.blocks for f in block.figures]
    with _in_one_go(), ThreadPoolExecutor(1) as beside:  # Vega draws while style sheets are read and pages are laid out
        coming = [beside.submit(svg, f) for f in figures]
        sizes = Sizes(paper, content.blocks, frozenset(block.number for block in content.first))
        sheets = (faces.print_css(BUNDLED), styles(content, paper), listing.labels(content))
        press = Press(*sheets, drawn=lambda k: coming[int(k)].result(), standard=standard)
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
    places = {f.name: k for k, f in enumerate(f for block in content.blocks for f in block.figures)}
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
        content=content, whole=whole, paper=True, landscape=sizes.wide, listed=listing.of(content)
    )


def styles(content: Content, paper: str) -> str:
    """The style sheet of print, without faces and without the sizes of charts."""
    env = environment(True, content.templates)
    return env.get_template("print.css.j2").render(
        theme=content.theme,
        shades=content.shades,
        paper=paper,
        margins=f"{TOP:g}mm {SIDE:g}mm {BOTTOM:g}mm",
        content=content,
    )


def _address(figure: Figure, places: dict[str, int]) -> Markup:
    return Markup(f"{DRAWN}{places[figure.name]}")  # noqa: S704 - a number
