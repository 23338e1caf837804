"""The kind `similarity`: how alike states are at two places of the same text; it does not know why they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from layergrid.artifacts import Contrast, GridResult, PositionStatus, Quantity
from layergrid.kinds import Inputs, LayerChoice, LayerRange, Needs, StateGrid
from layergrid.text import site_name

if TYPE_CHECKING:
    from layergrid.grids.likeness import Compared

Measure = Literal["cosine", "centred_cosine", "correlation", "cka"]
NAMES: dict[Measure, str] = {
    "cosine": "cosine", "centred_cosine": "centred cosine", "correlation": "correlation", "cka": "debiased CKA",
}  # fmt: skip
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
        import numpy as np

        from layergrid.describing import FacetRows, describe
        from layergrid.grids.likeness import Compared, measured

        compared = Compared.of(self, inputs)
        shape = (len(compared.layers), len(compared.where), len(compared.rows.index))
        values, apart = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
        statuses = compared.without_values()
        for i in range(shape[0]):
            cells = measured(compared, i, [p for p in range(shape[1]) if (i, p) not in statuses])
            for p, (own, mismatched, status, reason) in cells.items():
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


def _settings(kind: SimilarityGrid, compared: Compared, baseline: bool) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    methods = {"measure": METHODS[kind.measure]}
    found: dict[str, Any] = {"measure": kind.measure, "of": kind.of, "reference": kind.reference, "methods": methods}
    if kind.of == "updates":
        methods["updates"] = "The update of a block is the state after it less the state before it."
    if kind.measure == "cka":
        from layergrid.describing import INTERVALS

        blocks = compared.blocks
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
