"""Turns the short forms that authors write into the full mappings that the models read; it judges no value.

Every node it makes stands where the author's text stands, so that an error of the full form points there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from layergrid.kinds import ChartKind, Grader, GridKind, Kind, Loader, kind_named, known
from layergrid.spec.expecting import OF_DATA
from layergrid.spec.naming import ORDER, Naming, find_resolver, known_names
from layergrid.text import listed, nearest
from layergrid.yamlsource import Entry, Node, Problem, scalar

GRADER, GOLD = "numeric", "answer"  # where a data set names none
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]+):(.*)", re.DOTALL)  # two letters: C:\data.csv is a path


def entries(node: Node | None) -> Mapping[str, Entry]:
    """The entries of a mapping; none where this is something else."""
    return node.value if node is not None and isinstance(node.value, Mapping) else {}


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none where this is something else."""
    return node.value if node is not None and isinstance(node.value, tuple) else ()


def full(root: Node, name: str, problems: list[Problem]) -> Node:
    """The spec with every short form written out; `name` is the file's stem. Adds to `problems` what cannot be."""
    if root.get("title") is None:
        root = root.having("title", scalar(root.place, title_from(name)))
    root = _each(root, "models", _model)
    root = _each(root, "datasets", lambda node: _dataset(node, problems))
    root = _positions(root, problems)
    root = _each(root, "grids", lambda node: listing(wrapped(node, "kind"), GridKind))
    root = _each(root, "figures", lambda node: listing(wrapped(node, "kind"), ChartKind))
    root = _each(root, "grids", lambda node: _grid(node, root, problems))
    root = _each(root, "expect", lambda node: _expectation(node, root))
    for part in ("authors", "outputs"):
        value = root.get(part)
        if value is not None and isinstance(value.value, str):
            root = root.having(part, Node(value.place, (value,)))
    return root


def title_from(name: str) -> str:
    """A title made from a file's stem: "what-it-knows" becomes "What it knows"."""
    words = re.sub(r"[-_.]+", " ", name).strip() or name
    return words[:1].upper() + words[1:]


def _each(root: Node, part: str, change: Callable[[Node], Node]) -> Node:
    """The spec with every entry or item of a part changed."""
    node = root.get(part)
    if node is None:
        return root
    if isinstance(node.value, Mapping):
        made = {name: Entry(entry.key, change(entry.node)) for name, entry in node.value.items()}
        return root.having(part, Node(node.place, made, broken=node.broken))
    if isinstance(node.value, tuple):
        changed = tuple(change(item) for item in node.value)
        return root.having(part, Node(node.place, changed, broken=node.broken))
    return root


def wrapped(node: Node, key: str) -> Node:
    """A bare text as a mapping with one key; anything else as it is."""
    if not isinstance(node.value, str):
        return node
    return Node(node.place, {key: Entry(node.place, node)})


def texted(node: Node, key: str) -> Node:
    """A mapping with the whole number under one key as text: a position -1 is named "-1"."""
    value = node.get(key)
    if value is None or not isinstance(value.value, int | tuple):
        return node
    if isinstance(value.value, tuple):
        return node.having(key, Node(value.place, tuple(map(_as_text, value.value))))
    return node.having(key, _as_text(value))


def _as_text(node: Node) -> Node:
    """A whole number as the text of it; anything else as it is."""
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        return node
    return scalar(node.place, str(node.value))


def listing(node: Node, base: type[Kind]) -> Node:
    """A kind's mapping with a bare text as a list of one wherever the kind takes a list of texts."""
    written = node.get("kind")
    kind = kind_named(base, written.value) if written is not None and isinstance(written.value, str) else None
    for name, field in (kind.model_fields if kind is not None else {}).items():
        value = node.get(field.alias or name)
        if field.annotation == tuple[str, ...] and value is not None and isinstance(value.value, str):
            node = node.having(field.alias or name, Node(value.place, (value,)))
    return node


def _model(node: Node) -> Node:
    node = wrapped(node, "address")
    entry = entries(node).get("id")
    if entry is None or node.get("address") is not None:
        return node
    return node.without("id").having("address", entry.node, entry.key)


def given(root: Node) -> bool:
    """Whether all models of a spec are known by their activations alone, whose positions have names of their own."""
    addresses = [entry.node.get("address") for entry in entries(root.get("models")).values()]
    return bool(addresses) and all(a is not None and str(a.value).startswith("activations:") for a in addresses)


def _dataset(node: Node, problems: list[Problem]) -> Node:
    if not isinstance(node.value, Mapping):
        return node
    written = node.value.get("loader")
    if written is not None:
        message = "unknown key 'loader'; write the loader as a mapping under 'source': {kind: ..., address: ...}"
        problems.append(Problem(written.key, message))
    source = node.get("source")
    if source is None:
        loader = Node(node.place, None, broken=True)  # the missing source is the one thing to report
    else:
        loader = _loader(source, problems)
        address = loader.get("address")
        if isinstance(source.value, Mapping):
            node = node.having("source", address or _own_address(loader) or Node(source.place, None, broken=True))
    node = node.having("loader", loader)
    return _answered(_in_chat(node))


def _own_address(loader: Node) -> Node | None:
    """The address of a kind that has one without being given it."""
    written = loader.get("kind")
    kind = kind_named(Loader, written.value) if written is not None and isinstance(written.value, str) else None
    field = kind.model_fields["address"] if kind is not None else None
    return None if field is None or field.is_required() else scalar(loader.place, str(field.default))


def _in_chat(node: Node) -> Node:
    """`chat: true` is a dialogue without further settings, `chat: false` none."""
    chat = node.get("chat")
    if chat is None or not isinstance(chat.value, bool):
        return node
    return node.having("chat", Node(chat.place, {} if chat.value else None))


def _answered(node: Node) -> Node:
    """How answers are written and graded, where the author leaves it out: not at all where a column has the labels."""
    label = node.get("label")
    if label is not None:
        label = wrapped(label, "column")
        node = node.having("label", label)
        values = label.get("values")
        if values is not None and not isinstance(values.value, tuple | Mapping):
            node = node.having("label", label.having("values", Node(values.place, (values,))))
    labelled = label is not None and label.value is not None
    answers = node.get("answers")
    if answers is not None:
        answers = wrapped(answers, "text")
        node = node.having("answers", answers)
    stand_there = answers is not None and answers.value is not None
    if "generate" not in entries(node) and not labelled and not stand_there and "prompt" in entries(node):
        node = node.having("generate", Node(node.place, {}))
    written = answers if stand_there else node.get("generate")
    if "grade" not in entries(node):
        if labelled or written is None or written.value is None:
            return node
        node = node.having("grade", scalar(node.place, GRADER))
    grade = listing(wrapped(entries(node)["grade"].node, "kind"), Grader)
    if isinstance(grade.value, Mapping) and "gold" not in grade.value and _needs_gold(grade):
        grade = grade.having("gold", scalar(grade.place, GOLD))
    return node.having("grade", grade)


def _needs_gold(grade: Node) -> bool:
    """Whether a grader compares with a right answer: not so where it has a default of its own."""
    written = grade.get("kind")
    kind = kind_named(Grader, written.value) if written is not None and isinstance(written.value, str) else None
    return kind is None or kind.model_fields["gold"].is_required()


def _loader(source: Node, problems: list[Problem]) -> Node:
    """The loader of a source; one that cannot be told is broken."""
    if isinstance(source.value, Mapping):
        address = source.get("address")
        if source.get("kind") is not None or address is None or not isinstance(address.value, str):
            return source
        kind, _ = _loader_kind(address, problems)
        return source.having("kind", kind)
    if not isinstance(source.value, str) or source.value == "":
        return Node(source.place, None, broken=True)  # its own type is reported
    kind, rest = _loader_kind(source, problems)
    if kind.broken:
        return kind
    return Node(
        source.place, {"kind": Entry(source.place, kind), "address": Entry(source.place, scalar(source.place, rest))}
    )


def _loader_kind(address: Node, problems: list[Problem]) -> tuple[Node, str]:
    """The kind of the loader whose scheme or suffix an address has, and the address without its scheme."""
    text = str(address.value)
    loaders = known(Loader)
    schemes = {scheme: name for name, kind in loaders.items() for scheme in kind.schemes}
    suffixes = {suffix.lower(): name for name, kind in loaders.items() for suffix in kind.suffixes}
    found = SCHEME.fullmatch(text)
    if found and found[1] in schemes:
        return scalar(address.place, schemes[found[1]]), found[2]
    for suffix in sorted(suffixes, key=len, reverse=True):
        if not found and text.lower().endswith(suffix):
            return scalar(address.place, suffixes[suffix]), text
    what = f"scheme '{found[1]}:'" if found else f"the suffix of '{text}'"
    ways = [*(f"{scheme}:NAME" for scheme in schemes), f"a file ending in {listed(suffixes, 'or')}"]
    like = nearest(found[1], schemes) if found else nearest("." + text.rpartition(".")[2].lower(), suffixes)
    hint = f"; did you mean '{like}'?" if like else ""
    problems.append(Problem(address.place, f"no loader reads {what}; expected {listed(ways, 'or')}{hint}"))
    return Node(address.place, None, broken=True), text


def _positions(root: Node, problems: list[Problem]) -> Node:
    node = root.get("positions")
    if node is None and (given(root) or not entries(root.get("datasets"))):
        return root
    if node is None:
        node = Node(root.place, tuple(scalar(root.place, name) for name in ORDER))
    elif isinstance(node.value, str | int) and not isinstance(node.value, bool):
        node = Node(node.place, (node,))
    if not isinstance(node.value, tuple):
        return root.having("positions", node)
    before = len(problems)
    made: dict[str, Node] = {}
    for item in node.value:
        for one in _position(item, Naming(known_names()), problems, given(root)):
            name = one.get("name")
            key = str(name.value) if name is not None else f"unnamed {len(made)}"
            first = made.get(key)
            if first is None:
                made[key] = one
            elif not _is_glob(item):
                message = f"position '{key}' stands twice, first on line {first.place.line}; remove one of the two"
                problems.append(Problem(item.place, message, first.place))
    return root.having("positions", Node(node.place, tuple(made.values()), broken=len(problems) > before))


def _is_glob(item: Node) -> bool:
    return isinstance(item.value, str) and Naming.is_glob(item.value)


def _position(item: Node, naming: Naming, problems: list[Problem], any_name: bool) -> Iterator[Node]:
    """The resolvers that one entry of `positions` stands for; with `any_name` unknown names are given elsewhere."""
    if isinstance(item.value, Mapping):
        yield texted(item, "name")
        return
    if not isinstance(item.value, str | int) or isinstance(item.value, bool):
        what = "a list" if isinstance(item.value, tuple) else "empty (null)" if item.value is None else item.written
        message = f"an item of 'positions' is {what}; expected a name, a range such as -8..-1, or a mapping"
        problems.append(Problem(item.place, message))
        return
    names = naming.expand(item, problems)
    for name in names:
        kind = find_resolver(name) or ("given" if any_name else None)
        if kind is None:
            problems.append(Problem(item.place, naming.unknown(name)))
        else:
            made = {"kind": scalar(item.place, kind), "name": scalar(item.place, name)}
            yield Node(item.place, {key: Entry(item.place, value) for key, value in made.items()})


def grid_kind(node: Node) -> type[GridKind] | None:
    """The kind of a grid's mapping, where it is known."""
    written = node.get("kind")
    return kind_named(GridKind, written.value) if written is not None and isinstance(written.value, str) else None


def _grid(node: Node, root: Node, problems: list[Problem]) -> Node:
    kind = grid_kind(node)
    if not isinstance(node.value, Mapping) or (kind is not None and kind.stands_alone):
        return node
    node = _only(_only(node, "model", entries(root.get("models"))), "dataset", entries(root.get("datasets")))
    if kind is not None and "predict" in kind.model_fields and node.get("predict") is None and _labelled(node, root):
        node = node.having("predict", scalar(node.place, "label"))
    for key in ("positions", *(kind.position_keys if kind is not None else ())):
        node = named_positions(node, key, root, problems)
    return node


def dataset_of(node: Node, root: Node) -> Node | None:
    """The data set that a grid reads, where it names one that is there."""
    named = node.get("dataset")
    entry = entries(root.get("datasets")).get(str(named.value)) if named is not None else None
    return entry.node if entry is not None else None


def _labelled(node: Node, root: Node) -> bool:
    """Whether a grid's data set has a label column."""
    dataset = dataset_of(node, root)
    label = dataset.get("label") if dataset is not None else None
    return label is not None and label.value is not None


def named_positions(node: Node, key: str, root: Node, problems: list[Problem]) -> Node:
    """A grid with the positions under a key written out; one that is a single text or number by its type stays so."""
    written = node.get(key)
    all_positions = root.get("positions")
    if written is None or all_positions is None:
        return node
    one = isinstance(written.value, str | int) and not isinstance(written.value, bool)
    if not one and not isinstance(written.value, tuple):
        return node
    naming = Naming(position_names(root))
    made: dict[str, Node] = {}
    for item in (written,) if one else items(written):
        if not isinstance(item.value, str | int) or isinstance(item.value, bool):
            made[f"wrong {len(made)}"] = item
            continue
        # Where the list of positions is itself in error, a name that it lacks may be the one in error.
        for name in naming.expand(item, [] if all_positions.broken else problems):
            if name in naming.names:
                made[name] = scalar(item.place, name)
            elif not all_positions.broken:
                problems.append(Problem(item.place, naming.unknown(name)))
    kind = grid_kind(node)
    fields = kind.model_fields.items() if kind is not None else ()
    field = next((one for name, one in fields if key in (name, one.alias)), None)
    if field is not None and field.annotation is str:
        return node.having(key, next(iter(made.values()))) if len(made) == 1 else node
    return node.having(key, Node(written.place, tuple(made.values())))


def position_names(root: Node) -> tuple[str, ...]:
    """The names of the spec's positions, once their short forms are written out."""
    names = (item.get("name") for item in items(root.get("positions")))
    return tuple(name.value for name in names if name is not None and isinstance(name.value, str))


def _expectation(node: Node, root: Node) -> Node:
    """An expectation with its only grid or data set, and with positions as text wherever it names some."""
    if not any(node.get(key) is not None for key in OF_DATA):
        node = _only(node, "grid", entries(root.get("grids")))
    elif node.get("grid") is None:
        node = _only(node, "dataset", entries(root.get("datasets")))
    for key in ("cell", "missing"):
        part = node.get(key)
        if part is not None:
            node = node.having(key, texted(part, "position"))
    difference = node.get("difference")
    for key in ("of", "minus"):
        side = difference.get(key) if difference is not None else None
        if difference is not None and side is not None:
            side = _as_text(side) if isinstance(side.value, int) else side
            difference = difference.having(key, texted(wrapped(side, "position"), "position"))
            node = node.having("difference", difference)
    return node


def _only(node: Node, key: str, choices: Mapping[str, Entry]) -> Node:
    """A mapping that names the only choice where it names none."""
    if isinstance(node.value, Mapping) and node.value.get(key) is None and len(choices) == 1:
        return node.having(key, scalar(node.place, next(iter(choices))))
    return node
