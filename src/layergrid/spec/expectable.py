"""Checks what a spec's expectations say of the rest of it: grids, positions, baselines, classes; it judges nothing.

It works on the full form as nodes, so that wrong references are reported beside wrong values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from layergrid.artifacts import DataCard
from layergrid.spec.expecting import ALL, BEST, EVERY, LAYERS, OF_DATA, SMALLEST, said_layers
from layergrid.spec.fields import LabelSpec
from layergrid.spec.naming import Naming, reference
from layergrid.spec.sugar import dataset_of, entries, grid_kind, items, position_names
from layergrid.text import visible
from layergrid.yamlsource import Node, Problem

CHOOSES_NONE = "the grid chooses no best cell; expected a bound on a cell: {cell: {layer, position, at_least}}"
LACKING = (("truncated", "generate", "no answers are written"), ("accuracy", "grade", "no answers are graded"))
CHOOSES_NO_LAYER = "the grid chooses no best layer of a position; expected one cell: {layer, position}"


def check(root: Node) -> list[Problem]:
    """What expectations name that is not there, or that cannot be judged of what they name."""
    found: list[Problem] = []
    names: dict[str, Node] = {}
    for one in items(root.get("expect")):
        name = one.get("name")
        if name is not None and isinstance(name.value, str):
            first = names.setdefault(name.value, name)
            if first is not name:
                message = f"two expectations are named '{visible(name.value)}'; give one of them another name"
                found.append(Problem(name.place, message, first.place))
        found += _of_data(one, root) if any(one.get(key) is not None for key in OF_DATA) else _of_grid(one, root)
    return found


def _grid_of(one: Node, root: Node) -> Node | None:
    named = one.get("grid")
    entry = entries(root.get("grids")).get(str(named.value)) if named is not None else None
    return entry.node if entry is not None else None


# ---------------------------------------------------------------- of a grid


def _of_grid(one: Node, root: Node) -> list[Problem]:
    """The grid, and what is said of its positions, baselines and classes."""
    found = _named_grid(one, root)
    grid = _grid_of(one, root)
    if grid is None:
        return found
    kind = grid_kind(grid)
    for subject in ("nested_best", "beats"):
        asked = one.get(subject)
        if asked is not None and kind is not None and not kind.selects:
            found.append(Problem(asked.place, CHOOSES_NONE))
    cell = one.get("cell")
    if cell is not None:
        found += [*_positions(cell.get("position"), grid, root), *_layers(cell.get("layer"), grid)]
    difference = entries(one.get("difference"))
    for key in ("of", "minus"):
        if key in difference:
            found += _side(difference[key].node, grid, root)
    return [*found, *_baseline(one.get("beats"), grid), *_class(one.get("rows"), grid, root)]


def _named_grid(node: Node, root: Node) -> list[Problem]:
    named = node.get("grid")
    return [] if named is not None and named.value == "" else reference(named, "grid", entries(root.get("grids")))


def _side(side: Node, grid: Node, root: Node) -> list[Problem]:
    """One side of a difference: its own grid, and what that grid can say of it."""
    found = _named_grid(side, root)
    own = _grid_of(side, root) or (grid if side.get("grid") is None else None)
    if own is None:
        return found
    kind = grid_kind(own)
    if kind is not None and not kind.selects and side.get("layer") is None and isinstance(side.value, Mapping):
        found.append(Problem(side.place, CHOOSES_NO_LAYER))
    return [*found, *_positions(side.get("position"), own, root, several=False), *_layers(side.get("layer"), own)]


def _layers(node: Node | None, grid: Node) -> list[Problem]:
    """Layers that the grid does not have, where its spec names those that it has."""
    known = _known_layers(grid)
    if node is None or not known:
        return []
    for item in items(node) or (node,):
        bounds = LAYERS.fullmatch(item.value) if isinstance(item.value, str) else None
        named: Sequence[int] = range(int(bounds[1]), int(bounds[2]) + 1) if bounds else _numbers([item.value])
        for layer in named:
            if layer not in known:
                return [Problem(item.place, f"the grid has no layer {layer}; {said_layers(known)}")]
    return []


def _known_layers(grid: Node) -> Sequence[int]:
    """The layers that a grid names, rising; empty where only its model tells them."""
    asked = grid.get("layers")
    if asked is None:
        return ()
    if isinstance(asked.value, str):
        bounds = _numbers(map(int, found.groups())) if (found := LAYERS.fullmatch(asked.value)) else []
        return range(min(bounds), max(bounds) + 1) if bounds else ()
    if isinstance(asked.value, Mapping):
        ends = {key: entry.node.value for key, entry in asked.value.items()}
        numbers = _numbers((ends.get("from", 0), ends.get("to"), ends.get("every", 1)))
        return range(numbers[0], numbers[1] + 1, numbers[2]) if len(numbers) == 3 and numbers[2] > 0 else ()
    return sorted(set(_numbers(item.value for item in items(asked))))


def _numbers(values: Iterable[object]) -> list[int]:
    """The whole numbers among values."""
    return [one for one in values if isinstance(one, int) and not isinstance(one, bool)]


def _positions(node: Node | None, grid: Node | None, root: Node, several: bool = True) -> list[Problem]:
    """Names, globs and ranges that match no position of a grid, or of the spec where there is no grid."""
    every = root.get("positions")
    if node is None or every is None or every.broken:
        return []
    kind, texts = (grid_kind(grid), grid.get("text")) if grid is not None else (None, None)
    if (kind is not None and kind.stands_alone) or (texts is not None and texts.value is True):
        return []  # of a table, or of the tokens of a text, positions are known when it is read
    chosen = [str(item.value) for item in items(grid.get("positions"))] if grid is not None else []
    naming, found = Naming(chosen or position_names(root)), list[Problem]()
    if not several:
        return reference(node, "position", naming.names)
    for item in items(node) or (node,):
        if isinstance(item.value, str) and item.value not in (EVERY, *naming.names):
            found += _unmatched(item, naming)
    return found


def _unmatched(item: Node, naming: Naming) -> list[Problem]:
    problems: list[Problem] = []
    found = naming.expand(item, problems)
    wrong = [name for name in found if name not in naming.names]
    return problems or [Problem(item.place, naming.unknown(visible(name))) for name in wrong[:1]]


def _baseline(asked: Node | None, grid: Node) -> list[Problem]:
    """A baseline that the grid does not have."""
    named = asked.get("baseline") if asked is not None else None
    if named is None or not isinstance(named.value, str) or named.value == BEST:
        return []
    known = list(_baselines(grid))
    if not known or any(fnmatchcase(name, named.value) for name in known):
        return []
    return reference(named, "baseline", [*known, BEST])


def _baselines(grid: Node) -> Iterator[str]:
    """The names of a grid's baselines, written or by default."""
    kind, written = grid_kind(grid), grid.get("baselines")
    if written is None:
        field = kind.model_fields.get("baselines") if kind is not None else None
        for entry in (field.default if field is not None else None) or ():
            yield from [entry] if isinstance(entry, str) else entry
    for item in items(written):
        if isinstance(item.value, str):
            yield item.value
        yield from entries(item)


def _class(asked: Node | None, grid: Node, root: Node) -> list[Problem]:
    """A class that the grid's rows do not have, where the spec tells which they have."""
    named = asked.get("of") if asked is not None else None
    predict = grid.get("predict")
    if named is None or named.value in (ALL, SMALLEST):
        return []
    words = _classes(dataset_of(grid, root), "" if predict is None else predict.value)
    return reference(named, "class", [*words, ALL, SMALLEST]) if words else []


def _classes(dataset: Node | None, predict: object) -> tuple[str, ...]:
    """The words for the classes of a data set's rows; empty where they are known only once it is read."""
    if dataset is None or not isinstance(predict, str):
        return ()
    label = dataset.get("label")
    if label is None or label.value is None:
        return DataCard.classes
    said = {key: node.value for key in LabelSpec.model_fields if (node := label.get(key)) is not None}
    words = {key: value for key, value in said.items() if isinstance(value, str) and value}
    return LabelSpec.model_validate(words).classes if "column" in words else ()


# ---------------------------------------------------------------- of a data set


def _of_data(one: Node, root: Node) -> list[Problem]:
    """The data set, and whether it has answers and grades."""
    datasets, grids = entries(root.get("datasets")), entries(root.get("grids"))
    named, grid = one.get("dataset"), one.get("grid")
    if (named is None or named.value == "") and (grid is None or grid.value == ""):
        message = f"the expectation does not say which data set it speaks of; expected dataset: {', '.join(datasets)}"
        return [Problem(one.place, message)] if len(datasets) > 1 else []
    found = [*reference(named, "data set", datasets), *(reference(grid, "grid", grids) if grid is not None else [])]
    found += _shares(one)
    missing = one.get("missing")
    if missing is not None:
        found += _positions(missing.get("position"), None, root)
    entry = datasets.get(str(named.value)) if named is not None else None
    data = entry.node if entry is not None else dataset_of(_grid_of(one, root) or one, root)
    for subject, key, why in LACKING:
        asked = one.get(subject)
        if asked is not None and data is not None and not _has(data, key):
            found.append(Problem(asked.place, f"'{subject}' cannot be judged: in this data set {why}"))
    return found


def _shares(one: Node) -> list[Problem]:
    """Bounds on shares that no share can break or keep, such as 5 where 5 % is meant."""
    found = []
    for asked in (one.get(subject) for subject in OF_DATA):
        for limit in (asked.get(key) for key in ("at_least", "at_most") if asked is not None):
            value = limit.value if limit is not None else None
            if limit is not None and isinstance(value, int | float) and not 0 <= value <= 1:
                message = f"a share lies between 0 and 1, and this is {limit.written or value}; 5 % is written 0.05"
                found.append(Problem(limit.place, message))
    return found


def _has(data: Node, key: str) -> bool:
    node = data.get(key)
    return node is not None and node.value is not None
