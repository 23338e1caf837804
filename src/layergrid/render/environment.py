"""The Jinja environments of the documents: strict, sandboxed, escaping where the document is HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from layergrid import resources


def environment(autoescape: bool, templates: Mapping[str, str], **filters: Any) -> ImmutableSandboxedEnvironment:
    """An environment over the user's templates, then those that ship, which are "layergrid/..." too."""
    shipped = FileSystemLoader(resources.folder("templates"))
    made = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([DictLoader(templates), shipped, PrefixLoader({"layergrid": shipped})]),
        autoescape=autoescape,  # `select_autoescape` would leave names such as report.html.j2 bare
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    return made
