"""Vega-Lite specifications as SVG for print: real text, bundled fonts, the same bytes each time; it knows no page."""

from __future__ import annotations

import re
from functools import cache

from layergrid.artifacts import Figure
from layergrid.render.trimming import trimmed
from layergrid.theme import faces


@cache
def _converter() -> object:
    import vl_convert

    vl_convert.register_font_directory(str(faces.FOLDER))
    return vl_convert


def svg(figure: Figure) -> str:
    """The figure as SVG; what is drawn directly passes through."""
    if figure.spec is None:
        return figure.svg
    import vl_convert

    _converter()
    return trimmed(tidy(vl_convert.vegalite_to_svg(dict(figure.spec)), figure.name))


def tidy(drawn: str, name: str) -> str:
    """The SVG with ids counted from 1 under the figure's name (Vega counts on and on), without roles and classes."""
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    ids = {old: f"{prefix}-{k}" for k, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', drawn)), 1)}
    for old, new in ids.items():
        drawn = drawn.replace(f'id="{old}"', f'id="{new}"').replace(f"url(#{old})", f"url(#{new})")
        drawn = drawn.replace(f'href="#{old}"', f'href="#{new}"')
    drawn = re.sub(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"', "", drawn)
    return re.sub(r"rgb\((\d+), (\d+), (\d+)\)", lambda m: "#" + "".join(f"{int(m[k]):02x}" for k in (1, 2, 3)), drawn)
