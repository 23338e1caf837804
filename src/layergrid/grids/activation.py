"""The kind `activation`: how large states are, at each layer and position; it does not know what they are used for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from layergrid.artifacts import CellStatus, Contrast, Floats, GridResult, Ints, PositionStatus, Quantity
from layergrid.kinds import Inputs, Needs, StateGrid
from layergrid.text import site_name

if TYPE_CHECKING:
    from layergrid.stats import Array

Measure = Literal["norm", "relative_norm", "largest_share"]

METHODS = {
    "norm": "The norm of a state is Euclidean, over all of its dimensions as the model holds them.",
    "relative_norm": "The norm of a state is Euclidean; it is divided by the largest norm that the same example has in "
    "the same layer among the positions compared, so that the largest is 1.",
    "largest_share": "The share is the square of a state's largest entry by size over the sum of the squares of all; "
    "single dimensions that hold most of a state are known as massive activations (Sun et al. 2024).",
}
SIZE = "A norm says how large a state is, not how much the model uses it"
CAUTIONS = {
    "norm": f"{SIZE}; norms of the residual stream grow with depth in models that normalise before each block.",
    "relative_norm": f"{SIZE}; it is a share among the positions compared, and another choice of them gives another.",
    "largest_share": "A dimension that holds much of a state is a matter of scale: it need not carry what tells one "
    "text from another.",
}
ZERO = {
    "relative_norm": "states of zeros at all compared positions",
    "largest_share": "a state of zeros, which has no largest share",
}


class ActivationGrid(StateGrid):
    """The mean size of the states in every cell, with an interval over groups."""

    kind: Literal["activation"] = "activation"
    measure: Measure = Field(
        "norm",
        description="`norm` (Euclidean), `relative_norm` (over the largest norm among the compared positions of the "
        "same example in the same layer), or `largest_share` (share of the squared norm in the largest dimension).",
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

    def needs(self) -> Needs:
        """One site of the chosen layers, and labels for a contrast."""
        return replace(super().needs(), labels=self.contrast != "none")

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all compared positions."""
        import numpy as np

        from layergrid.describing import columns, describe, lacking, rows

        states = self.states(inputs)
        where = columns(states, inputs)
        chosen = rows(inputs, states.present[:, where], self.statuses, self.contrast)
        values = np.full((len(states.layers), len(where), len(chosen.index)), np.nan, dtype=np.float32)
        statuses = lacking(states, states.layers, len(where))
        for i, layer in enumerate(states.layers):
            kept = np.flatnonzero(chosen.positions & (layer not in states.lacking))
            if len(kept):
                sizes, zero = _measured(self.measure, [states.values[i, where[p]] for p in kept], chosen.index)
                values[i, kept] = sizes
                for p in kept[zero > 0]:
                    why = f"{zero[kept == p][0]} of {len(chosen.index)} examples have {ZERO[self.measure]}"
                    statuses[i, int(p)] = CellStatus.CONSTANT, why
            inputs.progress((i + 1) * len(where), len(states.layers) * len(where))
        return describe(
            inputs, kind=self.kind, site=self.site, head="" if self.head is None else str(self.head),
            metric=self.measure, quantity=quantity(self), layers=states.layers, values=values, rows=chosen,
            level=self.level, contrast=self.contrast, cell_status=statuses,
            settings={"measure": self.measure, "methods": {"measure": METHODS[self.measure]}},
        )  # fmt: skip


def _measured(measure: Measure, cells: list[Floats], index: Ints) -> tuple[Array, Ints]:
    """Values [P, n] of the chosen rows of cells [N, D] of one layer, and of how many rows [P] a zero leaves none."""
    import numpy as np

    from layergrid.describing import blocks

    whole, largest = (np.empty((len(cells), len(index))) for _ in range(2))
    for p, states in enumerate(cells):
        for part in blocks(states.shape[1], len(index)):
            squares = np.square(states[index[part]], dtype=np.float64)
            whole[p, part] = squares.sum(axis=1)
            if measure == "largest_share":
                largest[p, part] = squares.max(axis=1)
    norms = np.sqrt(whole)
    if measure == "norm":
        return norms, np.zeros(len(cells), dtype=np.int64)
    relative = measure == "relative_norm"
    by = np.broadcast_to(norms.max(axis=0), norms.shape) if relative else whole
    found = np.full(norms.shape, np.nan)
    known = np.isfinite(by) & (by > 0)
    found[known] = (norms if relative else largest)[known] / by[known]
    return found, np.count_nonzero(by == 0, axis=1)


# ---------------------------------------------------------------- what a cell holds


def quantity(kind: ActivationGrid) -> Quantity:
    """What a cell is, in words."""
    site = site_name(kind.site, kind.head)
    held = {
        "norm": f"the mean Euclidean norm of the {site} at one layer and one token position",
        "relative_norm": f"the mean norm of the {site} at one layer and one token position, as a share of the largest "
        "norm among the positions compared in the same example and layer",
        "largest_share": f"the mean share that the largest dimension holds of the squared norm of the {site}, at one "
        "layer and one token position",
    }
    return Quantity(
        name={"norm": "norm", "relative_norm": "relative norm", "largest_share": "largest share"}[kind.measure],
        sentence=f"Each cell is {held[kind.measure]}.",
        subject="shares of the largest dimension" if kind.measure == "largest_share" else "states",
        claim="large",
        low=0.0,
        high=None if kind.measure == "norm" else 1.0,
        chance=None,
        caution=CAUTIONS[kind.measure],
    )
