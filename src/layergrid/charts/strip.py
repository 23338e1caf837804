"""Lays out tokens in rows with the names of positions below them; it knows widths, no colours and no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from layergrid.charts import layout
from layergrid.theme import faces

LONGEST = 48  # characters of one token before its middle is left out
MOST = 260  # tokens drawn before stretches far from any position are left out
AROUND = 7  # tokens kept on either side of a position
ENDS = 28  # tokens kept at either end
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Cell:
    """One drawn token, or the mark of a stretch that is left out (index -1)."""

    index: int
    shown: str
    left: float
    right: float


@dataclass(frozen=True)
class Name:
    """The names of the positions that stand on one token or span, and where they are written."""

    positions: tuple[str, ...]
    shown: str
    start: float  # the span's left and right
    stop: float
    flag: layout.Flag


@dataclass(frozen=True)
class Row:
    """One line of tokens with its names."""

    cells: tuple[Cell, ...]
    names: tuple[Name, ...] = field(default=())

    @property
    def levels(self) -> int:
        """Lines that the names take."""
        return max((name.flag.level + 1 for name in self.names), default=0)


@dataclass(frozen=True)
class Measures:
    """Widths in pixels: of a token's character, of names (their size), of the area."""

    character: float
    name_size: float
    width: float


Place = tuple[tuple[str, ...], int, int]  # names of positions, first token, one past the last


def kept(n: int, places: Sequence[Place]) -> list[int | None]:
    """Indices of the tokens to draw, None for each stretch left out; all of them where there are not many."""
    if n <= MOST:
        return list(range(n))
    wanted = set(range(ENDS)) | set(range(n - ENDS, n))
    for _, start, stop in places:
        wanted |= set(range(max(0, start - AROUND), min(n, stop + AROUND)))
    found: list[int | None] = []
    for i in range(n):
        if i in wanted:
            found.append(i)
        elif found and found[-1] is not None:
            found.append(None)
    return found


def rows(shown: Sequence[str], first: int, stop: int, keep: Sequence[int | None], m: Measures) -> list[list[Cell]]:
    """Tokens from `first` up to `stop` in lines no wider than the area; they touch, as in the text."""
    lines: list[list[Cell]] = [[]]
    x = 0.0
    for string, index in _strings(shown, first, stop, keep):
        wide = max(1, len(string)) * m.character
        if x + wide > m.width and lines[-1]:
            lines.append([])
            x = 0.0
        lines[-1].append(Cell(index, string, x, x + wide))
        x += wide
    return [line for line in lines if line]


def _strings(shown: Sequence[str], first: int, stop: int, keep: Sequence[int | None]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for at, i in enumerate(keep):
        if i is not None and first <= i < stop:
            found.append((_short(shown[i]), i))
        elif i is None and (before := keep[at - 1]) is not None and (after := keep[at + 1]) is not None:
            gone = min(after, stop) - max(before + 1, first)
            if gone > 0:
                found.append((f" {ELLIPSIS} {gone} tokens {ELLIPSIS} ", -1))
    return found


def _short(string: str) -> str:
    half = (LONGEST - 1) // 2
    return string if len(string) <= LONGEST else f"{string[:half]}{ELLIPSIS}{string[-half:]}"


def named(lines: list[list[Cell]], places: Sequence[Place], m: Measures) -> list[Row] | None:
    """The lines with the names below them, none colliding; None where a line has no room for its names."""
    found = []
    for line in lines:
        here = sorted(_spans(line, places), key=lambda one: (one[1] + one[2]) / 2)
        shown = [", ".join(shown_names(one[0])) for one in here]
        anchors = [round((a + b) / 2, 2) for _, a, b in here]
        widths = [faces.width(name, "sans-semibold", m.name_size) for name in shown]
        flags = layout.stagger(anchors, widths, m.width)
        if flags is None:
            return None
        names = [Name(names, words, a, b, flag) for (names, a, b), words, flag in zip(here, shown, flags, strict=True)]
        found.append(Row(tuple(line), tuple(names)))
    return found


def shown_names(names: Sequence[str]) -> list[str]:
    """Names short enough for two of them to fit side by side."""
    limit = 40 if len(names) == 1 else 26
    half = (limit - 1) // 2
    safe = [faces.printable(name, "sans-semibold") for name in names]
    return [name if len(name) <= limit else f"{name[:half]}{ELLIPSIS}{name[-half:]}" for name in safe]


def _spans(line: list[Cell], places: Sequence[Place]) -> list[tuple[tuple[str, ...], float, float]]:
    """Names with the pixels of their tokens, for those whose first token stands in this line."""
    at = {cell.index: cell for cell in line}
    found = []
    for names, start, stop in places:
        if start in at:
            last = max(i for i in range(start, stop) if i in at)
            found.append((names, at[start].left, at[last].right))
    return found


def arrange(
    shown: Sequence[str], parts: Sequence[tuple[int, int]], places: Sequence[Place], m: Measures
) -> list[list[Row]]:
    """The rows of every part (prompt, answer); lines are made shorter until all names find room.

    A line that leaves the widest name free at its right always has room, so this ends.
    """
    keep = kept(len(shown), places)
    done = []
    for first, stop in parts:
        width = m.width
        while True:
            lines = rows(shown, first, stop, keep, Measures(m.character, m.name_size, width))
            found = named(lines, places, m)
            if found is not None:
                break
            width *= 0.9
        done.append(found)
    return done
