"""Finds the blocks of a loaded model and their parts, by what it declares and one traced pass, not by tables of names.

Blocks are the calls of the class that transformers itself records as `hidden_states`, else of the one list of modules
that is as long as the configuration says. What was not called (another modality's stack) does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergrid.kinds import STACKS, BuildError
from layergrid.models.anatomy import Parts, Tap, keeps_states, look, mlp_path, tell
from layergrid.models.tracing import TOKENS, Call, Trace, accepts, stack_module, trace

if TYPE_CHECKING:
    from layergrid.models import Loaded

__all__ = ["Parts", "Tap", "accepts", "parts"]


def parts(loaded: Loaded, stack: str = "") -> tuple[Parts, ...]:
    """The parts of every block of a stack, in order: "" of a model with one, "encoder" or "decoder" of one with two.

    Runs the model once on a few tokens.

    Raises:
        BuildError: the blocks cannot be told, or what they put out does not have the shape [batch, tokens, width].
    """
    name, count = loaded.card.name, loaded.card.encoder_layers if stack == "encoder" else loaded.card.layers
    base = stack_module(loaded.model, stack)
    classes, lists = _recorded_classes(base), _lists(base, count)
    if not classes and len(lists) != 1:
        raise _untold(name, base, count, 0, len(lists))
    record = trace(loaded, STACKS if stack else (stack,))
    runs = _runs(record, base, classes, lists)
    if len(runs) != count:
        raise _untold(name, base, count, len(runs), len(lists))
    for layer, run in enumerate(runs, start=1):
        if not keeps_states(run, TOKENS[stack]):
            raise BuildError(
                f"model {name}: what goes through block {layer} ({type(run.module).__name__}) does not have the shape "
                "[batch, tokens, width]; this architecture cannot be read yet"
            )
    insides = [look(run, record, stack) for run in runs]
    paths = {mlp_path(one) for one in insides if one.own}
    return tuple(tell(one, paths.copy().pop() if len(paths) == 1 else "") for one in insides)


# ---------------------------------------------------------------- blocks


def _untold(name: str, base: Any, count: int, recorded: int, lists: int) -> BuildError:
    return BuildError(
        f"model {name}: cannot tell the {count} blocks of {type(base).__name__}: transformers records {recorded} of "
        f"them and {lists} lists of modules have that length; this architecture cannot be read yet"
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


def _lists(base: Any, count: int) -> list[set[Any]]:
    from torch.nn import ModuleList

    return [set(module) for module in base.modules() if isinstance(module, ModuleList) and len(module) == count]


def _runs(record: Trace, base: Any, classes: tuple[type, ...], lists: list[set[Any]]) -> list[Call]:
    """The calls of the stack's blocks, in order. What was not called (another modality's stack) does not count."""
    inside = set(base.modules())
    of_class = [call for call in record.calls if isinstance(call.module, classes) and call.module in inside]
    runs = [call for call in of_class if not any(call is not other and call.within(other) for other in of_class)]
    if runs or len(lists) != 1:
        return runs
    return [call for call in record.calls if call.module in lists[0]]
