from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import described
import edges_described as edges
from layergrid import facts, prose
from layergrid.artifacts import CellStatus, GridResult, Measured, Results, Sentence
from layergrid.prose.lexicon import claims
from test_prose import DIRECTIONAL, summarised, texts, well_formed, written

NOT_ONLY_DESCRIBING = {"beside_a_probe", "table_of_tests", "probe_of_labelled_texts"}
DESCRIBING = [name for name in edges.EDGES if name not in NOT_ONLY_DESCRIBING]


def sentences(results: Results, where: str) -> list[Sentence]:
    return [s for key, s in prose.sentences(summarised(results)) if key == where]


@pytest.mark.parametrize("name", DESCRIBING)
def test_no_claim_of_a_probe_is_made_of_what_describes(name):
    said = written(summarised(edges.EDGES[name]()))
    assert not re.search(r"decodable|nested|folds?\b|baseline|read-out|probe|chance (is|\()|above chance", said)


@pytest.mark.parametrize("name", DESCRIBING)
def test_the_claim_of_a_quantity_is_never_printed_of_what_describes(name):
    results = edges.EDGES[name]()
    for _, sentence in prose.sentences(summarised(results)):
        words = re.findall(r"most (\w+)", sentence.text)
        assert not set(words) & {g.grid.quantity.claim for g in results.grids}


@pytest.mark.parametrize(
    "name", [n for n in DESCRIBING if n not in {"everything", "nothing_given", "all_missing_measured"}]
)
def test_an_abstract_leads_with_what_a_cell_is_and_ends_with_what_it_is_not(name):
    results = edges.EDGES[name]()
    quantity = results.grids[0].grid.quantity
    said = [s.text for s in summarised(results).abstract]
    assert said[0] == quantity.sentence
    assert 2 <= len(said) <= 5
    if quantity.caution:
        assert said[-1] == quantity.caution


@pytest.mark.parametrize("name", DESCRIBING)
def test_the_caution_of_a_quantity_stands_among_the_components_and_in_the_interpretation(name):
    results = edges.EDGES[name]()
    if not any(np.isfinite(g.grid.value).any() for g in results.grids):
        return
    for where in ("components", "interpretation"):
        said = " ".join(s.text for s in sentences(results, where))
        assert all(g.grid.quantity.caution in said for g in results.grids)


def test_the_typed_table_is_told_as_it_stands_and_no_further():
    said = written(summarised(edges.typed_weights()))
    assert "highest at \u201cA and B\u201d in layer 13, 0.75" in said
    assert "\u201canswer\u201d and \u201cis (2)\u201d in layers 22 and 27" in said
    assert "no interval was given" in said
    assert "An attention weight is no measure of importance." in said
    assert not re.search(
        r"crucial|focus|evol|hierarch|shift|relevan|prepar|suggest|concentrat|generally|around|approx|~", said
    )
    assert not re.search(r"the model\b|example|rows|completion", said)


def test_a_table_of_tests_counts_what_is_above_chance_and_compares_no_two_cells():
    said = written(well_formed(edges.table_of_tests()))
    assert "Of 135 cells, 18 are above chance after correction" in said
    assert "differences between cells have none" in said
    assert "told from" not in said


def test_the_typed_correlations_name_their_groups_and_correct_their_reader():
    said = written(summarised(edges.typed_correlations()))
    assert "highest at last_q in layers 18\u201330, 0.97" in said
    assert "Of the last eight tokens, -3, -2 and -1 hold equal highest cells: 0.88." in said
    assert "rises with depth at last_q, exact_answer_first, exact_answer_last and exact_answer_after_last" in said
    assert "A correlation of states says nothing of meaning." in said


def test_a_value_as_high_as_its_reference_is_not_called_high_before_the_reference_is_told():
    abstract = [s.text for s in summarised(edges.as_high_as_mismatched()).abstract]
    told = next(i for i, t in enumerate(abstract) if "mismatched" in t)
    high = next(i for i, t in enumerate(abstract) if "highest" in t)
    assert told < high
    assert "; 24 cannot be told from it" in abstract[told]
    figures = summarised(edges.as_high_as_mismatched()).key_figures
    assert figures[0].figure.text == "8 of 32"
    assert "the cosine of mismatched examples is 0.898 there" in figures[1].meaning.text


def test_a_contrast_says_what_chance_would_give_and_that_intervals_are_those_of_single_cells():
    results = edges.contrast_around_zero()
    said = written(summarised(results))
    assert "(95\u00a0%, cell by cell) lies above zero in one of the 63 cells and below zero in four" in said
    assert "about 3.2 of 63 would leave out zero by chance if no cell differed" in said
    assert "without correction for their number" in said
    assert "highest" not in " ".join(s.text for s in summarised(results).abstract)


@pytest.mark.parametrize("name", ["one_text", "long_text", "typed_weights", "typed_correlations", "table", "one_group"])
def test_without_intervals_of_differences_nothing_can_or_cannot_be_told_apart(name):
    said = written(summarised(edges.EDGES[name]()))
    assert "told from" not in said
    assert "rises by" not in said
    assert "falls by" not in said


@pytest.mark.parametrize("name", ["typed_weights", "one_text", "long_text", "one_group"])
def test_where_no_interval_is_known_none_is_printed_and_the_abstract_says_so(name):
    results = edges.EDGES[name]()
    summary = summarised(results)
    assert not re.search(r"\[[\d\N{MINUS SIGN}]", written(summary))
    assert re.search(r"[nN]o interval", " ".join(s.text for s in summary.abstract))


def test_equal_cells_share_their_superlative_or_none_is_given():
    said = written(summarised(edges.all_given_alike()))
    assert "All twelve cells hold the same value, 0.50, and none is singled out." in said
    assert not re.search(r"highest|lowest", said)
    tied = np.array([[0.2, 0.7], [0.7, 0.1]])
    results = edges.of(edges.given(tied, (0, 1), ("a", "b"), described.GIVEN))
    assert "The score is highest in two cells, 0.70, and lowest at b in layer 1, 0.10" in written(well_formed(results))


def test_a_report_without_model_and_data_speaks_of_neither():
    for make in (edges.table, edges.typed_weights, edges.nothing_given, edges.one_cell_given):
        results = make()
        summary = well_formed(results)
        said = written(summary)
        assert not re.search(r"the model\b|completion|token position|examples|label of the answer", said, re.IGNORECASE)
        assert "positions" not in summary.captions
        assert "Built from the spec arithmetic" in said


def test_texts_that_nobody_answered_are_read_and_not_graded():
    said = written(summarised(edges.unlabelled_texts()))
    assert "reads 300 texts of reviews" in said
    assert not re.search(r"answers?\b|completion|rightly|right|wrong", said.split("[caption")[0])


def test_classes_of_a_label_column_are_the_words_of_the_balance():
    said = written(summarised(edges.labelled_texts()))
    assert (
        "reads 300 texts of reviews (data/reviews.csv): 120 true statements (40\u00a0%) and 180 false statements"
        in said
    )
    assert "it is one of the true statements" in said
    assert "Each prompt is the user's message." in said


def test_a_probe_of_labelled_texts_speaks_of_classes_and_not_of_answers_or_questions():
    summary = well_formed(edges.probe_of_labelled_texts())
    said = " ".join(s.text for key, s in prose.sentences(summary) if "caption" not in key and key != "components")
    assert "60\u00a0% false statements" in " ".join(f"{k.figure.text} {k.meaning.text}" for k in summary.key_figures)
    assert "74\u00a0% of the rows left out are false statements, against 68\u00a0% of the rows kept" in said
    assert "made of the data alone" in said
    assert not re.search(r"question|rightly|answers wrong|are wrong", said)


def test_a_model_of_two_stacks_is_told_with_both_sizes():
    assert "tiny (T5, 6 encoder blocks, 8 decoder blocks, width 128" in written(summarised(edges.two_stacks()))


def test_a_model_known_by_its_activations_alone_claims_no_parameters():
    said = written(summarised(edges.known_by_activations_alone()))
    assert "parameters" not in said
    assert "model of unknown architecture" in said


def test_of_states_made_elsewhere_nothing_is_said_of_tokens_or_of_reading():
    results = edges.known_by_activations_alone()
    said = written(well_formed(results))
    assert not re.search(r"token ids|reads 300|300 texts|from the end of the sequence|stop token|model saw", said)
    for where in ("overview", "methods"):
        told = " ".join(s.text for s in sentences(results, where))
        assert "were made elsewhere and are given by a manifest" in told
    assert "for 300 examples of reviews (data/reviews.csv) were made elsewhere" in said
    assert "By label there are 120 true statements (40\u00a0%) and 180 false statements." in said


def test_no_stop_token_is_told_of_texts_that_nobody_answered():
    assert "from the end of the sequence.\n" in written(summarised(edges.unlabelled_texts()))
    assert "stop token" not in written(summarised(edges.unlabelled_texts()))
    assert "from the end of the sequence, stop token included.\n" in written(summarised(edges.beside_a_probe()))


@pytest.mark.parametrize("name", ["contrast", "contrast_around_zero", "labelled_texts"])
def test_how_far_a_difference_goes_is_said_of_the_cells_whose_interval_leaves_out_zero(name):
    told = [s for s in texts(summarised(edges.EDGES[name]())) if "goes as far as" in s]
    assert told
    assert all(
        s.startswith("Among the cells whose interval leaves out zero, the difference goes as far as") for s in told
    )


def test_one_cell_whose_interval_leaves_out_zero_is_told_by_itself():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(1, 1, 200)) + 9
    labels = np.arange(200) % 2 == 0
    rows[0, 0, labels] += 2
    one = described.from_rows(rows, quantity=described.GAP, name="gaps", labels=labels)
    said = written(well_formed(edges.of(one)))
    assert "There the difference is " in said
    assert "as far as" not in said


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((3, 4), "needs eight cells with a layer of the grid on either side, and there are four"),
        ((2, 4), "needs eight cells with a layer of the grid on either side, and there is none"),
    ],
)
def test_where_departures_are_not_judged_the_reason_is_the_true_one(shape, reason):
    rows = np.random.default_rng(0).normal(size=(*shape, 40))
    said = written(well_formed(edges.of(described.from_rows(rows, layers=(0, 4, 8)[: shape[0]]))))
    assert f"The rule for departures {reason}; it is not applied." in said
    assert "whose values vary" not in said


def test_values_that_mostly_stand_still_are_the_reason_where_departures_are_not_judged():
    values = np.zeros((6, 4))
    values[0] = np.arange(4)
    said = written(well_formed(edges.of(edges.given(values, range(6), ("a", "b", "c", "d"), described.GIVEN))))
    assert "The rule for departures needs a median step from layer to layer other than zero; it is not applied." in said


def test_where_no_cell_can_be_told_from_its_reference_all_cannot():
    rng = np.random.default_rng(3)
    rows = 0.9 + 0.01 * rng.normal(size=(2, 4, 60))
    part = ("reference", "cosine of mismatched examples", rows + 0.2 * rng.normal(size=rows.shape))
    one = described.from_rows(rows, quantity=described.COSINE, name="likeness", facets={"mismatched": part})
    said = written(well_formed(edges.of(one)))
    assert "None of the eight cells stands above the cosine of mismatched examples; all eight cannot be told" in said


def test_the_classes_of_a_label_column_are_those_of_the_data_and_not_of_the_model():
    said = [s.text for s in summarised(edges.probe_of_labelled_texts()).abstract]
    assert said[0].startswith("True statements of reviews are decodable from the residual stream of tiny with AUROC 0.")
    assert "statements of tiny" not in written(summarised(edges.probe_of_labelled_texts()))


def test_beside_a_probe_each_sentence_that_weighs_says_which_grid_it_speaks_of():
    results = edges.beside_a_probe()
    summary = well_formed(results)
    names = "errors|norms|given"
    for section in summary.sections:
        if section.key in prose.NAMED:
            for sentence in (s for p in section.paragraphs for s in p):
                (name,) = set(re.findall(rf"[Gg]rid ({names})\b", sentence.text))
                assert {f.split(".")[0] for f in sentence.facts} <= {name}
    assert [k.meaning.text.split("grid ")[1].split(",")[0] for k in summary.key_figures] == ["errors", "norms", "given"]


@pytest.mark.parametrize("make", [described.activation, described.contrast, described.heads])
def test_turned_upside_down_every_directional_sentence_of_a_description_changes_or_vanishes(make):
    one = make()
    results = edges.of(one)
    grid, found = one.grid, one.measured
    facets = tuple(replace(f, value=-f.value, low=-f.high, high=-f.low) for f in grid.facets)
    turned = replace(
        one,
        grid=replace(grid, value=-grid.value, low=-grid.high, high=-grid.low, facets=facets),
        measured=replace(found, cells=-found.cells, facets={k: -v for k, v in found.facets.items()}),
    )
    rules = re.compile(
        "Differences that start|A cell counts|counts as alone|Layers near a|no clear trend|Cells are judged|"
        "cannot be told from it: the"
    )
    after = set(texts(summarised(edges.of(turned))))
    directional = [
        t for t in texts(summarised(results))
        if DIRECTIONAL & {c.lower() for c in claims(t)}
        and not rules.search(t)
        and t not in (grid.quantity.caution, grid.quantity.sentence)
    ]  # fmt: skip
    assert len(directional) > 10
    assert [t for t in directional if t in after] == []


# ---------------------------------------------------------------- random descriptions

NAMES = ("last_q", "exact_answer_first", "exact_answer_last", "A and B", "13", "[in", "is", "the_correct", "-2", "-1",
         "above", "{curly}", "_", "nul\0\ud800\u202e", "best of all", " ", "")  # fmt: skip
STATUSES = [s.value for s in CellStatus if s is not CellStatus.BOUNDARY]


def drawn(data: st.DataObject) -> GridResult:
    """A description of any sort: measured or given, of classes, heads, references, one text, with cells missing."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    names = tuple(NAMES[i] for i in rng.permutation(len(NAMES))[: data.draw(st.integers(1, 9))])
    layers = tuple(sorted(rng.choice(40, size=data.draw(st.integers(1, 8)), replace=False).tolist()))
    n = data.draw(st.sampled_from([1, 2, 5, 24]))
    shape = (len(layers), len(names), n)
    scale = data.draw(st.sampled_from([1e-4, 0.3, 1.0, 300.0]))
    rows = np.round(data.draw(st.sampled_from([0.0, 0.5])) + rng.normal(size=shape), data.draw(st.integers(0, 3)))
    rows = scale * (np.abs(rows) if data.draw(st.booleans()) else rows)
    labels = rng.random(n) < 0.5 if data.draw(st.booleans()) else None
    parts: dict[str, described.Part] = {}
    for key, role in (("0", "head"), ("1", "head"), ("mismatched", "reference")):
        if data.draw(st.booleans()):
            parts[key] = (role, f"{role} {key}", rows + scale * rng.normal(size=shape))  # type: ignore[assignment]  # roles are literals
    quantity = replace(
        data.draw(st.sampled_from([described.NORM, described.COSINE, described.WEIGHT, described.GIVEN, edges.RANK])),
        unit=data.draw(st.sampled_from(["", "nats"])),
    )
    lost = np.argwhere(rng.random(shape[:2]) < data.draw(st.sampled_from([0.0, 0.3, 1.0])))
    why = data.draw(st.sampled_from(["", "above all"]))
    statuses = {(int(i), int(j)): (str(rng.choice(STATUSES[1:])), why) for i, j in lost}
    one = described.from_rows(rows, quantity=quantity, layers=layers, positions=names, labels=labels, facets=parts,
                              statuses=statuses, groups=tuple(f"g{i // 2}" for i in range(n)))  # fmt: skip
    grid = one.grid
    if data.draw(st.booleans()):
        grid = replace(grid, labels=tuple(rng.choice(["is", " is", "\n", "", "13"], size=len(names))))
    if data.draw(st.booleans()):
        grid = replace(grid, text_of="q7")
    if data.draw(st.booleans()):
        grid = replace(grid, head=data.draw(st.sampled_from(["mean", "max", "3"])), site="decoder.head_out")
    if data.draw(st.booleans()):
        grid = replace(grid, model="", dataset="")
    return replace(one, grid=grid, measured=_kept(data, one.measured))


def _kept(data: st.DataObject, measured: Measured | None) -> Measured | None:
    if measured is None or data.draw(st.booleans()):
        return None
    return replace(measured, statistic=data.draw(st.sampled_from(["mean", "mean", "median"])))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_descriptions_give_sentences_that_hold(data):
    one = drawn(data)
    summary = well_formed(edges.of(one))
    grid = one.grid
    if grid.has_value.sum() > 1 and len(set(grid.value[grid.has_value & np.isfinite(grid.value)].tolist())) == 1:
        assert not [t for t in texts(summary) if re.search(r"\b(highest|lowest)\b(?! over heads)", t)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_descriptions_side_by_side_give_sentences_that_hold(data):
    grids = [replace(one, grid=replace(one.grid, name=name)) for name in ("a", "b") for one in [drawn(data)]]
    well_formed(edges.of(*grids))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_facts_of_random_descriptions_come_back_from_json_as_they_were(data):
    found = facts.derive(edges.of(drawn(data)))
    assert facts.from_json(facts.to_json(found))[0] == found


def test_a_single_answer_is_right_or_wrong_and_no_share() -> None:
    made = described.results(described.one_text())
    lone = replace(made, data=(replace(made.data[0], n=1, n_correct=1),))
    said = " ".join(s.text for _, s in facts.sentences(prose.summarise(lone, facts.derive(lone))))
    assert ", rightly." in said
    assert "100 %" not in said
