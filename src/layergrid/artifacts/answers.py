"""Before the waist: rows, what a model wrote, labels, positions and activations; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layergrid.artifacts.base import Bools, Floats, Ints, Scalar, Strings


@dataclass(frozen=True)
class Examples:
    """The rows of a data set, in order."""

    name: str  # the data set's name in the spec
    source: str  # its address as the spec wrote it: `builtin:arithmetic`, `data/file.csv`
    ids: tuple[str, ...]  # N, unique
    groups: tuple[str, ...]  # N; rows of one group stay on one side of every split
    columns: Mapping[str, tuple[Scalar, ...]]  # column name -> N values
    fingerprint: str  # sha256 of ids, groups and columns

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


@dataclass(frozen=True)
class Labels:
    """The graded completions: the exact answer's span, found by a rule that sees neither gold nor label."""

    grader: str  # the kind of the grader, with the sentence that states its rule in `rule`
    rule: str  # "the last number of the first sentence of the completion"
    spans: Ints  # int32 [N, 2]: characters of Sequences.texts[i]; -1, -1 where not found
    answers: tuple[str | None, ...]  # N
    correct: Bools  # bool [N]; an example without an exact answer is wrong
    reasons: tuple[str, ...]  # N


@dataclass(frozen=True)
class Positions:
    """Token indices of the named positions. A position that spans several tokens is their mean."""

    names: tuple[str, ...]  # P, in the order of the figure
    start: Ints  # int32 [N, P]: first token index; -1 where there is none
    stop: Ints  # int32 [N, P]: one past the last token index; -1 where there is none
    status: Strings  # [N, P] of PositionStatus values


@dataclass(frozen=True)
class Activations:
    """Activations of one site at the chosen positions."""

    site: str  # residual, later mlp_in, mlp_out, attention_out
    layers: tuple[int, ...]  # L; layer 0 is the embedding output, residual layer i the raw output of block i
    positions: tuple[str, ...]  # P
    example_ids: tuple[str, ...]  # N
    values: Floats  # float32 [L, P, N, D], memory-mapped where it comes from the store; 0 where not present
    present: Bools  # bool [N, P]: a token stands there (whatever its status)
