from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import described
import edges_described as edges
from layergrid import facts, stats
from layergrid.artifacts import Fact, Results
from layergrid.facts.view import View


def derived(results: Results) -> dict[str, Fact]:
    return {fact.id: fact for fact in facts.derive(results)}


def of_rule(results: Results, *rules: str) -> list[Fact]:
    return [fact for fact in facts.derive(results) if fact.rule in rules]


# ---------------------------------------------------------------- paired differences


@pytest.mark.parametrize("build", [described.activation, described.contrast, described.similarity])
def test_a_paired_difference_is_the_interval_of_the_row_differences(build):
    one = build()
    found, grid = one.measured, one.grid
    view, cells = View(one), [(3, 2), (6, 5), (0, 1)]
    for a in cells:
        for b in cells:
            rows = found.cells[a].astype(np.float64) - found.cells[b]
            by_hand = (
                described.gap(rows, found.groups, found.labels, 0.95)
                if grid.contrast
                else described.mean(rows, found.groups, 0.95)
            )
            gap = view.difference(a, b)
            assert (gap.value, gap.low, gap.high) == pytest.approx(by_hand, abs=1e-12)


def test_a_paired_difference_of_medians_is_the_median_of_the_row_differences():
    one = described.activation()
    view = View(replace(one, measured=replace(one.measured, statistic="median")))
    rows = one.measured.cells[6, 5].astype(np.float64) - one.measured.cells[3, 5]
    gap = view.difference((6, 5), (3, 5))
    groups = np.array([int(name[1:]) for name in one.measured.groups])
    by_stats = stats.grouped_median(rows[None], groups, 0.95, 0)
    assert gap.value == np.median(rows)
    assert (gap.low, gap.high) == (by_stats.low[0], by_stats.high[0])


def test_every_paired_fact_holds_what_its_rows_give():
    results = edges.contrast()
    one = results.grids[0]
    for fact in of_rule(results, "paired cells"):
        a, b = ((one.grid.layers.index(layer), one.grid.positions.index(p)) for layer, p in fact.cells)
        rows = one.measured.cells[a].astype(np.float64) - one.measured.cells[b]
        by_hand = described.gap(rows, one.measured.groups, one.measured.labels, 0.95)
        assert (fact.value, fact.low, fact.high) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("name", ["one_text", "long_text", "table", "typed_weights", "one_group"])
def test_without_intervals_nothing_is_compared_with_certainty(name):
    results = edges.EDGES[name]()
    assert of_rule(results, "paired cells", "paired reference", "paired references", "ties", "sides of zero") == []
    assert {fact.relation for fact in of_rule(results, "band")} <= {"within"}
    assert of_rule(results, "no interval")


# ---------------------------------------------------------------- contrasts


def test_the_sides_of_zero_are_those_of_the_intervals_of_single_cells():
    for make in (edges.contrast, edges.contrast_around_zero, edges.contrast_at_zero, edges.contrast_below_zero):
        results = make()
        grid = results.grids[0].grid
        sides = derived(results)["gaps.contrast.sides"]
        assert (sides.high, sides.low) == ((grid.low > 0).sum(), (grid.high < 0).sum())
        assert sides.value == sides.high + sides.low
        assert sides.n == grid.value.size


def test_how_many_intervals_leave_out_zero_by_chance_is_the_share_that_the_level_leaves():
    found = derived(edges.contrast_around_zero())["gaps.contrast.chance"]
    assert found.value == pytest.approx(0.05 * 63)
    assert found.forms["text"].startswith("about 3.2 of 63 ")


def test_a_difference_whose_interval_excludes_zero_is_not_printed_with_a_bound_at_zero():
    above = derived(edges.contrast_around_zero())["gaps.contrast.above"]
    assert above.low > 0
    assert "[0.00," not in above.forms["text"]


@pytest.mark.parametrize("make", [edges.contrast_around_zero, edges.contrast_at_zero, edges.contrast_below_zero])
def test_where_the_highest_difference_is_not_above_zero_no_highest_cell_is_named(make):
    results = make()
    grid = results.grids[0].grid
    best = np.unravel_index(np.argmax(grid.value), grid.value.shape)
    assert not grid.low[best] > 0
    assert "single" not in derived(results)["gaps.highest"].forms


# ---------------------------------------------------------------- references


@pytest.mark.parametrize("make", [edges.beside_mismatched, edges.as_high_as_mismatched])
def test_cells_are_counted_by_the_paired_interval_of_their_difference_from_the_reference(make):
    results = make()
    one = results.grids[0]
    apart = one.measured.facets["mismatched"].astype(np.float64)
    counts = {"above": 0, "cannot": 0, "below": 0}
    for index in np.argwhere(one.grid.status == "ok"):
        i, j = index
        _, low, high = described.mean(one.measured.cells[i, j] - apart[i, j], one.measured.groups, 0.95)
        counts["above" if low > 0 else "below" if high < 0 else "cannot"] += 1
    found = derived(results)
    assert {name: found[f"likeness.reference.mismatched.{name}"].value for name in counts} == counts


def test_a_reference_without_rows_is_compared_by_value_alone():
    found = derived(edges.references_without_rows())
    assert found["likeness.reference.mismatched.values"].value == 54
    assert "likeness.reference.mismatched.above" not in found


# ---------------------------------------------------------------- heads, tokens, layers


def test_the_highest_single_head_is_the_highest_of_all_maps():
    results = edges.heads()
    facets = results.grids[0].grid.facets
    top = max(facets, key=lambda f: np.nanmax(f.value))
    found = derived(results)["looks.heads.highest"]
    assert found.value == np.nanmax(top.value)
    assert found.forms["head"] == top.label
    spread = derived(results)["looks.heads.spread"]
    i, j = np.unravel_index(np.nanargmax(results.grids[0].grid.value), (8, 7))
    assert (spread.low, spread.high) == (min(f.value[i, j] for f in facets), max(f.value[i, j] for f in facets))


def test_half_of_the_sum_stands_on_the_fewest_tokens_that_reach_it():
    results = edges.one_text()
    value = results.grids[0].grid.value
    needed = []
    for row in value:
        ordered = sorted(row, reverse=True)
        needed.append(next(k for k in range(1, 13) if sum(ordered[:k]) >= sum(row) / 2))
    found = derived(results)["text.half"]
    assert (found.low, found.high) == (min(needed), max(needed))


def test_tokens_of_a_text_are_called_by_number_and_what_they_read():
    view = View(edges.one_text().grids[0])
    assert view.shown(2) == "token 2 \N{LEFT DOUBLE QUOTATION MARK}\N{OPEN BOX}cat\N{RIGHT DOUBLE QUOTATION MARK}"
    grid = view.grid
    named = replace(grid, positions=tuple(f"{j}:{piece}" for j, piece in enumerate(grid.labels)), labels=())
    shown = View(replace(view.result, grid=named)).shown(8)
    assert shown == "token 8 \N{LEFT DOUBLE QUOTATION MARK}\N{OPEN BOX}and\N{RIGHT DOUBLE QUOTATION MARK}"


def test_equal_labels_of_a_table_are_told_apart_as_figures_do():
    view = View(edges.labelled_weights().grids[0])
    assert [view.shown(j)[1:] for j in (0, 3, 12)] == ["A and B\u201d", "13\u201d", "13\u201d (2)"]
    assert [g.label for g in view.groups] == ["the 20 positions"]


def test_the_leaders_of_the_layers_are_the_positions_with_their_highest_values():
    found = derived(edges.typed_weights())["given.leaders"]
    value, grid = edges.typed_weights().grids[0].grid.value, edges.typed_weights().grids[0].grid
    by_hand = {(layer, grid.positions[j]) for i, layer in enumerate(grid.layers)
               for j in np.flatnonzero(value[i] == value[i].max())}  # fmt: skip
    assert set(found.cells) == by_hand


def test_of_measured_cells_a_layer_has_a_leader_only_where_it_can_be_told_from_the_next():
    rng = np.random.default_rng(0)
    rows = 5 + rng.normal(size=(4, 3, 100))
    rows[2, 1] += 2
    found = derived(edges.of(described.from_rows(rows)))["norms.leaders"]
    assert found.cells == ((2, "first_answer"),)
    assert found.forms["text"].endswith("; in the other three layers it cannot be told from the next")


def test_where_less_is_more_the_lowest_cell_stands_out():
    results = edges.ranks()
    grid = results.grids[0].grid
    found = derived(results)
    assert found["ranks.highest"].value == grid.value.min()
    assert found["ranks.highest"].forms["single"] == "lowest"
    assert found["ranks.lowest"].value == grid.value.max()
    peaks = [f for i, f in found.items() if i.startswith("ranks.at.") and i.endswith(".peak")]
    assert [f.value for f in peaks] == list(grid.value.min(axis=0))


def test_equal_values_have_no_highest_and_no_leader():
    found = derived(edges.all_given_alike())
    assert "single" not in found["given.highest"].forms
    assert not [i for i in found if i.endswith((".leaders", ".lowest", ".peak", ".tied"))]


def test_reasons_of_cells_without_a_value_are_those_of_the_grid():
    found = derived(edges.table_with_holes())["given.empty.missing"]
    assert found.forms["why"] == "the table has no number there"
    assert found.value == 4
    lacking = derived(edges.heads())
    assert lacking["looks.empty.lacking"].forms["why"] == "layer 3 has no attention"
    assert lacking["looks.empty.not_attendable"].value == 7


def test_classes_of_a_label_column_stand_in_place_of_right_and_wrong():
    found = derived(edges.labelled_texts())
    assert found["data.reviews.tiny.right"].forms["text"] == "120 true statements"
    assert found["norms.dropped"].forms["split"] == "10 true statements and 28 false statements"
    assert "data.reviews.tiny.right" not in derived(edges.unlabelled_texts())


def test_texts_that_nobody_answered_have_no_completions():
    found = derived(edges.unlabelled_texts())
    assert not [i for i in found if i.endswith((".max_new_tokens", ".not_found", ".truncated"))]
    assert found["data.reviews.tiny.n"].forms["text"] == "300 texts"
