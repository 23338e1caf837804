"""Answers of a model that runs: it reads prompts, writes if asked to, and is looked at inside; it wires stages only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid import attention, capture, generate, lens, models
from layergrid.artifacts import Activations, AttentionRows, Examples, Floats, Labels, ModelCard, Positions, Sequences
from layergrid.generate.fitting import fitting
from layergrid.graders import check_gold
from layergrid.kinds import AttentionNeed, BadInput, LayerRange, Needs, Outline, Readout, Shards
from layergrid.loaders import some
from layergrid.pipeline import doubting, grading
from layergrid.pipeline.answers import LIBRARIES, OURS, Answers
from layergrid.pipeline.stages import Stage, Work, attending, capturing
from layergrid.positions import resolve_all
from layergrid.project import Project
from layergrid.prompts import render as render_prompts
from layergrid.store import (
    FolderShards,
    Key,
    load,
    load_activations,
    load_attention,
    save,
    save_activations,
    save_attention,
)
from layergrid.text import listed, plural

if TYPE_CHECKING:
    from layergrid.pipeline.study import Study

TOO_LONG = "their prompt does not fit the model's context"
TOO_LONG_WITH = "their prompt and answer do not fit the model's context"
POSITIONS = 3  # version of labels and positions, part of their key: raise it when they change


class FromModel(Answers):
    """A model reads the prompts of a data set, writes answers if it is asked to, and its inside is looked at."""

    def __init__(self, study: Study, model: str, dataset: str) -> None:
        super().__init__(study, model, dataset)
        self.prompts = render_prompts(self.data.prompt, self.rows)
        self.answered = None if self.data.answers is None else generate.answered(self.data.answers, self.rows)
        if self.data.grade is not None:
            check_gold(self.data.grade, self.rows)
        for one in study.spec.positions:
            one.check(self.rows)
        self._check_positions()
        self.check_model()

    @property
    def project(self) -> Project:
        """Where the model's files may lie."""
        return self.study.spec.project.called(f"models.{self.model}.address")

    def _check_positions(self) -> None:
        """Positions that no example can have, and queries of attention that are no positions of the spec."""
        names = [str(getattr(one, "name", "")) for one in self.study.spec.positions]
        unread = [n for n, one in zip(names, self.study.spec.positions, strict=True) if one.reads_answer]
        for name, grid in self.grids.items():
            need = grid.needs().attention
            if grid.needs().grades and self.data.grade is None:
                raise BadInput(
                    f"grids.{name}: it asks for a token of an exact answer, and data set {self.dataset!r} has no "
                    "graded answers; let the model write answers and grade them, or ask for another token"
                )
            for query in need.queries if need is not None else ():
                if query not in names:
                    raise BadInput(
                        f"grids.{name}: no position is named {query!r}, from which attention is read; "
                        f"add it to 'positions', or name one of {listed(names, 'or')}"
                    )
            found = [one for one in grid.positions if one in unread]
            if self.data.grade is None and found:
                raise BadInput(
                    f"grids.{name}.positions: {found[0]!r} is a place in a graded answer, and data set "
                    f"{self.dataset!r} has none; choose other positions, or grade its answers"
                )

    def check_model(self) -> None:
        """Raises BadInput where the model's files are missing, may not be read, or cannot bear a grid."""
        models.check(self.wanted, self.project, trust=self.study.trust)
        super().check_model()

    @cached_property
    def outline(self) -> Outline | None:
        """From the model's configuration."""
        return models.outline(self.wanted, self.project)

    # ------------------------------------------------------------ what is made, and what each depends on

    def stages(self) -> Iterator[Stage]:
        """Sequences, positions, what is read of the model's inside, and the grids."""
        yield from (self.sequences_stage, *grading.stages(self), self.placed)
        if any(one.p_true for one in self.needs):
            yield doubting.stage(self)
        if self._sites:
            yield self.captured
        if any(grid.needs().untrained for grid in self.grids.values()):
            yield self.untrained_captured
        for name, grid in self.grids.items():
            if (need := grid.needs().attention) is not None:
                yield self.attended(name, need)
        yield from map(self.grid_stage, self.grids)

    @cached_property
    def identity(self) -> str:
        """Of the files, or the commit."""
        return models.fingerprint(self.wanted, self.project, trust=self.study.trust)

    @cached_property
    def sequences_stage(self) -> Stage:
        """Prompts and completions."""
        wanted, trust, settings = self.wanted, self.study.trust, self.data.generate
        loaded_as = wanted.model_dump(mode="json", exclude={"revision"})  # the fingerprint holds the commit
        parts = {
            "model": self.identity,
            "loading": [models.VERSION, self.model, loaded_as, [trust.remote_code, trust.pickle]],
            "prompts": _digest([*self.rows.ids, *self.prompts]),
            "chat": self.data.chat.model_dump(mode="json") if self.data.chat is not None else None,
            "generate": settings.model_dump(mode="json") if settings is not None else None,
            "long": self.data.long,
        }
        if self.answered is not None:
            parts |= {"answers": {**self.answered.columns, "held": self.answered.digest}}
        name, version, work = self._manner
        key = Key.of(name, version, parts, LIBRARIES)
        return Stage(self.label(name), name, key, (f"data {self.dataset}",), work, self.model)

    @property
    def _manner(self) -> tuple[str, int, Work]:
        """How the sequences come to be: the name of that, its version, and how much there is to do."""
        n, settings = len(self.prompts), self.data.generate
        if self.answered is not None:
            return "score", generate.GIVEN, Work(n, "given answers", n)
        if settings is None:
            return "read", generate.VERSION, Work(n, "texts")
        return "generate", generate.VERSION, Work(n, "answers", n * settings.max_new_tokens)

    @cached_property
    def placed(self) -> Stage:
        """Labels and positions."""
        parts = {
            "sequences": self.sequences_stage.key,
            "examples": self.rows.fingerprint,
            "grade": self.data.grade.model_dump(mode="json") if self.data.grade is not None else None,
            "label": self.data.label.model_dump(mode="json") if self.data.label is not None else None,
            "positions": [one.model_dump(mode="json") for one in self.study.spec.positions],
        }
        reads = (self.sequences_stage.label, f"data {self.dataset}")
        libraries = self.data.grade.libraries if self.data.grade is not None else ()
        key = Key.of("positions", POSITIONS, parts, (OURS, *libraries))
        return Stage(self.label("positions"), "positions", key, reads, stored=False)

    @property
    def states(self) -> Stage:
        """All that the grids need is captured in one pass; without such a need, what attention is read from."""
        return self.captured if self._sites else self.placed

    def read_by(self, needs: Needs) -> Stage:
        """Activations, or positions where a grid asks for no site, whatever others ask for."""
        return self.captured if needs.sites else self.placed

    @cached_property
    def captured(self) -> Stage:
        """Activations."""
        parts = {
            "model": self.identity, "positions": self.placed.key, "sites": self._sites,
            "layers": _sorted(self._layers),
        }  # fmt: skip
        return self._pass("capture", Key.of("capture", capture.VERSION, parts, LIBRARIES), self._sites, self._layers)

    @cached_property
    def untrained_captured(self) -> Stage:
        """The same of a model of the same shape with random weights."""
        sites, layers = self._asked_untrained
        parts = {
            "model": self.identity, "positions": self.placed.key, "sites": sites, "layers": _sorted(layers),
            "seed": self.study.spec.seed,
        }  # fmt: skip
        return self._pass("capture untrained", Key.of("untrained", capture.VERSION, parts, LIBRARIES), sites, layers)

    def _pass(self, name: str, key: Key, sites: Sequence[str], layers: Sequence[Any]) -> Stage:
        """One pass over all sequences that keeps states."""
        work = capturing(self.outline, sites, layers, self._places(()), len(self.prompts))
        return Stage(self.label(name), name, key, (self.placed.label,), work, self.model)

    def attended(self, name: str, need: AttentionNeed) -> Stage:
        """The attention rows of one grid, in a pass of their own, so that a change of one grid leaves the others."""
        layers = self.grids[name].needs().layers
        parts = {
            "model": self.identity, "positions": self.placed.key, "need": asdict(need), "layers": _plain(layers),
        }  # fmt: skip
        key = Key.of("attention", attention.VERSION, parts, LIBRARIES)
        keys = self._places(need.keys) if need.keys else 0
        work = attending(self.outline, need, layers, keys, len(self.prompts))
        label = f"{self.label('attention')} for {name}"
        return Stage(label, "attention", key, (self.placed.label,), work, self.model)

    # ------------------------------------------------------------ making it

    @cached_property
    def _sites(self) -> list[str]:
        return sorted({site for one in self.needs for site in one.sites})

    @property
    def _asked_untrained(self) -> tuple[list[str], list[Any]]:
        """Sites and choices of layers that grids compare with an untrained model's."""
        asking = [grid.needs() for grid in self.grids.values() if grid.needs().untrained]
        return sorted({site for one in asking for site in one.sites}), [one.layers for one in asking]

    @property
    def _layers(self) -> list[Any]:
        return [one.layers for one in self.needs if one.sites]

    @cached_property
    def _read(self) -> Path:
        def make(folder: Path) -> None:
            loaded = self.study.load_model(self.model)
            many = plural(len(self.prompts), self.sequences_stage.work.unit.removesuffix("s"))
            chat = self.data.chat
            with self.study.reporter.stage(self.sequences_stage.name, many, self.sequences_stage.work.unit) as advance:
                found = self._sequences(loaded, advance, FolderShards(folder))
            save(found, folder)
            told = {"card": asdict(loaded.card), "chat": generate.dialogue(loaded, chat)}
            (folder / "model.json").write_text(json.dumps(told), encoding="utf-8")

        return self.study.keep(self.sequences_stage, make, self._load, resumes=True)

    def prompts_of(self, sequences: Sequences) -> list[str]:
        """The prompts of the rows that were run, as the template makes them."""
        known = dict(zip(self.rows.ids, self.prompts, strict=True))
        return [known[one] for one in sequences.example_ids]

    def ready(self) -> object:
        """What a pass over the answers reads and runs."""
        return self.sequences, self._load()

    def _load(self) -> models.Loaded:
        return self.study.load_model(self.model)

    def _sequences(self, loaded: models.Loaded, progress: Callable[[int, int], None], shards: Shards) -> Sequences:
        """Read or written by the model; errors say which data set they are of."""
        settings, chat = self.data.generate, self.data.chat
        try:
            if self.answered is not None:
                return generate.given(
                    loaded, self.rows.ids, self.prompts, self.answered, chat=chat, progress=progress, shards=shards,
                    leave_out=self.data.long == "leave_out",
                )  # fmt: skip
            ids, prompts = self._fitting(loaded)
            if settings is None:
                return generate.read(loaded, ids, prompts, chat=chat)
            return generate.generate(
                loaded, ids, prompts, max_new_tokens=settings.max_new_tokens,
                batch=settings.batch, progress=progress, chat=chat, shards=shards,
            )  # fmt: skip
        except BadInput as error:
            raise BadInput(f"data set {self.dataset!r}: {error}") from error

    def _fitting(self, loaded: models.Loaded) -> tuple[Sequence[str], Sequence[str]]:
        """Ids and prompts of the rows that are run: all, or where the spec leaves long ones out, those that fit."""
        if self.data.long == "refuse":
            return self.rows.ids, self.prompts
        after = self.data.generate.max_new_tokens if self.data.generate is not None else 0
        kept = fitting(loaded, self.rows.ids, self.prompts, chat=self.data.chat, after=after)
        return [self.rows.ids[i] for i in kept], [self.prompts[i] for i in kept]

    @cached_property
    def examples(self) -> Examples:
        """The rows that were run; where long ones may be left out, known once the model's tokenizer has read them."""
        why = TOO_LONG if self.answered is None else TOO_LONG_WITH
        return self.rows if self.data.long == "refuse" else some(self.rows, self.sequences.example_ids, why)

    @cached_property
    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self._read / "model.json").read_text(encoding="utf-8"))
        return told

    @cached_property
    def card(self) -> ModelCard:
        """Of the model as it was loaded."""
        return ModelCard(**self._told["card"])

    @property
    def chat(self) -> str:
        """How the model's template made a dialogue of the prompts."""
        return str(self._told["chat"])

    @cached_property
    def sequences(self) -> Sequences:
        """Prompts and completions as ids."""
        return load(Sequences, self._read)

    @cached_property
    def labels(self) -> Labels:
        """Graded completions, or the label column."""
        if self.data.grade is None:
            return self._labelled(self.examples)
        return grading.labels(self, self.data.grade)

    @cached_property
    def positions(self) -> Positions:
        """All positions of the spec."""
        return resolve_all(self.study.spec.positions, self.sequences, self.labels, self.examples)

    @cached_property
    def activations(self) -> Mapping[str, Activations]:
        """Captured in one pass."""

        def make(folder: Path) -> None:
            sequences, where = self.sequences, self.positions
            loaded = self.study.load_model(self.model)
            detail = f"{', '.join(self._sites)} at {plural(len(where.names), 'position')}"
            with self.study.reporter.stage("capture", detail, "sequences") as advance:
                found = capture.capture(
                    loaded, sequences, where, folder, sites=self._sites, layers=self._layers, progress=advance,
                    shards=FolderShards(folder),
                )  # fmt: skip
            save_activations(found, folder)

        return load_activations(self.study.keep(self.captured, make, self._ready, resumes=True))

    def _ready(self) -> object:
        """What a pass reads and runs."""
        return self.sequences, self.positions, self._load()

    @cached_property
    def untrained(self) -> Mapping[str, Activations]:
        """Captured from the same sequences by a model of the same shape with random weights."""
        sites, layers = self._asked_untrained
        seed = self.study.spec.seed

        def make(folder: Path) -> None:
            sequences, where = self.sequences, self.positions
            loaded = models.untrained(self.study.load_model(self.model), seed)
            with self.study.reporter.stage("capture untrained", ", ".join(sites), "sequences") as advance:
                found = capture.capture(
                    loaded, sequences, where, folder, sites=sites, layers=layers, progress=advance,
                    shards=FolderShards(folder),
                )  # fmt: skip
            save_activations(found, folder)

        return load_activations(self.study.keep(self.untrained_captured, make, self._ready, resumes=True))

    def attention(self, name: str, need: AttentionNeed) -> AttentionRows:
        """Read in a pass of its own, so that a change of one grid leaves the others."""
        layers = self.grids[name].needs().layers

        def make(folder: Path) -> None:
            sequences, where = self.sequences, self.positions
            loaded = self.study.load_model(self.model)
            with self.study.reporter.stage("attention", f"from {listed(need.queries)}", "sequences") as advance:
                found = attention.attention(
                    loaded, sequences, where, need, layers=layers, progress=advance, shards=FolderShards(folder)
                )
            save_attention(found, folder)

        return load_attention(self.study.keep(self.attended(name, need), make, self._ready, resumes=True))

    @cached_property
    def p_true(self) -> tuple[Floats | None, str]:
        """What the model says of its own answers, and why it says nothing of some."""
        found = doubting.result(self)
        return found.values, found.reason

    @property
    def asked_stage(self) -> Stage:
        """In which the model is asked."""
        return doubting.stage(self)

    @property
    def readout(self) -> Readout:
        """By the model's own head; the model is loaded when it is first called."""
        return lens.late(lambda: self.study.load_model(self.model))


def _plain(choice: Any) -> Any:
    return choice.model_dump() if isinstance(choice, LayerRange) else choice


def _sorted(choices: Sequence[Any]) -> list[str]:
    return sorted({json.dumps(_plain(choice)) for choice in choices})


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(texts)).encode("ascii")).hexdigest()
