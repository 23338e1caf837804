"""Puts a finished report in its place, whole or not at all, and tells whether a report is still as it was written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layergrid.kinds import BadInput, BuildError
from layergrid.project import ANY_SIZE, content, regular

MANIFEST = "manifest.json"
FORMAT = 1
MOST_BYTES = 64 * 2**20  # of a manifest
LEFT = 3600  # seconds after which a folder of an unfinished publication is nobody's any more
SAVED = ("grids", "results", "matrices")  # the folders that documents are drawn from, as far as a report has them
BESIDE = (MANIFEST, "facts.json", "junit.xml", "report.html", "report.md", "report.pdf")  # files that lie beside them
MOST_WORDS = 2**30  # bytes of a file that is read whole
_ARRAYS = (".parquet", ".safetensors")  # files that are read by columns


def digests(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file of a report but its manifest, in order of path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in files}


def write_manifest(folder: Path, build: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """What identifies the build (with the digest of every output), apart from what describes this run."""
    whole = {"format": FORMAT, "build": {**build, "outputs": digests(folder)}, "run": dict(run)}
    text = json.dumps(whole, indent=2, sort_keys=True, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a report, or None where there is none that can be read."""
    try:
        found = json.loads(content(folder / MANIFEST, MOST_BYTES, "the manifest"))
        return found if found["format"] == FORMAT and isinstance(found["build"]["outputs"], dict) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BadInput):
        return None


def check_own(folder: Path) -> None:
    """Looks at the files of a report, which may come from elsewhere, before they are read; those beside may be any.

    Raises:
        BadInput: one of its own is a link, whose file would be read and told of, a pipe or a device, or far too large.
    """
    own = [*(folder / name for name in (*BESIDE, *SAVED)), *(p for name in SAVED for p in (folder / name).rglob("*"))]
    for path in own:
        if path.is_symlink():
            raise BadInput(f"{path}: is a link, and a report holds none; build the report again")
        if path.exists() and not path.is_dir():
            most = MOST_BYTES if path.name == MANIFEST else ANY_SIZE if path.suffix in _ARRAYS else MOST_WORDS
            regular(path, most, str(folder))


def is_published(source: Path, target: Path) -> bool:
    """Whether every file of the report at `target` is, byte for byte, the one at `source`."""
    wanted, there = read_manifest(source), read_manifest(target)
    if wanted is None or wanted != there:
        return False
    outputs = wanted["build"]["outputs"]
    return all((target / n).is_file() and _sha256(target / n) == digest for n, digest in outputs.items())


def check(target: Path) -> None:
    """Finds out before a long build what would stop its report from taking its place.

    Raises:
        BadInput: something that is no report stands there, or the folder cannot be written.
    """
    _check_out(target)
    with alone(target):
        _refuse(target)
    above = next(p for p in (target.absolute().parent, *target.absolute().parent.parents) if os.path.lexists(p))
    if not above.is_dir():
        raise BadInput(f"{target}: {above} is no folder; choose another one with --out")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"{target}: the folder {above} cannot be written; choose another one with --out")


def _refuse(target: Path) -> None:
    """Raises BadInput where something stands that is neither a report nor an empty folder."""
    if os.path.lexists(target):
        empty = target.is_dir() and not any(target.iterdir())
        if not empty and read_manifest(target) is None:
            raise BadInput(
                f"{target}: is not a report of layergrid; move it away, or build into another folder with --out"
            )


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Holds off other builds of this user on this machine that would use the same place."""
    from filelock import FileLock

    name = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:20]
    user = getattr(os, "getuid", lambda: "user")()
    with FileLock(Path(tempfile.gettempdir()) / f"layergrid-{user}-{name}.lock"):
        yield


def publish(source: Path, target: Path, leave: tuple[str, ...] = ()) -> None:
    """Copies a report to its place. An earlier report stays whole until the new one takes its place by renaming.

    Files named in `leave` belong to the store, not to the report. Files that somebody added to the earlier report are
    carried over; those that layergrid wrote into it are not. What a build moved aside that was then killed counts as
    the earlier report.

    Raises:
        BadInput: something that is no report stands there.
        BuildError: the place cannot be written.
    """
    check(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
            fresh = Path(temporary) / "new"
            shutil.copytree(source, fresh, ignore=lambda _, names: [n for n in names if n in leave])
            fresh.chmod(0o755)  # the store's folders are private; a report is for sharing
            with alone(target):
                _put_back(target, Path(temporary))
                _refuse(target)
                _carry(target, fresh)
                _swap(fresh, target, Path(temporary) / "old")
    except OSError as error:
        raise BuildError(
            f"{target}: the report cannot be written ({_reason(error)}); choose another folder with --out, or make "
            "room; an earlier report stays as it was"
        ) from error


def _reason(error: OSError) -> str:
    """Why a report cannot be written; of a copy that failed for many files the reason of the first."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][0][-1])
    return os.strerror(error.errno) if error.errno else str(error)


def _put_back(target: Path, mine: Path) -> None:
    """Brings back the earlier report that a killed build had moved aside; removes what was left long before `mine`."""
    now = mine.lstat().st_mtime  # by the clock of the disk, which need not be that of this machine
    ours = re.compile(re.escape(f".{target.name}-") + "[a-z0-9_]{8}")  # the names that tempfile gives
    for left in sorted(one for one in target.parent.iterdir() if ours.fullmatch(one.name)):
        with suppress(FileNotFoundError):  # that of a build which has published by now
            if (left / "old").is_dir() and not os.path.lexists(target):
                (left / "old").rename(target)
            if now - left.lstat().st_mtime > LEFT and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)


def _carry(target: Path, fresh: Path) -> None:
    """Copies what an earlier report holds beside its own files."""
    manifest = read_manifest(target)
    own = {MANIFEST, *(manifest["build"]["outputs"] if manifest else ())}
    for path in sorted(target.rglob("*")) if manifest else []:
        name = path.relative_to(target)
        if name.as_posix() in own or (path.is_dir() and not path.is_symlink()) or os.path.lexists(fresh / name):
            continue
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, fresh / name, follow_symlinks=False)


def _swap(fresh: Path, target: Path, aside: Path) -> None:
    """Renames the earlier report to `aside` and the fresh one into its place, or leaves all as it was."""
    try:
        if os.path.lexists(target):
            target.rename(aside)
        fresh.rename(target)
    except BaseException:  # an interrupt between the two included
        if os.path.lexists(aside) and not os.path.lexists(target):
            aside.rename(target)
        raise


@contextmanager
def draft(report: Path) -> Iterator[Path]:
    """A folder with the saved results of a report and none of its documents, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="layergrid-") as temporary:
        fresh = Path(temporary) / report.name
        check_own(report)
        for name in SAVED:
            if (report / name).is_dir():
                shutil.copytree(report / name, fresh / name)
        yield fresh


def _check_out(target: Path) -> None:
    """Raises BadInput where a folder on the way to a report, as it was named, is a link that leads elsewhere.

    A project may be a stranger's, and `reports` in it a link to the user's own files.
    """
    here = Path.cwd()
    for folder in [] if target.is_absolute() else [one for one in target.parents if one.parts]:
        if folder.is_symlink() and not folder.resolve().is_relative_to(here):
            real = folder.resolve()
            raise BadInput(f"{target}: {folder} is a link to {real}; name that folder itself: --out {real}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
