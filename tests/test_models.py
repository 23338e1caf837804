from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from layergrid import models
from layergrid.generate import greedy
from layergrid.kinds import BadInput, BuildError
from layergrid.models import addresses
from layergrid.project import Project
from model_folders import Spec, child
from tiny_models import FAMILIES, LAYERS, WIDTH


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))


def load(folder, **options):
    return models.load(Spec(folder.name, **{"device": "cpu", **options}), Project.of(folder.parent), name="tiny")


def logits(loaded):
    import torch

    with torch.inference_mode():
        return loaded.model(torch.tensor([[0, 5, 9, 60, 7]])).logits.numpy()


# ---------------------------------------------------------------- a model that is there


def test_a_folder_loads_as_the_model_that_was_saved(saved):
    loaded = load(saved)
    np.testing.assert_array_equal(logits(loaded), logits(tiny_models.loaded()))
    assert loaded.tokenizer.is_fast
    assert not loaded.model.training


def test_the_card_says_what_the_model_is(saved):
    card = load(saved).card
    assert (card.name, card.address, card.architecture) == ("tiny", "tiny-llama", "Llama")
    assert (card.layers, card.width, card.dtype) == (LAYERS, WIDTH, "float32")
    assert card.parameters == sum(p.numel() for p in tiny_models.model().parameters())
    assert card.revision == models.fingerprint(Spec("tiny-llama"), Project.of(saved.parent))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_tells_its_context_width_and_blocks(family):
    loaded = tiny_models.loaded(family)
    assert (loaded.context, loaded.card.width, loaded.card.layers) == (tiny_models.CONTEXT, WIDTH, LAYERS)
    found = models.blocks(loaded)
    assert len({id(block) for block in found}) == LAYERS
    assert len({type(block) for block in found}) == 1
    names = {id(module): name for name, module in loaded.model.named_modules()}
    assert [int(names[id(block)].rsplit(".", 1)[1]) for block in found] == list(range(LAYERS))


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_are_found_by_their_list_where_transformers_records_none(family, monkeypatch):
    loaded = tiny_models.loaded(family)
    recorded = models.blocks(loaded)
    for module in loaded.model.modules():
        if hasattr(module, "_can_record_outputs"):
            monkeypatch.setattr(type(module), "_can_record_outputs", None)
    assert models.blocks(loaded) == recorded


def test_blocks_that_cannot_be_told_are_said_to_be_so():
    import torch

    loaded = tiny_models.loaded()
    two = torch.nn.Module()
    two.a, two.b = (torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(LAYERS)) for _ in range(2))
    loaded.model.model = two
    with pytest.raises(BuildError, match=r"cannot tell the 4 blocks of Module.* 0 of them and 2 lists"):
        models.blocks(loaded)


def test_dropout_is_off(tmp_path):
    tiny_models.save(tmp_path / "gpt2", "gpt2", attn_pdrop=0.5, resid_pdrop=0.5)
    loaded = load(tmp_path / "gpt2")
    np.testing.assert_array_equal(logits(loaded), logits(loaded))


def test_dtype_is_the_one_asked_for(saved):
    import torch

    loaded = load(saved, dtype="bfloat16")
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.card.dtype == "bfloat16"


def test_addresses_start_from_the_root_and_may_be_absolute(saved):
    here = models.fingerprint(Spec("tiny-llama"), Project.of(saved.parent))
    assert models.fingerprint(Spec(str(saved)), Project.of(Path("/nowhere"), [saved])) == here
    assert models.fingerprint(Spec("../tiny-llama"), Project.of(saved.parent).at(saved)) == here


@pytest.mark.parametrize(("eos", "expected"), [(7, {7}), ([7, 1], {7, 1}), (None, {1})])
def test_stop_tokens_come_from_the_generation_configuration_else_from_the_tokenizer(eos, expected, folder):
    path = folder / "generation_config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = eos
    path.write_text(json.dumps(config))
    config = json.loads((folder / "config.json").read_text())
    config["eos_token_id"] = eos
    (folder / "config.json").write_text(json.dumps(config))
    assert load(folder).stop_ids == expected


def test_a_tokenizer_without_a_pad_token_stays_without_one(saved):
    loaded = load(saved)
    assert loaded.tokenizer.pad_token is None
    assert loaded.pad_id == 1
    assert tiny_models.loaded(pad=True).pad_id == tiny_models.tokenizer(pad=True).pad_token_id


def test_nothing_is_printed_while_loading(saved, capfd):
    load(saved)
    assert capfd.readouterr() == ("", "")


def test_the_model_that_ships_loads_and_answers():
    loaded = models.load(Spec("builtin:arithmetic"), Project.of(Path("/nowhere")))
    prompt = np.array(loaded.tokenizer("Question: What is 12 plus 30?\nAnswer:")["input_ids"], np.int32)
    found = greedy(loaded, ("q",), [prompt], max_new_tokens=32, batch=1)[0]
    assert found.stopped
    assert "12 plus 30" in loaded.tokenizer.decode(found.ids)


# ---------------------------------------------------------------- fingerprints


def test_a_fingerprint_follows_the_weights_and_the_tokenizer_but_not_other_files(folder):
    spec, first = Spec("tiny-llama"), models.fingerprint(Spec("tiny-llama"), Project.of(folder.parent))
    (folder / "README.md").write_text("words")
    (folder / ".git").mkdir()
    assert models.fingerprint(spec, Project.of(folder.parent)) == first
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        good = (folder / file).read_bytes()
        (folder / file).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert models.fingerprint(spec, Project.of(folder.parent)) != first
        (folder / file).write_bytes(good)
    assert models.fingerprint(spec, Project.of(folder.parent)) == first


def test_a_fingerprint_follows_the_chat_templates_that_lie_in_a_folder_of_their_own(folder):
    spec, first = Spec("tiny-llama"), models.fingerprint(Spec("tiny-llama"), Project.of(folder.parent))
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "default.jinja").write_text("{{ messages[0].content }}")
    assert models.fingerprint(spec, Project.of(folder.parent)) != first


def test_a_fingerprint_needs_no_torch(saved):
    code = (
        "import sys; from types import SimpleNamespace; from pathlib import Path; from layergrid import models; "
        "from layergrid.project import Project; "
        f"spec = SimpleNamespace(address={saved.name!r}, revision=None); "
        f"print(models.fingerprint(spec, Project.of(Path({str(saved.parent)!r}))), "
        "[m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    assert child(code).strip() == f"{models.fingerprint(Spec('tiny-llama'), Project.of(saved.parent))} []"


# ---------------------------------------------------------------- the hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_commit_on_the_hub_is_its_own_fingerprint():
    assert models.fingerprint(Spec("hf:owner/name", COMMIT), Project.of(Path())) == f"owner/name@{COMMIT}"


def cached(saved, root):
    """The hub's cache with one model in it."""
    model = root / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    shutil.copytree(saved, model / "snapshots" / COMMIT)
    return root


def test_a_model_in_the_hubs_cache_loads_without_a_network(saved, tmp_path):
    code = (
        "import json; from dataclasses import asdict; from pathlib import Path; from types import SimpleNamespace\n"
        "from layergrid import models\n"
        "from layergrid.project import Project\n"
        "spec = SimpleNamespace(address='hf:owner/name', revision=None, dtype='float32', device='cpu',\n"
        "    device_map=None, quantize=None)\n"
        "loaded = models.load(spec, Project.of(Path('.')), name='x')\n"
        "print(json.dumps([models.fingerprint(spec, Project.of(Path('.'))), asdict(loaded.card)]))"
    )
    fingerprint, card = json.loads(child(code, HF_HUB_CACHE=str(cached(saved, tmp_path))))
    assert fingerprint == f"owner/name@{COMMIT}"
    assert card["revision"] == COMMIT
    assert card["layers"] == LAYERS


def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(tmp_path):
    code = (
        "from pathlib import Path; from types import SimpleNamespace\n"
        "from layergrid import kinds, models\n"
        "from layergrid.project import Project\n"
        "for revision in (None, '0' * 40):\n"
        "    spec = SimpleNamespace(address='hf:owner/name', revision=revision, dtype='float32', device='cpu',\n"
        "        device_map=None, quantize=None)\n"
        "    try: models.load(spec, Project.of(Path('.')))\n"
        "    except kinds.BuildError as error: print(error)\n"
    )
    lines = child(code, HF_HUB_CACHE=str(tmp_path)).splitlines()
    assert len(lines) == 2
    assert "the hub cannot be reached for 'hf:owner/name'" in lines[0]
    assert all("`hf download owner/name`" in line and "save_pretrained" in line for line in lines)


def test_offline_asks_nobody(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(addresses, "_ask_hub", lambda *_: 1 / 0)
    with pytest.raises(BuildError, match="not in the local cache"):
        models.fingerprint(Spec("hf:owner/name"), Project.of(Path()), offline=True)
    with pytest.raises(BuildError, match="not in the local cache"):
        models.fingerprint(Spec("hf:owner/name", "../../../etc/passwd"), Project.of(Path()), offline=True)


def test_an_incomplete_copy_in_the_hubs_cache_is_not_used(saved, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cached(saved, tmp_path)))
    place = addresses.find(Spec("hf:owner/name"), Project.of(Path()), offline=True)
    folder = addresses.fetch(place, offline=True)
    for lacking in ("config.json", "model.safetensors", "tokenizer*", "model-00002-of-00002.safetensors"):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
        if lacking.startswith("model-"):
            index = {"weight_map": {"a": "model.safetensors", "b": lacking}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        for file in folder.glob(lacking):
            file.unlink()
        with pytest.raises(BuildError, match="not in the local cache"):
            addresses.fetch(place, offline=True)


@pytest.mark.parametrize("error", ["RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError"])
def test_what_the_hub_refuses_is_said_in_a_sentence(error, monkeypatch, tmp_path):
    import huggingface_hub
    from huggingface_hub import constants, errors

    class Api:
        def model_info(self, *_, **__):
            raise getattr(errors, error).__new__(getattr(errors, error))

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    kind = BuildError if error == "GatedRepoError" else BadInput
    with pytest.raises(kind, match=r"owner/name.*(check hf:owner/name|branch, tag or commit|log in)"):
        models.fingerprint(Spec("hf:owner/name", "v9"), Project.of(Path()))


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("builtin:arithmetik", "did you mean builtin:arithmetic"),
        ("builtin:", "known: builtin:arithmetic"),
        ("tiny-lama", "did you mean 'tiny-llama'"),
        ("nowhere/at/all", "hf:owner/name"),
        ("hf:", "hf:owner/name"),
        ("hf:a/b/c", "hf:owner/name"),
        ("hf:../..", "hf:owner/name"),
    ],
)
def test_an_unknown_model_is_named_with_what_to_do(address, said, saved, monkeypatch):
    monkeypatch.setattr(addresses, "_ask_hub", lambda *_: 1 / 0)
    for ask in (models.fingerprint, models.load):
        with pytest.raises(BadInput) as caught:
            ask(Spec(address), Project.of(saved.parent))
        assert said in str(caught.value)
        assert address in str(caught.value)


def test_a_folder_without_configuration_or_safetensors_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"no \.safetensors file, the only weights that are read.*save_pretrained"):
        load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(BadInput, match=r"no config\.json"):
        load(folder)


def weights(folder, change):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_damaged_weights_are_said_to_be_damaged(keep, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BuildError, match=r"'tiny-llama': its weights are damaged.*again"):
        load(folder)


def test_weights_that_lack_a_tensor_are_never_filled_with_random_numbers(folder, capfd):
    name = "model.layers.1.mlp.up_proj.weight"
    weights(folder, lambda tensors: tensors.pop(name))
    with pytest.raises(BuildError, match=rf"lack 1 tensor, the first is '{name}'"):
        load(folder)
    assert capfd.readouterr() == ("", "")


def test_weights_of_another_shape_are_refused(folder):
    import torch

    weights(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(3)}))
    with pytest.raises(BuildError, match="'tiny-llama': the model cannot be loaded"):
        load(folder)


@pytest.mark.parametrize(
    "config",
    ["", "[]", "{}", "null", '{"model_type": "nope"}', '{"model_type": "t5"}',
     '{"model_type": "llama", "hidden_size": "x"}',
     '{"model_type": "llama", "hidden_size": -1}', '{"model_type": "llama", "num_attention_heads": 5}'],
)  # fmt: skip
def test_a_configuration_that_is_not_one_is_said_in_a_sentence(config, folder):
    (folder / "config.json").write_text(config)
    with pytest.raises(BuildError, match=r"'tiny-llama': the (model|tokenizer) cannot be loaded"):
        load(folder)


@pytest.mark.parametrize("tokenizer", [None, "", "[]", "{}"])
def test_a_missing_or_damaged_tokenizer_is_said_in_a_sentence(tokenizer, folder):
    if tokenizer is None:
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "tokenizer.json").write_text(tokenizer)
    with pytest.raises(BuildError, match="'tiny-llama': the tokenizer cannot be loaded"):
        load(folder)


def test_a_slow_tokenizer_is_refused_with_the_reason(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    with pytest.raises(BadInput, match=r"\(ByT5Tokenizer\) is not a fast one.*tokenizer\.json"):
        load(folder)


def test_an_unknown_dtype_or_device_lists_those_that_are_known(saved):
    with pytest.raises(BadInput, match=r"dtype 'float12' is not known.*float32, bfloat16, float16 or auto"):
        load(saved, dtype="float12")
    for device in ("gpu", "cpu:1", "cuda:x"):
        with pytest.raises(BadInput, match="is not known; use auto, cpu, cuda or mps"):
            load(saved, device=device)


def test_a_device_that_is_not_there_is_said_with_what_to_do(saved, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "cuda:1", "mps"):
        with pytest.raises(BuildError, match="use device: auto"):
            load(saved, device=device)


def test_an_untrained_copy_has_the_shape_of_the_model_and_weights_of_its_own_that_the_seed_decides(saved):
    import torch

    loaded = load(saved)
    one, same, other = (models.untrained(loaded, seed) for seed in (1, 1, 2))
    weights = [dict(each.model.named_parameters()) for each in (loaded, one, same, other)]
    assert {n: p.shape for n, p in weights[0].items()} == {n: p.shape for n, p in weights[1].items()}
    name = next(n for n in weights[0] if n.endswith("q_proj.weight"))
    assert torch.equal(weights[1][name], weights[2][name])
    assert not torch.equal(weights[1][name], weights[3][name])
    assert not torch.equal(weights[1][name], weights[0][name])
    assert not one.model.training
    assert one.card == loaded.card
