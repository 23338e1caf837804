"""What reports say of permutation tests, additions, single positions, control tasks, other metrics, pairs of grids."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import edges
import synthetic
from layergrid import facts, prose, stats
from layergrid.artifacts import Estimate, Fact, Results
from layergrid.facts.view import View
from layergrid.render import sheets
from test_prose import several, summarised, texts, well_formed, written

HIGH = ("highest", "peak", "most decodable", "departure")


def derived(results: Results) -> dict[str, Fact]:
    return {fact.id: fact for fact in facts.derive(results)}


def said(results: Results, key: str) -> str:
    """The sentences of one section."""
    summary = summarised(results)
    if key == "abstract":
        return " ".join(s.text for s in summary.abstract)
    section = next(s for s in summary.sections if s.key == key)
    return " ".join(s.text for p in section.paragraphs for s in p)


def split_of(results: Results) -> stats.Split:
    held = results.grids[0].held_out
    return stats.Split(held.labels, np.unique(np.array(held.groups), return_inverse=True)[1], held.folds)


# ---------------------------------------------------------------- the noise


def test_a_cell_inside_the_noise_is_not_called_high_though_it_reads_as_the_highest():
    results = edges.highest_in_the_noise()
    found = derived(results)
    noisy = {(1, "-6"), (2, "exact_answer_last")}
    shown = f"{results.grids[0].grid.value.max():.2f}"
    assert not View(results.grids[0]).above[1, 9]
    assert results.grids[0].grid.value.argmax() == 1 * 15 + 9
    for fact in found.values():
        if fact.rule in {"highest", "peak", "band", "anomaly", "ties"}:
            assert not noisy & set(fact.cells), fact.id
    assert found["errors.highest"].cells == ((5, "exact_answer_last"),)
    assert found["errors.highest"].forms["the"] == "the highest cell above chance"
    assert found["errors.positions.best"].forms["position"] == "exact_answer_last"  # at -6 no cell is above chance
    for sentence in texts(summarised(results)):
        if "nested" not in sentence:  # the folds may choose it: their estimate reads as high
            assert not (shown in sentence and any(word in sentence for word in HIGH)), sentence
        assert "most decodable" not in sentence


def test_ties_with_the_highest_cell_above_chance_are_paired_with_it_and_not_with_the_noise():
    results = edges.highest_in_the_noise()
    held, split = results.grids[0].held_out, split_of(results)
    best = stats.evaluate(split, held.cells[5, 5])
    wanted = set()
    for i, j in np.ndindex(9, 15):
        gap = stats.difference_interval(split, best, stats.evaluate(split, held.cells[i, j]), 0.95)
        if (i, j) != (5, 5) and not (gap.low > 0 or gap.high < 0):
            wanted.add((i, synthetic.FIFTEEN[j]))
    cells = set(derived(results)["errors.tied.count"].cells)
    assert cells == wanted


@pytest.mark.parametrize(("p", "departs"), [(1e-6, True), (0.2, False)])
def test_a_cell_inside_the_noise_is_no_departure(p, departs):
    one = edges.base().grids[0]
    rng = np.random.default_rng(0)
    value = 0.7 + 0.002 * rng.normal(size=(9, 15))
    value[4, 3] += 0.1
    adjusted = np.full(value.shape, 1e-6)
    adjusted[4, 3] = p
    grid = replace(one.grid, value=value, low=value - 0.01, high=value + 0.01, p_adjusted=adjusted)
    results = edges.of(replace(one, grid=grid, held_out=None))
    found = derived(results)
    assert bool(found["errors.departures"].cells) == departs
    assert ("No cell above chance meets this rule." in said(results, "anomaly")) == (not departs)


def test_the_layers_beside_a_peak_that_are_inside_the_noise_are_no_part_of_its_band():
    view = View(edges.base().grids[0])
    for name, fact in derived(edges.base()).items():
        if name.endswith(".band"):
            places = [(view.grid.layers.index(i), view.grid.positions.index(p)) for i, p in fact.cells]
            assert not any(view.noise[place] for place in places), name
    assert "layers 4\N{EN DASH}5, all that are above chance, cannot be told from it" in said(edges.base(), "analysis")


def test_a_grid_without_a_cell_above_chance_has_no_highest_cell_anywhere():
    for results in (edges.null(), edges.weighed_null()):
        assert not {f.rule for f in facts.derive(results)} & {"highest", "peak", "band", "ties"}
        whole = written(summarised(results))
        assert "highest cell" not in whole.replace("the selectivity of its highest cell", "")
        assert "Diamond" not in whole
        assert not [s for s in sheets.of(results) if s.key == "errors.tied"]


# ---------------------------------------------------------------- the permutation test


def test_above_chance_names_the_permutation_test_its_relabellings_and_what_is_refitted():
    words = "above chance after a max-statistic permutation test (999 relabellings, ridge probes refitted for each)"
    assert words in said(edges.weighed(), "abstract")
    assert words in written(summarised(edges.weighed())).split("caption errors.heatmap]")[1]
    assert "Holm" not in written(summarised(edges.weighed()))
    assert "corrected by the method of Holm" in said(edges.base(), "methods")
    assert "permutation" not in written(summarised(edges.base()))


def test_the_number_of_cells_is_said_where_not_all_with_a_value_were_tested():
    one = edges.weighed().grids[0]
    grid = replace(one.grid, settings={**one.grid.settings, "cells_tested": 105})
    assert "permutation test (over 105 cells, 999 relabellings, " in said(edges.of(replace(one, grid=grid)), "abstract")


@pytest.mark.parametrize(
    ("statistic", "probe", "words"),
    [
        ("ridge", "ridge", "999 relabellings, probes refitted for each"),
        ("logistic", "ridge", "999 relabellings, logistic probes refitted for each"),
        ("held-out", "logistic", "999 relabellings of the held-out labels under fixed probes"),
    ],
)
def test_the_probes_that_are_refitted_are_named_where_they_are_not_those_of_the_cells(statistic, probe, words):
    one = edges.weighed().grids[0]
    test = replace(one.permutation, statistic=statistic)
    grid = replace(one.grid, settings={**one.grid.settings, "probe": probe})
    results = edges.of(replace(one, grid=grid, permutation=test))
    assert words in said(results, "abstract")
    assert ("while cells show" in said(results, "methods")) == (statistic == "logistic")


def test_the_smallest_value_that_would_be_found_stands_where_an_absence_is_weighed():
    results = edges.weighed_null()
    shown = f"{results.grids[0].permutation.detectable:.2f}"
    words = f"With 400 rows an AUROC of {shown} or more in a cell would be found with 80\N{NO-BREAK SPACE}% power"
    for key in ("abstract", "analysis", "conclusion", "methods"):
        assert words in said(results, key), key
    for key in ("analysis", "methods"):  # at the last eight tokens there is nothing
        assert words in said(edges.weighed(), key), key
    assert words not in said(edges.weighed(), "abstract")


def test_no_smallest_value_is_told_where_none_is_known():
    one = edges.weighed_null().grids[0]
    results = edges.of(replace(one, permutation=replace(one.permutation, detectable=float("nan"))))
    assert "power" not in written(summarised(results))


@pytest.mark.parametrize(("fixed", "words"), [(0, ""), (1, "One row keeps its label"), (3, "Three rows keep their")])
def test_rows_that_no_relabelling_moves_are_said(fixed, words):
    one = edges.weighed().grids[0]
    methods = said(edges.of(replace(one, permutation=replace(one.permutation, fixed=fixed))), "methods")
    assert words in methods
    assert ("in every relabelling" in methods) == bool(fixed)


# ---------------------------------------------------------------- what the probe adds, and other states


@pytest.mark.parametrize(
    ("low", "high", "words", "weighed"),
    [
        (0.06, 0.20, "the probe raises the AUROC by 0.13 [0.06, 0.20]", "The activations hold what the log-prob"),
        (-0.06, 0.20, "the probe adds nothing that can be told: the difference is 0.13", "is left open: together"),
        (-0.20, -0.06, "the probe lowers the AUROC by", "With the probe added to the log-probabilities the fit"),
    ],
)
def test_what_the_probe_adds_is_said_as_far_as_its_interval_bears(low, high, words, weighed):
    one = edges.weighed().grids[0]
    gap = Estimate(-0.13 if high < 0 else 0.13, low, high, 0.95, 400)
    results = edges.of(replace(one, additions=(replace(one.additions[0], difference=gap),)))
    well_formed(results)
    for key in ("abstract", "conclusion"):
        assert re.search(
            rf"dded to the log-probabilities \(0\.\d\d \[0\.\d\d, 0\.\d\d\]\), {re.escape(words)}", said(results, key)
        ), key
    assert weighed in said(results, "interpretation")
    assert "is not tested here" not in said(results, "interpretation")


def test_an_addition_stands_in_the_table_of_baselines():
    (sheet,) = [s for s in sheets.of(edges.weighed()) if s.key == "errors.baselines"]
    assert sheet.columns[-1] == "Added by the probe"
    assert [row[-1][:1] for row in sheet.rows] == [""] * 6 + ["+"]
    (plain,) = [s for s in sheets.of(edges.base()) if s.key == "errors.baselines"]
    assert len(plain.columns) == 3


def test_other_states_that_do_as_well_are_said_to_be_what_was_read():
    text = said(edges.weighed(), "interpretation")
    assert re.search(r"above layer 0, the embedding \(0\.\d\d \[[^]]+\]\): which token stands there does not acc", text)
    assert "cannot be told from the same model, untrained (" in text
    assert "the architecture alone, with nothing learnt, would do as well" in text
    assert "the architecture alone" in said(edges.weighed(), "conclusion")
    assert "which token" not in said(edges.weighed(), "conclusion")


# ---------------------------------------------------------------- single positions


def test_positions_are_compared_by_nested_values_paired_on_the_rows():
    results = edges.weighed()
    found, split, held = derived(results), split_of(results), results.grids[0].held_out
    assert found["errors.positions.best"].forms["position"] == "exact_answer_last"
    last, first = (synthetic.FIFTEEN.index(f"exact_answer_{end}") for end in ("last", "first"))
    gap = stats.difference_interval(split, *(stats.evaluate(split, held.by_position[j]) for j in (first, last)), 0.95)
    fact = found["errors.at.exact_answer_first.nested.gap"]
    assert (fact.rule, fact.value, fact.low, fact.high) == (
        "paired difference of positions", gap.value, gap.low, gap.high,
    )  # fmt: skip
    assert fact.of == ("errors.at.exact_answer_first.nested", "errors.at.exact_answer_last.nested")
    text = said(results, "analysis")
    assert "Each with its own layer and penalty chosen inside the training folds, exact_answer_last reaches" in text
    assert "Then come" not in text
    assert "The highest cell at" not in text


def test_no_position_is_the_best_where_chance_could_be_it():
    assert "errors.positions.best" not in derived(edges.weighed_null())
    (sheet,) = [s for s in sheets.of(edges.weighed_null()) if s.key == "errors.alone"]
    assert len(sheet.columns) == 2


def test_the_table_of_positions_holds_each_with_its_distance_from_the_best():
    (sheet,) = [s for s in sheets.of(edges.weighed()) if s.key == "errors.alone"]
    assert [row[0] for row in sheet.rows[:2]] == ["exact_answer_last", "exact_answer_after_last"]
    assert len(sheet.rows) == 15
    assert sheet.rows[0][2] == ""
    assert all(row[2].startswith("\N{MINUS SIGN}0.") for row in sheet.rows[1:])


# ---------------------------------------------------------------- control tasks


def test_selectivity_is_told_where_tokens_recur_and_denied_where_they_do_not():
    results = edges.weighed()
    found, control = derived(results), results.grids[0].control
    fact = found["errors.at.exact_answer_last.control"]
    assert fact.rule == "selectivity"
    assert fact.cells == ((5, "exact_answer_last"),)
    assert fact.value == pytest.approx(control.selectivity[5, 5])
    assert "errors.at.last_q.control" not in found
    assert "errors.at.-1.control" not in found
    text = said(results, "analysis")
    assert "A control task says nothing at last_q, where the same token stands in every row, and at eight" in text
    (sheet,) = [s for s in sheets.of(results) if s.key == "errors.control"]
    assert [bool(row[-1]) for row in sheet.rows] == [False] + [True] * 6 + [False] * 8


# ---------------------------------------------------------------- how rows were split


def test_repeats_are_averaged_and_do_not_narrow_the_interval():
    assert "because repeats are not independent" in said(edges.repeated(), "methods")
    assert "rest on four assignments of rows to five folds" in said(edges.repeated(), "conclusion")
    assert "repeat" not in said(edges.weighed(), "methods")


def test_a_fixed_split_says_which_rows_choose_and_which_test():
    text = said(edges.fixed_split(), "methods")
    assert "900 to train, 120 to choose on and 400 to test" in text
    assert "2 rows of groups that stand among the test rows are left out of training" in text
    assert "fold" not in said(edges.fixed_split(), "abstract")


def test_the_published_recipe_is_named_with_its_faults():
    text = said(edges.parity(), "methods")
    assert "published recipe" in text
    for fault in ("one split", "not scaled", "stops before it has converged", "read off the test rows"):
        assert fault in text, fault
    assert "stay together in each split" not in text
    assert "so that its value is optimistic" in said(edges.parity(), "overview")


@pytest.mark.parametrize(
    ("mode", "rows", "words"),
    [
        ("group", 14, "14 rows are near-duplicates of others (6 clusters); rows of one cluster stay together"),
        ("report", 14, "they are not kept together, so that a probe may be tested on what it was trained on"),
        ("group", 0, "No rows are near-duplicates of others."),
        ("ignore", 0, "Near-duplicates are not looked for."),
    ],
)
def test_near_duplicates_are_grouped_reported_or_not_looked_for(mode, rows, words):
    one = edges.weighed().grids[0]
    near = {"mode": mode, "rows": rows, "clusters": 6 if rows else 0}
    grid = replace(one.grid, settings={**one.grid.settings, "near_duplicates": near})
    assert words in said(edges.of(replace(one, grid=grid)), "methods")


# ---------------------------------------------------------------- other metrics


@pytest.mark.parametrize("make", [edges.several_classes, edges.a_number, edges.explained_variance])
def test_differences_are_paired_for_every_metric(make):
    results = make()
    view = View(results.grids[0])
    found = derived(results)
    name = results.grids[0].grid.name
    assert view.split is not None
    assert view.split.metric is stats.METRICS[results.grids[0].grid.metric]
    fact = found[f"{name}.at.exact_answer_last.rise"]
    a, b = ((view.grid.layers.index(i), view.grid.positions.index(p)) for i, p in fact.cells)
    assert fact.value == pytest.approx(view.grid.value[a] - view.grid.value[b])
    assert found[f"{name}.tied"].n is not None


def test_classes_have_maps_of_their_own_and_their_range_is_told_at_the_highest_cell():
    summary = summarised(edges.several_classes())
    assert "topic.classes" in summary.captions
    grid = edges.several_classes().grids[0].grid
    fact = derived(edges.several_classes())["topic.classes.spread"]
    assert fact.low == min(f.value[3, 2] for f in grid.facets)
    assert "The target has three classes: animals, plants and rocks." in written(summary)


def test_the_chance_of_an_accuracy_is_the_share_of_the_largest_class():
    one = edges.several_classes().grids[0]
    quantity = replace(one.grid.quantity, name="accuracy", chance=0.4386666)
    settings = {**one.grid.settings, "majority": 0.4386666}
    grid = replace(one.grid, metric="accuracy", quantity=quantity, settings=settings)
    results = edges.of(replace(one, grid=grid))
    assert "chance is 0.439" in said(results, "components")
    assert "chance is the share of the largest class, 0.44" in said(results, "methods")


# ---------------------------------------------------------------- pairs of grids


def test_grids_on_the_same_rows_are_compared_by_their_nested_scores():
    results = edges.two_sites()
    split = split_of(results)
    one, other = (stats.evaluate(split, r.held_out.nested) for r in results.grids)
    gap = stats.difference_interval(split, one, other, 0.95)
    fact = derived(results)["difference.errors.mlp"]
    assert (fact.rule, fact.value, fact.low, fact.high) == (
        "paired difference of grids", gap.value, gap.low, gap.high,
    )  # fmt: skip
    assert fact.of == ("errors.nested", "mlp.nested")
    assert "On the same rows and folds the nested best of the grid errors stands" in said(results, "abstract")


@pytest.mark.parametrize("what", ["example_ids", "folds", "labels", "groups", "nested"])
def test_grids_on_other_rows_folds_or_labels_are_not_compared(what):
    results = edges.two_sites()
    held = results.grids[1].held_out
    turned = {
        "example_ids": held.example_ids[::-1], "groups": held.groups[::-1], "folds": held.folds[::-1],
        "labels": ~held.labels, "nested": np.full_like(held.nested, np.nan),
    }  # fmt: skip
    other = replace(results.grids[1], held_out=replace(held, **{what: turned[what]}))
    assert not [f for f in facts.derive(replace(results, grids=(results.grids[0], other))) if f.grid == "" and
                f.rule == "paired difference of grids"]  # fmt: skip


def test_an_abstract_of_several_grids_keeps_to_grids_that_can_be_compared():
    found = [f for f in facts.derive(several("errors", "null")) if f.rule == "paired difference of grids"]
    assert found == []


def test_plain_reports_have_none_of_the_new_tables():
    keys = {s.key for s in sheets.of(edges.base())}
    assert keys == {"errors.baselines", "errors.tied", "errors.winners", "balance", "positions"}
    captions = set(summarised(edges.base()).captions)
    assert not {"errors.alone", "errors.control", "errors.classes"} & captions


def test_every_new_table_has_a_caption():
    summary = summarised(edges.weighed())
    assert {"errors.alone", "errors.control"} <= set(summary.captions)
    assert prose.alternative(summary, "errors.heatmap")


def test_a_penalty_at_an_end_of_its_range_is_remarked_where_most_folds_choose_it():
    results = edges.EDGES["weighed"]()
    (one,) = results.grids
    assert one.selection is not None
    penalties = one.grid.settings["penalties"]

    def said(chosen):
        winners = tuple(replace(w, penalty=p) for w, p in zip(one.selection.winners, chosen, strict=True))
        changed = replace(one, selection=replace(one.selection, winners=winners))
        return [
            f.forms["Text"] for f in facts.derive(replace(results, grids=(changed,))) if f.id.endswith("penalties.end")
        ]

    low, high = min(penalties), max(penalties)
    assert said([high, high, high, low, low]) == [
        "Three folds of five choose the strongest penalty, so that a wider range may do better"
    ]
    assert said([sorted(penalties)[1]] * 5) == []
