"""The axes of a map, upright or transposed: which labels, how large, under which titles; it knows no cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from layergrid.charts import frame as shared
from layergrid.charts import names
from layergrid.charts.frame import Frame
from layergrid.theme import Theme, faces

GAP = 8  # pixels from the plot to the end of a label's room
THIN = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Axes:
    """The two axes of one map."""

    sizes: Frame
    theme: Theme
    layer_title: str
    token_title: str

    @property
    def position_label(self) -> float:
        """Size of the positions' labels."""
        return shared.pitched(self.theme.sizes["label"], self.sizes.step)

    @property
    def shown(self) -> list[int]:
        """Indices of the positions that have a label: all, or every so many where they would touch."""
        least = self.position_label / 0.92
        every = next((k for k in THIN if k * self.sizes.step >= least - 0.05), THIN[-1])
        per = len(self.sizes.grid.positions) if self.sizes.transpose else self.sizes.per
        return [j for j in range(len(self.sizes.grid.positions)) if j % per % every == 0]

    @property
    def thinned(self) -> bool:
        """Whether some positions go without a label."""
        return len(self.shown) < len(self.sizes.grid.positions)

    def reach(self, j: int) -> float:
        """How far from the plot the label of a position reaches (pixels)."""
        return faces.width(self.sizes.labels[j], self.sizes.face, self.position_label) + GAP

    @property
    def depth(self) -> float:
        """Pixels below the plot that labels and title take."""
        if self.sizes.transpose:
            return 36.0
        if self.sizes.bands > 1:
            return self.sizes.reach + self.theme.sizes["title"] + 8
        return self._title_place[1] + GAP + 4

    @property
    def _deepest(self) -> float:
        return max(map(self.reach, self.shown), default=0.0)

    def encodings(self) -> dict[str, Any]:
        """The encodings of x and y over the fields `position` and `layer`."""
        sizes, plain = self.sizes, {"padding": 0, "round": False}
        position = {"field": "position", "type": "ordinal", "axis": self._position_axis(),
                    "scale": {"domain": sizes.names, **plain}}  # fmt: skip
        layer = {"field": "layer", "type": "ordinal", "axis": self._layer_axis(),
                 "scale": {"domain": [sizes.numbers[i] for i in sizes.rows], **plain}}  # fmt: skip
        return {"x": layer, "y": position} if sizes.transpose else {"x": position, "y": layer}

    def _position_axis(self) -> dict[str, Any]:
        sizes = self.sizes
        axis: dict[str, Any] = {"title": None, "ticks": self.thinned, "labelPadding": 2 if self.thinned else 5,
                                "labelFontSize": round(self.position_label, 2)}  # fmt: skip
        if not sizes.transpose:
            upright = {"labelAngle": -90, "labelAlign": "right", "labelBaseline": "middle", "orient": "bottom"}
            axis |= upright
        if sizes.face == "mono":
            axis["labelFont"] = self.theme.faces["token"]
        if self.thinned:
            axis["values"] = [sizes.names[j] for j in self.shown]
        if sizes.labels != sizes.names:
            axis["labelExpr"] = f"{json.dumps(sizes.labels)}[indexof({json.dumps(sizes.names)}, datum.value)]"
        return axis

    def _layer_axis(self) -> dict[str, Any]:
        sizes = self.sizes
        axis: dict[str, Any] = {"title": None, "values": [sizes.numbers[i] for i in sizes.ticks],
                                "labelPadding": 3, "format": "d"}  # fmt: skip
        if sizes.transpose:
            axis |= {"orient": "bottom", "labelAngle": 0, "labelFontSize": round(sizes.layer_label, 2)}
        return axis

    def titles(self) -> list[dict[str, Any]]:
        """The titles of both axes."""
        sizes, bold = self.sizes, {"align": "center", "fontWeight": 600, "fontSize": self.theme.sizes["title"]}
        side, below = (self.token_title, self.layer_title) if sizes.transpose else (self.layer_title, self.token_title)
        x, y = (sizes.width / 2, 27.0) if sizes.transpose else self._title_place
        if sizes.bands > 1:
            x, y = sizes.width / 2, sizes.reach + 8
        side = names.fitting(side, sizes.height + 20, self.theme.sizes["title"])
        return [
            shared.text_mark(self.theme, side, -sizes.left + 9, sizes.height / 2, angle=270, **bold),
            shared.text_mark(self.theme, below, x, sizes.height + y, **bold),
        ]

    @property
    def _title_place(self) -> tuple[float, float]:
        """Where the positions' title stands: in the middle, below every label, so that it reads as none of them."""
        return self.sizes.width / 2, round(self._deepest + self.theme.sizes["title"], 1)
