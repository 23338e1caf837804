"""The chart kind `multiples`: small maps of a grid on one scale, side by side. It has parameters; `repeated` draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from layergrid.artifacts import Figure, Results
from layergrid.kinds import ChartKind

if TYPE_CHECKING:
    from layergrid.theme import Theme

Role = Literal["head", "class", "reference"]


class Multiples(ChartKind):
    """Small maps of one grid on one scale: a map a head, a class of a contrast, or what the grid is compared with.

    What the grid is compared with stands beside the grid's own map. Of a matrix, named by its entry, a map a grid.
    """

    takes_family: ClassVar[bool] = True
    kind: Literal["multiples"] = "multiples"
    role: Role | None = Field(
        None, description="Which maps: `head`, `class` or `reference`; left out: the first of them that the grid has."
    )
    show: tuple[str, ...] = Field((), description="Names or globs of the maps to draw; left out: all that fit a page.")
    scheme: str = Field("", description="A colour scheme of the theme; left out: as in the heatmap.")
    domain: tuple[float, float] | None = Field(None, description="Ends of the scale; left out: what suits the maps.")
    tick: int = Field(2, ge=1, description="A tick every so many layers.")
    layers_from: Literal[0, 1] = Field(
        0, description="The number of layer 0 as shown; sites that start at block 1 keep their numbers."
    )
    layer_order: Literal["top", "bottom"] = Field("top", description="Where layer 0 stands.")
    transpose: bool = Field(False, description="Layers along x and positions down y.")
    layer_title: str = Field("Layer", description="Title of the layers' axis.")
    token_title: str = Field("", description="Title of the positions' axis; left out: what they are.")
    legend_title: str = Field("", description="Title of the colour bar; left out: the quantity with its unit.")

    @field_validator("show", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("domain")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (all(map(math.isfinite, value)) and value[0] < value[1]):
            raise ValueError("domain must be two finite numbers, the smaller first")
        return value

    def draw(self, results: Results, theme: Theme) -> Figure:
        """All small maps with one colour bar as one Vega-Lite specification of fixed size."""
        from layergrid.charts import repeated

        return repeated.draw(self, results, theme)
