"""From two report folders to a report of their differences, or to whether they are the same but for a tolerance."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layergrid import __version__, archive, comparing, facts, prose, publish, render, text
from layergrid.artifacts import Results
from layergrid.console import Reporter
from layergrid.kinds import BadInput
from layergrid.render.dating import stamp

RESULTS = "results/results.json"
LISTED = 5  # things that a message names


@dataclass(frozen=True)
class Compared:
    """What a comparison left behind."""

    files: tuple[Path, ...]  # the documents; none where no report was asked for
    sentence: str  # how far the reports are apart
    passed: bool  # whether they are within the tolerance; True where none was given


def diff(
    a: Path, b: Path, out: Path, reporter: Reporter, *,
    name: str = "", tolerance: float | None = None, report: bool = True,
) -> Compared:  # fmt: skip
    """Compares two reports: `b` less `a` as a report in `out`/NAME, and both against a tolerance where one is given.

    Of a folder and itself no report is written.

    Raises:
        BadInput: a folder holds no report, a name leads elsewhere, or something else stands in the report's place.
        BuildError: the report cannot be written.
    """
    first, second = (_read(folder) for folder in (a, b))
    if a.resolve() == b.resolve():
        return Compared((), text.visible(f"{a.resolve().name}: both are the same folder, and nothing differs"), True)
    labels = comparing.called([one.resolve().parts for one in (a, b)])
    labels = (text.visible(labels[0]), text.visible(labels[1]))
    far = comparing.apart(first, second, labels)
    files: tuple[Path, ...] = ()
    if report:
        target = out / (name or default_name(labels))
        _check_name(name)
        if target.resolve() in (a.resolve(), b.resolve()):
            raise BadInput(f"{target}: is one of the reports that are compared; choose another name with --name")
        files = _write((first, second), labels, (a, b), target, reporter)
    passed = tolerance is None or far.passes(tolerance)
    return Compared(files, _sentence(far, labels, tolerance), passed)


def default_name(labels: tuple[str, str]) -> str:
    """The folder of a comparison: "arithmetic-and-arithmetic-b"; no sign of a label leads out of a folder."""
    plain = ["-".join(text.slug(part) for part in label.split("/")) for label in labels]
    return f"{plain[0]}-and-{plain[1]}"


def _check_name(name: str) -> None:
    if name and (name in {".", ".."} or Path(name).name != name or name != text.visible(name) or "\\" in name):
        raise BadInput(f"--name {text.visible(name)}: expected the name of one folder, such as main-and-branch")


def _read(folder: Path) -> Results:
    """The results of a report's folder, whose manifest this version can read."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder; give the folder of a report, such as reports/arithmetic")
    publish.check_own(folder)
    if publish.read_manifest(folder) is None:
        raise BadInput(
            f"{folder / publish.MANIFEST}: is missing, damaged or in another format, so that this is no report of this "
            "version of layergrid; give the folder of a report, or build it again"
        )
    return archive.read(folder)


def _write(
    pair: tuple[Results, Results], labels: tuple[str, str], folders: tuple[Path, Path], target: Path, reporter: Reporter
) -> tuple[Path, ...]:
    """Writes the whole report of a comparison and puts it in its place."""
    publish.check(target)
    with reporter.stage("compare", f"{labels[1]} with {labels[0]}"):
        results = comparing.compare(*pair, labels, target.name)
    look = _presentation(folders[1])
    with tempfile.TemporaryDirectory(prefix="layergrid-") as temporary:
        fresh = Path(temporary) / target.name
        (fresh / "grids").mkdir(parents=True)  # also where there is nothing to compare
        archive.write(results, fresh)
        render.write_presentation(look, fresh)
        with reporter.stage("draw", ", ".join(look.outputs)):
            found = facts.derive(results)
            summary = prose.summarise(results, found)
            (fresh / "facts.json").write_text(facts.to_json(found, summary), encoding="utf-8")
            render.render(results, found, summary, look).write(fresh)
        publish.write_manifest(fresh, _card(results, labels, folders, look), {})
        if not publish.is_published(fresh, target):
            publish.publish(fresh, target)
    return tuple(target / f"report.{suffix}" for suffix in look.outputs)


def _presentation(folder: Path) -> render.Presentation:
    """How a report is shown, for a comparison to be shown alike: without its figures, and whole."""
    return replace(render.read_presentation(folder), figures=(), length="full", outputs=("html", "pdf", "md"))


def _card(
    results: Results, labels: tuple[str, str], folders: tuple[Path, Path], look: render.Presentation
) -> dict[str, Any]:
    """What identifies a comparison: what was compared, by label and by the digest of its results."""
    compared = [
        {"label": label, "results": (publish.read_manifest(folder) or {})["build"]["outputs"].get(RESULTS, "")}
        for label, folder in zip(labels, folders, strict=True)
    ]
    return {
        "layergrid": __version__, "kind": "diff", "spec": results.spec_name, "compared": compared,
        "versions": dict(results.versions), "expectations": [], "notes": [],
        "pages": render.fingerprint(look), "date": stamp(look.outputs),
    }  # fmt: skip


def _sentence(far: comparing.Apart, labels: tuple[str, str], tolerance: float | None) -> str:
    """How far two reports are apart, for a terminal: first how far, then what is not in both, then statuses."""
    size = f"the largest difference is {far.largest:.6g}, {far.where}" if far.largest else "no number differs"
    if not far.numbers:
        size = "no number can be compared" if far.grids else "no grid in common"
    limit = "" if tolerance is None or not far.numbers else f" (tolerance {tolerance:g})"
    told = [f"{labels[0]} and {labels[1]}: {size}{limit}"]
    if far.lacking:
        told.append(f"not in both: {_some(far.lacking)}")
    if far.changed:
        told.append(f"of another status: {_some(far.changed)}")
    return text.visible("; ".join(told))


def _some(found: tuple[str, ...]) -> str:
    more = f", and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return f"{'; '.join(found[:LISTED])}{more}"
