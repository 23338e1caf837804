"""Holds a page drawn with a user's templates against what every page promises; it reads markup and draws nothing.

Scripts, handlers and styles that are not the page's own need no look: its policy keeps them from running. What a policy
does not stop is looked for here: going elsewhere by itself, and asking other addresses for anything.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markupsafe import escape

from layergrid.kinds import BadInput

BEGINNING = r'\s*<!DOCTYPE html>\s*<html[^<>]*>\s*<head>\s*<meta charset="utf-8">\s*'
NEVER = frozenset({"base", "embed", "frame", "frameset", "iframe", "object", "portal", "applet"})
ASKING = ("src", "srcset", "poster", "background", "data", "ping", "action", "formaction", "imagesrcset")
LINKING = frozenset({"a", "area"})  # whose address is asked for only where a reader follows it


def check(page: str, policy: str, css: str) -> None:
    """Raises BadInput where a page does not begin with its policy, or asks for something outside of itself."""
    wanted = re.escape(f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">')
    if not re.match(BEGINNING + wanted, page, re.IGNORECASE):
        raise BadInput(
            "templates: report.html.j2: the page must begin as the one that ships does, up to its "
            "Content-Security-Policy; copy these lines from layergrid/report.html.j2"
        )
    if "</" in css:
        raise BadInput("templates: report.css.j2: a style sheet may not hold '</', which would end it; remove it")
    _Reader().feed(page)


class _Reader(HTMLParser):
    """Reads the elements of a page."""

    policies = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Raises BadInput for an element that reaches out."""
        said = {name: (value or "").strip() for name, value in attrs}
        if tag == "meta" and "http-equiv" in said:
            self.policies += 1
            if self.policies > 1:
                raise _outside(f'<meta http-equiv="{said["http-equiv"]}">')
        if tag in NEVER or (tag == "link" and not said.get("href", "").startswith("data:")):
            raise _outside(f"<{tag}>")
        asked = [said[name] for name in ASKING if said.get(name)]
        if tag not in LINKING:
            asked += [said[name] for name in ("href", "xlink:href") if said.get(name)]
        for address in asked:
            if not address.lower().startswith(("data:", "#")):
                raise _outside(f"{address[:200]!r} of <{tag}>")

    handle_startendtag = handle_starttag


def _outside(what: str) -> BadInput:
    return BadInput(
        f"templates: the page holds {what}; a page may reach nothing outside of itself: take it out, or write a data "
        "address"
    )
