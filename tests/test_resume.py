"""Stages that go on from the finished parts of a run that was ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import families
import test_attention
import test_capture
import test_generate
import tiny_models
from layergrid import attention as attention_module
from layergrid.attention import attention
from layergrid.attention.keeping import packed as packed_rows
from layergrid.attention.keeping import unpacked as unpacked_rows
from layergrid.attention.rows import Reduced, Taken
from layergrid.capture import capture
from layergrid.kinds import BuildError
from layergrid.models import blocks
from layergrid.probes import CellFit, Plan, cells, fit_cells, keeping
from layergrid.probes.keeping import packed, unpacked
from layergrid.probes.solving import Direction
from layergrid.store import FolderShards, Key, Store, sharing


class EndedError(Exception):
    """Stands for the end of a process."""


class Counted:
    """Shards that count, and end the run before the part number `end` is there."""

    def __init__(self, folder: Path, end: int | None = None) -> None:
        self.kept, self.end = FolderShards(folder), end
        self.taken: list[str] = []
        self.made: list[str] = []

    def get(self, name: str) -> Mapping[str, np.ndarray] | None:
        found = self.kept.get(name)
        self.taken += [name] if found is not None else []
        return found

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        if len(self.made) == self.end:
            raise EndedError
        self.kept.put(name, arrays)
        self.made.append(name)


def flip(path: Path, at: int) -> None:
    """Turns one bit."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x80
    path.write_bytes(content)


# ---------------------------------------------------------------- generation


@pytest.mark.parametrize("end", [0, 1, 2])
def test_generation_goes_on_from_its_finished_batches(end, tmp_path):
    loaded = tiny_models.loaded()
    whole = test_generate.run(loaded, batch=2)
    with pytest.raises(EndedError):
        test_generate.run(loaded, batch=2, shards=Counted(tmp_path, end))
    shards, seen = Counted(tmp_path), []
    found = test_generate.run(loaded, batch=2, shards=shards, progress=lambda *both: seen.append(both))
    assert (len(shards.taken), len(shards.made)) == (end, 3 - end)
    assert seen == [(0, 6), (2, 6), (4, 6), (6, 6)]
    for name in ("ids", "logprobs"):
        for a, b in zip(getattr(found, name), getattr(whole, name), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert (found.texts, found.pieces) == (whole.texts, whole.pieces)


def test_batches_of_another_plan_are_not_taken(tmp_path):
    loaded = tiny_models.loaded()
    test_generate.run(loaded, batch=2, shards=FolderShards(tmp_path))
    other = [f"{prompt} " for prompt in test_generate.PROMPTS]
    for changed in ({"batch": 3}, {"max_new_tokens": 11}, {"prompts": other}):
        shards = Counted(tmp_path)
        test_generate.run(loaded, **{"batch": 2, **changed}, shards=shards)
        assert shards.taken == [], changed


def test_a_batch_without_numbers_is_not_kept(tmp_path):
    import torch

    loaded = tiny_models.loaded()
    head = loaded.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _module, _args, out: torch.full_like(out, torch.nan))
    shards = Counted(tmp_path)
    with pytest.raises(BuildError):
        test_generate.run(loaded, shards=shards)
    handle.remove()
    assert shards.made == []


# ---------------------------------------------------------------- capture

TOKENS = 30  # in a batch: four batches of the six sequences
BATCHES = {(1, 30), (1, 17), (3, 9), (1, 1)}  # rows and tokens


def captured(folder: Path, shards=None, loaded=None, **options):
    words = {"sites": ("residual", "mlp_out"), "batch_tokens": TOKENS, "shards": shards or FolderShards(folder)}
    texts, where = test_capture.sequences(), test_capture.positions()
    found = capture(loaded or tiny_models.loaded(), texts, where, folder, **{**words, **options})
    return {site: (folder / f"{site}.npy").read_bytes() for site in found}


def passes(folder: Path) -> tuple[int, dict[str, bytes]]:
    """Batches that a capture ran, and its files."""
    loaded, widths = tiny_models.loaded(), []
    handle = blocks(loaded)[1].register_forward_pre_hook(lambda _, args: widths.append(tuple(args[0].shape[:2])))
    try:
        found = captured(folder, loaded=loaded)
    finally:
        handle.remove()
    return sum(one in BATCHES for one in widths), found  # and not the trials


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return captured(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("end", range(4))
def test_a_capture_goes_on_from_its_finished_batches_to_the_same_bytes(end, tmp_path, undisturbed):
    with pytest.raises(EndedError):
        captured(tmp_path, Counted(tmp_path, end))
    ran, found = passes(tmp_path)
    assert ran == 4 - end
    assert found == undisturbed


def header(path: Path) -> int:
    return path.stat().st_size - np.load(path, mmap_mode="r").nbytes


@pytest.mark.parametrize("site", ["residual", "mlp_out"])
@pytest.mark.parametrize("example", [3, *(pytest.param(i, marks=pytest.mark.slow) for i in (0, 1, 2, 4, 5))])
def test_a_bit_that_flips_in_any_example_costs_its_batch_and_is_mended(site, example, tmp_path, undisturbed):
    captured(tmp_path)
    path = tmp_path / f"{site}.npy"
    shape = np.load(path, mmap_mode="r").shape
    for position in range(shape[1]):
        cell = np.ravel_multi_index((shape[0] - 1, position, example, 3), shape)
        flip(path, header(path) + 4 * int(cell) + 3)  # the sign: a zero in a cell without a token becomes -0
        assert path.read_bytes() != undisturbed[site]
        ran, found = passes(tmp_path)
        assert ran == 1
        assert found == undisturbed


def test_what_the_file_holds_beyond_all_batches_is_zero_again(tmp_path):
    where = test_capture.positions()
    start, stop = where.start.copy(), where.stop.copy()
    start[2], stop[2] = -1, -1
    where = replace(where, start=start, stop=stop)

    def run() -> bytes:
        words = {"batch_tokens": TOKENS, "shards": FolderShards(tmp_path)}
        capture(tiny_models.loaded(), test_capture.sequences(), where, tmp_path, **words)
        return (tmp_path / "residual.npy").read_bytes()

    whole = run()
    values = np.load(tmp_path / "residual.npy", mmap_mode="r+")
    values[1, 2, 2, 5] = -0.0
    values.flush()
    assert (tmp_path / "residual.npy").read_bytes() != whole
    assert run() == whole


def test_layers_that_a_site_lacks_are_zero_again(tmp_path):
    loaded = families.loaded("jamba")

    def run() -> bytes:
        captured(tmp_path, loaded=loaded, sites=("attention_out",))
        return (tmp_path / "attention_out.npy").read_bytes()

    whole = run()
    values = np.load(tmp_path / "attention_out.npy", mmap_mode="r+")
    lacking = next(i for i, layer in enumerate(values) if not layer.any())
    values[lacking, 0, 0, 0] = 1
    values.flush()
    assert run() == whole


@pytest.mark.parametrize(
    "how",
    [
        "header",
        "short",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("long", "shape", "garbage", "empty", "gone")),
    ],
)
def test_a_file_that_is_not_the_one_begun_is_made_again(how, tmp_path, undisturbed):
    captured(tmp_path)
    path = tmp_path / "mlp_out.npy"
    content = path.read_bytes()
    if how == "header":
        flip(path, 90)
    elif how == "shape":
        np.save(path, np.zeros((4, 4, 6, 31), np.float32))
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes({"short": content[:-4], "long": content + b"abcd", "garbage": b"\0" * 70, "empty": b""}[how])
    ran, found = passes(tmp_path)
    assert ran == 4
    assert found == undisturbed


@pytest.mark.parametrize("record", range(4))
def test_a_record_that_is_damaged_or_of_other_values_vouches_for_nothing(record, tmp_path, undisturbed):
    captured(tmp_path)
    parts = sorted((tmp_path / "shards").glob("*.npz"))
    flip(parts[record], 60)
    assert passes(tmp_path) == (1, undisturbed)
    parts[record].write_bytes(parts[record - 1].read_bytes())
    assert passes(tmp_path) == (1, undisturbed)


def test_a_capture_without_parts_leaves_no_trace_of_an_earlier_one(tmp_path, undisturbed):
    captured(tmp_path)
    for name in undisturbed:
        values = np.load(tmp_path / f"{name}.npy", mmap_mode="r+")
        values[:] = np.nan
        values.flush()
        del values
    elsewhere = FolderShards(tmp_path / "elsewhere")
    elsewhere.folder.parent.mkdir()
    assert captured(tmp_path, elsewhere) == undisturbed


def test_halves_of_a_batch_that_did_not_fit_are_parts_of_their_own(tmp_path):
    lengths = (9,) * 13
    texts, where = test_capture.sequences(lengths), test_capture.positions(lengths)

    def run(folder: Path, shards) -> tuple[list[int], bytes]:
        loaded = tiny_models.loaded()
        handle, tries = test_capture.full(loaded, 4, MemoryError())
        try:
            capture(loaded, texts, where, folder, shards=shards)
        finally:
            handle.remove()
        return tries, (folder / "residual.npy").read_bytes()

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, whole = run(tmp_path / "a", FolderShards(tmp_path / "a"))
    with pytest.raises(EndedError):
        run(tmp_path / "b", Counted(tmp_path / "b", 3))  # what did not fit, and two halves of halves
    tries, found = run(tmp_path / "b", Counted(tmp_path / "b"))
    assert tries == [2, 6, 3, 3]  # a trial, and what is neither there nor known not to fit
    assert found == whole


# ---------------------------------------------------------------- attention


def alike(one, other) -> bool:
    """Whether two artifacts hold the same words and the same bytes."""
    return all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() and np.shape(a) == np.shape(b) if isinstance(a, np.ndarray)
        else a == b
        for a, b in ((getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("llama", {"weighting": "value"}), ("gpt2", {"weighting": "rollout"}), ("falcon", {}),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                ("llama", {}), ("jamba", {"sink": "drop"}), ("qwen3_next", {"weighting": "value"}), ("bert", {}),
                ("bart", {"stack": "decoder"}),
            )
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "-".join(one.values()),
)  # fmt: skip
def test_attention_goes_on_from_its_finished_batches(family, words, tmp_path):
    need = test_attention.need(**words)
    whole = test_attention.read(family, need, batch_tokens=TOKENS)
    ended = Counted(tmp_path, 2)
    with pytest.raises(EndedError):
        test_attention.read(family, need, batch_tokens=TOKENS, shards=ended)
    shards = Counted(tmp_path)
    found = test_attention.read(family, need, batch_tokens=TOKENS, shards=shards)
    assert shards.taken == ended.made
    assert len(shards.made) >= 1
    assert not set(shards.made) & set(ended.made)
    assert alike(found, whole)


def test_a_finished_attention_batch_is_not_run_again(tmp_path, monkeypatch):
    texts, where = test_capture.sequences(test_attention.LENGTHS), test_attention.positions()
    words = (families.loaded("llama"), texts, where, test_attention.need())
    attention(*words, shards=FolderShards(tmp_path))
    monkeypatch.setattr(attention_module, "ask", lambda *_: pytest.fail("a batch is read again"))
    attention(*words, shards=FolderShards(tmp_path))


def test_what_was_taken_of_a_batch_comes_back_with_its_reasons(tmp_path):
    layer = Reduced(*(np.full(shape, np.nan, np.float32) for shape in ((1, 2, 3, 0), (1, 2, 3), (1, 2, 3), (1, 2, 3))))
    taken = Taken({2: layer, 11: layer}, {7: "its output projection cannot be told - é"}, True)
    FolderShards(tmp_path).put("one", packed_rows(taken))
    found = unpacked_rows(FolderShards(tmp_path).get("one") or {})
    assert (found.changed, found.ahead, list(found.found)) == (taken.changed, True, [2, 11])
    assert all(alike(found.found[layer], taken.found[layer]) for layer in (2, 11))


# ---------------------------------------------------------------- probes

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
reals = st.floats(allow_nan=True, allow_infinity=True)
shapes = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4)
words = st.text(st.characters(exclude_categories=[]), max_size=8)


def arrays(dtype, elements) -> st.SearchStrategy[np.ndarray]:
    found = hnp.arrays(dtype, shapes, elements=elements)
    return st.one_of(found, found.map(np.transpose), found.map(lambda one: one[::2]))


@st.composite
def cell_fits(draw) -> CellFit:
    single, double = arrays(np.float32, floats), arrays(np.float64, reals)
    direction = st.builds(Direction, double, reals, st.booleans())
    return CellFit(
        draw(words), draw(words), draw(single), draw(double), draw(double), draw(single), draw(st.integers(0, 10**9)),
        draw(double), draw(st.none() | single), draw(st.none() | direction), draw(reals),
    )  # fmt: skip


def exactly(one: object, other: object) -> bool:
    """Whether two values are the same to the bit."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, CellFit | Direction) and type(one) is type(other):
        return all(exactly(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, float) and isinstance(other, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes()
    return type(one) is type(other) and one == other


@settings(max_examples=60, deadline=None)
@given(fit=cell_fits())
def test_a_fitted_cell_comes_back_to_the_bit(fit, tmp_path_factory):
    shards = FolderShards(tmp_path_factory.mktemp("one"))
    shards.put("cells-0", packed(fit))
    found = unpacked(shards.get("cells-0") or {})
    assert exactly(found, fit)
    assert all(one.flags.c_contiguous for one in packed(fit).values())


def workload() -> tuple[np.ndarray, list[tuple[int, int]], np.ndarray, Plan]:
    n = 60
    rng = np.random.default_rng(0)
    target = rng.random(n) < 0.4
    values = rng.standard_normal((3, 2, n, 5)).astype(np.float32)
    values[..., 0] += target
    values[1, 1] = 1  # a cell without a value
    plan = Plan(target, (np.arange(n) % 3)[None], (1e-3, 1e-1), directions=True)
    return values, [(layer, p) for layer in range(3) for p in range(2)], np.arange(n), plan


@pytest.fixture
def small(monkeypatch):
    """Every cell is worth a part."""
    monkeypatch.setattr(keeping, "WORTH", 0.0)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("end", range(6))
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_probes_go_on_from_their_finished_cells(workers, end, tmp_path, monkeypatch):
    values, where, rows, plan = workload()
    whole = fit_cells(values, where, rows, plan, workers=1)
    with pytest.raises(EndedError):
        fit_cells(values, where, rows, plan, workers=1, shards=Counted(tmp_path, end))
    fitted, fit_cell = [], cells.fit_cell
    monkeypatch.setattr(cells, "fit_cell", lambda *args: (fitted.append(1), fit_cell(*args))[1])
    shards, seen = Counted(tmp_path), []
    found = fit_cells(values, where, rows, plan, lambda *both: seen.append(both), workers=workers, shards=shards)
    assert len(shards.taken) == end
    assert len(fitted) == (6 - end if workers == 1 else 0)
    assert seen == [(done, 6) for done in range(1, 7)]
    assert all(exactly(a, b) for a, b in zip(found, whole, strict=True))


def test_small_cells_come_together_in_one_part(tmp_path):
    values, where, rows, plan = workload()
    shards = Counted(tmp_path)
    whole = fit_cells(values, where, rows, plan, workers=1, shards=shards)
    assert shards.made == ["cells-0"]
    found = fit_cells(np.zeros_like(values), where, rows, plan, workers=1, shards=shards)
    assert all(exactly(a, b) for a, b in zip(found, whole, strict=True))


@pytest.mark.usefixtures("small")
def test_a_part_that_is_damaged_costs_its_own_cells_alone(tmp_path):
    values, where, rows, plan = workload()
    whole = fit_cells(values, where, rows, plan, workers=1, shards=Counted(tmp_path))
    flip(tmp_path / "shards" / "cells-2.npz", 400)
    (tmp_path / "shards" / "cells-5.npz").unlink()
    shards = Counted(tmp_path)
    found = fit_cells(values, where, rows, plan, workers=1, shards=shards)
    assert shards.made == ["cells-2", "cells-5"]
    assert all(exactly(a, b) for a, b in zip(found, whole, strict=True))


def test_groups_of_cells_that_overlap_after_damage_give_each_cell_once(tmp_path, monkeypatch):
    values, where, rows, plan = workload()
    whole = fit_cells(values, where, rows, plan, workers=1, shards=Counted(tmp_path))  # all six in one part
    monkeypatch.setattr(keeping, "WORTH", 0.0)
    part = tmp_path / "shards" / "cells-0.npz"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    with pytest.raises(EndedError):
        fit_cells(values, where, rows, plan, workers=1, shards=Counted(tmp_path, 3))
    part.write_bytes(content)
    shards = Counted(tmp_path)
    found = fit_cells(values, where, rows, plan, workers=1, shards=shards)
    assert (shards.taken, shards.made) == (["cells-0"], [])
    assert all(exactly(a, b) for a, b in zip(found, whole, strict=True))


@pytest.mark.usefixtures("small")
def test_probes_of_another_model_have_parts_of_their_own(tmp_path):
    values, where, rows, plan = workload()
    fit_cells(values, where, rows, plan, workers=1, shards=Counted(tmp_path))
    shards = Counted(tmp_path)
    fit_cells(values[::-1].copy(), where, rows, plan, workers=1, shards=shards, name="untrained")
    assert shards.taken == []


# ---------------------------------------------------------------- the entry


def test_an_entry_that_is_ended_between_its_list_and_its_place_goes_on_from_its_parts(tmp_path, monkeypatch):
    key, taken, said = Key.of("capture", 1, {}), [], []

    def make(folder: Path) -> None:
        shards = FolderShards(folder)
        taken.append(shards.get("one") is not None)
        shards.put("one", {"a": np.arange(3)})
        np.save(folder / "values.npy", np.arange(3))

    def end(*_: object) -> None:
        raise EndedError

    with monkeypatch.context() as patch:
        patch.setattr(sharing, "put", end)
        with pytest.raises(EndedError):
            Store(tmp_path).build(key, make, resumes=True)
    assert list((tmp_path / "v1" / "unfinished").glob("*/entry.json")) != []
    assert Store(tmp_path).begun(key)
    folder = Store(tmp_path, warn=said.append).build(key, make, resumes=True)
    assert taken == [False, True]
    assert said == ["capture goes on from what an earlier build had finished of it"]
    assert not Store(tmp_path).begun(key)
    assert sorted(one.name for one in folder.iterdir()) == ["entry.json", "values.npy"]
    assert list((tmp_path / "v1" / "unfinished").iterdir()) == []
    assert Store(tmp_path).get(key) == folder
