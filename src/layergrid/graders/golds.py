"""Reads the right answers that columns hold, one or a list of them written as text; it compares nothing."""

from __future__ import annotations

import ast
import io
import itertools
import json
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput, Grader
from layergrid.text import known_columns

ADJACENT = re.compile(r"""['"]\s+['"]""")
LONGEST = 1_000_000  # characters of a list; Python's own parser is not meant for more


class Aliased(Grader):
    """A grader to which several texts may be right: the gold column and others each hold one answer or a list."""

    aliases: tuple[str, ...] = Field(
        (),
        description="Columns that hold further right answers, such as aliases: each a text, or a list written as "
        "text, Python's or JSON's. Any of them is right.",
    )

    def golds(self, example: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        """All that the columns hold, without blanks and repetitions."""
        found = [one for column in (self.gold, *self.aliases) for one in held(example[column])]
        return tuple({(type(one).__name__, one): one for one in found}.values())

    def check(self, examples: Examples) -> None:
        """Raises BadInput where a column of aliases is missing."""
        for column in self.aliases:
            require(examples, column, "aliases")


class Located(Aliased):
    """A grader whose spans may, where a spec insists, depend on the right answer: the published way."""

    insist: bool = Field(False, description="Keep a `span` whose rule sees the right answer; the report then says so.")
    span: Literal["rule", "gold"] = Field(
        "rule",
        description="Which characters are the exact answer: those that the rule finds, or in right answers the first "
        "occurrence of the right one (`gold`), so that positions depend on the label; refused without `insist: true`.",
    )

    @field_validator("span")
    @classmethod
    def _insisted(cls, value: str, info: ValidationInfo) -> str:
        if value == "gold" and not info.data.get("insist"):
            raise ValueError(
                "'gold' looks for the exact answer with the right one in hand, in right answers only, so that "
                "positions tell the label before any state is read; leave it out, or write insist: true, "
                "and the report says so"
            )
        return value

    @property
    def label_dependent(self) -> bool:
        """Whether the spec insists on it."""
        return self.span == "gold"


def require(examples: Examples, column: str, role: str) -> None:
    """Raises BadInput where the data set has no such column; `role` says what the spec named it as."""
    if column not in examples.columns:
        raise BadInput(
            f"data set {examples.name!r} ({examples.source}): there is no column {column!r}, named as {role}; "
            f"{known_columns(column, examples.columns)}"
        )


def held(value: Scalar) -> tuple[Scalar, ...]:
    """The answers in a value: itself, or the items of a list that stands there as text; blanks and NaN are none.

    `['a', 'b']`, `["a", "b"]` and NumPy's `['a' 'b']` are lists, and `[sic]` is a text. Raises BadInput where a list
    is cut short, or where it or the value holds a list or a mapping.
    """
    items = listed_items(value)
    return tuple(one for one in ((value,) if items is None else items) if not blank(one))


def blank(value: Scalar) -> bool:
    """Nothing, NaN, or a text of blanks alone."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or str(value).strip() == ""


def listed_items(value: Scalar) -> list[Scalar] | None:
    """The items of a list written as text, or None where the value is no list."""
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("[", "{"):
        return None
    found = _read(text)
    if isinstance(found, dict):
        raise BadInput(f"{_start(text)} is a mapping, not an answer; name what is needed of it by 'columns'")
    if isinstance(found, list):
        if not all(isinstance(one, str | int | float | None) for one in found):
            raise BadInput(f"{_start(text)} holds more than texts and numbers; an answer is one text or a flat list")
        return _apart(text) or found
    if text[1:].lstrip()[:1] in ("'", '"') and text[0] == "[":
        raise BadInput(f"{_start(text)} looks like a list, and cannot be read as one; is it cut short?")
    return None


def _read(text: str) -> Any:
    """What a text means as JSON or as a Python literal; None where it is neither."""
    if len(text) > LONGEST:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _apart(text: str) -> list[Scalar]:
    """The texts of a list as NumPy prints it, without commas, which Python reads as one text; else empty."""
    if ADJACENT.search(text) is None:
        return []
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text.replace("\n", " ")).readline))
    except (tokenize.TokenError, SyntaxError):
        return []  # JSON that is no Python has commas
    kinds = [token.type for token in tokens]
    if not any(a == b == tokenize.STRING for a, b in itertools.pairwise(kinds)):
        return []
    return [ast.literal_eval(token.string) for token in tokens if token.type == tokenize.STRING]


def _start(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def shown(values: Iterable[Scalar], most: int = 3) -> str:
    """A few right answers for a sentence: "'a' or 'b'", "'a', 'b', 'c' or 4 more"."""
    names = [repr(one) for one in values]
    rest = [f"{len(names) - most} more"] if len(names) > most else []
    kept = [*names[:most], *rest]
    return " or ".join(part for part in (", ".join(kept[:-1]), *kept[-1:]) if part)
