"""Texts as a data set gives them: read, not continued."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

import families
from layergrid.generate import read
from layergrid.kinds import BadInput
from layergrid.models import wrap

PROMPTS = ("Question: What is 47 minus 38? Answer:", "Who wrote it?", "9")
IDS = ("q0", "q1", "q2")


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_texts_are_read_as_they_are_given_and_all_of_them_is_prompt(family):
    loaded = families.loaded(family)
    found = read(loaded, IDS, PROMPTS)
    assert not found.written
    assert found.texts == PROMPTS
    assert found.example_ids == IDS
    assert found.stopped.all()
    for i, prompt in enumerate(PROMPTS):
        assert found.ids[i].tolist() == loaded.tokenizer(prompt)["input_ids"]
        assert found.prompt_tokens[i] == len(found.ids[i]) == len(found.pieces[i])
        assert found.prompt_chars[i] == len(prompt)
        assert found.completion(i) == ""
        assert found.logprobs[i].shape == (0,)
        assert found.logprobs[i].dtype == np.float32


def test_special_tokens_at_both_ends_of_a_text_cover_nothing():
    from tokenizers import processors

    loaded = families.loaded("bert")
    both = copy.deepcopy(loaded.tokenizer)
    both.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    found = read(replace(loaded, tokenizer=both), ("q",), ("Who wrote it?",))
    assert found.special[0].tolist() == [True] + [False] * (len(found.ids[0]) - 2) + [True]
    assert found.offsets[0][0].tolist() == [0, 0]
    assert found.offsets[0][-1].tolist() == [13, 13]


def test_a_text_longer_than_the_context_is_named_with_its_length_and_the_limit():
    texts = ("short", "9 " * 100, "9 " * 101)
    said = r"'b': its text has 201 tokens, longer than the context of model tiny, 128 tokens; so do 1 other texts of 3"
    with pytest.raises(BadInput, match=said):
        read(families.loaded("bert"), ("a", "b", "c"), texts)
    with pytest.raises(BadInput, match="126 tokens"):
        read(families.loaded("roberta"), ("b",), texts[1:2])
    read(families.loaded("t5"), ("a", "b", "c"), texts)


def test_an_empty_text_is_named():
    with pytest.raises(BadInput, match="'b': its text is empty"):
        read(families.loaded("bert"), ("a", "b"), ("x", " "))


def test_a_decoder_without_a_head_reads():
    whole = families.loaded("llama")
    loaded = wrap(whole.model.model, whole.tokenizer, name="tiny", address="random", revision="0")
    assert read(loaded, IDS, PROMPTS).texts == PROMPTS


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_refused():
    with pytest.raises(BadInput, match="do not belong together"):
        read(replace(families.loaded("bert"), vocabulary=200), IDS, PROMPTS)
