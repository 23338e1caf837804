"""A stranger's spec names files: those outside of its project are refused, and nothing is told of what they hold."""

from __future__ import annotations

import ast
import os
import shutil
import socket
from pathlib import Path

import pytest

import tiny_models
from building import run
from layergrid import resources
from layergrid.errors import BadInput
from layergrid.project import Project
from layergrid.project import content as content_of

SECRET = "root:x:0:0:s3cr3t-line"  # noqa: S105 - it opens nothing

SPEC = """\
layergrid: 1
models: {{tiny: {model}}}
datasets:
  sums:
    source: {source}
    prompt: "Question: {{{{ question }}}}"
    label: answer
positions: [last_q]
grids:
  errors: {{kind: probe, folds: 3, penalties: [0.1]}}
{more}
"""
TABLE = "layergrid: 1\ngrids:\n  given: {{kind: table, source: {source}}}\n"


@pytest.fixture
def outside(tmp_path):
    """A folder with secrets beside the project."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("secret.csv", "secret.yaml", "secret.txt", "secret.jsonl"):
        (folder / name).write_text(f"question,answer\n{SECRET},1\n")
    return folder


@pytest.fixture
def home(tmp_path, outside):
    """A project with a spec folder in it, and a data set."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "specs").mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "sums.csv").write_text("question,answer\n" + "".join(f"q{i},{i % 2}\n" for i in range(8)))
    return folder


def spec(home, source="../data/sums.csv", model="builtin:arithmetic", more="", text=None, name="x.yaml"):
    path = home / "specs" / name
    path.write_text(text or SPEC.format(source=source, model=model, more=more), encoding="utf-8")
    return path


def refused(path, *arguments, data=True):
    """The message of a command that ends with 2, in which no secret stands."""
    ran = run("validate", *(["--data"] if data else []), path, *arguments)
    assert ran.code == 2, ran.err
    assert "s3cr3t" not in ran.err + ran.out
    assert "Traceback" not in ran.err
    return " ".join(ran.err.split())


def test_a_spec_reads_below_its_project_folder(home):
    assert run("validate", "--data", spec(home)).code == 0
    assert run("validate", "--data", spec(home, source=str(home / "data" / "sums.csv"))).code == 0


@pytest.mark.parametrize("address", ["/etc/passwd", "../../elsewhere/secret.csv", "../data/../../elsewhere/secret.csv"])
def test_a_data_set_outside_of_the_project_is_refused_with_key_path_project_and_way_out(address, home, outside):
    source = f"{{kind: csv, address: {address}}}"
    said = refused(spec(home, source=source))
    found = os.path.normpath(home / "specs" / address)
    assert f"x.yaml:5:34: datasets.sums.source: '{address}' leads to '{found}'" in said
    assert f"outside of the project folder '{home}'" in said
    assert f"--allow-path {found}" in said


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SPEC.format(source="../data/sums.csv", model="../../elsewhere", more=""), "models.tiny.address"),
        (SPEC.format(source="../data/sums.csv", model="activations:/etc/passwd", more=""), "models.tiny.address"),
        (SPEC.format(source="../data/sums.csv", model="builtin:arithmetic", more="theme: ../../elsewhere/secret.yaml"),
         "theme"),
        (SPEC.format(source="../data/sums.csv", model="builtin:arithmetic", more="templates: ../../elsewhere"),
         "templates"),
        (TABLE.format(source="../../elsewhere/secret.csv"), "grids.given.source"),
    ],
    ids=["model", "activations", "theme", "templates", "table"],
)  # fmt: skip
def test_every_key_that_names_a_file_is_held_to_the_project(text, key, home):
    said = refused(spec(home, text=text), data=False)
    assert f"{key}: '" in said
    assert "outside of the project folder" in said


def test_a_path_outside_is_refused_in_the_same_words_whether_or_not_it_is_there(home, outside):
    there = refused(spec(home, source="../../elsewhere/secret.csv"))
    absent = refused(spec(home, source="../../elsewhere/nobody.csv"))
    assert there.replace("secret", "nobody").split("^")[0] == absent.split("^")[0]


@pytest.mark.parametrize("links", [1, 2], ids=["a link", "a link to a link"])
def test_a_link_that_leads_out_is_refused(links, home, outside):
    target = outside / "secret.csv"
    for i in range(links):
        link = home / "data" / f"{'innocent' if i == links - 1 else 'hop'}.csv"
        link.symlink_to(target)
        target = link
    said = refused(spec(home, source="../data/innocent.csv"))
    assert f"leads to '{outside / 'secret.csv'}'" in said


def test_a_folder_that_is_a_link_out_is_refused_and_one_inside_is_followed(home, outside):
    (home / "far").symlink_to(outside)
    (home / "near").symlink_to("data")
    assert "outside of the project" in refused(spec(home, source="../far/secret.csv"))
    assert run("validate", "--data", spec(home, source="../near/sums.csv")).code == 0


def test_links_that_lead_to_each_other_are_refused(home):
    (home / "data" / "a.csv").symlink_to("b.csv")
    (home / "data" / "b.csv").symlink_to("a.csv")
    assert "a link that leads to itself" in refused(spec(home, source="../data/a.csv"))


def test_links_outside_are_not_followed_so_that_their_targets_stay_unknown(home, outside):
    (outside / "alias.csv").symlink_to("secret.csv")
    said = refused(spec(home, source="../../elsewhere/alias.csv"))
    assert "alias.csv" in said
    assert "secret.csv" not in said.split("^")[0].replace("specs/x.yaml", "")


@pytest.mark.parametrize(
    "address",
    ["http://x.test/a.csv", "https://x.test/a.csv", "ftp://x.test/a.csv", "file:///etc/passwd.csv", "s3://bucket/a.csv",
     "FILE:///etc/a.csv", "//server/share/a.csv", r"\\server\share\a.csv", "hTTps:a.csv"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["source", "mapping", "table", "theme", "templates"])
def test_an_address_on_the_web_is_refused(address, key, home):
    quoted = "'" + address + "'"
    text = {
        "source": SPEC.format(source=quoted, model="builtin:arithmetic", more=""),
        "mapping": SPEC.format(source=f"{{kind: csv, address: {quoted}}}", model="builtin:arithmetic", more=""),
        "table": TABLE.format(source=quoted),
        "theme": SPEC.format(source="../data/sums.csv", model="builtin:arithmetic", more=f"theme: '{address}.yaml'"),
        "templates": SPEC.format(source="../data/sums.csv", model="builtin:arithmetic", more=f"templates: {quoted}"),
    }[key]
    said = refused(spec(home, text=text))
    assert "an address on the web or of another machine" in said or "no loader reads scheme" in said


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ('"a\\0.csv"', "is no path of a file"),
        ("~root/a.csv", "begins with '~'"),
        ("~/a.csv", "begins with '~'"),
        ("$HOME/a.csv", "there is no folder"),
        ("./%2e%2e/%2e%2e/elsewhere/secret.csv", "there is no folder"),
        ("..%2f..%2felsewhere%2fsecret.csv", "is hidden"),
        (r"'..\..\elsewhere\secret.csv'", "is hidden"),
        ("x" * 300 + ".csv", "File name too long"),
        ("y/" * 2000 + "a.csv", "is no path of a file"),
        ("/proc/self/environ.csv", "outside of the project"),
        ("/proc/self/root/etc/a.csv", "outside of the project"),
        ("/dev/fd/0.csv", "outside of the project"),
        ("../.git/config.csv", "is hidden"),
        ("../.GIT/config.csv", "is hidden"),
        ("./.env.csv", "is hidden"),
    ],
)
def test_tricks_with_names_are_refused(address, why, home):
    assert why in refused(spec(home, source=address))


@pytest.mark.parametrize("written", ["{kind: csv, address: /dev/zero}", "{kind: csv, address: /proc/self/environ}",
                                     "{kind: parquet, address: /dev/stdin}"])  # fmt: skip
def test_devices_are_refused_without_being_opened(written, home):
    assert "outside of the project" in refused(spec(home, source=written))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".yaml"])
@pytest.mark.parametrize("sort", ["pipe", "socket", "folder"])
def test_a_pipe_a_socket_or_a_folder_in_the_place_of_a_file_is_refused_without_waiting(ending, sort, home, monkeypatch):
    monkeypatch.chdir(home)  # the names of sockets are short
    path = Path("data", f"odd{ending}")
    if sort == "pipe":
        os.mkfifo(path)
    elif sort == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path.mkdir()
    theme = ending == ".yaml"
    said = refused(spec(home, **({"more": f"theme: ../{path}"} if theme else {"source": f"../{path}"})))
    assert "a folder" in said or "no theme file" in said if sort == "folder" or theme else "no ordinary file" in said


def test_hidden_files_are_read_only_where_the_command_line_names_them(home):
    (home / ".private").mkdir()
    shutil.copy(home / "data" / "sums.csv", home / ".private" / "sums.csv")
    path = spec(home, source="../.private/sums.csv")
    assert "begins with a dot" in refused(path)
    assert run("validate", "--data", path, "--allow-path", home / ".private").code == 0


def test_allow_path_names_folders_and_files_that_may_be_read(home, outside, tmp_path):
    (outside / "more.csv").write_text((home / "data" / "sums.csv").read_text())
    (tmp_path / "alias").symlink_to(outside)
    path = spec(home, source="../../elsewhere/more.csv")
    refused(path)
    refused(path, "--allow-path", outside / "secret.csv")
    for allowed in (outside, outside / "more.csv", tmp_path / "alias", os.path.relpath(outside)):
        assert run("validate", "--data", path, "--allow-path", allowed, "--allow-path", home / "data").code == 0
    through = spec(home, source="../../alias/more.csv")
    assert run("validate", "--data", through, "--allow-path", tmp_path / "alias").code == 0


def test_what_may_be_read_can_be_said_once_in_the_environment(home, outside, tmp_path, monkeypatch):
    (outside / "more.csv").write_text((home / "data" / "sums.csv").read_text())
    path = spec(home, source="../../elsewhere/more.csv")
    assert "LAYERGRID_ALLOW_PATH" in refused(path)
    monkeypatch.setenv("LAYERGRID_ALLOW_PATH", "")
    refused(path)
    monkeypatch.setenv("LAYERGRID_ALLOW_PATH", f"{tmp_path / 'none'}{os.pathsep}{outside}")
    assert run("validate", "--data", path).code == 0
    refused(path, "--allow-path", home)  # what is given takes its place


# ---------------------------------------------------------------- the spec itself


def test_a_spec_that_is_a_link_out_is_refused_before_it_is_read(home, outside):
    (home / "specs" / "x.yaml").symlink_to(outside / "secret.yaml")
    said = refused(home / "specs" / "x.yaml")
    assert "the spec: " in said
    assert "outside of the project folder" in said


def test_a_spec_in_a_linked_folder_that_leads_out_is_refused(home, outside):
    (home / "more").symlink_to(outside)
    assert "outside of the project folder" in refused(home / "more" / "secret.yaml")


def test_a_spec_that_is_a_pipe_or_a_device_is_refused_without_waiting(home):
    os.mkfifo(home / "specs" / "pipe.yaml")
    assert "no ordinary file" in refused(home / "specs" / "pipe.yaml")
    assert "no ordinary file" in refused("/dev/zero")


def test_a_spec_that_is_too_large_is_refused_before_it_is_read(home):
    with (home / "specs" / "big.yaml").open("wb") as stream:
        stream.truncate(2**40)
    assert "expected at most" in refused(home / "specs" / "big.yaml")


# ---------------------------------------------------------------- the project


def test_the_project_is_the_nearest_folder_with_git_else_with_a_mark_else_the_working_directory(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    path = inner / "x.yaml"
    assert Project.around(path).top == inner
    monkeypatch.chdir(tmp_path / "a")
    assert Project.around(path).top == tmp_path / "a"
    (inner / "layergrid.lock").touch()
    assert Project.around(path).top == tmp_path / "a"
    (inner.parent / "pyproject.toml").touch()
    assert Project.around(path).top == inner.parent
    (tmp_path / ".git").touch()  # a worktree's is a file
    assert Project.around(path).top == tmp_path
    assert Project.around(Path("b/c/x.yaml")).top == tmp_path
    assert Project.around(path).folder == inner


def test_the_home_folder_and_the_root_are_no_project(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Project.around(tmp_path / "specs" / "x.yaml").top == tmp_path / "specs"
    monkeypatch.chdir("/")
    assert Project.around(tmp_path / "specs" / "x.yaml").top == tmp_path / "specs"


def test_a_project_may_itself_be_reached_by_a_link(home, tmp_path):
    (tmp_path / "alias").symlink_to(home)
    spec(home)
    assert run("validate", "--data", tmp_path / "alias" / "specs" / "x.yaml").code == 0
    spec(home, source=str(tmp_path / "alias" / "data" / "sums.csv"))
    assert run("validate", "--data", tmp_path / "alias" / "specs" / "x.yaml").code == 0


def test_a_file_that_becomes_a_link_after_it_was_checked_is_not_opened(home, outside):
    checked = Project.of(home).path("data/sums.csv")
    checked.unlink()
    checked.symlink_to(outside / "secret.csv")
    with pytest.raises(OSError, match="symbolic links"):
        content_of(checked, 1000, "data")


def test_content_takes_no_more_than_it_may(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert content_of(tmp_path / "a", 11, "a") == b"x" * 11
    with pytest.raises(BadInput, match="has 11 bytes; expected at most 10"):
        content_of(tmp_path / "a", 10, "a")
    with pytest.raises(BadInput, match="expected at most 10"):
        content_of(Path("/proc/self/status"), 10, "a")  # its size is told as 0


# ---------------------------------------------------------------- folders of models, manifests and templates


@pytest.fixture
def model(home):
    return tiny_models.save(home / "model")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "extra/deep.json"])
def test_a_link_inside_a_models_folder_that_leads_out_is_refused(name, home, model, outside):
    file = model / name
    file.parent.mkdir(exist_ok=True)
    if file.exists():
        file.rename(outside / file.name)
    file.symlink_to(outside / file.name)
    assert "outside of the project folder" in refused(spec(home, model="../model"))


@pytest.mark.parametrize("name", ["notes.txt", "config.json", "model.safetensors"])
def test_a_link_inside_a_models_folder_is_refused_in_the_same_words_whatever_it_leads_to(name, home, model, outside):
    def said():
        return refused(spec(home, model="../model"))

    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to(outside / "theirs")
    told = [said()]
    (outside / "theirs").write_text("[1]")
    told.append(said())
    (outside / "theirs").unlink()
    os.mkfifo(outside / "theirs")
    told.append(said())
    assert len(set(told)) == 1
    assert "outside of the project folder" in told[0]


def test_links_as_in_the_hubs_cache_are_followed_inside_of_the_project(home, model):
    blobs = home / "models--o--n" / "blobs"
    blobs.mkdir(parents=True)
    for file in sorted(model.iterdir()):
        if file.is_file():
            file.rename(blobs / f"{file.name}.blob")
            file.symlink_to(os.path.relpath(blobs / f"{file.name}.blob", model))
    assert run("validate", "--data", spec(home, model="../model")).code == 0


def test_a_pipe_inside_a_models_folder_is_refused(home, model):
    (model / "tokenizer.json").unlink()
    os.mkfifo(model / "tokenizer.json")
    assert "no ordinary file" in refused(spec(home, model="../model"))


@pytest.mark.parametrize("key", ["examples: FILE", "statuses: FILE", "sites: {residual: {file: FILE}}"])
@pytest.mark.parametrize("address", ["../../elsewhere/secret.txt", "/etc/passwd", "link.txt", "http://x.test/a"])
def test_a_manifest_of_activations_names_files_of_the_project_only(key, address, home, outside):
    (home / "given").mkdir()
    (home / "given" / "link.txt").symlink_to(outside / "secret.txt")
    whole = {"activations": "1", "model": "{layers: 1, width: 2}", "positions": "[last_q]", "examples": "[a, b]",
             "sites": "{residual: {file: a.safetensors}}"}  # fmt: skip
    name, _, value = key.partition(": ")
    whole[name] = value.replace("FILE", address)
    (home / "given" / "manifest.yaml").write_text("".join(f"{k}: {v}\n" for k, v in whole.items()))
    text = SPEC.format(source="../data/sums.csv", model="activations:../given/manifest.yaml", more="")
    text = text.replace('    prompt: "Question: {{ question }}"\n', "")
    said = refused(spec(home, text=text))
    assert "outside of the project folder" in said or "an address on the web" in said
    assert name in said


def test_a_link_inside_a_templates_folder_that_leads_out_is_refused(home, outside):
    (home / "own" / "blocks").mkdir(parents=True)
    (home / "own" / "blocks" / "abstract.html.j2").symlink_to(outside / "secret.txt")
    said = refused(spec(home, more="templates: ../own"), data=False)
    assert "leads out of the folder" in said


# ---------------------------------------------------------------- the code


def test_files_that_a_spec_names_are_opened_by_way_of_the_project_alone():
    """No code that reads what a spec names joins a folder with an address by itself."""
    found = []
    for part in ("spec", "loaders", "grids", "models", "precomputed", "theme", "render", "prompts", "pipeline"):
        for path in sorted((resources.PACKAGE / part).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                joined = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
                named = {"address", "source", "given", "templates", "theme", "file"}
                used = [n.attr for n in ast.walk(node.right) if isinstance(n, ast.Attribute)] if joined else []
                if named & set(used) or (isinstance(node, ast.Attribute) and node.attr == "expanduser"):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert not found, found
