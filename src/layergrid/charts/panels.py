"""Where small maps stand: rows and columns, sizes of cells, axes that neighbours share; it knows no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from layergrid.charts import frame as shared
from layergrid.charts import names
from layergrid.charts.axes import THIN
from layergrid.charts.frame import BAR, BAR_GAP, BAR_LABELS, WIDTH, Frame
from layergrid.theme import Theme, faces

ABOVE = 26  # pixels above the maps: the colour bar's title and the first row's titles
GAP, HEAD = 10, 18  # pixels between maps; above each map, its title
LARGEST = 22.0  # pixels of a cell
READABLE = (6.4, 3.0)  # pixels of a position that has a label, and of a layer
DEEPEST = 800  # pixels that all maps of a figure may take down the page


@dataclass(frozen=True)
class Panels:
    """Small maps in rows of so many; cells are `cell` wide and high."""

    frame: Frame
    theme: Theme
    n: int
    columns: int
    cell: tuple[float, float]
    left: int
    layer_title: str
    token_title: str

    @property
    def across(self) -> int:
        """Cells of a map from left to right."""
        return max(1, len(self.frame.grid.layers if self.frame.transpose else self.frame.grid.positions))

    @property
    def down(self) -> int:
        """Cells of a map from the top down."""
        return max(1, len(self.frame.grid.positions if self.frame.transpose else self.frame.grid.layers))

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height of one map."""
        return self.across * self.cell[0], self.down * self.cell[1]

    @property
    def rows(self) -> int:
        """Rows of maps."""
        return math.ceil(self.n / self.columns)

    @property
    def width(self) -> int:
        """Width of all maps."""
        return round(self.columns * (self.size[0] + GAP) - GAP)

    @property
    def height(self) -> int:
        """Height of all maps, the titles of the first row apart."""
        return round(self.rows * (self.size[1] + HEAD) - HEAD)

    @property
    def right(self) -> int:
        """Pixels right of the maps."""
        return BAR_GAP + BAR + BAR_LABELS

    def place(self, k: int) -> tuple[float, float]:
        """Left and top of the k-th map."""
        row, column = divmod(k, self.columns)
        return round(column * (self.size[0] + GAP), 2), round(row * (self.size[1] + HEAD), 2)

    def corner(self, k: int, i: int, j: int) -> tuple[float, float]:
        """Left and top of a cell of the k-th map: layer index `i`, position index `j`."""
        left, top = self.place(k)
        at = self.frame.rows.index(i)
        x, y = (at, j) if self.frame.transpose else (j, at)
        return round(left + x * self.cell[0], 2), round(top + y * self.cell[1], 2)

    def titles(self, words: Sequence[str]) -> list[dict[str, Any]]:
        """The title of each map, at its left."""
        shown = self._fitting(words)
        rows = [(shown[k], self.place(k)[0], self.place(k)[1] - 7) for k in range(len(words))]
        return [shared.text_marks(self.theme, rows, fontSize=self._title_size, fontWeight=600)]

    @property
    def _title_size(self) -> float:
        return self.theme.sizes["mark"] + 0.5

    def _fitting(self, words: Sequence[str]) -> list[str]:
        room = max(self.size[0], 30.0) + (GAP - 4 if self.columns > 1 else self.right)
        return [names.fitting(faces.printable(word, "sans"), room, self._title_size) for word in words]

    def clear(self, words: Sequence[str]) -> bool:
        """Whether the titles of the first row end left of the colour bar."""
        ends = [
            self.place(k)[0] + faces.width(word, "sans-semibold", self._title_size)
            for k, word in enumerate(self._fitting(words)[: self.columns])
        ]
        return max(ends, default=0.0) <= self.width + BAR_GAP - 4

    @property
    def _labels_size(self) -> float:
        step = self.cell[1] if self.frame.transpose else self.cell[0]
        return shared.pitched(self.theme.sizes["label"] - 1, step)

    @property
    def _shown(self) -> list[int]:
        """Indices of the positions that have a label."""
        step = self.cell[1] if self.frame.transpose else self.cell[0]
        least = self._labels_size / 0.92
        every = next((k for k in THIN if k * step >= least - 0.05), THIN[-1])
        return list(range(0, len(self.frame.grid.positions), every))

    @property
    def _ticks(self) -> list[int]:
        """Indices of the layers that have a number."""
        frame, step = self.frame, self.cell[0] if self.frame.transpose else self.cell[1]
        size = self.theme.sizes["label"] - 1
        widest = max((faces.width(str(n), "sans", size) for n in frame.numbers), default=0.0)
        room = widest + 3 if frame.transpose else size
        every = frame.tick
        while every * step < room:
            every += frame.tick
        first = frame.grid.layers[0] if frame.grid.layers else 0
        return [i for i, layer in enumerate(frame.grid.layers) if (layer - first) % every == 0]

    @property
    def depth(self) -> float:
        """Pixels below the lowest maps that labels take."""
        if self.frame.transpose:
            return 16.0
        widest = (faces.width(self.frame.labels[j], self.frame.face, self._labels_size) for j in self._shown)
        return max(widest, default=0.0) + 7

    @property
    def below(self) -> float:
        """Pixels below the maps: labels and a title."""
        return round(self.depth + 20, 1)

    def axes(self) -> list[dict[str, Any]]:
        """Layer numbers at the first map of each row, positions below the last of each column; turned, the reverse."""
        frame, ink = self.frame, {"color": self.theme.colour("ink")}
        size = self.theme.sizes["label"] - 1
        layer = {"fontSize": size, **ink}
        token = {"fontSize": self._labels_size, "font": self.theme.faces["token" if frame.face == "mono" else "figure"]}
        numbers, labels = [], []
        firsts = range(0, self.n, self.columns)
        lasts = [max(k for k in range(self.n) if k % self.columns == c) for c in range(min(self.columns, self.n))]
        wide, high = self.cell
        for k in lasts if frame.transpose else firsts:
            for i in self._ticks:
                x, y = self.corner(k, i, 0)
                spot = (x + wide / 2, self.place(k)[1] + self.size[1] + 9) if frame.transpose else (x - 5, y + high / 2)
                numbers.append((str(frame.numbers[i]), *spot))
        for k in firsts if frame.transpose else lasts:
            for j in self._shown:
                x, y = self.corner(k, frame.rows[0] if frame.rows else 0, j)
                bottom = self.place(k)[1] + self.size[1] + 5
                spot = (x - 5, y + high / 2) if frame.transpose else (x + wide / 2, bottom)
                labels.append((frame.labels[j], *spot))
        turned = {} if frame.transpose else {"angle": 270}
        bold = {"align": "center", "fontWeight": 600, "fontSize": self.theme.sizes["title"]}
        side, under = (self.token_title, self.layer_title) if frame.transpose else (self.layer_title, self.token_title)
        return [
            shared.text_marks(self.theme, numbers, align="center" if frame.transpose else "right", **layer),
            shared.text_marks(self.theme, labels, align="right", **turned, **token),
            shared.text_mark(self.theme, side, -self.left + 9, self.height / 2, angle=270, **bold),
            shared.text_mark(self.theme, under, self.width / 2, self.height + self.depth + 10, **bold),
        ]


def arrange(frame: Frame, theme: Theme, n: int, layer_title: str, token_title: str) -> Panels:
    """The rows and columns whose cells are largest while labels can be read and the page holds them."""
    size = theme.sizes["label"] - 1
    side = max((faces.width(word, frame.face, size) for word in frame.labels), default=0.0)
    left = min(WIDTH // 3, round(side) + 28) if frame.transpose else 42
    room = WIDTH - left - BAR_GAP - BAR - BAR_LABELS
    below = 36.0 if frame.transpose else min(side, 140.0) + 30
    tall = min(float(DEEPEST), 240.0 + 24.0 * n) - below

    def of(columns: int) -> Panels:
        one = Panels(frame, theme, n, columns, (1.0, 1.0), left, layer_title, token_title)
        wide = (room + GAP) / columns - GAP
        high = min(theme.sizes["plot"], (tall + HEAD) / one.rows - HEAD)
        cell = (min(LARGEST, wide / one.across), max(1.0, min(LARGEST, high / one.down)))
        return Panels(frame, theme, n, columns, cell, left, layer_title, token_title)

    def worth(one: Panels) -> float:
        position, layer = one.cell[::-1] if frame.transpose else one.cell
        read = min(1.0, position / READABLE[0]) * min(1.0, layer / READABLE[1])
        return read * math.sqrt(one.size[0] * one.size[1])

    return max((of(columns) for columns in range(1, min(n, 8) + 1)), key=worth)
