"""Matrices of transfer at the waist: probes of one set of rows scored on another; it knows no model and no spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from layergrid.artifacts.base import HAS_VALUE, Bools, Floats, Ints, Strings
from layergrid.artifacts.estimates import Baseline, Quantity

Over = Literal["datasets", "positions", "layers", "models"]


@dataclass(frozen=True)
class Domain:
    """One set of rows that probes are trained on and scored on: of a data set, a position, a layer or a model.

    Its rows in their order are those of every array; `groups` and `folds` are numbered alike in all domains of a
    matrix, so that rows of one group, wherever they stand, are held out together.
    """

    name: str  # unique in its matrix, as on the axes: "additions", "exact_answer_last", "layer 12", "tiny"
    model: str
    dataset: str
    example_ids: tuple[str, ...]  # n rows that are compared
    groups: tuple[str, ...]  # n
    labels: Bools  # bool [n]: True is the positive class
    folds: Ints  # int [n]: the fold in which a row was held out, of every source
    scores: Floats  # float32 [S, n]: by the probe of each source that saw no row of this fold; NaN where it has none
    baselines: Mapping[str, Floats] = field(default_factory=dict)  # name -> float64 [n], of a sign fixed in advance


@dataclass(frozen=True)
class Choice:
    """What was chosen on a source's training rows alone, and with which every target was scored."""

    source: str
    fold: int
    layer: int
    position: str
    penalty: float
    value: float  # mean AUROC over the inner folds of the source's training rows


@dataclass(frozen=True)
class Bounded:
    """A number for each pair of source and target, with its interval; every array is float64 [S, T], NaN: none."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Matrix:
    """Probes trained on each of S sources and scored on each of T targets; S = T, and both are `domains`, in order."""

    name: str  # in the spec
    over: Over
    site: str
    head: str  # "3": of one head; empty: heads play no part
    metric: str  # "auroc"
    quantity: Quantity
    level: float
    domains: tuple[Domain, ...]
    raw: Bounded  # the diagonal is cross-validated
    over_baseline: Bounded  # raw less the target's best baseline, paired
    lost: Bounded  # the target's own probe (the diagonal) less raw, paired; NaN on the diagonal
    n_positive: Ints  # [T]
    status: Strings  # [S, T] of CellStatus values
    reason: Strings  # [S, T]: why there is no value; empty where there is one
    best: tuple[str, ...]  # T: name of the target's best baseline; empty where it has none
    baselines: tuple[tuple[Baseline, ...], ...]  # T: all of each target, without differences
    chosen: tuple[Choice, ...]  # source by source, fold by fold
    settings: Mapping[str, Any]  # JSON values for the methods

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the domains, T."""
        return tuple(one.name for one in self.domains)

    @property
    def n(self) -> tuple[int, ...]:
        """The rows of each target, T."""
        return tuple(len(one.example_ids) for one in self.domains)

    @property
    def has_value(self) -> Bools:
        """Bool [S, T]: pairs that hold a number."""
        import numpy as np

        return np.isin(self.status, list(HAS_VALUE))
