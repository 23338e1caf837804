"""Fills prompt templates from the columns of a data set; it knows no tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput
from layergrid.prompts.rows import Rows, filled, printed_columns
from layergrid.text import count, plural, visible


def render(template: str, examples: Examples) -> tuple[str, ...]:
    """One prompt per example. Columns are names; `row["any column"]` reaches names that Jinja cannot spell.

    Values are only ever inserted, never read as templates. Raises BadInput where the template is malformed, names a
    column that the data set lacks, prints a null or a blank column, or fails on a row.
    """
    rows = Rows(
        examples.columns, len(examples.ids), examples.name, examples.source,
        lambda i: f"example {visible(examples.ids[i])}",
    )  # fmt: skip
    for name in printed_columns(template):
        _check_filled(examples, name, examples.columns.get(name, ()))
    return filled(template, rows, "the prompt template", "the prompt")


def _check_filled(examples: Examples, name: str, values: Sequence[Scalar]) -> None:
    """Raises BadInput where a column that every prompt prints is blank in some row: the prompt has a hole there."""
    blank = [i for i, one in enumerate(values) if one is None or (isinstance(one, str) and not one.strip())]
    if blank:
        what = "null" if all(values[i] is None for i in blank) else "blank"
        spelt = name if name.isidentifier() else f"row[{name!r}]"
        raise BadInput(
            f"data set {examples.name!r}: the prompt prints column {name!r}, which is {what} in {count(len(blank))} of "
            f"{plural(len(values), 'row')}, first in example {visible(examples.ids[blank[0]])}; leave such rows out "
            f"with `where: ({spelt} or '') | trim`, or write {{{{ {spelt} or '' }}}} where {what} is meant to print "
            "nothing"
        )
