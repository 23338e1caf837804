"""What a grid says of single examples, position by position: held-out scores, or own values; it knows no token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from layergrid import placements, text
from layergrid.artifacts import DataCard, Floats, GridResult, Measured
from layergrid.facts.view import View
from layergrid.placements import Placements

NAMED = 6  # positions named in a sentence


@dataclass(frozen=True)
class Reading:
    """What a grid says of one example at one position."""

    place: float  # from 0 to 1: its shade
    shown: str  # the number: "0.93"
    layers: str  # "7"; "2 and 3" of several repeats

    @property
    def said(self) -> str:
        """Number and layer in words."""
        named = f", {'layers' if ' ' in self.layers else 'layer'} {self.layers}" if self.layers else ""
        return f"{self.shown}{named}"


class Readings(ABC):
    """One grid's word on the examples of one model's answers to one data set."""

    low: str  # what the shades at either end say; empty: nothing
    high: str
    ends: tuple[str, str, str] = ("0", "0.5", "1")  # the numbers of the first, the middle and the last shade
    two_sided: bool = True  # False: no number is below the middle
    at: Mapping[str, Mapping[str, Reading]]  # position -> example -> reading; of positions that tell something
    quiet: tuple[str, ...] = ()  # positions whose probe is at chance
    by_label: bool = False  # an example is the surest within its label

    def __init__(self, result: GridResult) -> None:
        self.result = result

    @property
    def name(self) -> str:
        """The name of the grid."""
        return self.result.grid.name

    @abstractmethod
    def words(self) -> Iterable[str]:
        """What the numbers mean, in sentences."""

    @abstractmethod
    def of(self, example: str) -> str:
        """What is said of an example as a whole; why there is nothing where it was left out."""

    @abstractmethod
    def compared(self, example: str) -> bool:
        """Whether an example was compared."""

    def reach(self, position: str) -> float:
        """The value by which positions are compared: nested where there is one, else of the highest cell."""
        one = self.result
        j = one.grid.positions.index(position)
        nested = one.by_position[j] if len(one.by_position) == len(one.grid.positions) else None
        column = one.grid.value[:, j][one.grid.has_value[:, j]]
        return nested.value if nested is not None else float(column.max(initial=0.0))


def of(grids: Iterable[GridResult], card: DataCard | None) -> Readings | None:
    """The readings of the first grid with a chosen probe, else of the first that describes; None without either."""
    every = list(grids)
    for one in every:
        if (placed := placements.of(one)) is not None:
            return Scores(one, placed, card)
    described = (Values(one, one.measured) for one in every if one.measured is not None and not one.grid.text_of)
    return next(described, None)


class Scores(Readings):
    """Held-out scores of probes, in the unit of their placement."""

    def __init__(self, result: GridResult, placed: Placements, card: DataCard | None) -> None:
        super().__init__(result)
        self.placed, self.by_label = placed, placed.binary
        names = result.grid.positions
        self.at = {name: self._readings(j) for j, name in enumerate(names) if placed.tells(j)}
        valued = result.grid.has_value
        self.quiet = tuple(n for j, n in enumerate(names) if valued[:, j].any() and n not in self.at)
        self.low, self.high = self._ends(card)

    def _readings(self, position: int) -> dict[str, Reading]:
        return {
            example: Reading(one.value, text.number(one.value), text.listed(map(str, one.layers)))
            for example, one in self.placed.at(position).items()
        }

    def _ends(self, card: DataCard | None) -> tuple[str, str]:
        if self.placed.binary:
            positive = self.result.grid.quantity.positive or "the positive class"
            classes = card.classes if card is not None else DataCard.classes
            others = [one for one in classes if one != positive] if positive in classes else []
            return (others[0] if others else "the others"), positive
        if self.placed.held.classes:
            return "class not recognised", "class recognised"
        return "lowest prediction", "highest prediction"

    def words(self) -> Iterable[str]:
        """What a placement is."""
        fixed = self.result.grid.settings.get("validation", "folds") != "folds"
        same = "among the test rows" if fixed else "in the same fold"
        repeats = self.placed.held.repeats
        mean = f", the mean over {text.plural(repeats, 'repeat')}" if repeats > 1 else ""
        if self.placed.binary:
            yield (
                f"Numbers are held-out scores as shares: how many of the examples with the other label, {same}, score "
                f"lower, ties by half{mean}. Towards 1 the probe takes the example for one of the {self.high}, "
                f"towards 0 for one of the {self.low}."
            )
        elif self.placed.held.classes:
            yield (
                "Numbers are held-out scores for the example's own class as shares: how many of the examples of other "
                f"classes, {same}, score lower, ties by half{mean}. Towards 1 its class is recognised, towards 0 it is "
                "not."
            )
        else:
            yield (
                f"Numbers are ranks of held-out predictions {same}{mean}, from 0 for the lowest to 1; beside the "
                "nested one stands the rank of the true value."
            )
        if self.at:
            chosen = self.placed.held.by_position is not None
            how = "the layer that was chosen without the example's fold" if chosen else "the layer of its highest cell"
            if chosen and fixed:
                how = "the layer that was chosen without the test rows"
            clear = all(one.layers for by_example in self.at.values() for one in by_example.values())
            where = "" if clear else "; none where several layers give the same scores"
            yield f"After each position's number stands {how}, in brackets{where}."
        if self.quiet:
            yield f"Grey, without a number: {some(self.quiet)}, where the probe is not above chance."

    def of(self, example: str) -> str:
        """The nested score, with the class or the rank of the number that was to be told."""
        value = self.placed.nested.get(example)
        if value is None:
            return "no held-out score" if self.compared(example) else "not among the compared rows, no score"
        held, true = self.placed.held, self.placed.truth.get(example)
        beside = f", true value {text.number(true)}" if true is not None else ""
        if held.classes and held.target is not None:
            beside = f", of class {held.classes[int(held.target[self.placed.rows[example][0]])]}"
        return f"nested score {text.number(value)}{beside}"

    def compared(self, example: str) -> bool:
        """Whether an example has a row that was held out."""
        return example in self.placed.rows


class Values(Readings):
    """Own values of examples, in the layer of each position's highest cell; shades go from zero to the largest."""

    low = ""

    def __init__(self, result: GridResult, measured: Measured) -> None:
        super().__init__(result)
        self.rows = {example: i for i, example in enumerate(measured.example_ids)}
        found = {name: _own(result, measured, j) for j, name in enumerate(result.grid.positions)}
        values = np.concatenate([column for column, _ in found.values()])
        values = values[np.isfinite(values)]
        self.bound = float(np.abs(values).max(initial=0.0)) or 1.0
        self.two_sided = bool((values < 0).any())
        self.high = result.grid.quantity.unit or "value of the example"
        digits = View(result).digits
        self.ends = (text.number(-self.bound, digits), "0", text.number(self.bound, digits))
        self.at = {name: self._readings(*one, digits) for name, one in found.items() if np.isfinite(one[0]).any()}

    def _readings(self, values: Floats, layer: int, digits: int) -> dict[str, Reading]:
        return {
            example: Reading(
                0.5 + 0.5 * float(values[i]) / self.bound, text.number(float(values[i]), digits), str(layer)
            )
            for example, i in self.rows.items()
            if np.isfinite(values[i])
        }

    def words(self) -> Iterable[str]:
        """What the numbers and shades are."""
        end = "lowest" if self.result.grid.quantity.higher_is == "less" else "highest"
        cell = "cell farthest from zero" if self.result.grid.contrast else f"{end} cell"
        yield (
            f"Numbers are the example's own values in the grid {self.name}, in the layer of each position's {cell}, "
            "in brackets."
        )

    def of(self, example: str) -> str:
        """Nothing, unless the example was left out."""
        return "" if self.compared(example) else "not among the compared rows, no values"

    def compared(self, example: str) -> bool:
        """Whether an example has values."""
        return example in self.rows


def _own(result: GridResult, measured: Measured, position: int) -> tuple[Floats, int]:
    """The examples' values [n] at a position in the layer of its highest cell, and that layer; NaN without one."""
    grid = result.grid
    column = grid.value[:, position] * (-1 if grid.quantity.higher_is == "less" else 1)
    column = np.where(grid.has_value[:, position], np.abs(column) if grid.contrast else column, -np.inf)
    if not np.isfinite(column).any():
        return np.full(len(measured.example_ids), np.nan), 0
    layer = int(column.argmax())
    return np.asarray(measured.cells[layer, position], dtype=np.float64), grid.layers[layer]


def some(names: Iterable[str]) -> str:
    """Names in running text, the first few of many."""
    every = list(names)
    rest = len(every) - NAMED
    return text.listed(every) if rest <= 1 else text.listed([*every[:NAMED], f"{text.words(rest)} more"])
