"""Reads Parquet files through Arrow, keeping numbers as numbers; it knows nothing of prompts."""

from __future__ import annotations

from typing import ClassVar, Literal

from layergrid import parquetsource
from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.cells import plain
from layergrid.loaders.files import locate
from layergrid.project import Project


class ParquetLoader(Loader):
    """Parquet.

    Text, numbers, booleans and nulls stay what they are; lists and structs become JSON text, dates ISO text.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    kind: Literal["parquet"] = "parquet"

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns in the order of the file; BadInput where it is not Parquet, or where a column holds bytes."""
        path = locate(project, self.address)
        try:
            names, values = parquetsource.columns(path, project.what or "data")
        except ValueError as error:  # text that is not UTF-8; times finer than Python's
            raise BadInput(f"{path}, {error}") from None
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise BadInput(f"{path}: two columns are named {twice!r}; rename one")
        return {
            name: [plain(str(path), name, row, value) for row, value in enumerate(held, start=1)]
            for name, held in zip(names, values, strict=True)
        }
