"""Facts of what the spec expects: each bound with what was observed, and how many are met; it judges nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from layergrid import text
from layergrid.artifacts import ExpectationResult
from layergrid.facts.ledger import Ledger

KEY = "expectation"
MET, UNMET = "\N{BLACK CIRCLE} met", "\N{WHITE CIRCLE} not met"  # signs that every face of the documents has


def derive(judged: Sequence[ExpectationResult], ledger: Ledger) -> None:
    """Writes a fact for each expectation, bound to the cells that it is about, and one for all of them."""
    for i, one in enumerate(judged):
        own = Ledger(one.grid, KEY)  # of a grid, so that its cells can be found
        _expectation(str(i), one, own)
        ledger.facts |= own.facts
    if judged:
        _count(judged, ledger)


def _expectation(key: str, one: ExpectationResult, ledger: Ledger) -> None:
    verdict = "met" if one.met else "not met"
    sentence, shown = text.visible(one.sentence), text.visible(observed(one))
    at = text.visible(f" ({one.at})" if one.at and math.isfinite(one.observed) else "")
    end = f", {verdict}: {text.visible(one.reason)}" if one.reason else "" if one.met else ", not met"
    full = (
        f"{sentence}{end}" if one.reason and not math.isfinite(one.value) else f"{sentence}, observed {shown}{at}{end}"
    )
    subject = text.visible(f"{one.name}: {one.subject}" if one.name else one.subject or f"expect.{key}")
    forms = {"text": sentence, "subject": subject, "verdict": verdict, "observed": f"{shown}{at}", "full": full}
    ledger.add(
        key, "expectation", forms, cells=one.cells, value=one.observed, low=one.bound, n=one.n or None, relation=verdict
    )


def observed(one: ExpectationResult) -> str:
    """What was found: the estimate with its interval in as many digits as tell it from the bound, or "n/a"."""
    if not math.isfinite(one.value):
        return text.number(one.observed, 3 if abs(one.observed - one.bound) < 0.01 else 2)
    return text.count(int(one.value)) if one.counts else text.estimate(one.value, one.low, one.high, digits(one))


def digits(one: ExpectationResult) -> int:
    """Digits that show on which side of its bound a number lies."""
    found = text.precision((one.high - one.low) / 2, most=3)
    gap = abs(one.observed - one.bound)
    while math.isfinite(gap) and 0 < gap < 10**-found and found < 6:
        found += 1
    return found


def _count(judged: Sequence[ExpectationResult], ledger: Ledger) -> None:
    met = sum(e.met for e in judged)
    if len(judged) == 1:
        clause = "the one expectation of the spec is met" if met else "the one expectation of the spec is not met"
    elif met == len(judged):
        clause = f"all {text.words(met)} expectations of the spec are met"
    elif met == 0:
        clause = f"none of the {text.words(len(judged))} expectations of the spec is met"
    else:
        verb = "is" if met == 1 else "are"
        clause = f"{text.words(met)} of the {text.words(len(judged))} expectations of the spec {verb} met"
    forms = {"text": clause, "Text": text.capital(clause)}
    ledger.add("expectations", "count", forms, value=met, n=len(judged))
