"""`verify` on grids that describe: means and medians of rows, contrasts, facets, references, and tables as given."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

import described
from building import run
from layergrid import archive, describing, facts, prose, publish, render, stats
from layergrid.artifacts import Examples, GridResult, Labels, Positions, Results, Sequences
from layergrid.kinds import Inputs
from layergrid.verify import means, measured, verify
from layergrid.verify.problems import Notes

# ---------------------------------------------------------------- by the engine and by definition


def engine(rows, groups, *, labels=None, statistic="mean", less=False, facets=(), level=0.9, seed=3, **options):
    """The grid that the engine makes of rows [L, P, n]."""
    count = rows.shape[2]
    names = tuple(f"p{j}" for j in range(rows.shape[1]))
    none = np.zeros(0, np.int32)
    examples = Examples("sums", "x.csv", tuple(f"q{i}" for i in range(count)), groups, {"unit": groups}, "")
    sequences = Sequences((), (), (), (), (), (), none, none, (), none.astype(bool))
    correct = np.zeros(count, bool) if labels is None else labels
    graded = Labels("numeric", "", np.zeros((count, 2), np.int32), ("",) * count, correct, ("",) * count)
    at = np.zeros((count, rows.shape[1]), np.int32)
    positions = Positions(names, at, at + 1, np.full(at.shape, "ok"))
    inputs = Inputs("norms", "tiny", examples, sequences, graded, positions, {}, seed)
    contrast = "none" if labels is None else "correct"
    chosen = describing.rows(inputs, np.ones(at.shape, bool), ("ok",), contrast)
    return describing.describe(
        inputs, kind="activation", site="residual", metric="norm", layers=tuple(range(len(rows))), rows=chosen,
        quantity=replace(described.NORM, higher_is="less" if less else "more"), values=rows[..., chosen.index],
        level=level, contrast=contrast, statistic=statistic, **options,
        facets=[
            describing.FacetRows(name, "reference", name, values[..., chosen.index]) for name, values in facets
        ],
    )  # fmt: skip


def problems(one: GridResult) -> list[str]:
    notes = Notes()
    measured.check(one, one.measured, notes)
    return [p.message for p in notes.done().problems]


@pytest.mark.parametrize("groups", [3, 8, 40])
@pytest.mark.parametrize("less", [False, True])
@pytest.mark.parametrize("contrast", [False, True])
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_engine_and_the_definitions_give_the_same_numbers(groups, less, contrast, statistic):
    rng = np.random.default_rng(groups)
    codes = rng.integers(groups, size=40)
    rows = rng.normal(size=(3, 4, 40)) + 0.5 * rng.normal(size=groups)[codes] + 100
    rows[0, 1] = rows[2, 2]  # equal cells
    rows[1, 3, 7] = np.nan
    rows[2, 0] = 5.1  # a constant
    one = engine(
        rows, tuple(map(str, codes)), labels=rng.random(40) < 0.4 if contrast else None, statistic=statistic, less=less,
        facets=[("apart", rng.normal(size=rows.shape))],
    )  # fmt: skip
    assert one.grid.status[1, 3] == "not_finite"
    assert problems(one) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1e4, 1e4 + 1]), min_size=24, max_size=24),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.booleans(),
    st.sampled_from(["mean", "median"]),
)
def test_any_rows_of_any_groups_and_classes_agree(values, groups, labels, contrast, statistic):
    rows = np.array(values).reshape(2, 2, 6)
    one = engine(
        rows, tuple(map(str, groups)), labels=np.array(labels) if contrast else None, statistic=statistic
    )  # fmt: skip
    assert problems(one) == []


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize(
    ("count", "groups", "labels"),
    [(0, 1, None), (0, 1, False), (1, 1, None), (6, 1, None), (6, 6, True), (6, 6, False), (2, 2, None)],
)
def test_grids_of_no_rows_of_one_group_or_of_one_class_agree(count, groups, labels, statistic):
    rows = np.random.default_rng(0).normal(size=(2, 3, count))
    one = engine(
        rows, tuple(str(i % groups) for i in range(count)), statistic=statistic, facets=[("apart", rows + 1)],
        labels=None if labels is None else np.full(count, labels),
    )  # fmt: skip
    assert one.grid.has_value.all() == (count > 0 and labels is None)
    assert problems(one) == []


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 1000, 100_000])
def test_students_t_is_that_of_scipy(level, freedom):
    wanted = scipy_stats.t.ppf(0.5 + level / 2, freedom)
    assert means.student(level, freedom) == pytest.approx(wanted, rel=1e-8)


def test_with_one_row_a_group_a_mean_has_the_interval_of_the_textbook():
    x = np.random.default_rng(0).normal(size=30)
    found = means.Sample(tuple(map(str, range(30))), None, 0.95).estimate(x)
    wanted = scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-8)


def test_with_every_group_in_both_classes_a_contrast_has_the_interval_of_paired_differences():
    x = np.random.default_rng(0).normal(size=(2, 25))
    side = np.repeat([True, False], 25)
    found = means.Sample(tuple(map(str, range(25))) * 2, side, 0.95).estimate(x.ravel())
    wanted = scipy_stats.ttest_rel(*x).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-8)


@pytest.mark.parametrize("contrast", [False, True])
def test_rows_without_a_number_are_left_out(contrast):
    rng = np.random.default_rng(1)
    x, groups, side = rng.normal(size=30), tuple(str(i // 2) for i in range(30)), rng.random(30) < 0.5
    x[[3, 8, 9]] = np.nan
    kept = np.isfinite(x)
    found = means.Sample(groups, side if contrast else None, 0.9).estimate(x)
    codes = np.array([int(g) for g in groups])[kept]
    right = stats.grouped_gap(x[None, kept], side[kept], codes, 0.9)
    if not contrast:
        right = stats.grouped_mean(x[None, kept], codes, 0.9)
    wanted = [float(part[0]) for part in (right.value, right.low, right.high)]
    assert (found.value, found.low, found.high) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("build", described.BUILDERS)
def test_descriptive_grids_agree_with_a_third_hand(build, tmp_path):
    one = described.BUILDERS[build]()
    if one.measured is not None:
        assert problems(one) == []


# ---------------------------------------------------------------- numbers that were changed


def with_array(one: GridResult, field: str, at: tuple[int, int], value: object) -> GridResult:
    array = np.array(getattr(one.grid, field), dtype="U16" if field == "status" else None)
    array[at] = value
    return replace(one, grid=replace(one.grid, **{field: array}))


@pytest.mark.parametrize("build", ["activation", "contrast", "similarity", "heads"])
@pytest.mark.parametrize("field", ["value", "low", "high", "n", "n_positive", "p_adjusted"])
def test_a_number_of_one_cell_that_its_rows_do_not_give_is_found(build, field):
    one = described.BUILDERS[build]()
    at = (3, 4)
    wrong = with_array(one, field, at, 0.5 if field == "p_adjusted" else getattr(one.grid, field)[at] + 1)
    (problem,) = [p for p in problems(wrong) if "beyond_range" not in p]
    assert problem.startswith(f"layer {one.grid.layers[3]} at {one.grid.positions[4]}: {field} is ")


@pytest.mark.parametrize("field", ["value", "low", "high"])
@pytest.mark.parametrize(("build", "which"), [("contrast", 0), ("contrast", 1), ("similarity", 0), ("heads", 2)])
def test_a_number_of_a_facet_that_its_rows_do_not_give_is_found(build, which, field):
    one = described.BUILDERS[build]()
    facet = one.grid.facets[which]
    array = getattr(facet, field).copy()
    array[5, 5] += 0.001
    changed = (*one.grid.facets[:which], replace(facet, **{field: array}), *one.grid.facets[which + 1 :])
    (problem,) = problems(replace(one, grid=replace(one.grid, facets=changed)))
    where = f"{facet.label}, layer {one.grid.layers[5]} at {one.grid.positions[5]}: {field} is"
    assert problem.startswith(where)


def test_one_changed_row_changes_its_cell_and_is_found():
    one = described.contrast()
    cells = one.measured.cells.copy()
    cells[2, 3, 7] += 0.01
    found = problems(replace(one, measured=replace(one.measured, cells=cells)))
    assert {p.split(":")[0].split(", ")[-1] for p in found} == {"layer 2 at exact_answer_before_first"}
    assert len(found) == 6  # value and both bounds, of the cell and of the row's class


def test_classes_that_are_swapped_or_renamed_are_found():
    one = described.contrast()
    first, second = one.grid.facets
    assert "not those of the contrast" in problems(replace(one, grid=replace(one.grid, facets=(second, first))))[0]
    assert problems(replace(one, measured=replace(one.measured, labels=~one.measured.labels)))


def test_a_map_without_rows_is_told():
    one = described.similarity()
    assert problems(replace(one, measured=replace(one.measured, facets={}))) == [
        "likeness: cosine of mismatched examples has a map, but no rows"
    ]


def test_a_tie_given_or_taken_away_is_found():
    one = described.from_rows(np.random.default_rng(0).normal(size=(4, 5, 30)) + np.linspace(0, 1, 5)[:, None])
    tied = one.grid.tied_with_best
    for at in (np.argwhere(~tied)[0], np.argwhere(tied & (one.grid.value < one.grid.value.max()))[0]):
        wrong = with_array(one, "tied_with_best", tuple(at), not tied[tuple(at)])
        assert [p for p in problems(wrong) if f"tied with the best is {not tied[tuple(at)]}" in p]


def test_a_status_without_a_value_on_rows_that_give_one_is_found():
    one = described.activation()
    assert "has the status lacking, but its rows give" in problems(with_array(one, "status", (1, 1), "lacking"))[0]
    looks = described.heads()
    assert problems(with_array(looks, "value", (2, 1), 0.5)) == [
        "layer 3 at first_answer: has the status lacking and yet the value 0.5"
    ]
    assert "but its rows give none" in problems(with_array(looks, "status", (2, 1), "ok"))[0]


@pytest.mark.parametrize("key", ["rows", "n_groups", "statistic", "level", "beyond_range", "dropped_wrong"])
def test_a_setting_that_the_rows_do_not_bear_is_found(key):
    one = described.contrast()
    changed = {**one.grid.settings, key: 7 if key != "statistic" else "median"}
    found = problems(replace(one, grid=replace(one.grid, settings=changed)))
    assert found == ["gaps: the rows that were dropped and those that are there are not all rows"] or key in found[0]


def test_medians_whose_resamples_are_not_known_are_told():
    rows = np.random.default_rng(0).normal(size=(2, 2, 60))
    one = engine(rows, tuple(map(str, range(60))), statistic="median")
    assert problems(one) == []
    for key, value in (("seed", 4), ("resamples", 50)):
        wrong = {**one.grid.settings, key: value}
        assert any("its rows give" in p for p in problems(replace(one, grid=replace(one.grid, settings=wrong))))
    without = {k: v for k, v in one.grid.settings.items() if k != "resamples"}
    assert "do not say how many resamples" in problems(replace(one, grid=replace(one.grid, settings=without)))[0]


# ---------------------------------------------------------------- whole reports


def written(results: Results, folder: Path) -> Path:
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
def originals(tmp_path_factory):
    """Reports around each descriptive grid, made when they are first asked for."""

    @cache
    def made(build: str) -> Path:
        return written(described.results(described.BUILDERS[build]()), tmp_path_factory.mktemp(build))

    return made


@pytest.fixture
def report(originals, tmp_path, monkeypatch):
    """A copy to tamper with, in which documents are not drawn anew and files not digested."""
    monkeypatch.setattr(render, "rerender", lambda *_: {})
    monkeypatch.setattr("layergrid.verify.pages.check_digests", lambda *_: None)
    return lambda build: Path(shutil.copytree(originals(build), tmp_path / "report"))


def places(folder: Path) -> set[str]:
    return {problem.where.split(",")[0] for problem in verify(folder).problems}


@pytest.mark.parametrize("build", described.BUILDERS)
def test_an_untouched_report_agrees_and_says_what_was_checked(originals, build):
    checked = verify(originals(build))
    assert checked.problems == ()
    one = described.BUILDERS[build]()
    known = one.measured is not None
    assert checked.counts["cell" if known else "given cell"] == one.grid.value.size
    assert checked.counts.get("facet cell", 0) == one.grid.value.size * len(one.grid.facets)
    assert ("given cells are compared between the files alone" in checked.sentence) == (not known)
    assert checked.counts.get("paired difference", 0) > 0 or not known


@pytest.mark.parametrize("build", ["activation", "contrast", "heads"])
@pytest.mark.parametrize("column", ["value", "low", "n", "status", "head", "contrast"])
def test_one_changed_cell_of_the_csv_is_found(report, build, column):
    folder = report(build)
    (path,) = (folder / "grids").glob("*.csv")
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    rows[-1][rows[0].index(column)] += "1"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    assert places(folder) == {f"grids/{path.name}"}


def change_parquet(path: Path, column: str, row: int, value: object) -> None:
    table = pq.ParquetFile(path).read()
    values = table.column(column).to_pylist()
    values[row] = value
    index = table.column_names.index(column)
    kind = table.schema.field(index).type
    pq.write_table(table.set_column(index, column, pa.array(values, type=kind)), path)


@pytest.mark.parametrize("build", ["activation", "contrast", "similarity", "heads"])
def test_one_changed_number_of_the_parquet_file_is_found_in_any_map(report, build):
    folder = report(build)
    (path,) = (folder / "grids").glob("*.parquet")
    values = pq.read_table(path).column("value").to_pylist()
    row = max(i for i, value in enumerate(values) if value is not None and not math.isnan(value))
    change_parquet(path, "value", row, values[row] + 0.01)
    assert f"grids/{path.name}" in places(folder)


def test_one_changed_measured_value_is_found(report):
    folder = report("similarity")
    path = folder / "results" / "likeness.measured.parquet"
    for column in ("cells", "facet.mismatched"):
        rows = pq.read_table(path).column(column).to_pylist()
        rows[3][12] += 0.1
        change_parquet(path, column, 3, rows[3])
        said = [p.message for p in verify(folder).problems if p.where == "grids/likeness.parquet"]
        assert any("layer 1 at exact_answer_last" in message for message in said)


def test_a_number_changed_in_the_csv_and_the_parquet_file_of_a_table_is_found_by_its_facts(report):
    folder = report("table")
    results = archive.read(folder)
    one = results.grids[0]
    value = one.grid.value.copy()
    value[np.unravel_index(value.argmax(), value.shape)] += 3
    archive.write(replace(results, grids=(replace(one, grid=replace(one.grid, value=value)),)), folder)
    assert "facts.json" in places(folder)


def test_a_given_cell_whose_status_and_value_contradict_each_other_is_found(report):
    folder = report("table")
    results = archive.read(folder)
    one = with_array(results.grids[0], "status", (2, 2), "missing")
    archive.write(replace(results, grids=(one,)), folder)
    assert any("layer 2 at second_answer: has the status missing" in p.message for p in verify(folder).problems)


def test_a_given_tie_that_its_value_does_not_bear_is_found(report):
    folder = report("table")
    results = archive.read(folder)
    grid = results.grids[0].grid
    best = tuple(int(i) for i in np.unravel_index(grid.value.argmax(), grid.value.shape))
    archive.write(replace(results, grids=(with_array(results.grids[0], "tied_with_best", best, False),)), folder)
    assert any("tied with the best is False" in p.message for p in verify(folder).problems)


@pytest.mark.parametrize(("build", "rule"), [
    ("activation", "paired cells"), ("contrast", "paired cells"), ("similarity", "paired reference"),
    ("similarity", "paired references"),
])  # fmt: skip
def test_a_paired_fact_that_the_engine_gets_wrong_is_found_by_the_rows(report, build, rule, monkeypatch):
    """The engine itself is wrong: facts, sentences and pages agree with each other, and not with the rows."""
    folder = report(build)
    right = facts.derive

    def wrong(results):
        found = list(right(results))
        at = next(i for i, f in enumerate(found) if f.rule == rule and f.value)
        low = found[at].low
        found[at] = replace(found[at], value=found[at].value + 1, low=None if low is None else low + 1)
        return tuple(found)

    monkeypatch.setattr(facts, "derive", wrong)
    said = [p.message for p in verify(folder).problems]
    assert any("the rows give" in message for message in said)


@pytest.mark.parametrize("build", described.BUILDERS)
def test_one_changed_value_of_facts_json_is_found(report, build):
    folder = report(build)
    path = folder / "facts.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    fact = next(f for f in content["facts"] if isinstance(f.get("value"), float))
    fact["value"] += 0.01
    path.write_text(json.dumps(content), encoding="utf-8")
    assert places(folder) == {"facts.json"}


@pytest.mark.parametrize("build", described.BUILDERS)
def test_every_kind_of_report_guards_the_digits_of_its_sentences(report, build):
    folder = report(build)
    path = folder / "report.html"
    original = path.read_text(encoding="utf-8")
    start, stop = original.index('class="abstract"'), original.index('id="interpretation"')
    numbers_there = list(re.finditer(r'(?<=class="nb">)[^<]*\d', original[start:stop]))
    numbers_there = numbers_there or list(re.finditer(r'(?<=class="fact">)[^<]*\d', original[start:stop]))
    assert numbers_there
    for match in numbers_there[:: max(1, len(numbers_there) // 3)]:
        at = start + match.end() - 1
        digit = str((int(original[at]) + 1) % 10)
        path.write_text(original[:at] + digit + original[at + 1 :], encoding="utf-8")
        assert places(folder) == {"report.html"}, original[at - 80 : at + 20]


@pytest.mark.parametrize(
    "name", ["grids/likeness.csv", "grids/likeness.parquet", "results/likeness.measured.parquet", "facts.json",
             "report.html", "report.md"],
)  # fmt: skip
def test_a_changed_byte_in_any_file_ends_the_command_with_1(originals, tmp_path, name):
    folder = Path(shutil.copytree(originals("similarity"), tmp_path / "report"))
    path = folder / name
    data = bytearray(path.read_bytes())
    if path.suffix == ".parquet":
        at = len(data) // 2
        data[at] ^= 1
    else:
        at = [m.start() for m in re.finditer(rb"0\.\d\d", bytes(data))][len(data) % 7] + 3
        data[at] = ord("0") + (data[at] - ord("0") + 1) % 10
    path.write_bytes(bytes(data))
    assert run("verify", folder).code == 1
