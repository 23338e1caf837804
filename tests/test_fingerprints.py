from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid import fingerprints
from layergrid.fingerprints import SMALL, default_root, file_digest, forgettable, replace_file

OLD = time.time() - 3600


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once: what was just written has no older change of its inode."""
    monkeypatch.setattr(fingerprints, "RACY", 0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights ü 0.bin"
    path.write_bytes(os.urandom(SMALL))
    return path


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are really hashed."""
    seen, real = [], hashlib.file_digest

    def spy(stream, name):
        seen.append(stream.name)
        return real(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", spy)
    return seen


def test_the_root_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("LAYERGRID_CACHE")
    assert default_root().name == "layergrid"


def test_a_large_file_is_hashed_once(file, hashed, settled):
    assert [file_digest(file) for _ in range(3)] == [sha256(file.read_bytes())] * 3
    assert len(hashed) == 1
    assert len(list((default_root() / "digests").iterdir())) == 1


def test_a_small_file_is_hashed_each_time_and_leaves_no_memo(tmp_path, hashed, settled):
    path = tmp_path / "config.json"
    path.write_bytes(b"{}")
    assert file_digest(path) == file_digest(path) == sha256(b"{}")
    assert len(hashed) == 2
    assert not (default_root() / "digests").exists()


def test_a_file_younger_than_two_seconds_is_not_remembered(file, hashed):
    os.utime(file, (OLD, OLD))  # its inode's time tells the truth
    file_digest(file)
    assert not (default_root() / "digests").exists()
    file_digest(file)
    assert len(hashed) == 2


@pytest.mark.slow
def test_a_file_is_remembered_two_seconds_after_it_was_written(file, hashed):
    time.sleep(2.1)
    file_digest(file)
    file_digest(file)
    assert len(hashed) == 1


def flipped(path, bit):
    time.sleep(0.02)  # more than a tick of the file system's clock, for which the two seconds are not waited here
    with path.open("r+b") as stream:
        stream.seek(bit // 8)
        byte = stream.read(1)[0]
        stream.seek(bit // 8)
        stream.write(bytes([byte ^ (1 << bit % 8)]))


@settings(max_examples=15, deadline=None)
@given(bit=st.integers(0, SMALL * 8 - 1))
def test_any_flip_of_a_bit_changes_the_digest_even_with_the_time_set_back(tmp_path_factory, bit):
    path = tmp_path_factory.mktemp("flip") / "weights.bin"
    memos = path.parent / "memos"
    path.write_bytes(bytes(SMALL))
    old = path.stat()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(fingerprints, "RACY", 0)
        assert file_digest(path, memos=memos) == sha256(bytes(SMALL))
        flipped(path, bit)
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        assert file_digest(path, memos=memos) == sha256(path.read_bytes()) != sha256(bytes(SMALL))


def test_another_file_of_the_same_size_and_time_in_its_place_is_hashed_again(file, settled):
    before, times = file_digest(file), file.stat()
    other = file.with_name("other")
    other.write_bytes(os.urandom(SMALL))
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert file_digest(file) == sha256(file.read_bytes()) != before


def test_a_digest_is_believed_only_as_long_as_the_caller_says(file, hashed, settled):
    file_digest(file)
    file_digest(file, within=60)
    assert len(hashed) == 1
    file_digest(file, within=0)
    assert len(hashed) == 2


def memo_of(file):
    file_digest(file)
    (memo,) = (default_root() / "digests").iterdir()
    return memo


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe", b"{}", None])
def test_a_memo_that_was_damaged_is_not_believed(damage, file, settled):
    memo = memo_of(file)
    if damage is None:  # one digit of the digest
        content = bytearray(memo.read_bytes())
        content[-5] = ord("0") if content[-5] != ord("0") else ord("1")
        damage = bytes(content)
    memo.write_bytes(damage)
    assert file_digest(file) == sha256(file.read_bytes())
    assert memo.read_bytes() != damage


def test_a_cache_that_cannot_be_written_is_no_error(file, settled, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "file" / "cache"))
    assert file_digest(file) == file_digest(file) == sha256(file.read_bytes())


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(file, settled, monkeypatch):
    real = hashlib.file_digest

    def slow(stream, name):
        found = real(stream, name)
        flipped(file, 0)
        return found

    monkeypatch.setattr(hashlib, "file_digest", slow)
    file_digest(file)
    monkeypatch.setattr(hashlib, "file_digest", real)
    assert file_digest(file) == sha256(file.read_bytes())


def test_a_memo_is_of_no_use_once_its_file_is_gone_or_changed(file, settled):
    memo = memo_of(file)
    assert not forgettable(memo)
    flipped(file, 3)
    assert forgettable(memo)
    file_digest(file)
    assert not forgettable(memo)
    file.unlink()
    assert forgettable(memo)
    memo.write_bytes(b"nonsense")
    assert forgettable(memo)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none")


def test_several_processes_agree_on_a_digest(file):
    os.utime(file, (OLD, OLD))
    code = (
        "import sys; from pathlib import Path; from layergrid import fingerprints as f; f.RACY = 0\n"
        "for _ in range(30): print(f.file_digest(Path(sys.argv[1])))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = {line for child in children for line in child.communicate()[0].split()}
    assert said == {sha256(file.read_bytes())}
    assert [one.name.startswith(".") for one in (default_root() / "digests").iterdir()] == [False]


def test_a_reader_of_a_replaced_file_sees_the_old_or_the_new_one(tmp_path):
    path, ended = tmp_path / "value.json", threading.Event()
    replace_file(path, json.dumps(["a"] * 5000).encode())

    def write():
        for i in range(200):
            replace_file(path, json.dumps(["ab"[i % 2]] * 5000).encode())
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not ended.is_set():
        found = json.loads(path.read_bytes())
        assert len(found) == 5000
        seen |= set(found)
    writer.join()
    assert seen <= {"a", "b"}
    assert [one.name for one in tmp_path.iterdir()] == ["value.json"]
