"""What figures call positions and tokens: printable, short, told apart; it knows no sizes but those of glyphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layergrid import text
from layergrid.artifacts import Grid
from layergrid.theme import faces

LONGEST_NAME, LONGEST_TOKEN = 36, 22  # characters on an axis
MORE = "\N{HORIZONTAL ELLIPSIS}"


def family(position: str) -> str:
    """What a position counts from: "answer" (the exact answer), "end" (the end, -8 to -1) or "other"."""
    if re.fullmatch(r"-\d+", position):
        return "end"
    return "answer" if position.startswith("exact_answer") else "other"


def shown_name(name: str, limit: int = LONGEST_NAME) -> str:
    """A position's name as figures print it: only bundled glyphs, the middle of a very long one left out."""
    name = faces.printable(name, "sans")
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}{MORE}{name[-half:]}"


def shown_names(names: Sequence[str]) -> list[str]:
    """Names as shown, still distinct."""
    return distinct([shown_name(name) for name in names])


def distinct(words: Sequence[str]) -> list[str]:
    """The words with those that stand more than once counted: "is", "is (2)"."""
    found: list[str] = []
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for word in words:
        shown, k = word, counts.get(word, 1)
        while shown in taken:
            k += 1
            shown = f"{word} ({k})"
        counts[word] = k
        taken.add(shown)
        found.append(shown)
    return found


def face(grid: Grid) -> str:
    """The face of a grid's axis labels: tokens of a text have one width a character."""
    return "mono" if grid.text_of else "sans"


def position_word(grid: Grid) -> str:
    """What the columns of a grid are: tokens of one text, positions of tokens, or of a table that names no model."""
    if grid.text_of:
        return "Token"
    return "Token position" if grid.model else "Position"


def whole_labels(grid: Grid) -> list[str]:
    """What stands for each position on the axis, uncut: its label where the grid has labels, else its name."""
    if not grid.labels:
        return list(grid.positions)
    made = text.token if grid.text_of else text.visible  # of tokens, blanks and line breaks are seen
    return [faces.printable(made(label), face(grid)) for label in grid.labels]


def labels(grid: Grid) -> list[str]:
    """What the axis shows, left to right: labels may repeat, and a long one ends in an ellipsis; names are distinct."""
    if not grid.labels:
        return shown_names(grid.positions)
    limit = LONGEST_TOKEN if grid.text_of else LONGEST_NAME
    return [word if len(word) <= limit else f"{word[: limit - 1]}{MORE}" for word in whole_labels(grid)]


def fitting(name: str, wide: float, size: float, face_: str = "sans-semibold") -> str:
    """A name with part of its middle left out where it would be too wide; its end tells more than its start."""
    kept = name
    for start in range(len(name) // 3, 2, -1):
        if faces.width(kept, face_, size) <= wide:
            break
        kept = f"{name[:start]}{MORE}{name[-max(2 * start, 6) :]}"
    return kept


def lines(words: str, wide: float, size: float, face_: str = "sans-semibold") -> list[str]:
    """Words broken into lines of at most so many pixels; a word that is wider than that has a line of its own."""
    found: list[str] = []
    for word in words.split(" "):
        longer = f"{found[-1]} {word}" if found else word
        if found and faces.width(longer, face_, size) <= wide:
            found[-1] = longer
        else:
            found.append(word)
    return found
