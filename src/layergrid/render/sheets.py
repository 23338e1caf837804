"""The tables of a report, made of results as plain strings; they know no markup and no figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layergrid import text
from layergrid.artifacts import CellStatus, DataCard, Estimate, Grid, GridResult, PositionStatus, Results
from layergrid.facts import alone, control
from layergrid.facts.ledger import clear_of_zero
from layergrid.facts.view import View

GRADED = ("wrong answers", "right answers")  # the classes of graded answers
MOST = 60  # rows of a table that has one a position


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
    sentences: tuple[str, ...] = ()  # keys of the captions that the first entries are, in place of text


def of(results: Results) -> tuple[Sheet, ...]:
    """All tables, numbered."""
    found: list[Sheet | None] = []
    many = len(results.grids) > 1
    for one in results.grids:
        found += [_baselines(one, many), _tied(one, many), _alone(one, many), _control(one, many), _winners(one, many)]
    found = [*several(results), *found, *carried(results), *compared(results)]
    found += [*_balance(results), *_statuses(results), _expectations(results)]
    kept = [sheet for sheet in found if sheet is not None and sheet.rows]
    return tuple(replace(sheet, number=number) for number, sheet in enumerate(kept, 1))


def compared(results: Results) -> list[Sheet]:
    """Of two reports beside each other: cells whose difference leaves out zero, and what changed beside them."""
    from layergrid.render import compared as tables  # which makes sheets

    return tables.sheets(results)


def carried(results: Results) -> list[Sheet]:
    """Of transfers: every pair with its intervals, and what was chosen on the sources."""
    from layergrid.render import carried as tables  # which makes sheets

    return tables.sheets(results)


def several(results: Results) -> list[Sheet]:
    """Of several models, data sets or sites: all nested bests in one table, and the differences of grids."""
    from layergrid.render import several as tables  # which makes sheets

    return tables.sheets(results)


def _of(one: GridResult, many: bool) -> str:
    return f" of {one.grid.name}" if many else ""


def _estimate(value: float, low: float, high: float, sign: bool = False, digits: int = 2) -> str:
    shown = text.signed(value, digits) if sign else text.number(value, digits)
    return f"{shown} {text.interval(low, high, digits)}" if np.isfinite([low, high]).all() else shown


def _called(grid: Grid, j: int) -> str:
    """What a position is called: its label where no other has it, with its name where one has."""
    if not grid.labels:
        return grid.positions[j]
    label = text.token(grid.labels[j]) if grid.text_of else grid.labels[j]
    return label if grid.labels.count(grid.labels[j]) == 1 else f"{label} ({grid.positions[j]})"


def _baselines(one: GridResult, many: bool) -> Sheet | None:
    """The nested best beside what simpler predictors reach on the same rows and folds."""
    if not one.baselines and one.selection is None:
        return None
    added = {a.name: _shown(a.difference, True) for a in one.additions}
    listed = [b.name for b in one.baselines]
    rows: list[tuple[str, ...]] = []
    if one.selection is not None:
        rows.append(("nested best of the grid", _shown(one.selection.estimate), "", ""))
    for b in one.baselines:
        if b.estimate is None:
            rows.append((b.label, f"none: {b.reason}" if b.reason else "none", "", ""))
            continue
        rows.append((b.label, _shown(b.estimate), _shown(b.difference, True), added.get(b.name, "")))
    rows.extend(
        (f"{a.label}, fitted", _shown(a.alone), "", added[a.name]) for a in one.additions if a.name not in listed
    )
    columns = ("Predictor", _head(one), "Nested best minus it", "Added by the probe")
    kept = 4 if one.additions else 3
    return Sheet(
        f"{one.grid.name}.baselines", f"Nested best and baselines{_of(one, many)}", columns[:kept],
        tuple(row[:kept] for row in rows), (False, True, True, True)[:kept],
        strong=0 if one.selection is not None else -1, note=_counted(one),
    )  # fmt: skip


def _counted(one: GridResult) -> str:
    """On how many rows all of it is scored."""
    found = [one.selection.estimate] if one.selection is not None else []
    counts = {e.n for e in (*found, *(b.estimate for b in one.baselines)) if e is not None}
    return f"All on {text.plural(counts.pop(), 'row')}." if len(counts) == 1 else ""


def _shown(e: Estimate | None, sign: bool = False) -> str:
    """An estimate with its interval; nothing where there is none."""
    if e is None:
        return ""
    return _estimate(e.value, e.low, e.high, sign, clear_of_zero(e.low, e.high, 2) if sign else 2)


def _head(one: GridResult) -> str:
    return f"{one.grid.quantity.name} [{text.percent(one.grid.level)} interval]"


def _alone(one: GridResult, many: bool) -> Sheet | None:
    """A row a position: its nested value, its layer chosen inside the folds, and how far it is from the best one."""
    view = View(one)
    found, top = alone.estimates(view), alone.best(view)
    order = sorted(found, key=lambda j: -view.sign * found[j].value)[:MOST]
    rows: list[tuple[str, ...]] = []
    for j in order:
        gap = alone.difference(view, j, top) if top is not None and j != top else None
        rows.append((_called(one.grid, j), _shown(found[j]), _shown(gap, True)))
    columns = ("Position", _head(one), "" if top is None else f"Less {_called(one.grid, top)}")
    kept = 2 if top is None else 3
    return Sheet(
        f"{one.grid.name}.alone", f"Nested {one.grid.quantity.name} of each position{_of(one, many)}", columns[:kept],
        tuple(row[:kept] for row in rows), (False, True, True)[:kept], strong=0 if top is not None else -1,
        note=f"The first {MOST} of {len(found)} positions." if len(found) > MOST else "",
    )  # fmt: skip


def _control(one: GridResult, many: bool) -> Sheet | None:
    """A row a position: how its tokens recur and, where they do, how selective the probe is at its highest cell."""
    if one.control is None:
        return None
    view, task = View(one), one.control
    rows: list[tuple[str, ...]] = []
    for j in view.spoken[:MOST]:
        index = control.judged(view, j) if control.recurs(task, j) else None
        e = None if index is None else control.selectivity(view, task, index)
        values = ("", "", "")
        if index is not None and e is not None:
            there = (float(one.grid.value[index]), float(task.value[index]))
            values = (text.number(there[0]), text.number(there[1]), _shown(e, True))
        shared = control.share(task.shared[j]) if np.isfinite(task.shared[j]) else ""
        rows.append((_called(one.grid, j), text.count(task.types[j]), shared, *values))
    return Sheet(
        f"{one.grid.name}.control", f"Control task at each position{_of(one, many)}",
        ("Position", "Distinct tokens", "Seen in training", "Task", "Control", "Selectivity"), tuple(rows),
        (False, True, True, True, True, True),
        note="Empty where no token recurs, a single one stands in all rows, or no cell is above chance.",
    )  # fmt: skip


def _tied(one: GridResult, many: bool) -> Sheet | None:
    """A row a position: its layers that cannot be told from the best; none where no paired interval told them."""
    view = View(one)
    if not (view.paired and np.isfinite(one.grid.low).any()):
        return None
    if any(one.grid.status[at] == CellStatus.BOUNDARY.value for at in view.peaks):
        return None  # no paired interval exists there, so that nothing could be told from it
    grid, rows, digits = one.grid, [], view.digits
    sign = 1 if grid.quantity.higher_is == "more" else -1
    quiet = int((view.ties & view.noise).sum())  # counted below the table: none of them is called highest
    for j in range(len(grid.positions)):
        tied = [i for i in range(len(grid.layers)) if view.ties[i, j] and not view.noise[i, j]]
        if tied:
            best = max(tied, key=lambda i: sign * grid.value[i, j])
            words = text.layers([grid.layers[i] for i in tied]).partition(" ")[2]
            shown = _estimate(grid.value[best, j], grid.low[best, j], grid.high[best, j], digits=digits)
            rows.append(
                (
                    sign * grid.value[best, j],
                    (_called(grid, j), words, text.count(len(tied)), str(grid.layers[best]), shown),
                )
            )
    rows.sort(key=lambda row: -row[0])
    return Sheet(
        f"{grid.name}.tied", f"Cells that cannot be told from the best{_of(one, many)}",
        ("Position", "Layers", "Cells", "Highest at" if sign > 0 else "Lowest at", f"{grid.quantity.name} there"),
        tuple(row for _, row in rows[:MOST]), (False, False, True, True, True),
        note=" ".join([
            *([f"The first {MOST} of {len(rows)} positions."] if len(rows) > MOST else []),
            *([f"{text.capital(text.counted(quiet, 'more cell'))} that {'is' if quiet == 1 else 'are'} not above "
               "chance cannot be told from it either."] if quiet else []),
        ]),
    )  # fmt: skip


def _winners(one: GridResult, many: bool) -> Sheet | None:
    """What nested selection chose in every fold."""
    if one.selection is None or not one.selection.winners:
        return None
    fixed = one.grid.settings.get("validation") == "fixed"
    inside = "on rows kept for choosing" if fixed else "inside each training fold"
    rows = tuple(
        (
            str(w.fold),
            str(w.layer),
            w.position,
            f"{w.penalty:.2g}" if np.isfinite(w.penalty) else "",
            text.number(w.value),
        )
        for w in one.selection.winners
    )
    return Sheet(
        f"{one.grid.name}.winners", f"The cell chosen {inside}{_of(one, many)}",
        ("Fold", "Layer", "Position", "Penalty", f"{one.grid.quantity.name} outside"), rows,
        (True, True, False, True, True),
    )  # fmt: skip


def _balance(results: Results) -> list[Sheet]:
    """Answers by label, and what was lost on the way; texts that are not graded apart from them."""
    graded = [d for d in results.data if d.written and d.classes == GRADED]
    others = [d for d in results.data if d not in graded]
    rows = tuple(
        (_data_name(d, results), *(text.count(c) for c in (d.n, d.n_correct, d.n - d.n_correct)),
         f"{d.not_found_correct} / {d.not_found_wrong}",
         f"{d.truncated_correct} / {d.truncated_wrong}" if d.ends_known else "not known",
         *_compared(results, d))
        for d in graded
    )  # fmt: skip
    columns = ("Data set", "Answers", "Right", "Wrong", "No exact answer", "Cut off", "Left out", "Rows compared")
    answers = Sheet("balance", "Answers, and rows left out", columns, rows, (False, *[True] * 7), note=_pairs(GRADED))
    texts = tuple((_data_name(d, results), text.count(d.n), _by_class(d), *_compared(results, d)) for d in others)
    labelled = {d.classes for d in others if d.classes != ("", "")}
    note = _pairs(next(iter(labelled))) if len(labelled) == 1 else ""
    heads = ("Data set", "Examples", "By class", "Left out", "Rows compared")
    key = "texts" if graded else "balance"  # the summary has one caption, of all data sets together
    return [
        answers,
        Sheet(key, "Examples, and rows left out", heads, texts, (False, True, False, True, True), note=note),
    ]


def _data_name(d: DataCard, results: Results) -> str:
    return f"{d.name} ({d.model})" if d.model and len({one.model for one in results.data}) > 1 else d.name


def _by_class(d: DataCard) -> str:
    if d.classes == ("", ""):
        return "no classes"
    return f"{text.count(d.n_correct)} {d.classes[1]}, {text.count(d.n - d.n_correct)} {d.classes[0]}"


def _pairs(classes: tuple[str, str]) -> str:
    """What the two numbers of a pair are."""
    first, second = ("right", "wrong answers") if classes == GRADED else (classes[1], classes[0])
    return f"Pairs of numbers are {first} / {second}."


def _compared(results: Results, d: DataCard) -> tuple[str, str]:
    """Rows left out and rows compared in the first grid of a model's answers to a data set that says so."""
    for one in results.grids:
        settings = one.grid.settings
        if (one.grid.model, one.grid.dataset) == (d.model, d.name) and "rows" in settings:
            right, wrong = (int(settings.get(f"dropped_{label}", 0)) for label in ("correct", "wrong"))
            rows = int(settings["rows"])
            lost = f"{right} / {wrong}"
            if d.classes == ("", ""):
                lost = text.count(max(0, int(settings.get("rows_in_all", rows)) - rows))
            return lost, text.count(rows)
    for one in (one for matrix in results.matrices for one in matrix.settings.get("sets", ())):
        if (one["model"], one["dataset"]) == (d.model, d.name):
            return f"{one['dropped_correct']} / {one['dropped_wrong']}", text.count(int(one["rows"]))
    return "", ""


def _statuses(results: Results) -> list[Sheet]:
    """A row a position: in how many examples it has each status, by label where there are two."""
    found = []
    for table in results.tables:
        if tuple(table.columns) != ("position", "label", "status", "count"):
            continue
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for position, label, status, count in table.rows:
            by_label = counts.setdefault(str(position), {}).setdefault(str(status), {})
            by_label[str(label)] = by_label.get(str(label), 0) + int(count or 0)
        seen = [s.value for s in PositionStatus if any(s.value in by for by in counts.values())]
        labels = _labels([str(row[1]) for row in table.rows])
        rows = tuple((name, *(_split(by.get(status, {}), labels) for status in seen)) for name, by in counts.items())
        columns = ("Position", *(status.replace("_", " ") for status in seen))
        graded = labels == ("correct", "wrong")
        note = _pairs(GRADED if graded else (labels[1], labels[0])) if len(labels) == 2 else ""
        found.append(Sheet(table.name, "Status of each position in the examples", columns, rows,
                           (False, *[True] * len(seen)), note=note))  # fmt: skip
    return found


def _labels(written: Sequence[str]) -> tuple[str, ...]:
    """The labels of a status table in their order; graded answers have two even where one of them never occurs."""
    seen = tuple(dict.fromkeys(written))
    return ("correct", "wrong") if seen and set(seen) <= {"correct", "wrong"} else seen


def _split(by_label: dict[str, int], labels: Sequence[str]) -> str:
    """Counts in the order of the labels, "120 / 80"; a dash where there is none."""
    found = [by_label.get(label, 0) for label in labels]
    return " / ".join(map(text.count, found)) if any(found) else "\N{EN DASH}"


def _expectations(results: Results) -> Sheet:
    """What the spec expects, met or not."""
    from layergrid.render import expected  # which makes sheets

    return expected.sheet(results.expectations)
