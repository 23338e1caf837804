from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept import content, filled, key, refuses, writes
from layergrid.kinds import BuildError
from layergrid.store import ENTRY, Key, Store, sweep
from layergrid.store.locks import MOST, Uses, alone, unused

WORDS = st.text(max_size=20) | st.sampled_from(["../../etc/x", "a/b", "\0", "\ud800", ""])
PARTS = st.dictionaries(
    WORDS, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS, max_size=4
)


# ---------------------------------------------------------------- what a store tells


def test_an_entry_tells_what_it_took_and_of_how_much_work(tmp_path):
    store = Store(tmp_path)

    def slow(folder):
        time.sleep(0.03)
        writes()(folder)

    before = time.time()
    folder = store.build(key(0), slow, amount=700)
    (one,) = store.entries()
    assert (one.stage, one.digest, one.folder, one.amount) == ("capture", key(0).digest, folder, 700)
    assert 0.03 <= one.seconds < 5
    assert one.whole == key(0).parts
    assert one.bytes == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert before - 1 <= one.used <= time.time()
    assert json.loads((folder / ENTRY).read_text())["made"] == {"seconds": one.seconds, "amount": 700}


def test_entries_are_told_in_order_and_those_in_the_making_are_none(tmp_path):
    store = Store(tmp_path)
    for i, stage in ((0, "read"), (1, "capture"), (2, "capture")):
        filled(store, i, stage=stage)
    (tmp_path / "v1" / "unfinished" / key(5).name).mkdir()
    (tmp_path / "v1" / "capture" / ("0" * 64)).mkdir()
    found = [(one.stage, one.digest) for one in Store(tmp_path).entries()]
    assert found == sorted(found)
    assert len(found) == 3
    assert list(Store(tmp_path / "none").entries()) == []


def test_the_state_of_a_result_is_known_without_reading_its_bytes(tmp_path):
    store = Store(tmp_path)
    assert store.state(key(0)) == "absent"
    folder = filled(store, 0)
    assert store.state(key(0)) == "kept"
    (folder / "values.bin").write_bytes(bytes(999) + b"\1")
    assert Store(tmp_path).state(key(0)) == "kept"
    (folder / "values.bin").write_bytes(bytes(999))
    assert Store(tmp_path).state(key(0)) == "damaged"
    assert not Store(tmp_path).has(key(0))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=WORDS, labels=st.dictionaries(WORDS, PARTS, max_size=3))
def test_what_a_build_stood_on_comes_back_under_any_name(name, labels, tmp_path):
    store = Store(tmp_path)
    keys = {label: Key.of("stage", 1, parts) for label, parts in labels.items()}
    store.remember(name, keys)
    assert Store(tmp_path).remembered(name) == {label: one.parts for label, one in keys.items()}
    assert {one.parent for one in tmp_path.rglob("*.json")} == {tmp_path / "v1" / "specs"}


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b'{"name": "a", "keys": [1]}', b'{"name": "b", "keys": {}}', b"\xff"]
)
def test_a_memory_that_is_damaged_or_of_another_is_none(content, tmp_path):
    store = Store(tmp_path)
    assert store.remembered("a") == {}
    store.remember("a", {"capture": key(0)})
    (file,) = (tmp_path / "v1" / "specs").iterdir()
    file.write_bytes(content)
    assert store.remembered("a") == {}


def test_a_cache_that_cannot_be_written_forgets(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache")
    store.remember("a", {"capture": key(0)})
    assert store.remembered("a") == {}


# ---------------------------------------------------------------- locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_or_done_without(number, tmp_path, monkeypatch):
    def lockless(*_):
        raise OSError(number, os.strerror(number))

    folder = filled(Store(tmp_path / "a"), 0)
    monkeypatch.setattr(fcntl, "flock", lockless)
    store = Store(tmp_path / "a")
    assert store.get(key(0)) == folder
    if number != errno.ENOSYS:  # for which filelock has a lock of another make
        with pytest.raises(BuildError, match=r"file system without locks .*set LAYERGRID_CACHE"):
            store.build(key(1), writes())
    with pytest.raises(BuildError, match=r"without locks .*remove the cache by hand"):
        sweep(tmp_path / "a" / "v1", 0, 0)


HOLDER = """
import sys, time
from pathlib import Path
from layergrid.store.locks import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    with alone(tmp_path / "lock") as free:
        assert not free
    child.kill()
    child.communicate()
    with alone(tmp_path / "lock") as free:
        assert free


def test_whoever_waits_is_told_and_gets_the_lock_when_it_is_free(tmp_path):
    order, told = [], threading.Event()

    def wait():
        with alone(tmp_path / "lock", told.set) as free:
            order.append(free)

    with alone(tmp_path / "lock"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert told.wait(10)
        order.append("first")
    waiter.join(10)
    assert order == ["first", True]


def test_a_mark_goes_with_its_file_and_ends_with_its_holder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ENTRY).write_text("{}")
    uses = Uses()
    assert uses.mark(tmp_path / "a" / ENTRY)
    (tmp_path / "a").rename(tmp_path / "b")
    uses.moved(tmp_path / "a" / ENTRY, tmp_path / "b" / ENTRY)
    with unused(tmp_path / "b" / ENTRY) as free:
        assert not free
    assert uses.mark(tmp_path / "b" / ENTRY)
    assert not uses.mark(tmp_path / "a" / ENTRY)
    (tmp_path / "b" / ENTRY).unlink()
    (tmp_path / "b" / ENTRY).write_text("another")
    assert uses.mark(tmp_path / "b" / ENTRY)
    del uses
    with unused(tmp_path / "b" / ENTRY) as free:
        assert free


def test_a_process_marks_so_many_entries_and_keeps_the_marks_of_the_largest(tmp_path):
    opened = Path("/proc/self/fd")
    uses, before = Uses(), len(list(opened.glob("*")))
    for i in range(MOST + 40):
        (tmp_path / f"{i}").write_text("")
        assert uses.mark(tmp_path / f"{i}", 10**6 if i < 5 else i)
    assert len(list(opened.glob("*"))) - before <= MOST  # none are listed where the system has no such folder
    for i in range(5):
        with unused(tmp_path / f"{i}") as free:
            assert not free
    with unused(tmp_path / "5") as free:
        assert free


# ---------------------------------------------------------------- other stores


def test_two_stores_of_a_process_share_what_they_make(tmp_path):
    first, second = Store(tmp_path), Store(tmp_path)
    folder = first.build(key(0), writes())
    assert second.build(key(0), refuses) == folder
    assert content(folder)


def test_a_result_that_was_removed_by_hand_is_made_again_by_the_next_store(tmp_path):
    import shutil

    folder = filled(Store(tmp_path), 0)
    shutil.rmtree(folder)
    told = []
    assert Store(tmp_path, warn=told.append).build(key(0), writes()) == folder
    assert told == []
