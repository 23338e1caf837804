"""The command that tells CI of finished reports in Markdown; no model is loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from layergrid.cli.options import Reports, app


@app.command()
def summary(
    reports: Reports,
    against: Annotated[
        Path | None, typer.Option(help="Folder of the reports to compare with, by their names, such as base/reports.")
    ] = None,
    link: Annotated[
        str,
        typer.Option(help="Address that reports are linked to; {name} in it is the report's folder.", metavar="URL"),
    ] = "",
    marker: Annotated[str, typer.Option(help="Name in the hidden marker, where a page has several comments.")] = "",
) -> None:
    """Print Markdown for a CI step and for one comment that is updated in place: verdicts, key figures, changes."""
    from layergrid.pipeline import summary as telling

    sys.stdout.write(telling.summary(reports, against, link, marker))
