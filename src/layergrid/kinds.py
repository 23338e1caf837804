"""The registry and the abstract bases of every extension point; it knows no concrete kind.

A kind is one file: a frozen pydantic model whose fields are its YAML parameters, with the methods of its base. Built-in
kinds are the modules of a folder; others come from the entry point group `layergrid.<folder>`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from layergrid.artifacts import (
    Activations,
    Examples,
    Figure,
    GridResult,
    Label,
    Labels,
    Positions,
    Results,
    Scalar,
    Sequences,
)
from layergrid.errors import BadInput as BadInput
from layergrid.errors import BuildError as BuildError


class Kind(BaseModel, ABC):
    """Parameters (the fields) plus the methods of a base. `kind` is the name that YAML uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    folder: ClassVar[str]  # the package folder of this extension point
    kind: str


class Loader(Kind):
    """Reads a data set. `suffixes` and `schemes` say which addresses it answers to."""

    folder: ClassVar[str] = "loaders"
    suffixes: ClassVar[tuple[str, ...]] = ()  # ".csv"
    schemes: ClassVar[tuple[str, ...]] = ()  # "builtin" of `builtin:arithmetic`
    address: str  # the part after the scheme, or the path

    @abstractmethod
    def read(self, root: Path) -> dict[str, list[Scalar]]:
        """Columns of equal length, relative paths taken from `root`; raises BadInput with the file's name and row."""


class Grader(Kind):
    """Finds the exact answer, then grades it. The two are apart so that finding can see neither gold nor label."""

    folder: ClassVar[str] = "graders"
    rule: ClassVar[str]  # "the last number of the first sentence of the completion"
    gold: str  # the column that holds the right answer

    @abstractmethod
    def find(self, completion: str) -> tuple[int, int] | None:
        """Characters [start, stop) of the exact answer in the completion, or None."""

    @abstractmethod
    def agrees(self, answer: str, gold: Scalar) -> bool:
        """Whether the found answer equals the right one."""

    def grade(self, example: Mapping[str, Scalar], completion: str) -> Label:
        """Finds, then grades; a completion without an exact answer is wrong."""
        span = self.find(completion)
        if span is None:
            return Label(None, None, False, f"found nothing by the rule: {self.rule}")
        answer = completion[span[0] : span[1]]
        gold = example[self.gold]
        correct = self.agrees(answer, gold)
        return Label(span, answer, correct, "" if correct else f"{answer!r} is not {gold!r}")


class PositionResolver(Kind):
    """Finds the tokens of one or more named positions in every example."""

    folder: ClassVar[str] = "positions"
    names: ClassVar[tuple[str, ...]] = ()  # bare names that YAML may write without parameters

    @abstractmethod
    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:
        """Positions of this resolver, statuses and all; P may be 1."""

    def check(self, examples: Examples) -> None:
        """Raises BadInput where the data lack what the parameters name; called before any model runs."""


@dataclass(frozen=True)
class Needs:
    """What a grid kind asks of the forward pass; the pipeline merges the needs of all grids."""

    sites: frozenset[str] = frozenset()
    layers: tuple[int, ...] | None = None  # None: all
    positions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """What a grid kind computes from."""

    name: str  # the grid's name in the spec
    model: str
    examples: Examples
    sequences: Sequences
    labels: Labels
    positions: Positions  # of this grid only, in its order
    activations: Mapping[str, Activations]  # site -> activations at those positions
    seed: int
    progress: Callable[[int, int], None] = field(default=lambda done, total: None)  # cells done, cells in all


class GridKind(Kind):
    """Computes one layer x position grid."""

    folder: ClassVar[str] = "grids"
    version: ClassVar[int] = 1  # part of the store's key: raise it when the numbers change
    model: str = ""  # names a model of the spec; may be left out where there is one
    dataset: str = ""
    positions: tuple[str, ...] = ()  # names or globs among the spec's positions; empty: all

    @abstractmethod
    def needs(self) -> Needs:
        """Sites and layers it reads."""

    def check(self, examples: Examples, grid: str) -> None:
        """Raises BadInput where the data lack what the parameters name; called before any model runs."""

    @abstractmethod
    def compute(self, inputs: Inputs) -> GridResult:
        """The grid with intervals, statuses and held-out scores."""


class ChartKind(Kind):
    """Draws one figure from results."""

    folder: ClassVar[str] = "charts"
    grid: str = ""  # the grid that it draws; empty: none or the only one

    @abstractmethod
    def draw(self, results: Results, theme: Any) -> Figure:
        """The figure in the theme's colours and fonts (`theme` is a layergrid.theme.Theme)."""


class Executor(Kind):
    """Runs independent tasks."""

    folder: ClassVar[str] = "executors"

    @abstractmethod
    def map(self, task: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        """Results in the order of the items."""


AnyKind = TypeVar("AnyKind", bound=Kind)


@cache
def known(base: type[AnyKind]) -> dict[str, type[AnyKind]]:
    """All kinds of a base, by name, built-in ones first; entry points cannot take a built-in name."""
    found: dict[str, type[AnyKind]] = {}
    package = importlib.import_module(f"layergrid.{base.folder}")
    modules = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
    for name in sorted(modules):
        for value in vars(importlib.import_module(name)).values():
            if _is_kind(value, base) and value.__module__ == name:
                found[_name(value)] = value
    for point in sorted(entry_points(group=f"layergrid.{base.folder}"), key=lambda p: p.name):
        value = point.load()
        if _is_kind(value, base):
            found.setdefault(point.name, value)
    return found


def _is_kind(value: object, base: type[Kind]) -> bool:
    return isinstance(value, type) and issubclass(value, base) and not getattr(value, "__abstractmethods__", None)


def _name(kind: type[Kind]) -> str:
    """The one value that the `kind` field of a class admits (a Literal with a default)."""
    return str(kind.model_fields["kind"].default)
