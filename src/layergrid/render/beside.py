"""Makes texts in a second process while the first goes on, where one can be forked; it knows nothing of what they say.

A fork copies the calling thread alone: a lock that another thread held stays locked in the copy for ever, and so do the
threads of torch and of V8 (which draws the charts). Where any of these run, texts are made one after another instead.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn, Self

UNSAFE = ("torch", "vl_convert")  # they run threads that no fork takes along
LENGTH = struct.Struct("<Q")

Step = Callable[[], str]


class Ahead:
    """Texts by name, each made by its step: ahead in another process where that can be, else when asked for.

    The steps must not depend on each other, nor change anything. One that fails there is done again here, so that its
    error is raised where the text is asked for, as if there were no second process.
    """

    def __init__(self, steps: Mapping[str, Step], apart: bool = True) -> None:
        self.steps, self.apart = steps, apart and possible()
        self.made: dict[str, str] = {}
        self.stream: BinaryIO | None = None
        self.child = 0

    def __enter__(self) -> Self:
        if self.apart:
            reading, writing = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of the idle threads of numpy, which bear a fork
                self.child = os.fork()
            if self.child == 0:
                os.close(reading)
                _make(self.steps, writing)
            os.close(writing)
            self.stream = os.fdopen(reading, "rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __getitem__(self, name: str) -> str:
        while name not in self.made and self.stream is not None:
            self._receive(self.stream)
        if name not in self.made:
            self.made[name] = self.steps[name]()
        return self.made[name]

    def _receive(self, stream: BinaryIO) -> None:
        head = stream.read(LENGTH.size)
        size = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else -1
        body = stream.read(size) if size >= 0 else b""
        if len(body) == size:
            name = list(self.steps)[len(self.made)]
            self.made[name] = body.decode("utf-8", "surrogatepass")
        else:  # the other process has done all that it can
            self._end()

    def _end(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None
            with suppress(ProcessLookupError, ChildProcessError):  # where somebody else has waited for it
                os.kill(self.child, signal.SIGKILL)
                os.waitpid(self.child, 0)


def possible() -> bool:
    """Whether this process can be forked, and has a second core to gain by it."""
    if sys.platform != "linux" or threading.active_count() > 1 or any(name in sys.modules for name in UNSAFE):
        return False
    return len(os.sched_getaffinity(0)) > 1


def _make(steps: Mapping[str, Step], writing: int) -> NoReturn:
    """All of the second process: it leaves no trace but the texts, and ends at the first step that fails."""
    try:
        warnings.showwarning = _refused
        sys.stdout = sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        with os.fdopen(writing, "wb") as stream:
            for step in steps.values():
                body = step().encode("utf-8", "surrogatepass")
                stream.write(LENGTH.pack(len(body)) + body)
                stream.flush()
    finally:
        os._exit(0)  # whatever was raised: nothing that was registered in the first process is run twice


def _refused(message: Any, *_: Any, **__: Any) -> None:
    """Ends the step, which is done again where somebody sees its warning."""
    raise RuntimeError(message)
