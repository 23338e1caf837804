"""Which tokens a stack of a model reads, and how it is run without the head; it knows nothing of attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.artifacts import Ints, Sequences
from layergrid.kinds import STACKS, BadInput, BuildError
from layergrid.models import Loaded, accepts
from layergrid.models.architecture import Parts, parts
from layergrid.models.tracing import stack_module

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Stack:
    """The blocks whose attention is read, and the tokens that they see."""

    loaded: Loaded
    name: str  # "", "encoder" or "decoder"
    parts: tuple[Parts, ...]  # one a block

    def spans(self, sequences: Sequences) -> Ints:
        """Int [N, 3]: first and last-but-one token index of `Sequences.ids` that stand here, and where the first does.

        The decoder of two stacks reads its start token at place 0, then the completion.
        """
        sizes = np.array([len(ids) for ids in sequences.ids], dtype=np.int64)
        prompts = np.asarray(sequences.prompt_tokens, dtype=np.int64)
        nothing = np.zeros_like(sizes)
        if self.name == "encoder":
            return np.stack([nothing, prompts, nothing], axis=1)
        if self.name == "decoder":
            return np.stack([prompts, sizes, nothing + 1], axis=1)
        return np.stack([nothing, sizes, nothing], axis=1)

    def tokens(self, sequences: Sequences, i: int) -> tuple[str, ...]:
        """What stands at each place that this stack reads of example `i`."""
        first, last, offset = self.spans(sequences)[i]
        shown = sequences.pieces[i][first:last]
        return (str(self.loaded.tokenizer.convert_ids_to_tokens(self.start)), *shown) if offset else tuple(shown)

    def lengths(self, sequences: Sequences) -> Ints:
        """Int [N]: how many places this stack reads of each example."""
        first, last, offset = self.spans(sequences).T
        return np.asarray(last - first + offset)

    @property
    def module(self) -> Any:
        """The module that runs the stack, without a head."""
        return stack_module(self.loaded.model, self.name)

    @property
    def start(self) -> int:
        """The token that the decoder of two stacks begins with."""
        config, generation = self.loaded.model.config, self.loaded.model.generation_config
        for one in (config, generation):
            found = getattr(one, "decoder_start_token_id", None)
            if found is not None:
                return int(found)
        raise BuildError(f"model {self.loaded.card.name}: its configuration names no decoder_start_token_id")

    def run(self, sequences: Sequences, batch: Ints, options: dict[str, Any], most: int | None = None) -> torch.Tensor:
        """The last states of the stack for these examples, right-padded; of their first `most` tokens only if given."""
        pad, device = self.loaded.pad_id, self.loaded.device
        first, last, _ = self.spans(sequences).T
        rows = [sequences.ids[i][first[i] : last[i]][:most] for i in batch]
        if self.name != "decoder":
            return _states(self.module, _padded(rows, pad, device), options)
        prompts = _padded([sequences.ids[i][: first[i]][:most] for i in batch], pad, device)
        encoder = stack_module(self.loaded.model, "encoder")
        seen = {"encoder_hidden_states": _states(encoder, prompts, {}), "encoder_attention_mask": prompts[1]}
        begun = [np.concatenate([[self.start], row]) for row in rows]
        return _states(self.module, _padded(begun, pad, device), {**seen, **options})


def find_stack(loaded: Loaded, name: str) -> Stack:
    """The stack that a need names; raises BadInput where the model has no such stack, or has two and none is named."""
    two = bool(getattr(loaded.model.config, "is_encoder_decoder", False))
    if two and name not in STACKS:
        raise BadInput(f"model {loaded.card.name} has an encoder and a decoder; write `stack: encoder` or `decoder`")
    if not two and name:
        raise BadInput(f"model {loaded.card.name} has one stack of blocks; leave out `stack: {name}`")
    return Stack(loaded, name, parts(loaded, name))


def _states(module: Any, inputs: tuple[torch.Tensor, torch.Tensor], options: dict[str, Any]) -> torch.Tensor:
    import torch

    ids, mask = inputs
    usual = {"use_cache": False} if accepts(module, "use_cache") else {}
    with torch.inference_mode():
        found = module(input_ids=ids, attention_mask=mask, **usual, **options)
    states: torch.Tensor = found[0]
    return states


def _padded(rows: Sequence[Ints], pad: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and attention mask, int64 [batch, tokens]."""
    import torch

    ids = torch.full((len(rows), max(len(row) for row in rows)), pad)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(np.asarray(row, dtype=np.int64))
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)


def plan(lengths: Ints, chosen: Ints, batch_tokens: int) -> list[Ints]:
    """Batches of example indices, longest first, each at most `batch_tokens` with its padding, or of one example."""
    order = chosen[np.argsort(-lengths[chosen], kind="stable")]
    batches, start = [], 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def halving(batch: Ints, run: Callable[[Ints], None]) -> None:
    """Runs a batch, or its halves where memory does not hold it; one example that does not fit raises BuildError."""
    import torch

    try:
        run(batch)
        return
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise BuildError(f"the memory of the device does not hold one example: {error}") from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = (len(batch) + 1) // 2
    halving(batch[:middle], run)
    halving(batch[middle:], run)


@contextmanager
def implementation(model: Any, name: str) -> Iterator[None]:
    """While it lasts, the model and all models inside it use this implementation of attention; then each its own."""
    configs = {id(one.config): one.config for one in model.modules() if hasattr(one, "config")}
    inside = [c for c in configs.values() if hasattr(c, "_attn_implementation")]
    before = [c._attn_implementation for c in inside]
    try:
        for config in inside:
            config._attn_implementation = name
        yield
    finally:
        # Outer configurations come first: setting one sets those inside it.
        for config, one in zip(inside, before, strict=True):
            config._attn_implementation = one
