"""The exact answer's four positions in sixty real questions, typed token by token for tokenizers of three kinds."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

import trained_tokenizers
from layergrid.artifacts import Examples, Labels, Sequences
from layergrid.graders.choice import ChoiceGrader, Options
from layergrid.graders.contains import ContainsGrader
from layergrid.graders.exact import ExactGrader
from layergrid.graders.numeric import NumericGrader
from layergrid.positions import resolve_all
from layergrid.positions.exact import ExactResolver
from small_tokenizers import END, written
from spans_typed import TYPED, Typed
from trained_tokenizers import Trained

FOUR = tuple(
    ExactResolver(name=name)
    for name in (
        "exact_answer_before_first",
        "exact_answer_first",
        "exact_answer_last",
        "exact_answer_after_last",
    )
)
SIZES = {"byte_level": 500, "metaspace": 600, "wordpiece": 400}
GRADERS = {
    "numeric": NumericGrader(gold="answer"),
    "exact": ExactGrader(gold="answer"),
    "contains": ContainsGrader(gold="answer"),
    "choice": ChoiceGrader(gold="answer", options=Options(columns=("answer", "other"))),
}


def unmarked(completion: str) -> str:
    return completion.replace("[[", "").replace("]]", "")


@cache
def trained(kind: str) -> Trained:
    made: Trained = getattr(trained_tokenizers, kind)(
        [one.prompt + unmarked(one.completion) for one in TYPED], SIZES[kind]
    )
    return made


def sequences_of(one: Typed, kind: str) -> Sequences:
    """What the model saw and wrote, the stop token included unless it was cut."""
    cut = "cut" in one.found_by
    made = trained(kind)
    ids = made.continued(unmarked(one.completion))
    end = [] if cut else [made.goes_on.token_to_id(END)]
    return written(made.tokenizer, [(one.prompt, [*ids, *end], not cut)])


def marked_span(one: Typed, kind: str, sequences: Sequences) -> tuple[int, int]:
    """The marked answer in the text that the ids decode to; WordPiece spells both in its own way."""
    before, rest = one.completion.split("[[")
    answer = rest.split("]]")[0]
    text, start = sequences.texts[0], int(sequences.prompt_chars[0])
    if kind == "wordpiece":
        made = trained(kind)
        before, answer = (made.goes_on.decode(made.continued(part)) for part in (before, answer))
        start += text[start:].index(answer, 0 if not before else len(before))
    else:
        start += len(before)
    assert text[start : start + len(answer)] == answer
    return start, start + len(answer)


def labels_of(span: tuple[int, int], answer: str) -> Labels:
    return Labels("given", "", np.array([span], np.int32), (answer,), np.array([True]), ("",))


def found(one: Typed, kind: str) -> tuple[Sequences, tuple[int, int], list[int], list[str]]:
    sequences = sequences_of(one, kind)
    span = marked_span(one, kind, sequences)
    labels = labels_of(span, sequences.texts[0][slice(*span)])
    positions = resolve_all(FOUR, sequences, labels, Examples("set", "set.csv", ("1",), ("1",), {}, ""))
    assert (positions.stop[0] - positions.start[0])[positions.start[0] >= 0].tolist().count(1) >= 3
    return sequences, span, positions.start[0].tolist(), [str(status) for status in positions.status[0]]


def fits(run: list[str], typed: str) -> bool:
    """Whether tokens are those that were typed, `…` standing for any number of them."""
    head, _, tail = typed.partition("…")
    first, last = head.split(), tail.split()
    if "…" not in typed:
        return run == first
    return run[: len(first)] == first and run[-len(last) :] == last and len(run) > len(first) + len(last)


def test_sixty_answers_are_typed():
    assert len(TYPED) == 60
    assert len({(one.prompt, one.completion) for one in TYPED}) == 60


@pytest.mark.parametrize("kind", SIZES)
def test_a_tokenizer_is_trained_the_same_way_twice(kind):
    again = getattr(trained_tokenizers, kind)([one.prompt + unmarked(one.completion) for one in TYPED], SIZES[kind])
    assert again.goes_on.get_vocab() == trained(kind).goes_on.get_vocab()


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("one", TYPED, ids=[f"{i + 1} {unmarked(one.completion)!a}" for i, one in enumerate(TYPED)])
def test_the_exact_answer_has_the_tokens_that_were_typed(one, kind):
    sequences, _, (before, first, last, after), statuses = found(one, kind)
    opening, run, behind = (part.strip().replace("↵", "\n") for part in getattr(one, kind).split("|"))
    names = trained(kind).named(sequences.ids[0])
    assert names[before] == opening.removeprefix("^")
    assert fits(names[first : last + 1], run) if run else names[first] == "|"
    assert (names[after] if after >= 0 else "-") == behind
    status = "truncated" if "cut" in one.found_by else "ok"
    opens = "collapsed" if opening.startswith("^") and status == "ok" else status
    assert statuses == [opens, status, status, status]
    assert (before == int(sequences.prompt_tokens[0]) - 1) == opening.startswith("^")


@pytest.mark.parametrize("kind", SIZES)
def test_no_shorter_run_of_tokens_covers_an_answer(kind):
    for one in TYPED:
        sequences, (start, stop), (before, first, last, after), _ = found(one, kind)
        offsets = sequences.offsets[0]
        assert offsets[first, 0] <= start
        assert offsets[last, 1] >= stop
        assert first == last or (offsets[first, 1] > start and offsets[last, 0] < stop)
        assert before == first - 1
        assert after in (-1, last + 1)


@pytest.mark.parametrize(
    "one", [one for one in TYPED if "given" not in one.found_by], ids=lambda one: ascii(one.completion)
)
def test_a_grader_finds_the_marked_answer(one):
    kind, _, options = one.found_by.partition(": ")
    grader = GRADERS[kind.split()[0]]
    start = one.completion.index("[[")
    found = grader.find(unmarked(one.completion), tuple(options.split(", ")) if options else ())
    assert found == (start, one.completion.index("]]") - 2)


def test_forty_one_of_the_answers_are_found_by_graders():
    kinds = Counter(one.found_by.partition(":")[0].split()[0] for one in TYPED)
    assert kinds == {"numeric": 16, "contains": 2, "given": 19, "exact": 6, "choice": 17}
