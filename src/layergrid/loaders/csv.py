"""Reads CSV and TSV files as they stand; it converts nothing, so that a prompt prints "0123" as "0123"."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.files import locate, read_text
from layergrid.project import Project

LONGEST_FIELD = 2**31 - 1  # characters; the standard library's 131,072 is less than a long document


class CsvLoader(Loader):
    """Comma-separated values (tab-separated in .tsv), UTF-8, the first line naming the columns.

    Every value stays text, blanks and empty fields included. Blank lines are skipped. Quotes must be balanced.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    kind: Literal["csv"] = "csv"

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns of text; BadInput names the line of a ragged row, an open quote or a doubled column name."""
        path = locate(project, self.address)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        text = io.StringIO(read_text(path), newline="")
        before = csv.field_size_limit(LONGEST_FIELD)
        try:
            return _columns(path, text, delimiter)
        finally:
            csv.field_size_limit(before)


def _columns(path: Path, text: io.StringIO, delimiter: str) -> dict[str, list[Scalar]]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for fields in reader:
            if not fields:
                continue
            if not header:
                header = _header(path, fields)
                continue
            if len(fields) != len(header):
                raise BadInput(
                    f"{path}, line {reader.line_num} (row {len(rows) + 1}): {len(fields)} fields where the header "
                    f"names {len(header)}; put quotes round a field that holds commas, quotes or line breaks"
                )
            rows.append(fields)
    except csv.Error as error:
        raise BadInput(
            f"{path}, line {reader.line_num} (row {len(rows) + 1}): {error}; a field that holds quotes is written in "
            'quotes, with each quote inside it doubled ("")'
        ) from None
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _header(path: Path, names: list[str]) -> list[str]:
    if any("\0" in name for name in names):
        raise BadInput(
            f"{path}: the header holds NUL characters, so this is UTF-16 or no text at all; save it as UTF-8"
        )
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"{path}: columns {names.index(name) + 1} and {i + 1} are both named {name!r}; rename one")
    return names
