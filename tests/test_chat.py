"""Dialogues by chat templates: what the model sees, where the system text goes, and what a report says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

import tiny_models
from chat_templates import BEGINS, CHATML, GEMMA, LLAMA_3, MISTRAL, PARTS, TEMPLATES, ZEPHYR, speaking
from layergrid.artifacts import Scalar
from layergrid.generate import dialogue, generate, read
from layergrid.kinds import BadInput
from layergrid.models import wrap
from layergrid.prompts import completion_offsets, dialogues, encode_prompts, told

SYSTEM = "Answer with the number alone."
PROMPTS = ("Sum 4 and 3?", "  What is the answer, Paris or 7? ")
IDS = ("q1", "q2")


@dataclass(frozen=True)
class Chat:
    system: str = ""
    variables: dict[str, Scalar] = field(default_factory=dict)


def one(template, system="", prompt=PROMPTS[0], **variables):
    return dialogues(speaking(template), ("q1",), (prompt,), Chat(system, variables))[0]


# ---------------------------------------------------------------- what the model sees


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chatml", f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nSum 4 and 3?<|im_end|>\n"
                   "<|im_start|>assistant\n"),
        ("llama 3", f"<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 01 Jan 2025\n\n{SYSTEM}<|eot_id|>"
                    "<|start_header_id|>user<|end_header_id|>\n\nSum 4 and 3?<|eot_id|>"
                    "<|start_header_id|>assistant<|end_header_id|>\n\n"),
        ("llama 2", f"<s>[INST] <<SYS>>\n{SYSTEM}\n<</SYS>>\n\nSum 4 and 3? [/INST]"),
        ("gemma", f"<s><start_of_turn>user\n{SYSTEM}\n\nSum 4 and 3?<end_of_turn>\n<start_of_turn>model\n"),
        ("phi 3", f"<s><|user|>\n{SYSTEM}\n\nSum 4 and 3?<|end|>\n<|assistant|>\n"),
        ("mistral", f"<s>[INST] {SYSTEM}\n\nSum 4 and 3? [/INST]"),
        ("zephyr", f"<|system|>\n{SYSTEM}</s>\n<|user|>\nSum 4 and 3?</s>\n<|assistant|>\n"),
        ("parts", f"<s><|im_start|>system: {SYSTEM}<|im_end|>\n<|im_start|>user: Sum 4 and 3?<|im_end|>\nAssistant:"),
    ],
)  # fmt: skip
def test_the_dialogue_of_each_common_template_ends_where_the_answer_begins(name, expected):
    assert one(TEMPLATES[name], SYSTEM) == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_without_a_system_text_no_system_message_is_sent(name):
    shown = one(TEMPLATES[name])
    assert "Sum 4 and 3?" in shown
    assert SYSTEM not in shown
    if name not in ("chatml", "llama 3"):  # these write one of their own
        assert "system" not in shown.lower()


@pytest.mark.parametrize("pieces", [False, True], ids=["bytes", "pieces"])
@pytest.mark.parametrize("system", ["", SYSTEM], ids=["bare", "system"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_ids_are_those_that_transformers_makes_of_the_messages(name, system, pieces):
    tokenizer = speaking(TEMPLATES[name], pieces)
    apart = system and name not in ("gemma", "phi 3", "mistral")
    user = PROMPTS[0] if apart or not system else f"{system}\n\n{PROMPTS[0]}"
    messages = [{"role": "system", "content": system}] * bool(apart) + [{"role": "user", "content": user}]
    if name == "parts":
        messages = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
    day = {"date_string": "01 Jan 2025"}
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, **day)["input_ids"]
    shown = dialogues(tokenizer, IDS[:1], PROMPTS[:1], Chat(system))
    ((ids, _),) = encode_prompts(tokenizer, shown, add_special_tokens=False)
    assert ids.tolist() == expected


def chatting(template, family="llama", pieces=False):
    """A small random model with such a tokenizer."""
    tokenizer = speaking(template, pieces)
    model = tiny_models.model(family, vocab_size=len(tokenizer), eos_token_id=None, max_position_embeddings=512)
    return wrap(model, tokenizer, name="tiny", address="random", revision="0")


@pytest.mark.parametrize("pieces", [False, True], ids=["bytes", "pieces"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_beginning_of_sequence_stands_where_the_template_writes_it_and_never_twice(name, pieces):
    loaded = chatting(TEMPLATES[name], pieces=pieces)
    found = generate(loaded, IDS, PROMPTS, max_new_tokens=2, batch=2, chat=Chat(SYSTEM))
    begin = loaded.tokenizer.bos_token_id
    for ids in found.ids:
        assert ids.tolist().count(begin) == (name in BEGINS)
        assert (ids[0] == begin) == (name in BEGINS)
    plain = generate(loaded, IDS, PROMPTS, max_new_tokens=2, batch=2)
    assert all(ids[0] == begin for ids in plain.ids), "without a dialogue the tokenizer adds it"


@pytest.mark.parametrize("pieces", [False, True], ids=["bytes", "pieces"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_offsets_cover_the_whole_dialogue_special_tokens_spelt_out_and_the_prompts_end_is_its_last_token(name, pieces):
    loaded = chatting(TEMPLATES[name], pieces=pieces)
    chat = Chat(SYSTEM)
    shown = dialogues(loaded.tokenizer, IDS, PROMPTS, chat)
    found = generate(loaded, IDS, PROMPTS, max_new_tokens=3, batch=2, chat=chat)
    for i, text in enumerate(shown):
        last = int(found.prompt_tokens[i]) - 1
        assert found.texts[i][: found.prompt_chars[i]] == text
        assert found.prompt_chars[i] == len(text)
        assert int(found.offsets[i][last][1]) == len(text)
        assert len(found.ids[i]) == last + 1 + 3
        covered = {c for a, b in found.offsets[i][: last + 1].tolist() for c in range(a, b)}
        assert {c for c in range(len(text)) if not text[c].isspace()} <= covered
        for token in np.flatnonzero(found.special[i][: last + 1]):
            start, stop = found.offsets[i][token]
            assert text[start:stop] == found.pieces[i][token]


def test_texts_may_be_read_as_dialogues_too():
    loaded = chatting(GEMMA)
    found = read(loaded, IDS, PROMPTS, chat=Chat())
    assert found.texts == dialogues(loaded.tokenizer, IDS, PROMPTS, Chat())
    assert not found.written


def test_the_completion_is_decoded_after_the_dialogue():
    tokenizer = speaking(MISTRAL, pieces=True)
    (shown,) = dialogues(tokenizer, ("q",), ("Sum?",), Chat())
    ((ids, offsets),) = encode_prompts(tokenizer, [shown], add_special_tokens=False)
    after = [tokenizer.get_vocab()[t] for t in ("▁4", "3", "</s>")]
    found = completion_offsets(tokenizer, ids, after, prompt=shown, prompt_offsets=offsets)
    assert found.text[len(shown) :] == " 43"
    assert found.pieces[-3:] == (" 4", "3", "</s>")


# ---------------------------------------------------------------- variables and the day


def test_variables_reach_the_template():
    assert one(CHATML, enable_thinking=False).endswith("<think>\n\n</think>\n\n")
    assert one(CHATML, enable_thinking=True).endswith("assistant\n")


def test_a_variable_that_the_template_does_not_read_is_named_with_the_nearest():
    with pytest.raises(BadInput, match="does not read 'enable_thinkin'; did you mean 'enable_thinking'"):
        one(CHATML, enable_thinkin=False)
    with pytest.raises(BadInput, match="'messages' is what layergrid itself gives"):
        one(CHATML, messages="x")


def test_the_day_never_changes_a_prompt_unless_the_spec_names_it():
    assert "Today Date: 01 Jan 2025" in one(LLAMA_3)
    assert "Today Date: 26 Jul 2024" in one(LLAMA_3, date_string="26 Jul 2024")


# ---------------------------------------------------------------- what a report says


def test_a_report_says_where_the_system_text_went():
    apart = told(speaking(CHATML), Chat(SYSTEM))
    merged = [told(speaking(TEMPLATES[name]), Chat(SYSTEM)) for name in ("gemma", "phi 3", "mistral")]
    assert "goes before it as a message of its own" in apart
    assert all("head of the user's message, since the template has no place for a system message" in m for m in merged)
    assert "system" not in told(speaking(CHATML), Chat())


def test_a_report_says_the_day_the_variables_and_whether_the_template_marks_the_answer():
    assert "the day of the dialogue, which is 1 January 2025 in all of them" in told(speaking(LLAMA_3), Chat())
    assert "day" not in told(speaking(LLAMA_3), Chat(variables={"date_string": "26 Jul 2024"}))
    assert told(speaking(CHATML), Chat(variables={"enable_thinking": False})).endswith(
        "Variables of the template: enable_thinking = false."
    )
    assert "up to where its answer begins" in told(speaking(ZEPHYR), Chat())
    assert "up to where its answer begins" not in told(speaking(MISTRAL), Chat())


def test_prompts_that_become_no_dialogue_have_nothing_said_of_them():
    loaded = chatting(CHATML)
    assert dialogue(loaded, None) == ""
    assert dialogue(loaded, Chat()) == told(loaded.tokenizer, Chat())


# ---------------------------------------------------------------- what is wrong


def test_a_tokenizer_without_a_chat_template_is_told_with_what_to_do():
    with pytest.raises(BadInput, match=r"no chat template; remove 'chat', or .*chat_template\.jinja"):
        one(None)
    with pytest.raises(BadInput, match="no chat template"):
        told(speaking(None), Chat())


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('never') }}", r"cannot be used \(never\)"),
        ("{% for message in messages", r"cannot be used \("),
        ("{{ messages[0].nothing.at.all }}", r"cannot be used \("),
        ("Hello!", "must put the user's message into its text"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_with_the_reason(template, said):
    with pytest.raises(BadInput, match=said):
        one(template)


def test_a_prompt_on_which_the_template_fails_is_named():
    template = "{% if 'Paris' in messages[0].content %}{{ raise_exception('no towns') }}{% endif %}" + GEMMA
    with pytest.raises(BadInput, match=r"'q2'.*failed: no towns"):
        dialogues(speaking(template), IDS, PROMPTS, Chat())


def test_a_prompt_that_writes_the_beginning_of_sequence_once_more_is_refused():
    loaded = chatting("{{ bos_token }}{{ messages[0].content }}{% if add_generation_prompt %}:{% endif %}")
    with pytest.raises(BadInput, match="'q1': its dialogue begins with '<s>' twice"):
        generate(loaded, ("q1",), ("<s>Sum?",), max_new_tokens=2, batch=1, chat=Chat())


def test_an_empty_prompt_is_no_dialogue():
    with pytest.raises(BadInput, match="'q2': its prompt is empty"):
        generate(chatting(CHATML), IDS, ("Sum?", " "), max_new_tokens=2, batch=2, chat=Chat())


def test_text_of_the_data_is_never_read_as_a_template():
    prompt = "{{ 7*7 }}{% for x in y %}"
    assert prompt in one(CHATML, "{{ bos_token }}", prompt)
    assert "{{ bos_token }}" in one(CHATML, "{{ bos_token }}", prompt)


def test_a_template_for_contents_in_parts_gets_parts():
    assert one(PARTS).startswith("<s><|im_start|>user: Sum 4 and 3?<|im_end|>")
