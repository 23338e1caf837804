"""Transfers from a spec to a verified report, of states that were made elsewhere: no model is loaded."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from building import MODEL_LIBRARIES, child, run
from layergrid import archive, precomputed
from layergrid.artifacts import ModelCard

N, D, LAYERS = 90, 8, 3
SPEC = """\
models: {one: "activations:one/manifest.json", other: "activations:other/manifest.json"}
datasets: {texts: {source: texts.csv, id: id, label: {column: ok, positive: true texts, negative: false texts}}}
positions: [first, last]
transfer:
  layers: {over: layers, model: one, position: last, folds: 3, penalties: [0.01, 0.3]}
  models: {over: models, layers: [1, 2], folds: 3, penalties: [0.1]}
  head: {over: positions, model: one, site: head_out, head: 1, folds: 3, penalties: [0.1]}
outputs: [html, md]
"""


def states(seed: int, ok: np.ndarray, turned: bool) -> dict[str, np.ndarray]:
    """A signal in one feature from block 1 on, of the other sign where `turned`."""
    rng = np.random.default_rng(seed)
    residual = rng.normal(size=(LAYERS + 1, 2, N, D)).astype(np.float32)
    residual[1:, :, :, 0] += np.where(ok, 2.5, 0.0) * (-1 if turned else 1)
    heads = rng.normal(size=(LAYERS, 2, N, 6)).astype(np.float32)
    heads[:, :, :, 3] += np.where(ok, 2.5, 0.0)
    return {"residual": residual, "head_out": heads}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("carried")
    ok = np.random.default_rng(3).random(N) < 0.5
    ids = tuple(f"t{i}" for i in range(N))
    with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([("id", "ok"), *zip(ids, ok.tolist(), strict=True)])
    for name, turned in (("one", False), ("other", True)):
        (folder / name).mkdir()
        card = ModelCard(name, "", "Llama", LAYERS, D, 1000, "float32", "r1", heads=2)
        precomputed.save(folder / name, states(7, ok, turned), card=card, positions=("first", "last"), ids=ids)
    (folder / "carried.yaml").write_text(SPEC, encoding="utf-8")
    return folder


def test_a_spec_of_transfers_alone_becomes_a_verified_report_and_a_second_build_makes_nothing(study):
    ran = child("build", study / "carried.yaml", "--out", study / "reports", LAYERGRID_CACHE=str(study / "cache"))
    assert ran.code == 0, ran.err
    found = {one.name: one for one in archive.read(study / "reports" / "carried").matrices}
    assert [*found] == ["layers", "models", "head"]
    assert found["layers"].raw.low[2, 3] > 0.5
    assert found["models"].names == ("one", "other")
    assert found["models"].raw.high[0, 1] < 0.5 < found["models"].raw.low[1, 1]  # the direction is turned around
    assert found["head"].raw.low[0, 1] > 0.5
    assert not any(found["models"].best)  # labels come from a column
    checked = run("verify", study / "reports" / "carried")
    assert checked.code == 0, checked.err
    assert "24 pairs" in checked.out + checked.err
    again = child("build", study / "carried.yaml", "--out", study / "reports", LAYERGRID_CACHE=str(study / "cache"))
    assert "everything was kept" in again.err
    assert not set(again.imported) & set(MODEL_LIBRARIES)
    drawn = run("render", study / "reports" / "carried")
    assert drawn.code == 0, drawn.err
    checked = run("verify", study / "reports" / "carried")
    assert "24 pairs" in checked.out + checked.err
    assert checked.code == 0, checked.err


@pytest.mark.parametrize(("change", "expected"), [
    (("position: last", "position: first, layers: [7, 8]"), "transfer.layers.layers: model one has no layer 7"),
    (("head: 1", "head: 4"), "transfer.head.head: model one has no head 4; its heads go from 0 to 1"),
    (("model: one, site: head_out, head: 1", "model: one, site: mlp_out"), "mlp_out"),
])  # fmt: skip
def test_what_a_model_lacks_is_told_before_anything_is_made(study, change, expected):
    (study / "wrong.yaml").write_text(SPEC.replace(*change), encoding="utf-8")
    ran = run("build", study / "wrong.yaml", "--out", study / "reports")
    assert ran.code == 2, ran.err
    assert expected in ran.err
