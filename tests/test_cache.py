from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kept import DAY, content, filled, key, refuses, writes
from layergrid import fingerprints
from layergrid.cli import app
from layergrid.cli.amounts import age, bytes_of, seconds_of, size
from layergrid.errors import BadInput, BuildError
from layergrid.fingerprints import default_root
from layergrid.store import ENTRY, Key, Piece, Store, pieces, sweep
from layergrid.store.sweeping import LEFT, chosen

COUNT = st.integers(0, 10**6)


def run(*arguments):
    return CliRunner().invoke(app, ["cache", *arguments])


def there(store):
    return {one.whole["parts"]["name"] for one in store.entries()}


# ---------------------------------------------------------------- what is chosen

piece = st.builds(
    Piece,
    kind=st.sampled_from(["entry", "entry", "entry", "unfinished", "damaged"]),
    stage=st.just("capture"),
    folder=st.uuids().map(lambda one: Path(str(one))),
    bytes=COUNT,
    used=st.floats(0, 10**7),
)
found = st.lists(piece, max_size=20, unique_by=lambda one: one.folder)


@given(found=found, older=st.none() | st.floats(0, 10**7), keep=st.none() | st.integers(0, 10**7))
def test_what_stays_fits_is_young_and_was_used_after_all_that_goes_for_its_size(found, older, keep):
    now = 10.0**7
    reasons = dict(chosen(found, older, keep, now))
    stays = [one for one in found if one not in reasons]
    assert keep is None or sum(one.bytes for one in stays) <= keep
    assert all(older is None or now - one.used <= older for one in stays)
    assert not any(one.kind == "damaged" for one in stays)
    for one, why in reasons.items():
        if why == "more than is to be kept":
            assert all((other.used, other.folder) > (one.used, one.folder) for other in stays)


@given(found=found)
def test_without_a_limit_only_what_no_build_can_use_goes(found):
    now = 10.0**7
    for one, _ in chosen(found, None, None, now):
        assert one.kind == "damaged" or (one.kind == "unfinished" and now - one.used > LEFT)


@given(found=found, keep=st.integers(0, 10**7))
def test_no_more_goes_for_its_size_than_is_needed(found, keep):
    reasons = chosen(found, None, keep, 0.0)
    for_size = [one for one, why in reasons if why == "more than is to be kept"]
    if for_size:
        gone = {one.folder for one, _ in reasons}
        left = sum(one.bytes for one in found if one.folder not in gone)
        assert left + for_size[-1].bytes > keep


# ---------------------------------------------------------------- sweeping


def test_results_go_by_age_and_by_size_and_the_last_used_stay(tmp_path):
    store = Store(tmp_path)
    for i, days in enumerate((40, 3, 2, 1)):
        filled(store, i, days=days)
    del store  # it uses them
    gone = sweep(tmp_path / "v1", 30 * DAY, None)
    assert [why for _, why in gone.gone] == ["not used for longer"]
    assert there(Store(tmp_path)) == {"n1", "n2", "n3"}
    one = next(Store(tmp_path).entries()).bytes
    swept = sweep(tmp_path / "v1", None, 2 * one + 100)  # the digits of seconds
    assert there(Store(tmp_path)) == {"n2", "n3"}
    assert swept.left == sum(one.bytes for one in Store(tmp_path).entries())
    assert not list((tmp_path / "v1" / "unfinished").iterdir())


def test_reading_a_result_is_a_use(tmp_path):
    filled(Store(tmp_path), 0, days=50)
    filled(Store(tmp_path), 1, days=50)
    before = time.time()
    assert Store(tmp_path).get(key(0)) is not None
    used = {one.whole["parts"]["name"]: one.used for one in Store(tmp_path).entries()}
    assert used["n0"] >= before - 1
    assert used["n1"] < before - 49 * DAY


def test_a_dry_run_removes_nothing_and_tells_the_same(tmp_path):
    filled(Store(tmp_path), 0, days=50)
    dry = sweep(tmp_path / "v1", DAY, 0, dry=True)
    assert there(Store(tmp_path)) == {"n0"}
    assert sweep(tmp_path / "v1", DAY, 0) == dry
    assert there(Store(tmp_path)) == set()


def test_what_a_build_uses_stays_until_the_build_ends(tmp_path):
    filled(Store(tmp_path), 0, days=50)
    store = Store(tmp_path)
    folder = store.get(key(0))
    filled(Store(tmp_path), 1, days=50)
    os.utime(folder / ENTRY, (0, 0))
    swept = sweep(tmp_path / "v1", DAY, 0)
    assert ([one.folder for one in swept.busy], len(swept.gone)) == ([folder], 1)
    assert content(folder)["deep/words.json"] == b'"0"'
    del store
    assert len(sweep(tmp_path / "v1", DAY, 0).gone) == 1
    assert not folder.exists()


USER = """
import sys, time
from pathlib import Path
from layergrid.store import Key, Store
store = Store(Path(sys.argv[1]))
def make(folder):
    (folder / "a").write_text("a")
    if sys.argv[2] == "making":
        print("ready", flush=True)
        time.sleep(60)
folder = store.build(Key.of("capture", 1, {"name": "n0"}), make, resumes=True)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("does", ["making", "using"])
def test_a_killed_build_gives_free_what_it_made_or_used(does, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", USER, str(tmp_path), does], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    assert (len(sweep(tmp_path / "v1", 0, 0).busy), len(list(pieces(tmp_path / "v1")))) == (1, 1)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    time.sleep(0.01)
    assert len(sweep(tmp_path / "v1", 0, 0).gone) == 1
    assert not list(pieces(tmp_path / "v1"))


def test_what_a_killed_build_left_stays_a_week_for_the_next_to_go_on_from(tmp_path):
    work = tmp_path / "v1" / "unfinished" / key(0).name
    work.mkdir(parents=True)
    (work / "part").write_bytes(bytes(100))
    assert not sweep(tmp_path / "v1", None, None).gone
    assert [(one.kind, one.stage, one.bytes) for one in pieces(tmp_path / "v1")] == [("unfinished", "capture", 100)]
    for path in (work / "part", work):
        os.utime(path, (time.time() - LEFT - 60,) * 2)
    assert [why for _, why in sweep(tmp_path / "v1", None, None).gone] == ["left by a build that ended long ago"]
    assert not work.exists()


def test_damaged_results_and_rests_of_a_removal_always_go(tmp_path):
    folder = filled(Store(tmp_path), 0)
    (folder / "values.bin").write_bytes(b"short")
    filled(Store(tmp_path), 1)
    (filled(Store(tmp_path), 2) / ENTRY).unlink()
    (tmp_path / "v1" / "unfinished" / "gone-12ab").mkdir()
    assert sorted(why for _, why in sweep(tmp_path / "v1", None, None).gone) == ["a rest", "damaged", "damaged"]
    assert there(Store(tmp_path)) == {"n1"}


def test_locks_digests_and_parts_that_nobody_needs_go(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "RACY", 0)
    store = Store(tmp_path)
    folder = filled(store, 0, size=2**20)
    filled(store, 1)
    kept_lock = tmp_path / "v1" / "locks" / key(1).name
    assert Store(tmp_path).get(key(0)) == folder
    assert len(list((tmp_path / "digests").iterdir())) == 1
    (tmp_path / "digests" / "nonsense").write_text("x")
    shutil.rmtree(folder)
    for lock in (tmp_path / "v1" / "locks").iterdir():
        os.utime(lock, (0, 0))
    assert sweep(tmp_path / "v1", None, None, dry=True).litter == 3
    assert sweep(tmp_path / "v1", None, None).litter == 3
    assert not list((tmp_path / "digests").iterdir())
    assert list((tmp_path / "v1" / "locks").iterdir()) == [kept_lock]
    assert Store(tmp_path).build(key(1), refuses)


def test_a_folder_without_anything_is_swept_in_peace(tmp_path):
    assert sweep(tmp_path / "none" / "v1", 0, 0).gone == ()
    assert not (tmp_path / "none").exists()


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    filled(Store(tmp_path), 0)

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(BuildError, match="cannot be removed"):
        sweep(tmp_path / "v1", 0, 0)


BUILDER = """
import sys, time
from pathlib import Path
from layergrid.store import Key, Store
draw = int(sys.argv[2])
for i in range(150):
    store = Store(Path(sys.argv[1]), warn=print)
    n = (i * 7 + draw) % 12
    def make(folder, n=n):
        for name in "abc":
            (folder / name).write_bytes(bytes([n]) * 300000)
    folder = store.build(Key.of("stage", 1, {"n": n}), make)
    time.sleep(0.001)
    assert [(folder / name).read_bytes() for name in "abc"] == [bytes([n]) * 300000] * 3
print("done")
"""


@pytest.mark.slow
def test_sweeping_beside_builds_never_takes_a_result_from_under_them(tmp_path):
    children = [
        subprocess.Popen([sys.executable, "-c", BUILDER, str(tmp_path), str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(3)
    ]
    removed = 0
    while any(child.poll() is None for child in children):
        removed += len(sweep(tmp_path / "v1", 0, 0).gone)
    said = [child.communicate()[0].splitlines() for child in children]
    assert [lines[-1] for lines in said] == ["done"] * 3
    told = {line for lines in said for line in lines[:-1]}
    assert all("waiting" in line for line in told), told
    assert removed > 12


# ---------------------------------------------------------------- the commands


def test_ls_counts_by_stage_what_there_is(tmp_path):
    store = Store()
    filled(store, 0, days=3)
    filled(store, 1)
    filled(store, 2, stage="report")
    (default_root() / "v1" / "unfinished" / key(7).name).mkdir()
    said = run("ls").output
    rows = {line.split()[0]: line.split() for line in said.splitlines()}
    assert rows["capture"][1] == "2"
    assert "3 days ago" in said
    assert rows["report"][1] == "1"
    assert rows["(unfinished)"][1] == "1"
    assert "in 4 results in" in said.splitlines()[-1]


def test_ls_tells_of_an_empty_cache():
    assert run("ls").output.startswith("0 B in 0 results in ")


def test_ls_all_calls_results_as_specs_did_and_else_by_the_names_in_their_keys():
    store = Store()
    read = Key.of("read", 1, {"loading": [1, "tiny", {}], "model": "sha256:00"})
    positions = Key.of("positions", 1, {"sequences": read})
    grid = Key.of("grid-probe", 1, {"name": "errors", "states": positions})
    for one in (read, positions, grid):
        store.build(one, writes())
    said = run("ls", "--all").output
    assert [line.split("  ")[-1].strip() for line in said.splitlines()[1:-1]] == ["errors, tiny", "tiny", "tiny"]
    store.remember("specs/arithmetic", {"read tiny on sums": read})
    assert "read tiny on sums (arithmetic)" in run("ls", "--all").output


def test_gc_takes_ages_and_sizes_and_tells_what_it_did():
    filled(Store(), 0, days=50, size=5000)
    filled(Store(), 1, size=5000)
    said = run("gc", "--older-than", "30d", "--keep", "1 GB", "--dry-run")
    assert "1 result (5.5 kB) would be removed; 5.5 kB stay" in said.output
    assert there(Store()) == {"n0", "n1"}
    said = run("gc", "--older-than", "30 days")
    assert said.exit_code == 0
    assert "last used 50 days ago: not used for longer" in said.output
    assert there(Store()) == {"n1"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--keep", "many"), "--keep 'many': is no size"),
        (("--keep", "-1GB"), "is no size"),
        (("--keep", "1 parsec"), "is no size"),
        (("--keep", ""), "is no size"),
        (("--older-than", "yesterday"), "--older-than 'yesterday': is no age"),
        (("--older-than", "5m"), "a minute 1 min"),
        (("--older-than", "nan d"), "is no age"),
        (("--older-than", "1e999d"), "is no age"),
    ],
)
def test_sizes_and_ages_that_are_none_are_refused_by_name(arguments, named):
    error = run("gc", *arguments).exception
    assert isinstance(error, BadInput)
    assert named in str(error)


def test_cache_alone_shows_its_commands_and_dir_the_folder():
    assert all(name in run().output for name in ("ls", "gc", "push", "pull"))
    assert run("dir").output.strip() == str(default_root())


@pytest.mark.parametrize(
    ("text", "count"),
    [("20GB", 20 * 10**9), ("1.5TiB", 3 * 2**39), ("7 B", 7), (" 500 mb ", 5 * 10**8), ("0", 0), (".5k", 500)],
)
def test_sizes_are_read_as_people_write_them(text, count):
    assert bytes_of(text, "--keep") == count


@pytest.mark.parametrize("text", ["20", "1.5", "20XB", "-5", "5,5GB", ""])
def test_a_size_without_a_unit_is_refused_rather_than_read_as_bytes(text):
    with pytest.raises(BadInput, match="is no size; write a number with a unit, such as 20GB"):
        bytes_of(text, "--keep")


@pytest.mark.parametrize(
    ("text", "days"), [("30d", 30), ("30 days", 30), ("12 hours", 0.5), ("1w", 7), ("2 months", 60), ("86400s", 1)]
)
def test_ages_are_read_as_people_write_them(text, days):
    assert seconds_of(text, "--older-than") == days * DAY


@given(st.integers(0, 10**17))
def test_a_size_that_is_told_is_read_back_to_two_digits(count):
    assert bytes_of(size(count), "--keep") == pytest.approx(count, rel=0.051)


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "now"), (59, "now"), (60, "1 minute"), (7200, "2 hours"), (86400 * 1.9, "1 day")]
)
def test_ages_are_told_in_their_largest_unit(seconds, said):
    assert age(seconds) == said


def test_a_full_disk_is_said_in_a_sentence_also_where_not_even_a_lock_can_be_made(tmp_path, monkeypatch):
    import filelock

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(filelock.FileLock, "acquire", full)
    with pytest.raises(BuildError, match="no space is left for the result of capture"):
        Store(tmp_path).build(key(0), writes())


def test_a_lock_of_another_user_is_told(tmp_path, monkeypatch):
    import filelock

    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(filelock.FileLock, "acquire", forbidden)
    with pytest.raises(BuildError, match="belongs to another user; set LAYERGRID_CACHE"):
        Store(tmp_path).build(key(0), writes())


def test_small_files_that_may_not_be_removed_are_no_error(tmp_path, monkeypatch):
    filled(Store(tmp_path), 0)
    (tmp_path / "digests").mkdir()
    (tmp_path / "digests" / "nonsense").write_text("x")

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refused)
    assert sweep(tmp_path / "v1", None, None).litter == 0


def test_an_entry_that_may_not_be_written_is_not_said_to_be_in_use(tmp_path, monkeypatch):
    folder = filled(Store(tmp_path), 0)
    real = os.open

    def read_only(path, flags, *rest, **more):
        if Path(path).name == ENTRY and flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(BuildError, match=r"cannot be removed \(Read-only file system\)"):
        sweep(tmp_path / "v1", 0, 0)
    assert folder.exists()
