"""How a sentence is put together from words and citations; it knows neither what is said nor of what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from layergrid.artifacts import Cite, Fact, Sentence
from layergrid.facts.ledger import NAME
from layergrid.prose.lexicon import claims

SLOT = re.compile(r"\{([^{}|]+)(?:\|(\w+))?\}")


class Voice:
    """Writes sentences about the facts of one grid, or of the sources where `prefix` is empty.

    With `several` grids in a report a sentence on one of them says which: `grid`, `Grid` and `of` are pieces of
    templates for that, and `named` sees to the others.
    """

    def __init__(self, facts: Mapping[str, Fact], prefix: str = "", several: bool = False) -> None:
        self.facts = facts
        self.prefix = prefix
        self.several = several
        self.grid = "the grid {grid|name}" if several else "the grid"
        self.Grid = "The grid {grid|name}" if several else "The grid"
        self.of = " of the grid {grid|name}" if several else ""

    @property
    def whose(self) -> str:
        """A piece of a template: " for MODEL on DATA", as far as the grid has them."""
        model = " for {grid|model}" if self.has("grid", "model") else ""
        return model + (" on {grid|dataset}" if self.has("grid", "dataset") else "")

    def within(self, upper: str, lower: str, **keys: str) -> Sentence:
        """A sentence that begins with `upper`, or "In the grid NAME, " and `lower` where there are several."""
        return self.say(f"In {self.grid}, {lower}" if self.several else upper, **keys)

    def named(self, sentence: Sentence) -> Sentence:
        """The sentence, led by the name of its grid where there are several and it does not say it."""
        if not self.several or self.say("grid {grid|name}").text in sentence.text:
            return sentence
        return joined([*self.say("Grid {grid|name}: ").parts, *sentence.parts])

    def identifier(self, key: str) -> str:
        """The id of a key; one that starts with "/" stands outside of the grid."""
        return key[1:] if key.startswith("/") else f"{self.prefix}.{key}" if self.prefix else key

    def owns(self, fact: Fact) -> bool:
        """Whether a fact is one of the grid's."""
        return fact.id.startswith(f"{self.prefix}." if self.prefix else "")

    def get(self, key: str) -> Fact | None:
        """The fact of a key, or None."""
        return self.facts.get(self.identifier(key))

    def has(self, key: str, form: str = "text") -> bool:
        """Whether a fact exists and can be printed in that form."""
        fact = self.get(key)
        return fact is not None and form in fact.forms

    def relation(self, key: str) -> str:
        """What a fact permits to say, or nothing."""
        fact = self.get(key)
        return fact.relation if fact else ""

    def number(self, key: str) -> float:
        """The value of a fact as a number; NaN where there is none."""
        fact = self.get(key)
        return float(fact.value) if fact is not None and isinstance(fact.value, int | float) else float("nan")

    def say(self, template: str, **keys: str) -> Sentence:
        """A sentence: "{nested|text}" cites the form "text" of the fact "nested"; `keys` give long keys short names.

        A fact that only names a thing is printed as plain words where its name holds neither number nor comparison.
        Raises KeyError where a fact or a form does not exist.
        """
        parts: list[str | Cite] = []
        at = 0
        for slot in SLOT.finditer(template):
            parts.append(template[at : slot.start()])
            fact = self.facts[self.identifier(keys.get(slot[1], slot[1]))]
            shown = fact.forms[slot[2] or "text"]
            parts.append(shown if fact.rule == NAME and not claims(shown) else Cite(fact.id, shown))
            at = slot.end()
        parts.append(template[at:])
        return joined(parts)


def joined(parts: Iterable[str | Cite]) -> Sentence:
    """A sentence of parts, neighbouring plain words as one part, empty ones left out."""
    merged: list[str | Cite] = []
    for part in parts:
        if part == "":
            continue
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return Sentence(tuple(merged))


def chained(sentences: Iterable[Sentence], between: str = ", ", last: str = " and ") -> list[str | Cite]:
    """The parts of several phrases as a list: a, b and c."""
    items = list(sentences)
    parts: list[str | Cite] = []
    for i, item in enumerate(items):
        if i:
            parts.append(last if i == len(items) - 1 else between)
        parts.extend(item.parts)
    return parts
