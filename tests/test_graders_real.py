"""Graders on real question sets, whose folder the environment variable LAYERGRID_DATA names.

Without it there is nothing to collect here: the sets are no part of the project.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from layergrid.artifacts import Examples
from layergrid.graders import check_gold
from layergrid.graders.choice import ChoiceGrader, Options
from layergrid.graders.contains import ContainsGrader
from layergrid.graders.numeric import NumericGrader
from layergrid.kinds import Grader

__test__ = "LAYERGRID_DATA" in os.environ

NLI = ChoiceGrader(gold="Answer", options=("entailment", "neutral", "contradiction"))
SETS = {
    "AnswerableMath.csv": NumericGrader(gold="answer"),
    "AnswerableMath_test.csv": NumericGrader(gold="answer"),
    "mnli_validation.csv": NLI,
    "movie_qa_test.csv": ContainsGrader(gold="Answer"),
    "winobias_test.csv": ChoiceGrader(gold="answer", options=Options(columns=("answer", "incorrect_answer"))),
    "winogrande_test.csv": ChoiceGrader(gold="Answer", options=Options(columns=("Answer", "Wrong_Answer"))),
}


def rows(name: str) -> Examples:
    path = Path(os.environ["LAYERGRID_DATA"]) / name
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    ids = tuple(str(i) for i in range(len(found)))
    return Examples(name, name, ids, ids, {key: tuple(row[key] for row in found) for key in found[0]}, "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "grader"), SETS.items())
def test_right_answers_of_real_sets_are_right_in_a_sentence_and_another_one_is_not(name: str, grader: Grader):
    examples = rows(name)
    check_gold(grader, examples)
    lost = []
    for i in range(len(examples.ids)):
        row = examples.row(i)
        right = str(grader.golds(row)[0])
        others = [one for one in grader.options(row) if one != right] or ["15" + right.strip("[]")]
        for text in (
            f" {right}",
            f" The answer is {right}.\nQuestion: {others[0]}",
            f" It is {right}, not {others[0]}",
        ):
            label = grader.grade(row, text)
            if not label.correct and not (name.startswith("Answerable") and others[0] in text.splitlines()[0]):
                lost.append((text, label))
        wrong = grader.grade(row, f" {others[0]}")
        if wrong.correct:
            lost.append((others[0], wrong))
    assert len(lost) <= 0.002 * len(examples.ids), lost[:5]
