"""What a spec may say of a transfer: probes trained on one set of rows and scored on another; it runs nothing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from layergrid.layers import LayerChoice, Site
from layergrid.penalties import Penalties, PenaltyRange, from_weak_to_strong
from layergrid.spec.base import Model

Text = Annotated[str, Field(min_length=1)]
Simpler = Literal[
    "answer_length", "truncation", "logprob_mean", "logprob_min", "logprob_max", "exact_logprob_mean",
    "exact_logprob_min", "exact_logprob_max", "p_true",
]  # fmt: skip
USUAL: tuple[Simpler, ...] = (
    "answer_length", "logprob_mean", "logprob_min", "exact_logprob_mean", "exact_logprob_min",
)  # fmt: skip
OVER = {"datasets": "data sets", "positions": "positions", "layers": "layers", "models": "models"}


class TransferSpec(Model):
    """Probes trained on one set of rows and scored on another, as a matrix of all pairs."""

    over: Literal["datasets", "positions", "layers", "models"] = Field(
        "datasets", description="What is paired: data sets, positions of one, its layers, or models of one width."
    )
    models: tuple[Text, ...] = Field(
        (), description="Names of models; `model` for one. Left out: the only one, or all of them over models."
    )
    datasets: tuple[Text, ...] = Field(
        (), description="Names of data sets; `dataset` for one. Left out: the only one, or all of them over data sets."
    )
    site: Site = Field("residual", description="What is read, as in a grid of kind probe.")
    head: int | None = Field(None, ge=0, description="The head that `head_out` reads, counted from 0.")
    layers: LayerChoice = Field(
        "all",
        description="Layers to choose from on the source alone, as in a grid; `layer` for one. Over layers: each is a "
        "source and a target.",
    )
    positions: tuple[Text, ...] = Field(
        (),
        description="Positions to choose from on the source alone, by name or glob; `position` for one; left out: all. "
        "Over positions: each is a source and a target.",
    )
    predict: Literal["error", "correct", "label"] = Field(
        "error", description="Positive class, as in a grid of kind probe; `label` is the default of a label column."
    )
    folds: int = Field(
        5, ge=3, le=20, description="Folds, by label and group; groups and near-duplicates are held out of all sets."
    )
    penalties: Penalties = Field(
        PenaltyRange(), description="Penalties to choose from on the source alone, as in a grid of kind probe."
    )
    baselines: tuple[Simpler, ...] = Field(
        USUAL, description="Simpler predictors of a fixed sign, that learn nothing and so need no transfer."
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    @field_validator("models", "datasets", "positions", "baselines")
    @classmethod
    def _none_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        again = next((one for i, one in enumerate(value) if one in value[:i]), None)
        if again is not None:
            raise ValueError(f"{again!r} stands twice; remove one of the two")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        of_heads = self.site.endswith("head_out")
        if of_heads != (self.head is not None):
            raise ValueError("'head' is for the site head_out; " + ("name one" if of_heads else "remove it"))
        if not self.site.endswith("residual") and isinstance(self.layers, tuple) and 0 in self.layers:
            raise ValueError(f"layer 0 is the embedding, and {self.site} belongs to a block; name layers from 1")
        for key in ("models", "datasets"):
            named: tuple[str, ...] = getattr(self, key)
            if self.over == key and len(named) == 1:
                raise ValueError(f"'{key}' names one, and a transfer over {OVER[key]} needs two at least")
            if self.over != key and len(named) > 1:
                raise ValueError(f"'{key}' names several, and a transfer over {OVER[self.over]} reads one")
        if self.over == "layers" and isinstance(self.layers, tuple) and len(set(self.layers)) == 1:
            raise ValueError("'layers' names one, and a transfer over layers needs two at least")
        return self

    @property
    def penalty_values(self) -> tuple[float, ...]:
        """The penalties, each once, from weak to strong."""
        return from_weak_to_strong(self.penalties)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The answers that are read, (model, data set), in the order of the axes."""
        return tuple((model, dataset) for model in self.models for dataset in self.datasets)
