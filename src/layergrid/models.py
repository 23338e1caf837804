"""Finds, fingerprints and loads a causal language model with its tokenizer; it knows nothing of prompts or data."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from layergrid import resources, text
from layergrid.artifacts import ModelCard
from layergrid.kinds import BadInput, BuildError

VERSION = 1  # part of every key that depends on a loaded model: raise it when loading changes what a model computes

BUILTIN = {"arithmetic": resources.PACKAGE / "demo" / "model"}
DTYPES = ("float32", "bfloat16", "float16", "auto")
DEVICES = ("auto", "cpu", "cuda", "mps")
_READ = {".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken"}  # what can change a loaded model
_COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelSpec(Protocol):
    """The part of a spec's model that is read here."""

    @property
    def address(self) -> str:
        """`builtin:NAME`, `hf:OWNER/NAME`, or a folder."""

    @property
    def revision(self) -> str | None:
        """Branch, tag or commit on the hub; None: its main branch."""

    @property
    def dtype(self) -> str:
        """One of DTYPES."""

    @property
    def device(self) -> str:
        """`auto`, `cpu`, `cuda`, `cuda:1` or `mps`."""


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


@dataclass(frozen=True)
class _Place:
    """Where a model's files lie: a local folder, or an exact commit on the hub."""

    path: str  # folder, or owner/name
    commit: str | None  # None for folders


def fingerprint(spec: ModelSpec, root: Path, *, offline: bool = False) -> str:
    """What identifies the weights: `sha256:...` over a folder's files, or `owner/name@commit`; torch is not imported.

    A hub revision that is not a commit is looked up in the local cache of the hub first, then on the hub.

    Raises:
        BadInput: there is no such model.
        BuildError: the hub cannot be reached.
    """
    place = _find(spec, root, offline)
    return f"{place.path}@{place.commit}" if place.commit else _digest(Path(place.path))


def load(spec: ModelSpec, root: Path, *, name: str = "model", offline: bool = False) -> Loaded:
    """The model of a spec in evaluation mode, on its device, in its dtype; no remote code, safetensors only.

    `root` is the folder that relative addresses start from, `name` what the spec calls the model.

    Raises:
        BadInput: there is no such model, or what stands there is no causal language model with a fast tokenizer.
        BuildError: the files are damaged, the device is not there, or the hub cannot be reached.
    """
    place = _find(spec, root, offline)
    if spec.dtype not in DTYPES:
        raise BadInput(f"model {name}: dtype {spec.dtype!r} is not known; use one of {text.listed(DTYPES, 'or')}")
    device = _device(spec.device, name)
    with _quiet():
        tokenizer = _load_tokenizer(place, spec.address, offline)
        model = _load_model(place, spec.address, spec.dtype, offline)
    model.eval().requires_grad_(False).to(device)
    revision = place.commit or _digest(Path(place.path))
    return wrap(model, tokenizer, name=name, address=spec.address, revision=revision)


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


# ---------------------------------------------------------------- addresses


def _find(spec: ModelSpec, root: Path, offline: bool) -> _Place:
    scheme, _, rest = spec.address.partition(":")
    if scheme == "builtin":
        if rest not in BUILTIN:
            near = text.nearest(rest, BUILTIN)
            hint = f"did you mean builtin:{near}?" if near else f"known: builtin:{', builtin:'.join(BUILTIN)}"
            raise BadInput(f"no model {spec.address!r} ships with layergrid; {hint}")
        return _local(BUILTIN[rest], spec.address)
    if scheme == "hf":
        return _Place(rest, _commit(rest, spec.revision, offline))
    return _local(root / spec.address, spec.address)


def _local(folder: Path, address: str) -> _Place:
    if not folder.is_dir():
        siblings = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
        near = text.nearest(folder.name, siblings)
        hint = f"did you mean {near!r}?" if near else "a model of the Hugging Face hub is written hf:owner/name"
        raise BadInput(f"model {address!r}: there is no folder {folder}; {hint}")
    if not (folder / "config.json").is_file():
        raise BadInput(f"model {address!r}: {folder} holds no config.json; give the folder that save_pretrained wrote")
    if not any(folder.glob("*.safetensors")):
        raise BadInput(
            f"model {address!r}: {folder} holds no .safetensors file, the only weights that are read; "
            "load the model with transformers and save it again with save_pretrained"
        )
    return _Place(str(folder), None)


def _digest(folder: Path) -> str:
    """sha256 over the names and bytes of the files that a loader may read."""
    whole = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in _READ and file.is_file():
            with file.open("rb") as stream:
                part = hashlib.file_digest(stream, "sha256").hexdigest()
            whole.update(json.dumps([file.name, part]).encode())
    return f"sha256:{whole.hexdigest()}"


def _commit(name: str, revision: str | None, offline: bool) -> str:
    """The commit that a revision of a hub model stands for: itself, the one in the local cache, or the hub's answer."""
    wanted = revision or "main"
    if _COMMIT.fullmatch(wanted):
        return wanted
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name, re.ASCII):
        raise BadInput(f"model 'hf:{name}' is not written as hf:owner/name")
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    refs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "refs"
    if ".." not in Path(wanted).parts and (refs / wanted).is_file():
        return (refs / wanted).read_text(encoding="utf-8").strip()
    if offline:
        raise BuildError(f"model 'hf:{name}' is not in the local cache of the hub; {_get_it(name)}")
    return _ask_hub(name, wanted)


def _ask_hub(name: str, revision: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The parents of the hub's error are those of its transport: whatever it raises without a connection.
    transport = tuple(one for one in HfHubHTTPError.__mro__ if issubclass(one, Exception) and one is not Exception)
    try:
        commit = HfApi().model_info(name, revision=revision, timeout=20).sha
    except GatedRepoError as error:
        raise BuildError(f"model 'hf:{name}' needs its owner's consent: ask for it on the hub, then log in") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise BadInput(f"the hub knows no model {name!r}, or does not show it to you; check hf:owner/name") from error
    except RevisionNotFoundError as error:
        raise BadInput(f"model 'hf:{name}' has no revision {revision!r}; name a branch, tag or commit") from error
    except transport as error:
        said = type(error).__name__
        raise BuildError(f"the hub cannot be reached for 'hf:{name}' ({said}); {_get_it(name)}") from error
    if commit is None:
        raise BuildError(f"the hub names no commit for 'hf:{name}' at {revision!r}; set `revision` to a commit")
    return commit


def _get_it(name: str) -> str:
    return (
        f"fetch it where there is a network with `hf download {name}`, or give the address of a folder that "
        "save_pretrained wrote"
    )


# ---------------------------------------------------------------- loading


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


def _options(place: _Place, offline: bool) -> dict[str, Any]:
    return {"revision": place.commit or "main", "local_files_only": offline, "trust_remote_code": False}


def _load_tokenizer(place: _Place, address: str, offline: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(place.path, use_fast=True, **_options(place, offline))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        raise _explained(place, address, "tokenizer", error) from error
    if not getattr(tokenizer, "is_fast", False):
        raise BadInput(
            f"model {address!r}: its tokenizer ({type(tokenizer).__name__}) is not a fast one, which alone says where "
            "each token stands in the text; add the tokenizer.json that its fast version writes"
        )
    return tokenizer


def _load_model(place: _Place, address: str, dtype: str, offline: bool) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            place.path, dtype=dtype, use_safetensors=True, output_loading_info=True, **_options(place, offline)
        )
    except SafetensorError as error:
        raise BuildError(
            f"model {address!r}: its weights are damaged ({error}); fetch or save the safetensors files again"
        ) from error
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, StrictDataclassError,
    ) as error:  # fmt: skip
        raise _explained(place, address, "model", error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would fill these with random numbers, and every figure would be about them.
        raise BuildError(
            f"model {address!r}: the weights lack {text.plural(len(missing), 'tensor')}, the first is {missing[0]!r}; "
            "fetch or save the safetensors files again"
        )
    return model


def _explained(place: _Place, address: str, what: str, error: Exception) -> BuildError:
    """An error of transformers in one sentence, with what to do."""
    said = (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__
    if place.commit and isinstance(error, OSError):
        advice = _get_it(place.path)
    else:
        advice = "it must be a causal language model, with its tokenizer, that this version of transformers can read"
    return BuildError(f"model {address!r}: the {what} cannot be loaded ({said}); {advice}")


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


# ---------------------------------------------------------------- architecture


def blocks(loaded: Loaded) -> list[Any]:
    """The blocks of the model in order (torch modules): block i makes residual layer i + 1 of `layers` in all.

    Those of the class that transformers itself records as `hidden_states`, else the one list of modules that is as
    long as the configuration says.

    Raises:
        BuildError: neither finds as many blocks as the configuration names.
    """
    from torch.nn import ModuleList

    base, count = loaded.model.base_model, loaded.card.layers
    recorded = _recorded_classes(base)
    found = [module for module in base.modules() if recorded and isinstance(module, recorded)]
    if len(found) == count:
        return found
    lists = [module for module in base.modules() if isinstance(module, ModuleList) and len(module) == count]
    if len(lists) == 1:
        return list(lists[0])
    raise BuildError(
        f"model {loaded.card.name}: cannot tell the {count} blocks of {type(base).__name__}: transformers records "
        f"{len(found)} of them and {len(lists)} lists of modules have that length; this architecture cannot be read yet"
    )


def _recorded_classes(base: Any) -> tuple[type, ...]:
    """The block classes that the base model, or a model inside it, records as its hidden states."""
    classes: list[type] = []
    for module in base.modules():
        recorded = (getattr(module, "_can_record_outputs", None) or {}).get("hidden_states")
        for one in recorded if isinstance(recorded, list) else [recorded]:
            wanted = getattr(one, "target_class", one)
            if isinstance(wanted, type):
                classes.append(wanted)
    return tuple(dict.fromkeys(classes))


def accepts(module: Any, *names: str) -> frozenset[str]:
    """Which of these keyword arguments a module's forward method takes by name."""
    return frozenset(names) & frozenset(inspect.signature(module.forward).parameters)
