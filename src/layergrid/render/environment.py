"""The Jinja environments of the documents, where a user's own templates come before those that ship; it knows no page.

A mistake in a user's template is told with its file and line; what fails in a template that ships is no user's mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

from jinja2 import ChoiceLoader, FileSystemLoader, FunctionLoader, PrefixLoader, TemplateError, TemplateSyntaxError

from layergrid import resources
from layergrid.kinds import BadInput, BuildError
from layergrid.render.sandbox import Sandbox

SHIPPED = "layergrid/"  # the templates that ship, also where one of the user's has the same name


class Templates(Sandbox):
    """The user's templates by name, then those that ship."""

    def __init__(self, own: Mapping[str, str], autoescape: bool) -> None:
        shipped = FileSystemLoader(resources.folder("templates"))
        mine = FunctionLoader(lambda name: (own[name], name, lambda: True) if name in own else None)
        super().__init__(
            bounded=bool(own),
            loader=ChoiceLoader([mine, shipped, PrefixLoader({SHIPPED.rstrip("/"): shipped})]),
            autoescape=autoescape,  # `select_autoescape` would leave names such as report.html.j2 bare
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.own = own

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """Raises BadInput with file and line for what fails in a user's template; else as Jinja does."""
        _, error, trace = sys.exc_info()
        place = self._place(error, trace)
        if place and error is not None and not isinstance(error, BuildError):
            raise BadInput(f"templates: {place}: {told(error)}") from error
        super().handle_exception(source)

    def _place(self, error: BaseException | None, trace: TracebackType | None) -> str:
        """The innermost file and line of a user's template; empty where there is none."""
        if isinstance(error, TemplateSyntaxError) and error.name in self.own:
            return f"{error.name}:{error.lineno}"
        found = ""
        while trace is not None:
            template = trace.tb_frame.f_globals.get("__jinja_template__")
            if template is not None and template.name in self.own:
                found = f"{template.name}:{template.get_corresponding_lineno(trace.tb_lineno)}"
            trace = trace.tb_next
        return found


def told(error: BaseException) -> str:
    """What an error says to the author of a template."""
    if isinstance(error, RecursionError):
        return "it includes or calls itself without an end"
    if isinstance(error, BadInput):
        return str(error)
    said = getattr(error, "message", None) if isinstance(error, TemplateError) else None
    return str(said or f"{type(error).__name__}: {error}").rstrip(".")


def environment(autoescape: bool, own: Mapping[str, str], **filters: Callable[..., Any]) -> Templates:
    """An environment over the user's templates `own`, by name, and those that ship, with further filters."""
    made = Templates(own, autoescape)
    made.add(filters)
    return made
