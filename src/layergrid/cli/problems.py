"""What went wrong, as a message on standard error and an exit code; it knows no command."""

from __future__ import annotations

import sys

import typer

from layergrid.errors import BadInput, BuildError
from layergrid.text import visible

INTERRUPTED = 130


def told(error: BaseException, debug: bool, lead: str = "") -> int:
    """Says what went wrong on standard error, with a traceback only for debugging; the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    message, code = explained(error)
    sys.stderr.write("".join(f"{visible(line)}\n" for line in f"{lead}{message}".split("\n")))
    return code


def explained(error: BaseException) -> tuple[str, int]:
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
