"""What is said of a verdict to manifests and on terminals; it judges nothing."""

from __future__ import annotations

import math
from typing import Any

from layergrid.artifacts import ExpectationResult
from layergrid.facts.expected import digits
from layergrid.text import count, number

LISTED = 6  # failing cells that a message names
MANIFEST = (
    "where", "name", "sentence", "met", "observed", "bound", "by", "value", "low", "high", "n", "at_least", "at_most",
    "at", "reason", "because", "grid",
)  # fmt: skip


def as_json(one: ExpectationResult) -> dict[str, object]:
    """What a manifest says of an expectation; JSON knows no NaN: a value that is missing is null."""
    plain: dict[str, Any] = {name: getattr(one, name) for name in MANIFEST}
    found = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in plain.items()}
    return {**found, "cells": [list(cell) for cell in one.cells], "failing": list(one.failing), "told": told(one)}


def told(one: ExpectationResult) -> str:
    """An expectation with what was observed, on one line."""
    shown = _number(one, one.observed) if math.isfinite(one.observed) else "no value"
    line = f"{one.name}: {one.sentence}" if one.name else one.sentence
    beside = [one.at] if one.at else []
    if one.by != "estimate" and math.isfinite(one.value):
        beside.append(f"estimate {_number(one, one.value)}")
    line += f"; observed: {shown}" + (f" ({', '.join(beside)})" if beside else "")
    if one.reason:
        line += f": {one.reason}"
    if one.failing and not one.met:
        more = f"; and {len(one.failing) - LISTED} more" if len(one.failing) > LISTED else ""
        line += f"; failing: {'; '.join(one.failing[:LISTED])}{more}"
    return line


def _number(one: ExpectationResult, value: float) -> str:
    return count(int(value)) if one.counts else number(value, max(3, digits(one)))
