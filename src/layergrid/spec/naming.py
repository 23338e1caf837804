"""Names of token positions: bare names, ranges such as -8..-1 and globs; it knows no spec, only the resolver kinds."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from layergrid.kinds import PositionResolver, known
from layergrid.text import nearest, visible
from layergrid.yamlsource import Node, Problem

RANGE = re.compile(r"([-+]?[0-9]+)\s*\.\.\s*([-+]?[0-9]+)")
ORDER = (
    "last_q", "first_answer", "second_answer", "exact_answer_before_first", "exact_answer_first",
    "exact_answer_last", "exact_answer_after_last", "-8", "-7", "-6", "-5", "-4", "-3", "-2", "-1",
)  # fmt: skip
LONGEST = 64  # positions of one range


class Naming:
    """The names that are known at one place of a spec."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    @staticmethod
    def is_glob(text: str) -> bool:
        """Whether a text is a pattern: no name holds these characters."""
        return any(c in text for c in "*?[")

    def expand(self, item: Node, problems: list[Problem]) -> list[str]:
        """The names that a text or a whole number stands for; a glob that matches nothing is a problem."""
        text = str(item.value)
        found = RANGE.fullmatch(text)
        if found:
            first, last = int(found[1][:9]), int(found[2][:9])
            if abs(last - first) >= LONGEST or first * last <= 0:
                message = f"range {text} is not one of positions; expected two negative numbers such as -8..-1"
                problems.append(Problem(item.place, message))
                return []
            return [str(n) for n in range(first, last + (1 if last >= first else -1), 1 if last >= first else -1)]
        if not self.is_glob(text):
            return [text]
        matched = fnmatch.filter(self.names, text)
        if not matched:
            message = f"glob '{text}' matches no position; known: {', '.join(self.names) or 'none'}"
            problems.append(Problem(item.place, message))
        return matched

    def matching(self, text: str) -> list[str]:
        """The same of a text that stands in no file; empty where it is no range and matches nothing."""
        found = RANGE.fullmatch(text)
        if found:
            first, last = int(found[1][:9]), int(found[2][:9])
            wide = abs(last - first) >= LONGEST or first * last <= 0
            return [] if wide else [str(n) for n in range(min(first, last), max(first, last) + 1)]
        return fnmatch.filter(self.names, text)

    def unknown(self, name: str) -> str:
        """What to say of a name that is not known."""
        like = nearest(name, self.names)
        hint = f"; did you mean '{like}'?" if like else ""
        return f"no position '{name}'; known: {', '.join(self.names) or 'none'}{hint}"


def reference(node: Node | None, what: str, known: Iterable[str]) -> list[Problem]:
    """A problem where a text names nothing that is known; other types are reported by the models."""
    names = list(known)
    if node is None or not isinstance(node.value, str) or node.value in names or not names:
        return []
    like = nearest(node.value, names)
    hint = f"; did you mean '{like}'?" if like else ""
    return [Problem(node.place, f"no {what} '{visible(node.value)}'; known: {', '.join(names)}{hint}")]


def known_names() -> tuple[str, ...]:
    """All bare names of positions, in the order of a sequence as far as they are the usual ones."""
    names = dict.fromkeys(name for kind in known(PositionResolver).values() for name in kind.names)
    return tuple(sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)))


def find_resolver(name: str) -> str | None:
    """The kind of the resolver that a bare name belongs to."""
    for kind_name, kind in known(PositionResolver).items():
        pattern = getattr(kind, "pattern", None)
        if name in kind.names or (isinstance(pattern, str) and re.fullmatch(pattern, name)):
            return kind_name
    return None
