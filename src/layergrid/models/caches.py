"""Lets a cache of keys and values grow in place; it knows no model and no token.

transformers joins each new token to a new copy of all before it; the copies, and the memory that is asked for anew for
each, can take more time than the model itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def grow_in_place(cache: Any, steps: int) -> None:
    """Gives the plain layers of a transformers Cache room for `steps` more tokens; other layers stay as they are.

    What a layer holds, and what it gives to attention, is the same as before.
    """
    from transformers.cache_utils import DynamicLayer

    for layer in getattr(cache, "layers", ()):
        if type(layer) is DynamicLayer and layer.is_initialized and layer.keys.dim() == 4:
            layer.update = _Growing(layer, steps).update


class _Growing:
    """Keys and values [B, H, T, d] of one layer in tensors with room behind them; the layer holds the part in use."""

    def __init__(self, layer: Any, steps: int) -> None:
        self.layer, self.steps = layer, steps
        self.rooms: tuple[torch.Tensor, ...] = ()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of all tokens so far, the new ones last."""
        held, added = self.layer.keys.shape[-2], key_states.shape[-2]
        if not self.rooms or held + added > self.rooms[0].shape[-2]:
            self.rooms = tuple(self._room(one, added) for one in (self.layer.keys, self.layer.values))
        for room, new in zip(self.rooms, (key_states, value_states), strict=True):
            room[:, :, held : held + added] = new
        self.layer.keys, self.layer.values = (room[:, :, : held + added] for room in self.rooms)
        return self.layer.keys, self.layer.values

    def _room(self, states: torch.Tensor, added: int) -> torch.Tensor:
        shape = [*states.shape[:-2], states.shape[-2] + max(self.steps, added), states.shape[-1]]
        room = states.new_empty(shape)
        room[:, :, : states.shape[-2]] = states
        return room
