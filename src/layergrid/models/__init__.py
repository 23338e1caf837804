"""Loads a causal language model with its tokenizer; it knows nothing of prompts or data.

addresses       where the files lie, and what identifies them
architecture    the parts of a loaded model
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergrid import text
from layergrid.artifacts import ModelCard
from layergrid.kinds import BadInput, BuildError
from layergrid.models import addresses, architecture
from layergrid.models.addresses import ModelSpec
from layergrid.models.architecture import accepts

__all__ = ["DEVICES", "DTYPES", "VERSION", "Loaded", "ModelSpec", "accepts", "blocks", "fingerprint", "load", "wrap"]

VERSION = 1  # part of every key that depends on a loaded model: raise it when loading changes what a model computes
DTYPES = ("float32", "bfloat16", "float16", "auto")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer, and what generation and capture must know of them."""

    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # a fast tokenizer
    card: ModelCard
    stop_ids: frozenset[int]  # a completion ends with one of these; may be empty
    context: int | None  # the longest sequence in tokens; None: the configuration names no limit
    vocabulary: int  # rows of the embedding: every token id is below it
    pad_id: int  # fills the masked places of a batch; the vocabulary itself is never changed

    @property
    def device(self) -> Any:
        """The torch.device of the embedding, where token ids must be."""
        return self.model.get_input_embeddings().weight.device

    @property
    def settings(self) -> Any:
        """The configuration of the text model (multimodal models nest it)."""
        return self.model.config.get_text_config()


def fingerprint(spec: ModelSpec, root: Path, *, offline: bool = False) -> str:
    """What identifies a spec's weights: `sha256:...` over the files, or `owner/name@commit`; found without torch.

    Raises BadInput and BuildError as `addresses.find` does.
    """
    return addresses.identity(addresses.find(spec, root, offline=offline))


def load(spec: ModelSpec, root: Path, *, name: str = "model", offline: bool = False) -> Loaded:
    """The model of a spec in evaluation mode, on its device, in its dtype; no remote code, safetensors only.

    `root` is the folder that relative addresses start from, `name` what the spec calls the model.

    Raises:
        BadInput: there is no such model, or what stands there is no causal language model with a fast tokenizer.
        BuildError: the files are damaged, the device is not there, or the hub cannot be reached.
    """
    place = addresses.find(spec, root, offline=offline)
    if spec.dtype not in DTYPES:
        raise BadInput(f"model {name}: dtype {spec.dtype!r} is not known; use one of {text.listed(DTYPES, 'or')}")
    device = _device(spec.device, name)
    folder = addresses.fetch(place, offline=offline)
    with _quiet():
        tokenizer = _load_tokenizer(folder, spec.address)
        model = _load_model(folder, spec.address, spec.dtype)
    model.eval().requires_grad_(False).to(device)
    revision = place.commit or addresses.identity(place)
    return wrap(model, tokenizer, name=name, address=spec.address, revision=revision)


def blocks(loaded: Loaded) -> list[Any]:
    """The blocks of the model in order (torch modules): block i makes residual layer i + 1.

    Raises BuildError where the architecture does not tell them.
    """
    return architecture.blocks(loaded.model.base_model, loaded.card)


def wrap(model: Any, tokenizer: Any, *, name: str, address: str, revision: str) -> Loaded:
    """A model and a fast tokenizer that are in memory already, as `load` would return them."""
    config = model.config.get_text_config()
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    stops = _stop_ids(model, tokenizer)
    pads = [tokenizer.pad_token_id, *sorted(stops), 0]
    card = ModelCard(
        name=name,
        address=address,
        architecture=_architecture(model),
        layers=int(config.num_hidden_layers),
        width=int(config.hidden_size),
        parameters=int(model.num_parameters()),
        dtype=str(model.dtype).removeprefix("torch."),
        revision=revision,
    )
    context = getattr(config, "max_position_embeddings", None)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        card=card,
        stop_ids=stops,
        context=int(context) if context else None,
        vocabulary=vocabulary,
        pad_id=next(int(pad) for pad in pads if pad is not None and 0 <= pad < vocabulary),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' bars and load tables from the terminal: what matters in them is raised as an error here."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


# The files are all there: nothing is asked of the hub, and no code of a repository is run.
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def _faults() -> tuple[type[Exception], ...]:
    """What transformers raises on files that are not what it expects."""
    from huggingface_hub.errors import StrictDataclassError

    usual = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError)
    return (*usual, StrictDataclassError)


def _load_tokenizer(folder: Path, address: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **_LOCAL)
    except _faults() as error:
        raise _explained(address, "tokenizer", error) from error
    if not getattr(tokenizer, "is_fast", False):
        raise BadInput(
            f"model {address!r}: its tokenizer ({type(tokenizer).__name__}) is not a fast one, which alone says where "
            "each token stands in the text; add the tokenizer.json that its fast version writes"
        )
    return tokenizer


def _load_model(folder: Path, address: str, dtype: str) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **_LOCAL
        )
    except SafetensorError as error:
        raise BuildError(
            f"model {address!r}: its weights are damaged ({error}); fetch or save the safetensors files again"
        ) from error
    except _faults() as error:
        raise _explained(address, "model", error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would fill these with random numbers, and every figure would be about them.
        raise BuildError(
            f"model {address!r}: the weights lack {text.plural(len(missing), 'tensor')}, the first is {missing[0]!r}; "
            "fetch or save the safetensors files again"
        )
    return model


def _explained(address: str, what: str, error: Exception) -> BuildError:
    """An error of transformers in one sentence, with what to do."""
    said = (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__
    return BuildError(
        f"model {address!r}: the {what} cannot be loaded ({said}); "
        "it must be a causal language model, with its tokenizer, that this version of transformers can read"
    )


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
    found = getattr(model.generation_config, "eos_token_id", None)
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        return frozenset()
    return frozenset(int(one) for one in (found if isinstance(found, (list, tuple)) else [found]))


def _architecture(model: Any) -> str:
    """The name of the family: "Llama" of LlamaForCausalLM."""
    return re.sub(r"(ForCausalLM|LMHeadModel|ForConditionalGeneration)$", "", type(model).__name__)
