"""The words of a report, written by rules from its facts; they know no kind of grid and no number without a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid.artifacts import Fact, Paragraph, Results, Section, Summary
from layergrid.facts import prefixes, sentences
from layergrid.facts.sources import data_key, model_key
from layergrid.facts.view import View
from layergrid.prose import captions, first_page, methods, reading, sections
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


def summarise(results: Results, facts: Sequence[Fact]) -> Summary:
    """The whole summary. `facts` are those of `facts.derive(results)`; raises KeyError where they are not."""
    by_id: Mapping[str, Fact] = {fact.id: fact for fact in facts}
    whole = Voice(by_id)
    names = prefixes(results)
    voices = [Voice(by_id, name) for name in names]
    found: dict[str, list[Paragraph]] = {key: [] for key in TITLES}
    for result, voice in zip(results.grids, voices, strict=True):
        for key, paragraphs in _of_grid(voice, View(result)).items():
            found[key].extend(_led(voice, paragraphs) if len(voices) > 1 else paragraphs)
    found["conclusion"].insert(min(1, len(found["conclusion"])), reading.expectations(whole, len(results.expectations)))
    found["methods"].append(methods.provenance(whole))
    said = captions.of_sources(results, whole)
    for result, voice in zip(results.grids, voices, strict=True):
        said |= captions.of_grid(voice, result.grid.name)
    lead = View(results.grids[0]) if results.grids else None
    return Summary(
        finding=first_page.finding(results, voices, whole),
        abstract=first_page.abstract(voices[0], lead.grid, lead.groups) if lead else (),
        key_figures=first_page.key_figures(voices[0], _data(lead)) if lead else (),
        sections=tuple(_section(key, title, found[key], results) for key, title in TITLES.items()),
        captions={key: paragraph for key, paragraph in said.items() if paragraph},
    )


def _section(key: str, title: str, paragraphs: Sequence[Paragraph], results: Results) -> Section:
    authored = results.interpretation if key == "interpretation" else ""
    return Section(key, title, tuple(p for p in paragraphs if p), authored)


def _of_grid(voice: Voice, view: View) -> dict[str, list[Paragraph]]:
    """The sections of one grid."""
    grid, data, model = view.grid, _data(view), f"/{model_key(view.grid.model)}"
    return {
        "overview": sections.overview(voice, grid, data, model),
        "components": sections.components(voice, grid, data),
        "analysis": sections.analysis(voice, grid, view),
        "observations": reading.observations(voice, view),
        "interpretation": reading.interpretation(voice, grid),
        "anomaly": reading.anomaly(voice),
        "conclusion": reading.conclusion(voice, grid),
        "methods": methods.methods(voice, grid, data),
    }


def _data(view: View) -> str:
    return f"/{data_key(view.grid.dataset, view.grid.model)}"


def _led(voice: Voice, paragraphs: list[Paragraph]) -> list[Paragraph]:
    """Paragraphs of one grid among several, led by its name."""
    lead = voice.say("Grid {grid|name}, {grid|model} on {grid|dataset}:")
    first, *rest = [p for p in paragraphs if p] or [()]
    return [(lead, *first), *rest] if first else []


def alternative(summary: Summary, figure: str) -> str:
    """The alternative text of a figure, from its entry among the captions; empty where there is none."""
    return " ".join(s.text for s in summary.captions.get(f"{figure}.alternative", ()))


__all__ = ["TITLES", "Voice", "alternative", "joined", "sentences", "summarise"]
