"""The model asked whether its own answer is right: P(True) as a baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import families
import probe_inputs
import tiny_models
from layergrid.artifacts import Examples
from layergrid.baselines.asked import NOT_ASKED, p_true_scores
from layergrid.generate import generate, p_true, questions
from layergrid.grids.probe import ProbeGrid
from layergrid.kinds import BadInput
from layergrid.spec.answering import PUBLISHED, PTrueSpec
from test_generate import IDS, PROMPTS

ASKED = tuple(f"{one} 9. Right?" for one in PROMPTS)
SHORT = PTrueSpec(prompt="{{ proposed }}?", true=" yes", false=" no")


def next_token(loaded, text, tokens):
    """Log-probabilities of what comes after a text, by transformers alone: one text, no padding."""
    import torch

    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        if loaded.design == "encoder-decoder":
            start = torch.tensor([[loaded.start_id]])
            logits = loaded.model(input_ids=ids, decoder_input_ids=start).logits
        else:
            logits = loaded.model(ids).logits
    return logits[0, -1].log_softmax(-1)[tokens].numpy().astype(np.float64)


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5", "mamba"])
def test_p_true_is_the_share_of_the_two_next_tokens_that_transformers_gives(family):
    loaded = families.loaded(family)
    found = p_true(loaded, IDS, ASKED, PTrueSpec(true="A", false="B"), batch_tokens=70)
    pair = [loaded.tokenizer("A", add_special_tokens=False)["input_ids"][-1],
            loaded.tokenizer("B", add_special_tokens=False)["input_ids"][-1]]  # fmt: skip
    for i, text in enumerate(ASKED):
        true, false = np.exp(next_token(loaded, text, pair))
        assert found.values[i] == pytest.approx(true / (true + false), abs=1e-5)
    assert found.reason == ""
    assert len(set(found.values)) > 1


def test_what_both_ways_begin_with_stands_before_the_tokens_that_are_compared():
    loaded = tiny_models.loaded("llama")
    found = p_true(loaded, IDS[:1], ASKED[:1], PTrueSpec())
    a, b = (loaded.tokenizer(one, add_special_tokens=False)["input_ids"] for one in (" (A)", " (B)"))
    shared = next(k for k in range(9) if a[k] != b[k])
    text = ASKED[0] + loaded.tokenizer.decode(a[:shared])
    true, false = np.exp(next_token(loaded, text, [a[shared], b[shared]]))
    assert found.values[0] == pytest.approx(true / (true + false), abs=1e-5)


def test_neither_order_nor_batches_change_a_probability():
    loaded = tiny_models.loaded("llama")
    whole = p_true(loaded, IDS, ASKED, PTrueSpec()).values
    order = [3, 1, 5, 0, 2, 4]
    other = p_true(loaded, [IDS[i] for i in order], [ASKED[i] for i in order], PTrueSpec(), batch_tokens=1).values
    np.testing.assert_allclose(other, whole[order], atol=1e-6)


def test_a_prompt_that_does_not_fit_has_no_probability_and_a_reason():
    loaded = tiny_models.loaded("llama")
    found = p_true(loaded, ("a", "b"), ("9?", "9 " * 100), PTrueSpec(true="A", false="B"))
    assert np.isfinite(found.values).tolist() == [True, False]
    assert found.reason == (
        "the question whether the answer is right is longer than the model's context in 1 of 2 examples"
    )


def test_two_ways_that_the_tokenizer_cannot_tell_apart_are_told():
    loaded = tiny_models.loaded("llama")
    found = p_true(loaded, ("a",), ("9?",), PTrueSpec(true=" yes", false=" yesterday"))
    assert np.isnan(found.values).all()
    assert found.reason == "the tokenizer does not tell 'yes' from 'yesterday' in 1 of 1 example"


def test_the_published_wording_shows_prompt_and_answer():
    loaded = tiny_models.loaded("llama")
    wrote = generate(loaded, IDS[:2], PROMPTS[:2], max_new_tokens=4, batch=2)
    examples = Examples("qa", "x", IDS[:2], IDS[:2], {"answer": ("gold", "gold"), "prompt": ("x", "x")}, "")
    found = questions(PTrueSpec(), examples, PROMPTS[:2], wrote)
    assert found[0] == (
        f"Question: {PROMPTS[0]}\nProposed Answer: {wrote.completion(0).strip()}\nIs the proposed answer:\n (A) True\n"
        " (B) False\nThe proposed answer is:"
    )
    assert "gold" not in found[0]
    with pytest.raises(BadInput, match="template of p_true names 'anser', which is no column"):
        questions(PTrueSpec(prompt="{{ proposed }} {{ anser }}"), examples, PROMPTS[:2], wrote)


def test_a_template_without_the_answer_and_two_equal_ways_are_refused():
    with pytest.raises(ValueError, match=r"write \{\{ proposed \}\}"):
        PTrueSpec(prompt="Is it right?")
    with pytest.raises(ValueError, match="are the same"):
        PTrueSpec(true=" yes", false="yes ")
    assert PTrueSpec().prompt == PUBLISHED


# ---------------------------------------------------------------- the baseline


def grid(inputs, **options):
    return ProbeGrid(baselines=("p_true", "answer_length"), permutations=0, layers=(0, 1), **options).compute(inputs)


@pytest.mark.parametrize(("predict", "sign"), [("error", -1), ("correct", 1)])
def test_the_auroc_of_p_true_is_that_of_scikit_learn_fold_by_fold(predict, sign):
    from sklearn.metrics import roc_auc_score

    inputs = probe_inputs.make(n=160, layers=2)
    rng = np.random.default_rng(5)
    says = 1 / (1 + np.exp(-(inputs.labels.correct + rng.normal(size=160))))
    found = grid(replace(inputs, p_true=says), predict=predict)
    (own, _) = found.baselines
    held = found.held_out
    assert own.name == "p_true"
    scores = sign * says[[int(one[1:]) for one in held.example_ids]]
    folds = [roc_auc_score(held.labels[held.folds == k], scores[held.folds == k]) for k in range(5)]
    assert own.estimate.value == pytest.approx(np.mean(folds), abs=1e-12)
    assert own.estimate.low < own.estimate.value < own.estimate.high
    assert own.difference.value == pytest.approx(found.selection.estimate.value - own.estimate.value, abs=1e-9)


def test_rows_without_a_probability_leave_the_baseline_without_a_value_and_say_why():
    inputs = probe_inputs.make(n=160, layers=2)
    says = np.linspace(0.1, 0.9, 160)
    says[3] = np.nan
    (own, length) = grid(replace(inputs, p_true=says, p_true_reason="it is too long in 1 of 160 examples")).baselines
    assert own.estimate is None
    assert own.reason == "1 of 160 examples has no value: it is too long in 1 of 160 examples"
    assert length.estimate is not None


def test_only_a_grid_that_names_p_true_and_predicts_errors_asks_the_model():
    assert ProbeGrid(baselines=("p_true",)).needs().p_true
    assert not ProbeGrid().needs().p_true
    assert not ProbeGrid(baselines=("p_true",), predict="label").needs().p_true


def test_scores_of_a_model_that_was_not_asked_say_so():
    assert p_true_scores(None, "", np.arange(3)) == NOT_ASKED
    assert p_true_scores(np.full(3, 0.5), "", np.arange(3)) == "the value is the same in all examples"
    np.testing.assert_array_equal(p_true_scores(np.array([0.25, 0.5, 1.0]), "", np.array([2, 0])), [-1.0, -0.25])
