"""The list that makes a folder an entry: its key, and size and checksum of every file; it knows no store.

A folder may come from elsewhere, so nothing in it is believed: the list is read only where it is a plain file of modest
size, its names stay below the folder, no link is followed, and a file that is not in the list makes the entry damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from layergrid.fingerprints import file_digest
from layergrid.store.keys import Key, digest_of

ENTRY = "entry.json"
SHARDS = "shards"  # the folder of parts within an entry that is being made
BELIEVED = 3600.0  # seconds for which a comparison of a large file's bytes is not repeated
LONGEST = 2**25  # bytes of a list; more is no list

_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAGE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


class Damage(Exception):
    """Why a folder is not the entry that was written; the message is a clause such as "a.npy is missing"."""


@dataclass(frozen=True)
class Sealed:
    """What an entry's list says."""

    stage: str
    digest: str  # of the key
    whole: Mapping[str, Any]  # the key's parts
    files: Mapping[str, tuple[int, str]]  # name -> bytes, sha256
    seconds: float  # that the stage took, without what an earlier build had done of it; 0: not known
    amount: int  # of the stage's work, in its own unit; 0: not known
    raw: bytes  # the file itself

    @property
    def key(self) -> Key:
        """The key that it was made for."""
        return Key(self.stage, self.digest, self.whole)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return len(self.raw) + sum(size for size, _ in self.files.values())


def seal(folder: Path, key: Key, seconds: float, amount: int) -> int:
    """Writes the list of a folder's files, the last file of an entry; the bytes of them all.

    Its parts are not in it, nor is a list that a build which was killed here left.
    """
    apart = (folder / ENTRY, folder / SHARDS)
    files = sorted(f for f in folder.rglob("*") if f.is_file() and not any(f.is_relative_to(one) for one in apart))
    lines = {file.relative_to(folder).as_posix(): (file.stat().st_size, _sha256(file)) for file in files}
    made = {"seconds": round(seconds, 3), "amount": amount}
    entry = {"key": key.digest, "whole": key.parts, "files": lines, "made": made}
    (folder / ENTRY).write_text(json.dumps(entry, indent=1, sort_keys=True), encoding="ascii")
    return sum(size for size, _ in lines.values())


def listed(folder: Path) -> Sealed:
    """The list of an entry, found at STAGE/DIGEST; no other file is looked at. Raises Damage."""
    raw = _read(folder / ENTRY)
    try:
        entry = json.loads(raw.decode("ascii"))
        whole, made = entry["whole"], entry.get("made", {})
        files = {name: (size, digest) for name, (size, digest) in entry["files"].items()}
        seconds, amount = float(made.get("seconds", 0)), int(made.get("amount", 0))
        right = digest_of(whole) == entry["key"] == folder.name and whole["stage"] == folder.parent.name
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise Damage(f"{ENTRY} is not as it was written") from None
    if not right or not _STAGE.fullmatch(whole["stage"]):
        raise Damage(f"{ENTRY} belongs to another result")
    for name, (size, digest) in files.items():
        _check_line(name, size, digest)
    return Sealed(whole["stage"], entry["key"], whole, files, seconds, amount, raw)


def check_sizes(folder: Path, sealed: Sealed) -> None:
    """Raises Damage where the folder holds other files than the list, links, or files of another size."""
    found = dict(_walk(folder))
    found.pop(ENTRY, None)
    for name, (size, _) in sealed.files.items():
        if name not in found:
            raise Damage(f"{name} is missing")
        if found[name] != size:
            raise Damage(f"{name} is {'cut short' if found[name] < size else 'longer than it was'}")
    for name in found:
        if name not in sealed.files:
            raise Damage(f"{name} does not belong to it")


def check_bytes(folder: Path, sealed: Sealed, memos: Path) -> None:
    """Raises Damage where a file's bytes are not those that were written."""
    for name, (_, digest) in sealed.files.items():
        try:
            found = file_digest(folder / name, memos=memos, within=BELIEVED)
        except OSError as error:
            raise Damage(f"{name} cannot be read: {os.strerror(error.errno or 0)}") from None
        if found != digest:
            raise Damage(f"{name} has changed")


def plain_bytes(folder: Path) -> int:
    """The size of all files below a folder; what vanishes meanwhile counts nothing, links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - os.walk gives str
            except OSError:
                continue
    return total


def _sha256(file: Path) -> str:
    """Of the bytes as they are now: what a file was under this name before is not asked."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(file: Path) -> bytes:
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as stream:  # noqa: PTH123 - a descriptor, which Path cannot open
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Damage(f"{ENTRY} is no file")
            raw = stream.read(LONGEST + 1)
    except FileNotFoundError:
        raise Damage(f"{ENTRY} is missing") from None
    except OSError as error:
        raise Damage(f"{ENTRY} cannot be read: {os.strerror(error.errno or 0)}") from None
    if len(raw) > LONGEST:
        raise Damage(f"{ENTRY} is too long")
    return raw


def _check_line(name: str, size: Any, digest: Any) -> None:
    """Raises Damage where a line of the list is none, or its name could lead out of the folder."""
    path = PurePosixPath(name)
    inside = path.as_posix() == name and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    if not inside or name in (".", ENTRY) or (os.name == "nt" and re.search(r"[\\:]", name)):
        raise Damage(f"{ENTRY} names a file that may not be there")
    if type(size) is not int or size < 0 or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Damage(f"{ENTRY} is not as it was written")


def _walk(folder: Path, above: str = "") -> Iterator[tuple[str, int]]:
    """Name and size of every file; hidden ones, which no stage writes, are left out. Raises Damage at a link."""
    try:
        with os.scandir(folder) as found:
            for one in sorted(found, key=lambda one: one.name):
                name = above + one.name
                if one.is_dir(follow_symlinks=False):
                    yield from _walk(Path(one.path), f"{name}/")
                elif one.is_file(follow_symlinks=False):
                    if not one.name.startswith("."):
                        yield name, one.stat(follow_symlinks=False).st_size
                else:
                    raise Damage(f"{name} is a link or no file")
    except OSError as error:
        raise Damage(f"{above or 'its folder'} cannot be read: {os.strerror(error.errno or 0)}") from None
