"""Answers that stand in the data: their tokens, what they spell, and their log-probabilities."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import families
import tiny_models
import trained_tokenizers
from layergrid.artifacts import Examples
from layergrid.generate import answered, generate, given
from layergrid.generate.answering import spell
from layergrid.generate.columns import Answered
from layergrid.kinds import BadInput
from layergrid.prompts import completion_offsets, encode_prompts
from layergrid.spec.answering import AnswersSpec
from test_generate import IDS, PROMPTS

TEXTS = (" 9, and that is my final answer.", "A woman.", "\n\nThe machine", " 9", " jumps over 12 dogs é", "34")


def examples(**columns) -> Examples:
    n = len(next(iter(columns.values())))
    return Examples("qa", "qa.jsonl", tuple(f"q{i}" for i in range(n)), tuple(f"q{i}" for i in range(n)),
                    {name: tuple(values) for name, values in columns.items()}, "sha256:0")  # fmt: skip


@pytest.fixture(scope="module", params=["llama", "gpt2", "t5", "mamba"])
def loaded(request):
    return families.loaded(request.param)


def test_ids_that_a_model_wrote_get_the_log_probabilities_that_it_wrote_them_with(loaded):
    wrote = generate(loaded, IDS, PROMPTS, max_new_tokens=12, batch=4)
    ids = tuple(one[n:] for one, n in zip(wrote.ids, wrote.prompt_tokens, strict=True))
    found = given(loaded, IDS, PROMPTS, Answered("ids", ids=ids), batch_tokens=60)
    assert found.given == "ids"
    assert found.texts == wrote.texts
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(found.ids[i], wrote.ids[i])
        np.testing.assert_allclose(found.logprobs[i], wrote.logprobs[i], rtol=0, atol=1e-4)
        assert found.logprobs[i].dtype == np.float32


def test_the_mean_log_probability_is_the_loss_that_transformers_reports():
    import torch

    loaded = tiny_models.loaded("llama")
    found = given(loaded, IDS, PROMPTS, Answered("answer", texts=TEXTS))
    for i in range(len(PROMPTS)):
        row = torch.from_numpy(found.ids[i][None].astype(np.int64))
        labels = row.clone()
        labels[:, : int(found.prompt_tokens[i])] = -100
        with torch.inference_mode():
            loss = float(loaded.model(row, labels=labels).loss)
        assert -float(found.logprobs[i].mean()) == pytest.approx(loss, abs=1e-5)


def test_the_loss_of_a_model_with_two_stacks_is_that_of_transformers_too():
    import torch

    loaded = families.loaded("t5")
    found = given(loaded, IDS, PROMPTS, Answered("answer", texts=TEXTS))
    for i, n in enumerate(found.prompt_tokens.tolist()):
        row = torch.from_numpy(found.ids[i][None].astype(np.int64))
        with torch.inference_mode():
            loss = float(loaded.model(input_ids=row[:, :n], labels=row[:, n:]).loss)
        assert -float(found.logprobs[i].mean()) == pytest.approx(loss, abs=1e-5)


def test_texts_stand_after_the_prompts_own_tokens_and_decode_to_themselves(loaded):
    found = given(loaded, IDS, PROMPTS, Answered("answer", texts=TEXTS))
    prompts = generate(loaded, IDS, PROMPTS, max_new_tokens=1, batch=4)
    assert not found.inexact.any()
    for i, text in enumerate(TEXTS):
        n = int(prompts.prompt_tokens[i])
        assert found.prompt_tokens[i] == n
        np.testing.assert_array_equal(found.ids[i][:n], prompts.ids[i][:n])
        assert found.texts[i] == PROMPTS[i] + text
        assert found.completion(i) == text
        assert len(found.logprobs[i]) == len(found.ids[i]) - n


def test_row_order_and_batches_change_no_number():
    loaded = tiny_models.loaded("llama")
    whole = given(loaded, IDS, PROMPTS, Answered("answer", texts=TEXTS))
    order = [4, 2, 5, 0, 3, 1]
    other = given(loaded, [IDS[i] for i in order], [PROMPTS[i] for i in order],
                  Answered("answer", texts=tuple(TEXTS[i] for i in order)), batch_tokens=1)  # fmt: skip
    for j, i in enumerate(order):
        np.testing.assert_allclose(other.logprobs[j], whole.logprobs[i], rtol=0, atol=1e-5)


def test_an_empty_answer_has_no_tokens_and_no_log_probabilities():
    found = given(tiny_models.loaded("llama"), ("a", "b"), PROMPTS[:2], Answered("answer", texts=("", " 9")))
    assert found.completion(0) == ""
    assert found.logprobs[0].shape == (0,)
    assert len(found.ids[0]) == found.prompt_tokens[0]
    assert not found.inexact.any()
    assert len(given(tiny_models.loaded("llama"), ("a",), PROMPTS[:1], Answered("answer", texts=("",))).ids) == 1


def test_a_stop_token_at_the_end_says_that_the_model_stopped_and_padding_after_it_is_dropped():
    loaded = tiny_models.loaded("llama")
    (stop,) = loaded.stop_ids
    ids = tuple(np.array(one, dtype=np.int32) for one in ([40, 41, stop], [40, stop, stop, loaded.pad_id], [42, 43]))
    found = given(loaded, ("a", "b", "c"), PROMPTS[:3], Answered("ids", ids=ids))
    assert found.stopped.tolist() == [True, True, False]
    assert [len(one) for one in found.logprobs] == [3, 2, 2]
    alone = given(loaded, ("c",), PROMPTS[2:3], Answered("ids", ids=ids[2:]))
    assert alone.stopped.tolist() == [True]


def test_prompt_ids_in_the_data_stand_in_place_of_the_templates_own():
    loaded = tiny_models.loaded("llama")
    wrote = generate(loaded, IDS[:2], PROMPTS[:2], max_new_tokens=4, batch=4)
    parts = [(one[:n], one[n:]) for one, n in zip(wrote.ids, wrote.prompt_tokens.tolist(), strict=True)]
    answers = Answered("ids", ids=tuple(b for _, b in parts), prompt_ids=tuple(a for a, _ in parts))
    same = given(loaded, IDS[:2], PROMPTS[:2], answers)
    other = given(loaded, IDS[:2], ("something else", PROMPTS[1]), answers)
    assert same.texts == wrote.texts == other.texts
    for i in range(2):
        np.testing.assert_array_equal(other.ids[i], wrote.ids[i])
        np.testing.assert_allclose(other.logprobs[i], wrote.logprobs[i], atol=1e-4)


@pytest.mark.parametrize("kind", [trained_tokenizers.byte_level, trained_tokenizers.metaspace])
def test_tokenizers_of_two_kinds_spell_answers_with_and_without_a_blank_before_them(kind):
    texts = [*PROMPTS, *TEXTS, "The quick brown fox jumps over 12 lazy dogs. Café, naïve"]
    tokenizer = kind(texts, 400).tokenizer
    loaded = replace(tiny_models.loaded("llama"), tokenizer=tokenizer)
    for prompt in ("Q: 4 plus 5?\nA:", "Q: 4 plus 5? A: ", "Who wrote it?\n", "It was 4"):
        ((ids, offsets),) = encode_prompts(tokenizer, [prompt])
        for answer in ("9", " 9", "2 dogs", " The fox", "fox", "\n9", "naïve Café", "a  b"):
            found = spell(loaded, prompt, ids, offsets, answer)
            whole = completion_offsets(tokenizer, ids, found.ids, prompt=prompt, prompt_offsets=offsets)
            assert found.exact == (whole.text == prompt + answer)
            assert found.exact, (prompt, answer, whole.text)


def test_what_a_tokenizer_cannot_spell_is_kept_as_it_reads_it_and_the_row_is_marked():
    tokenizer = trained_tokenizers.wordpiece([*PROMPTS, *TEXTS], 300).tokenizer
    loaded = replace(tiny_models.loaded("llama", vocab_size=len(tokenizer)), tokenizer=tokenizer)
    found = given(loaded, ("a", "b"), ("Who wrote it?", "9"), Answered("answer", texts=(" who", "a \u4e00 woman")))
    assert found.inexact.tolist() == [False, True]
    assert "woman" in found.completion(1)
    surrogate = given(tiny_models.loaded("llama"), ("a",), ("9",), Answered("answer", texts=("9\ud800",)))
    assert surrogate.inexact.tolist() == [True]


@pytest.mark.parametrize("value", ["[1, -2]", "[1.0]", "seven", "[true]", "{}", 7, "[4294967296]"])
def test_what_is_no_list_of_token_ids_is_named_with_its_row(value):
    with pytest.raises(BadInput, match=r"example q1: column 'ids' holds .* a list of token ids was expected"):
        answered(AnswersSpec(ids="ids"), examples(ids=["[1]", value]))


def test_rows_without_an_answer_are_counted_and_the_message_says_how_to_leave_them_out():
    with pytest.raises(BadInput, match=r"2 rows of 3 have no answer in column 'said' \(null\), the first 'q1'.*where"):
        answered(AnswersSpec(text="said"), examples(said=["a", None, float("nan")]))


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(BadInput, match="no column 'anwser'"):
        answered(AnswersSpec(text="anwser"), examples(answer=["a"]))


def test_numbers_given_as_answers_are_taken_as_they_are_written():
    assert answered(AnswersSpec(text="a"), examples(a=[9, True, 2.5])).texts == ("9", "true", "2.5")


def test_ids_that_are_none_of_the_models_are_named():
    ids = tuple(np.array(one, dtype=np.int32) for one in ([1], [999999]))
    with pytest.raises(BadInput, match=r"'b': column 'ids' holds token 999999.*of another tokenizer"):
        given(tiny_models.loaded("llama"), ("a", "b"), PROMPTS[:2], Answered("ids", ids=ids))


@pytest.mark.parametrize(("family", "said"), [("llama", "128 tokens"), ("t5", "tokens of the encoder and 90")])
def test_answers_that_do_not_fit_into_the_context_are_named_with_their_lengths(family, said):
    loaded = families.loaded(family)
    loaded = loaded if family == "llama" else replace(loaded, context=90)
    with pytest.raises(BadInput, match=rf"'b': its prompt has \d+ tokens and its given answer \d+.*{said}"):
        given(loaded, ("a", "b"), PROMPTS[:2], Answered("answer", texts=("9", "9 " * 100)))


def test_scoring_goes_on_from_the_batches_that_an_earlier_run_left(tmp_path):
    from layergrid.store import FolderShards

    loaded = tiny_models.loaded("llama")
    answers = Answered("answer", texts=TEXTS)
    whole = given(loaded, IDS, PROMPTS, answers, batch_tokens=40)

    class Ended(Exception):
        pass

    def stop(done, total):
        if done >= 3:
            raise Ended

    with pytest.raises(Ended):
        given(loaded, IDS, PROMPTS, answers, batch_tokens=40, shards=FolderShards(tmp_path), progress=stop)
    left = len(list(tmp_path.rglob("*batch-*")))
    assert left
    again = given(loaded, IDS, PROMPTS, answers, batch_tokens=40, shards=FolderShards(tmp_path))
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(again.logprobs[i], whole.logprobs[i])


def test_a_list_in_json_text_is_what_a_loader_makes_of_a_list():
    found = answered(
        AnswersSpec(ids="ids", prompt_ids="before"), examples(ids=[json.dumps([3, 4]), "[]"], before=["[1]"] * 2)
    )
    assert [one.tolist() for one in found.ids] == [[3, 4], []]
    assert [one.tolist() for one in found.prompt_ids] == [[1], [1]]
