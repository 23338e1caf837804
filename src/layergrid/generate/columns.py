"""Answers as columns of a data set hold them: text, or lists of token ids; it knows no model and spells nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from layergrid.artifacts import Examples, Ints, Scalar
from layergrid.kinds import BadInput
from layergrid.text import known_columns, plural, visible

MOST_ID = 2**31


class AnswersSpec(Protocol):
    """What a spec says of answers in the data."""

    @property
    def text(self) -> str | None:
        """Column of answers as text."""

    @property
    def ids(self) -> str | None:
        """Column of answers as token ids."""

    @property
    def prompt_ids(self) -> str | None:
        """Column of the prompts' token ids."""


@dataclass(frozen=True)
class Answered:
    """The answers of N rows; either texts or ids."""

    column: str
    texts: tuple[str, ...] = ()
    ids: tuple[Ints, ...] = ()  # int32 [T] each
    prompt_ids: tuple[Ints, ...] = ()  # int32 [P] each; empty: prompts are encoded
    columns: Mapping[str, str] = field(default_factory=dict)  # what is read: text, ids or prompt_ids -> column

    @property
    def digest(self) -> str:
        """Of all that is given."""
        held = (self.texts, *([one.tolist() for one in many] for many in (self.ids, self.prompt_ids)))
        return hashlib.sha256(json.dumps(held).encode("ascii")).hexdigest()


def answered(spec: AnswersSpec, examples: Examples) -> Answered:
    """The answers of a data set.

    Raises BadInput where a column is missing, a row has no answer (an empty one is an answer), a value is of another
    type, or what should be token ids is no list of whole numbers.
    """
    if spec.text is not None:
        return Answered(spec.text, texts=tuple(_texts(spec.text, examples)), columns={"text": spec.text})
    column, before = spec.ids or "", spec.prompt_ids
    prompts = _ids(before, examples, empty=False) if before is not None else ()
    columns = {"ids": column} | ({"prompt_ids": before} if before is not None else {})
    return Answered(column, ids=_ids(column, examples, empty=True), prompt_ids=prompts, columns=columns)


def _values(column: str, examples: Examples) -> Sequence[Scalar]:
    """The values of a column, of which none is missing."""
    where = f"data set {examples.name!r}"
    if column not in examples.columns:
        raise BadInput(f"{where}: there is no column {column!r}, named in 'answers'; "
                       f"{known_columns(column, examples.columns)}")  # fmt: skip
    values = examples.columns[column]
    absent = [examples.ids[i] for i, value in enumerate(values) if value is None or value != value]
    if absent:
        name = column if column.isidentifier() else f"row['{column}']"
        raise BadInput(
            f"{where}: {plural(len(absent), 'row')} of {len(values)} {'has' if len(absent) == 1 else 'have'} no answer "
            f"in column {column!r} (null), the first {visible(absent[0])!r}; leave them out with 'where: {name} is "
            "string', or fill them in (an empty text is an answer)"
        )
    return values


def _texts(column: str, examples: Examples) -> Sequence[str]:
    """Answers as text; numbers and truth values as JSON writes them."""
    return [value if isinstance(value, str) else json.dumps(value) for value in _values(column, examples)]


def _ids(column: str, examples: Examples, *, empty: bool) -> tuple[Ints, ...]:
    """Token ids from lists that loaders give as JSON text."""
    found = []
    for example, value in zip(examples.ids, _values(column, examples), strict=True):
        ids = _listed(value)
        if ids is None or not (ids or empty):
            shown = visible(str(value))[:60]
            raise BadInput(
                f"data set {examples.name!r}, example {visible(example)}: column {column!r} holds {shown!r}, where a "
                f"list of token ids was expected, such as [464, 2068]{'' if empty else ', of one at least'}; answers "
                "as text are named by 'answers: {text: COLUMN}'"
            )
        found.append(np.array(ids, dtype=np.int32))
    return tuple(found)


def _listed(value: Scalar) -> list[int] | None:
    """A list of whole numbers from 0; None where it is none."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, list) and all(type(one) is int and 0 <= one < MOST_ID for one in found)
    return found if whole else None
