"""The words of a report, written by rules from its facts; they know no kind of grid and no number without a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid.artifacts import Fact, KeyFigure, Paragraph, Results, Section, Summary
from layergrid.facts import prefixes, sentences, views
from layergrid.facts.sources import data_key, model_key
from layergrid.facts.view import View
from layergrid.prose import captions, described, first_page, methods, reading, sections, several
from layergrid.prose.voice import Voice, joined

TITLES = {
    "overview": "Overview",
    "components": "Components and axes",
    "analysis": "Detailed analysis",
    "observations": "Key observations",
    "interpretation": "Interpretation",
    "anomaly": "Notable anomaly",
    "conclusion": "Conclusion",
    "methods": "Methods",
}
WEIGHED = ("observations", "interpretation", "conclusion")  # each sentence may be quoted alone, and names its grid


def summarise(results: Results, facts: Sequence[Fact]) -> Summary:
    """The whole summary. `facts` are those of `facts.derive(results)`; raises KeyError where they are not."""
    by_id: Mapping[str, Fact] = {fact.id: fact for fact in facts}
    whole = Voice(by_id)
    names = prefixes(results)
    voices = [Voice(by_id, name, len(names) > 1) for name in names]
    found: dict[str, list[Paragraph]] = {key: [] for key in TITLES}
    seen = views(results)
    for view, voice in zip(seen, voices, strict=True):
        for key, paragraphs in _of_grid(voice, view).items():
            found[key].extend((_named if key in WEIGHED else _led)(voice, paragraphs) if voice.several else paragraphs)
    found["conclusion"].insert(min(1, len(found["conclusion"])), reading.expectations(whole, len(results.expectations)))
    found["methods"].append(methods.provenance(whole))
    said = captions.of_sources(results, whole)
    for view, voice in zip(seen, voices, strict=True):
        of_grid = captions.of_grid(voice, view)
        said |= {key: (voice.named(p[0]), *p[1:]) for key, p in of_grid.items() if p}
    return Summary(
        finding=first_page.finding(results, voices, whole),
        abstract=_abstract(voices, seen, whole),
        key_figures=_key_figures(voices, seen),
        sections=tuple(_section(key, title, found[key], results) for key, title in TITLES.items()),
        captions={key: paragraph for key, paragraph in said.items() if paragraph},
    )


def _abstract(voices: Sequence[Voice], seen: Sequence[View], whole: Voice) -> Paragraph:
    if len(voices) > 1:
        return several.abstract(voices, seen, whole)
    if not voices:
        return ()
    if seen[0].described and voices[0].has("range"):
        return described.abstract(voices[0], seen[0])
    return first_page.abstract(voices[0], seen[0].grid, seen[0].groups)


def _key_figures(voices: Sequence[Voice], seen: Sequence[View]) -> tuple[KeyFigure, ...]:
    if len(voices) > 1:
        return several.key_figures(voices, seen)
    if not voices:
        return ()
    return (
        described.key_figures(voices[0], seen[0])
        if seen[0].described
        else first_page.key_figures(voices[0], _data(seen[0]))
    )


def _section(key: str, title: str, paragraphs: Sequence[Paragraph], results: Results) -> Section:
    authored = results.interpretation if key == "interpretation" else ""
    return Section(key, title, tuple(p for p in paragraphs if p), authored)


def _of_grid(voice: Voice, view: View) -> dict[str, list[Paragraph]]:
    """The sections of one grid."""
    grid, data, model = view.grid, _data(view), f"/{model_key(view.grid.model)}"
    return {
        "overview": sections.overview(voice, grid, data, model),
        "components": sections.components(voice, grid, data, model),
        "analysis": sections.analysis(voice, grid, view),
        "observations": described.observations(voice, view) if view.described else reading.observations(voice, view),
        "interpretation": (described if view.described else reading).interpretation(voice, view),
        "anomaly": reading.anomaly(voice),
        "conclusion": (described if view.described else reading).conclusion(voice, view),
        "methods": methods.methods(voice, grid, data, model),
    }


def _data(view: View) -> str:
    return f"/{data_key(view.grid.dataset, view.grid.model)}"


def _led(voice: Voice, paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Paragraphs of one grid among several, each led by its name."""
    first, again = "Grid {grid|name}:", "Grid {grid|name}:"
    if voice.has("grid", "model") and voice.has("grid", "dataset"):
        first = "Grid {grid|name}, {grid|model} on {grid|dataset}:"
    return [(voice.say(again if i else first), *p) for i, p in enumerate(p for p in paragraphs if p)]


def _named(voice: Voice, paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Paragraphs of one grid among several, with its name in every sentence."""
    return [tuple(voice.named(sentence) for sentence in p) for p in paragraphs]


def alternative(summary: Summary, figure: str) -> str:
    """The alternative text of a figure, from its entry among the captions; empty where there is none."""
    return " ".join(s.text for s in summary.captions.get(f"{figure}.alternative", ()))


__all__ = ["TITLES", "WEIGHED", "Voice", "alternative", "joined", "sentences", "summarise"]
