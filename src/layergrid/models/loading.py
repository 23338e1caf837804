"""Opens configuration, tokenizer and weights of a model's folder with transformers; it knows no spec and no hub.

Nothing is asked of the hub here, no code of a folder is run and no pickle opened unless the user trusts them, and
every error of transformers becomes a sentence that says what to do.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layergrid import text
from layergrid.kinds import BadInput, BuildError
from layergrid.models.addresses import CODE_FLAG, Trust, has_safetensors, read_json
from layergrid.models.designs import Choice


@dataclass(frozen=True)
class Folder:
    """The files of a model, and what its user trusts of them."""

    path: Path
    address: str  # as the spec wrote it, for messages
    trust: Trust

    @property
    def options(self) -> dict[str, Any]:
        """What every call of transformers gets: the files are all there."""
        return {"local_files_only": True, "trust_remote_code": self.trust.remote_code}


@dataclass(frozen=True)
class Placing:
    """In which type, where, and in how many bits the weights are put."""

    dtype: str
    device: str
    device_map: str | Mapping[str, str | int] | None = None
    quantize: str | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' bars and load tables from the terminal: what matters in them is raised as an error here.

    It is kept from the hub too: all files are there, and a configuration that names another model is not followed.
    """
    from huggingface_hub import constants
    from transformers.utils import logging

    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def configuration(folder: Folder) -> Any:
    """The configuration of a model; raises BadInput where reading it would run code that is not trusted."""
    from transformers import AutoConfig

    _check_code(folder)
    try:
        return AutoConfig.from_pretrained(folder.path, **folder.options)
    except _faults() as error:
        raise _explained(folder, "model", error) from error


def tokenizer(folder: Folder) -> Any:
    """The fast tokenizer of a model; raises BadInput where it is none."""
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(folder.path, use_fast=True, **folder.options)
    except _faults() as error:
        raise _explained(folder, "tokenizer", error) from error
    if not getattr(found, "is_fast", False):
        raise BadInput(
            f"model {folder.address!r}: its tokenizer ({type(found).__name__}) is not a fast one, which alone says "
            "where each token stands in the text; add the tokenizer.json that its fast version writes"
        )
    return found


def model(folder: Folder, config: Any, choice: Choice, placing: Placing) -> Any:
    """The model of a folder in evaluation mode, where the placing wants it.

    Raises:
        BadInput: what is asked for contradicts the model.
        BuildError: the weights are damaged or incomplete, or a package or device that this needs is not there.
    """
    import transformers
    from safetensors import SafetensorError

    auto = getattr(transformers, choice.loader)
    spread, options = _placed(folder, config, placing)
    if choice.loader in ("AutoModel", "AutoModelForTextEncoding") and _has_pooler(auto, config):
        options["add_pooling_layer"] = False  # it comes after the last block, and many weights lack it
    try:
        found, report = auto.from_pretrained(
            folder.path, dtype=placing.dtype, use_safetensors=has_safetensors(folder.path), weights_only=True,
            output_loading_info=True, **options, **folder.options,
        )  # fmt: skip
        found.eval().requires_grad_(False)
        if not spread:
            found.to(placing.device)
    except SafetensorError as error:
        raise BuildError(
            f"model {folder.address!r}: its weights are damaged ({error}); fetch or save the safetensors files again"
        ) from error
    except _faults() as error:
        raise _explained(folder, "model", error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would fill these with random numbers, and every figure would be about them.
        raise BuildError(
            f"model {folder.address!r}: the weights lack {text.plural(len(missing), 'tensor')}, the first is "
            f"{missing[0]!r}; fetch or save the safetensors files again"
        )
    return found


def bits(config: Any) -> str:
    """How the weights of a loaded model are kept, where they are quantized: `4bit`, `mxfp4`; empty: as they are."""
    found = getattr(config, "quantization_config", None)
    if not found:
        return ""
    said = found if isinstance(found, dict) else found.to_dict()
    for name in ("4bit", "8bit"):
        if said.get(f"load_in_{name}"):
            return name
    method = said.get("quant_method", "quantized")
    return str(getattr(method, "value", method))


# ---------------------------------------------------------------- where and in how many bits


def _placed(folder: Folder, config: Any, placing: Placing) -> tuple[bool, dict[str, Any]]:
    """Whether transformers itself puts the weights on devices, and what it must be told for that."""
    ready = getattr(config, "quantization_config", None)
    if placing.quantize and ready:
        raise BadInput(
            f"model {folder.address!r}: its weights are quantized already ({bits(config)}); remove 'quantize'"
        )
    if placing.device_map is None and not placing.quantize and not ready:
        return False, {}
    what = "device_map" if placing.device_map is not None else "quantize" if placing.quantize else "a quantized model"
    _need("accelerate", what, folder.address)
    given = placing.device_map if placing.device_map is not None else {"": placing.device}
    options: dict[str, Any] = {"device_map": dict(given) if isinstance(given, Mapping) else given}
    if placing.quantize:
        _need("bitsandbytes", "quantize", folder.address)
        options["quantization_config"] = _in_bits(placing)
    return True, options


def _in_bits(placing: Placing) -> Any:
    """The defaults of bitsandbytes, but the 4-bit type for normally distributed weights (Dettmers et al., 2023)."""
    import torch
    from transformers import BitsAndBytesConfig

    if placing.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    compute = torch.bfloat16 if placing.dtype == "auto" else getattr(torch, placing.dtype)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute)


def _need(package: str, what: str, address: str) -> None:
    if find_spec(package) is None:
        raise BuildError(f"model {address!r}: {what} needs the package {package}; install it: pip install {package}")


def _has_pooler(auto: Any, config: Any) -> bool:
    """Whether the bare model of a configuration can be made without the layer that sums a text up after its blocks."""
    found = auto._model_mapping.get(type(config), None)
    made = found[0] if isinstance(found, (list, tuple)) else found
    return made is not None and "add_pooling_layer" in inspect.signature(made.__init__).parameters


# ---------------------------------------------------------------- what can go wrong


def _check_code(folder: Folder) -> None:
    """Code in another repository is never run: no fingerprint could cover it."""
    for file in ("config.json", "tokenizer_config.json") if folder.trust.remote_code else ():
        own = read_json(folder.path / file).get("auto_map")
        named = own.values() if isinstance(own, dict) else [own]
        for one in (part for where in named for part in (where if isinstance(where, list) else [where])):
            if isinstance(one, str) and "--" in one:
                raise BadInput(
                    f"model {folder.address!r}: its code lies in another repository ({one.split('--')[0]}), which is "
                    f"not followed; put that code into its own folder, and take the name before '--' out of {file}"
                )


def _faults() -> tuple[type[Exception], ...]:
    """What transformers raises on files that are not what it expects."""
    from pickle import UnpicklingError

    from huggingface_hub.errors import StrictDataclassError

    usual = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SyntaxError)
    return (*usual, AssertionError, EOFError, UnpicklingError, StrictDataclassError)


def _explained(folder: Folder, what: str, error: Exception) -> BadInput | BuildError:
    """An error of transformers in one sentence, with what to do."""
    if "trust_remote_code" in str(error) and not folder.trust.remote_code:
        return BadInput(
            f"model {folder.address!r}: its {what} needs Python code that comes with it, which is not run unasked; "
            f"read that code, and if you trust it add {CODE_FLAG}"
        )
    said = (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__
    return BuildError(
        f"model {folder.address!r}: the {what} cannot be loaded ({said}); "
        "it must be a language model of text, with its tokenizer, that this version of transformers can read"
    )
