"""The page that lists reports: one file that needs no address outside itself and no script; it reads no folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote

from markupsafe import Markup

from layergrid import text
from layergrid.render.environment import environment
from layergrid.render.page import digest
from layergrid.render.picture import Picture
from layergrid.render.words import Hypertext
from layergrid.theme import Theme, faces

MARK = '<meta name="generator" content="layergrid index">'  # by which a page is known to be ours
ELSE = "font-src data:; img-src data:; base-uri 'none'; form-action 'none'"
LINKS = 4  # CSV files that an entry links to


@dataclass(frozen=True)
class Entry:
    """What the page says of one folder: a build, a comparison, or what is wrong with it."""

    name: str  # the folder's path from the page, its parts joined by "/"
    title: str = ""
    finding: str = ""
    figures: tuple[tuple[str, str], ...] = ()  # figure, meaning
    picture: Picture | None = None
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()  # "sums, 1,000 examples"
    met: tuple[int, int] | None = None  # expectations met, of how many; None: none were stated
    documents: tuple[str, ...] = ()  # suffixes of the documents that are there: "html", "pdf", "md"
    tables: tuple[str, ...] = ()  # relative paths of CSV files
    comparison: bool = False
    problem: str = ""  # why nothing else can be said

    def link(self, file: str = "") -> str:
        """The address of a file of the folder, relative to the page; no name of a folder makes it another one."""
        path = f"{self.name}/{file}".encode("utf-8", "surrogateescape")
        return f"./{quote(path)}"

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Words and addresses of what stands beside the page of a report."""
        words = {"html": "Page", "pdf": "PDF", "md": "Markdown"}
        found = [(words[one], self.link(f"report.{one}")) for one in ("pdf", "md") if one in self.documents]
        several = len(self.tables) > 1
        for path in self.tables[:LINKS]:
            stem = path.removeprefix("grids/").removesuffix(".csv")
            found.append((f"CSV of {stem}" if several else "CSV", self.link(path)))
        return tuple(found)

    @property
    def first(self) -> str:
        """The address that the title leads to; empty where there is no document."""
        return next((self.link(f"report.{one}") for one in ("html", "pdf", "md") if one in self.documents), "")

    @property
    def expectations(self) -> str:
        """Whether the spec's expectations are met, in words."""
        if self.met is None:
            return ""
        met, every = self.met
        if met == every:
            return "expectation met" if every == 1 else f"all {text.words(every)} expectations met"
        missed = every - met
        return (
            f"{text.counted(missed, 'expectation')} of {text.words(every)} not met"
            if every > 1
            else "expectation not met"
        )


def shades(stops: Sequence[str]) -> tuple[str, ...]:
    """The colours of pictures: the stops of a scheme, and one half-way from each to the next."""
    found = [stops[0]]
    for one, other in pairwise(stops):
        middle = ((int(one[i : i + 2], 16) + int(other[i : i + 2], 16)) // 2 for i in (1, 3, 5))
        found += ["#" + "".join(f"{part:02x}" for part in middle), other]
    return tuple(found)


def html(entries: Sequence[Entry], theme: Theme) -> str:
    """The page; the same entries give the same bytes, in the order of their names."""
    ordered = sorted(entries, key=lambda one: one.name.split("/"))
    groups = (
        ("Builds", [e for e in ordered if not e.problem and not e.comparison]),
        ("Comparisons", [e for e in ordered if not e.problem and e.comparison]),
        ("Folders that hold no whole report", [e for e in ordered if e.problem]),
    )
    writer = Hypertext(set())
    env = environment(True, {}, words=writer.words, visible=text.visible)
    schemes = {e.picture.scheme for e in ordered if e.picture is not None}
    stops = {name: tuple(map(shades, theme.schemes[name])) for name in sorted(schemes)}
    css = env.get_template("index.css.j2").render(theme=theme, stops=stops)
    body = env.get_template("index.body.html.j2").render(groups=[g for g in groups if g[1]], entries=ordered)
    css = faces.web_css(body) + "\n" + css
    page = env.get_template("index.html.j2").render(
        body=Markup(body),  # noqa: S704 - rendered above by an escaping environment
        css=Markup(css),  # noqa: S704 - made of the theme's checked values, no user text
        policy=f"default-src 'none'; style-src '{digest(css)}'; {ELSE}",
        mark=Markup(MARK),  # noqa: S704 - a constant
    )
    return page.encode("utf-8", "backslashreplace").decode("utf-8")
