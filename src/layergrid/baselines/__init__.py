"""What simpler predictors see of an example; they know no hidden state.

completion   length of the answer, whether it was cut, its tokens' log-probabilities
question     lengths and words of the question
columns      declared columns of the data
"""

from layergrid.baselines.columns import as_numbers, check_columns, column_features
from layergrid.baselines.completion import (
    BUILT_IN,
    BuiltIn,
    built_in_scores,
    exact_answer_logprobs,
    logprob_features,
    why_no_scores,
)
from layergrid.baselines.question import question_features

__all__ = [
    "BUILT_IN", "BuiltIn", "as_numbers", "built_in_scores", "check_columns", "column_features", "exact_answer_logprobs",
    "logprob_features", "question_features", "why_no_scores",
]  # fmt: skip
