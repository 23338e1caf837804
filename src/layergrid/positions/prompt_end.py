"""The position last_q: the last token of the prompt as the model saw it; it looks at no text."""

from __future__ import annotations

from typing import ClassVar, Literal

from layergrid.artifacts import Examples, Labels, Positions, Sequences
from layergrid.kinds import PositionResolver
from layergrid.positions.place import gathered, one


class PromptEndResolver(PositionResolver):
    """Index P - 1, where P is the number of prompt tokens, special tokens and chat template included. Always `ok`."""

    names: ClassVar[tuple[str, ...]] = ("last_q",)
    kind: Literal["prompt_end"] = "prompt_end"
    name: Literal["last_q"] = "last_q"

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - by ids alone
        """One position."""
        return gathered(self.name, [one(int(p) - 1) for p in sequences.prompt_tokens])
