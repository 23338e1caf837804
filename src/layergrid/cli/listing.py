"""Keeps the list of a folder's reports up to date after a command that wrote one; it runs no command."""

from __future__ import annotations

import sys
from pathlib import Path

from layergrid.text import visible


def list_reports(folder: Path) -> None:
    """Refreshes the list of a folder's reports; what stands in its way is a note and no failure."""
    from layergrid.pipeline import index as listing

    if note := listing.refreshed(folder):
        sys.stderr.write(f"{visible(note)}\n")
