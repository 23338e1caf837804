"""Specs in a few lines and the reading of them, for the tests of specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from layergrid import resources
from layergrid.kinds import ChartKind, Grader, GridKind, Loader, known
from layergrid.spec import Spec, SpecError, parse_spec
from layergrid.text import listed
from layergrid.yamlsource import Source

SHIPPED = resources.file("specs/arithmetic.yaml")
FIFTEEN = (
    "last_q", "first_answer", "second_answer", "exact_answer_before_first", "exact_answer_first",
    "exact_answer_last", "exact_answer_after_last", "-8", "-7", "-6", "-5", "-4", "-3", "-2", "-1",
)  # fmt: skip
MINIMAL = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums:
    source: builtin:arithmetic
    prompt: "{{ question }}"
grids:
  errors: probe
"""
BASE = """\
layergrid: 1
seed: 0
models:
  tiny: builtin:arithmetic
datasets:
  sums:
    source: data.csv
    sample: 100
    prompt: "Q: {{ question }}"
    generate: {max_new_tokens: 32}
    grade: {kind: numeric, gold: answer}
positions: [last_q, exact_answer_last, -2, -1]
grids:
  errors:
    kind: probe
    folds: 5
    penalties: {from: 1e-5, to: 1, count: 8}
figures:
  - {kind: heatmap, grid: errors, tick: 2}
expect:
  - {grid: errors, nested_best: {at_least: 0.6}}
outputs: [html, pdf]
"""


def read(text: str, overrides: tuple[str, ...] = (), name: str = "t.yaml") -> Spec:
    return parse_spec(Source(name, text), Path(name), overrides)


def errors(text: str, overrides: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(text, overrides)
    return [str(problem) for problem in caught.value.problems]


def error(text: str, overrides: tuple[str, ...] = ()) -> str:
    found = errors(text, overrides)
    assert len(found) == 1, "\n".join(found)
    return found[0]


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1
    return BASE.replace(old, new)


def names(spec: Spec) -> tuple[str, ...]:
    return tuple(resolver.model_dump()["name"] for resolver in spec.positions)


# What others may add to without a change here.
GRIDS = sorted(known(GridKind))
CHARTS = ", ".join(sorted(known(ChartKind)))
GRADERS = listed(sorted(known(Grader)), "or")
PROBE_KEYS = listed(
    [field.alias or name for name, field in known(GridKind)["probe"].model_fields.items()]
    + ["matrix", "override", "differences"],
    "or",
)
SUFFIXES = listed([suffix for kind in known(Loader).values() for suffix in kind.suffixes], "or")
SOURCES = f"builtin:NAME, folder:NAME, hf:NAME or a file ending in {SUFFIXES}"
THEMES = ", ".join(sorted(path.stem for path in (resources.folder("templates") / "themes").glob("*.yaml")))
