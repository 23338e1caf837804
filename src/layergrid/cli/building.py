"""The commands that run specs: build, validate, positions."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layergrid import __version__
from layergrid.cli.ending import Ending
from layergrid.cli.options import (
    AllowPaths,
    AsJson,
    Jobs,
    Locked,
    Offline,
    Out,
    Overrides,
    Pickle,
    Quiet,
    RemoteCode,
    SpecFile,
    SpecFiles,
    Verbose,
    app,
    at_once,
    read_specs,
    trusted,
)
from layergrid.errors import BadInput, BuildError

if TYPE_CHECKING:
    from layergrid.spec import Spec


@app.command()
def build(
    specs: SpecFiles,
    set_: Overrides = None,
    out_: Out = Path("reports"),
    jobs: Jobs = "1",
    json_: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    allow: AllowPaths = None,
    offline: Offline = False,
    locked: Locked = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Build the report of each spec: reports/NAME/report.html, report.pdf, report.md, grids and facts.

    A spec that fails does not stop the others; its error is told at the end.
    """
    from layergrid import console

    listener = console.reporter(quiet, verbose=verbose, json=json_)
    many = at_once(jobs)
    with Ending(listener) as ending:
        listener.begin(__version__, [path.stem for path in specs], many)
        read = read_specs(specs, set_, allow)
        _apart(read, specs, out_)
        gc.enable()
        ending.build(read, out_, trusted(remote_code, pickle, offline, locked), many)
    raise typer.Exit(ending.code)


def _apart(read: Sequence[Spec], paths: Sequence[Path], out: Path) -> None:
    """Raises BadInput where two specs would take the same place."""
    names = [spec.name for spec in read]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(
                f"{paths[names.index(name)]} and {paths[i]}: both would be built as {out / name}; rename one, or "
                "build them apart with --out"
            )


@app.command()
def validate(
    specs: SpecFiles,
    set_: Overrides = None,
    data: Annotated[bool, typer.Option("--data", help="Also read the data, and look for the model's files.")] = False,
    allow: AllowPaths = None,
    offline: Offline = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Check specs without running them; every error comes with its line and column. With --data also what they name."""
    from layergrid.spec import SpecError, load_spec

    wrong: list[str] = []
    kind: type[BadInput | BuildError] = BuildError  # where all that is wrong lies outside of the specs
    for path in specs:
        try:
            spec = load_spec(path, tuple(set_ or ()), tuple(allow or ()))
            from layergrid.render import Presentation

            Presentation.of(spec)  # reads its theme and its templates
            if data:
                from layergrid import pipeline

                pipeline.check_data(spec, trusted(remote_code, pickle, offline))
        except (BadInput, BuildError) as error:  # what a spec's text does not show has no line, but its file
            wrong.append(str(error) if isinstance(error, SpecError) else f"{path}: {error}")
            kind = BadInput if isinstance(error, BadInput) else kind
        else:
            typer.echo(f"{path}: fine ({spec.digest[:19]})")
    if wrong:
        raise kind("\n".join(wrong))


@app.command()
def positions(
    spec: SpecFile,
    set_: Overrides = None,
    examples: Annotated[int, typer.Option("--examples", "-n", min=0, help="How many examples to show.")] = 3,
    quiet: Quiet = False,
    allow: AllowPaths = None,
    offline: Offline = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Show the tokens of some examples with every position and its status, then count the statuses."""
    gc.enable()
    from rich.console import Console

    from layergrid import console, pipeline
    from layergrid.spec import load_spec

    out = Console(highlight=False)
    trust, read = trusted(remote_code, pickle, offline), load_spec(spec, tuple(set_ or ()), tuple(allow or ()))
    for view in pipeline.positions(read, examples, console.reporter(quiet), trust):
        out.print(view)
