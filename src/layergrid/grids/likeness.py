"""What the kind `similarity` compares, and how alike it is, cell by cell; it says nothing of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from layergrid.artifacts import Activations, Bools, CellStatus, Ints
from layergrid.describing import Rows, columns, lacking, rows
from layergrid.describing.alike import FEWEST, Directions, Form, Gram, Plan, Side, cka_values, cosines
from layergrid.kinds import BadInput, Inputs, chosen_layers
from layergrid.stats import Array

if TYPE_CHECKING:
    from layergrid.grids.similarity import SimilarityGrid

Cell = tuple[int, int]
Outcome = tuple[Array | None, Array | None, CellStatus, str]  # rows of a cell, of mismatched pairs, status, reason
FORMS: dict[str, Form] = {"cosine": "plain", "centred_cosine": "centred", "correlation": "correlation"}  # by measure
JACKKNIFE = 100  # blocks of groups that are left out in turn, at most


@dataclass(frozen=True)
class Compared:
    """The rows, layers and positions that a grid compares, and where they stand in the activations."""

    kind: SimilarityGrid
    inputs: Inputs  # as given; groups of examples are blocks where a jackknife has put several into one
    states: Activations
    rows: Rows
    layers: tuple[int, ...]
    where: list[int]  # P: columns of the activations
    reference: int | None  # column of the activations
    groups_in_all: int  # before they were put into blocks

    @property
    def blocks(self) -> int:
        """How many groups of rows a jackknife leaves out in turn."""
        return len(np.unique(self.rows.groups))

    @classmethod
    def of(cls, kind: SimilarityGrid, inputs: Inputs) -> Compared:
        """From a kind's parameters; raises BadInput where they do not fit the activations."""
        states = kind.states(inputs)
        where = columns(states, inputs)
        present = states.present[:, where]
        reference = None
        if kind.reference:
            reference = _column(kind, inputs, states)
            present = present & _usable(kind, inputs, states, reference)[:, None]
        chosen = rows(inputs, present, kind.statuses, kind.contrast)
        count = len(np.unique(chosen.groups))
        if kind.measure == "cka" and count > JACKKNIFE:
            blocks = np.random.default_rng(inputs.seed).permutation(count)[chosen.groups] % JACKKNIFE
            chosen = replace(chosen, groups=blocks)
            names = list(inputs.examples.groups)
            for i, block in zip(chosen.index, blocks, strict=True):
                names[i] = f"block {block + 1}"
            inputs = replace(inputs, examples=replace(inputs.examples, groups=tuple(names)))
        return cls(kind, inputs, states, chosen, _layers(kind, states, inputs), where, reference, count)

    def without_values(self) -> dict[Cell, tuple[CellStatus, str]]:
        """Cells that are known to have no value before a state is read."""
        found: dict[Cell, tuple[CellStatus, str]] = dict(lacking(self.states, self.layers, len(self.where)))
        for p, column in enumerate(self.where):
            if not self.rows.positions[p]:
                status = CellStatus.MISSING, self._missing(p)
            elif column == self.reference:
                status = CellStatus.REFERENCE, f"every state is compared with that at {self.kind.reference}"
            elif self._same_tokens(p):
                status = CellStatus.REFERENCE, f"the same token as {self.kind.reference} in every compared example"
            else:
                continue
            found |= {(i, p): status for i in range(len(self.layers)) if (i, p) not in found}
        return found

    def _same_tokens(self, p: int) -> bool:
        """Whether a position is where the reference is in all compared rows; not known of rows without tokens."""
        known, index = self.inputs.all_positions or self.inputs.positions, self.rows.index
        names = (self.inputs.positions.names[p], self.kind.reference)
        tokens = len(index) > 0 and all(len(self.inputs.sequences.ids[i]) for i in index)
        if not tokens or not set(names) <= set(known.names):
            return False
        one, other = ([a[index, known.names.index(name)] for a in (known.start, known.stop)] for name in names)
        return np.array_equal(one, other)

    def _missing(self, p: int) -> str:
        """Why a position is left out: it is missing itself, or the reference is wherever it is not."""
        if self.kind.reference and not _usable(self.kind, self.inputs, self.states, self.reference or 0).any():
            return f"no example has the reference position {self.kind.reference} with a status that counts"
        return self.rows.missing[p]

    def side(self, layer: int, column: int) -> Side:
        """The states (or updates) of the compared rows at a column of the activations."""
        values, at, index = self.states.values, self.states.layers.index(layer), self.rows.index
        upper = values[at, column]
        lower = values[self.states.layers.index(layer - 1), column] if self.kind.of == "updates" else None

        def read(part: Ints) -> Array:
            found: Array = upper[index[part]].astype(np.float64)
            if lower is not None:
                found -= lower[index[part]]
            return found

        return Side(read, len(index), values.shape[-1])


def _column(kind: SimilarityGrid, inputs: Inputs, states: Activations) -> int:
    if kind.reference not in states.positions:
        raise BadInput(
            f"grids.{inputs.name}.with: no position is named {kind.reference!r}; known: {', '.join(states.positions)}"
        )
    return states.positions.index(kind.reference)


def _usable(kind: SimilarityGrid, inputs: Inputs, states: Activations, reference: int) -> Bools:
    """Examples [N] that have the reference position with a status that counts."""
    known = inputs.positions if kind.reference in inputs.positions.names else inputs.all_positions
    present = np.asarray(states.present[:, reference])
    if known is None:
        return present
    status = known.status[:, known.names.index(kind.reference)]
    return np.asarray(present & np.isin(status, [s.value for s in kind.statuses]))


def _layers(kind: SimilarityGrid, states: Activations, inputs: Inputs) -> tuple[int, ...]:
    """The layers of the grid: those chosen, without those whose layers below the model does not have."""
    wanted = chosen_layers(kind.layers, max(states.layers, default=0), inputs.model)
    needed = range(kind.below + 1)
    found = tuple(layer for layer in wanted if all(layer - k in states.layers for k in needed))
    if not found:
        raise BadInput(
            f"grids.{inputs.name}.layers: no layer chosen has {'the layer' if kind.below < 2 else 'two layers'} below "
            f"that its update needs; updates start at layer {kind.below}"
        )
    return found


# ---------------------------------------------------------------- cells


def measured(compared: Compared, i: int, positions: list[int]) -> dict[int, Outcome]:
    """What each of some positions gives in one layer; the reference's part is made once."""
    if not positions or not len(compared.rows.index):
        return {}
    make = _cka_cells if compared.kind.measure == "cka" else _cosine_cells
    return make(compared, compared.layers[i], positions)


def _other(compared: Compared, layer: int, column: int) -> Side:
    """What a cell is compared with: the reference position, or the update of the block before."""
    if compared.reference is not None:
        return compared.side(layer, compared.reference)
    return compared.side(layer - 1, column)


def _cosine_cells(compared: Compared, layer: int, positions: list[int]) -> dict[int, Outcome]:
    form = FORMS[compared.kind.measure]
    plan = Plan.of(compared.rows.groups, compared.rows.labels.astype(np.int64), compared.states.values.shape[-1])
    shared: Directions | None = None
    found: dict[int, Outcome] = {}
    for p in positions:
        column = compared.where[p]
        one = Directions(compared.side(layer, column), form, plan)
        other = shared or Directions(_other(compared, layer, column), form, plan)
        shared = other if compared.reference is not None else None
        pair = cosines(one, other)
        if pair.not_finite:
            found[p] = None, None, CellStatus.NOT_FINITE, _count(compared, pair.not_finite, "NaN or infinite values")
        elif pair.undefined:
            found[p] = None, None, CellStatus.CONSTANT, _undefined(compared, form, pair.undefined)
        else:
            found[p] = pair.own, pair.mismatched, CellStatus.OK, ""
    return found


def _count(compared: Compared, k: int, what: str) -> str:
    return f"{k} of {len(compared.rows.index)} examples have {what}"


def _undefined(compared: Compared, form: Form, k: int) -> str:
    if form == "centred" and k == len(compared.rows.index):
        return _constant(compared)
    lack = {"plain": "is zero", "centred": "is the mean of all", "correlation": "is the same in all dimensions"}
    return _count(compared, k, f"a state that {lack[form]}, so that it has no direction")


def _constant(compared: Compared) -> str:
    other = f"here or at {compared.kind.reference}" if compared.kind.reference else "after this block or the one before"
    return f"the {compared.kind.of} are the same in all compared examples, {other}"


def _cka_cells(compared: Compared, layer: int, positions: list[int]) -> dict[int, Outcome]:
    """Each class of a contrast by itself, on the same blocks."""
    labels, groups = compared.rows.labels, compared.rows.groups
    sides = [np.flatnonzero(labels), np.flatnonzero(~labels)] if compared.rows.contrasts else [np.arange(len(groups))]
    parts = [order[np.argsort(groups[order], kind="stable")] for order in sides if len(order)]
    blocks = [np.unique(groups[part], return_inverse=True)[1] for part in parts]
    shared: list[Gram] | None = None
    found: dict[int, Outcome] = {}
    for p in positions:
        column = compared.where[p]
        ones = [Gram(compared.side(layer, column), part) for part in parts]
        others = shared or [Gram(_other(compared, layer, column), part) for part in parts]
        shared = others if compared.reference is not None else None
        found[p] = _cka(compared, parts, blocks, ones, others)
    return found


def _cka(
    compared: Compared, parts: Sequence[Ints], blocks: Sequence[Ints], ones: list[Gram], others: list[Gram]
) -> Outcome:
    bad = sum(int(np.count_nonzero(~(a.finite & b.finite))) for a, b in zip(ones, others, strict=True))
    if bad:
        return None, None, CellStatus.NOT_FINITE, _count(compared, bad, "NaN or infinite values")
    if any(gram.constant for gram in (*ones, *others)):
        return None, None, CellStatus.CONSTANT, _constant(compared)
    values = np.empty(len(compared.rows.index))
    for part, block, one, other in zip(parts, blocks, ones, others, strict=True):
        values[part] = cka_values(one, other, block)
    if np.isnan(values).any():
        why = f"debiased CKA needs {FEWEST} examples outside each group, and states that vary by more than noise"
        return None, None, CellStatus.TOO_FEW, why
    return values, None, CellStatus.OK, ""
