"""Before the waist: rows, what a model wrote, labels, positions and activations; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from layergrid.artifacts.base import Bools, Floats, Ints, Scalar, Strings

Contrast = Literal["none", "error", "correct", "label"]  # the class from which the other is subtracted


@dataclass(frozen=True)
class Examples:
    """The rows of a data set, in order."""

    name: str  # the data set's name in the spec
    source: str  # its address as the spec wrote it: `builtin:arithmetic`, `data/file.csv`
    ids: tuple[str, ...]  # N, unique
    groups: tuple[str, ...]  # N; rows of one group stay on one side of every split
    columns: Mapping[str, tuple[Scalar, ...]]  # column name -> N values
    fingerprint: str  # sha256 of ids, groups and columns
    left_out: tuple[tuple[str, int, int], ...] = ()  # rows that are not here: why ("they ..."), how many, of how many

    def row(self, i: int) -> dict[str, Scalar]:
        """Example `i` as column name -> value."""
        return {name: values[i] for name, values in self.columns.items()}


@dataclass(frozen=True)
class Sequences:
    """What the model saw and wrote: the ids themselves, never re-tokenised text. All tuples have N entries."""

    example_ids: tuple[str, ...]
    ids: tuple[Ints, ...]  # int32 [T]: prompt, then completion, the stop token included
    offsets: tuple[Ints, ...]  # int32 [T, 2]: characters of `texts[i]` that a token covers; see `special`
    pieces: tuple[tuple[str, ...], ...]  # T strings to show: the characters of the token, or a special token's name
    special: tuple[Bools, ...]  # bool [T]: special tokens; they cover characters only where the prompt spells them out
    texts: tuple[str, ...]  # prompt and completion decoded, without special tokens
    prompt_tokens: Ints  # int32 [N]: number of tokens of the prompt; the completion starts at this index
    prompt_chars: Ints  # int32 [N]: the completion's text is texts[i][prompt_chars[i]:]
    logprobs: tuple[Floats, ...]  # float32 [T - prompt_tokens]: natural log-probability of each completion token
    stopped: Bools  # bool [N]: the model ended the completion itself; False means cut at max_new_tokens
    written: bool = True  # False: the texts are as the data give them, all of it prompt; the model wrote nothing
    given: str = ""  # the column in which the answers stood; empty: the model wrote them here
    inexact: Bools | None = None  # bool [N], of given answers: their tokens spell another text than the column

    @classmethod
    def none(cls, example_ids: tuple[str, ...]) -> Sequences:
        """Sequences of which nothing is known but whose they are."""
        import numpy as np

        n = len(example_ids)
        none, pairs = np.empty(0, np.int32), np.empty((0, 2), np.int32)
        return cls(
            example_ids, ids=(none,) * n, offsets=(pairs,) * n, pieces=((),) * n, special=(np.empty(0, np.bool_),) * n,
            texts=("",) * n, prompt_tokens=np.zeros(n, np.int32), prompt_chars=np.zeros(n, np.int32),
            logprobs=(np.empty(0, np.float32),) * n, stopped=np.ones(n, np.bool_), written=False,
        )  # fmt: skip

    @property
    def ends_known(self) -> bool:
        """Whether one can tell which completions were cut: of given answers only where one ends with a stop token."""
        ends = (one[-1] for one, n in zip(self.special, self.prompt_tokens.tolist(), strict=True) if len(one) > n)
        return not self.given or any(bool(end) for end in ends)

    def completion(self, i: int) -> str:
        """The completion of example `i` as text."""
        return self.texts[i][int(self.prompt_chars[i]) :]


@dataclass(frozen=True)
class Label:
    """One graded completion."""

    span: tuple[int, int] | None  # characters of the completion that are the exact answer; None: not found
    answer: str | None  # those characters
    correct: bool
    reason: str = ""  # why no answer was found, or why the graded answer is wrong; empty where neither
    occurrence: tuple[int, int] = (0, 0)  # which occurrence of its own text the answer is, from 1, and of how many


@dataclass(frozen=True)
class Labels:
    """The two classes of the examples: graded completions, or a column of the data that tells them apart.

    Of graded completions it also holds the exact answer's span, found by a rule that sees neither gold nor label.
    """

    grader: str  # the kind of the grader, with the sentence that states its rule in `rule`
    rule: str  # "the last number of the first sentence of the completion"
    spans: Ints  # int32 [N, 2]: characters of Sequences.texts[i]; -1, -1 where not found
    answers: tuple[str | None, ...]  # N
    correct: Bools  # bool [N]; an example without an exact answer is wrong
    reasons: tuple[str, ...]  # N
    classes: tuple[str, str] = ("wrong answers", "right answers")  # words for False and True; empty: no labels
    gold: str = ""  # the column that holds the right answers; empty: none does
    compared: str = ""  # how exact answers are compared with right ones; empty: nothing to say
    label_dependent: bool = False  # spans of right answers were looked for with the gold answer in hand
    occurrences: tuple[tuple[int, int], ...] = ()  # N, or empty: see `Label.occurrence`; 0, 0 where none was found

    @property
    def repeated(self) -> int:
        """How many exact answers occur more than once in their completion, so that the rule had to choose."""
        return sum(of > 1 for _, of in self.occurrences)

    @property
    def known(self) -> bool:
        """Whether the examples have labels at all."""
        return self.classes != ("", "")

    def positive(self, which: str) -> tuple[Bools, str, str]:
        """The positive class [N] that `which` asks for, and the words for it and for the other.

        `error` makes False the positive class, `correct` and `label` make True it.
        """
        false, true = self.classes
        return (~self.correct, false, true) if which == "error" else (self.correct, true, false)


@dataclass(frozen=True)
class Positions:
    """Token indices of the named positions. A position that spans several tokens is their mean."""

    names: tuple[str, ...]  # P, in the order of the figure
    start: Ints  # int32 [N, P]: first token index; -1 where there is none
    stop: Ints  # int32 [N, P]: one past the last token index; -1 where there is none
    status: Strings  # [N, P] of PositionStatus values

    @classmethod
    def none(cls) -> Positions:
        """No position of no example."""
        import numpy as np

        empty = np.empty((0, 0), np.int32)
        return cls((), empty, empty, np.empty((0, 0), np.str_))


@dataclass(frozen=True)
class Activations:
    """Activations of one site at the chosen positions."""

    site: str  # residual, mlp_in, mlp_out, attention_out, head_out; "encoder." or "decoder." before it names the stack
    layers: tuple[int, ...]  # L; layer 0 is the embedding output, residual layer i the raw output of block i
    positions: tuple[str, ...]  # P
    example_ids: tuple[str, ...]  # N
    values: Floats  # float32 [L, P, N, D], memory-mapped where it comes from the store; 0 where not present
    present: Bools  # bool [N, P]: a token of this stack stands there (whatever its status)
    heads: int = 0  # head_out: D is so many equal parts, one a head; 0 elsewhere
    lacking: Mapping[int, str] = field(default_factory=dict)  # layer without this site -> why; its values are 0


@dataclass(frozen=True)
class AttentionRows:
    """Attention of chosen query tokens, in each head. A span of queries is their mean; weights on a span are summed."""

    layers: tuple[int, ...]  # L; the attention of layer i is that of block i, counted from 1
    heads: int  # H, the most that a layer has
    queries: tuple[str, ...]  # Q: names of the positions that look
    keys: tuple[str, ...]  # K: names of the positions that are looked at, or of the tokens of one text; may be empty
    key_labels: tuple[str, ...]  # K: what an axis shows; the same as `keys` where they are positions
    example_ids: tuple[str, ...]  # N
    values: Floats  # float32 [L, H, Q, K, N]; NaN where the key is no token, or comes after the query
    entropy: Floats  # float32 [L, H, Q, N]: over log(number of attendable keys); NaN where fewer than two
    first: Floats  # float32 [L, H, Q, N]: weight on the first token of the sequence, before it is left out
    mass: Floats  # float32 [L, H, Q, N]: what the whole row of weights adds up to; below 1 where a sink takes some
    attendable: Bools  # bool [Q, K, N]: the key does not come after the query, and both are there
    lacking: Mapping[int, str] = field(default_factory=dict)  # layer without attention -> why
