"""Rows that are left out, by a rule or because they do not fit, and classes too small to probe: what a report says."""

from __future__ import annotations

import html
import json
import re
import time

import pytest

import reciting
from building import build, cache, run
from layergrid import archive

SPEC = """\
title: Recited
models: {tiny: model}
datasets:
  facts:
    source: FILE
    prompt: "{{ question }}{{ cue }}"
    generate: {max_new_tokens: 8}
MORE
positions: [last_q, exact_answer_last]
grids:
  errors: {kind: probe, folds: 3, penalties: [0.1], permutations: 0, baselines: []}
outputs: [OUTPUTS]
"""
LONG = "    long: leave_out"


def spec(more: str = "", file: str = "facts.csv", outputs: str = "md") -> str:
    return SPEC.replace("MORE", more).replace("FILE", file).replace("OUTPUTS", outputs)


def laid(home, right: int = 12, n: int = 36, long: tuple[int, ...] = (), lengths: int = 300, **columns):
    """A model that always answers 4, and questions of which `right` have 4 as their right answer."""
    reciting.save(home / "model", {"#": (" It", " is", " 4", ".")})
    rows = reciting.rows(n, ["#"], ["5", "5"])
    for i, row in enumerate(rows):
        row["answer"] = "4" if i % n < right else "5"
        row["id"] = f"q{i}"
        row |= columns
    for i in long:
        rows[i]["question"] = "x" * lengths
    reciting.write_csv(home / "facts.csv", rows)
    return rows


def first_paragraph(report):
    return report.read_text(encoding="utf-8").split("\n\n")[2]


@pytest.fixture(scope="module")
def left_out(tmp_path_factory):
    """36 rows of which a rule leaves out 2, and the context 3, one of them of 100,000 characters."""
    home = tmp_path_factory.mktemp("left")
    rows = laid(home, right=18, long=(0, 20))
    rows[21]["question"] = "y" * 100_000
    rows[5]["cue"] = rows[6]["cue"] = "?"
    reciting.write_csv(home / "facts.csv", rows)
    more = f"    id: id\n    where: cue == '#'\n{LONG}"
    return build(home, spec(more, outputs="md, html"), "left")


def test_a_report_says_which_rows_are_left_out_and_why(left_out):
    assert left_out.ran.code == 0, left_out.ran.err
    said = (left_out.report / "report.md").read_text(encoding="utf-8")
    by_rule = "2 of 36 rows are left out because they do not meet the rule \"cue == '#'\"."
    too_long = "3 of 34 rows are left out because their prompt does not fit the model's context."
    overview, methods = said.partition("## Overview")[2], said.partition("## Methods")[2]
    for section in (overview, methods):
        assert by_rule in section
        assert too_long in section
    assert "left out 2 of 36: they do not meet the rule" in said.partition("## Provenance")[2]


def test_cards_labels_and_held_out_scores_speak_of_the_rows_that_are_kept(left_out):
    results = archive.read(left_out.report)
    card = results.data[0]
    assert (card.n, [(n, of) for _, n, of in card.left_out]) == (31, [(2, 36), (3, 34)])
    assert card.n_correct == 18 - 3  # one long row and both of the rule had the right answer 4
    held = results.grids[0].held_out
    kept = [f"q{i}" for i in range(36) if i not in (0, 5, 6, 20, 21)]
    assert sorted(held.example_ids) == sorted(kept)
    assert {one.example_id for one in (*results.graded, *results.examples)} <= set(kept)


def test_what_is_left_out_is_verified_locked_planned_and_shown_as_any_other(left_out):
    with cache(left_out.cache):
        assert run("verify", left_out.report).code == 0
        assert run("lock", left_out.spec).code == 0
        again = run("build", left_out.spec, "--locked", "--out", left_out.home / "reports")
        assert "everything was kept" in again.err
        shown = run("positions", left_out.spec, "-n", "40")
        plan = run("plan", left_out.spec, "--json")
    assert again.code == shown.code == plan.code == 0
    assert "31 examples" in shown.out
    assert "q20:" not in shown.out
    assert [one["total"]["passes"] for one in json.loads(plan.out)] == [0]


def test_prompts_that_do_not_fit_are_refused_with_the_line_that_leaves_them_out(tmp_path):
    laid(tmp_path, long=(3, 4))
    ran = build(tmp_path, spec()).ran
    assert ran.code == 2
    assert "example '4': its prompt has 302 tokens, and with max_new_tokens 8 that exceeds the context" in ran.err
    assert "so do 1 other prompts of 36" in ran.err
    assert "write `long: leave_out` to leave such rows out and count them" in ran.err


def test_a_set_whose_prompts_are_all_too_long_is_an_error(tmp_path):
    laid(tmp_path, n=9, long=tuple(range(9)))
    ran = build(tmp_path, spec(LONG)).ran
    assert ran.code == 2
    assert "data set 'facts': all 9 rows are left out: with 310 tokens and more none fits the context" in ran.err


def test_a_field_of_a_hundred_thousand_characters_is_left_out_quickly(tmp_path):
    rows = laid(tmp_path, right=18, long=tuple(range(0, 36, 6)), lengths=100_000)
    assert max(len(row["question"]) for row in rows) == 100_000
    started = time.perf_counter()
    made = build(tmp_path, spec(LONG))
    assert made.ran.code == 0
    assert archive.read(made.report).data[0].n == 30
    assert time.perf_counter() - started < 30  # seconds; it takes about 5


# ---------------------------------------------------------------- too few to probe


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (0, "There are no right answers to tell from others: all 36 rows that are compared are wrong answers."),
        (36, "There are no wrong answers to tell from others: all 36 rows that are compared are right answers."),
        (2, "There are too few right answers to probe: 2 of the 36 rows that are compared, 6\N{NO-BREAK SPACE}%."),
        (33, "There are too few wrong answers to probe: 3 of the 36 rows that are compared, 8\N{NO-BREAK SPACE}%."),
    ],
)
def test_a_set_with_too_few_of_a_class_ends_in_a_whole_report_that_says_so_first(tmp_path, right, said):
    laid(tmp_path, right=right)
    made = build(tmp_path, spec(outputs="md, html"))
    assert made.ran.code == 0, made.ran.err
    assert first_paragraph(made.report / "report.md").startswith(said)
    page = (made.report / "report.html").read_text(encoding="utf-8").partition("<main")[2]
    assert said in html.unescape(re.sub("<[^>]*>", "", page))
    advice = "ask more or easier questions" if right < 18 else "ask more or harder questions"
    assert f"tiny on facts: {said.rstrip('.').replace('There', 'there')}; {advice}" in made.ran.err
    with cache(made.cache):
        assert run("verify", made.report).code == 0
