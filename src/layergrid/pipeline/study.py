"""A spec with its store: who answers which data set, which grids stand on which answers; it computes nothing itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid import archive, exemplars, expectations, lock, models, render
from layergrid.artifacts import Examples, Family, GridResult, Illustration, Member, Positions, Results, Sequences
from layergrid.console import Reporter
from layergrid.kinds import GridKind, Inputs
from layergrid.loaders import load_examples, row_digests
from layergrid.pipeline import transferring
from layergrid.pipeline.answers import LIBRARIES, NUMERICS, OURS, Answers
from layergrid.pipeline.given import FromActivations
from layergrid.pipeline.running import FromModel
from layergrid.pipeline.stages import Stage, Work
from layergrid.render.dating import stamp
from layergrid.spec import ModelSpec, Spec, TransferSpec
from layergrid.store import Key, Store

if TYPE_CHECKING:
    from layergrid.models import Loaded, Trust

_OF_ROWS = {"source", "columns", "where", "sample", "id", "group", "prompt", "long"}  # keys that decide on prompts
REPORT = 4  # version of the report, part of its key: raise it when its files change without `render.fingerprint`


class Study:
    """A spec with its store: who answers which data set, which grids stand on which answers."""

    def __init__(
        self,
        spec: Spec,
        store: Store,
        reporter: Reporter,
        trust: Trust | None = None,
        *,
        pinned: bool = True,
    ) -> None:
        """`pinned`: what the lock beside the spec says of it counts, where there is one."""
        self.spec, self.store, self.reporter, self.trust = spec, store, reporter, trust or models.Trust()
        self.locked: lock.Block | None = None
        if pinned:
            self.locked = lock.read(spec.project.path(lock.NAME, lock.NAME)).get(spec.name)
        self._examples: dict[str, Examples] = {}
        self._loaded: tuple[str, Loaded] | None = None
        self.answers = {pair: self._answers(*pair) for pair in self._pairs()}

    def _pairs(self) -> list[tuple[str, str]]:
        reading = (grid for grid in self.spec.grids.values() if not grid.stands_alone)
        moved = (pair for one in self.spec.transfer.values() for pair in one.pairs)
        return list(dict.fromkeys((*((grid.model, grid.dataset) for grid in reading), *moved)))

    def _answers(self, model: str, dataset: str) -> Answers:
        given = self.spec.models[model].given
        return FromActivations(self, model, dataset) if given else FromModel(self, model, dataset)

    def grids_of(self, model: str, dataset: str) -> dict[str, GridKind]:
        """The grids that read one model's answers to one data set."""
        reading = {n: g for n, g in self.spec.grids.items() if not g.stands_alone}
        return {n: g for n, g in reading.items() if (g.model, g.dataset) == (model, dataset)}

    def transfers_of(self, model: str, dataset: str) -> dict[str, TransferSpec]:
        """The transfers that read one model's answers to one data set."""
        return {n: one for n, one in self.spec.transfer.items() if (model, dataset) in one.pairs}

    def wanted(self, name: str) -> ModelSpec:
        """A model of the spec, at the commit that the lock pins where the spec names none."""
        found = self.spec.models[name]
        pin = self.locked.models.get(name) if self.locked is not None else None
        pinned = pin is not None and pin.address == found.address and found.revision is None and pin.commit
        return found.model_copy(update={"revision": pinned}) if pinned else found

    def examples(self, name: str) -> Examples:
        """The rows of a data set, read once; of those that do not fit a model's context no model is asked here."""
        if name not in self._examples:
            data = self.spec.datasets[name]
            self._examples[name] = load_examples(
                name, data.loader, data.source, self.spec.project, sample=data.sample, seed=self.spec.seed,
                id_column=data.id, group_column=data.group, columns=data.columns, where=data.where,
                offline=self.trust.offline,
            )  # fmt: skip
        return self._examples[name]

    def check_models(self) -> None:
        """Raises BadInput where a model's files are missing or its configuration cannot bear a grid; loads nothing."""
        for answers in self.answers.values():
            answers.check_model()
            if isinstance(answers, FromActivations):  # a manifest can be held against the data and the grids as it is
                answers.check_given()
        for name, grid in self.spec.grids.items():
            if grid.stands_alone and not grid.reads:
                self._alone(name, grid)

    def load_model(self, name: str) -> Loaded:
        """The model, loaded when a stage first runs it; one model is in memory at a time."""
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None
            with self.reporter.stage("load model", name):
                self._loaded = (
                    name, models.load(self.wanted(name), self.spec.project, name=name, trust=self.trust),
                )  # fmt: skip
            mine = [n for n, grid in self.spec.grids.items() if grid.model == name]
            expectations.check_layers(self.spec.expect, mine, self._loaded[1].card.layers)
        return self._loaded[1]

    def keep(
        self, stage: Stage, make: Callable[[Path], None], ready: Callable[[], object], *, resumes: bool = False
    ) -> Path:
        """The folder of a stage's result, made if it is not there.

        `ready` makes what it reads and loads what it runs, so that their time is not counted as the stage's.
        `resumes`: `make` goes on from the parts that an earlier build left in the folder.
        """
        if self.store.has(stage.key):
            self.reporter.kept(stage.name)
        else:
            ready()
        return self.store.build(stage.key, make, resumes=resumes, amount=stage.work.amount)

    # ------------------------------------------------------------ what will be made

    def stages(self) -> tuple[Stage, ...]:
        """All that the report stands on, each after what it reads; the report comes last."""
        alone = (self._alone_stage(name, grid) for name, grid in self.spec.grids.items() if grid.stands_alone)
        many = (
            *(self._data(name) for name in dict.fromkeys(dataset for _, dataset in self.answers)),
            *(stage for answers in self.answers.values() for stage in answers.stages()),
            *alone, *self.transfer_stages.values(), self._words, self.report,
        )  # fmt: skip
        first = {(one.key.stage, one.key.digest): one for one in reversed(many)}  # grids may share a stage
        return tuple(one for one in many if first[one.key.stage, one.key.digest] is one)

    @property
    def called(self) -> str:
        """The name under which the store remembers what the last build of this spec stood on."""
        return str(self.spec.project.folder.absolute() / self.spec.name)

    def remember(self) -> None:
        """Lets the store remember what this build stands on, so that a later miss can be explained."""
        self.store.remember(self.called, {one.label: one.key for one in self.stages()})

    def data_parts(self) -> dict[str, Mapping[str, Any]]:
        """Of each data set that answers stand on, what tells its rows from others: fingerprint and digests of rows."""
        names = dict.fromkeys(dataset for _, dataset in self.answers)
        return {name: self._data(name).key.parts["parts"] for name in names}

    def _data(self, name: str) -> Stage:
        """The rows of a data set with the template that makes prompts of them, so that a change of them can be told."""
        data, rows = self.spec.datasets[name], self.examples(name)
        parts = {
            "rows": row_digests(rows), "fingerprint": rows.fingerprint,
            "sample_seed": self.spec.seed if data.sample else 0,
            **data.model_dump(mode="json", include=_OF_ROWS),
        }  # fmt: skip
        return Stage(f"data {name}", name, Key.of("data", 1, parts), stored=False)

    @cached_property
    def _words(self) -> Stage:
        """The spec itself."""
        return Stage("spec", "spec", Key.of("spec", 1, self.spec.model_dump(mode="json")), stored=False)

    # ------------------------------------------------------------ grids

    @cached_property
    def grid_stages(self) -> dict[str, Stage]:
        """Each grid by its name."""
        return {name: self._grid_stage(name) for name in self.spec.grids}

    def _grid_stage(self, name: str) -> Stage:
        kind = self.spec.grids[name]
        alone = kind.stands_alone
        return self._alone_stage(name, kind) if alone else self.answers[kind.model, kind.dataset].grid_stage(name)

    def result(self, name: str) -> GridResult:
        """The result of one grid."""
        kind = self.spec.grids[name]
        return self._alone(name, kind) if kind.stands_alone else self.answers[kind.model, kind.dataset].result(name)

    def make_inputs(self, name: str) -> None:
        """Makes what a grid reads: afterwards only a grid whose stage `loads` a model needs one."""
        kind = self.spec.grids[name]
        if not kind.stands_alone:
            self.answers[kind.model, kind.dataset].make_inputs(name)
        for one in kind.reads:
            self.result(one)

    def _alone_stage(self, name: str, kind: GridKind) -> Stage:
        parts: dict[str, Any] = {
            "name": name, "grid": kind.model_dump(mode="json"), "files": kind.fingerprint(self.spec.project),
            "seed": self.spec.seed,
        }  # fmt: skip
        read = {one: self._grid_stage(one) for one in kind.reads}
        if read:
            parts["grids"] = {one: [stage.key, self.told_apart(one)] for one, stage in read.items()}
        key = Key.of(f"grid-{kind.kind}", kind.version, parts, (OURS, *NUMERICS))
        return Stage(f"grid {name}", name, key, tuple(stage.label for stage in read.values()))

    def told_apart(self, name: str) -> str:
        """What tells the examples that a grid reads: equal where equal ids are the same example; empty: not known."""
        kind = self.spec.grids[name]
        data = None if kind.stands_alone else self.spec.datasets[kind.dataset]
        if data is None:
            return ""
        named = data.model_dump(mode="json", include={"loader", "id"})  # ids else count the rows of the source
        made = data.columns.get(data.id or "", "")  # two columns of one source may be given one name
        return json.dumps([named, made], sort_keys=True)

    def _alone(self, name: str, kind: GridKind) -> GridResult:
        """A grid that reads neither a model nor a data set, but perhaps other grids."""

        def make(folder: Path) -> None:
            read = {one: self.result(one) for one in kind.reads}
            inputs = replace(
                _nothing(name, self.spec), grids=read, examples_of={one: self.told_apart(one) for one in read}
            )
            with self.reporter.stage(name, f"{kind.kind} grid"):
                archive.write_grid(kind.compute(inputs), folder)

        return archive.read_grid(self.keep(self._alone_stage(name, kind), make, lambda: self.make_inputs(name)), name)

    @cached_property
    def transfer_stages(self) -> dict[str, Stage]:
        """Each transfer by its name."""
        return {name: transferring.stage(self, name) for name in self.spec.transfer}

    # ------------------------------------------------------------ the report

    @cached_property
    def report(self) -> Stage:
        """The whole report: the grids, the words of the spec, and everything after the waist."""
        parts = {
            "grids": {name: stage.key for name, stage in self.grid_stages.items()},
            "order": [*self.spec.grids],  # in which they are shown; keys and digests know no order of names
            "transfers": {name: stage.key for name, stage in self.transfer_stages.items()},
            "spec": self.spec.digest,
            "name": self.spec.name,
            "pages": render.fingerprint(render.Presentation.of(self.spec)),
            "date": stamp(self.spec.outputs),
        }
        key = Key.of("report", REPORT, parts, (OURS, "altair", "vl-convert-python", "weasyprint", "jinja2"))
        told = (one.sequences_stage for one in self.answers.values())  # shows examples and describes the model
        shown = (*self.grid_stages.values(), *self.transfer_stages.values())
        reads = (*(one.label for one in shown), *(one.label for one in told if one), "spec")
        return Stage("report", "report", key, reads, Work(len(shown), "grids"))

    @cached_property
    def results(self) -> Results:
        """Everything that stands at the waist."""
        grids = {name: self.result(name) for name in self.spec.grids}
        many = list(self.answers.values())
        texts = {(g.model, g.dataset): g.text_of for g in (one.grid for one in grids.values()) if g.text_of}
        shown = (a.illustration(texts.get((a.model, a.dataset), "")) for a in many)
        found = Results(
            title=self.spec.title,
            seed=self.spec.seed,
            models=tuple({a.model: a.card for a in many}.values()),
            data=tuple(a.data_card() for a in many),
            grids=tuple(grids.values()),
            illustrations=tuple(one for one in shown if one is not None),
            tables=tuple(a.statuses() for a in many),
            authors=self.spec.authors,
            interpretation=self.spec.interpretation,
            spec_name=self.spec.name,
            spec_digest=self.spec.digest,
            versions=library_versions(bool(many)),
            graded=tuple(one for a in many for one in a.graded()),
            examples=self._shown(grids),
            families=self._families(),
            matrices=tuple(transferring.result(self, name) for name in self.spec.transfer),
        )
        return replace(found, expectations=expectations.judge(self.spec.expect, found))

    def _families(self) -> tuple[Family, ...]:
        """What became of each matrix of the spec."""
        return tuple(
            Family(name, tuple(Member(grid, tuple(one.items())) for grid, one in found.members.items()),
                   found.differences)
            for name, found in self.spec.families.items()
        )  # fmt: skip

    def _shown(self, grids: Mapping[str, GridResult]) -> tuple[Illustration, ...]:
        """Examples of each set of answers beside the grids that stand on it, fewer of later sets."""
        shown: list[Illustration] = []
        for place, (pair, answers) in enumerate(self.answers.items()):
            mine = [one for one in grids.values() if (one.grid.model, one.grid.dataset) == pair]
            shown += answers.shown(mine, exemplars.room(place))
        return tuple(shown)


def _nothing(name: str, spec: Spec) -> Inputs:
    """The inputs of a grid that stands alone."""
    from layergrid.graders import no_labels

    examples = Examples("", "", (), (), {}, "")
    return Inputs(
        name=name, model="", examples=examples, sequences=Sequences.none(()), labels=no_labels(examples),
        positions=Positions.none(), activations={}, seed=spec.seed, project=spec.project,
    )  # fmt: skip


def library_versions(with_models: bool = True) -> dict[str, str]:
    """Versions of the libraries that decide the numbers."""
    from importlib.metadata import version

    return {name: version(name) for name in (*(LIBRARIES if with_models else ()), *NUMERICS)}
