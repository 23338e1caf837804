"""Runs a model once on a few tokens and notes which modules were called, in which order, on what; it names no part.

Of a tensor only its shape and a digest are kept, so that "fed with the same tensor" can be told and nothing stays in
memory. Where attention weights are computed is seen from the calls to softmax and scaled dot product attention alone.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from layergrid.kinds import BuildError
from layergrid.models.memory import out_of_memory

if TYPE_CHECKING:
    import torch

    from layergrid.models import Loaded

ROWS = 2
# No count of experts, heads or taps of a convolution is likely to be one of these, nor one more than one of these.
TOKENS = {"": 11, "encoder": 14, "decoder": 11}


@dataclass(frozen=True)
class Seen:
    """A tensor that went by."""

    shape: tuple[int, ...]
    digest: bytes  # of its bytes: two views of one tensor have the same


NOTHING = Seen((), b"")


@dataclass(eq=False)
class Call:
    """One run of a module's forward method."""

    module: Any
    above: Call | None  # the call that made it
    start: int  # the clock ticks at each start, stop and mixing
    given: Seen  # its first floating tensor
    stop: int = -1
    gave: Seen = NOTHING  # its output, or the first of several

    def within(self, other: Call) -> bool:
        """Whether the other call made it, directly or not, or is the same."""
        return other.start <= self.start and self.stop <= other.stop


@dataclass
class Mixing:
    """One computation of attention weights."""

    inside: Call  # the innermost call
    at: int
    heads: int
    queries: int
    keys: int  # one more than there are tokens where a sink stands among them
    width: int = 0  # of all heads' weighted values together; 0: not seen


@dataclass
class Trace:
    """What one forward pass called, in order of the starts."""

    calls: list[Call] = field(default_factory=list)
    mixings: list[Mixing] = field(default_factory=list)
    running: list[Call] = field(default_factory=list)  # empty once the pass is over
    clock: int = 0

    def tick(self) -> int:
        """The next moment."""
        self.clock += 1
        return self.clock


def trace(loaded: Loaded, stacks: Sequence[str]) -> Trace:
    """The calls of one forward pass over 2 rows of made-up tokens, all of them attended to.

    Raises BuildError where the pass fails, or changes the model itself.
    """
    import torch

    feeds = {}
    for stack in stacks:
        ids = _made_up(loaded, TOKENS[stack])
        feeds[stack] = (ids, torch.ones_like(ids))
    found, modules = Trace(), list(loaded.model.modules())
    with torch.inference_mode(), _watching(loaded.model, found), _mixings(found):
        try:
            forward(loaded.model, feeds)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if out_of_memory(error):
                raise BuildError(f"model {loaded.card.name} fills the memory of {loaded.device}: {error}") from error
            raise BuildError(
                f"model {loaded.card.name}: a {type(loaded.model).__name__} cannot be run on tokens and a mask alone "
                f"({type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]})"
            ) from error
    if any(one is not other for one, other in zip_longest(modules, loaded.model.modules())):
        raise BuildError(
            f"model {loaded.card.name}: a {type(loaded.model).__name__} changes its own parts when a text is short "
            "(BigBird turns to full attention); this architecture cannot be read yet"
        )
    return found


def _made_up(loaded: Loaded, tokens: int) -> torch.Tensor:
    """Rows of ids: neighbours differ, and so do the rows; small ids are left out, which are often special tokens."""
    import torch

    ids = 5 + 7 * torch.arange(ROWS * tokens, device=loaded.device)
    return (ids % loaded.vocabulary).reshape(ROWS, tokens)


def stack_module(model: Any, stack: str) -> Any:
    """The module that runs one stack, without a head; "" is the only stack of a model that has one."""
    return {"encoder": model.get_encoder, "decoder": model.get_decoder}[stack]() if stack else model.base_model


def forward(model: Any, feeds: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Runs the stacks that are fed with token ids and attention mask [batch, tokens]; no head runs, nothing is cached.

    Gives the last states of the last stack [batch, tokens, width]. A decoder of two needs its encoder to be fed too.
    """
    states = cast("torch.Tensor", None)  # until a stack has run
    for stack, (ids, mask) in feeds.items():
        module = stack_module(model, stack)
        options = _nothing_kept(module)
        if stack == "decoder":
            options |= {"encoder_hidden_states": states, "encoder_attention_mask": feeds["encoder"][1]}
        out = module(input_ids=ids, attention_mask=mask, **options)
        states = out[0]
    return states


def _nothing_kept(module: Any) -> dict[str, Any]:
    """Keywords by which nothing is cached or collected, whatever the model's configuration asks for."""
    flags = ("output_hidden_states", "output_attentions")
    asked = {flag for flag in flags if getattr(getattr(module, "config", None), flag, False)}
    return dict.fromkeys(accepts(module, "use_cache", *flags) | asked, False)


def padding_matters(loaded: Loaded, stacks: Sequence[str]) -> bool:
    """Whether tokens come out otherwise when their row is padded on the right (MobileBERT looks at the next token)."""
    import torch

    ids, short = _made_up(loaded, TOKENS[""]), TOKENS[""] // 2
    mask = torch.ones_like(ids)
    ids[1, short:], mask[1, short:] = loaded.pad_id, 0
    with torch.inference_mode():
        padded = forward(loaded.model, dict.fromkeys(stacks, (ids, mask)))[1, :short].float()
        alone = forward(loaded.model, dict.fromkeys(stacks, (ids[1:, :short], mask[1:, :short])))[0].float()
    # Half precision rounds by more than float32, but by far less than what another token would change.
    tolerance = 1e-3 if loaded.model.dtype == torch.float32 else 0.1
    return bool((padded - alone).abs().max() > tolerance * alone.abs().max())


def accepts(module: Any, *names: str) -> frozenset[str]:
    """Which of these keyword arguments a module's forward method takes by name."""
    return frozenset(names) & frozenset(inspect.signature(module.forward).parameters)


def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The first floating tensor that a module is called with, or None: the states that it works on."""
    return next((one for one in (*args, *kwargs.values()) if _floats(one)), None)


def gave(output: Any) -> Any:
    """The tensor that a module returns, or the first of several; None where it returns none."""
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    return first if _floats(first) else None


def _floats(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _seen(tensor: Any) -> Seen:
    import torch

    if tensor is None:
        return NOTHING
    flat = tensor.detach().reshape(-1).contiguous().view(torch.uint8).cpu().numpy()
    return Seen(tuple(tensor.shape), hashlib.blake2b(flat.tobytes(), digest_size=16).digest())


@contextmanager
def _watching(model: Any, found: Trace) -> Iterator[None]:
    """While it lasts, every call of a module is noted."""
    running = found.running

    def entering(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = Call(module, running[-1] if running else None, found.tick(), _seen(given(args, kwargs)))
        running.append(call)
        found.calls.append(call)

    def leaving(_: Any, __: Any, output: Any) -> None:
        call = running.pop()
        call.stop, call.gave = found.tick(), _seen(gave(output))

    with ExitStack() as hooks:
        for module in model.modules():
            hooks.callback(module.register_forward_pre_hook(entering, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(leaving).remove)
        yield


def _mixings(found: Trace) -> Any:
    """A context in which every computation of attention weights [rows, heads, tokens, keys] is noted."""
    from torch.overrides import TorchFunctionMode

    def note(shape: tuple[int, ...], values: int = 0) -> None:
        if found.running and len(shape) >= 3 and shape[0] % ROWS == 0:
            heads = math.prod(shape[:-2]) // ROWS
            call = found.running[-1]
            found.mixings.append(Mixing(call, found.tick(), heads, shape[-2], shape[-1], heads * values))

    def weigh(weights: tuple[int, ...], values: tuple[int, ...]) -> None:
        """Values are multiplied by something; where it is the latest weights (without a sink), their width is told."""
        last = found.mixings[-1] if found.mixings else None
        if last is None or last.width or [last.inside] != found.running[-1:] or len(weights) < 3:
            return
        keys = weights[-1] in (last.keys, last.keys - 1)
        if keys and weights[-2] == last.queries and math.prod(weights[:-2]) == ROWS * last.heads:
            last.width = last.heads * values[-1]

    class Listening(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name, kwargs = getattr(func, "__name__", ""), kwargs or {}
            if name == "scaled_dot_product_attention":
                named = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
                note((*named["query"].shape[:-1], named["key"].shape[-2]), named["value"].shape[-1])
            elif name == "softmax":
                note(tuple((args[0] if args else kwargs["input"]).shape))
            elif name in ("matmul", "bmm", "__matmul__") and len(args) == 2:
                weigh(tuple(args[0].shape), tuple(args[1].shape))
            return func(*args, **kwargs)

    return Listening()
