"""Builds of the demo that only draw again, and builds that do nothing: times and what they are made of."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from building import DRIVER
from layergrid import resources

TIMES = 5
NOTHING_CHANGED, DRAWN_AGAIN = 3.0, 5.0  # seconds of the fastest


def run(folder: Path, *arguments: str) -> tuple[float, str]:
    """How long a command takes in a process of its own, and what of the model's libraries it imported."""
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments], cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "LAYERGRID_CACHE": str(folder / "cache")},
    )  # fmt: skip
    return time.perf_counter() - start, ended.stdout.splitlines()[-1]


@pytest.mark.benchmark
def test_builds_of_the_demo_that_change_no_number_take_seconds_and_no_model(tmp_path, capsys):
    spec, written = tmp_path / "sums.yaml", resources.file("specs/arithmetic.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own" / "blocks" / "abstract.html.j2"
    own.parent.mkdir(parents=True)
    spec.write_text(written, encoding="utf-8")
    run(tmp_path, "build", "sums.yaml", "-q")

    def words(k: int) -> None:
        spec.write_text(f"interpretation: 'Said {k} times.'\n{written}", encoding="utf-8")

    def theme(k: int) -> None:
        spec.write_text(f"theme: {('screen', 'paper')[k % 2]}\nlayers_from: {k // 2 % 2}\n{written}", encoding="utf-8")

    def template(k: int) -> None:
        own.write_text(f'{{% include "layergrid/blocks/abstract.html.j2" %}}<p>Own {k}.</p>\n', encoding="utf-8")
        spec.write_text(f"templates: own\n{written}", encoding="utf-8")

    ways: dict[str, tuple[Callable[[int], None], tuple[str, ...], float]] = {
        "no change": (lambda _: None, ("build", "sums.yaml"), NOTHING_CHANGED),
        "words": (words, ("build", "sums.yaml"), DRAWN_AGAIN),
        "theme": (theme, ("build", "sums.yaml"), DRAWN_AGAIN),
        "own template": (template, ("build", "sums.yaml"), DRAWN_AGAIN),
        "render": (lambda _: None, ("render", "reports/sums"), DRAWN_AGAIN),
    }
    slow = []
    for name, (change, command, most) in ways.items():
        took = []
        for k in range(1, TIMES + 1):
            change(k)
            seconds, imported = run(tmp_path, *command, "-q")
            assert imported == "[]", imported
            took.append(seconds)
        with capsys.disabled():
            print(f"\n{name}: {min(took):.1f} s at least, {statistics.median(took):.1f} s in the middle")
        slow += [name] if min(took) > most else []
    assert not slow
