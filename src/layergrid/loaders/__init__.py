"""Data set kinds, one file per kind, and what makes Examples of the columns that any of them reads.

It knows no format and no model.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.project import Project
from layergrid.text import count, known_columns


def load_examples(
    name: str,
    loader: Loader,
    source: str,
    project: Project,
    *,
    sample: int | None = None,
    seed: int = 0,
    id_column: str | None = None,
    group_column: str | None = None,
) -> Examples:
    """The rows of a data set, or `sample` of them, in the order of the source.

    Ids are those of `id_column` as text, else row numbers counted from 1; groups those of `group_column`, else each row
    is its own. A sample is drawn without replacement by what rows hold, so that the same rows in another order give the
    same sample. Raises BadInput for an empty set, a column that is missing, ids that are empty or not unique, groups
    that are empty, and a sample larger than the set.
    """
    columns = loader.read(project.called(f"datasets.{name}.source"))
    n = len(next(iter(columns.values()), []))
    if n == 0:
        raise BadInput(f"data set {name!r} ({source}): holds no rows; at least one is needed")
    if sample is not None and not 1 <= sample <= n:
        raise BadInput(
            f"data set {name!r} ({source}): sample is {count(sample)}, but the set holds {count(n)} rows; "
            f"write a sample from 1 to {count(n)}, or leave it out to take all rows"
        )
    where = f"data set {name!r} ({source})"
    ids = _keys(where, columns, "id", id_column) or [str(i + 1) for i in range(n)]
    _unique(where, ids, id_column)
    groups = _keys(where, columns, "group", group_column) or ids
    kept = range(n) if sample is None else _drawn(columns, ids if id_column else None, sample, seed)
    return _examples(name, source, [ids[i] for i in kept], [groups[i] for i in kept], _taken(columns, kept))


def _keys(where: str, columns: Mapping[str, Sequence[Scalar]], role: str, wanted: str | None) -> list[str]:
    """The values of an id or group column as text; lone surrogates become escapes, because tables cannot hold them."""
    if wanted is None:
        return []
    if wanted not in columns:
        raise BadInput(f"{where}: there is no column {wanted!r}, named as {role}; {known_columns(wanted, columns)}")
    for i, value in enumerate(columns[wanted]):
        if value is None or value == "":
            raise BadInput(
                f"{where}, row {i + 1}: column {wanted!r}, named as {role}, is empty; give every row a value"
            )
    return [str(value).encode("utf-8", "backslashreplace").decode("utf-8") for value in columns[wanted]]


def _unique(where: str, ids: Sequence[str], column: str | None) -> None:
    seen: dict[str, int] = {}
    for i, one in enumerate(ids):
        if one in seen:
            raise BadInput(
                f"{where}: rows {seen[one] + 1} and {i + 1} have the same id {one!r} in column {column!r}; make ids "
                "unique, or leave the id column out to count rows"
            )
        seen[one] = i


def _drawn(columns: Mapping[str, Sequence[Scalar]], ids: Sequence[str] | None, sample: int, seed: int) -> list[int]:
    """Indices of the `sample` rows with the smallest hashes of seed, id and content; equal rows count up."""
    names = sorted(columns)
    seen: Counter[bytes] = Counter()
    keys = []
    for i, values in enumerate(zip(*(columns[name] for name in names), strict=True)):
        content = _canonical([None if ids is None else ids[i], names, values])
        keys.append((hashlib.sha256(_canonical([seed, seen[content]]) + content).digest(), i))
        seen[content] += 1
    return sorted(i for _, i in sorted(keys)[:sample])


def _taken(columns: Mapping[str, Sequence[Scalar]], kept: Sequence[int]) -> dict[str, tuple[Scalar, ...]]:
    return {name: tuple(values[i] for i in kept) for name, values in columns.items()}


def _examples(
    name: str, source: str, ids: list[str], groups: list[str], columns: Mapping[str, tuple[Scalar, ...]]
) -> Examples:
    digest = hashlib.sha256(_canonical([ids, groups, dict(sorted(columns.items()))])).hexdigest()
    return Examples(name, source, tuple(ids), tuple(groups), columns, f"sha256:{digest}")


def row_digests(examples: Examples) -> str:
    """What each row holds with its id and group, eight hexadecimal digits a row: enough to count rows that differ."""
    names = sorted(examples.columns)
    values = zip(*(examples.columns[name] for name in names), strict=True) if names else ((),) * len(examples.ids)
    whole = zip(examples.ids, examples.groups, values, strict=True)
    return "".join(hashlib.sha256(_canonical([names, *one])).hexdigest()[:8] for one in whole)


def _canonical(value: object) -> bytes:
    """JSON in which 1, 1.0, "1" and true differ; lone surrogates are encoded as they stand."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
