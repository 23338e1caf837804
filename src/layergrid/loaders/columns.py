"""Names columns anew, makes new ones of templates, and says which rows a rule keeps; it knows no format."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput
from layergrid.text import count, known_columns

if TYPE_CHECKING:
    from layergrid.prompts.rows import Rows

_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "text", type(None): "nothing"}

Columns = Mapping[str, Sequence[Scalar]]


def without_nan(columns: Columns) -> dict[str, list[Scalar]]:
    """The same columns with null in the place of NaN, which other tools write where a value is missing."""
    return {name: [None if _is_nan(value) else value for value in values] for name, values in columns.items()}


def _is_nan(value: Scalar) -> bool:
    return isinstance(value, float) and math.isnan(value)


def mapped(columns: Columns, wanted: Mapping[str, str], dataset: str, source: str) -> dict[str, Sequence[Scalar]]:
    """The columns under their new names, those of templates at the end; what is not renamed stays.

    `wanted` is new name -> old name, or a template that holds "{{" or "{%"; all of them see the columns as they were
    read. Raises BadInput where an old column is missing, a template fails, or a new name would hide another column.
    """
    if not wanted:
        return dict(columns)
    made = {new: old for new, old in wanted.items() if "{{" in old or "{%" in old}
    renamed = {new: old for new, old in wanted.items() if new not in made}
    where = f"data set {dataset!r} ({source})"
    for new, old in renamed.items():
        if old not in columns:
            near = known_columns(old, columns, mapped=False)
            raise BadInput(f"{where}: there is no column {old!r}, which `columns` names {new!r}; {near}")
    found: dict[str, Sequence[Scalar]] = {}
    names: dict[str, list[str]] = {}
    for new, old in renamed.items():
        names.setdefault(old, []).append(new)
    for old, values in columns.items():
        found |= dict.fromkeys(names.get(old, [old] if old not in wanted else []), values)
    for new in wanted:
        if new in columns and new not in made and new not in renamed.values() and new != renamed[new]:
            raise BadInput(
                f"{where}: `columns` names {renamed[new]!r} {new!r}, and there is a column {new!r}, which it would "
                f"hide; give that one another name too, such as {{{new}: {renamed[new]}, old_{new}: {new}}}"
            )
    return found | _made(columns, made, dataset, source)


def _made(columns: Columns, made: Mapping[str, str], dataset: str, source: str) -> dict[str, Sequence[Scalar]]:
    from layergrid.prompts.rows import filled

    rows = _rows(columns, dataset, source)
    return {
        new: filled(template, rows, f"the template of column {new!r}", f"the template of column {new!r}")
        for new, template in made.items()
    }


def kept_by(rule: str, columns: Columns, dataset: str, source: str) -> list[int]:
    """Indices of the rows for which a Jinja expression is true. Raises BadInput where it is of none, or fails."""
    n = len(next(iter(columns.values()), []))
    if not rule:
        return list(range(n))
    from layergrid.prompts.rows import holding

    kept = [i for i, holds in enumerate(holding(rule, _rows(columns, dataset, source))) if holds]
    if not kept:
        raise BadInput(
            f"data set {dataset!r} ({source}): the rule of `where` ({rule}) leaves out all {count(n)} rows; loosen it. "
            f"The first row is {_shown({name: values[0] for name, values in columns.items()})}"
        )
    return kept


def _shown(row: Mapping[str, Scalar], most: int = 60) -> str:
    """A row in few words; of a long value its beginning."""
    said = []
    for name, value in row.items():
        text = repr(value)
        said.append(f"{name}: {text if len(text) <= most else text[:most] + '...'}")
    return "{" + ", ".join(said[:8]) + (", ..." if len(said) > 8 else "") + "}"


def _rows(columns: Columns, dataset: str, source: str) -> Rows:
    from layergrid.prompts.rows import Rows

    n = len(next(iter(columns.values()), []))
    return Rows(columns, n, dataset, source, lambda i: f"row {i + 1}")


def in_order(ids: Sequence[str]) -> list[int]:
    """Indices of ids in their order: runs of digits as numbers, all else as text; equals in number as text."""
    return sorted(range(len(ids)), key=lambda i: (_natural(ids[i]), ids[i]))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Parts of a text that compare as numbers where they are digits: "x9" before "x10"."""
    parts = re.split(r"([0-9]+)", text)
    bare = [one.lstrip("0") if k % 2 else one for k, one in enumerate(parts)]
    return [(k % 2, len(one) if k % 2 else 0, one) for k, one in enumerate(bare)]


def as_keys(where: str, name: str, role: str, values: Sequence[Scalar], kept: Sequence[int]) -> list[str]:
    """Values of an id or group column as text, equal numbers alike: 1.0 is "1" where other rows hold whole numbers.

    Lone surrogates become escapes, because tables cannot hold them. Raises BadInput where numbers and text are mixed.
    """
    first: dict[str, int] = {}
    for i in kept:
        first.setdefault(_NAMES[type(values[i])], i)
    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise BadInput(
            f"{where}: column {name!r}, named as {role}, mixes types: row {a + 1} holds {one} ({values[a]!r}) and row "
            f"{b + 1} {other} ({values[b]!r}); write all as one type, or make text of them with "
            f'`columns: {{{name}: "{{{{ {name} }}}}"}}`'
        )
    many = [i for i in kept if role == "group" and _is_list(values[i])]
    if many:
        raise BadInput(
            f"{where}, row {many[0] + 1}: column {name!r}, named as group, holds a list ({values[many[0]]}), and rows "
            "whose lists overlap would not be kept together; make one value of it, such as "
            f"`columns: {{{name}: \"{{{{ {name}.strip('[]').split(',') | first }}}}\"}}`"
        )
    whole = any(type(values[i]) is int for i in kept)
    texts = [
        str(int(v)) if whole and isinstance(v, float) and v.is_integer() else str(v) for v in (values[i] for i in kept)
    ]
    return [one.encode("utf-8", "backslashreplace").decode("utf-8") for one in texts]


def _is_list(value: Scalar) -> bool:
    """Whether a value is a list of several items, written as JSON or Python writes it."""
    text = value.strip() if isinstance(value, str) else ""
    if not (text.startswith("[") and text.endswith("]") and "," in text):
        return False
    for read in (json.loads, ast.literal_eval):
        try:
            return isinstance(read(text), list)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return False
