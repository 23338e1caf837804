from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edges
import synthetic
from layergrid import archive, facts, prose, publish, render, stats
from layergrid.artifacts import HeldOut, Results
from layergrid.verify import folds as slowly
from layergrid.verify import judging, numbers, verify


def built(results: Results, folder: Path) -> Path:
    """A report as a build leaves it, without the PDF."""
    archive.write(results, folder)
    shown = render.Presentation(outputs=("html", "md"))
    render.write_presentation(shown, folder)
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    (folder / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
    render.render(results, found, summary, shown).write(folder)
    publish.write_manifest(folder, {}, {})
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    one = synthetic.grid_result(layers=5, n=300, strength=1.3)
    return built(edges.of(one), tmp_path_factory.mktemp("report"))


@pytest.fixture
def report(original, tmp_path, monkeypatch):
    """A copy to tamper with, in which documents are not drawn anew and files not digested: the words must tell."""
    monkeypatch.setattr(render, "rerender", lambda *_: {})
    monkeypatch.setattr("layergrid.verify.pages.check_digests", lambda *_: None)
    return Path(shutil.copytree(original, tmp_path / "report"))


def change(path: Path, old: str, new: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")


def places(folder: Path) -> set[str]:
    return {problem.where.split(",")[0] for problem in verify(folder).problems}


def test_an_untouched_report_agrees_and_says_what_was_checked(original):
    checked = verify(original)
    assert checked.problems == ()
    assert checked.counts["cell"] == 75
    assert checked.counts["estimate"] == 4
    assert checked.counts["sentence"] > 60
    assert checked.counts["document"] == 2
    assert re.fullmatch(r"75 cells, .* and \d+ files checked, all agree", checked.sentence)


@pytest.mark.parametrize("column", ["value", "low", "high", "n", "n_positive", "p_adjusted"])
def test_one_changed_number_in_the_parquet_is_found(report, column):
    path = report / "grids" / "errors.parquet"
    table = pq.ParquetFile(path).read()
    values = table.column(column).to_pylist()
    values[7] = values[7] + 1 if column.startswith("n") else values[7] * 0.99
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, column, pa.array(values, type=table.schema.field(index).type)), path)
    found = [p for p in verify(report).problems if p.where == "grids/errors.parquet"]
    assert len(found) == 1
    assert f"layer 0 at -8: {column} is " in found[0].message


@pytest.mark.parametrize("column", ["value", "low", "n", "status", "reason", "position"])
def test_one_changed_cell_of_the_csv_is_found(report, column):
    path = report / "grids" / "errors.csv"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    rows[5][rows[0].index(column)] += "1"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    assert places(report) == {"grids/errors.csv"}


@pytest.mark.parametrize(
    "trail",
    [
        ("selection", "estimate", "value"),
        ("selection", "estimate", "low"),
        ("selection", "winners", 2, "value"),
        ("selection", "winners", 2, "layer"),
        ("baselines", 1, "estimate", "high"),
        ("baselines", 1, "difference", "value"),
        ("baselines", 1, "difference", "low"),
    ],
)
def test_one_changed_number_in_the_results_is_found(report, trail):
    path = report / "results" / "results.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    at = card["grids"][0]
    for step in trail[:-1]:
        at = at[step]
    at[trail[-1]] = at[trail[-1]] + 1 if trail[-1] == "layer" else at[trail[-1]] + 0.01
    path.write_text(json.dumps(card), encoding="utf-8")
    found = [p for p in verify(report).problems if p.where == "results/results.json"]
    assert found


def test_a_tie_taken_away_is_found(report):
    results = archive.read(report)
    grid = results.grids[0].grid
    tied = grid.tied_with_best.copy()
    i, j = np.argwhere(tied & (grid.value < grid.value.max()))[0]
    tied[i, j] = False
    archive.write(replace(results, grids=(replace(results.grids[0], grid=replace(grid, tied_with_best=tied)),)), report)
    assert any("tied with the best is False" in p.message for p in verify(report).problems)


@pytest.mark.parametrize("key", ["rows", "folds", "n_groups", "cells_tested"])
def test_a_count_of_the_methods_that_the_scores_do_not_bear_is_found(report, key):
    path = report / "results" / "results.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    kept = json.dumps(card["grids"][0])
    changed = re.sub(rf'"{key}": (\d+)', lambda m: f'"{key}": {int(m[1]) + 1}', kept)
    assert changed != kept
    card["grids"][0] = json.loads(changed)
    path.write_text(json.dumps(card), encoding="utf-8")
    assert any(f"the setting {key} is" in p.message for p in verify(report).problems)


@pytest.mark.parametrize("field", ["value", "low", "n"])
def test_one_changed_number_in_facts_json_is_found(report, field):
    path = report / "facts.json"
    content = path.read_text(encoding="utf-8")
    line = next(x for x in content.splitlines() if x.startswith('{"id": "errors.nested",'))
    record = json.loads(line.rstrip(","))
    record[field] += 1
    path.write_text(content.replace(line.rstrip(","), json.dumps(record)), encoding="utf-8")
    problems = verify(report).problems
    assert [p.where for p in problems] == ["facts.json"]
    assert f"errors.nested: {field} is" in problems[0].message


@pytest.mark.parametrize("old", ['"relation": "above"', "above chance (0.5)", '"errors.nested"'])
def test_a_changed_word_or_id_in_facts_json_is_found(report, old):
    change(report / "facts.json", old, old.replace("above", "below").replace("nested", "nestling"))
    assert places(report) == {"facts.json"}


def test_a_fact_taken_away_is_found(report):
    path = report / "facts.json"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if '"id": "errors.range"' not in line]
    path.write_text("\n".join(kept), encoding="utf-8")
    assert any(p.message == "the fact errors.range is missing" for p in verify(report).problems)


def sentences_of(report: Path, mark: str) -> list[str]:
    found = facts.from_json((report / "facts.json").read_text(encoding="utf-8"))[1]
    return [r["text"] for r in found if mark in r["text"] and not r["where"].startswith("caption")]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("report.html", r"(<span class=\"fact\"[^>]*>(?:<span class=\"nb\">)?)0\.(\d)", r"\g<1>0.\g<2>9"),
        ("report.html", r"above chance", "below chance"),
        ("report.html", r"rises by", "falls by"),
        ("report.html", r"cannot be told from", "can be told from"),
        ("report.html", r"none of them before", "all of them before"),
        ("report.html", r"data-facts=\"errors\.nested", 'data-facts="errors.highest'),
        ("report.html", r"Errors of tiny on sums are", "Twelve errors of tiny on sums are"),
        ("report.html", r"need not be used", "must be used"),
        ("report.md", r"0\.(\d\d) \[", r"0.\g<1>7 ["),
        ("report.md", r"\*\*0\.(\d)(\d)\*\*", r"**0.\g<2>\g<1>**"),
        ("report.md", r"above chance", "below chance"),
        ("report.md", r"on sums are decodable", "on sums are most decodable"),
        ("report.md", r"rises by", "falls by"),
        ("report.md", r"need not be used", "must be used"),
        ("report.md", r"Errors of tiny on sums are", "Twelve errors of tiny on sums are"),
    ],
)
def test_one_changed_number_or_word_in_a_document_is_found(report, name, old, new):
    path = report / name
    content = path.read_text(encoding="utf-8")
    start = content.index('class="abstract"') if name.endswith("html") else 0
    changed = content[:start] + re.sub(old, new, content[start:], count=1)
    assert changed != content
    path.write_text(changed, encoding="utf-8")
    assert places(report) == {name}


def test_every_single_digit_of_every_sentence_in_the_page_is_guarded(report):
    """Each number of the abstract and the observations, changed one at a time."""
    original = (report / "report.html").read_text(encoding="utf-8")
    start = original.index('class="abstract"')
    stop = original.index('id="interpretation"')
    numbers_there = list(re.finditer(r'(?<=class="nb">)[^<]*\d', original[start:stop]))
    assert len(numbers_there) > 40
    for match in numbers_there[:: max(1, len(numbers_there) // 12)]:
        at = start + match.end() - 1
        digit = str((int(original[at]) + 1) % 10)
        (report / "report.html").write_text(original[:at] + digit + original[at + 1 :], encoding="utf-8")
        assert places(report) == {"report.html"}, original[at - 80 : at + 20]


def test_a_sentence_added_to_the_page_or_taken_away_is_found(report):
    opening = '<section class="abstract" aria-label="Abstract">'
    change(report / "report.html", opening, f'{opening}<span class="sentence">It is well known.</span>')
    assert any("not a sentence of the summary" in p.message for p in verify(report).problems)


def test_a_sentence_slipped_into_the_markdown_is_found(report):
    said = sentences_of(report, "need not be used")[0]
    change(report / "report.md", said, f"{said} The model is right in 99 % of cases.")
    assert any("99" in p.message for p in verify(report).problems)


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_what_stands_outside_of_sentences_is_drawn_anew_and_compared(original, tmp_path, name):
    report = Path(shutil.copytree(original, tmp_path / "report"))
    old = "<td" if name.endswith("html") else "| 0."
    change(report / name, old, "<td title='0.9'" if name.endswith("html") else "| 1.")
    problems = verify(report).problems
    assert {p.where.split(",")[0] for p in problems} == {name}
    assert any("the results give" in p.message for p in problems)
    assert any("changed since the manifest" in p.message for p in problems)


def test_a_file_that_changed_or_vanished_is_told_by_name(original, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "rerender", lambda *_: {})
    report = Path(shutil.copytree(original, tmp_path / "report"))
    (report / "report.md").unlink()
    change(report / "results" / "presentation.json", '"paper"', '"paper" ')
    found = {p.where: p.message for p in verify(report).problems}
    assert found["report.md"] == "is listed in the manifest and missing"
    assert found["results/presentation.json"] == "has changed since the manifest was written"


def test_a_folder_that_is_no_report_is_one_problem_without_a_traceback(tmp_path):
    checked = verify(tmp_path)
    assert len(checked.problems) == 1
    assert "results.json" in checked.problems[0].message


@pytest.mark.parametrize("name", [n for n in edges.EDGES if n not in {"no_positions", "two_grids"}])
def test_reports_at_every_edge_agree_with_themselves(name, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "rerender", lambda *_: {})
    results = edges.EDGES[name]()
    archive.write(results, tmp_path)
    render.write_presentation(render.Presentation(), tmp_path)
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    (tmp_path / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
    publish.write_manifest(tmp_path, {}, {})
    assert verify(tmp_path).problems == ()


# ---------------------------------------------------------------- the two codes


METRICS = {
    "auroc": stats.AUROC, "macro_auroc": stats.MACRO_AUROC, "accuracy": stats.ACCURACY, "r2": stats.R2,
    "rank_correlation": stats.RANK_CORRELATION,
}  # fmt: skip


def rows(metric, seed, groups, repeats=1, k=4):
    """Held-out rows of a metric with ties, groups of several sizes, and two scorers; the first is the better one."""
    rng = np.random.default_rng(seed)
    m = 240
    classes = ("a", "b", "c") if metric == "macro_auroc" or (metric == "accuracy" and seed % 2) else ()
    binary = metric in ("auroc", "accuracy") and not classes
    target = np.arange(m) % 3 == 0 if binary else np.arange(m) % 3 if classes else np.round(rng.normal(size=m), 1)
    groups_of = rng.integers(groups, size=m) * k + np.arange(m) // 3 % k
    folds = np.concatenate([(groups_of + j) % k + j * k for j in range(repeats)])  # groups stay whole in every repeat
    target, codes, n = np.tile(target, repeats), np.tile(groups_of, repeats), m * repeats
    signal = np.stack([target == c for c in range(len(classes))]) if classes else np.asarray(target, float)
    noise = rng.normal(size=(2, *signal.shape))
    scores = np.round(
        0.8 * signal
        + np.array([1, 1.5] if binary or classes else [0.5, 0.9]).reshape(-1, *[1] * signal.ndim) * noise
        - 0.3 * binary,
        1,
    )
    held = HeldOut(
        tuple(f"q{i % m}" for i in range(n)), tuple(map(str, codes)), target if binary else np.zeros(n, bool), folds,
        np.zeros((1, 1, n)), np.zeros(n), {}, repeats=repeats, target=None if binary else target.astype(float),
        classes=classes,
    )  # fmt: skip
    return stats.Split(target, codes, folds, METRICS[metric], repeats), held, scores


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize(("seed", "groups"), [(0, 5), (1, 12), (2, 200), (3, 5), (4, 200)])
def test_definitions_and_fast_forms_give_the_same_numbers(metric, repeats, seed, groups):
    split, held, scores = rows(metric, seed, groups, repeats)
    own = slowly.split(held, metric)
    a, b = (stats.evaluate(split, s) for s in scores)
    c, d = (slowly.score(own, s) for s in scores)
    chance = 0.4 if metric == "accuracy" else METRICS[metric].chance
    fast, slow = stats.mean_interval(split, a, 0.9, chance), slowly.bounds(own, c, 0.9, chance)
    assert 0.1 < fast.low < fast.value < fast.high < 1
    assert slow.value == pytest.approx(fast.value, abs=1e-12)
    assert (slow.low, slow.high, slow.p) == pytest.approx((fast.low, fast.high, fast.p), rel=1e-9)
    fast, slow = stats.difference_interval(split, a, b, 0.9), slowly.difference(own, c, d, 0.9)
    assert fast.low < fast.value < fast.high
    assert (slow.value, slow.low, slow.high) == pytest.approx((fast.value, fast.low, fast.high), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_definitions_and_fast_forms_agree_on_a_fixed_split(metric):
    split, held, scores = rows(metric, 1, 30, k=1)
    own = slowly.split(held, metric)
    fast = stats.mean_interval(split, stats.evaluate(split, scores[0]), 0.95)
    slow = slowly.bounds(own, slowly.score(own, scores[0]), 0.95, METRICS[metric].chance)
    assert own.inflation() == 1
    assert (slow.value, slow.low, slow.high) == pytest.approx((fast.value, fast.low, fast.high), abs=1e-12)


@pytest.mark.parametrize("metric", ["auroc", "macro_auroc", "accuracy"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("repeats", [1, 2])
def test_definitions_and_fast_forms_agree_at_the_end_of_the_scale(metric, sign, repeats):
    split, held, scores = rows(metric, 1, 12, repeats)
    right = np.stack([split.labels == c for c in range(3)]) if held.classes else split.labels * 1.0
    found = sign * np.where(split.folds == 0, 10.0 * right, scores[0])
    own = slowly.split(held, metric)
    fast = stats.mean_interval(split, stats.evaluate(split, found), 0.95, 0.5)
    slow = slowly.bounds(own, slowly.score(own, found), 0.95, 0.5)
    assert fast.boundary
    assert (slow.low, slow.high, slow.p) == pytest.approx((fast.low, fast.high, fast.p), abs=1e-12)


@pytest.mark.parametrize("metric", ["r2", "rank_correlation"])
def test_a_fold_of_numbers_that_is_told_without_error_has_no_interval_in_either_code(metric):
    split, held, scores = rows(metric, 0, 12)
    found = np.where(split.folds == 0, split.labels, scores[0])
    own = slowly.split(held, metric)
    fast = stats.mean_interval(split, stats.evaluate(split, found), 0.95)
    slow = slowly.bounds(own, slowly.score(own, found), 0.95)
    assert np.isnan([fast.low, fast.high, slow.low, slow.high]).all()
    assert slow.value == pytest.approx(fast.value, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_placements_are_those_of_every_pair_of_rows(seed):
    _, held, scores = rows("auroc", seed, 12)
    for fold, components in zip(
        (own := slowly.split(held, "auroc")).rows, slowly.score(own, scores[0]).components, strict=True
    ):
        mine, positive = scores[0][fold.index], fold.target == 1
        wins = np.sign(mine[:, None] - mine[None, :]) / 2 + 0.5
        wanted = np.where(positive, wins[:, ~positive].mean(axis=1), wins[positive].mean(axis=0))
        np.testing.assert_allclose(components, wanted, atol=1e-14)


@pytest.mark.parametrize("metric", ["r2", "rank_correlation", "macro_auroc"])
def test_an_influence_is_the_slope_of_the_value_in_the_weight_of_a_row(metric):
    """A row is given more weight by copies of all rows and one more of it."""
    _, held, scores = rows(metric, 0, 12, k=1)
    (fold,) = slowly.split(held, metric).rows
    judge = judging.METRICS[metric].judge
    value, influence = judge(fold, scores[0])
    times, n = 400, len(fold.index)
    for i in range(0, n, 40):
        copies = np.concatenate((np.tile(np.arange(n), times), [i]))
        more = judging.Rows(copies, fold.target[copies], tuple(fold.groups[c] for c in copies))
        slope = (judge(more, scores[0][..., copies])[0] - value) * (n * times + 1)
        assert slope == pytest.approx(influence[i], abs=0.02 + 0.01 * abs(influence[i]))


def test_a_class_that_a_fold_lacks_leaves_no_value_and_no_warning():
    _, held, scores = rows("auroc", 0, 12)
    for target in (held.labels & (held.folds != 1), held.labels | (held.folds == 1)):
        own = slowly.split(replace(held, labels=target), "auroc")
        found = slowly.score(own, scores[0])
        assert np.isnan(found.value)
        assert np.isnan(slowly.bounds(own, found, 0.95).low)


def test_holm_by_hand_and_fast_agree_with_nan_kept():
    p = [0.01, float("nan"), 0.04, 0.03, 0.9, 0.03]
    np.testing.assert_allclose(numbers.holm(p), stats.holm(np.array(p)))


def test_a_report_drawn_by_another_version_is_told_apart_from_a_changed_one(report):
    manifest = json.loads((report / "manifest.json").read_text())
    manifest["build"]["pages"] = "0" * 64
    (report / "manifest.json").write_text(json.dumps(manifest))
    (report / "report.md").write_text("drawn otherwise")
    problems = verify(report).problems
    assert [p.where for p in problems] == ["manifest.json"]
    assert "another version" in problems[0].message
