"""What is to be known of how answers were graded: the comparison, repeated answers, grades that are all alike."""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import DataCard
from layergrid.facts.ledger import Ledger

QUOTED = "\N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}"
SHOWN = 60  # characters of a completion or of a right answer in a sentence


def derive(card: DataCard, key: str, ledger: Ledger) -> None:
    """Writes the facts of one graded data set below its `key`; none where there is nothing to say."""
    if card.compared or card.label_dependent:
        ledger.name(f"{key}.grading", compared=card.compared, dependent="sees" if card.label_dependent else "")
    if card.repeated:
        forms = {"text": text.plural(card.repeated, "completion"), "verb": "holds" if card.repeated == 1 else "hold"}
        ledger.add(f"{key}.repeated", "count", forms, value=card.repeated, n=card.n)
    if alike := sentence(card):
        forms = {"text": text.visible(alike), "examples": text.visible(examples(card))}
        ledger.add(f"{key}.alike", "count", forms, value=card.n_correct, n=card.n)


def sentence(card: DataCard) -> str:
    """What all grades have in common, without a full stop; empty where there is a right and a wrong answer."""
    if not (card.rule and card.n and card.classes == DataCard.classes) or 0 < card.n_correct < card.n:
        return ""
    if card.n_correct == card.n:
        return f"All {text.count(card.n)} answers are graded right" if card.n > 1 else "The only answer is graded right"
    if card.not_found_correct + card.not_found_wrong == card.n:
        return "The grader finds no exact answer in any completion, so that every answer counts as wrong"
    return "No exact answer agrees with the right one, so that every answer counts as wrong"


def examples(card: DataCard) -> str:
    """A few completions and what would have been right, for those who look for the reason; empty where none is kept."""
    return "; ".join(
        f"{QUOTED.format(_start(written))} where {_start(gold)} is right" for written, gold in card.unmatched
    )


def _start(written: str) -> str:
    words = " ".join(written.split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}\N{HORIZONTAL ELLIPSIS}"
