"""What the contents of print list: sections, figures and tables by number; it knows no page number and no markup."""

from __future__ import annotations

import string

from layergrid.render.content import Content
from layergrid.render.figures import Block
from layergrid.render.sizing import is_wide
from layergrid.render.words import printed

MOST = 16  # entries of a list; a longer one says only where it starts and ends

PLAIN = frozenset(string.ascii_letters + string.digits + " ,.()")  # what a string of CSS holds as it is

Entry = tuple[str, str, str]  # address inside the document, "Figure 2" or nothing, words


def of(content: Content) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """Lists with their titles: sections, then figures and tables."""
    many = len(content.results.grids) > 1
    figures = [(b.anchor, f"Figure {b.number}", called(b, many)) for b in content.blocks]
    tables = [(f"table-{s.number}", f"Table {s.number}", s.title) for s in content.sheets]
    found = (("", tuple(_sections(content))), ("Figures", _ends(figures)), ("Tables", _ends(tables)))
    return tuple((title, entries) for title, entries in found if entries)


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
