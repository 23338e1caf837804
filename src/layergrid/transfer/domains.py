"""The sets of rows between which probes are carried over, and the cells that each may be read at; it knows no fold.

The cells of all domains stand in one order: what is chosen on a source by its place among them names the same layer
and position in a target, but for the one that the transfer is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergrid.artifacts import Activations, Bools, CellStatus, Floats, Ints, PositionStatus
from layergrid.kinds import BadInput, Inputs
from layergrid.probes import canonical_order
from layergrid.selection import unfit
from layergrid.spec import TransferSpec
from layergrid.text import listed

OK = PositionStatus.OK.value
Trouble = tuple[str, str]  # status and reason; both empty where there is none
FINE: Trouble = ("", "")


@dataclass(frozen=True)
class Read:
    """One model's answers to one data set, as far as a transfer reads them."""

    inputs: Inputs  # with all positions of the spec
    states: Activations  # of the site, at the chosen layers and all positions of the spec
    shared: bool  # ids and groups are values of columns, so that equal ones mean the same in all data sets


@dataclass(frozen=True)
class Rows:
    """The rows of one set of answers that count, in an order that only their content decides."""

    read: Read
    index: Ints  # int [n]: example numbers
    labels: Bools  # bool [n]
    words: tuple[str, str]  # of the positive class and the other
    trouble: Trouble = FINE

    @property
    def names(self) -> tuple[str, str]:
        """The names of the model and the data set."""
        return self.read.inputs.model, self.read.inputs.examples.name


@dataclass(frozen=True)
class Place:
    """A domain before anything is fitted."""

    name: str
    rows: int  # which of the sets of rows
    cells: tuple[tuple[int, int], ...]  # where it may be read: (layer, position) of its rows' states
    trouble: Trouble = FINE


@dataclass(frozen=True)
class Laid:
    """Everything that is to be fitted."""

    rows: tuple[Rows, ...]
    places: tuple[Place, ...]
    left_out: tuple[str, ...]  # positions that no example of some set has, so that they are not compared


def lay(asked: TransferSpec, reads: Sequence[Read], name: str) -> Laid:
    """The domains of a transfer. Raises BadInput where widths differ, or nothing is common to all."""
    layers, positions = _layers(reads, name), _positions(asked, reads, name)
    there = [p for p in positions if all(_counts(read, p).any() for read in reads)]
    lost = tuple(p for p in positions if p not in there)
    rows = tuple(_rows(asked, read, there) for read in reads)
    if asked.over == "positions":
        (states,) = (read.states for read in reads)
        of = [(p, [(states.layers.index(one), states.positions.index(p)) for one in layers]) for p in positions]
        places = [Place(p, 0, tuple(cells), _missing(reads[0], p) if p in lost else FINE) for p, cells in of]
        return Laid(rows, tuple(places), ())
    if asked.over == "layers":
        (states,) = (read.states for read in reads)
        columns = [states.positions.index(p) for p in there]
        lacking = {i: (CellStatus.LACKING.value, states.lacking[i]) for i in layers if i in states.lacking}
        at = {i: tuple((states.layers.index(i), column) for column in columns) for i in layers}
        return Laid(rows, tuple(Place(str(i), 0, at[i], lacking.get(i, FINE)) for i in layers), lost)
    whole = [i for i in layers if not any(i in read.states.lacking for read in reads)]
    places = []
    for k, read in enumerate(reads):
        s = read.states
        cells = tuple((s.layers.index(i), s.positions.index(p)) for i in whole for p in there)
        places.append(Place(rows[k].names[0 if asked.over == "models" else 1], k, cells))
    return Laid(rows, tuple(places), lost)


def _layers(reads: Sequence[Read], name: str) -> tuple[int, ...]:
    """The layers that all have. Raises BadInput where there is none, and where widths differ."""
    first, width = reads[0], reads[0].states.values.shape[-1]
    for one in reads[1:]:
        if one.states.values.shape[-1] != width:
            raise BadInput(
                f"transfer.{name}: the states of model {first.inputs.model!r} have {width} numbers and those of "
                f"{one.inputs.model!r} {one.states.values.shape[-1]}; a probe fits models of one width only: name such"
            )
    common = [i for i in first.states.layers if all(i in one.states.layers for one in reads)]
    if not common:
        raise BadInput(f"transfer.{name}.layers: no layer is common to all that it reads; name such as are")
    return tuple(common)


def _positions(asked: TransferSpec, reads: Sequence[Read], name: str) -> tuple[str, ...]:
    known = reads[0].inputs.positions.names
    for one in asked.positions:
        if one not in known:
            raise BadInput(f"transfer.{name}.positions: no position is named {one!r}; known: {listed(known) or 'none'}")
    return asked.positions or known


def _counts(read: Read, position: str) -> Bools:
    """Which examples have a position, bool [N]."""
    column = read.inputs.positions.names.index(position)
    there = read.states.present[:, read.states.positions.index(position)]
    return np.asarray((read.inputs.positions.status[:, column] == OK) & there)


def _missing(read: Read, position: str) -> Trouble:
    column = read.inputs.positions.names.index(position)
    names, counts = np.unique(read.inputs.positions.status[:, column], return_counts=True)
    having = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return CellStatus.MISSING.value, f"no example has this position with status {OK}: {having}"


def _rows(asked: TransferSpec, read: Read, positions: Sequence[str]) -> Rows:
    """The rows that have all positions."""
    inputs = read.inputs
    counts = np.ones(len(inputs.examples.ids), dtype=np.bool_) & bool(positions)
    for one in positions:
        counts &= _counts(read, one)
    kept = np.flatnonzero(counts)
    contents = [np.asarray(inputs.sequences.ids[i], dtype="<i4").tobytes() for i in kept]
    order = canonical_order(contents, [inputs.examples.ids[i] for i in kept], inputs.seed)
    positive, *words = inputs.labels.positive(asked.predict)
    return Rows(read, kept[order], np.asarray(positive, dtype=np.bool_)[kept[order]], (words[0], words[1]))


def why_unfit(rows: Rows, groups: Ints, folds: int) -> Trouble:
    """Why rows cannot be split into folds."""
    return unfit(rows.labels, groups, folds, rows.words) or FINE


def features(laid: Laid, place: Place, cell: int, kept: Ints) -> Floats:
    """The states [m, D] of some rows of a domain (by their place among its rows) at one of its cells."""
    rows, (layer, position) = laid.rows[place.rows], place.cells[cell]
    values = rows.read.states.values[layer, position]
    return np.asarray(values[rows.index[kept]])
