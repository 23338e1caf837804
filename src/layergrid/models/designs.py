"""Tells from a configuration which class loads a model, and which way it reads; it opens no weights, runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Design = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True)
class Choice:
    """What loads a model, and its design."""

    loader: str  # the name of an auto class of transformers
    design: Design


# The tasks of text models, in the order in which a class's name is looked for: some families stand in several.
_TASKS: tuple[tuple[str, str, Design], ...] = (
    ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "AutoModelForSeq2SeqLM", "encoder-decoder"),
    ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "AutoModelForMaskedLM", "encoder"),
    ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM", "decoder"),
    ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "AutoModelForImageTextToText", "decoder"),
)


def choose(config: Any, *, trusted: bool = False) -> Choice:
    """The class for a configuration (a transformers.PreTrainedConfig), by the class that saved the weights.

    A class without a language-model head, or with the head of another task, is read by its bare model: a head that the
    weights lack would be filled with random numbers. `trusted`: the code of the model's own folder may be used.
    """
    name = (getattr(config, "architectures", None) or [""])[0]
    own = getattr(config, "auto_map", None) or {}
    if trusted and any(auto in own for auto in (*(auto for _, auto, _ in _TASKS), "AutoModel")):
        return _of_own_code(config, own, name)
    design, tasks = design_of(config, name), _by_task(str(config.model_type))
    # The text model of a class that also reads images can be read alone, where there is one.
    by_type = not _known(name) or (design == "decoder" and name in tasks[-1][0])
    for names, loader, found in tasks:
        if name in names and not (by_type and loader == tasks[-1][1]):
            return Choice(loader, found)
        if by_type and names and found == design != "encoder":
            return Choice(loader, found)
    return Choice("AutoModelForTextEncoding" if name in _text_encoders(config) else "AutoModel", design)


def design_of(config: Any, name: str) -> Design:
    """The design of the class `name` with a configuration; of the configuration alone where the name tells nothing."""
    tasks = _by_task(str(config.model_type))
    for names, _, design in tasks:
        if name in names:
            return design
    usual = {design for names, _, design in tasks if names}
    if "encoder-decoder" in usual and name in _text_encoders(config):
        return "encoder"
    if getattr(config, "is_encoder_decoder", False):
        return "encoder-decoder"
    if "encoder" in usual and "encoder-decoder" not in usual:
        return "decoder" if getattr(config, "is_decoder", False) else "encoder"
    return "decoder" if "decoder" in usual else "encoder"


def _by_task(model_type: str) -> list[tuple[tuple[str, ...], str, Design]]:
    """For each task the classes that transformers has for a type of model."""
    from transformers.models.auto import modeling_auto

    return [(_names(getattr(modeling_auto, table), model_type), loader, design) for table, loader, design in _TASKS]


def _names(table: Mapping[str, Any], model_type: str) -> tuple[str, ...]:
    found = table.get(model_type, ())
    return (found,) if isinstance(found, str) else tuple(found)


def _text_encoders(config: Any) -> tuple[str, ...]:
    from transformers.models.auto import modeling_auto

    return _names(modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES, str(config.model_type))


def _known(name: str) -> bool:
    """Whether transformers has a class of this name; a name of someone's own says nothing of the head."""
    import transformers

    return bool(name) and hasattr(transformers, name)


def _of_own_code(config: Any, own: Mapping[str, Any], name: str) -> Choice:
    """The same for a model whose folder names its classes itself, in `auto_map`."""
    tasks = [(loader, design) for _, loader, design in _TASKS if loader in own]
    for loader, design in tasks:
        if name and str(own[loader]).rsplit(".", 1)[-1] == name:
            return Choice(loader, design)
    both = bool(getattr(config, "is_encoder_decoder", False))
    for loader, design in sorted(tasks, key=lambda task: task[1] == "encoder"):
        if both == (design == "encoder-decoder"):
            return Choice(loader, design)
    alone: Design = "decoder" if getattr(config, "is_decoder", False) else "encoder"
    return Choice("AutoModel", "encoder-decoder" if both else alone)
