"""The chart kind `matrix`: sources by targets of a transfer, raw and less the best baseline. It holds parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from layergrid.artifacts import Figure, Results
from layergrid.kinds import ChartKind

if TYPE_CHECKING:
    from layergrid.theme import Theme


class MatrixMap(ChartKind):
    """Two maps of a transfer, values printed in their cells: raw, and less each target's best baseline."""

    kind: Literal["matrix"] = "matrix"
    transfer: str = Field("", description="Name of the transfer; left out: the only one.")
    scheme: str = Field("", description="Colour scheme of the raw values; left out: that of probes.")
    domain: tuple[float, float] = Field((0.5, 1.0), description="Values of the two ends of the raw scale.")
    baseline: bool = Field(True, description="Whether the map less the best baseline stands beside it.")

    def draw(self, results: Results, theme: Theme) -> Figure:
        """Both maps as one Vega-Lite specification of fixed size."""
        from layergrid.charts import pairs

        return pairs.draw(self, results, theme)
