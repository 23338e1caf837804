"""What a transfer asks of a model, and whether the model has it; it computes nothing and runs nothing."""

from __future__ import annotations

from layergrid.kinds import BadInput, Needs, Outline, chosen_layers
from layergrid.spec import TransferSpec


def needs(asked: TransferSpec) -> Needs:
    """What a transfer asks of the forward pass."""
    graded = asked.predict != "label"
    return Needs(
        sites=frozenset({asked.site}), layers=asked.layers, labels=True, grades=graded,
        p_true=graded and "p_true" in asked.baselines,
    )  # fmt: skip


def check_model(asked: TransferSpec, outline: Outline, model: str, name: str) -> None:
    """Raises BadInput where a model lacks what a transfer reads; called before it is loaded."""
    stack, _, bare = asked.site.rpartition(".")
    where = f"transfer.{name}"
    if stack and not outline.encoder_layers:
        raise BadInput(f"{where}.site: model {model} has one stack; write {bare} in place of {asked.site}")
    if not stack and outline.encoder_layers:
        raise BadInput(f"{where}.site: model {model} has two stacks; write encoder.{bare} or decoder.{bare}")
    if asked.head is not None and outline.heads and asked.head >= outline.heads:
        raise BadInput(
            f"{where}.head: model {model} has no head {asked.head}; its heads go from 0 to {outline.heads - 1}"
        )
    try:
        chosen_layers(asked.layers, outline.encoder_layers if stack == "encoder" else outline.layers, model)
    except BadInput as error:
        raise BadInput(f"{where}.layers: {error}") from None
