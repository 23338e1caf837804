"""Two reports beside each other as results of their own: grids of differences and what else changed; it reads no file.

sources   whether equal ids are the same example
rows      the examples that two grids have in common, and paired differences on them
grids     the difference of two grids, cell by cell, as a grid
changes   tables of settings and of headline facts that are not what they were
apart     how far two reports are apart at most, for a tolerance
"""

from __future__ import annotations

from collections.abc import Sequence

from layergrid import text
from layergrid.artifacts import GridResult, Results, Scalar, Table
from layergrid.comparing import changes, grids, sources
from layergrid.comparing.apart import Apart, apart

PAIRS = "pairs"  # the table of what each pair of grids has in common
NESTED = "nested"  # the table of the nested bests of both and their paired differences
UNMATCHED = "unmatched"  # the table of what only one of the reports has
LABELS = "labels"  # the table of what the reports are called


def compare(a: Results, b: Results, labels: tuple[str, str], name: str) -> Results:
    """`b` less `a` as the results of a report called `name`: a grid of differences for each grid that both have.

    Grids are matched by name. Each difference holds both grids with their rows, so that all of it can be recomputed.
    """
    first, second = (_plain(label) for label in labels)
    found: list[GridResult] = []
    pairs: list[tuple[Scalar, ...]] = []
    nested: list[tuple[Scalar, ...]] = []
    lone: list[tuple[Scalar, ...]] = []
    theirs = {one.grid.name: one for one in b.grids}
    for one in a.grids:
        other = theirs.pop(one.grid.name, None)
        if other is None:
            lone.append(("grid", one.grid.name, "a"))
            continue
        made = grids.difference(one, other, (first, second), sources.apart(a, b, one, other))
        lone += [(what, f"{one.grid.name}: {name_}", side) for what, name_, side in grids.unmatched(one, other)]
        if made is None:
            lone.append(("nothing in common", one.grid.name, "both"))
            continue
        found.append(made.result)
        pairs.append(made.row)
        nested += [made.nested] if made.nested else []
    lone += [("grid", name_, "b") for name_ in theirs]
    return Results(
        title=f"{second} against {first}",
        seed=b.seed,
        models=tuple(card for card in b.models if card in a.models),  # others stand in the table of settings
        data=tuple(card for card in b.data if card in a.data),
        grids=tuple(found),
        illustrations=(),
        tables=(
            Table(LABELS, ("side", "label", "title"), (("a", first, a.title), ("b", second, b.title))),
            Table(PAIRS, grids.PAIR_COLUMNS, tuple(pairs)),
            Table(NESTED, grids.NESTED_COLUMNS, tuple(nested)),
            Table(UNMATCHED, ("what", "name", "side"), tuple(lone)),
            *changes.tables(a, b),
        ),
        spec_name=name,
        versions=b.versions if dict(a.versions) == dict(b.versions) else {},
    )


def _plain(label: str) -> str:
    """A label in which no sign reads as the minus between two labels."""
    return text.visible(label).replace(" - ", "-") or "report"


def called(paths: Sequence[tuple[str, ...]]) -> tuple[str, str]:
    """Labels of two folders, given as the parts of their whole paths: as many of the last parts as tell them apart.

    "arithmetic" and "arithmetic-b"; "main/arithmetic" and "branch/arithmetic".
    """
    first, second = paths
    for k in range(1, max(len(first), len(second)) + 1):
        if first[-k:] != second[-k:]:
            return "/".join(first[-k:]), "/".join(second[-k:])
    return first[-1], second[-1]


__all__ = ["LABELS", "NESTED", "PAIRS", "UNMATCHED", "Apart", "apart", "called", "compare"]
