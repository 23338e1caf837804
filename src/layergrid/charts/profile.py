"""The chart kind `profile`: a grid's value by layer for a few positions. It holds parameters; `profiled` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from layergrid.artifacts import Figure, Results
from layergrid.kinds import ChartKind

if TYPE_CHECKING:
    from layergrid.theme import Theme


class Profile(ChartKind):
    """Value by layer, the layer axis as in the map beside or above it: a line and an interval band a position.

    Left to itself it draws the position of the highest cell, then the highest position of each other family (exact
    answer, counted from the end, the rest), then the next highest positions, up to four.
    """

    kind: Literal["profile"] = "profile"
    positions: tuple[str, ...] = Field((), description="The positions to draw; left out: four by the rule.")
    domain: tuple[float, float] | None = Field(None, description="Ends of the value axis; left out: what is drawn.")
    tick: int = Field(2, ge=1, description="A tick every so many layers.")
    layers_from: Literal[0, 1] = Field(
        0, description="The number of layer 0 as shown; sites that start at block 1 keep their numbers."
    )
    layer_order: Literal["top", "bottom"] = Field("top", description="Where layer 0 stands.")
    transpose: bool = Field(False, description="Layers along x, as in a transposed map.")
    layer_title: str = Field("Layer", description="Title of the layers' axis where they go along x.")

    def draw(self, results: Results, theme: Theme) -> Figure:
        """The profile as one Vega-Lite specification of fixed size; its layer axis is that of the grid's map."""
        from layergrid.charts import profiled

        return profiled.draw(self, results, theme)
