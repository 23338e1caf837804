"""The words on several models, data sets or sites beside each other: first page, overview, captions; no ranking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from layergrid.artifacts import Paragraph, Results, Sentence, Summary
from layergrid.facts.between import GRIDS
from layergrid.facts.families import ALL, key
from layergrid.facts.view import View
from layergrid.prose.voice import Voice

MORE = "grids.more"  # the fact of how many grids an abstract leaves to the sections
IN_ABSTRACT = 4  # differences that an abstract tells
TABLE, GAPS = "several", "several.differences"  # keys of the tables


def completed(
    summary: Summary, results: Results, voices: Sequence[Voice], seen: Sequence[View], whole: Voice
) -> Summary:
    """The summary with what families and differences of grids say, before what each grid says by itself."""
    lead = [*_ranges(results, whole)]
    gaps = [one for voice, view in zip(voices, seen, strict=True) for one in _difference(voice, view)]
    if not lead and not gaps:
        return summary
    many = [whole.say("{m|Text}.", m=ALL)] if whole.has(ALL) else []
    told = {voice.prefix for voice, view in zip(voices, seen, strict=True) if _told(view, results)}
    alone = tuple(one for one in summary.abstract if not _only_of(one, told, whole))
    first = (*lead, *gaps[:IN_ABSTRACT], *(many if len(gaps) > 1 else ()))
    paragraphs = [tuple(lead), *_compared(voices, seen), tuple(many)]
    sections = [
        replace(one, paragraphs=(*(p for p in paragraphs if p), *one.paragraphs)) if one.key == "overview"
        else replace(one, paragraphs=((*gaps, *many), *one.paragraphs)) if one.key == "conclusion" and gaps
        else one
        for one in summary.sections
    ]  # fmt: skip
    return replace(
        summary,
        abstract=(*first, *alone),
        brief=(first, *summary.brief),
        sections=tuple(sections),
        captions={**summary.captions, **_captions(results, whole, gaps)},
    )


def _ranges(results: Results, whole: Voice) -> Iterator[Sentence]:
    """How far the nested bests of each family reach."""
    for family in results.families:
        if whole.has(key(family.name)):
            line = "The nested bests of the {f|grids} of {f|name}, {f|which}, {f} in {f|quantity}: layer, position and "
            yield whole.say(line + "penalty are chosen inside the training folds.", f=key(family.name))


def _difference(voice: Voice, view: View) -> list[Sentence]:
    """The difference of two nested bests, with how it is paired."""
    if view.grid.settings.get("between") != "grids" or not voice.has("compared.nested", "clause"):
        return []
    at = "In the grid {grid|name}, {n|at}, " if voice.has("compared.nested", "at") else "In the grid {grid|name}, "
    how = "; the difference is {n|paired}" if voice.has("compared.nested", "paired") else ""
    return [voice.say(f"{at}{{n|clause}}{how}.", n="compared.nested")]


def _told(view: View, results: Results) -> bool:
    """Whether what a grid is compared with says more than its own sentence on a first page."""
    names = {one for family in results.families for one in family.differences}
    names |= {member.grid for family in results.families for member in family.members}
    return view.grid.name in names or view.grid.settings.get("between") == "grids"


def _only_of(sentence: Sentence, prefixes: set[str], whole: Voice) -> bool:
    """Whether a sentence speaks of single grids alone, which the table of the family has."""
    if any(whole.facts[one].rule == GRIDS for one in sentence.facts):
        return False
    parts = (*(f"{p}." for p in prefixes), MORE)
    return bool(sentence.facts) and all(one.startswith(parts) for one in sentence.facts)


def _compared(voices: Sequence[Voice], seen: Sequence[View]) -> Iterator[Paragraph]:
    """The rows behind each difference, how they are paired, and what the labels of both have to do with each other."""
    for voice, view in zip(voices, seen, strict=True):
        if view.grid.settings.get("between") != "grids":
            continue
        said = _difference(voice, view)
        if voice.has("compared", "text"):
            how = "" if said else "; the differences are {c|how}"
            said.append(voice.say(f"Behind the grid {{grid|name}} stand {{c}}{how}.", c="compared"))
        if voice.has("compared", "Labels"):
            said.append(voice.say("{c|Labels}.", c="compared"))
        if voice.has("compared", "Why"):
            said.append(voice.say("{c|Why}.", c="compared"))
        yield tuple(voice.named(one) for one in said)


def _captions(results: Results, whole: Voice, gaps: Sequence[Sentence]) -> dict[str, Paragraph]:
    found: dict[str, Paragraph] = {}
    for family in results.families:
        if whole.has(key(family.name)):
            line = "{f|quantity} by layer and token position in the {f|grids} of {f|name}."
            found[f"{family.name}.family"] = (whole.say(line, f=key(family.name)),)
            said = whole.say("The {f|grids} of {f|name}, {f|which}.", f=key(family.name))
            found[TABLE] = (*found.get(TABLE, ()), said)
    if gaps and whole.has(ALL):
        found[GAPS] = (whole.say("{m|Text}.", m=ALL),)
    return found
