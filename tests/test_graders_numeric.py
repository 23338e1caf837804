"""Numbers in all their spellings: which is found, what it is worth, and that no other number equals it."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.graders.numbers import boxes, numbers, value_of
from layergrid.graders.numeric import NumericGrader
from layergrid.kinds import BadInput

NUMERIC = NumericGrader(gold="answer")


def found(completion: str, **parameters) -> str | None:
    span = NumericGrader(gold="answer", **parameters).find(completion)
    return None if span is None else completion[span[0] : span[1]]


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("It is 3/4.", "3/4"),
        ("It is 1 1/2 cups.", "1 1/2"),
        ("About 1½", "1½"),
        ("It is ½.", "½"),
        (r"So $x = \frac{3}{4}$.", r"\frac{3}{4}"),
        (r"So $-\dfrac{3}{4}$.", r"-\dfrac{3}{4}"),
        (r"So $2\frac12$.", r"2\frac12"),
        ("on 3/4/2020", "2020"),
        ("10/2 = 5", "5"),
        ("It is 3 \u00d7 10^5 m.", "3 \u00d7 10^5"),
        ("the area is x^2", None),
        (r"First \boxed{4}. Then more. So \boxed{5}. 9", "5"),
        (r"Long.\n\nSo \boxed{\frac{3}{4}}", r"\frac{3}{4}"),
        (r"So 7, \boxed{x}", None),
        (r"So 7, \boxed{5", "5"),
        (r"\boxed{1{,}234 \text{ dollars}}", "1{,}234"),
        ("5 dollars", "5"),
        ("$5", "5"),
        ("5%", "5"),
        ("5 km", "5"),
        ("no number 5/0", None),
    ],
)
def test_fractions_boxes_and_units_are_read(completion, answer):
    assert found(completion) == answer


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ({}, "2"),
        ({"take": "first"}, "1"),
        ({"within": "first_line"}, "3"),
        ({"within": "last_line"}, "5"),
        ({"within": "last_line", "take": "first"}, "4"),
        ({"within": "all"}, "5"),
    ],
)
def test_which_number_of_which_part_is_taken_is_said_by_parameters(parameters, answer):
    assert found("\n 1 and 2. Then 3\n4 and 5\n", **parameters) == answer


def test_the_last_box_counts_and_a_number_in_it_is_taken_as_elsewhere():
    assert found(r"\boxed{4} \boxed{5 or 6}", take="first") == "5"


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("5", "15", False),
        ("5", "2.5", False),
        ("0.75", r"\frac{3}{4}", True),
        ("3/4", 0.75, True),
        ("1½", "1 1/2", True),
        ("10/2", 5, True),
        ("1/3", "0.333", False),
        ("9", "[9.0]", True),
        ("4", "[3.0, 4.0]", True),
        ("5", "[3.0, 4.0]", False),
        ("5", "5 km", True),
        ("3 \u00d7 10^5", 300000, True),
        ("1,234.50", "$1,234.5", True),
    ],
)
def test_numbers_are_compared_by_value(answer, gold, same):
    assert NUMERIC.agrees(answer, gold) is same


def test_a_tolerance_is_a_share_of_the_right_number():
    near = NumericGrader(gold="answer", tolerance=0.01)
    assert near.agrees("3.14", "3.1416")
    assert near.agrees("-99", -100)
    assert not near.agrees("98", 100)
    assert not near.agrees("0.0001", 0)


def test_a_list_of_right_numbers_may_hold_one_or_several():
    assert NUMERIC.golds({"answer": "[3.0, 4.0, 3.0]"}) == (3.0, 4.0)
    assert NUMERIC.golds({"answer": " "}) == ()
    with pytest.raises(BadInput, match="cut short"):
        NUMERIC.golds({"answer": "['3', '4"})


@pytest.mark.parametrize("parameters", [{"tolerance": -0.1}, {"tolerance": 1}, {"take": "second"}, {"within": "page"}])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(ValueError, match="Input should be"):
        NumericGrader(gold="answer", **parameters)


# ---------------------------------------------------------------- properties

SPELLINGS = ("{:,}", "{}", "{}.0", "{:,}.00", "${}", "{}%", "{} km", "\\boxed{{{}}}", "[{}]", "+{}")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=st.integers(0, 10**15), spelling=st.sampled_from(SPELLINGS), off=st.integers(1, 10**6))
def test_a_number_equals_itself_in_any_spelling_and_no_other(value, spelling, off):
    shown = spelling.format(value)
    assert NUMERIC.agrees(shown, value)
    assert not NUMERIC.agrees(shown, value + off)
    assert not NUMERIC.agrees(shown, f"{value}{off}")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(top=st.integers(0, 10**6), bottom=st.integers(1, 10**6), whole=st.integers(0, 99))
def test_fractions_have_their_exact_value(top, bottom, whole):
    assert value_of(f"{top}/{bottom}") == Fraction(top, bottom)
    assert value_of(f"-\\frac{{{top}}}{{{bottom}}}") == -Fraction(top, bottom)
    assert value_of(f"{whole} {top}/{bottom}") == whole + Fraction(top, bottom)


TEXTS = st.text(st.sampled_from("0123456789.,-+/eE½^{}\\ boxedfrac$%!?\n()x\u00d7"), max_size=40)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    text=TEXTS, take=st.sampled_from(["first", "last"]), within=st.sampled_from(["first_sentence", "last_line", "all"])
)
def test_a_span_is_one_number_of_the_text(text, take, within):
    span = NumericGrader(gold="answer", take=take, within=within).find(text)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
        assert NUMERIC.agrees(text[span[0] : span[1]], text[span[0] : span[1]])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=TEXTS)
def test_numbers_stand_in_order_and_apart(text):
    spans = list(numbers(text))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_a_hundred_thousand_characters_take_no_time():
    assert boxes("\\boxed{" * 14_000) == []
    assert found("\\boxed{" * 14_000 + "7") == "7"
    assert found("9" * 100_000) is None
    assert found("1,234" * 20_000) is not None
    assert found("x " * 50_000) is None
