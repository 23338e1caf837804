"""Parts of an entry that is being made, each a file that is whole or not there; it knows no stage."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from layergrid.store.sealed import SHARDS

_DIGEST = hashlib.sha256().digest_size


class FolderShards:
    """Parts in files of an unfinished entry; see `kinds.Shards`. A file that is damaged counts as not there."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the one that `Store.build` gives to `make`."""
        self.folder = folder / SHARDS

    def get(self, name: str) -> Mapping[str, np.ndarray[Any, Any]] | None:
        """The arrays of a part, or None."""
        try:
            whole = (self.folder / f"{name}.npz").read_bytes()
        except OSError:
            return None
        digest, content = whole[:_DIGEST], whole[_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {one: file[one] for one in file.files}

    def put(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Writes a part under a temporary name, then renames it."""
        self.folder.mkdir(exist_ok=True)
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        content = stream.getvalue()
        temporary = self.folder / f"{name}.part"
        with temporary.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        temporary.replace(self.folder / f"{name}.npz")
