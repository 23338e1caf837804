"""The choice grader: the label that the completion names first; it knows which labels there are, not which is right."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from layergrid.artifacts import Examples, Scalar
from layergrid.graders.golds import blank, held, require, shown
from layergrid.graders.normalising import without_accents
from layergrid.graders.scopes import PARTS, Chars, Within, part
from layergrid.kinds import BadInput, Grader
from layergrid.text import listed

# "not neutral", "isn't a nurse", "non-neutral": the label behind it is denied. English alone; "neither" and "no" are
# left alone, since what they deny is seldom one label.
DENIED = re.compile(r"(?:\bnot|n['\u2019]t)\s{1,9}(?:(?:a|an|the)\s{1,9})?[\"'(\[*]{0,3}$|\bnon-$")
# A letter is meant where it stands in brackets, before a bracket, a stop, a colon or the end, or behind one of these
# words: "A man" and "I am" name no label.
INTRODUCED = re.compile(
    r"\b(?:answer|option|choice|is|be|letter)(?:\s{0,3}(?:is|:|=))?\s{0,3}[\"'*(\[]{0,3}$", re.IGNORECASE
)
CLOSED = re.compile(r"[\"'*]{0,3}(?:[)\].:,;]|\s*(?:\Z|[\n\r]))")


class Options(BaseModel):
    """Labels that differ from row to row."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = Field(
        (), description="Columns that hold one label each, such as [answer, wrong_answer]."
    )
    column: str = Field("", description="One column that holds a list of labels, in the order of their letters.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.columns) == bool(self.column):
            raise ValueError("labels stand in several 'columns' or as a list in one 'column'; write one of the two")
        return self


class ChoiceGrader(Grader):
    """Takes the label that the completion names first, as a whole word whatever its case and accents."""

    rule: ClassVar[str] = 'the first label that the completion names as a whole word, but for one behind "not"'
    kind: Literal["choice"] = "choice"
    labels: tuple[str, ...] | Options = Field(
        alias="options",
        description="The labels: a list, or where they differ from row to row, {columns: [answer, wrong_answer]} or "
        "{column: choices}, a list in one column. A label of one letter counts where it is set off, as in (B) or B.",
    )
    letters: bool = Field(
        False, description="Also take A, (B) or C. for the first, second and third label; not with `columns`."
    )
    take: Literal["first", "last"] = Field("first", description="Which mention is taken, where there are several.")
    within: Within = Field(
        "all",
        description="The part of the completion that is looked at: `all`, `first_line`, `first_sentence` or "
        "`last_line`.",
    )
    denied: Literal["pass_over", "count"] = Field(
        "pass_over",
        description='A label behind "not" or "n\'t", as in "not neutral", is passed over, or counts as any other.',
    )

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if isinstance(self.labels, Options):
            if self.letters and self.labels.columns:
                raise ValueError("'letters' need an order of the labels, which 'columns' have not; name one 'column'")
            return self
        forms = [_form(one) for one in self.labels]
        if len(forms) < 2 or not all(forms) or len(set(forms)) < len(forms):
            raise ValueError("'options' needs two or more labels that differ by more than case and accents")
        return self

    @property
    def stated(self) -> str:
        """Which labels, which mention, and what does not count."""
        if isinstance(self.labels, Options):
            names = (self.labels.column,) if self.labels.column else self.labels.columns
            which = f"label in the column{'s' if len(names) > 1 else ''} {listed(names)}"
        else:
            which = f"of the labels {listed(self.labels)}"
        letters = ", by itself or by its letter," if self.letters else ""
        rule = f"the {self.take} {which} that{letters} {PARTS[self.within]} names as a whole word"
        return rule if self.denied == "count" else f'{rule}, but for one right behind "not"'

    @property
    def compared(self) -> str:
        """As a label."""
        return "compared as a label, whatever its case and accents"

    def options(self, example: Mapping[str, Scalar]) -> tuple[str, ...]:
        """The labels of a row: in the list's order, or where they stand in columns, sorted, so that none stands out."""
        if not isinstance(self.labels, Options):
            return self.labels
        if self.labels.column:
            return tuple(str(one) for one in held(example[self.labels.column]))
        found = {str(one).strip() for name in self.labels.columns if not blank(one := example[name])}
        return tuple(sorted(found))

    def check(self, examples: Examples) -> None:
        """Raises BadInput where a column of labels is missing, or a row has fewer than two."""
        if not isinstance(self.labels, Options):
            return
        for name in (self.labels.column,) if self.labels.column else self.labels.columns:
            require(examples, name, "options")
        for i, name in enumerate(examples.ids):
            labels = self.options(examples.row(i))
            if len({_form(one) for one in labels} - {""}) < 2:
                raise BadInput(
                    f"data set {examples.name!r} ({examples.source}), example {name!r}: its labels are "
                    f"{shown(labels) or 'none'}; a choice needs two that differ"
                )

    def find(self, completion: str, options: tuple[str, ...] = ()) -> Chars | None:
        """Characters of the first or last mention of a label; of two that begin together, the longer one."""
        start, stop = part(completion, self.within)
        text, origin = without_accents(completion[start:stop])
        found = [] if not text else [
            span for one in _mentions(options, self.letters).finditer(text)
            if (span := self._counted(one, text, origin, completion, start)) is not None
        ]  # fmt: skip
        return found[0 if self.take == "first" else -1] if found else None

    def _counted(self, one: re.Match[str], text: str, origin: list[int], completion: str, start: int) -> Chars | None:
        """The mention as characters of the completion, or None where it does not count."""
        low, high = origin[one.start()] + start, origin[one.end() - 1] + start + 1
        if one["letter"] is not None:
            before, after = completion[:low], completion[high : high + 8]
            bracket = before[-1:] in ("(", "[") or CLOSED.match(after) is not None
            if not completion[low:high].isupper() or not (bracket or INTRODUCED.search(before[-40:])):
                return None
        if self.denied == "pass_over" and DENIED.search(text[max(0, one.start() - 30) : one.start()]):
            return None
        return low, high

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:
        """Whether both are the same label; BadInput where the right one is none of them."""
        right = self._label(str(gold).strip() if not blank(gold) else "", options)
        if right is None:
            hint = (
                " (by 'letters: true' a letter may stand for one)" if not self.letters and len(str(gold)) == 1 else ""
            )
            raise BadInput(f"the right answer {gold!r} is none of the labels {shown(options, 9)}{hint}")
        return self._label(answer, options) == right

    def _label(self, text: str, options: tuple[str, ...]) -> int | None:
        """The number of the label that a text is, by itself or by its letter."""
        form = _form(text)
        for i, one in enumerate(options):
            if form == _form(one):
                return i
        letter = text.strip("()[].: ")
        if self.letters and len(letter) == 1 and letter.upper() in string.ascii_uppercase[: len(options)]:
            return string.ascii_uppercase.index(letter.upper())
        return None


@lru_cache(maxsize=4096)
def _mentions(options: tuple[str, ...], letters: bool) -> re.Pattern[str]:
    """Finds labels in folded text, longer ones first; the group `letter` holds one of a single letter."""
    forms = sorted({_form(one) for one in options} - {""}, key=lambda form: (-len(form), form))
    named = [r"\s+".join(map(re.escape, form.split(" "))) for form in forms if not _is_letter(form)]
    single = {form for form in forms if _is_letter(form)}
    single |= set(string.ascii_lowercase[: len(options)]) if letters else set()
    parts = [rf"(?:{'|'.join(named)})" if named else "", f"(?P<letter>{'|'.join(sorted(single)) or '(?!)'})"]
    return re.compile(rf"(?<!\w)(?:{'|'.join(part for part in parts if part)})(?!\w)")


@lru_cache(maxsize=4096)
def _form(label: str) -> str:
    """A label in the form in which it is looked for: case and accents folded, blanks in runs as one."""
    return " ".join(without_accents(label)[0].split())


def _is_letter(form: str) -> bool:
    return len(form) == 1 and form in string.ascii_lowercase
