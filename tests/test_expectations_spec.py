"""What a spec may expect, and what is said of expectations that make no sense, each with its line and column."""

from __future__ import annotations

import pytest

from layergrid.spec import Expectation
from spec_texts import BASE, MINIMAL, errors, read

OLD = "  - {grid: errors, nested_best: {at_least: 0.6}}\n"
PROBE = "    kind: probe\n    folds: 5\n    penalties: {from: 1e-5, to: 1, count: 8}\n"
ANSWERS = "    generate: {max_new_tokens: 32}\n    grade: {kind: numeric, gold: answer}\n"


def spec(line: str, text: str = BASE) -> str:
    assert text.count(OLD) == 1
    return text.replace(OLD, f"  - {{{line}}}\n")


@pytest.mark.parametrize("line", [
    "nested_best: {at_least: 0.5, at_most: 0.9, by: interval}",
    "cell: {layer: 3, position: -1, at_most: 1}",
    "cell: {layer: 2..4, position: [last_q, -1], at_least: 0.5, needs: any}",
    "cell: {layer: [0, 2..4], position: '*_last', at_least: 0.5}",
    "cell: {layer: every, position: -2..-1, at_least: 0.5}",
    "difference: {of: exact_answer_last, minus: -1, at_least: 0.05, by: low}",
    "difference: {of: {layer: 3, position: -1}, minus: {layer: 0, position: -1}, at_least: 0}",
    "difference: {of: {}, minus: {grid: errors, position: last_q}, at_least: 0}",
    "beats: {at_least: 0, by: low}",
    "beats: {baseline: 'logprob*', at_least: 0}",
    "rows: {at_least: 100}",
    "rows: {of: wrong answers, at_least: 100}",
    "rows: {of: smallest, at_least: 100, at_most: 200}",
    "missing: {at_most: 0.05}",
    "missing: {position: [last_q, -1], at_most: 0.05}",
    "dataset: sums, truncated: {at_most: 0.01}",
    "grid: errors, accuracy: {at_least: 0.3}",
    "rows: {at_least: 1}, name: enough rows, because: 'fewer say nothing'",
])  # fmt: skip
def test_every_form_is_read_with_its_only_grid_or_data_set(line):
    one = read(spec(line)).expect[0]
    assert isinstance(one, Expectation)
    assert one.grid == "errors" or one.dataset == "sums"


@pytest.mark.parametrize(("line", "said"), [
    ("cell: {layer: 2..x, position: -1, at_least: 0}", "'2..x' is no layer; expected a whole number, a range such as"),
    ("cell: {layer: 4..2, position: -1, at_least: 0}", "'4..2' is no layer"),
    ("cell: {layer: -1, position: -1, at_least: 0}", "greater than or equal to 0"),
    ("cell: {layer: 2, position: exact_answer_lst, at_least: 0}", "did you mean 'exact_answer_last'?"),
    ("cell: {layer: 2, position: 'frist_*', at_least: 0}", "glob 'frist_*' matches no position"),
    ("cell: {layer: 2, position: -9..-8, at_least: 0}", "no position '-9'"),
    ("cell: {layer: 2, position: -1, at_least: 0, needs: some}", "expected 'all' or 'any'"),
    ("cell: {layer: 2, position: -1}", "'at_least', 'at_most' or both are expected here"),
    ("nested_best: {at_least: .nan}", "expected a number"),
    ("nested_best: {at_least: 0.5, by: lower}", "did you mean 'low'?"),
    ("difference: {of: last_q, minus: lst_q, at_least: 0}", "no position 'lst_q'; known: last_q"),
    ("difference: {of: last_q, minus: 'last_*', at_least: 0}", "no position 'last_*'"),
    ("difference: {of: last_q, at_least: 0}", "key 'minus' is missing in 'difference'"),
    ("difference: {of: {layer: 3}, minus: last_q, at_least: 0}", "'layer' needs a 'position'"),
    ("difference: {of: {grid: erors}, minus: last_q, at_least: 0}", "no grid 'erors'; known: errors; did you mean"),
    ("beats: {baseline: logprob_maen, at_least: 0}", "no baseline 'logprob_maen'"),
    ("beats: {baseline: logprob_maen, at_least: 0}", "did you mean 'logprob_mean'?"),
    ("rows: {of: wrong answer, at_least: 1}", "no class 'wrong answer'; known: wrong answers, right answers"),
    ("difference: {of: last_q, minus: last_q, at_least: 0}", "'of' and 'minus' are the same"),
    ("rows: {at_least: 1, by: low}", "unknown key 'by'"),
    ("missing: {at_most: 5}", "a share lies between 0 and 1, and this is 5; 5 % is written 0.05"),
    ("truncated: {at_most: -0.1}", "a share lies between 0 and 1, and this is -0.1"),
    ("accuracy: {at_least: 30.0}", "a share lies between 0 and 1, and this is 30.0"),
    ("missing: {position: lst_q, at_most: 0}", "no position 'lst_q'"),
    ("dataset: smus, truncated: {at_most: 0}", "no data set 'smus'; known: sums; did you mean 'sums'?"),
    ("nested_best: {at_least: 0}, rows: {at_least: 1}", "exactly one of 'nested_best', 'cell', "),
    ("dataset: sums, rows: {at_least: 1}", "'dataset' is not for 'rows'"),
    ("name: '', rows: {at_least: 1}", "at least one character"),
    ("nested_bset: {at_least: 0}", "unknown key 'nested_bset'"),
])  # fmt: skip
def test_what_makes_no_sense_is_told_at_its_place(line, said):
    found = errors(spec(line))
    assert any(said in one for one in found), "\n".join(found)
    assert all(one.startswith("t.yaml:21:") for one in found)
    assert all(one.rstrip().endswith("^") for one in found)


@pytest.mark.parametrize(("layers", "asked", "said"), [
    ("[0, 2, 4]", "3", "the grid has no layer 3; its layers are 0, 2 and 4"),
    ("[4, 0, 2]", "[0, 2..4]", "no layer 3; its layers are 0, 2 and 4"),
    ("2..4", "5", "no layer 5; its layers run from 2 to 4"),
    ("{from: 1, to: 3}", "0..3", "no layer 0; its layers run from 1 to 3"),
    ("{to: 90, every: 3}", "1", "no layer 1; its layers are 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, and others up"),
])  # fmt: skip
def test_a_layer_that_the_grid_leaves_out_is_told_at_its_place_before_anything_runs(layers, asked, said):
    chosen = BASE.replace(PROBE, PROBE + f"    layers: {layers}\n")
    (found,) = errors(spec(f"cell: {{layer: {asked}, position: last_q, at_least: 0}}", chosen))
    assert found.startswith("t.yaml:22:")
    assert said in found
    side = "difference: {of: {layer: 97, position: last_q}, minus: last_q, at_least: 0}"
    assert "the grid has no layer 97" in errors(spec(side, chosen))[0]


@pytest.mark.parametrize("layers", ["all", "{from: 2}", "{from: 0, every: 2}", "[1, 2, 3]", "1..3", "3..1"])
def test_layers_that_the_grid_has_or_that_only_its_model_tells_are_let_through(layers):
    chosen = BASE.replace(PROBE, PROBE + f"    layers: {layers}\n")
    line = "cell: {layer: [1..2, 3], position: last_q, at_least: 0}"
    assert read(spec(line, chosen)).expect[0].cell is not None


def test_what_the_grid_or_its_data_cannot_bear_is_told_before_anything_runs():
    described = BASE.replace(PROBE, "    kind: activation\n")
    described = described.replace(OLD, "\n\n" + OLD)
    for line in ("nested_best: {at_least: 0}", "beats: {at_least: 0}"):
        assert "the grid chooses no best cell" in errors(spec(line, described))[0]
    found = errors(spec("difference: {of: last_q, minus: -1, at_least: 0}", described))
    assert len(found) == 2
    assert "expected one cell: {layer, position}" in found[0]
    labelled = BASE.replace(ANSWERS, "    label: {column: kind, positive: nouns}\n")
    for line in ("truncated: {at_most: 0}", "accuracy: {at_least: 0}"):
        assert "cannot be judged: in this data set no answers are" in errors(spec(line, labelled))[0]
    wrong = errors(spec("rows: {of: wrong answers, at_least: 1}", labelled))
    assert "no class 'wrong answers'; known: rows without kind, nouns" in wrong[0]
    assert read(spec("rows: {of: nouns, at_least: 1}", labelled)).expect[0].grid == "errors"


def test_of_several_grids_or_data_sets_one_must_be_named():
    two = MINIMAL + "  more: probe\nexpect:\n" + OLD
    assert "'grid' is missing beside 'rows'" in errors(spec("rows: {at_least: 1}", two))[0]
    several = BASE.replace("  sums:\n", "  more: {source: m.csv, prompt: '{{ question }}'}\n  sums:\n")
    several = several.replace("    kind: probe\n", "    kind: probe\n    dataset: sums\n")
    found = errors(spec("accuracy: {at_least: 0}", several))
    assert "does not say which data set it speaks of; expected dataset: more, sums" in found[0]
    assert read(spec("grid: errors, accuracy: {at_least: 0}", several)).expect[0].grid == "errors"


def test_two_expectations_of_one_name_are_told_at_the_second():
    twice = BASE.replace(OLD, "".join(f"  - {{rows: {{at_least: {n}}}, name: same}}\n" for n in (1, 2)))
    (found,) = errors(twice)
    assert found.startswith("t.yaml:22:33: two expectations are named 'same'")
