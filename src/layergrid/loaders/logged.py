"""What logs of evaluations have in common: nested values as columns, and dialogues as prompts; it opens no file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from layergrid.artifacts import Scalar

DEEPEST = 4  # levels of a mapping that become columns of their own; what lies deeper is JSON text
Row = dict[str, Scalar]


def scalar(value: Any) -> Scalar:
    """A single value as it is, anything else as JSON text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def flat(prefix: str, value: Any, depth: int = 0) -> Row:
    """A nested mapping as columns whose names are joined by dots, after `prefix`; a lone value under that name.

    An empty mapping has no columns.
    """
    if not isinstance(value, Mapping) or (depth >= DEEPEST and value):
        return {prefix: scalar(value)} if prefix else {}
    found: Row = {}
    for name, one in value.items():
        found |= flat(f"{prefix}.{name}" if prefix else str(name), one, depth + 1)
    return found


def table(rows: Sequence[Row]) -> dict[str, list[Scalar]]:
    """Rows as columns in the order in which they first appear; what a row lacks is null there."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def prompt_of(asked: Any) -> Row:
    """The columns `prompt` and, of a dialogue, `system`: of a text itself, of a dialogue its only user's message.

    A dialogue of several turns is written out, "role: text" a paragraph. None where there is no text.
    """
    if isinstance(asked, str):
        return {"prompt": asked}
    if not isinstance(asked, Sequence):
        return {"prompt": None}
    turns = [(str(one.get("role", "")), text_of(one.get("content"))) for one in asked if isinstance(one, Mapping)]
    system = "\n".join(text or "" for role, text in turns if role == "system")
    rest = [(role, text) for role, text in turns if role != "system"]
    together = "\n\n".join(f"{role}: {text or ''}" for role, text in rest) or None
    found: Row = {"prompt": rest[0][1] if len(rest) == 1 else together}
    return found | ({"system": system} if system else {})


def text_of(content: Any) -> str | None:
    """The text of a message: itself, or its parts that are text, one after another; None where it has none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return None
    parts = [one.get("text") for one in content if isinstance(one, Mapping) and one.get("type", "text") == "text"]
    return "".join(str(one) for one in parts if one is not None) if parts else None
