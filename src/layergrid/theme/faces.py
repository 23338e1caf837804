"""The bundled fonts: their measures, what they cover, and the CSS that brings them into a page; it knows no layout."""

from __future__ import annotations

import base64
import bisect
import json
from functools import cache
from pathlib import Path
from typing import Any

from layergrid import text
from layergrid.kinds import BuildError

FOLDER = Path(__file__).parent / "fonts"
WEB = ("serif", "serif-italic", "serif-bold", "sans", "sans-semibold", "sans-bold", "mono")


@cache
def metrics() -> dict[str, Any]:
    """Per face: family, weight, italic, ascent, descent and advances in 1/1000 em, covered code points."""
    found: dict[str, Any] = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    return found


@cache
def check() -> int:
    """How many bundled faces there are, each of them whole; raises BuildError that names one which is not.

    A TrueType file sums to 0xB1B0AFBA over its 32-bit words (OpenType specification, `head.checkSumAdjustment`).
    """
    import numpy as np

    what = "layergrid cannot draw text"
    try:
        known = metrics()
        for face, one in known.items():
            data = (FOLDER / f"{face}.ttf").read_bytes()
            words = np.frombuffer(data + b"\0" * (-len(data) % 4), ">u4")
            if data[:4] != b"\0\1\0\0" or int(words.sum(dtype=np.uint64)) % 2**32 != 0xB1B0AFBA:
                raise BuildError(f"{what}: the bundled font {face}.ttf is damaged; reinstall layergrid")
            for part in one["parts"]:
                name = f"{face}.{part}.woff2"
                web = (FOLDER / name).read_bytes()
                if web[:4] != b"wOF2" or int.from_bytes(web[8:12], "big") != len(web):
                    raise BuildError(f"{what}: the bundled font {name} is damaged; reinstall layergrid")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        name = Path(getattr(error, "filename", None) or "metrics.json").name
        raise BuildError(f"{what}: the bundled font file {name} is missing or damaged; reinstall layergrid") from error
    return len(known)


def width(string: str, face: str, size: float) -> float:
    """The advance of a string at a size, without kerning; characters that the face lacks count as one em."""
    measures = metrics()[face]
    advance, common = measures["advance"], measures["common"]
    total = sum(advance.get(str(ord(c)), common if _within(ord(c), measures["cover"]) else 1000) for c in string)
    return float(total) * size / 1000


def _within(code: int, spans: list[list[int]]) -> bool:
    at = bisect.bisect_right(spans, code, key=lambda span: span[0]) - 1
    return at >= 0 and spans[at][0] <= code <= spans[at][1]


def covers(character: str, *faces: str) -> bool:
    """Whether one of the faces (regular ones by default) has the character."""
    return any(_within(ord(character), metrics()[face]["cover"]) for face in faces or ("serif", "sans", "mono"))


@cache
def printable(string: str, *faces: str) -> str:
    """The string with every character that no bundled face has as an escape of its code point.

    Print never borrows a font of the machine, so that the same report has the same bytes everywhere.
    """
    shown = text.visible(string)
    return "".join(c if c in "\n\t" or covers(c, *faces) else escape(c) for c in shown)


def escape(character: str) -> str:
    """A character as its code point, the way Python writes it."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def print_css(scheme: str) -> str:
    """@font-face rules for the whole bundled faces at addresses such as `bundled:serif`, which the caller answers."""
    return "\n".join(_rule(face, f"{scheme}{face}", "truetype") for face in metrics())


def web_css(shown: str) -> str:
    """@font-face rules for a page that shows the given text.

    Every face comes with the part for English; the regular ones bring their second part where the text needs it.
    """
    codes = {ord(c) for c in set(shown)}
    rules = []
    for face in WEB:
        for part, spans in metrics()[face]["parts"].items():
            second = face in ("serif", "sans", "mono") and any(_within(code, spans) for code in codes)
            if part == "1" or second:
                path = FOLDER / f"{face}.{part}.woff2"
                data = base64.b64encode(path.read_bytes()).decode("ascii")
                rules.append(_rule(face, f"data:font/woff2;base64,{data}", "woff2", spans))
    return "\n".join(rules)


def _rule(face: str, address: str, form: str, spans: list[list[int]] | None = None) -> str:
    measures = metrics()[face]
    style = "italic" if measures["italic"] else "normal"
    ranges = ""
    if spans:
        ranges = " unicode-range: " + ", ".join(f"U+{a:X}-{b:X}" if a != b else f"U+{a:X}" for a, b in spans) + ";"
    return (
        f'@font-face {{ font-family: "{measures["family"]}"; font-weight: {measures["weight"]}; font-style: {style};'
        f'{ranges} src: url("{address}") format("{form}"); }}'
    )
