"""The only wiring: from a spec to a report folder, stage by stage; it computes nothing itself.

answers   what one model says of one data set, each part made when first asked
running   ... by a model that runs
given     ... by activations that were made elsewhere
study     a spec with its store: who answers what, which grids stand on which answers
stages    what all of it makes, as data that is known before anything runs
circumstances  what describes a run and not its report
planning  what a build would do, what that costs, and by `reasons` why
locking   what a lock file pins, and what has drifted from it
keeping   a store that tells what it keeps
parallel  several specs and grids at once

The address of each stage's result is made from the addresses of its inputs, and a result is read only where a later
stage needs it: a second build reads the spec, the data and the model's files, and imports no torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from layergrid import __version__, archive, expectations, facts, prose, publish, render
from layergrid.artifacts import Results
from layergrid.cards import without_values
from layergrid.console import Reporter, Silent
from layergrid.expectations import junit
from layergrid.pipeline import circumstances, locking, planning
from layergrid.pipeline.answers import chosen_positions
from layergrid.pipeline.keeping import TellingStore
from layergrid.pipeline.study import Study
from layergrid.render.dating import stamp
from layergrid.spec import Spec
from layergrid.store import Store

if TYPE_CHECKING:
    from layergrid.models import Trust
    from layergrid.tokenview import View


@dataclass(frozen=True)
class Built:
    """What a build left behind."""

    folder: Path
    files: tuple[Path, ...]
    unmet: tuple[str, ...]  # expectations that are not met
    notes: tuple[str, ...]  # what a user should know of the results without opening the report
    met: int = 0  # how many expectations are met


def build(spec: Spec, out: Path, reporter: Reporter, trust: Trust | None = None) -> Built:
    """Builds the report of a spec into `out`/NAME, or finds that it stands there already.

    `trust` says whether code and pickles of models may be run; None: neither.

    Raises:
        BadInput: the data or the model do not fit the spec, or something that is no report stands in its place.
        BuildError: something failed on the way; an existing report stays as it was.
    """
    return finished(opened(spec, out, reporter, trust), out)


def opened(spec: Spec, out: Path, reporter: Reporter, trust: Trust | None = None) -> Study:
    """A spec with its store, after all that can be known before a model runs; what will be made, and why, is told."""
    publish.check(out / spec.name)
    render.Presentation.of(spec)  # what is wrong with a theme's file or a template is better known now than after hours
    study = Study(spec, TellingStore(reporter), reporter, trust)
    locking.hold(study)
    if not study.store.has(study.report.key):
        found = planning.plan(study)
        for step in found.made:
            reporter.detail(f"{step.stage.label}: {', '.join(step.reasons)}")
        for line in planning.sentence(found).splitlines():
            reporter.note(line)
    return study


def finished(study: Study, out: Path) -> Built:
    """The report of a study in its place, with all that is not kept; raises as `build`."""
    spec, target = study.spec, out / study.spec.name
    source = study.keep(study.report, lambda folder: _write(study, folder), lambda: study.results)
    study.remember()
    manifest = publish.read_manifest(source) or {"build": {"expectations": []}}
    locking.hold_made(study, manifest["build"])
    if not publish.is_published(source, target):
        publish.publish(source, target, leave=("entry.json",))
    unmet = tuple(str(e["told"]) for e in manifest["build"]["expectations"] if not e["met"])
    documents = tuple(target / f"report.{suffix}" for suffix in spec.outputs)
    met = len(manifest["build"]["expectations"]) - len(unmet)
    return Built(target, documents, unmet, tuple(manifest["build"].get("notes", ())), met)


def check_data(spec: Spec, trust: Trust | None = None) -> None:
    """Reads the data of a spec and looks for its models' files, all that can be known before a model runs.

    `trust` as for `build`.

    Raises:
        BadInput: the first thing that is missing or does not fit.
    """
    Study(spec, Store(), Silent(), trust).check_models()


def render_again(folder: Path, reporter: Reporter, templates: Path | None = None) -> list[Path]:
    """Draws a report again from its saved results, with the templates as they are now; no model is loaded.

    The user's own templates are those that the report was drawn with, or of another folder: they are saved with it.
    """
    folder = folder.resolve()
    publish.check_own(folder)
    results = archive.read(folder)
    presentation = render.read_presentation(folder)
    if templates is not None:
        presentation = replace(presentation, templates=render.overriding.read(templates))
    manifest = publish.read_manifest(folder) or {}
    with publish.draft(folder) as fresh:
        render.write_presentation(presentation, fresh)
        _documents(results, presentation, fresh, reporter)
        drawn = {"pages": render.fingerprint(presentation), "date": stamp(presentation.outputs)}
        build = {**manifest.get("build", {}), **drawn}
        publish.write_manifest(fresh, build, manifest.get("run", {}))
        if not publish.is_published(fresh, folder):
            publish.publish(fresh, folder)
    return [folder / f"report.{suffix}" for suffix in presentation.outputs]


def positions(spec: Spec, count: int, reporter: Reporter, trust: Trust | None = None) -> Iterator[View]:
    """The tokens of the first `count` examples of each data set with their positions, then a count of statuses."""
    from layergrid.tokenview import counted, example

    study = Study(spec, Store(warn=reporter.note), reporter, trust)
    for answers in study.answers.values():
        for i in range(min(count, len(answers.examples.ids))):
            yield example(i, answers.examples, answers.sequences, answers.labels, answers.positions)
        yield counted(answers.examples, answers.labels, answers.positions)


# ---------------------------------------------------------------- after the waist


def _write(study: Study, folder: Path) -> None:
    """Writes the whole report of a study into an empty folder."""
    started = time.monotonic()
    results = study.results
    archive.write(results, folder)
    presentation = render.Presentation.of(study.spec)
    render.write_presentation(presentation, folder)
    _documents(results, presentation, folder, study.reporter)
    keys = {f"{a.model}/{a.dataset}": a.states.key.digest for a in study.answers.values()}
    publish.write_manifest(
        folder,
        build={
            "layergrid": __version__,
            "spec": study.spec.name,
            "spec_digest": study.spec.digest,
            "activations": keys,
            "locked": locking.made(study),
            "versions": dict(results.versions),
            "expectations": [expectations.as_json(one) for one in results.expectations],
            "notes": [*facts.too_few(results), *without_values(results)],
            "pages": render.fingerprint(presentation),
            "date": stamp(presentation.outputs),
        },
        run=circumstances.of(study, time.monotonic() - started),
    )


def _documents(results: Results, presentation: render.Presentation, folder: Path, reporter: Reporter) -> None:
    """Facts, words, figures and pages from results."""
    with reporter.stage("write", "facts and summary"):
        found = facts.derive(results)
        summary = prose.summarise(results, found)
        (folder / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
    drawing = render.begun(results, found, summary, presentation)  # before a bar runs its thread
    with drawing as finish, reporter.stage("draw", ", ".join(presentation.outputs)):
        finish().write(folder)
    if results.expectations:
        (folder / junit.FILE).write_bytes(junit.document(results.expectations, results.spec_name))


__all__ = ["Built", "build", "check_data", "chosen_positions", "finished", "opened", "positions", "render_again"]
