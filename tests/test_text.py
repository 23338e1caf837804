from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layergrid import text


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.826, 2, "0.83"),
        (-0.004, 2, "0.00"),
        (-0.02, 2, "\N{MINUS SIGN}0.02"),
        (1234.5, 1, "1,234.5"),
        (math.nan, 2, "n/a"),
    ],
)
def test_a_number_has_fixed_digits_a_true_minus_and_no_negative_zero(value, digits, shown):
    assert text.number(value, digits) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.07, "+0.07"), (-0.07, "\N{MINUS SIGN}0.07"), (0.001, "0.00"), (-0.001, "0.00")]
)
def test_a_difference_shows_its_sign_unless_it_rounds_to_zero(value, shown):
    assert text.signed(value) == shown


def test_an_estimate_shows_the_bounds_that_it_has():
    assert text.estimate(0.83, 0.79, 0.86) == "0.83 [0.79, 0.86]"
    assert text.estimate(0.83, math.nan, math.nan) == "0.83"
    assert text.estimate(0.99, 0.97, math.nan) == "0.99 [at least 0.97]"


def test_a_range_uses_an_en_dash_unless_a_bound_is_negative():
    assert text.span(0.79, 0.86) == "0.79\N{EN DASH}0.86"
    assert text.span(-0.02, 0.1) == "\N{MINUS SIGN}0.02 to 0.10"


@pytest.mark.parametrize(
    ("k", "n", "clause"),
    [
        (0, 1, "the only cell is not here"),
        (1, 1, "the only cell is here"),
        (0, 2, "neither of the two cells is here"),
        (2, 2, "both cells are here"),
        (0, 72, "none of the 72 cells is here"),
        (1, 72, "one of the 72 cells is here"),
        (41, 264, "41 of the 264 cells are here"),
        (3, 3, "all three cells are here"),
    ],
)
def test_a_share_agrees_in_number(k, n, clause):
    assert text.share(k, n, "cell", "here") == clause


@pytest.mark.parametrize(("n", "shown"), [(0, "no"), (1, "one"), (12, "twelve"), (13, "13"), (1000, "1,000")])
def test_small_counts_are_words_and_large_ones_figures(n, shown):
    assert text.words(n) == shown


@pytest.mark.parametrize(
    ("half", "digits"), [(0.04, 2), (0.012, 2), (0.004, 3), (0.0004, 4), (0.3, 2), (0.0, 2), (math.nan, 2), (1e-9, 4)]
)
def test_an_interval_bears_so_many_digits(half, digits):
    assert text.precision(half) == digits


@pytest.mark.parametrize(
    ("values", "shown"),
    [([4], "layer 4"), ([10, 11, 12], "layers 10\N{EN DASH}12"), ([2, 5, 7, 8], "layers 2, 5 and 7\N{EN DASH}8")],
)
def test_layers_are_named_in_runs(values, shown):
    assert text.layers(values) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (1.0, "1"), (0.02, "0.02"), (1000.0, "1,000"), (20.0, "20"), (100.0, "100")]
)
def test_a_constant_loses_its_trailing_zeros_and_no_others(value, shown):
    assert text.trimmed(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1e-5, "1e\N{MINUS SIGN}5"), (0.001, "0.001"), (1.0, "1"), (0.0, "0")])
def test_a_penalty_is_a_power_only_where_it_is_small(value, shown):
    assert text.power(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1_700_000, "1.7 million"), (7_241_732_096, "7.2 billion"), (12_000, "12,000")]
)
def test_a_large_count_is_rounded_in_words(value, shown):
    assert text.large(value) == shown


@given(st.lists(st.text(max_size=8), unique=True, max_size=20))
def test_slugs_of_different_names_differ_and_hold_no_blank_dot_or_brace(names):
    slugs = [text.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert not any(c in slug for slug in slugs for c in " .{}|\t\n")


@given(st.text())
def test_visible_text_holds_nothing_that_does_not_print(string):
    shown = text.visible(string)
    shown.encode("utf-8")
    assert text.visible(shown) == shown
