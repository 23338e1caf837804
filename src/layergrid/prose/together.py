"""Paragraphs of several grids in one section: what several say alike is said once, and each is led by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid.artifacts import Lead, Paragraph, Sentence
from layergrid.prose.voice import Voice, chained, joined

LEANING = ("It ", "Its ", "That is ", "They ", "Then ", "There ")  # sentences that lean on the one before them
EVERY = "Common to the grids."


def said_once(
    voices: Sequence[Voice], sections: Sequence[Sequence[Paragraph]], whole: bool, parted: bool = False
) -> list[Paragraph]:
    """The paragraphs of one section, grid by grid [G]; first those that several grids share, word for word.

    A shared sentence cites the facts of the first grid that says it. `whole` leads a grid's first paragraph with its
    model and data set too. `parted`: what stands in the last paragraph of a grid is shared after all grids.
    """
    sharing: dict[str, list[int]] = {}
    first: dict[str, Sentence] = {}
    late: set[str] = set()
    for k, paragraphs in enumerate(sections):
        for at, sentence in ((at, s) for at, p in enumerate(paragraphs) for s in p):
            first.setdefault(sentence.text, sentence)
            late |= {sentence.text} if parted and at else set()
            if k not in sharing.setdefault(sentence.text, []):
                sharing[sentence.text].append(k)
    shared = {said: tuple(grids) for said, grids in sharing.items() if len(grids) > 1 and not said.startswith(LEANING)}
    found = _shared(voices, {said: grids for said, grids in shared.items() if said not in late}, first)
    for voice, paragraphs in zip(voices, sections, strict=True):
        own = [tuple(s for s in p if s.text not in shared) for p in paragraphs]
        found += led(voice, [p for p in own if p], whole)
    return found + _shared(voices, {said: grids for said, grids in shared.items() if said in late}, first)


def _shared(
    voices: Sequence[Voice], shared: Mapping[str, tuple[int, ...]], first: Mapping[str, Sentence]
) -> list[Paragraph]:
    """A paragraph for each set of grids that share sentences."""
    found: list[Paragraph] = []
    for grids in dict.fromkeys(shared.values()):
        lines = [first[said] for said, ones in shared.items() if ones == grids]
        found.append((_lead([voices[k] for k in grids], len(voices)), *lines))
    return found


def led(voice: Voice, paragraphs: Sequence[Paragraph], whole: bool) -> list[Paragraph]:
    """Paragraphs of one grid among several, the first of them led by its name."""
    return [(named(voice, whole), *paragraphs[0]), *paragraphs[1:]] if paragraphs else []


def named(voice: Voice, whole: bool = False) -> Lead:
    """The run-in heading of one grid's paragraphs: its name, and where it is asked for its model and data set."""
    line = "{grid|name}"
    if whole and voice.has("grid", "model") and voice.has("grid", "dataset"):
        line += ", {grid|model} on {grid|dataset}"
    return Lead(joined([*voice.say(line).parts, "."]).parts)


def _lead(voices: Sequence[Voice], of: int) -> Lead:
    if len(voices) == of:
        return Lead((EVERY,))
    return Lead(joined([*chained(voice.say("{grid|name}") for voice in voices), "."]).parts)
