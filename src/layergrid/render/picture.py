"""A map so small that it is a picture: one SVG path a colour, no axes, no text; it knows no page and no theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from layergrid.artifacts import Floats

ONE_SIDED, TWO_SIDED = "blues", "rdbu"  # the theme's schemes, one class of colour a stop
MOST = (64, 64)  # layers and positions that are drawn one by one; of wider maps blocks of cells are


@dataclass(frozen=True)
class Picture:
    """Cells by colour as paths on a canvas of one unit a cell, and words for those who cannot see it."""

    width: int
    height: int
    scheme: str
    paths: tuple[tuple[int, str], ...]  # stop of the scheme, path
    alternative: str


def picture(
    values: Floats, alternative: str, stops: dict[str, int], chance: float | None, high: float | None, signed: bool
) -> Picture:
    """The map of values [L, P], layer 0 at the top. Cells without a value are left bare.

    `stops` are the numbers of colours of both schemes. From `chance` to `high` where there is a level of chance; around
    zero where cells are `signed`, or lie on both sides of it; else from the lowest value to the highest.
    """
    small = _blocks(np.asarray(values, dtype=np.float64))
    low, top, two = _ends(small[np.isfinite(small)], chance, high, signed)
    scheme = TWO_SIDED if two else ONE_SIDED
    count = stops[scheme]
    with np.errstate(invalid="ignore"):
        share = np.clip((small - low) / (top - low), 0, 1)
    colour = np.where(np.isfinite(share), np.rint(np.nan_to_num(share) * (count - 1)), -1).astype(int)
    paths = tuple(sorted(_paths(colour.tolist()).items()))
    return Picture(small.shape[1], small.shape[0], scheme, paths, alternative)


def _ends(values: Floats, chance: float | None, high: float | None, signed: bool) -> tuple[float, float, bool]:
    """Both ends of the scale, and whether it has two sides."""
    least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if signed or least < 0 < most:
        end = max(-least, most) or 1.0
        return -end, end, True
    if chance is not None and high is not None and chance < high:
        return chance, high, False
    return (least, most, False) if least < most else (least - 1.0, least + 1.0, False)


def _blocks(values: Floats) -> Floats:
    """The map itself, or means of blocks of cells where it is larger than a picture can be."""
    for axis in (0, 1):
        step = math.ceil(values.shape[axis] / MOST[axis]) if values.size else 1
        if step > 1:
            starts = range(0, values.shape[axis], step)
            parts = [values.take(range(s, min(s + step, values.shape[axis])), axis=axis) for s in starts]
            values = np.stack([_mean(part, axis) for part in parts], axis=axis)
    return values


def _mean(part: Floats, axis: int) -> Floats:
    there = np.isfinite(part)
    total, count = np.where(there, part, 0.0).sum(axis=axis), there.sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _paths(colours: Sequence[Sequence[int]]) -> dict[int, str]:
    """The cells of each colour as rectangles, neighbours in a row as one; a negative number is no colour."""
    found: dict[int, list[str]] = {}
    for y, row in enumerate(colours):
        x = 0
        for colour, run in groupby(row):
            wide = len(list(run))
            if colour >= 0:
                found.setdefault(colour, []).append(f"M{x} {y}h{wide}v1h-{wide}z")
            x += wide
    return {colour: "".join(parts) for colour, parts in found.items()}
