"""Reads the columns of a CSV or Parquet file, and tells where a cell stands; it knows no grid."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from layergrid import parquetsource
from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput
from layergrid.project import Project, regular
from layergrid.text import listed, nearest, visible

SUFFIXES = {".csv": ",", ".tsv": "\t", ".parquet": "", ".pq": ""}  # with the delimiter of text
MOST_BYTES = 2**28  # of one file, which is read whole
EMPTY = ("", "nan", "na")  # in any case: what stands for no number
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The cells of a file by column and row. Those of CSV are text."""

    path: Path
    names: tuple[str, ...]  # in the order of the file, unique
    cells: dict[str, list[Scalar]]
    rows: tuple[str, ...]  # what errors call each row: "line 3", "row 2"

    def renamed(self, names: dict[str, str]) -> Columns:
        """The same with columns that are called otherwise; `names`: new name -> name in the file."""
        for wanted in names.values():
            if wanted not in self.cells:
                near = nearest(wanted, self.names)
                hint = f"; did you mean {near!r}?" if near else ""
                raise BadInput(f"{self.path}: there is no column {wanted!r}; it has {self.listed}{hint}")
        new = {old: name for name, old in names.items()}
        found = [new.get(name, name) for name in self.names]
        twice = [name for name in found if found.count(name) > 1]
        if twice:
            raise BadInput(f"{self.path}: two columns would be called {twice[0]!r}; name the other one differently")
        cells = {new.get(name, name): values for name, values in self.cells.items()}
        return replace(self, names=tuple(found), cells=cells)

    def only(self, kept: Sequence[int]) -> Columns:
        """The same with some of the rows."""
        cells = {name: [values[i] for i in kept] for name, values in self.cells.items()}
        return replace(self, cells=cells, rows=tuple(self.rows[i] for i in kept))

    @property
    def listed(self) -> str:
        """The names of the columns in running text."""
        return "the columns " + listed(visible(repr(name)) for name in self.names)

    def wrong(self, row: int, column: str, expected: str) -> BadInput:
        """An error that names a cell: what was expected there, and what stands there."""
        found = self.cells[column][row]
        where = f"{self.path}, {self.rows[row]}, column {visible(repr(column))}"
        shown = "nothing" if found in (None, "") else visible(repr(found))[:60]
        return BadInput(f"{where}: expected {expected}; found {shown}")

    def text(self, row: int, column: str) -> str:
        """A cell as text; empty where it holds nothing."""
        value = self.cells[column][row]
        return "" if value is None else str(value)

    def number(self, row: int, column: str) -> float:
        """A cell as a number; NaN where it holds none."""
        value = self.cells[column][row]
        if isinstance(value, str):
            if value.strip().lower() in EMPTY:
                return math.nan
            if not _NUMBER.fullmatch(value.strip()) and not _INFINITE.fullmatch(value.strip()):
                hint = ", with a point before its fraction" if re.fullmatch(r"\s*[+-]?[0-9]*,[0-9]+\s*", value) else ""
                raise self.wrong(row, column, f"a number{hint}, or nothing")
        elif value is None:
            return math.nan
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(row, column, "a number, or nothing")
        found = float(value)
        if math.isinf(found):
            raise self.wrong(row, column, "a finite number, or nothing")
        return found

    def integer(self, row: int, column: str, low: int = 0) -> int | None:
        """A cell as a whole number that is at least `low`; None where it holds nothing."""
        found = self.number(row, column)
        if math.isnan(found):
            return None
        if not found.is_integer() or not low <= found < 2**53:
            raise self.wrong(row, column, f"a whole number from {low}")
        return int(found)


def locate(project: Project, source: str) -> Path:
    """The file of a source; BadInput names the nearest where there is none, and what may not be read."""
    path = project.path(source)
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(f"{path}: a table is a file that ends in {listed(SUFFIXES, 'or')}")
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f"did you mean {near!r}?" if near else f"relative paths start at {project.folder}"
        raise BadInput(f"{path}: no such file; {hint}")
    return regular(path, MOST_BYTES, project.what or "source")


def read(path: Path) -> Columns:
    """All cells of a file. Raises BadInput where it is not what its suffix says, or has no rows."""
    delimiter = SUFFIXES[path.suffix.lower()]
    try:
        found = _csv(path, delimiter) if delimiter else _parquet(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or error})") from None
    twice = [name for i, name in enumerate(found.names) if name in found.names[:i]]
    if twice:
        raise BadInput(f"{path}: two columns are called {twice[0]!r}; rename one")
    if not found.rows:
        raise BadInput(f"{path}: has no rows; expected one for each cell, or one for each layer")
    return found


def _csv(path: Path, delimiter: str) -> Columns:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8; save the file in that encoding") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for fields in filter(None, reader):
            lines.append((reader.line_num, fields))
            if len(fields) != len(lines[0][1]):
                raise BadInput(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header names {len(lines[0][1])}"
                )
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: {error}; quotes inside quotes are doubled") from None
    if not lines:
        raise BadInput(f"{path}: the file is empty")
    (_, names), *rest = lines
    cells: dict[str, list[Scalar]] = {name: [fields[i] for _, fields in rest] for i, name in enumerate(names)}
    return Columns(path, tuple(names), cells, tuple(f"line {number}" for number, _ in rest))


def _parquet(path: Path) -> Columns:
    try:
        # One file, read as it stands: no columns are made of the names of folders.
        names, values = parquetsource.columns(path, "source")
    except ValueError as error:
        raise BadInput(f"{path}: is damaged or no Parquet file ({error})") from None
    cells = dict(zip(names, values, strict=True))
    rows = range(max(map(len, values), default=0))
    found = Columns(path, tuple(names), cells, tuple(f"row {i + 1}" for i in rows))
    for name, values in cells.items():
        for i, value in enumerate(values):
            if not (value is None or isinstance(value, str | int | float | bool)):
                raise found.wrong(i, name, "a number or a text")
    return found
