"""Holds a study against layergrid.lock, and makes the block that pins it; it computes nothing itself."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid import generate, lock, models
from layergrid.artifacts import HeldOut, Sequences
from layergrid.console import Reporter
from layergrid.kinds import BadInput
from layergrid.pipeline.reasons import ROW
from layergrid.pipeline.study import Study, library_versions
from layergrid.spec import Spec
from layergrid.store import Store
from layergrid.text import listed, plural

if TYPE_CHECKING:
    from layergrid.models import Trust

MANY = 4  # differences that are told one by one


def hold(study: Study) -> None:
    """Holds what is known before anything runs against the lock; differences are told, or refused where `locked`.

    Raises:
        BadInput: the trust is for what is locked alone, and something differs or is not locked.
    """
    block = study.locked
    if block is None:
        if study.trust.locked:
            raise BadInput(
                f"{_file(study.spec)}: has no entry for {study.spec.name}; make it with {_accept(study.spec)}"
            )
        return
    _tell(study, lock.drift(block, _known(study)))


def hold_made(study: Study, manifest: Mapping[str, Any]) -> None:
    """The same for batches and splits, from the manifest of a report that is not published yet."""
    if study.locked is None:
        return
    found = manifest.get("locked") or made(study)
    batches = {name: lock.BatchPin(**one) for name, one in found["batches"].items()}
    splits = {name: lock.SplitPin(**one) for name, one in found["splits"].items()}
    if splits and study.locked.platform != lock.here():
        study.reporter.note(
            f"{study.spec.name}: splits are not held against {lock.NAME}, which was made on {study.locked.platform}: "
            f"they follow from answers, and these may differ on {lock.here()}"
        )
    _tell(study, lock.late_drift(study.locked, batches, splits))


def drift(study: Study) -> tuple[str, ...]:
    """What differs from the lock, as far as that is known before anything runs; empty without a lock."""
    return () if study.locked is None else lock.drift(study.locked, _known(study))


def made(study: Study) -> dict[str, dict[str, Any]]:
    """Batches and splits of a study whose results are made, for its manifest; JSON values."""
    return {
        "batches": {name: one.model_dump() for name, one in _batches(study).items()},
        "splits": {name: one.model_dump() for name, one in _splits(study).items()},
    }


def write(spec: Spec, reporter: Reporter, trust: Trust | None = None) -> tuple[Path, tuple[str, ...]]:
    """Locks what a spec stands on now, and makes for that what is not in the store; the file, and what differs in it.

    A model of the hub without a revision is taken as it is on the hub now.

    Raises:
        BadInput: the data or the model do not fit the spec, or the lock file is none.
        BuildError: something failed on the way; the file stays as it was.
    """
    trust = replace(trust or models.Trust(), locked=False)
    study = Study(spec, Store(warn=reporter.note), reporter, trust, pinned=False)
    file, there = _file(spec), spec.project.path(lock.NAME, lock.NAME)  # a link within the project stays one
    before = lock.read(there).get(spec.name)
    block = _known(study).model_copy(update={"batches": _batches(study), "splits": _splits(study)})
    lock.write(there, spec.name, block)
    if before is None:
        return file, ("new",)
    return file, (*lock.drift(before, block), *lock.late_drift(before, block.batches, block.splits))


def _tell(study: Study, found: Sequence[str]) -> None:
    if not found:
        return
    more = [plural(len(found) - MANY, "further difference")] if len(found) > MANY else []
    said = f"{'; '.join([*found[:MANY], *more])}; accept with {_accept(study.spec)}"
    if study.trust.locked:
        raise BadInput(f"{_file(study.spec)}: {study.spec.name}: {said}")
    study.reporter.note(said)


def _file(spec: Spec) -> Path:
    spec.project.path(lock.NAME, lock.NAME)  # raises BadInput where it is a link that leads out
    return spec.project.folder / lock.NAME


def _accept(spec: Spec) -> str:
    there = [file for suffix in ("yaml", "yml") if (file := spec.project.folder / f"{spec.name}.{suffix}").is_file()]
    return f"`layergrid lock {there[0] if there else spec.project.folder / spec.name}`"


# ---------------------------------------------------------------- what is pinned


def _known(study: Study) -> lock.Block:
    """All that is known before anything runs."""
    stages = [one for one in study.stages() if one.key.stage not in ("data", "spec", "report")]
    sequences = {f"{a.model} on {a.dataset}": a.sequences_stage for a in study.answers.values()}
    pins = {a.model: a.identity for a in study.answers.values()}
    return lock.Block(
        models={n: lock.ModelPin(address=study.spec.models[n].address, identity=one) for n, one in pins.items()},
        data={
            name: lock.DataPin(
                source=one["source"], rows=len(one["rows"]) // ROW, fingerprint=one["fingerprint"],
                digests=lock.row_lines(one["rows"], ROW),
            )
            for name, one in study.data_parts().items()
        },
        prompts={
            name: lock.PromptPin(count=one.work.amount, digest=str(one.key.parts["parts"]["prompts"]))
            for name, one in sequences.items() if one is not None
        },
        libraries={n: lock.public(one) for n, one in library_versions(bool(study.answers)).items()},
        stages={one.key.stage: int(one.key.parts["version"]) for one in stages},
        platform=lock.here(),
    )  # fmt: skip


def _batches(study: Study) -> dict[str, lock.BatchPin]:
    """Of all answers that are written: which prompts stand together, as their lengths alone decide it."""
    found = {}
    for answers in study.answers.values():
        settings = answers.data.generate
        if settings is not None and answers.sequences_stage is not None:
            batches = _plan(answers.sequences, settings.batch)
            found[f"{answers.model} on {answers.dataset}"] = lock.BatchPin(count=len(batches), digest=_digest(batches))
    return found


def _plan(sequences: Sequences, batch: int) -> list[list[str]]:
    planned = generate.plan([int(n) for n in sequences.prompt_tokens], batch)
    return [[sequences.example_ids[i] for i in members] for members in planned]


def _splits(study: Study) -> dict[str, lock.SplitPin]:
    """Of all grids with held-out scores: who is held out where."""
    pairs = zip(study.spec.grids, study.results.grids, strict=True)
    return {name: _split(one.held_out) for name, one in pairs if one.held_out is not None}


def _split(held: HeldOut) -> lock.SplitPin:
    rows = sorted(zip(held.folds.tolist(), held.example_ids, strict=True))
    folds = [_counts(held, k) for k in sorted(set(held.folds.tolist()))]
    return lock.SplitPin(digest=_digest(rows), folds=folds)


def _counts(held: HeldOut, fold: int) -> str:
    """A fold in words: its rows, and those of each class."""
    inside = held.folds == fold
    rows = plural(int(inside.sum()), "row")
    if held.classes and held.target is not None:
        codes = Counter(int(code) for code in held.target[inside])
        return f"{rows}, {listed(f'{codes[i]} {word}' for i, word in enumerate(held.classes))}"
    return rows if held.target is not None else f"{rows}, {int(held.labels[inside].sum())} positive"


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value).encode("ascii")).hexdigest()
