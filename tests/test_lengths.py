from __future__ import annotations

import re
from dataclasses import replace

import pytest

import edges
import edges_described
import seeds_typed
import synthetic
from layergrid import archive, facts, prose, publish, render
from layergrid.artifacts import Cite, ExpectationResult, Lead, Paragraph, Results, Summary
from layergrid.facts.lengths import sections, sentences
from layergrid.verify import verify, words
from layergrid.verify.problems import Notes
from test_prose import summarised

EVERY = {**edges.EDGES, **edges.SETTLED, **edges_described.EDGES, **seeds_typed.TYPED}
LENGTHS = ("abstract", "summary", "full")
BARE = {"all_missing", "constant", "no_positions", "all_missing_measured", "nothing_given", "one_cell_given",
        "all_given_alike", "null", "two_sites"}  # fmt: skip


def prepared(results: Results, length: str) -> tuple[render.Documents, Summary, dict[str, object]]:
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    shown = render.Presentation(outputs=("html", "md"), length=length)
    return render.render(results, found, summary, shown), summary, {f.id: f for f in found}


@pytest.mark.parametrize("name", list(EVERY))
def test_the_words_of_every_length_hold_in_page_and_markdown(name):
    for length in LENGTHS:
        made, summary, by_id = prepared(EVERY[name](), length)
        notes = Notes()
        words.check_summary(summary, by_id, notes)
        words.check_html(made.html, summary, by_id, notes, length)
        words.check_markdown(made.md, summary, by_id, notes, length)
        assert notes.done().problems == (), (length, notes.done().problems[:3])


def test_an_abstract_has_no_sections_and_keeps_methods_and_tables():
    made, summary, _ = prepared(edges.base(), "abstract")
    assert [s.key for s in sections(summary, "abstract")] == ["methods"]
    assert '<section id="methods">' in made.html
    assert '<section id="overview">' not in made.html
    assert '<section id="summary">' not in made.html
    assert "## Methods" in made.md
    assert "## Tables" in made.md
    assert "## Overview" not in made.md


def test_a_summary_is_one_section_with_the_authors_own_text_and_the_verdicts():
    verdict = ExpectationResult("errors: nested best, lower bound at least 0.70", False, 0.6, 0.7)
    results = replace(edges.base(), interpretation="Plainly a better probe.", expectations=(verdict,))
    made, summary, _ = prepared(results, "summary")
    assert [s.key for s in sections(summary, "summary")] == ["summary", "methods"]
    assert "Plainly a better probe." in made.html
    assert "The author writes:" in made.md
    assert any("not met" in s.text for p in summary.brief for s in p)
    assert "## Interpretation" not in made.md


def test_the_full_length_is_the_sections_alone():
    made, summary, _ = prepared(edges.base(), "full")
    assert sections(summary, "full") == summary.sections
    assert "## Summary" not in made.md


@pytest.mark.parametrize("name", [n for n in EVERY if n not in BARE])
def test_a_summary_is_longer_than_the_abstract_and_shorter_than_the_sections(name):
    summary = summarised(EVERY[name]())
    whole = [p for s in sections(summary) if s.key != "methods" for p in s.paragraphs]
    parts = ([summary.abstract], summary.brief, whole)
    counts = [sum(len(s.text.split()) for p in part for s in p) for part in parts]
    assert counts[0] < counts[1] < counts[2], counts
    grids = len(EVERY[name]().grids)
    assert 40 * grids <= counts[1] <= 260 * grids, counts


def test_facts_json_holds_the_sentences_of_every_length():
    results = edges.base()
    summary = summarised(results)
    _, said = facts.from_json(facts.to_json(facts.derive(results), summary))
    every = [record["text"] for record in said]
    for length in LENGTHS:
        assert all(s.text in every for _, s in sentences(summary, length))
    assert {"abstract", "summary", "overview", "conclusion"} <= {record["where"] for record in said}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_report_of_every_length_is_verified_and_one_of_another_length_is_not(length, tmp_path):
    results = edges.of(synthetic.grid_result(layers=5, n=300, strength=1.3))
    archive.write(results, tmp_path)
    shown = render.Presentation(outputs=("html", "md"), length=length)
    render.write_presentation(shown, tmp_path)
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    (tmp_path / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
    render.render(results, found, summary, shown).write(tmp_path)
    publish.write_manifest(tmp_path, {}, {})
    assert verify(tmp_path).problems == ()
    assert render.read_presentation(tmp_path).length == length
    other = "summary" if length != "summary" else "full"
    render.render(results, found, summary, replace(shown, length=other)).write(tmp_path)
    assert any("sentence" in p.message for p in verify(tmp_path).problems)


# ---------------------------------------------------------------- intervals

SPANS = {"range", "setting", "size", "anomaly rule", "low layers", "by label", "half of the sum", "recurrence",
         "sides of zero", "expectation", "expected", "constant", "count", "cells tested"}  # fmt: skip


def paragraphs(summary: Summary) -> list[tuple[str, Paragraph]]:
    """Every paragraph with where it stands; a key figure is one with its meaning."""
    found = [("abstract", summary.abstract), *(("key figure", (k.figure, k.meaning)) for k in summary.key_figures)]
    found += [("summary", p) for p in summary.brief]
    found += [(s.key, p) for s in summary.sections for p in s.paragraphs]
    return found + [(f"caption {name}", p) for name, p in summary.captions.items()]


@pytest.mark.parametrize("name", list(EVERY))
def test_an_estimate_with_a_known_interval_is_printed_with_it_in_every_paragraph(name):
    """A number that is the value of a fact with bounds stands beside them at least once where it is printed."""
    results = EVERY[name]()
    by_id = {f.id: f for f in facts.derive(results)}
    for where, paragraph in paragraphs(prose.summarise(results, list(by_id.values()))):
        cites = [part for s in paragraph if not isinstance(s, Lead) for part in s.parts if isinstance(part, Cite)]
        for cite in cites:
            fact = by_id[cite.fact]
            if fact.rule in SPANS or None in (fact.low, fact.high) or isinstance(fact.value, str | None):
                continue
            shown = {fact.forms.get("value"), fact.forms.get("size"), fact.forms.get("signed")} - {None}
            if not any(re.search(rf"(?<![\d.]){re.escape(one)}(?![\d])", cite.text) for one in shown):
                continue
            beside = [c.text for c in cites if c.fact == cite.fact]
            assert any("[" in one or "interval" in one for one in beside), (where, cite)
