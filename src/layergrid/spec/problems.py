"""Says pydantic's errors in the words and at the places of the YAML; it checks nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from layergrid import kinds
from layergrid.kinds import BadInput
from layergrid.spec.base import NAME
from layergrid.spec.fields import NOT_WRITTEN, WORDS, contradicts
from layergrid.spec.readers import base_at, fields_at
from layergrid.text import listed, nearest, visible
from layergrid.yamlsource import Node, Place, Problem

LONGEST = 600  # characters of a message that a validator wrote
EXPANDED = ("matrix", "override", "differences")  # keys of a grid that are read before its kind is
EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "none_required": "null",
}


class SpecError(BadInput):
    """Everything that is wrong with a spec, each with its place, source line and caret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(
            sorted(
                problems, key=lambda p: (not p.place.source.numbered, p.place.source.name, p.place.line, p.place.column)
            )
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class _Walk:
    """Where in the YAML an error of pydantic points."""

    node: Node  # the deepest node that it reaches
    key: Place  # where the key stands under which that node was found
    path: tuple[str | int, ...]  # keys and indices down to that node
    tags: tuple[tuple[int, str], ...]  # (length of the path, name) of the branches of unions that it passes
    on_key: bool  # it speaks of the key, not of the value
    broken: bool  # something on the way has been reported already


def translate(error: ValidationError, root: Node) -> list[Problem]:
    """The problems of a spec whose full form is `root`, each once."""
    found = [(_walk(details, root), details) for details in error.errors(include_url=False, include_input=False)]
    told = [(walk, one) for walk, one in found if not walk.broken and not contradicts(one["type"], walk.node.plain())]
    found = told or [(walk, one) for walk, one in found if not walk.broken]  # nothing is refused without a word
    kept = [(walk, details) for walk, details in found if not _other_branch_fits_better(walk, details, found)]
    same: dict[tuple[object, ...], list[tuple[_Walk, ErrorDetails]]] = {}
    for walk, details in kept:
        # Branches of one union are said in one sentence; other errors stand alone.
        alone = () if walk.tags and _expected(details) else (id(details),)
        same.setdefault((walk.path, walk.on_key, *alone), []).append((walk, details))
    return [_problem(group, root) for group in same.values()]


def _name_of(details: ErrorDetails) -> str:
    """The last part of an error's place: a missing or unknown key."""
    return str(details["loc"][-1]) if details["loc"] else ""


def _walk(details: ErrorDetails, root: Node) -> _Walk:
    loc = list(details["loc"])
    if details["type"] in ("missing", "extra_forbidden"):
        loc.pop()
    on_key = bool(loc) and loc[-1] == "[key]"
    path: list[str | int] = []
    tags: list[tuple[int, str]] = []
    node, key, broken = root, root.place, root.broken
    for step in loc:
        if isinstance(node.value, Mapping) and str(step) in node.value:
            entry = node.value[str(step)]
            node, key = entry.node, entry.key
        elif isinstance(node.value, tuple) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            key = node.place
        else:
            tags.append((len(path), str(step)))
            continue
        path.append(step)
        broken = broken or node.broken
    child = node.get(_name_of(details)) if details["type"] == "missing" else None
    return _Walk(node, key, tuple(path), tuple(tags), on_key, broken or (child is not None and child.broken))


def _expected(details: ErrorDetails) -> str | None:
    """The type that an error misses, in words; None where the error is of another sort."""
    kind = details["type"]
    stem, _, rest = kind.rpartition("_")
    if rest in ("type", "parsing"):
        return EXPECTED.get(stem)
    if kind in ("int_from_float", "int_parsing_size"):
        return EXPECTED["int"]
    if kind == "none_required":
        return EXPECTED[kind]
    return listed(_choices(details), "or") if kind in ("literal_error", "enum") else None


def _choices(details: ErrorDetails) -> list[str]:
    """The values that a literal or an enumeration admits, as pydantic prints them: "'a', 'b' or 'c'"."""
    said = str(details.get("ctx", {}).get("expected", ""))
    return [part.strip() for part in said.replace(" or ", ", ").split(", ") if part.strip()]


def _other_branch_fits_better(walk: _Walk, details: ErrorDetails, found: Sequence[tuple[_Walk, ErrorDetails]]) -> bool:
    """Whether this is the wrong type for one branch of a union while another branch takes the type and finds more."""
    if not walk.tags or _expected(details) is None or walk.tags[-1][0] != len(walk.path):
        return False
    depth, tag = walk.tags[-1]
    for other, more in found:
        branch = next((name for at, name in other.tags if at == depth and other.path[:depth] == walk.path), None)
        deeper = len(other.path) > depth or _expected(more) is None
        if branch is not None and branch != tag and deeper:
            return True
    return False


def _problem(group: Sequence[tuple[_Walk, ErrorDetails]], root: Node) -> Problem:
    walk, details = group[0]
    kind = details["type"]
    if kind == "missing":
        return _missing(walk, _name_of(details), root)
    if kind == "extra_forbidden":
        return _unknown_key(walk, _name_of(details), root)
    if kind in ("kind_missing", "kind_unknown"):
        return _wrong_kind(walk, root)
    if walk.on_key:
        wanted = (
            "letters a-z, digits, '_' and '-', a letter first" if details.get("ctx", {}).get("pattern") == NAME else ""
        )
        return Problem(walk.key, f"'{visible(str(walk.path[-1]))}' is no name; expected {wanted or details['msg']}")
    what = _called(walk.path)
    expected = [words for words in (_expected(one) for _, one in group) if words is not None]
    if not expected:
        said = _said(details)
        if walk.path:
            said = said.removeprefix(f"{walk.path[-1]} ")
        if said.startswith(("is ", "must ", "repeats ")):
            said = f"{what} {said}"
        elif not said.startswith(("no ", "unknown ")):
            said = f"{what}: {said}"
        return Problem(_spoken_of(walk, said), said if len(said) <= LONGEST else said[:LONGEST] + " ...")
    wanted = listed(dict.fromkeys(expected), "or")
    return Problem(_value_place(walk), f"{what} is {describe(walk.node)}; expected {wanted}{_hint(walk.node, group)}")


def _value_place(walk: _Walk) -> Place:
    """Where a value stands; the key where the value is nothing at all."""
    return walk.key if walk.node.value is None and not walk.node.written else walk.node.place


def _spoken_of(walk: _Walk, said: str) -> Place:
    """Where a validator's message points: the item of a list that it quotes, else the value that it was given."""
    items = walk.node.value if isinstance(walk.node.value, tuple) else ()
    quoted = [item for item in items if isinstance(item.value, str) and repr(item.value) in said]
    return quoted[-1].place if quoted else _value_place(walk)


def _called(path: Sequence[str | int]) -> str:
    """What a message calls a value: by its key, or as an item of its list."""
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        name = next((step for step in reversed(path) if isinstance(step, str)), None)
        return f"an item of '{name}'" if name else "an item"
    return f"'{visible(path[-1])}'"


def describe(node: Node) -> str:
    """A value in words: "'many'", "5", "a list"."""
    if isinstance(node.value, tuple):
        return "a list"
    if isinstance(node.value, Mapping):
        return "a mapping"
    if node.value is None:
        return "empty (null)"
    if isinstance(node.value, str):
        shown = visible(node.value)
        return f"the text '{shown if len(shown) <= 60 else shown[:57] + '...'}'"
    return node.written or str(node.value)


def _hint(node: Node, group: Sequence[tuple[_Walk, ErrorDetails]]) -> str:
    types = {details["type"] for _, details in group}
    if "string_type" in types and isinstance(node.value, bool | int | float):
        return "; quote it to make it text"
    if isinstance(node.value, str) and "bool_type" in types and node.value.lower() in ("yes", "no", "on", "off"):
        return f"; did you mean {'true' if node.value.lower() in ('yes', 'on') else 'false'}?"
    if isinstance(node.value, str) and "bool_type" in types:
        like = nearest(node.value.lower(), ("true", "false"))
        return f"; did you mean {like}?" if like else ""
    if isinstance(node.value, str):
        choices = [c.strip("'") for _, d in group if d["type"] in ("literal_error", "enum") for c in _choices(d)]
        like = nearest(node.value, choices) or next((c for c in choices if c.lower() == node.value.lower()), None)
        return f"; did you mean '{like}'?" if like else ""
    return ""


def _said(details: ErrorDetails) -> str:
    """A message of pydantic or of a validator, without pydantic's preambles."""
    said = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if said.startswith("Input should "):
        return "expected it to " + said.removeprefix("Input should ")
    if "at least 1 item" in said or "at least 1 character" in said:
        return "it is empty; expected at least one " + ("character" if "character" in said else "entry")
    if "should match pattern" in said:
        return f"expected text of the form {details['ctx']['pattern']}"
    return said[:1].lower() + said[1:] if said[:2].istitle() else said


def _missing(walk: _Walk, name: str, root: Node) -> Problem:
    field = fields_at(walk.path, root).get(name)
    if name.isdigit():  # an item of a list of fixed length
        return Problem(walk.key, f"{_called(walk.path)} has too few entries; expected at least {int(name) + 1}")
    says = f": {field.description}" if field is not None and field.description else ""
    return Problem(walk.key, f"key '{name}' is missing{' in ' + _called(walk.path) if walk.path else ''}{says}")


def _unknown_key(walk: _Walk, name: str, root: Node) -> Problem:
    names = [key for key in fields_at(walk.path, root) if key not in NOT_WRITTEN]
    names += EXPANDED if walk.path[:1] == ("grids",) and len(walk.path) == 2 else ()
    entry = walk.node.value.get(name) if isinstance(walk.node.value, Mapping) else None
    like = nearest(name, names)
    hint = f"; did you mean '{like}'?" if like else ""
    place = walk.node.place if entry is None else entry.key
    return Problem(place, f"unknown key '{visible(name)}'; expected {listed(names, 'or')}{hint}")


def _wrong_kind(walk: _Walk, root: Node) -> Problem:
    base = base_at(walk.path, root)
    names, word = kinds.names(base), WORDS[base]
    written = walk.node.get("kind")
    if written is None or written.value is None:
        wanted = f"expected a {word}: {listed(names, 'or') or 'none is known'}"
        fields = walk.node.value if written is None and isinstance(walk.node.value, Mapping) else {}
        slip = nearest("kind", fields)
        if slip is None:
            return Problem(walk.key, f"key 'kind' is missing; {wanted}")
        return Problem(fields[slip].key, f"unknown key '{visible(slip)}'; did you mean 'kind'? It is missing; {wanted}")
    if not isinstance(written.value, str):
        message = f"'kind' is {describe(written)}; expected a {word}: {listed(names, 'or') or 'none is known'}"
        return Problem(written.place, message)
    like = nearest(written.value, names)
    hint = f"; did you mean '{like}'?" if like else ""
    return Problem(written.place, f"no {word} '{visible(written.value)}'; known: {', '.join(names) or 'none'}{hint}")
