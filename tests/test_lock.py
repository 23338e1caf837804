"""The lock beside specs: what it pins, what drifts from it, and what --locked refuses."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil

import pytest

from building import MODEL_LIBRARIES, SPEC, cache, child, run, shared
from layergrid import generate, lock, models, resources
from layergrid.console import Silent
from layergrid.errors import BadInput
from layergrid.kinds import Outline
from layergrid.pipeline import locking
from layergrid.pipeline.study import Study
from layergrid.spec import load_spec
from layergrid.store import Store
from test_plan import ROWS, TEXT

BLOCK = lock.Block(
    models={"tiny": lock.ModelPin(address="hf:owner/name", identity=f"owner/name@{'a' * 40}")},
    data={"sums": lock.DataPin(source="rows.csv", rows=3, fingerprint="sha256:1", digests=["aaaa bbbb", "cccc"])},
    prompts={"tiny on sums": lock.PromptPin(count=3, digest="1")},
    batches={"tiny on sums": lock.BatchPin(count=1, digest="sha256:2")},
    splits={"errors": lock.SplitPin(digest="sha256:3", folds=["2 rows, 1 positive", "1 row, 1 positive"])},
    libraries={"torch": "2.12.0"}, stages={"capture": 2}, platform=lock.here(),
)  # fmt: skip


def changed(**parts):
    return BLOCK.model_copy(update=parts)


# ---------------------------------------------------------------- the file


def test_a_block_is_read_as_it_was_written_and_those_of_other_specs_stay(tmp_path):
    file = tmp_path / lock.NAME
    assert lock.read(file) == {}
    lock.write(file, "b", BLOCK)
    lock.write(file, "a", changed(libraries={"torch": "2.13.0"}))
    assert lock.read(file) == {"a": changed(libraries={"torch": "2.13.0"}), "b": BLOCK}


def test_the_order_of_writing_leaves_no_trace_and_writing_the_same_again_touches_nothing(tmp_path):
    one, other = tmp_path / "1" / lock.NAME, tmp_path / "2" / lock.NAME
    for file, names in ((one, "ab"), (other, "ba")):
        file.parent.mkdir()
        for name in names:
            lock.write(file, name, BLOCK)
    assert one.read_bytes() == other.read_bytes()
    before = one.stat()
    lock.write(one, "a", BLOCK)
    assert (one.stat().st_mtime_ns, one.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert [path.name for path in one.parent.iterdir()] == [lock.NAME]


def _write_many(file, name):
    for i in range(10):
        lock.write(file, f"{name}{i}", BLOCK)


def test_two_writers_at_once_lose_nothing(tmp_path):
    file = tmp_path / lock.NAME
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(file, name)) for name in "abc"]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
        assert one.exitcode == 0
    assert set(lock.read(file)) == {f"{name}{i}" for name in "abc" for i in range(10)}


GOOD = json.dumps({"layergrid_lock": 1, "specs": {"a": BLOCK.model_dump()}}, indent=1)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (GOOD.replace(' "specs"', '<<<<<<< HEAD\n "specs"'), 3, "a merge left its marks"),
        (GOOD.replace('"prompts": {', '"prompts": '), None, "Expecting"),
        (GOOD[:200], None, "layergrid lock"),
        ("", 1, "Expecting value"),
        (GOOD.replace('"rows": 3', '"rows": "three"'), 14, "specs.a.data.sums.rows"),
        (GOOD.replace('"rows": 3', '"rows": 3, "more": 1'), 14, "specs.a.data.sums.more"),
        (GOOD.replace('"count": 1', '"count": -1'), None, "greater than or equal to 0"),
        (
            GOOD.replace('"layergrid_lock": 1', '"layergrid_lock": 2'),
            None,
            "has the format 2, and this release reads 1",
        ),
        (GOOD.replace('"layergrid_lock": 1,', ""), None, "layergrid_lock"),
        (GOOD.replace('"stages": {', '"platform": "x", "stages": {'), None, "the key 'platform' stands twice"),
        ("[1, 2]", None, "layergrid lock"),
        ("[" * 100_000, None, "layergrid lock"),
        ('{"layergrid_lock": 1, "specs": {"a": 1}}', 1, "specs.a"),
    ],
)
def test_what_is_no_lock_file_is_told_with_its_line_and_what_to_do(tmp_path, text, line, said):
    file = tmp_path / lock.NAME
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        lock.read(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:" + (f"{line}" if line else ""))
    assert said in message
    assert "layergrid lock SPEC" in message


def test_a_pipe_a_folder_a_large_file_and_endless_numbers_in_the_place_of_a_lock_are_refused_at_once(tmp_path):
    places = [tmp_path / str(i) for i in range(4)]
    os.mkfifo(places[0])
    places[1].mkdir()
    places[2].write_bytes(b"")
    os.truncate(places[2], 2**40)
    places[3].write_text(f'{{"layergrid_lock": {"9" * 5000}, "specs": {{}}}}')
    for file in places:
        with pytest.raises(BadInput, match="layergrid lock SPEC") as caught:
            lock.read(file)
        assert len(str(caught.value)) < 600


def test_a_lock_that_is_a_link_within_the_project_is_written_where_it_leads_and_stays_one(home):
    (home / ".git").mkdir()
    (home / "kept.lock").write_text('{"layergrid_lock": 1, "specs": {}}')
    (home / lock.NAME).symlink_to("kept.lock")
    ran = run("lock", home / "spec.yaml")
    assert ran.code == 0, ran.err
    assert (home / lock.NAME).is_symlink()
    assert set(lock.read(home / "kept.lock")) == {"spec"}


def test_a_lock_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / lock.NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is not UTF-8"):
        lock.read(tmp_path / lock.NAME)


def test_a_broken_lock_file_stops_a_build_with_exit_code_2_before_anything_runs(home):
    (home / lock.NAME).write_text("{")
    for command in ("build", "plan", "lock"):
        ran = run(command, home / "spec.yaml", *(["--out", home / "reports"] if command == "build" else []))
        assert ran.code == 2
        assert f"{lock.NAME}:1:2" in ran.err
    assert not list((home / "cache").rglob("entry.json"))


# ---------------------------------------------------------------- what differs


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"models": {"tiny": lock.ModelPin(address="hf:owner/name", identity=f"owner/name@{'b' * 40}")}},
         "model tiny: commit aaaaaaaaaaaa is locked, and this is bbbbbbbbbbbb"),
        ({"models": {"tiny": lock.ModelPin(address="./x", identity="sha256:1")}},
         "model tiny: hf:owner/name is locked, and the spec names ./x"),
        ({"models": {**BLOCK.models, "big": BLOCK.models["tiny"]}}, "model big is not in layergrid.lock"),
        ({"models": {}}, "model tiny is in layergrid.lock and no longer in the spec"),
        ({"data": {"sums": BLOCK.data["sums"].model_copy(update={"fingerprint": "2", "digests": ["aaaa xxxx cccc"]})}},
         "data set sums: 1 row differs from layergrid.lock"),
        ({"data": {"sums": BLOCK.data["sums"].model_copy(update={"fingerprint": "2", "rows": 4})}},
         "data set sums: 3 rows in layergrid.lock, 4 now"),
        ({"data": {"sums": BLOCK.data["sums"].model_copy(update={"fingerprint": "2", "digests": ["cccc bbbb aaaa"]})}},
         "data set sums: its rows or their order differ from layergrid.lock"),
        ({"prompts": {"tiny on sums": lock.PromptPin(count=3, digest="2")}},
         "prompts of tiny on sums differ from layergrid.lock"),
        ({"libraries": {"torch": "2.13.0"}}, "torch 2.12.0 is locked, and 2.13.0 is installed"),
        ({"stages": {"capture": 3}}, "stage capture: version 2 is locked, and this release has 3"),
    ],
)  # fmt: skip
def test_each_sort_of_drift_has_a_sentence_that_names_what_differs(now, said):
    assert lock.drift(BLOCK, changed(**now)) == (said,)


def test_nothing_differs_from_itself_and_how_a_wheel_was_built_does_not_count():
    assert lock.drift(BLOCK, BLOCK) == ()
    assert lock.late_drift(BLOCK, BLOCK.batches, BLOCK.splits) == ()
    assert lock.public("2.12.0+cpu") == lock.public("2.12.0+cu130") == "2.12.0"


def test_batches_and_splits_that_differ_are_told_by_their_counts():
    more = {"tiny on sums": lock.BatchPin(count=2, digest="x")}
    assert lock.late_drift(BLOCK, more, BLOCK.splits) == ("batches of tiny on sums: 1 batch locked, 2 now",)
    other = {"errors": lock.SplitPin(digest="x", folds=["2 rows, 2 positive", "1 row, 0 positive"])}
    said = "split of grid errors: fold 0 is locked with 2 rows, 1 positive, and now has 2 rows, 2 positive"
    assert lock.late_drift(BLOCK, BLOCK.batches, other) == (said,)
    fewer = {"errors": lock.SplitPin(digest="x", folds=["3 rows, 2 positive"])}
    assert lock.late_drift(BLOCK, BLOCK.batches, fewer) == ("split of grid errors: 2 folds locked, 1 now",)


def test_a_lock_that_lacks_a_stage_or_batches_pins_them_not_and_is_drift():
    said = (f"stage capture is not in {lock.NAME}",)
    assert lock.drift(changed(stages={}), BLOCK) == said
    said = (f"batches of tiny on sums is not in {lock.NAME}",)
    assert lock.late_drift(changed(batches={}), BLOCK.batches, BLOCK.splits) == said
    assert len(lock.late_drift(BLOCK, {}, BLOCK.splits)) == 1


def test_a_lock_from_another_platform_holds_all_but_splits():
    elsewhere = changed(platform="plan9-mips")
    other = {"errors": lock.SplitPin(digest="x", folds=["3 rows, 2 positive"])}
    assert lock.late_drift(elsewhere, BLOCK.batches, other) == ()
    assert lock.late_drift(elsewhere, {"tiny on sums": lock.BatchPin(count=2, digest="x")}, other) != ()
    assert lock.drift(elsewhere, changed(libraries={"torch": "3"})) != ()


# ---------------------------------------------------------------- held against a study


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "spec.yaml").write_text(TEXT.format(model="builtin:arithmetic"))
    return tmp_path


def study(home, **trust):
    return Study(load_spec(home / "spec.yaml"), Store(), Silent(), models.Trust(**trust))


def pin(home, **parts):
    """Locks the front of the spec without running it, with some parts as they are given."""
    block = locking._known(study(home)).model_copy(update=parts)
    lock.write(home / lock.NAME, "spec", block)
    return block


def test_a_locked_build_without_an_entry_is_refused_and_told_how_to_make_one(home):
    ran = run("build", home / "spec.yaml", "--locked", "--out", home / "reports")
    assert ran.code == 2
    assert f"has no entry for spec; make it with `layergrid lock {home / 'spec.yaml'}`" in ran.err
    assert not list((home / "cache").rglob("entry.json"))


def test_rows_that_changed_are_refused_when_locked_and_told_when_not(home):
    pin(home)
    assert run("plan", home / "spec.yaml", "--locked").code == 0
    (home / "rows.csv").write_text(ROWS.replace("2 plus 2?,4", "2 plus 2?,5"))
    said = "data set sums: 1 row differs from layergrid.lock"
    for command in ("build", "plan"):
        ran = run(command, home / "spec.yaml", "--locked", *(["--out", home / "r"] if command == "build" else []))
        assert ran.code == 2
        assert said in ran.err
        assert f"accept with `layergrid lock {home / 'spec.yaml'}`" in ran.err
    assert not list((home / "cache").rglob("entry.json"))
    planned = run("plan", home / "spec.yaml")
    assert planned.code == 0
    assert f"differs from the lock: {said}" in planned.out
    heard = []
    told = study(home)
    told.reporter = type("Heard", (Silent,), {"note": lambda self, message: heard.append(message)})()
    locking.hold(told)
    assert heard == [f"{said}; accept with `layergrid lock {home / 'spec.yaml'}`"]


def test_a_model_a_library_and_a_stage_that_changed_are_refused_when_locked(home, monkeypatch):
    shutil.copytree(resources.PACKAGE / "demo" / "model", home / "model")
    (home / "spec.yaml").write_text(TEXT.format(model="./model"))
    pin(home)
    assert locking.drift(study(home)) == ()
    monkeypatch.setattr(generate, "VERSION", generate.VERSION + 1)
    (home / "model" / "generation_config.json").write_text("{}")
    monkeypatch.setattr(locking, "library_versions", lambda *_: {"torch": "1.0", "numpy": "9"})
    ran = run("plan", home / "spec.yaml", "--locked")
    assert ran.code == 2
    for said in ("model tiny: its files differ", "and 9 is installed", "stage generate: version"):
        assert said in ran.err


def test_a_change_of_words_is_no_drift(home):
    pin(home)
    spec = home / "spec.yaml"
    spec.write_text(spec.read_text().replace("A plan", "Another title"))
    assert locking.drift(study(home)) == ()


def test_a_model_of_the_hub_is_loaded_at_the_commit_that_is_pinned_unless_the_spec_names_one(home, monkeypatch):
    asked = []

    def fingerprint(spec, *_, **__):
        asked.append(spec.revision)
        return f"owner/name@{spec.revision or 'b' * 40}"

    monkeypatch.setattr(models, "fingerprint", fingerprint)
    monkeypatch.setattr(models, "outline", lambda *_, **__: Outline(8, heads=4, width=128))
    (home / "spec.yaml").write_text(TEXT.format(model="hf:owner/name"))
    assert pin(home).models["tiny"].commit == "b" * 40
    one = study(home)
    assert one.wanted("tiny").revision == "b" * 40
    assert locking.drift(one) == ()  # the branch may have moved: the pinned commit is what is loaded
    assert asked[-1] == "b" * 40
    assert one.spec.models["tiny"].revision is None
    (home / "spec.yaml").write_text(TEXT.format(model="{id: hf:owner/name, revision: v2}"))
    named = study(home)
    assert named.wanted("tiny").revision == "v2"
    assert locking.drift(named) == ("model tiny: commit bbbbbbbbbbbb is locked, and this is v2",)


def test_a_pinned_commit_makes_the_same_keys_as_that_commit_found_on_the_hub(home, monkeypatch):
    monkeypatch.setattr(models, "fingerprint", lambda *_, **__: f"owner/name@{'b' * 40}")
    monkeypatch.setattr(models, "outline", lambda *_, **__: None)
    (home / "spec.yaml").write_text(TEXT.format(model="hf:owner/name"))
    before = {one.label: one.key.digest for one in study(home).stages()}
    pin(home)
    assert {one.label: one.key.digest for one in study(home).stages()} == before


# ---------------------------------------------------------------- by commands


@pytest.fixture
def built(tmp_path_factory, tmp_path):
    """A copy of the shared report's spec and cache, and its report."""
    one = shared(tmp_path_factory)
    shutil.copytree(one.cache, tmp_path / "cache")
    (tmp_path / "small.yaml").write_text(SPEC)
    with cache(tmp_path / "cache"):
        yield tmp_path


def test_a_build_that_is_locked_again_and_again_stays_as_it_is_and_loads_no_model(built):
    first = child("lock", built / "small.yaml")
    assert (first.code, first.imported.count("torch")) == (0, 0)
    text = (built / lock.NAME).read_text()
    block = lock.read(built / lock.NAME)["small"]
    assert block.batches["tiny on sums"].count == 2
    assert [one.split()[0] for one in block.splits["errors"].folds] == ["20", "20", "20"]
    assert block.data["sums"].rows == block.prompts["tiny on sums"].count == 60
    assert str(built) not in text
    again = run("lock", built / "small.yaml")
    assert again.out == f"{built / lock.NAME}: small: unchanged\n"
    assert (built / lock.NAME).read_text() == text
    ran = child("build", built / "small.yaml", "--locked", "--out", built / "reports")
    assert ran.code == 0
    assert ran.err.startswith("report: kept from an earlier build\n")
    assert not set(ran.imported) & set(MODEL_LIBRARIES)


def test_splits_that_differ_are_told_and_when_locked_nothing_is_published(built):
    run("lock", built / "small.yaml")
    block = lock.read(built / lock.NAME)["small"]
    other = block.splits["errors"].model_copy(update={"digest": "sha256:0"})
    lock.write(built / lock.NAME, "small", block.model_copy(update={"splits": {"errors": other}}))
    said = "split of grid errors: the same counts in every fold, but other examples"
    ran = run("build", built / "small.yaml", "--locked", "--out", built / "reports")
    assert ran.code == 2
    assert said in ran.err
    assert not (built / "reports" / "small").exists()
    ran = run("build", built / "small.yaml", "--out", built / "reports")
    assert ran.code == 0
    assert said in ran.err
    assert (built / "reports" / "small" / "report.html").exists()
    accepted = run("lock", built / "small.yaml")
    assert said in accepted.out
    assert run("build", built / "small.yaml", "--locked", "--out", built / "reports").code == 0


def test_the_lock_that_ships_agrees_with_the_specs_that_ship():
    folder = resources.folder("specs")
    blocks = lock.read(folder / lock.NAME)
    assert "arithmetic" in blocks
    for name in blocks:
        one = Study(load_spec(folder / f"{name}.yaml"), Store(), Silent(), models.Trust(locked=True))
        found = locking._known(one)
        assert lock.drift(replaced(blocks[name], found), found) == ()
        assert one.locked == blocks[name]


def replaced(block, now):
    """The block with the libraries that are installed: those that were locked are checked where they are pinned."""
    return block.model_copy(update={"libraries": now.libraries})


def test_a_build_on_another_platform_says_that_splits_are_not_held_against_the_lock(built):
    run("lock", built / "small.yaml")
    block = lock.read(built / lock.NAME)["small"]
    other = block.splits["errors"].model_copy(update={"digest": "sha256:0"})
    moved = {"platform": "plan9-mips", "splits": {"errors": other}}
    lock.write(built / lock.NAME, "small", block.model_copy(update=moved))
    ran = run("build", built / "small.yaml", "--locked", "--out", built / "reports")
    assert ran.code == 0
    assert "splits are not held against layergrid.lock, which was made on plan9-mips" in ran.err
