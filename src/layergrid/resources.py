"""Finds the templates and specs that ship: inside the installed package, else in the checkout around it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent.parent


def folder(name: str) -> Path:
    """The shipped folder `templates` or `specs`; the same call works in a wheel, an editable install and a checkout."""
    for root in (PACKAGE, CHECKOUT):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"layergrid was installed without its {name!r} folder; reinstall it")


def file(name: str) -> Path:
    """A shipped file such as `templates/report.html.j2`."""
    top, _, rest = name.partition("/")
    found = folder(top) / rest
    if not found.is_file():
        raise FileNotFoundError(f"layergrid ships no {name!r}")
    return found
