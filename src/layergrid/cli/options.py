"""The arguments and options that several commands share, and what they are read into; it runs no command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from layergrid.errors import BadInput
from layergrid.project import ALWAYS

if TYPE_CHECKING:
    from layergrid.models import Trust
    from layergrid.spec import Spec


class Commands(TyperGroup):
    """Commands whose list says each one's first sentence whole, on as many lines as it takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([
                (name, " ".join((one.short_help or one.help or "").partition("\n\n")[0].split()))
                for name, one in found
                if one is not None and not one.hidden
            ])  # fmt: skip


app = typer.Typer(
    name="layergrid",
    cls=Commands,
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
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also say what a result depends on, and what libraries warn of.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Log one JSON object a line to standard output.")]
Jobs = Annotated[str, typer.Option("--jobs", "-j", help="Processes that work at once; auto: one a core.", metavar="N")]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run Python code that comes with a model.")]
Pickle = Annotated[bool, typer.Option("--allow-pickle", help="Read a model's weights from pytorch_model.bin.")]
AllowPaths = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-path",
        help="Let specs also name files below this folder, or this file.",
        metavar="PATH",
        envvar=ALWAYS,
        show_envvar=False,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Ask nothing of the network; models of the hub are there.")]

Locked = Annotated[bool, typer.Option("--locked", help="Refuse what differs from layergrid.lock beside the spec.")]


def trusted(remote_code: bool, pickle: bool, offline: bool = False, locked: bool = False) -> Trust:
    """What the user lets a build do; a spec, which may come from anywhere, cannot say it."""
    from layergrid.models import Trust

    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's client reads it when it is first imported, here and in children
    return Trust(remote_code=remote_code, pickle=pickle, offline=offline, locked=locked)


def at_once(jobs: str) -> int:
    """The number of jobs that is meant; raises BadInput where it is none."""
    if jobs in ("0", "auto"):
        from layergrid.executors.processes import cores

        return cores()
    if not (jobs.isascii() and jobs.isdigit()) or len(jobs) > 4:
        raise BadInput(f"--jobs {jobs}: expected a number of processes such as 2, or auto")
    return int(jobs)


def read_specs(
    paths: Sequence[Path], overrides: Sequence[str] | None, allowed: Sequence[Path] | None = None
) -> list[Spec]:
    """The specs of all files; raises BadInput with the errors of every one that is wrong.

    `allowed` are folders and files that they may name outside of their projects.
    """
    from layergrid.spec import load_spec

    found, wrong = [], []
    for path in paths:
        try:
            found.append(load_spec(path, tuple(overrides or ()), tuple(allowed or ())))
        except BadInput as error:
            wrong.append(str(error))
    if wrong:
        raise BadInput("\n".join(wrong))
    return found
