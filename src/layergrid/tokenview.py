"""Shows tokens with their positions on a terminal; it knows no model and resolves nothing."""

from __future__ import annotations

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Sequences
from layergrid.text import token, visible

View = RenderableType
STYLES = {"ok": "green", "missing": "red", "in_prompt": "yellow", "truncated": "red", "collapsed": "magenta"}


def example(i: int, examples: Examples, sequences: Sequences, labels: Labels, positions: Positions) -> View:
    """One example: its tokens with the exact answer marked, then every position with token, index and status."""
    verdict = "right" if labels.correct[i] else "wrong"
    title = Text(f"{examples.name} {visible(examples.ids[i])}: {verdict}", style="bold")
    if labels.reasons[i]:
        title.append(f" ({visible(labels.reasons[i])})", style="dim")
    return Group(title, _strip(i, sequences, labels), _table(i, sequences, positions), Text())


def _strip(i: int, sequences: Sequences, labels: Labels) -> Text:
    """The tokens in order, prompt and answer on lines of their own; every second one is shaded so that they part."""
    start, stop = (int(x) for x in labels.spans[i])
    strip = Text("prompt  ", style="dim")
    for k, piece in enumerate(sequences.pieces[i]):
        if k == int(sequences.prompt_tokens[i]):
            strip.append("\nanswer  ", style="dim")
        low, high = (int(x) for x in sequences.offsets[i][k])
        inside = start >= 0 and low < stop and high > start
        strip.append(
            token(piece), style="bold black on cyan" if inside else "not dim on grey15" if k % 2 else "not dim"
        )
    return strip


def _table(i: int, sequences: Sequences, positions: Positions) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("position", "tokens", "index", "status"):
        table.add_column(name)
    for p, name in enumerate(positions.names):
        start, stop = int(positions.start[i, p]), int(positions.stop[i, p])
        status = str(positions.status[i, p])
        shown = " ".join(token(piece) for piece in sequences.pieces[i][start:stop]) if start >= 0 else ""
        index = "" if start < 0 else str(start) if stop == start + 1 else f"{start}-{stop - 1}"
        table.add_row(Text(name), Text(shown), index, Text(status, style=STYLES[status]))
    return table


def counted(labels: Labels, positions: Positions) -> View:
    """How many examples have each status at each position, wrong answers apart."""
    table = Table(
        title=f"{len(labels.correct)} examples; in brackets those of the {int((~labels.correct).sum())} wrong answers",
        title_justify="left", box=None, pad_edge=False, header_style="dim",
    )  # fmt: skip
    table.add_column("position")
    used = [s for s in PositionStatus if (positions.status == s.value).any()]
    for status in used:
        table.add_column(status.value, justify="right")
    for p, name in enumerate(positions.names):
        cells = []
        for status in used:
            having = positions.status[:, p] == status.value
            wrong = int(np.count_nonzero(having & ~labels.correct))
            cells.append(f"{int(having.sum())} ({wrong})" if having.any() else "")
        table.add_row(Text(name), *cells)
    return table
