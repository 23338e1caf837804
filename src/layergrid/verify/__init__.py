"""Checks a finished report against its saved results: cells, facts, sentences, documents; it loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layergrid import archive, facts, prose, render
from layergrid.artifacts import Fact, Results, Summary
from layergrid.kinds import BadInput, BuildError
from layergrid.verify import grids, numbers, pages, words
from layergrid.verify.numbers import same
from layergrid.verify.problems import Notes, Problem, Verified

PAIRED = "paired cells"  # the rule of facts that compare two cells on the held-out rows


def verify(folder: Path) -> Verified:
    """All that does not agree in a report's folder, with counts of what was checked.

    1. Every cell, interval, n, the nested best, baselines and differences, from held-out scores, by code of its own.
    2. Every fact and every sentence of facts.json.
    3. Every number and comparison word of the sentences in report.html and report.md, read back to the cited facts.
    4. The HTML and Markdown drawn anew, line by line, and every file by its digest.
    """
    notes = Notes()
    try:
        results = archive.read(folder)
    except BadInput as error:
        notes.wrong("results", str(error))
        return notes.done()
    for result in results.grids:
        grids.check(result, folder, notes)
    derived = facts.derive(results)
    summary = prose.summarise(results, derived)
    _check_paired(results, derived, notes)
    if not pages.drawn_as_now(folder, notes):
        return notes.done()
    _check_words(folder, derived, summary, notes)
    try:
        drawn = render.rerender(results, derived, summary, render.read_presentation(folder))
        pages.check_documents(folder, drawn, notes)
    except (BadInput, BuildError) as error:
        notes.wrong("documents", f"cannot be drawn anew: {error}")
    pages.check_digests(folder, notes)
    return notes.done()


def _check_words(folder: Path, derived: Sequence[Fact], summary: Summary, notes: Notes) -> None:
    by_id = {fact.id: fact for fact in derived}
    words.check_summary(summary, by_id, notes)
    try:
        words.check_facts((folder / words.FACTS).read_text(encoding="utf-8"), derived, summary, notes)
    except (OSError, UnicodeDecodeError, BadInput) as error:
        notes.wrong(words.FACTS, str(error))
    for name, check in ((words.PAGE, words.check_html), (words.PLAIN, words.check_markdown)):
        if (folder / name).is_file():
            try:
                check((folder / name).read_text(encoding="utf-8"), summary, by_id, notes)
            except UnicodeDecodeError as error:
                notes.wrong(name, str(error))


def _check_paired(results: Results, derived: Sequence[Fact], notes: Notes) -> None:
    """Facts that compare two cells, by the definitions of `numbers` and not by the engine."""
    by_grid = {r.grid.name: r for r in results.grids}
    for fact in (f for f in derived if f.rule == PAIRED and len(f.cells) == 2):
        result = by_grid[fact.grid]
        held, grid = result.held_out, result.grid
        if held is None:
            continue
        folds = numbers.split(held.labels, held.groups, held.folds)
        one, other = (
            numbers.score(folds, held.cells[grid.layers.index(layer), grid.positions.index(position)])
            for layer, position in fact.cells
        )
        gap = numbers.difference(folds, one, other, grid.level)
        value = fact.value if isinstance(fact.value, int | float) else None
        if not (same(value, gap.value) and same(fact.low, gap.low) and same(fact.high, gap.high)):
            notes.wrong(words.FACTS, f"{fact.id}: is {value!r}, the held-out scores give {gap.value!r}")
        notes.counts["paired difference"] += 1


__all__ = ["Problem", "Verified", "verify"]
