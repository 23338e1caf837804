"""Writes what a build is doing: bars on a terminal, lines elsewhere, JSON for programs; it knows no stage by name.

events     what is told, as data, and the reporters' common base: it times and measures the stages
pace       rates and the time that remains
memory     the largest memory of a process and its children
lines      plain lines, JSON lines, silence
bars       bars and short lines on a terminal
ledger     what was made and what was kept, as a table
schema     the JSON Schema of the JSON lines
libraries  what libraries write on standard error, kept from the bars
"""

from __future__ import annotations

import sys

from layergrid.console.bars import Terminal
from layergrid.console.events import Advance, Event, Listener, Relay, Reporter, Speaker
from layergrid.console.ledger import Ledger, table
from layergrid.console.libraries import heard
from layergrid.console.lines import JsonLines, Plain, Silent, nowhere
from layergrid.console.schema import schema


def reporter(quiet: bool = False, *, verbose: bool = False, json: bool = False) -> Listener:
    """Bars where standard error is a terminal, plain lines where it is not, whatever colours are forced.

    `json`: one JSON object a line on standard output instead; `quiet`: nothing but errors; `verbose`: details too.
    """
    if json:
        return JsonLines(quiet=quiet, verbose=verbose)
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Plain(verbose=verbose)
    from rich.console import Console

    console = Console(file=sys.stderr)
    return Plain(verbose=verbose) if console.is_dumb_terminal else Terminal(console, verbose=verbose)


__all__ = [
    "Advance",
    "Event",
    "JsonLines",
    "Ledger",
    "Listener",
    "Plain",
    "Relay",
    "Reporter",
    "Silent",
    "Speaker",
    "Terminal",
    "heard",
    "nowhere",
    "reporter",
    "schema",
    "table",
]
