"""The four positions of the exact answer, from the span that the grader found; it finds and grades nothing itself."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Sequences
from layergrid.kinds import PositionResolver
from layergrid.positions.place import Place, absent, covering, gathered, one

# What shows that a sentence or line ended: in a cut text a full stop needs a blank behind it, because "5." may have
# been on its way to "5.25".
ENDED = re.compile(
    r"[.!?\N{HORIZONTAL ELLIPSIS}][\"')\]}\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]*\s"
    r"|[\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}]"
    r"|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
)


class ExactResolver(PositionResolver):
    """The first and last token of the shortest run that covers the exact answer, the token before, and the token after.

    An answer of one token has its first and its last there, both `ok`. Statuses: `missing` where no exact answer was
    found, and for after_last where nothing follows; `collapsed` for before_first where the answer opens the completion,
    so that the token before it is last_q; `truncated` for all four where the completion was cut at max_new_tokens
    before the answer's sentence or line ended, because the rule might then have found a longer or a later answer.
    """

    names: ClassVar[tuple[str, ...]] = (
        "exact_answer_before_first",
        "exact_answer_first",
        "exact_answer_last",
        "exact_answer_after_last",
    )
    reads_answer: ClassVar[bool] = True
    kind: Literal["exact"] = "exact"
    name: Literal["exact_answer_before_first", "exact_answer_first", "exact_answer_last", "exact_answer_after_last"]

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - by spans alone
        """One position."""
        return gathered(self.name, [self._place(sequences, labels, i) for i in range(len(sequences.ids))])

    def _place(self, sequences: Sequences, labels: Labels, i: int) -> Place:
        start, stop = labels.spans[i].tolist()
        tokens = covering(sequences.offsets[i], start, stop) if start >= 0 else None
        if tokens is None:
            return absent()
        first, end = tokens
        open_ended = not sequences.stopped[i] and not ENDED.search(sequences.texts[i], stop)
        status = PositionStatus.TRUNCATED if open_ended else PositionStatus.OK
        if self.name == "exact_answer_first":
            return one(first, status)
        if self.name == "exact_answer_last":
            return one(end - 1, status)
        if self.name == "exact_answer_after_last":
            return one(end, status) if end < len(sequences.ids[i]) else absent(status)
        collapsed = first == int(sequences.prompt_tokens[i]) and status is PositionStatus.OK
        return one(first - 1, PositionStatus.COLLAPSED if collapsed else status) if first > 0 else absent()
