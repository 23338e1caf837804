"""Results, facts and words become one page, one PDF and one Markdown file; it computes nothing and loads no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from layergrid import resources, theme
from layergrid.artifacts import Fact, Results, Summary
from layergrid.kinds import BadInput, BuildError
from layergrid.project import content as content_of
from layergrid.render import beside, drawing, figures, markdown, overriding, page, printing
from layergrid.render.content import Content

PRESENTATION = Path("results") / "presentation.json"
MOST_BYTES = 64 * 2**20  # of that file
AFTER_THE_WAIST = ("artifacts", "text", "facts", "prose", "charts", "theme", "render", "expectations")
DECIDING = {".py", ".ttf", ".woff2", ".json"}  # suffixes of files that decide the documents


@dataclass(frozen=True)
class Presentation:
    """How a report is shown: what a spec says beyond its numbers; saved beside the results, to draw them again."""

    theme: str = "paper"
    paper: Literal["A4", "Letter"] = "A4"
    outputs: tuple[str, ...] = ("html", "pdf", "md")
    figures: tuple[dict[str, Any], ...] = ()  # chart kinds as mappings with the fields that were written
    layers_from: Literal[0, 1] = 0
    layer_order: Literal["top", "bottom"] = "top"
    theme_file: str = ""  # the text of the theme's file, where the theme is none that ships
    pdf: Literal["tagged", "archive"] = "tagged"
    length: Literal["abstract", "summary", "full"] = "full"  # of the words
    templates: Mapping[str, str] = field(default_factory=dict)  # the user's own, by name: "blocks/abstract.html.j2"

    @classmethod
    def of(cls, spec: Any) -> Presentation:
        """The presentation that a spec asks for, with its theme's file and its templates, both read and checked.

        Raises BadInput like `theme.content` and `overriding.read`.
        """
        asked = tuple({"kind": f.kind, **f.model_dump(mode="json", exclude_unset=True)} for f in spec.figures)
        outputs = tuple(spec.outputs)
        look = theme.content(spec.theme, spec.project)
        theme.faces.check()
        theme.load(spec.theme, look)
        own = overriding.read(spec.project.path(spec.templates, "templates")) if spec.templates else {}
        return cls(
            spec.theme, spec.paper, outputs, asked, spec.layers_from, spec.layer_order, look, spec.pdf, spec.length, own
        )  # fmt: skip


@dataclass(frozen=True)
class Documents:
    """The finished documents; one that was not asked for is None."""

    html: str | None = None
    pdf: bytes | None = None
    md: str | None = None

    def write(self, folder: Path) -> None:
        """Writes report.html, report.pdf and report.md into a folder."""
        if self.html is not None:
            (folder / "report.html").write_text(self.html, encoding="utf-8", newline="\n")
        if self.md is not None:
            (folder / "report.md").write_text(self.md, encoding="utf-8", newline="\n")
        if self.pdf is not None:
            (folder / "report.pdf").write_bytes(self.pdf)


def render(
    results: Results, facts: tuple[Fact, ...], summary: Summary, presentation: Presentation | None = None
) -> Documents:
    """All documents that the presentation asks for; the same arguments give the same bytes on every machine."""
    with begun(results, facts, summary, presentation) as finish:
        return finish()


@contextmanager
def begun(
    results: Results, facts: tuple[Fact, ...], summary: Summary, presentation: Presentation | None = None
) -> Iterator[Callable[[], Documents]]:
    """As `render`, in two steps: what is yielded finishes the documents.

    Where there is a PDF to lay out, the charts and the texts are begun beside it, in a second process; that can only be
    forked before threads run, such as that of a progress bar.
    """
    shown = presentation or Presentation()
    content = prepare(results, facts, summary, shown)
    with beside.Ahead(_texts(content, shown), apart="pdf" in shown.outputs) as ahead:
        yield lambda: _finished(content, shown, ahead)


def _texts(content: Content, shown: Presentation) -> dict[str, beside.Step]:
    """What makes each text of the documents: the charts of the PDF by number first, which are asked for first."""
    charts = content.figures if "pdf" in shown.outputs else ()
    steps: dict[str, beside.Step] = {str(k): partial(drawing.svg, figure) for k, figure in enumerate(charts)}
    steps["checked"] = partial(_checked, content)
    steps["html"] = partial(page.html, content)
    steps["md"] = partial(markdown.md, content)
    return {name: step for name, step in steps.items() if name not in ("html", "md") or name in shown.outputs}


def _checked(content: Content) -> str:
    drawing.check(content.figures)
    return ""


def _finished(content: Content, shown: Presentation, ahead: beside.Ahead) -> Documents:
    def page_of() -> str | None:
        ahead["checked"]
        return ahead["html"] if "html" in shown.outputs else None

    if not ahead.apart:
        page_of()
    try:
        pdf = printing.pdf(content, shown.paper, shown.pdf, lambda k: ahead[str(k)]) if "pdf" in shown.outputs else None
    except (BadInput, BuildError):
        page_of()  # what is wrong with both is told of the page
        raise
    return Documents(page_of(), pdf, ahead["md"] if "md" in shown.outputs else None)


def rerender(
    results: Results, facts: tuple[Fact, ...], summary: Summary, presentation: Presentation | None = None
) -> dict[str, str]:
    """The text documents by file name, drawn anew, to hold against the saved ones."""
    shown = presentation or Presentation()
    content = prepare(results, facts, summary, shown)
    made = {}
    if "html" in shown.outputs:
        made["report.html"] = page.html(content)
    if "md" in shown.outputs:
        made["report.md"] = markdown.md(content)
    return made


def prepare(results: Results, facts: tuple[Fact, ...], summary: Summary, presentation: Presentation) -> Content:
    """Everything that the documents show, figures drawn once."""
    theme.faces.check()
    look = theme.load(presentation.theme, presentation.theme_file)
    kinds = figures.chosen(results, presentation.figures, presentation.layers_from, presentation.layer_order)
    drawn = figures.draw(kinds, results, look)
    blocks = figures.arrange(drawn, summary)
    return Content(results, facts, summary, look, blocks, presentation.length, presentation.templates)


def write_presentation(presentation: Presentation, folder: Path) -> None:
    """Saves how a report is shown as results/presentation.json."""
    (folder / PRESENTATION).parent.mkdir(parents=True, exist_ok=True)
    saved = json.dumps({"format": 1, **asdict(presentation)}, indent=2, sort_keys=True, ensure_ascii=True)
    (folder / PRESENTATION).write_text(saved + "\n", encoding="utf-8")


def read_presentation(folder: Path) -> Presentation:
    """How a saved report is shown; raises BuildError where the file cannot be read."""
    path = folder / PRESENTATION
    try:
        saved = json.loads(content_of(path, MOST_BYTES, "the presentation"))
        if saved.pop("format") != 1:
            raise ValueError("another format")
        lists = {key: tuple(saved[key]) for key in ("outputs", "figures")}
        shown = Presentation(**{**saved, **lists})
        overriding.check(shown.templates)
        return shown
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(f"{path}: cannot be read ({error}); build the report again") from error


def fingerprint(presentation: Presentation) -> str:
    """A digest of all after the waist that decides the documents: code, templates, fonts, the user's own ones."""
    said = [presentation.theme, presentation.theme_file, dict(presentation.templates)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode("ascii"))
    shipped = resources.folder("templates")
    files = {p.relative_to(shipped.parent).as_posix(): p for p in shipped.rglob("*") if p.is_file()}
    for part in AFTER_THE_WAIST:
        here = resources.PACKAGE / part
        found = [p for p in (here.with_suffix(".py"), *here.rglob("*")) if p.suffix in DECIDING and p.is_file()]
        files |= {p.relative_to(resources.PACKAGE).as_posix(): p for p in found}
    for path in sorted(files):  # by paths that are the same in a checkout and in an installed package
        digest.update(path.encode("utf-8"))
        digest.update(hashlib.sha256(files[path].read_bytes()).digest())
    return digest.hexdigest()
