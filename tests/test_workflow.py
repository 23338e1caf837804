"""The workflows and the action do what CI.md says of them, whatever a stranger writes into a pull request."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows import TOP, Job, program, read

ACTION = ".github/actions/report/action.yml"
WORKFLOWS = ("tests", "reports", "comment")
MARK = "<!-- layergrid -->"
SPEC = "title: {}\ngrids: {{shown: {{kind: table, source: cells.csv}}}}\noutputs: [md]\n"
CELLS = "layer,position,value\n0,last,0.4\n1,last,{}\n"
MAKE = """\
#!/bin/bash
printf '%s\\n' "$*" >> "$RUNNER_TEMP/made"
for one in "$@"; do case "$one" in VENV=*) venv="${one#VENV=}";; esac; done
mkdir -p "$venv/bin"
cp "$(dirname "$0")/layergrid" "$venv/bin/layergrid"
"""
REAL = f"""\
#!/bin/bash
exec {sys.executable} -c 'from layergrid import cli; cli.main()' "$@"
"""
# Stands in for builds: a spec that says FAILS leaves no report, one that says UNMET leaves one and ends with 1.
STAND_IN = f"""\
#!/bin/bash
printf '%s\\n' "$*" >> "$RUNNER_TEMP/called"
case "$1" in
  changed) exec {sys.executable} -c 'from layergrid import cli; cli.main()' "$@" ;;
  build)
    code=0
    while [ "$1" != -- ]; do if [ "$1" = --out ]; then out="$2"; fi; shift; done
    shift
    for spec in "$@"; do
      if grep -q FAILS "$spec"; then code=3; continue; fi
      if grep -q UNMET "$spec"; then code=1; fi
      name="$(basename "${{spec%.*}}")"
      mkdir -p "$out/$name" && echo '{{}}' > "$out/$name/manifest.json"
      touch "$LAYERGRID_CACHE/$(git hash-object "$spec")"
    done
    exit $code ;;
  diff) mkdir -p "$3/$5" ;;
  summary) echo '{MARK}'; shift; echo "reports: $*" ;;
esac
"""


# The same for the way of calling it without options: reports go to reports/NAME.
SIMPLE = f"""\
#!/bin/bash
printf '%s\\n' "$*" >> "$RUNNER_TEMP/called"
case "$1" in
  changed) exec {sys.executable} -c 'from layergrid import cli; cli.main()' "$@" ;;
  build)
    spec="${{@: -1}}"
    mkdir -p "reports/$(basename "${{spec%.*}}")"
    if grep -q UNMET "$spec"; then exit 1; fi ;;
esac
"""


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A repository of two specs whose base is its first commit."""
    top = tmp_path / "checkout"
    (top / "specs").mkdir(parents=True)
    for name in ("one", "two"):
        (top / "specs" / f"{name}.yaml").write_text(SPEC.format(name))
    (top / "specs" / "cells.csv").write_text(CELLS.format(0.5))
    git(tmp_path, "init", "-q", str(top))
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "base")
    return top


def change(top: Path, name: str, text: str) -> None:
    path = top / "specs" / name
    path.write_text(text)
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "change")


def acted(top: Path, layergrid: str = STAND_IN, sha: str | None = None, **inputs: str) -> Job:
    """A run of the action in a checkout, for a pull request into the commit before the last, or into another."""
    action = read(ACTION)
    given = {name: one["default"] for name, one in action["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(given) == set(action["inputs"])
    if sha is None:
        sha = git(top, "rev-parse", "HEAD~1") if int(git(top, "rev-list", "--count", "HEAD")) > 1 else "0" * 40
    github = {"action_path": str(TOP / ".github/actions/report"), "server_url": "https://example.com",
              "repository": "o/r", "run_id": "7", "run_attempt": "1",
              "event": {"pull_request": {"base": {"sha": sha}}}}  # fmt: skip
    programs = top.parent / "programs"
    program(programs, "make", MAKE)
    program(programs, "layergrid", layergrid)
    contexts = {"inputs": given, "github": github, "runner": {"os": "Linux", "arch": "X64"}, "steps": {}}
    job = Job(top, top.parent / "temporary", contexts, programs)
    job.run(action["runs"]["steps"])
    return job


def outputs(job: Job, step: str) -> dict[str, str]:
    found: dict[str, str] = job.contexts["steps"][step]["outputs"]
    return found


def called(job: Job, command: str) -> list[str]:
    """How layergrid was called by one of its commands."""
    lines = (job.temporary / "called").read_text().splitlines()
    return [line for line in lines if line.split()[0] == command]


# ---------------------------------------------------------------- what the files say


def every_step() -> list[tuple[str, dict[str, Any]]]:
    found = [(ACTION, step) for step in read(ACTION)["runs"]["steps"]]
    for name in WORKFLOWS:
        path = f".github/workflows/{name}.yml"
        found += [(path, step) for job in read(path)["jobs"].values() for step in job["steps"]]
    return found


def test_no_script_holds_an_expression():
    assert [where for where, step in every_step() if "${{" in step.get("run", "")] == []


def test_every_action_of_others_is_pinned_to_a_commit():
    used = [step["uses"] for _, step in every_step() if "uses" in step]
    assert len(used) > 5
    assert [u for u in used if not u.startswith("./") and not re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40}", u)] == []


def test_one_action_is_pinned_to_one_commit():
    pins = {step["uses"].split("@")[0].split("/")[1]: set() for _, step in every_step() if "@" in step.get("uses", "")}
    for _, step in every_step():
        if "@" in step.get("uses", ""):
            pins[step["uses"].split("/")[1].split("@")[0]].add(step["uses"].split("@")[1])
    assert {len(found) for found in pins.values()} == {1}


def test_what_builds_a_strangers_work_can_only_read_and_knows_no_secret():
    for name in ("tests", "reports"):
        text = (TOP / f".github/workflows/{name}.yml").read_text()
        said = read(f".github/workflows/{name}.yml")
        assert said["permissions"] == {"contents": "read"}
        assert "pull_request" in said["on"]
        assert not any("permissions" in job for job in said["jobs"].values())
        assert "secrets" not in text
    assert "secrets" not in (TOP / ACTION).read_text()
    assert "pull_request_target" not in "".join(str(read(f".github/workflows/{name}.yml")["on"]) for name in WORKFLOWS)


def test_a_checkout_leaves_no_token_behind():
    found = [step for _, step in every_step() if "checkout@" in step.get("uses", "")]
    assert len(found) == 2
    assert all(step["with"]["persist-credentials"] == "false" for step in found)


def test_what_may_write_comments_checks_nothing_out_and_calls_no_action():
    said = read(".github/workflows/comment.yml")
    assert said["permissions"] == {}
    (job,) = said["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("uses" in step for step in job["steps"])
    assert said["on"]["workflow_run"]["workflows"] == [read(".github/workflows/reports.yml")["name"]]


def test_the_projects_own_workflow_runs_what_the_readme_says():
    steps = read(".github/workflows/tests.yml")["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert "exec make test" in (TOP / ".ci" / "run").read_text()
    assert "make test" in (TOP / "README.md").read_text()


def test_every_input_is_used_and_every_use_is_an_input():
    text = (TOP / ACTION).read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(read(ACTION)["inputs"])


def test_every_script_of_bash_can_be_parsed():
    for where, step in every_step():
        if "run" in step:
            ended = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, ""), where


# ---------------------------------------------------------------- the action


def test_only_changed_specs_are_built_and_compared_and_told(checkout):
    change(checkout, "two.yaml", SPEC.format("new"))
    job = acted(checkout)
    assert not job.failed, job.said
    work = job.temporary / "layergrid"
    assert outputs(job, "choose")["count"] == "1"
    assert called(job, "build") == [
        f"build --out {work}/reports -- specs/two.yaml",
        f"build --quiet --out {work}/base -- specs/two.yaml",
    ]
    assert called(job, "diff") == [
        f"diff --out {work}/reports --name two-against-base -- {work}/base/two {work}/reports/two"
    ]
    assert (
        job.summary
        == f"{MARK}\nreports: {work}/reports/two --against {work}/base --link https://example.com/o/r/actions/runs/7\n"
    )
    assert (work / "summary" / "summary.md").read_text() == job.summary
    assert outputs(job, "tidy") == {"new": "true"}
    assert git(checkout, "worktree", "list").count("\n") == 0


@pytest.mark.slow
def test_a_spec_is_built_whose_data_were_changed(checkout):
    change(checkout, "cells.csv", CELLS.format(0.7))
    assert outputs(acted(checkout), "choose")["count"] == "2"


def test_where_nothing_was_changed_nothing_is_built_and_the_summary_says_so(checkout):
    change(checkout, "notes.txt", "more")
    job = acted(checkout)
    assert not job.failed
    assert called(job, "build") == []
    assert "No spec was changed" in job.summary
    assert job.done["Upload the reports"] == "skipped"
    assert job.done["Upload the summary"] == "success"


def test_an_expectation_that_is_not_met_fails_the_job_after_everything_was_told_and_kept(checkout):
    change(checkout, "one.yaml", SPEC.format("UNMET"))
    job = acted(checkout)
    assert job.failed
    assert job.done["End as the build did"] == "failure"
    assert {name for name, outcome in job.done.items() if outcome != "success"} == {"End as the build did"}
    assert outputs(job, "build") == {"code": "1"}
    assert "reports/one" in job.summary
    assert len(called(job, "diff")) == 1


def test_a_build_that_fails_leaves_the_others_and_is_told(checkout):
    change(checkout, "one.yaml", SPEC.format("FAILS"))
    change(checkout, "two.yaml", SPEC.format("new"))
    job = acted(checkout, base="HEAD~2")
    assert job.failed
    assert {name for name, outcome in job.done.items() if outcome != "success"} == {"End as the build did"}
    assert outputs(job, "build") == {"code": "3"}
    assert "reports/two" in job.summary
    assert "**No report of one.**" in job.summary
    assert "ended with code 3; [its log](https://example.com/o/r/actions/runs/7)" in job.summary


def test_where_every_build_fails_the_summary_still_bears_the_mark(checkout):
    change(checkout, "one.yaml", SPEC.format("FAILS"))
    job = acted(checkout)
    assert job.failed
    assert job.summary.startswith(f"{MARK}\n")
    assert "**No report of one.**" in job.summary
    assert job.done["Upload the reports"] == job.done["Upload the summary"] == "success"


def test_a_spec_that_is_new_is_compared_with_nothing(checkout):
    change(checkout, "three.yaml", SPEC.format("three"))
    job = acted(checkout)
    assert not job.failed
    assert called(job, "diff") == []
    assert "three: is new" in job.said


@pytest.mark.slow
def test_a_base_without_a_report_ends_nothing(checkout):
    change(checkout, "one.yaml", SPEC.format("FAILS"))
    change(checkout, "one.yaml", SPEC.format("better"))
    job = acted(checkout)
    assert not job.failed
    assert "one: the base has no report" in job.said


@pytest.mark.parametrize("sha", ["0" * 40, "1234567890" * 4, ""])
def test_where_there_is_no_base_all_specs_are_built_and_compared_with_nothing(checkout, sha):
    job = acted(checkout, sha=sha)
    assert not job.failed
    assert outputs(job, "choose") == {"base": "", "count": "2"}
    assert called(job, "diff") == []
    assert ("cannot be fetched" in job.said) == sha.startswith("1")


def test_a_base_is_fetched_where_the_checkout_is_shallow(checkout, tmp_path):
    change(checkout, "two.yaml", SPEC.format("new"))
    base = git(checkout, "rev-parse", "HEAD~1")
    git(checkout, "config", "uploadpack.allowAnySHA1InWant", "true")
    shallow = tmp_path / "shallow" / "checkout"
    shallow.parent.mkdir()
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{checkout}", str(shallow))
    job = acted(shallow, sha=base)
    assert not job.failed, job.said
    assert outputs(job, "choose") == {"base": base, "count": "1"}
    assert len(called(job, "diff")) == 1


@pytest.mark.slow
def test_a_base_may_be_named_by_a_branch_and_an_unknown_one_is_told(checkout):
    change(checkout, "two.yaml", SPEC.format("new"))
    assert outputs(acted(checkout, base="HEAD~1"), "choose")["count"] == "1"
    for base in ("$(touch pwned)", "--output=pwned", "nowhere"):
        job = acted(checkout, base=base)
        assert job.failed
        assert f"git knows no commit {base}" in job.said
    assert not list(checkout.rglob("pwned"))


def test_options_reach_the_build(checkout):
    change(checkout, "one.yaml", SPEC.format("new"))
    job = acted(checkout, changed_only="false", jobs="2", offline="true", locked="true", options="--allow-path data")
    first, *others = called(job, "build")
    assert first.endswith("/reports --allow-path data --jobs 2 --offline --locked -- specs/one.yaml specs/two.yaml")
    assert [one.rsplit("/base ")[1] for one in others] == [
        f"--allow-path data --offline -- specs/{name}.yaml" for name in ("one", "two")
    ]


def test_a_comparison_may_be_left_out(checkout):
    change(checkout, "one.yaml", SPEC.format("new"))
    job = acted(checkout, compare="false")
    assert (len(called(job, "build")), job.done["Compare with the base"]) == (1, "skipped")


@pytest.mark.slow
def test_a_path_that_all_depend_on_builds_all(checkout):
    change(checkout, "notes.txt", "more")
    assert outputs(acted(checkout, all_if="specs/notes.txt src"), "choose")["count"] == "2"


def test_specs_that_no_glob_finds_fail_the_job(checkout):
    job = acted(checkout, specs="nowhere/*.yaml")
    assert job.failed
    assert "no spec is found by: nowhere/*.yaml" in job.said
    assert job.done["Build the reports"] == "skipped"


def test_names_that_a_stranger_gave_run_nothing(checkout):
    names = [
        "$(touch pwned).yaml",
        "`touch pwned`.yaml",
        "; touch pwned;.yaml",
        "-o pwned.yaml",
        "a b.yaml",
        "a\nb.yaml",
    ]
    for name in names:
        (checkout / "specs" / name).write_text(SPEC.format(f"FAILS $(touch pwned) {MARK}"))
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "$(touch pwned)")
    job = acted(checkout)
    assert outputs(job, "choose")["count"] == str(len(names))
    assert outputs(job, "build") == {"code": "3"}
    assert not list(checkout.parent.rglob("pwned*"))
    assert job.summary.count(MARK) == 1
    assert "**No report of ??touch?pwned?.**" in job.summary


@pytest.mark.slow
def test_the_cache_is_saved_only_where_something_is_new(checkout):
    change(checkout, "two.yaml", SPEC.format("new"))
    assert outputs(acted(checkout), "tidy") == {"new": "true"}
    job = acted(checkout)
    assert outputs(job, "tidy") == {}
    assert job.done["Save the cache"] == "skipped"


@pytest.mark.slow
def test_the_key_of_the_cache_follows_specs_and_lock(checkout):
    before = outputs(acted(checkout), "places")
    assert outputs(acted(checkout), "places") == before
    (checkout / "layergrid.lock").write_text("{}")
    locked = outputs(acted(checkout), "places")
    assert locked["specs"] != before["specs"]
    assert locked["installs"] == before["installs"]
    assert re.fullmatch("[0-9a-f]{40}", before["specs"])


def test_it_is_installed_with_the_pinned_versions_of_the_makefile(checkout):
    job = acted(checkout, torch_index="https://example.com/cpu")
    made = (job.temporary / "made").read_text().split()
    assert Path(made[made.index("-C") + 1]) == TOP
    assert "TORCH_INDEX=https://example.com/cpu" in made
    assert made[-2:] == [f"{job.temporary}/layergrid/venv/.installed", "system"]


@pytest.mark.slow
@pytest.mark.parametrize(("bound", "failed"), [(0.0, False), (0.9, True)])
def test_with_layergrid_itself_a_spec_is_built_compared_and_told(checkout, bound, failed):
    expect = f"expect: [{{grid: shown, cell: {{layer: 1, position: last, at_least: {bound}}}}}]\n"
    change(checkout, "two.yaml", SPEC.format("new") + expect)
    change(checkout, "cells.csv", CELLS.format(0.7))
    job = acted(checkout, REAL, base="HEAD~2")
    assert job.failed == failed, job.said
    assert {name for name, outcome in job.done.items() if outcome == "failure"} == (
        {"End as the build did"} if failed else set()
    )
    reports = job.temporary / "layergrid" / "reports"
    assert {p.name for p in reports.iterdir()} == {"one", "two", "one-against-base", "two-against-base", "index.html"}
    assert (reports / "two" / "junit.xml").is_file()
    assert job.summary.startswith(f"{MARK}\n")
    assert "https://example.com/o/r/actions/runs/7" in job.summary


# ---------------------------------------------------------------- what CI.md says


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (TOP / "CI.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_guide_names_inputs_and_pins_that_there_are():
    guide = (TOP / "CI.md").read_text(encoding="utf-8")
    pins = {step["uses"].split("@")[1] for _, step in every_step() if "@" in step.get("uses", "")}
    assert set(re.findall(r"@([0-9a-f]{40})", guide)) <= pins
    action = read(ACTION)
    given = yaml.safe_load(blocks("yaml")[0])[1]["with"]
    assert set(given) <= set(action["inputs"])
    sentence = guide[guide.index("most useful:") :].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z-]+)`", sentence))
    assert named == (named & set(action["inputs"])) | set(action["outputs"])


def test_the_guide_for_gitlab_is_yaml_whose_scripts_can_be_parsed():
    job = yaml.safe_load(blocks("yaml")[1])["reports"]
    for line in job["script"]:
        assert subprocess.run(["bash", "-n"], input=line, text=True, check=False).returncode == 0


def test_the_guide_for_a_plain_shell_builds_compares_and_ends_as_the_build_did(checkout):
    change(checkout, "one.yaml", SPEC.format("UNMET"))
    change(checkout, "three.yaml", SPEC.format("three"))
    git(checkout, "clone", "-q", "--bare", ".", str(checkout.parent / "origin.git"))
    git(checkout, "remote", "add", "origin", str(checkout.parent / "origin.git"))
    git(checkout, "push", "-q", "origin", "HEAD~2:refs/heads/main", "--force")
    programs = checkout.parent / "programs"
    program(programs, "layergrid", SIMPLE)
    script = next(one for one in blocks("sh") if "worktree" in one)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "RUNNER_TEMP": str(programs)}
    ended = subprocess.run(["bash", "-eu", "-c", script], cwd=checkout, env=environment, check=False)
    assert ended.returncode == 1
    assert (programs / "called").read_text().splitlines() == [
        "changed --since origin/main specs/one.yaml specs/three.yaml specs/two.yaml",
        "build specs/one.yaml",
        "build -q specs/one.yaml",
        "diff base/reports/one reports/one --name one-against-base",
        "build specs/three.yaml",
    ]
    assert git(checkout, "worktree", "list").count("\n") == 0


# ---------------------------------------------------------------- the comment

PAGE = "https://example.com/o/r/actions/runs/7"
SHA = "a" * 40
GH = f"""\
#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(os.environ["RUNNER_TEMP"]) / "api"
arguments = sys.argv[2:]
method = arguments[arguments.index("--method") + 1] if "--method" in arguments else "GET"
address = next(one for one in arguments if one.startswith("repos/")).partition("?")[0].removeprefix("repos/o/r/")
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([method, address, arguments]) + "\\n")
if method == "GET":
    sys.stdout.buffer.write((here / address.replace("/", "_")).read_bytes())
else:
    (here / "body").write_bytes(pathlib.Path("comment.md").read_bytes())
"""


def pull(number: int = 12, sha: str = SHA, repository: str = "eve/r") -> dict[str, Any]:
    return {"number": number, "head": {"sha": sha, "repo": {"full_name": repository}}}


def commented(
    tmp_path: Path, summary: bytes | None, *, pulls: Any = None, comments: Any = (), branch: str = "b"
) -> Job:
    """A run of comment.yml where the API answers this."""
    api = tmp_path / "temporary" / "api"
    api.mkdir(parents=True)
    (api / "calls").touch()
    (api / "pulls").write_text(json.dumps([pull()] if pulls is None else pulls))
    artifacts = [] if summary is None else [{"id": 5, "expired": False, "size_in_bytes": 900}]
    (api / "actions_runs_7_artifacts").write_text(json.dumps({"artifacts": artifacts}))
    (api / "actions_artifacts_5_zip").write_bytes(summary or b"")
    (api / "issues_12_comments").write_text(json.dumps(list(comments)))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (job_of,) = read(".github/workflows/comment.yml")["jobs"].values()
    run = {"id": "7", "html_url": PAGE, "head_sha": SHA, "head_branch": branch, "event": "pull_request",
           "head_repository": {"full_name": "eve/r", "owner": {"login": "eve"}}}  # fmt: skip
    github = {"repository": "o/r", "token": "t", "event": {"workflow_run": run}}
    programs = tmp_path / "programs"
    program(programs, "gh", GH)
    job = Job(workspace, tmp_path / "temporary", {"github": github, "steps": {}}, programs)
    job.run([{**step, "env": {**job_of["env"], **step.get("env", {})}} for step in job_of["steps"]])
    return job


def zipped(tmp_path: Path, text: str | bytes, name: str = "summary.md") -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return path.read_bytes()


def sent(job: Job) -> tuple[list[tuple[str, str]], str]:
    """What was written to the API: methods with addresses, and the text of the comment."""
    api = job.temporary / "api"
    calls = [json.loads(line) for line in (api / "calls").read_text().splitlines()]
    body = api / "body"
    return [(m, a) for m, a, _ in calls if m != "GET"], body.read_text(encoding="utf-8") if body.exists() else ""


def test_a_summary_becomes_a_comment(tmp_path):
    job = commented(tmp_path, zipped(tmp_path, f"{MARK}\n## Reports\n\n| a &amp; b &lt;c&gt; |\n[more]({PAGE})\n"))
    assert not job.failed, job.said
    calls, body = sent(job)
    assert calls == [("POST", "issues/12/comments")]
    assert body.startswith(f"{MARK}\n## Reports\n\n| a &amp; b &lt;c&gt; |\n[more]({PAGE})\n")
    assert body.endswith(f"[The run with its reports]({PAGE}), built from `{SHA[:12]}`.\n")


def test_the_comment_of_before_is_updated_and_no_other(tmp_path):
    bot, text = {"login": "github-actions[bot]"}, f"{MARK}\nold"
    comments = [{"id": 1, "user": {"login": "eve"}, "body": text}, {"id": 2, "user": bot, "body": "other"},
                {"id": 3, "user": bot, "body": text}, {"id": 4, "user": bot, "body": text}]  # fmt: skip
    job = commented(tmp_path, zipped(tmp_path, f"{MARK}\nnew"), comments=comments)
    assert sent(job)[0] == [("PATCH", "issues/comments/3")]


@pytest.mark.parametrize(
    "pulls", [[], [pull(sha="b" * 40)], [pull(repository="mallory/r")], [{**pull(), "number": "1; x"}]]
)
def test_a_run_that_is_no_pull_requests_head_leaves_no_comment(tmp_path, pulls):
    job = commented(tmp_path, zipped(tmp_path, f"{MARK}\nnew"), pulls=pulls)
    assert not job.failed
    assert sent(job) == ([], "")


@pytest.mark.parametrize("branch", ["$(touch pwned)", "b&state=all", "'; touch pwned; '", "--method=POST"])
def test_the_name_of_a_branch_runs_nothing_and_is_one_value(tmp_path, branch):
    job = commented(tmp_path, zipped(tmp_path, f"{MARK}\nnew"), branch=branch)
    assert not job.failed, job.said
    first = json.loads((job.temporary / "api" / "calls").read_text().splitlines()[0])
    assert f"head=eve:{branch}" in first[2]
    assert not list(tmp_path.rglob("pwned*"))


def test_a_text_of_a_stranger_calls_nobody_and_fetches_and_links_nothing(tmp_path):
    text = (
        f"{MARK}\n@maintainer ![x](https://evil.example/x.png) [y](https://evil.example) <img src=//evil.example/z> "
        f"www.evil.example &#64;maintainer <!-- layergrid --> #1 [a]: https://evil.example\n<details><summary>s</summary>"
        f"$(touch pwned) `touch pwned` \x1b[31m\u202eabc</details> [fake]({PAGE}0)\n"
    )
    job = commented(tmp_path, zipped(tmp_path, text))
    assert not job.failed, job.said
    body = sent(job)[1].removesuffix(f"\n\n[The run with its reports]({PAGE}), built from `{SHA[:12]}`.\n")
    for sign in ("@m", "](", "]:", "://", "<img", "<!-- layergrid --> ", "&#", "www.", "#1", "\x1b", "\u202e"):
        assert sign not in body.removeprefix(MARK), sign
    assert "<details><summary>s</summary>$(touch pwned) `touch pwned`" in body
    assert not list(tmp_path.rglob("pwned*"))


@pytest.mark.parametrize(
    "archive",
    [b"no zip", ("other.md", f"{MARK}\nnew"), ("../summary.md", f"{MARK}\nnew"), ("summary.md", "no mark"),
     ("summary.md", b"\xff\xfe"), ("summary.md", "")],
)  # fmt: skip
def test_an_artifact_that_is_not_what_it_should_be_leaves_no_comment_and_no_file(tmp_path, archive):
    data = archive if isinstance(archive, bytes) else zipped(tmp_path, archive[1], archive[0])
    job = commented(tmp_path, data)
    assert sent(job) == ([], "")
    assert {p.name for p in (tmp_path / "workspace").iterdir()} <= {"numbers", "summary.zip"}
    assert not (tmp_path / "summary.md").exists()


def test_a_summary_that_unfolds_to_megabytes_is_cut(tmp_path):
    job = commented(tmp_path, zipped(tmp_path, MARK.encode() + b"\n" + b"@" * 5_000_000))
    assert not job.failed, job.said
    assert 1_000 < len(sent(job)[1]) <= 65_536


def test_a_run_without_a_summary_leaves_no_comment(tmp_path):
    job = commented(tmp_path, None)
    assert not job.failed
    assert sent(job) == ([], "")
