"""What one model says of one data set: the base of those that run and those given; it computes nothing itself."""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid import archive, attention, exemplars, lens
from layergrid.artifacts import (
    Activations,
    AttentionRows,
    DataCard,
    Examples,
    Floats,
    GradedAnswer,
    GridResult,
    Illustration,
    Labels,
    ModelCard,
    Positions,
    Sequences,
    Table,
)
from layergrid.cards import data_card, graded_answers, illustrated, illustration, status_table
from layergrid.graders import label_all, no_labels
from layergrid.kinds import (
    AttentionNeed,
    BadInput,
    Inputs,
    LayerChoice,
    Needs,
    Outline,
    Readout,
    chosen_layers,
)
from layergrid.pipeline import asked
from layergrid.pipeline.stages import Stage, computing
from layergrid.spec import ModelSpec
from layergrid.store import FolderShards, Key
from layergrid.text import listed

if TYPE_CHECKING:
    from layergrid.pipeline.study import Study

LIBRARIES = ("torch", "transformers", "tokenizers")
NUMERICS = ("numpy", "scipy", "scikit-learn")
OURS = "layergrid"  # the package itself: stages without a version of their own are made again by a new release


class Answers(ABC):
    """One model's part in one data set; what can be known of it before a model runs is checked when it is made."""

    def __init__(self, study: Study, model: str, dataset: str) -> None:
        self.study, self.model, self.dataset = study, model, dataset
        self.data = study.spec.datasets[dataset]
        self.wanted: ModelSpec = study.wanted(model)
        self.grids = study.grids_of(model, dataset)
        self.transfers = study.transfers_of(model, dataset)
        self.rows: Examples = study.examples(dataset)
        if self.data.label is not None:
            self._labelled(self.rows)  # what is wrong with the column is better known now
        for name, grid in self.grids.items():
            grid.check(self.rows, name)

    @property
    def examples(self) -> Examples:
        """The rows that sequences, labels and positions speak of: all that the data set has, or those that fit."""
        return self.rows

    def _labelled(self, examples: Examples) -> Labels:
        label = self.data.label
        return no_labels(examples) if label is None else label_all(
            examples, label.column, label.values, label.classes
        )  # fmt: skip

    def check_model(self) -> None:
        """Raises BadInput where the model's files are missing or its configuration cannot bear a grid."""
        outline = self.outline
        for name, grid in self.grids.items():
            if outline is not None:
                grid.check_model(outline, self.model, name)
        for name, one in self.transfers.items():
            if outline is not None:
                asked.check_model(one, outline, self.model, name)

    @property
    def needs(self) -> tuple[Needs, ...]:
        """What grids and transfers ask of the forward pass."""
        return (*(one.needs() for one in self.grids.values()), *map(asked.needs, self.transfers.values()))

    @property
    @abstractmethod
    def outline(self) -> Outline | None:
        """What the model's configuration tells before anything is loaded; None where it is not on this machine."""

    @property
    @abstractmethod
    def card(self) -> ModelCard:
        """What the report says of the model."""

    @property
    @abstractmethod
    def sequences(self) -> Sequences:
        """Prompts and completions as ids."""

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The classes of the examples."""

    @property
    @abstractmethod
    def positions(self) -> Positions:
        """All positions of the spec."""

    @property
    @abstractmethod
    def activations(self) -> Mapping[str, Activations]:
        """Activations by site, at all positions and of all layers that some grid asks for."""

    @abstractmethod
    def stages(self) -> Iterator[Stage]:
        """All that is made of these answers, each after what it reads; the grids come last."""

    @property
    @abstractmethod
    def states(self) -> Stage:
        """What the grids read: activations, or where no grid asks for any, positions."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What identifies the model: `sha256:...` over its files, or `owner/name@commit`."""

    @property
    def sequences_stage(self) -> Stage | None:
        """Prompts and completions, where a model makes them."""
        return None

    def read_by(self, needs: Needs) -> Stage:  # noqa: ARG002 - one thing alone is given
        """What a grid with these needs reads."""
        return self.states

    def label(self, stage: str) -> str:
        """What tells a stage of these answers from the same one of others: "capture tiny on sums"."""
        return f"{stage} {self.model} on {self.dataset}"

    @property
    def chat(self) -> str:
        """How prompts became a dialogue; empty where they did not."""
        return ""

    @property
    def untrained(self) -> Mapping[str, Activations]:
        """The activations that grids compare with, of the same model before any training; by site."""
        return {}

    def attention(self, name: str, need: AttentionNeed) -> AttentionRows | None:  # noqa: ARG002 - most have none
        """The attention rows that a grid asks for."""
        return None

    @property
    def p_true(self) -> tuple[Floats | None, str]:
        """What the model says of its own answers [N], and why it says nothing of some; None: nobody asked."""
        return None, ""

    @property
    def asked_stage(self) -> Stage | None:
        """The stage in which the model is asked whether its answers are right."""
        return None

    @property
    def readout(self) -> Readout | None:
        """Reads logits out of states."""
        return None

    def data_card(self) -> DataCard:
        """What the report says of the data set."""
        return data_card(
            self.dataset, self.data, self.model, self.examples, self.sequences, self.labels, chat=self.chat,
            asked=any(one.p_true for one in self.needs),
        )  # fmt: skip

    def illustration(self, example: str = "") -> Illustration | None:
        """One example with its tokens, that of an id if one is given; None where no tokens are known."""
        if not any(len(ids) for ids in self.sequences.ids):
            return None
        gold = self.data.grade.gold if self.data.grade is not None else ""
        return illustration(self.examples, self.sequences, self.labels, self.positions, gold, example)

    def shown(self, found: Iterable[GridResult], most: int) -> tuple[Illustration, ...]:
        """At most so many examples to show beside the held-out scores of these grids; none where no tokens are known.

        The only example of a data set is not shown twice: the strip of its tokens stands on the first page.
        """
        if len(self.examples.ids) < 2 or not any(len(ids) for ids in self.sequences.ids):
            return ()
        gold = self.data.grade.gold if self.data.grade is not None else ""
        picked = exemplars.chosen(self.sequences, self.labels, found, self.study.spec.seed, most)
        parts = (self.examples, self.sequences, self.labels, self.positions, gold)
        return tuple(illustrated(*parts, i, self.model, why) for i, why in picked)

    def graded(self) -> tuple[GradedAnswer, ...]:
        """A few answers for readers who check the grading; none where nothing was graded."""
        if self.data.grade is None:
            return ()
        gold, seed = self.data.grade.gold, self.study.spec.seed
        return graded_answers(self.examples, self.sequences, self.labels, gold, model=self.model, seed=seed)

    def statuses(self) -> Table:
        """How often each position has each status."""
        return status_table("positions", self.labels, self.positions)

    def result(self, name: str) -> GridResult:
        """One grid over these answers."""
        kind = self.grids[name]

        def make(folder: Path) -> None:
            needs = kind.needs()
            chosen = chosen_positions(self.positions, kind.positions)
            rows = self.attention(name, needs.attention) if needs.attention is not None else None
            states = {
                site: of_layers(one, needs.layers, self.card)
                for site, one in (self.activations if needs.sites else {}).items()
                if site in needs.sites
            }  # fmt: skip
            before = {
                site: of_layers(one, needs.layers, self.card)
                for site, one in (self.untrained if needs.untrained else {}).items()
                if site in needs.sites
            }  # fmt: skip
            with self.study.reporter.stage(name, f"{kind.kind} grid", "cells") as advance:
                inputs = Inputs(
                    name=name, model=self.model, examples=self.examples, sequences=self.sequences, labels=self.labels,
                    positions=chosen, activations=states, seed=self.study.spec.seed, progress=advance, attention=rows,
                    readout=self.readout if needs.readout else None, project=self.study.spec.project, untrained=before,
                    all_positions=self.positions, shards=FolderShards(folder),
                    p_true=self.p_true[0] if needs.p_true else None,
                    p_true_reason=self.p_true[1] if needs.p_true else "",
                )  # fmt: skip
                archive.write_grid(kind.compute(inputs), folder)

        stage = self.grid_stage(name)
        return archive.read_grid(self.study.keep(stage, make, lambda: self.make_inputs(name), resumes=True), name)

    def make_inputs(self, name: str) -> None:
        """Makes what one grid reads, so that the time of it is not counted as the grid's."""
        needs = self.grids[name].needs()
        _ = self.positions
        if needs.sites:
            _ = self.activations
        if needs.untrained:
            _ = self.untrained
        if needs.attention is not None:
            self.attention(name, needs.attention)
        if needs.p_true:
            _ = self.p_true

    def grid_stage(self, name: str) -> Stage:
        """One grid over these answers."""
        kind = self.grids[name]
        needs = kind.needs()
        states = self.read_by(needs)
        parts = {
            "name": name,
            "grid": kind.model_dump(mode="json"),
            "states": states.key,
            "attention": attention.VERSION if needs.attention is not None else 0,
            "readout": lens.VERSION if needs.readout else 0,
            "seed": self.study.spec.seed,
        }
        asking = self.asked_stage if needs.p_true else None
        parts |= {"p_true": asking.key} if asking is not None else {}
        key = Key.of(f"grid-{kind.kind}", kind.version, parts, (OURS, *LIBRARIES, *NUMERICS))
        reads = [states.label]
        reads += [asking.label] if asking is not None else []
        reads += [self.label("capture untrained")] if needs.untrained else []
        reads += [f"{self.label('attention')} for {name}"] if needs.attention is not None else []
        work = computing(self.outline, needs, self._places(kind.positions), len(self.rows.ids))
        return Stage(f"grid {name}", name, key, tuple(reads), work, self.model if needs.readout else "")

    def _places(self, patterns: tuple[str, ...]) -> int:
        """How many positions of the spec names or globs choose; all where there are none."""
        names = [str(getattr(one, "name", "")) for one in self.study.spec.positions]
        return sum(not patterns or any(_fits(name, one) for one in patterns) for name in names)


def of_layers(found: Activations, choice: LayerChoice, card: ModelCard) -> Activations:
    """Activations of the layers that a grid or a transfer asks for; what all need was captured at once."""
    last = card.encoder_layers if found.site.startswith("encoder.") else card.layers
    wanted = set(chosen_layers(choice, last, card.name))
    kept = [i for i, layer in enumerate(found.layers) if layer in wanted]
    if len(kept) == len(found.layers):
        return found
    steps = {b - a for a, b in pairwise(kept)}
    # A slice stays in the file; a list of layers without a fixed step is copied.
    chosen: Any = slice(kept[0], kept[-1] + 1, steps.pop() if steps else 1) if kept and len(steps) <= 1 else kept
    layers = tuple(found.layers[i] for i in kept)
    lacking = {layer: why for layer, why in found.lacking.items() if layer in wanted}
    return replace(found, layers=layers, values=found.values[chosen], lacking=lacking)


def chosen_positions(positions: Positions, patterns: tuple[str, ...]) -> Positions:
    """The positions that names or globs choose, in their order; all where there are no patterns.

    Raises BadInput where a pattern chooses none.
    """
    if not patterns:
        return positions

    for pattern in patterns:
        if not any(_fits(name, pattern) for name in positions.names):
            raise BadInput(f"no position is named {pattern!r}; known: {listed(positions.names) or 'none'}")
    kept = [i for i, name in enumerate(positions.names) if any(_fits(name, pattern) for pattern in patterns)]
    return Positions(
        tuple(positions.names[i] for i in kept), positions.start[:, kept], positions.stop[:, kept],
        positions.status[:, kept],
    )  # fmt: skip


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)
