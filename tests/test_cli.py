"""The command line: what each command prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file

import tiny_models
from building import HEAVY, SPEC, cache, child, run, shared, tree
from layergrid import __version__, kinds, pipeline, resources
from layergrid.errors import BadInput, BuildError

COMMANDS = ("build", "validate", "positions", "render", "verify", "new", "schema", "list", "doctor")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return shared(tmp_path_factory)


@pytest.fixture
def written(study, tmp_path):
    """Writes a spec beside the shared cache; returns its path."""

    def write(text, name="small.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    with cache(study.cache):
        yield write


def command(*arguments, **options):
    """The command in a process of its own, bytes in and out."""
    return subprocess.run([sys.executable, "-m", "layergrid.cli", *map(str, arguments)], capture_output=True, **options)


# ---------------------------------------------------------------- the whole


@pytest.mark.parametrize("arguments", [["--help"], ["validate", resources.file("specs/arithmetic.yaml")], ["schema"]])
def test_help_validate_and_schema_load_nothing_heavy(arguments):
    ran = child(*arguments)
    assert (ran.code, ran.imported) == (0, ())
    assert not set(HEAVY) & set(ran.imported)


def test_help_and_the_bare_command_name_every_command():
    for arguments in ([], ["--help"]):
        ran = run(*arguments)
        assert (ran.code, ran.err) == (0, "")
        assert set(COMMANDS) <= set(re.findall(r"^  (\w+)", ran.out, re.M))


def test_the_list_of_commands_cuts_no_sentence():
    for arguments in (["--help"], ["cache", "--help"]):
        assert "..." not in run(*arguments).out.partition("Commands:")[2]
    assert "every error comes with its line and column" in " ".join(run("--help").out.split())


def test_the_version_is_printed_alone():
    assert run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["biuld"], "No such command 'biuld'. Did you mean 'build'?"),
        (["build"], "Missing argument 'SPEC...'"),
        (["build", "x.yaml", "--ouT", "y"], "No such option: --ouT"),
        (["positions", "x.yaml", "-n", "-1"], "Invalid value for '--examples'"),
        (["positions", "x.yaml", "-n", "many"], "Invalid value for '--examples'"),
    ],
)
def test_a_wrong_command_is_told_in_a_line_and_ends_with_2(arguments, said):
    ran = run(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "--help" in ran.err
    assert "Traceback" not in ran.err


def test_an_error_that_nobody_foresaw_ends_with_3_and_shows_its_traceback_only_for_debugging(written, monkeypatch):
    def broken(*_):
        raise RuntimeError("something \x1b[31mred")

    monkeypatch.setattr(pipeline, "build", broken)
    spec = written(SPEC)
    ran = run("build", spec)
    assert ran.code == 3
    assert ran.err == "failed: RuntimeError: something \\x1b[31mred\n  run again with --debug for the traceback\n"
    shown = run("build", spec, "--debug")
    assert shown.code == 3
    assert "Traceback" in shown.err


def test_debugging_shows_the_traceback_of_bad_input_too_and_ends_as_without():
    ran = run("validate", "nowhere.yaml", "--debug")
    assert ran.code == 2
    assert ran.err.startswith("Traceback")
    assert "nowhere.yaml: there is no such file" in ran.err.splitlines()[-1]


def test_a_reader_who_goes_away_early_gets_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "layergrid.cli", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as told:
        told.stdout.read(10)
        told.stdout.close()
        assert told.stderr.read() == b""
    assert told.returncode == 0


def test_a_terminal_that_is_not_unicode_gets_escapes(written):
    ended = command("positions", written(SPEC), "-n", "1", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert ended.returncode == 0, ended.stderr
    assert b"\\u2423" in ended.stdout  # the open box that stands for a blank


# ---------------------------------------------------------------- build


def test_a_build_that_misses_an_expectation_ends_with_1_and_its_report_says_so(written):
    spec = written(SPEC + "expect:\n  - nested_best: {at_least: 0.999}\n  - nested_best: {at_least: 0.001, by: high}\n")
    out = spec.parent / "reports"
    ran = run("build", spec, "--out", out)
    assert ran.code == 1
    unmet = [line for line in ran.err.splitlines() if "not met" in line]
    assert len(unmet) == 1
    assert unmet[0].startswith("small: expectation not met: errors: nested best at least 0.999; observed: 0.")
    assert str(out / "small" / "report.html") in ran.out
    report = (out / "small" / "report.md").read_text()
    assert re.search(r"nested best at least 0\.999.*not met", report)
    assert re.search(r"upper bound at least 0\.001.*\| ● met", report)
    again = run("build", spec, "--out", out, "--quiet")
    assert (again.code, again.out) == (1, "")
    assert again.err == f"{unmet[0]}\n"
    assert run("verify", out / "small").code == 0


def test_errors_of_all_specs_are_told_before_any_is_built(written, study):
    fine, wrong = written(SPEC), written("title: x\nmodls: {}\n", "wrong.yaml")
    for name in ("build", "validate"):
        ran = run(name, fine, wrong, fine.parent / "none.yaml")
        assert ran.code == 2
        assert re.search(r"wrong\.yaml:2:1: unknown key 'modls'.*did you mean 'models'", ran.err)
        assert re.search(r"none\.yaml: there is no such file; did you mean .*\.yaml\?", ran.err)
        assert not (fine.parent / "reports").exists()


def test_a_spec_that_fails_does_not_stop_the_others_and_the_worst_code_is_the_end(written, study, monkeypatch):
    build = pipeline.build

    def some_fail(spec, out, reporter, trust):
        errors = {"burnt": BuildError("the model\nburnt"), "crashed": RuntimeError("oh"), "wrong": BadInput("no rows")}
        if spec.name in errors:
            raise errors[spec.name]
        return build(spec, out, reporter, trust)

    monkeypatch.setattr(pipeline, "build", some_fail)
    unmet = SPEC + "expect: [{nested_best: {at_least: 0.999}}]\n"
    wrong, burnt, crashed = (written(SPEC, f"{name}.yaml") for name in ("wrong", "burnt", "crashed"))
    fine, missed = written(SPEC), written(unmet, "missed.yaml")
    out = fine.parent / "reports"
    ran = run("build", wrong, fine, missed, "--set", "outputs=[md]", "--out", out)
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == "wrong: no rows"
    assert ran.out.splitlines() == [str(out / "small" / "report.md"), str(out / "missed" / "report.md")]
    assert run("build", fine, missed, "--set", "outputs=[md]", "--out", out, "-q").code == 1
    ran = run("build", burnt, wrong, fine, crashed, "--set", "outputs=[md]", "--out", out, "-q")
    assert ran.code == 3
    again = "  run again with --debug for the traceback"
    told = ["burnt: the model", "burnt", "wrong: no rows", "crashed: failed: RuntimeError: oh", again]
    assert ran.err.splitlines() == told


def test_errors_are_told_also_where_a_later_spec_is_interrupted(written, monkeypatch):
    def stopped(spec, *_):
        raise BuildError("the model burnt") if spec.name == "first" else KeyboardInterrupt

    monkeypatch.setattr(pipeline, "build", stopped)
    ran = run("build", written(SPEC, "first.yaml"), written(SPEC, "second.yaml"))
    assert ran.code == 130
    assert ran.err.startswith("first: the model burnt\ninterrupted")


def test_two_specs_that_would_take_the_same_place_are_refused(written, tmp_path):
    (tmp_path / "more").mkdir()
    ran = run("build", written(SPEC), written(SPEC, "more/small.yaml"), "--out", tmp_path / "reports")
    assert ran.code == 2
    assert "both would be built as" in ran.err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "--set seed: "),
        ("seeed=1", "unknown key 'seeed'"),
        ("datasets.sums.sample=many", "--set datasets.sums.sample: "),
        ("grids.errors.folds=1", "--set grids.errors.folds: "),
    ],
)
def test_an_override_that_is_wrong_is_named_with_its_place(written, override, said):
    ran = run("build", written(SPEC), "--set", override)
    assert ran.code == 2
    assert said in ran.err
    assert "did you mean 'seed'" in ran.err or override != "seeed=1"


def test_an_override_takes_the_place_of_a_value(written, tmp_path):
    ran = run("build", written(SPEC), "--out", tmp_path, "--set", "title=Another title", "--set", "outputs=[md]", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert (tmp_path / "small" / "report.md").read_text().startswith("# Another title")
    assert not (tmp_path / "small" / "report.html").exists()


# ---------------------------------------------------------------- what a model's own files may do

NONE = {"remote_code": False, "pickle": False, "offline": False, "locked": False}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), NONE),
        (("--trust-remote-code",), {**NONE, "remote_code": True}),
        (("--allow-pickle",), {**NONE, "pickle": True}),
        (("--allow-pickle", "--trust-remote-code"), {**NONE, "remote_code": True, "pickle": True}),
        (("--offline",), {**NONE, "offline": True}),
    ],
)
@pytest.mark.parametrize("name", ["build", "positions", "validate"])
def test_flags_alone_say_what_a_models_own_files_may_do(name, flags, expected, written, monkeypatch, tmp_path):
    given = []

    def build(spec, out, reporter, trust):
        given.append(trust)
        return pipeline.Built(tmp_path, (), (), ())

    def positions(spec, count, reporter, trust):
        given.append(trust)
        return iter(())

    monkeypatch.setattr(pipeline, "build", build)
    monkeypatch.setattr(pipeline, "positions", positions)
    monkeypatch.setattr(pipeline, "check_data", lambda spec, trust: given.append(trust))
    ran = run(name, written(SPEC), *flags, *(["--data"] if name == "validate" else []))
    assert ran.code == 0, ran.err
    assert [asdict(trust) for trust in given] == [expected]


def test_a_model_with_pickled_weights_is_refused_before_it_runs_and_read_with_the_flag(written, tmp_path):
    folder = tiny_models.save(tmp_path / "tiny")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    spec = written(SPEC.replace("builtin:arithmetic", "tiny", 1))
    assert "source: builtin:arithmetic" in spec.read_text()
    for command in ("validate", "build"):
        ran = run(command, spec, *(["--data"] if command == "validate" else ["--out", tmp_path / "reports"]))
        assert ran.code == 2
        assert "--allow-pickle" in ran.err
    ran = run("validate", spec, "--data", "--allow-pickle")
    assert ran.code == 0, ran.err


# ---------------------------------------------------------------- other commands


def test_validate_says_of_each_spec_that_it_is_fine(written):
    paths = [written(SPEC), written(SPEC, "second.yaml")]
    ran = run("validate", *paths)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split(": fine")[0] for line in ran.out.splitlines()] == [str(p) for p in paths]


def test_a_new_spec_validates_builds_and_is_never_overwritten(written, tmp_path):
    path = tmp_path / "specs" / "mine.yaml"
    ran = run("new", path)
    assert (ran.code, ran.out) == (0, f"{path}: written; next: layergrid validate {path}\n")
    assert run("validate", path).code == 0
    few = [
        "datasets.questions.sample=60",
        "datasets.questions.generate.batch=30",
        "grids.errors.folds=3",
        "positions=[-1]",
    ]
    ran = run("build", path, "--out", tmp_path, *[f"--set={one}" for one in few], "--set=outputs=[md]")
    assert ran.code == 0, ran.err
    path.write_text("mine")
    ran = run("new", path)
    assert (ran.code, ran.err) == (2, f"{path}: exists already; choose another name, or remove it first\n")
    assert path.read_text() == "mine"


def test_a_new_spec_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    ran = run("new", tmp_path / "file" / "mine.yaml")
    assert ran.code == 2
    assert "cannot be written" in ran.err


def test_the_schema_is_a_json_schema_that_accepts_the_shipped_specs():
    from jsonschema import Draft202012Validator

    from layergrid.yamlsource import load, read

    schema = json.loads(run("schema").out)
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    for path in resources.folder("specs").glob("*.yaml"):
        judge.validate(load(read(path))[0].plain())
    assert not judge.is_valid({"models": {}, "datasets": {}, "grids": {}})


def test_list_names_every_kind_and_every_shipped_spec():
    ran = run("list")
    assert ran.code == 0
    for base in (kinds.Loader, kinds.Grader, kinds.PositionResolver, kinds.GridKind, kinds.ChartKind):
        for name in kinds.known(base):
            assert re.search(rf"^{re.escape(name)}  ", ran.out, re.M), name
    for path in resources.folder("specs").glob("*.yaml"):
        assert f"{path.stem}  {path}" in ran.out


def test_positions_shows_tokens_marks_the_exact_answer_and_counts_statuses(written, study):
    ran = run("positions", written(SPEC), "-n", "2")
    assert (ran.code, ran.err) == (0, "generate: kept from an earlier build\n")
    shown, counts = ran.out.split("60 examples; in brackets those with a wrong answer")
    assert shown.count("prompt  <s>|") == 2
    assert re.search(r"\[␣?\d\]", shown), "the exact answer stands in brackets"
    assert re.search(r"^exact_answer_last +\d +\d+ +ok", shown, re.M)
    assert sum(int(n) for n in re.findall(r"(\d+) \(", counts.split("last_q")[1].splitlines()[0])) == 60


def test_positions_writes_colours_only_where_they_are_wanted(written, monkeypatch):
    spec = written(SPEC)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b" not in run("positions", spec, "-n", "1", "-q").out
    coloured = command("positions", spec, "-n1", env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"})
    assert b"\x1b[1;30;46m" in coloured.stdout  # the exact answer
    bare = command("positions", spec, "-n1", env={**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"})
    assert b"46m" not in bare.stdout
    assert b"]|" in bare.stdout


def test_verify_tells_what_differs_and_ends_with_1(study, tmp_path):
    shutil.copytree(study.report, tmp_path / "small")
    page = tmp_path / "small" / "report.md"
    page.write_text(page.read_text().replace("60 rows", "61 rows").replace("# A small", "# A tall"))
    ran = run("verify", tmp_path / "small")
    assert ran.code == 1
    assert "report.md" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("name", ["render", "verify"])
def test_a_folder_that_is_no_report_is_told_and_left_alone(name, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    ran = run(name, tmp_path)
    assert ran.code == {"render": 2, "verify": 1}[name]
    assert "results.json" in ran.err
    assert tree(tmp_path) == {"notes.txt": b"mine"}
