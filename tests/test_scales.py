"""From values to colours: natural domains, schemes, ticks and the bar's labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import described
import synthetic
from layergrid import theme
from layergrid.charts import colourbar, scale
from layergrid.charts.heatmap import Heatmap
from layergrid.charts.scale import Scale

PAPER = theme.load("paper")
FINITE = {"allow_nan": False, "allow_infinity": False}


def grid(values, low=None, high=None, **more):
    """A grid of these values, whose quantity has these bounds and no chance level."""
    value = np.atleast_2d(np.asarray(values, float))
    one = synthetic.grid_result(layers=1, positions=("last_q",), n=60).grid
    quantity = replace(one.quantity, **{"low": low, "high": high, "chance": None, **more.pop("quantity", {})})
    same = np.full(value.shape, np.nan)
    return replace(
        one, quantity=quantity, value=value, low=same, high=same, n=np.ones(value.shape, int), p_adjusted=same,
        n_positive=np.zeros(value.shape, int), status=np.where(np.isfinite(value), "ok", "missing"),
        reason=np.full(value.shape, ""), tied_with_best=np.zeros(value.shape, bool),
        layers=tuple(range(value.shape[0])), positions=tuple(f"p{j}" for j in range(value.shape[1])), **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "low", "high", "domain"),
    [
        ([0.1, 0.9], 0.0, 1.0, (0.0, 1.0)),
        ([0.02, 0.17], 0.0, 1.0, (0.0, 0.2)),  # under half of the range: a round end
        ([0.4, 0.95], -1.0, 1.0, (0.0, 1.0)),  # no cosine below zero
        ([-0.6, 0.9], -1.0, 1.0, (-1.0, 1.0)),
        ([-0.3, 0.2], -1.0, 1.0, (-0.3, 0.3)),
        ([3.1, 17.4], 0.0, None, (0.0, 20.0)),
        ([103.0, 117.0], 0.0, None, (100.0, 120.0)),  # far from zero
        ([-8.2, -1.1], None, None, (-10.0, 0.0)),
        ([5.0, 5.0], 0.0, None, (4.5, 5.5)),
        ([np.nan, np.nan], None, None, (0.0, 1.0)),
        ([1.0, 40_000.0], 1.0, 50_257.0, (1.0, 50_000.0)),  # a rank
    ],
)
def test_the_natural_domain_suits_what_the_quantity_can_be_and_what_the_cells_are(values, low, high, domain):
    assert scale.natural_domain(grid(values, low, high)) == pytest.approx(domain)


def test_a_contrast_has_equal_ends_around_zero_and_two_sides_of_colour():
    one = described.contrast().grid
    found = scale.of(one, PAPER, "", None)
    assert found.low == -found.high
    assert found.high >= np.abs(one.value).max()
    assert found.stops == PAPER.scheme("rdbu")
    assert found.stop(0.0) == "#f7f7f7"


def test_a_scheme_of_one_side_is_taken_where_no_value_lies_well_across_zero():
    assert scale.of(described.activation().grid, PAPER, "", None).stops == PAPER.scheme("cividis")
    assert scale.of(grid([-0.02, 0.9], -1.0, 1.0), PAPER, "", None).stops == PAPER.scheme("cividis")


def test_a_quantity_tells_which_scheme_of_the_theme_it_takes_and_no_kind_does():
    chance = scale.of(grid([0.5, 0.9], 0.0, 1.0, quantity={"chance": 0.5}), PAPER, "", None)
    attention = scale.of(grid([0.0, 0.3], 0.0, 1.0, quantity={"family": "attention"}), PAPER, "", None)
    other = scale.of(grid([0.0, 0.3], 0.0, 1.0), PAPER, "", None)
    found = [PAPER.scheme(name) for name in ("blues", "ylorbr", "cividis")]
    assert [chance.stops, attention.stops, other.stops] == found


def test_where_less_is_more_of_the_claim_low_values_take_the_strong_colours_unless_a_scheme_is_named():
    rank = grid([1.0, 40_000.0], 1.0, 50_257.0, quantity={"higher_is": "less"})
    assert scale.of(rank, PAPER, "", None).stops == PAPER.scheme("cividis")[::-1]
    assert scale.of(rank, PAPER, "blues", None).stops == PAPER.scheme("blues")


def test_a_two_sided_scheme_stands_pale_at_zero_whatever_its_ends():
    found = Scale(-0.2, 0.8, PAPER.scheme("rdbu"))
    assert found.knots[5] == 0.0
    assert found.stop(0.01) == "#f7f7f7"


def test_unbounded_values_over_two_decades_are_logarithmic_on_map_bar_and_colours():
    one = grid(np.geomspace(2, 900, 12).reshape(3, 4), 0.0, None)
    found = scale.of(one, PAPER, "", None)
    assert found.log
    assert found.domain == (2.0, 1000.0)
    assert found.share(2.0) == 0.0
    assert found.share(np.sqrt(2000.0)) == pytest.approx(0.5)
    assert found.colour("value")["scale"]["type"] == "log"
    assert [word for _, word in colourbar.labels(found, one.value, 248)] == ["2", "10", "100", "1,000"]
    assert not scale.of(one, PAPER, "", (0.0, 900.0)).log


def test_the_bar_shows_both_ends_of_a_domain_that_is_not_round():
    found = Scale(0.37, 0.93, PAPER.scheme("blues"))
    words = [word for _, word in colourbar.labels(found, np.array([0.5]), 248)]
    assert (words[0], words[-1]) == ("0.37", "0.93")
    assert "0.6" in words


def test_the_bar_of_whole_numbers_has_no_decimals_and_that_of_shares_has_one():
    assert [w for _, w in colourbar.labels(Scale(0, 100, ("#000000", "#ffffff")), np.array([1.0]), 248)] == [
        "0", "20", "40", "60", "80", "100",
    ]  # fmt: skip
    assert [w for _, w in colourbar.labels(Scale(0, 1, ("#000000", "#ffffff")), np.array([1.0]), 100)] == [
        "0.0", "0.5", "1.0",
    ]  # fmt: skip


def test_a_theme_without_the_usual_schemes_is_drawn_in_its_first():
    own = replace(PAPER, schemes={"mine": PAPER.schemes["ylorbr"]})
    assert scale.of(described.contrast().grid, own, "", None).stops == PAPER.scheme("ylorbr")


def test_the_bar_names_quantity_and_unit_or_what_the_spec_says():
    one = grid([3.0, 5.0], 0.0, None, quantity={"name": "surprisal", "unit": "nats"})
    results = replace(synthetic.results(n=60), grids=(replace(synthetic.grid_result(n=60), grid=one, held_out=None),))

    def said(**fields):
        marks = Heatmap(**fields).draw(results, PAPER).spec["layer"]
        return [m["mark"]["text"] for m in marks if m.get("mark", {}).get("fontWeight") == 600]

    assert "surprisal (nats)" in said()
    assert "Correlation" in said(legend_title="Correlation")


@given(st.lists(st.floats(-1e6, 1e6, **FINITE), min_size=1, max_size=12))
def test_the_natural_domain_holds_every_value_of_an_unbounded_quantity(values):
    low, high = scale.natural_domain(grid(values))
    assert low < high
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    assert low - slack <= min(values)
    assert max(values) <= high + slack


@given(st.floats(1e-6, 1e6), st.floats(100, 1e6))
def test_logarithmic_ticks_lie_inside_and_are_few(low, times):
    domain = scale.decades(low, low * times)
    found = scale.log_ticks(domain, 6)
    assert 1 <= len(found) <= 6
    assert all(domain[0] * 0.999 <= v <= domain[1] * 1.001 for v in found)
