"""The positions first_answer and second_answer: what the model wrote first, whatever it is; it looks at no text."""

from __future__ import annotations

from typing import ClassVar, Literal

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Sequences
from layergrid.kinds import PositionResolver
from layergrid.positions.place import Place, absent, gathered, one


class AnswerResolver(PositionResolver):
    """Indices P and P + 1, where P is the number of prompt tokens.

    The stop token counts, as it does for -1: an empty answer has its first_answer there, `ok`, and a one-token answer
    its second. Where a completion has too few tokens the position is `missing`, or `truncated` if it was cut at
    max_new_tokens, because a longer run would have had it.
    """

    names: ClassVar[tuple[str, ...]] = ("first_answer", "second_answer")
    kind: Literal["answer"] = "answer"
    name: Literal["first_answer", "second_answer"]

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - by ids alone
        """One position."""
        return gathered(self.name, [self._place(sequences, i) for i in range(len(sequences.ids))])

    def _place(self, sequences: Sequences, i: int) -> Place:
        index = int(sequences.prompt_tokens[i]) + self.names.index(self.name)
        if index < len(sequences.ids[i]):
            return one(index)
        return absent(PositionStatus.MISSING if sequences.stopped[i] else PositionStatus.TRUNCATED)
