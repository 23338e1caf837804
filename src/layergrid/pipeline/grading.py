"""The labels of what a model wrote; those of a grader that takes long are kept. It wires only and knows no rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from layergrid.artifacts import Labels
from layergrid.graders import grade_all
from layergrid.kinds import Grader
from layergrid.pipeline.answers import OURS
from layergrid.pipeline.stages import Stage, Work
from layergrid.store import Key, load, save
from layergrid.text import plural

if TYPE_CHECKING:
    from layergrid.pipeline.running import FromModel

NAME, VERSION = "grade", 1  # raise the version when kept labels would change


def stages(answers: FromModel) -> tuple[Stage, ...]:
    """The stage of a grader whose labels are kept; none for others, whose labels are found anew in less time."""
    grader = answers.data.grade
    if grader is None or not grader.keeps:
        return ()
    parts = {
        "sequences": answers.sequences_stage.key,
        "examples": answers.rows.fingerprint,
        "grade": grader.model_dump(mode="json"),
    }
    label, n = answers.label(NAME), len(answers.rows.ids)
    key = Key.of(NAME, VERSION, parts, (OURS, *grader.libraries))
    return (Stage(label, NAME, key, (answers.sequences_stage.label,), Work(n, "answers", n)),)


def labels(answers: FromModel, grader: Grader) -> Labels:
    """Graded completions, from the store where they are kept."""

    def make(folder: Path) -> None:
        examples, sequences = answers.examples, answers.sequences
        with answers.study.reporter.stage(NAME, plural(len(examples.ids), "answer"), "answers") as advance:
            save(grade_all(grader, examples, sequences, advance), folder)

    for stage in stages(answers):
        return load(Labels, answers.study.keep(stage, make, lambda: answers.sequences))
    return grade_all(grader, answers.examples, answers.sequences)
