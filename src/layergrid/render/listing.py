"""What the contents of print list: sections, figures and tables by number; it knows no page number and no markup."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass

from layergrid.render.content import Content
from layergrid.render.figures import Block
from layergrid.render.sizing import MM, PAPERS, SIDE, is_wide
from layergrid.render.words import printed
from layergrid.theme import faces

MOST = 16  # entries of a list; a longer one says only where it starts and ends
GAP, INDENT, BELOW = 9.0, 4.0, 2.0  # mm: between the columns, of further lines, below a list
LETTERS, LEADING = 7.9 * 96 / 72, 1.5  # pixels; lines

PLAIN = frozenset(string.ascii_letters + string.digits + " ,.()")  # what a string of CSS holds as it is

Entry = tuple[str, str, str]  # address inside the document, "Figure 2" or nothing, words
List = tuple[str, tuple[Entry, ...]]  # title, entries


@dataclass(frozen=True)
class Columns:
    """The lists in two columns, as even as they can be with every list whole."""

    lists: tuple[tuple[List, ...], ...]
    width: float  # mm, of a column
    gap: float  # mm


def of(content: Content) -> tuple[List, ...]:
    """Lists with their titles: sections, then figures and tables."""
    many = len(content.results.grids) > 1
    figures = [(b.anchor, f"Figure {b.number}", called(b, many)) for b in content.blocks]
    tables = [(f"table-{s.number}", f"Table {s.number}", s.title) for s in content.sheets]
    found = (("", tuple(_sections(content))), ("Figures", _ends(figures)), ("Tables", _ends(tables)))
    return tuple((title, entries) for title, entries in found if entries)


def columns(content: Content, paper: str) -> Columns:
    """The lists in the two columns of a kind of paper; of two splits of one height, that with more at the left."""
    found = of(content)
    width = (PAPERS[paper][0] - 2 * SIDE - GAP) / 2
    high = [_height(one, width * MM) for one in found]
    at = min(range(1, len(found) + 1), key=lambda k: (max(sum(high[:k]), sum(high[k:])), -k))
    return Columns(tuple(part for part in (found[:at], found[at:]) if part), width, GAP)


def _height(one: List, wide: float) -> float:
    """The pixels that a list takes in a column, nearly: its words are measured without kerning."""
    title, entries = one
    lines = 1 if title else 0
    for _, number, words in entries:
        said = faces.width(f"{number} {words} . 00", "sans", LETTERS)
        lines += 1 + math.ceil(max(0.0, said - wide) / (wide - INDENT * MM))
    return lines * LETTERS * LEADING + BELOW * MM


def called(block: Block, many: bool) -> str:
    """What a list calls a figure: its title, with its grid where there are several."""
    first = block.figures[0]
    told = not first.grid or first.grid.casefold() in first.title.casefold()
    return f"{first.title} ({first.grid})" if many and not told else first.title


def _sections(content: Content) -> list[Entry]:
    found = [(s.key, "", s.title) for s in content.sections]
    across = [block for block in content.more if is_wide(block)]
    found += [("figures", "", "More figures")] if len(across) < len(content.more) else []
    found += [("tables", "", "Tables")] if content.sheets else []
    found += [("examples", "", "Examples")] if content.examples else []
    found += [(s.key, "", s.title) for s in content.methods]
    found += [("graded", "", "Graded answers")] if content.graded else []
    found += [("references", "", "References")] if content.references else []
    found.append(("provenance", "", "Provenance"))
    only = ("figures", "", "More figures") if len(across) == len(content.more) else ("wide-figures", "", "Wide figures")
    return [*found, only] if across else found


def labels(content: Content) -> str:
    """The style sheet that gives figures and tables their bookmarks."""
    many = len(content.results.grids) > 1
    named = [(b.anchor, f"Figure {b.number}. {called(b, many)}") for b in content.blocks]
    named += [(f"table-{s.number} caption", f"Table {s.number}. {s.title}") for s in content.sheets]
    return "".join(f"#{place} {{ bookmark-level: 3; bookmark-label: {_string(words)} }}\n" for place, words in named)


def _string(words: str) -> str:
    """Text as a string of CSS that shows it and is nothing else, whatever is in it."""
    shown = printed(words)
    return '"' + "".join(c if c in PLAIN else f"\\{ord(c):06x} " for c in shown) + '"'


def _ends(entries: list[Entry]) -> tuple[Entry, ...]:
    """The entries, or the first and the last of many."""
    return tuple(entries) if len(entries) <= MOST else (entries[0], entries[-1])
