"""Looks through the files of a model before any library opens them; it imports none and knows no architecture.

A model may be a stranger's. Refused is what would have a library read outside of the model's folder, run code or ask
the network without having been told to, wait for a pipe, or read more than a model of text has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layergrid.kinds import BadInput
from layergrid.project import ANY_SIZE, Project, content, regular

MOST_TOKENIZER = 256 * 2**20  # bytes; the largest vocabularies take a tenth of it
MOST_SETTINGS = 64 * 2**20  # of any other file that is read whole: an index of a thousand billion parameters takes 20
MOST_FILES = 5_000  # in a folder, those in folders counted
_TEXTS = (".json", ".txt", ".jinja", ".model", ".tiktoken")
_VOCABULARIES = (".txt", ".model", ".tiktoken")
_KERNELS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "experts_implementation")


def check_links(folder: Path, project: Project, address: str) -> None:
    """Raises BadInput where a link in a model's folder leads out of the project."""
    for path in _all(folder, address):
        if path.is_symlink():
            project.inside(path, f"model {address!r}")


def check(folder: Path, address: str) -> None:
    """Raises BadInput for a model whose files ask for more than to be read."""
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"model {address!r}: it is an adapter (adapter_config.json), which names another model; merge the two, and "
            "save them as one with save_pretrained"
        )
    for path in sorted(folder.iterdir()):
        if path.suffix in _TEXTS and not path.is_dir():
            vocabulary = path.suffix in _VOCABULARIES or path.name == "tokenizer.json"
            regular(path, MOST_TOKENIZER if vocabulary else MOST_SETTINGS, f"model {address!r}")
        elif path.suffix in (".safetensors", ".bin"):
            regular(path, ANY_SIZE, f"model {address!r}")
    for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
        regular(path, MOST_SETTINGS, f"model {address!r}")
    for path in sorted(folder.glob("*.index.json")):
        _check_shards(path, address)
    config = _settings(folder / "config.json", address)
    _check_config(config, address)


def _check_config(config: dict[str, Any], address: str) -> None:
    """Raises BadInput where a configuration names weights elsewhere, or code of the hub that would be run."""
    weights = config.get("transformers_weights")
    if isinstance(weights, str) and not _plain(weights):
        raise BadInput(f"model {address!r}: config.json names weights outside of the model's folder ({weights!r:.80})")
    for part in _mappings(config):
        for key in _KERNELS:
            named = part.get(key)
            for one in named.values() if isinstance(named, dict) else (named,):
                if isinstance(one, str) and ("/" in one or ":" in one):
                    raise BadInput(
                        f"model {address!r}: config.json names code on the hub as its {key.lstrip('_')} ({one!r:.80}), "
                        "which is not fetched; take that key out"
                    )


def _check_shards(index: Path, address: str) -> None:
    """Raises BadInput where an index names weights outside of the model's folder."""
    named = _settings(index, address).get("weight_map")
    for one in set(map(str, named.values())) if isinstance(named, dict) else ():
        if not _plain(one):
            raise BadInput(
                f"model {address!r}: {index.name} names weights outside of the model's folder ({one!r:.80}); put them "
                "into it"
            )


def _settings(path: Path, address: str) -> dict[str, Any]:
    """The object in a JSON file; empty where it is not there, or is none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(content(path, MOST_SETTINGS, f"model {address!r}"))
    except RecursionError:
        raise BadInput(f"model {address!r}: {path.name} is nested too deeply") from None
    except (OSError, ValueError):  # said by the library that opens it
        return {}
    return found if isinstance(found, dict) else {}


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    """A mapping and all that stand in it."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _plain(name: str) -> bool:
    """Whether a name is that of a file in the same folder."""
    return name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}


def _all(folder: Path, address: str) -> Iterator[Path]:
    """Every file and folder below a model's folder; linked folders are not entered."""
    count = 0
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if count > MOST_FILES:
                raise BadInput(f"model {address!r}: its folder holds more than {MOST_FILES:,} files; give it one alone")
            yield Path(parent, name)
