"""Labels, patterns, columns and expressions; and rules that see the right answer, which a spec has to insist on."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.artifacts import Examples, Label, Scalar
from layergrid.graders import check_gold, equality
from layergrid.graders.choice import ChoiceGrader, Options
from layergrid.graders.column import ColumnGrader
from layergrid.graders.contains import ContainsGrader
from layergrid.graders.math import MathGrader
from layergrid.graders.numeric import NumericGrader
from layergrid.graders.patterns import checked, search
from layergrid.graders.regex import RegexGrader
from layergrid.kinds import BadInput, BuildError, occurrence_of
from spec_texts import changed, error, read

NLI = ("entailment", "neutral", "contradiction")


def choice(*labels: str, **parameters) -> ChoiceGrader:
    return ChoiceGrader(gold="answer", options=labels or NLI, **parameters)


def found(grader, completion: str, options: tuple[str, ...] = NLI) -> str | None:
    span = grader.find(completion, options)
    return None if span is None else completion[span[0] : span[1]]


def examples(**columns: list[Scalar]) -> Examples:
    n = len(next(iter(columns.values())))
    ids = tuple(str(i + 1) for i in range(n))
    return Examples("rows", "rows.csv", ids, ids, {k: tuple(v) for k, v in columns.items()}, "")


# ---------------------------------------------------------------- choice


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" Neutral, not entailment.", "Neutral"),
        ("It is not neutral; it is a contradiction.", "contradiction"),
        ("It isn't an entailment but neutral", "neutral"),
        ("non-neutral, so a contradiction", "contradiction"),
        ("entailments or neutrality", None),
        ("contradiction or entailment", "contradiction"),
        ("ENTAILMENT", "ENTAILMENT"),
        ("\u00c9nt\u00e0ilment", "\u00c9nt\u00e0ilment"),
        ("cannot say", None),
        ("", None),
    ],
)
def test_the_label_that_is_named_first_is_taken_but_for_one_that_is_denied(completion, answer):
    assert found(choice(), completion) == answer


def test_a_denied_label_may_count_and_the_last_mention_may_be_taken():
    assert found(choice(denied="count"), "not neutral but entailment") == "neutral"
    assert found(choice(take="last"), "neutral, no, entailment.\n") == "entailment"
    assert found(choice(within="last_line"), "neutral\nso: entailment") == "entailment"


def test_of_labels_that_begin_together_the_longer_one_is_meant():
    labels = ("New York", "New York City", "York")
    assert found(choice(*labels), "in New  York\ncity", labels) == "New  York\ncity"
    assert found(choice(*labels), "in New York.", labels) == "New York"
    assert found(choice("C++", "C"), "It is C++.", ("C++", "C")) == "C++"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("(B)", "B"),
        ("B.", "B"),
        ("B", "B"),
        ("The answer is B because", "B"),
        ("Answer: **C**", "C"),
        ("A man and option B", "B"),
        ("I am. A", "A"),
        ("a.", None),
        ("Plan D", None),
        ("neutral (A)", "neutral"),
        ("not (A) but (B)", "B"),
    ],
)
def test_letters_stand_for_labels_where_they_are_set_off(completion, answer):
    assert found(choice(letters=True), completion) == answer


def test_letters_and_labels_are_the_same_answer():
    grader = choice(letters=True)
    assert grader.agrees("B", "neutral", NLI)
    assert grader.agrees("Neutral", "B", NLI)
    assert grader.agrees("c", "(C)", NLI)
    assert not grader.agrees("A", "neutral", NLI)
    letters = choice("A", "B", "C", "D")
    assert found(letters, "A good one is (C).", ("A", "B", "C", "D")) == "C"
    assert letters.agrees("C", "c", ("A", "B", "C", "D"))


def test_options_of_a_row_are_sorted_so_that_none_stands_out():
    grader = ChoiceGrader(gold="answer", options=Options(columns=("answer", "wrong")))
    one, other = {"answer": "nurse", "wrong": "guard"}, {"answer": "guard", "wrong": "nurse"}
    assert grader.options(one) == grader.options(other) == ("guard", "nurse")
    text = "It is the nurse, not the guard."
    assert [grader.grade(row, text).span for row in (one, other)] == [(10, 15), (10, 15)]
    assert [grader.grade(row, text).correct for row in (one, other)] == [True, False]


def test_options_in_a_list_keep_the_order_of_their_letters():
    grader = ChoiceGrader(gold="key", letters=True, options=Options(column="choices"))
    row = {"key": "B", "choices": "['red' 'blue' 'green']"}
    assert grader.options(row) == ("red", "blue", "green")
    assert grader.grade(row, " Blue").correct
    assert grader.grade(row, " (B)").correct
    assert not grader.grade(row, " (C)").correct


@pytest.mark.parametrize(
    ("grader", "columns", "words"),
    [
        (choice(), {"answer": ["neutral", "maybe"]}, "example '2', column 'answer': the right answer 'maybe' is none"),
        (choice(), {"answer": ["neutral", "A"]}, "by 'letters: true' a letter may stand for one"),
        (choice(), {"answer": ["neutral", None]}, "example '2', column 'answer': the right answer None is none"),
        (choice(), {"anser": ["neutral"]}, "there is no column 'answer', named as gold"),
        (
            ChoiceGrader(gold="answer", options=Options(columns=("answer", "wrong"))),
            {"answer": ["a", "b"], "wrong": ["b", "B"]},
            "example '2': its labels are 'B' or 'b'; a choice needs two that differ",
        ),
        (
            ChoiceGrader(gold="answer", options=Options(columns=("answer", "wrng"))),
            {"answer": ["a"], "wrong": ["b"]},
            "there is no column 'wrng', named as options",
        ),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused_before_anything_is_written(grader, columns, words):
    with pytest.raises(BadInput) as caught:
        check_gold(grader, examples(**columns))
    assert words in str(caught.value)


LABELS = st.lists(st.text(st.sampled_from("ab \u00e9-"), min_size=1, max_size=6), min_size=2, max_size=4)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(labels=LABELS, text=st.text(st.sampled_from("ab \u00c9\u00e9-.n't"), max_size=30), letters=st.booleans())
def test_what_is_found_is_one_of_the_labels_and_does_not_depend_on_which_is_right(labels, text, letters):
    try:
        grader = choice(*labels, letters=letters)
    except ValueError:
        return
    options = grader.options({})
    span = grader.find(text, options)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
        assert sum(grader.agrees(text[span[0] : span[1]], one, options) for one in labels) == 1
    assert len({grader.grade({"answer": one}, text).span for one in labels}) == 1


# ---------------------------------------------------------------- regex


def test_a_group_is_the_answer_and_the_first_or_last_match_is_taken():
    text = "Answer: 4. Final Answer: 5."
    named = {"gold": "answer", "pattern": r"Answer: (?P<answer>\d)(\.)"}
    assert found(RegexGrader(**named), text) == "4"
    assert found(RegexGrader(**named, take="last"), text) == "5"
    assert found(RegexGrader(gold="answer", pattern=r"Answer: (\d)"), text) == "4"
    assert found(RegexGrader(gold="answer", pattern=r"Final \w+"), text) == "Final Answer"
    assert found(RegexGrader(gold="answer", pattern=r"(x)?Answer"), text) is None


@pytest.mark.parametrize(
    ("form", "answer", "gold", "same"),
    [
        ("text", "Paris.", "PARIS", True),
        ("text", "the Paris", "Paris", False),
        ("words", "the Paris!", "Paris", True),
        ("number", "5.0 km", "5", True),
        ("number", "15", "5", False),
        ("verbatim", "Paris", "paris", False),
        ("verbatim", "Paris", "Paris", True),
    ],
)
def test_what_a_pattern_finds_is_compared_in_a_named_form(form, answer, gold, same):
    assert RegexGrader(gold="answer", pattern=".", compare=form).agrees(answer, gold) is same


@pytest.mark.parametrize("form", ["text", "words", "verbatim"])
def test_a_right_answer_of_which_nothing_is_left_is_refused(form):
    with pytest.raises(BadInput, match="holds nothing to compare"):
        RegexGrader(gold="answer", pattern=".", compare=form).agrees("x", "")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "is no regular expression"),
        ("(?:(?:(?:a{1000}){1000}){1000})", "makes it too large"),
        ("((((a{1,99}){1,99}){1,99}){1,99})", "makes it too large"),
        ("a" * 1001, "at most 1,000"),
    ],
)
def test_patterns_that_are_none_or_grow_beyond_measure_are_refused(pattern, words):
    with pytest.raises(ValueError, match=r"is no|makes|at most") as caught:
        checked(pattern)
    assert words in str(caught.value)


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(?:a+a+)+b"])
def test_a_search_that_never_ends_is_stopped_and_says_so(pattern, monkeypatch):
    monkeypatch.setattr("layergrid.graders.patterns.SECONDS", 0.2)
    started = time.perf_counter()
    with pytest.raises(BuildError, match=r"takes more than .* on a completion of 5,001 characters"):
        search(checked(pattern), "a" * 5000 + "!")
    assert time.perf_counter() - started < 10


# ---------------------------------------------------------------- column


def test_a_column_says_what_is_right_and_another_where_the_answer_stands():
    grader = ColumnGrader(column="ok", answer="exact")
    text = " In 15 of 5 cases, 5."
    assert grader.grade({"ok": "1", "exact": "5"}, text) == Label((10, 11), "5", True, "", (1, 2))
    assert ColumnGrader(column="ok", answer="exact", take="last").grade({"ok": 0, "exact": "5"}, text).span == (19, 20)
    nowhere = grader.grade({"ok": True, "exact": "six"}, text)
    assert (nowhere.span, nowhere.correct) == (None, True)
    assert "'six' does not stand in the completion" in nowhere.reason
    assert grader.grade({"ok": True, "exact": None}, text).reason.endswith("the data give none")


def test_without_such_a_column_a_part_of_the_completion_is_the_answer():
    grader = ColumnGrader(column="grade", values=("right", 1))
    label = grader.grade({"grade": "right"}, "\n Paris.\nNo")
    assert (label.answer, label.correct) == ("Paris", True)
    assert not grader.grade({"grade": "wrong"}, "Paris").correct
    assert ColumnGrader(column="grade", within="last_line").grade({"grade": "no"}, "a\nb").answer == "b"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"ok": ["yes", "perhaps"], "exact": ["", ""]},
            "example '2', column 'ok': 'perhaps' is neither true nor false",
        ),
        ({"ok": ["yes", None], "exact": ["", ""]}, "example '2', column 'ok': it is empty"),
        ({"ok": ["yes"], "exat": ["a"]}, "there is no column 'exact', named as answer"),
        ({"okay": ["yes"], "exact": ["a"]}, "there is no column 'ok', named as column"),
    ],
)
def test_columns_of_grades_that_cannot_be_read_are_refused(columns, words):
    with pytest.raises(BadInput) as caught:
        check_gold(ColumnGrader(column="ok", answer="exact"), examples(**columns))
    assert words in str(caught.value)


# ---------------------------------------------------------------- math

MATH = MathGrader(gold="answer")
PAIRS = [
    (r"\frac{3}{4}", "0.75"), ("9.0", "9"), ("x^2+2x+1", "(x+1)^2"), (r"\sqrt{2}/2", r"\frac{1}{\sqrt{2}}"),
    ("5", "15"), ("[1, 2]", "[1,2]"), ("(1, 2)", "[1, 2]"), ("1,234", "1234"), ("x=5", "5"), ("five", "5"),
    (r"\{1,2\}", r"\{2,1\}"), ("1/3", "0.33"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"So $x=5$. Thus \boxed{\frac{3}{4}}.", r"\frac{3}{4}"),
        ("It costs $5 and $6.", "6"),
        (r"It is $\frac12$. So 3 remain.", r"\frac12"),
        (r"\[ x = 3 \] and \(y\)", "y"),
        ("$$x^2$$", "x^2"),
        (r"\boxed{}", None),
        ("none", None),
    ],
)
def test_a_box_comes_before_a_formula_and_a_formula_before_a_number(completion, answer):
    assert found(MATH, completion) == answer


def test_the_first_formula_may_be_taken_and_an_interval_is_no_list():
    assert found(MathGrader(gold="answer", take="first"), "$x$ or $y$") == "x"
    assert MATH.golds({"answer": "[1, 2]"}) == ("[1, 2]",)
    assert MATH.golds({"answer": "[9.0]"}) == (9.0,)
    assert MATH.golds({"answer": None}) == ()


@pytest.fixture(scope="module")
def verifier():
    pytest.importorskip("math_verify")
    one = equality.Verifier()
    yield one
    one.close()


def test_expressions_are_equal_that_the_package_calls_equal(verifier):
    import math_verify

    for gold, answer in PAIRS:
        wanted = math_verify.parse(equality.delimited(gold))
        same = bool(math_verify.verify(wanted, math_verify.parse(equality.delimited(answer))))
        assert (verifier.compare(gold, answer) == equality.EQUAL) is same, (gold, answer)
    assert verifier.compare("$ $", "5") == equality.UNREAD


def test_no_text_that_is_compared_as_mathematics_runs(tmp_path, verifier):
    made = tmp_path / "made"
    for text in (
        f"__import__('os').mkdir('{made}')",
        f"\\text{{open('{made}','w')}}",
        f"1+open('{made}','w').write('x')",
    ):
        for spelled in (text, f"${text}$", f"The answer is {text}", f"\\boxed{{{text}}}"):
            verifier.compare(spelled, "1")
            verifier.compare("1", spelled)
    assert not made.exists()


def test_threads_get_the_answers_of_the_main_thread(verifier):
    said: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda i=i: said.update({i: verifier.compare(f"{i}/2", str(i * 0.5))}))
        for i in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert said == dict.fromkeys(range(4), equality.EQUAL)


@pytest.mark.slow
def test_an_expression_that_takes_for_ever_is_taken_for_different_and_the_next_one_is_compared(verifier):
    assert verifier.compare("2", "9^{9^{9}}") == equality.SLOW
    assert verifier.compare("2", "2.0") == equality.EQUAL


def test_a_child_that_was_ended_is_started_again():
    pytest.importorskip("math_verify")
    one = equality.Verifier()
    assert one.compare("1", "1.0") == equality.EQUAL
    assert one._child is not None
    one._child.kill()
    one._child.wait()
    assert one.compare("2", "2.5") == equality.SLOW
    assert one.compare("2", "2.0") == equality.EQUAL
    one.close()


def test_without_the_package_it_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("layergrid.graders.math.installed", lambda: False)
    with pytest.raises(BadInput, match=r'not installed; install it with `pip install "layergrid\[math\]"`'):
        check_gold(MATH, examples(answer=["1"]))


# ---------------------------------------------------------------- rules that see the right answer


def test_a_span_that_depends_on_the_right_answer_is_refused_with_its_place():
    said = error(changed("{kind: numeric, gold: answer}", "{kind: numeric, span: gold}"))
    assert said.startswith("t.yaml:11:34: 'span': 'gold' looks for the exact answer with the right one in hand")
    assert "insist: true" in said


def test_a_spec_may_insist_on_it():
    spec = read(changed("{kind: numeric, gold: answer}", "{kind: contains, span: gold, insist: true}"))
    assert spec.datasets["sums"].grade.label_dependent
    assert not read(changed("{kind: numeric, gold: answer}", "{kind: contains}")).datasets["sums"].grade.label_dependent


def test_the_first_occurrence_of_the_right_answer_is_taken_in_right_answers_alone():
    text = "5 and 3 make 8, not 5. So 8."
    number = NumericGrader(gold="answer", within="all", insist=True, span="gold")
    assert number.grade({"answer": 8}, text).span == (13, 14)
    assert number.grade({"answer": 7}, text).span == (26, 27)
    assert "in right answers, the first number that is right" in number.stated
    words = ContainsGrader(gold="answer", insist=True, span="gold")
    assert words.grade({"answer": "make 8"}, text).answer == "make 8"
    assert words.grade({"answer": "make 9"}, text).answer == "5 and 3 make 8, not 5. So 8"


# ---------------------------------------------------------------- short forms


def test_short_forms_are_written_out():
    spec = read(changed("{kind: numeric, gold: answer}", "{kind: contains, aliases: other}"))
    assert (spec.datasets["sums"].grade.gold, spec.datasets["sums"].grade.aliases) == ("answer", ("other",))
    spec = read(changed("{kind: numeric, gold: answer}", "{kind: column, column: ok}"))
    assert spec.datasets["sums"].grade.gold == ""
    spec = read(changed("{kind: numeric, gold: answer}", "{kind: choice, options: {columns: [a, b]}}"))
    assert spec.datasets["sums"].grade.labels.columns == ("a", "b")


@pytest.mark.parametrize(
    ("grade", "words"),
    [
        ("{kind: choice, options: [x, X]}", "two or more labels that differ"),
        ("{kind: choice, options: {columns: [a, b]}, letters: true}", "'letters' need an order"),
        ("{kind: choice, options: {columns: [a, b], column: c}}", "write one of the two"),
        ("{kind: choice}", "key 'options' is missing"),
        ("{kind: regex, pattern: '(a'}", "'pattern' is no regular expression"),
        ("{kind: contains, after: '(a'}", "'after' is no regular expression"),
        ("contians", "did you mean 'contains'"),
        ("{kind: numeric, tolerence: 1}", "did you mean 'tolerance'"),
    ],
)
def test_mistakes_in_a_grader_are_said_at_their_place(grade, words):
    said = error(changed("{kind: numeric, gold: answer}", grade))
    assert said.startswith("t.yaml:11:")
    assert words in said


# ---------------------------------------------------------------- occurrences


@pytest.mark.parametrize(
    ("text", "span", "which"),
    [
        ("5", (0, 1), (1, 1)),
        ("15, 2.5, 5 and 5", (9, 10), (1, 2)),
        ("15, 2.5, 5 and 5", (15, 16), (2, 2)),
        ("Par in Paris, Par", (0, 3), (1, 2)),
        ("5km and 5", (0, 1), (1, 2)),
        ("-5 -5", (3, 5), (2, 2)),
    ],
)
def test_occurrences_are_counted_as_whole_words_and_numbers(text, span, which):
    assert occurrence_of(text, span) == which
