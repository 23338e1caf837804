"""What a build would do: which stages are kept, which are made and why, and what that costs; it runs none of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from layergrid import models
from layergrid.console import Silent
from layergrid.console.ledger import duration, size
from layergrid.pipeline import locking
from layergrid.pipeline.reasons import NEVER, History
from layergrid.pipeline.stages import Stage
from layergrid.pipeline.study import Study
from layergrid.spec import Spec
from layergrid.store import Entry, State, Store
from layergrid.text import count, listed

Doing = Literal["kept", "make", "not needed"]


@dataclass(frozen=True)
class Step:
    """One stage of a plan."""

    stage: Stage
    doing: Doing
    reasons: tuple[str, ...] = ()  # why it is made
    seconds: float | None = None  # estimated; None: no earlier run to go by
    bytes: int | None = None  # estimated or counted; None: not known before


@dataclass(frozen=True)
class Plan:
    """What a build of one spec would do."""

    spec: str
    steps: tuple[Step, ...]
    downloads: tuple[str, ...]  # models that are not on this machine and will be run
    free: int  # bytes on the disk of the cache
    drift: tuple[str, ...] = ()  # what differs from the lock

    @property
    def made(self) -> tuple[Step, ...]:
        """The stages that will be made."""
        return tuple(one for one in self.steps if one.doing == "make")

    @property
    def passes(self) -> int:
        """Sequences that go through a model, at most."""
        return sum(one.stage.work.passes for one in self.made)

    @property
    def seconds(self) -> float:
        """Of the stages whose time can be told; loading models is not in it."""
        return sum(one.seconds or 0.0 for one in self.made)

    @property
    def bytes(self) -> int:
        """Of the stages whose size can be told."""
        return sum(one.bytes or 0 for one in self.made)

    @property
    def untimed(self) -> tuple[str, ...]:
        """Labels of stages without an earlier run to go by."""
        return tuple(one.stage.label for one in self.made if one.seconds is None)

    @property
    def unsized(self) -> tuple[str, ...]:
        """Labels of stages whose size is not known before."""
        return tuple(one.stage.label for one in self.made if one.bytes is None)

    @property
    def fits(self) -> bool:
        """Whether what is known of its size fits on the disk."""
        return self.bytes <= self.free


def plan_of(spec: Spec, trust: models.Trust | None = None) -> Plan:
    """What a build of a spec would do now.

    Raises:
        BadInput: the data or the model do not fit the spec.
        BuildError: a model of the hub is not on this machine, and the hub cannot be reached.
    """
    study = Study(spec, Store(), Silent(), trust)
    if study.trust.locked:
        locking.hold(study)
    return replace(plan(study), drift=locking.drift(study))


def plan(study: Study) -> Plan:
    """What a build of this study would do now."""
    stages = {one.label: one for one in study.stages()}
    states: dict[str, State] = {label: study.store.state(one.key) for label, one in stages.items() if one.stored}
    needed = _needed(stages, states)
    made = frozenset(label for label in needed if label in states and states[label] != "kept")
    history = History(stages, study.store.remembered(study.called) if made else {}, made)
    entries = list(study.store.entries()) if made else []
    steps = []
    for label, state in states.items():
        stage = stages[label]
        if label not in made:
            steps.append(Step(stage, "kept" if state == "kept" else "not needed"))
            continue
        alike = _alike(stage, entries)
        space = stage.work.bytes
        if space is None:
            space = _rounded(_scaled([(one.amount, float(one.bytes)) for one in alike], stage.work.amount))
        time = _scaled([(one.amount, one.seconds) for one in alike], stage.work.amount)
        why = history.why(stage, state)
        if study.store.begun(stage.key):
            why = (*(one for one in why if one != NEVER), "an earlier build has begun it")
        steps.append(Step(stage, "make", why, time, space))
    run = dict.fromkeys(one.stage.loads for one in steps if one.doing == "make" and one.stage.loads)
    here = study.spec
    missing = tuple(here.models[one].address for one in run if not _is_here(study, one))
    return Plan(here.name, tuple(steps), missing, _free(study.store.root))


def sentence(found: Plan) -> str:
    """What will be made, in one line; what does not fit on the disk in a second one. Empty where nothing is made."""
    if not found.made:
        return ""
    history = History({one.stage.label: one.stage for one in found.steps}, {}, frozenset())
    named = []
    for one in found.made:
        work = one.stage.work
        named.append(history.short(one.stage) + (f" ({count(work.amount)} {work.unit})" if work.passes else ""))
    said = [f"to make: {', '.join(named)}"]
    if len(found.untimed) < len(found.made):
        rest = f" and what {listed([history.short(one.stage) for one in found.made if one.seconds is None])} takes"
        said.append(f"about {duration(found.seconds)}" + rest * bool(found.untimed))
    if found.bytes:
        said.append(("at least " if found.unsized else "") + size(found.bytes))
    if found.downloads:
        said.append(f"to download: {', '.join(found.downloads)}")
    return "\n".join(["; ".join(said), *([too_large(found)] if not found.fits else [])])


def too_large(found: Plan) -> str:
    """That a plan does not fit on the disk, and what to do."""
    return (
        f"the cache's disk has {size(found.free)} left, and this needs {size(found.bytes)}: make room with "
        "`layergrid cache gc`, or set LAYERGRID_CACHE to a folder on another disk"
    )


def as_json(found: Plan) -> dict[str, Any]:
    """A plan for machines; null where something is not known."""
    return {
        "spec": found.spec,
        "stages": [
            {
                "stage": one.stage.label, "key": one.stage.key.digest, "inputs": list(one.stage.inputs),
                "doing": one.doing, "reasons": list(one.reasons), "amount": one.stage.work.amount,
                "unit": one.stage.work.unit, "passes": one.stage.work.passes,
                "bytes": one.bytes, "seconds": one.seconds if one.seconds is None else round(one.seconds, 2),
            }
            for one in found.steps
        ],
        "total": {
            "passes": found.passes, "bytes": found.bytes, "bytes_unknown": list(found.unsized),
            "seconds": round(found.seconds, 2), "seconds_unknown": list(found.untimed),
        },
        "drift": list(found.drift), "downloads": list(found.downloads), "disk_free": found.free, "fits": found.fits,
    }  # fmt: skip


# ---------------------------------------------------------------- which stages


def _needed(stages: Mapping[str, Stage], states: Mapping[str, State]) -> set[str]:
    """The last stage, and all that is read by a needed stage that is not kept."""
    needed = {[*stages][-1]}
    for label in reversed([*stages]):
        if label in needed and states.get(label) != "kept":
            needed |= set(stages[label].inputs)
    return needed


def _is_here(study: Study, model: str) -> bool:
    return models.is_here(study.wanted(model), study.spec.project.called(f"models.{model}"), trust=study.trust)


# ---------------------------------------------------------------- what it costs


def _alike(stage: Stage, entries: Iterable[Entry]) -> list[Entry]:
    """Earlier results of the same stage, of the same model where it runs one, whose settings are most like these."""
    settings = stage.key.parts["parts"]
    same = [
        one for one in entries
        if one.stage == stage.key.stage and one.amount > 0 and one.seconds > 0
        and isinstance(one.whole.get("parts"), Mapping) and one.whole["parts"].get("model") == settings.get("model")
    ]  # fmt: skip
    alike = [_common(one.whole["parts"], settings) for one in same]
    return [one for one, common in zip(same, alike, strict=True) if common == max(alike)]


def _common(some: Any, others: Any) -> int:
    """How many single values two nests of values share."""
    if isinstance(some, Mapping) and isinstance(others, Mapping):
        return sum(_common(some[name], others[name]) for name in some if name in others)
    if isinstance(some, list) and isinstance(others, list) and len(some) == len(others):
        return sum(_common(one, other) for one, other in zip(some, others, strict=True))
    return int(bool(some == others))


def _scaled(known: Sequence[tuple[int, float]], amount: int) -> float | None:
    """The cost of an amount from (amount, cost) of earlier runs: a line through several amounts, else in proportion."""
    if not known or not amount:
        return None
    n, xs, ys = len(known), [x for x, _ in known], [y for _, y in known]
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in known) / spread if spread else 0.0
    start = mean_y - slope * mean_x
    if slope <= 0 or start < 0:  # one amount, or noise: nothing is known of what a start costs
        return mean_y / mean_x * amount
    return start + slope * amount


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _free(folder: Path) -> int:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return shutil.disk_usage(there).free
