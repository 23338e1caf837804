"""How fast a folder of many reports is listed: a hundred of 33 x 15 cells in under two seconds of one core."""

from __future__ import annotations

import shutil
import time

import pytest

import synthetic
from layergrid.pipeline import index
from test_verify import built


@pytest.mark.benchmark
def test_a_hundred_reports_are_listed_in_two_seconds(tmp_path):
    one = built(synthetic.results(layers=33, n=60), tmp_path / "reports" / "r000")
    for i in range(1, 100):
        shutil.copytree(one, one.parent / f"r{i:03}")
    times = []
    for _ in range(3):
        (one.parent / "index.html").unlink(missing_ok=True)
        started = time.process_time()
        index.write(one.parent)
        times.append(time.process_time() - started)
    assert min(times) < 2.0, times
