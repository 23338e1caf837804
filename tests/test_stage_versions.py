"""Each stage's version is tied to the code that decides its numbers; run as a program, this file accepts a change.

    python tests/test_stage_versions.py                           after a version was raised
    python tests/test_stage_versions.py --same-results capture    a change of code that changes no number of a stage

The code of a stage is what its modules import within the package, found by grimp, without what stands in the stages
that its key holds anyway and without what decides no number. Comments, docstrings and formatting do not count.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from layergrid import attention, capture, generate, lens, models, transfer
from layergrid.kinds import GridKind, known
from layergrid.pipeline import given, running, study
from layergrid.render import AFTER_THE_WAIST

GOLDEN = Path(__file__).parent / "golden" / "stage_versions.json"
SOURCE = Path(models.__file__).parent.parent

# Imported by stages, and not part of any.
DECIDE_NOTHING = {
    "artifacts": "what results look like, not what they are; the store has a FORMAT of its own",
    "console": "tells how far a build has come",
    "errors": "two classes",
    "fingerprints": "digests of files, which are parts of keys",
    "kinds": "the interfaces and the registry",
    "layers": "which layers a choice names, which stands in every result",
    "project": "where files may lie",
    "registry": "which kinds there are",
    "resources": "where the package's own files lie",
    "shards": "keeps parts byte for byte",
    "spec": "what a spec says is part of every key",
    "text": "words",
    "yamlsource": "reads specs",
}
# Imported by no stage.
STAND_OUTSIDE = {
    "changes": "names specs",
    "cli": "commands",
    "demo": "makes the data and the model that ship, whose digests are parts of keys",
    "doctor": "looks at the machine",
    "executors": "run tasks",
    "loaders": "the rows that they read are part of the keys, by their fingerprint",
    "lock": "pins what keys hold",
    "pipeline": "wires stages; it computes nothing itself",
    "publish": "moves folders",
    "store": "keeps what it is given",
    "tokenview": "shows tokens in a terminal",
    "verify": "reads reports",
}


@dataclass(frozen=True)
class Stage:
    """A stage's version, where it stands, and the modules where its code begins."""

    version: int
    where: str
    roots: tuple[str, ...]
    above: tuple[str, ...] = ()  # stages whose version its key holds too

    def __str__(self) -> str:
        return self.where


def stages() -> dict[str, Stage]:
    """Every stage that has a version: those of the pipeline and each grid kind."""
    model = ("model",)
    found = {
        "model": Stage(models.VERSION, "models.VERSION", ("models",)),
        "generate": Stage(generate.VERSION, "generate.VERSION", ("generate",), model),
        "positions": Stage(running.POSITIONS, "pipeline.running.POSITIONS", ("graders", "positions")),
        "given": Stage(given.GIVEN, "pipeline.given.GIVEN", ("precomputed",)),
        "capture": Stage(capture.VERSION, "capture.VERSION", ("capture",), model),
        "attention": Stage(attention.VERSION, "attention.VERSION", ("attention",), model),
        "lens": Stage(lens.VERSION, "lens.VERSION", ("lens",), model),
        "transfer": Stage(transfer.VERSION, "transfer.VERSION", ("transfer",)),
    }
    for name, kind in sorted(known(GridKind).items()):
        module = kind.__module__.removeprefix("layergrid.")
        if kind.__module__ != module:
            found[f"grid-{name}"] = Stage(kind.version, f"{module}.{kind.__name__}.version", (module,))
    roots = ("archive", "cards", "exemplars", *(room for room in AFTER_THE_WAIST if room not in DECIDE_NOTHING))
    found["report"] = Stage(study.REPORT, "pipeline.study.REPORT", roots)
    return found


# ---------------------------------------------------------------- the code of a stage


@cache
def graph() -> Any:
    import grimp

    return grimp.build_graph("layergrid", include_external_packages=False, cache_dir=None)


def room(module: str) -> str:
    return module.split(".")[0]


def reached(roots: tuple[str, ...]) -> set[str]:
    """Modules that these rooms or modules, with all that lies in them, import, and they themselves."""
    inside = {one for root in roots for one in (f"layergrid.{root}", *graph().find_descendants(f"layergrid.{root}"))}
    seen, waiting = set[str](), list(inside)
    while waiting:
        module = waiting.pop()
        name = module.removeprefix("layergrid.")
        if module in seen or module == "layergrid" or room(name) in DECIDE_NOTHING:
            continue
        seen.add(module)
        waiting += graph().find_modules_directly_imported_by(module)
    return {module.removeprefix("layergrid.") for module in seen}


@cache
def code_of(stage: str) -> tuple[str, ...]:
    """The modules whose code decides the numbers of a stage, and no other version tells of."""
    every = stages()
    found = reached(every[stage].roots)
    for other in every[stage].above:
        found -= reached(every[other].roots)
    if stage == "report":  # `render.fingerprint` has these as they are when the report is built
        found = {module for module in found if room(module) not in AFTER_THE_WAIST}
    return tuple(sorted(found))


def bare(node: ast.AST | list[Any] | object) -> Any:
    """A tree without docstrings, places and empty fields, which differ between versions of Python."""
    if isinstance(node, list):
        return [bare(one) for one in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields: Iterator[tuple[str, Any]] = ast.iter_fields(node)
    kept = {name: value for name, value in fields if value not in (None, []) and name not in ("kind", "type_comment")}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        kept["body"] = node.body[1:]
    return [type(node).__name__, {name: bare(value) for name, value in sorted(kept.items())}]


def digest(source: str) -> str:
    """Of the code alone."""
    return hashlib.sha256(json.dumps(bare(ast.parse(source))).encode("ascii")).hexdigest()[:16]


@cache
def digest_of(module: str) -> str:
    path = SOURCE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return digest(file.read_text(encoding="utf-8"))


def current() -> dict[str, Any]:
    """What the golden file would hold now."""
    found = {name: {"version": one.version, "modules": list(code_of(name))} for name, one in stages().items()}
    every = sorted({module for name in found for module in code_of(name)})
    return {"modules": {one: digest_of(one) for one in every}, "stages": found}


def changed(golden: Mapping[str, Any], now: Mapping[str, Any], stage: str) -> list[str]:
    """Modules of a stage whose code is not that of the golden file, which came or went."""
    before = set(golden["stages"].get(stage, {}).get("modules", ()))
    after = set(now["stages"][stage]["modules"])
    return sorted(one for one in before | after if (one in before) != (one in after) or differs(golden, now, one))


def differs(golden: Mapping[str, Any], now: Mapping[str, Any], module: str) -> bool:
    return bool(golden["modules"].get(module) != now["modules"].get(module))


# ---------------------------------------------------------------- the tests


def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("stage", sorted(stages()))
def test_the_version_of_a_stage_is_that_of_its_code(stage):
    kept, now = golden(), current()
    modules = changed(kept, now, stage)
    assert not modules, (
        f"the code of stage {stage} changed ({', '.join(modules)}); if its results change, raise {stages()[stage]}; in "
        f"either case write the golden file anew: python tests/test_stage_versions.py [--same-results {stage}]"
    )
    assert kept["stages"][stage]["version"] == stages()[stage].version, (
        f"the version of stage {stage} changed; write the golden file anew: python tests/test_stage_versions.py"
    )


def test_the_golden_file_knows_no_other_stage():
    assert golden()["stages"].keys() == stages().keys()


def test_every_room_belongs_to_a_stage_or_has_a_reason_not_to():
    rooms = {one.split(".")[1] for one in graph().modules if "." in one}
    decide = {room(module) for stage in stages() for module in code_of(stage)} | set(AFTER_THE_WAIST)
    assert rooms - decide - DECIDE_NOTHING.keys() - STAND_OUTSIDE.keys() == set()
    assert STAND_OUTSIDE.keys() - rooms == set()
    assert DECIDE_NOTHING.keys() - rooms == set()
    assert STAND_OUTSIDE.keys() & decide == set()


def test_all_that_a_probe_imports_is_its_code():
    code = code_of("grid-probe")
    assert {"grids.probe", "probing.fitting", "probes.cells", "stats.metrics", "selection", "baselines"} <= set(code)
    assert not any(room(module) in ("models", "capture", "kinds") for module in code)


def test_a_pass_over_the_model_has_what_loads_it_above_itself():
    assert set(code_of("capture")) == {"capture", "capture.values", "models.feeding"} - set(code_of("model"))
    assert {"models", "models.loading", "models.tracing"} <= set(code_of("model"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1", "x  =  1  # one", True),
        ('"""A."""\nx = 1', '"""B."""\nx = 1', True),
        ('def f():\n    """A."""\n    return 1', "def f():\n\n    return 1", True),
        ("f(a, b)", "f(\n    a,\n    b,\n)", True),
        ("x = 1", "x = 2", False),
        ("x = 1", "x = 1.0", False),
        ("def f(a, b): return a", "def f(b, a): return a", False),
        ("x = 'a'", "x = b'a'", False),
        ("f(a)", "f(*a)", False),
        ("x = [1, 2]", "x = (1, 2)", False),
    ],
)
def test_code_is_told_from_its_looks(one, other, same):
    assert (digest(one) == digest(other)) == same


def test_a_change_is_accepted_with_a_raised_version_or_a_word_and_not_otherwise(tmp_path, monkeypatch, capsys):
    file = tmp_path / "golden.json"
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", file)
    old = current()
    old["modules"]["lens"] = "another"
    old["stages"]["grid-table"]["version"] -= 1
    old["modules"]["grids.table"] = "another"
    file.write_text(json.dumps(old), encoding="utf-8")
    assert accept([]) == 1
    assert "lens" in capsys.readouterr().err
    assert json.loads(file.read_text(encoding="utf-8")) == old
    assert accept(["--same-results", "lens"]) == 0
    assert json.loads(file.read_text(encoding="utf-8")) == current()


# ---------------------------------------------------------------- accepting a change


def accept(arguments: list[str]) -> int:
    """Writes the golden file anew where each change has its word; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--same-results", action="append", default=[], choices=sorted(stages()), metavar="STAGE")
    same = parser.parse_args(arguments).same_results
    now = current()
    kept = golden() if GOLDEN.exists() else now
    refused = False
    for name, one in stages().items():
        modules, before = changed(kept, now, name), kept["stages"].get(name, {}).get("version", 0)
        if modules and one.version <= before and name not in same:
            refused = True
            print(f"{name}: {', '.join(modules)} changed; raise {one}, or say --same-results {name}", file=sys.stderr)
    if not refused:
        GOLDEN.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return int(refused)


if __name__ == "__main__":
    sys.exit(accept(sys.argv[1:]))
