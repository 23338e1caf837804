"""Positions counted from the end of the whole sequence: -1, -2 and so on; it looks at no text."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Sequences
from layergrid.kinds import PositionResolver
from layergrid.positions.place import Place, absent, gathered, one

NAME = "-[1-9][0-9]{0,5}"


def _as_text(value: object) -> object:
    """YAML reads -3 as a number; the name of the position is its text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class FromEndResolver(PositionResolver):
    """Index T - k for the name -k, where T is the number of tokens in all; -1 is the stop token where there is one.

    Statuses: `missing` before the first token; `truncated` where the completion was cut at max_new_tokens, because its
    end is not the end; `in_prompt` where -k reaches the prompt of an answer. The last two keep their token. Where the
    model wrote nothing, the whole text is what is counted, and no part of it is foreign to it.
    """

    names: ClassVar[tuple[str, ...]] = ("-8", "-7", "-6", "-5", "-4", "-3", "-2", "-1")  # and any other that fits
    pattern: ClassVar[str] = NAME
    kind: Literal["from_end"] = "from_end"
    name: Annotated[str, Field(pattern=f"^{NAME}$"), BeforeValidator(_as_text)]

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - by ids alone
        """One position."""
        return gathered(self.name, [self._place(sequences, i) for i in range(len(sequences.ids))])

    def _place(self, sequences: Sequences, i: int) -> Place:
        index = len(sequences.ids[i]) + int(self.name)
        if index < 0:
            return absent()
        if not sequences.stopped[i]:
            return one(index, PositionStatus.TRUNCATED)
        inside = sequences.written and index < int(sequences.prompt_tokens[i])
        return one(index, PositionStatus.IN_PROMPT if inside else PositionStatus.OK)
