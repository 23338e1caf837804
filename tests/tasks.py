"""Tasks for worker processes, which import them by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from layergrid.errors import BadInput


class Awkward(Exception):
    """An error that cannot be made again from its message."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def task(item, tell):
    """Does what its name says."""
    name, value = item
    tell(("doing", name))
    match name:
        case "square":
            return value * value
        case "bad input":
            raise BadInput(value)
        case "awkward":
            raise Awkward("one", "two")
        case "unsendable":
            return lambda: None
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exits":
            os._exit(7)
        case "threads":
            import joblib
            import numpy as np  # noqa: F401 - its threads are counted
            from threadpoolctl import threadpool_info

            return {one["num_threads"] for one in threadpool_info()}, joblib.cpu_count(), os.environ["OMP_NUM_THREADS"]
        case "sleeps":
            with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as below:
                tell(("pids", (os.getpid(), below.pid)))
                time.sleep(60)
    return None
