"""Fills templates and judges expressions row by row, in the sandbox of prompts; it knows no tokenizer and no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2 import meta, nodes

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput
from layergrid.prompts.sandbox import Bounded
from layergrid.text import known_columns, visible

# What a template can raise while it runs on one row, beside Jinja's own errors.
TEMPLATE_FAULTS = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError
)  # fmt: skip
_TOO_DEEP = (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError)  # of Python, which compiles it
_FILTERS = frozenset({"capitalize", "lower", "string", "title", "trim", "upper"})  # make no text out of a blank


@dataclass(frozen=True)
class Rows:
    """Columns of N values with the words in which errors speak of them."""

    columns: Mapping[str, Sequence[Scalar]]
    n: int
    dataset: str  # its name in the spec
    source: str
    named: Callable[[int], str]  # what tells a row: "example 'x7'"

    def row(self, i: int) -> dict[str, Scalar]:
        """Row `i` as column name -> value."""
        return {name: values[i] for name, values in self.columns.items()}


def _finalize(value: object) -> object:
    if value is None:
        raise TypeError("a value that it prints is null; write {{ column or '' }} where null is meant to print nothing")
    return value


def filled(template: str, rows: Rows, what: str, subject: str) -> tuple[str, ...]:
    """The text that a template makes of each row. Columns are names; `row["any column"]` reaches all others.

    `what` is the template in an error, "the prompt template", and `subject` what names a column that is missing, "the
    prompt". Values are only ever inserted, never read as templates. Raises BadInput where the template is malformed,
    names a column that is missing, prints a null or fails on a row.
    """
    # Texts are plain, for a model: escaping for HTML would change what it reads. Pages escape for themselves.
    return tuple(_each(Bounded(_finalize), template, rows, what, subject))


def holding(expression: str, rows: Rows) -> list[bool]:
    """Whether a Jinja expression over the columns is true of each row. Raises BadInput as `filled` does."""
    environment = Bounded(_finalize)
    template = f"{{% if ({expression}\n) %}}1{{% endif %}}"
    what = f"the rule of `where` ({visible(expression)})"
    if not _is_condition(environment, template):
        raise BadInput(
            f"data set {rows.dataset!r}: {what} is no Jinja expression; write one such as operands == 2 or "
            "'film' in question, without braces round it"
        )
    return [bool(one) for one in _each(environment, template, rows, what, "`where`")]


def printed_columns(template: str) -> tuple[str, ...]:
    """Columns that a template prints as they stand on every row: neither in a condition or loop nor with `or`.

    None where it is malformed, of which `filled` tells.
    """
    try:
        parts = Bounded(_finalize).parse(template).body
    except (jinja2.TemplateSyntaxError, *_TOO_DEEP):
        return ()
    printed = [_column(one) for part in parts if isinstance(part, nodes.Output) for one in part.nodes]
    return tuple(dict.fromkeys(one for one in printed if one is not None))


def _column(node: nodes.Node | None) -> str | None:
    """The column that an expression stands for; None where it is more than that."""
    while isinstance(node, nodes.Filter) and node.name in _FILTERS:
        node = node.node
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name) and node.node.name == "row":
        return str(node.arg.value) if isinstance(node.arg, nodes.Const) else None
    return None


def _is_condition(environment: Bounded, template: str) -> bool:
    """Whether a template is one condition and no more: an expression could close the tag that it stands in."""
    try:
        body = environment.parse(template).body
    except (jinja2.TemplateSyntaxError, *_TOO_DEEP):
        return False
    only = body[0] if len(body) == 1 else None
    return isinstance(only, nodes.If) and not only.elif_ and not only.else_ and len(only.body) == 1


def _each(environment: Bounded, template: str, rows: Rows, what: str, subject: str) -> list[str]:
    compiled, wanted = _compiled(environment, template, rows, what)
    found = []
    for i in range(rows.n):
        row = rows.row(i)
        environment.begin()
        try:
            found.append(compiled.render({"row": row, **row}))
        except jinja2.UndefinedError as error:
            raise BadInput(_undefined(wanted, rows, i, str(error.message), what, subject)) from None
        except (jinja2.TemplateError, *TEMPLATE_FAULTS) as error:
            raise BadInput(f"{_where(rows, i)}: {what} failed: {error}") from None
    return found


def _compiled(environment: Bounded, template: str, rows: Rows, what: str) -> tuple[Any, set[str]]:
    """The template ready to run, and the names that it reads."""
    try:
        tree = environment.parse(template)
        return environment.from_string(template), meta.find_undeclared_variables(tree)
    except jinja2.TemplateSyntaxError as error:
        raise BadInput(_syntax(template, rows.dataset, error, what)) from None
    except _TOO_DEEP:
        raise BadInput(f"data set {rows.dataset!r}: {what} is nested too deeply; nest less") from None


def _where(rows: Rows, i: int) -> str:
    return f"data set {rows.dataset!r}, {rows.named(i)}"


def _syntax(template: str, dataset: str, error: jinja2.TemplateSyntaxError, what: str) -> str:
    lines = template.splitlines()
    shown = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else ""
    return (
        f"data set {dataset!r}, {what.removeprefix('the ')}, line {error.lineno}: {error.message}\n    "
        f"{visible(shown)}\nA column is written {{{{ name }}}}; literal braces are written {{{{ '{{{{' }}}}."
    )


def _undefined(wanted: set[str], rows: Rows, i: int, message: str, what: str, subject: str) -> str:
    missing = sorted(name for name in wanted - set(rows.columns) if name != "row" and repr(name) in message)
    if not missing:
        return f"{_where(rows, i)}: {what} failed: {message}; {known_columns('', rows.columns)}"
    return (
        f"data set {rows.dataset!r}: {subject} names {missing[0]!r}, which is no column of {rows.source}; "
        f"{known_columns(missing[0], rows.columns)}"
    )
