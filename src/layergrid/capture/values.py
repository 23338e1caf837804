"""Values of a capture in the files where they stay, and what vouches for each batch of them; it runs no model.

A killed capture leaves its files half filled. Of each finished batch a small record says what was written: the checksum
of its cells, layer by layer. Whoever goes on compares the file with the record, so that a bit that flipped, or a page
that a power cut took, is found, and the batch is run again.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.kinds import Shards
from layergrid.models.memory import name_of

if TYPE_CHECKING:
    import torch

HELD_BYTES = 16 << 20  # picked states that wait to be written
_NEVER = -1  # in the place of a checksum: the layer has no values


@dataclass(frozen=True)
class Spots:
    """The tokens of one batch that are read, each once, and the cells [position, example] that they fill."""

    rows: Ints  # [G] row of the batch
    tokens: Ints  # [G] token of that row; (row, token) pairs are unique
    row: Ints  # [E] row of the batch that a filled cell belongs to
    position: Ints  # [E] its position
    members: Ints  # [M] indices into G: the tokens of the first cell, then of the second, ...
    starts: Ints  # [E] where each cell's tokens begin in `members`

    def means(self, states: Floats) -> Floats:
        """States of the tokens [G, D] -> states of the cells [E, D], float32."""
        picked = states[self.members]
        if len(self.members) == len(self.starts):
            return picked
        counts = np.diff(np.append(self.starts, len(self.members)))
        return np.add.reduceat(picked, self.starts, axis=0) / counts[:, None].astype(np.float32)


def spots_of(start: Ints, stop: Ints) -> Spots:
    """From first and one past the last token of every position of a batch [batch, P]; -1 where there is none."""
    row, position = np.nonzero(start >= 0)
    first = start[row, position]
    counts = stop[row, position] - first
    if (counts < 1).any():
        raise ValueError("a position that is present covers at least one token")
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    pairs = np.stack([np.repeat(row, counts), np.repeat(first, counts) + within], axis=1)
    unique, members = np.unique(pairs, axis=0, return_inverse=True)
    return Spots(unique[:, 0], unique[:, 1], row, position, members.reshape(-1), starts)


class Files:
    """SITE.npy of each site, float32 [L, P, N, D], in a folder, with the records of what was written."""

    def __init__(
        self, folder: Path, shapes: Mapping[str, tuple[int, ...]], run: Ints, shards: Shards
    ) -> None:  # `run`: examples that some batch will fill
        self.shards, self.shapes = shards, shapes
        self.paths = {site: folder / f"{site}.npy" for site in shapes}
        self.resumed = {site: _reserve(self.paths[site], shape) for site, shape in shapes.items()}
        for site in shapes:
            if self.resumed[site]:
                self._blank(site, np.setdiff1d(np.arange(shapes[site][2]), run))

    def open(self, site: str, mode: str = "r") -> Any:
        """The values, mapped: opened for each use, so that pages that were touched do not stay in this process."""
        return np.lib.format.open_memmap(self.paths[site], mode=mode)

    def kept(self, batch: Ints, spots: Mapping[str, Spots]) -> bool:
        """Whether all values of a batch are there, as their record says; where not, they are zeros afterwards."""
        record = self.shards.get(name_of(batch)) if any(self.resumed.values()) else None
        if record is not None and all(self._agrees(site, batch, spots[_stack(site)], record) for site in self.paths):
            return True
        for site, there in self.resumed.items():
            if there:
                self._blank(site, batch)
        return False

    def keep(self, batch: Ints, sums: Mapping[str, Ints]) -> None:
        """Records what was written of a batch."""
        self.shards.put(name_of(batch), sums)

    def _agrees(self, site: str, batch: Ints, spots: Spots, record: Mapping[str, Ints]) -> bool:
        layers, positions = self.shapes[site][:2]
        sums = record.get(site, np.empty(0))
        absent = np.ones((positions, len(batch)), dtype=np.bool_)
        absent[spots.position, spots.row] = False
        if len(sums) != layers:
            return False
        for expected, values in zip(sums, self.open(site), strict=True):
            cells = values[:, batch]
            if _bits(cells[absent if expected != _NEVER else slice(None)]).any():
                return False
            if expected not in (_NEVER, _sum(cells[spots.position, spots.row])):
                return False
        return True

    def _blank(self, site: str, examples: Ints) -> None:
        """Makes all values of some examples zero, where they are not."""
        values = self.open(site, "r+")
        for layer in range(len(values) if len(examples) else 0):
            if _bits(values[layer][:, examples]).any():
                values[layer][:, examples] = 0


class Held:
    """Picked states of one batch, written into the files before they become many."""

    def __init__(self, files: Files, batch: Ints, spots: Mapping[str, Spots]) -> None:
        """`spots` by stack."""
        self.files, self.batch, self.spots = files, batch, spots
        self.held: dict[str, list[tuple[int, torch.Tensor]]] = {}
        self.bytes = 0
        self.places: dict[tuple[str, Any], tuple[torch.Tensor, torch.Tensor]] = {}
        self.sums = {site: np.full(shape[0], _NEVER, dtype=np.int64) for site, shape in files.shapes.items()}

    def take(self, site: str, index: int, states: torch.Tensor) -> None:
        """Picks the tokens of one layer out of its states [batch, tokens, D]."""
        import torch

        key = (_stack(site), states.device)
        if key not in self.places:
            spots = self.spots[_stack(site)]
            rows, tokens = torch.from_numpy(spots.rows), torch.from_numpy(spots.tokens)
            self.places[key] = rows.to(states.device), tokens.to(states.device)
        # Indexing with tensors copies: the module's own states can go.
        picked = states[self.places[key]]
        self.held.setdefault(site, []).append((index, picked))
        self.bytes += picked.nbytes
        if self.bytes > HELD_BYTES:
            self.write()

    def write(self) -> None:
        """Writes what is held, and holds nothing."""
        for site, layers in self.held.items():
            spots = self.spots[_stack(site)]
            values = self.files.open(site, "r+")
            for index, picked in layers:
                cells = spots.means(picked.float().cpu().numpy())
                values[index, spots.position, self.batch[spots.row]] = cells
                self.sums[site][index] = _sum(cells)
            del values
        self.held, self.bytes = {}, 0

    def finish(self) -> None:
        """Writes the rest, then the record."""
        self.write()
        self.files.keep(self.batch, self.sums)


def _stack(site: str) -> str:
    return site.rpartition(".")[0]


def _sum(cells: Floats) -> int:
    return zlib.crc32(np.ascontiguousarray(cells, dtype=np.float32).data)


def _bits(values: Floats) -> Ints:
    """Values as the integers that their bits are: minus zero is not zero here."""
    return np.ascontiguousarray(values).view(np.uint32)


def _reserve(path: Path, shape: tuple[int, ...]) -> bool:
    """Makes an .npy of zeros, unless there is one of that shape, which stays as it is: whether there was.

    Its space is taken at once, since a full disk would otherwise kill the process on a write.
    """
    resumed = _is_there(path, shape)
    if not resumed:
        empty = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        del empty
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return resumed


def _is_there(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a file has the very first bytes and the size of an .npy of float32 of this shape."""
    head = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    try:
        with path.open("rb") as file:
            same = file.read(len(head.getvalue())) == head.getvalue()
        return same and path.stat().st_size == len(head.getvalue()) + 4 * math.prod(shape)
    except FileNotFoundError:
        return False
