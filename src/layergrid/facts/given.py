"""Facts of answers that stood in the data: in which column, what their tokens spell, and which were cut."""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import DataCard
from layergrid.facts.grading import QUOTED
from layergrid.facts.ledger import Ledger


def derive(card: DataCard, key: str, ledger: Ledger) -> None:
    """Writes the facts of one data set below its `key`; none where the model wrote its answers here."""
    if not card.given:
        return
    form = "token ids" if card.given_as == "ids" else "text"
    ledger.name(f"{key}.given", column=QUOTED.format(text.visible(card.given)), form=form)
    if card.respelt:
        forms = {"text": text.plural(card.respelt, "answer"), "differ": "differs" if card.respelt == 1 else "differ"}
        ledger.add(f"{key}.respelt", "count", forms, value=card.respelt, n=card.n)
    cut = card.truncated_correct + card.truncated_wrong
    if cut:
        forms = {"text": text.plural(cut, "answer"), "do": "does" if cut == 1 else "do"}
        ledger.add(f"{key}.unended", "count", forms, value=cut, n=card.n)
