from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edges
import edges_described
import synthetic
from layergrid import facts, prose
from layergrid.artifacts import Baseline, Cite, Estimate, ExpectationResult, Lead, Results, Selection, Summary, Winner
from layergrid.prose.lexicon import claims, without

EVERY = {**edges.EDGES, **edges.SETTLED, **edges_described.EDGES}
SIGNED = (
    "base", "null", "one_by_one", "all_missing", "below_the_best_baseline", "norms", "contrast_around_zero",
    "as_high_as_mismatched", "heads", "one_text", "ranks", "typed_weights", "typed_correlations", "labelled_texts",
    "unlabelled_texts", "weighed", "weighed_null", "highest_in_the_noise", "fixed_split", "parity", "several_classes",
    "a_number", "two_sites",
)  # fmt: skip
GOLDEN = Path(__file__).parent / "golden" / "prose"
DIRECTIONAL = {
    "above", "below", "higher", "lower", "highest", "lowest", "most", "least", "more", "less", "fewer", "exceeds",
    "rises", "falls", "better", "worse", "best", "worst", "before", "peak", "stronger", "weaker",
}  # fmt: skip
HYPE = re.compile(
    r"interesting|significan|clearly|notabl[ey] |remarkabl|strikingl?|suggest|understand|\bknows?\b|attends?\b|crucial|"
    r"pivotal|impressiv|importan|dramatic|robust|reveal|highlight|demonstrat|likely|powerful|profound|signature",
    re.IGNORECASE,
)


def summarised(results: Results) -> Summary:
    return prose.summarise(results, facts.derive(results))


def texts(summary: Summary) -> list[str]:
    return [s.text for _, s in prose.sentences(summary)]


def written(summary: Summary) -> str:
    """The whole summary as plain text, one sentence a line."""
    lines, last = [], ""
    for where, sentence in prose.sentences(summary):
        lines += [f"\n[{where}]"] if where != last else []
        lines.append(sentence.text)
        last = where
    return "\n".join(lines).strip() + "\n"


def well_formed(results: Results) -> Summary:
    """Asserts what holds of every summary, whatever the results."""
    found = facts.derive(results)
    by_id = {fact.id: fact for fact in found}
    summary = prose.summarise(results, found)
    for where, sentence in prose.sentences(summary):
        text = sentence.text
        assert text.strip() == text, (where, text)
        assert text, where
        assert "  " not in text, (where, text)
        named = [(one.grid.labels, one.grid.positions, one.grid.settings) for one in results.grids]
        assert "{" not in text or "{" in f"{results.data}{named}", (where, text)
        assert not re.search(r" [,.;:]|\(\)|\.\.|,\.|;\.|\bnan\b|\bNone\b(?! of)|n/a", text), (where, text)
        if not where.startswith(("finding", "key figure")):
            assert text.endswith((".", ":")), (where, text)
            assert (
                isinstance(sentence, Lead) or text[0].isupper() or text[0].isdigit() or text[0] in "-\N{MINUS SIGN}"
            ), (where, text)
        assert not HYPE.search(_own(text, results)), (where, text)
        for part in sentence.parts:
            if isinstance(part, Cite):
                assert part.text in by_id[part.fact].forms.values(), (where, part)
            else:
                assert not claims(part), (where, part, text)
        forms = [form for identifier in sentence.facts for form in by_id[identifier].forms.values()]
        assert not claims(without(text, forms)), (where, text)
    assert [section.key for section in summary.sections] == list(prose.TITLES)
    return summary


def _own(text: str, results: Results) -> str:
    """A sentence without what the maker of a grid says of its cells."""
    for one in results.grids:
        quantity = one.grid.quantity
        for said in (quantity.caution.rstrip("."), quantity.sentence.rstrip("."), quantity.name, "attention_out"):
            text = text.replace(said, "") if said else text
    return text


@pytest.mark.parametrize("name", list(EVERY))
def test_every_number_and_comparison_stands_in_a_form_of_a_cited_fact(name):
    well_formed(EVERY[name]())


@pytest.mark.parametrize("name", SIGNED)
def test_the_prose_is_what_was_read_and_signed(name):
    results = EVERY[name]()
    assert written(summarised(results)) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_grids_of_scores_give_sentences_that_hold(data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    layers = tuple(sorted(rng.choice(40, size=data.draw(st.integers(1, 8)), replace=False).tolist()))
    known = (*synthetic.FIFTEEN, "gold_first", "gold_last", "word 3 of 4", "x", "-12", "above", "{curly}", "_")
    positions = tuple(known[i] for i in rng.choice(len(known), size=data.draw(st.integers(1, 8)), replace=False))
    n = 90
    labels = np.arange(n) % 3 == 0
    folds = np.arange(n) // 3 % 3
    strength = data.draw(st.sampled_from([-1.0, 0.0, 0.5, 2.0, 5.0]))
    cells = rng.normal(size=(len(layers), len(positions), n)) + strength * rng.random((len(layers), 1, 1)) * labels
    cells = np.round(cells, data.draw(st.integers(0, 3))).astype(np.float32)
    cells[rng.random(cells.shape[:2]) < data.draw(st.sampled_from([0.0, 0.3, 0.9]))] = np.nan
    baselines = {"length 2": rng.normal(size=n), "b": rng.normal(size=n) + labels}
    ids = tuple(map(str, range(n)))
    held = synthetic.HeldOut(ids, ids, labels, folds, cells, np.full(n, np.nan), baselines)
    well_formed(edges.of(synthetic.from_scores(held, "errors", layers, positions)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_values_of_every_status_give_sentences_that_hold(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (data.draw(st.integers(1, 7)), data.draw(st.integers(1, 15)))
    statuses = ["ok", "boundary", "missing", "one_class", "too_few", "not_finite", "constant", "not_converged"]
    status = rng.choice(statuses, size=shape, p=[0.6, 0.05, *[0.35 / 6] * 6])
    value = np.round(rng.random(shape), data.draw(st.integers(0, 6)))
    half = rng.random(shape) * data.draw(st.sampled_from([1e-6, 0.01, 0.3, np.nan]))
    empty = ~np.isin(status, ["ok", "boundary"])
    value = np.where(empty, np.nan, value)
    one = edges.base().grids[0]
    grid = replace(
        one.grid, layers=tuple(range(shape[0])), positions=synthetic.FIFTEEN[: shape[1]], value=value, low=value - half,
        high=value + half, n=np.full(shape, 40), n_positive=np.full(shape, 7), status=status,
        reason=np.full(shape, ""), p_adjusted=np.where(rng.random(shape) < 0.3, np.nan, rng.random(shape) ** 4),
        tied_with_best=rng.random(shape) < 0.4,
    )  # fmt: skip
    numbers = st.one_of(st.just(float("nan")), st.floats(0, 1))
    e = Estimate(data.draw(numbers), data.draw(numbers), data.draw(numbers), 0.95, 40)
    winners = tuple(Winner(k, 0, grid.positions[int(rng.integers(shape[1]))], 0.1, 0.5) for k in range(5))
    d = Estimate(data.draw(numbers) - 0.5, data.draw(numbers) - 0.9, data.draw(numbers), 0.95, 40)
    baselines = (Baseline("a", "a", e, d), Baseline("b", "b", e, None), Baseline("c", "c", None, None, "no column"))
    made = replace(one, grid=grid, selection=Selection(e, winners), baselines=baselines, held_out=None)
    well_formed(edges.of(made))


@pytest.mark.parametrize("turn", [edges.flipped, synthetic.upside_down])
@pytest.mark.parametrize("name", ["base", "one_position", "one_layer", "below_the_best_baseline", "strong"])
def test_turned_upside_down_every_directional_sentence_changes_or_vanishes(name, turn):
    results = edges.strong() if name == "strong" else edges.EDGES[name]()
    results = replace(results, expectations=(_expectation(0.79),))
    turned = replace(turn(results), expectations=(_expectation(1 - 0.79),))
    after = set(texts(summarised(turned)))
    directional = [t for t in texts(summarised(results)) if DIRECTIONAL & {c.lower() for c in claims(t)}]
    assert len(directional) > 10
    assert [t for t in directional if t in after] == []


def _expectation(observed: float) -> ExpectationResult:
    return ExpectationResult("errors: nested best, lower bound at least 0.70", observed >= 0.7, observed, 0.7)


def test_a_null_grid_names_no_highest_cell_and_says_so_first():
    summary = summarised(edges.null())
    assert "no evidence" in summary.abstract[0].text
    assert any("None of the 135 cells is above chance" in s.text for s in summary.abstract)
    said = [s.text for w, s in prose.sentences(summary) if "caption" not in w]
    assert not [t for t in said if "highest" in t or "peak" in t or "most decodable" in t]


def test_most_decodable_is_said_only_where_no_other_position_ties():
    assert "most decodable" in written(summarised(edges.one_position()))
    assert "most decodable" not in written(summarised(edges.base()))  # three positions tie there
    assert "most decodable" not in written(summarised(edges.all_tied()))


def test_the_highest_cell_is_never_the_headline():
    for results in (edges.base(), edges.one_position(), edges.below_the_best_baseline()):
        summary = summarised(results)
        first = [*summary.abstract[:2], *(k.figure for k in summary.key_figures[:2])]
        assert not [s.text for s in first if any(f.endswith(".highest") for f in s.facts)]


def test_a_nested_best_below_its_baseline_says_below_and_by_how_much():
    summary = summarised(edges.below_the_best_baseline())
    assert re.search(r"That is 0\.\d\d \[0\.\d\d, 0\.\d\d\] below the best baseline", summary.abstract[1].text)
    assert "orders the rows better than the nested best" in written(summary)


@pytest.mark.parametrize("below", [False, True])
def test_two_best_baselines_are_spoken_of_in_the_plural(below):
    one = (edges.below_the_best_baseline() if below else edges.strong()).grids[0]
    top = max((b for b in one.baselines if b.estimate), key=lambda b: b.estimate.value)
    gap = Estimate(-0.2, -0.3, -0.1, 0.95, 400) if below else Estimate(0.2, 0.1, 0.3, 0.95, 400)
    twice = tuple(replace(top, name=f"twin_{k}", label=f"twin {k}", difference=gap) for k in "ab")
    said = written(well_formed(edges.of(replace(one, baselines=twice))))
    if below:
        assert "The best baselines, twin a and twin b, order the rows better than the nested best" in said
        assert "whether the activations add to them is not tested here" in said
    else:
        assert "The best baselines, twin a and twin b, do not account for it by themselves: the nested best" in said
        assert re.search(r"stands 0\.20 \[[^]]+\] above them\.", said)


@pytest.mark.parametrize("name", list(EVERY))
def test_no_positions_are_called_the_others_before_any_was_named(name):
    assert not re.search(
        r"the other \w+ positions (without|holds)|[Oo]f the other \w+ positions", written(summarised(EVERY[name]()))
    )


def test_a_few_positions_without_a_group_are_called_by_their_names():
    said = summarised(edges.base())
    assert "Of last_q, first_answer and second_answer, last_q holds the highest cell" in written(said)


def test_where_all_cells_tie_no_cell_can_be_told_from_the_highest():
    assert "o other cell can be told from the highest cell" in written(summarised(edges.all_tied()))


def test_a_fold_at_the_end_of_the_scale_forbids_to_speak_of_ties():
    results = edges.fold_at_the_end()
    assert results.grids[0].grid.tied_with_best.all()  # without intervals nothing can be told from the highest
    found = {f.id for f in facts.derive(results)}
    assert "errors.tied" not in found
    assert "bound on one side only" in written(summarised(results))


def test_several_grids_are_each_introduced_by_name():
    summary = summarised(edges.two_grids())
    for key in ("overview", "analysis", "anomaly"):
        section = next(s for s in summary.sections if s.key == key)
        leads = [p[0].text for p in section.paragraphs if isinstance(p[0], Lead)]
        assert leads[-2:] == ["errors, tiny on sums.", "length, tiny on sums."]
    assert "length.heatmap" in summary.captions


def test_what_grids_have_in_common_is_said_once():
    summary = summarised(edges.two_sites())
    for section in summary.sections:
        said = [s.text for p in section.paragraphs for s in p if not isinstance(s, Lead)]
        alike = {text for text in said if said.count(text) > 1}
        assert not alike or section.key in {"analysis", "anomaly"}
    components = next(s for s in summary.sections if s.key == "components")
    common, *rest = components.paragraphs
    assert common[0].text == "Common to the grids."
    assert len(common) == 9
    assert [p[0].text for p in rest] == ["errors, tiny on sums.", "mlp, tiny on sums."]
    assert [len(p) for p in rest] == [2, 2]


def test_what_some_of_the_grids_have_in_common_is_said_of_them():
    said = [p[0].text for s in summarised(several(*NAMES)).sections if s.key == "methods" for p in s.paragraphs]
    assert "errors, null, flat and before." in said
    assert "Common to the grids." in said


def several(*names: str) -> Results:
    """Grids of many sorts under these names."""
    found = [edges.base(), edges.null(), edges.all_missing(), edges.constant(), edges.nothing_but_values()]
    grids = [one.grids[0] for one in found]
    named = [replace(g, grid=replace(g.grid, name=name)) for name, g in zip(names, grids, strict=False)]
    return replace(edges.base(), grids=tuple(named))


NAMES = ("errors", "null", "gone", "flat", "before")


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_of_several_grids_each_sentence_that_weighs_says_which_it_speaks_of(count):
    names = NAMES[:count]
    summary = well_formed(several(*names))
    of_grid = re.compile(rf"[Gg]rid ({'|'.join(names)})\b")
    last = summary.abstract[-1:] if count > 3 else ()
    by_key = {section.key: section for section in summary.sections}
    weighed = [s for key in prose.NAMED for p in by_key[key].paragraphs for s in p]
    alone = [s for s in summary.abstract[: len(summary.abstract) - len(last)] if "difference." not in " ".join(s.facts)]
    for sentence in (*alone, *weighed):
        (name,) = set(of_grid.findall(sentence.text))
        assert {f.split(".")[0] for f in sentence.facts} <= {name}, sentence.text
    for key in ("overview", "components", "analysis", "interpretation", "anomaly", "conclusion", "methods"):
        spoken = ""
        for paragraph in by_key[key].paragraphs:
            if isinstance(paragraph[0], Lead):
                spoken = paragraph[0].text
            cited = {f.split(".")[0] for s in paragraph if not isinstance(s, Lead) for f in s.facts} & set(names)
            assert len(cited) <= 1, paragraph
            assert not cited or spoken == "Common to the grids." or cited.pop() in spoken, paragraph
    for key, paragraph in summary.captions.items():
        if key.split(".")[0] in names:
            assert of_grid.match(paragraph[0].text), key


def test_the_abstract_of_several_grids_speaks_of_three_and_says_how_many_more():
    said = [s.text for s in summarised(several(*NAMES)).abstract if "difference." not in " ".join(s.facts)]
    assert [sum(f"grid {name}" in text.lower() for text in said) for name in NAMES[:3]] == [2, 2, 1]
    assert said[-1] == "Two more grids, flat and before, are described in the sections that follow."
    assert summarised(several(*NAMES[:4])).abstract[-1].text.startswith("One more grid, flat, is described")
    assert not any("more grid" in s.text for s in summarised(several(*NAMES[:3])).abstract)


def test_the_key_figures_of_several_grids_are_the_nested_best_of_each():
    results = several(*NAMES)
    found = {k.meaning.text.split("grid ")[1].split(",")[0]: k for k in summarised(results).key_figures}
    assert list(found) == ["errors", "null", "gone", "flat"]
    for name, one in zip(NAMES, results.grids, strict=True):
        if one.selection is not None:
            assert found[name].figure.text == f"{one.selection.estimate.value:.2f}"
    assert found["gone"].meaning.text == "cells without a value in the grid gone, of 9 layers by 15 positions"
    many = replace(results, grids=tuple(replace(results.grids[0], grid=replace(results.grids[0].grid, name=n))
                                        for n in ("a", "b", "c", "d", "e")))  # fmt: skip
    assert len(summarised(many).key_figures) == 4


def test_a_single_position_without_a_group_is_called_by_its_name():
    positions = ("last_q", "exact_answer_first", "exact_answer_last", "-2", "-1")
    for results in (edges.scored(edges.held().cells[:, [0, 4, 5, 13, 14]], positions=positions),
                    edges.scored(edges.held().cells[:, [14, 0]], positions=("last_q", "-1"))):  # fmt: skip
        said = written(well_formed(results))
        assert "other position" not in said
        assert "the position " not in said
        assert "last_q, last_q" not in said
    assert "At last_q AUROC stays between" in said


def test_the_authors_own_text_stands_apart_and_unchecked():
    results = replace(edges.base(), interpretation="Clearly 100 % better.")
    section = next(s for s in summarised(results).sections if s.key == "interpretation")
    assert section.authored == "Clearly 100 % better."
    assert "100" not in " ".join(s.text for p in section.paragraphs for s in p)


def test_expectations_met_and_not_met_are_told():
    low, high = _expectation(0.6), _expectation(0.8)
    results = replace(edges.base(), expectations=(low, high))
    said = written(summarised(results))
    assert "One of the two expectations of the spec is met: " in said
    assert "at least 0.70, observed 0.60, not met" in said


def test_hostile_names_become_visible_text_in_every_sentence():
    results = edges.base()
    one = results.grids[0]
    names = ("</script><b>", "{{ 7*7 }}", "nul\0\ud800\u202e", *one.grid.positions[3:])
    hostile = replace(one, grid=replace(one.grid, positions=names), selection=None)
    found = facts.derive(replace(results, title="\0", grids=(hostile,)))
    summary = prose.summarise(replace(results, grids=(hostile,)), found)
    for _, sentence in prose.sentences(summary):
        sentence.text.encode("utf-8")
        assert "\0" not in sentence.text
        assert "\u202e" not in sentence.text


def test_every_figure_and_table_has_a_caption_and_every_figure_an_alternative():
    summary = summarised(edges.base())
    keys = {"tokens", "positions", "balance", "errors.heatmap", "errors.profile", "errors.tied", "errors.baselines",
            "errors.winners"}  # fmt: skip
    assert keys <= set(summary.captions)
    for figure in ("tokens", "errors.heatmap", "errors.profile"):
        assert prose.alternative(summary, figure)
    assert prose.alternative(summary, "nothing") == ""


@pytest.mark.parametrize(
    ("sees", "shift", "said"),
    [
        ("question", 0.0, "cannot be told from"),
        ("question", -0.3, "order the rows better"),
        ("question", 0.3, ""),
        ("completion", 0.0, ""),
    ],
)
def test_a_baseline_of_the_question_alone_that_the_nested_best_does_not_pass_is_named(sees, shift, said):
    results = synthetic.results()
    one = results.grids[0]
    low = Baseline("sizes", "operand sizes", Estimate(0.8, 0.75, 0.85, 0.95, 400),
                   Estimate(shift, shift - 0.1, shift + 0.1, 0.95, 400), sees=sees)  # fmt: skip
    summary = summarised(replace(results, grids=(replace(one, baselines=(*one.baselines, low)),)))
    found = [t for t in texts(summary) if "made of the question alone" in t]
    assert bool(found) == bool(said)
    assert all(f"Operand sizes, made of the question alone, {said}" in t for t in found)
