"""The Jinja environments of the documents, where a user's own templates come before those that ship; it knows no page.

A mistake in a user's template is told with its file and line; what fails in a template that ships is no user's mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    FunctionLoader,
    PrefixLoader,
    TemplateError,
    TemplateSyntaxError,
    nodes,
)
from jinja2.visitor import NodeTransformer

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

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """The template, with all that repeats or grows in it led past the counters above."""
        tree = super()._parse(source, name, filename)
        return _Counted().visit(tree) if self.bounded else tree

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


class _Counted(NodeTransformer):
    """Rewrites a template: what repeats, makes, compares or prints goes through the environment, which counts."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        node.iter, node.recursive = self._call("counted", node.iter), False  # a recursive loop would count but once
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        return self._call("joined", nodes.List(node.nodes, lineno=node.lineno))

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        return self._call("said", nodes.Const(node.data, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        node.expr = self._compared(node.expr)
        for operand in node.ops:
            operand.expr = self._compared(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return self._call("cut", node.node, *(one or nodes.Const(None, lineno=node.lineno) for one in bounds))

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        return node if all(isinstance(one, nodes.Const) for one in node.items) else self._call("gathered", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        known = node.ctx != "load" or all(isinstance(one, nodes.Const) for one in node.items)
        return node if known else self._call("gathered", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        self.generic_visit(node)
        return node if not node.items else self._call("gathered", node)

    def _compared(self, node: nodes.Expr) -> nodes.Expr:
        return node if isinstance(node, nodes.Const) else self._call("one", node)

    def _call(self, name: str, *given: Any) -> nodes.Call:
        made = nodes.EnvironmentAttribute(name, lineno=given[0].lineno)
        return nodes.Call(made, list(given), [], None, None, lineno=given[0].lineno)


def told(error: BaseException) -> str:
    """What an error says to the author of a template."""
    if isinstance(error, RecursionError):
        return "it includes or calls itself without an end"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is, or is nested too deeply; make less of it"
    if isinstance(error, BadInput):
        return str(error)
    said = getattr(error, "message", None) if isinstance(error, TemplateError) else None
    return str(said or f"{type(error).__name__}: {error}").rstrip(".")


def environment(autoescape: bool, own: Mapping[str, str], **filters: Callable[..., Any]) -> Templates:
    """An environment over the user's templates `own`, by name, and those that ship, with further filters."""
    made = Templates(own, autoescape)
    made.add(filters)
    return made
