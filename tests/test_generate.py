from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

import families
import tiny_models
from layergrid.generate import generate, greedy, plan
from layergrid.kinds import BadInput, BuildError
from tiny_models import FAMILIES

PROMPTS = (
    "Question: What is 47 minus 38? Answer:",
    "Who wrote it?",
    "It was written long ago, in 1843, by a woman who knew more than the machine did. The",
    "9",
    "The quick brown fox",
    "4 plus 5 times 6 is",
)
IDS = tuple(f"q{i}" for i in range(len(PROMPTS)))


def run(loaded, prompts=PROMPTS, ids=IDS, max_new_tokens=12, batch=4, **options):
    return generate(loaded, ids, prompts, max_new_tokens=max_new_tokens, batch=batch, **options)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return tiny_models.loaded(request.param)


def transformers_greedy(loaded, ids, max_new_tokens):
    """The same completion by transformers' own generate, one prompt, no padding."""
    import torch
    from transformers import GenerationConfig

    settings = GenerationConfig(
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=sorted(loaded.stop_ids) or None, pad_token_id=0
    )
    row = torch.tensor([list(map(int, ids))])
    with torch.inference_mode():
        out = loaded.model.generate(row, attention_mask=torch.ones_like(row), generation_config=settings)
    return out[0, len(ids) :].tolist()


def full_pass_logprobs(loaded, ids, prompt_tokens):
    """Log-probabilities of the completion from one forward pass without a cache."""
    import torch

    with torch.inference_mode():
        logits = loaded.model(torch.from_numpy(ids[None].astype(np.int64)), use_cache=False).logits[0].float()
    wanted = torch.from_numpy(ids[prompt_tokens:].astype(np.int64))[:, None]
    return logits.log_softmax(-1)[prompt_tokens - 1 : -1].gather(1, wanted)[:, 0].numpy()


def test_padded_batches_write_what_transformers_own_greedy_search_writes_alone(family):
    found = run(family)
    for i in range(len(PROMPTS)):
        start = found.prompt_tokens[i]
        assert found.ids[i][start:].tolist() == transformers_greedy(family, found.ids[i][:start], 12)


def test_log_probabilities_equal_those_of_a_full_forward_pass(family):
    found = run(family)
    for i in range(len(PROMPTS)):
        expected = full_pass_logprobs(family, found.ids[i], found.prompt_tokens[i])
        assert found.logprobs[i].dtype == np.float32
        np.testing.assert_allclose(found.logprobs[i], expected, rtol=1e-4, atol=1e-4)


def test_completions_differ_between_prompts_and_between_steps(family):
    found = run(family)
    written = {tuple(found.ids[i][found.prompt_tokens[i] :]) for i in range(len(PROMPTS))}
    assert len(written) > 3
    assert any(len(set(one)) > 3 for one in written)


def test_the_batch_size_changes_no_completion(family):
    one, many = run(family, batch=1), run(family, batch=64)
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(one.ids[i], many.ids[i])
        np.testing.assert_allclose(one.logprobs[i], many.logprobs[i], rtol=1e-4, atol=1e-4)


def stopping(family="llama", at=3):
    """A model that stops itself: its end is the token that the first prompt's completion reaches at step `at`."""
    free = tiny_models.loaded(family, eos_token_id=None)
    assert not free.stop_ids - {1}
    written = run(free, max_new_tokens=12)
    stop = int(written.ids[0][written.prompt_tokens[0] + at])
    return written, tiny_models.loaded(family, eos_token_id=[stop, 1]), stop


def test_the_stop_token_is_kept_and_what_follows_it_is_dropped():
    free, loaded, stop = stopping()
    found = run(loaded)
    assert found.stopped[0]
    for i in range(len(PROMPTS)):
        after = free.ids[i][free.prompt_tokens[i] :].tolist()
        expected = after[: after.index(stop) + 1] if stop in after else after
        assert found.ids[i][found.prompt_tokens[i] :].tolist() == expected
        assert len(found.logprobs[i]) == len(expected)
        assert bool(found.stopped[i]) == (stop in after)


def test_a_completion_that_is_cut_says_so_and_one_that_ends_on_the_last_step_does_not():
    free, loaded, stop = stopping(at=3)
    steps = free.ids[0][free.prompt_tokens[0] :].tolist().index(stop) + 1
    assert run(loaded, max_new_tokens=steps).stopped[0]
    assert not run(loaded, max_new_tokens=steps - 1).stopped[0]


def test_all_of_several_stop_tokens_end_a_completion():
    _, loaded, stop = stopping()
    assert loaded.stop_ids == {stop, 1}


def test_nothing_in_the_generation_configuration_changes_an_answer():
    plain = run(tiny_models.loaded())
    bent = tiny_models.loaded()
    settings = bent.model.generation_config
    settings.do_sample, settings.temperature, settings.repetition_penalty = True, 9.0, 3.0
    settings.suppress_tokens = [int(i) for i in set(plain.ids[0].tolist())]
    settings.no_repeat_ngram_size, settings.max_new_tokens = 1, 2
    found = run(bent)
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(found.ids[i], plain.ids[i])


def test_results_come_in_the_order_of_the_prompts_whatever_their_lengths():
    loaded = tiny_models.loaded()
    forward, backward = run(loaded), run(loaded, PROMPTS[::-1], IDS[::-1])
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(forward.ids[i], backward.ids[-1 - i])
        assert forward.texts[i].startswith(PROMPTS[i])
        assert forward.texts[i][: forward.prompt_chars[i]] == PROMPTS[i]


def test_batches_are_fixed_by_the_lengths_alone():
    assert plan([3, 9, 3, 9, 5], 2) == ((1, 3), (4, 0), (2,))
    assert plan([], 4) == ()


def test_ids_offsets_and_pieces_of_a_sequence_have_the_same_length():
    found = run(tiny_models.loaded())
    for i in range(len(PROMPTS)):
        tokens = len(found.ids[i])
        assert found.offsets[i].shape == (tokens, 2)
        assert len(found.pieces[i]) == len(found.special[i]) == tokens
        assert len(found.logprobs[i]) == tokens - found.prompt_tokens[i]
        assert found.ids[i].dtype == np.int32


def test_a_missing_pad_token_leaves_the_vocabulary_as_it_is():
    loaded = tiny_models.loaded(pad=False)
    before = loaded.tokenizer.get_vocab()
    run(loaded)
    assert loaded.tokenizer.pad_token is None
    assert loaded.tokenizer.get_vocab() == before
    assert loaded.model.get_input_embeddings().weight.shape[0] == loaded.vocabulary


def test_the_token_that_pads_changes_nothing():
    loaded = tiny_models.loaded("gpt2")
    one, other = run(loaded), run(replace(loaded, pad_id=77))
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(one.ids[i], other.ids[i])


def test_a_prompt_too_long_for_the_context_is_named_with_its_length_and_the_context():
    prompts = ("short", "9 " * 60)
    with pytest.raises(BadInput, match=r"'q1'.* 121 tokens.*max_new_tokens 12.*context.* 96 "):
        run(tiny_models.loaded(), prompts, ("q0", "q1"))


def test_a_prompt_that_just_fits_is_taken():
    loaded = tiny_models.loaded(eos_token_id=None)
    longest = tiny_models.CONTEXT - 12
    ids = [np.full(longest, 9, dtype=np.int32)]
    assert len(greedy(loaded, ("q",), ids, max_new_tokens=12, batch=1)[0].ids) == 12
    with pytest.raises(BadInput):
        greedy(loaded, ("q",), [np.full(longest + 1, 9, dtype=np.int32)], max_new_tokens=12, batch=1)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_named(prompt):
    with pytest.raises(BadInput, match="'b': its prompt is empty"):
        run(tiny_models.loaded(), ("x", prompt), ("a", "b"))


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_refused():
    loaded = tiny_models.loaded(vocab_size=200)
    with pytest.raises(BadInput, match="do not belong together"):
        run(loaded)


def test_logits_that_are_not_numbers_stop_the_build_with_the_example():
    loaded = tiny_models.loaded()
    loaded.model.lm_head.weight.data[5] = float("nan")
    with pytest.raises(BuildError, match=r"'q\d'.*not numbers.*float32"):
        run(loaded)


def test_progress_counts_up_to_all_prompts():
    seen = []
    run(tiny_models.loaded(), batch=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 6), (4, 6), (6, 6)]


def test_odd_texts_pass_through():
    prompts = ("</script><img src=x onerror=alert(1)>", "{{ 7*7 }}", "a\ud800b", "שלום", "😀", "nul\0nul")
    found = run(tiny_models.loaded(), prompts)
    assert [found.texts[i][: found.prompt_chars[i]] for i in range(6)] == [
        prompt.replace("\ud800", "\N{REPLACEMENT CHARACTER}") for prompt in prompts
    ]


# ---------------------------------------------------------------- an encoder beside a decoder


@pytest.fixture(scope="module", params=families.PAIRS)
def pair(request):
    return families.loaded(request.param)


def searched(loaded, prompt, steps):
    """The greedy completion of one prompt by full passes without a cache."""
    import torch

    row = torch.from_numpy(prompt.astype(np.int64))[None]
    written = [loaded.start_id]
    with torch.inference_mode():
        for _ in range(steps):
            out = loaded.model(input_ids=row, decoder_input_ids=torch.tensor([written]), use_cache=False)
            written.append(int(out.logits[0, -1].argmax()))
    return written[1:]


def test_two_stacks_write_what_greedy_search_by_full_passes_writes_alone(pair):
    found = run(pair)
    for i in range(len(PROMPTS)):
        prompt, written = np.split(found.ids[i], [found.prompt_tokens[i]])
        assert written.tolist() == searched(pair, prompt, len(written))
    assert len({tuple(found.ids[i][found.prompt_tokens[i] :]) for i in range(len(PROMPTS))}) > 3


def test_log_probabilities_of_two_stacks_equal_those_of_a_full_pass(pair):
    import torch

    found = run(pair)
    for i in range(len(PROMPTS)):
        prompt, written = np.split(found.ids[i].astype(np.int64), [found.prompt_tokens[i]])
        shifted = torch.tensor([[pair.start_id, *written[:-1]]])
        with torch.inference_mode():
            out = pair.model(input_ids=torch.from_numpy(prompt[None]), decoder_input_ids=shifted, use_cache=False)
        expected = out.logits[0].log_softmax(-1).gather(1, torch.from_numpy(written)[:, None])[:, 0]
        np.testing.assert_allclose(found.logprobs[i], expected, rtol=1e-4, atol=1e-4)


def test_the_batch_size_changes_no_completion_of_two_stacks(pair):
    one, many = run(pair, batch=1), run(pair, batch=64)
    for i in range(len(PROMPTS)):
        np.testing.assert_array_equal(one.ids[i], many.ids[i])


def test_the_completion_of_a_second_stack_is_decoded_on_its_own(pair):
    found = run(pair)
    for i in range(len(PROMPTS)):
        written = found.ids[i][found.prompt_tokens[i] :]
        assert found.texts[i][: found.prompt_chars[i]] == PROMPTS[i]
        assert found.completion(i) == pair.tokenizer.decode(written, skip_special_tokens=True)
        covered = {c for a, b in found.offsets[i][found.prompt_tokens[i] :].tolist() for c in range(a, b)}
        assert covered == set(range(len(PROMPTS[i]), len(found.texts[i])))


def test_each_stack_has_a_context_of_its_own():
    loaded = families.loaded("bart")
    assert (loaded.context, loaded.encoder_context) == (128, 128)
    short = replace(loaded, encoder_context=16)
    with pytest.raises(
        BadInput, match=r"'q0': its prompt has \d+ tokens, longer than the context of the encoder.* 16 "
    ):
        run(short)
    with pytest.raises(
        BadInput, match=r"max_new_tokens is 12; with its start token .* decoder of model tiny, 12 tokens"
    ):
        run(replace(loaded, context=12))
    run(replace(loaded, context=13))
    run(families.loaded("t5"), ("9 " * 200,), ("q0",))


# ---------------------------------------------------------------- models that keep something else, or nothing


@pytest.mark.parametrize("family", families.HYBRIDS)
def test_a_state_space_model_writes_what_transformers_own_greedy_search_writes_alone(family):
    loaded = families.loaded(family)
    found = run(loaded)
    for i in range(len(PROMPTS)):
        start = found.prompt_tokens[i]
        assert found.ids[i][start:].tolist() == transformers_greedy(loaded, found.ids[i][:start], 12)


def test_a_model_that_padding_disturbs_gets_batches_of_one_length():
    import torch

    loaded = families.loaded("rwkv")
    found = run(loaded)
    for i in range(len(PROMPTS)):
        row = found.ids[i][: found.prompt_tokens[i]].astype(np.int64)[None]
        with torch.inference_mode():
            for token in found.ids[i][found.prompt_tokens[i] :]:
                logits = loaded.model(torch.from_numpy(row), use_cache=False).logits[0, -1]
                assert int(logits.argmax()) == token
                row = np.append(row, [[token]], axis=1)
    assert plan([3, 9, 3, 9, 5], 2, equal=True) == ((1, 3), (4,), (0, 2))


def test_a_model_whose_steps_are_not_its_whole_pass_is_refused(monkeypatch):
    loaded = tiny_models.loaded()
    forward = type(loaded.model).forward

    def forgetful(self, *args, past_key_values=None, **options):
        return forward(self, *args, past_key_values=None, **options)

    forgetful.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(type(loaded.model), "forward", forgetful)
    with pytest.raises(BuildError, match="LlamaForCausalLM after one more token differ"):
        run(loaded)


def test_a_model_that_keeps_nothing_between_steps_is_refused():
    with pytest.raises(BuildError, match="XLNetLMHeadModel keeps nothing between steps"):
        run(families.loaded("xlnet"))


@pytest.mark.parametrize("family", families.ENCODERS)
def test_an_encoder_writes_nothing_and_says_what_to_do_instead(family):
    with pytest.raises(BadInput, match=r"is an encoder and writes no answers; give it texts with a label instead"):
        run(families.loaded(family))


def test_a_decoder_without_a_head_writes_nothing():
    from layergrid.models import wrap

    whole = families.loaded("llama")
    loaded = wrap(whole.model.model, whole.tokenizer, name="tiny", address="random", revision="0")
    assert loaded.design == "decoder"
    with pytest.raises(BadInput, match="has no language-model head and writes no answers"):
        run(loaded)


def test_a_cache_that_grows_in_place_holds_and_gives_what_a_growing_copy_does() -> None:
    import torch
    from transformers.cache_utils import DynamicCache

    from layergrid.models.caches import grow_in_place

    torch.manual_seed(0)
    plain, grown = DynamicCache(), DynamicCache()
    for step, tokens in enumerate((5, 1, 1, 3, 1, 4)):  # more than was made room for
        keys, values = torch.randn(2, 3, tokens, 4), torch.randn(2, 3, tokens, 4)
        for cache in (plain, grown):
            cache.update(keys, values, 0)
        if step == 0:
            grow_in_place(grown, 2)
        for name in ("keys", "values"):
            assert torch.equal(getattr(plain.layers[0], name), getattr(grown.layers[0], name))
        assert plain.get_seq_length() == grown.get_seq_length()
