"""Positions that belong together by their names, and how one position is called in a sentence; it knows no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from layergrid import text
from layergrid.artifacts import Grid

PLAIN = re.compile(r"-?\w[\w-]*")  # a name that can stand in a sentence as it is
LISTED = 4  # positions without a group that are called by their names
OPEN, CLOSE = "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"


@dataclass(frozen=True)
class Group:
    """Positions that belong together by their names."""

    key: str  # "exact_answer"; "from.end" and "all.other", whose dots no name can hold
    label: str  # "the exact-answer tokens"
    columns: tuple[int, ...]


def groups(grid: Grid) -> tuple[Group, ...]:
    """Positions with a shared prefix, those counted from the end, and the rest; tokens of one text are one group."""
    names = grid.positions
    if grid.text_of or (grid.labels and grid.labels != names):
        noun = "token" if grid.text_of else "position"
        label = f"the {text.words(len(names))} {noun}s" if len(names) > 1 else shown(grid, 0) if names else ""
        return (Group("all.other", label, tuple(range(len(names)))),) if names else ()
    end = [j for j, name in enumerate(names) if _from_end(name) is not None]
    rest = [j for j in range(len(names)) if j not in end]
    found = []
    for word in dict.fromkeys(names[j].split("_")[0] for j in rest):
        members = [j for j in rest if names[j].split("_")[0] == word]
        prefix = _prefix([names[j] for j in members])
        if len(members) > 1 and prefix.strip("_ "):
            found.append(Group(text.slug(prefix), f"the {prefix.replace('_', '-')} tokens", tuple(members)))
    other = [j for j in rest if not any(j in group.columns for group in found)]
    if other:
        found.append(Group("all.other", _other(grid, other, bool(found or end)), tuple(other)))
    if end:
        found.append(Group("from.end", _end([names[j] for j in end]), tuple(end)))
    return tuple(sorted(found, key=lambda group: group.columns[0]))


def shown(grid: Grid, j: int) -> str:
    """A position as a sentence calls it: its name, in quotation marks where it would blur into the sentence.

    A token of one text is called by its number and what it reads: token 12 "answer".
    """
    name = grid.positions[j]
    label = grid.labels[j] if grid.labels else name
    if grid.text_of:
        number, colon, piece = name.partition(":")
        counted = number if number.isascii() and number.isdigit() else str(j)
        piece = label if grid.labels else piece if colon else ""
        return f"token {counted}" + (f" {_quoted(piece)}" if piece else "")
    if label != name:
        times = grid.labels[: j + 1].count(label)
        return f"{_quoted(label)} ({times})" if times > 1 else _quoted(label)  # as figures tell equal labels apart
    return text.visible(name) if _plain(grid.positions) else _quoted(name)


@cache
def _plain(names: tuple[str, ...]) -> bool:
    """Whether all names can stand in a sentence as they are; else all are quoted, so that they are alike."""
    return all(PLAIN.fullmatch(name) and not name.isdigit() for name in names)


def _quoted(label: str) -> str:
    """A label in quotation marks; blanks at its ends are marked, those inside are not."""
    inner = label.strip(" ")
    before, _, after = label.partition(inner) if inner else (label, "", "")
    middle = "".join(c if c == " " else text.token(c) for c in inner)
    return f"{OPEN}{text.token(before)}{middle}{text.token(after)}{CLOSE}"


def _from_end(name: str) -> int | None:
    """The number of a position that is counted from the end ("-8" -> -8)."""
    return int(name) if name.startswith("-") and name[1:].isascii() and name[1:].isdigit() else None


def _prefix(names: Sequence[str]) -> str:
    """The words that all names share from the start: exact_answer_first, exact_answer_last -> exact_answer."""
    shared = []
    for words in zip(*(name.split("_") for name in names), strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "_".join(shared)


def _other(grid: Grid, columns: Sequence[int], beside: bool) -> str:
    """Positions without a group of their own: a few by their names, for a sentence may speak of no others before."""
    if len(columns) == 1 or (beside and len(columns) <= LISTED):
        return text.listed(shown(grid, j) for j in columns)
    return f"the {text.words(len(columns))} positions{' without a shared prefix' if beside else ''}"


def _end(names: Sequence[str]) -> str:
    counted = sorted(int(name) for name in names)
    if counted == list(range(-len(counted), 0)):
        return "the last token" if len(counted) == 1 else f"the last {text.words(len(counted))} tokens"
    if len(counted) > 2 and counted == list(range(counted[0], counted[-1] + 1)):
        return f"tokens {counted[0]} to {counted[-1]} from the end"
    return f"token {names[0]} from the end" if len(names) == 1 else f"tokens {text.listed(names)} from the end"
