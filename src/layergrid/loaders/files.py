"""Finds and reads the files of data sets, with errors that say what to do; it knows no format."""

from __future__ import annotations

from pathlib import Path

from layergrid.kinds import BadInput
from layergrid.project import Project, regular
from layergrid.text import nearest

BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


MOST_BYTES = 2**31  # of one file of data, which is read whole


def locate(project: Project, address: str) -> Path:
    """The file of an address; BadInput names the nearest file where there is none, and what may not be read."""
    path = project.path(address)
    if path.is_file():
        return regular(path, MOST_BYTES, project.what or "data")
    if path.exists() and not path.is_dir():
        return regular(path, 0, project.what or "data")  # raises: a pipe, a device, a socket
    if path.is_dir():
        raise BadInput(f"{path}: is a folder, where a file of data was expected")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; relative paths start at {project.folder}")
    near = nearest(path.name, (p.name for p in path.parent.iterdir() if p.is_file()))
    hint = f"Did you mean {near!r}?" if near else f"Relative paths start at {project.folder}."
    raise BadInput(f"{path}: no such file. {hint}")


def read_text(path: Path) -> str:
    """The file as UTF-8 text without its byte order mark; BadInput gives the first byte that is not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    if data.startswith(UTF16):
        raise BadInput(f"{path}: is UTF-16; save it as UTF-8")
    skipped = len(BOM) if data.startswith(BOM) else 0
    try:
        text = data[skipped:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + skipped
        line = data.count(b"\n", 0, at) + 1
        raise BadInput(
            f"{path}: not UTF-8 at byte {at} (line {line}, value 0x{data[at]:02x}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise BadInput(f"{path}: the file is empty; expected rows of data: was it saved and copied whole?")
    return text
