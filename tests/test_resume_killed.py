"""Builds that are killed at any moment, and what the next build makes of what they left."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from building import tree
from killing import Ended, Nursery

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds are forked")

SPEC = """\
layergrid: 1
title: Every stage in little
authors: [Ada]
models: {{tiny: builtin:arithmetic}}
datasets:
  sums:
    source: builtin:arithmetic
    sample: {sample}
    group: operands
    prompt: "Question: {{{{ question }}}}\\nAnswer:"
    generate: {{max_new_tokens: 24, batch: 8}}
positions: [last_q, exact_answer_last]
outputs: [{outputs}]
grids:
  errors: {{kind: probe, folds: 3, penalties: [0.001, 0.1], permutations: 19, baselines: [{baselines}]}}
  looks: {{kind: attention, from: last_q}}
"""
MORE = """\
  sizes: {kind: activation, contrast: error}
  next: {kind: logit_lens, target: next, measure: probability}
"""
STAGES = (
    "generate", "capture", "untrained", "attention", "grid-probe", "grid-attention", "grid-activation",
    "grid-logit_lens", "report", "publish", "between",
)  # fmt: skip
TIMED = 7  # of the fifty moments: a machine that has become quicker since ends its build before some of them
NOT_RESULTS = ("locks", "unfinished")


@dataclass(frozen=True)
class Workload:
    """A spec with what an undisturbed build of it gave."""

    spec: Path
    whole: Ended
    bytes: dict[str, bytes]

    def steps(self, stage: str) -> list[int]:
        """The numbers of the steps of a stage, counted from 1."""
        return [i for i, path in enumerate(self.whole.steps, start=1) if stage_of(path) == stage]


def stage_of(path: str) -> str:
    """The stage that a step belongs to."""
    inside = re.search(r"/unfinished/([^/]+)-[0-9a-f]{20}", path)
    if inside is not None:
        return inside[1]
    return "publish" if "/reports" in path else "between"


def left(home: Path) -> dict[str, bytes]:
    """The bytes of the report and of all results in the cache, but for what tells of the run."""
    found = tree(home / "reports" / "tiny")
    for stage in sorted((home / "cache" / "v1").iterdir()):
        if stage.name not in NOT_RESULTS and all(len(entry.name) == 64 for entry in stage.iterdir()):
            found |= {f"{stage.name}/{name}": content for name, content in tree(stage).items()}
    for name in [name for name in found if name.endswith("manifest.json")]:
        found[name] = json.dumps({**json.loads(found[name]), "run": None}).encode()
    return {name: content for name, content in found.items() if not name.endswith("entry.json")}


def workload(nursery: Nursery, home: Path, text: str) -> Workload:
    home.mkdir(exist_ok=True)
    spec = home / "tiny.yaml"
    spec.write_text(text, encoding="utf-8")
    whole = nursery.build(spec, home / "whole")
    assert whole.code == 0, whole.told
    return Workload(spec, whole, left(home / "whole"))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as one:
        yield one


@pytest.fixture(scope="module")
def several(nursery, tmp_path_factory) -> Workload:
    text = SPEC.format(sample=48, outputs="html, md", baselines="untrained, layer_0") + MORE
    return workload(nursery, tmp_path_factory.mktemp("several"), text)


def goes_on(nursery: Nursery, made: Workload, home: Path, before: Sequence[Ended]) -> Ended:
    """Builds once more after builds that were ended: to the same bytes, and what was finished is not made again."""
    last = nursery.build(made.spec, home)
    assert last.code == 0, last.told
    found = left(home)
    assert found.keys() == made.bytes.keys()
    assert [name for name in found if found[name] != made.bytes[name]] == []
    assert [
        one.name for one in (home / "cache" / "v1" / "unfinished").iterdir() if not one.name.endswith("-parts")
    ] == []
    assert list((home / "cache").rglob("shards")) == []
    for what, needed in made.whole.ran.items():
        begun = sum(one.ran[what] for one in (*before, last))
        assert begun <= needed + len(before), f"{what}: {begun} of {needed}"  # each end costs the one that ran at most
    return last


def test_a_build_that_is_killed_over_and_over_goes_on_to_the_same_bytes(nursery, tmp_path):
    made = workload(nursery, tmp_path, SPEC.format(sample=32, outputs="md", baselines="layer_0"))
    every = len(made.whole.steps) // 4
    killed: list[Ended] = []
    for _ in range(3):
        killed.append(nursery.build(made.spec, tmp_path / "killed", stop=every))
        assert killed[-1].code == -signal.SIGKILL, killed[-1].told
    last = goes_on(nursery, made, tmp_path / "killed", killed)
    assert "goes on from what an earlier build had finished of it" in "".join(one.told for one in (*killed, last))
    assert sum(last.ran.values()) < sum(made.whole.ran.values())
    assert sum(sum(one.ran.values()) for one in killed) > 0


# ---------------------------------------------------------------- fifty moments


@dataclass(frozen=True)
class Moment:
    """When a build is ended."""

    name: str
    stop: int = 0
    after: float | None = None
    end: int = signal.SIGKILL


@dataclass
class Tally:
    """What came of all moments."""

    hit: Counter[str] = field(default_factory=Counter)
    saved: Counter[str] = field(default_factory=Counter)
    late: int = 0


def moments(made: Workload) -> list[Moment]:
    """The first, the middle and the last step of every stage, steps between them, and moments in time: fifty."""
    found = []
    for stage in STAGES:
        steps = made.steps(stage)
        assert steps, stage
        found += [Moment(f"{stage} {steps[at]}", steps[at]) for at in (0, len(steps) // 2, -1)]
    between = [
        len(made.whole.steps) * i // (50 - TIMED - len(found) + 1) for i in range(1, 50 - TIMED - len(found) + 1)
    ]
    seconds = [made.whole.seconds * i / (TIMED + 1) for i in range(1, TIMED + 1)]
    found += [Moment(f"step {stop}", stop) for stop in between]
    return found + [Moment(f"second {after:.2f}", after=after) for after in seconds]


def one_moment(nursery: Nursery, made: Workload, home: Path, moment: Moment, tally: Tally) -> None:
    killed = nursery.build(made.spec, home, stop=moment.stop, after=moment.after, end=moment.end)
    if moment.after is not None and killed.code == 0:
        tally.late += 1
    else:
        assert killed.code == -signal.SIGKILL, f"{moment.name}: {killed.told}"
        tally.hit[stage_of(killed.steps[-1]) if killed.steps else "start"] += 1
    last = goes_on(nursery, made, home, [killed])
    for what, needed in made.whole.ran.items():
        tally.saved[what] += needed - last.ran[what]
    shutil.rmtree(home)


@pytest.mark.slow
def test_fifty_kills_spread_over_every_stage_are_each_followed_by_the_bytes_of_an_undisturbed_build(several, tmp_path):
    """Bytes of the report and of every result in the cache; finished batches and cells are not computed again."""
    tally, chosen = Tally(), moments(several)
    assert len(chosen) == 50

    def work(part: int) -> None:
        with Nursery() as mine:
            for i, moment in list(enumerate(chosen))[part::2]:
                one_moment(mine, several, tmp_path / str(i), moment, tally)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    print(f"\nkilled in: {dict(tally.hit)}; too late: {tally.late}; not computed again: {dict(tally.saved)}")
    assert set(STAGES) <= tally.hit.keys()
    assert tally.hit.total() + tally.late == 50
    assert tally.late <= TIMED
    assert all(tally.saved[what] > 0 for what in ("generate", "capture", "attention", "cell"))


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("stage", ["generate", "capture", "grid-probe", "report", "publish"])
def test_a_build_that_is_asked_to_end_leaves_what_the_next_goes_on_from(end, stage, nursery, several, tmp_path):
    steps = several.steps(stage)
    ended = nursery.build(several.spec, tmp_path, stop=steps[len(steps) // 2], end=end)
    assert ended.code != 0
    assert "Traceback" not in ended.told
    last = goes_on(nursery, several, tmp_path, [ended])
    if stage == "generate":
        assert last.ran["generate"] < several.whole.ran["generate"]


@pytest.mark.slow
# Fewer steps than a grid takes to be written, which is made in one go, would never come to an end.
@pytest.mark.parametrize("every", [23, 61])
def test_a_build_that_is_killed_every_few_steps_comes_to_its_end(every, nursery, several, tmp_path):
    killed: list[Ended] = []
    while (one := nursery.build(several.spec, tmp_path, stop=(len(killed) % 3 + 1) * every)).code != 0:
        killed.append(one)
        assert one.code == -signal.SIGKILL, one.told
        assert len(killed) < 200
    assert len(killed) >= 3
    goes_on(nursery, several, tmp_path, [*killed, one])


@pytest.mark.slow
def test_a_pdf_that_is_killed_while_it_is_drawn_has_the_same_bytes(nursery, tmp_path):
    made = workload(nursery, tmp_path, SPEC.format(sample=32, outputs="html, pdf, md", baselines="layer_0"))
    steps = made.steps("report")
    for i, stop in enumerate((steps[len(steps) // 2], steps[-3], steps[-2])):
        killed = nursery.build(made.spec, tmp_path / str(i), stop=stop)
        assert killed.code == -signal.SIGKILL, killed.told
        goes_on(nursery, made, tmp_path / str(i), [killed])
