"""The short forms of transfers, and what they say of other parts of a spec; it judges no value and opens no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from layergrid.spec.naming import reference
from layergrid.spec.sugar import entries, items, named_positions, position_names
from layergrid.text import listed, visible
from layergrid.yamlsource import Entry, Node, Problem, scalar

SINGULAR = {"models": "model", "datasets": "dataset", "layers": "layer", "positions": "position"}


def full(root: Node, problems: list[Problem]) -> Node:
    """The spec with the short forms of its transfers written out; its own short forms are written out already."""
    node = root.get("transfer")
    if node is None or not isinstance(node.value, Mapping):
        return root
    made = {name: Entry(one.key, _full(one.node, root, problems)) for name, one in node.value.items()}
    return root.having("transfer", Node(node.place, made))


def _full(node: Node, root: Node, problems: list[Problem]) -> Node:
    if not isinstance(node.value, Mapping):
        return node
    for many, one in SINGULAR.items():
        node = _plural(node, many, one, problems)
    over = _over(node)
    for part in ("models", "datasets"):
        known = list(entries(root.get(part)))
        if node.get(part) is None and (over == part or len(known) == 1):
            node = node.having(part, Node(node.place, tuple(scalar(node.place, name) for name in known)))
    if node.get("predict") is None and any(_has(one, "label") for one in _datasets(node, root)):
        node = node.having("predict", scalar(node.place, "label"))
    if node.get("baselines") is not None and isinstance(entries(node)["baselines"].node.value, str):
        node = _listed(node, "baselines")
    return named_positions(node, "positions", root, problems)


def _plural(node: Node, many: str, one: str, problems: list[Problem]) -> Node:
    """The entry of a singular key as a list of one under the plural one, and a bare text or number as such a list."""
    entry = entries(node).get(one)
    if entry is not None:
        if node.get(many) is not None:
            problems.append(Problem(entry.key, f"'{one}' and '{many}' both stand here; write one of the two"))
            return node.without(one)
        if isinstance(entry.node.value, str | int) and not isinstance(entry.node.value, bool):
            return node.without(one).having(many, Node(entry.node.place, (entry.node,)), entry.key)
        wanted = f"'{one}' names one; write a list of them as '{many}'"
        problems.append(Problem(entry.key, wanted))
        return node.without(one)
    written = node.get(many)
    if written is None or isinstance(written.value, bool):
        return node
    bare = int if many == "layers" else str | int if many == "positions" else str  # "all" and 3..6 are texts of layers
    return _listed(node, many) if isinstance(written.value, bare) else node


def _listed(node: Node, key: str) -> Node:
    written = entries(node)[key].node
    return node.having(key, Node(written.place, (written,)))


def _over(node: Node) -> str:
    written = node.get("over")
    return "datasets" if written is None else str(written.value)


def _datasets(node: Node, root: Node) -> Iterator[Node]:
    """The data sets that a transfer names and that are there."""
    known = entries(root.get("datasets"))
    for named in items(node.get("datasets")):
        if isinstance(named.value, str) and named.value in known:
            yield known[named.value].node


def _has(dataset: Node, key: str) -> bool:
    found = dataset.get(key)
    return found is not None and found.value is not None


# ---------------------------------------------------------------- references


def check(root: Node) -> list[Problem]:
    """What transfers say of models, data sets, positions and labels that does not hold."""
    found = _nothing(root)
    grids, seen = entries(root.get("grids")), dict[str, str]()
    for name, entry in entries(root.get("transfer")).items():
        if name in grids:
            found.append(Problem(entry.key, f"a grid is named '{visible(name)}' too; give one of the two another name"))
        if name.lower() in seen:
            message = "two transfers differ only in upper and lower case; their files would collide on some disks"
            found.append(Problem(entry.key, message))
        seen[name.lower()] = name
        if isinstance(entry.node.value, Mapping):
            found += [*_parts(name, entry, root), *_enough(name, entry, root), *_labels(name, entry, root)]
    names = list(entries(root.get("transfer")))
    for figure in items(root.get("figures")):
        named = figure.get("transfer")
        found += reference(named, "transfer", names) if named is not None and named.value != "" else []
    return found


def _nothing(root: Node) -> list[Problem]:
    """That a spec has neither grids nor transfers."""
    grids, transfers = root.get("grids"), root.get("transfer")
    if entries(transfers) or (transfers is not None and not isinstance(transfers.value, Mapping)):
        return []
    if grids is None:
        return [Problem(root.place, "key 'grids' is missing: Layer x position grids by name.")]
    empty = isinstance(grids.value, Mapping) and not grids.value and not grids.broken
    return [Problem(grids.place, "'grids': it is empty; expected at least one entry")] if empty else []


def _parts(name: str, entry: Entry, root: Node) -> Iterator[Problem]:
    """Models and data sets that are not named or not there."""
    for part, what in (("models", "model"), ("datasets", "data set")):
        known, written = list(entries(root.get(part))), entry.node.get(part)
        if not known:
            message = f"transfer '{visible(name)}' reads a {what}, and the spec has none; add '{part}'"
            yield Problem(entry.key, message)
        elif written is None or written.value == ():
            message = f"transfer '{visible(name)}' does not say which {what} it reads; expected {SINGULAR[part]}: "
            yield Problem(entry.key, message + listed(known, "or"))
        for one in items(written):
            yield from reference(one, what, known)


def _enough(name: str, entry: Entry, root: Node) -> Iterator[Problem]:
    """Pairs of one position; of data sets and models their number is seen where they stand."""
    every, chosen = root.get("positions"), items(entry.node.get("positions")) or position_names(root)
    if _over(entry.node) == "positions" and len(chosen) == 1 and every is not None and not every.broken:
        written = entry.node.get("positions")
        place = entry.node.get("over") or entry.node if written is None else written
        message = f"transfer '{visible(name)}' is over positions, and there is one; name two of them at least"
        yield Problem(place.place, message)


def _labels(name: str, entry: Entry, root: Node) -> Iterator[Problem]:
    """A positive class that the labels of a data set do not know."""
    written = entry.node.get("predict")
    wanted = "error" if written is None else written.value
    if wanted not in ("error", "correct", "label"):
        return
    for dataset, named in zip(_datasets(entry.node, root), items(entry.node.get("datasets")), strict=False):
        has = _has(dataset, "label")
        if has == (wanted == "label") and (has or _has(dataset, "grade")):
            continue
        if has:
            hint = "has its labels from a column; write label"
        elif _has(dataset, "grade"):
            hint = "has graded answers and no label column; write error or correct"
        else:
            hint = "has no labels; give it 'label: COLUMN' or graded answers"
        place = entry.key if written is None else written.place
        yield Problem(
            place,
            f"transfer '{visible(name)}': predict is '{wanted}', but data set '{visible(str(named.value))}' {hint}",
        )
