"""Asks math-verify whether two expressions are equal, in a process of its own with a limit; it finds no answer.

math-verify stops what takes too long by signals, which only the main thread of a process hears. Here it runs without
its own limits, in the main thread of a child that is given processor time, so that a busy machine changes no answer.
Run as a program, this file is that child: a line of JSON with two texts in, a word out.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading

SECONDS = 5.0  # of processor time, for reading and comparing one pair
WAIT = 120.0  # seconds of the clock after which a child that does not answer is given up
MEMORY = 4 * 1024**3  # bytes that the child may hold: 9^9^9 is an expression, too
LONGEST = 1000  # characters of an expression

EQUAL, DIFFERENT, UNREAD, SLOW = "equal", "different", "unread", "slow"


def installed() -> bool:
    """Whether math-verify is there."""
    return importlib.util.find_spec("math_verify") is not None


class Verifier:
    """One child, started when it is first asked and again after it was given up; threads wait for each other."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}

    def compare(self, gold: str, answer: str) -> str:
        """EQUAL or DIFFERENT; UNREAD where the right answer is no expression; SLOW where the limit was reached."""
        with self._lock:
            if (gold, answer) not in self._known:
                self._known[gold, answer] = self._asked(gold, answer)
            return self._known[gold, answer]

    def _asked(self, gold: str, answer: str) -> str:
        if self._child is None:
            self._child = _started()
            atexit.register(self.close)
        child = self._child
        watch = threading.Timer(WAIT, child.kill)
        watch.start()
        try:
            if child.stdin is None or child.stdout is None:
                return SLOW
            child.stdin.write(json.dumps([gold, answer]) + "\n")
            child.stdin.flush()
            said = child.stdout.readline().strip()
        except BrokenPipeError:
            said = ""
        finally:
            watch.cancel()
            watch.join()
        if not said:  # it was given up, or ran out of memory in a way that nothing can catch
            self.close()
        return said or SLOW

    def close(self) -> None:
        """Ends the child, if there is one."""
        child, self._child = self._child, None
        atexit.unregister(self.close)
        if child is not None:
            child.kill()
            child.communicate()


def _started() -> subprocess.Popen[str]:
    # -P keeps the working folder, which may be a stranger's, out of what is imported; the seed fixes sympy's orders.
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - text
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": here, "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "layergrid.graders.equality"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=environment,
    )  # fmt: skip


# ---------------------------------------------------------------- in the child


def main() -> None:
    """Answers line by line until there is no more."""
    _limited()
    logging.disable(logging.CRITICAL)
    out = sys.stdout
    for line in sys.stdin:
        gold, answer = json.loads(line)
        out.write(judged(gold, answer) + "\n")
        out.flush()


class _TooSlowError(BaseException):
    """Not an Exception: math-verify catches those and goes on."""


def _limited() -> None:
    """A limit of memory, and one of processor time for each pair, where the system has them."""
    try:
        import resource
        import signal
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):  # a lower limit stands already, or the system has none of this kind
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def stop(signum: int, frame: object) -> None:  # noqa: ARG001 - as signals call it
        raise _TooSlowError

    signal.signal(signal.SIGVTALRM, stop)


def judged(gold: str, answer: str) -> str:
    """What `Verifier.compare` returns of a pair."""
    import math_verify

    if len(gold) > LONGEST or len(answer) > LONGEST:
        return UNREAD if len(gold) > LONGEST else DIFFERENT
    try:
        _timer(SECONDS)
        # LaTeX alone is read, by a grammar: the other reading gives Python's eval what a filter leaves of a text.
        reads = [math_verify.LatexExtractionConfig()]
        wanted = math_verify.parse(delimited(gold), reads, parsing_timeout=None)
        if not wanted:
            return UNREAD
        found = math_verify.parse(delimited(answer), reads, parsing_timeout=None)
        return EQUAL if math_verify.verify(wanted, found, timeout_seconds=None) else DIFFERENT
    except (_TooSlowError, MemoryError, RecursionError):
        return SLOW
    finally:
        _timer(0)


def _timer(seconds: float) -> None:
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def delimited(text: str) -> str:
    """An expression between dollar signs, unless a delimiter or a box stands in it."""
    return text if "$" in text or "\\(" in text or "\\[" in text or "boxed" in text else f"${text}$"


if __name__ == "__main__":
    main()
