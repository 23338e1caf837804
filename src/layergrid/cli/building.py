"""The commands that run specs: build, validate, positions."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from layergrid.cli.listing import list_reports
from layergrid.cli.options import (
    Out,
    Overrides,
    Pickle,
    Quiet,
    RemoteCode,
    SpecFile,
    SpecFiles,
    app,
    read_specs,
    trusted,
)
from layergrid.cli.problems import told
from layergrid.errors import BadInput


@app.command()
def build(
    specs: SpecFiles,
    set_: Overrides = None,
    out_: Out = Path("reports"),
    quiet: Quiet = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Build the report of each spec: reports/NAME/report.html, report.pdf, report.md, grids and facts.

    A spec that fails does not stop the others; its error is told at the end.
    """
    read = read_specs(specs, set_)
    names = [spec.name for spec in read]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(
                f"{specs[names.index(name)]} and {specs[i]}: both would be built as {out_ / name}; rename one, or "
                "build them apart with --out"
            )
    gc.enable()
    from layergrid import console, pipeline

    codes, failed = [0], []
    try:
        for spec in read:
            try:
                built = pipeline.build(spec, out_, console.reporter(quiet), trusted(remote_code, pickle))
            except BrokenPipeError:  # nobody reads any longer
                raise
            except Exception as error:  # foreseen or not, it is told below, and the other specs are built
                failed.append((spec.name, error))
                continue
            for line in built.notes:
                sys.stderr.write(f"{spec.name}: {line}\n")
            for line in built.unmet:
                sys.stderr.write(f"{spec.name}: expectation not met: {line}\n")
            codes.append(1 if built.unmet else 0)
            if not quiet:
                for file in built.files:
                    typer.echo(str(file))
    finally:  # also where the build of a later spec is interrupted
        debug = "--debug" in sys.argv
        codes += [told(why, debug, f"{name}: " if len(read) > 1 else "") for name, why in failed]
        if len(codes) > 1 + len(failed):  # some report is new; where all failed everything stays as it was
            list_reports(out_)
    raise typer.Exit(max(codes))


@app.command()
def validate(
    specs: SpecFiles,
    set_: Overrides = None,
    data: Annotated[bool, typer.Option("--data", help="Also read the data, and look for the model's files.")] = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Check specs without running them; every error comes with its line and column. With --data also what they name."""
    from layergrid.render import Presentation
    from layergrid.spec import SpecError, load_spec

    wrong = []
    for path in specs:
        try:
            spec = load_spec(path, tuple(set_ or ()))
            Presentation.of(spec)  # reads its theme and its templates
            if data:
                from layergrid import pipeline

                pipeline.check_data(spec, trusted(remote_code, pickle))
        except BadInput as error:  # what a spec's text does not show has no line, but its file
            wrong.append(str(error) if isinstance(error, SpecError) else f"{path}: {error}")
        else:
            typer.echo(f"{path}: fine ({spec.digest[:19]})")
    if wrong:
        raise BadInput("\n".join(wrong))


@app.command()
def positions(
    spec: SpecFile,
    set_: Overrides = None,
    examples: Annotated[int, typer.Option("--examples", "-n", min=0, help="How many examples to show.")] = 3,
    quiet: Quiet = False,
    remote_code: RemoteCode = False,
    pickle: Pickle = False,
) -> None:
    """Show the tokens of some examples with every position and its status, then count the statuses."""
    gc.enable()
    from rich.console import Console

    from layergrid import console, pipeline
    from layergrid.spec import load_spec

    out = Console(highlight=False)
    trust, read = trusted(remote_code, pickle), load_spec(spec, tuple(set_ or ()))
    for view in pipeline.positions(read, examples, console.reporter(quiet), trust):
        out.print(view)
