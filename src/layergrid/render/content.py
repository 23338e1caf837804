"""What every document of a report shows, as plain values for templates; it knows no markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from layergrid import text
from layergrid.artifacts import Fact, GridResult, Paragraph, PositionStatus, Results, Section, Summary
from layergrid.render.figures import Block
from layergrid.theme import Theme

PAIRS = "Pairs of numbers are right / wrong answers."
FIRST_PAGE = 2  # blocks of figures on the first page


@dataclass(frozen=True)
class Sheet:
    """One table: its title, columns, rows of strings, and which columns hold numbers."""

    key: str  # of its caption: "errors.baselines"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    number: int = 0
    strong: int = -1  # a row to stand out
    note: str = ""  # what its entries are, after the caption


@dataclass(frozen=True)
class Content:
    """All parts of a report in the order of the page."""

    results: Results
    facts: tuple[Fact, ...]
    summary: Summary
    theme: Theme
    blocks: tuple[Block, ...]

    @property
    def names(self) -> set[str]:
        """Names of positions, which no line may break."""
        grids = {name for one in self.results.grids for name in one.grid.positions}
        return grids | {p[0] for one in self.results.illustrations for p in one.positions}

    @property
    def first(self) -> tuple[Block, ...]:
        """The figures of the first page."""
        return self.blocks[:FIRST_PAGE]

    @property
    def more(self) -> tuple[Block, ...]:
        """The figures that come later."""
        return self.blocks[FIRST_PAGE:]

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections of the summary, without the methods."""
        return tuple(s for s in self.summary.sections if s.key != "methods")

    @property
    def methods(self) -> tuple[Section, ...]:
        """The methods, which come after the tables."""
        return tuple(s for s in self.summary.sections if s.key == "methods")

    @cached_property
    def sheets(self) -> tuple[Sheet, ...]:
        """All tables, numbered."""
        found: list[Sheet | None] = []
        many = len(self.results.grids) > 1
        for one in self.results.grids:
            found += [_baselines(one, many), _tied(one, many), _winners(one, many)]
        found += [_balance(self.results), *_statuses(self.results), _expectations(self.results)]
        kept = [sheet for sheet in found if sheet is not None and sheet.rows]
        return tuple(replace(sheet, number=number) for number, sheet in enumerate(kept, 1))

    def caption(self, key: str) -> Paragraph:
        """The words below a table, from the summary."""
        return self.summary.captions.get(key, ())

    @property
    def provenance(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """What the report was made from: groups of names with values."""
        r = self.results
        groups: list[tuple[str, tuple[tuple[str, str], ...]]] = [
            (
                f"Model {m.name}",
                (("address", m.address), ("architecture", f"{m.architecture}, {text.plural(m.layers, 'block')}, width "
                 f"{text.count(m.width)}"), ("parameters", text.count(m.parameters)), ("number type", m.dtype),
                 ("revision", m.revision)),
            )
            for m in r.models
        ]  # fmt: skip
        groups += [
            (
                f"Data set {d.name}",
                (("source", d.source), ("fingerprint", d.fingerprint), ("grouped by", d.group or "nothing"),
                 ("prompt", d.prompt), ("new tokens", f"at most {text.count(d.max_new_tokens)}"),
                 ("exact answer", d.rule)),
            )
            for d in r.data
        ]  # fmt: skip
        libraries = ", ".join(f"{name} {r.versions[name]}" for name in sorted(r.versions))
        build = (("spec", r.spec_name), ("digest", r.spec_digest), ("seed", str(r.seed)), ("libraries", libraries))
        groups.append(("Build", tuple((k, v) for k, v in build if v)))
        groups.append(("Files", self._files))
        return tuple(groups)

    @property
    def _files(self) -> tuple[tuple[str, str], ...]:
        """What lies beside the report."""
        grids = ", ".join(f"grids/{g.grid.name}.parquet, .csv" for g in self.results.grids)
        return (("cells", grids), ("held-out scores", "results/"), ("cited facts", "facts.json"),
                ("this build", "manifest.json"))  # fmt: skip


def _of(one: GridResult, many: bool) -> str:
    return f" of {one.grid.name}" if many else ""


def _estimate(value: float, low: float, high: float, sign: bool = False) -> str:
    shown = text.signed(value) if sign else text.number(value)
    return f"{shown} {text.interval(low, high)}" if np.isfinite([low, high]).all() else shown


def _baselines(one: GridResult, many: bool) -> Sheet | None:
    """The nested best beside what simpler predictors reach on the same rows and folds."""
    if not one.baselines and one.selection is None:
        return None
    rows, percent = [], text.percent(one.grid.level)
    if one.selection is not None:
        e = one.selection.estimate
        rows.append(("nested best of the grid", _estimate(e.value, e.low, e.high), "", text.count(e.n)))
    for b in one.baselines:
        if b.estimate is None:
            rows.append((b.label, f"none: {b.reason}" if b.reason else "none", "", ""))
            continue
        gap = _estimate(b.difference.value, b.difference.low, b.difference.high, True) if b.difference else ""
        rows.append(
            (b.label, _estimate(b.estimate.value, b.estimate.low, b.estimate.high), gap, text.count(b.estimate.n))
        )
    name = one.grid.quantity.name
    return Sheet(
        f"{one.grid.name}.baselines", f"Nested best and baselines{_of(one, many)}",
        ("Predictor", f"{name} [{percent} interval]", "Nested best minus it", "Rows"), tuple(rows),
        (False, True, True, True), strong=0 if one.selection is not None else -1,
    )  # fmt: skip


def _tied(one: GridResult, many: bool) -> Sheet | None:
    """A row a position: its layers that cannot be told from the highest cell."""
    grid, rows = one.grid, []
    sign = 1 if grid.quantity.higher_is == "more" else -1
    for j, position in enumerate(grid.positions):
        tied = [i for i in range(len(grid.layers)) if grid.tied_with_best[i, j] and grid.has_value[i, j]]
        if tied:
            best = max(tied, key=lambda i: sign * grid.value[i, j])
            words = text.layers([grid.layers[i] for i in tied]).partition(" ")[2]
            shown = _estimate(grid.value[best, j], grid.low[best, j], grid.high[best, j])
            rows.append(
                (sign * grid.value[best, j], (position, words, text.count(len(tied)), str(grid.layers[best]), shown))
            )
    rows.sort(key=lambda row: -row[0])
    return Sheet(
        f"{grid.name}.tied", f"Cells that cannot be told from the best{_of(one, many)}",
        ("Position", "Layers", "Cells", "Highest at", f"{grid.quantity.name} there"), tuple(row for _, row in rows),
        (False, False, True, True, True),
    )  # fmt: skip


def _winners(one: GridResult, many: bool) -> Sheet | None:
    """What nested selection chose in every fold."""
    if one.selection is None or not one.selection.winners:
        return None
    rows = tuple(
        (str(w.fold), str(w.layer), w.position, f"{w.penalty:.2g}", text.number(w.value)) for w in one.selection.winners
    )
    return Sheet(
        f"{one.grid.name}.winners", f"The cell chosen inside each training fold{_of(one, many)}",
        ("Fold", "Layer", "Position", "Penalty", f"{one.grid.quantity.name} outside"), rows,
        (True, True, False, True, True),
    )  # fmt: skip


def _balance(results: Results) -> Sheet:
    """Answers by label, and what was lost on the way."""
    rows = []
    many = len({d.model for d in results.data}) > 1
    for d in results.data:
        wrong = d.n - d.n_correct
        counts = (d.n, d.n_correct, wrong)
        name = f"{d.name} ({d.model})" if many else d.name
        rows.append((name, *(text.count(c) for c in counts), f"{d.not_found_correct} / {d.not_found_wrong}",
                     f"{d.truncated_correct} / {d.truncated_wrong}", *_compared(results, d.model, d.name)))  # fmt: skip
    columns = ("Data set", "Answers", "Right", "Wrong", "No exact answer", "Cut off", "Left out", "Rows compared")
    return Sheet("balance", "Answers, and rows left out", columns, tuple(rows), (False, *[True] * 7), note=PAIRS)


def _compared(results: Results, model: str, dataset: str) -> tuple[str, str]:
    """Rows left out and rows compared in the first grid of a model's answers to a data set that says so."""
    for one in results.grids:
        settings = one.grid.settings
        if (one.grid.model, one.grid.dataset) == (model, dataset) and "rows" in settings:
            left = f"{settings.get('dropped_correct', 0)} / {settings.get('dropped_wrong', 0)}"
            return left, text.count(int(settings["rows"]))
    return "", ""


def _statuses(results: Results) -> list[Sheet]:
    """A row a position: in how many examples it has each status, right / wrong."""
    found = []
    for table in results.tables:
        if tuple(table.columns) != ("position", "label", "status", "count"):
            continue
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for position, label, status, count in table.rows:
            by_label = counts.setdefault(str(position), {}).setdefault(str(status), {})
            by_label[str(label)] = by_label.get(str(label), 0) + int(count or 0)
        seen = [s.value for s in PositionStatus if any(s.value in by for by in counts.values())]
        rows = tuple((name, *(_pair(by.get(status, {})) for status in seen)) for name, by in counts.items())
        columns = ("Position", *(status.replace("_", " ") for status in seen))
        found.append(Sheet(table.name, "Status of each position in the examples", columns, rows,
                           (False, *[True] * len(seen)), note=PAIRS))  # fmt: skip
    return found


def _pair(by_label: dict[str, int]) -> str:
    right, wrong = by_label.get("correct", 0), by_label.get("wrong", 0)
    return f"{text.count(right)} / {text.count(wrong)}" if right or wrong else "\N{EN DASH}"


def _expectations(results: Results) -> Sheet:
    rows = tuple((e.sentence, text.number(e.observed, 3), "met" if e.met else "not met") for e in results.expectations)
    return Sheet("expectations", "Expectations of the spec", ("Expectation", "Observed", "Verdict"), rows,
                 (False, True, False))  # fmt: skip


def lit(facts: Iterable[Fact], results: Results) -> dict[str, dict[str, object]]:
    """For the page: which cells each fact speaks of, as [layer index, position index] of its grid."""
    grids = {one.grid.name: one.grid for one in results.grids}
    found: dict[str, dict[str, object]] = {}
    for fact in facts:
        grid = grids.get(fact.grid)
        if grid is None or not fact.cells:
            continue
        at = {layer: i for i, layer in enumerate(grid.layers)}
        cells = [[at[i], grid.positions.index(p)] for i, p in fact.cells if i in at and p in grid.positions]
        found[fact.id] = {"grid": grid.name, "cells": cells}
    return found
