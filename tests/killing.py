"""Builds in processes of their own that end themselves, or are ended, at a chosen moment.

One process imports everything heavy once and then forks for each build, so that fifty builds take a few minutes. Each
build counts its steps (a file of the cache or the report opened for writing, renamed, removed, a folder made) and notes
every batch or cell that it computes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

NURSERY = """
import importlib, json, os, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
from layergrid import cli, capture
from layergrid.generate import decoding
from layergrid.attention import trial
from layergrid import attention
from layergrid.probes import cells, keeping

EVENTS = {"os.rename": 0, "os.mkdir": 0, "os.remove": 0, "os.rmdir": 0}

def begin(order):
    os.setsid()
    log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1), os.dup2(log, 2)
    notes = os.open(order["notes"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.environ.update(order["environment"])
    steps = 0

    def watch(event, args):
        nonlocal steps
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not (writes or event in EVENTS) or not isinstance(args[0], (str, os.PathLike)):
            return
        path = os.fspath(args[0])
        if not path.startswith(order["watched"]):
            return
        steps += 1
        os.write(notes, f"step {path}\\n".encode())
        if steps == order["stop"]:
            os.kill(os.getpid(), order["signal"])

    def noted(module, name, word):
        whole = getattr(module, name)
        def wrapped(*args, **options):
            os.write(notes, f"ran {word}\\n".encode())
            return whole(*args, **options)
        setattr(module, name, wrapped)

    # Small batches and a part for each cell: a small spec has as many of them as a large one.
    capture.BATCH_TOKENS["cpu"] = 200
    attention.attention.__kwdefaults__["batch_tokens"] = 400
    keeping.WORTH = 0.0
    noted(decoding, "_decode", "generate")
    noted(capture, "_read", "capture")
    noted(trial.Way, "read", "attention")
    noted(cells, "fit_cell", "cell")
    sys.addaudithook(watch)
    sys.argv = ["layergrid", *order["arguments"]]
    cli.main()

for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            begin(order)
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
HEAVY = (
    "torch", "transformers", "transformers.models.llama.modeling_llama", "tokenizers", "safetensors.torch", "numpy",
    "scipy.stats", "scipy.linalg", "scipy.optimize", "threadpoolctl", "joblib", "pyarrow", "pyarrow.parquet", "altair",
    "jinja2", "layergrid.cli", "layergrid.render", "layergrid.pipeline", "layergrid.charts", "layergrid.archive",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a build ended."""

    code: int  # negative: minus the signal that ended it
    told: str
    steps: tuple[str, ...]  # the path of each step
    ran: Counter[str]  # batches and cells that were begun
    seconds: float


class Nursery:
    """A process that has imported everything, and builds in forks of itself, one after the other."""

    def __enter__(self) -> Nursery:
        command = [sys.executable, "-c", NURSERY, json.dumps(HEAVY)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate()

    def build(
        self, spec: Path, home: Path, *, stop: int = 0, after: float | None = None, end: int = signal.SIGKILL
    ) -> Ended:
        """Builds a spec with the cache and the reports in `home`, ended at a step or after seconds, if at all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {
            "arguments": ["build", str(spec), "--out", str(home / "reports")], "log": str(home / "log"),
            "notes": str(home / "notes"), "environment": {"LAYERGRID_CACHE": str(home / "cache")},
            "watched": str(home), "stop": stop, "signal": int(end),
        }  # fmt: skip
        home.mkdir(exist_ok=True)
        started = time.monotonic()
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        if after is not None:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):  # it was quicker
                os.kill(pid, end)
        code = int(self.process.stdout.readline())
        notes = (home / "notes").read_text(encoding="utf-8").splitlines() if (home / "notes").exists() else []
        told = (home / "log").read_text(encoding="utf-8") if (home / "log").exists() else ""
        return Ended(
            code, told, tuple(one.removeprefix("step ") for one in notes if one.startswith("step ")),
            Counter(one.removeprefix("ran ") for one in notes if one.startswith("ran ")), time.monotonic() - started,
        )  # fmt: skip
