"""Reads a copy of a data set of the hub that lies in a folder; it asks no network and runs no code of the data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from layergrid import parquetsource
from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders import layout
from layergrid.loaders.cells import check_media, check_skipped, of_batches, one_split, plain
from layergrid.loaders.csv import CsvLoader
from layergrid.loaders.files import read_text
from layergrid.loaders.jsonl import JsonlLoader, columns_of
from layergrid.project import Project, opened

MOST_STATE = 2**24  # bytes of a file that describes a saved data set
Columns = dict[str, list[Scalar]]


class FolderLoader(Loader):
    """A folder: what `save_to_disk` of the library `datasets` wrote, or files as a repository of the hub has them.

    Those are Parquet, CSV or JSON files, of one kind a split, in the order of their names; the head of README.md or the
    names of files say which split they are of. Lists and structs become JSON text.
    """

    schemes: ClassVar[tuple[str, ...]] = ("folder",)
    kind: Literal["folder"] = "folder"
    config: str = Field("", description="The configuration, where the folder has several.")
    split: str = Field("", description="The split to read; may be left out where there is one.")
    skip: tuple[str, ...] = Field((), description="Columns to leave out, such as those that hold images.")

    def read(self, project: Project) -> Columns:
        """Columns in the order of the first file; BadInput names the file, the splits or the column at fault."""
        folder = project.path(self.address)
        if not folder.is_dir():
            what = "is a file; name it by its suffix, without folder:" if folder.exists() else "there is no such folder"
            raise BadInput(f"{folder}: {what}; relative paths start at {project.folder}")
        if (folder / "dataset_dict.json").is_file():
            there = [str(one) for one in _told(project, folder / "dataset_dict.json").get("splits", [])]
            folder = project.inside(folder / one_split(str(folder), there, self.split))
        if (folder / "state.json").is_file():
            return self._saved(project, folder)
        files = layout.splits(folder, self.config)
        return self._files(project, files[one_split(str(folder), list(files), self.split)])

    def _saved(self, project: Project, folder: Path) -> Columns:
        """What `save_to_disk` wrote: Arrow streams, in the order that state.json names."""
        import pyarrow

        state, info = _told(project, folder / "state.json"), _told(project, folder / "dataset_info.json")
        files = [str(one.get("filename", "")) for one in state.get("_data_files") or [] if isinstance(one, Mapping)]
        features = info.get("features")
        found: Columns = {}
        for name in files:
            path = project.inside(folder / name)
            try:
                with opened(path, parquetsource.MOST_BYTES, "data") as stream:
                    reader = pyarrow.ipc.open_stream(stream)
                    check_media(str(path), reader.schema, features if isinstance(features, Mapping) else {}, self.skip)
                    check_skipped(str(path), reader.schema.names, self.skip)
                    names = [one for one in reader.schema.names if one not in self.skip]
                    piece = of_batches(str(path), names, reader, parquetsource.MOST_CELLS)
            except FileNotFoundError:
                raise BadInput(f"{path}: is named by state.json and not there; copy the folder again") from None
            except (pyarrow.ArrowException, OSError) as error:
                raise BadInput(f"{path}: cannot be read as Arrow ({error})") from None
            found = _joined(path, found, piece)
        return found

    def _files(self, project: Project, files: list[Path]) -> Columns:
        kinds = sorted({one.suffix.lower() for one in files})
        if len(kinds) > 1 and set(kinds) not in ({".jsonl", ".ndjson"}, {".json", ".jsonl"}):
            raise BadInput(
                f"{files[0].parent}: the split has files of several kinds ({', '.join(kinds)}), which may hold the "
                "same rows; keep one kind"
            )
        found: Columns = {}
        for one in files:
            piece = self._file(project, one)
            check_skipped(str(one), list(piece), self.skip)
            found = _joined(one, found, {name: values for name, values in piece.items() if name not in self.skip})
        return found

    def _file(self, project: Project, path: Path) -> Columns:
        project.inside(path)
        suffix = path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            return CsvLoader(address=str(path)).read(project)
        if suffix == ".parquet":
            return self._parquet(path)
        return _json(project, path)

    def _parquet(self, path: Path) -> Columns:
        schema = parquetsource.schema(path)
        check_media(str(path), schema, _features(schema), self.skip)
        try:
            names, values = parquetsource.columns(path, "data", without=self.skip)
        except ValueError as error:  # text that is not UTF-8; times finer than Python's
            raise BadInput(f"{path}, {error}") from None
        held: Columns = {name: [] for name in schema.names}
        for name, many in zip(names, values, strict=True):
            held[name] = [plain(str(path), name, row, value) for row, value in enumerate(many, start=1)]
        return held


def _features(schema: Any) -> Mapping[str, Any]:
    """What the library `datasets` noted of the columns in a Parquet file; empty where it wrote none."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = said["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, Mapping) else {}


def _json(project: Project, path: Path) -> Columns:
    """JSON Lines, or one list of objects, which may stand under the key `data`."""
    text = read_text(path)
    try:
        whole = json.loads(text) if text.lstrip()[:1] in "[{" and path.suffix.lower() == ".json" else None
    except (ValueError, RecursionError):
        whole = None
    rows = whole.get("data") if isinstance(whole, dict) else whole
    if isinstance(rows, list) and all(isinstance(one, dict) for one in rows):
        return columns_of(rows)
    return JsonlLoader(address=str(path)).read(project)


def _joined(path: Path, found: Columns, piece: Columns) -> Columns:
    """The rows of one file after those of others."""
    if found and set(found) != set(piece):
        lost = sorted(set(found) ^ set(piece))
        raise BadInput(f"{path}: column {lost[0]!r} is not in all files of the split; the files do not belong together")
    return {name: [*found.get(name, []), *values] for name, values in piece.items()}


def _told(project: Project, path: Path) -> Mapping[str, Any]:
    """The object in a JSON file of a saved data set."""
    path = project.inside(path)
    try:
        with opened(path, MOST_STATE, "data") as stream:
            found = json.loads(stream.read())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise BadInput(f"{path}: is no JSON object; `save_to_disk` writes this file: copy the folder again")
    return found
