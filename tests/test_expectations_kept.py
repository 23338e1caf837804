"""Verdicts in the archive, in junit.xml, in the documents and before verify, which judges each again."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import pytest
from junitparser import JUnitXml

import synthetic
from layergrid import archive, expectations, facts, prose, publish, render
from layergrid.artifacts import ExpectationResult, Results
from layergrid.expectations import junit
from layergrid.spec import Expectation
from layergrid.verify import expected as check_again
from layergrid.verify.problems import Notes

ASKED = (
    {"nested_best": {"at_least": 0.4, "at_most": 0.99}},
    {"nested_best": {"at_least": 0.999, "by": "low"}, "name": "signal", "because": "The paper claims it."},
    {"cell": {"layer": "0..1", "position": "exact_answer_*", "at_least": 0.9}},
    {"difference": {
        "of": {"position": "exact_answer_last"}, "minus": {"position": "last_q"}, "at_least": -1, "by": "low"}},
    {"beats": {"baseline": "nothing", "at_least": 0}},
    {"rows": {"of": "smallest", "at_least": 1}},
)  # fmt: skip


def judged(results: Results) -> Results:
    found = tuple(Expectation.model_validate({"grid": "errors", **one}) for one in ASKED)
    return replace(results, expectations=expectations.judge(found, results))


@pytest.fixture(scope="module")
def results() -> Results:
    one = synthetic.weighed(synthetic.grid_result(layers=4, n=200), relabellings=99, states=False)
    return judged(replace(synthetic.results(layers=2, n=80), grids=(one,), spec_name="small"))


@pytest.fixture(scope="module")
def original(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    archive.write(results, folder)
    (folder / junit.FILE).write_bytes(junit.document(results.expectations, "small"))
    publish.write_manifest(folder, {"expectations": [expectations.as_json(e) for e in results.expectations]}, {})
    return folder


@pytest.fixture
def report(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "report"))


def problems(folder: Path) -> list[str]:
    notes = Notes()
    check_again.check(archive.read(folder), folder, notes)
    return [f"{one.where}: {one.message}" for one in notes.done().problems]


def tamper(folder: Path, i: int, **fields) -> None:
    path = folder / "results" / "results.json"
    card = json.loads(path.read_text(encoding="ascii"))
    assert set(fields) <= set(card["expectations"][i])
    card["expectations"][i].update(fields)
    path.write_text(json.dumps(card), encoding="ascii")


# ---------------------------------------------------------------- archive and verify


def test_verdicts_come_back_from_the_archive_as_they_were(results, original):
    def plain(one: ExpectationResult) -> dict[str, object]:
        found = expectations.as_json(one) | {"asked": json.loads(json.dumps(one.asked)), "subject": one.subject}
        return found | {"level": None if math.isnan(one.level) else one.level}

    back = archive.read(original)
    assert [plain(one) for one in back.expectations] == [plain(one) for one in results.expectations]
    assert [one.met for one in back.expectations] == [True, False, False, True, False, True]


def test_an_untouched_report_is_judged_alike(original):
    assert problems(original) == []


@pytest.mark.parametrize(("i", "fields", "said"), [
    (1, {"met": True}, "expect.1: met is True, the results give False"),
    (0, {"observed": 0.95}, "expect.0: observed is 0.95"),
    (0, {"bound": 0.3, "at_least": 0.3}, "expect.0: bound is 0.3"),
    (2, {"failing": []}, "expect.2: failing is ()"),
    (3, {"low": 0.5, "observed": 0.5}, "expect.3: low is 0.5"),
    (4, {"reason": ""}, "expect.4: reason is ''"),
    (1, {"asked": {"grid": "erors", "rows": {"at_least": 1}}}, "expect.1: cannot be judged again"),
    (1, {"asked": {"grid": "errors"}}, "expect.1: cannot be judged again"),
])  # fmt: skip
def test_a_verdict_that_was_changed_is_found(report, i, fields, said):
    tamper(report, i, **fields)
    assert any(said in one for one in problems(report)), problems(report)


def test_a_difference_that_engine_and_file_agree_on_is_still_held_against_the_rows(results, report, monkeypatch):
    third = results.expectations[3]
    wrong = replace(third, value=0.5, low=0.4, high=0.6, observed=0.4)
    tamper(report, 3, value=0.5, low=0.4, high=0.6, observed=0.4)
    plain = expectations.judged
    monkeypatch.setattr(
        expectations, "judged", lambda asked, r, where: wrong if where == "expect.3" else plain(asked, r, where)
    )
    assert [one for one in problems(report) if "the rows give" in one] != []


def test_a_manifest_or_a_junit_file_that_says_otherwise_is_found(report):
    path = report / junit.FILE
    path.write_bytes(path.read_bytes().replace(b'failures="3"', b'failures="0"'))
    assert problems(report) == ["junit.xml: is not what the results give"]
    path.unlink()
    assert problems(report) == ["junit.xml: is missing"]
    card = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    card["build"]["expectations"][1]["met"] = True
    (report / "manifest.json").write_text(json.dumps(card), encoding="utf-8")
    assert any(one.startswith("manifest.json: its verdicts") for one in problems(report))


# ---------------------------------------------------------------- junit.xml


def test_a_ci_system_reads_a_case_for_each_expectation(results):
    document = junit.document(results.expectations, "small")
    (suite,) = JUnitXml.fromstring(document)
    assert (suite.tests, suite.failures, suite.time, suite.timestamp, suite.hostname) == (6, 3, 0, None, None)
    cases = list(suite)
    assert {case.classname for case in cases} == {"layergrid.small"}
    assert [case.is_passed for case in cases] == [True, False, False, True, False, True]
    assert cases[1].name == "signal"
    assert cases[3].name == "errors: exact_answer_last less last_q, low at least"
    (failure,) = cases[1].result
    assert failure.message == results.expectations[1].name + ": " + failure.message.split(": ", 1)[1]
    assert "at least 0.999; observed: 0." in failure.message
    assert "because: The paper claims it." in failure.text
    assert document == junit.document(results.expectations, "small")


def test_names_of_cases_stay_where_a_limit_changes_and_differ_where_two_would_be_one(results):
    one = results.expectations[0]
    other = replace(one, sentence="errors: nested best between 0.5 and 1", bound=0.5, at_least=0.5, where="expect.7")
    assert junit.case_names((one,)) == junit.case_names((other,)) == ["errors: nested best between two limits"]
    assert junit.case_names((one, other)) == [
        "errors: nested best between two limits (expect.0)", "errors: nested best between two limits (expect.7)"
    ]  # fmt: skip


def test_no_text_of_an_author_breaks_the_xml(results):
    odd = "a]]>b<c>&\"'\x00\x1b\ud800\uffff\n\r\tz"
    one = replace(results.expectations[1], name=odd, because=odd, reason=odd, sentence=odd, failing=(odd, odd))
    document = junit.document((one,), odd)
    minidom.parseString(document)  # noqa: S318 - it is our own
    (suite,) = JUnitXml.fromstring(document)
    (case,) = suite
    assert case.name == "a]]>b<c>&\"'\\x00\\x1b\\ud800\\uffff z"
    assert "\\x1b" in suite.name


# ---------------------------------------------------------------- documents


def test_the_first_page_and_a_table_tell_what_is_met(results):
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    shown = render.Presentation(outputs=("html", "md"))
    pages = render.render(results, found, summary, shown)
    head = pages.md.split("## Overview")[0]
    assert "○ **Three of the six expectations of the spec are met.**" in head
    assert "- errors: nested best, lower bound of the interval, at least 0.999, observed 0." in head
    row = next(line for line in pages.md.splitlines() if line.startswith("| signal: errors: nested best |"))
    assert "| lower bound at least 0.999 |" in row
    assert row.endswith("| ○ not met | The paper claims it. |")
    assert pages.md.count("| ● met |") == 3
    for i in range(6):
        assert f'data-fact="expectation.{i}"' in pages.html
    by_id = {fact.id: fact for fact in found}
    cells = by_id["expectation.2"].cells
    assert len(cells) == len(results.expectations[2].failing) > 1
    assert by_id["expectation.2"].grid == "errors"


def test_all_met_has_a_sign_of_its_own(results):
    met = replace(results, expectations=tuple(one for one in results.expectations if one.met))
    found = facts.derive(met)
    page = render.render(met, found, prose.summarise(met, found), render.Presentation(outputs=("md",)))
    assert "● **All three expectations of the spec are met.**" in page.md
