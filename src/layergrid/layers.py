"""Sites and layers as specs name them, and which layers of a model a choice stands for; it knows no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from layergrid.errors import BadInput

SITES = ("residual", "mlp_in", "mlp_out", "attention_out", "head_out")
STACKS = ("encoder", "decoder")  # "encoder.residual": the site of one stack of a model that has both
Site = Literal[
    "residual", "mlp_in", "mlp_out", "attention_out", "head_out",
    "encoder.residual", "encoder.mlp_in", "encoder.mlp_out", "encoder.attention_out", "encoder.head_out",
    "decoder.residual", "decoder.mlp_in", "decoder.mlp_out", "decoder.attention_out", "decoder.head_out",
]  # fmt: skip


class LayerRange(BaseModel):
    """Layers from one to another, both included, or every so many of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    start: int = Field(0, alias="from", ge=0, description="First layer; 0 is the output of the embedding.")
    to: int | None = Field(None, ge=0, description="Last layer; left out: the last of the model.")
    every: int = Field(1, ge=1, description="Every so many layers, counted from the first.")

    @model_validator(mode="after")
    def _rising(self) -> LayerRange:
        if self.to is not None and self.to < self.start:
            raise ValueError(f"layers go from {self.start} to {self.to}; the first must not lie above the last")
        return self


LayerChoice = (
    Literal["all"]
    | Annotated[str, Field(pattern=r"^[0-9]{1,5}\.\.[0-9]{1,5}$")]
    | LayerRange
    | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
)


def chosen_layers(choice: LayerChoice, last: int, model: str) -> tuple[int, ...]:
    """The layers that a choice names in a model whose layers go from 0 to `last`, in order.

    Raises BadInput where it names one that the model does not have.
    """
    if choice == "all":
        return tuple(range(last + 1))
    if isinstance(choice, str):
        low, _, high = choice.partition("..")
        choice = LayerRange(start=min(int(low), int(high)), to=max(int(low), int(high)))
    if isinstance(choice, LayerRange):
        end = last if choice.to is None else choice.to
        found = tuple(range(choice.start, end + 1, choice.every)) or (choice.start,)
    else:
        found = tuple(sorted(set(choice)))
    outside = [layer for layer in found if layer > last]
    if outside:
        raise BadInput(f"model {model} has no layer {outside[0]}; its layers go from 0 (embedding) to {last}")
    return found
