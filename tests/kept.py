"""Small entries of a store for the tests of what becomes of them."""

from __future__ import annotations

import os
import time

from layergrid.store import ENTRY, Key

DAY = 86400


def key(i, stage="capture"):
    return Key.of(stage, 1, {"name": f"n{i}"})


def writes(size=1000, seed=0):
    def make(folder):
        (folder / "deep").mkdir()
        (folder / "values.bin").write_bytes(bytes([seed % 256]) * size)
        (folder / "deep" / "words.json").write_text(f'"{seed}"')

    return make


def refuses(folder):
    raise AssertionError("it is stored already")


def filled(store, i, size=1000, days=0.0, stage="capture"):
    """An entry that was last used so many days ago."""
    folder = store.build(key(i, stage), writes(size, i))
    used = time.time() - days * DAY
    os.utime(folder / ENTRY, (used, used))
    return folder


def content(folder):
    """Name -> bytes of everything in an entry but its list."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ENTRY]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
