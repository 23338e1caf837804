"""The commands over finished reports: render, index, diff, verify; no model is loaded."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from layergrid.cli.listing import list_reports
from layergrid.cli.options import Out, Quiet, Reports, app
from layergrid.text import visible


@app.command()
def render(
    reports: Reports,
    quiet: Quiet = False,
    templates: Annotated[
        Path | None, typer.Option("--templates", "-t", help="Folder of templates to draw with, and to keep.")
    ] = None,
) -> None:
    """Draw reports again from their saved results; no model is loaded."""
    from layergrid import console, pipeline

    for folder in reports:
        for file in pipeline.render_again(folder, console.reporter(quiet), templates):
            if not quiet:
                typer.echo(str(file))


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(help="The folder that holds reports.", metavar="FOLDER")] = Path("reports"),
    quiet: Quiet = False,
) -> None:
    """List all reports of a folder on one page, FOLDER/index.html, with their findings, key figures and first maps."""
    from layergrid.pipeline import index as listing

    path = listing.write(folder)
    if not quiet:
        typer.echo(str(path))


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="The report that is taken away, such as reports/main.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="The report that it is taken from, such as reports/branch.", metavar="B")],
    out_: Out = Path("reports"),
    name: Annotated[str, typer.Option(help="Name of the report; left out: A-and-B.")] = "",
    tolerance: Annotated[
        float | None, typer.Option(help="Fail where a number differs by more, or stands in one report only.", min=0.0)
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Whether to write a report.")] = True,
    quiet: Quiet = False,
) -> None:
    """Compare two reports: grids side by side, differences with paired intervals, what changed; no model is loaded."""
    gc.enable()
    from layergrid import console
    from layergrid.pipeline import comparing

    done = comparing.diff(a, b, out_, console.reporter(quiet), name=name, tolerance=tolerance, report=report)
    if not done.passed:
        sys.stderr.write(f"{done.sentence}\n")
    elif not quiet:
        typer.echo(done.sentence)
    if done.files:
        list_reports(out_)
    if not quiet:
        for file in done.files:
            typer.echo(str(file))
    raise typer.Exit(0 if done.passed else 1)


@app.command()
def verify(reports: Reports, quiet: Quiet = False) -> None:
    """Recompute every cell, every fact and every number in the prose of finished reports."""
    from layergrid.verify import verify as check

    bad = False
    for folder in reports:
        checked = check(folder)
        for problem in checked.problems:
            sys.stderr.write(f"{visible(f'{folder}: {problem.where}: {problem.message}')}\n")
        bad = bad or bool(checked.problems)
        if not quiet:
            typer.echo(f"{folder}: {checked.sentence}")
    raise typer.Exit(1 if bad else 0)
