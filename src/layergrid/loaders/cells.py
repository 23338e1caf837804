"""Makes plain values of what Arrow holds, and says which columns no prompt can hold; it opens no file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput

MEDIA = {"Image": "images", "Audio": "sound", "Video": "films", "Pdf": "PDF documents"}  # features of `datasets`


def plain(where: str, name: str, row: int, value: Any) -> Scalar:
    """Text, numbers, booleans and nulls as they are; lists and structs as JSON text, dates as ISO text.

    Raises BadInput for bytes, which are no text.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        raise BadInput(f"{where}, row {row}, column {name!r}: holds bytes; store text as a string column")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def check_media(where: str, schema: Any, features: Mapping[str, Any], skip: Sequence[str]) -> None:
    """Raises BadInput where a column that is not skipped holds bytes, such as images: no prompt can hold them.

    `schema` is Arrow's; `features` what the data set itself says of its columns, where it does.
    """
    for field in schema:
        said = features.get(field.name)
        media = MEDIA.get(str(said.get("_type")) if isinstance(said, Mapping) else "")
        if field.name not in skip and (media or _holds_bytes(field.type)):
            raise BadInput(
                f"{where}: column {field.name!r} holds {media or 'bytes'}, which no prompt can hold; leave it out: "
                f"source: {{kind: ..., address: ..., skip: [{field.name}]}}"
            )


def check_skipped(where: str, names: Sequence[str], skip: Sequence[str]) -> None:
    """Raises BadInput where a column that is to be skipped is not there."""
    from layergrid.text import known_columns

    for one in skip:
        if one not in names:
            raise BadInput(f"{where}: there is no column {one!r} to skip; {known_columns(one, names, mapped=False)}")


def _holds_bytes(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(
        pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or pyarrow.types.is_fixed_size_binary(kind)
    )


def of_batches(where: str, names: Sequence[str], batches: Any, most_cells: int) -> dict[str, list[Scalar]]:
    """Columns of plain values from Arrow's batches. Raises BadInput where they hold more than a table of data does."""
    found: dict[str, list[Scalar]] = {name: [] for name in names}
    rows = 0
    for batch in batches:
        if (rows + batch.num_rows) * max(1, len(names)) > most_cells:
            raise BadInput(f"{where}: holds more than {most_cells:,} cells; take a part of it")
        for name in names:
            values = batch.column(name).to_pylist()
            found[name] += [plain(where, name, rows + i + 1, value) for i, value in enumerate(values)]
        rows += batch.num_rows
    return found


def one_split(where: str, there: Sequence[str], wanted: str) -> str:
    """The split that is wanted, or the only one. Raises BadInput where it is not there, or none of several is named."""
    from layergrid.text import listed, nearest

    if wanted in there:
        return wanted
    if not wanted and len(there) == 1:
        return there[0]
    if not wanted:
        like = next((one for one in ("test", "validation", "dev") if one in there), there[0] if there else "test")
        raise BadInput(
            f"{where}: has the splits {listed(there)}; name the one to ask: "
            f"source: {{kind: ..., address: ..., split: {like}}}"
        )
    near = nearest(wanted, there)
    hint = f"; did you mean {near!r}?" if near else ""
    raise BadInput(f"{where}: there is no split {wanted!r}; there are {listed(there)}{hint}")
