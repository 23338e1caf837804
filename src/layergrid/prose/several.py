"""The first page of a report on several grids: a sentence or two on each, and a figure of each; it knows no kind."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.artifacts import KeyFigure, Paragraph, Sentence
from layergrid.facts.between import GRIDS
from layergrid.facts.sources import IN_ABSTRACT
from layergrid.facts.view import View
from layergrid.prose import described
from layergrid.prose.beside import absent, with_addition
from layergrid.prose.first_page import CHOSEN, extent, figure_best, kept, nested, without_values
from layergrid.prose.kept import few
from layergrid.prose.voice import Voice

IN_DIFFERENCES = 3  # pairs of grids that an abstract compares
IN_FIGURES = 4  # grids that have a key figure, where there are several


def abstract(voices: Sequence[Voice], seen: Sequence[View], whole: Voice) -> Paragraph:
    """One or two sentences on each of the first grids, each with the name of its grid, and how many more there are."""
    said: list[Sentence] = []
    explained = False  # how a nested best is chosen is told once
    for voice, view in list(zip(voices, seen, strict=True))[:IN_ABSTRACT]:
        if voice.has("range") and view.described:
            found = (voice.say("{quantity|sentence}."), *described.found(voice, view)[:1])
        elif voice.has("range"):
            found = kept([nested(voice, view.grid, chosen="" if explained else CHOSEN), _gain_of(voice)])
            explained = explained or any(voice.say("{choice|when}").text in sentence.text for sentence in found)
            found = (*found, *absent(voice)[: int(voice.has("nested"))])
        else:
            found = (*few(voice), without_values(voice))
        if not found:
            flat = voice.has("constant")
            found = kept([voice.within("{constant|Text}.", "{constant}.") if flat else extent(voice, ())])
        said.extend(voice.named(sentence) for sentence in found)
    said.extend(differences(whole))
    if whole.has("grids.more", "Text"):
        said.append(whole.say("{grids.more|Text} in the sections that follow."))
    return tuple(said)


def differences(whole: Voice) -> list[Sentence]:
    """The nested bests of grids on the same rows and folds beside each other."""
    found: list[Sentence] = []
    for key, fact in whole.facts.items():
        if fact.rule == GRIDS and len(found) < IN_DIFFERENCES:
            verb = "stands {d|relation}" if fact.relation != "cannot be told from" else "{d|relation}"
            end = "; {d|difference}" if "difference" in fact.forms else ""
            line = f"On {{d|same}} {{d|best}} of the grid {{d|a}} {verb} that of the grid {{d|b}}{end}."
            found.append(whole.say(line, d=f"/{key}"))
    return found


def _gain_of(voice: Voice) -> Sentence | None:
    """The nested best beside the best baseline, in a sentence that stands without the one before it."""
    relation = voice.relation("gain")
    if not voice.has("best_baseline") or not voice.has("nested"):
        return None
    if not relation:
        line = "Of the grid {grid|name}, {best_baseline|the}, {best_baseline|label}, {best_baseline|verb} "
        line += "{best_baseline}" + ("; the {gain|difference}" if voice.has("gain", "difference") else "")
        return with_addition(voice, voice.say(f"{line}."))
    verb = "{gain|word}" if relation == "cannot be told from" else "stands {gain|relation}"
    line = f"{{nested|The}}{voice.of} {verb} {{best_baseline|the}}, {{best_baseline|label}}."
    return with_addition(voice, voice.say(line))


def key_figures(voices: Sequence[Voice], seen: Sequence[View]) -> tuple[KeyFigure, ...]:
    """The nested best of each of the first grids, or the first figure of one that describes, with its grid's name."""
    found: list[KeyFigure | None] = []
    for voice, view in zip(voices, seen, strict=True):
        found += described.key_figures(voice, view)[:1] if view.described else [figure_best(voice)]
    return tuple(f for f in found if f is not None)[:IN_FIGURES]
