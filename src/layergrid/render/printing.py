"""The PDF: the same content typeset for paper, tagged, with vector charts; the same bytes on every machine."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from markupsafe import Markup

from layergrid.kinds import BuildError
from layergrid.render.content import Content
from layergrid.render.drawing import svg
from layergrid.render.environment import environment
from layergrid.render.words import Hypertext, authored, code, printed
from layergrid.theme import faces

EPOCH = 1704067200  # 2024-01-01: a report carries no clock unless SOURCE_DATE_EPOCH gives it one

BUNDLED = "bundled:"  # the scheme of the faces that ship
SCALES = (1.0, 0.92, 0.84, 0.76)  # of the charts, tried in turn until the first page holds its figures


def pdf(content: Content, paper: str, standard: str = "tagged") -> bytes:
    """The document as PDF/UA-1; raises BuildError where it asks for anything outside itself.

    The first page answers alone: where its figures would not fit, charts are drawn a little smaller, and in full on the
    next page where even that does not help.
    """
    with ThreadPoolExecutor(1) as beside:  # Vega starts while the style sheets are read
        coming = {f.name: beside.submit(svg, f) for block in content.blocks for f in block.figures}
        press = Press(faces.print_css(BUNDLED), styles(content, paper))
        drawn = {name: one.result() for name, one in coming.items()}
    whole = html(content, drawn)
    made = press.laid_out(whole, sizes(content, SCALES[0]))
    if content.first and content.first[-1].anchor not in made.pages[0].anchors:
        first = html(content, drawn, whole=False)
        fits = (scale for scale in SCALES[1:] if len(press.laid_out(first, sizes(content, scale)).pages) == 1)
        smaller = next(fits, None)
        made = press.laid_out(whole, sizes(content, smaller)) if smaller else made
    return written(made)


class Press:
    """Lays out print documents with style sheets that are read once.

    A document may ask for data addresses and, in its style, for the bundled faces; anything else ends it.
    """

    def __init__(self, *sheets: str) -> None:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration

        self.fonts = FontConfiguration()
        self.fetcher = _fetcher()
        self.sheets = [weasyprint.CSS(string=s, font_config=self.fonts, url_fetcher=self.fetcher) for s in sheets]

    def laid_out(self, document: str, style: str = "") -> Any:
        """A weasyprint Document; raises BuildError for an address outside of it."""
        import weasyprint
        from weasyprint.urls import FatalURLFetchingError

        try:
            sheet = weasyprint.CSS(string=style, font_config=self.fonts, url_fetcher=self.fetcher)
            source = weasyprint.HTML(string=document, url_fetcher=self.fetcher)
            sheets = [*self.sheets, sheet]
            return source.render(stylesheets=sheets, font_config=self.fonts, pdf_variant="pdf/ua-1")
        except FatalURLFetchingError as error:
            shown = str(error)[:200]
            raise BuildError(f"the PDF asks for {shown!r}; a report may not reach outside of itself") from error


def _fetcher() -> Any:
    """What answers a document's addresses."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class RefusedError(FatalURLFetchingError):  # type: ignore[misc]  # weasyprint publishes no types
        """An address outside of the document; WeasyPrint passes over all other errors of a fetch."""

    class Inside(URLFetcher):  # type: ignore[misc]  # weasyprint publishes no types
        """Answers data addresses and the bundled faces."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            if url.startswith("data:"):
                return super().fetch(url, headers)
            face = url.removeprefix(BUNDLED)
            if url.startswith(BUNDLED) and face in faces.metrics():
                return URLFetcherResponse(url, body=(faces.FOLDER / f"{face}.ttf").read_bytes())
            raise RefusedError(url)

    return Inside(allowed_protocols={"data"}, allow_redirects=False)


def written(made: Any) -> bytes:
    """A weasyprint Document as bytes that carry no clock and no chance."""
    made.metadata.created = made.metadata.modified = _date()
    found: bytes = made.write_pdf(pdf_variant="pdf/ua-1")
    return found


def _date() -> str:
    """The one date of the PDF, which is no clock's unless the environment says so."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(stamp) if stamp.isdigit() else EPOCH))


def html(content: Content, drawn: Mapping[str, str], whole: bool = True) -> str:
    """The print document before layout: no script, figures as images with alternative text; or its first page only."""
    writer = Hypertext((printed(name) for name in content.names), printed, paper=True)
    env = environment(
        True,
        content.templates,
        words=writer.words,
        sentence=writer.sentence,
        paragraph=writer.paragraph,
        visible=printed,
        code=code(printed),
        authored=authored,
        image=lambda figure: _image(drawn[figure.name]),
    )
    return env.get_template("report.print.html.j2").render(content=content, whole=whole, paper=True)


def styles(content: Content, paper: str) -> str:
    """The style sheet of print, without faces and without the sizes of charts."""
    sheet = environment(True, content.templates).get_template("print.css.j2")
    return sheet.render(theme=content.theme, paper=paper, shades=content.shades)


def sizes(content: Content, scale: float) -> str:
    """The sizes of the charts in print."""
    return "".join(
        f".chart-{block.number}-{k} {{ width: {f.width * scale:.2f}px; height: {f.height * scale:.2f}px }}\n"
        for block in content.blocks
        for k, f in enumerate(block.figures, 1)
    )


def _image(drawn: str) -> Markup:
    data = base64.b64encode(drawn.encode("utf-8")).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{data}")  # noqa: S704 - base64
