"""What a stage's result depends on, as data and as a digest; it knows no stage and no folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

FORMAT = 1  # of the store's folder, of entry.json and of the files that `save` writes


@dataclass(frozen=True)
class Key:
    """What a stage's result depends on, and the digest of it."""

    stage: str  # "capture"
    digest: str  # sha256, hexadecimal
    parts: Mapping[str, Any]  # JSON values; kept in the entry, so that a miss can be explained

    @classmethod
    def of(cls, stage: str, version: int, parts: Mapping[str, Any], libraries: Sequence[str] = ()) -> Key:
        """The key of a stage: its version, its parameters, its input keys, and the libraries that decide its numbers.

        `parts` holds JSON values, tuples and other keys; anything else is a TypeError.
        """
        whole = {
            "format": FORMAT,
            "stage": stage,
            "version": version,
            "parts": _plain(parts),
            "libraries": {name: _version(name) for name in libraries},
        }
        return cls(stage, digest_of(whole), whole)

    @property
    def name(self) -> str:
        """The name of what belongs to one key alone: its lock, and its folder while it is made."""
        return f"{self.stage}-{self.digest[:20]}"


def digest_of(whole: Mapping[str, Any]) -> str:
    """The digest of a key with all its parts."""
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Key):
        return value.digest
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


@cache  # each is asked for by many keys, and read from a file
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
