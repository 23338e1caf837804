"""What a command made and what it kept, with time, speed and memory, as a table; it knows no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from layergrid.console.memory import larger

if TYPE_CHECKING:
    from layergrid.console.events import Event

HEAD = ("stage", "time", "rate", "memory", "cache")
LAST_TO_FIRST = ("rate", "cache", "memory")  # columns that a narrow terminal lacks, in the order they go
GAP = 2
SHORT = 20  # characters of a name that are left before a column goes


@dataclass(frozen=True)
class Row:
    """A stage of a spec; of a stage that ran several times the sum of the times, and the largest memory."""

    spec: str
    stage: str
    outcome: Literal["running", "made", "kept", "stopped"]
    seconds: float = 0.0
    done: int = 0
    unit: str = ""
    rate: float | None = None  # units a second, of the run that ended last
    memory: int | None = None  # bytes, at most
    gpu_memory: int | None = None
    written: int = 0  # bytes in the cache
    since: float = 0.0  # when it began, in seconds since the start of the command


class Ledger:
    """The rows of a command, in the order in which the stages came up."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}

    def knows(self, spec: str, stage: str) -> bool:
        """Whether a stage came up."""
        return (spec, stage) in self._rows

    def hear(self, event: Event) -> None:
        """Enters what an event says of a stage."""
        at = (event.spec, event.stage)
        row = self._rows.get(at) or Row(*at, "running")
        match event.event:
            case "stage":
                row = replace(row, outcome="running", since=event.time or 0.0)
            case "kept":
                row = replace(row, outcome="kept")
            case "written":
                row = replace(row, written=row.written + (event.written or 0))
            case "done" | "stopped":
                row = replace(
                    row, outcome="made" if event.event == "done" else "stopped",
                    seconds=row.seconds + (event.seconds or 0.0), done=row.done + (event.done or 0), unit=event.unit,
                    rate=event.rate, memory=larger(row.memory, event.memory),
                    gpu_memory=larger(row.gpu_memory, event.gpu_memory),
                )  # fmt: skip
            case _:
                return
        self._rows[at] = row

    def rows(self, now: float) -> list[Row]:
        """All rows; what still runs, in a process that was ended, counts as stopped."""
        return [
            replace(row, outcome="stopped", seconds=row.seconds + now - row.since) if row.outcome == "running" else row
            for row in self._rows.values()
        ]


def as_json(row: Row) -> dict[str, Any]:
    """A row as the event `table` holds it."""
    found = {
        "spec": row.spec, "stage": row.stage, "outcome": row.outcome, "seconds": round(row.seconds, 3),
        "done": row.done or None, "unit": row.unit, "rate": None if row.rate is None else round(row.rate, 3),
        "memory": row.memory, "gpu_memory": row.gpu_memory, "written": row.written,
    }  # fmt: skip
    return {name: one for name, one in found.items() if one not in ("", None)}


def table(rows: Sequence[Row], seconds: float, memory: int | None, width: int = 100) -> list[str]:
    """The lines of the table for people, no wider than asked where that can be; `seconds` and `memory` of it all.

    One line where everything was kept; none where no stage came up.
    """
    if not rows:
        return []
    if all(row.outcome == "kept" for row in rows):
        most = "" if memory is None else f", {size(memory)} of memory at most"
        return [f"everything was kept; {duration(seconds)}{most}"]
    specs = len({row.spec for row in rows}) > 1
    cells = [HEAD, *(_cells(row, specs) for row in rows)]
    written = size(sum(row.written for row in rows))
    cells.append(("all", duration(seconds), "", size(memory), written))
    lines = _aligned(cells, width)
    gpu = [row.gpu_memory for row in rows if row.gpu_memory]
    if gpu:
        lines.append(f"{size(max(gpu))} of memory of the GPU at most")
    return lines


def _cells(row: Row, specs: bool) -> tuple[str, ...]:
    name = f"{row.spec}: {row.stage}" if specs else row.stage
    if row.outcome == "kept":
        return (name, "kept", "", "", "")
    time = duration(row.seconds) + (", stopped" if row.outcome == "stopped" else "")
    return (name, time, speed(row.rate, row.unit), size(row.memory), size(row.written or None))


def _aligned(cells: list[tuple[str, ...]], width: int) -> list[str]:
    """Columns side by side, the first to the left, the others to the right; empty ones, and what is too much, go."""
    kept = [i for i in range(len(HEAD)) if any(row[i] for row in cells[1:])]
    wide = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
    for name in LAST_TO_FIRST:
        if sum(wide[i] + GAP for i in kept[1:]) + min(wide[0], SHORT) > width:
            kept = [i for i in kept if HEAD[i] != name]
    rest = sum(wide[i] + GAP for i in kept[1:])
    wide[0] = max(8, min(wide[0], width - rest))
    found = []
    for row in cells:
        first = row[0] if len(row[0]) <= wide[0] else f"{row[0][: wide[0] - 2]}.."
        found.append((" " * GAP).join([first.ljust(wide[0]), *(row[i].rjust(wide[i]) for i in kept[1:])]).rstrip())
    return found


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 2 min 05 s, 3 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(many: int | None) -> str:
    """812 MB, 1.2 GB; empty where it is not known."""
    if many is None:
        return ""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if many >= one:
            return f"{many / one:.1f} {unit}" if many < 10 * one else f"{many / one:.0f} {unit}"
    return f"{many} B"


def speed(rate: float | None, unit: str) -> str:
    """81 answers/s, 0.4 cells/s, 3 cells/min; empty where it is not known."""
    if rate is None:
        return ""
    named = f" {unit}" if unit else ""
    if rate < 0.1:
        return f"{rate * 60:.1f}{named}/min"
    return f"{rate:.1f}{named}/s" if rate < 10 else f"{rate:,.0f}{named}/s"
