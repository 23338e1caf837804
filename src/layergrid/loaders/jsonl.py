"""Reads JSON Lines, one object a line; it keeps the types that JSON has and knows nothing of prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.files import locate, read_text
from layergrid.project import Project


class JsonlLoader(Loader):
    """JSON Lines, UTF-8.

    Blank lines are skipped; a key that a line lacks is null there; lists and objects become JSON text.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    kind: Literal["jsonl"] = "jsonl"

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns in the order in which keys first appear; BadInput names the line that is not one JSON object."""
        return columns_of([row for _, row in objects(locate(project, self.address))])


def objects(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a file with the numbers of their lines. Raises BadInput for a line that is not one JSON object."""
    # Only "\n" ends a line: JSON strings may hold the other characters that str.splitlines breaks at.
    lines = read_text(path).split("\n")
    return [(number, _row(path, number, line)) for number, line in enumerate(lines, start=1) if line.strip()]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Scalar]]:
    """Columns in the order in which keys first appear; null where a row lacks one, lists and objects as JSON text."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_scalar(row.get(name)) for row in rows] for name in names}


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise BadInput(f"{path}, line {number}: the key {_doubled(pairs)!r} is given twice; keep one")
        return found

    try:
        row = json.loads(line, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{path}, line {number}, character {error.pos + 1}: {error.msg}; each line is one JSON object, "
            "closed on the same line"
        ) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise BadInput(f"{path}, line {number}: cannot be read as JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadInput(f"{path}, line {number}: holds a {type(row).__name__}; each line is one JSON object {{...}}")
    return row


def _doubled(pairs: list[tuple[str, Any]]) -> str:
    names = [name for name, _ in pairs]
    return next(name for i, name in enumerate(names) if name in names[:i])


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False)
