"""Counts by label, statuses by label, and the example that is shown."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from layergrid.artifacts import Examples, Labels, Positions
from layergrid.cards import data_card, illustration, own_pieces, status_table
from small_tokenizers import byte_level, ids_of, metaspace, written

ROWS = [("Sum", " It| is| 4|3|</s>", True), ("Sum", " It| is| 7|</s>", True), ("Sum", " It| is", False)]
SPANS = [(9, 12), (9, 11), (-1, -1)]  # of the whole text, prompt included


@pytest.fixture(scope="module")
def sequences():
    tokenizer = byte_level()
    return written(tokenizer, [(prompt, ids_of(tokenizer, pieces), stopped) for prompt, pieces, stopped in ROWS])


def examples():
    return Examples("sums", "sums.csv", ("a", "b", "c"), ("g", "g", "h"), {"answer": (43, 8, None)}, "sha256:0")


def labels(correct=(True, False, False)):
    answers = (" 43", " 7", None)
    return Labels("numeric", "the rule", np.array(SPANS), answers, np.array(correct), ("", "", "nothing"))


def positions(status):
    found = np.array(status)
    start = np.where(found == "missing", -1, 2)
    return Positions(("one", "two"), start, np.where(start < 0, -1, start + 1), found)


def test_a_data_set_is_counted_by_label(sequences):
    dataset = SimpleNamespace(
        source="sums.csv",
        group="g",
        prompt="{{ q }}",
        generate=SimpleNamespace(max_new_tokens=9),
        grade="any",
        answers=None,
    )
    card = data_card("sums", dataset, "tiny", examples(), sequences, labels())
    assert (card.n, card.n_correct, card.n_groups) == (3, 1, 2)
    assert (card.not_found_correct, card.not_found_wrong) == (0, 1)
    assert (card.truncated_correct, card.truncated_wrong) == (0, 1)
    assert (card.group, card.rule, card.max_new_tokens) == ("g", "the rule", 9)


def test_statuses_are_counted_by_position_and_label_without_those_that_do_not_occur():
    table = status_table("positions", labels(), positions([["ok", "ok"], ["ok", "missing"], ["ok", "missing"]]))
    assert table.columns == ("position", "label", "status", "count")
    assert set(table.rows) == {
        ("one", "correct", "ok", 1), ("one", "wrong", "ok", 2), ("two", "correct", "ok", 1),
        ("two", "wrong", "missing", 2),
    }  # fmt: skip


def shown(sequences, status, **options):
    return illustration(examples(), sequences, labels(**options), positions(status), "answer")


def test_the_example_that_is_shown_has_most_positions_then_is_wrong_then_first(sequences):
    ok, missing = ["ok", "ok"], ["ok", "missing"]
    assert shown(sequences, [ok, ok, missing]).example_id == "b"
    assert shown(sequences, [ok, missing, missing]).example_id == "a"
    assert shown(sequences, [missing, missing, missing]).example_id == "b"
    assert shown(sequences, [ok, ok, ok], correct=(True, True, True)).example_id == "a"


def test_the_exact_answer_is_marked_by_the_tokens_that_hold_its_characters(sequences):
    found = shown(sequences, [["ok", "ok"], ["missing", "missing"], ["missing", "missing"]])
    assert "".join(found.pieces[slice(*found.exact)]) == " 43"
    assert (found.answer, found.gold, found.correct) == (" 43", "43", True)


def test_an_example_without_an_exact_answer_marks_no_token(sequences):
    found = shown(sequences, [["missing", "missing"], ["missing", "missing"], ["ok", "ok"]])
    assert (found.exact, found.answer, found.gold) == (None, "", "None")
    assert found.positions == (("one", 2, 3, "ok"), ("two", 2, 3, "ok"))


@pytest.mark.parametrize("tokenizer", [byte_level(), metaspace()])
@pytest.mark.parametrize("word", ["\u4e2d\u6587", "\u0645\u0631\u062d", "\U0001f600a\U0001f680", "\u00e9\u6587x"])
def test_tokens_that_are_parts_of_one_character_show_it_once(tokenizer, word):
    made = written(tokenizer, [(f"Sum {word}", [*tokenizer(word, add_special_tokens=False)["input_ids"]], True)])
    one = replace(examples(), ids=("a",), groups=("g",), columns={"answer": (1,)})
    told = replace(labels((True,)), spans=np.array([(-1, -1)]), answers=("",), reasons=("",))
    found = illustration(one, made, told, positions([["ok", "ok"]]), "answer")
    pieces = [piece for piece, special in zip(found.pieces, found.special, strict=True) if not special]
    assert "".join(pieces) == made.texts[0]
    assert "" in pieces
    assert len(found.pieces) == len(made.ids[0])


def test_a_token_that_shares_a_character_with_the_one_before_has_the_rest_of_its_own():
    made = SimpleNamespace(
        pieces=(("<s>", "\u4e2d", "\u4e2d\u6587", "\u6587", " x", "</s>"),),
        offsets=(np.array([(0, 0), (0, 1), (0, 2), (1, 2), (2, 4), (4, 4)]),),
        special=(np.array([True, False, False, False, False, True]),),
    )
    assert own_pieces(made, 0) == ("<s>", "\u4e2d", "\u6587", "", " x", "</s>")


def test_texts_with_a_label_are_counted_by_class_and_lack_no_answer(sequences):
    dataset = SimpleNamespace(source="facts.csv", group="", prompt="{{ q }}", generate=None, grade=None, answers=None)
    given = replace(sequences, written=False)
    told = replace(labels(), rule="", classes=("false ones", "true ones"))
    card = data_card("facts", dataset, "tiny", examples(), given, told)
    assert (card.written, card.classes, card.max_new_tokens) == (False, ("false ones", "true ones"), 0)
    assert (card.not_found_correct, card.not_found_wrong) == (0, 0)
    statuses = status_table("positions", told, positions([["ok", "ok"], ["ok", "missing"], ["ok", "missing"]]))
    assert {row[1] for row in statuses.rows} == {"false ones", "true ones"}
    shown = illustration(examples(), given, told, positions([["ok", "ok"], ["ok", "ok"], ["ok", "ok"]]), example="c")
    assert (shown.example_id, shown.written, shown.gold) == ("c", False, "")
    assert shown.label == told.classes[int(told.correct[2])]


def test_without_labels_statuses_are_those_of_all_examples():
    unknown = replace(labels(), rule="", classes=("", ""))
    table = status_table("positions", unknown, positions([["ok", "ok"], ["ok", "missing"], ["ok", "missing"]]))
    assert {row[1] for row in table.rows} == {"all"}
