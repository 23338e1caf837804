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


def test_every_built_in_baseline_states_its_sign_in_advance() -> None:
    assert {b.sign for b in BUILT_IN.values()} == {
        "longer answers count as wrong",
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
