"""Examples in the documents: shown on the page and on paper, hostile ones as text, readable, small."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pypdf
import pytest

import synthetic
import words
from browser import Browser
from layergrid import facts, prose, render
from layergrid.artifacts import Illustration
from layergrid.render import markdown, page, printing, shades
from layergrid.theme import load
from test_examples import drawn
from test_render import HOSTILE, HOSTILE_TEXT, Elements

ODD = (
    *HOSTILE, " ", "\n", "\t", "\x1b[0m", "\u202e\u05d0 \u200f(", "\u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d" * 30,
    "\U0001f600" * 20, "x" * 80, "1", "2", "|", "---",
)  # fmt: skip


def documents(*shown, **changes):
    results, known, summary = words.made()
    return render.prepare(replace(results, examples=shown, **changes), known, summary, render.Presentation())


def hostile(i=0, **more):
    """An example every text of which is hostile; the tokens at its positions as well."""
    places = (
        ("last_q", 1, 3, "ok"),
        ("exact_answer_last", 4, 5, "ok"),
        ("-1", 9, 12, "ok"),
        (HOSTILE[0], 5, 6, "missing"),
    )
    given = {"exact": (3, 7), "positions": places, "prompt_tokens": 8, "answer": HOSTILE_TEXT, "gold": HOSTILE_TEXT}
    return drawn(i, ODD, **{**given, "why": HOSTILE_TEXT, **more})


def section(content):
    html = page.html(content)
    return html[html.index('<section id="examples">') :].split("</section>")[0]


def long(i):
    """An example of as many tokens as are shown of one, with a position on every third."""
    names = synthetic.FIFTEEN
    places = tuple((name, 9 * k, 9 * k + 1, "ok") for k, name in enumerate(names))
    return drawn(i, tuple(f" word{k}" for k in range(140)), prompt_tokens=70, exact=(80, 84), positions=places)


@pytest.fixture
def browser():
    one = Browser()
    yield one
    one.close()


def test_every_document_shows_the_examples_with_their_scores():
    content = documents(drawn(0), drawn(1, correct=False))
    scores = [score for one in content.examples[0].examples for score in one.scores]
    assert len(scores) == 10
    html = section(content)
    assert re.findall(r"</i>[^<]*(?:<[^b][^>]*>[^<]*)*<b>([\d.]+)</b>", html) == [score.shown for score in scores]
    assert 'title="exact_answer_last 0' in html
    (made,) = [md for md in [markdown.md(content)] if "## Examples" in md]
    assert made.split("## Examples")[1].count("exact_answer_last 0.") == 2
    paper = "".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(printing.pdf(content, "A4"))).pages)
    shown = paper[paper.rindex("Wrong answer: 85") :].replace("\n", " ")
    assert all(re.search(rf"{re.escape(s.position)}\s+{s.shown}", paper.replace("\n", " ")) for s in scores)
    assert "85" in shown


def test_a_report_without_examples_has_no_section_for_them():
    content = documents()
    assert 'id="examples"' not in page.html(content)
    assert "## Examples" not in markdown.md(content)


def test_hostile_examples_stay_text_in_every_document():
    content = documents(hostile(0), hostile(1, correct=False), hostile(2, model=HOSTILE_TEXT))
    html = section(content)
    known = {"section", "h2", "h3", "p", "span", "i", "b", "bdi", "wbr", "div", "article"}
    assert {tag for tag, _ in Elements(html).found} == known
    assert not any(name.startswith("on") for _, attrs in Elements(html).found for name in attrs)
    assert not set(html) & {"\u202e", "\x00", "\x1b", "\u200f"}
    assert "{{ 7*7 }}" in html.replace("\N{OPEN BOX}", " ")
    table = [
        line for line in markdown.md(content).split("## Examples")[1].split("\n## ")[0].split("\n") if line[:1] == "|"
    ]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}
    assert not re.search(r"<(?!/?$)", "".join(table))


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_hostile_examples_fit_the_page_and_run_nothing(tmp_path, browser, width, dark):
    path = tmp_path / "report.html"
    path.write_text(page.html(documents(hostile(0), long(1), drawn(2))), encoding="utf-8")
    browser.open(path, width=width, dark=dark)
    assert browser.complaints == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    edge = "Math.max(...[...document.querySelectorAll('#examples *')].map(e => e.getBoundingClientRect().right))"
    assert browser.value(edge) <= width


def test_tokens_stand_in_the_order_of_the_text_whatever_their_script(tmp_path, browser):
    pieces = ("a", "\u0645\u0631", "\u05d0\u05d1", "1", "(", "\u05d2", ")", "\u4f60", "z")
    path = tmp_path / "report.html"
    path.write_text(page.html(documents(drawn(0, pieces, prompt_tokens=9, exact=None, positions=()))), encoding="utf-8")
    browser.open(path)
    lefts = browser.value("[...document.querySelectorAll('#examples bdi')].map(e => e.getBoundingClientRect().left)")
    assert len(lefts) == len(pieces)
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("dark", [False, True])
def test_tokens_have_the_shades_of_the_readers_scheme(tmp_path, browser, dark):
    path = tmp_path / "report.html"
    path.write_text(page.html(documents(*(drawn(i) for i in range(8)))), encoding="utf-8")
    browser.open(path, dark=dark)
    colours = browser.value(
        "Object.fromEntries([...document.querySelectorAll('#examples .scale i')].map(e =>"
        "[e.className, [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]]))"
    )
    expected = {
        one.name: [f"rgb({', '.join(str(int(c[k : k + 2], 16)) for k in (1, 3, 5))})" for c in (one.ground, one.ink)]
        for one in shades.of(load("paper"), "dark" if dark else "light")
    }
    assert colours == expected


def test_no_example_is_split_between_pages_of_the_pdf():
    many = [long(i) for i in range(8)]
    many = [replace(one, pieces=(f"first{i}", *one.pieces[1:-1], f"last{i}")) for i, one in enumerate(many)]
    made = pypdf.PdfReader(io.BytesIO(printing.pdf(documents(*many), "A4")))
    pages = [sheet.extract_text() for sheet in made.pages]
    for i in range(8):
        (start,) = [k for k, shown in enumerate(pages) if re.search(rf"first{i}\b", shown)]
        assert re.search(rf"last{i}\b", pages[start]), i
    assert sum("first" in shown and "Prompt" in shown for shown in pages) > 1


def test_hostile_examples_make_a_pdf_without_glyphs_of_other_fonts():
    made = pypdf.PdfReader(io.BytesIO(printing.pdf(documents(hostile(0), hostile(1)), "A4")))
    fonts = {str(f.get_object()["/BaseFont"]) for sheet in made.pages for f in sheet["/Resources"]["/Font"].values()}
    assert all("Layergrid" in font for font in fonts), fonts


def test_sixteen_examples_add_little_to_the_page():
    shown = [drawn(i) for i in range(4)] + [long(i) for i in range(4, 8)]
    other = [replace(one, model="small") for one in shown]
    assert len(section(documents(*shown)).encode()) < 40_000
    assert len(section(documents(*shown, *other)).encode()) < 80_000


def test_words_of_examples_cite_nothing_and_change_no_fact():
    bare, *_ = words.made()
    shown = replace(bare, examples=(drawn(0), drawn(1)))
    assert facts.derive(shown) == facts.derive(bare)
    assert prose.summarise(shown, facts.derive(shown)) == prose.summarise(bare, facts.derive(bare))


def test_an_example_of_one_token_and_one_without_any_are_shown():
    empty = Illustration("sums", "q0", (), (), 0, None, (), True, "", "", model="tiny")
    html = section(
        documents(empty, drawn(1, ("x",), exact=(0, 1), positions=(("last_q", 0, 1, "ok"),), prompt_tokens=1))
    )
    assert html.count("<article") == 2
    assert html.count("<bdi") == 1
