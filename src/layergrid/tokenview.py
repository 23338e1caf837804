"""Shows tokens with their positions on a terminal; it knows no model and resolves nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Sequences
from layergrid.text import plural, token, visible

View = RenderableType
STYLES = {"ok": "green", "missing": "red", "in_prompt": "yellow", "truncated": "red", "collapsed": "magenta"}


def example(i: int, examples: Examples, sequences: Sequences, labels: Labels, positions: Positions) -> View:
    """One example: its tokens with the exact answer marked, then every position with token, index and status."""
    title = Text(f"{examples.name} {visible(examples.ids[i])}{_verdict(labels, i)}", style="bold")
    if labels.reasons[i]:
        title.append(f" ({visible(labels.reasons[i])})", style="dim")
    return Group(title, _strip(i, sequences, labels), _table(i, sequences, positions), Text())


def _verdict(labels: Labels, i: int) -> str:
    """Whether the answer is right, or the class that a column gives; nothing where there are no labels."""
    if not labels.known:
        return ""
    if labels.rule:
        return ": right" if labels.correct[i] else ": wrong"
    return f": {visible(labels.classes[int(labels.correct[i])])}"


@dataclass(frozen=True)
class Strip:
    """Tokens in order, prompt and answer on lines of their own, the exact answer marked.

    Colours part them, every second one shaded; without colours bars do, and brackets mark the exact answer.
    """

    prompt: tuple[str, ...]
    answer: tuple[str, ...]
    exact: frozenset[int]  # tokens of the whole, the prompt's counted

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich, which knows whether there are colours."""
        plain = console.no_color or console.color_system is None
        lines = Table.grid(Column(style="dim"), Column(overflow="fold"), padding=(0, 2, 0, 0))
        for name, pieces, first in (("prompt", self.prompt, 0), ("answer", self.answer, len(self.prompt))):
            if not pieces and name == "answer":
                continue
            line = Text()
            for k, piece in enumerate(pieces, first):
                marked = k in self.exact
                if plain:
                    line.append(f"[{piece}]" if marked else piece).append("|" if k < first + len(pieces) - 1 else "")
                else:
                    line.append(piece, "bold black on cyan" if marked else "on grey15" if k % 2 else "")
            lines.add_row(name, line)
        yield lines


def _strip(i: int, sequences: Sequences, labels: Labels) -> Strip:
    start, stop = (int(x) for x in labels.spans[i])
    pieces = tuple(token(piece) for piece in sequences.pieces[i])
    within = (sequences.offsets[i][:, 0] < stop) & (sequences.offsets[i][:, 1] > start) & (start >= 0)
    cut = int(sequences.prompt_tokens[i])
    return Strip(pieces[:cut], pieces[cut:], frozenset(np.flatnonzero(within & ~sequences.special[i]).tolist()))


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


def counted(examples: Examples, labels: Labels, positions: Positions) -> View:
    """How many examples have each status at each position, wrong answers (or the false class) apart.

    Rows of the source that are no examples are told above.
    """
    apart = "those with a wrong answer" if labels.rule else visible(labels.classes[0])
    title = plural(len(labels.correct), "example") + (f"; in brackets {apart}" if labels.known else "")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("position")
    used = [s for s in PositionStatus if (positions.status == s.value).any()]
    for status in used:
        table.add_column(status.value, justify="right")
    for p, name in enumerate(positions.names):
        cells = []
        for status in used:
            having = positions.status[:, p] == status.value
            wrong = int(np.count_nonzero(having & ~labels.correct))
            beside = f" ({wrong})" if labels.known else ""
            cells.append(f"{int(having.sum())}{beside}" if having.any() else "")
        table.add_row(Text(name), *cells)
    lost = [Text(f"left out {n} of {plural(of, 'row')}: {visible(why)}") for why, n, of in examples.left_out]
    return Group(Text(title, style="bold"), *lost, table)
