"""Lays documents out and writes them as PDF, with what each sort of PDF asks for; it knows no report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from layergrid.kinds import BuildError
from layergrid.render.dating import FORM, dated
from layergrid.theme import faces

EPOCH = datetime.fromtimestamp(0, UTC)  # keeps the clock away from attached files until their dates are taken out
VARIANTS = {"tagged": "pdf/ua-1", "archive": "pdf/a-3a"}  # sort of PDF -> what WeasyPrint calls it
BUNDLED = "bundled:"  # the scheme of the faces that ship
DRAWN = "drawn:"  # the scheme of the charts


class Attached(NamedTuple):
    """A file inside the PDF."""

    name: str
    content: bytes
    description: str


class Press:
    """Lays out print documents with style sheets that are read once.

    A document may ask for data addresses, for charts by the names that `drawn` knows and, in its style, for the bundled
    faces; anything else ends it.
    """

    def __init__(self, *sheets: str, drawn: Callable[[str], str] | None = None, standard: str = "tagged") -> None:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration

        self.variant = VARIANTS[standard]
        self.fonts = FontConfiguration()
        self.fetcher = _fetcher(drawn)
        self.charts: dict[str, Any] = {}  # read once, for all layouts
        with _inside():
            self.sheets = [weasyprint.CSS(string=s, font_config=self.fonts, url_fetcher=self.fetcher) for s in sheets]

    def laid_out(self, document: str, style: str = "") -> Any:
        """A weasyprint Document; raises BuildError for an address outside of it."""
        import weasyprint

        with _inside():
            sheet = weasyprint.CSS(string=style, font_config=self.fonts, url_fetcher=self.fetcher)
            source = weasyprint.HTML(string=document, url_fetcher=self.fetcher)
            sheets = [*self.sheets, sheet]
            return source.render(
                stylesheets=sheets, font_config=self.fonts, pdf_variant=self.variant, cache=self.charts
            )

    def written(self, made: Any, attached: Sequence[Attached] = ()) -> bytes:
        """A weasyprint Document as bytes that carry no clock and no chance."""
        from weasyprint import Attachment

        when = dated()
        finish = _undated if when is None else _finish
        made.metadata.created = made.metadata.modified = None if when is None else when.strftime(FORM)
        files = [
            Attachment(string=one.content, name=one.name, description=one.description, created=when or EPOCH,
                       modified=when or EPOCH, relationship="Data")
            for one in attached
        ]  # fmt: skip
        with warnings.catch_warnings(), _inside():  # what a document attaches is read only now
            warnings.simplefilter("ignore", ResourceWarning)  # WeasyPrint leaves the file of its colour profile open
            found: bytes = made.write_pdf(pdf_variant=self.variant, attachments=files, finisher=finish)
        return found


@contextmanager
def _inside() -> Iterator[None]:
    """Raises BuildError for an address that was refused; WeasyPrint's own error for it is none that programs catch."""
    from weasyprint.urls import FatalURLFetchingError

    try:
        yield
    except FatalURLFetchingError as error:
        if f'"{DRAWN}' in str(error) and error.__cause__ is not None:
            raise BuildError(f"a chart of the PDF cannot be drawn: {str(error.__cause__)[:300]}") from error
        shown = str(error)[:200]
        raise BuildError(f"the PDF asks for {shown!r}; a report may not reach outside of itself") from error


def _fetcher(drawn: Callable[[str], str] | None) -> Any:
    """What answers a document's addresses."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class RefusedError(FatalURLFetchingError):  # type: ignore[misc]  # weasyprint publishes no types
        """An address outside of the document; WeasyPrint passes over all other errors of a fetch."""

    class Inside(URLFetcher):  # type: ignore[misc]  # weasyprint publishes no types
        """Answers data addresses, charts and the bundled faces."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            if url.startswith("data:"):
                return super().fetch(url, headers)
            if url.startswith(DRAWN) and drawn is not None:
                chart = drawn(url.removeprefix(DRAWN)).encode("utf-8")
                return URLFetcherResponse(url, body=chart, headers={"Content-Type": "image/svg+xml"})
            face = url.removeprefix(BUNDLED)
            if url.startswith(BUNDLED) and face in faces.metrics():
                return URLFetcherResponse(url, body=(faces.FOLDER / f"{face}.ttf").read_bytes())
            raise RefusedError(url)

    return Inside(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)


def _finish(_: Any, pdf: Any) -> None:
    """Names each attached file once in the catalogue, where WeasyPrint names it twice."""
    if "AF" in pdf.catalog:
        pdf.catalog["AF"][:] = list(dict.fromkeys(pdf.catalog["AF"]))


def _undated(made: Any, pdf: Any) -> None:
    """Finishes a PDF without dates; WeasyPrint cannot attach files without them."""
    _finish(made, pdf)
    for one in pdf.objects:
        for date in ("CreationDate", "ModDate"):
            getattr(one, "extra", {}).get("Params", {}).pop(date, None)
