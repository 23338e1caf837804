"""Equal specs give equal bytes, wherever, whenever and by whomever they are built."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from building import run, tree
from layergrid import precomputed
from layergrid.artifacts import ModelCard

N, L, P, D = 24, 3, 2, 6
GIVEN = """\
title: Given states
authors: [Ada]
models: {given: activations:states/manifest.json}
datasets:
  rows: {source: rows.csv, id: id, group: family, label: {column: right}}
positions: [last_q, "-1"]
grids:
  size: {kind: activation, measure: norm, contrast: label}
  likeness: {kind: similarity, with: last_q}
  shown: {kind: table, source: cells.csv}
expect:
  - {grid: size, cell: {layer: 1, position: last_q, at_least: -1000}}
outputs: [html, md]
"""
TABLE = """\
title: A table
grids: {shown: {kind: table, source: cells.csv}}
pdf: archive
outputs: [pdf]
"""
DRIVER = """
import datetime, getpass, os, platform, socket, sys, time
class Hidden:  # Arrow reads pandas where it is there, and its compiled parts bear no clock but the real one
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
umask, host, years = sys.argv[1:4]
del sys.argv[1:4]
os.umask(int(umask, 8))
seconds, clock, now = int(years) * 31_536_000, time.time, datetime.datetime.now
time.time = lambda: clock() + seconds
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return now(tz) + datetime.timedelta(seconds=seconds)
datetime.datetime = Shifted
socket.gethostname = platform.node = lambda: host
getpass.getuser = os.getlogin = lambda: host
from layergrid import cli
cli.main()
"""
HOSTS = ("first-host-of-all", "another-host-of-all")


@dataclass(frozen=True)
class Where:
    """Everything about a build that may not be seen in its report."""

    home: Path  # of the specs
    work: Path  # where the commands run
    cache: Path
    environment: dict[str, str]
    told: tuple[str, str, str]  # umask, host, years that the clock is ahead

    @classmethod
    def made(cls, top: Path, *, other: bool) -> Where:
        """A place of its own, of one sort or of the other."""
        home = top / ("a place with a much longer name \u00e9" if other else "a")
        work = home / "elsewhere" if other else home
        for folder in (home, work, home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        said = {"PYTHONHASHSEED": "2" if other else "1", "TZ": "Asia/Kathmandu" if other else "UTC",
                "LC_ALL": "C" if other else "C.UTF-8", "LANG": "C" if other else "C.UTF-8",
                "USER": "bob" if other else "ada", "LOGNAME": "bob" if other else "ada",
                "HOME": str(home), "TMPDIR": str(home / "tmp"), "COLUMNS": "200" if other else "60",
                "TERM": "dumb" if other else "xterm", "XDG_CACHE_HOME": str(home / "tmp")}  # fmt: skip
        told = ("0077" if other else "0022", HOSTS[other], "3" if other else "0")
        return cls(home, work, home / ("kept" if other else "cache"), said, told)

    def run(self, *arguments: object, **environment: str) -> str:
        """What a command prints."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "SOURCE_DATE"))}
        environment = {**kept, **self.environment, "LAYERGRID_CACHE": str(self.cache), **environment}
        command = [sys.executable, "-c", DRIVER, *self.told, *map(str, arguments)]
        ended = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout.decode()


def inputs(home: Path) -> None:
    """The two specs and what they name."""
    draws = np.random.default_rng(0)
    ids = [f"q{i}" for i in range(N)]
    rows = "".join(f"{one},{i % 2},f{i // 2}\n" for i, one in enumerate(ids))
    (home / "rows.csv").write_text("id,right,family\n" + rows)
    cells = "".join(f"{layer},{p},{draws.uniform():.4f}\n" for layer in range(L) for p in ("first", "last"))
    (home / "cells.csv").write_text("layer,position,value\n" + cells)
    states = {"residual": draws.normal(size=(L + 1, P, N, D)).astype(np.float32)}
    card = ModelCard("tiny", "", "Llama", L, D, 1000, "float32", "r1", heads=2)
    precomputed.save(home / "states", states, card=card, positions=("last_q", "-1"), ids=ids)
    (home / "given.yaml").write_text(GIVEN)
    (home / "table.yaml").write_text(TABLE)


def told(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, of manifests what identifies the build."""
    found = tree(folder)
    for name in found:
        if name.endswith("manifest.json"):
            found[name] = json.dumps(json.loads(found[name])["build"], sort_keys=True).encode()
    return found


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def secrets(where: Where) -> list[str]:
    """What no output may tell."""
    return [str(where.home), str(where.cache), str(where.work), sys.prefix, *HOSTS, "Kathmandu"]


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The same two specs, built in two places of which everything else differs."""
    top = tmp_path_factory.mktemp("twice")
    places = [Where.made(top, other=other) for other in (False, True)]
    for where, order in zip(places, (["given.yaml", "table.yaml"], ["table.yaml", "given.yaml"]), strict=True):
        inputs(where.home)
        near = where.home == where.work
        specs = [where.home / one if near else os.path.relpath(where.home / one, where.work) for one in order]
        where.run("build", *specs, "--out", where.home / "reports" if near else "../reports", "--quiet")
    return places


def test_two_builds_of_which_all_else_differs_give_the_same_bytes(twice):
    one, other = (told(where.home / "reports") for where in twice)
    assert differing(one, other) == []
    assert {"index.html", "given/junit.xml", "given/report.html", "table/report.pdf"} <= set(one)


def test_no_output_tells_where_when_or_by_whom_it_was_made(twice):
    for where in twice:
        for name, data in told(where.home / "reports").items():
            said = data if not name.endswith(".pdf") else opened(data)
            assert [one for one in secrets(where) if os.fsencode(one) in said] == [], name


def opened(pdf: bytes) -> bytes:
    """All objects of a PDF, unfolded."""
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(pdf))
    found = [repr(reader.metadata).encode(), reader.trailer["/Root"].get("/Metadata", {}).get_object().get_data()]
    for number in range(1, reader.trailer["/Size"]):
        one = reader.get_object(number)
        found.append(one.get_data() if hasattr(one, "get_data") else repr(one).encode())
    return b"\n".join(found)


def test_what_describes_the_run_stands_apart_from_what_identifies_the_build(twice):
    for where in twice:
        manifest = json.loads((where.home / "reports" / "given" / "manifest.json").read_text())
        assert set(manifest) == {"format", "build", "run"}
        assert set(manifest["run"]) == {"platform", "system", "python", "threads", "lock", "seconds"}
        assert not set(manifest["run"]) & set(manifest["build"])
        assert manifest["build"]["date"] == ""


def test_a_report_in_the_cache_gives_the_bytes_of_one_that_is_made(twice, tmp_path):
    where = twice[0]
    where.run("build", where.home / "table.yaml", "--out", tmp_path / "again", "--quiet")
    assert tree(tmp_path / "again" / "table") == tree(where.home / "reports" / "table")


# ---------------------------------------------------------------- dates


def pressed(standard: str) -> tuple[dict[str, str], bytes]:
    """The dates in a PDF of one page, by name, and its bytes."""
    import pypdf

    from layergrid.render.press import Attached, Press

    press = Press(standard=standard)
    made = press.laid_out("<html lang=en><title>t</title><p>words</p>")
    data = press.written(made, [Attached("a.csv", b"a", "a table")] if standard == "archive" else ())
    reader = pypdf.PdfReader(io.BytesIO(data))
    found = {name: str(value) for name, value in (reader.metadata or {}).items() if name.endswith("Date")}
    xmp = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    found |= dict(re.findall(r"<xmp:(\w+Date)>(.*?)</", xmp))
    for one in reader.trailer["/Root"].get("/AF", []):
        params = one.get_object()["/EF"]["/F"].get_object()["/Params"]
        found |= {f"file {name}": str(value) for name, value in params.items() if name.endswith("Date")}
    return found, data


@pytest.mark.parametrize("standard", ["tagged", "archive"])
def test_a_pdf_bears_the_date_of_the_environment_everywhere_or_none_anywhere(standard, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    dates, undated = pressed(standard)
    assert dates == {}
    assert b"197001" not in undated
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    dates, _ = pressed(standard)
    assert set(dates.values()) == {"2023-11-14T22:13:20Z", "D:20231114221320Z"}
    assert len(dates) == (6 if standard == "archive" else 4)


@pytest.mark.parametrize("said", ["now", "-1", "1.5", "1e9", "\u0661\u0662", "9" * 12, "1 700 000 000"])
def test_a_date_that_is_none_is_refused_before_anything_runs(said, tmp_path, monkeypatch):
    inputs(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
    ran = run("build", tmp_path / "table.yaml", "--out", tmp_path / "reports")
    assert (ran.code, (tmp_path / "reports" / "table").exists()) == (2, False)
    assert "SOURCE_DATE_EPOCH is" in ran.err
    assert "expected seconds since 1970" in ran.err


def test_the_last_date_that_can_be_written_is_taken(monkeypatch):
    from layergrid.render import dating

    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(dating.LAST))
    assert dating.stamp(("pdf",)) == "9999-12-31T23:59:59Z"
    assert dating.stamp(("html", "md")) == ""


@pytest.mark.slow
def test_another_date_makes_another_report_where_there_is_a_pdf(tmp_path, monkeypatch):
    inputs(tmp_path)
    seen = []
    for said in ("", "1700000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
        assert run("build", tmp_path / "table.yaml", "--out", tmp_path / "reports", "-q").code == 0
        seen.append(tree(tmp_path / "reports" / "table"))
    assert differing(*seen) == ["manifest.json", "report.pdf"]
    assert json.loads(seen[1]["manifest.json"])["build"]["date"] == "2023-11-14T22:13:20Z"


# ---------------------------------------------------------------- every kind of stage

EVERYTHING = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums:
    source: builtin:arithmetic
    sample: 60
    group: operands
    prompt: "Question: {{ question }}\\nAnswer:"
    generate: {max_new_tokens: 32, batch: 30}
positions: [last_q, first_answer, exact_answer_last, -1]
grids:
  errors: {kind: probe, folds: 3, penalties: [0.001, 0.1], baselines: [answer_length]}
  norms: {kind: activation, measure: norm, contrast: error}
  likeness: {kind: similarity, with: first_answer, positions: [last_q, -1]}
  lens: {kind: logit_lens, target: answer, measure: rank}
  looks: {kind: attention, from: -1, heads: each, sink: drop}
  text: {kind: attention, from: exact_answer_last, text: true}
expect:
  - {grid: errors, nested_best: {at_least: 0.01}}
"""


@pytest.mark.slow
def test_every_stage_gives_the_same_bytes_made_or_kept_alone_or_beside_others(tmp_path):
    places = [Where.made(tmp_path, other=other) for other in (False, True)]
    for where in places:
        inputs(where.home)
        (where.home / "all.yaml").write_text(EVERYTHING)
    one, other = places
    threads = {"OMP_NUM_THREADS": "1"}
    one.run("build", one.home / "all.yaml", one.home / "given.yaml", "--out", one.home / "reports", **threads)
    one.run("diff", "reports/all", "reports/given", "--name", "apart", "--out", "reports")
    specs = [os.path.relpath(other.home / name, other.work) for name in ("given.yaml", "all.yaml")]
    other.run("build", *specs, "--out", "../reports", "--jobs", "3", **threads)
    other.run("diff", "../reports/all", "../reports/given", "--name", "apart", "--out", "../reports")
    made, together = (told(where.home / "reports") for where in places)
    assert differing(made, together) == []
    assert "apart/report.pdf" in made
    for where in places:
        for name, data in told(where.home / "reports").items():
            said = data if not name.endswith(".pdf") else opened(data)
            assert [one for one in secrets(where) if os.fsencode(one) in said] == [], name
    for stage in sorted(p.name for p in (one.cache / "v1").iterdir() if p.is_dir()):
        if stage in ("locks", "unfinished", "digests"):
            continue
        shutil.rmtree(one.cache / "v1" / stage)  # that stage is made again from what the others kept
        shutil.rmtree(one.cache / "v1" / "report", ignore_errors=True)
        one.run("build", one.home / "all.yaml", "--out", one.home / "again", **threads)
        again = told(one.home / "again")
        assert [name for name in differing(again, made) if name.startswith("all/")] == [], stage


@pytest.mark.slow
def test_plans_and_locks_are_the_same_bytes_everywhere(tmp_path):
    places = [Where.made(tmp_path, other=other) for other in (False, True)]
    seen = []
    for where in places:
        inputs(where.home)
        spec = os.path.relpath(where.home / "given.yaml", where.work)
        first = where.run("plan", "--json", spec)
        where.run("lock", spec)
        plans = [json.loads(one) for one in (first, where.run("plan", "--json", spec))]
        seen.append([unmeasured(plans), (where.home / "layergrid.lock").read_bytes()])
    assert seen[0] == seen[1]


def unmeasured(value: object) -> object:
    """A plan without what it measures: times that it foretells, and the room on the disk."""
    if isinstance(value, dict):
        return {name: unmeasured(one) for name, one in value.items() if name not in ("seconds", "disk_free")}
    return [unmeasured(one) for one in value] if isinstance(value, list) else value
