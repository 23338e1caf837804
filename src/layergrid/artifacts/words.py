"""After the waist: facts, the sentences that cite them, and figures; they hold no array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One thing that the results say; recomputable from them. Prose may print a fact only in one of its `forms`."""

    id: str  # readable and stable: "errors.nested", "errors.at.exact_answer_last.peak"
    rule: str  # the name of the rule that made it
    grid: str  # name of the grid; empty for facts of data sets, models and settings
    cells: tuple[tuple[int, str], ...] = ()  # (layer, position) that it speaks of
    value: float | int | str | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    relation: str = ""  # the comparison word that it licenses: "above", "below", "most", "falls", ...
    of: tuple[str, ...] = ()  # facts that it compares
    forms: Mapping[str, str] = field(default_factory=dict)  # "text" -> "0.83 [0.79, 0.86]", "relation" -> "above"


@dataclass(frozen=True)
class Cite:
    """A piece of a sentence that prints a fact in one of its forms."""

    fact: str
    text: str


@dataclass(frozen=True)
class Sentence:
    """Plain text and citations in order; a number or a comparison may stand only in a citation."""

    parts: tuple[str | Cite, ...]

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(p if isinstance(p, str) else p.text for p in self.parts)

    @property
    def facts(self) -> tuple[str, ...]:
        """Ids of the facts it cites, in order, once each."""
        return tuple(dict.fromkeys(p.fact for p in self.parts if isinstance(p, Cite)))


@dataclass(frozen=True)
class Lead(Sentence):
    """The words in bold type that begin a paragraph and say of what it speaks: "Exact-answer tokens."."""


Paragraph = tuple[Sentence, ...]


@dataclass(frozen=True)
class Section:
    """One titled part of the summary."""

    key: str  # overview, components, analysis, observations, interpretation, anomaly, conclusion, methods
    title: str
    paragraphs: tuple[Paragraph, ...]
    authored: str = ""  # the author's own text, shown as such and never checked


@dataclass(frozen=True)
class KeyFigure:
    """One of the few large numbers of the first page."""

    figure: Sentence  # "0.83"
    meaning: Sentence  # "nested AUROC, 95 % interval 0.79-0.86, n = 962"


@dataclass(frozen=True)
class Summary:
    """All the words of a report that the numbers decide."""

    finding: Sentence  # one line of what was measured, below the title
    abstract: Paragraph
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    captions: Mapping[str, Paragraph]  # figure or table -> caption: "tokens", "errors.heatmap"
    brief: tuple[Paragraph, ...] = ()  # the summary of middle length: a paragraph or two a grid


@dataclass(frozen=True)
class Figure:
    """One drawing: a Vega-Lite specification for the page, and words for those who cannot see it."""

    name: str  # "errors.heatmap"; the key of its caption
    grid: str  # empty for the token strip
    title: str
    alternative: str  # alternative text
    spec: Mapping[str, Any] | None  # Vega-Lite, with the theme's configuration; None where `svg` is drawn directly
    svg: str = ""  # drawn directly: the token strip
    width: int = 0  # pixels at 96 dpi
    height: int = 0
