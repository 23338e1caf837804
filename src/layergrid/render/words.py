"""Sentences and user text as HTML, print and Markdown: shown, never run; it knows no page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape

from markupsafe import Markup

from layergrid import text
from layergrid.artifacts import Lead, Paragraph, Sentence
from layergrid.render.references import Reference
from layergrid.theme import faces

DIGITS = r"[+\u2212]?\d+(?:[.,]\d+)*"
NUMBER = rf"\[{DIGITS}, {DIGITS}\]|(?:\b[Ll]ayers? )?{DIGITS}(?:\u2013{DIGITS})?(?:\u00a0%)?"
PLAIN = re.compile(r"[\d.,]+")  # unbroken as it is; on paper a span around it makes WeasyPrint end lines too early
UNDERSCORED = r"\w+(?:_\w+)+"


class Hypertext:
    """Writes HTML; `show` makes characters safe (visible on screen, only bundled glyphs in print)."""

    def __init__(
        self, names: Iterable[str], show: Callable[[str], str] = text.visible, paper: bool = False,
        works: Iterable[Reference] = (),
    ) -> None:  # fmt: skip
        # An ordinary word ("left") is no name to a reader of prose, and would be marked wherever it stands.
        known = sorted({show(name) for name in names if not name.isalpha()}, key=len, reverse=True)
        names_first = "|".join(rf"(?<![\w.\u2212-]){re.escape(name)}(?![\w.])" for name in known if name)
        self.show, self.paper = show, paper
        self.works = {work.key: work.anchor for work in works}
        cited = "|".join(rf"(?<!\w){re.escape(key)}(?!\d)" for key in self.works) or "(?!)"
        self.whole = re.compile(
            f"(?P<work>{cited})|(?P<name>{names_first + '|' if names_first else ''}{UNDERSCORED})|(?P<number>{NUMBER})"
        )

    def words(self, string: str) -> Markup:
        """Text in which no line breaks, and no hyphen comes, inside a position's name or a number."""
        string = self.show(string)
        found, at = [], 0
        for match in self.whole.finditer(string):
            before, inner = escape(string[at : match.start()]), escape(match.group())
            if match.lastgroup == "work":
                inner = f'<a class="cite" href="#{self.works[match.group()]}">{inner}</a>'
            elif match.lastgroup == "name":
                # Text that ends in a blank and just fills a line is broken at its first word by WeasyPrint.
                blank = " " if self.paper and before.endswith(" ") else ""
                before = before.removesuffix(blank)
                inner = f'<span class="name">{blank}{self._breakable(inner)}</span>'
            elif not (self.paper and PLAIN.fullmatch(match.group())):
                inner = f'<span class="nb">{inner}</span>'
            found += [before, inner]
            at = match.end()
        found.append(escape(string[at:]))
        return Markup("".join(found))  # noqa: S704 - every part is escaped above

    def _breakable(self, name: str) -> str:
        """On paper, in justified text, a long name may break after an underscore, without a hyphen."""
        return name.replace("_", "_<wbr>") if self.paper and len(name) > 14 else name

    def sentence(self, sentence: Sentence) -> Markup:
        """A sentence, with its facts marked on screen; on paper they serve no one and disturb the breaking of lines."""
        if isinstance(sentence, Lead):
            return Markup('<b class="lead">{}</b>').format(self._sentence(sentence))
        return self._sentence(sentence)

    def _sentence(self, sentence: Sentence) -> Markup:
        if self.paper:
            return self.words(sentence.text)
        inner = []
        for part in sentence.parts:
            if isinstance(part, str):
                inner.append(str(self.words(part)))
            else:
                inner.append(f'<span class="fact" data-fact="{escape(part.fact)}">{self.words(part.text)}</span>')
        facts = escape(" ".join(sentence.facts))
        attribute = f' data-facts="{facts}"' if facts else ""
        return Markup(f'<span class="sentence"{attribute}>{"".join(inner)}</span>')  # noqa: S704 - escaped above

    def paragraph(self, paragraph: Paragraph) -> Markup:
        """Sentences in a row."""
        return Markup(" ").join(self.sentence(one) for one in paragraph)


def printed(string: str) -> str:
    """Text for print: what no bundled face has stands as an escape."""
    return faces.printable(string)


def code(show: Callable[[str], str]) -> Callable[[str], str]:
    """Text that keeps its lines, such as a prompt's template, each line made safe by `show`."""
    return lambda string: "\n".join(show(line) for line in string.split("\n"))


def authored(string: str) -> list[str]:
    """The author's own text as paragraphs, which blank lines part."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", string) if part.strip()]


def markdown(string: str) -> str:
    """Text that Markdown shows as it stands: no emphasis, code, link, heading, table, HTML, formula or mention."""
    shown = " ".join(text.visible(string.replace("\n", " ")).split(" "))
    shown = shown.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([`*~$|])", r"\\\1", shown)
    shown = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", shown)
    shown = re.sub(r"\](?=[(\[])|(?<=\A\[)(?=[^\]]*\]:)", lambda m: "\\" + m[0], shown)
    shown = shown.replace("![", "!\\[").replace("@", "&#64;").replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
    return re.sub(r"^(\s*)([#+=-]|\d+[.)])(?=\s|$|[=-])", lambda m: f"{m[1]}{_kept(m[2])}", shown)


def _kept(start: str) -> str:
    """The start of a line that would make a heading, a list or a rule."""
    return f"{start[:-1]}\\{start[-1]}"
