"""The Jinja environment of prompts, which bounds what a stranger's template makes; it knows no data set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from layergrid.text import count

STEPS = 100_000  # of one prompt: a turn of a loop, a call, a filter or a value that is printed is one
SECONDS = 60.0  # of all prompts of a data set
LONGEST = 2_000_000  # characters of one text
MOST = 100_000  # entries of one list, those of lists in it counted
WIDEST = 10_000  # a number that a filter or method is given, and what `range` counts up to
BITS = 4096  # of a whole number
DEEPEST = 40  # lists in lists
METHODS: dict[type, frozenset[str]] = {
    str: frozenset({
        "capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii",
        "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "ljust", "lower",
        "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition",
        "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
    }),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    int: frozenset({"is_integer"}),
    float: frozenset({"is_integer"}),
}  # fmt: skip
LEFT_OUT = (
    "attr",
    "filesizeformat",
    "format",
    "pprint",
    "random",
    "urlize",
    "xmlattr",
)  # filters: no prompt needs them


class Bounded(ImmutableSandboxedEnvironment):
    """Reads columns and texts, nothing behind them; raises SecurityError where a template makes too much."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, finalize: Callable[[object], object]) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, optimized=False,
            finalize=self.printed,
        )  # fmt: skip
        self.shown = finalize
        self.steps, self.characters, self.until = 0, 0, time.monotonic() + SECONDS
        self.globals = {"range": self.counting, "namespace": self.globals["namespace"], "dict": dict}
        known = {**self.filters, "from_json": _from_json}
        self.filters = {name: self._guarded(name, one) for name, one in known.items() if name not in LEFT_OUT}

    def begin(self) -> None:
        """A prompt begins: it may take all steps anew."""
        self.steps = self.characters = 0

    def step(self) -> None:
        """Counts; raises SecurityError where it is enough."""
        self.steps += 1
        if self.steps > STEPS:
            raise SecurityError(f"it takes more than {count(STEPS)} steps; repeat less")
        if time.monotonic() > self.until:
            raise SecurityError(f"the prompts take longer than {SECONDS:.0f} s; do less in the template")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read an attribute."""
        known = next((names for kind, names in METHODS.items() if isinstance(obj, kind)), None)
        return super().is_safe_attribute(obj, attr, value) and (known is None or attr in known)

    def wrap_str_format(self, value: Any) -> None:
        """No text formats itself: `"{0.part}".format(x)` would read parts on a way of its own."""

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a macro or a method with numbers and texts of no great size."""
        self.step()
        owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
        if not isinstance(called, Macro) and owner is not self:
            _check_growth(name, (owner, *args))
        return bounded(super().call(context, called, *args, **kwargs))

    def counting(self, *args: int) -> range:
        """`range` with an end that is near."""
        found = range(*args)
        if len(found) > WIDEST:
            raise SecurityError(f"range() of more than {count(WIDEST)} numbers; take fewer")
        return found

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """What a loop goes through, one step each."""
        for item in items:
            self.step()
            yield item

    def joined(self, *parts: Any) -> str:
        """The operator `~`."""
        self.step()
        return str(bounded("".join(str(bounded(one)) for one in parts)))

    def known(self, value: Any) -> Any:
        """A list that stands in a template, or what is compared."""
        return bounded(value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An operator that can make much out of little."""
        self.step()
        many = (str, list, tuple)
        if operator == "%" and isinstance(left, str):
            raise SecurityError("a text has no operator %; join texts with ~")
        if operator == "*" and (isinstance(left, many) or isinstance(right, many)):
            size, times = (len(left), right) if isinstance(left, many) else (len(right), left)
            if isinstance(times, int) and size * times > MOST:
                raise SecurityError(f"a text or list repeated to more than {count(MOST)} entries; make it shorter")
        if operator == "**" and not (abs(left) <= WIDEST and abs(right) <= 64):
            raise SecurityError(f"a power is too large; take powers up to 64 of numbers up to {count(WIDEST)}")
        return bounded(super().call_binop(context, operator, left, right))

    def said(self, words: str) -> str:
        """Text between tags, on its way to `printed`."""
        return words

    @pass_context  # else what is known before would be printed unseen
    def printed(self, _context: Any, value: Any) -> Any:
        """What stands in `{{ }}` or between tags."""
        self.step()
        shown = bounded(self.shown(value))
        self.characters += len(shown) if isinstance(shown, str) else 8
        if self.characters > LONGEST:
            raise SecurityError(f"it prints more than {count(LONGEST)} characters; print less")
        return shown

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _Counted().visit(super()._parse(source, name, filename))  # type: ignore[no-any-return]  # Jinja's visitor

    def _guarded(self, name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that counts as a step and is given nothing of a great size."""
        skipped = 1 if hasattr(made, "jinja_pass_arg") else 0

        @wraps(made)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.step()
            _check_growth(name, (*args[skipped:], *kwargs.values()))
            return bounded(made(*args, **kwargs))

        return guarded


class _Counted(NodeTransformer):
    """Rewrites a template: what repeats, joins, compares or makes lists goes through the environment."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - the name that Jinja looks for
        """A loop."""
        self.generic_visit(node)
        node.iter = _call("counted", node.iter)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        """Text between tags."""
        return _call("said", nodes.Const(node.data, lineno=node.lineno))

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        """The operator `~`."""
        self.generic_visit(node)
        return _call("joined", *node.nodes)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802 - the name that Jinja looks for
        """A comparison, of lists too."""
        self.generic_visit(node)
        node.expr = _call("known", node.expr)
        for operand in node.ops:
            operand.expr = _call("known", operand.expr)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802 - the name that Jinja looks for
        """A list."""
        self.generic_visit(node)
        return _call("known", node)


def _from_json(text: str) -> Any:
    """What stands as JSON in a text, as columns hold lists and mappings."""
    return json.loads(text)


def _call(name: str, *given: Any) -> nodes.Call:
    made = nodes.EnvironmentAttribute(name, lineno=given[0].lineno)
    return nodes.Call(made, list(given), [], None, None, lineno=given[0].lineno)


def _check_growth(name: str, given: tuple[Any, ...]) -> None:
    """Raises SecurityError where a filter or method would make a great text of what it is given."""
    for one in given[1:]:
        if isinstance(one, int | float) and abs(one) > WIDEST:
            raise SecurityError(f"{name} is given {one}; take numbers up to {count(WIDEST)}")
    texts = [len(one) for one in given if isinstance(one, str)]
    if name == "replace" and len(texts) == 3 and (texts[0] + 1) * texts[2] > LONGEST and texts[2] > max(1, texts[1]):
        raise SecurityError(f"replace could make more than {count(LONGEST)} characters; make it shorter")
    if name in ("join", "indent", "wordwrap") and given and max(texts, default=0) > 1:
        whole = sum(len(str(one)) if isinstance(one, str) else 1 for one in given)
        items = max((len(one) for one in given if hasattr(one, "__len__")), default=1)
        if items * max(1, min(texts)) > 10 * LONGEST or whole > 10 * LONGEST:
            raise SecurityError(f"{name} could make more than {count(LONGEST)} characters; make it shorter")


def bounded(value: Any) -> Any:
    """The value; raises SecurityError where it is huge."""
    if isinstance(value, str) and len(value) > LONGEST:
        raise SecurityError(f"a text of more than {count(LONGEST)} characters; make it shorter")
    if isinstance(value, int) and value.bit_length() > BITS:
        raise SecurityError("a number of more than a thousand digits; count less far")
    if isinstance(value, list | tuple | Mapping):
        _check_list(value)
    return value


def _check_list(value: Any) -> None:
    """Raises SecurityError for a list with more in it than can be printed or compared."""
    level, entries = [value], 0
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in level:
            held = list(one.values() if isinstance(one, Mapping) else one)
            entries += len(held) + sum(len(part) // 100 for part in held if isinstance(part, str))
            if entries > MOST:
                raise SecurityError(f"a list of more than {count(MOST)} entries; make it shorter")
            inner += [part for part in held if isinstance(part, list | tuple | Mapping)]
        if not inner:
            return
        level = inner
    raise SecurityError(f"more than {DEEPEST} lists in each other; nest less deep")
