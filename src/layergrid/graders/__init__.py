"""Grader kinds, one file per kind, and what applies any of them to a whole data set.

It knows no rule: each kind states its own, finds the exact answer without seeing the gold one, and only then compares.
"""

from __future__ import annotations

import numpy as np

from layergrid.artifacts import Examples, Label, Labels, Sequences
from layergrid.kinds import BadInput, Grader
from layergrid.prompts import known_columns


def check_gold(grader: Grader, examples: Examples) -> None:
    """Raises BadInput where the gold column is missing, or where a gold answer cannot be compared; needs no completion.

    Graded once before a model writes anything, a wrong column costs no generation.
    """
    if grader.gold not in examples.columns:
        raise BadInput(
            f"data set {examples.name!r} ({examples.source}): there is no column {grader.gold!r}, named as gold; "
            f"{known_columns(grader.gold, examples.columns)}"
        )
    for i, gold in enumerate(examples.columns[grader.gold]):
        try:
            grader.agrees("", gold)
        except BadInput as error:
            raise BadInput(
                f"data set {examples.name!r} ({examples.source}), example {examples.ids[i]!r}, column {grader.gold!r}: "
                f"{error}; correct the value, name another column as gold, or use another grader"
            ) from None


def grade_all(grader: Grader, examples: Examples, sequences: Sequences) -> Labels:
    """The exact answer of every completion and whether it is right; spans are characters of `sequences.texts`.

    Raises BadInput as `check_gold` does.
    """
    check_gold(grader, examples)
    if sequences.example_ids != examples.ids:
        raise ValueError("sequences and examples are not of the same rows")
    labels = [grader.grade(examples.row(i), sequences.completion(i)) for i in range(len(examples.ids))]
    return Labels(
        grader=grader.kind,
        rule=grader.rule,
        spans=np.array(
            [_absolute(label, int(start)) for label, start in zip(labels, sequences.prompt_chars, strict=True)],
            dtype=np.int32,
        ).reshape(-1, 2),
        answers=tuple(label.answer for label in labels),
        correct=np.array([label.correct for label in labels], dtype=np.bool_),
        reasons=tuple(label.reason for label in labels),
    )


def _absolute(label: Label, prompt_chars: int) -> tuple[int, int]:
    return (-1, -1) if label.span is None else (label.span[0] + prompt_chars, label.span[1] + prompt_chars)
