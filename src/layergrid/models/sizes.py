"""Reads numbers of blocks, heads and positions out of a configuration as JSON; it opens no model, nor imports torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

_NESTED = ("text_config",)  # where multimodal models keep the configuration of their text model
_LAYERS = re.compile(r"(n|num)_(hidden_)?layers?")
_HEADS = re.compile(r"((n|num)_)?(attention_)?heads?")
_CONTEXT = re.compile(r"max_position_embeddings|n_positions|context_length")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")  # one name alone: others are those of parts
_HEAD_WIDTHS = ("head_dim", "d_kv")
_STATES = re.compile(r"(^|_)(state_size|d_state|ssm_\w+)$")


@dataclass(frozen=True)
class Sizes:
    """What a configuration tells of a model; 0 where it tells nothing, or where there is no limit."""

    layers: int  # of the decoder where there are two stacks
    encoder_layers: int  # 0: there is one stack
    heads: int
    encoder_heads: int
    context: int
    encoder_context: int
    attention: bool  # False: no block has attention
    width: int = 0
    head_width: int = 0


def read(config: Json, *, two_stacks: bool | None = None) -> Sizes:
    """The sizes in a configuration, whose names differ from family to family: n_layer, num_layers, decoder_layers ...

    `two_stacks` None: as the configuration says of itself.
    """
    if two_stacks is None:
        two_stacks = _two_stacks(config)
    if not two_stacks:
        one = _text(config)
        # The decoder of a family with two stacks, alone, keeps its names: both, where one may mean something else.
        left = [_number(one, _of_stack("decoder", what)) for what in ("layers", "attention_heads")]
        layers = _number(one, _LAYERS) or (left[0] if all(left) else 0)
        heads = _number(one, _HEADS) or left[1]
        attention = _has_attention(one)
        widths = _widths(one, heads)
        return Sizes(layers, 0, heads if attention else 0, 0, _context(one), 0, attention, *widths)
    encoder, decoder = (_of_one_stack(config, stack) for stack in ("encoder", "decoder"))
    nested = _text(found) if isinstance(found := config.get("decoder"), dict) else config
    widths = _widths(nested, decoder[1])
    return Sizes(decoder[0], encoder[0], decoder[1], encoder[1], decoder[2], encoder[2], True, *widths)


def _widths(config: Json, heads: int) -> tuple[int, int]:
    """The width of the states, and of one head; 0 where the configuration does not tell."""
    width, head = (
        next((int(config[name]) for name in names if _counts(config.get(name))), 0) for names in (_WIDTHS, _HEAD_WIDTHS)
    )
    return width, head or (width // heads if heads else 0)


def _two_stacks(config: Json) -> bool:
    """Whether a model has an encoder and a decoder: what it says, unless its class is the encoder of such a model."""
    names = config.get("architectures") or [""]
    alone = isinstance(names, list) and str(names[0]).endswith("EncoderModel")
    return bool(config.get("is_encoder_decoder")) and not alone


def _text(config: Json) -> Json:
    """The configuration of the text model, which multimodal models nest."""
    return next((config[name] for name in _NESTED if isinstance(config.get(name), dict)), config)


def _of_stack(stack: str, what: str) -> re.Pattern[str]:
    return re.compile(rf"(num_)?{stack}_(num_)?(hidden_)?{what}")


def _of_one_stack(config: Json, stack: str) -> tuple[int, int, int]:
    """Blocks, heads and context of one of two stacks: nested, or named for it, or the same for both."""
    part = _text(found) if isinstance(found := config.get(stack), dict) else {}
    return (
        _number(part, _LAYERS) or _number(config, _of_stack(stack, "layers")) or _number(config, _LAYERS),
        _number(part, _HEADS) or _number(config, _of_stack(stack, "attention_heads")) or _number(config, _HEADS),
        _context(part or config, stack),
    )


def _number(config: Json, name: re.Pattern[str]) -> int:
    """The positive number of the longest key that has such a name; 0 where there is none."""
    found = [key for key, value in config.items() if name.fullmatch(key) and _counts(value)]
    return int(config[max(found, key=len)]) if found else 0


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _context(config: Json, stack: str = "") -> int:
    """The longest sequence; 0 where positions are relative distances in buckets, which have no last one."""
    if "relative_attention_num_buckets" in config and "max_position_embeddings" not in config:
        return 0
    own = re.compile(rf"max_{stack}_position_embeddings")
    return (_number(config, own) if stack else 0) or _number(config, _CONTEXT)


def _has_attention(config: Json) -> bool:
    """Whether any block has attention; False only where there are states and nothing is said of attention."""
    said = {key: value for key, value in config.items() if value not in (None, False, 0, "", [], {})}
    states = any(_STATES.search(key) for key in said)
    named = any(re.search("attention|attn", key) for key in said)
    mixed = any("attention" in str(value) for key, value in said.items() if isinstance(value, list))
    return named or mixed or not states
