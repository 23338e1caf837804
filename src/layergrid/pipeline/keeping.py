"""A store that tells a reporter what it keeps and what it takes from there; it knows no stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from layergrid.console import Reporter
from layergrid.store import Key, Store


class TellingStore(Store):
    """Tells the size of each result that is added, and for who wants to know more the key of each."""

    def __init__(self, reporter: Reporter, root: Path | None = None) -> None:
        super().__init__(root, warn=reporter.note)
        self._reporter = reporter

    def build(self, key: Key, make: Callable[[Path], None], **more: Any) -> Path:
        """As `Store.build`."""

        def told(folder: Path) -> None:
            make(folder)
            self._reporter.wrote(_size(folder))

        there = self.has(key)
        self._reporter.detail(f"{key.stage} {key.digest[:16]}: {'there' if there else 'not there'}")
        return super().build(key, told, **more)


def _size(folder: Path) -> int:
    """Bytes of the files of a folder, without the parts that go when it is whole."""
    names = (one for one in folder.rglob("*") if one.is_file() and "shards" not in one.relative_to(folder).parts[:1])
    return sum(one.stat().st_size for one in names)
