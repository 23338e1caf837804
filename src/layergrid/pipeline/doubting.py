"""The stage in which a model is asked whether its own answers are right; it wires only.

It stands on the answers alone: a change of the grader or of positions asks nothing anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layergrid import generate
from layergrid.kinds import BadInput
from layergrid.pipeline.answers import LIBRARIES
from layergrid.pipeline.stages import Stage, Work
from layergrid.store import FolderShards, Key
from layergrid.text import plural

if TYPE_CHECKING:
    from layergrid.pipeline.running import FromModel

NAME = "p_true"


def stage(answers: FromModel) -> Stage:
    """What it stands on."""
    parts = {
        "model": answers.identity,
        "sequences": answers.sequences_stage.key,
        "examples": answers.rows.fingerprint,
        "p_true": answers.data.p_true.model_dump(mode="json"),
    }
    n = len(answers.prompts)
    work = Work(n, "answers", n, n * 8)
    label = answers.label(NAME)
    return Stage(label, NAME, Key.of(NAME, generate.P_TRUE, parts, LIBRARIES), (answers.sequences_stage.label,), work,
                 answers.model)  # fmt: skip


def result(answers: FromModel) -> generate.PTrue:
    """The probability of each answer that it is right, made if it is not in the store."""
    found = answers.study.keep(stage(answers), lambda folder: _make(answers, folder), answers.ready, resumes=True)
    words = json.loads((found / "p_true.json").read_text(encoding="utf-8"))
    return generate.PTrue(np.load(found / "p_true.npy", allow_pickle=False), str(words["reason"]))


def _make(answers: FromModel, folder: Path) -> None:
    sequences, spec = answers.sequences, answers.data.p_true
    loaded = answers.study.load_model(answers.model)
    with answers.study.reporter.stage(NAME, plural(len(sequences.ids), "answer"), "answers") as advance:
        try:
            asked = generate.questions(spec, answers.examples, answers.prompts_of(sequences), sequences)
            found = generate.p_true(
                loaded, sequences.example_ids, asked, spec, chat=answers.data.chat, progress=advance,
                shards=FolderShards(folder),
            )  # fmt: skip
        except BadInput as error:
            raise BadInput(f"data set {answers.dataset!r}: {error}") from error
    np.save(folder / "p_true.npy", found.values, allow_pickle=False)
    (folder / "p_true.json").write_text(json.dumps({"reason": found.reason}), encoding="utf-8")
