"""Transfers in a report: kept without loss, told by facts, drawn, checked from the scores of their rows."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from carried import among_positions, asked, matrix, named, read, two
from layergrid import archive, facts, prose, render
from layergrid.artifacts import DataCard, Matrix, ModelCard, Results
from layergrid.charts.matrix import MatrixMap
from layergrid.facts.matrices import derive
from layergrid.kinds import BadInput
from layergrid.render.content import lit
from layergrid.render.drawing import check as drawable
from layergrid.theme import load
from layergrid.verify import matrices, words
from layergrid.verify.problems import Notes
from pages import SAID, saved
from probe_inputs import make, with_wrong


def results(*found: Matrix) -> Results:
    """Results of transfers alone."""
    names = dict.fromkeys((one.model, one.dataset) for m in found for one in m.domains)
    cards = tuple(
        DataCard(dataset, "x.csv", "sha256:0", model, 120, 70, 120, "", "the last number", 0, 0, 0, 0, "", 32)
        for model, dataset in names
    )
    return Results("Carried over", 0, (ModelCard("tiny", "builtin:arithmetic", "Llama", 3, 6, 100, "float32", "r"),),
                   cards, (), (), (), matrices=found)  # fmt: skip


@pytest.fixture(scope="module")
def kept() -> Results:
    """Over data sets, and over positions of one of them."""
    first, other = two(120, strength=2.5)
    return results(matrix(asked(layers=(1, 2)), first, other),
                   replace(matrix(among_positions(), first), name="places"))  # fmt: skip


def same(a: Matrix, b: Matrix) -> bool:
    """Whether two matrices are equal, arrays and all."""

    def flat(one: Matrix) -> list[np.ndarray]:
        maps = [getattr(m, part) for m in (one.raw, one.over_baseline, one.lost) for part in ("value", "low", "high")]
        rows = [x for d in one.domains for x in (d.labels, d.folds, d.scores, *d.baselines.values())]
        return [*maps, one.n_positive, one.status, one.reason, *rows]

    plain = ("name", "over", "site", "quantity", "level", "best", "baselines", "chosen", "settings", "names", "n")
    return all(getattr(a, key) == getattr(b, key) for key in plain) and all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(flat(a), flat(b), strict=True)
    )


def test_what_is_read_is_what_was_written(kept, tmp_path):
    archive.write(kept, tmp_path)
    again = archive.read(tmp_path)
    assert all(same(a, b) for a, b in zip(kept.matrices, again.matrices, strict=True))
    archive.write_transfer(kept.matrices[0], tmp_path / "alone")
    assert same(archive.read_transfer(tmp_path / "alone", "carried"), kept.matrices[0])
    rows = list(csv.DictReader((tmp_path / "matrices" / "carried.csv").read_text(encoding="utf-8").splitlines()))
    assert [(r["source"], r["target"]) for r in rows][:2] == [("sums", "sums"), ("sums", "products")]
    assert float(rows[1]["value"]) == kept.matrices[0].raw.value[0, 1]


def test_a_report_of_another_time_without_transfers_is_read(tmp_path):
    archive.write(replace(results(), matrices=()), tmp_path)
    assert "matrices" not in json.loads((tmp_path / "results" / "results.json").read_text())
    assert archive.read(tmp_path).matrices == ()


def wrong(found: Matrix, folder) -> list[str]:
    notes = Notes()
    matrices.check(found, folder, notes)
    return [one.message for one in notes.done().problems]


def test_every_number_of_a_matrix_follows_from_the_scores_of_its_rows(kept, tmp_path):
    archive.write(kept, tmp_path)
    for found in archive.read(tmp_path).matrices:
        assert wrong(found, tmp_path) == []
        for field in ("raw", "over_baseline", "lost"):
            for part in ("value", "low", "high"):
                values = getattr(getattr(found, field), part)
                before = values[0, 1]
                values[0, 1] += 1e-4
                assert any(part in message for message in wrong(found, tmp_path)), (field, part)
                values[0, 1] = before
        split = found.domains[0].folds
        assert wrong(replace(found, best=("answer_length",) * len(found.names)), tmp_path)
        parted = replace(found.domains[-1], folds=(found.domains[-1].folds + 1) % 3, groups=found.domains[0].groups)
        torn = replace(found, domains=(*found.domains[:-1], parted))
        assert any("stand in two folds" in message for message in wrong(torn, tmp_path)), split


def test_all_words_on_transfers_stand_on_their_facts(kept):
    spoiled = read(with_wrong(named(make(60), "none"), np.zeros(60, dtype=bool)))
    bare = replace(matrix(asked(), read(named(make(60), "sums")), spoiled), name="bare")
    empty = replace(matrix(among_positions(datasets=("none",)), spoiled), name="nothing")
    for found in (kept, results(bare), results(empty), results(kept.matrices[0])):
        derived = facts.derive(found)
        summary = prose.summarise(found, derived)
        notes = Notes()
        words.check_summary(summary, {one.id: one for one in derived}, notes)
        assert notes.done().problems == ()
    said = " ".join(s.text for p in prose.summarise(kept, facts.derive(kept)).sections[2].paragraphs for s in p)
    assert "Of probes trained and scored on the same data set the AUROC is between" in said
    assert "does not transfer" not in said


def test_what_is_lost_is_told_with_the_intervals_that_permit_it(kept):
    found, m = derive(kept), kept.matrices[1]
    off = ~np.eye(3, dtype=bool)
    below = int((m.lost.low[off] > 0).sum())
    tied = int(((m.lost.low[off] <= 0) & (m.lost.high[off] >= 0)).sum())
    clause = found["transfer.places.lost"].forms["clause"]
    assert below + tied == 6
    assert f"below the target's own probe in {['no', 'one', 'two', 'three', 'four', 'five', 'six'][below]}" in clause
    best = found["transfer.places.best"]
    ((s, t),) = best.cells
    assert m.raw.value[s, m.names.index(t)] == m.raw.value[off].max() == best.value


def test_a_matrix_is_drawn_with_its_values_and_a_large_one_with_bars_of_colour(kept):
    look = load("paper")
    figure = MatrixMap(transfer="places").draw(kept, look)
    drawable((figure,))
    where = figure.spec["usermeta"]["layergrid"]
    rows = figure.spec["layer"][0]["data"]["values"]
    assert where["positions"] == ["last_q", "exact_answer_last", "-1"]
    assert len(where["maps"]) == 2
    assert figure.width <= 634
    assert rows[1]["value"][1] == pytest.approx(kept.matrices[1].raw.value[1, 1], abs=1e-3)
    assert "Bold: the interval leaves out chance, or zero." in where["note"]
    many = 30
    one = kept.matrices[0].domains[0]
    domains = tuple(replace(one, name=f"a set of questions {i}") for i in range(many))
    square = np.tile(kept.matrices[0].raw.value[:1, :1], (many, many))
    bounded = replace(kept.matrices[0].raw, value=square, low=square - 0.1, high=square + 0.1)
    large = replace(
        kept.matrices[0], domains=domains, raw=bounded, over_baseline=bounded, lost=bounded,
        n_positive=np.ones(many, dtype=int), status=np.full((many, many), "ok"), reason=np.full((many, many), ""),
        best=(kept.matrices[0].best[0],) * many, baselines=(kept.matrices[0].baselines[0],) * many,
    )  # fmt: skip
    figure = MatrixMap().draw(results(large), look)
    drawable((figure,))
    assert figure.width <= 640
    assert "Bold" not in figure.spec["usermeta"]["layergrid"]["note"]
    with pytest.raises(BadInput, match="did you mean 'places'"):
        MatrixMap(transfer="plaecs").draw(kept, look)


def test_a_report_of_transfers_alone_has_a_page_and_its_tables(kept):
    derived = facts.derive(kept)
    summary = prose.summarise(kept, derived)
    made = render.render(kept, derived, summary, render.Presentation(outputs=("html", "md")))
    assert "Less own probe" in made.md
    assert re.search(r"sums \| products \| 0\.\d\d \[0\.\d\d, 0\.\d\d\]", made.md)
    assert lit(derived, kept)["transfer.places.own"] == {"grid": "places", "cells": [0, 1, 4, 1, 8, 1]}


def test_a_sentence_on_a_pair_lights_its_cell_in_both_maps(kept, browser, tmp_path):
    alone = results(kept.matrices[1])
    browser.open(saved(tmp_path / "report.html", alone), height=1400)
    browser.value(
        "[...document.querySelectorAll('.sentence[tabindex]')]"
        ".find(s => s.dataset.facts.includes('transfer.places.best')).focus()"
    )
    browser.until("document.querySelectorAll('svg.lit').length === 1")
    drawn = browser.value("document.querySelector('svg.lit .rim').getAttribute('d')")
    best = derive(alone)["transfer.places.best"].cells
    assert len(re.findall("M", drawn)) % (2 * 4) == 0  # whole cells, once in each map
    assert len(best) == 1
    assert "marked" in browser.value(SAID)
