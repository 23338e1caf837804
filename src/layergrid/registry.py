"""The registry of kinds: what a kind is, and which there are, built in or installed; it knows no concrete kind.

A kind is one file: a frozen pydantic model whose fields are its YAML parameters, with the methods of its base. Built-in
kinds are the modules of a folder; others come from the entry point group `layergrid.<folder>`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict


class Kind(BaseModel, ABC):
    """Parameters (the fields) plus the methods of a base. `kind` is the name that YAML uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    folder: ClassVar[str]  # the package folder of this extension point
    kind: str


AnyKind = TypeVar("AnyKind", bound=Kind)


@cache
def known(base: type[AnyKind]) -> dict[str, type[AnyKind]]:
    """All kinds of a base, by name, built-in ones first; entry points cannot take a built-in name."""
    found = {name: kind for module in _modules(base) for name, kind in _kinds_in(module, base).items()}
    for point in sorted(_installed().select(group=f"layergrid.{base.folder}"), key=lambda p: p.name):
        if _is_kind(value := point.load(), base):
            found.setdefault(point.name, value)
    return found


@cache
def kind_named(base: type[AnyKind], name: str) -> type[AnyKind] | None:
    """The kind of a name, or None. A built-in one costs no import but of the module that has its name."""
    own = _kinds_in(name, base) if name in _modules(base) else {}
    if name in own or name not in names(base):
        return own.get(name)
    return known(base).get(name)


@cache
def names(base: type[Kind]) -> tuple[str, ...]:
    """The names of all kinds of a base, in order, found without importing any: a built-in one is its module's."""
    folder = f"layergrid.{base.folder}"
    own = (name for name in _modules(base) if f'kind: Literal["{name}"]'.encode() in _text(folder, name))
    return tuple(sorted({*own, *(point.name for point in _installed().select(group=folder))}))


def _text(folder: str, module: str) -> bytes:
    return pkgutil.get_data(folder, f"{module}.py") or b""


@cache
def _modules(base: type[Kind]) -> tuple[str, ...]:
    package = importlib.import_module(f"layergrid.{base.folder}")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def _kinds_in(module: str, base: type[AnyKind]) -> dict[str, type[AnyKind]]:
    where = f"layergrid.{base.folder}.{module}"
    values = vars(importlib.import_module(where)).values()
    return {_name(value): value for value in values if _is_kind(value, base) and value.__module__ == where}


@cache
def _installed() -> Any:  # its class differs between Pythons; one reading finds the entry points of all packages
    return entry_points()


def _is_kind(value: object, base: type[Kind]) -> bool:
    return isinstance(value, type) and issubclass(value, base) and not getattr(value, "__abstractmethods__", None)


def _name(kind: type[Kind]) -> str:
    """The one value that the `kind` field of a class admits (a Literal with a default)."""
    return str(kind.model_fields["kind"].default)
