"""What a build would do: which stages are kept, why others are made, and what that costs."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building import MODEL_LIBRARIES, SPEC, cache, child, run, shared
from layergrid import generate, models, resources
from layergrid.console import Silent
from layergrid.kinds import AttentionNeed, Needs, Outline
from layergrid.pipeline import planning
from layergrid.pipeline import reasons as reasoning
from layergrid.pipeline.stages import attending, capturing, computing
from layergrid.pipeline.study import Study
from layergrid.spec import load_spec
from layergrid.store import Store

ROWS = "question,answer,pair\n" + "".join(f"{i} plus {i}?,{2 * i},{i}\n" for i in range(12))
TEXT = """\
layergrid: 1
title: A plan
models: {{tiny: {model}}}
datasets:
  sums:
    source: rows.csv
    group: pair
    prompt: "Question: {{{{ question }}}}\\nAnswer:"
    generate: {{max_new_tokens: 8}}
positions: [last_q, -1]
grids:
  errors: {{kind: probe, folds: 3, penalties: [0.1], baselines: [untrained]}}
  looks: {{kind: attention, from: -1, to: [last_q]}}
"""
LABELS = {
    "generate": "generate tiny on sums", "capture": "capture tiny on sums",
    "untrained": "capture untrained tiny on sums", "attention": "attention tiny on sums for looks",
    "errors": "grid errors", "looks": "grid looks", "report": "report",
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "spec.yaml").write_text(TEXT.format(model="builtin:arithmetic"))
    return tmp_path


def study(home, *overrides):
    return Study(load_spec(home / "spec.yaml", overrides), Store(), Silent())


def pretend(one, without=()):
    """Fills the store as a build of this study would, but for what the entries hold."""
    for stage in one.stages():
        if stage.stored and stage.label not in without:
            one.store.build(stage.key, lambda folder: (folder / "made").write_text("x" * 100), amount=stage.work.amount)
    one.remember()


def reasons(home, *overrides):
    """Stage by its short name -> why it is made; nothing of those that are kept."""
    found = planning.plan(study(home, *overrides))
    short = {label: name for name, label in LABELS.items()}
    return {short[one.stage.label]: list(one.reasons) for one in found.made}


# ---------------------------------------------------------------- which stages, and why


def test_where_nothing_was_built_every_stage_is_made_for_the_first_time(home):
    assert reasons(home) == {name: ["never built here"] for name in LABELS}


def test_after_a_build_nothing_is_made_and_the_command_says_so(home):
    pretend(study(home))
    assert reasons(home) == {}
    ran = run("plan", home / "spec.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert "nothing to make" in ran.out


def test_a_change_of_the_prompt_is_the_reason_of_generation_and_generation_that_of_all_that_follows(home):
    pretend(study(home))
    again = ["because generate is made again"]
    assert reasons(home, "datasets.sums.prompt='{{ question }} ='") == {
        "generate": ["the prompt changed"], "capture": again, "untrained": again, "attention": again,
        "errors": ["because capture is made again"], "looks": again,
        "report": ["because errors is made again", "because looks is made again"],
    }  # fmt: skip


def test_a_change_of_one_grids_folds_makes_that_grid_and_the_report_alone(home):
    pretend(study(home))
    made = {"errors": ["folds 3 -> 4"], "report": ["because errors is made again"]}
    assert reasons(home, "grids.errors.folds=4") == made


def test_a_change_of_the_grader_generates_nothing(home):
    pretend(study(home))
    found = reasons(home, "datasets.sums.grade={kind: exact, gold: answer}")
    assert "generate" not in found
    assert found["capture"] == found["attention"] == ["grade.kind numeric -> exact"]


@pytest.mark.parametrize("change", ["title=Other", "interpretation=Well", "length=summary", "paper=Letter"])
def test_a_change_of_words_or_looks_makes_the_report_alone(home, change):
    pretend(study(home))
    found = reasons(home, change)
    assert list(found) == ["report"]
    assert found["report"][0].startswith(change.partition("=")[0])


def test_a_change_of_the_theme_makes_the_report_alone(home):
    pretend(study(home))
    shipped = resources.file("templates/themes/paper.yaml").read_text(encoding="utf-8")
    (home / "mine.yaml").write_text(shipped.replace("#0b3c7d", "#123456"), encoding="utf-8")
    found = reasons(home, "theme=mine.yaml")
    assert found == {"report": ["theme paper -> mine.yaml"]}


def test_rows_that_changed_are_counted(home):
    pretend(study(home))
    (home / "rows.csv").write_text(ROWS.replace("2 plus 2?,4", "2 plus 2?,5").replace("3 plus 3?,6", "3 plus 3?,7"))
    found = reasons(home)
    assert found["capture"] == ["2 rows of the data changed"]  # the gold answers are not what the model reads
    assert "generate" not in found
    (home / "rows.csv").write_text(ROWS.replace("2 plus 2?", "2 and 2?"))
    assert reasons(home)["generate"] == ["1 row of the data changed"]
    header, *rows = ROWS.splitlines()
    (home / "rows.csv").write_text("\n".join([header, *reversed(rows)]))
    assert "rows of the data changed" in reasons(home)["generate"][0]  # rows without ids are known by their numbers


def test_another_sample_is_told_by_its_size(home):
    pretend(study(home))
    assert reasons(home, "datasets.sums.sample=11")["generate"] == ["sample none -> 11"]


def test_a_setting_of_generation_is_told_by_its_name(home):
    pretend(study(home))
    assert reasons(home, "datasets.sums.generate.max_new_tokens=9")["generate"] == ["max_new_tokens 8 -> 9"]


def test_a_position_more_is_told_by_its_name(home):
    pretend(study(home))
    found = reasons(home, "positions=[last_q, -1, -2]")
    assert "generate" not in found
    assert found["capture"] == ["positions + -2"]


def test_another_version_of_a_library_is_told_with_both(home, monkeypatch):
    pretend(study(home))
    from layergrid.store import keys

    installed = keys._version
    monkeypatch.setattr(keys, "_version", lambda name: "99.1" if name == "torch" else installed(name))
    assert reasons(home)["generate"] == [f"torch {installed('torch')} -> 99.1"]


def test_a_stage_that_this_release_computes_otherwise_says_so(home, monkeypatch):
    pretend(study(home))
    monkeypatch.setattr(generate, "VERSION", generate.VERSION + 1)
    assert reasons(home)["generate"] == ["this release computes it otherwise"]


def test_an_entry_that_was_removed_and_one_that_is_damaged_are_told_apart(home):
    one = study(home)
    pretend(one)
    captured = next(s for s in one.stages() if s.label == LABELS["capture"])
    errors = next(s for s in one.stages() if s.label == LABELS["errors"])
    shutil.rmtree(one.store.root / errors.key.stage / errors.key.digest)
    assert reasons(home) == {}  # the report is there: nobody asks for the grid
    assert reasons(home, "title=Other")["errors"] == ["nothing changed, but the cache does not have it"]
    (one.store.root / captured.key.stage / captured.key.digest / "made").write_text("x")
    assert reasons(home, "title=Other")["capture"] == ["damaged"]


def test_another_order_of_grids_is_another_report(home):
    pretend(study(home))
    text = (home / "spec.yaml").read_text()
    head, looks = text[: text.index("  errors")], text[text.index("  looks") :]
    (home / "spec.yaml").write_text(head + looks + text[len(head) : -len(looks)])
    assert reasons(home) == {"report": ["the order of the grids changed"]}


def test_words_of_a_spec_that_change_no_result_are_told_and_not_laid_at_the_release(home):
    pretend(study(home))
    text = (home / "spec.yaml").read_text()
    (home / "spec.yaml").write_text(text.replace("rows.csv", "./rows.csv"))
    assert reasons(home) == {"report": ["datasets.sums.source rows.csv -> ./rows.csv"]}


def test_what_nobody_reads_is_not_made_though_it_is_not_there(home):
    one = study(home)
    pretend(one, without=(LABELS["capture"], LABELS["untrained"]))
    assert reasons(home, "title=Other") == {"report": ["title A plan -> Other"]}
    doing = {s.stage.label: s.doing for s in planning.plan(study(home, "title=Other")).steps}
    assert (doing[LABELS["capture"]], doing[LABELS["generate"]]) == ("not needed", "kept")


def test_a_model_whose_files_changed_is_told_and_one_from_elsewhere_too(home):
    shutil.copytree(resources.PACKAGE / "demo" / "model", home / "model")
    pretend(study(home))
    (home / "spec.yaml").write_text(TEXT.format(model="./model"))
    assert reasons(home)["generate"] == ["address builtin:arithmetic -> ./model"]  # the same files
    pretend(study(home))
    config = home / "model" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert reasons(home)["generate"] == ["model files changed"]
    assert reasons(home, "models.tiny.dtype=bfloat16")["generate"] == [
        "model files changed",
        "dtype float32 -> bfloat16",
    ]


def test_another_commit_of_a_model_of_the_hub_is_told_by_both(home, monkeypatch):
    shape = Outline(8, heads=4, width=128, head_width=32)
    monkeypatch.setattr(models, "outline", lambda *_, **__: shape)
    monkeypatch.setattr(models, "is_here", lambda *_, **__: False)
    (home / "spec.yaml").write_text(TEXT.format(model="hf:owner/name"))
    monkeypatch.setattr(models, "fingerprint", lambda *_, **__: f"owner/name@{'a' * 40}")
    pretend(study(home))
    monkeypatch.setattr(models, "fingerprint", lambda *_, **__: f"owner/name@{'b' * 40}")
    assert reasons(home)["generate"] == ["model commit aaaaaaa -> bbbbbbb"]
    found = planning.plan(study(home))
    assert found.downloads == ("hf:owner/name",)
    assert "to download: hf:owner/name" in planning.sentence(found)


def test_a_grid_that_is_new_and_one_that_was_taken_out_are_told(home):
    pretend(study(home))
    text = TEXT.format(model="builtin:arithmetic")
    (home / "spec.yaml").write_text(text + "  size: {kind: activation}\n")
    LABELS["size"] = "grid size"
    assert reasons(home) == {"size": ["new in this spec"], "report": ["size is new"]}
    (home / "spec.yaml").write_text(text.replace("  looks: {kind: attention, from: -1, to: [last_q]}\n", ""))
    assert reasons(home) == {"report": ["looks was taken out"]}
    del LABELS["size"]


def test_stages_of_two_models_on_one_data_set_have_labels_of_their_own(home):
    text = TEXT.format(model="builtin:arithmetic, big: builtin:arithmetic")
    for grid, model in (("errors", "tiny"), ("looks", "big")):
        text = text.replace(f"  {grid}: {{", f"  {grid}: {{model: {model}, ")
    (home / "spec.yaml").write_text(text)
    labels = [stage.label for stage in study(home).stages()]
    assert len(set(labels)) == len(labels)
    assert {"generate tiny on sums", "generate big on sums", "attention big on sums for looks"} <= set(labels)


def test_grids_that_ask_for_the_same_attention_share_a_stage(home):
    text = TEXT.format(model="builtin:arithmetic")
    (home / "spec.yaml").write_text(text + "  again: {kind: attention, from: -1, to: [last_q], heads: mean}\n")
    assert sum(stage.name == "attention" for stage in study(home).stages()) == 1


def test_every_stage_comes_after_what_it_reads(home):
    seen = set()
    for stage in study(home).stages():
        assert set(stage.inputs) <= seen
        seen.add(stage.label)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_was_remembered_by_another_release_a_reason_is_found(home, data):
    stages = {one.label: one for one in _stages(home)}
    before = {}
    for label, stage in stages.items():
        whole = json.loads(json.dumps(stage.key.parts))
        part = data.draw(st.sampled_from(sorted(whole["parts"])))
        whole["parts"][part] = data.draw(JSON)
        whole[data.draw(st.sampled_from(sorted(whole)))] = (
            data.draw(JSON) if data.draw(st.booleans()) else whole["parts"]
        )
        before[label] = whole
    history = reasoning.History(stages, before, frozenset(stages))
    for stage in stages.values():
        assert all(isinstance(one, str) and one for one in history.why(stage, "absent"))


@functools.cache
def _stages(home):
    return study(home).stages()


# ---------------------------------------------------------------- what it costs


def test_a_captures_size_is_exact_and_an_attentions_that_of_its_rows():
    shape = Outline(8, heads=4, width=128, head_width=32)
    every = capturing(shape, ["residual"], ["all"], 15, 1000)
    assert every.bytes == np.empty((9, 15, 1000, 128), np.float32).nbytes
    assert capturing(shape, ["mlp_out"], ["0..3"], 2, 10).bytes == 3 * 2 * 10 * 128 * 4  # layer 0 has no mlp_out
    assert capturing(replace(shape, head_width=64), ["head_out"], ["all"], 1, 1).bytes == 8 * 4 * 64 * 4
    need = AttentionNeed(("-1",), ("a", "b"))
    assert attending(shape, need, "all", 2, 10).bytes == 8 * 4 * 10 * (2 + 3) * 4
    assert computing(shape, Needs(frozenset({"residual"}), layers="0..3"), 2, 10).amount == 4 * 2 * 10
    assert capturing(None, ["residual"], ["all"], 15, 1000).bytes is None


def test_passes_are_answers_times_their_tokens_and_sequences_of_each_capture(home):
    work = {one.stage.label: one.stage.work.passes for one in planning.plan(study(home)).made}
    assert work[LABELS["generate"]] == 12 * 8
    assert work[LABELS["capture"]] == work[LABELS["untrained"]] == work[LABELS["attention"]] == 12
    assert planning.plan(study(home)).passes == 12 * 8 + 3 * 12


def test_time_is_taken_from_earlier_runs_of_the_same_stage_and_grows_with_the_amount(home, monkeypatch):
    one = study(home)
    pretend(one)
    entries = [replace(e, seconds=6.0) for e in one.store.entries()]
    monkeypatch.setattr(Store, "entries", lambda self: iter(entries))
    steps = {s.stage.label: s for s in planning.plan(study(home, "datasets.sums.sample=6")).made}
    assert steps[LABELS["generate"]].seconds == pytest.approx(3.0)
    assert steps[LABELS["report"]].seconds == pytest.approx(6.0)
    whole = next(e.bytes for e in entries if e.stage == "generate")
    assert steps[LABELS["generate"]].bytes == pytest.approx(whole / 2, abs=1)


def test_two_amounts_tell_what_a_start_costs():
    assert planning._scaled([(100, 12.0), (200, 14.0)], 1000) == pytest.approx(30.0)
    assert planning._scaled([(100, 12.0)], 1000) == pytest.approx(120.0)
    assert planning._scaled([(100, 12.0), (200, 11.0)], 300) == pytest.approx(23.0)  # noise: in proportion
    assert planning._scaled([], 1000) is None


def test_without_an_earlier_run_no_time_is_made_up(home):
    found = planning.plan(study(home))
    assert found.seconds == 0
    assert set(found.untimed) == set(LABELS.values())
    assert "no earlier run to go by: the time of" in run("plan", home / "spec.yaml").out
    assert "about" not in planning.sentence(found)


def test_another_model_is_nothing_to_go_by(home, monkeypatch):
    one = study(home)
    pretend(one)
    entries = [replace(e, seconds=6.0) for e in one.store.entries()]
    monkeypatch.setattr(Store, "entries", lambda self: iter(entries))
    shutil.copytree(resources.PACKAGE / "demo" / "model", home / "model")
    (home / "model" / "generation_config.json").write_text("{}")
    (home / "spec.yaml").write_text(TEXT.format(model="./model"))
    untimed = planning.plan(study(home)).untimed
    assert {LABELS["generate"], LABELS["capture"]} <= set(untimed)
    assert LABELS["report"] not in untimed


def test_a_plan_that_does_not_fit_on_the_disk_says_so_and_what_to_do(home, monkeypatch):
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    found = planning.plan(study(home))
    assert not found.fits
    assert "layergrid cache gc" in planning.sentence(found).splitlines()[1]
    assert "layergrid cache gc" in run("plan", home / "spec.yaml").out


# ---------------------------------------------------------------- the command


def test_the_plan_for_machines_holds_stages_keys_reasons_and_totals(home):
    pretend(study(home))
    ran = run("plan", home / "spec.yaml", "--set", "grids.errors.folds=4", "--json")
    (found,) = json.loads(ran.out)
    assert ran.code == 0
    by_label = {one["stage"]: one for one in found["stages"]}
    assert by_label["grid errors"]["doing"] == "make"
    assert by_label["grid errors"]["reasons"] == ["folds 3 -> 4"]
    assert by_label["capture tiny on sums"]["doing"] == "kept"
    assert len(by_label["report"]["key"]) == 64
    assert set(found["total"]) == {"passes", "bytes", "bytes_unknown", "seconds", "seconds_unknown"}
    assert found["fits"] is True


def test_a_wrong_spec_is_no_plan(home):
    (home / "spec.yaml").write_text("layergrid: 1\ntitle: [")
    assert run("plan", home / "spec.yaml").code == 2


def test_a_plan_loads_no_model_library_and_makes_nothing(home):
    ran = child("plan", home / "spec.yaml")
    assert ran.code == 0
    assert not set(ran.imported) & set(MODEL_LIBRARIES)
    assert not list((home / "cache").rglob("entry.json"))


# ---------------------------------------------------------------- the same by builds


@pytest.fixture
def built(tmp_path_factory, tmp_path):
    """A copy of the shared report's spec and cache."""
    one = shared(tmp_path_factory)
    shutil.copytree(one.cache, tmp_path / "cache")
    (tmp_path / "small.yaml").write_text(SPEC)
    with cache(tmp_path / "cache"):
        Study(load_spec(tmp_path / "small.yaml"), Store(), Silent()).remember()
        yield tmp_path


def _ran(said):
    return {line.split(":")[0] for line in said.splitlines() if ": done in" in line}


def test_a_build_makes_what_its_plan_said_and_keeps_the_rest(built):
    change = ("--set", "grids.errors.folds=4")
    planned = json.loads(run("plan", built / "small.yaml", *change, "--json").out)[0]
    assert [one["stage"] for one in planned["stages"] if one["doing"] == "make"] == ["grid errors", "report"]
    ran = run("build", built / "small.yaml", *change, "--out", built / "reports")
    assert ran.code == 0
    assert _ran(ran.err) == {"errors", "write", "draw"}
    assert "to make: errors, report; about" in ran.err
    assert run("plan", built / "small.yaml", *change).out.count(" kept") == 4
    assert "folds 4 -> 3" not in run("plan", built / "small.yaml").out  # both are kept


@pytest.mark.slow
def test_a_build_with_another_grader_generates_nothing(built):
    change = ("--set", "datasets.sums.grade={kind: exact, gold: answer}")
    ran = run("build", built / "small.yaml", *change, "--out", built / "reports")
    assert "generate" not in _ran(ran.err)
    assert "capture" in _ran(ran.err)


def test_a_later_plan_goes_by_the_speed_of_the_build(built):
    ran = run("plan", built / "small.yaml", "--set", "datasets.sums.sample=120", "--json")
    (found,) = json.loads(ran.out)
    assert found["total"]["seconds_unknown"] == []
    assert found["total"]["seconds"] > 0


@pytest.mark.slow
def test_the_plan_of_the_demo_takes_less_than_a_second(tmp_path):
    import time

    spec, times = resources.folder("specs") / "arithmetic.yaml", []
    for _ in range(5):
        started = time.monotonic()
        assert child("plan", spec, LAYERGRID_CACHE=str(tmp_path)).code == 0
        times.append(time.monotonic() - started)
    assert min(times) < 1.0
