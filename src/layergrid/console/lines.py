"""Lines for logs and for programs, and silence; it knows no terminal."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import unicodedata
from typing import IO

from layergrid.console.events import Event, Listener
from layergrid.console.ledger import duration, speed, table


def shown(text: str) -> str:
    """Text of a spec or a library made safe to print: what would move a cursor or change a colour becomes an escape."""
    risky = {"Cc", "Cs", "Cf", "Zl", "Zp"}
    return "".join(
        c if unicodedata.category(c) not in risky else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def called(event: Event, several: bool) -> str:
    """A stage, with the spec that it is of where there are several."""
    return shown(f"{event.spec}: {event.stage}" if several and event.spec else event.stage)


def nowhere(stream: IO[str]) -> None:
    """Lets what is still written to a stream vanish, also when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Silent(Listener):
    """Says nothing; the command tells its errors."""

    lists_files = False

    def show(self, event: Event) -> None:
        """Nothing."""


class Plain(Listener):
    """One line when a stage starts, one when it ends, and one every ten seconds between; for logs."""

    def __init__(self, every: float = 10.0, *, verbose: bool = False, stream: IO[str] | None = None) -> None:
        """`stream` None means standard error as it is when something is said."""
        super().__init__(verbose=verbose)
        self.pause = every
        self._stream = stream

    def hold(self) -> None:
        """Stays with standard error as it is now."""
        self._stream = self._stream or sys.stderr

    def unread(self) -> None:
        """What is left goes nowhere."""
        nowhere(self._stream or sys.stderr)

    def line(self, text: str) -> None:
        """Writes a line."""
        print(text, file=self._stream or sys.stderr, flush=True)

    def show(self, event: Event) -> None:
        """Writes what there is to say of it."""
        for one in said(event, self.several):
            self.line(one)


def said(event: Event, several: bool, width: int = 100) -> list[str]:
    """The lines for an event; those that concern programs only have none."""
    name = called(event, several)
    match event.event:
        case "stage":
            return [f"{name}: {shown(event.detail)}" if event.detail else name]
        case "progress":
            left = f"{duration(event.remaining)} left" if event.remaining else ""
            counted = f"{event.done} of {event.total}{f' {event.unit}' if event.unit else ''}"
            return [", ".join(one for one in (f"{name}: {counted}", speed(event.rate, event.unit), left) if one)]
        case "done":
            fast = speed(event.rate, event.unit)
            return [f"{name}: done in {duration(event.seconds or 0.0)}{f' ({fast})' if fast else ''}"]
        case "stopped":
            return [f"{name}: stopped after {duration(event.seconds or 0.0)}"]
        case "kept":
            return [f"{name}: kept from an earlier build"]
        case "message" if event.level != "error":  # errors are told by the command
            lead = f"{shown(event.spec)}: " if several and event.spec else ""
            return [f"{lead}{shown(one)}" for one in event.message.split("\n")]
        case "table":
            return [shown(one) for one in table(event.rows, event.seconds or 0.0, event.memory, width)]
        case _:
            return []


class JsonLines(Listener):
    """One JSON object a line on standard output; see `schema`. All characters beyond ASCII are escapes."""

    lists_files = False

    def __init__(self, *, quiet: bool = False, verbose: bool = False, stream: IO[str] | None = None) -> None:
        """`quiet` leaves errors and the end. `stream` None means standard output as it is when something is said."""
        super().__init__(verbose=verbose)
        self.quiet = quiet
        self._stream = stream

    def show(self, event: Event) -> None:
        """Writes the event."""
        if self.quiet and event.event != "end" and event.level != "error":
            return
        print(json.dumps(event.as_json()), file=self._stream or sys.stdout, flush=True)

    def unread(self) -> None:
        """What is left goes nowhere."""
        nowhere(self._stream or sys.stdout)

    def hold(self) -> None:
        """Stays with standard output as it is now."""
        self._stream = self._stream or sys.stdout
