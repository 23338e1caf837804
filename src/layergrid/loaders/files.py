"""Finds and reads the files of data sets, with errors that say what to do; it knows no format."""

from __future__ import annotations

from pathlib import Path

from layergrid.kinds import BadInput
from layergrid.text import nearest

BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def locate(root: Path, address: str) -> Path:
    """The file of an address, relative ones from `root`; BadInput names the nearest file where there is none."""
    path = root / Path(address).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise BadInput(f"{path}: is a folder, where a file of data was expected")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; relative paths start at {root}")
    near = nearest(path.name, (p.name for p in path.parent.iterdir() if p.is_file()))
    hint = f"Did you mean {near!r}?" if near else f"Relative paths start at {root}."
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
        raise BadInput(f"{path}: the file is empty")
    return text
