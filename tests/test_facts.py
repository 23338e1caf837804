from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import edges
import edges_described
import synthetic
from layergrid import facts, stats
from layergrid.artifacts import Fact, GridResult, Results
from layergrid.facts.ledger import Ledger, difference_forms
from layergrid.facts.order import correlation as rank_correlation
from layergrid.facts.view import View
from layergrid.kinds import BadInput

EVERY = {**edges.EDGES, **edges.SETTLED, **edges_described.EDGES}


def derived(results: Results) -> dict[str, Fact]:
    return {fact.id: fact for fact in facts.derive(results)}


def with_values(value: np.ndarray, half: float = 0.01, p: float = 1e-6) -> Results:
    """A grid of these values without held-out scores."""
    one = edges.base().grids[0]
    shape = value.shape
    grid = replace(
        one.grid, layers=tuple(range(shape[0])), positions=synthetic.FIFTEEN[: shape[1]], value=value, low=value - half,
        high=value + half, n=np.full(shape, 400), n_positive=np.full(shape, 100), p_adjusted=np.full(shape, p),
        status=np.full(shape, "ok"), reason=np.full(shape, ""), tied_with_best=value == value.max(),
    )  # fmt: skip
    return edges.of(GridResult(grid))


def test_the_same_results_give_the_same_facts():
    assert facts.derive(edges.base()) == facts.derive(edges.base())


def test_the_nested_best_is_the_selection_and_the_highest_cell_the_grid():
    results = edges.base()
    found, one = derived(results), results.grids[0]
    assert found["errors.nested"].value == one.selection.estimate.value
    assert found["errors.highest"].value == one.grid.value.max()
    assert found["errors.nested"].relation == ""
    assert found["errors.nested.chance"].relation == "above"


@pytest.mark.parametrize(
    ("low", "high", "relation"),
    [(0.01, 0.2, "above"), (-0.2, -0.01, "below"), (-0.1, 0.1, "cannot be told from"), (np.nan, np.nan, "")],
)
def test_a_difference_licenses_only_what_its_interval_bears(low, high, relation):
    results = edges.base()
    one = results.grids[0]
    b = one.baselines[-1]
    changed = replace(b, difference=replace(b.difference, low=low, high=high))
    found = derived(edges.of(replace(one, baselines=(*one.baselines[:-1], changed))))
    assert found["errors.gain"].relation == relation


def test_an_interval_that_leaves_out_zero_is_never_printed_as_zero():
    assert difference_forms(0.003, 0.0004, 0.006, 2)["text"] == "0.0030 [0.0004, 0.0060]"
    assert difference_forms(-0.003, -0.006, -0.0004, 2)["text"] == "0.0030 [0.0004, 0.0060]"
    assert difference_forms(0.1, -0.001, 0.2, 2)["text"] == "0.10 [0.00, 0.20]"


def test_groups_come_from_names_alone():
    names = ("gold_first", "gold_last", "start", "-3", "-2", "-1", "exact_answer_first", "exact_answer_last")
    one = edges.base().grids[0]
    grid = replace(one.grid, positions=names, value=np.zeros((9, 8)))
    found = {g.label: [names[j] for j in g.columns] for g in View(GridResult(grid)).groups}
    assert found == {
        "the gold tokens": ["gold_first", "gold_last"],
        "start": ["start"],
        "the last three tokens": ["-3", "-2", "-1"],
        "the exact-answer tokens": ["exact_answer_first", "exact_answer_last"],
    }


def test_the_positions_of_every_group_are_each_position_once():
    for make in EVERY.values():
        for one in make().grids:
            columns = [j for g in View(one).groups for j in g.columns]
            assert sorted(columns) == list(range(len(one.grid.positions)))


def test_a_band_holds_the_layers_whose_paired_interval_holds_zero():
    results = edges.base()
    held, grid = results.grids[0].held_out, results.grids[0].grid
    split = stats.Split(held.labels, np.arange(len(held.labels)), held.folds)
    j = grid.positions.index("exact_answer_last")
    peak = int(np.argmax(grid.value[:, j]))
    best = stats.evaluate(split, held.cells[peak, j])
    tied = {peak}
    for i in set(range(9)) - {peak}:
        gap = stats.difference_interval(split, best, stats.evaluate(split, held.cells[i, j]), 0.95)
        tied |= {i} if gap.low <= 0 <= gap.high else set()
    band = derived(results)["errors.at.exact_answer_last.band"]
    assert {layer for layer, _ in band.cells} == tied


def test_without_scores_a_band_is_a_stated_distance():
    value = np.array([[0.60], [0.80], [0.81], [0.79], [0.60]])
    band = derived(with_values(value))["errors.at.last_q.band"]
    assert band.relation == "within"
    assert [layer for layer, _ in band.cells] == [1, 2, 3]
    assert band.forms["text"] == "layers 1\N{EN DASH}3 stand within 0.02 of it"


@pytest.mark.parametrize(
    ("column", "relation"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.9], "rises"),
        ([0.9, 0.8, 0.7, 0.6, 0.5], "falls"),
        ([0.5, 0.9, 0.5, 0.9, 0.5], "no clear trend"),
        ([0.700, 0.701, 0.702, 0.703, 0.704], "no clear trend"),  # inside the noise
    ],
)
def test_a_trend_needs_order_and_a_range_wider_than_the_noise(column, relation):
    value = np.column_stack([column, np.linspace(0.6, 0.61, 5)])
    assert derived(with_values(value))["errors.at.last_q.trend"].relation == relation


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    for _ in range(20):
        values = np.round(rng.normal(size=12), 1)
        assert rank_correlation(values) == pytest.approx(spearmanr(np.arange(12), values).statistic)
    assert np.isnan(rank_correlation(np.ones(4)))


def test_a_cell_departs_only_by_the_stated_multiple_and_outside_its_interval():
    rng = np.random.default_rng(0)
    value = 0.6 + 0.002 * rng.normal(size=(20, 3))
    value[10, 1] += 0.05
    found = derived(with_values(value))
    assert found["errors.departures"].cells == ((10, "first_answer"),)
    assert found["errors.departure.10.first_answer"].relation == "above"
    wide = derived(with_values(value, half=0.2))
    assert wide["errors.departures"].cells == ()


def test_no_cell_below_chance_counts_as_above_it_whatever_its_p_value():
    results = edges.base()
    grid = results.grids[0].grid
    turned = replace(grid, value=1 - grid.value, low=1 - grid.high, high=1 - grid.low)
    found = derived(edges.of(GridResult(turned)))
    for layer, position in found["errors.above"].cells:
        assert turned.value[turned.layers.index(layer), turned.positions.index(position)] > 0.5


def test_the_share_above_chance_counts_cells_after_correction():
    results = edges.base()
    grid = results.grids[0].grid
    found = derived(results)
    assert found["errors.above"].value == int((grid.p_adjusted < 0.05).sum())
    parts = [f for i, f in found.items() if i.startswith("errors.group.") and i.endswith(".above")]
    assert sum(f.value for f in parts) == found["errors.above"].value
    assert sum(f.n for f in parts) == found["errors.above"].n


def test_rows_left_out_are_told_by_label():
    dropped = derived(edges.base())["errors.dropped"]
    assert dropped.forms["split"] == "10 right and 28 wrong"
    assert dropped.forms["shares"].startswith("74\N{NO-BREAK SPACE}% of the rows left out are wrong, against 32")


def test_two_grids_of_one_name_have_facts_of_their_own():
    one = edges.base().grids[0]
    other = replace(one, grid=replace(one.grid, model="large"))
    found = derived(replace(edges.base(), grids=(one, other)))
    assert "errors.tiny.sums.nested" in found
    assert "errors.large.sums.nested" in found


def test_two_rules_cannot_write_one_fact():
    ledger = Ledger("errors")
    ledger.add("x", "rule", {"text": "1"})
    with pytest.raises(ValueError, match=r"errors\.x"):
        ledger.add("x", "rule", {"text": "2"})


@pytest.mark.parametrize("name", list(EVERY))
def test_facts_come_back_from_json_as_they_were(name):
    results = EVERY[name]()
    found = facts.derive(results)
    back, said = facts.from_json(facts.to_json(found))
    assert back == found
    assert said == ()


def test_ids_hold_no_blank_and_every_fact_has_a_form():
    for make in EVERY.values():
        for fact in facts.derive(make()):
            assert " " not in fact.id
            assert fact.forms or fact.rule in {"name", "relation", "paired cells"}, fact
            assert all(isinstance(v, str) and v for v in fact.forms.values())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"facts": [{"id": 1}], "sentences": []}', '{"facts": 1}'])
def test_another_file_is_refused_by_name(content):
    with pytest.raises(BadInput, match=r"facts\.json"):
        facts.from_json(content)


def test_facts_json_is_plain_json_without_nan():
    content = facts.to_json(facts.derive(edges.nothing_but_values()))
    json.loads(content, parse_constant=lambda name: pytest.fail(name))
