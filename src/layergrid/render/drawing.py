"""Vega-Lite specifications as SVG for print: real text, bundled fonts, the same bytes each time; it knows no page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

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


def check(figures: Iterable[Figure]) -> None:
    """Raises Altair's error where its schema of Vega-Lite does not accept a figure as a whole.

    Of rows of data, which may be anything, it is shown the first alone: going through all takes longer than the rest.
    (Building the chart from Altair's objects checks every part on its own and takes five times as long.)
    """
    from altair.vegalite.v6.schema.core import TopLevelLayerSpec

    for figure in figures:
        if figure.spec is not None:
            TopLevelLayerSpec.validate(_outline(figure.spec))


def _outline(part: Any) -> Any:
    """A specification with the first row of its data alone."""
    if isinstance(part, dict):
        return {k: v[:1] if k == "values" and isinstance(v, list) else _outline(v) for k, v in part.items()}
    return [_outline(one) for one in part] if isinstance(part, list) else part


def tidy(drawn: str, name: str) -> str:
    """The SVG with ids counted from 1 under the figure's name (Vega counts on and on), without roles and classes."""
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    ids = {old: f"{prefix}-{k}" for k, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', drawn)), 1)}
    for old, new in ids.items():
        drawn = drawn.replace(f'id="{old}"', f'id="{new}"').replace(f"url(#{old})", f"url(#{new})")
        drawn = drawn.replace(f'href="#{old}"', f'href="#{new}"')
    drawn = re.sub(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"', "", drawn)
    return re.sub(r"rgb\((\d+), (\d+), (\d+)\)", lambda m: "#" + "".join(f"{int(m[k]):02x}" for k in (1, 2, 3)), drawn)
