"""The words of two reports beside each other: first page, how far they agree, captions; they know no kind of grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layergrid.artifacts import KeyFigure, Paragraph, Results, Section, Sentence, Summary
from layergrid.facts.differences import KEY, tables
from layergrid.facts.view import View
from layergrid.prose import described
from layergrid.prose.voice import Voice, chained, joined

IN_ABSTRACT = 3  # grids whose differences an abstract tells
FIGURES = 4


def completed(
    summary: Summary, results: Results, voices: Sequence[Voice], seen: Sequence[View], whole: Voice
) -> Summary:
    """The summary of a comparison: its first page and captions in place of those of grids that stand alone."""
    if not tables(results):
        return summary
    said = abstract(voices, seen, whole)
    sections = [_section(one, voices, whole) for one in summary.sections]
    return replace(
        summary,
        finding=finding(voices, whole),
        abstract=said,
        brief=(said, *(p for p in (_compared(one, len(voices) > 1) for one in voices) if p)),
        key_figures=key_figures(voices, seen, whole),
        sections=tuple(one for one in sections if voices or one.paragraphs or one.authored),
        captions={**summary.captions, **_captions(voices, whole)},
    )


def finding(voices: Sequence[Voice], whole: Voice) -> Sentence:
    """What was taken from what."""
    lines = [whole.say("{c}", c=KEY)]
    lines += list({one.text: one for one in (voice.say("{quantity|name}") for voice in voices)}.values())
    return joined(chained(lines, " \N{MIDDLE DOT} ", " \N{MIDDLE DOT} "))


def abstract(voices: Sequence[Voice], seen: Sequence[View], whole: Voice) -> Paragraph:
    """Whether the reports agree, the differences of their nested bests and cells, and what else is not the same."""
    said: list[Sentence] = []
    if whole.has(f"{KEY}.cells", "alike"):
        said.append(whole.say("{c|Alike}.", c=f"{KEY}.cells"))
    elif not voices:
        said.append(whole.say("{c|None}.", c=f"{KEY}.cells"))
    else:
        for voice, view in list(zip(voices, seen, strict=True))[:IN_ABSTRACT]:
            said += [one for one in (nested(voice),) if one is not None]
            said += _cells(voice, view)[: 3 if len(voices) == 1 else 1]
    return (*said, *_lone(whole), *_changes(whole))


def nested(voice: Voice) -> Sentence | None:
    """The nested best in both reports, and what the interval of their difference permits to say."""
    if not voice.has("compared.nested"):
        return None
    key = f"/{KEY}"
    head = f"{{n|The}}{voice.of} is {{n|a}} in {{c|a}} and {{n|b}} in {{c|b}}"
    return voice.say(f"{head}: {{n|verdict}}.", n="compared.nested", c=key)


def _cells(voice: Voice, view: View) -> list[Sentence]:
    """On which side of zero the cells lie, or that they do not vary."""
    if voice.has("constant"):
        return [voice.within("{compared|Unchanged}.", "{compared|unchanged}.")]
    if view.bounded.any():
        first, *more = described.contrasts(voice)
        return [first, *_unbounded(voice), *more]
    said = described.extremes(voice)
    why = [voice.say("{compared|Why}.")] if voice.has("compared", "why") else []
    return [*why, *([said] if said is not None else described.contrasts(voice))]


def _compared(voice: Voice, bare: bool = True) -> Paragraph:
    """The rows behind the differences of one grid, the cells that are what they were, and `bare`: without interval."""
    if not voice.has("compared", "unchanged"):
        return ()
    said = []
    if voice.has("compared", "text"):
        said.append(voice.say(f"The differences{voice.of} are {{compared|how}}: {{compared}}."))
    elif voice.has("compared", "why"):
        said.append(voice.within("{compared|Why}.", "{compared|why}."))
    said += _unbounded(voice) if bare else []
    said.append(voice.within("{compared|Unchanged}.", "{compared|unchanged}."))
    return tuple(said)


def _unbounded(voice: Voice) -> list[Sentence]:
    """Which cells have no interval, where rows are paired."""
    return [voice.within("{u|Text}.", "{u}.", u="compared.unbounded")] if voice.has("compared.unbounded") else []


def _lone(whole: Voice) -> list[Sentence]:
    """What only one of the reports has."""
    keys = [f"{KEY}.only.a", f"{KEY}.only.b", f"{KEY}.apart"]
    return [whole.say("{o|Text}.", o=key) for key in keys if whole.has(key, "Text")]


def _changes(whole: Voice) -> Paragraph:
    """How many settings and facts are not the same."""
    keys = {"s": f"{KEY}.settings", "f": f"{KEY}.headline_facts", "o": f"{KEY}.other_facts"}
    if not all(whole.has(key) for key in keys.values()):
        return ()
    return (whole.say("Of what the reports hold, {s}, {f} and {o} {s|differ}.", **keys),)


# ---------------------------------------------------------------- key figures


def key_figures(voices: Sequence[Voice], seen: Sequence[View], whole: Voice) -> tuple[KeyFigure, ...]:
    """The differences of nested bests, the cells that leave out zero, those that are unchanged, the settings."""
    found: list[KeyFigure] = []
    for voice in voices:
        if voice.has("compared.nested"):
            bounds = "; {n|interval}" if voice.has("compared.nested", "interval") else ""
            meaning = f"{{n|best}}{voice.of}, {{c}}{bounds}"
            found.append(KeyFigure(voice.say("{n|signed}", n="compared.nested"),
                                   voice.say(meaning, n="compared.nested", c=f"/{KEY}")))  # fmt: skip
    for voice, view in zip(voices, seen, strict=True):
        if not voice.has("constant"):
            found += described.key_figures(voice, view)[:1]
    rest = []
    if whole.has(f"{KEY}.cells", "count"):
        rest.append(KeyFigure(whole.say("{c|count}", c=f"{KEY}.cells"), whole.say("cells unchanged")))
    if whole.number(f"{KEY}.settings") > 0:
        rest.append(
            KeyFigure(
                whole.say("{s|count}", s=f"{KEY}.settings"), whole.say("settings of the reports that are not alike")
            )
        )
    return (*found[: FIGURES - len(rest)], *rest)


# ---------------------------------------------------------------- sections and captions


def _section(one: Section, voices: Sequence[Voice], whole: Voice) -> Section:
    """The overview, led by how far the reports agree; the conclusion, led by the differences of nested bests."""
    one = replace(one, paragraphs=tuple(p for p in (_sure(p, voices) for p in one.paragraphs) if p))
    if one.key == "overview":
        lead = [tuple(_lone(whole)), _changes(whole)]
        for voice in voices:
            best = nested(voice)
            lead.append((*_compared(voice), *([best] if best is not None else [])))
        return replace(one, paragraphs=(*(p for p in lead if p), *one.paragraphs))
    if one.key == "conclusion":
        found = [nested(voice) for voice in voices]
        bests = tuple(sentence for sentence in found if sentence is not None)
        return replace(one, paragraphs=(*([bests] if bests else []), *one.paragraphs))
    if one.key == "methods":
        libraries = (whole.say("Libraries: {versions}."),) if whole.has("versions") else ()
        made = (whole.say("The report is made from the results of {c|a} and {c|b} alone.", c=KEY), *libraries)
        return replace(one, paragraphs=(*one.paragraphs[:-1], made))
    return one


def _sure(paragraph: Paragraph, voices: Sequence[Voice]) -> Paragraph:
    """A paragraph without the sentence that no interval is known, where rows are paired: that names the cells."""
    paired = {voice.identifier("certainty") for voice in voices if voice.has("compared", "how")}
    return tuple(sentence for sentence in paragraph if not paired & set(sentence.facts))


def _captions(voices: Sequence[Voice], whole: Voice) -> dict[str, Paragraph]:
    """Of the tables of what changed, and of both maps beside each other."""
    found: dict[str, Paragraph] = {}
    if whole.has(f"{KEY}.headline_facts"):
        keys = {"f": f"{KEY}.headline_facts", "o": f"{KEY}.other_facts", "c": KEY, "s": f"{KEY}.settings"}
        found["changed_facts"] = (
            whole.say("{f|Text} {f|verb}, each in the numbers of its report; beside them, {o} {o|verb}.", **keys),
        )
        found["changed_settings"] = (whole.say("{s|Text} {s|verb}.", **keys),)
    for voice in voices:
        key = f"{voice.say('{grid|name}').text}"
        if voice.has("contrast", "one"):
            line = "{quantity|Bare} by layer and token position {c|both}: {contrast|other} and {contrast|one}"
            found[f"{key}.classes"] = (voice.named(voice.say(f"{line}.", c=f"/{KEY}")),)
            found[f"{key}.differences"] = (
                voice.named(voice.say("Cells whose interval {contrast.sides|leaves}, {c|order}.", c=f"/{KEY}"))
                if voice.has("contrast.sides")
                else voice.named(voice.say("{quantity|Name} of single cells.")),
            )
    return found
