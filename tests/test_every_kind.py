"""Every grid kind, data of every sort and every way of having a model, from a spec to a verified report."""

from __future__ import annotations

import json

import numpy as np
import pytest

from building import MODEL_LIBRARIES, build, cache, child, run
from layergrid import archive, kinds, precomputed
from layergrid.artifacts import ModelCard

SUMS = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums:
    source: builtin:arithmetic
    sample: 40
    group: operands
    prompt: "Question: {{ question }}\\nAnswer:"
    generate: {max_new_tokens: 32, batch: 40}
positions: [last_q, first_answer, exact_answer_last, -1]
outputs: [html, md]
"""
GRIDS = {
    "norms": "{kind: activation, measure: norm, contrast: error}",
    "shares": "{kind: activation, measure: largest_share, site: mlp_out, layers: {from: 2, every: 3}}",
    "heads": "{kind: activation, site: head_out, head: 1, layers: 4..6}",
    "likeness": "{kind: similarity, with: first_answer, positions: [last_q, -1]}",
    "updates": "{kind: similarity, of: updates}",
    "lens": "{kind: logit_lens, target: answer, measure: rank}",
    "looks": "{kind: attention, from: -1, heads: each, sink: drop}",
    "spread": "{kind: attention, from: [last_q, -1], measure: entropy}",
    "text": "{kind: attention, from: exact_answer_last, text: true}",
}
TEXTS = """\
models: {tiny: builtin:arithmetic}
datasets:
  statements:
    source: {kind: inline, rows: [{text: "2 plus 2 is 4.", ok: true, g: a}, {text: "2 plus 3 is 4.", ok: false, g: b},
      {text: "1 plus 2 is 3.", ok: true, g: c}, {text: "5 plus 2 is 9.", ok: false, g: d}]}
    prompt: "{{ text }}"
    label: {column: ok, positive: true sums, negative: false sums}
    group: g
positions: [last_q, -2, -1]
grids:
  size: {kind: activation, measure: norm, contrast: label}
outputs: [md]
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    grids = "".join(f"  {name}: {written}\n" for name, written in GRIDS.items())
    study = build(tmp_path_factory.mktemp("every"), SUMS + "grids:\n" + grids)
    assert study.ran.code == 0, study.ran.err
    return study


def test_every_kind_of_grid_holds_values_and_is_verified(everything):
    results = {one.grid.name: one for one in archive.read(everything.report).grids}
    assert set(results) == set(GRIDS)
    for name, one in results.items():
        assert one.grid.has_value.any(), name
        assert np.isfinite(one.grid.value[one.grid.has_value]).all(), name
    checked = run("verify", everything.report)
    assert checked.code == 0, checked.err


def test_sites_and_layers_are_those_that_were_asked_for(everything):
    grids = {one.grid.name: one.grid for one in archive.read(everything.report).grids}
    assert grids["norms"].layers == tuple(range(9))
    assert grids["shares"].layers == (2, 5, 8)
    assert (grids["heads"].layers, grids["heads"].head, grids["heads"].site) == ((4, 5, 6), "1", "head_out")
    assert grids["looks"].layers == tuple(range(1, 9))
    assert [facet.name for facet in grids["looks"].facets] == ["0", "1", "2", "3"]


def test_the_tokens_of_one_text_are_the_axis_and_the_example_that_is_shown(everything):
    results = archive.read(everything.report)
    grid = next(one.grid for one in results.grids if one.grid.name == "text")
    assert results.illustrations[0].example_id == grid.text_of
    assert len(grid.labels) == len(results.illustrations[0].pieces)
    assert len(set(grid.positions)) == len(grid.positions)
    summed = np.nansum(np.where(grid.has_value, grid.value, np.nan), axis=1)
    np.testing.assert_allclose(summed, 1, atol=1e-4)


def test_a_second_build_of_every_kind_loads_no_model(everything, monkeypatch):
    again = child(
        "build", everything.spec, "--out", everything.home / "reports", LAYERGRID_CACHE=str(everything.cache)
    )  # fmt: skip
    assert again.code == 0, again.err
    assert not set(again.imported) & set(MODEL_LIBRARIES)


def test_texts_with_a_label_need_no_answers(tmp_path):
    study = build(tmp_path, TEXTS)
    assert study.ran.code == 0, study.ran.err
    results = archive.read(study.report)
    card, grid = results.data[0], results.grids[0].grid
    assert (card.written, card.classes, card.n, card.n_correct) == (False, ("false sums", "true sums"), 4, 2)
    assert grid.contrast == "true sums - false sums"
    text = (study.report / "report.md").read_text(encoding="utf-8")
    assert "true sums" in text
    assert "wrong" not in text
    assert run("verify", study.report).code == 0


def test_a_table_becomes_a_report_without_a_model(tmp_path):
    (tmp_path / "values.csv").write_text("layer,position,value\n1,a,0.5\n1,b,0.25\n2,a,0.75\n2,b,\n", encoding="utf-8")
    (tmp_path / "t.yaml").write_text("grids: {given: {kind: table, source: values.csv}}\n", encoding="utf-8")
    ran = child("build", tmp_path / "t.yaml", "--out", tmp_path / "reports", LAYERGRID_CACHE=str(tmp_path / "cache"))
    assert ran.code == 0, ran.err
    assert not set(ran.imported) & set(MODEL_LIBRARIES)
    results = archive.read(tmp_path / "reports" / "t")
    assert (results.models, results.data, results.illustrations) == ((), (), ())
    assert results.grids[0].grid.status.tolist() == [["ok", "ok"], ["ok", "missing"]]
    assert run("verify", tmp_path / "reports" / "t").code == 0


def test_a_changed_table_is_read_again(tmp_path):
    table = tmp_path / "values.csv"
    spec = "grids: {given: {kind: table, source: values.csv}}\noutputs: [md]\n"
    for value in ("0.5", "0.6"):
        table.write_text(f"layer,position,value\n1,a,{value}\n", encoding="utf-8")
        study = build(tmp_path, spec)
        assert study.ran.code == 0, study.ran.err
        assert archive.read(study.report).grids[0].grid.value.tolist() == [[float(value)]]


def made_elsewhere(folder):
    """Forty rows in two classes that differ at one position of one layer."""
    rng = np.random.default_rng(0)
    ids = tuple(f"q{i}" for i in range(40))
    truth = np.arange(40) % 2 == 0
    states = rng.normal(size=(2, 2, 40, 6)).astype(np.float32)
    states[1, 1, truth, 0] += 4
    rows = "".join(f"{name},{str(bool(t)).lower()}\n" for name, t in zip(ids, truth, strict=True))
    (folder / "facts.csv").write_text("id,is_true\n" + rows, encoding="utf-8")
    card = ModelCard("big", "elsewhere", "Big", layers=2, width=6, parameters=0, dtype="float32", revision="")
    return precomputed.save(
        folder, {"residual": states}, card=card, positions=("subject", "end"), ids=ids, layers={"residual": (1, 2)}
    )


GIVEN = """\
models: {{big: "activations:{manifest}"}}
datasets: {{facts: {{source: facts.csv, id: id, label: is_true}}}}
grids:
  truth: {{kind: probe, folds: 3, penalties: [0.1]}}
outputs: [md]
{more}
"""


def test_activations_made_elsewhere_feed_a_probe(tmp_path):
    manifest = made_elsewhere(tmp_path)
    study = build(tmp_path, GIVEN.format(manifest=manifest.name, more=""))
    assert study.ran.code == 0, study.ran.err
    grid = archive.read(study.report).grids[0].grid
    assert (grid.layers, grid.positions) == ((1, 2), ("subject", "end"))
    assert grid.value[1, 1] > 0.95
    assert grid.value[0].max() < 0.9
    assert run("verify", study.report).code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("positions: [subjct]", "no position is named 'subjct'"),
        ("grids: {look: {kind: attention, from: end}}\npositions: [end]", "known by its activations alone"),
    ],
)
def test_what_activations_cannot_bear_is_told_before_anything_is_built(tmp_path, more, said):
    text = GIVEN.format(manifest=made_elsewhere(tmp_path).name, more="")
    text = text[: text.index("grids:")] + more + "\n" if more.startswith("grids") else text + more + "\n"
    ran = build(tmp_path, text).ran
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("{kind: probe, layers: 6..12}", "grids.errors.layers: model tiny has no layer 9; its layers go from 0"),
        ("{kind: probe, site: mlp_out, layers: [0, 1]}", "layer 0 is the embedding, and mlp_out belongs to a block"),
        ("{kind: activation, site: head_out, head: 4}", "model tiny has no head 4; its heads go from 0 to 3"),
        ("{kind: attention, heads: 7}", "model tiny has no head 7; its heads go from 0 to 3"),
        ("{kind: attention, text: nine}", "data set sums has no example 'nine'"),
        ("{kind: activation, site: encoder.residual}", "model tiny has one stack; write residual"),
        ("{kind: similarity, with: last_p}", "no position 'last_p'"),
        (
            "{kind: activation}}\nfigures: [{kind: heatmap, grid: errors, scheme: blue}]\n#",
            "no scheme 'blue'; known: blues",
        ),
    ],
)
def test_what_a_model_lacks_is_told_before_it_is_loaded(tmp_path, grid, said):
    spec = tmp_path / "s.yaml"
    spec.write_text(SUMS + f"grids: {{errors: {grid}}}\n", encoding="utf-8")
    ran = child("build", spec, "--out", tmp_path / "reports", LAYERGRID_CACHE=str(tmp_path / "cache"))
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert not set(ran.imported) & set(MODEL_LIBRARIES)
    assert not (tmp_path / "reports").exists()


def test_a_text_longer_than_the_context_is_told_with_its_example(tmp_path):
    long = TEXTS.replace("2 plus 2 is 4.", "2 plus 2 is 4. " * 200)
    ran = build(tmp_path, long).ran
    assert ran.code == 2
    assert "'1'" in ran.err
    assert "context" in ran.err


def test_a_position_of_graded_answers_without_any_is_told(tmp_path):
    ran = build(
        tmp_path,
        TEXTS.replace("-2, -1]", "exact_answer_last]").replace("contrast: label", "positions: [exact_answer_last]"),
    ).ran
    assert ran.code == 2
    assert "is a place in a graded answer" in ran.err


def test_a_token_of_an_answer_is_not_asked_for_where_none_is_graded(tmp_path):
    ran = build(
        tmp_path,
        TEXTS.replace("{kind: activation, measure: norm, contrast: label}", "{kind: logit_lens, target: gold}"),
    ).ran
    assert ran.code == 2
    assert "has no graded answers" in ran.err


def test_a_position_that_no_example_has_is_told_on_the_console(tmp_path):
    text = TEXTS.replace("-2, -1]", "{name: zebra, kind: span, regex: zebra}, -1]")
    ran = build(tmp_path, text).ran
    assert ran.code == 0
    assert "grid size: no example has zebra with a status that counts" in ran.err


def test_a_manifest_is_held_against_the_data_without_a_build(tmp_path):
    spec = tmp_path / "s.yaml"
    spec.write_text(GIVEN.format(manifest=made_elsewhere(tmp_path).name, more=""), encoding="utf-8")
    with cache(tmp_path / "cache"):
        assert run("validate", "--data", spec).code == 0
        (tmp_path / "facts.csv").write_text("id,is_true\nq0,true\nnobody,false\n", encoding="utf-8")
        ran = run("validate", "--data", spec)
    assert ran.code == 2
    assert "nobody" in ran.err
    assert ran.err.startswith(str(spec))


def test_validate_with_data_checks_the_model_without_loading_it(tmp_path):
    spec = tmp_path / "s.yaml"
    spec.write_text(SUMS + "grids: {errors: {kind: probe, layers: 9..10}}\n", encoding="utf-8")
    with cache(tmp_path / "cache"):
        assert run("validate", spec).code == 0
        ran = run("validate", "--data", spec)
    assert ran.code == 2
    assert "has no layer 9" in ran.err


def test_the_manifest_names_the_states_of_each_model_and_data_set(everything):
    manifest = json.loads((everything.report / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["build"]["activations"]) == ["tiny/sums"]


@pytest.mark.parametrize(
    "base", [kinds.Loader, kinds.Grader, kinds.PositionResolver, kinds.GridKind, kinds.ChartKind, kinds.Executor]
)
def test_the_names_of_kinds_are_known_without_importing_them(base):
    assert kinds.names(base) == tuple(sorted(kinds.known(base)))
