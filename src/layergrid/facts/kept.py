"""Facts of rows that are not there: those that a data set leaves out, and classes too small for any value."""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import CellStatus, DataCard
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View


def left_out(key: str, card: DataCard, ledger: Ledger) -> None:
    """Rows of the source that are not among the examples, by why they are not."""
    for i, (why, lost, of) in enumerate(card.left_out):
        verb = "is" if lost == 1 else "are"
        because = why if lost > 1 else why.replace("they do not", "it does not").replace("their prompt", "its prompt")
        clause = f"{text.count(lost)} of {text.plural(of, 'row')} {verb} left out because {text.visible(because)}"
        ledger.add(f"{key}.left_out.{i}", "left out", {"text": clause, "Text": text.capital(clause)}, value=lost, n=of)


def derive(view: View, ledger: Ledger) -> None:
    """That a class has no row, or too few, where this is why a grid holds no value at all."""
    known = view.card is not None and view.classes != ("", "") and view.grid.value.size > 0
    if not known or view.ok.any() or view.card is None:
        return
    cells = [
        (str(status), str(reason))
        for status, reason in zip(view.grid.status.ravel(), view.grid.reason.ravel(), strict=True)
    ]
    n, right = _compared(view, view.card)
    if any(status == CellStatus.ONE_CLASS.value for status, _ in cells) and n and right in (0, n):
        there, absent = (view.classes[1], view.classes[0]) if right else view.classes
        clause = f"there are no {text.visible(absent)} to tell from others: all {text.count(n)} rows that are compared "
        clause = clause if n > 1 else f"there are no {text.visible(absent)} to tell from others: the only row compared "
        clause += f"are {text.visible(there)}" if n > 1 else f"is one of the {text.visible(there)}"
        ledger.add("few", "no value", {"text": clause, "Text": text.capital(clause)}, value=0, n=n)
        return
    for words, k in ((view.classes[1], right), (view.classes[0], n - right)):
        if any(status == CellStatus.TOO_FEW.value and words in reason for status, reason in cells):
            share = f", {text.percent(k / n)}" if n else ""
            clause = f"there are too few {text.visible(words)} to {_what(view)}: {text.count(k)} of the "
            clause += f"{text.plural(n, 'row')} that are compared{share}"
            ledger.add("few", "no value", {"text": clause, "Text": text.capital(clause)}, value=k, n=n)
            return


def remedy(view: View, card: DataCard) -> str:
    """What may be done where a class is too small; the rows that are compared say which."""
    if not card.rule:
        return "look at the values of the label column, or take more rows"
    n, right = _compared(view, card)
    hard, graded = ("harder", "take wrong ones for right") if 2 * right > n else ("easier", "miss right ones")
    return f"ask more or {hard} questions, or look at the graded answers in the report: the grader may {graded}"


def _what(view: View) -> str:
    """What is not done for want of rows."""
    return "compare" if view.grid.contrast else "probe"


def _compared(view: View, card: DataCard) -> tuple[int, int]:
    """Rows that are compared, and how many of them have the label True."""
    settings = view.grid.settings
    right, wrong = (int(settings.get(f"dropped_{label}", 0)) for label in ("correct", "wrong"))
    return card.n - right - wrong, card.n_correct - right
