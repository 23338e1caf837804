"""The arguments and options that several commands share, and what they are read into; it runs no command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layergrid.errors import BadInput

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


def trusted(remote_code: bool, pickle: bool) -> Trust:
    """What the user lets a model's own files do; a spec, which may come from anywhere, cannot say it."""
    from layergrid.models import Trust

    return Trust(remote_code=remote_code, pickle=pickle)


def read_specs(paths: Sequence[Path], overrides: Sequence[str] | None) -> list[Spec]:
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
