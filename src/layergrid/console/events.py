"""What a build tells, as data, and the base of all that tell it; it knows neither terminals nor files."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from typing import Any, Literal, Protocol

from layergrid.console.ledger import Ledger, Row, as_json
from layergrid.console.memory import Gauge, highest, larger
from layergrid.console.pace import Pace

Advance = Callable[[int, int], None]  # (done, total)
Name = Literal["start", "stage", "progress", "done", "stopped", "written", "kept", "message", "built", "table", "end"]
Level = Literal["", "detail", "note", "error"]


@dataclass(frozen=True)
class Event:
    """One thing that happened; what does not belong to it is empty. `schema` says which fields which event has."""

    event: Name
    spec: str = ""
    stage: str = ""
    time: float | None = None  # seconds since the start of the command
    detail: str = ""
    done: int | None = None
    total: int | None = None
    unit: str = ""  # what is counted, plural: "answers"
    rate: float | None = None  # units a second
    remaining: float | None = None  # seconds
    seconds: float | None = None  # that the stage took
    memory: int | None = None  # bytes, at most
    gpu_memory: int | None = None  # bytes, at most
    written: int | None = None  # bytes in the cache
    level: Level = ""
    message: str = ""
    rows: tuple[Row, ...] = ()  # of the table
    more: Mapping[str, Any] = field(default_factory=dict)  # what only one kind of event has

    def as_json(self) -> dict[str, Any]:
        """The fields that are not empty."""
        every = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("rows", "more")}
        found = {name: round(one, 3) if isinstance(one, float) else one for name, one in every.items()}
        rows = {"rows": [as_json(row) for row in self.rows]} if self.event == "table" else {}
        return {**{name: one for name, one in found.items() if one not in ("", None)}, **rows, **self.more}


class Reporter(Protocol):
    """What the pipeline tells as it runs."""

    def stage(self, name: str, detail: str = "", unit: str = "") -> AbstractContextManager[Advance]:
        """Entered when a stage runs; the yielded function takes (done, total). `unit` is plural: "answers"."""

    def kept(self, name: str) -> None:
        """A stage's result was found in the store."""

    def note(self, message: str) -> None:
        """Something the user should read."""

    def detail(self, message: str) -> None:
        """Something for a user who wants to know more."""

    def wrote(self, size: int) -> None:
        """So many bytes were added to the store for the stage that ended last."""


class Speaker(ABC):
    """Times and measures the stages, and makes events of what it is told."""

    every = 0.0  # seconds between two counts of a stage

    def __init__(self) -> None:
        self._gauge = Gauge()
        self._last = ""  # the stage that ended last

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Takes an event, from whichever thread or process it comes."""

    @contextmanager
    def stage(self, name: str, detail: str = "", unit: str = "") -> Iterator[Advance]:
        """Tells start, progress and end of a stage, with its time and memory."""
        self.tell(Event("stage", stage=name, detail=detail, unit=unit))
        meter, started = self._gauge.begin(), time.monotonic()
        pace, told = Pace(started), started

        def advance(done: int, total: int) -> None:
            nonlocal told
            now = time.monotonic()
            pace.add(now, done, total)
            if now - told >= self.every:
                told = now
                self.tell(
                    Event(
                        "progress", stage=name, done=done, total=total, unit=unit, rate=pace.rate,
                        remaining=pace.remaining,
                    )
                )  # fmt: skip

        ended: Name = "stopped"
        try:
            yield advance
            ended = "done"
        finally:
            now = time.monotonic()
            used = self._gauge.end(meter)
            self._last = name
            self.tell(
                Event(
                    ended, stage=name, seconds=now - started, done=pace.done or None, unit=unit,
                    rate=pace.overall(now), memory=used.memory, gpu_memory=used.gpu,
                )
            )  # fmt: skip

    def kept(self, name: str) -> None:
        """Tells that a kept result serves."""
        self.tell(Event("kept", stage=name))

    def note(self, message: str) -> None:
        """Tells the message."""
        self.tell(Event("message", level="note", message=message))

    def detail(self, message: str) -> None:
        """Tells the message where details are asked for."""
        self.tell(Event("message", level="detail", message=message))

    def wrote(self, size: int) -> None:
        """Tells what the stage that ended last added to the store."""
        self.tell(Event("written", stage=self._last, written=size))


class Relay(Speaker):
    """Passes events on to another speaker or through a pipe, with the name of the spec that they are of."""

    def __init__(self, hear: Callable[[Event], None], spec: str, every: float = 0.1) -> None:
        super().__init__()
        self._hear, self._spec, self.every = hear, spec, every

    def tell(self, event: Event) -> None:
        """Passes it on."""
        self._hear(event if event.spec else replace(event, spec=self._spec))


class Listener(Speaker):
    """Stands at the end of the line: stamps the time on events, keeps the ledger, and shows what is to be seen."""

    lists_files = True  # whether the command prints the names of finished files on standard output

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__()
        self.verbose = verbose
        self.several = False  # whether lines say which spec they are of
        self.pause = 1.0  # seconds between two counts of a stage that are shown
        self._shown: dict[tuple[str, str], float] = {}  # when a stage was last shown
        self.ledger = Ledger()
        self._started = time.monotonic()
        self._lock = threading.RLock()
        self._most: int | None = None
        self._mute = False

    def tell(self, event: Event) -> None:
        """Shows an event. Where nobody reads any longer, the build goes on and nothing more is shown."""
        with self._lock:
            stamped = replace(event, time=time.monotonic() - self._started)
            if event.event == "kept" and self.ledger.knows(event.spec, event.stage):
                return  # a part of the build that runs elsewhere found what this one made
            self.ledger.hear(stamped)
            if self._mute or (event.level == "detail" and not self.verbose) or self._too_soon(stamped):
                return
            try:
                self.show(stamped)
            except BrokenPipeError:
                self._mute = True
                self.unread()

    def _too_soon(self, event: Event) -> bool:
        """Whether a count follows the last one too soon to be shown."""
        at, now = (event.spec, event.stage), event.time or 0.0
        soon = event.event == "progress" and now - self._shown.get(at, 0.0) < self.pause
        if event.event in ("stage", "progress") and not soon:
            self._shown[at] = now
        return soon

    @abstractmethod
    def show(self, event: Event) -> None:
        """Shows an event."""

    def of(self, spec: str) -> Speaker:
        """A speaker whose events are of one spec."""
        return Relay(self.tell, spec)

    def begin(self, version: str, specs: Sequence[str], jobs: int) -> None:
        """Tells that a command begins."""
        self.several = len(specs) > 1
        self.tell(Event("start", more={"version": version, "specs": list(specs), "jobs": jobs}))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measures this process with all that it starts, while stages run in processes of their own."""
        meter = self._gauge.begin()
        try:
            yield
        finally:
            self._gauge.end(meter)
            self._most = larger(self._most, meter.memory)

    def sum_up(self) -> None:
        """Tells the table of all that was made and kept; what still runs was stopped."""
        self.close()
        now = time.monotonic() - self._started
        rows = tuple(self.ledger.rows(now))
        memory = reduce(larger, (row.memory for row in rows), larger(self._most, highest()))
        gpu = reduce(larger, (row.gpu_memory for row in rows), None)
        written = sum(row.written for row in rows)
        self.tell(Event("table", seconds=now, memory=memory, gpu_memory=gpu, written=written, rows=rows))

    def end(self, exit_code: int, outcome: Mapping[str, Any]) -> None:
        """Tells how the command ends, and what it left."""
        now = time.monotonic() - self._started
        self.tell(Event("end", seconds=now, more={"exit_code": exit_code, **outcome}))

    def hold(self) -> None:
        """Stays with the streams as they are now, whatever is put in their place."""

    def unread(self) -> None:
        """Nobody reads any longer: what is left in buffers goes nowhere."""

    def close(self) -> None:
        """Takes away what stands for stages that nobody ended."""


__all__ = ["Advance", "Event", "Level", "Listener", "Relay", "Reporter", "Speaker"]
