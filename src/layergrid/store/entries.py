"""Entries of the store: a folder each, whole or not there, under the digest of what it depends on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from layergrid.fingerprints import DIGESTS, default_root
from layergrid.kinds import BuildError
from layergrid.store import memory, sharing
from layergrid.store.keys import FORMAT, Key
from layergrid.store.locks import Uses, alone
from layergrid.store.sealed import ENTRY, SHARDS, Damage, check_bytes, check_sizes, listed, seal

T = TypeVar("T")
State = Literal["kept", "absent", "damaged"]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The kernel says "no such file" of folders that it makes itself, such as those below /proc.
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, *_NO_SPACE}


@dataclass(frozen=True)
class Entry:
    """One stored result, by its list of files; their bytes are not read."""

    stage: str
    digest: str  # of its key
    folder: Path
    bytes: int
    used: float  # when it was last used, in seconds since 1970
    seconds: float  # that the stage took; 0: not known
    amount: int  # of the stage's work; 0: not known
    whole: Mapping[str, Any]  # the key's parts


class Store:
    """A folder of entries that several processes may share.

    Where it cannot be written, entries that are there are still read, and new ones live in a temporary folder as long
    as this object does.
    """

    def __init__(
        self, root: Path | None = None, *, warn: Callable[[str], None] = lambda *_: None, shared: Path | None = None
    ) -> None:
        """`root` None means $LAYERGRID_CACHE, else the user's cache folder; `warn` is told what a user should know.

        `shared` is a folder that others push results to, by default $LAYERGRID_SHARED_CACHE; what is not in this store
        is looked for there before it is made.
        """
        self.root = (root or default_root()) / f"v{FORMAT}"
        self._memos = self.root.parent / DIGESTS
        self._warn = warn
        self._refuge: Path | None = None
        self._shared = sharing.found(shared, self.root, warn)
        self._trusted: set[Path] = set()  # folders whose bytes were compared
        self._told: set[Path] = set()  # folders whose damage was told
        self._uses = Uses()

    def has(self, key: Key) -> bool:
        """Whether an entry is there, by its list of files and their sizes; their bytes are not read."""
        return self.state(key) == "kept"

    def state(self, key: Key) -> State:
        """Whether an entry is there, here or in the shared folder, by its list of files and their sizes."""
        there = [folder for folder in (*self._folders(key), *self._elsewhere(key)) if os.path.lexists(folder)]
        for folder in there:
            if sharing.is_whole(folder):
                return "kept"
        return "damaged" if there else "absent"

    def begun(self, key: Key) -> bool:
        """Whether a build that was ended left parts of an entry, which the next one goes on from."""
        bases = [base / "unfinished" for base in (self.root, self._refuge) if base is not None]
        places = (place for base in bases for place in (base / key.name / SHARDS, base / f"{key.name}-parts"))
        return any(True for place in places for _ in place.glob("*.npz"))

    def get(self, key: Key) -> Path | None:
        """The folder of an entry whose every byte is as it was written, or None; damage is told.

        The bytes are compared once in the life of this object. No one removes the entry as long as it lives.
        """
        for folder in self._folders(key):
            if folder in self._trusted:
                return folder
            if not os.path.lexists(folder):
                continue
            try:
                if self._checked(folder):
                    return folder
            except Damage as damage:
                self._uses.drop(folder / ENTRY)
                if folder not in self._told:
                    self._told.add(folder)
                    self._warn(f"the stored result of {key.stage} is damaged ({damage}: {folder}); it is made again")
        return None

    def build(self, key: Key, make: Callable[[Path], None], *, resumes: bool = False, amount: int = 0) -> Path:
        """The folder of an entry; where there is none, `make` writes its files into the folder that it is given.

        The folder is empty; where `resumes`, it may hold what a build that was ended left there, and it stays when this
        one fails: `make` keeps parts of its result in `Shards(folder)`, which are gone when the entry is whole.
        Of two processes that want the same entry, one makes it and the other waits. The seconds that `make` took are
        kept in the entry beside `amount`, how much work it was in the stage's own unit.

        Raises:
            BuildError: the disk is full, or it knows no locks.
        """
        found = self.get(key)
        if found is not None:
            return found
        base = self._writable()
        with _said(key, base), self._locked(key, base):
            # Another process may have made it meanwhile.
            return self.get(key) or self._pulled(key, base) or self._make(key, make, base, resumes, amount)

    def result(self, key: Key, make: Callable[[Path], None], read: Callable[[Path], T]) -> T:
        """What `read` makes of the entry's folder, after `make` has filled it if need be."""
        return read(self.build(key, make))

    def check(self) -> Path:
        """The folder that keeps results, after a trial; raises BuildError where it cannot be written."""
        try:
            _prepare(self.root)
            with alone(self.root / "locks" / "trial"):
                pass
        except OSError as error:
            raise BuildError(f"{self.root.parent} cannot be written ({os.strerror(error.errno or 0)})") from error
        return self.root.parent

    def entries(self) -> Iterator[Entry]:
        """Every entry that can be read, in order of stage and digest; those of the shared folder are not among them."""
        for folder in sorted(self.root.glob("*/" + "[0-9a-f]" * 64)):
            try:
                one, used = listed(folder), (folder / ENTRY).stat().st_mtime
            except (Damage, OSError):
                continue
            yield Entry(one.stage, one.digest, folder, one.bytes, used, one.seconds, one.amount, one.whole)

    def remember(self, name: str, keys: Mapping[str, Key]) -> None:
        """Keeps what a build of this name stood on, in place of what was kept; a cache that is read-only forgets it."""
        memory.remember(self.root, name, keys)

    def remembered(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """The parts of the keys that the last build of this name stood on, by label; empty where none is known."""
        return memory.remembered(self.root, name)

    def _folders(self, key: Key) -> list[Path]:
        return [base / key.stage / key.digest for base in (self.root, self._refuge) if base is not None]

    def _elsewhere(self, key: Key) -> list[Path]:
        return [] if self._shared is None else [self._shared / key.stage / key.digest]

    def _checked(self, folder: Path) -> bool:
        """Marks an entry as used, then compares all its bytes; False where it was removed meanwhile. Raises Damage."""
        marked = self._uses.mark(folder / ENTRY)
        if not marked and not os.path.lexists(folder):
            return False
        sealed = listed(folder)
        if not self._uses.mark(folder / ENTRY, sealed.bytes) or not marked:
            return False  # another has taken its place
        check_sizes(folder, sealed)
        check_bytes(folder, sealed, self._memos)
        self._trusted.add(folder)
        with contextlib.suppress(OSError):  # a cache that is read-only
            os.utime(folder / ENTRY)
        return True

    def _pulled(self, key: Key, base: Path) -> Path | None:
        """The entry, copied from the shared folder; None where it is not there or not as it was written."""
        for folder in self._elsewhere(key):
            if not os.path.lexists(folder):
                continue
            try:
                final = sharing.copied(folder, base)
                marked = self._uses.mark(final / ENTRY, listed(final).bytes)
            except Damage as damage:
                self._warn(f"the result of {key.stage} in the shared cache is damaged ({damage}: {folder}); it is made")
                continue
            if not marked:  # swept at once
                continue
            self._trusted.add(final)
            self._warn(f"the result of {key.stage} was taken from the shared cache")
            return final
        return None

    def _make(self, key: Key, make: Callable[[Path], None], base: Path, resumes: bool, amount: int) -> Path:
        work, final = base / "unfinished" / key.name, base / key.stage / key.digest
        parts = work.with_name(f"{key.name}-parts")
        if not resumes:  # what a killed build left: the lock is ours
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, exist_ok=True)
        if resumes:
            _moved(parts, work / SHARDS)
        shutil.rmtree(parts, ignore_errors=True)
        if self.begun(key):
            self._warn(f"{key.stage} goes on from what an earlier build had finished of it")
        try:
            started = time.monotonic()
            make(work)
            seconds = time.monotonic() - started
            size = seal(work, key, seconds, amount)
            self._uses.mark(work / ENTRY, size)
            _moved(work / SHARDS, parts)  # at the very last: a build that is killed before goes on from them
            sharing.put(work, final)
            self._uses.moved(work / ENTRY, final / ENTRY)
            shutil.rmtree(parts, ignore_errors=True)
        finally:
            if not resumes:
                shutil.rmtree(work, ignore_errors=True)
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
            self._refuge = self._temporary(error)
            _prepare(self._refuge)
            return self._refuge
        return self.root

    def _temporary(self, error: OSError) -> Path:
        why = f"the cache {self.root.parent} cannot be written ({os.strerror(error.errno or 0)})"
        instead = "Set LAYERGRID_CACHE to a folder that can be written"
        try:
            refuge = Path(tempfile.mkdtemp(prefix="layergrid-"))
        except OSError as other:
            raise BuildError(f"{why}, and there is no temporary folder either ({other.strerror}). {instead}") from other
        weakref.finalize(self, shutil.rmtree, refuge, ignore_errors=True)
        self._warn(f"{why}; what this build makes is kept only while it runs. {instead}")
        return refuge

    def _locked(self, key: Key, base: Path) -> AbstractContextManager[bool]:
        return alone(
            base / "locks" / key.name,
            lambda: self._warn(f"another build is making the same result of {key.stage}; waiting for it"),
        )


def _moved(old: Path, new: Path) -> None:
    """Renames a folder, if it is there and the other is not."""
    if old.exists() and not new.exists():
        old.rename(new)


def _prepare(base: Path) -> None:
    for name in ("locks", "unfinished"):
        (base / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=base / name):
            pass  # only to learn whether files can be made here


@contextlib.contextmanager
def _said(key: Key, base: Path) -> Iterator[None]:
    """A full disk as a sentence with what to do."""
    try:
        yield
    except OSError as error:
        if not _is_full(error):
            raise
        raise BuildError(
            f"no space is left for the result of {key.stage} in {base.parent} ({error.strerror or error}); make room, "
            "for instance with `layergrid cache gc`, or set LAYERGRID_CACHE to a folder on another disk"
        ) from error


def _is_full(error: OSError) -> bool:
    """Whether a disk is full, or a file grew larger than it may; NumPy says so without a number."""
    said = str(error)
    return error.errno in _NO_SPACE or (error.errno is None and "requested and" in said and "written" in said)
