"""Rows of a data set: columns named anew, rules that leave rows out, ids that order them, values that are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reciting
from building import build, tree
from layergrid import archive
from layergrid.artifacts import Examples, Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders import load_examples, some
from layergrid.loaders.columns import in_order
from layergrid.project import Project


class Fixed(Loader):
    """Columns given in the test."""

    kind: str = "fixed"
    held: dict[str, list[Scalar]]

    def read(self, project: Project) -> dict[str, list[Scalar]]:  # noqa: ARG002 - nothing is read
        return self.held


def load(held: dict[str, list[Scalar]], **asked) -> Examples:
    loader = Fixed.model_construct(address="", held=held)
    return load_examples("quiz", loader, "quiz.csv", Project.of(Path()), **asked)


def refusal(held: dict[str, list[Scalar]], **asked) -> str:
    with pytest.raises(BadInput) as error:
        load(held, **asked)
    return str(error.value)


def shuffled(many: list, seed: int) -> list:
    return [many[i] for i in np.random.default_rng(seed).permutation(len(many))]


# ---------------------------------------------------------------- columns


def test_a_column_gets_a_new_name_and_the_others_stay():
    found = load({"Question": ["?"], "Answer": ["!"]}, columns={"question": "Question"})
    assert dict(found.columns) == {"question": ("?",), "Answer": ("!",)}


def test_a_template_makes_a_column_of_others_as_they_were_read():
    held = {"Question": ["who?"], "Wrong Answer": ["he"], "n": [3]}
    made = {"question": "Question", "options": "{{ Question | upper }} {{ row['Wrong Answer'] }} {{ n + 1 }}"}
    found = load(held, columns=made)
    assert found.columns["options"] == ("WHO? he 4",)
    assert found.columns["question"] == ("who?",)


def test_a_template_may_take_the_place_of_a_column():
    found = load({"answer": [" 9 ", "8"]}, columns={"answer": "{{ answer | trim }}"})
    assert dict(found.columns) == {"answer": ("9", "8")}


def test_two_columns_may_change_their_names():
    assert dict(load({"a": [1], "b": [2]}, columns={"a": "b", "b": "a"}).columns) == {"a": (2,), "b": (1,)}


def test_one_column_may_have_two_names():
    assert dict(load({"a": [1]}, columns={"x": "a", "y": "a"}).columns) == {"x": (1,), "y": (1,)}


def test_ids_groups_and_rules_name_the_new_columns():
    found = load(
        {"Key": ["b", "a"], "Pair": [1, 1]}, columns={"key": "Key", "pair": "Pair"}, id_column="key",
        group_column="pair", where="key != 'c'",
    )  # fmt: skip
    assert (found.ids, found.groups) == (("a", "b"), ("1", "1"))
    assert "there is no column 'Key', named as id" in refusal({"Key": [1]}, columns={"key": "Key"}, id_column="Key")


def test_an_old_column_that_is_missing_is_named_with_the_nearest():
    said = refusal({"question": ["?"], "Correct_Answer": ["!"]}, columns={"gold": "answer"})
    assert "there is no column 'answer', which `columns` names 'gold'" in said
    assert "the columns are 'question' and 'Correct_Answer'. Did you mean 'Correct_Answer'?" in said


def test_a_new_name_that_would_hide_a_column_is_refused_with_a_way_out():
    said = refusal({"answer": [1], "gold": [2]}, columns={"answer": "gold"})
    assert "there is a column 'answer', which it would hide" in said
    assert "{answer: gold, old_answer: answer}" in said


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ qestion }}", "the template of column 'made' names 'qestion', which is no column of quiz.csv"),
        ("{{ question | nofilter }}", "template of column 'made', line 1: No filter named 'nofilter'"),
        ("{{ question + 1 }}", "data set 'quiz', row 1: the template of column 'made' failed"),
        ("{{ ''.__class__ }}", "failed"),
        ("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}", "failed"),
    ],
)
def test_a_template_that_fails_names_its_column_and_row(template, said):
    assert said in refusal({"question": ["?"]}, columns={"made": template})


# ---------------------------------------------------------------- where


def test_rows_that_a_rule_does_not_keep_are_counted_with_its_words():
    found = load({"n": [1, 2, 3, 4]}, where="n is even")
    assert found.ids == ("2", "4")
    assert found.left_out == (("they do not meet the rule 'n is even'", 2, 4),)
    assert load({"n": [1]}, where="n").left_out == ()


def test_names_that_columns_are_given_draw_no_other_sample():
    held = {"i": [f"r{k}" for k in range(60)], "q": [f"what {k}?" for k in range(60)]}
    plain = load(held, sample=20, id_column="i")
    named = load(held, sample=20, id_column="key", columns={"key": "i", "asked": "{{ q }}!"})
    assert plain.ids == named.ids


def test_a_sample_is_drawn_of_what_a_rule_keeps():
    held = {"n": list(range(40))}
    found = load(held, where="n >= 20", sample=5)
    assert all(n >= 20 for n in found.columns["n"])
    assert found.left_out == (("they do not meet the rule 'n >= 20'", 20, 40),)
    assert "the set holds 20 rows of 40 that `where` keeps" in refusal(held, where="n >= 20", sample=21)


def test_a_rule_that_keeps_nothing_is_an_error_that_shows_a_row():
    said = refusal({"n": [1, 2], "q": ["x" * 500, "y"]}, where="n > 5")
    assert "the rule of `where` (n > 5) leaves out all 2 rows; loosen it. The first row is {n: 1, q: 'xxx" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("n >", "is no Jinja expression; write one such as operands == 2"),
        ("{{ n }}", "is no Jinja expression"),
        ("n) %}1{% endif %}{% if (n", "is no Jinja expression"),
        ("n %}{% else", "is no Jinja expression"),
        ("m > 1", "`where` names 'm', which is no column"),
        ("text > 1", "row 1: the rule of `where` (text > 1) failed: '>' not supported"),
        ("text.__class__", "failed"),
        ("range(99999999)", "failed"),
    ],
)
def test_a_rule_that_cannot_be_judged_says_where_and_why(rule, said):
    assert said in refusal({"n": [1, 2], "text": ["a", "b"]}, where=rule)


def test_a_rule_reads_columns_that_no_name_can_spell_and_texts_with_tags():
    found = load({"Wrong Answer": ["a %}", "b"]}, where="row['Wrong Answer'] == 'a %}'")
    assert found.ids == ("1",)


# ---------------------------------------------------------------- order


def test_named_rows_stand_in_the_order_of_their_ids():
    held = {"id": ["q10", "q9", "q1", "p2"], "n": [10, 9, 1, 2]}
    assert load(held, id_column="id").ids == ("p2", "q1", "q9", "q10")
    assert load({"id": [10, 9, 1]}, id_column="id").ids == ("1", "9", "10")


def test_the_order_of_ids_does_not_depend_on_how_they_stood():
    ids = ["a", "a1", "a01", "a001", "a10", "10", "9", "09", "", "é2", "B", "b", "x9y10", "x9y9", "²", "9" * 5000]
    wanted = [ids[i] for i in in_order(ids)]
    for seed in range(20):
        mixed = shuffled(ids, seed)
        assert [mixed[i] for i in in_order(mixed)] == wanted
    assert wanted.index("9") < wanted.index("10") < wanted.index("9" * 5000)


def test_named_rows_in_another_order_are_the_same_examples():
    rows = [(f"q{i}", i % 7, f"text {i}") for i in range(50)]
    mixed = shuffled(rows, 3)

    def columns(many):
        return dict(zip(("id", "g", "q"), map(list, zip(*many, strict=True)), strict=True))

    asked = {"id_column": "id", "group_column": "g", "where": "g != 3", "sample": 20}
    assert load(columns(rows), **asked) == load(columns(mixed), **asked)


def test_some_rows_stand_for_themselves_with_a_count_of_the_others():
    whole = load({"id": ["a", "b", "c"], "n": [1, 2, 3]}, id_column="id", where="n < 3")
    kept = some(whole, ["b"], "they are long")
    assert (kept.ids, dict(kept.columns)["n"]) == (("b",), (2,))
    assert [one[1:] for one in kept.left_out] == [(1, 3), (1, 2)]
    assert kept.fingerprint != whole.fingerprint
    assert some(whole, ["a", "b"], "they are long") is whole


# ---------------------------------------------------------------- missing and mixed values


def test_what_is_not_a_number_is_missing():
    assert load({"n": [1.0, float("nan"), float("inf")]}).columns["n"] == (1.0, None, float("inf"))


@pytest.mark.parametrize("role", ["id", "group"])
@pytest.mark.parametrize("empty", [None, "", float("nan")])
def test_a_missing_id_or_group_is_told_with_the_first_row_and_how_many_more(role, empty):
    said = refusal({"k": ["a", empty, "b", empty]}, **{f"{role}_column": "k"})
    assert f"row 2: column 'k', named as {role}, is empty, and so it is in 1 more; give every row a value" in said


def test_rows_without_an_id_may_be_left_out_by_a_rule():
    assert load({"k": ["a", None, "b"]}, id_column="k", where="k").ids == ("a", "b")


@pytest.mark.parametrize("role", ["id", "group"])
def test_text_and_numbers_in_one_id_or_group_column_are_refused(role):
    said = refusal({"k": [7, "8", 9]}, **{f"{role}_column": "k"})
    assert "mixes types: row 1 holds a number (7) and row 2 text ('8')" in said
    assert '`columns: {k: "{{ k }}"}`' in said
    assert load({"k": [7, "8", 9]}, columns={"k": "{{ k }}"}, **{f"{role}_column": "k"}).groups == ("7", "8", "9")


def test_equal_numbers_are_one_group_however_they_are_written():
    assert load({"g": [7, 7.0, 8.5]}, group_column="g").groups == ("7", "7", "8.5")


@pytest.mark.parametrize("value", ['["a", "b"]', "['a', 'b']", "[1, 2]"])
def test_a_list_where_one_group_is_needed_is_refused_with_a_way_to_one_value(value):
    said = refusal({"g": ["x", value]}, group_column="g")
    assert f"row 2: column 'g', named as group, holds a list ({value})" in said
    template = said.partition('{g: "')[2].partition('"}`')[0]
    assert len(set(load({"g": [value, value]}, columns={"g": template}, group_column="g").groups)) == 1


def test_a_text_in_brackets_is_a_group():
    assert load({"g": ["[sic]", "[a, b"]}, group_column="g").groups == ("[sic]", "[a, b")


# ---------------------------------------------------------------- builds

SPEC = """\
models: {tiny: model}
datasets:
  facts:
    source: facts.jsonl
    id: id
    prompt: "{{ question }}{{ cue }}"
    generate: {max_new_tokens: 8, batch: BATCH}
positions: [last_q, first_answer]
grids:
  errors: {kind: probe, folds: 3, penalties: [0.01, 1.0], baselines: [logprob_mean, exact_logprob_mean]}
outputs: [md]
"""
# A prompt in other company is rounded in other ways: log-probabilities, in float32 of sums over a vocabulary, differ by
# a few units in their last place (4.8e-6 at most over 115 answers of the model that ships, in batches of 5, 16, 64).
# Answers are the same, and so are the states that are read of them, whose batches are not those of `generate`: cells,
# folds and scores of probes agreed to the last bit.
TOLERANCE = 1e-5


def built(home, batch, shuffle):
    """A build in a folder and a cache of its own."""
    reciting.save(home / "model", {"#": (" It", " is", " 4", "."), "%": (" So", " 5")})
    rows = reciting.rows(60, ["#", "%"], ["4", "5"])
    rows = [row | {"id": f"q{i}", "question": row["question"] + " please" * (i % 5)} for i, row in enumerate(rows)]
    reciting.write_jsonl(home / "facts.jsonl", shuffled(rows, 7) if shuffle else rows)
    made = build(home, SPEC.replace("BATCH", str(batch)))
    assert made.ran.code == 0, made.ran.err
    return made.report


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return built(tmp_path_factory.mktemp("reference"), 16, shuffle=False)


def test_no_byte_of_a_report_depends_on_the_order_of_rows(reference, tmp_path):
    one, other = tree(reference), tree(built(tmp_path, 16, shuffle=True))
    del one["manifest.json"], other["manifest.json"]  # which tells how long it took
    assert one == other


@pytest.mark.parametrize("batch", [1, 7, 60])
def test_no_number_depends_on_the_size_of_batches(reference, tmp_path, batch):
    one, other = archive.read(reference), archive.read(built(tmp_path, batch, shuffle=False))
    a, b = one.grids[0], other.grids[0]
    assert np.array_equal(a.grid.value, b.grid.value, equal_nan=True)
    assert np.array_equal(a.held_out.cells, b.held_out.cells, equal_nan=True)
    assert np.array_equal(a.held_out.folds, b.held_out.folds)
    assert a.held_out.example_ids == b.held_out.example_ids
    assert a.selection == b.selection
    for name, scores in a.held_out.baselines.items():
        np.testing.assert_allclose(b.held_out.baselines[name], scores, rtol=0, atol=TOLERANCE)
