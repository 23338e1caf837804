from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layergrid.artifacts import Examples, Labels, Sequences
from layergrid.baselines import (
    BUILT_IN,
    built_in_scores,
    check_columns,
    column_features,
    exact_answer_logprobs,
    logprob_features,
    question_features,
    why_no_scores,
)
from layergrid.kinds import BadInput

# " 7", "1", "0", ".", "</s>" after a prompt of two tokens "Q:" and "\n"; the exact answer is "710".
SEQUENCES = Sequences(
    example_ids=("a",),
    ids=(np.arange(7, dtype=np.int32),),
    offsets=(np.array([[0, 2], [2, 3], [3, 5], [5, 6], [6, 7], [7, 8], [8, 8]], dtype=np.int32),),
    pieces=(("Q:", "\n", " 7", "1", "0", ".", "</s>"),),
    special=(np.array([False] * 6 + [True]),),
    texts=("Q:\n 710.",),
    prompt_tokens=np.array([2], dtype=np.int32),
    prompt_chars=np.array([3], dtype=np.int32),
    logprobs=(np.array([-0.5, -1.0, -2.0, -4.0, -0.1], dtype=np.float32),),
    stopped=np.array([True]),
)
LABELS = Labels("numeric", "", np.array([[4, 7]], dtype=np.int32), ("710",), np.array([True]), ("",))
ROW = np.array([0])


def score(name: str, labels: Labels = LABELS) -> float:
    return float(built_in_scores(name, SEQUENCES, labels, ROW)[0])


def test_the_answers_length_counts_its_tokens_without_the_stop_token() -> None:
    assert score("answer_length") == 4


def test_log_probabilities_are_turned_so_that_higher_means_more_likely_wrong() -> None:
    assert score("logprob_mean") == pytest.approx(7.6 / 5, abs=1e-6)
    assert score("logprob_min") == 4
    assert score("exact_logprob_mean") == pytest.approx(3.5 / 3, abs=1e-6)
    assert score("exact_logprob_min") == 2
    assert score("logprob_max") == pytest.approx(0.1, abs=1e-6)
    assert score("exact_logprob_max") == 0.5


def test_the_exact_answer_takes_every_token_that_covers_one_of_its_characters() -> None:
    assert exact_answer_logprobs(SEQUENCES, LABELS, 0).tolist() == [-0.5, -1.0, -2.0]
    one = replace(LABELS, spans=np.array([[5, 6]], dtype=np.int32))
    assert exact_answer_logprobs(SEQUENCES, one, 0).tolist() == [-1.0]


def test_an_answer_that_was_not_found_has_no_score_and_says_so() -> None:
    lost = replace(LABELS, spans=np.array([[-1, -1]], dtype=np.int32))
    assert np.isnan(score("exact_logprob_mean", lost))
    assert np.isnan(score("exact_logprob_min", lost))
    assert why_no_scores(np.array([0.1, np.nan, 0.3])) == "1 of 3 examples have no value"


def test_scores_that_do_not_differ_are_no_baseline() -> None:
    assert why_no_scores(np.ones(3)) == "the value is the same in all examples"
    assert why_no_scores(np.array([1.0, 2.0])) == ""


def test_an_answer_that_was_cut_counts_as_wrong() -> None:
    assert score("truncation") == 0
    cut = replace(SEQUENCES, stopped=np.array([False]))
    assert built_in_scores("truncation", cut, LABELS, ROW).tolist() == [1]
    assert why_no_scores(np.zeros(3), "truncation") == "no answer was cut"
    assert why_no_scores(np.ones(3), "truncation") == "every answer was cut"
    assert why_no_scores(np.array([0.0, 1.0]), "truncation") == ""
    assert why_no_scores(np.ones(3), "answer_length") == "the value is the same in all examples"


def test_every_built_in_baseline_states_its_sign_in_advance() -> None:
    assert {b.sign for b in BUILT_IN.values()} == {
        "longer answers count as wrong",
        "answers that were cut count as wrong",
        "lower log-probability counts as wrong",
    }
    assert BUILT_IN["exact_logprob_mean"].label == "mean log-probability of the exact answer"
    assert BUILT_IN["answer_length"].label == "length of the answer in tokens"


COLUMNS = {
    "left_digits": (1, 2, 3),
    "share": (0.5, True, 2),
    "operation": ("plus", "times", "plus"),
    "hole": (1, None, 3),
    "nan": (1.0, float("nan"), 2.0),
    "mixed": (1, "two", 3),
}
EXAMPLES = Examples("sums", "sums.csv", ("a", "b", "c"), ("a", "b", "c"), COLUMNS, "sha256:0")
ALL = np.arange(3)


def test_numbers_stay_numbers_and_text_becomes_one_column_a_value() -> None:
    features, reason = column_features(("left_digits", "operation", "share"), EXAMPLES, np.array([2, 1, 0]))
    assert reason == ""
    assert features is not None
    assert features.tolist() == [[3, 1, 0, 2], [2, 0, 1, 1], [1, 1, 0, 0.5]]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("hole", "column 'hole' has no value in 1 of 3 examples"),
        ("nan", "column 'nan' has no value in 1 of 3 examples"),
        ("mixed", "column 'mixed' mixes text and numbers"),
    ],
)
def test_a_column_with_a_hole_or_a_mixture_gives_a_reason_and_no_guess(column: str, reason: str) -> None:
    assert column_features(("left_digits", column), EXAMPLES, ALL) == (None, reason)


def test_rows_that_are_not_compared_may_have_holes() -> None:
    assert column_features(("hole",), EXAMPLES, np.array([0, 2]))[1] == ""


def test_a_column_that_the_data_lack_is_named_with_its_nearest() -> None:
    with pytest.raises(BadInput) as caught:
        check_columns(("left_digit",), EXAMPLES, "grids.errors.baselines, 'sizes'")
    assert str(caught.value) == (
        "grids.errors.baselines, 'sizes': the data set 'sums' has no column 'left_digit'; did you mean 'left_digits'? "
        "It has 'left_digits', 'share', 'operation', 'hole', 'nan' and 'mixed'."
    )


# ---------------------------------------------------------------- fitted features


def several(logprobs: list[list[float]], spans: list[tuple[int, int]]) -> tuple[Sequences, Labels]:
    """The one example several times, with other log-probabilities of its answer and other exact answers."""
    n = len(spans)
    one = SEQUENCES
    sequences = replace(
        one, example_ids=tuple("abcdefgh"[:n]), ids=one.ids * n, offsets=one.offsets * n, pieces=one.pieces * n,
        special=one.special * n, texts=one.texts * n, prompt_tokens=np.repeat(one.prompt_tokens, n),
        prompt_chars=np.repeat(one.prompt_chars, n), stopped=np.repeat(one.stopped, n),
        logprobs=tuple(np.array(values, dtype=np.float32) for values in logprobs),
    )  # fmt: skip
    labels = replace(LABELS, spans=np.array(spans), answers=("710",) * n, correct=np.ones(n, bool), reasons=("",) * n)
    return sequences, labels


ONE, TWO, NONE = (4, 7), (5, 6), (-1, -1)
FIRST, SECOND = [-0.5, -1.0, -2.0, -4.0, -0.25], [-1.0, -2.0, -3.0, -4.0, -5.0]


def test_log_probabilities_become_their_least_mean_and_most_over_the_whole_and_the_exact_answer() -> None:
    features, reason = logprob_features(*several([FIRST, SECOND], [ONE, TWO]), np.array([1, 0]))
    assert reason == ""
    assert features is not None
    assert features.tolist() == [[-5, -3, -1, -2, -2, -2], [-4, -1.55, -0.25, -2, pytest.approx(-3.5 / 3), -0.5]]


def test_an_answer_without_an_exact_answer_keeps_its_row_and_is_told_apart() -> None:
    features, _ = logprob_features(*several([FIRST, SECOND, FIRST], [ONE, NONE, TWO]), ALL)
    assert features is not None
    assert features[:, 6].tolist() == [1, 0, 1]
    assert features[1, 3:6] == pytest.approx(features[[0, 2], 3:6].mean(axis=0))
    assert np.isfinite(features).all()
    bare, _ = logprob_features(*several([FIRST, SECOND], [NONE, NONE]), np.arange(2))
    assert bare is not None
    assert bare.shape == (2, 3)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "1 of 2 examples have no log-probabilities"),
        ([-1.0, float("nan"), -1, -1, -1], "1 of 2 examples have log-probabilities that are not finite"),
        ([-1.0, float("-inf"), -1, -1, -1], "1 of 2 examples have log-probabilities that are not finite"),
    ],
)
def test_log_probabilities_that_are_not_known_give_a_reason(values: list[float], reason: str) -> None:
    assert logprob_features(*several([FIRST, values], [ONE, ONE]), np.arange(2)) == (None, reason)


QUESTIONS = [f"What is {a} {sign} {b}?" for a in (7, 48, 710) for sign in ("plus", "minus") for b in (5, 12)]


def test_questions_become_lengths_and_words_with_names() -> None:
    features, names = question_features(QUESTIONS)
    assert features.dtype == np.float32
    assert names[:3] == ("characters", "words", "digits")
    assert set(names[3:]) == {f"word '{word}'" for word in ("5", "12", "plus", "minus", "7", "48", "710")}
    of = dict(zip(names, np.expm1(features[QUESTIONS.index("What is 710 minus 12?")]).round(4).tolist(), strict=True))
    assert (of["digits"], of["words"], of["characters"]) == (3, 0, 4)  # beyond the least, of "What is 7 plus 5?"
    assert (of["word '710'"], of["word 'minus'"], of["word 'plus'"]) == (1, 1, 0)


def test_a_template_and_its_examples_add_nothing_to_the_features_of_questions() -> None:
    plain, names = question_features(QUESTIONS)
    template = "What is 48 plus 12?\n60\n\nQuestion: {}\nAnswer:"
    shot, same = question_features([template.format(text) for text in QUESTIONS])
    assert same == names
    assert shot.tolist() == plain.tolist()


def test_only_words_of_two_percent_of_the_rows_count_and_at_most_three_hundred() -> None:
    texts = [f"row{'abcdefghij'[i % 10]} only{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
    assert len(question_features(texts)[1]) == 3 + 10
    many = [" ".join(f"w{chr(97 + j // 26)}{chr(97 + j % 26)}" for j in range(i, i + 350, 2)) for i in range(60)]
    assert len(question_features(many)[1]) == 3 + 300


def test_the_rows_that_decide_on_words_can_be_a_part_of_all() -> None:
    whole, names = question_features(QUESTIONS, np.array([0, 1, 2, 3]))
    part, same = question_features(QUESTIONS[:4])
    assert names == same
    assert whole[:4].tolist() == part.tolist()
    assert whole.shape == (12, len(names))


def test_the_order_of_rows_permutes_features_and_nothing_else() -> None:
    order = np.random.default_rng(0).permutation(len(QUESTIONS))
    features, names = question_features(QUESTIONS)
    turned, same = question_features([QUESTIONS[i] for i in order])
    assert names == same
    assert turned.tolist() == features[order].tolist()


@pytest.mark.parametrize("texts", [[], [""], ["", "a", "\ud800 x"], ["same"] * 4])
def test_questions_of_any_kind_give_finite_lengths(texts: list[str]) -> None:
    features, names = question_features(texts)
    assert features.shape == (len(texts), len(names))
    assert np.isfinite(features).all()
