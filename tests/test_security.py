"""A stranger's spec, model and report: nothing runs, asks the network, grows without end or gets out."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from building import SPEC, run, shared, tree
from layergrid import models, resources
from layergrid.errors import BadInput
from layergrid.project import Project
from model_folders import Spec, config_of, load
from test_security_paths import home, outside, refused, spec

__all__ = ["home", "outside"]  # fixtures

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return shared(tmp_path_factory)


@pytest.fixture
def report(study, tmp_path):
    """A copy of a finished report, which somebody may have changed."""
    return Path(shutil.copytree(study.report, tmp_path / "reports" / "small"))


def sources():
    for path in sorted(resources.PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- no code


def test_no_code_is_made_of_texts_and_no_pickle_is_read():
    found = []
    for path, tree_ in sources():
        for node in ast.walk(tree_):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            where = f"{path.relative_to(resources.PACKAGE)}:{node.lineno}: {name}"
            if name in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "joblib.load",
                        "pickle.load", "shelve.open", "yaml.unsafe_load", "yaml.full_load"):  # fmt: skip
                found.append(where)
            if name in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
                found.append(where)
            if name == "yaml.load" and "SafeLoader" not in given.get("Loader", ""):
                found.append(where)
            if name == "pickle.loads" and path.name != "processes.py":  # between processes of one build
                found.append(where)
            if given.get("shell") == "True":
                found.append(where)
    assert not found, found


def test_a_tag_that_would_make_a_python_object_is_refused(home, tmp_path):
    made = tmp_path / "made"
    said = refused(
        spec(home, text=f"layergrid: 1\ntitle: !!python/object/apply:os.system ['touch {made}']\n"), data=False
    )
    assert "tag" in said
    theme = home / "mine.yaml"
    theme.write_text(f"name: !!python/object/apply:os.system ['touch {made}']\n")
    assert "not a YAML file" in refused(spec(home, more="theme: ../mine.yaml"), data=False)
    assert not made.exists()


def test_a_kind_is_a_name_from_the_registry_and_never_an_import_path(home):
    text = "layergrid: 1\ngrids:\n  a: {kind: 'os.system', source: x.csv}\n"
    assert "os.system" in refused(spec(home, text=text), data=False)


@pytest.mark.parametrize("sort", ["npz", "npy", "pt", "pkl", "joblib", "bin"])
def test_a_pickle_in_the_place_of_data_is_refused_and_not_run(sort, home, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    (home / "given").mkdir()
    file = home / "given" / f"a.{sort}"
    with file.open("wb") as stream:
        if sort == "npz":
            np.savez(stream, residual=np.array([Evil()], dtype=object))
        else:
            np.save(stream, np.array([Evil()], dtype=object), allow_pickle=True)
    manifest = (
        "activations: 1\nmodel: {layers: 1, width: 2}\npositions: [last_q]\n"
        f"examples: ['1', '2', '3', '4', '5', '6', '7', '8']\nsites: {{residual: {{file: a.{sort}}}}}\n"
    )
    (home / "given" / "manifest.yaml").write_text(manifest)
    text = spec(home, model="activations:../given/manifest.yaml").read_text()
    said = refused(spec(home, text=text.replace('    prompt: "Question: {{ question }}"\n', "")))
    assert "expected" in said
    assert not (tmp_path / "made").exists()


# ---------------------------------------------------------------- models


@pytest.fixture
def model(home):
    return tiny_models.save(home / "model")


@pytest.mark.parametrize(
    ("file", "change", "why"),
    [
        ("adapter_config.json", {"base_model_name_or_path": "owner/name"}, "is an adapter"),
        ("config.json", {"attn_implementation": "owner/kernel"}, "names code on the hub"),
        ("config.json", {"_attn_implementation": {"text": "owner/kernel:Name"}}, "names code on the hub"),
        ("config.json", {"text_config": {"experts_implementation": "o/k"}}, "names code on the hub"),
        ("config.json", {"transformers_weights": "../../elsewhere/w.safetensors"}, "outside of the model's folder"),
        (
            "model.safetensors.index.json",
            {"weight_map": {"a": "../../elsewhere/w.safetensors"}},
            "outside of the model",
        ),
        ("model.safetensors.index.json", {"weight_map": {"a": "/etc/passwd"}}, "outside of the model's folder"),
    ],
)
def test_a_models_files_that_ask_for_more_than_to_be_read_are_refused(file, change, why, home, model):
    path = model / file
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **change}))
    assert why in refused(spec(home, model="../model"))


def test_files_of_a_model_that_are_too_large_or_too_deep_are_refused_before_they_are_read(home, model, monkeypatch):
    (model / "config.json").write_text('{"a": ' + "[" * 200_000 + "]" * 200_000 + "}")
    assert "nested too deeply" in refused(spec(home, model="../model"))
    with (model / "tokenizer.json").open("wb") as stream:
        stream.truncate(2**38)
    assert "expected at most" in refused(spec(home, model="../model"))


def test_a_tokenizer_that_names_files_elsewhere_reads_its_own(model, tmp_path):
    before = load(model).tokenizer.get_vocab()
    (tmp_path / "secret.json").write_text(json.dumps({"s3cr3t": 0}))
    path = model / "tokenizer_config.json"
    named = {f"{one}_file": str(tmp_path / "secret.json") for one in ("tokenizer", "vocab", "merges", "spm")}
    path.write_text(json.dumps({**json.loads(path.read_text()), **named}))
    assert load(model).tokenizer.get_vocab() == before


@pytest.mark.parametrize(
    "template",
    ["{{ messages.__class__.__mro__ }}", "{{ cycler.__init__.__globals__.os.system('touch made') }}",
     "{{ (messages|attr('__class__')).x }}", "{% include '/etc/passwd' %}"],
)  # fmt: skip
def test_a_chat_template_of_a_model_reaches_nothing_outside_of_its_messages(template, model, tmp_path, monkeypatch):
    from types import SimpleNamespace

    from layergrid.prompts import chat

    monkeypatch.chdir(tmp_path)
    (model / "chat_template.jinja").write_text(template + "{{ messages[0]['content'] }}")
    with pytest.raises(BadInput, match="chat template"):
        chat.dialogues(load(model).tokenizer, ["a"], ["Q"], SimpleNamespace(system="", variables={}))
    assert not (tmp_path / "made").exists()


def test_names_of_hub_models_are_owner_and_name(home):
    for written in ("hf:../../etc", "hf:a/b/c", "hf:http://x.test/a", "hf:a/..", "hf:", "HF:a/b"):
        refused(spec(home, model=f"'{written}'"), data=False)
    with pytest.raises(BadInput):
        models.fingerprint(Spec("hf:../x"), Project.of(Path()), offline=True)


# ---------------------------------------------------------------- the network

NO_NETWORK = """
import socket, sys
asked = []
def refuse(*given, **more):
    asked.append(given[1:2])
    raise OSError("no network")
real = socket.socket.connect
socket.socket.connect = lambda self, to: real(self, to) if self.family == socket.AF_UNIX else refuse(self, to)
socket.getaddrinfo = refuse
from layergrid import cli
try:
    cli.main()
except SystemExit as ended:
    code = ended.code
print(asked)
sys.exit(code)
"""


def networked(*arguments):
    """A command in a process whose sockets lead nowhere and are counted; the hub's client is not told to be offline."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    ran = subprocess.run([sys.executable, "-c", NO_NETWORK, *map(str, arguments)], capture_output=True, text=True,
                         env=environment, check=False)  # fmt: skip
    return ran, ast.literal_eval(ran.stdout.splitlines()[-1])


def test_a_model_in_a_folder_asks_nothing_of_the_network(home, model):
    config_of(model, _name_or_path="owner/name", base_model_name_or_path="owner/base")
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name_or_path": "owner/name"}))
    ran, asked = networked("positions", spec(home, model="../model"), "-n", "1")
    assert (ran.returncode, asked) == (0, []), ran.stderr


def test_offline_asks_nothing_for_a_model_of_the_hub_that_is_not_there(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    ran, asked = networked("build", spec(home, model="hf:owner/name"), "--offline", "--out", tmp_path / "r")
    assert (ran.returncode, asked) == (3, [])
    assert "is not in the local cache of the hub" in ran.stderr


@pytest.mark.slow
def test_without_offline_the_hub_is_asked_for_a_declared_model(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    ran, asked = networked("build", spec(home, model="hf:owner/name"), "--out", tmp_path / "r")
    assert ran.returncode == 3
    assert asked


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in pairwise("abcdefghi")),
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "{b: " * 5000 + "}" * 5000,
        "".join(f"k{i}: 1\n" for i in range(25_000)),
        "title: " + "x" * 300_000,
        "a: &a [*a]\n",
        "{? [x, y] : z}",
    ],
    ids=["aliases", "deep lists", "deep mappings", "many keys", "long text", "a list in itself", "a list as a key"],
)
def test_a_yaml_bomb_is_refused_at_once(text, home):
    started = time.monotonic()
    assert "x.yaml:" in refused(spec(home, text=text), data=False)
    assert time.monotonic() - started < 5


def test_a_small_parquet_file_that_holds_very_much_is_refused(home, monkeypatch):
    import pyarrow
    from pyarrow import parquet

    from layergrid import parquetsource

    words = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(20_000, np.int32)), ["x" * 20_000])
    parquet.write_table(
        pyarrow.table({"question": words, "answer": np.zeros(20_000, int)}), home / "data" / "b.parquet"
    )
    assert (home / "data" / "b.parquet").stat().st_size < 60_000
    monkeypatch.setattr(parquetsource, "MOST_HELD", 10_000_000)
    assert "more than 10,000,000 bytes of values" in refused(spec(home, source="../data/b.parquet"))
    monkeypatch.setattr(parquetsource, "MOST_CELLS", 10_000)
    assert "20,000 rows of 2 columns" in refused(spec(home, source="../data/b.parquet"))
    monkeypatch.setattr(parquetsource, "MOST_CELLS", 10**9)
    monkeypatch.setattr(parquetsource, "MOST_UNPACKED", 100)
    assert "when it is unpacked" in refused(spec(home, source="../data/b.parquet"))


def test_a_data_file_that_is_too_large_is_refused_before_it_is_read(home):
    for ending in ("csv", "jsonl", "parquet"):
        with (home / "data" / f"big.{ending}").open("wb") as stream:
            stream.truncate(2**40)
        assert "expected at most" in refused(spec(home, source=f"../data/big.{ending}"))


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    "name", ["..yaml", "...yaml", "-x.yaml", ".yaml", "a b.yaml", "x\n.yaml", "x.yaml.yaml.", "~.yaml"]
)
def test_a_name_of_a_spec_that_could_lead_out_of_the_output_folder_is_refused(name, home, tmp_path):
    path = home / "specs" / name
    path.write_text("layergrid: 1\n")
    ran = run("build", path, "--out", tmp_path / "r")
    assert ran.code == 2
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["../x", "..", "/x", "a/b", "a\\b", ".", "x\n"])
def test_a_name_of_a_comparison_is_that_of_one_folder(name, report, tmp_path):
    other = shutil.copytree(report, tmp_path / "other")
    ran = run("diff", report, other, "--out", tmp_path / "out" / "r", "--name", name)
    assert ran.code == 2
    assert "--name" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a\0b", "con/../x"])
def test_names_of_grids_become_names_of_files_that_stay_in_the_report(name, home):
    from layergrid.archive import grid_file

    assert Path(grid_file(name, "csv")).name in (grid_file(name, "csv"), grid_file(name, "csv").partition("/")[2])
    assert ".." not in Path(grid_file(name, "csv")).parts


def test_an_output_folder_that_the_project_made_a_link_out_is_refused(study, home, outside, monkeypatch):
    monkeypatch.chdir(home)
    (home / "reports").symlink_to(outside)
    (home / "specs" / "x.yaml").write_text(SPEC)
    before = tree(outside)
    ran = run("build", "specs/x.yaml")
    assert ran.code == 2
    assert f"reports is a link to {outside}" in ran.err
    assert tree(outside) == before


@pytest.mark.slow
def test_a_report_folder_that_is_a_link_is_replaced_and_what_it_leads_to_stays(report, tmp_path):
    elsewhere = tmp_path / "theirs"
    report.rename(elsewhere)
    before = tree(elsewhere)
    report.symlink_to(elsewhere)
    ran = run("render", report)
    assert ran.code == 0, ran.err
    assert {n for n, b in tree(elsewhere).items() if before.get(n) != b} <= set(before)


# ---------------------------------------------------------------- reports from elsewhere


@pytest.mark.parametrize("name", ["results/more.txt", "grids/x.csv", "results/deep/x"])
def test_a_link_in_a_report_from_elsewhere_is_not_copied_into_it(name, report, tmp_path):
    (tmp_path / "secret").write_text("s3cr3t")
    (report / name).parent.mkdir(exist_ok=True)
    (report / name).symlink_to(tmp_path / "secret")
    ran = run("render", report)
    assert ran.code == 2
    assert "is a link" in ran.err


@pytest.mark.parametrize("name", ["report.md", "facts.json", "manifest.json", "results/results.json"])
def test_a_link_in_a_report_from_elsewhere_is_not_read_and_nothing_of_its_file_is_told(name, report, tmp_path):
    (tmp_path / "secret").write_text("s3cr3t")
    (report / name).unlink()
    (report / name).symlink_to(tmp_path / "secret")
    for arguments in (("verify", report), ("summary", report), ("index", report.parent), ("diff", report, report)):
        ran = run(*arguments)
        assert "s3cr3t" not in ran.err + ran.out
        assert "Traceback" not in ran.err
        listed = (report.parent / "index.html").read_text() if arguments[0] == "index" else ""
        assert "link" in ran.err + ran.out + listed


def test_a_pipe_in_a_report_from_elsewhere_is_not_waited_for(report):
    (report / "facts.json").unlink()
    os.mkfifo(report / "facts.json")
    for arguments in (("verify", report), ("summary", report), ("index", report.parent), ("diff", report, report)):
        assert "Traceback" not in run(*arguments).err


def test_a_verdict_of_a_report_from_elsewhere_that_is_none_counts_as_damage(report):
    told = json.loads((report / "manifest.json").read_text())
    for verdicts in ([{}], [{"met": "false"}], [{"met": 1}]):
        told["build"]["expectations"] = verdicts
        (report / "manifest.json").write_text(json.dumps(told))
        ran = run("summary", report)
        assert ran.code == 0, ran.err
        assert "is damaged" in ran.out


def test_a_report_from_elsewhere_with_a_hostile_template_is_refused(report):
    path = report / "results" / "presentation.json"
    saved = json.loads(path.read_text())
    for bad in ("{{ content.__class__ }}", "{{ ''.__class__.__mro__ }}"):
        path.write_text(json.dumps({**saved, "templates": {"blocks/abstract.html.j2": bad}}))
        ran = run("render", report)
        assert ran.code in (2, 3)
        assert "Traceback" not in ran.err


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "change",
    ["outputs", pytest.param("deep", marks=SLOW), pytest.param("huge", marks=SLOW), pytest.param("list", marks=SLOW)],
)
def test_a_report_from_elsewhere_with_a_hostile_manifest_is_refused_or_read_without_harm(change, report, tmp_path):
    path = report / "manifest.json"
    told = json.loads(path.read_text())
    told["build"]["outputs"]["../../../../../etc/passwd"] = "0" * 64
    path.write_text({"outputs": json.dumps(told), "deep": "[" * 200_000, "list": "[]"}.get(change, ""))
    if change == "huge":
        os.truncate(path, 2**40)
    for command in ("verify", "render"):
        ran = run(command, report)
        assert "Traceback" not in ran.err
        assert "root:" not in ran.err
        assert ran.code in (0, 1, 2, 3)


# ---------------------------------------------------------------- the working directory

WORKERS = """
import contextlib, operator, sys
from layergrid import cli
from layergrid.executors.processes import Processes
sys.argv = ["layergrid", "--version"]
with contextlib.suppress(SystemExit):
    cli.main()
print(Processes(jobs=2).map(operator.is_not, [1, 2], print))
import joblib
print(joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(abs)(i) for i in (-1, -2)))
"""


def test_no_worker_imports_what_lies_in_the_working_directory(tmp_path):
    for name in ("multiprocessing", "joblib", "pickle", "signal"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    ended = subprocess.run([sys.executable, "-P", "-c", WORKERS], cwd=tmp_path, capture_output=True, text=True)
    assert ended.stdout.splitlines()[1:] == ["[True, True]", "[1, 2]"], ended.stderr
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------- SECURITY.md


def test_every_rule_of_security_md_names_tests_that_exist():
    written = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rules = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", written, re.M)
    assert [int(number) for number, _ in rules] == list(range(1, len(rules) + 1))
    assert len(rules) >= 12
    known = {
        f"{path.name}::{node.name}"
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    for number, rule in rules:
        named = re.findall(r"`(test_\w+\.py::test_\w+)`", rule)
        assert named, f"rule {number} names no test"
        assert set(named) <= known, f"rule {number} names {sorted(set(named) - known)}"


def test_the_readme_points_to_security_md():
    assert "SECURITY.md" in (ROOT / "README.md").read_text(encoding="utf-8")
