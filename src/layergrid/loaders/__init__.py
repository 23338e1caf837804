"""Data set kinds, one file per kind, and what makes Examples of the columns that any of them reads.

It knows no format and no model.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.columns import as_keys, in_order, kept_by, mapped, without_nan
from layergrid.project import Project
from layergrid.text import count, known_columns, visible


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
    columns: Mapping[str, str] = MappingProxyType({}),
    where: str = "",
    offline: bool = False,
) -> Examples:
    """The rows of a data set that `where` keeps, or `sample` of them, in the order of their ids or else of the source.

    `columns` gives columns new names before anything else names one. Ids are those of `id_column` as text, else row
    numbers of the source counted from 1; groups those of `group_column`, else each row is its own. A sample is drawn
    without replacement by what rows hold as they are read, so that the same rows in another order, or with other names
    of columns, give the same sample. Raises
    BadInput for an empty set, a column that is missing, ids that are empty or not unique, groups that are empty, a rule
    that keeps nothing, and a sample larger than what is kept.
    """
    told = f"data set {name!r} ({source})"
    read = without_nan(loader.read_from(project.called(f"datasets.{name}.source"), offline=offline))
    n = len(next(iter(read.values()), []))
    if n == 0:
        raise BadInput(f"{told}: holds no rows; at least one is needed")
    held = mapped(read, columns, name, source)
    kept = kept_by(where, held, name, source)
    _check_sample(told, sample, len(kept), n)
    ids = _keys(told, held, "id", id_column, kept) or [str(i + 1) for i in kept]
    _unique(told, ids, id_column, kept)
    groups = _keys(told, held, "group", group_column, kept) or ids
    taken = _taken(held, kept)
    drawn = range(len(kept)) if sample is None else _drawn(_taken(read, kept), ids if id_column else None, sample, seed)
    if id_column is not None:
        drawn = [drawn[i] for i in in_order([ids[i] for i in drawn])]
    left = ((f"they do not meet the rule {visible(where.strip())!r}", n - len(kept), n),) if len(kept) < n else ()
    return _examples(name, source, [ids[i] for i in drawn], [groups[i] for i in drawn], _taken(taken, drawn), left)


def some(examples: Examples, ids: Sequence[str], why: str) -> Examples:
    """The rows of these ids, which stand in their order; the others are counted as left out, because they ... `why`."""
    if len(ids) == len(examples.ids):
        return examples
    wanted = set(ids)
    kept = [i for i, one in enumerate(examples.ids) if one in wanted]
    return _examples(
        examples.name, examples.source, [examples.ids[i] for i in kept], [examples.groups[i] for i in kept],
        _taken(examples.columns, kept), (*examples.left_out, (why, len(examples.ids) - len(kept), len(examples.ids))),
    )  # fmt: skip


def _check_sample(where: str, sample: int | None, n: int, read: int) -> None:
    if sample is not None and not 1 <= sample <= n:
        held = f"the set holds {count(n)} rows"
        held += f" of {count(read)} that `where` keeps" if n < read else ""
        raise BadInput(
            f"{where}: sample is {count(sample)}, but {held}; "
            f"write a sample from 1 to {count(n)}, or leave it out to take all rows"
        )


def _keys(
    where: str, columns: Mapping[str, Sequence[Scalar]], role: str, wanted: str | None, kept: Sequence[int]
) -> list[str]:
    """Values of an id or group column as text; none where no column is named."""
    if wanted is None:
        return []
    if wanted not in columns:
        raise BadInput(f"{where}: there is no column {wanted!r}, named as {role}; {known_columns(wanted, columns)}")
    values = columns[wanted]
    empty = [i for i in kept if values[i] is None or values[i] == ""]
    if empty:
        more = f", and so it is in {count(len(empty) - 1)} more" if len(empty) > 1 else ""
        raise BadInput(
            f"{where}, row {empty[0] + 1}: column {wanted!r}, named as {role}, is empty{more}; give every row a value"
        )
    return as_keys(where, wanted, role, values, kept)


def _unique(where: str, ids: Sequence[str], column: str | None, kept: Sequence[int]) -> None:
    seen: dict[str, int] = {}
    for i, one in zip(kept, ids, strict=True):
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
    name: str,
    source: str,
    ids: list[str],
    groups: list[str],
    columns: Mapping[str, tuple[Scalar, ...]],
    left_out: tuple[tuple[str, int, int], ...],
) -> Examples:
    digest = hashlib.sha256(_canonical([ids, groups, dict(sorted(columns.items()))])).hexdigest()
    return Examples(name, source, tuple(ids), tuple(groups), columns, f"sha256:{digest}", left_out)


def row_digests(examples: Examples) -> str:
    """What each row holds with its id and group, eight hexadecimal digits a row: enough to count rows that differ."""
    names = sorted(examples.columns)
    values = zip(*(examples.columns[name] for name in names), strict=True) if names else ((),) * len(examples.ids)
    whole = zip(examples.ids, examples.groups, values, strict=True)
    return "".join(hashlib.sha256(_canonical([names, *one])).hexdigest()[:8] for one in whole)


def _canonical(value: object) -> bytes:
    """JSON in which 1, 1.0, "1" and true differ; lone surrogates are encoded as they stand."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
