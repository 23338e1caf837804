from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from kept import content, filled, key, refuses, writes
from layergrid.cli import app
from layergrid.errors import BadInput, BuildError
from layergrid.store import ENTRY, Store, sharing, sweep
from test_store_damage import HOSTILE, NAMES, renamed


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "net work ü"
    folder.mkdir()
    return folder


def everything(_):
    return True


def run(*arguments):
    return CliRunner().invoke(app, ["cache", *arguments])


def files_of(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir()}


def test_what_one_machine_pushes_another_pulls(tmp_path, shared):
    here, there = Store(tmp_path / "a"), Store(tmp_path / "b")
    for i in range(3):
        filled(here, i, size=2000)
    first = sharing.push(here.root, shared, everything)
    assert (first.copied, first.there, first.damaged) == (3, 0, ())
    again = sharing.push(here.root, shared, everything)
    assert (again.copied, again.there) == (0, 3)
    assert not list((shared / "v1" / "unfinished").iterdir())
    pulled = sharing.pull(there.root, shared, everything)
    assert (pulled.copied, pulled.bytes, pulled.there) == (3, first.bytes, 0)
    assert sharing.pull(there.root, shared, everything).there == 3
    for i in range(3):
        assert content(there.build(key(i), refuses)) == content(here.build(key(i), refuses))
    assert [one.whole for one in there.entries()] == [one.whole for one in here.entries()]
    assert not list((there.root / "unfinished").iterdir())


def test_the_commands_push_and_pull_and_choose_by_stage_and_use(shared, monkeypatch, tmp_path):
    store = Store()
    filled(store, 0, stage="report")
    filled(store, 1, days=9)
    filled(store, 2)
    said = run("push", str(shared), "--stage", "capture", "--used-within", "7 days")
    assert said.output.startswith("1 result pushed (1.5 kB); 0 were there already")
    assert run("push", str(shared)).output.startswith("2 results pushed")
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "other"))
    assert run("pull", str(shared), "--stage", "report").output.startswith("1 result pulled")
    assert run("pull", str(shared)).output.startswith("2 results pulled (2.9 kB); 1 was there already")


def test_what_is_pushed_is_as_open_as_the_shared_folder(tmp_path, shared):
    shared.chmod(0o2775)
    before = os.umask(0o077)
    try:
        filled(Store(tmp_path / "a"), 0)
        sharing.push(tmp_path / "a" / "v1", shared, everything)
    finally:
        os.umask(before)
    for one in (shared / "v1").rglob("*"):
        assert stat.S_IMODE(one.stat().st_mode) == (0o2775 if one.is_dir() else 0o664), one


def test_a_build_takes_from_the_shared_folder_what_it_lacks(tmp_path, shared, monkeypatch):
    filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    monkeypatch.setenv("LAYERGRID_SHARED_CACHE", str(shared))
    told = []
    store = Store(tmp_path / "b", warn=told.append)
    assert store.state(key(0)) == "kept"
    assert store.has(key(0))
    assert store.state(key(1)) == "absent"
    folder = store.build(key(0), refuses)
    assert content(folder) == content(Store(tmp_path / "a").build(key(0), refuses))
    assert tmp_path / "b" in folder.parents
    assert told == ["the result of capture was taken from the shared cache"]
    assert content(store.build(key(1), writes()))
    assert files_of(shared) == {f"v1/capture/{key(0).digest}/{n}" for n in (ENTRY, "values.bin", "deep/words.json")}
    assert not list((store.root / "unfinished").iterdir())


@pytest.mark.parametrize("reading", ["build", "pull"])
@pytest.mark.parametrize("name", [*HOSTILE, "a changed byte", *(one for one in NAMES if "." in one)])
def test_nothing_wrong_comes_in_from_a_shared_folder(name, reading, tmp_path, shared):
    folder = filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    theirs = shared / "v1" / "capture" / folder.name
    if name in HOSTILE:
        HOSTILE[name](theirs)
    elif name == "a changed byte":
        (theirs / "values.bin").write_bytes(bytes(999) + b"\1")
    else:
        renamed(theirs, name)
    before = files_of(tmp_path)
    told = []
    store = Store(tmp_path / "b", warn=told.append, shared=shared)
    if reading == "build":
        made = store.build(key(0), writes(10, 7))
        assert content(made) == {"values.bin": bytes([7]) * 10, "deep/words.json": b'"7"'}
        assert "in the shared cache is damaged" in told[0]
        shutil.rmtree(made)
    else:
        moved = sharing.pull(store.root, shared, everything)
        assert (moved.copied, len(moved.damaged)) == (0, 1)
        assert not store.has(key(0)) or name == "a changed byte"  # which sizes do not tell
    assert {one for one in files_of(tmp_path) if not one.startswith("b/v1/locks")} == before


def test_damage_found_on_the_way_is_told_with_an_exit_code(tmp_path, shared):
    (filled(Store(), 0) / "values.bin").write_bytes(bytes(999) + b"\1")
    filled(Store(), 1)
    said = run("push", str(shared))
    assert said.exit_code == 3
    assert "not pushed, it is damaged" in said.stderr
    assert "1 result pushed" in said.stdout


def test_a_damaged_result_in_the_shared_folder_is_replaced_by_the_next_push(tmp_path, shared):
    filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    theirs = shared / "v1" / "capture" / key(0).digest
    (theirs / "values.bin").write_bytes(b"")
    assert sharing.push(tmp_path / "a" / "v1", shared, everything).copied == 1
    assert (theirs / "values.bin").read_bytes() == bytes(1000)
    assert not list((shared / "v1" / "unfinished").iterdir())


def test_a_local_result_that_is_damaged_is_replaced_by_pulling(tmp_path, shared):
    folder = filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    (folder / ENTRY).write_text("{}")
    assert sharing.pull(tmp_path / "a" / "v1", shared, everything).copied == 1
    assert Store(tmp_path / "a").get(key(0)) == folder


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_folder_that_is_not_there_is_not_made(command, tmp_path):
    error = run(command, str(tmp_path / "mount")).exception
    assert isinstance(error, BadInput)
    assert "make it, or mount it, first" in str(error)
    assert not (tmp_path / "mount").exists()


@pytest.mark.parametrize("command", ["push", "pull"])
def test_the_cache_itself_is_no_shared_folder(command):
    filled(Store(), 0)
    assert "is the cache itself" in str(run(command, str(Store().root.parent)).exception)


def test_a_shared_cache_that_is_not_mounted_is_told_and_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_SHARED_CACHE", str(tmp_path / "mount"))
    told = []
    assert content(Store(tmp_path / "a", warn=told.append).build(key(0), writes()))
    assert [f"the shared cache {tmp_path / 'mount'} is not there" in one for one in told] == [True]


def test_a_store_that_is_its_own_shared_cache_needs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_SHARED_CACHE", str(tmp_path))
    assert content(Store(tmp_path).build(key(0), writes()))


def test_a_shared_folder_that_is_read_only_is_told(tmp_path, shared, monkeypatch):
    filled(Store(tmp_path / "a"), 0)
    real = os.mkdir

    def read_only(path, *rest, **more):
        if str(path).startswith(str(shared)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "mkdir", read_only)
    with pytest.raises(BuildError, match=r"shared folder .* cannot be written \(Read-only file system\)"):
        sharing.push(tmp_path / "a" / "v1", shared, everything)
    assert not files_of(shared)


def test_a_disk_that_is_full_while_copying_leaves_nothing(tmp_path, shared, monkeypatch):
    filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sharing, "_copy", full)
    with pytest.raises(BuildError, match=r"cannot be written \(No space left on device\)"):
        sharing.pull(tmp_path / "b" / "v1", shared, everything)
    with pytest.raises(BuildError, match="no space is left for the result of capture"):
        Store(tmp_path / "b", shared=shared).build(key(0), refuses)
    assert not [one for one in (tmp_path / "b" / "v1").rglob("*") if not one.is_dir() and "locks" not in one.parts]


def test_copies_that_were_never_finished_are_cleared_after_days(tmp_path, shared):
    filled(Store(tmp_path / "a"), 0)
    for name, days in (("old", 3), ("new", 0)):
        left = shared / "v1" / "unfinished" / name
        left.mkdir(parents=True)
        os.utime(left, (time.time() - days * 86400,) * 2)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    assert [one.name for one in (shared / "v1" / "unfinished").iterdir()] == ["new"]


PUSHER = """
import sys
from pathlib import Path
from layergrid.store import sharing
moved = sharing.push(Path(sys.argv[1]) / "v1", Path(sys.argv[2]), lambda one: True)
assert not moved.damaged, moved
print(moved.copied + moved.there)
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_several_who_push_and_pull_the_same_at_once_agree(damaged, tmp_path, shared):
    for i in range(40):
        filled(Store(tmp_path / "a"), i, size=50_000)
    if damaged:
        sharing.push(tmp_path / "a" / "v1", shared, everything)
        for file in (shared / "v1").rglob("values.bin"):
            file.write_bytes(b"")
    command = [sys.executable, "-c", PUSHER, str(tmp_path / "a"), str(shared)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    while any(child.poll() is None for child in children):
        sharing.pull(tmp_path / "b" / "v1", shared, everything)
    assert [child.communicate()[0] for child in children] == ["40\n"] * 4
    assert sharing.pull(tmp_path / "b" / "v1", shared, everything).damaged == ()
    store = Store(tmp_path / "b")
    for i in range(40):
        assert content(store.build(key(i), refuses))["values.bin"] == bytes([i]) * 50_000
    assert not list((shared / "v1" / "unfinished").iterdir())


def test_a_killed_push_leaves_whole_results_or_none(tmp_path, shared):
    for i in range(30):
        filled(Store(tmp_path / "a"), i, size=200_000)
    child = subprocess.Popen([sys.executable, "-c", PUSHER, str(tmp_path / "a"), str(shared)], stdout=subprocess.PIPE)
    while not list(shared.glob("v1/capture/*")):
        time.sleep(0.001)
    child.kill()
    child.communicate()
    moved = sharing.pull(tmp_path / "b" / "v1", shared, everything)
    assert moved.damaged == ()
    assert 0 < moved.copied <= 30
    assert sharing.push(tmp_path / "a" / "v1", shared, everything).there == moved.copied


def test_what_is_pulled_may_be_swept(tmp_path, shared):
    filled(Store(tmp_path / "a"), 0)
    sharing.push(tmp_path / "a" / "v1", shared, everything)
    sharing.pull(tmp_path / "b" / "v1", shared, everything)
    assert len(sweep(tmp_path / "b" / "v1", None, 0).gone) == 1
    assert json.loads((shared / "v1" / "capture" / key(0).digest / ENTRY).read_text())["key"] == key(0).digest
    assert not list((tmp_path / "b" / "v1" / "capture").iterdir())
