from __future__ import annotations

import re
from collections import Counter

import pytest

import tables_of_noise
from layergrid import facts, prose, render
from layergrid.artifacts import Lead, Results
from layergrid.facts.lengths import sentences
from layergrid.verify import words
from layergrid.verify.problems import Notes
from test_prose import well_formed

TURNS = {"rises", "falls", "rises and then falls", "falls and then rises"}
TABLES, ALARMS = 200, 0.06  # of tables of pure noise, and the share in which something may be claimed
MARKS = {"(": ")", "[": "]"}


def claimed(results: Results) -> set[str]:
    """What is claimed to be found: trends, shapes, bands, low layers, groups apart, departures, lone steps."""
    found = set()
    for fact in facts.derive(results):
        turned = fact.rule in {"trend", "shape"} and fact.relation in TURNS
        near = fact.rule == "band" and fact.relation == "within" and bool(fact.value)
        if turned or near or fact.rule in {"low layers", "values apart"}:
            found.add(fact.rule)
        elif fact.rule in {"anomaly", "lone step"} and fact.value and fact.cells:
            found.add("anomaly")
    return found


def test_in_tables_of_pure_noise_hardly_anything_is_claimed():
    counts = Counter(kind for seed in range(TABLES) for kind in (claimed(tables_of_noise.noise(seed)) or {"nothing"}))
    assert counts["nothing"] >= (1 - ALARMS) * TABLES, counts


@pytest.mark.parametrize("seed", range(6))
def test_of_probes_without_a_signal_no_trend_and_no_departure_is_claimed(seed):
    assert claimed(tables_of_noise.null(seed)) == set()


@pytest.mark.parametrize("name", list(tables_of_noise.FIFTY))
def test_the_words_on_fifty_tables_hold_at_every_length(name):
    results = tables_of_noise.FIFTY[name]()
    found = facts.derive(results)
    summary, by_id = well_formed(results), {f.id: f for f in found}
    for length in ("abstract", "summary", "full"):
        made = render.render(results, found, summary, render.Presentation(outputs=("md",), length=length))
        notes = Notes()
        words.check_summary(summary, by_id, notes)
        words.check_markdown(made.md, summary, by_id, notes, length)
        assert notes.done().problems == (), (length, notes.done().problems[:3])
        for where, sentence in sentences(summary, length):
            _sound(where, sentence.text, isinstance(sentence, Lead))


def _sound(where: str, text: str, lead: bool) -> None:
    """What holds of any sentence, whatever the numbers."""
    assert not re.search(r"\bnan\b|\binf\b|n/a|\bNone\b(?! of)|  |, ,|,,|\band and\b|\bof of\b|\bat at\b", text), text
    assert not re.search(r"\b1 (layers|positions|cells|rows|tokens)\b|\bone (layers|positions|cells|steps)\b", text), (
        text
    )
    assert not re.search(r"\b(at|in|of|and|over|across|between) ?[.,;:]", text), text
    for mark, closing in MARKS.items():
        bare = re.sub(r"\N{LEFT DOUBLE QUOTATION MARK}[^\N{RIGHT DOUBLE QUOTATION MARK}]*", "", text)
        assert bare.count(mark) == bare.count(closing), text
    if not where.startswith(("finding", "key figure")):
        assert text.endswith(".") or lead, text


@pytest.mark.parametrize("name", list(tables_of_noise.FIFTY))
def test_no_single_cell_is_called_highest_where_others_hold_the_same_value(name):
    results = tables_of_noise.FIFTY[name]()
    grid = results.grids[0].grid
    for fact in facts.derive(results):
        if fact.rule != "highest" or not fact.cells:
            continue
        same = int((grid.value == fact.value).sum())
        assert len(fact.cells) == same
        if same > 1:
            said = " ".join(s.text for _, s in prose.sentences(prose.summarise(results, facts.derive(results))))
            assert not re.search(r"[Tt]he highest cell,", said)
