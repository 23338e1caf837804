"""What the last build of each spec stood on, so that a miss can be explained; it knows no entry."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layergrid.fingerprints import replace_file
from layergrid.store.keys import Key

SPECS = "specs"  # the folder, with a file for each name


def remember(base: Path, name: str, keys: Mapping[str, Key]) -> None:
    """Keeps the parts of these keys under a name, in place of what was kept before; what cannot be written is not."""
    content = {"name": name, "keys": {label: key.parts for label, key in keys.items()}}
    with contextlib.suppress(OSError):
        replace_file(_place(base, name), json.dumps(content, indent=1).encode("ascii"))


def remembered(base: Path, name: str) -> Mapping[str, Mapping[str, Any]]:
    """The parts of the keys under a name, by label; empty where nothing can be read."""
    found = read(_place(base, name))
    return found[1] if found is not None and found[0] == name else {}


def read(file: Path) -> tuple[str, Mapping[str, Mapping[str, Any]]] | None:
    """The name and the parts of the keys in a file, or None where it holds something else."""
    try:
        content = json.loads(file.read_bytes())
        name, keys = content["name"], content["keys"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = isinstance(name, str) and isinstance(keys, dict) and all(isinstance(one, dict) for one in keys.values())
    return (name, keys) if whole else None


def _place(base: Path, name: str) -> Path:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return base / SPECS / f"{digest[:20]}.json"
