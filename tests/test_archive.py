from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthetic
from layergrid import archive
from layergrid.archive import COLUMNS, tables
from layergrid.artifacts import (
    Baseline,
    Estimate,
    ExpectationResult,
    GridResult,
    HeldOut,
    Illustration,
    Results,
    Table,
)
from layergrid.kinds import BadInput

ODD = (
    "</script><img src=x onerror=alert(1)>", "{{ 7*7 }}", "\ud800", "a\udfffb", "\ud83d\ude00", "\\ud800", "\\\ud800",
    "\\\\ud800\ud800", "שלום\u202e", "😀", "nul\0nul", "", "\r\n", '"quoted", and; more', "\u2028", "=1+1",
)  # fmt: skip


def same(a, b, where="results"):
    """Equality in which NaN equals NaN, a tuple is not a list, and 1 is not 1.0."""
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray), where
        assert a.shape == b.shape, where
        assert a.dtype.kind == b.dtype.kind, where
        np.testing.assert_array_equal(a, b, err_msg=where)
        return
    assert type(a) is type(b), where
    if is_dataclass(a):
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for name in a:
            same(a[name], b[name], f"{where}[{name!r}]")
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b), where
    else:
        assert a == b, where


def small(**options):
    return synthetic.results(**{"layers": 3, "positions": ("last_q", "-1"), "n": 24, "folds": 3, **options})


def with_grid(results, **changes):
    one = results.grids[0]
    return replace(results, grids=(replace(one, grid=replace(one.grid, **changes)),))


def all_missing():
    results = small()
    one, nan = results.grids[0], np.full((3, 2), np.nan)
    grid = replace(
        one.grid, value=nan, low=nan, high=nan, p_adjusted=nan, n=np.zeros((3, 2), int),
        n_positive=np.zeros((3, 2), int), status=np.full((3, 2), "missing"),
        reason=np.full((3, 2), "no example has this position"),
        tied_with_best=np.zeros((3, 2), bool),
    )  # fmt: skip
    held = replace(one.held_out, cells=np.full_like(one.held_out.cells, np.nan), nested=np.full(24, np.nan))
    nothing = Estimate(math.nan, math.nan, math.nan, 0.95, 0)
    selection = replace(one.selection, estimate=nothing, winners=())
    baselines = (Baseline("answer_length", "length", None, None, "one class only"), Baseline("x", "y", nothing, None))
    return replace(results, grids=(GridResult(grid, selection, baselines, held),))


def odd_texts():
    results = small(positions=ODD[:5])
    one = results.grids[0]
    n = len(one.held_out.example_ids)
    held = replace(
        one.held_out,
        example_ids=tuple(f"{ODD[i % len(ODD)]}{i}" for i in range(n)),
        groups=tuple(ODD[i % len(ODD)] for i in range(n)),
        baselines=dict(zip(ODD[2:5], one.held_out.baselines.values(), strict=True)),
    )
    reason = np.array([[ODD[(i + j) % len(ODD)] for j in range(5)] for i in range(3)])
    grid = replace(
        one.grid, reason=reason, model=ODD[2], dataset=ODD[3], name="odd \ud800/../../name",
        settings={"\ud83d\ude00": list(ODD), "deep": {"nan": [math.nan, -math.inf], "$number": "nan", "none": None}},
    )  # fmt: skip
    illustration = Illustration(
        ODD[0], ODD[2], ODD, (False,) * len(ODD), 3, None, ((ODD[4], 0, 1, "ok"),), False, ODD[5], ""
    )
    table = Table("odd", ODD[:2], ((ODD[4], 1), (None, 1.0), (True, math.nan), (-0.0, 2**60)))
    expectations = (ExpectationResult(ODD[2], False, math.nan, 0.7),)
    return replace(
        results, grids=(replace(one, grid=grid, held_out=held),), title=ODD[2], interpretation=ODD[10], authors=ODD,
        illustrations=(illustration,), tables=(table,), expectations=expectations, versions={"torch": "2"},
    )  # fmt: skip


def bare():
    return Results("t", 0, (), (), (), (), ())


def two_grids():
    one, other = small(), small(seed=3)
    second = other.grids[0]
    plain = GridResult(replace(second.grid, name="Other.grid-2", contrast="wrong - right", head="mean"))
    return replace(one, grids=(*one.grids, plain))


def no_cells():
    one = small().grids[0]
    empty = {f: np.zeros((3, 0)) for f in ("value", "low", "high", "p_adjusted")}
    grid = replace(
        one.grid, positions=(), n=np.zeros((3, 0), int), n_positive=np.zeros((3, 0), int),
        status=np.zeros((3, 0), "U2"), reason=np.zeros((3, 0), "U2"), tied_with_best=np.zeros((3, 0), bool), **empty,
    )  # fmt: skip
    held = replace(one.held_out, cells=np.zeros((3, 0, 24), np.float32), baselines={})
    return replace(small(), grids=(GridResult(grid, None, (), held),))


CASES = {
    "synthetic": synthetic.results, "small": small, "all missing": all_missing, "odd texts": odd_texts, "bare": bare,
    "two grids": two_grids, "no cells": no_cells,
    "one cell": lambda: small(layers=1, positions=("p",)),
    "upside down": lambda: with_grid(small(), value=1 - small().grids[0].grid.value),
    "infinite": lambda: with_grid(small(), value=np.full((3, 2), -np.inf), low=np.full((3, 2), 5e-324)),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    archive.write(small(), tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_results_come_back_as_they_were(case, tmp_path):
    results = CASES[case]()
    archive.write(results, tmp_path)
    same(archive.read(tmp_path), results)


@pytest.mark.parametrize("case", CASES)
def test_writing_twice_gives_the_same_bytes(case, tmp_path):
    for place in ("a", "b"):
        archive.write(CASES[case](), tmp_path / place)
    archive.write(archive.read(tmp_path / "a"), tmp_path / "c")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "c" / file).read_bytes()


texts = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(ODD)
numbers = st.floats(width=64, allow_nan=True, allow_infinity=True)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | numbers | texts
json_values = st.recursive(scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(texts, one, max_size=3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(numbers, min_size=6, max_size=6),
    reasons=st.lists(texts.map(lambda one: one.rstrip("\0")), min_size=6, max_size=6),
    positions=st.lists(texts, min_size=2, max_size=2, unique=True),
    name=texts,
    rows=st.lists(st.tuples(scalars, scalars), max_size=4),
    card=st.dictionaries(texts, json_values, max_size=3),
)
def test_any_numbers_and_texts_come_back(values, reasons, positions, name, rows, card, tmp_path_factory):
    array = np.array(values).reshape(3, 2)
    results = with_grid(
        small(), value=array, low=array[::-1].copy(), reason=np.array(reasons, dtype=np.str_).reshape(3, 2),
        positions=tuple(positions), name=name, settings=card,
    )  # fmt: skip
    results = replace(results, title=name, tables=(Table(name, ("a", "b"), tuple(rows)),))
    place = tmp_path_factory.mktemp("any")
    archive.write(results, place)
    same(archive.read(place), results)
    assert archive.csv_problems(place, results.grids[0].grid) == []


@given(texts | st.text("\\ud8f\ud800\udc00", max_size=12))
def test_escapes_are_undone_exactly_and_can_be_encoded(text):
    written = tables._escaped(text)
    written.encode("utf-8")
    assert tables._unescaped(written) == text


def test_a_single_grid_comes_back_as_it_was(tmp_path):
    for one in two_grids().grids:
        archive.write_grid(one, tmp_path)
    for one in two_grids().grids:
        same(archive.read_grid(tmp_path, one.grid.name), one)


def test_the_columns_are_those_of_the_design(folder):
    expected = (
        "model,dataset,grid,site,head,contrast,layer,position,metric,value,low,high,level,n,n_positive,p_adjusted,"
        "status,reason"
    )
    assert (folder / "grids" / "errors.csv").read_text().splitlines()[0] == expected
    assert ",".join(pq.read_table(folder / "grids" / "errors.parquet").column_names) == expected
    assert ",".join(COLUMNS) == expected


def test_the_csv_and_the_parquet_file_say_the_same_with_full_precision(folder):
    with (folder / "grids" / "errors.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    cells = pq.read_table(folder / "grids" / "errors.parquet").to_pylist()
    assert [float(line["value"]) for line in lines] == [cell["value"] for cell in cells]
    assert [(int(line["layer"]), line["position"]) for line in lines] == [(c["layer"], c["position"]) for c in cells]


def test_json_is_strict_and_ascii(tmp_path):
    archive.write(odd_texts(), tmp_path)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    text = (tmp_path / "results" / "results.json").read_bytes().decode("ascii")
    json.loads(text, parse_constant=refuse)


def test_no_name_of_a_grid_leads_out_of_the_folder(tmp_path):
    for name in ("../../up", "/etc/x", "..", ".", "", "a\\b", "nul\0", "\ud800", "C:x", "ok_1.2-b"):
        files = [archive.grid_file(name, "csv"), archive._held_out_file(name)]
        assert all(file.count("/") == 1 and ".." not in file.split("/")[1][:2] for file in files)
        assert all((tmp_path / file).resolve().is_relative_to(tmp_path.resolve()) for file in files)
    assert archive.grid_file("ok_1.2-b", "csv") == "grids/ok_1.2-b.csv"
    assert len({archive.grid_file(n, "csv") for n in ("a/b", "a%2Fb", "a b", "a_b", ".a", "%2Ea")}) == 6


def test_two_grids_of_one_name_are_refused(tmp_path):
    results = small()
    with pytest.raises(ValueError, match="different names"):
        archive.write(replace(results, grids=results.grids * 2), tmp_path)


def change(path, column, row, value):
    table = pq.read_table(path)
    i = table.column_names.index(column)
    cells = table.column(i).to_pylist()
    cells[row] = value
    pq.write_table(table.set_column(i, table.schema.field(i), pa.array(cells, type=table.schema.field(i).type)), path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("value", 0.123),
        ("low", math.nan),
        ("n", 7),
        ("p_adjusted", 0.5),
        ("status", "one_class"),
        ("reason", "because"),
    ],
)
def test_a_cell_changed_by_hand_is_what_is_read_and_the_csv_disagrees(folder, column, value):
    change(folder / "grids" / "errors.parquet", column, 3, value)
    grid = archive.read(folder).grids[0].grid
    same(getattr(grid, column)[1, 1].item(), value)
    problems = archive.csv_problems(folder, grid)
    assert len(problems) == 1
    assert f"row 5: {column} is" in problems[0]


def test_a_held_out_score_changed_by_hand_is_what_is_read(folder):
    change(folder / "results" / "errors.held_out.parquet", "cell.2.-1", 4, 9.5)
    assert archive.read(folder).grids[0].held_out.cells[2, 1, 4] == 9.5


@pytest.mark.parametrize(
    ("column", "value"),
    [("layer", 2), ("position", "-1"), ("metric", "cosine"), ("model", "other"), ("level", 0.9), ("grid", "x")],
)
def test_a_cell_that_contradicts_its_card_is_refused(folder, column, value):
    change(folder / "grids" / "errors.parquet", column, 0, value)
    with pytest.raises(BadInput, match=f"errors.parquet: does not agree with results.json in the column '{column}'"):
        archive.read(folder)


def test_a_csv_changed_by_hand_is_found(folder):
    path, grid = folder / "grids" / "errors.csv", archive.read(folder).grids[0].grid
    good = path.read_text()
    assert archive.csv_problems(folder, grid) == []
    for bad in (good.replace("0.95", "0.96", 1), good.replace(",ok,", ",OK,", 1), good + "x\n", "", good[:-40]):
        path.write_text(bad)
        assert archive.csv_problems(folder, grid)
    path.unlink()
    assert "cannot be read" in archive.csv_problems(folder, grid)[0]
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read" in archive.csv_problems(folder, grid)[0]


FILES = ("results/results.json", "grids/errors.parquet", "results/errors.held_out.parquet")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "bytes_", [None, b"", b"nonsense", b"PAR1", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}', b"[" * 99999]
)
def test_a_missing_damaged_or_foreign_file_is_named(folder, file, bytes_):
    (folder / file).unlink()
    if bytes_ is not None:
        (folder / file).write_bytes(bytes_)
    with pytest.raises(BadInput, match=file.split("/")[1]) as caught:
        archive.read(folder)
    assert "report" in str(caught.value)


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_or_flipped_file_never_ends_in_another_error(folder, file):
    path = folder / file
    good = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(good)
        bad[draw.integers(len(bad))] ^= 1 << int(draw.integers(8))
        path.write_bytes(bytes(bad[: draw.integers(len(bad))] if draw.random() < 0.3 else bad))
        with suppress(BadInput):  # any other exception fails the test
            archive.read(folder)


def edit(folder, edits):
    path = folder / "results" / "results.json"
    card = json.loads(path.read_text())
    edits(card)
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (lambda c: c.pop("title"), "lacks the field 'title'"),
        (lambda c: c.update(more=1), "has a field 'more'"),
        (lambda c: c.update(seed="0"), "seed: holds '0'"),
        (lambda c: c.update(grids=None), "no list of grids"),
        (lambda c: c.update(grids=[1]), "a grid that has no name"),
        (lambda c: c["grids"][0].pop("quantity"), "lacks the field 'quantity'"),
        (lambda c: c["grids"][0].pop("layers"), "lacks the field 'layers'"),
        (lambda c: c["grids"][0].update(name="other"), "other.parquet: is missing"),
        (lambda c: c["grids"][0].update(layers=[0, 1]), "6 rows where the grid has 4 cells"),
        (lambda c: c["grids"][0].update(positions=["a", "b"]), "does not agree"),
        (lambda c: c["grids"][0].update(tied_with_best=[[True]]), "tied with the best"),
        (lambda c: c["grids"][0].update(held_out={"baselines": ["x"]}), "not one column for each"),
        (lambda c: c["grids"][0].update(held_out=3), "is not what belongs there"),
        (lambda c: c["grids"][0]["selection"].update(estimate=None), "estimate: holds None"),
        (lambda c: c["grids"][0]["quantity"].update(higher_is="bigger"), "higher_is: holds 'bigger'"),
        (lambda c: c["models"][0].update(layers=True), "layers: holds True"),
        (lambda c: c["data"].append({}), "lacks the field 'name'"),
    ],
)
def test_results_that_were_tampered_with_are_refused_with_the_place(folder, edits, said):
    edit(folder, edits)
    with pytest.raises(BadInput) as caught:
        archive.read(folder)
    assert said in str(caught.value)
    assert "build the report again" in str(caught.value)


def test_a_table_from_elsewhere_is_refused(folder):
    path = folder / "grids" / "errors.parquet"
    table = pq.read_table(path)
    texts_ = table.set_column(9, "value", pc.cast(table.column("value"), pa.string()))
    for foreign in (table.drop_columns("low"), table.slice(1), texts_, pa.table({"a": [1]})):
        pq.write_table(foreign, path)
        with pytest.raises(BadInput, match=r"errors\.parquet"):
            archive.read(folder)


def test_a_folder_without_a_report_says_what_to_give(tmp_path):
    with pytest.raises(BadInput, match=r"results\.json: is missing; give the folder of a report"):
        archive.read(tmp_path / "nowhere")


def test_reading_results_needs_neither_torch_nor_pandas(folder):
    code = (
        "import sys, pathlib; from layergrid import archive; assert 'pyarrow' not in sys.modules; "
        "archive.read(pathlib.Path(sys.argv[1])); "
        "print([m for m in ('torch', 'transformers', 'sklearn', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert out.stdout == "[]\n", out.stderr


def test_held_out_scores_keep_every_bit(folder):
    before, after = small().grids[0].held_out, archive.read(folder).grids[0].held_out
    assert isinstance(after, HeldOut)
    assert before.cells.dtype == after.cells.dtype == np.float32
    assert before.cells.tobytes() == after.cells.tobytes()
    assert before.nested.tobytes() == after.nested.tobytes()
