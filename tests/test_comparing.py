from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import described
import synthetic
from building import run
from layergrid import archive, comparing, facts, pipeline, prose, publish, render, stats
from layergrid.artifacts import GridResult, HeldOut, Results, Table
from layergrid.comparing import grids, rows, sources
from layergrid.console import Silent
from layergrid.kinds import BadInput
from layergrid.pipeline.comparing import _sentence, default_name, diff
from layergrid.prose.lexicon import claims
from layergrid.verify import compared, verify
from layergrid.verify.problems import Notes
from test_verify import built

HOSTILE = '</script><img src=x onerror=alert(1)> {{ 7 * 7 }} - ‮"'
TWO = ("main", "branch")


def whole(one: GridResult, **changes: object) -> Results:
    """A report around one grid."""
    return replace(synthetic.results(layers=2, positions=("last_q", "-1"), n=60, folds=3), grids=(one,), **changes)


@pytest.fixture(scope="module")
def main() -> GridResult:
    return synthetic.grid_result(layers=4, n=240, positions=synthetic.FIFTEEN[:7])


@pytest.fixture(scope="module")
def branch() -> GridResult:
    """The same rows, labels and folds; the signal is stronger."""
    return synthetic.grid_result(layers=4, n=240, positions=synthetic.FIFTEEN[:7], strength=1.5)


def refolded(one: GridResult, seed: int = 5) -> GridResult:
    """The same scores of the same rows, held out in other folds."""
    held = one.held_out
    assert held is not None
    folds = np.random.default_rng(seed).permutation(held.folds)
    return synthetic.from_scores(replace(held, folds=folds), one.grid.name, one.grid.layers, one.grid.positions)


def some_rows(one: GridResult, kept: np.ndarray) -> GridResult:
    """The grid of some of the rows."""
    held = one.held_out
    assert held is not None
    fewer = HeldOut(
        tuple(np.array(held.example_ids)[kept]), tuple(np.array(held.groups)[kept]), held.labels[kept],
        held.folds[kept], held.cells[..., kept], held.nested[kept],
        {key: values[kept] for key, values in held.baselines.items()},
    )  # fmt: skip
    return synthetic.from_scores(fewer, one.grid.name, one.grid.layers, one.grid.positions)


def differences(a: GridResult, b: GridResult) -> GridResult:
    return comparing.compare(whole(a), whole(b), TWO, "both").grids[0]


def table(results: Results, name: str) -> list[dict[str, object]]:
    found = next(one for one in results.tables if one.name == name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def told(results: Results) -> str:
    return " ".join(s.text for _, s in facts.sentences(prose.summarise(results, facts.derive(results))))


# ---------------------------------------------------------------- intervals


def two_scorers(seed: int = 0, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    one = rng.normal(size=n) + labels
    return labels, one, one + 0.5 * rng.normal(size=n) + 0.4 * labels


@pytest.mark.parametrize("metric", ["auroc", "macro_auroc", "accuracy", "r2", "rank_correlation"])
def test_on_the_same_rows_and_folds_the_interval_across_folds_is_the_paired_one(metric):
    rng = np.random.default_rng(3)
    n = 210
    judged = stats.METRICS[metric]
    target = rng.integers(0, 3, n) if metric in ("macro_auroc", "accuracy") else rng.normal(size=n)
    target = target > 0 if metric == "auroc" else target
    wide = metric in ("macro_auroc", "accuracy")
    one = rng.normal(size=(3, n)) + (target == np.arange(3)[:, None]) if wide else rng.normal(size=n) + target
    other = one + 0.4 * rng.normal(size=one.shape)
    split = stats.Split(target, np.arange(n), np.arange(n) % 5, judged)
    a, b = stats.evaluate(split, one), stats.evaluate(split, other)
    paired, across = stats.difference_interval(split, b, a, 0.95), stats.across_interval(split, b, split, a, 0.95)
    assert (across.value, across.low, across.high) == pytest.approx((paired.value, paired.low, paired.high), rel=1e-9)


def test_rows_of_one_group_are_summed_before_they_are_squared():
    labels, one, other = (np.repeat(x, 2) for x in two_scorers())
    folds = np.repeat(np.arange(200) % 5, 2)
    alone = stats.Split(labels, np.arange(400), folds)
    pairs = stats.Split(labels, np.repeat(np.arange(200), 2), folds)
    widths = []
    for split in (alone, pairs):
        found = stats.across_interval(split, stats.evaluate(split, other), split, stats.evaluate(split, one), 0.95)
        widths.append(found.high - found.low)
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(2), rel=0.02)


def test_a_fold_at_the_end_of_the_range_leaves_no_interval():
    labels, one, _ = two_scorers()
    split = stats.Split(labels, np.arange(200), np.arange(200) % 5)
    perfect = stats.evaluate(split, labels.astype(float))
    found = stats.across_interval(split, perfect, split, stats.evaluate(split, one), 0.95)
    assert math.isnan(found.low)
    assert found.value > 0


@pytest.mark.slow
@pytest.mark.parametrize(("folds", "gain"), [((5, 5), 0.0), ((5, 4), 0.0), ((5, 10), 0.5)])
def test_intervals_across_folds_cover_the_difference_of_two_fitted_probes(folds, gain):
    """Two ridge probes, one of which sees a further feature, each in random folds of its own; the truth is the mean."""
    rng = np.random.default_rng(11)
    n, width, draws = 240, 20, 240
    weights = rng.normal(size=width) / math.sqrt(width)
    values, bounds = [], []
    for _ in range(draws):
        labels = rng.random(n) < 0.5
        x = rng.normal(size=(n, width)) + 0.9 * np.outer(labels, weights)
        sides = []
        for k, features in zip(folds, (x, np.column_stack([x, rng.normal(size=n) + gain * labels])), strict=True):
            fold = rng.permutation(np.arange(n) % k)
            scores = np.empty(n)
            for f in range(k):
                train = fold != f
                own = features[train] - features[train].mean(axis=0)
                fitted = np.linalg.solve(own.T @ own + 5 * np.eye(own.shape[1]), own.T @ (labels[train] - 0.5))
                scores[~train] = features[~train] @ fitted
            split = stats.Split(labels, np.arange(n), fold)
            sides.append((split, stats.evaluate(split, scores)))
        found = stats.across_interval(*sides[1], *sides[0], 0.95)
        values.append(found.value)
        bounds.append((found.low, found.high))
    truth = float(np.mean(values))
    covered = np.mean([low <= truth <= high for low, high in bounds])
    assert 0.93 <= covered <= 1.0


# ---------------------------------------------------------------- rows in common


def test_the_same_rows_and_folds_take_the_estimator_of_paired_differences(main, branch):
    found = differences(main, branch)
    one, other = main.held_out, branch.held_out
    split = stats.Split(one.labels, np.arange(240), one.folds)
    gap = stats.difference_interval(
        split, stats.evaluate(split, other.cells[2, 3]), stats.evaluate(split, one.cells[2, 3]), 0.95
    )
    assert found.grid.settings["paired"] == "folds"
    assert found.grid.value[2, 3] == branch.grid.value[2, 3] - main.grid.value[2, 3]
    assert (found.grid.low[2, 3], found.grid.high[2, 3]) == pytest.approx((gap.low, gap.high))


def test_other_folds_are_paired_across_and_said_so(main):
    results = comparing.compare(whole(main), whole(refolded(main)), TWO, "both")
    assert results.grids[0].grid.settings["paired"] == "across"
    assert np.isfinite(results.grids[0].grid.low).all()
    assert "each in the folds of its own report" in told(results)


def test_rows_that_only_one_report_has_are_left_out_of_both_sides(main, branch):
    fewer = some_rows(branch, np.arange(240) < 200)
    found = differences(main, fewer)
    on_common = some_rows(main, np.arange(240) < 200)
    assert found.grid.n.max() == 200
    a, b = (facet.value for facet in found.grid.facets)
    assert a == pytest.approx(on_common.grid.value)
    assert b == pytest.approx(fewer.grid.value)
    assert found.grid.value == pytest.approx(b - a)


def test_reports_without_rows_in_common_have_differences_without_intervals(main, branch):
    held = replace(branch.held_out, example_ids=tuple(f"other {i}" for i in range(240)))
    results = comparing.compare(whole(main), whole(replace(branch, held_out=held)), TWO, "both")
    grid = results.grids[0].grid
    assert np.isnan(grid.low).all()
    assert grid.value == pytest.approx(branch.grid.value - main.grid.value)
    assert "have no interval: no example is in both" in told(results)


def test_equal_ids_of_other_sources_are_not_the_same_examples(main, branch):
    other = dated(branch, "sha256:other")
    other = replace(other, data=tuple(replace(card, source="elsewhere.csv") for card in other.data))
    found = comparing.compare(whole(main), other, TWO, "both")
    assert np.isnan(found.grids[0].grid.low).all()
    assert table(found, "pairs")[0]["why"] == "the examples come from different sources"


def test_groups_of_either_report_are_kept_together(main):
    held = main.held_out
    a = replace(held, groups=tuple(f"a{i // 2}" for i in range(240)))
    b = replace(held, groups=tuple(f"b{(i + 1) // 2}" for i in range(240)))
    assert len(set(rows.joined(a, b, set(held.example_ids)).values())) == 1
    assert len(set(rows.joined(a, held, set(held.example_ids)).values())) == 120


def test_labels_of_either_report_judge_its_own_scores(main):
    """Two models answer the same questions, and not always alike."""
    held = main.held_out
    labels = held.labels.copy()
    labels[:30] = ~labels[:30]
    other = synthetic.from_scores(replace(held, labels=labels), "errors", main.grid.layers, main.grid.positions)
    found = differences(main, other)
    assert found.grid.settings["paired"] == "across"
    assert found.grid.value == pytest.approx(other.grid.value - main.grid.value)


def test_means_are_compared_by_their_row_differences():
    a = described.activation(layers=3, n=80)
    shifted = replace(a.measured, cells=a.measured.cells + np.float32(0.25))
    b = described.from_rows(shifted.cells, positions=a.grid.positions)
    found = differences(a, b)
    assert found.grid.value == pytest.approx(np.full((3, 7), 0.25), abs=1e-5)
    assert (found.grid.high - found.grid.low)[1, 1] < 0.001
    assert found.grid.settings["paired"] == "rows"


# ---------------------------------------------------------------- what a comparison says


def test_identical_reports_agree_in_every_cell(main):
    results = comparing.compare(whole(main), whole(main), TWO, "both")
    assert (results.grids[0].grid.value == 0).all()
    assert table(results, "pairs")[0]["unchanged"] == 28
    assert "The reports agree in every cell." in told(results)
    assert not table(results, "changed_facts")
    assert not table(results, "changed_settings")


def test_the_nested_bests_are_compared_with_a_paired_interval(main, branch):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    (row,) = table(results, "nested")
    assert row["difference"] == pytest.approx(branch.selection.estimate.value - main.selection.estimate.value)
    assert row["low"] < row["difference"] < row["high"]
    assert "The nested best is" in told(results)


def test_the_first_grid_is_what_is_taken_away(main, branch):
    forth, back = differences(main, branch).grid, differences(branch, main).grid
    assert forth.value == pytest.approx(-back.value)
    assert (forth.contrast, back.contrast) == ("branch - main", "branch - main")


def test_what_only_one_report_has_is_listed(main, branch):
    one = synthetic.from_scores(
        replace(branch.held_out, cells=branch.held_out.cells[:3, :6]), "errors", (0, 1, 2), branch.grid.positions[:6]
    )
    lone = replace(main, grid=replace(main.grid, name="lone"))
    results = comparing.compare(replace(whole(main), grids=(main, lone)), whole(one), TWO, "both")
    assert results.grids[0].grid.value.shape == (3, 6)
    listed = {(row["what"], row["name"], row["side"]) for row in table(results, "unmatched")}
    assert listed == {
        ("grid", "lone", "a"), ("layer", "errors: 3", "a"), ("position", "errors: exact_answer_after_last", "a"),
    }  # fmt: skip
    assert "Only main has" in told(results)


def test_grids_of_other_quantities_are_not_subtracted(main):
    other = described.activation(layers=4)
    other = replace(other, grid=replace(other.grid, name="errors"))
    results = comparing.compare(whole(main), whole(other), TWO, "both")
    assert results.grids == ()
    assert "not of one quantity" in told(results)


def test_a_cell_that_lacks_a_value_on_one_side_says_on_which(main, branch):
    cells = branch.held_out.cells.copy()
    cells[1, 2] = np.nan
    lacking = synthetic.from_scores(
        replace(branch.held_out, cells=cells), "errors", branch.grid.layers, branch.grid.positions
    )
    grid = differences(main, lacking).grid
    assert (grid.status[1, 2], grid.reason[1, 2]) == ("missing", "in branch: no example has this position")
    assert np.isnan(grid.value[1, 2])
    assert np.isfinite(np.delete(grid.value.ravel(), 9)).all()


def test_settings_that_differ_are_listed_flat_and_others_are_counted(main):
    other = replace(main, grid=replace(main.grid, settings={**main.grid.settings, "folds": 10, "deep": {"a": [1, 2]}}))
    results = comparing.compare(whole(main), whole(other, seed=4), TWO, "both")
    listed = {row["setting"]: (row["a"], row["b"]) for row in table(results, "changed_settings")}
    assert listed == {"seed": ("0", "4"), "errors: folds": ("5", "10"), "errors: deep.a": ("", "1, 2")}
    count = next(row for row in table(results, "counts") if row["what"] == "settings")
    assert count["changed"] == 3
    assert count["all"] > 30


def test_facts_that_changed_are_listed_by_their_ids(main, branch):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    listed = [row["fact"] for row in table(results, "changed_facts")]
    assert "errors.nested" in listed
    assert set(listed) <= {f"errors.{key}" for key in comparing.changes.HEADLINES}


EDGES = {
    "alike": lambda a, b: (a, a),
    "stronger": lambda a, b: (a, b),
    "other folds": lambda a, b: (a, refolded(a)),
    "fewer rows": lambda a, b: (a, some_rows(b, np.arange(240) % 7 > 0)),
    "few rows": lambda a, b: (some_rows(a, np.arange(240) < 130), some_rows(b, np.arange(240) > 110)),
    "measured": lambda a, b: (described.activation(layers=3), described.activation(layers=3, seed=9)),
    "contrasts": lambda a, b: (described.contrast(layers=3), described.contrast(layers=3, n=200)),
    "one text": lambda a, b: (described.one_text(), described.one_text(seed=8)),
    "given": lambda a, b: (described.table(), described.table(seed=8)),
    "heads": lambda a, b: (described.heads(), described.heads()),
    "nothing in common": lambda a, b: (a, described.table()),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_every_number_and_comparison_of_a_comparison_is_cited(name, main, branch):
    a, b = EDGES[name](main, branch)
    results = comparing.compare(whole(a), whole(b), ("main/x", "branch 2/x"), "both")
    found = facts.derive(results)
    known = {fact.id: fact for fact in found}
    summary = prose.summarise(results, found)
    for _, sentence in facts.sentences(summary):
        assert not [part for part in sentence.parts if isinstance(part, str) and claims(part)], sentence.text
        for part in sentence.parts:
            assert isinstance(part, str) or part.text in known[part.fact].forms.values()
    assert summary.abstract
    assert all((s.text[0].isupper() or s.text[0].isdigit()) and s.text.endswith(".") for s in summary.abstract)


@pytest.mark.parametrize("name", EDGES)
def test_verify_recomputes_a_comparison_from_the_rows_of_both_reports(name, main, branch, tmp_path):
    a, b = EDGES[name](main, branch)
    folder = built(comparing.compare(whole(a), whole(b), TWO, "both"), tmp_path / "both")
    assert verify(folder).problems == ()


def test_verify_finds_a_difference_that_the_rows_do_not_give(main, branch, tmp_path):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    one = results.grids[0]
    low = one.grid.low.copy()
    low[1, 1] += 0.01
    forged = replace(results, grids=(replace(one, grid=replace(one.grid, low=low)),))
    problems = verify(built(forged, tmp_path / "both")).problems
    assert any("low is" in p.message and "rows of both reports" in p.message for p in problems)


def test_verify_finds_a_changed_score_of_one_side(main, branch, tmp_path):
    folder = built(comparing.compare(whole(main), whole(branch), TWO, "both"), tmp_path / "both")
    path = folder / archive.side_folder("errors", 1) / "results" / "errors.held_out.parquet"
    frame = pq.read_table(path)
    column = frame.column_names.index(
        next(c for c in frame.column_names if c.startswith("cell") or "layer" in c or "0" in c)
    )
    values = frame.column(column).to_numpy().copy()
    values[:40] += 5
    pq.write_table(frame.set_column(column, frame.schema.field(column), [values]), path)
    assert verify(folder).problems


def test_verify_finds_a_changed_nested_difference(main, branch, tmp_path):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    tables = tuple(
        replace(t, rows=tuple((r[0], r[1], r[2], r[3] + 0.01, *r[4:]) for r in t.rows)) if t.name == "nested" else t
        for t in results.tables
    )
    problems = verify(built(replace(results, tables=tables), tmp_path / "both")).problems
    assert any(p.message.startswith("nested best of errors: difference") for p in problems)


def test_a_comparison_comes_back_from_its_files_as_it_was(main, branch, tmp_path):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    archive.write(results, tmp_path)
    again = archive.read(tmp_path)
    assert [one.grid.name for one in again.grids[0].sides] == ["errors", "errors"]
    assert np.array_equal(again.grids[0].sides[1].held_out.cells, branch.held_out.cells)
    assert facts.to_json(facts.derive(again)) == facts.to_json(facts.derive(results))


def dated(one: GridResult, fingerprint: str, **changes: object) -> Results:
    """A report on data of another fingerprint at the same address."""
    found = whole(one, **changes)
    return replace(found, data=tuple(replace(card, fingerprint=fingerprint) for card in found.data))


def named_rows(one: GridResult, ids: tuple[str, ...]) -> GridResult:
    assert one.held_out is not None
    return replace(one, held_out=replace(one.held_out, example_ids=ids))


@pytest.mark.parametrize("first", [0, 1])
def test_rows_that_are_only_numbered_are_not_paired_once_the_data_have_changed(main, branch, first):
    ids = tuple(str(i + first) for i in range(240))
    a, b = named_rows(main, ids), named_rows(branch, ids)
    changed = comparing.compare(whole(a), dated(b, "sha256:other"), TWO, "both")
    (row,) = table(changed, "pairs")
    assert (row["examples"], row["paired"], row["why"]) == (0, "", sources.NUMBERED)
    assert np.isnan(changed.grids[0].grid.low).all()
    kept = comparing.compare(whole(a), whole(b), TWO, "both")
    assert table(kept, "pairs")[0]["examples"] == 240
    assert np.isfinite(kept.grids[0].grid.low).any()


def test_rows_with_ids_of_their_own_are_paired_across_an_edit_that_leaves_most_of_them(main, branch):
    ids = tuple(f"sum-{i}" for i in range(240))
    a, b = named_rows(main, ids), named_rows(branch, ids)
    assert table(comparing.compare(whole(a), dated(b, "sha256:other"), TWO, "both"), "pairs")[0]["examples"] == 240
    moved = named_rows(branch, tuple(np.roll(ids, 7)))
    (row,) = table(comparing.compare(whole(a), dated(moved, "sha256:other"), TWO, "both"), "pairs")
    assert (row["examples"], row["why"]) == (0, sources.OTHERS)


def test_one_fingerprint_is_one_source_however_its_address_is_written(main, branch):
    other = whole(branch)
    other = replace(other, data=tuple(replace(card, source="/elsewhere/sums.jsonl") for card in other.data))
    assert table(comparing.compare(whole(main), other, TWO, "both"), "pairs")[0]["examples"] == 240


# ---------------------------------------------------------------- forged tables


def forged(results: Results, name: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Results:
    """A comparison one of whose tables has other rows; None leaves a row out."""

    def made(one: Table) -> Table:
        rows = [change(dict(zip(one.columns, row, strict=True))) for row in one.rows]
        return replace(one, rows=tuple(tuple(row.values()) for row in rows if row is not None))

    return replace(results, tables=tuple(made(one) if one.name == name else one for one in results.tables))


FORGERIES = {
    "pairs": [
        (lambda row: {**row, "unchanged": row["cells"]}),
        (lambda row: {**row, "examples": 9}),
        (lambda row: {**row, "rows_a": 999}),
        (lambda row: {**row, "rows_b": 999}),
        (lambda row: {**row, "cells": 3, "unchanged": 0}),
    ],
    "nested": [(lambda row: None), (lambda row: {**row, "n": 12})],
    "unmatched": [(lambda row: None)],
    "changed_facts": [(lambda row: None), (lambda row: {**row, "b": "1.00"})],
    "changed_settings": [(lambda row: None), (lambda row: {**row, "b": "none"})],
    "counts": [(lambda row: {**row, "changed": 0}), (lambda row: None)],
}


def of_tables(results: Results) -> list[str]:
    notes = Notes()
    compared.check(results, notes)
    return [problem.message for problem in notes.done().problems]


@pytest.mark.parametrize(("name", "change"), [(name, one) for name, found in FORGERIES.items() for one in found])
def test_every_forged_table_of_a_comparison_is_found(name, change, main, branch):
    fewer = some_rows(branch, np.arange(240) < 220)
    other = synthetic.from_scores(
        replace(fewer.held_out, cells=fewer.held_out.cells[:3]), "errors", (0, 1, 2), branch.grid.positions
    )
    other = replace(other, grid=replace(other.grid, settings={**other.grid.settings, "solver": "another"}))
    results = comparing.compare(whole(main), whole(other), TWO, "both")
    assert of_tables(results) == []
    found = of_tables(forged(results, name, change))
    assert any(f"the table {name}" in message for message in found), found


def test_verify_finds_a_comparison_forged_to_agree_in_every_cell(main, branch, tmp_path):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    results = forged(results, "pairs", lambda row: {**row, "unchanged": row["cells"]})
    for name in ("nested", "changed_facts", "changed_settings"):
        results = forged(results, name, lambda row: None)
    results = forged(results, "counts", lambda row: {**row, "changed": 0})
    assert "The reports agree in every cell." in told(results)
    problems = verify(built(results, tmp_path / "both")).problems
    for name in ("pairs", "nested", "changed_facts"):
        assert any(p.message.startswith(f"the table {name} ") for p in problems)


def test_a_comparison_without_one_of_its_tables_is_found(main, branch):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    for name in ("labels", "pairs", "nested", "unmatched", "changed_facts", "changed_settings", "counts"):
        fewer = replace(results, tables=tuple(one for one in results.tables if one.name != name))
        assert of_tables(fewer) == [f"a comparison has no table {name}"]


def test_verify_says_what_of_a_comparison_follows_from_nothing_kept(main, branch, tmp_path):
    done = verify(built(comparing.compare(whole(main), whole(branch), TWO, "both"), tmp_path / "both"))
    assert "what a comparison says of whole reports" in done.sentence
    assert "what a comparison says" not in verify(built(whole(main), tmp_path / "one")).sentence


def test_headline_facts_are_recomputed_where_the_cards_of_the_data_differ(main, branch, tmp_path):
    other = whole(branch, seed=9)
    cards = tuple(replace(c, classes=("no", "yes"), group="", n=500, fingerprint="x") for c in other.data)
    results = comparing.compare(whole(main), replace(other, data=cards), TWO, "both")
    assert verify(built(results, tmp_path / "both")).problems == ()


# ---------------------------------------------------------------- folders and the command


@pytest.fixture
def folders(main, branch, tmp_path) -> tuple[Path, Path]:
    one, other = tmp_path / "main" / "sums", tmp_path / "branch" / "sums"
    for folder, grid in ((one, main), (other, branch)):
        folder.mkdir(parents=True)
        built(whole(grid, spec_name="sums"), folder)
    return one, other


def test_reports_of_one_name_are_called_by_their_folders():
    assert comparing.called([("x", "main", "sums"), ("x", "branch", "sums")]) == ("main/sums", "branch/sums")
    assert comparing.called([("x", "sums"), ("x", "sums-b")]) == ("sums", "sums-b")
    assert comparing.called([("a", "main", "sums"), ("b", "main", "sums")]) == ("a/main/sums", "b/main/sums")
    assert default_name(("main/sums", "branch/sums")) == "main-sums-and-branch-sums"
    assert "/" not in default_name(("../x", HOSTILE))


def test_a_comparison_is_a_report_of_the_same_bytes_on_every_run(folders, tmp_path):
    first = diff(*folders, tmp_path / "out", Silent(), name="both")
    before = {path.name: path.read_bytes() for path in first.files}
    again = diff(*folders, tmp_path / "again", Silent(), name="both")
    assert {path.name: path.read_bytes() for path in again.files} == before
    assert set(before) == {"report.html", "report.pdf", "report.md"}
    assert str(tmp_path) not in before["report.html"].decode("utf-8")
    assert verify(tmp_path / "out" / "both").problems == ()
    pipeline.render_again(tmp_path / "out" / "both", Silent())
    assert {path.name: path.read_bytes() for path in first.files} == before
    assert publish.read_manifest(tmp_path / "out" / "both")["build"]["kind"] == "diff"


def test_names_with_hostile_signs_are_inert(main, branch, tmp_path):
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    built(whole(main, title=HOSTILE), folder)
    other = built(whole(branch, title="{{ 7 * 7 }}"), tmp_path / "b")
    done = diff(folder, other, tmp_path / "out", Silent())
    page = next(path for path in done.files if path.suffix == ".html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "49" not in page.split("<title>")[1].split("</title>")[0]


@pytest.mark.parametrize(
    ("tolerance", "code"), [(1.0, 0), (0.0, 1)], ids=["far enough apart to pass", "nothing may differ"]
)
def test_a_tolerance_decides_the_exit_code_and_names_the_largest_difference(folders, tmp_path, tolerance, code):
    ran = run("diff", *folders, "--out", tmp_path / "out", "--no-report", "--tolerance", tolerance)
    assert ran.code == code
    assert "the largest difference is" in ran.out + ran.err
    assert "errors, " in ran.out + ran.err
    assert not (tmp_path / "out").exists()


def test_a_folder_and_itself_are_told_to_be_the_same_and_no_report_is_written(folders, tmp_path):
    for more in (("--tolerance", 0), ()):
        ran = run("diff", folders[0], folders[0].parent / "." / "sums", "--out", tmp_path / "out", *more)
        assert ran.code == 0
        assert "both are the same folder" in ran.out
        assert not (tmp_path / "out").exists()


def test_identical_reports_pass_a_tolerance_of_zero(folders, main, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders[0], copy)
    done = diff(folders[0], copy, tmp_path / "out", Silent(), tolerance=0.0, report=False)
    assert done.passed
    assert "no number differs (tolerance 0)" in done.sentence


def test_reports_without_a_grid_in_common_say_so_and_have_no_empty_section(folders, tmp_path):
    other = built(whole(described.table()), tmp_path / "other")
    done = diff(folders[0], other, tmp_path / "out", Silent())
    assert "no grid in common" in done.sentence
    assert "no number differs" not in done.sentence
    results = archive.read(done.files[0].parent)
    summary = prose.summarise(results, facts.derive(results))
    assert summary.abstract[0].text == "The reports have no grid in common."
    assert all(one.paragraphs for one in summary.sections)
    assert verify(done.files[0].parent).problems == ()


def test_grids_of_one_name_and_other_quantities_have_no_number_to_compare(main):
    other = described.activation(layers=4)
    far = comparing.apart(whole(main), whole(replace(other, grid=replace(other.grid, name="errors"))), TWO)
    assert "no number can be compared" in _sentence(far, TWO, 0.5)
    assert not far.passes(0.5)


def test_values_are_held_against_a_tolerance_whatever_their_status(main, branch):
    status = branch.grid.status.copy()
    status[1, 2] = "boundary"
    other = replace(branch, grid=replace(branch.grid, status=status))
    far, plain = (comparing.apart(whole(main), whole(one), TWO) for one in (other, branch))
    assert (far.largest, far.where, far.numbers) == (plain.largest, plain.where, plain.numbers)
    assert far.lacking == ()
    assert len(far.changed) == 1
    assert "is ok in main, boundary in branch" in far.changed[0]
    assert far.passes(0.9)
    said = _sentence(far, TWO, 0.9)
    assert "not in both" not in said
    assert f"of another status: {far.changed[0]}" in said
    assert f"the largest difference is {far.largest:.6g}, {far.where}" in said


def test_a_value_that_one_report_lacks_fails_every_tolerance_and_is_said_to_be_in_the_other(main, branch):
    cells = branch.held_out.cells.copy()
    cells[1, 2] = np.nan
    held = replace(branch.held_out, cells=cells)
    lacking = synthetic.from_scores(held, "errors", branch.grid.layers, branch.grid.positions)
    far = comparing.apart(whole(main), whole(lacking), TWO)
    assert any(one.endswith("has a value in main only") for one in far.lacking)
    assert not far.passes(1e9)


def one_without_interval(main: GridResult) -> Results:
    """A comparison whose highest difference has no interval, as its cell is perfect; the others hold zero."""
    held = main.held_out
    assert held is not None
    cells = held.cells + 0.05 * held.cells.std() * np.random.default_rng(1).normal(size=held.cells.shape)
    cells[1, 2] = held.labels * 2.0 - 1
    other = synthetic.from_scores(
        replace(held, cells=cells.astype(np.float32)), "errors", main.grid.layers, main.grid.positions
    )
    return comparing.compare(whole(main), whole(other), TWO, "both")


def test_a_difference_without_interval_is_not_singled_out_among_those_whose_intervals_hold_zero(main):
    results = one_without_interval(main)
    said = told(results)
    assert "One of 28 cells has no interval: second_answer in layer 1." in said
    assert "The highest cell, second_answer in layer 1, reads" not in said
    assert "holds the highest cell" not in said
    (diamond,) = (s for s in said.split("Diamond: ")[1:])
    assert "whose interval is not known." in diamond[:80]


def test_no_interval_is_known_is_not_said_of_rows_that_are_paired(main):
    assert "No interval is known" not in told(comparing.compare(whole(main), whole(main), TWO, "both"))
    held = replace(main.held_out, cells=main.held_out.cells * 2 + 1)  # other scores of the same order
    results = comparing.compare(whole(main), whole(replace(main, held_out=held)), TWO, "both")
    assert table(results, "pairs")[0]["paired"] == "folds"
    assert "No interval is known" not in told(results)


def test_the_provenance_of_a_comparison_has_no_seed_and_no_spec(main, branch):
    results = comparing.compare(whole(main, seed=3), whole(branch, seed=4), TWO, "both")
    found = facts.derive(results)
    content = render.prepare(results, found, prose.summarise(results, found), render.Presentation())
    build = dict(dict(content.provenance)["Build"])
    assert build["comparison"] == "both"
    assert not {"seed", "spec"} & set(build)


def test_settings_that_are_all_alike_are_no_key_figure(main, branch):
    def meanings(*pair: Results) -> list[str]:
        results = comparing.compare(*pair, TWO, "both")
        return [one.meaning.text for one in prose.summarise(results, facts.derive(results)).key_figures]

    assert "settings of the reports that are not alike" not in meanings(whole(main), whole(branch))
    assert "settings of the reports that are not alike" in meanings(whole(main), whole(branch, seed=4))


def test_a_cell_that_stands_in_one_report_only_fails_every_tolerance(main):
    lone = replace(main, grid=replace(main.grid, name="lone"))
    far = comparing.apart(replace(whole(main), grids=(main, lone)), whole(main), TWO)
    assert not far.passes(1e9)
    assert far.lacking == ("grid lone is only in main",)


def test_a_baseline_that_moved_is_further_apart_than_the_cells(main):
    one = main.baselines[0]
    moved = replace(one, estimate=replace(one.estimate, value=one.estimate.value + 0.25))
    far = comparing.apart(whole(main), whole(replace(main, baselines=(moved, *main.baselines[1:]))), TWO)
    assert far.largest == pytest.approx(0.25)
    assert far.where == f"errors, baseline {one.name}"


@pytest.mark.parametrize("what", ["missing", "empty", "foreign", "damaged", "other format"])
def test_a_folder_that_is_no_report_is_a_mistake_with_its_name(folders, tmp_path, what):
    wrong = tmp_path / "wrong"
    if what != "missing":
        wrong.mkdir()
    if what == "foreign":
        (wrong / "manifest.json").write_text('{"name": "an extension"}')
    if what == "damaged":
        (wrong / "manifest.json").write_bytes((folders[0] / "manifest.json").read_bytes())
    if what == "other format":
        saved = (folders[0] / "manifest.json").read_text().replace('"format": 1', '"format": 2')
        (wrong / "manifest.json").write_text(saved)
    with pytest.raises(BadInput, match="wrong"):
        diff(folders[0], wrong, tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "a\nb"])
def test_no_name_leads_out_of_the_folder(folders, tmp_path, name):
    with pytest.raises(BadInput, match="--name"):
        diff(*folders, tmp_path / "out", Silent(), name=name)


def test_a_comparison_does_not_take_the_place_of_what_it_compares(folders):
    with pytest.raises(BadInput, match="is one of the reports"):
        diff(*folders, folders[0].parent, Silent(), name="sums")


def test_the_command_writes_a_report_and_loads_no_model(folders, tmp_path):
    ran = run("diff", *folders, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ran.imported == ()
    assert (tmp_path / "out" / "main-sums-and-branch-sums" / "report.pdf").is_file()
    assert (tmp_path / "out" / "index.html").is_file()


def test_the_sides_stand_on_the_scale_of_their_quantity(main, branch):
    results = comparing.compare(whole(main), whole(branch), TWO, "both")
    content = render.prepare(
        results, facts.derive(results), prose.summarise(results, facts.derive(results)), render.Presentation()
    )
    sides = next(f for block in content.blocks for f in block.figures if f.name == "errors.classes")
    assert sides.title == "AUROC by layer and token position in both reports"
    assert grids.of_difference(main.grid.quantity, TWO).low == -1.0
