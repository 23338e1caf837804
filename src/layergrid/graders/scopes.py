"""Which part of a completion is looked at, and what around an answer is none of it; no right answer is known here."""

from __future__ import annotations

import re
from typing import Literal

Within = Literal["first_sentence", "first_line", "last_line", "all"]
Chars = tuple[int, int]

PARTS: dict[str, str] = {
    "first_sentence": "the first sentence of the completion",
    "first_line": "the first line of the completion",
    "last_line": "the last line of the completion",
    "all": "the completion",
}
LINE_END = re.compile(r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
# What ends a sentence: . ! ? before a blank or the end (closing quotes and brackets may stand between), their
# full-width forms, and a line break. A decimal point and a thousands comma have a digit behind them. The stop of an
# abbreviation ("approx. 5") ends a sentence too: a list of abbreviations would be another rule in each language.
SENTENCE_END = re.compile(
    r"[.!?\N{HORIZONTAL ELLIPSIS}]+[\"')\]}\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]*(?=\s|\Z)"
    r"|[\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}]"
    r"|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
)
TRAILING = ".,;:!?\N{HORIZONTAL ELLIPSIS}\N{IDEOGRAPHIC FULL STOP}\N{IDEOGRAPHIC COMMA}" + "".join(
    chr(ord(c) + 0xFEE0)
    for c in ",.:;!?"  # their full-width forms
)
PAIRS = {
    '"': '"', "'": "'", "`": "`", "*": "*", "_": "_",
    "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}",
    "\N{LEFT SINGLE QUOTATION MARK}": "\N{RIGHT SINGLE QUOTATION MARK}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": "\N{LEFT DOUBLE QUOTATION MARK}",
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}",
    "\N{LEFT CORNER BRACKET}": "\N{RIGHT CORNER BRACKET}",
}  # fmt: skip
QUOTED = re.compile(
    r'"([^"\n]{1,1000})"'
    r"|\N{LEFT DOUBLE QUOTATION MARK}([^\N{RIGHT DOUBLE QUOTATION MARK}\n]{1,1000})\N{RIGHT DOUBLE QUOTATION MARK}"
    r"|\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}([^\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}\n]{1,1000})"
    r"\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}"
)
# What often stands before an answer in English. No repetition in it is without bound, so that no text makes it slow.
LEAD_IN = re.compile(
    r"\s{0,100}(?:"
    r"(?:sure|certainly|of course|ok|okay|well|so|thus|hence|therefore)\s?[,.!:](?=\s)"
    r"|(?:so|thus|hence|therefore)?,?\s{0,9}(?:the|my)?\s{0,9}(?:final|correct|right|short|best|exact)?\s{0,9}answer"
    r"(?:\s{1,9}to\s{1,9}(?:the|this|your)\s{1,9}question)?\s{0,9}(?:is\b|was\b|would be\b|:|=)\s{0,9}:?"
    r"|a\s?:"
    r"|(?:it|that|this)(?:\s{1,9}(?:is|was)\b|(?:'|\N{RIGHT SINGLE QUOTATION MARK})s\b)"
    r")",
    re.IGNORECASE,
)


def part(text: str, within: Within, start: int = 0, stop: int | None = None) -> Chars:
    """Characters of the part `within` of text[start:stop], without blanks around; leading blanks are skipped first."""
    stop = len(text) if stop is None else stop
    start, stop = without_blanks(text, start, stop)
    if within in ("first_line", "first_sentence"):
        end = (LINE_END if within == "first_line" else SENTENCE_END).search(text, start, stop)
        # The end of text[start:stop] is the end of a sentence to nobody but this search.
        return without_blanks(text, start, end.start() if end else stop)
    if within == "last_line":
        for end in LINE_END.finditer(text, start, stop):
            start = end.end()
        return without_blanks(text, start, stop)
    return start, stop


def without_blanks(text: str, start: int, stop: int) -> Chars:
    """The span without blanks at its ends."""
    while start < stop and text[stop - 1].isspace():
        stop -= 1
    while start < stop and text[start].isspace():
        start += 1
    return start, stop


def after_lead_ins(text: str, start: int, stop: int) -> int:
    """Where the text begins once lead-ins such as "Sure! The answer is" are left behind; four of them at most."""
    for _ in range(4):
        found = LEAD_IN.match(text, start, stop)
        if found is None:
            break
        start = found.end()
    return start


def trimmed(text: str, start: int, stop: int) -> Chars:
    """The span without blanks, trailing punctuation, and quotation marks or emphasis that stand around all of it."""
    while True:
        before = (start, stop)
        start, stop = without_blanks(text, start, stop)
        while start < stop and text[stop - 1] in TRAILING:
            stop -= 1
        if stop - start >= 2 and PAIRS.get(text[start]) == text[stop - 1]:
            start, stop = start + 1, stop - 1
        if (start, stop) == before:
            return start, stop


def quoted(text: str, start: int, stop: int) -> Chars | None:
    """Characters inside the first quotation marks of the span, or None where none stand there."""
    found = QUOTED.search(text, start, stop)
    return None if found is None else next(found.span(i) for i in (1, 2, 3) if found[i] is not None)
