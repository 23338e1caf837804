"""The table of what the spec expects: each bound with what was observed and the author's reason; it judges nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from layergrid import text
from layergrid.artifacts import ExpectationResult
from layergrid.facts.expected import MET, UNMET, observed
from layergrid.render.sheets import Sheet

KEY = "expectations"  # of the table and of its caption
BY = {"estimate": "estimate", "low": "lower bound", "high": "upper bound", "interval": "whole interval"}
LISTED = 3  # failing cells that a row names


def sheet(judged: Sequence[ExpectationResult]) -> Sheet:
    """A row for each expectation, in the order of the spec; its first entry is a sentence of the summary."""
    why = any(one.because for one in judged)
    levels = {text.percent(one.level) for one in judged if math.isfinite(one.level)}
    interval = f" [{next(iter(levels))} interval]" if len(levels) == 1 else ""
    columns = ("Expectation", "Bound", f"Observed{interval}", "Verdict", "Because")
    rows = tuple((_subject(one), _bound(one), _found(one), MET if one.met else UNMET, one.because) for one in judged)
    kept = 5 if why else 4
    return Sheet(
        KEY, "Expectations of the spec", columns[:kept], tuple(row[:kept] for row in rows), (False,) * kept,
        sentences=tuple(f"{KEY}.{i}" for i in range(len(judged))),
    )  # fmt: skip


def _subject(one: ExpectationResult) -> str:
    return f"{one.name}: {one.subject}" if one.name else one.subject or one.where


def _bound(one: ExpectationResult) -> str:
    """The bound, and what is held against it."""
    least, most = (None if limit is None else text.trimmed(limit) for limit in (one.at_least, one.at_most))
    what = f"{BY[one.by]} " if math.isfinite(one.level) else ""
    if least is not None and most is not None:
        return f"{what}between {least} and {most}"
    if least is None and most is None:
        return one.sentence  # of a report of an earlier version
    return f"{what}at {'least' if most is None else 'most'} {least or most}"


def _found(one: ExpectationResult) -> str:
    """What was observed, where, and which others fail; or why nothing was."""
    if one.reason and not math.isfinite(one.value):
        found = f"none: {one.reason}"
    else:
        found = f"{observed(one)}{f' ({one.at})' if one.at else ''}{f': {one.reason}' if one.reason else ''}"
    if one.met or len(one.failing) < 2:
        return found
    more = f" and {text.count(len(one.failing) - LISTED)} more" if len(one.failing) > LISTED else ""
    return f"{found}; failing: {', '.join(one.failing[:LISTED])}{more}"
