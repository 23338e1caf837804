"""Files to examples: what is read as it stands, what is refused and with which words."""

from __future__ import annotations

import csv as stdlib_csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput, Loader, known
from layergrid.loaders import load_examples
from layergrid.loaders.builtin import BuiltinLoader
from layergrid.loaders.csv import CsvLoader
from layergrid.loaders.inline import InlineLoader
from layergrid.loaders.jsonl import JsonlLoader
from layergrid.loaders.parquet import ParquetLoader
from layergrid.project import Project


def read(folder: Path, name: str, content: str | bytes) -> dict[str, list[Scalar]]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    kind = {".csv": CsvLoader, ".tsv": CsvLoader, ".jsonl": JsonlLoader}[Path(name).suffix]
    return kind(address=name).read(Project.of(folder))


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(BadInput) as error:
        read(folder, name, content)
    return str(error.value)


def test_kinds_are_found_by_their_folder():
    assert set(known(Loader)) >= {"builtin", "csv", "folder", "hub", "inline", "jsonl", "parquet"}
    assert "cells" not in known(Loader)  # what kinds share is none


# ---------------------------------------------------------------- CSV


def test_csv_keeps_text_as_it_stands(tmp_path):
    content = 'id,Question,Answer\n007," Who said \u201chi\u201d, ""twice""? ",\n1.50,"two\nlines", Marie-Josée  \n'
    assert read(tmp_path, "a.csv", content) == {
        "id": ["007", "1.50"],
        "Question": [' Who said \u201chi\u201d, "twice"? ', "two\nlines"],
        "Answer": ["", " Marie-Josée  "],
    }


def test_csv_tolerates_a_byte_order_mark_and_windows_line_ends(tmp_path):
    assert read(tmp_path, "a.csv", b"\xef\xbb\xbfq,a\r\n1,2\r\n") == {"q": ["1"], "a": ["2"]}


def test_csv_skips_blank_lines(tmp_path):
    assert read(tmp_path, "a.csv", "q,a\n\n1,2\n\n\n3,4\n\n") == {"q": ["1", "3"], "a": ["2", "4"]}


def test_tsv_is_split_at_tabs(tmp_path):
    assert read(tmp_path, "a.tsv", "q\ta\n1,5\t2\n") == {"q": ["1,5"], "a": ["2"]}


@pytest.mark.parametrize("text", ["nul \0 inside", "</script>", "{{ 7*7 }}", "\u202eabc", "😀 مرحبا", "=1+1"])
def test_csv_reads_hostile_text_as_text(tmp_path, text):
    assert read(tmp_path, "a.csv", f"q,a\n{text},1\n")["q"] == [text]


def test_csv_reads_a_field_longer_than_the_librarys_limit_and_leaves_the_limit_alone(tmp_path):
    before = stdlib_csv.field_size_limit()
    assert len(str(read(tmp_path, "a.csv", f"q,a\n{'x' * 200_000},1\n")["q"][0])) == 200_000
    assert stdlib_csv.field_size_limit() == before


@settings(max_examples=100, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=8)] * 2), min_size=1, max_size=5))
def test_csv_that_the_library_wrote_comes_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        stdlib_csv.writer(file, quoting=stdlib_csv.QUOTE_ALL).writerows([("q", "a"), *rows])
    assert CsvLoader(address="a.csv").read(Project.of(folder)) == {"q": [q for q, _ in rows], "a": [a for _, a in rows]}


def test_a_ragged_row_is_named_by_line_and_row(tmp_path):
    message = refusal(tmp_path, "a.csv", 'q,a\n"two\nlines",1\nx,y,z\n')
    assert "a.csv, line 4 (row 2): 3 fields where the header names 2" in message
    assert "quotes" in message


def test_an_open_quote_is_an_error_not_one_long_field(tmp_path):
    assert "a.csv, line 3 (row 1): unexpected end of data" in refusal(tmp_path, "a.csv", 'q,a\n"x,1\ny,2\n')


def test_two_columns_of_one_name_are_refused(tmp_path):
    assert "columns 1 and 3 are both named 'q'" in refusal(tmp_path, "a.csv", "q,a,q\n1,2,3\n")


@pytest.mark.parametrize("content", ["", "\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    assert "a.csv: the file is empty; expected rows of data" in refusal(tmp_path, "a.csv", content)


def test_what_is_not_utf8_is_refused_with_the_byte(tmp_path):
    message = refusal(tmp_path, "a.csv", b"\xef\xbb\xbfq,a\nMarie-Jos\xe9e,1\n")
    assert "not UTF-8 at byte 16 (line 2, value 0xe9); save it as UTF-8" in message


def test_utf16_is_refused_with_and_without_its_mark(tmp_path):
    assert "UTF-16" in refusal(tmp_path, "a.csv", "q,a\n1,2\n".encode("utf-16"))
    assert "UTF-16" in refusal(tmp_path, "a.csv", "q,a\n1,2\n".encode("utf-16-le"))


# ---------------------------------------------------------------- where files are


def test_a_missing_file_names_the_nearest_in_its_folder(tmp_path):
    (tmp_path / "questions.csv").write_text("q\n1\n")
    with pytest.raises(BadInput, match=r"question\.csv: no such file\. Did you mean 'questions\.csv'\?"):
        CsvLoader(address="question.csv").read(Project.of(tmp_path))


def test_a_missing_file_without_a_like_says_where_paths_start(tmp_path):
    with pytest.raises(BadInput, match=r"no such file\. Relative paths start at"):
        CsvLoader(address="a.csv").read(Project.of(tmp_path))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"there is no folder .*data; relative paths start at"):
        CsvLoader(address="data/a.csv").read(Project.of(tmp_path))


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(BadInput, match=r"a\.csv: is a folder"):
        CsvLoader(address="a.csv").read(Project.of(tmp_path))


def test_a_path_with_a_nul_is_none(tmp_path):
    with pytest.raises(BadInput, match=r"'a\\x00\.csv' is no path of a file"):
        CsvLoader(address="a\0.csv").read(Project.of(tmp_path))


def test_absolute_paths_are_taken_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("q\n1\n")
    assert CsvLoader(address=str(tmp_path / "a.csv")).read(Project.of(tmp_path / "else", [tmp_path])) == {"q": ["1"]}


# ---------------------------------------------------------------- JSON Lines


def test_jsonl_keeps_types_and_spells_lists_as_json(tmp_path):
    lines = [
        '{"q": "0123", "n": 7, "x": 1.5, "b": true, "l": [9.0, "é"]}',
        "",
        '{"q": "b", "n": null, "extra": {"k": 1}}',
    ]
    assert read(tmp_path, "a.jsonl", "\n".join(lines)) == {
        "q": ["0123", "b"],
        "n": [7, None],
        "x": [1.5, None],
        "b": [True, None],
        "l": ['[9.0, "é"]', None],
        "extra": [None, '{"k": 1}'],
    }


def test_jsonl_keeps_lone_surrogates_and_line_separators(tmp_path):
    assert read(tmp_path, "a.jsonl", '{"q": "\\ud800 \u2028 x\\u0000"}\n')["q"] == ["\ud800 \u2028 x\0"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"q": 1}\n{"q": \n', "a.jsonl, line 2, character"),
        ('{"q": 1}\n\n[1, 2]\n', "a.jsonl, line 3: holds a list; each line is one JSON object"),
        ('{"q": 1, "q": 2}\n', "line 1: the key 'q' is given twice"),
        ("[" * 100_000, "line 1: cannot be read as JSON"),
        ('{"n": ' + "9" * 5000 + "}", "line 1: cannot be read as JSON"),
        ("", "the file is empty"),
    ],
    ids=["open", "list", "doubled", "deep", "long number", "empty"],
)
def test_jsonl_refuses_with_the_line(tmp_path, content, words):
    assert words in refusal(tmp_path, "a.jsonl", content)


# ---------------------------------------------------------------- Parquet


def test_parquet_keeps_types_and_spells_the_rest(tmp_path):
    import datetime

    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "q": ["0123", None],
            "n": [1, 2],
            "x": [0.5, None],
            "b": [True, False],
            "l": [[9.0], []],
            "d": [datetime.date(2024, 5, 1)] * 2,
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert ParquetLoader(address="a.parquet").read(Project.of(tmp_path)) == {
        "q": ["0123", None],
        "n": [1, 2],
        "x": [0.5, None],
        "b": [True, False],
        "l": ["[9.0]", "[]"],
        "d": ["2024-05-01"] * 2,
    }


def test_parquet_of_bytes_is_refused_with_the_row_and_column(tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"q": [None, b"\xff"]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"a\.parquet, row 2, column 'q': holds bytes"):
        ParquetLoader(address="a.parquet").read(Project.of(tmp_path))


def test_a_file_that_is_not_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("q,a\n1,2\n")
    with pytest.raises(BadInput, match=r"a\.parquet: cannot be read as Parquet"):
        ParquetLoader(address="a.parquet").read(Project.of(tmp_path))


# ---------------------------------------------------------------- the set that ships


def test_the_arithmetic_set_has_four_thousand_sums_that_are_right():
    columns = BuiltinLoader(address="arithmetic").read(Project.of(Path("/nowhere")))
    assert list(columns) == [
        *("question", "answer", "left", "operation", "right", "left_digits", "right_digits", "operands", "wording")
    ]
    assert {len(values) for values in columns.values()} == {4000}
    signs = {"plus": "+", "minus": "-", "times": "*"}
    for left, operation, right, answer in zip(
        columns["left"], columns["operation"], columns["right"], columns["answer"], strict=True
    ):
        assert eval(f"{left}{signs[str(operation)]}{right}") == answer  # noqa: S307 - digits and one sign


def test_an_unknown_builtin_lists_the_known_and_the_nearest():
    with pytest.raises(
        BadInput,
        match=r"builtin:aritmetic.*those that do: arithmetic and statements\. Did you mean builtin:arithmetic\?",
    ):
        BuiltinLoader(address="aritmetic").read(Project.of(Path("/nowhere")))


# ---------------------------------------------------------------- examples


class Fixed(Loader):
    """Columns given in the test."""

    kind: str = "fixed"
    columns: dict[str, list[Scalar]]

    def read(self, root: Path) -> dict[str, list[Scalar]]:  # noqa: ARG002 - nothing is read
        return self.columns


def load(columns: dict[str, list[Scalar]], **options) -> Examples:
    return load_examples("quiz", Fixed(address="", columns=columns), "quiz.csv", Project.of(Path()), **options)


def test_rows_are_counted_from_one_and_each_is_its_own_group():
    found = load({"q": ["a", "b"]})
    assert found.ids == found.groups == ("1", "2")
    assert found.row(1) == {"q": "b"}
    assert (found.name, found.source) == ("quiz", "quiz.csv")


def test_ids_and_groups_come_from_their_columns_as_text():
    found = load({"q": ["a", "b"], "n": [7, 8.5], "g": ["x", "x"]}, id_column="n", group_column="g")
    assert found.ids == ("7", "8.5")
    assert found.groups == ("x", "x")


def test_duplicate_ids_name_both_rows():
    with pytest.raises(BadInput, match=r"rows 1 and 3 have the same id 'a' in column 'id'"):
        load({"id": ["a", "b", "a"]}, id_column="id")


def test_ids_that_are_equal_as_text_are_duplicates():
    with pytest.raises(BadInput, match="rows 1 and 2"):
        load({"id": [7, 7.0]}, id_column="id")


@pytest.mark.parametrize("role", ["id", "group"])
def test_a_missing_id_or_group_column_lists_the_columns_and_the_nearest(role):
    with pytest.raises(BadInput) as error:
        load({"operands": ["1,2"], "question": ["?"]}, **{f"{role}_column": "operand"})
    message = str(error.value)
    assert "data set 'quiz' (quiz.csv): there is no column 'operand'" in message
    assert f"named as {role}; the columns are 'operands' and 'question'. Did you mean 'operands'?" in message


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_id_or_group_names_the_row(empty):
    with pytest.raises(BadInput, match=r"row 2: column 'k', named as group, is empty"):
        load({"k": ["a", empty]}, group_column="k")


def test_a_lone_surrogate_in_an_id_becomes_an_escape_and_in_a_column_survives():
    found = load({"id": ["\ud800", "b"]}, id_column="id")
    assert found.ids == ("\\ud800", "b")
    assert found.columns["id"][0] == "\ud800"


@pytest.mark.parametrize("columns", [{}, {"q": []}])
def test_an_empty_set_is_refused(columns):
    with pytest.raises(BadInput, match="holds no rows"):
        load(columns)


def test_a_file_of_a_header_alone_is_an_empty_set(tmp_path):
    (tmp_path / "a.csv").write_text("q,a\n")
    with pytest.raises(BadInput, match=r"data set 'quiz' \(a\.csv\): holds no rows"):
        load_examples("quiz", CsvLoader(address="a.csv"), "a.csv", Project.of(tmp_path))


def test_a_sample_larger_than_the_set_is_refused_with_both_numbers():
    with pytest.raises(BadInput, match="sample is 1,000, but the set holds 2 rows"):
        load({"q": ["a", "b"]}, sample=1000)


def test_a_sample_of_all_rows_is_the_set():
    assert load({"q": ["a", "b"]}, sample=2) == load({"q": ["a", "b"]})


ROWS = [f"question {i}" for i in range(60)]


def test_a_sample_keeps_the_order_of_the_source_and_the_row_numbers():
    found = load({"q": list(ROWS)}, sample=20)
    assert len(set(found.ids)) == 20
    assert [int(i) for i in found.ids] == sorted(int(i) for i in found.ids)
    assert [ROWS[int(i) - 1] for i in found.ids] == list(found.columns["q"])


def test_a_sample_does_not_depend_on_the_order_of_rows_or_columns():
    ids = [f"i{i}" for i in range(60)]
    one = load({"q": list(ROWS), "id": list(ids)}, sample=20, id_column="id")
    other = load({"id": ids[::-1], "q": ROWS[::-1]}, sample=20, id_column="id")
    assert other.ids == one.ids
    plain = load({"q": ROWS[::-1]}, sample=20)
    assert set(plain.columns["q"]) == set(load({"q": list(ROWS)}, sample=20).columns["q"])


def test_another_seed_draws_another_sample():
    assert load({"q": list(ROWS)}, sample=20, seed=1).ids != load({"q": list(ROWS)}, sample=20).ids


def test_samples_of_one_seed_are_nested():
    assert set(load({"q": list(ROWS)}, sample=10).ids) < set(load({"q": list(ROWS)}, sample=30).ids)


def test_equal_rows_are_drawn_apart():
    counts = [len(load({"q": ["same"] * 40}, sample=k).ids) for k in (1, 7, 40)]
    assert counts == [1, 7, 40]


def test_the_fingerprint_tells_types_ids_groups_and_surrogates_apart():
    variants = [
        load({"q": ["1"]}),
        load({"q": [1]}),
        load({"q": [1.0]}),
        load({"q": [True]}),
        load({"q": [None]}),
        load({"r": ["1"]}),
        load({"q": ["\ud83d\ude00"]}),
        load({"q": ["😀"]}),
        load({"q": ["1"], "g": ["1"]}),
        load({"q": ["1"], "g": ["x"]}),
        load({"q": ["1"], "g": ["x"]}, group_column="g"),
        load({"q": ["1"], "g": ["x"]}, id_column="g"),
    ]
    assert len({one.fingerprint for one in variants}) == len(variants)
    assert all(one.fingerprint.startswith("sha256:") for one in variants)


def test_the_fingerprint_does_not_depend_on_the_order_of_columns_or_the_name():
    assert load({"a": [1], "b": [2]}).fingerprint == load({"b": [2], "a": [1]}).fingerprint


def test_columns_of_real_shapes_load_with_their_stray_blanks(tmp_path):
    (tmp_path / "movies.csv").write_text(
        "Question,Answer\nWho acted as  in the movie 'It\u2019s'?, Marie-Josée Croze\n"
        "\"Who acted as Guadelupe Aragón in 'A, B'?\",Evangelina Elizondo\n",
        encoding="utf-8",
    )
    found = load_examples("movies", CsvLoader(address="movies.csv"), "movies.csv", Project.of(tmp_path))
    assert found.columns["Answer"] == (" Marie-Josée Croze", "Evangelina Elizondo")
    assert json.dumps(found.columns["Question"][0]).count("\\u2019") == 1


# ---------------------------------------------------------------- rows of the spec itself, statements


def test_rows_of_the_spec_are_columns_with_holes_where_a_row_lacks_a_key(tmp_path):
    loader = InlineLoader(rows=({"text": "a", "gold": 1}, {"text": "b"}))
    assert loader.read(Project.of(tmp_path)) == {"text": ["a", "b"], "gold": [1, None]}


def test_every_second_statement_is_false_and_no_longer_than_the_truth(tmp_path):
    found = BuiltinLoader(address="statements").read(Project.of(tmp_path))
    assert found["is_true"] == [True, False] * 1000
    for stated, answer, true, reply in zip(*(found[n] for n in ("stated", "answer", "is_true", "reply")), strict=True):
        assert str(stated) in str(reply)
        assert len(str(stated)) == len(str(answer))
        assert (stated == answer) == true
