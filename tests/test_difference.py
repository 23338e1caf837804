"""Differences between grids of one report: the numbers of two reports compared, and several grids beside each other."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import described
import synthetic
from building import Study, build, run
from layergrid import comparing, facts, prose, stats, text
from layergrid.artifacts import Family, GridResult, Member, Positions, Results, Sequences
from layergrid.charts.multiples import Multiples
from layergrid.comparing.rows import Independent
from layergrid.grids.difference import DifferenceGrid
from layergrid.kinds import BadInput, Inputs
from layergrid.render import sheets
from layergrid.theme import load
from layergrid.verify import differences as checked
from layergrid.verify.problems import Notes
from test_comparing import refolded, some_rows, whole
from test_verify import built

SAME = {"a": "one", "b": "one"}


def named(one: GridResult, name: str, **changes: object) -> GridResult:
    return replace(one, grid=replace(one.grid, name=name, **changes))


def less(a: GridResult, b: GridResult, told: dict[str, str] = SAME, **options: str) -> GridResult:
    """`b` less `a`, as a build makes it."""
    kind = DifferenceGrid(of="b", minus="a", **options)  # type: ignore[arg-type]  # one of two words
    grids = {"a": named(a, "a"), "b": named(b, "b")}
    inputs = Inputs("gap", "", None, Sequences.none(()), None, Positions.none(), {}, 0, grids=grids, examples_of=told)  # type: ignore[arg-type]  # a difference reads neither examples nor labels
    return kind.compute(inputs)


@pytest.fixture(scope="module")
def one() -> GridResult:
    return synthetic.grid_result(layers=4, n=240, positions=synthetic.FIFTEEN[:5])


@pytest.fixture(scope="module")
def other() -> GridResult:
    """The same rows, labels and folds; the signal is stronger."""
    return synthetic.grid_result(layers=4, n=240, positions=synthetic.FIFTEEN[:5], strength=1.6)


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("way", ["folds", "across", "some", "rows"])
def test_a_difference_of_grids_has_the_numbers_of_the_two_as_reports_compared(one, other, way):
    a, b = one, other
    if way == "across":
        b = refolded(other)
    if way == "some":
        b = some_rows(other, np.random.default_rng(2).random(240) < 0.8)
    if way == "rows":
        a, b = described.activation(n=80), described.activation(n=80, seed=9)
    found = less(a, b)
    reports = comparing.compare(whole(named(a, "gap")), whole(named(b, "gap")), ("main", "branch"), "both")
    wanted = reports.grids[0].grid
    for field in ("value", "low", "high", "n", "status"):
        np.testing.assert_array_equal(getattr(found.grid, field), getattr(wanted, field))
    assert np.isfinite(found.grid.low).any()
    if way != "rows":
        table = next(table for table in reports.tables if table.name == "nested")
        assert found.grid.settings["nested"] == {**dict(zip(table.columns, table.rows[0], strict=True)), "grid": "a"}
    assert found.grid.settings["paired"] == {"some": "across"}.get(way, way)


def test_examples_of_other_data_are_not_paired_and_their_intervals_follow_from_both_sides(one, other):
    found = less(one, other, {"a": "here", "b": "there"})
    assert found.grid.settings["paired"] == "independent"
    grid, (a, b) = found.grid, (one.grid, other.grid)
    np.testing.assert_allclose(grid.value, b.value - a.value)
    np.testing.assert_allclose(grid.value - grid.low, np.hypot(b.value - b.low, a.high - a.value))
    np.testing.assert_allclose(grid.high - grid.value, np.hypot(b.high - b.value, a.value - a.low))
    assert (grid.n == 480).all()
    paired = less(one, other).grid
    assert np.nanmedian(grid.high - grid.low) > np.nanmedian(paired.high - paired.low)
    nested = grid.settings["nested"]
    sides = (one.selection.estimate, other.selection.estimate)
    assert nested["difference"] == sides[1].value - sides[0].value
    assert nested["high"] - nested["difference"] == pytest.approx(
        math.hypot(sides[1].high - sides[1].value, sides[0].value - sides[0].low)
    )
    assert less(one, other, {"a": "here", "b": "there"}, match="ids").grid.settings["paired"] == "folds"
    assert less(one, other, {"a": "", "b": ""}).grid.settings["paired"] == ""


@given(st.tuples(*[st.floats(-2, 2)] * 2), st.tuples(*[st.floats(0.01, 1)] * 2))
def test_limits_recovered_from_symmetric_ones_are_those_of_the_sum_of_variances(values, halves):
    (b, a), (wide, narrow) = values, halves
    low, high = Independent.bounds((b, b - wide, b + wide), (a, a - narrow, a + narrow))
    half = math.sqrt(wide**2 + narrow**2)
    assert (low, high) == pytest.approx((b - a - half, b - a + half))


def test_intervals_of_unpaired_differences_cover_the_truth():
    """Two means of other rows each, with Student's intervals; the truth is 0.3."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        sides = []
        for mean, n in ((0.0, 40), (0.3, 60)):
            rows = rng.normal(mean, 1.0, (1, n))
            found = stats.grouped_mean(rows, np.arange(n), 0.95)
            sides.append((float(found.value[0]), float(found.low[0]), float(found.high[0])))
        low, high = Independent.bounds(sides[1], sides[0])
        covered += low <= 0.3 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_grids_of_other_quantities_are_refused_in_words(one):
    with pytest.raises(BadInput, match=r"grids\.gap: a holds AUROC, b norm.*name two grids of one quantity"):
        less(one, described.activation(n=60))
    with pytest.raises(BadInput, match="have no layer in common"):
        less(one, named(one, "b", layers=tuple(layer + 10 for layer in one.grid.layers)))


def test_labels_that_are_not_the_same_in_both_are_counted(one, other):
    held = other.held_out
    labels = held.labels.copy()
    labels[:7] = ~labels[:7]
    moved = replace(other, held_out=replace(held, labels=labels))
    found = less(one, moved)
    assert (found.grid.settings["labels_differ"], found.grid.settings["paired"]) == (7, "across")
    assert less(one, other).grid.settings["labels_differ"] == 0


# ---------------------------------------------------------------- what the report says


def several(one: GridResult, other: GridResult, gap: GridResult | None) -> Results:
    """A report of two grids of a family and their difference."""
    members = (Member("a", (("dataset", "sums"), ("site", "residual"))),
               Member("b", (("dataset", "sums"), ("site", "mlp_out"))))  # fmt: skip
    grids = (named(one, "a"), named(other, "b", site="mlp_out"), *([gap] if gap else []))
    family = Family("errors", members, ("gap",) if gap else ())
    return replace(whole(one), grids=grids, families=(family,), tables=())


def told(results: Results) -> str:
    return " ".join(s.text for s in prose.summarise(results, facts.derive(results)).abstract)


def test_the_abstract_says_what_intervals_permit_and_how_they_are_paired(one, other):
    words = told(several(one, other, less(one, other)))
    assert "The nested bests of the two grids of errors, which differ in the site, lie between" in words
    assert "for sums, the nested best of mlp_out stands 0." in words
    assert "above that of residual" in words
    assert "the difference is paired on the rows, which stand in the same folds." in words
    level = told(several(one, one, less(one, named(one, "b"))))
    assert "stands 0." not in level.partition("gap")[2].partition("residual")[0]
    apart = told(several(one, other, less(one, other, {"a": "x", "b": "y"})))
    assert "not paired, because the examples come from different data" in apart


def test_one_table_holds_every_grid_and_one_the_differences(one, other):
    found = {sheet.key: sheet for sheet in sheets.of(several(one, other, less(one, other)))}
    table = found["several"]
    assert table.columns[:4] == ("Model", "Data set", "Site", f"Nested AUROC [{text.percent(0.95)} interval]")
    assert len(table.rows) == 2
    best = one.selection.estimate
    assert table.rows[0][3] == f"{best.value:.2f} [{best.low:.2f}, {best.high:.2f}]"
    assert int(table.rows[0][-2]) - int(table.rows[0][-1]) == int(one.held_out.labels.sum())
    assert found["several.differences"].rows[0][:2] == ("b", "a")
    assert found["several.differences"].rows[0][3:] == ("paired, same folds", "240")
    assert "several" not in {sheet.key for sheet in sheets.of(replace(several(one, other, None), families=()))}


def test_small_maps_of_a_family_share_one_scale_and_all_layers_and_positions(one, other):
    short = synthetic.grid_result(layers=2, n=240, positions=synthetic.FIFTEEN[2:7])
    results = several(one, short, None)
    figure = Multiples(grid="errors").draw(results, load("paper"))
    about = figure.spec["usermeta"]["layergrid"]
    assert figure.name == "errors.family"
    assert [one[2] for one in about["maps"]] == ["sums, residual", "sums, mlp_out"]
    assert about["layers"] == list(one.grid.layers)
    assert list(about["positions"]) == list(synthetic.FIFTEEN[:7])
    assert "All maps are on one scale. Grey: no value." in about["note"]
    rows = figure.spec["layer"][0]["data"]["values"]
    lacking = [row for row in rows if row["map"] == "sums, mlp_out" and row["layer"] not in short.grid.layers]
    assert lacking
    assert all(value is None for row in lacking for value in row["value"])
    with pytest.raises(BadInput, match="'errors' is several grids; remove role 'head'"):
        Multiples(grid="errors", role="head").draw(results, load("paper"))
    with pytest.raises(BadInput, match="no two hold values of one quantity"):
        Multiples(grid="errors").draw(several(one, described.activation(n=60), None), load("paper"))


# ---------------------------------------------------------------- verify


def test_verify_recomputes_differences_and_holds_their_sides_against_the_grids(one, other):
    for told_ in (SAME, {"a": "x", "b": "y"}):
        results = several(one, other, less(one, other, told_))
        notes = Notes()
        checked.check(results.grids[2], notes)
        checked.check_within(results, notes)
        assert notes.done().problems == ()
    gap = less(one, other)
    changed = replace(gap, grid=replace(gap.grid, value=gap.grid.value + 0.01))
    notes = Notes()
    checked.check(changed, notes)
    assert len(notes.done().problems) == gap.grid.value.size
    settings = {**gap.grid.settings, "nested": {**gap.grid.settings["nested"], "low": 0.5}}
    notes = Notes()
    checked.check_within(several(one, other, replace(gap, grid=replace(gap.grid, settings=settings))), notes)
    assert ["low is 0.5" in problem.message for problem in notes.done().problems] == [True]
    notes = Notes()
    checked.check_within(several(other, one, gap), notes)
    assert ["other cells or rows" in problem.message for problem in notes.done().problems] == [True, True]


def test_a_report_of_a_family_and_a_difference_is_verified_whole(one, other, tmp_path):
    from layergrid.verify import verify

    assert verify(built(several(one, other, less(one, other)), tmp_path / "report")).problems == ()


# ---------------------------------------------------------------- a build

TEXTS = """\
models: {tiny: builtin:arithmetic}
variables: {n: 30}
datasets:
  plain: &sums {source: builtin:arithmetic, sample: "${n}", group: operands, prompt: "{{ question }}", generate: null}
  asked: {<<: *sums, prompt: "Question: {{ question }}"}
  others: {<<: *sums, source: {kind: inline, rows: [{question: "What is it?", operands: a},
    {question: "Who is it?", operands: b}, {question: "Where is it?", operands: c}]}, sample: null}
positions: [last_q]
grids:
  size:
    kind: activation
    measure: norm
    layers: [1, 4]
    matrix: {dataset: all, site: [residual, mlp_out]}
    override: {others-mlp_out: null}
    differences: {against: plain}
outputs: [md]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return build(tmp_path_factory.mktemp("family"), TEXTS)


def test_a_build_of_a_matrix_has_its_grids_their_differences_and_the_family(study):
    assert study.ran.code == 0, study.ran.err
    card = json.loads((study.report / "results" / "results.json").read_text(encoding="utf-8"))
    paired = {grid["name"]: grid["settings"].get("paired") for grid in card["grids"]}
    assert paired == {
        "size-plain-residual": None, "size-plain-mlp_out": None, "size-asked-residual": None,
        "size-asked-mlp_out": None, "size-others-residual": None, "size-asked-less-plain-residual": "rows",
        "size-asked-less-plain-mlp_out": "rows", "size-others-less-plain-residual": "independent",
    }  # fmt: skip
    assert [family["name"] for family in card["families"]] == ["size"]


def test_a_second_build_makes_nothing_and_one_choice_more_makes_only_its_own(study, tmp_path):
    from building import cache

    copy = tmp_path / "more.yaml"
    copy.write_text(TEXTS.replace("[residual, mlp_out]", "[residual, mlp_out, attention_out]"), encoding="utf-8")
    with cache(study.cache):
        plan = run("plan", study.spec)
        more = run("plan", copy)
    assert "nothing" in plan.out or "0 to make" in plan.out, plan.out
    assert "size-plain-attention_out" in more.out
    assert "grid size-plain-residual" not in [row.strip() for row in more.out.splitlines()]


def test_the_report_of_a_build_is_verified(study, tmp_path):
    shutil.copytree(study.report, tmp_path / "small")
    ran = run("verify", tmp_path / "small")
    assert ran.code == 0, ran.err + ran.out


def test_two_halves_of_one_source_are_taken_as_independent_unless_they_share_groups(one):
    half = np.arange(240) < 120
    a, b = some_rows(one, half), some_rows(one, ~half)
    gap = less(a, b).grid
    assert gap.settings["paired"] == "independent"
    assert gap.settings["apart"] == "neither an example nor a group of examples is in both"
    assert np.isfinite(gap.low).any()
    shared = replace(b, held_out=replace(b.held_out, groups=(a.held_out.groups[0], *b.held_out.groups[1:])))
    assert less(a, shared).grid.settings["paired"] == ""
    assert "no example is in both" in less(a, shared).grid.settings["methods"]["pairs"]


def test_what_tells_examples_apart_is_their_source_and_how_their_ids_are_made_and_not_what_is_left_out():
    from types import SimpleNamespace
    from typing import Any

    from layergrid.loaders.csv import CsvLoader
    from layergrid.pipeline.study import Study as Built
    from layergrid.spec import DatasetSpec

    def told(**keys: Any) -> str:
        loader = CsvLoader(address="x.csv")
        data = DatasetSpec(source="x.csv", loader=loader, prompt="{{ q }}", generate=None, **keys)
        grids = {"gap": SimpleNamespace(stands_alone=False, dataset="x")}
        return Built.told_apart(SimpleNamespace(spec=SimpleNamespace(grids=grids, datasets={"x": data})), "gap")  # type: ignore[arg-type]  # it reads no more of a study

    assert told() == told(where="q != ''")  # ids are numbers of rows of the source, whatever is left out
    one, other = (told(id="id", columns={"id": column}) for column in ("mine", "theirs"))
    assert len({told(), one, other}) == 3
