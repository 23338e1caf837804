"""From a spec to a report folder: what is left, what is kept, what is made again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

import reciting
from building import MODEL_LIBRARIES, SPEC, build, cache, child, run, shared, tree
from layergrid import archive, models, pipeline, resources

OUTPUTS = {
    "report.html", "report.pdf", "report.md", "facts.json", "manifest.json", "grids/errors.parquet",
    "grids/errors.csv", "results/results.json", "results/presentation.json", "results/errors.held_out.parquet",
    "results/errors.cells.parquet", "results/errors.maxima.parquet",
}  # fmt: skip
RECITING = """\
models: {{first: model, second: model}}
datasets:
  facts: {{source: facts.csv, prompt: "{{{{ question }}}}{{{{ cue }}}}", generate: {{max_new_tokens: 8}}}}
positions: [last_q, -1]
grids:
  one: {{kind: probe, model: first, folds: 3, penalties: [0.1], baselines: []}}
  same: {{kind: probe, model: first, folds: 3, penalties: [0.1], baselines: [], predict: correct, positions: [last_q]}}
  other: {{kind: probe, model: second, folds: 3, penalties: [1.0], baselines: []}}
{more}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return shared(tmp_path_factory)


@pytest.fixture
def copied(study, tmp_path):
    """The report and its spec elsewhere, with the shared cache."""
    shutil.copytree(study.report, tmp_path / "reports" / "small")
    shutil.copy(study.spec, tmp_path)
    with cache(study.cache):
        yield tmp_path


@pytest.fixture(scope="module")
def three_grids(tmp_path_factory):
    home = tmp_path_factory.mktemp("three")
    reciting.save(home / "model", {"#": (" It", " is", " 4", ".")})
    reciting.write_csv(home / "facts.csv", reciting.rows(36, ["#"], ["4", "5"]))
    return build(home, RECITING.format(more=""), "three")


def test_a_build_leaves_documents_grids_results_facts_and_a_manifest(study):
    assert set(tree(study.report)) == OUTPUTS
    assert study.report.joinpath("report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_build_prints_where_its_documents_lie_and_tells_its_stages_apart_from_them(study):
    assert study.ran.out.split() == [str(study.report / f"report.{suffix}") for suffix in ("html", "pdf", "md")]
    lines, table = study.ran.err.split("stage ", 1)
    said = [line.split(":")[0] for line in lines.splitlines()]
    stages = ["load model", "generate", "capture", "errors", "write", "draw"]
    assert list(dict.fromkeys(said)) == ["to make", *stages]
    assert [name for name in (*stages, "all") if re.search(rf"^{name} ", table, re.M)] == [*stages, "all"]


def test_the_manifest_tells_what_identifies_a_build_apart_from_what_describes_the_run(study):
    manifest = json.loads((study.report / "manifest.json").read_text())
    assert set(manifest) == {"format", "build", "run"}
    assert set(manifest["build"]["outputs"]) == OUTPUTS - {"manifest.json"}
    assert set(manifest["run"]) == {"platform", "system", "python", "threads", "lock", "seconds"}
    assert str(study.home) not in json.dumps(manifest)


def test_a_report_names_no_folder_of_the_machine_that_built_it(study):
    for name, data in tree(study.report).items():
        assert str(study.home).encode() not in data, name


def test_a_report_shows_eight_examples_four_of_each_label_that_the_page_and_the_results_hold(study):
    shown = archive.read(study.report).examples
    assert [one.correct for one in shown] == [False] * 4 + [True] * 4
    assert len({one.example_id for one in shown}) == 8
    assert all((one.model, one.dataset) == ("tiny", "sums") and one.pieces and one.why for one in shown)
    page = study.report.joinpath("report.html").read_text()
    assert page.count('<article class="example">') == 8


def test_a_built_report_verifies(study):
    ran = run("verify", study.report)
    assert (ran.code, ran.err) == (0, "")
    assert "all agree" in ran.out


def test_a_second_build_loads_no_model_library_runs_no_stage_and_touches_no_file(copied):
    before = tree(copied / "reports" / "small")
    written = {p: p.stat().st_mtime_ns for p in (copied / "reports" / "small").rglob("*")}
    ran = child("build", copied / "small.yaml", "--out", copied / "reports")
    assert ran.code == 0
    assert not set(ran.imported) & set(MODEL_LIBRARIES)
    assert re.fullmatch(r"report: kept from an earlier build\neverything was kept; .*\n", ran.err)
    assert tree(copied / "reports" / "small") == before
    assert {p: p.stat().st_mtime_ns for p in (copied / "reports" / "small").rglob("*")} == written


def test_a_report_that_was_removed_comes_back_from_the_store_byte_for_byte(copied, study):
    shutil.rmtree(copied / "reports")
    assert run("build", copied / "small.yaml", "--out", copied / "reports").code == 0
    assert tree(copied / "reports" / "small") == tree(study.report)


def test_a_theme_file_stands_beside_the_spec_and_its_report_needs_it_no_more(copied, monkeypatch):
    shipped = resources.file("templates/themes/paper.yaml").read_text(encoding="utf-8")
    (copied / "looks").mkdir()
    look = copied / "looks" / "mine.yaml"
    look.write_text(shipped.replace("#0b3c7d", "#123456"), encoding="utf-8")
    spec = copied / "small.yaml"
    spec.write_text(SPEC + "theme: looks/mine.yaml\noutputs: [html]\n", encoding="utf-8")
    (copied / "elsewhere").mkdir()
    monkeypatch.chdir(copied / "elsewhere")  # the path starts at the spec's folder, wherever the command runs
    assert run("validate", spec).code == 0
    assert run("build", spec, "--out", copied / "reports").code == 0
    report = copied / "reports" / "small"
    before = tree(report)
    assert b"#123456" in before["report.html"]
    look.write_text(shipped.replace("#0b3c7d", "#654321"), encoding="utf-8")
    assert run("build", spec, "--out", copied / "reports").code == 0
    assert b"#654321" in (report / "report.html").read_bytes()  # a change of the theme is a change of the report
    shutil.rmtree(look.parent)
    moved = copied / "elsewhere" / "moved"
    report.rename(moved)
    before = tree(moved)
    assert run("verify", moved).code == 0
    assert run("render", moved).code == 0
    assert tree(moved) == before


def test_a_file_of_a_report_that_was_changed_is_put_right_by_the_next_build(copied, study):
    (copied / "reports" / "small" / "report.md").write_text("nothing")
    assert run("build", copied / "small.yaml", "--out", copied / "reports").code == 0
    assert tree(copied / "reports" / "small") == tree(study.report)


def test_a_file_that_somebody_put_beside_a_report_stays_there(copied):
    report = copied / "reports" / "small"
    (report / "notes").mkdir()
    (report / "notes" / "mine.txt").write_text("mine")
    (report / "report.md").write_text("nothing")
    run("build", copied / "small.yaml", "--out", copied / "reports")
    assert (report / "notes" / "mine.txt").read_text() == "mine"
    assert run("verify", report).code == 0


def test_a_build_in_a_fresh_cache_gives_the_same_bytes_but_for_the_run(study, tmp_path):
    again = build(tmp_path, SPEC)
    assert again.ran.code == 0
    one, other = tree(study.report), tree(again.report)
    run_apart = [json.loads(found.pop("manifest.json")) for found in (one, other)]
    assert {name for name in one if one[name] != other.get(name)} == set()
    assert run_apart[0]["build"] == run_apart[1]["build"]


def test_a_change_of_templates_draws_the_documents_again_and_loads_no_model(copied, monkeypatch):
    for name in ("templates", "specs"):
        shutil.copytree(resources.folder(name), copied / "checkout" / name)
    template = copied / "checkout" / "templates" / "report.md.j2"
    template.write_text(template.read_text() + "\nA line of another template.\n")
    monkeypatch.setattr(resources, "CHECKOUT", copied / "checkout")
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model is loaded"))
    ran = run("build", copied / "small.yaml", "--out", copied / "reports")
    assert ran.code == 0, ran.err
    assert "errors: kept from an earlier build" in ran.err
    assert "A line of another template." in (copied / "reports" / "small" / "report.md").read_text()


def test_render_gives_the_same_documents_without_the_cache_for_a_report_that_was_moved(copied, tmp_path):
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    (copied / "reports" / "small").rename(moved)
    before = tree(moved)
    for name in ("report.html", "report.pdf", "report.md", "facts.json"):
        (moved / name).unlink()
    ran = child("render", moved, LAYERGRID_CACHE=str(tmp_path / "no cache"))
    assert ran.code == 0, ran.err
    assert not ran.imported
    assert tree(moved) == before


def test_all_grids_of_one_models_answers_share_their_forward_passes(three_grids):
    assert three_grids.ran.code == 0, three_grids.ran.err
    said = three_grids.ran.err.splitlines()
    assert [sum(line.startswith(stage) for line in said) for stage in ("generate: 36", "capture: residual")] == [2, 2]


def test_two_models_on_one_data_set_give_a_report_that_verifies(three_grids):
    assert run("verify", three_grids.report).code == 0
    assert {p.stem for p in (three_grids.report / "grids").glob("*.csv")} == {"one", "same", "other"}


def test_another_penalty_fits_one_grid_again_and_asks_no_model(three_grids, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model is loaded"))
    before = three_grids.spec.read_text()
    again = build(three_grids.home, before.replace("[1.0]", "[2.0]"), "three")
    three_grids.spec.write_text(before)
    assert again.ran.code == 0, again.ran.err
    assert "one: kept from an earlier build" in again.ran.err
    assert "other: probe grid" in again.ran.err


@pytest.mark.parametrize("pattern", ["exact_answer_*", "-[1-3]", "last_q"])
def test_a_grid_takes_the_positions_that_its_patterns_name(pattern):
    import numpy as np

    from layergrid.artifacts import Positions

    names = ("last_q", "exact_answer_first", "exact_answer_last", "-3", "-1")
    index = np.arange(10).reshape(2, 5)
    chosen = pipeline.chosen_positions(Positions(names, index, index + 1, np.full((2, 5), "ok")), (pattern,))
    wanted = {"exact_answer_*": [1, 2], "-[1-3]": [3, 4], "last_q": [0]}[pattern]
    assert chosen.names == tuple(names[i] for i in wanted)
    assert (chosen.start == index[:, wanted]).all()


def test_an_interrupted_build_says_so_keeps_finished_stages_and_leaves_no_report(tmp_path):
    (tmp_path / "small.yaml").write_text(SPEC)
    environment = {**os.environ, "LAYERGRID_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "layergrid.cli", "build", "small.yaml"]
    # Tests that run in the background of a shell would hand down that interrupts are ignored.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, **heard
    ) as building:
        said = []
        for line in building.stderr:
            said.append(line)
            if line.startswith("capture:"):
                building.send_signal(signal.SIGINT)
                break
        said += building.stderr
    assert building.returncode == 130
    assert said[-1] == "interrupted; finished stages are kept, and the next build goes on from them\n"
    assert "Traceback" not in "".join(said)
    assert not (tmp_path / "reports").exists()
    left = [one.name.split("-")[0] for one in (tmp_path / "cache").rglob("unfinished/*")]
    assert left in ([], ["capture"])  # to go on from
    with cache(tmp_path / "cache"):
        assert run("positions", tmp_path / "small.yaml", "-n", "0").err == "generate: kept from an earlier build\n"


def test_a_build_may_compare_with_the_same_model_before_any_training(tmp_path):
    text = SPEC.replace("baselines: [answer_length", "layers: [0, 8]\n    baselines: [untrained, answer_length")
    study = build(tmp_path, text)
    assert study.ran.code == 0, study.ran.err
    found = json.loads((study.report / "results" / "results.json").read_text())["grids"][0]["baselines"]
    untrained = next(one for one in found if one["name"] == "untrained")
    assert untrained["estimate"]["n"] == found[1]["estimate"]["n"]
    assert run("verify", study.report).code == 0
