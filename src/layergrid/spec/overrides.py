"""Applies `--set a.b=c` to the nodes of a spec before anything is checked; it knows no model of the spec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

from layergrid.spec.sugar import wrapped
from layergrid.text import nearest, plural, visible
from layergrid.yamlsource import Node, Place, Problem, Source, YamlError, load, scalar

Step = tuple[str, Place]
NAMED = {"models": "model", "datasets": "data set", "grids": "grid"}


def apply(root: Node, override: str, problems: list[Problem]) -> Node:
    """The spec with one value set; where that cannot be, a problem is added and the spec returned as it is."""
    path, equals, text = override.partition("=")
    path = path.strip()
    source = Source(f"--set {visible(path)}", f"--set {override}", numbered=False)
    start = Place(source, 1, 1)
    if not equals or not path:
        problems.append(Problem(start, "expected KEY=VALUE, such as grids.errors.folds=3"))
        return root
    try:
        steps = _steps(override, source)
        value = scalar(Place(source, 1, len(f"--set {override}") + 1), "")
        if text.strip():
            value, more = load(source, text, len(f"--set {override}") - len(text))
            problems.extend(more)
        return _set(root, steps, value, ())
    except YamlError as error:
        problems.append(error.problem)
    return root


def _steps(override: str, source: Source) -> list[Step]:
    """The keys and indices of a path, each with its place: a.b.0 and a.b[0] are the same."""
    path = override.partition("=")[0]
    steps = [
        (found[0], Place(source, 1, len("--set ") + found.start() + 1)) for found in re.finditer(r"[^.\[\]\s]+", path)
    ]
    if not steps or not re.fullmatch(r"\s*[^.\[\]\s]+(\.[^.\[\]\s]+|\[[0-9]+\])*\s*", path):
        _fail(Place(source, 1, 1), "expected keys joined by dots before '=', such as grids.errors.folds=3")
    return steps


def _set(node: Node, steps: list[Step], value: Node, done: tuple[str, ...]) -> Node:
    """A node with the value at the end of the steps replaced; keys that are missing on the way are made."""
    if not steps:
        return value
    (step, place), rest = steps[0], steps[1:]
    node = _opened(node, done)
    if isinstance(node.value, tuple):
        if not re.fullmatch("[0-9]{1,6}", step) or int(step) >= len(node.value):
            here = ".".join(done)
            _fail(place, f"'{here}' is a list of {plural(len(node.value), 'entry', 'entries')}, counted from 0")
        changed = list(node.value)
        changed[int(step)] = _set(changed[int(step)], rest, value, (*done, step))
        return Node(node.place, tuple(changed))
    entries = {} if node.value is None else node.value
    if not isinstance(entries, Mapping):
        _fail(place, f"'{'.'.join(done)}' has no keys; expected --set {'.'.join(done)}=VALUE")
    if step not in entries and rest and len(done) == 1 and done[0] in NAMED:
        like = nearest(step, entries)
        hint = f"; did you mean '{like}'?" if like else ""
        _fail(place, f"no {NAMED[done[0]]} '{visible(step)}'; known: {', '.join(entries) or 'none'}{hint}")
    inner = entries[step].node if step in entries else Node(place, {})
    return node.having(step, _set(inner, rest, value, (*done, step)), entries[step].key if step in entries else place)


def _opened(node: Node, done: tuple[str, ...]) -> Node:
    """A short form as the mapping that it stands for, where the path goes on into it."""
    if len(done) == 2 and done[0] == "models":
        return wrapped(node, "address")
    if (len(done) == 2 and done[0] in ("grids", "figures")) or (len(done) == 3 and done[::2] == ("datasets", "grade")):
        return wrapped(node, "kind")
    return node


def _fail(place: Place, message: str) -> NoReturn:
    raise YamlError(Problem(place, message))
