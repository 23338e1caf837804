"""Activations that were made elsewhere, described by a manifest beside their files; it knows no model and no grid.

A manifest is YAML or JSON. Paths in it start at its folder.

    activations: 1                     # version of this format
    model:                             # layers and width must be told, the rest may be left out
      name: my-model
      architecture: Llama
      layers: 8                        # blocks; of the decoder where there are two stacks
      width: 128
      heads: 4                         # needed for head_out
      encoder_layers: 0                # needed for encoder.*
      parameters: 1700000
      dtype: bfloat16                  # that the model ran in
      revision: 3f2c1e
    positions: [last_q, exact_answer_last, "-1"]
    examples: ids.txt                  # one id a line, in the order of the arrays; or a list
    statuses: statuses.csv             # optional: columns `id` and positions, holding ok, missing, truncated ...
    layers: 0..8                       # optional: all, a range, or a rising list; left out: all that the model has
    sites:
      residual: {file: states.safetensors, tensor: residual}
      mlp_out: {file: mlp.npz, tensor: mlp_out, layers: [2, 4, 6]}

An array has the axes [layer, position, example, width] and holds float16, bfloat16 (safetensors only), float32 or
float64; NaN and infinity may stand in it. Without `tensor` it is named like its site. Layer 0 is the output of the
embedding, layer i the raw output of block i; sites other than `residual` begin at layer 1. The width is the model's; of
`head_out` it is any multiple of the number of heads, head by head. Ids are matched with the ids of the data set: their
order may differ, and ids that the data set does not have are left out.

manifest   reads and checks the manifest            arrays   opens one array of a file
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergrid.artifacts import (
    Activations,
    Bools,
    Examples,
    Floats,
    Ints,
    ModelCard,
    Positions,
    PositionStatus,
    Strings,
)
from layergrid.fingerprints import file_digest
from layergrid.kinds import BadInput, BuildError, Outline
from layergrid.precomputed import manifest
from layergrid.precomputed.arrays import Array, open_array
from layergrid.precomputed.manifest import Described
from layergrid.project import Project
from layergrid.text import plural

__all__ = ["Given", "fingerprint", "outline", "read", "save"]

NAMED = 3  # ids that an error names


@dataclass(frozen=True)
class Given:
    """What a manifest gives for the examples of a data set, in their order."""

    card: ModelCard
    activations: Mapping[str, Activations]  # by site
    positions: Positions  # token indices are not known: 0 and 1 say that there is a token, -1 and -1 that there is none


def read(path: Path, examples: Examples, project: Project | None = None) -> Given:
    """The activations of a manifest for these examples; float32 arrays are mapped, others converted into a mapped file.

    `project` says where the files may lie that the manifest names; None: below its own folder.

    Raises:
        BadInput: the manifest, its files and the examples do not agree; the message names the key of the manifest.
        BuildError: there is no room for converted arrays.
    """
    told = manifest.read(path, project)
    arrays = _arrays(told)
    index = _matched(told, examples)
    status = told.status[index]
    present = status != PositionStatus.MISSING.value
    start = np.where(present, 0, -1).astype(np.int32)
    activations = {
        site: Activations(
            site=site,
            layers=told.layers[site],
            positions=told.positions,
            example_ids=examples.ids,
            values=_values(array, index, present),
            present=present,
            heads=told.card.heads if site.endswith("head_out") else 0,
        )
        for site, array in arrays.items()
    }
    positions = Positions(told.positions, start, np.where(present, 1, -1).astype(np.int32), status)
    return Given(_card(told, next(iter(arrays.values())).dtype), activations, positions)


def outline(path: Path, project: Project | None = None) -> Outline:
    """What a manifest tells of its model; raises BadInput where the manifest and its files do not agree."""
    told = manifest.read(path, project)
    _arrays(told)
    return Outline(told.card.layers, told.card.encoder_layers, told.card.heads, attention=False)


def fingerprint(path: Path, project: Project | None = None) -> str:
    """`sha256:...` over the manifest and the bytes of all files that it names."""
    told = manifest.read(path, project)
    whole = hashlib.sha256()
    for file in dict.fromkeys((path, *told.beside, *(told.file(site) for site in told.sites))):
        try:
            whole.update(bytes.fromhex(file_digest(file)))
        except OSError as error:
            raise BadInput(f"{path}: the file {file} that it names cannot be read ({error.strerror})") from None
    return f"sha256:{whole.hexdigest()}"


# ---------------------------------------------------------------- reading


def _arrays(told: Described) -> dict[str, Array]:
    """The array of each site, opened, with its shape held against the manifest."""
    found = {}
    for site in told.sites:
        where = f"{told.path}, sites.{site}"
        array = open_array(told.file(site), told.tensor(site), where)
        width = told.card.width
        if site.endswith("head_out"):
            if not told.card.heads:
                raise BadInput(f"{where}: expected the number of heads in model.heads; found none")
            if len(array.shape) == 4 and array.shape[3] > 0 and array.shape[3] % told.card.heads == 0:
                width = array.shape[3]
        expected = (len(told.layers[site]), len(told.positions), len(told.ids), width)
        if array.shape != expected:
            raise BadInput(
                f"{where}: expected an array of {_axes(expected)}; found array {array.key!r} of {array.path.name} with "
                f"the shape {list(array.shape)}"
            )
        found[site] = array
    return found


def _axes(shape: tuple[int, ...]) -> str:
    """Words for a shape: "[9, 3, 100, 128] (layers, positions, examples, width)"."""
    return f"{list(shape)} (layers, positions, examples, width)"


def _matched(told: Described, examples: Examples) -> Ints:
    """Where each example stands in the arrays, int64 [n]."""
    rows = {one: i for i, one in enumerate(told.ids)}
    missing = [one for one in examples.ids if one not in rows]
    if missing:
        more = f" and {plural(len(missing) - NAMED, 'other')}" if len(missing) > NAMED else ""
        raise BadInput(
            f"{told.path}, examples: expected all {plural(len(examples.ids), 'id')} of data set {examples.name!r}; "
            f"{', '.join(map(repr, missing[:NAMED]))}{more} are not there (it has {told.ids[0]!r} and so on); "
            "the ids of a data set come from its column `id`, or are row numbers from 1"
        )
    return np.array([rows[one] for one in examples.ids], dtype=np.int64)


def _values(array: Array, index: Ints, present: Bools) -> Floats:
    """The rows `index` of an array, float32 [L, P, n, D], 0 where no token is present; mapped from a file."""
    layers, positions, examples, width = array.shape
    mapped = array.mapped()
    if mapped is not None and present.all() and np.array_equal(index, np.arange(examples)):
        return mapped
    found: Floats = _temporary((layers, positions, len(index), width))
    for (i, j), piece in zip(np.ndindex(layers, positions), array.pieces(), strict=True):
        found[i, j] = np.where(present[:, j, None], piece[index], 0)
    return found


def _temporary(shape: tuple[int, ...]) -> Any:
    """A mapped array in a file of its own, which goes when the array does."""
    size = int(np.prod(shape, dtype=np.int64)) * 4
    handle, name = tempfile.mkstemp(prefix="layergrid-", suffix=".float32")
    try:
        # A full disk would otherwise kill the process when a page is written.
        if hasattr(os, "posix_fallocate") and size:
            os.posix_fallocate(handle, 0, size)
        found = np.memmap(name, dtype=np.float32, mode="r+" if size else "w+", shape=shape)
    except OSError as error:
        Path(name).unlink()
        raise BuildError(
            f"{tempfile.gettempdir()}: there is no room for converted activations ({error.strerror}, {size:,} bytes); "
            "set TMPDIR to a larger disk, or save the arrays as float32 in the order of the data set"
        ) from None
    finally:
        os.close(handle)
    weakref.finalize(found._mmap, _forget, name)  # type: ignore[attr-defined]  # slices keep the map alive, not the array
    return found


def _forget(name: str) -> None:
    with suppress(OSError):
        Path(name).unlink()


def _card(told: Described, dtype: str) -> ModelCard:
    card = told.card
    return ModelCard(
        name=card.name or told.path.stem,
        address=f"activations:{told.path.name}",
        architecture=card.architecture,
        layers=card.layers,
        width=card.width,
        parameters=card.parameters,
        dtype=card.dtype or dtype,
        revision=card.revision,
        encoder_layers=card.encoder_layers,
        heads=card.heads,
    )


# ---------------------------------------------------------------- writing


def save(
    folder: Path,
    states: Mapping[str, Floats],
    *,
    card: ModelCard,
    positions: Sequence[str],
    ids: Sequence[str],
    layers: Mapping[str, Sequence[int]] | None = None,
    statuses: Strings | None = None,
) -> Path:
    """Writes arrays by site, float [L, P, N, D], and their manifest into a folder; returns the manifest's path.

    `layers` gives by site the layers of the first axis, where those are not all of the model's; `statuses` [N, P] holds
    the words of PositionStatus. Raises BadInput, like `read`, where they do not agree.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for site, values in states.items():
        save_file({site: np.ascontiguousarray(values)}, folder / f"{site}.safetensors")
    told: dict[str, Any] = {
        "activations": manifest.FORMAT,
        "model": {name: getattr(card, name) for name in manifest.CardOf.model_fields},
        "positions": list(positions),
        "examples": "ids.txt",
        "sites": {site: {"file": f"{site}.safetensors"} for site in states},
    }
    for site, chosen in (layers or {}).items():
        told["sites"][site]["layers"] = [int(layer) for layer in chosen]
    _write_lines(folder / "ids.txt", ids)
    if statuses is not None:
        told["statuses"] = "statuses.csv"
        _write_csv(folder / "statuses.csv", [["id", *positions], *_rows(ids, statuses)])
    path = folder / "manifest.json"
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    outline(path)
    return path


def _write_lines(path: Path, ids: Sequence[str]) -> None:
    broken = [one for one in ids if not one or "\n" in one or one.endswith("\r")]
    if broken:
        raise BadInput(f"the id {broken[0]!r} cannot stand on a line of its own; give it another name")
    path.write_text("".join(f"{one}\n" for one in ids), encoding="utf-8", newline="\n")


def _rows(ids: Sequence[str], statuses: Strings) -> Iterator[list[str]]:
    for one, words in zip(ids, statuses, strict=True):
        yield [one, *map(str, words)]


def _write_csv(path: Path, lines: Sequence[Sequence[str]]) -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines)
