"""Near-duplicates in real question sets, whose folder the environment variable LAYERGRID_DATA names.

Without it there is nothing to collect here: the sets are no part of the project.
"""

from __future__ import annotations

import csv
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from layergrid.duplicates import near_duplicates
from test_duplicates import SHOTS, in_clusters

__test__ = "LAYERGRID_DATA" in os.environ


def column(name: str, key: str) -> list[str]:
    """A column of a real set, whose folder LAYERGRID_DATA names."""
    path = Path(os.environ["LAYERGRID_DATA"]) / name
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row[key] for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("shots", ["", SHOTS])
def test_real_pairs_that_swap_pronouns_are_found(shots):
    texts = column("winobias_test.csv", "sentence")
    kind = list(zip(column("winobias_test.csv", "type"), column("winobias_test.csv", "stereotype"), strict=True))
    plain = [re.sub(r"\b(s?he|his|hers?|him)\b", "_", text) for text in texts]
    rows = {key: [i for i, one in enumerate(kind) if one == key] for key in set(kind)}
    twins = [pair for t in "12" for pair in zip(rows[t, "pro"], rows[t, "anti"], strict=True)]
    assert np.mean([plain[a] == plain[b] for a, b in twins]) > 0.99  # the file pairs them row by row; two have slips
    codes = near_duplicates([shots + text for text in texts])
    assert np.mean([codes[a] == codes[b] for a, b in twins]) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("template", ["{}", SHOTS + "Question: {}\nAnswer:"])
def test_real_questions_on_films_are_hardly_ever_flagged(template):
    texts = sorted(set(column("movie_qa_test.csv", "Question")))
    started = time.perf_counter()
    assert in_clusters([template.format(text) for text in texts]) <= 0.01 * len(texts)
    assert time.perf_counter() - started < 10  # seconds, twice over 8,000 rows; it takes about one


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key", "least", "most"),
    [
        ("winogrande_test.csv", "Question", 0.02, 0.06),  # 6 % of these rows have a twin
        ("AnswerableMath.csv", "question", 0.03, 0.10),  # word problems told again with other numbers
        ("mnli_validation.csv", "Question", 0.03, 0.10),  # one statement with hypotheses that differ in a word or two
    ],
)
def test_real_sets_with_some_twins_have_some_flagged(name, key, least, most):
    texts = sorted(set(column(name, key)))
    assert least <= in_clusters(texts) / len(texts) <= most
