"""The command line: arguments in, exit code out. It wires nothing itself; heavy modules are imported by the commands.

options     what several commands share
problems    errors as messages and exit codes
building    build, validate, positions
planning    plan, lock
reports     render, index, diff, verify
summarising summary
changing    changed
caching     cache ls, gc, push, pull, dir
knowing     new, schema, list, doctor

Exit codes: 0 done, 1 an expectation failed or a report does not verify, 2 the spec or the command is wrong, 3 the build
failed, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from layergrid import __version__
from layergrid.cli import (  # noqa: F401 - each adds its commands, in the order of the help
    building,
    caching,
    changing,
    knowing,
    planning,
    reports,
    summarising,
)
from layergrid.cli.options import app
from layergrid.cli.problems import INTERRUPTED, told


def main() -> None:
    """The entry point: runs a command, and turns its errors into messages and exit codes."""
    gc.disable()  # nothing of a start is garbage; commands that run models turn it on again
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some reads the lists of all packages
    os.environ["PYTHONSAFEPATH"] = "1"  # workers would import what lies in the working directory, a stranger's checkout
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
        code = told(error, debug)
    gc.freeze()  # else Python looks through all that a process gives up anyway before it ends
    gc.enable()
    sys.exit(code if isinstance(code, int) else 0)


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


__all__ = ["app", "main"]
