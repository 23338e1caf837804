"""A report takes its place whole or not at all."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from building import tree
from layergrid import publish
from layergrid.kinds import BadInput, BuildError


def made(folder: Path, text: str = "new", **more: str) -> Path:
    """A report of some files."""
    for name, content in {"report.md": text, "grids/errors.csv": f"{text},1", **more}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    publish.write_manifest(folder, {"spec": "small"}, {"seconds": 1.0})
    return folder


def left(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_a_report_is_copied_to_a_place_that_was_not_there(tmp_path):
    source = made(tmp_path / "source")
    publish.publish(source, tmp_path / "a" / "b" / "small")
    assert tree(tmp_path / "a" / "b" / "small") == tree(source)
    assert left(tmp_path / "a" / "b") == {"small"}


def test_what_belongs_to_the_store_stays_there(tmp_path):
    source = made(tmp_path / "source")
    (source / "entry.json").write_text("{}")
    publish.publish(source, tmp_path / "small", leave=("entry.json",))
    assert "entry.json" not in left(tmp_path / "small")


def test_a_report_can_be_read_by_others_though_the_store_is_private(tmp_path):
    source = made(tmp_path / "source")
    source.chmod(0o700)
    publish.publish(source, tmp_path / "small")
    assert (tmp_path / "small").stat().st_mode & 0o777 == 0o755


def test_a_new_report_takes_the_place_of_the_old_with_none_of_its_files(tmp_path):
    publish.publish(made(tmp_path / "one", "old", **{"report.pdf": "old"}), tmp_path / "small")
    two = made(tmp_path / "two")
    publish.publish(two, tmp_path / "small")
    assert tree(tmp_path / "small") == tree(two)
    assert left(tmp_path) == {"one", "two", "small"}


def test_files_that_somebody_added_are_carried_over_links_included(tmp_path):
    publish.publish(made(tmp_path / "one", "old"), tmp_path / "small")
    (tmp_path / "small" / "grids" / "notes.txt").write_text("mine")
    (tmp_path / "small" / "link").symlink_to(tmp_path / "nowhere")
    publish.publish(made(tmp_path / "two"), tmp_path / "small")
    assert (tmp_path / "small" / "grids" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "small" / "link").is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder", "manifest of something else", "dangling link"])
def test_what_is_no_report_is_left_alone(tmp_path, kind):
    target = tmp_path / "small"
    if kind == "file":
        target.write_text("mine")
    elif kind == "dangling link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
        (target / "manifest.json").write_text('{"name": "app", "build": {}}' if "manifest" in kind else "")
        (target / "mine.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(BadInput, match="is not a report of layergrid; move it away"):
        publish.check(target)
    with pytest.raises(BadInput):
        publish.publish(made(tmp_path.parent / f"{tmp_path.name}-source"), target)
    assert tree(tmp_path) == before


def test_an_empty_folder_can_become_a_report(tmp_path):
    (tmp_path / "small").mkdir()
    publish.publish(made(tmp_path / "source"), tmp_path / "small")
    assert tree(tmp_path / "small") == tree(tmp_path / "source")


def test_a_file_where_the_folder_of_reports_should_be_is_told_before_anything_is_done(tmp_path):
    (tmp_path / "reports").write_text("mine")
    with pytest.raises(BadInput, match=r"reports is no folder; choose another one with --out"):
        publish.check(tmp_path / "reports" / "small")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(publish.os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(BadInput, match="cannot be written; choose another one with --out"):
        publish.check(tmp_path / "reports" / "small")


@pytest.mark.parametrize("fault", [PermissionError(13, "no"), OSError(28, "full"), shutil.Error([("a", "b", "c")])])
def test_a_copy_that_fails_halfway_leaves_the_old_report_and_nothing_else(tmp_path, monkeypatch, fault):
    old = made(tmp_path / "one", "old")
    publish.publish(old, tmp_path / "small")
    real, calls = shutil.copy2, []

    def failing(source, target, **options):
        calls.append(source)
        if len(calls) == 2:
            raise fault
        return real(source, target, **options)

    source = made(tmp_path / "two")
    monkeypatch.setattr(shutil, "copytree", lambda a, b, **o: _copied(a, b, failing))
    with pytest.raises(BuildError, match=r"small: the report cannot be written \(.+\); choose another folder"):
        publish.publish(source, tmp_path / "small")
    assert tree(tmp_path / "small") == tree(old)
    assert left(tmp_path) == {"one", "two", "small"}


def _copied(source, target, copy):
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        copy(path, target / path.relative_to(source))


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), PermissionError(13, "no")])
def test_an_old_report_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch, fault):
    old = made(tmp_path / "one", "old")
    publish.publish(old, tmp_path / "small")
    real = Path.rename

    def failing(self, target):
        if self.name == "new":
            raise fault
        return real(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((KeyboardInterrupt, BuildError)):
        publish.publish(made(tmp_path / "two"), tmp_path / "small")
    assert tree(tmp_path / "small") == tree(old)
    assert left(tmp_path) == {"one", "two", "small"}


def _rival(source: Path, target: Path, times: int) -> None:
    for _ in range(times):
        publish.publish(source, target)


def test_builds_that_publish_to_one_place_at_once_leave_one_whole_report(tmp_path):
    sources = [made(tmp_path / f"source{i}", f"text {i}") for i in range(4)]
    context = multiprocessing.get_context("spawn")
    rivals = [context.Process(target=_rival, args=(one, tmp_path / "small", 40)) for one in sources]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(60)
    assert [rival.exitcode for rival in rivals] == [0] * 4
    assert tree(tmp_path / "small") in [tree(one) for one in sources]
    assert left(tmp_path) == {"small", *(one.name for one in sources)}


def test_a_report_counts_as_published_only_while_every_byte_of_it_is_there(tmp_path):
    source = made(tmp_path / "source")
    target = tmp_path / "small"
    assert not publish.is_published(source, target)
    publish.publish(source, target)
    assert publish.is_published(source, target)
    (target / "notes.txt").write_text("mine")
    assert publish.is_published(source, target)
    (target / "report.md").write_text("New")
    assert not publish.is_published(source, target)
    (target / "report.md").unlink()
    assert not publish.is_published(source, target)


def test_a_manifest_holds_the_digest_of_every_file_and_no_number_that_json_lacks(tmp_path):
    import hashlib

    folder = made(tmp_path / "source")
    outputs = json.loads((folder / "manifest.json").read_text())["build"]["outputs"]
    assert outputs == {n: hashlib.sha256(d).hexdigest() for n, d in tree(folder).items() if n != "manifest.json"}
    with pytest.raises(ValueError, match="JSON compliant"):
        publish.write_manifest(folder, {"observed": float("nan")}, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "build": {}}', '{"format": 2}', "\0"])
def test_a_manifest_that_is_none_is_read_as_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert publish.read_manifest(tmp_path) is None


def test_a_draft_holds_the_saved_results_and_no_document_and_goes_away(tmp_path):
    report = made(tmp_path / "small", **{"results/results.json": "{}"})
    with publish.draft(report) as fresh:
        assert set(tree(fresh)) == {"grids/errors.csv", "results/results.json"}
    assert not fresh.exists()


def test_an_earlier_report_that_a_killed_build_had_moved_aside_is_put_back_with_what_was_added_to_it(tmp_path):
    target = tmp_path / "small"
    publish.publish(made(tmp_path / "one", "old"), target)
    (target / "notes.txt").write_text("mine")
    script = (
        "import os, pathlib, sys; from layergrid import publish; rename = pathlib.Path.rename\n"
        "def once(self, to):\n    rename(self, to)\n    os.kill(os.getpid(), 9)\n"
        "pathlib.Path.rename = once; publish.publish(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    source = made(tmp_path / "two")
    ended = subprocess.run([sys.executable, "-c", script, str(source), str(target)], check=False)
    assert (ended.returncode, target.exists()) == (-9, False)
    publish.publish(source, target)
    assert (target / "report.md").read_text() == "new"
    assert (target / "notes.txt").read_text() == "mine"


def test_what_killed_builds_left_long_ago_is_removed_and_nothing_else(tmp_path):
    names = (
        ".small-abcdefgh",
        ".small-1_345678",
        ".small-b-cdefghij",
        ".small-notes",
        ".other-abcdefgh",
        "small-abcdefgh",
    )
    for name in names:
        (tmp_path / name / "new").mkdir(parents=True)
        if name != ".small-1_345678":
            os.utime(tmp_path / name, (0, 0))
    publish.publish(made(tmp_path / "source"), tmp_path / "small")
    assert {*names} - left(tmp_path) == {".small-abcdefgh"}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_disk_leaves_the_earlier_report_and_nothing_beside_it(tmp_path, monkeypatch, after):
    target = tmp_path / "reports" / "small"
    publish.publish(made(tmp_path / "one", "old"), target)
    before, copy, done = tree(target), shutil.copyfile, []

    def full(source, to, **options):
        if len(done) == after:
            Path(to).write_bytes(b"ha")
            raise OSError(errno.ENOSPC, "No space left on device", str(to))
        done.append(to)
        return copy(source, to, **options)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(BuildError) as told:
        publish.publish(made(tmp_path / "two"), target)
    assert "cannot be written ([Errno 28] No space left on device" in str(told.value)
    assert "[(" not in str(told.value)
    assert tree(target) == before
    assert left(tmp_path / "reports") == {"small"}


def test_a_clock_that_is_years_ahead_of_the_disk_removes_nothing_that_is_in_use(tmp_path, monkeypatch):
    later = time.time() + 10**8
    monkeypatch.setattr(time, "time", lambda: later)
    (tmp_path / ".small-abcdefgh").mkdir()
    publish.publish(made(tmp_path / "source"), tmp_path / "small")
    assert left(tmp_path) == {".small-abcdefgh", "small", "source"}
