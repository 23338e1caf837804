"""Entries of the store: a folder each, whole or not there, under the digest of what it depends on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, cast

from layergrid.kinds import BuildError

FORMAT = 1  # of the folder, of entry.json and of the files that `save` writes
ENTRY = "entry.json"
SHARDS = "shards"  # the folder of parts within an entry that is being made

T = TypeVar("T")

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, *_NO_SPACE}


@dataclass(frozen=True)
class Key:
    """What a stage's result depends on, and the digest of it."""

    stage: str  # "capture"
    digest: str  # sha256, hexadecimal
    parts: Mapping[str, Any]  # JSON values; kept in the entry, so that a miss can be explained

    @classmethod
    def of(cls, stage: str, version: int, parts: Mapping[str, Any], libraries: Sequence[str] = ()) -> Key:
        """The key of a stage: its version, its parameters, its input keys, and the libraries that decide its numbers.

        `parts` holds JSON values, tuples and other keys; anything else is a TypeError.
        """
        whole = {
            "format": FORMAT,
            "stage": stage,
            "version": version,
            "parts": _plain(parts),
            "libraries": {name: _version(name) for name in libraries},
        }
        canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
        return cls(stage, hashlib.sha256(canonical.encode("ascii")).hexdigest(), whole)


def _plain(value: Any) -> Any:
    if isinstance(value, Key):
        return value.digest
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


class Store:
    """A folder of entries that several processes may share.

    Where it cannot be written, entries that are there are still read, and new ones live in a temporary folder as long
    as this object does.
    """

    def __init__(self, root: Path | None = None, *, warn: Callable[[str], None] = lambda *_: None) -> None:
        """`root` None means $LAYERGRID_CACHE, else the user's cache folder; `warn` is told what a user should know."""
        self.root = (root or default_root()) / f"v{FORMAT}"
        self._warn = warn
        self._refuge: Path | None = None
        self._trusted: set[Path] = set()  # folders whose bytes were compared
        self._told: set[Path] = set()  # folders whose damage was told

    def has(self, key: Key) -> bool:
        """Whether an entry is there, by its list of files and their sizes; their bytes are not read."""
        return any(_listed(folder) is not None for folder in self._folders(key))

    def get(self, key: Key) -> Path | None:
        """The folder of an entry whose every byte is as it was written, or None; damage is told.

        The bytes are compared once in the life of this object.
        """
        for folder in self._folders(key):
            if folder in self._trusted:
                return folder
            if not os.path.exists(folder):  # noqa: PTH110 - Path.exists raises where a parent may not be entered
                continue
            damage = _damage(folder)
            if damage is None:
                self._trusted.add(folder)
                return folder
            if folder not in self._told:
                self._told.add(folder)
                self._warn(f"the stored result of {key.stage} is damaged ({damage}: {folder}); it is made again")
        return None

    def build(self, key: Key, make: Callable[[Path], None], *, resumes: bool = False) -> Path:
        """The folder of an entry; where there is none, `make` writes its files into the folder that it is given.

        The folder is empty; where `resumes`, it may hold what a build that was ended left there, and it stays when this
        one fails: `make` keeps parts of its result in `Shards(folder)`, which are gone when the entry is whole.
        Of two processes that want the same entry, one makes it and the other waits.

        Raises:
            BuildError: the disk is full.
        """
        found = self.get(key)
        if found is not None:
            return found
        base = self._writable()
        with self._locked(key, base):
            # Another process may have made it meanwhile.
            return self.get(key) or self._make(key, make, base, resumes)

    def result(self, key: Key, make: Callable[[Path], None], read: Callable[[Path], T]) -> T:
        """What `read` makes of the entry's folder, after `make` has filled it if need be."""
        return read(self.build(key, make))

    def check(self) -> Path:
        """The folder that keeps results, after a trial; raises BuildError where it cannot be written."""
        try:
            _prepare(self.root)
        except OSError as error:
            raise BuildError(f"{self.root.parent} cannot be written ({os.strerror(error.errno or 0)})") from error
        return self.root.parent

    def _folders(self, key: Key) -> list[Path]:
        return [base / key.stage / key.digest for base in (self.root, self._refuge) if base is not None]

    def _make(self, key: Key, make: Callable[[Path], None], base: Path, resumes: bool) -> Path:
        name = f"{key.stage}-{key.digest[:20]}"
        work, final = base / "unfinished" / name, base / key.stage / key.digest
        aside = work.with_name(f"{name}-damaged")
        shutil.rmtree(aside, ignore_errors=True)
        if not resumes:  # what a killed build left: the lock is ours
            shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir(mode=0o700, exist_ok=True)
            try:
                make(work)
                shutil.rmtree(work / SHARDS, ignore_errors=True)
                _seal(work, key)
                final.parent.mkdir(parents=True, exist_ok=True)
                if final.exists():  # damaged: out of the way first, so that it is never half there
                    final.rename(aside)
                work.rename(final)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
                if not resumes:
                    shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise BuildError(
                    f"no space is left for the result of {key.stage} in {base}; make room, or set LAYERGRID_CACHE to "
                    "a folder on another disk"
                ) from error
            raise
        self._trusted.add(final)
        return final

    def _writable(self) -> Path:
        """The folder to build in: the root, or a temporary one where the root cannot be written."""
        if self._refuge is not None:
            return self._refuge
        try:
            _prepare(self.root)
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            self._refuge = Path(tempfile.mkdtemp(prefix="layergrid-"))
            weakref.finalize(self, shutil.rmtree, self._refuge, ignore_errors=True)
            self._warn(
                f"the cache {self.root.parent} cannot be written ({os.strerror(error.errno or 0)}); what this build "
                "makes is kept only while it runs. Set LAYERGRID_CACHE to a folder that can be written"
            )
            _prepare(self._refuge)
            return self._refuge
        return self.root

    @contextmanager
    def _locked(self, key: Key, base: Path) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(base / "locks" / f"{key.stage}-{key.digest[:20]}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._warn(f"another build is making the same result of {key.stage}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def default_root() -> Path:
    """$LAYERGRID_CACHE, else the folder where this system keeps a user's caches."""
    named = os.environ.get("LAYERGRID_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("layergrid", appauthor=False)


def _prepare(base: Path) -> None:
    for name in ("locks", "unfinished"):
        (base / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=base / name):
            pass  # only to learn whether files can be made here


# ---------------------------------------------------------------- entries


def _seal(folder: Path, key: Key) -> None:
    """Writes the entry's list of files: the last file of an entry."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    listed = {file.relative_to(folder).as_posix(): [file.stat().st_size, _sha256(file)] for file in files}
    entry = {"key": key.digest, "whole": key.parts, "files": listed}
    (folder / ENTRY).write_text(json.dumps(entry, indent=1, sort_keys=True), encoding="ascii")


def _listed(folder: Path) -> dict[str, list[Any]] | None:
    """The entry's list of files where all of them are there with their sizes, else None."""
    try:
        entry = json.loads((folder / ENTRY).read_text(encoding="ascii"))
        if entry["key"] != folder.name:
            return None
        files = cast("dict[str, list[Any]]", entry["files"])
        sizes = {name: (folder / name).stat().st_size for name in files}
        return files if all(sizes[name] == size for name, (size, _) in files.items()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _damage(folder: Path) -> str | None:
    """What is wrong with an entry, or None."""
    files = _listed(folder)
    if files is None:
        return "a file is missing or cut short"
    try:
        wrong = [name for name, (_, digest) in files.items() if _sha256(folder / name) != digest]
    except OSError as error:
        return str(error.strerror)
    return f"{wrong[0]} has changed" if wrong else None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
