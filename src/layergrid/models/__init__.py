"""Loads a language model of text with its tokenizer, of one stack or two; it knows nothing of prompts or data.

addresses       where the files lie, and what identifies them
sizes           numbers of blocks, heads and positions, from a configuration alone
designs         which class loads a model, and which way it reads
loading         configuration, tokenizer and weights, opened with transformers
architecture    the parts of a loaded model
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from layergrid import text
from layergrid.artifacts import ModelCard
from layergrid.kinds import BadInput, BuildError, Outline
from layergrid.models import addresses, architecture, designs, loading, sizes
from layergrid.models.addresses import NO_TRUST, ModelSpec, Trust
from layergrid.models.architecture import accepts
from layergrid.models.designs import Design
from layergrid.project import Project

__all__ = [
    "DEVICES", "DTYPES", "NO_TRUST", "VERSION", "Design", "Loaded", "ModelSpec", "Trust", "accepts", "blocks",
    "check", "fingerprint", "is_here", "load", "outline", "untrained", "wrap",
]  # fmt: skip

VERSION = 1  # part of every key that depends on a loaded model: raise it when loading changes what a model computes
DTYPES = ("float32", "bfloat16", "float16", "auto")
DEVICES = ("auto", "cpu", "cuda", "mps")
_SPREADS = ("auto", "balanced", "balanced_low_0", "sequential")  # ways of accelerate to make a device map


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer, and what generation and capture must know of them.

    A decoder reads from left to right and writes, an encoder reads both ways and writes nothing; of the two together
    the encoder reads the prompt, and the decoder writes from a start token that is no part of the completion.
    """

    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # a fast tokenizer
    card: ModelCard
    stop_ids: frozenset[int]  # a completion ends with one of these; may be empty
    context: int | None  # the longest sequence in tokens, of the decoder where there are two stacks; None: no limit
    vocabulary: int  # rows of the embedding: every token id is below it
    pad_id: int  # fills the masked places of a batch; the vocabulary itself is never changed
    design: Design = "decoder"
    encoder_context: int | None = None  # the same of the encoder where there are two stacks
    start_id: int | None = None  # the decoder's first token where there are two stacks

    @property
    def device(self) -> Any:
        """The torch.device where token ids must be: that of the embedding, or where its weights are brought to run."""
        import torch

        embedding = self.model.get_input_embeddings()
        if embedding.weight.device.type == "meta":  # kept on disk or in main memory until it is run
            return torch.device(embedding._hf_hook.execution_device)
        return embedding.weight.device

    @property
    def settings(self) -> Any:
        """The configuration of the text model (multimodal models nest it)."""
        return self.model.config.get_text_config()

    @property
    def writes(self) -> bool:
        """Whether it can write a completion: it reads from left to right and has a language-model head."""
        return self.design != "encoder" and self.model.get_output_embeddings() is not None


def fingerprint(spec: ModelSpec, project: Project, *, offline: bool = False, trust: Trust = NO_TRUST) -> str:
    """What identifies a spec's weights: `sha256:...` over the files, or `owner/name@commit`; found without torch.

    Raises BadInput and BuildError as `addresses.find` does.
    """
    return addresses.identity(addresses.find(spec, project, offline=offline, trust=trust))


def is_here(spec: ModelSpec, project: Project, *, trust: Trust = NO_TRUST) -> bool:
    """Whether the files of a model are on this machine: False where loading it would fetch them from the hub."""
    return addresses.is_here(addresses.find(spec, project, trust=trust))


def check(spec: ModelSpec, project: Project, *, trust: Trust = NO_TRUST) -> None:
    """Raises BadInput where a spec's model is not in its folder, or may not be read; asks no hub, opens no weights."""
    if not spec.address.startswith("hf:"):
        addresses.find(spec, project, trust=trust)


def outline(spec: ModelSpec, project: Project) -> Outline | None:
    """What the config.json of a model tells, read without torch or transformers; None where it is not on this machine.

    A model of the hub is looked for in the local cache only.
    """
    config = addresses.configuration(spec, project)
    if config is None:
        return None
    found = sizes.read(config)
    return Outline(
        found.layers, found.encoder_layers, found.heads, found.context, found.attention, found.width, found.head_width
    )


def load(
    spec: ModelSpec, project: Project, *, name: str = "model", offline: bool = False, trust: Trust = NO_TRUST
) -> Loaded:
    """The model of a spec in evaluation mode, on its devices, in its dtype.

    `project` says which folders may be read, `name` what the spec calls the model. Without `trust` no
    code of the model's own is run, and only safetensors are read.

    Raises:
        BadInput: there is no such model, or what stands there is no language model with a fast tokenizer that may be
            read without more trust.
        BuildError: the files are damaged, a device or package is not there, or the hub cannot be reached.
    """
    place = addresses.find(spec, project, offline=offline, trust=trust)
    if spec.dtype not in DTYPES:
        raise BadInput(f"model {name}: dtype {spec.dtype!r} is not known; use one of {text.listed(DTYPES, 'or')}")
    if spec.device_map is not None and spec.device != "auto":
        raise BadInput(f"model {name}: 'device_map' stands in place of 'device'; write one of the two")
    _check_map(spec.device_map, name)
    placing = loading.Placing(spec.dtype, _device(spec.device, name), spec.device_map, spec.quantize)
    folder = loading.Folder(addresses.fetch(place, offline=offline), spec.address, trust)
    with loading.quiet():
        config = loading.configuration(folder)
        tokenizer = loading.tokenizer(folder)
        choice = designs.choose(config, trusted=trust.remote_code)
        model = loading.model(folder, config, choice, placing)
    revision = place.commit or addresses.identity(place)
    return wrap(model, tokenizer, name=name, address=spec.address, revision=revision, design=choice.design)


def untrained(loaded: Loaded, seed: int) -> Loaded:
    """A model of the same class and configuration on the same device, its weights drawn anew as its authors draw them.

    The weights depend on the seed alone. Raises BuildError where they are quantized or spread over devices.
    """
    import torch

    if loading.bits(loaded.model.config) or getattr(loaded.model, "hf_device_map", None):
        raise BuildError(
            f"model {loaded.card.name}: an untrained copy of quantized or spread weights cannot be made; leave the "
            "baseline 'untrained' out"
        )
    with torch.random.fork_rng(devices=[]), loading.quiet():
        torch.manual_seed(seed)
        model = type(loaded.model)._from_config(loaded.model.config, dtype=loaded.model.dtype)
    model.eval().requires_grad_(False).to(loaded.device)
    return replace(loaded, model=model)


def blocks(loaded: Loaded) -> list[Any]:
    """The blocks of the model, of its decoder where it has two stacks, in order: block i makes residual layer i + 1.

    They are torch modules; one may stand several times. Raises BuildError where the architecture does not tell them.
    """
    stack = "decoder" if loaded.design == "encoder-decoder" else ""
    return [one.block for one in architecture.parts(loaded, stack)]


def wrap(model: Any, tokenizer: Any, *, name: str, address: str, revision: str, design: Design | None = None) -> Loaded:
    """A model and a fast tokenizer that are in memory already, as `load` would return them.

    `design` None: told from the model's class and configuration.
    """
    design = design or designs.design_of(model.config, type(model).__name__)
    config, paired = model.config.get_text_config(), design == "encoder-decoder"
    found = sizes.read(model.config.to_dict(), two_stacks=paired)
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    stops = _stop_ids(model, tokenizer)
    pads = [tokenizer.pad_token_id, *sorted(stops), 0]
    kept = loading.bits(model.config)
    card = ModelCard(
        name=name,
        address=address,
        architecture=_architecture(model),
        layers=found.layers if paired else int(config.num_hidden_layers),
        width=int(config.hidden_size),
        parameters=int(model.num_parameters()),
        dtype=str(model.dtype).removeprefix("torch.") + (f", weights in {kept}" if kept else ""),
        revision=revision,
        encoder_layers=found.encoder_layers,
        heads=found.heads,
    )
    loaded = Loaded(
        model=model,
        tokenizer=tokenizer,
        card=card,
        stop_ids=stops,
        context=_context(config),
        vocabulary=vocabulary,
        pad_id=next(int(pad) for pad in pads if pad is not None and 0 <= pad < vocabulary),
        design=design,
    )
    if not paired:
        return replace(loaded, context=_without_offset(model, loaded.context))
    return replace(
        loaded,
        context=found.context or None,
        encoder_context=found.encoder_context or None,
        start_id=_start_id(model, loaded.pad_id),
    )


def _context(config: Any) -> int | None:
    found = getattr(config, "max_position_embeddings", None)
    return int(found) if found and found > 0 else None


def _without_offset(model: Any, context: int | None) -> int | None:
    """The context less the positions that a table of them keeps for padding: they stand before the first token's."""
    from torch.nn import Embedding

    words = model.get_input_embeddings()
    for module in model.modules():
        table = isinstance(module, Embedding) and module is not words and module.num_embeddings == context
        if table and module.padding_idx is not None and context is not None:
            return context - int(module.padding_idx) - 1
    return context


def _start_id(model: Any, pad_id: int) -> int:
    """The token from which a decoder of two stacks begins to write; without a word on it, the padding token."""
    found = None
    for settings in (getattr(model, "generation_config", None), model.config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(settings, name, None) if found is None else found
    if isinstance(found, (list, tuple)):
        found = found[0]
    return pad_id if found is None else int(found)


def _check_map(device_map: str | dict[str, str | int] | None, name: str) -> None:
    """Raises BadInput or BuildError where a part would go to a device that is not known or not there."""
    if device_map in (None, *_SPREADS):
        return
    for device in {device_map} if isinstance(device_map, str) else set((device_map or {}).values()):
        if device != "disk":
            _device(f"cuda:{device}" if isinstance(device, int) else device, name)


def _device(wanted: str, name: str) -> str:
    import torch

    mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    kind, _, index = wanted.partition(":")
    if kind not in DEVICES or (index and not (kind == "cuda" and index.isdecimal())):
        raise BadInput(f"model {name}: device {wanted!r} is not known; use {text.listed(DEVICES, 'or')}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        have = text.plural(torch.cuda.device_count(), "CUDA device")
        raise BuildError(f"model {name}: device {wanted!r} is not there ({have}); use device: auto")
    if kind == "mps" and not mps:
        raise BuildError(f"model {name}: this machine has no mps device; use device: auto")
    return wanted


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ends of a completion: the generation configuration's (one or a list), else the tokenizer's."""
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        return frozenset()
    return frozenset(int(one) for one in (found if isinstance(found, (list, tuple)) else [found]))


def _architecture(model: Any) -> str:
    """The name of the family: "Llama" of LlamaForCausalLM, "Bert" of BertModel."""
    task = r"(ForCausalLM|(With)?LMHeadModel|ForConditionalGeneration|ForMaskedLM|MTModel|EncoderModel|Model)$"
    return re.sub(task, "", type(model).__name__)
