"""Forms of a text in which answers are compared, by name, and where in the text each word stands; it judges nothing.

`words` are those of SQuAD's evaluation (Rajpurkar et al. 2016): lower case, without punctuation and the articles a, an
and the. It differs in three things: NFKC comes first and case is folded, so that full-width letters and smart quotes
are the usual ones; a point, colon or slash between digits stays, so that 2.5 is not 25; and dashes and the ellipsis
part words.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

ARTICLES = frozenset({"a", "an", "the"})
APOSTROPHES = (
    "'\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}`\N{ACUTE ACCENT}"
)
CHUNK = re.compile(r"[^\s\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}\N{HORIZONTAL ELLIPSIS}]+")
POINT = re.compile(r"(?<=\d)[.:/](?=\d)")
LETTERS = r"(?:[^\W_][\u0300-\u036f]*)+"  # an accent may be a character of its own
PIECE = re.compile(rf"{LETTERS}(?:(?:(?<=\d)[.,:/](?=\d)|['\u2019](?!s\b)){LETTERS})*")


@dataclass(frozen=True)
class Word:
    """A word in its compared form, and the characters of the text that it covers."""

    text: str
    start: int
    stop: int


def squad(text: str) -> str:
    """The compared form of a whole text; of articles alone, these are kept."""
    found = [word.text for word in words(text)]
    return " ".join([one for one in found if one not in ARTICLES] or found)


def words(text: str) -> Iterator[Word]:
    """The words with their articles: what stands between blanks, as one word without its punctuation ("ACDC")."""
    for chunk in CHUNK.finditer(text):
        start, stop = chunk.span()
        parts = _bare(chunk[0]).split()
        if not parts:
            continue
        while _is_punctuation(text[start]) and start + 1 < stop:
            start += 1
        while _is_punctuation(text[stop - 1]) and start + 1 < stop:
            stop -= 1
        yield from (Word(one, start, stop) for one in parts)


def pieces(text: str) -> Iterator[Word]:
    """The same with punctuation as a border: "Jean-Luc's" has the words jean, luc and s; numbers stay whole."""
    for piece in PIECE.finditer(text):
        yield from (Word(one, *piece.span()) for one in _bare(piece[0]).split())


def _bare(chunk: str) -> str:
    """A chunk in the form of NFKC with its case folded, without punctuation."""
    text = folded(chunk)
    points = {found.start() for found in POINT.finditer(text)}
    return "".join(c for i, c in enumerate(text) if i in points or not _is_punctuation(c))


@lru_cache(maxsize=4096)
def _is_punctuation(character: str) -> bool:
    return (
        character in string.punctuation or character in APOSTROPHES or unicodedata.category(character).startswith("P")
    )


def folded(text: str) -> str:
    """NFKC with case folded, to a form that folding again leaves as it is."""
    if text.isascii():
        return text.lower()
    while (now := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())) != text:
        text = now
    return text


def standing(needle: Sequence[str], hay: Sequence[Word]) -> tuple[int, int] | None:
    """Characters of the first place where the words stand one after another, or None."""
    texts, n = [word.text for word in hay], len(needle)
    for i in range(len(texts) - n + 1) if n else ():
        if texts[i] == needle[0] and texts[i : i + n] == list(needle):
            return hay[i].start, hay[i + n - 1].stop
    return None


def place(wanted: str, text: str) -> tuple[int, int] | None:
    """Characters of the first place where a text stands in another as whole words, or None.

    It is looked for twice: with words as SQuAD makes them, and with punctuation as a border, so that "Shakespeare"
    stands in "Shakespeare's" and "Jean-Luc" in "Jean Luc". A text of articles alone is looked for as it is.
    """
    found = []
    for split in (words, pieces):
        needle, hay = [word.text for word in split(wanted)], list(split(text))
        bare = [one for one in needle if one not in ARTICLES]
        if bare:
            needle, hay = bare, [word for word in hay if word.text not in ARTICLES]
        if (one := standing(needle, hay)) is not None:
            found.append(one)
    return min(found, default=None)


def without_accents(text: str) -> tuple[str, list[int]]:
    """The text with case and accents folded, and for each of its characters the one of the text that it comes from."""
    made, origin = [], []
    for i, character in enumerate(text):
        for one in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold()):
            if not unicodedata.combining(one):
                made.append(one)
                origin.append(i)
    return "".join(made), origin
