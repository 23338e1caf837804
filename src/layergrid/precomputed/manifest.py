"""Reads and checks the manifest of given activations, its ids and statuses; it opens no array."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from layergrid import yamlsource
from layergrid.artifacts import PositionStatus, Strings
from layergrid.kinds import BadInput, Site
from layergrid.project import Project, content
from layergrid.text import listed, nearest, plural, visible
from layergrid.yamlsource import Node, YamlError

SITES: tuple[str, ...] = get_args(Site)
FORMAT = 1
MOST_BYTES = 2**28  # of a file of ids or statuses

Text = Annotated[str, StringConstraints(min_length=1)]
Layers = (
    Annotated[str, StringConstraints(pattern=r"^(all|[0-9]{1,5}\.\.[0-9]{1,5})$")] | list[Annotated[int, Field(ge=0)]]
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CardOf(_Model):
    """The model that the activations come from, as far as it is known."""

    name: str = ""
    architecture: str = ""
    layers: int = Field(ge=1)
    width: int = Field(ge=1)
    heads: int = Field(0, ge=0)
    encoder_layers: int = Field(0, ge=0)
    parameters: int = Field(0, ge=0)
    dtype: str = ""
    revision: str = ""


class SiteOf(_Model):
    """Where the activations of one site lie."""

    file: Text
    tensor: str = ""  # empty: the site's own name
    layers: Layers | None = None


class Manifest(_Model):
    """A manifest as it is written."""

    activations: Literal[1]  # FORMAT
    model: CardOf
    positions: list[Text] = Field(min_length=1)
    examples: Text | list[Text | int]
    layers: Layers | None = None
    statuses: Text | None = None
    sites: dict[str, SiteOf] = Field(min_length=1)

    @field_validator("sites")
    @classmethod
    def _known_sites(cls, value: dict[str, SiteOf]) -> dict[str, SiteOf]:
        for site in value:
            if site not in SITES:
                near = nearest(site, SITES)
                hint = f"; did you mean {near!r}?" if near else ""
                raise ValueError(f"no site is called {visible(site)!r}; known are {listed(SITES)}{hint}")
        return value


@dataclass(frozen=True)
class Described:
    """What a manifest says, checked in itself: the array of each site must have these axes."""

    path: Path
    card: CardOf
    positions: tuple[str, ...]  # P
    ids: tuple[str, ...]  # N, unique
    status: Strings  # [N, P] of PositionStatus values
    sites: Mapping[str, SiteOf]
    layers: Mapping[str, tuple[int, ...]]  # site -> the layers of its first axis, rising
    beside: tuple[Path, ...]  # files of ids and statuses
    project: Project  # in which the files of arrays may lie

    def file(self, site: str) -> Path:
        """The file of a site's array."""
        return self.project.path(self.sites[site].file, f"{self.path}, sites.{site}")

    def tensor(self, site: str) -> str:
        """The name of a site's array in its file."""
        return self.sites[site].tensor or site


def read(path: Path, project: Project | None = None) -> Described:
    """A manifest, YAML or JSON. Raises BadInput with the key, what was expected and what was found.

    `project` says where the files may lie that it names; None: below its own folder.
    """
    manifest = _parsed(path)
    project = Project.of(path.parent) if project is None else project.at(path.parent)
    _unique(path, "positions", manifest.positions)
    beside: list[Path] = []
    if isinstance(manifest.examples, str):
        beside.append(project.path(manifest.examples, f"{path}, examples"))
        ids = tuple(_lines(path, beside[0]))
    else:
        ids = tuple(map(str, manifest.examples))
    if not ids:
        raise BadInput(f"{path}, examples: expected an id for each example, in the order of the arrays; found none")
    _unique(path, "examples", ids)
    status = np.full((len(ids), len(manifest.positions)), PositionStatus.OK.value, dtype="<U16")
    if manifest.statuses is not None:
        beside.append(project.path(manifest.statuses, f"{path}, statuses"))
        _read_statuses(_text(path, "statuses", beside[-1]), beside[-1], ids, manifest.positions, status)
    layers = {site: _layers(path, manifest, site) for site in manifest.sites}
    return Described(
        path, manifest.model, tuple(manifest.positions), ids, status, manifest.sites, layers, tuple(beside), project
    )


# ---------------------------------------------------------------- the text


def _parsed(path: Path) -> Manifest:
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f"did you mean {near!r}?" if near else "expected a manifest of activations, YAML or JSON"
        raise BadInput(f"{path}: no such file; {hint}")
    try:
        root, problems = yamlsource.load(yamlsource.read(path))
    except YamlError as error:
        raise BadInput(f"{error}\n  (a long list of ids belongs into a file of its own: examples: ids.txt)") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    if problems:
        raise BadInput(str(problems[0]))
    try:
        return Manifest.model_validate(root.plain())
    except ValidationError as error:
        raise _explained(root, error) from None


def _explained(root: Node, error: ValidationError) -> BadInput:
    """One error, at the place of its key: where several types may stand, the one that went furthest says most."""
    first = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
    node, keys = root, list[str | int]()
    for step in first["loc"]:  # steps that are not in the text name one of several types
        inside = node.value[step] if isinstance(node.value, tuple) and isinstance(step, int) else node.get(str(step))
        if inside is not None:
            node, keys = inside, [*keys, step]
    if first["type"] == "missing":
        keys.append(first["loc"][-1])
    where = f"{node.place}: {'.'.join(map(str, keys)) or 'the manifest'}"
    if first["type"] == "missing":
        return BadInput(f"{where}: is missing")
    if first["type"] == "extra_forbidden":
        nested: dict[str, type[_Model]] = {"model": CardOf, "sites": SiteOf}
        known = (nested[str(keys[0])] if len(keys) > 1 else Manifest).model_fields
        near = nearest(str(keys[-1]), known)
        hint = f"; did you mean {near!r}?" if near else ""
        return BadInput(f"{where}: there is no such key; known are {listed(known)}{hint}")
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    found = "" if first["type"] == "value_error" else f"; found {visible(repr(first['input']))[:80]}"
    return BadInput(f"{where}: {said}{found}")


# ---------------------------------------------------------------- what follows from it


def _unique(path: Path, key: str, names: Iterable[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise BadInput(f"{path}, {key}: expected each name once; found {twice[0]!r} twice")


def _text(path: Path, key: str, file: Path) -> str:
    try:
        return content(file, MOST_BYTES, f"{path}, {key}").decode("utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"{path}, {key}: {file} cannot be read ({error.strerror}); paths start at the manifest's folder"
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}, {key}: {file} is not UTF-8; save it in that encoding") from None


def _lines(path: Path, file: Path) -> list[str]:
    """The ids of a file, one a line."""
    lines = [line.removesuffix("\r") for line in _text(path, "examples", file).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise BadInput(f"{file}, line {lines.index('') + 1}: expected one id a line; found none")
    return lines


def _layers(path: Path, manifest: Manifest, site: str) -> tuple[int, ...]:
    """The layers of a site's first axis: its own list, else the manifest's, else all that the model has."""
    own = manifest.sites[site].layers
    written = manifest.layers if own is None else own
    where = f"{path}, {'layers' if own is None else f'sites.{site}.layers'}"
    first = 0 if site.endswith("residual") else 1  # the other sites belong to blocks, counted from 1
    last = manifest.model.encoder_layers if site.startswith("encoder.") else manifest.model.layers
    if last == 0:
        raise BadInput(f"{path}, sites.{site}: expected the number of the encoder's blocks in model.encoder_layers")
    if isinstance(written, list):
        found = tuple(written)
    elif written in (None, "all"):
        found = tuple(range(first, last + 1))
    else:
        low, _, high = str(written).partition("..")
        found = tuple(range(int(low), int(high) + 1))
    if not found or list(found) != sorted(set(found)):
        raise BadInput(f"{where}: expected rising numbers, in the order of the array; found {written}")
    outside = [layer for layer in found if not first <= layer <= last]
    if outside:
        hint = f"; give sites.{site} layers of its own" if own is None and outside == [0] else ""
        raise BadInput(f"{where}: expected layers of {site} from {first} to {last}; found {outside[0]}{hint}")
    return found


def _read_statuses(text: str, file: Path, ids: tuple[str, ...], positions: list[str], status: Strings) -> None:
    """Puts the words of a CSV file into `status` [N, P]: a column `id`, and one for each position that it tells."""
    rows, known = {one: i for i, one in enumerate(ids)}, [word.value for word in PositionStatus]
    reader, left = csv.reader(io.StringIO(text, newline=""), strict=True), set(ids)
    try:
        header = next(reader, [])
        if header[:1] != ["id"] or not set(header[1:]) <= set(positions) or len(set(header)) < len(header):
            raise BadInput(
                f"{file}, line 1: expected the columns 'id' and, each once, positions of the manifest "
                f"({listed(positions)}); found {listed(header)}"
            )
        for line in filter(None, reader):
            where = f"{file}, line {reader.line_num}"
            if len(line) != len(header):
                raise BadInput(f"{where}: expected {plural(len(header), 'field')}; found {len(line)}")
            if line[0] not in left:
                raise BadInput(f"{where}: expected each id of the manifest's examples once; found {line[0]!r}")
            left.remove(line[0])
            for name, word in zip(header[1:], line[1:], strict=True):
                if word not in known:
                    raise BadInput(f"{where}, column {name!r}: expected {listed(known, 'or')}; found {word!r}")
                status[rows[line[0]], positions.index(name)] = word
    except csv.Error as error:
        raise BadInput(f"{file}, line {reader.line_num}: {error}") from None
    if left:
        first = next(one for one in ids if one in left)
        lacking = plural(len(left), "example")
        raise BadInput(f"{file}: expected a line for each example; found none for {lacking}, the first is {first!r}")
