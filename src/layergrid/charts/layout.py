"""Places labels so that none collide: flags below tokens, names beside curves. It knows only boxes and lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from layergrid.artifacts import Floats

MOST_CORNERS, MOST_POINTS = 3000, 500  # boxes to try for a name; points along a curve
Point = tuple[float, float]
Curve = Sequence[Point]


@dataclass(frozen=True)
class Flag:
    """A label that hangs from a leader at `anchor`, its text from `left` to `right`, on a level counted downwards."""

    anchor: float
    left: float
    right: float
    level: int


@dataclass(frozen=True)
class Box:
    """A rectangle: left, top, right, bottom, with y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether two boxes share an area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def stagger(anchors: Sequence[float], widths: Sequence[float], width: float, gap: float = 5.0) -> list[Flag] | None:
    """Levels and sides for labels whose leaders stand at rising `anchors`, in an area from 0 to `width`.

    A label starts at its leader and runs to the right, or ends at it and runs from the left. A leader goes straight
    down to its own level, so a label that runs below another's leader must lie deeper than that leader's label. Of all
    patterns "some left, then right, then left" the one with the fewest levels is taken, then the one whose labels lie
    highest in sum, then the one with the most labels to the right. None where no pattern fits.
    """
    best: tuple[tuple[int, int, int], list[Flag]] | None = None
    for sides in _patterns(len(anchors)):
        spans = [(x, x + w) if right else (x - w, x) for x, w, right in zip(anchors, widths, sides, strict=True)]
        if any(left < 0 or right > width for left, right in spans):
            continue
        levels = _levels(anchors, spans, gap)
        if levels is None:
            continue
        score = (max(levels, default=0), sum(levels), sides.count(False))
        if best is None or score < best[0]:
            flags = [Flag(x, a, b, k) for x, (a, b), k in zip(anchors, spans, levels, strict=True)]
            best = (score, flags)
    return None if best is None else best[1]


def _patterns(n: int) -> Iterator[list[bool]]:
    """Sides (True: to the right) of the form left*, right*, left*."""
    for first in range(n + 1):
        for last in range(first, n + 1):
            if first < last or first == n:
                yield [first <= i < last for i in range(n)]
    yield [False] * n if n else []


def _levels(anchors: Sequence[float], spans: Sequence[tuple[float, float]], gap: float) -> list[int] | None:
    """The least levels that keep every label clear of the others and of their leaders; None where they contradict."""
    n = len(anchors)
    deeper: list[set[int]] = [set() for _ in range(n)]  # deeper[i]: labels that i must lie below
    apart: list[set[int]] = [set() for _ in range(n)]
    for i in range(n):
        left, right = spans[i][0] - gap, spans[i][1] + gap
        for j in range(n):
            if i == j:
                continue
            if left < anchors[j] < right and not (spans[i][0] == spans[j][1] == anchors[j] == anchors[i]):
                deeper[i].add(j)
            if left < spans[j][1] and spans[j][0] < right:
                apart[i].add(j)
    levels: list[int | None] = [None] * n
    for _ in range(n):
        ready = [i for i in range(n) if levels[i] is None and all(levels[j] is not None for j in deeper[i])]
        if not ready:
            return None
        i = ready[0]
        below = max((levels[j] or 0 for j in deeper[i]), default=-1)
        taken = {levels[j] for j in apart[i]}
        levels[i] = next(k for k in range(below + 1, below + n + 2) if k not in taken)
    return [level or 0 for level in levels]


def beside(
    curves: Sequence[Curve], sizes: Sequence[tuple[float, float]], area: Box, others: Sequence[Curve] = ()
) -> list[tuple[Box, Point]]:
    """A box for the name of each curve near it, clear of all other names, and the point of the curve that it names.

    Names go one after another. Each is tried at every few pixels of the area, so that there is an answer where names
    of their sizes fit at all (else they are stacked at the right edge). A box costs its distance from its own curve,
    more where another curve is nearer, and most where any curve runs through it; `others` are curves without a name.
    """
    dense = [_densely(curve) for curve in [*curves, *others]]
    placed: list[tuple[Box, Point]] = []
    for own, (wide, high) in zip(dense, sizes, strict=False):
        left, top = _corners(wide, high, area)
        clear = np.ones(left.shape, bool)
        for other, _ in placed:
            clear &= ~(
                (left < other.right) & (other.left < left + wide) & (top < other.bottom) & (other.top < top + high)
            )
        if clear.any():
            left, top = left[clear], top[clear]
            k = int(np.argmin(_cost(own, dense, left, top, wide, high)))
            box = Box(float(left[k]), float(top[k]), float(left[k]) + wide, float(top[k]) + high)
        else:
            down = area.top + sum(h for _, h in sizes[: len(placed)])
            box = Box(area.right - wide, down, area.right, down + high)
        placed.append((box, _nearest(own, box)))
    return placed


def _corners(wide: float, high: float, area: Box) -> tuple[Floats, Floats]:
    """Left tops of all boxes to try, from the top right; further apart where the area is large."""
    step = max(4.0, math.sqrt((area.right - area.left) * (area.bottom - area.top) / MOST_CORNERS))
    tops = np.arange(area.top, area.bottom - high + 1e-9, step)
    lefts = np.arange(area.right - wide, area.left - 1e-9, -step)
    top, left = np.meshgrid(tops, lefts, indexing="ij")
    return left.ravel(), top.ravel()


def _cost(own: Floats, curves: Sequence[Floats], left: Floats, top: Floats, wide: float, high: float) -> Floats:
    """What each box costs; `own` is one of `curves`."""
    found = [_distance(curve, left, top, wide, high) for curve in curves]
    distances = [one.min(axis=1, initial=np.inf) for one in found]
    mine = next(d for d, curve in zip(distances, curves, strict=True) if curve is own)
    cost = np.where(np.isfinite(mine), mine, 0.0)
    for every, distance, curve in zip(found, distances, curves, strict=True):
        inside = (every < 1.5).sum(axis=1)
        cost = cost + np.where(inside > 0, 150.0 + 3.0 * inside, 0.0)
        if curve is not own:
            cost = cost + np.where(distance < mine + 3, 45.0, 0.0)
    return cost


def _distance(curve: Floats, left: Floats, top: Floats, wide: float, high: float) -> Floats:
    """Distances [boxes, points] from boxes to the points of a curve; 0 inside."""
    x, y = curve[None, :, 0].astype(np.float32), curve[None, :, 1].astype(np.float32)
    left, top = left[:, None].astype(np.float32), top[:, None].astype(np.float32)
    across = np.maximum(np.maximum(left - x, x - left - np.float32(wide)), 0)
    down = np.maximum(np.maximum(top - y, y - top - np.float32(high)), 0)
    return np.asarray(np.sqrt(across * across + down * down))


def _densely(curve: Curve, step: float = 4.0) -> Floats:
    """Points along a polyline, close enough to see it cross a box; a very long one has them further apart."""
    points: list[Point] = []
    length = sum(abs(x1 - x0) + abs(y1 - y0) for (x0, y0), (x1, y1) in pairwise(curve))
    step = max(step, min(8.0, length / MOST_POINTS))
    for (x0, y0), (x1, y1) in pairwise(curve):
        parts = max(1, int((abs(x1 - x0) + abs(y1 - y0)) / step))
        points += [(x0 + (x1 - x0) * k / parts, y0 + (y1 - y0) * k / parts) for k in range(parts)]
    points += curve[-1:]
    return np.array(points, float).reshape(-1, 2)


def _nearest(curve: Floats, box: Box) -> Point:
    """The curve's point nearest to a box."""
    if not len(curve):
        return (box.left, box.top)
    distance = _distance(curve, np.array([box.left]), np.array([box.top]), box.right - box.left, box.bottom - box.top)
    x, y = curve[int(distance[0].argmin())]
    return (float(x), float(y))


def rim(box: Box, point: Point) -> Point:
    """Where a leader from a box to a point starts: its left or right middle, or straight above or below."""
    middle = (box.top + box.bottom) / 2
    if point[0] <= box.left:
        return (box.left, middle)
    if point[0] >= box.right:
        return (box.right, middle)
    return (point[0], box.top if point[1] < middle else box.bottom)
