"""The numeric grader: the last number of the first sentence; it understands no units, fractions or number words."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Grader
from layergrid.text import count

# A sign counts where nothing that could be an operand stands before it: "-5" and "= -5", but 385 in "4710-385".
# A number may follow any character but an ASCII letter, so that "B12" holds none and "答案是5" holds one; after a
# second decimal point none begins.
NUMBER = re.compile(
    r"(?:(?<![\w.,)\]%])[-+\N{MINUS SIGN}])?"
    r"(?:(?<![A-Za-z_\d])(?<!\d\.)(?:(?<!\d,)\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?![\d.]*[A-Za-z_\d]))?"
)
# What ends a sentence: . ! ? before a blank or the end (closing quotes and brackets may stand between), their
# full-width forms, and a line break. A decimal point and a thousands comma have a digit behind them. The stop of an
# abbreviation ("approx. 5") ends a sentence too: a list of abbreviations would be another rule in each language.
SENTENCE_END = re.compile(
    r"[.!?\N{HORIZONTAL ELLIPSIS}]+[\"')\]}\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]*(?=\s|\Z)"
    r"|[\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\N{FULLWIDTH QUESTION MARK}]"
    r"|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]"
)


class NumericGrader(Grader):
    """Takes the last number of the first sentence, and compares numbers: 5 is 5.0, and is not 15."""

    rule: ClassVar[str] = "the last number of the first sentence of the completion"
    kind: Literal["numeric"] = "numeric"

    def find(self, completion: str, options: tuple[str, ...] = ()) -> tuple[int, int] | None:  # noqa: ARG002 - anything may be answered
        """Characters of the last number of the first sentence; leading blanks and line breaks are skipped.

        A number is digits with an optional sign, thousands commas ("1,234"), decimals and an exponent; the full stop
        that ends the sentence is no part of it.
        """
        start = len(completion) - len(completion.lstrip())
        end = SENTENCE_END.search(completion, start)
        numbers = list(NUMBER.finditer(completion, start, end.start() if end else len(completion)))
        return numbers[-1].span() if numbers else None

    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:  # noqa: ARG002 - of the base
        """Whether both are the same number; BadInput where the gold answer does not hold exactly one number."""
        right = _gold(gold)
        numbers = NUMBER.findall(answer)
        return len(numbers) == 1 and _value(numbers[0]) == right


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("\N{MINUS SIGN}", "-"))


def _gold(gold: Scalar) -> Decimal:
    """The one number of a gold answer: 9, 9.0, "9", "$1,234" or the list "[9.0]"."""
    if isinstance(gold, int | float) and not isinstance(gold, bool) and math.isfinite(gold):
        return Decimal(str(gold))
    numbers = NUMBER.findall(gold) if isinstance(gold, str) else []
    if len(numbers) != 1:
        held = "no number" if not numbers else f"{count(len(numbers))} numbers"
        raise BadInput(f"the right answer {gold!r} holds {held}; the numeric grader needs exactly one")
    return _value(numbers[0])
