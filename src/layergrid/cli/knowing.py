"""The commands that tell what there is: new, schema, list, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from layergrid.cli.options import app
from layergrid.errors import BadInput


@app.command()
def new(
    path: Annotated[Path, typer.Argument(help="The spec to write, such as specs/mine.yaml.")],
    model: Annotated[str, typer.Option(help="Address of the model.")] = "builtin:arithmetic",
    source: Annotated[str, typer.Option(help="Address of the data set.")] = "builtin:arithmetic",
) -> None:
    """Write a commented spec to start from; an existing file is never overwritten."""
    from layergrid.spec import starter

    text = starter(path.stem, model=model, source=source)
    if path.exists():
        raise BadInput(f"{path}: exists already; choose another name, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    typer.echo(f"{path}: written; next: layergrid validate {path}")


@app.command()
def schema(log: Annotated[bool, typer.Option("--log", help="Of the lines of `build --json` instead.")] = False) -> None:
    """Print the JSON Schema of specs, for editors."""
    if log:
        from layergrid.console import schema as of_lines

        typer.echo(json.dumps(of_lines(), indent=2))
        return
    from layergrid.spec import schema as describe

    typer.echo(json.dumps(describe(), indent=2, ensure_ascii=False))


@app.command(name="list")
def list_() -> None:
    """List every kind that a spec can name, the themes, and the shipped specs."""
    from rich.console import Console
    from rich.table import Table

    from layergrid import kinds, resources, theme

    out = Console(highlight=False)
    for base in (kinds.Loader, kinds.Grader, kinds.PositionResolver, kinds.GridKind, kinds.ChartKind, kinds.Executor):
        table = Table(title=base.folder, title_justify="left", box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        for name, kind in sorted(kinds.known(base).items()):
            table.add_row(name, _summary(kind))
        if table.row_count:
            out.print(table)
            out.print()
    typer.echo("themes")
    for name, purpose in theme.known().items():
        typer.echo(f"{name}  for {purpose}")
    typer.echo()
    typer.echo("specs")
    for path in sorted(resources.folder("specs").glob("*.yaml")):
        typer.echo(f"{path.stem}  {path}")


def _summary(kind: type[Any]) -> str:
    """The first sentence of a class's docstring, with the bare position names it answers to."""
    text = " ".join((kind.__doc__ or "").split()).split(". ")[0].rstrip(".") + "."
    names = ", ".join(getattr(kind, "names", ()))
    return f"{text} Names: {names}" if names else text


@app.command()
def doctor() -> None:
    """Check what builds need on this machine: Pango, fonts, devices, cache."""
    from layergrid.doctor import examine

    findings = examine()
    for finding in findings:
        mark = "ok  " if finding.fine else "FAIL"
        typer.echo(f"{mark}  {finding.name:<14} {finding.detail}")
        if finding.advice:
            typer.echo(f"      {finding.advice}")
    raise typer.Exit(0 if all(f.fine or not f.needed for f in findings) else 3)
