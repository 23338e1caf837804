"""What a spec says of labels, answers, dialogues and models, and what of it does not go together."""

from __future__ import annotations

import pytest

from layergrid.kinds import LayerRange
from spec_texts import BASE, MINIMAL, changed, error, errors, names, read

LABELLED = MINIMAL.replace('    prompt: "{{ question }}"\n', '    prompt: "{{ reply }}"\n    label: is_true\n')
GIVEN = """\
models: {big: "activations:states.yaml"}
datasets:
  facts: {source: facts.csv, label: is_true}
grids:
  truth: probe
"""


def test_a_label_column_means_texts_without_answers_and_a_probe_of_the_label() -> None:
    spec = read(LABELLED)
    data = spec.datasets["sums"]
    assert data.label is not None
    assert (data.label.column, data.label.values, data.generate, data.grade) == ("is_true", (), None, None)
    assert data.label.classes == ("rows without is_true", "rows with is_true")
    assert spec.grids["errors"].model_dump()["predict"] == "label"


def test_a_label_may_say_which_values_count_and_what_the_classes_are_called() -> None:
    label = "{column: gold, values: entailment, positive: entailments, negative: the rest}"
    data = read(LABELLED.replace("label: is_true", f"label: {label}")).datasets["sums"]
    assert data.label is not None
    assert data.label.values == ("entailment",)
    assert data.label.classes == ("the rest", "entailments")


def test_answers_may_be_written_beside_a_label_and_left_ungraded() -> None:
    both = read(LABELLED.replace("label: is_true", "label: is_true\n    generate: {max_new_tokens: 8}")).datasets[
        "sums"
    ]
    assert both.generate is not None
    assert both.grade is None
    bare = read(
        MINIMAL.replace('"{{ question }}"\n', '"{{ question }}"\n    grade: null\n').replace("probe", "activation")
    )
    assert bare.datasets["sums"].grade is None
    assert bare.datasets["sums"].generate is not None


def test_a_dialogue_needs_no_settings() -> None:
    chat = read(MINIMAL.replace('"{{ question }}"\n', '"{{ question }}"\n    chat: true\n')).datasets["sums"].chat
    assert chat is not None
    assert (chat.system, chat.variables) == ("", {})
    assert (
        read(MINIMAL.replace('"{{ question }}"\n', '"{{ question }}"\n    chat: false\n')).datasets["sums"].chat is None
    )


def test_a_model_known_by_its_activations_needs_no_prompt_and_brings_its_own_positions() -> None:
    spec = read(GIVEN)
    assert spec.models["big"].given == "states.yaml"
    assert spec.positions == ()
    named = read(GIVEN + "positions: [end_of_subject, last_q]\n")
    assert names(named) == ("end_of_subject", "last_q")
    assert [one.kind for one in named.positions] == ["given", "prompt_end"]


def test_layers_are_all_a_range_every_nth_or_a_list() -> None:
    def layers(written: str) -> object:
        return read(MINIMAL.replace("probe", "{kind: probe, layers: " + written + "}")).grids["errors"].needs().layers

    assert layers("all") == "all"
    assert layers("4..6") == "4..6"
    assert layers("{from: 2, every: 2}") == LayerRange(start=2, every=2)
    assert layers("[0, 3]") == (0, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LABELLED.replace("probe", "{kind: probe, predict: error}"),
         "t.yaml:8:34: grid 'errors': predict is 'error', but the labels of its data set come from a column; "
         "write label"),
        (MINIMAL.replace("probe", "{kind: probe, predict: label}"),
         "t.yaml:7:34: grid 'errors': predict is 'label', but its data set has graded answers and no label column; "
         "write error or correct"),
        (MINIMAL.replace('"{{ question }}"\n', '"{{ question }}"\n    grade: null\n'),
         "t.yaml:8:3: grid 'errors': predict is 'error', but its data set has no labels; "
         "give it 'label: COLUMN' or graded answers"),
        (LABELLED.replace("label: is_true", "label: is_true\n    grade: exact"),
         "t.yaml:4:5: 'sums': 'label' and 'grade' both say which rows are which; write one of the two"),
        (changed("layergrid: 1", "layergrid: 1\nlayers_form: 1"), None),
        (MINIMAL.replace("probe", "{kind: probe, layers: 6..x}"), None),
        (MINIMAL.replace("probe", "{kind: probe, layers: {from: 4, to: 2}}"), None),
        (MINIMAL.replace("probe", "{kind: probe, site: head_out}"), None),
        (MINIMAL.replace("probe", "{kind: probe, head: 3}"), None),
        (MINIMAL.replace("tiny: builtin:arithmetic", "tiny: {id: hf:a/b, device: cpu, device_map: auto}"), None),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told_at_its_place(text: str, expected: str | None) -> None:
    said = error(text)
    if expected is not None:
        assert said.startswith(expected)


def test_what_a_grid_reads_must_be_there_and_a_table_reads_nothing() -> None:
    alone = "grids:\n  given: {kind: table, source: values.csv}\n"
    assert read(alone).models == {}
    without = errors("grids:\n  errors: probe\n")
    assert [line.split(": ")[1] for line in without] == ["key 'models' is missing", "key 'datasets' is missing"]
    assert "key 'prompt' is missing" in error(changed('    prompt: "Q: {{ question }}"\n', ""))


def test_a_nested_best_is_expected_only_of_a_grid_that_chooses_one() -> None:
    said = error(
        BASE.replace("kind: probe\n    folds: 5\n    penalties: {from: 1e-5, to: 1, count: 8}", "kind: activation")
    )
    assert "the grid chooses no best cell" in said
