"""Holds a page drawn with a user's templates against what every page promises; it reads markup and draws nothing.

Scripts, handlers and styles that are not the page's own need no look: its policy keeps them from running. What a policy
does not stop is looked for here: going elsewhere by itself, and asking other addresses for anything. Data is escaped on
every page, so a bare "<" is always a template's or the page's own: the page is searched as it is written, whatever
stands around a tag, for no reader here agrees with every browser on where a comment or a text ends.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markupsafe import escape

from layergrid.kinds import BadInput

GAP = r"[ \t\r\n]*"
BEGINNING = rf'{GAP}<!DOCTYPE html>{GAP}<html(?:[ ][a-z-]+="[^"<>]*")*>{GAP}<head>{GAP}<meta charset="utf-8">{GAP}'
NEVER = (
    "applet", "base", "embed", "fencedframe", "form", "frame", "frameset", "iframe", "link", "meta", "object", "portal",
)  # fmt: skip
REACHING = re.compile(rf"<(?:[!?]|(?:{'|'.join(NEVER)})\b)", re.IGNORECASE)
HARMLESS = re.compile(  # in spite of that; quotes and brackets are such that every reader ends the tag at the same sign
    r'<meta(?:[ ](?:name|content|property|itemprop)="[^"<>]*")+[ ]?/?>|<link rel="icon" href="data:[^"<>]*">'
)
ASKING = ("src", "srcset", "poster", "background", "data", "ping", "action", "formaction", "imagesrcset")
LINKING = frozenset({"a", "area"})  # whose address is asked for only where a reader follows it


def check(page: str, policy: str, css: str) -> None:
    """Raises BadInput where a page does not begin with its policy, or asks for something outside of itself."""
    wanted = re.escape(f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">')
    begun = re.match(BEGINNING + wanted, page)
    if begun is None:
        raise BadInput(
            "templates: report.html.j2: the page must begin as the one that ships does, up to its "
            "Content-Security-Policy; copy these lines from layergrid/report.html.j2"
        )
    if "</" in css:
        raise BadInput("templates: report.css.j2: a style sheet may not hold '</', which would end it; remove it")
    for found in REACHING.finditer(page, begun.end()):
        if not HARMLESS.match(page, found.start()):
            raise _outside(_shown(page, found))
    try:
        reader = _Reader()
        reader.feed(page)
        reader.close()
    except (AssertionError, ValueError) as error:
        raise _outside("markup that cannot be read") from error


class _Reader(HTMLParser):
    """Reads the elements of a page; what it overlooks the policy stops, without a word to the author."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Raises BadInput for an element that reaches out; an attribute may be written twice."""
        for name, value in attrs:
            address = (value or "").strip()
            asked = name in ASKING or (name in ("href", "xlink:href") and tag not in LINKING)
            if asked and address and not address.lower().startswith(("data:", "#")):
                raise _outside(f"{address[:200]!r} of <{tag}>")

    handle_startendtag = handle_starttag


def _shown(page: str, found: re.Match[str]) -> str:
    """A tag as a message names it."""
    if found[0] == "<!":
        return "a comment, <!-- -->, or another <! (write comments as {# #})"
    if found[0] == "<?":
        return "<?"
    said = re.match(r"""[^<>]{0,200}?http-equiv\s*=\s*["']?([\w-]*)""", page[found.end() :][:300], re.IGNORECASE)
    return f'{found[0].lower()} http-equiv="{said[1]}">' if said else f"{found[0].lower()}>"


def _outside(what: str) -> BadInput:
    return BadInput(
        f"templates: the page holds {what}; a page may reach nothing outside of itself: take it out, or write a data "
        "address"
    )
