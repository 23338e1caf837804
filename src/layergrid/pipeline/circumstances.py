"""What describes the run that made a report, for its manifest; nothing of it may reach the report itself.

A report may stand on results that other runs made, with other threads or on another machine. So none of this identifies
it: what was made is identified by the digests of the outputs, and by what they were made from.
"""

from __future__ import annotations

import hashlib
import platform
from typing import Any

from layergrid import lock
from layergrid.executors.processes import threads
from layergrid.pipeline.study import Study


def of(study: Study, seconds: float) -> dict[str, Any]:
    """The machine, how many threads it had, the block of layergrid.lock that was held against, and the time."""
    block = None if study.locked is None else study.locked.model_dump_json().encode("utf-8")
    return {
        "platform": lock.here(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": threads(),
        "lock": "" if block is None else "sha256:" + hashlib.sha256(block).hexdigest(),
        "seconds": round(seconds, 1),
    }
