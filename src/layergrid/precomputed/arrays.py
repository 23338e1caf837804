"""Opens one named array of a safetensors or NPZ file and reads it piece by piece; it knows no manifest."""

from __future__ import annotations

import json
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from layergrid.artifacts import Floats
from layergrid.kinds import BadInput
from layergrid.project import ANY_SIZE, regular
from layergrid.text import listed, nearest

SUFFIXES = (".safetensors", ".npz")
_SAFETENSORS = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}  # NumPy has no bfloat16
_DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Array(ABC):
    """An array of floats in a file, in the order of its axes (C order)."""

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: str  # "float16", "bfloat16", "float32" or "float64"

    @abstractmethod
    def pieces(self) -> Iterator[Floats]:
        """The array piece by piece over its first two axes, float32; the rest of the shape is that of each piece."""

    def mapped(self) -> Floats | None:
        """The array mapped from its file, where it lies there as float32."""
        return None


@dataclass(frozen=True)
class _Mapped(Array):
    offset: int
    stored: str  # NumPy's dtype of what lies in the file

    def pieces(self) -> Iterator[Floats]:
        whole = self._whole()
        for i, j in np.ndindex(*self.shape[:2]):
            yield _float32(whole[i, j], self.dtype)

    def mapped(self) -> Floats | None:
        return self._whole() if self.dtype == "float32" else None

    def _whole(self) -> Any:
        return np.memmap(self.path, dtype=self.stored, mode="r", offset=self.offset, shape=self.shape)


@dataclass(frozen=True)
class _Zipped(Array):
    stored: str

    def pieces(self) -> Iterator[Floats]:
        size = prod(self.shape[2:]) * np.dtype(self.stored).itemsize
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.key}.npy") as stream:
                _header(stream)
                for _ in range(prod(self.shape[:2])):
                    data = stream.read(size)
                    if len(data) < size:
                        raise EOFError("it ends too early")
                    piece = np.frombuffer(data, dtype=self.stored).reshape(self.shape[2:])
                    yield _float32(piece, self.dtype)
        except _DAMAGED as error:
            raise _unreadable(self.path, error) from None


def open_array(path: Path, key: str, where: str) -> Array:
    """The array `key` of a file; only headers are read. `where` begins the message of a BadInput."""
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f"did you mean {near!r}?" if near else "paths start at the manifest's folder"
        raise BadInput(f"{where}: expected a file {path}; found none, {hint}")
    regular(path, ANY_SIZE, where)
    if path.suffix not in SUFFIXES:
        raise BadInput(f"{where}: expected a file that ends in {listed(SUFFIXES, 'or')}; found {path.name!r}")
    return _safetensors(path, key, where) if path.suffix == ".safetensors" else _npz(path, key, where)


def _safetensors(path: Path, key: str, where: str) -> Array:
    from safetensors import SafetensorError, safe_open

    try:
        # The library checks the whole header: sizes, overlaps, the end of the file.
        with safe_open(path, framework="np") as file:
            _known(key, list(file.keys()), path, where)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        told = json.loads(stream.read(length))[key]
    stored = _SAFETENSORS.get(told["dtype"])
    if stored is None:
        raise _no_floats(where, key, path, told["dtype"])
    dtype = "bfloat16" if told["dtype"] == "BF16" else np.dtype(stored).name
    return _Mapped(path, key, tuple(told["shape"]), dtype, 8 + length + told["data_offsets"][0], stored)


def _npz(path: Path, key: str, where: str) -> Array:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            _known(key, names, path, where)
            with archive.open(f"{key}.npy") as stream:
                shape, fortran, stored = _header(stream)
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    if stored.kind != "f" or stored.itemsize > 8:
        raise _no_floats(where, key, path, str(stored))
    if fortran:
        raise BadInput(
            f"{where}: expected an array in C order; found array {key!r} of {path} in Fortran order: save "
            "np.ascontiguousarray(array)"
        )
    return _Zipped(path, key, shape, stored.name, stored.str)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype of an .npy file, read up to its data."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"its .npy format {version[0]}.{version[1]} is not read")


def _known(key: str, keys: list[str], path: Path, where: str) -> None:
    if key not in keys:
        near = nearest(key, keys)
        hint = f"; did you mean {near!r}?" if near else ""
        held = listed(repr(one) for one in sorted(keys)[:8]) or "nothing"
        raise BadInput(f"{where}: expected an array {key!r} in {path}; found {held}{hint}")


def _float32(values: Any, dtype: str) -> Floats:
    """A copy in float32; bfloat16 comes as its bits, which are the upper half of those of float32."""
    if dtype == "bfloat16":
        return np.asarray((values.astype("<u4") << 16).view("<f4"), dtype=np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which grids report
        return np.array(values, dtype=np.float32)


def _no_floats(where: str, key: str, path: Path, found: str) -> BadInput:
    return BadInput(
        f"{where}: expected float16, float32, float64 or, in safetensors, bfloat16; found array {key!r} of {path} of "
        f"type {found}"
    )


def _unreadable(path: Path, error: Exception) -> BadInput:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return BadInput(f"{path}: is damaged or in another format ({said}); write it again")
