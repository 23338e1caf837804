"""Puts the specs that a spec includes below it, as nodes that keep their files and places; it judges no value.

Mappings are merged key by key; lists and scalars, and mappings of another `kind`, are replaced; null removes. Of
several included files the later wins, and the file itself over all of them. The path of an included file starts at the
folder of the file in which it is written; every other path in it starts at the folder of the spec that is built, as if
its text stood there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from layergrid.kinds import BadInput
from layergrid.project import Project
from layergrid.spec.sugar import items
from layergrid.text import nearest, visible
from layergrid.yamlsource import MAX_BYTES, MAX_NODES, Entry, Node, Problem, YamlError, load, read

KEY = "include"
SUFFIXES = (".yaml", ".yml")
MOST = 32  # files that one spec includes, in all
DEEPEST = 8  # files that include each other, one in the other
MEANT = frozenset({"generate", "grade"})  # of a data set: null there says something of its own, and stays


def merge(below: Node, over: Node, at: tuple[str, ...] = ()) -> Node:
    """Two values of one key as one: `over` wins. `at`: the keys that lead to it.

    Keys stand in the order of `below`, new ones after them. A null removes what `below` says of its key, and stays
    where `below` says nothing; of a data set's `generate` and `grade` it stays, since null means something there.
    """
    if not (isinstance(below.value, Mapping) and isinstance(over.value, Mapping)) or _other_kind(below, over):
        return over
    entries = dict(below.value)
    for name, entry in over.value.items():
        old = entries.get(name)
        if old is None:
            entries[name] = entry
        elif entry.node.value is None and not (at[:1] == ("datasets",) and len(at) == 2 and name in MEANT):
            del entries[name]
        else:
            entries[name] = Entry(entry.key, merge(old.node, entry.node, (*at, name)))
    return Node(over.place, entries, broken=below.broken or over.broken)


def _other_kind(below: Node, over: Node) -> bool:
    """Whether two mappings are parameters of different kinds, which have little in common."""
    kinds = [None if (kind := node.get("kind")) is None else kind.value for node in (below, over)]
    return None not in kinds and kinds[0] != kinds[1]


def whole(root: Node, path: Path, project: Project, problems: list[Problem]) -> Node:
    """The spec of the file `path` with all that it includes; broken where something of that could not be had.

    Adds to `problems` what is wrong with the included files, each at its own place.
    """
    if root.get(KEY) is None and KEY not in (root.value if isinstance(root.value, Mapping) else {}):
        return root
    return _Files(project, problems).below(root, path, (Path(os.path.realpath(path)),))


def size(node: Node, most: int = MAX_NODES) -> int:
    """How many values a node holds, counted no further than just above `most`."""
    waiting, found = [node], 0
    while waiting and found <= most:
        one = waiting.pop()
        found += 1
        if isinstance(one.value, tuple):
            waiting += one.value
        elif isinstance(one.value, Mapping):
            waiting += [entry.node for entry in one.value.values()]
    return found


class _Files:
    """The files that one spec includes, counted."""

    def __init__(self, project: Project, problems: list[Problem]) -> None:
        self.project, self.problems = project, problems
        self.files = self.bytes = 0

    def below(self, root: Node, path: Path, chain: tuple[Path, ...]) -> Node:
        """A file's mapping over those that it includes. `chain`: the files that led here, it last."""
        asked = root.get(KEY)
        root = root.without(KEY)
        if asked is None:
            return root
        found: Node | None = None
        failed = False
        for item in items(asked) if isinstance(asked.value, tuple) else (asked,):
            one = self._file(item, path, chain)
            failed = failed or one is None or one.broken
            if one is not None:
                found = one if found is None else merge(found, one)
        made = root if found is None else merge(found, root)
        if not failed and size(made) > MAX_NODES:
            self._wrong(item, f"with what it includes the spec has more than {MAX_NODES:,} values; it needs far fewer")
            failed = True
        return Node(made.place, made.value, broken=failed)

    def _file(self, item: Node, path: Path, chain: tuple[Path, ...]) -> Node | None:
        """What an included file holds, with all that it includes itself; None where it cannot be had."""
        written = item.value
        if not isinstance(written, str) or not written.endswith(SUFFIXES):
            shown = f"'{visible(written)}'" if isinstance(written, str) else item.written or "no text"
            return self._wrong(item, f"'include' names {shown}; expected the path of a YAML file, such as base.yaml")
        shown_path = path.parent / written
        try:
            found = Path(os.path.realpath(self.project.at(path.parent).path(written, KEY)))
            if found in chain:
                names = [*(one.name for one in chain[chain.index(found) :]), found.name]
                return self._wrong(item, f"'{visible(written)}' includes itself: {visible(' -> '.join(names))}")
            self.files += 1
            if self.files > MOST or len(chain) > DEEPEST:
                limit = f"at most {MOST} files" if self.files > MOST else f"files at most {DEEPEST} deep"
                return self._wrong(item, f"too much is included; expected {limit}")
            return self._read(item, shown_path, (*chain, found))
        except BadInput as error:
            return self._wrong(item, str(error))
        except YamlError as error:
            self.problems.append(Problem(error.problem.place, error.problem.message, error.problem.also or item.place))
            return None
        except OSError as error:
            return self._wrong(item, _unreadable(written, shown_path, error))

    def _read(self, item: Node, path: Path, chain: tuple[Path, ...]) -> Node | None:
        source = read(path)
        self.bytes += len(source.text)
        if self.bytes > MAX_BYTES:
            return self._wrong(item, f"the included files have more than {MAX_BYTES:,} characters together")
        root, found = load(source)
        self.problems += found
        if not isinstance(root.value, Mapping):
            self.problems.append(Problem(root.place, "an included spec is a mapping of keys to values", item.place))
            return None
        return self.below(root, path, chain)

    def _wrong(self, item: Node, message: str) -> Node | None:
        self.problems.append(Problem(item.place, message))
        return None


def _unreadable(written: str, path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"'{visible(written)}' cannot be read ({error.strerror or error}); expected a YAML file"
    there = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    like = nearest(path.name, there)
    hint = f"; did you mean '{visible(str(Path(written).with_name(like)))}'?" if like else ""
    return f"there is no file '{visible(written)}'; its path starts at the folder of the file that includes it{hint}"
