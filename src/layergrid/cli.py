"""The command line: arguments in, exit code out. It wires nothing itself; heavy modules are imported by the commands.

Exit codes: 0 done, 1 an expectation failed or a report does not verify, 2 the spec or the command is wrong, 3 the build
failed, 130 interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layergrid import __version__
from layergrid.errors import BadInput, BuildError
from layergrid.text import visible

if TYPE_CHECKING:
    from layergrid.models import Trust
    from layergrid.spec import Spec

app = typer.Typer(
    name="layergrid",
    help="Reports about what each layer of a language model knows at each token.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SpecFile = Annotated[Path, typer.Argument(help="A spec, such as specs/arithmetic.yaml.", metavar="SPEC")]
SpecFiles = Annotated[list[Path], typer.Argument(help="Specs, such as specs/arithmetic.yaml.", metavar="SPEC...")]
Reports = Annotated[list[Path], typer.Argument(help="Report folders, such as reports/arithmetic.", metavar="REPORT...")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override one value: --set datasets.sums.sample=200", metavar="A.B=C")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the reports.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run Python code that comes with a model.")]
Pickle = Annotated[bool, typer.Option("--allow-pickle", help="Read a model's weights from pytorch_model.bin.")]

INTERRUPTED = 130


def main() -> None:
    """The entry point: runs a command, and turns its errors into messages and exit codes."""
    gc.disable()  # nothing of a start is garbage; commands that run models turn it on again
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal or pipe that is no UTF-8 gets escapes, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # typer's own answer to an interrupt, which it does not tell
            raise KeyboardInterrupt
    except typer.Exit as ended:
        code = ended.exit_code
    except BrokenPipeError:
        # Whoever read the output has enough; what is left in the buffer goes nowhere, also when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except (Exception, KeyboardInterrupt) as error:
        code = _told(error, debug)
    gc.enable()
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: BaseException, debug: bool, lead: str = "") -> int:
    """Says what went wrong on standard error, with a traceback only for debugging; the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    message, code = _explained(error)
    sys.stderr.write("".join(f"{visible(line)}\n" for line in f"{lead}{message}".split("\n")))
    return code


def _explained(error: BaseException) -> tuple[str, int]:
    """The message for an error and its exit code."""
    if isinstance(error, BadInput | BuildError):
        return str(error), 2 if isinstance(error, BadInput) else 3
    if isinstance(error, KeyboardInterrupt | typer.Abort):  # typer makes the second of the first
        return "interrupted; finished stages are kept, and the next build goes on from them", INTERRUPTED
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error of the command line
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "layergrid"
        return f"{where}: {error.format_message()}\n  see: {where} --help", 2
    return f"failed: {type(error).__name__}: {error}\n  run again with --debug for the traceback", 3


def _trust(remote_code: bool, pickle: bool) -> Trust:
    """What the user lets a model's own files do; a spec, which may come from anywhere, cannot say it."""
    from layergrid.models import Trust

    return Trust(remote_code=remote_code, pickle=pickle)


def _read(paths: Sequence[Path], overrides: Sequence[str] | None) -> list[Spec]:
    """The specs of all files; raises BadInput with the errors of every one that is wrong."""
    from layergrid.spec import load_spec

    found, wrong = [], []
    for path in paths:
        try:
            found.append(load_spec(path, tuple(overrides or ())))
        except BadInput as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput("\n".join(wrong))
    return found


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Reports about what each layer of a language model knows at each token.

    Any command takes --debug, which shows the traceback of an error.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


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
    read = _read(specs, set_)
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
                built = pipeline.build(spec, out_, console.reporter(quiet), _trust(remote_code, pickle))
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
        codes += [_told(why, debug, f"{name}: " if len(read) > 1 else "") for name, why in failed]
        if len(codes) > 1 + len(failed):  # some report is new; where all failed everything stays as it was
            _list(out_)
    raise typer.Exit(max(codes))


def _list(folder: Path) -> None:
    """Refreshes the list of a folder's reports; what stands in its way is a note and no failure."""
    from layergrid.pipeline import index as listing

    if note := listing.refreshed(folder):
        sys.stderr.write(f"{visible(note)}\n")


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

                pipeline.check_data(spec, _trust(remote_code, pickle))
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
    trust, read = _trust(remote_code, pickle), load_spec(spec, tuple(set_ or ()))
    for view in pipeline.positions(read, examples, console.reporter(quiet), trust):
        out.print(view)


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
        _list(out_)
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
            sys.stderr.write(f"{folder}: {problem.where}: {problem.message}\n")
        bad = bad or bool(checked.problems)
        if not quiet:
            typer.echo(f"{folder}: {checked.sentence}")
    raise typer.Exit(1 if bad else 0)


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
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
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


if __name__ == "__main__":
    main()
