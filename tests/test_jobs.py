"""Several things at once: what executors promise, and that builds come out the same with any number of jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from building import SPEC, build, cache, run, tree
from layergrid.errors import BadInput, BuildError
from layergrid.executors.processes import Processes, cores
from layergrid.executors.serial import Serial
from layergrid.kinds import Executor, known
from tasks import task

TESTS = Path(__file__).parent
SEVERAL = f"""{SPEC}
  sizes: {{kind: activation, measure: relative_norm, site: residual}}
  read: {{kind: logit_lens}}
outputs: [md]
"""
DRIVER = """
import sys
from layergrid.executors.processes import Processes
from tasks import task
if __name__ == "__main__":
    def hear(said):
        if said[0] == "pids":
            print(*said[1], flush=True)
    try:
        Processes(jobs=2).map(task, [("sleeps", 0), ("sleeps", 0)], hear)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def alive(pid):
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids, seconds=10.0):
    """Waits until none of the processes is there."""
    until = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, [pid for pid in pids if alive(pid)]
        time.sleep(0.05)


# ---------------------------------------------------------------- executors


def test_executors_are_kinds():
    assert known(Executor) == {"processes": Processes, "serial": Serial}


@pytest.mark.parametrize("executor", [Serial(), Processes(jobs=2)], ids=["serial", "processes"])
def test_results_stand_in_the_order_of_the_items_and_an_error_in_the_place_of_its_result(executor):
    heard = []
    items = [("square", 3), ("bad input", "no rows"), ("square", 5), ("awkward", 0)]
    nine, wrong, twenty_five, awkward = executor.map(task, items, heard.append)
    assert (nine, twenty_five) == (9, 25)
    assert (type(wrong), str(wrong)) == (BadInput, "no rows")
    assert "one and two" in str(awkward)
    assert sorted(heard) == sorted(("doing", name) for name, _ in items)


def test_what_happens_in_a_worker_is_told_and_costs_its_own_task_alone(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("layergrid.executors.processes.cores", lambda: 6)
    before = multiprocessing_children()  # the pool that joblib keeps, where an earlier test needed one
    items = [("killed", 0), ("exits", 0), ("square", 4), ("unsendable", 0), ("threads", 0)]
    killed, left, sixteen, unsendable, (threads, processes, told) = Processes(jobs=2).map(task, items, lambda _: None)
    assert isinstance(killed, BuildError)
    assert "was killed, as the system does when memory is short; try fewer --jobs" in str(killed)
    assert "ended with 7 before its answer" in str(left)
    assert sixteen == 16
    assert "pickle" in str(unsendable).lower()
    assert max(threads) <= 3
    assert (processes, told) == (min(3, cores_of_joblib()), "3")
    assert multiprocessing_children() == before


def cores_of_joblib():
    import joblib

    return joblib.cpu_count()


def multiprocessing_children():
    import multiprocessing

    return multiprocessing.active_children()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "how", [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGKILL, signal.SIGTERM))]
)
def test_whatever_ends_a_command_ends_its_workers_and_all_that_they_started(how, tmp_path):
    (tmp_path / "driver.py").write_text(DRIVER)
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(
        [sys.executable, tmp_path / "driver.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, **heard,
    ) as command:  # fmt: skip
        pids = [int(pid) for _ in range(2) for pid in command.stdout.readline().split()]
        assert len(pids) == 4
        started = time.monotonic()
        command.send_signal(how)
        command.wait(10)
        assert command.returncode == (130 if how == signal.SIGINT else -how)
        assert time.monotonic() - started < 5
        gone(pids)
        assert command.stderr.read() == ""


# ---------------------------------------------------------------- builds


@pytest.mark.parametrize("jobs", ["-1", "two", "1.5", "99999"])
def test_a_number_of_jobs_that_is_none_is_refused(jobs):
    ran = run("build", "x.yaml", f"--jobs={jobs}")
    assert ran.code == 2
    assert "expected a number of processes such as 2, or auto" in ran.err


def test_all_cores_are_meant_by_0_and_auto():
    from layergrid.cli.options import at_once

    assert at_once("0") == at_once("auto") == cores()
    assert at_once("3") == 3


def identified(report):
    """The files of a report, without what describes the run."""
    found = tree(report)
    manifest = json.loads(found.pop("manifest.json"))
    manifest.pop("run")
    return found, manifest


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Three specs, built one after the other: two that share answers, and one whose data is wrong."""
    home = tmp_path_factory.mktemp("serial")
    texts = {
        "first": SEVERAL,
        "second": SEVERAL.replace("folds: 3", "folds: 4"),
        "wrong": SEVERAL.replace("group: operands", "group: nothing"),
    }
    for name, text in texts.items():
        (home / f"{name}.yaml").write_text(text, encoding="utf-8")
    specs = [home / f"{name}.yaml" for name in texts]
    with cache(home / "cache"):
        return home, specs, run("build", *specs, "--out", home / "reports")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2, 3])
def test_reports_errors_and_exit_code_are_the_same_with_any_number_of_jobs(serial, tmp_path, jobs):
    home, specs, before = serial
    with cache(tmp_path / "cache"):
        ran = run("build", *specs, "--out", tmp_path / "reports", "--jobs", jobs)
    assert ran.code == before.code == 2
    assert ran.err.splitlines()[-1] == before.err.splitlines()[-1]
    assert ran.out.replace(str(tmp_path), str(home)) == before.out
    for name in ("first", "second"):
        assert identified(tmp_path / "reports" / name) == identified(home / "reports" / name)
    made = re.findall(r"^(\w+: [\w ]+): done", ran.err, re.M)
    assert len(made) == len(set(made))
    assert [one for one in made if "generate" in one or "capture" in one] == ["first: generate", "first: capture"]


@pytest.mark.slow
def test_a_worker_that_is_killed_fails_its_spec_and_the_next_build_goes_on(serial, tmp_path):
    home, specs, _ = serial
    environment = {**os.environ, "LAYERGRID_CACHE": str(tmp_path / "cache")}
    arguments = ["build", *specs[:2], "--out", tmp_path / "reports", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "layergrid.cli", *map(str, arguments)], env=environment, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    ) as building:  # fmt: skip
        said = []
        for line in building.stderr:
            said.append(line)
            if line.startswith("first: errors: probe"):
                for worker in workers(building.pid):
                    os.kill(worker, signal.SIGKILL)
                break
        said += building.stderr
    assert building.returncode == 3, "".join(said)
    assert re.search(r"^first: grid (errors|sizes): a process that worked on it was killed", "".join(said), re.M)
    assert "Traceback" not in "".join(said)
    with cache(tmp_path / "cache"):
        again = run(*arguments)
    assert again.code == 0, again.err
    assert identified(tmp_path / "reports" / "first") == identified(home / "reports" / "first")


def workers(parent):
    """The processes that a command started, without the one that only counts resources."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


@pytest.mark.slow
def test_an_interrupt_ends_a_build_with_jobs_and_shows_what_was_done(serial, tmp_path):
    _, specs, _ = serial
    environment = {**os.environ, "LAYERGRID_CACHE": str(tmp_path / "cache")}
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(
        [sys.executable, "-m", "layergrid.cli", "build", *map(str, specs[:2]), "--out", tmp_path, "--jobs", "2"],
        env=environment, stderr=subprocess.PIPE, text=True, **heard,
    ) as building:  # fmt: skip
        said, pids = [], []
        for line in building.stderr:
            said.append(line)
            if line.startswith("first: errors: probe"):
                pids = workers(building.pid)
                building.send_signal(signal.SIGINT)
                break
        said += building.stderr
    assert building.returncode == 130
    assert said[-1] == "interrupted; finished stages are kept, and the next build goes on from them\n"
    assert any(re.match(r"first: errors .* stopped", line) for line in said)
    assert any(re.match(r"first: generate .* s ", line) for line in said)
    assert "Traceback" not in "".join(said)
    assert pids
    gone(pids)


@pytest.mark.slow
def test_where_the_cache_cannot_be_written_one_thing_is_made_after_the_other(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "small.yaml").write_text(SEVERAL)
    with cache(tmp_path / "file"):
        ran = run("build", tmp_path / "small.yaml", "--out", tmp_path / "reports", "--jobs", "2")
    assert ran.code == 0, ran.err
    assert "so one thing is made after the other, whatever --jobs says" in ran.err


@pytest.mark.slow
def test_one_spec_whose_grids_are_made_at_once_is_as_without(serial, tmp_path):
    home, _, _ = serial
    study = build(tmp_path, SEVERAL, "first", "--jobs", "2")
    assert study.ran.code == 0, study.ran.err
    assert identified(study.report) == identified(home / "reports" / "first")
