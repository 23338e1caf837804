"""Which specs could have another report is told from git and from what specs name, and nothing is run for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from building import child, run

GRIDS = "positions: [-1]\ngrids: {a: {kind: activation}}\n"
ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    ended = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")


def write(path: Path, text: str = "x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def home(tmp_path) -> Path:
    """A repository of two specs, one of which names everything that a spec can name."""
    top = tmp_path / "my repository"
    write(top / "specs" / "plain.yaml", f"title: Plain\nmodels: {{m: builtin:arithmetic}}\n{GRIDS}")
    write(
        top / "specs" / "all.yaml",
        "models: {m: ../models/mine, g: activations:../given/manifest.json}\ndatasets:\n  d: "
        + "{source: data/rows.csv, prompt: '{{ q }}'}\n  e: {source: {kind: csv, address: ../other.csv}}\n"
        + f"theme: look.yaml\ntemplates: own\n{GRIDS}",
    )
    for name in ("specs/data/rows.csv", "other.csv", "specs/look.yaml", "specs/own/blocks/a.html.j2", "README.md"):
        write(top / name)
    for name in ("models/mine/config.json", "given/states.npz", "given/ids.txt", "constraints.txt"):
        write(top / name)
    manifest = {"activations": 1, "examples": "ids.txt", "sites": {"residual": {"file": "states.npz"}}}
    write(top / "given" / "manifest.json", json.dumps(manifest))
    git(tmp_path, "init", "-q", str(top))
    commit(top)
    return top


def changed(top: Path, *arguments: str, since: str = "HEAD") -> list[str]:
    ran = run("changed", "--since", since, *arguments, top / "specs" / "plain.yaml", top / "specs" / "all.yaml")
    assert ran.code == 0, ran.err
    return [Path(line).name for line in ran.out.splitlines()]


def test_nothing_is_printed_where_nothing_that_a_spec_names_was_changed(home):
    write(home / "README.md", "new\n")
    write(home / "specs" / "other.txt")
    assert changed(home) == []


def test_a_spec_that_was_changed_is_printed_as_it_was_given_with_the_reason_beside_it(home):
    spec = write(home / "specs" / "plain.yaml", f"title: New\nmodels: {{m: builtin:arithmetic}}\n{GRIDS}")
    ran = run("changed", "--since", "HEAD", spec)
    assert (ran.out, ran.err) == (f"{spec}\n", f"{spec}: specs/plain.yaml differs\n")


@pytest.mark.parametrize(
    "name",
    [
        "specs/data/rows.csv",
        "other.csv",
        "specs/look.yaml",
        "specs/own/blocks/a.html.j2",
        "models/mine/config.json",
        "given/manifest.json",
        "given/states.npz",
        "given/ids.txt",
    ],
)
def test_a_spec_is_printed_where_a_file_that_it_names_was_changed(home, name):
    (home / name).write_bytes((home / name).read_bytes() + b"\n")
    assert changed(home) == ["all.yaml"]


def test_a_file_that_was_removed_counts(home):
    (home / "specs" / "data" / "rows.csv").unlink()
    assert changed(home) == ["all.yaml"]


def test_a_file_that_was_renamed_counts_under_its_old_name(home):
    git(home, "mv", "other.csv", "another.csv")
    assert changed(home) == ["all.yaml"]


def test_a_file_that_git_does_not_have_yet_counts(home):
    write(home / "specs" / "own" / "blocks" / "b.html.j2")
    assert changed(home) == ["all.yaml"]


def test_a_spec_that_git_does_not_have_yet_is_printed(home):
    spec = write(home / "specs" / "new.yaml", GRIDS)
    assert run("changed", "--since", "HEAD", spec).out == f"{spec}\n"


def test_a_change_that_was_committed_counts_against_an_older_commit_alone(home):
    first = git(home, "rev-parse", "HEAD")
    write(home / "other.csv", "new\n")
    commit(home)
    assert (changed(home), changed(home, since=first), changed(home, since="HEAD~1")) == (
        [],
        ["all.yaml"],
        ["all.yaml"],
    )


def test_a_change_behind_a_link_counts(home):
    write(home / "far" / "rows.csv")
    (home / "near").symlink_to("far")
    (home / "other.csv").unlink()
    (home / "other.csv").symlink_to("near/rows.csv")
    commit(home)
    assert changed(home) == []
    write(home / "far" / "rows.csv", "new\n")
    assert changed(home) == ["all.yaml"]


def test_a_change_behind_a_link_in_a_folder_that_a_spec_names_counts(home):
    write(home / "far" / "weights.bin")
    (home / "models" / "mine" / "weights.bin").symlink_to("../../far/weights.bin")
    commit(home)
    write(home / "far" / "weights.bin", "new\n")
    assert changed(home) == ["all.yaml"]


def test_links_that_end_nowhere_end_nothing(home):
    (home / "other.csv").unlink()
    (home / "other.csv").symlink_to("other.csv")
    (home / "models" / "mine" / "again").symlink_to("..")
    commit(home)
    assert changed(home) == []


def test_specs_that_name_each_other_are_followed_to_their_end(home):
    write(home / "specs" / "a.yaml", f"include: b.yaml\n{GRIDS}")
    write(home / "specs" / "b.yaml", f"include: a.yaml\ntheme: ../constraints.txt\n{GRIDS}")
    commit(home)
    spec = home / "specs" / "a.yaml"
    assert run("changed", "--since", "HEAD", spec).out == ""
    write(home / "constraints.txt", "new\n")
    assert run("changed", "--since", "HEAD", spec).out == f"{spec}\n"


def test_files_that_included_specs_and_variables_name_are_found_from_the_specs_own_folder(home):
    write(home / "common" / "base.yaml", 'variables: {data: ..}\ndatasets: {d: {source: "${data}/given/rows.csv"}}\n')
    spec = write(home / "specs" / "f.yaml", f"include: ../common/base.yaml\nvariables: {{data: ../more}}\n{GRIDS}")
    write(home / "more" / "given" / "rows.csv")
    commit(home)
    assert run("changed", "--since", "HEAD", spec).out == ""
    write(home / "more" / "given" / "rows.csv", "new\n")
    ran = run("changed", "--since", "HEAD", spec)
    assert (ran.out, ran.err) == (f"{spec}\n", f"{spec}: more/given/rows.csv differs\n")
    git(home, "checkout", "-q", "--", ".")
    write(home / "common" / "base.yaml", "seed: 1\n")
    assert run("changed", "--since", "HEAD", spec).err == f"{spec}: common/base.yaml differs\n"


def test_a_folder_outside_of_the_repository_is_not_gone_through(home):
    spec = write(home / "specs" / "far.yaml", f"theme: /\ntemplates: ../../..\n{GRIDS}")
    commit(home)
    write(home / "README.md", "new\n")
    started = time.monotonic()
    assert run("changed", "--since", "HEAD", spec).out == ""
    assert time.monotonic() - started < 5


def test_of_the_lock_only_the_entry_of_a_spec_counts(home):
    lock = {"layergrid_lock": 1, "specs": {"plain": {"models": {"m": 1}}, "all": {"models": {"m": 1}}}}
    file = write(home / "specs" / "layergrid.lock", json.dumps(lock))
    assert changed(home) == ["plain.yaml", "all.yaml"]
    commit(home)
    assert changed(home) == []
    lock["specs"]["all"] = {"models": {"m": 2}}
    file.write_text(json.dumps(lock, indent=2))
    assert changed(home) == ["all.yaml"]
    file.write_text("no lock")
    assert changed(home) == ["plain.yaml", "all.yaml"]


def test_a_spec_that_cannot_be_read_is_printed(home):
    spec = write(home / "specs" / "broken.yaml", "a: [")
    commit(home)
    ran = run("changed", "--since", "HEAD", spec)
    assert (ran.out, ran.err) == (f"{spec}\n", f"{spec}: cannot be read\n")


def test_a_path_that_all_reports_depend_on_brings_all_of_them(home):
    write(home / "constraints.txt", "new\n")
    assert changed(home, "--all-if", str(home / "README.md")) == []
    assert changed(home, "--all-if", str(home / "constraints.txt")) == ["plain.yaml", "all.yaml"]
    assert changed(home, "--all-if", str(home)) == ["plain.yaml", "all.yaml"]


def test_paths_may_end_with_null_bytes(home):
    write(home / "specs" / "plain.yaml", GRIDS)
    assert run("changed", "-0", "-q", "--since", "HEAD", home / "specs" / "plain.yaml").out.endswith("plain.yaml\0")


def test_names_of_any_sign_are_found(home):
    name = 'sp\u00e9c "$(touch pwned)" \n\'.yaml'
    spec = write(home / name, GRIDS)
    ran = run("changed", "-0", "--since", "HEAD", spec)
    assert ran.out == f"{spec}\0"
    assert "\n'" not in ran.err


@pytest.mark.parametrize("ref", ["--output=pwned", "-p", "", "--upload-pack=touch pwned"])
def test_a_ref_that_would_be_an_option_of_git_is_refused(home, ref, monkeypatch):
    monkeypatch.chdir(home)
    ran = run("changed", f"--since={ref}", "specs/plain.yaml")
    assert ran.code == 2
    assert "expected a commit, a branch or a tag" in ran.err
    assert not (home / "pwned").exists()


@pytest.mark.parametrize("ref", ["$(touch pwned)", "; touch pwned", "nowhere", "HEAD:specs", "a" * 40, "HEAD..HEAD"])
def test_a_ref_that_names_no_commit_is_told_and_runs_nothing(home, ref, monkeypatch):
    monkeypatch.chdir(home)
    ran = run("changed", "--since", ref, "specs/plain.yaml")
    assert ran.code == 2
    assert "git knows no such commit" in ran.err
    assert not (home / "pwned").exists()


def test_outside_of_a_repository_nothing_can_be_said(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    ran = run("changed", "--since", "HEAD", write(tmp_path / "a.yaml", GRIDS))
    assert (ran.code, ran.out) == (2, "")
    assert "lies in no git repository" in ran.err


def test_a_spec_that_is_not_there_is_told(home):
    ran = run("changed", "--since", "HEAD", home / "specs" / "gone.yaml")
    assert ran.code == 2
    assert "gone.yaml: there is no such file" in ran.err


def test_without_git_the_message_says_so(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    ran = run("changed", "--since", "HEAD", home / "specs" / "plain.yaml")
    assert ran.code == 2
    assert "git is missing" in ran.err


def test_a_program_that_the_repository_would_have_git_run_is_not_run(home):
    program = write(home / "spy", f"#!/bin/sh\ntouch {home.parent / 'pwned'}\n")
    program.chmod(0o755)
    write(home / ".gitattributes", "*.yaml diff=spy\n*.csv diff=spy\n")
    commit(home)
    for key in ("core.fsmonitor", "diff.external", "diff.spy.command", "diff.spy.textconv"):
        git(home, "config", key, "../spy" if key == "core.fsmonitor" else str(program))
    (home / "specs" / "plain.yaml").write_text(GRIDS)
    assert changed(home) == ["plain.yaml"]
    assert not (home.parent / "pwned").exists()


def test_no_model_and_no_library_of_numbers_is_loaded(home):
    ran = child("changed", "--since", "HEAD", home / "specs" / "all.yaml", **ENVIRONMENT)
    assert (ran.code, ran.imported) == (0, ()), (ran.err, sys.executable)
