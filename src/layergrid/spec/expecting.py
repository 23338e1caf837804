"""What a spec may expect of its report: bounds on numbers by name; it knows no result and judges nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from layergrid.spec.base import Model
from layergrid.text import listed

Finite = Annotated[float, Field(allow_inf_nan=False)]
Which = Literal["estimate", "low", "high", "interval"]
Needs = Literal["all", "any"]
Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(ge=0)]

EVERY = "every"  # all layers or positions
MANY = 12  # layers that are listed one by one
BEST = "best"  # the baseline with the highest estimate
ALL, SMALLEST = "all", "smallest"  # rows of all classes, and of the class that has the fewest
LAYERS = re.compile(r"([0-9]{1,6})\s*\.\.\s*([0-9]{1,6})")
OF_GRID = ("nested_best", "cell", "difference", "beats", "rows")  # subjects that speak of a grid
OF_DATA = ("missing", "truncated", "accuracy")  # ... of answers to a data set
SUBJECTS = (*OF_GRID, *OF_DATA)


class Limits(Model):
    """A bound on a value: `at_least`, `at_most` or both."""

    at_least: Finite | None = Field(None, description="The value must not lie below this number.")
    at_most: Finite | None = Field(None, description="The value must not lie above this number.")

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("'at_least', 'at_most' or both are expected here")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no number is at least {self.at_least:g} and at most {self.at_most:g}")
        return self

    @property
    def limit(self) -> float:
        """The number of the bound; the lower one where there are two."""
        return self.at_most if self.at_least is None else self.at_least  # type: ignore[return-value]  # one is set

    def slack(self, low: float, high: float) -> float:
        """How far inside the bound `low` (held against `at_least`) and `high` (against `at_most`) lie.

        Below zero outside of it; NaN where the number that is needed is not there.
        """
        sides = [] if self.at_least is None else [low - self.at_least]
        sides += [] if self.at_most is None else [self.at_most - high]
        return math.nan if any(map(math.isnan, sides)) else min(sides)

    def met(self, value: float) -> bool:
        """Whether a value keeps the bound, equality included; NaN never does."""
        return self.slack(value, value) >= 0


class Bound(Limits):
    """A bound on a value that has an interval."""

    by: Which = Field(
        "estimate",
        description="What is held against the bound: the estimate, the `low` or the `high` end of its interval, or the "
        "whole `interval`.",
    )


def said_layers(layers: Sequence[int]) -> str:
    """The layers of a grid in words, for whoever named one that it lacks; `layers` rise."""
    if layers[-1] - layers[0] == len(layers) - 1:
        return f"its layers run from {layers[0]} to {layers[-1]}"
    if len(layers) > MANY:
        return f"its layers are {', '.join(map(str, layers[: MANY - 1]))}, and others up to {layers[-1]}"
    return f"its layers are {listed(map(str, layers))}"


class CellBound(Bound):
    """A bound on one cell of a grid, or on several."""

    layer: Whole | Text | Annotated[tuple[Whole | Text, ...], Field(min_length=1)] = Field(
        description="Layer of the cell; 0 is the embedding output. Or several: a range such as 3..6, a list, `every`."
    )
    position: Text | Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Position of the cell, by name. Or several: a glob, a range such as -8..-1, a list, `every`."
    )
    needs: Needs = Field(
        "all", description="Of several cells: whether `all` must keep the bound, or `any` one of them."
    )

    @model_validator(mode="after")
    def _layers_are_layers(self) -> Self:
        for one in self.layer if isinstance(self.layer, tuple) else (self.layer,):
            if isinstance(one, int) or one == EVERY:
                continue
            found = LAYERS.fullmatch(one)
            if found is None or int(found[1]) > int(found[2]):
                raise ValueError(f"{one!r} is no layer; expected a whole number, a range such as 3..6, or {EVERY}")
        return self


class Side(Model):
    """One side of a difference; a position alone may stand instead of the mapping."""

    grid: str = Field("", description="Name of its grid; left out: that of the expectation.")
    position: Text | None = Field(
        None, description="Its position: the best layer there, chosen inside the training folds; left out: nested best."
    )
    layer: Whole | None = Field(None, description="With `position`: one cell, and nothing is chosen.")

    @model_validator(mode="after")
    def _cells_have_positions(self) -> Self:
        if self.layer is not None and self.position is None:
            raise ValueError("'layer' needs a 'position'; expected {layer, position}, or a position alone")
        return self


class DifferenceBound(Bound):
    """A bound on a paired difference on the same rows: `of` less `minus`."""

    of: Side = Field(description="What is subtracted from: a position, or {layer, position}, or {grid, ...}.")
    minus: Side = Field(description="What is subtracted, likewise.")

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        if self.of == self.minus:
            raise ValueError("'of' and 'minus' are the same, so that the difference is always 0")
        return self


class BaselineBound(Bound):
    """A bound on the nested best less a baseline, paired on the same rows."""

    baseline: Text = Field(
        BEST, description="Name of the baseline, a glob, of which all must be beaten, or `best`: the highest of them."
    )


class RowsBound(Limits):
    """A bound on the rows that a grid compares."""

    of: Text = Field(
        ALL,
        description="`all`, the words for a class such as `wrong answers`, or `smallest`: the class with fewest rows.",
    )


class MissingBound(Limits):
    """A bound on the share of examples whose position has no token that counts."""

    position: Text | Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        EVERY, description="The position: a name, a glob, a range, a list, or `every`; of several each must keep it."
    )


class Expectation(Model):
    """Something that a build must find, else it ends with exit code 1: a bound on one number of the report."""

    grid: str = Field("", description="Name of the grid; may be left out where there is one.")
    dataset: str = Field(
        "", description="Of `missing`, `truncated`, `accuracy`: the data set; may be left out where there is one."
    )
    name: Text | None = Field(None, max_length=120, description="A name to know it by in lists of tests.")
    because: Text | None = Field(
        None, max_length=600, description="Why it is expected, in your words; shown beside it."
    )
    nested_best: Bound | None = Field(None, description="Bound on the nested best: chosen inside the training folds.")
    cell: CellBound | None = Field(None, description="Bound on one cell, or on several: {layer, position, at_least}.")
    difference: DifferenceBound | None = Field(
        None, description="Bound on a paired difference of two positions, cells or grids: {of, minus, at_least, by}."
    )
    beats: BaselineBound | None = Field(
        None, description="Bound on the nested best less a baseline: {baseline, at_least, by}."
    )
    rows: RowsBound | None = Field(
        None, description="Bound on how many rows the grid compares: {at_least}, of a class."
    )
    missing: MissingBound | None = Field(
        None, description="Bound on the share of examples that lack a position: {position, at_most: 0.05}."
    )
    truncated: Limits | None = Field(None, description="Bound on the share of answers that were cut: {at_most: 0.01}.")
    accuracy: Limits | None = Field(None, description="Bound on the share of right answers: {at_least: 0.3}.")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        found = [name for name in SUBJECTS if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(f"exactly one of {listed(map(repr, SUBJECTS))} is expected here")
        if found[0] in OF_GRID and not self.grid:
            raise ValueError(f"'grid' is missing beside {found[0]!r}: the name of the grid that it speaks of")
        if found[0] in OF_GRID and self.dataset:
            raise ValueError(f"'dataset' is not for {found[0]!r}, which speaks of a grid; remove it")
        return self

    @property
    def subject(self) -> str:
        """The key of what is bounded: "nested_best"."""
        return next(name for name in SUBJECTS if getattr(self, name) is not None)

    @property
    def bound(self) -> Limits:
        """The bound of what is bounded."""
        found: Limits = getattr(self, self.subject)
        return found
