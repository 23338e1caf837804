"""The command that tells what a build would do: plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from layergrid.cli.options import AllowPaths, Offline, Overrides, Pickle, RemoteCode, SpecFiles, app, read_specs, trusted

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
) -> None:
    """Tell what a build would make and why, what it would keep, and what that costs; nothing is run."""
    read = read_specs(specs, set_, allow)
    from layergrid.pipeline import planning

    found = [planning.plan_of(spec, trusted(remote_code, pickle, offline)) for spec in read]
    if json_:
        typer.echo(json.dumps([planning.as_json(one) for one in found], indent=1))
        return
    for path, one in zip(specs, found, strict=True):
        typer.echo(f"{path}\n" + "\n".join(_told(one)))


def _told(found: Plan) -> list[str]:
    """A table of stages, then what all of it costs."""
    from layergrid.pipeline.planning import too_large
    from layergrid.text import listed

    lines = [*_aligned([("stage", "", "passes", "disk", "time", "why"), *map(_row, found.steps)]), f"  {_total(found)}"]
    if found.untimed:
        lines.append(f"  no earlier run to go by: the time of {listed(found.untimed)}")
    if found.unsized:
        lines.append(f"  not known before: the size of {listed(found.unsized)}")
    lines += [f"  to download: {address}" for address in found.downloads]
    return [*lines, *([] if found.fits else [f"  {too_large(found)}"])]


def _row(step: Step) -> tuple[str, ...]:
    """One stage: what is done with it, and of what is made the costs and the reasons."""
    from layergrid.pipeline.planning import duration, size_of
    from layergrid.text import count

    if step.doing != "make":
        return (step.stage.label, step.doing)
    passes = step.stage.work.passes
    return (
        step.stage.label,
        "to make",
        count(passes) if passes else "",
        "?" if step.bytes is None else size_of(step.bytes),
        "?" if step.seconds is None else duration(step.seconds),
        "; ".join(step.reasons),
    )


def _total(found: Plan) -> str:
    """The costs of all that is made, in a sentence."""
    from layergrid.pipeline.planning import duration, size_of
    from layergrid.text import plural

    if not found.made:
        return "nothing to make"
    said = [f"to make: {plural(len(found.made), 'stage')}"]
    if found.passes:
        said.append(f"at most {plural(found.passes, 'forward pass', 'forward passes')}")
    if len(found.unsized) < len(found.made):
        least = "more than " if found.unsized else ""
        said.append(f"{least}{size_of(found.bytes)} of {size_of(found.free)} that are free")
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
