"""Offsets and exact-answer positions against the prefix-decoding oracle, over every row of real sets and typed ones.

The folder of the real sets is named by the environment variable LAYERGRID_DATA; they are no part of the project.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import trained_tokenizers
from layergrid.artifacts import Examples, Labels
from layergrid.graders.numeric import NumericGrader
from layergrid.positions import resolve_all
from layergrid.positions.exact import ExactResolver
from small_tokenizers import END, written
from spans_oracle import grown
from spans_typed import TYPED
from trained_tokenizers import Trained

KINDS = ("byte_level", "metaspace", "wordpiece")
FOUR = tuple(ExactResolver(name=f"exact_answer_{name}") for name in ("before_first", "first", "last", "after_last"))
SETS = {
    "AnswerableMath.csv": ("question", "answer"),
    "AnswerableMath_test.csv": ("question", "answer"),
    "movie_qa_test.csv": ("Question", "Answer"),
    "winobias_test.csv": ("sentence", "answer"),
    "winogrande_test.csv": ("Question", "Answer"),
    "mnli_validation.csv": ("Question", "Answer"),
}
LEADS = ("", " ", "  ", "\n")
QUOTES = (("", ""), ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"), ("(", ")"), ("'", "'"))
NUMBER = NumericGrader(gold="answer")


class Row(NamedTuple):
    """A question with a sentence around its right answer."""

    prompt: str
    before: str
    answer: str
    after: str

    @property
    def completion(self) -> str:
        return self.before + self.answer + self.after


def row(i: int, question: str, gold: str) -> Row:
    """The answer at the start, in the middle, at the end, or twice, with or without blanks and quotes around it."""
    answer = gold.strip()
    lead, (left, right) = LEADS[i // 4 % 4], QUOTES[i // 16 % 4]
    quoted = f"{left}{answer}{right}"
    before, after = (
        (f"{lead}{left}", f"{right} is the one, as far as is known."),
        (f"{lead}It is {left}", f"{right}, or so they say \N{EN DASH} caf\N{LATIN SMALL LETTER E WITH ACUTE}."),
        (f"{lead}The answer to that is {left}", right),
        (f"{lead}Is it {quoted}, it is {left}", f"{right} and nothing else"),
    )[i % 4]
    return Row(question, before, answer, after)


def number_row(i: int, question: str, gold: str) -> Row:
    """The right number as the last of the sentence, after numbers that hold its digits."""
    answer = f"{float(gold.strip('[]')):.12g}"
    lead, digits = LEADS[i // 4 % 4], answer.strip("-")
    before, after = (
        (lead, " it is. Not 17."),
        (f"{lead}Not 1{digits} nor {digits}5 but ", " dollars."),
        (f"{lead}That makes $", ""),
        (f"{lead}{answer}, 2{digits}2 and {digits}0 are none: ", "! It is 3"),
    )[i % 4]
    return Row(question, before, answer, after)


def typed_rows() -> list[Row]:
    """Each typed question with its answer in each of the four places: 240 rows."""
    rows = []
    for i, one in enumerate(TYPED):
        answer = one.completion.split("[[")[1].split("]]")[0]
        make = number_row if one.found_by.startswith("numeric") else row
        rows += [make(16 * i + 4 * (i % 4) + k, one.prompt, answer.replace(",", "")) for k in range(4)]
    return rows


def real_rows(name: str) -> list[Row]:
    question, gold = SETS[name]
    with (Path(os.environ["LAYERGRID_DATA"]) / name).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    make = number_row if name.startswith("AnswerableMath") else row
    return [make(i, one[question], one[gold]) for i, one in enumerate(rows)]


@cache
def trained_on_typed(kind: str) -> Trained:
    made: Trained = getattr(trained_tokenizers, kind)([one.prompt + one.completion for one in typed_rows()], 700)
    return made


def differences(made: Trained, rows: Sequence[Row], kind: str) -> Iterator[str]:
    """What the package makes otherwise than the oracle, a line each."""
    end = made.goes_on.token_to_id(END)
    backend = made.tokenizer.backend_tokenizer

    def decode(ids: list[int]) -> str:
        return str(backend.decode(ids, skip_special_tokens=True))

    ended = [i % 5 > 0 for i in range(len(rows))]
    ids = [[*made.continued(one.completion), *([end] if e else [])] for one, e in zip(rows, ended, strict=True)]
    sequences = written(made.tokenizer, [(r.prompt, i, e) for r, i, e in zip(rows, ids, ended, strict=True)])
    spans, runs = [], []
    for i, one in enumerate(rows):
        p, chars = int(sequences.prompt_tokens[i]), int(sequences.prompt_chars[i])
        told = grown(decode, sequences.ids[i][:p].tolist(), ids[i])
        if told.text != sequences.completion(i):
            yield f"{one}: the text is {sequences.completion(i)!r}, not {told.text!r}"
        covered = [(a - chars, b - chars) for a, b in sequences.offsets[i][p:].tolist()]
        if covered != told.covers():
            yield f"{one}: offsets {covered}, not {told.covers()}"
        if kind == "byte_level":
            asked = grown(decode, [], sequences.ids[i][:p].tolist())
            if [tuple(pair) for pair in sequences.offsets[i][:p].tolist()] != asked.covers():
                yield f"{one}: offsets of the prompt {sequences.offsets[i][:p].tolist()}, not {asked.covers()}"
        start = len(one.before)
        answer = one.answer
        if kind == "wordpiece":
            answer = decode(made.continued(one.answer))
            start = told.text.index(answer, len(decode(made.continued(one.before)).strip()))
        assert told.text[start : start + len(answer)] == answer
        spans.append((chars + start, chars + start + len(answer)))
        first, last = told.run(start, start + len(answer))
        runs.append((p + first - 1, p + first, p + last, p + last + 1 if last + 1 < len(ids[i]) else -1))
    names = tuple(str(i + 1) for i in range(len(rows)))
    labels = Labels(
        "given", "", np.array(spans, np.int32), tuple(one.answer for one in rows), np.ones(len(rows), np.bool_),
        ("",) * len(rows),
    )  # fmt: skip
    positions = resolve_all(FOUR, sequences, labels, Examples("set", "set.csv", names, names, {}, ""))
    for one, told_run, places in zip(rows, runs, positions.start.tolist(), strict=True):
        if tuple(places) != told_run:
            yield f"{one}: positions {places}, not {told_run}"


@pytest.mark.parametrize("kind", KINDS)
def test_typed_rows_have_the_offsets_and_positions_of_the_oracle(kind):
    rows = typed_rows()
    assert len(rows) == 240
    assert list(differences(trained_on_typed(kind), rows, kind)) == []


def test_the_numeric_grader_finds_the_number_that_was_put_into_a_sentence():
    rows = [one for one in typed_rows() if one.answer[0].isdigit()]
    assert len(rows) == 64
    found = [NUMBER.find(one.completion) for one in rows]
    assert found == [(len(one.before), len(one.before) + len(one.answer)) for one in rows]


class TestRealSets:
    __test__ = "LAYERGRID_DATA" in os.environ

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("name", SETS)
    def test_all_rows_have_the_offsets_and_positions_of_the_oracle(self, name, kind):
        rows = real_rows(name)
        texts = [one.prompt + one.completion for one in rows]
        made = getattr(trained_tokenizers, kind)(texts, 4000)
        assert list(differences(made, rows, kind)) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["AnswerableMath.csv", "AnswerableMath_test.csv"])
    def test_the_numeric_grader_finds_every_right_number_and_no_other(self, name):
        for one in real_rows(name):
            assert NUMBER.find(one.completion) == (len(one.before), len(one.before) + len(one.answer)), one
            assert NUMBER.agrees(one.answer, f"[{one.answer}]")
