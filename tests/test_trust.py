"""Code and pickle that come with a model: refused, unless its user trusts them on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from layergrid import models
from layergrid.generate import generate
from layergrid.kinds import BadInput, BuildError
from layergrid.models import Trust, addresses
from layergrid.project import Project
from model_folders import Spec, config_of, load

TRUSTED, PICKLED = Trust(remote_code=True), Trust(pickle=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))


@pytest.fixture(autouse=True)
def _own_modules(tmp_path, monkeypatch):
    """Code of models is copied to a folder of the test's own before it runs."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))


def states(loaded):
    """The last hidden state of the model below any head."""
    import torch

    with torch.inference_mode():
        return loaded.model.base_model(torch.tensor([[0, 5, 9, 60, 7]]))[0].numpy()


# ---------------------------------------------------------------- code that comes with a model

CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OddConfig(LlamaConfig):
    model_type = "odd"

class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, **options):
        out = super().forward(input_ids, attention_mask, past_key_values=past_key_values, **options)
        out.logits = -out.logits
        return out
"""


@pytest.fixture
def odd(folder):
    """A model whose folder holds the code of its class."""
    (folder / "modeling_odd.py").write_text(CODE)
    own = {"AutoConfig": "modeling_odd.OddConfig", "AutoModelForCausalLM": "modeling_odd.OddForCausalLM"}
    config_of(folder, model_type="odd", architectures=["OddForCausalLM"], auto_map=own)
    return folder


def test_code_of_a_model_is_not_run_unasked(odd):
    (odd / "modeling_odd.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(BadInput, match=r"'tiny-llama': its (model|tokenizer) needs Python code .* --trust-remote-code"):
        load(odd)
    with pytest.raises(BadInput, match="--trust-remote-code"):
        load(odd, PICKLED)


def test_code_of_a_model_runs_where_it_is_trusted(odd, saved):
    loaded = load(odd, TRUSTED)
    assert type(loaded.model).__name__ == "OddForCausalLM"
    assert (loaded.design, loaded.card.architecture) == ("decoder", "Odd")
    plain = load(saved)
    prompts = ("Who wrote it?",)
    mine, theirs = (generate(m, ("q",), prompts, max_new_tokens=1, batch=1) for m in (loaded, plain))
    assert mine.ids[0][-1] != theirs.ids[0][-1]


@pytest.mark.parametrize(
    ("loader", "changes", "design"),
    [
        ("AutoModelForMaskedLM", {}, "encoder"),
        ("AutoModel", {}, "encoder"),
        ("AutoModel", {"is_decoder": True}, "decoder"),
        ("AutoModelForCausalLM", {}, "decoder"),
    ],
)
def test_the_design_of_a_model_with_its_own_code_is_what_its_folder_names(loader, changes, design, odd):
    own = {"AutoConfig": "modeling_odd.OddConfig", loader: "modeling_odd.OddForCausalLM"}
    config_of(odd, auto_map=own, **changes)
    assert load(odd, TRUSTED).design == design


def test_a_tokenizers_own_code_is_not_run_unasked_either(folder):
    path = folder / "tokenizer_config.json"
    own = {"auto_map": {"AutoTokenizer": ["tokens.Slow", "tokens.Fast"]}, "tokenizer_class": "Odd"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    (folder / "tokens.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(BadInput, match=r"its tokenizer needs Python code .* --trust-remote-code"):
        load(folder)


def test_code_in_another_repository_is_not_followed(odd):
    config_of(odd, auto_map={"AutoConfig": "owner/name--modeling_odd.OddConfig"})
    with pytest.raises(BadInput, match=r"lies in another repository \(owner/name\)"):
        load(odd, TRUSTED)


def test_code_that_is_broken_is_said_in_a_sentence(odd):
    (odd / "modeling_odd.py").write_text("def broken(:")
    with pytest.raises(BuildError, match="'tiny-llama': the model cannot be loaded"):
        load(odd, TRUSTED)


def test_trust_changes_nothing_for_a_model_without_code(saved):
    assert type(load(saved, TRUSTED).model) is type(load(saved).model)
    spec, project = Spec(saved.name), Project.of(saved.parent)
    assert models.fingerprint(spec, project, trust=TRUSTED) == models.fingerprint(spec, project)


def test_the_fingerprint_covers_code_where_it_is_trusted_and_pickle_where_it_is_allowed(odd):
    spec, root = Spec(odd.name), Project.of(odd.parent)
    (odd / "pytorch_model.bin").write_bytes(b"weights")
    before = [models.fingerprint(spec, root, trust=t) for t in (models.NO_TRUST, TRUSTED, PICKLED)]
    assert len(set(before)) == 3
    (odd / "parts").mkdir()
    for file in ("modeling_odd.py", "parts/more.py"):
        (odd / file).write_text("x = 1")
        after = [models.fingerprint(spec, root, trust=t) for t in (models.NO_TRUST, TRUSTED, PICKLED)]
        assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    (odd / "pytorch_model.bin").write_bytes(b"others")
    assert models.fingerprint(spec, root, trust=PICKLED) != before[2]
    commit = "0" * 40
    assert models.fingerprint(Spec("hf:a/b", commit), root, trust=TRUSTED) == f"a/b@{commit}+code"


# ---------------------------------------------------------------- pickled weights


@pytest.fixture
def pickled(folder):
    """A model whose weights stand in a pickle alone."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_pickled_weights_are_refused_with_the_flag_that_allows_them(pickled):
    for trust in (models.NO_TRUST, TRUSTED):
        with pytest.raises(BadInput, match=r"no \.safetensors file, .*pytorch_model\.bin add --allow-pickle"):
            load(pickled, trust)
        with pytest.raises(BadInput, match="--allow-pickle"):
            models.fingerprint(Spec(pickled.name), Project.of(pickled.parent), trust=trust)


def test_pickled_weights_are_read_where_they_are_allowed(pickled, saved):
    np.testing.assert_array_equal(states(load(pickled, PICKLED)), states(load(saved)))


def test_safetensors_are_preferred_where_both_are_there(folder, saved):
    (folder / "pytorch_model.bin").write_bytes(b"no pickle at all")
    np.testing.assert_array_equal(states(load(folder, PICKLED)), states(load(saved)))


class Evil:
    def __reduce__(self):
        return (print, ("it ran",))


def test_a_pickle_that_holds_more_than_weights_is_not_run(pickled, capfd):
    import torch

    torch.save({"model.norm.weight": Evil()}, pickled / "pytorch_model.bin")
    with pytest.raises(BuildError, match="'tiny-llama': the model cannot be loaded"):
        load(pickled, PICKLED)
    (pickled / "pytorch_model.bin").write_bytes(b"no pickle at all")
    with pytest.raises(BuildError, match="'tiny-llama': the model cannot be loaded"):
        load(pickled, PICKLED)
    assert "it ran" not in capfd.readouterr().out


def test_a_folder_without_any_weights_is_not_offered_the_flag(pickled):
    (pickled / "pytorch_model.bin").unlink()
    with pytest.raises(BadInput) as caught:
        load(pickled)
    assert "--allow-pickle" not in str(caught.value)


@pytest.mark.parametrize("trust", [models.NO_TRUST, PICKLED])
def test_only_what_may_be_read_is_fetched_from_the_hub(trust, pickled, tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, *, revision, allow_patterns, ignore_patterns):
        asked.append(allow_patterns)
        return str(pickled)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(addresses, "_ask_hub", lambda *_: "0" * 40)
    place = addresses.Place("hf:owner/name", None, "owner/name", "0" * 40, trust)
    if trust.pickle:
        assert addresses.fetch(place) == pickled
        assert asked[1] == ["pytorch_model*.bin"]
    else:
        with pytest.raises(BadInput, match="--allow-pickle"):
            addresses.fetch(place)
        assert len(asked) == 1
    assert "*.py" not in asked[0]
    addresses._download(addresses.Place("hf:owner/name", None, "owner/name", "0" * 40, TRUSTED))
    assert "*.py" in asked[-1]
