"""The verdicts as `junit.xml`, which CI systems read; it judges nothing and opens no file.

No clock, machine or path is in it: every time is 0, and neither a timestamp nor a host name is written, so that equal
results give equal bytes. It is written by way of `xml.dom`, whatever parser is installed beside junitparser.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence

from layergrid.artifacts import ExpectationResult
from layergrid.expectations.telling import told
from layergrid.text import visible

FILE = "junit.xml"
SUITE = "layergrid"


def document(judged: Sequence[ExpectationResult], report: str) -> bytes:
    """One test suite for a report, with a test case for each expectation: UTF-8, and the same bytes every time."""
    from junitparser import Failure, JUnitXml, Properties, Property, TestCase, TestSuite

    place = f"{SUITE}.{visible(report)}"
    suite = TestSuite(place)
    for one, name in zip(judged, case_names(judged), strict=True):
        case = TestCase(name, place, 0)
        told_of = properties(one)
        listed = Properties()
        for key, value in told_of:
            listed.add_property(Property(key, value))
        case.append(listed)
        if not one.met:
            failure = Failure(_said(told(one)), "ExpectationNotMet")
            failure.text = "\n".join(f"{key}: {value}" for key, value in told_of)
            case.result = [failure]
        suite.add_testcase(case)
    whole = JUnitXml(SUITE)
    whole.add_testsuite(suite)
    whole.update_statistics()
    written = io.BytesIO()
    whole.write(written, pretty=True)
    return written.getvalue()


def case_names(judged: Sequence[ExpectationResult]) -> list[str]:
    """The name of each: the author's, else what is bounded and on which side, without the limit, which may change.

    Where two would be the same they are followed by their places in the spec.
    """
    plain = [_said(one.name or f"{one.subject}{_side(one)}" if one.subject else one.sentence) for one in judged]
    times = Counter(plain)
    return [f"{name} ({one.where})" if times[name] > 1 else name for name, one in zip(plain, judged, strict=True)]


def _side(one: ExpectationResult) -> str:
    by = "" if one.by == "estimate" else f", {one.by}"
    both = one.at_least is not None and one.at_most is not None
    return f"{by} {'between two limits' if both else 'at most' if one.at_least is None else 'at least'}"


def properties(one: ExpectationResult) -> list[tuple[str, str]]:
    """What is known of a verdict, by name: the bound, the number that was judged, its estimate and interval."""
    numbers = (("observed", one.observed), ("estimate", one.value), ("low", one.low), ("high", one.high))
    found = [("expectation", one.sentence), ("place", one.where), ("judged by", one.by)]
    found += [(key, repr(float(limit))) for key, limit in (("at_least", one.at_least), ("at_most", one.at_most))
              if limit is not None]  # fmt: skip
    found += [(key, repr(value)) for key, value in numbers if math.isfinite(value)]
    found += [("rows", str(one.n))] if one.n else []
    texts = (("at", one.at), ("failing", "; ".join(one.failing)), ("reason", one.reason), ("because", one.because))
    return [(key, _said(value)) for key, value in (*found, *texts) if value]


def _said(string: str) -> str:
    """Text that XML can hold: control characters, lone surrogates and non-characters become escapes."""
    return visible(" ".join(string.split()))
