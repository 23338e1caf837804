"""Which texts say nearly the same; what stands in all of them counts for nothing, and no label or group is known.

Two texts are alike by the words they share (weighted Jaccard index), order aside. A word weighs the logarithm of
(texts / texts that have it), so that a template and its few-shot examples weigh nothing and names more than pronouns.
Weights are integers: sums of them depend on no order of rows or words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layergrid.artifacts import Bools, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALIKE = (4, 5)  # shared weight over the weight of either: near-duplicates from this fraction on
HEAD = (1, 2)  # the words of a text that are looked up: the heaviest, down to where this part of its weight is left
TEMPLATE = (9, 10)  # a word, or its k-th occurrence, that this share of the texts has is the template's
UNIT = 4096  # steps of a weight of one
AT_ONCE = 4_000_000  # pairs of a chunk of rows with all others, at most
BATCH = 5_000_000  # words of the pairs that are compared in one product of sparse matrices, at most

# Scripts without blanks between words are taken letter by letter.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
NUMBER = r"\d+(?:[.,]\d+)*"
# "12 + 34", "12 plus 34" and "34 divided by 12" are one word each: another sign or order is another sum.
SUM = rf"{NUMBER}(?:\s*(?:[^\w\s]{{1,3}}|[^\W\d_]+(?:\s+by)?)\s*{NUMBER})*"
WORD = re.compile(rf"{SUM}|[{UNSPACED}]|[^\W\d_{UNSPACED}]+|[^\w\s]|_")


class Bags(NamedTuple):
    """The words of n texts with their weights."""

    weights: csr_array  # int64 [n, d]: weight of each word in the texts that have it; columns from heavy to light
    present: csr_array  # int64 [n, d]: ones in the same places
    letters: Bools  # bool [d]: words, as against numbers and signs


def near_duplicates(texts: Sequence[str]) -> Ints:
    """Cluster codes int [n], numbered as clusters first appear; near-duplicates, and theirs, have one code.

    Texts are alike where the words they share weigh at least four fifths of the words that either has. Words, not
    numbers and signs, must make at least half of what they share: "What is 12 + 34?" is like no other sum. Case and
    the form of characters do not count; equal texts are always together. In a handful of texts every word is rare or
    everywhere, so that near-duplicates are found reliably from some dozens of texts on.
    """
    distinct = sorted(set(texts))
    labels = _clusters(_bags(distinct)) if len(distinct) > 1 else np.zeros(len(distinct), dtype=np.int64)
    cluster = dict(zip(distinct, labels.tolist(), strict=True))
    codes: dict[int, int] = {}
    return np.array([codes.setdefault(cluster[text], len(codes)) for text in texts], dtype=np.int64)


# ---------------------------------------------------------------- words and their weights


def _counted(texts: Sequence[str]) -> list[Counter[str]]:
    """Words of each text with their counts, less what all texts begin with."""
    low, high = min(texts), max(texts)  # what these two begin with, all do
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    begin = max(low.rfind(blank, 0, same) for blank in " \n\t")  # no word spans a blank
    folded = (unicodedata.normalize("NFKC", text[max(begin, 0) :]).casefold() for text in texts)
    return [Counter(WORD.findall(text)) for text in folded]


def _bags(texts: Sequence[str]) -> Bags:
    """The words of distinct texts; the k-th occurrence of one beyond the template is another that weighs 1/k^2.

    So "Eve in 'Lila & Eve'" is not "Lila in 'Lila & Eve'", while a pronoun that a question repeats counts little more.
    """
    from scipy.sparse import csr_array

    counted, n = _counted(texts), len(texts)
    having = Counter((word, k) for bag in counted for word, count in bag.items() for k in range(1, count + 1))
    shared: Counter[str] = Counter()  # occurrences that are the template's
    for (word, k), texts_with in having.items():
        if texts_with * TEMPLATE[1] >= n * TEMPLATE[0]:
            shared[word] = max(shared[word], k)
    weight = {
        (word, k): round(UNIT * math.log(n / texts_with) / (k - shared[word]) ** 2)
        for (word, k), texts_with in having.items()
        if k > shared[word]
    }
    order = sorted((word for word in weight if weight[word]), key=lambda word: (-weight[word], word))
    column = {word: j for j, word in enumerate(order)}
    rows = [
        sorted(column[word, k] for word, count in bag.items() for k in range(1, count + 1) if (word, k) in column)
        for bag in counted
    ]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    columns = np.array([j for row in rows for j in row], dtype=np.int64)
    heavy = np.array([weight[word] for word in order], dtype=np.int64)
    matrix = csr_array((heavy[columns], columns, starts), shape=(n, len(order)), dtype=np.int64)
    return Bags(matrix, _ones(matrix), np.array([word[0].isalpha() for word, _ in order], dtype=np.bool_))


def _ones(weights: csr_array) -> csr_array:
    return weights.astype(np.bool_).astype(np.int64)


# ---------------------------------------------------------------- pairs and clusters


def _clusters(bags: Bags) -> Ints:
    """Connected components of the texts, int [n]; memory is bounded by the pairs of a chunk of rows."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = bags.weights.shape[0]
    total = np.asarray(bags.weights.sum(axis=1)).ravel()
    heads, end, rest = _heads(bags.weights, total)
    present = _ones(heads)
    labels: Ints = np.arange(n)
    step = max(1, AT_ONCE // n)
    for start in range(0, n, step):
        met = (heads[start : start + step] @ present[start:].T).tocoo()
        first, second = met.row + start, met.col + start
        shorter = np.where(end[first] < end[second], first, second)
        most = met.data + rest[shorter]  # what the two can share: in both heads, and after the head that ends first
        open_ = (first < second) & (labels[first] != labels[second])
        open_ &= most * sum(ALIKE) >= (total[first] + total[second]) * ALIKE[0]
        first, second = first[open_], second[open_]
        kept = _alike(bags, total, first, second)
        joined = csr_array((np.ones(kept.sum(), dtype=np.int8), (labels[first[kept]], labels[second[kept]])), (n, n))
        labels = connected_components(joined, directed=False)[1][labels]
    return labels.astype(np.int64)


def _heads(weights: csr_array, total: Ints) -> tuple[csr_array, Ints, Ints]:
    """The heaviest words of each text, the column of the last of them, and the weight of the others.

    Texts that are alike share a word of their heads: the first word that they share and what follows it weigh at least
    ALIKE of either text, and a head is longer than that needs, so that few pairs are left to be compared in full.
    """
    from scipy.sparse import csr_array

    before = np.cumsum(weights.data) - weights.data
    row = np.repeat(np.arange(len(total)), np.diff(weights.indptr))
    left = total[row] - (before - before[weights.indptr[row]])
    head = left * HEAD[1] >= total[row] * HEAD[0]
    heads = csr_array((weights.data[head], (row[head], weights.indices[head])), shape=weights.shape)
    end = np.full(len(total), -1)
    end[row[head]] = weights.indices[head]  # columns ascend in a row, so the last one stays
    return heads, end, total - np.asarray(heads.sum(axis=1)).ravel()


def _alike(bags: Bags, total: Ints, first: Ints, second: Ints) -> Bools:
    """Which pairs of rows are near-duplicates, bool [pairs]."""
    found = np.zeros(len(first), dtype=np.bool_)
    step = max(1, BATCH // int(np.diff(bags.present.indptr).max(initial=1)))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        common = bags.weights[first[part]].multiply(bags.present[second[part]]).tocsr()
        shared = np.asarray(common.sum(axis=1)).ravel()
        either = total[first[part]] + total[second[part]] - shared
        in_words = common @ bags.letters.astype(np.int64)
        found[part] = (shared * ALIKE[1] >= either * ALIKE[0]) & (2 * in_words >= shared) & (shared > 0)
    return found
