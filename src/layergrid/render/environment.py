"""The Jinja environments of the documents: strict, sandboxed, escaping where the document is HTML."""

from __future__ import annotations

from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from layergrid import resources


def environment(autoescape: bool, **filters: Any) -> ImmutableSandboxedEnvironment:
    """An environment over the shipped templates. `select_autoescape` would leave names such as report.html.j2 bare."""
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(resources.folder("templates")),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    return made
