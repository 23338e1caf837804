"""The largest memory of this process and its children while something runs; it knows no stage.

Resident memory is read from /proc five times a second: pages that processes share are counted in each of them. Where
there is no /proc, the largest of this process alone since it started; where that is unknown too, None.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

EVERY = 0.2  # seconds between two looks


class Meter:
    """What one stage has used at most, in bytes."""

    def __init__(self) -> None:
        self.memory: int | None = None
        self.gpu: int | None = None


class Gauge:
    """Looks at the memory as long as some meter is open."""

    def __init__(self) -> None:
        self._open: list[Meter] = []
        self._lock = threading.Lock()
        self._wake: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> Meter:
        """A meter that runs from now on."""
        meter = Meter()
        self._look()
        with self._lock:
            self._open.append(meter)
            if self._wake is None:
                self._wake = threading.Event()
                self._thread = threading.Thread(target=self._watch, args=(self._wake,), daemon=True)
                self._thread.start()
        _forget_gpu()
        return meter

    def end(self, meter: Meter) -> Meter:
        """Stops a meter and gives it back; after the last one no thread is left, so that a fork is safe."""
        self._look()
        with self._lock:
            self._open = [one for one in self._open if one is not meter]
            thread = None if self._open else self._thread
            if thread is not None and self._wake is not None:
                self._wake.set()
                self._wake = self._thread = None
        if thread is not None:
            thread.join()
        return meter

    def _watch(self, wake: threading.Event) -> None:
        while not wake.wait(EVERY):
            self._look(gpu=False)

    def _look(self, gpu: bool = True) -> None:
        memory = resident()
        on_gpu = _gpu_peak() if gpu else None
        with self._lock:
            for meter in self._open:
                meter.memory = larger(meter.memory, memory)
                meter.gpu = larger(meter.gpu, on_gpu)


def larger(a: int | None, b: int | None) -> int | None:
    """The larger of two where both are known."""
    return b if a is None else a if b is None else max(a, b)


def resident() -> int | None:
    """Bytes of resident memory of this process and all that it started, now."""
    if not sys.platform.startswith("linux"):
        return _largest_so_far()
    page, total, found = os.sysconf("SC_PAGE_SIZE"), 0, [os.getpid()]
    for pid in found:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * page
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names alone, five times a second
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split())
        except (OSError, ValueError):  # it ended meanwhile, or this kernel tells no children
            continue
    return total or _largest_so_far()


def highest() -> int | None:
    """Bytes of resident memory of this process alone, at most since it started."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # another system
        pass
    return _largest_so_far()


def _largest_so_far() -> int | None:
    try:
        import resource
    except ImportError:  # no such thing on this system
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _cuda() -> Any:
    """torch.cuda where it is in use already; nothing is imported or started for a measurement."""
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def _gpu_peak() -> int | None:
    cuda = _cuda()
    return None if cuda is None else sum(cuda.max_memory_allocated(i) for i in range(cuda.device_count()))


def _forget_gpu() -> None:
    cuda = _cuda()
    for i in range(cuda.device_count() if cuda is not None else 0):
        cuda.reset_peak_memory_stats(i)
