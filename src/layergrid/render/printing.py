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
from layergrid.render.words import Hypertext, authored, printed
from layergrid.theme import faces

EPOCH = 1704067200  # 2024-01-01: a report carries no clock unless SOURCE_DATE_EPOCH gives it one


def pdf(content: Content, paper: str) -> bytes:
    """The document as PDF/UA-1; raises BuildError where it asks for anything outside itself."""
    return write(html(content), styles(content, paper))


def write(document: str, style: str) -> bytes:
    """A print document as bytes; data addresses are the only ones it may ask for, and a refusal ends it."""
    import weasyprint
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class Refused(FatalURLFetchingError):
        """An address outside of the document; WeasyPrint passes over all other errors of a fetch."""

    class OnlyData(URLFetcher):  # type: ignore[misc]  # weasyprint publishes no types
        """Answers data addresses only."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            if not url.startswith("data:"):
                raise Refused(url)
            return super().fetch(url, headers)

    fetcher = OnlyData(allowed_protocols={"data"}, allow_redirects=False)
    fonts = FontConfiguration()
    try:
        css = weasyprint.CSS(string=style, font_config=fonts, url_fetcher=fetcher)
        source = weasyprint.HTML(string=document, url_fetcher=fetcher)
        made = source.render(stylesheets=[css], font_config=fonts, pdf_variant="pdf/ua-1")
    except Refused as error:
        shown = str(error)[:200]
        raise BuildError(f"the PDF asks for {shown!r}; a report may not reach outside of itself") from error
    made.metadata.created = made.metadata.modified = _date()
    written: bytes = made.write_pdf(pdf_variant="pdf/ua-1")
    return written


def _date() -> str:
    """The one date of the PDF, which is no clock's unless the environment says so."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(stamp) if stamp.isdigit() else EPOCH))


def html(content: Content) -> str:
    """The print document before layout: no script, figures as images with alternative text."""
    writer = Hypertext((printed(name) for name in content.names), printed)
    env = environment(
        True, words=writer.words, sentence=writer.sentence, paragraph=writer.paragraph, visible=printed,
        authored=authored, image=lambda figure: _image(svg(figure)),
    )  # fmt: skip
    return env.get_template("report.print.html.j2").render(content=content)


def styles(content: Content, paper: str) -> str:
    """The style sheet of print with the bundled fonts."""
    sheet = environment(True).get_template("print.css.j2").render(theme=content.theme, paper=paper)
    return faces.print_css() + "\n" + sheet


def _image(drawn: str) -> Markup:
    data = base64.b64encode(drawn.encode("utf-8")).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{data}")  # noqa: S704 - base64
