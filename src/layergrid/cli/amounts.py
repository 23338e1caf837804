"""Sizes and ages as people write them: "20GB", "30 days"; it knows nothing of what is so large or so old."""

from __future__ import annotations

import math
import re

from layergrid.errors import BadInput
from layergrid.text import plural, trimmed

_BYTES = {"b": 1}
_BYTES |= {f"{letter}{end}": 1000**i for i, letter in enumerate("kmgtp", 1) for end in ("", "b")}
_BYTES |= {f"{letter}ib": 1024**i for i, letter in enumerate("kmgtp", 1)}
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_SECONDS |= {"w": 7 * 86400, "week": 7 * 86400, "month": 30 * 86400, "y": 365 * 86400, "year": 365 * 86400}
_AMOUNT = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})\s*([A-Za-z]*)\s*")


def bytes_of(text: str, option: str) -> int:
    """The bytes of "20GB", "1.5 TiB" or "0"; raises BadInput, which names the option.

    A number without a unit is refused: who writes 20 means gigabytes, and would lose all but 20 bytes.
    """
    amount, unit = _parts(text)
    if amount == 0 and not unit:
        return 0
    if amount is None or unit.lower() not in _BYTES:
        raise BadInput(f"{option} {text!r}: is no size; write a number with a unit, such as 20GB, 500MB or 1.5TiB")
    return math.floor(amount * _BYTES[unit.lower()])


def seconds_of(text: str, option: str) -> float:
    """The seconds of "30d", "30 days" or "12 hours"; raises BadInput, which names the option."""
    amount, unit = _parts(text)
    name = unit.lower()
    factor = _SECONDS.get(name) or _SECONDS.get(name.removesuffix("s"))
    if amount is None or factor is None:
        hint = "; a month is written 1 month, a minute 1 min" if name == "m" else ""
        raise BadInput(f"{option} {text!r}: is no age; write a number with a unit, such as 30d, 12 hours or 4w{hint}")
    return amount * factor


def size(count: int) -> str:
    """A size for people: "0 B", "3.2 GB"."""
    if count < 1000:
        return f"{count} B"
    power = min(5, int(math.log10(count)) // 3)
    if round(count / 1000**power, 1) >= 1000 and power < 5:  # 999,999 B are 1 MB
        power += 1
    return f"{trimmed(count / 1000**power, 1)} {'_kMGTP'[power]}B"


def age(seconds: float) -> str:
    """An age for people, in its largest whole unit: "now", "5 minutes", "3 days"."""
    for name, factor in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= factor:
            return plural(int(seconds // factor), name)
    return "now"


def _parts(text: str) -> tuple[float | None, str]:
    match = _AMOUNT.fullmatch(text)
    return (float(match[1]), match[2]) if match else (None, "")
