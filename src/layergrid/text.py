"""One formatter for numbers, ranges, lists and tokens, so that text, tables and tooltips agree; it knows no artifact."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable, Sequence

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 2) -> str:
    """A number with fixed digits and a true minus sign; never "-0.00"; "n/a" where it is not finite."""
    if not math.isfinite(value):
        return "n/a"
    shown = f"{abs(value):,.{digits}f}"
    return f"{MINUS}{shown}" if value < 0 and float(shown.replace(",", "")) != 0 else shown


def signed(value: float, digits: int = 2) -> str:
    """A difference with its sign: "+0.07", "\N{MINUS SIGN}0.02", "0.00"."""
    shown = number(value, digits)
    return f"+{shown}" if value > 0 and any(c in "123456789" for c in shown) else shown


def interval(low: float, high: float, digits: int = 2) -> str:
    """ "[0.79, 0.86]"."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def count(value: int) -> str:
    """An integer with thousands separators: "1,000"."""
    return f"{value:,}" if value >= 0 else f"{MINUS}{-value:,}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage with a no-break space: "38 %"."""
    return f"{number(100 * share, digits)}\N{NO-BREAK SPACE}%"


def plural(n: int, one: str, many: str | None = None) -> str:
    """ "1 layer", "3 layers"."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def listed(words: Iterable[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """Maximal runs of consecutive integers: [1, 2, 3, 7] -> [(1, 3), (7, 7)]."""
    found: list[tuple[int, int]] = []
    for value in sorted(set(values)):
        if found and value == found[-1][1] + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def layers(values: Sequence[int]) -> str:
    """ "layer 4", "layers 10-18", "layers 2, 5 and 7-9" (with an en dash)."""
    parts = [str(a) if a == b else f"{a}{EN_DASH}{b}" for a, b in runs(values)]
    one = len(parts) == 1 and EN_DASH not in parts[0]
    return f"{'layer' if one else 'layers'} {listed(parts)}"


def visible(text: str) -> str:
    """Text made safe to print: control characters, lone surrogates and direction overrides become escapes like \\u202e."""
    return "".join(c if _prints(c) else _escape(c) for c in text)


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp"}


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def token(piece: str) -> str:
    """A token to show in a strip or on an axis: blanks as an open box, line breaks as an arrow, tabs as another."""
    marks = {" ": "\N{OPEN BOX}", "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}
    return "".join(marks.get(c) or visible(c) for c in piece)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like a misspelt one, or None where nothing is like it."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
