"""What libraries write on the standard streams while a build runs, as details of the build; it knows none of them."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from layergrid.console.events import Event


class _Stream(io.TextIOBase):
    """Stands in for a standard stream: each line becomes a message."""

    def __init__(self, tell: Callable[[str], None], real: TextIO) -> None:
        self._tell, self._real = tell, real
        self._begun = ""
        self.closing = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base declares a plain attribute
        return self._real.encoding

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno()

    def write(self, text: str) -> int:
        if self.closing:  # a library kept hold of it
            return self._real.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self._tell(line.rsplit("\r", 1)[-1])
        return len(text)

    def flush(self) -> None:
        if self.closing:
            self._real.flush()


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(f"{record.name}: {record.getMessage()}")


@contextlib.contextmanager
def heard(tell: Callable[[Event], None]) -> Iterator[None]:
    """While this is open, warnings, log records and all that is written to sys.stdout and sys.stderr are details.

    What a library writes to the file descriptor itself is not held back.
    """

    def detail(line: str) -> None:
        tell(Event("message", level="detail", message=line))

    def warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        detail(f"{category.__name__}: {message} ({filename.rpartition('site-packages')[2].lstrip('/')}:{lineno})")

    streams, handler = (_Stream(detail, sys.stdout), _Stream(detail, sys.stderr)), _Handler(detail)
    root = logging.getLogger()
    said = warnings.showwarning
    root.addHandler(handler)
    warnings.showwarning = warned
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            yield
    finally:
        for stream in streams:
            stream.closing = True
        root.removeHandler(handler)
        warnings.showwarning = said
