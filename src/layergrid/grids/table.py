"""The kind `table`: a ready table of layers and positions, from a file; it computes nothing and knows no model.

Long form: one row a cell, with the columns `layer`, `position` and `value`, and where they are known `low`, `high`,
`n`, `n_positive`, `p_adjusted`, `status` and `reason`: also the files grids/*.csv and grids/*.parquet of a report.
Wide form: the first column `layer`, then one column a position.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from layergrid.artifacts import HAS_VALUE, CellStatus, Grid, GridResult, Quantity
from layergrid.fingerprints import file_digest
from layergrid.grids.columns import Columns, locate, read
from layergrid.kinds import BadInput, GridKind, Inputs, LayerChoice, LayerRange, Needs
from layergrid.project import Project
from layergrid.text import layers, listed, nearest

FLOATS = ("value", "low", "high", "p_adjusted")
INTS = ("n", "n_positive")
WORDS = ("status", "reason")
KEYS = ("layer", "position")
CARD = ("model", "dataset", "grid", "site", "head", "contrast", "metric", "level")  # one value each in the whole table
KNOWN = (*KEYS, *FLOATS, *INTS, *WORDS, *CARD)
LEVEL = 0.95

Word = Literal["layer", "position", "value", "low", "high", "n", "n_positive", "p_adjusted", "status", "reason"]


def _text(value: object) -> object:
    """A whole number as text, since -1 without quotes is a position as elsewhere in a spec."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Position = Annotated[str, BeforeValidator(_text)]
GIVEN = "The values were given as a table, and how they came to be is not part of this report."


class TableQuantity(BaseModel):
    """What the values of a table are."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field("", description="Short, for axes: `AUROC`; left out: the table's metric, or its column's name.")
    sentence: str = Field("", description="What a cell is: `Each cell is ...`; left out: that the table gave it.")
    caution: str = Field("", description="A sentence on what a high value does not say, for the reader.")
    unit: str = Field("", description="Unit of the values.")
    low: float | None = Field(None, allow_inf_nan=False, description="Lowest possible value; left out: unbounded.")
    high: float | None = Field(None, allow_inf_nan=False, description="Highest possible value; left out: unbounded.")
    chance: float | None = Field(None, allow_inf_nan=False, description="Value of no information, if there is one.")
    claim: str = Field("", description="Adjective that a high value permits: `decodable`; left out: `high`, or `low`.")
    subject: str = Field("values", description="What superlatives speak of, plural: `errors`.")
    higher_is: Literal["more", "less"] = Field("more", description="Whether a higher value means more of the claim.")

    @model_validator(mode="after")
    def _in_order(self) -> TableQuantity:
        marks = [one for one in (self.low, self.chance, self.high) if one is not None]
        if marks != sorted(marks):
            raise ValueError("expected low, chance and high in this order")
        return self


class TableGrid(GridKind):
    """Shows a ready table of layers and positions, without a model."""

    stands_alone: ClassVar[bool] = True
    kind: Literal["table"] = "table"
    source: str = Field(min_length=1, description="Path of a .csv, .tsv or .parquet file, relative to the spec.")
    where: dict[str, str | int | float | bool] = Field(
        {}, description="Rows to take where the table holds several grids: column and value, such as {grid: errors}."
    )
    columns: dict[Word, str] = Field(
        {}, description="Columns that the table calls otherwise: {value: auroc} reads the values from `auroc`."
    )
    quantity: TableQuantity = Field(TableQuantity(), description="What the values are.")
    level: float | None = Field(
        None, gt=0, lt=1, description="Nominal coverage of low and high; left out: the table's column, else 0.95."
    )
    layers: LayerChoice = Field(
        "all", description="`all` that the table has, a range such as 4..12, {from, to, every}, or a list of layers."
    )
    positions: tuple[Position, ...] = Field(
        (), description="Positions of the table in this order, names or globs; left out: all, as the table has them."
    )

    def needs(self) -> Needs:
        """Nothing of a model."""
        return Needs()

    def fingerprint(self, project: Project) -> str:
        """The sha256 of the table's file."""
        path = locate(project, self.source)
        try:
            return f"sha256:{file_digest(path)}"
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({error.strerror})") from None

    def compute(self, inputs: Inputs) -> GridResult:
        """The table as a grid. Raises BadInput with file, row and column where it is not as it should be."""
        import numpy as np

        table = _read(self, locate(inputs.project.called(f"grids.{inputs.name}.source"), self.source))
        chosen = _layers(self, table), _positions(self, table)
        shape = (len(chosen[0]), len(chosen[1]))
        cells = [table.cells.get((layer, position), _HOLE) for layer in chosen[0] for position in chosen[1]]

        def array(name: str, dtype: Any) -> Any:
            return np.array([getattr(cell, name) for cell in cells], dtype=dtype).reshape(shape)

        value, meant = array("value", np.float64), _quantity(self, table)
        best = np.inf
        if not np.isnan(value).all():
            best = np.nanmax(value) if meant.higher_is == "more" else np.nanmin(value)
        return GridResult(
            Grid(
                name=inputs.name, model="", dataset="", kind=self.kind, site=table.card.get("site", ""),
                metric=table.metric, quantity=meant, layers=chosen[0], positions=chosen[1], level=table.level,
                **{name: array(name, np.float64) for name in FLOATS},
                **{name: array(name, np.int64) for name in INTS},
                **{name: array(name, np.str_) for name in WORDS},
                tied_with_best=value == best, settings=_settings(self, table),
                head=table.card.get("head", ""), contrast=_contrast(table),
            )
        )  # fmt: skip


# ---------------------------------------------------------------- cells


@dataclass(frozen=True)
class _Cell:
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_adjusted: float = math.nan
    n: int = 0
    n_positive: int = 0
    status: str = ""
    reason: str = ""


_HOLE = _Cell(status=CellStatus.MISSING.value, reason="the table has no row for this cell")


@dataclass(frozen=True)
class _Table:
    """The cells of one grid, and what the table says of all of them."""

    path: Path
    cells: dict[tuple[int, str], _Cell]
    positions: tuple[str, ...]  # in the order in which they first stand
    card: dict[str, str]
    metric: str
    level: float
    bounds: bool  # some cell has an interval


def _read(kind: TableGrid, path: Path) -> _Table:
    table = read(path).renamed({str(new): old for new, old in kind.columns.items()})
    if "position" in table.names:
        cells, card = _long(kind, table)
    else:
        cells, card = _wide(kind, table), {}
    value = kind.columns.get("value", "value")
    return _Table(
        path, cells, tuple(dict.fromkeys(position for _, position in cells)), card,
        metric=card.get("metric") or kind.quantity.name or value,
        level=kind.level or (_level(path, card["level"]) if card.get("level") else LEVEL),
        bounds=any(not math.isnan(cell.low) or not math.isnan(cell.high) for cell in cells.values()),
    )  # fmt: skip


def _level(path: Path, written: str) -> float:
    level = float(written) if written.replace(".", "", 1).isdigit() else math.nan
    if not 0 < level < 1:
        raise BadInput(f"{path}, column 'level': expected a number between 0 and 1; found {written!r}")
    return level


def _long(kind: TableGrid, table: Columns) -> tuple[dict[tuple[int, str], _Cell], dict[str, str]]:
    """The cells of a long table by layer and position, and the values of the columns that have one."""
    for name in (*KEYS, "value"):
        if name not in table.names:
            raise BadInput(
                f"{table.path}: expected a column {name!r} (long form: layer, position, value); found {table.listed}; "
                f"a column of another name is given by columns: {{{name}: NAME}}"
            )
    _no_near_misses(kind, table)
    table = _chosen_rows(kind, table)
    card = {}
    for name in CARD:
        if name in table.names:
            held = dict.fromkeys(table.text(i, name) for i in range(len(table.rows)))
            if len(held) > 1:
                some = list(held)[:4]
                raise BadInput(
                    f"{table.path}, column {name!r}: expected one value in all rows; found "
                    f"{listed(repr(one) for one in some)}: choose one with where: {{{name}: {some[0]!r}}}"
                )
            card[name] = next(iter(held))
    found: dict[tuple[int, str], _Cell] = {}
    rows: dict[tuple[int, str], str] = {}
    for i, row in enumerate(table.rows):
        key = (_layer(table, i), _position(table, i))
        if key in found:
            raise BadInput(
                f"{table.path}, {row}: expected one row for layer {key[0]} and position {key[1]!r}; {rows[key]} is "
                "another; where a table holds several grids, choose one with where: {COLUMN: VALUE}"
            )
        found[key], rows[key] = _cell(kind, table, i), row
    return found, card


def _no_near_misses(kind: TableGrid, table: Columns) -> None:
    """Further columns are allowed; one that is called almost like a known one that is not there is a slip."""
    for name in table.names:
        near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.75)
        if name not in (*KNOWN, *kind.where) and near and near[0] not in table.names:
            raise BadInput(
                f"{table.path}: the column {name!r} is not known; did you mean {near[0]!r}? Rename it, or give it by "
                f"columns: {{{near[0]}: {name}}}"
            )


def _chosen_rows(kind: TableGrid, table: Columns) -> Columns:
    """The rows that `where` names."""
    for name, wanted in kind.where.items():
        if name not in table.names:
            raise BadInput(f"{table.path}: where names the column {name!r}; found {table.listed}")
        held = [table.text(i, name) for i in range(len(table.rows))]
        kept = [i for i, one in enumerate(held) if one == str(wanted)]
        if not kept:
            some = listed(repr(one) for one in list(dict.fromkeys(held))[:6])
            raise BadInput(f"{table.path}, column {name!r}: `where` asks for {wanted!r}; found {some}")
        table = table.only(kept)
    return table


def _wide(kind: TableGrid, table: Columns) -> dict[tuple[int, str], _Cell]:
    """The cells of a table with one row a layer and one column a position."""
    reserved = [name for name in table.names if name in (*FLOATS, *INTS, *WORDS)]
    if table.names[0] != "layer" or len(table.names) < 2 or reserved:
        raise BadInput(
            f"{table.path}: expected the columns layer, position and value (long form), or first layer and then one "
            f"column for each position (wide form); found {table.listed}"
        )
    if kind.where:
        raise BadInput(f"{table.path}: `where` chooses rows of a long table; this one has one row for each layer")
    found: dict[tuple[int, str], _Cell] = {}
    seen: dict[int, str] = {}
    for i, row in enumerate(table.rows):
        layer = _layer(table, i)
        if layer in seen:
            raise BadInput(f"{table.path}, {row}: expected one row for layer {layer}; {seen[layer]} is another")
        seen[layer] = row
        for position in table.names[1:]:
            value = table.number(i, position)
            _in_range(kind, table, i, position, value)
            found[layer, position] = _described(_Cell(value))
    return found


def _layer(table: Columns, row: int) -> int:
    layer = table.integer(row, "layer")
    if layer is None or layer > 10**6:
        raise table.wrong(row, "layer", "the number of a layer, from 0")
    return layer


def _position(table: Columns, row: int) -> str:
    value = table.cells["position"][row]
    if value in (None, "") or isinstance(value, bool | float):
        raise table.wrong(row, "position", "the name of a position")
    return str(value)


def _cell(kind: TableGrid, table: Columns, row: int) -> _Cell:
    """One row of a long table, checked in itself."""
    value, low, high, p = (table.number(row, name) if name in table.names else math.nan for name in FLOATS)
    n, n_positive = ((table.integer(row, name) or 0) if name in table.names else 0 for name in INTS)
    status, reason = (table.text(row, name) if name in table.names else "" for name in WORDS)
    cell = _described(_Cell(value, low, high, p, n, n_positive, status, reason))
    _in_range(kind, table, row, "value", cell.value)
    if cell.low > cell.high:
        raise table.wrong(row, "high", f"a bound that is not below low ({cell.low:g})")
    if not math.isnan(cell.p_adjusted) and not 0 <= cell.p_adjusted <= 1:
        raise table.wrong(row, "p_adjusted", "a number from 0 to 1")
    if "n" in table.names and cell.n_positive > cell.n:
        raise table.wrong(row, "n_positive", f"at most n, which is {cell.n}")
    known = [word.value for word in CellStatus]
    if cell.status not in known:
        raise table.wrong(row, "status", f"{listed(known, 'or')}, or nothing")
    empty = math.isnan(cell.value)
    if empty and cell.status in HAS_VALUE:
        raise table.wrong(row, "value", f"a number where the status is {cell.status!r}")
    if not empty and cell.status not in HAS_VALUE:
        raise table.wrong(row, "value", f"nothing where the status is {cell.status!r}")
    for name in ("low", "high", "p_adjusted"):
        if empty and not math.isnan(getattr(cell, name)):
            raise table.wrong(row, name, "nothing where there is no value")
    return cell


def _described(cell: _Cell) -> _Cell:
    """The cell with a status, unless the table gave it one, and with a reason where it has no value."""
    empty = math.isnan(cell.value)
    return replace(
        cell,
        status=cell.status or (CellStatus.MISSING.value if empty else CellStatus.OK.value),
        reason=cell.reason or ("the table has no value for this cell" if empty else ""),
    )


def _in_range(kind: TableGrid, table: Columns, row: int, column: str, value: float) -> None:
    if kind.quantity.low is not None and value < kind.quantity.low:
        raise table.wrong(row, column, f"a value from {kind.quantity.low:g}, which quantity.low says")
    if kind.quantity.high is not None and value > kind.quantity.high:
        raise table.wrong(row, column, f"a value up to {kind.quantity.high:g}, which quantity.high says")


# ---------------------------------------------------------------- what is shown


def _layers(kind: TableGrid, table: _Table) -> tuple[int, ...]:
    there, choice = sorted({layer for layer, _ in table.cells}), kind.layers
    if choice == "all":
        choice = LayerRange()
    elif isinstance(choice, str):
        low, high = sorted(map(int, choice.split("..")))
        choice = LayerRange(start=low, to=high)
    if isinstance(choice, LayerRange):
        wanted = range(choice.start, (there[-1] if choice.to is None else choice.to) + 1, choice.every)
        found = [layer for layer in there if layer in wanted]
    else:
        found = sorted(set(choice))
    absent = [layer for layer in found if layer not in there]
    if absent or not found:
        what = layers(absent) if absent else "layers in that range"
        raise BadInput(f"{table.path}: `layers` asks for {what}, which the table does not have; it has {layers(there)}")
    return tuple(found)


def _positions(kind: TableGrid, table: _Table) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in kind.positions or ("*",):
        matching = [name for name in table.positions if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            near = nearest(pattern, table.positions)
            hint = f"; did you mean {near!r}?" if near else ""
            raise BadInput(
                f"{table.path}: `positions` names {pattern!r}, which the table does not have; it has "
                f"{listed(repr(name) for name in table.positions)}{hint}"
            )
        found |= dict.fromkeys(matching)
    return tuple(found)


def _quantity(kind: TableGrid, table: _Table) -> Quantity:
    asked = kind.quantity
    name = asked.name or table.metric
    return Quantity(
        name=name,
        sentence=_whole(asked.sentence)
        or f"Each cell is the {name} that the table {PurePath(kind.source).name} gives for one layer and one token "
        "position.",
        subject=asked.subject,
        claim=asked.claim or ("high" if asked.higher_is == "more" else "low"),
        low=asked.low,
        high=asked.high,
        chance=asked.chance,
        unit=asked.unit,
        higher_is=asked.higher_is,
        caution=f"{asked.caution.rstrip('.')}. {GIVEN}" if asked.caution else GIVEN,
    )


def _contrast(table: _Table) -> str:
    """The two classes whose difference the cells are; other words of that column name a class alone or a reference."""
    written = table.card.get("contrast", "")
    return written if " - " in written else ""


def _settings(kind: TableGrid, table: _Table) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    source = PurePath(kind.source).name
    said = f"The values were read from the table {source} as they stand; nothing of them was computed here."
    if table.bounds:
        said += " So were the bounds of their intervals."
    return {"source": source, "level": table.level, "methods": {"table": said}}


def _whole(sentence: str) -> str:
    """What an author wrote as a whole sentence: "the AUROC of a probe" is what each cell is."""
    return f"Each cell is {sentence}" if sentence[:1].islower() else sentence
