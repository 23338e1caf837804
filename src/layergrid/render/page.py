"""The HTML page: one file that needs no address outside itself and lets nothing run but its own scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from markupsafe import Markup

from layergrid import resources, text
from layergrid.render import bundle
from layergrid.render.content import Content, lit
from layergrid.render.environment import environment
from layergrid.render.words import Hypertext, authored, code
from layergrid.theme import faces


def html(content: Content) -> str:
    """The page. Its Content-Security-Policy names the hash of every script and style in it and nothing else."""
    writer = Hypertext(content.names)
    env = environment(
        True, content.templates, words=writer.words, sentence=writer.sentence, paragraph=writer.paragraph, visible=text.visible,
        code=code(text.visible), authored=authored, svg=_inline,
    )  # fmt: skip
    css = env.get_template("report.css.j2").render(theme=content.theme, blocks=content.blocks, shades=content.shades)
    parts: dict[str, Any] = {"content": content, "data": _data(content), "paper": False}
    body = env.get_template("body.html.j2").render(**parts)
    css = faces.web_css(body) + "\n" + css
    scripts = [bundle.javascript(), resources.file("templates/report.js").read_text(encoding="utf-8")]
    page = env.get_template("report.html.j2").render(
        content=content,
        body=Markup(body),  # noqa: S704 - rendered above by an escaping environment
        css=Markup(css),  # noqa: S704 - made of the theme's checked values, no user text
        scripts=[Markup(s) for s in scripts],  # noqa: S704 - shipped code
        policy=policy([css], scripts),
    )
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def policy(styles: list[str], scripts: list[str]) -> str:
    """A policy that allows these styles and scripts, images and fonts inside the page, and nothing more."""
    style = " ".join(f"'{digest(one)}'" for one in styles)
    script = " ".join(f"'{digest(one)}'" for one in scripts)
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def digest(source: str) -> str:
    """The source of a policy for an inline script or style: sha256-..."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")


def _inline(drawn: str) -> Markup:
    """An SVG that the charts drew, every text in it escaped there; scaled by the page, not by its own size."""
    return Markup(re.sub(r'^<svg ([^>]*?) width="\d+" height="\d+"', r"<svg \1", drawn))  # noqa: S704 - see above


def _data(content: Content) -> dict[str, Markup]:
    """The page's data blocks by id."""
    specs = {f.name: f.spec for block in content.blocks for f in block.figures if f.spec is not None}
    return {
        "charts": _json(specs),
        "darkened": _json(content.theme.darkened()),
        "facts": _json(lit(content.facts, content.results)),
        "grids": _json({f.grid: f.name for b in content.blocks for f in b.figures if f.name.endswith(".heatmap")}),
    }


def _json(value: object) -> Markup:
    """JSON that cannot end its script element, nor open another."""
    dumped = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&'":
        dumped = dumped.replace(character, f"\\u{ord(character):04x}")
    return Markup(dumped)  # noqa: S704 - every character that HTML knows is an escape
