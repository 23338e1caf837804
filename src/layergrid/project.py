"""The files that a spec may name: those below its project folder, and those that the command line allows beside them.

A spec may be a stranger's, so nothing outside is opened, and nothing is told of what lies there: links are followed one
by one, and only as long as they stay inside. Hidden files are not read either; `.git/config` often holds a password.
It knows no spec and no format of a file.

What cannot be told: a hard link is the file itself. A path is checked, then opened; who can change the folder in
between can read its files anyway.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from layergrid.errors import BadInput
from layergrid.text import visible

MARKS = (".git", "pyproject.toml")  # the first is looked for before the other
OPTION = "--allow-path"
ALWAYS = "LAYERGRID_ALLOW_PATH"  # the environment variable that says the same; paths are parted as in PATH
LONGEST = 1024  # characters of an address
ANY_SIZE = 2**62  # bytes: what is mapped, or read in part
PIECE = 2**20  # bytes that are read at a time
MOST_LINKS = 40  # on the way to one file
SHOWN = 200  # characters of a path in a message
# A pipe is not waited for; a link that has taken the place of the checked file is an error.
_READING = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_WEB = re.compile(r"[\\/]{2}")


@dataclass(frozen=True)
class Project:
    """Where the files of a spec may lie. Every address in it is opened by way of `path`."""

    folder: Path  # relative addresses start here: the spec's folder, as it was named
    top: Path  # the folder below which files are read, links resolved
    allowed: tuple[Path, ...] = ()  # further folders and files, absolute, as they were named
    what: str = ""  # the key of the spec that messages name where the caller names none

    @classmethod
    def of(cls, folder: Path, allowed: Sequence[Path] = ()) -> Project:
        """A folder as a project of its own."""
        return cls(folder, _real(folder), tuple(map(_absolute, allowed)))

    @classmethod
    def around(cls, spec: Path, allowed: Sequence[Path] = ()) -> Project:
        """The project that a spec's file belongs to.

        It is the nearest folder above that holds `.git`, else `pyproject.toml`, else the working directory if the spec
        lies below it, else the spec's own folder; never the home folder or the root of the disk. A layergrid.lock marks
        nothing: writing one must not draw the border closer.
        """
        return cls(spec.parent, _real(_top(spec)), tuple(map(_absolute, allowed)))

    def called(self, what: str) -> Project:
        """The same, for what one key of the spec names."""
        return replace(self, what=what)

    def at(self, folder: Path) -> Project:
        """The same, for addresses that start at another folder, such as those in a manifest."""
        return replace(self, folder=folder)

    def path(self, address: str, what: str = "") -> Path:
        """The file or folder of an address, links resolved; it need not be there.

        Raises:
            BadInput: it lies outside, is hidden, or is no path; nothing is said of what lies outside.
        """
        what = what or self.what or "path"
        _check_written(address, what)
        try:
            return self._followed(_absolute(self.folder) / address, what, address)
        except OSError as error:  # a name that is too long for the disk, a folder that may not be searched
            raise BadInput(f"{what}: {_shown(address)} cannot be read ({error.strerror})") from None

    def inside(self, path: Path, what: str = "") -> Path:
        """The same for a path that is known already, such as a file in a folder that `path` gave."""
        return self.path(str(_absolute(path)), what)

    def _followed(self, start: Path, what: str, address: str) -> Path:
        """Walks along a path, link by link; outside nothing is looked at, so that nothing can be told of it."""
        left, here = list(reversed(start.parts)), Path()
        links = 0
        while left:
            part = left.pop()
            if part == "..":
                here = here.parent
                continue
            here = self._known.get(here / part, here / part)
            if not self._holds(here.parent) or not here.is_symlink():
                continue
            links += 1
            if links > MOST_LINKS:
                raise BadInput(f"{what}: {_shown(address)} is a link that leads to itself")
            here, target = here.parent, here.readlink()
            left += reversed(target.parts)  # an absolute one begins anew
        if not self._holds(here):
            raise self._outside(what, address, here)
        self._check_hidden(here, what, address)
        return here

    @cached_property
    def _known(self) -> dict[Path, Path]:
        """The links in the names of the project's folder and of what is allowed: they are the user's own, no secret."""
        named = (_absolute(self.folder), *self.allowed)
        above = {one for path in named for one in (path, *path.parents)}
        return {one: _real(one) for one in above if one != _real(one)}

    @cached_property
    def _roots(self) -> tuple[Path, ...]:
        return (self.top, *map(_real, self.allowed))

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(one) for one in self._roots)

    def _check_hidden(self, path: Path, what: str, address: str) -> None:
        """Raises BadInput for what is hidden below the project, the spec's own folder or one that is allowed."""
        known = (*self._roots, _real(self.folder))
        base = max((one for one in known if path.is_relative_to(one)), key=lambda one: len(one.parts))
        hidden = next((part for part in path.relative_to(base).parts if part.startswith(".")), None)
        if hidden:
            raise BadInput(
                f"{what}: {_shown(address)} leads to {_shown(path)}, which is hidden ({_shown(hidden)} begins with a "
                f"dot), and hidden files may hold passwords; rename it, or allow it: {OPTION} {_shown(path, '')}"
            )

    def _outside(self, what: str, address: str, found: Path) -> BadInput:
        return BadInput(
            f"{what}: {_shown(address)} leads to {_shown(found)}, which lies outside of the project folder "
            f"{_shown(self.top)}; only files below it are read: put a copy there, or allow it on the command line: "
            f"{OPTION} {_shown(found, '')} (or for all builds in {ALWAYS})"
        )


def regular(path: Path, most: int, what: str) -> Path:
    """The path of an ordinary file of at most so many bytes, which can be opened without waiting.

    Raises:
        BadInput: it is a folder, a pipe, a device or a socket, or is larger.
        OSError: it cannot be looked at.
    """
    _check_kind(path, path.stat(), most, what)
    return path


def opened(path: Path, most: int, what: str) -> BinaryIO:
    """An ordinary file of at most so many bytes, opened for reading; a pipe or a device is refused, not waited for.

    Raises:
        BadInput: as `regular`.
        OSError: it cannot be opened.
    """
    handle = os.open(path, _READING)
    try:
        _check_kind(path, os.fstat(handle), most, what)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def content(path: Path, most: int, what: str) -> bytes:
    """The bytes of an ordinary file. Raises as `opened`."""
    parts, size = [], 0
    with opened(path, most, what) as stream:
        while part := stream.read(PIECE):  # as much memory as the file has bytes, and no more than allowed
            size += len(part)
            if size > most:  # it grew, or its size is not told
                raise _too_large(path, size, most, what)
            parts.append(part)
    return b"".join(parts)


def _check_kind(path: Path, found: os.stat_result, most: int, what: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise BadInput(f"{what}: {_shown(path)} is a folder, where a file was expected")
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"{what}: {_shown(path)} is no ordinary file but a pipe, a device or a socket; write a file")
    if found.st_size > most:
        raise _too_large(path, found.st_size, most, what)


def _too_large(path: Path, size: int, most: int, what: str) -> BadInput:
    return BadInput(f"{what}: {_shown(path)} has {size:,} bytes; expected at most {most:,}: make it smaller")


def _check_written(address: str, what: str) -> None:
    """Raises BadInput for what is no path of a file here."""
    scheme = _SCHEME.match(address)
    if (scheme and len(scheme[1]) > 1) or _WEB.match(address):
        raise BadInput(
            f"{what}: {_shown(address)} is an address on the web or of another machine; only files of the project are "
            "read: fetch it, and name the file"
        )
    if address.startswith("~"):
        raise BadInput(f"{what}: {_shown(address)} begins with '~', which is not read as a home folder; write the path")
    if not address or "\0" in address or len(address) > LONGEST or any("\ud800" <= c <= "\udfff" for c in address):
        raise BadInput(f"{what}: {_shown(address)} is no path of a file; write one, from the spec's folder")


def _top(spec: Path) -> Path:
    """The folder of the project, as it is spelled on the way to the spec."""
    absolute = _absolute(spec)
    never = {_real(Path.home()), Path(absolute.anchor)}
    above = [folder for folder in absolute.parents if _real(folder) not in never]
    for marks in (MARKS[:1], MARKS[1:]):
        for folder in above:
            if any(os.path.lexists(folder / mark) for mark in marks):
                return folder
    here = Path.cwd()
    if here not in never:
        for folder in above:
            if folder == here or _real(folder) == here:
                return folder
    return absolute.parent


def _absolute(path: Path) -> Path:
    """A path from the root of the disk, its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links


def _real(path: Path) -> Path:
    """A path with its links resolved, whether or not it is there."""
    return Path(os.path.realpath(path))


def _shown(path: str | Path, quote: str = "'") -> str:
    """A path as a message shows it: in one line, and not too long."""
    written = visible(str(path))
    return f"{quote}{written if len(written) <= SHOWN else written[:SHOWN] + '...'}{quote}"
