"""Positions against typed examples with every edge case, and against an oracle that decodes prefixes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from layergrid.artifacts import Examples, Labels, Positions, Scalar, Sequences
from layergrid.demo.questions import evaluation_sums
from layergrid.demo.training import PROMPT, Recipe, train_tokenizer
from layergrid.graders import grade_all
from layergrid.graders.exact import ExactGrader
from layergrid.graders.numeric import NumericGrader
from layergrid.kinds import BadInput, Grader, PositionResolver, known
from layergrid.positions import resolve_all
from layergrid.positions.answer import AnswerResolver
from layergrid.positions.exact import ExactResolver
from layergrid.positions.from_end import FromEndResolver
from layergrid.positions.given import GivenResolver
from layergrid.positions.place import covering
from layergrid.positions.prompt_end import PromptEndResolver
from layergrid.positions.span import SpanResolver
from small_tokenizers import byte_level, ids_of, metaspace, raw, wordpiece, written

EXACT = ("exact_answer_before_first", "exact_answer_first", "exact_answer_last", "exact_answer_after_last")
FIFTEEN = (
    PromptEndResolver(),
    *(AnswerResolver(name=name) for name in ("first_answer", "second_answer")),
    *(ExactResolver(name=name) for name in EXACT),
    *(FromEndResolver(name=str(k)) for k in range(-8, 0)),
)
GPT = byte_level()


def examples(n: int, **columns: list[Scalar]) -> Examples:
    ids = tuple(str(i + 1) for i in range(n))
    return Examples("sums", "sums.csv", ids, ids, {"answer": (1,) * n, **{k: tuple(v) for k, v in columns.items()}}, "")


def graded(sequences: Sequences, grader: Grader | None = None) -> Labels:
    return grade_all(grader or NumericGrader(gold="answer"), examples(len(sequences.ids)), sequences)


def shown(positions: Positions, row: int = 0) -> str:
    """One example's positions: an index is `ok`; c collapsed, p in_prompt, t truncated; - is no token."""
    marks = {"ok": "", "missing": "", "collapsed": "c", "in_prompt": "p", "truncated": "t"}
    cells = []
    for start, stop, status in zip(positions.start[row], positions.stop[row], positions.status[row], strict=True):
        assert (start == -1) == (stop == -1)
        assert start != -1 or status in {"missing", "truncated"}
        assert status != "missing" or start == -1
        index = "-" if start == -1 else str(start) if stop == start + 1 else f"{start}:{stop}"
        cells.append(index + marks[str(status)])
    return " ".join(cells)


# ---------------------------------------------------------------- the fifteen names, by hand

# The prompt is `<s>|Sum|?|:`, so that P = 4 and last_q = 3. Each entry: what the model wrote, token by token, then
# last_q first second | before first last after | -8 ... -1.
WRITTEN = {
    "answer in the middle": (
        " It| is| 4|3| and| the| answer|.|</s>",
        "3 4 5 | 5 6 7 8 | 5 6 7 8 9 10 11 12",
    ),
    "answer opens the completion": (
        " 4|3| is| the| answer|.|</s>",
        "3 4 5 | 3c 4 5 6 | 3p 4 5 6 7 8 9 10",
    ),
    "answer without a blank opens the completion": (
        "4|3| is| the| answer|.|</s>",
        "3 4 5 | 3c 4 5 6 | 3p 4 5 6 7 8 9 10",
    ),
    "answer is all that was written": (
        " 4|3|</s>",
        "3 4 5 | 3c 4 5 6 | - 0p 1p 2p 3p 4 5 6",
    ),
    "answer of one token": (
        " It| is| 4|.|</s>",
        "3 4 5 | 5 6 6 7 | 1p 2p 3p 4 5 6 7 8",
    ),
    "answer of one token and nothing else": (
        " 4|</s>",
        "3 4 5 | 3c 4 4 5 | - - 0p 1p 2p 3p 4 5",
    ),
    "only the stop token": (
        "</s>",
        "3 4 - | - - - - | - - - 0p 1p 2p 3p 4",
    ),
    "no number in the first sentence": (
        " It| is|.| 4|</s>",
        "3 4 5 | - - - - | 1p 2p 3p 4 5 6 7 8",
    ),
    "the same answer twice in one sentence": (
        " 4|3| is| 4|3|.|</s>",
        "3 4 5 | 6 7 8 9 | 3p 4 5 6 7 8 9 10",
    ),
    "the same answer again in the second sentence": (
        " It| is| 4|3|.| 4|3|</s>",
        "3 4 5 | 5 6 7 8 | 4 5 6 7 8 9 10 11",
    ),
    "5 after 15": (
        " 1|5| is| 5|.|</s>",
        "3 4 5 | 6 7 7 8 | 2p 3p 4 5 6 7 8 9",
    ),
    "15 after 5": (
        " 5| is| 1|5|.|</s>",
        "3 4 5 | 5 6 7 8 | 2p 3p 4 5 6 7 8 9",
    ),
    "thousands comma and full stop": (
        " It| is| 1|,|2|3|4|.|</s>",
        "3 4 5 | 5 6 10 11 | 5 6 7 8 9 10 11 12",
    ),
    "a decimal point inside the answer": (
        " It| is| 4|.|3|.|</s>",
        "3 4 5 | 5 6 8 9 | 3p 4 5 6 7 8 9 10",
    ),
    "the answer ends the text and the stop token follows": (
        " It| is| 4|3|</s>",
        "3 4 5 | 5 6 7 8 | 1p 2p 3p 4 5 6 7 8",
    ),
    "a line break opens the completion": (
        "\n|4|3|\n|Sum|</s>",
        "3 4 5 | 4 5 6 7 | 2p 3p 4 5 6 7 8 9",
    ),
    "characters of several bytes before the answer": (
        f"{raw('é😀')}| 4|3|.|</s>",
        "3 4 5 | 9 10 11 12 | 6 7 8 9 10 11 12 13",
    ),
    "digits of two bytes each": (
        f" is|{raw(' ١٢')}|.|</s>",
        "3 4 5 | 5 6 9 10 | 4 5 6 7 8 9 10 11",
    ),
    "a special token inside the answer": (
        " It| is| 4|<pad>|3|.|</s>",
        "3 4 5 | 5 6 8 9 | 3p 4 5 6 7 8 9 10",
    ),
    "a special token before the answer that opens the text": (
        "<pad>| 4|3|.|</s>",
        "3 4 5 | 4 5 6 7 | 1p 2p 3p 4 5 6 7 8",
    ),
    "a minus sign is a token of the answer": (
        " It| is| |-|4|3|.|</s>",
        "3 4 5 | 6 7 9 10 | 4 5 6 7 8 9 10 11",
    ),
}
CUT = {
    "cut after the sentence of the answer": (
        " It| is| 4|3|.| It| is| the",
        "3 4 5 | 5 6 7 8 | 4t 5t 6t 7t 8t 9t 10t 11t",
    ),
    "cut after the line of the answer": (
        " 4|3|\n| the",
        "3 4 5 | 3c 4 5 6 | 0t 1t 2t 3t 4t 5t 6t 7t",
    ),
    "cut inside the sentence, so that a later number may have been meant": (
        " 4|3| is| the",
        "3 4 5 | 3t 4t 5t 6t | 0t 1t 2t 3t 4t 5t 6t 7t",
    ),
    "cut at the answer, which may itself be cut": (
        " It| is| 4|3",
        "3 4 5 | 5t 6t 7t -t | 0t 1t 2t 3t 4t 5t 6t 7t",
    ),
    "cut at a full stop that may be a decimal point": (
        " It| is| 4|.",
        "3 4 5 | 5t 6t 6t 7t | 0t 1t 2t 3t 4t 5t 6t 7t",
    ),
    "cut after one token": (
        " 4",
        "3 4 -t | 3t 4t 4t -t | - - - 0t 1t 2t 3t 4t",
    ),
    "cut before any number": (
        " It| is",
        "3 4 5 | - - - - | - - 0t 1t 2t 3t 4t 5t",
    ),
}


@pytest.mark.parametrize("name", [*WRITTEN, *CUT])
def test_the_fifteen_positions_of_a_typed_example(name):
    pieces, row = {**WRITTEN, **CUT}[name]
    ids = ids_of(GPT, pieces)
    sequences = written(GPT, [("Sum?:", ids, name in WRITTEN)])
    assert sequences.prompt_tokens.tolist() == [4]
    found = resolve_all(FIFTEEN, sequences, graded(sequences), examples(1))
    assert shown(found) == row.replace("| ", "")


def test_all_typed_examples_at_once_give_what_each_gives_alone():
    rows = [("Sum?:", ids_of(GPT, pieces), name in WRITTEN) for name, (pieces, _) in {**WRITTEN, **CUT}.items()]
    sequences = written(GPT, rows)
    found = resolve_all(FIFTEEN, sequences, graded(sequences), examples(len(rows)))
    assert found.names == ("last_q", "first_answer", "second_answer", *EXACT, *(str(k) for k in range(-8, 0)))
    assert found.start.shape == found.stop.shape == found.status.shape == (28, 15)
    assert found.start.dtype == found.stop.dtype == np.int32
    expected = [row.replace("| ", "") for _, row in {**WRITTEN, **CUT}.values()]
    assert [shown(found, i) for i in range(len(rows))] == expected


def resolved(resolver: PositionResolver, sequences: Sequences, grader: Grader | None = None, **columns) -> list[str]:
    n = len(sequences.ids)
    found = resolve_all([resolver], sequences, graded(sequences, grader), examples(n, **columns))
    return [shown(found, i) for i in range(n)]


def test_any_number_from_the_end_has_a_name():
    sequences = written(GPT, [("Sum?:", ids_of(GPT, " It| is| 4|</s>"), True)])
    assert [resolved(FromEndResolver(name=name), sequences) for name in ("-3", "-5", "-8", "-9", "-500")] == [
        ["5"], ["3p"], ["0p"], ["-"], ["-"]
    ]  # fmt: skip


def test_a_number_from_yaml_is_the_name_of_a_position():
    assert FromEndResolver.model_validate({"name": -12}).name == "-12"


@pytest.mark.parametrize("name", ["0", "3", "-0", "-", "-1.5", "--1", "-1\n", True, "last"])
def test_what_is_no_negative_integer_is_no_position_from_the_end(name):
    with pytest.raises(ValidationError):
        FromEndResolver.model_validate({"name": name})


def test_the_fifteen_names_are_found_through_the_kinds():
    kinds = known(PositionResolver)
    assert list(kinds) == ["answer", "exact", "from_end", "given", "prompt_end", "span"]
    names = {name: kind for kind in kinds.values() for name in kind.names}
    assert sorted(names) == sorted(resolver.name for resolver in FIFTEEN)
    assert all(names[resolver.name] is type(resolver) for resolver in FIFTEEN)


def test_the_last_token_of_the_prompt_is_what_the_tokenizer_put_last():
    closing = byte_level()
    from tokenizers import processors

    closing.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    sequences = written(closing, [("Sum?:", ids_of(closing, " 4|</s>"), True)])
    assert resolved(PromptEndResolver(), sequences) == ["4"]
    assert resolved(ExactResolver(name="exact_answer_before_first"), sequences) == ["4c"]


def test_the_whole_line_is_the_exact_answer_of_the_exact_grader():
    grader = ExactGrader(gold="answer")
    after = [" the| answer|.|\n|Sum|</s>", " the| answer", "</s>"]
    sequences = written(GPT, [("Sum?:", ids_of(GPT, one), one.endswith("</s>")) for one in after])
    rows = [resolved(ExactResolver(name=name), sequences, grader) for name in EXACT]
    assert rows == [["3c", "3t", "-"], ["4", "4t", "-"], ["5", "5t", "-"], ["6", "-t", "-"]]


@pytest.mark.parametrize(
    ("make", "tokens", "row"),
    [
        (metaspace, ("▁It", "▁is", "▁4", "3", ".", "</s>"), "5 6 7 8"),
        (metaspace, ("▁4", "3", "▁is", "</s>"), "3c 4 5 6"),
        (metaspace, ("<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "▁4", "</s>"), "7 8 8 9"),
        (wordpiece, ("it", "is", "4", "##3", ".", "</s>"), "5 6 7 8"),
        (wordpiece, ("4", "##3", "</s>"), "3c 4 5 6"),
        (wordpiece, ("4", ",", "3", "</s>"), "5 6 6 7"),
    ],
)
def test_exact_answers_are_found_whatever_the_tokenizer_does_with_blanks(make, tokens, row):
    tokenizer = make()
    prompt = "Sum::" if make is metaspace else "Sum?:"
    ids = [tokenizer.get_vocab()[token] for token in tokens]
    sequences = written(tokenizer, [(prompt, ids, True)])
    before = int(sequences.prompt_tokens[0])
    found = [resolved(ExactResolver(name=name), sequences)[0] for name in EXACT]
    shift = before - 4
    assert [int(cell.rstrip("c")) - shift for cell in found] == [int(cell.rstrip("c")) for cell in row.split()]
    assert [cell.endswith("c") for cell in found] == [cell.endswith("c") for cell in row.split()]


# ---------------------------------------------------------------- against decoding prefixes


def by_prefixes(tokenizer, sequences: Sequences, labels: Labels, i: int) -> tuple[int, int]:
    """First and last token of the exact answer: the first prefix that begins it, and the first that completes it."""
    ids = sequences.ids[i].tolist()
    before = int(sequences.prompt_tokens[i])
    border = int(sequences.prompt_chars[i])
    start, stop = (int(c) - border for c in labels.spans[i])

    def text(k: int) -> str:
        return tokenizer.decode(ids[:k], skip_special_tokens=True, clean_up_tokenization_spaces=False)

    base, whole = len(text(before)), sequences.completion(i)
    lengths = [(k, text(k)[base:]) for k in range(before, len(ids) + 1)]
    first = next(k for k, t in lengths if t[:start] == whole[:start] and len(t) > start)
    last = next(k for k, t in lengths if t[:stop] == whole[:stop])
    return first - 1, last - 1


@pytest.fixture(scope="module")
def shipped():
    return train_tokenizer(Recipe())


def test_exact_answers_of_the_shipped_wordings_equal_those_of_decoding_prefixes(shipped):
    sums = evaluation_sums(80)
    rows = []
    for one in sums:
        ids = shipped(f" {one.reply}", add_special_tokens=False)["input_ids"]
        rows.append((PROMPT.format(question=one.question), [*ids, shipped.eos_token_id], True))
    sequences = written(shipped, rows)
    labels = graded(sequences)
    found = resolve_all(FIFTEEN[4:6], sequences, labels, examples(len(rows)))
    for i, one in enumerate(sums):
        first, last = by_prefixes(shipped, sequences, labels, i)
        assert (found.start[i, 0], found.start[i, 1]) == (first, last)
        assert "".join(sequences.pieces[i][first : last + 1]).strip() == str(one.answer)


AROUND = st.text(st.sampled_from("ab \u00e9\u00fc مر日本😀👩🏽\u200d\u0301"), max_size=10)


@pytest.fixture(scope="module", params=[byte_level, metaspace])
def tokenizer(request):
    return request.param()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(before=AROUND, number=st.integers(0, 10**6), after=AROUND)
def test_exact_answers_between_any_characters_equal_those_of_decoding_prefixes(tokenizer, before, number, after):
    ids = tokenizer(f"{before} {number} {after}", add_special_tokens=False)["input_ids"]
    sequences = written(tokenizer, [("Sum?:", [*ids, tokenizer.eos_token_id], True)])
    labels = graded(sequences)
    assert labels.answers == (str(number),)
    found = resolve_all(FIFTEEN[4:6], sequences, labels, examples(1))
    assert (int(found.start[0, 0]), int(found.start[0, 1])) == by_prefixes(tokenizer, sequences, labels, 0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), seed=st.integers(0, 2**16), size=st.integers(1, 20))
def test_the_tokens_that_cover_characters_are_the_fewest_that_do(data, seed, size):
    rng = np.random.default_rng(seed)
    widths = rng.choice((0, 1, 1, 2, 3), size=size)
    edges = np.concatenate([[0], np.cumsum(widths)])
    offsets = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int32)
    start = data.draw(st.integers(0, int(edges[-1])))
    stop = data.draw(st.integers(start, int(edges[-1])))
    runs = [
        (b - a, (a, b))
        for a in range(size)
        for b in range(a + 1, size + 1)
        if edges[a] <= start and stop <= edges[b] and widths[a] and widths[b - 1]
    ]
    assert covering(offsets, start, stop) == (min(runs)[1] if start < stop else None)


# ---------------------------------------------------------------- spans


def spans(pieces: str, prompt: str = "Sum 4 is 15:", stopped: bool = True, **parameters) -> str:
    """`<s>|Sum| 4| is| 1|5|:` and then what was written, from index 7 on; the only position, shown."""
    sequences = written(GPT, [(prompt, ids_of(GPT, pieces), stopped)])
    columns = parameters.pop("columns", {})
    return resolved(SpanResolver(name="here", **parameters), sequences, **columns)[0]


SAID = " It| is| 1|5| and| 4|.|</s>"  # 7 8 9 10 11 12 13 14


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"regex": r"\d+"}, "2"),
        ({"regex": r"\d+", "where": "completion"}, "10"),
        ({"regex": r"\d+", "where": "completion", "token": "first"}, "9"),
        ({"regex": r"\d+", "where": "completion", "token": "mean"}, "9:11"),
        ({"regex": r"\d+", "where": "completion", "token": 1}, "9"),
        ({"regex": r"\d+", "where": "completion", "token": 2}, "10"),
        ({"regex": r"\d+", "where": "completion", "token": 3}, "-"),
        ({"regex": r"\d+", "where": "prompt", "occurrence": "last"}, "5"),
        ({"regex": r"\d+", "occurrence": "last"}, "12"),
        ({"regex": r"\d+", "occurrence": 2}, "5"),
        ({"regex": r"\d+", "occurrence": 3}, "10"),
        ({"regex": r"\d+", "occurrence": 5}, "-"),
        ({"regex": r"\d+", "occurrence": 4, "offset": -1}, "11"),
        ({"regex": r"\d+", "occurrence": 4, "offset": 2}, "14"),
        ({"regex": r"\d+", "occurrence": 4, "offset": 3}, "-"),
        ({"regex": r"\d+", "token": "mean", "where": "completion", "offset": 1}, "10:12"),
        ({"regex": "It", "where": "completion", "offset": -1}, "6p"),
        ({"regex": "Sum", "offset": -2}, "-"),
        ({"regex": ":$", "where": "prompt", "offset": 1}, "7"),
        ({"regex": "^ It", "where": "completion"}, "7"),
        ({"regex": r"is (?P<at>\d)", "where": "completion", "token": "mean"}, "9"),
        ({"regex": r"Sum(?P<at>x)?"}, "-"),
        ({"regex": "x*"}, "-"),
        ({"regex": "nothing"}, "-"),
        ({"regex": ": It", "token": "mean"}, "6:8"),
        ({"regex": "(?s)Sum.*and", "token": "mean"}, "1:12"),
        ({"column": "left", "columns": {"left": [4]}}, "2"),
        ({"column": "left", "columns": {"left": [" 15 "]}, "token": "mean"}, "4:6"),
        ({"column": "left", "columns": {"left": [5]}}, "-"),
        ({"column": "left", "columns": {"left": [1]}}, "-"),
        ({"column": "left", "columns": {"left": ["15"]}, "where": "completion", "token": "mean"}, "9:11"),
        ({"column": "left", "columns": {"left": ["is"]}, "occurrence": "last"}, "8"),
        ({"column": "left", "columns": {"left": ["i"]}}, "-"),
        ({"column": "left", "columns": {"left": [None]}}, "-"),
        ({"column": "left", "columns": {"left": ["  "]}}, "-"),
        ({"column": "left", "columns": {"left": [".*"]}}, "-"),
    ],
)
def test_a_span_is_found_in_a_typed_example(parameters, where):
    assert spans(SAID, **parameters) == where


@pytest.mark.parametrize(
    ("pieces", "parameters", "where"),
    [
        (" It| is| 4|3", {"regex": r"\d+", "where": "completion"}, "10t"),
        (" It| is| 4|3|.", {"regex": r"\d+", "where": "completion"}, "10"),
        (" It| is| 4|3|.", {"regex": r"\d+", "occurrence": "last"}, "10t"),
        (" It| is| 4|3|.", {"regex": r"\d+", "occurrence": "last", "where": "prompt"}, "5"),
        (" It| is| 4|3|.", {"regex": r"\.", "offset": 1}, "-t"),
        (" It| is| 4|3|.", {"regex": "nothing"}, "-"),
    ],
)
def test_a_span_that_a_cut_leaves_open_is_truncated(pieces, parameters, where):
    assert spans(pieces, stopped=False, **parameters) == where


@pytest.mark.parametrize(
    ("value", "text", "where"),
    [
        ("5", "Sum 5.2 or 5", "last"),
        ("5", "Sum 1.5 or 5", "last"),
        ("5", "Sum 5, 2", "5"),
        ("5", "Sum 5", "5"),
        ("12", "Sum 1,12", "-"),
        ("is", "Paris is", "last"),
        ("日本", "日本語", "日本"),
    ],
)
def test_a_columns_value_is_found_as_a_whole(value, text, where):
    sequences = written(GPT, [(text, ids_of(GPT, "</s>"), True)])
    found = resolved(SpanResolver(name="here", column="left"), sequences, left=[value])[0]
    if where == "-":
        assert found == "-"
        return
    at = text.rindex(value) if where == "last" else text.index(where)
    assert found == str(covering(sequences.offsets[0], at, at + len(value))[1] - 1)


def test_a_multi_byte_match_takes_all_its_tokens():
    said = f" is|{raw('é😀')}|.|</s>"
    whole = {"token": "mean"}
    assert [spans(said, regex=regex, **whole) for regex in "é😀"] == ["8:10", "10:14"]


def test_a_special_token_that_the_prompt_spells_out_can_be_named():
    assert spans(" 4|</s>", prompt="Sum<pad>:", regex="<pad>") == "2"


def test_a_columns_span_without_the_column_lists_the_columns_and_the_nearest():
    with pytest.raises(BadInput, match=r"position 'here': data set 'sums' has no column 'lft'.*Did you mean 'left'\?"):
        spans(SAID, column="lft", columns={"left": [4]})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "exactly one of regex and column"),
        ({"regex": "a", "column": "b"}, "exactly one of regex and column"),
        ({"regex": "(a"}, "is no regular expression: missing )"),
        ({"regex": "(a+)+$"}, "repeats a repetition without bound"),
        ({"regex": r"(?:(\d+,)*x)+?"}, "repeats a repetition without bound"),
        ({"regex": "a" * 1001}, "at most 1000"),
        ({"regex": "a", "occurrence": 0}, "greater than or equal to 1"),
        ({"regex": "a", "token": "middle"}, "first"),
        ({"regex": "a", "where": "answer"}, "completion"),
        ({"regex": "a", "offset": 10**9}, "less than or equal to"),
        ({"regex": "a", "name": "last_q"}, "the name of another position"),
        ({"regex": "a", "name": "-3"}, "pattern"),
        ({"regex": "a", "unknown": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_span_is_refused_where_the_spec_is_read(parameters, words):
    with pytest.raises(ValidationError) as error:
        SpanResolver.model_validate({"name": "here", **parameters})
    assert words in str(error.value)


@pytest.mark.parametrize(
    "pattern", [r"\d+", r"(?:\d++,)*", r"(?>a+)*", r"(a|b)*", r"(a{1,9})+", r"[\x17-\x2d]+", r"(?=a+)b*"]
)
def test_an_ordinary_pattern_is_accepted(pattern):
    assert SpanResolver(name="here", regex=pattern).regex == pattern


# ---------------------------------------------------------------- all together


def test_two_positions_of_one_name_are_refused():
    sequences = written(GPT, [("Sum?:", ids_of(GPT, " 4|</s>"), True)])
    with pytest.raises(BadInput, match="'last_q' is given twice"):
        resolve_all([PromptEndResolver(), PromptEndResolver()], sequences, graded(sequences), examples(1))


def test_no_positions_and_no_examples_give_empty_arrays():
    sequences = written(GPT, [("Sum?:", ids_of(GPT, " 4|</s>"), True)])
    assert resolve_all([], sequences, graded(sequences), examples(1)).start.shape == (1, 0)
    nothing = written(GPT, [])
    assert resolve_all(FIFTEEN, nothing, graded(nothing), examples(0)).status.shape == (0, 15)


# ---------------------------------------------------------------- texts that nobody continued, places given elsewhere


def test_counted_from_the_end_a_text_that_nobody_continued_has_no_foreign_part():
    sequences = replace(written(GPT, [("Sum?:", ids_of(GPT, " It| is| 4|</s>"), True)]), written=False)
    assert resolved(FromEndResolver(name="-5"), sequences) == ["3"]


def test_a_position_given_elsewhere_has_no_place_in_a_text():
    with pytest.raises(BadInput, match="known only from activations made elsewhere"):
        resolved(GivenResolver(name="subject"), written(GPT, [("Sum?:", ids_of(GPT, " 4|</s>"), True)]))
