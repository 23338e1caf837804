"""What is said of grading, which labels are kept, and that a change of grader writes nothing anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import words
from layergrid import facts, prose
from layergrid.artifacts import DataCard, Examples, Labels, Results, Sequences
from layergrid.cards import data_card, without_values
from layergrid.console import Silent
from layergrid.facts import grading as found_of
from layergrid.graders import grade_all
from layergrid.graders.contains import ContainsGrader
from layergrid.graders.exact import ExactGrader
from layergrid.pipeline import grading
from layergrid.pipeline.study import Study
from layergrid.spec import load_spec
from layergrid.store import Store
from spec_texts import BASE, read

TEXTS = (" 5 and 5.", " Six", " seven\n", "")
DATASET = read(BASE).datasets["sums"]


def graded(golds, grader=None, texts=TEXTS) -> tuple[Examples, Sequences, Labels]:
    ids = tuple(f"q{i}" for i in range(len(texts)))
    examples = Examples("sums", "s.csv", ids, ids, {"answer": tuple(golds)}, "sha256:0")
    sequences = replace(
        Sequences.none(ids),
        texts=tuple("Q?" + one for one in texts),
        prompt_chars=np.full(len(ids), 2, np.int32),
        written=True,
    )
    return examples, sequences, grade_all(grader or ContainsGrader(gold="answer"), examples, sequences)


def card(*given, **parameters) -> DataCard:
    examples, sequences, labels = graded(*given, **parameters)
    return data_card("sums", DATASET, "tiny", examples, sequences, labels)


def with_card(one: DataCard) -> Results:
    """Results of the tests of words, with this card in the place of their own."""
    results = words.made()[0]
    own = results.data[0]
    return replace(results, data=(replace(one, name=own.name, model=own.model),))


def said(one: DataCard) -> tuple[str, str]:
    """The abstract and all sections of a report with this card."""
    results = with_card(one)
    summary = prose.summarise(results, facts.derive(results))
    return (
        " ".join(sentence.text for sentence in summary.abstract),
        " ".join(sentence.text for section in summary.sections for p in section.paragraphs for sentence in p),
    )


def test_labels_count_answers_whose_text_stands_there_more_than_once():
    labels = graded(["5", "6", "7", "8"], ExactGrader(gold="answer"))[2]
    assert labels.occurrences == ((1, 1), (1, 1), (1, 1), (0, 0))
    labels = graded(["5", "6", "7"], texts=(" Five.\nNo, Five", " 6", " 6 or 6"))[2]
    assert (labels.occurrences, labels.repeated) == (((1, 2), (1, 1), (1, 1)), 1)


def test_a_card_holds_how_answers_are_compared_and_keeps_examples_where_none_is_right():
    fine = card(["5", "x", "x", "x"])
    assert (fine.n_correct, fine.unmatched, fine.label_dependent) == (1, (), False)
    assert fine.compared.startswith("right where a right answer stands in it")
    none = card(["x", "y", "z", "w"])
    assert len(none.unmatched) == 3
    assert dict(none.unmatched).items() <= dict(zip(TEXTS, "xyzw", strict=True)).items()


def test_the_examples_kept_do_not_depend_on_the_order_of_rows():
    one = card(["x", "y", "z", "w"])
    other = card(["w", "z", "y", "x"], texts=TEXTS[::-1])
    assert one.unmatched == other.unmatched


@pytest.mark.parametrize(
    ("golds", "texts", "sentence"),
    [
        ("xyzw", TEXTS, "No exact answer agrees with the right one, so that every answer counts as wrong"),
        ("xy", ("", " . "), "The grader finds no exact answer in any completion, so that every answer counts as wrong"),
        ("xy", ("x", "y"), "All 2 answers are graded right"),
        ("x", ("x",), "The only answer is graded right"),
        ("xy", ("x", "x"), ""),
    ],
)
def test_grades_that_are_all_alike_are_told(golds, texts, sentence):
    assert found_of.sentence(card(golds, texts=texts)) == sentence


def test_the_report_and_the_console_show_three_examples_where_nothing_is_right():
    one = card(["x", "y", "z", "w"])
    abstract, sections = said(one)
    assert "No exact answer agrees with the right one, so that every answer counts as wrong." in abstract
    assert "for example \u201c" in sections
    assert sections.count(" is right") >= 3
    note = without_values(with_card(one))[0]
    assert "none agrees with the right answer, for example " in note
    assert note.count(" is right") == 3
    assert "the rule is: the first line" in note


def test_all_right_is_told_without_examples():
    one = card(["x", "y"], texts=("x", "y"))
    assert "All 2 answers are graded right." in said(one)[0]
    assert "all 2 are graded right; a probe of errors has nothing to tell apart" in without_values(with_card(one))[0]


def test_a_rule_that_sees_the_label_is_told_in_abstract_components_and_methods():
    grader = ContainsGrader(gold="answer", insist=True, span="gold")
    one = card(["5", "x", "x", "x"], grader)
    assert one.label_dependent
    abstract, sections = said(one)
    assert "are located by a rule that sees the gold answer: values at their positions may be too high." in abstract
    assert "the rule sees the gold answer and the label" in sections
    assert "As the spec insists, the rule sees the gold answer in right answers" in sections
    assert "does not see the gold answer" not in sections


def test_a_blind_rule_is_told_to_be_blind_and_the_methods_say_how_answers_are_compared():
    abstract, sections = said(card(["5", "x", "x"], texts=(" Five. Five\nFive", " 6", " 7")))
    assert "sees the gold answer" not in abstract
    assert "the rule does not see the gold answer or the label" in sections
    assert "It is right where a right answer stands in it as whole words" in sections


def test_answers_that_occur_twice_are_counted_in_the_methods():
    sections = said(card(["Five", "x"], texts=(" Five\nFive", " 6")))[1]
    assert "1 completion holds the text of the exact answer repeatedly; the rule says which place is taken" in sections


# ---------------------------------------------------------------- stages

SPEC = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums:
    source: builtin:arithmetic
    sample: 20
    prompt: "Question: {{ question }}\\nAnswer:"
    generate: {max_new_tokens: 8}
    grade: GRADE
grids: {errors: {kind: probe, layers: [2]}}
"""


def stages(tmp_path, grade):
    path = tmp_path / "s.yaml"
    path.write_text(SPEC.replace("GRADE", grade), encoding="utf-8")
    return {one.name: one for one in Study(load_spec(path), Store(tmp_path / "cache"), Silent()).stages()}


def test_a_change_of_grader_changes_labels_and_what_stands_on_them_and_generates_nothing(tmp_path):
    number = stages(tmp_path, "numeric")
    for other in (
        "{kind: numeric, take: first}",
        "contains",
        "{kind: regex, pattern: x}",
        "{kind: column, column: answer, values: [5]}",
    ):
        changed = stages(tmp_path, other)
        assert changed["generate"].key == number["generate"].key
        assert changed["positions"].key != number["positions"].key
        assert changed["capture"].key != number["capture"].key


def test_labels_that_take_long_are_a_stage_of_their_own(tmp_path):
    pytest.importorskip("math_verify")
    found = stages(tmp_path, "math")
    assert found[grading.NAME].stored
    assert found[grading.NAME].inputs == (found["generate"].label,)
    assert grading.NAME not in stages(tmp_path, "numeric")
    assert set(found[grading.NAME].key.parts["libraries"]) > {"math-verify", "sympy"}
