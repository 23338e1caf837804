"""Finds out which way the attention of a model can be read, by running it on a few tokens; it reads none for a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid import text
from layergrid.artifacts import Ints
from layergrid.attention.reading import NAME, OffInterfaceError, Reading, register, tolerance, watching
from layergrid.attention.rows import Asked
from layergrid.attention.stacks import Stack, implementation
from layergrid.attention.tokens import Question
from layergrid.kinds import BadInput, BuildError
from layergrid.models.tracing import accepts

if TYPE_CHECKING:
    import torch

TRIAL_TOKENS = 9
# What models raise that are off the interface and are given its mask, or none.
FAULTS = (
    OffInterfaceError,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Way:
    """How attention is read."""

    model: str
    name: str  # the implementation that the model is given
    eager: bool  # weights are taken from what modules put out
    plain: bool  # the output of attention is eager's
    layers: frozenset[int]  # layers whose attention comes by
    lacking: Mapping[int, str]  # the others -> why
    options: dict[str, Any] = field(default_factory=dict)  # of the forward pass

    def reading(
        self, stack: Stack, asked: Asked, wanted: frozenset[int], weighting: str, maps: dict[int, Any]
    ) -> Reading:
        """An empty reading of a batch; `maps` are kept from batch to batch."""
        outputs = {layer: one.output for layer, one in enumerate(stack.parts, start=1) if one.output is not None}
        return Reading(asked, wanted, weighting, outputs, maps, plain=self.plain)

    def read(self, stack: Stack, batch: Ints, reading: Reading) -> None:
        """One forward pass.

        Raises BuildError where a layer's attention did not come by, though it did in the trial, or where the weights
        do not give what attention puts out.
        """
        with implementation(stack.loaded.model, self.name), watching(reading, stack.blocks, eager=self.eager):
            stack.run(batch, self.options)
        if reading.error > 1:
            raise BuildError(
                f"model {self.model}: the attention weights of {type(stack.loaded.model).__name__} do not give the "
                "output of its attention; leave the attention grid out for this model"
            )
        missed = sorted(self.layers - reading.seen)
        if missed:
            raise BuildError(
                f"model {self.model}: the attention of {text.layers(missed)} did not come by, though it did in "
                "a trial; leave the attention grid out for this model"
            )


def find_way(stack: Stack, asked: Question, weighting: str) -> Way:
    """The interface where every layer with attention uses it, and gives what the model itself gives; else eager.

    Raises:
        BadInput: no block has attention, or the weighting needs what an eager run does not show.
        BuildError: neither way yields any attention.
    """
    model = stack.loaded.card.name
    layers = range(1, len(stack.parts) + 1)
    without = {i: one.why_no_attention for i, one in zip(layers, stack.parts, strict=True) if one.attention is None}
    nothing = BadInput(
        f"model {model} has no attention: its blocks ({type(stack.parts[0].block).__name__}) have none; leave the "
        "attention grid out for this model"
    )
    if not len(asked.run):
        if len(without) == len(layers):
            raise nothing
        return Way(model, "eager", True, True, frozenset(), without)
    example = asked.run[np.argmax(asked.lengths[asked.run])]
    trial = _Trial(stack.short(TRIAL_TOKENS), asked.index[[example]])
    seen, plain = trial.interface()
    name, eager, options = NAME, False, dict[str, Any]()
    if not frozenset(layers) - without.keys() <= seen:
        by_eye, options = trial.eager()
        if len(by_eye) > len(seen):
            name, eager, seen = "eager", True, by_eye
    if not seen and len(without) == len(layers):
        raise nothing
    if not seen:
        raise BuildError(
            f"model {model}: the attention weights of {type(stack.loaded.model).__name__} cannot be read: its modules "
            "neither use transformers' attention interface nor put their weights out; leave the attention grid out"
        )
    if eager and weighting == "value":
        raise BadInput(
            f"model {model}: {type(stack.loaded.model).__name__} does not show the value vectors of its heads, which "
            "`weighting: value` needs; use `weighting: weight`"
        )
    missed = {i: without.get(i, "its attention weights cannot be read") for i in layers if i not in seen}
    if missed and weighting == "rollout":
        raise BadInput(
            f"model {model}: rollout is a product over all layers, and {text.layers(list(missed))} "
            f"{'has' if len(missed) == 1 else 'have'} no attention; use another `weighting`"
        )
    return Way(model, name, eager, plain, frozenset(seen), missed, options if eager else {})


@dataclass(frozen=True)
class _Trial:
    stack: Stack
    example: Ints  # [1]

    def interface(self) -> tuple[frozenset[int], bool]:
        """Layers that called our function, none where it gives not the model's own output; whether that is eager's."""
        register()
        own = self.stack.run(self.example)
        plain = self.stack.loaded.settings._attn_implementation == "eager"
        reading = self._reading(own, plain=plain)
        try:
            found = self._run(reading, NAME, {})
        except FAULTS:
            return frozenset(), plain
        near = tolerance(own)
        agrees = reading.error <= 1 and float((found - own).abs().max()) <= near * float(own.abs().max())
        return frozenset(reading.seen) if agrees else frozenset(), plain

    def eager(self) -> tuple[frozenset[int], dict[str, Any]]:
        """Layers whose modules put their weights out in an eager run, and what the run must be asked for."""
        own = self.stack.run(self.example)
        found: dict[frozenset[int], dict[str, Any]] = {frozenset(): {}}
        asking = accepts(self.stack.module, "output_attentions")
        for options in ({}, dict.fromkeys(asking, True)):
            reading = self._reading(own)
            self._run(reading, "eager", options)
            found.setdefault(frozenset(reading.seen), options)
        best = max(found, key=len)
        return best, found[best]

    def _reading(self, states: torch.Tensor, plain: bool = False) -> Reading:
        """One that looks at every row of every layer, and keeps no key."""
        import torch

        tokens, device = states.shape[1], self.stack.loaded.device
        rows = torch.arange(tokens, device=device)[None]
        real = torch.ones_like(rows, dtype=torch.bool)
        share = torch.ones((1, 1, tokens), device=device) / tokens
        asked = Asked(rows, share, torch.zeros((1, tokens, 0), device=device), real, drop=False)
        return Reading(asked, frozenset(range(1, len(self.stack.parts) + 1)), plain=plain)

    def _run(self, reading: Reading, name: str, options: dict[str, Any]) -> torch.Tensor:
        with implementation(self.stack.loaded.model, name), watching(reading, self.stack.blocks, eager=name == "eager"):
            return self.stack.run(self.example, options)
