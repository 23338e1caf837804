"""What was taken of a batch as arrays and back, so that it outlives the process; it knows no folder and no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from layergrid.attention.rows import Reduced, Taken

_PARTS = tuple(one.name for one in fields(Reduced))


def packed(taken: Taken) -> dict[str, np.ndarray[Any, Any]]:
    """LAYER.PART for each part of each layer, LAYER.changed for the reasons as bytes of UTF-8, and ahead."""
    arrays: dict[str, np.ndarray[Any, Any]] = {"ahead": np.array(taken.ahead)}
    for layer, one in taken.found.items():
        arrays |= {f"{layer}.{part}": getattr(one, part) for part in _PARTS}
    for layer, why in taken.changed.items():
        arrays[f"{layer}.changed"] = np.frombuffer(why.encode("utf-8"), dtype=np.uint8)
    return arrays


def unpacked(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Taken:
    """What `packed` made these arrays of."""
    named = [(one, *one.split(".")) for one in arrays if "." in one]
    changed = {int(layer): arrays[one].tobytes().decode("utf-8") for one, layer, part in named if part == "changed"}
    layers = [int(layer) for _, layer, part in named if part == _PARTS[0]]
    found = {layer: Reduced(**{part: arrays[f"{layer}.{part}"] for part in _PARTS}) for layer in layers}
    return Taken(found, changed, bool(arrays["ahead"]))
