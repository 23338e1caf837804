"""Artifacts in files of one folder, words as JSON and arrays as NumPy's own; it knows nothing of keys and entries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from layergrid.artifacts import Activations, AttentionRows, Examples, Labels, Positions, Sequences

T = TypeVar("T")


def save(value: Examples | Sequences | Labels | Positions, folder: Path) -> None:
    """Writes one artifact into a folder: NAME.json for words, NAME.npz for arrays. Lone surrogates and NUL survive."""
    name = type(value).__name__.lower()
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    match value:
        case Examples():
            words: dict[str, Any] = {
                "name": value.name, "source": value.source, "ids": value.ids, "groups": value.groups,
                "columns": dict(value.columns), "fingerprint": value.fingerprint,
            }  # fmt: skip
        case Sequences():
            words = {
                "example_ids": value.example_ids, "pieces": value.pieces, "texts": value.texts,
                "written": value.written, "given": value.given,
            }  # fmt: skip
            arrays = {
                "lengths": np.array([len(one) for one in value.ids], dtype=np.int64),
                "ids": _joined(value.ids, np.int32), "offsets": _joined(value.offsets, np.int32).reshape(-1, 2),
                "special": _joined(value.special, np.bool_), "logprobs": _joined(value.logprobs, np.float32),
                "prompt_tokens": value.prompt_tokens, "prompt_chars": value.prompt_chars, "stopped": value.stopped,
            }  # fmt: skip
            arrays |= {} if value.inexact is None else {"inexact": value.inexact}
        case Labels():
            words = {
                "grader": value.grader, "rule": value.rule, "answers": value.answers, "reasons": value.reasons,
                "classes": value.classes, "gold": value.gold, "compared": value.compared,
                "label_dependent": value.label_dependent, "occurrences": value.occurrences,
            }  # fmt: skip
            arrays = {"spans": value.spans, "correct": value.correct}
        case Positions():
            words = {"names": value.names, "status": value.status.tolist()}
            arrays = {"start": value.start, "stop": value.stop}
    _write_words(folder / f"{name}.json", words)
    if arrays:
        np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)


def load(kind: type[T], folder: Path) -> T:
    """The artifact of this class that `save` wrote into the folder."""
    name = kind.__name__.lower()
    words, arrays = _tuples(_read_words(folder / f"{name}.json")), {}
    if (folder / f"{name}.npz").exists():
        with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
            arrays = {one: file[one] for one in file.files}
    if kind is Examples:
        words["columns"] = _tuples(words["columns"])
    elif kind is Sequences:
        words["pieces"] = tuple(tuple(one) for one in words["pieces"])
        arrays = _split(arrays)
    elif kind is Labels:
        words["occurrences"] = tuple(map(tuple, words["occurrences"]))
    elif kind is Positions:
        words["status"] = np.array(words["status"], dtype=np.str_).reshape(arrays["start"].shape)
    return kind(**words, **arrays)


def save_activations(activations: Mapping[str, Activations], folder: Path) -> None:
    """Writes what describes activations by site, and values that do not lie in `folder`/SITE.npy already."""
    words = {}
    for site, one in activations.items():
        words[site] = {
            "layers": one.layers, "positions": one.positions, "example_ids": one.example_ids, "heads": one.heads,
            "lacking": _reasons(one.lacking),
        }  # fmt: skip
        np.save(folder / f"{site}.present.npy", one.present, allow_pickle=False)
        _save_array(one.values, folder / f"{site}.npy")
    _write_words(folder / "activations.json", words)


def load_activations(folder: Path) -> dict[str, Activations]:
    """The activations by site; their values are mapped from the files and read only where they are looked at."""
    return {
        site: Activations(
            site=site,
            values=_mapped(folder / f"{site}.npy"),
            present=np.load(folder / f"{site}.present.npy", allow_pickle=False),
            **_described(words),
        )
        for site, words in _read_words(folder / "activations.json").items()
    }


_ROWS = ("values", "entropy", "first", "mass", "attendable")  # the arrays of AttentionRows


def save_attention(rows: AttentionRows, folder: Path) -> None:
    """Writes attention rows: attention.json for words, attention.NAME.npy for each array not in its place already."""
    words = {
        "layers": rows.layers, "heads": rows.heads, "queries": rows.queries, "keys": rows.keys,
        "key_labels": rows.key_labels, "example_ids": rows.example_ids, "lacking": _reasons(rows.lacking),
    }  # fmt: skip
    for name in _ROWS:
        _save_array(getattr(rows, name), folder / f"attention.{name}.npy")
    _write_words(folder / "attention.json", words)


def load_attention(folder: Path) -> AttentionRows:
    """The attention rows that lie in a folder; their arrays are mapped and read only where they are looked at."""
    arrays = {name: _mapped(folder / f"attention.{name}.npy") for name in _ROWS}
    return AttentionRows(**_described(_read_words(folder / "attention.json")), **arrays)


def _save_array(array: Any, path: Path) -> None:
    """Writes an array, unless it is mapped from that very file: a capture writes its values where they stay."""
    if Path(getattr(array, "filename", None) or "") != path.absolute():
        np.save(path, array, allow_pickle=False)


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _reasons(lacking: Mapping[int, str]) -> list[list[Any]]:
    return [[int(layer), why] for layer, why in lacking.items()]


def _described(words: Mapping[str, Any]) -> dict[str, Any]:
    """The words of activations or attention; what was written before a field was there takes the field's default."""
    found = _tuples(words)
    if "lacking" in words:
        found["lacking"] = {int(layer): str(why) for layer, why in words["lacking"]}
    return found


def _split(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays of Sequences with those of single tokens cut into one per example."""
    lengths = arrays.pop("lengths")
    token_ends, completion_ends = np.cumsum(lengths), np.cumsum(lengths - arrays["prompt_tokens"])
    for name, ends in {**dict.fromkeys(("ids", "offsets", "special"), token_ends), "logprobs": completion_ends}.items():
        arrays[name] = tuple(np.split(arrays[name], ends[:-1])) if len(lengths) else ()
    return arrays


def _joined(parts: Sequence[Any], dtype: Any) -> np.ndarray[Any, Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if len(parts) else np.zeros(0, dtype)


def _tuples(words: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in words.items()}


def _write_words(path: Path, words: Mapping[str, Any]) -> None:
    # JSON's own escapes would join two neighbouring lone surrogates into one character; these bytes keep them apart.
    path.write_bytes(json.dumps(words, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _read_words(path: Path) -> dict[str, Any]:
    words: dict[str, Any] = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    return words
