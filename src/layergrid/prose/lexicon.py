"""The numbers and comparison words that a sentence may only print from a fact; it knows no sentence and no fact."""

from __future__ import annotations

import re

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "dozen", "hundred", "thousand", "million", "billion", "half", "third", "quarter", "once", "twice", "thrice",
)  # fmt: skip
COMPARISONS = (
    "cannot be told from", "cannot be told apart", "can be told from", "can be told apart", "at least", "at most",
    "above", "below", "over", "under", "higher", "lower", "highest", "lowest", "high", "low", "most", "least", "more",
    "less", "fewer", "exceed", "exceeds", "exceeded", "rise", "rises", "rising", "fall", "falls", "falling", "increase",
    "increases", "decrease", "decreases", "grow", "grows", "decline", "declines", "drop", "drops", "greater", "smaller",
    "larger", "greatest", "smallest", "largest", "stronger", "weaker", "strongest", "weakest", "strong", "weak",
    "better", "worse", "best", "worst", "earlier", "later", "earliest", "latest", "early", "late", "before", "after",
    "between", "beyond", "within", "nearly", "almost", "about", "none", "neither", "nor", "no", "all",
    "every", "any", "both", "only", "never", "always", "same", "equal", "different", "differ", "differs",
    "peak", "peaks", "top", "bottom", "maximum", "minimum", "majority", "minority", "few", "many", "several",
    "significant", "significantly", "met",
)  # fmt: skip

_WORDS = sorted((*NUMBER_WORDS, *COMPARISONS), key=len, reverse=True)
CLAIM = re.compile(
    r"[+\-\u2212]?\d[\d,.]*(?:[eE][+\-\u2212]?\d+)?|(?<![\w])(?:" + "|".join(map(re.escape, _WORDS)) + r")(?![\w])",
    re.IGNORECASE,
)


def claims(plain: str) -> list[str]:
    """Every number and every comparison word of a text, in order."""
    return [m.group(0) for m in CLAIM.finditer(plain)]


def without(plain: str, forms: list[str]) -> str:
    """The text with every whole occurrence of the forms taken out, longest first, so that what is left is uncited.

    A form is whole where no letter or digit continues it, and no point or comma joins it to a further digit.
    """
    for form in sorted(set(forms), key=len, reverse=True):
        before = r"(?<![\w+\-\u2212])(?<!\d[.,])" if form[:1].isdigit() else r"(?<![\w])"
        pattern = before + re.escape(form) + r"(?![\w])(?![.,]\d)"
        plain = re.sub(pattern, "\N{BULLET}", plain)
    return plain
