"""Digests of files, remembered between runs, so that gigabytes of weights are hashed once; it knows no stage.

A digest is remembered by the file's path, size, times, inode and device, in a file of its own under the cache folder.
What is written to a file changes its times (that of its inode too, which nobody can set back), so that a remembered
digest never stands for other bytes, with the exception that git calls racy: a file that is written twice within one
tick of its file system's clock. A file younger than two seconds is therefore hashed, and not remembered. A disk that
changes bytes by itself changes no time; whoever must find that asks for a digest not older than so many seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

DIGESTS = "digests"  # the folder of remembered digests
SMALL = 2**18  # bytes; hashing a smaller file takes no longer than reading what is remembered of it
RACY = 2 * 10**9  # nanoseconds; no file system counts time in coarser ticks


def default_root() -> Path:
    """$LAYERGRID_CACHE, else the folder where this system keeps a user's caches."""
    named = os.environ.get("LAYERGRID_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("layergrid", appauthor=False)


def file_digest(path: Path, *, memos: Path | None = None, within: float = math.inf) -> str:
    """The sha256 of a file's bytes in hexadecimal digits, remembered where the file is large and not just written.

    `memos` is the folder of remembered digests, by default that of the cache; where it cannot be read or written, or
    holds nonsense, the file is hashed. `within` are the seconds for which a remembered digest is believed.

    Raises:
        OSError: the file cannot be read.
    """
    now = time.time_ns()
    with path.open("rb") as stream:
        before = os.fstat(stream.fileno())
        if before.st_size < SMALL:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        memo, mark = _place(path, memos), _mark(path, before)
        known = _remembered(memo, mark, now, within)
        if known is not None:
            return known
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        after = os.fstat(stream.fileno())
    if _mark(path, after) == mark and now - max(before.st_mtime_ns, before.st_ctime_ns) >= RACY:
        with contextlib.suppress(OSError):
            _remember(memo, {"of": mark, "at": now, "sha256": digest})
    return digest


def forgettable(memo: Path) -> bool:
    """Whether a remembered digest is of no use any more: damaged, or its file is gone or was changed."""
    content = _read(memo)
    if content is None:
        return True
    path = Path(str(content["of"][0]))
    try:
        return bool(_mark(path, path.stat()) != content["of"])
    except (OSError, ValueError):
        return True


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file so that other processes see the old one or the new one, whole; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with open(handle, "wb") as stream:  # noqa: PTH123 - a descriptor, which Path cannot open
            stream.write(content)
        os.replace(temporary, path)  # noqa: PTH105 - mkstemp gives a str
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - mkstemp gives a str
        raise


def _place(path: Path, memos: Path | None) -> Path:
    folder = default_root() / DIGESTS if memos is None else memos
    return folder / hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:40]


def _mark(path: Path, found: os.stat_result) -> list[str | int]:
    """What tells a file from what it was before; JSON values."""
    times = found.st_mtime_ns, found.st_ctime_ns
    return [str(path.absolute()), found.st_size, *times, found.st_ino, found.st_dev]


def _remembered(memo: Path, mark: list[str | int], now: int, within: float) -> str | None:
    content = _read(memo)
    if content is None or content["of"] != mark or not 0 <= now - content["at"] <= within * 1e9:
        return None
    return str(content["sha256"])


def _remember(memo: Path, content: dict[str, Any]) -> None:
    line = json.dumps(content).encode("ascii")
    replace_file(memo, hashlib.sha256(line).hexdigest().encode("ascii") + b" " + line)


def _read(memo: Path) -> dict[str, Any] | None:
    """What a memo says, or None where it is not there or not what was written."""
    try:
        check, _, line = memo.read_bytes().partition(b" ")
    except OSError:
        return None
    if hashlib.sha256(line).hexdigest().encode("ascii") != check:
        return None
    content: dict[str, Any] = json.loads(line)
    return content
