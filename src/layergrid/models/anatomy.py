"""Tells the parts of one block from the calls that a traced pass made inside it; it knows no name of a module.

A *map* is a call that multiplies the states of every token by one matrix. The attention module is the innermost call
around the attention weights that has maps of its own; the output projection is the one map after the weights that is
not fed with what the first map was fed with; the MLP is what comes after. A part that these rules do not tell is
lacking, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from layergrid.models.tracing import ROWS, TOKENS, Call, Mixing, Trace


@dataclass(frozen=True)
class Tap:
    """Where a site is read: what goes into a module (the first floating tensor), or what comes out (the first)."""

    module: Any
    side: Literal["input", "output"]
    width: int


@dataclass(frozen=True)
class Parts:
    """One block of a stack. One module may be a part of several blocks (ALBERT): it runs once for each, in order."""

    block: Any
    attention: Any | None  # the module in which this block's own (self-)attention weights are computed
    output: Any | None  # W_O: a map that takes head_out, the heads side by side, and gives attention_out
    heads: int  # of the attention; 0 without
    taps: Mapping[str, Tap]  # site -> where it is read; residual is always there
    lacking: Mapping[str, str]  # site -> why this block has none

    @property
    def why_no_attention(self) -> str:
        """The reason, or empty where there is attention."""
        return "" if self.attention is not None else self.lacking["attention_out"]


class _Untold(Exception):
    """A part that the calls do not tell; the message says why."""


@dataclass(frozen=True)
class Inside:
    """The calls inside one run of a block."""

    run: Call
    inner: tuple[Call, ...]  # all of them, in order of their starts
    holders: tuple[Call, ...]  # of modules with matrices of their own
    maps: tuple[Call, ...]
    own: tuple[Mixing, ...]  # where the stack's tokens look at each other
    cross: tuple[Mixing, ...]  # where the decoder's tokens look at the encoder's

    @property
    def kind(self) -> str:
        """The class of the block."""
        return type(self.run.module).__name__


def look(run: Call, record: Trace, stack: str) -> Inside:
    """What the trace says of one run of a block."""
    tokens = TOKENS[stack]
    inner = tuple(call for call in record.calls if call.within(run) and call is not run)
    holders = tuple(call for call in inner if _holds_matrices(call.module))
    makers = {id(call.above) for call in inner}
    maps = tuple(call for call in holders if id(call) not in makers and _is_map(call, tokens))
    mixings = [one for one in record.mixings if one.inside.within(run) and one.queries == tokens]
    own = tuple(one for one in mixings if one.keys in (tokens, tokens + 1))
    others = TOKENS["encoder"]
    cross = tuple(one for one in mixings if stack == "decoder" and one.keys in (others, others + 1))
    return Inside(run, inner, holders, maps, own, cross)


def mlp_path(inside: Inside) -> str:
    """The path from the block to the module that holds its whole MLP; empty where that cannot be told."""
    try:
        around = _mlp(inside, _end_of_attention(inside)).around
    except _Untold:
        return ""
    return next((name for name, one in inside.run.module.named_modules() if one is around.module), "")


def tell(inside: Inside, path: str) -> Parts:
    """The parts of one block; where it has no attention, its MLP is looked for at the path where others have theirs."""
    taps = {"residual": _tap(inside.run, "output")}
    lacking: dict[str, str] = {}
    attention = output = None
    heads = 0
    try:
        attention, heads = _attention(inside)
        output = _projection(inside, attention, inside.own)
        taps["attention_out"] = _once(inside, output, "output")
        width = output.given.shape[-1]
        if len(inside.own) > 1 or width % heads or inside.own[0].width not in (0, width):
            raise _Untold(f"the output projection of a {inside.kind} block is not fed with {heads} heads side by side")
        taps["head_out"] = _once(inside, output, "input")
    except _Untold as why:
        lacking |= {site: str(why) for site in ("attention_out", "head_out") if site not in taps}
    try:
        mlp = _mlp(inside, _end_of_attention(inside)) if inside.own else _mlp_at(inside, path)
        taps |= {"mlp_in": _once(inside, mlp.first, "input"), "mlp_out": _once(inside, mlp.last, "output")}
    except _Untold as why:
        lacking |= dict.fromkeys(("mlp_in", "mlp_out"), str(why))
    return Parts(
        block=inside.run.module,
        attention=attention.module if attention else None,
        output=output.module if output and "head_out" in taps else None,
        heads=heads,
        taps=taps,
        lacking=lacking,
    )


# ---------------------------------------------------------------- attention


def _attention(inside: Inside) -> tuple[Call, int]:
    """The call in which the block's own attention weights are computed, and the number of heads."""
    if not inside.own:
        raise _Untold(f"a {inside.kind} block has no attention over all tokens")
    heads = {one.heads for one in inside.own}
    if len(heads) > 1:
        raise _Untold(f"a {inside.kind} block computes attention more than once")
    return _around(inside, inside.own), heads.pop()


def _around(inside: Inside, mixings: Sequence[Mixing]) -> Call:
    """The innermost call that holds these computations of weights and has maps of its own."""
    calls = []
    for mixing in mixings:
        call = mixing.inside
        while call is not inside.run and not any(one.within(call) for one in inside.maps):
            call = call.above or inside.run
        calls.append(call)
    if inside.run in calls or any(call is not calls[0] for call in calls):
        raise _Untold(f"the attention of a {inside.kind} block is not one module of its own")
    return calls[0]


def _projection(inside: Inside, attention: Call, mixings: Sequence[Mixing]) -> Call:
    """The map that is fed with the heads side by side: in the attention module, or the next one after it."""
    own = [one for one in inside.maps if one.within(attention)]
    weighed = max(one.at for one in mixings)
    after = [one for one in own if one.start > weighed and one.given.digest != own[0].given.digest]
    if not after:
        following = [one for one in inside.maps if one.start > attention.stop][:1]
        after = [one for one in following if one.given.digest == attention.gave.digest]
    if len(after) != 1:
        raise _Untold(f"{len(after)} modules of a {inside.kind} block could be the output projection of its attention")
    return after[0]


def _end_of_attention(inside: Inside) -> int:
    """The moment when attention, cross-attention included, is over."""
    ends = []
    for mixings in (inside.own, inside.cross):
        if mixings:
            attention = _around(inside, mixings)
            ends += [attention.stop, _projection(inside, attention, mixings).stop]
    return max(ends)


# ---------------------------------------------------------------- MLP


@dataclass(frozen=True)
class _Mlp:
    first: Call  # what goes into it is mlp_in
    last: Call  # what comes out of it is mlp_out
    around: Call  # the smallest call that holds both


def _mlp(inside: Inside, start: int, scope: Call | None = None) -> _Mlp:
    """The MLP among the calls after `start`, and within `scope` where one is given.

    Without experts it is maps alone: some that are all fed with the same states, then one back to their width. With
    experts the tokens take different ways, so that it is told only as the one module that holds all of them.
    """
    holders = [one for one in inside.holders if one.start > start and (scope is None or one.within(scope))]
    if not holders:
        raise _Untold(f"a {inside.kind} block has no matrices after its attention")
    around = _smallest(holders, inside.run)
    maps = [one for one in holders if one in inside.maps]
    ran = {id(one.module) for one in inside.holders}
    idle = any(_holds_matrices(one) and id(one) not in ran for one in _listed(around.module))
    if len(maps) == len(holders) and not idle:
        first, last = maps[0], maps[-1]
        later = [one for one in maps if one.given.digest != first.given.digest]
        if later != [last] or last.gave.shape[-1] != first.given.shape[-1]:
            raise _Untold(f"what follows the attention of a {inside.kind} block is not one MLP")
        return _Mlp(first, last, around)
    if (
        around is inside.run
        or around.start <= start
        or around in inside.maps
        or around.gave.shape[-1:] != around.given.shape[-1:]
    ):
        raise _Untold(f"what follows the attention of a {inside.kind} block is not one module with its experts")
    return _Mlp(around, around, around)


def _mlp_at(inside: Inside, path: str) -> _Mlp:
    """The MLP of a block without attention: where the model's other blocks have theirs, and the end of the block."""
    modules = dict(inside.run.module.named_modules())
    runs = [one for one in inside.inner if path and one.module is modules.get(path)]
    if len(runs) != 1 or any(one.start > runs[0].stop for one in inside.holders):
        raise _Untold(f"a {inside.kind} block has no attention after which its MLP could be told")
    return _mlp(inside, runs[0].start - 1, runs[0])


def _smallest(calls: Sequence[Call], run: Call) -> Call:
    """The innermost call that holds all of these; one alone is its own."""
    around = calls[0]
    while around is not run and not all(one.within(around) for one in calls):
        around = around.above or run
    return around


# ---------------------------------------------------------------- single calls


def _once(inside: Inside, call: Call, side: Literal["input", "output"]) -> Tap:
    """Where to read a site; a module that runs again in the same block would overwrite it."""
    times = sum(one.module is call.module for one in inside.inner)
    if times != 1:
        raise _Untold(f"a {type(call.module).__name__} of a {inside.kind} block runs {times} times in it")
    return _tap(call, side)


def _tap(call: Call, side: Literal["input", "output"]) -> Tap:
    return Tap(call.module, side, (call.given if side == "input" else call.gave).shape[-1])


def _listed(module: Any) -> list[Any]:
    """What stands in lists of modules, at whatever depth: experts do, of which only some may run."""
    from torch.nn import ModuleDict, ModuleList

    return [one for few in module.modules() if isinstance(few, (ModuleDict, ModuleList)) for one in few.modules()]


def keeps_states(call: Call, tokens: int) -> bool:
    """Whether states [batch, tokens, width] go in and come out."""
    return all(len(one.shape) == 3 and one.shape[:2] == (ROWS, tokens) for one in (call.given, call.gave))


def _is_map(call: Call, tokens: int) -> bool:
    """Whether a module with one matrix takes one row of states for every token, and gives one for each."""
    matrices = [one.dim() for one in call.module.parameters(recurse=False) if one.dim() >= 2]
    places = call.given.shape[:-1]
    one_each = places in ((ROWS, tokens), (ROWS * tokens,)) and call.gave.shape[:-1] == places
    return one_each and (hasattr(call.module, "in_features") or matrices == [2])


def _holds_matrices(module: Any) -> bool:
    """Whether a module itself, not one inside it, has matrices; quantised ones may be no parameters."""
    return hasattr(module, "in_features") or any(one.dim() >= 2 for one in module.parameters(recurse=False))
