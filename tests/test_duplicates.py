"""Near-duplicates: swapped pronouns are found, other roles of a film and other sums are not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layergrid.demo.questions import evaluation_sums
from layergrid.demo.statements import statements
from layergrid.duplicates import near_duplicates

WORKERS = ("janitor", "accountant", "chief", "assistant", "carpenter", "teacher", "lawyer", "clerk", "farmer", "baker")
DEEDS = (
    "reprimanded the {b} because {p} made a mistake filing paperwork.",
    "hired the {b} because {p} needed help with pending cases.",
    "met with the {b} so that {p} could fix the cabinets in the classroom.",
    "argued with the {b} because {p} did not like the new design.",
    "visited the {b} after {p} broke a leg while skiing.",
)
ADDED = ("on Monday", "in Geneva", "before lunch", "at the harbour", "by letter", "without warning", "on the stairs")
SHOTS = "The chief thanked the baker because he brought bread. Who does the pronoun 'he' refer to? The baker.\n\n"


def winobias() -> list[str]:
    """Pairs of rows 2 i and 2 i + 1 that differ in the pronoun alone."""
    pairs = [(a, WORKERS[(i + 1 + j) % 10], deed) for i, a in enumerate(WORKERS) for j, deed in enumerate(DEEDS)]
    said = [(f"The {a} {ADDED[i % 7]} {ADDED[i % 5 + 1]} ", b, deed) for i, (a, b, deed) in enumerate(pairs)]
    return [start + deed.format(b=b, p=p) for start, b, deed in said for p in ("he", "she")]


FILMS = {
    "The Perks of Being a Wallflower": ("Sam", "Charlie", "Patrick", "Mary Elizabeth", "Himself"),
    "Pulse 2: Afterlife": ("Stephen", "Michelle", "Marta", "Young Stephen"),
    "A Walk in the Clouds": ("Guadelupe Aragón", "Paul Sutton", "Victoria Aragón", "Betty"),
    "Georgia Rule": ("Harlan Wilson", "Rachel", "Lilly", "Simon"),
    "Rush Hour 3": ("Kenji", "Detective Carter", "Inspector Lee", "Himself"),
    "Insidious: Chapter 2": ("Dalton Lambert", "Renai Lambert", "Specs", "Tucker"),
    "Hamilton: In the Interest of the Nation": ("Carl Hamilton", "Mouna", "Kristin", "Jegor"),
    "The Servant": ("Lady Mounset", "Tony", "Vera", "Hugo Barrett"),
    "13Hrs": ("Charlie Moore", "Emily", "Doug", " "),
    "Lila & Eve": ("Lila", "Eve", "Alonzo", "Pearl"),
    "The Good Doctor": ("Dr. Waylans", "Dr. Martin Blake", "Nurse Theresa", "Jimmy"),
}


def films() -> list[str]:
    """Several roles of each film, in the template of the set."""
    return [f"Who acted as {role} in the movie '{title}'?" for title, roles in FILMS.items() for role in roles]


def sums(signs: str = "+-") -> list[str]:
    return [f"What is {a} {sign} {b}?" for a in range(10, 40, 3) for b in range(10, 40, 3) for sign in signs]


def in_clusters(texts: list[str]) -> int:
    """Rows that stand in a cluster of two or more."""
    return int((np.bincount(near_duplicates(texts))[near_duplicates(texts)] > 1).sum())


def sets(texts: list[str]) -> set[frozenset[str]]:
    codes = near_duplicates(texts)
    return {frozenset(text for text, code in zip(texts, codes, strict=True) if code == c) for c in set(codes.tolist())}


@pytest.mark.parametrize("template", ["{}", SHOTS + "{} Who does the pronoun refer to?", "[INST] {} [/INST]\n"])
def test_twins_that_differ_in_a_pronoun_are_together_whatever_the_template(template):
    texts = [template.format(text) for text in winobias()]
    codes = near_duplicates(texts)
    assert (codes[::2] == codes[1::2]).mean() >= 0.95
    assert len(set(codes.tolist())) >= 0.8 * len(texts) / 2  # and they are not all one cluster


@pytest.mark.parametrize("template", ["{}", "Who acted as Sam in the movie 'Heat'? Nobody.\n{}\nAnswer:"])
def test_other_roles_of_the_same_film_are_other_questions(template):
    assert in_clusters([template.format(text) for text in films()]) == 0


@pytest.mark.parametrize("signs", ["+-", ("plus", "minus"), ("divided by", "multiplied by")])
@pytest.mark.parametrize("template", ["{}", "What is 1 + 1? 2\nWhat is 12 + 34? 46\n{}"])
def test_sums_of_other_numbers_signs_or_order_are_other_questions(signs, template):
    assert in_clusters([template.format(text) for text in sums(signs)]) == 0
    wordings = ("What is", "Tell me the value of", "Please work out for me", "I should like to know how much is")
    told = [text.replace("What is", wordings[i % 4]) for i, text in enumerate(sums(signs))]
    assert in_clusters([template.format(text) for text in told]) == 0


def test_the_sums_and_statements_of_the_demo_are_all_different():
    assert in_clusters([one.question for one in evaluation_sums(600)]) == 0
    assert in_clusters([f"{one.sum.question} {one.reply}" for one in statements(600)]) == 0


def test_a_word_problem_whose_numbers_alone_differ_is_a_near_duplicate():
    texts = winobias()[::2]
    told = (
        "While mowing lawns over the summer Mike, whose brother Paul owns a bakery, earned {} dollars and bought new "
        "mower blades for {} dollars. How much money did Mike keep for video games?"
    )
    codes = near_duplicates([*texts, told.format(69, 24), told.format(81, 17)])
    assert codes[-1] == codes[-2]


def test_equal_texts_are_together_and_codes_count_up_from_the_first_row():
    assert near_duplicates(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]
    assert near_duplicates(["1 + 1", "1 + 2", "1 + 1"]).tolist() == [0, 1, 0]
    assert near_duplicates([]).tolist() == []
    assert near_duplicates(["only one"]).tolist() == [0]
    assert near_duplicates(["", " ", "", "\ud800"]).tolist() == [0, 1, 0, 2]


def test_case_and_the_form_of_characters_do_not_count():
    texts = winobias()
    codes = near_duplicates([*texts, texts[0].upper(), texts[4].replace("c", "\uff43")])
    assert codes[-2] == codes[0]
    assert codes[-1] == codes[4]


def test_twins_of_a_script_without_blanks_are_found():
    places = ("東京都の図書館", "大阪の古い港", "京都駅の近く", "札幌の雪祭り", "広島の平和公園", "福岡の屋台街")
    things = ("赤い傘を失くした", "友人に手紙を渡した", "昼食に蕎麦を食べた", "猫の写真を撮った")
    texts = [f"{who}は{place}で{thing}。" for place, thing in product(places, things) for who in ("彼", "彼女")]
    codes = near_duplicates(texts)
    assert (codes[::2] == codes[1::2]).mean() >= 0.9
    assert len(set(codes.tolist())) >= 20


def test_the_order_and_the_repetition_of_rows_change_nothing():
    texts = winobias()[:60] + films()[:30] + sums()[:30]
    expected = sets(texts)
    shuffled = list(texts)
    for seed in range(3):
        np.random.default_rng(seed).shuffle(shuffled)
        assert sets(shuffled) == expected
        assert sets(shuffled + shuffled[:20]) == expected


@given(st.lists(st.text(max_size=40), max_size=12), st.randoms(use_true_random=False))
def test_any_texts_give_clusters_that_follow_the_texts_alone(texts, rng):
    shuffled = list(texts)
    rng.shuffle(shuffled)
    assert sets(shuffled) == sets(texts)
    codes = near_duplicates(texts).tolist()
    assert list(dict.fromkeys(codes)) == list(range(len(set(codes))))
