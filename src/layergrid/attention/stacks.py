"""The stack of blocks whose attention is read: its tokens, its parts and how it is run; it knows nothing of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layergrid.artifacts import Ints, Sequences
from layergrid.kinds import STACKS, BadInput
from layergrid.models import Loaded
from layergrid.models.architecture import Parts, parts
from layergrid.models.feeding import Feeding, feeding
from layergrid.models.tracing import forward, stack_module

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Stack:
    """The blocks of a model, or of one stack of two, and the tokens that they read."""

    loaded: Loaded
    name: str  # "", "encoder" or "decoder"
    parts: tuple[Parts, ...]  # one a block
    feed: Feeding

    @property
    def blocks(self) -> dict[int, Any]:
        """Layer, counted from 1 -> the module of its block."""
        return {layer: one.block for layer, one in enumerate(self.parts, start=1)}

    @property
    def module(self) -> Any:
        """The module that runs the stack, without a head."""
        return stack_module(self.loaded.model, self.name)

    @property
    def read(self) -> tuple[Ints, ...]:
        """The token ids that the stack reads of every example."""
        return self.feed.ids[self.name]

    def tokens(self, sequences: Sequences, i: int) -> tuple[str, ...]:
        """What stands at each place that the stack reads of example `i`; a decoder's first is its start token."""
        cut, shown = int(sequences.prompt_tokens[i]), sequences.pieces[i]
        if self.name == "decoder":
            return (str(self.loaded.tokenizer.convert_ids_to_tokens(int(self.read[i][0]))), *shown[cut:])
        return shown[:cut] if self.name == "encoder" else shown

    def short(self, tokens: int) -> Stack:
        """The same with no more than so many tokens of every example."""
        ids = {name: tuple(one[:tokens] for one in rows) for name, rows in self.feed.ids.items()}
        return replace(self, feed=replace(self.feed, ids=ids))

    def run(self, batch: Ints, options: Mapping[str, Any] | None = None) -> torch.Tensor:
        """The last states [batch, tokens, width] of these examples; `options` are further arguments of the stack."""
        import torch

        feeds = self.feed.padded(batch, self.loaded.device)
        with torch.inference_mode(), _given(self.module, options) if options else nullcontext():
            return forward(self.loaded.model, feeds)


def find_stack(loaded: Loaded, sequences: Sequences, name: str) -> Stack:
    """The stack that a need names; raises BadInput where the model has no such stack, or has two and none is named."""
    two = loaded.design == "encoder-decoder"
    if two and name not in STACKS:
        raise BadInput(f"model {loaded.card.name} has an encoder and a decoder; write `stack: encoder` or `decoder`")
    if not two and name:
        raise BadInput(f"model {loaded.card.name} has one stack of blocks; leave out `stack: {name}`")
    return Stack(loaded, name, parts(loaded, name), feeding(loaded, sequences, decoder=name == "decoder"))


@contextmanager
def _given(module: Any, options: Mapping[str, Any]) -> Iterator[None]:
    """While it lasts, the module is called with these arguments too."""
    handle = module.register_forward_pre_hook(lambda _, args, kwargs: (args, {**kwargs, **options}), with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def implementation(model: Any, name: str) -> Iterator[None]:
    """While it lasts, the model and all models inside it use this implementation of attention; then each its own."""
    configs = {id(one.config): one.config for one in model.modules() if hasattr(one, "config")}
    inside = [one for one in configs.values() if hasattr(one, "_attn_implementation")]
    before = [one._attn_implementation for one in inside]
    try:
        for config in inside:
            config._attn_implementation = name
        yield
    finally:
        # Outer configurations come first: setting one sets those inside it.
        for config, own in zip(inside, before, strict=True):
            config._attn_implementation = own
