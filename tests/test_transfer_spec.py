"""What a spec may say of a transfer: short forms, and errors with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from layergrid.spec import Spec, SpecError, parse_spec
from layergrid.yamlsource import Source

BASE = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums: {source: builtin:arithmetic, prompt: "{{ question }}"}
  more: {source: builtin:arithmetic, prompt: "Q: {{ question }}"}
positions: [last_q, exact_answer_first, exact_answer_last, -1]
grids: {errors: {kind: probe, dataset: sums}}
transfer:
"""


def parsed(transfer: str, base: str = BASE) -> Spec:
    return parse_spec(Source("t.yaml", base + transfer), Path("t.yaml"))


def error(transfer: str, base: str = BASE) -> str:
    with pytest.raises(SpecError) as caught:
        parsed(transfer, base)
    return str(caught.value)


def test_left_out_keys_stand_for_all_data_sets_the_only_model_and_all_positions():
    one = parsed("  all: {}\n").transfer["all"]
    assert (one.over, one.models, one.datasets, one.layers) == ("datasets", ("tiny",), ("sums", "more"), "all")
    assert one.pairs == (("tiny", "sums"), ("tiny", "more"))
    assert one.penalty_values[0] == pytest.approx(1e-4)


def test_one_of_a_kind_may_be_named_in_the_singular():
    spec = parsed("  a: {over: positions, dataset: sums, positions: ['exact_*', -1], layer: 4, baselines: p_true}\n")
    one = spec.transfer["a"]
    assert one.positions == ("exact_answer_first", "exact_answer_last", "-1")
    assert (one.datasets, one.layers, one.baselines) == (("sums",), (4,), ("p_true",))


def test_a_label_column_is_what_is_predicted():
    base = BASE.replace('prompt: "{{ question }}"}', 'prompt: "{{ question }}", label: operation}')
    assert parsed("  a: {over: layers, dataset: sums}\n", base).transfer["a"].predict == "label"


@pytest.mark.parametrize(("written", "expected"), [
    ("  a: {dataset: sum, over: layers}\n", "t.yaml:8:16: no data set 'sum'; known: sums, more; did you mean 'sums'?"),
    ("  a: {over: layers}\n", "t.yaml:8:3: transfer 'a' does not say which data set it reads; expected dataset: sums"),
    ("  a: {over: datsets}\n", "t.yaml:8:13: 'over' is the text 'datsets'; expected 'datasets', 'positions', 'layers'"),
    ("  a: {dataset: sums}\n", "'datasets' names one, and a transfer over data sets needs two at least"),
    ("  a: {over: models}\n", "'models' names one, and a transfer over models needs two at least"),
    ("  a: {over: positions, dataset: sums, position: -1}\n",
     "t.yaml:8:49: transfer 'a' is over positions, and there is one; name two of them at least"),
    ("  a: {over: layers, dataset: sums, layer: 3}\n", "'layers' names one"),
    ("  a: {positions: [exact_answer_lst]}\n", "t.yaml:8:19: no position 'exact_answer_lst'"),
    ("  a: {layer: 3, layers: all}\n", "t.yaml:8:7: 'layer' and 'layers' both stand here; write one of the two"),
    ("  a: {predict: label}\n", "t.yaml:8:16: transfer 'a': predict is 'label', but data set 'sums' has graded"),
    ("  a: {fold: 3}\n", "t.yaml:8:7: unknown key 'fold'"),
    ("  a: {folds: 2}\n", "t.yaml:8:14: 'folds': expected it to be greater than or equal to 3"),
    ("  a: {baselines: [logprob]}\n", "t.yaml:8:19: "),
    ("  errors: {}\n", "t.yaml:8:3: a grid is named 'errors' too; give one of the two another name"),
    ("  a: {}\n  A: {}\n", "t.yaml:9:3: two transfers differ only in upper and lower case"),
    ("  a: {site: head_out}\n", "'head' is for the site head_out; name one"),
    ("  a: {datasets: [sums, sums]}\n", "'sums' stands twice; remove one of the two"),
])  # fmt: skip
def test_an_error_names_its_place_and_what_to_write(written: str, expected: str):
    assert expected in error(written)


def test_a_figure_names_a_transfer_of_the_spec():
    figures = "figures: [{kind: matrix, transfer: al}]\n"
    assert "no transfer 'al'; known: all; did you mean 'all'?" in error("  all: {}\n" + figures)


def test_the_shipped_spec_carries_probes_from_additions_to_subtractions():
    from layergrid import resources
    from layergrid.spec import load_spec

    spec = load_spec(resources.file("specs/transfer_over_operations.yaml"))
    assert spec.transfer["operations"].datasets == ("additions", "subtractions")
