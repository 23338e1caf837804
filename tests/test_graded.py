"""The page of graded answers: who is drawn, how long texts are shortened, and that hostile ones stay text."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pypdf
import pytest

import words
from browser import Browser
from layergrid import render
from layergrid.artifacts import Examples, GradedAnswer, Labels, Sequences
from layergrid.cards import graded_answers
from layergrid.render import answers, markdown, page, printing
from test_render import HOSTILE, HOSTILE_TEXT, Elements

N = 40
QUESTIONS = tuple(f"Question: What is {i} plus {i % 7}?\nAnswer:" for i in range(N))


def rows(order=range(N), right=lambda i: i % 4 == 0, names="q{}", questions=QUESTIONS):
    """A graded data set in an order: the completion of row i says " It is i.", of which "i" is the exact answer."""
    order = list(order)
    n = len(order)
    texts = tuple(f"{questions[i]} It is {i}." for i in order)
    prompts = np.array([len(questions[i]) for i in order])
    ids = tuple(names.format(i) for i in order)
    sequences = replace(
        Sequences.none(ids), texts=texts, prompt_chars=prompts, written=True, stopped=np.array([i != 1 for i in order])
    )
    starts = prompts + len(" It is ")
    spans = np.array([[s, s + len(str(i))] if i % 5 else [-1, -1] for s, i in zip(starts, order, strict=True)])
    correct = np.array([right(i) for i in order])
    labels = Labels("numeric", "the rule", spans, ("",) * n, correct, tuple("" if c else "not so" for c in correct))
    return Examples("sums", "sums.csv", ids, ids, {"gold": tuple(order)}, "sha256:0"), sequences, labels


def draw(*given, seed=0, count=12):
    return graded_answers(*(given or rows()), "gold", model="tiny", seed=seed, count=count)


def test_half_are_wrong_and_half_are_right_with_wrong_ones_first():
    assert [a.correct for a in draw()] == [False] * 6 + [True] * 6
    assert [a.correct for a in draw(count=5)] == [False] * 3 + [True] * 2
    assert len({a.example_id for a in draw(count=20)}) == 20


@pytest.mark.parametrize(("few", "expected"), [(2, 10), (0, 12)])
def test_where_a_label_is_rare_the_other_fills_the_page(few, expected):
    for rare in (True, False):
        found = draw(*rows(right=lambda i, rare=rare: (i < few) == rare))
        assert sum(a.correct != rare for a in found) == expected
        assert len(found) == 12


def test_a_small_set_is_shown_whole():
    assert {a.example_id for a in draw(*rows(order=range(5)))} == {f"q{i}" for i in range(5)}
    assert draw(*rows(order=[])) == ()


def test_neither_the_order_nor_the_names_of_rows_change_the_draw():
    turned = np.random.default_rng(1).permutation(N).tolist()
    assert draw(*rows(order=turned)) == draw()
    assert [a.question for a in draw(*rows(names="other {}"))] == [a.question for a in draw()]


def test_equal_prompts_are_drawn_by_what_was_written():
    same = ("Question?",) * N
    turned = np.random.default_rng(1).permutation(N).tolist()
    assert draw(*rows(order=turned, questions=same)) == draw(*rows(questions=same))


def test_another_seed_draws_others_and_the_draw_is_spread_over_the_rows():
    assert draw(seed=1) != draw(seed=0) == draw(seed=0)
    drawn = {a.example_id for seed in range(40) for a in draw(seed=seed)}
    assert len(drawn) == N  # every row has its chance


def test_an_answer_brings_its_texts_its_span_and_how_it_was_graded():
    found = {a.example_id: a for seed in range(40) for a in draw(seed=seed)}
    one = found["q13"]
    assert (one.question, one.completion, one.gold) == (QUESTIONS[13], " It is 13.", "13")
    assert one.completion[slice(*one.span)] == "13"
    assert (one.correct, one.stopped, one.reason, one.dataset, one.model) == (False, True, "not so", "sums", "tiny")
    assert not found["q1"].stopped
    assert found["q10"].span is None


def test_nothing_is_drawn_where_nothing_was_graded():
    examples, sequences, labels = rows()
    assert draw(examples, replace(sequences, written=False), labels) == ()
    assert draw(examples, sequences, replace(labels, rule="", classes=("false", "true"))) == ()
    assert draw(examples, sequences, replace(labels, rule="", classes=("", ""))) == ()


# ---------------------------------------------------------------- long texts


def text_of(parts):
    return "".join({"text": part, "exact": f"<{part}>", "gap": "|"}[kind] for kind, part in parts)


def test_a_short_text_stands_whole_on_one_line():
    assert text_of(answers.shortened(" What is\n\n 4?\r\nAnswer:\n ")) == "What is ↵ 4? ↵ Answer:"
    assert text_of(answers.shortened(" it is 43.", (7, 9))) == "it is <43>."
    assert answers.shortened(" \n ") == ()


def test_a_long_text_keeps_its_beginning_its_end_and_the_exact_answer_between_words():
    filler = "word " * 100
    string = f"first {filler}so it is 43 indeed {filler}last"
    at = string.index("43")
    shown = text_of(answers.shortened(string, (at, at + 2)))
    assert len(shown) < 560
    assert re.fullmatch(r"first (word )+\|(word )+so it is <43> indeed (word )+\|(word )+last", shown)
    plain = text_of(answers.shortened(string))
    assert re.fullmatch(r"first (word )+\|(word )+last", plain)


@pytest.mark.parametrize("span", [(0, 700), (5, 2000), (1990, 2000), (3, 3), (-1, -1), (1900, 2100)])
def test_any_span_of_a_long_text_without_blanks_is_shown_in_bounded_space(span):
    string = "".join(chr(97 + i % 26) for i in range(2000))
    parts = answers.shortened(string, span)
    assert sum(len(part) for _, part in parts) <= 900
    exact = "".join(part for kind, part in parts if kind == "exact")
    valid = 0 <= span[0] < span[1] <= 2000
    assert exact[:5] == (string[slice(*span)][:5] if valid else "")
    for kind, part in parts:
        assert kind == "gap" or part in string


# ---------------------------------------------------------------- documents


def one(**changes):
    base = GradedAnswer(
        "sums", "tiny", "q0", "Question: What is 40 plus 3?\nAnswer:", " It is 34, I think.", (7, 9), "43", False, True,
        "'34' is not '43'",
    )  # fmt: skip
    return replace(base, **changes)


RIGHT = one(completion=" 40 plus 3 is 43.", span=(14, 16), correct=True, reason="")


def documents(*graded, **changes):
    results, facts, summary = words.made()
    results = replace(results, graded=graded, **changes)
    return render.prepare(results, facts, summary, render.Presentation())


def section(content):
    html = page.html(content)
    found = re.search(r'<section id="graded">.*?</section>', html, re.DOTALL)
    return found.group(0) if found else ""


def test_without_graded_answers_nothing_is_shown():
    content = documents()
    assert section(content) == ""
    assert "graded" not in page.html(content).split("<body>")[1].split("<main")[0]
    assert "Graded answers" not in markdown.md(content)


def test_the_page_says_how_answers_were_drawn_and_marks_what_was_compared():
    html = section(documents(one(), RIGHT))
    said = re.sub(r"<[^>]+>", "", html)
    assert "One of the 168 wrong and one of the 270 right answers of tiny to sums, drawn at random within each" in said
    assert "(seed 0)" in said
    assert "marked: the last number of the first sentence of the completion." in said
    assert "It is <mark>34</mark>, I think." in html
    assert re.findall(r'scope="rowgroup" colspan="4">(.*?)</th>', re.sub(r"</?span[^>]*>", "", html)) == [
        "Graded wrong, 1 of 168", "Graded right, 1 of 270"
    ]  # fmt: skip
    assert "What is 40 plus 3? ↵ Answer:" in html
    assert "<b>wrong</b>" in html
    assert "&#39;34&#39; is not &#39;43&#39;" in html


def test_markdown_shows_the_same_answers_in_a_table():
    lines = markdown.md(documents(one(), RIGHT)).split("\n")
    at = lines.index("## Graded answers")
    assert lines[at + 2].startswith("One of the 168 wrong and one of the 270 right answers of tiny to sums")
    assert lines[at + 4 : at + 8] == [
        "| Graded | Prompt | Completion | Right answer |",
        "| --- | --- | --- | --- |",
        "| wrong: '34' is not '43' | Question: What is 40 plus 3? ↵ Answer: | It is «34», I think. | 43 |",
        "| right | Question: What is 40 plus 3? ↵ Answer: | 40 plus 3 is «43». | 43 |",
    ]


def test_an_answer_that_was_cut_or_is_empty_or_has_no_exact_answer_says_so():
    rule = words.made()[0].data[0].rule
    cut = one(completion=" I do not", span=None, stopped=False, reason=f"found nothing by the rule: {rule}")
    html = section(documents(cut, one(completion="", span=None)))
    assert 'I do not <span class="gap">(cut here)</span>' in html
    assert "<mark>" not in html
    assert "<bdi>found nothing</bdi>" in html
    assert '<span class="gap">empty</span>' in html
    assert "(empty)" in markdown.md(documents(one(completion="", span=None)))


@pytest.mark.parametrize(
    ("n", "right", "shown", "expected"),
    [
        (2, 1, (one(), RIGHT), "The only wrong and the only right answers of tiny to sums,"),
        (1, 0, (one(),), "The only wrong answer of tiny to sums,"),
        (9, 7, (one(), one(), RIGHT), "Both wrong and one of the 7 right answers of tiny to sums,"),
        (9, 9, (RIGHT,), "One of the 9 right answers of tiny to sums,"),
    ],
)
def test_counts_of_few_answers_are_told_in_words(n, right, shown, expected):
    card = replace(words.made()[0].data[0], n=n, n_correct=right)
    drawn = answers.of(documents(*shown, data=(card,)).results)
    assert drawn[0].words.startswith(expected)


def test_answers_of_several_sets_stand_under_their_names():
    content = documents(one(), RIGHT, one(dataset="films"))
    assert re.findall("<h3>(.*?)</h3>", section(content)) == ["tiny, sums", "tiny, films"]
    assert "### tiny, films" in markdown.md(content)
    assert "One wrong answer of tiny to films" in markdown.md(content)  # no card tells how many there are


def hostile():
    """Answers whose every text is hostile, the exact answer as well."""
    texts = [*HOSTILE, HOSTILE_TEXT, "x" * 3000, "\u202e\u05d0 \u200f(" * 90, "\U0001f600" * 500, "|\n|\n---|\n" * 60]
    given = [one(question=t, completion=f"a {t} b", span=(2, 2 + len(t)), gold=t, reason=t) for t in texts]
    return [*given, *(replace(a, correct=True, stopped=False, reason="") for a in given)]


def test_hostile_answers_stay_text_in_every_document():
    content = documents(*hostile())
    html = section(content)
    known = {"section", "h2", "p", "span", "div", "table", "thead", "tbody", "tr", "th", "td", "mark", "b", "bdi"}
    assert {tag for tag, _ in Elements(html).found} == known
    assert not any(name.startswith("on") for _, attrs in Elements(html).found for name in attrs)
    assert "\\u202eabc" in html
    assert "a\\x00b" in html
    assert not set(html) & {"\u202e", "\x00", "\u200f"}
    table = [line for line in markdown.md(content).split("## Graded answers")[1].split("\n") if line.startswith("|")]
    assert len(table) == 2 + len(hostile())
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}
    assert not re.search(r"<(?!/?$)", "".join(table))


def test_no_answer_is_split_between_pages_of_the_pdf():
    many = [one(question=f"first{k} {'word ' * 55} last{k}") for k in range(16)]
    made = pypdf.PdfReader(io.BytesIO(printing.pdf(documents(*many), "A4")))
    pages = [sheet.extract_text() for sheet in made.pages]
    for k in range(16):
        (start,) = [i for i, shown in enumerate(pages) if re.search(rf"first{k}\b", shown)]
        assert re.search(rf"last{k}\b", pages[start]), k
    drawn = [shown for shown in pages if re.search(r"first\d", shown)]
    assert len(drawn) > 1
    assert all("Completion" in shown for shown in drawn)  # the head of the table stands on each page


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_hostile_answers_fit_the_page_and_run_nothing(tmp_path, width, dark):
    path = tmp_path / "report.html"
    path.write_text(page.html(documents(*hostile())), encoding="utf-8")
    browser = Browser()
    try:
        browser.open(path, width=width, dark=dark)
        assert browser.complaints == []
        assert browser.value("document.documentElement.scrollWidth") <= width
        wide = browser.value(
            "[...document.querySelectorAll('#graded td')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        )
        assert wide == 0
        rows = browser.value("document.querySelectorAll('#graded tbody tr:not(.label)').length")
        assert rows == len(hostile())
    finally:
        browser.close()


def test_hostile_answers_make_a_pdf_of_few_pages_without_glyphs_of_other_fonts():
    made = pypdf.PdfReader(io.BytesIO(printing.pdf(documents(*hostile()[:17], one(question="x" * 3000)), "A4")))
    assert len(made.pages) < 8
    fonts = {str(f.get_object()["/BaseFont"]) for sheet in made.pages for f in sheet["/Resources"]["/Font"].values()}
    assert all("Layergrid" in font for font in fonts), fonts
