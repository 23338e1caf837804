"""Finds the parts of a loaded model by what its architecture declares, not by tables of names; it runs nothing."""

from __future__ import annotations

import inspect
from typing import Any

from layergrid.artifacts import ModelCard
from layergrid.kinds import BuildError


def blocks(base: Any, card: ModelCard) -> list[Any]:
    """The blocks of a base model in order (torch modules): block i makes residual layer i + 1.

    Those of the class that transformers itself records as `hidden_states`, else the one list of modules that is as
    long as the configuration says.

    Raises:
        BuildError: neither finds as many blocks as the configuration names.
    """
    from torch.nn import ModuleList

    count, recorded = card.layers, _recorded_classes(base)
    found = [module for module in base.modules() if recorded and isinstance(module, recorded)]
    if len(found) == count:
        return found
    lists = [module for module in base.modules() if isinstance(module, ModuleList) and len(module) == count]
    if len(lists) == 1:
        return list(lists[0])
    raise BuildError(
        f"model {card.name}: cannot tell the {count} blocks of {type(base).__name__}: transformers records "
        f"{len(found)} of them and {len(lists)} lists of modules have that length; this architecture cannot be read yet"
    )


def _recorded_classes(base: Any) -> tuple[type, ...]:
    """The block classes that the base model, or a model inside it, records as its hidden states."""
    classes: list[type] = []
    for module in base.modules():
        recorded = (getattr(module, "_can_record_outputs", None) or {}).get("hidden_states")
        for one in recorded if isinstance(recorded, list) else [recorded]:
            wanted = getattr(one, "target_class", one)
            if isinstance(wanted, type):
                classes.append(wanted)
    return tuple(dict.fromkeys(classes))


def accepts(module: Any, *names: str) -> frozenset[str]:
    """Which of these keyword arguments a module's forward method takes by name."""
    return frozenset(names) & frozenset(inspect.signature(module.forward).parameters)
