"""The kind `difference`: one grid less another, cell by cell, paired on the examples that both read; it fits nothing.

Both grids are of the same spec. Where they read the same examples (equal ids of one source) the intervals are paired;
where the examples come from different sources, or are different ones of one, they are taken as independent, and the
report says which.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from layergrid.artifacts import GridResult
from layergrid.kinds import BadInput, GridKind, Inputs, Needs
from layergrid.text import listed

UNKNOWN = "it is not known whether equal ids are the same example"
SOURCES = "the examples come from different data"
DISJOINT = "neither an example nor a group of examples is in both"


class DifferenceGrid(GridKind):
    """One grid less another, cell by cell, with intervals that are paired where both read the same examples."""

    stands_alone: ClassVar[bool] = True
    grid_keys: ClassVar[tuple[str, ...]] = ("of", "minus")
    kind: Literal["difference"] = "difference"
    of: str = Field(min_length=1, description="Name of the grid from which the other is taken.")
    minus: str = Field(min_length=1, description="Name of the grid that is taken away, of the same quantity.")
    match: Literal["source", "ids"] = Field(
        "source",
        description="What makes two examples the same: equal ids of one `source`, or equal `ids` wherever they are "
        "from, such as the same questions in two files.",
    )

    @model_validator(mode="after")
    def _two_grids(self) -> DifferenceGrid:
        if self.of == self.minus:
            raise ValueError("'of' and 'minus' are the same grid, so that every difference is 0")
        return self

    def needs(self) -> Needs:
        """Nothing of a model."""
        return Needs()

    def compute(self, inputs: Inputs) -> GridResult:
        """The differences, with both grids and their rows as its sides."""
        from dataclasses import replace

        from layergrid.comparing import grids, rows

        a, b = inputs.grids[self.minus], inputs.grids[self.of]
        told = [inputs.examples_of.get(name, "") for name in (self.minus, self.of)]
        unlike: str | rows.Independent = ""
        if self.match == "source" and not all(told):
            unlike = UNKNOWN
        elif self.match == "source":
            kept = [one.held_out or one.measured for one in (a, b)]
            if told[0] != told[1]:
                unlike = rows.unrelated(kept[0], kept[1], SOURCES)
            elif rows.disjoint(kept[0], kept[1]):
                unlike = rows.unrelated(kept[0], kept[1], DISJOINT)
        made = grids.difference(a, b, (self.minus, self.of), unlike, "grids")
        if made is None:
            raise BadInput(f"grids.{inputs.name}: {_why(a, b, self.minus, self.of)}")
        nested = dict(zip(grids.NESTED_COLUMNS, made.nested, strict=True)) if made.nested else {}
        settings = {**made.result.grid.settings, "examples": [made.row[1], made.row[2], made.row[3]], "nested": nested}
        settings["labels_differ"] = rows.labels_that_differ(a, b) if made.row[4] in ("folds", "across") else 0
        return replace(made.result, grid=replace(made.result.grid, name=inputs.name, settings=settings))


def _why(a: GridResult, b: GridResult, minus: str, of: str) -> str:
    """Why cells of one grid cannot be taken from those of the other."""
    names = [one.grid.quantity.name for one in (a, b)]
    if (a.grid.metric, names[0]) != (b.grid.metric, names[1]):
        said = f"{minus} holds {names[0]}, {of} {names[1]}, and one cannot be taken from the other"
        return f"{said}; name two grids of one quantity"
    what = "layer" if not set(a.grid.layers) & set(b.grid.layers) else "position"
    return f"{listed([minus, of])} have no {what} in common; read the same ones in both"
