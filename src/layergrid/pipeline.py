"""The only wiring: from a spec to a report folder, stage by stage; it computes nothing itself.

The address of each stage's result is made from the addresses of its inputs, and a result is read only where a later
stage needs it: a second build reads the spec, the data and the model's files, and imports no torch.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from layergrid import (
    __version__,
    archive,
    capture,
    expectations,
    facts,
    generate,
    models,
    prose,
    publish,
    render,
    theme,
)
from layergrid.artifacts import (
    Activations,
    Examples,
    GridResult,
    Labels,
    ModelCard,
    Positions,
    Results,
    Sequences,
)
from layergrid.cards import data_card, illustration, status_table, without_values
from layergrid.console import Reporter, Silent
from layergrid.graders import check_gold, grade_all
from layergrid.kinds import GridKind, Inputs
from layergrid.loaders import load_examples
from layergrid.positions import resolve_all
from layergrid.prompts import render as render_prompts
from layergrid.spec import Spec
from layergrid.store import Key, Store, load, load_activations, save, save_activations
from layergrid.text import plural

if TYPE_CHECKING:
    from layergrid.tokenview import View

LIBRARIES = ("torch", "transformers", "tokenizers")
NUMERICS = ("numpy", "scipy", "scikit-learn")
OURS = "layergrid"  # the package itself: stages without a version of their own are made again by a new release


@dataclass(frozen=True)
class Built:
    """What a build left behind."""

    folder: Path
    files: tuple[Path, ...]
    unmet: tuple[str, ...]  # expectations that are not met
    notes: tuple[str, ...]  # what a user should know of the results without opening the report


def build(spec: Spec, out: Path, reporter: Reporter) -> Built:
    """Builds the report of a spec into `out`/NAME, or finds that it stands there already.

    Raises:
        BadInput: the data or the model do not fit the spec, or something that is no report stands in its place.
        BuildError: something failed on the way; an existing report stays as it was.
    """
    target = out / spec.name
    publish.check(target)
    theme.load(
        spec.theme, theme.content(spec.theme, spec.root)
    )  # what is wrong with a theme's file is better known now than after hours
    store = Store(warn=reporter.note)
    study = Study(spec, store, reporter)
    key = study.report_key()
    if store.has(key):
        reporter.kept("report")
    source = store.build(key, lambda folder: _write(study, folder))
    if not publish.is_published(source, target):
        publish.publish(source, target, leave=("entry.json",))
    manifest = publish.read_manifest(source) or {"build": {"expectations": []}}
    unmet = tuple(expectations.told(e) for e in manifest["build"]["expectations"] if not e["met"])
    documents = tuple(target / f"report.{suffix}" for suffix in spec.outputs)
    return Built(target, documents, unmet, tuple(manifest["build"].get("notes", ())))


def check_data(spec: Spec) -> None:
    """Reads the data of a spec and looks for its models' files, all that can be known before a model runs.

    Raises:
        BadInput: the first thing that is missing or does not fit.
    """
    study = Study(spec, Store(), Silent())
    for name, model in spec.models.items():
        if not model.address.startswith("hf:") and name in {pair[0] for pair in study.answers}:
            models.fingerprint(model, spec.root)


def render_again(folder: Path, reporter: Reporter) -> list[Path]:
    """Draws a report again from its saved results, with the templates as they are now; no model is loaded."""
    folder = folder.resolve()
    results = archive.read(folder)
    presentation = render.read_presentation(folder)
    manifest = publish.read_manifest(folder) or {}
    with publish.draft(folder) as fresh:
        _documents(results, presentation, fresh, reporter)
        build = {**manifest.get("build", {}), "pages": render.fingerprint(presentation.theme, presentation.theme_file)}
        publish.write_manifest(fresh, build, manifest.get("run", {}))
        if not publish.is_published(fresh, folder):
            publish.publish(fresh, folder)
    return [folder / f"report.{suffix}" for suffix in presentation.outputs]


def positions(spec: Spec, count: int, reporter: Reporter) -> Iterator[View]:
    """The tokens of the first `count` examples of each data set with their positions, then a count of statuses."""
    from layergrid.tokenview import counted, example

    study = Study(spec, Store(warn=reporter.note), reporter)
    for answers in study.answers.values():
        for i in range(min(count, len(answers.examples.ids))):
            yield example(i, answers.examples, answers.sequences, answers.labels, answers.positions)
        yield counted(answers.labels, answers.positions)


# ---------------------------------------------------------------- before the waist


class Answers:
    """One model's answers to one data set: sequences, labels, positions and activations, each made when first asked."""

    def __init__(self, study: Study, model: str, dataset: str) -> None:
        self.study, self.model, self.dataset = study, model, dataset
        self.data = study.spec.datasets[dataset]
        self.examples: Examples = study.examples(dataset)
        self.prompts = render_prompts(self.data.prompt, self.examples)
        check_gold(self.data.grade, self.examples)
        for one in study.spec.positions:
            one.check(self.examples)
        for name, grid in study.grids_of(model, dataset).items():
            grid.check(self.examples, name)

    @cached_property
    def sequences_key(self) -> Key:
        """What the completions depend on."""
        wanted = self.study.spec.models[self.model]
        parts = {
            "model": models.fingerprint(wanted, self.study.spec.root),
            "loading": [models.VERSION, self.model, wanted.address, wanted.dtype, wanted.device],
            "prompts": _digest([*self.examples.ids, *self.prompts]),
            "generate": self.data.generate.model_dump(mode="json"),
        }
        return Key.of("generate", generate.VERSION, parts, LIBRARIES)

    @cached_property
    def positions_key(self) -> Key:
        """What labels and positions depend on."""
        parts = {
            "sequences": self.sequences_key,
            "examples": self.examples.fingerprint,
            "grade": self.data.grade.model_dump(mode="json"),
            "positions": [one.model_dump(mode="json") for one in self.study.spec.positions],
        }
        return Key.of("positions", 1, parts, (OURS,))

    @cached_property
    def activations_key(self) -> Key:
        """What the activations depend on: all that the grids need is captured in one pass."""
        parts = {"positions": self.positions_key, "sites": self._sites, "layers": None}
        return Key.of("capture", capture.VERSION, parts, LIBRARIES)

    @property
    def _sites(self) -> list[str]:
        return sorted(
            {s for grid in self.study.grids_of(self.model, self.dataset).values() for s in grid.needs().sites}
        )

    @cached_property
    def _generated(self) -> Path:
        def make(folder: Path) -> None:
            loaded = self.study.load_model(self.model)
            with self.study.reporter.stage("generate", plural(len(self.prompts), "answer")) as advance:
                settings = self.data.generate
                found = generate.generate(
                    loaded, self.examples.ids, self.prompts, max_new_tokens=settings.max_new_tokens,
                    batch=settings.batch, progress=advance,
                )  # fmt: skip
            save(found, folder)
            (folder / "model.json").write_text(json.dumps(asdict(loaded.card)), encoding="utf-8")

        return self.study.keep(self.sequences_key, make)

    @cached_property
    def card(self) -> ModelCard:
        """What the report says of the model."""
        return ModelCard(**json.loads((self._generated / "model.json").read_text(encoding="utf-8")))

    @cached_property
    def sequences(self) -> Sequences:
        """Prompts and completions as ids."""
        return load(Sequences, self._generated)

    @cached_property
    def labels(self) -> Labels:
        """The graded completions."""
        return grade_all(self.data.grade, self.examples, self.sequences)

    @cached_property
    def positions(self) -> Positions:
        """All positions of the spec."""
        return resolve_all(self.study.spec.positions, self.sequences, self.labels, self.examples)

    @cached_property
    def activations(self) -> dict[str, Activations]:
        """Activations by site at all positions of the spec."""

        def make(folder: Path) -> None:
            sequences, where = self.sequences, self.positions
            loaded = self.study.load_model(self.model)
            detail = f"{', '.join(self._sites)} at {plural(len(where.names), 'position')}"
            with self.study.reporter.stage("capture", detail) as advance:
                found = capture.capture(loaded, sequences, where, folder, sites=self._sites, progress=advance)
            save_activations(found, folder)

        return load_activations(self.study.keep(self.activations_key, make))

    def result(self, name: str, kind: GridKind) -> GridResult:
        """One grid over these answers."""

        def make(folder: Path) -> None:
            chosen, activations = chosen_positions(self.positions, kind.positions), self.activations
            with self.study.reporter.stage(name, f"{kind.kind} grid") as advance:
                inputs = Inputs(
                    name=name, model=self.model, examples=self.examples, sequences=self.sequences, labels=self.labels,
                    positions=chosen, activations=activations, seed=self.study.spec.seed, progress=advance,
                )  # fmt: skip
                archive.write_grid(kind.compute(inputs), folder)

        return archive.read_grid(self.study.keep(self.grid_key(name, kind), make, name), name)

    def grid_key(self, name: str, kind: GridKind) -> Key:
        """What a grid depends on."""
        parts = {
            "name": name,
            "grid": kind.model_dump(mode="json"),
            "activations": self.activations_key,
            "seed": self.study.spec.seed,
        }
        return Key.of(f"grid-{kind.kind}", kind.version, parts, (OURS, *LIBRARIES, *NUMERICS))


def chosen_positions(positions: Positions, patterns: tuple[str, ...]) -> Positions:
    """The positions that names or globs choose, in their order; all where there are no patterns."""
    if not patterns:
        return positions
    kept = [i for i, name in enumerate(positions.names) if any(fnmatch.fnmatchcase(name, p) for p in patterns)]
    return Positions(
        tuple(positions.names[i] for i in kept), positions.start[:, kept], positions.stop[:, kept],
        positions.status[:, kept],
    )  # fmt: skip


class Study:
    """A spec with its store: who answers which data set, which grids stand on which answers."""

    def __init__(self, spec: Spec, store: Store, reporter: Reporter) -> None:
        self.spec, self.store, self.reporter = spec, store, reporter
        self._examples: dict[str, Examples] = {}
        self._loaded: tuple[str, models.Loaded] | None = None
        self.answers = {pair: Answers(self, *pair) for pair in self._pairs()}

    def _pairs(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((grid.model, grid.dataset) for grid in self.spec.grids.values()))

    def grids_of(self, model: str, dataset: str) -> dict[str, GridKind]:
        """The grids that read one model's answers to one data set."""
        return {n: g for n, g in self.spec.grids.items() if (g.model, g.dataset) == (model, dataset)}

    def examples(self, name: str) -> Examples:
        """The rows of a data set, read once."""
        if name not in self._examples:
            data = self.spec.datasets[name]
            self._examples[name] = load_examples(
                name, data.loader, data.source, self.spec.root, sample=data.sample, seed=self.spec.seed,
                id_column=data.id, group_column=data.group,
            )  # fmt: skip
        return self._examples[name]

    def load_model(self, name: str) -> models.Loaded:
        """The model, loaded when a stage first runs it; one model is in memory at a time."""
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None
            with self.reporter.stage("load model", name):
                self._loaded = (name, models.load(self.spec.models[name], self.spec.root, name=name))
            mine = [n for n, grid in self.spec.grids.items() if grid.model == name]
            expectations.check_layers(self.spec.expect, mine, self._loaded[1].card.layers)
        return self._loaded[1]

    def keep(self, key: Key, make: Callable[[Path], None], name: str = "") -> Path:
        """The folder of a stage's result, made if it is not there; `name` is what the stage is called as it runs."""
        if self.store.has(key):
            self.reporter.kept(name or key.stage)
        return self.store.build(key, make)

    def report_key(self) -> Key:
        """What the whole report depends on: the grids, the words of the spec, and everything after the waist."""
        grids = {name: self.answers[g.model, g.dataset].grid_key(name, g) for name, g in self.spec.grids.items()}
        parts = {
            "grids": grids,
            "spec": self.spec.digest,
            "name": self.spec.name,
            "pages": render.fingerprint(self.spec.theme, theme.content(self.spec.theme, self.spec.root)),
        }
        return Key.of("report", 1, parts, (OURS, "altair", "vl-convert-python", "weasyprint", "jinja2"))

    def results(self) -> Results:
        """Everything that stands at the waist."""
        grids = {n: self.answers[g.model, g.dataset].result(n, g) for n, g in self.spec.grids.items()}
        many = list(self.answers.values())
        return Results(
            title=self.spec.title,
            seed=self.spec.seed,
            models=tuple({a.model: a.card for a in many}.values()),
            data=tuple(data_card(a.dataset, a.data, a.model, a.examples, a.sequences, a.labels) for a in many),
            grids=tuple(grids.values()),
            illustrations=tuple(
                illustration(a.examples, a.sequences, a.labels, a.positions, a.data.grade.gold) for a in many
            ),
            tables=tuple(status_table("positions", a.labels, a.positions) for a in many),
            authors=self.spec.authors,
            interpretation=self.spec.interpretation,
            spec_name=self.spec.name,
            spec_digest=self.spec.digest,
            expectations=expectations.judge(self.spec.expect, grids),
            versions=library_versions(),
        )


# ---------------------------------------------------------------- after the waist


def _write(study: Study, folder: Path) -> None:
    """Writes the whole report of a study into an empty folder."""
    started = time.monotonic()
    results = study.results()
    archive.write(results, folder)
    presentation = render.Presentation.of(study.spec)
    render.write_presentation(presentation, folder)
    _documents(results, presentation, folder, study.reporter)
    keys = {f"{a.model}/{a.dataset}": a.activations_key.digest for a in study.answers.values()}
    publish.write_manifest(
        folder,
        build={
            "layergrid": __version__,
            "spec": study.spec.name,
            "spec_digest": study.spec.digest,
            "activations": keys,
            "versions": dict(results.versions),
            "expectations": [expectations.as_json(one) for one in results.expectations],
            "notes": without_values(results),
            "pages": render.fingerprint(presentation.theme, presentation.theme_file),
        },
        run={"platform": platform.platform(), "seconds": round(time.monotonic() - started, 1)},
    )


def _documents(results: Results, presentation: render.Presentation, folder: Path, reporter: Reporter) -> None:
    """Facts, words, figures and pages from results."""
    with reporter.stage("write", "facts and summary"):
        found = facts.derive(results)
        summary = prose.summarise(results, found)
        (folder / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
    with reporter.stage("draw", ", ".join(presentation.outputs)):
        documents = render.render(results, found, summary, presentation)
        documents.write(folder)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers."""
    from importlib.metadata import version

    return {name: version(name) for name in (*LIBRARIES, *NUMERICS)}


def _digest(texts: list[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode("ascii")).hexdigest()
