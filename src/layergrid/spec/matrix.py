"""Writes one entry of `grids` out as many, one for each combination of what its `matrix` lists; it judges no value.

The grids of an entry are its family. They are named by the entry and the choices, `errors-tiny-sums`, and stand in the
order of the lists, the last going fastest. A figure of another kind than small maps, or an expectation, that names a
family stands for one of each of its grids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from layergrid.kinds import ChartKind, kind_named
from layergrid.spec.base import NAME
from layergrid.spec.including import merge, size
from layergrid.spec.sugar import entries
from layergrid.text import listed, nearest, visible
from layergrid.yamlsource import MAX_NODES, Entry, Node, Place, Problem, scalar

KEY, OVERRIDE, DIFFERENCES = "matrix", "override", "differences"
FAMILIES = "families"  # the key of the full form that holds what became of each matrix
ALL = "all"
PARTS = {"model": "models", "dataset": "datasets"}  # axes whose choices are names of the spec
MOST = 64  # grids of one family
LESS = "-less-"  # in the name of a difference: errors-b-less-a-sums
LONGEST = 64  # characters of a name


@dataclass(frozen=True)
class Choice:
    """One value of one axis."""

    axis: str
    word: str  # as names of grids have it
    value: Node
    key: Place  # where the axis stands


@dataclass
class Family:
    """The grids that became of one entry."""

    key: Place
    members: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def expanded(root: Node, problems: list[Problem]) -> Node:
    """The spec with every matrix written out, and its families under a key of their own, if there are any."""
    written = root.value.get(FAMILIES) if isinstance(root.value, Mapping) else None
    if written is not None:
        problems.append(Problem(written.key, f"unknown key '{FAMILIES}'; write a 'matrix' in an entry of 'grids'"))
        root = root.without(FAMILIES)
    grids = root.get("grids")
    if grids is None or not isinstance(grids.value, Mapping):
        return root
    if not any(set(entries(one.node)) & {KEY, OVERRIDE, DIFFERENCES} for one in grids.value.values()):
        return root
    made: dict[str, Entry] = {}
    families: dict[str, Family] = {}
    before = len(problems)
    for name, entry in grids.value.items():
        expansion = _Expansion(name, entry, root, problems)
        several = expansion.grids() if isinstance(entry.node.value, Mapping) else None
        if several is None:
            alone = expansion.common if isinstance(entry.node.value, Mapping) else entry.node
            _put(made, name, Entry(entry.key, alone), problems)
            continue
        found, family = several
        families[name] = family
        for one, grid in found.items():
            _put(made, one, grid, problems)
    # What could not be written out is not to be missed a second time.
    for name, family in families.items():
        if name in made:
            _put(made, name, Entry(family.key, made[name].node), problems)
    root = root.having("grids", Node(grids.place, made, broken=grids.broken or len(problems) > before))
    if size(root) > MAX_NODES:
        problems.append(Problem(grids.place, f"with every matrix written out the spec has over {MAX_NODES:,} values"))
        return root.having("grids", Node(grids.place, {}, broken=True))
    root = _each_of_family(root, "figures", families)
    root = _each_of_family(root, "expect", families)
    if not families:
        return root
    noted = _noted(families, grids.place)
    return root.having(FAMILIES, Node(noted.place, noted.value, broken=len(problems) > before))


def _put(made: dict[str, Entry], name: str, entry: Entry, problems: list[Problem]) -> None:
    first = made.setdefault(name, entry)
    if first is not entry:
        message = f"two grids are named '{visible(name)}', one of them by a matrix; rename an entry or a choice"
        problems.append(Problem(entry.key, message, first.key))


def _noted(families: Mapping[str, Family], place: Place) -> Node:
    """What became of each matrix, as the full form holds it."""

    def mapping(at: Place, found: Mapping[str, Node]) -> Node:
        return Node(at, {name: Entry(at, node) for name, node in found.items()})

    def one(family: Family) -> Node:
        at = family.key
        members = {
            name: mapping(at, {choice.axis: scalar(at, choice.word) for choice in choices})
            for name, choices in family.members.items()
        }
        differences = Node(at, tuple(scalar(at, name) for name in family.differences))
        return mapping(at, {"members": mapping(at, members), "differences": differences})

    return mapping(place, {name: one(family) for name, family in families.items()})


def _each_of_family(root: Node, part: str, families: Mapping[str, Family]) -> Node:
    """The items of a part, one for each grid of the family where an item names one; small maps show a whole family."""
    node = root.get(part)
    if node is None or not isinstance(node.value, tuple):
        return root
    found: list[Node] = []
    for item in node.value:
        named = item.get("grid")
        family = families.get(str(named.value)) if named is not None else None
        if named is None or family is None or (part == "figures" and _shows_families(item)):
            found.append(item)
            continue
        for grid, choices in family.members.items():
            one, name = item.having("grid", Node(named.place, grid, grid)), item.get("name")
            if part == "expect" and name is not None and isinstance(name.value, str):
                words = f"{name.value} ({', '.join(choice.word for choice in choices)})"
                one = one.having("name", Node(name.place, words, words))
            found.append(one)
    return root.having(part, Node(node.place, tuple(found), broken=node.broken))


def _shows_families(figure: Node) -> bool:
    kind = figure.get("kind")
    found = kind_named(ChartKind, kind.value) if kind is not None and isinstance(kind.value, str) else None
    return found is not None and found.takes_family


class _Expansion:
    """One entry of `grids` while its matrix is written out."""

    def __init__(self, name: str, entry: Entry, root: Node, problems: list[Problem]) -> None:
        self.name, self.entry, self.root, self.problems = name, entry, root, problems
        keys = entries(entry.node)
        self.matrix, self.override, self.less = (keys.get(key) for key in (KEY, OVERRIDE, DIFFERENCES))
        self.common = entry.node.without(KEY).without(OVERRIDE).without(DIFFERENCES)
        self.family = Family(entry.key)

    def grids(self) -> tuple[dict[str, Entry], Family] | None:
        """The grids by name, and their family; None where the entry has no matrix."""
        if self.matrix is None:
            for key, one in ((OVERRIDE, self.override), (DIFFERENCES, self.less)):
                if one is not None:
                    self._wrong(one.key, f"'{key}' is for grids with a 'matrix', and this one has none")
            return None
        before = len(self.problems)
        axes = self._axes(self.matrix)
        made: dict[str, Entry] = {}
        if len(self.problems) == before:
            made = self._members(axes)
        if len(self.problems) == before and self.less is not None:
            made |= self._differences(axes, self.less)
        return made, self.family

    def _wrong(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    # ------------------------------------------------------------ choices

    def _axes(self, matrix: Entry) -> list[list[Choice]]:
        """The choices of every axis."""
        if not isinstance(matrix.node.value, Mapping) or not matrix.node.value:
            self._wrong(matrix.node.place, "'matrix' lists nothing; expected keys of the grid with lists of values, "
                        "such as {model: all, site: [residual, mlp_out]}")  # fmt: skip
            return []
        axes = []
        for axis, entry in matrix.node.value.items():
            if axis in entries(self.common):
                self._wrong(entry.key, f"'{visible(axis)}' stands beside the matrix too; write it in one of the two")
            choices = list(self._choices(axis, entry))
            if not choices and not entry.node.value:
                self._wrong(entry.node.place, f"'{visible(axis)}' lists no value; expected at least one")
            words = [choice.word for choice in choices]
            twice = next((word for word in words if words.count(word) > 1), None)
            if twice is not None:
                message = f"two values of '{visible(axis)}' are called '{visible(twice)}'; name them: {{NAME: value}}"
                self._wrong(entry.node.place, message)
            axes.append(choices)
        n = 1
        for choices in axes:
            n *= max(1, len(choices))
        if n > MOST:
            self._wrong(matrix.node.place, f"the matrix stands for {n:,} grids; expected at most {MOST}")
        return axes

    def _choices(self, axis: str, entry: Entry) -> Iterator[Choice]:
        node = entry.node
        if axis in PARTS and node.value == ALL:
            for name, one in entries(self.root.get(PARTS[axis])).items():
                yield Choice(axis, name, Node(node.place, name, name), one.key)
        elif isinstance(node.value, Mapping):
            for word, one in node.value.items():
                yield Choice(axis, self._word(one.key, word), one.node, entry.key)
        else:
            for item in node.value if isinstance(node.value, tuple) else (node,):
                if isinstance(item.value, tuple | Mapping) or item.value is None:
                    message = f"a value of '{visible(axis)}' is a list or nothing; name it: {{NAME: value}}"
                    self._wrong(item.place, message)
                    continue
                yield Choice(axis, self._word(item.place, item.written or str(item.value)), item, entry.key)

    def _word(self, place: Place, written: str) -> str:
        """What a value is called in names of grids: its letters, digits, '_' and '-', others as '_'."""
        word = re.sub(r"[^A-Za-z0-9_-]+", "_", written).strip("_")
        if not word:
            self._wrong(place, f"'{visible(written)}' gives a grid no name; name the value: {{NAME: value}}")
        return word

    # ------------------------------------------------------------ grids

    def _members(self, axes: list[list[Choice]]) -> dict[str, Entry]:
        """One grid a combination, with what `override` says of it."""
        found: dict[str, Entry] = {}
        overrides = entries(self.override.node) if self.override is not None else {}
        if self.override is not None and not isinstance(self.override.node.value, Mapping):
            self._wrong(self.override.node.place, "'override' is no mapping; expected choices with keys of the grid")
        used: set[str] = set()
        for choices in product(*axes):
            node: Node | None = self.common
            for choice in choices:
                node = node.having(choice.axis, choice.value, choice.key) if node is not None else None
            words = [choice.word for choice in choices]
            for key in (*dict.fromkeys(words), "-".join(words)) if len(words) > 1 else words:
                if key in overrides:
                    used.add(key)
                    node = self._overridden(node, overrides[key])
            name = self._named(words)
            if node is not None:
                found[name] = Entry(self.entry.key, node)
                self.family.members[name] = choices
        self._check_overrides(overrides, used, axes)
        if not found:
            self._wrong(self.entry.key, f"grid '{visible(self.name)}': every combination of its matrix is removed")
        return found

    def _overridden(self, node: Node | None, over: Entry) -> Node | None:
        """The keys of one grid below those that are said of one choice; null removes the grid."""
        if node is None or over.node.value is None:
            return None
        if not isinstance(over.node.value, Mapping):
            self._once(over.node.place, "an override is a mapping of keys of the grid, or null to leave it out")
            return node
        return Node(self.entry.node.place, merge(node, over.node, ("grids", self.name)).value)

    def _once(self, place: Place, message: str) -> None:
        if not any(one.place == place and one.message == message for one in self.problems):
            self._wrong(place, message)

    def _check_overrides(self, overrides: Mapping[str, Entry], used: set[str], axes: list[list[Choice]]) -> None:
        """Overrides of what is no choice, or of what two axes call alike."""
        words = [choice.word for choices in axes for choice in choices]
        for key, entry in overrides.items():
            if words.count(key) > 1:
                self._wrong(entry.key, f"two axes of the matrix have a '{visible(key)}'; name the combination instead")
            elif key not in used:
                like = nearest(key, words)
                hint = f"; did you mean '{like}'?" if like else ""
                known = listed(dict.fromkeys(words), "or")
                self._wrong(entry.key, f"no choice of the matrix is '{visible(key)}'; expected {known}{hint}")

    def _named(self, words: list[str]) -> str:
        """The name of a grid, which is that of its files."""
        name = "-".join((self.name, *words))
        if len(name) > LONGEST or not re.fullmatch(NAME, name):
            message = f"'{visible(name)}' is no name of a grid; expected at most {LONGEST} letters a-z, digits, '_' "
            self._once(self.entry.key, message + "and '-': shorten it, or name the values: {NAME: value}")
        return name

    # ------------------------------------------------------------ differences

    def _differences(self, axes: list[list[Choice]], asked: Entry) -> dict[str, Entry]:
        """A grid of differences for each member and the one that has the choice they are held against."""
        given = asked.node.value
        if given is False:
            return {}
        at, against = self._against(axes, asked)
        if against is None:
            return {}
        place = asked.node.place
        more = {key: one for key, one in entries(asked.node).items() if key != "against"}
        by_words = {tuple(c.word for c in choices): name for name, choices in self.family.members.items()}
        found: dict[str, Entry] = {}
        for words, name in by_words.items():
            other = by_words.get((*words[:at], against, *words[at + 1 :]))
            if words[at] == against or other is None:
                continue
            keys = {key: Entry(place, scalar(place, value)) for key, value in
                    (("kind", "difference"), ("of", name), ("minus", other))}  # fmt: skip
            called = self._named([*words[:at], f"{words[at]}{LESS}{against}", *words[at + 1 :]])
            found[called] = Entry(asked.key, Node(place, {**keys, **more}))
        self.family.differences += found
        if not found:
            self._wrong(place, "no two grids of the matrix differ in one choice alone, so that there is no difference")
        return found

    def _against(self, axes: list[list[Choice]], asked: Entry) -> tuple[int, str | None]:
        """Which axis is compared, and its choice that the others are held against: by itself the first of the first."""
        wanted = asked.node.get("against")
        if asked.node.value is True or (isinstance(asked.node.value, Mapping) and wanted is None):
            at = next((k for k, choices in enumerate(axes) if len(choices) > 1), None)
            if at is not None:
                return at, axes[at][0].word
            self._wrong(asked.node.place, "the matrix has no axis with two choices, so that nothing can be compared")
            return 0, None
        if wanted is None:
            self._wrong(asked.node.place, "'differences' is neither true nor a mapping; expected {against: CHOICE}")
            return 0, None
        found = [k for k, choices in enumerate(axes) if any(choice.word == str(wanted.value) for choice in choices)]
        if len(found) == 1:
            return found[0], str(wanted.value)
        words = dict.fromkeys(choice.word for choices in axes for choice in choices)
        like = nearest(str(wanted.value), words)
        hint = f"; did you mean '{like}'?" if like else ""
        what = "more than one axis has" if found else "no choice of the matrix is"
        self._wrong(wanted.place, f"{what} '{visible(str(wanted.value))}'; expected {listed(words, 'or')}{hint}")
        return 0, None


def told_once(problems: list[Problem], root: Node) -> list[Problem]:
    """The problems without those that say of several grids of a family the same of one place."""
    names = {
        member: family
        for family, entry in entries(root.get(FAMILIES)).items()
        for member in entries(entry.node.get("members"))
    }
    if not names:
        return problems
    longest_first = sorted(names, key=len, reverse=True)
    member = re.compile("|".join(map(re.escape, longest_first)))
    found: dict[tuple[str, int, int, str], Problem] = {}
    for one in problems:
        message = member.sub(lambda name: names[name[0]], one.message)
        found.setdefault((one.place.source.name, one.place.line, one.place.column, message), one)
    return list(found.values())
