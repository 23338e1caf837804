"""Cuts the bundled fonts out of their full static faces; run by hand, needs the extra `fonts`, knows no report.

`python -m layergrid.theme.subset SOURCES` reads the faces of FACES from a folder and writes `theme/fonts/`: one TTF a
face (for the PDF and for measuring charts), two WOFF2 parts of it (for the page, which embeds a part only where its
text needs it) and `metrics.json`. The families get names of their own, so that a font which happens to be installed
can never take their place; their licences reserve no name. Three marks that Noto Sans Mono lacks are drawn here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FONTS = Path(__file__).parent / "fonts"
FACES = {
    # key: source file, family, weight, italic
    "serif": ("NotoSerif_400Regular.ttf", "Layergrid Noto Serif", 400, False),
    "serif-italic": ("NotoSerif_400Regular_Italic.ttf", "Layergrid Noto Serif", 400, True),
    "serif-bold": ("NotoSerif_700Bold.ttf", "Layergrid Noto Serif", 700, False),
    "serif-bold-italic": ("NotoSerif_700Bold_Italic.ttf", "Layergrid Noto Serif", 700, True),
    "sans": ("Inter_400Regular.ttf", "Layergrid Inter", 400, False),
    "sans-semibold": ("Inter_600SemiBold.ttf", "Layergrid Inter", 600, False),
    "sans-bold": ("Inter_700Bold.ttf", "Layergrid Inter", 700, False),
    "mono": ("NotoSansMono_400Regular.ttf", "Layergrid Noto Mono", 400, False),
    "mono-bold": ("NotoSansMono_700Bold.ttf", "Layergrid Noto Mono", 700, False),
}
# The first part holds what an English report needs; the second the other scripts and signs.
FIRST = [(0x20, 0x7E), (0xA0, 0xFF), (0x2010, 0x2027), (0x202F, 0x203A), (0x2212, 0x2212), (0x2423, 0x2423),
         (0x21B5, 0x21B5), (0x21E5, 0x21E5), (0x2190, 0x2193), (0x2260, 0x2265), (0x25C7, 0x25C7)]  # fmt: skip
SECOND = [(0x100, 0x24F), (0x300, 0x30C), (0x370, 0x3FF), (0x400, 0x45F), (0x490, 0x491), (0x1E9E, 0x1E9E),
          (0x2000, 0x200A), (0x2028, 0x2043), (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x214F),
          (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2300, 0x23FF), (0x2500, 0x257F), (0x2580, 0x259F),
          (0x25A0, 0x25FF), (0xFFFD, 0xFFFD)]  # fmt: skip
FEATURES = ["kern", "mark", "mkmk", "liga", "calt", "ccmp", "locl", "tnum", "lnum", "case"]


def codes(ranges: list[tuple[int, int]]) -> set[int]:
    """All code points of closed ranges."""
    return {code for low, high in ranges for code in range(low, high + 1)}


def cut(font: Any, wanted: set[int], hinting: bool) -> Any:
    """The font with the wanted characters only (changed in place)."""
    from fontTools import subset  # type: ignore[import-untyped]  # no types published

    options = subset.Options(layout_features=FEATURES, hinting=hinting, notdef_outline=True, name_IDs=[1, 2, 3, 4, 6])
    options.drop_tables += ["DSIG", "STAT"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(font)
    return font


def rename(font: Any, family: str, weight: int, italic: bool) -> None:
    """Gives the face its family, weight and style, and drops every name that speaks of another family."""
    style = {400: "Regular", 600: "SemiBold", 700: "Bold"}[weight]
    style = (style if weight != 400 or not italic else "") + (" Italic" if italic else "")
    style = style.strip()
    table = font["name"]
    kept = {i: table.getDebugName(i) for i in (0, 13, 14)}
    table.names = []
    names = {
        1: family if weight != 600 else f"{family} SemiBold",
        2: style if weight != 600 else "Regular",
        3: f"{family} {style}; subset for layergrid",
        4: f"{family} {style}",
        6: f"{family} {style}".replace("Regular", "").strip().replace(" ", "-"),
        16: family,
        17: style,
        **{i: text for i, text in kept.items() if text},
    }
    for index, text in names.items():
        table.setName(text, index, 3, 1, 0x409)
    font["OS/2"].usWeightClass = weight
    font["head"].created = font["head"].modified = (
        3786912000  # 2024-01-01, so that the same sources give the same bytes
    )
    font.recalcTimestamp = False


def add_marks(font: Any, bold: bool) -> None:
    """Draws the open box, the return arrow and the tab arrow in a face of 600 units a character."""
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]  # no types published

    stroke = 96 if bold else 62
    for code, (name, shapes) in marks(stroke).items():
        if code in font.getBestCmap():
            continue
        pen = TTGlyphPen(None)
        for shape in shapes:
            pen.moveTo(shape[0])
            for point in shape[1:]:
                pen.lineTo(point)
            pen.closePath()
        font["glyf"][name] = pen.glyph()
        font["hmtx"][name] = (600, min(x for shape in shapes for x, _ in shape))
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap[code] = name


def marks(stroke: int) -> dict[int, tuple[str, list[list[tuple[int, int]]]]]:
    """Outlines of the three marks, clockwise, in units of 1/1000 em."""

    def bar(left: int, bottom: int, right: int, top: int) -> list[tuple[int, int]]:
        return [(left, bottom), (left, top), (right, top), (right, bottom)]

    half = stroke // 2
    box = [bar(70, -150, 70 + stroke, 60), bar(70, -150, 530, -150 + stroke), bar(530 - stroke, -150, 530, 60)]
    back = [
        bar(200, 240 - half, 520, 240 + half),
        bar(520 - stroke, 240 - half, 520, 560),
        [(60, 240), (250, 240 + 165), (250, 240 - 165)],
    ]
    tab = [
        bar(60, 300 - half, 400, 300 + half),
        [(480, 300), (300, 300 - 165), (300, 300 + 165)],
        bar(540 - stroke, 100, 540, 500),
    ]
    return {0x2423: ("openbox", box), 0x21B5: ("carriagereturn", back), 0x21E5: ("arrowtabright", tab)}


def spans(values: set[int]) -> list[list[int]]:
    """Sorted closed ranges."""
    found: list[list[int]] = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return found


def measure(font: Any) -> dict[str, Any]:
    """What layout needs of a face: ascent, descent, cover, and advances in 1/1000 em."""
    cmap, scale = font.getBestCmap(), 1000 / font["head"].unitsPerEm
    widths = {code: round(font["hmtx"][name][0] * scale) for code, name in cmap.items()}
    common = max(set(widths.values()), key=lambda w: (sum(v == w for v in widths.values()), w))
    return {
        "ascent": round(font["hhea"].ascent * scale),
        "descent": round(-font["hhea"].descent * scale),
        "cover": spans(set(cmap)),
        "common": common,
        "advance": {str(code): width for code, width in sorted(widths.items()) if width != common},
    }


def main(sources: Path) -> None:
    """Writes all faces and the metrics."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # no types published

    metrics = {}
    for key, (file, family, weight, italic) in FACES.items():
        found = next(iter(sorted(sources.rglob(file))), None)
        if found is None:
            raise SystemExit(f"{sources} holds no {file}")
        font = TTFont(found)
        if key.startswith("mono"):
            add_marks(font, weight > 400)
        cut(font, codes(FIRST) | codes(SECOND), hinting=False)
        rename(font, family, weight, italic)
        font.save(FONTS / f"{key}.ttf", reorderTables=False)
        metrics[key] = {"family": family, "weight": weight, "italic": italic, **measure(font)}
        cover = set(font.getBestCmap())
        parts = (("1", cover & codes(FIRST)), ("2", cover - codes(FIRST)))
        for part, wanted in parts:
            web = cut(TTFont(FONTS / f"{key}.ttf"), wanted, hinting=False)
            rename(web, family, weight, italic)
            web.flavor = "woff2"
            web.save(FONTS / f"{key}.{part}.woff2")
        metrics[key]["parts"] = {part: spans(wanted) for part, wanted in parts}
    text = json.dumps(metrics, separators=(",", ":"), sort_keys=True)
    (FONTS / "metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m layergrid.theme.subset FOLDER-WITH-THE-FULL-FACES")
    main(Path(sys.argv[1]))
