"""Twelve maps of 33 x 25 with their profiles and all their words as a PDF: time and size."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import shapes
import synthetic
from layergrid import facts, prose, render
from layergrid.render import printing

MOST_SECONDS, MOST_BYTES = 12.0, 1_500_000


@pytest.mark.benchmark
def test_twelve_maps_with_profiles_and_words_are_printed_within_the_stated_time_and_size(capsys):
    names = [f"errors_{k}" for k in range(12)]
    grids = [synthetic.grid_result(name=n, layers=33, positions=shapes.places(25), n=300, seed=k)
             for k, n in enumerate(names)]  # fmt: skip
    results = replace(synthetic.results(n=60), grids=tuple(grids))
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    times, size = [], 0
    for _ in range(3):
        start = time.perf_counter()
        size = len(printing.pdf(render.prepare(results, found, summary, render.Presentation()), "A4"))
        times.append(time.perf_counter() - start)
    with capsys.disabled():
        print(f"\nPDF of 12 maps: {min(times):.1f} s at least, {np.median(times):.1f} s in the middle, {size} bytes")
    assert size < MOST_BYTES
    assert min(times) < MOST_SECONDS
