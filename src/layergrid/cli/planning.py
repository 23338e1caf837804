"""The commands that tell what a build would do, and pin what it stands on: plan, lock."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from layergrid.cli.options import (
    AllowPaths,
    Locked,
    Offline,
    Overrides,
    Pickle,
    Quiet,
    RemoteCode,
    SpecFiles,
    app,
    read_specs,
    trusted,
)
from layergrid.text import visible

if TYPE_CHECKING:
    from layergrid.pipeline.planning import Plan, Step

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per spec, for machines.")]


@app.command()
def plan(
    specs: SpecFiles,
    set_: Overrides = None,
    json_: Json = False,
    allow: AllowPaths = None,
    offline: Offline = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
    locked: Locked = False,
) -> None:
    """Tell what a build would make and why, what it would keep, and what that costs; nothing is run."""
    read = read_specs(specs, set_, allow)
    from layergrid.pipeline import planning

    trust = trusted(remote_code, pickle, offline, locked)
    found = [planning.plan_of(spec, trust) for spec in read]
    if json_:
        typer.echo(json.dumps([planning.as_json(one) for one in found], indent=1))
        return
    for path, one in zip(specs, found, strict=True):
        typer.echo("\n".join(map(visible, (str(path), *_told(one)))))


@app.command()
def lock(
    specs: SpecFiles,
    set_: Overrides = None,
    quiet: Quiet = False,
    allow: AllowPaths = None,
    offline: Offline = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Pin what specs stand on in the file layergrid.lock beside them: models, data, prompts, batches, splits, versions.

    What is not known yet is made, such as answers and grids, and kept for the next build. `build --locked` then refuses
    to build anything else.
    """
    read = read_specs(specs, set_, allow)
    gc.enable()
    from layergrid import console
    from layergrid.pipeline import locking

    listener, trust = console.reporter(quiet), trusted(remote_code, pickle, offline)
    for spec in read:
        file, changed = locking.write(spec, listener.of(spec.name), trust)
        typer.echo(visible(f"{file}: {spec.name}: {'; '.join(changed) or 'unchanged'}"))


def _told(found: Plan) -> list[str]:
    """A table of stages, then what all of it costs."""
    from layergrid.pipeline.planning import too_large
    from layergrid.text import listed

    lines = [*_aligned([("stage", "", "passes", "disk", "time", "why"), *map(_row, found.steps)]), f"  {_total(found)}"]
    if found.untimed:
        lines.append(f"  no earlier run to go by: the time of {listed(found.untimed)}")
    if found.unsized:
        lines.append(f"  not known before: the size of {listed(found.unsized)}")
    lines += [f"  differs from the lock: {one}" for one in found.drift]
    lines += [f"  to download: {address}" for address in found.downloads]
    return [*lines, *([] if found.fits else [f"  {too_large(found)}"])]


def _row(step: Step) -> tuple[str, ...]:
    """One stage: what is done with it, and of what is made the costs and the reasons."""
    from layergrid.console.ledger import duration, size
    from layergrid.text import count

    if step.doing != "make":
        return (step.stage.label, step.doing)
    passes = step.stage.work.passes
    return (
        step.stage.label,
        "to make",
        count(passes) if passes else "",
        "?" if step.bytes is None else size(step.bytes),
        "?" if step.seconds is None else duration(step.seconds),
        "; ".join(step.reasons),
    )


def _total(found: Plan) -> str:
    """The costs of all that is made, in a sentence."""
    from layergrid.console.ledger import duration, size
    from layergrid.text import plural

    if not found.made:
        return "nothing to make"
    said = [f"to make: {plural(len(found.made), 'stage')}"]
    if found.passes:
        said.append(f"at most {plural(found.passes, 'forward pass', 'forward passes')}")
    if len(found.unsized) < len(found.made):
        least = "more than " if found.unsized else ""
        said.append(f"{least}{size(found.bytes)} of {size(found.free)} that are free")
    if len(found.untimed) < len(found.made):
        said.append(f"{'more than' if found.untimed else 'about'} {duration(found.seconds)} beside loading models")
    return ", ".join(said)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines of columns; numbers end at one place, the last column is as long as it is."""
    whole = [(*row, *[""] * (6 - len(row))) for row in rows]
    widths = [max(len(row[i]) for row in whole) for i in range(6)]
    return [
        "  ".join(
            ["", *(row[i].ljust(widths[i]) if i < 2 else row[i].rjust(widths[i]) for i in range(5)), row[5]]
        ).rstrip()
        for row in whole
    ]  # fmt: skip
