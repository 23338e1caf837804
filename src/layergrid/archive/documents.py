"""The JSON of artifacts, strict for other programs and without loss; it knows dataclasses, not what they mean."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

from layergrid.kinds import BadInput

FORMAT = 1
AGAIN = "build the report again"

T = TypeVar("T")


_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def encode(value: Any) -> Any:
    """Artifacts as JSON. What it cannot hold (NaN, infinity, neighbouring surrogates) becomes an object tagged by $."""
    if isinstance(value, np.generic):
        value = value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        if any(name.startswith("$") or _PAIR.search(name) for name in value):
            return {"$pairs": [[encode(name), encode(one)] for name, one in value.items()]}
        return {name: encode(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$number": repr(value)}
    if isinstance(value, str) and _PAIR.search(value):
        return {"$text": [ord(one) for one in value]}
    return value


def _untag(found: dict[str, Any]) -> Any:
    match found:
        case {"$number": "nan" | "inf" | "-inf" as number} if len(found) == 1:
            return float(number)
        case {"$text": list(codes)} if len(found) == 1 and all(type(one) is int for one in codes):
            return "".join(map(chr, codes))
        case {"$pairs": list(pairs)} if len(found) == 1 and all(_is_pair(one) for one in pairs):
            return dict(pairs)
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def write_json(path: Path, card: dict[str, Any]) -> None:
    """Writes encoded JSON in ASCII, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card, indent=1, allow_nan=False) + "\n", encoding="ascii")


def read_json(path: Path) -> dict[str, Any]:
    """The object of a file of this format, without its `format`. Raises BadInput with the file's name."""
    try:
        card = json.loads(path.read_bytes(), object_hook=_untag)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: is missing; give the folder of a report that layergrid built") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); {AGAIN}") from error
    if not isinstance(card, dict) or "format" not in card:
        foreign(path, "was not written by layergrid")
    found = card.pop("format")
    if found != FORMAT:
        raise BadInput(f"{path}: is in format {found!r}, and this version of layergrid reads format {FORMAT}; {AGAIN}")
    return card


def foreign(path: Path | str, what: str) -> NoReturn:
    """Raises BadInput: a file that is not as it was written."""
    raise BadInput(f"{path}: {what}; {AGAIN}")


def list_of(value: Any, path: Path) -> list[Any]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        foreign(path, "has no list of grids")
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def decode_fields(kind: type[T], card: Mapping[str, Any], where: str, **ready: Any) -> T:
    """A dataclass from the JSON of its fields; `ready` are those that stand elsewhere."""
    hints = _hints(cast("Any", kind))
    known = {f.name: f for f in fields(cast("Any", kind))}
    extra = [name for name in card if name not in known]
    if extra:
        foreign(where, f"has a field {extra[0]!r} that this version of layergrid does not know")
    missing = [
        name for name, f in known.items()
        if name not in card and name not in ready and f.default is MISSING and f.default_factory is MISSING
    ]  # fmt: skip
    if missing:
        foreign(where, f"lacks the field {missing[0]!r}")
    made = {n: decode(hints[n], one, f"{where}, {n}") for n, one in card.items() if n not in ready}
    return kind(**made, **ready)


def decode(kind: Any, value: Any, where: str) -> Any:
    """JSON as the type that a field declares."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        plain = [one for one in arguments if one is type(value)]
        choices = plain or [one for one in arguments if one is not types.NoneType]
        return decode(choices[0], value, where)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is Ellipsis:
            return tuple(decode(arguments[0], one, where) for one in value)
        if len(arguments) == len(value):
            return tuple(decode(one, part, where) for one, part in zip(arguments, value, strict=True))
    elif origin is typing.Literal and value in arguments:
        return value
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return {name: decode(arguments[1], one, where) for name, one in value.items()}
    elif is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return decode_fields(kind, value, where)
    elif kind is float and type(value) in (int, float):
        return float(value)
    elif isinstance(kind, type) and type(value) is kind:
        return value
    foreign(where, f"holds {value!r:.60}, which is not what belongs there")
