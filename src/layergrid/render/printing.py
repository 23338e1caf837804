"""The PDF: the same content typeset for paper, tagged, with vector charts; the same bytes on every machine."""

from __future__ import annotations

import base64
import os
import time
from typing import Any

from markupsafe import Markup

from layergrid.kinds import BuildError
from layergrid.render.content import Content
from layergrid.render.drawing import svg
from layergrid.render.environment import environment
from layergrid.render.words import Hypertext, authored, code, printed
from layergrid.theme import faces

EPOCH = 1704067200  # 2024-01-01: a report carries no clock unless SOURCE_DATE_EPOCH gives it one

SCALES = (1.0, 0.92, 0.84, 0.76)  # of the charts, tried in turn until the first page holds its figures


def pdf(content: Content, paper: str) -> bytes:
    """The document as PDF/UA-1; raises BuildError where it asks for anything outside itself.

    The first page answers alone: its last figure is drawn a little smaller where it would not fit otherwise, and in
    full on the next page where even that does not help.
    """
    document, last = html(content), content.first[-1].anchor if content.first else ""
    made = None
    for scale in (*SCALES, 1.0):
        made = laid_out(document, styles(content, paper, scale))
        if not last or last in made.pages[0].anchors:
            break
    return written(made)


def laid_out(document: str, style: str) -> Any:
    """A weasyprint Document. Data addresses are the only ones that it may ask for, and a refusal ends it."""
    import weasyprint
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class RefusedError(FatalURLFetchingError):
        """An address outside of the document; WeasyPrint passes over all other errors of a fetch."""

    class OnlyData(URLFetcher):  # type: ignore[misc]  # weasyprint publishes no types
        """Answers data addresses only."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            if not url.startswith("data:"):
                raise RefusedError(url)
            return super().fetch(url, headers)

    fetcher = OnlyData(allowed_protocols={"data"}, allow_redirects=False)
    fonts = FontConfiguration()
    try:
        css = weasyprint.CSS(string=style, font_config=fonts, url_fetcher=fetcher)
        source = weasyprint.HTML(string=document, url_fetcher=fetcher)
        return source.render(stylesheets=[css], font_config=fonts, pdf_variant="pdf/ua-1")
    except RefusedError as error:
        shown = str(error)[:200]
        raise BuildError(f"the PDF asks for {shown!r}; a report may not reach outside of itself") from error


def written(made: Any) -> bytes:
    """A weasyprint Document as bytes that carry no clock and no chance."""
    made.metadata.created = made.metadata.modified = _date()
    found: bytes = made.write_pdf(pdf_variant="pdf/ua-1")
    return found


def _date() -> str:
    """The one date of the PDF, which is no clock's unless the environment says so."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(stamp) if stamp.isdigit() else EPOCH))


def html(content: Content) -> str:
    """The print document before layout: no script, figures as images with alternative text."""
    writer = Hypertext((printed(name) for name in content.names), printed)
    env = environment(
        True, words=writer.words, sentence=writer.sentence, paragraph=writer.paragraph, visible=printed, code=code(printed), authored=authored, image=lambda figure: _image(svg(figure)),
    )  # fmt: skip
    return env.get_template("report.print.html.j2").render(content=content)


def styles(content: Content, paper: str, scale: float = 1.0) -> str:
    """The style sheet of print with the bundled fonts; `scale` is that of the charts."""
    sheet = environment(True).get_template("print.css.j2").render(theme=content.theme, paper=paper, blocks=content.blocks, scale=scale)
    return faces.print_css() + "\n" + sheet


def _image(drawn: str) -> Markup:
    data = base64.b64encode(drawn.encode("utf-8")).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{data}")  # noqa: S704 - base64
