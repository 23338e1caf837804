"""Transfers of a study: what they read of its answers, their stages and their results; it computes nothing itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from layergrid import archive
from layergrid.artifacts import Activations, Matrix
from layergrid.kinds import Inputs
from layergrid.pipeline.answers import LIBRARIES, NUMERICS, OURS, Answers, of_layers
from layergrid.pipeline.asked import needs
from layergrid.pipeline.stages import Stage, Work
from layergrid.spec import TransferSpec
from layergrid.store import Key

if TYPE_CHECKING:
    from layergrid.pipeline.study import Study
    from layergrid.transfer.domains import Read

VERSION = 1  # of what this file makes of answers and states before a transfer reads them


def stage(study: Study, name: str) -> Stage:
    """One transfer, which reads the states of all its answers."""
    from layergrid.transfer import VERSION as OF_TRANSFER

    asked = study.spec.transfer[name]
    many = [study.answers[pair] for pair in asked.pairs]
    states = [(one.model, one.dataset, one.states) for one in many]
    asking = [one.asked_stage for one in many] if needs(asked).p_true else []
    parts = {
        "name": name,
        "transfer": asked.model_dump(mode="json"),
        "states": [[model, dataset, one.key] for model, dataset, one in states],
        "shared": [_shared(study, dataset) for _, dataset, _ in states],
        "seed": study.spec.seed,
        "p_true": [one.key for one in asking if one is not None],
    }
    key = Key.of("transfer", OF_TRANSFER + VERSION, parts, (OURS, *LIBRARIES, *NUMERICS))
    n = sum(len(one.rows.ids) for one in many)
    reads = dict.fromkeys([*(one.label for _, _, one in states), *(one.label for one in asking if one is not None)])
    return Stage(f"transfer {name}", name, key, tuple(reads), Work(n, "examples"))


def result(study: Study, name: str) -> Matrix:
    """The matrix of one transfer."""

    def make(folder: Path) -> None:
        from layergrid.transfer.computing import compute

        asked = study.spec.transfer[name]
        reads = [_read(study, study.answers[pair], asked) for pair in asked.pairs]
        with study.reporter.stage(name, f"transfer over {asked.over}", "probes") as advance:
            archive.write_transfer(compute(name, asked, reads, study.spec.seed, advance), folder)

    return archive.read_transfer(study.keep(stage(study, name), make, lambda: make_inputs(study, name)), name)


def make_inputs(study: Study, name: str) -> None:
    """Makes what a transfer reads, so that the time of it is not counted as the transfer's."""
    for pair in study.spec.transfer[name].pairs:
        _ = study.answers[pair].positions, study.answers[pair].activations
        _ = study.answers[pair].p_true if needs(study.spec.transfer[name]).p_true else None


def _read(study: Study, answers: Answers, asked: TransferSpec) -> Read:
    from layergrid.transfer.domains import Read

    said, why = answers.p_true if needs(asked).p_true else (None, "")
    states = of_layers(answers.activations[asked.site], asked.layers, answers.card)
    inputs = Inputs(
        name=answers.dataset, model=answers.model, examples=answers.examples, sequences=answers.sequences,
        labels=answers.labels, positions=answers.positions, activations={}, seed=study.spec.seed,
        project=study.spec.project, p_true=said, p_true_reason=why,
    )  # fmt: skip
    return Read(inputs, _of_head(states, asked.head), _shared(study, answers.dataset))


def _of_head(states: Activations, head: int | None) -> Activations:
    if head is None:
        return states
    width = states.values.shape[-1] // states.heads
    return replace(states, values=states.values[..., head * width : (head + 1) * width])


def _shared(study: Study, dataset: str) -> bool:
    """Whether groups are values of a column, not numbers of rows."""
    data = study.spec.datasets[dataset]
    return data.group is not None or data.id is not None
