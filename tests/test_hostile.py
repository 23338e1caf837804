"""Hostile text through a whole build: every field that a user or a model fills is shown and never run."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

import reciting
from browser import Browser
from building import build, cache, run, tree
from layergrid import archive
from layergrid.render.page import opened

TAG = "<img src=x onerror=alert({})>"
LOOSE = ("</script>", "{{ 7*7 }}", "{% raw %}", "\u202e", "\u0634\u0643", "\u05d0\u05d1", "\U0001f642", "\0", "|*_`#[]")
QUESTION = f"Is {TAG.format(1)} {' '.join(LOOSE)} \ud800 number {{i}}?"
RECITED = (TAG.format(2), *(f" {piece}" for piece in LOOSE))
GOLD = "".join(RECITED)
# As it is shown: what cannot be printed is an escape.
SHOWN = ("</script>", "{{ 7*7 }}", "{% raw %}", "\\u202e", "\u0634\u0643", "\u05d0\u05d1", "\U0001f642", "\\x00")
SPEC = r"""
title: "</title></script><img src=x onerror=alert(3)> {{ 7*7 }} \u202e\0"
authors: ["</td><script>alert(4)</script>", "{% include '/etc/passwd' %}"]
interpretation: "[a](javascript:alert(5)) <svg onload=alert(6)> {{ 7*7 }} \u202e\n\n# no heading\n| no | table |"
models: {reciter: "<b onmouseover=alert(7)>"}
datasets:
  facts:
    source: "<img src=x onerror=alert(8)>.jsonl"
    id: name
    group: "<i>topic</i>"
    prompt: "{{ question }}{{ cue }}"
    generate: {max_new_tokens: 12}
    grade: {kind: exact, gold: answer}
positions: [last_q, exact_answer_first, -1]
grids:
  errors:
    kind: probe
    folds: 3
    penalties: [0.1]
    repeats: 2
    permutations: 99
    control: 2
    directions: true
    near_duplicates: report
    baselines: [answer_length, logprobs, "</table><img src=x onerror=alert(9)>": ["<u>size</u>"]]
  kinds:
    kind: probe
    predict: {column: "<u>kind</u>"}
    folds: 3
    penalties: [0.1]
    permutations: 99
    near_duplicates: ignore
    baselines: [question]
  sizes: {kind: activation, contrast: error}
  looks: {kind: attention, from: -1, text: true, heads: each}
  given:
    kind: table
    source: "<img src=x onerror=alert(12)>.csv"
    columns: {value: "<img src=x onerror=alert(13)>"}
    quantity: {name: "<img src=x onerror=alert(14)> {{ 7*7 }} \u202e"}
"""
KINDS = ("<img src=x onerror=alert(17)>", "</script>{{ 7*7 }}", "\u202e|*_`#[]\0")  # classes that a probe tells apart
TABLE = [  # positions and a reason that nobody should run
    ("layer", "position", TAG.format(13), "status", "reason"),
    (0, TAG.format(15), 0.5, "", ""),
    (0, "</script>{{ 7*7 }}\u202e|*_`#[]", 0.75, "", ""),
    (1, TAG.format(15), "", "missing", TAG.format(16)),
    (1, "</script>{{ 7*7 }}\u202e|*_`#[]", 0.25, "", ""),
]


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, document):
        super().__init__()
        self.found = []
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def dangerous(document):
    """Elements that text has made: images, event handlers, scripts that call, links to code."""
    return [
        (tag, given)
        for tag, given in Elements(document).found
        if tag in {"img", "iframe", "object", "u", "base"}
        or any(name.startswith("on") or str(value).startswith("javascript:") for name, value in given.items())
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    reciting.save(home / "<b onmouseover=alert(7)>", {"\N{CIRCLED DIGIT ONE}": RECITED})
    found = reciting.rows(36, ["\N{CIRCLED DIGIT ONE}"], [GOLD, "no" + GOLD], QUESTION)
    for i, row in enumerate(found):
        more = {
            "name": f"{TAG.format(10)}\ud800\u202e{i}",
            "<i>topic</i>": f"</b>{TAG.format(11)}{i // 2}",
            "<u>size</u>": i % 7,
            "<u>kind</u>": KINDS[i // 2 % 3],
        }
        row.update(more)
    with (home / "<img src=x onerror=alert(12)>.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(TABLE)
    reciting.write_jsonl(home / "<img src=x onerror=alert(8)>.jsonl", found)
    built = build(home, SPEC, "facts")
    assert built.ran.code == 0, built.ran.err
    return built


@pytest.fixture(scope="module")
def page(study):
    """The page in a browser; what it complained of while it was loaded."""
    browser = Browser()
    browser.open(study.report / "report.html")
    yield browser
    browser.close()


def test_the_report_is_built_verifies_and_is_drawn_again_with_the_same_bytes(study, tmp_path):
    assert run("verify", study.report).err == ""
    shutil.copytree(study.report, tmp_path / "facts")
    assert run("render", tmp_path / "facts").code == 0
    assert tree(tmp_path / "facts") == tree(study.report)


def test_the_page_runs_nothing_asks_for_nothing_and_complains_of_nothing(page):
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []


def test_no_text_has_become_an_element_of_the_page(study, page):
    assert dangerous((study.report / "report.html").read_text()) == []
    assert (
        page.value("document.querySelectorAll('img, iframe, u, base, [onerror], [onload], [onmouseover]').length") == 0
    )
    assert page.value("[...document.links].filter(a => a.protocol === 'javascript:').length") == 0
    assert page.value("document.querySelectorAll('h1').length") == 1


def test_the_page_shows_all_text_as_it_is_or_as_its_escapes(page):
    shown = page.value("document.body.textContent")
    for number in (1, 2, 3, 8, 9, 14, 15, 17):
        assert f"onerror=alert({number})" in shown, number
    for piece in (*SHOWN, "<script>alert(4)</script>", "{% include '/etc/passwd' %}", "\\ud800"):
        assert piece in shown, piece
    assert "\u202e" not in shown
    assert "\0" not in shown


def test_the_example_that_is_illustrated_carries_the_hostile_text(page):
    figure = page.value("document.querySelector('figure').textContent").replace("\N{OPEN BOX}", " ")
    for piece in ("<img src=x onerror=alert(2)>", *SHOWN):
        assert piece in figure, piece


def test_the_tokens_of_a_text_stand_on_an_axis_as_they_are(study):
    """The tokens of one example are labels of a chart, whose data the page holds as a script."""
    closed = (study.report / "report.html").read_text()
    assert "<img src=x onerror=alert(2)>" not in closed
    shown = opened(closed)
    start = shown.index("looks.heatmap")
    assert "onerror=alert(2)" in shown[start:]


def test_the_tables_hold_hostile_names_without_loss(study):
    found = archive.read(study.report)
    given = next(one.grid for one in found.grids if one.grid.name == "given")
    assert given.positions == (TABLE[1][1], TABLE[2][1])
    assert given.reason[1, 0] == TAG.format(16)
    kinds = next(one for one in found.grids if one.grid.name == "kinds")
    assert set(kinds.held_out.classes) == set(kinds.held_out.by_class) == set(KINDS)
    assert {facet.name for facet in kinds.grid.facets} == set(KINDS)
    assert found.graded
    assert all(one.question.startswith(f"Is {TAG.format(1)}") and GOLD in one.completion for one in found.graded)
    for one in found.grids:
        assert archive.csv_problems(study.report, one.grid) == []


def test_the_pdf_shows_all_text_as_it_is_or_as_its_escapes(study):
    told = subprocess.run(["pdftotext", "-raw", study.report / "report.pdf", "-"], capture_output=True, check=True)
    shown = re.sub(r"\s", "", told.stdout.decode())
    for number in (2, 3, 9, 14, 15):
        assert f"<imgsrc=xonerror=alert({number})>" in shown, number
    for piece in ("</script>", "{{7*7}}", "{%raw%}", "\\u202e", "\\x00", "\\ud800", "<script>alert(4)</script>"):
        assert piece in shown, piece


def test_the_pdf_holds_no_action_and_no_address(study):
    data = (study.report / "report.pdf").read_bytes()
    assert not re.search(rb"/(JavaScript|JS|Launch|EmbeddedFile|SubmitForm|URI)\b", data)


def test_the_markdown_makes_no_element_of_the_text_and_shows_it(study):
    from markdown_it import MarkdownIt

    source = (study.report / "report.md").read_text()
    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(source)
    assert dangerous(made) == []
    text = "".join(re.split(r"<[^>]*>", made))
    for piece in ("&lt;img src=x onerror=alert(3)&gt;", "{{ 7*7 }}", "\\u202e", "\\x00"):
        assert piece in text, piece
    assert "no heading" not in "".join(re.findall(r"<h\d>(.*?)</h\d>", made))
    assert "javascript:alert(5)" in text


def test_the_terminal_gets_no_control_character(study):
    with cache(study.cache):
        ran = run("positions", study.spec, "-n", "2", "-q")
    assert ran.code == 0, ran.err
    shown = ran.out.replace("\n", "")
    assert not re.search("[\0-\x1f\x7f-\x9f\u202e\ud800-\udfff]", shown)
    assert "\\x00" in shown


def test_a_message_about_hostile_text_holds_no_control_character(study):
    with cache(study.cache):
        ran = run(
            "build",
            study.spec,
            "--out",
            study.home / "elsewhere",
            "--set",
            "datasets.facts.generate.max_new_tokens=150",
        )
    assert ran.code == 2
    assert "its prompt has" in ran.err
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", ran.err)
