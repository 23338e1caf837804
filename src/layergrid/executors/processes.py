"""Runs tasks in processes of their own, a few at a time; it knows none of them.

Each worker is a fresh interpreter (nothing is forked, so that a loaded torch or CUDA does no harm) in a process group
of its own, with a pipe to the caller. The group is ended as a whole, with all that libraries started in it: when the
caller is interrupted, and by the worker itself when the caller is no more. A worker takes the next task when it has
answered; one that is killed costs its task alone.

A worker may use its share of the cores: cores / jobs, at least one. Linear algebra, torch and nested joblib keep to it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from pydantic import Field

from layergrid.errors import BuildError
from layergrid.kinds import Executor

Task = Callable[[Any, Callable[[Any], None]], Any]
PATIENCE = 3.0  # seconds between asking a worker to end and ending it
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads of linear algebra, on which last bits depend: as many as OMP_NUM_THREADS says, else one a core."""
    said = os.environ.get(THREADS[0], "")
    return int(said) if re.fullmatch("[1-9][0-9]{0,4}", said) else cores()


class Processes(Executor):
    """As many tasks at once as there are jobs."""

    kind: Literal["processes"] = "processes"
    jobs: int = Field(2, ge=1)

    @property
    def threads(self) -> int:
        """Threads, and processes of nested joblib, of one worker; never more than without workers."""
        return max(1, min(threads(), cores() // self.jobs))

    def map(self, task: Task, items: list[Any], hear: Callable[[Any], None]) -> list[Any]:
        """The results, or the errors in their places."""
        results: list[Any] = [None] * len(items)
        waiting = deque(range(len(items)))
        busy: dict[Connection, tuple[_Worker, int]] = {}
        idle: list[_Worker] = []
        try:
            while waiting or busy:
                while waiting and len(busy) < self.jobs:
                    worker, i = idle.pop() if idle else _Worker(task, self.threads), waiting.popleft()
                    busy[worker.pipe] = worker, i
                    worker.give(items[i])
                for pipe in wait(list(busy)):
                    worker, i = busy[pipe]  # type: ignore[index]  # `wait` gives back what it was given
                    said, value = worker.hear()
                    if said == "told":
                        hear(value)
                        continue
                    results[i] = value
                    del busy[worker.pipe]
                    if said == "ended":
                        worker.end()
                    else:
                        idle.append(worker)
        finally:
            for worker in [*idle, *(one for one, _ in busy.values())]:
                worker.ask_to_end()
            for worker in [*idle, *(one for one, _ in busy.values())]:
                worker.end()
        return results


class _Worker:
    """A process that takes one task after the other."""

    def __init__(self, task: Task, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(task, theirs, threads), daemon=False)
        with _uninterrupted():
            self.process.start()
        theirs.close()  # so that its end is heard

    def give(self, item: Any) -> None:
        """Hands over the next task."""
        with contextlib.suppress(BrokenPipeError):  # it ended: heard with the next word
            self.pipe.send(item)

    def hear(self) -> tuple[str, Any]:
        """The next word: told and what, result and what, or ended and the error that says so."""
        try:
            said, value = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return "ended", self._ended()
        return str(said), value

    def _ended(self) -> BuildError:
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code == -signal.SIGKILL:
            how = "was killed, as the system does when memory is short; try fewer --jobs, or build this part alone"
        elif code is not None and code < 0:
            how = f"was ended by the signal {signal.Signals(-code).name}; build this part alone to see why"
        else:
            how = f"ended with {code} before its answer; build this part alone to see why"
        return BuildError(f"a process that worked on it {how}")

    def ask_to_end(self) -> None:
        """Ends it and all that it started, as far as they listen."""
        self.pipe.close()
        _signal_group(self.process.pid, signal.SIGTERM)

    def end(self) -> None:
        """Sees to it that it has ended with all that it started."""
        self.ask_to_end()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.join()
        self.process.close()


def _signal_group(leader: int | None, what: int) -> None:
    if leader is not None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone, or has no group yet
            os.killpg(leader, what)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started here never hears an interrupt: it is the caller's to end it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---------------------------------------------------------------- in the worker


def _work(task: Task, pipe: Connection, threads: int) -> None:
    """Takes tasks and answers them until the pipe is closed."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit(threads)
    lock = threading.Lock()

    def tell(value: Any) -> None:
        with lock:
            pipe.send(("told", value))

    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            answer = task(item, tell)
            pickle.dumps(answer)
        except Exception as error:  # it is told where the results are asked for
            answer = _portable(error)
        with lock:
            pipe.send(("result", answer))


def _end_with_parent() -> None:
    """Ends the whole group when the process that started this one is no more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _signal_group(os.getpid(), signal.SIGTERM)
        os._exit(1)


def _limit(threads: int) -> None:
    """Keeps this process, and those that it starts, to so many threads, whatever library makes them."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)  # those that are loaded already; the others read the environment
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def _portable(error: Exception) -> Exception:
    """The error, or one with the same words where it cannot be sent; with its traceback as a note for debugging."""
    told = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this line
    except Exception:  # an error with arguments of its own
        copy = None
    sent = error if type(copy) is type(error) and str(copy) == str(error) else BuildError(_named(error))
    sent.__traceback__ = sent.__cause__ = sent.__context__ = None
    sent.add_note(f"in a process of its own:\n{told}")
    return sent


def _named(error: Exception) -> str:
    """As the command tells what nobody foresaw."""
    return f"failed: {type(error).__name__}: {error}\n  run again with --debug for the traceback"
