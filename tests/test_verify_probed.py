from __future__ import annotations

import json
import math
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import probed
from layergrid import archive, facts, publish, render
from layergrid.artifacts import Baseline, GridResult
from layergrid.kinds import BadInput
from layergrid.verify import grids, paired, verify
from layergrid.verify.problems import Notes

RESULTS = "results/results.json"
SCORES = "results/errors.held_out.parquet"


@cache
def made(kind):
    return probed.KINDS[kind]()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A folder of each kind of grid, written once."""
    home = tmp_path_factory.mktemp("probed")
    for kind in probed.KINDS:
        archive.write(probed.results(made(kind)), home / kind)
    return home


@pytest.fixture
def copy(originals, tmp_path):
    """Makes a copy to tamper with."""
    return lambda kind: shutil.copytree(originals / kind, tmp_path / kind)


def checked(folder):
    """What the numbers of a folder are told to lack, and how much was checked; no page is looked at."""
    notes, results = Notes(), archive.read(folder)
    for one in results.grids:
        grids.check(one, folder, notes)
    paired.check(results, facts.derive(results), "facts.json", notes)
    return notes.done()


def told(result: GridResult, folder):
    """The messages about a grid that is written anew."""
    archive.write(probed.results(result), folder)
    notes = Notes()
    grids.check(result, folder, notes)
    return [p.message for p in notes.done().problems]


@pytest.mark.parametrize("kind", probed.KINDS)
def test_a_grid_of_every_kind_agrees_with_its_scores_and_it_is_said_what_was_checked(originals, kind):
    found = checked(originals / kind)
    assert found.problems == ()
    assert found.counts["cell"] == 6
    assert found.counts["estimate"] == 6
    assert found.counts["permuted statistic"] == 6 + 99
    assert found.counts["control value"] == found.counts["direction"] == 6
    assert found.counts["paired difference"] >= 6 + 2 + 1
    assert found.counts.get("facet cell", 0) == (18 if kind in ("classes", "accuracy") else 0)
    assert "105 permuted statistics, 6 control values and 6 directions checked, all agree" in found.sentence


def test_nothing_but_a_digest_can_guard_what_follows_from_fits_that_are_not_kept(copy):
    """Each number of a grid in results.json, changed one at a time: which of them the other numbers do not bear."""
    folder = copy("auroc")
    path = folder / RESULTS
    card = json.loads(path.read_text(encoding="utf-8"))
    missed = set()
    for trail, value in list(numbers_of(card["grids"][0])):
        set_at(card["grids"][0], trail, value + 1 if isinstance(value, int) else value + 0.0101)
        path.write_text(json.dumps(card), encoding="utf-8")
        notes = Notes()
        with suppress(BadInput):
            grids.check(archive.read(folder).grids[0], folder, notes)
            if not notes.done().problems:
                missed.add(".".join(step for step in trail if isinstance(step, str)))
        set_at(card["grids"][0], trail, value)
    assert missed == {
        "settings.seed", "settings.penalties",
        "selection.winners.penalty", "permutation.detectable", "permutation.power", "permutation.fixed",
        "control.draws", "control.types", "control.shared",
    }  # fmt: skip


def numbers_of(value, trail=()):
    """Every number in JSON with the way to it."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_of(one, (*trail, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield trail, value


def set_at(value, trail, new):
    for step in trail[:-1]:
        value = value[step]
    value[trail[-1]] = new


def change(path, column, row, value):
    """One cell of a Parquet file, changed."""
    table = pq.ParquetFile(path).read()
    index = table.column_names.index(column)
    values = table.column(index).to_pylist()
    values[row] = value(values[row])
    kind = table.schema.field(index).type
    pq.write_table(table.set_column(index, column, pa.array(values, type=kind)), path)


def further(value):
    return value + 30


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        ("auroc", "nested", further),
        ("auroc", "baseline.length", further),
        ("auroc", "baseline.logprobs", further),
        ("auroc", "baseline.logprobs+probe", further),
        ("auroc", "position.-1", further),
        ("auroc", "cell.4.-1", further),
        ("auroc", "label", lambda one: not one),
        ("auroc", "group", lambda one: one + "x"),
        ("auroc", "fold", lambda one: (one + 1) % 4),
        ("repeats", "fold", lambda one: (one + 1) % 4),
        ("repeats", "fold", lambda one: one + 4),
        ("repeats", "example_id", lambda one: one + "x"),
        ("repeats", "group", lambda one: one + "x"),
        ("fixed split", "cell.0.last_q", further),
        ("classes", "target", lambda one: (one + 1) % 3),
        ("classes", "nested.cat", further),
        ("classes", "baseline.length.fish", further),
        ("classes", "position.last_q.dog", further),
        ("classes", "class.cat.1.-1", further),
        ("accuracy", "class.cat.1.-1", lambda one: -30 - one),
        ("number", "target", further),
        ("number", "cell.1.last_q", further),
        ("ranks", "target", further),
        ("ranks", "cell.1.last_q", further),
        ("ranks", "nested", further),
    ],
)
def test_one_changed_entry_of_the_held_out_scores_is_found(copy, kind, column, value):
    folder = copy(kind)
    rows = pq.read_table(folder / SCORES, columns=["label", "fold"]).to_pylist()
    row = next(i for i, one in enumerate(rows) if not one["label"] and one["fold"] == 0)
    change(folder / SCORES, column, row, value)
    assert checked(folder).problems


@pytest.mark.parametrize("kind", ["repeats", "classes", "number", "accuracy", "ranks"])
@pytest.mark.parametrize("column", ["value", "low", "high", "n", "n_positive", "p_adjusted"])
def test_one_changed_number_of_a_cell_is_found(copy, kind, column):
    folder = copy(kind)
    change(folder / "grids" / "errors.parquet", column, 3, lambda one: one + (1 if column[0] == "n" else 0.001))
    found = [p for p in checked(folder).problems if p.where == "grids/errors.parquet"]
    assert len(found) == 1
    assert f"layer 1 at -1: {column} is " in found[0].message


@pytest.mark.parametrize("column", ["value", "low", "high"])
def test_one_changed_number_of_the_map_of_a_class_is_found(copy, column):
    folder = copy("classes")
    change(folder / "grids" / "errors.parquet", column, 6 + 3, lambda one: one - 0.001)
    found = [p for p in checked(folder).problems if p.where == "grids/errors.parquet"]
    assert len(found) == 1
    assert f"dog against the rest, layer 1 at -1: {column} is " in found[0].message


@pytest.mark.parametrize("column", ["control", "selectivity"])
@pytest.mark.parametrize("kind", ["auroc", "number"])
def test_one_changed_number_of_the_control_task_is_found(copy, kind, column):
    folder = copy(kind)
    change(folder / "results" / "errors.cells.parquet", column, 2, lambda one: one + 0.001)
    assert any("control task, layer 1 at last_q: selectivity is" in p.message for p in checked(folder).problems)


def test_statistics_and_maxima_that_do_not_give_the_p_values_are_found(copy):
    folder = copy("auroc")
    change(folder / "results" / "errors.cells.parquet", "observed", 5, lambda one: 0.0)
    assert any("layer 4 at -1: p_adjusted is" in p.message for p in checked(folder).problems)
    folder = shutil.copytree(folder, folder.parent / "again")
    path = folder / "results" / "errors.maxima.parquet"
    change(folder / "results" / "errors.cells.parquet", "observed", 5, lambda one: 5.5)
    change(path, "maximum", int(np.argmin(made("auroc").permutation.maxima)), lambda one: 9.9)
    assert sum("p_adjusted is" in p.message for p in checked(folder).problems) >= 3


PERMUTED = made("auroc").permutation


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"observed": PERMUTED.observed * 40}, "is no standardised statistic of 99 relabellings"),
        ({"maxima": np.full(99, np.nan)}, "is no standardised statistic"),
        ({"maxima": PERMUTED.maxima[1:]}, "the setting permutations is 99"),
        ({"statistic": "logistic"}, "the setting relabelled is 'ridge'"),
        ({"detectable": 0.4}, "the detectable value 0.4 is out of range"),
        ({"detectable": 1.01}, "the detectable value 1.01 is out of range"),
        ({"power": 1.0}, "the power 1.0 is no probability"),
        ({"fixed": -1}, "-1 rows are fixed"),
    ],
)
def test_a_permutation_test_that_cannot_be_is_found(tmp_path, changes, said):
    one = made("auroc")
    found = told(replace(one, permutation=replace(one.permutation, **changes)), tmp_path)
    assert any(said in message for message in found), found


def test_a_permutation_test_without_a_detectable_value_is_fine(tmp_path):
    one = made("auroc")
    assert told(replace(one, permutation=replace(one.permutation, detectable=math.nan)), tmp_path) == []


def test_p_values_from_relabellings_that_are_not_there_are_found(tmp_path):
    found = told(replace(made("auroc"), permutation=None), tmp_path)
    assert any("come from relabellings, of which none are there" in message for message in found)


def test_no_cell_needs_a_p_value_where_none_was_tested(tmp_path):
    one = made("auroc")
    settings = {**one.grid.settings, "cells_tested": 0}
    grid = replace(one.grid, p_adjusted=np.full((3, 2), np.nan), settings=settings)
    assert told(replace(one, grid=grid, permutation=None), tmp_path) == []


def test_holm_still_corrects_where_it_is_the_correction(tmp_path):
    one = made("repeats")
    settings = {k: v for k, v in one.grid.settings.items() if k not in ("permutations", "relabelled")}
    grid = replace(one.grid, settings=settings | {"correction": "Holm"})
    found = told(replace(one, grid=grid, permutation=None), tmp_path)
    assert len(found) == 6
    assert all("p_adjusted is" in message for message in found)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("low", 0.9, "the interval from 0.9"),
        ("high", -0.9, "the interval from"),
        ("low", math.nan, "the interval from nan"),
        ("value", 1.5, "the value 1.5 is out of range"),
        ("selectivity", math.nan, "selectivity is nan"),
    ],
)
def test_a_control_task_that_cannot_be_is_found(tmp_path, field, value, said):
    one = made("auroc")
    values = getattr(one.control, field).copy()
    values[1, 0] = value
    found = told(replace(one, control=replace(one.control, **{field: values})), tmp_path)
    assert any(f"control task, layer 1 at last_q: {said}" in message for message in found), found


def test_counts_and_shares_of_a_control_task_that_cannot_be_are_found(tmp_path):
    one = made("auroc")
    assert told(replace(one, control=replace(one.control, draws=0)), tmp_path)
    assert told(replace(one, control=replace(one.control, types=(1, -1))), tmp_path)
    assert told(replace(one, control=replace(one.control, shared=(0.5, 1.5))), tmp_path)
    assert told(replace(one, control=replace(one.control, shared=(0.5, math.nan))), tmp_path) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_half_a_direction_is_found(tmp_path, value):
    one = made("auroc")
    weights = one.directions.weights.copy()
    weights[1, 0, 2] = value
    found = told(replace(one, directions=replace(one.directions, weights=weights)), tmp_path)
    assert found == ["errors: the direction of layer 1 at last_q is not one"]


def test_a_cell_without_a_direction_is_fine(tmp_path):
    one = made("auroc")
    weights, intercepts = one.directions.weights.copy(), one.directions.intercepts.copy()
    weights[1, 0], intercepts[1, 0] = np.nan, np.nan
    assert (
        told(replace(one, directions=replace(one.directions, weights=weights, intercepts=intercepts)), tmp_path) == []
    )


def without(scores, rows=slice(0, 1)):
    found = scores.copy()
    found[..., rows] = np.nan
    return found


def test_estimates_without_scores_and_scores_without_estimates_are_found(tmp_path):
    one = made("repeats")
    held = one.held_out
    bare = replace(
        held, baselines={"length": held.baselines["length"], "logprobs": without(held.baselines["logprobs"])}
    )
    assert told(replace(one, held_out=bare), tmp_path) == [
        "errors: added to logprobs: has a value, but no held-out scores"
    ]
    alone = held.by_position.copy()
    alone[1] = np.nan
    found = told(replace(one, held_out=replace(held, by_position=alone)), tmp_path)
    assert found == ["errors: best layer at -1: has a value, but no held-out scores"]
    found = told(replace(one, by_position=(one.by_position[0], None)), tmp_path)
    assert found == ["errors: best layer at -1: has held-out scores, but no value"]
    assert told(replace(one, by_position=()), tmp_path) == [
        "errors: has scores of each position, but not one estimate for each"
    ]
    found = told(replace(one, held_out=replace(held, nested=without(held.nested))), tmp_path)
    assert found == ["errors: nested best: has a value, but no held-out scores"]
    more = Baseline("other", "another", one.baselines[0].estimate, None)
    found = told(replace(one, baselines=(*one.baselines, more)), tmp_path)
    assert found == ["errors: baseline other: has a value, but no held-out scores"]


def test_a_winner_taken_away_and_scores_of_no_layer_are_found(tmp_path):
    one = made("classes")
    selection = replace(one.selection, winners=one.selection.winners[:-1])
    assert told(replace(one, selection=selection), tmp_path) == ["errors: has not one winner for each fold"]
    held = one.held_out
    moved = replace(held, by_position=held.by_position + np.array([0.0, 0.5])[:, None, None])
    found = told(replace(one, held_out=moved), tmp_path)
    assert sum("are those of no layer" in message for message in found) == 8


def test_the_share_of_the_largest_class_is_held_against_the_rows(copy):
    folder = copy("accuracy")
    path = folder / RESULTS
    content = path.read_text(encoding="utf-8")
    majority = f'"majority": {json.dumps(made("accuracy").grid.settings["majority"])}'
    assert majority in content
    path.write_text(content.replace(majority, '"majority": 0.5'), encoding="utf-8")
    said = [p.message for p in checked(folder).problems]
    assert any("the setting majority is 0.5" in message for message in said)
    assert any("chance is" in message for message in said)


# ---------------------------------------------------------------- differences of positions and of grids


def two_grids():
    """Two grids on the same rows, folds and labels."""
    one = made("repeats")
    other = probed.result(repeats=3)
    held = replace(other.held_out, nested=other.held_out.nested[::-1].copy())
    return one, replace(other, grid=replace(other.grid, name="others"), held_out=held)


@pytest.mark.parametrize("rule", [paired.POSITIONS, paired.GRIDS])
@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_a_difference_of_positions_or_grids_that_the_scores_do_not_give_is_found(rule, field):
    results = probed.results(*two_grids())
    derived = facts.derive(results)
    notes = Notes()
    paired.check(results, derived, "facts.json", notes)
    assert notes.done().problems == ()
    chosen = next(f for f in derived if f.rule == rule)
    changed = tuple(replace(f, **{field: getattr(f, field) + 0.001}) if f is chosen else f for f in derived)
    paired.check(results, changed, "facts.json", notes)
    (problem,) = notes.done().problems
    assert chosen.id in problem.message


def test_a_difference_of_grids_on_other_rows_is_found():
    one, other = two_grids()
    derived = facts.derive(probed.results(one, other))
    assert any(f.rule == paired.GRIDS for f in derived)
    moved = replace(other, held_out=replace(other.held_out, folds=np.roll(other.held_out.folds, 1)))
    notes = Notes()
    paired.check(probed.results(one, moved), [f for f in derived if f.rule == paired.GRIDS], "facts.json", notes)
    assert len(notes.done().problems) == 1


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["cells.parquet", "maxima.parquet", "directions.safetensors", "held_out.parquet"])
def test_one_changed_byte_of_any_file_of_a_grid_is_told_by_its_digest_or_is_damage(copy, name):
    folder = copy("auroc")
    render.write_presentation(render.Presentation(outputs=()), folder)
    publish.write_manifest(folder, {}, {})
    assert not any("changed since" in p.message for p in verify(folder).problems)
    path = folder / "results" / f"errors.{name}"
    content = bytearray(path.read_bytes())
    content[-9 if name.endswith("safetensors") else len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    found = verify(folder).problems
    where = f"errors.{name}"
    assert any(where in p.where or where in p.message for p in found)
