"""What a user's template may read and call, and how much it may make; it knows no document and no file.

Nothing is allowed that is not named here. An attribute is read only of the report's own parts (data classes), of texts,
lists, mappings and arrays, and of these only the methods below: `ndarray.tofile` would write a file. No template calls
anything else than those, its own macros, `range` and `namespace`.

How much a template may do is bounded: steps (turns of loops, calls, filters, includes), seconds, characters that it
prints, the size of any one text, list or number, and the memory of all that it makes. A list counts with all that is in
the lists in it, so that comparing two of them is never more than the clock can wait for. Arrays are read cell by cell:
no operator takes a whole one.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import wraps
from typing import Any

import numpy as np
from jinja2 import StrictUndefined
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing, pass_context, pass_environment
from markupsafe import Markup, escape, soft_str

from layergrid import text

STEPS = 1_000_000  # of one document: a turn of a loop, a text between tags or a filter is one
CALL, INCLUDE = 3, 30  # steps that a call and an include take
PRINTED = 100_000_000  # characters of one document, those of blocks and macros counted again where they are printed
SECONDS = 120.0  # of one document
LONGEST = 2_000_000  # characters of one text
MOST = 100_000  # entries of one list
WIDEST = 10_000  # a number in a filter, and what `range` counts up to
VARIABLES = ("content", "paper", "theme", "blocks", "data", "whole", "body", "css", "policy")  # of the documents
BITS = 1024  # of a whole number
MADE = 500_000_000  # bytes of all texts and lists that one document makes
ENTRY = 64  # bytes that an entry of a list counts
LEAST = 8  # characters that anything printed counts
DEEPEST = 40  # lists in lists
COMPARING = frozenset({
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne",
})  # fmt: skip

METHODS: dict[type, frozenset[str]] = {
    str: frozenset({
        "capitalize", "count", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title",
        "upper",
    }),
    Mapping: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    np.ndarray: frozenset({"shape", "size", "ndim", "tolist", "item"}),
    np.generic: frozenset({"item"}),
}  # fmt: skip
RUNTIME = (LoopContext, Macro, TemplateReference, TemplateModule, BlockReference, Namespace)
OF_ONE = frozenset({  # filters of one text or number
    "abs", "capitalize", "e", "escape", "float", "forceescape", "format", "int", "lower", "replace", "round", "safe",
    "string", "title", "trim", "truncate", "upper",
})  # fmt: skip
OF_MANY = frozenset({
    "count", "d", "default", "dictsort", "first", "groupby", "items", "join", "last", "length", "list", "map",
    "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "sum", "unique",
})  # fmt: skip
PLAIN = (str, int, float, bool, type(None), np.generic, Undefined)


class Missing(StrictUndefined):
    """What is not there, with the nearest name that is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        """What Jinja says, and a hint where a variable or a part of the report has a like name."""
        said = re.sub(r"'[\w.]*?(\w+) object'", r"'\1'", super()._undefined_message)
        part, name = self._undefined_obj, str(self._undefined_name)
        if self._undefined_hint:
            return said
        if not is_dataclass(part):
            near = text.nearest(name, VARIABLES) if part is missing else None
            return f"{said}; did you mean {near!r}?" if near else said
        fields = getattr(part, "__dataclass_fields__", ())
        known = sorted({*fields, *(n for n in dir(type(part)) if not n.startswith("_"))})
        near = text.nearest(name, known)
        return f"{said}; did you mean {near!r}?" if near else f"{said}; it has {text.listed(known)}"


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment for templates that may come from anywhere; with `bounded` it counts what they do."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, bounded: bool, **options: Any) -> None:
        super().__init__(undefined=Missing, finalize=self.printed, optimized=False, **options)
        self.bounded, self.steps, self.characters, self.made = bounded, 0, 0, 0
        self.until = time.monotonic() + SECONDS
        self.globals = {"range": self.counting, "namespace": Namespace}
        kept = {name: self.filters[name] for name in OF_ONE | OF_MANY} | {
            "format": _formatted, "join": _joined, "replace": _replaced, "sum": _summed,
        }  # fmt: skip
        self.filters = {name: self._guarded(name, kept[name]) for name in sorted(kept)}
        self.tests = {**self.tests, **{name: _single(self.tests, name) for name in sorted(COMPARING)}}

    # ------------------------------------------------------------ what may be read and called

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read an attribute."""
        if attr.startswith("_") or not super().is_safe_attribute(obj, attr, value):
            return False
        known = next((names for kind, names in METHODS.items() if isinstance(obj, kind)), None)
        if known is not None:
            return attr in known
        return isinstance(obj, RUNTIME) or (is_dataclass(obj) and not isinstance(obj, type))

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether a template may call something."""
        if isinstance(obj, Macro | BlockReference | Undefined) or obj is Namespace:
            return True
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "_")
        if owner is self:
            return name in ("counting", "counted", "joined", "said", "gathered", "cut", "one")
        return owner is not None and not isinstance(owner, type) and self.is_safe_attribute(owner, name, obj)

    def wrap_str_format(self, value: Any) -> None:
        """No text formats itself: `"{0.part}".format(x)` would read parts on a way of its own."""

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls what may be called."""
        self.step(CALL)
        if not self.is_safe_callable(called):
            raise SecurityError(f"a template may not call {type(called).__name__!r} objects such as this one")
        found = super().call(context, called, *args, **kwargs)
        return found if getattr(called, "__self__", None) is self else self.kept(found)

    # ------------------------------------------------------------ how much

    def step(self, cost: int = 1) -> None:
        """Counts; raises SecurityError where it is enough."""
        if not self.bounded:
            return
        self.steps += cost
        if self.steps > STEPS:
            raise SecurityError(f"the template takes more than {text.count(STEPS)} steps; repeat less")
        if time.monotonic() > self.until:
            raise SecurityError(f"the template takes longer than {SECONDS:.0f} s; do less in it")

    def kept(self, value: Any) -> Any:
        """What a step has made; raises SecurityError where it, or all together, is huge."""
        _bounded(value)
        if self.bounded and isinstance(value, str | list | tuple | dict):
            self.made += sys.getsizeof(value) + (0 if isinstance(value, str) else ENTRY * len(value))
            if self.made > MADE:
                raise SecurityError(
                    f"the template makes more than {MADE // 1_000_000} MB of texts and lists; make less"
                )
        return value

    def gathered(self, value: Any) -> Any:
        """A list or mapping that stands in a template."""
        return self.kept(value)

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """`value[start:stop:step]`."""
        self.step()
        if not isinstance(value, str | list | tuple | range | np.ndarray | Undefined):
            raise SecurityError(f"only texts and lists can be cut, not {type(value).__name__!r}")
        return self.kept(value[start:stop:step])

    def one(self, value: Any) -> Any:
        """What is compared."""
        return _cell(value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A part by name or number; of an array by numbers alone: lists of numbers would make a larger one."""
        if isinstance(obj, np.ndarray) and not isinstance(argument, str):
            for place in argument if isinstance(argument, tuple) else (argument,):
                if not isinstance(place, int | np.integer | Undefined):
                    raise SecurityError(f"an array takes numbers in [ ], not {type(place).__name__!r}")
        return super().getitem(obj, argument)

    def counting(self, *args: int) -> range:
        """`range` with an end that is near."""
        found = range(*args)
        if len(found) > WIDEST:
            raise SecurityError(f"range() of more than {text.count(WIDEST)} numbers; take fewer")
        return found

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """What a loop goes through, one step each."""
        for item in _settled(items):
            self.step()
            yield item

    def joined(self, parts: Iterable[Any]) -> str:
        """The operator `~`."""
        for part in parts:
            _plain(part, "~")
        shown = [p if isinstance(p, str) else str(p) for p in parts]
        made = Markup("").join(shown) if any(isinstance(p, Markup) for p in shown) else "".join(shown)
        self.kept(made)
        return made

    @pass_context  # else what is known before would be printed unseen
    def printed(self, _context: Any, value: Any) -> Any:
        """What stands in `{{ }}` or between tags: a text or a number, not a part of the report as Python writes it."""
        _plain(value, "{{ }}")
        if self.bounded:
            size = len(value) if isinstance(value, str) else value.bit_length() // 3 if isinstance(value, int) else 0
            self.characters += max(size, LEAST)
            if self.characters > PRINTED:
                raise SecurityError(f"the template prints more than {text.count(PRINTED)} characters; print less")
        return value

    def said(self, words: str) -> str:
        """Text between tags, on its way to `printed`."""
        return Markup(words) if self.autoescape else words  # noqa: S704 - the template's own text

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An operator that can make much out of little."""
        many = (str, list, tuple)
        _cell(left), _cell(right)
        if operator == "%" and isinstance(left, str):
            raise SecurityError("a text has no operator %; write it with the filter `format`")
        if operator == "*" and (isinstance(left, many) or isinstance(right, many)):
            size, times = (len(left), right) if isinstance(left, many) else (len(right), left)
            if isinstance(times, int) and size * times > MOST:
                raise SecurityError(f"a text or list repeated to more than {text.count(MOST)} entries; make it shorter")
        if operator == "**" and not (abs(left) <= WIDEST and abs(right) <= 64):
            raise SecurityError(f"{left} ** {right} is too large; take powers up to 64 of numbers up to {WIDEST}")
        return self.kept(super().call_binop(context, operator, left, right))

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        """A sign."""
        return super().call_unop(context, operator, _cell(arg))

    def _load_template(self, *args: Any, **kwargs: Any) -> Any:
        self.step(INCLUDE)
        return super()._load_template(*args, **kwargs)

    def add(self, filters: Mapping[str, Callable[..., Any]]) -> None:
        """Further filters, of the documents."""
        self.filters.update({name: self._guarded(name, one) for name, one in filters.items()})

    def _guarded(self, name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that counts as a step, takes no huge number and makes no huge text."""
        skipped = 1 if hasattr(made, "jinja_pass_arg") else 0

        @wraps(made)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.step()
            args = tuple(_settled(one) for one in args)
            if name in OF_ONE:
                _plain(args[skipped], name)
            for given in (*args[skipped + 1 :], *kwargs.values()):
                if isinstance(given, int | float) and abs(given) > WIDEST:
                    raise SecurityError(f"the filter {name} is given {given}; take numbers up to {WIDEST}")
            return self.kept(made(*args, **kwargs))

        return guarded


def _formatted(value: str, *args: Any, **kwargs: Any) -> str:
    """The filter `format`: as Jinja's, with widths of at most three digits."""
    if re.search(r"\d{4}|\*", value):
        raise SecurityError(f"the filter format is given {value[:40]!r}; take widths of at most three digits")
    for given in (*args, *kwargs.values()):
        _plain(given, "format")
    return soft_str(value) % (kwargs or args)


@pass_environment
def _joined(environment: Sandbox, value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    """The filter `join`: as Jinja's, of texts and numbers."""
    items = [environment.getitem(one, attribute) for one in value] if attribute else list(value)
    for one in (d, *items):
        _plain(one, "join")
    shown = [one if isinstance(one, str) else str(one) for one in (d, *items)]
    if sum(map(len, shown[1:])) + len(shown[0]) * len(items) > LONGEST:
        raise SecurityError(f"join makes more than {text.count(LONGEST)} characters; make it shorter")
    made = Markup(shown[0]) if isinstance(d, Markup) else shown[0]  # noqa: S704 - it was Markup already
    return (Markup(escape(made)) if any(isinstance(p, Markup) for p in shown) else made).join(shown[1:])  # noqa: S704


def _replaced(value: str, old: str, new: str, count: int = -1) -> str:
    """The filter `replace`: as Python's; Markup stays Markup, and what comes into it is escaped."""
    value = value if isinstance(value, str) else str(value)
    times = value.count(old) if count < 0 else min(count, value.count(old))
    if len(value) + times * len(new) > LONGEST:
        raise SecurityError(f"replace makes more than {text.count(LONGEST)} characters; make it shorter")
    return value.replace(old, new, count)


@pass_environment
def _summed(environment: Sandbox, value: Iterable[Any], attribute: str | None = None, start: float = 0) -> float:
    """The filter `sum`, of numbers only."""
    found = (environment.getitem(one, attribute) for one in value) if attribute else iter(value)
    total: float = sum((_number(one) for one in found), _number(start))
    return total


def _settled(value: Any) -> Any:
    """Sets in a settled order: their own is another in every run."""
    return sorted(value) if isinstance(value, set | frozenset) else value


def _number(value: Any) -> Any:
    if not isinstance(value, int | float | np.number):
        raise SecurityError(f"sum is given {type(value).__name__!r}; it takes numbers")
    return value


def _plain(value: Any, where: str) -> None:
    """Raises SecurityError for what is neither text nor number."""
    if not isinstance(value, PLAIN) and not hasattr(value, "__html__"):
        if callable(value):
            raise SecurityError(f"{where} shows texts and numbers, and this is a method; call it: write () after it")
        what = type(value).__name__
        raise SecurityError(f"{where} shows texts and numbers, and this is {what!r}; name one of its parts, or loop")


def _cell(value: Any) -> Any:
    """The value; raises SecurityError for a whole array."""
    if isinstance(value, np.ndarray) and value.ndim:
        raise SecurityError("no operator takes a whole array; take its cells, as in value[0, 0]")
    return value


def _single(tests: Mapping[str, Any], name: str) -> Callable[..., Any]:
    """A test that compares, of anything but whole arrays."""
    made = tests[name]

    @wraps(made)
    def single(*args: Any) -> Any:
        return made(*map(_cell, args))

    return single


def _shallow(value: Any) -> None:
    """Raises SecurityError for a list with more in it than can be compared, lists in lists counted where they stand."""
    level, entries = [value], 0
    for _ in range(DEEPEST):
        inner = []
        for one in level:
            held = one.values() if isinstance(one, dict) else one
            entries += len(one)
            if entries > LONGEST // 10:
                raise SecurityError(f"a list of more than {text.count(LONGEST // 10)} entries; make it shorter")
            entries += sum(len(part) // 1000 for part in held if isinstance(part, str))
            inner += [part for part in held if isinstance(part, list | tuple | dict | set | frozenset)]
        if not inner:
            return
        level = inner
    raise SecurityError(f"more than {DEEPEST} lists in each other; nest less deep")


def _bounded(value: Any) -> Any:
    """The value; raises SecurityError where it is huge."""
    if isinstance(value, str) and len(value) > LONGEST:
        raise SecurityError(f"a text of more than {text.count(LONGEST)} characters; make it shorter")
    if isinstance(value, list | tuple | dict):
        _shallow(value)
    if isinstance(value, int) and value.bit_length() > BITS:
        raise SecurityError("a number of more than 300 digits; count less far")
    return value
