"""The words of a report, written by rules from its facts; they know no kind of grid and no number without a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid.artifacts import Fact, KeyFigure, Paragraph, Results, Section, Summary
from layergrid.facts import prefixes, sentences, views
from layergrid.facts.sources import data_key, model_key
from layergrid.facts.view import View
from layergrid.prose import (
    brief,
    captions,
    described,
    differences,
    families,
    first_page,
    grading,
    matrices,
    methods,
    reading,
    sections,
    several,
    together,
)
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
NAMED = ("observations",)  # each sentence may be quoted alone, and names its grid
OWN = ("analysis", "anomaly")  # of each grid alone: their sentences lean on each other
WEIGHED = ("interpretation", "conclusion")  # paragraphs are led by the name of the grid alone


def summarise(results: Results, facts: Sequence[Fact]) -> Summary:
    """The whole summary. `facts` are those of `facts.derive(results)`; raises KeyError where they are not."""
    by_id: Mapping[str, Fact] = {fact.id: fact for fact in facts}
    whole = Voice(by_id)
    names = prefixes(results)
    voices = [Voice(by_id, name, len(names) > 1) for name in names]
    plain = [Voice(by_id, name) for name in names]  # their paragraphs are led by the name of the grid
    seen = views(results)
    expected = reading.expectations(whole, len(results.expectations))
    found = _paragraphs(voices, plain, seen)
    found["conclusion"].insert(min(1, len(found["conclusion"])) if len(names) < 2 else 0, expected)
    found["methods"].append(methods.provenance(whole))
    said = captions.of_sources(results, whole)
    for view, voice in zip(seen, voices, strict=True):
        of_grid = captions.of_grid(voice, view)
        said |= {key: (voice.named(p[0]), *p[1:]) for key, p in of_grid.items() if p}
    summary = Summary(
        finding=first_page.finding(results, voices, whole),
        abstract=(*_abstract(voices, seen, whole), *grading.cautions(whole, results)),
        key_figures=_key_figures(voices, seen),
        sections=tuple(_section(key, title, found[key], results) for key, title in TITLES.items()),
        captions={key: paragraph for key, paragraph in said.items() if paragraph},
        brief=tuple(p for p in (*_brief(plain, seen), expected) if p),
    )
    summary = families.completed(summary, results, voices, seen, whole)
    return matrices.completed(differences.completed(summary, results, voices, seen, whole), results, by_id)


def _paragraphs(voices: Sequence[Voice], plain: Sequence[Voice], seen: Sequence[View]) -> dict[str, list[Paragraph]]:
    """The paragraphs of each section: of one grid as they are; of several what they share once, then grid by grid."""
    of_grids = [_of_grid(voice, view) for voice, view in zip(plain, seen, strict=True)]
    observed = [_observed(voice, view) for voice, view in zip(voices, seen, strict=True)]
    found: dict[str, list[Paragraph]] = {}
    for key in TITLES:
        if key in NAMED:
            found[key] = [p for paragraphs in observed for p in paragraphs]
        elif len(voices) > 1 and key in OWN:
            every = zip(plain, of_grids, strict=True)
            found[key] = [p for voice, one in every for p in together.led(voice, [q for q in one[key] if q], True)]
        elif len(voices) > 1:
            found[key] = together.said_once(plain, [one[key] for one in of_grids], key not in WEIGHED)
        else:
            found[key] = [p for one in of_grids for p in one[key]]
    return found


def _brief(plain: Sequence[Voice], seen: Sequence[View]) -> list[Paragraph]:
    """The summary of middle length, grid by grid."""
    short = [[p for p in brief.of_grid(voice, view) if p] for voice, view in zip(plain, seen, strict=True)]
    return together.said_once(plain, short, True, parted=True) if len(plain) > 1 else [p for one in short for p in one]


def _observed(voice: Voice, view: View) -> list[Paragraph]:
    """The observations of a grid, each with its name where there are several: each may be quoted alone."""
    found = (described if view.described else reading).observations(voice, view)
    return [tuple(voice.named(sentence) for sentence in p) for p in found]


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
        "interpretation": (described if view.described else reading).interpretation(voice, view),
        "anomaly": reading.anomaly(voice),
        "conclusion": (described if view.described else reading).conclusion(voice, view),
        "methods": methods.methods(voice, grid, data, model),
    }


def _data(view: View) -> str:
    return f"/{data_key(view.grid.dataset, view.grid.model)}"


def alternative(summary: Summary, figure: str) -> str:
    """The alternative text of a figure, from its entry among the captions; empty where there is none."""
    return " ".join(s.text for s in summary.captions.get(f"{figure}.alternative", ()))


__all__ = ["NAMED", "TITLES", "Voice", "alternative", "joined", "sentences", "summarise"]
