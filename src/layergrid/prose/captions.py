"""Captions and alternative texts of figures and tables, each able to stand alone; they know no chart."""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import DataCard, Paragraph, Results, Sentence
from layergrid.facts.sources import data_key
from layergrid.facts.view import View
from layergrid.prose import described
from layergrid.prose.beside import additions
from layergrid.prose.sections import trends
from layergrid.prose.voice import Voice, chained, joined

UNMET = 3  # expectations that are not met and that a first page names
POSITION = "nested position"  # the rule of facts on one position alone
BLANK, BREAK = text.token(" "), text.token("\n")


def of_sources(results: Results, whole: Voice) -> dict[str, Paragraph]:
    """Captions of what stands beside the grids: the token strip, the status table, the balance, the expectations."""
    found: dict[str, Paragraph] = {}
    if results.illustrations:
        found["tokens"] = _tokens(whole)
        holds = ", {i|written}" if whole.has("illustration.0", "written") else ""
        end = "; {i|answer}" if whole.has("illustration.0", "answer") else ""
        line = f"Tokens of an example of {{i|dataset}} ({{i|id}}){holds}, with positions marked{end}."
        found["tokens.alternative"] = (whole.say(line, i="illustration.0"),)
    labelled = any(card.classes != ("", "") for card in results.data)
    graded = all(card.classes == DataCard.classes for card in results.data)
    by = "" if not labelled else ", by label of the answer" if graded else ", by label"
    if results.data:
        found["positions"] = (whole.say(f"Status of each token position in the examples{by}."),)
        found["balance"] = tuple(_balance(whole, data_key(c.name, c.model)) for c in results.data)
    return found | _expected(results, whole)


def _expected(results: Results, whole: Voice) -> dict[str, Paragraph]:
    """How many expectations are met, those of the first page that are not, and what each row of their table is."""
    judged = results.expectations
    if not judged:
        return {}
    found: dict[str, Paragraph] = {
        f"expectations.{i}": (whole.say("{e|subject}", e=f"expectation.{i}"),) for i in range(len(judged))
    }
    unmet = [i for i, one in enumerate(judged) if not one.met][:UNMET]
    found["expectations.unmet"] = tuple(whole.say("{e|full}.", e=f"expectation.{i}") for i in unmet)
    return {"expectations": (whole.say("{expectations|Text}."),), **found}


def _tokens(whole: Voice) -> Paragraph:
    end = "; {i|answer}" if whole.has("illustration.0", "answer") else ""
    said = [
        whole.say(f"An example of {{i|dataset}} ({{i|id}}) as the model saw it{end}.", i="illustration.0"),
        whole.say(f"Coloured tokens are positions of the grid; {BLANK} is a blank, {BREAK} a line break."),
    ]
    if whole.has("illustration.0.absent"):
        said.append(whole.say("In this example {a}.", a="illustration.0.absent"))
    return tuple(said)


def _balance(whole: Voice, key: str) -> Sentence:
    keys = {"d": key, "n": f"{key}.n", "right": f"{key}.right", "wrong": f"{key}.wrong"}
    line = "Answers of {d|model} to {n} of {d|name}" if whole.has(key, "answers") else "{n} of {d|name}"
    line = "Given answers to {n} of {d|name}" if whole.has(f"{key}.given", "column") else line
    if whole.has(keys["right"], "percent"):
        line += ": {right} ({right|percent}) and {wrong} ({wrong|percent})"
    return whole.say(f"{line}.", **keys)


def of_grid(voice: Voice, view: View) -> dict[str, Paragraph]:
    """Captions of one grid's figures and tables, and alternative texts under "<figure>.alternative"."""
    name = view.grid.name
    found = {
        f"{name}.heatmap": _heatmap(voice),
        f"{name}.heatmap.alternative": _heatmap_alternative(voice),
        f"{name}.profile": _profile(voice),
        f"{name}.profile.alternative": _profile_alternative(voice),
        f"{name}.heads": _heads(voice),
        f"{name}.classes": _classes(voice),
        f"{name}.references": _references(voice, view),
        f"{name}.tied": _tied(voice),
        f"{name}.baselines": _baselines(voice),
        f"{name}.winners": _winners(voice),
        f"{name}.alone": _alone(voice),
        f"{name}.control": _control(voice),
    }
    return {key: paragraph for key, paragraph in found.items() if paragraph}


def _heatmap(voice: Voice) -> Paragraph:
    rows = ", on {rows}" if voice.has("rows") and not voice.has("certainty") else ""
    if rows and voice.has("quantity", "positive"):
        rows += ", {rows.positive} of them {quantity|positive}"
    said = [voice.say(f"{{quantity|Name}} by layer and {_axis(voice)}{voice.whose}{rows}.")]
    if voice.has("contrast"):
        said.append(voice.say("Cells are differences: {contrast}."))
    if voice.has("head"):
        said.append(voice.say("Cells {head}."))
    if voice.has("above", "not"):
        said.append(voice.say("Dots: {above|not} {correction|over}."))
    elif voice.has("contrast.sides", "dots"):
        said.append(voice.say("Dots: {s|dots}, each by itself.", s="contrast.sides"))
    said.extend(_diamond(voice))
    if voice.number("empty") > 0:
        said.append(voice.say(f"{_grey(voice)}: {{empty|lost}}."))
    return tuple(said)


def _grey(voice: Voice) -> str:
    """How cells without a value look: keys that come after their query are plain, all others hatched."""
    plain, lost = voice.number("empty.not_attendable"), voice.number("empty")
    if plain == lost:
        return "Grey"
    return "Grey, hatched" if not plain > 0 else "Grey, hatched unless the key follows its query"


def _axis(voice: Voice) -> str:
    """What a map's other axis holds, as a piece of a template."""
    if voice.has("grid", "text"):
        return "token of {grid|text}"
    return "token position" if voice.has("grid", "model") else "position"


def _heads(voice: Voice) -> Paragraph:
    """Of the small maps of single heads."""
    if not voice.has("heads"):
        return ()
    said = [voice.say(f"{{quantity|Name}} by layer and {_axis(voice)} in single heads{voice.whose}.")]
    if voice.has("heads.highest"):
        said.append(voice.say("{h|The} is {h}, of {h|head} at {h|where}.", h="heads.highest"))
    return tuple(said)


def _classes(voice: Voice) -> Paragraph:
    """Of the small maps of a contrast's classes, or of each class against the rest."""
    if voice.has("classes"):
        line = f"AUROC of single classes against the rest by layer and {_axis(voice)}{voice.whose}: {{classes}}"
        return (voice.say(f"{line}."),)
    if not voice.has("contrast", "one"):
        return ()
    line = f"{{quantity|Bare}} by layer and {_axis(voice)}{voice.whose}: {{contrast|one}} and {{contrast|other}}"
    return (voice.say(f"{line}."),)


def _references(voice: Voice, view: View) -> Paragraph:
    """Of the grid's map beside what it is compared with."""
    keys = [f"reference.{text.slug(f.name)}" for f in view.grid.facets if f.role == "reference"]
    if not keys:
        return ()
    names = chained(voice.say("{r|label}", r=key) for key in keys)
    head = voice.say(f"{{quantity|Name}} by layer and {_axis(voice)}{voice.whose}, beside ")
    return (joined([*head.parts, *names, "."]), *described.references(voice, view)[:1])


def _diamond(voice: Voice) -> list[Sentence]:
    """What the mark at one cell means."""
    if voice.has("constant"):
        return [voice.say("{constant|Text}; the diamond marks the first of them.")]
    if voice.has("highest", "not"):
        return [voice.say("Diamond: {highest|the}, {highest}, {highest|not} {correction}.")]
    if voice.has("highest", "single"):
        nested = "; the nested estimate is {nested}" if voice.has("nested") else ""
        nested += "; {highest|beside}" if voice.has("highest", "beside") else ""
        return [voice.say(f"Diamond: {{highest|the}}, {{highest}}{nested}.")]
    if voice.has("highest", "holds"):
        return [voice.say("Diamond: {highest|the}, {highest}, {highest|holds}.")]
    return []


def _heatmap_alternative(voice: Voice) -> Paragraph:
    said = [voice.say("Heatmap of {quantity|name}, {shape}.")]
    if voice.has("constant"):
        said.append(voice.say("{constant|Text}."))
    elif voice.has("range"):
        said.append(voice.say("Its {range|lie}."))
        if voice.has("highest", "single"):
            said.append(voice.say("{highest|The}, {highest|where}, {highest|reads} {highest}."))
    if voice.has("above", "Text"):
        said.append(voice.say("{above|Text}."))
    if voice.number("empty") > 0:
        said.append(voice.say("{empty|Text}."))
    return tuple(said)


def _profile(voice: Voice) -> Paragraph:
    bands = " with {level|intervals}, pointwise" if voice.has("level", "intervals") else ""
    what = "token" if voice.has("grid", "text") else "token position" if voice.has("grid", "model") else "position"
    said = [voice.say(f"{{quantity|Name}} by layer, a line for each {what} shown{bands}.")]
    if voice.has("chance"):
        said.append(voice.say("The dashed line marks {chance|named}."))
    return tuple(said)


def _profile_alternative(voice: Voice) -> Paragraph:
    line = "Lines of {quantity|name} across {layers}." if voice.has("layers") else "Empty axes."
    return (voice.say(line), *trends(voice, rule=False))


def _tied(voice: Voice) -> Paragraph:
    if not voice.has("tied"):
        return ()
    if voice.number("tied") == 0:
        return (voice.say("{tied|Full}."),)
    it = "it" if voice.relation("highest") != "several" else "them"
    return (voice.say(f"{{highest|The}}, {{highest|where}}, and the cells that {{tied|relation}} {it}: {{tie.rule}}."),)


def _winners(voice: Voice) -> Paragraph:
    if not voice.has("winners"):
        return ()
    line = "The cell that each fold chooses inside its training part, with its {quantity|name} on the fold left out."
    if voice.has("validation"):
        line = "The cell that the rows kept for choosing pick, with its {quantity|name} on the test rows."
    return (voice.say(line),)


def _baselines(voice: Voice) -> Paragraph:
    if not (voice.has("best_baseline") and voice.has("nested")):
        return ()
    line = "Baselines on the rows and folds of the grid, and the nested estimate minus each of them, paired"
    said = [voice.say(f"{line}, with {{level|intervals}}."), voice.say("The nested estimate is {nested}.")]
    if voice.has("best_baseline", "flattered"):
        said.append(voice.say("{best_baseline|flattered}."))
    line = "Where the probe is added, it and {a|label} are fitted together."
    return (*said, *(voice.say(line, a=key) for key in additions(voice)))


def _alone(voice: Voice) -> Paragraph:
    if not any(fact.rule == POSITION and voice.owns(fact) for fact in voice.facts.values()):
        return ()
    said = [voice.say("{quantity|Name} of each position alone, with {choice|own}, with {level|intervals}.")]
    if voice.has("positions.best", "position"):
        line = "Differences are those from {positions.best|position}, paired; {positions.best|optimistic}"
        said.append(voice.say(f"{line}, so that they are optimistic."))
    return tuple(said)


def _control(voice: Voice) -> Paragraph:
    if not voice.has("control"):
        return ()
    return (voice.say("Tokens at each position, and the {control|Caption}, with {level|intervals}."),)
