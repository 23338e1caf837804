"""Makes an SVG small: neighbouring shapes of one paint become one; it knows shapes and paints, not what they show.

A map is a shape a cell, and a PDF library takes its time over each. What is drawn stays as it was: only shapes that
stand one after another in one group are joined, and of them only rectangles change their order, which do not overlap.
"""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as Tree

SPACE = ' xmlns="http://www.w3.org/2000/svg"'
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
MOVED = re.compile(rf"translate\(({NUMBER})(?:,({NUMBER}))?\)")
RECT = re.compile(rf"M({NUMBER}),({NUMBER})h({NUMBER})v({NUMBER})h{NUMBER}Z")
DOT = re.compile(rf"M({NUMBER}),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0")
LONG = re.compile(r"-?\d+\.\d{3,}(?![\de])")
PLACED = {"d", "transform", "x1", "y1", "x2", "y2"}

Rect = tuple[float, float, float, float]  # left, top, right, bottom
Paint = tuple[tuple[str, str], ...]
Shape = tuple[str, Paint, str | Rect]  # "rect" with its sides, or "path" with its data


def trimmed(drawn: str) -> str:
    """The SVG with shapes joined, unseen ones left out and coordinates to a hundredth of a pixel."""
    # Which prefix the standard library writes for a namespace depends on what else is loaded: so it sees none.
    root = Tree.fromstring(drawn.replace(SPACE, "", 1))  # noqa: S314 - written by Vega here, text in it escaped
    _trim(root)
    for one in root.iter():
        for name in PLACED & set(one.attrib):
            one.set(name, LONG.sub(lambda m: _number(float(m[0])), one.attrib[name]))
    return Tree.tostring(root, encoding="unicode").replace("<svg", f"<svg{SPACE}", 1)


def _trim(group: Tree.Element) -> None:
    children: list[Tree.Element] = []
    for simple, run in groupby(list(group), key=lambda one: _shape(one) is not None or _unseen(one)):
        if simple:
            children += _joined([shape for one in run if not _unseen(one) and (shape := _shape(one)) is not None])
            continue
        for one in run:
            _trim(one)
            if len(one) or one.tag != "g":
                children.append(one)
    group[:] = children


def _unseen(one: Tree.Element) -> bool:
    """Whether a shape has no paint of its own (groups give it none) or is hidden."""
    if one.tag not in ("path", "line"):
        return False
    painted = any(one.get(name, "none") != "none" for name in ("fill", "stroke"))
    return not painted or one.get("opacity") == "0" or one.get("display") == "none"


def _shape(one: Tree.Element) -> Shape | None:
    """A path or a line that is at most moved and stands for nothing else, without its place in the paint."""
    if one.tag not in ("path", "line") or len(one) or one.get("id"):
        return None
    moved = MOVED.fullmatch(one.get("transform", "translate(0)"))
    if moved is None:
        return None
    x, y = float(moved[1]), float(moved[2] or 0)
    paint = tuple(sorted((k, v) for k, v in one.attrib.items() if k not in PLACED))
    if one.tag == "line":
        ends = [float(one.get(name, 0)) for name in ("x1", "y1", "x2", "y2")]
        return "path", paint, _line(x + ends[0], y + ends[1], x + ends[2], y + ends[3])
    data = one.get("d", "")
    if found := RECT.fullmatch(data):
        left, top, wide, high = (float(v) for v in found.groups())
        return "rect", paint, (x + left, y + top, x + left + wide, y + top + high)
    if (found := DOT.fullmatch(data)) and one.get("stroke", "none") == "none":
        return "path", _dot(paint, float(found[1])), f"M{_number(x)},{_number(y)}h0.01"
    return ("path", paint, data) if (x, y) == (0, 0) else None


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"M{_number(x1)},{_number(y1)}L{_number(x2)},{_number(y2)}"


def _dot(paint: Paint, radius: float) -> Paint:
    """The paint of a filled circle as that of a point with a round pen, which needs no curves."""
    kept = {k: v for k, v in paint if k not in ("fill", "stroke-width")}
    pen = {"stroke": dict(paint)["fill"], "stroke-width": _number(2 * radius), "stroke-linecap": "round"}
    return tuple(sorted((kept | pen).items()))


def _joined(shapes: list[Shape]) -> list[Tree.Element]:
    found = []
    for kind, run in groupby(shapes, key=lambda shape: shape[0]):
        if kind == "rect":
            found += [_path(paint, "".join(map(_outline, rects))) for paint, rects in _by_paint(list(run)).items()]
        else:
            for paint, same in groupby(run, key=lambda shape: shape[1]):
                found.append(_path(paint, "".join(str(data) for _, _, data in same)))
    return found


def _by_paint(shapes: list[Shape]) -> dict[Paint, list[Rect]]:
    """Rectangles by their paint, those that touch in a row made one."""
    found: dict[Paint, list[Rect]] = {}
    for _, paint, place in shapes:
        left, top, right, bottom = (round(float(v), 2) for v in place)
        same = found.setdefault(paint, [])
        if same and same[-1][1::2] == (top, bottom) and abs(same[-1][2] - left) < 0.011:
            same[-1] = (same[-1][0], top, right, bottom)
        else:
            same.append((left, top, right, bottom))
    return found


def _outline(rect: Rect) -> str:
    left, top, right, bottom = rect
    return f"M{_number(left)},{_number(top)}H{_number(right)}V{_number(bottom)}H{_number(left)}Z"


def _path(paint: Paint, data: str) -> Tree.Element:
    return Tree.Element("path", {"d": data, **dict(paint)})


def _number(value: float) -> str:
    """A coordinate to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if round(value, 2) else "0"
