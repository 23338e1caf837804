"""Judges every expectation again from the saved results, and paired differences by definition; it draws no page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from layergrid import expectations, publish
from layergrid.artifacts import ExpectationResult, Floats, GridResult, Results
from layergrid.expectations import junit
from layergrid.kinds import BadInput
from layergrid.spec import DifferenceBound, Expectation, Side
from layergrid.verify import folds, measured
from layergrid.verify.numbers import Bounded, same
from layergrid.verify.problems import RESULTS, Notes

VERDICT = "expectation"


def check(results: Results, folder: Path, notes: Notes) -> None:
    """Every expectation that the results hold with its bound, and what the manifest and junit.xml say of them."""
    grids = {one.grid.name: one for one in results.grids}
    judged = results.expectations
    for i, saved in enumerate(judged):
        if not saved.asked:
            continue  # of a report that kept verdicts alone
        where = f"expect.{i}"
        try:
            asked = Expectation.model_validate(dict(saved.asked))
            _agree(saved, expectations.judged(asked, results, where), where, notes)
        except (BadInput, ValidationError, KeyError) as error:
            notes.wrong(RESULTS, f"{where}: cannot be judged again: {error}")
            continue
        if asked.difference is not None and math.isfinite(saved.value):
            _check_gap(saved, _recomputed(asked.grid, grids, asked.difference), where, notes)
        notes.counts[VERDICT] += 1
    _check_files(results, folder, notes)


def _agree(saved: ExpectationResult, wanted: ExpectationResult, where: str, notes: Notes) -> None:
    for field in fields(ExpectationResult):
        found, right = getattr(saved, field.name), getattr(wanted, field.name)
        alike = same(found, right) if isinstance(right, float) and isinstance(found, float) else found == right
        if not alike:
            notes.wrong(RESULTS, f"{where}: {field.name} is {found!r}, the results give {right!r}")


def _check_files(results: Results, folder: Path, notes: Notes) -> None:
    """The manifest's list of verdicts, and junit.xml."""
    judged = results.expectations
    stated = ((publish.read_manifest(folder) or {}).get("build") or {}).get("expectations")
    if stated is not None and stated != [_plain(one) for one in judged]:
        notes.wrong(publish.MANIFEST, "its verdicts on expectations are not those of the results")
    path = folder / junit.FILE
    if judged and stated is not None and not path.is_file():
        notes.wrong(junit.FILE, "is missing")
    elif judged and path.is_file() and path.read_bytes() != junit.document(judged, results.spec_name):
        notes.wrong(junit.FILE, "is not what the results give")


def _plain(one: ExpectationResult) -> Mapping[str, Any]:
    return expectations.as_json(one)


# ---------------------------------------------------------------- differences by definition


def _check_gap(saved: ExpectationResult, gap: Bounded | None, where: str, notes: Notes) -> None:
    if gap is None:
        notes.wrong(RESULTS, f"{where}: holds the difference {saved.value!r}, which no rows give")
        return
    for name, value in (("value", gap.value), ("low", gap.low), ("high", gap.high)):
        found = getattr(saved, name)
        if not same(found, value) and not abs(found - value) < 1e-9:
            notes.wrong(RESULTS, f"{where}: {name} is {found!r}, the rows give {value!r}")


def _recomputed(own: str, grids: Mapping[str, GridResult], asked: DifferenceBound) -> Bounded | None:
    """The difference that an expectation speaks of, by the definitions of `folds` and `measured`."""
    results = [grids[side.grid or own] for side in (asked.of, asked.minus)]
    first = results[0]
    if first.measured is not None:
        rows = [_rows(side, result) for side, result in zip((asked.of, asked.minus), results, strict=True)]
        if rows[0] is None or rows[1] is None:
            return None
        return measured.sample(first.grid, first.measured).estimate(rows[0] - rows[1])
    if first.held_out is None:
        return None
    split = folds.split(first.held_out, first.grid.metric)
    scores = [_scores(side, result) for side, result in zip((asked.of, asked.minus), results, strict=True)]
    if scores[0] is None or scores[1] is None:
        return None
    one, other = (folds.score(split, s) for s in scores if s is not None)
    return folds.difference(split, one, other, first.grid.level)


def _rows(side: Side, result: GridResult) -> Floats | None:
    grid, kept = result.grid, result.measured
    if kept is None or side.layer is None or side.position not in grid.positions:
        return None
    cell: Floats = kept.cells[grid.layers.index(side.layer), grid.positions.index(side.position)].astype(float)
    return cell


def _scores(side: Side, result: GridResult) -> Floats | None:
    grid, held = result.grid, result.held_out
    if held is None:
        return None
    if side.position is None:
        return held.nested
    j = grid.positions.index(side.position)
    if side.layer is not None:
        return folds.cell(held, grid.layers.index(side.layer), j)
    return None if held.by_position is None else held.by_position[j]
