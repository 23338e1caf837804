"""How much a report says: the parts of a summary at each of its three lengths; it knows no sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from layergrid.artifacts import Section, Sentence, Summary

Length = Literal["abstract", "summary", "full"]
BRIEF = "summary"  # the key of the section that stands in place of all others at the middle length
METHODS = "methods"


def sections(summary: Summary, length: str = "full") -> tuple[Section, ...]:
    """The titled parts at a length: all that say something; one of a paragraph or two a grid; none.

    The methods stand at every length. The author's own text is kept wherever words about the grids are.
    """
    if length == "full":
        return tuple(s for s in summary.sections if s.paragraphs or s.authored)
    methods = tuple(s for s in summary.sections if s.key == METHODS)
    authored = "\n\n".join(s.authored for s in summary.sections if s.authored)
    if length == "abstract" or not (summary.brief or authored):
        return methods
    return (Section(BRIEF, "Summary", summary.brief, authored), *methods)


def sentences(summary: Summary, length: str = "") -> Iterator[tuple[str, Sentence]]:
    """Every sentence with where it stands ("abstract", "methods", "caption errors.heatmap"), in reading order.

    Those of one length, or without one those of all lengths, each once.
    """
    yield "finding", summary.finding
    for sentence in summary.abstract:
        yield "abstract", sentence
    for i, figure in enumerate(summary.key_figures, 1):
        yield f"key figure {i}", figure.figure
        yield f"key figure {i}", figure.meaning
    if not length:
        for paragraph in summary.brief:
            for sentence in paragraph:
                yield BRIEF, sentence
    for section in sections(summary, length or "full"):
        for paragraph in section.paragraphs:
            for sentence in paragraph:
                yield section.key, sentence
    for name, paragraph in summary.captions.items():
        for sentence in paragraph:
            yield f"caption {name}", sentence
