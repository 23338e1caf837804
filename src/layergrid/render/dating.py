"""The one date that a PDF may bear, which the environment gives and no clock; it knows no document."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from layergrid.kinds import BadInput

VARIABLE = "SOURCE_DATE_EPOCH"  # https://reproducible-builds.org/specs/source-date-epoch/
FORM = "%Y-%m-%dT%H:%M:%SZ"
LAST = 253_402_300_799  # the last second of the year 9999, after which dates have no form


def stamp(outputs: Sequence[str]) -> str:
    """The date that documents bear, as text; empty where none does. Raises like `dated`."""
    when = dated() if "pdf" in outputs else None
    return "" if when is None else when.strftime(FORM)


def dated() -> datetime | None:
    """The date of SOURCE_DATE_EPOCH in UTC; None where it is not set or empty: then documents bear no date.

    Raises BadInput where it is not a whole number of seconds since 1970 that has a date.
    """
    written = os.environ.get(VARIABLE, "")
    if not written:
        return None
    if not re.fullmatch("[0-9]{1,12}", written) or int(written) > LAST:
        raise BadInput(
            f"{VARIABLE} is {written[:40]!r}; expected seconds since 1970, such as the output of "
            "`git log -1 --format=%ct`, or leave it unset"
        )
    return datetime.fromtimestamp(int(written), UTC)
