"""Which class loads a model, what its configuration tells alone, and where its weights go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import families
import tiny_models
from layergrid import models
from layergrid.generate import generate, read
from layergrid.kinds import BadInput, BuildError
from layergrid.models import addresses, loading
from layergrid.project import Project
from model_folders import Spec, child, config_of, load, save


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))


def states(loaded, ids=(0, 5, 9, 60, 7)):
    """The last hidden state of the model below any head."""
    import torch

    pair = {"decoder_input_ids": torch.tensor([[2, 3, 4]])} if loaded.design == "encoder-decoder" else {}
    with torch.inference_mode():
        return loaded.model.base_model(torch.tensor([ids]), **pair)[0].numpy()


# ---------------------------------------------------------------- designs

DESIGNS = {
    **dict.fromkeys(("llama", "gpt2", "mamba"), "decoder"),
    **dict.fromkeys(("bert", "roberta", "modernbert", "deberta_v2"), "encoder"),
    **dict.fromkeys(families.PAIRS, "encoder-decoder"),
}


@pytest.mark.parametrize("family", DESIGNS)
def test_a_model_is_loaded_by_the_class_that_saved_it_and_tells_its_design(family, tmp_path):
    saved = save(tmp_path / family, families.model(family))
    loaded = load(saved)
    assert loaded.design == DESIGNS[family]
    assert type(loaded.model) is type(families.loaded(family).model)
    np.testing.assert_allclose(states(loaded), states(families.loaded(family)), rtol=1e-6)
    assert families.loaded(family).design == loaded.design
    assert loaded.card.heads == (0 if family == "mamba" else 4)
    assert loaded.card.encoder_layers == (families.ENCODER_LAYERS if family in families.PAIRS else 0)
    assert loaded.card.layers == families.LAYERS


@pytest.mark.parametrize(
    ("family", "name", "design"),
    [
        ("llama", "LlamaModel", "decoder"),
        ("llama", "LlamaForSequenceClassification", "decoder"),
        ("bert", "BertModel", "encoder"),
        ("bert", "BertForSequenceClassification", "encoder"),
        ("bert", "BertForPreTraining", "encoder"),
        ("roberta", "RobertaForTokenClassification", "encoder"),
        ("bert", "BertLMHeadModel", "decoder"),
        ("t5", "T5EncoderModel", "encoder"),
        ("t5", "T5Model", "encoder-decoder"),
        ("bart", "BartModel", "encoder-decoder"),
        ("bart", "BartForCausalLM", "decoder"),
    ],
)
def test_a_model_with_another_head_or_none_is_read_without_inventing_one(family, name, design, tmp_path):
    import torch
    import transformers

    torch.manual_seed(0)
    whole = getattr(transformers, name)(families.config(family, is_decoder=name == "BertLMHeadModel")).eval()
    loaded = load(save(tmp_path / name, whole))
    assert loaded.design == design
    given = dict(whole.named_parameters())
    for parameter, value in loaded.model.named_parameters():
        assert any(other.endswith(parameter) and torch.equal(given[other], value) for other in given), parameter
    if design == "encoder-decoder":
        assert (loaded.card.layers, loaded.card.encoder_layers) == (4, 3)
    assert read(loaded, ("q",), ("Who wrote it?",)).texts == ("Who wrote it?",)


def test_a_name_that_transformers_does_not_know_says_nothing_of_the_head(folder):
    config_of(folder, architectures=["MyLlamaForCausalLM"])
    assert load(folder).writes
    config_of(folder, architectures=None)
    assert load(folder).writes


def test_weights_that_lack_a_part_of_the_head_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path / "bert", families.model("bert"))
    tensors = load_file(folder / "model.safetensors")
    lost = "cls.predictions.transform.dense.weight"
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BuildError, match=f"lack 1 tensor, the first is '{lost}'"):
        load(folder)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("bart", (128, 128)),
        ("t5", (None, None)),
        ("bloom", (None, None)),
        ("roberta", (126, None)),
        ("bert", (128, None)),
    ],
)
def test_the_context_of_each_stack_is_known_and_relative_positions_have_none(family, expected):
    loaded = families.loaded(family)
    assert (loaded.context, loaded.encoder_context) == expected


def test_a_text_as_long_as_the_context_runs_and_one_token_more_does_not():
    loaded = families.loaded("roberta")
    states(loaded, tuple([9] * loaded.context))
    with pytest.raises((IndexError, RuntimeError)):
        states(loaded, tuple([9] * (loaded.context + 1)))


@pytest.mark.parametrize(("family", "start"), [("t5", 2), ("bart", 1), ("llama", None)])
def test_the_decoder_of_two_stacks_knows_its_first_token(family, start):
    assert families.loaded(family).start_id == start


# ---------------------------------------------------------------- outlines


@pytest.mark.parametrize(
    "family", [*families.DECODERS, *families.ENCODERS, *families.PAIRS, *families.HYBRIDS, "mobilebert", "xlnet"]
)
def test_an_outline_agrees_with_the_loaded_model(family, tmp_path):
    families.config(family).save_pretrained(tmp_path)
    outline = models.outline(Spec(tmp_path.name), Project.of(tmp_path.parent))
    card, loaded = families.loaded(family).card, families.loaded(family)
    assert (outline.layers, outline.encoder_layers, outline.heads) == (card.layers, card.encoder_layers, card.heads)
    assert outline.context == (128 if family == "roberta" else loaded.context or 0)
    assert outline.attention == (family != "mamba")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (0, 0, 0, 0, True)),
        ({"n_layer": 6, "n_head": 2, "n_positions": 64}, (6, 0, 2, 64, True)),
        ({"n_layers": 6, "n_heads": 2}, (6, 0, 2, 0, True)),
        ({"num_layers": 6, "num_heads": 2, "max_position_embeddings": 9}, (6, 0, 2, 9, True)),
        ({"hidden_size": 8, "text_config": {"num_hidden_layers": 5}}, (5, 0, 0, 0, True)),
        ({"num_hidden_layers": "6", "num_attention_heads": True, "max_position_embeddings": -1}, (0, 0, 0, 0, True)),
        ({"is_encoder_decoder": True, "num_layers": 6, "num_decoder_layers": 4, "num_heads": 2}, (4, 6, 2, 0, True)),
        ({"is_encoder_decoder": True, "num_layers": 6, "num_decoder_layers": None}, (6, 6, 0, 0, True)),
        ({"is_encoder_decoder": True, "encoder": {"num_hidden_layers": 3}, "decoder": {"num_hidden_layers": 2}},
         (2, 3, 0, 0, True)),
        ({"is_encoder_decoder": True, "architectures": ["T5EncoderModel"], "num_layers": 6, "num_decoder_layers": 4},
         (6, 0, 0, 0, True)),
        ({"num_hidden_layers": 3, "state_size": 8, "num_heads": 64}, (3, 0, 0, 0, False)),
        ({"num_hidden_layers": 3, "state_size": 8, "num_attention_heads": 4}, (3, 0, 4, 0, True)),
        ({"num_hidden_layers": 3, "ssm_state_size": 8, "layer_types": ["mamba", "full_attention"]}, (3, 0, 0, 0, True)),
        ({"num_hidden_layers": 3}, (3, 0, 0, 0, True)),
    ],
)  # fmt: skip
def test_sizes_are_found_whatever_a_family_calls_them_and_are_0_where_nothing_is_said(config, expected, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "x", **config}))
    found = models.outline(Spec(str(tmp_path)), Project.of(tmp_path))
    assert (found.layers, found.encoder_layers, found.heads, found.context, found.attention) == expected


def test_the_outline_of_a_model_that_is_not_here_is_none(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(addresses, "_ask_hub", lambda *_: 1 / 0)
    for address in ("nowhere", "hf:owner/name", "hf:../..", "builtin:nothing", "activations:manifest.json"):
        assert models.outline(Spec(address), Project.of(tmp_path)) is None
    (tmp_path / "config.json").write_text("[]")
    assert models.outline(Spec("."), Project.of(tmp_path)) is None


def test_the_outline_of_a_model_in_the_hubs_cache_is_read_there(saved, tmp_path, monkeypatch):
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--owner--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    shutil.copytree(saved, kept / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for revision in (None, "main", commit):
        assert models.outline(Spec("hf:owner/name", revision), Project.of(Path())).layers == tiny_models.LAYERS
    assert models.outline(Spec("hf:owner/name", "v2"), Project.of(Path())) is None


def test_a_model_is_looked_for_without_asking_the_hub(saved, monkeypatch):
    monkeypatch.setattr(addresses, "_ask_hub", lambda *_: 1 / 0)
    models.check(Spec("hf:owner/name"), Project.of(Path()))
    models.check(Spec(saved.name), Project.of(saved.parent))
    with pytest.raises(BadInput, match="did you mean 'tiny-llama'"):
        models.check(Spec("tiny-lama"), Project.of(saved.parent))


def test_an_outline_needs_neither_torch_nor_transformers():
    code = (
        "import sys; from types import SimpleNamespace; from pathlib import Path; from layergrid import models\n"
        "from layergrid.project import Project\n"
        "spec = SimpleNamespace(address='builtin:arithmetic', revision=None)\n"
        "print(models.outline(spec, Project.of(Path('.'))).heads > 0,\n"
        "    [m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    assert child(code).strip() == "True []"


# ---------------------------------------------------------------- types, devices and bits


@pytest.mark.parametrize("kept", ["float32", "bfloat16"])
def test_dtype_auto_is_the_one_that_the_weights_were_saved_in(kept, tmp_path):
    import torch

    folder = save(tmp_path / "tiny", tiny_models.model().to(getattr(torch, kept)))
    assert load(folder, dtype="auto").card.dtype == kept
    assert load(folder).card.dtype == "float32"


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}, {"model": "cpu", "lm_head": "cpu"}])
def test_a_device_map_changes_where_weights_lie_and_nothing_else(device_map, saved):
    placed = load(saved, device_map=device_map)
    np.testing.assert_array_equal(states(placed), states(load(saved, device="cpu")))
    assert placed.device.type == "cpu"


def test_weights_that_stay_on_disk_until_they_are_run_give_the_same_answers(saved):
    parts = ("embed_tokens", "layers", "norm", "rotary_emb")
    placed = load(saved, device_map={**{f"model.{part}": "disk" for part in parts}, "lm_head": "cpu"})
    plain = load(saved, device="cpu")
    assert placed.device.type == "cpu"
    texts = ("Who wrote it?", "9")
    one, other = (generate(m, ("a", "b"), texts, max_new_tokens=5, batch=2) for m in (placed, plain))
    for i in range(2):
        np.testing.assert_array_equal(one.ids[i], other.ids[i])


@pytest.mark.parametrize(
    ("device_map", "error", "said"),
    [
        ("elsewhere", BadInput, "device 'elsewhere' is not known"),
        ({"model": "cpu", "lm_head": "gpu"}, BadInput, "device 'gpu' is not known"),
        ({"": "cuda:77"}, BuildError, "device 'cuda:77' is not there"),
        ({"": 77}, BuildError, "device 'cuda:77' is not there"),
    ],
)
def test_a_device_map_that_does_not_fit_is_said_in_a_sentence(device_map, error, said, saved):
    with pytest.raises(error, match=said):
        load(saved, device_map=device_map)


def test_device_and_device_map_exclude_each_other(saved):
    with pytest.raises(BadInput, match="'device_map' stands in place of 'device'"):
        load(saved, device="cpu", device_map="auto")


@pytest.mark.parametrize(
    ("options", "package"),
    [
        ({"device_map": "auto"}, "accelerate"),
        ({"quantize": "8bit"}, "accelerate"),
        ({"quantize": "4bit"}, "bitsandbytes"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_what_to_install(options, package, saved, monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(BuildError, match=rf"'tiny-llama': {next(iter(options))} needs .* pip install {package}"):
        load(saved, **options)


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantization_reaches_transformers_with_one_device(bits, saved, monkeypatch):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    monkeypatch.setattr(loading, "find_spec", lambda name: object())
    monkeypatch.setattr(BitsAndBytesConfig, "post_init", lambda self: None)
    asked = {}

    def refuse(folder, **options):
        asked.update(options)
        raise RuntimeError("no CUDA here")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", refuse)
    with pytest.raises(BuildError, match=r"cannot be loaded \(no CUDA here\)"):
        load(saved, quantize=bits, device="cpu")
    assert asked["device_map"] == {"": "cpu"}
    assert (asked["quantization_config"].load_in_4bit, asked["quantization_config"].load_in_8bit) == (
        bits == "4bit",
        bits == "8bit",
    )


def test_a_model_that_is_quantized_already_passes_through(folder, monkeypatch):
    from transformers import AutoModelForCausalLM

    config_of(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    asked = {}

    def refuse(folder, **options):
        asked.update(options)
        raise ImportError("needs optimum")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", refuse)
    with pytest.raises(BadInput, match=r"quantized already \(gptq\); remove 'quantize'"):
        load(folder, quantize="4bit")
    with pytest.raises(BuildError, match=r"cannot be loaded \(needs optimum\)"):
        load(folder, device="cpu")
    assert asked["device_map"] == {"": "cpu"}
    assert "quantization_config" not in asked


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, ""),
        ({"load_in_4bit": True, "quant_method": "bitsandbytes"}, "4bit"),
        ({"load_in_8bit": True, "load_in_4bit": False, "quant_method": "bitsandbytes"}, "8bit"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
    ],
)
def test_a_card_says_in_how_many_bits_weights_are_kept(config, expected):
    from types import SimpleNamespace

    assert loading.bits(SimpleNamespace(quantization_config=config)) == expected
