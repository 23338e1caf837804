"""How large each figure stands on paper, and on which kind of page; it knows sizes and words, no layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layergrid.render.figures import Block
from layergrid.theme import faces

MM = 96 / 25.4  # pixels of CSS
PAPERS = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}  # mm
TOP, SIDE, BOTTOM = 19.0, 21.0, 17.0  # mm: the margins
COLUMN = 634  # pixels: the narrowest column, that of A4
CAPTION, LINE = 7.7 * 96 / 72, 1.45  # pixels; lines
SPARE = 0.1  # pixels: without them widths rounded up make charts side by side too wide for their line
HEADING = 28  # pixels: the heading that the first of further figures stands under
FIRST = (1.0, 0.92, 0.84, 0.76)  # of the first page's charts, tried in turn until it holds them


@dataclass(frozen=True)
class Sizes:
    """The sizes of all charts on one kind of paper."""

    paper: str
    blocks: Sequence[Block]
    first: frozenset[int]  # numbers of the blocks of the first page

    @property
    def wide(self) -> frozenset[int]:
        """Numbers of the blocks that have a landscape page: no column is as wide as one of their charts."""
        return frozenset(b.number for b in self.blocks if is_wide(b))

    def room(self, landscape: bool) -> tuple[float, float]:
        """Width and height in pixels of what a page holds inside its margins."""
        wide, high = PAPERS[self.paper][::-1] if landscape else PAPERS[self.paper]
        return (wide - 2 * SIDE) * MM, (high - TOP - BOTTOM) * MM

    def scale(self, block: Block, landscape: bool) -> float:
        """How much smaller than drawn charts stand, so that all of them fit a page together with their caption."""
        room, high = self.room(landscape)
        across = sum(f.width for f in block.figures)
        widest = max((f.width for f in block.figures), default=1)
        beside = across <= room or (not landscape and block.number in self.wide)
        drawn = max((f.height for f in block.figures), default=1)
        drawn = drawn if beside else sum(f.height for f in block.figures)
        free = high - self._caption(block, room) - HEADING - 2
        return min(1.0, (room - SPARE) / (across if beside else widest), free / max(1, drawn))

    def _caption(self, block: Block, room: float) -> float:
        """Pixels that the caption takes at most, its margin counted."""
        said = " ".join(" ".join(s.text for s in words) + note for _, words, note in block.captions)
        title = "" if said.strip() else " ".join(f.title for f in block.figures)
        wide = faces.width(f"Figure 00. Map: Profile: {said}{title}", "sans", CAPTION)
        return (math.ceil(wide / (0.93 * room)) + 1) * CAPTION * LINE + 8

    def css(self, first: float) -> str:
        """The style sheet of the sizes; the charts of the first page are `first` as large as they are drawn."""
        rules = []
        for block in self.blocks:
            on_first = block.number in self.first
            landscape = block.number in self.wide and not on_first
            scale = min(self.scale(block, landscape), first if on_first else 1.0)
            rules += _rules(f".chart-{block.number}", block, scale)
            if on_first and block.number in self.wide:
                rules += _rules(f".plate .chart-{block.number}", block, self.scale(block, True))
        return "".join(rules)


def is_wide(block: Block) -> bool:
    """Whether a chart of a block is wider than every column."""
    return max((f.width for f in block.figures), default=0) > COLUMN + 1


def _rules(name: str, block: Block, scale: float) -> list[str]:
    return [
        f"{name}-{k} {{ width: {f.width * scale:.2f}px; height: {f.height * scale:.2f}px }}\n"
        for k, f in enumerate(block.figures, 1)
    ]
