"""What specs call the simpler predictors of a probe grid; it knows nothing of how they are computed."""

from __future__ import annotations

QUESTION, LOGPROBS, LAYER_0, UNTRAINED = "question", "logprobs", "layer_0", "untrained"  # they are fitted
SCORES = (  # they are not; `baselines.BUILT_IN` computes them, and is not imported to read a spec
    "answer_length", "truncation", "logprob_mean", "logprob_min", "logprob_max", "exact_logprob_mean",
    "exact_logprob_min", "exact_logprob_max",
)  # fmt: skip
P_TRUE = "p_true"  # nor is this; a pass of its own asks the model
SIMPLER = (*SCORES, P_TRUE, QUESTION, LOGPROBS, LAYER_0, UNTRAINED)
