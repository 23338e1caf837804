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

import described
import probed as builders
import synthetic
from layergrid import archive
from layergrid.archive import COLUMNS, measured, parquet
from layergrid.artifacts import (
    Addition,
    Baseline,
    Control,
    Directions,
    Estimate,
    ExpectationResult,
    Facet,
    GradedAnswer,
    GridResult,
    HeldOut,
    Illustration,
    Measured,
    Permutation,
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


def odd_descriptions():
    """Odd names of facets, positions, labels and examples; numbers that are missing or infinite; medians."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 3, 8))
    rows[0, 0], rows[1, 2, 3], rows[0, 1, 2] = np.nan, np.inf, 5e-324
    labels = np.arange(8) % 2 == 0
    facets = {name: ("head", ODD[i], rows + i) for i, name in enumerate(ODD)}
    one = described.from_rows(
        rows, name="odd \ud800/../name", positions=ODD[2:5], labels=labels, facets=facets,
        groups=tuple(ODD[i // 2] for i in range(8)), text_of=ODD[2], model=ODD[4], site="encoder.residual",
    )  # fmt: skip
    named = replace(one.grid.facets[0], name="mean", value=np.full((2, 3), np.nan), role="reference")
    grid = replace(one.grid, head="mean", labels=ODD[3:6], facets=(*one.grid.facets, named))
    measured = replace(one.measured, example_ids=ODD[:8], statistic="median")
    whole = described.results(replace(one, grid=grid, measured=measured))
    model = replace(whole.models[0], encoder_layers=6, heads=12)
    data = replace(whole.data[0], classes=("", ""), written=False, chat="one turn \ud800 \udfff")
    return replace(whole, models=(model,), data=(data,))


def no_rows():
    one = described.activation(n=12, layers=2)
    nothing = np.zeros((2, 7, 0), np.float32)
    return described.results(replace(one, measured=replace(one.measured, example_ids=(), groups=(),
                                                           labels=np.zeros(0, bool), cells=nothing)))  # fmt: skip


def no_measured_cells():
    one = described.activation(n=12, layers=2)
    empty = {f: np.zeros((2, 0)) for f in ("value", "low", "high", "p_adjusted")}
    grid = replace(
        one.grid, positions=(), n=np.zeros((2, 0), int), n_positive=np.zeros((2, 0), int),
        status=np.zeros((2, 0), "U2"), reason=np.zeros((2, 0), "U2"), tied_with_best=np.zeros((2, 0), bool), **empty,
    )  # fmt: skip
    return described.results(GridResult(grid, measured=replace(one.measured, cells=np.zeros((2, 0, 12), np.float32))))


def holed(rng, *shape, dtype=np.float64):
    """Random numbers, one of which is missing."""
    found = rng.normal(size=shape).astype(dtype)
    found[(0,) * len(shape)] = np.nan
    return found


def probed(classes=(), target=False, positions=("last_q", "-1"), repeats=2):
    """All that a probe grid may hold; numbers that follow from nothing."""
    results, rng = small(positions=positions), np.random.default_rng(0)
    one = results.grids[0]
    n, shape, wide = 24 * repeats, (3, len(positions)), (len(classes),) if classes else ()
    held = replace(
        one.held_out, **{f: getattr(one.held_out, f) * repeats for f in ("example_ids", "groups")},
        labels=np.tile(one.held_out.labels, repeats), folds=np.arange(n) // 8, cells=holed(rng, *shape, n, dtype="f4"),
        nested=holed(rng, *wide, n), baselines={"a": holed(rng, *wide, n), "a+probe": holed(rng, n), "": np.ones(n)},
        repeats=repeats, classes=classes, target=holed(rng, n) if target or classes else None,
        by_class={c: holed(rng, *shape, n, dtype="f4") for c in classes},
        by_position=holed(rng, len(positions), *wide, n),
    )  # fmt: skip
    value = Estimate(0.7, math.nan, math.inf, 0.95, 24)
    maps = [holed(rng, *shape) for _ in range(6)]
    control = Control(*maps[:4], draws=3, types=tuple(range(len(positions))), shared=(math.nan,) * len(positions))
    grid = replace(one.grid, name="odd \ud800/../name", value=maps[5], low=maps[5], high=maps[5])
    graded = (
        GradedAnswer("sums", "tiny", "q1", ODD[0], ODD[2], (0, 3), ODD[4], True, True),
        GradedAnswer("sums", "tiny", "q2", ODD[8], "", None, "", False, False, "nothing found"),
    )
    whole = GridResult(
        grid, one.selection, one.baselines, held, by_position=(None, *(value,) * (len(positions) - 1)),
        additions=(Addition("a", "the \ud800", value, value, value),),
        permutation=Permutation("ridge", maps[4], holed(rng, 19), math.nan, 0.8, 3), control=control,
        directions=Directions(holed(rng, *shape, 4, dtype="f4"), holed(rng, *shape, dtype="f4"), holed(rng, *shape)),
    )  # fmt: skip
    return replace(results, grids=(whole,), graded=graded)


def nothing_probed():
    """No position and no relabelling, and of several classes no score."""
    whole = no_cells()
    one, none = whole.grids[0], np.zeros((3, 0))
    held = replace(
        one.held_out, nested=np.full((2, 24), np.nan), classes=ODD[:2], by_position=np.zeros((0, 2, 24)),
        target=np.zeros(24), by_class=dict.fromkeys(ODD[:2], np.zeros((3, 0, 24), np.float32)),
    )  # fmt: skip
    return replace(whole, grids=(replace(
        one, held_out=held, permutation=Permutation("held-out", none, np.zeros(0), 0.9),
        control=Control(none, none, none, none, 1, (), ()),
        directions=Directions(np.zeros((3, 0, 4), np.float32), none.astype(np.float32), none),
    ),))  # fmt: skip


def apart():
    """A permutation test without a control task in one grid, a control task alone in another."""
    one = probed().grids[0]
    other = replace(one, grid=replace(one.grid, name="other"), permutation=None, directions=None)
    return replace(probed(), grids=(replace(one, control=None), other))


CASES = {
    **{f"probed {name}": lambda build=build: builders.results(build()) for name, build in builders.KINDS.items()},
    "probed": probed, "classes": lambda: probed(ODD[:5]), "a value": lambda: probed(target=True, repeats=1),
    "odd positions": lambda: probed(ODD[2:5], positions=ODD[:7]), "nothing probed": nothing_probed, "apart": apart,
    **{name: lambda build=build: described.results(build()) for name, build in described.BUILDERS.items()},
    "everything": described.everything, "odd descriptions": odd_descriptions, "no rows": no_rows,
    "no measured cells": no_measured_cells,
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 5)),
    drawn=st.lists(st.floats(width=32), min_size=45, max_size=45),
    facets=st.lists(
        st.tuples(texts, st.sampled_from(("head", "class", "reference")), texts),
        max_size=3,
        unique_by=lambda one: one[0],
    ),
    words=st.lists(texts, min_size=15, max_size=15),
    statistic=st.sampled_from(("mean", "median")),
    name=texts,
)
def test_any_descriptive_grid_comes_back(shape, drawn, facets, words, statistic, name, tmp_path_factory):
    rows = np.array(drawn, np.float32)[: math.prod(shape)].reshape(shape)
    layers, count, n = shape
    shown = np.resize(np.array(drawn), shape[:2])
    base = described.activation(layers=layers, positions=tuple(f"{i}{words[i]}" for i in range(count)), n=2)
    grid = replace(
        base.grid, name=name, head=words[3], contrast=words[4], labels=tuple(words[5 : 5 + count]), text_of=words[8],
        facets=tuple(Facet(*one, shown, shown[::-1].copy(), -shown) for one in facets), settings={words[9]: words},
        reason=np.array([[one.rstrip("\0")] * count for one in words[10 : 10 + layers]]),
        quantity=replace(base.grid.quantity, caution=words[14]),
    )  # fmt: skip
    measured = Measured(
        tuple(words[:n]), tuple(words[5 : 5 + n]), np.arange(n) % 2 == 0, rows,
        {one: np.roll(rows, k) for k, (one, _, _) in enumerate(facets)}, statistic,
    )  # fmt: skip
    results = described.results(GridResult(grid, measured=measured))
    place = tmp_path_factory.mktemp("any")
    archive.write(results, place)
    same(archive.read(place), results)
    assert archive.csv_problems(place, grid) == []


@given(texts | st.text("\\ud8f\ud800\udc00", max_size=12))
def test_escapes_are_undone_exactly_and_can_be_encoded(text):
    written = parquet.escaped(text)
    written.encode("utf-8")
    assert parquet.unescaped(written) == text


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
        files = [archive.grid_file(name, "csv"), archive._part_file(name, "held_out.parquet")]
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


FILES = (
    "results/results.json", "grids/errors.parquet", "results/errors.held_out.parquet", "grids/likeness.parquet",
    "results/likeness.measured.parquet", "results/probed.cells.parquet", "results/probed.maxima.parquet",
    "results/probed.directions.safetensors", "results/probed.held_out.parquet",
)  # fmt: skip


@pytest.fixture
def folder_of(tmp_path):
    """The folder of a report that holds a file."""

    def made(file):
        results = described.results(described.similarity(layers=2, n=30)) if "likeness" in file else small()
        if "probed" in file:
            results = with_grid(probed(("a", "b", "c")), name="probed")
        archive.write(results, tmp_path)
        return tmp_path

    return made


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "bytes_", [None, b"", b"nonsense", b"PAR1", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}', b"[" * 99999]
)
def test_a_missing_damaged_or_foreign_file_is_named(folder_of, file, bytes_):
    folder = folder_of(file)
    (folder / file).unlink()
    if bytes_ is not None:
        (folder / file).write_bytes(bytes_)
    with pytest.raises(BadInput, match=file.split("/")[1]) as caught:
        archive.read(folder)
    assert "report" in str(caught.value)


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_or_flipped_file_never_ends_in_another_error(folder_of, file):
    folder = folder_of(file)
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


# ---------------------------------------------------------------- facets and measured values


@pytest.fixture
def alike(tmp_path):
    """A report of one grid with a facet and measured values."""
    archive.write(described.results(described.similarity(layers=2, n=30)), tmp_path)
    return tmp_path


def test_measured_values_are_read_by_other_programs_as_the_documentation_says(alike):
    measured = archive.read(alike).grids[0].measured
    table = pq.read_table(alike / "results" / "likeness.measured.parquet")
    assert table.column_names == ["example_id", "group", "label", "cells", "facet.mismatched"]
    for name, wanted in (("cells", measured.cells), ("facet.mismatched", measured.facets["mismatched"])):
        there = np.stack(table[name].to_numpy()).reshape(-1, 2, 7)
        assert there.dtype == np.float32
        np.testing.assert_array_equal(there.transpose(1, 2, 0), wanted)


def test_facets_follow_the_cells_in_the_table_with_their_names(tmp_path):
    archive.write(described.everything(), tmp_path)
    rows = pq.read_table(tmp_path / "grids" / "looks.parquet").to_pylist()
    assert [row["head"] for row in rows[:: 8 * 7]] == ["mean", "0", "1", "2", "3"]
    assert {row["contrast"] for row in rows} == {""}
    assert rows[56 + 2 * 7]["status"] == "lacking"
    assert rows[56]["status"] == "ok"
    assert rows[56]["n"] is None
    rows = pq.read_table(tmp_path / "grids" / "gaps.parquet").to_pylist()
    assert [r["contrast"] for r in rows[:: 9 * 7]] == [
        "wrong answers - right answers",
        "wrong answers",
        "right answers",
    ]
    with (tmp_path / "grids" / "gaps.csv").open(newline="") as stream:
        assert [line["value"] for line in csv.DictReader(stream)] == [repr(row["value"]) for row in rows]


@pytest.mark.parametrize("column", ["value", "low", "high", "contrast", "status", "n"])
def test_a_row_of_a_facet_changed_in_the_csv_is_found(alike, column):
    path = alike / "grids" / "likeness.csv"
    lines = list(csv.reader(path.read_text().splitlines()))
    assert len(lines) == 1 + 2 * 14
    lines[20][lines[0].index(column)] += "1"
    path.write_text("".join(",".join(line) + "\n" for line in lines))
    (problem,) = archive.csv_problems(alike, archive.read(alike).grids[0].grid)
    assert f"row 21: {column} is" in problem


def test_of_a_csv_that_differs_everywhere_a_few_places_are_told(alike):
    path = alike / "grids" / "likeness.csv"
    path.write_text(path.read_text().replace(",0.95,", ",0.9,"))
    found = archive.csv_problems(alike, archive.read(alike).grids[0].grid)
    assert len(found) == 21
    assert found[-1].endswith("differs from the grid in 8 further places")


@pytest.mark.parametrize(
    ("column", "value"),
    [("contrast", "other"), ("status", "one_class"), ("reason", "why"), ("n", 3), ("p_adjusted", 0.5), ("layer", 7)],
)
def test_a_row_of_a_facet_that_contradicts_its_card_is_refused(alike, column, value):
    change(alike / "grids" / "likeness.parquet", column, 20, value)
    with pytest.raises(BadInput, match=f"does not agree with results.json in the column '{column}'"):
        archive.read(alike)


def test_a_number_of_a_facet_changed_by_hand_is_what_is_read(alike):
    change(alike / "grids" / "likeness.parquet", "value", 20, 0.123)
    assert archive.read(alike).grids[0].grid.facets[0].value[0, 6] == 0.123


def test_a_measured_value_changed_by_hand_is_what_is_read(alike):
    path = alike / "results" / "likeness.measured.parquet"
    cells = pq.read_table(path).column("cells").to_pylist()
    cells[4][8] = 0.75
    change(path, "cells", 4, cells[4])
    assert archive.read(alike).grids[0].measured.cells[1, 1, 4] == 0.75


@pytest.mark.parametrize("value", [None, [], [1.0] * 13, [None] * 14])
def test_measured_lists_that_do_not_fit_the_grid_are_refused(alike, value):
    path = alike / "results" / "likeness.measured.parquet"
    table = pq.read_table(path)
    cells = table.column("cells").to_pylist()
    cells[3] = value
    pq.write_table(table.set_column(3, "cells", pa.array(cells, type=pa.list_(pa.float32()))), path)
    with pytest.raises(BadInput, match=r"likeness\.measured\.parquet.*column 'cells'"):
        archive.read(alike)


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (lambda c: c["grids"][0].update(measured=3), "measured: holds None"),
        (lambda c: c["grids"][0]["measured"].update(statistic="mode"), "measured: holds 'mode'"),
        (lambda c: c["grids"][0]["measured"].update(facets=[]), "not one column for the cells"),
        (lambda c: c["grids"][0].update(facets=[]), "28 rows where the grid has 14 cells"),
        (lambda c: c["grids"][0].update(facets=c["grids"][0]["facets"] * 2), "14 cells in 3 maps"),
        (lambda c: c["grids"][0].update(facets={}), "facets: holds {}"),
        (lambda c: c["grids"][0]["facets"][0].update(role="none"), "role: holds 'none'"),
        (lambda c: c["grids"][0]["facets"][0].pop("label"), "lacks the field 'label'"),
        (lambda c: c["grids"][0]["facets"][0].update(name="x"), "does not agree"),
        (lambda c: c["grids"][0].update(labels="abc"), "labels: holds 'abc'"),
        (lambda c: c["data"][0].update(classes=["a"]), "classes: holds ['a']"),
    ],
)
def test_facets_that_were_tampered_with_are_refused_with_the_place(alike, edits, said):
    edit(alike, edits)
    with pytest.raises(BadInput) as caught:
        archive.read(alike)
    assert said in str(caught.value)
    assert "build the report again" in str(caught.value)


def test_a_report_from_before_these_fields_were_there_is_read_with_their_defaults(folder):
    def older(card):
        for name in ("facets", "labels", "text_of", "measured"):
            del card["grids"][0][name]
        del card["grids"][0]["quantity"]["caution"]
        for name in ("classes", "written", "chat"):
            del card["data"][0][name]
        for name in ("encoder_layers", "heads"):
            del card["models"][0][name]

    edit(folder, older)
    same(archive.read(folder), small())


def test_measured_values_are_written_in_parts_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "GROUP_BYTES", 5000)
    results = described.results(described.similarity(layers=3, n=100))
    archive.write(results, tmp_path)
    assert pq.ParquetFile(tmp_path / "results" / "likeness.measured.parquet").num_row_groups > 3
    same(archive.read(tmp_path), results)


def test_one_text_of_many_tokens_and_heads_stays_a_narrow_table(tmp_path):
    rows = np.random.default_rng(0).random((4, 300, 1))
    heads = {str(h): ("head", f"head {h}", rows) for h in range(8)}
    one = described.from_rows(rows, positions=tuple(map(str, range(300))), groups=("g",), facets=heads, text_of="q0")
    archive.write(described.results(one), tmp_path)
    file = tmp_path / "results" / "norms.measured.parquet"
    assert pq.ParquetFile(file).metadata.num_columns == 12
    assert file.stat().st_size < 2 * 4 * 9 * 1200
    same(archive.read(tmp_path), described.results(one))


# ---------------------------------------------------------------- all that a probe grid may hold


@pytest.fixture
def probes(tmp_path):
    """A report of one grid of several classes, repeats, a permutation test, a control task and directions."""
    archive.write(with_grid(probed(("a", "b")), name="probed"), tmp_path)
    return tmp_path


def test_the_columns_of_held_out_scores_name_classes_and_positions(probes):
    names = pq.read_table(probes / "results" / "probed.held_out.parquet").column_names
    assert names[:5] == ["example_id", "group", "label", "fold", "target"]
    assert names[5:11] == ["nested.a", "nested.b", "baseline.a.a", "baseline.a.b", "baseline.a+probe", "baseline."]
    assert names[11:15] == ["position.last_q.a", "position.last_q.b", "position.-1.a", "position.-1.b"]
    assert names[15:17] == ["cell.0.last_q", "cell.0.-1"]
    assert names[21] == "class.a.0.last_q"
    assert names[-1] == "class.b.2.-1"


def test_the_cells_of_tests_are_a_table_for_other_programs(probes):
    one = archive.read(probes).grids[0]
    rows = pq.read_table(probes / "results" / "probed.cells.parquet").to_pylist()
    assert list(rows[0]) == [
        "layer", "position", "observed", "control", "selectivity", "selectivity_low", "selectivity_high",
    ]  # fmt: skip
    assert (rows[3]["layer"], rows[3]["position"]) == (1, "-1")
    assert rows[3]["observed"] == one.permutation.observed[1, 1]
    assert rows[3]["selectivity"] == one.control.selectivity[1, 1]
    maxima = pq.read_table(probes / "results" / "probed.maxima.parquet").column("maximum").to_pylist()
    assert maxima[1:] == one.permutation.maxima[1:].tolist()


def test_directions_are_tensors_for_other_programs_and_read_without_torch(probes):
    from safetensors.numpy import load_file

    there = load_file(probes / "results" / "probed.directions.safetensors")
    assert {name: (one.dtype.name, one.shape) for name, one in there.items()} == {
        "weights": ("float32", (3, 2, 4)), "intercepts": ("float32", (3, 2)), "penalties": ("float64", (3, 2)),
    }  # fmt: skip
    code = (
        "import sys, pathlib; from layergrid import archive; assert 'safetensors' not in sys.modules; "
        "archive.read(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(probes)], capture_output=True, text=True)
    assert out.stdout == "False\n", out.stderr


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (lambda g: g["held_out"].update(repeats=0), "0 repeats"),
        (lambda g: g["held_out"].update(repeats="2"), "repeats: holds '2'"),
        (lambda g: g["held_out"].update(classes=["a"]), "not one column for each"),
        (lambda g: g["held_out"].update(classes=[]), "not one column for each"),
        (lambda g: g["held_out"].update(target=False), "not one column for each"),
        (lambda g: g["held_out"].update(by_class=["b", "a"]), "not one column for each"),
        (lambda g: g["held_out"].update(by_position=False), "not one column for each"),
        (lambda g: g["held_out"].update(more=1), "has a field 'more'"),
        (lambda g: g["held_out"].pop("baselines"), "lacks the field 'baselines'"),
        (lambda g: g["permutation"].update(statistic=1), "permutation, statistic: holds 1"),
        (lambda g: g["permutation"].pop("detectable"), "lacks the field 'detectable'"),
        (lambda g: g.update(permutation=[]), "holds [], which is not"),
        (lambda g: g.update(permutation=None), "has not the columns layer, position, control"),
        (lambda g: g["control"].update(draws=1.5), "draws: holds 1.5"),
        (lambda g: g["control"].update(types=[1]), "does not say of each position"),
        (lambda g: g.update(control=None), "has not the columns layer, position, observed"),
        (lambda g: g.update(directions="yes"), "directions: holds 'yes'"),
        (lambda g: g.update(by_position=[None]), "not one estimate for each position"),
        (lambda g: g["by_position"][1].pop("low"), "lacks the field 'low'"),
        (lambda g: g["additions"][0].update(alone=None), "alone: holds None"),
        (lambda g: g.update(additions={}), "additions: holds {}"),
    ],
)
def test_what_stands_beside_the_cells_is_refused_with_the_place_where_it_was_tampered_with(probes, edits, said):
    edit(probes, lambda card: edits(card["grids"][0]))
    with pytest.raises(BadInput) as caught:
        archive.read(probes)
    assert said in str(caught.value)
    assert "build the report again" in str(caught.value)


@pytest.mark.parametrize(("column", "value"), [("layer", 2), ("position", "-1"), ("control", None)])
def test_a_table_of_tests_that_is_not_the_grids_is_refused_and_no_number_is_missing_by_itself(probes, column, value):
    path = probes / "results" / "probed.cells.parquet"
    change(path, column, 0, value)
    if column == "control":
        assert math.isnan(archive.read(probes).grids[0].control.value[0, 0])
        return
    with pytest.raises(BadInput, match=r"probed\.cells\.parquet: does not agree with results.json"):
        archive.read(probes)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"weights": np.zeros((3, 2, 4)), "intercepts": np.zeros((3, 2))},
        {"weights": np.zeros((3, 2)), "intercepts": np.zeros((3, 2)), "penalties": np.zeros((3, 2))},
        {"weights": np.zeros((2, 3, 4)), "intercepts": np.zeros((3, 2)), "penalties": np.zeros((3, 2))},
        {"weights": np.zeros((3, 2, 4), int), "intercepts": np.zeros((3, 2)), "penalties": np.zeros((3, 2))},
    ],
)
def test_directions_that_are_not_the_grids_are_refused(probes, tensors):
    from safetensors.numpy import save_file

    save_file(tensors, probes / "results" / "probed.directions.safetensors")
    with pytest.raises(BadInput, match=r"probed\.directions\.safetensors: has not the weights"):
        archive.read(probes)


def test_a_report_from_before_repeats_and_tests_is_read_with_their_defaults(folder):
    def older(card):
        del card["graded"]
        for name in ("by_position", "additions", "permutation", "control", "directions"):
            del card["grids"][0][name]
        card["grids"][0]["held_out"] = {"baselines": card["grids"][0]["held_out"]["baselines"]}

    edit(folder, older)
    same(archive.read(folder), small())
