"""Reads members of a zip archive, none larger than it says and than allowed; it knows nothing of what they hold.

The standard library reads members that are stored or deflated; those compressed with Zstandard, which some programs
write, are read by way of Arrow.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from layergrid.kinds import BadInput

ZSTANDARD = 93
HEADER = struct.Struct("<26xHH")  # of a member in the file: what comes before the lengths of its name and extra field
MOST_MEMBERS = 1_000_000
MOST_OF_ONE = 2**29  # bytes
MOST_OF_ALL = 2**32


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted members, in the order of their names.

    Raises BadInput where the file is no archive, a member is damaged, encrypted, compressed in another way, or larger
    than allowed: what it says of its own size is held against what comes out.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if wanted(one.filename)]
            _check(path, entries)
            for entry in sorted(entries, key=lambda one: one.filename):
                yield entry.filename, _content(path, archive, entry)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, struct.error, zlib.error) as error:
        raise BadInput(f"{path}: is no zip archive, or a damaged one ({error}); copy it again") from None


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    sizes = [entry.file_size for entry in entries]
    if len(entries) > MOST_MEMBERS or max(sizes, default=0) > MOST_OF_ONE or sum(sizes) > MOST_OF_ALL:
        raise BadInput(
            f"{path}: holds {len(entries):,} members of {sum(sizes):,} bytes, the largest of {max(sizes):,}; at most "
            f"{MOST_MEMBERS:,} members, {MOST_OF_ONE:,} bytes each and {MOST_OF_ALL:,} in all are read"
        )


def _content(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.flag_bits & 1:
        raise BadInput(f"{path}: its member {entry.filename!r} is encrypted; write the log without a password")
    if entry.compress_type == ZSTANDARD:
        found = _zstandard(path, entry)
    elif entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with archive.open(entry) as stream:
            found = stream.read(entry.file_size + 1)
    else:
        raise BadInput(
            f"{path}: its member {entry.filename!r} is compressed in a way that is not read here (method "
            f"{entry.compress_type}); write the log in another format"
        )
    if len(found) != entry.file_size or zlib.crc32(found) != entry.CRC:
        raise BadInput(f"{path}: its member {entry.filename!r} is not what the archive says; copy the file again")
    return found


def _zstandard(path: Path, entry: zipfile.ZipInfo) -> bytes:
    """At most one byte more than the archive says."""
    import pyarrow

    with path.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = HEADER.unpack(file.read(HEADER.size))
        file.seek(entry.header_offset + HEADER.size + name + extra)
        packed = file.read(entry.compress_size)
    with pyarrow.CompressedInputStream(io.BytesIO(packed), "zstd") as stream:
        return bytes(stream.read(entry.file_size + 1))
