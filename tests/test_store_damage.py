from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept import content, filled, key, refuses, writes
from layergrid.kinds import BuildError
from layergrid.store import ENTRY, Store, sweep
from layergrid.store.sealed import LONGEST, Damage, listed

TWICE = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An entry with JSON, a bare array, a zipped one and a table."""
    import pyarrow as pa
    from pyarrow import parquet

    def make(folder):
        (folder / "words.json").write_text(json.dumps(["a", "b"]))
        np.save(folder / "values.npy", np.arange(40.0))
        np.savez(folder / "more.npz", a=np.arange(10))
        (folder / "deep").mkdir()
        parquet.write_table(pa.table({"a": [1, 2, 3]}), folder / "deep" / "table.parquet")

    root = tmp_path_factory.mktemp("whole")
    return Store(root).build(key(0), make), make


def copy_of(folder, where):
    root = where / "v1"
    shutil.copytree(folder, root / folder.parent.name / folder.name)
    return root / folder.parent.name / folder.name


@TWICE
@given(data=st.data())
def test_a_flipped_bit_in_any_file_is_found_or_changes_nothing(data, whole, tmp_path_factory):
    folder = copy_of(whole[0], tmp_path_factory.mktemp("flip"))
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    file = data.draw(st.sampled_from(files))
    damaged = bytearray(file.read_bytes())
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    told = []
    found = Store(folder.parents[2], warn=told.append).get(key(0))
    if file.name != ENTRY:
        assert found is None
    if found is None:
        assert "is damaged" in told[0]
    else:  # seconds, a blank between two lines
        assert content(found) == content(whole[0])


@TWICE
@given(data=st.data())
def test_a_file_cut_short_lengthened_removed_or_made_a_folder_is_found(data, whole, tmp_path_factory):
    folder = copy_of(whole[0], tmp_path_factory.mktemp("cut"))
    file = data.draw(st.sampled_from(sorted(one for one in folder.rglob("*") if one.is_file())))
    before = file.read_bytes()
    file.unlink()
    how = data.draw(st.sampled_from(["cut", "empty", "removed", "longer", "folder"]))
    if how == "folder":
        file.mkdir()
    elif how != "removed":
        file.write_bytes({"cut": before[: data.draw(st.integers(0, len(before) - 2))], "empty": b"",
                          "longer": before + b"\0"}[how])  # fmt: skip
    told, made = [], []
    store = Store(folder.parents[2], warn=told.append)
    assert store.get(key(0)) is None
    assert store.state(key(0)) == "damaged"

    def again(work):
        made.append(work)
        whole[1](work)

    assert content(store.build(key(0), again)) == content(whole[0])
    assert (len(told), len(made)) == (1, 1)
    assert Store(folder.parents[2], warn=told.append).build(key(0), refuses) == folder
    assert len(told) == 1


HOSTILE = {
    "a link to a file": lambda folder: (
        (folder / "values.bin").unlink(), (folder / "values.bin").symlink_to("/etc/passwd")
    ),
    "a link to a folder": lambda folder: (shutil.rmtree(folder / "deep"), (folder / "deep").symlink_to("/etc")),
    "a link beside": lambda folder: (folder / "more").symlink_to("/etc"),
    "a list that is a link": lambda folder: (
        (folder / ENTRY).rename(folder.parent / "list"), (folder / ENTRY).symlink_to(folder.parent / "list")
    ),
    "a pipe": lambda folder: ((folder / "values.bin").unlink(), os.mkfifo(folder / "values.bin")),
    "a pipe for a list": lambda folder: ((folder / ENTRY).unlink(), os.mkfifo(folder / ENTRY)),
    "a file that is not listed": lambda folder: (folder / "sequences.npz").write_bytes(b"x"),
    "an endless list": lambda folder: os.truncate(folder / ENTRY, LONGEST + 1),
    "a nested list": lambda folder: (folder / ENTRY).write_text("[" * 100000),
    "a list of nothing": lambda folder: (folder / ENTRY).write_text("null"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_build_writes_is_not_read(name, tmp_path):
    folder = filled(Store(tmp_path), 0)
    HOSTILE[name](folder)
    told = []
    store = Store(tmp_path, warn=told.append)
    assert store.get(key(0)) is None
    assert len(told) == 1
    assert content(store.build(key(0), writes())) == {"values.bin": bytes(1000), "deep/words.json": b'"0"'}


NAMES = ["../../x", "/etc/passwd", "deep/../../x", ".", "", "a//b", "./a", "a/", ENTRY, "a\0b", "..", "deep/.."]


def renamed(folder, name):
    """The entry's list with another name for its first file."""
    entry = json.loads((folder / ENTRY).read_text())
    entry["files"][name] = entry["files"].pop("values.bin")
    (folder / ENTRY).write_text(json.dumps(entry))


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out_of_an_entry_are_refused_before_anything_is_opened(name, tmp_path, monkeypatch):
    folder = filled(Store(tmp_path), 0)
    renamed(folder, name)
    with pytest.raises(Damage, match="names a file that may not be there"):
        listed(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.update(key="0" * 64),
        lambda e: e["whole"].update(stage="../up"),
        lambda e: e["whole"]["parts"].update(name="n1"),
        lambda e: e["files"].update({"values.bin": [True, "0" * 64]}),
        lambda e: e["files"].update({"values.bin": [-1, "0" * 64]}),
        lambda e: e["files"].update({"values.bin": [1000, "zz"]}),
        lambda e: e["files"].update({"values.bin": 7}),
        lambda e: e.update(files=[1, 2]),
        lambda e: e.update(made={"seconds": "long", "amount": 0}),
        lambda e: e.update(made={"seconds": 1, "amount": float("inf")}),
        lambda e: e.update(made=None),
        lambda e: e.pop("whole"),
    ],
)
def test_a_list_that_does_not_agree_with_itself_is_refused(change, tmp_path):
    folder = filled(Store(tmp_path), 0)
    entry = json.loads((folder / ENTRY).read_text())
    change(entry)
    (folder / ENTRY).write_text(json.dumps(entry))
    with pytest.raises(Damage, match=ENTRY):
        listed(folder)
    assert list(Store(tmp_path).entries()) == []


def test_an_entry_from_before_times_were_kept_is_whole(tmp_path):
    folder = filled(Store(tmp_path), 0)
    entry = json.loads((folder / ENTRY).read_text())
    del entry["made"]
    (folder / ENTRY).write_text(json.dumps(entry))
    assert Store(tmp_path).get(key(0)) == folder
    assert [(one.seconds, one.amount) for one in Store(tmp_path).entries()] == [(0, 0)]


def test_a_result_that_lies_under_the_name_of_another_is_refused(tmp_path):
    folder = filled(Store(tmp_path), 0)
    folder.rename(folder.with_name(key(1).digest))
    told = []
    assert Store(tmp_path, warn=told.append).get(key(1)) is None
    assert "belongs to another result" in told[0]


# ---------------------------------------------------------------- large files


def test_the_bytes_of_a_large_file_are_compared_once_in_an_hour_and_after_every_write(tmp_path, monkeypatch):
    from layergrid import fingerprints

    monkeypatch.setattr(fingerprints, "RACY", 0)
    folder = filled(Store(tmp_path), 0, size=2**20)
    hashed, real = [], fingerprints.hashlib.file_digest
    monkeypatch.setattr(
        fingerprints.hashlib, "file_digest", lambda stream, name: hashed.append(stream.name) or real(stream, name)
    )
    for _ in range(3):
        assert Store(tmp_path).get(key(0)) == folder
    assert len([one for one in hashed if one.endswith("values.bin")]) == 1
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3601 * 10**9)
    assert Store(tmp_path).get(key(0)) == folder
    assert len([one for one in hashed if one.endswith("values.bin")]) == 2
    times = (folder / "values.bin").stat()
    time.sleep(0.02)  # more than a tick of the file system's clock
    with (folder / "values.bin").open("r+b") as stream:
        stream.seek(77)
        stream.write(b"\1")
    os.utime(folder / "values.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Store(tmp_path).get(key(0)) is None


# ---------------------------------------------------------------- full disks

FULL = """
import sys
from pathlib import Path
import numpy as np
from layergrid.kinds import BuildError
from layergrid.store import Key, Store

def npy(folder): np.save(folder / "a.npy", np.zeros(200000))
def npz(folder): np.savez(folder / "a.npz", a=np.random.default_rng(0).random(200000))
def words(folder): (folder / "a.json").write_text("x" * 10**6)
def parquet(folder):
    import pyarrow as pa
    from pyarrow import parquet
    values = np.random.default_rng(0).random(200000)
    parquet.write_table(pa.table({"a": values}), folder / "a.parquet", compression="none")
def shards(folder):
    from layergrid.store import FolderShards
    FolderShards(folder).put("a", {"a": np.random.default_rng(0).random(200000)})
def small(folder): (folder / "a").write_text("x")

store = Store(Path(sys.argv[1]))
for make in (npy, npz, words, parquet, shards):
    key = Key.of(make.__name__, 1, {})
    try:
        store.build(key, make)
        print("made")
    except BuildError as error:
        print(f"{make.__name__}: {error}")
    assert not store.has(key)
    assert not list((store.root / "unfinished").iterdir())
assert (store.build(Key.of("small", 1, {}), small) / "a").read_text() == "x"
"""


def told_of_full(root, limit=None):
    def bound():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", FULL, str(root)]
    child = subprocess.run(command, capture_output=True, text=True, preexec_fn=bound)
    assert child.returncode == 0, child.stderr
    lines = child.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["npy", "npz", "words", "parquet", "shards"]
    for line in lines:
        assert "no space is left for the result of" in line
        assert "layergrid cache gc" in line
        assert "LAYERGRID_CACHE" in line


def test_files_that_may_not_grow_end_every_kind_of_write_in_a_sentence(tmp_path):
    told_of_full(tmp_path, 300_000)


def mounted(disk, *options):
    """Whether a file system in memory could be mounted there; only root may."""
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(disk)]
    return not subprocess.run(command, capture_output=True).returncode


@pytest.mark.slow
def test_a_full_disk_ends_every_kind_of_write_in_a_sentence(tmp_path):
    disk = tmp_path / "disk"
    if not mounted(disk, "-o", "size=300k"):
        told_of_full(disk / "cache", 200_000)
        return
    try:
        told_of_full(disk / "cache")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_read_only_disk_still_gives_what_it_holds_and_new_results_live_elsewhere(tmp_path):
    disk = tmp_path / "disk"
    root = mounted(disk)
    folders = [disk, disk / "v1", *(disk / "v1" / name for name in ("locks", "unfinished", "capture"))]
    try:
        kept = filled(Store(disk), 0)
        if root:  # whom modes do not stop
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        else:
            for one in folders:
                one.chmod(0o555)
        told = []
        store = Store(disk, warn=told.append)
        assert store.build(key(0), refuses) == kept
        made = store.build(key(1), writes())
        assert disk not in made.parents
        assert ["cannot be written" in one for one in told] == [True]
        assert store.has(key(1))
        store.remember("spec", {"a": key(0)})
        with pytest.raises(BuildError, match="cannot be written"):
            store.check()
        del store  # it uses the result
        with pytest.raises(BuildError, match="cannot be removed"):
            sweep(disk / "v1", 0, 0)
    finally:
        if root:
            subprocess.run(["umount", str(disk)], check=True)
        else:
            for one in folders:
                one.chmod(0o755)


def test_an_error_within_a_stage_that_numpy_did_not_write_is_not_called_a_full_disk(tmp_path):
    def broken(folder):
        raise OSError("something else")

    with pytest.raises(OSError, match="something else"):
        Store(tmp_path).build(key(0), broken)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_when_the_list_is_written_leaves_no_entry(number, tmp_path, monkeypatch):
    real = Path.write_text

    def full(path, *rest, **more):
        if path.name == ENTRY:
            raise OSError(number, os.strerror(number))
        return real(path, *rest, **more)

    monkeypatch.setattr(Path, "write_text", full)
    store = Store(tmp_path)
    with pytest.raises(BuildError, match="no space is left"):
        store.build(key(0), writes())
    assert store.state(key(0)) == "absent"
    assert not list((store.root / "unfinished").iterdir())


def test_without_any_place_to_write_a_build_says_so(tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "file").write_text("")

    def nowhere(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    with pytest.raises(BuildError, match=r"no temporary folder either.*Set LAYERGRID_CACHE"):
        Store(tmp_path / "file" / "cache").build(key(0), writes())


# ---------------------------------------------------------------- folders as they come


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_entries_are_private_and_whole_under_any_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        folder = Store(tmp_path / "cache").build(key(0), writes())
        assert Store(tmp_path / "cache").build(key(0), refuses) == folder
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 & ~umask


def test_a_cache_may_have_any_name(tmp_path):
    store = Store(tmp_path / "ein Ördner mit Platz 漢字 'q\" \udcff")
    folder = store.build(key(0), writes(2**20))
    assert Store(store.root.parent).get(key(0)) == folder
    assert [one.folder for one in Store(store.root.parent).entries()] == [folder]


def test_a_removed_cache_is_made_again_by_a_store_that_lives(tmp_path):
    store = Store(tmp_path / "cache")
    store.build(key(0), writes())
    shutil.rmtree(tmp_path / "cache")
    assert content(store.build(key(1), writes()))
