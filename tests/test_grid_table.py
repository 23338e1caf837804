from __future__ import annotations

import hashlib
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import described
import synthetic
from layergrid import archive
from layergrid.artifacts import Examples, GridResult, Labels, Positions, Sequences
from layergrid.grids.table import TableGrid
from layergrid.kinds import BadInput, Inputs
from layergrid.project import Project

LONG = """\
layer,position,value,low,high,n
0,last_q,0.5,0.4,0.6,100
0,-1,0.6,0.5,0.7,100
1,last_q,0.7,0.6,0.8,100
1,-1,0.8,0.7,0.9,90
"""
WIDE = """\
layer,last_q,-1
0,0.5,0.6
2,,0.8
1,0.7,nan
"""


def inputs(root, name="given"):
    none = np.zeros((0, 0), dtype=np.int32)
    return Inputs(
        name=name, model="", examples=Examples("", "", (), (), {}, ""),
        sequences=Sequences((), (), (), (), (), (), none[0:0, 0:0].ravel(), none.ravel(), (), np.zeros(0, bool)),
        labels=Labels("", "", none, (), np.zeros(0, bool), ()),
        positions=Positions((), none, none, none.astype(str)), activations={}, seed=0, project=Project.of(root),
    )  # fmt: skip


def compute(root, text=None, name="table.csv", **options):
    if text is not None:
        (root / name).write_text(text, encoding="utf-8", newline="")
    return TableGrid(source=name, **options).compute(inputs(root)).grid


def parquet(path, columns):
    import pyarrow as pa
    from pyarrow import parquet as pq

    pq.write_table(pa.table(columns), path)


# ---------------------------------------------------------------- the two forms


def test_a_long_table_is_a_grid_of_its_rows(tmp_path):
    grid = compute(tmp_path, LONG)
    assert (grid.layers, grid.positions) == ((0, 1), ("last_q", "-1"))
    assert grid.value.tolist() == [[0.5, 0.6], [0.7, 0.8]]
    assert grid.low.tolist() == [[0.4, 0.5], [0.6, 0.7]]
    assert grid.high.tolist() == [[0.6, 0.7], [0.8, 0.9]]
    assert grid.n.tolist() == [[100, 100], [100, 90]]
    assert np.isnan(grid.p_adjusted).all()
    assert set(grid.status.ravel()) == {"ok"}
    assert set(grid.reason.ravel()) == {""}
    assert grid.tied_with_best.tolist() == [[False, False], [False, True]]
    assert (grid.model, grid.dataset, grid.kind, grid.level) == ("", "", "table", 0.95)


def test_a_wide_table_has_a_column_for_each_position_and_its_holes_are_missing(tmp_path):
    grid = compute(tmp_path, WIDE)
    assert (grid.layers, grid.positions) == ((0, 1, 2), ("last_q", "-1"))
    np.testing.assert_array_equal(grid.value, [[0.5, 0.6], [0.7, math.nan], [math.nan, 0.8]])
    assert grid.status.tolist() == [["ok", "ok"], ["ok", "missing"], ["missing", "ok"]]
    assert grid.reason[2, 0] == "the table has no value for this cell"
    assert np.isnan(grid.low).all()


def test_rows_that_are_not_there_are_missing_cells(tmp_path):
    grid = compute(tmp_path, "layer,position,value\n0,a,1\n1,b,2\n")
    assert grid.status.tolist() == [["ok", "missing"], ["missing", "ok"]]
    assert grid.reason[0, 1] == "the table has no row for this cell"


def test_tabs_byte_order_marks_blank_lines_and_other_line_ends_are_read(tmp_path):
    text = "\ufeff" + LONG.replace(",", "\t").replace("\n", "\r\n\r\n")
    grid = compute(tmp_path, text, "table.tsv")
    assert grid.value.tolist() == [[0.5, 0.6], [0.7, 0.8]]


def test_parquet_is_read_like_csv(tmp_path):
    columns = {"layer": [0, 1, 1], "position": [-1, -1, 2], "value": [0.5, None, 2], "n": [3, None, 4]}
    parquet(tmp_path / "table.parquet", columns)
    grid = compute(tmp_path, name="table.parquet")
    assert grid.positions == ("-1", "2")
    assert grid.status.tolist() == [["ok", "missing"], ["missing", "ok"]]
    assert grid.n.tolist() == [[3, 0], [0, 4]]


def test_a_wide_parquet_table_is_read_too(tmp_path):
    parquet(tmp_path / "table.parquet", {"layer": [0.0, 1.0], "a": [1, 2], "b": [0.5, math.nan]})
    grid = compute(tmp_path, name="table.parquet")
    assert grid.layers == (0, 1)
    assert grid.value[:, 0].tolist() == [1, 2]
    assert grid.status[1, 1] == "missing"


# ---------------------------------------------------------------- round trips

CELLS = ("value", "low", "high", "p_adjusted", "n", "n_positive", "status", "reason")
SAME = ("layers", "positions", "site", "metric", "level", "head", "contrast")


def same(found, grid):
    for name in CELLS:
        np.testing.assert_array_equal(getattr(found, name), getattr(grid, name), err_msg=name)
    for name in SAME:
        assert getattr(found, name) == getattr(grid, name), name


@pytest.mark.parametrize("build", [synthetic.grid_result, *described.BUILDERS.values()])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_files_of_a_reports_grid_come_back_equal(tmp_path, build, suffix):
    made = build()
    archive.write_grid(made, tmp_path)
    where = {"head": made.grid.head, "contrast": made.grid.contrast}  # the file holds the facets too
    same(compute(tmp_path, name=archive.grid_file(made.grid.name, suffix), where=where), made.grid)


def test_a_facet_of_a_reports_grid_is_a_grid_too(tmp_path):
    heads, gaps = described.heads(), described.contrast()
    for made in (heads, gaps):
        archive.write_grid(made, tmp_path)
    head = compute(tmp_path, name="grids/looks.csv", where={"head": 2})
    np.testing.assert_array_equal(head.value, heads.grid.facets[2].value)
    assert head.head == "2"
    wrong = compute(tmp_path, name="grids/gaps.csv", where={"contrast": "wrong answers"})
    np.testing.assert_array_equal(wrong.value, gaps.grid.facets[0].value)
    assert wrong.contrast == ""  # means of a class are no differences


def blank(layers, positions):
    shape = (layers, len(positions))
    base = described.table().grid
    return replace(
        base, layers=tuple(range(layers)), positions=positions, value=np.zeros(shape), low=np.full(shape, np.nan),
        high=np.full(shape, np.nan), n=np.zeros(shape, int), n_positive=np.zeros(shape, int),
        p_adjusted=np.full(shape, np.nan), status=np.full(shape, "ok"), reason=np.full(shape, ""),
        tied_with_best=np.zeros(shape, bool),
    )  # fmt: skip


# A carriage return alone, unquoted, would end a line of CSV.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@st.composite
def grids(draw):
    positions = tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    layers = draw(st.integers(1, 4))
    shape = (layers, len(positions))
    numbers = st.floats(-1e6, 1e6)
    value = draw(arrays.arrays(np.float64, shape, elements=numbers))
    reach = draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1e3)))
    holes = draw(arrays.arrays(np.bool_, shape))
    bare = holes | draw(arrays.arrays(np.bool_, shape))
    n = draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 10**9)))
    reasons = draw(st.lists(names, min_size=layers * len(positions), max_size=layers * len(positions)))
    return replace(
        blank(layers, positions),
        layers=tuple(sorted(draw(st.sets(st.integers(0, 200), min_size=layers, max_size=layers)))),
        value=np.where(holes, np.nan, value), low=np.where(bare, np.nan, value - reach),
        high=np.where(bare, np.nan, value + reach), n=n, n_positive=n // 3,
        p_adjusted=np.where(bare, np.nan, reach / 1e3),
        status=np.where(holes, "one_class", np.where(bare, "boundary", "ok")),
        reason=np.where(holes, np.array(reasons).reshape(shape), ""),
        head=draw(st.sampled_from(["", "3", "mean"])), contrast=draw(st.sampled_from(["", "a - b"])),
        site=draw(st.sampled_from(["", "residual"])), level=draw(st.sampled_from([0.9, 0.95])),
    )  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grid=grids(), suffix=st.sampled_from(["csv", "parquet"]))
def test_a_table_written_from_a_grid_comes_back_equal(tmp_path_factory, grid, suffix):
    folder = tmp_path_factory.mktemp("table")
    archive.write_grid(GridResult(grid), folder)
    same(compute(folder, name=archive.grid_file(grid.name, suffix)), grid)


# ---------------------------------------------------------------- what is chosen and said


def test_positions_are_chosen_and_ordered_by_names_and_globs(tmp_path):
    text = "layer,position,value\n" + "".join(f"0,{name},1\n" for name in ("a1", "b", "a2", "-1"))
    assert compute(tmp_path, text).positions == ("a1", "b", "a2", "-1")
    assert compute(tmp_path, text, positions=("-1", "a*")).positions == ("-1", "a1", "a2")
    assert compute(tmp_path, text, positions=(-1,)).positions == ("-1",)
    with pytest.raises(BadInput, match=r"`positions` names 'b2', .* it has 'a1', 'b', 'a2' and '-1'; did you mean"):
        compute(tmp_path, text, positions=("b2",))


def test_layers_are_chosen_among_those_that_are_there(tmp_path):
    text = "layer,x\n" + "".join(f"{layer},1\n" for layer in (0, 4, 8, 12))
    assert compute(tmp_path, text).layers == (0, 4, 8, 12)
    assert compute(tmp_path, text, layers="3..9").layers == (4, 8)
    assert compute(tmp_path, text, layers={"from": 4, "every": 8}).layers == (4, 12)
    assert compute(tmp_path, text, layers=(12, 0)).layers == (0, 12)
    with pytest.raises(BadInput, match=r"`layers` asks for layer 5, which .* not have; it has layers 0, 4, 8"):
        compute(tmp_path, text, layers=(4, 5))
    with pytest.raises(BadInput, match="`layers` asks for layers in that range"):
        compute(tmp_path, text, layers="1..3")


TWO = """\
grid,head,layer,position,value
a,0,0,x,1
a,1,0,x,2
b,0,0,x,3
b,1,0,x,4
"""


def test_one_of_several_grids_is_chosen_by_where(tmp_path):
    grid = compute(tmp_path, TWO, where={"grid": "b", "head": 0})
    assert (grid.value.tolist(), grid.head) == ([[3]], "0")
    with pytest.raises(BadInput, match=r"column 'head': expected one value .*; found '0' and '1': choose"):
        compute(tmp_path, TWO, where={"grid": "b"})
    with pytest.raises(BadInput, match="column 'grid': `where` asks for 'c'; found 'a' and 'b'"):
        compute(tmp_path, TWO, where={"grid": "c"})
    with pytest.raises(BadInput, match="where names the column 'seed'; found the columns 'grid', 'head', 'layer'"):
        compute(tmp_path, TWO, where={"seed": 0})


def test_columns_of_other_names_are_given(tmp_path):
    text = "Layer,token,auroc,lower,upper,run\n0,x,0.7,0.6,0.8,r1\n"
    names = {"layer": "Layer", "position": "token", "value": "auroc", "low": "lower", "high": "upper"}
    grid = compute(tmp_path, text, columns=names)
    assert (grid.value[0, 0], grid.low[0, 0], grid.high[0, 0]) == (0.7, 0.6, 0.8)
    assert (grid.metric, grid.quantity.name) == ("auroc", "auroc")
    with pytest.raises(BadInput, match=r"there is no column 'aurok'; .*; did you mean 'auroc'"):
        compute(tmp_path, text, columns={**names, "value": "aurok"})


def test_what_is_not_said_of_a_table_has_words_that_claim_nothing(tmp_path):
    grid = compute(tmp_path, LONG)
    said = grid.quantity
    assert (
        said.sentence == "Each cell is the value that the table table.csv gives for one layer and one token position."
    )
    assert (said.name, said.claim, said.subject, said.low, said.high, said.chance) == (
        "value", "high", "values", None, None, None,
    )  # fmt: skip
    assert "given as a table" in said.caution
    assert grid.settings["source"] == "table.csv"
    assert grid.settings["methods"]["table"].endswith("So were the bounds of their intervals.")
    assert "bounds" not in compute(tmp_path, WIDE).settings["methods"]["table"]


def test_what_is_said_of_a_table_stands_in_its_quantity(tmp_path):
    told = {
        "name": "loss", "sentence": "Each cell is a loss.", "unit": "nats", "low": 0, "high": 5, "chance": 2.3,
        "claim": "predictable", "subject": "tokens", "higher_is": "less",
    }  # fmt: skip
    grid = compute(tmp_path, LONG, quantity=told, level=0.9)
    said = grid.quantity
    assert {name: getattr(said, name) for name in told} == told
    assert grid.metric == "loss"
    assert grid.level == 0.9
    assert grid.tied_with_best.tolist() == [[True, False], [False, False]]
    assert compute(tmp_path, LONG, quantity={"higher_is": "less"}).quantity.claim == "low"
    with pytest.raises(ValueError, match="expected low, chance and high in this order"):
        TableGrid(source="x.csv", quantity={"low": 1, "high": 0})


def test_the_fingerprint_is_that_of_the_files_bytes(tmp_path):
    (tmp_path / "table.csv").write_text(LONG)
    found = TableGrid(source="table.csv").fingerprint(Project.of(tmp_path))
    assert found == "sha256:" + hashlib.sha256(LONG.encode()).hexdigest()


def test_a_table_stands_alone_and_needs_nothing():
    assert TableGrid.stands_alone
    needs = TableGrid(source="x.csv").needs()
    assert all(getattr(needs, f.name) == f.default for f in fields(needs))


def test_the_table_is_read_without_a_model_library(tmp_path):
    import subprocess
    import sys

    (tmp_path / "table.csv").write_text(LONG)
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
import test_grid_table
before = set(sys.modules)
test_grid_table.compute(Path({str(tmp_path)!r}))
assert not {{"torch", "transformers", "sklearn"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- what is wrong with it


def long(*rows, header="layer,position,value,low,high,n,n_positive,p_adjusted,status,reason"):
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (long("0,a,0.5,,,,,,,", "0,a,0.6,,,,,,,"), "line 3: expected one row for layer 0 and position 'a'; line 2 is"),
        (long("0,a,high,,,,,,,"), "line 2, column 'value': expected a number, or nothing; found 'high'"),
        (long('0,a,"0,5",,,,,,,'), "column 'value': expected a number, with a point before its .*found '0,5'"),
        (long("0,a,1_0,,,,,,,"), "column 'value': expected a number"),
        (long("0,a,inf,,,,,,,"), "column 'value': expected a finite number, or nothing; found 'inf'"),
        (long("0,a,1e999,,,,,,,"), "column 'value': expected a finite number"),
        (long("0,a,0.5,-Infinity,,,,,,"), "column 'low': expected a finite number"),
        (long("1.5,a,0.5,,,,,,,"), "line 2, column 'layer': expected a whole number from 0; found '1.5'"),
        (long("-1,a,0.5,,,,,,,"), "column 'layer': expected a whole number from 0; found '-1'"),
        (long("x,a,0.5,,,,,,,"), "column 'layer': expected a number"),
        (long(",a,0.5,,,,,,,"), "column 'layer': expected the number of a layer, from 0; found nothing"),
        (long("0,,0.5,,,,,,,"), "column 'position': expected the name of a position; found nothing"),
        (long("0,a,0.5,0.7,0.6,,,,,"), r"column 'high': expected a bound that is not below low \(0.7\); found '0.6'"),
        (long("0,a,0.5,,,-3,,,,"), "column 'n': expected a whole number from 0; found '-3'"),
        (long("0,a,0.5,,,3,4,,,"), "column 'n_positive': expected at most n, which is 3; found '4'"),
        (long("0,a,0.5,,,,,1.5,,"), "column 'p_adjusted': expected a number from 0 to 1; found '1.5'"),
        (long("0,a,0.5,,,,,,fine,"), "column 'status': expected ok, boundary, .*, or nothing; found 'fine'"),
        (long("0,a,,,,,,,ok,"), "column 'value': expected a number where the status is 'ok'; found nothing"),
        (long("0,a,0.5,,,,,,missing,"), "column 'value': expected nothing where the status is 'missing'; found '0.5'"),
        (long("0,a,,0.1,,,,,,"), "column 'low': expected nothing where there is no value; found '0.1'"),
        (long("0,a,1", header="layer,position,score"), r"expected a column 'value' .*by columns: {value: NAME}"),
        (long("0,a,1,2", header="layer,position,value,lower"), "the column 'lower' is not known; did you mean 'low'"),
        (long("0,1", header="layer,value"), "expected the columns layer, position and value .*'layer' and 'val"),
        (long("a,1", header="position,value"), r"expected a column 'layer' \(long form"),
        (long("x,1", header="token,a"), "or first layer and then one column for each position"),
        (long("0", header="layer"), "expected the columns layer, position and value"),
        (long("0,1", "0,2", header="layer,a"), "line 3: expected one row for layer 0; line 2 is another"),
        (long("0,one", header="layer,a"), "line 2, column 'a': expected a number, or nothing; found 'one'"),
        (long("0,1", header="layer,a,a"), "line 2: 2 fields where the header names 3"),
        (long("0,1,2", header="layer,a,a"), "two columns are called 'a'"),
        (long('0,"a,1', header="layer,a"), "line 2: "),
        (long(header="layer,a"), "has no rows"),
        ("", "the file is empty"),
        (long("0,a,1,0.9", "1,a,1,0.8", header="layer,position,value,level"), "column 'level': expected one value"),
        (long("0,a,1,95", header="layer,position,value,level"), "column 'level': expected a number between 0 and 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_file_row_and_column(tmp_path, text, message):
    with pytest.raises(BadInput, match=message) as raised:
        compute(tmp_path, text)
    assert str(tmp_path / "table.csv") in str(raised.value)


def test_values_outside_the_stated_range_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"line 5, column 'value': expected a value up to 0.75, which quantity.high"):
        compute(tmp_path, LONG, quantity={"high": 0.75})
    with pytest.raises(BadInput, match=r"line 2, column 'last_q': expected a value from 0.6, which quantity.low says"):
        compute(tmp_path, WIDE, quantity={"low": 0.6})


def test_where_has_no_meaning_for_a_wide_table(tmp_path):
    with pytest.raises(BadInput, match="`where` chooses rows of a long table"):
        compute(tmp_path, WIDE, where={"layer": 1})


def test_cells_of_parquet_that_are_no_numbers_are_named_by_row(tmp_path):
    for values, message in (
        ([[1], [2]], "row 1, column 'value': expected a number or a text"),
        ([True, False], "row 1, column 'value': expected a number, or nothing; found True"),
        ([b"a", b"b"], "row 1, column 'value': expected a number or a text"),
        ([0.5, math.inf], "row 2, column 'value': expected a finite number"),
    ):  # fmt: skip
        parquet(tmp_path / "table.parquet", {"layer": [0, 1], "position": ["a", "a"], "value": values})
        with pytest.raises(BadInput, match=message):
            compute(tmp_path, name="table.parquet")
    parquet(tmp_path / "table.parquet", {"layer": [0, 1], "position": [0.5, 1.5], "value": [1, 2]})
    with pytest.raises(BadInput, match=r"row 1, column 'position': expected the name of a position; found 0.5"):
        compute(tmp_path, name="table.parquet")


def test_a_file_that_is_not_what_it_is_called_is_named(tmp_path):
    (tmp_path / "table.parquet").write_text(LONG)
    with pytest.raises(BadInput, match=r"table.parquet: cannot be read as Parquet"):
        compute(tmp_path, name="table.parquet")
    (tmp_path / "table.csv").write_bytes("layer,ä\n0,1\n".encode("latin-1"))
    with pytest.raises(BadInput, match="byte 6 is not UTF-8"):
        compute(tmp_path, name="table.csv")


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / "table.csv").write_text(LONG)
    with pytest.raises(BadInput, match=r"tabel\.csv: no such file; did you mean 'table\.csv'"):
        compute(tmp_path, name="tabel.csv")
    with pytest.raises(BadInput, match=r"ends in \.csv, \.tsv, \.parquet or \.pq"):
        compute(tmp_path, name="table.xlsx")
    with pytest.raises(BadInput, match="no such file"):
        TableGrid(source="nowhere/table.csv").fingerprint(Project.of(tmp_path))
