r"""Numbers as texts write them, and where: digits, thousands commas, decimals, exponents, fractions, LaTeX; no words.

A number stands for itself whatever its unit: $5, 5 %, and 5 km hold the number 5. Nothing here knows a right answer.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

from layergrid.artifacts import Scalar
from layergrid.graders.golds import blank, listed_items
from layergrid.kinds import BadInput
from layergrid.text import count

LONGEST = 1000  # characters of a number
VULGAR = "\u00bc-\u00be\u2150-\u215e\u2189"  # ¼ to ¾, and the fractions of the block of number forms
MINUS = r"[-+\N{MINUS SIGN}]"
# A number may follow any character but an ASCII letter, so that "B12" holds none and "答案是5" holds one; after a
# second decimal point none begins, and what stands behind ^ is an exponent.
DIGITS = (
    r"(?:(?<![A-Za-z_\d^])(?<!\^\{)(?<!\d\.)"
    r"(?:(?<!\d,)\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.^])\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?![\d.]*[A-Za-z_\d])"
    r"|\s?(?:[x*\N{MULTIPLICATION SIGN}]|\\times|\\cdot)\s?10\^\{?[-+]?\d{1,3}\}?)?"
)
# 3/4, 1 1/2, 1½, ½ and LaTeX's \frac{3}{4} or \frac34, with a whole number before it or not; 3/4/2020 is a date.
OVER = r"\d{1,15}[/\N{FRACTION SLASH}]\d{1,15}(?![\w/\N{FRACTION SLASH}]|[.,]\d)"
LATEX = r"\\[dt]?frac\s?(?:\{\s?-?\d{1,15}(?:\.\d{1,15})?\s?\}\s?\{\s?\d{1,15}(?:\.\d{1,15})?\s?\}|\d\d(?!\d))"
WHOLE = r"(?<![A-Za-z_\d^.,/])(?<!\^\{)"
FRACTION = rf"(?:{WHOLE}(?:\d{{1,15}}\s)?{OVER}|{WHOLE}(?:\d{{1,15}}\s?)?[{VULGAR}]|(?:{WHOLE}\d{{1,15}}\s?)?{LATEX})"
# A sign counts where nothing that could be an operand stands before it: "-5" and "= -5", but 385 in "4710-385".
NUMBER = re.compile(rf"(?:(?<![\w.,)\]%}}]){MINUS}\s?(?=\\)|(?<![\w.,)\]%}}]){MINUS})?(?:{FRACTION}|{DIGITS})")
BRACE = re.compile(r"\\f?boxed\s?\{|[{}]")
POWER = re.compile(r"\s?(?:[x*\N{MULTIPLICATION SIGN}]|\\times|\\cdot)\s?10\^\{?([-+]?\d+)\}?$")
PARTS = re.compile(
    rf"(?:(?P<whole>\d+)\s?)??(?:(?P<over>\d+)[/\N{{FRACTION SLASH}}](?P<under>\d+)|(?P<vulgar>[{VULGAR}])"
    r"|\\[dt]?frac\s?(?:\{\s?(?P<top>-?[\d.]+)\s?\}\s?\{\s?(?P<bottom>[\d.]+)\s?\}|(?P<short>\d\d)))"
)


def numbers(text: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
    """Characters of every number of text[start:stop], in order; none divides by zero or has over 1,000."""
    for found in NUMBER.finditer(text, start, len(text) if stop is None else stop):
        if value_of(found[0]) is not None:
            yield found.span()


def value_of(number: str) -> Fraction | None:
    """The value of a text that `numbers` found, or None where it divides by zero or is too long to be meant."""
    if len(number) > LONGEST:
        return None
    sign = -1 if number[0] in "-\N{MINUS SIGN}" else 1
    bare = number.lstrip("-+\N{MINUS SIGN}").strip()
    found = PARTS.fullmatch(bare)
    if found is None:
        power = POWER.search(bare)
        digits = re.sub(r"\{,\}|\\,|,", "", bare[: power.start()] if power else bare)
        return sign * Fraction(digits) * Fraction(10) ** (int(power[1]) if power else 0)
    if found["vulgar"]:
        part = Fraction(unicodedata.numeric(found["vulgar"])).limit_denominator(1000)
    else:
        top, bottom = (
            (found["over"], found["under"]) if found["over"]
            else tuple(found["short"]) if found["short"]
            else (found["top"], found["bottom"])
        )  # fmt: skip
        if Fraction(bottom) == 0:
            return None
        part = Fraction(top) / Fraction(bottom)
    return sign * (int(found["whole"] or 0) + part)


def boxes(text: str) -> list[tuple[int, int]]:
    r"""Characters inside every \boxed{} that is closed, in the order of their beginnings."""
    found, open_at = [], []
    for brace in BRACE.finditer(text):
        if brace[0] != "}":
            open_at.append(brace.end() if len(brace[0]) > 1 else -1)
        elif open_at and (start := open_at.pop()) >= 0:
            found.append((start, brace.start()))
    return sorted(found)


def right_numbers(gold: Scalar) -> tuple[Fraction, ...]:
    """The numbers of a right answer, any of which is right: one in 9, 9.0, "$1,234", "3/4" or "[9.0]", two in "[3, 4]".

    Raises BadInput where the value or an item of its list does not hold exactly one number.
    """
    items = [] if blank(gold) else listed_items(gold)
    if items is None:
        return (_one_number(gold),)
    found = tuple(_one_number(one) for one in items)
    return found or (_one_number(gold),)


def _one_number(gold: Scalar) -> Fraction:
    if isinstance(gold, int | float) and not isinstance(gold, bool) and math.isfinite(gold):
        return Fraction(str(gold))
    found = [gold[a:b] for a, b in numbers(gold)] if isinstance(gold, str) else []
    value = value_of(found[0]) if len(found) == 1 else None
    if value is None:
        held = "no number" if not found else f"{count(len(found))} numbers"
        raise BadInput(f"the right answer {gold!r} holds {held}; the numeric grader needs exactly one")
    return value
