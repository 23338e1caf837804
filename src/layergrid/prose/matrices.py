"""The words on matrices of transfer: what is carried where, what is lost, what beats a baseline; they know no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from layergrid.artifacts import Fact, KeyFigure, Lead, Paragraph, Results, Section, Sentence, Summary
from layergrid.facts.matrices import prefix
from layergrid.prose.voice import Voice, joined

FIGURES = 4  # key figures of a first page
DOT = " \N{MIDDLE DOT} "


def completed(summary: Summary, results: Results, facts: Mapping[str, Fact]) -> Summary:
    """The summary with what its matrices say, each after the grids in every section."""
    voices = [Voice(facts, prefix(one)) for one in results.matrices]
    if not voices:
        return summary
    captions = dict(summary.captions)
    for voice, matrix in zip(voices, results.matrices, strict=True):
        captions |= _captions(voice, matrix.name)
    own: dict[str, list[Paragraph]] = {
        "overview": [overview(one) for one in voices],
        "analysis": [p for one in voices for p in analysis(one)],
        "observations": [p for one in voices for p in observations(one)],
        "conclusion": [conclusion(one) for one in voices],
        "methods": _new([methods(one) for one in voices]),
    }
    return replace(
        summary,
        finding=_finding(summary.finding, voices),
        abstract=(*summary.abstract, *(s for one in voices for s in abstract(one))),
        key_figures=(*summary.key_figures, *_key_figures(voices))[:FIGURES],
        sections=tuple(_with(one, own.get(one.key, [])) for one in summary.sections),
        captions=captions,
        brief=(*summary.brief, *((one.say("{quantity|sentence}."), *abstract(one)) for one in voices)),
    )


def _new(paragraphs: Sequence[Paragraph]) -> list[Paragraph]:
    """Paragraphs less the sentences that one before them has."""
    found: list[Paragraph] = []
    there: set[str] = set()
    for paragraph in paragraphs:
        found.append(tuple(one for one in paragraph if one.text not in there))
        there |= {one.text for one in paragraph}
    return [one for one in found if len(one) > 1]


def _with(section: Section, more: Sequence[Paragraph]) -> Section:
    """A section with further paragraphs; of the methods they stand before the last, which tells of the whole report."""
    kept = tuple(one for one in more if one)
    if section.key == "methods":
        return replace(section, paragraphs=(*section.paragraphs[:-1], *kept, *section.paragraphs[-1:]))
    return replace(section, paragraphs=(*section.paragraphs, *kept))


def _finding(said: Sentence, voices: Sequence[Voice]) -> Sentence:
    """The line below the title, with what is carried over."""
    lines = {one.text: one for one in (voice.say("transfer among {size}") for voice in voices)}
    parts = [*said.parts]
    for line in lines.values():
        parts += [*([DOT] if parts else []), *line.parts]
    return joined(parts)


def lead(voice: Voice) -> Lead:
    """The words in bold type before the paragraphs of one matrix."""
    return Lead(voice.say("Transfer {matrix|name}.").parts)


# ---------------------------------------------------------------- sections


def abstract(voice: Voice) -> Paragraph:
    """Two or three sentences: how far probes carry, and what is lost and gained."""
    if not voice.has("above"):
        return (voice.say("In {matrix|the}, {empty}."),) if voice.has("empty") else ()
    many = "; {level|own}" if voice.has("above", "many") else ""
    found = [voice.say(f"In {{matrix|the}} among {{size}}, {{above}}{many}.")]
    beside = [f"{{{key}|clause}}" for key in ("lost", "gain") if voice.has(key, "clause")]
    if beside:
        found.append(voice.say(f"Paired on the target's rows, the probe from elsewhere is {', and '.join(beside)}."))
    return tuple(found)


def overview(voice: Voice) -> Paragraph:
    """What is paired, what a pair is, and on which rows."""
    names = ": {size|names}" if voice.has("size", "names") else ""
    return (
        lead(voice),
        voice.say(f"{{matrix|The}} pairs {{size}}{names}; {{size|each}}."),
        voice.say("{quantity|sentence}."),
        voice.say("A pair is scored on {rows}" + ("; {dropped}." if voice.has("dropped") else ".")),
    )


def analysis(voice: Voice) -> list[Paragraph]:
    """The diagonal, the other pairs, what is lost against the one and gained over baselines."""
    said: list[Sentence] = [lead(voice)]
    if voice.has("own"):
        said.append(voice.say("Of probes {own|same} the {quantity|name} is {own}."))
    if voice.has("above"):
        said.append(voice.say("{above|Text}" + (", {above|also}." if voice.has("above", "also") else ".")))
    if voice.has("best"):
        said.append(_best(voice, "{best|The} is that {best|pair}: {best}"))
    if voice.has("lost", "clause"):
        said.append(voice.say("Paired on the target's rows, the probe from elsewhere is {lost|clause}."))
    if voice.has("worst"):
        said.append(voice.say("The probe {worst|pair}, picked on the rows that score it, {worst|clause}."))
    if voice.has("empty"):
        said.append(voice.say("{empty|Text}" + (": {empty|why}." if voice.has("empty", "why") else ".")))
    return [p for p in (tuple(said), _baselines(voice)) if p]


def _best(voice: Voice, line: str) -> Sentence:
    """A sentence on the best pair, that it is picked on the rows that score it, and how it stands to the target's."""
    ends = ["it is {best|picked}"] if voice.has("best", "picked") else []
    ends += ["{l|clause}" if ends else "it {l|clause}"] if voice.has("best.lost") else []
    return voice.say("; ".join([line, *([", and ".join(ends)] if ends else [])]) + ".", l="best.lost")


def _baselines(voice: Voice) -> Paragraph:
    """Beside the best baseline of each target."""
    if voice.has("baselines", "None"):
        return (voice.say("{baselines|None}."),)
    if not voice.has("baselines"):
        return ()
    said = [voice.say("For the target there is {baselines|the}: {baselines}.")]
    if voice.has("gain", "clause"):
        said.append(voice.say("Paired on the target's rows, the probe from elsewhere is {gain|clause}."))
    if voice.has("best.gain"):
        said.append(voice.say("The probe {g|pair} {g|clause}.", g="best.gain"))
    if voice.has("own.gain", "clause"):
        said.append(voice.say("On the diagonal the probe is {own.gain|clause}."))
    return tuple(said)


def observations(voice: Voice) -> list[Paragraph]:
    """Sentences that may be quoted alone."""
    if not voice.has("best"):
        return []
    line = "In {matrix|the}, {best|the} is that {best|pair}, with {quantity|name} {best}"
    found: list[Paragraph] = [(_best(voice, line),)]
    if voice.has("gain", "clause"):
        found.append((voice.say("In {matrix|the}, the probe from elsewhere is {gain|clause}."),))
    return found


def conclusion(voice: Voice) -> Paragraph:
    """What the pairs permit to say, and what they do not."""
    if not voice.has("above"):
        return ()
    return (lead(voice), *abstract(voice)[1:], voice.say("{level|Own}."), voice.say("{quantity|caution}."))


def methods(voice: Voice) -> Paragraph:
    """Folds that sets share, what is chosen on the source, scaling, values, baselines."""
    line = "Rows are split into {folds} by classes and groups; a group is held out of each set together, so that "
    said = [
        lead(voice),
        voice.say(line + "a probe is scored on rows of groups that did not train it, in whatever set these stand."),
    ]
    if voice.has("groups"):
        said.append(voice.say("{groups|Text}."))
    penalties = " ({penalties})" if voice.has("penalties") else ""
    line = f"On the source's training rows alone {{choices|what}}{penalties} {{choices|are}} chosen"
    said.append(voice.say(f"{line}, by the mean of {{folds|inner}} of them."))
    if voice.has("choices", "text"):
        said.append(voice.say("The folds choose {choices}."))
    for key in ("scaling", "solver", "tolerance", "interval"):
        if voice.has(f"method.{key}"):
            end = "; {unconverged}." if key == "tolerance" and voice.has("unconverged") else "."
            said.append(voice.say(f"{key.capitalize()}: {{m}}{end}", m=f"method.{key}"))
    if voice.has("baselines", "rule"):
        said.append(voice.say("{baselines|rule}."))
    if voice.has("signs"):
        said.append(voice.say("Signs of baselines are fixed in advance: {signs}."))
    if voice.has("left_out"):
        said.append(voice.say("{left_out|Text}."))
    return tuple(said)


# ---------------------------------------------------------------- first page and captions


def _key_figures(voices: Sequence[Voice]) -> list[KeyFigure]:
    found = []
    for voice in voices:
        if voice.has("best"):
            bounds = ", {best|interval}" if voice.has("best", "interval") else ""
            meaning = f"{{quantity|name}} of the probe {{best|pair}}{bounds}: {{best|the}} in {{matrix|the}}"
            meaning += ", {best|picked}" if voice.has("best", "picked") else ""
            found.append(KeyFigure(voice.say("{best|value}"), voice.say(meaning)))
    return found


def _captions(voice: Voice, name: str) -> dict[str, Paragraph]:
    """Of the figure, its alternative text, and the tables."""
    figure = [
        voice.say("{matrix|The}, sources down and targets across."),
        voice.say("{quantity|sentence}."),
        voice.say("Cells on the diagonal, framed, are cross-validated."),
    ]
    if voice.has("gain", "clause") or voice.has("own.gain", "clause"):
        figure.append(voice.say("The second map holds the paired difference from {baselines|the} of the target."))
    alternative = [voice.say("Matrix of {matrix|the}: {quantity|name} by source and target, {size}.")]
    if voice.has("own"):
        alternative.append(voice.say("On the diagonal it is {own}."))
    if voice.has("best"):
        alternative.append(voice.say("{best|The} is that {best|pair}: {best}."))
    table = (voice.say("{quantity|name} of each pair with its {level|interval}; {level|own}."),)
    return {
        f"{name}.matrix": tuple(figure),
        f"{name}.matrix.alternative": tuple(alternative),
        f"{name}.transfer": table,
    }
