"""Bars while stages run and one short line of each afterwards, on a terminal; it knows no stage by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergrid.console.events import Event, Listener
from layergrid.console.ledger import duration, speed
from layergrid.console.lines import called, said, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

NAME = 12  # characters that a name takes at least
WIDE, NARROW = 76, 44  # characters of a terminal that has room for a bar and a rate, and for a short bar


class Terminal(Listener):
    """Bars with counts, rates and remaining time, one for each stage that runs."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        self.pause = 0.1
        self.console = console
        self._bars: Progress | None = None
        self._tasks: dict[tuple[str, str], list[TaskID]] = {}
        self._detail: dict[tuple[str, str], str] = {}
        self._unicode = "utf" in console.encoding.lower()

    def show(self, event: Event) -> None:
        """Moves the bars, or leaves a line above them."""
        at = (event.spec, event.stage)
        match event.event:
            case "stage":
                self._detail[at] = event.detail
                self._tasks.setdefault(at, []).append(
                    self._live().add_task(called(event, self.several), total=None, of=event)
                )
            case "progress":
                for task in self._tasks.get(at, [])[-1:]:
                    self._live().update(task, completed=event.done, total=event.total, of=event)
            case "done" | "stopped":
                self._end(at)
                self._left(event)
            case "kept":
                self._print(f"= {called(event, self.several):<{NAME}} kept from an earlier build", "dim", whole=False)
            case _:
                for line in said(event, self.several, self.console.width):
                    self._print(line, "dim" if event.level == "detail" else "", whole=event.event != "table")

    def close(self) -> None:
        """Takes away bars of stages that nobody ended."""
        for at in list(self._tasks):
            self._end(at)

    def _live(self) -> Progress:
        if self._bars is None:
            self._bars = _progress(self.console)
            self._bars.start()
        return self._bars

    def _end(self, at: tuple[str, str]) -> None:
        tasks = self._tasks.get(at, [])
        if tasks and self._bars is not None:
            self._bars.remove_task(tasks.pop())
        if not tasks:
            self._tasks.pop(at, None)
        if not self._tasks and self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _left(self, event: Event) -> None:
        """The line that a stage leaves: its name, how long it took, how fast it was."""
        good = event.event == "done"
        mark = ("\N{CHECK MARK}" if good else "\N{BALLOT X}") if self._unicode else ("+" if good else "x")
        detail = self._detail.pop((event.spec, event.stage), "")
        took = [duration(event.seconds or 0.0), speed(event.rate, event.unit)]
        ended = ", ".join(one for one in (*took, "" if good else "stopped") if one)
        room = self.console.width - len(ended) - 3
        first = f"{mark} {called(event, self.several):<{NAME}} {shown(detail)}".rstrip()
        if len(first) > room and self._unicode:
            first = f"{first[: max(room - 1, NAME)]}\N{HORIZONTAL ELLIPSIS}"
        self._print(f"{first}  {ended}", styled=[("green" if good else "red", 0, 1), ("dim", len(first) + 2, None)])

    def _print(
        self,
        line: str,
        style: str = "",
        *,
        whole: bool = False,
        styled: list[tuple[str, int, int | None]] | None = None,
    ) -> None:
        """A line above the bars; what is too long for the terminal is cut, or goes on below where `whole`."""
        from rich.text import Text

        text = Text(line, style=style, no_wrap=not whole, overflow="fold" if whole else "ellipsis", end="")
        for one, start, stop in styled or []:
            text.stylize(one, start, stop)
        self.console.print(text, highlight=False, markup=False)


def _progress(console: Console) -> Any:
    """Bars as wide as the terminal lets them be, also after it changed."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task
    from rich.table import Column
    from rich.text import Text

    class Bar(BarColumn):
        def render(self, task: Task) -> Any:
            width = console.width
            self.bar_width = 24 if width >= WIDE else 8
            return super().render(task) if width >= NARROW else Text()

    class Words(ProgressColumn):
        def render(self, task: Task) -> Text:
            event: Event = task.fields["of"]
            if event.done is None:
                return Text(duration(task.elapsed or 0.0), style="dim", no_wrap=True)
            unit = f" {event.unit}" if event.unit and console.width >= WIDE else ""
            fast = speed(event.rate, "") if console.width >= WIDE else ""
            left = f"{duration(event.remaining)} left" if event.remaining else ""
            counted = f"{event.done}/{event.total}{unit}"
            return Text("  ".join(one for one in (counted, fast, left) if one), no_wrap=True, overflow="ellipsis")

    class Called(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.description:<{NAME}}", no_wrap=True, overflow="ellipsis")

    return Progress(
        Called(Column(ratio=None, no_wrap=True, overflow="ellipsis")), Bar(), Words(Column(no_wrap=True)),
        console=console, transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
