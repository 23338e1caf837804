"""The HTML page: one file that needs no address outside itself and lets nothing run but its own scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from layergrid import resources, text
from layergrid.render import bundle, guarding
from layergrid.render.content import Content, lit
from layergrid.render.environment import environment
from layergrid.render.words import Hypertext, authored, code
from layergrid.theme import faces

EARLY = ("scheme",)  # files of templates/page that run before the page is shown
LATE = ("reading", "charts", "cells", "linking", "selecting", "saving", "contents", "start")  # once it is there
PACKED = frozenset({"charts", "vega"})  # data blocks that hold compressed text


def html(content: Content) -> str:
    """The page. Its Content-Security-Policy names the hash of every script and style in it and nothing else."""
    writer = Hypertext(content.names, works=content.references)
    env = environment(
        True, content.templates, words=writer.words, sentence=writer.sentence, paragraph=writer.paragraph,
        visible=text.visible, code=code(text.visible), authored=authored, svg=_inline,
    )  # fmt: skip
    css = env.get_template("report.css.j2").render(theme=content.theme, blocks=content.blocks, shades=content.shades)
    parts: dict[str, Any] = {"content": content, "data": _data(content), "packed": PACKED, "paper": False}
    body = env.get_template("body.html.j2").render(**parts)
    css = faces.web_css(body) + "\n" + css
    early, late = _script(EARLY), _script(LATE)
    allowed = policy([css], [early, late, bundle.javascript()])
    page = env.get_template("report.html.j2").render(
        content=content,
        body=Markup(body),  # noqa: S704 - rendered above by an escaping environment
        css=Markup(css),  # noqa: S704 - made of the theme's checked values, no user text
        early=Markup(early),  # noqa: S704 - shipped code
        late=Markup(late),  # noqa: S704 - shipped code
        policy=allowed,
    )
    if content.templates:
        guarding.check(page, allowed, css)
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


def _script(parts: tuple[str, ...]) -> str:
    """The page's own script of these files, in a function, so that nothing of it is global."""
    read = [resources.file(f"templates/page/{part}.js").read_text(encoding="utf-8") for part in parts]
    return '(function () {\n"use strict";\n' + "\n".join(read) + "})();\n"


def _data(content: Content) -> dict[str, Markup]:
    """The page's data blocks by id; what is large is packed."""
    specs = {f.name: f.spec for block in content.blocks for f in block.figures if f.spec is not None}
    return {
        "charts": _packed(_dumped(shared(specs))),
        "darkened": _json(content.theme.darkened()),
        "facts": _json(lit(content.cited, content.results)),
        "vega": _packed(bundle.javascript() if specs else ""),
    }


def shared(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Specifications by name, with the parts that are the same in all of them once, under "all"."""
    first: Mapping[str, Any] = next(iter(specs.values()), {})
    same = {k: v for k, v in first.items() if all(k in spec and spec[k] == v for spec in specs.values())}
    rest = {name: {k: v for k, v in spec.items() if k not in same} for name, spec in specs.items()}
    return {"all": same, "each": rest}


def _packed(content: str) -> Markup:
    """Text compressed in zlib's format, which has no date and no name of a machine in it, as base64."""
    packed = base64.b64encode(zlib.compress(content.encode("utf-8"), 9)).decode("ascii")
    return Markup(packed)  # noqa: S704 - letters, digits, "+", "/" and "=" alone


def opened(page: str) -> str:
    """A page with its packed blocks as the text that is in them: other builds of zlib pack the same text otherwise."""

    def text_of(match: re.Match[str]) -> str:
        try:
            inner = zlib.decompress(base64.b64decode(match[2], validate=True)).decode("utf-8")
        except (ValueError, zlib.error):
            return match[0]
        return f"{match[1]}{inner}{match[3]}"

    return re.sub(r'(<script type="text/plain" id="data-\w+">)([^<]*)(</script>)', text_of, page)


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def _json(value: object) -> Markup:
    """JSON that cannot end its script element, nor open another."""
    dumped = _dumped(value)
    for character in "<>&'":
        dumped = dumped.replace(character, f"\\u{ord(character):04x}")
    return Markup(dumped)  # noqa: S704 - every character that HTML knows is an escape
