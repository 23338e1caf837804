"""Puts the values of a spec's variables where its texts name them: `${name}`; it judges no value.

A text that is nothing but `${name}` becomes the value as it is; inside of a text a value stands as it was written.
`$${` is `${`. `${{` is left alone: a dollar before a column of a prompt. Values hold no variables themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from layergrid.spec.base import NAME
from layergrid.spec.including import size
from layergrid.text import nearest, visible
from layergrid.yamlsource import MAX_NODES, Entry, Node, Place, Problem

KEY = "variables"
MOST_TEXT = 1_048_576  # characters of all texts that name variables, once they are written out
USE = re.compile(r"\$\$\{|\$\{(?!\{)([^{}]*)(\}?)")
LINES = 400  # of a text, in which the place of a variable is looked for


def filled(root: Node, problems: list[Problem]) -> Node:
    """The spec with its variables in place, and without the list of them. Adds to `problems` what cannot be."""
    if not isinstance(root.value, Mapping):
        return root
    return _Filling(_known(root.get(KEY), problems), problems).all(root.without(KEY))


def _known(node: Node | None, problems: list[Problem]) -> dict[str, Node]:
    """The variables by name; those that cannot be are problems, and broken."""
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, Mapping):
        problems.append(Problem(node.place, "'variables' is no mapping; expected names with values, such as {n: 200}"))
        return {}
    found = {}
    for name, entry in node.value.items():
        message = ""
        if not re.fullmatch(NAME, name):
            message = f"'{visible(name)}' is no name; expected letters a-z, digits, '_' and '-', a letter first"
        elif _uses(entry.node):
            message = (
                f"the value of variable '{visible(name)}' names a variable; expected a value that stands by itself"
            )
        if message:
            problems.append(Problem(entry.key, message))
        found[name] = Node(entry.node.place, entry.node.value, entry.node.written, broken=bool(message))
    return found


def _uses(node: Node) -> bool:
    """Whether a variable is named in any text of a value."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one.value, str) and any(found[0] != "$${" for found in USE.finditer(one.value)):
            return True
        waiting += one.value if isinstance(one.value, tuple) else ()
        waiting += [entry.node for entry in one.value.values()] if isinstance(one.value, Mapping) else []
    return False


class _Filling:
    """One pass over a spec; it counts what it writes out."""

    def __init__(self, known: Mapping[str, Node], problems: list[Problem]) -> None:
        self.known, self.problems = known, problems
        self.sizes = {name: size(node) for name, node in known.items()}
        self.values = self.characters = 0
        self.failed = False  # whether something in the text at hand is wrong

    def all(self, node: Node) -> Node:
        """A value with everything in it filled in; the same node where nothing is."""
        if isinstance(node.value, str):
            return self._text(node, node.value) if "${" in node.value else node
        if isinstance(node.value, tuple):
            several = tuple(self.all(one) for one in node.value)
            same = all(a is b for a, b in zip(several, node.value, strict=True))
            return node if same else Node(node.place, several, broken=node.broken)
        if isinstance(node.value, Mapping):
            made = {name: Entry(entry.key, self.all(entry.node)) for name, entry in node.value.items()}
            same = all(entry.node is node.value[name].node for name, entry in made.items())
            return node if same else Node(node.place, made, broken=node.broken)
        return node

    def _text(self, node: Node, text: str) -> Node:
        only = USE.fullmatch(text)
        if only is not None and only[0] != "$${" and (found := self._value(node, only)) is not None:
            self.values += self.sizes[only[1]]
            if self.values > MAX_NODES:
                return self._wrong(node, only, f"variables stand for more than {MAX_NODES:,} values in all")
            return Node(node.place, found.value, found.written, broken=found.broken)
        self.failed = only is not None and only[0] != "$${"
        made = USE.sub(lambda use: "${" if use[0] == "$${" else self._inside(node, use), text)
        self.characters += len(made)
        if self.characters > MOST_TEXT and not self.failed:
            return self._wrong(node, None, f"texts with variables have more than {MOST_TEXT:,} characters in all")
        return Node(node.place, made, made, broken=node.broken or self.failed)

    def _inside(self, node: Node, use: re.Match[str]) -> str:
        """The text of a variable inside of a longer one."""
        found = self._value(node, use)
        if found is None or found.broken:
            return ""
        if isinstance(found.value, tuple | Mapping) or found.value is None:
            what = "nothing (null)" if found.value is None else "a list or a mapping"
            self._wrong(node, use, f"variable '{use[1]}' is {what}, which can stand alone only: ${{{use[1]}}}")
            return ""
        text = found.value if isinstance(found.value, str) else found.written or str(found.value)
        self.characters += len(text)
        return text if self.characters <= MOST_TEXT else ""

    def _value(self, node: Node, use: re.Match[str]) -> Node | None:
        """The variable that a text names; None where there is none, and the problem is told once."""
        name, closed = use[1], use[2]
        if not closed:
            message = "'${' is never closed; write ${name} for a variable, or $${ for the signs themselves"
        elif name in self.known:
            return self.known[name]
        else:
            like = nearest(name, self.known)
            hint = f"; did you mean '${{{like}}}'?" if like else "; write $${ for the signs themselves"
            message = f"no variable '{visible(name)}'; known: {', '.join(self.known) or 'none'}{hint}"
        self.failed = True
        place = _place(node.place, use[0])
        if not any(one.place == place and one.message == message for one in self.problems):
            self.problems.append(Problem(place, message))
        return None

    def _wrong(self, node: Node, use: re.Match[str] | None, message: str) -> Node:
        self.failed = True
        self.problems.append(Problem(node.place if use is None else _place(node.place, use[0]), message))
        return Node(node.place, "", broken=True)


def _place(start: Place, written: str) -> Place:
    """Where a text holds something, as far as its lines show it as it is; else where the text begins."""
    lines = start.source.lines
    for number in range(start.line, min(len(lines), start.line + LINES) + 1):
        at = lines[number - 1].find(written, start.column - 1 if number == start.line else 0)
        if at >= 0:
            return Place(start.source, number, at + 1)
    return start
