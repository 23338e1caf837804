"""Bad input, end to end: a message that says where and what to do, an exit code, and nothing half-written."""

from __future__ import annotations

import shutil

import pytest

import reciting
from building import build, cache, run, tree

SPEC = """\
models: {reciter: model}
datasets:
  facts:
    source: facts.csv
    prompt: "{{ question }}{{ cue }}"
    generate: {max_new_tokens: 8}
positions: [last_q, exact_answer_last, -1]
grids:
  errors: {kind: probe, folds: 3, penalties: [0.1], baselines: [answer_length]}
"""
NUMBER, WORD = "#", "@"  # cues: what follows holds a number, or none
ANSWERS = {NUMBER: (" It", " is", " 4", "."), WORD: (" No", " idea", " at", " all")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A report of good input; no case below changes it."""
    home = tmp_path_factory.mktemp("good")
    reciting.save(home / "model", ANSWERS)
    reciting.write_csv(home / "facts.csv", reciting.rows(36, [NUMBER], ["4", "5"]))
    study = build(home, SPEC, "facts")
    assert study.ran.code == 0, study.ran.err
    return study


@pytest.fixture
def home(finished, tmp_path):
    """A copy of all of it, to spoil."""
    for name in ("model", "reports"):
        shutil.copytree(finished.home / name, tmp_path / name)
    shutil.copy(finished.home / "facts.csv", tmp_path)
    (tmp_path / "facts.yaml").write_text(SPEC)
    with cache(finished.cache):
        yield tmp_path


def refused(home, *arguments):
    """Builds, and holds that the earlier report and everything beside it stayed as they were."""
    before = tree(home / "reports")
    ran = run("build", home / "facts.yaml", "--out", home / "reports", *arguments)
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert tree(home / "reports") == before
    assert {p.name for p in (home / "reports").iterdir()} == {"facts", "index.html"}
    return ran


def say(home, old, new):
    assert SPEC.count(old) == 1
    (home / "facts.yaml").write_text(SPEC.replace(old, new))


def facts(home, found):
    reciting.write_csv(home / "facts.csv", found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("folds: 3", "folds: many", "facts.yaml:9:32: "),
        ("kind: probe", "kind: prob", "did you mean 'probe'"),
        ("facts.csv", "facst.csv", "facst.csv: no such file. Did you mean 'facts.csv'?"),
        ("facts.csv", "facts.doc", "no loader reads the suffix of 'facts.doc'"),
        ("{{ question }}", "{{ questoin }}", "the prompt names 'questoin', which is no column of facts.csv; "
         "the columns are 'question', 'cue' and 'answer'. Did you mean 'question'?"),
        ("    prompt", "    grade: {kind: numeric, gold: gold}\n    prompt", "'gold'"),
        ("    prompt", "    group: topic\n    prompt", "there is no column 'topic', named as group"),
        ("    prompt", "    id: cue\n    prompt", "rows 1 and 2 have the same id '#' in column 'cue'; make ids unique"),
        ("    prompt", "    sample: 400\n    prompt", "sample is 400, but the set holds 36 rows"),
        ("[answer_length]", "[{size: [digits]}]", "'digits'"),
        ("reciter: model", "reciter: modle", "did you mean 'model'?"),
        ("reciter: model", "reciter: reports", "holds no config.json"),
        ("reciter: model", "reciter: builtin:arithmetics", "no model 'builtin:arithmetics' ships"),
        ("max_new_tokens: 8", "max_new_tokens: 150", "160 tokens; so do 35 other prompts of 36; shorten"),
        ("grids:", "theme: papre\ngrids:", "did you mean 'paper'?"),
        ("grids:", "theme: mine.yaml\ngrids:", "facts.yaml:8:8: no theme file 'mine.yaml'; its path starts at"),
        ("grids:", "templates: lokos\ngrids:", "facts.yaml:8:12: no folder 'lokos' of templates; its path starts at"),
        ("grids:", "theme: facts.yaml\ngrids:", "facts.yaml: unknown models, datasets, positions, theme and grids"),
        ("grids:", "figures: [{kind: heatmap, box: exact}]\ngrids:", "facts.yaml:8:32: box 'exact' matches "
         "no position of grid 'errors': last_q, exact_answer_last, -1"),
    ],
)  # fmt: skip
def test_what_a_spec_or_its_data_have_wrong_is_told_and_ends_with_2(home, old, new, said):
    say(home, old, new)
    ran = refused(home)
    assert ran.code == 2
    assert said in ran.err


def test_an_empty_set_is_told(home):
    (home / "facts.csv").write_text("question,cue,answer\n")
    ran = refused(home)
    assert ran.code == 2
    assert "data set 'facts' (facts.csv): holds no rows" in ran.err


def test_a_prompt_longer_than_the_models_context_is_named_with_its_length(home):
    found = reciting.rows(36, [NUMBER], ["4", "5"])
    found[20]["question"] = "Why? " * 40
    facts(home, found)
    ran = refused(home)
    assert ran.code == 2
    assert "example '21': its prompt has 202 tokens" in ran.err
    assert "exceeds the context of model reciter, 160 tokens; shorten the prompt or max_new_tokens" in ran.err


def test_logits_that_are_no_numbers_end_the_build_with_3(home):
    shutil.rmtree(home / "model")
    reciting.save(home / "model", ANSWERS, spoilt=NUMBER)
    ran = refused(home)
    assert ran.code == 3
    assert "the logits of model reciter are not numbers (NaN)" in ran.err
    assert "check its weights" in ran.err


def test_weights_that_are_damaged_end_the_build_with_3(home):
    weights = home / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    ran = refused(home)
    assert ran.code == 3
    assert "its weights are damaged" in ran.err


def test_a_folder_that_is_no_report_is_not_overwritten(home):
    shutil.rmtree(home / "reports" / "facts")
    (home / "reports" / "facts").mkdir()
    (home / "reports" / "facts" / "thesis.txt").write_text("mine")
    ran = refused(home)
    assert ran.code == 2
    assert "is not a report of layergrid; move it away, or build into another folder with --out" in ran.err


def test_a_file_in_place_of_the_folder_of_reports_is_told_before_any_stage_runs(home):
    (home / "file").write_text("mine")
    ran = run("build", home / "facts.yaml", "--out", home / "file")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f"{home / 'file'} is no folder; choose another one with --out\n")
    assert (home / "file").read_text() == "mine"


# ---------------------------------------------------------------- what can be reported is


def cells(home):
    import csv

    with (home / "reports" / "facts" / "grids" / "errors.csv").open() as stream:
        return {(int(row["layer"]), row["position"]): row for row in csv.DictReader(stream)}


def reported(home):
    """Builds a report, holds that it verifies, and returns its Markdown."""
    ran = run("build", home / "facts.yaml", "--out", home / "reports")
    assert ran.code == 0, ran.err
    checked = run("verify", home / "reports" / "facts")
    assert checked.code == 0, checked.err
    return (home / "reports" / "facts" / "report.md").read_text()


@pytest.mark.parametrize(("gold", "words"), [("9", "wrong"), ("4", "right")])
def test_answers_of_one_class_only_give_a_report_that_says_so(home, gold, words):
    facts(home, reciting.rows(36, [NUMBER], [gold, gold]))
    report = reported(home)
    assert {row["status"] for row in cells(home).values()} == {"one_class"}
    assert all(row["value"] == "" for row in cells(home).values())
    assert f"all 36 compared examples are {words} answers" in " ".join(row["reason"] for row in cells(home).values())
    assert "one class" in report or f"{words} answers" in report


def test_answers_that_hold_no_number_give_a_report_whose_cells_are_missing(home):
    facts(home, reciting.rows(36, [WORD], ["4", "5"]))
    report = reported(home)
    found = cells(home)
    assert {row["status"] for (_, position), row in found.items() if position == "exact_answer_last"} == {"missing"}
    assert {row["status"] for (_, position), row in found.items() if position != "exact_answer_last"} == {"one_class"}
    assert "0 / 36" in report


def test_rows_whose_answers_hold_no_number_are_left_out_and_counted_by_label(home):
    facts(home, [*reciting.rows(36, [NUMBER], ["4", "5"]), *reciting.rows(6, [WORD], ["4", "5"])])
    report = reported(home)
    assert {row["n"] for row in cells(home).values()} == {"36"}
    assert "0 / 6" in report


def test_activations_that_are_no_numbers_leave_their_cells_without_a_value_and_say_why(home):
    shutil.rmtree(home / "model")
    reciting.save(home / "model", ANSWERS, spoilt=reciting.END)
    say(home, "max_new_tokens: 8", "max_new_tokens: 8, batch: 1")  # no padding, which would be made of that token
    (home / "facts.yaml").write_text((home / "facts.yaml").read_text().replace("[last_q, exact_answer_last,", "[-2,"))
    reported(home)
    found = cells(home)
    assert {found[layer, "-1"]["status"] for layer in range(3)} == {"not_finite"}
    assert all(found[layer, "-1"]["value"] == "" and found[layer, "-1"]["reason"] for layer in range(3))


def test_too_few_rows_for_the_folds_give_a_report_without_values(home):
    facts(home, reciting.rows(9, [NUMBER], ["4", "5"]))
    report = reported(home)
    assert {row["status"] for row in cells(home).values()} == {"too_few"}
    assert "too few" in report


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: facts.csv", "source: fact.csv", "Did you mean 'facts.csv'"),
        ("source: facts.csv", "source: facts.csv\n    grade: {kind: numeric, gold: anser}", "no column 'anser'"),
        ("source: facts.csv", "source: facts.csv\n    sample: 5000", "holds 36 rows"),
        ("models: {reciter: model}", "models: {reciter: modle}", "modle"),
        ("-1]", "-1, {name: mine, kind: span, column: cu}]", "has no column 'cu'"),
        ("[answer_length]", "[{sizes: [cu]}]", "'cu'"),
    ],
)
def test_validate_finds_in_the_data_what_a_build_would_find_before_its_model_runs(home, old, new, said):
    say(home, old, new)
    assert run("validate", home / "facts.yaml").code == 0
    checked = run("validate", "--data", home / "facts.yaml")
    assert checked.code == 2
    assert said in checked.err
    built = refused(home)
    assert built.code == 2
    assert said in built.err
    assert "generate" not in built.err


def test_validate_with_data_finds_nothing_wrong_with_good_input(home):
    assert run("validate", "--data", home / "facts.yaml").code == 0


def test_an_expectation_beyond_the_models_layers_is_told_before_anything_is_generated(home):
    say(home, "folds: 3", "folds: 4")
    (home / "facts.yaml").write_text(
        (home / "facts.yaml").read_text().replace("max_new_tokens: 8", "max_new_tokens: 9")
        + "expect: [{cell: {layer: 22, position: last_q, at_least: 0.5}}]\n"
    )
    ran = refused(home)
    assert ran.code == 2
    assert "no layer 22" in ran.err
    assert "generate:" not in ran.err


def test_a_build_without_any_value_says_so_on_the_console_each_time(home):
    reciting.write_csv(home / "facts.csv", reciting.rows(36, [NUMBER], ["5", "5"]))
    for _ in range(2):
        ran = run("build", home / "facts.yaml", "--out", home / "other")
        assert ran.code == 0
        assert "grid errors: no cell has a value" in ran.err
