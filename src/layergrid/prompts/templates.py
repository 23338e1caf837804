"""Fills prompt templates from the columns of a data set; it knows no tokenizer."""

from __future__ import annotations

import jinja2
from jinja2 import meta

from layergrid.artifacts import Examples
from layergrid.kinds import BadInput
from layergrid.prompts.sandbox import Bounded
from layergrid.text import known_columns, visible

# What a template can raise while it runs on one row, beside Jinja's own errors.
TEMPLATE_FAULTS = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError
)  # fmt: skip


def _finalize(value: object) -> object:
    if value is None:
        raise TypeError("a value that it prints is null; write {{ column or '' }} where null is meant to print nothing")
    return value


def render(template: str, examples: Examples) -> tuple[str, ...]:
    """One prompt per example. Columns are names; `row["any column"]` reaches names that Jinja cannot spell.

    Values are only ever inserted, never read as templates. Raises BadInput where the template is malformed, names a
    column that the data set lacks, prints a null or fails on a row.
    """
    # Prompts are plain text for a model: escaping for HTML would change what it reads. Pages escape for themselves.
    environment = Bounded(_finalize)
    try:
        tree = environment.parse(template)
        compiled = environment.from_string(template)
        wanted = meta.find_undeclared_variables(tree)
    except jinja2.TemplateSyntaxError as error:
        raise BadInput(_syntax(template, examples.name, error)) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):  # of Python, which compiles it
        raise BadInput(f"data set {examples.name!r}: the prompt template is nested too deeply; nest less") from None
    prompts = []
    for i in range(len(examples.ids)):
        row = examples.row(i)
        environment.begin()
        try:
            prompts.append(compiled.render({"row": row, **row}))
        except jinja2.UndefinedError as error:
            raise BadInput(_undefined(wanted, examples, i, str(error.message))) from None
        except (jinja2.TemplateError, *TEMPLATE_FAULTS) as error:
            raise BadInput(f"{_where(examples, i)}: the prompt template failed: {error}") from None
    return tuple(prompts)


def _where(examples: Examples, i: int) -> str:
    return f"data set {examples.name!r}, example {visible(examples.ids[i])}"


def _syntax(template: str, dataset: str, error: jinja2.TemplateSyntaxError) -> str:
    lines = template.splitlines()
    shown = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else ""
    return (
        f"data set {dataset!r}, prompt template, line {error.lineno}: {error.message}\n    {visible(shown)}\n"
        "A column is written {{ name }}; literal braces are written {{ '{{' }}."
    )


def _undefined(wanted: set[str], examples: Examples, i: int, message: str) -> str:
    missing = sorted(name for name in wanted - set(examples.columns) if name != "row" and repr(name) in message)
    if not missing:
        return f"{_where(examples, i)}: the prompt template failed: {message}; {known_columns('', examples.columns)}"
    return (
        f"data set {examples.name!r}: the prompt names {missing[0]!r}, which is no column of {examples.source}; "
        f"{known_columns(missing[0], examples.columns)}"
    )
