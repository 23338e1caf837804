"""The exact grader: the first line as it stands; it knows no synonyms and no numbers."""

from __future__ import annotations

import unicodedata
from typing import ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.graders.golds import Aliased
from layergrid.graders.scopes import TRAILING, Chars, part
from layergrid.kinds import BadInput


class ExactGrader(Aliased):
    """Takes the first line; case, runs of blanks and trailing punctuation make no difference to the gold answer."""

    rule: ClassVar[str] = "the first line of the completion, without blanks and punctuation at its end"
    kind: Literal["exact"] = "exact"

    @property
    def compared(self) -> str:
        """As texts."""
        return "compared as texts; case, runs of blanks and trailing punctuation make no difference"

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:  # noqa: ARG002 - of the base
        """Characters of the first line that is not blank, without blanks around it and punctuation at its end."""
        start, stop = part(completion, "first_line")
        kept = len(without_trailing(completion[start:stop]))
        return (start, start + kept) if kept else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether both are the same text after NFC, case folding and trimming; BadInput where the gold one is empty."""
        right = "" if gold is None else same(str(gold))
        if not right:
            raise BadInput(f"the right answer {gold!r} holds no text; the exact grader needs some")
        return same(answer) == right


def without_trailing(line: str) -> str:
    """The text without blanks and punctuation at its end."""
    kept = line.rstrip()
    while kept and kept[-1] in TRAILING:
        kept = kept.rstrip(TRAILING).rstrip()
    return kept


def same(text: str) -> str:
    """The form in which texts are compared: NFC, case folded, blanks in runs as one, nothing trailing."""
    # Folding can undo the normal form, so that the form comes last.
    return unicodedata.normalize("NFC", " ".join(without_trailing(text).split()).casefold())
