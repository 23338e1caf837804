"""What the words say of grading beside its rule: the comparison, and what makes a reader careful; it knows no grid."""

from __future__ import annotations

from layergrid.artifacts import Paragraph, Results, Sentence
from layergrid.facts.sources import data_key
from layergrid.prose.voice import Voice


def compared(voice: Voice, data: str) -> list[Sentence]:
    """For the methods: how exact answers are compared, what repeated ones do, and whether the label was seen."""
    said = []
    if voice.has(f"{data}.grading", "compared"):
        said.append(voice.say("It is {g|compared}.", g=f"{data}.grading"))
    if voice.has(f"{data}.repeated"):
        line = "{more} {more|verb} the text of the exact answer repeatedly; the rule says which place is taken."
        said.append(voice.say(line, more=f"{data}.repeated"))
    if voice.has(f"{data}.grading", "dependent"):
        said.append(
            voice.say(
                "As the spec insists, the rule {g|dependent} the gold answer in right answers: positions of the exact "
                "answer are found in another way in each class, and a probe can tell the classes by where it looks.",
                g=f"{data}.grading",
            )
        )
    return said


def seen(voice: Voice, data: str) -> Sentence:
    """How the exact answer is found, and whether that rule sees what a probe is asked."""
    if voice.has(f"{data}.grading", "dependent"):
        keys = {"d": data, "g": f"{data}.grading"}
        return voice.say("The exact answer is {d|rule}; the rule {g|dependent} the gold answer and the label.", **keys)
    return voice.say("The exact answer is {d|rule}; the rule does not see the gold answer or the label.", d=data)


def alike(voice: Voice, data: str) -> list[Sentence]:
    """That all answers are graded alike, with examples where there are some."""
    if not voice.has(f"{data}.alike"):
        return []
    more = "; for example {a|examples}" if voice.has(f"{data}.alike", "examples") else ""
    return [voice.say(f"{{a}}{more}.", a=f"{data}.alike")]


def cautions(voice: Voice, results: Results) -> Paragraph:
    """For the abstract: what no reader of a headline may miss, data set by data set."""
    said: list[Sentence] = []
    for card in results.data:
        key = data_key(card.name, card.model)
        if card.label_dependent:
            said.append(
                voice.say(
                    "Exact answers of {d|name} are located by a rule that {g|dependent} the gold answer: values at "
                    "their positions may be too high.",
                    d=key,
                    g=f"{key}.grading",
                )
            )
        elif voice.has(f"{key}.alike"):
            said.append(voice.say("{a}.", a=f"{key}.alike"))
    return tuple(said)
