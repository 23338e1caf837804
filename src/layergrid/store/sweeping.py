"""What lies in a store's folder, and how it is made smaller: what was used last stays longest; it knows no stage.

Nothing that a running build makes or uses is touched: it holds locks, which end with it. An entry is renamed first and
removed then, so that no one sees half of it. The folders of stages stay: a build may be about to put something there.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layergrid.fingerprints import DIGESTS, forgettable
from layergrid.kinds import BuildError
from layergrid.store.locks import alone, unused
from layergrid.store.sealed import ENTRY, Damage, Sealed, check_sizes, listed, plain_bytes

LEFT = 7 * 86400  # seconds after which what a killed build left is not taken up any more
_DAY = 86400
_OF_KEY = re.compile(r"(.+-[0-9a-f]{20})(-.*)?")  # folders that are made, and their locks


@dataclass(frozen=True)
class Piece:
    """A folder of the store."""

    kind: Literal["entry", "unfinished", "damaged"]
    stage: str  # of an unfinished one what its name begins with
    folder: Path
    bytes: int
    used: float  # seconds since 1970
    sealed: Sealed | None = None  # the list of an entry


@dataclass(frozen=True)
class Swept:
    """What was removed, or would be."""

    gone: tuple[tuple[Piece, str], ...]  # with the reason
    busy: tuple[Piece, ...]  # would be removed, but a build makes or uses it
    left: int  # bytes that stay
    litter: int  # small files that nobody needs: locks, remembered digests, parts of a write


def pieces(root: Path) -> Iterator[Piece]:
    """Everything in the store's folder that takes room, in order of its path."""
    for folder in sorted(root.glob("*/" + "[0-9a-f]" * 64)):
        try:
            sealed, used = listed(folder), (folder / ENTRY).stat().st_mtime
            check_sizes(folder, sealed)
            yield Piece("entry", sealed.stage, folder, sealed.bytes, used, sealed)
        except (Damage, OSError):
            yield Piece("damaged", folder.parent.name, folder, plain_bytes(folder), _newest(folder))
    for folder in sorted((root / "unfinished").glob("*")):
        yield Piece("unfinished", _stage(folder.name), folder, plain_bytes(folder), _newest(folder))


def chosen(found: Sequence[Piece], older_than: float | None, keep: int | None, now: float) -> list[tuple[Piece, str]]:
    """The pieces to remove, each with the reason: the damaged, the old, then what was not used for longest.

    `older_than` are the seconds since the last use after which a piece goes, `keep` the bytes that may stay; None: any.
    """
    gone: dict[Path, tuple[Piece, str]] = {}
    for one in found:
        age = now - one.used
        if one.kind == "damaged" or one.stage == "gone":
            gone[one.folder] = one, "damaged" if one.kind == "damaged" else "a rest"
        elif older_than is not None and age > older_than:
            gone[one.folder] = one, "not used for longer"
        elif one.kind == "unfinished" and age > LEFT:
            gone[one.folder] = one, "left by a build that ended long ago"
    left = sum(one.bytes for one in found if one.folder not in gone)
    for one in sorted(found, key=lambda one: (one.used, one.folder)):
        if keep is None or left <= keep:
            break
        if one.folder not in gone:
            gone[one.folder] = one, "more than is to be kept"
            left -= one.bytes
    return list(gone.values())


def sweep(root: Path, older_than: float | None, keep: int | None, *, dry: bool = False) -> Swept:
    """Removes what `chosen` says and what nobody needs, but nothing that a build makes or uses; `dry`: only tells.

    Raises:
        BuildError: the folder cannot be written, or its file system knows no locks.
    """
    found, gone, busy = list(pieces(root)), [], []
    for one, why in chosen(found, older_than, keep, time.time()):
        try:
            removed = _removed(root, one, dry)
        except FileNotFoundError:  # another process was faster
            continue
        except OSError as error:
            raise BuildError(
                f"{one.folder} cannot be removed ({os.strerror(error.errno or 0)}); run this as the user who owns "
                f"{root.parent}"
            ) from error
        if removed:
            gone.append((one, why))
        else:
            busy.append(one)
    left = sum(one.bytes for one in found) - sum(one.bytes for one, _ in gone)
    return Swept(tuple(gone), tuple(busy), left, _litter(root, dry))


def _removed(root: Path, one: Piece, dry: bool) -> bool:
    """Removes a folder unless a process holds it; whether it is, or would be, gone."""
    name = f"{one.stage}-{one.folder.name[:20]}" if one.kind != "unfinished" else one.folder.name
    match = _OF_KEY.fullmatch(name)
    with contextlib.ExitStack() as held:
        if one.kind == "entry":
            free = held.enter_context(unused(one.folder / ENTRY))
        elif match is not None and (root / "locks" / match[1]).exists():  # without a lock no process of today made it
            free = held.enter_context(alone(root / "locks" / match[1]))
        else:
            free = True
        if dry or not free:
            return free
        aside = root / "unfinished" / f"gone-{secrets.token_hex(8)}"
        aside.parent.mkdir(exist_ok=True)
        one.folder.rename(aside)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink()
    return True


def _litter(root: Path, dry: bool) -> int:
    """Removes small files that nobody needs, and counts them."""
    made = {f"{one.parent.name}-{one.name[:20]}" for one in root.glob("*/" + "[0-9a-f]" * 64)}
    made |= {one.name for one in (root / "unfinished").glob("*")}
    count = 0
    for lock in sorted((root / "locks").glob("*")):
        if lock.name not in made and _older(lock, _DAY):
            with contextlib.suppress(OSError, BuildError), alone(lock) as free:
                count += free and _dropped(lock, dry)  # who waits for it meanwhile finds it gone, and makes it anew
    memos = root.parent / DIGESTS
    for file in sorted((*memos.glob("*"), *(root / "specs").glob(".*.part"))):
        part = file.name.startswith(".")
        if _older(file, _DAY) if part else forgettable(file):
            count += _dropped(file, dry)
    return count


def _dropped(file: Path, dry: bool) -> bool:
    """Removes a small file; whether it is, or would be, gone. One that may not be removed does no harm."""
    try:
        if not dry:
            file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _older(file: Path, seconds: float) -> bool:
    try:
        return time.time() - file.lstat().st_mtime > seconds
    except OSError:
        return False


def _newest(folder: Path) -> float:
    """When something in a folder was last changed."""
    times = [0.0]
    with contextlib.suppress(OSError):
        times.append(folder.lstat().st_mtime)
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(place, name))  # noqa: PTH118 - os.walk gives str
                if stat.S_ISREG(found.st_mode):
                    times.append(found.st_mtime)
    return max(times)


def _stage(name: str) -> str:
    """The stage that the name of a folder in the making tells; "gone" for rests of a removal."""
    match = _OF_KEY.fullmatch(name)
    return match[1].rpartition("-")[0] if match else "gone" if name.startswith("gone-") else name
