"""Whether equal ids of two grids are the same example; it compares sources, ids, groups and labels, and no cell."""

from __future__ import annotations

from collections.abc import Mapping

from layergrid.artifacts import GridResult, HeldOut, Measured, Results

SOURCES = "the examples come from different sources"
NUMBERED = "the data have changed and their rows have no ids of their own"
OTHERS = "the data have changed, and rows of the same ids have other groups or labels"
ALIKE = 0.9  # the least share of common ids whose group and label must be the same once the data have changed
SPARSE = 10  # numbers up to so many times the count of rows may count the rows of a file


def apart(a: Results, b: Results, one: GridResult, other: GridResult) -> str:
    """Why equal ids are not the same example; empty where they are.

    They are where the data have one fingerprint, however their address is written. One address with another fingerprint
    is a source that was edited: its ids hold where they are more than row numbers and the rows still look the same.
    """
    mine, theirs = (
        [c for c in r.data if (c.model, c.name) == (g.grid.model, g.grid.dataset)] for r, g in ((a, one), (b, other))
    )
    held = [{c.fingerprint for c in cards} for cards in (mine, theirs)]
    if held[0] == held[1] and "" not in held[0]:
        return ""
    if {c.source for c in mine} != {c.source for c in theirs}:
        return SOURCES
    rows = [g.held_out or g.measured for g in (one, other)]
    if rows[0] is None or rows[1] is None:
        return ""  # the reason is that no rows were kept
    if any(_numbered(r) for r in rows if r is not None):
        return NUMBERED
    grouped = one.grid.settings.get("group") == other.grid.settings.get("group")
    return "" if _look_alike(rows[0], rows[1], grouped) else OTHERS


def _numbered(rows: HeldOut | Measured) -> bool:
    """Whether ids may be the numbers of rows: plain small integers, from among which rows were left out."""
    ids = set(rows.example_ids)
    plain = all(one.isascii() and one.isdigit() and one == str(int(one)) for one in ids)
    return plain and max(map(int, ids), default=0) <= SPARSE * len(ids)


def _look_alike(a: HeldOut | Measured, b: HeldOut | Measured, grouped: bool) -> bool:
    """Whether most examples of equal ids have the same label, and the same group where both are grouped alike."""
    one, other = _looks(a, grouped), _looks(b, grouped)
    common = one.keys() & other.keys()
    return sum(one[key] == other[key] for key in common) >= ALIKE * len(common)


def _looks(rows: HeldOut | Measured, grouped: bool) -> Mapping[str, tuple[str, float]]:
    """Group and target of each example."""
    target = rows.target if isinstance(rows, HeldOut) and rows.target is not None else rows.labels
    groups = rows.groups if grouped else ("",) * len(rows.example_ids)
    return {e: (g, float(t)) for e, g, t in zip(rows.example_ids, groups, target.tolist(), strict=True)}
