"""Finds the files of a split in a folder that is laid out as the hub lays out data sets; it reads no data.

A README.md whose head names `configs` with `data_files` is believed as far as its patterns stay in the folder. Else the
names of files and folders tell: a part that says train, test, validation (valid, val, dev), and all is `train` where
no name says anything.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from layergrid.kinds import BadInput
from layergrid.text import listed, nearest

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
MOST_FILES = 10_000
MOST_README = 2**20  # bytes
DEEPEST = 4  # folders in folders
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
}  # fmt: skip
_APART = re.compile(r"[^A-Za-z]+")
_OF_OTHERS = ("dataset_infos.json", "dataset_info.json", "state.json", "package.json", "config.json")


def splits(folder: Path, config: str) -> dict[str, list[Path]]:
    """The files of each split, in the order of their names; `config` is a configuration, or empty.

    Raises BadInput where there is no file of data, or no such configuration, or one of several has to be named.
    """
    files = sorted(_files(folder))
    if not files:
        raise BadInput(f"{folder}: holds no file of data; expected files ending in {listed(SUFFIXES, 'or')}")
    named = _configs(folder)
    if named:
        found = _patterns(_chosen(folder, named, config))
        by_split = {split: _matching(folder, files, many) for split, many in found.items()}
        lost = [split for split, many in by_split.items() if not many]
        if lost:
            raise BadInput(f"{folder / 'README.md'}: no file of the split {lost[0]!r} is there ({found[lost[0]]})")
        return by_split
    return _by_name(folder, files, config)


def _files(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Files of data below a folder; hidden ones and links are passed by."""
    many = 0
    for one in sorted(folder.iterdir()):
        if one.name.startswith((".", "_")) or one.is_symlink():
            continue
        if one.is_dir() and depth < DEEPEST:
            yield from _files(one, depth + 1)
        elif one.suffix.lower() in SUFFIXES and one.name not in _OF_OTHERS and one.is_file():
            many += 1
            if many > MOST_FILES:
                raise BadInput(f"{folder}: holds more than {MOST_FILES:,} files; name the folder of one split")
            yield one


# ---------------------------------------------------------------- by the README


def _configs(folder: Path) -> list[Mapping[str, Any]]:
    """What the head of README.md says of configurations; nothing where there is none that names files."""
    import yaml

    readme = folder / "README.md"
    if readme.is_symlink() or not readme.is_file() or readme.stat().st_size > MOST_README:
        return []
    head = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", readme.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        said = yaml.safe_load(head[1]) if head else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    configs = said.get("configs") if isinstance(said, Mapping) else None
    listed_ = configs if isinstance(configs, list) else []
    return [one for one in listed_ if isinstance(one, Mapping) and one.get("data_files")]


def _chosen(folder: Path, configs: list[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    names = [str(one.get("config_name", "default")) for one in configs]
    if not wanted:
        of_default = [one for one in configs if one.get("default") is True or one.get("config_name") == "default"]
        if len(configs) == 1 or of_default:
            return (of_default or configs)[0]
        raise BadInput(f"{folder}: has the configurations {listed(names)}; name one: config: {names[0]}")
    if wanted not in names:
        near = nearest(wanted, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise BadInput(f"{folder}: there is no configuration {wanted!r}; there are {listed(names)}{hint}")
    return configs[names.index(wanted)]


def _patterns(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Split -> patterns of paths, from any of the forms that the hub takes."""
    said = config["data_files"]
    many = said if isinstance(said, list) else [said]
    found: dict[str, list[str]] = {}
    for one in many:
        split, paths = (str(one.get("split", "train")), one.get("path")) if isinstance(one, Mapping) else ("train", one)
        found.setdefault(split, []).extend(map(str, paths if isinstance(paths, list) else [paths]))
    return found


def _matching(folder: Path, files: list[Path], patterns: list[str]) -> list[Path]:
    wanted = [one.removeprefix("./") for one in patterns]
    return [one for one in files if any(fnmatch.fnmatchcase(one.relative_to(folder).as_posix(), p) for p in wanted)]


# ---------------------------------------------------------------- by names


def _by_name(folder: Path, files: list[Path], config: str) -> dict[str, list[Path]]:
    """Files by what their names say, below the folder of a configuration where one is named."""
    if config:
        files = [one for one in files if config in one.relative_to(folder).parts[:-1]]
        if not files:
            raise BadInput(f"{folder}: there is no configuration {config!r}: no folder of that name holds data")
    else:
        holding = {one.relative_to(folder).parts[0] for one in files if len(one.relative_to(folder).parts) > 1}
        configs = sorted(name for name in holding if name != "data" and _said(Path(name)) is None)
        if len(configs) > 1:
            raise BadInput(f"{folder}: the folders {listed(configs)} hold data; name one: config: {configs[0]}")
    found: dict[str, list[Path]] = {}
    for one in files:
        found.setdefault(_said(one.relative_to(folder)) or "train", []).append(one)
    return found


def _said(path: Path) -> str | None:
    """The split that the name of a file says, else that of a folder it is in; None where none does."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        for word in _APART.split(part.lower()):
            if word in _SPLITS:
                return _SPLITS[word]
    return None
