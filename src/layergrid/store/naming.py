"""Entries in words, for people who look into a store: what specs called them, else what their keys tell; no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from layergrid.store.keys import digest_of
from layergrid.store.memory import SPECS, read


def called(base: Path, wholes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Words for each entry, by digest; `wholes` are the parts of the keys of all entries there are, by digest.

    What the last build of a spec stood on is called as it was there: "capture tiny on sums (arithmetic)". The others
    are told by the names in their own key and those of the entries that it stands on.
    """
    words: dict[str, str] = {}
    for file in sorted((base / SPECS).glob("*.json")):
        name, keys = read(file) or ("", {})
        for label, whole in keys.items():
            digest = digest_of(whole)
            if digest not in words:
                words[digest] = f"{label} ({PurePath(name).name})"
    return {digest: words.get(digest) or ", ".join(_told(digest, wholes, set())) for digest in wholes}


def _told(digest: str, wholes: Mapping[str, Mapping[str, Any]], seen: set[str]) -> list[str]:
    """The names in a key, then those of what it stands on."""
    whole = wholes.get(digest)
    if whole is None or digest in seen:
        return []
    seen.add(digest)
    parts = whole.get("parts")
    if not isinstance(parts, Mapping):
        return []
    names = [parts[one] for one in ("name", "model", "dataset") if isinstance(parts.get(one), str)]
    loading = parts.get("loading")
    if isinstance(loading, list) and len(loading) > 1 and isinstance(loading[1], str):
        names = [loading[1]]  # what the spec calls the model, rather than the digest of its weights
    for value in _flat(parts.values()):
        if value in wholes:
            names += _told(value, wholes, seen)
    return list(dict.fromkeys(name for name in names if not name.startswith("sha256:")))


def _flat(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _flat(value.values())
