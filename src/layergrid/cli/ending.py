"""How a build command tells what came of it: reports, expectations, errors, the table and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from layergrid.cli.listing import list_reports
from layergrid.cli.problems import explained, told
from layergrid.text import visible

if TYPE_CHECKING:
    from layergrid.console import Listener
    from layergrid.models import Trust
    from layergrid.pipeline import Built
    from layergrid.spec import Spec


class Ending:
    """Collects what became of the specs of a command; the last words are said when it is left, whatever happened."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.code = 0
        self.built: list[Built] = []
        self.failed: list[tuple[str, Exception]] = []
        listener.hold()

    def __enter__(self) -> Ending:
        return self

    def build(self, specs: Sequence[Spec], out: Path, trust: Trust, jobs: int) -> None:
        """Builds the specs; errors of single ones are told at the end."""
        try:
            for spec, one in self._builds(specs, out, trust, jobs):
                if isinstance(one, Exception):
                    self.failed.append((spec.name, one))
                else:
                    self._tell(spec.name, one)
        finally:  # also where the build of a later spec is interrupted
            self.listener.sum_up()
            for name, error in self.failed:
                self._fail(error, name, f"{name}: " if len(specs) > 1 else "")
            if self.built:  # some report is new; where all failed everything stays as it was
                list_reports(out)

    def _builds(
        self, specs: Sequence[Spec], out: Path, trust: Trust, jobs: int
    ) -> Iterator[tuple[Spec, Built | Exception]]:
        from layergrid import console, pipeline

        if jobs > 1:
            from layergrid.pipeline import parallel

            alone = parallel.alone()
            if not alone:
                with console.heard(self.listener.tell):
                    found = parallel.build_all(specs, out, self.listener, trust, jobs)
                yield from zip(specs, found, strict=True)
                return
            self.listener.note(f"{alone}; so one thing is made after the other, whatever --jobs says")
        for spec in specs:
            try:
                with console.heard(self.listener.tell):
                    built = pipeline.build(spec, out, self.listener.of(spec.name), trust)
            except Exception as error:  # foreseen or not, it is told at the end, and the other specs are built
                yield spec, error
            else:
                yield spec, built

    def _tell(self, name: str, built: Built) -> None:
        from layergrid import console

        self.built.append(built)
        self.code = max(self.code, 1 if built.unmet else 0)
        for line in built.notes:
            sys.stderr.write(f"{visible(f'{name}: {line}')}\n")
        for line in built.unmet:
            sys.stderr.write(f"{visible(f'{name}: expectation not met: {line}')}\n")
        self.listener.tell(console.Event("built", spec=name, more=_outcome([built])))
        if self.listener.lists_files:
            try:
                print(*built.files, sep="\n", flush=True)
            except BrokenPipeError:  # nobody reads any longer; the other specs are built
                console.nowhere(sys.stdout)

    def _fail(self, error: BaseException, name: str = "", lead: str = "") -> None:
        """An error of one spec."""
        from layergrid.console import Event

        self.listener.tell(Event("message", spec=name, level="error", message=explained(error)[0]))
        self.code = max(self.code, told(error, "--debug" in sys.argv, lead))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        from layergrid.console import Event

        if error is not None:  # whoever called the command tells it to people
            message, self.code = explained(error)
            self.listener.tell(Event("message", level="error", message=message))
        self.listener.end(self.code, _outcome(self.built))


def _outcome(many: Sequence[Built]) -> dict[str, Any]:
    return {
        "outputs": [str(file) for one in many for file in one.files],
        "expectations": {"met": sum(one.met for one in many), "unmet": [told for one in many for told in one.unmet]},
    }
