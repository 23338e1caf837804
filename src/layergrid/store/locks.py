"""Who makes an entry and who uses it, told between processes by locks that end with their process; it knows no entry.

Whoever makes an entry holds a lock of its key alone. Whoever uses an entry shares a lock on its list of files until the
process ends, and whoever wants to remove it asks for that lock alone, without waiting.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from layergrid.kinds import BuildError

if TYPE_CHECKING:
    from filelock import BaseFileLock

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment] # mypy checks for a platform that has it

_LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO}

MOST = 128  # entries marked as used at once; each takes one of the files that a process may have open


@contextmanager
def alone(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Holds the lock; yields False at once where another holds it and `waiting` is None, else tells and waits.

    Raises:
        BuildError: the file system knows no locks, or the lock is another user's.
    """
    from filelock import FileLock

    lock = FileLock(path)
    got = _acquired(lock, path, waiting)
    try:
        yield got
    finally:
        if got:
            lock.release()


def _acquired(lock: BaseFileLock, path: Path, waiting: Callable[[], None] | None) -> bool:
    from filelock import Timeout

    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is None:
                return False
            waiting()
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        number = error.errno if isinstance(error, OSError) else errno.ENOSYS
        if number in (errno.EACCES, errno.EPERM):
            raise BuildError(
                f"{path} belongs to another user; set LAYERGRID_CACHE to a folder of your own, and share results with "
                "`layergrid cache push`"
            ) from error
        if number not in _LOCKLESS:
            raise
        raise BuildError(
            f"{path.parent} lies on a file system without locks ({os.strerror(number or 0)}); set LAYERGRID_CACHE to a "
            "folder on a disk of this machine"
        ) from error
    return True


class Uses:
    """The entries that this process uses; each is marked as long as this object lives."""

    def __init__(self) -> None:
        """Nothing is used yet."""
        self._held: dict[Path, tuple[int, int]] = {}  # list of an entry -> its open file, bytes of the entry
        weakref.finalize(self, _close, self._held)

    def mark(self, file: Path, size: int = 0) -> bool:
        """Marks an entry by its list, and whether it is there to be marked; `size` are the bytes of the entry.

        The mark goes with the file where its folder is renamed. Where the file system knows no such locks, nothing is
        marked. When many are marked, the smallest goes: it was read when it was asked for, while large entries stay
        mapped.
        """
        if fcntl is None:
            return True
        handle = self._held.pop(file, (None, 0))[0]
        if handle is None or not _same(handle, file):
            _close_one(handle)
            try:
                handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                return False
            try:
                fcntl.flock(handle, fcntl.LOCK_SH)  # waits for the blink in which somebody removes it
            except OSError:
                os.close(handle)
                return True
            if not _same(handle, file):
                os.close(handle)
                return False
        self._held[file] = handle, size
        if len(self._held) > MOST:
            self.drop(min(self._held, key=lambda one: self._held[one][1]))
        return True

    def moved(self, file: Path, to: Path) -> None:
        """The folder of a marked entry has another name."""
        self.drop(to)
        if file in self._held:
            self._held[to] = self._held.pop(file)

    def drop(self, file: Path) -> None:
        """An entry is not used any more."""
        _close_one(self._held.pop(file, (None, 0))[0])


@contextmanager
def unused(file: Path) -> Iterator[bool]:
    """Holds the list of an entry, so that nobody begins to use it; yields False where somebody does already.

    Raises:
        OSError: it may not be written, so that it may not be removed either.
        BuildError: the file system knows no locks, so that it cannot be told.
    """
    if fcntl is None:
        yield True
        return
    try:
        handle = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:  # what has no list cannot be used
        yield True
        return
    try:
        yield _taken(handle, file)
    finally:
        os.close(handle)


def _taken(handle: int, file: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise BuildError(
            f"{file.parent} lies on a file system without locks ({os.strerror(error.errno or 0)}), so that it cannot "
            "be told which results a build uses; remove the cache by hand when nothing runs"
        ) from error
    return _same(handle, file)


def _same(handle: int, file: Path) -> bool:
    """Whether the open file is still the one of that name."""
    mine = os.fstat(handle)
    try:
        there = os.lstat(file)
    except OSError:
        return False
    return stat.S_ISREG(mine.st_mode) and (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def _close(held: dict[Path, tuple[int, int]]) -> None:
    for handle, _ in held.values():
        _close_one(handle)
    held.clear()


def _close_one(handle: int | None) -> None:
    if handle is not None:
        with contextlib.suppress(OSError):
            os.close(handle)
