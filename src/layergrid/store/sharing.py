"""Whole entries from one store's folder to another's, such as a network mount; it knows neither stages nor builds.

An entry is copied under a name of its own, every byte is compared with the entry's list on its way, and the folder is
renamed when it is whole: whoever looks sees it whole or not at all, and of several who bring the same, one is enough.
The checksums guard against accidents. Whoever may write to a shared folder may also put a wrong result there under a
right checksum: share a folder only with those whose results you would believe.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from layergrid.kinds import BadInput, BuildError
from layergrid.store.locks import Uses, alone
from layergrid.store.sealed import ENTRY, Damage, Sealed, check_sizes, listed

_STANDS = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}
_PIECE = 2**20  # bytes that are copied at once
_LEFT = 2 * 86400  # seconds after which a copy that is not whole is no longer being made


def found(given: Path | None, own: Path, warn: Callable[[str], None]) -> Path | None:
    """The shared folder to read from: what is given, else $LAYERGRID_SHARED_CACHE; one that is not there is told."""
    named = given or os.environ.get("LAYERGRID_SHARED_CACHE")
    if not named:
        return None
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        warn(f"the shared cache {folder} is not there; this build goes on without it")
        return None
    shared = folder / own.name
    return None if os.path.realpath(shared) == os.path.realpath(own) else shared


def copied(source: Path, base: Path, mode: int = 0o700, *, yields: bool = False) -> Path:
    """Copies an entry to the store at `base`, with folders of this mode; its folder there. `yields`: see `put`.

    Raises:
        Damage: it is not as it was written.
        OSError: it cannot be written.
    """
    sealed = listed(source)
    check_sizes(source, sealed)
    final = base / sealed.stage / sealed.digest
    work = base / "unfinished" / f"{sealed.key.name}-{secrets.token_hex(4)}"
    try:
        _make_folders(work, mode)
        for name, (size, digest) in sealed.files.items():
            _make_folders((work / name).parent, mode)
            _copy(source / name, work / name, size, digest, mode & 0o666)
        (work / ENTRY).write_bytes(sealed.raw)
        _set_mode(work / ENTRY, mode & 0o666)
        _make_folders(final.parent, mode)
        put(work, final, yields=yields)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def put(work: Path, final: Path, *, yields: bool = False) -> bool:
    """Renames a whole entry to its place, and whether it went there.

    What stands there makes room; where this one `yields`, only if it is damaged, as far as sizes tell.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            work.rename(final)
        except OSError as error:
            if error.errno not in _STANDS:
                raise
        else:
            return True
        if yields and is_whole(final):
            return False
        aside = work.with_name(f"gone-{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError):  # another process made room first
            final.rename(aside)  # out of the way first, so that it is never half there
        shutil.rmtree(aside, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Whether an entry is there with all its files, by its list and their sizes."""
    try:
        check_sizes(folder, listed(folder))
    except Damage:
        return False
    return True


def _make_folders(folder: Path, mode: int) -> None:
    """Makes a folder and those above it; the new ones get the mode, whatever the umask says."""
    if folder.is_dir():
        return
    _make_folders(folder.parent, mode)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        _set_mode(folder, mode)


def _set_mode(path: Path, mode: int) -> None:
    with contextlib.suppress(PermissionError):  # mounts that know no modes
        path.chmod(mode)


def _copy(source: Path, target: Path, size: int, digest: str, mode: int) -> None:
    """Copies a file, no link, of exactly this size and sha256; raises Damage."""
    whole, left = hashlib.sha256(), size
    try:
        handle = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Damage(f"{source.name} cannot be read: {error.strerror}") from None
    with open(handle, "rb") as stream, target.open("xb") as copy:  # noqa: PTH123 - a descriptor
        while left > 0:
            piece = _piece(stream, min(left, _PIECE))
            whole.update(piece)
            copy.write(piece)
            left -= len(piece)
    if whole.hexdigest() != digest:
        raise Damage(f"{source.name} has changed")
    _set_mode(target, mode)


def _piece(stream: BinaryIO, size: int) -> bytes:
    try:
        piece = stream.read(size)
    except OSError as error:  # of the source: that of the target is not blamed on it
        raise Damage(f"{stream.name} cannot be read: {error.strerror}") from None
    if not piece:
        raise Damage(f"{stream.name} is cut short")
    return piece


# ---------------------------------------------------------------- many entries


@dataclass(frozen=True)
class Moved:
    """What came of copying entries."""

    copied: int
    bytes: int  # of those
    there: int  # were there already
    damaged: tuple[str, ...]  # were not copied: where, and why


def push(root: Path, folder: Path, wanted: Callable[[Sealed], bool]) -> Moved:
    """Copies entries of a store to a shared folder, which gives its mode to what is made in it.

    Raises:
        BadInput: there is no such folder, or it is the store itself.
        BuildError: it cannot be written.
    """
    base, uses = _base(root, folder), Uses()
    mode = stat.S_IMODE(folder.stat().st_mode)

    def bring(source: Path, sealed: Sealed) -> None:
        if not uses.mark(source / ENTRY, sealed.bytes):
            raise Damage("it was removed meanwhile")
        copied(source, base, mode, yields=True)

    try:
        _clear(base)
        return _moved(root, base, wanted, bring)
    except OSError as error:
        raise BuildError(
            f"the shared folder {folder} cannot be written ({os.strerror(error.errno or 0)}); what is in it can still "
            "be pulled, and nothing half-copied stays in it"
        ) from error


def pull(root: Path, folder: Path, wanted: Callable[[Sealed], bool]) -> Moved:
    """Copies entries of a shared folder to a store.

    Raises:
        BadInput: there is no such folder, or it is the store itself.
        BuildError: the store cannot be written.
    """
    base = _base(root, folder)

    def bring(source: Path, sealed: Sealed) -> None:
        with alone(root / "locks" / sealed.key.name, lambda: None):
            if not is_whole(root / sealed.stage / sealed.digest):
                copied(source, root)

    try:
        for name in ("locks", "unfinished"):
            (root / name).mkdir(parents=True, exist_ok=True)
        return _moved(base, root, wanted, bring)
    except OSError as error:
        raise BuildError(
            f"the cache {root.parent} cannot be written ({os.strerror(error.errno or 0)}); set LAYERGRID_CACHE to a "
            "folder that can be, on a disk with room"
        ) from error


def _moved(
    source: Path, target: Path, wanted: Callable[[Sealed], bool], bring: Callable[[Path, Sealed], None]
) -> Moved:
    done, size, there, damaged = 0, 0, 0, []
    for folder in sorted(source.glob("*/" + "[0-9a-f]" * 64)):
        try:
            sealed = listed(folder)
            if not wanted(sealed):
                continue
            if is_whole(target / sealed.stage / sealed.digest):
                there += 1
                continue
            bring(folder, sealed)
        except Damage as damage:
            damaged.append(f"{folder}: {damage}")
            continue
        done, size = done + 1, size + sealed.bytes
    return Moved(done, size, there, tuple(damaged))


def _base(root: Path, folder: Path) -> Path:
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder; make it, or mount it, first")
    base = folder / root.name
    if os.path.realpath(base) == os.path.realpath(root):
        raise BadInput(f"{folder}: is the cache itself; name another folder")
    return base


def _clear(base: Path) -> None:
    """Removes what pushes that were killed days ago left in a shared folder."""
    for folder in (base / "unfinished").glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.lstat().st_mtime > _LEFT:
                shutil.rmtree(folder, ignore_errors=True)
