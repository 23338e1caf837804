"""The kind `similarity`: how alike states are at two places of the same text; it does not know why they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from layergrid.artifacts import Activations, Bools, CellStatus, GridResult, Ints, PositionStatus, Quantity
from layergrid.describing import INTERVALS, Contrast, FacetRows, Rows, columns, describe, lacking, rows
from layergrid.describing.alike import FEWEST, Directions, Form, Gram, Plan, Side, cka_values, cosines
from layergrid.kinds import BadInput, Inputs, LayerChoice, LayerRange, Needs, StateGrid, chosen_layers
from layergrid.stats import Array
from layergrid.text import site_name

Measure = Literal["cosine", "centred_cosine", "correlation", "cka"]
Cell = tuple[int, int]
Outcome = tuple[Array | None, Array | None, CellStatus, str]  # rows of a cell, of mismatched pairs, status, reason
FORMS: dict[Measure, Form] = {"cosine": "plain", "centred_cosine": "centred", "correlation": "correlation"}
NAMES: dict[Measure, str] = {
    "cosine": "cosine", "centred_cosine": "centred cosine", "correlation": "correlation", "cka": "debiased CKA",
}  # fmt: skip
JACKKNIFE = 100  # blocks of groups that are left out in turn, at most
METHODS = {
    "cosine": "The similarity of two states is their cosine.",
    "centred_cosine": "The similarity of two states is their cosine after the mean state of the compared rows in the "
    "same cell is subtracted from each.",
    "correlation": "The similarity of two states is Pearson's correlation over their dimensions.",
    "cka": "Two sets of states are compared over examples by linear CKA with the unbiased HSIC (Song et al. 2012; "
    "Murphy et al. 2024): plain CKA goes to 1 where examples are fewer than dimensions, whatever the states.",
}
BASELINE = "Beside each cell stands the mean over all pairs of states from different examples, one at each place, that "
BASELINE += "share no group."
CAUTIONS: dict[Measure, str] = {
    "cosine": "States of any two texts share directions, so that a value far above 0 is no likeness by itself; the "
    "value of mismatched examples says what any two texts have in common.",
    "centred_cosine": "What all compared examples share is taken away, so that unrelated states stand near 0; what is "
    "left may still be shared by a part of them, such as those of one kind of question.",
    "cka": "CKA compares how examples lie to each other, not the states themselves: two places may hold the same in "
    "other directions. An unbiased estimate may fall a little outside the range.",
}
CAUTIONS["correlation"] = CAUTIONS["cosine"]
REFERENCE_ONLY = "Each position is compared with {0} only; how alike the other positions are to each other is not told."


class SimilarityGrid(StateGrid):
    """The mean similarity of the states in every cell to those at a reference, with that of mismatched examples."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    position_keys: ClassVar[tuple[str, ...]] = ("with",)
    version: ClassVar[int] = 3
    kind: Literal["similarity"] = "similarity"
    measure: Measure = Field(
        "cosine",
        description="`cosine`; `centred_cosine` (the mean state of the compared rows subtracted); `correlation` "
        "(Pearson's, over the dimensions of two states); or `cka` (debiased linear CKA over examples).",
    )
    reference: str = Field(
        "", alias="with", description="Position that the state at every position is compared with, layer by layer."
    )
    of: Literal["states", "updates"] = Field(
        "states",
        description="`states`, or `updates`: what a block adds to the residual stream, compared with what the block "
        "before adds at the same position, or with what the same block adds at the position `with`.",
    )
    contrast: Contrast = Field(
        "none",
        description="`error` (wrong minus right answers), `correct` (right minus wrong) or `label` (a label column's "
        "class minus the other): cells are differences of two means. `none`: means over all rows.",
    )
    statuses: Annotated[tuple[PositionStatus, ...], Field(min_length=1)] = Field(
        (PositionStatus.OK,), description="Rows are compared where every position has one of these statuses."
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    @model_validator(mode="after")
    def _something_to_compare(self) -> SimilarityGrid:
        if self.of == "states" and not self.reference:
            raise ValueError("'with' is missing: the position that every state is compared with (or 'of: updates')")
        if self.of == "updates" and not self.site.endswith("residual"):
            raise ValueError(f"updates are differences of the residual stream; remove 'site: {self.site}'")
        highest = _highest(self.layers)
        if highest is not None and highest < self.below:
            raise ValueError(f"updates start at layer {self.below}, and 'layers' goes up to {highest}")
        return self

    @property
    def below(self) -> int:
        """How many layers below a cell's own it reads."""
        return 0 if self.of == "states" else 1 if self.reference else 2

    def needs(self) -> Needs:
        """One site of the chosen layers and of those below that updates take, and labels for a contrast."""
        layers = with_layers_below(self.layers, self.below)
        return replace(super().needs(), layers=layers, labels=self.contrast != "none")

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all compared positions and at the reference."""
        compared = _Compared.of(self, inputs)
        shape = (len(compared.layers), len(compared.where), len(compared.rows.index))
        values, apart = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
        statuses = compared.without_values()
        for i in range(shape[0]):
            measured = _measured(compared, i, [p for p in range(shape[1]) if (i, p) not in statuses])
            for p, (own, mismatched, status, reason) in measured.items():
                if own is not None:
                    values[i, p] = own
                    apart[i, p] = np.nan if mismatched is None else mismatched
                else:
                    statuses[i, p] = status, reason
            inputs.progress((i + 1) * shape[1], shape[0] * shape[1])
        label = f"{named(self)}{' in' if self.of == 'updates' else ' of'} mismatched examples"
        facets = (FacetRows("mismatched", "reference", label, apart),) if np.isfinite(apart).any() else ()
        return describe(
            compared.inputs, kind=self.kind, site=self.site, head="" if self.head is None else str(self.head),
            metric=self.measure, quantity=quantity(self), layers=compared.layers, values=values, rows=compared.rows,
            level=self.level, contrast=self.contrast, facets=facets, cell_status=statuses,
            settings=_settings(self, compared, bool(facets)),
        )  # fmt: skip


def with_layers_below(choice: LayerChoice, below: int) -> LayerChoice:
    """A choice of layers with the layers right below each of them; of an open range with steps, all from the first."""
    if below == 0 or choice == "all":
        return choice
    if isinstance(choice, str):
        low, high = sorted(map(int, choice.split("..")))
        return LayerRange(start=max(0, low - below), to=high)
    if isinstance(choice, LayerRange):
        return LayerRange(start=max(0, choice.start - below), to=choice.to)
    return tuple(sorted({max(0, layer - k) for layer in choice for k in range(below + 1)}))


def _highest(choice: LayerChoice) -> int | None:
    """The highest layer that a choice names; None where that is the model's last."""
    if choice == "all":
        return None
    if isinstance(choice, str):
        return max(map(int, choice.split("..")))
    return choice.to if isinstance(choice, LayerRange) else max(choice)


# ---------------------------------------------------------------- what is compared


@dataclass(frozen=True)
class _Compared:
    """The rows, layers and positions that a grid compares, and where they stand in the activations."""

    kind: SimilarityGrid
    inputs: Inputs  # as given; groups of examples are blocks where a jackknife has put several into one
    states: Activations
    rows: Rows
    layers: tuple[int, ...]
    where: list[int]  # P: columns of the activations
    reference: int | None  # column of the activations
    groups_in_all: int  # before they were put into blocks

    @classmethod
    def of(cls, kind: SimilarityGrid, inputs: Inputs) -> _Compared:
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


def _measured(compared: _Compared, i: int, positions: list[int]) -> dict[int, Outcome]:
    """What each of some positions gives in one layer; the reference's part is made once."""
    if not positions or not len(compared.rows.index):
        return {}
    make = _cka_cells if compared.kind.measure == "cka" else _cosine_cells
    return make(compared, compared.layers[i], positions)


def _other(compared: _Compared, layer: int, column: int) -> Side:
    """What a cell is compared with: the reference position, or the update of the block before."""
    if compared.reference is not None:
        return compared.side(layer, compared.reference)
    return compared.side(layer - 1, column)


def _cosine_cells(compared: _Compared, layer: int, positions: list[int]) -> dict[int, Outcome]:
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


def _count(compared: _Compared, k: int, what: str) -> str:
    return f"{k} of {len(compared.rows.index)} examples have {what}"


def _undefined(compared: _Compared, form: Form, k: int) -> str:
    if form == "centred" and k == len(compared.rows.index):
        return _constant(compared)
    lack = {"plain": "is zero", "centred": "is the mean of all", "correlation": "is the same in all dimensions"}
    return _count(compared, k, f"a state that {lack[form]}, so that it has no direction")


def _constant(compared: _Compared) -> str:
    other = f"here or at {compared.kind.reference}" if compared.kind.reference else "after this block or the one before"
    return f"the {compared.kind.of} are the same in all compared examples, {other}"


def _cka_cells(compared: _Compared, layer: int, positions: list[int]) -> dict[int, Outcome]:
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
    compared: _Compared, parts: Sequence[Ints], blocks: Sequence[Ints], ones: list[Gram], others: list[Gram]
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


# ---------------------------------------------------------------- what a cell holds


def named(kind: SimilarityGrid) -> str:
    """The name of what a cell holds, in which updates differ from states."""
    return NAMES[kind.measure] + (" of updates" if kind.of == "updates" else "")


def quantity(kind: SimilarityGrid) -> Quantity:
    """What a cell is, in words."""
    site, name = site_name(kind.site, kind.head), NAMES[kind.measure]
    what = name if kind.measure == "cka" else f"mean {name}"
    if kind.of == "states":
        between = f"between the {site} at one token position and at {kind.reference}, in one layer"
    else:
        other = f"at {kind.reference}" if kind.reference else "what the block before adds there"
        between = f"between what one block adds to the {site} at one token position and {other}"
    caution = CAUTIONS[kind.measure] + (f" {REFERENCE_ONLY.format(kind.reference)}" if kind.reference else "")
    over = ", over examples" if kind.measure == "cka" else ""
    return Quantity(
        name=named(kind),
        sentence=f"Each cell is the {what} {between}{over}.",
        subject="states" if kind.of == "states" else "updates",
        claim="alike",
        low=0.0 if kind.measure == "cka" else -1.0,
        high=1.0,
        chance=0.0 if kind.measure == "cka" else None,
        caution=caution,
    )


def _settings(kind: SimilarityGrid, compared: _Compared, baseline: bool) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    methods = {"measure": METHODS[kind.measure]}
    found: dict[str, Any] = {"measure": kind.measure, "of": kind.of, "reference": kind.reference, "methods": methods}
    if kind.of == "updates":
        methods["updates"] = "The update of a block is the state after it less the state before it."
    if kind.measure == "cka":
        blocks = len(np.unique(compared.rows.groups))
        capped = blocks < compared.groups_in_all
        what = f"one of {blocks} random blocks of whole groups" if capped else "one group"
        methods["jackknife"] = (
            f"The estimate is that of a jackknife that leaves out {what} at a time, weighted by size (Busing et al. "
            "1999); the rows of a group carry its pseudo-value, and the interval is that of their mean."
        )
        found |= {"jackknife_blocks": blocks, "groups_in_all": compared.groups_in_all}
        found["interval"] = f"of the jackknife's pseudo-values: {INTERVALS['mean', compared.rows.contrasts]}"
    if baseline:
        methods["mismatched"] = BASELINE
        if compared.rows.contrasts:
            methods["mismatched"] += " Pairs are made inside each class."
    return found
