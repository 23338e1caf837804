"""Puts a finished report in its place, whole or not at all, and tells whether a report is still as it was written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layergrid.kinds import BuildError

MANIFEST = "manifest.json"
SAVED = ("grids", "results")  # the folders that documents are drawn from


def digests(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file of a report but its manifest, in order of path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in files}


def write_manifest(folder: Path, build: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """What identifies the build (with the digest of every output), apart from what describes this run."""
    whole = {"format": 1, "build": {**build, "outputs": digests(folder)}, "run": dict(run)}
    (folder / MANIFEST).write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest, or None where there is none that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("build"), dict) else None


def is_published(source: Path, target: Path) -> bool:
    """Whether the report at `target` is, byte for byte, the one at `source`."""
    wanted, there = read_manifest(source), read_manifest(target)
    return wanted is not None and wanted == there and wanted["build"]["outputs"] == digests(target)


def publish(source: Path, target: Path, leave: tuple[str, ...] = ()) -> None:
    """Copies a report to its place. An earlier report stays whole until the new one takes its place by renaming.

    Files named in `leave` belong to the store, not to the report.

    Raises:
        BuildError: the place cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and (not target.is_dir() or (any(target.iterdir()) and read_manifest(target) is None)):
            raise BuildError(
                f"{target}: is not a report of layergrid; move it away, or build into another folder with --out"
            )
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
            fresh = Path(temporary) / "new"
            shutil.copytree(source, fresh, ignore=lambda _, names: [n for n in names if n in leave])
            fresh.chmod(0o755)  # the store's folders are private; a report is for sharing
            if target.exists():
                target.rename(Path(temporary) / "old")
            try:
                fresh.rename(target)
            except OSError:
                if (Path(temporary) / "old").exists():
                    (Path(temporary) / "old").rename(target)
                raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise BuildError(
            f"{target}: the report cannot be written ({reason}); choose another folder with --out"
        ) from error


@contextmanager
def draft(report: Path) -> Iterator[Path]:
    """A folder with the saved results of a report and none of its documents, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="layergrid-") as temporary:
        fresh = Path(temporary) / report.name
        for name in SAVED:
            shutil.copytree(report / name, fresh / name)
        yield fresh


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
