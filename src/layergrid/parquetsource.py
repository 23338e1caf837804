"""Reads the columns of a Parquet file piece by piece, and no more than a table of data holds; it knows no data set.

A file of some kilobytes may say that it holds billions of cells, or one long text millions of times.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from layergrid.errors import BadInput
from layergrid.project import opened
from layergrid.text import visible

MOST_BYTES = 2**31  # of the file
MOST_CELLS = 100_000_000
MOST_COLUMNS = 10_000
MOST_UNPACKED = 2**31  # bytes of one column of a row group, as the file tells them
MOST_HELD = 2**32  # bytes of all values as Arrow holds them
PIECE = 256  # rows that are unpacked at a time


def schema(path: Path, what: str = "data") -> Any:
    """Arrow's schema of a file, with what its maker noted beside it. Raises BadInput as `columns`."""
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path, MOST_BYTES, what) as stream:
            return parquet.ParquetFile(stream).schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be read as Parquet ({error})") from None


def columns(path: Path, what: str = "data", without: Container[str] = frozenset()) -> tuple[list[str], list[list[Any]]]:
    """Names and values of a file's columns in its order but those `without`, values as Python has them.

    Raises:
        BadInput: it is no ordinary file, no Parquet file, or holds more than a table of data does.
        ValueError: a value that Python cannot hold, such as text that is no UTF-8; the column is named.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path, MOST_BYTES, what) as stream:
            file = parquet.ParquetFile(stream)
            _check(path, file.metadata)
            names, values, held = [one for one in file.schema_arrow.names if one not in without], [], 0
            values = [list[Any]() for _ in names]
            wanted = names if len(names) < len(file.schema_arrow.names) else None
            for batch in file.iter_batches(batch_size=PIECE, use_threads=False, columns=wanted):
                held += batch.nbytes
                for name, column, found in zip(names, batch.columns, values, strict=True):
                    piece = _plain(name, column.to_pylist)
                    held += sum(len(value) for value in piece if isinstance(value, str))  # one text, many times
                    found += piece
                    if held > MOST_HELD:
                        raise _bomb(path, f"more than {MOST_HELD:,} bytes of values")
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be read as Parquet ({error})") from None
    return names, values


def _plain(name: str, values: Callable[[], list[Any]]) -> list[Any]:
    try:
        return values()
    except ValueError as error:
        raise ValueError(f"column {visible(repr(name))}: {error}") from None


def _check(path: Path, told: Any) -> None:
    """Raises BadInput where the file says that it holds too much; nothing is unpacked yet."""
    if told.num_columns > MOST_COLUMNS or told.num_rows * max(1, told.num_columns) > MOST_CELLS:
        raise _bomb(path, f"{told.num_rows:,} rows of {told.num_columns:,} columns")
    for group in range(told.num_row_groups):
        for column in range(told.num_columns):
            size = told.row_group(group).column(column).total_uncompressed_size
            if size > MOST_UNPACKED:
                raise _bomb(path, f"a column of {size:,} bytes when it is unpacked")


def _bomb(path: Path, found: str) -> BadInput:
    return BadInput(
        f"{path}: holds {found}; expected at most {MOST_CELLS:,} cells and {MOST_UNPACKED:,} bytes a column: take a "
        "part of it"
    )
