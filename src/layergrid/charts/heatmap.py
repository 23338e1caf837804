"""The chart kind `heatmap`: one grid as a map of layers by positions. It holds parameters; `mapped` draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from layergrid.artifacts import Figure, Results
from layergrid.kinds import ChartKind

if TYPE_CHECKING:
    from layergrid.theme import Theme


class Heatmap(ChartKind):
    """A map of one grid: colour is value; a box around a group, a diamond at the highest, dots inside the noise."""

    kind: Literal["heatmap"] = "heatmap"
    scheme: str = Field(
        "",
        description="A colour scheme of the theme: `blues`, `rdbu` (two sides, pale at zero), `ylorbr` (dark brown "
        "is low, light yellow high) or `cividis`; left out: rdbu where the scale goes well across zero, blues where "
        "there is a chance level, ylorbr for attention, else cividis, or what else the theme says.",
    )
    domain: tuple[float, float] | None = Field(
        None,
        description="Values of the two ends of the scale; left out: from chance to the highest possible value, or "
        "what suits the values where there is no chance level.",
    )
    box: tuple[str, ...] = Field((), description="Names or globs of the positions to draw a black box around.")
    tick: int = Field(2, ge=1, description="A tick every so many layers.")
    layers_from: Literal[0, 1] = Field(
        0, description="The number of layer 0 as shown; sites that start at block 1 keep their numbers."
    )
    layer_order: Literal["top", "bottom"] = Field(
        "top", description="Where layer 0 stands; in a transposed map always at the left."
    )
    transpose: bool = Field(False, description="Layers along x and positions down y.")
    layer_title: str = Field("Layer", description="Title of the layers' axis.")
    token_title: str = Field("", description="Title of the positions' axis; left out: what they are.")
    legend_title: str = Field("", description="Title of the colour bar; left out: the quantity with its unit.")

    @field_validator("box", mode="before")
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
        """The map with its colour bar as one Vega-Lite specification of fixed size."""
        from layergrid.charts import mapped

        return mapped.draw(self, results, theme)
