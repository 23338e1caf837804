"""Grader kinds, one file per kind, and what labels a whole data set, by any of them or by a column.

It knows no rule: each kind states its own, finds the exact answer without seeing the gold one, and only then compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from layergrid.artifacts import Bools, Examples, Label, Labels, Scalar, Sequences
from layergrid.graders.golds import require
from layergrid.kinds import BadInput, BuildError, Grader
from layergrid.text import known_columns, plural


def check_gold(grader: Grader, examples: Examples) -> None:
    """Raises BadInput where a named column is missing, or where a right answer cannot be compared; needs no completion.

    Graded once before a model writes anything, a wrong column costs no generation.
    """
    if grader.gold:
        require(examples, grader.gold, "gold")
    grader.check(examples)
    empty = []
    for i in range(len(examples.ids)):
        row = examples.row(i)
        try:
            golds = grader.golds(row)
            for gold in golds:
                grader.agrees("", gold, grader.options(row))
        except BadInput as error:
            raise BadInput(
                f"{_row(examples, i)}, column {getattr(grader, 'column', grader.gold)!r}: {error}; correct the "
                "value, name another column, use another grader, or leave such rows out by 'where'"
            ) from None
        if not golds:
            empty.append(i)
    if empty:
        more = f" (and so in {plural(len(empty) - 1, 'row')} more)" if len(empty) > 1 else ""
        raise BadInput(
            f"{_row(examples, empty[0])}, column {grader.gold!r} holds no right answer"
            f"{more}; give each row one, or leave such rows out by 'where'"
        )


def grade_all(
    grader: Grader,
    examples: Examples,
    sequences: Sequences,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Labels:
    """The exact answer of every completion and whether it is right; spans are characters of `sequences.texts`.

    `progress` hears how many of how many are graded.

    Raises BadInput as `check_gold` does.
    """
    import numpy as np

    check_gold(grader, examples)
    if sequences.example_ids != examples.ids:
        raise ValueError("sequences and examples are not of the same rows")
    labels = []
    for i in range(len(examples.ids)):
        labels.append(_graded(grader, examples, sequences, i))
        progress(i + 1, len(examples.ids))
    return Labels(
        grader=grader.kind,
        rule=grader.stated,
        spans=np.array(
            [_absolute(label, int(start)) for label, start in zip(labels, sequences.prompt_chars, strict=True)],
            dtype=np.int32,
        ).reshape(-1, 2),
        answers=tuple(label.answer for label in labels),
        correct=np.array([label.correct for label in labels], dtype=np.bool_),
        reasons=tuple(label.reason for label in labels),
        gold=grader.gold,
        compared=grader.compared,
        label_dependent=grader.label_dependent,
        occurrences=tuple(label.occurrence for label in labels),
    )


def _graded(grader: Grader, examples: Examples, sequences: Sequences, i: int) -> Label:
    try:
        return grader.grade(examples.row(i), sequences.completion(i))
    except BadInput as error:
        raise BadInput(f"{_row(examples, i)}, column {grader.gold!r}: {error}; correct the value") from None
    except BuildError as error:
        raise BuildError(f"{_row(examples, i)}: {error}") from None


def _row(examples: Examples, i: int) -> str:
    return f"data set {examples.name!r} ({examples.source}), example {examples.ids[i]!r}"


def _absolute(label: Label, prompt_chars: int) -> tuple[int, int]:
    return (-1, -1) if label.span is None else (label.span[0] + prompt_chars, label.span[1] + prompt_chars)


# ---------------------------------------------------------------- labels without answers

TRUE, FALSE = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")


def label_all(
    examples: Examples, column: str, values: Sequence[Scalar] = (), classes: tuple[str, str] = ("false", "true")
) -> Labels:
    """Labels from a column: true where it holds one of `values`, or without any, a spelling of true, yes or 1.

    Raises BadInput where the column is missing or has a hole, and, without `values`, where it is neither true nor
    false.
    """
    import numpy as np

    where = f"data set {examples.name!r} ({examples.source})"
    if column not in examples.columns:
        raise BadInput(
            f"{where}: there is no column {column!r}, named as label; {known_columns(column, examples.columns)}"
        )
    found = []
    for name, value in zip(examples.ids, examples.columns[column], strict=True):
        if value is None or value == "":
            raise BadInput(f"{where}, example {name!r}: column {column!r} is empty; give every row a label")
        spelled = str(value).strip().lower()
        if values:
            found.append(any(_same(value, one) for one in values))
        elif spelled in (*TRUE, *FALSE):
            found.append(spelled in TRUE)
        else:
            raise BadInput(
                f"{where}, example {name!r}: column {column!r} holds {value!r}, which is neither true nor false; "
                "say which values count as true: label: {column: ..., values: [...]}"
            )
    if values and not any(found):
        raise BadInput(f"{where}: no row has one of the label's values {', '.join(map(repr, values))} in {column!r}")
    return _without_answers(np.array(found, dtype=np.bool_), classes)


def no_labels(examples: Examples) -> Labels:
    """What stands for labels where there are none."""
    import numpy as np

    return _without_answers(np.zeros(len(examples.ids), dtype=np.bool_), ("", ""))


def _without_answers(correct: Bools, classes: tuple[str, str]) -> Labels:
    import numpy as np

    n = len(correct)
    spans = np.full((n, 2), -1, dtype=np.int32)
    return Labels("", "", spans, (None,) * n, correct, ("",) * n, classes)


def _same(value: Scalar, wanted: Scalar) -> bool:
    """Equal as values, or as the text that a file without types holds."""
    return value == wanted or str(value).strip() == str(wanted)
