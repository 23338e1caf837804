"""Reads logits out of states by the model's own last norm and head; it knows no grid, and finds no position.

The model itself is run, on sequences of one token each, while every block puts out the given states in place of its
own: whatever comes after the last block (norm, projections, biases, head, scale, soft-capping) is the model's own code,
and runs once. Before the first use the raw output of the last block is read in this way and held against the logits of
an ordinary run, so that a model in which something else decides them is refused and not misread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.kinds import BadInput, BuildError, Readout
from layergrid.models import Loaded, accepts, blocks
from layergrid.prompts import tokenizable

if TYPE_CHECKING:
    import torch

VERSION = 1  # part of the key of what is read out: raise it when the numbers change
CHUNK = 2**24  # logits that are in memory at once: 64 MiB in float32
TRIAL_TOKENS = 4
TOLERANCE = {"float32": 1e-4, "float64": 1e-4}  # relative error of the trial; elsewhere HALF
HALF = 0.05


def readout(loaded: Loaded) -> Readout:
    """What reads logits out of states of the residual stream, of the decoder where a model has two stacks.

    Raises:
        BadInput: the model has no language-model head.
        BuildError: its logits do not follow from the output of its last block.
    """
    return _Lens(loaded, _trial(loaded))


def late(load: Callable[[], Loaded]) -> Readout:
    """The same for a model that is loaded when the first state or text is read; errors come then."""
    return _Late(load)


class _Late:
    def __init__(self, load: Callable[[], Loaded]) -> None:
        self._load = load

    @cached_property
    def _readout(self) -> Readout:
        return readout(self._load())

    def __call__(self, states: Floats, targets: Ints) -> tuple[Floats, Ints]:
        return self._readout(states, targets)

    def encode(self, text: str) -> tuple[Ints, Ints]:
        return self._readout.encode(text)


@dataclass(frozen=True)
class _Form:
    """How the model is run, and what its last block puts out."""

    blocks: tuple[Any, ...]  # torch modules, each once
    shapes: tuple[Any, ...]  # what each of them put out, without tensors
    encoded: Any  # [1, 1, D] output of the encoder for one token; None: there is one stack
    options: Mapping[str, Any]  # of every run
    dtype: Any  # of the states, and where they are
    device: Any
    vocabulary: int  # logits of one state


@dataclass(frozen=True)
class _Lens:
    loaded: Loaded
    form: _Form

    def __call__(self, states: Floats, targets: Ints) -> tuple[Floats, Ints]:
        """States [n, D] and token ids [n] -> log-probability [n], float32, and rank [n], int64; rank 0 where NaN."""
        import torch

        logprobs = np.empty(len(states), dtype=np.float32)
        ranks = np.empty(len(states), dtype=np.int64)
        size = max(1, CHUNK // self.form.vocabulary)
        for start in range(0, len(states), size):
            part = slice(start, start + size)
            wanted = torch.from_numpy(np.array(targets[part], dtype=np.int64))
            with torch.inference_mode():
                logits = _logits(self.loaded, self.form, torch.from_numpy(np.array(states[part], dtype=np.float32)))
                own = logits.gather(1, wanted[:, None].to(logits.device))
                found = (own - logits.logsumexp(dim=1, keepdim=True))[:, 0]
                rank = (logits > own).sum(dim=1) + 1
            logprobs[part] = found.cpu().numpy()
            ranks[part] = rank.masked_fill(found.isnan(), 0).cpu().numpy()
        return logprobs, ranks

    def encode(self, text: str) -> tuple[Ints, Ints]:
        """Ids [T], int32, of a text without special tokens added, and the characters [T, 2] that each covers."""
        encoded = self.loaded.tokenizer(
            tokenizable(text), add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = np.asarray(encoded["offset_mapping"], dtype=np.int32).reshape(-1, 2)
        return np.asarray(encoded["input_ids"], dtype=np.int32), offsets


def _logits(loaded: Loaded, form: _Form, states: torch.Tensor) -> torch.Tensor:
    """The logits [n, V], float32, of states [n, D]; to be called in inference mode."""
    given = states.to(form.device, form.dtype)[:, None]
    with _putting_out(form.blocks, [_with_states(shape, given) for shape in form.shapes]):
        logits: torch.Tensor = _run(loaded, _dummy(loaded, (len(states), 1)), form.encoded, form.options).logits
    return logits[:, 0].float()


# ---------------------------------------------------------------- running the model


def _run(loaded: Loaded, ids: torch.Tensor, encoded: Any, options: Mapping[str, Any]) -> Any:
    """One forward pass on ids [n, T], of the decoder where `encoded` [1, 1, D] stands in for the encoder's output."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    mask = torch.ones_like(ids)
    if encoded is None:
        return loaded.model(input_ids=ids, attention_mask=mask, **options)
    states = encoded.expand(len(ids), -1, -1)
    return loaded.model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        attention_mask=mask[:, :1],
        decoder_input_ids=ids,
        **options,
    )


def _dummy(loaded: Loaded, shape: tuple[int, ...]) -> torch.Tensor:
    """Ids on the model's device that are not padding: 0, 1, ... along the last axis, or the same one after another."""
    import torch

    usable = [i for i in range(min(loaded.vocabulary, shape[-1] + 1)) if i != loaded.pad_id] or [0]
    row = torch.tensor([usable[i % len(usable)] for i in range(shape[-1])])
    return row.expand(shape).contiguous().to(loaded.device)


@contextmanager
def _putting_out(modules: Sequence[Any], outputs: Sequence[Any]) -> Iterator[None]:
    """While it lasts, each module puts out what is given for it, and none of its code runs."""
    # Libraries that spread a model over devices set `forward` on the instance too: it must come back as it was.
    before = [vars(module).get("forward") for module in modules]
    try:
        for module, output in zip(modules, outputs, strict=True):
            module.forward = lambda *_, _output=output, **__: _output
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            vars(module).pop("forward", None)
            if own is not None:
                module.forward = own


def _without_tensors(output: Any) -> Any:
    """The shape of a block's output: None for the states alone, else the tuple with None for each tensor."""
    import torch

    if not isinstance(output, tuple):
        return None
    return tuple(None if isinstance(one, torch.Tensor) else one for one in output)


def _with_states(shape: Any, states: torch.Tensor) -> Any:
    """A block's output that holds these states; what else a block hands on is read by other blocks alone."""
    return states if shape is None else (states, *shape[1:])


# ---------------------------------------------------------------- the trial


def _trial(loaded: Loaded) -> _Form:
    """Runs the model on a few tokens, and checks that its logits follow from the output of its last block."""
    import torch

    model, name = loaded.model, loaded.card.name
    if model.get_output_embeddings() is None:
        raise BadInput(
            f"model {name}: {type(model).__name__} has no language-model head, so that no token can be read out of its "
            "states; use a model that was saved with its head, or leave the logit lens out"
        )
    run = blocks(loaded)
    modules = tuple(dict.fromkeys(run))  # a block that is run for several layers stands once
    tokens = min(TRIAL_TOKENS, loaded.context or TRIAL_TOKENS)
    with torch.inference_mode():
        encoded = None
        if loaded.design == "encoder-decoder":
            encoded = model.get_encoder()(input_ids=_dummy(loaded, (1, 1))).last_hidden_state
        options = dict.fromkeys(accepts(model, "use_cache"), False)
        outputs, logits = _watched(modules, lambda: _run(loaded, _dummy(loaded, (1, tokens)), encoded, options))
        last = outputs[run[-1]]
        states = last[0] if isinstance(last, tuple) else last
        form = _Form(
            modules, tuple(_without_tensors(outputs[m]) for m in modules), encoded, options, states.dtype,
            states.device, int(logits.shape[-1]),
        )  # fmt: skip
        if states.shape[:2] != (1, tokens) or states.dim() != 3:
            raise _unreadable(loaded, f"its last block puts out an array of shape {list(states.shape)}")
        error = _error(_logits(loaded, form, states[0]), logits)
    if not error <= TOLERANCE.get(str(logits.dtype).removeprefix("torch."), HALF):
        raise _unreadable(
            loaded, f"the logits read from the output of its last block are not its own (relative error {error:.1g})"
        )
    return form


def _watched(modules: Sequence[Any], run: Callable[[], Any]) -> tuple[dict[Any, Any], torch.Tensor]:
    """What each module puts out in a run on one sequence, by its last call, and the logits [T, V]."""
    outputs: dict[Any, Any] = {}
    handles = [
        module.register_forward_hook(lambda _, __, output, module=module: outputs.update({module: output}))
        for module in modules
    ]
    try:
        found = run()
    finally:
        for handle in handles:
            handle.remove()
    return outputs, found.logits[0]


def _error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference over the largest logit; infinity where they are not finite at the same places."""
    expected = expected.float()
    finite = expected.isfinite()
    if not bool((finite == found.isfinite()).all()) or not bool(finite.any()):
        return float("inf")
    return float((found - expected)[finite].abs().max() / expected[finite].abs().max())


def _unreadable(loaded: Loaded, why: str) -> BuildError:
    return BuildError(
        f"model {loaded.card.name}: the logit lens cannot read {type(loaded.model).__name__}: {why}; "
        "leave the logit lens out for this model"
    )
