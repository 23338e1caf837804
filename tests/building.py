"""Builds small reports for the tests of commands, in this process or in one of their own."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MODEL_LIBRARIES = ("torch", "transformers", "sklearn")
HEAVY = (*MODEL_LIBRARIES, "pandas", "scipy.stats")
SPEC = """\
layergrid: 1
title: A small report
authors: [Ada]
models: {tiny: builtin:arithmetic}
datasets:
  sums:
    source: builtin:arithmetic
    sample: 60
    group: operands
    prompt: "Question: {{ question }}\\nAnswer:"
    generate: {max_new_tokens: 32, batch: 30}
positions: [last_q, exact_answer_last, -1]
grids:
  errors:
    kind: probe
    folds: 3
    penalties: [0.001, 0.1]
    baselines: [answer_length, exact_logprob_mean, operand sizes: [left_digits, right_digits]]
"""
# Runs a command, then tells on the last line of standard output what it imported.
DRIVER = f"""
import sys
from layergrid import cli
try:
    cli.main()
except SystemExit as ended:
    code = ended.code
print([name for name in {HEAVY!r} if name in sys.modules])
sys.exit(code)
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str
    imported: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A spec with its report and the cache that it was built in."""

    home: Path
    ran: Ran
    name: str = "small"

    @property
    def spec(self) -> Path:
        return self.home / f"{self.name}.yaml"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def report(self) -> Path:
        return self.home / "reports" / self.name


@contextlib.contextmanager
def cache(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERGRID_CACHE", str(folder))
        yield


def run(*arguments: object) -> Ran:
    """A command in this process."""
    from layergrid import cli

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["layergrid", *map(str, arguments)])
        patch.setenv("PYTHONSAFEPATH", "1")  # as the command does; it goes with this patch
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            cli.main()
    assert isinstance(ended.value.code, int)
    return Ran(ended.value.code, out.getvalue(), err.getvalue())


def child(*arguments: object, **environment: str) -> Ran:
    """A command in a process of its own, which tells what it imported."""
    command = [sys.executable, "-c", DRIVER, *map(str, arguments)]
    ended = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env={**os.environ, **environment}, check=False
    )
    *out, last = ended.stdout.splitlines(keepends=True) or [""]
    assert last.startswith("["), ended.stderr
    return Ran(ended.returncode, "".join(out), ended.stderr, tuple(ast.literal_eval(last)))


def build(home: Path, text: str, name: str = "small", *arguments: object) -> Study:
    """The report of a spec, with a cache and a folder of reports of its own in `home`."""
    study = Study(home, Ran(0, "", ""), name)
    study.spec.write_text(text, encoding="utf-8")
    with cache(study.cache):
        return Study(home, run("build", study.spec, "--out", home / "reports", *arguments), name)


_once: dict[str, Study] = {}


def shared(factory: pytest.TempPathFactory) -> Study:
    """A small report of the model that ships, built once a process; whoever changes it works on a copy."""
    if "small" not in _once:
        _once["small"] = build(factory.mktemp("small"), SPEC)
        assert _once["small"].ran.code == 0, _once["small"].ran.err
    return _once["small"]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
