"""One formatter for numbers, ranges, lists and tokens, so that text and tables agree; it knows no artifact."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable, Sequence

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


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
    """Bounds in brackets: "[0.79, 0.86]"."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def count(value: int) -> str:
    """An integer with thousands separators: "1,000"."""
    return f"{value:,}" if value >= 0 else f"{MINUS}{-value:,}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage with a no-break space: "38 %"."""
    return f"{number(100 * share, digits)}\N{NO-BREAK SPACE}%"


def plural(n: int, one: str, many: str | None = None) -> str:
    """A count in figures with its noun: "1 layer", "3 layers"."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def words(value: int) -> str:
    """A count in running text: "no", "one" ... "twelve", then figures ("13", "1,000")."""
    return SMALL[value] if 0 <= value < len(SMALL) else count(value)


def counted(n: int, one: str, many: str | None = None) -> str:
    """A count with its noun in running text: "no cells", "one layer", "eleven cells", "264 cells"."""
    return f"{words(n)} {one if n == 1 else many or one + 's'}"


def share(k: int, n: int, one: str, rest: str, many: str | None = None) -> str:
    """A clause on k of n things: "none of the 72 cells is ...", "both cells are ...", "the only cell is ..."."""
    several = many or one + "s"
    if n == 1:
        return f"the only {one} {'is' if k else 'is not'} {rest}"
    if k == 0:
        return f"neither of the two {several} is {rest}" if n == 2 else f"none of the {words(n)} {several} is {rest}"
    if k == n:
        return f"both {several} are {rest}" if n == 2 else f"all {words(n)} {several} are {rest}"
    return f"{words(k)} of the {words(n)} {several} {'is' if k == 1 else 'are'} {rest}"


def capital(sentence: str) -> str:
    """The same text with its first letter raised; nothing else changes."""
    return sentence[:1].upper() + sentence[1:]


def trimmed(value: float, digits: int = 6) -> str:
    """A setting or constant without trailing zeros: "0.5", "1", "0.02", "1,000"."""
    shown = number(value, digits)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


SITES = {
    "residual": "residual stream",
    "mlp_in": "input of the MLP",
    "mlp_out": "output of the MLP",
    "attention_out": "output of attention",
    "head_out": "output of attention heads",
}


def site_name(site: str, head: int | str | None = None) -> str:
    """A site in words: "residual stream", "output of the MLP of the encoder", "output of attention head 3"."""
    stack, _, bare = site.rpartition(".")
    shown = SITES.get(bare, bare)
    if bare == "head_out" and head not in (None, ""):
        shown = f"output of attention head {head}"
    return f"{shown} of the {stack}" if stack else shown


def power(value: float) -> str:
    """A penalty or tolerance: "0.001", and "1e-5" below that."""
    if value == 0 or 1e-3 <= abs(value) < 1e6 or not math.isfinite(value):
        return trimmed(value, 4)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{trimmed(float(mantissa), 1)}e{int(exponent)}".replace("-", MINUS)


def large(value: int) -> str:
    """A large count: "1.7 million", "7.2 billion", "12,000"."""
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if value >= size:
            return f"{trimmed(value / size, 1)} {name}"
    return count(value)


def precision(half_width: float, least: int = 2, most: int = 4) -> int:
    """Digits after the point that an interval of this half width bears: 0.04 -> 2, 0.004 -> 3."""
    if not math.isfinite(half_width) or half_width <= 0:
        return least
    return min(most, max(least, math.ceil(-math.log10(2 * half_width))))


def estimate(value: float, low: float, high: float, digits: int = 2) -> str:
    """An estimate with its interval, "0.83 [0.79, 0.86]"; without bounds the value alone, with one bound that bound."""
    shown = number(value, digits)
    if math.isfinite(low) and math.isfinite(high):
        return f"{shown} {interval(low, high, digits)}"
    if math.isfinite(low) or math.isfinite(high):
        bound = f"at least {number(low, digits)}" if math.isfinite(low) else f"at most {number(high, digits)}"
        return f"{shown} [{bound}]"
    return shown


def span(low: float, high: float, digits: int = 2) -> str:
    """A range with an en dash, "0.79\N{EN DASH}0.86"; with words where a sign would make the dash ambiguous."""
    joint = EN_DASH if low >= 0 and high >= 0 else " to "
    return f"{number(low, digits)}{joint}{number(high, digits)}"


def slug(name: str) -> str:
    """A name as part of a fact's id: letters, digits, "_" and "-" stay, all else becomes %XX, so no two names meet."""
    return "".join(
        c if c.isalnum() or c in "_-" else "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogatepass"))
        for c in name
    )


def listed(words: Iterable[str], last: str = "and") -> str:
    """A list in running text: "a", "a and b", "a, b and c"."""
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
    """Layers in runs: "layer 4", "layers 10-18", "layers 2, 5 and 7-9" (with an en dash)."""
    parts = [str(a) if a == b else f"{a}{EN_DASH}{b}" for a, b in runs(values)]
    one = len(parts) == 1 and EN_DASH not in parts[0]
    return f"{'layer' if one else 'layers'} {listed(parts)}"


def visible(text: str) -> str:
    """Text made safe to print: control characters, lone surrogates and direction overrides become escapes."""
    return "".join(c if _prints(c) else _escape(c) for c in text)


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp"}


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def token(piece: str) -> str:
    """A token to show in a strip or on an axis: blanks as an open box, line breaks as an arrow, tabs as another."""
    marks = {
        " ": "\N{OPEN BOX}",
        "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}",
        "\t": "\N{RIGHTWARDS ARROW TO BAR}",
    }
    return "".join(marks.get(c) or visible(c) for c in piece)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like a misspelt one, or None where nothing is like it."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def known_columns(wanted: str, columns: Iterable[str], *, mapped: bool = True) -> str:
    """What to say after a column that does not exist: those that do, the nearest of them to `wanted`, what to write.

    `mapped`: the line of a data set that gives a column the name that is wanted; without one where nothing is wanted.
    """
    names = list(columns)
    near = like_column(wanted, names) if wanted else None
    hint = f" Did you mean {near!r}?" if near else ""
    if wanted and mapped:
        line = f"`columns: {{{_in_yaml(wanted)}: {_in_yaml(near) if near else 'THE COLUMN'}}}` in the data set"
        hint += f" Name it so, or write {line}." if near else f" If one of them holds it, write {line}."
    return f"the columns are {listed(repr(name) for name in names)}.{hint}"


def like_column(wanted: str, names: Sequence[str]) -> str | None:
    """The column most like a name, letters of either case alike, else the first that holds it or is held in it."""
    folded = {name.casefold(): name for name in reversed(names)}
    low = wanted.casefold()
    near = nearest(low, folded)
    holding = (one for one in folded if len(one) > 2 and len(low) > 2 and (low in one or one in low))
    return folded[near] if near is not None else folded.get(next(holding, ""))


def _in_yaml(name: str) -> str:
    """A name as a key or value of YAML's mappings in braces."""
    return name if name.isidentifier() else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
