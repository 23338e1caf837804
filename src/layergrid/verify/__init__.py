"""Checks a finished report against its saved results: cells, facts, sentences, documents; it loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layergrid import archive, facts, prose, publish, render
from layergrid.artifacts import Fact, Summary
from layergrid.kinds import BadInput, BuildError
from layergrid.verify import compared, differences, expected, grids, matrices, pages, paired, surest, words
from layergrid.verify.problems import OWN, Notes, Problem, Verified


def verify(folder: Path) -> Verified:
    """All that does not agree in a report's folder, with counts of what was checked.

    1. Every cell, interval, n, facet, tie, the nested best (of all and of each position), baselines, additions and
       differences, from held-out scores or from the measured values of the examples, by code of its own; p-values from
       the statistics of the permutation test. Numbers of a table that was given are held against the other files, and
       statistics, control tasks and directions against what must hold between them, since nothing is kept that they
       follow from. Of a comparison the tables too, from the grids of both reports; what it says of whole reports
       (specs, seeds, cards, libraries, expectations, the count of other facts, lone grids) follows from nothing kept.
       Every expectation is judged again, its paired differences by that code too. Of transfers every pair, from the
       scores of the rows of its target, and that no group stands in two folds.
    2. Every fact and every sentence of facts.json, which holds those of all three lengths.
    3. Every number and comparison word of the sentences in report.html and report.md, read back to the cited facts; and
       that these documents hold the sentences of their own length, and no others.
    4. The HTML and Markdown drawn anew, line by line, and every file by its digest.
    """
    notes = Notes()
    try:
        publish.check_own(folder)
        results = archive.read(folder)
    except BadInput as error:
        notes.wrong("results", str(error))
        return notes.done()
    for result in results.grids:
        grids.check(result, folder, notes)
    for matrix in results.matrices:
        matrices.check(matrix, folder, notes)
    differences.check_bests(results, notes)
    differences.check_within(results, notes)
    surest.check(results, notes)
    compared.check(results, notes)
    expected.check(results, folder, notes)
    derived = facts.derive(results)
    summary = prose.summarise(results, derived)
    paired.check(results, derived, words.FACTS, notes)
    if not pages.drawn_as_now(folder, notes):
        return notes.done()
    try:
        shown = render.read_presentation(folder)
        drawn = render.rerender(results, derived, summary, shown)
    except (BadInput, BuildError) as error:
        notes.wrong("documents", f"cannot be drawn anew: {error}")
        shown, drawn = render.Presentation(), None
    notes.counts[OWN] = len(shown.templates)
    _check_words(folder, derived, summary, shown.length, notes)
    if drawn is not None:
        pages.check_documents(folder, drawn, notes)
    pages.check_digests(folder, notes)
    return notes.done()


def _check_words(folder: Path, derived: Sequence[Fact], summary: Summary, length: str, notes: Notes) -> None:
    """The sentences of every length in facts.json, those of the documents' own length in the documents."""
    by_id = {fact.id: fact for fact in derived}
    words.check_summary(summary, by_id, notes)
    try:
        words.check_facts((folder / words.FACTS).read_text(encoding="utf-8"), derived, summary, notes)
    except (OSError, UnicodeDecodeError, BadInput) as error:
        notes.wrong(words.FACTS, str(error))
    for name, check in ((words.PAGE, words.check_html), (words.PLAIN, words.check_markdown)):
        if (folder / name).is_file():
            try:
                check((folder / name).read_text(encoding="utf-8"), summary, by_id, notes, length)
            except UnicodeDecodeError as error:
                notes.wrong(name, str(error))


__all__ = ["Problem", "Verified", "verify"]
