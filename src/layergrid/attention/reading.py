"""Sees the attention of each layer while a model runs, and reduces it at once; it knows no positions and no examples.

Through transformers' attention interface the chosen query rows are computed by the model's own eager function, and the
output of attention by sdpa. Families that are not on the interface run eagerly, and the weights are taken from what
their modules put out, layer by layer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from layergrid.attention.rows import Asked, Reduced, Sums, Taken, output_maps, roll, value_norms, value_shares

if TYPE_CHECKING:
    import torch

NAME = "layergrid_rows"  # without "sdpa", "flash" or "flex", which transformers looks for in names
CHUNK = 256  # rows of weights that are held at once
CHANGED = "what its heads put out is changed before the output projection, so that a key's share in it is not defined"


class OffInterfaceError(Exception):
    """A module calls the interface in a way that its eager function cannot stand in for."""


@dataclass
class Reading:
    """What is taken from one batch."""

    asked: Asked
    wanted: frozenset[int]  # layers that are kept
    weighting: str = "weight"
    outputs: Mapping[int, Any] = field(default_factory=dict)  # layer -> output projection, for value weighting
    maps: dict[int, torch.Tensor] = field(default_factory=dict)  # layer -> `output_maps`, kept over batches
    plain: bool = False  # the model's own implementation is the eager one: its output must be eager's too
    found: dict[int, Reduced] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)  # layers whose attention came by
    changed: dict[int, str] = field(default_factory=dict)  # layers where value weighting is not defined -> why
    ahead: bool = False  # some key after its query could be looked at
    error: float = 0.0  # how far eager's output lies from the model's own at the rows asked; above 1: too far
    layer: int | None = None  # the block that is running
    rolled: torch.Tensor | None = None  # [B, T, T]: rollout of the layers so far
    pending: tuple[_Call, torch.Tensor, torch.Tensor, torch.Tensor | None] | None = None

    @property
    def taken(self) -> Taken:
        """What stays of it."""
        return Taken(self.found, self.changed, self.ahead)

    def enter(self, layer: int) -> None:
        """A block begins. Its first attention is that of its own tokens; cross-attention comes later."""
        self.layer = layer

    def leave(self) -> None:
        """A block ends."""
        if self.pending is not None and self.layer is not None:
            self.changed[self.layer] = CHANGED
        self.layer = self.pending = None

    def takes(self) -> int | None:
        """The layer whose attention has not come by yet, or None."""
        return None if self.layer in self.seen else self.layer

    def called(self, call: _Call, output: torch.Tensor) -> None:
        """The interface was called by the block that is running; `output` [B, T, H, d] is what it returns."""
        layer = self.takes()
        if layer is None or call.key.shape[2] != call.query.shape[2]:
            return
        self.seen.add(layer)
        asked = self.asked.on(call.query.device)
        if self.weighting == "rollout":
            means = [call.rows(rows)[0].float().mean(1) for _, rows in _chunks(_every(asked))]
            self._roll(layer, _joined(means, 1), asked, ahead=not call.causal)
            return
        if layer not in self.wanted:
            return
        if self.weighting == "value":
            if layer in self.outputs:
                weights, own, allowed = call.rows(asked.rows)
                self._note(allowed, asked.rows, call.causal)
                self.pending = call, weights, own, allowed
            else:
                self.changed[layer] = "its output projection cannot be told"
            return
        sums = Sums(asked)
        for part, rows in _chunks(asked.rows):
            weights, own, allowed = call.rows(rows)
            given = _picked(output.transpose(1, 2), rows).transpose(1, 2)
            self.error = max(self.error, _difference(own, given) / tolerance(own))
            self._note(allowed, rows, call.causal)
            sums.add(part, weights, allowed)
        self.found[layer] = sums.reduced()

    def projected(self, entering: torch.Tensor, module: Any) -> None:
        """The output projection of the running block begins: value weights follow if it reads the heads as they are."""
        if self.pending is None or self.layer is None or self.outputs.get(self.layer) is not module:
            return
        (call, weights, own, allowed), layer = self.pending, self.layer
        self.pending = None  # the projection runs once more below
        batch, tokens = call.query.shape[0], call.query.shape[2]
        heads = own.shape[2]
        read = entering.reshape(batch, tokens, -1)
        asked = self.asked.on(call.query.device)
        rows = _picked(read[:, None], asked.rows)[:, 0]
        if rows.shape[-1] != own[0, 0].numel() or _difference(rows, own.flatten(2)) > tolerance(rows):
            self.changed[layer] = CHANGED
            return
        if layer not in self.maps:
            self.maps[layer] = output_maps(module, heads, read)
        shares = value_shares(weights, value_norms(call.value, self.maps[layer]))
        sums = Sums(asked)
        sums.add(slice(None), shares, allowed, mass=weights.float().sum(-1))
        self.found[layer] = sums.reduced()

    def offered(self, output: Any) -> None:
        """A module inside the running block put this out: its attention [B, H, T, T], if it is that."""
        layer = self.takes()
        whole = None if layer is None else _attention_in(output, *self.asked.real.shape)
        if layer is None or whole is None:
            return
        self.seen.add(layer)
        asked = self.asked.on(whole.device)
        ahead = bool(whole.triu(1).gt(0).any())
        self.ahead |= ahead
        if self.weighting == "rollout":
            self._roll(layer, whole.float().mean(1), asked, ahead)
        elif layer in self.wanted:
            sums = Sums(asked)
            sums.add(slice(None), _picked(whole, asked.rows), _picked(_reached(whole, ahead), asked.rows))
            self.found[layer] = sums.reduced()

    def _roll(self, layer: int, mean: torch.Tensor, asked: Asked, ahead: bool) -> None:
        import torch

        self.ahead |= ahead
        self.rolled = roll(None if self.rolled is None else self.rolled.to(mean.device), mean)
        if layer in self.wanted:
            order = torch.ones_like(self.rolled, dtype=torch.bool)[:, None]
            sums = Sums(asked)
            allowed = None if ahead else _picked(order.tril(), asked.rows)
            sums.add(slice(None), _picked(self.rolled[:, None], asked.rows), allowed)
            self.found[layer] = sums.reduced()

    def _note(self, allowed: torch.Tensor | None, rows: torch.Tensor, causal: bool) -> None:
        """Keeps in mind whether keys after a query could be looked at."""
        import torch

        if allowed is None:
            self.ahead |= not causal
        elif not self.ahead:
            keys = torch.arange(allowed.shape[-1], device=rows.device)
            self.ahead = bool((allowed & (keys > rows[:, None, :, None])).any())


# ---------------------------------------------------------------- the interface

_READING: ContextVar[Reading | None] = ContextVar("layergrid_reading", default=None)


@dataclass(frozen=True)
class _Call:
    """One call of the attention interface."""

    module: Any
    query: torch.Tensor  # [B, H, T, d]
    key: torch.Tensor  # [B, key/value heads, T, d]
    value: torch.Tensor
    mask: torch.Tensor | None
    options: dict[str, Any]
    eager: Callable[..., tuple[torch.Tensor, torch.Tensor]]

    @property
    def causal(self) -> bool:
        """What holds where there is no mask, as sdpa takes it."""
        given = self.options.get("is_causal")
        return bool(getattr(self.module, "is_causal", True) if given is None else given)

    def rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Of query rows [B, r], by the model's eager function: weights [B, H, r, T], output [B, r, H, d], keys."""
        import torch

        added, allowed = None, None
        if self.mask is not None:
            picked = _picked(self.mask[..., : self.key.shape[2]], rows)
            boolean = picked.dtype == torch.bool
            allowed = picked if boolean else picked > torch.finfo(picked.dtype).min / 2
            added = None if boolean else picked
        elif self.causal:
            allowed = torch.arange(self.key.shape[2], device=rows.device) <= rows[:, None, :, None]
        if allowed is not None and added is None:
            least = torch.finfo(self.query.dtype).min
            added = torch.zeros_like(allowed, dtype=self.query.dtype).masked_fill(~allowed, least)
        square = self.query.shape[2], self.key.shape[2]
        options = {name: _picked(one, rows) if _has_shape(one, square) else one for name, one in self.options.items()}
        output, weights = self.eager(self.module, _picked(self.query, rows), self.key, self.value, added, **options)
        return weights, output, allowed

    def output(self, plain: bool) -> torch.Tensor:
        """What attention puts out, [B, T, H, d]: by sdpa; where only eager knows how, a part of the rows at a time."""
        import torch
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        if not plain and all(self.options.get(one) is None for one in ("softcap", "s_aux")):
            found: tuple[torch.Tensor, None] = sdpa_attention_forward(
                self.module, self.query, self.key, self.value, self.mask, **self.options
            )
            return found[0]
        every = torch.arange(self.query.shape[2], device=self.query.device).expand(len(self.query), -1)
        return _joined([self.rows(rows)[1] for _, rows in _chunks(every)], 1)


def _interface(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """The function that transformers calls in place of its own implementations."""
    reading = _READING.get()
    eager = eager_function(module)
    if reading is None or eager is None or any("indices" in k and v is not None for k, v in options.items()):
        raise OffInterfaceError(type(module).__name__)
    call = _Call(module, query, key, value, attention_mask, options, eager)
    output = call.output(reading.plain)
    reading.called(call, output)
    return output, None


def register() -> None:
    """Makes the function known to transformers, with the mask of sdpa; without a mask of its own it would get none."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _interface)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def eager_function(module: Any) -> Callable[..., tuple[torch.Tensor, torch.Tensor]] | None:
    """The model's own eager function: the one that the attention's forward method names, found where it is defined."""
    forward = inspect.unwrap(type(module).forward)
    known = {k: v for k, v in forward.__globals__.items() if k.endswith("eager_attention_forward")}
    named = [known[name] for name in forward.__code__.co_names if name in known]
    found = named or list(known.values())
    return found[0] if found else None


# ---------------------------------------------------------------- hooks


@contextmanager
def watching(reading: Reading, blocks: Mapping[int, Any], *, eager: bool) -> Iterator[None]:
    """While it lasts, the reading knows which of these blocks (layer -> module) runs; `eager`: it is offered outputs.

    A module that stands for several layers runs once for each, in order.
    """
    layers: dict[int, list[int]] = {}
    for layer, block in sorted(blocks.items()):
        layers.setdefault(id(block), []).append(layer)
    waiting = {key: iter(found) for key, found in layers.items()}

    def entering(block: Any, _: Any) -> None:
        reading.enter(next(waiting[id(block)]))

    def leaving(_: Any, __: Any, output: Any) -> Any:
        reading.leave()
        if not eager or not isinstance(output, (tuple, list)):
            return None
        shape = reading.asked.real.shape
        return type(output)(None if _attention_in((one,), *shape) is not None else one for one in output)

    with ExitStack() as hooks:
        token = _READING.set(reading)
        hooks.callback(_READING.reset, token)
        for block in dict.fromkeys(blocks.values()):
            hooks.callback(block.register_forward_pre_hook(entering).remove)
            for module in block.modules() if eager else ():
                hooks.callback(module.register_forward_hook(lambda _, __, out: reading.offered(out)).remove)
            hooks.callback(block.register_forward_hook(leaving).remove)
        for output in dict.fromkeys(reading.outputs.values()) if reading.weighting == "value" else ():
            hook = output.register_forward_pre_hook(lambda module, args: reading.projected(args[0], module))
            hooks.callback(hook.remove)
        yield


def _attention_in(output: Any, batch: int, tokens: int) -> torch.Tensor | None:
    """The first of a module's outputs that can be attention [B, H, T, T]: nothing below 0, rows at most 1."""
    import torch

    for one in output if isinstance(output, (tuple, list)) else ():
        if not isinstance(one, torch.Tensor) or one.dim() != 4 or not one.is_floating_point():
            continue
        if one.shape[0] == batch and one.shape[2:] == (tokens, tokens):
            sums = one.float().sum(-1)
            if bool(one.ge(0).all()) and bool(sums.le(1.02).all()) and bool(sums.gt(0).all()):
                return one
    return None


def _reached(whole: torch.Tensor, ahead: bool) -> torch.Tensor:
    """Keys that rows may look at, bool [1, 1, T, T], as far as weights show: no farther than any of them looks."""
    import torch

    tokens = whole.shape[-1]
    used = whole.gt(0).flatten(0, 1).any(0)
    places = torch.arange(tokens, device=whole.device)
    behind = places[:, None] - places[None, :]
    allowed = behind <= behind[used].max()
    return (allowed if ahead else allowed & (behind >= 0))[None, None]


# ---------------------------------------------------------------- tensors


def _every(asked: Asked) -> torch.Tensor:
    import torch

    return torch.arange(asked.real.shape[1], device=asked.real.device).expand(len(asked.real), -1)


def _chunks(rows: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, rows.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        yield part, rows[:, part]


def _joined(parts: list[torch.Tensor], dim: int) -> torch.Tensor:
    import torch

    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=dim)


def _picked(whole: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows [B, r] of [B or 1, h, T or 1, x]: [B or 1, h, r or 1, x]."""
    if whole.shape[2] == 1:
        return whole
    index = rows[:, None, :, None].expand(-1, whole.shape[1], -1, whole.shape[3])
    return whole.expand(len(rows), -1, -1, -1).gather(2, index)


def _has_shape(one: Any, square: tuple[int, int]) -> bool:
    import torch

    return isinstance(one, torch.Tensor) and one.dim() == 4 and tuple(one.shape[2:]) == square


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference over the largest number."""
    return float((found.float() - expected.float()).abs().max() / expected.float().abs().max().clamp(min=1e-30))


def tolerance(states: torch.Tensor) -> float:
    """How far two ways to the same numbers may lie apart, relative to the largest."""
    import torch

    return 1e-3 if states.dtype in (torch.float32, torch.float64) else 0.05
