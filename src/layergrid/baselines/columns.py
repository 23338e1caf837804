"""Declared columns of the data as features: numbers as they are, text as one column a value; a hole is no number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Examples, Ints, Scalar
from layergrid.kinds import BadInput
from layergrid.stats import Array
from layergrid.text import listed, nearest


def check_columns(columns: Sequence[str], examples: Examples, where: str) -> None:
    """Raises BadInput, naming the nearest column, where the data set lacks one of `columns`."""
    for column in columns:
        if column not in examples.columns:
            near = nearest(column, examples.columns)
            hint = f"; did you mean {near!r}?" if near else "."
            raise BadInput(
                f"{where}: the data set {examples.name!r} has no column {column!r}{hint} "
                f"It has {listed(repr(c) for c in examples.columns) or 'no columns'}."
            )


def column_features(columns: Sequence[str], examples: Examples, rows: Ints) -> tuple[Array | None, str]:
    """Features [n, d] of `columns` at `rows`, or None and why not: numbers as they are, text as one column a value.

    Truth values count as numbers. A value that is absent, not finite, or a column that mixes text and numbers is a
    reason to give no number rather than a guess.
    """
    blocks = []
    for column in columns:
        values: Sequence[Scalar] = [examples.columns[column][int(i)] for i in rows]
        missing = sum(_is_missing(v) for v in values)
        if missing:
            return None, f"column {column!r} has no value in {missing} of {len(values)} examples"
        values = as_numbers(values)
        texts = sum(isinstance(v, str) for v in values)
        if texts not in (0, len(values)):
            return None, f"column {column!r} mixes text and numbers"
        blocks.append(_one_hot(values) if texts else np.array([[float(v or 0)] for v in values]))
    return np.concatenate(blocks, axis=1), ""


def as_numbers(values: Sequence[Scalar]) -> Sequence[Scalar]:
    """Texts that all say finite numbers as numbers, since a CSV file has text alone; else the values as they are."""
    if not values or not all(isinstance(v, str) for v in values):
        return values
    try:
        found = [float(str(v)) for v in values]
    except ValueError:
        return values
    return found if all(map(math.isfinite, found)) else values


def _is_missing(value: Scalar) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _one_hot(values: Sequence[Scalar]) -> Array:
    kinds = sorted({str(v) for v in values})
    return np.array([[float(v == kind) for kind in kinds] for v in values])
