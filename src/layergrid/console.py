"""Writes what a build is doing: bars on a terminal, plain lines elsewhere; it knows no stage and no artifact."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int, int], None]  # (done, total)


class Reporter(Protocol):
    """What the pipeline tells as it runs."""

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[Advance]:
        """Entered when a stage runs; the yielded function takes (done, total)."""

    def kept(self, name: str) -> None:
        """A stage's result was found in the store."""

    def note(self, message: str) -> None:
        """Something the user should read."""


def _say_nothing(_done: int, _total: int) -> None:
    """Nothing."""


class Silent:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[Advance]:  # noqa: ARG002 (the protocol's names)
        """Runs the stage without a word."""
        yield _say_nothing

    def kept(self, name: str) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""


class Plain:
    """One line when a stage starts, one when it ends, and one every ten seconds between; for logs."""

    def __init__(self, every: float = 10.0) -> None:
        self.every = every

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[Advance]:
        """Prints start, progress and duration."""
        started = last = time.monotonic()
        self._line(f"{name}: {detail}" if detail else name)

        def advance(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= self.every:
                last = now
                self._line(f"{name}: {done} of {total}")

        yield advance
        self._line(f"{name}: done in {time.monotonic() - started:.1f} s")

    def kept(self, name: str) -> None:
        """Prints that a kept result serves."""
        self._line(f"{name}: kept from an earlier build")

    def note(self, message: str) -> None:
        """Prints the message."""
        self._line(message)


class _Count(MofNCompleteColumn):
    """Done of total, and nothing for a stage that does not count."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class Terminal:
    """Progress bars with rates and remaining time."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[Advance]:
        """Draws a bar while the stage runs, and leaves one line."""
        columns = (
            TextColumn("{task.description}"), BarColumn(bar_width=30), _Count(), TimeElapsedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        started = time.monotonic()
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(f"{name:<12}", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        said = f"[green]✓[/green] {name:<12} {detail}".rstrip()
        self.console.print(f"{said}  [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False)

    def kept(self, name: str) -> None:
        """One dim line."""
        self.console.print(f"[dim]= {name:<12} kept from an earlier build[/dim]", highlight=False)

    def note(self, message: str) -> None:
        """The message as it is."""
        self.console.print(message, highlight=False, markup=False)


def reporter(quiet: bool = False) -> Reporter:
    """Bars where standard error is a terminal, plain lines where it is not, whatever colours are forced."""
    if quiet:
        return Silent()
    console = Console(stderr=True)
    return Terminal(console) if sys.stderr.isatty() and not console.is_dumb_terminal else Plain()
