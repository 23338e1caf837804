"""Time and memory of a grid as large as the published ones, from activations on disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergrid.artifacts import Activations, Positions
from layergrid.grids.probe import ProbeGrid
from probe_inputs import make

pytestmark = pytest.mark.benchmark

LAYERS, PLACES, ROWS, WIDTH = 32, 15, 1000, 4096
SECONDS, BYTES = 12 * 60, 2e9


def states(path: Path, wrong: np.ndarray) -> np.ndarray:
    """Activations [L, P, N, D] in a file of 7.9 GB: a steep spectrum in a random basis, labels in the middle layers."""
    rng = np.random.default_rng(0)
    found = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(LAYERS, PLACES, ROWS, WIDTH))
    spread = np.arange(1, 301, dtype=np.float32) ** -0.5
    shared = rng.normal(size=(ROWS, 300)).astype(np.float32)
    for layer in range(LAYERS):
        basis = rng.normal(size=(300, WIDTH)).astype(np.float32)
        signal = 2 * np.exp(-(((layer - 16) / 8) ** 2))
        for place in range(PLACES):
            inner = 0.7 * shared + 0.7 * rng.standard_normal((ROWS, 300), dtype=np.float32)
            inner[:, 20] += signal * (place / PLACES) * wrong
            found[layer, place] = (inner * spread) @ basis + 0.3 * rng.standard_normal((ROWS, WIDTH), dtype=np.float32)
        found.flush()
    return np.load(path, mmap_mode="r")


@contextmanager
def memory() -> Iterator[list[int]]:
    """The most memory in bytes that this process and its children hold at once, less what is in files anyway."""
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            seen[0] = max(seen[0], sum(_held(pid) for pid in _family(os.getpid())))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _family(root: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem")))


def test_a_published_grid_with_refitted_permutations_takes_less_than_twelve_minutes(tmp_path: Path) -> None:
    inputs = make(n=ROWS, layers=1, width=2)
    wrong = ~inputs.labels.correct
    names = tuple(f"p{i}" for i in range(PLACES))
    there = np.ones((ROWS, PLACES), dtype=bool)
    values = states(tmp_path / "states.npy", wrong)
    zero = np.zeros(there.shape, dtype=np.int32)
    inputs = replace(
        inputs,
        positions=Positions(names, zero, zero + 1, np.full(there.shape, "ok", dtype="<U12")),
        activations={
            "residual": Activations("residual", tuple(range(1, LAYERS + 1)), names, inputs.examples.ids, values, there)
        },
    )
    with memory() as most:
        started = time.monotonic()
        result = ProbeGrid().compute(inputs)
        seconds = time.monotonic() - started
    print(
        f"\n{LAYERS * PLACES} cells, n = {ROWS}, d = {WIDTH}, 5 folds, 8 penalties chosen inside, 999 ridge "
        f"relabellings: {seconds / 60:.1f} minutes, {most[0] / 1e9:.2f} GB at most"
    )
    assert (result.grid.status == "ok").all()
    assert result.permutation is not None
    assert result.grid.settings["unconverged_fits"] == 0
    assert seconds < SECONDS
    assert most[0] < BYTES
