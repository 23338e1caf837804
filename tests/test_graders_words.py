"""Answers that stand in texts as whole words: SQuAD's forms, aliases, lead-ins; and exact answers with aliases."""

from __future__ import annotations

import re
import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.graders.contains import ContainsGrader
from layergrid.graders.exact import ExactGrader
from layergrid.graders.golds import held, shown
from layergrid.graders.normalising import folded, place, squad, without_accents
from layergrid.kinds import BadInput

CONTAINS = ContainsGrader(gold="answer")


def found(completion: str, **parameters) -> str | None:
    span = ContainsGrader(gold="answer", **parameters).find(completion)
    return None if span is None else completion[span[0] : span[1]]


# ---------------------------------------------------------------- forms


def published(text: str) -> str:
    """SQuAD's `normalize_answer`, from the description in its evaluation: lower, punctuation, articles, blanks."""
    lower = text.lower()
    bare = "".join(c for c in lower if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


ASCII = st.text(st.sampled_from("aAntheT bé. ,-'\"!$_\n09".replace("é", "")), max_size=40)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(text=ASCII)
def test_the_form_of_a_text_is_the_published_one(text):
    kept = re.search(r"\d[.:/]\d", text) is not None  # a point between digits stays: 2.5 is not 25
    if not kept and published(text):
        assert squad(text) == published(text)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(text=st.text(max_size=40))
def test_a_form_has_itself_as_form(text):
    assert squad(squad(text)) == squad(text)
    assert folded(folded(text)) == folded(text)
    assert without_accents(without_accents(text)[0])[0] == without_accents(text)[0]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(max_size=40))
def test_folded_characters_know_where_they_come_from(text):
    form, origin = without_accents(text)
    assert len(form) == len(origin)
    assert origin == sorted(origin)
    assert all(0 <= i < len(text) for i in origin)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("The  Beatles!", "beatles"),
        ("\u201cO\u2019Brien\u201d", "obrien"),
        ("\uff21\uff22\uff23", "abc"),
        ("2.5", "2.5"),
        ("1,000", "1000"),
        ("The The", "the the"),
        ("1914\u20131918", "1914 1918"),
        ("STRASSE", "strasse"),
        ("stra\u00dfe", "strasse"),
    ],
)
def test_forms_of_texts(text, form):
    assert squad(text) == form


@pytest.mark.parametrize(
    ("wanted", "text", "where"),
    [
        ("Paris", "It is Paris, France.", "Paris"),
        ("Par", "It is Paris.", None),
        ("5", "15", None),
        ("5", "2.5", None),
        ("25", "2.5", None),
        ("34", "3/4", None),
        ("Bamber", "15Bamber", None),
        ("2.5", "about 2.5%", "2.5"),
        ("9/11", "on 9/11.", "9/11"),
        ("Shakespeare", "Shakespeare's plays", "Shakespeare"),
        ("Jean-Luc", "Jean Luc Picard", "Jean Luc"),
        ("the Beatles", "A group: Beatles!", "Beatles"),
        ("The The", "It is The The.", "The The"),
        ("AC/DC", "by ACDC", "ACDC"),
        ("Jose\u0301 Mart\u00ed", "so Jos\u00e9 Marti\u0301.", "Jos\u00e9 Marti\u0301"),
        ("New York", "New\nYork", "New\nYork"),
        ("", "anything", None),
        ("!", "anything!", None),
    ],
)
def test_a_text_stands_in_another_as_whole_words(wanted, text, where):
    span = place(wanted, text)
    assert (None if span is None else text[span[0] : span[1]]) == where


@settings(max_examples=300, deadline=None, derandomize=True)
@given(before=st.text(max_size=15), word=st.text(min_size=1, max_size=10), after=st.text(max_size=15))
def test_every_text_with_a_form_stands_between_any_others(before, word, after):
    if squad(word):
        span = place(word, f"{before} {word} {after}")
        assert span is not None
        assert squad(word) in squad(f"{before} {word} {after}") or squad(word).split()[0] in ("a", "an", "the")


# ---------------------------------------------------------------- contains


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" Paris.\nQ: And of Spain?", "Paris"),
        ("\n\n The answer is Paris, of course.", "Paris, of course"),
        ("Sure! The answer is **Paris**.", "Paris"),
        ("So, the final answer to the question is: \u201cParis\u201d.", "Paris"),
        ("A: Paris", "Paris"),
        ("It's Paris", "Paris"),
        ("Item 4", "Item 4"),
        ("Answers differ", "Answers differ"),
        ("The answer is", None),
        (" ... ", None),
        ("", None),
        ("'tis", "'tis"),
    ],
)
def test_the_answer_is_the_first_line_without_what_leads_in(completion, answer):
    assert found(completion) == answer


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ({"lead_ins": False}, "It is Rome. Or \u201cParis\u201d"),
        ({"within": "first_sentence"}, "Rome"),
        ({"within": "last_line"}, "Answer: Nice"),
        ({"within": "last_line", "after": "Answer:"}, "Nice"),
        ({"quoted": True}, "Paris"),
        ({"after": r"Answer:\s*"}, "Nice"),
        ({"after": "Solution"}, None),
        ({"within": "all"}, "Rome. Or \u201cParis\u201d.\n- Answer: Nice"),
    ],
)
def test_which_part_is_the_answer_is_said_by_parameters(parameters, answer):
    text = "It is Rome. Or \u201cParis\u201d.\n- Answer: Nice."
    if parameters.get("within") == "last_line" and "after" not in parameters:
        answer = "- " + str(answer)
    assert found(text, **parameters) == answer


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("the Jamie Bamber of Galactica", "Jamie Bamber", True),
        ("Jamie Bambers", "Jamie Bamber", False),
        ("15", "5", False),
        ("JAMIE  BAMBER", "jamie bamber", True),
        ("Guadelupe Arag\u00f3n", "Guadelupe Aragon", False),
        ("5", 5, True),
    ],
)
def test_an_answer_is_right_that_has_the_right_one_in_it(answer, gold, right):
    assert CONTAINS.agrees(answer, gold) is right


def test_a_right_answer_without_letter_and_digit_is_refused():
    with pytest.raises(BadInput, match="no letter and no digit"):
        CONTAINS.agrees("x", "?!")


# ---------------------------------------------------------------- right answers and aliases


@pytest.mark.parametrize(
    ("value", "answers"),
    [
        ("Paris", ("Paris",)),
        ("['Paris', \"L'Aquila\"]", ("Paris", "L'Aquila")),
        ('["Paris", null, ""]', ("Paris",)),
        ("['a' 'b'\n 'c d']", ("a", "b", "c d")),
        ("[9.0]", (9.0,)),
        ("[sic]", ("[sic]",)),
        ("[1, 2", ("[1, 2",)),
        ("{x}", ("{x}",)),
        ("[]", ()),
        ("  ", ()),
        (None, ()),
        (float("nan"), ()),
        (5, (5,)),
        (True, (True,)),
    ],
)
def test_a_value_holds_an_answer_or_a_list_of_them(value, answers):
    assert held(value) == answers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("['a', 'b", "cut short"),
        ("[['a'], ['b']]", "flat list"),
        ("{'aliases': ['a']}", "is a mapping"),
    ],
)
def test_a_value_that_cannot_be_read_says_why(value, words):
    with pytest.raises(BadInput, match=words):
        held(value)


def test_a_deep_list_or_a_long_one_is_no_danger():
    assert held("[" * 10_000) == ("[" * 10_000,)
    assert len(held(str([str(i) for i in range(10_000)]))) == 10_000


def test_any_alias_is_right_wherever_it_stands():
    row = {"answer": "The Beatles", "aliases": "['Beatles', 'Fab Four']", "more": "  ", "last": "John's band"}
    grader = ContainsGrader(gold="answer", aliases=("aliases", "more", "last"))
    assert grader.golds(row) == ("The Beatles", "Beatles", "Fab Four", "John's band")
    assert grader.grade(row, " The fab four.").correct
    wrong = grader.grade(row, " Queen")
    assert (wrong.correct, wrong.reason) == (
        False,
        "'Queen' is not 'The Beatles' or 'Beatles' or 'Fab Four' or \"John's band\"",
    )
    assert ExactGrader(gold="answer", aliases=("aliases",)).grade(row, "fab four\n").correct
    assert not ExactGrader(gold="answer", aliases=("aliases",)).grade(row, "the fab four\n").correct


def test_a_few_right_answers_are_shown_in_a_sentence():
    assert shown(["a"]) == "'a'"
    assert shown("abc") == "'a', 'b' or 'c'"
    assert shown("abcde") == "'a', 'b', 'c' or 2 more"


# ---------------------------------------------------------------- finding is blind

TEXT = st.text(st.sampled_from("The answer is Paris.\n\u201c\u201dA:*'!5 "), max_size=40)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=TEXT, within=st.sampled_from(["first_line", "first_sentence", "last_line", "all"]), quoted=st.booleans())
def test_a_span_lies_in_the_completion_and_is_no_blank(text, within, quoted):
    span = ContainsGrader(gold="answer", within=within, quoted=quoted).find(text)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
        assert text[span[0] : span[1]].strip() == text[span[0] : span[1]]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=TEXT, golds=st.permutations(["Paris", "5", "A"]))
def test_spans_do_not_depend_on_the_right_answer(text, golds):
    labels = [CONTAINS.grade({"answer": gold}, text) for gold in golds]
    assert len({label.span for label in labels}) == 1


def test_names_that_begin_with_a_lead_in_keep_their_accents():
    text = unicodedata.normalize("NFD", "It is Jos\u00e9")
    assert squad(found(text) or "") == "jos\u00e9"
