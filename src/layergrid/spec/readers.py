"""Finds the model that reads a place of a spec, for lists of its keys; it knows annotations, and reports nothing."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from layergrid.kinds import Kind, kind_named
from layergrid.spec.fields import AnyOf, Spec
from layergrid.yamlsource import Node

Path = Sequence[str | int]


def fields_at(path: Path, root: Node) -> dict[str, FieldInfo]:
    """The fields of whatever models may read the value at a path, by the names that YAML uses."""
    found: dict[str, FieldInfo] = {}
    for reader, node in _readers(path, root):
        model = _model(reader, node)
        if model is not None:
            found.update(_keys(model))
    return found


def base_at(path: Path, root: Node) -> type[Kind]:
    """The base of the kinds that may stand at a path; only for paths at which kinds stand."""
    return next(reader.base for reader, _ in _readers(path, root) if isinstance(reader, AnyOf))


def _readers(path: Path, root: Node) -> list[tuple[Any, Node]]:
    """What may read the value at a path (types, or marks of kinds), each with that value."""
    readers: list[Any] = [Spec]
    node = root
    for step in path:
        readers = [inner for reader in readers for inner in _inside(reader, step, node)]
        found = node.value[step] if isinstance(node.value, tuple) and isinstance(step, int) else node.get(str(step))
        if found is None:
            return []
        node = found
    return [(reader, node) for reader in readers]


def _model(reader: Any, node: Node) -> type[BaseModel] | None:
    """The model of a reader: the class of the kind that the value names, where any kind may stand."""
    if isinstance(reader, AnyOf):
        kind = node.get("kind")
        return kind_named(reader.base, str(kind.value)) if kind is not None else None
    return reader if isinstance(reader, type) and issubclass(reader, BaseModel) else None


def _inside(reader: Any, step: str | int, node: Node) -> list[Any]:
    """What reads the value under a key or index of what a reader reads."""
    model = _model(reader, node)
    if model is not None:
        field = _keys(model).get(str(step))
        return [] if field is None else _marked(field.metadata) or _alternatives(field.annotation)
    arguments = [argument for argument in typing.get_args(reader) if argument is not Ellipsis]
    return _alternatives(arguments[-1]) if arguments else []


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _alternatives(annotation: Any) -> list[Any]:
    """The readers of an annotation: the members of a union, without Annotated."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _marked(annotation.__metadata__) or _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [one for part in typing.get_args(annotation) for one in _alternatives(part)]
    return [annotation]


def _marked(metadata: Sequence[Any]) -> list[Any]:
    return [mark for mark in metadata if isinstance(mark, AnyOf)][:1]
