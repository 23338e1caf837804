"""Parquet files of equal bytes for equal tables, read strictly; it knows columns of numbers and texts, no grid."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import AGAIN, foreign
from layergrid.kinds import BadInput

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def write_parquet(tables: Iterable[pa.Table], path: Path) -> None:
    """Writes tables of one schema, at least one, as the row groups of a file; equal tables give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = iter(tables)
    first = next(parts)
    words = [field.name for field in first.schema if pa.types.is_string(field.type)]
    with pq.ParquetWriter(
        path, first.schema, compression="zstd", use_dictionary=words, write_statistics=False, store_schema=False
    ) as file:
        for table in itertools.chain([first], parts):
            file.write_table(table)


class _NoPandas:
    """Stands before the other finders of modules and says that there is no pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - the protocol
        """Called by an import statement."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


@cache
def _alone() -> None:
    """Lets Arrow find no pandas at its first array: it imports it otherwise wherever it is installed, half a second.

    Arrow looks for it again when something is to become a data frame.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file to read from; whatever is wrong with it while it is read is told with its name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _alone()
    if not path.is_file():
        raise BadInput(f"{path}: is missing; {AGAIN}")
    try:
        # One file, read as it stands: no schema of a data set is inferred from the names of folders.
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, ValueError, pa.ArrowException) as error:
        first = (str(error).splitlines() or [""])[0]
        raise BadInput(f"{path}: is damaged or no Parquet file ({first}); {AGAIN}") from error


def read_parquet(path: Path) -> pa.Table:
    """The whole table. Raises BadInput where the file is missing or damaged."""
    with _opened(path) as file:
        return file.read()


def read_groups(path: Path) -> Iterator[pa.Table]:
    """The table by its row groups, in order: at least one, which may be empty. Raises BadInput like `read_parquet`."""
    with _opened(path) as file:
        if not file.num_row_groups:
            yield file.read()
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def numbers(table: pa.Table, column: str | int, dtype: Any, path: Path) -> Any:
    """One column as an array; `dtype` None keeps its own floating type."""
    import pyarrow.types as kinds

    found = table.column(column)
    kind = found.type
    if kinds.is_boolean(kind) != (dtype is np.bool_) or not (
        kinds.is_boolean(kind) or kinds.is_integer(kind) or kinds.is_floating(kind)
    ):
        foreign(path, f"has no numbers of the right kind in the column {table.column_names[_index(table, column)]!r}")
    if found.null_count and dtype in (np.bool_, np.int64):
        foreign(path, f"has empty cells in the column {table.column_names[_index(table, column)]!r}")
    array = found.to_numpy()
    return np.array(array, dtype=dtype or array.dtype)


def _index(table: pa.Table, column: str | int) -> int:
    return column if isinstance(column, int) else table.column_names.index(column)


def texts(table: pa.Table, column: str, path: Path) -> list[str]:
    """One column of texts, their escapes undone."""
    try:
        found = table.column(column).to_pylist()
    except ValueError:  # bytes that are no UTF-8
        found = [None]
    if not all(isinstance(one, str) for one in found):
        foreign(path, f"has something else than texts in the column {column!r}")
    return [unescaped(one) for one in found]


# A lone surrogate becomes \udXXX. A backslash that stands before such an escape, or before text that looks like one, is
# doubled, so that every text comes back as it was.
_TO_ESCAPE = re.compile(r"(\\*)([\ud800-\udfff])|(\\+)(?=u[dD][89abAB][0-9a-fA-F]{2}|u[dD][c-fC-F][0-9a-fA-F]{2})")
_ESCAPED = re.compile(r"(\\+)(u[dD][89a-fA-F][0-9a-fA-F]{2})")


def escaped(value: Any) -> Any:
    """A text that UTF-8 can hold; anything else as it is."""
    if not isinstance(value, str):
        return value
    return _TO_ESCAPE.sub(lambda m: m[3] * 2 if m[3] else f"{m[1] * 2}\\u{ord(m[2]):04x}", value)


def unescaped(value: str) -> str:
    """The text that `escaped` was given."""

    def back(match: re.Match[str]) -> str:
        slashes, code = match[1], match[2]
        half = "\\" * (len(slashes) // 2)
        return half + (chr(int(code[1:], 16)) if len(slashes) % 2 else code)

    return _ESCAPED.sub(back, value)
