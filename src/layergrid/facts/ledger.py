"""How a rule writes down a fact: identifiers, bounds and printable forms in one shape; it knows no rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from layergrid import text
from layergrid.artifacts import Estimate, Fact, GridPoint

NAME = "name"  # the rule of facts that only name a thing: a model, a quantity, a baseline, a group of positions


class Ledger:
    """Collects the facts of one grid, or of the sources where `grid` is empty, in order and without repeats."""

    def __init__(self, grid: str = "", prefix: str = "") -> None:
        self.grid = grid
        self.prefix = prefix or text.slug(grid)
        self.facts: dict[str, Fact] = {}

    def identifier(self, key: str) -> str:
        """The id of a key: facts of a grid start with its prefix."""
        return f"{self.prefix}.{key}" if self.prefix else key

    def add(
        self,
        key: str,
        rule: str,
        forms: Mapping[str, str],
        *,
        cells: Iterable[GridPoint] = (),
        value: float | str | None = None,
        low: float | None = None,
        high: float | None = None,
        n: int | None = None,
        relation: str = "",
        of: Iterable[str] = (),
    ) -> Fact:
        """Writes a fact. Forms that are empty are left out; bounds that are not finite become None.

        `of` holds keys of this ledger. Raises ValueError where the id is taken: two rules would speak of one thing.
        """
        name = self.identifier(key)
        if name in self.facts:
            raise ValueError(f"two facts have the id {name!r}")
        fact = Fact(
            id=name,
            rule=rule,
            grid=self.grid,
            cells=tuple((int(layer), str(position)) for layer, position in cells),
            value=_plain(value),
            low=_finite(low),
            high=_finite(high),
            n=None if n is None else int(n),
            relation=relation,
            of=tuple(self.identifier(k) for k in of),
            forms={k: v for k, v in forms.items() if v},
        )
        self.facts[name] = fact
        return fact

    def name(self, key: str, **forms: str) -> Fact:
        """A fact that only names a thing; control characters of what users wrote become escapes."""
        return self.add(key, NAME, {k: text.visible(v) for k, v in forms.items()})

    def get(self, key: str) -> Fact | None:
        """The fact of a key of this ledger, or None."""
        return self.facts.get(self.identifier(key))


def estimate_forms(e: Estimate, digits: int) -> dict[str, str]:
    """The forms of an estimate: "text" with brackets, "value" alone, "range" for an interval in words."""
    forms = {"text": text.estimate(e.value, e.low, e.high, digits), "value": text.number(e.value, digits)}
    if math.isfinite(e.low) and math.isfinite(e.high):
        forms["range"] = text.span(e.low, e.high, digits)
        forms["interval"] = f"{text.percent(e.level)} interval {forms['range']}"
    return forms


def against_zero(low: float, high: float) -> str:
    """What an interval of a difference permits to say; empty where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return "above" if low > 0 else "below" if high < 0 else "cannot be told from"


def clear_of_zero(low: float, high: float, digits: int) -> int:
    """Digits from which on the nearer bound of an interval that excludes zero is not printed as zero."""
    near = min(abs(low), abs(high)) if against_zero(low, high) in {"above", "below"} else math.nan
    while math.isfinite(near) and float(f"{near:.{digits}f}") == 0 and digits < 6:
        digits += 1
    return digits


def difference_forms(value: float, low: float, high: float, digits: int) -> dict[str, str]:
    """The forms of a difference: "signed", "size" without its sign, "range" and "text" with the interval of the size.

    An interval that excludes zero is printed with enough digits that its nearer bound is not shown as zero.
    """
    relation = against_zero(low, high)
    digits = clear_of_zero(low, high, digits)
    side = -1 if relation == "below" or (not relation and value < 0) else 1
    bounds = sorted((side * low, side * high)) if relation else (math.nan, math.nan)
    forms = {
        "signed": text.signed(value, digits),
        "size": text.number(side * value, digits),
        "text": text.estimate(side * value, bounds[0], bounds[1], digits),
    }
    if relation:
        forms["range"] = text.span(low, high, digits)
    return forms


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _plain(value: float | str | None) -> float | int | str | None:
    if value is None or isinstance(value, str | int):
        return value
    return float(value) if math.isfinite(value) else None
