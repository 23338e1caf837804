"""The exact grader: the first line as it stands; it knows no synonyms, aliases or numbers."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Grader

LINE_END = re.compile(r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
TRAILING = ".,;:!?\N{HORIZONTAL ELLIPSIS}\N{IDEOGRAPHIC FULL STOP}\N{IDEOGRAPHIC COMMA}" + "".join(
    chr(ord(c) + 0xFEE0)
    for c in ",.:;!?"  # their full-width forms
)


class ExactGrader(Grader):
    """Takes the first line; case, runs of blanks and trailing punctuation make no difference to the gold answer."""

    rule: ClassVar[str] = "the first line of the completion, without blanks and punctuation at its end"
    kind: Literal["exact"] = "exact"

    def find(self, completion: str, options: tuple[str, ...] = ()) -> tuple[int, int] | None:  # noqa: ARG002 - anything may be answered
        """Characters of the first line that is not blank, without blanks around it and punctuation at its end."""
        start = len(completion) - len(completion.lstrip())
        end = LINE_END.search(completion, start)
        line = completion[start : end.start() if end else len(completion)]
        kept = len(_trimmed(line))
        return (start, start + kept) if kept else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether both are the same text after NFC, case folding and trimming; BadInput where the gold one is empty."""
        right = "" if gold is None else _folded(str(gold))
        if not right:
            raise BadInput(f"the right answer {gold!r} holds no text; the exact grader needs some")
        return _folded(answer) == right


def _trimmed(line: str) -> str:
    kept = line.rstrip()
    while kept and kept[-1] in TRAILING:
        kept = kept.rstrip(TRAILING).rstrip()
    return kept


def _folded(text: str) -> str:
    # Folding can undo the normal form, so that the form comes last.
    return unicodedata.normalize("NFC", " ".join(_trimmed(text).split()).casefold())
