"""Prompts from columns, ids from prompts, characters from ids; the oracle decodes every prefix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.artifacts import Examples, Scalar
from layergrid.demo.training import Recipe, train_tokenizer
from layergrid.kinds import BadInput
from layergrid.prompts import (
    completion_offsets,
    decoded_spans,
    encode_prompts,
    render,
    tokenizable,
    with_lone_surrogates,
)
from layergrid.text import known_columns
from small_tokenizers import byte_level, ids_of, metaspace, raw, wordpiece


def examples(**columns: list[Scalar]) -> Examples:
    n = len(next(iter(columns.values())))
    ids = tuple(f"q{i + 1}" for i in range(n))
    return Examples("quiz", "data/quiz.csv", ids, ids, {k: tuple(v) for k, v in columns.items()}, "")


# ---------------------------------------------------------------- templates


def test_a_template_is_filled_from_each_row_and_keeps_its_last_line_break():
    rows = examples(question=["What is 2?", "And 3?"])
    assert render("Q: {{ question }}\nA:\n", rows) == ("Q: What is 2?\nA:\n", "Q: And 3?\nA:\n")


@pytest.mark.parametrize(
    "text",
    [
        "{{ 7*7 }}",
        "{% for i in range(9) %}x{% endfor %}",
        "{# gone #}",
        "</script><img src=x onerror=alert(1)>",
        "a & b < c > 'd' \"e\"",
        "nul \0 inside",
        "مرحبا 😀 \u202eabc",
        "lone \ud800 surrogate",
        "  stray blanks \u2019 ",
        "0123",
        "",
    ],
)
def test_text_of_the_data_is_inserted_as_it_stands(text):
    assert render("<{{ question or '' }}>", examples(question=[text])) == (f"<{text}>",)


def test_numbers_are_printed_as_they_were_read():
    assert render("{{ a }} {{ b }} {{ c }}", examples(a=[7], b=[0.5], c=[True])) == ("7 0.5 True",)


def test_a_column_whose_name_is_no_identifier_is_reached_through_row():
    assert render('{{ row["Wrong Answer"] }}', examples(**{"Wrong Answer": ["Sarah"]})) == ("Sarah",)


def test_a_column_named_row_stands_before_the_mapping():
    assert render("{{ row }}", examples(row=["mine"])) == ("mine",)


def test_a_column_that_is_missing_is_named_with_the_data_set_the_columns_and_the_nearest():
    with pytest.raises(BadInput) as error:
        render("Q: {{ qestion }}", examples(question=["?"], answer=["!"]))
    message = str(error.value)
    assert "'qestion'" in message
    assert "'quiz'" in message
    assert "data/quiz.csv" in message
    assert "'question' and 'answer'" in message
    assert "Did you mean 'question'?" in message


def test_a_missing_key_of_row_is_an_error_with_the_columns():
    with pytest.raises(BadInput, match=r"example q1.*the columns are 'question'"):
        render('{{ row["qestion"] }}', examples(question=["?"]))


def test_a_column_may_be_asked_for_with_a_default():
    assert render("{{ context | default('none') }}", examples(question=["?"])) == ("none",)


def test_printing_a_null_is_an_error_that_names_the_example():
    rows = examples(question=["a", None])
    with pytest.raises(BadInput, match=r"null in 1 of 2 rows, first in example q2"):
        render("{{ question }}", rows)
    assert render("{{ question or '' }}", rows) == ("a", "")


@pytest.mark.parametrize(
    "template", ["{{ role }} in {{ film }}", "{{ film }}: {{ row['role'] | trim }}", "{{ role|lower }}"]
)
def test_a_blank_column_that_every_prompt_prints_is_told_with_count_and_first_example(template):
    rows = examples(role=["Ann", " ", "Bob", ""], film=["a", "b", "c", "d"])
    with pytest.raises(BadInput) as error:
        render(template, rows)
    message = str(error.value)
    assert "prints column 'role', which is blank in 2 of 4 rows, first in example q2" in message
    assert "`where: (role or '') | trim`" in message
    assert "{{ role or '' }}" in message


@pytest.mark.parametrize(
    "template", ["{{ role or '' }}{{ film }}", "{% if role %}{{ role }}{% endif %}{{ film }}", "{{ role ~ film }}"]
)
def test_a_blank_column_is_printed_where_the_template_says_what_blank_means(template):
    assert render(template, examples(role=[""], film=["a"])) == ("a",)


def test_a_malformed_template_is_reported_with_its_line():
    with pytest.raises(BadInput, match=r"line 2.*\n    A: \{\{ question"):
        render("Q:\nA: {{ question", examples(question=["?"]))


@pytest.mark.parametrize(
    "template",
    ["{{ question + 1 }}", "{{ question.__class__.__mro__ }}", "{{ 1 / 0 }}", "{% include 'x' %}", "{{ question() }}"],
)
def test_a_template_that_fails_on_a_row_is_bad_input_not_a_traceback(template):
    with pytest.raises(BadInput, match="example q1"):
        render(template, examples(question=["?"]))


def test_known_columns_says_which_there_are_and_the_nearest():
    said = known_columns("anser", ["question", "answer"])
    assert "'question' and 'answer'. Did you mean 'answer'?" in said
    assert "write `columns: {anser: answer}`" in said
    assert known_columns("", ["question"]) == "the columns are 'question'."
    assert "write `columns: {gold: THE COLUMN}`" in known_columns("gold", ["question"])
    assert "Did you mean 'Correct_Answer'?" in known_columns("answer", ["Question", "Correct_Answer"])
    assert '{"a: b": "A: b"}' in known_columns("a: b", ["A: b"])


# ---------------------------------------------------------------- encoding


@pytest.fixture(scope="module")
def gpt():
    return byte_level()


def test_special_tokens_stand_as_the_tokenizer_adds_them_and_cover_nothing(gpt):
    ((ids, offsets),) = encode_prompts(gpt, ["Sum is"])
    assert ids.tolist() == ids_of(gpt, "<s>|Sum| is")
    assert offsets.tolist() == [[0, 0], [0, 3], [3, 6]]
    assert ids.dtype == offsets.dtype == np.int32


def test_a_lone_surrogate_reaches_the_model_as_the_replacement_character(gpt):
    prompts = ["a \ud800 b", "fine"]
    assert tokenizable(prompts[0]) == "a \N{REPLACEMENT CHARACTER} b"
    assert with_lone_surrogates(prompts) == 1
    (ids, offsets), _ = encode_prompts(gpt, prompts)
    text = completion_offsets(gpt, ids, [], prompt=prompts[0], prompt_offsets=offsets).text
    assert text == "a \N{REPLACEMENT CHARACTER} b"
    assert text.encode()


def test_a_surrogate_pair_that_is_a_real_character_is_left_alone():
    assert tokenizable("😀") == "😀"
    assert with_lone_surrogates(["😀"]) == 0


def test_a_prompt_without_any_token_is_bad_input():
    bare = byte_level()
    bare.backend_tokenizer.post_processor = None
    with pytest.raises(BadInput, match="prompt 2 of 2 has no tokens"):
        encode_prompts(bare, ["Sum", ""])


def test_a_tokenizer_without_offsets_is_bad_input():
    class Slow:
        is_fast = False

    with pytest.raises(BadInput, match=r"Slow gives no character offsets.*tokenizer\.json"):
        encode_prompts(Slow(), ["Sum"])  # type: ignore[arg-type] # stands for a tokenizer written in Python


def test_no_prompts_need_no_tokenizer_run(gpt):
    assert encode_prompts(gpt, []) == []


# ---------------------------------------------------------------- offsets, by hand


def spelt(tokenizer, prompt, completion):
    ((ids, offsets),) = encode_prompts(tokenizer, [prompt])
    return completion_offsets(tokenizer, ids, completion, prompt=prompt, prompt_offsets=offsets)


def test_pieces_hold_the_blank_before_a_word_and_the_names_of_special_tokens(gpt):
    found = spelt(gpt, "Sum?", ids_of(gpt, " It| is| 4|3|.|</s>"))
    assert found.text == "Sum? It is 43."
    assert found.pieces == ("<s>", "Sum", "?", " It", " is", " 4", "3", ".", "</s>")
    assert found.special.tolist() == [True] + [False] * 7 + [True]
    assert found.offsets.tolist() == [[0, 0], [0, 3], [3, 4], [4, 7], [7, 10], [10, 12], [12, 13], [13, 14], [14, 14]]


def test_tokens_that_hold_parts_of_a_character_all_cover_it(gpt):
    found = spelt(gpt, "Sum", ids_of(gpt, f"{raw('é')}|{raw('😀')}|3"))
    assert found.text == "Sumé😀3"
    assert found.offsets.tolist()[2:] == [[3, 4]] * 2 + [[4, 5]] * 4 + [[5, 6]]


def test_bytes_that_never_become_a_character_are_shown_as_replacements(gpt):
    broken = raw("😀").split("|")[:2]
    found = spelt(gpt, "Sum", ids_of(gpt, "|".join(["3", *broken])))
    assert found.text == "Sum3\N{REPLACEMENT CHARACTER}"
    assert found.offsets.tolist()[2:] == [[3, 4], [4, 5], [4, 5]]


def test_a_special_token_inside_a_character_covers_nothing(gpt):
    first, second = raw("é").split("|")
    found = spelt(gpt, "Sum", ids_of(gpt, f"{first}|<pad>|{second}|3"))
    assert found.text == "Sumé3"
    assert found.offsets.tolist()[2:] == [[3, 4], [3, 3], [3, 4], [4, 5]]


def test_a_special_token_that_the_prompt_spells_out_covers_its_characters(gpt):
    found = spelt(gpt, "Sum</s>?", [])
    assert found.text == "Sum</s>?"
    assert found.offsets.tolist() == [[0, 0], [0, 3], [3, 7], [7, 8]]
    assert found.special.tolist() == [True, False, True, False]


def test_an_empty_completion_is_the_prompt(gpt):
    found = spelt(gpt, "Sum?", [])
    assert found.text == "Sum?"
    assert len(found.offsets) == 3


def test_a_completion_of_the_stop_token_alone_adds_no_text(gpt):
    found = spelt(gpt, "Sum?", ids_of(gpt, "</s>"))
    assert (found.text, found.offsets.tolist()[-1]) == ("Sum?", [4, 4])


def test_blanks_that_trimmed_offsets_leave_out_belong_to_the_token_behind():
    trimmed = byte_level(trim=True)
    ((_, offsets),) = encode_prompts(trimmed, ["Sum is  4"])
    assert offsets.tolist()[2] == [4, 6]
    assert spelt(trimmed, "Sum is  4", []).pieces == ("<s>", "Sum", " is", " ", " 4")


def test_a_decoder_that_drops_the_first_blank_keeps_it_after_a_prompt():
    llama = metaspace()
    found = spelt(llama, "Sum:", [llama.get_vocab()[t] for t in ("▁4", "3", "▁is", "</s>")])
    assert found.text == "Sum: 43 is"
    assert found.pieces[-4:] == (" 4", "3", " is", "</s>")


def test_byte_fallback_tokens_cover_the_character_that_they_make():
    llama = metaspace()
    after = [llama.get_vocab()[f"<0x{b:02X}>"] for b in "😀".encode()]
    found = spelt(llama, "Sum:", [*after, llama.get_vocab()["3"]])
    assert found.text == "Sum:😀3"
    assert found.offsets.tolist()[-5:] == [[4, 5]] * 4 + [[5, 6]]


def test_byte_fallback_that_takes_back_a_character_still_gives_the_text_of_the_whole():
    llama = metaspace()
    ids = [llama.get_vocab()[t] for t in ("4", "<0xC3>", "<0xA9>", "<0xFF>", "3")]
    found = spelt(llama, "Sum:", ids)
    assert found.text == "Sum:4" + "\N{REPLACEMENT CHARACTER}" * 3 + "3"
    assert covered(found.offsets) == set(range(len(found.text)))


def test_wordpiece_tokens_join_and_clean_up_does_not_move_them():
    bert = wordpiece()
    found = spelt(bert, "Sum  IS?", [bert.get_vocab()[t] for t in ("play", "##ing", ".", "it", "</s>")])
    assert found.text == "Sum  IS? playing. it"
    assert found.pieces == ("<s>", "Sum", "  IS", "?", " play", "ing", ".", " it", "</s>")


def test_without_the_prompts_text_it_is_decoded(gpt):
    before, after = ids_of(gpt, "<s>|Sum|?"), ids_of(gpt, " 4|3")
    assert completion_offsets(gpt, before, after).pieces == ("<s>", "Sum", "?", " 4", "3")


# ---------------------------------------------------------------- offsets, against oracles

RECIPE = {"shipped": lambda: train_tokenizer(Recipe())}
MAKERS = {"byte_level": byte_level, "trimmed": lambda: byte_level(trim=True), "metaspace": metaspace}
MAKERS |= {"wordpiece": wordpiece} | RECIPE
KEYS = (
    "Sum Paris is 0123456789.,?!'\n\t" + "\u00e9\u00fc\u00f1" + "\u200d\u0301\0\ufffd" + "مرحبا" + "日本語" + "😀👩🏽🚀"
)
TEXT = st.text(st.sampled_from(KEYS) | st.characters(codec="utf-8"), max_size=24)


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request):
    return MAKERS[request.param]()


def covered(offsets) -> set[int]:
    return {c for start, stop in np.asarray(offsets).tolist() for c in range(start, stop)}


def decode(tokenizer, ids) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def by_prefixes(tokenizer, before, after) -> tuple[str, list[set[int]]]:
    """Characters of each token by definition: those that the prefix up to it is the first to settle, or ends inside."""
    whole, base = decode(tokenizer, before + after), decode(tokenizer, before)
    drafts = [decode(tokenizer, before + after[:k]) for k in range(len(after) + 1)]
    shared = [next((n for n in range(len(draft), 0, -1) if whole.startswith(draft[:n])), 0) for draft in drafts]
    tokens = []
    for k in range(1, len(drafts)):
        ended, settled = set(range(max(shared[:k]), max(shared[: k + 1]))), max(shared[: k + 1])
        begun = {settled} if len(drafts[k]) > settled < len(whole) else set()
        tokens.append({c - len(base) for c in ended | begun})
    return whole[len(base) :], tokens


RELAXED = settings(max_examples=120, deadline=None, derandomize=True)


@RELAXED
@given(prompt=TEXT, text=TEXT)
def test_spans_equal_those_of_decoding_every_prefix(tokenizer, prompt, text):
    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(text, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    found, spans = decoded_spans(lambda ids: decode(tokenizer, ids), before, after)
    expected, tokens = by_prefixes(tokenizer, before, after)
    assert found == expected
    for token, span, chars in zip(after, spans, tokens, strict=True):
        if token not in special:
            assert set(range(*span)) == chars


@RELAXED
@given(data=st.data())
def test_any_ids_at_all_give_the_decoded_text_with_every_character_covered_in_order(tokenizer, data):
    token = st.integers(0, len(tokenizer) - 1)
    before, after = data.draw(st.lists(token, max_size=6)), data.draw(st.lists(token, max_size=16))
    found, spans = decoded_spans(lambda ids: decode(tokenizer, ids), before, after)
    whole, base = decode(tokenizer, before + after), decode(tokenizer, before)
    if whole.startswith(base):
        assert base + found == whole
    assert covered(spans) == set(range(len(found)))
    assert spans == sorted(spans)


@RELAXED
@given(prompt=TEXT, text=TEXT)
def test_the_text_of_a_completion_is_what_the_tokenizer_decodes(tokenizer, prompt, text):
    after = tokenizer(text, add_special_tokens=False)["input_ids"]
    ((before, offsets),) = encode_prompts(tokenizer, [prompt])
    found = completion_offsets(tokenizer, before, after, prompt=prompt, prompt_offsets=offsets)
    base = decode(tokenizer, before.tolist())
    assert found.text == prompt + decode(tokenizer, before.tolist() + after)[len(base) :]


@RELAXED
@given(text=TEXT)
def test_byte_level_spans_equal_those_counted_in_bytes(text):
    found, bytes_of = BYTE_LEVEL(text, add_special_tokens=False)["input_ids"], BYTE_LEVEL.convert_ids_to_tokens
    _, spans = decoded_spans(lambda ids: decode(BYTE_LEVEL, ids), [], found)
    owner = [c for c, character in enumerate(text) for _ in character.encode()]
    at = 0
    for token, (start, stop) in zip(bytes_of(found), spans, strict=True):
        held = owner[at : at + len(token)]  # one sign of the byte alphabet stands for one byte
        at += len(token)
        assert (start, stop) == (held[0], held[-1] + 1)
    assert at == len(owner)


BYTE_LEVEL = byte_level()


@RELAXED
@given(prompt=TEXT)
def test_offsets_of_a_prompt_cover_all_that_is_not_blank_and_stand_in_order(tokenizer, prompt):
    if "[UNK]" in tokenizer.get_vocab():
        prompt = "".join(c for c in prompt if c.isascii() and c.isprintable())  # WordPiece drops control characters
    ((ids, offsets),) = encode_prompts(tokenizer, [prompt])
    found = completion_offsets(tokenizer, ids, [], prompt=prompt, prompt_offsets=offsets)
    assert found.text == prompt
    assert {c for c in range(len(prompt)) if not prompt[c].isspace()} <= covered(found.offsets)
    starts = found.offsets[:, 0].tolist()
    assert starts == sorted(starts)


def test_a_long_completion_is_not_decoded_again_from_its_start(gpt):
    longest = []

    def watched(ids):
        longest.append(len(ids))
        return decode(gpt, ids)

    after = ids_of(gpt, " 4|3") * 500
    decoded_spans(watched, ids_of(gpt, "<s>|Sum"), after)
    assert sum(longest) < 8 * len(after)
