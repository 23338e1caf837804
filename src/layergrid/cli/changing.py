"""The command over a repository's history: changed; it runs no spec and loads no model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from layergrid.cli.options import Quiet, SpecFiles, app
from layergrid.text import visible


@app.command()
def changed(
    specs: SpecFiles,
    since: Annotated[str, typer.Option("--since", help="Commit, branch or tag to compare with.", metavar="REF")],
    all_if: Annotated[
        list[Path] | None,
        typer.Option("--all-if", help="A path that all reports depend on, such as constraints.txt.", metavar="PATH"),
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="End each path with a null byte, for xargs -0.")] = False,
    quiet: Quiet = False,
) -> None:
    """Print the specs whose report could differ from that at a commit: they, or files that they name, were changed.

    Reasons go to standard error. Files that git ignores are not seen.
    """
    from layergrid import changes

    known: dict[Path, changes.Changes] = {}
    for spec in specs:
        here = spec.absolute().parent
        if here not in known:
            known[here] = changes.since(since, here)
        why = changes.reason(spec, known[here])
        for path in all_if or ():
            why = why or changes.beside(path, known[here])
        if not why:
            continue
        if not quiet:
            sys.stderr.write(f"{visible(str(spec))}: {visible(why)}\n")
        typer.echo(f"{spec}\0" if null else visible(str(spec)), nl=not null)
