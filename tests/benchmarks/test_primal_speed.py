"""Time of probes of many rows against scikit-learn on two cores, and memory at 50,000 rows of width 4,096."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from layergrid.probes.primal import PrimalSolver
from layergrid.probes.solving import Task

pytestmark = pytest.mark.benchmark

ROUNDS, WORKERS, ROWS, WIDTH, FOLDS = 5, 2, 5000, 4096, 5
PATH = tuple(np.geomspace(10, 1e-4, 8))


def cell(rows: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [n, d] whose variances fall as 1 / k^2 along directions turned at random; planted classes."""
    from scipy.fft import dct

    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, width), dtype=np.float32)
    x /= np.arange(1, width + 1, dtype=np.float32)
    score = x[:, :50] @ random.standard_normal(50).astype(np.float32)
    x *= random.choice(np.array([-1, 1], dtype=np.float32), width)
    for first in range(0, rows, 1000):
        x[first : first + 1000] = dct(x[first : first + 1000], axis=1, norm="ortho")
    return x, 1.5 * score / score.std() + random.logistic(size=rows) > 0.4


def tasks(y: np.ndarray) -> list[Task]:
    place = np.arange(len(y)) % FOLDS
    return [Task(np.flatnonzero(place != k), np.flatnonzero(place == k), y) for k in range(FOLDS)]


def ours(x: np.ndarray, y: np.ndarray, penalties) -> list[np.ndarray]:
    """All folds of a cell in one thread, from features as they come."""
    with threadpool_limits(1):
        solutions = PrimalSolver(x).paths(tasks(y), penalties)
    assert all(each.converged.all() for each in solutions)
    return [each.scores for each in solutions]


def theirs(z: np.ndarray, y: np.ndarray, penalty: float, task: Task) -> np.ndarray:
    """One fit by scikit-learn's defaults, of features that are already standard."""
    from sklearn.linear_model import LogisticRegression

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # most fits stop at 100 iterations
        probe = LogisticRegression(C=1 / (len(task.train) * penalty)).fit(z[task.train], y[task.train])
        return probe.decision_function(z[task.test])


def standard(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def compare(name: str, penalties, rounds: int) -> dict[str, float]:
    """How many times longer scikit-learn takes for two cells: both ways on two processes of one thread."""
    from joblib import Parallel, delayed

    x, y = cell(ROWS, WIDTH)
    times: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
    with Parallel(n_jobs=WORKERS, backend="loky") as workers:
        workers(delayed(ours)(x[:200], y[:200], [1.0]) for _ in range(WORKERS))  # started, imports and maps done
        z = standard(x)
        for _ in range(rounds):  # in turn, so that a busy moment falls on both
            started = time.perf_counter()
            workers(delayed(ours)(x, y, penalties) for _ in range(WORKERS))
            times["ours"].append(time.perf_counter() - started)
            started = time.perf_counter()
            z = standard(x)
            jobs = [(penalty, task) for _ in range(WORKERS) for penalty in penalties for task in tasks(y)]
            workers(delayed(theirs)(z, y, penalty, task) for penalty, task in jobs)
            times["scikit-learn"].append(time.perf_counter() - started)
    found = {
        "min": min(times["scikit-learn"]) / min(times["ours"]),
        "median": statistics.median(b / a for a, b in zip(times["ours"], times["scikit-learn"], strict=True)),
    }
    print(f"\n{name}: {found}", {key: [round(one, 2) for one in each] for key, each in times.items()})
    return found


def test_five_folds_of_5000_rows_are_five_times_faster_than_by_scikit_learn():
    assert min(compare("one penalty, 1e-2", [1e-2], ROUNDS).values()) >= 5


@pytest.mark.parametrize("penalty", [1e-1, 1e-3])
def test_other_penalties_are_faster_than_by_scikit_learn(penalty):
    assert compare(f"one penalty, {penalty}", [penalty], 3)["min"] >= 1


def test_eight_penalties_are_faster_than_by_scikit_learn():
    assert compare("eight penalties", PATH, 2)["min"] >= 1


CHILD = """
import re, sys
from pathlib import Path
import numpy as np
import test_primal_speed as here

x, y = here.cell(50_000, 4096)
np.save(sys.argv[1], x)
del x
x = np.load(sys.argv[1], mmap_mode="r") if sys.argv[2] == "map" else np.load(sys.argv[1])
here.ours(np.asarray(x[:2000]), y[:2000], [1.0])  # imports
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
import time
started = time.perf_counter()
here.ours(x, y, [1e-2])
status = Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
print(peak / 1024, time.perf_counter() - started)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_50000_rows_of_width_4096_take_their_own_memory_one_copy_and_little_more(tmp_path):
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent), *sys.path])}
    command = [sys.executable, "-c", CHILD, str(tmp_path / "x.npy"), "array"]
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    peak, seconds = (float(each) for each in re.findall(r"[\d.]+", out))
    print(f"\npeak {peak:.0f} MB with the features as given (781 MB), {seconds:.1f} s for {FOLDS} folds in one thread")
    assert peak <= 2200


def test_a_graphics_card_gives_the_probes_of_the_processor_and_the_same_bytes_twice():
    import torch

    from layergrid.probes.device import TorchSolver

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device is here")
    for rows, width in ((1000, WIDTH), (3000, 1024)):
        x, y = cell(rows, width)
        there, again = (TorchSolver(x, "cuda").paths(tasks(y), PATH) for _ in range(2))
        here = TorchSolver(x, "cpu").paths(tasks(y), PATH)
        for one, other, same in zip(there, here, again, strict=True):
            assert one.converged.all()
            assert one.scores.tobytes() == same.scores.tobytes()
            np.testing.assert_allclose(one.scores, other.scores, atol=2e-3 * max(1, np.abs(other.scores).max()))
        torch.cuda.synchronize()
        started = time.perf_counter()
        TorchSolver(x, "cuda").paths(tasks(y), PATH)
        print(f"\n{rows} x {width}: {time.perf_counter() - started:.3f} s for {FOLDS} folds of {len(PATH)} penalties")
