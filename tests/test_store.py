from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from layergrid.artifacts import Activations, AttentionRows, Examples, Labels, Positions, Sequences
from layergrid.kinds import SITES, STACKS, BuildError
from layergrid.store import (
    Key,
    Store,
    default_root,
    load,
    load_activations,
    load_attention,
    save,
    save_activations,
    save_attention,
)

KEY = Key.of("capture", 1, {"layers": [0, 1], "seed": 0})
ODD = ("</script>", "{{ 7*7 }}", "\ud800", "\ud83d\ude00", "שלום\u202e", "😀", "nul\0nul", "", "\r\n", "\\ud800")


def writes(text="hello"):
    def make(folder):
        (folder / "value.txt").write_text(text)
        (folder / "deep").mkdir()
        (folder / "deep" / "zeros.bin").write_bytes(bytes(1000))

    return make


def refuses(folder):
    raise AssertionError("it is stored already")


def text_of(folder):
    return (folder / "value.txt").read_text()


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "other",
    [
        Key.of("generate", 1, {"layers": [0, 1], "seed": 0}),
        Key.of("capture", 2, {"layers": [0, 1], "seed": 0}),
        Key.of("capture", 1, {"layers": [1, 0], "seed": 0}),
        Key.of("capture", 1, {"layers": [0, 1], "seed": 0.5}),
        Key.of("capture", 1, {"layers": [0, 1], "seed": "0"}),
        Key.of("capture", 1, {"layers": [0, 1], "seed": 0, "more": None}),
        Key.of("capture", 1, {"layers": [0, 1], "seed": 0}, libraries=("numpy",)),
    ],
)
def test_a_change_in_anything_that_matters_changes_the_key(other):
    assert other.digest != KEY.digest


def test_the_order_of_names_and_the_kind_of_a_list_do_not_matter():
    assert Key.of("capture", 1, {"seed": 0, "layers": (0, 1)}).digest == KEY.digest


def test_a_key_may_stand_on_another_key():
    on = [Key.of("grid", 1, {"of": Key.of("capture", 1, {"seed": seed})}).digest for seed in (0, 0, 1)]
    assert on[0] == on[1] != on[2]


def test_a_key_takes_lone_surrogates_and_refuses_what_is_not_json():
    assert Key.of("x", 1, {"prompt": "\ud800"}).digest != Key.of("x", 1, {"prompt": "?"}).digest
    with pytest.raises(TypeError):
        Key.of("x", 1, {"array": np.zeros(2)})


def test_a_key_is_the_same_in_another_process():
    code = "from layergrid.store import Key; print(Key.of('capture', 1, {'layers': [0, 1], 'seed': 0}).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.strip() == KEY.digest


# ---------------------------------------------------------------- entries


def test_a_second_build_makes_nothing(tmp_path):
    assert text_of(Store(tmp_path).build(KEY, writes())) == "hello"
    assert text_of(Store(tmp_path).build(KEY, refuses)) == "hello"


def test_a_result_is_read_from_what_was_made(tmp_path):
    store = Store(tmp_path)
    assert store.result(KEY, writes("a"), text_of) == "a"
    assert store.result(KEY, refuses, text_of) == "a"


def test_has_and_get_tell_what_is_there_without_making_it(tmp_path):
    store = Store(tmp_path)
    assert not store.has(KEY)
    assert store.get(KEY) is None
    assert not list(tmp_path.iterdir())
    folder = store.build(KEY, writes())
    assert store.has(KEY)
    assert store.get(KEY) == folder


def test_an_entry_keeps_the_parts_of_its_key(tmp_path):
    entry = json.loads((Store(tmp_path).build(KEY, writes()) / "entry.json").read_text())
    assert entry["whole"]["parts"] == {"layers": [0, 1], "seed": 0}
    assert entry["files"]["deep/zeros.bin"][0] == 1000


def test_a_make_that_fails_leaves_no_entry_and_no_rubbish(tmp_path):
    store = Store(tmp_path)

    def fails(folder):
        writes()(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.build(KEY, fails)
    assert not store.has(KEY)
    assert not list((store.root / "unfinished").iterdir())
    assert text_of(store.build(KEY, writes())) == "hello"


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


DAMAGE = {
    "a flipped bit": lambda folder: flip(folder / "deep" / "zeros.bin"),
    "a truncated file": lambda folder: os.truncate(folder / "deep" / "zeros.bin", 10),
    "a missing file": lambda folder: (folder / "value.txt").unlink(),
    "a file of the same size": lambda folder: (folder / "value.txt").write_text("hallo"),
    "no list of files": lambda folder: (folder / "entry.json").unlink(),
    "an empty list of files": lambda folder: (folder / "entry.json").write_text(""),
    "a list that is no object": lambda folder: (folder / "entry.json").write_text("[1]"),
    "a list of nothing": lambda folder: (folder / "entry.json").write_text('{"key": "' + KEY.digest + '"}'),
    "files that are no object": lambda folder: (folder / "entry.json").write_text(
        '{"key": "' + KEY.digest + '", "files": [1]}'
    ),
    "the entry of another key": lambda folder: (folder / "entry.json").write_text('{"key": "0", "files": {}}'),
    "the bytes of another file type": lambda folder: (folder / "entry.json").write_bytes(b"\xff\xfe\0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_once_and_mended(damage, tmp_path):
    DAMAGE[damage](Store(tmp_path).build(KEY, writes()))
    told = []
    store = Store(tmp_path, warn=told.append)
    assert store.get(KEY) is None
    folder = store.build(KEY, writes())
    assert text_of(folder) == "hello"
    assert len(told) == 1
    assert "capture is damaged" in told[0]
    assert "made again" in told[0]
    assert not list((store.root / "unfinished").iterdir())
    assert Store(tmp_path, warn=told.append).get(KEY) == folder
    assert len(told) == 1


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing(tmp_path):
    store = Store(tmp_path)

    def full(folder):
        writes()(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BuildError, match=r"no space is left for the result of capture.*LAYERGRID_CACHE"):
        store.build(KEY, full)
    assert not store.has(KEY)
    assert not list((store.root / "unfinished").iterdir())


def test_other_errors_of_a_stage_are_not_blamed_on_the_store(tmp_path):
    def lost(folder):
        raise FileNotFoundError(errno.ENOENT, "no such data")

    with pytest.raises(FileNotFoundError):
        Store(tmp_path).build(KEY, lost)


def test_a_cache_that_cannot_be_made_is_told_and_the_build_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    told = []
    store = Store(tmp_path / "file" / "cache", warn=told.append)
    folder = store.build(KEY, writes())
    assert text_of(folder) == "hello"
    assert store.get(KEY) == folder == store.build(KEY, refuses)
    assert store.has(KEY)
    assert len(told) == 1
    assert "cannot be written" in told[0]
    del store
    assert not folder.exists()


def test_a_read_only_cache_still_gives_what_it_holds(tmp_path, monkeypatch):
    kept = Store(tmp_path).build(KEY, writes())
    told = []
    store = Store(tmp_path, warn=told.append)
    made = os.open

    def read_only(path, flags, *rest, **more):
        if flags & (os.O_CREAT | os.O_RDWR | os.O_WRONLY) and str(path).startswith(str(tmp_path)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return made(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    other = Key.of("grid", 1, {})
    assert store.build(KEY, refuses) == kept
    assert told == []
    assert text_of(store.build(other, writes("new"))) == "new"
    assert "Read-only file system" in told[0]
    assert not (store.root / "grid").exists()


def test_the_root_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    assert Store().root.parent == tmp_path / "here"
    monkeypatch.delenv("LAYERGRID_CACHE")
    assert default_root().name == "layergrid"


# ---------------------------------------------------------------- processes

BUILDER = """
import sys, time
from pathlib import Path
from layergrid.store import Key, Store

store = Store(Path(sys.argv[1]))
print("ready", flush=True)
for i in range(400):
    def make(folder, i=i):
        for part in range(3):
            (folder / f"part{part}").write_bytes(bytes([i % 256]) * 20000)
            time.sleep(0.001)
    store.build(Key.of("stage", 1, {"i": i}), make)
print("done", flush=True)
"""


def test_a_build_killed_at_any_moment_leaves_whole_entries_or_none(tmp_path):
    draw = np.random.default_rng(0)
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", BUILDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    told = []
    store = Store(tmp_path, warn=told.append)
    keys = [Key.of("stage", 1, {"i": i}) for i in range(400)]
    there = [key for key in keys if store.has(key)]
    assert 0 < len(there) < 400
    for i, key in enumerate(keys[: len(there) + 2]):
        made = []
        folder = store.build(key, lambda folder, made=made: made.append((folder / "part0").write_bytes(b"new")))
        if key in there:
            assert [(folder / f"part{p}").read_bytes() for p in range(3)] == [bytes([i % 256]) * 20000] * 3
        assert bool(made) == (key not in there)
    assert told == []
    assert not list((store.root / "unfinished").iterdir())


SLOW = """
import sys, time
from pathlib import Path
from layergrid.store import Key, Store

def make(folder):
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(0.5)
    (folder / "value.txt").write_text("one")

store = Store(Path(sys.argv[1]), warn=lambda message: print(message))
print((store.build(Key.of("slow", 1, {}), make) / "value.txt").read_text())
"""


def test_two_builds_of_one_result_make_it_once(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", SLOW, str(tmp_path / "cache"), str(log)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [child.communicate()[0] for child in children]
    assert log.read_text() == "made\n"
    assert all(one.endswith("one\n") for one in said)


def test_importing_the_store_loads_no_heavy_library():
    code = "import sys, layergrid.store; print([m for m in ('torch', 'pyarrow', 'filelock') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


# ---------------------------------------------------------------- artifacts


def same(a, b):
    assert type(a) is type(b)
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype.kind == other.dtype.kind, field.name
            np.testing.assert_array_equal(one, other)
        elif isinstance(one, tuple) and one and isinstance(one[0], np.ndarray):
            assert len(one) == len(other)
            for x, y in zip(one, other, strict=True):
                assert (x.dtype, x.shape) == (y.dtype, y.shape), field.name
                np.testing.assert_array_equal(x, y)
        else:
            assert repr(one) == repr(other), field.name
            assert type(one) is type(other)


def sequences(lengths, prompts):
    draw = np.random.default_rng(1)
    return Sequences(
        example_ids=tuple(f"q{i}" for i in range(len(lengths))),
        ids=tuple(draw.integers(0, 9, n).astype(np.int32) for n in lengths),
        offsets=tuple(draw.integers(0, 9, (n, 2)).astype(np.int32) for n in lengths),
        pieces=tuple(tuple(ODD[(i + t) % len(ODD)] for t in range(n)) for i, n in enumerate(lengths)),
        special=tuple(draw.random(n) < 0.5 for n in lengths),
        texts=tuple(ODD[i % len(ODD)] for i in range(len(lengths))),
        prompt_tokens=np.array(prompts, np.int32),
        prompt_chars=np.array(prompts, np.int32),
        logprobs=tuple(draw.normal(size=n - p).astype(np.float32) for n, p in zip(lengths, prompts, strict=True)),
        stopped=np.array([i % 2 == 0 for i in range(len(lengths))], bool),
    )


ARTIFACTS = {
    "examples": Examples(
        "sums", "odd\ud800.csv", ODD, tuple(reversed(ODD)),
        {"\ud800": ODD, "mixed": (1, 1.0, True, None, "1", 2**70, float("nan"), float("-inf"), -0.0, 1e-310)},
        "sha256:0",
    ),
    "no examples": Examples("none", "x", (), (), {"question": ()}, ""),
    "sequences": sequences((5, 1, 8, 3), (2, 1, 8, 0)),
    "one sequence": sequences((4,), (1,)),
    "no sequences": sequences((), ()),
    "given texts": replace(sequences((5, 2), (5, 2)), written=False),
    "labels": Labels("numeric", "the last number", np.array([[0, 3], [-1, -1]], np.int32), ("\ud800", None),
                     np.array([True, False]), ("", "no\0thing")),
    "labels of a column": Labels("column", "", np.array([[-1, -1]], np.int32), (None,), np.array([True]), ("",),
                                 classes=("not \ud800", "toxic\0")),
    "no labels": Labels("", "", np.zeros((0, 2), np.int32), (), np.zeros(0, bool), (), classes=("", "")),
    "positions": Positions(("last_q", "\ud800"), np.array([[1, -1], [2, 3], [0, 0]], np.int32),
                           np.array([[2, -1], [3, 4], [1, 1]], np.int32),
                           np.array([["ok", "missing"], ["ok", "truncated"], ["ok", "ok"]])),
    "no positions": Positions((), np.zeros((3, 0), np.int32), np.zeros((3, 0), np.int32), np.zeros((3, 0), "U9")),
}  # fmt: skip


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_come_back_as_they_were(name, tmp_path):
    save(ARTIFACTS[name], tmp_path)
    same(load(type(ARTIFACTS[name]), tmp_path), ARTIFACTS[name])


@pytest.mark.parametrize(("name", "field"), [("sequences", "written"), ("labels", "classes")])
def test_artifacts_from_before_a_field_was_there_take_its_default(name, field, tmp_path):
    save(ARTIFACTS[name], tmp_path)
    path = tmp_path / f"{name}.json"
    words = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    del words[field]
    path.write_bytes(json.dumps(words, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    same(load(type(ARTIFACTS[name]), tmp_path), ARTIFACTS[name])


@pytest.mark.parametrize("name", ARTIFACTS)
def test_saving_an_artifact_twice_gives_the_same_bytes(name, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        save(ARTIFACTS[name], tmp_path / place)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def activations(values):
    present = np.array([[1, 0], [1, 1], [0, 0]], bool)
    return Activations("residual", (0, 3), ("p", "\ud800"), ("a", "b", "c"), values, present)


def test_activations_come_back_memory_mapped_with_nan_and_infinity(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 2, 3, 5)).astype(np.float32)
    values[0, 0, 0, :2] = np.nan, np.inf
    save_activations({"residual": activations(values)}, tmp_path)
    found = load_activations(tmp_path)["residual"]
    assert isinstance(found.values, np.memmap)
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.present, activations(values).present)
    assert (found.site, found.layers, found.positions, found.example_ids) == (
        "residual", (0, 3), ("p", "\ud800"), ("a", "b", "c"),
    )  # fmt: skip


def test_values_that_lie_in_the_folder_already_are_not_written_again(tmp_path):
    values = np.lib.format.open_memmap(tmp_path / "residual.npy", mode="w+", dtype=np.float32, shape=(2, 2, 3, 5))
    before = (tmp_path / "residual.npy").stat().st_ino, (tmp_path / "residual.npy").stat().st_mtime_ns
    save_activations({"residual": activations(values)}, tmp_path)
    assert before == ((tmp_path / "residual.npy").stat().st_ino, (tmp_path / "residual.npy").stat().st_mtime_ns)
    assert load_activations(tmp_path)["residual"].values.shape == (2, 2, 3, 5)


def test_sites_of_one_stack_and_of_heads_keep_apart_with_what_layers_lack(tmp_path):
    sites = [*SITES, *(f"{stack}.{site}" for stack in STACKS for site in SITES)]
    given = {
        site: replace(
            activations(np.full((2, 2, 3, 6), i, np.float32)), site=site, heads=3 if site.endswith("head_out") else 0,
            lacking={3: "layer 3 has no \ud800 part"} if i % 2 else {},
        )
        for i, site in enumerate(sites)
    }  # fmt: skip
    save_activations(given, tmp_path)
    found = load_activations(tmp_path)
    assert list(found) == sites
    for site, one in given.items():
        assert (found[site].site, found[site].heads, found[site].lacking) == (site, one.heads, one.lacking)
        np.testing.assert_array_equal(found[site].values, one.values)


def test_activations_from_before_heads_were_kept_have_none(tmp_path):
    save_activations({"residual": activations(np.zeros((2, 2, 3, 5), np.float32))}, tmp_path)
    path = tmp_path / "activations.json"
    words = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    for name in ("heads", "lacking"):
        del words["residual"][name]
    path.write_bytes(json.dumps(words, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    found = load_activations(tmp_path)["residual"]
    assert (found.heads, found.lacking, found.positions) == (0, {}, ("p", "\ud800"))


def attention(keys=5):
    draw = np.random.default_rng(0)
    shape = (3, 4, 2, keys, 6)  # layers, heads, queries, keys, examples
    values = draw.random(shape).astype(np.float32)
    values[1] = np.nan
    row = (*shape[:3], shape[4])
    return AttentionRows(
        layers=(1, 2, 5), heads=4, queries=("q", "\ud800"), keys=tuple(f"{k}" for k in range(keys)),
        key_labels=tuple(ODD[k % len(ODD)] for k in range(keys)), example_ids=tuple(ODD[:6]), values=values,
        entropy=draw.random(row).astype(np.float32), first=draw.random(row).astype(np.float32),
        mass=np.ones(row, np.float32), attendable=draw.random(shape[2:]) < 0.5, lacking={2: "layer 2 has none"},
    )  # fmt: skip


@pytest.mark.parametrize("keys", [5, 0])
def test_attention_rows_come_back_as_they_were_and_memory_mapped(keys, tmp_path):
    save_attention(attention(keys), tmp_path)
    found = load_attention(tmp_path)
    same(found, attention(keys))
    assert isinstance(found.values, np.memmap)


def test_attention_rows_that_lie_in_the_folder_already_are_not_written_again(tmp_path):
    save_attention(attention(), tmp_path)
    before = (tmp_path / "attention.values.npy").stat()
    save_attention(load_attention(tmp_path), tmp_path)
    after = (tmp_path / "attention.values.npy").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    same(load_attention(tmp_path), attention())
