"""Activations that were made elsewhere, in the place of the model that made them; it wires stages only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from layergrid import precomputed
from layergrid.artifacts import Activations, Labels, ModelCard, Positions, Sequences
from layergrid.kinds import BadInput, Outline
from layergrid.pipeline.answers import OURS, Answers, chosen_positions
from layergrid.pipeline.stages import Stage
from layergrid.store import Key
from layergrid.text import listed

if TYPE_CHECKING:
    from layergrid.pipeline.study import Study

GIVEN = 1  # version of what is made of given activations, part of its key: raise it when that changes


class FromActivations(Answers):
    """Activations that were made elsewhere stand in for the model that made them."""

    def __init__(self, study: Study, model: str, dataset: str) -> None:
        super().__init__(study, model, dataset)
        self.project = study.spec.project.called(f"models.{model}.address")
        self.manifest = self.project.path(self.wanted.given)
        for name, grid in self.grids.items():
            needs = grid.needs()
            if needs.attention is not None or needs.readout or needs.untrained:
                raise BadInput(
                    f"grids.{name}: model {model!r} is known by its activations alone ({self.wanted.given}); "
                    "this kind of grid needs the model itself"
                )
        if self.data.grade is not None or self.data.generate is not None or self.data.answers is not None:
            raise BadInput(
                f"datasets.{dataset}: model {model!r} is known by its activations alone and writes no answers; "
                "leave out 'prompt', 'answers', 'generate' and 'grade', and name the labels with 'label: COLUMN'"
            )
        if self.data.long != "refuse":
            raise BadInput(
                f"datasets.{dataset}.long: model {model!r} is known by its activations alone, and no prompt is "
                "measured; leave 'long' out, and name the rows to leave out in 'where'"
            )
        self.check_model()

    @cached_property
    def outline(self) -> Outline | None:
        """From the manifest."""
        return precomputed.outline(self.manifest, self.project)

    @cached_property
    def identity(self) -> str:
        """Of the manifest and its files."""
        return precomputed.fingerprint(self.manifest, self.project)

    def stages(self) -> Iterator[Stage]:
        """What the manifest gives, and the grids."""
        yield self.states
        yield from map(self.grid_stage, self.grids)

    @cached_property
    def states(self) -> Stage:
        """The manifest, its files and the rows that they are matched with."""
        parts = {
            "model": self.model,
            "files": self.identity,
            "examples": self.examples.fingerprint,
            "label": self.data.label.model_dump(mode="json") if self.data.label is not None else None,
            "positions": [one.model_dump(mode="json") for one in self.study.spec.positions],
        }
        key = Key.of("given", GIVEN, parts, (OURS,))
        return Stage(self.label("given"), "given", key, (f"data {self.dataset}",), stored=False)

    @cached_property
    def _given(self) -> precomputed.Given:
        return precomputed.read(self.manifest, self.examples, self.project)

    def check_given(self) -> None:
        """Raises BadInput where the manifest does not fit the rows, the positions or the sites that grids ask for."""
        chosen = self.positions
        if self.activations:
            for grid in self.grids.values():
                chosen_positions(chosen, grid.positions)

    @cached_property
    def card(self) -> ModelCard:
        """As the manifest describes the model."""
        return replace(self._given.card, name=self.model)

    @cached_property
    def sequences(self) -> Sequences:
        """None: no tokens are known."""
        return Sequences.none(self.examples.ids)

    @cached_property
    def labels(self) -> Labels:
        """The label column."""
        return self._labelled(self.examples)

    @cached_property
    def positions(self) -> Positions:
        """Those of the spec, or of the manifest where the spec names none."""
        names = tuple(str(getattr(one, "name", "")) for one in self.study.spec.positions)
        return chosen_positions(self._given.positions, names)

    @property
    def activations(self) -> Mapping[str, Activations]:
        """As they were given."""
        missing = {s for one in self.needs for s in one.sites} - set(self._given.activations)
        if missing:
            raise BadInput(
                f"{self.manifest}: holds no activations of the site {sorted(missing)[0]!r}; "
                f"it has {listed(self._given.activations)}"
            )
        return self._given.activations
