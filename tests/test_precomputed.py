from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid import precomputed
from layergrid.artifacts import Examples, ModelCard
from layergrid.kinds import BadInput, BuildError

L, P, N, D, H = 4, 2, 6, 8, 2
POSITIONS = ("last_q", "-1")
IDS = tuple(f"q{i}" for i in range(N))
CARD = ModelCard("tiny", "", "Llama", L, D, 1000, "float32", "r1", heads=H)


def examples(ids=IDS):
    ids = tuple(ids)
    return Examples("sums", "sums.csv", ids, ids, {}, "sha256:0")


def array(layers=L + 1, width=D, n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(layers, P, n, width)).astype(np.float32)


def save(folder, states=None, **options):
    states = {"residual": array()} if states is None else states
    return precomputed.save(folder, states, **{"card": CARD, "positions": POSITIONS, "ids": IDS, **options})


def manifest(folder, text="", **changes):
    """A manifest of one residual array in float32 with changed entries; None takes a key away."""
    save(folder)
    if text:
        path = folder / "given.yaml"
        path.write_text(text, encoding="utf-8")
        return path
    path = folder / "manifest.json"
    told = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in told.items() if value is not None}))
    return path


# ---------------------------------------------------------------- what is read


def test_what_was_saved_is_read_as_it_was(tmp_path):
    states = {"residual": array(), "mlp_out": array(L, seed=1), "head_out": array(L, 6, seed=2)}
    found = precomputed.read(save(tmp_path, states), examples())
    assert set(found.activations) == set(states)
    for site, values in states.items():
        one = found.activations[site]
        np.testing.assert_array_equal(one.values, values)
        assert (one.site, one.positions, one.example_ids) == (site, POSITIONS, IDS)
        assert one.layers == tuple(range(0 if site == "residual" else 1, L + 1))
        assert one.present.all()
        assert one.heads == (H if site == "head_out" else 0)
    assert found.card == replace(CARD, address="activations:manifest.json")
    assert found.positions.names == POSITIONS
    assert set(found.positions.status.ravel()) == {"ok"}


def test_float32_in_the_order_of_the_data_is_mapped_from_its_own_file(tmp_path):
    values = precomputed.read(save(tmp_path), examples()).activations["residual"].values
    assert isinstance(values, np.memmap)
    assert Path(values.filename) == tmp_path / "residual.safetensors"


@pytest.mark.parametrize("kind", ["safetensors", "npz", "npz compressed"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_each_dtype_of_each_file_becomes_float32(tmp_path, kind, dtype):
    values = array().astype(dtype)
    path = save(tmp_path, {"residual": values})
    if kind != "safetensors":
        (np.savez_compressed if "compressed" in kind else np.savez)(tmp_path / "residual.npz", states=values)
        path = manifest(tmp_path, sites={"residual": {"file": "residual.npz", "tensor": "states"}})
    found = precomputed.read(path, examples()).activations["residual"].values
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_bfloat16_becomes_the_float32_that_torch_makes_of_it(tmp_path):
    import torch
    from safetensors.torch import save_file

    values = torch.from_numpy(array()).bfloat16()
    path = save(tmp_path)
    save_file({"other": torch.zeros(3, dtype=torch.uint8), "residual": values}, tmp_path / "residual.safetensors")
    found = precomputed.read(path, examples()).activations["residual"].values
    np.testing.assert_array_equal(found, values.float().numpy())


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(N)), kept=st.integers(1, N))
def test_rows_follow_the_ids_of_the_data_in_any_order_and_others_are_left_out(tmp_path_factory, order, kept):
    path = save(tmp_path_factory.mktemp("given"))
    chosen = list(order)[:kept]
    found = precomputed.read(path, examples(IDS[i] for i in chosen)).activations["residual"]
    np.testing.assert_array_equal(found.values, array()[:, :, chosen])
    assert found.example_ids == tuple(IDS[i] for i in chosen)


def test_a_position_that_is_missing_is_absent_and_zero_and_other_statuses_stay(tmp_path):
    status = np.full((N, P), "ok", dtype="<U12")
    status[1, 0], status[2, 1] = "missing", "truncated"
    found = precomputed.read(save(tmp_path, statuses=status), examples(IDS[::-1]))
    one = found.activations["residual"]
    assert np.argwhere(~one.present).tolist() == [[4, 0]]
    assert not one.values[:, 0, 4].any()
    np.testing.assert_array_equal(one.values[:, 1], array()[:, 1, ::-1])
    np.testing.assert_array_equal(found.positions.status, status[::-1])
    assert found.positions.start[4].tolist() == [-1, 0]
    assert found.positions.stop[4].tolist() == [-1, 1]


def test_numbers_that_are_not_finite_are_read_as_they_are(tmp_path):
    values = array()
    values[1, 0, 2, 3], values[2, 1, 0, 0] = np.nan, np.inf
    found = precomputed.read(save(tmp_path, {"residual": values}), examples(IDS[::-1])).activations["residual"].values
    np.testing.assert_array_equal(found, values[:, :, ::-1])


def test_layers_may_be_a_list_of_a_site_or_a_range_of_the_manifest(tmp_path):
    states = {"residual": array(3), "mlp_out": array(2)}
    path = save(tmp_path, states, layers={"residual": (1, 2, 3), "mlp_out": (2, 4)})
    found = precomputed.read(path, examples()).activations
    assert (found["residual"].layers, found["mlp_out"].layers) == ((1, 2, 3), (2, 4))
    told = json.loads(path.read_text())
    del told["sites"]["residual"]["layers"]
    path.write_text(json.dumps({**told, "layers": "2..4"}))
    assert precomputed.read(path, examples()).activations["residual"].layers == (2, 3, 4)


def test_the_encoder_of_two_stacks_has_its_own_number_of_layers(tmp_path):
    card = replace(CARD, encoder_layers=3)
    path = save(tmp_path, {"encoder.residual": array(4), "decoder.residual": array()}, card=card)
    found = precomputed.read(path, examples()).activations
    assert found["encoder.residual"].layers == (0, 1, 2, 3)
    assert found["decoder.residual"].layers == (0, 1, 2, 3, 4)


EXAMPLE = """\
activations: 1
model: {layers: 4, width: 8}           # no more is needed
positions: [last_q, "-1"]
examples: [q0, q1, q2, q3, q4, q5]
sites: {residual: {file: residual.safetensors}}
"""


def test_a_short_manifest_in_yaml_is_enough(tmp_path):
    found = precomputed.read(manifest(tmp_path, EXAMPLE), examples())
    np.testing.assert_array_equal(found.activations["residual"].values, array())
    assert (found.card.name, found.card.dtype) == ("given", "float32")


def test_the_manifest_of_the_documentation_is_one(tmp_path):
    text = (precomputed.__doc__ or "").split("\n\n")[2]
    lines = [line.removeprefix("    ") for line in text.splitlines()]
    path = tmp_path / "given.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    (tmp_path / "statuses.csv").write_text("id,last_q\na,ok\nb,missing\n")
    told = precomputed.manifest.read(path)
    assert told.layers == {"residual": tuple(range(9)), "mlp_out": (2, 4, 6)}
    assert told.ids == ("a", "b")


def test_the_outline_tells_what_the_manifest_tells(tmp_path):
    found = precomputed.outline(save(tmp_path, card=replace(CARD, encoder_layers=3)))
    assert (found.layers, found.encoder_layers, found.heads, found.attention) == (L, 3, H, False)


def test_the_fingerprint_changes_with_the_manifest_and_with_each_file_that_it_names(tmp_path):
    status = np.full((N, P), "ok")
    path = save(tmp_path, statuses=status)
    seen = {precomputed.fingerprint(path)}
    assert seen == {precomputed.fingerprint(path)}
    assert next(iter(seen)).startswith("sha256:")
    for name, change in {
        "residual.safetensors": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "ids.txt": lambda data: data.replace(b"q0", b"r0"),
        "statuses.csv": lambda data: data.replace(b"q0", b"r0"),
        "manifest.json": lambda data: data.replace(b'"r1"', b'"r2"'),
    }.items():
        file = tmp_path / name
        file.write_bytes(change(file.read_bytes()))
        if name != "ids.txt":  # the ids of the statuses do not fit until they change too
            seen.add(precomputed.fingerprint(path))
    assert len(seen) == 4


# ---------------------------------------------------------------- memory and leftovers


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_no_more_than_a_few_pieces_are_in_memory_at_once(tmp_path, kind):
    n, width = 200, 512
    ids = [f"r{i}" for i in range(n)]
    values = array(width=width, n=n).astype(np.float16)
    path = save(tmp_path, {"residual": values}, card=replace(CARD, width=width), ids=ids)
    if kind == "npz":
        np.savez(tmp_path / "residual.npz", residual=values)
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "sites": {"residual": {"file": "residual.npz"}}}))
    precomputed.read(path, examples(ids[:1]))  # imports
    tracemalloc.start()
    found = precomputed.read(path, examples(ids[::-1])).activations["residual"].values
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    piece = n * width * 4
    assert most < 5 * piece < found.nbytes


def test_converted_arrays_are_files_that_other_processes_can_map_and_that_go_with_the_array(tmp_path, monkeypatch):
    import tempfile

    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    found = precomputed.read(save(tmp_path / "given"), examples(IDS[::-1]))
    piece = found.activations["residual"].values[1, 0]
    del found
    (file,) = room.iterdir()
    np.testing.assert_array_equal(piece, array()[1, 0, ::-1])
    assert file.stat().st_size == array().nbytes
    del piece
    assert not list(room.iterdir())


@pytest.mark.skipif(not hasattr(precomputed.os, "posix_fallocate"), reason="this system reserves no space")
def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = save(tmp_path)
    monkeypatch.setattr(precomputed.os, "posix_fallocate", full)
    with pytest.raises(BuildError, match=r"no room for converted .* 1,920 bytes"):
        precomputed.read(path, examples(IDS[::-1]))


def test_reading_needs_no_torch(tmp_path):
    import subprocess
    import sys

    path = save(tmp_path)
    code = f"""
import sys
from pathlib import Path
from layergrid import precomputed
precomputed.outline(Path({str(path)!r})), precomputed.fingerprint(Path({str(path)!r}))
assert not {{'torch', 'transformers', 'sklearn', 'scipy'}} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- what does not agree


SITE = {"residual": {"file": "residual.safetensors"}}
MODEL = {"layers": L, "width": D, "heads": H}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activations": 2}, r"manifest.json:1:\d+: activations: expected 1; found 2"),
        ({"activations": None}, "activations: is missing"),
        ({"sites": None}, "sites: is missing"),
        ({"model": {"width": D}}, "model.layers: is missing"),
        ({"model": {**MODEL, "witdh": 3}}, "model.witdh: there is no such key; known are .* did you mean 'width'"),
        ({"example": ["q0"]}, "example: there is no such key; .* did you mean 'examples'"),
        ({"model": {**MODEL, "layers": "4"}}, "model.layers: expected a valid integer; found '4'"),
        ({"positions": ["a", "a"]}, "manifest.json, positions: expected each name once; found 'a' twice"),
        ({"positions": []}, "positions: List should have at least 1 item"),
        ({"positions": ["a", "b", "c"]}, r"sites.residual: expected an array of \[5, 3, 6, 8\] \(layers, positions, "
                                         r"examples, width\); found array 'residual' of residual.safetensors with the "
                                         r"shape \[5, 2, 6, 8\]"),
        ({"examples": list(IDS[:5])}, r"expected an array of \[5, 2, 5, 8\]"),
        ({"examples": []}, "examples: expected an id for each example"),
        ({"examples": ["a", "b", "a"]}, "examples: expected each name once; found 'a' twice"),
        ({"examples": "nowhere.txt"}, "examples: .*nowhere.txt cannot be read .No such file"),
        ({"model": {**MODEL, "width": 9}}, r"expected an array of \[5, 2, 6, 9\]"),
        ({"model": {**MODEL, "layers": 5}}, r"expected an array of \[6, 2, 6, 8\]"),
        ({"layers": [0, 1, 2, 3, 9]}, "manifest.json, layers: expected layers of residual from 0 to 4; found 9"),
        ({"layers": [1, 0]}, r"layers: expected rising numbers, in the order of the array; found \[1, 0\]"),
        ({"layers": "some"}, "layers: "),
        ({"sites": {"residul": SITE["residual"]}}, "sites: no site is called 'residul'; .*; did you mean 'residual'"),
        ({"sites": {"encoder.residual": SITE["residual"]}}, "sites.encoder.residual: expected the number of "),
        ({"sites": {"mlp_out": SITE["residual"]}, "layers": [0, 1]},
         "layers: expected layers of mlp_out from 1 to 4; found 0; give sites.mlp_out layers of its own"),
        ({"sites": {"residual": {}}}, "sites.residual.file: is missing"),
        ({"sites": {"residual": {"file": "resid.safetensors"}}}, "sites.residual: expected a file .* mean 'residual"),
        ({"sites": {"residual": {"file": "ids.txt"}}}, "expected a file that ends in .*; found 'ids.txt'"),
        ({"sites": {"residual": {**SITE["residual"], "tensor": "residul"}}},
         "sites.residual: expected an array 'residul' in .*; found 'residual'; did you mean 'residual'"),
        ({"sites": {"head_out": {**SITE["residual"], "tensor": "residual"}}, "model": {"layers": 4, "width": 8}},
         "sites.head_out: expected the number of heads in model.heads; found none"),
        ({"statuses": "none.csv"}, "statuses: .*none.csv cannot be read"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_named_with_its_key_and_what_was_expected(tmp_path, changes, message):
    path = manifest(tmp_path, **changes)
    with pytest.raises(BadInput, match=message):
        precomputed.outline(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,last_q\n", "expected a line for each example; found none for 6 examples, the first is 'q0'"),
        ("name,last_q\n", "line 1: expected the columns 'id' and, each once, positions .*; found name and last_q"),
        ("id,last\n", "line 1: expected .* positions of the manifest .last_q and -1.; found id and last"),
        ("id,last_q\nq0,good\n", "line 2, column 'last_q': expected ok, missing, .* or collapsed; found 'good'"),
        ("id,last_q\nq0,ok\nq0,ok\n", "line 3: expected each id of the manifest's examples once; found 'q0'"),
        ("id,last_q\nq0\n", "line 2: expected 2 fields; found 1"),
        ('id,last_q\n"q0,ok\n', "line 2: "),
    ],
)
def test_statuses_that_do_not_agree_are_named_with_their_line(tmp_path, text, message):
    path = manifest(tmp_path, statuses="statuses.csv")
    (tmp_path / "statuses.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        precomputed.outline(path)


def test_ids_of_the_data_that_the_arrays_lack_are_named(tmp_path):
    with pytest.raises(BadInput, match="all 8 ids of data set 'sums'; 'x', 'y', 'z' and 1 other are not there"):
        precomputed.read(save(tmp_path), examples([*IDS[:4], "x", "y", "z", "w"]))


@pytest.mark.parametrize("name", ["residual.safetensors", "residual.npz"])
@pytest.mark.parametrize("cut", [0, 5, 100, -7])
def test_a_damaged_file_is_named(tmp_path, name, cut):
    path = save(tmp_path)
    np.savez(tmp_path / "residual.npz", residual=array())
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "sites": {"residual": {"file": name}}}))
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(BadInput, match=f"{name}: is damaged or in another format .*; write it again"):
        precomputed.read(path, examples())


def test_an_npz_whose_data_were_changed_is_damaged(tmp_path):
    path = save(tmp_path)
    file = tmp_path / "residual.npz"
    np.savez(file, residual=array())
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "sites": {"residual": {"file": "residual.npz"}}}))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="Bad CRC-32"):
        precomputed.read(path, examples())


def test_arrays_of_other_types_and_orders_are_refused(tmp_path):
    path = save(tmp_path)
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "sites": {"residual": {"file": "residual.npz"}}}))
    for values, message in (
        (array().astype(np.int32), "expected float16, .*; found array 'residual' of .* of type int32"),
        (np.asfortranarray(array()), "expected an array in C order; .* save np.ascontiguousarray"),
        (array().astype(object), "of type object"),
    ):
        np.savez(tmp_path / "residual.npz", residual=values)
        with pytest.raises(BadInput, match=message):
            precomputed.outline(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "given.yaml"), ("{", "given.yaml"), ("[1]", "the manifest"), ("a: 1\na: 2\n", "given.yaml:2:1")],
)
def test_a_file_that_is_no_manifest_is_named(tmp_path, text, message):
    path = tmp_path / "given.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        precomputed.outline(path)


def test_a_manifest_that_is_not_there_is_named_with_the_nearest(tmp_path):
    save(tmp_path)
    with pytest.raises(BadInput, match=r"no such file; did you mean 'manifest\.json'"):
        precomputed.outline(tmp_path / "manifets.json")


def test_saving_what_does_not_agree_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"expected an array of \[5, 2, 6, 8\]"):
        save(tmp_path, {"residual": array(3)})
    with pytest.raises(BadInput, match="the id 'a\\\\nb' cannot stand on a line"):
        save(tmp_path, ids=["a\nb", *IDS[1:]])


def test_saving_twice_gives_the_same_bytes(tmp_path):
    def digests(folder):
        save(folder)
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}

    assert digests(tmp_path / "a") == digests(tmp_path / "b")
