"""Builds several specs, and several grids of one, at once on one machine; it computes nothing itself.

What runs a model is made here, in order, as a build of one spec after the other would make it; the grids that read
nothing but results are made by other processes, and last the reports. Each of them finds in the store what it reads and
leaves there what it makes, so that the bytes are the same with any number of jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid import pipeline
from layergrid.console import Listener, Relay, heard
from layergrid.executors.processes import Processes
from layergrid.executors.serial import Serial
from layergrid.kinds import BuildError, Executor
from layergrid.pipeline import transferring
from layergrid.pipeline.keeping import TellingStore
from layergrid.pipeline.study import Study
from layergrid.spec import Spec
from layergrid.store import Store

if TYPE_CHECKING:
    from layergrid.models import Trust

Tell = Callable[[Any], None]


@dataclass(frozen=True)
class _Grid:
    """One grid to be made."""

    spec: Spec
    name: str
    trust: Trust | None


@dataclass(frozen=True)
class _Report:
    """One report to be made."""

    spec: Spec
    out: Path
    trust: Trust | None


def build_all(
    specs: Sequence[Spec], out: Path, listener: Listener, trust: Trust | None, jobs: int
) -> list[pipeline.Built | Exception]:
    """What the build of each spec left, or the error that it ended with; `jobs` processes work at once."""
    errors: dict[int, Exception] = {}
    grids: dict[str, tuple[int, _Grid]] = {}  # by the digest of the key: specs may share a grid
    for i, spec in enumerate(specs):
        try:
            found = _prepared(spec, out, listener, trust)
        except Exception as error:  # of this spec; the others are built
            errors[i] = error
            continue
        for digest, grid in found.items():
            grids.setdefault(digest, (i, grid))
    with listener.watching():
        made = _executor(jobs, len(grids)).map(_make_grid, [grid for _, grid in grids.values()], listener.tell)
        for (i, grid), one in zip(grids.values(), made, strict=True):
            if isinstance(one, Exception):
                errors.setdefault(i, _placed(one, grid.name))
        left = [i for i in range(len(specs)) if i not in errors]
        reports = [_Report(specs[i], out, trust) for i in left]
        built = dict(zip(left, _executor(jobs, len(reports)).map(_make_report, reports, listener.tell), strict=True))
    return [errors[i] if i in errors else built[i] for i in range(len(specs))]


def _executor(jobs: int, tasks: int) -> Executor:
    """One task alone is done here; more by as many processes as there are jobs, at most one a task."""
    return Processes(jobs=min(jobs, tasks)) if jobs > 1 and tasks > 1 else Serial()


def alone(root: Path | None = None) -> str:
    """Why no other process could read what this one makes; empty where they can."""
    try:
        Store(root).check()
    except BuildError as error:
        return str(error)
    return ""


def _prepared(spec: Spec, out: Path, listener: Listener, trust: Trust | None) -> Mapping[str, _Grid]:
    """Makes all that runs a model; the grids that are left to make, by the digests of their keys."""
    study = pipeline.opened(spec, out, listener.of(spec.name), trust)
    if study.store.has(study.report.key):
        return {}
    missing = {name: one for name, one in study.grid_stages.items() if not study.store.has(one.key)}
    for name in missing:
        if not spec.grids[name].stands_alone:
            study.answers[spec.grids[name].model, spec.grids[name].dataset].make_inputs(name)
    for name, one in study.transfer_stages.items():
        if not study.store.has(one.key):
            transferring.make_inputs(study, name)
    for name, one in missing.items():
        if one.loads:  # it asks the model while it is computed
            study.result(name)
    for answers in study.answers.values():
        _ = answers.card, answers.sequences  # the report reads them, whatever became of the grids
    return {one.key.digest: _Grid(spec, name, trust) for name, one in missing.items() if not one.loads}


def _make_grid(task: _Grid, tell: Tell) -> None:
    """Makes a grid into the store."""
    reporter = Relay(tell, task.spec.name)
    with heard(reporter.tell):
        Study(task.spec, TellingStore(reporter), reporter, task.trust).result(task.name)


def _make_report(task: _Report, tell: Tell) -> pipeline.Built:
    """Builds a report, whose grids are kept by now."""
    reporter = Relay(tell, task.spec.name)
    with heard(reporter.tell):
        return pipeline.finished(Study(task.spec, TellingStore(reporter), reporter, task.trust), task.out)


def _placed(error: Exception, grid: str) -> Exception:
    """The error of a process that ended, with the name of the grid; other errors name it where that helps."""
    return BuildError(f"grid {grid}: {error}") if str(error).startswith("a process that") else error
