"""What a question shows before any model reads it: its lengths and its words; labels play no part in the choice."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Floats, Ints

SHARE = 0.02  # of the rows: a word that fewer have is no feature
MOST_WORDS = 300
LENGTHS = ("characters", "words", "digits")
# Scripts without blanks between words are taken letter by letter; signs are words, since they say what a sum asks.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"\d+(?:[.,]\d+)*|[{UNSPACED}]|[^\W\d_{UNSPACED}]+|[^\w\s]")


def question_features(texts: Sequence[str], vocabulary_rows: Ints | None = None) -> tuple[Floats, tuple[str, ...]]:
    """Features float32 [n, d] of questions, which may stand in a template, and a name for each feature.

    First characters, words and digits, then a column a word; each is log(1 + count), counted beyond the least that any
    row has, so that a template and its examples add nothing. A word is one that at least 2 % of the rows have beyond
    that least and that does not stand equally often in all; at most 300, the most frequent first, ties by the alphabet.
    `vocabulary_rows` are the rows that decide on words and least counts; None: all.
    """
    folded = [unicodedata.normalize("NFKC", text).casefold() for text in texts]
    bags = [Counter(WORD.findall(text)) for text in folded]
    deciding = range(len(bags)) if vocabulary_rows is None else [int(i) for i in vocabulary_rows]
    words, least = _vocabulary([bags[i] for i in deciding])
    lengths = np.array(
        [
            (len(text), sum(n for word, n in bag.items() if word[0].isalnum()), sum(c.isdigit() for c in text))
            for text, bag in zip(texts, bags, strict=True)
        ],
        dtype=np.float32,
    ).reshape(-1, len(LENGTHS))
    shortest = lengths[list(deciding)].min(axis=0, initial=np.inf)
    found = np.zeros((len(bags), len(LENGTHS) + len(words)), dtype=np.float32)
    found[:, : len(LENGTHS)] = np.maximum(lengths - np.where(np.isfinite(shortest), shortest, 0), 0)
    column = {word: j for j, word in enumerate(words, len(LENGTHS))}
    for row, bag in zip(found, bags, strict=True):
        for word in bag.keys() & column.keys():
            row[column[word]] = max(bag[word] - least.get(word, 0), 0)
    return np.log1p(found), (*LENGTHS, *(f"word {word!r}" for word in words))


def _vocabulary(bags: Sequence[Counter[str]]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The words that become features, and how often every row has a word."""
    having = Counter(word for bag in bags for word in bag)
    least = {word: min(bag[word] for bag in bags) for word, n in having.items() if n == len(bags)}
    beyond = Counter(word for bag in bags for word, n in bag.items() if n > least.get(word, 0))
    enough = max(1, math.ceil(SHARE * len(bags)))
    kept = [word for word, n in beyond.items() if n >= enough]
    return tuple(sorted(kept, key=lambda word: (-beyond[word], word))[:MOST_WORDS]), least
