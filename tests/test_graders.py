"""The exact answer by a rule that sees no gold answer, then the comparison."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.artifacts import Examples, Scalar
from layergrid.demo.questions import evaluation_sums
from layergrid.graders import check_gold, grade_all, label_all, no_labels
from layergrid.graders.exact import ExactGrader
from layergrid.graders.numeric import NumericGrader
from layergrid.kinds import BadInput, Grader, known
from small_tokenizers import byte_level, ids_of, raw, written

NUMERIC = NumericGrader(gold="answer")
EXACT = ExactGrader(gold="answer")


def found(grader: Grader, completion: str) -> str | None:
    span = grader.find(completion)
    return None if span is None else completion[span[0] : span[1]]


def test_the_kinds_are_found_by_their_folder():
    assert sorted(known(Grader)) == ["choice", "column", "contains", "exact", "math", "numeric", "regex"]
    assert (known(Grader)["exact"], known(Grader)["numeric"]) == (ExactGrader, NumericGrader)


@pytest.mark.parametrize("grader", [NUMERIC, EXACT])
def test_finding_is_given_nothing_but_the_completion_and_what_may_be_answered(grader):
    assert list(inspect.signature(grader.find).parameters) == ["completion", "options"]


# ---------------------------------------------------------------- numeric


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" 5", "5"),
        (" 5.", "5"),
        ("\n\n  5\n7", "5"),
        (" 4710 minus 385 equals 4325, and that is my final answer.", "4325"),
        (" The result is 12. There is nothing more to say here, 3 times.", "12"),
        (" Its value must be 15; you may check it by hand.", "15"),
        (" It is 5!", "5"),
        (" Is it 5? Or 6?", "5"),
        (' He said "5." Then 6.', "5"),
        (" (It is 5.) Then 6.", "5"),
        (" 5\u20286", "5"),
        (" 5\r\n6", "5"),
        (" It is 5\u3002 6", "5"),
        (" 3.75 in all", "3.75"),
        (" 3.75.", "3.75"),
        (" .5", ".5"),
        (" ...5", "5"),
        (" 1,234 in all", "1,234"),
        (" 1,234,567.89", "1,234,567.89"),
        (" either 3, 4, 5", "5"),
        (" either 3,4,5", "5"),
        (" $1,200.", "1,200"),
        (" 50%", "50"),
        (" 5km", "5"),
        (" the 3rd", "3"),
        (" -7", "-7"),
        (" = \N{MINUS SIGN}7.5", "\N{MINUS SIGN}7.5"),
        (" +7", "+7"),
        (" 4710-385", "385"),
        (" 10 - 3", "3"),
        (" 2+3=5", "5"),
        (" 1.5e-3", "1.5e-3"),
        (" B12 and 7", "7"),
        (" 12:30", "30"),
        (" 答案是5", "5"),
        (" \u0661\u0662", "\u0661\u0662"),
    ],
)
def test_numeric_takes_the_last_number_of_the_first_sentence(completion, answer):
    assert found(NUMERIC, completion) == answer


@pytest.mark.parametrize("completion", ["", " ", "\n", " none.", " Sure! It is 5.", " Let me see:\n5", " B12", " v2.0"])
def test_numeric_finds_nothing_where_the_first_sentence_holds_no_number(completion):
    assert NUMERIC.find(completion) is None


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("15", 5, False),
        ("5", 15, False),
        ("5", 5, True),
        ("5", 5.0, True),
        ("5", "5", True),
        ("5.0", 5, True),
        ("5.50", "5.5", True),
        ("1,234", "1234", True),
        ("1234", "1,234", True),
        ("9", "[9.0]", True),
        ("9", "$9", True),
        ("-5", 5, False),
        ("\N{MINUS SIGN}5", -5, True),
        ("+5", 5, True),
        ("0.1", 0.1, True),
        ("1e3", 1000, True),
        ("\u0661\u0662", 12, True),
        ("12345678901234567890", "12345678901234567891", False),
    ],
)
def test_numeric_compares_whole_numbers(answer, gold, same):
    assert NUMERIC.agrees(answer, gold) is same


@pytest.mark.parametrize(
    ("gold", "words"),
    [
        ("five", "'five' holds no number"),
        ("", "'' holds no number"),
        (None, "None holds no number"),
        (True, "True holds no number"),
        (float("nan"), "nan holds no number"),
        ("3 or 4", "holds 2 numbers"),
        ("[3.0, 'four']", "'four' holds no number"),
    ],
)
def test_a_gold_answer_without_exactly_one_number_is_refused(gold, words):
    with pytest.raises(BadInput, match=r"exactly one") as error:
        NUMERIC.agrees("5", gold)
    assert words in str(error.value)


def test_numeric_finds_the_right_answer_in_every_wording_of_the_set_that_ships():
    for one in evaluation_sums(500):
        assert found(NUMERIC, f" {one.reply}") == str(one.answer)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=st.integers(-(10**12), 10**12), comma=st.booleans(), tail=st.sampled_from([".", "", ", so", "! 7", "\n8"]))
def test_any_integer_that_was_written_is_read_back(value, comma, tail):
    shown = f"{value:,}" if comma else str(value)
    assert found(NUMERIC, f" It is {shown}{tail}") == shown
    assert NUMERIC.agrees(shown, value)
    assert not NUMERIC.agrees(shown, value + 1)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(st.sampled_from("0123456789.,-+eE !?\n()x"), max_size=30))
def test_what_numeric_finds_is_one_number_inside_the_text(text):
    span = NUMERIC.find(text)
    if span is not None:
        assert NUMERIC.agrees(text[span[0] : span[1]], text[span[0] : span[1]])


# ---------------------------------------------------------------- exact


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" Paris.\nIt is large.", "Paris"),
        ("\n\n  Marie-Josée Croze  \n", "Marie-Josée Croze"),
        (" Yes, it is!", "Yes, it is"),
        (" Sammy Davis Jr.", "Sammy Davis Jr"),
        (" wait ... ", "wait"),
        (" 東京。", "東京"),
        (" one\u2028two", "one"),
    ],
)
def test_exact_takes_the_first_line_without_what_trails(completion, answer):
    assert found(EXACT, completion) == answer


@pytest.mark.parametrize("completion", ["", "  \n ", " ...", "?!"])
def test_exact_finds_nothing_where_the_first_line_holds_no_word(completion):
    assert EXACT.find(completion) is None


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("paris", "Paris", True),
        ("New  York", " new york ", True),
        ("Sammy Davis Jr", "Sammy Davis Jr.", True),
        ("Jose\u0301", "Jos\u00e9", True),
        ("STRASSE", "stra\u00dfe", True),
        ("Par", "Paris", False),
        ("Paris, France", "Paris", False),
        ("5", 5, True),
        ("5", "15", False),
        ("True", True, True),
    ],
)
def test_exact_compares_but_for_case_blanks_and_what_trails(answer, gold, same):
    assert EXACT.agrees(answer, gold) is same


@pytest.mark.parametrize("gold", [None, "", "  ", "..."])
def test_an_empty_gold_answer_is_refused(gold):
    with pytest.raises(BadInput, match="holds no text"):
        EXACT.agrees("Paris", gold)


# ---------------------------------------------------------------- whole data sets


def examples(answers: list[Scalar]) -> Examples:
    ids = tuple(str(i + 1) for i in range(len(answers)))
    columns = {"question": tuple("?" for _ in answers), "answer": tuple(answers)}
    return Examples("sums", "sums.csv", ids, ids, columns, "")


@pytest.fixture(scope="module")
def gpt():
    return byte_level()


def test_spans_are_characters_of_the_whole_text_and_graded_against_gold(gpt):
    after = [" It| is| 4|3|.|</s>", " It| is| 4|4|.|</s>", "</s>", f" the|{raw('😀')}| 5|</s>"]
    sequences = written(gpt, [("Sum 43?", ids_of(gpt, one), True) for one in after])
    labels = grade_all(NUMERIC, examples([43, "43", 43, 5.0]), sequences)
    assert labels.spans.tolist() == [[14, 16], [14, 16], [-1, -1], [13, 14]]
    assert [t[a:b] for t, (a, b) in zip(sequences.texts, labels.spans, strict=True)] == ["43", "44", "", "5"]
    assert labels.answers == ("43", "44", None, "5")
    assert labels.correct.tolist() == [True, False, False, True]
    assert labels.correct.dtype == np.bool_
    assert labels.reasons[0] == ""
    assert labels.reasons[1] == "'44' is not '43'"
    assert "found nothing by the rule: the last number" in labels.reasons[2]
    assert (labels.grader, labels.rule) == ("numeric", NumericGrader.rule)


def test_a_missing_gold_column_lists_the_columns_and_the_nearest():
    with pytest.raises(BadInput) as error:
        check_gold(NumericGrader(gold="anser"), examples([1]))
    message = str(error.value)
    assert "data set 'sums' (sums.csv): there is no column 'anser', named as gold" in message
    assert "Did you mean 'answer'?" in message


def test_a_gold_answer_that_cannot_be_compared_names_the_example_and_the_column_before_anything_is_written():
    with pytest.raises(BadInput, match=r"data set 'sums' \(sums\.csv\), example '2', column 'answer': .*'none'"):
        check_gold(NUMERIC, examples([1, "none"]))


def test_sequences_of_other_rows_are_refused(gpt):
    sequences = written(gpt, [("Sum?", ids_of(gpt, " 4|</s>"), True)])
    with pytest.raises(ValueError, match="not of the same rows"):
        grade_all(NUMERIC, examples([1, 2]), sequences)


# ---------------------------------------------------------------- labels without answers


def rows_of(*values: Scalar) -> Examples:
    ids = tuple(str(i + 1) for i in range(len(values)))
    return Examples("facts", "facts.csv", ids, ids, {"is_true": values}, "")


def test_a_label_column_is_true_by_the_usual_spellings():
    labels = label_all(rows_of(True, "yes", "1", 1, 1.0, " TRUE ", False, "no", "0", 0), "is_true")
    assert labels.correct.tolist() == [True] * 6 + [False] * 4
    assert (labels.classes, labels.rule, labels.known) == (("false", "true"), "", True)
    assert (labels.spans == -1).all()


def test_values_that_count_are_found_as_numbers_or_as_their_text():
    labels = label_all(rows_of("2", 2, "two", 3), "is_true", (2, "two"), ("the rest", "twos"))
    assert labels.correct.tolist() == [True, True, True, False]
    assert labels.positive("label")[1:] == ("twos", "the rest")


@pytest.mark.parametrize(
    ("values", "wanted", "column", "words"),
    [
        ((True, None), (), "is_true", "example '2': column 'is_true' is empty; give every row a label"),
        ((True, "perhaps"), (), "is_true", "'perhaps', which is neither true nor false; say which values count"),
        ((True, False), ("x",), "is_true", "no row has one of the label's values 'x'"),
        ((True, False), (), "is_tru", "there is no column 'is_tru', named as label; the columns are 'is_true'"),
    ],
)
def test_a_label_that_cannot_be_read_is_refused_with_its_row(values, wanted, column, words):
    with pytest.raises(BadInput) as caught:
        label_all(rows_of(*values), column, wanted)
    assert words in str(caught.value)


def test_without_labels_none_are_known():
    assert not no_labels(rows_of(1, 2)).known
